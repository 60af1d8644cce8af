use super::*;
use bytes::BufMut;
use proptest::prelude::*;
use std::vec;

fn outgoing() -> impl Strategy<Value = Outgoing> {
    let bytes = || proptest::option::of(proptest::collection::vec(any::<u8>(), 0..40));
    (bytes(), bytes())
        .prop_map(|(key, value)| Outgoing { key: key.map(Bytes::from), value: value.map(Bytes::from) })
}

/// The encoder's batch as a broker stores it: with a base offset, and with log-append time where asked for.
pub(super) fn stored(records: &[Outgoing], base: i64, append_ms: Option<i64>) -> Vec<u8> {
    let mut batch = encode(records.iter(), 1000, Codec::None).unwrap().to_vec();
    batch[..8].copy_from_slice(&base.to_be_bytes());
    if let Some(append_ms) = append_ms {
        batch[22] |= 1 << 3;
        batch[35..43].copy_from_slice(&append_ms.to_be_bytes());
        reseal(&mut batch);
    }
    batch
}

pub(super) fn reseal(batch: &mut [u8]) {
    let sum = crc32c::crc32c(&batch[21..]);
    batch[17..21].copy_from_slice(&sum.to_be_bytes());
}

pub(super) fn one(value: &str) -> Vec<Outgoing> {
    vec![Outgoing::new("k", value.as_bytes().to_vec())]
}

#[test]
fn under_log_append_time_every_record_carries_the_brokers_time() {
    let records = [one("a"), one("b")].concat();
    let decoded = decode(stored(&records, 5, Some(77_000)).into(), 5);
    assert_eq!(decoded.records.iter().map(|r| r.timestamp_ms).collect::<Vec<_>>(), [77_000, 77_000]);
    let decoded = decode(stored(&records, 5, None).into(), 5);
    assert_eq!(decoded.records.iter().map(|r| r.timestamp_ms).collect::<Vec<_>>(), [1000, 1000]);
}

#[test]
fn records_before_the_offset_asked_for_are_left_out() {
    let records = [one("a"), one("b"), one("c")].concat();
    let decoded = decode(stored(&records, 10, None).into(), 11);
    assert_eq!(decoded.records.iter().map(|r| r.offset).collect::<Vec<_>>(), [11, 12]);
    assert_eq!(decoded.resume, 13);
}

#[test]
fn a_batch_cut_off_at_the_end_is_left_for_the_next_fetch() {
    let mut data = stored(&one("a"), 0, None);
    let second = stored(&one("b"), 1, None);
    data.extend_from_slice(&second[..second.len() - 1]);
    let decoded = decode(data.into(), 0);
    assert_eq!((decoded.records.len(), decoded.resume, decoded.unreadable), (1, 1, 0));
}

#[test]
fn compressed_damaged_and_old_batches_are_skipped_counted_and_passed() {
    let mut compressed = stored(&[one("a"), one("b")].concat(), 0, None);
    compressed[22] |= 2;
    reseal(&mut compressed);
    let mut damaged = stored(&one("c"), 2, None);
    *damaged.last_mut().unwrap() ^= 1;
    let mut old = stored(&one("d"), 3, None);
    old[16] = 1;
    let data = [compressed, damaged, old, stored(&one("e"), 4, None)].concat();
    let decoded = decode(data.into(), 0);
    assert_eq!(decoded.records.iter().map(|r| r.offset).collect::<Vec<_>>(), [4]);
    assert_eq!((decoded.resume, decoded.unreadable), (5, 4));
}

#[test]
fn transaction_markers_are_passed_without_being_counted() {
    let mut marker = stored(&one("a"), 7, None);
    marker[22] |= 1 << 5;
    reseal(&mut marker);
    let decoded = decode(marker.into(), 7);
    assert_eq!(decoded, Decoded { records: Vec::new(), resume: 8, unreadable: 0 });
}

#[test]
fn an_absurd_record_count_reserves_nothing_and_is_counted() {
    let mut batch = stored(&one("a"), 0, None);
    batch[57..61].copy_from_slice(&i32::MAX.to_be_bytes());
    reseal(&mut batch);
    let decoded = decode(batch.into(), 0);
    assert_eq!(decoded.records.len(), 1);
    assert_eq!(decoded.unreadable, i32::MAX as u64 - 1);
}

proptest! {
    #[test]
    fn what_is_encoded_is_decoded(
        first in proptest::collection::vec(outgoing(), 1..20),
        second in proptest::collection::vec(outgoing(), 1..20),
        base in 0_i64..1 << 40,
    ) {
        let middle = base + i64::try_from(first.len()).unwrap();
        let data = [stored(&first, base, None), stored(&second, middle, Some(5))].concat();
        let decoded = decode(data.into(), base);
        let all: Vec<_> = first.iter().chain(&second).cloned().collect();
        prop_assert_eq!(decoded.resume, base + i64::try_from(all.len()).unwrap());
        prop_assert_eq!(decoded.unreadable, 0);
        let read: Vec<_> = decoded.records.iter().map(|r| Outgoing { key: r.key.clone(), value: r.value.clone() }).collect();
        prop_assert_eq!(read, all);
        let offsets: Vec<_> = decoded.records.iter().map(|r| r.offset).collect();
        prop_assert_eq!(offsets, (base..decoded.resume).collect::<Vec<_>>());
    }

    #[test]
    fn no_bytes_make_the_decoder_panic_or_go_back(data in proptest::collection::vec(any::<u8>(), 0..300), from in any::<i64>()) {
        prop_assert!(decode(data.into(), from).resume >= from);
    }

    #[test]
    fn no_change_behind_an_intact_checksum_makes_the_decoder_panic(
        records in proptest::collection::vec(outgoing(), 1..5),
        changes in proptest::collection::vec((21_usize..200, any::<u8>()), 1..8),
    ) {
        let mut batch = stored(&records, 3, None);
        for (index, byte) in changes {
            let index = index.min(batch.len() - 1);
            batch[index] = byte;
        }
        reseal(&mut batch);
        let decoded = decode(batch.into(), 3);
        prop_assert!(decoded.records.len() <= records.len().max(200));
        prop_assert!(decoded.resume >= 3);
    }

    #[test]
    fn a_varint_is_javas(value in any::<i64>()) {
        let mut buffer = Vec::new();
        let mut rest = ((value << 1) ^ (value >> 63)).cast_unsigned();
        while rest >= 0x80 {
            buffer.put_u8((rest & 0x7f) as u8 | 0x80);
            rest >>= 7;
        }
        buffer.put_u8(u8::try_from(rest).unwrap());
        prop_assert_eq!(varint(&mut buffer.into()), Some(value));
    }
}
