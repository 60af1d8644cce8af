//! The store in memory: several versions per key, readers never wait for the updater of a writer.

use super::backend::{
    Backend, BackendError, Batch, BoxFuture, CommitError, Lookup, Range, Version, View, Want, Write,
};
use super::{Notice, RawKey, Value, WatchSource};
use std::collections::{BTreeMap, VecDeque};
use std::ops::Bound;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

/// Superseded values kept by default for open views before the oldest views become stale.
const HISTORY: usize = 1 << 20;

/// A back end without durability: tests, laboratories, and state that may be rebuilt.
///
/// Each key holds the values that open views can still see, newest last. A commit takes the write lock for the time of its
/// validation and its map updates; updaters run outside any lock.
#[derive(Debug)]
pub struct MemoryBackend {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    history: usize,
    state: RwLock<State>,
    /// Open views by version. Taken inside the state lock or alone, never the other way round.
    views: Mutex<BTreeMap<u64, usize>>,
    changes: WatchSource,
}

#[derive(Debug, Default)]
struct State {
    version: u64,
    keys: BTreeMap<RawKey, Chain>,
    /// Values superseded at a version, oldest first: to be dropped once no open view is older.
    superseded: VecDeque<(u64, RawKey)>,
    /// Views below this version have lost history.
    floor: u64,
}

/// The values of one key by the version that wrote them, ascending; `None` is a deletion.
#[derive(Debug)]
struct Chain(Vec<(u64, Option<Value>)>);

impl Chain {
    fn at(&self, version: u64) -> Option<&Value> {
        self.0.iter().rev().find(|(written, _)| *written <= version).and_then(|(_, value)| value.as_ref())
    }

    fn changed_after(&self, version: u64) -> bool {
        self.0.last().is_some_and(|(written, _)| *written > version)
    }

    /// Drops what no view at or after `oldest` sees; true when nothing is left.
    fn prune(&mut self, oldest: u64) -> bool {
        if let Some(visible) = self.0.iter().rposition(|(written, _)| *written <= oldest) {
            self.0.drain(..visible);
            if matches!(self.0.as_slice(), [(_, None)]) {
                self.0.clear();
            }
        }
        self.0.is_empty()
    }
}

impl Shared {
    // A panic cannot happen between two writes of a commit, so a poisoned lock guards whole state.
    fn read(&self) -> RwLockReadGuard<'_, State> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, State> {
        self.state.write().unwrap_or_else(PoisonError::into_inner)
    }

    fn views(&self) -> MutexGuard<'_, BTreeMap<u64, usize>> {
        self.views.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn oldest_view(&self, latest: u64) -> u64 {
        self.views().keys().next().copied().unwrap_or(latest)
    }
}

impl State {
    fn conflicts(&self, batch: &Batch) -> bool {
        let since = batch.version.get();
        // A read below the floor can no longer be checked: deletions after it may be forgotten.
        let unchecked = since < self.floor && !(batch.reads.is_empty() && batch.scans.is_empty());
        unchecked
            || batch
                .reads
                .iter()
                .any(|key| self.keys.get(key).is_some_and(|chain| chain.changed_after(since)))
            || batch
                .scans
                .iter()
                .any(|prefix| self.under(prefix, None).any(|(_, chain)| chain.changed_after(since)))
    }

    fn under<'a>(
        &'a self,
        prefix: &'a RawKey,
        after: Option<&RawKey>,
    ) -> impl Iterator<Item = (&'a RawKey, &'a Chain)> {
        let from = match after {
            Some(after) if after >= prefix => Bound::Excluded(after.clone()),
            _ => Bound::Included(prefix.clone()),
        };
        self.keys
            .range((from, Bound::Unbounded))
            .take_while(move |(key, _)| key.as_str().starts_with(prefix.as_str()))
    }

    fn put(&mut self, version: u64, key: RawKey, value: Option<Value>) {
        let chain = self.keys.entry(key.clone()).or_insert_with(|| Chain(Vec::with_capacity(1)));
        if !chain.0.is_empty() || value.is_none() {
            self.superseded.push_back((version, key));
        }
        chain.0.push((version, value));
    }

    /// Drops what no open view sees; with more than `history` values waiting, also what the oldest ones see.
    fn forget(&mut self, oldest: u64, history: usize) {
        while let Some((version, _)) = self.superseded.front() {
            if *version > oldest {
                if self.superseded.len() <= history {
                    return;
                }
                self.floor = *version;
            }
            let bound = oldest.max(self.floor);
            if let Some((_, key)) = self.superseded.pop_front()
                && self.keys.get_mut(&key).is_some_and(|chain| chain.prune(bound))
            {
                self.keys.remove(&key);
            }
        }
    }
}

impl MemoryBackend {
    /// An empty store.
    #[must_use]
    pub fn new() -> Self {
        Self::with_history(HISTORY)
    }

    /// An empty store that keeps at most `history` superseded values for open views; views that would need more become
    /// stale.
    #[must_use]
    pub fn with_history(history: usize) -> Self {
        Self {
            shared: Arc::new(Shared {
                history,
                state: RwLock::default(),
                views: Mutex::default(),
                changes: WatchSource::new(),
            }),
        }
    }

    /// An empty store that is filled with the records of another place, as of a version.
    #[cfg(feature = "redb")]
    pub(super) fn restored(version: Version, records: impl Iterator<Item = (RawKey, Value)>) -> Self {
        let backend = Self::new();
        let mut state = backend.shared.write();
        state.version = version.get();
        state.keys = records.map(|(key, value)| (key, Chain(vec![(version.get(), Some(value))]))).collect();
        drop(state);
        backend
    }

    fn commit_now(&self, batch: Batch) -> Result<Version, CommitError> {
        // Announced under the lock: notices are in commit order.
        self.commit_then(batch, |notice| self.shared.changes.announce(notice))
    }

    /// Commits a batch and hands its notice over instead of announcing it. Notices are handed over in commit order, under
    /// the lock of the state.
    pub(super) fn commit_then(
        &self,
        batch: Batch,
        then: impl FnOnce(Notice),
    ) -> Result<Version, CommitError> {
        let mut state = self.shared.write();
        if state.conflicts(&batch) {
            return Err(CommitError::Conflict);
        }
        let version = state.version + 1;
        let mut keys = Vec::with_capacity(batch.writes.len() + batch.stamped.len());
        for Write { key, value } in batch.writes {
            let absent = state.keys.get(&key).is_none_or(|chain| chain.at(version).is_none());
            if value.is_none() && absent {
                continue;
            }
            keys.push(key.clone());
            state.put(version, key, value);
        }
        for (index, write) in batch.stamped.into_iter().enumerate() {
            let key = write.key(Version::new(version), index);
            keys.push(key.clone());
            state.put(version, key, Some(write.value));
        }
        if keys.is_empty() {
            return Ok(Version::new(state.version));
        }
        state.version = version;
        let oldest = self.shared.oldest_view(version);
        state.forget(oldest, self.shared.history);
        then(Notice { version: Version::new(version), keys: keys.into() });
        Ok(Version::new(version))
    }

    /// Makes `to` the version of the store, where it is the greater one, and hands it over under the lock of the state.
    pub(super) fn raise_then(&self, to: Version, then: impl FnOnce(Version)) {
        let mut state = self.shared.write();
        if state.version < to.get() {
            state.version = to.get();
            then(to);
        }
    }

    /// The store as of the latest commit.
    pub(super) fn latest_view(&self) -> MemoryView {
        let state = self.shared.read();
        let version = state.version;
        *self.shared.views().entry(version).or_insert(0) += 1;
        drop(state);
        MemoryView { shared: Arc::clone(&self.shared), version }
    }

    /// The store as of an earlier commit. The caller holds a view that is at least as old: history is kept from the oldest
    /// view on.
    #[cfg(feature = "redb")]
    pub(super) fn view_at(&self, version: Version) -> MemoryView {
        let version = version.get();
        *self.shared.views().entry(version).or_insert(0) += 1;
        MemoryView { shared: Arc::clone(&self.shared), version }
    }
}

impl Default for MemoryBackend {
    fn default() -> Self {
        Self::new()
    }
}

impl Backend for MemoryBackend {
    fn view(&self) -> BoxFuture<'_, Result<Box<dyn View>, BackendError>> {
        let view = self.latest_view();
        Box::pin(core::future::ready(Ok(Box::new(view) as Box<dyn View>)))
    }

    fn commit(&self, batch: Batch) -> BoxFuture<'_, Result<Version, CommitError>> {
        Box::pin(core::future::ready(self.commit_now(batch)))
    }

    fn changes(&self) -> &WatchSource {
        &self.shared.changes
    }

    fn raise(&self, to: Version) -> BoxFuture<'_, Result<(), CommitError>> {
        self.raise_then(to, drop);
        Box::pin(core::future::ready(Ok(())))
    }
}

/// The store in memory at one version.
#[derive(Debug)]
pub(super) struct MemoryView {
    shared: Arc<Shared>,
    version: u64,
}

impl View for MemoryView {
    fn version(&self) -> Version {
        Version::new(self.version)
    }

    fn get(&self, key: &RawKey) -> Result<Lookup<Option<Value>>, BackendError> {
        let state = self.shared.read();
        if self.version < state.floor {
            return Err(BackendError::Stale);
        }
        Ok(Lookup::Known(state.keys.get(key).and_then(|chain| chain.at(self.version)).cloned()))
    }

    fn scan(&self, range: &Range) -> Result<Lookup<Vec<(RawKey, Value)>>, BackendError> {
        let state = self.shared.read();
        if self.version < state.floor {
            return Err(BackendError::Stale);
        }
        let entries = state
            .under(&range.prefix, range.after.as_ref())
            .filter_map(|(key, chain)| chain.at(self.version).map(|value| (key.clone(), value.clone())))
            .take(range.limit.unwrap_or(usize::MAX))
            .collect();
        Ok(Lookup::Known(entries))
    }

    fn load<'a>(&'a mut self, _wants: &'a [Want]) -> BoxFuture<'a, Result<(), BackendError>> {
        Box::pin(core::future::ready(Ok(())))
    }
}

impl Drop for MemoryView {
    fn drop(&mut self) {
        let mut views = self.shared.views();
        if let Some(count) = views.get_mut(&self.version) {
            *count -= 1;
            if *count == 0 {
                views.remove(&self.version);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(text: &str) -> RawKey {
        RawKey::from_stored(text)
    }

    fn put(backend: &MemoryBackend, name: &str, value: Option<&[u8]>) -> Version {
        let writes = vec![Write { key: key(name), value: value.map(Value::from) }];
        backend.commit_now(Batch { writes, ..Batch::default() }).unwrap()
    }

    async fn view(backend: &MemoryBackend) -> Box<dyn View> {
        backend.view().await.unwrap()
    }

    #[tokio::test]
    async fn history_is_kept_for_open_views_and_dropped_after_them() {
        let backend = MemoryBackend::new();
        put(&backend, "k/a", Some(&[0]));
        let old = view(&backend).await;
        for i in 1..100_u8 {
            put(&backend, "k/a", Some(&[i]));
        }
        put(&backend, "k/a", None);
        assert_eq!(old.get(&key("k/a")).unwrap(), Lookup::Known(Some(Value::from([0].as_slice()))));
        assert_eq!(backend.shared.read().keys[&key("k/a")].0.len(), 101);
        drop(old);
        put(&backend, "k/b", Some(&[1]));
        let state = backend.shared.read();
        assert!(!state.keys.contains_key(&key("k/a")));
        assert!(state.superseded.is_empty());
        assert!(backend.shared.views().is_empty());
    }

    #[tokio::test]
    async fn a_view_that_lost_its_history_says_stale() {
        let backend = MemoryBackend::with_history(10);
        put(&backend, "k/a", Some(&[0]));
        let old = view(&backend).await;
        for _ in 0..12 {
            put(&backend, "k/a", Some(&[1]));
        }
        assert_eq!(old.get(&key("k/a")), Err(BackendError::Stale));
        let batch = Batch { version: old.version(), reads: vec![key("k/absent")], ..Batch::default() };
        assert_eq!(backend.commit_now(batch), Err(CommitError::Conflict));
        assert!(backend.shared.read().superseded.len() <= 10);
    }

    #[tokio::test]
    async fn insert_and_delete_after_a_view_is_a_conflict_for_a_reader_of_the_absent_key() {
        let backend = MemoryBackend::new();
        let old = view(&backend).await;
        put(&backend, "k/a", Some(&[0]));
        put(&backend, "k/a", None);
        for (reads, scans) in [(vec![key("k/a")], vec![]), (vec![], vec![key("k/")])] {
            let batch = Batch { version: old.version(), reads, scans, ..Batch::default() };
            assert_eq!(backend.commit_now(batch), Err(CommitError::Conflict));
        }
    }
}
