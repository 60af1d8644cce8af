//! Agents and their interfaces.

use super::operation::OperationJson;
use crate::controller::{AgentView, InterfaceView};
use crate::http::dto::{ghz, iso};
use crate::registry::{Interface, Presence};
use ipowdm_core::ids::{AgentId, ConnectionId, PopId, PortId, RouterId, VopId};
use ipowdm_core::msg::{HealthStatus, StateName};
use ipowdm_core::units::Frequency;
use schemars::JsonSchema;
use serde::Serialize;
use std::collections::BTreeMap;

/// A port as its agent last described it. Absent: not reported.
#[derive(Debug, Serialize, JsonSchema)]
pub(in crate::http) struct InterfaceJson {
    port_id: PortId,
    interface: PortId,
    #[serde(skip_serializing_if = "Option::is_none")]
    present: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    operational: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    admin_up: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    vendor: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    part_number: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    serial: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    module_state: Option<StateName>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    data_path_state: Option<StateName>,
    #[serde(skip_serializing_if = "Option::is_none")]
    frequency_mhz: Option<Frequency>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tx_power_dbm: Option<f64>,
    /// What the module can tune to, in GHz.
    #[serde(skip_serializing_if = "Option::is_none")]
    frequency_range: Option<[f64; 2]>,
    /// What it can be set to, in dBm.
    #[serde(skip_serializing_if = "Option::is_none")]
    tx_power_range: Option<[f64; 2]>,
    connection_id: Option<ConnectionId>,
    /// Whether another agent speaks for this port: what is said here changes nothing.
    #[serde(default, skip_serializing_if = "core::ops::Not::not")]
    #[schemars(default)]
    conflicting: bool,
    /// Agents that describe this port too, and are not believed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(default)]
    claimants: Vec<AgentId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    operation: Option<OperationJson>,
}

impl InterfaceJson {
    fn new(port: PortId, reported: Interface, connection_id: Option<ConnectionId>) -> Self {
        let window = reported.module().and_then(|module| module.tunable_window());
        let power = reported.module().and_then(|module| module.tx_power);
        let conflicting = reported.conflicting;
        let described = reported.capability;
        let (vendor, part_number) = described.map_or((None, None), |known| (known.vendor, known.part_number));
        let health = reported.health;
        let says = health.as_ref();
        Self {
            interface: port.clone(),
            port_id: port,
            present: says.map(|says| says.present),
            operational: says.and_then(|says| says.operational),
            admin_up: says.and_then(|says| says.admin_up),
            module_state: says.and_then(|says| says.module_state.clone()),
            data_path_state: says.and_then(|says| says.data_path_state.clone()),
            frequency_mhz: says.and_then(|says| says.frequency_mhz),
            tx_power_dbm: says.and_then(|says| says.tx_power_dbm).map(|power| power.value()),
            frequency_range: window.map(|window| [ghz(window.low), ghz(window.high)]),
            tx_power_range: power.map(|range| [range.min.value(), range.max.value()]),
            serial: says.and_then(|says| says.serial.clone()),
            vendor: says.and_then(|says| says.vendor.clone()).or(vendor),
            part_number: says.and_then(|says| says.part_number.clone()).or(part_number),
            connection_id,
            conflicting,
            claimants: Vec::new(),
            operation: None,
        }
    }
}

impl From<InterfaceView> for InterfaceJson {
    fn from(view: InterfaceView) -> Self {
        let mut json = Self::new(view.port.port_id, view.reported, view.connection_id);
        json.claimants = view.claimants;
        json.operation = view.operation.map(OperationJson::from);
        json
    }
}

/// An agent.
#[derive(Debug, Serialize, JsonSchema)]
pub(in crate::http) struct AgentJson {
    agent_id: AgentId,
    pop_id: PopId,
    router_id: RouterId,
    virtual_operator: VopId,
    /// `ONLINE`, `STALE` or `UNKNOWN`, by how long it has been silent.
    presence: Presence,
    online: bool,
    /// What it says about itself; null while it has not said anything.
    status: Option<HealthStatus>,
    last_seen: Option<String>,
    uptime: f64,
    epoch: Option<u64>,
    emulated: bool,
    issues: Vec<String>,
    interfaces: Vec<InterfaceJson>,
    connections: Vec<ConnectionId>,
}

impl AgentJson {
    pub(in crate::http) fn new(vop: VopId, view: AgentView) -> Self {
        let agent = view.agent;
        let interfaces = agent.interfaces.into_iter().map(|(port, reported)| {
            let connection = reported.health.as_ref().and_then(|health| health.connection_id.clone());
            InterfaceJson::new(port, *reported, connection)
        });
        Self {
            agent_id: agent.agent_id,
            pop_id: agent.router.pop_id,
            router_id: agent.router.router_id,
            virtual_operator: vop,
            presence: agent.presence,
            online: agent.presence == Presence::Online,
            status: agent.status,
            last_seen: agent.last_seen.map(iso),
            uptime: agent.uptime,
            epoch: agent.epoch,
            emulated: agent.emulated,
            issues: agent.issues,
            interfaces: interfaces.collect(),
            connections: view.connections,
        }
    }
}

/// All agents, by PoP.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Agents")]
pub(in crate::http) struct AgentsJson {
    total_agents: usize,
    online_agents: usize,
    offline_agents: usize,
    agents_by_pop: BTreeMap<String, Vec<AgentJson>>,
}

impl AgentsJson {
    pub(in crate::http) fn new(vop: &VopId, views: Vec<AgentView>) -> Self {
        let agents: Vec<AgentJson> =
            views.into_iter().map(|view| AgentJson::new(vop.clone(), view)).collect();
        let (total, online) = (agents.len(), agents.iter().filter(|agent| agent.online).count());
        let mut by_pop: BTreeMap<String, Vec<AgentJson>> = BTreeMap::new();
        for agent in agents {
            by_pop.entry(agent.pop_id.to_string()).or_default().push(agent);
        }
        Self {
            total_agents: total,
            online_agents: online,
            offline_agents: total - online,
            agents_by_pop: by_pop,
        }
    }
}

/// The ports of a router.
#[derive(Debug, Serialize, JsonSchema)]
pub(in crate::http) struct RouterInterfaces {
    pub(in crate::http) pop_id: PopId,
    pub(in crate::http) router_id: RouterId,
    pub(in crate::http) count: usize,
    pub(in crate::http) interfaces: Vec<InterfaceJson>,
}

/// What asking all agents came to.
#[derive(Debug, Serialize, JsonSchema)]
pub(in crate::http) struct Discovery {
    pub(in crate::http) status: &'static str,
    pub(in crate::http) message: &'static str,
    pub(in crate::http) timestamp: String,
}

/// The control of a port.
#[derive(Debug, Serialize, JsonSchema)]
pub(in crate::http) struct ControlAnswer {
    pub(in crate::http) pop_id: PopId,
    pub(in crate::http) router_id: RouterId,
    pub(in crate::http) interface: PortId,
    /// `up`, `down` or `admin_down`.
    pub(in crate::http) action: &'static str,
    pub(in crate::http) status: &'static str,
    pub(in crate::http) message: &'static str,
    pub(in crate::http) operation: OperationJson,
    pub(in crate::http) timestamp: String,
}
