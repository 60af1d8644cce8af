//! Committed positions of consumer groups.

use std::collections::BTreeMap;

use kafka_protocol::ResponseError;

use crate::options::Limits;

/// Longest note a client may leave with a position (Kafka's `offset.metadata.max.bytes`).
const LONGEST_METADATA: usize = 4096;

/// A committed position.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Committed {
    /// Offset of the next record to read.
    pub(crate) offset: i64,
    pub(crate) leader_epoch: i32,
    /// The client's own note.
    pub(crate) metadata: String,
}

type Positions = BTreeMap<(String, i32), Committed>;

/// Positions by group, topic and partition. They live as long as their topic.
#[derive(Debug, Clone, Default)]
pub(crate) struct Offsets(BTreeMap<String, Positions>);

impl Offsets {
    /// Stores a position.
    ///
    /// # Errors
    ///
    /// `InvalidGroupId`, `OffsetMetadataTooLarge`, or `InvalidCommitOffsetSize` when
    /// [`Limits::committed_offsets`] is reached; the earlier position stays.
    pub(crate) fn commit(
        &mut self,
        group: &str,
        topic: &str,
        partition: i32,
        committed: Committed,
        limits: &Limits,
    ) -> Result<(), ResponseError> {
        if group.is_empty() {
            return Err(ResponseError::InvalidGroupId);
        }
        if committed.metadata.len() > LONGEST_METADATA {
            return Err(ResponseError::OffsetMetadataTooLarge);
        }
        let key = (topic.to_owned(), partition);
        let known = self.0.get(group).is_some_and(|positions| positions.contains_key(&key));
        if !known && self.0.values().map(BTreeMap::len).sum::<usize>() >= limits.committed_offsets {
            return Err(ResponseError::InvalidCommitOffsetSize);
        }
        self.0.entry(group.to_owned()).or_default().insert(key, committed);
        Ok(())
    }

    /// Stores a position that was committed before.
    pub(crate) fn restore(&mut self, group: &str, topic: &str, partition: i32, committed: Committed) {
        self.0.entry(group.to_owned()).or_default().insert((topic.to_owned(), partition), committed);
    }

    /// The position of a group in a partition.
    pub(crate) fn get(&self, group: &str, topic: &str, partition: i32) -> Option<&Committed> {
        self.0.get(group)?.get(&(topic.to_owned(), partition))
    }

    /// All positions of a group, in topic and partition order.
    pub(crate) fn of_group(&self, group: &str) -> impl Iterator<Item = (&str, i32, &Committed)> {
        let positions = self.0.get(group).into_iter().flatten();
        positions.map(|((topic, partition), committed)| (topic.as_str(), *partition, committed))
    }

    /// Groups with a position.
    pub(crate) fn groups(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// Forgets every position in a deleted topic, so that a topic created anew is not read from an old offset.
    pub(crate) fn forget_topic(&mut self, topic: &str) {
        for positions in self.0.values_mut() {
            positions.retain(|(name, _), _| name != topic);
        }
        self.0.retain(|_, positions| !positions.is_empty());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(offset: i64) -> Committed {
        Committed { offset, leader_epoch: -1, metadata: String::new() }
    }

    #[test]
    fn a_deleted_topic_takes_its_positions_along() {
        let (mut offsets, limits) = (Offsets::default(), Limits::default());
        offsets.commit("g", "gone", 0, at(5), &limits).unwrap();
        offsets.commit("g", "kept", 1, at(6), &limits).unwrap();
        offsets.commit("h", "gone", 0, at(7), &limits).unwrap();
        offsets.forget_topic("gone");
        assert_eq!(offsets.get("g", "gone", 0), None);
        assert_eq!(offsets.of_group("g").collect::<Vec<_>>(), [("kept", 1, &at(6))]);
        assert_eq!(offsets.groups().collect::<Vec<_>>(), ["g"]);
    }

    #[test]
    fn positions_are_bounded_in_number_and_note_length() {
        let mut offsets = Offsets::default();
        let limits = Limits { committed_offsets: 2, ..Limits::default() };
        offsets.commit("g", "t", 0, at(1), &limits).unwrap();
        offsets.commit("h", "t", 0, at(1), &limits).unwrap();
        let refused = offsets.commit("g", "t", 1, at(1), &limits);
        assert_eq!(refused, Err(ResponseError::InvalidCommitOffsetSize));
        offsets.commit("g", "t", 0, at(2), &limits).unwrap();
        let wordy = Committed { metadata: "x".repeat(LONGEST_METADATA + 1), ..at(3) };
        assert_eq!(offsets.commit("g", "t", 0, wordy, &limits), Err(ResponseError::OffsetMetadataTooLarge));
        assert_eq!(offsets.commit("", "t", 0, at(1), &limits), Err(ResponseError::InvalidGroupId));
        assert_eq!(offsets.get("g", "t", 0), Some(&at(2)));
    }
}
