//! A band cut into steps: what the bits of an occupancy bitmap stand for.

use super::{FlexSlot, RASTER_MHZ, SlotError, SpectrumWindow};
use crate::slots::MAX_BITS;
use crate::units::Frequency;
use serde::{Deserialize, Serialize};

/// A band cut into bits of 6.25 GHz: where spectrum occupancy lives.
///
/// Bit i covers `low + i · 6.25 GHz … low + (i+1) · 6.25 GHz`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "StoredRaster")]
pub struct Raster {
    /// Lower edge of bit 0, on the 6.25 GHz raster.
    #[serde(rename = "low_mhz")]
    low: Frequency,
    /// Number of bits.
    bits: u16,
}

/// A raster as it comes from outside.
#[derive(Deserialize)]
struct StoredRaster {
    low_mhz: Frequency,
    bits: u16,
}

impl TryFrom<StoredRaster> for Raster {
    type Error = SlotError;

    fn try_from(stored: StoredRaster) -> Result<Self, SlotError> {
        Self::new(stored.low_mhz, stored.bits)
    }
}

impl Raster {
    /// The default C band, 191.250-196.150 THz in 784 bits.
    pub const C_BAND: Self = Self { low: Frequency::from_mhz(191_250_000), bits: 784 };

    /// The super C band, 190.700-196.700 THz in 960 bits.
    pub const SUPER_C: Self = Self { low: Frequency::from_mhz(190_700_000), bits: 960 };

    /// L and C band with what lies between them, 186.550-196.150 THz in 1536 bits.
    pub const C_PLUS_L: Self = Self { low: Frequency::from_mhz(186_550_000), bits: 1_536 };

    /// A band from `low`, which must lie on the 6.25 GHz raster, of 1 to [`MAX_BITS`] bits.
    ///
    /// # Errors
    /// [`SlotError::OffRaster`], [`SlotError::BandSize`], [`SlotError::OutOfRange`].
    pub const fn new(low: Frequency, bits: u16) -> Result<Self, SlotError> {
        if let Err(error) = FlexSlot::around(low, 1) {
            return Err(error);
        }
        if bits == 0 || bits > MAX_BITS {
            return Err(SlotError::BandSize { bits });
        }
        if low.offset(bits as i64 * RASTER_MHZ as i64).is_none() {
            return Err(SlotError::OutOfRange);
        }
        Ok(Self { low, bits })
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

    /// The bit that begins at 193.1 THz, counted from the band's lower edge, inside the band or not.
    pub(crate) const fn bit_of_anchor(self) -> i64 {
        (Frequency::ANCHOR.mhz() as i64 - self.low.mhz() as i64) / RASTER_MHZ as i64
    }

    /// First bit and number of bits of a slot.
    ///
    /// # Errors
    /// [`SlotError::NoWidth`], and [`SlotError::OutsideBand`] where any part of it is.
    pub fn bits_of(self, slot: FlexSlot) -> Result<(u16, u16), SlotError> {
        let first = self.bit_of_anchor() + i64::from(slot.n) - i64::from(slot.m);
        let count = 2 * i64::from(slot.m);
        if slot.m == 0 {
            return Err(SlotError::NoWidth);
        }
        let outside = SlotError::OutsideBand { first, end: first + count, bits: self.bits };
        match (u16::try_from(first), u16::try_from(count)) {
            (Ok(start), Ok(bits)) if first + count <= i64::from(self.bits) => Ok((start, bits)),
            _ => Err(outside),
        }
    }

    /// The slot that covers `count` bits from `first`.
    ///
    /// # Errors
    /// [`SlotError::NoWidth`], [`SlotError::OddWidth`], [`SlotError::OutsideBand`].
    pub fn slot_at(self, first: u16, count: u16) -> Result<FlexSlot, SlotError> {
        if count == 0 {
            return Err(SlotError::NoWidth);
        }
        if !count.is_multiple_of(2) {
            return Err(SlotError::OddWidth { count });
        }
        let end = i64::from(first) + i64::from(count);
        if end > i64::from(self.bits) {
            return Err(SlotError::OutsideBand { first: i64::from(first), end, bits: self.bits });
        }
        let m = count / 2;
        let n = i64::from(first) + i64::from(m) - self.bit_of_anchor();
        i32::try_from(n).map(|n| FlexSlot { n, m }).map_err(|_| SlotError::OutOfRange)
    }

    /// The bits that lie wholly inside a window, as (first, count); `None` where there is none.
    #[must_use]
    pub fn bits_in(self, window: SpectrumWindow) -> Option<(u16, u16)> {
        let first = self.steps_to(window.low, RASTER_MHZ - 1);
        let end = self.steps_to(window.high, 0);
        end.checked_sub(first).filter(|&count| count > 0).map(|count| (first, count))
    }

    /// The bits that a window touches, as (first, count); `None` where there is none.
    #[must_use]
    pub fn bits_touched_by(self, window: SpectrumWindow) -> Option<(u16, u16)> {
        let first = self.steps_to(window.low, 0);
        let end = self.steps_to(window.high, RASTER_MHZ - 1);
        end.checked_sub(first).filter(|&count| count > 0).map(|count| (first, count))
    }

    /// Steps from the lower edge to `frequency` + `rounding` MHz, at least 0 and at most all of the band.
    fn steps_to(self, frequency: Frequency, rounding: u32) -> u16 {
        let mhz = i64::from(frequency.mhz()) - i64::from(self.low.mhz()) + i64::from(rounding);
        let steps = mhz.div_euclid(i64::from(RASTER_MHZ)).clamp(0, i64::from(self.bits));
        u16::try_from(steps).unwrap_or(self.bits)
    }
}
