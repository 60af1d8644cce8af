//! What is asked of LinkDB and what it grants.

use super::Moving;
use crate::paths::{Avoid, Constraints, PathPolicy};
use crate::spectrum::{Incarnation, Owner};
use crate::store::{Key, Record};
use ipowdm_core::capability::GridRange;
use ipowdm_core::grid::{FlexSlot, Grid};
use ipowdm_core::ids::{ConnectionId, LinkId, PopId, PortId, PortRef, RouterId, VopId};
use ipowdm_core::slots::Policy;
use ipowdm_core::time::Timestamp;
use ipowdm_core::units::{Frequency, Length};
use serde::{Deserialize, Serialize};

/// Most candidate paths of one request.
pub const MAX_PATHS: u16 = 64;

/// Candidate paths of a request that does not say how many.
pub const DEFAULT_PATHS: u16 = 5;

/// Which port to claim at an end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum PortChoice {
    /// None: spectrum only.
    None,
    /// The first free port of the virtual operator in the PoP, in natural order of router and port.
    AnyFree,
    /// This one.
    Exact {
        /// The router.
        router_id: RouterId,
        /// The port on it.
        port_id: PortId,
    },
}

/// One end of a connection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Endpoint {
    /// The PoP.
    pub pop: PopId,
    /// The port to claim there.
    pub port: PortChoice,
}

impl Endpoint {
    /// An end without a port.
    #[must_use]
    pub const fn at(pop: PopId) -> Self {
        Self { pop, port: PortChoice::None }
    }

    /// An end at any free port.
    #[must_use]
    pub const fn any_free(pop: PopId) -> Self {
        Self { pop, port: PortChoice::AnyFree }
    }

    /// An end at this port.
    #[must_use]
    pub fn port(at: PortRef) -> Self {
        let PortRef { pop_id, router_id, port_id } = at;
        Self { pop: pop_id, port: PortChoice::Exact { router_id, port_id } }
    }
}

/// Which centre frequencies the modules at both ends can tune to.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Tuning {
    /// Every n of the 6.25 GHz raster.
    Raster,
    /// The channels of one grid.
    Grid(Grid),
    /// What both of these can do.
    Modules {
        /// The grids of the module at the source.
        source: Vec<GridRange>,
        /// The grids of the module at the destination.
        destination: Vec<GridRange>,
    },
    /// What the modules in the claimed ports can do, as LinkDB knows it; both ends must claim a port.
    OfPorts,
}

/// A request for spectrum, and ports, between two PoPs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AllocationRequest {
    /// The connection. The same id with the same request gets the same grant.
    pub connection_id: ConnectionId,
    /// On whose behalf: ports and windows are checked against this operator's.
    pub vop: VopId,
    /// One end.
    pub source: Endpoint,
    /// The other end.
    pub destination: Endpoint,
    /// Width in units of 12.5 GHz, at least 1 (the m of G.694.1).
    pub width_m: u16,
    /// Which centres are legal.
    pub tuning: Tuning,
    /// The centre to take; `None` for the one that `policy` chooses.
    pub frequency: Option<Frequency>,
    /// Candidate paths, 1 to [`MAX_PATHS`].
    pub k: u16,
    /// Which of the legal slots that are free on a path is taken.
    pub policy: Policy,
    /// Which of the candidate paths on which there is one is taken.
    pub path_policy: PathPolicy,
    /// What the path must and must not do.
    pub constraints: Constraints,
    /// Steps of 6.25 GHz to keep free between this signal and its neighbours; of two neighbours the one that asks for more
    /// decides. What is kept free at the edges of the band is the band's own affair ([`ipowdm_core::grid::Band`]).
    pub guard: u16,
}

impl AllocationRequest {
    /// A request for the first slot of `width_m` × 12.5 GHz on the raster, on the first of [`DEFAULT_PATHS`] paths that has
    /// room. Everything else is said with the struct update syntax: `AllocationRequest { k: 3, ..AllocationRequest::new(…) }`.
    #[must_use]
    pub const fn new(
        connection_id: ConnectionId,
        vop: VopId,
        source: Endpoint,
        destination: Endpoint,
        width_m: u16,
    ) -> Self {
        Self {
            connection_id,
            vop,
            source,
            destination,
            width_m,
            tuning: Tuning::Raster,
            frequency: None,
            k: DEFAULT_PATHS,
            policy: Policy::FirstFit,
            path_policy: PathPolicy::FirstThatFits,
            constraints: Constraints {
                avoid: Avoid { pops: Vec::new(), links: Vec::new(), srlgs: Vec::new() },
                include: Vec::new(),
                max_hops: None,
                max_length: None,
            },
            guard: 0,
        }
    }
}

/// Which way a link is walked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "http", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// From its end a to its end b.
    AToB,
    /// From its end b to its end a.
    BToA,
}

/// One link of a path.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "http", derive(schemars::JsonSchema))]
pub struct Hop {
    /// The link.
    pub link: LinkId,
    /// Which way light from source to destination goes.
    pub direction: Direction,
}

/// A path from source to destination.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "http", derive(schemars::JsonSchema))]
pub struct Path {
    /// PoPs, both ends included.
    pub pops: Vec<PopId>,
    /// The link between each PoP and the next.
    pub hops: Vec<Hop>,
    /// Length of all links.
    pub length: Length,
}

/// What a connection owns: a path, a slot on both fibres of all its links, ports.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grant {
    /// What was asked.
    pub request: AllocationRequest,
    /// Which life of the connection id this is.
    pub incarnation: Incarnation,
    /// The path.
    pub path: Path,
    /// The slot, the same on every link and both fibres.
    pub slot: FlexSlot,
    /// The centre of the slot.
    pub frequency: Frequency,
    /// The port claimed at the source.
    pub source_port: Option<PortRef>,
    /// The port claimed at the destination.
    pub destination_port: Option<PortRef>,
    /// When it was made: wall time of the allocating transaction. Zero for grants of version 1.
    pub made_at: Timestamp,
    /// Whether it is held for a time only, see [`super::LinkDb::hold`]; not once it is confirmed.
    pub held: bool,
    /// The move that is under way, see [`super::LinkDb::begin_move_in`]: until it ends the connection owns what it needs for
    /// it besides.
    pub moving: Option<Moving>,
}

impl Grant {
    /// The key of a connection's grant.
    #[must_use]
    pub fn key(connection: &ConnectionId) -> Key<Self> {
        Key::new(&[connection.as_str()])
    }

    /// The owner named in the records of everything that the connection holds.
    #[must_use]
    pub fn owner(&self) -> Owner {
        Owner { connection_id: self.request.connection_id.clone(), incarnation: self.incarnation }
    }

    /// What the connection counts for in a [`Quota`](crate::spectrum::Quota): steps of 6.25 GHz times links.
    #[must_use]
    pub fn slot_links(&self) -> u64 {
        2 * u64::from(self.slot.m) * self.path.hops.len() as u64
    }

    /// The claimed ports.
    pub fn ports(&self) -> impl Iterator<Item = &PortRef> {
        self.source_port.iter().chain(&self.destination_port)
    }
}

/// A request as version 1 of a grant has it.
#[derive(Deserialize)]
struct RequestV1 {
    connection_id: ConnectionId,
    vop: VopId,
    source: Endpoint,
    destination: Endpoint,
    width_m: u16,
    tuning: Tuning,
    frequency: Option<Frequency>,
    k: u16,
}

/// Version 1 of the record.
#[derive(Deserialize)]
struct GrantV1 {
    request: RequestV1,
    incarnation: Incarnation,
    path: Path,
    slot: FlexSlot,
    frequency: Frequency,
    source_port: Option<PortRef>,
    destination_port: Option<PortRef>,
}

impl Record for Grant {
    const KIND: &'static str = "grant";
    const VERSION: u8 = 2;
    const LEASED: bool = true;
    const ENCODED_LATE: bool = true;

    fn upgrade(body: &[u8]) -> Option<Result<Self, postcard::Error>> {
        Some(postcard::from_bytes(body).map(|old: GrantV1| {
            let RequestV1 { connection_id, vop, source, destination, width_m, tuning, frequency, k } =
                old.request;
            let asked = AllocationRequest::new(connection_id, vop, source, destination, width_m);
            Self {
                request: AllocationRequest { tuning, frequency, k, ..asked },
                incarnation: old.incarnation,
                path: old.path,
                slot: old.slot,
                frequency: old.frequency,
                source_port: old.source_port,
                destination_port: old.destination_port,
                made_at: Timestamp(0),
                held: false,
                moving: None,
            }
        }))
    }
}
