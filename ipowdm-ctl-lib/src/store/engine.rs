//! The handle and the loop that runs updaters: conflicts, retries, deadlines.

use super::backend::{Backend, CommitError};
use super::transaction::difference;
use super::{Batch, Key, MemoryBackend, Prefix, RawKey, Record, Snapshot, StoreError, Tx, Version, Watch};
use core::time::Duration;
use std::sync::Arc;
use tokio::sync::{RwLock, RwLockReadGuard, RwLockWriteGuard};
use tokio::time::{Instant, timeout_at};

/// How transactions are run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreOptions {
    /// Conflicts after which a transaction runs alone in this process.
    pub serialise_after: u32,
    /// Runs after which a transaction fails with [`StoreError::RetryExceeded`].
    pub max_attempts: u32,
    /// Time after which a transaction fails with [`StoreError::Deadline`].
    pub deadline: Duration,
    /// Run every updater twice over the same view and refuse it where the two runs write different things.
    pub check_repeatable: bool,
}

impl Default for StoreOptions {
    /// Serialised after 20 conflicts, given up after 160, deadline 60 s; updaters are checked in debug builds.
    fn default() -> Self {
        Self {
            serialise_after: 20,
            max_attempts: 160,
            deadline: Duration::from_secs(60),
            check_repeatable: cfg!(debug_assertions),
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
    /// contended transaction waits for the attempts under way, not for those to come. One per back end.
    gate: Arc<RwLock<()>>,
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

impl Store {
    /// A store over a back end.
    #[must_use]
    pub fn new(backend: Arc<dyn Backend>, options: StoreOptions) -> Self {
        let gate = Arc::new(RwLock::new(()));
        Self { inner: Arc::new(Inner { backend, options, gate }) }
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
        Self {
            inner: Arc::new(Inner {
                backend: Arc::clone(&self.inner.backend),
                options,
                gate: Arc::clone(&self.inner.gate),
            }),
        }
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
        let limit = self.inner.options.deadline;
        let deadline = Instant::now() + limit;
        for attempt in 0..self.inner.options.max_attempts {
            let pass =
                timeout_at(deadline, self.pass(attempt)).await.map_err(|_| StoreError::Deadline { limit })?;
            match self.attempt(&mut updater, deadline).await? {
                Attempt::Done(result, version) => return Ok((result, version)),
                Attempt::Aborted(error) => return Err(error),
                Attempt::Conflict => {}
            }
            drop(pass);
            if Instant::now() >= deadline {
                return Err(StoreError::Deadline { limit }.into());
            }
        }
        let attempts = self.inner.options.max_attempts;
        Err(StoreError::RetryExceeded { attempts }.into())
    }

    async fn pass(&self, attempt: u32) -> Pass<'_> {
        if attempt < self.inner.options.serialise_after {
            Pass::Shared(self.inner.gate.read().await)
        } else {
            Pass::Alone(self.inner.gate.write().await)
        }
    }

    async fn attempt<R, E, F>(&self, updater: &mut F, deadline: Instant) -> Result<Attempt<R, E>, StoreError>
    where
        F: FnMut(&mut Tx) -> Result<R, E>,
        E: From<StoreError>,
    {
        let limit = self.inner.options.deadline;
        let late = |_| StoreError::Deadline { limit };
        let view = timeout_at(deadline, self.inner.backend.draft()).await.map_err(late)??;
        let mut tx = Tx::new(view);
        let (outcome, batch) = loop {
            let outcome = updater(&mut tx);
            let wants = tx.take_wants();
            let batch = tx.take_batch();
            if tx.is_stale() {
                return Ok(Attempt::Conflict);
            }
            if wants.is_empty() {
                break (outcome, batch);
            }
            match timeout_at(deadline, tx.view_mut().load(&wants)).await.map_err(late)? {
                Err(super::BackendError::Stale) => return Ok(Attempt::Conflict),
                loaded => loaded?,
            }
        };
        let (outcome, batch) = if self.inner.options.check_repeatable {
            run_again(updater, &mut tx, (outcome, batch))?
        } else {
            (outcome, batch)
        };
        if outcome.is_err() || batch.is_empty() {
            // Nothing is committed, but the caller learns what was read: it must not be undone by a crash.
            timeout_at(deadline, tx.view_mut().settled()).await.map_err(late)??;
        }
        let result = match outcome {
            Ok(result) => result,
            Err(error) => return Ok(Attempt::Aborted(error)),
        };
        if batch.is_empty() {
            return Ok(Attempt::Done(result, batch.version));
        }
        if Instant::now() >= deadline {
            return Err(StoreError::Deadline { limit });
        }
        // The view stays open until the commit is through: it keeps the history that the validation needs.
        let committed = timeout_at(deadline, self.inner.backend.commit(batch)).await;
        drop(tx);
        match committed {
            Ok(Ok(version)) => Ok(Attempt::Done(result, version)),
            Ok(Err(CommitError::Conflict)) => Ok(Attempt::Conflict),
            Ok(Err(CommitError::Unavailable { reason })) => Err(StoreError::Unavailable { reason }),
            Ok(Err(CommitError::Indeterminate { reason })) => Err(StoreError::Indeterminate { reason }),
            Err(_) => Err(StoreError::Indeterminate { reason: format!("no answer within {limit:?}") }),
        }
    }

    /// The store as of the latest commit, for reading.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`], or [`StoreError::Deadline`] where the back end does not answer in time.
    pub async fn snapshot(&self) -> Result<Snapshot, StoreError> {
        let limit = self.inner.options.deadline;
        let view = timeout_at(Instant::now() + limit, self.inner.backend.view())
            .await
            .map_err(|_| StoreError::Deadline { limit })??;
        Ok(Snapshot::new(view, limit))
    }

    /// The latest value of one key.
    ///
    /// # Errors
    /// As [`Store::snapshot`] and [`Snapshot::get`].
    pub async fn get<T: Record>(&self, key: &Key<T>) -> Result<Option<T>, StoreError> {
        self.snapshot().await?.get(key).await
    }

    /// The latest records under a prefix, in key order.
    ///
    /// # Errors
    /// As [`Store::snapshot`] and [`Snapshot::scan`].
    pub async fn scan<T: Record>(&self, prefix: &Prefix<T>) -> Result<Vec<(Key<T>, T)>, StoreError> {
        self.snapshot().await?.scan(prefix).await
    }

    /// Watches the records under a prefix, from now on.
    #[must_use]
    pub fn watch<T: Record>(&self, prefix: &Prefix<T>) -> Watch {
        self.watch_raw(vec![prefix.raw().clone()])
    }

    /// Watches all keys that begin with one of these, from now on; an empty key watches everything.
    #[must_use]
    pub fn watch_raw(&self, prefixes: Vec<RawKey>) -> Watch {
        self.inner.backend.changes().subscribe(prefixes)
    }
}

/// Runs the updater once more over the same view and compares what it wrote.
fn run_again<R, E, F>(
    updater: &mut F,
    tx: &mut Tx,
    first: (Result<R, E>, Batch),
) -> Result<(Result<R, E>, Batch), StoreError>
where
    F: FnMut(&mut Tx) -> Result<R, E>,
{
    let (first_outcome, first_batch) = first;
    let outcome = updater(tx);
    let batch = tx.take_batch();
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
