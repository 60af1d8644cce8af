//! The controller of one virtual operator in a process of its own.
//!
//! It waits until the virtual operator is active and nobody else commands it, commands as long as that is so, and waits again.
//! Another life of its topics is another start.

use super::parts::{controller_ports, serve_at};
use super::{announce, announce_controller};
use crate::controller::{Controller, ControllerConfig, ControllerError};
use crate::http::{Access, ControllerPorts, Served};
use crate::linkdb::LinkDb;
use crate::program::Failure;
use crate::program::settings::Resolved;
use crate::slice::{Vop, VopPhase};
use crate::store::StoreError;
use axum::routing::get;
use axum::{Json, Router};
use core::time::Duration;
use ipowdm_core::bus::Bus;
use ipowdm_core::ids::VopId;
use serde_json::json;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// Pause after the store could not be read.
const PAUSE: Duration = Duration::from_secs(1);

/// A controller that comes and goes with its virtual operator.
pub(super) struct One {
    stop: watch::Sender<bool>,
    task: JoinHandle<String>,
}

impl One {
    pub(super) async fn start(settings: &Resolved, db: LinkDb, bus: Arc<dyn Bus>) -> Result<Self, Failure> {
        let vop = settings.vop.clone();
        let vop = vop.ok_or_else(|| Failure::Options("--vop is missing: whose controller?".to_owned()))?;
        let worker = Worker {
            vop,
            db,
            bus,
            config: settings.controller.clone(),
            access: settings.access.clone(),
            ports: controller_ports(settings),
            listen: settings.controller_listen,
        };
        let (stop, stopped) = watch::channel(false);
        let first = worker.wait_at_first(stopped.clone()).await?;
        Ok(Self { stop, task: tokio::spawn(worker.run(first, stopped)) })
    }

    /// Why it ended by itself.
    pub(super) async fn ended(&mut self) -> String {
        match (&mut self.task).await {
            Ok(reason) => reason,
            Err(error) => error.to_string(),
        }
    }

    pub(super) async fn stop(self) {
        // Where it has ended already nobody listens.
        let _ = self.stop.send(true);
        if let Err(error) = self.task.await {
            tracing::error!(%error, "the controller did not stop cleanly");
        }
    }
}

struct Worker {
    vop: VopId,
    db: LinkDb,
    bus: Arc<dyn Bus>,
    config: ControllerConfig,
    access: Access,
    ports: ControllerPorts,
    listen: SocketAddr,
}

/// What a controller's life ended with.
enum End {
    Stopped,
    /// Its virtual operator is not what it was, or another controller has taken over.
    Over,
}

impl Worker {
    /// Answers for a virtual operator that is not active, where it is not: so that the process can be seen to be well.
    async fn wait_at_first(&self, stopped: watch::Receiver<bool>) -> Result<Option<Served>, Failure> {
        let active = self.read().await.map_err(|error| Failure::Work(error.to_string()))?;
        if active.is_some() || *stopped.borrow() {
            return Ok(None);
        }
        let served = serve_at(waiting(&self.vop), self.listen).await?;
        announce(&format!("controller of {} waits on http://{}", self.vop, served.addr()))?;
        Ok(Some(served))
    }

    /// The virtual operator, where it is active.
    async fn read(&self) -> Result<Option<Vop>, StoreError> {
        let vop = self.db.store().get(&Vop::key(&self.vop)).await?;
        Ok(vop.filter(|vop| vop.phase == VopPhase::Active))
    }

    /// Ready when `wanted` holds of the virtual operator as it is stored.
    async fn until<T>(&self, wanted: impl Fn(Option<Vop>) -> Option<T>) -> T {
        let mut watch = self.db.store().watch_keys([Vop::key(&self.vop).raw().clone()]);
        loop {
            match self.read().await {
                Ok(vop) => {
                    if let Some(found) = wanted(vop) {
                        return found;
                    }
                    if watch.next().await.is_none() {
                        tokio::time::sleep(PAUSE).await;
                    }
                }
                Err(error) => {
                    tracing::warn!(vop = %self.vop, %error, "the store cannot be read");
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    }

    async fn run(self, page: Option<Served>, mut stopped: watch::Receiver<bool>) -> String {
        let mut page = Page(page);
        loop {
            let vop = tokio::select! {
                // The sender outlives this.
                _ = stopped.wait_for(|stop| *stop) => None,
                vop = self.until(|vop| vop) => Some(vop),
            };
            let end = match vop {
                Some(vop) => self.live(vop, &mut page, &mut stopped).await,
                None => Ok(End::Stopped),
            };
            match end {
                Ok(End::Over) | Err(ControllerError::UnknownVop { .. }) => page.open(&self).await,
                Ok(End::Stopped) => {
                    page.close().await;
                    return "stopped".to_owned();
                }
                Err(error) => return format!("controller of {}: {error}", self.vop),
            }
        }
    }

    /// Commands until something ends it, once nobody else does.
    async fn live(
        &self,
        vop: Vop,
        page: &mut Page,
        stopped: &mut watch::Receiver<bool>,
    ) -> Result<End, ControllerError> {
        let life = vop.incarnation.clone();
        let changed = self.until(|now| now.is_none_or(|now| now.incarnation != life).then_some(()));
        tokio::pin!(changed);
        let builder = Controller::builder(self.vop.clone(), self.db.clone(), Arc::clone(&self.bus));
        let instance = builder.config(self.config.clone()).relay(false).stand_by()?;
        let handle = tokio::select! {
            _ = stopped.wait_for(|stop| *stop) => Err(End::Stopped),
            () = &mut changed => Err(End::Over),
            handle = instance.commanding() => Ok(handle?),
        };
        let handle = match handle {
            Ok(handle) => handle,
            Err(end) => {
                instance.shutdown().await?;
                return Ok(end);
            }
        };
        page.close().await;
        let serving = self.ports.serve(handle.clone(), self.access.clone(), vop.endpoint.as_deref());
        let (served, endpoint) = match serving.await {
            Ok(served) => served,
            Err(error) => {
                instance.shutdown().await?;
                let reason = error.to_string();
                return Err(ControllerError::Invalid { field: "controller.listen", reason });
            }
        };
        announce_controller(&self.vop, &endpoint);
        self.tell(&endpoint).await;
        let end = tokio::select! {
            _ = stopped.wait_for(|stop| *stop) => End::Stopped,
            () = handle.superseded() => End::Over,
            () = changed => End::Over,
        };
        served.shutdown().await;
        if let Err(error) = instance.shutdown().await {
            tracing::warn!(vop = %self.vop, %error, "the controller did not stop cleanly");
        }
        Ok(end)
    }

    /// Stores where the controller answers, for whoever asks the slice manager.
    async fn tell(&self, endpoint: &str) {
        let key = Vop::key(&self.vop);
        let told = self.db.store().transact(|tx| {
            if let Some(mut vop) = tx.get(&key)?
                && vop.endpoint.as_deref() != Some(endpoint)
            {
                vop.endpoint = Some(endpoint.to_owned());
                tx.put(&key, &vop)?;
            }
            Ok::<_, StoreError>(())
        });
        if let Err(error) = told.await {
            tracing::warn!(vop = %self.vop, %error, "where the controller answers could not be stored");
        }
    }
}

/// What answers while there is nothing to command.
struct Page(Option<Served>);

impl Page {
    async fn open(&mut self, worker: &Worker) {
        if self.0.is_none() {
            // Where the address is taken the process goes on without: it commands all the same.
            self.0 = serve_at(waiting(&worker.vop), worker.listen).await.ok();
        }
    }

    async fn close(&mut self) {
        if let Some(served) = self.0.take() {
            served.shutdown().await;
        }
    }
}

/// What answers while the virtual operator is not active, or another controller commands it.
fn waiting(vop: &VopId) -> Router {
    let body = json!({ "status": "waiting", "virtual_operator": vop, "version": env!("CARGO_PKG_VERSION") });
    let health = get(move || {
        let body = body.clone();
        async move { Json(body) }
    });
    Router::new().route("/health", health.clone()).route("/api/v1/health", health)
}
