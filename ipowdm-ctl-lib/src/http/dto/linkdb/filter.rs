//! What of a list is wanted.

use crate::linkdb::{Grant, PortStatus};
use crate::topology::{FibreLink, Router, UpDown};
use ipowdm_core::ids::{LinkId, PopId, RouterId, VopId};
use schemars::JsonSchema;
use serde::Deserialize;

/// Whether there is nothing to match, or it matches.
fn is<T: PartialEq>(wanted: Option<&T>, found: &T) -> bool {
    wanted.is_none_or(|wanted| wanted == found)
}

/// Links.
#[derive(Debug, Deserialize, JsonSchema)]
pub(in crate::http) struct LinkFilter {
    /// Those that end at a PoP.
    pop: Option<PopId>,
    /// Those that are wanted so.
    admin_state: Option<UpDown>,
    /// Those that are seen so.
    oper_state: Option<UpDown>,
}

impl LinkFilter {
    pub(in crate::http) fn takes(&self, link: &FibreLink) -> bool {
        self.pop.as_ref().is_none_or(|pop| link.a == *pop || link.b == *pop)
            && is(self.admin_state.as_ref(), &link.admin)
            && is(self.oper_state.as_ref(), &link.oper)
    }
}

/// Routers.
#[derive(Debug, Deserialize, JsonSchema)]
pub(in crate::http) struct RouterFilter {
    /// Those of a PoP.
    pop: Option<PopId>,
}

impl RouterFilter {
    pub(in crate::http) fn takes(&self, router: &Router) -> bool {
        is(self.pop.as_ref(), &router.at.pop_id)
    }
}

/// Ports.
#[derive(Debug, Deserialize, JsonSchema)]
pub(in crate::http) struct InterfaceFilter {
    /// Those of a PoP.
    pop: Option<PopId>,
    /// Those of routers of this name.
    router: Option<RouterId>,
    /// Those assigned to a virtual operator.
    virtual_operator: Option<VopId>,
    /// Those that no connection holds, or that one does.
    free: Option<bool>,
}

impl InterfaceFilter {
    pub(in crate::http) fn takes(&self, status: &PortStatus) -> bool {
        let port = &status.port;
        is(self.pop.as_ref(), &port.at.pop_id)
            && is(self.router.as_ref(), &port.at.router_id)
            && self.virtual_operator.as_ref().is_none_or(|vop| port.vop.as_ref() == Some(vop))
            && is(self.free.as_ref(), &status.occupied_by.is_none())
    }
}

/// Whether what a connection owns is its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Ownership {
    /// Until its time is over.
    Held,
    /// For good.
    Allocated,
}

/// What connections own.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
pub(in crate::http) struct ConnectionFilter {
    /// Those that are so.
    status: Option<Ownership>,
    /// Those of a virtual operator.
    virtual_operator: Option<VopId>,
    /// Those that end at a PoP.
    pop: Option<PopId>,
    /// Those whose path has a link.
    link: Option<LinkId>,
}

impl ConnectionFilter {
    /// The virtual operator whose connections are wanted, where only one's are.
    pub(in crate::http) const fn virtual_operator(&self) -> Option<&VopId> {
        self.virtual_operator.as_ref()
    }

    pub(in crate::http) fn takes(&self, grant: &Grant) -> bool {
        let request = &grant.request;
        let ownership = if grant.held { Ownership::Held } else { Ownership::Allocated };
        is(self.status.as_ref(), &ownership)
            && is(self.virtual_operator.as_ref(), &request.vop)
            && self
                .pop
                .as_ref()
                .is_none_or(|pop| request.source.pop == *pop || request.destination.pop == *pop)
            && self.link.as_ref().is_none_or(|link| grant.path.hops.iter().any(|hop| hop.link == *link))
    }
}
