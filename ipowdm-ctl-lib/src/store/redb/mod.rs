//! The store in a file of one process: durable, with group commit.
//!
//! # How it is kept
//!
//! Records are served from memory, by the versions of [`MemoryBackend`]; [redb] holds what survives: a log of groups of
//! transactions, and an image of all records that replaces the log from time to time.
//!
//! * [`Backend::commit`] validates a batch, applies it in memory and queues its bytes, in one critical section.
//! * A thread takes everything that waits, writes it as **one** entry of the log in **one** durable redb transaction, and
//!   only then announces and answers each commit of the group, in order.
//! * Transactions read drafts ([`Backend::draft`]): the newest state in memory, whether durable or not. So commits of one
//!   group may build upon each other, and a busy link costs no more conflicts than without a disk. Nobody is told anything
//!   before it is durable: a commit waits for its group, a reading or refused transaction for what it has read
//!   ([`View::settled`]), and [`Backend::view`] shows the last durable version.
//! * Once the log is as large as the image, and at least [`RedbOptions::log_minimum`], a new image is written, a share with
//!   each group.
//! * Opening reads the image, then the log after it.
//!
//! # Why not one redb entry per record
//!
//! An allocation writes about ten records. Measured with 10⁶ records of 150 bytes in a redb table, on storage whose
//! fdatasync costs nothing (AMD EPYC, one core): a group of 64 allocations as 640 entries takes 16 ms, that is 4 000
//! allocations/s; the same bytes (100 kB) as one entry take 0.12 ms. Writing the image costs about 30 µs for a record
//! when done in place, and less than 1 µs when all records are written in order. Reads from redb's tree take microseconds
//! each, reads from memory 0.2 µs.
//!
//! # Bounds
//!
//! * Memory: all records, superseded values that open views see (at most 2²⁰), [`RedbOptions::queue`] of waiting
//!   transactions, 16 MiB of redb's pages. Measured: 1.4 million records of 70 to 250 bytes, key included, take 534 MB. With
//!   seven records for a connection, 10⁶ connections take 2.7 GB, and are read back in some seconds.
//! * File: two images and one and a half logs at most, where the log is at most the larger of the image and
//!   [`RedbOptions::log_minimum`]; redb rounds entries up to powers of two. The same 1.4 million records: 514 MB.
//!
//! # When something fails
//!
//! The first error of the file ends all service: commits of the group under way are [`CommitError::Indeterminate`] when the
//! commit itself failed, everything else is unavailable, reads too, because memory may hold what the file does not. Open it
//! again (in the same process if you like: the file has been closed) to go on with what is durable.
//!
//! A power failure at any write leaves the groups that were synced, and each later one whole or not at all: redb finds the
//! last commit whose checksums hold. What no program can tell is what a system keeps in memory after an fsync that *failed*:
//! after such an error, look after the device before the file is opened again.

mod checkpoint;
mod codec;
mod file;
mod tables;
#[cfg(test)]
mod tests;
mod writer;

use super::backend::{Backend, BackendError, Batch, BoxFuture, CommitError, Lookup, Range, View, Want};
use super::memory::MemoryView;
use super::{MemoryBackend, Notice, OpenError, RawKey, Value, Version, WatchSource};
use checkpoint::Checkpoint;
use redb::Database;
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use tables::Contents;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot, watch};
use writer::{Work, Writer};

/// How a store in a file is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RedbOptions {
    /// Bytes of the log below which no image is written.
    pub log_minimum: u64,
    /// Bytes of one part of an image: a little less than a power of two makes best use of the file.
    pub image_part: usize,
    /// Bytes of transactions that may wait for the disk. More wait outside; a transaction that is larger is refused.
    pub queue: usize,
}

impl Default for RedbOptions {
    /// 64 MiB of log, parts of 240 KiB, a queue of 256 MiB.
    fn default() -> Self {
        Self { log_minimum: 64 << 20, image_part: 240 << 10, queue: 256 << 20 }
    }
}

/// A committed transaction that waits to be durable.
#[derive(Debug)]
struct Entry {
    notice: Notice,
    ops: Vec<u8>,
    answer: oneshot::Sender<Result<Version, CommitError>>,
    /// Its room in the queue, given back when it is durable.
    _room: OwnedSemaphorePermit,
}

#[derive(Debug, Default)]
struct Queue {
    waiting: Vec<Entry>,
    closing: bool,
    failure: Option<Arc<str>>,
}

/// The last durable version.
#[derive(Debug)]
struct Durable {
    version: Version,
    /// Keeps its history.
    pin: MemoryView,
}

/// How far the file has come.
#[derive(Debug, Clone)]
struct Progress {
    durable: Version,
    failure: Option<Arc<str>>,
}

/// What the clients and the thread share.
#[derive(Debug)]
struct Shared {
    memory: MemoryBackend,
    /// Taken alone, or inside the lock of the memory's state.
    queue: Mutex<Queue>,
    wake: Condvar,
    durable: Mutex<Durable>,
    progress: watch::Sender<Progress>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // What the locks guard is whole between any two statements.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    fn new(memory: MemoryBackend) -> Self {
        let pin = memory.latest_view();
        let version = pin.version();
        Self {
            memory,
            queue: Mutex::default(),
            wake: Condvar::new(),
            durable: Mutex::new(Durable { version, pin }),
            progress: watch::Sender::new(Progress { durable: version, failure: None }),
        }
    }

    fn failure(&self) -> Option<Arc<str>> {
        self.progress.borrow().failure.clone()
    }

    fn enqueue(&self, entry: Entry) {
        let mut queue = lock(&self.queue);
        if let Some(reason) = &queue.failure {
            let _ = entry.answer.send(Err(CommitError::Unavailable { reason: reason.to_string() }));
            return;
        }
        queue.waiting.push(entry);
        if queue.waiting.len() == 1 {
            self.wake.notify_one();
        }
    }

    /// Everything that waits, up to about `bytes`; waits for the first where `wait`.
    fn next_group(&self, bytes: usize, wait: bool) -> Work {
        let mut queue = lock(&self.queue);
        while wait && queue.waiting.is_empty() && !queue.closing {
            queue = self.wake.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
        if queue.waiting.is_empty() && queue.closing {
            return Work::Close;
        }
        let mut size = 0_usize;
        let fits = queue.waiting.iter().take_while(|entry| {
            let first = size == 0;
            size = size.saturating_add(entry.ops.len() + 1);
            first || size <= bytes
        });
        let count = fits.count();
        let rest = queue.waiting.split_off(count);
        Work::Group(core::mem::replace(&mut queue.waiting, rest))
    }

    /// Publishes a group that is on disk.
    fn settle(&self, group: Vec<Entry>) {
        let Some(last) = group.last() else { return };
        let version = last.notice.version;
        {
            let mut durable = lock(&self.durable);
            // The old pin is dropped after the new one is there: history is kept without a gap.
            durable.pin = self.memory.view_at(version);
            durable.version = version;
        }
        self.progress.send_modify(|progress| progress.durable = version);
        for entry in group {
            let version = entry.notice.version;
            if !entry.notice.keys.is_empty() {
                self.memory.changes().announce(entry.notice);
            }
            // An error only says that the caller has gone.
            let _ = entry.answer.send(Ok(version));
        }
    }

    /// Ends all service. The first reason stays.
    fn fail(&self, reason: &str) {
        let reason: Arc<str> = Arc::from(reason);
        let waiting = {
            let mut queue = lock(&self.queue);
            let reason = queue.failure.get_or_insert(reason);
            let reason = Arc::clone(reason);
            self.progress.send_modify(|progress| progress.failure = Some(reason));
            core::mem::take(&mut queue.waiting)
        };
        let reason = self.failure().unwrap_or_default();
        for entry in waiting {
            // Never given to the database.
            let _ = entry.answer.send(Err(CommitError::Unavailable { reason: reason.to_string() }));
        }
    }

    fn durable_view(&self) -> MemoryView {
        let durable = lock(&self.durable);
        self.memory.view_at(durable.version)
    }

    async fn settled(&self, version: Version) -> Result<(), BackendError> {
        let mut progress = self.progress.subscribe();
        let reached = progress.wait_for(|at| at.failure.is_some() || at.durable >= version).await;
        match reached.ok().map(|at| at.failure.clone()) {
            Some(None) => Ok(()),
            Some(Some(reason)) => Err(BackendError::Unavailable { reason: reason.to_string() }),
            None => Err(BackendError::Unavailable { reason: "the store was closed".to_owned() }),
        }
    }
}

/// The store in a file. Dropping it waits for what is queued and closes the file.
#[derive(Debug)]
pub struct RedbBackend {
    shared: Arc<Shared>,
    room: Arc<Semaphore>,
    limit: u32,
    thread: Option<JoinHandle<()>>,
}

/// Bytes of one unit of room in the queue.
const UNIT: usize = 1024;

impl RedbBackend {
    /// Opens the store in a file, or creates it: complete or not at all, readable by its owner only.
    ///
    /// # Errors
    /// [`OpenError`]: another process has it open, it is another program's, a later release's, damaged, read-only, …
    pub async fn open(path: &Path, options: RedbOptions) -> Result<Self, OpenError> {
        let (label, path) = (file::label(path), path.to_owned());
        Self::start(label, options, move || file::open(&path)).await
    }

    /// Opens or creates the store on a storage of the caller's: one with faults, or with delays.
    ///
    /// # Errors
    /// As [`RedbBackend::open`].
    #[cfg(any(test, feature = "conformance"))]
    pub async fn open_on(
        storage: impl redb::StorageBackend,
        options: RedbOptions,
    ) -> Result<Self, OpenError> {
        Self::start("redb:(storage)".to_owned(), options, move || file::open_on(storage)).await
    }

    /// Starts the thread, which opens the database and reads it.
    async fn start(
        location: String,
        options: RedbOptions,
        open: impl FnOnce() -> Result<(Database, Contents), OpenError> + Send + 'static,
    ) -> Result<Self, OpenError> {
        let (ready, opened) = oneshot::channel();
        let units = u32::try_from(options.queue / UNIT).unwrap_or(u32::MAX).max(1);
        let thread = std::thread::Builder::new()
            .name("ipowdm-store".to_owned())
            .spawn(move || {
                let made = open().map(|(database, contents)| {
                    let Contents { image, log_bytes, records } = contents;
                    let checkpoint = Checkpoint::new(image, log_bytes, &options);
                    let memory = MemoryBackend::restored(records.version, records.records.into_iter());
                    let shared = Arc::new(Shared::new(memory));
                    (Arc::clone(&shared), Writer::new(database, checkpoint, shared))
                });
                match made {
                    Ok((shared, writer)) => {
                        if ready.send(Ok(shared)).is_ok() {
                            writer.run();
                        }
                    }
                    Err(error) => drop(ready.send(Err(error))),
                }
            })
            .map_err(|error| OpenError::Unavailable {
                location: location.clone(),
                reason: error.to_string(),
            })?;
        // redb checks what it reads but may still panic over a damaged file.
        let broken = |_| OpenError::Damaged { location, reason: "redb cannot make sense of it".to_owned() };
        let shared = opened.await.map_err(broken)??;
        let room = Arc::new(Semaphore::new(usize::try_from(units).unwrap_or(Semaphore::MAX_PERMITS)));
        Ok(Self { shared, room, limit: units, thread: Some(thread) })
    }

    async fn commit_durably(&self, batch: Batch) -> Result<Version, CommitError> {
        let ops = codec::ops(&batch);
        let room = self.room_for(&ops).await?;
        let (answer, answered) = oneshot::channel();
        let mut queued = false;
        let version = self.shared.memory.commit_then(batch, |notice| {
            queued = true;
            self.shared.enqueue(Entry { notice, ops, answer, _room: room });
        })?;
        self.answer(answered, queued, version).await
    }

    async fn raise_durably(&self, to: Version) -> Result<(), CommitError> {
        let ops = vec![codec::RAISE];
        let room = self.room_for(&ops).await?;
        let (answer, answered) = oneshot::channel();
        let mut queued = false;
        self.shared.memory.raise_then(to, |version| {
            queued = true;
            let notice = Notice { version, keys: Arc::default() };
            self.shared.enqueue(Entry { notice, ops, answer, _room: room });
        });
        self.answer(answered, queued, to).await.map(drop)
    }

    /// Room in the queue, where the store still works.
    async fn room_for(&self, ops: &[u8]) -> Result<OwnedSemaphorePermit, CommitError> {
        let unavailable = |reason: String| CommitError::Unavailable { reason };
        let units = u32::try_from(ops.len() / UNIT).unwrap_or(u32::MAX).saturating_add(1);
        if units > self.limit {
            return Err(unavailable(format!("{} bytes are too many for one transaction", ops.len())));
        }
        let room = Arc::clone(&self.room).acquire_many_owned(units).await;
        let room = room.map_err(|error| unavailable(error.to_string()))?;
        if let Some(reason) = self.shared.failure() {
            return Err(unavailable(reason.to_string()));
        }
        Ok(room)
    }

    /// What the caller is told: once its transaction is durable, or, where nothing was queued, what it has read.
    async fn answer(
        &self,
        answered: oneshot::Receiver<Result<Version, CommitError>>,
        queued: bool,
        version: Version,
    ) -> Result<Version, CommitError> {
        if queued {
            let lost = |_| CommitError::Indeterminate { reason: "the store went away".to_owned() };
            return answered.await.map_err(lost)?;
        }
        // Nothing was changed, which is true once all before it is durable.
        match self.shared.settled(version).await {
            Ok(()) => Ok(version),
            Err(error) => Err(CommitError::Unavailable { reason: error.to_string() }),
        }
    }
}

impl Drop for RedbBackend {
    fn drop(&mut self) {
        lock(&self.shared.queue).closing = true;
        self.shared.wake.notify_one();
        if let Some(thread) = self.thread.take() {
            // A panic of the thread has been told to all callers.
            let _ = thread.join();
        }
    }
}

impl Backend for RedbBackend {
    fn view(&self) -> BoxFuture<'_, Result<Box<dyn View>, BackendError>> {
        Box::pin(core::future::ready(match self.shared.failure() {
            Some(reason) => Err(BackendError::Unavailable { reason: reason.to_string() }),
            None => Ok(Box::new(self.shared.durable_view()) as Box<dyn View>),
        }))
    }

    fn draft(&self) -> BoxFuture<'_, Result<Box<dyn View>, BackendError>> {
        let (memory, shared) = (self.shared.memory.latest_view(), Arc::clone(&self.shared));
        Box::pin(core::future::ready(match self.shared.failure() {
            Some(reason) => Err(BackendError::Unavailable { reason: reason.to_string() }),
            None => Ok(Box::new(Draft { memory, shared }) as Box<dyn View>),
        }))
    }

    fn commit(&self, batch: Batch) -> BoxFuture<'_, Result<Version, CommitError>> {
        Box::pin(self.commit_durably(batch))
    }

    fn changes(&self) -> &WatchSource {
        self.shared.memory.changes()
    }

    fn raise(&self, to: Version) -> BoxFuture<'_, Result<(), CommitError>> {
        Box::pin(self.raise_durably(to))
    }

    fn shares_values(&self) -> bool {
        true
    }
}

/// The newest state, durable or not.
struct Draft {
    memory: MemoryView,
    shared: Arc<Shared>,
}

impl View for Draft {
    fn version(&self) -> Version {
        self.memory.version()
    }

    fn get(&self, key: &RawKey) -> Result<Lookup<Option<Value>>, BackendError> {
        self.memory.get(key)
    }

    fn scan(&self, range: &Range) -> Result<Lookup<Vec<(RawKey, Value)>>, BackendError> {
        self.memory.scan(range)
    }

    fn load<'a>(&'a mut self, wants: &'a [Want]) -> BoxFuture<'a, Result<(), BackendError>> {
        self.memory.load(wants)
    }

    fn settled(&self) -> BoxFuture<'_, Result<(), BackendError>> {
        let (shared, version) = (Arc::clone(&self.shared), self.memory.version());
        Box::pin(async move { shared.settled(version).await })
    }
}
