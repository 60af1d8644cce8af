//! Allocation: ports, a path with room, a legal slot, in one transaction.

use super::legal::Legal;
use super::work::Work;
use super::{
    AllocationRequest, Direction, Grant, Hop, LinkDb, LinkDbError, MAX_PATHS, Path, PortChoice, Tuning,
};
use crate::paths::{Constraints, DensePath, Fit, PathPolicy, PathTable};
use crate::spectrum::{Incarnation, LinkSpectrum};
use crate::store::{StoreError, Tx};
use crate::topology::Port;
use ipowdm_core::grid::{FlexSlot, SpectrumWindow};
use ipowdm_core::ids::{ConnectionId, LinkId, PopId};
use ipowdm_core::slots::{Loss, Policy, Search, Slots};
use ipowdm_core::units::{Frequency, Length};
use std::borrow::Cow;
use std::sync::Arc;

/// A place for a request: nothing is taken yet.
pub(super) struct Found {
    pub(super) path: Path,
    pub(super) slot: FlexSlot,
    pub(super) frequency: Frequency,
}

impl LinkDb {
    /// Allocates in a transaction of its own, see [`LinkDb::allocate_in`].
    ///
    /// Calls made at the same time through clones of one handle share transactions: they do not conflict with each other,
    /// and a store that has to wait for a disk waits once for all of them. Each still gets its own answer.
    ///
    /// # Errors
    /// As [`LinkDb::allocate_in`].
    pub async fn allocate(&self, request: AllocationRequest) -> Result<Grant, LinkDbError> {
        self.together.allocate(self, &request).await
    }

    /// Takes ports and spectrum for a connection: on a path that [`AllocationRequest::path_policy`] chooses among the `k`
    /// shortest, the slot that [`AllocationRequest::policy`] chooses among those that are legal and free on both fibres of
    /// every link. All of it, or nothing.
    ///
    /// A connection that has a grant for an equal request keeps it.
    ///
    /// # Errors
    /// [`LinkDbError`]; [`LinkDbError::AlreadyExists`] where the connection has a grant for another request. The caller's
    /// transaction must not commit after an error.
    pub fn allocate_in(&self, tx: &mut Tx, request: &AllocationRequest) -> Result<Grant, LinkDbError> {
        let mut work = Work::new(self, tx);
        let grant = work.allocate(request)?;
        work.finish()?;
        Ok(Arc::unwrap_or_clone(grant))
    }

    pub(super) fn check(&self, request: &AllocationRequest) -> Result<(), LinkDbError> {
        let invalid = |field, reason: String| Err(LinkDbError::Invalid { field, reason });
        if request.source.pop == request.destination.pop {
            return Err(LinkDbError::SamePop { pop: request.source.pop.to_string() });
        }
        let widest = self.raster().bits() / 2;
        if request.width_m == 0 || request.width_m > widest {
            return invalid("width_m", format!("{} is not in 1..={widest}", request.width_m));
        }
        if request.guard > self.raster().bits() {
            return invalid("guard", format!("{} is wider than the band", request.guard));
        }
        if request.k == 0 || request.k > MAX_PATHS {
            return invalid("k", format!("{} is not in 1..={MAX_PATHS}", request.k));
        }
        let ends = [&request.source.port, &request.destination.port];
        if request.tuning == Tuning::OfPorts && ends.contains(&&PortChoice::None) {
            return invalid("tuning", "the ports decide, but an end claims no port".to_owned());
        }
        if let Some(frequency) = request.frequency
            && FlexSlot::around(frequency, request.width_m).is_err()
        {
            return Err(LinkDbError::OffRaster { frequency: frequency.to_string() });
        }
        Ok(())
    }

    /// Checks that a stored spectrum is on the raster of this LinkDB.
    pub(super) fn check_raster(&self, link: &LinkId, stored: &LinkSpectrum) -> Result<(), LinkDbError> {
        if stored.raster == self.raster() {
            return Ok(());
        }
        Err(LinkDbError::Inconsistent {
            what: format!("the spectrum of link {link} is stored on another raster"),
        })
    }

    /// A stored spectrum, all free where there is none.
    pub(super) fn on_raster(
        &self,
        link: &LinkId,
        stored: Option<LinkSpectrum>,
    ) -> Result<LinkSpectrum, LinkDbError> {
        let Some(spectrum) = stored else { return Ok(LinkSpectrum::free(self.raster())) };
        self.check_raster(link, &spectrum)?;
        Ok(spectrum)
    }

    /// Keeps in `starts` those at which a slot lies whole in one of the bands of a link; no bands carry everything.
    pub(super) fn carried_starts(&self, bands: &[SpectrumWindow], width_m: u16, starts: &mut Slots) {
        if bands.is_empty() {
            return;
        }
        let mut carried = Slots::all_occupied(self.raster().bits());
        for band in bands {
            carried.unite(&self.raster().starts_in(*band, width_m));
        }
        starts.intersect(&carried);
    }

    pub(super) fn bits_of(&self, slot: FlexSlot) -> Result<(u16, u16), LinkDbError> {
        self.raster().bits_of(slot).map_err(|_| LinkDbError::Inconsistent {
            what: format!("slot n = {}, m = {} is outside the band", slot.n, slot.m),
        })
    }
}

impl Work<'_> {
    /// Allocates, or refuses and changes nothing.
    pub(super) fn allocate(&mut self, request: &AllocationRequest) -> Result<Arc<Grant>, LinkDbError> {
        self.db.check(request)?;
        let key = Grant::key(&request.connection_id);
        // Asked for together, so that a back end fetches them together.
        let stored = self.tx.get_shared(&key);
        let vop_grant = self.vop_grant(&request.vop);
        let table = self.paths();
        if let Some(grant) = stored? {
            if grant.request != *request {
                let what = format!("another connection {}", request.connection_id);
                return Err(LinkDbError::AlreadyExists { what });
            }
            return if grant.held {
                self.make_definite(Arc::unwrap_or_clone(grant)).map(Arc::new)
            } else {
                Ok(grant)
            };
        }
        let (vop_grant, _) = (vop_grant?, table?);
        let ends = self.ends(request)?;
        let ports = self.choose_ports(request)?;
        let found = self.find_between(request, ends, [ports[0].as_ref(), ports[1].as_ref()], None)?;
        let grant = Arc::new(self.grant_of(request, found, ports));
        self.within_quota(&vop_grant, grant.slot_links())?;
        self.take_under(&key, &grant)?;
        Ok(grant)
    }

    /// The ports to claim at both ends.
    pub(super) fn choose_ports(
        &mut self,
        request: &AllocationRequest,
    ) -> Result<[Option<Port>; 2], LinkDbError> {
        let source = self.db.choose_port_in(self.tx, &request.vop, &request.source)?;
        let destination = self.db.choose_port_in(self.tx, &request.vop, &request.destination)?;
        Ok([source, destination])
    }

    /// The grant of a place that was found.
    pub(super) fn grant_of(
        &self,
        request: &AllocationRequest,
        Found { path, slot, frequency }: Found,
        [source_port, destination_port]: [Option<Port>; 2],
    ) -> Grant {
        Grant {
            request: request.clone(),
            incarnation: Incarnation(self.tx.version()),
            path,
            slot,
            frequency,
            source_port: source_port.map(|port| port.at),
            destination_port: destination_port.map(|port| port.at),
            made_at: self.tx.time(),
            held: false,
            moving: None,
        }
    }

    /// The nodes of both ends.
    pub(super) fn ends(&mut self, request: &AllocationRequest) -> Result<(u32, u32), LinkDbError> {
        let table = self.paths()?;
        let node = |pop: &PopId| {
            table.graph().node(pop).ok_or_else(|| LinkDbError::UnknownPop { pop: pop.to_string() })
        };
        Ok((node(&request.source.pop)?, node(&request.destination.pop)?))
    }

    /// The place that a request gets with these ports, on a path without the link `avoid`.
    pub(super) fn find(
        &mut self,
        request: &AllocationRequest,
        ports: [Option<&Port>; 2],
        avoid: Option<&LinkId>,
    ) -> Result<Found, LinkDbError> {
        let ends = self.ends(request)?;
        self.find_between(request, ends, ports, avoid)
    }

    /// As [`Work::find`], with the nodes of both ends at hand.
    fn find_between(
        &mut self,
        request: &AllocationRequest,
        (source, destination): (u32, u32),
        ports: [Option<&Port>; 2],
        avoid: Option<&LinkId>,
    ) -> Result<Found, LinkDbError> {
        let (table, grant) = (self.paths()?, self.vop_grant(&request.vop)?);
        let legal = self.db.legal(request, ports, grant)?;
        let backwards = source > destination;
        if avoid.is_none() && request.constraints == Constraints::default() {
            let kept = table.between(source, destination, usize::from(request.k));
            return self.find_among(request, &table, &kept, backwards, &legal);
        }
        let mut constraints = request.constraints.clone();
        constraints.avoid.links.extend(avoid.cloned());
        let (from, to) = (&request.source.pop, &request.destination.pop);
        let chosen = table.constrained(from, to, usize::from(request.k), &constraints)?;
        self.find_among(request, &table, &chosen, false, &legal)
    }

    /// The place that a request gets on one of these paths, which run `backwards` or as asked.
    pub(super) fn find_among(
        &mut self,
        request: &AllocationRequest,
        table: &PathTable,
        paths: &[DensePath],
        backwards: bool,
        legal: &Legal,
    ) -> Result<Found, LinkDbError> {
        let Some((path, slot)) = self.place(request, table, paths, legal)? else {
            if paths.is_empty() {
                let (from, to) = (&request.source.pop, &request.destination.pop);
                let (source_pop, destination_pop) = (from.to_string(), to.to_string());
                return Err(LinkDbError::NoPath { source_pop, destination_pop });
            }
            let granted = paths.iter().any(|path| legal.is_granted_along(table.graph(), path));
            return Err(self.db.why_not(legal, paths.len(), granted));
        };
        let path = if backwards { describe(table, &path.reversed()) } else { describe(table, path) };
        let frequency = slot.centre().map_err(|_| inconsistent("a slot of the band has no centre"))?;
        Ok(Found { path: path?, slot, frequency })
    }

    /// The path and the slot that the request's policies choose; `None` where nothing fits.
    fn place<'p>(
        &mut self,
        request: &AllocationRequest,
        table: &PathTable,
        paths: &'p [DensePath],
        legal: &Legal,
    ) -> Result<Option<(&'p DensePath, FlexSlot)>, LinkDbError> {
        if legal.starts.free() == 0 {
            return Ok(None);
        }
        let chosen =
            request.path_policy.choose(paths.len(), |at| self.fit(request, table, &paths[at], legal))?;
        let Some((at, fit)) = chosen else { return Ok(None) };
        let slot = self.db.raster().slot_at(fit.start, legal.need());
        let slot = slot.map_err(|_| inconsistent("a start of the band has no slot"))?;
        Ok(Some((&paths[at], slot)))
    }

    fn fit(
        &mut self,
        request: &AllocationRequest,
        table: &PathTable,
        path: &DensePath,
        legal: &Legal,
    ) -> Result<Option<Fit>, LinkDbError> {
        let graph = table.graph();
        // What has to be fetched is fetched in one go.
        let mut missing = None;
        for &edge in &path.edges {
            match self.open_edge(graph, edge) {
                Err(LinkDbError::Store(StoreError::NotLoaded)) => missing = Some(StoreError::NotLoaded),
                opened => drop(opened?),
            }
        }
        missing.map_or(Ok(()), Err)?;
        let bits = self.db.raster().bits();
        let mut free = self.db.tuner.usable().clone();
        let (mut of_links, mut fullest) = (Vec::new(), 0);
        let mut starts = Cow::Borrowed(&*legal.starts);
        for &edge in &path.edges {
            if let Some(on_links) = &legal.on_links {
                let link = graph.link(edge).ok_or_else(|| inconsistent("a path leaves its graph"))?;
                starts.to_mut().intersect(on_links.of(link));
            }
            let bands = graph.bands(edge);
            if !bands.is_empty() {
                self.db.carried_starts(bands, legal.width_m(), starts.to_mut());
            }
            let spectrum = self.spectrum_of(graph, edge)?;
            if request.policy == Policy::LeastFragmenting {
                let mut of_link = Slots::all_free(bits);
                spectrum.free_for(request.guard, &mut of_link);
                of_links.push(of_link);
            }
            if request.path_policy == PathPolicy::LeastUsed {
                let used = |fibre: &Slots| u32::from(bits) - fibre.free();
                fullest = fullest.max(used(&spectrum.a_to_b)).max(used(&spectrum.b_to_a));
            }
            spectrum.free_for(request.guard, &mut free);
        }
        let search = Search::new(&free, legal.need()).at(&starts);
        let start = match request.policy {
            Policy::RandomFit => search.random(chance(&request.connection_id, self.tx.version().get())),
            Policy::LeastFragmenting => {
                search.least_fragmenting(of_links.iter().map(Slots::words), Loss::default())
            }
            policy => search.find(policy),
        };
        let fullest = u16::try_from(fullest).unwrap_or(u16::MAX);
        Ok(start.map(|start| Fit { start, fullest }))
    }
}

/// A word that is the same in every run of the same updater over the same view, and another for every connection and version:
/// FNV-1a over both, mixed as SplitMix64 does.
fn chance(connection: &ConnectionId, version: u64) -> u64 {
    let bytes = connection.as_str().bytes().chain(version.to_le_bytes());
    let hash = bytes.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    let mixed = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

pub(super) fn inconsistent(what: &str) -> LinkDbError {
    LinkDbError::Inconsistent { what: what.to_owned() }
}

/// A path in terms of ids.
pub(super) fn describe(table: &PathTable, path: &DensePath) -> Result<Path, LinkDbError> {
    let graph = table.graph();
    let pops: Option<Vec<_>> = path.nodes.iter().map(|&node| graph.pop(node).cloned()).collect();
    let hops: Option<Vec<_>> = path
        .edges
        .iter()
        .zip(path.nodes.iter())
        .map(|(&edge, &from)| {
            let (a, _) = graph.ends(edge)?;
            let direction = if a == from { Direction::AToB } else { Direction::BToA };
            Some(Hop { link: graph.link(edge)?.clone(), direction })
        })
        .collect();
    match (pops, hops) {
        (Some(pops), Some(hops)) => {
            let length = Length::from_metres(u32::try_from(path.length).unwrap_or(u32::MAX));
            Ok(Path { pops, hops, length })
        }
        _ => Err(inconsistent("a path leaves its graph")),
    }
}
