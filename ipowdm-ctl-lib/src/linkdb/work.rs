//! The working set of a transaction: each link is read once and written once, however many connections it is for.

use super::{Grant, LinkDb, LinkDbError};
use crate::paths::{Graph, PathTable};
use crate::spectrum::{
    Fibres, LinkSpectrum, Occupant, Occupied, PortClaim, SlotOwner, VopConnection, VopGrant, VopUsage,
};
use crate::store::{Key, StoreError, Tx};
use foldhash::fast::RandomState;
use ipowdm_core::ids::{LinkId, VopId};
use std::collections::HashMap;
use std::sync::Arc;

/// Up to this many open links are compared one by one.
const FEW: usize = 24;

/// Links that an operation opens, as a rule.
const ROOM: usize = 8;

/// What LinkDB's operations in one transaction share. [`Work::finish`] writes it; without that only single records are
/// written, so an operation that refuses must do so before it changes anything.
pub(super) struct Work<'t> {
    pub(super) db: &'t LinkDb,
    pub(super) tx: &'t mut Tx,
    table: Option<Arc<PathTable>>,
    links: Vec<OpenLink>,
    /// Where each link stands among `links`; empty while there are few.
    index: HashMap<LinkId, usize, RandomState>,
    vops: Vec<(VopId, Arc<VopGrant>)>,
    usage: Vec<OpenUsage>,
}

/// A link's spectrum as this transaction has it.
struct OpenLink {
    id: LinkId,
    key: Key<LinkSpectrum>,
    spectrum: Arc<LinkSpectrum>,
    changed: bool,
}

impl OpenLink {
    /// The spectrum, to be changed and written.
    fn change(&mut self) -> &mut LinkSpectrum {
        self.changed = true;
        Arc::make_mut(&mut self.spectrum)
    }
}

/// A virtual operator's usage; `None` where it has no quota and none is kept.
struct OpenUsage {
    vop: VopId,
    usage: Option<VopUsage>,
    changed: bool,
}

impl<'t> Work<'t> {
    pub(super) fn new(db: &'t LinkDb, tx: &'t mut Tx) -> Self {
        let (links, index) = (Vec::with_capacity(ROOM), HashMap::default());
        Self { db, tx, table: None, links, index, vops: Vec::new(), usage: Vec::new() }
    }

    /// Writes what has changed.
    pub(super) fn finish(self) -> Result<(), LinkDbError> {
        for link in self.links.into_iter().filter(|link| link.changed) {
            if link.spectrum.is_free() {
                self.tx.delete(&link.key);
            } else {
                self.tx.put_shared(&link.key, link.spectrum)?;
            }
        }
        for OpenUsage { vop, usage, .. } in self.usage.into_iter().filter(|usage| usage.changed) {
            if let Some(usage) = usage {
                self.tx.put(&VopUsage::key(&vop), &usage)?;
            }
        }
        Ok(())
    }

    /// The paths of the topology as the transaction sees it.
    pub(super) fn paths(&mut self) -> Result<Arc<PathTable>, LinkDbError> {
        if let Some(table) = &self.table {
            return Ok(Arc::clone(table));
        }
        let table = self.db.paths_in(self.tx)?;
        self.table = Some(Arc::clone(&table));
        Ok(table)
    }

    /// The spectrum that a virtual operator may use.
    pub(super) fn vop_grant(&mut self, vop: &VopId) -> Result<Arc<VopGrant>, LinkDbError> {
        if let Some((_, grant)) = self.vops.iter().find(|(known, _)| known == vop) {
            return Ok(Arc::clone(grant));
        }
        let grant = self.tx.get_shared(&VopGrant::key(vop))?;
        let grant = grant.ok_or_else(|| LinkDbError::UnknownVop { vop: vop.to_string() })?;
        self.vops.push((vop.clone(), Arc::clone(&grant)));
        Ok(grant)
    }

    /// What a virtual operator with a quota holds.
    fn usage(&mut self, vop: &VopId) -> Result<&mut OpenUsage, LinkDbError> {
        let at = match self.usage.iter().position(|open| open.vop == *vop) {
            Some(at) => at,
            None => {
                let usage = self.tx.get(&VopUsage::key(vop))?;
                self.usage.push(OpenUsage { vop: vop.clone(), usage, changed: false });
                self.usage.len() - 1
            }
        };
        Ok(&mut self.usage[at])
    }

    /// Checks that a virtual operator may have one more connection of so many steps times links.
    pub(super) fn within_quota(&mut self, grant: &VopGrant, slot_links: u64) -> Result<(), LinkDbError> {
        let Some(quota) = grant.quota else { return Ok(()) };
        let usage = self.usage(&grant.vop)?.usage.unwrap_or_default();
        let exceeded = |what, used: u64, more: u64, limit: Option<u64>| match limit {
            Some(limit) if used + more > limit => {
                Err(LinkDbError::QuotaExceeded { vop: grant.vop.to_string(), what, used, more, limit })
            }
            _ => Ok(()),
        };
        exceeded("connections", usage.connections, 1, quota.connections)?;
        exceeded("steps of 6.25 GHz times links", usage.slot_links, slot_links, quota.slot_links)
    }

    // --- links --------------------------------------------------------------------------------------------------------

    /// Where a link stands among those that are open, if it is.
    fn where_is(&self, id: &LinkId) -> Option<usize> {
        if self.links.len() <= FEW {
            self.links.iter().position(|link| link.id == *id)
        } else {
            self.index.get(id).copied()
        }
    }

    /// Reads a link, where that has not been done, and answers where it stands.
    pub(super) fn open(&mut self, id: &LinkId) -> Result<usize, LinkDbError> {
        match self.where_is(id) {
            Some(at) => Ok(at),
            None => self.read(id, LinkSpectrum::key(id)),
        }
    }

    /// As [`Work::open`], for a link of a graph, which has its key.
    pub(super) fn open_edge(&mut self, graph: &Graph, edge: u32) -> Result<usize, LinkDbError> {
        let strange = || super::allocate::inconsistent("a path uses a link that its graph does not have");
        let (id, key) = graph.link(edge).zip(graph.spectrum_key(edge)).ok_or_else(strange)?;
        let known = match self.links.len() {
            // Keys are told apart by their hashes, nearly always.
            ..=FEW => self.links.iter().position(|link| link.key == *key),
            _ => self.index.get(id).copied(),
        };
        match known {
            Some(at) => Ok(at),
            None => self.read(id, key.clone()),
        }
    }

    /// The spectrum of a link of a graph.
    pub(super) fn spectrum_of(&mut self, graph: &Graph, edge: u32) -> Result<&LinkSpectrum, LinkDbError> {
        let at = self.open_edge(graph, edge)?;
        Ok(&self.links[at].spectrum)
    }

    fn read(&mut self, id: &LinkId, key: Key<LinkSpectrum>) -> Result<usize, LinkDbError> {
        let stored = self.tx.get_shared(&key)?;
        let (spectrum, changed) = match stored {
            Some(stored) if stored.is_unlisted() => {
                (Arc::new(self.db.on_raster(id, Some(self.take_over(id, &stored)?))?), true)
            }
            Some(stored) => {
                self.db.check_raster(id, &stored)?;
                (stored, false)
            }
            None => (Arc::new(LinkSpectrum::free(self.db.raster())), false),
        };
        self.links.push(OpenLink { id: id.clone(), key, spectrum, changed });
        match self.links.len() {
            ..=FEW => {}
            length if length == FEW + 1 => {
                self.index = self.links.iter().map(|link| link.id.clone()).zip(0..).collect();
            }
            length => drop(self.index.insert(id.clone(), length - 1)),
        }
        Ok(self.links.len() - 1)
    }

    /// Brings the owners of a link into its record, where version 1 has left them outside.
    fn take_over(&mut self, id: &LinkId, stored: &LinkSpectrum) -> Result<LinkSpectrum, LinkDbError> {
        let entries = self.tx.scan(&SlotOwner::on(id))?;
        let mut listed = stored.clone();
        let mut owners = Vec::with_capacity(entries.len());
        for (key, owner) in entries {
            self.tx.delete(&key);
            owners.push(owner);
        }
        listed.list(&owners).map_err(|error| on_link(id, &error))?;
        Ok(listed)
    }

    /// Reads links together, so that a back end fetches them together.
    pub(super) fn open_all<'l>(&mut self, ids: impl Iterator<Item = &'l LinkId>) -> Result<(), LinkDbError> {
        let mut missing = None;
        for id in ids {
            match self.open(id) {
                Err(LinkDbError::Store(StoreError::NotLoaded)) => missing = Some(StoreError::NotLoaded),
                opened => drop(opened?),
            }
        }
        missing.map_or(Ok(()), |error| Err(error.into()))
    }

    /// The spectrum of a link.
    pub(super) fn spectrum(&mut self, id: &LinkId) -> Result<&LinkSpectrum, LinkDbError> {
        let at = self.open(id)?;
        Ok(&self.links[at].spectrum)
    }

    pub(super) fn spectrum_mut(&mut self, id: &LinkId) -> Result<&mut LinkSpectrum, LinkDbError> {
        let at = self.open(id)?;
        Ok(self.links[at].change())
    }

    // --- what a connection holds --------------------------------------------------------------------------------------

    pub(super) fn held(&self, grant: &Grant) -> Result<Occupied, LinkDbError> {
        let (first, count) = self.db.bits_of(grant.slot)?;
        let (guard, by) = (grant.request.guard, Occupant::Connection(grant.owner()));
        Ok(Occupied { first, count, guard, fibres: Fibres::Both, by })
    }

    /// Whether the slot of a grant is free on its whole path.
    pub(super) fn has_room_for(&mut self, grant: &Grant) -> Result<bool, LinkDbError> {
        let held = self.held(grant)?;
        for hop in &grant.path.hops {
            if self.spectrum(&hop.link)?.admits(&held).is_err() {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Takes the slot of a grant on every link of its path, and what a move needs besides, or nothing.
    pub(super) fn take_spectrum(&mut self, grant: &Grant) -> Result<(), LinkDbError> {
        let place = (self.held(grant)?, &grant.path);
        let parts = [Some(place), self.held_to_move(grant)?];
        for (held, path) in parts.iter().flatten() {
            for hop in &path.hops {
                let at = self.open(&hop.link)?;
                let link = &self.links[at];
                link.spectrum.admits(held).map_err(|error| on_link(&link.id, &error))?;
            }
        }
        for (held, path) in parts.iter().flatten() {
            for hop in &path.hops {
                let at = self.open(&hop.link)?;
                let link = &mut self.links[at];
                link.change().take_admitted(held).map_err(|error| on_link(&link.id, &error))?;
            }
        }
        Ok(())
    }

    /// Gives back the slot of a grant on every link of its path, or nothing where one of them has another owner.
    pub(super) fn give_spectrum_back(&mut self, grant: &Grant) -> Result<(), LinkDbError> {
        let (owner, place) = (grant.owner(), (self.db.bits_of(grant.slot)?, &grant.path));
        let to_move = self.held_to_move(grant)?.map(|(held, path)| ((held.first, held.count), path));
        let parts = [Some(place), to_move];
        for ((first, count), path) in parts.iter().flatten() {
            for hop in &path.hops {
                let at = self.open(&hop.link)?;
                let link = &self.links[at];
                if !link.spectrum.is_held(&owner, *first, *count) {
                    return Err(foreign(grant, &format!("its slot on link {}", link.id)));
                }
            }
        }
        for ((first, count), path) in parts.iter().flatten() {
            for hop in &path.hops {
                let at = self.open(&hop.link)?;
                self.links[at].change().give_back(&owner, *first, *count);
            }
        }
        Ok(())
    }

    /// Records that a connection holds what its grant says: spectrum, ports, index, usage.
    pub(super) fn take(&mut self, grant: &Arc<Grant>) -> Result<(), LinkDbError> {
        self.take_under(&Grant::key(&grant.request.connection_id), grant)
    }

    /// As [`Work::take`], with the key of the grant at hand.
    pub(super) fn take_under(&mut self, key: &Key<Grant>, grant: &Arc<Grant>) -> Result<(), LinkDbError> {
        self.take_spectrum(grant)?;
        self.count(grant, 1)?;
        for port in grant.ports() {
            self.tx.put(&PortClaim::key(port), &PortClaim { owner: grant.owner() })?;
        }
        let of_vop = VopConnection::key(&grant.request.vop, &grant.request.connection_id);
        self.tx.put_stored(&of_vop, VopConnection::stored());
        self.tx.put_shared(key, Arc::clone(grant))?;
        Ok(())
    }

    /// Takes back all that a connection holds, or nothing where something of it has another owner.
    pub(super) fn give_back(&mut self, grant: &Grant) -> Result<(), LinkDbError> {
        self.give_back_under(&Grant::key(&grant.request.connection_id), grant)
    }

    /// As [`Work::give_back`], with the key of the grant at hand.
    pub(super) fn give_back_under(&mut self, key: &Key<Grant>, grant: &Grant) -> Result<(), LinkDbError> {
        for port in grant.ports() {
            let owner = grant.owner();
            if self.tx.get_shared(&PortClaim::key(port))?.is_none_or(|claim| claim.owner != owner) {
                return Err(foreign(grant, &format!("port {port}")));
            }
        }
        self.give_spectrum_back(grant)?;
        self.forget_under(key, grant)
    }

    /// Takes back all that a connection holds but the spectrum, which it has given back.
    pub(super) fn forget(&mut self, grant: &Grant) -> Result<(), LinkDbError> {
        self.forget_under(&Grant::key(&grant.request.connection_id), grant)
    }

    fn forget_under(&mut self, key: &Key<Grant>, grant: &Grant) -> Result<(), LinkDbError> {
        let connection = &grant.request.connection_id;
        self.count(grant, -1)?;
        for port in grant.ports() {
            self.tx.delete(&PortClaim::key(port));
        }
        self.tx.delete(&VopConnection::key(&grant.request.vop, connection));
        if grant.held {
            self.tx.end_lease(key)?;
        }
        self.tx.delete(key);
        Ok(())
    }

    /// Writes down that a connection has another path and slot, which it has taken.
    pub(super) fn moved(&mut self, old: &Grant, new: &Grant) -> Result<(), LinkDbError> {
        self.count(old, -1)?;
        self.count(new, 1)?;
        Ok(self.tx.put(&Grant::key(&new.request.connection_id), new)?)
    }

    /// Adds a connection to its operator's usage, or takes it away, where that is kept.
    pub(super) fn count(&mut self, grant: &Grant, connections: i64) -> Result<(), LinkDbError> {
        let vop = &grant.request.vop;
        if self.vops.iter().any(|(known, windows)| known == vop && windows.quota.is_none()) {
            // Without a quota there is no record of the usage, and what says so has been read.
            return Ok(());
        }
        let more = i64::try_from(grant.slot_links()).unwrap_or(i64::MAX).saturating_mul(connections.signum());
        let open = self.usage(vop)?;
        if let Some(usage) = &mut open.usage {
            usage.connections = usage.connections.saturating_add_signed(connections);
            usage.slot_links = usage.slot_links.saturating_add_signed(more);
            open.changed = true;
        }
        Ok(())
    }
}

fn on_link(link: &LinkId, error: &dyn core::fmt::Display) -> LinkDbError {
    LinkDbError::Inconsistent { what: format!("link {link}: {error}") }
}

fn foreign(grant: &Grant, what: &str) -> LinkDbError {
    LinkDbError::Inconsistent { what: format!("{} is granted {what}, but does not own it", grant.owner()) }
}
