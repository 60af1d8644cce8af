//! Controllers as tasks of this process, each served over HTTP as long as it runs.

use super::access::Access;
use super::controller::controller_router;
use super::serve::{Served, serve};
use crate::controller::ControllerHandle;
use crate::slice::{ControllerLauncher, Credential, InProcess, LaunchError, OnStart, Vop};
use crate::store::BoxFuture;
use core::time::Duration;
use ipowdm_core::ids::VopId;
use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The addresses that the controllers of a host may listen on.
#[derive(Debug, Clone)]
pub struct ControllerPorts {
    first: SocketAddr,
    after: u16,
    own: BTreeMap<VopId, u16>,
    advertised_host: Option<String>,
}

impl ControllerPorts {
    /// `first`, and as many ports after it. Port 0 takes a free one for each.
    #[must_use]
    pub const fn new(first: SocketAddr, after: u16) -> Self {
        Self { first, after, own: BTreeMap::new(), advertised_host: None }
    }

    /// A port for one virtual operator's controller alone; no other is tried for it.
    #[must_use]
    pub fn own(mut self, vop: VopId, port: u16) -> Self {
        self.own.insert(vop, port);
        self
    }

    /// What others reach this host by, where that is not the address that is listened on.
    #[must_use]
    pub fn advertised_host(mut self, host: Option<String>) -> Self {
        self.advertised_host = host;
        self
    }

    /// The addresses to try: the port of an earlier life first, so that clients find the controller where it was.
    fn candidates(&self, vop: &VopId, earlier: Option<&str>) -> Vec<SocketAddr> {
        let first = self.first.port();
        let last = if first == 0 { 0 } else { first.saturating_add(self.after) };
        let ports = match self.own.get(vop) {
            Some(own) => vec![*own],
            None => {
                let earlier = earlier.and_then(port_of);
                let earlier = earlier.filter(|port| first == 0 || (first..=last).contains(port));
                earlier.into_iter().chain(first..=last).collect()
            }
        };
        ports.into_iter().map(|port| SocketAddr::new(self.first.ip(), port)).collect()
    }

    fn endpoint(&self, addr: SocketAddr) -> String {
        match &self.advertised_host {
            Some(host) => format!("http://{host}:{}", addr.port()),
            None => format!("http://{addr}"),
        }
    }

    /// Serves a controller on the first address that is free, that of its `earlier` endpoint above all; answers where others
    /// reach it.
    ///
    /// # Errors
    /// Of the last address, where none is free.
    pub async fn serve(
        &self,
        controller: ControllerHandle,
        access: Access,
        earlier: Option<&str>,
    ) -> io::Result<(Served, String)> {
        let candidates = self.candidates(controller.vop(), earlier);
        let router = controller_router(controller, access);
        let mut last = io::Error::from(io::ErrorKind::AddrNotAvailable);
        for addr in candidates {
            match serve(router.clone(), addr).await {
                Ok(served) => {
                    let endpoint = self.endpoint(served.addr());
                    return Ok((served, endpoint));
                }
                Err(error) => last = io::Error::new(error.kind(), format!("{addr}: {error}")),
            }
        }
        Err(last)
    }
}

/// The port of an endpoint as [`ControllerPorts::serve`] answers it.
fn port_of(endpoint: &str) -> Option<u16> {
    endpoint.rsplit_once(':').and_then(|(_, port)| port.parse().ok())
}

/// Told of every controller that is served: whose it is, and where.
pub type OnServed = Arc<dyn Fn(&VopId, &str) + Send + Sync>;

/// What is known of one virtual operator's.
#[derive(Debug, Default)]
struct Known {
    server: Option<Served>,
    earlier: Option<String>,
}

/// Starts controllers and their servers, and stops both. Clones are the same.
#[derive(Debug, Clone)]
pub struct ServedControllers {
    tasks: InProcess,
    known: Arc<Mutex<BTreeMap<VopId, Known>>>,
}

impl ServedControllers {
    /// None yet. Those that `tasks` starts are served at `ports`, and `told` of.
    #[must_use]
    pub fn new(tasks: InProcess, ports: ControllerPorts, access: Access, told: Option<OnServed>) -> Self {
        let known = Arc::<Mutex<BTreeMap<VopId, Known>>>::default();
        let (ports, servers) = (Arc::new(ports), Arc::clone(&known));
        let on_start: OnStart = Arc::new(move |handle: ControllerHandle| {
            let (ports, servers) = (Arc::clone(&ports), Arc::clone(&servers));
            let (access, told) = (access.clone(), told.clone());
            Box::pin(async move {
                let vop = handle.vop().clone();
                let (before, earlier) = {
                    let mut servers = lock(&servers);
                    let known = servers.entry(vop.clone()).or_default();
                    (known.server.take(), known.earlier.clone())
                };
                if let Some(before) = before {
                    before.shutdown().await;
                }
                match ports.serve(handle, access, earlier.as_deref()).await {
                    Ok((served, endpoint)) => {
                        if let Some(told) = told {
                            told(&vop, &endpoint);
                        }
                        let known = Known { server: Some(served), earlier: Some(endpoint.clone()) };
                        lock(&servers).insert(vop, known);
                        Some(endpoint)
                    }
                    Err(error) => {
                        tracing::error!(%vop, %error, "the controller has no REST surface");
                        None
                    }
                }
            })
        });
        Self { tasks: tasks.on_start(on_start), known }
    }

    /// The running controller of a virtual operator.
    #[must_use]
    pub fn controller(&self, vop: &VopId) -> Option<ControllerHandle> {
        self.tasks.controller(vop)
    }

    /// Where the controller of a virtual operator answers.
    #[must_use]
    pub fn addr(&self, vop: &VopId) -> Option<SocketAddr> {
        lock(&self.known).get(vop).and_then(|known| known.server.as_ref()).map(Served::addr)
    }

    /// Stops all of them at once; what is under way goes on with the next start.
    pub async fn stop_all(&self) {
        let running = self.tasks.vops();
        let stops = running.iter().map(|vop| async move {
            if let Err(error) = self.stop(vop).await {
                tracing::warn!(%vop, reason = error.reason, "the controller did not stop cleanly");
            }
        });
        futures_util::future::join_all(stops).await;
    }
}

impl ControllerLauncher for ServedControllers {
    fn launch<'a>(
        &'a self,
        vop: &'a Vop,
        credential: Option<&'a Credential>,
    ) -> BoxFuture<'a, Result<Option<String>, LaunchError>> {
        if let Some(endpoint) = &vop.endpoint {
            lock(&self.known).entry(vop.id().clone()).or_default().earlier = Some(endpoint.clone());
        }
        self.tasks.launch(vop, credential)
    }

    fn drain<'a>(&'a self, vop: &'a VopId, limit: Duration) -> BoxFuture<'a, Result<(), LaunchError>> {
        self.tasks.drain(vop, limit)
    }

    fn stop<'a>(&'a self, vop: &'a VopId) -> BoxFuture<'a, Result<(), LaunchError>> {
        Box::pin(async move {
            let known = lock(&self.known).remove(vop);
            if let Some(served) = known.and_then(|known| known.server) {
                served.shutdown().await;
            }
            self.tasks.stop(vop).await
        })
    }
}

fn lock<T>(map: &Mutex<T>) -> MutexGuard<'_, T> {
    // The maps are whole between any two calls.
    map.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
