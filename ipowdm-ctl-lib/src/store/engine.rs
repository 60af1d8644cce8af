//! The handle and the loop that runs updaters: conflicts, retries, deadlines.

use super::backend::{Backend, BackendError, Batch, CommitError, View};
use super::counts::{Run as Counted, StoreCounts};
use super::instances::{Instances, SharingView};
use super::transaction::difference;
use super::{
    Key, MemoryBackend, Prefix, RawKey, Record, SharedEntries, Snapshot, StoreError, Tx, Version, Watch,
    WatchSource,
};
use core::time::Duration;
use ipowdm_core::time::Timestamp;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};
use tokio::sync::{RwLock, RwLockReadGuard, RwLockWriteGuard};
use tokio::time::{Instant, timeout_at};

mod conversation;
mod turn;
mod walk;

pub use conversation::Answers;
pub use walk::Walk;

use turn::Turns;

/// Where a store takes wall time from. It is for display; nothing is decided by it.
#[derive(Debug, Clone, Copy)]
pub struct WallTime(pub fn() -> Timestamp);

impl Default for WallTime {
    /// The host's.
    fn default() -> Self {
        Self(|| {
            let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            Timestamp(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
        })
    }
}

impl PartialEq for WallTime {
    fn eq(&self, other: &Self) -> bool {
        core::ptr::fn_addr_eq(self.0, other.0)
    }
}

impl Eq for WallTime {}

/// How transactions are run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreOptions {
    /// Conflicts after which a transaction runs alone in this process.
    pub serialise_after: u32,
    /// Conflicts after which a transaction asks the transactions of all processes that have met a conflict to let it pass.
    pub turn_after: u32,
    /// How long one such request holds.
    pub turn: Duration,
    /// Runs after which a transaction fails with [`StoreError::RetryExceeded`].
    pub max_attempts: u32,
    /// Time after which a transaction fails with [`StoreError::Deadline`].
    pub deadline: Duration,
    /// Run every updater twice over the same view and refuse it where the two runs write different things.
    pub check_repeatable: bool,
    /// What [`Tx::time`] shows.
    pub wall_time: WallTime,
}

impl Default for StoreOptions {
    /// Alone in the process after 20 conflicts, before other processes after 50 for 100 ms at a time, given up after 160,
    /// deadline 60 s; updaters are checked in debug builds.
    fn default() -> Self {
        Self {
            serialise_after: 20,
            turn_after: 50,
            turn: Duration::from_millis(100),
            max_attempts: 160,
            deadline: Duration::from_secs(60),
            check_repeatable: cfg!(debug_assertions),
            wall_time: WallTime::default(),
        }
    }
}

/// The store: a cheap handle, to be cloned freely. Needs a tokio runtime with its timer enabled.
#[derive(Debug, Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    backend: Arc<dyn Backend>,
    options: StoreOptions,
    /// Shared by ordinary attempts, held alone by a transaction that has met too many conflicts. The lock is fair, so a
    /// contended transaction waits for the attempts under way, not for those to come. One per back end and process.
    gate: Arc<RwLock<()>>,
    turns: Arc<Turns>,
    /// `None` where the back end itself reads an unchanged key as the same value.
    instances: Option<Arc<Instances>>,
    counts: StoreCounts,
}

/// Held for the length of one attempt.
enum Pass<'a> {
    Shared(#[expect(dead_code, reason = "held for its lifetime")] RwLockReadGuard<'a, ()>),
    Alone(#[expect(dead_code, reason = "held for its lifetime")] RwLockWriteGuard<'a, ()>),
}

/// How one attempt ended.
enum Attempt<R, E> {
    Done(R, Version),
    Aborted(E),
    Conflict,
}

/// A run of the updater to its end, before anything is committed.
type Run<R, E> = (Result<R, E>, Batch);

/// Until when, and how much time was allowed.
#[derive(Debug, Clone, Copy)]
struct Deadline {
    at: Instant,
    limit: Duration,
}

impl Deadline {
    fn after(limit: Duration) -> Self {
        Self { at: Instant::now() + limit, limit }
    }

    fn check(self) -> Result<(), StoreError> {
        if Instant::now() < self.at { Ok(()) } else { Err(StoreError::Deadline { limit: self.limit }) }
    }

    async fn bound<T>(self, work: impl Future<Output = T>) -> Result<T, StoreError> {
        timeout_at(self.at, work).await.map_err(|_| StoreError::Deadline { limit: self.limit })
    }
}

impl Store {
    /// A store over a back end.
    #[must_use]
    pub fn new(backend: Arc<dyn Backend>, options: StoreOptions) -> Self {
        let (gate, turns) = (Arc::default(), Arc::default());
        let instances = (!backend.shares_values()).then(Arc::default);
        let counts = StoreCounts::default();
        Self { inner: Arc::new(Inner { backend, options, gate, turns, instances, counts }) }
    }

    /// A store in memory with the default options.
    #[must_use]
    pub fn memory() -> Self {
        Self::new(Arc::new(MemoryBackend::new()), StoreOptions::default())
    }

    /// A handle to the same store whose transactions run with other options.
    #[must_use]
    pub fn with_options(&self, change: impl FnOnce(&mut StoreOptions)) -> Self {
        let mut options = self.inner.options.clone();
        change(&mut options);
        let Inner { backend, gate, turns, instances, counts, .. } = &*self.inner;
        let (backend, gate, turns) = (Arc::clone(backend), Arc::clone(gate), Arc::clone(turns));
        let (instances, counts) = (instances.clone(), counts.clone());
        Self { inner: Arc::new(Inner { backend, options, gate, turns, instances, counts }) }
    }

    /// What this store has done in this process.
    #[must_use]
    pub fn counts(&self) -> &StoreCounts {
        &self.inner.counts
    }

    /// Runs a transaction, see [`Store::transact_versioned`].
    ///
    /// # Errors
    /// What the updater returns, or a [`StoreError`] as `E`.
    pub async fn transact<R, E, F>(&self, updater: F) -> Result<R, E>
    where
        F: FnMut(&mut Tx) -> Result<R, E>,
        E: From<StoreError>,
    {
        self.transact_versioned(updater).await.map(|(result, _)| result)
    }

    /// Runs a transaction and also answers the version it committed as (or read, where it wrote nothing).
    ///
    /// The updater may run several times; only the last run counts. It must depend on nothing but what it reads from the
    /// transaction and what it was given before. When it returns an error or panics, nothing is written.
    ///
    /// Dropping the future before it is ready leaves the transaction either committed whole or not at all.
    ///
    /// # Errors
    /// What the updater returns; [`StoreError::RetryExceeded`] after too many conflicts; [`StoreError::Deadline`];
    /// [`StoreError::Unavailable`] and [`StoreError::Indeterminate`] of the back end.
    pub async fn transact_versioned<R, E, F>(&self, mut updater: F) -> Result<(R, Version), E>
    where
        F: FnMut(&mut Tx) -> Result<R, E>,
        E: From<StoreError>,
    {
        // A back end that never waits must not keep the other tasks of this thread waiting.
        tokio::task::coop::consume_budget().await;
        let deadline = Deadline::after(self.inner.options.deadline);
        for attempt in 0..self.inner.options.max_attempts {
            self.inner.yield_to_others(attempt, deadline).await?;
            let pass = match self.inner.pass_at_once(attempt) {
                Some(pass) => pass,
                None => deadline.bound(self.inner.pass(attempt)).await?,
            };
            match self.inner.attempt(&mut updater, deadline).await.inspect_err(|_| self.inner.failed())? {
                Attempt::Done(result, version) => {
                    self.inner.end_turn(attempt).await;
                    return Ok((result, version));
                }
                Attempt::Aborted(error) => {
                    self.inner.end_turn(attempt).await;
                    return Err(error);
                }
                Attempt::Conflict => self.inner.counts.add(Counted::Conflict),
            }
            drop(pass);
            deadline.check().inspect_err(|_| self.inner.failed())?;
        }
        self.inner.failed();
        let attempts = self.inner.options.max_attempts;
        Err(StoreError::RetryExceeded { attempts }.into())
    }

    /// The store as of the latest commit, for reading.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`], or [`StoreError::Deadline`] where the back end does not answer in time.
    pub async fn snapshot(&self) -> Result<Snapshot, StoreError> {
        let limit = self.inner.options.deadline;
        let view = match self.inner.backend.view_at_once() {
            Some(view) => self.inner.sharing(view?),
            None => self.inner.view(Deadline::after(limit)).await?,
        };
        Ok(Snapshot::new(view, limit))
    }

    /// The latest value of one key.
    ///
    /// # Errors
    /// As [`Store::snapshot`] and [`Snapshot::get`].
    pub async fn get<T: Record>(&self, key: &Key<T>) -> Result<Option<T>, StoreError> {
        self.snapshot().await?.get(key).await
    }

    /// As [`Store::get`], but shares the record: every reader of an unchanged key gets the same instance.
    ///
    /// # Errors
    /// As [`Store::get`].
    pub async fn get_shared<T: Record>(&self, key: &Key<T>) -> Result<Option<Arc<T>>, StoreError> {
        self.snapshot().await?.get_shared(key).await
    }

    /// The latest records under a prefix, in key order.
    ///
    /// # Errors
    /// As [`Store::snapshot`] and [`Snapshot::scan`].
    pub async fn scan<T: Record>(&self, prefix: &Prefix<T>) -> Result<Vec<(Key<T>, T)>, StoreError> {
        self.snapshot().await?.scan(prefix).await
    }

    /// As [`Store::scan`], but shares the records.
    ///
    /// # Errors
    /// As [`Store::scan`].
    pub async fn scan_shared<T: Record>(&self, prefix: &Prefix<T>) -> Result<SharedEntries<T>, StoreError> {
        self.snapshot().await?.scan_shared(prefix).await
    }

    /// Watches the records under a prefix, from now on.
    #[must_use]
    pub fn watch<T: Record>(&self, prefix: &Prefix<T>) -> Watch {
        self.watch_raw(vec![prefix.raw().clone()])
    }

    /// Watches all keys that begin with one of these, from now on; an empty key watches everything.
    #[must_use]
    pub fn watch_raw(&self, prefixes: Vec<RawKey>) -> Watch {
        self.changes().subscribe(prefixes)
    }

    /// Watches these keys, from now on; what is watched may be changed.
    #[must_use]
    pub fn watch_keys(&self, keys: impl IntoIterator<Item = RawKey>) -> Watch {
        self.changes().subscribe_keys(keys)
    }

    pub(super) fn backend(&self) -> &dyn Backend {
        &*self.inner.backend
    }

    /// Where the back end announces commits.
    pub(super) fn changes(&self) -> &WatchSource {
        self.inner.backend.changes()
    }
}

impl Inner {
    fn failed(&self) {
        self.counts.add(Counted::Failed);
    }

    fn pass_at_once(&self, attempt: u32) -> Option<Pass<'_>> {
        if attempt < self.options.serialise_after {
            self.gate.try_read().ok().map(Pass::Shared)
        } else {
            self.gate.try_write().ok().map(Pass::Alone)
        }
    }

    async fn pass(&self, attempt: u32) -> Pass<'_> {
        if attempt < self.options.serialise_after {
            Pass::Shared(self.gate.read().await)
        } else {
            Pass::Alone(self.gate.write().await)
        }
    }

    fn sharing(&self, view: Box<dyn View>) -> Box<dyn View> {
        match &self.instances {
            Some(instances) => Box::new(SharingView::new(view, Arc::clone(instances))),
            None => view,
        }
    }

    async fn view(&self, deadline: Deadline) -> Result<Box<dyn View>, StoreError> {
        let view = match self.backend.view_at_once() {
            Some(view) => view?,
            None => deadline.bound(self.backend.view()).await??,
        };
        Ok(self.sharing(view))
    }

    /// The state that a transaction is to read.
    async fn draft(&self, deadline: Deadline) -> Result<Box<dyn View>, StoreError> {
        let view = match self.backend.view_at_once() {
            Some(view) => view?,
            None => deadline.bound(self.backend.draft()).await??,
        };
        Ok(self.sharing(view))
    }

    async fn attempt<R, E, F>(&self, updater: &mut F, deadline: Deadline) -> Result<Attempt<R, E>, StoreError>
    where
        F: FnMut(&mut Tx) -> Result<R, E>,
        E: From<StoreError>,
    {
        let mut tx = Tx::new(self.draft(deadline).await?, (self.options.wall_time.0)());
        let (outcome, batch) = loop {
            let run = run_once(updater, &mut tx);
            if tx.is_stale() {
                return Ok(Attempt::Conflict);
            }
            let wants = tx.take_wants();
            if wants.is_empty() {
                break run;
            }
            match deadline.bound(tx.view_mut().load(&wants)).await? {
                Err(BackendError::Stale) => return Ok(Attempt::Conflict),
                loaded => loaded?,
            }
        };
        let run = if self.options.check_repeatable {
            run_again(updater, &mut tx, (outcome, batch))?
        } else {
            (outcome, batch)
        };
        self.finish(tx, run, deadline).await
    }

    /// Commits what a run has written.
    async fn finish<R, E>(
        &self,
        mut tx: Tx,
        (outcome, batch): Run<R, E>,
        deadline: Deadline,
    ) -> Result<Attempt<R, E>, StoreError> {
        if outcome.is_err() || batch.is_empty() {
            // Nothing is committed, but the caller learns what was read: it must not be undone by a crash.
            match deadline.bound(tx.view_mut().settled()).await? {
                Err(super::BackendError::Stale) => return Ok(Attempt::Conflict),
                settled => settled?,
            }
        }
        let result = match outcome {
            Ok(result) => result,
            Err(error) => {
                self.counts.add(Counted::Aborted);
                return Ok(Attempt::Aborted(error));
            }
        };
        if batch.is_empty() {
            self.counts.add(Counted::Read);
            return Ok(Attempt::Done(result, batch.version));
        }
        deadline.check()?;
        let committed = match self.backend.commit_at_once(tx.view(), batch) {
            Ok(committed) => committed,
            Err(batch) => timeout_at(deadline.at, self.backend.commit(batch)).await.unwrap_or_else(|_| {
                let reason = format!("no answer within {:?}", deadline.limit);
                Err(CommitError::Indeterminate { reason })
            }),
        };
        // The view stays open until the commit is through: it keeps the history that the validation needs.
        drop(tx);
        match committed {
            Ok(version) => {
                self.counts.add(Counted::Committed);
                Ok(Attempt::Done(result, version))
            }
            Err(CommitError::Conflict) => Ok(Attempt::Conflict),
            Err(CommitError::Unavailable { reason }) => Err(StoreError::Unavailable { reason }),
            Err(CommitError::Indeterminate { reason }) => Err(StoreError::Indeterminate { reason }),
        }
    }
}

/// Runs the updater and takes out what it wrote.
fn run_once<R, E, F>(updater: &mut F, tx: &mut Tx) -> Run<R, E>
where
    F: FnMut(&mut Tx) -> Result<R, E>,
    E: From<StoreError>,
{
    let outcome = updater(tx);
    let failure = tx.take_failure();
    let batch = tx.take_batch();
    match failure {
        Some(error) if outcome.is_ok() => (Err(error.into()), batch),
        _ => (outcome, batch),
    }
}

/// Runs the updater once more over the same view and compares what it wrote.
fn run_again<R, E, F>(updater: &mut F, tx: &mut Tx, first: Run<R, E>) -> Result<Run<R, E>, StoreError>
where
    F: FnMut(&mut Tx) -> Result<R, E>,
    E: From<StoreError>,
{
    let (first_outcome, first_batch) = first;
    let (outcome, batch) = run_once(updater, tx);
    let fallback = || RawKey::from_stored("(result)");
    if outcome.is_ok() != first_outcome.is_ok() {
        return Err(StoreError::NotRepeatable { key: fallback() });
    }
    match difference(&first_batch, &batch) {
        Some(key) if outcome.is_ok() => Err(StoreError::NotRepeatable { key }),
        _ => Ok((outcome, batch)),
    }
}

#[cfg(test)]
mod tests;
