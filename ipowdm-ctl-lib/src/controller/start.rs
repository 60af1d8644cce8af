//! Starting a controller: who commands, what was under way, which tasks run.

use super::claims;
use super::clock::{Clock, StoredClock, WallClock, system_wall_clock};
use super::command::StartTag;
use super::config::ControllerConfig;
use super::error::ControllerError;
use super::handle::ControllerHandle;
use super::inner::{Inner, Parts};
use super::lease::{Claim, take_command};
use super::record::{ConnectionRecord, PortOperation, Position};
use super::stand_by::StandBy;
use super::{intake, lease, links, mirror, timers};
use crate::connection::Ends;
use crate::linkdb::LinkDb;
use crate::slice::Vop;
use crate::store::Receipt;
use crate::store::outbox::{OutboxRelay, RelayOptions};
use ipowdm_core::bus::Bus;
use ipowdm_core::ids::{PortRef, VopId};
use ipowdm_core::time::Millis;
use ipowdm_core::topics::Role;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use tokio::task::AbortHandle;

/// The controller of one virtual operator; see [`Controller::builder`].
#[derive(Debug)]
pub struct Controller;

impl Controller {
    /// A controller of an activated virtual operator, to be configured and started.
    #[must_use]
    pub fn builder(vop: VopId, linkdb: LinkDb, bus: Arc<dyn Bus>) -> ControllerBuilder {
        let (config, wall) = (ControllerConfig::default(), system_wall_clock());
        ControllerBuilder { vop, linkdb, bus, config, wall, relay: true, start: None }
    }
}

/// A controller to be.
#[derive(Clone)]
pub struct ControllerBuilder {
    pub(super) vop: VopId,
    pub(super) linkdb: LinkDb,
    bus: Arc<dyn Bus>,
    config: ControllerConfig,
    wall: WallClock,
    relay: bool,
    /// Drawn at random where `None`.
    start: Option<StartTag>,
}

impl core::fmt::Debug for ControllerBuilder {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("ControllerBuilder").field("vop", &self.vop).field("config", &self.config).finish()
    }
}

impl ControllerBuilder {
    /// How it works.
    #[must_use]
    pub fn config(mut self, config: ControllerConfig) -> Self {
        self.config = config;
        self
    }

    /// Where wall time comes from; the system's by default.
    #[must_use]
    pub fn wall_clock(mut self, wall: WallClock) -> Self {
        self.wall = wall;
        self
    }

    /// Whether it relays the store's outbox, as one program per store must; by default it does.
    #[must_use]
    pub const fn relay(mut self, relay: bool) -> Self {
        self.relay = relay;
        self
    }

    /// The number that makes the command ids of this start unlike those of every other; random by default. For tests that want
    /// the same ids each time: in production no two starts may have the same.
    #[must_use]
    pub const fn start_tag(mut self, tag: u64) -> Self {
        self.start = Some(StartTag(tag));
        self
    }

    /// Takes command of the virtual operator at once and takes up what was under way. Another controller of it, were it well,
    /// stops commanding: to wait for the end of its lease instead, [`ControllerBuilder::stand_by`].
    /// The bus need not be reachable.
    ///
    /// Must be called inside a tokio runtime.
    ///
    /// # Errors
    /// [`ControllerError::UnknownVop`], [`ControllerError::Invalid`] for a configuration that makes no sense,
    /// [`ControllerError::Store`].
    pub async fn start(self) -> Result<ControllerHandle, ControllerError> {
        self.check()?;
        self.take(Claim::AtOnce).await
    }

    /// An instance that commands only while no other does: it takes command once nobody holds the lease, and stands by (again)
    /// while somebody else does. Of as many instances as there are, in as many programs, one commands. Another takes over
    /// within [`ControllerConfig::lease`] and a moment of the last sign of life of the one that did. The virtual operator need
    /// not be activated yet.
    ///
    /// Must be called inside a tokio runtime.
    ///
    /// # Errors
    /// [`ControllerError::Invalid`] for a configuration that makes no sense.
    pub fn stand_by(self) -> Result<StandBy, ControllerError> {
        self.check()?;
        Ok(StandBy::start(self))
    }

    fn check(&self) -> Result<(), ControllerError> {
        match self.config.problem() {
            Some(reason) => Err(ControllerError::Invalid { field: "config", reason }),
            None => Ok(()),
        }
    }

    /// The builder of an instance's next term: no two have the same start.
    pub(super) fn for_term(&self, term: u64) -> Self {
        let start = self.start.map(|StartTag(tag)| StartTag(tag.wrapping_add(term << 32)));
        Self { start, ..self.clone() }
    }

    pub(super) async fn take(self, claim: Claim<'_>) -> Result<ControllerHandle, ControllerError> {
        let Self { vop, linkdb, bus, config, wall, relay, start } = self;
        let name = config.name(&vop);
        let (vop, command, tenure) = take_command(&linkdb, &vop, (&name, config.lease), claim).await?;
        let stored = Stored::read(&linkdb, &vop).await?;
        let parts = Parts {
            config,
            bus,
            clock: Clock::from(stored.clock),
            wall,
            command,
            tenure,
            start: start.unwrap_or_else(StartTag::random),
            linkdb,
            vop,
        };
        let inner = Arc::new(Inner::new(parts));
        stored.hand_over(&inner);
        let mut tasks = vec![
            tokio::spawn(lease::run(Arc::clone(&inner))).abort_handle(),
            tokio::spawn(intake::run(Arc::clone(&inner), stored.positions)).abort_handle(),
            tokio::spawn(timers::run(Arc::clone(&inner))).abort_handle(),
            tokio::spawn(links::run(Arc::clone(&inner))).abort_handle(),
            tokio::spawn(mirror::run(Arc::clone(&inner))).abort_handle(),
        ];
        if relay {
            let (store, bus) = (inner.linkdb.store().clone(), Arc::clone(&inner.bus));
            let relay = OutboxRelay::new(store, bus, RelayOptions::default());
            tasks.push(tokio::spawn(relay.run(core::future::pending())).abort_handle());
        }
        Ok(ControllerHandle { inner, tasks: Arc::new(Tasks(tasks)), receipt: Receipt::default() })
    }
}

/// The tasks of a controller; they end with its last handle.
#[derive(Debug)]
pub(super) struct Tasks(Vec<AbortHandle>);

impl Tasks {
    pub(super) fn end(&self) {
        self.0.iter().for_each(AbortHandle::abort);
    }

    pub(super) async fn checkpoint(&self, inner: &Inner) -> Result<(), ControllerError> {
        inner.checkpoint(true).await
    }
}

impl Drop for Tasks {
    fn drop(&mut self) {
        self.end();
    }
}

/// What an earlier controller has left.
struct Stored {
    clock: Millis,
    connections: Vec<ConnectionRecord>,
    ports: Vec<PortOperation>,
    positions: BTreeMap<u32, i64>,
}

impl Stored {
    async fn read(linkdb: &LinkDb, vop: &Vop) -> Result<Self, ControllerError> {
        let mut snapshot = linkdb.store().snapshot().await?;
        let id = vop.id();
        let connections: Vec<ConnectionRecord> =
            snapshot.scan(&ConnectionRecord::of(id)).await?.into_iter().map(|(_, record)| record).collect();
        let ports = snapshot.scan(&PortOperation::of(id)).await?.into_iter().map(|(_, port)| port).collect();
        let stored = snapshot.get(&StoredClock::key(id)).await?.map_or(Millis(0), |clock| clock.0);
        // The clock never shows less than what was stored by it.
        let clock = connections.iter().map(|record| record.life.since()).fold(stored, Millis::max);
        let topic = vop.topic(Role::Monitoring);
        let mut positions = BTreeMap::new();
        for (key, position) in snapshot.scan(&Position::of(id)).await? {
            let of_this_life = key.parts().get(1..3) == Some(&[topic.as_str(), vop.incarnation.as_str()]);
            if let Some(partition) = key.number().filter(|_| of_this_life) {
                positions.insert(u32::try_from(partition).unwrap_or(u32::MAX), position.0);
            }
        }
        Ok(Self { clock, connections, ports, positions })
    }

    fn hand_over(&self, inner: &Inner) {
        let now = inner.at();
        let mut expected: BTreeSet<PortRef> = inner.vop.request.ports.iter().cloned().collect();
        for record in &self.connections {
            let rule = inner.rule_of(record);
            inner.live().stored(record.clone(), rule);
            for end in Ends::<()>::BOTH {
                let port = record.ports.get(end);
                expected.remove(port);
                inner.registry().expect(now, record.agents.get(end), &port.router());
                if let Some((number, order, false)) = record.life.ends().get(end).last_order() {
                    let command = claims::reference(record, end, number);
                    let place = (&record.id, record.agents.get(end));
                    inner.correlator().sent(now, place, claims::action_name(order), command);
                }
            }
        }
        for port in expected {
            inner.registry().expect(now, &port.router().default_agent(), &port.router());
        }
        for operation in &self.ports {
            inner.port_operation_is(operation.clone());
        }
        for (partition, offset) in &self.positions {
            inner.stored_up_to(*partition, *offset);
        }
    }
}
