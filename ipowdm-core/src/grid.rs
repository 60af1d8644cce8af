//! The ITU-T G.694.1 frequency grid in integers, and the channel raster of CMIS tunable modules.
//!
//! Two rasters meet here. A *nominal central frequency* of the flexible grid is 193.1 THz + n × 6.25 GHz and a slot is
//! m × 12.5 GHz wide ([`FlexSlot`]). A tunable module names its channels by (grid, n) with one formula per grid
//! ([`Grid`], CMIS 5.x page 12h); the grids of 3.125 GHz and 33 GHz have channels off the 6.25 GHz raster.

use crate::units::Frequency;
use serde::{Deserialize, Serialize};

/// 6.25 GHz in MHz: the raster of nominal central frequencies.
pub const RASTER_MHZ: u32 = 6_250;

/// Step of a slot's width in MHz (ITU-T G.694.1, flexible grid).
pub const WIDTH_STEP_MHZ: u32 = 12_500;

/// Distance in MHz within which two frequencies name the same channel: the 33 GHz grid rounds, all others are exact.
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

    /// The number of the channel whose centre is `frequency`, within 1 MHz on the 33 GHz grid, exactly on the others.
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
            // The 33 GHz grid rounds to a megahertz; all others are exact.
            let tolerance = u32::from(matches!(self, Self::Ghz33));
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

/// A frequency slot of the flexible grid: centre 193.1 THz + n × 6.25 GHz, width m × 12.5 GHz (ITU-T G.694.1 §7).
///
/// It covers the 6.25 GHz raster steps n−m … n+m−1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct FlexSlot {
    /// Nominal central frequency number.
    pub n: i32,
    /// Slot width number, at least 1.
    pub m: u16,
}

impl FlexSlot {
    /// The slot of m × 12.5 GHz around `centre`; `None` where the centre is off the 6.25 GHz raster or m is 0.
    #[must_use]
    pub fn around(centre: Frequency, m: u16) -> Option<Self> {
        let delta = i64::from(centre.mhz()) - i64::from(Frequency::ANCHOR.mhz());
        if m == 0 || delta % i64::from(RASTER_MHZ) != 0 {
            return None;
        }
        i32::try_from(delta / i64::from(RASTER_MHZ)).ok().map(|n| Self { n, m })
    }

    /// The centre; `None` outside the representable frequencies.
    #[must_use]
    pub fn centre(self) -> Option<Frequency> {
        Frequency::ANCHOR.offset(i64::from(self.n) * i64::from(RASTER_MHZ))
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

    /// The least m whose slot holds a signal of `width_mhz`.
    #[must_use]
    pub const fn m_for_width(width_mhz: u32) -> u16 {
        let m = width_mhz.div_ceil(WIDTH_STEP_MHZ);
        #[expect(clippy::cast_possible_truncation, reason = "saturated on the same line")]
        let m = if m > u16::MAX as u32 { u16::MAX } else { m as u16 };
        if m == 0 { 1 } else { m }
    }
}

/// A band cut into bits of 6.25 GHz: where spectrum occupancy lives.
///
/// Bit i covers `low + i · 6.25 GHz … low + (i+1) · 6.25 GHz`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Raster {
    /// Lower edge of bit 0, on the 6.25 GHz raster.
    #[serde(rename = "low_mhz")]
    low: Frequency,
    /// Number of bits.
    bits: u16,
}

impl Raster {
    /// The default C band, 191.250-196.150 THz in 784 bits.
    pub const C_BAND: Self = Self { low: Frequency::from_mhz(191_250_000), bits: 784 };

    /// A band from `low`, which must lie on the 6.25 GHz raster; `None` otherwise or with no bits.
    #[must_use]
    pub fn new(low: Frequency, bits: u16) -> Option<Self> {
        FlexSlot::around(low, 1)?;
        let raster = Self { low, bits };
        low.offset(i64::from(bits) * i64::from(RASTER_MHZ))?;
        (bits > 0).then_some(raster)
    }

    /// Number of bits.
    #[must_use]
    pub const fn bits(self) -> u16 {
        self.bits
    }

    /// The band as a window.
    #[must_use]
    pub fn window(self) -> SpectrumWindow {
        let high = self.low.offset(i64::from(self.bits) * i64::from(RASTER_MHZ)).unwrap_or(self.low);
        SpectrumWindow { low: self.low, high }
    }

    /// First bit and number of bits of a slot; `None` where any part of it is outside the band.
    #[must_use]
    pub fn bits_of(self, slot: FlexSlot) -> Option<(u16, u16)> {
        let low_n = FlexSlot::around(self.low, 1)?.n;
        let first = i64::from(slot.n) - i64::from(slot.m) - i64::from(low_n);
        let count = 2 * i64::from(slot.m);
        if slot.m == 0 || first < 0 || first + count > i64::from(self.bits) {
            return None;
        }
        Some((u16::try_from(first).ok()?, u16::try_from(count).ok()?))
    }

    /// The slot that covers `count` bits from `first`; `None` where `count` is odd or 0 or leaves the band.
    #[must_use]
    pub fn slot_at(self, first: u16, count: u16) -> Option<FlexSlot> {
        if count == 0 || !count.is_multiple_of(2) || first.checked_add(count)? > self.bits {
            return None;
        }
        let low_n = FlexSlot::around(self.low, 1)?.n;
        let m = count / 2;
        Some(FlexSlot { n: low_n + i32::from(first) + i32::from(m), m })
    }

    /// The bits that lie wholly inside a window, as (first, count); `None` where there is none.
    #[must_use]
    pub fn bits_in(self, window: SpectrumWindow) -> Option<(u16, u16)> {
        let step = i64::from(RASTER_MHZ);
        let base = i64::from(self.low.mhz());
        let first =
            (i64::from(window.low.mhz()) - base + step - 1).div_euclid(step).clamp(0, i64::from(self.bits));
        let end = (i64::from(window.high.mhz()) - base).div_euclid(step).clamp(0, i64::from(self.bits));
        let count = u16::try_from(end - first).ok()?;
        if count == 0 { None } else { Some((u16::try_from(first).ok()?, count)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn known_channels_of_real_modules() {
        // Read from modules: code 7, n = 78 is 195.050 THz; code 5, n = 30 is 196.100 THz.
        assert_eq!(Grid::Ghz75.frequency(78), Ok(Frequency::from_mhz(195_050_000)));
        assert_eq!(Grid::Ghz100.frequency(30), Ok(Frequency::from_mhz(196_100_000)));
        assert_eq!(Grid::Ghz33.frequency(1), Ok(Frequency::from_mhz(193_133_333)));
        assert_eq!(Grid::Ghz150.frequency(0), Ok(Frequency::from_mhz(193_175_000)));
        assert_eq!(Grid::Ghz300.frequency(0), Ok(Frequency::from_mhz(192_987_500)));
    }

    #[test]
    fn an_illegal_channel_number_is_refused() {
        assert!(matches!(Grid::Ghz75.frequency(1), Err(GridError::BadChannel { step: 3, .. })));
        assert!(matches!(Grid::Ghz300.frequency(8), Err(GridError::BadChannel { step: 24, .. })));
    }

    #[test]
    fn an_off_grid_frequency_names_its_neighbours() {
        let error = Grid::Ghz75.channel(Frequency::from_mhz(193_120_000)).unwrap_err();
        assert_eq!(
            error,
            GridError::OffGrid {
                frequency: Frequency::from_mhz(193_120_000),
                grid: Grid::Ghz75,
                below: Frequency::ANCHOR,
                above: Frequency::from_mhz(193_175_000)
            }
        );
    }

    #[test]
    fn the_c_band_has_784_bits_up_to_196_150() {
        assert_eq!(Raster::C_BAND.window().high, Frequency::from_mhz(196_150_000));
        let slot = FlexSlot::around(Frequency::ANCHOR, 6).unwrap();
        let (first, count) = Raster::C_BAND.bits_of(slot).unwrap();
        assert_eq!((first, count), (290, 12));
        assert_eq!(Raster::C_BAND.slot_at(first, count), Some(slot));
    }

    #[test]
    fn a_slot_at_the_band_edge_is_in_and_one_step_further_is_out() {
        let low = Frequency::from_mhz(191_250_000 + 37_500);
        assert_eq!(Raster::C_BAND.bits_of(FlexSlot::around(low, 6).unwrap()), Some((0, 12)));
        let under = low.offset(-6_250).unwrap();
        assert_eq!(Raster::C_BAND.bits_of(FlexSlot::around(under, 6).unwrap()), None);
    }

    #[test]
    fn window_bits_are_the_whole_ones() {
        let window =
            SpectrumWindow { low: Frequency::from_mhz(191_250_001), high: Frequency::from_mhz(191_262_500) };
        assert_eq!(Raster::C_BAND.bits_in(window), Some((1, 1)));
        let narrow =
            SpectrumWindow { low: Frequency::from_mhz(191_250_001), high: Frequency::from_mhz(191_256_249) };
        assert_eq!(Raster::C_BAND.bits_in(narrow), None);
    }

    proptest! {
        #[test]
        fn every_legal_channel_of_every_grid_survives(code in 0_u8..10, k in -400_i16..400) {
            let grid = Grid::from_code(code).unwrap();
            prop_assert_eq!(grid.code(), code);
            let n = k.saturating_mul(match grid { Grid::Ghz75 => 3, Grid::Ghz150 => 6, Grid::Ghz300 => 24, _ => 1 });
            let frequency = grid.frequency(n).unwrap();
            prop_assert_eq!(grid.channel(frequency), Ok(n));
        }

        #[test]
        fn channel_lookup_is_total(code in 0_u8..10, mhz in any::<u32>()) {
            let _ = Grid::from_code(code).unwrap().channel(Frequency::from_mhz(mhz));
        }

        #[test]
        fn slots_and_bits_are_inverse(first in 0_u16..784, half in 1_u16..40) {
            if let Some(slot) = Raster::C_BAND.slot_at(first, half * 2) {
                prop_assert_eq!(Raster::C_BAND.bits_of(slot), Some((first, half * 2)));
            }
        }
    }
}
