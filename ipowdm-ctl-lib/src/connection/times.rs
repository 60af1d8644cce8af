//! Time, and how long things may take.

use ipowdm_core::time::{Millis, Timestamp};
use serde::{Deserialize, Serialize};

/// The time of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Now {
    /// For decisions.
    pub at: Millis,
    /// For display.
    pub wall: Timestamp,
}

/// How long things may take, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Times {
    /// A connection that is created and not set up gives its grant back after this.
    pub hold_ms: u64,
    /// The control plane's part of every operation; also the lifetime of commands that switch light on or change it.
    pub control_ms: u64,
    /// What the slower module may need to tune and activate its data path.
    pub setup_module_ms: u64,
    /// What the slower module may need for a change of power.
    pub change_module_ms: u64,
    /// What the slower module may need to go dark.
    pub teardown_module_ms: u64,
    /// An end that should be dark and was not confirmed so is told again after this.
    pub retry_ms: u64,
    /// A TERMINATED connection is forgotten after this.
    pub terminated_ms: u64,
    /// A FAILED connection that holds nothing is forgotten after this.
    pub failed_ms: u64,
}

impl Default for Times {
    /// Hold 10 min; control plane 30 s; modules 5 min, 30 s and 1 min; retry 1 min; forget after 1 min and 1 day.
    fn default() -> Self {
        Self {
            hold_ms: 600_000,
            control_ms: 30_000,
            setup_module_ms: 300_000,
            change_module_ms: 30_000,
            teardown_module_ms: 60_000,
            retry_ms: 60_000,
            terminated_ms: 60_000,
            failed_ms: 86_400_000,
        }
    }
}

/// What can be asked of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OperationKind {
    /// Light it.
    Setup,
    /// Change it.
    Reconfigure,
    /// Take it down.
    Teardown,
    /// Light it, or its dark ends, once more.
    Repair,
}
