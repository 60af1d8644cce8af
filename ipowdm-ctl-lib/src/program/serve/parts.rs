//! The parts of a serving program: which program has which, how they start and stop.

use super::one::One;
use super::processes::command_for;
use super::{announce, announce_controller};
use crate::http::{self, ControllerPorts, OnServed, Served, ServedControllers};
use crate::linkdb::LinkDb;
use crate::program::Failure;
use crate::program::settings::{Launching, Program, Resolved};
use crate::slice::{ControllerLauncher, External, InProcess, Processes, SliceManager};
use crate::store::{LeaseSweeper, Store, StoreClock, StoreOptions};
use crate::topology::TopologyDocument;
use core::time::Duration;
use ipowdm_core::bus::Bus;
use ipowdm_core::bus::kafka;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// How often holds are looked through, and the most by which their clock falls back in a crash.
const SWEEP_INTERVAL: Duration = Duration::from_secs(1);

/// Holds given back before others get a turn.
const SWEPT_AT_A_TIME: usize = 1000;

/// What runs. Dropped, it ends without order.
#[derive(Default)]
pub(super) struct Parts {
    servers: Vec<Served>,
    sweeper: Option<(oneshot::Sender<()>, JoinHandle<()>)>,
    slices: Option<SliceManager>,
    controllers: Option<ServedControllers>,
    processes: Option<Processes>,
    one: Option<One>,
}

fn work(error: impl core::fmt::Display) -> Failure {
    Failure::Work(error.to_string())
}

impl Parts {
    pub(super) async fn start(settings: &Resolved) -> Result<Self, Failure> {
        let topology = settings.topology.as_deref().map(read).transpose()?;
        let store = Store::open(&settings.store, StoreOptions::default()).await.map_err(work)?;
        let db = LinkDb::with_band(store, settings.band.clone());
        let mut parts = Self::default();
        if settings.program.has_linkdb() {
            if let Some(document) = topology {
                begin_with(&db, document).await?;
            }
            parts.serve_linkdb(settings, &db).await?;
        }
        if settings.program.has_slices() {
            parts.serve_slices(settings, &db, open_bus(settings)?).await?;
        }
        if settings.program == Program::Controller {
            parts.one = Some(One::start(settings, db, open_bus(settings)?).await?);
        }
        Ok(parts)
    }

    async fn serve_linkdb(&mut self, settings: &Resolved, db: &LinkDb) -> Result<(), Failure> {
        let clock = StoreClock::resume(db.store()).await.map_err(work)?;
        let (stop, stopped) = oneshot::channel::<()>();
        let sweeper = LeaseSweeper::new(db.store().clone(), clock.clone(), SWEPT_AT_A_TIME);
        let sweeping = tokio::spawn({
            let db = db.clone();
            async move {
                let stopped = async { drop(stopped.await) };
                sweeper.run(SWEEP_INTERVAL, move |tx, key| db.expire_in(tx, key), stopped).await;
            }
        });
        self.sweeper = Some((stop, sweeping));
        let router = http::linkdb_router_with_holds(db.clone(), clock, settings.access.clone());
        let served = serve_at(router, settings.linkdb_listen).await?;
        announce(&format!("LinkDB on http://{}, store {}", served.addr(), settings.store))?;
        self.servers.push(served);
        Ok(())
    }

    async fn serve_slices(
        &mut self,
        settings: &Resolved,
        db: &LinkDb,
        bus: Arc<dyn Bus>,
    ) -> Result<(), Failure> {
        let tasks = InProcess::new(db.clone(), Arc::clone(&bus), settings.controller.clone());
        let launcher: Arc<dyn ControllerLauncher> = match &settings.launching {
            Launching::Task => {
                let told: OnServed = Arc::new(announce_controller);
                let (ports, access) = (controller_ports(settings), settings.access.clone());
                let controllers = ServedControllers::new(tasks, ports, access, Some(told));
                self.controllers = Some(controllers.clone());
                Arc::new(controllers)
            }
            Launching::Process(program) => {
                let secured = settings.bus.as_ref().is_some_and(|bus| bus.sasl.is_some());
                let command = command_for(settings, program.as_deref())?;
                let processes = Processes::new(tasks, command).with_credentials(secured);
                self.processes = Some(processes.clone());
                Arc::new(processes)
            }
            Launching::External => Arc::new(External::new(tasks)),
        };
        let builder = SliceManager::builder(db.clone(), bus).config(settings.slice.clone());
        let slices = builder.launcher(launcher).start().await.map_err(work)?;
        self.slices = Some(slices.clone());
        let router = http::slice_router(slices, settings.access.clone());
        let served = serve_at(router, settings.slice_listen).await?;
        announce(&format!("slice manager on http://{}", served.addr()))?;
        self.servers.push(served);
        Ok(())
    }

    /// Why the program ends by itself; never, for most.
    pub(super) async fn ended(&mut self) -> String {
        match &mut self.one {
            Some(one) => one.ended().await,
            None => core::future::pending().await,
        }
    }

    /// Requests in flight are answered, then the parts stop in the opposite order of their start.
    pub(super) async fn stop(self) {
        let Self { servers, sweeper, slices, controllers, processes, one } = self;
        let answered = futures_util::future::join_all(servers.into_iter().map(Served::shutdown));
        // At once: a supervisor that signals all processes of a service would see those that end started again.
        let ended = async {
            if let Some(processes) = &processes {
                processes.stop_all().await;
            }
        };
        tokio::join!(answered, ended);
        if let Some(one) = one {
            one.stop().await;
        }
        drop(slices);
        if let Some(controllers) = controllers {
            controllers.stop_all().await;
        }
        if let Some(processes) = processes {
            // What a request in flight has launched meanwhile.
            processes.stop_all().await;
        }
        if let Some((stop, sweeping)) = sweeper {
            drop(stop);
            if let Err(error) = sweeping.await {
                tracing::error!(%error, "holds were not looked through to the end");
            }
        }
    }
}

/// A bus of this program. It connects when it is first used: a broker that is down is no reason not to start.
pub(crate) fn open_bus(settings: &Resolved) -> Result<Arc<dyn Bus>, Failure> {
    let Some(options) = &settings.bus else {
        return Err(Failure::Options("bus.bootstrap: is missing; name host:port".to_owned()));
    };
    let mut options = options.clone();
    options.client_id = match &settings.vop {
        Some(vop) if settings.program == Program::Controller => format!("ipowdm-controller-{vop}"),
        _ => format!("ipowdm-{}", settings.program.name()),
    };
    kafka::connect(&options, settings.client).map_err(|error| Failure::Options(format!("bus: {error}")))
}

/// Where controllers may listen.
pub(super) fn controller_ports(settings: &Resolved) -> ControllerPorts {
    let ports = ControllerPorts::new(settings.controller_listen, settings.controller_ports);
    ports.advertised_host(settings.advertised_host.clone())
}

pub(super) async fn serve_at(router: axum::Router, addr: SocketAddr) -> Result<Served, Failure> {
    http::serve(router, addr).await.map_err(|error| Failure::Work(format!("{addr}: {error}")))
}

fn read(path: &Path) -> Result<TopologyDocument, Failure> {
    let refused = |reason: String| Failure::Options(format!("linkdb.topology: {}: {reason}", path.display()));
    let text = std::fs::read_to_string(path).map_err(|error| refused(error.to_string()))?;
    TopologyDocument::from_json(&text).map_err(|error| refused(error.to_string()))
}

/// Fills an empty store.
async fn begin_with(db: &LinkDb, document: TopologyDocument) -> Result<(), Failure> {
    let there = db.pops().await.map_err(work)?;
    if !there.is_empty() {
        tracing::info!(pops = there.len(), "the store has a topology; the one in the file is passed over");
        return Ok(());
    }
    let refused = |reason: String| Failure::Options(format!("linkdb.topology: {reason}"));
    let (pops, links) = document.into_records().map_err(|error| refused(error.to_string()))?;
    let (count, lines) = (pops.len(), links.len());
    db.import(pops, links).await.map_err(|error| refused(error.to_string()))?;
    tracing::info!(pops = count, links = lines, "topology loaded");
    Ok(())
}
