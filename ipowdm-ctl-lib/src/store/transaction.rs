//! Transactions: a pure updater over a view, committed if what it read still holds.

use super::backend::{BackendError, Batch, Lookup, Range, StampedWrite, View, Want, Write};
use super::key_map::KeyMap;
use super::{Key, OutboxRecord, Prefix, RawKey, Record, SharedEntries, StoreError, Value, Version, record};
use ipowdm_core::time::Timestamp;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::Arc;

/// A transaction in the making: reads at one version, sees its own writes, changes nothing until it commits.
///
/// Pass errors of its methods on with `?`: one of them ([`StoreError::NotLoaded`]) asks the engine to fetch what was read
/// and to run the updater again.
pub struct Tx {
    view: Box<dyn View>,
    time: Timestamp,
    /// What was read, as the view has it.
    reads: KeyMap<Option<Value>>,
    scans: Vec<RawKey>,
    writes: KeyMap<Option<Value>>,
    stamped: Vec<StampedWrite>,
    wants: Vec<Want>,
    stale: bool,
    /// An error of a method that has no answer to carry it; it fails the transaction.
    failure: Option<StoreError>,
}

impl core::fmt::Debug for Tx {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Tx")
            .field("version", &self.view.version())
            .field("reads", &self.reads.iter().map(|(key, _)| key).collect::<Vec<_>>())
            .field("writes", &self.writes.iter().map(|(key, _)| key).collect::<Vec<_>>())
            .finish_non_exhaustive()
    }
}

impl Tx {
    pub(super) fn new(view: Box<dyn View>, time: Timestamp) -> Self {
        Self {
            view,
            time,
            reads: KeyMap::default(),
            scans: Vec::new(),
            writes: KeyMap::default(),
            stamped: Vec::new(),
            wants: Vec::new(),
            stale: false,
            failure: None,
        }
    }

    /// The version that is read. It grows from one incarnation of a thing to the next: whoever sees a thing deleted reads
    /// at a greater version than whoever created it.
    #[must_use]
    pub fn version(&self) -> Version {
        self.view.version()
    }

    /// Wall time at the beginning of this attempt, the same for every run of the updater in it. For display: clocks of hosts
    /// differ and are set.
    #[must_use]
    pub const fn time(&self) -> Timestamp {
        self.time
    }

    /// The value of a key as of this transaction, its own writes included; `None` when absent.
    ///
    /// # Errors
    /// [`StoreError`]; to be passed on.
    pub fn get<T: Record>(&mut self, key: &Key<T>) -> Result<Option<T>, StoreError> {
        let raw = key.raw();
        match self.value(raw)? {
            Some(bytes) => record::decode(raw, &bytes).map(Some),
            None => Ok(None),
        }
    }

    /// As [`Tx::get`], but shares the record: every reader of an unchanged key gets the same instance, and reading it again
    /// costs no decoding.
    ///
    /// # Errors
    /// [`StoreError`]; to be passed on.
    pub fn get_shared<T: Record>(&mut self, key: &Key<T>) -> Result<Option<Arc<T>>, StoreError> {
        let raw = key.raw();
        self.known(raw)?.map(|bytes| record::decode_shared(raw, bytes)).transpose()
    }

    /// The records under these keys, as [`Tx::get`] reads them, in their order. What has to be fetched is fetched in one
    /// go.
    ///
    /// # Errors
    /// [`StoreError`]; to be passed on.
    pub fn get_many<T: Record>(&mut self, keys: &[Key<T>]) -> Result<Vec<Option<T>>, StoreError> {
        self.values(keys)?
            .into_iter()
            .zip(keys)
            .map(|(value, key)| value.map(|bytes| record::decode(key.raw(), &bytes)).transpose())
            .collect()
    }

    /// As [`Tx::get_many`], but shares the records as [`Tx::get_shared`] does.
    ///
    /// # Errors
    /// [`StoreError`]; to be passed on.
    pub fn get_many_shared<T: Record>(&mut self, keys: &[Key<T>]) -> Result<Vec<Option<Arc<T>>>, StoreError> {
        self.values(keys)?
            .into_iter()
            .zip(keys)
            .map(|(value, key)| value.map(|bytes| record::decode_shared(key.raw(), &bytes)).transpose())
            .collect()
    }

    fn values<T: Record>(&mut self, keys: &[Key<T>]) -> Result<Vec<Option<Value>>, StoreError> {
        let mut values = Vec::with_capacity(keys.len());
        let mut missing = false;
        for key in keys {
            match self.value(key.raw()) {
                Ok(value) => values.push(value),
                Err(StoreError::NotLoaded) => missing = true,
                Err(error) => return Err(error),
            }
        }
        if missing { Err(StoreError::NotLoaded) } else { Ok(values) }
    }

    /// The stored value of a key, own writes included.
    pub(super) fn value(&mut self, raw: &RawKey) -> Result<Option<Value>, StoreError> {
        self.known(raw).map(Option::<&Value>::cloned)
    }

    /// As [`Tx::value`], where it is kept.
    fn known(&mut self, raw: &RawKey) -> Result<Option<&Value>, StoreError> {
        if let Some(place) = self.writes.place(raw) {
            return Ok(self.writes.at(place).and_then(Option::as_ref));
        }
        if let Some(place) = self.reads.place(raw) {
            return Ok(self.reads.at(place).and_then(Option::as_ref));
        }
        match self.view.get(raw) {
            Ok(Lookup::Known(value)) => Ok(self.reads.add(raw.clone(), value).as_ref()),
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

    /// The stored values under a prefix in key order, own writes included.
    pub(super) fn values_under(&mut self, prefix: &RawKey) -> Result<Vec<(RawKey, Value)>, StoreError> {
        let range = Range { prefix: prefix.clone(), after: None, limit: None };
        if !self.scans.contains(prefix) {
            self.scans.push(prefix.clone());
        }
        let stored = match self.view.scan(&range) {
            Ok(Lookup::Known(entries)) => entries,
            Ok(Lookup::NotLoaded) => return Err(self.want(Want::Range(range))),
            Err(error) => return Err(self.failed(error)),
        };
        let mut own =
            self.writes.iter().filter(|(key, _)| key.as_str().starts_with(prefix.as_str())).peekable();
        if own.peek().is_none() {
            return Ok(stored);
        }
        let mut entries: BTreeMap<RawKey, Value> = stored.into_iter().collect();
        for (key, value) in own {
            match value {
                Some(value) => entries.insert(key.clone(), value.clone()),
                None => entries.remove(key),
            };
        }
        Ok(entries.into_iter().collect())
    }

    /// Writes a record, and the entries of its indexes.
    ///
    /// # Errors
    /// [`StoreError::Encode`] where the value has no stored form; [`StoreError::Duplicate`] where another record has the
    /// value of a unique index; where the type has indexes, as [`Tx::get`].
    pub fn put<T: Record>(&mut self, key: &Key<T>, value: &T) -> Result<(), StoreError> {
        let bytes = record::encode(key.raw(), value)?;
        self.reindex(key, Some(value))?;
        self.writes.insert(key.raw().clone(), Some(bytes));
        Ok(())
    }

    /// As [`Tx::put`]; readers that share get this instance.
    ///
    /// # Errors
    /// As [`Tx::put`].
    pub fn put_shared<T: Record>(&mut self, key: &Key<T>, value: Arc<T>) -> Result<(), StoreError> {
        self.reindex(key, Some(&*value))?;
        let bytes = record::encode_shared(key.raw(), value)?;
        self.writes.insert(key.raw().clone(), Some(bytes));
        Ok(())
    }

    /// As [`Tx::put`], for a record that has its stored form already.
    pub(crate) fn put_stored<T: Record>(&mut self, key: &Key<T>, value: Value) {
        const { assert!(T::INDEXES.is_empty(), "the entries of indexes follow from the record") };
        self.write(key.raw().clone(), Some(value));
    }

    /// Deletes a record, the entries of its indexes and its lease; nothing happens where it is absent.
    ///
    /// Where the entries or the lease cannot be read, the transaction fails with that error.
    pub fn delete<T: Record>(&mut self, key: &Key<T>) {
        let indexes = self.reindex(key, None);
        let lease = if T::LEASED { self.end_lease(key) } else { Ok(()) };
        match indexes.and(lease) {
            // What has to be loaded is, and the updater runs again.
            Ok(()) | Err(StoreError::NotLoaded) => {}
            Err(error) => self.failure = self.failure.take().or(Some(error)),
        }
        self.write(key.raw().clone(), None);
    }

    /// Writes or deletes what is stored under a key, as it is.
    pub(super) fn write(&mut self, key: RawKey, value: Option<Value>) {
        self.writes.insert(key, value);
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
        self.writes.contains(key.raw())
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

    /// The view, for the back end to commit by.
    pub(super) fn view(&self) -> &dyn View {
        &*self.view
    }

    /// Whether something would be committed.
    #[cfg(any(test, feature = "conformance"))]
    pub(super) fn has_writes(&self) -> bool {
        self.writes.iter().next().is_some() || !self.stamped.is_empty()
    }

    /// An error that the updater did not see.
    pub(super) const fn take_failure(&mut self) -> Option<StoreError> {
        self.failure.take()
    }

    /// Takes out what was written and makes the transaction ready for another run over the same view.
    pub(super) fn take_batch(&mut self) -> Batch {
        let mut writes: Vec<Write> =
            self.writes.take().into_iter().map(|(key, value)| Write { key, value }).collect();
        writes.sort_unstable_by(|a, b| a.key.cmp(&b.key));
        Batch {
            version: self.view.version(),
            reads: self.reads.take().into_iter().map(|(key, _)| key).collect(),
            scans: core::mem::take(&mut self.scans),
            writes,
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
