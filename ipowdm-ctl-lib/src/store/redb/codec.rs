//! The bytes of the log and of the image.
//!
//! ```text
//! blob          = a frame of `store::framing`
//! body of log   = transaction*       transaction = version (8 bytes, little endian), length of ops (varint), ops
//! body of image = op*
//! op            = 1, key, value | 2, key | 3, kind, value | 4     put, delete, put under a stamped key, raise
//! ```
//!
//! A transaction is numbered one more than the one before, except where it is a raise alone.

use crate::store::backend::{Batch, stamped_key};
use crate::store::framing::{Frame, Reader, bytes};
use crate::store::{RawKey, Value, Version};
use std::collections::BTreeMap;

const PUT: u8 = 1;
const DELETE: u8 = 2;
const STAMPED: u8 = 3;
/// Stands alone in its transaction, which may leave out versions.
pub(super) const RAISE: u8 = 4;

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
pub(super) struct Blob(Frame);

impl Blob {
    pub(super) fn with_capacity(body: usize) -> Self {
        Self(Frame::with_capacity(body))
    }

    /// Adds a transaction to a blob of the log.
    pub(super) fn transaction(&mut self, version: Version, ops: &[u8]) {
        self.0.body().extend_from_slice(&version.get().to_le_bytes());
        bytes(self.0.body(), ops);
    }

    /// Adds a record to a blob of the image.
    pub(super) fn record(&mut self, key: &RawKey, value: &[u8]) {
        put(self.0.body(), key, value);
    }

    pub(super) const fn len(&self) -> usize {
        self.0.len()
    }

    /// Closes the blob with its checksum.
    pub(super) fn seal(self) -> Vec<u8> {
        self.0.seal()
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
        let mut reader = Reader::of_frame(blob)?;
        let version = self.version;
        self.apply(&mut reader, version)
    }

    /// Carries out the transactions of a blob of the log. Each must be the next one: a gap is lost data.
    pub(super) fn replay(&mut self, blob: &[u8]) -> Result<(), String> {
        let mut reader = Reader::of_frame(blob)?;
        while !reader.is_empty() {
            let version = reader.version()?;
            let ops = reader.bytes()?;
            let next =
                if ops == [RAISE] { version > self.version } else { version.get() == self.version.get() + 1 };
            if !next {
                return Err(format!("transaction {version} follows transaction {}", self.version));
            }
            let mut ops = Reader::new(ops);
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
                RAISE => {}
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

    #[test]
    fn a_raise_alone_may_leave_out_versions() {
        let raise = |version| {
            let mut blob = Blob::with_capacity(64);
            blob.transaction(Version::new(version), &[RAISE]);
            blob.seal()
        };
        let mut records = Records { version: Version::new(6), ..Records::default() };
        records.replay(&raise(20)).unwrap();
        assert_eq!(records.version, Version::new(20));
        assert!(records.replay(&raise(20)).is_err());
        records.replay(&log(&[(21, &batch(&[("k/", None)], &[]))])).unwrap();
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
            let mut frame = Frame::with_capacity(body.len());
            frame.body().append(&mut body);
            let body = frame.seal();
            let mut records = Records::default();
            let _ = if image { records.load(&body) } else { records.replay(&body) };
        }
    }
}
