//! Assignments: which virtual operators an agent serves, and what each may use.

use super::{DecodeError, Tag, clipped, json_message, read_as};
use crate::capability::PowerRange;
use crate::grid::SpectrumWindow;
use crate::ids::{AgentId, Incarnation, PopId, PortId, RouterId, VopId};
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

/// A port that a virtual operator may use, and how.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PortGrant {
    /// The port.
    pub port_id: PortId,
    /// Spectrum that may be lit from this port; empty means none.
    pub spectrum: Vec<SpectrumWindow>,
    /// Transmit power that may be set; absent means the module's own range.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tx_power: Option<PowerRange>,
}

/// What an agent does for one virtual operator.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VopAssignment {
    /// The virtual operator.
    pub vop: VopId,
    /// The life of its topics: positions are kept per (topic, incarnation).
    pub incarnation: Incarnation,
    /// Its ports on this agent.
    pub ports: Vec<PortGrant>,
    /// Telemetry interval in milliseconds.
    #[serde(default = "three_seconds")]
    pub telemetry_interval_ms: u32,
    /// Heartbeat interval in milliseconds.
    #[serde(default = "thirty_seconds")]
    pub health_interval_ms: u32,
}

const fn three_seconds() -> u32 {
    3_000
}

const fn thirty_seconds() -> u32 {
    30_000
}

/// The record of one agent in [`crate::topics::ASSIGNMENTS`]: all virtual operators it serves. Key = agent id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename = "assignment")]
pub struct Assignment {
    /// Message version.
    pub v: u16,
    /// Whose record it is.
    pub agent_id: AgentId,
    /// The agent's PoP.
    pub pop_id: PopId,
    /// The agent's router.
    pub router_id: RouterId,
    /// Grows with every change; an older one is ignored.
    pub revision: u64,
    /// The virtual operators that this agent serves.
    pub vops: Vec<VopAssignment>,
}

json_message!(Assignment);

impl Assignment {
    /// Reads a record of the assignments topic.
    ///
    /// # Errors
    /// [`DecodeError`].
    pub fn from_json(bytes: &[u8]) -> Result<Self, DecodeError> {
        match Tag::read(bytes)?.kind.as_deref() {
            Some("assignment") => read_as(bytes),
            other => Err(DecodeError::Unknown(clipped(other.unwrap_or_default()))),
        }
    }
}
