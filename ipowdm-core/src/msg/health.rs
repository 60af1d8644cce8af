//! `agentHealth` and `capabilities`: what an agent says of itself and of its ports.

use super::{StateName, json_message, number};
use crate::capability::ModuleCapability;
use crate::ids::{AgentId, ConnectionId, PopId, PortId, RouterId, VopId};
use crate::qot::Level;
use crate::time::Timestamp;
use crate::units::{Frequency, Power};
use alloc::string::String;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

/// The state of an agent as it reports it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum HealthStatus {
    /// All that it manages works.
    #[serde(alias = "ok", alias = "up")]
    Healthy,
    /// Something does not; `issues` says what.
    Degraded,
    /// It is shutting down.
    Stopped,
}

/// One port in a heartbeat: what was read of it. A field that could not be read is absent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InterfaceHealth {
    /// The port.
    pub port_id: PortId,
    /// Whether a module is plugged in and answers.
    pub present: bool,
    /// Whether the data path carries traffic; absent where its state is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operational: Option<bool>,
    /// Whether the transmitter is administratively up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub admin_up: Option<bool>,
    /// Vendor name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vendor: Option<String>,
    /// Part number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub part_number: Option<String>,
    /// Serial number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub serial: Option<String>,
    /// Module state, in CMIS' words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub module_state: Option<StateName>,
    /// Data path state, in CMIS' words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data_path_state: Option<StateName>,
    /// Laser frequency read back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub frequency_mhz: Option<Frequency>,
    /// Active application (AppSel code); absent while the data path is not up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub app_code: Option<u8>,
    /// Programmed transmit power.
    #[serde(default, with = "number::power", skip_serializing_if = "Option::is_none")]
    pub tx_power_dbm: Option<Power>,
    /// The connection that this port serves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connection_id: Option<ConnectionId>,
    /// How good its signal is by the agent's own judgement; absent where it does not judge.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quality: Option<Level>,
}

/// A heartbeat; sent on the health topic, key = agent id, with the ports of that topic's virtual operator only.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename = "agentHealth")]
pub struct AgentHealth {
    /// Message version.
    #[serde(default)]
    pub v: u16,
    /// Who.
    pub agent_id: AgentId,
    /// Its PoP.
    pub pop_id: PopId,
    /// Its router.
    pub router_id: RouterId,
    /// For whom this heartbeat is.
    pub virtual_operator: VopId,
    /// The state.
    pub status: HealthStatus,
    /// When; display only.
    pub timestamp: Timestamp,
    /// Seconds since the agent started.
    #[serde(default)]
    pub uptime: f64,
    /// Which life of the agent this is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub boot_id: Option<u64>,
    /// Highest epoch seen for this virtual operator.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub epoch: Option<u64>,
    /// Whether the modules are emulated.
    #[serde(default)]
    pub emulated: bool,
    /// The virtual operator's ports on this agent that were looked at; of others nothing is known, and `issues` says so.
    #[serde(default)]
    pub interfaces: Vec<InterfaceHealth>,
    /// What is wrong, in words.
    #[serde(default)]
    pub issues: Vec<String>,
}

json_message!(AgentHealth);

/// One port in a capability message.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct InterfaceCapability {
    /// The port.
    pub port_id: PortId,
    /// Vendor name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vendor: Option<String>,
    /// Part number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub part_number: Option<String>,
    /// Lowest and highest tunable frequency in GHz, as existing controllers read it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub frequency_range: Option<[f64; 2]>,
    /// Least and greatest programmable power in dBm, as existing controllers read it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tx_power_range: Option<[f64; 2]>,
    /// The full capability; absent where the module could not be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub capability: Option<ModuleCapability>,
}

/// What the modules of an agent can do; sent on the health topic, key = agent id.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename = "capabilities")]
pub struct Capabilities {
    /// Message version.
    #[serde(default)]
    pub v: u16,
    /// Who.
    pub agent_id: AgentId,
    /// Its PoP.
    pub pop_id: PopId,
    /// Its router.
    pub router_id: RouterId,
    /// For whom this message is.
    pub virtual_operator: VopId,
    /// When; display only.
    pub timestamp: Timestamp,
    /// The virtual operator's ports on this agent.
    #[serde(default)]
    pub interfaces: Vec<InterfaceCapability>,
}

json_message!(Capabilities);
