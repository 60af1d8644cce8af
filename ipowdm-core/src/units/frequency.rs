//! Optical frequencies in whole megahertz.

use super::{UnitError, to_integer};
use core::fmt;
use serde::{Deserialize, Serialize};

/// An optical frequency in whole megahertz.
///
/// 193.1 THz is `Frequency::from_mhz(193_100_000)`. CMIS reports frequencies in the same unit (12h:168).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
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

    proptest! {
        #[test]
        fn every_megahertz_survives_thz(mhz in 0_u32..=400_000_000) {
            let frequency = Frequency::from_mhz(mhz);
            prop_assert_eq!(Frequency::from_thz(frequency.thz()), Ok(frequency));
        }
    }
}
