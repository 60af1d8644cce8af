//! The agent's task: takes in what the bus and the ports say, and acts on it.

use super::ledger::Ledger;
use super::membership::Membership;
use super::watch::Watch;
use super::{AgentStatus, WallClock, reports};
use crate::assignment::Assignments;
use crate::config::AgentConfig;
use crate::intake::Intake;
use crate::port::host::{Clock, PortHandle};
use crate::port::{PortEvent, PortMessage, PortStatus, Sample};
use crate::schedule::FixedRate;
use core::time::Duration;
use ipowdm_core::bus::publisher::{Class, Publisher};
use ipowdm_core::bus::reader::{Delivery, Reader};
use ipowdm_core::bus::{Bus, BusError, Outgoing, Position};
use ipowdm_core::ids::{Incarnation, PortId, VopId};
use ipowdm_core::time::{Millis, Timestamp};
use ipowdm_core::topics::ASSIGNMENTS;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;

/// Events taken in before acks are published.
const BURST: usize = 64;
/// How often what was put off is tried again.
pub(super) const HOUSEKEEPING_MS: u32 = 1_000;
/// How long an agent that stops waits for the bus.
const FAREWELL: Duration = Duration::from_secs(2);
/// How long it waits for a confirmation that has come to be noted.
const LAST_WORDS: Duration = Duration::from_millis(50);

/// What an agent is told by its handle.
#[derive(Debug)]
pub enum Control {
    /// Answer the status.
    Status(oneshot::Sender<Box<AgentStatus>>),
    /// Stop.
    Stop,
}

/// What a short task of the agent came to.
#[derive(Debug)]
pub(super) enum Errand {
    /// An ack was confirmed, refused for ever, or its publisher ended.
    Ack(u64, Option<Result<Position, BusError>>),
    /// A heartbeat was confirmed at this instant, and this was its stamp.
    Heartbeat(VopId, Millis, Anchor),
    /// The end of each partition of a config topic in this life of it.
    Located(VopId, Incarnation, Vec<(u32, i64)>),
}

/// What a heartbeat tells about the broker's time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Anchor {
    /// The broker stamped it so.
    At(i64),
    /// The bus refuses it for ever: there is no such topic.
    Refused,
    /// It could not be read back.
    Unread,
}

/// A discovery that waits for its ports to be read.
#[derive(Debug)]
pub(super) struct Discovery {
    pub(super) vop: VopId,
    pub(super) waiting: BTreeSet<PortId>,
    pub(super) deadline: Millis,
}

/// Everything the agent's task owns.
pub(super) struct AgentTask {
    pub(super) config: AgentConfig,
    pub(super) bus: Arc<dyn Bus>,
    pub(super) boot: u64,
    /// Whether the journal was blank at the start.
    pub(super) blank: bool,
    pub(super) started: Millis,
    pub(super) clock: Clock,
    pub(super) wall: WallClock,
    pub(super) reader: Reader,
    pub(super) publisher: Publisher,
    pub(super) intake: Intake,
    pub(super) ledger: Ledger,
    pub(super) assignments: Assignments,
    pub(super) memberships: BTreeMap<VopId, Membership>,
    pub(super) ports: BTreeMap<PortId, PortHandle>,
    pub(super) statuses: BTreeMap<PortId, PortStatus>,
    pub(super) watch: Watch,
    pub(super) events: mpsc::Receiver<PortEvent>,
    pub(super) orders: mpsc::Receiver<Control>,
    pub(super) errands: JoinSet<Errand>,
    pub(super) discoveries: BTreeMap<u64, Discovery>,
    /// Commands that a restart interrupted, until their age can be told.
    pub(super) interrupted: Vec<u64>,
    pub(super) housekeeping: FixedRate,
    /// Whether the bus was last heard to be away.
    pub(super) bus_out: bool,
}

impl AgentTask {
    pub(super) fn now(&self) -> Millis {
        (self.clock)()
    }

    pub(super) fn timestamp(&self) -> Timestamp {
        (self.wall)()
    }

    /// Runs until stopped.
    pub(super) async fn run(mut self) {
        self.join_all();
        self.resume_nobody();
        loop {
            let pause = Duration::from_millis(self.wake().since(self.now()));
            tokio::select! {
                // What is rare first, so that the same history is the same run; records last, for they never end where a
                // topic is long, and the rest is bounded.
                biased;
                order = self.orders.recv(), if !self.orders.is_closed() || !self.orders.is_empty() => match order {
                    Some(Control::Status(answer)) => {
                        // Whoever no longer waits does not need it.
                        let _ = answer.send(Box::new(self.status()));
                    }
                    Some(Control::Stop) => break,
                    // The handle is gone; the agent goes on.
                    None => {}
                },
                Some(done) = self.errands.join_next(), if !self.errands.is_empty() => {
                    // None panics; one is aborted only where nobody waits for it any more.
                    if let Ok(done) = done {
                        self.on_errand(done);
                    }
                }
                Some(event) = self.events.recv() => self.on_events(event),
                delivery = self.reader.next() => self.on_delivery(delivery),
                () = tokio::time::sleep(pause) => {}
            }
            self.on_time();
            self.ledger.commit(&self.publisher, &mut self.errands).await;
        }
        self.farewell().await;
    }

    fn wake(&self) -> Millis {
        let due = self.memberships.values().map(Membership::due).min();
        due.map_or(self.housekeeping.due(), |due| due.min(self.housekeeping.due()))
    }

    fn on_delivery(&mut self, delivery: Delivery) {
        match delivery {
            Delivery::Records { topic, partition, records, at_end } if &*topic == ASSIGNMENTS => {
                self.on_assignments(partition, &records, at_end);
            }
            Delivery::Records { topic, partition, records, .. } => {
                self.on_commands(&topic, partition, &records);
            }
            Delivery::Resync { topic, partition, lost, from } => {
                tracing::warn!(%topic, partition, lost, from, "the position is no longer in the log; going on at its beginning");
            }
            Delivery::Outage { topic, error } => {
                if let BusError::UnknownTopic { .. } = error {
                    tracing::info!(%topic, "the topic is not there yet");
                } else if !core::mem::replace(&mut self.bus_out, true) {
                    tracing::warn!(%topic, %error, "the bus is away");
                }
            }
            Delivery::Restored { topic } => {
                if core::mem::take(&mut self.bus_out) {
                    tracing::info!(%topic, "the bus is back");
                }
            }
        }
    }

    fn on_events(&mut self, first: PortEvent) {
        let mut next = Some(first);
        let mut taken = 0;
        while let Some(event) = next {
            taken += 1;
            match event {
                PortEvent::Status(status) => self.on_status(*status),
                PortEvent::Sample(sample) => self.on_sample(*sample),
                PortEvent::Done(report) => self.on_report(*report),
            }
            // Others want their turn too.
            next = if taken < BURST { self.events.try_recv().ok() } else { None };
        }
    }

    fn on_status(&mut self, status: PortStatus) {
        let port = status.port.clone();
        if let Some(handle) = self.ports.get_mut(&port) {
            handle.push_owed();
        }
        let change = self.watch.observe(&status);
        let before = self.statuses.insert(port.clone(), status);
        let module = |status: Option<&PortStatus>| status.and_then(|status| status.module.clone());
        if module(before.as_ref()) != module(self.statuses.get(&port)) {
            self.module_changed(&port);
        }
        if let Some((vop, _)) = change {
            self.send_health(&vop);
        }
    }

    fn on_sample(&mut self, sample: Sample) {
        let Some(membership) = self.memberships.get(&sample.vop) else { return };
        let topic = membership.monitoring.clone();
        let message = reports::sample(&self.config.identity, sample, self.boot, self.now(), self.timestamp());
        let record = Outgoing::new(message.connection_id.as_str(), message.to_json());
        // A droppable record always finds room, if need be that of the oldest.
        let _ = self.publisher.send(&topic, record, Class::Droppable);
    }

    fn on_errand(&mut self, errand: Errand) {
        match errand {
            Errand::Ack(number, Some(result)) => self.on_confirmation(number, result),
            Errand::Ack(_, None) => {}
            Errand::Heartbeat(vop, confirmed, anchor) => self.on_heartbeat(&vop, confirmed, anchor),
            Errand::Located(vop, incarnation, ends) => self.on_located(&vop, &incarnation, &ends),
        }
    }

    fn on_confirmation(&mut self, number: u64, result: Result<Position, BusError>) {
        let answer = self.ledger.state().answer(number);
        let is_served = answer.is_some_and(|answer| self.memberships.contains_key(&answer.vop));
        self.ledger.settled(number, result, is_served);
    }

    fn on_time(&mut self) {
        let now = self.now();
        self.on_memberships_time(now);
        if self.housekeeping.take(now).is_some() {
            self.ledger.catch_up();
            self.on_discoveries_time(now);
            for port in self.ports.values_mut() {
                port.push_owed();
            }
        }
    }

    pub(super) fn tell(&mut self, port: &PortId, message: PortMessage) {
        if let Some(handle) = self.ports.get_mut(port) {
            handle.tell(message);
        }
    }

    fn status(&self) -> AgentStatus {
        let following = |m: &Membership| m.phase == super::membership::Phase::Following;
        let dead = self.intake.dead_letters();
        AgentStatus {
            boot_id: self.boot,
            vops: self.memberships.iter().map(|(vop, m)| (vop.clone(), following(m))).collect(),
            ports: self.statuses.clone(),
            intake: self.intake.counts(),
            dead_letters: dead.iter().cloned().collect(),
            dead_letters_total: dead.total(),
            publisher: self.publisher.counts(),
            unsent_acks: self.ledger.state().unsent().count(),
            refused_acks: self.ledger.refused,
            journal_bytes: self.ledger.bytes(),
            windows: self
                .statuses
                .keys()
                .map(|port| (port.clone(), self.watch.stats(port, self.now())))
                .collect(),
        }
    }

    /// Ports end where they are; what is written is durable; those served are told.
    async fn farewell(mut self) {
        self.ports.clear();
        let vops: Vec<VopId> = self.memberships.keys().cloned().collect();
        for vop in vops {
            self.send_stopped(&vop);
        }
        self.ledger.settle().await;
        if tokio::time::timeout(FAREWELL, self.publisher.flush()).await.is_err() {
            tracing::warn!("the bus is away; unsent acks are kept in the journal");
        }
        while let Ok(Some(Ok(errand))) = tokio::time::timeout(LAST_WORDS, self.errands.join_next()).await {
            if let Errand::Ack(number, Some(result)) = errand {
                self.on_confirmation(number, result);
            }
        }
    }
}
