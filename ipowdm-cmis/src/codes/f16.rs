//! The decimal float of CMIS.

use core::cmp::Ordering;
use core::fmt;
use ipowdm_core::units::Ber;

/// A CMIS F16: bits 15-11 exponent e, 10-0 mantissa m, value m·10^(e−24), exactly (OIF-CMIS-05.4, F16 data type).
///
/// Not an IEEE half. Different bits may be the same number; comparisons are by value.
#[derive(Debug, Clone, Copy, Default)]
pub struct F16(
    /// The register's two bytes.
    pub u16,
);

impl F16 {
    /// The mantissa, 0-2047.
    #[must_use]
    pub const fn mantissa(self) -> u16 {
        self.0 & 0x07FF
    }

    /// The decimal exponent, −24…7.
    #[must_use]
    pub const fn exponent(self) -> i8 {
        (self.0 >> 11) as i8 - 24
    }

    /// The nearest float, for display and JSON. Always finite.
    #[must_use]
    pub fn value(self) -> f64 {
        // Powers of ten to 10^22 are exact in a float: one rounding, and a second one below 10^-22.
        let mut scale = 1.0_f64;
        for _ in 0..self.exponent().unsigned_abs() {
            scale *= 10.0;
        }
        let mantissa = f64::from(self.mantissa());
        if self.exponent() < 0 { mantissa / scale } else { mantissa * scale }
    }

    /// The number as a ratio; `None` above 1.
    #[must_use]
    pub const fn ratio(self) -> Option<Ber> {
        if self.mantissa() == 0 {
            return Some(Ber::ZERO);
        }
        Ber::new(self.mantissa(), self.exponent())
    }

    /// Mantissa without trailing zeros, and its exponent: equal for equal numbers.
    const fn normal(self) -> (u16, i8) {
        let (mut mantissa, mut exponent) = (self.mantissa(), self.exponent());
        if mantissa == 0 {
            return (0, 0);
        }
        while mantissa.is_multiple_of(10) {
            mantissa /= 10;
            exponent += 1;
        }
        (mantissa, exponent)
    }
}

impl PartialEq for F16 {
    fn eq(&self, other: &Self) -> bool {
        self.normal() == other.normal()
    }
}

impl Eq for F16 {}

impl PartialOrd for F16 {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for F16 {
    fn cmp(&self, other: &Self) -> Ordering {
        // 2047·10^31 is below 2^128: both sides in units of 10^-24, exactly.
        let scaled = |f: &Self| u128::from(f.mantissa()) * 10_u128.pow(u32::from(f.0 >> 11));
        scaled(self).cmp(&scaled(other))
    }
}

impl fmt::Display for F16 {
    /// Scientific notation with all digits that the number has: `3.53e-4`; `0` for none.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (mantissa, exponent) = self.normal();
        let digits: u16 = match mantissa {
            0 => return f.write_str("0"),
            1..=9 => 0,
            10..=99 => 1,
            100..=999 => 2,
            _ => 3,
        };
        let unit = 10_u16.pow(u32::from(digits));
        let shown = i16::from(exponent) + digits.cast_signed();
        if digits == 0 {
            write!(f, "{mantissa}e{shown}")
        } else {
            let width = usize::from(digits);
            write!(f, "{}.{:0width$}e{shown}", mantissa / unit, mantissa % unit)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::format;
    use std::string::ToString;

    #[test]
    fn f16_is_a_decimal_float_and_not_an_ieee_half() {
        // 0x9161 = e 18, m 353: 353·10^-6.
        let ber = F16(0x9161);
        assert_eq!((ber.mantissa(), ber.exponent()), (353, -6));
        assert_eq!(ber.to_string(), "3.53e-4");
        assert_eq!(F16(0).to_string(), "0");
        assert_eq!(F16(0xFFFF).to_string(), "2.047e10");
        assert_eq!(F16(0xFFFF).ratio(), None);
        assert_eq!(F16(0x1001).value(), 1e-22);
        // 10·10^-7 is 1·10^-6.
        assert_eq!(F16((17 << 11) | 10), F16((18 << 11) | 1));
        // Nothing, with any exponent.
        assert_eq!(F16(31 << 11).ratio(), Some(Ber::ZERO));
    }

    proptest! {
        #[test]
        fn every_number_is_shown_exactly(raw in any::<u16>()) {
            let number = F16(raw);
            let shown: f64 = format!("{number}").parse().unwrap();
            prop_assert!((shown - number.value()).abs() <= number.value() * 1e-15);
        }

        #[test]
        fn order_and_equality_agree(a in any::<u16>(), b in any::<u16>()) {
            prop_assert_eq!(F16(a).cmp(&F16(b)) == Ordering::Equal, F16(a) == F16(b));
            // The nearest floats of two numbers never stand the other way round, but may be rounded to each other.
            prop_assert!(F16(a) >= F16(b) || F16(a).value() <= F16(b).value() * (1.0 + 1e-15));
        }
    }
}
