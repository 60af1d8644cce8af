//! The values that were read last, so that readers of an unchanged key share one decoded record on any back end.

use super::backend::{Lookup, Range, View, Want};
use super::key::KeyHash;
use super::{BackendError, BoxFuture, RawKey, Value, Version};
use core::num::NonZeroUsize;
use lru::LruCache;
use std::sync::{Arc, Mutex, PoisonError};

/// Values kept per shard.
const KEPT: NonZeroUsize = NonZeroUsize::new(1_024).unwrap();
/// Shards, so that readers seldom meet.
const SHARDS: usize = 16;

/// Values by key. What is stored decides: a kept value is handed out only where its bytes are those that were read.
#[derive(Debug)]
pub(super) struct Instances(Vec<Mutex<LruCache<RawKey, Value, KeyHash>>>);

impl Default for Instances {
    fn default() -> Self {
        let shard = |_| Mutex::new(LruCache::with_hasher(KEPT, KeyHash::default()));
        Self((0..SHARDS).map(shard).collect())
    }
}

impl Instances {
    /// The kept value that equals this one; else this one, which is kept then.
    fn instance(&self, key: &RawKey, value: Value) -> Value {
        let place = usize::try_from(key.hash_code() >> 48).unwrap_or(0) % SHARDS;
        let Some(shard) = self.0.get(place) else { return value };
        let mut shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
        match shard.get(key) {
            Some(kept) if *kept == value => kept.clone(),
            _ => {
                shard.put(key.clone(), value.clone());
                value
            }
        }
    }
}

/// A view that hands out kept values.
pub(super) struct SharingView {
    view: Box<dyn View>,
    instances: Arc<Instances>,
}

impl SharingView {
    pub(super) fn new(view: Box<dyn View>, instances: Arc<Instances>) -> Self {
        Self { view, instances }
    }
}

impl View for SharingView {
    fn version(&self) -> Version {
        self.view.version()
    }

    fn get(&self, key: &RawKey) -> Result<Lookup<Option<Value>>, BackendError> {
        Ok(match self.view.get(key)? {
            Lookup::Known(Some(value)) => Lookup::Known(Some(self.instances.instance(key, value))),
            other => other,
        })
    }

    fn scan(&self, range: &Range) -> Result<Lookup<Vec<(RawKey, Value)>>, BackendError> {
        // A long scan would drive out what is read often.
        self.view.scan(range)
    }

    fn load<'a>(&'a mut self, wants: &'a [Want]) -> BoxFuture<'a, Result<(), BackendError>> {
        self.view.load(wants)
    }

    fn settled(&self) -> BoxFuture<'_, Result<(), BackendError>> {
        self.view.settled()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Record;
    use serde::{Deserialize, Serialize};

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Number(u32);
    impl Record for Number {
        const KIND: &'static str = "number";
        const VERSION: u8 = 1;
    }

    #[test]
    fn s4_06_equal_bytes_of_a_key_are_one_value_and_the_number_kept_is_bounded() {
        let instances = Instances::default();
        let key = |number: u32| RawKey::from_stored(&format!("k/{number}"));
        let first = instances.instance(&key(0), Value::from(vec![1]));
        first.keep_record(Arc::new(Number(7)));
        let again = instances.instance(&key(0), Value::from(vec![1]));
        assert_eq!(again.record::<Number>().as_deref(), Some(&Number(7)));
        let changed = instances.instance(&key(0), Value::from(vec![2]));
        assert_eq!((changed.record::<Number>(), &*changed), (None, [2].as_slice()));
        for number in 0..100_000 {
            instances.instance(&key(number), Value::from(vec![1]));
        }
        let kept: usize = instances.0.iter().map(|shard| shard.lock().unwrap().len()).sum();
        assert!(kept <= SHARDS * KEPT.get(), "{kept}");
    }
}
