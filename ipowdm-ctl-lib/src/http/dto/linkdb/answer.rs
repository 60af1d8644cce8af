//! Lists of the LinkDB surface, and what its changes are answered with.

use super::{AllocationJson, InterfaceJson, LinkJson, PathJson, PopJson, RouterJson};
use crate::http::dto::any_whole;
use crate::http::dto::spectrum::{LinkUtilisationJson, ReservationJson};
use crate::http::dto::window::WindowJson;
use crate::http::page::{Page, Paged};
use ipowdm_core::ids::{ConnectionId, LinkId, PopId, ReservationId, VopId};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What the root says of the service.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Service")]
pub(in crate::http) struct ServiceJson {
    pub(in crate::http) service: &'static str,
    pub(in crate::http) version: &'static str,
    /// `running`, or `degraded` while the store cannot be read.
    pub(in crate::http) status: &'static str,
    pub(in crate::http) endpoints: Vec<String>,
}

/// Fields of the health answer.
#[derive(Debug, Serialize, JsonSchema)]
pub(in crate::http) struct StoreHealth {
    /// `connected` or `disconnected`: the store, whatever keeps the records. Clients of the reference read this name.
    pub(in crate::http) redis: &'static str,
    /// The same.
    pub(in crate::http) store: &'static str,
}

/// A list, or a page of one.
macro_rules! list {
    ($(#[$doc:meta])* $name:ident, $items:ident: $item:ty) => {
        $(#[$doc])*
        #[derive(Debug, Serialize, JsonSchema)]
        pub(in crate::http) struct $name {
            /// How many there are in this answer.
            count: usize,
            $items: Vec<$item>,
            /// Where the next page begins, if there is one.
            #[serde(skip_serializing_if = "Option::is_none")]
            next_cursor: Option<String>,
        }

        impl $name {
            pub(in crate::http) fn of<T>(page: Page<T>) -> Paged<Self>
            where
                $item: From<T>,
            {
                page.answer(|items, next_cursor| Self {
                    count: items.len(),
                    $items: items.into_iter().map(<$item>::from).collect(),
                    next_cursor,
                })
            }
        }
    };
}

list! {
    /// PoPs.
    Pops, pops: PopJson
}
list! {
    /// Fibre links.
    Links, links: LinkJson
}
list! {
    /// Routers.
    Routers, routers: RouterJson
}
list! {
    /// Ports.
    Interfaces, interfaces: InterfaceJson
}
list! {
    /// What connections own.
    Connections, connections: AllocationJson
}
list! {
    /// How full and how broken up links are.
    Utilisations, links: LinkUtilisationJson
}
list! {
    /// Virtual operators that may use spectrum.
    Vops, vops: VopSpectrumJson
}

/// Reservations of a link.
#[derive(Debug, Serialize, JsonSchema)]
pub(in crate::http) struct Reservations {
    pub(in crate::http) link_id: LinkId,
    /// How many there are in this answer.
    pub(in crate::http) count: usize,
    pub(in crate::http) reservations: Vec<ReservationJson>,
    /// Where the next page begins, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::http) next_cursor: Option<String>,
}

/// A reservation that was given back, or was not there.
#[derive(Debug, Serialize, JsonSchema)]
pub(in crate::http) struct Unreserved {
    pub(in crate::http) link_id: LinkId,
    pub(in crate::http) reservation_id: ReservationId,
    /// Whether there was one.
    pub(in crate::http) released: bool,
}

/// Candidate paths in the order in which an allocation tries them.
#[derive(Debug, Serialize, JsonSchema)]
pub(in crate::http) struct Paths {
    pub(in crate::http) pop_a: PopId,
    pub(in crate::http) pop_b: PopId,
    pub(in crate::http) count: usize,
    pub(in crate::http) paths: Vec<PathJson>,
}

/// A PoP that was added.
#[derive(Debug, Serialize, JsonSchema)]
pub(in crate::http) struct PopAdded {
    pub(in crate::http) message: String,
    pub(in crate::http) pop: PopJson,
}

/// A link that was added.
#[derive(Debug, Serialize, JsonSchema)]
pub(in crate::http) struct LinkAdded {
    pub(in crate::http) message: String,
    pub(in crate::http) link: LinkJson,
}

/// A router that was added.
#[derive(Debug, Serialize, JsonSchema)]
pub(in crate::http) struct RouterAdded {
    pub(in crate::http) message: String,
    pub(in crate::http) router: RouterJson,
}

/// A port that was added.
#[derive(Debug, Serialize, JsonSchema)]
pub(in crate::http) struct InterfaceAdded {
    pub(in crate::http) message: String,
    pub(in crate::http) interface: InterfaceJson,
}

/// Something that is there no more.
#[derive(Debug, Serialize, JsonSchema)]
pub(in crate::http) struct Removed {
    pub(in crate::http) message: String,
}

/// What was allocated.
#[derive(Debug, Serialize, JsonSchema)]
pub(in crate::http) struct Allocated {
    pub(in crate::http) message: String,
    pub(in crate::http) connection: AllocatedConnection,
    /// Its centre in GHz.
    pub(in crate::http) frequency: f64,
    /// Centres, in GHz, at which further ones would fit on the same path now.
    pub(in crate::http) available_slots: Vec<f64>,
}

/// What a connection owns, and what was asked for.
#[derive(Debug, Serialize, JsonSchema)]
pub(in crate::http) struct AllocatedConnection {
    #[serde(flatten)]
    pub(in crate::http) grant: AllocationJson,
    /// Gbit/s.
    pub(in crate::http) bandwidth: u32,
}

/// What was given back, if anything.
#[derive(Debug, Serialize, JsonSchema)]
pub(in crate::http) struct Released {
    pub(in crate::http) connection_id: ConnectionId,
    pub(in crate::http) released: bool,
    pub(in crate::http) message: String,
}

/// A quota, and what counts against it.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[schemars(rename = "Quota")]
pub(in crate::http) struct QuotaJson {
    #[serde(default, deserialize_with = "any_whole", skip_serializing_if = "Option::is_none")]
    #[schemars(range(max = 9_007_199_254_740_992_u64))]
    pub(in crate::http) connections: Option<u64>,
    /// Steps of 6.25 GHz times links.
    #[serde(default, deserialize_with = "any_whole", skip_serializing_if = "Option::is_none")]
    #[schemars(range(max = 9_007_199_254_740_992_u64))]
    pub(in crate::http) slot_links: Option<u64>,
}

/// The spectrum that a virtual operator may use.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "VopSpectrum")]
pub(in crate::http) struct VopSpectrumJson {
    pub(in crate::http) virtual_operator: VopId,
    pub(in crate::http) windows: Vec<WindowJson>,
    /// Its windows on links where they are other than `windows`.
    pub(in crate::http) windows_on_links: BTreeMap<LinkId, Vec<WindowJson>>,
    /// Whether the windows are this operator's alone.
    pub(in crate::http) exclusive: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::http) quota: Option<QuotaJson>,
    /// What it holds, where one operator was asked about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::http) used: Option<QuotaJson>,
}

/// A virtual operator without spectrum.
#[derive(Debug, Serialize, JsonSchema)]
pub(in crate::http) struct Withdrawn {
    pub(in crate::http) virtual_operator: VopId,
    pub(in crate::http) windows: Vec<WindowJson>,
}

/// The network.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Topology")]
pub(in crate::http) struct TopologyJson {
    pub(in crate::http) pops: Vec<PopJson>,
    pub(in crate::http) links: Vec<LinkJson>,
    pub(in crate::http) routers: Vec<RouterJson>,
    pub(in crate::http) interfaces: Vec<InterfaceJson>,
    pub(in crate::http) connections: Vec<AllocationJson>,
    pub(in crate::http) summary: TopologySummary,
}

/// How much there is.
#[derive(Debug, Serialize, JsonSchema)]
pub(in crate::http) struct TopologySummary {
    pub(in crate::http) total_pops: usize,
    pub(in crate::http) total_links: usize,
    pub(in crate::http) total_routers: usize,
    pub(in crate::http) total_interfaces: usize,
    pub(in crate::http) total_connections: usize,
    pub(in crate::http) timestamp: String,
}
