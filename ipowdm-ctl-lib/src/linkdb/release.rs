//! Release: exactly what the connection owns, in one transaction.

use super::work::Work;
use super::{Grant, LinkDb, LinkDbError};
use crate::spectrum::Incarnation;
use crate::store::Tx;
use ipowdm_core::ids::ConnectionId;
use std::sync::Arc;

impl LinkDb {
    /// Releases in a transaction of its own, see [`LinkDb::release_in`]. As with [`LinkDb::allocate`], calls made at the
    /// same time share transactions.
    ///
    /// # Errors
    /// As [`LinkDb::release_in`].
    pub async fn release(&self, connection: &ConnectionId) -> Result<Option<Grant>, LinkDbError> {
        self.together.release(self, connection).await
    }

    /// Releases one life of a connection: nothing happens where the id has been released, or lives again since. For work
    /// that was begun for the earlier life and ends late.
    ///
    /// # Errors
    /// As [`LinkDb::release_in`].
    pub fn release_incarnation_in(
        &self,
        tx: &mut Tx,
        connection: &ConnectionId,
        incarnation: Incarnation,
    ) -> Result<Option<Grant>, LinkDbError> {
        match tx.get_shared(&Grant::key(connection))? {
            Some(grant) if grant.incarnation == incarnation => self.release_in(tx, connection),
            _ => Ok(None),
        }
    }

    /// Gives back what a connection owns and answers it; `None` where it owns nothing.
    ///
    /// # Errors
    /// [`LinkDbError::Inconsistent`] where something that the grant names belongs to another owner or is free already:
    /// nothing is released then. [`LinkDbError::Store`].
    pub fn release_in(&self, tx: &mut Tx, connection: &ConnectionId) -> Result<Option<Grant>, LinkDbError> {
        let mut work = Work::new(self, tx);
        let released = work.release(connection)?;
        work.finish()?;
        Ok(released.map(Arc::unwrap_or_clone))
    }
}

impl Work<'_> {
    /// Releases, or refuses and changes nothing.
    pub(super) fn release(&mut self, connection: &ConnectionId) -> Result<Option<Arc<Grant>>, LinkDbError> {
        let key = Grant::key(connection);
        let Some(grant) = self.tx.get_shared(&key)? else { return Ok(None) };
        self.open_all(grant.path.hops.iter().map(|hop| &hop.link))?;
        self.give_back_under(&key, &grant)?;
        Ok(Some(grant))
    }
}
