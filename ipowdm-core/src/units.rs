//! Physical quantities as integer newtypes.
//!
//! Floats exist only at the edge: a JSON number is converted once, by the constructors here, and a frequency
//! is refused when it does not lie on the raster of the type; powers, ratios and other measured quantities are rounded to
//! it. Everything inside computes and compares integers.

mod ber;
mod frequency;
mod length;
mod power;
mod supply;

pub use ber::Ber;
pub use frequency::Frequency;
pub use length::Length;
pub use power::{Db, Power};
pub use supply::{Temperature, Voltage};

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

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn unit_conversions_never_panic(value in any::<f64>()) {
            let _ = (Frequency::from_number(value), Power::from_number(value), Db::from_number(value),
                     Length::from_km(value), Ber::from_number(value));
        }
    }
}
