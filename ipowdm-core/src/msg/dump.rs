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

/// A quantity over the interval of a module's own statistics.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct IntervalValue {
    /// The unit; empty for ratios.
    pub unit: String,
    /// The least value.
    pub min: f64,
    /// The average, as the module forms it.
    pub avg: f64,
    /// The greatest value.
    pub max: f64,
}

/// What a module's FEC has counted over an interval, on the media or the host side.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct FecInterval {
    /// Bits.
    pub bits: u64,
    /// Of these, corrected.
    pub corrected_bits: u64,
    /// Frames.
    pub frames: u64,
    /// Frames that could not be corrected.
    pub uncorrected_frames: u64,
}

/// A module's own statistics of the interval that runs (C-CMIS pages 34h, 35h, 3Ah), read without ending it: values of different
/// moments may stand beside each other.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ModuleInterval {
    /// Milliseconds since they were read.
    pub age_ms: u64,
    /// Link quantities by their names in C-CMIS; what the module does not have is not there.
    #[serde(default)]
    pub link: BTreeMap<String, IntervalValue>,
    /// The media side's FEC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub media_fec: Option<FecInterval>,
    /// The host side's FEC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host_fec: Option<FecInterval>,
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
    /// The module's own statistics, where the agent reads them beside a switch's software.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interval: Option<ModuleInterval>,
    /// What is wrong with the port, in words.
    #[serde(default)]
    pub issues: Vec<String>,
}

json_message!(PortDump);
