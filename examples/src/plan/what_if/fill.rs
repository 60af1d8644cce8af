//! Channels are taken until none fits.

use super::planner::Planner;
use super::{Options, WhatIfError};
use crate::plan::progress::Progress;
use ipowdm_core::grid::{Band, FlexSlot, Grid};
use ipowdm_core::ids::{LinkId, PopId, VopId};
use ipowdm_core::modes::CATALOGUE;
use ipowdm_core::slots::{Search, Slots};
use ipowdm_core::units::Frequency;
use ipowdm_ctl_lib::linkdb::{
    AllocationRequest, Endpoint, Grant, LinkDb, LinkDbError, Path, SpectrumMap, Tuning,
};
use std::collections::BTreeMap;

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
    /// Occupied share of each link of its path in thousandths, with this channel on it.
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
    /// Slots that were taken before.
    pub(super) before: Vec<FlexSlot>,
    /// After how many channels it had no room for another one, whatever the rest of the path; `None` where it has.
    pub(super) full_after: Option<usize>,
    /// Occupied share in thousandths, before and after.
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
    /// Starts that a channel may have on an empty link.
    fn starts(&self) -> Slots {
        let raster = self.band.raster();
        match &self.tuning {
            Tuning::Grid(grid) => raster.starts_on(*grid, i16::MIN..=i16::MAX, self.width_m),
            _ => raster.starts(self.width_m),
        }
    }

    /// Whether a link, by itself, has room for one more channel.
    fn has_room(&self, map: &SpectrumMap, starts: &Slots) -> bool {
        Search::new(&free(map), 2 * self.width_m).at(starts).first().is_some()
    }
}

/// What is free on both fibres of a link.
fn free(map: &SpectrumMap) -> Slots {
    let mut free = map.spectrum.a_to_b.clone();
    free.intersect(&map.spectrum.b_to_a);
    free
}

/// Asks for channels until there is no room.
pub(super) async fn fill(db: &LinkDb, question: Question) -> Result<Answer, WhatIfError> {
    let planner = Planner::of(db, question.vop.as_ref()).await?;
    let paths = db.candidate_paths(&question.from, &question.to, question.k).await?;
    let starts = question.starts();
    let mut links = links_of(db, &paths, &question, &starts).await?;
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
        channels.push(taken(db, &question, &paths, &mut links, &starts, &grant, channels.len() + 1).await?);
        progress.advance();
    };
    Ok(Answer {
        question,
        paths,
        links: links.into_values().map(|(_, link)| link).collect(),
        channels,
        refusal,
    })
}

/// The links of the paths, in the order in which the paths meet them.
type Links = BTreeMap<usize, (LinkId, Link)>;

async fn links_of(
    db: &LinkDb,
    paths: &[Path],
    question: &Question,
    starts: &Slots,
) -> Result<Links, WhatIfError> {
    let mut links = Links::new();
    for path in paths {
        for (hop, ends) in path.hops.iter().zip(path.pops.windows(2)) {
            if links.values().any(|(id, _)| *id == hop.link) {
                continue;
            }
            let map = db.spectrum(&hop.link).await?;
            let used = db.utilisation(&hop.link).await?.per_mille();
            let link = Link {
                id: hop.link.clone(),
                ends: (ends[0].clone(), ends[1].clone()),
                before: map.owners.iter().map(|owner| owner.slot).collect(),
                full_after: (!question.has_room(&map, starts)).then_some(0),
                used: (used, used),
            };
            links.insert(links.len(), (hop.link.clone(), link));
        }
    }
    Ok(links)
}

/// What a channel does to the links of its path.
async fn taken(
    db: &LinkDb,
    question: &Question,
    paths: &[Path],
    links: &mut Links,
    starts: &Slots,
    grant: &Grant,
    number: usize,
) -> Result<Channel, WhatIfError> {
    let mut used = Vec::with_capacity(grant.path.hops.len());
    for hop in &grant.path.hops {
        let share = db.utilisation(&hop.link).await?.per_mille();
        used.push((hop.link.clone(), share));
        if let Some((_, link)) = links.values_mut().find(|(id, _)| *id == hop.link) {
            link.used.1 = share;
            if link.full_after.is_none() && !question.has_room(&db.spectrum(&hop.link).await?, starts) {
                link.full_after = Some(number);
            }
        }
    }
    let path = paths.iter().position(|path| *path == grant.path).unwrap_or(paths.len());
    Ok(Channel { frequency: grant.frequency, slot: grant.slot, path, used })
}
