//! What there is: PoPs, their routers and ports, and the fibre links between PoPs.
//!
//! Nodes of the network are PoPs; routers are inside a PoP and ports on a router. A fibre link joins two **PoPs** (as
//! `POST /api/links` of the LinkDB surface has it) and is a pair of directed fibres, one each way. Routers of one PoP share
//! the PoP's line system, so the path of a connection is a sequence of links between PoPs, and its ends are ports.

mod change;
mod document;
mod element;
mod link;
mod metadata;
#[cfg(test)]
mod tests;

pub use change::{Aspect, Element, TopologyChange, TopologyEvent, TopologyWatch};
pub use document::{
    DocumentError, LinkEntry, NodeEntry, NodeRef, PortEntry, RouterEntry, Topology, TopologyDocument,
};
pub use element::ElementId;
pub use link::{Amplifier, Fibre, FibreLink, Span, Srlg};
pub use metadata::{Metadata, MetadataError};

use crate::store::{Key, Record};
use ipowdm_core::capability::ModuleCapability;
use ipowdm_core::ids::{PopId, PortRef, RouterRef, VopId};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::sync::LazyLock;

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
    /// What the operator wants. New connections neither begin, end nor pass in a PoP that is down; those there are stay.
    pub admin: UpDown,
    /// Notes.
    pub metadata: Metadata,
}

impl Pop {
    /// A PoP with its id as name and nothing else known.
    #[must_use]
    pub fn new(id: PopId) -> Self {
        let name = id.as_str().to_owned();
        Self {
            id,
            name,
            location: String::new(),
            operator: String::new(),
            coordinates: None,
            admin: UpDown::Up,
            metadata: Metadata::default(),
        }
    }

    /// The key of a PoP.
    #[must_use]
    pub fn key(id: &PopId) -> Key<Self> {
        Key::new(&[id.as_str()])
    }
}

/// Version 1 of the record.
#[derive(Deserialize)]
struct PopV1 {
    id: PopId,
    name: String,
    location: String,
    operator: String,
    coordinates: Option<Coordinates>,
}

impl Record for Pop {
    const KIND: &'static str = "pop";
    const VERSION: u8 = 2;

    fn upgrade(body: &[u8]) -> Option<Result<Self, postcard::Error>> {
        Some(whole(body).map(|old: PopV1| Self {
            name: old.name,
            location: old.location,
            operator: old.operator,
            coordinates: old.coordinates,
            ..Self::new(old.id)
        }))
    }
}

/// A router in a PoP.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Router {
    /// Where it is.
    pub at: RouterRef,
    /// What it is, for people.
    pub description: String,
    /// What the operator wants. New connections get no port of a router that is down.
    pub admin: UpDown,
    /// Notes.
    pub metadata: Metadata,
}

impl Router {
    /// A router of which only the place is known.
    #[must_use]
    pub fn new(at: RouterRef) -> Self {
        Self { at, description: String::new(), admin: UpDown::Up, metadata: Metadata::default() }
    }

    /// The key of a router.
    #[must_use]
    pub fn key(at: &RouterRef) -> Key<Self> {
        Key::new(&[at.pop_id.as_str(), at.router_id.as_str()])
    }
}

/// Version 1 of the record.
#[derive(Deserialize)]
struct RouterV1 {
    at: RouterRef,
    description: String,
}

impl Record for Router {
    const KIND: &'static str = "router";
    const VERSION: u8 = 2;

    fn upgrade(body: &[u8]) -> Option<Result<Self, postcard::Error>> {
        Some(whole(body).map(|old: RouterV1| Self { description: old.description, ..Self::new(old.at) }))
    }
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
    /// What the operator wants.
    pub admin: UpDown,
    /// What is seen.
    pub oper: UpDown,
    /// Notes.
    pub metadata: Metadata,
}

impl Port {
    /// A port of which nothing is known yet.
    #[must_use]
    pub fn new(at: PortRef) -> Self {
        Self {
            at,
            capability: None,
            vop: None,
            admin: UpDown::Up,
            oper: UpDown::Up,
            metadata: Metadata::default(),
        }
    }

    /// Whether new connections may use the port, as far as the port itself goes: see [`Router::admin`] too.
    #[must_use]
    pub fn is_usable(&self) -> bool {
        (self.admin, self.oper) == (UpDown::Up, UpDown::Up)
    }

    /// The key of a port.
    #[must_use]
    pub fn key(at: &PortRef) -> Key<Self> {
        Key::new(&[at.pop_id.as_str(), at.router_id.as_str(), at.port_id.as_str()])
    }
}

/// Version 1 of the record.
#[derive(Deserialize)]
struct PortV1 {
    at: PortRef,
    capability: Option<ModuleCapability>,
    vop: Option<VopId>,
}

impl Record for Port {
    const KIND: &'static str = "port";
    const VERSION: u8 = 2;

    fn upgrade(body: &[u8]) -> Option<Result<Self, postcard::Error>> {
        Some(whole(body).map(|old: PortV1| Self {
            capability: old.capability,
            vop: old.vop,
            ..Self::new(old.at)
        }))
    }
}

/// What the operator wants of a thing, or what is seen of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "http", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum UpDown {
    /// In service, or working.
    #[default]
    Up,
    /// Out of service, or broken.
    Down,
}

/// What is known of the network as a whole.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Network {
    /// Its name.
    pub name: String,
    /// Where its data came from.
    pub source: String,
    /// What else should be known.
    pub note: String,
    /// Whether several links between two PoPs were made one; `None` where that is not known.
    pub parallel_links_merged: Option<bool>,
}

impl Network {
    /// The one key of this kind.
    #[must_use]
    pub fn key() -> Key<Self> {
        Key::new(&[])
    }
}

impl Record for Network {
    const KIND: &'static str = "network";
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
        // Read by every transaction that looks for a path.
        static KEY: LazyLock<Key<TopologyEpoch>> = LazyLock::new(|| Key::new(&[]));
        KEY.clone()
    }
}

impl Record for TopologyEpoch {
    const KIND: &'static str = "topology-epoch";
    const VERSION: u8 = 1;
}

/// Reads the body of an earlier version; bytes after it are an error, as they are in the present one.
fn whole<T: DeserializeOwned>(body: &[u8]) -> Result<T, postcard::Error> {
    match postcard::take_from_bytes(body)? {
        (record, []) => Ok(record),
        _ => Err(postcard::Error::DeserializeBadEncoding),
    }
}
