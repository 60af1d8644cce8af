//! Absolute powers and power ratios, both in hundredths.

use super::{UnitError, to_integer};
use core::fmt;
use serde::{Deserialize, Serialize};

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn powers_print_their_sign_below_one() {
        assert_eq!(std::format!("{}", Power::from_hundredths(-50)), "-0.50 dBm");
        assert_eq!(Power::from_number(-2.0), Ok(Power::from_hundredths(-200)));
        assert!(Power::from_number(f64::INFINITY).is_err());
        assert!(Power::from_number(400.0).is_err());
    }
}
