//! How the controller of a virtual operator is started: a trait; tasks of this process, which is the default; processes;
//! controllers that somebody else starts.

mod external;
#[cfg(feature = "process")]
mod process;
#[cfg(test)]
mod tests;

pub use external::External;
#[cfg(feature = "process")]
pub use process::{CommandFor, ProcessState, ProcessTimes, Processes};

use super::access::Credential;
use super::error::LaunchError;
use super::record::Vop;
use crate::controller::{
    Controller, ControllerConfig, ControllerError, ControllerHandle, WallClock, system_wall_clock,
};
use crate::linkdb::LinkDb;
use crate::store::BoxFuture;
use core::time::Duration;
use ipowdm_core::bus::Bus;
use ipowdm_core::ids::VopId;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Starts and stops controllers. All methods may be called again after a failure, and for what is done already.
pub trait ControllerLauncher: Send + Sync + 'static {
    /// Starts the controller of a virtual operator and answers where it can be reached, where it can from outside. The
    /// credential is the controller's on the bus, where it has one and this launcher [takes](Self::takes_credential) it; it
    /// takes the place of that of every earlier launch.
    fn launch<'a>(
        &'a self,
        vop: &'a Vop,
        credential: Option<&'a Credential>,
    ) -> BoxFuture<'a, Result<Option<String>, LaunchError>>;

    /// Has the controller take all connections down, and abandon those that are not down after `limit`. Nothing happens
    /// where it does not run.
    fn drain<'a>(&'a self, vop: &'a VopId, limit: Duration) -> BoxFuture<'a, Result<(), LaunchError>>;

    /// Stops the controller. Nothing happens where it does not run.
    fn stop<'a>(&'a self, vop: &'a VopId) -> BoxFuture<'a, Result<(), LaunchError>>;

    /// Whether its controllers prove on the bus who they are. Each launch then comes with a password that was made for it, and
    /// nobody else is told it.
    fn takes_credential(&self) -> bool {
        false
    }
}

/// What is done with a controller that has just started; answers where it can be reached.
pub type OnStart = Arc<dyn Fn(ControllerHandle) -> BoxFuture<'static, Option<String>> + Send + Sync>;

/// Controllers as tasks of this process.
#[derive(Clone)]
pub struct InProcess {
    linkdb: LinkDb,
    bus: Arc<dyn Bus>,
    config: ControllerConfig,
    wall: WallClock,
    on_start: Option<OnStart>,
    running: Arc<Mutex<BTreeMap<VopId, ControllerHandle>>>,
}

impl core::fmt::Debug for InProcess {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("InProcess").field("running", &self.running().keys()).finish_non_exhaustive()
    }
}

impl InProcess {
    /// Controllers that all work as `config` says. They leave the outbox to the slice manager.
    #[must_use]
    pub fn new(linkdb: LinkDb, bus: Arc<dyn Bus>, config: ControllerConfig) -> Self {
        let wall = system_wall_clock();
        Self { linkdb, bus, config, wall, on_start: None, running: Arc::default() }
    }

    /// Where wall time comes from; the system's by default.
    #[must_use]
    pub fn wall_clock(mut self, wall: WallClock) -> Self {
        self.wall = wall;
        self
    }

    /// Does something with every controller that starts (serves it over HTTP, say).
    #[must_use]
    pub fn on_start(mut self, on_start: OnStart) -> Self {
        self.on_start = Some(on_start);
        self
    }

    /// The running controller of a virtual operator.
    #[must_use]
    pub fn controller(&self, vop: &VopId) -> Option<ControllerHandle> {
        self.running().get(vop).cloned()
    }

    /// The virtual operators whose controllers run, in order of their ids.
    #[must_use]
    pub fn vops(&self) -> Vec<VopId> {
        self.running().keys().cloned().collect()
    }

    fn running(&self) -> MutexGuard<'_, BTreeMap<VopId, ControllerHandle>> {
        // The map is whole between any two calls.
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn start(&self, vop: &Vop) -> Result<Option<String>, LaunchError> {
        // One that was stopped through a handle of it serves nobody any more.
        if self.controller(vop.id()).is_some_and(|running| !running.is_stopped()) {
            return Ok(vop.endpoint.clone());
        }
        let (linkdb, bus) = (self.linkdb.clone(), Arc::clone(&self.bus));
        let builder = Controller::builder(vop.id().clone(), linkdb, bus);
        let builder = builder.config(self.config.clone()).wall_clock(Arc::clone(&self.wall)).relay(false);
        let handle = builder.start().await?;
        self.running().insert(vop.id().clone(), handle.clone());
        match &self.on_start {
            Some(on_start) => Ok(on_start(handle).await),
            None => Ok(None),
        }
    }
}

impl From<ControllerError> for LaunchError {
    fn from(error: ControllerError) -> Self {
        Self { code: error.code(), reason: error.to_string() }
    }
}

impl ControllerLauncher for InProcess {
    fn launch<'a>(
        &'a self,
        vop: &'a Vop,
        _: Option<&'a Credential>,
    ) -> BoxFuture<'a, Result<Option<String>, LaunchError>> {
        Box::pin(self.start(vop))
    }

    fn drain<'a>(&'a self, vop: &'a VopId, limit: Duration) -> BoxFuture<'a, Result<(), LaunchError>> {
        Box::pin(async move {
            match self.controller(vop) {
                Some(controller) => Ok(controller.drain(limit).await?),
                None => Ok(()),
            }
        })
    }

    fn stop<'a>(&'a self, vop: &'a VopId) -> BoxFuture<'a, Result<(), LaunchError>> {
        Box::pin(async move {
            let controller = self.running().remove(vop);
            match controller {
                Some(controller) => Ok(controller.shutdown().await?),
                None => Ok(()),
            }
        })
    }
}
