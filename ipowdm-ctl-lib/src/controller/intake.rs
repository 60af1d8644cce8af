//! What agents say: acks, telemetry, heartbeats, capabilities.
//!
//! One task follows the monitoring and health topics. A batch of a partition is worked off in order; the acks in it are
//! stored in one transaction together with the position after the batch, so nothing is acted on twice and nothing is missed.
//! Samples change nothing by themselves: they go to the loops in memory, and only what a loop finds is stored.

use super::command::{LifeTag, carries, parse};
use super::engine::{Beside, Input, Job, PortEnd, jobs_for};
use super::error::ControllerError;
use super::event::ControllerEvent;
use super::inner::Inner;
use super::inventory::question;
use super::live::end_at;
use super::metrics::DeadLetter;
use super::record::{PortOperation, Position};
use super::trace;
use crate::connection::{Event, Light, State, Verdict};
use crate::qot_loop::{Context, Finding};
use crate::registry::{Change, Conflict, Presence};
use core::time::Duration;
use ipowdm_core::bus::publisher::Class;
use ipowdm_core::bus::reader::{Delivery, Reader, Start};
use ipowdm_core::bus::{Bus, BusError, Record};
use ipowdm_core::error::Code;
use ipowdm_core::ids::{ConnectionId, PopId, PortRef, RouterId, RouterRef, VopId};
use ipowdm_core::msg::{
    AckStatus, Action, AgentMessage, CommandAck, DecodeError, Outcome, Target, TelemetrySample,
};
use ipowdm_core::qot::Request;
use ipowdm_core::topics::Role;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use tokio::time::Instant;

/// Pauses while the bus cannot be reached.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// How long a command may stay in the outbox before its publication is not timed any more.
const PUBLISHED: Duration = Duration::from_secs(30);

/// Characters of a bad record that are kept.
const EXCERPT: usize = 120;

/// The action whose acks are about a port and no connection.
const INTERFACE_CONTROL: &str = "interfaceControl";

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
        for record in records {
            match self.decode(&self.monitoring, partition, record) {
                Some(AgentMessage::Ack(ack)) => acks.push(ack),
                Some(AgentMessage::Telemetry(sample)) => {
                    self.sample(&sample, record.offset, record.offset >= horizon).await;
                }
                // Agents of the reference without a health topic report here.
                Some(other) => self.report(&other).await,
                None => {}
            }
        }
        self.inner.acted_up_to(partition, last.offset + 1);
        if !acks.is_empty() {
            self.acks(acks, partition, last.offset + 1).await;
        }
    }

    fn decode(&self, topic: &str, partition: u32, record: &Record) -> Option<AgentMessage> {
        let value = record.value.as_ref()?;
        match AgentMessage::from_json(value) {
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

    // --- acks ---------------------------------------------------------------------------------------------------------

    async fn acks(&self, acks: Vec<CommandAck>, partition: u32, next: i64) {
        let inner = &self.inner;
        let mut jobs: Vec<Job> = Vec::new();
        let key = Position::key(inner.vop.id(), &self.monitoring, &inner.vop.incarnation, partition);
        let mut beside = Beside { positions: vec![(key, Position(next))], ..Beside::default() };
        for ack in acks {
            let from = RouterRef { pop_id: ack.pop_id.clone(), router_id: ack.router_id.clone() };
            if ack.virtual_operator != *inner.vop.id() || !self.routers.contains(&from) {
                inner.metrics.ack_ignored();
                continue;
            }
            inner.metrics.ack(ack.outcome);
            trace::received(inner.vop.id(), &ack);
            self.heard(&ack.agent_id, from).await;
            if ack.outcome == Outcome::StaleEpoch {
                beside.reported_epoch = beside.reported_epoch.max(ack.details.epoch);
            }
            let own = connection_of(&ack, inner.sender.life).map(|(id, input)| (id, vec![input]));
            if let Some((id, inputs)) = own.or_else(|| self.changed_by_others(&ack)) {
                match jobs.iter_mut().find(|job| job.id == id) {
                    Some(job) => job.inputs.extend(inputs),
                    None => jobs.push(Job { id, incarnation: None, inputs, quality: None, alarmed: None }),
                }
            } else if let Some(end) = self.port_end(&ack) {
                beside.ports.push(end);
            } else {
                inner.metrics.ack_ignored();
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

    // --- telemetry ----------------------------------------------------------------------------------------------------

    async fn sample(&self, sample: &TelemetrySample, offset: i64, fresh: bool) {
        let inner = &self.inner;
        let arrived = Instant::now();
        let from = sample.pop_id.clone().zip(sample.router_id.clone());
        let from = from.map(|(pop_id, router_id)| RouterRef { pop_id, router_id });
        let foreign = sample.virtual_operator.as_ref().is_some_and(|vop| vop != inner.vop.id())
            || from.as_ref().is_some_and(|router| !self.routers.contains(router));
        let found = if foreign { None } else { self.judge(sample, offset, fresh) };
        inner.metrics.sample(found.is_some());
        if fresh && found.is_some() {
            inner.feed.sample(sample);
        }
        if let Some(router) = from.filter(|_| !foreign) {
            self.heard(&sample.agent_id, router).await;
        }
        let Some(Some(found)) = found else { return };
        // Only steps are timed, and only they need the outbox to be watched.
        let watch = found.step.then(|| inner.linkdb.store().watch_outbox());
        let Some(outcome) = inner.drive_surely(core::slice::from_ref(&found.job), &Beside::default()).await
        else {
            return;
        };
        let stepped = outcome.driven.iter().flatten().any(|driven| !driven.commands.is_empty());
        if let Some(watch) = watch.filter(|_| stepped) {
            inner.metrics.step_decided(arrived.elapsed());
            let inner = Arc::clone(inner);
            tokio::spawn(async move {
                let store = inner.linkdb.store();
                if store.relayed(watch, outcome.version, PUBLISHED).await == Ok(true) {
                    inner.metrics.step_published(arrived.elapsed());
                }
            });
        }
        if let Some(event) = found.told {
            if matches!(event, ControllerEvent::QualityAlarm { .. }) {
                inner.metrics.alarm();
            }
            inner.tell(event);
        }
    }

    /// Gives a sample to its connection's loop; `None` where there is no such connection or end, `Some(None)` where nothing
    /// follows.
    fn judge(&self, sample: &TelemetrySample, offset: i64, fresh: bool) -> Option<Option<Found>> {
        let inner = &self.inner;
        let now = inner.at();
        let mut live = inner.live();
        let entry = live.entry_mut(&sample.connection_id)?;
        let record = entry.record();
        let end = end_at(&record, &sample.agent_id, Some(&sample.interface))?;
        let state = record.life.ends().get(end);
        let rule = entry.rule;
        let context = Context {
            rule: &rule,
            wanted: &state.wanted,
            troubles: state.troubles,
            light: state.light,
            level: record.life.level(),
            judged: matches!(record.life.state(), State::Active | State::Degraded),
            fresh,
            max_age_ms: inner.config.qot.max_age_ms,
        };
        let place = u64::try_from(offset).unwrap_or(0);
        let acting = entry.qot.is_acting();
        let findings = entry.qot.observe(now, end, sample, place, &context);
        if entry.qot.is_acting() && !acting {
            inner.metrics.episode();
        }
        if findings.is_empty() {
            return Some(None);
        }
        let mut found = Found {
            job: Job {
                id: record.id.clone(),
                incarnation: Some(record.incarnation),
                inputs: Vec::new(),
                quality: Some(entry.qot.state().clone()),
                alarmed: None,
            },
            step: false,
            told: None,
        };
        for finding in findings {
            found.add(inner, &record, end, finding);
        }
        let worth = !found.job.inputs.is_empty() || found.job.alarmed.is_some();
        Some(worth.then_some(found))
    }

    // --- heartbeats and capabilities ----------------------------------------------------------------------------------

    async fn health_record(&self, partition: u32, record: &Record) {
        if let Some(message) = self.decode(&self.health, partition, record) {
            self.report(&message).await;
        }
    }

    async fn report(&self, message: &AgentMessage) {
        let inner = &self.inner;
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

    async fn heard(&self, agent: &ipowdm_core::ids::AgentId, router: RouterRef) {
        let now = self.inner.now();
        let mut changes = Vec::new();
        self.inner.registry().heard(now.at, now.wall, agent, &router, &mut changes);
        if !changes.is_empty() {
            self.inner.agents_changed(changes).await;
        }
    }
}

/// What a sample led to.
struct Found {
    job: Job,
    step: bool,
    told: Option<ControllerEvent>,
}

impl Found {
    fn add(
        &mut self,
        inner: &Inner,
        record: &super::record::ConnectionRecord,
        end: ipowdm_core::qot::End,
        finding: Finding,
    ) {
        let connection_id = record.id.clone();
        let event = match finding {
            Finding::Level(level) => Event::Quality(level),
            Finding::LossOfSignal => Event::LossOfSignal(end),
            Finding::SignalBack => Event::SignalBack(end),
            Finding::ForeignChange => Event::ForeignChange(end),
            Finding::Conforming => Event::Conforming(end),
            Finding::Light(light) => Event::LightSeen(end, light),
            Finding::Request(request @ Request::Step { attempt, .. }) => {
                let current = record.life.ends().map(|_, end| end.wanted.tx_power);
                let tx_power = inner.config.qot.step(&request, &current, &record.limits);
                self.step = inner.config.qot.enabled;
                if !self.step {
                    return;
                }
                Event::Step { tx_power, attempt }
            }
            Finding::Request(Request::Alarm { attempts }) => {
                self.job.alarmed = Some(true);
                self.told = Some(ControllerEvent::QualityAlarm { connection_id, attempts });
                return;
            }
            Finding::Request(Request::Recovered) => {
                self.job.alarmed = Some(false);
                self.told = Some(ControllerEvent::QualityRecovered { connection_id });
                return;
            }
        };
        self.job.inputs.push(Input::Event(event));
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

impl Inner {
    /// Asks agents to read their modules and to report. Lost questions are asked again ([`Registry::to_ask`]).
    ///
    /// [`Registry::to_ask`]: crate::registry::Registry::to_ask
    pub(super) fn ask_for_discovery(&self, target: Target) {
        if self.tenure.holds(Instant::now())
            && !self.is_superseded()
            && let Ok(record) = question(self, target, Action::Discover)
            && let Err(full) = self.publisher.send(&self.vop.topic(Role::Config), record, Class::Droppable)
        {
            tracing::warn!(vop = %self.vop.id(), error = %full, "discovery is not asked for");
        }
    }

    /// Does what follows from changes of the registry.
    pub(super) async fn agents_changed(&self, changes: Vec<Change>) {
        let mut jobs = Vec::new();
        let mut reported = None;
        for change in changes {
            match change {
                Change::Presence { agent, to, .. } => {
                    let ends = self.live().ends_of_agent(&agent);
                    match to {
                        Presence::Unknown => jobs.extend(jobs_for(ends, Event::AgentUnknown)),
                        Presence::Online => jobs.extend(jobs_for(ends, Event::AgentKnown)),
                        Presence::Stale => {}
                    }
                    self.tell(ControllerEvent::Agent { agent_id: agent, presence: to });
                }
                Change::Epoch { epoch, .. } if epoch > self.epoch() => reported = reported.max(Some(epoch)),
                Change::ModuleRemoved { router, port } => {
                    let port = port_of(router, port);
                    jobs.extend(jobs_for(self.live().ends_of_port(&port), Event::ModuleRemoved));
                    self.learn(&port).await;
                }
                Change::ModulePresent { router, port } => {
                    let ends = self.live().ends_of_port(&port_of(router, port));
                    jobs.extend(jobs_for(ends, Event::ModulePresent));
                }
                Change::ModuleSwapped { router, port } => {
                    let ends = self.live().ends_of_port(&port_of(router, port));
                    jobs.extend(jobs_for(ends, Event::ModuleSwapped));
                }
                Change::Capability { router, port } => self.learn(&port_of(router, port)).await,
                Change::Conflict(conflict) => {
                    let Conflict { port, holder, claimant } = &*conflict;
                    tracing::warn!(vop = %self.vop.id(), %port, %holder, %claimant, "a port is described twice");
                    self.metrics.conflict();
                    self.tell(ControllerEvent::Conflict(conflict));
                }
                Change::Joined(_) | Change::Restarted(_) | Change::Forgotten(_) | Change::Epoch { .. } => {}
            }
        }
        let jobs: Vec<Job> = jobs.into_iter().filter_map(|job| self.worth_storing(job)).collect();
        if !jobs.is_empty() || reported.is_some() {
            let beside = Beside { reported_epoch: reported, ..Beside::default() };
            self.drive_surely(&jobs, &beside).await;
        }
    }

    /// Brings LinkDB's knowledge of the module in a port up to date with the registry's. Ports that are not the virtual
    /// operator's are left alone, whatever an agent says.
    async fn learn(&self, port: &PortRef) {
        if !self.vop.request.ports.contains(port) {
            return;
        }
        let module = {
            let registry = self.registry();
            let interface = registry.at(&port.router()).and_then(|agent| agent.interfaces.get(&port.port_id));
            let present = |interface: &&crate::registry::Interface| {
                interface.health.as_ref().is_none_or(|health| health.present)
            };
            interface.filter(present).and_then(|interface| interface.module().cloned())
        };
        let learnt =
            self.commanding(None, |tx, _| Ok(self.linkdb.set_capability_in(tx, port, module.as_ref())?));
        match learnt.await {
            Ok(_) => {}
            Err(error @ ControllerError::LinkDb(_)) => {
                tracing::debug!(%port, %error, "capability is not stored");
            }
            Err(error) => tracing::warn!(%port, %error, "capability is not stored"),
        }
    }
}

fn port_of(router: RouterRef, port_id: ipowdm_core::ids::PortId) -> PortRef {
    PortRef { pop_id: router.pop_id, router_id: router.router_id, port_id }
}
