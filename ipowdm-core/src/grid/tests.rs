use super::*;
use proptest::prelude::*;

mod bands;

#[test]
fn known_channels_of_real_modules() {
    // Read from modules: code 7, n = 78 is 195.050 THz; code 5, n = 30 is 196.100 THz.
    assert_eq!(Grid::Ghz75.frequency(78), Ok(Frequency::from_mhz(195_050_000)));
    assert_eq!(Grid::Ghz100.frequency(30), Ok(Frequency::from_mhz(196_100_000)));
    assert_eq!(Grid::Ghz33.frequency(1), Ok(Frequency::from_mhz(193_133_333)));
    assert_eq!(Grid::Ghz150.frequency(0), Ok(Frequency::from_mhz(193_175_000)));
    assert_eq!(Grid::Ghz300.frequency(0), Ok(Frequency::from_mhz(192_987_500)));
}

#[test]
fn an_illegal_channel_number_is_refused() {
    assert!(matches!(Grid::Ghz75.frequency(1), Err(GridError::BadChannel { step: 3, .. })));
    assert!(matches!(Grid::Ghz300.frequency(8), Err(GridError::BadChannel { step: 24, .. })));
}

#[test]
fn an_off_grid_frequency_names_its_neighbours() {
    let error = Grid::Ghz75.channel(Frequency::from_mhz(193_120_000)).unwrap_err();
    assert_eq!(
        error,
        GridError::OffGrid {
            frequency: Frequency::from_mhz(193_120_000),
            grid: Grid::Ghz75,
            below: Frequency::ANCHOR,
            above: Frequency::from_mhz(193_175_000)
        }
    );
}

#[test]
fn only_the_rounded_channels_of_the_33_ghz_grid_have_a_tolerance() {
    let at = |mhz| Grid::Ghz33.channel(Frequency::from_mhz(mhz));
    // n = 1 is 193 133 333⅓ MHz, n = 2 is 193 166 666⅔ MHz: either neighbour of the rounded value is meant for it.
    for (n, rounded) in [(1, 193_133_333_u32), (2, 193_166_667), (-1, 193_066_667), (-2, 193_033_333)] {
        assert_eq!([rounded - 1, rounded, rounded + 1].map(at), [Ok(n); 3]);
        assert!(at(rounded - 2).is_err() && at(rounded + 2).is_err());
    }
    // Every third channel is a whole number of megahertz.
    for (n, exact) in [(0, 193_100_000), (9, 193_400_000), (-3, 193_000_000)] {
        assert_eq!(at(exact), Ok(n));
        for off in [exact - 1, exact + 1] {
            assert!(matches!(at(off), Err(GridError::OffGrid { .. })), "{off}");
        }
    }
}

#[test]
fn the_c_band_has_784_bits_up_to_196_150() {
    assert_eq!(Raster::C_BAND.window().high, Frequency::from_mhz(196_150_000));
    let slot = FlexSlot::around(Frequency::ANCHOR, 6).unwrap();
    let (first, count) = Raster::C_BAND.bits_of(slot).unwrap();
    assert_eq!((first, count), (290, 12));
    assert_eq!(Raster::C_BAND.slot_at(first, count), Ok(slot));
}

#[test]
fn a_slot_at_the_band_edge_is_in_and_one_step_further_is_out() {
    let low = Frequency::from_mhz(191_250_000 + 37_500);
    assert_eq!(Raster::C_BAND.bits_of(FlexSlot::around(low, 6).unwrap()), Ok((0, 12)));
    let under = low.offset(-6_250).unwrap();
    let outside = SlotError::OutsideBand { first: -1, end: 11, bits: 784 };
    assert_eq!(Raster::C_BAND.bits_of(FlexSlot::around(under, 6).unwrap()), Err(outside));
}

#[test]
fn window_bits_are_the_whole_ones() {
    let window =
        SpectrumWindow { low: Frequency::from_mhz(191_250_001), high: Frequency::from_mhz(191_262_500) };
    assert_eq!(Raster::C_BAND.bits_in(window), Some((1, 1)));
    let narrow =
        SpectrumWindow { low: Frequency::from_mhz(191_250_001), high: Frequency::from_mhz(191_256_249) };
    assert_eq!(Raster::C_BAND.bits_in(narrow), None);
}

proptest! {
    #[test]
    fn every_legal_channel_of_every_grid_survives(code in 0_u8..10, k in -400_i16..400) {
        let grid = Grid::from_code(code).unwrap();
        prop_assert_eq!(grid.code(), code);
        let n = k.saturating_mul(match grid { Grid::Ghz75 => 3, Grid::Ghz150 => 6, Grid::Ghz300 => 24, _ => 1 });
        let frequency = grid.frequency(n).unwrap();
        prop_assert_eq!(grid.channel(frequency), Ok(n));
    }

    #[test]
    fn channel_lookup_is_total(code in 0_u8..10, mhz in any::<u32>()) {
        let _ = Grid::from_code(code).unwrap().channel(Frequency::from_mhz(mhz));
    }

    #[test]
    fn slots_and_bits_are_inverse(first in 0_u16..784, half in 1_u16..40) {
        match Raster::C_BAND.slot_at(first, half * 2) {
            Ok(slot) => prop_assert_eq!(Raster::C_BAND.bits_of(slot), Ok((first, half * 2))),
            Err(_) => prop_assert!(first + half * 2 > 784),
        }
    }
}
