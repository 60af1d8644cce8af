use super::*;
use crate::grid::{FlexSlot, Grid, Raster};
use crate::units::Frequency;
use proptest::prelude::*;
use std::vec::Vec;

mod guards;
mod policies;

const WIDTH_75: u16 = 12;

#[test]
fn the_last_legal_start_is_found() {
    let mut slots = Slots::all_occupied(784);
    slots.release(772, 12).unwrap();
    assert_eq!(Search::new(&slots, WIDTH_75).first(), Some(772));
    assert_eq!(Search::new(&slots, WIDTH_75).at(&Raster::C_BAND.starts(6)).first(), Some(772));
}

#[test]
fn a_hole_of_exactly_the_need_is_taken() {
    let mut slots = Slots::all_occupied(784);
    slots.release(10, 11).unwrap();
    slots.release(30, 12).unwrap();
    slots.release(60, 100).unwrap();
    assert_eq!(Search::new(&slots, WIDTH_75).first(), Some(30));
}

#[test]
fn centres_that_a_module_cannot_tune_to_are_passed_over() {
    let slots = Slots::all_free(784);
    let starts = Raster::C_BAND.starts_on(Grid::Ghz75, -72..=120, 6);
    let first = Search::new(&slots, WIDTH_75).at(&starts).first().unwrap();
    let slot = Raster::C_BAND.slot_at(first, WIDTH_75).unwrap();
    assert_eq!(slot.centre(), Ok(Frequency::from_mhz(191_300_000)));
}

#[test]
fn a_refused_take_changes_nothing() {
    let mut slots = Slots::all_free(784);
    slots.take(5, 3).unwrap();
    let before = slots.clone();
    assert_eq!(slots.take(0, 8), Err(SlotsError::Occupied { bit: 5 }));
    assert_eq!(slots.release(4, 4), Err(SlotsError::AlreadyFree { bit: 4 }));
    assert_eq!(slots.release(5, 4), Err(SlotsError::AlreadyFree { bit: 8 }));
    assert_eq!(slots.take(780, 8), Err(SlotsError::OutOfRaster { first: 780, end: 788, bits: 784 }));
    let beyond = SlotsError::OutOfRaster { first: u16::MAX, end: 131_070, bits: 784 };
    assert_eq!(slots.release(u16::MAX, u16::MAX), Err(beyond));
    assert_eq!(slots, before);
}

#[test]
fn a_stored_bitmap_is_checked_when_read() {
    let read = |text: &str| serde_json::from_str::<Slots>(text);
    assert_eq!(read(r#"{"words":[7],"bits":3}"#).unwrap(), Slots::all_free(3));
    assert!(read(r#"{"words":[],"bits":784}"#).is_err());
    assert!(read(r#"{"words":[0,0],"bits":64}"#).is_err());
    assert!(read(r#"{"words":[8],"bits":3}"#).is_err());
    assert_eq!(read(r#"{"words":[18446744073709551615],"bits":64}"#).unwrap(), Slots::all_free(64));
}

#[test]
fn bitmaps_of_other_lengths_are_united_and_cut_within_their_own() {
    let mut short = Slots::all_occupied(70);
    short.unite(&Slots::all_free(784));
    assert_eq!(short, Slots::all_free(70));
    let mut long = Slots::all_free(784);
    long.subtract(&Slots::all_free(70));
    assert_eq!(long.runs().collect::<Vec<_>>(), [(70, 714)]);
    long.intersect(&Slots::all_free(100));
    assert_eq!(long.runs().collect::<Vec<_>>(), [(70, 30)]);
    assert_eq!(Slots::all_free(u16::MAX).bits(), MAX_BITS);
    assert_eq!(Slots::from_words(&[u64::MAX; 40], 100), Slots::all_free(100));
}

#[test]
fn a_start_for_no_width_or_a_width_beyond_the_band_is_none() {
    for m in [0, 393, 40_000, u16::MAX] {
        assert_eq!(Raster::C_BAND.starts(m).free(), 0, "m = {m}");
        assert_eq!(Raster::C_BAND.starts_on(Grid::Ghz6p25, i16::MIN..=i16::MAX, m).free(), 0, "m = {m}");
        assert_eq!(Raster::C_BAND.starts_where(m, |_| true).free(), 0, "m = {m}");
        assert_eq!(Raster::C_BAND.starts_at(Frequency::ANCHOR, m).free(), 0, "m = {m}");
    }
    assert_eq!(Raster::C_BAND.starts(392).runs().collect::<Vec<_>>(), [(0, 1)]);
}

proptest! {
    #[test]
    fn take_then_release_restores_exactly(first in 0_u16..784, count in 0_u16..300) {
        let mut slots = Slots::all_free(784);
        let before = slots.clone();
        if slots.take(first, count).is_ok() {
            prop_assert_eq!(slots.free(), 784 - u32::from(count));
            prop_assert_eq!(slots.are_free(first, count), count == 0);
            slots.release(first, count).unwrap();
        }
        prop_assert_eq!(slots, before);
    }

    #[test]
    fn runs_cover_the_free_bits_and_nothing_else(free in proptest::collection::vec(any::<bool>(), 0..300)) {
        let slots = bitmap(&free);
        let runs: u32 = slots.runs().map(|(_, n)| u32::from(n)).sum();
        prop_assert_eq!(runs, slots.free());
        prop_assert!(slots.runs().all(|(first, count)| slots.are_free(first, count)));
        let longest = free.split(|bit| !bit).map(<[bool]>::len).max().unwrap_or(0);
        prop_assert_eq!(usize::from(slots.largest_run()), longest);
    }

    #[test]
    fn starts_on_a_grid_are_its_channels(code in 0_u8..10, low in -900_i16..900, count in 0_i16..900, m in 1_u16..14) {
        let grid = Grid::from_code(code).unwrap();
        let high = low.saturating_add(count);
        let exact = |f: Frequency| FlexSlot::around(f, m).is_ok()
            && grid.channel(f).is_ok_and(|n| (low..=high).contains(&n) && grid.frequency(n) == Ok(f));
        for band in [Raster::C_BAND, Raster::C_PLUS_L] {
            prop_assert_eq!(band.starts_on(grid, low..=high, m), band.starts_where(m, exact));
        }
    }

    #[test]
    fn starts_in_a_window_are_those_whose_slot_it_holds(low in 191_000_000_u32..196_500_000, width in 0_u32..900_000, m in 1_u16..14) {
        let window = crate::grid::SpectrumWindow { low: Frequency::from_mhz(low), high: Frequency::from_mhz(low + width) };
        let held = Raster::C_BAND.starts_where(m, |centre| window.holds(centre, FlexSlot::width_of(m)));
        prop_assert_eq!(Raster::C_BAND.starts_in(window, m), held);
    }
}

/// A bitmap of these bits.
fn bitmap(free: &[bool]) -> Slots {
    let mut slots = Slots::all_occupied(u16::try_from(free.len()).unwrap());
    for (bit, _) in free.iter().enumerate().filter(|(_, free)| **free) {
        slots.release(u16::try_from(bit).unwrap(), 1).unwrap();
    }
    slots
}
