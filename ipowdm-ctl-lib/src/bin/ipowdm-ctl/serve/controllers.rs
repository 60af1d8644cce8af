//! Controllers as tasks of this process, each served over HTTP as long as it runs.

use super::announce;
use super::parts::serve_at;
use crate::settings::Resolved;
use core::time::Duration;
use ipowdm_core::ids::VopId;
use ipowdm_ctl_lib::controller::ControllerHandle;
use ipowdm_ctl_lib::http::{Access, Served, controller_router};
use ipowdm_ctl_lib::slice::{ControllerLauncher, Credential, InProcess, LaunchError, OnStart, Vop};
use ipowdm_ctl_lib::store::BoxFuture;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Where controllers may listen.
#[derive(Debug, Clone)]
pub(super) struct Ports {
    first: SocketAddr,
    after: u16,
    advertised_host: Option<String>,
}

impl Ports {
    pub(super) fn of(settings: &Resolved) -> Self {
        let advertised_host = settings.advertised_host.clone();
        Self { first: settings.controller_listen, after: settings.controller_ports, advertised_host }
    }

    /// The addresses to try: the port of an earlier life first, so that clients find the controller where it was.
    fn candidates(&self, earlier: Option<u16>) -> impl Iterator<Item = SocketAddr> + use<> {
        let first = self.first;
        let last = if first.port() == 0 { 0 } else { first.port().saturating_add(self.after) };
        let earlier = earlier.filter(|port| first.port() == 0 || (first.port()..=last).contains(port));
        earlier.into_iter().chain(first.port()..=last).map(move |port| SocketAddr::new(first.ip(), port))
    }

    /// Where others reach a controller.
    fn endpoint(&self, addr: SocketAddr) -> String {
        match &self.advertised_host {
            Some(host) => format!("http://{host}:{}", addr.port()),
            None => format!("http://{addr}"),
        }
    }

    /// Serves a controller on the first address that is free, and says so on stdout.
    pub(super) async fn serve(
        &self,
        handle: ControllerHandle,
        access: Access,
        earlier: Option<u16>,
    ) -> Option<(Served, String)> {
        let vop = handle.vop().clone();
        let router = controller_router(handle, access);
        let mut last = None;
        for addr in self.candidates(earlier) {
            match serve_at(router.clone(), addr).await {
                Ok(served) => {
                    let endpoint = self.endpoint(served.addr());
                    // Nobody may be reading.
                    let _ = announce(&format!("controller of {vop} on {endpoint}"));
                    return Some((served, endpoint));
                }
                Err(failure) => last = Some(failure),
            }
        }
        tracing::error!(%vop, reason = ?last, "the controller has no REST surface");
        None
    }
}

/// The port of an endpoint as [`Ports::endpoint`] writes it.
pub(super) fn port_of(endpoint: &str) -> Option<u16> {
    endpoint.rsplit_once(':').and_then(|(_, port)| port.parse().ok())
}

/// Servers and earlier ports by virtual operator.
type Servers = Arc<Mutex<BTreeMap<VopId, Served>>>;
type Earlier = Arc<Mutex<BTreeMap<VopId, u16>>>;

/// Starts controllers and their servers, and stops both. Clones are the same.
#[derive(Debug, Clone)]
pub(super) struct Controllers {
    tasks: InProcess,
    servers: Servers,
    earlier: Earlier,
}

impl Controllers {
    pub(super) fn new(tasks: InProcess, ports: Ports, access: Access) -> Self {
        let (servers, earlier) = (Servers::default(), Earlier::default());
        let tasks = tasks.on_start(serving(ports, access, Arc::clone(&servers), Arc::clone(&earlier)));
        Self { tasks, servers, earlier }
    }

    /// Stops all of them at once; what is under way goes on with the next start.
    pub(super) async fn stop_all(&self) {
        let running = self.tasks.vops();
        let stops = running.iter().map(|vop| async move {
            if let Err(error) = self.stop(vop).await {
                tracing::warn!(%vop, reason = error.reason, "the controller did not stop cleanly");
            }
        });
        futures_util::future::join_all(stops).await;
    }
}

impl ControllerLauncher for Controllers {
    fn launch<'a>(
        &'a self,
        vop: &'a Vop,
        credential: Option<&'a Credential>,
    ) -> BoxFuture<'a, Result<Option<String>, LaunchError>> {
        if let Some(port) = vop.endpoint.as_deref().and_then(port_of) {
            lock(&self.earlier).insert(vop.id().clone(), port);
        }
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

fn serving(ports: Ports, access: Access, servers: Servers, earlier: Earlier) -> OnStart {
    Arc::new(move |handle: ControllerHandle| {
        let (ports, access) = (ports.clone(), access.clone());
        let (servers, earlier) = (Arc::clone(&servers), Arc::clone(&earlier));
        Box::pin(async move {
            let vop = handle.vop().clone();
            let before = lock(&servers).remove(&vop);
            if let Some(before) = before {
                before.shutdown().await;
            }
            let port = lock(&earlier).get(&vop).copied();
            let (served, endpoint) = ports.serve(handle, access, port).await?;
            lock(&servers).insert(vop, served);
            Some(endpoint)
        })
    })
}

fn lock<T>(map: &Mutex<T>) -> MutexGuard<'_, T> {
    // The maps are whole between any two calls.
    map.lock().unwrap_or_else(PoisonError::into_inner)
}
