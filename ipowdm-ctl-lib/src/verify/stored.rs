//! What the store says, as of one version.

use crate::controller::{StoredConnection, epoch_in, stored_in};
use crate::linkdb::{Grant, LinkDb};
use crate::slice::{Vop, VopPhase};
use crate::spectrum::{LinkSpectrum, Occupied, PortClaim, VopConnection, VopGrant};
use crate::store::{Prefix, StoreError, Tx};
use crate::topology::Port;
use ipowdm_core::ids::{ConnectionId, LinkId, PortRef, VopId};
use std::collections::{BTreeMap, BTreeSet};

/// What the store says.
#[derive(Debug, Clone, Default)]
pub(super) struct Stored {
    /// Active virtual operators, with the epoch of their commands.
    pub(super) vops: Vec<(Vop, u64)>,
    /// By virtual operator and LinkDB's name for it.
    pub(super) connections: BTreeMap<(VopId, ConnectionId), StoredConnection>,
    pub(super) grants: BTreeMap<ConnectionId, Grant>,
    pub(super) windows: BTreeMap<VopId, VopGrant>,
    pub(super) links: BTreeMap<LinkId, Vec<Occupied>>,
    pub(super) claims: BTreeMap<PortRef, ConnectionId>,
    pub(super) indexed: BTreeSet<(VopId, ConnectionId)>,
    pub(super) ports: BTreeMap<PortRef, Option<VopId>>,
}

impl Stored {
    pub(super) async fn read(linkdb: &LinkDb) -> Result<Self, StoreError> {
        linkdb.store().transact(Self::read_in).await
    }

    fn read_in(tx: &mut Tx) -> Result<Self, StoreError> {
        let mut stored = Self::default();
        for (_, vop) in tx.scan(&Vop::all())? {
            for connection in stored_in(tx, vop.id())? {
                stored.connections.insert((vop.id().clone(), connection.grant_id.clone()), connection);
            }
            if vop.phase == VopPhase::Active {
                let epoch = epoch_in(tx, vop.id())?;
                stored.vops.push((vop, epoch));
            }
        }
        for (_, grant) in tx.scan(&Prefix::<Grant>::all())? {
            stored.grants.insert(grant.request.connection_id.clone(), grant);
        }
        for (_, grant) in tx.scan(&Prefix::<VopGrant>::all())? {
            stored.windows.insert(grant.vop.clone(), grant);
        }
        for (key, spectrum) in tx.scan(&Prefix::<LinkSpectrum>::all())? {
            if let Some(link) = key.parts().first().and_then(|part| LinkId::new(part).ok()) {
                stored.links.insert(link, spectrum.occupants().collect());
            }
        }
        for (key, claim) in tx.scan(&Prefix::<PortClaim>::all())? {
            if let Some(port) = port_of(&key.parts()) {
                stored.claims.insert(port, claim.owner.connection_id);
            }
        }
        for (key, _) in tx.scan(&Prefix::<VopConnection>::all())? {
            if let [vop, id] = key.parts()[..]
                && let (Ok(vop), Ok(id)) = (VopId::new(vop), ConnectionId::new(id))
            {
                stored.indexed.insert((vop, id));
            }
        }
        for (_, port) in tx.scan(&Prefix::<Port>::all())? {
            stored.ports.insert(port.at, port.vop);
        }
        Ok(stored)
    }
}

fn port_of(parts: &[&str]) -> Option<PortRef> {
    let [pop, router, port] = parts[..] else { return None };
    Some(PortRef { pop_id: pop.parse().ok()?, router_id: router.parse().ok()?, port_id: port.parse().ok()? })
}
