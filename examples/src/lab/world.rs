//! The whole system in one process: what starts, in which order, and where it answers.

use super::broker::{BrokerError, LabBroker};
use super::fleet::{Fleet, FleetError};
use super::inventory::{self, InventoryError};
use super::limits;
use super::observer::Observer;
use super::options::Options;
use super::plan::Plan;
use super::plant::Plant;
use core::time::Duration;
use ipowdm_cmis::emulator::{ModuleClock, Profile};
use ipowdm_core::bus::Bus;
use ipowdm_core::ids::{IdError, VopId};
use ipowdm_ctl_lib::controller::{ControllerConfig, ControllerHandle};
use ipowdm_ctl_lib::http::{
    Access, ControllerPorts, Served, ServedControllers, linkdb_router_with_holds, serve, slice_router,
};
use ipowdm_ctl_lib::linkdb::LinkDb;
use ipowdm_ctl_lib::slice::{InProcess, SliceConfig, SliceError, SliceManager};
use ipowdm_ctl_lib::store::{LeaseSweeper, RawKey, Store, StoreClock, StoreError, Tx};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use tempfile::TempDir;
use tokio::task::JoinHandle;

/// Slice manager and first controller answer this far above LinkDB's port, as the guide has them (8000, 8082, 8083).
const SLICE_OFFSET: u16 = 82;
const CONTROLLER_OFFSET: u16 = 83;

/// How often holds in LinkDB are looked through, and how many are given back before others get a turn.
const SWEEP_INTERVAL: Duration = Duration::from_secs(1);
const SWEPT_AT_A_TIME: usize = 1000;

/// Why the lab does not run.
#[derive(Debug, thiserror::Error)]
pub enum LabError {
    /// No bus.
    #[error(transparent)]
    Broker(#[from] BrokerError),
    /// No agents.
    #[error(transparent)]
    Fleet(#[from] FleetError),
    /// No network in LinkDB.
    #[error(transparent)]
    Inventory(#[from] InventoryError),
    /// No clock for holds in LinkDB.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// No slice manager.
    #[error(transparent)]
    Slice(#[from] SliceError),
    /// A generated name is not legal.
    #[error(transparent)]
    Id(#[from] IdError),
    /// A port is taken.
    #[error("cannot serve {what} on {addr}: {source}; choose other ports with --port-base")]
    Serve {
        /// Which service.
        what: &'static str,
        /// Where.
        addr: SocketAddr,
        /// The system's reason.
        source: std::io::Error,
    },
    /// No place for journals.
    #[error("no place for the agents' journals: {0}")]
    Journals(std::io::Error),
}

/// The running lab. Dropping it ends everything that belongs to it.
pub struct Lab {
    /// The network on paper.
    pub plan: Plan,
    /// The broker.
    pub broker: LabBroker,
    /// The control plane's bus.
    pub bus: Arc<dyn Bus>,
    /// LinkDB.
    pub db: LinkDb,
    /// The slice manager.
    pub slice: SliceManager,
    /// The agents.
    pub fleet: Fleet,
    /// Fibre and modules.
    pub plant: Arc<Plant>,
    /// The witness on the bus.
    pub observer: Observer,
    /// Milliseconds between two telemetry samples.
    pub telemetry_ms: u32,
    /// Where LinkDB answers.
    pub linkdb_addr: SocketAddr,
    /// Where the slice manager answers.
    pub slice_addr: SocketAddr,
    controllers: ServedControllers,
    servers: Vec<Served>,
    plant_task: JoinHandle<()>,
    /// Gives back what was held and not confirmed in time.
    sweeper_task: JoinHandle<()>,
    /// The agents' journals; goes when the lab goes. Its name is a new one each time, so that what a killed lab has left
    /// is nobody's journal again.
    scratch: TempDir,
}

impl core::fmt::Debug for Lab {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Lab")
            .field("broker", &self.broker)
            .field("linkdb", &self.linkdb_addr)
            .finish_non_exhaustive()
    }
}

impl Lab {
    /// Starts everything but the virtual operators: broker, LinkDB with the network in it, slice manager, agents, plant.
    ///
    /// # Errors
    /// [`LabError`], which says what to do about it.
    pub async fn start(options: &Options) -> Result<Self, LabError> {
        Self::start_with(options, &Profile::OPENZRP).await
    }

    /// As [`Lab::start`], with modules of this profile.
    ///
    /// # Errors
    /// As [`Lab::start`].
    pub async fn start_with(options: &Options, profile: &Profile) -> Result<Self, LabError> {
        // A host that does not allow more is told by whoever runs out.
        let _ = limits::raise_open_files();
        let plan = Plan::draw(options)?;
        let scratch = tempfile::Builder::new().prefix("ipowdm-lab-").tempdir().map_err(LabError::Journals)?;
        let broker = LabBroker::start(options).await?;
        let bus = broker.bus("ipowdm-control")?;
        let db = LinkDb::new(Store::memory());
        inventory::write(&db, &plan).await?;
        let clock = StoreClock::resume(db.store()).await?;
        let sweeper_task = sweep(&db, &clock);
        let router = linkdb_router_with_holds(db.clone(), clock, Access::open());
        let linkdb = serve_at("LinkDB", router, port(options, 0)).await?;
        let tasks = InProcess::new(db.clone(), Arc::clone(&bus), ControllerConfig::default());
        let ports = controller_ports(&plan, options);
        let controllers = ServedControllers::new(tasks, ports, Access::open(), None);
        let slice = SliceManager::builder(db.clone(), Arc::clone(&bus))
            .config(slice_config(options))
            .launcher(Arc::new(controllers.clone()))
            .start()
            .await?;
        let slice_http = serve_at(
            "the slice manager",
            slice_router(slice.clone(), Access::open()),
            port(options, SLICE_OFFSET),
        )
        .await?;
        let modules = (profile, &ModuleClock::scaled(options.scale));
        let fleet = Fleet::start(&plan, &broker, modules, scratch.path())?;
        let plant = Plant::new(fleet.modules().clone());
        let plant_task = plant.follow(db.clone());
        let vops: Vec<VopId> = plan.tenants.iter().map(|tenant| tenant.vop.clone()).collect();
        let observer = Observer::start(broker.bus("ipowdm-lab-observer")?, &vops);
        Ok(Self {
            linkdb_addr: linkdb.addr(),
            slice_addr: slice_http.addr(),
            telemetry_ms: options.telemetry_ms,
            servers: vec![linkdb, slice_http],
            plan,
            broker,
            bus,
            db,
            slice,
            fleet,
            plant,
            observer,
            controllers,
            plant_task,
            sweeper_task,
            scratch,
        })
    }

    /// The running controller of a virtual operator.
    #[must_use]
    pub fn controller(&self, vop: &VopId) -> Option<ControllerHandle> {
        self.controllers.controller(vop)
    }

    /// Where the controller of a virtual operator answers.
    #[must_use]
    pub fn controller_addr(&self, vop: &VopId) -> Option<SocketAddr> {
        self.controllers.addr(vop)
    }

    /// Stops everything in order, the broker last, and removes the journals; light stays as it is until the process ends.
    pub async fn stop(self) {
        let Self {
            fleet,
            servers,
            plant_task,
            sweeper_task,
            observer,
            controllers,
            slice,
            broker,
            scratch,
            ..
        } = self;
        for server in servers {
            server.shutdown().await;
        }
        controllers.stop_all().await;
        drop((slice, observer));
        fleet.stop().await;
        plant_task.abort();
        sweeper_task.abort();
        drop((broker, scratch));
    }
}

/// Gives back, once a second, what was held in LinkDB and not confirmed in time.
fn sweep(db: &LinkDb, clock: &StoreClock) -> JoinHandle<()> {
    let sweeper = LeaseSweeper::new(db.store().clone(), clock.clone(), SWEPT_AT_A_TIME);
    let db = db.clone();
    tokio::spawn(async move {
        let expire = move |tx: &mut Tx, key: &RawKey| db.expire_in(tx, key);
        sweeper.run(SWEEP_INTERVAL, expire, core::future::pending()).await;
    })
}

/// Topics as a lab wants them: one partition of commands, so that each agent follows one.
fn slice_config(options: &Options) -> SliceConfig {
    let mut config = SliceConfig::default();
    config.config.partitions = 1;
    config.assignments_replication = options.replication;
    for topic in [&mut config.config, &mut config.monitoring, &mut config.health] {
        topic.replication = options.replication;
    }
    config
}

/// A port for each tenant's controller; whoever is no tenant of the plan gets any.
fn controller_ports(plan: &Plan, options: &Options) -> ControllerPorts {
    let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    plan.tenants.iter().zip(0..).fold(ControllerPorts::new(any, 0), |ports, (tenant, n)| {
        ports.own(tenant.vop.clone(), port(options, CONTROLLER_OFFSET.saturating_add(n)))
    })
}

/// A port `offset` above the base; any free one where the base is 0.
fn port(options: &Options, offset: u16) -> u16 {
    if options.port_base == 0 { 0 } else { options.port_base.saturating_add(offset) }
}

async fn serve_at(what: &'static str, router: axum::Router, port: u16) -> Result<Served, LabError> {
    let addr = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    serve(router, addr).await.map_err(|source| LabError::Serve { what, addr, source })
}
