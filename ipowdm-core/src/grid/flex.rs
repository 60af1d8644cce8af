//! A frequency slot of the flexible grid.

use super::{RASTER_MHZ, WIDTH_STEP_MHZ};
use crate::error::Code;
use crate::units::Frequency;
use serde::{Deserialize, Serialize};

/// A frequency slot of the flexible grid: centre 193.1 THz + n × 6.25 GHz, width m × 12.5 GHz (ITU-T G.694.1 §7).
///
/// It covers the 6.25 GHz raster steps n−m … n+m−1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct FlexSlot {
    /// Nominal central frequency number.
    pub n: i32,
    /// Slot width number, at least 1.
    pub m: u16,
}

/// Why numbers, frequencies and bits do not convert into each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SlotError {
    /// The frequency is not 193.1 THz + n × 6.25 GHz.
    #[error("{frequency} is not 193.1 THz plus a multiple of 6.25 GHz")]
    OffRaster {
        /// The frequency.
        frequency: Frequency,
    },
    /// The slot has no width.
    #[error("a slot of width 0 is none")]
    NoWidth,
    /// The width is not a number of 12.5 GHz steps that a slot can have.
    #[error("{mhz} MHz is wider than any slot")]
    TooWide {
        /// The width.
        mhz: u32,
    },
    /// The number of bits is not a multiple of 12.5 GHz.
    #[error("{count} steps of 6.25 GHz are not a multiple of 12.5 GHz")]
    OddWidth {
        /// The number of bits.
        count: u16,
    },
    /// A part of the slot lies outside the band.
    #[error("steps {first}..{end} are not inside a band of {bits} steps")]
    OutsideBand {
        /// First step, counted from the band's lower edge.
        first: i64,
        /// One past the last step.
        end: i64,
        /// Steps of the band.
        bits: u16,
    },
    /// A band has no steps or more than a bitmap holds.
    #[error("a band of {bits} steps cannot be kept, 1 to {} can", crate::slots::MAX_BITS)]
    BandSize {
        /// Steps asked for.
        bits: u16,
    },
    /// The frequency is outside those that can be represented.
    #[error("the frequency is outside 0 to 4294 THz")]
    OutOfRange,
}

impl SlotError {
    /// The stable code.
    #[must_use]
    pub const fn code(&self) -> Code {
        match self {
            Self::OffRaster { .. } => Code::FrequencyOffGrid,
            Self::OutsideBand { .. } | Self::OutOfRange => Code::FrequencyOutOfRange,
            _ => Code::InvalidField,
        }
    }
}

impl FlexSlot {
    /// The slot of m × 12.5 GHz around `centre`.
    ///
    /// # Errors
    /// [`SlotError::OffRaster`], and [`SlotError::NoWidth`] where m is 0.
    pub const fn around(centre: Frequency, m: u16) -> Result<Self, SlotError> {
        let delta = centre.mhz() as i64 - Frequency::ANCHOR.mhz() as i64;
        if delta % RASTER_MHZ as i64 != 0 {
            return Err(SlotError::OffRaster { frequency: centre });
        }
        if m == 0 {
            return Err(SlotError::NoWidth);
        }
        #[expect(
            clippy::cast_possible_truncation,
            reason = "a frequency is at most 2³² MHz, a step 6250 MHz"
        )]
        Ok(Self { n: (delta / RASTER_MHZ as i64) as i32, m })
    }

    /// The centre.
    ///
    /// # Errors
    /// [`SlotError::OutOfRange`] outside the representable frequencies.
    pub const fn centre(self) -> Result<Frequency, SlotError> {
        match Frequency::ANCHOR.offset(self.n as i64 * RASTER_MHZ as i64) {
            Some(centre) => Ok(centre),
            None => Err(SlotError::OutOfRange),
        }
    }

    /// The width in MHz.
    #[must_use]
    pub const fn width_mhz(self) -> u32 {
        Self::width_of(self.m)
    }

    /// The width in MHz of a slot of `m` times 12.5 GHz.
    #[must_use]
    pub const fn width_of(m: u16) -> u32 {
        m as u32 * WIDTH_STEP_MHZ
    }

    /// The least m whose slot holds a signal of `width_mhz`; 1 for one without width.
    ///
    /// # Errors
    /// [`SlotError::TooWide`] beyond 65 535 × 12.5 GHz.
    pub const fn m_for_width(width_mhz: u32) -> Result<u16, SlotError> {
        let m = width_mhz.div_ceil(WIDTH_STEP_MHZ);
        if m > u16::MAX as u32 {
            return Err(SlotError::TooWide { mhz: width_mhz });
        }
        #[expect(clippy::cast_possible_truncation, reason = "checked on the line above")]
        let m = m as u16;
        Ok(if m == 0 { 1 } else { m })
    }
}
