//! Connections: created, set up, changed, repaired, taken down, and their quality.

use super::operations::{Words, followed};
use super::{Handle, Result};
use crate::connection::Ends;
use crate::controller::{ConnectionView, ControllerHandle, OperationView};
use crate::http::answer::{Begun, Made};
use crate::http::dto::controller::{
    ConnectionAnswer, ConnectionJson, Force, ListQuery, NewConnection, QotJson, QualitiesJson,
    ReconfigureBody, SetupBody, WaitQuery,
};
use crate::http::dto::now;
use crate::http::error::ApiError;
use crate::http::extract::{Params, Payload, Segments};
use crate::http::once::{Kept, Once};
use crate::http::page::{Paged, Pages};
use axum::extract::State;
use axum::{Extension, Json};
use ipowdm_core::error::Code;
use ipowdm_core::ids::ConnectionId;
use ipowdm_core::qot::Level;

pub(super) async fn connections(
    State(handle): Handle,
    Params(query): Params<ListQuery>,
    pages: Pages,
) -> Result<Paged<Vec<ConnectionJson>>> {
    let vop = handle.vop();
    let page = if pages.whole() {
        let mut views = handle.connections(query.status)?;
        views.retain(|view| query.takes(view));
        pages.of(views, |view| view.connection_id.to_string())
    } else {
        let after = pages.after().map(ConnectionId::new).transpose();
        let after = after.map_err(|error| ApiError::invalid("cursor", error))?;
        let wanted =
            |view: &ConnectionView| query.status.is_none_or(|state| view.state == state) && query.takes(view);
        let (views, more) = handle.connections_after(after.as_ref(), pages.bounds(), wanted)?;
        pages.with_next(views, more.map(|id| id.to_string()))
    };
    Ok(page.answer(|views, _| views.into_iter().map(|view| ConnectionJson::new(vop.clone(), view)).collect()))
}

pub(super) async fn connection(
    State(handle): Handle,
    Segments(id): Segments<ConnectionId>,
) -> Result<Json<ConnectionJson>> {
    Ok(Json(ConnectionJson::new(handle.vop().clone(), handle.connection(&id)?)))
}

pub(super) async fn create(
    State(handle): Handle,
    once: Option<Extension<Once>>,
    Kept(receipt): Kept,
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
    let (view, new) = handle.with_receipt(receipt).create_connection(request).await?;
    let location = format!("/api/v1/connections/{}", view.connection_id);
    Ok(Made { new, location, body: ConnectionJson::new(vop, view) })
}

pub(super) async fn setup(
    State(handle): Handle,
    Segments(id): Segments<ConnectionId>,
    Params(query): Params<WaitQuery>,
    Kept(receipt): Kept,
    _body: Option<Payload<SetupBody>>,
) -> Result<Begun<ConnectionAnswer>> {
    let begun = handle.with_receipt(receipt).setup(&id).await?;
    connection_answer(
        &handle,
        &id,
        (begun, &query),
        &Words {
            running: "setup_started",
            done: "setup_completed",
            message: "both ends were told; follow the operation",
        },
    )
    .await
}

pub(super) async fn reconfigure(
    State(handle): Handle,
    Segments(id): Segments<ConnectionId>,
    Params(query): Params<WaitQuery>,
    Kept(receipt): Kept,
    Payload(body): Payload<ReconfigureBody>,
) -> Result<Begun<ConnectionAnswer>> {
    let request = body.into_request(&id)?;
    let begun = handle.with_receipt(receipt).reconfigure(&id, &request).await?;
    connection_answer(
        &handle,
        &id,
        (begun, &query),
        &Words {
            running: "reconfiguration_started",
            done: "reconfiguration_completed",
            message: "the ends that change were told; follow the operation",
        },
    )
    .await
}

pub(super) async fn repair(
    State(handle): Handle,
    Segments(id): Segments<ConnectionId>,
    Params(query): Params<WaitQuery>,
    Kept(receipt): Kept,
    _body: Option<Payload<SetupBody>>,
) -> Result<Begun<ConnectionAnswer>> {
    let begun = handle.with_receipt(receipt).repair(&id).await?;
    connection_answer(
        &handle,
        &id,
        (begun, &query),
        &Words {
            running: "repair_started",
            done: "repair_completed",
            message: "both ends were told; follow the operation",
        },
    )
    .await
}

pub(super) async fn delete(
    State(handle): Handle,
    Segments(id): Segments<ConnectionId>,
    Params(query): Params<WaitQuery>,
    Params(Force { force }): Params<Force>,
) -> Result<Begun<ConnectionAnswer>> {
    let begun = if force { handle.abandon(&id).await? } else { handle.delete(&id).await? };
    connection_answer(
        &handle,
        &id,
        (begun, &query),
        &Words {
            running: "teardown_started",
            done: "deleted",
            message: "both ends were told to go dark; follow the operation",
        },
    )
    .await
}

pub(super) async fn qot(
    State(handle): Handle,
    Segments(id): Segments<ConnectionId>,
) -> Result<Json<QotJson>> {
    Ok(Json(handle.qot(&id)?.into()))
}

pub(super) async fn qot_all(State(handle): Handle) -> Json<QualitiesJson> {
    let connections: Vec<QotJson> = handle.qot_all().into_iter().map(QotJson::from).collect();
    let degraded_connections = connections.iter().filter(|one| one.level >= Level::Degraded).count();
    Json(QualitiesJson {
        total_connections: connections.len(),
        degraded_connections,
        connections,
        timestamp: now(),
    })
}

/// Follows an operation on a connection for as long as is wanted, and says how both stand then.
async fn connection_answer(
    handle: &ControllerHandle,
    id: &ConnectionId,
    (begun, query): (OperationView, &WaitQuery),
    words: &Words,
) -> Result<Begun<ConnectionAnswer>> {
    let operation = followed(handle, begun, query.limit()).await?;
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
