//! The controller at a glance.

use super::network::NetworkJson;
use crate::connection::State;
use crate::controller::{MetricsView, StatusView, VopStatusView};
use crate::http::dto::iso;
use crate::http::dto::window::{WindowJson, on_links_json};
use ipowdm_core::ids::{LinkId, VopId};
use ipowdm_core::topics::Role;
use schemars::JsonSchema;
use serde::Serialize;
use std::collections::BTreeMap;

/// Fields of the health answer.
#[derive(Debug, Serialize, JsonSchema)]
pub(in crate::http) struct ControllerHealth {
    pub(in crate::http) controller_id: String,
    pub(in crate::http) virtual_operator: VopId,
    /// Whether the bus can be used.
    pub(in crate::http) kafka_connected: bool,
    /// Whether the store can be read.
    pub(in crate::http) linkdb_connected: bool,
    pub(in crate::http) active_connections: usize,
}

/// Everything at a glance.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Status")]
pub(in crate::http) struct StatusJson {
    controller: ControllerJson,
    connections: ConnectionCounts,
    kafka: BusJson,
    linkdb: StoreJson,
    agents: AgentCounts,
    qot_monitoring: QualityCounts,
    topology: TopologyCounts,
    /// Counters.
    #[schemars(with = "BTreeMap<String, serde_json::Value>")]
    metrics: MetricsView,
}

#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "ControllerStatus")]
struct ControllerJson {
    controller_id: String,
    virtual_operator: VopId,
    /// `healthy` or `unhealthy`.
    status: &'static str,
    /// That of its commands.
    epoch: u64,
    /// Seconds.
    uptime: u64,
    version: &'static str,
}

#[derive(Debug, Serialize, JsonSchema)]
struct ConnectionCounts {
    total: usize,
    active: usize,
    by_status: BTreeMap<State, usize>,
}

#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "BusStatus")]
struct BusJson {
    connected: bool,
    error: Option<String>,
    broker: String,
}

#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "StoreStatus")]
struct StoreJson {
    connected: bool,
    error: Option<String>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct AgentCounts {
    total: usize,
    online: usize,
}

#[derive(Debug, Serialize, JsonSchema)]
struct QualityCounts {
    degraded_connections: usize,
    given_up_connections: usize,
    samples: u64,
    steps: u64,
    alarms: u64,
}

#[derive(Debug, Serialize, JsonSchema)]
struct TopologyCounts {
    total_pops: usize,
    total_links: usize,
    total_slots: u32,
    used_slots: u32,
    available_slots: u32,
}

impl StatusJson {
    pub(in crate::http) fn new(vop: VopId, view: StatusView, network: &NetworkJson) -> Self {
        let (agents, online) = view.agents;
        let (degraded, given_up) = view.quality;
        Self {
            controller: ControllerJson {
                virtual_operator: vop,
                status: if view.health.is_healthy() { "healthy" } else { "unhealthy" },
                controller_id: view.health.controller_id,
                epoch: view.epoch,
                uptime: view.uptime.0 / 1000,
                version: env!("CARGO_PKG_VERSION"),
            },
            connections: ConnectionCounts {
                total: view.connections.values().sum(),
                active: view.health.active_connections,
                by_status: view.connections,
            },
            kafka: BusJson {
                connected: view.health.bus.is_none(),
                error: view.health.bus,
                broker: view.bus_address,
            },
            linkdb: StoreJson { connected: view.health.store.is_none(), error: view.health.store },
            agents: AgentCounts { total: agents, online },
            qot_monitoring: QualityCounts {
                degraded_connections: degraded,
                given_up_connections: given_up,
                samples: view.metrics.samples,
                steps: view.metrics.steps,
                alarms: view.metrics.alarms,
            },
            topology: TopologyCounts {
                total_pops: network.pops.len(),
                total_links: network.links.len(),
                total_slots: network.total_slots,
                used_slots: network.used_slots,
                available_slots: network.available_slots,
            },
            metrics: view.metrics,
        }
    }
}

/// The virtual operator.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "VopStatus")]
pub(in crate::http) struct VopStatusJson {
    vop_id: VopId,
    tenant_name: String,
    status: &'static str,
    activation_time: String,
    config_topic: String,
    monitoring_topic: String,
    health_topic: String,
    controller_endpoint: Option<String>,
    /// `pop/router/port`.
    assigned_interfaces: Vec<String>,
    spectrum: Vec<WindowJson>,
    /// Its spectrum on links where that is other than `spectrum`.
    spectrum_on_links: BTreeMap<LinkId, Vec<WindowJson>>,
    telemetry_interval_ms: u32,
    health_interval_ms: u32,
    connections: HeldCounts,
    agents: AgentCounts,
}

#[derive(Debug, Serialize, JsonSchema)]
struct HeldCounts {
    total: usize,
    holding_spectrum: usize,
}

impl From<VopStatusView> for VopStatusJson {
    fn from(view: VopStatusView) -> Self {
        let vop = view.vop;
        let (connections, holding_spectrum) = view.connections;
        let (agents, online) = view.agents;
        let topic = |role| vop.topic(role).as_str().to_owned();
        Self {
            tenant_name: vop.request.tenant_name.clone(),
            status: vop.phase.as_str(),
            activation_time: iso(vop.activated_at),
            config_topic: topic(Role::Config),
            monitoring_topic: topic(Role::Monitoring),
            health_topic: topic(Role::Health),
            assigned_interfaces: vop.request.ports.iter().map(ToString::to_string).collect(),
            spectrum: vop.windows.iter().map(WindowJson::from).collect(),
            spectrum_on_links: on_links_json(&vop.request.on_links),
            telemetry_interval_ms: vop.telemetry_interval_ms,
            health_interval_ms: vop.health_interval_ms,
            connections: HeldCounts { total: connections, holding_spectrum },
            agents: AgentCounts { total: agents, online },
            vop_id: vop.id().clone(),
            controller_endpoint: vop.endpoint,
        }
    }
}
