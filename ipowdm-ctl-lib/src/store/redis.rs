//! The store on a Redis server, shared by several processes.
//!
//! Every commit is one run of a script on the server, which checks it, gives it the next version, writes it and tells it in
//! a feed that all processes follow. The server keeps what each commit superseded, for [`RedisOptions::history`] commits, so
//! that a view of any of them reads as of its version. What a process has read it keeps in memory until the feed says that
//! it has changed; a commit is checked against the feed in any case.
//!
//! * **Lost connections** are made anew, and what was under way is sent again: the server remembers the outcome of the
//!   latest commits of each process, so none takes effect twice. A commit whose outcome cannot be learnt in time is
//!   [`CommitError::Indeterminate`].
//! * **Lost data**: acknowledged commits are on disk unless `durability=relaxed` was stated; other servers are refused. Where
//!   a server has lost commits that this process has seen, it starts on a fresh version, open views become stale, and every
//!   watcher is told to read everything again.
//! * **A missed feed** (a process was cut off for more than the history) also tells every watcher so.

mod cache;
mod follower;
mod link;
mod mirror;
mod options;
mod view;
mod wire;
mod worker;

pub use link::RedisError;
pub use options::{Durability, PASSWORD_VARIABLE, Password, RedisLocationError, RedisOptions};

use super::WatchSource;
use super::backend::{Backend, BackendError, Batch, BoxFuture, CommitError, Version, View};
use core::fmt;
use follower::Follower;
use link::{Failure, Link};
use mirror::Mirror;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use view::RedisView;
use wire::Names;
use worker::{Commit, Request, Worker};

/// Requests that wait for the worker; whoever comes then waits to be let in.
const QUEUE: usize = 1024;

/// Why a request cannot be answered when the runtime of the back end has ended.
const GONE: &str = "the task that talks to the server has ended";

/// A back end on a Redis server.
pub struct RedisBackend {
    shared: Arc<Shared>,
    requests: mpsc::Sender<Request>,
    follower: JoinHandle<()>,
    place: String,
}

/// What the tasks share.
#[derive(Debug)]
struct Shared {
    mirror: Mutex<Mirror>,
    changes: WatchSource,
}

impl Shared {
    fn mirror(&self) -> MutexGuard<'_, Mirror> {
        // Whoever panics while holding it is out of memory: everything in it is valid between any two statements.
        self.mirror.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl RedisBackend {
    /// Connects to the server and opens the store, making it where there is none. To be called within the tokio runtime that
    /// the store is used in.
    ///
    /// # Errors
    /// [`RedisError`]: the server is away, refuses us, does not promise durability, is too old, or holds something else
    /// under the prefix.
    pub async fn connect(options: RedisOptions) -> Result<Self, RedisError> {
        let place = options.place();
        let instance: Arc<str> = instance().into();
        let names = Names::new(&options.prefix, &instance);
        let mut link = Link::connect(&options, &names).await?;
        let opened = link.open_store(options.history, &instance, 0).await;
        let (version, anchor) = opened.map_err(|failure: Failure| failure.at(&place))?;
        let mirror = Mutex::new(Mirror::new(version, anchor, options.cache_bytes));
        let shared = Arc::new(Shared { mirror, changes: WatchSource::new() });
        let (requests, inbox) = mpsc::channel(QUEUE);
        let follower = Follower {
            shared: Arc::clone(&shared),
            options: options.clone(),
            names: names.clone(),
            requests: requests.downgrade(),
        };
        let worker = Worker::new(Arc::clone(&shared), options, names, instance, inbox, link);
        tokio::spawn(worker.run());
        let follower = tokio::spawn(follower.run());
        Ok(Self { shared, requests, follower, place })
    }

    fn view_of_what_is_known(&self, draft: bool) -> Box<dyn View> {
        let version = self.shared.mirror().applied();
        Box::new(RedisView::new(Arc::clone(&self.shared), self.requests.clone(), version, draft))
    }
}

/// Waits until every commit that the server has acknowledged by now is known here.
async fn synchronise(requests: &mpsc::Sender<Request>) -> Result<(), BackendError> {
    let gone = || BackendError::Unavailable { reason: GONE.to_owned() };
    let (answer, synced) = oneshot::channel();
    requests.send(Request::Sync(answer)).await.map_err(|_| gone())?;
    synced.await.map_err(|_| gone())?
}

/// A name for this connection's commits that no other process has.
fn instance() -> String {
    // Keys of the standard hasher come from the system's random numbers.
    format!("{:016x}{:08x}", RandomState::new().hash_one(0_u8), std::process::id())
}

impl fmt::Debug for RedisBackend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("RedisBackend").field(&self.place).finish()
    }
}

impl Drop for RedisBackend {
    fn drop(&mut self) {
        // The worker ends with its queue, after what is under way; the follower may be waiting for the server.
        self.follower.abort();
    }
}

impl Backend for RedisBackend {
    fn view(&self) -> BoxFuture<'_, Result<Box<dyn View>, BackendError>> {
        Box::pin(async move {
            synchronise(&self.requests).await?;
            Ok(self.view_of_what_is_known(false))
        })
    }

    fn draft(&self) -> BoxFuture<'_, Result<Box<dyn View>, BackendError>> {
        Box::pin(core::future::ready(Ok(self.view_of_what_is_known(true))))
    }

    fn commit(&self, mut batch: Batch) -> BoxFuture<'_, Result<Version, CommitError>> {
        Box::pin(async move {
            batch.reads.sort_unstable();
            let checked = {
                let mirror = self.shared.mirror();
                if mirror.touched(batch.version.get(), &batch.reads, &batch.scans) {
                    return Err(CommitError::Conflict);
                }
                mirror.applied()
            };
            let (answer, outcome) = oneshot::channel();
            let commit = Commit { batch: Arc::new(batch), checked, answer };
            let unsent = |_| CommitError::Unavailable { reason: GONE.to_owned() };
            self.requests.send(Request::Commit(commit)).await.map_err(unsent)?;
            match outcome.await {
                Ok(outcome) => outcome,
                Err(_) => Err(CommitError::Indeterminate { reason: GONE.to_owned() }),
            }
        })
    }

    fn raise(&self, to: Version) -> BoxFuture<'_, Result<(), CommitError>> {
        Box::pin(async move {
            let gone = || CommitError::Unavailable { reason: GONE.to_owned() };
            let (answer, raised) = oneshot::channel();
            self.requests.send(Request::Raise(to.get(), answer)).await.map_err(|_| gone())?;
            raised.await.map_err(|_| gone())?
        })
    }

    fn changes(&self) -> &WatchSource {
        &self.shared.changes
    }
}

#[cfg(test)]
mod tests;
