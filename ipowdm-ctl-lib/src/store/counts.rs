//! What a store has done in this process.

use super::outbox::RelayCounts;
use core::sync::atomic::{AtomicU64, Ordering};
use std::sync::Arc;

/// The figures of a store, over all handles to it in this process; clones show the same figures.
#[derive(Debug, Clone, Default)]
pub struct StoreCounts {
    figures: Arc<Figures>,
    relay: RelayCounts,
}

#[derive(Debug, Default)]
struct Figures {
    committed: AtomicU64,
    read: AtomicU64,
    aborted: AtomicU64,
    conflicts: AtomicU64,
    failed: AtomicU64,
}

/// What became of a run of an updater.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Run {
    /// It wrote, and that was committed.
    Committed,
    /// It wrote nothing.
    Read,
    /// The updater refused.
    Aborted,
    /// Something that it had read was changed before it could commit.
    Conflict,
    /// The back end failed, or the deadline passed.
    Failed,
}

impl StoreCounts {
    pub(super) fn add(&self, run: Run) {
        let figures = &*self.figures;
        let counter = match run {
            Run::Committed => &figures.committed,
            Run::Read => &figures.read,
            Run::Aborted => &figures.aborted,
            Run::Conflict => &figures.conflicts,
            Run::Failed => &figures.failed,
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    /// Transactions that were committed.
    #[must_use]
    pub fn committed(&self) -> u64 {
        self.figures.committed.load(Ordering::Relaxed)
    }

    /// Transactions that wrote nothing.
    #[must_use]
    pub fn read(&self) -> u64 {
        self.figures.read.load(Ordering::Relaxed)
    }

    /// Transactions whose updater refused.
    #[must_use]
    pub fn aborted(&self) -> u64 {
        self.figures.aborted.load(Ordering::Relaxed)
    }

    /// Runs that were made again, because something that they had read was changed before they could commit.
    #[must_use]
    pub fn conflicts(&self) -> u64 {
        self.figures.conflicts.load(Ordering::Relaxed)
    }

    /// Transactions that ended with a failure of the back end, or out of time.
    #[must_use]
    pub fn failed(&self) -> u64 {
        self.figures.failed.load(Ordering::Relaxed)
    }

    /// What the relays of this store's outbox have done in this process.
    #[must_use]
    pub const fn relay(&self) -> &RelayCounts {
        &self.relay
    }
}

#[cfg(test)]
mod tests {
    use crate::store::{Key, Record, Store, StoreError};
    use serde::{Deserialize, Serialize};

    #[derive(Serialize, Deserialize)]
    struct Number(u64);
    impl Record for Number {
        const KIND: &'static str = "number";
        const VERSION: u8 = 1;
    }

    #[tokio::test]
    async fn every_run_of_an_updater_is_counted_by_what_became_of_it() {
        let store = Store::memory();
        let key = Key::<Number>::new(&["n"]);
        store.transact(|tx| tx.put(&key, &Number(1))).await.unwrap();
        store.transact(|tx| tx.get(&key).map(|_| ())).await.unwrap();
        let refused = store.transact(|tx| {
            tx.put(&key, &Number(2))?;
            Err::<(), _>(StoreError::Stale)
        });
        assert!(refused.await.is_err());
        let counts = store.counts();
        assert_eq!((counts.committed(), counts.read(), counts.aborted()), (1, 1, 1));
        // Another handle to the same store counts in the same place; another store does not.
        store
            .with_options(|options| options.max_attempts = 3)
            .transact(|tx| tx.put(&key, &Number(3)))
            .await
            .unwrap();
        assert_eq!((counts.committed(), counts.conflicts(), counts.failed()), (2, 0, 0));
        assert_eq!(Store::memory().counts().committed(), 0);
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_conflict_is_counted_once_for_each_run_that_is_made_again() {
        let store = Store::memory().with_options(|options| options.check_repeatable = false);
        let key = Key::<Number>::new(&["n"]);
        let mut runs = 0;
        store
            .transact(|tx| {
                runs += 1;
                let before = tx.get(&key)?.map_or(0, |Number(n)| n);
                if runs == 1 {
                    // Somebody else writes what this one has read.
                    let (store, key) = (store.clone(), key.clone());
                    tokio::task::block_in_place(|| {
                        tokio::runtime::Handle::current()
                            .block_on(store.transact(|tx| tx.put(&key, &Number(7))))
                    })?;
                }
                tx.put(&key, &Number(before + 1))
            })
            .await
            .unwrap();
        assert_eq!(store.get(&key).await.unwrap().map(|Number(n)| n), Some(8));
        assert_eq!((runs, store.counts().conflicts(), store.counts().committed()), (2, 1, 2));
    }
}
