//! Transactions: a pure updater over a view, committed if what it read still holds.

use super::backend::{BackendError, Batch, Lookup, Range, StampedWrite, View, Want, Write};
use super::{Key, OutboxRecord, Prefix, RawKey, Record, SharedEntries, StoreError, Value, Version, record};
use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// A transaction in the making: reads at one version, sees its own writes, changes nothing until it commits.
///
/// Pass errors of its methods on with `?`: one of them ([`StoreError::NotLoaded`]) asks the engine to fetch what was read
/// and to run the updater again.
pub struct Tx {
    view: Box<dyn View>,
    reads: BTreeSet<RawKey>,
    scans: BTreeSet<RawKey>,
    writes: BTreeMap<RawKey, Option<Value>>,
    stamped: Vec<StampedWrite>,
    wants: Vec<Want>,
    stale: bool,
}

impl core::fmt::Debug for Tx {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Tx")
            .field("version", &self.view.version())
            .field("reads", &self.reads)
            .field("writes", &self.writes.keys())
            .finish_non_exhaustive()
    }
}

impl Tx {
    pub(super) fn new(view: Box<dyn View>) -> Self {
        Self {
            view,
            reads: BTreeSet::new(),
            scans: BTreeSet::new(),
            writes: BTreeMap::new(),
            stamped: Vec::new(),
            wants: Vec::new(),
            stale: false,
        }
    }

    /// The version that is read. It grows from one incarnation of a thing to the next: whoever sees a thing deleted reads
    /// at a greater version than whoever created it.
    #[must_use]
    pub fn version(&self) -> Version {
        self.view.version()
    }

    /// The value of a key as of this transaction, its own writes included; `None` when absent.
    ///
    /// # Errors
    /// [`StoreError`]; to be passed on.
    pub fn get<T: Record>(&mut self, key: &Key<T>) -> Result<Option<T>, StoreError> {
        let raw = key.raw();
        self.value(raw)?.map(|bytes| record::decode(raw, &bytes)).transpose()
    }

    /// As [`Tx::get`], but shares the record: every reader of an unchanged key gets the same instance, and reading it again
    /// costs no decoding.
    ///
    /// # Errors
    /// [`StoreError`]; to be passed on.
    pub fn get_shared<T: Record>(&mut self, key: &Key<T>) -> Result<Option<Arc<T>>, StoreError> {
        let raw = key.raw();
        self.value(raw)?.map(|bytes| record::decode_shared(raw, &bytes)).transpose()
    }

    fn value(&mut self, raw: &RawKey) -> Result<Option<Value>, StoreError> {
        if let Some(written) = self.writes.get(raw) {
            return Ok(written.clone());
        }
        if !self.reads.contains(raw) {
            self.reads.insert(raw.clone());
        }
        match self.view.get(raw) {
            Ok(Lookup::Known(value)) => Ok(value),
            Ok(Lookup::NotLoaded) => Err(self.want(Want::Key(raw.clone()))),
            Err(error) => Err(self.failed(error)),
        }
    }

    /// All records under a prefix in key order, own writes included. A key that appears, changes or goes under the prefix
    /// before the commit is a conflict.
    ///
    /// # Errors
    /// [`StoreError`]; to be passed on.
    pub fn scan<T: Record>(&mut self, prefix: &Prefix<T>) -> Result<Vec<(Key<T>, T)>, StoreError> {
        record::typed(self.values_under(prefix.raw())?, |key, bytes| record::decode(key, bytes))
    }

    /// As [`Tx::scan`], but shares the records as [`Tx::get_shared`] does.
    ///
    /// # Errors
    /// [`StoreError`]; to be passed on.
    pub fn scan_shared<T: Record>(&mut self, prefix: &Prefix<T>) -> Result<SharedEntries<T>, StoreError> {
        record::typed(self.values_under(prefix.raw())?, record::decode_shared)
    }

    fn values_under(&mut self, prefix: &RawKey) -> Result<Vec<(RawKey, Value)>, StoreError> {
        let range = Range { prefix: prefix.clone(), after: None, limit: None };
        self.scans.insert(range.prefix.clone());
        let stored = match self.view.scan(&range) {
            Ok(Lookup::Known(entries)) => entries,
            Ok(Lookup::NotLoaded) => return Err(self.want(Want::Range(range))),
            Err(error) => return Err(self.failed(error)),
        };
        let mut entries: BTreeMap<RawKey, Value> = stored.into_iter().collect();
        for (key, value) in self.writes.range(range.prefix.clone()..) {
            if !key.as_str().starts_with(range.prefix.as_str()) {
                break;
            }
            match value {
                Some(value) => entries.insert(key.clone(), value.clone()),
                None => entries.remove(key),
            };
        }
        Ok(entries.into_iter().collect())
    }

    /// Writes a record.
    ///
    /// # Errors
    /// [`StoreError::Encode`] where the value has no stored form.
    pub fn put<T: Record>(&mut self, key: &Key<T>, value: &T) -> Result<(), StoreError> {
        let bytes = record::encode(key.raw(), value)?;
        self.writes.insert(key.raw().clone(), Some(bytes));
        Ok(())
    }

    /// As [`Tx::put`]; readers that share get this instance.
    ///
    /// # Errors
    /// [`StoreError::Encode`] where the value has no stored form.
    pub fn put_shared<T: Record>(&mut self, key: &Key<T>, value: Arc<T>) -> Result<(), StoreError> {
        let bytes = record::encode_shared(key.raw(), value)?;
        self.writes.insert(key.raw().clone(), Some(bytes));
        Ok(())
    }

    /// Deletes a record; nothing happens where it is absent.
    pub fn delete<T: Record>(&mut self, key: &Key<T>) {
        self.writes.insert(key.raw().clone(), None);
    }

    /// Puts a message into the outbox: it is published after this transaction has committed, at least once, in order with
    /// the other messages of its topic and key.
    ///
    /// # Errors
    /// [`StoreError::Encode`] where the message has no stored form.
    pub fn publish(&mut self, message: &OutboxRecord) -> Result<(), StoreError> {
        let value = record::encode(&RawKey::from_stored(OutboxRecord::KIND), message)?;
        self.stamped.push(StampedWrite { kind: OutboxRecord::KIND, value });
        Ok(())
    }

    /// Whether this transaction has written or deleted the record: what is derived from it is not committed state.
    #[must_use]
    pub fn has_written<T: Record>(&self, key: &Key<T>) -> bool {
        self.writes.contains_key(key.raw())
    }

    fn want(&mut self, want: Want) -> StoreError {
        self.wants.push(want);
        StoreError::NotLoaded
    }

    fn failed(&mut self, error: BackendError) -> StoreError {
        self.stale |= error == BackendError::Stale;
        StoreError::from(error)
    }

    /// Whether the view had lost its history when it was read.
    pub(super) const fn is_stale(&self) -> bool {
        self.stale
    }

    /// What must be loaded before the updater can run to its end.
    pub(super) fn take_wants(&mut self) -> Vec<Want> {
        core::mem::take(&mut self.wants)
    }

    pub(super) fn view_mut(&mut self) -> &mut dyn View {
        &mut *self.view
    }

    /// Takes out what was written and makes the transaction ready for another run over the same view.
    pub(super) fn take_batch(&mut self) -> Batch {
        Batch {
            version: self.view.version(),
            reads: core::mem::take(&mut self.reads).into_iter().collect(),
            scans: core::mem::take(&mut self.scans).into_iter().collect(),
            writes: core::mem::take(&mut self.writes)
                .into_iter()
                .map(|(key, value)| Write { key, value })
                .collect(),
            stamped: core::mem::take(&mut self.stamped),
        }
    }
}

/// The first key that two runs of one updater wrote differently.
pub(super) fn difference(first: &Batch, second: &Batch) -> Option<RawKey> {
    if first.writes == second.writes && first.stamped == second.stamped {
        return None;
    }
    let mut seen: BTreeMap<&RawKey, &Option<Value>> =
        first.writes.iter().map(|w| (&w.key, &w.value)).collect();
    for write in &second.writes {
        match seen.entry(&write.key) {
            Entry::Occupied(entry) if *entry.get() == &write.value => {
                entry.remove();
            }
            _ => return Some(write.key.clone()),
        }
    }
    let left = seen.keys().next().map(|key| (*key).clone());
    Some(left.unwrap_or_else(|| RawKey::from_stored(OutboxRecord::KIND)))
}
