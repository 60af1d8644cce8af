//! Spectrum occupancy as a bitmap, and the first-fit search over the links of a path.
//!
//! A set bit is a free 6.25 GHz step. The search ANDs the links of a path word by word and walks the runs of ones.

use crate::grid::{FlexSlot, Raster};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Words of the widest raster: 24 × 64 = 1536 bits, 9.6 THz (C+L).
pub const MAX_WORDS: usize = 24;

/// The free bits of one fibre over a [`Raster`]. Bits beyond the raster read as occupied.
///
/// In text formats a bitmap is `{"words": […], "bits": n}`, in binary ones the number of bits and the words as
/// little-endian bytes: a record of a link is copied, not taken apart bit by bit.
#[derive(Clone, PartialEq, Eq)]
pub struct Slots {
    words: heapless::Vec<u64, MAX_WORDS>,
    bits: u16,
}

/// A bitmap in a text format.
#[derive(Serialize, Deserialize)]
struct TextSlots {
    words: heapless::Vec<u64, MAX_WORDS>,
    bits: u16,
}

/// The words of a bitmap in a binary format.
struct PackedWords(heapless::Vec<u64, MAX_WORDS>);

impl Serialize for Slots {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let (words, bits) = (self.words.clone(), self.bits);
        if serializer.is_human_readable() {
            TextSlots { words, bits }.serialize(serializer)
        } else {
            (bits, PackedWords(words)).serialize(serializer)
        }
    }
}

impl<'de> Deserialize<'de> for Slots {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let (words, bits) = if deserializer.is_human_readable() {
            let TextSlots { words, bits } = TextSlots::deserialize(deserializer)?;
            (words, bits)
        } else {
            let (bits, PackedWords(words)) = Deserialize::deserialize(deserializer)?;
            (words, bits)
        };
        Self::checked(words, bits).map_err(serde::de::Error::custom)
    }
}

impl Serialize for PackedWords {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut bytes = [0; 8 * MAX_WORDS];
        for (to, word) in bytes.chunks_exact_mut(8).zip(&self.0) {
            to.copy_from_slice(&word.to_le_bytes());
        }
        serializer.serialize_bytes(&bytes[..8 * self.0.len()])
    }
}

impl<'de> Deserialize<'de> for PackedWords {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl serde::de::Visitor<'_> for Visitor {
            type Value = PackedWords;
            fn expecting(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                write!(f, "at most {MAX_WORDS} words of eight bytes")
            }
            fn visit_bytes<E: serde::de::Error>(self, bytes: &[u8]) -> Result<PackedWords, E> {
                let (chunks, rest) = bytes.as_chunks::<8>();
                if !rest.is_empty() || chunks.len() > MAX_WORDS {
                    return Err(E::invalid_length(bytes.len(), &self));
                }
                Ok(PackedWords(chunks.iter().map(|chunk| u64::from_le_bytes(*chunk)).collect()))
            }
        }
        deserializer.deserialize_bytes(Visitor)
    }
}

/// The words of a stored bitmap do not match its number of bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{words} words are not a bitmap of {bits} bits, or bits beyond its end are set")]
struct NotABitmap {
    /// Words found.
    words: usize,
    /// Bits stated.
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

impl Slots {
    /// A bitmap as it comes from outside.
    fn checked(words: heapless::Vec<u64, MAX_WORDS>, bits: u16) -> Result<Self, NotABitmap> {
        let beyond = match bits % 64 {
            0 => 0,
            used => u64::MAX << used,
        };
        let whole = words.len() == usize::from(bits).div_ceil(64);
        if !whole || words.last().is_some_and(|last| last & beyond != 0) {
            return Err(NotABitmap { words: words.len(), bits });
        }
        Ok(Self { words, bits })
    }

    /// A bitmap of `bits` bits, all free. More than 1536 bits are cut to 1536.
    #[must_use]
    pub fn all_free(bits: u16) -> Self {
        let mut slots = Self::all_occupied(bits);
        slots.words.fill(u64::MAX);
        if let (Some(last), 1..) = (slots.words.last_mut(), slots.bits % 64) {
            *last = u64::MAX >> (64 - slots.bits % 64);
        }
        slots
    }

    /// A bitmap of `bits` bits, none free. More than 1536 bits are cut to 1536.
    #[must_use]
    pub fn all_occupied(bits: u16) -> Self {
        let bits = bits.min(1536);
        let mut words = heapless::Vec::new();
        for _ in 0..usize::from(bits).div_ceil(64) {
            // At most MAX_WORDS pushes by the cut above.
            let _ = words.push(0);
        }
        Self { words, bits }
    }

    /// Number of bits.
    #[must_use]
    pub const fn bits(&self) -> u16 {
        self.bits
    }

    /// Whether `bit` is free; beyond the raster nothing is.
    #[must_use]
    pub fn is_free(&self, bit: u16) -> bool {
        bit < self.bits && self.words[usize::from(bit) / 64] >> (bit % 64) & 1 == 1
    }

    /// Number of free bits.
    #[must_use]
    pub fn free(&self) -> u32 {
        self.words.iter().map(|w| w.count_ones()).sum()
    }

    /// The range `first .. first + count` where it lies in the raster.
    fn range(&self, first: u16, count: u16) -> Result<core::ops::Range<u16>, SlotsError> {
        let end = u32::from(first) + u32::from(count);
        match u16::try_from(end) {
            Ok(stop) if stop <= self.bits => Ok(first..stop),
            _ => Err(SlotsError::OutOfRaster { first, end, bits: self.bits }),
        }
    }

    /// Takes `count` bits from `first`, all or none.
    ///
    /// # Errors
    /// [`SlotsError`] where the range leaves the raster or a bit is occupied; nothing is changed then.
    pub fn take(&mut self, first: u16, count: u16) -> Result<(), SlotsError> {
        let range = self.range(first, count)?;
        if let Some(bit) = range.clone().find(|&b| !self.is_free(b)) {
            return Err(SlotsError::Occupied { bit });
        }
        for bit in range {
            self.words[usize::from(bit) / 64] &= !(1 << (bit % 64));
        }
        Ok(())
    }

    /// Gives back `count` bits from `first`, all or none.
    ///
    /// # Errors
    /// [`SlotsError`] where the range leaves the raster or a bit is already free; nothing is changed then.
    pub fn release(&mut self, first: u16, count: u16) -> Result<(), SlotsError> {
        let range = self.range(first, count)?;
        if let Some(bit) = range.clone().find(|&b| self.is_free(b)) {
            return Err(SlotsError::AlreadyFree { bit });
        }
        for bit in range {
            self.words[usize::from(bit) / 64] |= 1 << (bit % 64);
        }
        Ok(())
    }

    /// Keeps only the bits that are free in `other` too; a shorter `other` occupies the rest.
    pub fn intersect(&mut self, other: &Self) {
        for (i, word) in self.words.iter_mut().enumerate() {
            *word &= other.words.get(i).copied().unwrap_or(0);
        }
    }

    /// Adds the bits that are free in `other`, within this raster.
    pub fn unite(&mut self, other: &Self) {
        for bit in 0..self.bits {
            if other.is_free(bit) {
                self.words[usize::from(bit) / 64] |= 1 << (bit % 64);
            }
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

    /// First bit at or after `from` whose freeness is `free`; `bits` when there is none.
    fn next(&self, from: u16, free: bool) -> u16 {
        let mut index = usize::from(from) / 64;
        let mut mask = u64::MAX << (from % 64);
        while let Some(word) = self.words.get(index) {
            let candidates = (if free { *word } else { !*word }) & mask;
            if candidates != 0 {
                let bit = index * 64 + candidates.trailing_zeros() as usize;
                return u16::try_from(bit).unwrap_or(self.bits).min(self.bits);
            }
            mask = u64::MAX;
            index += 1;
        }
        self.bits
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
        let first = self.slots.next(self.at, true);
        if first >= self.slots.bits {
            return None;
        }
        let end = self.slots.next(first, false);
        self.at = end;
        Some((first, end - first))
    }
}

/// The lowest slot of width m × 12.5 GHz that is free in `free` and whose centre `legal` accepts.
///
/// `free` is the AND over both fibres of every link of a path; `legal` says whether both modules can tune to a centre.
/// Every legal start is considered, the last one included.
pub fn first_fit(
    free: &Slots,
    raster: Raster,
    m: u16,
    mut legal: impl FnMut(crate::units::Frequency) -> bool,
) -> Option<FlexSlot> {
    let need = m.checked_mul(2).filter(|&n| n > 0)?;
    for (first, count) in free.runs() {
        if count < need {
            continue;
        }
        for start in first..=first + (count - need) {
            if let Some(slot) = raster.slot_at(start, need)
                && slot.centre().is_some_and(&mut legal)
            {
                return Some(slot);
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::Frequency;
    use proptest::prelude::*;

    #[test]
    fn the_last_legal_start_is_found() {
        let mut slots = Slots::all_occupied(784);
        slots.release(772, 12).unwrap();
        let slot = first_fit(&slots, Raster::C_BAND, 6, |_| true).unwrap();
        assert_eq!(Raster::C_BAND.bits_of(slot), Some((772, 12)));
    }

    #[test]
    fn a_hole_of_exactly_the_need_is_taken() {
        let mut slots = Slots::all_occupied(784);
        slots.release(10, 11).unwrap();
        slots.release(30, 12).unwrap();
        slots.release(60, 100).unwrap();
        let slot = first_fit(&slots, Raster::C_BAND, 6, |_| true).unwrap();
        assert_eq!(Raster::C_BAND.bits_of(slot), Some((30, 12)));
    }

    #[test]
    fn centres_that_a_module_cannot_tune_to_are_passed_over() {
        let slots = Slots::all_free(784);
        let on_75 = |f: Frequency| crate::grid::Grid::Ghz75.channel(f).is_ok();
        let slot = first_fit(&slots, Raster::C_BAND, 6, on_75).unwrap();
        assert_eq!(slot.centre(), Some(Frequency::from_mhz(191_300_000)));
    }

    #[test]
    fn a_refused_take_changes_nothing() {
        let mut slots = Slots::all_free(784);
        slots.take(5, 3).unwrap();
        let before = slots.clone();
        assert_eq!(slots.take(0, 8), Err(SlotsError::Occupied { bit: 5 }));
        assert_eq!(slots.release(4, 4), Err(SlotsError::AlreadyFree { bit: 4 }));
        assert_eq!(slots.take(780, 8), Err(SlotsError::OutOfRaster { first: 780, end: 788, bits: 784 }));
        assert_eq!(slots, before);
    }

    #[test]
    fn a_stored_bitmap_is_checked_when_read() {
        let read = |text: &str| serde_json::from_str::<Slots>(text);
        assert_eq!(read(r#"{"words":[7],"bits":3}"#).unwrap(), Slots::all_free(3));
        assert!(read(r#"{"words":[],"bits":784}"#).is_err());
        assert!(read(r#"{"words":[0,0],"bits":64}"#).is_err());
        assert!(read(r#"{"words":[8],"bits":3}"#).is_err());
        assert_eq!(read(r#"{"words":[18446744073709551615],"bits":64}"#).unwrap(), Slots::all_free(64));
    }

    /// The definition, without any cleverness.
    fn naive(free: &[bool], need: usize) -> Option<usize> {
        (0..free.len().saturating_sub(need - 1)).find(|&s| free[s..s + need].iter().all(|&f| f))
    }

    proptest! {
        #[test]
        fn first_fit_is_the_minimum_over_all_starts(free in proptest::collection::vec(any::<bool>(), 784), m in 1_u16..5) {
            let mut slots = Slots::all_occupied(784);
            for (bit, &f) in free.iter().enumerate() {
                if f { slots.release(u16::try_from(bit).unwrap(), 1).unwrap(); }
            }
            let found = first_fit(&slots, Raster::C_BAND, m, |_| true)
                .and_then(|s| Raster::C_BAND.bits_of(s)).map(|(first, _)| usize::from(first));
            prop_assert_eq!(found, naive(&free, usize::from(m) * 2));
            let runs: u32 = slots.runs().map(|(_, n)| u32::from(n)).sum();
            prop_assert_eq!(runs, slots.free());
        }

        #[test]
        fn take_then_release_restores_exactly(first in 0_u16..784, count in 0_u16..64) {
            let mut slots = Slots::all_free(784);
            let before = slots.clone();
            if slots.take(first, count).is_ok() {
                prop_assert_eq!(slots.free(), 784 - u32::from(count));
                slots.release(first, count).unwrap();
            }
            prop_assert_eq!(slots, before);
        }
    }
}
