//! The JSON of the LinkDB surface.

mod answer;
mod filter;

pub(in crate::http) use answer::{
    Allocated, AllocatedConnection, Connections, InterfaceAdded, Interfaces, LinkAdded, Links, Paths,
    PopAdded, Pops, QuotaJson, Released, Removed, Reservations, RouterAdded, Routers, ServiceJson,
    StoreHealth, TopologyJson, TopologySummary, Unreserved, Utilisations, VopSpectrumJson, Vops, Withdrawn,
};

pub(in crate::http) use filter::{ConnectionFilter, InterfaceFilter, LinkFilter, RouterFilter};

use crate::http::dto::spectrum::{RangeJson, SlotJson, free_ranges, steps_ghz, whole_steps};
use crate::http::dto::window::Window;
use crate::http::dto::{Text, any_whole, frequency, ghz, iso, km, whole};
use crate::linkdb::{Direction, Grant, Hop, Path, PortStatus};
use crate::spectrum::Fibres;
use crate::topology::{FibreLink, Pop, Router, Span, UpDown};
use core::time::Duration;
use ipowdm_core::grid::Raster;
use ipowdm_core::ids::{ConnectionId, LinkId, PopId, PortId, RouterId, RouterRef, VopId};
use ipowdm_core::slots::{Policy, Slots};
use ipowdm_core::units::{Frequency, Length};
use schemars::JsonSchema;
use serde::de::{self, Deserializer};
use serde::{Deserialize, Serialize};

/// Longest time for which spectrum is held unconfirmed, in seconds: a day.
const MOST_HELD: u64 = 86_400;

/// Body of `POST /api/pops`.
#[derive(Debug, Deserialize, JsonSchema)]
pub(in crate::http) struct NewPop {
    pop_id: PopId,
    name: Text<255>,
    location: Text<255>,
    operator: Option<Text<255>>,
}

impl From<NewPop> for Pop {
    fn from(body: NewPop) -> Self {
        Self {
            name: body.name.0,
            location: body.location.0,
            operator: body.operator.map_or_else(|| "telco".to_owned(), |operator| operator.0),
            ..Self::new(body.pop_id)
        }
    }
}

/// Body of `POST /api/links`.
#[derive(Debug, Deserialize, JsonSchema)]
pub(in crate::http) struct NewLink {
    link_id: LinkId,
    pop_a: PopId,
    pop_b: PopId,
    #[serde(deserialize_with = "km")]
    #[schemars(with = "f64", range(min = 0, max = 4_294_967))]
    distance_km: Length,
    fiber_type: Option<Text<63>>,
}

impl From<NewLink> for FibreLink {
    fn from(body: NewLink) -> Self {
        let mut link = Self::new(body.link_id, body.pop_a, body.pop_b, body.distance_km);
        if let Some(fibre) = body.fiber_type {
            link.fibre = fibre.0;
        }
        link
    }
}

/// Body of `PATCH /api/links/{id}`.
#[derive(Debug, Deserialize, JsonSchema)]
pub(in crate::http) struct LinkChange {
    pub(in crate::http) admin_state: UpDown,
}

/// Body of `POST /api/routers`.
#[derive(Debug, Deserialize, JsonSchema)]
pub(in crate::http) struct NewRouter {
    pop_id: PopId,
    router_id: RouterId,
    description: Option<Text<255>>,
}

impl From<NewRouter> for Router {
    fn from(body: NewRouter) -> Self {
        let at = RouterRef { pop_id: body.pop_id, router_id: body.router_id };
        Self { description: body.description.map(|text| text.0).unwrap_or_default(), ..Self::new(at) }
    }
}

/// Body of `POST /api/interfaces`.
#[derive(Debug, Deserialize, JsonSchema)]
pub(in crate::http) struct NewInterface {
    pub(in crate::http) pop_id: PopId,
    pub(in crate::http) router_id: RouterId,
    pub(in crate::http) interface: PortId,
}

/// Body of `POST /api/connections/allocate`.
#[derive(Debug, Deserialize, JsonSchema)]
pub(in crate::http) struct AllocateBody {
    pub(in crate::http) connection_id: ConnectionId,
    pub(in crate::http) pop_a: PopId,
    pub(in crate::http) pop_b: PopId,
    /// Gbit/s.
    #[serde(deserialize_with = "whole")]
    #[schemars(range(min = 1, max = 400))]
    pub(in crate::http) bandwidth: u32,
    pub(in crate::http) virtual_operator: VopId,
    /// The centre to take, instead of the first that fits.
    #[serde(default, deserialize_with = "frequency")]
    #[schemars(with = "Option<f64>", range(min = 0, max = 4_294_967_295_u32))]
    pub(in crate::http) frequency: Option<Frequency>,
    /// Which of the slots that fit is taken.
    #[serde(default)]
    pub(in crate::http) policy: Policy,
    /// Candidate paths.
    #[serde(default, deserialize_with = "any_whole")]
    #[schemars(range(min = 1, max = 64))]
    pub(in crate::http) k: Option<u16>,
    /// What neighbours must leave free on either side; whole steps of 6.25 GHz.
    #[serde(default, deserialize_with = "guard")]
    #[schemars(with = "f64", range(min = 0, max = 12_800), extend("multipleOf" = 6.25))]
    pub(in crate::http) guard_ghz: u16,
    /// Give it back after so many seconds unless it is confirmed.
    #[serde(default, deserialize_with = "hold")]
    #[schemars(with = "Option<u64>", range(min = 1, max = 86_400))]
    pub(in crate::http) hold_seconds: Option<Duration>,
}

/// Steps of 6.25 GHz.
fn guard<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u16, D::Error> {
    let ghz = f64::deserialize(deserializer)?;
    whole_steps(ghz).ok_or_else(|| {
        de::Error::custom(format_args!("{ghz} GHz is not a whole number of steps of 6.25 GHz"))
    })
}

fn hold<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
    let Some(seconds) = any_whole::<u64, D>(deserializer)? else { return Ok(None) };
    if !(1..=MOST_HELD).contains(&seconds) {
        return Err(de::Error::custom(format_args!("{seconds} s is not in 1..={MOST_HELD}")));
    }
    Ok(Some(Duration::from_secs(seconds)))
}

/// Body of `PUT /api/links/{id}/reservations/{name}`.
#[derive(Debug, Deserialize, JsonSchema)]
pub(in crate::http) struct NewReservation {
    #[serde(flatten)]
    pub(in crate::http) window: Window,
    #[serde(default)]
    pub(in crate::http) fibres: Fibres,
    #[serde(default, deserialize_with = "guard")]
    #[schemars(with = "f64", range(min = 0, max = 12_800), extend("multipleOf" = 6.25))]
    pub(in crate::http) guard_ghz: u16,
    /// Whether there is light in it that is not ours.
    #[serde(default)]
    pub(in crate::http) alien: bool,
}

/// A PoP.
#[derive(Debug, Serialize, JsonSchema)]
pub(in crate::http) struct PopJson {
    pop_id: PopId,
    name: String,
    location: String,
    operator: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    latitude: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    longitude: Option<f64>,
}

impl From<Pop> for PopJson {
    fn from(pop: Pop) -> Self {
        let degrees = |udeg: i32| f64::from(udeg) / 1e6;
        Self {
            pop_id: pop.id,
            name: pop.name,
            location: pop.location,
            operator: pop.operator,
            latitude: pop.coordinates.map(|at| degrees(at.latitude_udeg)),
            longitude: pop.coordinates.map(|at| degrees(at.longitude_udeg)),
        }
    }
}

/// A stretch of fibre.
#[derive(Debug, Serialize, JsonSchema)]
struct SpanJson {
    length_km: f64,
    loss_db: f64,
}

impl From<Span> for SpanJson {
    fn from(span: Span) -> Self {
        Self { length_km: span.length.km(), loss_db: span.loss.value() }
    }
}

/// A fibre link.
#[derive(Debug, Serialize, JsonSchema)]
pub(in crate::http) struct LinkJson {
    link_id: LinkId,
    pop_a: PopId,
    pop_b: PopId,
    distance_km: f64,
    fiber_type: String,
    admin_state: UpDown,
    oper_state: UpDown,
    spans: Vec<SpanJson>,
}

impl LinkJson {
    pub(in crate::http) const fn id(&self) -> &LinkId {
        &self.link_id
    }
}

impl From<FibreLink> for LinkJson {
    fn from(link: FibreLink) -> Self {
        Self {
            link_id: link.id,
            pop_a: link.a,
            pop_b: link.b,
            distance_km: link.length.km(),
            fiber_type: link.fibre,
            admin_state: link.admin,
            oper_state: link.oper,
            spans: link.spans.into_iter().map(SpanJson::from).collect(),
        }
    }
}

/// A router.
#[derive(Debug, Serialize, JsonSchema)]
pub(in crate::http) struct RouterJson {
    pop_id: PopId,
    router_id: RouterId,
    description: String,
}

impl From<Router> for RouterJson {
    fn from(router: Router) -> Self {
        let RouterRef { pop_id, router_id } = router.at;
        Self { pop_id, router_id, description: router.description }
    }
}

/// A port. Frequencies and powers are those that its module can do; absent while that is not known.
#[derive(Debug, Serialize, JsonSchema)]
pub(in crate::http) struct InterfaceJson {
    pop_id: PopId,
    router_id: RouterId,
    interface: PortId,
    virtual_operator: Option<VopId>,
    connection_id: Option<ConnectionId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    frequency_range: Option<[f64; 2]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tx_power_range: Option<[f64; 2]>,
}

impl From<PortStatus> for InterfaceJson {
    fn from(status: PortStatus) -> Self {
        let port = status.port;
        let capability = port.capability.as_ref();
        let window = capability.and_then(|capability| capability.tunable_window());
        let power = capability.and_then(|capability| capability.tx_power);
        Self {
            pop_id: port.at.pop_id,
            router_id: port.at.router_id,
            interface: port.at.port_id,
            virtual_operator: port.vop,
            connection_id: status.occupied_by.map(|owner| owner.connection_id),
            frequency_range: window.map(|window| [ghz(window.low), ghz(window.high)]),
            tx_power_range: power.map(|range| [range.min.value(), range.max.value()]),
        }
    }
}

/// A link on the path of a connection.
#[derive(Debug, Serialize, JsonSchema)]
struct HopJson {
    link_id: LinkId,
    direction: Direction,
}

fn hops(hops: Vec<Hop>) -> Vec<HopJson> {
    hops.into_iter().map(|hop| HopJson { link_id: hop.link, direction: hop.direction }).collect()
}

/// What a connection owns in LinkDB.
#[derive(Debug, Serialize, JsonSchema)]
pub(in crate::http) struct AllocationJson {
    connection_id: ConnectionId,
    pop_a: PopId,
    pop_b: PopId,
    virtual_operator: VopId,
    status: &'static str,
    /// Centre in GHz, as the reference has it.
    frequency: f64,
    frequency_mhz: u32,
    slot: SlotJson,
    path: Vec<HopJson>,
    pops: Vec<PopId>,
    distance_km: f64,
    interface_a: Option<String>,
    interface_b: Option<String>,
    created_at: String,
}

impl From<Grant> for AllocationJson {
    fn from(grant: Grant) -> Self {
        Self {
            connection_id: grant.request.connection_id,
            pop_a: grant.request.source.pop,
            pop_b: grant.request.destination.pop,
            virtual_operator: grant.request.vop,
            status: if grant.held { "held" } else { "allocated" },
            frequency: ghz(grant.frequency),
            frequency_mhz: grant.frequency.mhz(),
            slot: grant.slot.into(),
            path: hops(grant.path.hops),
            pops: grant.path.pops,
            distance_km: grant.path.length.km(),
            interface_a: grant.source_port.map(|port| port.to_string()),
            interface_b: grant.destination_port.map(|port| port.to_string()),
            created_at: iso(grant.made_at),
        }
    }
}

/// A candidate path and what is free on both fibres of all its links.
#[derive(Debug, Serialize, JsonSchema)]
pub(in crate::http) struct PathJson {
    pops: Vec<PopId>,
    path: Vec<HopJson>,
    hops: usize,
    distance_km: f64,
    largest_free_ghz: f64,
    free: Vec<RangeJson>,
}

impl PathJson {
    pub(in crate::http) fn new(path: Path, raster: Raster, free: &Slots) -> Self {
        Self {
            hops: path.hops.len(),
            distance_km: path.length.km(),
            largest_free_ghz: steps_ghz(free.largest_run()),
            free: free_ranges(raster, free),
            pops: path.pops,
            path: hops(path.hops),
        }
    }
}
