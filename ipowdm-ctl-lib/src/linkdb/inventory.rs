//! PoPs, routers, ports and links come, change and go.

mod exchange;
mod upkeep;

use super::{LinkDb, LinkDbError};
use crate::spectrum::{LinkSpectrum, PortClaim};
use crate::store::{Key, Prefix, Record, Tx};
use crate::topology::{FibreLink, Pop, Port, Router, TopologyEpoch, UpDown};
use ipowdm_core::capability::ModuleCapability;
use ipowdm_core::ids::{LinkId, PopId, PortRef, RouterRef};

impl LinkDb {
    /// Adds a PoP in a transaction of its own, see [`LinkDb::add_pop_in`].
    ///
    /// # Errors
    /// As [`LinkDb::add_pop_in`].
    pub async fn add_pop(&self, pop: Pop) -> Result<(), LinkDbError> {
        self.store.transact(|tx| self.add_pop_in(tx, &pop)).await
    }

    /// Adds a router in a transaction of its own, see [`LinkDb::add_router_in`].
    ///
    /// # Errors
    /// As [`LinkDb::add_router_in`].
    pub async fn add_router(&self, router: Router) -> Result<(), LinkDbError> {
        self.store.transact(|tx| self.add_router_in(tx, &router)).await
    }

    /// Adds a port in a transaction of its own, see [`LinkDb::add_port_in`].
    ///
    /// # Errors
    /// As [`LinkDb::add_port_in`].
    pub async fn add_port(&self, port: Port) -> Result<(), LinkDbError> {
        self.store.transact(|tx| self.add_port_in(tx, &port)).await
    }

    /// Adds a link in a transaction of its own, see [`LinkDb::add_link_in`].
    ///
    /// # Errors
    /// As [`LinkDb::add_link_in`].
    pub async fn add_link(&self, link: FibreLink) -> Result<(), LinkDbError> {
        self.store.transact(|tx| self.add_link_in(tx, &link)).await
    }

    /// Adds PoPs and links, all or none.
    ///
    /// # Errors
    /// As [`LinkDb::add_pop_in`] and [`LinkDb::add_link_in`].
    pub async fn import(&self, pops: Vec<Pop>, links: Vec<FibreLink>) -> Result<(), LinkDbError> {
        self.store
            .transact(|tx| {
                pops.iter().try_for_each(|pop| self.add_pop_in(tx, pop))?;
                links.iter().try_for_each(|link| self.add_link_in(tx, link))
            })
            .await
    }

    /// Switches a link in a transaction of its own, see [`LinkDb::set_link_state_in`].
    ///
    /// # Errors
    /// As [`LinkDb::set_link_state_in`].
    pub async fn set_link_state(
        &self,
        link: &LinkId,
        admin: Option<UpDown>,
        oper: Option<UpDown>,
    ) -> Result<(), LinkDbError> {
        self.store.transact(|tx| self.set_link_state_in(tx, link, admin, oper)).await
    }

    /// Notes what a module can do in a transaction of its own, see [`LinkDb::set_capability_in`].
    ///
    /// # Errors
    /// As [`LinkDb::set_capability_in`].
    pub async fn set_capability(
        &self,
        at: &PortRef,
        capability: Option<ModuleCapability>,
    ) -> Result<(), LinkDbError> {
        self.store.transact(|tx| self.set_capability_in(tx, at, capability.as_ref())).await
    }

    /// Adds a PoP.
    ///
    /// # Errors
    /// [`LinkDbError::AlreadyExists`]
    pub fn add_pop_in(&self, tx: &mut Tx, pop: &Pop) -> Result<(), LinkDbError> {
        add(tx, &Pop::key(&pop.id), pop, || format!("PoP {}", pop.id))?;
        new_topology(tx)
    }

    /// Adds a router to its PoP.
    ///
    /// # Errors
    /// [`LinkDbError::AlreadyExists`], [`LinkDbError::UnknownPop`]
    pub fn add_router_in(&self, tx: &mut Tx, router: &Router) -> Result<(), LinkDbError> {
        known_pop(tx, &router.at.pop_id)?;
        add(tx, &Router::key(&router.at), router, || format!("router {}", router.at))
    }

    /// Adds a port to its router.
    ///
    /// # Errors
    /// [`LinkDbError::AlreadyExists`], [`LinkDbError::UnknownRouter`]
    pub fn add_port_in(&self, tx: &mut Tx, port: &Port) -> Result<(), LinkDbError> {
        let router = port.at.router();
        if tx.get(&Router::key(&router))?.is_none() {
            return Err(LinkDbError::UnknownRouter { router: router.to_string() });
        }
        add(tx, &Port::key(&port.at), port, || format!("port {}", port.at))
    }

    /// Adds a link between two PoPs.
    ///
    /// # Errors
    /// [`LinkDbError::AlreadyExists`], [`LinkDbError::UnknownPop`], [`LinkDbError::SamePop`], [`LinkDbError::Invalid`] where
    /// [`FibreLink::fault`] finds something.
    pub fn add_link_in(&self, tx: &mut Tx, link: &FibreLink) -> Result<(), LinkDbError> {
        if link.a == link.b {
            return Err(LinkDbError::SamePop { pop: link.a.to_string() });
        }
        if let Some((field, reason)) = link.fault() {
            return Err(LinkDbError::Invalid { field, reason });
        }
        known_pop(tx, &link.a)?;
        known_pop(tx, &link.b)?;
        add(tx, &FibreLink::key(&link.id), link, || format!("link {}", link.id))?;
        new_topology(tx)
    }

    /// Switches a link: `None` leaves a state as it is. A link that is down takes no new connections; those on it stay.
    ///
    /// # Errors
    /// [`LinkDbError::UnknownLink`]
    pub fn set_link_state_in(
        &self,
        tx: &mut Tx,
        id: &LinkId,
        admin: Option<UpDown>,
        oper: Option<UpDown>,
    ) -> Result<(), LinkDbError> {
        let key = FibreLink::key(id);
        let link = tx.get(&key)?.ok_or_else(|| LinkDbError::UnknownLink { link: id.to_string() })?;
        let mut changed = link.clone();
        changed.admin = admin.unwrap_or(link.admin);
        changed.oper = oper.unwrap_or(link.oper);
        if changed == link {
            return Ok(());
        }
        tx.put(&key, &changed)?;
        new_topology(tx)
    }

    /// Notes what the module in a port can do; `None` when it is gone or not known. An unchanged capability writes nothing.
    ///
    /// # Errors
    /// [`LinkDbError::UnknownPort`]
    pub fn set_capability_in(
        &self,
        tx: &mut Tx,
        at: &PortRef,
        capability: Option<&ModuleCapability>,
    ) -> Result<(), LinkDbError> {
        match self.set_capabilities_in(tx, &[(at, capability)])?.first() {
            None => Ok(()),
            Some(port) => Err(LinkDbError::UnknownPort { port: port.to_string() }),
        }
    }

    /// As [`LinkDb::set_capability_in`] for several ports; answers those that LinkDB does not know.
    ///
    /// # Errors
    /// [`LinkDbError::Store`]
    pub fn set_capabilities_in<'a>(
        &self,
        tx: &mut Tx,
        found: &[(&'a PortRef, Option<&ModuleCapability>)],
    ) -> Result<Vec<&'a PortRef>, LinkDbError> {
        let keys: Vec<_> = found.iter().map(|(at, _)| Port::key(at)).collect();
        let mut unknown = Vec::new();
        for ((port, key), (at, capability)) in tx.get_many(&keys)?.into_iter().zip(&keys).zip(found) {
            match port {
                None => unknown.push(*at),
                Some(port) if port.capability.as_ref() == *capability => {}
                Some(port) => tx.put(key, &Port { capability: capability.cloned(), ..port })?,
            }
        }
        Ok(unknown)
    }

    /// Removes a PoP.
    ///
    /// # Errors
    /// [`LinkDbError::UnknownPop`]; [`LinkDbError::InUse`] while it has routers or links.
    pub fn remove_pop_in(&self, tx: &mut Tx, id: &PopId) -> Result<(), LinkDbError> {
        known_pop(tx, id)?;
        let what = || format!("PoP {id}");
        if let Some((_, router)) = tx.scan(&Prefix::<Router>::under(&[id.as_str()]))?.first() {
            return Err(LinkDbError::InUse { what: what(), by: format!("router {}", router.at) });
        }
        let links = tx.scan(&Prefix::<FibreLink>::all())?;
        if let Some((_, link)) = links.iter().find(|(_, link)| link.a == *id || link.b == *id) {
            return Err(LinkDbError::InUse { what: what(), by: format!("link {}", link.id) });
        }
        tx.delete(&Pop::key(id));
        new_topology(tx)
    }

    /// Removes a router.
    ///
    /// # Errors
    /// [`LinkDbError::UnknownRouter`]; [`LinkDbError::InUse`] while it has ports.
    pub fn remove_router_in(&self, tx: &mut Tx, at: &RouterRef) -> Result<(), LinkDbError> {
        let key = Router::key(at);
        if tx.get(&key)?.is_none() {
            return Err(LinkDbError::UnknownRouter { router: at.to_string() });
        }
        let prefix = Prefix::<Port>::under(&[at.pop_id.as_str(), at.router_id.as_str()]);
        if let Some((_, port)) = tx.scan(&prefix)?.first() {
            return Err(LinkDbError::InUse { what: format!("router {at}"), by: format!("port {}", port.at) });
        }
        tx.delete(&key);
        Ok(())
    }

    /// Removes a port.
    ///
    /// # Errors
    /// [`LinkDbError::UnknownPort`]; [`LinkDbError::PortOccupied`] while a connection is on it.
    pub fn remove_port_in(&self, tx: &mut Tx, at: &PortRef) -> Result<(), LinkDbError> {
        let key = Port::key(at);
        if tx.get(&key)?.is_none() {
            return Err(LinkDbError::UnknownPort { port: at.to_string() });
        }
        if let Some(PortClaim { owner }) = tx.get(&PortClaim::key(at))? {
            let by = owner.connection_id.to_string();
            return Err(LinkDbError::PortOccupied { port: at.to_string(), by });
        }
        tx.delete(&key);
        Ok(())
    }

    /// Removes a link.
    ///
    /// # Errors
    /// [`LinkDbError::UnknownLink`]; [`LinkDbError::InUse`] while connections are on it.
    pub fn remove_link_in(&self, tx: &mut Tx, id: &LinkId) -> Result<(), LinkDbError> {
        let key = FibreLink::key(id);
        if tx.get(&key)?.is_none() {
            return Err(LinkDbError::UnknownLink { link: id.to_string() });
        }
        // A link that nobody uses has no spectrum record.
        if tx.get(&LinkSpectrum::key(id))?.is_some() {
            return Err(LinkDbError::InUse { what: format!("link {id}"), by: "connections".to_owned() });
        }
        tx.delete(&key);
        new_topology(tx)
    }
}

pub(super) fn known_pop(tx: &mut Tx, id: &PopId) -> Result<(), LinkDbError> {
    match tx.get(&Pop::key(id))? {
        Some(_) => Ok(()),
        None => Err(LinkDbError::UnknownPop { pop: id.to_string() }),
    }
}

fn add<T: Record>(
    tx: &mut Tx,
    key: &Key<T>,
    value: &T,
    what: impl FnOnce() -> String,
) -> Result<(), LinkDbError> {
    if tx.get(key)?.is_some() {
        return Err(LinkDbError::AlreadyExists { what: what() });
    }
    Ok(tx.put(key, value)?)
}

/// Makes everybody compute paths anew.
fn new_topology(tx: &mut Tx) -> Result<(), LinkDbError> {
    let key = TopologyEpoch::key();
    let TopologyEpoch(epoch) = tx.get(&key)?.unwrap_or_default();
    Ok(tx.put(&key, &TopologyEpoch(epoch + 1))?)
}
