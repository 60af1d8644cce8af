//! What an agent is told when it is built.

use crate::intake::Identity;
use crate::quality::QualityConfig;
use ipowdm_core::ids::{PortId, RegionId, VopId};

/// Telemetry interval without an assignment record, in milliseconds.
pub const TELEMETRY_INTERVAL_MS: u32 = 3_000;
/// Heartbeat interval without an assignment record, in milliseconds.
pub const HEALTH_INTERVAL_MS: u32 = 30_000;

/// Whom an agent serves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Service {
    /// Whom the assignments topic says.
    Assigned,
    /// One virtual operator, on these ports, without an assignments topic.
    Fixed {
        /// The virtual operator.
        vop: VopId,
        /// Its ports.
        ports: Vec<PortId>,
        /// Telemetry interval in milliseconds.
        telemetry_interval_ms: u32,
        /// Heartbeat interval in milliseconds.
        health_interval_ms: u32,
    },
}

/// The configuration of an agent, beside its bus, its modules and its journal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AgentConfig {
    /// Who it is.
    pub identity: Identity,
    /// The region whose topics it uses.
    pub region: Option<RegionId>,
    /// Whom it serves.
    pub service: Service,
    /// Whether commands without an epoch are carried out. Off outside laboratories.
    pub accept_unfenced: bool,
    /// Whether the modules are emulated; said in every heartbeat.
    pub emulated: bool,
    /// Most connections sampled at a time; `None`: as many as there are ports.
    pub max_sessions: Option<usize>,
    /// How long a command without a lifetime may wait for its port, in milliseconds.
    pub queue_wait_ms: u64,
    /// Answers kept for repeated commands.
    pub history: usize,
    /// Records held while the bus is away.
    pub outgoing: usize,
    /// How often a module that nothing else reads is read, in milliseconds.
    pub idle_interval_ms: u32,
    /// Whether and how the agent judges the signals of its connections, to tell of it.
    pub quality: Option<QualityConfig>,
}

impl AgentConfig {
    /// The defaults for an agent of this identity.
    #[must_use]
    pub const fn new(identity: Identity, service: Service) -> Self {
        Self {
            identity,
            region: None,
            service,
            accept_unfenced: false,
            emulated: false,
            max_sessions: None,
            queue_wait_ms: 30_000,
            history: 512,
            outgoing: 4_096,
            idle_interval_ms: 10_000,
            quality: None,
        }
    }
}
