//! Sending through outages from a bounded queue.
//!
//! A [`Publisher`] takes records without waiting and sends them in order per topic, in batches, with a jittered
//! back-off while the bus is away. Records of class [`Class::Keep`] are never dropped: [`Publisher::send`] refuses them
//! when the queue is full, and the caller keeps them (an agent's journal does). Records of class [`Class::Droppable`]
//! push out the oldest droppable ones; what is dropped is counted exactly.
//!
//! Delivery is at least once: after an unclear failure a batch is sent again.
//!
//! Task: one per publisher, ended when the last handle is dropped.

use super::pause::Pause;
use super::{Bus, BusError, Outgoing, Position};
use std::boxed::Box;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::vec::Vec;
use tokio::sync::{Notify, oneshot};

/// Most records in one publish call.
const BATCH: usize = 500;

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
    /// Records that the bus refuses for ever (too large, topic gone, not authorised).
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
    idle: Notify,
    confirmed: AtomicU64,
    dropped: AtomicU64,
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
    done: Option<oneshot::Sender<Result<Position, BusError>>>,
}

impl Publisher {
    /// Starts a publisher with room for `capacity` records. Must be called inside a tokio runtime.
    #[must_use]
    pub fn start(bus: Arc<dyn Bus>, capacity: usize) -> Self {
        let shared = Arc::new(Shared {
            queue: Mutex::new(VecDeque::new()),
            capacity,
            work: Notify::new(),
            idle: Notify::new(),
            confirmed: AtomicU64::new(0),
            dropped: AtomicU64::new(0),
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
                    queue.remove(index);
                    self.shared.dropped.fetch_add(1, Ordering::Relaxed);
                }
                None if class == Class::Droppable => {
                    self.shared.dropped.fetch_add(1, Ordering::Relaxed);
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
        queue.push_back(Entry { topic, record, class, done });
        drop(queue);
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

    /// Takes the first run of records of one topic.
    fn take(&self) -> Vec<Entry> {
        let mut queue = self.lock();
        let mut batch = Vec::new();
        while batch.len() < BATCH {
            let Some(entry) = queue.pop_front() else { break };
            if let Some(first) = batch.first()
                && topic_of(first) != topic_of(&entry)
            {
                queue.push_front(entry);
                break;
            }
            batch.push(entry);
        }
        self.in_flight.store(batch.len() as u64, Ordering::Relaxed);
        batch
    }
}

fn topic_of(entry: &Entry) -> &str {
    &entry.topic
}

async fn run(bus: Arc<dyn Bus>, shared: Arc<Shared>) {
    loop {
        let work = shared.work.notified();
        let batch = shared.take();
        if batch.is_empty() {
            shared.idle.notify_waiters();
            work.await;
            continue;
        }
        deliver(&*bus, &shared, batch).await;
    }
}

/// Sends one batch until it is confirmed or refused for ever.
async fn deliver(bus: &dyn Bus, shared: &Shared, batch: Vec<Entry>) {
    let Some(topic) = batch.first().map(|entry| Arc::clone(&entry.topic)) else { return };
    let mut pause = Pause::new();
    loop {
        let records = batch.iter().map(|entry| entry.record.clone()).collect();
        match bus.publish(&topic, records).await {
            Ok(positions) => {
                shared.connected.store(true, Ordering::Relaxed);
                shared.confirmed.fetch_add(batch.len() as u64, Ordering::Relaxed);
                for (entry, position) in batch.into_iter().zip(positions) {
                    settle(entry, Ok(position));
                }
                return;
            }
            Err(error) if error.is_transient() => {
                if shared.connected.swap(false, Ordering::Relaxed) {
                    shared.outages.fetch_add(1, Ordering::Relaxed);
                }
                pause.wait().await;
            }
            Err(_) if batch.len() > 1 => {
                // One record of the batch may be at fault: find it by sending each alone.
                for entry in batch {
                    Box::pin(deliver(bus, shared, Vec::from([entry]))).await;
                }
                return;
            }
            Err(error) => {
                shared.refused.fetch_add(1, Ordering::Relaxed);
                for entry in batch {
                    settle(entry, Err(error.clone()));
                }
                return;
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
