//! How a bitmap is written down.

use super::{MAX_WORDS, Slots};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A bitmap in a text format.
#[derive(Serialize, Deserialize)]
struct TextSlots {
    words: heapless::Vec<u64, MAX_WORDS>,
    bits: u16,
}

/// The words of a bitmap in a binary format.
struct PackedWords(heapless::Vec<u64, MAX_WORDS>);

/// The words of a stored bitmap do not match its number of bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{words} words are not a bitmap of {bits} bits, or bits beyond its end are set")]
struct NotABitmap {
    /// Words found.
    words: usize,
    /// Bits stated.
    bits: u16,
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
}

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
