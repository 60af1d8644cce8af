//! `commandAck`: how a command ended at one endpoint, with what was read back.

use super::{StateName, json_message, number};
use crate::error::Code;
use crate::ids::{AgentId, CommandId, ConnectionId, PopId, PortId, RouterId, VopId};
use crate::time::Timestamp;
use crate::units::{Frequency, Power};
use alloc::string::String;
use serde::{Deserialize, Serialize};

/// The reference's two-valued status of an ack.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AckStatus {
    /// The module is as the command wanted it.
    Success,
    /// It is not.
    Failed,
}

/// How a command ended at one endpoint. Exactly one per command and endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Carried out and read back.
    Applied,
    /// The module was already so; nothing was written.
    Unchanged,
    /// Refused before anything was written.
    Rejected,
    /// Refused: a newer epoch has been seen.
    StaleEpoch,
    /// Refused: the lifetime was over.
    Expired,
    /// Started and not finished in time.
    TimedOut,
    /// Started and failed.
    Failed,
}

impl Outcome {
    /// The status the reference's ack carries for this outcome.
    #[must_use]
    pub const fn status(self) -> AckStatus {
        match self {
            Self::Applied | Self::Unchanged => AckStatus::Success,
            Self::Rejected | Self::StaleEpoch | Self::Expired | Self::TimedOut | Self::Failed => {
                AckStatus::Failed
            }
        }
    }
}

/// What the agent read from the module's registers after the work. Absent: not read or not supported.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Readback {
    /// Programmed frequency: that of grid and channel (12h:128, 136).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub frequency_mhz: Option<Frequency>,
    /// Frequency that the laser reports (12h:168), nominal or measured as the module has it; absent while it is off.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub laser_frequency_mhz: Option<Frequency>,
    /// Programmed transmit power (12h:200).
    #[serde(with = "number::power", skip_serializing_if = "Option::is_none")]
    pub tx_power_dbm: Option<Power>,
    /// Measured transmit power (11h:154 or VDM).
    #[serde(with = "number::power", skip_serializing_if = "Option::is_none")]
    pub measured_tx_power_dbm: Option<Power>,
    /// Active application (AppSel code).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub app_sel: Option<u8>,
    /// Module state, in CMIS' words: `ModuleReady`, `ModuleLowPwr` ….
    #[serde(skip_serializing_if = "Option::is_none")]
    pub module_state: Option<StateName>,
    /// Data path state, in CMIS' words: `DPActivated`, `DPDeactivated` ….
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data_path_state: Option<StateName>,
    /// Whether the transmitter is on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tx_enabled: Option<bool>,
}

/// The data path state of lanes that carry traffic, as [`Readback::data_path_state`] and samples have it (DPActivated,
/// 11h:128).
pub const DATA_PATH_ACTIVATED: &str = "DPActivated";

/// The steady data path states in which the transmitter is quiescent: DPDeactivated and DPInitialized (11h:128). The others
/// are passed through.
pub const DATA_PATH_DARK: [&str; 2] = ["DPDeactivated", "DPInitialized"];

/// The details of an ack.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct AckDetails {
    /// What was done, in words; present on success.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub result: Option<String>,
    /// What went wrong, in words; present on failure, and on a success that the agent's journal could not keep.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// The stable code of `error`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<Code>,
    /// Registers read after the work.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub readback: Option<Readback>,
    /// How old `readback` was when the work ended, in milliseconds, where it was not read from registers at that moment.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub readback_age_ms: Option<u32>,
    /// State-changing register writes of this command; where other software drives the module, of its configuration.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub register_writes: Option<u32>,
    /// Milliseconds the module needed (advertised waits, hold-off windows).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub module_ms: Option<u64>,
    /// The highest epoch the agent knows for this virtual operator.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub epoch: Option<u64>,
}

/// The outcome of a command at one endpoint; sent on the monitoring topic, key = connection id or agent id.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename = "commandAck")]
pub struct CommandAck {
    /// Message version.
    #[serde(default)]
    pub v: u16,
    /// Who answers.
    pub agent_id: AgentId,
    /// The agent's PoP.
    pub pop_id: PopId,
    /// The agent's router.
    pub router_id: RouterId,
    /// Whose command it was.
    pub virtual_operator: VopId,
    /// The command answered.
    pub command_id: CommandId,
    /// The command's action.
    pub action: String,
    /// The reference's two-valued status.
    pub status: AckStatus,
    /// How it ended.
    pub outcome: Outcome,
    /// The same for every repetition of this ack.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ack_id: Option<String>,
    /// The connection, for commands about one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connection_id: Option<ConnectionId>,
    /// The port, for commands about one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interface: Option<PortId>,
    /// Words, code, read-back.
    #[serde(default)]
    pub details: AckDetails,
    /// When the ack was first made; display only.
    pub timestamp: Timestamp,
}

json_message!(CommandAck);
