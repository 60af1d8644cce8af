//! Decoding: registers in bytes that were read.

use super::field::bit_mask;
use super::{Address, Field, Kind};

/// The bytes of an element and its bits.
type Element<'a> = (&'a [u8], Option<(u8, u8)>);

/// Bytes read from one page, with the address of the first.
///
/// No accessor panics: a register on another page, or not wholly inside the bytes, is `None`.
#[derive(Debug, Clone, Copy)]
pub struct Block<'a> {
    at: Address,
    bytes: &'a [u8],
}

impl<'a> Block<'a> {
    /// A view of `bytes` that were read from `at`.
    #[must_use]
    pub const fn new(at: Address, bytes: &'a [u8]) -> Self {
        Self { at, bytes }
    }

    /// The bytes of an element and its bits, `None` where it is not covered.
    fn element(&self, field: Field, index: u16) -> Option<Element<'a>> {
        let place = field.element(index)?;
        let same_page = place.at.is_lower() == self.at.is_lower()
            && (place.at.is_lower() || place.at.page == self.at.page);
        if !same_page {
            return None;
        }
        let start = usize::from(place.at.byte.checked_sub(self.at.byte)?);
        let end = start + usize::from(place.len);
        Some((self.bytes.get(start..end)?, place.bits))
    }

    /// The raw unsigned number of element `index` (0-based); `None` if not covered or longer than eight bytes.
    #[must_use]
    pub fn unsigned_at(&self, field: Field, index: u16) -> Option<u64> {
        let (bytes, bits) = self.element(field, index)?;
        if bytes.len() > 8 {
            return None;
        }
        let little = matches!(field.kind, Kind::BitmapLe16);
        let fold = |raw: u64, byte: &u8| (raw << 8) | u64::from(*byte);
        let raw = if little { bytes.iter().rev().fold(0, fold) } else { bytes.iter().fold(0, fold) };
        Some(match bits {
            None => raw,
            Some((high, low)) => (raw & u64::from(bit_mask(high, low))) >> low,
        })
    }

    /// The raw unsigned number of a plain register.
    #[must_use]
    pub fn unsigned(&self, field: Field) -> Option<u64> {
        self.unsigned_at(field, 0)
    }

    /// One byte or part of a byte of element `index`.
    #[must_use]
    pub fn byte_at(&self, field: Field, index: u16) -> Option<u8> {
        self.unsigned_at(field, index).and_then(|raw| u8::try_from(raw).ok())
    }

    /// One byte or part of a byte.
    #[must_use]
    pub fn byte(&self, field: Field) -> Option<u8> {
        self.byte_at(field, 0)
    }

    /// Two unsigned bytes of element `index`.
    #[must_use]
    pub fn word_at(&self, field: Field, index: u16) -> Option<u16> {
        self.unsigned_at(field, index).and_then(|raw| u16::try_from(raw).ok())
    }

    /// Two signed bytes of element `index`.
    #[must_use]
    pub fn signed_at(&self, field: Field, index: u16) -> Option<i16> {
        self.word_at(field, index).map(u16::cast_signed)
    }

    /// Two signed bytes.
    #[must_use]
    pub fn signed(&self, field: Field) -> Option<i16> {
        self.signed_at(field, 0)
    }

    /// A single bit.
    #[must_use]
    pub fn flag(&self, field: Field) -> Option<bool> {
        self.unsigned(field).map(|raw| raw != 0)
    }

    /// The bytes of a text or byte-string register.
    #[must_use]
    pub fn bytes(&self, field: Field) -> Option<&'a [u8]> {
        self.element(field, 0).map(|(bytes, _)| bytes)
    }

    /// Part of the block's bytes from `at`; `None` where not covered.
    #[must_use]
    pub fn slice(&self, byte: u8, len: u8) -> Option<&'a [u8]> {
        let start = usize::from(byte.checked_sub(self.at.byte)?);
        self.bytes.get(start..start + usize::from(len))
    }
}

/// Puts the raw number of element `index` of a register into bytes of its page, the first of which is at `at`; other bits
/// stay. The opposite of [`Block::unsigned_at`].
///
/// `false`, and nothing has changed, for a register on another page or not wholly inside the bytes, and for a number that
/// does not fit.
pub fn store(at: Address, bytes: &mut [u8], field: Field, index: u16, raw: u64) -> bool {
    let Some(place) = field.element(index) else { return false };
    let same_page = place.at.is_lower() == at.is_lower() && (at.is_lower() || place.at.page == at.page);
    let Some(start) = place.at.byte.checked_sub(at.byte).filter(|_| same_page) else { return false };
    let start = usize::from(start);
    let Some(element) = bytes.get_mut(start..start + usize::from(place.len)) else { return false };
    if let Some((high, low)) = place.bits {
        let mask = bit_mask(high, low);
        let (Ok(value), [byte]) = (u8::try_from(raw), element) else { return false };
        if value > mask >> low {
            return false;
        }
        *byte = (*byte & !mask) | (value << low);
        return true;
    }
    let whole = raw.to_be_bytes();
    let Some(unused) = whole.len().checked_sub(element.len()) else { return false };
    if whole[..unused].iter().any(|byte| *byte != 0) {
        return false;
    }
    element.copy_from_slice(&whole[unused..]);
    if matches!(field.kind, Kind::BitmapLe16) {
        element.reverse();
    }
    true
}
