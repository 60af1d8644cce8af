//! What fits where: candidate paths, and how full links are.

use super::Result;
use crate::http::dto::linkdb::{LinkUtilisationJson, PathJson};
use crate::http::error::ApiError;
use crate::http::extract::{Params, Segments};
use crate::linkdb::{LinkDb, MAX_PATHS, Path};
use crate::spectrum::LinkSpectrum;
use crate::store::Snapshot;
use axum::Json;
use axum::extract::State;
use ipowdm_core::ids::{LinkId, PopId};
use ipowdm_core::slots::Slots;
use serde::Deserialize;
use serde_json::{Value, json};

/// `?k=8`
#[derive(Debug, Deserialize)]
pub(super) struct PathQuery {
    k: Option<u16>,
}

/// Candidate paths in the order in which an allocation tries them, with what is free on all of each.
pub(super) async fn paths(
    State(db): State<LinkDb>,
    Segments((a, b)): Segments<(PopId, PopId)>,
    Params(query): Params<PathQuery>,
) -> Result<Json<Value>> {
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
    Ok(Json(json!({"pop_a": a, "pop_b": b, "count": paths.len(), "paths": paths})))
}

/// What is free on both fibres of every link of a path.
pub(super) async fn free_on(db: &LinkDb, snapshot: &mut Snapshot, path: &Path) -> Result<Slots> {
    let mut free = Slots::all_free(db.raster().bits());
    for hop in &path.hops {
        // A link without a record is free.
        if let Some(spectrum) = snapshot.get(&LinkSpectrum::key(&hop.link)).await? {
            free.intersect(&spectrum.a_to_b);
            free.intersect(&spectrum.b_to_a);
        }
    }
    Ok(free)
}

/// How full every link is.
pub(super) async fn utilisations(State(db): State<LinkDb>) -> Result<Json<Value>> {
    let links: Vec<LinkUtilisationJson> =
        db.utilisations().await?.into_iter().map(LinkUtilisationJson::from).collect();
    Ok(Json(json!({"count": links.len(), "links": links})))
}

/// How full one link is.
pub(super) async fn utilisation(
    State(db): State<LinkDb>,
    Segments(link): Segments<LinkId>,
) -> Result<Json<LinkUtilisationJson>> {
    let figures = db.utilisation(&link).await?;
    Ok(Json((link, figures).into()))
}
