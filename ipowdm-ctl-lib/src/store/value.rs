//! Stored bytes, with room for the record that they hold.

use core::any::Any;
use core::fmt;
use core::ops::Deref;
use std::sync::{Arc, OnceLock};

/// A stored value: immutable bytes, cheap to clone.
///
/// Clones share the bytes and, once somebody has read the record, the record: whoever reads an unchanged key gets the same
/// instance. Two values are equal when their bytes are.
#[derive(Clone)]
pub struct Value(Arc<Inner>);

struct Inner {
    bytes: Box<[u8]>,
    record: OnceLock<Arc<dyn Any + Send + Sync>>,
}

impl Value {
    /// Bytes together with the record that they are the stored form of.
    pub(super) fn with_record<T: Any + Send + Sync>(bytes: Vec<u8>, record: Arc<T>) -> Self {
        let record: Arc<dyn Any + Send + Sync> = record;
        Self(Arc::new(Inner { bytes: bytes.into(), record: OnceLock::from(record) }))
    }

    /// The record that was read from these bytes before, where it was read as this type.
    pub(super) fn record<T: Any + Send + Sync>(&self) -> Option<Arc<T>> {
        Arc::clone(self.0.record.get()?).downcast().ok()
    }

    /// Keeps the record that was read from these bytes; answers the one that is kept, which may be an earlier reader's.
    pub(super) fn keep_record<T: Any + Send + Sync>(&self, record: Arc<T>) -> Arc<T> {
        let kept = self.0.record.get_or_init(|| Arc::<T>::clone(&record));
        Arc::clone(kept).downcast().unwrap_or(record)
    }
}

impl From<Vec<u8>> for Value {
    fn from(bytes: Vec<u8>) -> Self {
        Self(Arc::new(Inner { bytes: bytes.into(), record: OnceLock::new() }))
    }
}

impl From<&[u8]> for Value {
    fn from(bytes: &[u8]) -> Self {
        Self(Arc::new(Inner { bytes: bytes.into(), record: OnceLock::new() }))
    }
}

impl Deref for Value {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0.bytes
    }
}

impl AsRef<[u8]> for Value {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl PartialEq for Value {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || self.0.bytes == other.0.bytes
    }
}

impl Eq for Value {}

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.bytes.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s4_06_clones_share_the_record_and_the_first_reader_keeps_it() {
        let value = Value::from(vec![1, 2, 3]);
        let clone = value.clone();
        assert_eq!(clone.record::<u32>(), None);
        let first = value.keep_record(Arc::new(7_u32));
        let second = clone.keep_record(Arc::new(8_u32));
        assert!(Arc::ptr_eq(&first, &second));
        assert!(Arc::ptr_eq(&first, &clone.record::<u32>().unwrap()));
    }

    #[test]
    fn a_record_of_another_type_is_not_taken_for_this_one() {
        let value = Value::with_record(vec![1], Arc::new(7_u32));
        assert_eq!(value.record::<u64>(), None);
        assert_eq!(*value.keep_record(Arc::new(8_u64)), 8);
        assert_eq!(value.record::<u32>().as_deref(), Some(&7));
    }

    #[test]
    fn values_are_equal_when_their_bytes_are() {
        assert_eq!(Value::with_record(vec![1], Arc::new(7_u32)), Value::from([1].as_slice()));
        assert_ne!(Value::from(vec![1]), Value::from(vec![2]));
    }
}
