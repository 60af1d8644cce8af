//! The bytes of the log and of the image.
//!
//! ```text
//! blob        = format byte (1), body, CRC-32C of both (4 bytes, little endian)
//! body of log = transaction*        transaction = version (8 bytes, little endian), length of ops (varint), ops
//! body of image = op*
//! op          = 1, key, value | 2, key | 3, kind, value          put, delete, put under a stamped key
//! text, bytes = length (varint, LEB128), content
//! ```

use crate::store::backend::{Batch, stamped_key};
use crate::store::{RawKey, Value, Version};
use std::collections::BTreeMap;

const FORMAT: u8 = 1;
const CHECKSUM: usize = 4;
const PUT: u8 = 1;
const DELETE: u8 = 2;
const STAMPED: u8 = 3;

fn varint(out: &mut Vec<u8>, mut number: usize) {
    while number >= 0x80 {
        out.push(number.to_le_bytes()[0] | 0x80);
        number >>= 7;
    }
    out.push(number.to_le_bytes()[0]);
}

fn bytes(out: &mut Vec<u8>, content: &[u8]) {
    varint(out, content.len());
    out.extend_from_slice(content);
}

fn put(out: &mut Vec<u8>, key: &RawKey, value: &[u8]) {
    out.push(PUT);
    bytes(out, key.as_str().as_bytes());
    bytes(out, value);
}

/// The ops of a batch. They do not depend on the version that it commits as.
pub(super) fn ops(batch: &Batch) -> Vec<u8> {
    let size = |len: usize| len + 5;
    let writes = batch
        .writes
        .iter()
        .map(|w| size(w.key.as_str().len()) + size(w.value.as_ref().map_or(0, |v| v.len())));
    let stamped = batch.stamped.iter().map(|w| size(w.kind.len()) + size(w.value.len()));
    let mut out = Vec::with_capacity(writes.chain(stamped).sum());
    for write in &batch.writes {
        match &write.value {
            Some(value) => put(&mut out, &write.key, value),
            None => {
                out.push(DELETE);
                bytes(&mut out, write.key.as_str().as_bytes());
            }
        }
    }
    for write in &batch.stamped {
        out.push(STAMPED);
        bytes(&mut out, write.kind.as_bytes());
        bytes(&mut out, &write.value);
    }
    out
}

/// A blob in the making.
#[derive(Debug)]
pub(super) struct Blob(Vec<u8>);

impl Blob {
    pub(super) fn with_capacity(body: usize) -> Self {
        let mut out = Vec::with_capacity(body + 1 + CHECKSUM);
        out.push(FORMAT);
        Self(out)
    }

    /// Adds a transaction to a blob of the log.
    pub(super) fn transaction(&mut self, version: Version, ops: &[u8]) {
        self.0.extend_from_slice(&version.get().to_le_bytes());
        bytes(&mut self.0, ops);
    }

    /// Adds a record to a blob of the image.
    pub(super) fn record(&mut self, key: &RawKey, value: &[u8]) {
        put(&mut self.0, key, value);
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Closes the blob with its checksum.
    pub(super) fn seal(mut self) -> Vec<u8> {
        let checksum = crc32c::crc32c(&self.0);
        self.0.extend_from_slice(&checksum.to_le_bytes());
        self.0
    }
}

/// Reads what [`Blob`] wrote, from the front.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    /// The body of a blob whose format and checksum are right.
    fn of_blob(blob: &'a [u8]) -> Result<Self, String> {
        let Some((content, checksum)) = blob.split_last_chunk::<CHECKSUM>() else {
            return Err(format!("{} bytes are too few for a blob", blob.len()));
        };
        if crc32c::crc32c(content) != u32::from_le_bytes(*checksum) {
            return Err("the checksum of a blob is wrong".to_owned());
        }
        match content.split_first() {
            Some((&FORMAT, body)) => Ok(Self(body)),
            Some((format, _)) => Err(format!("a blob is in format {format}")),
            None => Err("a blob is empty".to_owned()),
        }
    }

    fn take(&mut self, len: usize) -> Result<&'a [u8], String> {
        let (taken, rest) = self.0.split_at_checked(len).ok_or("a blob ends too early")?;
        self.0 = rest;
        Ok(taken)
    }

    fn byte(&mut self) -> Result<u8, String> {
        self.take(1).map(|taken| taken.first().copied().unwrap_or_default())
    }

    fn varint(&mut self) -> Result<usize, String> {
        let mut number = 0_usize;
        for shift in (0..usize::BITS).step_by(7) {
            let byte = self.byte()?;
            number |= usize::from(byte & 0x7f)
                .checked_shl(shift)
                .filter(|part| part >> shift == usize::from(byte & 0x7f))
                .ok_or("a length is too long")?;
            if byte & 0x80 == 0 {
                return Ok(number);
            }
        }
        Err("a length is too long".to_owned())
    }

    fn bytes(&mut self) -> Result<&'a [u8], String> {
        let len = self.varint()?;
        self.take(len)
    }

    fn text(&mut self) -> Result<&'a str, String> {
        core::str::from_utf8(self.bytes()?).map_err(|_| "a key is not text".to_owned())
    }

    fn version(&mut self) -> Result<Version, String> {
        let taken = self.take(8)?.try_into().map_err(|_| "a blob ends too early")?;
        Ok(Version::new(u64::from_le_bytes(taken)))
    }

    const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// The records of a store while it is read back.
#[derive(Debug, Default)]
pub(super) struct Records {
    pub(super) version: Version,
    pub(super) records: BTreeMap<RawKey, Value>,
}

impl Records {
    /// Adds the records of a blob of the image.
    pub(super) fn load(&mut self, blob: &[u8]) -> Result<(), String> {
        let mut reader = Reader::of_blob(blob)?;
        let version = self.version;
        self.apply(&mut reader, version)
    }

    /// Carries out the transactions of a blob of the log. Each must be the next one: a gap is lost data.
    pub(super) fn replay(&mut self, blob: &[u8]) -> Result<(), String> {
        let mut reader = Reader::of_blob(blob)?;
        while !reader.is_empty() {
            let version = reader.version()?;
            if version.get() != self.version.get() + 1 {
                return Err(format!("transaction {version} follows transaction {}", self.version));
            }
            let mut ops = Reader(reader.bytes()?);
            self.apply(&mut ops, version)?;
            self.version = version;
        }
        Ok(())
    }

    fn apply(&mut self, ops: &mut Reader<'_>, version: Version) -> Result<(), String> {
        let mut stamped = 0;
        while !ops.is_empty() {
            match ops.byte()? {
                PUT => {
                    let key = RawKey::from_stored(ops.text()?);
                    self.records.insert(key, Value::from(ops.bytes()?));
                }
                DELETE => {
                    self.records.remove(&RawKey::from_stored(ops.text()?));
                }
                STAMPED => {
                    let key = stamped_key(ops.text()?, version, stamped);
                    self.records.insert(key, Value::from(ops.bytes()?));
                    stamped += 1;
                }
                other => return Err(format!("{other} is no operation")),
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{StampedWrite, Write};
    use proptest::prelude::*;

    fn batch(writes: &[(&str, Option<&[u8]>)], stamped: &[&[u8]]) -> Batch {
        Batch {
            writes: writes
                .iter()
                .map(|(key, value)| Write { key: RawKey::from_stored(key), value: value.map(Value::from) })
                .collect(),
            stamped: stamped
                .iter()
                .map(|value| StampedWrite { kind: "outbox", value: Value::from(*value) })
                .collect(),
            ..Batch::default()
        }
    }

    fn log(transactions: &[(u64, &Batch)]) -> Vec<u8> {
        let mut blob = Blob::with_capacity(64);
        for (version, batch) in transactions {
            blob.transaction(Version::new(*version), &ops(batch));
        }
        blob.seal()
    }

    #[test]
    fn golden_bytes_of_a_log_blob() {
        let batch = batch(&[("k/1:a,", Some(&[7])), ("k/1:b,", None)], &[&[9]]);
        let expected = [
            &[1_u8][..],
            &[5, 0, 0, 0, 0, 0, 0, 0],
            &[28],
            &[1, 6],
            b"k/1:a,",
            &[1, 7],
            &[2, 6],
            b"k/1:b,",
            &[3, 6],
            b"outbox",
            &[1, 9],
        ]
        .concat();
        let blob = log(&[(5, &batch)]);
        assert_eq!(blob.split_last_chunk::<4>().unwrap().0, expected);
        assert_eq!(blob.len(), expected.len() + 4);
    }

    #[test]
    fn a_replay_leaves_what_the_transactions_did() {
        let first = batch(&[("k/1:a,", Some(&[1])), ("k/1:b,", Some(&[2]))], &[&[3], &[4]]);
        let second = batch(&[("k/1:a,", None), ("k/1:b,", Some(&[5])), ("k/1:c,", None)], &[]);
        let mut records = Records { version: Version::new(6), ..Records::default() };
        records.replay(&log(&[(7, &first), (8, &second)])).unwrap();
        assert_eq!(records.version, Version::new(8));
        let read: Vec<(String, Vec<u8>)> =
            records.records.iter().map(|(key, value)| (key.to_string(), value.to_vec())).collect();
        let stamped = |index: usize| first.stamped[0].key(Version::new(7), index).to_string();
        assert_eq!(read, [("k/1:b,".to_owned(), vec![5]), (stamped(0), vec![3]), (stamped(1), vec![4])]);
    }

    #[test]
    fn a_transaction_that_is_missing_is_noticed() {
        let empty = batch(&[("k/", None)], &[]);
        let mut records = Records { version: Version::new(6), ..Records::default() };
        assert!(records.replay(&log(&[(8, &empty)])).unwrap_err().contains("8 follows transaction 6"));
        assert!(records.replay(&log(&[(7, &empty), (7, &empty)])).is_err());
    }

    proptest! {
        #[test]
        fn a_blob_with_a_changed_byte_is_refused(value: Vec<u8>, at: proptest::sample::Index, bit in 0_u8..8) {
            let mut blob = log(&[(1, &batch(&[("k/1:a,", Some(&value))], &[]))]);
            Records::default().replay(&blob).unwrap();
            let at = at.index(blob.len());
            blob[at] ^= 1 << bit;
            prop_assert!(Records::default().replay(&blob).is_err());
        }

        #[test]
        fn any_bytes_read_without_panic(mut body: Vec<u8>, image: bool) {
            body.insert(0, FORMAT);
            let checksum = crc32c::crc32c(&body);
            body.extend_from_slice(&checksum.to_le_bytes());
            let mut records = Records::default();
            let _ = if image { records.load(&body) } else { records.replay(&body) };
        }

        #[test]
        fn lengths_read_back(number: usize) {
            let mut out = Vec::new();
            varint(&mut out, number);
            let mut reader = Reader(&out);
            prop_assert_eq!(reader.varint(), Ok(number));
            prop_assert!(reader.is_empty());
        }
    }
}
