//! What is stored of a virtual operator.

use crate::spectrum::{Quota, VopGrant};
use crate::store::{Key, Prefix, Record};
use ipowdm_core::capability::PowerRange;
use ipowdm_core::grid::SpectrumWindow;
use ipowdm_core::ids::{AgentId, Incarnation, LinkId, PortRef, VopId};
use ipowdm_core::time::Timestamp;
use ipowdm_core::topics::{self, Role};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

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
    /// The spectrum it may light, on every link that `on_links` does not name; `None` for the whole band.
    pub windows: Option<Vec<SpectrumWindow>>,
    /// Whether that spectrum is its alone; else it shares it with others as they come.
    pub exclusive: bool,
    /// How much it may hold at a time; `None` for any amount.
    pub quota: Option<Quota>,
    /// The transmit power it may set; `None` for what modules and operator allow.
    pub tx_power: Option<PowerRange>,
    /// Telemetry interval of its connections; `None` for the operator's default.
    pub telemetry_interval_ms: Option<u32>,
    /// The spectrum it may light on single links, in the place of `windows`; nothing there where it is empty.
    pub on_links: BTreeMap<LinkId, Vec<SpectrumWindow>>,
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
            on_links: BTreeMap::new(),
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
    /// The spectrum it may light on every link that the request does not name.
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

    /// Its spectrum as LinkDB has it.
    #[must_use]
    pub fn grant(&self) -> VopGrant {
        let ActivationRequest { vop, exclusive, quota, on_links, .. } = &self.request;
        VopGrant {
            vop: vop.clone(),
            windows: self.windows.clone(),
            exclusive: *exclusive,
            quota: *quota,
            on_links: on_links.clone(),
        }
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

/// Version 2 of [`ActivationRequest`]: the same spectrum on every link.
#[derive(Deserialize)]
struct ActivationRequestV2 {
    vop: VopId,
    tenant_name: String,
    description: Option<String>,
    ports: Vec<PortRef>,
    windows: Option<Vec<SpectrumWindow>>,
    exclusive: bool,
    quota: Option<Quota>,
    tx_power: Option<PowerRange>,
    telemetry_interval_ms: Option<u32>,
}

/// Version 2 of [`Vop`].
#[derive(Deserialize)]
struct VopV2 {
    request: ActivationRequestV2,
    phase: VopPhase,
    incarnation: Incarnation,
    windows: Vec<SpectrumWindow>,
    telemetry_interval_ms: u32,
    health_interval_ms: u32,
    activated_at: Timestamp,
    endpoint: Option<String>,
}

impl From<VopV2> for Vop {
    fn from(old: VopV2) -> Self {
        let asked = old.request;
        let request = ActivationRequest {
            vop: asked.vop,
            tenant_name: asked.tenant_name,
            description: asked.description,
            ports: asked.ports,
            windows: asked.windows,
            exclusive: asked.exclusive,
            quota: asked.quota,
            tx_power: asked.tx_power,
            telemetry_interval_ms: asked.telemetry_interval_ms,
            on_links: BTreeMap::new(),
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
    const VERSION: u8 = 3;

    fn upgrade(body: &[u8]) -> Option<Result<Self, postcard::Error>> {
        Some(postcard::from_bytes(body).map(|old: VopV2| old.into()))
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{RawKey, decode, encode};
    use ipowdm_core::units::Frequency;

    #[test]
    fn a_virtual_operator_is_golden_and_that_of_the_version_before_is_read() {
        let window = SpectrumWindow { low: Frequency::from_mhz(1), high: Frequency::from_mhz(2) };
        let port = PortRef {
            pop_id: "p".parse().unwrap(),
            router_id: "r".parse().unwrap(),
            port_id: "e".parse().unwrap(),
        };
        let mut request = ActivationRequest::new("v".parse().unwrap(), "t", vec![port]);
        request.windows = Some(vec![window]);
        request.exclusive = true;
        request.telemetry_interval_ms = Some(100);
        let mut vop = Vop {
            request,
            phase: VopPhase::Active,
            incarnation: "i".parse().unwrap(),
            windows: vec![window],
            telemetry_interval_ms: 100,
            health_interval_ms: 3,
            activated_at: Timestamp(1_000),
            endpoint: None,
        };
        let (asked, rest) = (
            b"\x01v\x01t\x00\x01\x01p\x01r\x01e\x01\x01\x01\x02\x01\x00\x00\x01\x64",
            b"\x01\x01i\x01\x01\x02\x64\x03\x00\x00\x00\x00\x00\x00\xf0\x3f\x00",
        );
        let key = RawKey::from_stored(Vop::KIND);
        let read = |bytes: &[u8]| decode::<Vop>(&key, bytes).unwrap();
        let bytes = |version: u8, on_links: &[u8]| [&[version][..], asked, on_links, rest].concat();
        assert_eq!(read(&bytes(2, b"")), vop);
        assert_eq!(read(&bytes(3, b"\x00")), vop);
        vop.request.on_links.insert("l".parse().unwrap(), vec![window]);
        let named = bytes(3, b"\x01\x01l\x01\x01\x02");
        assert_eq!(read(&named), vop);
        assert_eq!(&*encode(&key, &vop).unwrap(), &*named);
    }
}
