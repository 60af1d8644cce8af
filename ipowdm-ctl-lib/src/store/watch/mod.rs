//! Watches: each committed transaction once, with all its keys, to those whom it concerns.
//!
//! A [`WatchSource`] knows who watches what: a commit wakes the watchers of its keys and no others. Each watcher has a queue
//! of its own; when it is full, what waits is dropped and the watcher is told once to read everything again.

mod index;
mod queue;
mod requesters;
#[cfg(test)]
mod tests;

pub use requesters::RequesterWatch;

use super::{RawKey, Version};
use index::Index;
use queue::Queue;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A committed transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// Its version.
    pub version: Version,
    /// Every key that it wrote or deleted.
    pub keys: Arc<[RawKey]>,
}

/// What a watcher learns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// A transaction that touched a watched key. Its other keys are listed too.
    Committed(Notice),
    /// Notices were lost (the watcher was too slow, or the connection to the back end was): read everything again.
    Resync {
        /// How many notices at least were lost; `None` where that cannot be known.
        missed: Option<u64>,
    },
}

/// Limits of a watch source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WatchOptions {
    /// Notices kept for a watcher that does not come to read them; with one more it has to read everything again.
    pub backlog: usize,
    /// Transactions of more keys than this are not looked up key by key: what is watched is looked up among their keys
    /// instead.
    pub per_key: usize,
}

impl Default for WatchOptions {
    /// 4 096 notices; 256 keys.
    fn default() -> Self {
        Self { backlog: 4_096, per_key: 256 }
    }
}

#[derive(Debug, Clone)]
enum Signal {
    Committed(Notice),
    Interrupted,
    Restored,
}

/// Where a back end announces its commits.
#[derive(Debug)]
pub struct WatchSource {
    shared: Arc<Shared>,
}

/// What the source and its watches share.
#[derive(Debug)]
struct Shared {
    options: WatchOptions,
    /// Signals in commit order that nobody has delivered yet. Taken alone.
    waiting: Mutex<VecDeque<Signal>>,
    /// Held while signals are delivered, so that every watcher gets them in order. `waiting` is taken inside.
    index: Mutex<Index>,
    watchers: AtomicUsize,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // What the locks guard is whole between any two statements.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    /// Delivers all that waits.
    fn deliver(&self, index: &mut Index) {
        loop {
            let Some(signal) = lock(&self.waiting).pop_front() else { return };
            index.deliver(signal, self.options.per_key);
        }
    }
}

impl Default for WatchSource {
    fn default() -> Self {
        Self::new()
    }
}

impl WatchSource {
    /// A source without watchers.
    #[must_use]
    pub fn new() -> Self {
        Self::with_options(WatchOptions::default())
    }

    /// A source with other limits.
    #[must_use]
    pub fn with_options(options: WatchOptions) -> Self {
        Self {
            shared: Arc::new(Shared {
                options,
                waiting: Mutex::default(),
                index: Mutex::default(),
                watchers: AtomicUsize::new(0),
            }),
        }
    }

    /// How many notices are kept for a watcher that does not come to read them.
    #[must_use]
    pub fn backlog(&self) -> usize {
        self.shared.options.backlog
    }

    /// How many watches there are.
    #[must_use]
    pub fn watchers(&self) -> usize {
        self.shared.watchers.load(Ordering::Relaxed)
    }

    /// How many keys and prefixes are watched by somebody.
    #[must_use]
    pub fn watched(&self) -> usize {
        lock(&self.shared.index).len()
    }

    /// Tells the watchers concerned of a commit. To be called in commit order; a notice that is not newer than the last one
    /// is a repetition and is ignored.
    pub fn announce(&self, notice: Notice) {
        self.queue(notice);
        self.deliver();
    }

    /// The first half of [`WatchSource::announce`], short enough for a back end's own lock: [`WatchSource::deliver`] must
    /// follow, before the commit is answered.
    pub fn queue(&self, notice: Notice) {
        lock(&self.shared.waiting).push_back(Signal::Committed(notice));
    }

    /// Delivers what was queued. Everything that was queued before has been delivered when it returns, by whomever.
    pub fn deliver(&self) {
        self.shared.deliver(&mut lock(&self.shared.index));
    }

    /// The feed that tells of commits is lost: what is announced until [`WatchSource::restored`] reaches nobody.
    pub fn interrupted(&self) {
        lock(&self.shared.waiting).push_back(Signal::Interrupted);
        self.deliver();
    }

    /// The feed is there (again): all watchers are told to read everything again.
    pub fn restored(&self) {
        lock(&self.shared.waiting).push_back(Signal::Restored);
        self.deliver();
    }

    /// Watches every key that begins with one of `prefixes`, from now on.
    #[must_use]
    pub fn subscribe(&self, prefixes: Vec<RawKey>) -> Watch {
        let watch = self.open();
        let mut index = lock(&self.shared.index);
        self.shared.deliver(&mut index);
        for prefix in prefixes {
            index.watch_prefix(&prefix, &watch.queue);
        }
        drop(index);
        watch
    }

    /// Watches these keys and no others, from now on; what is watched may be changed.
    #[must_use]
    pub fn subscribe_keys(&self, keys: impl IntoIterator<Item = RawKey>) -> Watch {
        let watch = self.open();
        watch.add(keys);
        watch
    }

    fn open(&self) -> Watch {
        self.shared.watchers.fetch_add(1, Ordering::Relaxed);
        let queue = lock(&self.shared.index).open(self.shared.options.backlog);
        Watch { shared: Arc::clone(&self.shared), queue }
    }
}

impl Drop for WatchSource {
    fn drop(&mut self) {
        let mut index = lock(&self.shared.index);
        self.shared.deliver(&mut index);
        index.close();
    }
}

/// A stream of changes of some keys. Dropping it ends the watch.
#[derive(Debug)]
pub struct Watch {
    shared: Arc<Shared>,
    queue: Arc<Queue>,
}

impl Watch {
    /// Waits for the next change; `None` when the store is gone. Dropping the future loses nothing.
    pub async fn next(&mut self) -> Option<Change> {
        core::future::poll_fn(|context| self.queue.poll(context)).await
    }

    /// Watches further keys, from now on.
    pub fn add(&self, keys: impl IntoIterator<Item = RawKey>) {
        let mut index = lock(&self.shared.index);
        self.shared.deliver(&mut index);
        keys.into_iter().for_each(|key| index.watch_key(key, &self.queue));
    }

    /// Watches these keys no more, unless a prefix covers them. Notices that wait already stay.
    pub fn remove<'a>(&self, keys: impl IntoIterator<Item = &'a RawKey>) {
        let mut index = lock(&self.shared.index);
        keys.into_iter().for_each(|key| index.unwatch_key(key, &self.queue));
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.shared.watchers.fetch_sub(1, Ordering::Relaxed);
        lock(&self.shared.index).forget(&self.queue);
    }
}
