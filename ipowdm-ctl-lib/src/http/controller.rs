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
//! | `POST /connections/{id}/repair` | sets a FAILED connection up once more: an operation |
//! | `POST /interfaces/{pop}/{router}/{interface}/control` | an operation |
//! | `GET /operations/{id}` | how an operation stands |
//! | `GET /events?kinds=alarm,connection&connection=C-1` | server-sent events: telemetry, connections, operations, quality, alarms, agents |
//! | `GET /agents`, `/agents/{pop}/{router}`, `/interfaces/{pop}/{router}` | who is there, and what their modules say |
//! | `POST /agents/discover` | asks all agents to read their modules again |
//!
//! `GET /metrics`, without the prefix: figures for Prometheus.
//!
//! What begins an operation answers 202 and the operation, whose path is in `Location`. With `?wait=<seconds>` it answers
//! when the operation has ended: 200 where the result was read back from the modules, the error where it failed (409 where a
//! port does not know the connection), 202 where it goes on. `DELETE …?force=true` gives everything back at once, whatever the ends do.

mod events;

use super::access::{self, Access, protected};
use super::answer::{Begun, Made};
use super::dto::controller::{
    AgentJson, AgentsJson, ComputedPathJson, ConnectionAnswer, ConnectionJson, ControlAnswer, ControlBody,
    ControlQuery, ControllerHealth, Discovery, Force, InterfaceJson, LinksById, ListQuery, NetworkJson,
    NewConnection, OperationJson, PathQuery, PopsById, QotJson, QualitiesJson, ReconfigureBody,
    RouterInterfaces, SetupBody, StatusJson, VopStatusJson, WaitQuery, links_by_id, pops_by_id, switch,
};
use super::dto::now;
use super::error::ApiError;
use super::extract::{Params, Payload, Segments};
use super::guard::{REQUEST_TIME, guarded_by};
use super::health::Health;
use super::metrics::{self, Meter, metered};
use super::once::{Once, once};
use super::openapi::{self, About, also, documented, does};
use super::page::{Paged, Pages};
use super::router::mountable;
use super::sse::Streams;
use crate::connection::Ends;
use crate::controller::{ControllerError, ControllerHandle, OperationStatus, OperationView};
use aide::axum::ApiRouter;
use aide::axum::routing::{get_with, post_with};
use aide::openapi::ReferenceOr;
use aide::transform::TransformOperation;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json, Router};
use core::time::Duration;
use ipowdm_core::error::Code;
use ipowdm_core::ids::{ConnectionId, PopId, PortId, PortRef, RouterId, RouterRef};
use ipowdm_core::qot::Level;

type Result<T> = core::result::Result<T, ApiError>;
type Handle = State<ControllerHandle>;

/// The routes of a controller service. Once its virtual operator has been deactivated every one answers 404
/// (`unknown_vop`); where the controller was only stopped, 503 (`stopped`).
pub fn controller_router(handle: ControllerHandle, access: Access) -> Router {
    let vop = handle.vop().clone();
    let about = About {
        title: "ipowdm controller",
        description: "The connections, agents and interfaces of one virtual operator of an IP-over-WDM network.",
        rules: access::CONTROLLER,
        refusals: &[Code::UnknownVop, Code::Stopped, Code::NotCommanding],
        links: openapi::CONTROLLER,
        open: access.is_open(),
    };
    let (store, limits) = (handle.store().clone(), *access.limits());
    let router = documented(about, || {
        let figures = get_with(figures, does("Figures for Prometheus", &[]));
        let figures = ApiRouter::new().api_route(metrics::PATH, figures);
        let router = ApiRouter::new().nest("/api/v1", routes()).merge(figures);
        router.layer(from_fn_with_state(handle.clone(), serving)).with_state(handle)
    });
    let router = once(router, store, format!("controller/{vop}"), REQUEST_TIME);
    let meter = Meter::new();
    let router = router.layer(Extension(Streams::new())).layer(Extension(meter.clone()));
    let router = protected(router, access, access::CONTROLLER, Some(vop));
    mountable(metered(guarded_by(router, &limits, REQUEST_TIME), meter))
}

async fn figures(
    State(handle): Handle,
    Extension(meter): Extension<Meter>,
    metrics::SeesAll(all): metrics::SeesAll,
) -> metrics::Answer {
    metrics::controller(&handle, all, &meter).await
}

/// What a command to modules, or the operation that waited for its answer, may be refused with.
const COMMANDS: &[Code] = &[
    Code::UnknownConnection,
    Code::UnknownPort,
    Code::UnknownAgent,
    Code::IllegalState,
    Code::PortOccupied,
    Code::PowerOutOfRange,
    Code::FrequencyOutOfRange,
    Code::FrequencyOffGrid,
    Code::FrequencyNotGranted,
    Code::Unsupported,
    Code::ModuleAbsent,
    Code::ModuleUnreachable,
    Code::ModuleRejected,
    Code::ModuleFault,
    Code::ReadBackMismatch,
    Code::StaleEpoch,
    Code::Unfenced,
    Code::Expired,
    Code::TimedOut,
    Code::BusUnavailable,
];

/// What a request for a path may be refused with.
const PATHS: &[Code] = &[
    Code::SamePop,
    Code::UnknownPop,
    Code::UnknownRouter,
    Code::UnknownPort,
    Code::NoPath,
    Code::NoSpectrum,
    Code::NoCommonChannel,
    Code::QuotaExceeded,
    Code::PortOccupied,
    Code::NoFreePort,
    Code::FrequencyOutOfRange,
    Code::FrequencyNotGranted,
    Code::FrequencyOffGrid,
    Code::PowerOutOfRange,
    Code::Unsupported,
    Code::ModuleAbsent,
    Code::AlreadyExists,
    Code::IllegalState,
    Code::StaleEpoch,
];

/// What a repair may be refused with beside [`COMMANDS`]: a place is found first.
const PLACES: &[Code] = &[
    Code::UnknownPop,
    Code::UnknownRouter,
    Code::NoPath,
    Code::NoSpectrum,
    Code::NoCommonChannel,
    Code::QuotaExceeded,
    Code::NoFreePort,
];

fn routes() -> ApiRouter<ControllerHandle> {
    let router = ApiRouter::new()
        .api_route(
            "/health",
            get_with(health, does("Whether store and bus can be used", &[Code::UnknownVop, Code::Stopped])),
        )
        .api_route("/status", get_with(status, does("Everything at a glance", &[])))
        .api_route("/vop/status", get_with(vop_status, does("The virtual operator", &[])))
        .api_route("/topology", get_with(topology, does("The network, and how much spectrum is in use", &[])))
        .api_route("/topology/pops", get_with(pops, does("The PoPs by id", &[])))
        .api_route("/topology/links", get_with(links, does("The links by id", &[])))
        .api_route(
            "/topology/path/{a}/{b}",
            get_with(compute_path, does("The path and slots that a connection would get now", PATHS)),
        )
        .api_route("/monitoring/qot", get_with(qot_all, does("The quality of all connections", &[])))
        .api_route(
            "/operations/{*id}",
            get_with(operation, does("How an operation stands", &[Code::UnknownOperation])),
        );
    equipment_routes(connection_routes(router))
}

fn connection_routes(router: ApiRouter<ControllerHandle>) -> ApiRouter<ControllerHandle> {
    router
        .api_route(
            "/connections",
            get_with(connections, does("The connections", &[]))
                .post_with(create, does("A new connection: it holds spectrum and ports, and is dark", PATHS)),
        )
        .api_route(
            "/connections/{id}",
            get_with(connection, does("A connection", &[Code::UnknownConnection]))
                .delete_with(delete, does("Takes a connection down", COMMANDS)),
        )
        .api_route(
            "/connections/{id}/setup",
            post_with(setup, may_lack_body(does("Sets a connection up", COMMANDS))),
        )
        .api_route(
            "/connections/{id}/reconfigure",
            post_with(reconfigure, does("Changes the launch power of a connection", COMMANDS)),
        )
        .api_route(
            "/connections/{id}/repair",
            post_with(
                repair,
                also(PLACES, may_lack_body(does("Sets a failed connection up once more", COMMANDS))),
            ),
        )
        .api_route(
            "/connections/{id}/qot",
            get_with(qot, does("The quality of a connection", &[Code::UnknownConnection])),
        )
}

fn equipment_routes(router: ApiRouter<ControllerHandle>) -> ApiRouter<ControllerHandle> {
    router
        .api_route("/agents", get_with(list_agents, does("The agents by PoP", &[])))
        .api_route(
            "/events",
            get_with(
                events::events,
                does("What happens from now on, or since the place in Last-Event-ID", &[]),
            ),
        )
        .api_route(
            "/agents/discover",
            post_with(discover, does("Asks all agents to read their modules again", &[Code::BusUnavailable])),
        )
        .api_route(
            "/agents/{pop}/{router}",
            get_with(agent, does("An agent", &[Code::UnknownAgent, Code::UnknownRouter])),
        )
        .api_route(
            "/interfaces/{pop}/{router}",
            get_with(interfaces, does("The ports of a router", &[Code::UnknownRouter, Code::UnknownAgent])),
        )
        .api_route(
            "/interfaces/{pop}/{router}/{interface}/control",
            post_with(control, may_lack_body(does("Takes a port up or down", COMMANDS))),
        )
}

/// An operation whose body may be absent.
fn may_lack_body(
    operation: impl FnOnce(TransformOperation<'_>) -> TransformOperation<'_>,
) -> impl FnOnce(TransformOperation<'_>) -> TransformOperation<'_> {
    move |described| {
        let mut described = operation(described);
        if let Some(ReferenceOr::Item(body)) = &mut described.inner_mut().request_body {
            body.required = false;
        }
        described
    }
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

async fn health(State(handle): Handle) -> Health<ControllerHealth> {
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
    let fields = ControllerHealth {
        controller_id: view.controller_id,
        virtual_operator: handle.vop().clone(),
        kafka_connected: view.bus.is_none(),
        linkdb_connected: view.store.is_none(),
        active_connections: view.active_connections,
    };
    Health::new(fields, parts)
}

async fn status(State(handle): Handle) -> Result<Json<StatusJson>> {
    let view = handle.status().await;
    let network = handle.network().await?.into();
    Ok(Json(StatusJson::new(handle.vop().clone(), view, &network)))
}

async fn vop_status(State(handle): Handle) -> Result<Json<VopStatusJson>> {
    Ok(Json(handle.vop_status().await?.into()))
}

// --- topology ---------------------------------------------------------------------------------------------------------

async fn topology(State(handle): Handle) -> Result<Json<NetworkJson>> {
    Ok(Json(handle.network().await?.into()))
}

async fn pops(State(handle): Handle) -> Result<Json<PopsById>> {
    Ok(Json(pops_by_id(handle.network().await?.pops)))
}

async fn links(State(handle): Handle) -> Result<Json<LinksById>> {
    Ok(Json(links_by_id(handle.network().await?.links)))
}

async fn compute_path(
    State(handle): Handle,
    Segments((a, b)): Segments<(PopId, PopId)>,
    Params(query): Params<PathQuery>,
) -> Result<Json<ComputedPathJson>> {
    let request = query.request(a, b);
    let view = handle.compute_path(request.clone()).await?;
    Ok(Json(ComputedPathJson::new(request, view, handle.raster())))
}

// --- connections ------------------------------------------------------------------------------------------------------

async fn connections(
    State(handle): Handle,
    Params(query): Params<ListQuery>,
    pages: Pages,
) -> Result<Paged<Vec<ConnectionJson>>> {
    let vop = handle.vop();
    let mut views = handle.connections(query.status)?;
    views.retain(|view| query.takes(view));
    let page = pages.of(views, |view| view.connection_id.to_string());
    Ok(page.answer(|views, _| views.into_iter().map(|view| ConnectionJson::new(vop.clone(), view)).collect()))
}

async fn connection(
    State(handle): Handle,
    Segments(id): Segments<ConnectionId>,
) -> Result<Json<ConnectionJson>> {
    Ok(Json(ConnectionJson::new(handle.vop().clone(), handle.connection(&id)?)))
}

async fn create(
    State(handle): Handle,
    once: Option<Extension<Once>>,
    Payload(body): Payload<NewConnection>,
) -> Result<Made<ConnectionJson>> {
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
    let mut request = body.into_request(&known);
    if request.connection_id.is_none()
        && let Some(Extension(once)) = once
    {
        // Sent again, it is the same connection, also where the first answer was lost with the process.
        request.connection_id = Some(once.connection_id()?);
    }
    let (view, new) = handle.create_connection(request).await?;
    let location = format!("/api/v1/connections/{}", view.connection_id);
    Ok(Made { new, location, body: ConnectionJson::new(vop, view) })
}

async fn setup(
    State(handle): Handle,
    Segments(id): Segments<ConnectionId>,
    Params(query): Params<WaitQuery>,
    _body: Option<Payload<SetupBody>>,
) -> Result<Begun<ConnectionAnswer>> {
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
) -> Result<Begun<ConnectionAnswer>> {
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

async fn repair(
    State(handle): Handle,
    Segments(id): Segments<ConnectionId>,
    Params(query): Params<WaitQuery>,
    _body: Option<Payload<SetupBody>>,
) -> Result<Begun<ConnectionAnswer>> {
    let begun = handle.repair(&id).await?;
    let operation = followed(&handle, begun, query.limit()).await?;
    connection_answer(
        &handle,
        &id,
        operation,
        &Words {
            running: "repair_started",
            done: "repair_completed",
            message: "both ends were told; follow the operation",
        },
    )
}

async fn delete(
    State(handle): Handle,
    Segments(id): Segments<ConnectionId>,
    Params(query): Params<WaitQuery>,
    Params(Force { force }): Params<Force>,
) -> Result<Begun<ConnectionAnswer>> {
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

async fn qot_all(State(handle): Handle) -> Json<QualitiesJson> {
    let connections: Vec<QotJson> = handle.qot_all().into_iter().map(QotJson::from).collect();
    let degraded_connections = connections.iter().filter(|one| one.level >= Level::Degraded).count();
    Json(QualitiesJson {
        total_connections: connections.len(),
        degraded_connections,
        connections,
        timestamp: now(),
    })
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
) -> Result<Begun<ConnectionAnswer>> {
    let (code, status, message) = words.of(&operation)?;
    let location = format!("/api/v1/operations/{}", operation.id);
    let connection = handle.connection(id).ok().map(|view| ConnectionJson::new(handle.vop().clone(), view));
    let body = ConnectionAnswer {
        connection_id: id.clone(),
        status,
        message,
        next_step: format!("GET {location}"),
        operation: operation.into(),
        connection,
    };
    Ok(Begun { status: code, location, body })
}

// --- agents and interfaces --------------------------------------------------------------------------------------------

async fn list_agents(State(handle): Handle) -> Json<AgentsJson> {
    Json(AgentsJson::new(handle.vop(), handle.agents()))
}

async fn agent(
    State(handle): Handle,
    Segments((pop_id, router_id)): Segments<(PopId, RouterId)>,
) -> Result<Json<AgentJson>> {
    let view = handle.agent(&RouterRef { pop_id, router_id })?;
    Ok(Json(AgentJson::new(handle.vop().clone(), view)))
}

async fn discover(State(handle): Handle) -> Result<Json<Discovery>> {
    handle.discover().await?;
    let message = "all agents were asked to read their modules; what they find appears in /api/v1/agents";
    Ok(Json(Discovery { status: "success", message, timestamp: now() }))
}

async fn interfaces(
    State(handle): Handle,
    Segments((pop_id, router_id)): Segments<(PopId, RouterId)>,
) -> Result<Json<RouterInterfaces>> {
    let at = RouterRef { pop_id, router_id };
    let interfaces: Vec<InterfaceJson> =
        handle.interfaces(&at)?.into_iter().map(InterfaceJson::from).collect();
    let RouterRef { pop_id, router_id } = at;
    Ok(Json(RouterInterfaces { pop_id, router_id, count: interfaces.len(), interfaces }))
}

async fn control(
    State(handle): Handle,
    Segments((pop_id, router_id, port_id)): Segments<(PopId, RouterId, PortId)>,
    Params(query): Params<ControlQuery>,
    Params(wait): Params<WaitQuery>,
    body: Option<Payload<ControlBody>>,
) -> Result<Begun<ControlAnswer>> {
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
    let location = format!("/api/v1/operations/{}", operation.id);
    let PortRef { pop_id, router_id, port_id } = port;
    let body = ControlAnswer {
        pop_id,
        router_id,
        interface: port_id,
        action: wanted.as_str(),
        status,
        message,
        operation: operation.into(),
        timestamp: now(),
    };
    Ok(Begun { status: code, location, body })
}

#[cfg(test)]
mod tests;
