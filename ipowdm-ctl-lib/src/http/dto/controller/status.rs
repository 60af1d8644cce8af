//! The controller at a glance.

use crate::controller::{StatusView, VopStatusView};
use crate::http::dto::iso;
use crate::http::dto::window::WindowJson;
use ipowdm_core::ids::VopId;
use ipowdm_core::topics::Role;
use serde_json::{Map, Value, json};

pub(in crate::http) fn status_json(vop: &VopId, view: StatusView, network: &Value) -> Value {
    let by_state: Map<String, Value> =
        view.connections.iter().map(|(state, count)| (state.as_str().to_owned(), (*count).into())).collect();
    let total: usize = view.connections.values().sum();
    let (agents, online) = view.agents;
    let (degraded, given_up) = view.quality;
    let count = |list: &str| network[list].as_object().map_or(0, Map::len);
    json!({
        "controller": {
            "controller_id": view.health.controller_id,
            "virtual_operator": vop,
            "status": if view.health.is_healthy() { "healthy" } else { "unhealthy" },
            "epoch": view.epoch,
            "uptime": view.uptime.0 / 1000,
            "version": env!("CARGO_PKG_VERSION"),
        },
        "connections": {
            "total": total,
            "active": view.health.active_connections,
            "by_status": by_state,
        },
        "kafka": {
            "connected": view.health.bus.is_none(),
            "error": view.health.bus,
            "broker": view.bus_address,
        },
        "linkdb": { "connected": view.health.store.is_none(), "error": view.health.store },
        "agents": { "total": agents, "online": online },
        "qot_monitoring": {
            "degraded_connections": degraded,
            "given_up_connections": given_up,
            "samples": view.metrics.samples,
            "steps": view.metrics.steps,
            "alarms": view.metrics.alarms,
        },
        "topology": {
            "total_pops": count("pops"),
            "total_links": count("links"),
            "total_slots": network["total_slots"],
            "used_slots": network["used_slots"],
            "available_slots": network["available_slots"],
        },
        "metrics": view.metrics,
    })
}

pub(in crate::http) fn vop_status_json(view: VopStatusView) -> Value {
    let vop = view.vop;
    let (connections, holding) = view.connections;
    let (agents, online) = view.agents;
    let ports: Vec<String> = vop.request.ports.iter().map(ToString::to_string).collect();
    json!({
        "vop_id": vop.id(),
        "tenant_name": vop.request.tenant_name,
        "status": vop.phase.as_str(),
        "activation_time": iso(vop.activated_at),
        "config_topic": vop.topic(Role::Config).as_str(),
        "monitoring_topic": vop.topic(Role::Monitoring).as_str(),
        "health_topic": vop.topic(Role::Health).as_str(),
        "controller_endpoint": vop.endpoint,
        "assigned_interfaces": ports,
        "spectrum": vop.windows.iter().map(WindowJson::from).collect::<Vec<_>>(),
        "telemetry_interval_ms": vop.telemetry_interval_ms,
        "health_interval_ms": vop.health_interval_ms,
        "connections": { "total": connections, "holding_spectrum": holding },
        "agents": { "total": agents, "online": online },
    })
}
