//! Record batches (format version 2): encoding for produce, decoding of what fetch answers.
//!
//! The decoder is our own, because two things matter here that the codec's does not do: under
//! `message.timestamp.type=LogAppendTime` a record's time is the batch's `maxTimestamp`, and no count inside a batch
//! may reserve memory or overflow. What cannot be read (damaged, of an older format; compressed, where neither feature `lz4` nor
//! `compression` covers it) is skipped and counted, so that one bad batch never holds a reader for ever.
//!
//! Source: `DefaultRecordBatch` and `DefaultRecord` of Apache Kafka.

#[cfg(feature = "lz4")]
mod compressed;

use super::options::Compression as Codec;
use crate::bus::{Outgoing, Record};
use bytes::{Buf, Bytes, BytesMut};
use kafka_protocol::records::{
    Compression, NO_PARTITION_LEADER_EPOCH, NO_PRODUCER_EPOCH, NO_PRODUCER_ID, NO_SEQUENCE,
    Record as WireRecord, RecordBatchEncoder, RecordEncodeOptions, TimestampType,
};
use std::string::{String, ToString};
use std::vec::Vec;

/// Base offset and length, in front of what the length counts.
const PREFIX: usize = 8 + 4;
/// What the length counts, up to the first record.
const HEADER: usize = 4 + 1 + 4 + 2 + 4 + 8 + 8 + 8 + 2 + 4 + 4;
/// The batch format; the byte is at the same place in older ones.
const MAGIC: i8 = 2;

const COMPRESSION: i16 = 0b111;
const LOG_APPEND_TIME: i16 = 1 << 3;
const CONTROL: i16 = 1 << 5;

/// One batch of records for one partition, stamped with the time of their creation, and compressed where that makes it smaller.
pub(super) fn encode<'a>(
    records: impl Iterator<Item = &'a Outgoing>,
    created_ms: i64,
    compression: Codec,
) -> Result<Bytes, String> {
    let records: Vec<WireRecord> = (0_i64..)
        .zip(records)
        .map(|(offset, record)| WireRecord {
            transactional: false,
            control: false,
            delete_horizon: false,
            partition_leader_epoch: NO_PARTITION_LEADER_EPOCH,
            producer_id: NO_PRODUCER_ID,
            producer_epoch: NO_PRODUCER_EPOCH,
            timestamp_type: TimestampType::Creation,
            offset,
            // One batch as long as offset - sequence is the same; without a producer id its value means nothing.
            sequence: i32::try_from(offset).unwrap_or(i32::MAX).wrapping_add(NO_SEQUENCE),
            timestamp: created_ms,
            key: record.key.clone(),
            value: record.value.clone(),
            headers: Default::default(),
        })
        .collect();
    let mut batch = BytesMut::new();
    let options = RecordEncodeOptions { version: MAGIC, compression: Compression::None };
    RecordBatchEncoder::encode(&mut batch, &records, &options).map_err(|error| error.to_string())?;
    Ok(match compression {
        #[cfg(feature = "lz4")]
        Codec::Lz4 => compressed::by_lz4(&batch).map_or_else(|| batch.freeze(), Bytes::from),
        _ => batch.freeze(),
    })
}

/// What a fetch answered.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Decoded {
    /// The records from the offset asked for.
    pub(super) records: Vec<Record>,
    /// Where to go on: after everything that was read or skipped.
    pub(super) resume: i64,
    /// Records skipped because they cannot be read.
    pub(super) unreadable: u64,
}

/// Reads the batches of a fetch answer. The last one may be cut off; it is then left for the next fetch.
pub(super) fn decode(mut data: Bytes, from: i64) -> Decoded {
    let mut decoded = Decoded { records: Vec::new(), resume: from, unreadable: 0 };
    while let Some((base, batch)) = next_batch(&mut data) {
        let Some(header) = Header::read(&batch) else {
            // Older formats have one record in each entry.
            decoded.unreadable += 1;
            decoded.advance(base.saturating_add(1));
            continue;
        };
        let resume = base.saturating_add(i64::from(header.last_delta)).saturating_add(1);
        if header.attributes & CONTROL == 0 {
            decoded.batch(base, &header, batch.slice(HEADER..), from);
        }
        decoded.advance(resume);
    }
    decoded
}

impl Decoded {
    fn advance(&mut self, to: i64) {
        self.resume = self.resume.max(to);
    }

    fn batch(&mut self, base: i64, header: &Header, body: Bytes, from: i64) {
        let Some(mut body) = header.intact.then(|| open(header.attributes & COMPRESSION, body)).flatten()
        else {
            self.unreadable += u64::from(header.count);
            return;
        };
        for read in 0..header.count {
            match record(&mut body, base, header) {
                Some(record) if record.offset >= from => self.records.push(record),
                Some(_) => {}
                None => {
                    self.unreadable += u64::from(header.count - read);
                    return;
                }
            }
        }
    }
}

/// The records of a batch as they were before its codec compressed them; `None` where they cannot be had.
fn open(codec: i16, body: Bytes) -> Option<Bytes> {
    match codec {
        0 => Some(body),
        #[cfg(feature = "lz4")]
        _ => compressed::open(codec, &body),
        #[cfg(not(feature = "lz4"))]
        _ => None,
    }
}

/// Splits off the next whole batch: its base offset and what its length counts.
fn next_batch(data: &mut Bytes) -> Option<(i64, Bytes)> {
    let mut prefix = data.clone();
    let base = prefix.try_get_i64().ok()?;
    let length = usize::try_from(prefix.try_get_i32().ok()?).ok()?;
    if length > prefix.len() {
        return None;
    }
    data.advance(PREFIX + length);
    Some((base, prefix.slice(..length)))
}

/// The part of a batch header that matters to a consumer.
struct Header {
    intact: bool,
    attributes: i16,
    last_delta: u32,
    first_ms: i64,
    max_ms: i64,
    count: u32,
}

impl Header {
    /// `None` for a batch of another format.
    fn read(batch: &Bytes) -> Option<Self> {
        if batch.len() < HEADER {
            return None;
        }
        let mut rest = batch.clone();
        rest.advance(4);
        if rest.get_i8() != MAGIC {
            return None;
        }
        let sum = rest.get_u32();
        let intact = crc32c::crc32c(&rest) == sum;
        let attributes = rest.get_i16();
        let last_delta = u32::try_from(rest.get_i32()).unwrap_or(0);
        let (first_ms, max_ms) = (rest.get_i64(), rest.get_i64());
        // Producer id, producer epoch, base sequence.
        rest.advance(8 + 2 + 4);
        let count = u32::try_from(rest.get_i32()).unwrap_or(0);
        Some(Self { intact, attributes, last_delta, first_ms, max_ms, count })
    }
}

/// Takes the next record off a batch; `None` where there is none that can be read.
fn record(body: &mut Bytes, base: i64, header: &Header) -> Option<Record> {
    let length = usize::try_from(varint(body)?).ok()?;
    if length > body.len() {
        return None;
    }
    let mut rest = body.split_to(length);
    // Attributes: none are defined.
    rest.try_get_i8().ok()?;
    let created_ms = header.first_ms.saturating_add(varint(&mut rest)?);
    let offset = base.saturating_add(varint(&mut rest)?);
    let key = blob(&mut rest)?;
    let value = blob(&mut rest)?;
    let appended = header.attributes & LOG_APPEND_TIME != 0;
    let timestamp_ms = if appended { header.max_ms } else { created_ms };
    Some(Record { offset, timestamp_ms, key, value })
}

/// A length and so many bytes, copied: a small record that is kept must not keep its whole frame in memory.
fn blob(rest: &mut Bytes) -> Option<Option<Bytes>> {
    match varint(rest)? {
        -1 => Some(None),
        length => {
            let length = usize::try_from(length).ok().filter(|length| *length <= rest.len())?;
            Some(Some(Bytes::copy_from_slice(&rest.split_to(length))))
        }
    }
}

/// A zigzag number in groups of seven bits, ten bytes at most.
fn varint(rest: &mut Bytes) -> Option<i64> {
    let mut value = 0_u64;
    for shift in (0..64).step_by(7) {
        let byte = rest.try_get_u8().ok()?;
        value |= u64::from(byte & 0x7f).checked_shl(shift)?;
        if byte < 0x80 {
            return Some((value >> 1).cast_signed() ^ -(value & 1).cast_signed());
        }
    }
    None
}

#[cfg(test)]
mod tests;
