//! Whom the agent serves: joining and leaving, heartbeats, capabilities, where to read on.

use super::membership::{Membership, Phase};
use super::reports::{self, Vitals};
use super::task::{AgentTask, Anchor, Errand, HOUSEKEEPING_MS};
use crate::assignment::{Change, Heard, STATIC_INCARNATION};
use crate::journal::Entry;
use crate::port::host::Clock;
use crate::port::{Job, PortMessage, Work};
use crate::schedule::FixedRate;
use core::time::Duration;
use ipowdm_core::bus::publisher::{Class, Confirmation};
use ipowdm_core::bus::reader::Start;
use ipowdm_core::bus::{Bus, FetchRequest, Outgoing, Position, Record};
use ipowdm_core::ids::{Incarnation, PortId, VopId};
use ipowdm_core::msg::VopAssignment;
use ipowdm_core::time::Millis;
use ipowdm_core::topics::{ASSIGNMENTS, Role};
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::task::AbortHandle;

/// How long to wait for the first look at all ports before the first heartbeat.
const FIRST_LOOK_MS: u64 = 2_000;
/// Modules that change together are reported together.
const CAPABILITIES_DELAY_MS: u64 = 200;
/// Attempts to read a heartbeat back.
const READ_BACKS: u32 = 5;
/// Pause between attempts at something the bus did not answer.
const PAUSE: Duration = Duration::from_millis(250);

impl AgentTask {
    /// Joins everybody who is served at the start.
    pub(super) fn join_all(&mut self) {
        let vops: Vec<VopId> = self.assignments.in_force().keys().cloned().collect();
        for vop in vops {
            self.join(&vop);
        }
    }

    /// Records of the assignments topic.
    pub(super) fn on_assignments(&mut self, partition: u32, records: &[Record], at_end: bool) {
        let me = self.config.identity.agent_id.clone();
        for record in records {
            let (key, value) = (record.key.as_deref(), record.value.as_deref());
            if let Heard::Bad(error) = self.assignments.hear(&me, partition, key, value) {
                tracing::error!(%error, "an assignment for this agent cannot be read and is passed over");
                self.intake.set_aside((ASSIGNMENTS, partition), record, error);
            }
        }
        if !at_end {
            return;
        }
        let before = self.assignments.in_force().clone();
        let Some((record, changes)) = self.assignments.settle(partition) else { return };
        self.ledger.write(vec![Entry::Assignment(record.map(|record| record.to_json()))]);
        for change in changes {
            match change {
                Change::Leave(vop) => self.leave(&vop),
                Change::Join(vop) => self.join(&vop),
                Change::Rejoin(vop) => {
                    self.leave(&vop);
                    self.join(&vop);
                }
                Change::Update(vop) => self.update(&vop),
            }
        }
        self.release_lost(&before);
        self.resume_nobody();
    }

    /// Where nobody is served no heartbeat will come, and what was interrupted is nobody's.
    pub(super) fn resume_nobody(&mut self) {
        if self.memberships.is_empty() && self.assignments.is_known() {
            self.resume();
        }
    }

    fn join(&mut self, vop: &VopId) {
        let Some(served) = self.assignments.in_force().get(vop).cloned() else { return };
        tracing::info!(%vop, ports = served.ports.len(), "serving");
        let now = self.now();
        let mut membership = Membership {
            vop: vop.clone(),
            config: self.ledger.topic(Role::Config, vop),
            monitoring: self.ledger.topic(Role::Monitoring, vop),
            health: self.ledger.topic(Role::Health, vop),
            phase: Phase::Waiting { until: now.plus(FIRST_LOOK_MS) },
            heartbeat: FixedRate::new(now, served.health_interval_ms),
            unconfirmed: false,
            capabilities_at: None,
            locating: None,
            dropped_told: 0,
        };
        membership.dropped_told = self.publisher.dropped_of(&membership.monitoring);
        self.memberships.insert(vop.clone(), membership);
        self.spread_interval(&served);
    }

    fn leave(&mut self, vop: &VopId) {
        if let Some(membership) = self.memberships.remove(vop) {
            tracing::info!(%vop, "no longer serving, or its topics are new");
            membership.locating.inspect(AbortHandle::abort);
            self.reader.unfollow(&membership.config);
        }
    }

    fn update(&mut self, vop: &VopId) {
        let Some(served) = self.assignments.in_force().get(vop).cloned() else { return };
        let now = self.now();
        if let Some(membership) = self.memberships.get_mut(vop) {
            membership.heartbeat = FixedRate::new(now, served.health_interval_ms);
            membership.capabilities_at = Some(now);
        }
        self.spread_interval(&served);
    }

    fn spread_interval(&mut self, served: &VopAssignment) {
        for grant in &served.ports {
            let message = PortMessage::Interval(served.vop.clone(), served.telemetry_interval_ms);
            self.tell(&grant.port_id, message);
        }
    }

    /// Ports that a virtual operator had and has no more go dark. Losing sight of the bus takes nothing away: only a
    /// record does.
    fn release_lost(&mut self, before: &BTreeMap<VopId, VopAssignment>) {
        let had = before
            .iter()
            .flat_map(|(vop, served)| served.ports.iter().map(move |grant| (vop, &grant.port_id)));
        let mut lost: Vec<(VopId, PortId)> = had.map(|(vop, port)| (vop.clone(), port.clone())).collect();
        for (port, state) in self.ledger.state().ports() {
            lost.extend(state.intent.desired().map(|desired| (desired.vop.clone(), port.clone())));
            lost.extend(state.sessions.iter().map(|(_, vop)| (vop.clone(), port.clone())));
        }
        lost.sort();
        lost.dedup();
        for (vop, port) in lost {
            if self.is_lost(&vop, &port) {
                self.tell(&port, PortMessage::Job(Box::new(Job::own(Work::Release { vop }))));
            }
        }
    }

    /// Whether it is known that a virtual operator does not have a port.
    pub(super) fn is_lost(&self, vop: &VopId, port: &PortId) -> bool {
        self.assignments.is_known() && self.assignments.grant(vop, port).is_none()
    }

    /// The module in a port is another one: whoever has the port hears what it can do.
    pub(super) fn module_changed(&mut self, port: &PortId) {
        let at = self.now().plus(CAPABILITIES_DELAY_MS);
        for (vop, membership) in &mut self.memberships {
            let greeted = !matches!(membership.phase, Phase::Waiting { .. });
            if greeted && self.assignments.grant(vop, port).is_some() {
                membership.capabilities_at.get_or_insert(at);
            }
        }
    }

    pub(super) fn on_memberships_time(&mut self, now: Millis) {
        let vops: Vec<VopId> = self.memberships.keys().cloned().collect();
        for vop in vops {
            let read = self.all_read(&vop);
            let Some(membership) = self.memberships.get_mut(&vop) else { continue };
            if let Phase::Waiting { until } = membership.phase {
                if !read && now < until {
                    continue;
                }
                membership.phase = Phase::Greeting;
                membership.capabilities_at = Some(now);
                membership.heartbeat = FixedRate::new(now, interval_of(&membership.heartbeat));
            }
            let ask_again = membership.phase == Phase::Greeting && !membership.unconfirmed;
            if membership.heartbeat.take(now).is_some() || ask_again && self.housekeeping.due() <= now {
                self.send_heartbeat(&vop);
            }
            let due = self.memberships.get(&vop).and_then(|membership| membership.capabilities_at);
            if due.is_some_and(|at| at <= now) {
                self.send_capabilities(&vop);
            }
        }
    }

    /// Whether all ports of a virtual operator that are managed here have been looked at.
    fn all_read(&self, vop: &VopId) -> bool {
        let granted = self.assignments.in_force().get(vop).into_iter().flat_map(|served| &served.ports);
        let mut managed = granted.filter(|grant| self.ports.contains_key(&grant.port_id));
        managed.all(|grant| self.statuses.contains_key(&grant.port_id))
    }

    fn health_record(&mut self, vop: &VopId, stopped: bool) -> Option<Outgoing> {
        let served = self.assignments.in_force().get(vop)?;
        let membership = self.memberships.get_mut(vop)?;
        // Of this virtual operator alone: what others lose is not its to know.
        let dropped = self.publisher.dropped_of(&membership.monitoring);
        let lost = dropped - membership.dropped_told;
        membership.dropped_told = dropped;
        let mut issues: Vec<String> = self.ledger.trouble.iter().cloned().collect();
        if lost > 0 {
            issues.push(format!("{lost} telemetry samples were dropped while the bus was away"));
        }
        let vitals = Vitals {
            stopped,
            uptime_ms: (self.clock)().since(self.started),
            boot: self.boot,
            epoch: self.ledger.state().epoch(vop),
            emulated: self.config.emulated,
            issues,
            timestamp: (self.wall)(),
        };
        let levels = self.watch.levels();
        let message = reports::health(&self.config.identity, served, &self.statuses, &levels, vitals);
        Some(Outgoing::new(self.config.identity.agent_id.as_str(), message.to_json()))
    }

    /// The periodic heartbeat, confirmed and read back for the broker's time. One at a time: while the bus is away a
    /// queue of heartbeats would only hold old news.
    fn send_heartbeat(&mut self, vop: &VopId) {
        if self.memberships.get(vop).is_none_or(|membership| membership.unconfirmed) {
            return;
        }
        let Some(record) = self.health_record(vop, false) else { return };
        let Some(membership) = self.memberships.get_mut(vop) else { return };
        if let Ok(confirmation) = self.publisher.send_confirmed(&membership.health, record) {
            membership.unconfirmed = true;
            let (bus, clock) = (Arc::clone(&self.bus), Arc::clone(&self.clock));
            let topic = membership.health.as_str().to_string();
            self.errands.spawn(confirmed(bus, clock, topic, vop.clone(), confirmation));
        }
    }

    /// A heartbeat that was asked for.
    pub(super) fn send_health(&mut self, vop: &VopId) {
        let Some(record) = self.health_record(vop, false) else { return };
        let Some(membership) = self.memberships.get(vop) else { return };
        // A droppable record always finds room.
        let _ = self.publisher.send(&membership.health, record, Class::Droppable);
    }

    pub(super) fn send_stopped(&mut self, vop: &VopId) {
        let Some(record) = self.health_record(vop, true) else { return };
        let Some(membership) = self.memberships.get(vop) else { return };
        let _ = self.publisher.send(&membership.health, record, Class::Droppable);
    }

    pub(super) fn send_capabilities(&mut self, vop: &VopId) {
        let timestamp = self.timestamp();
        let Some(served) = self.assignments.in_force().get(vop) else { return };
        let Some(membership) = self.memberships.get_mut(vop) else { return };
        membership.capabilities_at = None;
        let message = reports::capabilities(&self.config.identity, served, &self.statuses, timestamp);
        let record = Outgoing::new(self.config.identity.agent_id.as_str(), message.to_json());
        let _ = self.publisher.send(&membership.health, record, Class::Droppable);
    }

    /// A heartbeat was confirmed, or will never be.
    pub(super) fn on_heartbeat(&mut self, vop: &VopId, at: Millis, anchor: Anchor) {
        if let Anchor::At(stamp) = anchor {
            self.intake.clock.anchored(stamp, at);
            self.note_first_start(stamp, at);
        }
        if anchor != Anchor::Unread {
            self.resume();
        }
        let Some(membership) = self.memberships.get_mut(vop) else { return };
        membership.unconfirmed = false;
        if membership.phase == Phase::Greeting && anchor != Anchor::Unread {
            if anchor == Anchor::Refused {
                tracing::warn!(%vop, "the health topic refuses heartbeats; commands with a lifetime will be answered expired");
            }
            self.locate(vop);
        }
    }

    /// What the broker's clock showed when an agent without a past started, from a heartbeat that it stamped so and that
    /// was confirmed at `at`: too early by at most what the confirmation took, so nothing sent since the start is lost.
    fn note_first_start(&mut self, stamp: i64, at: Millis) {
        if self.blank && self.ledger.state().first_start().is_none() {
            let since = i64::try_from(at.since(self.started)).unwrap_or(i64::MAX);
            self.ledger.write(vec![Entry::FirstStart(stamp.saturating_sub(since))]);
        }
    }

    /// Finds out where to begin with a config topic, and follows it.
    ///
    /// What is in the log when it is first looked at counts from the first start on, by the broker's time stamps. All
    /// that comes after that, by its place: the broker's clock may be set back at any time.
    fn locate(&mut self, vop: &VopId) {
        let Some(served) = self.assignments.in_force().get(vop) else { return };
        let incarnation = served.incarnation.clone();
        let at_end = self.begins_at_end(&incarnation);
        let Some(membership) = self.memberships.get_mut(vop) else { return };
        let topic = membership.config.clone();
        if let Some(stored) = self.ledger.state().position(&topic, &incarnation) {
            let stored = stored.clone();
            membership.phase = Phase::Following;
            // A partition without a stored position was added since, or nothing of it was ever acted on.
            self.reader
                .follow(&topic, move |p| stored.get(&p).map_or(Start::Earliest, |&next| Start::At(next)));
            return;
        }
        membership.phase = Phase::Locating;
        if !at_end && self.ledger.state().succeeds(&topic, &incarnation) {
            // Nothing in this life is older than the first start.
            return self.on_located(vop, &incarnation, &[]);
        }
        let bus = Arc::clone(&self.bus);
        let vop = vop.clone();
        let task = async move {
            // Where the beginning counts, a topic that is out of sight for a moment must not pass for a new one.
            let ends = ends(&*bus, &topic, !at_end).await;
            Errand::Located(vop, incarnation, ends)
        };
        membership.locating = Some(self.errands.spawn(task));
    }

    /// Whether nobody says when a topic's life began, so that what was sent before the agent first saw it is not for it:
    /// in a fixed service, and where an agent without a past cannot tell when on the broker's clock it started.
    fn begins_at_end(&self, incarnation: &Incarnation) -> bool {
        let undated = self.blank && self.ledger.state().first_start().is_none();
        undated || incarnation.as_str() == STATIC_INCARNATION
    }

    pub(super) fn on_located(&mut self, vop: &VopId, incarnation: &Incarnation, ends: &[(u32, i64)]) {
        let served = self.assignments.in_force().get(vop);
        if served.is_none_or(|served| served.incarnation != *incarnation) {
            return;
        }
        let at_end = self.begins_at_end(incarnation);
        let Some(membership) = self.memberships.get_mut(vop) else { return };
        if membership.phase != Phase::Locating {
            return;
        }
        membership.phase = Phase::Following;
        membership.locating = None;
        let topic = membership.config.clone();
        // A bound at the beginning of one partition: this life is known, and all of it counts.
        let bounds = if ends.is_empty() { &[(0, 0)] } else { ends };
        let bound = |&(partition, from): &(u32, i64)| Entry::Bound {
            topic: topic.as_str().to_string(),
            incarnation: incarnation.clone(),
            partition,
            from,
        };
        let begun: BTreeMap<u32, i64> = if at_end { ends.iter().copied().collect() } else { BTreeMap::new() };
        let position = |(&partition, &next): (&u32, &i64)| Entry::Position {
            topic: topic.as_str().to_string(),
            incarnation: incarnation.clone(),
            partition,
            next,
        };
        let entries = bounds.iter().map(bound).chain(begun.iter().map(position)).collect();
        self.ledger.write(entries);
        self.reader.follow(&topic, move |p| begun.get(&p).map_or(Start::Earliest, |&next| Start::At(next)));
    }
}

/// The interval of a rate that was made of one.
fn interval_of(rate: &FixedRate) -> u32 {
    u32::try_from(rate.interval_ms()).unwrap_or(HOUSEKEEPING_MS)
}

/// Waits until a heartbeat is confirmed and reads it back.
async fn confirmed(
    bus: Arc<dyn Bus>,
    clock: Clock,
    topic: String,
    vop: VopId,
    confirmation: Confirmation,
) -> Errand {
    let result = confirmation.await;
    let at = clock();
    let anchor = match result {
        Ok(Ok(position)) => stamp(&*bus, &topic, position).await.map_or(Anchor::Unread, Anchor::At),
        Ok(Err(_)) => Anchor::Refused,
        // The publisher has ended, and the agent with it.
        Err(_) => Anchor::Unread,
    };
    Errand::Heartbeat(vop, at, anchor)
}

/// The broker's stamp of a record.
async fn stamp(bus: &dyn Bus, topic: &str, position: Position) -> Option<i64> {
    for _ in 0..READ_BACKS {
        let request = FetchRequest {
            topic: topic.to_string(),
            partition: position.partition,
            offset: position.offset,
            max_bytes: 1,
            max_wait: Duration::ZERO,
        };
        let fetched = bus.fetch(request).await.ok();
        let record = fetched.and_then(|fetched| fetched.records.into_iter().next());
        if let Some(record) = record.filter(|record| record.offset == position.offset) {
            return Some(record.timestamp_ms);
        }
        tokio::time::sleep(PAUSE).await;
    }
    None
}

/// The end of each partition of a topic. Where the topic is not there: nothing, as its whole life is then still to come, or
/// the same once it `must_be` there.
async fn ends(bus: &dyn Bus, topic: &str, must_be: bool) -> Vec<(u32, i64)> {
    'again: loop {
        tokio::time::sleep(Duration::ZERO).await;
        let mut ends = Vec::new();
        match bus.describe_topic(topic).await {
            Ok(None) if !must_be => return ends,
            Ok(Some(description)) => {
                for partition in 0..description.partitions {
                    match bus.bounds(topic, partition).await {
                        Ok(bounds) => ends.push((partition, bounds.next)),
                        Err(_) => {
                            tokio::time::sleep(PAUSE).await;
                            continue 'again;
                        }
                    }
                }
                return ends;
            }
            Ok(None) | Err(_) => tokio::time::sleep(PAUSE).await,
        }
    }
}
