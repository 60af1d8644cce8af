//! Stored bytes, and the record that they hold: whichever was there first, the other follows when it is asked for.

use super::{Record, record};
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

/// At least one of the two is there from the beginning.
struct Inner {
    bytes: OnceLock<Box<[u8]>>,
    record: OnceLock<Arc<dyn Held>>,
}

/// A record of some type.
trait Held: Any + Send + Sync {
    /// Its stored form.
    fn stored(&self) -> Box<[u8]>;
}

impl<T: Record> Held for T {
    fn stored(&self) -> Box<[u8]> {
        // Asked only of records that always have a stored form; an empty one reads as corrupt.
        record::encode_bytes(self).unwrap_or_default().into()
    }
}

impl Value {
    /// Bytes together with the record that they are the stored form of.
    pub(super) fn with_record<T: Record>(bytes: Vec<u8>, record: Arc<T>) -> Self {
        let record: Arc<dyn Held> = record;
        Self(Arc::new(Inner {
            bytes: OnceLock::from(bytes.into_boxed_slice()),
            record: OnceLock::from(record),
        }))
    }

    /// A record that always has a stored form: it is encoded when somebody asks for the bytes.
    pub(crate) fn of_record<T: Record>(record: Arc<T>) -> Self {
        let record: Arc<dyn Held> = record;
        Self(Arc::new(Inner { bytes: OnceLock::new(), record: OnceLock::from(record) }))
    }

    /// The record that was read from these bytes before, where it was read as this type.
    pub(super) fn record<T: Record>(&self) -> Option<Arc<T>> {
        downcast(self.0.record.get()?)
    }

    /// Keeps the record that was read from these bytes; answers the one that is kept, which may be an earlier reader's.
    pub(super) fn keep_record<T: Record>(&self, record: Arc<T>) -> Arc<T> {
        let kept = self.0.record.get_or_init(|| Arc::<T>::clone(&record) as Arc<dyn Held>);
        downcast(kept).unwrap_or(record)
    }
}

fn downcast<T: Record>(held: &Arc<dyn Held>) -> Option<Arc<T>> {
    let any: Arc<dyn Any + Send + Sync> = Arc::clone(held) as _;
    any.downcast().ok()
}

impl From<Vec<u8>> for Value {
    fn from(bytes: Vec<u8>) -> Self {
        Self(Arc::new(Inner { bytes: OnceLock::from(bytes.into_boxed_slice()), record: OnceLock::new() }))
    }
}

impl From<&[u8]> for Value {
    fn from(bytes: &[u8]) -> Self {
        Self(Arc::new(Inner { bytes: OnceLock::from(Box::from(bytes)), record: OnceLock::new() }))
    }
}

impl Deref for Value {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        let stored = || self.0.record.get().map_or_else(Box::default, |record| record.stored());
        self.0.bytes.get_or_init(stored)
    }
}

impl AsRef<[u8]> for Value {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl PartialEq for Value {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || **self == **other
    }
}

impl Eq for Value {}

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::RawKey;
    use serde::{Deserialize, Serialize};

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct One(u32);
    impl Record for One {
        const KIND: &'static str = "one";
        const VERSION: u8 = 1;
    }

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Two(u32);
    impl Record for Two {
        const KIND: &'static str = "two";
        const VERSION: u8 = 1;
    }

    #[test]
    fn s4_06_clones_share_the_record_and_the_first_reader_keeps_it() {
        let value = Value::from(vec![1, 2]);
        let clone = value.clone();
        assert_eq!(clone.record::<One>(), None);
        let first = value.keep_record(Arc::new(One(7)));
        let second = clone.keep_record(Arc::new(One(8)));
        assert!(Arc::ptr_eq(&first, &second));
        assert!(Arc::ptr_eq(&first, &clone.record::<One>().unwrap()));
    }

    #[test]
    fn a_record_of_another_type_is_not_taken_for_this_one() {
        let value = Value::with_record(vec![1, 7], Arc::new(One(7)));
        assert_eq!(value.record::<Two>(), None);
        assert_eq!(*value.keep_record(Arc::new(Two(8))), Two(8));
        assert_eq!(value.record::<One>().as_deref(), Some(&One(7)));
    }

    #[test]
    fn values_are_equal_when_their_bytes_are() {
        assert_eq!(Value::with_record(vec![1], Arc::new(One(7))), Value::from([1].as_slice()));
        assert_ne!(Value::from(vec![1]), Value::from(vec![2]));
    }

    #[test]
    fn a_record_that_is_encoded_later_has_the_bytes_of_one_that_is_encoded_at_once() {
        let key = RawKey::from_stored("one/1:a,");
        let later = Value::of_record(Arc::new(One(300)));
        let clone = later.clone();
        assert_eq!(later, record::encode(&key, &One(300)).unwrap());
        assert_eq!(&*clone, [1, 0xac, 0x02]);
        assert_eq!(record::decode::<One>(&key, &clone), Ok(One(300)));
    }
}
