//! A module's temperature and supply voltage, in the steps of its registers.

use serde::{Deserialize, Serialize};

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
