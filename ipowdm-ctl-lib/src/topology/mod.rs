//! What there is: PoPs, their routers and ports, and the fibre links between PoPs.
//!
//! Nodes of the network are PoPs; routers are inside a PoP and ports on a router. A fibre link joins two **PoPs** (as
//! `POST /api/links` of the LinkDB surface has it) and is a pair of directed fibres, one each way. Routers of one PoP share
//! the PoP's line system, so the path of a connection is a sequence of links between PoPs, and its ends are ports.

mod document;

pub use document::{DocumentError, LinkEntry, NodeEntry, NodeRef, TopologyDocument};

use crate::store::{Key, Record};
use ipowdm_core::capability::ModuleCapability;
use ipowdm_core::ids::{LinkId, PopId, PortRef, RouterRef, VopId};
use ipowdm_core::units::{Db, Length};
use serde::{Deserialize, Serialize};

/// A place, in millionths of a degree (WGS 84).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Coordinates {
    /// Latitude, north positive.
    pub latitude_udeg: i32,
    /// Longitude, east positive.
    pub longitude_udeg: i32,
}

/// A point of presence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pop {
    /// Its id.
    pub id: PopId,
    /// A name for people.
    pub name: String,
    /// Where it is, for people.
    pub location: String,
    /// Who runs it.
    pub operator: String,
    /// Where it is, for maps.
    pub coordinates: Option<Coordinates>,
}

impl Pop {
    /// A PoP with its id as name and nothing else known.
    #[must_use]
    pub fn new(id: PopId) -> Self {
        let name = id.as_str().to_owned();
        Self { id, name, location: String::new(), operator: String::new(), coordinates: None }
    }

    /// The key of a PoP.
    #[must_use]
    pub fn key(id: &PopId) -> Key<Self> {
        Key::new(&[id.as_str()])
    }
}

impl Record for Pop {
    const KIND: &'static str = "pop";
    const VERSION: u8 = 1;
}

/// A router in a PoP.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Router {
    /// Where it is.
    pub at: RouterRef,
    /// What it is, for people.
    pub description: String,
}

impl Router {
    /// The key of a router.
    #[must_use]
    pub fn key(at: &RouterRef) -> Key<Self> {
        Key::new(&[at.pop_id.as_str(), at.router_id.as_str()])
    }
}

impl Record for Router {
    const KIND: &'static str = "router";
    const VERSION: u8 = 1;
}

/// A port of a router. Who occupies it is a record of its own, so that inventory and allocation do not collide.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Port {
    /// Where it is.
    pub at: PortRef,
    /// What the module in it can do; `None` while that is not known.
    pub capability: Option<ModuleCapability>,
    /// The virtual operator it is assigned to.
    pub vop: Option<VopId>,
}

impl Port {
    /// A port of which nothing is known yet.
    #[must_use]
    pub const fn new(at: PortRef) -> Self {
        Self { at, capability: None, vop: None }
    }

    /// The key of a port.
    #[must_use]
    pub fn key(at: &PortRef) -> Key<Self> {
        Key::new(&[at.pop_id.as_str(), at.router_id.as_str(), at.port_id.as_str()])
    }
}

impl Record for Port {
    const KIND: &'static str = "port";
    const VERSION: u8 = 1;
}

/// What the operator wants of a thing, or what is seen of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UpDown {
    /// In service, or working.
    #[default]
    Up,
    /// Out of service, or broken.
    Down,
}

/// One stretch of fibre between amplifiers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Span {
    /// Its length.
    pub length: Length,
    /// Its loss.
    pub loss: Db,
}

/// A fibre link between two PoPs: a pair of directed fibres.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FibreLink {
    /// Its id.
    pub id: LinkId,
    /// One end; the first fibre runs from here.
    pub a: PopId,
    /// The other end; the second fibre runs from here.
    pub b: PopId,
    /// Its length.
    pub length: Length,
    /// The kind of fibre, such as `SMF`.
    pub fibre: String,
    /// Its spans from a to b; empty while they are not known.
    pub spans: Vec<Span>,
    /// What the operator wants.
    pub admin: UpDown,
    /// What is seen.
    pub oper: UpDown,
}

impl FibreLink {
    /// A link in service.
    #[must_use]
    pub fn new(id: LinkId, a: PopId, b: PopId, length: Length) -> Self {
        Self {
            id,
            a,
            b,
            length,
            fibre: "SMF".to_owned(),
            spans: Vec::new(),
            admin: UpDown::Up,
            oper: UpDown::Up,
        }
    }

    /// Whether new connections may use the link.
    #[must_use]
    pub fn is_usable(&self) -> bool {
        (self.admin, self.oper) == (UpDown::Up, UpDown::Up)
    }

    /// The sum of the losses of the spans; `None` while no span is known, or where the sum leaves the range of the unit.
    #[must_use]
    pub fn loss(&self) -> Option<Db> {
        let sum = self.spans.iter().try_fold(0_i16, |sum, span| sum.checked_add(span.loss.hundredths()))?;
        (!self.spans.is_empty()).then_some(Db::from_hundredths(sum))
    }

    /// The key of a link.
    #[must_use]
    pub fn key(id: &LinkId) -> Key<Self> {
        Key::new(&[id.as_str()])
    }
}

impl Record for FibreLink {
    const KIND: &'static str = "link";
    const VERSION: u8 = 1;
}

/// Counts the changes that matter to paths: every transaction that adds, removes, lengthens or switches a PoP or a link
/// raises it. Whoever computes paths reads it in the same transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
pub struct TopologyEpoch(pub u64);

impl TopologyEpoch {
    /// The one key of this kind.
    #[must_use]
    pub fn key() -> Key<Self> {
        Key::new(&[])
    }
}

impl Record for TopologyEpoch {
    const KIND: &'static str = "topology-epoch";
    const VERSION: u8 = 1;
}
