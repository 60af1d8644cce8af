//! Virtual operators: their spectrum and their ports.

use super::{Grant, LinkDb, LinkDbError, Path};
use crate::spectrum::{PortClaim, VopConnection, VopGrant, VopUsage};
use crate::store::{Prefix, Tx};
use crate::topology::{FibreLink, Port};
use ipowdm_core::ids::{ConnectionId, PortRef, VopId};
use ipowdm_core::units::Frequency;
use std::sync::Arc;

impl LinkDb {
    /// Sets a virtual operator's windows in a transaction of its own, see [`LinkDb::set_vop_grant_in`].
    ///
    /// # Errors
    /// As [`LinkDb::set_vop_grant_in`].
    pub async fn set_vop_grant(&self, grant: VopGrant) -> Result<(), LinkDbError> {
        self.store.transact(|tx| self.set_vop_grant_in(tx, &grant)).await
    }

    /// Sets the windows of a virtual operator, and its quota.
    ///
    /// # Errors
    /// [`LinkDbError::Invalid`] for an empty window; [`LinkDbError::UnknownLink`] for windows on a link that is not there;
    /// [`LinkDbError::LiveConnections`] where a connection of the operator would lie outside the new windows of a link of its
    /// path; [`LinkDbError::WindowsOverlap`] where a partition, this one or another operator's, would not be its owner's
    /// alone on some link.
    pub fn set_vop_grant_in(&self, tx: &mut Tx, grant: &VopGrant) -> Result<(), LinkDbError> {
        let mut windows = grant.windows.iter().chain(grant.on_links.values().flatten());
        if let Some(window) = windows.find(|window| window.low >= window.high) {
            let reason = format!("{} … {} is empty", window.low, window.high);
            return Err(LinkDbError::Invalid { field: "windows", reason });
        }
        for link in grant.on_links.keys() {
            if tx.get_shared(&FibreLink::key(link))?.is_none() {
                return Err(LinkDbError::UnknownLink { link: link.to_string() });
            }
        }
        for (_, other) in tx.scan_shared(&Prefix::<VopGrant>::all())? {
            if other.vop != grant.vop && grant.excludes(&other) {
                let (vop, other) = (grant.vop.to_string(), other.vop.to_string());
                return Err(LinkDbError::WindowsOverlap { vop, other });
            }
        }
        let mut usage = VopUsage::default();
        for live in self.connections_of_in(tx, &grant.vop)? {
            let to = live.moving.as_ref().map(|moving| (&moving.to.path, moving.to.frequency));
            let mut places = core::iter::once((&live.path, live.frequency)).chain(to);
            if !places.all(|(path, at)| granted_along(grant, path, at, live.slot.width_mhz())) {
                return Err(live_connections(&grant.vop, &live.request.connection_id));
            }
            usage.connections += 1;
            usage.slot_links += live.slot_links();
        }
        match grant.quota {
            Some(_) => tx.put(&VopUsage::key(&grant.vop), &usage)?,
            None => tx.delete(&VopUsage::key(&grant.vop)),
        }
        tx.put(&VopGrant::key(&grant.vop), grant)?;
        Ok(())
    }

    /// Withdraws the windows of a virtual operator; nothing happens where it has none.
    ///
    /// # Errors
    /// [`LinkDbError::LiveConnections`]
    pub fn remove_vop_grant_in(&self, tx: &mut Tx, vop: &VopId) -> Result<(), LinkDbError> {
        if let Some(live) = self.connections_of_in(tx, vop)?.first() {
            return Err(live_connections(vop, &live.request.connection_id));
        }
        tx.delete(&VopGrant::key(vop));
        tx.delete(&VopUsage::key(vop));
        Ok(())
    }

    /// What a virtual operator holds, as its quota counts it.
    ///
    /// # Errors
    /// [`LinkDbError::Inconsistent`], [`LinkDbError::Store`]
    pub fn usage_in(&self, tx: &mut Tx, vop: &VopId) -> Result<VopUsage, LinkDbError> {
        if let Some(usage) = tx.get(&VopUsage::key(vop))? {
            return Ok(usage);
        }
        let live = self.connections_of_in(tx, vop)?;
        let slot_links = live.iter().map(Grant::slot_links).sum();
        Ok(VopUsage { connections: live.len() as u64, slot_links })
    }

    /// The grants of all connections of a virtual operator, in order of their ids.
    ///
    /// # Errors
    /// [`LinkDbError::Inconsistent`], [`LinkDbError::Store`]
    pub fn connections_of_in(&self, tx: &mut Tx, vop: &VopId) -> Result<Vec<Grant>, LinkDbError> {
        let mut grants = Vec::new();
        for (entry, _) in tx.scan(&VopConnection::of(vop))? {
            let connection = entry.parts().last().and_then(|id| ConnectionId::new(id).ok());
            let grant = match &connection {
                Some(connection) => tx.get_shared(&Grant::key(connection))?,
                None => None,
            };
            let grant = grant.ok_or_else(|| LinkDbError::Inconsistent {
                what: format!("index entry {entry} names no grant"),
            })?;
            grants.push(Arc::unwrap_or_clone(grant));
        }
        Ok(grants)
    }

    /// Assigns a port to a virtual operator in a transaction of its own, see [`LinkDb::assign_port_in`].
    ///
    /// # Errors
    /// As [`LinkDb::assign_port_in`].
    pub async fn assign_port(&self, at: &PortRef, vop: &VopId) -> Result<(), LinkDbError> {
        self.store.transact(|tx| self.assign_port_in(tx, at, vop)).await
    }

    /// Assigns a port to a virtual operator; nothing happens where it has it.
    ///
    /// # Errors
    /// [`LinkDbError::UnknownPort`]; [`LinkDbError::InUse`] where another operator has it.
    pub fn assign_port_in(&self, tx: &mut Tx, at: &PortRef, vop: &VopId) -> Result<(), LinkDbError> {
        let key = Port::key(at);
        let mut port = tx.get(&key)?.ok_or_else(|| LinkDbError::UnknownPort { port: at.to_string() })?;
        match &port.vop {
            Some(holder) if holder == vop => Ok(()),
            Some(holder) => Err(LinkDbError::InUse {
                what: format!("port {at}"),
                by: format!("virtual operator {holder}"),
            }),
            None => {
                port.vop = Some(vop.clone());
                Ok(tx.put(&key, &port)?)
            }
        }
    }

    /// Takes a port back from a virtual operator; nothing happens where it does not have it.
    ///
    /// # Errors
    /// [`LinkDbError::UnknownPort`]; [`LinkDbError::PortOccupied`] while a connection is on it.
    pub fn unassign_port_in(&self, tx: &mut Tx, at: &PortRef, vop: &VopId) -> Result<(), LinkDbError> {
        let key = Port::key(at);
        let mut port = tx.get(&key)?.ok_or_else(|| LinkDbError::UnknownPort { port: at.to_string() })?;
        if port.vop.as_ref() != Some(vop) {
            return Ok(());
        }
        if let Some(PortClaim { owner }) = tx.get(&PortClaim::key(at))? {
            return Err(LinkDbError::PortOccupied {
                port: at.to_string(),
                by: owner.connection_id.to_string(),
            });
        }
        port.vop = None;
        Ok(tx.put(&key, &port)?)
    }
}

/// Whether a slot lies in the windows of an operator on every link of a path.
pub(super) fn granted_along(grant: &VopGrant, path: &Path, centre: Frequency, width_mhz: u32) -> bool {
    path.hops.iter().all(|hop| grant.holds_on(&hop.link, centre, width_mhz))
}

fn live_connections(vop: &VopId, connection: &ConnectionId) -> LinkDbError {
    LinkDbError::LiveConnections { vop: vop.to_string(), connection: connection.to_string() }
}
