//! What the host makes of a port: whether its link is up, and what it counts.

use super::{Connection, Database, SonicError};
use ipowdm_core::ids::PortId;

/// The map from port names to the objects that counters are kept under.
const NAMES: &str = "COUNTERS_PORT_NAME_MAP";
/// Frames that the host's FEC could not correct.
const UNCORRECTABLE: &str = "SAI_PORT_STAT_IF_IN_FEC_NOT_CORRECTABLE_FRAMES";
/// Frames that it corrected.
const CORRECTED: &str = "SAI_PORT_STAT_IF_IN_FEC_CORRECTABLE_FRAMES";

/// The host's side of a port. What the switch does not say is absent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Link {
    /// Whether the link is up (`oper_status` of APPL_DB).
    pub oper_up: Option<bool>,
    /// Whether the host's transmitter is on (`host_tx_ready` of STATE_DB): the CMIS manager lights no module before.
    pub host_tx_ready: Option<bool>,
    /// Frames that the host's FEC corrected (COUNTERS_DB).
    pub corrected_frames: Option<u64>,
    /// Frames that it could not correct.
    pub uncorrectable_frames: Option<u64>,
}

impl Link {
    /// Reads what the host says of a port.
    ///
    /// # Errors
    /// [`SonicError::Redis`].
    pub fn read(databases: &mut Connection, port: &PortId) -> Result<Self, SonicError> {
        let key = port.as_str();
        let appl = databases.row(Database::Appl, "PORT_TABLE", key)?;
        let state = databases.row(Database::State, "PORT_TABLE", key)?;
        let names = databases.hash(Database::Counters, NAMES, &[key])?;
        let counters = match names.text(key) {
            Some(object) => {
                databases.fields(Database::Counters, "COUNTERS", object, &[CORRECTED, UNCORRECTABLE])?
            }
            None => super::Row::default(),
        };
        let count = |field| counters.text(field).and_then(|text| text.parse().ok());
        Ok(Self {
            oper_up: appl.text("oper_status").map(|status| status == "up"),
            host_tx_ready: state.truth("host_tx_ready"),
            corrected_frames: count(CORRECTED),
            uncorrectable_frames: count(UNCORRECTABLE),
        })
    }
}
