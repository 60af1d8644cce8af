//! An instance that waits for command, takes it, and waits again once another has it.

use super::error::ControllerError;
use super::handle::ControllerHandle;
use super::lease::{Claim, Lease, Observed};
use super::start::ControllerBuilder;
use crate::slice::{Vop, VopPhase};
use core::time::Duration;
use ipowdm_core::ids::VopId;
use std::sync::Arc;
use tokio::sync::watch;
use tokio::task::AbortHandle;
use tokio::time::{Instant, sleep, sleep_until};

/// Pause after a take-over has failed.
const PAUSE: Duration = Duration::from_millis(200);

/// The lease is looked at this often, should the store not tell of its changes.
const LOOK: Duration = Duration::from_secs(1);

/// One of several instances of a virtual operator's controller, of which one commands; made by
/// [`ControllerBuilder::stand_by`]. Clones are the same instance; when the last one is dropped it ends as in a crash, and another
/// takes over once its lease has ended. [`StandBy::shutdown`] gives the lease back, so that another need not wait.
#[derive(Debug, Clone)]
pub struct StandBy {
    vop: VopId,
    current: watch::Receiver<Option<ControllerHandle>>,
    task: Arc<Task>,
}

/// The task that waits and takes command; ends with the instance.
#[derive(Debug)]
struct Task(AbortHandle);

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl StandBy {
    pub(super) fn start(builder: ControllerBuilder) -> Self {
        let (current, follow) = watch::channel(None);
        let vop = builder.vop.clone();
        let task = tokio::spawn(run(builder, current)).abort_handle();
        Self { vop, current: follow, task: Arc::new(Task(task)) }
    }

    /// The virtual operator.
    #[must_use]
    pub const fn vop(&self) -> &VopId {
        &self.vop
    }

    /// The controller, while this instance commands; `None` while it stands by.
    #[must_use]
    pub fn controller(&self) -> Option<ControllerHandle> {
        self.current.borrow().clone()
    }

    /// Follows the role of this instance: [`Some`] controller from when it commands, [`None`] from when it stands by (again).
    /// A receiver keeps the controller that it shows alive.
    #[must_use]
    pub fn role(&self) -> watch::Receiver<Option<ControllerHandle>> {
        self.current.clone()
    }

    /// Waits until this instance commands.
    ///
    /// # Errors
    /// [`ControllerError::Stopped`] where it never will: it was shut down.
    pub async fn commanding(&self) -> Result<ControllerHandle, ControllerError> {
        let stopped = || ControllerError::Stopped { vop: self.vop.to_string() };
        let mut follow = self.current.clone();
        let found = follow.wait_for(Option::is_some).await.map_err(|_| stopped())?;
        found.clone().ok_or_else(stopped)
    }

    /// Stops waiting; where this instance commands, as [`ControllerHandle::shutdown`]: another need not wait for the end of the
    /// lease.
    ///
    /// # Errors
    /// As [`ControllerHandle::shutdown`].
    pub async fn shutdown(&self) -> Result<(), ControllerError> {
        self.task.0.abort();
        match self.controller() {
            Some(controller) => controller.shutdown().await,
            None => Ok(()),
        }
    }
}

async fn run(builder: ControllerBuilder, current: watch::Sender<Option<ControllerHandle>>) {
    for term in 0.. {
        let controller = command(builder.for_term(term)).await;
        current.send_replace(Some(controller.clone()));
        controller.inner.until_superseded().await;
        current.send_replace(None);
        tracing::warn!(vop = %builder.vop, "this controller stands by");
    }
}

/// Waits until nobody holds the lease, and takes command.
async fn command(builder: ControllerBuilder) -> ControllerHandle {
    let store = builder.linkdb.store();
    let keys = [Lease::key(&builder.vop).raw().clone(), Vop::key(&builder.vop).raw().clone()];
    let mut watch = store.watch_keys(keys);
    let mut observed = Observed::default();
    loop {
        match look(&builder, &mut observed).await {
            Ok(Some(controller)) => return controller,
            Ok(None) => {}
            // Another was quicker: its lease is looked at.
            Err(ControllerError::NotCommanding { .. }) => continue,
            Err(error) => {
                tracing::warn!(vop = %builder.vop, %error, "a controller that stands by");
                sleep(PAUSE).await;
            }
        }
        let latest = Instant::now() + LOOK;
        let wake = observed.ends().map_or(latest, |ends| ends.clamp(Instant::now(), latest));
        tokio::select! {
            biased;
            Some(_) = watch.next() => {}
            () = sleep_until(wake) => {}
        }
    }
}

/// Looks at the lease; takes command where it has ended and the virtual operator is there to be commanded.
async fn look(
    builder: &ControllerBuilder,
    observed: &mut Observed,
) -> Result<Option<ControllerHandle>, ControllerError> {
    let mut snapshot = builder.linkdb.store().snapshot().await?;
    let lease = snapshot.get(&Lease::key(&builder.vop)).await?;
    let vop = snapshot.get(&Vop::key(&builder.vop)).await?;
    let now = Instant::now();
    observed.see(lease, now);
    let there = vop.is_some_and(|vop| vop.phase != VopPhase::Deactivating);
    if !there || !observed.is_over(now) {
        return Ok(None);
    }
    let holder = observed.lease().map_or("nobody", |lease| lease.holder.as_str());
    tracing::info!(vop = %builder.vop, holder, "the lease has ended: this controller takes command");
    builder.clone().take(Claim::After(observed.lease())).await.map(Some)
}
