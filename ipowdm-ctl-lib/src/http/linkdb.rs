//! The LinkDB surface (port 8000): PoPs, links, routers, interfaces, spectrum.
//!
//! | method and path | answers |
//! |---|---|
//! | `GET /` | service, version, status, endpoints |
//! | `GET /health` | 200, or 503 with the reason while the store cannot be read |
//! | `GET /metrics` | figures for Prometheus |
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
mod routes;
mod vops;
mod watch;

use super::access::{self, Access, protected};
use super::answer::Created;
use super::dto::linkdb::{
    AllocationJson, InterfaceAdded, InterfaceFilter, InterfaceJson, Interfaces, LinkAdded, LinkChange,
    LinkFilter, LinkJson, Links, NewInterface, NewLink, NewPop, NewRouter, PopAdded, PopJson, Pops, Removed,
    RouterAdded, RouterFilter, RouterJson, Routers, ServiceJson, StoreHealth, TopologyJson, TopologySummary,
};
use super::dto::now;
use super::error::ApiError;
use super::extract::{Params, Payload, Segments};
use super::guard::{REQUEST_TIME, guarded_by};
use super::health::{self, Health};
use super::metrics::{self, Meter, metered};
use super::once::{Kept, once};
use super::openapi::{self, About, documented};
use super::page::{Paged, Pages};
use super::router::mountable;
use super::sse::Streams;
use crate::linkdb::{LinkDb, LinkDbError, PortStatus};
use crate::spectrum::PortClaim;
use crate::store::{BoxFuture, Prefix, StoreClock, Tx};
use crate::topology::{FibreLink, Pop, Port, Router as RouterRecord};
use axum::extract::{FromRef, State};
use axum::http::StatusCode;
use axum::{Extension, Json, Router};
use ipowdm_core::ids::{LinkId, PopId, PortId, PortRef, RouterId, RouterRef};
use std::sync::Arc;

/// Candidate paths of an allocation.
const PATHS: u16 = 8;

type Result<T> = core::result::Result<T, ApiError>;

/// What the handlers share.
#[derive(Debug, Clone)]
struct Shared {
    db: LinkDb,
    holds: Holds,
    /// Places for watches.
    watches: Streams,
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
    let shared = Shared { db, holds, watches: Streams::new() };
    let about = About {
        title: "ipowdm LinkDB",
        description: "PoPs, fibre links, routers, interfaces and the spectrum of an IP-over-WDM network.",
        rules: access::LINKDB,
        refusals: &[],
        links: openapi::LINKDB,
        open: access.is_open(),
    };
    let (store, limits) = (shared.db.store().clone(), *access.limits());
    let router = documented(about, || routes::routes().with_state(shared));
    let router = once(router, store, "linkdb".to_owned(), REQUEST_TIME);
    let meter = Meter::new();
    let router = protected(router.layer(Extension(meter.clone())), access, access::LINKDB, None);
    mountable(metered(guarded_by(router, &limits, REQUEST_TIME), meter))
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

async fn root(State(db): State<LinkDb>) -> Json<ServiceJson> {
    let status = if health::store(db.store()).await.is_ok() { "running" } else { "degraded" };
    let paths = access::LINKDB.iter().map(|rule| rule.path).filter(|path| *path != "/");
    let mut endpoints: Vec<String> = paths.map(str::to_owned).collect();
    // The methods of a path follow each other.
    endpoints.dedup();
    Json(ServiceJson { service: "ipowdm LinkDB", version: env!("CARGO_PKG_VERSION"), status, endpoints })
}

async fn figures(State(shared): State<Shared>, Extension(meter): Extension<Meter>) -> metrics::Answer {
    metrics::linkdb(&shared.db, shared.watches.open(), &meter).await
}

async fn health(State(db): State<LinkDb>) -> Health<StoreHealth> {
    let store = health::store(db.store()).await;
    let connected = if store.is_ok() { "connected" } else { "disconnected" };
    Health::new(StoreHealth { redis: connected, store: connected }, [store])
}

/// What is known without asking anybody.
fn at_once<'a, T: Send + 'a>(taken: Option<T>) -> BoxFuture<'a, Result<Option<T>>> {
    Box::pin(core::future::ready(Ok(taken)))
}

async fn pops(State(db): State<LinkDb>, pages: Pages) -> Result<Paged<Pops>> {
    if pages.whole() {
        return Ok(Pops::of(pages.of(db.pops().await?, |pop| pop.id.to_string())));
    }
    let page = pages.read(db.store(), Prefix::<Pop>::all(), |_, _, pop| at_once(Some(pop)));
    Ok(Pops::of(page.await?))
}

async fn add_pop(
    State(db): State<LinkDb>,
    Kept(receipt): Kept,
    Payload(body): Payload<NewPop>,
) -> Result<Json<PopAdded>> {
    let pop = Pop::from(body);
    let add = |tx: &mut Tx| receipt.once_in(tx, |tx| db.add_pop_in(tx, &pop));
    db.store().transact(add).await.map_err(taken_is_bad_request)?;
    Ok(Json(PopAdded { message: format!("PoP {} added", pop.id), pop: pop.into() }))
}

async fn links(
    State(db): State<LinkDb>,
    Params(filter): Params<LinkFilter>,
    pages: Pages,
) -> Result<Paged<Links>> {
    if pages.whole() {
        let mut links = db.links().await?;
        links.retain(|link| filter.takes(link));
        return Ok(Links::of(pages.of(links, |link| link.id.to_string())));
    }
    let page = pages.read(db.store(), Prefix::<FibreLink>::all(), |_, _, link| {
        at_once(Some(link).filter(|link| filter.takes(link)))
    });
    Ok(Links::of(page.await?))
}

async fn add_link(
    State(db): State<LinkDb>,
    Kept(receipt): Kept,
    Payload(body): Payload<NewLink>,
) -> Result<Json<LinkAdded>> {
    let link = FibreLink::from(body);
    let add = |tx: &mut Tx| receipt.once_in(tx, |tx| db.add_link_in(tx, &link));
    db.store().transact(add).await.map_err(taken_is_bad_request)?;
    Ok(Json(LinkAdded { message: format!("link {} added", link.id), link: link.into() }))
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

async fn remove_link(State(db): State<LinkDb>, Segments(id): Segments<LinkId>) -> Result<Json<Removed>> {
    db.store().transact(|tx| db.remove_link_in(tx, &id)).await?;
    Ok(Json(Removed { message: format!("link {id} removed") }))
}

async fn remove_pop(State(db): State<LinkDb>, Segments(id): Segments<PopId>) -> Result<Json<Removed>> {
    db.store().transact(|tx| db.remove_pop_in(tx, &id)).await?;
    Ok(Json(Removed { message: format!("PoP {id} removed") }))
}

async fn remove_router(
    State(db): State<LinkDb>,
    Segments((pop_id, router_id)): Segments<(PopId, RouterId)>,
) -> Result<Json<Removed>> {
    let at = RouterRef { pop_id, router_id };
    db.store().transact(|tx| db.remove_router_in(tx, &at)).await?;
    Ok(Json(Removed { message: format!("router {at} removed") }))
}

async fn routers(
    State(db): State<LinkDb>,
    Params(filter): Params<RouterFilter>,
    pages: Pages,
) -> Result<Paged<Routers>> {
    if pages.whole() {
        let mut routers = db.topology().await?.routers;
        routers.retain(|router| filter.takes(router));
        return Ok(Routers::of(pages.of(routers, |router| router.at.to_string())));
    }
    let page = pages.read(db.store(), Prefix::<RouterRecord>::all(), |_, _, router| {
        at_once(Some(router).filter(|router| filter.takes(router)))
    });
    Ok(Routers::of(page.await?))
}

async fn add_router(
    State(db): State<LinkDb>,
    Kept(receipt): Kept,
    Payload(body): Payload<NewRouter>,
) -> Result<Created<RouterAdded>> {
    let router = RouterRecord::from(body);
    let add = |tx: &mut Tx| receipt.once_in(tx, |tx| db.add_router_in(tx, &router));
    db.store().transact(add).await?;
    let message = format!("router {} added", router.at);
    Ok(Created(RouterAdded { message, router: router.into() }))
}

async fn interfaces(
    State(db): State<LinkDb>,
    Params(filter): Params<InterfaceFilter>,
    pages: Pages,
) -> Result<Paged<Interfaces>> {
    if pages.whole() {
        let mut ports = db.topology().await?.ports;
        ports.retain(|port| filter.takes(port));
        return Ok(Interfaces::of(pages.of(ports, |port| port.port.at.to_string())));
    }
    let filter = Arc::new(filter);
    let page = pages.read(db.store(), Prefix::<Port>::all(), |snapshot, _, port| {
        let filter = Arc::clone(&filter);
        Box::pin(async move {
            let claim = snapshot.get(&PortClaim::key(&port.at)).await?;
            let status = PortStatus { port, occupied_by: claim.map(|claim| claim.owner) };
            Ok::<_, ApiError>(Some(status).filter(|status| filter.takes(status)))
        })
    });
    Ok(Interfaces::of(page.await?))
}

async fn add_interface(
    State(db): State<LinkDb>,
    Kept(receipt): Kept,
    Payload(body): Payload<NewInterface>,
) -> Result<Created<InterfaceAdded>> {
    let at = PortRef { pop_id: body.pop_id, router_id: body.router_id, port_id: body.interface };
    let port = Port::new(at.clone());
    let add = |tx: &mut Tx| receipt.once_in(tx, |tx| db.add_port_in(tx, &port));
    db.store().transact(add).await?;
    let interface = InterfaceJson::from(db.port(&at).await?);
    Ok(Created(InterfaceAdded { message: format!("interface {at} added"), interface }))
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
) -> Result<Json<Removed>> {
    let at = PortRef { pop_id, router_id, port_id };
    db.store().transact(|tx| db.remove_port_in(tx, &at)).await?;
    Ok(Json(Removed { message: format!("interface {at} removed") }))
}

async fn topology(State(db): State<LinkDb>) -> Result<Json<TopologyJson>> {
    let view = db.topology().await?;
    let summary = TopologySummary {
        total_pops: view.pops.len(),
        total_links: view.links.len(),
        total_routers: view.routers.len(),
        total_interfaces: view.ports.len(),
        total_connections: view.grants.len(),
        timestamp: now(),
    };
    Ok(Json(TopologyJson {
        pops: view.pops.into_iter().map(PopJson::from).collect(),
        links: view.links.into_iter().map(LinkJson::from).collect(),
        routers: view.routers.into_iter().map(RouterJson::from).collect(),
        interfaces: view.ports.into_iter().map(InterfaceJson::from).collect(),
        connections: view.grants.into_iter().map(AllocationJson::from).collect(),
        summary,
    }))
}

#[cfg(test)]
mod tests;
