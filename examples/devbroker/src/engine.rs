//! The state of the broker and the one lock around it.
//!
//! Every change happens in one short critical section without an await in it, so a request takes effect wholly or
//! not at all whatever happens to its connection. Stopping takes the state out: whoever comes later finds the
//! broker gone, and no answer is sent for a change that a saved log does not hold.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use tokio::sync::{Notify, Semaphore, oneshot};
use tokio::time::{Instant, MissedTickBehavior};

use crate::clock::Now;
use crate::coordinator::{Answer, Coordinator, Offsets, Ticket};
use crate::disk::Disk;
use crate::faults::Faults;
use crate::options::{Limits, Options};
use crate::stats::{Counters, Stats};
use crate::topics::Topics;

/// The node id this broker gives itself.
pub(crate) const NODE_ID: i32 = 1;

/// What a broker held when it crashed: topics, records, committed positions, producer numbers. Group members are not
/// part of it; like after a restart of Apache Kafka they join anew.
#[derive(Debug, Clone, Default)]
pub struct SavedLog {
    topics: Topics,
    offsets: Offsets,
    next_producer_id: i64,
}

impl SavedLog {
    /// What was read from a folder.
    pub(crate) fn restored(topics: Topics, offsets: Offsets, next_producer_id: i64) -> Self {
        SavedLog { topics, offsets, next_producer_id }
    }

    #[cfg(test)]
    pub(crate) fn held(&self) -> &Topics {
        &self.topics
    }

    #[cfg(test)]
    pub(crate) fn positions(&self) -> (&Offsets, i64) {
        (&self.offsets, self.next_producer_id)
    }

    /// Names of the topics in it.
    pub fn topics(&self) -> impl Iterator<Item = &str> {
        self.topics.iter().map(|(name, _)| name)
    }

    /// Bytes of records in it.
    pub fn bytes(&self) -> usize {
        self.topics.bytes()
    }
}

/// The broker has been stopped; the connection ends without an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stopped;

/// Everything that requests change.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) topics: Topics,
    pub(crate) coordinator: Coordinator,
    pub(crate) next_producer_id: i64,
    /// Where changes are written, in the persistent mode.
    disk: Option<Disk>,
    waiting: HashMap<Ticket, oneshot::Sender<Answer>>,
    last_ticket: u64,
}

impl State {
    /// A ticket for a join or sync that may have to wait, and where its answer will arrive.
    pub(crate) fn ticket(&mut self) -> (Ticket, oneshot::Receiver<Answer>) {
        self.last_ticket += 1;
        let (ticket, (answer, arrives)) = (Ticket(self.last_ticket), oneshot::channel());
        self.waiting.insert(ticket, answer);
        (ticket, arrives)
    }

    /// Sends the coordinator's due answers to those who wait for them.
    pub(crate) fn deliver(&mut self) {
        for answer in self.coordinator.take_answers() {
            if let Some(waiting) = self.waiting.remove(&answer.ticket()) {
                // A client that has gone does not take its answer; the coordinator expels it in time.
                let _ = waiting.send(answer);
            }
        }
        self.waiting.retain(|_, waiting| !waiting.is_closed());
    }
}

/// Where clients are told to connect.
#[derive(Debug, Clone)]
pub(crate) struct Endpoint {
    pub(crate) host: String,
    pub(crate) port: u16,
}

/// The broker without its sockets.
#[derive(Debug)]
pub(crate) struct Engine {
    state: Mutex<Option<State>>,
    /// Something about the groups changed; their next deadline may be another one.
    pub(crate) groups_changed: Notify,
    pub(crate) options: Options,
    pub(crate) endpoint: Endpoint,
    pub(crate) faults: Faults,
    pub(crate) counters: Counters,
    /// Bytes of request frames that may yet be received; see [`Limits::frames_in_flight_bytes`].
    pub(crate) frame_budget: Semaphore,
}

impl Engine {
    #[cfg(test)]
    pub(crate) fn new(options: Options, endpoint: Endpoint) -> Self {
        Self::over(options, endpoint, None)
    }

    /// An engine whose changes are written to a folder, if there is one.
    pub(crate) fn over(mut options: Options, endpoint: Endpoint, disk: Option<Disk>) -> Self {
        let faults = Faults::default();
        let started = faults.clock().now().wall_ms;
        let mut log = options.log.take().unwrap_or_default();
        // Producers of an earlier, lost log must not meet their numbers again.
        log.next_producer_id = log.next_producer_id.max(started.saturating_mul(1000));
        log.topics.keep_changes(disk.is_some());
        let nonce = u64::try_from(started).unwrap_or_default();
        let budget = options.limits.frames_in_flight_bytes.max(options.limits.frame_bytes);
        Engine {
            state: Mutex::new(Some(State {
                topics: log.topics,
                coordinator: Coordinator::new(nonce, log.offsets),
                next_producer_id: log.next_producer_id,
                disk,
                waiting: HashMap::new(),
                last_ticket: 0,
            })),
            groups_changed: Notify::new(),
            options,
            endpoint,
            faults,
            counters: Counters::default(),
            frame_budget: Semaphore::new(budget.min(Semaphore::MAX_PERMITS)),
        }
    }

    pub(crate) fn limits(&self) -> &Limits {
        &self.options.limits
    }

    pub(crate) fn now(&self) -> Now {
        self.faults.clock().now()
    }

    /// Runs `change` on the state.
    ///
    /// # Errors
    ///
    /// [`Stopped`] if the state has been taken out.
    pub(crate) fn with<T>(&self, change: impl FnOnce(&mut State) -> T) -> Result<T, Stopped> {
        // No code under this lock panics on outside data; should it, the state is still whole between changes.
        let mut place = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let state = place.as_mut().ok_or(Stopped)?;
        let result = change(state);
        if let Some(disk) = &mut state.disk
            && let Err(error) = disk.write(state.topics.unwritten(), &state.topics)
        {
            // What is held is ahead of the files: nobody may be told of it. As Apache Kafka, whose log folder fails, it ends.
            self.counters.failed(&error);
            *place = None;
            return Err(Stopped);
        }
        Ok(result)
    }

    /// [`Engine::with`] for changes to groups: delivers due answers and re-arms the timer.
    pub(crate) fn with_groups<T>(&self, change: impl FnOnce(&mut State) -> T) -> Result<T, Stopped> {
        let result = self.with(|state| {
            let result = change(state);
            state.deliver();
            result
        });
        self.groups_changed.notify_one();
        result
    }

    /// Takes the state out; every later request finds the broker stopped.
    pub(crate) fn stop(&self) -> SavedLog {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner).take();
        state.map_or_else(SavedLog::default, |mut state| {
            state.topics.keep_changes(false);
            SavedLog {
                topics: state.topics,
                offsets: state.coordinator.offsets,
                next_producer_id: state.next_producer_id,
            }
        })
    }

    /// Keeps the groups' time; never returns while the broker runs.
    pub(crate) async fn keep_group_time(&self) {
        while let Ok(deadline) = self.with(|state| state.coordinator.next_deadline()) {
            let changed = self.groups_changed.notified();
            match deadline {
                None => changed.await,
                Some(deadline) => tokio::select! {
                    () = changed => {}
                    () = tokio::time::sleep_until(deadline) => {
                        let now = self.now().monotonic;
                        let ticked = self.with(|state| {
                            state.coordinator.tick(now);
                            state.deliver();
                        });
                        if ticked.is_err() {
                            return;
                        }
                    }
                },
            }
        }
    }

    /// Drops what has grown too old, every so often; never returns while the broker runs. The first check waits its turn: Kafka's
    /// too leaves a fresh broker's log alone for a while (`log.initial.task.delay.ms`).
    pub(crate) async fn keep_retention(&self) {
        let every = self.options.retention_check;
        let mut due = tokio::time::interval_at(Instant::now() + every, every);
        due.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            due.tick().await;
            let now = self.now();
            if self.with(|state| state.topics.expire(now)).is_err() {
                return;
            }
        }
    }

    pub(crate) fn stats(&self) -> Stats {
        let counted = self.counters.snapshot();
        let held = self.with(|state| {
            let losses = state.topics.losses();
            Stats {
                topics: state.topics.len() as u64,
                partitions: state.topics.partition_count() as u64,
                log_bytes: state.topics.bytes() as u64,
                dropped_by_retention: losses.retention,
                dropped_by_memory: losses.memory,
                refused_batches: losses.refused_batches,
                ..counted.clone()
            }
        });
        held.unwrap_or(counted)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::batch::Batch;
    use crate::config::TopicConfig;
    use crate::samples;

    #[tokio::test(start_paused = true)]
    async fn old_records_stay_until_the_first_check_one_interval_after_the_start() {
        let options = Options::default().retention_check(Duration::from_secs(300));
        let engine = Engine::new(options, Endpoint { host: "localhost".to_owned(), port: 0 });
        let append = |state: &mut State| {
            let (now, limits) = (engine.now(), engine.limits());
            state.topics.create("t", 1, TopicConfig::default(), limits).unwrap();
            // Its producer's time is in 1970.
            let batch = Batch::check(&samples::plain_batch(1, 1_000)).unwrap();
            state.topics.append("t", 0, batch, now, limits).unwrap();
        };
        engine.with(append).unwrap();
        let bounds = || engine.with(|state| state.topics.bounds("t", 0).unwrap()).unwrap();
        let checks = engine.keep_retention();
        tokio::pin!(checks);
        assert!(tokio::time::timeout(Duration::from_secs(299), &mut checks).await.is_err());
        assert_eq!(bounds(), (0, 1));
        assert!(tokio::time::timeout(Duration::from_secs(2), &mut checks).await.is_err());
        assert_eq!(bounds(), (1, 1));
    }
}
