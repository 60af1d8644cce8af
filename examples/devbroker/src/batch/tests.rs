use super::*;
use crate::samples;
use kafka_protocol::records::{RecordBatchDecoder, TimestampType};
use proptest::prelude::*;

/// Sets `range` and makes the checksum right again.
fn patched(mut data: Vec<u8>, range: Range<usize>, bytes: &[u8]) -> Vec<u8> {
    data[range].copy_from_slice(bytes);
    with_checksum(data)
}

fn with_checksum(mut data: Vec<u8>) -> Vec<u8> {
    let crc = crc32c::crc32c(&data[CRC.end..]);
    data[CRC].copy_from_slice(&crc.to_be_bytes());
    data
}

fn with_attributes(data: Vec<u8>, attributes: i16) -> Vec<u8> {
    patched(data, ATTRIBUTES, &attributes.to_be_bytes())
}

fn refused(data: &[u8]) -> BatchError {
    Batch::check(data).unwrap_err()
}

#[test]
fn a_placed_batch_is_read_back_by_the_codec_with_its_offsets() {
    let stored = Batch::check(&samples::plain_batch(3, 5_000)).unwrap().place(40);
    assert_eq!((stored.base_offset, stored.last_offset, stored.max_timestamp), (40, 42, 7_000));
    assert_eq!(stored.count(), 3);
    let records = RecordBatchDecoder::decode(&mut stored.bytes.clone()).unwrap().records;
    let read: Vec<_> = records.iter().map(|r| (r.offset, r.timestamp, r.partition_leader_epoch)).collect();
    assert_eq!(read, [(40, 5_000, 0), (41, 6_000, 0), (42, 7_000, 0)]);
}

#[test]
fn a_stamped_batch_carries_the_append_time_under_a_valid_checksum() {
    let mut batch = Batch::check(&samples::plain_batch(2, 5_000)).unwrap();
    batch.stamp_append_time(1_700_000_000_123);
    let stored = batch.place(0);
    assert_eq!(stored.max_timestamp, 1_700_000_000_123);
    // The codec verifies the checksum; readers take the maximum timestamp for every record.
    let records = RecordBatchDecoder::decode(&mut stored.bytes.clone()).unwrap().records;
    assert!(records.iter().all(|record| record.timestamp_type == TimestampType::LogAppend));
    assert_eq!(stored.first_since(1_700_000_000_123), Some((0, 1_700_000_000_123)));
    assert_eq!(stored.first_since(1_700_000_000_124), None);
}

#[test]
fn every_kind_of_bad_batch_is_refused_with_its_own_error() {
    let good = || samples::plain_batch(3, 0);
    assert_eq!(refused(&[]), BatchError::Empty);
    assert_eq!(refused(&good()[..16]), BatchError::Length);
    assert_eq!(refused(&good()[..HEADER - 1]), BatchError::Length);
    assert_eq!(refused(&patched(good(), MAGIC..MAGIC + 1, &[1])), BatchError::OldFormat(1));
    assert_eq!(refused(&[good(), good()].concat()), BatchError::Length);
    assert_eq!(refused(&patched(good(), LENGTH, &(-1i32).to_be_bytes())), BatchError::Length);
    assert_eq!(refused(&with_attributes(good(), 5)), BatchError::Codec(5));
    assert_eq!(refused(&with_attributes(good(), LOG_APPEND_TIME)), BatchError::TimestampType);
    assert_eq!(refused(&with_attributes(good(), TRANSACTIONAL)), BatchError::Transactional);
    assert_eq!(refused(&with_attributes(good(), CONTROL)), BatchError::Control);
    assert_eq!(refused(&patched(good(), RECORD_COUNT, &0i32.to_be_bytes())), BatchError::Empty);
    assert_eq!(refused(&patched(good(), RECORD_COUNT, &(-3i32).to_be_bytes())), BatchError::Count);
    assert_eq!(refused(&patched(good(), RECORD_COUNT, &4i32.to_be_bytes())), BatchError::Count);
    assert_eq!(refused(&patched(good(), LAST_OFFSET_DELTA, &i32::MIN.to_be_bytes())), BatchError::Count);
    let four = patched(good(), RECORD_COUNT, &4i32.to_be_bytes());
    assert_eq!(refused(&patched(four, LAST_OFFSET_DELTA, &3i32.to_be_bytes())), BatchError::Records);
    assert_eq!(BatchError::Crc.code(), ResponseError::CorruptMessage);
}

#[test]
fn keys_are_looked_for_in_uncompressed_records_only() {
    let keyless = samples::batch(&[samples::record(0, 0, Some("k"), "v"), samples::record(1, 0, None, "v")]);
    assert!(Batch::check(&keyless).unwrap().keyless());
    assert!(!Batch::check(&samples::plain_batch(2, 0)).unwrap().keyless());
    assert!(!Batch::check(&samples::opaque_batch(2, 0)).unwrap().keyless());
}

#[test]
fn the_producer_of_a_batch_is_read_with_its_sequence_numbers() {
    let stamp = Batch::check(&samples::numbered_batch(9, 2, 100, 5)).unwrap().producer();
    let expected = ProducerStamp { id: 9, epoch: 2, first_sequence: 100, last_sequence: 104 };
    assert_eq!(stamp, Some(expected));
    assert_eq!(Batch::check(&samples::plain_batch(1, 0)).unwrap().producer(), None);
    assert_eq!([advance(i32::MAX - 1, 1), advance(i32::MAX, 1), advance(i32::MAX, 3)], [i32::MAX, 0, 2]);
}

#[test]
fn a_timestamp_is_found_exactly_in_plain_batches_and_at_the_start_of_compressed_ones() {
    let plain = Batch::check(&samples::plain_batch(3, 5_000)).unwrap().place(10);
    let opaque = Batch::check(&samples::opaque_batch(3, 5_000)).unwrap().place(10);
    for (asked, in_plain, in_opaque) in [
        (0, Some((10, 5_000)), Some((10, 5_000))),
        (5_001, Some((11, 6_000)), Some((10, 5_000))),
        (7_000, Some((12, 7_000)), Some((10, 5_000))),
        (7_001, None, None),
    ] {
        assert_eq!(plain.first_since(asked), in_plain, "{asked}");
        assert_eq!(opaque.first_since(asked), in_opaque, "{asked}");
    }
}

proptest! {
    #[test]
    fn a_flipped_bit_is_noticed_wherever_the_checksum_reaches(at in any::<prop::sample::Index>(), bit in 0..8u8) {
        let good = samples::plain_batch(4, 1_000);
        let at = at.index(good.len());
        let mut bad = good.clone();
        bad[at] ^= 1 << bit;
        let outside = BASE_OFFSET.contains(&at) || LEADER_EPOCH.contains(&at);
        prop_assert_eq!(Batch::check(&bad).is_ok(), outside, "byte {}", at);
    }

    #[test]
    fn damage_under_a_right_checksum_never_panics(
        at in any::<prop::sample::Index>(),
        bytes in prop::collection::vec(any::<u8>(), 1..12),
        asked in any::<i64>(),
    ) {
        let mut data = samples::plain_batch(4, 1_000);
        let at = CRC.end + at.index(data.len() - CRC.end);
        for (slot, byte) in data[at..].iter_mut().zip(bytes) {
            *slot = byte;
        }
        if let Ok(mut batch) = Batch::check(&with_checksum(data)) {
            batch.producer();
            let found = batch.clone().place(7).first_since(asked);
            prop_assert!(found.is_none_or(|(offset, _)| (7..11).contains(&offset)));
            batch.stamp_append_time(asked);
            prop_assert!(batch.place(i64::MAX - 10).bytes.len() > HEADER);
        }
    }

    #[test]
    fn no_bytes_make_the_check_panic(data in prop::collection::vec(any::<u8>(), 0..200)) {
        prop_assert!(Batch::check(&data).is_err());
    }
}
