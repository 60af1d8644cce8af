//! Agents and interfaces.

use super::operations::{Words, followed};
use super::{Handle, Result};
use crate::http::answer::Begun;
use crate::http::dto::controller::{
    AgentJson, AgentsJson, ControlAnswer, ControlBody, ControlQuery, Discovery, InterfaceJson,
    RouterInterfaces, WaitQuery, switch,
};
use crate::http::dto::now;
use crate::http::extract::{Params, Payload, Segments};
use crate::http::once::Kept;
use axum::Json;
use axum::extract::State;
use ipowdm_core::ids::{PopId, PortId, PortRef, RouterId, RouterRef};

pub(super) async fn list_agents(State(handle): Handle) -> Json<AgentsJson> {
    Json(AgentsJson::new(handle.vop(), handle.agents()))
}

pub(super) async fn agent(
    State(handle): Handle,
    Segments((pop_id, router_id)): Segments<(PopId, RouterId)>,
) -> Result<Json<AgentJson>> {
    let view = handle.agent(&RouterRef { pop_id, router_id })?;
    Ok(Json(AgentJson::new(handle.vop().clone(), view)))
}

pub(super) async fn discover(State(handle): Handle) -> Result<Json<Discovery>> {
    handle.discover().await?;
    let message = "all agents were asked to read their modules; what they find appears in /api/v1/agents";
    Ok(Json(Discovery { status: "success", message, timestamp: now() }))
}

pub(super) async fn interfaces(
    State(handle): Handle,
    Segments((pop_id, router_id)): Segments<(PopId, RouterId)>,
) -> Result<Json<RouterInterfaces>> {
    let at = RouterRef { pop_id, router_id };
    let interfaces: Vec<InterfaceJson> =
        handle.interfaces(&at)?.into_iter().map(InterfaceJson::from).collect();
    let RouterRef { pop_id, router_id } = at;
    Ok(Json(RouterInterfaces { pop_id, router_id, count: interfaces.len(), interfaces }))
}

pub(super) async fn control(
    State(handle): Handle,
    Segments((pop_id, router_id, port_id)): Segments<(PopId, RouterId, PortId)>,
    Params(query): Params<ControlQuery>,
    Params(wait): Params<WaitQuery>,
    Kept(receipt): Kept,
    body: Option<Payload<ControlBody>>,
) -> Result<Begun<ControlAnswer>> {
    let wanted = switch(&query, body.as_ref().map(|Payload(body)| body))?;
    let port = PortRef { pop_id, router_id, port_id };
    let begun = handle.with_receipt(receipt).control_interface(&port, wanted.state()).await?;
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
