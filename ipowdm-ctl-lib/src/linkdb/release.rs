//! Release: exactly what the connection owns, in one transaction.

use super::{Grant, LinkDb, LinkDbError};
use crate::spectrum::{Incarnation, LinkSpectrum, PortClaim, SlotOwner, VopConnection};
use crate::store::Tx;
use ipowdm_core::ids::ConnectionId;

impl LinkDb {
    /// Releases in a transaction of its own, see [`LinkDb::release_in`].
    ///
    /// # Errors
    /// As [`LinkDb::release_in`].
    pub async fn release(&self, connection: &ConnectionId) -> Result<Option<Grant>, LinkDbError> {
        self.store.transact(|tx| self.release_in(tx, connection)).await
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
        match tx.get(&Grant::key(connection))? {
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
        let key = Grant::key(connection);
        let Some(grant) = tx.get(&key)? else { return Ok(None) };
        let owner = grant.owner();
        let (first, count) = self.bits_of(grant.slot)?;
        for hop in &grant.path.hops {
            let slot_key = SlotOwner::key(&hop.link, first);
            let expected = SlotOwner { owner: owner.clone(), slot: grant.slot };
            if tx.get(&slot_key)?.as_ref() != Some(&expected) {
                return Err(foreign(&owner.to_string(), &format!("its slot on link {}", hop.link)));
            }
            let mut spectrum = self.spectrum_in(tx, &hop.link)?;
            for fibre in [&mut spectrum.a_to_b, &mut spectrum.b_to_a] {
                fibre.release(first, count).map_err(|error| LinkDbError::Inconsistent {
                    what: format!("the slot of {owner} on link {}: {error}", hop.link),
                })?;
            }
            tx.delete(&slot_key);
            let spectrum_key = LinkSpectrum::key(&hop.link);
            if spectrum.is_free() {
                tx.delete(&spectrum_key);
            } else {
                tx.put(&spectrum_key, &spectrum)?;
            }
        }
        for port in grant.ports() {
            let claim = PortClaim::key(port);
            if tx.get(&claim)?.is_none_or(|claim| claim.owner != owner) {
                return Err(foreign(&owner.to_string(), &format!("port {port}")));
            }
            tx.delete(&claim);
        }
        tx.delete(&VopConnection::key(&grant.request.vop, connection));
        tx.delete(&key);
        Ok(Some(grant))
    }
}

fn foreign(owner: &str, what: &str) -> LinkDbError {
    LinkDbError::Inconsistent { what: format!("{owner} is granted {what}, but does not own it") }
}
