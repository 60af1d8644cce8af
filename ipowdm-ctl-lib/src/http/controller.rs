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
//! | `POST /connections/{id}/repair` | sets a FAILED connection up once more, or the dark ends of a DEGRADED one: an operation |
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

mod connections;
mod equipment;
mod events;
mod network;
mod operations;

use super::access::{self, Access, protected};
use super::dto::controller::{ControllerHealth, StatusJson, VopStatusJson};
use super::error::ApiError;
use super::guard::{REQUEST_TIME, guarded_by};
use super::health::Health;
use super::metrics::{self, Meter, metered};
use super::once::once;
use super::openapi::{self, About, also, documented, does};
use super::router::mountable;
use super::sse::Streams;
use crate::controller::{ControllerError, ControllerHandle};
use aide::axum::ApiRouter;
use aide::axum::routing::{get_with, post_with};
use aide::openapi::ReferenceOr;
use aide::transform::TransformOperation;
use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json, Router};
use ipowdm_core::error::Code;

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
        .api_route(
            "/topology",
            get_with(network::topology, does("The network, and how much spectrum is in use", &[])),
        )
        .api_route("/topology/pops", get_with(network::pops, does("The PoPs by id", &[])))
        .api_route("/topology/links", get_with(network::links, does("The links by id", &[])))
        .api_route(
            "/topology/path/{a}/{b}",
            get_with(
                network::compute_path,
                does("The path and slots that a connection would get now", PATHS),
            ),
        )
        .api_route(
            "/monitoring/qot",
            get_with(connections::qot_all, does("The quality of all connections", &[])),
        )
        .api_route(
            "/operations/{*id}",
            get_with(operations::operation, does("How an operation stands", &[Code::UnknownOperation])),
        );
    equipment_routes(connection_routes(router))
}

fn connection_routes(router: ApiRouter<ControllerHandle>) -> ApiRouter<ControllerHandle> {
    router
        .api_route(
            "/connections",
            get_with(connections::connections, does("The connections", &[])).post_with(
                connections::create,
                does("A new connection: it holds spectrum and ports, and is dark", PATHS),
            ),
        )
        .api_route(
            "/connections/{id}",
            get_with(connections::connection, does("A connection", &[Code::UnknownConnection]))
                .delete_with(connections::delete, does("Takes a connection down", COMMANDS)),
        )
        .api_route(
            "/connections/{id}/setup",
            post_with(connections::setup, may_lack_body(does("Sets a connection up", COMMANDS))),
        )
        .api_route(
            "/connections/{id}/reconfigure",
            post_with(connections::reconfigure, does("Changes the launch power of a connection", COMMANDS)),
        )
        .api_route(
            "/connections/{id}/repair",
            post_with(
                connections::repair,
                also(
                    PLACES,
                    may_lack_body(does(
                        "Sets a failed connection up once more, or the dark ends of a degraded one",
                        COMMANDS,
                    )),
                ),
            ),
        )
        .api_route(
            "/connections/{id}/qot",
            get_with(connections::qot, does("The quality of a connection", &[Code::UnknownConnection])),
        )
}

fn equipment_routes(router: ApiRouter<ControllerHandle>) -> ApiRouter<ControllerHandle> {
    router
        .api_route("/agents", get_with(equipment::list_agents, does("The agents by PoP", &[])))
        .api_route(
            "/events",
            get_with(
                events::events,
                does("What happens from now on, or since the place in Last-Event-ID", &[]),
            ),
        )
        .api_route(
            "/agents/discover",
            post_with(
                equipment::discover,
                does("Asks all agents to read their modules again", &[Code::BusUnavailable]),
            ),
        )
        .api_route(
            "/agents/{pop}/{router}",
            get_with(equipment::agent, does("An agent", &[Code::UnknownAgent, Code::UnknownRouter])),
        )
        .api_route(
            "/interfaces/{pop}/{router}",
            get_with(
                equipment::interfaces,
                does("The ports of a router", &[Code::UnknownRouter, Code::UnknownAgent]),
            ),
        )
        .api_route(
            "/interfaces/{pop}/{router}/{interface}/control",
            post_with(equipment::control, may_lack_body(does("Takes a port up or down", COMMANDS))),
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

#[cfg(test)]
mod tests;
