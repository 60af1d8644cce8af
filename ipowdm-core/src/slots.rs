//! Spectrum occupancy as a bitmap, and the search for a slot over the links of a path.
//!
//! A set bit is a free 6.25 GHz step. What both modules can tune to, what a tenant was granted and what a band has holes in is
//! a bitmap too: of the legal *starts* of a slot ([`Raster`](crate::grid::Raster), `starts_…`). So a search is word operations
//! from end to end:
//!
//! ```
//! use ipowdm_core::grid::{Grid, Raster};
//! use ipowdm_core::slots::{Policy, Search, Slots};
//!
//! let band = Raster::C_BAND;
//! let mut free = Slots::all_free(band.bits()); // the AND over the links of a path
//! free.take(0, 30)?;
//! let starts = band.starts_on(Grid::Ghz75, i16::MIN..=i16::MAX, 6); // 75 GHz channels, 12 steps each
//! let first = Search::new(&free, 12).at(&starts).find(Policy::FirstFit).unwrap();
//! assert_eq!(band.slot_at(first, 12).and_then(|slot| slot.centre()).unwrap().mhz(), 191_525_000);
//! # Ok::<(), ipowdm_core::slots::SlotsError>(())
//! ```

mod guard;
mod search;
mod starts;
mod stored;
pub mod words;

pub use guard::Guarded;
pub use search::{Loss, Policy, Search, UnknownPolicy};

/// Words of the widest bitmap: 32 × 64 = 2048 bits, 12.8 THz (super C and super L with the hole between them).
pub const MAX_WORDS: usize = 32;

/// Bits of the widest bitmap.
pub const MAX_BITS: u16 = 2048;

/// The free bits of one fibre over a [`Raster`](crate::grid::Raster). Bits beyond the raster read as occupied.
///
/// In text formats a bitmap is `{"words": […], "bits": n}`, in binary ones the number of bits and the words as
/// little-endian bytes: a record of a link is copied, not taken apart bit by bit.
#[derive(PartialEq, Eq)]
pub struct Slots {
    words: heapless::Vec<u64, MAX_WORDS>,
    bits: u16,
}

/// A change that the bitmap cannot take because of what is in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SlotsError {
    /// The range leaves the bitmap.
    #[error("bits {first}..{end} are outside a raster of {bits} bits")]
    OutOfRaster {
        /// First bit of the range.
        first: u16,
        /// One past the last bit of the range.
        end: u32,
        /// Bits in the raster.
        bits: u16,
    },
    /// A bit to be taken is not free.
    #[error("bit {bit} is already occupied")]
    Occupied {
        /// The lowest such bit.
        bit: u16,
    },
    /// A bit to be released is not occupied.
    #[error("bit {bit} is already free")]
    AlreadyFree {
        /// The lowest such bit.
        bit: u16,
    },
}

impl Clone for Slots {
    fn clone(&self) -> Self {
        let mut words = heapless::Vec::new();
        // In one go, which a clone of the list is not; as many words as here fit there.
        let _ = words.extend_from_slice(&self.words);
        Self { words, bits: self.bits }
    }
}

impl Slots {
    /// A bitmap of `bits` bits, all free. More than [`MAX_BITS`] are cut to as many; no raster has more.
    #[must_use]
    pub fn all_free(bits: u16) -> Self {
        let mut slots = Self::all_occupied(bits);
        let bits = slots.bits;
        words::set(&mut slots.words, 0, bits);
        slots
    }

    /// A bitmap of `bits` bits, none free. More than [`MAX_BITS`] are cut to as many; no raster has more.
    #[must_use]
    pub fn all_occupied(bits: u16) -> Self {
        let bits = bits.min(MAX_BITS);
        let mut words = heapless::Vec::new();
        // Never more than MAX_WORDS by the cut above.
        let _ = words.resize(words::words_for(bits), 0);
        Self { words, bits }
    }

    /// The first `bits` bits of `words`; words that are missing are occupied.
    #[must_use]
    pub fn from_words(words: &[u64], bits: u16) -> Self {
        let mut slots = Self::all_free(bits);
        words::and(&mut slots.words, words);
        slots
    }

    /// Number of bits.
    #[must_use]
    pub const fn bits(&self) -> u16 {
        self.bits
    }

    /// The words, lowest bit first. Bits beyond the last one are clear.
    #[must_use]
    pub fn words(&self) -> &[u64] {
        &self.words
    }

    /// Whether `bit` is free; beyond the raster nothing is.
    #[must_use]
    pub fn is_free(&self, bit: u16) -> bool {
        words::is_set(&self.words, bit)
    }

    /// Whether `count` bits from `first` are all free; beyond the raster nothing is.
    #[must_use]
    pub fn are_free(&self, first: u16, count: u16) -> bool {
        words::all_set(&self.words, first, count)
    }

    /// Number of free bits.
    #[must_use]
    pub fn free(&self) -> u32 {
        words::count(&self.words)
    }

    /// Checks that `first .. first + count` lies in the raster.
    fn check(&self, first: u16, count: u16) -> Result<(), SlotsError> {
        let end = u32::from(first) + u32::from(count);
        if end > u32::from(self.bits) {
            return Err(SlotsError::OutOfRaster { first, end, bits: self.bits });
        }
        Ok(())
    }

    /// Takes `count` bits from `first`, all or none.
    ///
    /// # Errors
    /// [`SlotsError`] where the range leaves the raster or a bit is occupied; nothing is changed then.
    pub fn take(&mut self, first: u16, count: u16) -> Result<(), SlotsError> {
        self.check(first, count)?;
        let free = words::ones_from(&self.words, first);
        if free < count {
            return Err(SlotsError::Occupied { bit: first + free });
        }
        words::clear(&mut self.words, first, count);
        Ok(())
    }

    /// Gives back `count` bits from `first`, all or none.
    ///
    /// # Errors
    /// [`SlotsError`] where the range leaves the raster or a bit is already free; nothing is changed then.
    pub fn release(&mut self, first: u16, count: u16) -> Result<(), SlotsError> {
        self.check(first, count)?;
        match words::next_set(&self.words, first) {
            Some(bit) if bit - first < count => return Err(SlotsError::AlreadyFree { bit }),
            _ => words::set(&mut self.words, first, count),
        }
        Ok(())
    }

    /// Keeps only the bits that are free in `other` too; a shorter `other` occupies the rest.
    pub fn intersect(&mut self, other: &Self) {
        words::and(&mut self.words, &other.words);
    }

    /// Adds the bits that are free in `other`, within this raster.
    pub fn unite(&mut self, other: &Self) {
        for (word, more) in self.words.iter_mut().zip(&other.words) {
            *word |= more;
        }
        self.trim();
    }

    /// Occupies what is free in `other`.
    pub fn subtract(&mut self, other: &Self) {
        for (word, less) in self.words.iter_mut().zip(&other.words) {
            *word &= !less;
        }
    }

    /// Keeps only the bits from which `need` bits in a row are free: the starts at which `need` fits. 0 and 1 change nothing.
    pub fn keep_starts(&mut self, need: u16) {
        words::keep_starts(&mut self.words, need);
    }

    /// Clears what lies beyond the last bit.
    fn trim(&mut self) {
        if let (Some(last), used @ 1..) = (self.words.last_mut(), self.bits % 64) {
            *last &= u64::MAX >> (64 - used);
        }
    }

    /// The maximal runs of free bits, lowest first, as (first, count).
    pub fn runs(&self) -> Runs<'_> {
        Runs { slots: self, at: 0 }
    }

    /// The longest run of free bits, 0 when there is none.
    #[must_use]
    pub fn largest_run(&self) -> u16 {
        self.runs().map(|(_, count)| count).max().unwrap_or(0)
    }
}

impl core::fmt::Debug for Slots {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Slots({} of {} free)", self.free(), self.bits)
    }
}

/// Iterator over the maximal free runs of a [`Slots`].
#[derive(Debug)]
pub struct Runs<'a> {
    slots: &'a Slots,
    at: u16,
}

impl Iterator for Runs<'_> {
    type Item = (u16, u16);

    fn next(&mut self) -> Option<(u16, u16)> {
        let first = words::next_set(&self.slots.words, self.at)?;
        let count = words::ones_from(&self.slots.words, first);
        self.at = first + count;
        Some((first, count))
    }
}

#[cfg(test)]
mod tests;
