//! Sending through outages from a bounded queue.
//!
//! A [`Publisher`] takes records without waiting and sends them in order per topic, in batches, with a jittered
//! back-off while the bus is away. Records of class [`Class::Keep`] are never dropped: [`Publisher::send`] refuses them
//! when the queue is full, and the caller keeps them (an agent's journal does). Records of class [`Class::Droppable`]
//! push out the oldest droppable ones; what is dropped is counted exactly.
//!
//! A topic that is not there may be about to be made (again): its records wait up to [`TOPIC_PATIENCE`] each and are
//! then refused. Records of other topics go on meanwhile.
//!
//! Droppable records that come one by one share calls: a call with nothing else begins [`PACE`] after the one before, at the
//! earliest, unless it is full. What must be kept waits for nothing, and takes along what stands before it.
//!
//! Delivery is at least once: after an unclear failure a batch is sent again.
//!
//! Task: one per publisher, ended when the last handle is dropped.

use super::pause::Pause;
use super::{Bus, BusError, Outgoing, Position};
use std::boxed::Box;
use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use std::vec::Vec;
use tokio::sync::{Notify, oneshot};
use tokio::time::Instant;

/// Most records in one publish call.
const BATCH: usize = 500;

/// Least time between the beginnings of two calls where nothing is in a hurry. A broker's work, and a consumer's, is by the call
/// much more than by the record.
pub const PACE: Duration = Duration::from_millis(4);

/// How long a record waits for a topic that is not there.
pub const TOPIC_PATIENCE: Duration = Duration::from_secs(60);

/// Whether a record may be dropped while the bus is away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// Never dropped.
    Keep,
    /// The oldest of this class are dropped first.
    Droppable,
}

/// What the publisher has done so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Records confirmed by the bus.
    pub confirmed: u64,
    /// Droppable records dropped for lack of room.
    pub dropped: u64,
    /// Records that the bus refuses for ever (too large, not authorised, no topic within [`TOPIC_PATIENCE`]).
    pub refused: u64,
    /// Records waiting now.
    pub waiting: u64,
    /// Outages entered.
    pub outages: u64,
}

/// The queue is full of records that must not be dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the outgoing queue holds {capacity} records that must not be dropped")]
pub struct QueueFull {
    /// Capacity of the queue.
    pub capacity: usize,
}

/// The outcome of a record whose confirmation is waited for.
pub type Confirmation = oneshot::Receiver<Result<Position, BusError>>;

/// Handle to a publisher; clones share the queue.
#[derive(Clone)]
pub struct Publisher {
    shared: Arc<Shared>,
    /// Ends the task when the last handle goes.
    _alive: Arc<Alive>,
}

struct Alive(tokio::task::AbortHandle);

impl Drop for Alive {
    fn drop(&mut self) {
        self.0.abort();
    }
}

struct Shared {
    queue: Mutex<VecDeque<Entry>>,
    capacity: usize,
    work: Notify,
    /// Told where [`Shared::is_in_no_hurry`] has ended.
    hurry: Notify,
    idle: Notify,
    confirmed: AtomicU64,
    dropped: AtomicU64,
    /// Dropped records by topic; as many entries as there are topics.
    dropped_by_topic: Mutex<BTreeMap<Arc<str>, u64>>,
    refused: AtomicU64,
    outages: AtomicU64,
    /// Records taken from the queue and not yet confirmed or refused; changed under the queue's lock.
    in_flight: AtomicU64,
    /// Whether the last attempt reached the bus.
    connected: std::sync::atomic::AtomicBool,
}

struct Entry {
    topic: Arc<str>,
    record: Outgoing,
    class: Class,
    queued: Instant,
    done: Option<oneshot::Sender<Result<Position, BusError>>>,
}

/// A topic that was not there when its first records were sent.
struct Absent {
    since: Instant,
    retry_at: Instant,
    pause: Pause,
}

type AbsentTopics = BTreeMap<Arc<str>, Absent>;

impl Publisher {
    /// Starts a publisher with room for `capacity` records. Must be called inside a tokio runtime.
    #[must_use]
    pub fn start(bus: Arc<dyn Bus>, capacity: usize) -> Self {
        let shared = Arc::new(Shared {
            queue: Mutex::new(VecDeque::new()),
            capacity,
            work: Notify::new(),
            hurry: Notify::new(),
            idle: Notify::new(),
            confirmed: AtomicU64::new(0),
            dropped: AtomicU64::new(0),
            dropped_by_topic: Mutex::default(),
            refused: AtomicU64::new(0),
            outages: AtomicU64::new(0),
            in_flight: AtomicU64::new(0),
            connected: std::sync::atomic::AtomicBool::new(true),
        });
        let task = tokio::spawn(run(bus, Arc::clone(&shared)));
        Self { shared, _alive: Arc::new(Alive(task.abort_handle())) }
    }

    /// Queues a record.
    ///
    /// # Errors
    /// [`QueueFull`] for a record that must be kept when there is no room; the caller still has it.
    pub fn send(&self, topic: &str, record: Outgoing, class: Class) -> Result<(), QueueFull> {
        self.push(topic, record, class, None)
    }

    /// Queues a record that must be kept, and answers its confirmation.
    ///
    /// # Errors
    /// [`QueueFull`] when there is no room; the caller still has it.
    pub fn send_confirmed(&self, topic: &str, record: Outgoing) -> Result<Confirmation, QueueFull> {
        let (done, confirmation) = oneshot::channel();
        self.push(topic, record, Class::Keep, Some(done))?;
        Ok(confirmation)
    }

    fn push(
        &self,
        topic: &str,
        record: Outgoing,
        class: Class,
        done: Option<oneshot::Sender<Result<Position, BusError>>>,
    ) -> Result<(), QueueFull> {
        let mut queue = self.shared.lock();
        if queue.len() >= self.shared.capacity {
            let oldest = queue.iter().position(|entry| entry.class == Class::Droppable);
            match oldest {
                Some(index) => {
                    if let Some(oldest) = queue.remove(index) {
                        self.shared.count_dropped(oldest.topic);
                    }
                }
                None if class == Class::Droppable => {
                    self.shared.count_dropped(Arc::from(topic));
                    return Ok(());
                }
                None => return Err(QueueFull { capacity: self.shared.capacity }),
            }
        }
        // Topic names repeat in runs; sharing the last one's allocation keeps a burst cheap.
        let topic = match queue.back() {
            Some(last) if &*last.topic == topic => Arc::clone(&last.topic),
            _ => Arc::from(topic),
        };
        queue.push_back(Entry { topic, record, class, queued: Instant::now(), done });
        let hurries = class == Class::Keep || queue.len() >= BATCH;
        drop(queue);
        if hurries {
            self.shared.hurry.notify_one();
        }
        self.shared.work.notify_one();
        Ok(())
    }

    /// The counters.
    #[must_use]
    pub fn counts(&self) -> Counts {
        let waiting = {
            let queue = self.shared.lock();
            queue.len() as u64 + self.shared.in_flight.load(Ordering::Relaxed)
        };
        Counts {
            confirmed: self.shared.confirmed.load(Ordering::Relaxed),
            dropped: self.shared.dropped.load(Ordering::Relaxed),
            refused: self.shared.refused.load(Ordering::Relaxed),
            outages: self.shared.outages.load(Ordering::Relaxed),
            waiting,
        }
    }

    /// Droppable records of one topic that were dropped for lack of room.
    #[must_use]
    pub fn dropped_of(&self, topic: &str) -> u64 {
        let dropped = self.shared.dropped_by_topic.lock().unwrap_or_else(PoisonError::into_inner);
        dropped.get(topic).copied().unwrap_or(0)
    }

    /// Whether the last attempt to send reached the bus.
    #[must_use]
    pub fn connected(&self) -> bool {
        self.shared.connected.load(Ordering::Relaxed)
    }

    /// Waits until the queue is empty and confirmed.
    pub async fn flush(&self) {
        loop {
            let idle = self.shared.idle.notified();
            tokio::pin!(idle);
            // Registered before the check, so that a notice between check and wait is not missed.
            idle.as_mut().enable();
            if self.counts().waiting == 0 {
                return;
            }
            idle.await;
        }
    }
}

impl core::fmt::Debug for Publisher {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Publisher").field("counts", &self.counts()).finish()
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, VecDeque<Entry>> {
        // Every change under the lock is a single queue operation; a panic elsewhere leaves it consistent.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn count_dropped(&self, topic: Arc<str>) {
        self.dropped.fetch_add(1, Ordering::Relaxed);
        let mut dropped = self.dropped_by_topic.lock().unwrap_or_else(PoisonError::into_inner);
        *dropped.entry(topic).or_default() += 1;
    }

    /// Whether there is something that may wait a little longer: less than a call takes, and nothing that must be kept.
    fn is_in_no_hurry(&self) -> bool {
        let queue = self.lock();
        (1..BATCH).contains(&queue.len()) && queue.iter().all(|entry| entry.class == Class::Droppable)
    }

    /// Takes the first run of records of one topic that is not waited for.
    fn take(&self, absent: &AbsentTopics) -> Vec<Entry> {
        let now = Instant::now();
        let waited_for = |entry: &Entry| absent.get(&entry.topic).is_some_and(|topic| topic.retry_at > now);
        let mut queue = self.lock();
        let batch: Vec<Entry> = match queue.iter().position(|entry| !waited_for(entry)) {
            None => Vec::new(),
            Some(first) => {
                let topic = queue.get(first).map(|entry| Arc::clone(&entry.topic));
                let same = |entry: &&Entry| Some(&entry.topic) == topic.as_ref();
                let run = queue.range(first..).take(BATCH).take_while(same).count();
                queue.drain(first..first + run).collect()
            }
        };
        self.in_flight.store(batch.len() as u64, Ordering::Relaxed);
        batch
    }

    /// Puts records back that were taken and not sent, in order.
    fn put_back(&self, batch: Vec<Entry>) {
        let mut queue = self.lock();
        batch.into_iter().rev().for_each(|entry| queue.push_front(entry));
        self.in_flight.store(0, Ordering::Relaxed);
    }
}

async fn run(bus: Arc<dyn Bus>, shared: Arc<Shared>) {
    let mut absent = AbsentTopics::new();
    let mut next_call = Instant::now();
    loop {
        while Instant::now() < next_call && shared.is_in_no_hurry() {
            // An old notice of a hurry that is over only has this looked at again.
            tokio::select! { () = shared.hurry.notified() => {}, () = tokio::time::sleep_until(next_call) => {} }
        }
        let work = shared.work.notified();
        let batch = shared.take(&absent);
        let Some(topic) = batch.first().map(|entry| Arc::clone(&entry.topic)) else {
            shared.idle.notify_waiters();
            match absent.values().map(|topic| topic.retry_at).min() {
                // What falls due is in the queue: a topic is only waited for while it has records.
                Some(retry_at) => {
                    tokio::select! { biased; () = work => {}, () = tokio::time::sleep_until(retry_at) => {} }
                }
                None => work.await,
            }
            continue;
        };
        next_call = Instant::now() + PACE;
        let unsent = deliver(&*bus, &shared, &topic, batch).await;
        if !wait_for_topic(&shared, &mut absent, &topic, unsent) {
            absent.remove(&topic);
        }
    }
}

/// Puts back the records of a topic that is not there, and refuses those that have waited long enough; whether any wait on.
fn wait_for_topic(
    shared: &Shared,
    absent: &mut AbsentTopics,
    topic: &Arc<str>,
    unsent: Vec<(Entry, BusError)>,
) -> bool {
    if unsent.is_empty() {
        return false;
    }
    let now = Instant::now();
    let new = || Absent { since: now, retry_at: now, pause: Pause::new() };
    let entry = absent.entry(Arc::clone(topic)).or_insert_with(new);
    let mut waiting = Vec::new();
    for (record, error) in unsent {
        if record.queued.max(entry.since) + TOPIC_PATIENCE <= now {
            refuse(shared, record, error);
        } else {
            waiting.push(record);
        }
    }
    entry.retry_at = now + entry.pause.draw();
    let any = !waiting.is_empty();
    shared.put_back(waiting);
    any
}

fn refuse(shared: &Shared, entry: Entry, error: BusError) {
    shared.refused.fetch_add(1, Ordering::Relaxed);
    settle(entry, Err(error));
}

/// Sends one batch until it is confirmed or refused for ever; answers what was not sent because its topic is not there.
async fn deliver(
    bus: &dyn Bus,
    shared: &Shared,
    topic: &Arc<str>,
    batch: Vec<Entry>,
) -> Vec<(Entry, BusError)> {
    let mut pause = Pause::new();
    loop {
        let records = batch.iter().map(|entry| entry.record.clone()).collect();
        match bus.publish(topic, records).await {
            Ok(positions) => {
                shared.connected.store(true, Ordering::Relaxed);
                shared.confirmed.fetch_add(batch.len() as u64, Ordering::Relaxed);
                for (entry, position) in batch.into_iter().zip(positions) {
                    settle(entry, Ok(position));
                }
                return Vec::new();
            }
            Err(error) if error.is_transient() => {
                if shared.connected.swap(false, Ordering::Relaxed) {
                    shared.outages.fetch_add(1, Ordering::Relaxed);
                }
                pause.wait().await;
            }
            Err(error @ BusError::UnknownTopic { .. }) => {
                shared.connected.store(true, Ordering::Relaxed);
                return batch.into_iter().map(|entry| (entry, error.clone())).collect();
            }
            Err(_) if batch.len() > 1 => {
                // One record of the batch may be at fault: find it by sending each alone.
                let mut unsent = Vec::new();
                for entry in batch {
                    unsent.extend(Box::pin(deliver(bus, shared, topic, Vec::from([entry]))).await);
                }
                return unsent;
            }
            Err(error) => {
                batch.into_iter().for_each(|entry| refuse(shared, entry, error.clone()));
                return Vec::new();
            }
        }
    }
}

fn settle(entry: Entry, result: Result<Position, BusError>) {
    if let Some(done) = entry.done {
        // Whoever no longer waits does not need the answer.
        let _ = done.send(result);
    }
}
