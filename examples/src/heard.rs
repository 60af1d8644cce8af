//! What an agent says on the bus: acks, samples and heartbeats, counted.

use ipowdm_core::bus::Bus;
use ipowdm_core::bus::reader::{Delivery, Reader, Start};
use ipowdm_core::msg::{AgentMessage, Outcome};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// An ack as it was first heard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ack {
    /// When.
    pub at: Instant,
    /// How the command ended.
    pub outcome: Outcome,
    /// Why it did not succeed.
    pub error: Option<String>,
    /// Distinct ids of acks for the command; more than one is a fault of the agent.
    pub ids: BTreeSet<String>,
}

/// Numbers of samples that came, of one port in one life of the agent: as few ranges as there are gaps.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Numbers {
    ranges: BTreeMap<u64, u64>,
    /// How many.
    pub count: u64,
}

impl Numbers {
    fn insert(&mut self, number: u64) {
        if let Some((_, last)) = self.ranges.range_mut(..=number).next_back() {
            if number <= *last {
                return;
            }
            if number == *last + 1 {
                *last = number;
                self.count += 1;
                return;
            }
        }
        self.ranges.insert(number, number);
        self.count += 1;
    }

    /// Runs of numbers that did not come before one that did, first and last.
    #[must_use]
    pub fn gaps(&self) -> Vec<(u64, u64)> {
        let mut next = 1;
        let mut gaps = Vec::new();
        for (&first, &last) in &self.ranges {
            if first > next {
                gaps.push((next, first - 1));
            }
            next = last + 1;
        }
        gaps
    }
}

/// Everything heard so far.
#[derive(Debug, Default)]
pub struct Heard {
    /// By command.
    pub acks: BTreeMap<String, Ack>,
    /// By life and port.
    pub samples: BTreeMap<(u64, String), Numbers>,
    /// The first sample of each life.
    pub first_sample: BTreeMap<u64, Instant>,
    /// The last sample.
    pub last_sample: Option<Instant>,
    /// Samples that heartbeats say were dropped, by life.
    pub dropped: BTreeMap<u64, u64>,
    /// Heartbeats.
    pub heartbeats: u64,
    /// The last life of the agent that was heard of.
    pub life: u64,
    /// Records that are no messages of an agent.
    pub unread: u64,
}

impl Heard {
    fn take_in(&mut self, message: AgentMessage, now: Instant) {
        match message {
            AgentMessage::Ack(ack) => {
                let first =
                    Ack { at: now, outcome: ack.outcome, error: ack.details.error, ids: BTreeSet::new() };
                let entry = self.acks.entry(ack.command_id.to_string()).or_insert(first);
                entry.ids.extend(ack.ack_id);
            }
            AgentMessage::Telemetry(sample) => {
                let (Some(boot), Some(seq)) = (sample.boot_id, sample.seq) else { return };
                let key = (boot, sample.interface.to_string());
                self.samples.entry(key).or_default().insert(seq);
                self.first_sample.entry(boot).or_insert(now);
                self.last_sample = Some(now);
                self.life = self.life.max(boot);
            }
            AgentMessage::Health(health) => {
                let boot = health.boot_id.unwrap_or(0);
                self.life = self.life.max(boot);
                self.heartbeats += 1;
                let words = " telemetry samples were dropped while the bus was away";
                let told =
                    health.issues.iter().filter_map(|issue| issue.strip_suffix(words)?.parse::<u64>().ok());
                *self.dropped.entry(boot).or_default() += told.sum::<u64>();
            }
            _ => {}
        }
    }

    /// Samples that came in a life.
    #[must_use]
    pub fn samples_of(&self, life: u64) -> u64 {
        self.samples.iter().filter(|((boot, _), _)| *boot == life).map(|(_, numbers)| numbers.count).sum()
    }

    /// Ports of which samples came in a life.
    #[must_use]
    pub fn ports_of(&self, life: u64) -> usize {
        self.samples.keys().filter(|(boot, _)| *boot == life).count()
    }

    /// Runs of samples that did not come, in a life.
    #[must_use]
    pub fn gaps_of(&self, life: u64) -> Vec<(u64, u64)> {
        let of_life = self.samples.iter().filter(|((boot, _), _)| *boot == life);
        of_life.flat_map(|(_, numbers)| numbers.gaps()).collect()
    }
}

/// Listens until dropped.
#[derive(Debug)]
pub struct Listener {
    shared: Arc<(Mutex<Heard>, Condvar)>,
    task: tokio::task::JoinHandle<()>,
}

impl Listener {
    /// Follows the topics from their beginning. Must be called inside a tokio runtime.
    #[must_use]
    pub fn start(bus: &Arc<dyn Bus>, topics: &[&str]) -> Self {
        let shared = Arc::new((Mutex::new(Heard::default()), Condvar::new()));
        let mut reader = Reader::new(bus.clone());
        for topic in topics {
            reader.follow(topic, |_| Start::Earliest);
        }
        let heard = shared.clone();
        let task = tokio::spawn(async move {
            loop {
                if let Delivery::Records { records, .. } = reader.next().await {
                    let now = Instant::now();
                    let mut held = heard.0.lock().unwrap_or_else(PoisonError::into_inner);
                    for value in records.iter().filter_map(|record| record.value.as_ref()) {
                        match AgentMessage::from_json(value) {
                            Ok(message) => held.take_in(message, now),
                            Err(_) => held.unread += 1,
                        }
                    }
                    heard.1.notify_all();
                }
            }
        });
        Self { shared, task }
    }

    /// What was heard so far.
    pub fn look(&self) -> MutexGuard<'_, Heard> {
        self.shared.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for what `found` finds, so long. Blocks.
    pub fn wait<T>(&self, patience: Duration, mut found: impl FnMut(&Heard) -> Option<T>) -> Option<T> {
        let until = Instant::now() + patience;
        let mut held = self.look();
        loop {
            if let Some(found) = found(&held) {
                return Some(found);
            }
            let left = until.checked_duration_since(Instant::now())?;
            held = self.shared.1.wait_timeout(held, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.task.abort();
    }
}
