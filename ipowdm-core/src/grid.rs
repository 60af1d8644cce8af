//! The ITU-T G.694.1 frequency grid in integers, and the channel raster of CMIS tunable modules.
//!
//! Two rasters meet here. A *nominal central frequency* of the flexible grid is 193.1 THz + n × 6.25 GHz and a slot is
//! m × 12.5 GHz wide ([`FlexSlot`]). A tunable module names its channels by (grid, n) with one formula per grid
//! ([`Grid`], CMIS 5.x page 12h); the grids of 3.125 GHz and 33 GHz have channels off the 6.25 GHz raster.
//!
//! Occupancy lives on a [`Raster`] of 6.25 GHz steps, whatever the network's own grid: a bitmap of 12.5 GHz steps of one phase
//! cannot hold every n. Coarser grids, fixed grids, holes and edges are a [`Band`] over it, and show as fewer legal starts.

mod band;
mod flex;
mod raster;

pub use band::{Band, BandError, Centres, FixedSpacing};
pub use flex::{FlexSlot, SlotError};
pub use raster::Raster;

use crate::units::Frequency;
use serde::{Deserialize, Serialize};

/// 6.25 GHz in MHz: the raster of nominal central frequencies.
pub const RASTER_MHZ: u32 = 6_250;

/// Step of a slot's width in MHz (ITU-T G.694.1, flexible grid).
pub const WIDTH_STEP_MHZ: u32 = 12_500;

/// Distance in MHz within which two frequencies name the same channel, where its centre is no whole megahertz and was rounded: two
/// of three channels of the 33 GHz grid. All other channels are exact.
pub const CHANNEL_ROUNDING_MHZ: u32 = 1;

/// Distance in MHz from its channel within which a laser counts as on it.
///
/// A module may report the frequency it measures rather than the nominal one (12h:168). 1 GHz is less than half the finest
/// channel spacing (3.125 GHz): no other channel can be meant.
pub const LASER_TOLERANCE_MHZ: u32 = 1_000;

/// A channel grid of a tunable module, CMIS 12h:128 bits 7-4.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Grid {
    /// 3.125 GHz, code 0.
    Ghz3p125,
    /// 6.25 GHz, code 1.
    Ghz6p25,
    /// 12.5 GHz, code 2.
    Ghz12p5,
    /// 25 GHz, code 3.
    Ghz25,
    /// 50 GHz, code 4.
    Ghz50,
    /// 100 GHz, code 5.
    Ghz100,
    /// 33 GHz (exactly 100/3 GHz), code 6.
    Ghz33,
    /// 75 GHz, code 7; n is a multiple of 3.
    Ghz75,
    /// 150 GHz, code 8; n is a multiple of 6.
    Ghz150,
    /// 300 GHz, code 9; n is a multiple of 24.
    Ghz300,
}

/// Why a frequency or a channel number is not on a grid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum GridError {
    /// The frequency lies between two channels of the grid.
    #[error("{frequency} is not on the {grid:?} grid; nearest channels are {below} and {above}")]
    OffGrid {
        /// The refused frequency.
        frequency: Frequency,
        /// The grid it was to be on.
        grid: Grid,
        /// The nearest channel below.
        below: Frequency,
        /// The nearest channel above.
        above: Frequency,
    },
    /// The channel number is not legal on the grid.
    #[error("channel number {n} is not legal on the {grid:?} grid (must be a multiple of {step})")]
    BadChannel {
        /// The refused number.
        n: i16,
        /// The grid.
        grid: Grid,
        /// Legal numbers are multiples of this.
        step: i16,
    },
    /// The frequency cannot be represented.
    #[error("channel number {n} of the {grid:?} grid is outside the representable frequencies")]
    OutOfRange {
        /// The refused number.
        n: i64,
        /// The grid.
        grid: Grid,
    },
}

impl Grid {
    /// All grids, coarsest first: the order in which a driver looks for a grid that holds a frequency.
    pub const COARSEST_FIRST: [Self; 10] = [
        Self::Ghz300,
        Self::Ghz150,
        Self::Ghz100,
        Self::Ghz75,
        Self::Ghz50,
        Self::Ghz33,
        Self::Ghz25,
        Self::Ghz12p5,
        Self::Ghz6p25,
        Self::Ghz3p125,
    ];

    /// The code of the grid in CMIS 12h:128 bits 7-4.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::Ghz3p125 => 0,
            Self::Ghz6p25 => 1,
            Self::Ghz12p5 => 2,
            Self::Ghz25 => 3,
            Self::Ghz50 => 4,
            Self::Ghz100 => 5,
            Self::Ghz33 => 6,
            Self::Ghz75 => 7,
            Self::Ghz150 => 8,
            Self::Ghz300 => 9,
        }
    }

    /// The grid of a code; `None` for the reserved codes and Fh (not available).
    #[must_use]
    pub const fn from_code(code: u8) -> Option<Self> {
        Some(match code {
            0 => Self::Ghz3p125,
            1 => Self::Ghz6p25,
            2 => Self::Ghz12p5,
            3 => Self::Ghz25,
            4 => Self::Ghz50,
            5 => Self::Ghz100,
            6 => Self::Ghz33,
            7 => Self::Ghz75,
            8 => Self::Ghz150,
            9 => Self::Ghz300,
            _ => return None,
        })
    }

    /// Centre of channel n is `193.1 THz + (n + shift) · unit / 3`, `unit` in kHz; legal n are multiples of `step`.
    ///
    /// The division by three keeps the 33 GHz grid (100/3 GHz) exact. Formulas: CMIS 5.x, page 12h; the shifts of the
    /// 150 and 300 GHz grids put their channels in the middle between those of the finer grids.
    const fn formula(self) -> (i64, i64, i16) {
        match self {
            Self::Ghz3p125 => (3_125_000 * 3, 0, 1),
            Self::Ghz6p25 => (6_250_000 * 3, 0, 1),
            Self::Ghz12p5 => (12_500_000 * 3, 0, 1),
            Self::Ghz25 => (25_000_000 * 3, 0, 1),
            Self::Ghz50 => (50_000_000 * 3, 0, 1),
            Self::Ghz100 => (100_000_000 * 3, 0, 1),
            Self::Ghz33 => (100_000_000, 0, 1),
            Self::Ghz75 => (25_000_000 * 3, 0, 3),
            Self::Ghz150 => (25_000_000 * 3, 3, 6),
            Self::Ghz300 => (12_500_000 * 3, -9, 24),
        }
    }

    /// Every how many channel numbers a channel lies on the 6.25 GHz raster, and how many raster steps are between two
    /// such channels.
    pub(crate) const fn raster_stride(self) -> (u16, u16) {
        match self {
            Self::Ghz3p125 => (2, 1),
            Self::Ghz6p25 => (1, 1),
            Self::Ghz12p5 => (1, 2),
            Self::Ghz25 => (1, 4),
            Self::Ghz50 => (1, 8),
            Self::Ghz100 => (1, 16),
            Self::Ghz33 => (3, 16),
            Self::Ghz75 => (3, 12),
            Self::Ghz150 => (6, 24),
            Self::Ghz300 => (24, 48),
        }
    }

    /// Raster steps from 193.1 THz to channel 0.
    pub(crate) const fn raster_shift(self) -> i64 {
        match self {
            Self::Ghz150 => 12,
            Self::Ghz300 => -18,
            _ => 0,
        }
    }

    /// The spacing of neighbouring channels in MHz (33 GHz: rounded).
    #[must_use]
    pub const fn spacing_mhz(self) -> u32 {
        match self {
            Self::Ghz3p125 => 3_125,
            Self::Ghz6p25 => 6_250,
            Self::Ghz12p5 => 12_500,
            Self::Ghz25 => 25_000,
            Self::Ghz50 => 50_000,
            Self::Ghz100 => 100_000,
            Self::Ghz33 => 33_333,
            Self::Ghz75 => 75_000,
            Self::Ghz150 => 150_000,
            Self::Ghz300 => 300_000,
        }
    }

    /// The centre of channel `n`, rounded to a megahertz.
    ///
    /// # Errors
    /// [`GridError::BadChannel`] where `n` is not legal on this grid.
    pub const fn frequency(self, n: i16) -> Result<Frequency, GridError> {
        let (unit, shift, step) = self.formula();
        if n % step != 0 {
            return Err(GridError::BadChannel { n, grid: self, step });
        }
        let khz3 = (n as i64 + shift) * unit;
        match Frequency::ANCHOR.offset(div_round(khz3, 3_000)) {
            Some(frequency) => Ok(frequency),
            None => Err(GridError::OutOfRange { n: n as i64, grid: self }),
        }
    }

    /// The number of the channel whose centre is `frequency`: exactly, or within 1 MHz where the centre is no whole megahertz
    /// (two of three channels of the 33 GHz grid).
    ///
    /// # Errors
    /// [`GridError::OffGrid`] with the neighbouring channels, or [`GridError::OutOfRange`] beyond the 16-bit numbers.
    pub fn channel(self, frequency: Frequency) -> Result<i16, GridError> {
        let (unit, shift, step) = self.formula();
        let step = i64::from(step);
        let delta_khz3 = (i64::from(frequency.mhz()) - i64::from(Frequency::ANCHOR.mhz())) * 3_000;
        let below = ((delta_khz3 - shift * unit).div_euclid(unit * step)) * step;
        for n in [below, below + step] {
            let Ok(n) = i16::try_from(n) else { continue };
            let centre = self.frequency(n)?;
            // Only of the 33 GHz grid some centres are no whole megahertz, and these are rounded.
            let tolerance = if (i64::from(n) + shift) * unit % 3_000 == 0 { 0 } else { CHANNEL_ROUNDING_MHZ };
            if centre.distance(frequency) <= tolerance {
                return Ok(n);
            }
        }
        let at = |n: i64| i16::try_from(n).ok().and_then(|n| self.frequency(n).ok());
        match (at(below), at(below + step)) {
            (Some(below), Some(above)) => Err(GridError::OffGrid { frequency, grid: self, below, above }),
            _ => Err(GridError::OutOfRange { n: below, grid: self }),
        }
    }
}

/// Division rounding half away from zero.
const fn div_round(a: i64, b: i64) -> i64 {
    let half = b / 2;
    if a >= 0 { (a + half) / b } else { (a - half) / b }
}

/// A contiguous range of frequencies, edges included in MHz.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct SpectrumWindow {
    /// Lower edge.
    #[serde(rename = "low_mhz")]
    pub low: Frequency,
    /// Upper edge.
    #[serde(rename = "high_mhz")]
    pub high: Frequency,
}

impl SpectrumWindow {
    /// Whether a signal of `width_mhz` centred on `centre` lies inside.
    #[must_use]
    pub fn holds(&self, centre: Frequency, width_mhz: u32) -> bool {
        let half = i64::from(width_mhz.div_ceil(2));
        match (centre.offset(-half), centre.offset(half)) {
            (Some(low), Some(high)) => self.low <= low && high <= self.high,
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests;
