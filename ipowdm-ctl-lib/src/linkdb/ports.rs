//! Which port a connection gets at an end.

use super::inventory::known_pop;
use super::{Endpoint, LinkDb, LinkDbError, PortChoice};
use crate::paths::natural_cmp;
use crate::spectrum::PortClaim;
use crate::store::{Prefix, Tx};
use crate::topology::{Port, Router, UpDown};
use ipowdm_core::ids::{PopId, PortRef, RouterRef, VopId};
use std::collections::HashSet;

impl LinkDb {
    /// The free ports of a virtual operator in a PoP, in the order in which they are chosen. A port of the PoP that is
    /// taken or freed before the commit is a conflict.
    ///
    /// # Errors
    /// [`LinkDbError::UnknownPop`], [`LinkDbError::Store`]
    pub fn free_ports_in(&self, tx: &mut Tx, vop: &VopId, pop: &PopId) -> Result<Vec<Port>, LinkDbError> {
        known_pop(tx, pop)?;
        free_ports_in(tx, vop, pop)
    }

    /// All ports in a PoP, whosever they are.
    ///
    /// # Errors
    /// [`LinkDbError::Store`]
    pub fn ports_in(&self, tx: &mut Tx, pop: &PopId) -> Result<Vec<Port>, LinkDbError> {
        Ok(tx.scan(&Prefix::<Port>::under(&[pop.as_str()]))?.into_iter().map(|(_, port)| port).collect())
    }

    /// The port that [`LinkDb::allocate_in`] would claim at an end; `None` where none is asked for.
    ///
    /// # Errors
    /// [`LinkDbError::UnknownPop`], [`LinkDbError::UnknownPort`], [`LinkDbError::ForeignPort`],
    /// [`LinkDbError::PortOccupied`], [`LinkDbError::NoFreePort`], [`LinkDbError::OutOfService`], [`LinkDbError::Store`]
    pub fn port_for_in(&self, tx: &mut Tx, vop: &VopId, end: &Endpoint) -> Result<Option<Port>, LinkDbError> {
        known_pop(tx, &end.pop)?;
        self.choose_port_in(tx, vop, end)
    }

    /// The port to claim at an end; `None` where none is asked for.
    pub(super) fn choose_port_in(
        &self,
        tx: &mut Tx,
        vop: &VopId,
        end: &Endpoint,
    ) -> Result<Option<Port>, LinkDbError> {
        match &end.port {
            PortChoice::None => Ok(None),
            PortChoice::AnyFree => {
                let free = free_ports_in(tx, vop, &end.pop)?.into_iter().next();
                free.map(Some)
                    .ok_or_else(|| LinkDbError::NoFreePort { pop: end.pop.to_string(), vop: vop.to_string() })
            }
            PortChoice::Exact { router_id, port_id } => {
                let at = PortRef {
                    pop_id: end.pop.clone(),
                    router_id: router_id.clone(),
                    port_id: port_id.clone(),
                };
                exact_port_in(tx, vop, &at).map(Some)
            }
        }
    }
}

fn exact_port_in(tx: &mut Tx, vop: &VopId, at: &PortRef) -> Result<Port, LinkDbError> {
    let port = tx.get(&Port::key(at))?.ok_or_else(|| LinkDbError::UnknownPort { port: at.to_string() })?;
    // Whose it is comes first: a tenant learns nothing about another tenant's connections.
    if port.vop.as_ref() != Some(vop) {
        return Err(LinkDbError::ForeignPort { port: at.to_string(), vop: vop.to_string() });
    }
    if let Some(PortClaim { owner }) = tx.get(&PortClaim::key(at))? {
        return Err(LinkDbError::PortOccupied { port: at.to_string(), by: owner.connection_id.to_string() });
    }
    if !port.is_usable() {
        return Err(LinkDbError::OutOfService { what: format!("port {at}") });
    }
    let router = at.router();
    if tx.get(&Router::key(&router))?.is_some_and(|router| router.admin == UpDown::Down) {
        return Err(LinkDbError::OutOfService { what: format!("router {router}") });
    }
    Ok(port)
}

/// The free ports of a virtual operator in a PoP that are in service, in natural order of router and port.
fn free_ports_in(tx: &mut Tx, vop: &VopId, pop: &PopId) -> Result<Vec<Port>, LinkDbError> {
    let ports = tx.scan(&Prefix::<Port>::under(&[pop.as_str()]))?;
    let claims = tx.scan(&Prefix::<PortClaim>::under(&[pop.as_str()]))?;
    let claimed: HashSet<_> = claims.iter().map(|(key, _)| key.parts()).collect();
    let routers = tx.scan(&Prefix::<Router>::under(&[pop.as_str()]))?;
    let down: HashSet<RouterRef> = routers
        .into_iter()
        .filter_map(|(_, router)| (router.admin == UpDown::Down).then_some(router.at))
        .collect();
    let free = ports.iter().filter(|(key, port)| {
        port.vop.as_ref() == Some(vop)
            && port.is_usable()
            && !down.contains(&port.at.router())
            && !claimed.contains(&key.parts())
    });
    Ok(in_natural_order(free.map(|(_, port)| port.clone()).collect()))
}

/// Sorts ports by router, then port, digits as numbers.
pub(super) fn in_natural_order(mut ports: Vec<Port>) -> Vec<Port> {
    ports.sort_by(|a, b| {
        natural_cmp(a.at.router_id.as_str(), b.at.router_id.as_str())
            .then_with(|| natural_cmp(a.at.port_id.as_str(), b.at.port_id.as_str()))
    });
    ports
}
