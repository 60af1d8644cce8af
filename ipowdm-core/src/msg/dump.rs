//! `portDump`: everything that an agent knows about a port now, sent for the command `dump`.

use super::{TelemetryFields, json_message};
use crate::ids::{AgentId, ConnectionId, PopId, PortId, RouterId, VopId};
use crate::time::Timestamp;
use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

/// A quantity over a window of time, in the unit of the field of [`TelemetryFields`] that has its name.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Spread {
    /// The newest value, whether it is in the window or not.
    pub instant: f64,
    /// How old the newest value is, in milliseconds.
    pub age_ms: u64,
    /// The least value in the window; absent where the window has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min: Option<f64>,
    /// The arithmetic mean of the values as they were reported (of a power in dBm, not of its milliwatts).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub avg: Option<f64>,
    /// The greatest value in the window.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max: Option<f64>,
    /// How many values there are in the window.
    pub samples: u32,
}

/// The quantities of a port over one window.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WindowStats {
    /// Length of the window that ends now, in seconds.
    pub seconds: u32,
    /// By the name of the field in [`TelemetryFields`]; a quantity that the module does not report is not there.
    pub values: BTreeMap<String, Spread>,
}

/// What an agent knows about a port; sent on the monitoring topic, key = agent id.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename = "portDump")]
pub struct PortDump {
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
    /// The port.
    pub interface: PortId,
    /// When; display only.
    pub timestamp: Timestamp,
    /// The connection that the port serves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connection_id: Option<ConnectionId>,
    /// Vendor name, part number and serial number of the module; absent: there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub module: Option<String>,
    /// Milliseconds since the registers were read; absent where they were not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub age_ms: Option<u64>,
    /// What was read last.
    #[serde(default)]
    pub fields: TelemetryFields,
    /// Statistics of the agent's own samples, the shortest window first.
    #[serde(default)]
    pub windows: Vec<WindowStats>,
    /// What is wrong with the port, in words.
    #[serde(default)]
    pub issues: Vec<String>,
}

json_message!(PortDump);
