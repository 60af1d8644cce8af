//! Legal starts: where a slot may begin, apart from what is free.

use super::{AllocationRequest, LinkDb, LinkDbError, Tuning};
use crate::paths::{DensePath, Graph};
use crate::spectrum::VopGrant;
use crate::topology::Port;
use foldhash::fast::RandomState;
use ipowdm_core::capability::GridRange;
use ipowdm_core::grid::{Band, BandError, FlexSlot, SpectrumWindow};
use ipowdm_core::ids::LinkId;
use ipowdm_core::slots::Slots;
use ipowdm_core::units::Frequency;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Answers kept; all are dropped when there are more.
const MAX_KEPT: usize = 256;

/// Answers kept for grants, which are compared one by one.
const MAX_GRANTED: usize = 64;

/// Where modules can put a slot in the band.
#[derive(Debug)]
pub(super) struct Tuned {
    /// The width number of the slot: what was asked for, or a channel of the band's fixed grid.
    pub(super) width_m: u16,
    /// The starts at which it lies in usable spectrum, with a centre that the band and both modules have.
    pub(super) starts: Slots,
}

/// What a virtual operator may get of that, whatever the centre.
#[derive(Debug, Clone)]
struct Granted {
    grant: Arc<VopGrant>,
    tuning: Tuning,
    /// As it was asked for.
    width_m: u16,
    tuned: Arc<Tuned>,
    starts: Starts,
}

/// The starts that a virtual operator has.
#[derive(Debug, Clone)]
struct Starts {
    /// On some link.
    anywhere: Arc<Slots>,
    /// On each, where they are not the same on all.
    on_links: Option<Arc<StartsOnLinks>>,
}

/// The starts that a virtual operator has on each link.
#[derive(Debug)]
pub(super) struct StartsOnLinks {
    named: HashMap<LinkId, Slots, RandomState>,
    others: Slots,
}

impl StartsOnLinks {
    /// Those on a link.
    pub(super) fn of(&self, link: &LinkId) -> &Slots {
        self.named.get(link).unwrap_or(&self.others)
    }
}

/// The band, and what modules can do in it.
#[derive(Debug)]
pub(super) struct Tuner {
    band: Band,
    usable: Slots,
    kept: Mutex<HashMap<(Tuning, u16), Arc<Tuned>, RandomState>>,
    /// The answers used last, for grants that have not changed since.
    granted: Mutex<Vec<Granted>>,
}

impl Tuner {
    pub(super) fn new(band: Band) -> Self {
        Self { usable: band.usable(), band, kept: Mutex::default(), granted: Mutex::default() }
    }

    pub(super) const fn band(&self) -> &Band {
        &self.band
    }

    /// What may carry signals at all.
    pub(super) const fn usable(&self) -> &Slots {
        &self.usable
    }

    /// The legal starts of a width. `tuning` is not [`Tuning::OfPorts`].
    fn tuned(&self, tuning: Tuning, width_m: u16) -> Result<Arc<Tuned>, BandError> {
        let key = (tuning, width_m);
        // The map is whole between any two of its own calls, so a poisoned lock guards sound data.
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(tuned) = kept.get(&key) {
            return Ok(Arc::clone(tuned));
        }
        let tuned = Arc::new(self.compute(&key.0, width_m)?);
        if kept.len() >= MAX_KEPT {
            kept.clear();
        }
        kept.insert(key, Arc::clone(&tuned));
        Ok(tuned)
    }

    /// The legal starts of a width in the windows of a virtual operator. `tuning` is not [`Tuning::OfPorts`].
    fn granted(
        &self,
        tuning: Tuning,
        width_m: u16,
        grant: &Arc<VopGrant>,
    ) -> Result<(Arc<Tuned>, Starts), BandError> {
        let lock = || self.granted.lock().unwrap_or_else(PoisonError::into_inner);
        // An unchanged grant is read as the same instance.
        let known = |kept: &&Granted| {
            Arc::ptr_eq(&kept.grant, grant) && kept.width_m == width_m && kept.tuning == tuning
        };
        if let Some(Granted { tuned, starts, .. }) = lock().iter().find(known) {
            return Ok((Arc::clone(tuned), starts.clone()));
        }
        let tuned = self.tuned(tuning.clone(), width_m)?;
        let starts = self.starts(&tuned, grant);
        let mut granted = lock();
        if granted.len() >= MAX_GRANTED {
            granted.clear();
        }
        let (grant, tuned_too, starts_too) = (Arc::clone(grant), Arc::clone(&tuned), starts.clone());
        granted.push(Granted { grant, tuning, width_m, tuned: tuned_too, starts: starts_too });
        Ok((tuned, starts))
    }

    /// What a virtual operator may get of what modules can do.
    fn starts(&self, tuned: &Tuned, grant: &VopGrant) -> Starts {
        let raster = self.band.raster();
        let within = |windows: &[SpectrumWindow]| {
            let mut starts = Slots::all_occupied(raster.bits());
            for window in windows {
                starts.unite(&raster.starts_in(*window, tuned.width_m));
            }
            starts.intersect(&tuned.starts);
            starts
        };
        let others = within(&grant.windows);
        if grant.on_links.is_empty() {
            return Starts { anywhere: Arc::new(others), on_links: None };
        }
        let named: HashMap<_, _, _> =
            grant.on_links.iter().map(|(link, windows)| (link.clone(), within(windows))).collect();
        let mut anywhere = others.clone();
        named.values().for_each(|starts| anywhere.unite(starts));
        let on_links = Some(Arc::new(StartsOnLinks { named, others }));
        Starts { anywhere: Arc::new(anywhere), on_links }
    }

    fn compute(&self, tuning: &Tuning, width_m: u16) -> Result<Tuned, BandError> {
        let raster = self.band.raster();
        let (width_m, mut starts) = self.band.starts(width_m)?;
        match tuning {
            Tuning::Raster | Tuning::OfPorts => {}
            Tuning::Grid(grid) => {
                starts.intersect(&raster.starts_on(*grid, i16::MIN..=i16::MAX, width_m));
            }
            Tuning::Modules { source, destination } => {
                for ranges in [source, destination] {
                    let mut module = Slots::all_occupied(raster.bits());
                    for GridRange { grid, low_channel, high_channel } in ranges {
                        module.unite(&raster.starts_on(*grid, *low_channel..=*high_channel, width_m));
                    }
                    starts.intersect(&module);
                }
            }
        }
        Ok(Tuned { width_m, starts })
    }
}

/// What one request may get.
pub(super) struct Legal {
    tuning: Tuning,
    frequency: Option<Frequency>,
    grant: Arc<VopGrant>,
    tuned: Arc<Tuned>,
    /// The legal starts, be it on some links only.
    pub(super) starts: Arc<Slots>,
    /// Those that the operator has on each link, where they are not the same on all.
    pub(super) on_links: Option<Arc<StartsOnLinks>>,
}

impl Legal {
    /// The width number of the slot to be granted.
    pub(super) fn width_m(&self) -> u16 {
        self.tuned.width_m
    }

    /// Whether the operator has a legal start on all links of a path.
    pub(super) fn is_granted_along(&self, graph: &Graph, path: &DensePath) -> bool {
        let Some(on_links) = &self.on_links else { return self.starts.free() > 0 };
        let mut starts = Slots::clone(&self.starts);
        path.edges
            .iter()
            .filter_map(|&edge| graph.link(edge))
            .for_each(|link| starts.intersect(on_links.of(link)));
        starts.free() > 0
    }

    /// Steps of the slot to be granted.
    pub(super) fn need(&self) -> u16 {
        self.tuned.width_m.saturating_mul(2)
    }
}

impl LinkDb {
    /// What a request may get at these ports.
    pub(super) fn legal(
        &self,
        request: &AllocationRequest,
        ports: [Option<&Port>; 2],
        grant: Arc<VopGrant>,
    ) -> Result<Legal, LinkDbError> {
        let tuning = tuning(request, ports)?;
        let granted = self.tuner.granted(tuning.clone(), request.width_m, &grant);
        let (tuned, Starts { anywhere: mut starts, on_links }) =
            granted.map_err(|error| LinkDbError::Invalid { field: "width_m", reason: error.to_string() })?;
        if let Some(asked) = request.frequency {
            Arc::make_mut(&mut starts).intersect(&self.raster().starts_at(asked, tuned.width_m));
        }
        Ok(Legal { tuning, frequency: request.frequency, grant, tuned, starts, on_links })
    }

    /// Whether it is the modules, the grant or the traffic that leaves no slot. `granted` says whether the operator has any
    /// legal start on all links of some path.
    pub(super) fn why_not(&self, legal: &Legal, paths: usize, granted: bool) -> LinkDbError {
        let width_mhz = FlexSlot::width_of(legal.width_m());
        let tuned = &legal.tuned.starts;
        let at_asked = |asked| {
            let mut starts = self.raster().starts_at(asked, legal.width_m());
            starts.intersect(tuned);
            starts.free() > 0
        };
        if tuned.free() == 0 {
            LinkDbError::NoCommonChannel { width_mhz }
        } else if let Some(asked) = legal.frequency.filter(|asked| !at_asked(*asked)) {
            let frequency = asked.to_string();
            if self.raster().window().holds(asked, width_mhz) && reaches(&legal.tuning, asked) {
                LinkDbError::OffGrid { frequency }
            } else {
                LinkDbError::OutOfRange { frequency, width_mhz }
            }
        } else if legal.starts.free() == 0 || !granted {
            LinkDbError::NotGranted { vop: legal.grant.vop.to_string(), width_mhz }
        } else {
            LinkDbError::NoSpectrum { paths, width_mhz }
        }
    }
}

/// The tunable channels of both ends, where the ports are to say so.
fn tuning(request: &AllocationRequest, ports: [Option<&Port>; 2]) -> Result<Tuning, LinkDbError> {
    if request.tuning != Tuning::OfPorts {
        return Ok(request.tuning.clone());
    }
    let grids = |port: Option<&Port>| {
        // `check` has seen that both ends claim a port.
        let Some(port) = port else { return Ok::<_, LinkDbError>(Vec::new()) };
        let capability = port.capability.as_ref();
        let capability =
            capability.ok_or_else(|| LinkDbError::UnknownCapability { port: port.at.to_string() })?;
        Ok(capability.grids.to_vec())
    };
    let [source, destination] = ports;
    Ok(Tuning::Modules { source: grids(source)?, destination: grids(destination)? })
}

/// Whether the centre lies between channels of both modules, be it one itself or not.
fn reaches(tuning: &Tuning, centre: Frequency) -> bool {
    let edge = |range: &GridRange, n| range.grid.frequency(n).ok();
    let between = |range: &GridRange| {
        edge(range, range.low_channel).is_some_and(|low| low <= centre)
            && edge(range, range.high_channel).is_some_and(|high| centre <= high)
    };
    match tuning {
        Tuning::Raster | Tuning::Grid(_) | Tuning::OfPorts => true,
        Tuning::Modules { source, destination } => {
            [source, destination].iter().all(|ranges| ranges.iter().any(between))
        }
    }
}
