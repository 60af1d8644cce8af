//! Bit error ratios as mantissa and exponent.

use super::{UnitError, round};
use core::fmt;
use serde::{Deserialize, Serialize};

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
    }
}
