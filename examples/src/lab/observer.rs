//! An independent witness on the bus: it reads the topics as anybody could and remembers what went by.
//!
//! Task: one, owned by the observer and ended with it. It only reads.

use ipowdm_core::bus::Bus;
use ipowdm_core::bus::reader::{Delivery, Reader, Start};
use ipowdm_core::ids::{ConnectionId, VopId};
use ipowdm_core::msg::{Action, AgentMessage, Command, CommandAck, TelemetrySample};
use ipowdm_core::topics::{Role, name};
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// Messages remembered of each kind; enough for the cases, bounded for a lab that stays up.
const REMEMBERED: usize = 4_096;

/// What went by, oldest first, each with the instant it was seen.
#[derive(Debug, Default)]
pub struct Seen {
    /// Commands.
    pub commands: VecDeque<(Instant, Command)>,
    /// Acks.
    pub acks: VecDeque<(Instant, CommandAck)>,
    /// Telemetry samples.
    pub telemetry: VecDeque<(Instant, TelemetrySample)>,
    /// Heartbeats and capability messages, by topic.
    pub health: BTreeMap<String, u64>,
    /// Telemetry samples in all, those that are not remembered any more included.
    pub samples_total: u64,
    /// Records that are no messages.
    pub undecodable: u64,
}

/// The witness.
#[derive(Debug)]
pub struct Observer {
    seen: Arc<Mutex<Seen>>,
    changed: watch::Receiver<u64>,
    task: JoinHandle<()>,
}

impl Observer {
    /// Begins to follow all topics of these virtual operators from their first record.
    #[must_use]
    pub fn start(bus: Arc<dyn Bus>, vops: &[VopId]) -> Self {
        let seen = Arc::new(Mutex::new(Seen::default()));
        let (tell, changed) = watch::channel(0);
        let mut reader = Reader::new(bus);
        for vop in vops {
            for role in Role::ALL {
                reader.follow(&name(role, vop, None), |_| Start::Earliest);
            }
        }
        let shared = Arc::clone(&seen);
        let task = tokio::spawn(async move {
            loop {
                let delivery = reader.next().await;
                if let Delivery::Records { topic, records, .. } = delivery {
                    let mut seen = lock(&shared);
                    for value in records.into_iter().filter_map(|record| record.value) {
                        seen.remember(&topic, &value);
                    }
                    drop(seen);
                    tell.send_modify(|n| *n += 1);
                }
            }
        });
        Self { seen, changed, task }
    }

    /// Waits until `look` finds something in what was seen; `None` after `limit`.
    pub async fn wait_for<T>(&self, limit: Duration, look: impl Fn(&Seen) -> Option<T>) -> Option<T> {
        let mut changed = self.changed.clone();
        let deadline = tokio::time::Instant::now() + limit;
        loop {
            changed.mark_unchanged();
            if let Some(found) = look(&lock(&self.seen)) {
                return Some(found);
            }
            if !matches!(tokio::time::timeout_at(deadline, changed.changed()).await, Ok(Ok(()))) {
                return None;
            }
        }
    }

    /// Looks at what was seen so far.
    pub fn look<T>(&self, look: impl FnOnce(&Seen) -> T) -> T {
        look(&lock(&self.seen))
    }
}

impl Drop for Observer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn lock(seen: &Mutex<Seen>) -> MutexGuard<'_, Seen> {
    seen.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Seen {
    fn remember(&mut self, topic: &str, value: &[u8]) {
        let now = Instant::now();
        if topic.starts_with("config_") {
            match Command::from_json(value) {
                Ok(command) => keep(&mut self.commands, (now, command)),
                Err(_) => self.undecodable += 1,
            }
            return;
        }
        match AgentMessage::from_json(value) {
            Ok(AgentMessage::Ack(ack)) => keep(&mut self.acks, (now, ack)),
            Ok(AgentMessage::Telemetry(sample)) => {
                self.samples_total += 1;
                keep(&mut self.telemetry, (now, sample));
            }
            Ok(_) => *self.health.entry(topic.to_owned()).or_default() += 1,
            Err(_) => self.undecodable += 1,
        }
    }

    /// The samples of a connection since an instant, oldest first.
    pub fn samples<'a>(
        &'a self,
        connection: &'a ConnectionId,
        since: Instant,
    ) -> impl Iterator<Item = &'a TelemetrySample> {
        self.telemetry
            .iter()
            .filter(move |(at, sample)| *at >= since && sample.connection_id == *connection)
            .map(|(_, sample)| sample)
    }

    /// The acks of a connection since an instant, oldest first.
    pub fn acks_of<'a>(
        &'a self,
        connection: &'a ConnectionId,
        since: Instant,
    ) -> impl Iterator<Item = &'a CommandAck> {
        self.acks
            .iter()
            .filter(move |(at, ack)| *at >= since && ack.connection_id.as_ref() == Some(connection))
            .map(|(_, ack)| ack)
    }

    /// The setup commands of a connection since an instant, oldest first.
    pub fn setups<'a>(
        &'a self,
        connection: &'a ConnectionId,
        since: Instant,
    ) -> impl Iterator<Item = &'a Command> {
        let of_this = move |action: &Action| matches!(action, Action::Setup { connection_id, .. } if connection_id == connection);
        self.commands
            .iter()
            .filter(move |(at, command)| *at >= since && of_this(&command.action))
            .map(|(_, command)| command)
    }

    /// The reconfiguration commands of a connection since an instant, oldest first, with the instant each was seen.
    pub fn reconfigurations<'a>(
        &'a self,
        connection: &'a ConnectionId,
        since: Instant,
    ) -> impl Iterator<Item = &'a (Instant, Command)> {
        self.commands.iter().filter(move |(at, command)| {
            let of_this = matches!(&command.action, Action::Reconfigure { connection_id, .. } if connection_id == connection);
            *at >= since && of_this
        })
    }
}

fn keep<T>(list: &mut VecDeque<T>, item: T) {
    if list.len() >= REMEMBERED {
        list.pop_front();
    }
    list.push_back(item);
}
