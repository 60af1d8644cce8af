//! Lengths of fibre in metres.

use super::{UnitError, to_integer};
use serde::{Deserialize, Serialize};

/// A length of fibre in metres.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_never_negative() {
        assert_eq!(Length::from_km(80.25), Ok(Length::from_metres(80_250)));
        assert!(Length::from_km(-0.1).is_err());
        assert!(Length::from_km(-0.000_1).is_err());
    }
}
