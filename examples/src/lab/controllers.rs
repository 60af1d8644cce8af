//! The controllers of the lab: each a task of this process, served over HTTP next to the others as long as it runs.

use super::plan::Plan;
use super::world::serve_at;
use core::time::Duration;
use ipowdm_core::bus::Bus;
use ipowdm_core::ids::VopId;
use ipowdm_ctl_lib::controller::{ControllerConfig, ControllerHandle};
use ipowdm_ctl_lib::http::{Access, Served, controller_router};
use ipowdm_ctl_lib::linkdb::LinkDb;
use ipowdm_ctl_lib::slice::{ControllerLauncher, Credential, InProcess, LaunchError, OnStart, Vop};
use ipowdm_ctl_lib::store::BoxFuture;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Servers by virtual operator.
type Servers = Arc<Mutex<BTreeMap<VopId, Served>>>;

/// Starts controllers and their servers, and stops both.
#[derive(Debug)]
pub struct Controllers {
    tasks: InProcess,
    servers: Servers,
}

impl Controllers {
    /// None yet. `port` gives the port of the tenant of each number; whoever is no tenant of the plan gets any.
    pub fn new(plan: &Plan, db: &LinkDb, bus: &Arc<dyn Bus>, port: impl Fn(u16) -> u16) -> Self {
        let servers = Servers::default();
        let ports = plan.tenants.iter().zip(0..).map(|(tenant, n)| (tenant.vop.clone(), port(n))).collect();
        let tasks = InProcess::new(db.clone(), Arc::clone(bus), ControllerConfig::default())
            .on_start(serving(ports, Arc::clone(&servers)));
        Self { tasks, servers }
    }

    /// The running controller of a virtual operator.
    #[must_use]
    pub fn controller(&self, vop: &VopId) -> Option<ControllerHandle> {
        self.tasks.controller(vop)
    }

    /// Where the controller of a virtual operator answers.
    #[must_use]
    pub fn addr(&self, vop: &VopId) -> Option<SocketAddr> {
        lock(&self.servers).get(vop).map(Served::addr)
    }

    /// The virtual operators whose controllers answer.
    #[must_use]
    pub fn served(&self) -> Vec<VopId> {
        lock(&self.servers).keys().cloned().collect()
    }
}

impl ControllerLauncher for Controllers {
    fn launch<'a>(
        &'a self,
        vop: &'a Vop,
        credential: Option<&'a Credential>,
    ) -> BoxFuture<'a, Result<Option<String>, LaunchError>> {
        self.tasks.launch(vop, credential)
    }

    fn drain<'a>(&'a self, vop: &'a VopId, limit: Duration) -> BoxFuture<'a, Result<(), LaunchError>> {
        self.tasks.drain(vop, limit)
    }

    fn stop<'a>(&'a self, vop: &'a VopId) -> BoxFuture<'a, Result<(), LaunchError>> {
        Box::pin(async move {
            let served = lock(&self.servers).remove(vop);
            if let Some(served) = served {
                served.shutdown().await;
            }
            self.tasks.stop(vop).await
        })
    }
}

/// Serves every controller that starts at the port of its virtual operator.
fn serving(ports: BTreeMap<VopId, u16>, servers: Servers) -> OnStart {
    Arc::new(move |handle: ControllerHandle| {
        let vop = handle.vop().clone();
        let port = ports.get(&vop).copied().unwrap_or(0);
        let servers = Arc::clone(&servers);
        Box::pin(async move {
            let earlier = lock(&servers).remove(&vop);
            if let Some(earlier) = earlier {
                earlier.shutdown().await;
            }
            match serve_at("a controller", controller_router(handle, Access::open()), port).await {
                Ok(served) => {
                    let endpoint = format!("http://{}", served.addr());
                    lock(&servers).insert(vop, served);
                    Some(endpoint)
                }
                Err(error) => {
                    tracing::error!(%vop, %error, "the controller has no REST surface");
                    None
                }
            }
        })
    })
}

fn lock(servers: &Servers) -> MutexGuard<'_, BTreeMap<VopId, Served>> {
    // The map is whole between any two calls.
    servers.lock().unwrap_or_else(PoisonError::into_inner)
}
