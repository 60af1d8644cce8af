//! What is there changes: states, notes, and what is known of links.

use super::new_topology;
use crate::linkdb::{LinkDb, LinkDbError};
use crate::store::{Key, Record, Tx};
use crate::topology::{ElementId, FibreLink, Metadata, Pop, Port, Router, UpDown};

impl LinkDb {
    /// Switches a thing in a transaction of its own, see [`LinkDb::set_state_in`].
    ///
    /// # Errors
    /// As [`LinkDb::set_state_in`].
    pub async fn set_state(
        &self,
        element: &ElementId,
        admin: Option<UpDown>,
        oper: Option<UpDown>,
    ) -> Result<(), LinkDbError> {
        self.store.transact(|tx| self.set_state_in(tx, element, admin, oper)).await
    }

    /// Replaces the notes on a thing in a transaction of its own, see [`LinkDb::set_metadata_in`].
    ///
    /// # Errors
    /// As [`LinkDb::set_metadata_in`].
    pub async fn set_metadata(&self, element: &ElementId, metadata: Metadata) -> Result<(), LinkDbError> {
        self.store.transact(|tx| self.set_metadata_in(tx, element, &metadata)).await
    }

    /// Replaces what is known of a PoP in a transaction of its own, see [`LinkDb::update_pop_in`].
    ///
    /// # Errors
    /// As [`LinkDb::update_pop_in`].
    pub async fn update_pop(&self, pop: Pop) -> Result<(), LinkDbError> {
        self.store.transact(|tx| self.update_pop_in(tx, &pop)).await
    }

    /// Replaces what is known of a link in a transaction of its own, see [`LinkDb::update_link_in`].
    ///
    /// # Errors
    /// As [`LinkDb::update_link_in`].
    pub async fn update_link(&self, link: FibreLink) -> Result<(), LinkDbError> {
        self.store.transact(|tx| self.update_link_in(tx, &link)).await
    }

    /// Switches a thing: `None` leaves a state as it is. What is down takes no new connections; those on it stay.
    ///
    /// # Errors
    /// [`LinkDbError::UnknownPop`], [`LinkDbError::UnknownRouter`], [`LinkDbError::UnknownPort`],
    /// [`LinkDbError::UnknownLink`]; [`LinkDbError::Invalid`] for the operational state of a PoP or router, which have none.
    pub fn set_state_in(
        &self,
        tx: &mut Tx,
        element: &ElementId,
        admin: Option<UpDown>,
        oper: Option<UpDown>,
    ) -> Result<(), LinkDbError> {
        if oper.is_some() && matches!(element, ElementId::Pop(_) | ElementId::Router(_)) {
            let reason = format!("{element} has no operational state of its own");
            return Err(LinkDbError::Invalid { field: "oper_state", reason });
        }
        match element {
            ElementId::Pop(id) => {
                let (key, pop) = stored(tx, Pop::key(id), element)?;
                let changed = Pop { admin: admin.unwrap_or(pop.admin), ..pop.clone() };
                replace_pop(tx, &key, &pop, &changed)
            }
            ElementId::Router(at) => {
                let (key, router) = stored(tx, Router::key(at), element)?;
                let changed = Router { admin: admin.unwrap_or(router.admin), ..router.clone() };
                replace(tx, &key, &router, &changed).map(drop)
            }
            ElementId::Port(at) => {
                let (key, port) = stored(tx, Port::key(at), element)?;
                let (admin, oper) = (admin.unwrap_or(port.admin), oper.unwrap_or(port.oper));
                replace(tx, &key, &port, &Port { admin, oper, ..port.clone() }).map(drop)
            }
            ElementId::Link(id) => self.set_link_state_in(tx, id, admin, oper),
        }
    }

    /// Replaces the notes on a thing.
    ///
    /// # Errors
    /// [`LinkDbError::UnknownPop`], [`LinkDbError::UnknownRouter`], [`LinkDbError::UnknownPort`],
    /// [`LinkDbError::UnknownLink`]
    pub fn set_metadata_in(
        &self,
        tx: &mut Tx,
        element: &ElementId,
        metadata: &Metadata,
    ) -> Result<(), LinkDbError> {
        let metadata = metadata.clone();
        match element {
            ElementId::Pop(id) => {
                let (key, old) = stored(tx, Pop::key(id), element)?;
                replace(tx, &key, &old, &Pop { metadata, ..old.clone() })
            }
            ElementId::Router(at) => {
                let (key, old) = stored(tx, Router::key(at), element)?;
                replace(tx, &key, &old, &Router { metadata, ..old.clone() })
            }
            ElementId::Port(at) => {
                let (key, old) = stored(tx, Port::key(at), element)?;
                replace(tx, &key, &old, &Port { metadata, ..old.clone() })
            }
            ElementId::Link(id) => {
                let (key, old) = stored(tx, FibreLink::key(id), element)?;
                replace(tx, &key, &old, &FibreLink { metadata, ..old.clone() })
            }
        }
        .map(drop)
    }

    /// Replaces what is known of a PoP.
    ///
    /// # Errors
    /// [`LinkDbError::UnknownPop`]
    pub fn update_pop_in(&self, tx: &mut Tx, pop: &Pop) -> Result<(), LinkDbError> {
        let (key, old) = stored(tx, Pop::key(&pop.id), &ElementId::Pop(pop.id.clone()))?;
        replace_pop(tx, &key, &old, pop)
    }

    /// Replaces what is known of a router.
    ///
    /// # Errors
    /// [`LinkDbError::UnknownRouter`]
    pub fn update_router_in(&self, tx: &mut Tx, router: &Router) -> Result<(), LinkDbError> {
        let (key, old) = stored(tx, Router::key(&router.at), &ElementId::Router(router.at.clone()))?;
        replace(tx, &key, &old, router).map(drop)
    }

    /// Replaces what is known of a link; its ends stay.
    ///
    /// # Errors
    /// [`LinkDbError::UnknownLink`]; [`LinkDbError::Invalid`] for other ends or where [`FibreLink::fault`] finds something;
    /// [`LinkDbError::InUse`] where a connection would lie outside the new bands.
    pub fn update_link_in(&self, tx: &mut Tx, link: &FibreLink) -> Result<(), LinkDbError> {
        let (key, old) = stored(tx, FibreLink::key(&link.id), &ElementId::Link(link.id.clone()))?;
        if (&old.a, &old.b) != (&link.a, &link.b) {
            let reason =
                format!("link {} joins {} and {}; another pair is another link", link.id, old.a, old.b);
            return Err(LinkDbError::Invalid { field: "ends", reason });
        }
        if let Some((field, reason)) = link.fault() {
            return Err(LinkDbError::Invalid { field, reason });
        }
        if old.bands != link.bands && !link.bands.is_empty() {
            for live in self.owners_in(tx, &link.id)? {
                if !link.carries(live.slot) {
                    let (what, by) = (format!("spectrum of link {}", link.id), live.owner.to_string());
                    return Err(LinkDbError::InUse { what, by });
                }
            }
        }
        replace(tx, &key, &old, link)?;
        let for_paths =
            |link: &FibreLink| (link.length, link.is_usable(), link.bands.clone(), link.srlgs.clone());
        if for_paths(&old) != for_paths(link) { new_topology(tx) } else { Ok(()) }
    }
}

/// The record of a thing.
fn stored<T: Record>(tx: &mut Tx, key: Key<T>, element: &ElementId) -> Result<(Key<T>, T), LinkDbError> {
    match tx.get(&key)? {
        Some(record) => Ok((key, record)),
        None => Err(match element {
            ElementId::Pop(id) => LinkDbError::UnknownPop { pop: id.to_string() },
            ElementId::Router(at) => LinkDbError::UnknownRouter { router: at.to_string() },
            ElementId::Port(at) => LinkDbError::UnknownPort { port: at.to_string() },
            ElementId::Link(id) => LinkDbError::UnknownLink { link: id.to_string() },
        }),
    }
}

/// Writes a record that has changed; whether it has.
fn replace<T: Record + PartialEq>(tx: &mut Tx, key: &Key<T>, old: &T, new: &T) -> Result<bool, LinkDbError> {
    if old == new {
        return Ok(false);
    }
    tx.put(key, new)?;
    Ok(true)
}

fn replace_pop(tx: &mut Tx, key: &Key<Pop>, old: &Pop, new: &Pop) -> Result<(), LinkDbError> {
    replace(tx, key, old, new)?;
    if old.admin != new.admin { new_topology(tx) } else { Ok(()) }
}
