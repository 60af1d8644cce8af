//! Controllers as processes of their own: started, watched, started again when they end, stopped.

mod back_off;
mod lines;
mod supervise;
#[cfg(test)]
mod tests;

use super::external::drain_here;
use super::{ControllerLauncher, InProcess};
use crate::slice::access::Credential;
use crate::slice::error::LaunchError;
use crate::slice::record::{Vop, VopPhase};
use crate::store::BoxFuture;
use core::time::Duration;
use ipowdm_core::error::Code;
use ipowdm_core::ids::VopId;
use std::collections::BTreeMap;
use std::process::Command;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use supervise::Supervisor;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// Makes the command that runs the controller of a virtual operator. The credential is the controller's on the bus, where it
/// has one: it belongs into the environment or a file of its own, never among the arguments, which every user of the host can
/// read.
pub type CommandFor = Arc<dyn Fn(&Vop, Option<&Credential>) -> Command + Send + Sync>;

/// How long is waited for what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProcessTimes {
    /// For a process to say that its controller commands. A predecessor that was killed commands until its lease ends. 60 s
    /// unless told otherwise.
    pub ready: Duration,
    /// For a process to end after SIGTERM; SIGKILL follows. 10 s unless told otherwise.
    pub stop: Duration,
    /// Before a process that has ended is started again for the first time; twice as long each further time. 250 ms unless
    /// told otherwise.
    pub first_pause: Duration,
    /// The longest of these pauses. A process that has lived longer is started again after the first pause. 30 s unless told
    /// otherwise.
    pub longest_pause: Duration,
}

impl Default for ProcessTimes {
    fn default() -> Self {
        Self {
            ready: Duration::from_secs(60),
            stop: Duration::from_secs(10),
            first_pause: Duration::from_millis(250),
            longest_pause: Duration::from_secs(30),
        }
    }
}

/// How the process of a controller is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ProcessState {
    /// Its process, where there is one now.
    pub pid: Option<u32>,
    /// Whether it has said that its controller commands.
    pub ready: bool,
    /// Where its controller answers, as it has said last.
    pub endpoint: Option<String>,
    /// How often it was started again.
    pub restarts: u64,
    /// Why it ended last.
    pub ended: Option<String>,
}

/// Controllers as processes of their own, one for each virtual operator, over a store that several processes can open.
///
/// What the command runs has to
/// * say `controller of <vOp> on <where it answers>` on a line of its standard output once its controller commands,
/// * end on SIGTERM, and when its standard input ends: that is when whoever started it has ended, in whatever way.
///
/// `ipowdm-ctl controller --until-eof` does. Standard error is inherited. A process that ends by itself is started again, for
/// as long as its virtual operator is active, after pauses that grow to a limit. One that was not ready in time at its first
/// start is a launch that failed: it is gone when that is answered.
///
/// A process that outlives its parent all the same, because it hangs, commands nobody: the lease in the store is another's by
/// then. So that nothing has to be asked of a process in trouble, the connections of a virtual operator that is deactivated by
/// force are taken down by a controller of this process.
#[derive(Clone)]
pub struct Processes {
    tasks: InProcess,
    command: CommandFor,
    times: ProcessTimes,
    takes_credential: bool,
    running: Arc<Mutex<BTreeMap<VopId, Running>>>,
}

/// One process, and whoever watches it.
#[derive(Debug)]
struct Running {
    /// Ends the process when it is dropped.
    stop: watch::Sender<()>,
    state: watch::Receiver<ProcessState>,
    supervisor: JoinHandle<()>,
}

impl core::fmt::Debug for Processes {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Processes").field("running", &*self.running()).finish_non_exhaustive()
    }
}

impl Processes {
    /// Runs what `command` makes. Connections are taken down, where that is forced, with controllers as `tasks` starts them.
    #[must_use]
    pub fn new(tasks: InProcess, command: CommandFor) -> Self {
        let times = ProcessTimes::default();
        Self { tasks, command, times, takes_credential: false, running: Arc::default() }
    }

    /// Waits otherwise than by default.
    #[must_use]
    pub const fn times(mut self, times: ProcessTimes) -> Self {
        self.times = times;
        self
    }

    /// Whether processes prove on the bus who they are, with passwords that the slice manager makes; by default they do not.
    #[must_use]
    pub const fn with_credentials(mut self, takes_credential: bool) -> Self {
        self.takes_credential = takes_credential;
        self
    }

    /// How the process of a virtual operator's controller is; `None` where none was started, or it was stopped.
    #[must_use]
    pub fn state(&self, vop: &VopId) -> Option<ProcessState> {
        self.running().get(vop).map(|running| running.state.borrow().clone())
    }

    /// Stops all of them at once; what is under way goes on with the next start.
    pub async fn stop_all(&self) {
        let running = core::mem::take(&mut *self.running());
        futures_util::future::join_all(running.into_values().map(halt)).await;
    }

    fn running(&self) -> MutexGuard<'_, BTreeMap<VopId, Running>> {
        // The map is whole between any two calls.
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn start(&self, vop: &Vop, credential: Option<&Credential>) -> Result<Option<String>, LaunchError> {
        // It would wait for its virtual operator to become active.
        if vop.phase != VopPhase::Active {
            return Ok(vop.endpoint.clone());
        }
        let mut state = self.started(vop, credential);
        // An error: the supervisor has ended, and said why before.
        let _ = state.wait_for(|state| state.ready || state.ended.is_some()).await;
        let now = state.borrow().clone();
        if now.ready {
            return Ok(now.endpoint);
        }
        let running = self.running().remove(vop.id());
        if let Some(running) = running {
            halt(running).await;
        }
        let reason = now.ended.unwrap_or_else(|| "it was stopped".to_owned());
        Err(LaunchError { code: Code::Internal, reason: format!("its process did not start: {reason}") })
    }

    /// Follows the process that is there, or one that is started now.
    fn started(&self, vop: &Vop, credential: Option<&Credential>) -> watch::Receiver<ProcessState> {
        let mut all = self.running();
        if let Some(running) = all.get(vop.id()) {
            return running.state.clone();
        }
        let command = (self.command)(vop, credential);
        let (stop, stopped) = watch::channel(());
        let (tell, state) = watch::channel(ProcessState::default());
        let supervisor = Supervisor::new(vop.id().clone(), command, self.times, tell);
        let supervisor = tokio::spawn(supervisor.run(stopped));
        all.insert(vop.id().clone(), Running { stop, state: state.clone(), supervisor });
        state
    }

    async fn end(&self, vop: &VopId) {
        let running = self.running().remove(vop);
        if let Some(running) = running {
            halt(running).await;
        }
    }
}

/// Ready when the process is gone.
async fn halt(running: Running) {
    drop(running.stop);
    if let Err(error) = running.supervisor.await {
        tracing::error!(%error, "a controller's process was not watched to its end");
    }
}

impl ControllerLauncher for Processes {
    fn launch<'a>(
        &'a self,
        vop: &'a Vop,
        credential: Option<&'a Credential>,
    ) -> BoxFuture<'a, Result<Option<String>, LaunchError>> {
        Box::pin(self.start(vop, credential))
    }

    fn drain<'a>(&'a self, vop: &'a VopId, limit: Duration) -> BoxFuture<'a, Result<(), LaunchError>> {
        Box::pin(async move {
            self.end(vop).await;
            drain_here(&self.tasks, vop, limit).await
        })
    }

    fn stop<'a>(&'a self, vop: &'a VopId) -> BoxFuture<'a, Result<(), LaunchError>> {
        Box::pin(async move {
            self.end(vop).await;
            Ok(())
        })
    }

    fn takes_credential(&self) -> bool {
        self.takes_credential
    }
}
