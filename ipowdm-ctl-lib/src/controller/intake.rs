//! What agents say: acks, telemetry, heartbeats, capabilities.
//!
//! One task follows the monitoring and health topics. A batch of a partition is worked off in order; the acks in it are
//! stored in one transaction together with the position after the batch, so nothing is acted on twice and nothing is missed.
//! Samples change nothing by themselves: they go to the loops in memory, and only what a loop finds is stored.

mod agents;
mod claims;
mod samples;

use super::command::{CommandRef, LifeTag, carries, parse};
use super::engine::{Beside, Input, Job, PortEnd};
use super::inner::Inner;
use super::metrics::DeadLetter;
use super::record::{PortOperation, Position};
use super::trace;
use crate::connection::{Event, Light, Now, Verdict};
use core::time::Duration;
use ipowdm_core::bus::reader::{Delivery, Reader, Start};
use ipowdm_core::bus::{Bus, BusError, Record};
use ipowdm_core::error::Code;
use ipowdm_core::ids::{AgentId, ConnectionId, PopId, PortRef, RouterId, RouterRef, VopId};
use ipowdm_core::msg::{AckStatus, AgentMessage, Claim, CommandAck, DecodeError, Outcome, Reply, Target};
use ipowdm_core::topics::Role;
use samples::Findings;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Pauses while the bus cannot be reached.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// How long a command may stay in the outbox before its publication is not timed any more.
const PUBLISHED: Duration = Duration::from_secs(30);

/// Ports whose modules are noted in one transaction.
const LEARNT_TOGETHER: usize = 256;

/// Characters of a bad record that are kept.
const EXCERPT: usize = 120;

/// The action whose acks are about a port and no connection.
const INTERFACE_CONTROL: &str = "interfaceControl";

/// An answer to a command.
enum Answered {
    Ack(Box<CommandAck>),
    /// An agent's word.
    Claim {
        claim: Box<Claim>,
        /// Whether it is from after the start of this controller.
        fresh: bool,
    },
}

/// Where a sample was read.
struct Source<'a> {
    partition: u32,
    record: &'a Record,
    fresh: bool,
}

/// The task's own state.
struct Intake {
    inner: Arc<Inner>,
    monitoring: Arc<str>,
    health: Arc<str>,
    /// Where the virtual operator has ports; what says that it comes from elsewhere is passed over.
    routers: BTreeSet<RouterRef>,
    /// Offsets from which records are newer than this controller, by partition of the monitoring topic.
    horizon: BTreeMap<u32, i64>,
    /// Topics that cannot be read now. Each partition tells of an outage; people are told once.
    unread: BTreeSet<Arc<str>>,
}

/// Follows the topics until another controller takes over, or dropped.
pub(super) async fn run(inner: Arc<Inner>, positions: BTreeMap<u32, i64>) {
    let topic = |role| Arc::<str>::from(inner.vop.topic(role).as_str());
    let (monitoring, health) = (topic(Role::Monitoring), topic(Role::Health));
    let horizon = ends(&inner, &monitoring).await;
    let heard_from = ends(&inner, &health).await;
    for (role, from) in [(Role::Monitoring, &positions), (Role::Health, &heard_from)] {
        from.iter().for_each(|(partition, offset)| inner.has_read(role, *partition, *offset));
    }
    let mut reader = Reader::new(Arc::clone(&inner.bus));
    reader.follow(&monitoring, move |partition| {
        positions.get(&partition).map_or(Start::Earliest, |offset| Start::At(*offset))
    });
    // Old heartbeats say nothing about now; what modules can do is in LinkDB.
    reader.follow(&health, move |partition| {
        heard_from.get(&partition).map_or(Start::Latest, |at| Start::At(*at))
    });
    // They report by themselves too, only later.
    inner.ask_for_discovery(Target::All);
    let routers = inner.vop.request.ports.iter().map(PortRef::router).collect();
    let unread = BTreeSet::new();
    let mut intake = Intake { monitoring, health, routers, horizon, unread, inner: Arc::clone(&inner) };
    loop {
        tokio::select! {
            biased;
            () = inner.until_superseded() => return,
            delivery = reader.next() => intake.take(delivery).await,
        }
    }
}

/// The ends of the log of every partition of a topic, as soon as the bus can be reached and the topic is there.
async fn ends(inner: &Inner, topic: &str) -> BTreeMap<u32, i64> {
    let mut pause = FIRST_PAUSE;
    loop {
        match try_ends(&*inner.bus, topic).await {
            Ok(ends) => {
                inner.outage_is(None);
                return ends;
            }
            Err(error) => inner.outage_is(Some(error.to_string())),
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

async fn try_ends(bus: &dyn Bus, topic: &str) -> Result<BTreeMap<u32, i64>, BusError> {
    let description = bus.describe_topic(topic).await?;
    let partitions = description
        .map(|description| description.partitions)
        .ok_or_else(|| BusError::UnknownTopic { topic: topic.to_owned(), partition: 0 })?;
    let mut ends = BTreeMap::new();
    for partition in 0..partitions {
        ends.insert(partition, bus.bounds(topic, partition).await?.next);
    }
    Ok(ends)
}

impl Intake {
    async fn take(&mut self, delivery: Delivery) {
        match delivery {
            Delivery::Records { topic, partition, records, .. } => {
                if topic == self.monitoring {
                    self.monitoring_batch(partition, &records).await;
                } else if topic == self.health {
                    for record in &records {
                        self.health_record(partition, record).await;
                    }
                }
                let role = if topic == self.health { Role::Health } else { Role::Monitoring };
                if let Some(last) = records.last() {
                    self.inner.has_read(role, partition, last.offset + 1);
                }
            }
            Delivery::Resync { topic, partition, lost, from } => {
                self.inner.metrics.resync();
                tracing::error!(%topic, partition, lost, from, "position is not in the log; answers may be missing");
            }
            Delivery::Outage { topic, error } => {
                if self.unread.is_empty() {
                    tracing::warn!(vop = %self.inner.vop.id(), %topic, %error, "the bus is away");
                }
                self.unread.insert(topic);
                self.inner.outage_is(Some(error.to_string()));
            }
            Delivery::Restored { topic } => {
                if self.unread.remove(&topic) && self.unread.is_empty() {
                    tracing::info!(vop = %self.inner.vop.id(), "the bus is back");
                    self.inner.outage_is(None);
                }
                if topic == self.monitoring {
                    // What agents held back during the outage is not new.
                    if let Ok(ends) = try_ends(&*self.inner.bus, &self.monitoring).await {
                        self.horizon = ends;
                    }
                }
            }
        }
    }

    async fn monitoring_batch(&self, partition: u32, records: &[Record]) {
        let Some(last) = records.last() else { return };
        let horizon = self.horizon.get(&partition).copied().unwrap_or(0);
        let mut acks = Vec::new();
        let mut findings = Findings::of_batch(&self.inner);
        for record in records {
            match self.decode(&self.monitoring, partition, record) {
                Some(Reply::Message(AgentMessage::Ack(ack))) => acks.push(Answered::Ack(Box::new(ack))),
                Some(Reply::Claim(claim)) => {
                    let fresh = record.offset >= horizon;
                    acks.push(Answered::Claim { claim: Box::new(claim), fresh });
                }
                Some(Reply::Message(AgentMessage::Telemetry(sample))) => {
                    let from = Source { partition, record, fresh: record.offset >= horizon };
                    self.sample(sample, &from, &mut findings).await;
                }
                // Agents of the reference without a health topic report here.
                Some(other) => self.report(&other).await,
                None => {}
            }
        }
        self.act(&mut findings).await;
        self.inner.acted_up_to(partition, last.offset + 1);
        if !acks.is_empty() {
            self.acks(acks, partition, last.offset + 1).await;
        }
    }

    fn decode(&self, topic: &str, partition: u32, record: &Record) -> Option<Reply> {
        let value = record.value.as_ref()?;
        let reply = if self.inner.config.compatibility {
            self.reply(value)
        } else {
            AgentMessage::from_json(value).map(Reply::Message)
        };
        match reply {
            Ok(message) => Some(message),
            Err(DecodeError::Unknown(_)) => {
                self.inner.metrics.unknown_message();
                None
            }
            Err(error) => {
                let excerpt = String::from_utf8_lossy(value).chars().take(EXCERPT).collect();
                self.inner.metrics.dead_letter(DeadLetter {
                    topic: topic.to_owned(),
                    partition,
                    offset: record.offset,
                    reason: error.to_string(),
                    excerpt,
                });
                None
            }
        }
    }

    async fn acks(&self, acks: Vec<Answered>, partition: u32, next: i64) {
        let inner = &self.inner;
        let mut jobs: Vec<Job> = Vec::new();
        let key = Position::key(inner.vop.id(), &self.monitoring, &inner.vop.incarnation, partition);
        let mut beside = Beside { positions: vec![(key, Position(next))], ..Beside::default() };
        for answered in acks {
            let own = match answered {
                Answered::Ack(ack) => self.ack(&ack, &mut beside).await,
                Answered::Claim { claim, fresh } => self.claim(*claim, fresh, &mut beside).await,
            };
            let Some((id, inputs)) = own else { continue };
            match jobs.iter_mut().find(|job| job.id == id) {
                Some(job) => job.inputs.extend(inputs),
                None => jobs.push(Job { id, incarnation: None, inputs, quality: None, alarmed: None }),
            }
        }
        let Some(outcome) = inner.drive_surely(&jobs, &beside).await else { return };
        inner.stored_up_to(partition, next);
        for (job, driven) in jobs.iter().zip(&outcome.driven) {
            // What an ack says about light goes along with what it says of a foreign change.
            let alone = |input: &Input| !matches!(input, Input::Event(Event::LightSeen(..)));
            let taken = |at: usize| {
                let verdict = driven.as_ref().and_then(|driven| driven.verdicts.get(at));
                verdict == Some(&Verdict::Applied)
            };
            let inputs = job.inputs.iter().enumerate();
            let ignored = inputs.filter(|(at, input)| alone(input) && !taken(*at)).count();
            (0..ignored).for_each(|_| inner.metrics.ack_ignored());
        }
    }

    /// What an ack is to a connection of this controller's. What it is to a port goes beside.
    async fn ack(&self, ack: &CommandAck, beside: &mut Beside) -> Option<(ConnectionId, Vec<Input>)> {
        let inner = &self.inner;
        let from = RouterRef { pop_id: ack.pop_id.clone(), router_id: ack.router_id.clone() };
        if ack.virtual_operator != *inner.vop.id() || !self.routers.contains(&from) {
            inner.metrics.ack_ignored();
            return None;
        }
        inner.metrics.ack(ack.outcome);
        trace::received(inner.vop.id(), ack);
        self.heard(&ack.agent_id, &from, inner.now()).await;
        if ack.outcome == Outcome::StaleEpoch {
            beside.reported_epoch = beside.reported_epoch.max(ack.details.epoch);
        }
        let own = connection_of(ack, inner.sender.life);
        if let Some((id, Input::Ack(_, command))) = &own {
            inner.correlator().answered(id, &ack.agent_id, *command);
        }
        let own = own.map(|(id, input)| (id, vec![input])).or_else(|| self.changed_by_others(ack));
        if own.is_none() {
            match self.port_end(ack) {
                Some(end) => beside.ports.push(end),
                None => inner.metrics.ack_ignored(),
            }
        }
        own
    }

    /// What a command which is not this controller's (typed by hand, say) has changed in the module of an end.
    fn changed_by_others(&self, ack: &CommandAck) -> Option<(ConnectionId, Vec<Input>)> {
        if ack.outcome != Outcome::Applied || ack.action == INTERFACE_CONTROL {
            return None;
        }
        let live = self.inner.live();
        let port_id = ack.interface.clone()?;
        let port = PortRef { pop_id: ack.pop_id.clone(), router_id: ack.router_id.clone(), port_id };
        let mut ends = live.ends_of_port(&port).into_iter();
        let (id, end) = ends
            .find(|(id, end)| live.get(id).is_some_and(|record| *record.agents.get(*end) == ack.agent_id))?;
        let light = ack.details.readback.as_ref().and_then(Light::read_back);
        let light = light.map(|light| Event::LightSeen(end, light));
        Some((id, [Event::ForeignChange(end)].into_iter().chain(light).map(Input::Event).collect()))
    }

    fn port_end(&self, ack: &CommandAck) -> Option<PortEnd> {
        let port_id = ack.interface.clone()?;
        let port = PortRef { pop_id: ack.pop_id.clone(), router_id: ack.router_id.clone(), port_id };
        let result = match ack.outcome.status() {
            AckStatus::Success => Ok(()),
            AckStatus::Failed => Err((
                ack.details.code.unwrap_or(Code::ModuleRejected),
                ack.details.error.clone().unwrap_or_default().chars().take(256).collect(),
            )),
        };
        let key = PortOperation::key(self.inner.vop.id(), &port);
        Some(PortEnd { key, command_id: ack.command_id.clone(), result })
    }

    async fn health_record(&self, partition: u32, record: &Record) {
        if let Some(reply) = self.decode(&self.health, partition, record) {
            self.report(&reply).await;
        }
    }

    async fn report(&self, reply: &Reply) {
        let inner = &self.inner;
        let Reply::Message(message) = reply else {
            self.note(reply);
            return;
        };
        let now = inner.now();
        let ours = |vop: &VopId, pop_id: &PopId, router_id: &RouterId| {
            let from = RouterRef { pop_id: pop_id.clone(), router_id: router_id.clone() };
            vop == inner.vop.id() && self.routers.contains(&from)
        };
        let changes = match message {
            AgentMessage::Health(said) if ours(&said.virtual_operator, &said.pop_id, &said.router_id) => {
                inner.registry().health(now.at, now.wall, said)
            }
            AgentMessage::Capabilities(said)
                if ours(&said.virtual_operator, &said.pop_id, &said.router_id) =>
            {
                inner.registry().capabilities(now.at, now.wall, said)
            }
            _ => {
                inner.metrics.unknown_message();
                return;
            }
        };
        inner.agents_changed(changes).await;
        if let AgentMessage::Health(said) = message {
            inner.darken_strays(said).await;
            inner.hear_denials(said).await;
        }
    }

    async fn heard(&self, agent: &AgentId, router: &RouterRef, now: Now) {
        let mut changes = Vec::new();
        self.inner.registry().heard(now.at, now.wall, agent, router, &mut changes);
        if !changes.is_empty() {
            self.inner.agents_changed(changes).await;
        }
    }
}

/// The connection that an ack is about, and what it says; `None` also for an answer to another life's command.
fn connection_of(ack: &CommandAck, life: LifeTag) -> Option<(ConnectionId, Input)> {
    if ack.action == INTERFACE_CONTROL {
        return None;
    }
    let (carried, command) = parse(&ack.command_id, life)?;
    let id = match &ack.connection_id {
        Some(id) => Some(id.clone()).filter(|id| carries(carried, id)),
        None => ConnectionId::new(carried).ok(),
    }?;
    Some((id, Input::Ack(Box::new(ack.clone()), command)))
}
