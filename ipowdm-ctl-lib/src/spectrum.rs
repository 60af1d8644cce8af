//! Spectrum on fibre links: what is free, who owns what is not, and what each virtual operator may use.

mod figures;
mod link;
mod occupants;

pub use figures::{Fragmentation, Utilisation};
pub use link::{Fibres, LinkSpectrum, Occupant, Occupied};

use crate::store::{Key, Prefix, Record, Value, Version};
use ipowdm_core::grid::{FlexSlot, SpectrumWindow};
use ipowdm_core::ids::{ConnectionId, LinkId, PortRef, VopId};
use ipowdm_core::units::Frequency;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

/// One life of a connection id in LinkDB.
///
/// It is the version that the allocating transaction read. A later life of the same id reads after the release of the
/// earlier one, so its incarnation is greater.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "http", derive(schemars::JsonSchema))]
#[serde(transparent)]
pub struct Incarnation(pub Version);

impl core::fmt::Display for Incarnation {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        self.0.fmt(f)
    }
}

/// Who holds spectrum or a port.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Owner {
    /// The connection.
    pub connection_id: ConnectionId,
    /// Which life of it.
    pub incarnation: Incarnation,
}

impl core::fmt::Display for Owner {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{} (incarnation {})", self.connection_id, self.incarnation)
    }
}

/// Who owns a slot on both fibres of a link.
///
/// As a record it is what version 1 of [`LinkSpectrum`] had beside it; the owners are in the link's own record now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SlotOwner {
    /// The owner.
    pub owner: Owner,
    /// The slot.
    pub slot: FlexSlot,
}

impl SlotOwner {
    /// The key of the slot that begins at bit `first` of a link.
    #[must_use]
    pub fn key(link: &LinkId, first: u16) -> Key<Self> {
        Key::numbered(&[link.as_str()], u64::from(first))
    }

    /// All owners on a link, in order of frequency.
    #[must_use]
    pub fn on(link: &LinkId) -> Prefix<Self> {
        Prefix::under(&[link.as_str()])
    }
}

impl Record for SlotOwner {
    const KIND: &'static str = "slot-owner";
    const VERSION: u8 = 1;
}

/// Who occupies a port.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PortClaim {
    /// The owner.
    pub owner: Owner,
}

impl PortClaim {
    /// The key of a port's claim.
    #[must_use]
    pub fn key(at: &PortRef) -> Key<Self> {
        Key::new(&[at.pop_id.as_str(), at.router_id.as_str(), at.port_id.as_str()])
    }
}

impl Record for PortClaim {
    const KIND: &'static str = "port-claim";
    const VERSION: u8 = 1;
}

/// How much of the network a virtual operator may hold at a time. Enforced in the transaction of each allocation, against
/// the [`VopUsage`] kept in the same transactions. A quota may be set below what is in use: nothing is taken away, and nothing
/// is added until enough has been released.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Quota {
    /// Connections; `None` for any number.
    pub connections: Option<u64>,
    /// Occupied width: steps of 6.25 GHz times links, summed over the connections; both fibres of a link count once, guard
    /// bands do not count. `None` for any amount.
    pub slot_links: Option<u64>,
}

/// What a virtual operator holds: the sum over its grants, exactly.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct VopUsage {
    /// Connections.
    pub connections: u64,
    /// Steps of 6.25 GHz times links, as [`Quota::slot_links`] counts them.
    pub slot_links: u64,
}

impl VopUsage {
    /// The key of a virtual operator's usage. The record exists exactly while the operator has a quota: without one, its
    /// allocations on different links have no record in common and do not wait for each other.
    #[must_use]
    pub fn key(vop: &VopId) -> Key<Self> {
        Key::new(&[vop.as_str()])
    }
}

impl Record for VopUsage {
    const KIND: &'static str = "vop-usage";
    const VERSION: u8 = 1;
}

/// The spectrum that a virtual operator may use: a **partition**, which is its alone, or windows in a **pool**, which may
/// overlap other operators' windows in the pool, with a quota or without. A slot has one owner in any case.
///
/// A channel must lie whole in one window of each link of its path.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VopGrant {
    /// The virtual operator.
    pub vop: VopId,
    /// Its windows on every link that [`on_links`](Self::on_links) does not name.
    pub windows: Vec<SpectrumWindow>,
    /// Whether no other operator may have a window that overlaps one of its own on the same link.
    pub exclusive: bool,
    /// How much it may hold.
    pub quota: Option<Quota>,
    /// Its windows on single links, in the place of the others; it has nothing where they are none.
    pub on_links: BTreeMap<LinkId, Vec<SpectrumWindow>>,
}

impl VopGrant {
    /// Windows that may overlap other operators', without a quota.
    #[must_use]
    pub const fn pool(vop: VopId, windows: Vec<SpectrumWindow>) -> Self {
        Self { vop, windows, exclusive: false, quota: None, on_links: BTreeMap::new() }
    }

    /// Windows of this operator alone.
    #[must_use]
    pub const fn partition(vop: VopId, windows: Vec<SpectrumWindow>) -> Self {
        Self { vop, windows, exclusive: true, quota: None, on_links: BTreeMap::new() }
    }

    /// The same with a quota.
    #[must_use]
    pub fn with_quota(self, quota: Quota) -> Self {
        Self { quota: Some(quota), ..self }
    }

    /// The same with windows of its own on a link.
    #[must_use]
    pub fn on_link(mut self, link: LinkId, windows: Vec<SpectrumWindow>) -> Self {
        self.on_links.insert(link, windows);
        self
    }

    /// The key of a virtual operator's grant.
    #[must_use]
    pub fn key(vop: &VopId) -> Key<Self> {
        Key::new(&[vop.as_str()])
    }

    /// Its windows on a link.
    #[must_use]
    pub fn windows_on(&self, link: &LinkId) -> &[SpectrumWindow] {
        self.on_links.get(link).unwrap_or(&self.windows)
    }

    /// Every window that it has on some link, each once.
    #[must_use]
    pub fn windows_anywhere(&self) -> Vec<SpectrumWindow> {
        let mut all: Vec<SpectrumWindow> = Vec::new();
        for window in self.windows.iter().chain(self.on_links.values().flatten()) {
            if !all.contains(window) {
                all.push(*window);
            }
        }
        all
    }

    /// Whether a slot around `centre` of `width_mhz` lies whole in one window of a link.
    #[must_use]
    pub fn holds_on(&self, link: &LinkId, centre: Frequency, width_mhz: u32) -> bool {
        self.windows_on(link).iter().any(|window| window.holds(centre, width_mhz))
    }

    /// Whether the two cannot both be: one is a partition, and they overlap on some link, be it one that is yet to come.
    #[must_use]
    pub fn excludes(&self, other: &Self) -> bool {
        let overlap = |a: &[SpectrumWindow], b: &[SpectrumWindow]| {
            a.iter().any(|a| b.iter().any(|b| a.low < b.high && b.low < a.high))
        };
        let mut named = self.on_links.keys().chain(other.on_links.keys());
        (self.exclusive || other.exclusive)
            && (overlap(&self.windows, &other.windows)
                || named.any(|link| overlap(self.windows_on(link), other.windows_on(link))))
    }
}

/// Version 2: the same windows on every link.
#[derive(Deserialize)]
struct VopGrantV2 {
    vop: VopId,
    windows: Vec<SpectrumWindow>,
    exclusive: bool,
    quota: Option<Quota>,
}

impl From<VopGrantV2> for VopGrant {
    fn from(old: VopGrantV2) -> Self {
        let VopGrantV2 { vop, windows, exclusive, quota } = old;
        Self { vop, windows, exclusive, quota, on_links: BTreeMap::new() }
    }
}

impl Record for VopGrant {
    const KIND: &'static str = "vop-grant";
    const VERSION: u8 = 3;

    fn upgrade(body: &[u8]) -> Option<Result<Self, postcard::Error>> {
        Some(postcard::from_bytes(body).map(|old: VopGrantV2| old.into()))
    }
}

/// Says that a connection belongs to a virtual operator: an index over the grants, kept in the same transactions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct VopConnection;

impl VopConnection {
    /// The key of an entry.
    #[must_use]
    pub fn key(vop: &VopId, connection: &ConnectionId) -> Key<Self> {
        Key::new(&[vop.as_str(), connection.as_str()])
    }

    /// What is stored as an entry: the same for all.
    pub(crate) fn stored() -> Value {
        static STORED: LazyLock<Value> = LazyLock::new(|| Value::of_record(Arc::new(VopConnection)));
        STORED.clone()
    }

    /// All connections of a virtual operator.
    #[must_use]
    pub fn of(vop: &VopId) -> Prefix<Self> {
        Prefix::under(&[vop.as_str()])
    }
}

impl Record for VopConnection {
    const KIND: &'static str = "vop-connection";
    const VERSION: u8 = 1;
}
