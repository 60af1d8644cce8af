//! A Redis server for one benchmark, and what became of the commits to it.
#![expect(clippy::expect_used, reason = "a benchmark that cannot run has no result")]

use ipowdm_ctl_lib::store::redis::{RedisBackend, RedisOptions};
use ipowdm_ctl_lib::store::{
    Backend, BackendError, Batch, BoxFuture, CommitError, Store, StoreOptions, Version, View, WatchSource,
};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Commits, and those that found what they had read changed.
#[derive(Debug, Default)]
pub struct Counts {
    commits: AtomicU64,
    conflicts: AtomicU64,
}

impl Counts {
    /// Counts from now on.
    pub fn reset(&self) {
        self.commits.store(0, Ordering::Relaxed);
        self.conflicts.store(0, Ordering::Relaxed);
    }

    /// The share of conflicts in per cent.
    #[must_use]
    pub fn conflicts_percent(&self) -> f64 {
        let count = |of: &AtomicU64| u32::try_from(of.load(Ordering::Relaxed)).map_or(f64::MAX, f64::from);
        let (commits, conflicts) = (count(&self.commits), count(&self.conflicts));
        conflicts / (commits + conflicts) * 100.0
    }
}

/// Counts commits and conflicts.
#[derive(Debug)]
struct Counting {
    inner: RedisBackend,
    counts: Arc<Counts>,
}

impl Backend for Counting {
    fn view(&self) -> BoxFuture<'_, Result<Box<dyn View>, BackendError>> {
        self.inner.view()
    }

    fn draft(&self) -> BoxFuture<'_, Result<Box<dyn View>, BackendError>> {
        self.inner.draft()
    }

    fn commit(&self, batch: Batch) -> BoxFuture<'_, Result<Version, CommitError>> {
        Box::pin(async move {
            let outcome = self.inner.commit(batch).await;
            let counter = if outcome.is_ok() { &self.counts.commits } else { &self.counts.conflicts };
            counter.fetch_add(1, Ordering::Relaxed);
            outcome
        })
    }

    fn changes(&self) -> &WatchSource {
        self.inner.changes()
    }
}

/// A server of `scripts/redis-up.sh`, stopped when dropped.
#[derive(Debug)]
pub struct Server(crate::server::Server);

impl Server {
    /// Starts one with its files in a folder of its own below this one.
    ///
    /// # Panics
    /// Where it does not start.
    #[must_use]
    pub fn start(folder: &Path) -> Self {
        let folder = folder.to_str().expect("a folder with a name");
        Self(crate::server::Server::start("redis", &[folder]).expect("a server"))
    }

    /// A store on it, as one process has.
    ///
    /// # Panics
    /// Where it cannot be connected to.
    pub async fn store(&self, counts: &Arc<Counts>) -> Store {
        let port = self.0.address.rsplit(':').next().and_then(|port| port.parse().ok()).expect("an address");
        let inner = RedisBackend::connect(RedisOptions::new("127.0.0.1", port)).await.expect("a connection");
        Store::new(Arc::new(Counting { inner, counts: Arc::clone(counts) }), StoreOptions::default())
    }
}
