//! Duplicate detection for idempotent producers, per partition.
//!
//! A producer numbers its records; a batch sent again after a lost answer carries the numbers of the first try and
//! must be answered with the offset of the first try, not appended twice (KIP-98). Like Apache Kafka, the last five
//! batches of each producer are remembered, which covers the five requests such a producer may have in flight.

use std::collections::{BTreeMap, VecDeque};

use kafka_protocol::ResponseError;

use crate::batch::ProducerStamp;

const REMEMBERED_BATCHES: usize = 5;

/// Producers remembered per partition; the one unseen for longest is forgotten first. A forgotten producer loses
/// duplicate detection for its next batch only.
const REMEMBERED_PRODUCERS: usize = 64;

/// What to do with a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// New: append it, then [`Producers::appended`].
    Append,
    /// Appended before, at this base offset.
    Duplicate(i64),
}

/// The idempotent producers of one partition.
#[derive(Debug, Clone, Default)]
pub(crate) struct Producers {
    known: BTreeMap<i64, Producer>,
    /// Counts appends; orders producers by when they were last seen.
    tick: u64,
}

#[derive(Debug, Clone)]
struct Producer {
    epoch: i16,
    last_sequence: i32,
    recent: VecDeque<(i32, i32, i64)>,
    seen: u64,
}

impl Producers {
    /// Judges a batch by its producer's history.
    ///
    /// # Errors
    ///
    /// `InvalidProducerEpoch` for an epoch older than the producer's newest, `OutOfOrderSequenceNumber` for a gap.
    /// A producer that is not known may start anywhere: its history may have been lost with the log (KIP-360).
    pub(crate) fn judge(&self, stamp: ProducerStamp) -> Result<Verdict, ResponseError> {
        let Some(producer) = self.known.get(&stamp.id) else {
            return Ok(Verdict::Append);
        };
        if stamp.epoch < producer.epoch {
            return Err(ResponseError::InvalidProducerEpoch);
        }
        if stamp.epoch > producer.epoch {
            return match stamp.first_sequence {
                0 => Ok(Verdict::Append),
                _ => Err(ResponseError::OutOfOrderSequenceNumber),
            };
        }
        let again = |&&(first, last, _): &&(i32, i32, i64)| {
            (first, last) == (stamp.first_sequence, stamp.last_sequence)
        };
        if let Some(&(_, _, base_offset)) = producer.recent.iter().find(again) {
            return Ok(Verdict::Duplicate(base_offset));
        }
        let expected = producer.last_sequence.checked_add(1).unwrap_or(0);
        if stamp.first_sequence == expected {
            Ok(Verdict::Append)
        } else {
            Err(ResponseError::OutOfOrderSequenceNumber)
        }
    }

    /// Records that the batch went in at `base_offset`.
    pub(crate) fn appended(&mut self, stamp: ProducerStamp, base_offset: i64) {
        self.tick += 1;
        let tick = self.tick;
        let producer = self.known.entry(stamp.id).or_insert_with(|| Producer {
            epoch: stamp.epoch,
            last_sequence: -1,
            recent: VecDeque::with_capacity(REMEMBERED_BATCHES),
            seen: tick,
        });
        if producer.epoch != stamp.epoch {
            producer.epoch = stamp.epoch;
            producer.recent.clear();
        }
        if producer.recent.len() == REMEMBERED_BATCHES {
            producer.recent.pop_front();
        }
        producer.recent.push_back((stamp.first_sequence, stamp.last_sequence, base_offset));
        producer.last_sequence = stamp.last_sequence;
        producer.seen = tick;
        if self.known.len() > REMEMBERED_PRODUCERS {
            let oldest = self.known.iter().min_by_key(|(_, producer)| producer.seen).map(|(&id, _)| id);
            oldest.map(|id| self.known.remove(&id));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stamp(epoch: i16, first: i32, last: i32) -> ProducerStamp {
        ProducerStamp { id: 7, epoch, first_sequence: first, last_sequence: last }
    }

    fn after(batches: &[(i16, i32, i32)]) -> Producers {
        let mut producers = Producers::default();
        for (offset, &(epoch, first, last)) in (0..).zip(batches) {
            assert_eq!(producers.judge(stamp(epoch, first, last)), Ok(Verdict::Append));
            producers.appended(stamp(epoch, first, last), offset * 100);
        }
        producers
    }

    #[test]
    fn a_repeated_batch_is_answered_with_its_first_offset() {
        let producers = after(&[(0, 0, 4), (0, 5, 5), (0, 6, 9)]);
        assert_eq!(producers.judge(stamp(0, 5, 5)), Ok(Verdict::Duplicate(100)));
        assert_eq!(producers.judge(stamp(0, 6, 9)), Ok(Verdict::Duplicate(200)));
        assert_eq!(producers.judge(stamp(0, 10, 10)), Ok(Verdict::Append));
    }

    #[test]
    fn a_gap_an_overlap_and_an_old_epoch_are_refused() {
        let producers = after(&[(1, 0, 4)]);
        let refused = |epoch, first, last| producers.judge(stamp(epoch, first, last)).unwrap_err();
        assert_eq!(refused(1, 6, 6), ResponseError::OutOfOrderSequenceNumber);
        assert_eq!(refused(1, 3, 6), ResponseError::OutOfOrderSequenceNumber);
        assert_eq!(refused(2, 1, 1), ResponseError::OutOfOrderSequenceNumber);
        assert_eq!(refused(0, 5, 5), ResponseError::InvalidProducerEpoch);
    }

    #[test]
    fn a_new_epoch_starts_at_zero_and_forgets_the_old_batches() {
        let producers = after(&[(0, 0, 4), (1, 0, 0)]);
        assert_eq!(producers.judge(stamp(1, 0, 4)), Err(ResponseError::OutOfOrderSequenceNumber));
        assert_eq!(producers.judge(stamp(1, 1, 1)), Ok(Verdict::Append));
    }

    #[test]
    fn sequences_wrap_to_zero() {
        let producers = after(&[(0, i32::MAX, i32::MAX)]);
        assert_eq!(producers.judge(stamp(0, 0, 3)), Ok(Verdict::Append));
    }

    #[test]
    fn memory_is_bounded_and_the_stalest_producer_goes_first() {
        let mut producers = Producers::default();
        for id in 0..=i64::try_from(REMEMBERED_PRODUCERS).unwrap() {
            let stamp = ProducerStamp { id, ..stamp(0, 9, 9) };
            producers.appended(stamp, id);
        }
        assert_eq!(producers.known.len(), REMEMBERED_PRODUCERS);
        assert!(!producers.known.contains_key(&0) && producers.known.contains_key(&1));
    }
}
