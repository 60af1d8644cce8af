//! The LinkDB surface (port 8000): PoPs, links, routers, interfaces, spectrum.
//!
//! | method and path | answers |
//! |---|---|
//! | `GET /` | service, version, status, endpoints |
//! | `GET /health` | 200, or 503 with the reason while the store cannot be read |
//! | `GET`, `POST /api/pops` | the PoPs; a new one. 400 where the id is taken |
//! | `GET`, `POST /api/links` | the links; a new one. 400 where the id is taken, 404 for an unknown PoP |
//! | `GET /api/links/{id}/spectrum` | what is free and who owns the rest |
//! | `GET`, `POST /api/routers`, `/api/interfaces` | the routers and ports; a new one. 409 where the id is taken |
//! | `GET /api/connections`, `/api/connections/{id}` | what connections own |
//! | `POST /api/connections/allocate` | a path and the first slot that is free on all of it; the same again for the same request |
//! | `DELETE /api/connections/{id}` | gives back what was allocated here; also 200 where nothing is. 409 for a controller's |
//! | `GET /api/topology` | all of it, and a summary |
//!
//! An id that is taken is 400 for PoPs and links, as clients of the reference expect; everywhere else it is 409. The code is
//! `already_exists` in both cases.

use super::dto::linkdb::{
    AllocateBody, AllocationJson, InterfaceJson, LinkJson, NewInterface, NewLink, NewPop, NewRouter, PopJson,
    RouterJson, SpectrumJson,
};
use super::dto::{ghz, now};
use super::error::ApiError;
use super::extract::{Payload, Segments};
use super::guard::guarded;
use super::health::{self, Health};
use crate::linkdb::{AllocationRequest, Endpoint, Grant, LinkDb, LinkDbError, Tuning};
use crate::store::Tx;
use crate::topology::{FibreLink, Pop, Port, Router as RouterRecord};
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router};
use ipowdm_core::error::Code;
use ipowdm_core::grid::{Grid, RASTER_MHZ};
use ipowdm_core::ids::{ConnectionId, LinkId, PortRef};
use ipowdm_core::modes::CATALOGUE;
use ipowdm_core::slots::{Slots, first_fit};
use serde_json::{Value, json};

/// What the root lists.
const ENDPOINTS: &[&str] = &[
    "/health",
    "/api/pops",
    "/api/links",
    "/api/links/{id}/spectrum",
    "/api/routers",
    "/api/interfaces",
    "/api/connections",
    "/api/connections/{id}",
    "/api/connections/allocate",
    "/api/topology",
];

/// Candidate paths of an allocation.
const PATHS: u16 = 8;

/// Most centres in `available_slots`.
const MAX_LISTED: usize = 16;

type Result<T> = core::result::Result<T, ApiError>;

/// The routes of the LinkDB service.
pub fn linkdb_router(db: LinkDb) -> Router {
    guarded(
        Router::new()
            .route("/", get(root))
            .route("/health", get(health))
            .route("/api/pops", get(pops).post(add_pop))
            .route("/api/links", get(links).post(add_link))
            .route("/api/links/{id}/spectrum", get(spectrum))
            .route("/api/routers", get(routers).post(add_router))
            .route("/api/interfaces", get(interfaces).post(add_interface))
            .route("/api/connections", get(connections))
            .route("/api/connections/allocate", post(allocate))
            .route("/api/connections/{id}", get(connection).delete(release))
            .route("/api/topology", get(topology))
            .with_state(db),
    )
}

impl From<LinkDbError> for ApiError {
    fn from(error: LinkDbError) -> Self {
        Self::new(error.code(), error)
    }
}

/// As the reference has it for PoPs and links: an id that is taken is a bad request.
fn taken_is_bad_request(error: LinkDbError) -> ApiError {
    let status = matches!(error, LinkDbError::AlreadyExists { .. }).then_some(StatusCode::BAD_REQUEST);
    let error = ApiError::from(error);
    status.map_or(error.clone(), |status| error.with_status(status))
}

async fn root(State(db): State<LinkDb>) -> Json<Value> {
    let status = if health::store(db.store()).await.is_ok() { "running" } else { "degraded" };
    Json(json!({
        "service": "ipowdm LinkDB",
        "version": env!("CARGO_PKG_VERSION"),
        "status": status,
        "endpoints": ENDPOINTS,
    }))
}

async fn health(State(db): State<LinkDb>) -> Health {
    let store = health::store(db.store()).await;
    let connected = if store.is_ok() { "connected" } else { "disconnected" };
    // `redis` is what clients of the reference read; whatever keeps the records answers for it.
    Health::new(json!({"redis": connected, "store": connected}), [store])
}

async fn pops(State(db): State<LinkDb>) -> Result<Json<Value>> {
    let pops: Vec<PopJson> = db.pops().await?.into_iter().map(PopJson::from).collect();
    Ok(Json(json!({"count": pops.len(), "pops": pops})))
}

async fn add_pop(State(db): State<LinkDb>, Payload(body): Payload<NewPop>) -> Result<Json<Value>> {
    let pop = Pop::from(body);
    db.add_pop(pop.clone()).await.map_err(taken_is_bad_request)?;
    Ok(Json(json!({"message": format!("PoP {} added", pop.id), "pop": PopJson::from(pop)})))
}

async fn links(State(db): State<LinkDb>) -> Result<Json<Value>> {
    let links: Vec<LinkJson> = db.links().await?.into_iter().map(LinkJson::from).collect();
    Ok(Json(json!({"count": links.len(), "links": links})))
}

async fn add_link(State(db): State<LinkDb>, Payload(body): Payload<NewLink>) -> Result<Json<Value>> {
    let link = FibreLink::from(body);
    db.add_link(link.clone()).await.map_err(taken_is_bad_request)?;
    Ok(Json(json!({"message": format!("link {} added", link.id), "link": LinkJson::from(link)})))
}

async fn spectrum(State(db): State<LinkDb>, Segments(link): Segments<LinkId>) -> Result<Json<SpectrumJson>> {
    Ok(Json(db.spectrum(&link).await?.into()))
}

async fn routers(State(db): State<LinkDb>) -> Result<Json<Value>> {
    let routers: Vec<RouterJson> = db.topology().await?.routers.into_iter().map(RouterJson::from).collect();
    Ok(Json(json!({"count": routers.len(), "routers": routers})))
}

async fn add_router(
    State(db): State<LinkDb>,
    Payload(body): Payload<NewRouter>,
) -> Result<(StatusCode, Json<Value>)> {
    let router = RouterRecord::from(body);
    db.add_router(router.clone()).await?;
    let message = format!("router {} added", router.at);
    Ok((StatusCode::CREATED, Json(json!({"message": message, "router": RouterJson::from(router)}))))
}

async fn interfaces(State(db): State<LinkDb>) -> Result<Json<Value>> {
    let ports: Vec<InterfaceJson> = db.topology().await?.ports.into_iter().map(InterfaceJson::from).collect();
    Ok(Json(json!({"count": ports.len(), "interfaces": ports})))
}

async fn add_interface(
    State(db): State<LinkDb>,
    Payload(body): Payload<NewInterface>,
) -> Result<(StatusCode, Json<Value>)> {
    let at = PortRef { pop_id: body.pop_id, router_id: body.router_id, port_id: body.interface };
    db.add_port(Port::new(at.clone())).await?;
    let interface = InterfaceJson::from(db.port(&at).await?);
    let message = format!("interface {at} added");
    Ok((StatusCode::CREATED, Json(json!({"message": message, "interface": interface}))))
}

async fn connections(State(db): State<LinkDb>) -> Result<Json<Value>> {
    let grants: Vec<AllocationJson> =
        db.topology().await?.grants.into_iter().map(AllocationJson::from).collect();
    Ok(Json(json!({"count": grants.len(), "connections": grants})))
}

async fn connection(
    State(db): State<LinkDb>,
    Segments(id): Segments<ConnectionId>,
) -> Result<Json<AllocationJson>> {
    let grant = db.grant(&id).await?;
    grant.map(|grant| Json(grant.into())).ok_or_else(|| {
        ApiError::new(Code::UnknownConnection, format_args!("connection {id} owns nothing in LinkDB"))
    })
}

async fn allocate(State(db): State<LinkDb>, Payload(body): Payload<AllocateBody>) -> Result<Json<Value>> {
    let width_m = width_for(body.bandwidth)?;
    let grid = grid_for(width_m);
    let (a, b) = (Endpoint::at(body.pop_a), Endpoint::at(body.pop_b));
    let request = AllocationRequest {
        // A frequency that is named may be any of the raster; the modules will say what they think of it.
        tuning: if body.frequency.is_some() { Tuning::Raster } else { Tuning::Grid(grid) },
        frequency: body.frequency,
        k: PATHS,
        ..AllocationRequest::new(body.connection_id, body.virtual_operator, a, b, width_m)
    };
    let grant = db.allocate(request).await?;
    let available = also_free(&db, &grant, grid).await?;
    let message = format!("{} allocated at {}", grant.request.connection_id, grant.frequency);
    let frequency = ghz(grant.frequency);
    let mut connection = json!(AllocationJson::from(grant));
    connection["bandwidth"] = body.bandwidth.into();
    Ok(Json(json!({
        "message": message,
        "connection": connection,
        "frequency": frequency,
        "available_slots": available,
    })))
}

async fn release(State(db): State<LinkDb>, Segments(id): Segments<ConnectionId>) -> Result<Json<Value>> {
    let released = db.store().transact(|tx| release_in(&db, tx, &id)).await?;
    let message = match &released {
        Some(grant) => format!("{id} released, {} is free again", grant.frequency),
        None => format!("{id} owns nothing"),
    };
    Ok(Json(json!({"connection_id": id, "released": released.is_some(), "message": message})))
}

/// Releases what was allocated here. A grant with ports is a controller's: its lasers may be on, and light whose spectrum
/// is free again collides with whoever gets it next.
fn release_in(db: &LinkDb, tx: &mut Tx, id: &ConnectionId) -> Result<Option<Grant>> {
    if let Some(grant) = tx.get(&Grant::key(id))?
        && let Some(port) = grant.ports().next()
    {
        let reason = format!(
            "connection {id} holds port {port}: it belongs to the controller of {}",
            grant.request.vop
        );
        return Err(ApiError::new(Code::IllegalState, reason).hint("delete the connection there"));
    }
    Ok(db.release_in(tx, id)?)
}

async fn topology(State(db): State<LinkDb>) -> Result<Json<Value>> {
    let view = db.topology().await?;
    let summary = json!({
        "total_pops": view.pops.len(),
        "total_links": view.links.len(),
        "total_routers": view.routers.len(),
        "total_interfaces": view.ports.len(),
        "total_connections": view.grants.len(),
        "timestamp": now(),
    });
    Ok(Json(json!({
        "pops": view.pops.into_iter().map(PopJson::from).collect::<Vec<_>>(),
        "links": view.links.into_iter().map(LinkJson::from).collect::<Vec<_>>(),
        "routers": view.routers.into_iter().map(RouterJson::from).collect::<Vec<_>>(),
        "interfaces": view.ports.into_iter().map(InterfaceJson::from).collect::<Vec<_>>(),
        "connections": view.grants.into_iter().map(AllocationJson::from).collect::<Vec<_>>(),
        "summary": summary,
    })))
}

/// The narrowest slot, in units of 12.5 GHz, of a mode that carries `gbps`.
fn width_for(gbps: u32) -> Result<u16> {
    let fitting = CATALOGUE.iter().filter(|mode| gbps > 0 && u32::from(mode.rate_gbps) >= gbps);
    fitting.map(|mode| mode.width_m).min().ok_or_else(|| {
        let most = CATALOGUE.iter().map(|mode| mode.rate_gbps).max().unwrap_or(0);
        ApiError::invalid("bandwidth", format_args!("{gbps} Gbit/s is not in 1..={most}"))
    })
}

/// The channel grid on which slots of this width pack without gaps; modules of the mode have it.
const fn grid_for(width_m: u16) -> Grid {
    match width_m {
        ..=1 => Grid::Ghz12p5,
        2 => Grid::Ghz25,
        3..=4 => Grid::Ghz50,
        5..=6 => Grid::Ghz75,
        7..=8 => Grid::Ghz100,
        _ => Grid::Ghz6p25,
    }
}

/// Centres, in GHz, at which further connections of the same operator and width would fit on the same path now.
async fn also_free(db: &LinkDb, grant: &Grant, grid: Grid) -> Result<Vec<f64>> {
    let raster = db.raster();
    let mut free = Slots::all_free(raster.bits());
    for hop in &grant.path.hops {
        let spectrum = db.spectrum(&hop.link).await?.spectrum;
        free.intersect(&spectrum.a_to_b);
        free.intersect(&spectrum.b_to_a);
    }
    let Some(windows) = db.vop_grant(&grant.request.vop).await? else { return Ok(Vec::new()) };
    let width_m = grant.request.width_m;
    let width_mhz = u32::from(width_m) * 2 * RASTER_MHZ;
    let mut centres = Vec::new();
    while centres.len() < MAX_LISTED {
        let legal = |centre| grid.channel(centre).is_ok() && windows.holds(centre, width_mhz);
        let Some(slot) = first_fit(&free, raster, width_m, legal) else { break };
        let taken = raster.bits_of(slot).is_some_and(|(first, count)| free.take(first, count).is_ok());
        let Some(centre) = slot.centre().filter(|_| taken) else { break };
        centres.push(ghz(centre));
    }
    Ok(centres)
}

#[cfg(test)]
mod tests;
