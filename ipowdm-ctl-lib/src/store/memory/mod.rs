//! The store in memory: several versions per key, readers never wait for the updater of a writer.
//!
//! Records lie in shards by the hash of their key, for reads and for what a commit checks; beside them the keys of each kind
//! lie in order, for scans. Commits go one after the other through one short critical section. Since every value carries the
//! version that wrote it, a reader of version *n* may look at the shards while *n + 1* is written there.

mod chain;
mod kinds;
#[cfg(test)]
mod tests;
mod views;

use super::backend::{
    Backend, BackendError, Batch, BoxFuture, CommitError, Lookup, Range, Version, View, Want, Write,
};
use super::key::KeyHash;
use super::{Notice, RawKey, Value, WatchOptions, WatchSource};
use chain::{Chain, Replaced};
use kinds::Kinds;
use std::collections::hash_map::Entry;
use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use views::Views;

/// Superseded values kept by default for open views before the oldest views become stale.
const HISTORY: usize = 1 << 20;

/// Shards of the records.
const SHARDS: usize = 64;

/// Superseded values dropped by one commit at most, so that the end of a long view does not hold up the next commit.
const SWEEP: usize = 1024;

/// Keys taken from the order at a time, so that a long scan does not hold up commits.
const CHUNK: usize = 512;

/// A back end without durability: tests, laboratories, and state that may be rebuilt.
///
/// Each key holds the values that open views can still see. A commit holds the lock for the time of its validation and its
/// map updates; updaters run outside any lock.
#[derive(Debug)]
pub struct MemoryBackend {
    shared: Arc<Shared>,
}

type Shard = HashMap<RawKey, Chain, KeyHash>;

#[derive(Debug)]
struct Shared {
    history: usize,
    /// Locked one at a time, inside `central` or alone.
    shards: Vec<RwLock<Shard>>,
    kinds: Kinds,
    central: Mutex<Central>,
    /// Views below this version have lost history. Raised before the history is dropped.
    floor: AtomicU64,
    changes: WatchSource,
}

/// What commits and views take turns for.
#[derive(Debug, Default)]
struct Central {
    version: u64,
    views: Views,
    /// Values superseded at a version, oldest first: to be dropped once no open view is older.
    superseded: VecDeque<(u64, RawKey)>,
    /// A read below this version cannot be checked any more: a deletion after it may be forgotten.
    unchecked: u64,
}

// What the locks guard is whole between any two statements, so a poisoned one is as good as another.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn read<T>(lock: &RwLock<T>) -> RwLockReadGuard<'_, T> {
    lock.read().unwrap_or_else(PoisonError::into_inner)
}

fn write<T>(lock: &RwLock<T>) -> RwLockWriteGuard<'_, T> {
    lock.write().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    fn shard(&self, key: &RawKey) -> &RwLock<Shard> {
        // The maps within the shards use other bits of the hash.
        let place = usize::try_from(key.hash_code() >> 32 & (SHARDS as u64 - 1)).unwrap_or(0);
        &self.shards[place]
    }

    fn changed_after(&self, key: &RawKey, version: u64) -> bool {
        read(self.shard(key)).get(key).is_some_and(|chain| chain.changed_after(version))
    }

    fn conflicts(&self, central: &Central, batch: &Batch) -> bool {
        let since = batch.version.get();
        if since == central.version {
            return false;
        }
        let unchecked = since < central.unchecked && !(batch.reads.is_empty() && batch.scans.is_empty());
        unchecked
            || batch.reads.iter().any(|key| self.changed_after(key, since))
            || batch.scans.iter().any(|prefix| self.range_changed_after(prefix, since))
    }

    fn range_changed_after(&self, prefix: &RawKey, since: u64) -> bool {
        self.kinds.under(prefix.as_str()).into_iter().filter(|kind| kind.changed_after(since)).any(|kind| {
            let mut after = None;
            loop {
                let keys = kind.keys(prefix.as_str(), after.as_ref(), CHUNK);
                if keys.iter().any(|key| self.changed_after(key, since)) {
                    return true;
                }
                if keys.len() < CHUNK {
                    return false;
                }
                after = keys.last().cloned();
            }
        })
    }

    /// Writes one value; answers whether something has changed. What is replaced goes to `garbage`, to be dropped outside
    /// the lock.
    fn put(
        &self,
        central: &mut Central,
        write: Stored,
        keep: bool,
        garbage: &mut Vec<Option<Value>>,
    ) -> bool {
        let Stored { version, key, value } = write;
        let mut shard = self::write(self.shard(&key));
        match shard.entry(key) {
            Entry::Vacant(entry) => {
                let Some(value) = value else { return false };
                let kind = self.kinds.of(entry.key());
                kind.add(entry.key(), version);
                entry.insert(Chain::new(version, value, kind));
            }
            Entry::Occupied(mut entry) => {
                let deleted = value.is_none();
                match entry.get_mut().put(version, value, keep) {
                    Replaced::Nothing => return false,
                    Replaced::Kept => central.superseded.push_back((version, entry.key().clone())),
                    Replaced::Dropped(old) => {
                        garbage.push(old);
                        if deleted {
                            central.unchecked = version;
                            let (key, chain) = entry.remove_entry();
                            chain.kind().remove(&key);
                        }
                    }
                }
            }
        }
        true
    }

    /// Drops what no open view sees; with more than `history` values waiting, also what the oldest ones see.
    fn forget(&self, central: &mut Central, garbage: &mut Vec<Option<Value>>) {
        let oldest = central.views.oldest().unwrap_or(central.version);
        for _ in 0..SWEEP {
            let Some((version, _)) = central.superseded.front() else { return };
            let (mut bound, version) = (oldest, *version);
            if version > oldest {
                if central.superseded.len() <= self.history {
                    return;
                }
                bound = version;
                self.floor.fetch_max(version, Ordering::SeqCst);
                central.unchecked = central.unchecked.max(version);
            }
            let bound = bound.max(self.floor.load(Ordering::SeqCst));
            if let Some((_, key)) = central.superseded.pop_front() {
                let mut shard = write(self.shard(&key));
                if let Entry::Occupied(mut entry) = shard.entry(key)
                    && entry.get_mut().prune(bound, garbage)
                {
                    central.unchecked = central.unchecked.max(entry.get().version());
                    let (key, chain) = entry.remove_entry();
                    chain.kind().remove(&key);
                }
            }
        }
    }
}

/// One value to be written.
struct Stored {
    version: u64,
    key: RawKey,
    value: Option<Value>,
}

/// What a commit tells of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Tell {
    Nobody,
    Notice,
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
        Self::with(history, WatchOptions::default())
    }

    /// An empty store whose watches have other limits.
    #[must_use]
    pub fn with_watch_options(options: WatchOptions) -> Self {
        Self::with(HISTORY, options)
    }

    fn with(history: usize, options: WatchOptions) -> Self {
        Self {
            shared: Arc::new(Shared {
                history,
                shards: (0..SHARDS).map(|_| RwLock::default()).collect(),
                kinds: Kinds::default(),
                central: Mutex::default(),
                floor: AtomicU64::new(0),
                changes: WatchSource::with_options(options),
            }),
        }
    }

    /// An empty store that is filled with the records of another place, as of a version.
    #[cfg(feature = "redb")]
    pub(super) fn restored(version: Version, records: impl Iterator<Item = (RawKey, Value)>) -> Self {
        let backend = Self::new();
        let mut central = lock(&backend.shared.central);
        central.version = version.get();
        for (key, value) in records {
            let write = Stored { version: version.get(), key, value: Some(value) };
            backend.shared.put(&mut central, write, false, &mut Vec::new());
        }
        drop(central);
        backend
    }

    fn commit_now(&self, batch: Batch, own_view: bool) -> Result<Version, CommitError> {
        // Nobody is told where nobody watches; who begins to watch now learns of later commits.
        let tell = if self.shared.changes.watchers() == 0 { Tell::Nobody } else { Tell::Notice };
        // Queued under the lock, so in commit order; delivered outside.
        let version = self.apply(batch, own_view, tell, |notice| self.shared.changes.queue(notice))?;
        if tell == Tell::Notice {
            self.shared.changes.deliver();
        }
        Ok(version)
    }

    /// Commits a batch and hands its notice over instead of announcing it. Notices are handed over in commit order, under
    /// the lock of the state.
    #[cfg(feature = "redb")]
    pub(super) fn commit_then(
        &self,
        batch: Batch,
        then: impl FnOnce(Notice),
    ) -> Result<Version, CommitError> {
        self.apply(batch, false, Tell::Notice, then)
    }

    /// `own_view`: the view of the batch is open and will not be read any more, so no history is kept for it.
    fn apply(
        &self,
        batch: Batch,
        own_view: bool,
        tell: Tell,
        then: impl FnOnce(Notice),
    ) -> Result<Version, CommitError> {
        let shared = &*self.shared;
        let Batch { version: since, reads, scans, writes, stamped } = batch;
        let count = writes.len() + stamped.len();
        // All that is not needed is dropped after the lock.
        let checked = Batch { version: since, reads, scans, ..Batch::default() };
        let mut garbage = Vec::with_capacity(count);
        let mut keys = Vec::with_capacity(if tell == Tell::Notice { count } else { 0 });
        let mut central = lock(&shared.central);
        if shared.conflicts(&central, &checked) {
            return Err(CommitError::Conflict);
        }
        let version = central.version + 1;
        let keep = central.views.others(own_view.then_some(since.get()));
        let stamped = stamped
            .into_iter()
            .enumerate()
            .map(|(index, write)| (write.key(Version::new(version), index), Some(write.value)));
        let mut changed = false;
        for (key, value) in writes.into_iter().map(|Write { key, value }| (key, value)).chain(stamped) {
            let told = (tell == Tell::Notice).then(|| key.clone());
            if shared.put(&mut central, Stored { version, key, value }, keep, &mut garbage) {
                changed = true;
                keys.extend(told);
            }
        }
        if !changed {
            return Ok(Version::new(central.version));
        }
        central.version = version;
        shared.forget(&mut central, &mut garbage);
        if tell == Tell::Notice {
            then(Notice { version: Version::new(version), keys: keys.into() });
        }
        drop(central);
        Ok(Version::new(version))
    }

    /// Makes `to` the version of the store, where it is the greater one, and hands it over under the lock of the state.
    pub(super) fn raise_then(&self, to: Version, then: impl FnOnce(Version)) {
        let mut central = lock(&self.shared.central);
        if central.version < to.get() {
            central.version = to.get();
            then(to);
        }
    }

    /// The store as of the latest commit.
    pub(super) fn latest_view(&self) -> MemoryView {
        let mut central = lock(&self.shared.central);
        let version = central.version;
        central.views.open(version);
        drop(central);
        MemoryView { shared: Arc::clone(&self.shared), version }
    }

    /// The store as of an earlier commit. The caller holds a view that is at least as old: history is kept from the oldest
    /// view on.
    #[cfg(feature = "redb")]
    pub(super) fn view_at(&self, version: Version) -> MemoryView {
        let version = version.get();
        lock(&self.shared.central).views.open(version);
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
        Box::pin(core::future::ready(self.commit_now(batch, false)))
    }

    fn changes(&self) -> &WatchSource {
        &self.shared.changes
    }

    fn view_at_once(&self) -> Option<Result<Box<dyn View>, BackendError>> {
        Some(Ok(Box::new(self.latest_view())))
    }

    fn commit_at_once(&self, _view: &dyn View, batch: Batch) -> Result<Result<Version, CommitError>, Batch> {
        Ok(self.commit_now(batch, true))
    }

    fn raise(&self, to: Version) -> BoxFuture<'_, Result<(), CommitError>> {
        self.raise_then(to, drop);
        Box::pin(core::future::ready(Ok(())))
    }

    fn shares_values(&self) -> bool {
        true
    }
}

/// The store in memory at one version.
#[derive(Debug)]
pub(super) struct MemoryView {
    shared: Arc<Shared>,
    version: u64,
}

impl MemoryView {
    fn value(&self, key: &RawKey) -> Option<Value> {
        read(self.shared.shard(key)).get(key).and_then(|chain| chain.at(self.version)).cloned()
    }

    /// To be asked after reading: history is dropped after the floor has been raised.
    fn is_stale(&self) -> bool {
        self.version < self.shared.floor.load(Ordering::SeqCst)
    }
}

impl View for MemoryView {
    fn version(&self) -> Version {
        Version::new(self.version)
    }

    fn get(&self, key: &RawKey) -> Result<Lookup<Option<Value>>, BackendError> {
        let value = self.value(key);
        if self.is_stale() { Err(BackendError::Stale) } else { Ok(Lookup::Known(value)) }
    }

    fn scan(&self, range: &Range) -> Result<Lookup<Vec<(RawKey, Value)>>, BackendError> {
        let limit = range.limit.unwrap_or(usize::MAX);
        let mut entries = Vec::new();
        for kind in self.shared.kinds.under(range.prefix.as_str()) {
            let mut after = range.after.clone();
            // Keys that come meanwhile have no value at this version, and those that go had none that a view sees.
            while entries.len() < limit {
                let chunk = CHUNK.min(limit - entries.len());
                let keys = kind.keys(range.prefix.as_str(), after.as_ref(), chunk);
                after = keys.last().cloned();
                let all = keys.len() < chunk;
                entries.extend(keys.into_iter().filter_map(|key| self.value(&key).map(|value| (key, value))));
                if all {
                    break;
                }
            }
        }
        if self.is_stale() { Err(BackendError::Stale) } else { Ok(Lookup::Known(entries)) }
    }

    fn load<'a>(&'a mut self, _wants: &'a [Want]) -> BoxFuture<'a, Result<(), BackendError>> {
        Box::pin(core::future::ready(Ok(())))
    }
}

impl Drop for MemoryView {
    fn drop(&mut self) {
        lock(&self.shared.central).views.close(self.version);
    }
}
