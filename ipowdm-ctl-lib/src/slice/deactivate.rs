//! Deactivation, and the undoing of activations that failed.

use super::access::VopAccess;
use super::assignment::{assign_in, routers_of};
use super::error::SliceError;
use super::record::{Vop, VopPhase};
use super::{SliceManager, Tasks};
use crate::controller::forget_in;
use crate::linkdb::LinkDbError;
use crate::store::Tx;
use core::time::Duration;
use ipowdm_core::ids::VopId;
use std::sync::Arc;

/// How long withdrawn assignments may take to reach the bus before the topics go.
const WITHDRAWAL: Duration = Duration::from_secs(10);

/// Pauses between attempts to finish what was begun.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

impl SliceManager {
    /// Deactivates a virtual operator: ports, spectrum, assignments, topics and controller are gone when this returns.
    ///
    /// With `force`, its connections are taken down first; those that are not down in time are abandoned.
    ///
    /// # Errors
    /// [`SliceError::UnknownVop`]; [`SliceError::LiveConnections`] without `force`: nothing has changed then.
    /// [`SliceError::Launch`], [`SliceError::Bus`], [`SliceError::Store`]: call it again, or let the next start finish it.
    pub async fn deactivate(&self, id: &VopId, force: bool) -> Result<(), SliceError> {
        let _one_at_a_time = self.lock(id).await;
        let vop = self.linkdb().store().transact(|tx| self.begin_in(tx, id, force)).await?;
        self.dismantle(&vop).await
    }

    fn begin_in(&self, tx: &mut Tx, id: &VopId, force: bool) -> Result<Vop, SliceError> {
        let key = Vop::key(id);
        let vop = tx.get(&key)?;
        let mut vop = vop.ok_or_else(|| SliceError::UnknownVop { vop: id.to_string() })?;
        let live = self.linkdb().connections_of_in(tx, id)?;
        if !live.is_empty() && !force && vop.phase != VopPhase::Deactivating {
            return Err(SliceError::LiveConnections { vop: id.to_string(), count: live.len() });
        }
        // From here on no connection is created any more.
        vop.phase = VopPhase::Deactivating;
        tx.put(&key, &vop)?;
        Ok(vop)
    }

    /// Takes everything back, whatever of it was there. Each step may be repeated.
    pub(super) async fn dismantle(&self, vop: &Vop) -> Result<(), SliceError> {
        let id = vop.id();
        let failed = |source| SliceError::Launch { vop: id.to_string(), source };
        self.prepare_assignments().await?;
        let live = self.linkdb().store().transact(|tx| self.linkdb().connections_of_in(tx, id)).await?;
        if !live.is_empty() {
            // Forced, perhaps by a process that has ended since: lasers go dark before their spectrum is free.
            self.shared.launcher.launch(vop, None).await.map_err(failed)?;
            self.shared.launcher.drain(id, self.config().drain).await.map_err(failed)?;
        }
        self.shared.launcher.stop(id).await.map_err(failed)?;
        let store = self.linkdb().store();
        let watch = store.watch_outbox();
        let ((), version) = store.transact_versioned(|tx| self.withdraw_in(tx, vop)).await?;
        // Agents should leave before the topics do; if the bus is away, deleting the topics says so.
        store.relayed(watch, version, WITHDRAWAL).await?;
        self.close_access(id).await?;
        self.delete_topics(vop).await?;
        store
            .transact(|tx| {
                tx.delete(&VopAccess::key(id));
                tx.delete(&Vop::key(id));
                Ok::<_, SliceError>(())
            })
            .await
    }

    fn withdraw_in(&self, tx: &mut Tx, vop: &Vop) -> Result<(), SliceError> {
        let id = vop.id();
        let linkdb = self.linkdb();
        for grant in linkdb.connections_of_in(tx, id)? {
            linkdb.release_in(tx, &grant.request.connection_id)?;
        }
        for port in &vop.request.ports {
            match linkdb.unassign_port_in(tx, port, id) {
                // Removed from the inventory meanwhile.
                Ok(()) | Err(LinkDbError::UnknownPort { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        linkdb.remove_vop_grant_in(tx, id)?;
        forget_in(tx, id)?;
        let key = Vop::key(id);
        let stored = tx.get(&key)?.map(|stored| stored.phase);
        if stored.is_some() {
            tx.put(&key, &Vop { phase: VopPhase::Deactivating, ..vop.clone() })?;
        }
        assign_in(tx, &routers_of(&vop.request.ports))
    }

    /// Makes ready to assign, then undoes or finishes what was begun, until it is done.
    pub(super) async fn settle_down(&self, unfinished: Vec<Vop>) {
        persistently("assignments", || self.prepare_assignments()).await;
        // At once: one that cannot be finished for long holds up no other.
        let each = unfinished.iter().map(|vop| persistently(vop.id().as_str(), || self.finish(vop)));
        futures_util::future::join_all(each).await;
    }

    /// Dismantles this life of a virtual operator, or starts its controller where it is active.
    async fn finish(&self, vop: &Vop) -> Result<(), SliceError> {
        let _one_at_a_time = self.lock(vop.id()).await;
        let stored = self.linkdb().store().get(&Vop::key(vop.id())).await?;
        match stored.filter(|stored| stored.incarnation == vop.incarnation) {
            None => Ok(()),
            Some(stored) if stored.phase == VopPhase::Active => self.resume(&stored).await.map(drop),
            Some(_) => self.dismantle(vop).await,
        }
    }

    /// A handle that does not keep the tasks alive.
    pub(super) fn without_tasks(&self) -> Self {
        Self { shared: Arc::clone(&self.shared), _tasks: Arc::new(Tasks(Vec::new())) }
    }
}

/// Repeats something until it works.
async fn persistently<F: Future<Output = Result<(), SliceError>>>(what: &str, work: impl Fn() -> F) {
    let mut pause = FIRST_PAUSE;
    while let Err(error) = work().await {
        tracing::warn!(what, %error, "trying again");
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}
