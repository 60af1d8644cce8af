//! Making a plan: moves are tried out in the working set of a transaction that writes nothing.

use super::{DefragmentationPlan, DefragmentationRules, LinkFragmentation, Move, MoveKind, Place};
use crate::linkdb::allocate::Found;
use crate::linkdb::legal::{Legal, StartsOnLinks};
use crate::linkdb::work::Work;
use crate::linkdb::{Grant, LinkDb, LinkDbError};
use crate::spectrum::{Fragmentation, VopGrant};
use crate::store::{Prefix, Tx};
use crate::topology::FibreLink;
use ipowdm_core::ids::{ConnectionId, LinkId};
use ipowdm_core::slots::{Search, Slots, words};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// A connection that may be moved, and where it is by now.
struct Movable {
    grant: Grant,
    /// The starts that its modules and the band allow, and its operator's windows on some link.
    starts: Slots,
    /// Those of its operator on each link, where they are not the same on all.
    on_links: Option<Arc<StartsOnLinks>>,
}

/// A move that would help.
struct Candidate {
    kind: MoveKind,
    to: Grant,
    gain: u64,
}

impl LinkDb {
    /// As [`LinkDb::propose_defragmentation`], in a caller's transaction; nothing is written.
    ///
    /// # Errors
    /// As [`LinkDb::propose_defragmentation`].
    pub fn propose_defragmentation_in(
        &self,
        tx: &mut Tx,
        rules: &DefragmentationRules,
    ) -> Result<DefragmentationPlan, LinkDbError> {
        let mut work = Work::new(self, tx);
        let mut movable = work.movable(&rules.links)?;
        let mut before: BTreeMap<LinkId, Fragmentation> = BTreeMap::new();
        let mut moves = Vec::new();
        loop {
            let made = moves.len();
            for one in &mut movable {
                if moves.len() >= rules.most_moves {
                    break;
                }
                let Some(Candidate { kind, to, gain }) = work.best_move(one, rules)? else {
                    continue;
                };
                let from = &one.grant;
                for hop in from.path.hops.iter().chain(&to.path.hops) {
                    if !before.contains_key(&hop.link) {
                        before.insert(hop.link.clone(), work.fragmentation(&hop.link)?);
                    }
                }
                work.give_spectrum_back(from)?;
                work.take_spectrum(&to)?;
                moves.push(Move {
                    connection_id: from.request.connection_id.clone(),
                    incarnation: from.incarnation,
                    kind,
                    from: Place::of(from),
                    to: Place::of(&to),
                    gain,
                });
                one.grant = to;
            }
            // Every move lessens the same sum, so this ends.
            if moves.len() == made || moves.len() >= rules.most_moves {
                break;
            }
        }
        let mut after = Vec::with_capacity(before.len());
        for link in before.keys() {
            after.push(LinkFragmentation { link: link.clone(), figures: work.fragmentation(link)? });
        }
        let before = before.into_iter().map(|(link, figures)| LinkFragmentation { link, figures }).collect();
        Ok(DefragmentationPlan { moves, before, after })
    }
}

impl Work<'_> {
    /// How broken up a link is as the transaction has it.
    pub(in crate::linkdb) fn fragmentation(&mut self, link: &LinkId) -> Result<Fragmentation, LinkDbError> {
        let record = self.tx.get_shared(&FibreLink::key(link))?;
        let mut usable = self.db.tuner.usable().clone();
        if let Some(record) = record {
            usable.intersect(&record.carried(self.db.raster()));
        }
        Ok(Fragmentation::of(self.spectrum(link)?, &usable))
    }

    fn scattered(&mut self, links: &BTreeSet<&LinkId>) -> Result<u64, LinkDbError> {
        let mut sum = 0;
        for link in links {
            sum += u64::from(self.fragmentation(link)?.scattered());
        }
        Ok(sum)
    }

    /// The connections on some links that have not asked for their frequency and are not on the move, the highest slot first.
    fn movable(&mut self, links: &[LinkId]) -> Result<Vec<Movable>, LinkDbError> {
        let links = if links.is_empty() {
            let all = self.tx.scan_shared(&Prefix::<FibreLink>::all())?;
            all.into_iter().map(|(_, link)| link.id.clone()).collect()
        } else {
            for link in links {
                if self.tx.get_shared(&FibreLink::key(link))?.is_none() {
                    return Err(LinkDbError::UnknownLink { link: link.to_string() });
                }
            }
            links.to_vec()
        };
        self.open_all(links.iter())?;
        let mut grants: BTreeMap<ConnectionId, Grant> = BTreeMap::new();
        for link in &links {
            for grant in self.grants_on(link)? {
                grants.insert(grant.request.connection_id.clone(), grant);
            }
        }
        let mut movable = Vec::with_capacity(grants.len());
        for grant in
            grants.into_values().filter(|grant| grant.request.frequency.is_none() && grant.moving.is_none())
        {
            let ports = self.ports_of(&grant)?;
            // An operator without windows has no connections; a port that says nothing keeps the signal where it is.
            let Some(windows) = self.tx.get_shared(&VopGrant::key(&grant.request.vop))? else { continue };
            let legal = self.db.legal(&grant.request, [ports[0].as_ref(), ports[1].as_ref()], windows);
            if let Ok(legal) = legal
                && legal.width_m() == grant.slot.m
            {
                let Legal { starts, on_links, .. } = legal;
                movable.push(Movable { grant, starts: Arc::unwrap_or_clone(starts), on_links });
            }
        }
        movable.sort_by(|a, b| {
            let ids = || a.grant.request.connection_id.cmp(&b.grant.request.connection_id);
            b.grant.slot.n.cmp(&a.grant.slot.n).then_with(ids)
        });
        Ok(movable)
    }

    /// The move of one connection that helps most, sliding before switching, the lower place before the higher.
    fn best_move(
        &mut self,
        movable: &Movable,
        rules: &DefragmentationRules,
    ) -> Result<Option<Candidate>, LinkDbError> {
        let grant = &movable.grant;
        let (first, need) = self.db.bits_of(grant.slot)?;
        let mut starts = movable.starts.clone();
        if let Some(on_links) = &movable.on_links {
            grant.path.hops.iter().for_each(|hop| starts.intersect(on_links.of(&hop.link)));
        }
        let table = self.paths()?;
        for edge in grant.path.hops.iter().filter_map(|hop| table.graph().edge(&hop.link)) {
            self.db.carried_starts(table.graph().bands(edge), grant.slot.m, &mut starts);
        }
        let mut places: Vec<(MoveKind, Grant)> = Vec::new();
        if rules.push_pull {
            for start in self.slides(grant, &starts, first, need)? {
                places.extend(self.at(grant, start).map(|to| (MoveKind::PushPull, to)));
            }
        }
        if rules.make_before_break {
            let mut free = self.db.tuner.usable().clone();
            for hop in &grant.path.hops {
                self.spectrum(&hop.link)?.free_for(grant.request.guard, &mut free);
            }
            let search = Search::new(&free, need).at(&starts);
            for start in [search.exact(), search.first(), search.last()].into_iter().flatten() {
                places.extend(self.at(grant, start).map(|to| (MoveKind::MakeBeforeBreak, to)));
            }
            places.extend(self.elsewhere(grant)?.map(|to| (MoveKind::MakeBeforeBreak, to)));
        }
        let mut best: Option<Candidate> = None;
        for (kind, to) in places {
            let links: BTreeSet<&LinkId> =
                grant.path.hops.iter().chain(&to.path.hops).map(|hop| &hop.link).collect();
            let before = self.scattered(&links)?;
            self.give_spectrum_back(grant)?;
            let fits = self.has_room_for(&to)?;
            let after = if fits {
                self.take_spectrum(&to)?;
                let after = self.scattered(&links)?;
                self.give_spectrum_back(&to)?;
                after
            } else {
                before
            };
            self.take_spectrum(grant)?;
            let gain = before.saturating_sub(after);
            if gain > best.as_ref().map_or(0, |best| best.gain) {
                best = Some(Candidate { kind, to, gain });
            }
        }
        Ok(best)
    }

    /// The lowest and the highest legal start that a signal can slide to.
    fn slides(
        &mut self,
        grant: &Grant,
        starts: &Slots,
        first: u16,
        need: u16,
    ) -> Result<Vec<u16>, LinkDbError> {
        let free = self.free_around(grant)?;
        let low = first - words::ones_below(free.words(), first);
        let high = first + (words::ones_from(free.words(), first).saturating_sub(need));
        let starts = starts.words();
        let lowest = words::next_set(starts, low).filter(|&start| start < first);
        let highest = words::previous_set(starts, high).filter(|&start| start > first);
        Ok([lowest, highest].into_iter().flatten().collect())
    }

    /// The grant with its slot beginning at another bit.
    fn at(&self, grant: &Grant, start: u16) -> Option<Grant> {
        let slot = self.db.raster().slot_at(start, 2 * grant.slot.m).ok()?;
        Some(Grant { slot, frequency: slot.centre().ok()?, ..grant.clone() })
    }

    /// Where the connection would be put if it came now, the place that it has being taken.
    fn elsewhere(&mut self, grant: &Grant) -> Result<Option<Grant>, LinkDbError> {
        let ports = self.ports_of(grant)?;
        match self.find(&grant.request, [ports[0].as_ref(), ports[1].as_ref()], None) {
            Ok(Found { path, slot, frequency }) if slot.m == grant.slot.m => {
                Ok(Some(Grant { path, slot, frequency, ..grant.clone() }))
            }
            Err(error @ (LinkDbError::Store(_) | LinkDbError::Inconsistent { .. })) => Err(error),
            _ => Ok(None),
        }
    }
}
