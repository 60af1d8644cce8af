//! The controller surface (port 8083, prefix `/api/v1`): one virtual operator's connections, agents and interfaces.
//!
//! | method and path below `/api/v1` | answers |
//! |---|---|
//! | `GET /health` | 200, or 503 with the reasons while store or bus cannot be used |
//! | `GET /status`, `/vop/status` | everything at a glance; the virtual operator |
//! | `GET /topology`, `/topology/pops`, `/topology/links` | the network, and how much of the operator's spectrum is in use |
//! | `GET /topology/path/{a}/{b}` | the path and slots that a connection would get now |
//! | `GET`, `POST /connections` | the connections (`?status=`); a new one: 201, or 200 where the same request made it before |
//! | `GET /connections/{id}`, `/connections/{id}/qot`, `/monitoring/qot` | one connection; its quality; that of all |
//! | `POST /connections/{id}/setup`, `/connections/{id}/reconfigure`, `DELETE /connections/{id}` | an operation |
//! | `POST /interfaces/{pop}/{router}/{interface}/control` | an operation |
//! | `GET /operations/{id}` | how an operation stands |
//! | `GET /agents`, `/agents/{pop}/{router}`, `/interfaces/{pop}/{router}` | who is there, and what their modules say |
//! | `POST /agents/discover` | asks all agents to read their modules again |
//!
//! What begins an operation answers 202 and the operation, whose path is in `Location`. With `?wait=<seconds>` it answers
//! when the operation has ended: 200 where the result was read back from the modules, the error where it failed (409 where a
//! port does not know the connection), 202 where it goes on. `DELETE …?force=true` gives everything back at once, whatever the ends do.

use super::access::{self, Access, protected};
use super::dto::controller::{
    AgentJson, ConnectionJson, ControlBody, ControlQuery, Force, InterfaceJson, ListQuery, NewConnection,
    OperationJson, PathQuery, QotJson, ReconfigureBody, SetupBody, WaitQuery, agents, links_by_id, network,
    path, pops_by_id, status_json, switch, vop_status_json,
};
use super::dto::now;
use super::error::ApiError;
use super::extract::{Params, Payload, Segments};
use super::guard::guarded;
use super::health::Health;
use crate::connection::Ends;
use crate::controller::{ControllerError, ControllerHandle, OperationStatus, OperationView};
use axum::extract::{Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use core::time::Duration;
use ipowdm_core::error::Code;
use ipowdm_core::ids::{ConnectionId, PopId, PortId, PortRef, RouterId, RouterRef};
use ipowdm_core::qot::Level;
use serde_json::{Value, json};

type Result<T> = core::result::Result<T, ApiError>;
type Handle = State<ControllerHandle>;

/// The routes of a controller service. Once its virtual operator has been deactivated every one answers 404
/// (`unknown_vop`); where the controller was only stopped, 503 (`stopped`).
pub fn controller_router(handle: ControllerHandle, access: Access) -> Router {
    let vop = handle.vop().clone();
    let v1 = Router::new()
        .route("/health", get(health))
        .route("/status", get(status))
        .route("/vop/status", get(vop_status))
        .route("/topology", get(topology))
        .route("/topology/pops", get(pops))
        .route("/topology/links", get(links))
        .route("/topology/path/{a}/{b}", get(compute_path))
        .route("/connections", get(connections).post(create))
        .route("/connections/{id}", get(connection).delete(delete))
        .route("/connections/{id}/setup", post(setup))
        .route("/connections/{id}/reconfigure", post(reconfigure))
        .route("/connections/{id}/qot", get(qot))
        .route("/monitoring/qot", get(qot_all))
        .route("/operations/{*id}", get(operation))
        .route("/agents", get(list_agents))
        .route("/agents/discover", post(discover))
        .route("/agents/{pop}/{router}", get(agent))
        .route("/interfaces/{pop}/{router}", get(interfaces))
        .route("/interfaces/{pop}/{router}/{interface}/control", post(control))
        .layer(from_fn_with_state(handle.clone(), serving))
        .with_state(handle);
    guarded(protected(Router::new().nest("/api/v1", v1), access, access::CONTROLLER, Some(vop)))
}

async fn serving(State(handle): Handle, request: Request, next: Next) -> Response {
    match handle.serving().await {
        Ok(()) => next.run(request).await,
        Err(error) => ApiError::from(error).into_response(),
    }
}

impl From<ControllerError> for ApiError {
    fn from(error: ControllerError) -> Self {
        Self::new(error.code(), error)
    }
}

// --- the controller itself --------------------------------------------------------------------------------------------

async fn health(State(handle): Handle) -> Health {
    let view = handle.health().await;
    let part = |code, outage: &Option<String>| match outage {
        None => Ok(()),
        Some(reason) => Err(ApiError::new(code, reason)),
    };
    let superseded = if view.superseded {
        Err(ApiError::new(Code::StaleEpoch, "another controller has taken over"))
    } else {
        Ok(())
    };
    let parts =
        [part(Code::StoreUnavailable, &view.store), part(Code::BusUnavailable, &view.bus), superseded];
    let fields = json!({
        "controller_id": view.controller_id,
        "virtual_operator": handle.vop(),
        "kafka_connected": view.bus.is_none(),
        "linkdb_connected": view.store.is_none(),
        "active_connections": view.active_connections,
    });
    Health::new(fields, parts)
}

async fn status(State(handle): Handle) -> Result<Json<Value>> {
    let view = handle.status().await;
    let network = network(handle.network().await?);
    Ok(Json(status_json(handle.vop(), view, &network)))
}

async fn vop_status(State(handle): Handle) -> Result<Json<Value>> {
    Ok(Json(vop_status_json(handle.vop_status().await?)))
}

// --- topology ---------------------------------------------------------------------------------------------------------

async fn topology(State(handle): Handle) -> Result<Json<Value>> {
    Ok(Json(network(handle.network().await?)))
}

async fn pops(State(handle): Handle) -> Result<Json<Value>> {
    Ok(Json(pops_by_id(handle.network().await?.pops).into()))
}

async fn links(State(handle): Handle) -> Result<Json<Value>> {
    Ok(Json(links_by_id(handle.network().await?.links).into()))
}

async fn compute_path(
    State(handle): Handle,
    Segments((a, b)): Segments<(PopId, PopId)>,
    Params(query): Params<PathQuery>,
) -> Result<Json<Value>> {
    let request = query.request(a, b);
    let view = handle.compute_path(request.clone()).await?;
    Ok(Json(path(&request, view, handle.raster())))
}

// --- connections ------------------------------------------------------------------------------------------------------

async fn connections(
    State(handle): Handle,
    Params(query): Params<ListQuery>,
) -> Result<Json<Vec<ConnectionJson>>> {
    let vop = handle.vop();
    let views = handle.connections(query.status)?;
    Ok(Json(views.into_iter().map(|view| ConnectionJson::new(vop.clone(), view)).collect()))
}

async fn connection(
    State(handle): Handle,
    Segments(id): Segments<ConnectionId>,
) -> Result<Json<ConnectionJson>> {
    Ok(Json(ConnectionJson::new(handle.vop().clone(), handle.connection(&id)?)))
}

async fn create(State(handle): Handle, Payload(body): Payload<NewConnection>) -> Result<Response> {
    let vop = handle.vop().clone();
    if let Some(named) = body.virtual_operator.as_ref().filter(|named| **named != vop) {
        let reason = format!("this is the controller of {vop}, not of {named}");
        return Err(ApiError::new(Code::Forbidden, reason));
    }
    let mut known = Ends::default();
    for end in Ends::<()>::BOTH {
        if let Some(router) = body.named_routers().get(end) {
            *known.get_mut(end) = handle.has_router(router).await?;
        }
    }
    let request = body.into_request(&known);
    let (view, new) = handle.create_connection(request).await?;
    let status = if new { StatusCode::CREATED } else { StatusCode::OK };
    let location = location(&format!("/api/v1/connections/{}", view.connection_id));
    Ok((status, [(header::LOCATION, location)], Json(ConnectionJson::new(vop, view))).into_response())
}

async fn setup(
    State(handle): Handle,
    Segments(id): Segments<ConnectionId>,
    Params(query): Params<WaitQuery>,
    _body: Option<Payload<SetupBody>>,
) -> Result<Response> {
    let begun = handle.setup(&id).await?;
    let operation = followed(&handle, begun, query.limit()).await?;
    connection_answer(
        &handle,
        &id,
        operation,
        &Words {
            running: "setup_started",
            done: "setup_completed",
            message: "both ends were told; follow the operation",
        },
    )
}

async fn reconfigure(
    State(handle): Handle,
    Segments(id): Segments<ConnectionId>,
    Params(query): Params<WaitQuery>,
    Payload(body): Payload<ReconfigureBody>,
) -> Result<Response> {
    let request = body.into_request(&id)?;
    let begun = handle.reconfigure(&id, &request).await?;
    let operation = followed(&handle, begun, query.limit()).await?;
    connection_answer(
        &handle,
        &id,
        operation,
        &Words {
            running: "reconfiguration_started",
            done: "reconfiguration_completed",
            message: "the ends that change were told; follow the operation",
        },
    )
}

async fn delete(
    State(handle): Handle,
    Segments(id): Segments<ConnectionId>,
    Params(query): Params<WaitQuery>,
    Params(Force { force }): Params<Force>,
) -> Result<Response> {
    let begun = if force { handle.abandon(&id).await? } else { handle.delete(&id).await? };
    let operation = followed(&handle, begun, query.limit()).await?;
    connection_answer(
        &handle,
        &id,
        operation,
        &Words {
            running: "teardown_started",
            done: "deleted",
            message: "both ends were told to go dark; follow the operation",
        },
    )
}

async fn qot(State(handle): Handle, Segments(id): Segments<ConnectionId>) -> Result<Json<QotJson>> {
    Ok(Json(handle.qot(&id)?.into()))
}

async fn qot_all(State(handle): Handle) -> Json<Value> {
    let all: Vec<QotJson> = handle.qot_all().into_iter().map(QotJson::from).collect();
    let degraded = all.iter().filter(|one| one.level >= Level::Degraded).count();
    Json(json!({
        "total_connections": all.len(),
        "degraded_connections": degraded,
        "connections": all,
        "timestamp": now(),
    }))
}

// --- operations -------------------------------------------------------------------------------------------------------

async fn operation(
    State(handle): Handle,
    Segments(id): Segments<String>,
    Params(query): Params<WaitQuery>,
) -> Result<Json<OperationJson>> {
    let operation = handle.operation(&id)?;
    Ok(Json(followed(&handle, operation, query.limit()).await?.into()))
}

/// The operation once it has ended, or as it stands when the wait is over.
async fn followed(
    handle: &ControllerHandle,
    begun: OperationView,
    limit: Option<Duration>,
) -> Result<OperationView> {
    match limit {
        Some(limit) => Ok(handle.wait(begun, limit).await?),
        None => Ok(begun),
    }
}

/// What an operation is called while it runs and when it is done.
struct Words {
    running: &'static str,
    done: &'static str,
    message: &'static str,
}

impl Words {
    /// Status, name and sentence of an operation; an error where it failed.
    fn of(&self, operation: &OperationView) -> Result<(StatusCode, &'static str, &'static str)> {
        match &operation.status {
            OperationStatus::Running => Ok((StatusCode::ACCEPTED, self.running, self.message)),
            OperationStatus::Succeeded => Ok((StatusCode::OK, self.done, "done, and read back")),
            OperationStatus::Failed(failure) => {
                let error = ApiError::new(failure.code, failure);
                // What was asked about is there: it is the equipment that does not know of it.
                let missing = error.status() == StatusCode::NOT_FOUND;
                let error = if missing { error.with_status(StatusCode::CONFLICT) } else { error };
                Err(error.about("operation", OperationJson::from(operation.clone())))
            }
        }
    }
}

fn connection_answer(
    handle: &ControllerHandle,
    id: &ConnectionId,
    operation: OperationView,
    words: &Words,
) -> Result<Response> {
    let (code, status, message) = words.of(&operation)?;
    let path = format!("/api/v1/operations/{}", operation.id);
    let connection = handle.connection(id).ok().map(|view| ConnectionJson::new(handle.vop().clone(), view));
    let body = json!({
        "connection_id": id,
        "status": status,
        "message": message,
        "next_step": format!("GET {path}"),
        "operation": OperationJson::from(operation),
        "connection": connection,
    });
    Ok((code, [(header::LOCATION, location(&path))], Json(body)).into_response())
}

fn location(path: &str) -> HeaderValue {
    // Ids are ASCII without control characters.
    HeaderValue::from_str(path).unwrap_or_else(|_| HeaderValue::from_static("/api/v1"))
}

// --- agents and interfaces --------------------------------------------------------------------------------------------

async fn list_agents(State(handle): Handle) -> Json<Value> {
    Json(agents(handle.vop(), handle.agents()))
}

async fn agent(
    State(handle): Handle,
    Segments((pop_id, router_id)): Segments<(PopId, RouterId)>,
) -> Result<Json<AgentJson>> {
    let view = handle.agent(&RouterRef { pop_id, router_id })?;
    Ok(Json(AgentJson::new(handle.vop().clone(), view)))
}

async fn discover(State(handle): Handle) -> Result<Json<Value>> {
    handle.discover().await?;
    let message = "all agents were asked to read their modules; what they find appears in /api/v1/agents";
    Ok(Json(json!({"status": "success", "message": message, "timestamp": now()})))
}

async fn interfaces(
    State(handle): Handle,
    Segments((pop_id, router_id)): Segments<(PopId, RouterId)>,
) -> Result<Json<Value>> {
    let at = RouterRef { pop_id, router_id };
    let ports: Vec<InterfaceJson> = handle.interfaces(&at)?.into_iter().map(InterfaceJson::from).collect();
    Ok(Json(json!({
        "pop_id": at.pop_id,
        "router_id": at.router_id,
        "count": ports.len(),
        "interfaces": ports,
    })))
}

async fn control(
    State(handle): Handle,
    Segments((pop_id, router_id, port_id)): Segments<(PopId, RouterId, PortId)>,
    Params(query): Params<ControlQuery>,
    Params(wait): Params<WaitQuery>,
    body: Option<Payload<ControlBody>>,
) -> Result<Response> {
    let wanted = switch(&query, body.as_ref().map(|Payload(body)| body))?;
    let port = PortRef { pop_id, router_id, port_id };
    let begun = handle.control_interface(&port, wanted.state()).await?;
    let operation = followed(&handle, begun, wait.limit()).await?;
    let words = Words {
        running: "command_sent",
        done: "applied",
        message: "the agent was told; follow the operation",
    };
    let (code, status, message) = words.of(&operation)?;
    let path = format!("/api/v1/operations/{}", operation.id);
    let body = json!({
        "pop_id": port.pop_id,
        "router_id": port.router_id,
        "interface": port.port_id,
        "action": wanted.as_str(),
        "status": status,
        "message": message,
        "operation": OperationJson::from(operation),
        "timestamp": now(),
    });
    Ok((code, [(header::LOCATION, location(&path))], Json(body)).into_response())
}

#[cfg(test)]
mod tests;
