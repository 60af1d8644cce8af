use super::*;
use crate::batch::HEADER;
use crate::samples;
use proptest::prelude::*;

fn batch(count: usize) -> Batch {
    Batch::check(&samples::plain_batch(count, 1_000)).unwrap()
}

/// Offsets of the records that a read gives, as a client would count them.
fn offsets(mut data: Bytes) -> Vec<i64> {
    use kafka_protocol::records::RecordBatchDecoder;
    let sets = RecordBatchDecoder::decode_all(&mut data).unwrap();
    sets.into_iter().flat_map(|set| set.records).map(|record| record.offset).collect()
}

#[test]
fn a_read_gives_whole_batches_within_its_bound_but_at_least_one_if_asked() {
    let mut log = PartitionLog::default();
    for _ in 0..3 {
        log.append(batch(2));
    }
    let one = batch(2).len();
    let read = |offset, bytes, least| offsets(log.read(offset, bytes, least).unwrap());
    assert_eq!(read(0, usize::MAX, false), [0, 1, 2, 3, 4, 5]);
    assert_eq!(read(3, usize::MAX, false), [2, 3, 4, 5]);
    assert_eq!(read(0, 2 * one, false), [0, 1, 2, 3]);
    assert_eq!(read(0, 2 * one - 1, false), [0, 1]);
    assert_eq!(read(0, one - 1, false), [0; 0]);
    assert_eq!(read(0, one - 1, true), [0, 1]);
    assert_eq!(read(6, usize::MAX, true), [0; 0]);
}

#[test]
fn deleting_inside_a_batch_moves_the_start_and_keeps_the_batch() {
    let mut log = PartitionLog::default();
    log.append(batch(4));
    assert_eq!(log.delete_before(2), Ok(Dropped::default()));
    assert_eq!((log.start(), log.end()), (2, 4));
    assert_eq!(log.read(1, 1000, true), Err(OutOfRange));
    assert_eq!(offsets(log.read(2, 1000, true).unwrap()), [0, 1, 2, 3]);
    assert_eq!(log.delete_before(5), Err(OutOfRange));
    assert_eq!(log.delete_before(-1), Err(OutOfRange));
    assert_eq!(log.delete_before(1).map(|_| log.start()), Ok(2));
}

#[test]
fn a_trim_spares_the_newest_batch_and_a_shed_does_not() {
    let mut log = PartitionLog::default();
    log.append(batch(1));
    log.append(batch(3));
    let dropped = log.trim_bytes(0);
    assert_eq!((dropped.batches, dropped.records), (1, 1));
    assert_eq!((log.start(), log.end()), (1, 4));
    assert_eq!(log.shed_bytes(0).records, 3);
    assert_eq!((log.start(), log.end(), log.bytes()), (4, 4, 0));
}

#[test]
fn batches_leave_by_the_age_of_their_newest_record_and_stay_without_timestamps() {
    let mut log = PartitionLog::default();
    for first in [0, 10_000, -1] {
        log.append(Batch::check(&samples::plain_batch(1, first)).unwrap());
    }
    assert_eq!(log.trim_older(1).batches, 1);
    assert_eq!(log.trim_older(10_000).batches, 0);
    assert_eq!(log.trim_older(i64::MAX).batches, 1);
    assert_eq!((log.start(), log.end()), (2, 3));
}

#[derive(Debug, Clone)]
enum Step {
    Append(usize),
    Delete(i64),
    Trim(usize),
    Shed(usize),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => (1usize..5).prop_map(Step::Append),
        1 => (-1i64..40).prop_map(Step::Delete),
        1 => (0usize..1000).prop_map(Step::Trim),
        1 => (0usize..1000).prop_map(Step::Shed),
    ];
    prop::collection::vec(step, 0..30)
}

proptest! {
    #[test]
    fn every_offset_between_start_and_end_is_readable_and_no_other(steps in steps()) {
        let mut log = PartitionLog::default();
        let (mut appended, mut dropped) = (0u64, Dropped::default());
        for step in steps {
            let before = (log.start(), log.end());
            match step {
                Step::Append(count) => {
                    prop_assert_eq!(log.append(batch(count)), before.1);
                    appended += u64::try_from(count).unwrap();
                }
                Step::Delete(offset) => match log.delete_before(offset) {
                    Ok(gone) => dropped.add(gone),
                    Err(OutOfRange) => prop_assert!(!(0..=before.1).contains(&offset)),
                },
                Step::Trim(bytes) => dropped.add(log.trim_bytes(bytes)),
                Step::Shed(bytes) => {
                    dropped.add(log.shed_bytes(bytes));
                    prop_assert!(log.bytes() <= bytes);
                }
            }
            prop_assert!(log.start() >= before.0 && log.start() <= log.end());
        }
        prop_assert_eq!(log.end(), i64::try_from(appended).unwrap());
        for offset in log.start() - 2..=log.end() + 2 {
            match log.read(offset, HEADER, true) {
                Err(OutOfRange) => prop_assert!(offset < log.start() || offset > log.end()),
                Ok(data) if offset == log.end() => prop_assert!(data.is_empty()),
                Ok(data) => prop_assert!(offsets(data).contains(&offset)),
            }
        }
        let held = offsets(log.read(log.start(), usize::MAX, true).unwrap()).len() as u64;
        prop_assert_eq!(held + dropped.records, appended);
    }
}
