//! The slice manager: virtual operators come, are described, and go.
//!
//! Activation gives a virtual operator its ports and spectrum, its three topics, its agents' assignments and its controller;
//! deactivation takes everything back. Both are sagas over the store: each step may be repeated, and what was begun when a
//! process ends is undone or finished by the next one.
//!
//! ```text
//!   activate:    claim ports and spectrum ─▶ make topics ─▶ open access ─▶ assign to agents ─▶ start the controller
//!                     PENDING                                                 ACTIVE        failure anywhere: dismantle
//!   deactivate:  connections? ─▶ (force: drain) ─▶ stop the controller ─▶ withdraw ─▶ close access ─▶ delete topics ─▶ forget
//!                     DEACTIVATING
//! ```

mod access;
mod activate;
mod assignment;
mod config;
mod deactivate;
mod error;
mod launch;
mod limits;
mod record;
mod revisions;
#[cfg(test)]
mod tests;
mod topics;

pub use access::{Credential, Enforcement, VopAccess};
pub use activate::Activation;
pub use config::{BusLimits, SliceConfig, TopicSettings};
pub use error::{LaunchError, SliceError};
#[cfg(feature = "process")]
pub use launch::{CommandFor, ProcessState, ProcessTimes, Processes};
pub use launch::{ControllerLauncher, External, InProcess, OnStart};
pub use record::{ActivationRequest, AssignmentRevision, Vop, VopPhase};

use crate::controller::{ControllerConfig, WallClock, system_wall_clock};
use crate::linkdb::{LinkDb, LinkDbError};
use crate::store::outbox::{OutboxRelay, RelayOptions};
use crate::store::{Store, Tx};
use core::time::Duration;
use ipowdm_core::bus::{Bus, TopicDescription};
use ipowdm_core::ids::{PortRef, VopId};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::OnceCell;
use tokio::task::AbortHandle;
use tokio::time::timeout;

/// Time for the store and the bus to answer a question about their health.
const PROBE: Duration = Duration::from_secs(2);

/// The slice manager; see [`SliceManager::builder`]. Clones are the same one; its tasks end with the last.
#[derive(Clone)]
pub struct SliceManager {
    shared: Arc<Shared>,
    _tasks: Arc<Tasks>,
}

struct Shared {
    linkdb: LinkDb,
    bus: Arc<dyn Bus>,
    config: SliceConfig,
    launcher: Arc<dyn ControllerLauncher>,
    wall: WallClock,
    /// Set once what is on the topic of assignments is known.
    revisions_known: OnceCell<()>,
    /// One change of a virtual operator at a time.
    locks: Mutex<BTreeMap<VopId, Arc<tokio::sync::Mutex<()>>>>,
    /// One change of who has access at a time: virtual operators share agents.
    access: tokio::sync::Mutex<()>,
}

struct Tasks(Vec<AbortHandle>);

impl Drop for Tasks {
    fn drop(&mut self) {
        self.0.iter().for_each(AbortHandle::abort);
    }
}

impl core::fmt::Debug for SliceManager {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("SliceManager").field("bus", &self.shared.bus.address()).finish_non_exhaustive()
    }
}

/// A slice manager to be.
pub struct SliceManagerBuilder {
    linkdb: LinkDb,
    bus: Arc<dyn Bus>,
    config: SliceConfig,
    launcher: Option<Arc<dyn ControllerLauncher>>,
    wall: WallClock,
    relay: bool,
}

impl core::fmt::Debug for SliceManagerBuilder {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("SliceManagerBuilder").field("config", &self.config).finish_non_exhaustive()
    }
}

impl SliceManagerBuilder {
    /// How it works.
    #[must_use]
    pub fn config(mut self, config: SliceConfig) -> Self {
        self.config = config;
        self
    }

    /// How controllers are started; [`InProcess`] with default settings unless told otherwise.
    #[must_use]
    pub fn launcher(mut self, launcher: Arc<dyn ControllerLauncher>) -> Self {
        self.launcher = Some(launcher);
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

    /// Starts it: controllers of active virtual operators are started again; what was begun and not finished is undone or
    /// finished in the background, and topics and limits are made as they are configured now. The bus need not be reachable.
    ///
    /// Must be called inside a tokio runtime.
    ///
    /// # Errors
    /// [`SliceError::Store`], [`SliceError::Launch`].
    pub async fn start(self) -> Result<SliceManager, SliceError> {
        let Self { linkdb, bus, config, launcher, wall, relay } = self;
        let launcher = launcher.unwrap_or_else(|| {
            let config = ControllerConfig::default();
            Arc::new(InProcess::new(linkdb.clone(), Arc::clone(&bus), config))
        });
        let locks = Mutex::default();
        let revisions_known = OnceCell::new();
        let access = tokio::sync::Mutex::default();
        let shared = Shared { linkdb, bus, config, launcher, wall, revisions_known, locks, access };
        let shared = Arc::new(shared);
        let mut tasks = Vec::new();
        if relay {
            let (store, bus) = (shared.linkdb.store().clone(), Arc::clone(&shared.bus));
            let relay = OutboxRelay::new(store, bus, RelayOptions::default());
            tasks.push(tokio::spawn(relay.run(core::future::pending())).abort_handle());
        }
        // The background task works on a manager without tasks of its own, so that it does not keep itself alive.
        let worker = SliceManager { shared: Arc::clone(&shared), _tasks: Arc::new(Tasks(Vec::new())) };
        let unfinished = worker.take_up().await?;
        let settling = async move {
            worker.settle_down(unfinished).await;
            worker.mend_all().await;
        };
        tasks.push(tokio::spawn(settling).abort_handle());
        Ok(SliceManager { shared, _tasks: Arc::new(Tasks(tasks)) })
    }
}

/// A virtual operator as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VopView {
    /// What is stored of it.
    pub vop: Vop,
    /// Connections that hold spectrum.
    pub live_connections: usize,
    /// Who has access to its topics.
    pub access: VopAccess,
}

/// Whether a port can be given to a virtual operator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PortAvailability {
    /// Whether there is such a port.
    pub known: bool,
    /// Whether nobody has it.
    pub available: bool,
}

/// Whether the slice manager is well.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SliceHealth {
    /// Why the store cannot be used; `None` where it can.
    pub store: Option<String>,
    /// Why the bus cannot be used; `None` where it can.
    pub bus: Option<String>,
}

impl SliceManager {
    /// A slice manager, to be configured and started.
    #[must_use]
    pub fn builder(linkdb: LinkDb, bus: Arc<dyn Bus>) -> SliceManagerBuilder {
        let (config, wall) = (SliceConfig::default(), system_wall_clock());
        SliceManagerBuilder { linkdb, bus, config, launcher: None, wall, relay: true }
    }

    /// One virtual operator.
    ///
    /// # Errors
    /// [`SliceError::UnknownVop`], [`SliceError::Store`], [`SliceError::LinkDb`] where its index is damaged.
    pub async fn describe(&self, id: &VopId) -> Result<VopView, SliceError> {
        let linkdb = &self.shared.linkdb;
        linkdb
            .store()
            .transact(|tx| {
                let vop = tx.get(&Vop::key(id))?;
                let vop = vop.ok_or_else(|| SliceError::UnknownVop { vop: id.to_string() })?;
                view_in(linkdb, tx, vop)
            })
            .await
    }

    /// All virtual operators, in order of their ids.
    ///
    /// # Errors
    /// As [`SliceManager::describe`].
    pub async fn list(&self) -> Result<Vec<VopView>, SliceError> {
        let linkdb = &self.shared.linkdb;
        linkdb
            .store()
            .transact(|tx| {
                let vops = tx.scan(&Vop::all())?.into_iter().map(|(_, vop)| vop);
                let mut views = Vec::new();
                for vop in vops {
                    views.push(view_in(linkdb, tx, vop)?);
                }
                Ok(views)
            })
            .await
    }

    /// Whether a port can be given to a virtual operator. Never says who has it.
    ///
    /// # Errors
    /// [`SliceError::Store`]
    pub async fn check_interface(&self, port: &PortRef) -> Result<PortAvailability, SliceError> {
        match self.shared.linkdb.port(port).await {
            Ok(status) => Ok(PortAvailability { known: true, available: status.port.vop.is_none() }),
            Err(LinkDbError::UnknownPort { .. }) => Ok(PortAvailability { known: false, available: false }),
            Err(error) => Err(error.into()),
        }
    }

    /// The topics of a virtual operator as the broker has them, made as they are configured now. Those that are missing are made
    /// again; what was in them is lost, so that the virtual operator begins another incarnation: its agents are assigned anew and its controller is
    /// started again, and nobody goes on from a position in a topic that is gone. A broker that has lost topics may have lost
    /// more: the topic of assignments is made again too, and the rights of those who have some because of the virtual operator
    /// are given again. Passwords are not: [`SliceManager::renew_password`].
    ///
    /// # Errors
    /// [`SliceError::UnknownVop`], [`SliceError::Busy`] while it is being dismantled, [`SliceError::Bus`],
    /// [`SliceError::Launch`], [`SliceError::Store`]: call it again.
    pub async fn ensure_topics(&self, id: &VopId) -> Result<Vec<TopicDescription>, SliceError> {
        let _one_at_a_time = self.lock(id).await;
        let vop = self.describe(id).await?.vop;
        if vop.phase == VopPhase::Deactivating {
            return Err(SliceError::Busy { vop: id.to_string(), phase: vop.phase });
        }
        if vop.phase != VopPhase::Active || !self.lacks_topics(&vop).await? {
            return self.topics_of(&vop).await;
        }
        // Before the topics are there: cut short here, the next call finds them missing and begins another one again.
        let vop = self.begin_incarnation(id).await?;
        let failed = |source| SliceError::Launch { vop: id.to_string(), source };
        self.shared.launcher.stop(id).await.map_err(failed)?;
        self.make_assignments_topic().await?;
        self.restore_rights(&vop).await?;
        self.mend_limits(id).await?;
        let topics = self.topics_of(&vop).await;
        self.resume(&vop).await?;
        topics
    }

    /// Whether the slice manager is well: asks the store and the bus now.
    pub async fn health(&self) -> SliceHealth {
        let late = || Some(format!("no answer within {PROBE:?}"));
        let store = async {
            match timeout(PROBE, self.shared.linkdb.store().snapshot()).await {
                Ok(answered) => answered.err().map(|error| error.to_string()),
                Err(_) => late(),
            }
        };
        let bus = async {
            match timeout(PROBE, self.shared.bus.topics()).await {
                Ok(answered) => answered.err().map(|error| error.to_string()),
                Err(_) => late(),
            }
        };
        let (store, bus) = tokio::join!(store, bus);
        SliceHealth { store, bus }
    }

    /// The store that everything is kept in.
    #[must_use]
    pub fn store(&self) -> &Store {
        self.shared.linkdb.store()
    }

    fn config(&self) -> &SliceConfig {
        &self.shared.config
    }

    fn bus(&self) -> &dyn Bus {
        &*self.shared.bus
    }

    fn linkdb(&self) -> &LinkDb {
        &self.shared.linkdb
    }

    /// Held while a virtual operator changes.
    async fn lock(&self, id: &VopId) -> tokio::sync::OwnedMutexGuard<()> {
        let lock = {
            let mut locks = self.shared.locks.lock().unwrap_or_else(PoisonError::into_inner);
            // Locks that nobody holds or waits for are not kept.
            locks.retain(|_, lock| Arc::strong_count(lock) > 1);
            Arc::clone(locks.entry(id.clone()).or_default())
        };
        lock.lock_owned().await
    }
}

fn view_in(linkdb: &LinkDb, tx: &mut Tx, vop: Vop) -> Result<VopView, SliceError> {
    let live_connections = linkdb.connections_of_in(tx, vop.id())?.len();
    let access = tx.get(&VopAccess::key(vop.id()))?.unwrap_or_else(VopAccess::none);
    Ok(VopView { vop, live_connections, access })
}
