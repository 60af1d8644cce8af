//! Record batches, format 2: the header is checked and stamped, compressed records are never opened.
//!
//! Layout (Kafka documentation, "Record Batch"): base offset 0..8, length 8..12, leader epoch 12..16, magic 16,
//! CRC-32C 17..21 over everything from 21, attributes 21..23, last offset delta 23..27, base timestamp 27..35,
//! maximum timestamp 35..43, producer id 43..51, producer epoch 51..53, base sequence 53..57, record count 57..61,
//! records from 61. Base offset and leader epoch lie outside the checksum, so the broker stamps them freely;
//! stamping the append time changes attributes and maximum timestamp and needs a new checksum.

use std::ops::Range;

use bytes::{Bytes, BytesMut};
use kafka_protocol::ResponseError;

mod records;

const BASE_OFFSET: Range<usize> = 0..8;
const LENGTH: Range<usize> = 8..12;
const LEADER_EPOCH: Range<usize> = 12..16;
const MAGIC: usize = 16;
const CRC: Range<usize> = 17..21;
const ATTRIBUTES: Range<usize> = 21..23;
const LAST_OFFSET_DELTA: Range<usize> = 23..27;
const BASE_TIMESTAMP: Range<usize> = 27..35;
const MAX_TIMESTAMP: Range<usize> = 35..43;
const PRODUCER_ID: Range<usize> = 43..51;
const PRODUCER_EPOCH: Range<usize> = 51..53;
const BASE_SEQUENCE: Range<usize> = 53..57;
const RECORD_COUNT: Range<usize> = 57..61;
/// Bytes before the first record.
pub(crate) const HEADER: usize = 61;

/// Attribute bits 0-2: compression codec (0 none … 4 zstd).
const CODEC_MASK: i16 = 0x07;
const HIGHEST_CODEC: i16 = 4;
const LOG_APPEND_TIME: i16 = 1 << 3;
const TRANSACTIONAL: i16 = 1 << 4;
const CONTROL: i16 = 1 << 5;

/// The leader epoch of every batch: a single node never changes leaders.
pub(crate) const EPOCH: i32 = 0;

/// Why a batch was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BatchError {
    #[error("no records")]
    Empty,
    #[error("record format {0}; only format 2 is served")]
    OldFormat(i8),
    #[error("length field does not match the data: exactly one whole batch per partition is expected")]
    Length,
    #[error("CRC-32C mismatch")]
    Crc,
    #[error("record count and last offset delta disagree")]
    Count,
    #[error("unknown compression codec {0}")]
    Codec(i16),
    #[error("transactional batches are not served")]
    Transactional,
    #[error("control batches come from brokers only")]
    Control,
    #[error("only the broker sets the log-append timestamp type")]
    TimestampType,
    #[error("the records do not have the structure the header promises")]
    Records,
}

impl BatchError {
    /// The protocol's error code for this refusal.
    pub(crate) fn code(self) -> ResponseError {
        match self {
            BatchError::OldFormat(_) => ResponseError::UnsupportedForMessageFormat,
            BatchError::Crc | BatchError::Length => ResponseError::CorruptMessage,
            BatchError::TimestampType => ResponseError::InvalidTimestamp,
            BatchError::Codec(_) => ResponseError::UnsupportedCompressionType,
            BatchError::Empty
            | BatchError::Count
            | BatchError::Transactional
            | BatchError::Control
            | BatchError::Records => ResponseError::InvalidRecord,
        }
    }
}

/// The idempotent producer of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ProducerStamp {
    pub(crate) id: i64,
    pub(crate) epoch: i16,
    pub(crate) first_sequence: i32,
    pub(crate) last_sequence: i32,
}

/// One batch that passed every check of [`Batch::check`], with its own copy of the bytes.
#[derive(Debug, Clone)]
pub(crate) struct Batch {
    bytes: BytesMut,
    count: u32,
    keyless: bool,
}

impl Batch {
    /// Takes the records of one partition from a produce request.
    ///
    /// # Errors
    ///
    /// [`BatchError`]; nothing is kept.
    pub(crate) fn check(data: &[u8]) -> Result<Batch, BatchError> {
        if data.is_empty() {
            return Err(BatchError::Empty);
        }
        let magic = *data.get(MAGIC).ok_or(BatchError::Length)?;
        if magic != 2 {
            return Err(BatchError::OldFormat(i8::from_be_bytes([magic])));
        }
        if data.len() < HEADER {
            return Err(BatchError::Length);
        }
        let length = usize::try_from(i32_at(data, LENGTH)).map_err(|_| BatchError::Length)?;
        if length != data.len() - LENGTH.end {
            return Err(BatchError::Length);
        }
        if u32::from_be_bytes(array(data, CRC)) != crc32c::crc32c(&data[CRC.end..]) {
            return Err(BatchError::Crc);
        }
        let attributes = i16::from_be_bytes(array(data, ATTRIBUTES));
        let codec = attributes & CODEC_MASK;
        match attributes {
            _ if codec > HIGHEST_CODEC => return Err(BatchError::Codec(codec)),
            a if a & CONTROL != 0 => return Err(BatchError::Control),
            a if a & TRANSACTIONAL != 0 => return Err(BatchError::Transactional),
            a if a & LOG_APPEND_TIME != 0 => return Err(BatchError::TimestampType),
            _ => {}
        }
        let count = match i32_at(data, RECORD_COUNT) {
            0 => return Err(BatchError::Empty),
            count => u32::try_from(count).map_err(|_| BatchError::Count)?,
        };
        if u32::try_from(i32_at(data, LAST_OFFSET_DELTA)).ok() != Some(count - 1) {
            return Err(BatchError::Count);
        }
        let keyless = if codec == 0 { records::check(&data[HEADER..], count)?.keyless } else { false };
        Ok(Batch { bytes: BytesMut::from(data), count, keyless })
    }

    /// Bytes of the whole batch.
    pub(crate) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Records in the batch, at least one.
    pub(crate) fn count(&self) -> u32 {
        self.count
    }

    /// Whether a record without a key was seen; compressed records are not looked into.
    pub(crate) fn keyless(&self) -> bool {
        self.keyless
    }

    /// The idempotent producer, if the batch has one.
    pub(crate) fn producer(&self) -> Option<ProducerStamp> {
        producer(&self.bytes, self.count)
    }

    /// Sets the timestamp type to log-append time, the maximum timestamp to `now_ms`, and the checksum anew.
    /// Readers then take the maximum timestamp for every record and ignore the records' own.
    pub(crate) fn stamp_append_time(&mut self, now_ms: i64) {
        let attributes = i16::from_be_bytes(array(&self.bytes, ATTRIBUTES)) | LOG_APPEND_TIME;
        self.bytes[ATTRIBUTES].copy_from_slice(&attributes.to_be_bytes());
        self.bytes[MAX_TIMESTAMP].copy_from_slice(&now_ms.to_be_bytes());
        let crc = crc32c::crc32c(&self.bytes[CRC.end..]);
        self.bytes[CRC].copy_from_slice(&crc.to_be_bytes());
    }

    /// Gives the batch its place in a log.
    pub(crate) fn place(mut self, base_offset: i64) -> StoredBatch {
        self.bytes[BASE_OFFSET].copy_from_slice(&base_offset.to_be_bytes());
        self.bytes[LEADER_EPOCH].copy_from_slice(&EPOCH.to_be_bytes());
        StoredBatch {
            base_offset,
            last_offset: base_offset + i64::from(self.count - 1),
            max_timestamp: i64_at(&self.bytes, MAX_TIMESTAMP),
            bytes: self.bytes.freeze(),
        }
    }
}

/// The idempotent producer of a batch of `count` records, if it has one.
fn producer(bytes: &[u8], count: u32) -> Option<ProducerStamp> {
    let id = i64_at(bytes, PRODUCER_ID);
    let first_sequence = i32_at(bytes, BASE_SEQUENCE);
    (id >= 0 && first_sequence >= 0).then(|| ProducerStamp {
        id,
        epoch: i16::from_be_bytes(array(bytes, PRODUCER_EPOCH)),
        first_sequence,
        last_sequence: advance(first_sequence, count.saturating_sub(1)),
    })
}

/// `sequence` moved on by `by`; sequence numbers wrap from `i32::MAX` to 0.
fn advance(sequence: i32, by: u32) -> i32 {
    let wrapped = (i64::from(sequence) + i64::from(by)) % (i64::from(i32::MAX) + 1);
    i32::try_from(wrapped).unwrap_or(0)
}

/// A batch in a log.
#[derive(Debug, Clone)]
pub(crate) struct StoredBatch {
    pub(crate) base_offset: i64,
    pub(crate) last_offset: i64,
    /// Milliseconds since the epoch; -1 if the producer gave no timestamps.
    pub(crate) max_timestamp: i64,
    pub(crate) bytes: Bytes,
}

impl StoredBatch {
    /// The batch at the beginning of `data`, as it was stored; `None` where there is no whole one.
    pub(crate) fn read(data: &Bytes) -> Option<StoredBatch> {
        if data.len() < HEADER || data[MAGIC] != 2 {
            return None;
        }
        let length = usize::try_from(i32_at(data, LENGTH)).ok()?.checked_add(LENGTH.end)?;
        let count = u32::try_from(i32_at(data, RECORD_COUNT)).ok().filter(|count| *count > 0)?;
        if length < HEADER || length > data.len() {
            return None;
        }
        let bytes = data.slice(..length);
        if u32::from_be_bytes(array(&bytes, CRC)) != crc32c::crc32c(&bytes[CRC.end..]) {
            return None;
        }
        let base_offset = i64_at(&bytes, BASE_OFFSET);
        Some(StoredBatch {
            base_offset,
            last_offset: base_offset.checked_add(i64::from(count - 1))?,
            max_timestamp: i64_at(&bytes, MAX_TIMESTAMP),
            bytes,
        })
    }

    /// The idempotent producer, if the batch has one.
    pub(crate) fn producer(&self) -> Option<ProducerStamp> {
        producer(&self.bytes, u32::try_from(self.count()).unwrap_or(0))
    }

    /// Records in the batch.
    pub(crate) fn count(&self) -> u64 {
        u64::try_from(self.last_offset - self.base_offset + 1).unwrap_or(0)
    }

    /// Offset and timestamp of the first record at or after `timestamp`, if this batch has one.
    ///
    /// Exact for uncompressed batches and for log-append time. A compressed batch is answered with its first
    /// record, so a reader may get records a little older than asked for, and never misses one.
    pub(crate) fn first_since(&self, timestamp: i64) -> Option<(i64, i64)> {
        if self.max_timestamp < timestamp {
            return None;
        }
        let attributes = i16::from_be_bytes(array(&self.bytes, ATTRIBUTES));
        if attributes & LOG_APPEND_TIME != 0 {
            return Some((self.base_offset, self.max_timestamp));
        }
        let base = i64_at(&self.bytes, BASE_TIMESTAMP);
        if attributes & CODEC_MASK != 0 {
            return Some((self.base_offset, base));
        }
        records::headers(&self.bytes[HEADER..])
            .map_while(Result::ok)
            .map(|record| {
                (self.base_offset + record.offset_delta, base.saturating_add(record.timestamp_delta))
            })
            .find(|&(_, at)| at >= timestamp)
    }
}

/// `range` of `data` as an array. Callers have checked that `data` holds a whole header; were it shorter, the
/// missing bytes would read as zero.
fn array<const N: usize>(data: &[u8], range: Range<usize>) -> [u8; N] {
    data.get(range).and_then(|bytes| bytes.try_into().ok()).unwrap_or([0; N])
}

fn i32_at(data: &[u8], range: Range<usize>) -> i32 {
    i32::from_be_bytes(array(data, range))
}

fn i64_at(data: &[u8], range: Range<usize>) -> i64 {
    i64::from_be_bytes(array(data, range))
}

#[cfg(test)]
mod tests;
