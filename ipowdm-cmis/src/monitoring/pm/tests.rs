use super::*;
use proptest::prelude::*;
use std::vec;
use std::vec::Vec;

/// 34h:128-187 of an 800ZR module: 60 sub-intervals, the size of one cut to its low 32 bits.
const REAL: FecCounters = FecCounters {
    bits: 61_440_720_961_536,
    bits_sub_interval: 0x6BD8_0000,
    corrected_bits: 20_766_418_419,
    min_corrected_bits: 323_226_814,
    max_corrected_bits: 395_888_028,
    frames: 44_643_381,
    frames_sub_interval: 744_056,
    uncorrected_frames: 0,
    min_uncorrected_frames: 0,
    max_uncorrected_frames: 0,
    corrected_frames: None,
};

fn bytes_of(counters: &FecCounters) -> Vec<u8> {
    let wide = [
        counters.bits,
        counters.bits_sub_interval,
        counters.corrected_bits,
        counters.min_corrected_bits,
        counters.max_corrected_bits,
    ];
    let narrow = [
        counters.frames,
        counters.frames_sub_interval,
        counters.uncorrected_frames,
        counters.min_uncorrected_frames,
        counters.max_uncorrected_frames,
    ];
    let wide = wide.into_iter().flat_map(u64::to_be_bytes);
    wide.chain(narrow.into_iter().flat_map(u32::to_be_bytes)).collect()
}

#[test]
fn a_sub_interval_cut_to_32_bits_is_derived_from_the_frames() {
    let bytes = bytes_of(&REAL);
    let counters = FecCounters::decode_media(Block::new(FecCounters::MEDIA.0, &bytes)).unwrap();
    assert_eq!(counters, REAL);
    let derived = counters.sub_interval_bits().unwrap();
    assert!(matches!(derived, SubIntervalBits::Derived(_)));
    assert_eq!(derived.bits() >> 24, 0xEE_6BD8_0000_u64 >> 24);
    let ber = counters.pre_fec_ber().value().unwrap();
    assert_eq!(ber.min(), Ber::new(3156, -7).unwrap());
    assert_eq!(ber.avg(), Ber::new(3380, -7).unwrap());
    assert_eq!(ber.max(), Ber::new(3866, -7).unwrap());
    let whole = FecCounters { bits_sub_interval: 0xEE_6BD8_0000, ..REAL };
    assert!(matches!(whole.sub_interval_bits(), Some(SubIntervalBits::Reported(0xEE_6BD8_0000))));
    assert_eq!(whole.pre_fec_ber(), counters.pre_fec_ber());
}

#[test]
fn a_frame_counter_that_wrapped_does_not_spoil_the_bits() {
    let wrapped = FecCounters { bits_sub_interval: 0xEE_6BD8_0000, frames: 4_643_381, ..REAL };
    assert!(matches!(wrapped.sub_interval_bits(), Some(SubIntervalBits::Reported(_))));
    assert!(wrapped.pre_fec_ber().value().is_some());
}

#[test]
fn uncorrected_frames_are_divided_by_their_own_frames() {
    let counters = FecCounters {
        uncorrected_frames: 600,
        min_uncorrected_frames: 0,
        max_uncorrected_frames: 300,
        ..REAL
    };
    let ratio = counters.frame_error_ratio().value().unwrap();
    // 600 of 44.6 million, not of the 744 thousand of one sub-interval.
    assert_eq!(ratio.avg(), ratio_of(600, 44_643_381).unwrap());
    assert_eq!((ratio.min(), ratio.max()), (Ber::ZERO, ratio_of(300, 744_056).unwrap()));
}

#[test]
fn totals_are_64_bits_wide_and_never_fall() {
    let mut totals = FecTotals::default();
    let interval = FecCounters { uncorrected_frames: u32::MAX, ..REAL };
    totals.add(&interval);
    totals.add(&interval);
    assert_eq!(totals.uncorrected_frames, 2 * u64::from(u32::MAX));
    assert_eq!(totals.corrected_bits, 2 * REAL.corrected_bits);
    totals.add(&FecCounters { bits: u64::MAX, ..REAL });
    assert_eq!(totals.bits, u64::MAX);
}

#[test]
fn nothing_counted_is_absent_and_contradictions_are_implausible() {
    let none = FecCounters::default();
    assert_eq!((none.pre_fec_ber(), none.frame_error_ratio()), (Reading::Absent, Reading::Absent));
    assert_eq!(none.average_ber(), Reading::Absent);
    let more_errors_than_bits = FecCounters { corrected_bits: u64::MAX, ..REAL };
    assert_eq!(more_errors_than_bits.pre_fec_ber(), Reading::Implausible);
    assert_eq!(more_errors_than_bits.average_ber(), Reading::Implausible);
    let out_of_order = FecCounters { min_corrected_bits: 395_888_028, max_corrected_bits: 1, ..REAL };
    assert_eq!(out_of_order.pre_fec_ber(), Reading::Implausible);
}

#[test]
fn the_host_side_also_counts_corrected_frames() {
    let mut bytes = bytes_of(&REAL);
    bytes.extend(7_u32.to_be_bytes());
    bytes.extend(3_u32.to_be_bytes());
    let host = FecCounters::decode_host(Block::new(FecCounters::HOST.0, &bytes)).unwrap();
    assert_eq!(host.corrected_frames, Some((7, 3)));
    assert_eq!(FecCounters::decode_host(Block::new(FecCounters::MEDIA.0, &bytes)), None, "another page");
}

#[test]
fn an_advertised_quantity_is_told_from_an_absent_and_an_unsupported_one() {
    let mut page = [0_u8; 114];
    // OSNR avg, min, max 33.8, 32.8, 34.8 dB at 158; CD all zero; DGD all zero.
    page[30..36].copy_from_slice(&[0x01, 0x52, 0x01, 0x48, 0x01, 0x5C]);
    let block = Block::new(LinkPerformance::PLACE.0, &page);
    let unknown = LinkPerformance::decode(block, &PmAdvertisement::decode(None)).unwrap();
    let osnr = unknown.of(Observable::Osnr).unwrap();
    assert_eq!(osnr.triplet(), Reading::Value(MinAvgMax::new(328, 338, 348).unwrap()));
    assert!((osnr.physical(338) - 33.8).abs() < 1e-9);
    assert_eq!(unknown.of(Observable::Dgd).unwrap().average, Reading::Absent);

    let mut told = [0_u8; 13];
    told[2] = 0b0111_0000; // CD: average, minimum, maximum; DGD: nothing.
    told[4] = 0b0100_0000; // OSNR: average alone.
    let told = PmAdvertisement::decode(Some(Block::new(PmAdvertisement::PLACE.0, &told)));
    let known = LinkPerformance::decode(block, &told).unwrap();
    let of = |quantity| known.of(quantity).unwrap();
    assert_eq!(of(Observable::DispersionFine).average, Reading::Value(0), "a short line has none");
    assert_eq!(of(Observable::Dgd).average, Reading::Unsupported);
    assert_eq!(of(Observable::Osnr).average, Reading::Value(338));
    assert_eq!(of(Observable::Osnr).minimum, Reading::Unsupported);
    assert_eq!(of(Observable::Osnr).triplet(), Reading::Unsupported);
    let silent = PmAdvertisement::decode(Some(Block::new(PmAdvertisement::PLACE.0, &[0; 13])));
    assert!(!silent.is_known() && told.is_known());
}

#[test]
fn every_quantity_of_the_page_has_the_scale_of_its_observable() {
    for row in &LINK {
        let (mul, div) = row.quantity.scale();
        for field in [row.average, row.minimum, row.maximum] {
            assert_eq!(field.scale, Some((mul, div)), "{}", field.name);
            assert_eq!(field.unit, row.quantity.unit(), "{}", field.name);
        }
    }
}

/// Counters as a module keeps them: corrected bits and uncorrectable frames of each sub-interval, added up.
fn counted() -> impl Strategy<Value = FecCounters> {
    let sub_interval = (0..1_000_000_000_u64, 0..1_000_u32);
    (1_u32..2_000_000, 2_u64..2_000_000, prop::collection::vec(sub_interval, 1..60), any::<bool>()).prop_map(
        |(frames_sub, bits_per_frame, errors, cut)| {
            let count = u32::try_from(errors.len()).unwrap();
            let sub = bits_per_frame * u64::from(frames_sub);
            let corrected: Vec<u64> = errors.iter().map(|(bits, _)| *bits % sub).collect();
            let uncorrected: Vec<u32> = errors.iter().map(|(_, frames)| *frames % frames_sub).collect();
            FecCounters {
                bits: sub * u64::from(count),
                bits_sub_interval: if cut { sub & 0xFFFF_FFFF } else { sub },
                corrected_bits: corrected.iter().sum(),
                min_corrected_bits: *corrected.iter().min().unwrap(),
                max_corrected_bits: *corrected.iter().max().unwrap(),
                frames: frames_sub * count,
                frames_sub_interval: frames_sub,
                uncorrected_frames: uncorrected.iter().sum(),
                min_uncorrected_frames: *uncorrected.iter().min().unwrap(),
                max_uncorrected_frames: *uncorrected.iter().max().unwrap(),
                corrected_frames: None,
            }
        },
    )
}

proptest! {
    #[test]
    fn what_was_really_counted_is_in_order_whether_cut_or_not(counters in counted()) {
        let true_sub = counters.bits / u64::from(counters.frames / counters.frames_sub_interval);
        prop_assert_eq!(counters.sub_interval_bits().unwrap().bits(), true_sub);
        let ber = counters.pre_fec_ber().value();
        prop_assert!(ber.is_some_and(|ber| ber.min() <= ber.avg() && ber.avg() <= ber.max()));
        prop_assert!(counters.frame_error_ratio().value().is_some());
    }

    #[test]
    fn any_bytes_are_decoded_and_never_out_of_order(bytes in prop::collection::vec(any::<u8>(), 0..=128)) {
        for page in [0x34, 0x35, 0x3A] {
            let block = Block::new(Address::page(page, 128), &bytes);
            let media = FecCounters::decode_media(block);
            prop_assert_eq!(media.is_some(), page == 0x34 && bytes.len() >= 60);
            for counters in media.into_iter().chain(FecCounters::decode_host(block)) {
                let _ = (counters.pre_fec_ber(), counters.frame_error_ratio(), counters.average_ber());
            }
            let link = LinkPerformance::decode(block, &PmAdvertisement::default());
            prop_assert_eq!(link.is_some(), page == 0x35 && bytes.len() >= 114);
            for statistics in link.iter().flat_map(LinkPerformance::iter) {
                if let Reading::Value(triplet) = statistics.triplet() {
                    prop_assert!(triplet.min() <= triplet.avg() && triplet.avg() <= triplet.max());
                }
            }
        }
    }

    #[test]
    fn a_ratio_is_right_to_four_digits(part in any::<u64>(), whole in 1..=u64::MAX) {
        let part = part % whole;
        let ratio = ratio_of(part, whole).unwrap().value();
        #[expect(clippy::cast_precision_loss, reason = "a few parts in 2^53 do not matter here")]
        let exact = part as f64 / whole as f64;
        prop_assert!((ratio - exact).abs() <= exact * 6e-4 + 1e-24);
    }

    #[test]
    fn a_greater_part_never_has_a_smaller_ratio(whole in 1..=u64::MAX, a in any::<u64>(), b in any::<u64>()) {
        let (a, b) = (a % whole, b % whole);
        let (low, high) = (a.min(b), a.max(b));
        prop_assert!(ratio_of(low, whole).unwrap() <= ratio_of(high, whole).unwrap());
    }
}

#[test]
fn the_ends_of_the_range_are_ratios_too() {
    assert_eq!(ratio_of(0, 5), Some(Ber::ZERO));
    assert_eq!(ratio_of(u64::MAX, u64::MAX), Ber::new(1, 0));
    assert_eq!((ratio_of(1, 0), ratio_of(2, 1)), (None, None));
    assert!(ratio_of(1, u64::MAX).unwrap() > Ber::ZERO);
    assert_eq!(vec![ratio_of(1, 2)], vec![Ber::new(5, -1)]);
}
