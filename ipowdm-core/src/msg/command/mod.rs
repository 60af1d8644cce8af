//! Commands, controller to agents.

mod decode;
mod encode;
mod superset;

pub use superset::Superset;

use crate::ids::{AgentId, CommandId, ConnectionId, PopId, PortRef, VopId};
use crate::units::{Frequency, Power};
use alloc::string::String;
use alloc::vec::Vec;

/// The administrative state of a port's transmitter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AdminState {
    /// May transmit.
    Up,
    /// Must not transmit.
    Down,
}

/// What one end of a connection is to be. Absent: leave as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// The port.
    pub port: PortRef,
    /// Laser frequency.
    pub frequency: Option<Frequency>,
    /// Transmit power.
    pub tx_power: Option<Power>,
    /// SFF-8024 media interface code of the application to run.
    pub media_code: Option<u8>,
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Action {
    /// Configure the ends of a connection and start its telemetry.
    Setup {
        /// The connection.
        connection_id: ConnectionId,
        /// Its ends; an agent acts on those that are its own.
        endpoints: Vec<Endpoint>,
    },
    /// Change only what the endpoints name.
    Reconfigure {
        /// The connection.
        connection_id: ConnectionId,
        /// Why, in words.
        reason: Option<String>,
        /// Its ends.
        endpoints: Vec<Endpoint>,
    },
    /// Switch the lasers of a connection off and end its telemetry.
    Teardown {
        /// The connection.
        connection_id: ConnectionId,
        /// Its ends; empty means every port that serves the connection.
        endpoints: Vec<Endpoint>,
    },
    /// Switch a port's transmitter.
    InterfaceControl {
        /// The port.
        port: PortRef,
        /// On or off.
        state: AdminState,
    },
    /// Send a heartbeat now.
    HealthCheck,
    /// Send the capabilities now.
    GetCapabilities,
    /// Read all modules again, then send heartbeat and capabilities.
    Discover,
    /// Send what is known about each port now, with statistics.
    Dump,
    /// Start telemetry of a connection.
    StartTelemetry {
        /// The connection.
        connection_id: ConnectionId,
        /// The ports to sample.
        endpoints: Vec<Endpoint>,
    },
    /// End telemetry of a connection.
    StopTelemetry {
        /// The connection.
        connection_id: ConnectionId,
    },
}

impl Action {
    /// The name on the wire.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Setup { .. } => "setupConnection",
            Self::Reconfigure { .. } => "reconfigConnection",
            Self::Teardown { .. } => "teardownConnection",
            Self::InterfaceControl { .. } => "interfaceControl",
            Self::HealthCheck => "healthCheck",
            Self::GetCapabilities => "getCapabilities",
            Self::Discover => "discover",
            Self::Dump => "dump",
            Self::StartTelemetry { .. } => "startTelemetry",
            Self::StopTelemetry { .. } => "stopTelemetry",
        }
    }

    /// The connection it is about, if it is about one.
    #[must_use]
    pub const fn connection_id(&self) -> Option<&ConnectionId> {
        match self {
            Self::Setup { connection_id, .. }
            | Self::Reconfigure { connection_id, .. }
            | Self::Teardown { connection_id, .. }
            | Self::StartTelemetry { connection_id, .. }
            | Self::StopTelemetry { connection_id } => Some(connection_id),
            Self::InterfaceControl { .. }
            | Self::HealthCheck
            | Self::GetCapabilities
            | Self::Discover
            | Self::Dump => None,
        }
    }

    /// The endpoints it names.
    #[must_use]
    pub fn endpoints(&self) -> &[Endpoint] {
        match self {
            Self::Setup { endpoints, .. }
            | Self::Reconfigure { endpoints, .. }
            | Self::Teardown { endpoints, .. }
            | Self::StartTelemetry { endpoints, .. } => endpoints,
            _ => &[],
        }
    }
}

/// Whom a command is for. Endpoints narrow it further.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Target {
    /// Every agent of the virtual operator.
    #[default]
    All,
    /// Every agent of one PoP.
    Pop(PopId),
    /// One agent.
    Agent(AgentId),
}

/// A command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command {
    /// Its id; absent in hand-typed commands, which are told apart by their position in the topic.
    pub command_id: Option<CommandId>,
    /// Whose command it is; absent means the topic's virtual operator.
    pub vop: Option<VopId>,
    /// Whom it is for.
    pub target: Target,
    /// The issuer's epoch; absent makes it an unfenced command.
    pub epoch: Option<u64>,
    /// Milliseconds from the broker's log-append time after which it must not be started.
    pub lifetime_ms: Option<u64>,
    /// Message version; 0 where absent.
    pub v: u16,
    /// What is to be done.
    pub action: Action,
}

impl Command {
    /// A command with nothing but an action, as typed by hand.
    #[must_use]
    pub const fn bare(action: Action) -> Self {
        Self {
            command_id: None,
            vop: None,
            target: Target::All,
            epoch: None,
            lifetime_ms: None,
            v: 0,
            action,
        }
    }
}

#[cfg(test)]
mod tests;
