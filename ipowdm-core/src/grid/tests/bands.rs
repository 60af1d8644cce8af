//! Bands: presets, holes, edges, rules for centres; conversions for any input.

use super::*;
use crate::error::Code;
use crate::slots::{Search, Slots};
use std::vec::Vec;

const fn mhz(mhz: u32) -> Frequency {
    Frequency::from_mhz(mhz)
}

/// The centres of all legal starts of a band, in MHz.
fn centres(band: &Band, m: u16) -> Vec<u32> {
    let (m, starts) = band.starts(m).unwrap();
    let slots = (0..starts.bits()).filter(|&bit| starts.is_free(bit));
    slots.map(|first| band.raster().slot_at(first, 2 * m).unwrap().centre().unwrap().mhz()).collect()
}

#[test]
fn presets_have_the_edges_of_their_names() {
    let edges = |band: &Band| {
        let window = band.raster().window();
        (window.low.mhz(), window.high.mhz(), band.raster().bits(), band.usable().free())
    };
    assert_eq!(edges(&Band::c()), (191_250_000, 196_150_000, 784, 784));
    assert_eq!(edges(&Band::super_c()), (190_700_000, 196_700_000, 960, 960));
    assert_eq!(edges(&Band::c_plus_l()), (186_550_000, 196_150_000, 1_536, 1_536 - 64));
    assert_eq!(Band::by_name("c+l"), Some(Band::c_plus_l()));
    assert_eq!(Band::by_name("super-c"), Some(Band::super_c()));
    assert_eq!(Band::by_name("C"), None);
}

#[test]
fn every_rule_for_centres_has_a_name() {
    let rules: Vec<_> = Centres::NAMES.into_iter().map(Centres::by_name).collect();
    assert!(rules.iter().all(Option::is_some));
    assert_eq!((rules[0], rules[4]), (Some(Centres::default()), Some(Centres::Fixed(FixedSpacing::Ghz75))));
    assert!(rules.iter().enumerate().all(|(at, rule)| !rules[..at].contains(rule)));
    assert_eq!(Centres::by_name("33"), None);
}

#[test]
fn no_channel_straddles_the_hole_between_l_and_c() {
    let band = Band::c_plus_l();
    let (_, starts) = band.starts(6).unwrap();
    let hole = band.holes()[0];
    let (first, count) = band.raster().bits_in(hole).unwrap();
    assert_eq!((first, count), (688, 64));
    for start in 0..starts.bits() {
        let touches = start + 12 > first && start < first + count;
        assert_eq!(starts.is_free(start), !touches && start + 12 <= 1_536, "start {start}");
    }
    // The widest run is the C band's; nothing spans both bands.
    assert_eq!(band.usable().largest_run(), 784);
    assert_eq!(Search::new(&band.usable(), 785).first(), None);
}

#[test]
fn the_edge_guard_holds_at_both_edges_and_beside_holes_and_is_no_guard_between_neighbours() {
    let band = Band::c_plus_l().with_edge_guard(20_000).unwrap();
    assert_eq!(band.edge_guard(), 4);
    let runs: Vec<_> = band.usable().runs().collect();
    assert_eq!(runs, [(4, 680), (756, 776)]);
    assert!(matches!(Band::c().with_edge_guard(4_900_000), Err(BandError::NothingLeft)));
    assert!(matches!(Band::c().with_edge_guard(u32::MAX), Err(BandError::NothingLeft)));
}

#[test]
fn fixed_grids_have_their_channels_and_no_others() {
    let on = |spacing| Band::c().with_centres(Centres::Fixed(spacing));
    for (spacing, step) in
        [(FixedSpacing::Ghz50, 50_000), (FixedSpacing::Ghz75, 75_000), (FixedSpacing::Ghz100, 100_000)]
    {
        let band = on(spacing);
        let expected: Vec<u32> = (191_250_000..=196_150_000)
            .step_by(1_250)
            .filter(|f| (i64::from(*f) - 193_100_000) % i64::from(step) == 0)
            .filter(|f| f - step / 2 >= 191_250_000 && f + step / 2 <= 196_150_000)
            .collect();
        assert_eq!(centres(&band, spacing.m()), expected);
        // A narrower signal takes a whole channel, a wider one none.
        assert_eq!(centres(&band, 1), expected);
        let (asked, channel) = (spacing.m() + 1, spacing.m());
        assert_eq!(band.starts(asked), Err(BandError::WiderThanChannel { asked, channel }));
    }
    assert_eq!(centres(&on(FixedSpacing::Ghz75), 6).len(), 65);
}

#[test]
fn grids_of_12_5_ghz_hold_even_centres_or_whole_slices() {
    let even = Band::c().with_centres(Centres::Every12p5);
    let slices = Band::c().with_centres(Centres::Edges12p5);
    for m in 1..8 {
        assert!(centres(&even, m).iter().all(|f| (i64::from(*f) - 193_100_000) % 12_500 == 0), "m = {m}");
        let edge = |f: u32| i64::from(f) - i64::from(m) * 6_250 - 193_100_000;
        assert!(centres(&slices, m).iter().all(|f| edge(*f) % 12_500 == 0), "m = {m}");
        assert!(centres(&even, m).len() >= 380 && centres(&slices, m).len() >= 380, "m = {m}");
    }
}

#[test]
fn a_centre_is_placed_or_refused_with_its_reason() {
    let band = Band::c_plus_l().with_centres(Centres::Fixed(FixedSpacing::Ghz75));
    assert_eq!(band.slot(mhz(193_100_000), 6), Ok(FlexSlot { n: 0, m: 6 }));
    assert_eq!(band.slot(mhz(193_175_000), 4), Ok(FlexSlot { n: 12, m: 6 }));
    let refused = |f, m| band.slot(f, m).unwrap_err();
    assert_eq!(refused(mhz(193_112_500), 6), SlotError::OffRaster { frequency: mhz(193_112_500) }.into());
    assert_eq!(refused(mhz(193_100_001), 6), SlotError::OffRaster { frequency: mhz(193_100_001) }.into());
    assert_eq!(refused(mhz(193_100_000), 0), SlotError::NoWidth.into());
    // Inside the hole, and across its edge.
    assert!(matches!(refused(mhz(191_075_000), 6), BandError::Slot(SlotError::OutsideBand { .. })));
    assert!(matches!(refused(mhz(191_225_000), 6), BandError::Slot(SlotError::OutsideBand { .. })));
    assert!(matches!(refused(mhz(200_000_000), 6), BandError::Slot(SlotError::OutsideBand { .. })));
}

#[test]
fn holes_that_are_none_or_too_many_are_refused() {
    let hole = |low, high| SpectrumWindow { low: mhz(low), high: mhz(high) };
    let outside = Band::c().with_hole(hole(186_000_000, 187_000_000));
    assert_eq!(outside, Err(BandError::EmptyHole { low: mhz(186_000_000), high: mhz(187_000_000) }));
    assert!(matches!(Band::c().with_hole(hole(193_000_000, 192_000_000)), Err(BandError::EmptyHole { .. })));
    assert_eq!(Band::c().with_hole(hole(0, u32::MAX)), Err(BandError::NothingLeft));
    // A hole takes every step that it touches.
    let touching = Band::c().with_hole(hole(193_100_001, 193_106_251)).unwrap();
    assert_eq!(touching.usable().runs().collect::<Vec<_>>(), [(0, 296), (298, 486)]);
    let mut band = Band::c();
    for k in 0..4 {
        band = band.with_hole(hole(192_000_000 + k * 100_000, 192_006_250 + k * 100_000)).unwrap();
    }
    assert_eq!(band.with_hole(hole(195_000_000, 195_006_250)), Err(BandError::TooManyHoles));
}

#[test]
fn a_band_is_written_and_read_whole_and_checked_when_read() {
    let band =
        Band::c_plus_l().with_edge_guard(12_500).unwrap().with_centres(Centres::Fixed(FixedSpacing::Ghz50));
    let json = serde_json::to_string(&band).unwrap();
    assert_eq!(
        json,
        r#"{"raster":{"low_mhz":186550000,"bits":1536},"holes":[{"low_mhz":190850000,"high_mhz":191250000}],"edge_guard_steps":2,"centres":{"fixed":"ghz50"}}"#
    );
    assert_eq!(serde_json::from_str::<Band>(&json).unwrap(), band);
    assert!(serde_json::from_str::<Band>(&json.replace(":2,", ":9999,")).is_err());
    assert!(serde_json::from_str::<Band>(&json.replace("190850000", "191250000")).is_err());
}

#[test]
fn a_raster_that_no_bitmap_holds_is_refused_wherever_it_comes_from() {
    assert_eq!(Raster::new(mhz(191_250_001), 784), Err(SlotError::OffRaster { frequency: mhz(191_250_001) }));
    assert_eq!(Raster::new(mhz(191_250_000), 0), Err(SlotError::BandSize { bits: 0 }));
    assert_eq!(Raster::new(mhz(191_250_000), 2_049), Err(SlotError::BandSize { bits: 2_049 }));
    assert_eq!(Raster::new(mhz(4_294_962_500), 2), Err(SlotError::OutOfRange));
    let read = |text| serde_json::from_str::<Raster>(text);
    assert_eq!(read(r#"{"low_mhz":191250000,"bits":784}"#).unwrap(), Raster::C_BAND);
    assert!(read(r#"{"low_mhz":191250000,"bits":4000}"#).is_err());
    assert!(read(r#"{"low_mhz":191250001,"bits":784}"#).is_err());
    assert_eq!(SlotError::BandSize { bits: 0 }.code(), Code::InvalidField);
}

#[test]
fn widths_round_up_and_never_wrap() {
    assert_eq!(FlexSlot::m_for_width(0), Ok(1));
    assert_eq!(FlexSlot::m_for_width(75_000), Ok(6));
    assert_eq!(FlexSlot::m_for_width(75_001), Ok(7));
    assert_eq!(FlexSlot::m_for_width(u32::MAX), Err(SlotError::TooWide { mhz: u32::MAX }));
}

proptest! {
    #[test]
    fn conversions_are_total_and_inverse(low_n in -3_000_i32..3_000, bits in 1_u16..=2_048, n in any::<i32>(), m in any::<u16>(), near in any::<bool>()) {
        let raster = Raster::new(FlexSlot { n: low_n, m: 1 }.centre().unwrap(), bits).unwrap();
        let slot = if near { FlexSlot { n: n % 4_000, m: m % 40 } } else { FlexSlot { n, m } };
        if let Ok((first, count)) = raster.bits_of(slot) {
            prop_assert_eq!(raster.slot_at(first, count), Ok(slot));
            prop_assert_eq!(i64::from(first) + i64::from(low_n), i64::from(slot.n) - i64::from(slot.m));
            let centre = slot.centre().unwrap();
            prop_assert_eq!(FlexSlot::around(centre, slot.m), Ok(slot));
        }
        if let Ok(centre) = slot.centre() && slot.m > 0 {
            prop_assert_eq!(FlexSlot::around(centre, slot.m), Ok(slot));
        }
        if let Ok(slot) = raster.slot_at(m, m.rotate_left(7)) {
            prop_assert_eq!(raster.bits_of(slot), Ok((m, m.rotate_left(7))));
        }
    }

    #[test]
    fn a_band_never_offers_a_start_that_touches_what_is_not_usable(
        low in 186_000_000_u32..197_000_000, width in 0_u32..900_000, guard in 0_u32..100_000, m in 1_u16..40, rule in 0_usize..6,
    ) {
        let rules = [Centres::Every6p25, Centres::Every12p5, Centres::Edges12p5, Centres::Fixed(FixedSpacing::Ghz50),
            Centres::Fixed(FixedSpacing::Ghz75), Centres::Fixed(FixedSpacing::Ghz100)];
        let hole = SpectrumWindow { low: mhz(low), high: mhz(low.saturating_add(width)) };
        let Ok(band) = Band::c_plus_l().with_centres(rules[rule]).with_hole(hole).and_then(|band| band.with_edge_guard(guard)) else { return Ok(()) };
        let Ok((given, starts)) = band.starts(m) else { return Ok(()) };
        let usable: Slots = band.usable();
        for start in (0..starts.bits()).filter(|&bit| starts.is_free(bit)).step_by(29) {
            prop_assert!(usable.are_free(start, 2 * given));
            let centre = band.raster().slot_at(start, 2 * given).unwrap().centre().unwrap();
            prop_assert_eq!(band.slot(centre, m).unwrap().m, given);
        }
    }
}
