//! Restoration: all connections on a failed link find other paths, in one transaction.

use super::allocate::Found;
use super::work::Work;
use super::{AllocationRequest, Grant, LinkDb, LinkDbError, Path};
use crate::store::Tx;
use crate::topology::{FibreLink, Port};
use ipowdm_core::ids::{LinkId, PortRef};
use std::sync::Arc;

/// What becomes of a connection that finds no other path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Unrestored {
    /// It keeps everything it had, on the failed link and on the links that work: its light comes back with the link. The
    /// others are placed around it.
    #[default]
    Keep,
    /// It loses everything, ports included, and is gone.
    Release,
}

/// How connections are restored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct RestorationRules {
    /// What becomes of those that find no other path.
    pub unrestored: Unrestored,
    /// Whether a connection stays at its frequency where one of its candidate paths has that free, even where its policies
    /// would choose another: a module is retuned in tens of seconds, a path is switched in none.
    pub keep_frequency: bool,
}

impl Default for RestorationRules {
    fn default() -> Self {
        Self { unrestored: Unrestored::Keep, keep_frequency: true }
    }
}

/// A connection that got another path, and perhaps another frequency.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Restored {
    /// What it had.
    pub old: Grant,
    /// What it has: the same life of the same connection, with the same ports.
    pub new: Grant,
}

/// A connection that did not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unrestorable {
    /// What it had, and still has where the rule is [`Unrestored::Keep`].
    pub grant: Grant,
    /// Why it found nothing.
    pub reason: LinkDbError,
}

/// What a restoration has done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Restoration {
    /// Connections with new paths, in the order in which they were placed: widest first, of equal ones the longest first, of
    /// equal ones by id.
    pub restored: Vec<Restored>,
    /// Connections without, in the same order.
    pub unrestored: Vec<Unrestorable>,
    /// What became of these.
    pub rule: Unrestored,
}

impl LinkDb {
    /// Restores in a transaction of its own, see [`LinkDb::restore_in`].
    ///
    /// # Errors
    /// As [`LinkDb::restore_in`].
    pub async fn restore(&self, link: &LinkId, rules: RestorationRules) -> Result<Restoration, LinkDbError> {
        self.store.transact(|tx| self.restore_in(tx, link, rules)).await
    }

    /// Moves every connection on a link to paths without it: all are released, then placed again, the widest first, of equal
    /// ones the longest first, each by its own request. Either all of it happens or nothing. The link itself need not be
    /// down: it is avoided in any case, and so are links that are down.
    ///
    /// Connections keep ports and incarnation: it is the same life of the same connection. Where the link carries none, the
    /// answer is empty and nothing happens, so a restoration can be repeated.
    ///
    /// A path that is longer counts for more in the operator's quota, and is not refused for that.
    ///
    /// # Errors
    /// [`LinkDbError::UnknownLink`], [`LinkDbError::Inconsistent`], [`LinkDbError::Store`]
    pub fn restore_in(
        &self,
        tx: &mut Tx,
        link: &LinkId,
        rules: RestorationRules,
    ) -> Result<Restoration, LinkDbError> {
        if tx.get_shared(&FibreLink::key(link))?.is_none() {
            return Err(LinkDbError::UnknownLink { link: link.to_string() });
        }
        let mut work = Work::new(self, tx);
        let mut grants = work.grants_on(link)?;
        // Who was only to come here stays where it is.
        let here = |grant: &Grant| grant.path.hops.iter().any(|hop| hop.link == *link);
        for grant in grants.iter().filter(|grant| !here(grant)) {
            work.exchange(grant, &Grant { moving: None, ..grant.clone() })?;
        }
        grants.retain(here);
        grants.sort_by(|a, b| {
            let size = |grant: &Grant| (grant.slot.m, grant.path.length);
            let ids = || a.request.connection_id.cmp(&b.request.connection_id);
            size(b).cmp(&size(a)).then_with(ids)
        });
        let restoration = work.restore(&grants, link, rules)?;
        work.finish()?;
        Ok(restoration)
    }
}

impl Work<'_> {
    /// The grants of the connections on a link.
    pub(super) fn grants_on(&mut self, link: &LinkId) -> Result<Vec<Grant>, LinkDbError> {
        let db = self.db;
        let owners: Vec<_> =
            self.spectrum(link)?.occupants().filter_map(|occupied| db.slot_owner(occupied)).collect();
        let mut owners = owners;
        // A connection that moves may have two places on a link.
        owners.sort_by(|a, b| a.owner.connection_id.cmp(&b.owner.connection_id));
        owners.dedup_by(|a, b| a.owner == b.owner);
        // Asked for together, so that a back end fetches them together.
        let keys: Vec<_> = owners.iter().map(|held| Grant::key(&held.owner.connection_id)).collect();
        let grants: Vec<_> = keys.iter().map(|key| self.tx.get_shared(key)).collect();
        let mut found = Vec::with_capacity(owners.len());
        for (held, grant) in owners.iter().zip(grants) {
            let grant = grant?.filter(|grant| grant.owner() == held.owner).ok_or_else(|| {
                LinkDbError::Inconsistent { what: format!("{} holds spectrum without a grant", held.owner) }
            })?;
            found.push(Arc::unwrap_or_clone(grant));
        }
        let hops: Vec<LinkId> = found
            .iter()
            .flat_map(paths_of)
            .flat_map(|path| path.hops.iter().map(|hop| hop.link.clone()))
            .collect();
        self.open_all(hops.iter())?;
        Ok(found)
    }

    /// Places connections again. Those that find nothing keep their places; whoever is then in another's way is placed anew,
    /// with one more place taken each time, so this ends after at most as many rounds as there are connections.
    fn restore(
        &mut self,
        grants: &[Grant],
        link: &LinkId,
        rules: RestorationRules,
    ) -> Result<Restoration, LinkDbError> {
        let mut kept: Vec<(usize, LinkDbError)> = Vec::new();
        loop {
            let is_kept = |at: usize| kept.iter().any(|(kept, _)| *kept == at);
            let moving: Vec<usize> = (0..grants.len()).filter(|at| !is_kept(*at)).collect();
            for &at in &moving {
                self.give_spectrum_back(&grants[at])?;
            }
            let (mut restored, mut stuck) = (Vec::with_capacity(moving.len()), Vec::new());
            for at in moving {
                let old = &grants[at];
                match self.replacement(old, link, rules.keep_frequency)? {
                    Ok(new) => {
                        self.take_spectrum(&new)?;
                        restored.push(Restored { old: old.clone(), new });
                    }
                    Err(reason) => stuck.push((at, reason)),
                }
            }
            if rules.unrestored == Unrestored::Release {
                for (at, _) in &stuck {
                    self.forget(&grants[*at])?;
                }
                kept = stuck;
            } else if !stuck.is_empty() {
                // Everybody back to where they were; those who are stuck stay there.
                for Restored { new, .. } in &restored {
                    self.give_spectrum_back(new)?;
                }
                let places = restored.iter().map(|restored| &restored.old);
                for old in places.chain(stuck.iter().map(|(at, _)| &grants[*at])) {
                    self.take_spectrum(old)?;
                }
                kept.append(&mut stuck);
                continue;
            }
            for Restored { old, new } in &restored {
                self.moved(old, new)?;
            }
            kept.sort_by_key(|(at, _)| *at);
            let unrestored =
                kept.into_iter().map(|(at, reason)| Unrestorable { grant: grants[at].clone(), reason });
            return Ok(Restoration { restored, unrestored: unrestored.collect(), rule: rules.unrestored });
        }
    }

    /// Another place for a connection whose spectrum has been given back; the inner error is why there is none.
    fn replacement(
        &mut self,
        grant: &Grant,
        avoid: &LinkId,
        keep_frequency: bool,
    ) -> Result<Result<Grant, LinkDbError>, LinkDbError> {
        let ports = self.ports_of(grant)?;
        let ports = [ports[0].as_ref(), ports[1].as_ref()];
        let same = AllocationRequest { frequency: Some(grant.frequency), ..grant.request.clone() };
        let mut found = Err(LinkDbError::NoSpectrum { paths: 0, width_mhz: grant.slot.width_mhz() });
        for request in [keep_frequency.then_some(&same), Some(&grant.request)].into_iter().flatten() {
            found = self.find(request, ports, Some(avoid));
            if let Ok(Found { path, slot, frequency }) = found {
                return Ok(Ok(Grant { path, slot, frequency, moving: None, ..grant.clone() }));
            }
        }
        match found {
            Ok(_) => Err(super::allocate::inconsistent("a place was found and not taken")),
            Err(error @ (LinkDbError::Store(_) | LinkDbError::Inconsistent { .. })) => Err(error),
            Err(reason) => Ok(Err(reason)),
        }
    }

    /// The ports that a connection holds.
    pub(super) fn ports_of(&mut self, grant: &Grant) -> Result<[Option<Port>; 2], LinkDbError> {
        let mut port = |at: &Option<PortRef>| match at {
            Some(at) => Ok::<_, LinkDbError>(self.tx.get(&Port::key(at))?),
            None => Ok(None),
        };
        Ok([port(&grant.source_port)?, port(&grant.destination_port)?])
    }
}

/// The path of a grant, and the one to which it moves.
fn paths_of(grant: &Grant) -> impl Iterator<Item = &Path> {
    core::iter::once(&grant.path).chain(grant.moving.as_ref().map(|moving| &moving.to.path))
}
