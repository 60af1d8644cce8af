//! The slice manager surface (port 8082): virtual operators come, are described, and go.
//!
//! | method and path | answers |
//! |---|---|
//! | `GET /`, `/health` | 200, or 503 with the reasons while store or bus cannot be used |
//! | `POST /api/v1/vops` | 201 when topics, assignments and controller are there; 200 where the same request made it before |
//! | `GET /api/v1/vops`, `/api/v1/vops/{id}` | all virtual operators; one |
//! | `DELETE /api/v1/vops/{id}` | 204 when everything is taken back; 409 with live connections unless `?force=true` |
//! | `POST /api/v1/topics/{id}` | the operator's topics as the broker has them; missing ones are made |
//! | `GET /api/v1/interfaces/check/{pop}/{router}/{interface}` | whether a port can be given away |
//!
//! A request may take longer here than elsewhere, up to 3 minutes: topics are made and deleted, connections drained.

use super::access::{self, Access, Caller, protected};
use super::dto::now;
use super::dto::slice::{Force, NewVop, VopJson, VopSummaryJson, topics_by_role};
use super::error::ApiError;
use super::extract::{Params, Payload, Segments};
use super::guard::guarded_within;
use super::health::Health;
use crate::slice::{SliceError, SliceManager};
use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use core::time::Duration;
use ipowdm_core::error::Code;
use ipowdm_core::ids::{PopId, PortId, PortRef, RouterId, VopId};
use serde_json::{Value, json};

/// Time for a request: a forced deactivation drains connections, then deletes topics.
const REQUEST_TIME: Duration = Duration::from_secs(180);

type Result<T> = core::result::Result<T, ApiError>;
type Manager = State<SliceManager>;

/// The routes of the slice manager service.
pub fn slice_router(manager: SliceManager, access: Access) -> Router {
    let router = Router::new()
        .route("/", get(health))
        .route("/health", get(health))
        .route("/api/v1/vops", get(list).post(activate))
        .route("/api/v1/vops/{id}", get(describe).delete(deactivate))
        .route("/api/v1/topics/{id}", post(ensure_topics))
        .route("/api/v1/interfaces/check/{pop}/{router}/{interface}", get(check_interface))
        .with_state(manager);
    guarded_within(protected(router, access, access::SLICE, None), REQUEST_TIME)
}

impl From<SliceError> for ApiError {
    fn from(error: SliceError) -> Self {
        Self::new(error.code(), error)
    }
}

async fn health(State(manager): Manager) -> Health {
    let view = manager.health().await;
    let part = |code, outage: &Option<String>| match outage {
        None => Ok(()),
        Some(reason) => Err(ApiError::new(code, reason)),
    };
    let parts = [part(Code::StoreUnavailable, &view.store), part(Code::BusUnavailable, &view.bus)];
    let fields = json!({
        "service": "ipowdm slice manager",
        "kafka_connected": view.bus.is_none(),
        "linkdb_connected": view.store.is_none(),
    });
    Health::new(fields, parts)
}

async fn activate(State(manager): Manager, Payload(body): Payload<NewVop>) -> Result<Response> {
    let (vop, new) = manager.activate(body.into()).await?;
    let view = manager.describe(vop.id()).await?;
    let status = if new { StatusCode::CREATED } else { StatusCode::OK };
    let location = HeaderValue::from_str(&format!("/api/v1/vops/{}", vop.id()))
        .unwrap_or_else(|_| HeaderValue::from_static("/api/v1/vops"));
    Ok((status, [(header::LOCATION, location)], Json(VopJson::from(view))).into_response())
}

async fn list(State(manager): Manager, Caller(caller): Caller) -> Result<Json<Vec<VopSummaryJson>>> {
    let vops = manager.list().await?.into_iter().filter(|vop| caller.role.may_see(vop.vop.id()));
    Ok(Json(vops.map(VopSummaryJson::from).collect()))
}

async fn describe(
    State(manager): Manager,
    Caller(caller): Caller,
    Segments(id): Segments<VopId>,
) -> Result<Json<VopJson>> {
    if !caller.role.may_see(&id) {
        return Err(SliceError::UnknownVop { vop: id.to_string() }.into());
    }
    Ok(Json(manager.describe(&id).await?.into()))
}

async fn deactivate(
    State(manager): Manager,
    Segments(id): Segments<VopId>,
    Params(Force { force }): Params<Force>,
) -> Result<StatusCode> {
    manager.deactivate(&id, force).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn ensure_topics(State(manager): Manager, Segments(id): Segments<VopId>) -> Result<Json<Value>> {
    let topics = topics_by_role(manager.ensure_topics(&id).await?);
    Ok(Json(json!({"message": format!("the topics of {id} are there"), "topics": topics})))
}

async fn check_interface(
    State(manager): Manager,
    Segments((pop_id, router_id, port_id)): Segments<(PopId, RouterId, PortId)>,
) -> Result<Json<Value>> {
    let port = PortRef { pop_id, router_id, port_id };
    let found = manager.check_interface(&port).await?;
    if !found.known {
        return Err(ApiError::new(Code::UnknownPort, format_args!("port {port} is not known")));
    }
    Ok(Json(json!({
        "pop_id": port.pop_id,
        "router_id": port.router_id,
        "interface": port.port_id,
        "available": found.available,
        "timestamp": now(),
    })))
}

#[cfg(test)]
mod tests;
