//! What VDM instances observe: one table of codes, formats, scales and units.

use super::F16;
use core::fmt;
use ipowdm_core::units::{Ber, Db, Power};

/// How the two bytes of a sample or a threshold carry their number, big-endian.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Format {
    /// Unsigned.
    U16,
    /// Signed.
    S16,
    /// Decimal float, [`F16`].
    F16,
}

/// Which number of a quantity an observable is.
///
/// [`Statistic::Current`] observables are samples of the moment; the others belong to the statistics interval that a
/// freeze ends, and are held while the module is frozen (OIF-CMIS-05.4, basic and statistics observables).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Statistic {
    /// Latest sample.
    Current,
    /// Least sample of the interval.
    Minimum,
    /// Greatest sample of the interval.
    Maximum,
    /// Average over the interval.
    Average,
    /// Accumulated since the data path was initialised.
    Total,
}

impl Statistic {
    /// The statistics of an interval, in the order in which they are written.
    pub const OF_INTERVAL: [Self; 3] = [Self::Minimum, Self::Average, Self::Maximum];

    /// Whether the module holds the number while it is frozen.
    #[must_use]
    pub const fn is_frozen(self) -> bool {
        !matches!(self, Self::Current)
    }

    /// A short name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Current => "cur",
            Self::Minimum => "min",
            Self::Maximum => "max",
            Self::Average => "avg",
            Self::Total => "total",
        }
    }
}

macro_rules! observables {
    ($($(#[$doc:meta])* $variant:ident = $code:literal, $name:literal, $format:ident * $mul:literal / $div:literal, $unit:literal,
        $statistic:ident of $quantity:ident;)*) => {
        /// Observable type of a VDM descriptor (OIF-CMIS-05.4, VDM observable types; 128 and up C-CMIS).
        ///
        /// Names end in `Min`, `Max`, `Avg` or `Total` for statistics; the name without is the current sample.
        /// Types 100-127 are vendors' own and have no variant: [`Observable::from_code`] gives `None` for them.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Observable {
            $($(#[$doc])* #[doc = concat!($name, " (", stringify!($code), "): ", stringify!($format), " · ", stringify!($mul), "/", stringify!($div), " ", $unit, ".")] $variant,)*
        }

        impl Observable {
            /// Every observable type with a meaning of its own, in order of code.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// The observable of a descriptor's type code; `None` for unused, reserved and custom codes.
            #[must_use]
            pub const fn from_code(code: u8) -> Option<Self> {
                match code { $($code => Some(Self::$variant),)* _ => None }
            }

            /// The observable type code of the VDM descriptor.
            #[must_use]
            pub const fn code(self) -> u8 {
                match self { $(Self::$variant => $code,)* }
            }

            /// Name of the quantity, lower case, without the statistic.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// How samples and thresholds carry their number.
            #[must_use]
            pub const fn format(self) -> Format {
                match self { $(Self::$variant => Format::$format,)* }
            }

            /// Physical value = raw · scale.0 / scale.1.
            #[must_use]
            pub const fn scale(self) -> (u32, u32) {
                match self { $(Self::$variant => ($mul, $div),)* }
            }

            /// Unit of the physical value, empty for ratios and counts.
            #[must_use]
            pub const fn unit(self) -> &'static str {
                match self { $(Self::$variant => $unit,)* }
            }

            /// Which number of its quantity this is.
            #[must_use]
            pub const fn statistic(self) -> Statistic {
                match self { $(Self::$variant => Statistic::$statistic,)* }
            }

            /// The quantity, named by the observable that is its current sample.
            #[must_use]
            pub const fn quantity(self) -> Self {
                match self { $(Self::$variant => Self::$quantity,)* }
            }
        }
    };
}

observables! {
    LaserAge = 1, "laser age", U16 * 1 / 1, "%", Current of LaserAge;
    TecCurrent = 2, "TEC current", S16 * 100 / 32767, "%", Current of TecCurrent;
    LaserFrequencyError = 3, "laser frequency error", S16 * 10 / 1, "MHz", Current of LaserFrequencyError;
    LaserTemperature = 4, "laser temperature", S16 * 1 / 256, "degC", Current of LaserTemperature;
    EsnrMedia = 5, "media input eSNR", U16 * 1 / 256, "dB", Current of EsnrMedia;
    EsnrHost = 6, "host input eSNR", U16 * 1 / 256, "dB", Current of EsnrHost;
    LevelTransitionMedia = 7, "media input PAM4 level transition", U16 * 1 / 256, "dB", Current of LevelTransitionMedia;
    LevelTransitionHost = 8, "host input PAM4 level transition", U16 * 1 / 256, "dB", Current of LevelTransitionHost;
    PreFecBerMediaMin = 9, "media input pre-FEC BER", F16 * 1 / 1, "", Minimum of PreFecBerMedia;
    PreFecBerHostMin = 10, "host input pre-FEC BER", F16 * 1 / 1, "", Minimum of PreFecBerHost;
    PreFecBerMediaMax = 11, "media input pre-FEC BER", F16 * 1 / 1, "", Maximum of PreFecBerMedia;
    PreFecBerHostMax = 12, "host input pre-FEC BER", F16 * 1 / 1, "", Maximum of PreFecBerHost;
    PreFecBerMediaAvg = 13, "media input pre-FEC BER", F16 * 1 / 1, "", Average of PreFecBerMedia;
    PreFecBerHostAvg = 14, "host input pre-FEC BER", F16 * 1 / 1, "", Average of PreFecBerHost;
    PreFecBerMedia = 15, "media input pre-FEC BER", F16 * 1 / 1, "", Current of PreFecBerMedia;
    PreFecBerHost = 16, "host input pre-FEC BER", F16 * 1 / 1, "", Current of PreFecBerHost;
    FrameErrorsMediaMin = 17, "media input frame error ratio", F16 * 1 / 1, "", Minimum of FrameErrorsMedia;
    FrameErrorsHostMin = 18, "host input frame error ratio", F16 * 1 / 1, "", Minimum of FrameErrorsHost;
    FrameErrorsMediaMax = 19, "media input frame error ratio", F16 * 1 / 1, "", Maximum of FrameErrorsMedia;
    FrameErrorsHostMax = 20, "host input frame error ratio", F16 * 1 / 1, "", Maximum of FrameErrorsHost;
    FrameErrorsMediaAvg = 21, "media input frame error ratio", F16 * 1 / 1, "", Average of FrameErrorsMedia;
    FrameErrorsHostAvg = 22, "host input frame error ratio", F16 * 1 / 1, "", Average of FrameErrorsHost;
    FrameErrorsMedia = 23, "media input frame error ratio", F16 * 1 / 1, "", Current of FrameErrorsMedia;
    FrameErrorsHost = 24, "host input frame error ratio", F16 * 1 / 1, "", Current of FrameErrorsHost;
    FrameErrorsMediaTotal = 25, "media input frame error ratio", F16 * 1 / 1, "", Total of FrameErrorsMedia;
    FrameErrorsHostTotal = 26, "host input frame error ratio", F16 * 1 / 1, "", Total of FrameErrorsHost;
    SymbolErrorWeightMediaMin = 27, "media input symbol error weight", U16 * 1 / 1, "", Minimum of SymbolErrorWeightMedia;
    SymbolErrorWeightHostMin = 28, "host input symbol error weight", U16 * 1 / 1, "", Minimum of SymbolErrorWeightHost;
    SymbolErrorWeightMediaMax = 29, "media input symbol error weight", U16 * 1 / 1, "", Maximum of SymbolErrorWeightMedia;
    SymbolErrorWeightHostMax = 30, "host input symbol error weight", U16 * 1 / 1, "", Maximum of SymbolErrorWeightHost;
    SymbolErrorWeightMediaAvg = 31, "media input symbol error weight", U16 * 1 / 1, "", Average of SymbolErrorWeightMedia;
    SymbolErrorWeightHostAvg = 32, "host input symbol error weight", U16 * 1 / 1, "", Average of SymbolErrorWeightHost;
    SymbolErrorWeightMedia = 33, "media input symbol error weight", U16 * 1 / 1, "", Current of SymbolErrorWeightMedia;
    SymbolErrorWeightHost = 34, "host input symbol error weight", U16 * 1 / 1, "", Current of SymbolErrorWeightHost;
    Vcc2p6 = 77, "2.6 V supply", U16 * 1 / 10000, "V", Current of Vcc2p6;
    Vcc1p8 = 78, "1.8 V supply", U16 * 1 / 10000, "V", Current of Vcc1p8;
    Vcc1p2 = 79, "1.2 V supply", U16 * 1 / 10000, "V", Current of Vcc1p2;
    Vcc0p9 = 80, "0.9 V supply", U16 * 1 / 10000, "V", Current of Vcc0p9;
    Vcc0p7A = 81, "0.7 V supply A", U16 * 1 / 10000, "V", Current of Vcc0p7A;
    Vcc0p7B = 82, "0.7 V supply B", U16 * 1 / 10000, "V", Current of Vcc0p7B;
    Vcc12 = 83, "12 V supply", U16 * 1 / 4000, "V", Current of Vcc12;
    ElsInputPower = 84, "external laser input power", S16 * 1 / 100, "dBm", Current of ElsInputPower;
    BiasXi = 128, "modulator bias XI", U16 * 100 / 65535, "%", Current of BiasXi;
    BiasXq = 129, "modulator bias XQ", U16 * 100 / 65535, "%", Current of BiasXq;
    BiasYi = 130, "modulator bias YI", U16 * 100 / 65535, "%", Current of BiasYi;
    BiasYq = 131, "modulator bias YQ", U16 * 100 / 65535, "%", Current of BiasYq;
    BiasXPhase = 132, "modulator bias X phase", U16 * 100 / 65535, "%", Current of BiasXPhase;
    BiasYPhase = 133, "modulator bias Y phase", U16 * 100 / 65535, "%", Current of BiasYPhase;
    DispersionFine = 134, "chromatic dispersion, high granularity", S16 * 1 / 1, "ps/nm", Current of DispersionFine;
    DispersionCoarse = 135, "chromatic dispersion, low granularity", S16 * 20 / 1, "ps/nm", Current of DispersionCoarse;
    Dgd = 136, "differential group delay", U16 * 1 / 100, "ps", Current of Dgd;
    SopmdFine = 137, "second-order PMD, high granularity", U16 * 1 / 100, "ps^2", Current of SopmdFine;
    Pdl = 138, "polarisation dependent loss", U16 * 1 / 10, "dB", Current of Pdl;
    Osnr = 139, "OSNR", U16 * 1 / 10, "dB", Current of Osnr;
    Esnr = 140, "eSNR", U16 * 1 / 10, "dB", Current of Esnr;
    FrequencyOffset = 141, "carrier frequency offset", S16 * 1 / 1, "MHz", Current of FrequencyOffset;
    Evm = 142, "error vector magnitude", U16 * 100 / 65535, "%", Current of Evm;
    TxPower = 143, "transmit power", S16 * 1 / 100, "dBm", Current of TxPower;
    RxTotalPower = 144, "total received power", S16 * 1 / 100, "dBm", Current of RxTotalPower;
    RxSignalPower = 145, "received power of the signal", S16 * 1 / 100, "dBm", Current of RxSignalPower;
    SopRateOfChange = 146, "polarisation rate of change", U16 * 1 / 1, "krad/s", Current of SopRateOfChange;
    Mer = 147, "modulation error ratio", U16 * 1 / 10, "dB", Current of Mer;
    ClockRecoveryLoop = 148, "clock recovery loop", S16 * 100 / 32767, "%", Current of ClockRecoveryLoop;
    SopmdCoarse = 149, "second-order PMD, low granularity", U16 * 1 / 1, "ps^2", Current of SopmdCoarse;
    SnrMargin = 150, "SNR margin", S16 * 1 / 10, "dB", Current of SnrMargin;
    QFactor = 151, "Q factor", U16 * 1 / 10, "dB", Current of QFactor;
    QMargin = 152, "Q margin", S16 * 1 / 10, "dB", Current of QMargin;
}

impl Observable {
    /// What the telemetry sweep reads every time: the current state of the light.
    pub const SWEPT: &'static [Self] = &[
        Self::LaserTemperature,
        Self::PreFecBerMedia,
        Self::FrameErrorsMedia,
        Self::DispersionFine,
        Self::DispersionCoarse,
        Self::Dgd,
        Self::Pdl,
        Self::Osnr,
        Self::Esnr,
        Self::FrequencyOffset,
        Self::TxPower,
        Self::RxTotalPower,
        Self::RxSignalPower,
        Self::QFactor,
        Self::QMargin,
    ];

    /// The observable that is this statistic of the quantity of `self`; `None` where there is none.
    #[must_use]
    pub fn statistic_of(self, statistic: Statistic) -> Option<Self> {
        let quantity = self.quantity();
        Self::ALL.iter().copied().find(|o| o.quantity() == quantity && o.statistic() == statistic)
    }

    /// A sample or a threshold of this observable.
    #[must_use]
    pub const fn measured(self, raw: u16) -> Measured {
        Measured { observable: self, raw }
    }
}

/// Two bytes of a sample or a threshold with what they mean.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Measured {
    /// What was observed.
    pub observable: Observable,
    /// The register's two bytes.
    pub raw: u16,
}

impl Measured {
    /// The number in units of the scale, sign extended; for [`Format::F16`] the raw bits.
    #[must_use]
    pub fn units(self) -> i32 {
        match self.observable.format() {
            Format::S16 => i32::from(self.raw.cast_signed()),
            Format::U16 | Format::F16 => i32::from(self.raw),
        }
    }

    /// The physical value, for display and JSON. Always finite.
    #[must_use]
    pub fn value(self) -> f64 {
        match self.observable.format() {
            Format::F16 => F16(self.raw).value(),
            Format::U16 | Format::S16 => {
                let (mul, div) = self.observable.scale();
                f64::from(self.units()) * f64::from(mul) / f64::from(div)
            }
        }
    }

    /// The ratio of an observable in [`Format::F16`]; `None` for others and above 1, which no ratio is.
    #[must_use]
    pub fn ratio(self) -> Option<Ber> {
        match self.observable.format() {
            Format::F16 => F16(self.raw).ratio(),
            Format::U16 | Format::S16 => None,
        }
    }

    /// The power of an observable in 0.01 dBm; `None` for others.
    #[must_use]
    pub fn power(self) -> Option<Power> {
        (self.observable.unit() == "dBm").then(|| Power::from_hundredths(self.raw.cast_signed()))
    }

    /// The ratio of an observable in 0.1 dB, saturating; `None` for others.
    #[must_use]
    pub fn db(self) -> Option<Db> {
        let tenths = self.observable.unit() == "dB" && self.observable.scale() == (1, 10);
        tenths.then(|| Db::from_tenths(i16::try_from(self.units()).unwrap_or(i16::MAX)))
    }

    /// How two numbers of the same quantity compare; `None` for different quantities.
    #[must_use]
    pub fn compare(self, other: Self) -> Option<core::cmp::Ordering> {
        if self.observable.quantity() != other.observable.quantity() {
            return None;
        }
        Some(match self.observable.format() {
            Format::F16 => F16(self.raw).cmp(&F16(other.raw)),
            Format::U16 | Format::S16 => self.units().cmp(&other.units()),
        })
    }
}

impl fmt::Display for Measured {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.observable.format() {
            Format::F16 => F16(self.raw).fmt(f),
            Format::U16 | Format::S16 => {
                let decimals = match self.observable.scale() {
                    (_, 1) => 0,
                    (1, 10) => 1,
                    (1, 4_000 | 10_000) => 4,
                    _ => 2,
                };
                write!(f, "{:.decimals$}", self.value())?;
                let unit = self.observable.unit();
                if unit.is_empty() { Ok(()) } else { write!(f, " {unit}") }
            }
        }
    }
}

impl fmt::Debug for Measured {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: {self}", self.observable.name(), self.observable.statistic().name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::format;

    #[test]
    fn codes_and_observables_are_one_to_one() {
        for code in 0..=u8::MAX {
            if let Some(observable) = Observable::from_code(code) {
                assert_eq!(observable.code(), code);
            }
        }
        for pair in Observable::ALL.windows(2) {
            assert!(pair[0].code() < pair[1].code(), "{pair:?}");
        }
        let defined = (1..=34).chain(77..=84).chain(128..=152);
        assert!(defined.clone().all(|code| Observable::from_code(code).is_some()));
        assert_eq!(Observable::ALL.len(), defined.count());
        assert_eq!(Observable::from_code(0), None, "not used");
        assert!((100..=127).all(|code| Observable::from_code(code).is_none()), "custom");
    }

    #[test]
    fn a_quantity_with_statistics_has_all_of_them_in_one_format() {
        for observable in Observable::ALL {
            let quantity = observable.quantity();
            assert_eq!(quantity.statistic(), Statistic::Current, "{observable:?}");
            assert_eq!(quantity.quantity(), quantity);
            assert_eq!((observable.format(), observable.name()), (quantity.format(), quantity.name()));
            let has = |statistic| quantity.statistic_of(statistic).is_some();
            let all = Statistic::OF_INTERVAL.into_iter().all(has);
            let none = !Statistic::OF_INTERVAL.into_iter().any(has);
            assert!(all || none, "{observable:?}");
            assert_eq!(observable.statistic_of(observable.statistic()), Some(*observable));
        }
    }

    #[test]
    fn samples_of_a_real_module_read_as_they_should() {
        let show = |code: u8, raw: u16| format!("{}", Observable::from_code(code).unwrap().measured(raw));
        // 26h and 27h of an 800ZR module.
        assert_eq!(show(4, 0x267D), "38.49 degC");
        assert_eq!(show(15, 0x9161), "3.53e-4");
        assert_eq!(show(128, 0x758B), "45.92 %");
        assert_eq!(show(139, 0x0153), "33.9 dB");
        assert_eq!(show(143, 0xFF36), "-2.02 dBm");
        assert_eq!(show(152, 0x002A), "4.2 dB");
        assert_eq!(Observable::TxPower.measured(0xFF36).power(), Some(Power::from_hundredths(-202)));
        assert_eq!(Observable::Osnr.measured(0x0153).db(), Some(Db::from_tenths(339)));
        assert_eq!(Observable::PreFecBerMedia.measured(0x9161).ratio(), Ber::new(353, -6));
        assert_eq!(Observable::Osnr.measured(0x0153).power(), None);
        assert_eq!(show(83, 48_000), "12.0000 V");
    }

    proptest! {
        #[test]
        fn every_sample_of_every_type_is_a_finite_number(code in any::<u8>(), raw in any::<u16>()) {
            if let Some(observable) = Observable::from_code(code) {
                let measured = observable.measured(raw);
                prop_assert!(measured.value().is_finite());
                let shown = format!("{measured} {measured:?}");
                prop_assert!(!shown.contains("nan") && !shown.contains("inf "), "{}", shown);
                prop_assert!(measured.ratio().is_none_or(|ratio| ratio.value() <= 1.0));
                let _ = (measured.db(), measured.power());
            }
        }

        #[test]
        fn the_order_of_samples_is_that_of_their_values(code in any::<u8>(), a in any::<u16>(), b in any::<u16>()) {
            if let Some(observable) = Observable::from_code(code) {
                let (a, b) = (observable.measured(a), observable.measured(b));
                let order = a.compare(b).unwrap();
                let above = a.value() > b.value() + b.value().abs() * 1e-12;
                prop_assert!(order == core::cmp::Ordering::Greater || !above);
            }
        }
    }
}
