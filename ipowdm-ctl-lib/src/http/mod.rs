//! The REST surfaces: LinkDB (port 8000), slice manager (8082), controller (8083).
//!
//! Each is an [`axum::Router`] over the library's own types, to be mounted in a program of yours or handed to [`serve()`];
//! [`router()`] has all of them in one.
//! Every error of every service is one JSON object ([`ApiError`]) with the HTTP status that [`status_of`] has for its code.
//!
//! Lists come whole, or in pages (`?limit=`, `?cursor=`, header `Link`), and take filters. A POST with the header `Idempotency-Key`
//! is done once: sent again it gets the same answer, for a day.
//!
//! Each service describes itself: an OpenAPI 3.1 document at `/openapi.json`, and with the feature `viewer` a page at `/docs`.
//!
//! # Limits
//! Bodies up to 1 MiB (413 beyond), 30 s a request (504; a body must arrive within 10 s, else 408), 256 requests in flight
//! (429) and as many with `?wait=`, 1 000 requests at once and 200 a second of each caller with a token (429, and `Retry-After`
//! says for how long), 1 024 open connections (the one idle for longest is closed for a new one). [`Limits`], which
//! [`Access::with_limits`] takes, has others. A request that changes something is carried out to its end even when its client has gone.
//!
//! # Who may do what
//! A service is given an [`Access`]: bearer tokens with roles, or open to whoever reaches it, which is for laboratories on the
//! loopback address. Tokens travel as they are: put a proxy that speaks TLS before a service that other machines reach. Every
//! change is logged under the target `ipowdm::audit`: who, what, how it was answered. No CORS header is ever sent: pages of other
//! origins cannot read these services from a browser.

mod access;
mod answer;
mod controller;
mod controllers;
mod crowd;
mod dto;
mod error;
pub mod extract;
mod guard;
mod health;
mod linkdb;
mod metrics;
mod once;
mod openapi;
mod page;
mod router;
mod serve;
mod slice;
mod sse;
mod stand_by;

pub use access::{Access, Caller, NewToken, Principal, Rate, Role, TokenError, TokenTable, USUAL_RATE};
pub use controller::controller_router;
pub use controllers::{ControllerPorts, OnServed, ServedControllers};
pub use error::{ApiError, status_of};
pub use guard::{Limits, guarded};
pub use linkdb::{linkdb_router, linkdb_router_with_holds};
pub use router::{RouterBuilder, router};
pub use serve::{Served, serve};
pub use slice::slice_router;
pub use stand_by::stand_by_router;

use core::net::{IpAddr, Ipv4Addr, SocketAddr};

/// Where the LinkDB service listens unless told otherwise.
pub const LINKDB_ADDR: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8000);

/// Where the slice manager service listens unless told otherwise.
pub const SLICE_ADDR: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8082);

/// Where a controller service listens unless told otherwise.
pub const CONTROLLER_ADDR: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8083);

/// A connection as the REST shows it.
#[cfg(test)]
pub(crate) fn connection_json(
    vop: ipowdm_core::ids::VopId,
    view: crate::controller::ConnectionView,
) -> serde_json::Value {
    serde_json::json!(dto::controller::ConnectionJson::new(vop, view))
}

#[cfg(test)]
mod tests;
