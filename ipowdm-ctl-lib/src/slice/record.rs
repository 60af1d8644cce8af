//! What is stored of a virtual operator.

use crate::spectrum::Quota;
use crate::store::{Key, Prefix, Record};
use ipowdm_core::capability::PowerRange;
use ipowdm_core::grid::SpectrumWindow;
use ipowdm_core::ids::{AgentId, Incarnation, PortRef, VopId};
use ipowdm_core::time::Timestamp;
use ipowdm_core::topics::{self, Role};
use serde::{Deserialize, Serialize};

/// What is asked for when a virtual operator is activated.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ActivationRequest {
    /// Its id.
    pub vop: VopId,
    /// Who it is, for people; not empty.
    pub tenant_name: String,
    /// What it is for, for people.
    pub description: Option<String>,
    /// The ports it gets.
    pub ports: Vec<PortRef>,
    /// The spectrum it may light, on every link; `None` for the whole band.
    pub windows: Option<Vec<SpectrumWindow>>,
    /// Whether that spectrum is its alone; else it shares it with others as they come.
    pub exclusive: bool,
    /// How much it may hold at a time; `None` for any amount.
    pub quota: Option<Quota>,
    /// The transmit power it may set; `None` for what modules and operator allow.
    pub tx_power: Option<PowerRange>,
    /// Telemetry interval of its connections; `None` for the operator's default.
    pub telemetry_interval_ms: Option<u32>,
}

impl ActivationRequest {
    /// A request with nothing but a name and ports.
    #[must_use]
    pub fn new(vop: VopId, tenant_name: &str, ports: Vec<PortRef>) -> Self {
        Self {
            vop,
            tenant_name: tenant_name.to_owned(),
            description: None,
            ports,
            windows: None,
            exclusive: false,
            quota: None,
            tx_power: None,
            telemetry_interval_ms: None,
        }
    }
}

/// Where a virtual operator is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum VopPhase {
    /// Ports and spectrum are its own; topics and controller are being made.
    Pending,
    /// It works.
    Active,
    /// It is being dismantled.
    Deactivating,
}

impl VopPhase {
    /// The name on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "PENDING",
            Self::Active => "ACTIVE",
            Self::Deactivating => "DEACTIVATING",
        }
    }
}

/// A virtual operator.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Vop {
    /// What was asked for.
    pub request: ActivationRequest,
    /// Where it is in its life.
    pub phase: VopPhase,
    /// The life of its topics; another one with every activation.
    pub incarnation: Incarnation,
    /// The spectrum it may light.
    pub windows: Vec<SpectrumWindow>,
    /// Telemetry interval of its connections.
    pub telemetry_interval_ms: u32,
    /// Heartbeat interval of its agents.
    pub health_interval_ms: u32,
    /// When it was activated, for display.
    pub activated_at: Timestamp,
    /// Where its controller answers.
    pub endpoint: Option<String>,
}

impl Vop {
    /// Its id.
    #[must_use]
    pub const fn id(&self) -> &VopId {
        &self.request.vop
    }

    /// The name of one of its topics.
    #[must_use]
    pub fn topic(&self, role: Role) -> topics::TopicName {
        topics::name(role, self.id(), None)
    }

    /// The key of a virtual operator.
    #[must_use]
    pub fn key(id: &VopId) -> Key<Self> {
        Key::new(&[id.as_str()])
    }

    /// All virtual operators.
    #[must_use]
    pub fn all() -> Prefix<Self> {
        Prefix::all()
    }
}

/// Version 1 of [`ActivationRequest`]: spectrum in a pool, without a quota.
#[derive(Deserialize)]
struct ActivationRequestV1 {
    vop: VopId,
    tenant_name: String,
    description: Option<String>,
    ports: Vec<PortRef>,
    windows: Option<Vec<SpectrumWindow>>,
    tx_power: Option<PowerRange>,
    telemetry_interval_ms: Option<u32>,
}

/// Version 1 of [`Vop`].
#[derive(Deserialize)]
struct VopV1 {
    request: ActivationRequestV1,
    phase: VopPhase,
    incarnation: Incarnation,
    windows: Vec<SpectrumWindow>,
    telemetry_interval_ms: u32,
    health_interval_ms: u32,
    activated_at: Timestamp,
    endpoint: Option<String>,
}

impl From<VopV1> for Vop {
    fn from(old: VopV1) -> Self {
        let ActivationRequestV1 {
            vop,
            tenant_name,
            description,
            ports,
            windows,
            tx_power,
            telemetry_interval_ms,
        } = old.request;
        let (exclusive, quota) = (false, None);
        let request = ActivationRequest {
            vop,
            tenant_name,
            description,
            ports,
            windows,
            exclusive,
            quota,
            tx_power,
            telemetry_interval_ms,
        };
        Self {
            request,
            phase: old.phase,
            incarnation: old.incarnation,
            windows: old.windows,
            telemetry_interval_ms: old.telemetry_interval_ms,
            health_interval_ms: old.health_interval_ms,
            activated_at: old.activated_at,
            endpoint: old.endpoint,
        }
    }
}

impl Record for Vop {
    const KIND: &'static str = "vop";
    const VERSION: u8 = 2;

    fn upgrade(body: &[u8]) -> Option<Result<Self, postcard::Error>> {
        Some(postcard::from_bytes(body).map(|old: VopV1| old.into()))
    }
}

/// The number of the last assignment that was written for an agent. It stays when the agent serves nobody, so that a later
/// assignment is newer than every earlier one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct AssignmentRevision(pub u64);

impl AssignmentRevision {
    /// The key of an agent's.
    #[must_use]
    pub fn key(agent: &AgentId) -> Key<Self> {
        Key::new(&[agent.as_str()])
    }
}

impl Record for AssignmentRevision {
    const KIND: &'static str = "assignment-revision";
    const VERSION: u8 = 1;
}
