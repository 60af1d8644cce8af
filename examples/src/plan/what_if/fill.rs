//! Channels are taken until none fits.

use super::planner::Planner;
use super::{Options, WhatIfError};
use crate::plan::progress::Progress;
use ipowdm_core::grid::{Band, Centres, FlexSlot, Grid, Raster, SpectrumWindow};
use ipowdm_core::ids::{LinkId, PopId, VopId};
use ipowdm_core::modes::CATALOGUE;
use ipowdm_core::slots::{Search, Slots};
use ipowdm_core::units::Frequency;
use ipowdm_ctl_lib::linkdb::{
    AllocationRequest, Endpoint, Grant, LinkDb, LinkDbError, Path, SpectrumMap, Tuning,
};
use ipowdm_ctl_lib::topology::FibreLink;
use std::collections::HashMap;

/// What is asked, in terms of the library.
#[derive(Debug, Clone)]
pub(super) struct Question {
    pub(super) from: PopId,
    pub(super) to: PopId,
    /// What the mode is called.
    pub(super) mode: String,
    /// Width in 12.5 GHz.
    pub(super) width_m: u16,
    pub(super) tuning: Tuning,
    pub(super) k: u16,
    pub(super) band: Band,
    vop: Option<VopId>,
}

/// A channel that would fit.
#[derive(Debug, Clone)]
pub(super) struct Channel {
    pub(super) frequency: Frequency,
    pub(super) slot: FlexSlot,
    /// Number of its path among the candidates.
    pub(super) path: usize,
    /// Share of what is usable that is taken on each link of its path, in thousandths, with this channel on it.
    pub(super) used: Vec<(LinkId, u16)>,
}

impl Channel {
    /// The fullest link of its path: the first one of several.
    pub(super) fn fullest(&self) -> Option<&(LinkId, u16)> {
        self.used.iter().rev().max_by_key(|(_, used)| *used)
    }
}

/// A link of the candidate paths.
#[derive(Debug, Clone)]
pub(super) struct Link {
    pub(super) id: LinkId,
    pub(super) ends: (PopId, PopId),
    /// What may carry signals at all, on the link and in the band.
    pub(super) usable: Slots,
    /// What was taken before on either fibre, as (first bit, number of bits).
    pub(super) before: Vec<(u16, u16)>,
    /// After how many channels it had no room for another one of this operator, whatever the rest of the path; `None` where it
    /// has.
    pub(super) full_after: Option<usize>,
    /// Share of what is usable that is taken, in thousandths, before and after.
    pub(super) used: (u16, u16),
}

/// The answer.
#[derive(Debug, Clone)]
pub(super) struct Answer {
    pub(super) question: Question,
    pub(super) paths: Vec<Path>,
    pub(super) links: Vec<Link>,
    pub(super) channels: Vec<Channel>,
    /// Why there is not one more.
    pub(super) refusal: String,
}

impl Answer {
    /// The links that were full first, by the number of channels after which they were.
    pub(super) fn full_first(&self) -> Option<(usize, Vec<&Link>)> {
        let first = self.links.iter().filter_map(|link| link.full_after).min()?;
        Some((first, self.links.iter().filter(|link| link.full_after == Some(first)).collect()))
    }
}

impl TryFrom<&Options> for Question {
    type Error = WhatIfError;

    fn try_from(options: &Options) -> Result<Self, WhatIfError> {
        let (mode, width_m) = mode(&options.mode)?;
        let band =
            Band::by_name(&options.band).ok_or_else(|| WhatIfError::Band { band: options.band.clone() })?;
        let centres = Centres::by_name(&options.centres)
            .ok_or_else(|| WhatIfError::Centres { centres: options.centres.clone() })?;
        let guard = options.edge_guard.saturating_mul(1_000);
        let band = band.with_centres(centres).with_edge_guard(guard)?;
        // Modules have a grid of the channel's width where there is one.
        let width = FlexSlot::width_of(width_m);
        let grid = Grid::COARSEST_FIRST.into_iter().find(|grid| grid.spacing_mhz() == width);
        Ok(Self {
            from: PopId::new(&options.from)?,
            to: PopId::new(&options.to)?,
            mode,
            width_m,
            tuning: grid.map_or(Tuning::Raster, Tuning::Grid),
            k: options.k,
            band,
            vop: options.vop.as_deref().map(VopId::new).transpose()?,
        })
    }
}

/// Name and width of a mode.
fn mode(text: &str) -> Result<(String, u16), WhatIfError> {
    if let Some(mode) = CATALOGUE.iter().find(|mode| mode.name.eq_ignore_ascii_case(text)) {
        return Ok((mode.name.to_owned(), mode.width_m));
    }
    let unknown = || WhatIfError::Mode {
        mode: text.to_owned(),
        known: CATALOGUE.iter().map(|mode| mode.name).collect(),
    };
    let ghz: f64 = text.parse().map_err(|_| unknown())?;
    let steps = ghz / 12.5;
    if !(1.0..=128.0).contains(&steps) {
        return Err(unknown());
    }
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "1 to 128 by the check above"
    )]
    let width_m = steps.ceil() as u16;
    Ok((format!("{ghz} GHz"), width_m))
}

impl Question {
    /// Width of a channel as it is granted, in 12.5 GHz: on a fixed grid, that of the grid's channels.
    fn granted_m(&self) -> Result<u16, WhatIfError> {
        Ok(self.band.width(self.width_m)?)
    }

    /// Starts that a channel may have on an empty link, inside what an operator may use.
    fn starts(&self, windows: &[SpectrumWindow]) -> Result<Slots, WhatIfError> {
        let raster = self.band.raster();
        let (width_m, mut starts) = self.band.starts(self.width_m)?;
        if let Tuning::Grid(grid) = &self.tuning {
            starts.intersect(&raster.starts_on(*grid, i16::MIN..=i16::MAX, width_m));
        }
        starts.intersect(&within(raster, windows, width_m));
        Ok(starts)
    }
}

/// Starts of slots that lie whole in one of the windows.
fn within(raster: Raster, windows: &[SpectrumWindow], width_m: u16) -> Slots {
    let mut starts = Slots::all_occupied(raster.bits());
    windows.iter().for_each(|window| starts.unite(&raster.starts_in(*window, width_m)));
    starts
}

/// The share of what is usable on a link's two fibres that is taken, in thousandths.
fn share_used(map: &SpectrumMap, usable: &Slots) -> u16 {
    let free_of = |fibre: &Slots| {
        let mut free = usable.clone();
        free.intersect(fibre);
        free.free()
    };
    let (whole, free) = (2 * usable.free(), free_of(&map.spectrum.a_to_b) + free_of(&map.spectrum.b_to_a));
    let share = (1_000 * (whole - free)).checked_div(whole).unwrap_or(0);
    u16::try_from(share).unwrap_or(1_000)
}

/// A link, and where on it a channel may begin.
struct Watched {
    link: Link,
    starts: Slots,
    need: u16,
}

impl Watched {
    /// Whether the link, by itself, has room for one more channel.
    fn has_room(&self, map: &SpectrumMap) -> bool {
        let mut free = Slots::all_free(self.starts.bits());
        map.spectrum.free_for(0, &mut free);
        Search::new(&free, self.need).at(&self.starts).first().is_some()
    }
}

/// Asks for channels until there is no room.
pub(super) async fn fill(db: &LinkDb, question: Question) -> Result<Answer, WhatIfError> {
    let planner = Planner::of(db, question.vop.as_ref()).await?;
    let paths = db.candidate_paths(&question.from, &question.to, question.k).await?;
    let mut links = links_of(db, &paths, &question, &planner).await?;
    let mut channels: Vec<Channel> = Vec::new();
    let room = usize::from(db.raster().bits() / (2 * question.width_m)) * paths.len().max(1);
    let progress = Progress::over(u64::try_from(room).unwrap_or(u64::MAX));
    let refusal = loop {
        let id = planner.connection(channels.len() + 1)?;
        let (source, destination) = (Endpoint::at(question.from.clone()), Endpoint::at(question.to.clone()));
        let request = AllocationRequest {
            tuning: question.tuning.clone(),
            k: question.k,
            ..AllocationRequest::new(id, planner.vop.clone(), source, destination, question.width_m)
        };
        let grant = match db.allocate(request).await {
            Ok(grant) => grant,
            // The other refusals say that the question is wrong; where channels have fitted it was not.
            Err(error @ LinkDbError::NoSpectrum { .. }) => break error.to_string(),
            Err(error) if !channels.is_empty() => break error.to_string(),
            Err(error) => return Err(error.into()),
        };
        channels.push(taken(db, &paths, &mut links, &grant, channels.len() + 1).await?);
        progress.advance();
    };
    Ok(Answer {
        question,
        paths,
        links: links.into_iter().map(|watched| watched.link).collect(),
        channels,
        refusal,
    })
}

/// The links of the paths, in the order in which the paths meet them.
async fn links_of(
    db: &LinkDb,
    paths: &[Path],
    question: &Question,
    planner: &Planner,
) -> Result<Vec<Watched>, WhatIfError> {
    let raster = question.band.raster();
    let (width_m, need) = (question.granted_m()?, 2 * question.granted_m()?);
    let known: HashMap<LinkId, FibreLink> =
        db.links().await?.into_iter().map(|link| (link.id.clone(), link)).collect();
    let mut links: Vec<Watched> = Vec::new();
    for path in paths {
        for (hop, ends) in path.hops.iter().zip(path.pops.windows(2)) {
            if links.iter().any(|watched| watched.link.id == hop.link) {
                continue;
            }
            let map = db.spectrum(&hop.link).await?;
            let mut usable = question.band.usable();
            let mut starts = question.starts(planner.grant.windows_on(&hop.link))?;
            if let Some(link) = known.get(&hop.link) {
                usable.intersect(&link.carried(raster));
                // A link without bands carries everything.
                if !link.bands.is_empty() {
                    starts.intersect(&within(raster, &link.bands, width_m));
                }
            }
            let used = share_used(&map, &usable);
            let link = Link {
                id: hop.link.clone(),
                ends: (ends[0].clone(), ends[1].clone()),
                usable,
                before: map.spectrum.occupants().map(|taken| (taken.first, taken.count)).collect(),
                full_after: None,
                used: (used, used),
            };
            let mut watched = Watched { link, starts, need };
            watched.link.full_after = (!watched.has_room(&map)).then_some(0);
            links.push(watched);
        }
    }
    Ok(links)
}

/// What a channel does to the links of its path.
async fn taken(
    db: &LinkDb,
    paths: &[Path],
    links: &mut [Watched],
    grant: &Grant,
    number: usize,
) -> Result<Channel, WhatIfError> {
    let mut used = Vec::with_capacity(grant.path.hops.len());
    for hop in &grant.path.hops {
        let Some(watched) = links.iter_mut().find(|watched| watched.link.id == hop.link) else { continue };
        let map = db.spectrum(&hop.link).await?;
        let share = share_used(&map, &watched.link.usable);
        used.push((hop.link.clone(), share));
        watched.link.used.1 = share;
        if watched.link.full_after.is_none() && !watched.has_room(&map) {
            watched.link.full_after = Some(number);
        }
    }
    let path = paths.iter().position(|path| *path == grant.path).unwrap_or(paths.len());
    Ok(Channel { frequency: grant.frequency, slot: grant.slot, path, used })
}
