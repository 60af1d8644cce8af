//! The slice manager surface (port 8082): virtual operators come, are described, and go.
//!
//! | method and path | answers |
//! |---|---|
//! | `GET /`, `/health` | 200, or 503 with the reasons while store or bus cannot be used |
//! | `GET /metrics` | figures for Prometheus |
//! | `POST /api/v1/vops` | 201 when topics, assignments and controller are there; 200 where the same request made it before |
//! | `GET /api/v1/vops`, `/api/v1/vops/{id}` | all virtual operators; one |
//! | `DELETE /api/v1/vops/{id}` | 204 when everything is taken back; 409 with live connections unless `?force=true` |
//! | `PUT`, `DELETE /api/v1/vops/{id}/applications/{application}` | admits an application to the operator's topics, with a new password; dismisses it |
//! | `POST /api/v1/vops/{id}/users/{user}/password` | another password for a user of the operator |
//! | `POST /api/v1/topics/{id}` | the operator's topics as the broker has them; missing ones are made |
//! | `GET /api/v1/interfaces/check/{pop}/{router}/{interface}` | whether a port can be given away |
//!
//! A password is told once, in the answer to the call that made it; such an answer is not to be stored.
//!
//! A request may take longer here than elsewhere, up to 3 minutes: topics are made and deleted, connections drained.

use super::access::{self, Access, Caller, protected};
use super::answer::{Confidential, Made};
use super::dto::now;
use super::dto::slice::{
    CredentialJson, Force, InterfaceCheck, NewVop, SliceHealth, TopicsJson, VopFilter, VopJson,
    VopSummaryJson,
};
use super::error::ApiError;
use super::extract::{Params, Payload, Segments};
use super::guard::guarded_by;
use super::health::Health;
use super::metrics::{self, Meter, metered};
use super::once::once;
use super::openapi::{self, About, documented, does};
use super::page::{Paged, Pages};
use super::router::mountable;
use crate::slice::{Activation, SliceError, SliceManager};
use aide::axum::ApiRouter;
use aide::axum::routing::{get_with, post_with, put_with};
use axum::extract::State;
use axum::response::NoContent;
use axum::{Extension, Json, Router};
use core::time::Duration;
use ipowdm_core::error::Code;
use ipowdm_core::ids::{ApplicationId, PopId, PortId, PortRef, RouterId, VopId};

/// Time for a request: a forced deactivation drains connections, then deletes topics.
const REQUEST_TIME: Duration = Duration::from_secs(180);

type Result<T> = core::result::Result<T, ApiError>;
type Manager = State<SliceManager>;

/// The routes of the slice manager service.
pub fn slice_router(manager: SliceManager, access: Access) -> Router {
    let about = About {
        title: "ipowdm slice manager",
        description: "Virtual operators of an IP-over-WDM network: they come, are described, and go.",
        rules: access::SLICE,
        refusals: &[],
        links: openapi::SLICE,
        open: access.is_open(),
    };
    let (store, limits) = (manager.store().clone(), *access.limits());
    let router = documented(about, || routes().with_state(manager));
    let router = once(router, store, "slice-manager".to_owned(), REQUEST_TIME);
    let meter = Meter::new();
    let router = protected(router.layer(Extension(meter.clone())), access, access::SLICE, None);
    mountable(metered(guarded_by(router, &limits, REQUEST_TIME), meter))
}

/// What a change of a virtual operator, its topics and its controller may be refused with.
const CHANGES: &[Code] = &[
    Code::UnknownVop,
    Code::AlreadyExists,
    Code::IllegalState,
    Code::PortOccupied,
    Code::LiveConnections,
    Code::UnknownPort,
    Code::UnknownRouter,
    Code::UnknownPop,
    Code::UnknownLink,
    Code::NoSpectrum,
    Code::FrequencyOutOfRange,
    Code::FrequencyOffGrid,
    Code::BusUnavailable,
    Code::Forbidden,
    Code::Unsupported,
    Code::UnknownTopic,
    Code::StaleEpoch,
    Code::Stopped,
];

/// What a change of who has access may be refused with.
const ACCESS: &[Code] = &[
    Code::UnknownVop,
    Code::UnknownAgent,
    Code::IllegalState,
    Code::Unsupported,
    Code::Forbidden,
    Code::BusUnavailable,
];

fn routes() -> ApiRouter<SliceManager> {
    ApiRouter::new()
        .api_route("/", get_with(health, does("Whether store and bus can be used", &[])))
        .api_route("/health", get_with(health, does("Whether store and bus can be used", &[])))
        .api_route(metrics::PATH, get_with(figures, does("Figures for Prometheus", &[])))
        .api_route(
            "/api/v1/vops",
            get_with(list, does("All virtual operators", &[])).post_with(
                activate,
                does(
                    "Activates a virtual operator: topics, assignments and controller are there afterwards",
                    CHANGES,
                ),
            ),
        )
        .api_route(
            "/api/v1/vops/{id}",
            get_with(describe, does("A virtual operator", &[Code::UnknownVop])).delete_with(
                deactivate,
                does(
                    "Takes back all that a virtual operator has; 409 with live connections unless forced",
                    CHANGES,
                ),
            ),
        )
        .api_route(
            "/api/v1/vops/{id}/applications/{application}",
            put_with(
                admit,
                does("Admits an application to the operator's topics, with a new password", ACCESS),
            )
            .delete_with(dismiss, does("Takes an application's rights and password away", ACCESS)),
        )
        .api_route(
            "/api/v1/vops/{id}/users/{user}/password",
            post_with(renew_password, does("Another password for a user of the operator", ACCESS)),
        )
        .api_route(
            "/api/v1/topics/{id}",
            post_with(
                ensure_topics,
                does("The operator's topics as the broker has them; missing ones are made", CHANGES),
            ),
        )
        .api_route(
            "/api/v1/interfaces/check/{pop}/{router}/{interface}",
            get_with(check_interface, does("Whether a port can be given away", &[Code::UnknownPort])),
        )
}

impl From<SliceError> for ApiError {
    fn from(error: SliceError) -> Self {
        Self::new(error.code(), error)
    }
}

async fn figures(State(manager): Manager, Extension(meter): Extension<Meter>) -> metrics::Answer {
    metrics::slice(&manager, &meter).await
}

async fn health(State(manager): Manager) -> Health<SliceHealth> {
    let view = manager.health().await;
    let part = |code, outage: &Option<String>| match outage {
        None => Ok(()),
        Some(reason) => Err(ApiError::new(code, reason)),
    };
    let parts = [part(Code::StoreUnavailable, &view.store), part(Code::BusUnavailable, &view.bus)];
    let fields = SliceHealth {
        service: "ipowdm slice manager",
        kafka_connected: view.bus.is_none(),
        linkdb_connected: view.store.is_none(),
    };
    Health::new(fields, parts)
}

async fn activate(
    State(manager): Manager,
    Payload(body): Payload<NewVop>,
) -> Result<Confidential<Made<VopJson>>> {
    let Activation { vop, new, credentials } = manager.activate(body.into()).await?;
    let body = VopJson::from(manager.describe(vop.id()).await?).with_credentials(credentials);
    Ok(Confidential(Made { new, location: format!("/api/v1/vops/{}", vop.id()), body }))
}

async fn admit(
    State(manager): Manager,
    Segments((id, application)): Segments<(VopId, ApplicationId)>,
) -> Result<Confidential<Json<CredentialJson>>> {
    let credential = manager.admit_application(&id, &application).await?;
    Ok(Confidential(Json(credential.into())))
}

async fn dismiss(
    State(manager): Manager,
    Segments((id, application)): Segments<(VopId, ApplicationId)>,
) -> Result<NoContent> {
    manager.dismiss_application(&id, &application).await?;
    Ok(NoContent)
}

async fn renew_password(
    State(manager): Manager,
    Segments((id, user)): Segments<(VopId, String)>,
) -> Result<Confidential<Json<CredentialJson>>> {
    let credential = manager.renew_password(&id, &user).await?;
    Ok(Confidential(Json(credential.into())))
}

async fn list(
    State(manager): Manager,
    Caller(caller): Caller,
    Params(filter): Params<VopFilter>,
    pages: Pages,
) -> Result<Paged<Vec<VopSummaryJson>>> {
    let mut vops = manager.list().await?;
    vops.retain(|view| caller.role.may_see(view.vop.id()) && filter.takes(&view.vop));
    let page = pages.of(vops, |view| view.vop.id().to_string());
    Ok(page.answer(|vops, _| vops.into_iter().map(VopSummaryJson::from).collect()))
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
) -> Result<NoContent> {
    manager.deactivate(&id, force).await?;
    Ok(NoContent)
}

async fn ensure_topics(State(manager): Manager, Segments(id): Segments<VopId>) -> Result<Json<TopicsJson>> {
    let topics = manager.ensure_topics(&id).await?;
    Ok(Json(TopicsJson::new(format!("the topics of {id} are there"), topics)))
}

async fn check_interface(
    State(manager): Manager,
    Segments((pop_id, router_id, port_id)): Segments<(PopId, RouterId, PortId)>,
) -> Result<Json<InterfaceCheck>> {
    let port = PortRef { pop_id, router_id, port_id };
    let found = manager.check_interface(&port).await?;
    if !found.known {
        return Err(ApiError::new(Code::UnknownPort, format_args!("port {port} is not known")));
    }
    let PortRef { pop_id, router_id, port_id } = port;
    Ok(Json(InterfaceCheck {
        pop_id,
        router_id,
        interface: port_id,
        available: found.available,
        timestamp: now(),
    }))
}

#[cfg(test)]
mod tests;
