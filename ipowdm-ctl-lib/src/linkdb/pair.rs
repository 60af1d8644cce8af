//! Working and protecting connection together: two paths that do not fail together, in one transaction.

use super::work::Work;
use super::{AllocationRequest, Grant, LinkDb, LinkDbError, MAX_PATHS, Path};
use crate::paths::{Constraints, DensePath, Disjointness};
use crate::store::Tx;
use crate::topology::FibreLink;
use ipowdm_core::grid::FlexSlot;
use std::sync::Arc;

/// What a pair of connections owns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GrantedPair {
    /// The working connection.
    pub working: Grant,
    /// The protecting connection.
    pub protection: Grant,
}

impl LinkDb {
    /// Allocates a pair in a transaction of its own, see [`LinkDb::allocate_pair_in`].
    ///
    /// # Errors
    /// As [`LinkDb::allocate_pair_in`].
    pub async fn allocate_pair(
        &self,
        working: &AllocationRequest,
        protection: &AllocationRequest,
        disjointness: Disjointness,
    ) -> Result<GrantedPair, LinkDbError> {
        self.store.transact(|tx| self.allocate_pair_in(tx, working, protection, disjointness)).await
    }

    /// Takes ports and spectrum for two connections between the same PoPs on paths that do not fail together: both, or
    /// nothing.
    ///
    /// First tried is the pair of least total length, the working connection on the shorter path, then the other way round;
    /// then each candidate of the working connection in its order, with the best path for the protecting one beside it. What
    /// one request avoids the other avoids too; what else a request demands of its path holds for its own. Two connections
    /// that have grants for equal requests on such paths keep them.
    ///
    /// # Errors
    /// As [`LinkDb::allocate_in`]; [`LinkDbError::Invalid`] where the ends differ; [`LinkDbError::AlreadyExists`] where one of
    /// the two connections exists without the other, or both on paths that fail together; [`LinkDbError::Path`] where no two
    /// such paths exist.
    pub fn allocate_pair_in(
        &self,
        tx: &mut Tx,
        working: &AllocationRequest,
        protection: &AllocationRequest,
        disjointness: Disjointness,
    ) -> Result<GrantedPair, LinkDbError> {
        let mut work = Work::new(self, tx);
        let pair = work.allocate_pair(working, protection, disjointness)?;
        work.finish()?;
        Ok(pair)
    }
}

impl Work<'_> {
    fn allocate_pair(
        &mut self,
        working: &AllocationRequest,
        protection: &AllocationRequest,
        disjointness: Disjointness,
    ) -> Result<GrantedPair, LinkDbError> {
        let ends =
            |request: &AllocationRequest| (request.source.pop.clone(), request.destination.pop.clone());
        if ends(working) != ends(protection) || working.connection_id == protection.connection_id {
            let reason = "a pair is two connections between the same PoPs".to_owned();
            return Err(LinkDbError::Invalid { field: "protection", reason });
        }
        for request in [working, protection] {
            self.db.check(request)?;
        }
        let stored =
            [working, protection].map(|request| self.tx.get_shared(&Grant::key(&request.connection_id)));
        let [first, second] = stored;
        match (first?, second?) {
            (None, None) => {}
            (Some(first), Some(second))
                if first.request == *working
                    && second.request == *protection
                    && self.are_disjoint(&first, &second, disjointness)? =>
            {
                let [working, protection] = [first, second]
                    .map(Arc::unwrap_or_clone)
                    .map(|grant| if grant.held { self.make_definite(grant) } else { Ok(grant) });
                return Ok(GrantedPair { working: working?, protection: protection? });
            }
            (first, second) => {
                let taken = first.or(second).map(|grant| grant.request.connection_id.clone());
                let what = taken.map_or_else(String::new, |taken| format!("connection {taken}"));
                return Err(LinkDbError::AlreadyExists { what });
            }
        }
        self.place_pair(working, protection, disjointness)
    }

    /// Tries the pairs of paths in their order.
    fn place_pair(
        &mut self,
        working: &AllocationRequest,
        protection: &AllocationRequest,
        disjointness: Disjointness,
    ) -> Result<GrantedPair, LinkDbError> {
        let (first, second) =
            (with_constraints_of(working, protection), with_constraints_of(protection, working));
        let mut avoid = working.constraints.avoid.clone();
        avoid.pops.extend(protection.constraints.avoid.pops.iter().cloned());
        avoid.links.extend(protection.constraints.avoid.links.iter().cloned());
        avoid.srlgs.extend(protection.constraints.avoid.srlgs.iter().copied());
        let (from, to) = (&working.source.pop, &working.destination.pop);
        let table = self.paths()?;
        let disjointness = match disjointness {
            Disjointness::Srlgs { k } => Disjointness::Srlgs { k: k.min(MAX_PATHS) },
            other => other,
        };
        // Where there is no pair at all, no pair of candidates is one.
        let best = table.disjoint_pair(from, to, disjointness, &avoid)?;
        let candidates = table.constrained(from, to, usize::from(first.k), &first.constraints)?;
        let meet = |path: &DensePath, other: &DensePath| {
            working.constraints.are_met_by(table.graph(), path)
                && protection.constraints.are_met_by(table.graph(), other)
        };
        let mut tries = Vec::new();
        if meet(&best.first, &best.second) {
            tries.push((best.first.clone(), Some(best.second.clone())));
        }
        if meet(&best.second, &best.first) {
            tries.push((best.second, Some(best.first)));
        }
        tries.extend(candidates.into_iter().map(|path| (path, None)));
        let mut refusal = None;
        for (path, beside) in tries {
            let found = self.try_pair([working, protection], &second, (path, beside), disjointness);
            match found {
                Ok(pair) => return Ok(pair),
                Err(error @ (LinkDbError::Store(_) | LinkDbError::Inconsistent { .. })) => return Err(error),
                // The first is the reason that says most: the later tries are of dearer pairs.
                Err(error) => refusal = refusal.or(Some(error)),
            }
        }
        let width_mhz = FlexSlot::width_of(working.width_m);
        Err(refusal.unwrap_or(LinkDbError::NoSpectrum { paths: 0, width_mhz }))
    }

    /// Places the working connection on a path, and the protecting one on the other path or, as `second` asks, beside it; or
    /// nothing.
    fn try_pair(
        &mut self,
        [working, protection]: [&AllocationRequest; 2],
        second: &AllocationRequest,
        (path, beside): (DensePath, Option<DensePath>),
        disjointness: Disjointness,
    ) -> Result<GrantedPair, LinkDbError> {
        let granted = self.take_on(working, &[path])?;
        let other = match beside {
            Some(path) => self.take_on(protection, &[path]),
            None => {
                self.beside(&granted, second, disjointness).and_then(|paths| self.take_on(protection, &paths))
            }
        };
        match other {
            Ok(other) => Ok(GrantedPair { working: granted, protection: other }),
            Err(error) => {
                self.give_back(&granted)?;
                Err(error)
            }
        }
    }

    /// Allocates on one of these paths, or changes nothing. Ports that the transaction has claimed are not free any more.
    fn take_on(&mut self, request: &AllocationRequest, paths: &[DensePath]) -> Result<Grant, LinkDbError> {
        let (table, windows) = (self.paths()?, self.vop_grant(&request.vop)?);
        let ports = self.choose_ports(request)?;
        let legal = self.db.legal(request, [ports[0].as_ref(), ports[1].as_ref()], windows.clone())?;
        let found = self.find_among(request, &table, paths, false, &legal)?;
        let grant = Arc::new(self.grant_of(request, found, ports));
        self.within_quota(&windows, grant.slot_links())?;
        self.take(&grant)?;
        Ok(Arc::unwrap_or_clone(grant))
    }

    /// Whether the paths of two grants do not fail together.
    fn are_disjoint(
        &mut self,
        one: &Grant,
        other: &Grant,
        disjointness: Disjointness,
    ) -> Result<bool, LinkDbError> {
        let mut apart = one.request.clone();
        apart.constraints = Constraints::default();
        self.keep_away(&mut apart, &one.path, disjointness)?;
        let avoid = &apart.constraints.avoid;
        if other.path.pops.iter().any(|pop| avoid.pops.contains(pop)) {
            return Ok(false);
        }
        for hop in &other.path.hops {
            let risks = self.tx.get_shared(&FibreLink::key(&hop.link))?;
            let risks = risks.iter().flat_map(|link| &link.srlgs);
            if avoid.links.contains(&hop.link) || risks.into_iter().any(|risk| avoid.srlgs.contains(risk)) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Paths for a request that share nothing with a grant's.
    fn beside(
        &mut self,
        grant: &Grant,
        request: &AllocationRequest,
        disjointness: Disjointness,
    ) -> Result<Vec<DensePath>, LinkDbError> {
        let mut request = request.clone();
        self.keep_away(&mut request, &grant.path, disjointness)?;
        let (from, to) = (&request.source.pop, &request.destination.pop);
        Ok(self.paths()?.constrained(from, to, usize::from(request.k), &request.constraints)?)
    }

    /// Makes a request keep away from what a path uses.
    fn keep_away(
        &mut self,
        request: &mut AllocationRequest,
        path: &Path,
        disjointness: Disjointness,
    ) -> Result<(), LinkDbError> {
        let avoid = &mut request.constraints.avoid;
        avoid.links.extend(path.hops.iter().map(|hop| hop.link.clone()));
        match disjointness {
            Disjointness::Links => {}
            Disjointness::Pops => avoid.pops.extend(path.pops[1..path.pops.len() - 1].iter().cloned()),
            Disjointness::Srlgs { .. } => {
                for hop in &path.hops {
                    if let Some(link) = self.tx.get_shared(&FibreLink::key(&hop.link))? {
                        avoid.srlgs.extend(link.srlgs.iter().copied());
                    }
                }
            }
        }
        Ok(())
    }
}

/// A request that keeps away from what the other one keeps away from, too.
fn with_constraints_of(request: &AllocationRequest, other: &AllocationRequest) -> AllocationRequest {
    let mut both = request.clone();
    let avoid = &mut both.constraints.avoid;
    avoid.pops.extend(other.constraints.avoid.pops.iter().cloned());
    avoid.links.extend(other.constraints.avoid.links.iter().cloned());
    avoid.srlgs.extend(other.constraints.avoid.srlgs.iter().copied());
    both
}
