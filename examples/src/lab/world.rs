//! The whole system in one process: what starts, in which order, and where it answers.

use super::broker::{BrokerError, LabBroker};
use super::fleet::{Fleet, FleetError};
use super::inventory::{self, InventoryError};
use super::limits;
use super::observer::Observer;
use super::options::Options;
use super::plan::Plan;
use super::plant::Plant;
use ipowdm_core::bus::Bus;
use ipowdm_core::ids::{IdError, VopId};
use ipowdm_ctl_lib::controller::{ControllerConfig, ControllerHandle};
use ipowdm_ctl_lib::http::{Served, controller_router, linkdb_router, serve, slice_router};
use ipowdm_ctl_lib::linkdb::LinkDb;
use ipowdm_ctl_lib::slice::{ControllerLauncher, InProcess, OnStart, SliceConfig, SliceError, SliceManager};
use ipowdm_ctl_lib::store::Store;
use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::task::JoinHandle;

/// Slice manager and first controller answer this far above LinkDB's port, as the guide has them (8000, 8082, 8083).
const SLICE_OFFSET: u16 = 82;
const CONTROLLER_OFFSET: u16 = 83;

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

/// A folder that goes when the lab goes.
#[derive(Debug)]
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> std::io::Result<Self> {
        let name = format!("ipowdm-lab-{}-{:x}", std::process::id(), unique());
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path)?;
        Ok(Self(path))
    }
}

/// Differs between labs of one process.
fn unique() -> u64 {
    static NEXT: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);
    NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed)
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What cannot be removed stays in the system's folder for temporary files.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Controllers' servers by virtual operator.
type Servers = Arc<Mutex<BTreeMap<VopId, Served>>>;

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
    launcher: Arc<InProcess>,
    controllers: Servers,
    servers: Vec<Served>,
    plant_task: JoinHandle<()>,
    _scratch: Scratch,
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
        // A host that does not allow more is told by whoever runs out.
        let _ = limits::raise_open_files();
        let plan = Plan::draw(options)?;
        let scratch = Scratch::new().map_err(LabError::Journals)?;
        let broker = LabBroker::start(options.bootstrap.as_deref(), options.port_base != 0).await?;
        let bus = broker.bus("ipowdm-control")?;
        let db = LinkDb::new(Store::memory());
        inventory::write(&db, &plan).await?;
        let linkdb = serve_at("LinkDB", linkdb_router(db.clone()), port(options, 0)).await?;
        let controllers: Servers = Arc::default();
        let launcher = launcher(options, &plan, &db, &bus, &controllers);
        let slice = SliceManager::builder(db.clone(), Arc::clone(&bus))
            .config(slice_config())
            .launcher(launcher.clone())
            .start()
            .await?;
        let slice_http =
            serve_at("the slice manager", slice_router(slice.clone()), port(options, SLICE_OFFSET)).await?;
        let fleet = Fleet::start(&plan, &broker, options.scale, &scratch.0)?;
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
            launcher,
            controllers,
            plant_task,
            _scratch: scratch,
        })
    }

    /// The running controller of a virtual operator.
    #[must_use]
    pub fn controller(&self, vop: &VopId) -> Option<ControllerHandle> {
        self.launcher.controller(vop)
    }

    /// Where the controller of a virtual operator answers.
    #[must_use]
    pub fn controller_addr(&self, vop: &VopId) -> Option<SocketAddr> {
        self.controllers.lock().unwrap_or_else(PoisonError::into_inner).get(vop).map(Served::addr)
    }

    /// Stops everything in order, the broker last; light stays as it is until the process ends.
    pub async fn stop(self) {
        let Self { fleet, servers, controllers, plant_task, observer, plan, launcher, slice, broker, .. } =
            self;
        let served = std::mem::take(&mut *controllers.lock().unwrap_or_else(PoisonError::into_inner));
        for server in served.into_values().chain(servers) {
            server.shutdown().await;
        }
        for tenant in &plan.tenants {
            if let Err(error) = launcher.stop(&tenant.vop).await {
                tracing::warn!(vop = %tenant.vop, reason = error.reason, "the controller did not stop cleanly");
            }
        }
        drop((slice, observer));
        fleet.stop().await;
        plant_task.abort();
        drop(broker);
    }
}

/// Topics as a lab wants them: one partition of commands, so that each agent follows one.
fn slice_config() -> SliceConfig {
    let mut config = SliceConfig::default();
    config.config.partitions = 1;
    config
}

/// A port `offset` above the base; any free one where the base is 0.
fn port(options: &Options, offset: u16) -> u16 {
    if options.port_base == 0 { 0 } else { options.port_base.saturating_add(offset) }
}

async fn serve_at(what: &'static str, router: axum::Router, port: u16) -> Result<Served, LabError> {
    let addr = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    serve(router, addr).await.map_err(|source| LabError::Serve { what, addr, source })
}

/// Controllers in this process, each served over HTTP next to the others.
fn launcher(
    options: &Options,
    plan: &Plan,
    db: &LinkDb,
    bus: &Arc<dyn Bus>,
    controllers: &Servers,
) -> Arc<InProcess> {
    let ports: BTreeMap<VopId, u16> = plan
        .tenants
        .iter()
        .zip(CONTROLLER_OFFSET..)
        .map(|(tenant, offset)| (tenant.vop.clone(), port(options, offset)))
        .collect();
    let controllers = Arc::clone(controllers);
    let on_start: OnStart = Arc::new(move |handle: ControllerHandle| {
        let vop = handle.vop().clone();
        let port = ports.get(&vop).copied().unwrap_or(0);
        let controllers = Arc::clone(&controllers);
        Box::pin(async move {
            let earlier = controllers.lock().unwrap_or_else(PoisonError::into_inner).remove(&vop);
            if let Some(earlier) = earlier {
                earlier.shutdown().await;
            }
            match serve_at("a controller", controller_router(handle), port).await {
                Ok(served) => {
                    let endpoint = format!("http://{}", served.addr());
                    controllers.lock().unwrap_or_else(PoisonError::into_inner).insert(vop, served);
                    Some(endpoint)
                }
                Err(error) => {
                    tracing::error!(%vop, %error, "the controller has no REST surface");
                    None
                }
            }
        })
    });
    Arc::new(InProcess::new(db.clone(), Arc::clone(bus), ControllerConfig::default()).on_start(on_start))
}
