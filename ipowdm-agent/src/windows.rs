//! What a port's quantities did over the last 10 s, 60 s and 15 min: least, mean and greatest value, of the agent's own samples.
//!
//! A window is cut into bins of a tenth to a fifteenth of its length. It ends now and reaches back over its whole bins, so what is
//! told is of at least nine tenths of its length and never of more than all of it. Nothing of the module's own statistics is touched,
//! whose intervals end for every reader at once.

use ipowdm_core::msg::{Spread, TelemetryFields, WindowStats};
use ipowdm_core::time::Millis;
use std::collections::BTreeMap;

/// A quantity that statistics are kept of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Quantity {
    RxPower,
    Osnr,
    Ber,
    TxPower,
    Esnr,
    QFactor,
    QMargin,
    Dispersion,
    Temperature,
    Voltage,
}

/// Bit error ratios are counted in units of 1e-15: so many make one.
const BER_ONE: f64 = 1e15;

impl Quantity {
    const ALL: [Self; 10] = [
        Self::RxPower,
        Self::Osnr,
        Self::Ber,
        Self::TxPower,
        Self::Esnr,
        Self::QFactor,
        Self::QMargin,
        Self::Dispersion,
        Self::Temperature,
        Self::Voltage,
    ];

    /// The name of its field.
    const fn name(self) -> &'static str {
        match self {
            Self::RxPower => "rx_power",
            Self::Osnr => "osnr",
            Self::Ber => "ber",
            Self::TxPower => "tx_power",
            Self::Esnr => "esnr",
            Self::QFactor => "q_factor",
            Self::QMargin => "q_margin",
            Self::Dispersion => "cd",
            Self::Temperature => "temperature",
            Self::Voltage => "voltage",
        }
    }

    /// Its value as a whole number of [`Quantity::unit`].
    fn of(self, fields: &TelemetryFields) -> Option<i64> {
        let raw = match self {
            Self::RxPower => fields.rx_power?.hundredths().into(),
            Self::Osnr => fields.osnr?.hundredths().into(),
            #[expect(clippy::cast_possible_truncation, reason = "a ratio of at most 1 in units of 1e-15")]
            Self::Ber => (fields.ber?.value().min(1.0) * BER_ONE).round() as i64,
            Self::TxPower => fields.tx_power?.hundredths().into(),
            Self::Esnr => fields.esnr?.hundredths().into(),
            Self::QFactor => fields.q_factor?.hundredths().into(),
            Self::QMargin => fields.q_margin?.hundredths().into(),
            Self::Dispersion => fields.cd?.into(),
            Self::Temperature => fields.temperature?.raw().into(),
            Self::Voltage => fields.voltage?.raw().into(),
        };
        Some(raw)
    }

    /// How many of what is counted make one of the field's unit, and the decimals that mean something.
    const fn per_unit(self) -> f64 {
        match self {
            Self::Ber => BER_ONE,
            Self::Dispersion => 1.0,
            Self::Temperature => 256.0,
            Self::Voltage => 10_000.0,
            _ => 100.0,
        }
    }

    #[expect(
        clippy::cast_precision_loss,
        reason = "below 2^53 but for bit error ratios, which have a mantissa of 11 bits"
    )]
    fn value(self, raw: i64) -> f64 {
        raw as f64 / self.per_unit()
    }
}

/// Values of one bin of time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Bin {
    /// Which one since the clock's beginning; what a slot holds of another one is void.
    number: u64,
    count: u32,
    sum: i64,
    min: i64,
    max: i64,
}

impl Bin {
    fn add(&mut self, number: u64, value: i64) {
        if self.count == 0 || self.number != number {
            *self = Self { number, count: 1, sum: value, min: value, max: value };
            return;
        }
        self.count = self.count.saturating_add(1);
        self.sum = self.sum.saturating_add(value);
        self.min = self.min.min(value);
        self.max = self.max.max(value);
    }
}

/// The last `N` bins of `BIN` milliseconds.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Ring<const N: usize, const BIN: u64>([Bin; N]);

impl<const N: usize, const BIN: u64> Ring<N, BIN> {
    /// Lossless: there are few bins.
    const BINS: u64 = N as u64;
    const SECONDS: u64 = Self::BINS * BIN / 1_000;

    const fn new() -> Self {
        Self([Bin { number: 0, count: 0, sum: 0, min: 0, max: 0 }; N])
    }

    fn add(&mut self, now: Millis, value: i64) {
        let number = now.0 / BIN;
        let slot = usize::try_from(number % Self::BINS).unwrap_or(0);
        self.0[slot].add(number, value);
    }

    /// Count, sum, least and greatest of the window that ends at `now`.
    fn total(&self, now: Millis) -> Bin {
        let newest = now.0 / BIN;
        let mut total = Bin::default();
        for bin in self.0.iter().filter(|bin| bin.count > 0) {
            if bin.number <= newest && newest - bin.number < Self::BINS {
                let first = total.count == 0;
                total.count += bin.count;
                total.sum = total.sum.saturating_add(bin.sum);
                total.min = if first { bin.min } else { total.min.min(bin.min) };
                total.max = if first { bin.max } else { total.max.max(bin.max) };
            }
        }
        total
    }
}

/// The windows of one quantity.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Series {
    newest: Option<(i64, Millis)>,
    ten_seconds: Ring<10, 1_000>,
    minute: Ring<12, 5_000>,
    quarter: Ring<15, 60_000>,
}

impl Series {
    const fn new() -> Self {
        Self { newest: None, ten_seconds: Ring::new(), minute: Ring::new(), quarter: Ring::new() }
    }

    fn add(&mut self, now: Millis, value: i64) {
        self.newest = Some((value, now));
        self.ten_seconds.add(now, value);
        self.minute.add(now, value);
        self.quarter.add(now, value);
    }

    fn spread(&self, quantity: Quantity, total: Bin, now: Millis) -> Option<Spread> {
        let (newest, at) = self.newest?;
        let within = |raw: i64| (total.count > 0).then(|| quantity.value(raw));
        #[expect(clippy::cast_precision_loss, reason = "a mean is shown, not computed with")]
        let mean = total.sum as f64 / f64::from(total.count.max(1)) / quantity.per_unit();
        Some(Spread {
            instant: quantity.value(newest),
            age_ms: now.since(at),
            min: within(total.min),
            avg: within(0).map(|_| mean),
            max: within(total.max),
            samples: total.count,
        })
    }
}

/// The windows of one port. It takes the same room whatever it is given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Windows {
    series: [Series; Quantity::ALL.len()],
    read_at: Option<Millis>,
}

impl Default for Windows {
    fn default() -> Self {
        Self::new()
    }
}

impl Windows {
    /// Windows that nothing was seen in.
    #[must_use]
    pub const fn new() -> Self {
        Self { series: [const { Series::new() }; Quantity::ALL.len()], read_at: None }
    }

    /// Takes in what was read at `read_at`; the same reading again, or an older one, counts no second time. Whether it counts.
    pub fn observe(&mut self, read_at: Millis, fields: &TelemetryFields) -> bool {
        if self.read_at.is_some_and(|last| last >= read_at) {
            return false;
        }
        self.read_at = Some(read_at);
        for (series, quantity) in self.series.iter_mut().zip(Quantity::ALL) {
            if let Some(value) = quantity.of(fields) {
                series.add(read_at, value);
            }
        }
        true
    }

    /// Another module has come: nothing that was seen is about it.
    pub fn forget(&mut self) {
        *self = Self::new();
    }

    /// The windows that end at `now`, the shortest first.
    #[must_use]
    pub fn stats(&self, now: Millis) -> Vec<WindowStats> {
        let of = |seconds: u64, total: &dyn Fn(&Series) -> Bin| {
            let values = self.series.iter().zip(Quantity::ALL).filter_map(|(series, quantity)| {
                let spread = series.spread(quantity, total(series), now)?;
                Some((quantity.name().to_string(), spread))
            });
            let values: BTreeMap<String, Spread> = values.collect();
            WindowStats { seconds: u32::try_from(seconds).unwrap_or(u32::MAX), values }
        };
        vec![
            of(Ring::<10, 1_000>::SECONDS, &|series| series.ten_seconds.total(now)),
            of(Ring::<12, 5_000>::SECONDS, &|series| series.minute.total(now)),
            of(Ring::<15, 60_000>::SECONDS, &|series| series.quarter.total(now)),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ipowdm_core::units::{Ber, Db, Power, Temperature, Voltage};
    use proptest::prelude::*;

    fn osnr(hundredths: i16) -> TelemetryFields {
        TelemetryFields { osnr: Some(Db::from_hundredths(hundredths)), ..TelemetryFields::default() }
    }

    /// The window's spread, from all that was ever seen.
    fn naive(seen: &[(u64, i16)], now: u64, bin: u64, bins: u64) -> Option<(f64, f64, f64, usize)> {
        let newest = now / bin;
        let within: Vec<i16> = seen
            .iter()
            .filter(|(at, _)| *at <= now && at / bin + bins > newest)
            .map(|(_, value)| *value)
            .collect();
        let (min, max) = (within.iter().min()?, within.iter().max()?);
        let sum: i64 = within.iter().map(|value| i64::from(*value)).sum();
        let count = within.len();
        let mean = sum as f64 / count as f64 / 100.0;
        Some((f64::from(*min) / 100.0, mean, f64::from(*max) / 100.0, count))
    }

    proptest! {
        #[test]
        fn windows_tell_what_a_computation_over_everything_tells(
            steps in proptest::collection::vec((1_u64..40_000, -2_000_i16..3_000), 1..120), after in 0_u64..1_000_000,
        ) {
            let mut windows = Windows::new();
            let mut seen = Vec::new();
            let mut now = 0;
            for (step, value) in steps {
                now += step;
                windows.observe(Millis(now), &osnr(value));
                seen.push((now, value));
                let told = windows.stats(Millis(now));
                for (window, (bin, bins)) in told.iter().zip([(1_000, 10), (5_000, 12), (60_000, 15)]) {
                    let spread = &window.values["osnr"];
                    let (min, mean, max, count) = naive(&seen, now, bin, bins).unwrap();
                    prop_assert_eq!((spread.min, spread.max), (Some(min), Some(max)));
                    prop_assert!((spread.avg.unwrap() - mean).abs() < 1e-9);
                    prop_assert_eq!(usize::try_from(spread.samples).unwrap(), count);
                    prop_assert_eq!((spread.instant, spread.age_ms), (f64::from(value) / 100.0, 0));
                }
            }
            let told = windows.stats(Millis(now + after));
            for (window, (bin, bins)) in told.iter().zip([(1_000, 10), (5_000, 12), (60_000, 15)]) {
                let spread = &window.values["osnr"];
                let expected = naive(&seen, now + after, bin, bins);
                prop_assert_eq!(spread.min, expected.map(|(min, ..)| min));
                prop_assert_eq!(spread.max, expected.map(|(_, _, max, _)| max));
                prop_assert_eq!(spread.avg.is_some(), expected.is_some());
                prop_assert_eq!(spread.age_ms, after);
            }
        }
    }

    #[test]
    fn every_quantity_is_told_in_the_unit_of_its_field_and_what_is_not_reported_is_not_there() {
        let fields = TelemetryFields {
            rx_power: Some(Power::from_hundredths(-1_050)),
            osnr: Some(Db::from_hundredths(2_350)),
            ber: Ber::new(25, -4),
            tx_power: Some(Power::from_hundredths(-200)),
            esnr: Some(Db::from_hundredths(1_700)),
            q_factor: Some(Db::from_hundredths(700)),
            q_margin: Some(Db::from_hundredths(-10)),
            cd: Some(-1_600),
            temperature: Some(Temperature::from_raw(-512)),
            voltage: Some(Voltage::from_raw(33_000)),
            ..TelemetryFields::default()
        };
        let mut windows = Windows::new();
        windows.observe(Millis(5), &fields);
        let told = windows.stats(Millis(1_005));
        assert_eq!(told.iter().map(|window| window.seconds).collect::<Vec<_>>(), [10, 60, 900]);
        let json = serde_json::to_value(&fields).unwrap();
        for window in &told {
            assert_eq!(window.values.len(), 10);
            for (name, spread) in &window.values {
                let expected = json[name].as_f64().unwrap_or_else(|| panic!("{name} is no field"));
                for value in [Some(spread.instant), spread.min, spread.avg, spread.max] {
                    assert_eq!(value, Some(expected), "{name}: {spread:?}");
                }
                assert_eq!((spread.age_ms, spread.samples), (1_000, 1), "{name}");
            }
        }
        assert_eq!(
            Windows::new().stats(Millis(1)).iter().map(|window| window.values.len()).sum::<usize>(),
            0
        );
    }

    #[test]
    fn a_reading_counts_once_and_another_module_begins_anew() {
        let mut windows = Windows::new();
        windows.observe(Millis(10), &osnr(2_000));
        windows.observe(Millis(10), &osnr(2_000));
        windows.observe(Millis(9), &osnr(1_000));
        assert_eq!(windows.stats(Millis(10))[0].values["osnr"].samples, 1);
        windows.forget();
        assert_eq!(windows, Windows::new());
    }

    #[test]
    fn thirty_two_ports_take_less_than_half_a_megabyte() {
        assert!(size_of::<Windows>() * 32 < 512 << 10, "{} bytes a port", size_of::<Windows>());
    }

    #[test]
    fn the_worst_bit_error_ratio_at_the_highest_rate_does_not_overflow() {
        let mut windows = Windows::new();
        let fields = TelemetryFields { ber: Ber::new(5, -1), ..TelemetryFields::default() };
        for tick in 0..9_000 {
            windows.observe(Millis(tick * 100 + 1), &fields);
        }
        let quarter = &windows.stats(Millis(899_901))[2].values["ber"];
        assert_eq!(quarter.samples, 9_000);
        assert!((quarter.avg.unwrap() - 0.5).abs() < 1e-9, "{quarter:?}");
    }
}
