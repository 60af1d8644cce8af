//! The records of an uncompressed batch, as far as a broker must look at them.
//!
//! A record is: length (varint), attributes (1 byte), timestamp delta (varlong), offset delta (varint), key length
//! (varint, -1 for none), key, value length, value, headers. Varints are zigzag-coded.

use super::BatchError;

/// The fields at the front of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct RecordHeader {
    pub(super) timestamp_delta: i64,
    pub(super) offset_delta: i64,
    pub(super) has_key: bool,
}

/// What a walk over the records found.
pub(super) struct Walked {
    pub(super) keyless: bool,
}

/// Checks that `data` is exactly `count` records with ascending offsets.
pub(super) fn check(data: &[u8], count: u32) -> Result<Walked, BatchError> {
    let mut seen = 0u32;
    let mut keyless = false;
    for record in headers(data) {
        let record = record?;
        if seen == count || record.offset_delta != i64::from(seen) {
            return Err(BatchError::Records);
        }
        keyless |= !record.has_key;
        seen += 1;
    }
    if seen == count { Ok(Walked { keyless }) } else { Err(BatchError::Records) }
}

/// The records of `data` in turn; ends after the first malformed one.
pub(super) fn headers(data: &[u8]) -> impl Iterator<Item = Result<RecordHeader, BatchError>> {
    let mut rest = data;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let next = split(&mut rest);
        if next.is_none() {
            rest = &[];
        }
        Some(next.ok_or(BatchError::Records))
    })
}

fn split(rest: &mut &[u8]) -> Option<RecordHeader> {
    let length = usize::try_from(varlong(rest)?).ok()?;
    let mut record = rest.get(..length)?;
    *rest = rest.get(length..)?;
    record = record.get(1..)?;
    let timestamp_delta = varlong(&mut record)?;
    let offset_delta = varlong(&mut record)?;
    let has_key = field(&mut record)?;
    field(&mut record)?;
    let headers = varlong(&mut record)?;
    if !(0..=i64::try_from(record.len()).ok()?).contains(&headers) {
        return None;
    }
    for _ in 0..headers {
        // A header without a key is malformed, one without a value is not.
        if !field(&mut record)? {
            return None;
        }
        field(&mut record)?;
    }
    record.is_empty().then_some(RecordHeader { timestamp_delta, offset_delta, has_key })
}

/// Steps over a length-prefixed field; false if it is null.
fn field(rest: &mut &[u8]) -> Option<bool> {
    match varlong(rest)? {
        -1 => Some(false),
        length => {
            *rest = rest.get(usize::try_from(length).ok()?..)?;
            Some(true)
        }
    }
}

/// A zigzag varint of at most ten bytes.
fn varlong(rest: &mut &[u8]) -> Option<i64> {
    let mut value = 0u64;
    for index in 0..10 {
        let (&byte, tail) = rest.split_first()?;
        *rest = tail;
        value |= u64::from(byte & 0x7f).checked_shl(index * 7)?;
        if byte < 0x80 {
            return Some(i64::from_ne_bytes((value >> 1).to_ne_bytes()) ^ -i64::from(value & 1 == 1));
        }
    }
    None
}
