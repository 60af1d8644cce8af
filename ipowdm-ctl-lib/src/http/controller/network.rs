//! The network as the virtual operator may see it, and paths through it.

use super::{Handle, Result};
use crate::http::dto::controller::{
    ComputedPathJson, LinksById, NetworkJson, PathQuery, PopsById, links_by_id, pops_by_id,
};
use crate::http::extract::{Params, Segments};
use axum::Json;
use axum::extract::State;
use ipowdm_core::ids::PopId;

pub(super) async fn topology(State(handle): Handle) -> Result<Json<NetworkJson>> {
    Ok(Json(handle.network().await?.into()))
}

pub(super) async fn pops(State(handle): Handle) -> Result<Json<PopsById>> {
    Ok(Json(pops_by_id(handle.network().await?.pops)))
}

pub(super) async fn links(State(handle): Handle) -> Result<Json<LinksById>> {
    Ok(Json(links_by_id(handle.network().await?.links)))
}

pub(super) async fn compute_path(
    State(handle): Handle,
    Segments((a, b)): Segments<(PopId, PopId)>,
    Params(query): Params<PathQuery>,
) -> Result<Json<ComputedPathJson>> {
    let request = query.request(a, b);
    let view = handle.compute_path(request.clone()).await?;
    Ok(Json(ComputedPathJson::new(request, view, handle.raster())))
}
