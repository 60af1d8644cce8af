//! Legal starts: the bits at which a slot may begin, as a bitmap.
//!
//! Each function answers one question; what must hold together is the AND of the answers ([`Slots::intersect`]), what may hold
//! either way the OR ([`Slots::unite`]).

use super::{Slots, words};
use crate::grid::{Grid, Raster, SpectrumWindow};
use crate::units::Frequency;
use core::ops::RangeInclusive;

impl Raster {
    /// The starts of slots of width m × 12.5 GHz that lie whole in the band.
    #[must_use]
    pub fn starts(self, m: u16) -> Slots {
        self.starts_within(0, self.bits(), m)
    }

    /// The starts of slots that lie whole in `window` and in the band.
    #[must_use]
    pub fn starts_in(self, window: SpectrumWindow, m: u16) -> Slots {
        let (first, count) = self.bits_in(window).unwrap_or((0, 0));
        self.starts_within(first, count, m)
    }

    fn starts_within(self, first: u16, count: u16, m: u16) -> Slots {
        let mut starts = Slots::all_occupied(self.bits());
        if let Some(last) = m.checked_mul(2).filter(|&need| need > 0).and_then(|need| count.checked_sub(need))
        {
            words::set(&mut starts.words, first, last + 1);
        }
        starts
    }

    /// The starts of slots whose centre is a channel of `grid` with a number in `channels`: what a tunable module can be
    /// set to (CMIS 04h). Channels off the 6.25 GHz raster (3.125 and 33 GHz grids) are no centre of a slot and left out.
    #[must_use]
    pub fn starts_on(self, grid: Grid, channels: RangeInclusive<i16>, m: u16) -> Slots {
        let mut starts = Slots::all_occupied(self.bits());
        let Some(need) = m.checked_mul(2).filter(|&need| (1..=self.bits()).contains(&need)) else {
            return starts;
        };
        let (numbers, stride) = grid.raster_stride();
        let last = i64::from(self.bits() - need);
        // Channel numbers count from 193.1 THz, steps of a channel number that stay on the raster are `numbers` wide.
        let lowest = i64::from(*channels.start()).div_euclid(i64::from(numbers));
        let lowest = lowest + i64::from(lowest * i64::from(numbers) < i64::from(*channels.start()));
        let highest = i64::from(*channels.end()).div_euclid(i64::from(numbers));
        // Start of the slot around the channel numbered 0.
        let zero = self.bit_of_anchor() + grid.raster_shift() - i64::from(m);
        let stride = i64::from(stride);
        let from = lowest.max((-zero).div_euclid(stride) + i64::from((-zero).rem_euclid(stride) != 0));
        let to = highest.min((last - zero).div_euclid(stride));
        for k in from..=to {
            // Inside the band by the limits above.
            if let Ok(start) = u16::try_from(zero + k * stride) {
                words::set(&mut starts.words, start, 1);
            }
        }
        starts
    }

    /// The start of the slot around one centre; none where it is off the 6.25 GHz raster or leaves the band.
    #[must_use]
    pub fn starts_at(self, centre: Frequency, m: u16) -> Slots {
        let mut starts = Slots::all_occupied(self.bits());
        let slot = crate::grid::FlexSlot::around(centre, m);
        if let Ok((first, _)) = slot.and_then(|slot| self.bits_of(slot)) {
            words::set(&mut starts.words, first, 1);
        }
        starts
    }

    /// The starts of slots whose centre `legal` accepts. It is asked once for each of the up to [`super::MAX_BITS`] centres of the
    /// band: for rules that are not windows or grids, and for tests of those that are.
    #[must_use]
    pub fn starts_where(self, m: u16, mut legal: impl FnMut(Frequency) -> bool) -> Slots {
        let mut starts = self.starts(m);
        for first in 0..self.bits() {
            if !starts.is_free(first) {
                continue;
            }
            // A start exists, so 2 m is within the band.
            let centre = self.slot_at(first, m.saturating_mul(2)).and_then(crate::grid::FlexSlot::centre);
            if !centre.is_ok_and(&mut legal) {
                words::clear(&mut starts.words, first, 1);
            }
        }
        starts
    }
}
