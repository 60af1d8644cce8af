//! Values kept in this process: each is right from the version at which it was read or written until it is forgotten.

use super::super::backend::Range;
use super::super::{RawKey, Value};
use std::collections::HashMap;
use std::sync::Arc;

/// What an entry costs beside its bytes, roughly.
const OVERHEAD: usize = 100;
/// Ranges kept, and entries in one of them.
const RANGES: usize = 64;
const RANGE_ENTRIES: usize = 4096;

#[derive(Debug, Clone)]
struct Kept {
    from: u64,
    value: Option<Value>,
}

#[derive(Debug)]
struct KeptRange {
    range: Range,
    from: u64,
    entries: Arc<[(RawKey, Value)]>,
}

/// Two generations of keys: what is used moves to the younger one, and when that is full the older one is dropped.
#[derive(Debug)]
pub(super) struct Cache {
    young: HashMap<RawKey, Kept>,
    old: HashMap<RawKey, Kept>,
    /// Bytes of the young generation, an upper bound.
    young_bytes: usize,
    half: usize,
    /// Least recently made first.
    ranges: Vec<KeptRange>,
}

fn cost(key: &RawKey, value: Option<&Value>) -> usize {
    OVERHEAD + key.as_str().len() + value.map_or(0, |value| value.len())
}

impl Cache {
    /// A cache of about this many bytes of keys and values.
    pub(super) fn new(bytes: usize) -> Self {
        Self {
            young: HashMap::new(),
            old: HashMap::new(),
            young_bytes: 0,
            half: bytes / 2,
            ranges: Vec::new(),
        }
    }

    /// The value at a version; `None` where that is not known.
    pub(super) fn get(&mut self, key: &RawKey, version: u64) -> Option<Option<Value>> {
        if let Some(kept) = self.young.get(key) {
            return (kept.from <= version).then(|| kept.value.clone());
        }
        let kept = self.old.remove(key)?;
        let answer = (kept.from <= version).then(|| kept.value.clone());
        self.keep(key.clone(), kept.from, kept.value);
        answer
    }

    pub(super) fn keep(&mut self, key: RawKey, from: u64, value: Option<Value>) {
        self.young_bytes += cost(&key, value.as_ref());
        self.young.insert(key, Kept { from, value });
        if self.young_bytes > self.half {
            self.old = core::mem::take(&mut self.young);
            self.young_bytes = 0;
        }
    }

    /// Forgets a key and every range that it lies in.
    pub(super) fn forget(&mut self, key: &RawKey) {
        if let Some(kept) = self.young.remove(key) {
            self.young_bytes = self.young_bytes.saturating_sub(cost(key, kept.value.as_ref()));
        }
        self.old.remove(key);
        self.ranges.retain(|kept| !key.as_str().starts_with(kept.range.prefix.as_str()));
    }

    pub(super) fn scan(&self, range: &Range, version: u64) -> Option<Arc<[(RawKey, Value)]>> {
        let kept = self.ranges.iter().find(|kept| kept.range == *range)?;
        (kept.from <= version).then(|| Arc::clone(&kept.entries))
    }

    pub(super) fn keep_range(&mut self, range: Range, from: u64, entries: Arc<[(RawKey, Value)]>) {
        if entries.len() > RANGE_ENTRIES {
            return;
        }
        self.ranges.retain(|kept| kept.range != range);
        if self.ranges.len() == RANGES {
            self.ranges.remove(0);
        }
        self.ranges.push(KeptRange { range, from, entries });
    }

    pub(super) fn clear(&mut self) {
        self.young.clear();
        self.old.clear();
        self.young_bytes = 0;
        self.ranges.clear();
    }
}
