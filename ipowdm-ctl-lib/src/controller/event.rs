//! What a controller tells whoever listens.

use crate::connection::{Cause, Ends, Failure, OperationKind, State, Timing};
use crate::registry::{Conflict, Presence};
use ipowdm_core::ids::{AgentId, ConnectionId, PortRef};
use ipowdm_core::qot::{End, Level};
use ipowdm_core::time::Timestamp;
use ipowdm_core::units::Power;
use serde::Serialize;

/// Something that has happened, told after it was stored.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
#[non_exhaustive]
pub enum ControllerEvent {
    /// A connection was created.
    Created {
        /// Which.
        connection_id: ConnectionId,
    },
    /// The state of a connection has changed.
    Moved {
        /// Which.
        connection_id: ConnectionId,
        /// From this.
        from: State,
        /// To this.
        to: State,
        /// Because of this.
        cause: Cause,
        /// When, for display.
        at: Timestamp,
    },
    /// An operation has begun.
    Begun {
        /// On which connection.
        connection_id: ConnectionId,
        /// Its id.
        operation_id: String,
        /// What it is.
        kind: OperationKind,
    },
    /// An operation on a port has begun.
    PortBegun {
        /// Which port.
        port: PortRef,
        /// Its id.
        operation_id: String,
        /// Whether the transmitter is to be on.
        up: bool,
    },
    /// An operation on a port has ended.
    PortFinished {
        /// Which port.
        port: PortRef,
        /// Its id.
        operation_id: String,
        /// Whether the transmitter was to be on.
        up: bool,
        /// Why it failed, where it did.
        failure: Option<Failure>,
    },
    /// An operation has ended.
    Finished {
        /// Of which connection.
        connection_id: ConnectionId,
        /// Its id.
        operation_id: String,
        /// What it was.
        kind: OperationKind,
        /// Why it failed, where it did.
        failure: Option<Failure>,
        /// How long it took.
        timing: Timing,
    },
    /// The quality level of a connection has changed.
    Quality {
        /// Which.
        connection_id: ConnectionId,
        /// The level.
        level: Level,
    },
    /// The quality loop changes transmit powers.
    Step {
        /// Of which connection.
        connection_id: ConnectionId,
        /// Number of the attempt.
        attempt: u8,
        /// Powers before.
        from: Ends<Option<Power>>,
        /// Powers commanded; absent for an end that stays.
        to: Ends<Option<Power>>,
    },
    /// The quality loop has used its attempts up in vain.
    QualityAlarm {
        /// Of which connection.
        connection_id: ConnectionId,
        /// Attempts made.
        attempts: u8,
    },
    /// The quality is good again, or good enough.
    QualityRecovered {
        /// Of which connection.
        connection_id: ConnectionId,
    },
    /// Spectrum and port of an end are free again, and the end could not be confirmed dark.
    LeftUnconfirmed {
        /// Of which connection.
        connection_id: ConnectionId,
        /// Which end.
        end: End,
    },
    /// A port serves a connection that does not hold it any more, and is told to go dark.
    Stray {
        /// Where.
        port: PortRef,
        /// The connection that its agent names.
        connection_id: ConnectionId,
    },
    /// A connection is not remembered any more.
    Forgotten {
        /// Which.
        connection_id: ConnectionId,
    },
    /// An end that should be sampled is not, though its agent is heard; or it is again.
    Telemetry {
        /// Of which connection.
        connection_id: ConnectionId,
        /// Which end.
        end: End,
        /// Whether its samples are missing.
        stale: bool,
    },
    /// Two agents describe one port, or one agent describes it twice.
    Conflict(Box<Conflict>),
    /// The presence of an agent has changed.
    Agent {
        /// Whose.
        agent_id: AgentId,
        /// What it is now.
        presence: Presence,
    },
}
