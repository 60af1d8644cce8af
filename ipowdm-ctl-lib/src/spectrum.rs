//! Spectrum on fibre links: what is free, who owns what is not, and what each virtual operator may use.

use crate::store::{Key, Prefix, Record, Version};
use ipowdm_core::grid::{FlexSlot, Raster, SpectrumWindow};
use ipowdm_core::ids::{ConnectionId, LinkId, PortRef, VopId};
use ipowdm_core::slots::Slots;
use ipowdm_core::units::Frequency;
use serde::{Deserialize, Serialize};

/// One life of a connection id in LinkDB.
///
/// It is the version that the allocating transaction read. A later life of the same id reads after the release of the
/// earlier one, so its incarnation is greater.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
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

/// The free spectrum of a link, per direction.
///
/// Both fibres are in one record: a connection of ZR modules takes the same slots on both, since one laser is transmitter
/// and local oscillator. A link without a record is free.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinkSpectrum {
    /// What the bits stand for.
    pub raster: Raster,
    /// The fibre from end a to end b.
    pub a_to_b: Slots,
    /// The fibre from end b to end a.
    pub b_to_a: Slots,
}

impl LinkSpectrum {
    /// A link that nobody uses.
    #[must_use]
    pub fn free(raster: Raster) -> Self {
        let slots = Slots::all_free(raster.bits());
        Self { raster, a_to_b: slots.clone(), b_to_a: slots }
    }

    /// Whether nobody uses the link.
    #[must_use]
    pub fn is_free(&self) -> bool {
        let bits = u32::from(self.raster.bits());
        self.a_to_b.free() == bits && self.b_to_a.free() == bits
    }

    /// The key of a link's spectrum.
    #[must_use]
    pub fn key(link: &LinkId) -> Key<Self> {
        Key::new(&[link.as_str()])
    }
}

impl Record for LinkSpectrum {
    const KIND: &'static str = "link-spectrum";
    const VERSION: u8 = 1;
}

/// Who owns a slot on both fibres of a link.
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

/// The spectrum that a virtual operator may use. Windows of different operators may overlap (a shared pool); a slot has one
/// owner in any case.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VopGrant {
    /// The virtual operator.
    pub vop: VopId,
    /// Its windows. A channel must lie whole in one of them.
    pub windows: Vec<SpectrumWindow>,
}

impl VopGrant {
    /// Windows that may overlap other operators'.
    #[must_use]
    pub const fn pool(vop: VopId, windows: Vec<SpectrumWindow>) -> Self {
        Self { vop, windows }
    }

    /// The key of a virtual operator's grant.
    #[must_use]
    pub fn key(vop: &VopId) -> Key<Self> {
        Key::new(&[vop.as_str()])
    }

    /// Whether a slot around `centre` of `width_mhz` lies whole in one window.
    #[must_use]
    pub fn holds(&self, centre: Frequency, width_mhz: u32) -> bool {
        self.windows.iter().any(|window| window.holds(centre, width_mhz))
    }
}

impl Record for VopGrant {
    const KIND: &'static str = "vop-grant";
    const VERSION: u8 = 1;
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

/// How full a link is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Utilisation {
    /// Steps of 6.25 GHz on each fibre.
    pub bits: u16,
    /// Occupied steps of the fibre from a to b.
    pub used_a_to_b: u16,
    /// Occupied steps of the fibre from b to a.
    pub used_b_to_a: u16,
    /// Longest run of steps that is free on both fibres.
    pub largest_free_run: u16,
}

impl Utilisation {
    /// The figures of a link's spectrum.
    #[must_use]
    pub fn of(spectrum: &LinkSpectrum) -> Self {
        let bits = spectrum.raster.bits();
        let used = |slots: &Slots| bits - u16::try_from(slots.free()).unwrap_or(bits).min(bits);
        let mut both = spectrum.a_to_b.clone();
        both.intersect(&spectrum.b_to_a);
        Self {
            bits,
            used_a_to_b: used(&spectrum.a_to_b),
            used_b_to_a: used(&spectrum.b_to_a),
            largest_free_run: both.largest_run(),
        }
    }

    /// Occupied share of both fibres in thousandths.
    #[must_use]
    pub fn per_mille(&self) -> u16 {
        let used = u32::from(self.used_a_to_b) + u32::from(self.used_b_to_a);
        let all = 2 * u32::from(self.bits);
        u16::try_from((used * 1000).checked_div(all).unwrap_or(0)).unwrap_or(1000)
    }
}
