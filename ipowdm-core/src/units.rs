//! Physical quantities as integer newtypes.
//!
//! Floats exist only at the edge: a JSON number is converted once, by the constructors here, and a frequency
//! is refused when it does not lie on the raster of the type; powers, ratios and other measured quantities are rounded to
//! it. Everything inside computes and compares integers.

use core::fmt;
use serde::{Deserialize, Serialize};

/// A number from outside that cannot be represented in the unit it claims to be in.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum UnitError {
    /// The number is NaN or infinite.
    #[error("{quantity} is not a finite number")]
    NotFinite {
        /// Which quantity was being read.
        quantity: &'static str,
    },
    /// The number is outside what the type can hold.
    #[error("{quantity} {value} is outside {min}..={max} {unit}")]
    OutOfRange {
        /// Which quantity was being read.
        quantity: &'static str,
        /// The refused number, in `unit`.
        value: f64,
        /// Smallest representable value, in `unit`.
        min: f64,
        /// Largest representable value, in `unit`.
        max: f64,
        /// The unit of the three numbers above.
        unit: &'static str,
    },
    /// The number lies between two points of the integer raster.
    #[error("{quantity} {value} {unit} is not a whole number of {raster}")]
    OffRaster {
        /// Which quantity was being read.
        quantity: &'static str,
        /// The refused number, in `unit`.
        value: f64,
        /// The unit of `value`.
        unit: &'static str,
        /// The raster of the type.
        raster: &'static str,
    },
}

/// Rounds half away from zero; `f64::round` needs std.
fn round(value: f64) -> f64 {
    // |value| < 2^53 is checked by the callers, where the conversion to i64 and back is exact.
    #[expect(clippy::cast_possible_truncation, reason = "callers bound |value| to 2^53")]
    let truncated = value as i64;
    #[expect(clippy::cast_precision_loss, reason = "|truncated| <= 2^53")]
    let whole = truncated as f64;
    let rest = value - whole;
    if rest >= 0.5 {
        whole + 1.0
    } else if rest <= -0.5 {
        whole - 1.0
    } else {
        whole
    }
}

/// `value` as the nearest integer in `min..=max`, or the reason why not. `tolerance` is in units of the result.
fn to_integer(
    quantity: &'static str,
    unit: &'static str,
    raster: &'static str,
    value: f64,
    per_unit: f64,
    (min, max): (i64, i64),
    tolerance: Option<f64>,
) -> Result<i64, UnitError> {
    if !value.is_finite() {
        return Err(UnitError::NotFinite { quantity });
    }
    let scaled = value * per_unit;
    #[expect(clippy::cast_precision_loss, reason = "bounds are below 2^53")]
    let (low, high) = (min as f64, max as f64);
    if !(low - 0.5..=high + 0.5).contains(&scaled) {
        return Err(UnitError::OutOfRange {
            quantity,
            value,
            min: low / per_unit,
            max: high / per_unit,
            unit,
        });
    }
    let whole = round(scaled);
    if let Some(tolerance) = tolerance
        && (scaled - whole).abs() > tolerance
    {
        return Err(UnitError::OffRaster { quantity, value, unit, raster });
    }
    #[expect(clippy::cast_possible_truncation, reason = "bounded by min..=max above")]
    let integer = whole as i64;
    Ok(integer.clamp(min, max))
}

/// An optical frequency in whole megahertz.
///
/// 193.1 THz is `Frequency::from_mhz(193_100_000)`. CMIS reports frequencies in the same unit (12h:168).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Frequency(u32);

impl Frequency {
    /// The ITU-T G.694.1 anchor, 193.1 THz.
    pub const ANCHOR: Self = Self(193_100_000);

    /// A frequency of `mhz` megahertz.
    #[must_use]
    pub const fn from_mhz(mhz: u32) -> Self {
        Self(mhz)
    }

    /// The frequency in megahertz.
    #[must_use]
    pub const fn mhz(self) -> u32 {
        self.0
    }

    /// Reads a JSON number in THz. The number must lie within 10⁻³ MHz of a whole megahertz.
    ///
    /// # Errors
    /// [`UnitError`] for a number that is not finite, outside 0…4294 THz, or between two megahertz.
    pub fn from_thz(thz: f64) -> Result<Self, UnitError> {
        let mhz = to_integer("frequency", "THz", "1 MHz", thz, 1e6, (0, i64::from(u32::MAX)), Some(1e-3))?;
        u32::try_from(mhz).map(Self).map_err(|_| UnitError::NotFinite { quantity: "frequency" })
    }

    /// Reads a JSON number in THz, GHz or MHz, told apart by magnitude (C band: 190-197 THz).
    ///
    /// The three scales cannot be confused: an optical frequency is below 1 000 in THz, below 10⁶ in GHz and
    /// above it in MHz.
    ///
    /// # Errors
    /// As [`Frequency::from_thz`].
    pub fn from_number(value: f64) -> Result<Self, UnitError> {
        if value.is_finite() && value >= 1e6 {
            let mhz =
                to_integer("frequency", "MHz", "1 MHz", value, 1.0, (0, i64::from(u32::MAX)), Some(1e-3))?;
            return u32::try_from(mhz).map(Self).map_err(|_| UnitError::NotFinite { quantity: "frequency" });
        }
        if value.is_finite() && value >= 1e3 {
            let mhz =
                to_integer("frequency", "GHz", "1 MHz", value, 1e3, (0, i64::from(u32::MAX)), Some(1e-3))?;
            return u32::try_from(mhz).map(Self).map_err(|_| UnitError::NotFinite { quantity: "frequency" });
        }
        Self::from_thz(value)
    }

    /// The frequency in THz, for display and JSON.
    #[must_use]
    pub fn thz(self) -> f64 {
        f64::from(self.0) / 1e6
    }

    /// `self` moved by a signed number of megahertz; `None` outside the type's range.
    #[must_use]
    pub const fn offset(self, mhz: i64) -> Option<Self> {
        let sum = self.0 as i64 + mhz;
        if sum < 0 || sum > u32::MAX as i64 {
            None
        } else {
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "checked on the line above"
            )]
            Some(Self(sum as u32))
        }
    }

    /// The distance between two frequencies in megahertz.
    #[must_use]
    pub const fn distance(self, other: Self) -> u32 {
        self.0.abs_diff(other.0)
    }
}

impl fmt::Debug for Frequency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl fmt::Display for Frequency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:06} THz", self.0 / 1_000_000, self.0 % 1_000_000)
    }
}

macro_rules! signed_hundredths {
    ($(#[$doc:meta])* $name:ident, $quantity:literal, $unit:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(i16);

        impl $name {
            #[doc = concat!("From hundredths of a ", $unit, ".")]
            #[must_use]
            pub const fn from_hundredths(hundredths: i16) -> Self {
                Self(hundredths)
            }

            #[doc = concat!("In hundredths of a ", $unit, ".")]
            #[must_use]
            pub const fn hundredths(self) -> i16 {
                self.0
            }

            #[doc = concat!("Reads a JSON number in ", $unit, ", rounded to the nearest hundredth.")]
            ///
            /// # Errors
            /// [`UnitError`] for a number that is not finite or outside ±327.67.
            pub fn from_number(value: f64) -> Result<Self, UnitError> {
                let range = (i64::from(i16::MIN), i64::from(i16::MAX));
                let hundredths = to_integer($quantity, $unit, concat!("0.01 ", $unit), value, 100.0, range, None)?;
                i16::try_from(hundredths).map(Self).map_err(|_| UnitError::NotFinite { quantity: $quantity })
            }

            #[doc = concat!("In ", $unit, ", for display and JSON.")]
            #[must_use]
            pub fn value(self) -> f64 {
                f64::from(self.0) / 100.0
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{self}")
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let sign = if self.0 < 0 { "-" } else { "" };
                let magnitude = self.0.unsigned_abs();
                write!(f, "{sign}{}.{:02} {}", magnitude / 100, magnitude % 100, $unit)
            }
        }
    };
}

signed_hundredths! {
    /// An absolute optical power in hundredths of a dBm, the resolution of CMIS 12h:200 and of VDM observables 143-145.
    Power, "power", "dBm"
}

signed_hundredths! {
    /// A power ratio in hundredths of a dB: a step, a margin, a loss, an OSNR.
    Db, "ratio", "dB"
}

impl Power {
    /// `self` changed by `step`, saturating at the limits of the type.
    #[must_use]
    pub const fn plus(self, step: Db) -> Self {
        Self(self.0.saturating_add(step.0))
    }

    /// The ratio `self / other`.
    #[must_use]
    pub const fn minus(self, other: Self) -> Db {
        Db(self.0.saturating_sub(other.0))
    }
}

impl Db {
    /// From tenths of a dB, the resolution of the C-CMIS OSNR, eSNR and margin observables.
    #[must_use]
    pub const fn from_tenths(tenths: i16) -> Self {
        Self(tenths.saturating_mul(10))
    }

    /// The sum of two ratios, saturating.
    #[must_use]
    pub const fn plus(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }

    /// The difference of two ratios, saturating.
    #[must_use]
    pub const fn minus(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }

    /// The inverse ratio.
    #[must_use]
    pub const fn negated(self) -> Self {
        Self(self.0.saturating_neg())
    }
}

/// A temperature in 1/256 °C, the resolution of CMIS 00h:14.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Temperature(i16);

impl Temperature {
    /// From 1/256 °C.
    #[must_use]
    pub const fn from_raw(raw: i16) -> Self {
        Self(raw)
    }

    /// In 1/256 °C.
    #[must_use]
    pub const fn raw(self) -> i16 {
        self.0
    }

    /// In °C, for display and JSON.
    #[must_use]
    pub fn celsius(self) -> f64 {
        f64::from(self.0) / 256.0
    }
}

/// A supply voltage in steps of 100 µV, the resolution of CMIS 00h:16.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Voltage(u16);

impl Voltage {
    /// From 100 µV steps.
    #[must_use]
    pub const fn from_raw(raw: u16) -> Self {
        Self(raw)
    }

    /// In 100 µV steps.
    #[must_use]
    pub const fn raw(self) -> u16 {
        self.0
    }

    /// In volts, for display and JSON.
    #[must_use]
    pub fn volts(self) -> f64 {
        f64::from(self.0) / 10_000.0
    }
}

/// A length of fibre in metres.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Length(u32);

impl Length {
    /// From metres.
    #[must_use]
    pub const fn from_metres(metres: u32) -> Self {
        Self(metres)
    }

    /// In metres.
    #[must_use]
    pub const fn metres(self) -> u32 {
        self.0
    }

    /// Reads a JSON number in kilometres, rounded to the nearest metre.
    ///
    /// # Errors
    /// [`UnitError`] for a number that is not finite, negative, or above 4 294 967 km.
    pub fn from_km(km: f64) -> Result<Self, UnitError> {
        let metres = to_integer("length", "km", "1 m", km, 1e3, (0, i64::from(u32::MAX)), None)?;
        if km < 0.0 {
            return Err(UnitError::OutOfRange {
                quantity: "length",
                value: km,
                min: 0.0,
                max: 4_294_967.295,
                unit: "km",
            });
        }
        u32::try_from(metres).map(Self).map_err(|_| UnitError::NotFinite { quantity: "length" })
    }

    /// In kilometres, for display and JSON.
    #[must_use]
    pub fn km(self) -> f64 {
        f64::from(self.0) / 1e3
    }

    /// The sum of two lengths, saturating.
    #[must_use]
    pub const fn plus(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

/// A bit error ratio as the F16 of CMIS stores it: `mantissa · 10^exponent`.
///
/// Ordered by value. Zero has mantissa 0. The smallest non-zero F16 is 1·10⁻²⁴.
#[derive(Clone, Copy, Serialize, Deserialize)]
pub struct Ber {
    mantissa: u16,
    exponent: i8,
}

impl Ber {
    /// No errors at all.
    pub const ZERO: Self = Self { mantissa: 0, exponent: -24 };

    /// `mantissa · 10^exponent`; `None` where that exceeds 1 or the exponent is outside −24…0.
    #[must_use]
    pub const fn new(mantissa: u16, exponent: i8) -> Option<Self> {
        if exponent < -24 || exponent > 0 {
            return None;
        }
        let mut limit = 1_u64;
        let mut left = -(exponent as i32);
        while left > 0 && limit <= u16::MAX as u64 {
            limit *= 10;
            left -= 1;
        }
        if mantissa as u64 <= limit { Some(Self { mantissa, exponent }) } else { None }
    }

    /// Decodes a CMIS F16: bits 15-11 exponent e, 10-0 mantissa m, value m·10^(e−24). (Not an IEEE half.)
    #[must_use]
    pub const fn from_f16(raw: u16) -> Self {
        let exponent = (raw >> 11) as i8 - 24;
        Self { mantissa: raw & 0x07FF, exponent }
    }

    /// Encodes as a CMIS F16, with the largest mantissa that fits.
    #[must_use]
    pub fn to_f16(self) -> u16 {
        let (mut mantissa, mut exponent) = (u32::from(self.mantissa), i32::from(self.exponent));
        if mantissa == 0 {
            return 0;
        }
        while mantissa > 0x7FF {
            mantissa = (mantissa + 5) / 10;
            exponent += 1;
        }
        while mantissa * 10 <= 0x7FF && exponent > -24 {
            mantissa *= 10;
            exponent -= 1;
        }
        let exponent = u16::try_from((exponent + 24).clamp(0, 31)).unwrap_or(0);
        let mantissa = u16::try_from(mantissa).unwrap_or(0x7FF);
        (exponent << 11) | mantissa
    }

    /// Reads a JSON number in 0…1, to four significant digits.
    ///
    /// # Errors
    /// [`UnitError`] for a number that is not finite or outside 0…1.
    pub fn from_number(value: f64) -> Result<Self, UnitError> {
        if !value.is_finite() {
            return Err(UnitError::NotFinite { quantity: "bit error ratio" });
        }
        if !(0.0..=1.0).contains(&value) {
            return Err(UnitError::OutOfRange {
                quantity: "bit error ratio",
                value,
                min: 0.0,
                max: 1.0,
                unit: "",
            });
        }
        if value < 1e-24 {
            return Ok(Self::ZERO);
        }
        let (mut scaled, mut exponent) = (value, 0_i8);
        while scaled < 1000.0 && exponent > -24 {
            scaled *= 10.0;
            exponent -= 1;
        }
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "scaled is in 0..=10 000"
        )]
        let mantissa = round(scaled) as u16;
        Ok(Self { mantissa, exponent })
    }

    /// `percent` hundredths of this ratio; `None` where the result cannot be represented.
    #[must_use]
    pub fn percent(self, percent: u32) -> Option<Self> {
        Self::from_number(self.value() * f64::from(percent) / 100.0).ok()
    }

    /// The ratio as a float, for display and JSON. Always finite.
    #[must_use]
    pub fn value(self) -> f64 {
        // Division by an exact power of ten gives the float nearest to the decimal value: 2·10⁻⁴ prints as 0.0002.
        let mut scale = 1.0;
        for _ in 0..self.exponent.unsigned_abs() {
            scale *= 10.0;
        }
        if self.exponent < 0 { f64::from(self.mantissa) / scale } else { f64::from(self.mantissa) * scale }
    }
}

impl PartialEq for Ber {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Ber {}

impl PartialOrd for Ber {
    fn partial_cmp(&self, other: &Self) -> Option<core::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Ber {
    fn cmp(&self, other: &Self) -> core::cmp::Ordering {
        // Exact: 65535·10^31 fits u128.
        let wide = |b: Self| {
            let shift = u32::try_from(i32::from(b.exponent) + 24).unwrap_or(0).min(31);
            u128::from(b.mantissa) * 10_u128.pow(shift)
        };
        wide(*self).cmp(&wide(*other))
    }
}

impl fmt::Debug for Ber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl fmt::Display for Ber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:e}", self.value())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_guides_frequency_is_exact() {
        assert_eq!(Frequency::from_thz(193.1), Ok(Frequency::from_mhz(193_100_000)));
        assert_eq!(Frequency::from_number(193.1), Ok(Frequency::ANCHOR));
        assert_eq!(Frequency::from_number(193_100.0), Ok(Frequency::ANCHOR));
        assert_eq!(Frequency::from_number(193_100_000.0), Ok(Frequency::ANCHOR));
    }

    #[test]
    fn a_frequency_between_two_megahertz_is_refused() {
        assert!(matches!(Frequency::from_thz(193.100_000_4), Err(UnitError::OffRaster { .. })));
        assert!(matches!(Frequency::from_thz(f64::NAN), Err(UnitError::NotFinite { .. })));
        assert!(matches!(Frequency::from_thz(-1.0), Err(UnitError::OutOfRange { .. })));
        assert!(matches!(Frequency::from_number(1e300), Err(UnitError::OutOfRange { .. })));
    }

    #[test]
    fn powers_print_their_sign_below_one() {
        assert_eq!(std::format!("{}", Power::from_hundredths(-50)), "-0.50 dBm");
        assert_eq!(Power::from_number(-2.0), Ok(Power::from_hundredths(-200)));
        assert!(Power::from_number(f64::INFINITY).is_err());
        assert!(Power::from_number(400.0).is_err());
    }

    #[test]
    fn lengths_are_never_negative() {
        assert_eq!(Length::from_km(80.25), Ok(Length::from_metres(80_250)));
        assert!(Length::from_km(-0.1).is_err());
        assert!(Length::from_km(-0.000_1).is_err());
    }

    #[test]
    fn ber_values_survive_the_register_format() {
        let ber = Ber::from_number(2e-4).unwrap();
        assert_eq!(ber.value(), 0.0002);
        assert_eq!(Ber::from_f16(ber.to_f16()), ber);
        assert_eq!(Ber::from_f16(0).value(), 0.0);
        assert!(Ber::from_number(1.5).is_err());
        assert!(Ber::new(2, 0).is_none());
    }

    proptest! {
        #[test]
        fn every_megahertz_survives_thz(mhz in 0_u32..=400_000_000) {
            let frequency = Frequency::from_mhz(mhz);
            prop_assert_eq!(Frequency::from_thz(frequency.thz()), Ok(frequency));
        }

        #[test]
        fn ber_order_is_numeric_order(a in any::<u16>(), b in any::<u16>()) {
            let (a, b) = (Ber::from_f16(a), Ber::from_f16(b));
            if a < b { prop_assert!(a.value() < b.value() * (1.0 + 1e-12)); }
            if a == b { prop_assert!((a.value() - b.value()).abs() <= a.value() * 1e-12); }
        }

        #[test]
        fn ber_f16_round_trip_keeps_three_digits(value in 1e-20_f64..=1.0) {
            let ber = Ber::from_number(value).unwrap();
            let back = Ber::from_f16(ber.to_f16());
            prop_assert!((back.value() - value).abs() <= value * 0.006);
        }

        #[test]
        fn unit_conversions_never_panic(value in any::<f64>()) {
            let _ = (Frequency::from_number(value), Power::from_number(value), Db::from_number(value),
                     Length::from_km(value), Ber::from_number(value));
        }
    }
}
