//! One rule per route. What has none is refused.

use super::Role;
use crate::http::metrics::PATH as METRICS;
use ipowdm_core::ids::VopId;

/// What it takes to use a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::http) enum Need {
    /// Nothing.
    Nobody,
    /// To see everything.
    See,
    /// To see something; the handler, or the service, shows a tenant what is its own.
    SeeOwn,
    /// To change something of one's own; the handler, or the service, sees to that.
    ChangeOwn,
    /// To run the network.
    Operate,
}

impl Need {
    /// Whether a role has it, on a service of one virtual operator or of all.
    pub(super) fn is_met_by(self, role: &Role, service_of: Option<&VopId>) -> bool {
        if self == Self::Nobody || *role == Role::Operator {
            return true;
        }
        if let Some(vop) = service_of
            && !role.may_see(vop)
        {
            return false;
        }
        let viewer = matches!(role, Role::Viewer { .. });
        match self {
            Self::See => viewer && role.confined_to().is_none(),
            Self::SeeOwn => true,
            Self::ChangeOwn => !viewer,
            Self::Nobody | Self::Operate => false,
        }
    }
}

/// A route and what it takes: methods, path as the router has it.
#[derive(Debug, Clone, Copy)]
pub(in crate::http) struct Rule {
    pub(in crate::http) method: &'static str,
    pub(in crate::http) path: &'static str,
    pub(in crate::http) need: Need,
}

const fn rule(method: &'static str, path: &'static str, need: Need) -> Rule {
    Rule { method, path, need }
}

/// Port 8000. What shows other operators' spectrum is not for tenants, be it without names.
pub(in crate::http) const LINKDB: &[Rule] = &[
    rule("GET", "/", Need::Nobody),
    rule("GET", "/health", Need::Nobody),
    rule("GET", "/openapi.json", Need::Nobody),
    #[cfg(feature = "viewer")]
    rule("GET", "/docs", Need::Nobody),
    rule("GET", METRICS, Need::See),
    rule("GET", "/api/pops", Need::SeeOwn),
    rule("POST", "/api/pops", Need::Operate),
    rule("DELETE", "/api/pops/{id}", Need::Operate),
    rule("GET", "/api/links", Need::SeeOwn),
    rule("POST", "/api/links", Need::Operate),
    rule("GET", "/api/links/{id}", Need::SeeOwn),
    rule("PATCH", "/api/links/{id}", Need::Operate),
    rule("DELETE", "/api/links/{id}", Need::Operate),
    rule("GET", "/api/links/{id}/spectrum", Need::See),
    rule("GET", "/api/links/{id}/utilisation", Need::See),
    rule("GET", "/api/links/{id}/reservations", Need::See),
    rule("PUT", "/api/links/{id}/reservations/{name}", Need::Operate),
    rule("DELETE", "/api/links/{id}/reservations/{name}", Need::Operate),
    rule("GET", "/api/utilisation", Need::See),
    rule("GET", "/api/defragmentation", Need::See),
    rule("GET", "/api/paths/{a}/{b}", Need::See),
    rule("GET", "/api/routers", Need::See),
    rule("POST", "/api/routers", Need::Operate),
    rule("DELETE", "/api/routers/{pop}/{router}", Need::Operate),
    rule("GET", "/api/interfaces", Need::See),
    rule("POST", "/api/interfaces", Need::Operate),
    rule("GET", "/api/interfaces/{pop}/{router}/{interface}", Need::See),
    rule("DELETE", "/api/interfaces/{pop}/{router}/{interface}", Need::Operate),
    rule("GET", "/api/connections", Need::SeeOwn),
    rule("POST", "/api/connections/allocate", Need::ChangeOwn),
    rule("GET", "/api/connections/allocate", Need::SeeOwn),
    rule("DELETE", "/api/connections/allocate", Need::ChangeOwn),
    rule("GET", "/api/connections/{id}", Need::SeeOwn),
    rule("DELETE", "/api/connections/{id}", Need::ChangeOwn),
    rule("POST", "/api/connections/{id}/confirm", Need::ChangeOwn),
    rule("GET", "/api/vops", Need::See),
    rule("GET", "/api/vops/{id}/spectrum", Need::SeeOwn),
    rule("PUT", "/api/vops/{id}/spectrum", Need::Operate),
    rule("DELETE", "/api/vops/{id}/spectrum", Need::Operate),
    rule("GET", "/api/topology", Need::See),
    rule("GET", "/api/watch", Need::See),
];

/// Port 8082.
pub(in crate::http) const SLICE: &[Rule] = &[
    rule("GET", "/", Need::Nobody),
    rule("GET", "/health", Need::Nobody),
    rule("GET", "/openapi.json", Need::Nobody),
    #[cfg(feature = "viewer")]
    rule("GET", "/docs", Need::Nobody),
    rule("GET", METRICS, Need::See),
    rule("GET", "/api/v1/vops", Need::SeeOwn),
    rule("POST", "/api/v1/vops", Need::Operate),
    rule("GET", "/api/v1/vops/{id}", Need::SeeOwn),
    rule("DELETE", "/api/v1/vops/{id}", Need::Operate),
    rule("POST", "/api/v1/vops/{id}/users/{user}/password", Need::Operate),
    rule("PUT", "/api/v1/vops/{id}/applications/{application}", Need::Operate),
    rule("DELETE", "/api/v1/vops/{id}/applications/{application}", Need::Operate),
    rule("POST", "/api/v1/topics/{id}", Need::Operate),
    rule("GET", "/api/v1/interfaces/check/{pop}/{router}/{interface}", Need::See),
];

/// Port 8083: everything there is one virtual operator's.
pub(in crate::http) const CONTROLLER: &[Rule] = &[
    rule("GET", "/openapi.json", Need::Nobody),
    #[cfg(feature = "viewer")]
    rule("GET", "/docs", Need::Nobody),
    rule("GET", METRICS, Need::SeeOwn),
    rule("GET", "/api/v1/health", Need::Nobody),
    rule("GET", "/api/v1/status", Need::SeeOwn),
    rule("GET", "/api/v1/vop/status", Need::SeeOwn),
    rule("GET", "/api/v1/topology", Need::SeeOwn),
    rule("GET", "/api/v1/topology/pops", Need::SeeOwn),
    rule("GET", "/api/v1/topology/links", Need::SeeOwn),
    rule("GET", "/api/v1/topology/path/{a}/{b}", Need::SeeOwn),
    rule("GET", "/api/v1/connections", Need::SeeOwn),
    rule("POST", "/api/v1/connections", Need::ChangeOwn),
    rule("GET", "/api/v1/connections/{id}", Need::SeeOwn),
    rule("DELETE", "/api/v1/connections/{id}", Need::ChangeOwn),
    rule("POST", "/api/v1/connections/{id}/setup", Need::ChangeOwn),
    rule("POST", "/api/v1/connections/{id}/reconfigure", Need::ChangeOwn),
    rule("POST", "/api/v1/connections/{id}/repair", Need::ChangeOwn),
    rule("GET", "/api/v1/connections/{id}/qot", Need::SeeOwn),
    rule("GET", "/api/v1/monitoring/qot", Need::SeeOwn),
    rule("GET", "/api/v1/operations/{*id}", Need::SeeOwn),
    rule("GET", "/api/v1/events", Need::SeeOwn),
    rule("GET", "/api/v1/agents", Need::SeeOwn),
    rule("POST", "/api/v1/agents/discover", Need::ChangeOwn),
    rule("GET", "/api/v1/agents/{pop}/{router}", Need::SeeOwn),
    rule("GET", "/api/v1/interfaces/{pop}/{router}", Need::SeeOwn),
    rule("POST", "/api/v1/interfaces/{pop}/{router}/{interface}/control", Need::ChangeOwn),
];
