//! Values: serde types in postcard behind a version byte.

use super::{Index, Key, RawKey, StoreError, Value};
use core::cell::RefCell;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::sync::Arc;

/// Bytes of a buffer for encoding that a thread keeps at most.
const MAX_DRAFT: usize = 64 << 10;

/// A type that the store keeps under one kind of key.
///
/// Stored form: one byte [`Record::VERSION`], then the postcard encoding. Version N reads N and N−1, so a fleet can be
/// upgraded one process at a time: raise `VERSION` and read the old body in [`Record::upgrade`].
///
/// postcard is not self-describing: `#[serde(skip_serializing_if)]`, `flatten`, `untagged` and internally tagged enums
/// do not survive it. Fields may only be added with a new version.
pub trait Record: Serialize + DeserializeOwned + Send + Sync + 'static {
    /// What stands before the slash in every key of this type; unique among the types of one store.
    const KIND: &'static str;

    /// The version written, at least 1.
    const VERSION: u8;

    /// The secondary indexes of this type, kept by every transaction that writes a record.
    const INDEXES: &'static [Index<Self>] = &[];

    /// Whether records of this type may have a lease, see [`Tx::set_lease`](super::Tx::set_lease).
    const LEASED: bool = false;

    /// Whether every value of this type has a stored form, so that a record that is shared ([`Tx::put_shared`]) may be
    /// encoded when its bytes are needed instead of when it is written: in memory that is never, unless somebody dumps the
    /// store. For large records that change often. The record itself stays in memory.
    ///
    /// [`Tx::put_shared`]: super::Tx::put_shared
    const ENCODED_LATE: bool = false;

    /// Reads the body of version `VERSION - 1`. The default knows none.
    ///
    /// # Errors
    /// The decoder's, where the body is not of that version.
    fn upgrade(_body: &[u8]) -> Option<Result<Self, postcard::Error>> {
        None
    }
}

/// The stored form of a record.
///
/// # Errors
/// [`StoreError::Encode`] where a value has no postcard form (a sequence of unknown length, say).
pub fn encode<T: Record>(key: &RawKey, value: &T) -> Result<Value, StoreError> {
    encode_bytes(value).map(Value::from).map_err(|error| encode_error(key, &error))
}

/// The stored form of a record, kept together with the record: whoever reads it gets this instance.
///
/// # Errors
/// As [`encode`].
pub(super) fn encode_shared<T: Record>(key: &RawKey, value: Arc<T>) -> Result<Value, StoreError> {
    if T::ENCODED_LATE {
        return Ok(Value::of_record(value));
    }
    let bytes = encode_bytes(&*value).map_err(|error| encode_error(key, &error))?;
    Ok(Value::with_record(bytes, value))
}

/// The bytes of a record, written into a buffer of this thread first, so that they cost one allocation of their size.
pub(super) fn encode_bytes<T: Record>(value: &T) -> Result<Vec<u8>, postcard::Error> {
    thread_local! {
        static DRAFT: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
    }
    let mut draft = DRAFT.try_with(RefCell::take).unwrap_or_default();
    draft.clear();
    draft.push(T::VERSION);
    let draft = postcard::to_extend(value, draft)?;
    let bytes = draft.as_slice().to_vec();
    if draft.capacity() <= MAX_DRAFT {
        // Where the thread is ending, nobody needs the buffer any more.
        let _ = DRAFT.try_with(|kept| kept.replace(draft));
    }
    Ok(bytes)
}

fn encode_error(key: &RawKey, error: &postcard::Error) -> StoreError {
    StoreError::Encode { key: key.clone(), reason: error.to_string() }
}

/// Reads a stored record.
///
/// # Errors
/// [`StoreError::Corrupt`] where the bytes are not a record of this type in version N or N−1.
pub fn decode<T: Record>(key: &RawKey, bytes: &[u8]) -> Result<T, StoreError> {
    let corrupt = |reason: String| StoreError::Corrupt { key: key.clone(), reason };
    let Some((&version, body)) = bytes.split_first() else {
        return Err(corrupt("the record is empty".to_owned()));
    };
    if version == T::VERSION {
        let mut reader = postcard::Deserializer::from_bytes(body);
        let value = T::deserialize(&mut reader).map_err(|error| corrupt(error.to_string()))?;
        return match reader.finalize() {
            Ok([]) => Ok(value),
            Ok(rest) => Err(corrupt(format!("{} bytes follow the record", rest.len()))),
            Err(error) => Err(corrupt(error.to_string())),
        };
    }
    let previous = if T::VERSION.checked_sub(1) == Some(version) { T::upgrade(body) } else { None };
    match previous {
        Some(read) => read.map_err(|error| corrupt(error.to_string())),
        None => Err(corrupt(format!(
            "version {version} is not readable, this build writes {} version {}",
            T::KIND,
            T::VERSION
        ))),
    }
}

/// Reads a stored record, or hands out the instance that was read from these bytes before.
///
/// # Errors
/// As [`decode`].
pub fn decode_shared<T: Record>(key: &RawKey, value: &Value) -> Result<Arc<T>, StoreError> {
    match value.record() {
        Some(record) => Ok(record),
        None => decode(key, value).map(|record| value.keep_record(Arc::new(record))),
    }
}

/// A key with its record, shared with other readers.
pub type SharedEntry<T> = (Key<T>, Arc<T>);

/// Entries in key order whose records are shared.
pub type SharedEntries<T> = Vec<SharedEntry<T>>;

/// Stored entries as records of one type; entries of other kinds are left out.
pub(super) fn typed<T: Record, R>(
    entries: Vec<(RawKey, Value)>,
    read: impl Fn(&RawKey, &Value) -> Result<R, StoreError>,
) -> Result<Vec<(Key<T>, R)>, StoreError> {
    let mut records = Vec::with_capacity(entries.len());
    for (raw, value) in entries {
        if let Some(key) = Key::from_raw(raw) {
            let record = read(key.raw(), &value)?;
            records.push((key, record));
        }
    }
    Ok(records)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde::Deserialize;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct SpanV1 {
        length: u32,
    }
    impl Record for SpanV1 {
        const KIND: &'static str = "span";
        const VERSION: u8 = 1;
    }

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct SpanV2 {
        length: u32,
        loss: Option<i16>,
    }
    impl Record for SpanV2 {
        const KIND: &'static str = "span";
        const VERSION: u8 = 2;
        fn upgrade(body: &[u8]) -> Option<Result<Self, postcard::Error>> {
            Some(postcard::from_bytes::<SpanV1>(body).map(|old| Self { length: old.length, loss: None }))
        }
    }

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct SpanV3 {
        length: u64,
    }
    impl Record for SpanV3 {
        const KIND: &'static str = "span";
        const VERSION: u8 = 3;
    }

    fn key() -> RawKey {
        RawKey::from_stored("span/1:a,")
    }

    #[test]
    fn golden_bytes_are_a_version_byte_and_postcard() {
        assert_eq!(&*encode(&key(), &SpanV1 { length: 300 }).unwrap(), [1, 0xac, 0x02]);
        let two = SpanV2 { length: 300, loss: Some(-1) };
        assert_eq!(&*encode(&key(), &two).unwrap(), [2, 0xac, 0x02, 1, 1]);
    }

    #[test]
    fn the_previous_version_is_read() {
        let old = encode(&key(), &SpanV1 { length: 300 }).unwrap();
        assert_eq!(decode::<SpanV2>(&key(), &old).unwrap(), SpanV2 { length: 300, loss: None });
    }

    #[test]
    fn older_and_newer_versions_are_refused_by_name() {
        let one = encode(&key(), &SpanV1 { length: 300 }).unwrap();
        let error = decode::<SpanV3>(&key(), &one).unwrap_err();
        assert!(error.to_string().contains("version 1 is not readable"), "{error}");
        let three = encode(&key(), &SpanV3 { length: 300 }).unwrap();
        assert!(matches!(decode::<SpanV2>(&key(), &three), Err(StoreError::Corrupt { .. })));
    }

    #[test]
    fn trailing_and_missing_bytes_are_refused() {
        assert!(matches!(decode::<SpanV1>(&key(), &[1, 5, 0]), Err(StoreError::Corrupt { .. })));
        assert!(matches!(decode::<SpanV1>(&key(), &[1]), Err(StoreError::Corrupt { .. })));
        assert!(matches!(decode::<SpanV1>(&key(), &[]), Err(StoreError::Corrupt { .. })));
    }

    proptest! {
        #[test]
        fn any_bytes_read_without_panic(bytes: Vec<u8>) {
            let _ = decode::<SpanV2>(&key(), &bytes);
        }
    }
}
