//! What the tasks and handles of one controller share.

use super::claims::Correlator;
use super::clock::{Clock, WallClock};
use super::command::{LifeTag, Sender, StartTag};
use super::config::ControllerConfig;
use super::error::ControllerError;
use super::event::ControllerEvent;
use super::feed::Feed;
use super::lease::Tenure;
use super::live::Live;
use super::metrics::Metrics;
use super::record::{Command, ConnectionRecord, PortOperation, Position};
use crate::connection::Now;
use crate::linkdb::LinkDb;
use crate::registry::Registry;
use crate::slice::Vop;
use crate::store::Key;
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use ipowdm_core::bus::Bus;
use ipowdm_core::bus::publisher::Publisher;
use ipowdm_core::ids::PortRef;
use ipowdm_core::modes::{CATALOGUE, by_media_code};
use ipowdm_core::msg::Action;
use ipowdm_core::qot::Rule;
use ipowdm_core::time::Millis;
use ipowdm_core::topics::Role;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::{Notify, broadcast, watch};

/// Events kept for a listener that has not come to read them.
const BACKLOG: usize = 4_096;

/// The shared state of a controller.
pub(super) struct Inner {
    pub(super) vop: Vop,
    pub(super) config: ControllerConfig,
    pub(super) linkdb: LinkDb,
    pub(super) bus: Arc<dyn Bus>,
    pub(super) publisher: Publisher,
    pub(super) clock: Clock,
    pub(super) wall: WallClock,
    pub(super) generation: u64,
    pub(super) tenure: Tenure,
    pub(super) sender: Sender,
    pub(super) metrics: Metrics,
    /// Wakes the timer task when what is due may have changed.
    pub(super) timers: Notify,
    /// What the reader last said about the bus: `None` while it is well.
    pub(super) outage: Mutex<Option<String>>,
    epoch: AtomicU64,
    superseded: watch::Sender<bool>,
    stopped: AtomicBool,
    live: Mutex<Live>,
    registry: Mutex<Registry>,
    ports: Mutex<BTreeMap<PortRef, watch::Sender<PortOperation>>>,
    events: broadcast::Sender<ControllerEvent>,
    discoveries: AtomicU64,
    /// Whose answers those without a command id are.
    correlator: Mutex<Correlator>,
    positions: Mutex<BTreeMap<u32, Progress>>,
    /// The offset after what was taken in, by topic and partition.
    read: Mutex<BTreeMap<(Role, u32), i64>>,
    /// Those who follow what happens, over REST for instance.
    pub(super) feed: Feed,
}

/// How far a partition of the monitoring topic has been worked off.
#[derive(Debug, Clone, Copy, Default)]
struct Progress {
    acted: i64,
    stored: i64,
}

/// What an [`Inner`] is made from.
pub(super) struct Parts {
    pub(super) vop: Vop,
    pub(super) config: ControllerConfig,
    pub(super) linkdb: LinkDb,
    pub(super) bus: Arc<dyn Bus>,
    pub(super) clock: Clock,
    pub(super) wall: WallClock,
    pub(super) command: Command,
    pub(super) tenure: Tenure,
    pub(super) start: StartTag,
}

impl core::fmt::Debug for Inner {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Controller")
            .field("vop", self.vop.id())
            .field("generation", &self.generation)
            .finish()
    }
}

impl Inner {
    pub(super) fn new(parts: Parts) -> Self {
        let Parts { vop, config, linkdb, bus, clock, wall, command, tenure, start } = parts;
        let sender = Sender {
            vop: vop.id().clone(),
            life: LifeTag::of(&vop.incarnation),
            start,
            topic: vop.topic(Role::Config).to_string(),
            compatibility: config.compatibility,
        };
        Self {
            publisher: Publisher::start(Arc::clone(&bus), config.queue),
            registry: Mutex::new(Registry::new(config.patience).with_ports(&vop.request.ports)),
            vop,
            config,
            linkdb,
            bus,
            clock,
            wall,
            generation: command.generation,
            tenure,
            sender,
            metrics: Metrics::default(),
            timers: Notify::new(),
            outage: Mutex::new(None),
            epoch: AtomicU64::new(command.epoch),
            superseded: watch::Sender::new(false),
            stopped: AtomicBool::new(false),
            live: Mutex::default(),
            ports: Mutex::default(),
            events: broadcast::Sender::new(BACKLOG),
            discoveries: AtomicU64::new(0),
            correlator: Mutex::default(),
            positions: Mutex::default(),
            read: Mutex::default(),
            feed: Feed::new(start.0),
        }
    }

    /// The name of this instance, for people.
    pub(super) fn name(&self) -> String {
        self.config.name(self.vop.id())
    }

    pub(super) fn now(&self) -> Now {
        Now { at: self.clock.now(), wall: (self.wall)() }
    }

    pub(super) fn at(&self) -> Millis {
        self.clock.now()
    }

    pub(super) fn live(&self) -> MutexGuard<'_, Live> {
        // Every change of the map is complete between two statements that can panic.
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn registry(&self) -> MutexGuard<'_, Registry> {
        self.registry.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn correlator(&self) -> MutexGuard<'_, Correlator> {
        self.correlator.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What an agent is asked so that it describes itself. Those of other makes know no discovery.
    pub(super) const fn discovery(&self) -> &'static [Action] {
        if self.config.compatibility {
            &[Action::Discover, Action::GetCapabilities, Action::HealthCheck]
        } else {
            &[Action::Discover]
        }
    }

    pub(super) fn epoch(&self) -> u64 {
        self.epoch.load(Ordering::Relaxed)
    }

    pub(super) fn epoch_is(&self, epoch: u64) {
        self.epoch.fetch_max(epoch, Ordering::Relaxed);
    }

    /// A number for a command that leaves no trace in the store.
    pub(super) fn next_discovery(&self) -> u64 {
        self.discoveries.fetch_add(1, Ordering::Relaxed)
    }

    pub(super) fn rule_of(&self, record: &ConnectionRecord) -> Rule {
        // A code that this build does not know is not accepted at creation; the first mode stands in for one that an
        // older or newer build has stored.
        let mode = by_media_code(record.media_code).or(CATALOGUE.first());
        mode.map_or_else(
            || Rule::with_thresholds(ipowdm_core::qot::Thresholds::reference()),
            |mode| self.config.qot.rule(mode),
        )
    }

    pub(super) fn tell(&self, event: ControllerEvent) {
        tracing::info!(vop = %self.vop.id(), ?event);
        match &event {
            ControllerEvent::Finished { kind, failure, timing, .. } => {
                self.metrics.finished(*kind, failure.is_none(), *timing);
            }
            ControllerEvent::QualityRecovered { .. } => self.metrics.recovery(),
            _ => {}
        }
        self.feed.tell((self.wall)(), event.clone());
        // An error only says that nobody listens.
        let _ = self.events.send(event);
    }

    pub(super) fn listen(&self) -> broadcast::Receiver<ControllerEvent> {
        self.events.subscribe()
    }

    /// An operation on a port is now so; tells of it where it has ended and was not known to have.
    pub(super) fn port_operation_became(&self, operation: PortOperation) {
        if self.port_operation_is(operation.clone()) {
            self.tell(operation.told());
        }
    }

    /// An operation on a port is now so; answers whether it has ended and was not known to have.
    pub(super) fn port_operation_is(&self, operation: PortOperation) -> bool {
        let mut ports = self.ports.lock().unwrap_or_else(PoisonError::into_inner);
        match ports.get(&operation.port) {
            Some(known) => {
                // What was read before a newer one was written may come after it.
                let newer = |known: &PortOperation| {
                    let ended = known.command_id == operation.command_id && known.ended.is_some();
                    known.since <= operation.since && !(ended && operation.ended.is_none())
                };
                if !newer(&known.borrow()) {
                    return false;
                }
                let (command_id, ended) = (operation.command_id.clone(), operation.ended.is_some());
                let before = known.send_replace(operation);
                ended && (before.command_id != command_id || before.ended.is_none())
            }
            None => {
                let ended = operation.ended.is_some();
                drop(ports.insert(operation.port.clone(), watch::Sender::new(operation)));
                ended
            }
        }
    }

    pub(super) fn port_operation(&self, port: &PortRef) -> Option<watch::Receiver<PortOperation>> {
        let ports = self.ports.lock().unwrap_or_else(PoisonError::into_inner);
        ports.get(port).map(watch::Sender::subscribe)
    }

    pub(super) fn port_operations(&self) -> Vec<PortOperation> {
        let ports = self.ports.lock().unwrap_or_else(PoisonError::into_inner);
        ports.values().map(|operation| operation.borrow().clone()).collect()
    }

    /// Notes what an error says about who commands.
    pub(super) fn noticed(&self, error: &ControllerError) {
        let superseded = matches!(error, ControllerError::Superseded { .. });
        if superseded && !self.superseded.send_replace(true) {
            // What happens from now on the other one tells.
            self.feed.close();
            tracing::error!(vop = %self.vop.id(), %error, "this controller stops commanding");
        }
    }

    /// Its virtual operator is no more, or lives anew.
    pub(super) fn retire(&self) {
        self.stop();
        if !self.superseded.send_replace(true) {
            tracing::info!(vop = %self.vop.id(), "the virtual operator is deactivated: its controller ends");
        }
    }

    /// Nothing is done for anybody from now on.
    pub(super) fn stop(&self) {
        self.stopped.store(true, Ordering::Relaxed);
        self.feed.close();
    }

    /// Refuses what is asked of a controller that has been stopped.
    pub(super) fn running(&self) -> Result<(), ControllerError> {
        let stopped = self.stopped.load(Ordering::Relaxed);
        if stopped { Err(ControllerError::Stopped { vop: self.vop.id().to_string() }) } else { Ok(()) }
    }

    pub(super) fn is_superseded(&self) -> bool {
        *self.superseded.borrow()
    }

    /// Ready when another controller has taken over.
    pub(super) async fn until_superseded(&self) {
        let mut receiver = self.superseded.subscribe();
        // The sender lives as long as `self`.
        let _ = receiver.wait_for(|superseded| *superseded).await;
    }

    pub(super) fn outage(&self) -> Option<String> {
        self.outage.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn outage_is(&self, reason: Option<String>) {
        *self.outage.lock().unwrap_or_else(PoisonError::into_inner) = reason;
    }

    fn read(&self) -> MutexGuard<'_, BTreeMap<(Role, u32), i64>> {
        self.read.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Everything of a partition before `offset` was taken in, or is not read by this controller.
    pub(super) fn has_read(&self, role: Role, partition: u32, offset: i64) {
        self.read().insert((role, partition), offset);
    }

    pub(super) fn read_up_to(&self, role: Role, partition: u32) -> Option<i64> {
        self.read().get(&(role, partition)).copied()
    }

    fn positions(&self) -> MutexGuard<'_, BTreeMap<u32, Progress>> {
        self.positions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Everything before `offset` has been acted on.
    pub(super) fn acted_up_to(&self, partition: u32, offset: i64) {
        self.positions().entry(partition).or_default().acted = offset;
    }

    /// `offset` is stored as the position of a partition.
    pub(super) fn stored_up_to(&self, partition: u32, offset: i64) {
        let mut positions = self.positions();
        let progress = positions.entry(partition).or_default();
        progress.stored = offset;
        progress.acted = progress.acted.max(offset);
    }

    /// The positions that are not stored yet.
    pub(super) fn moved_positions(&self) -> Vec<(Key<Position>, Position, u32)> {
        let topic = self.vop.topic(Role::Monitoring);
        let key = |partition| Position::key(self.vop.id(), &topic, &self.vop.incarnation, partition);
        let positions = self.positions();
        let moved = positions.iter().filter(|(_, progress)| progress.acted != progress.stored);
        moved.map(|(&partition, progress)| (key(partition), Position(progress.acted), partition)).collect()
    }
}
