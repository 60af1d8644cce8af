//! The rule on each of its four quantities, alone and together.

use super::*;
use std::vec::Vec;

/// Which value of a sample.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Quantity {
    Osnr,
    Esnr,
    Ber,
    QMargin,
}

const QUANTITIES: [Quantity; 4] = [Quantity::Osnr, Quantity::Esnr, Quantity::Ber, Quantity::QMargin];

/// What a module may report of a quantity: nothing, or a value of a level.
const REPORTED: [Option<Level>; 5] =
    [None, Some(Level::Good), Some(Level::Warning), Some(Level::Degraded), Some(Level::Critical)];

fn mode() -> &'static Mode {
    crate::modes::by_media_code(0x46).unwrap()
}

fn table() -> Thresholds {
    Thresholds::for_mode(mode())
}

fn limits(table: &Thresholds, level: Level) -> &Limits {
    match level {
        Level::Warning => &table.warning,
        Level::Degraded => &table.degraded,
        _ => &table.critical,
    }
}

impl Quantity {
    /// A sample with nothing but this quantity, so many steps of 0.01 dB (of BER: of 0.1 %) beyond the limit of a level.
    fn beyond(self, table: &Thresholds, level: Level, steps: i16) -> Measured {
        let limits = limits(table, level);
        let below = |limit: Option<Db>| limit.map(|limit| limit.minus(Db::from_hundredths(steps)));
        let mut measured = Measured::default();
        match self {
            Self::Osnr => measured.osnr = below(limits.osnr_below),
            Self::Esnr => measured.esnr = below(limits.esnr_below),
            Self::QMargin => measured.q_margin = below(limits.q_margin_below),
            Self::Ber => {
                let above = |limit: Ber| limit.value() * (1.0 + f64::from(steps) / 1_000.0);
                measured.ber = limits.ber_above.map(|limit| Ber::from_number(above(limit)).unwrap());
            }
        }
        measured
    }

    /// A sample with nothing but this quantity, at a level.
    fn at(self, table: &Thresholds, level: Option<Level>) -> Measured {
        match level {
            None => Measured::default(),
            Some(Level::Good) => self.beyond(table, Level::Warning, -1),
            Some(level) => self.beyond(table, level, 1),
        }
    }

    /// `own` without the limits of this quantity.
    fn unlimited(self, mut own: Thresholds) -> Thresholds {
        for limits in [&mut own.warning, &mut own.degraded, &mut own.critical] {
            match self {
                Self::Osnr => limits.osnr_below = None,
                Self::Esnr => limits.esnr_below = None,
                Self::Ber => limits.ber_above = None,
                Self::QMargin => limits.q_margin_below = None,
            }
        }
        own
    }
}

fn joined(parts: [Measured; 4]) -> Measured {
    let [osnr, esnr, ber, q] = parts;
    Measured { osnr: osnr.osnr, esnr: esnr.esnr, ber: ber.ber, q_margin: q.q_margin }
}

/// Every combination of four choices of `N`.
fn combinations<const N: usize>() -> impl Iterator<Item = [usize; 4]> {
    (0..N.pow(4)).map(|n| [n % N, n / N % N, n / N.pow(2) % N, n / N.pow(3)])
}

#[test]
fn s0_12_each_boundary_of_each_quantity_on_both_sides() {
    let table = table();
    let better = |level| match level {
        Level::Critical => Level::Degraded,
        Level::Degraded => Level::Warning,
        _ => Level::Good,
    };
    for quantity in QUANTITIES {
        for level in [Level::Warning, Level::Degraded, Level::Critical] {
            let at = |steps| table.level(&quantity.beyond(&table, level, steps));
            assert_eq!(at(1), Some(level), "{quantity:?} just beyond {level:?}");
            assert_eq!(at(0), Some(better(level)), "{quantity:?} at the limit of {level:?} is not beyond it");
            assert_eq!(at(-1), Some(better(level)), "{quantity:?} just short of {level:?}");
        }
    }
}

#[test]
fn the_worst_of_all_values_reported_counts_and_one_missing_counts_neither_way() {
    let table = table();
    let mut cases = 0;
    for choice in combinations::<5>() {
        let reported = choice.map(|n| REPORTED[n]);
        let parts = core::array::from_fn(|n| QUANTITIES[n].at(&table, reported[n]));
        // `None` is less than every level.
        let expected = reported.into_iter().max().unwrap();
        assert_eq!(table.level(&joined(parts)), expected, "{reported:?}");
        cases += 1;
    }
    assert_eq!(cases, 625);
}

#[test]
fn a_value_without_limits_counts_neither_way() {
    for choice in combinations::<2>() {
        let limited = choice.map(|n| n == 1);
        let mut table = table();
        for (quantity, _) in QUANTITIES.into_iter().zip(limited).filter(|(_, limited)| !limited) {
            table = quantity.unlimited(table);
        }
        for level in [Level::Good, Level::Warning, Level::Degraded, Level::Critical] {
            for (quantity, limited) in QUANTITIES.into_iter().zip(limited) {
                let measured = quantity.at(&super::quantities::table(), Some(level));
                assert_eq!(table.level(&measured), limited.then_some(level), "{quantity:?}, {limited:?}");
            }
        }
    }
    assert_eq!(
        Thresholds::default().level(&joined(QUANTITIES.map(|q| q.at(&table(), Some(Level::Critical))))),
        None
    );
}

#[test]
fn each_quantity_alone_opens_an_episode_and_closes_it() {
    for quantity in QUANTITIES {
        let mut bench = Bench::new();
        bench.rule = Rule::with_thresholds(table());
        let (bad, good) =
            (quantity.at(&table(), Some(Level::Degraded)), quantity.at(&table(), Some(Level::Good)));
        assert_eq!(bench.sample(End::Destination, bad), None);
        assert_eq!(bench.sample(End::Destination, bad), None);
        let step = Request::Step { attempt: 1, source: true, destination: false };
        assert_eq!(bench.sample(End::Destination, bad), Some(step), "{quantity:?}");
        // Samples without any value, as while the receiver is unlocked, neither recover nor go on.
        for _ in 0..5 {
            assert_eq!(bench.sample(End::Destination, Measured::default()), None);
            assert!(bench.episode.is_open());
        }
        bench.sample(End::Destination, good);
        assert!(bench.episode.is_open(), "{quantity:?}");
        bench.sample(End::Destination, good);
        assert_eq!(bench.sample(End::Destination, good), Some(Request::Recovered), "{quantity:?}");
    }
}

#[test]
fn a_quantity_without_limits_of_its_own_takes_the_others() {
    let by_mode = table();
    assert_eq!(Thresholds::default().or(&by_mode), by_mode);
    let absolute = Thresholds::reference().or(&by_mode);
    for (own, (reference, margin)) in [
        (absolute.warning, (Thresholds::reference().warning, by_mode.warning)),
        (absolute.degraded, (Thresholds::reference().degraded, by_mode.degraded)),
        (absolute.critical, (Thresholds::reference().critical, by_mode.critical)),
    ] {
        assert_eq!((own.osnr_below, own.ber_above), (reference.osnr_below, reference.ber_above));
        assert_eq!((own.esnr_below, own.q_margin_below), (margin.esnr_below, margin.q_margin_below));
    }
    // One level is enough to say that the quantity is judged thus, and at no other level.
    let one = Limits { q_margin_below: Some(Db::from_hundredths(50)), ..Limits::default() };
    let one = Thresholds { degraded: one, ..Thresholds::default() }.or(&by_mode);
    assert_eq!(one.warning, Limits { q_margin_below: None, ..by_mode.warning });
    assert_eq!(one.degraded.q_margin_below, Some(Db::from_hundredths(50)));
    assert_eq!(one.critical.q_margin_below, None);
}

#[test]
fn levels_of_every_mode_are_in_order_in_every_quantity() {
    for mode in CATALOGUE {
        let table = Thresholds::for_mode(mode);
        let of = |limits: &Limits| {
            let low = [limits.osnr_below, limits.esnr_below, limits.q_margin_below].map(Option::unwrap);
            (low, limits.ber_above.unwrap())
        };
        let (warning, degraded, critical) = (of(&table.warning), of(&table.degraded), of(&table.critical));
        for n in 0..3 {
            assert!(warning.0[n] > degraded.0[n] && degraded.0[n] > critical.0[n], "{}", mode.name);
        }
        assert!(warning.1 < degraded.1 && degraded.1 < critical.1, "{}", mode.name);
        assert!(
            critical.0[1] > mode.required_esnr && critical.0[2] > Db::from_hundredths(0),
            "{}",
            mode.name
        );
    }
}

fn measured() -> impl Strategy<Value = Measured> {
    let db = || proptest::option::of((-300_i16..4_000).prop_map(Db::from_hundredths));
    let ber = proptest::option::of((0_u16..1_000, -9_i8..-2).prop_map(|(m, e)| Ber::new(m, e).unwrap()));
    (db(), db(), ber, db()).prop_map(|(osnr, esnr, ber, q_margin)| Measured { osnr, esnr, ber, q_margin })
}

fn thresholds() -> impl Strategy<Value = Thresholds> {
    let limits = || {
        measured().prop_map(|m| Limits {
            osnr_below: m.osnr,
            esnr_below: m.esnr,
            ber_above: m.ber,
            q_margin_below: m.q_margin,
        })
    };
    (limits(), limits(), limits()).prop_map(|(warning, degraded, critical)| Thresholds {
        warning,
        degraded,
        critical,
    })
}

proptest! {
    #[test]
    fn a_sample_is_as_bad_as_the_worst_of_its_values_alone(table in thresholds(), all in measured()) {
        let alone = [
            Measured { osnr: all.osnr, ..Measured::default() },
            Measured { esnr: all.esnr, ..Measured::default() },
            Measured { ber: all.ber, ..Measured::default() },
            Measured { q_margin: all.q_margin, ..Measured::default() },
        ];
        let levels: Vec<_> = alone.iter().map(|part| table.level(part)).collect();
        prop_assert_eq!(table.level(&all), levels.into_iter().max().unwrap());
    }

    #[test]
    fn a_missing_value_never_opens_nor_closes_an_episode(samples in proptest::collection::vec(measured(), 0..40), seed in any::<u64>()) {
        // The same samples with and without empty ones among them lead to the same levels.
        let rule = Rule::with_thresholds(table());
        let (mut plain, mut mixed) = (Receiver::new(), Receiver::new());
        for (n, sample) in samples.iter().enumerate() {
            if seed >> (n % 64) & 1 == 1 {
                prop_assert_eq!(mixed.observe(&rule, &Measured::default()), None);
            }
            prop_assert_eq!(plain.observe(&rule, sample), mixed.observe(&rule, sample));
            prop_assert_eq!(&plain, &mixed);
        }
    }
}
