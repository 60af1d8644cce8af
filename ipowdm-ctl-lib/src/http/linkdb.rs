//! The LinkDB surface (port 8000): PoPs, links, routers, interfaces, spectrum.
//!
//! | method and path | answers |
//! |---|---|
//! | `GET /` | service, version, status, endpoints |
//! | `GET /health` | 200, or 503 with the reason while the store cannot be read |
//! | `GET`, `POST /api/pops` | the PoPs; a new one. 400 where the id is taken |
//! | `DELETE /api/pops/{id}` | removes one without routers and links |
//! | `GET`, `POST /api/links` | the links; a new one. 400 where the id is taken, 404 for an unknown PoP |
//! | `GET`, `PATCH`, `DELETE /api/links/{id}` | one link; `{"admin_state": "up" or "down"}`; removes one without connections |
//! | `GET /api/links/{id}/spectrum` | the spectrum map: what is free and who owns the rest |
//! | `GET /api/links/{id}/utilisation`, `/api/utilisation` | how full and how broken up a link is; every link |
//! | `GET /api/links/{id}/reservations`; `PUT`, `DELETE …/{name}` | what no connection is to get: set aside, or light that is not ours |
//! | `GET /api/defragmentation?push_pull=true&moves=20&link=l1` | moves that would make free spectrum less scattered; a proposal, nothing is moved |
//! | `GET`, `POST /api/routers`, `/api/interfaces` | the routers and ports; a new one. 409 where the id is taken |
//! | `GET`, `DELETE /api/interfaces/{pop}/{router}/{interface}` | one port; removes one without a connection |
//! | `DELETE /api/routers/{pop}/{router}` | removes one without ports |
//! | `GET /api/paths/{a}/{b}?k=8` | the candidate paths in order, and what is free on each |
//! | `GET /api/connections`, `/api/connections/{id}` | what connections own |
//! | `POST /api/connections/allocate` | a path and the first slot that is free on all of it; the same again for the same request. Optional: `frequency`, `policy`, `k`, `guard_ghz`, `hold_seconds` |
//! | `POST /api/connections/{id}/confirm` | what is held becomes the connection's own; 404 where its time was over |
//! | `DELETE /api/connections/{id}` | gives back what was allocated here; also 200 where nothing is. 409 for a controller's |
//! | `GET /api/vops`; `GET`, `PUT`, `DELETE /api/vops/{id}/spectrum` | windows, quota and use of virtual operators; 409 for the slice manager's |
//! | `GET /api/topology` | all of it, and a summary |
//! | `GET /api/watch?kinds=link,connection` | server-sent events: each committed transaction once, with all that it touched |
//!
//! An id that is taken is 400 for PoPs and links, as clients of the reference expect; everywhere else it is 409. The code is
//! `already_exists` in both cases.

mod connections;
mod planning;
mod reservations;
mod vops;
mod watch;

use super::access::{self, Access, protected};
use super::dto::linkdb::{
    AllocationJson, InterfaceJson, LinkChange, LinkJson, NewInterface, NewLink, NewPop, NewRouter, PopJson,
    RouterJson,
};
use super::dto::now;
use super::error::ApiError;
use super::extract::{Payload, Segments};
use super::guard::guarded;
use super::health::{self, Health};
use crate::linkdb::{LinkDb, LinkDbError};
use crate::store::StoreClock;
use crate::topology::{FibreLink, Pop, Port, Router as RouterRecord};
use axum::extract::{FromRef, State};
use axum::http::StatusCode;
use axum::routing::{delete, get, post, put};
use axum::{Json, Router};
use ipowdm_core::ids::{LinkId, PopId, PortId, PortRef, RouterId, RouterRef};
use serde_json::{Value, json};
use std::sync::Arc;
use tokio::sync::Semaphore;

/// What the root lists.
const ENDPOINTS: &[&str] = &[
    "/health",
    "/api/pops",
    "/api/links",
    "/api/links/{id}",
    "/api/links/{id}/spectrum",
    "/api/links/{id}/utilisation",
    "/api/links/{id}/reservations",
    "/api/links/{id}/reservations/{name}",
    "/api/utilisation",
    "/api/defragmentation",
    "/api/paths/{a}/{b}",
    "/api/routers",
    "/api/interfaces",
    "/api/interfaces/{pop}/{router}/{interface}",
    "/api/connections",
    "/api/connections/{id}",
    "/api/connections/{id}/confirm",
    "/api/connections/allocate",
    "/api/vops",
    "/api/vops/{id}/spectrum",
    "/api/topology",
    "/api/watch",
];

/// Candidate paths of an allocation.
const PATHS: u16 = 8;

type Result<T> = core::result::Result<T, ApiError>;

/// What the handlers share.
#[derive(Debug, Clone)]
struct Shared {
    db: LinkDb,
    holds: Holds,
    /// Places for watches.
    watches: Arc<Semaphore>,
}

/// The clock of holds, where somebody gives back what is not confirmed.
#[derive(Debug, Clone)]
struct Holds(Option<StoreClock>);

impl FromRef<Shared> for Holds {
    fn from_ref(shared: &Shared) -> Self {
        shared.holds.clone()
    }
}

impl FromRef<Shared> for LinkDb {
    fn from_ref(shared: &Shared) -> Self {
        shared.db.clone()
    }
}

/// The routes of the LinkDB service. Nothing can be held for a time, see [`linkdb_router_with_holds`].
pub fn linkdb_router(db: LinkDb, access: Access) -> Router {
    router(db, Holds(None), access)
}

/// The routes of the LinkDB service where what is held and not confirmed is given back: the caller runs a
/// [`LeaseSweeper`](crate::store::LeaseSweeper) with [`LinkDb::expire_in`] on this clock.
pub fn linkdb_router_with_holds(db: LinkDb, clock: StoreClock, access: Access) -> Router {
    router(db, Holds(Some(clock)), access)
}

fn router(db: LinkDb, holds: Holds, access: Access) -> Router {
    let shared = Shared { db, holds, watches: Arc::new(Semaphore::new(watch::WATCHES)) };
    guarded(protected(routes().with_state(shared), access, access::LINKDB, None))
}

fn routes() -> Router<Shared> {
    Router::new()
        .route("/", get(root))
        .route("/health", get(health))
        .route("/api/pops", get(pops).post(add_pop))
        .route("/api/pops/{id}", delete(remove_pop))
        .route("/api/links", get(links).post(add_link))
        .route("/api/links/{id}", get(link).patch(change_link).delete(remove_link))
        .route("/api/links/{id}/spectrum", get(planning::spectrum))
        .route("/api/links/{id}/utilisation", get(planning::utilisation))
        .route("/api/links/{id}/reservations", get(reservations::reservations))
        .route(
            "/api/links/{id}/reservations/{name}",
            put(reservations::reserve).delete(reservations::unreserve),
        )
        .route("/api/utilisation", get(planning::utilisations))
        .route("/api/defragmentation", get(planning::defragmentation))
        .route("/api/paths/{a}/{b}", get(planning::paths))
        .route("/api/routers", get(routers).post(add_router))
        .route("/api/routers/{pop}/{router}", delete(remove_router))
        .route("/api/interfaces", get(interfaces).post(add_interface))
        .route("/api/interfaces/{pop}/{router}/{interface}", get(interface).delete(remove_interface))
        .route("/api/connections", get(connections::connections))
        .route(
            "/api/connections/allocate",
            post(connections::allocate)
                .get(connections::connection_called_allocate)
                .delete(connections::release_called_allocate),
        )
        .route("/api/connections/{id}", get(connections::connection).delete(connections::release))
        .route("/api/connections/{id}/confirm", post(connections::confirm))
        .route("/api/vops", get(vops::vops))
        .route("/api/vops/{id}/spectrum", get(vops::spectrum).put(vops::set_spectrum).delete(vops::withdraw))
        .route("/api/topology", get(topology))
        .route("/api/watch", get(watch::watch))
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

async fn link(State(db): State<LinkDb>, Segments(id): Segments<LinkId>) -> Result<Json<LinkJson>> {
    let link = db.store().get(&FibreLink::key(&id)).await?;
    let link = link.ok_or_else(|| LinkDbError::UnknownLink { link: id.to_string() })?;
    Ok(Json(link.into()))
}

async fn change_link(
    State(db): State<LinkDb>,
    Segments(id): Segments<LinkId>,
    Payload(body): Payload<LinkChange>,
) -> Result<Json<LinkJson>> {
    db.set_link_state(&id, Some(body.admin_state), None).await?;
    link(State(db), Segments(id)).await
}

async fn remove_link(State(db): State<LinkDb>, Segments(id): Segments<LinkId>) -> Result<Json<Value>> {
    db.store().transact(|tx| db.remove_link_in(tx, &id)).await?;
    Ok(Json(json!({"message": format!("link {id} removed")})))
}

async fn remove_pop(State(db): State<LinkDb>, Segments(id): Segments<PopId>) -> Result<Json<Value>> {
    db.store().transact(|tx| db.remove_pop_in(tx, &id)).await?;
    Ok(Json(json!({"message": format!("PoP {id} removed")})))
}

async fn remove_router(
    State(db): State<LinkDb>,
    Segments((pop_id, router_id)): Segments<(PopId, RouterId)>,
) -> Result<Json<Value>> {
    let at = RouterRef { pop_id, router_id };
    db.store().transact(|tx| db.remove_router_in(tx, &at)).await?;
    Ok(Json(json!({"message": format!("router {at} removed")})))
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

async fn interface(
    State(db): State<LinkDb>,
    Segments((pop_id, router_id, port_id)): Segments<(PopId, RouterId, PortId)>,
) -> Result<Json<InterfaceJson>> {
    Ok(Json(db.port(&PortRef { pop_id, router_id, port_id }).await?.into()))
}

async fn remove_interface(
    State(db): State<LinkDb>,
    Segments((pop_id, router_id, port_id)): Segments<(PopId, RouterId, PortId)>,
) -> Result<Json<Value>> {
    let at = PortRef { pop_id, router_id, port_id };
    db.store().transact(|tx| db.remove_port_in(tx, &at)).await?;
    Ok(Json(json!({"message": format!("interface {at} removed")})))
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

#[cfg(test)]
mod tests;
