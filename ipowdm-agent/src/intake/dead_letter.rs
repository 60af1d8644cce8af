//! Records that are not what their topic is for: counted, and the last few kept for a person to look at.

use ipowdm_core::msg::DecodeError;
use std::collections::VecDeque;

/// Letters kept.
const KEPT: usize = 32;
/// Bytes kept of each.
const EXCERPT: usize = 256;

/// A record that is no command, or no assignment where those are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetter {
    /// The topic.
    pub topic: String,
    /// The partition.
    pub partition: u32,
    /// The offset.
    pub offset: i64,
    /// What is wrong with it.
    pub error: DecodeError,
    /// Its first bytes; what is not UTF-8 is replaced.
    pub excerpt: String,
    /// Its size in bytes.
    pub size: usize,
}

/// The last of these records.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DeadLetters {
    kept: VecDeque<DeadLetter>,
    /// Not JSON, or not an object.
    pub malformed: u64,
    /// Larger than any message.
    pub too_large: u64,
    /// Of an unknown action or type.
    pub unknown: u64,
    /// Of a message version that this build does not know.
    pub unknown_version: u64,
    /// With a field that cannot be what it must be.
    pub invalid: u64,
}

impl DeadLetters {
    /// Counts a record and keeps its beginning.
    pub(super) fn push(&mut self, place: (&str, u32, i64), value: &[u8], error: DecodeError) {
        let counter = match &error {
            DecodeError::TooLarge { .. } => &mut self.too_large,
            DecodeError::Unknown(_) => &mut self.unknown,
            DecodeError::UnknownVersion(_) => &mut self.unknown_version,
            DecodeError::Field { .. } => &mut self.invalid,
            // The enum is open: a kind added later is malformed until it is told apart here.
            _ => &mut self.malformed,
        };
        *counter += 1;
        if self.kept.len() == KEPT {
            self.kept.pop_front();
        }
        let (topic, partition, offset) = place;
        self.kept.push_back(DeadLetter {
            topic: topic.to_string(),
            partition,
            offset,
            error,
            excerpt: String::from_utf8_lossy(&value[..value.len().min(EXCERPT)]).into_owned(),
            size: value.len(),
        });
    }

    /// The last ones, oldest first.
    pub fn iter(&self) -> impl Iterator<Item = &DeadLetter> {
        self.kept.iter()
    }

    /// How many there were in all.
    #[must_use]
    pub const fn total(&self) -> u64 {
        self.malformed + self.too_large + self.unknown + self.unknown_version + self.invalid
    }
}
