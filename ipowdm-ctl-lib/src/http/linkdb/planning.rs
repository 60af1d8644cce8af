//! What fits where: candidate paths, how full and how broken up links are, and what could be moved.

use super::Result;
use crate::http::dto::linkdb::{PathJson, Paths, Utilisations};
use crate::http::dto::spectrum::{LinkUtilisationJson, SpectrumJson};
use crate::http::error::ApiError;
use crate::http::extract::{Params, Segments};
use crate::http::page::{Paged, Pages};
use crate::linkdb::{DefragmentationPlan, DefragmentationRules, LinkDb, LinkDbError, MAX_PATHS, Path};
use crate::spectrum::LinkSpectrum;
use crate::store::Snapshot;
use crate::topology::FibreLink;
use axum::Json;
use axum::extract::State;
use ipowdm_core::ids::{LinkId, PopId};
use ipowdm_core::slots::Slots;
use schemars::JsonSchema;
use serde::Deserialize;
use std::collections::BTreeMap;

/// `?k=8`
#[derive(Debug, Deserialize, JsonSchema)]
pub(super) struct PathQuery {
    /// Paths at most.
    #[schemars(range(min = 1, max = 64))]
    k: Option<u16>,
}

/// Candidate paths in the order in which an allocation tries them, with what is free on all of each.
pub(super) async fn paths(
    State(db): State<LinkDb>,
    Segments((a, b)): Segments<(PopId, PopId)>,
    Params(query): Params<PathQuery>,
) -> Result<Json<Paths>> {
    let k = query.k.unwrap_or(super::PATHS);
    if !(1..=MAX_PATHS).contains(&k) {
        return Err(ApiError::invalid("k", format_args!("{k} is not in 1..={MAX_PATHS}")));
    }
    let candidates = db.candidate_paths(&a, &b, k).await?;
    let mut snapshot = db.store().snapshot().await?;
    let mut paths = Vec::with_capacity(candidates.len());
    for path in candidates {
        let free = free_on(&db, &mut snapshot, &path).await?;
        paths.push(PathJson::new(path, db.raster(), &free));
    }
    Ok(Json(Paths { pop_a: a, pop_b: b, count: paths.len(), paths }))
}

/// What another signal could use on both fibres of every link of a path: what the links carry, guard bands left out.
pub(super) async fn free_on(db: &LinkDb, snapshot: &mut Snapshot, path: &Path) -> Result<Slots> {
    let mut free = db.band().usable();
    for hop in &path.hops {
        if let Some(link) = snapshot.get(&FibreLink::key(&hop.link)).await? {
            free.intersect(&link.carried(db.raster()));
        }
        // A link without a record is free.
        if let Some(spectrum) = snapshot.get(&LinkSpectrum::key(&hop.link)).await? {
            spectrum.free_for(0, &mut free);
        }
    }
    Ok(free)
}

/// How full and how broken up every link is.
pub(super) async fn utilisations(State(db): State<LinkDb>, pages: Pages) -> Result<Paged<Utilisations>> {
    let used: BTreeMap<_, _> = db.utilisations().await?.into_iter().collect();
    let figures = db.fragmentation().await?.into_iter();
    // A link that was added or removed between the two is in neither.
    let links: Vec<LinkUtilisationJson> = figures
        .filter_map(|figures| Some(LinkUtilisationJson::new(*used.get(&figures.link)?, figures)))
        .collect();
    Ok(Utilisations::of(pages.of(links, |link| link.link_id.to_string())))
}

/// How full and how broken up one link is.
pub(super) async fn utilisation(
    State(db): State<LinkDb>,
    Segments(link): Segments<LinkId>,
) -> Result<Json<LinkUtilisationJson>> {
    let used = db.utilisation(&link).await?;
    let figures = db.fragmentation().await?.into_iter().find(|figures| figures.link == link);
    let figures = figures.ok_or_else(|| LinkDbError::UnknownLink { link: link.to_string() })?;
    Ok(Json(LinkUtilisationJson::new(used, figures)))
}

/// The spectrum map of a link.
pub(super) async fn spectrum(
    State(db): State<LinkDb>,
    Segments(link): Segments<LinkId>,
) -> Result<Json<SpectrumJson>> {
    Ok(Json(db.spectrum(&link).await?.into()))
}

/// Most moves that one plan may have.
const MOST_MOVES: usize = 1000;

/// `?push_pull=true&make_before_break=false&moves=20&link=l1`
#[derive(Debug, Deserialize, JsonSchema)]
pub(super) struct PlanQuery {
    /// Whether signals can slide.
    push_pull: Option<bool>,
    /// Whether there are ports for a second signal.
    make_before_break: Option<bool>,
    /// Moves at most.
    #[schemars(range(min = 1, max = 1000))]
    moves: Option<usize>,
    /// Only connections on this link are moved.
    link: Option<LinkId>,
}

/// Moves that would make the free spectrum less scattered: a proposal, nothing is moved.
pub(super) async fn defragmentation(
    State(db): State<LinkDb>,
    Params(query): Params<PlanQuery>,
) -> Result<Json<DefragmentationPlan>> {
    let usual = DefragmentationRules::default();
    let most_moves = query.moves.unwrap_or(usual.most_moves);
    if !(1..=MOST_MOVES).contains(&most_moves) {
        let reason = format_args!("{most_moves} is not in 1..={MOST_MOVES}");
        return Err(ApiError::invalid("moves", reason));
    }
    let rules = DefragmentationRules {
        push_pull: query.push_pull.unwrap_or(usual.push_pull),
        make_before_break: query.make_before_break.unwrap_or(usual.make_before_break),
        most_moves,
        links: query.link.into_iter().collect(),
    };
    Ok(Json(db.propose_defragmentation(&rules).await?))
}
