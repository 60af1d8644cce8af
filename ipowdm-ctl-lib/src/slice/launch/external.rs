//! Controllers that somebody else starts: a service manager, an orchestrator of containers.

use super::{ControllerLauncher, InProcess};
use crate::slice::access::Credential;
use crate::slice::error::LaunchError;
use crate::slice::record::Vop;
use crate::store::BoxFuture;
use core::time::Duration;
use ipowdm_core::error::Code;
use ipowdm_core::ids::VopId;

/// Starts nothing: whoever runs a controller has it wait for its virtual operator, and stop when that is no longer active.
///
/// Connections that are to go dark before a virtual operator is dismantled are taken down from here: a controller in this
/// process takes command for that long, so that one that runs elsewhere, and does not stop by itself, cannot write any more.
#[derive(Debug, Clone)]
pub struct External {
    tasks: InProcess,
}

impl External {
    /// Takes connections down with controllers as `tasks` starts them.
    #[must_use]
    pub const fn new(tasks: InProcess) -> Self {
        Self { tasks }
    }
}

/// Takes the connections of a virtual operator down with a controller of this process.
pub(super) async fn drain_here(tasks: &InProcess, id: &VopId, limit: Duration) -> Result<(), LaunchError> {
    let store = tasks.linkdb.store();
    let stored = store.get(&Vop::key(id)).await;
    let stored = stored.map_err(|error| LaunchError { code: error.code(), reason: error.to_string() })?;
    let unknown = || LaunchError { code: Code::UnknownVop, reason: format!("{id} is not known") };
    tasks.start(&stored.ok_or_else(unknown)?).await?;
    let drained = tasks.drain(id, limit).await;
    tasks.stop(id).await?;
    drained
}

impl ControllerLauncher for External {
    fn launch<'a>(
        &'a self,
        vop: &'a Vop,
        _: Option<&'a Credential>,
    ) -> BoxFuture<'a, Result<Option<String>, LaunchError>> {
        Box::pin(async move { Ok(vop.endpoint.clone()) })
    }

    fn drain<'a>(&'a self, vop: &'a VopId, limit: Duration) -> BoxFuture<'a, Result<(), LaunchError>> {
        Box::pin(drain_here(&self.tasks, vop, limit))
    }

    fn stop<'a>(&'a self, _vop: &'a VopId) -> BoxFuture<'a, Result<(), LaunchError>> {
        Box::pin(async { Ok(()) })
    }
}
