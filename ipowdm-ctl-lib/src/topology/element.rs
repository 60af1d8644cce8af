//! Which thing of the topology is meant.

use core::fmt;
use ipowdm_core::ids::{LinkId, PopId, PortRef, RouterRef};
use serde::{Deserialize, Serialize};

/// The name of a PoP, router, port or link. Ids are the operator's and stay: a thing that is removed and added again under
/// its id is, to everything that refers to it, the same thing.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ElementId {
    /// A PoP.
    Pop(PopId),
    /// A router.
    Router(RouterRef),
    /// A port.
    Port(PortRef),
    /// A fibre link.
    Link(LinkId),
}

impl fmt::Display for ElementId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pop(id) => write!(f, "PoP {id}"),
            Self::Router(at) => write!(f, "router {at}"),
            Self::Port(at) => write!(f, "port {at}"),
            Self::Link(id) => write!(f, "link {id}"),
        }
    }
}
