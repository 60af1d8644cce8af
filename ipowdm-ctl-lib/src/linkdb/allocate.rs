//! Allocation: ports, the first path with room, the lowest legal slot, in one transaction.

use super::{
    AllocationRequest, Direction, Grant, Hop, LinkDb, LinkDbError, MAX_PATHS, Path, PortChoice, Tuning,
};
use crate::paths::{DensePath, PathTable};
use crate::spectrum::{Incarnation, LinkSpectrum, PortClaim, SlotOwner, VopConnection, VopGrant};
use crate::store::Tx;
use crate::topology::Port;
use ipowdm_core::capability::GridRange;
use ipowdm_core::grid::{FlexSlot, Raster};
use ipowdm_core::ids::LinkId;
use ipowdm_core::slots::{Policy, Search, Slots};
use ipowdm_core::units::{Frequency, Length};
use std::collections::HashMap;
use std::collections::hash_map::Entry;

/// Which centres a request may get, apart from what is free.
struct Legal {
    width_m: u16,
    width_mhz: u32,
    frequency: Option<Frequency>,
    tuning: Tunable,
    grant: VopGrant,
}

enum Tunable {
    Raster,
    Ranges(Vec<Vec<GridRange>>),
    Grid(ipowdm_core::grid::Grid),
}

impl Tunable {
    /// The starts of slots of width `m` at whose centre both modules have a channel.
    fn starts(&self, raster: Raster, m: u16) -> Slots {
        let mut starts = raster.starts(m);
        match self {
            Self::Raster => {}
            Self::Grid(grid) => starts.intersect(&raster.starts_on(*grid, i16::MIN..=i16::MAX, m)),
            Self::Ranges(modules) => {
                for ranges in modules {
                    let mut module = Slots::all_occupied(raster.bits());
                    for GridRange { grid, low_channel, high_channel } in ranges {
                        module.unite(&raster.starts_on(*grid, *low_channel..=*high_channel, m));
                    }
                    starts.intersect(&module);
                }
            }
        }
        starts
    }

    /// Whether the centre lies between channels of both modules, be it one itself or not.
    fn reaches(&self, centre: Frequency) -> bool {
        let edge = |range: &GridRange, n| range.grid.frequency(n).ok();
        let between = |range: &GridRange| {
            edge(range, range.low_channel).is_some_and(|low| low <= centre)
                && edge(range, range.high_channel).is_some_and(|high| centre <= high)
        };
        match self {
            Self::Raster | Self::Grid(_) => true,
            Self::Ranges(modules) => modules.iter().all(|ranges| ranges.iter().any(between)),
        }
    }
}

impl Legal {
    /// The starts of slots to whose centre both modules can tune, and it is the one asked for where one was.
    fn tuned(&self, raster: Raster) -> Slots {
        let mut starts = self.tuning.starts(raster, self.width_m);
        if let Some(asked) = self.frequency {
            starts.intersect(&raster.starts_at(asked, self.width_m));
        }
        starts
    }

    /// The starts of those of them that lie in the grant.
    fn starts(&self, raster: Raster) -> Slots {
        let mut granted = Slots::all_occupied(raster.bits());
        for window in &self.grant.windows {
            granted.unite(&raster.starts_in(*window, self.width_m));
        }
        granted.intersect(&self.tuned(raster));
        granted
    }
}

/// The spectrum of the links looked at so far.
type Seen = HashMap<u32, LinkSpectrum>;

impl LinkDb {
    /// Allocates in a transaction of its own, see [`LinkDb::allocate_in`].
    ///
    /// # Errors
    /// As [`LinkDb::allocate_in`].
    pub async fn allocate(&self, request: AllocationRequest) -> Result<Grant, LinkDbError> {
        self.store.transact(|tx| self.allocate_in(tx, &request)).await
    }

    /// Takes ports and spectrum for a connection: the first of the `k` shortest paths on which a legal slot is free on
    /// both fibres of every link, and there the slot of the lowest centre. All of it, or nothing.
    ///
    /// A connection that has a grant for an equal request keeps it.
    ///
    /// # Errors
    /// [`LinkDbError`]; [`LinkDbError::AlreadyExists`] where the connection has a grant for another request. The caller's
    /// transaction must not commit after an error.
    pub fn allocate_in(&self, tx: &mut Tx, request: &AllocationRequest) -> Result<Grant, LinkDbError> {
        self.check(request)?;
        let key = Grant::key(&request.connection_id);
        if let Some(grant) = tx.get(&key)? {
            if grant.request == *request {
                return Ok(grant);
            }
            return Err(LinkDbError::AlreadyExists { what: format!("connection {}", request.connection_id) });
        }
        let vop_grant = tx
            .get(&VopGrant::key(&request.vop))?
            .ok_or_else(|| LinkDbError::UnknownVop { vop: request.vop.to_string() })?;
        let table = self.paths_in(tx)?;
        let node = |pop: &ipowdm_core::ids::PopId| {
            table.graph().node(pop).ok_or_else(|| LinkDbError::UnknownPop { pop: pop.to_string() })
        };
        let (source, destination) = (node(&request.source.pop)?, node(&request.destination.pop)?);
        let source_port = self.choose_port_in(tx, &request.vop, &request.source)?;
        let destination_port = self.choose_port_in(tx, &request.vop, &request.destination)?;
        let legal = Legal {
            width_m: request.width_m,
            width_mhz: FlexSlot::width_of(request.width_m),
            frequency: request.frequency,
            tuning: tunable(request, source_port.as_ref(), destination_port.as_ref())?,
            grant: vop_grant,
        };
        let paths = table.between(source, destination, usize::from(request.k));
        let (path, slot, seen) = self.first_path_in(tx, &table, &paths, &legal)?.ok_or_else(|| {
            if paths.is_empty() {
                let (from, to) = (&request.source.pop, &request.destination.pop);
                LinkDbError::NoPath { source_pop: from.to_string(), destination_pop: to.to_string() }
            } else {
                self.why_not(&legal, paths.len())
            }
        })?;
        let frequency = slot.centre().map_err(|_| inconsistent("a slot of the band has no centre"))?;
        let path = if source > destination { path.reversed() } else { path };
        let grant = Grant {
            request: request.clone(),
            incarnation: Incarnation(tx.version()),
            path: describe(&table, &path)?,
            slot,
            frequency,
            source_port: source_port.map(|port| port.at),
            destination_port: destination_port.map(|port| port.at),
        };
        self.take_in(tx, &grant, &path, seen)?;
        tx.put(&key, &grant)?;
        Ok(grant)
    }

    fn check(&self, request: &AllocationRequest) -> Result<(), LinkDbError> {
        let invalid = |field, reason: String| Err(LinkDbError::Invalid { field, reason });
        if request.source.pop == request.destination.pop {
            return Err(LinkDbError::SamePop { pop: request.source.pop.to_string() });
        }
        let widest = self.raster.bits() / 2;
        if request.width_m == 0 || request.width_m > widest {
            return invalid("width_m", format!("{} is not in 1..={widest}", request.width_m));
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

    /// The first path with room, the slot on it, and the spectrum of all links looked at.
    fn first_path_in(
        &self,
        tx: &mut Tx,
        table: &PathTable,
        paths: &[DensePath],
        legal: &Legal,
    ) -> Result<Option<(DensePath, FlexSlot, Seen)>, LinkDbError> {
        let mut seen = Seen::new();
        let starts = legal.starts(self.raster);
        let need = legal.width_m.saturating_mul(2);
        for path in paths {
            let mut free = Slots::all_free(self.raster.bits());
            for &edge in &path.edges {
                let spectrum = match seen.entry(edge) {
                    Entry::Occupied(entry) => entry.into_mut(),
                    Entry::Vacant(entry) => entry.insert(self.spectrum_in(tx, link_of(table, edge)?)?),
                };
                free.intersect(&spectrum.a_to_b);
                free.intersect(&spectrum.b_to_a);
            }
            if let Some(first) = Search::new(&free, need).at(&starts).find(Policy::FirstFit) {
                let slot = self.raster.slot_at(first, need);
                let slot = slot.map_err(|_| inconsistent("a start of the band has no slot"))?;
                return Ok(Some((path.clone(), slot, seen)));
            }
        }
        Ok(None)
    }

    /// Whether it is the modules, the grant or the traffic that leaves no slot.
    fn why_not(&self, legal: &Legal, paths: usize) -> LinkDbError {
        let width_mhz = legal.width_mhz;
        if legal.tuning.starts(self.raster, legal.width_m).free() == 0 {
            LinkDbError::NoCommonChannel { width_mhz }
        } else if let Some(asked) = legal.frequency.filter(|_| legal.tuned(self.raster).free() == 0) {
            let frequency = asked.to_string();
            if self.raster.window().holds(asked, width_mhz) && legal.tuning.reaches(asked) {
                LinkDbError::OffGrid { frequency }
            } else {
                LinkDbError::OutOfRange { frequency, width_mhz }
            }
        } else if legal.starts(self.raster).free() == 0 {
            LinkDbError::NotGranted { vop: legal.grant.vop.to_string(), width_mhz }
        } else {
            LinkDbError::NoSpectrum { paths, width_mhz }
        }
    }

    /// Writes the slot, its owners, the port claims and the index.
    fn take_in(
        &self,
        tx: &mut Tx,
        grant: &Grant,
        path: &DensePath,
        mut seen: Seen,
    ) -> Result<(), LinkDbError> {
        let (first, count) = self.bits_of(grant.slot)?;
        let owner = grant.owner();
        for (edge, hop) in path.edges.iter().zip(&grant.path.hops) {
            let mut spectrum = seen.remove(edge).ok_or_else(|| inconsistent("a path uses a link twice"))?;
            for fibre in [&mut spectrum.a_to_b, &mut spectrum.b_to_a] {
                fibre.take(first, count).map_err(|error| LinkDbError::Inconsistent {
                    what: format!("the slot found on link {} cannot be taken: {error}", hop.link),
                })?;
            }
            tx.put(&LinkSpectrum::key(&hop.link), &spectrum)?;
            tx.put(&SlotOwner::key(&hop.link, first), &SlotOwner { owner: owner.clone(), slot: grant.slot })?;
        }
        for port in grant.ports() {
            tx.put(&PortClaim::key(port), &PortClaim { owner: owner.clone() })?;
        }
        tx.put(&VopConnection::key(&grant.request.vop, &owner.connection_id), &VopConnection)?;
        Ok(())
    }

    /// The spectrum of a link; all free where there is no record.
    pub(super) fn spectrum_in(&self, tx: &mut Tx, link: &LinkId) -> Result<LinkSpectrum, LinkDbError> {
        let stored = tx.get(&LinkSpectrum::key(link))?;
        self.on_raster(link, stored)
    }

    /// A stored spectrum, checked to be on the raster of this LinkDB.
    pub(super) fn on_raster(
        &self,
        link: &LinkId,
        stored: Option<LinkSpectrum>,
    ) -> Result<LinkSpectrum, LinkDbError> {
        let Some(spectrum) = stored else { return Ok(LinkSpectrum::free(self.raster)) };
        let bits = self.raster.bits();
        if spectrum.raster != self.raster || spectrum.a_to_b.bits() != bits || spectrum.b_to_a.bits() != bits
        {
            return Err(LinkDbError::Inconsistent {
                what: format!("the spectrum of link {link} is stored on another raster"),
            });
        }
        Ok(spectrum)
    }

    pub(super) fn bits_of(&self, slot: FlexSlot) -> Result<(u16, u16), LinkDbError> {
        self.raster.bits_of(slot).map_err(|_| LinkDbError::Inconsistent {
            what: format!("slot n = {}, m = {} is outside the band", slot.n, slot.m),
        })
    }
}

/// The tunable channels of both ends.
fn tunable(
    request: &AllocationRequest,
    source: Option<&Port>,
    destination: Option<&Port>,
) -> Result<Tunable, LinkDbError> {
    Ok(match &request.tuning {
        Tuning::Raster => Tunable::Raster,
        Tuning::Grid(grid) => Tunable::Grid(*grid),
        Tuning::Modules { source, destination } => Tunable::Ranges(vec![source.clone(), destination.clone()]),
        Tuning::OfPorts => {
            let mut modules = Vec::with_capacity(2);
            for port in [source, destination].into_iter().flatten() {
                let capability = port
                    .capability
                    .as_ref()
                    .ok_or_else(|| LinkDbError::UnknownCapability { port: port.at.to_string() })?;
                modules.push(capability.grids.to_vec());
            }
            Tunable::Ranges(modules)
        }
    })
}

fn inconsistent(what: &str) -> LinkDbError {
    LinkDbError::Inconsistent { what: what.to_owned() }
}

fn link_of(table: &PathTable, edge: u32) -> Result<&LinkId, LinkDbError> {
    table.graph().link(edge).ok_or_else(|| inconsistent("a path uses a link that its graph does not have"))
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
