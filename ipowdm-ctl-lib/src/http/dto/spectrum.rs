//! The JSON of spectrum: maps and figures of links.

use super::ghz;
use crate::linkdb::{LinkFigures, SpectrumMap};
use crate::spectrum::{Fibres, Fragmentation, Occupant, Occupied, Utilisation};
use ipowdm_core::grid::{FlexSlot, RASTER_MHZ, Raster};
use ipowdm_core::ids::{ConnectionId, LinkId, ReservationId};
use ipowdm_core::slots::Slots;
use schemars::JsonSchema;
use serde::Serialize;

/// A slot of G.694.1. `frequency` is its centre in GHz.
#[derive(Debug, Serialize, JsonSchema)]
pub(in crate::http) struct SlotJson {
    n: i32,
    m: u16,
    #[serde(skip_serializing_if = "Option::is_none")]
    frequency: Option<f64>,
    width_ghz: f64,
}

impl From<FlexSlot> for SlotJson {
    fn from(slot: FlexSlot) -> Self {
        Self {
            n: slot.n,
            m: slot.m,
            frequency: slot.centre().ok().map(ghz),
            width_ghz: f64::from(slot.width_mhz()) / 1e3,
        }
    }
}

/// How full a link is, and how broken up what is left.
#[derive(Debug, Serialize, JsonSchema)]
pub(in crate::http) struct LinkUtilisationJson {
    pub(in crate::http) link_id: LinkId,
    #[serde(flatten)]
    figures: UtilisationJson,
    /// Of the steps of the links that share a PoP with it, the share that is free on one of the two and not on the other.
    misalignment: f64,
}

impl LinkUtilisationJson {
    /// The figures of one link among others.
    pub(in crate::http) fn new(
        used: Utilisation,
        LinkFigures { link, figures, misaligned_per_mille }: LinkFigures,
    ) -> Self {
        Self {
            link_id: link,
            figures: UtilisationJson::new(used, figures),
            misalignment: share(misaligned_per_mille),
        }
    }
}

/// The figures of a link. Shares are from 0 to 1.
#[derive(Debug, Serialize, JsonSchema)]
struct UtilisationJson {
    total_slots: u16,
    /// Occupied slots of the fibre from pop_a to pop_b, and of the one back.
    used_slots_a_to_b: u16,
    used_slots_b_to_a: u16,
    /// Occupied share of both fibres.
    utilisation: f64,
    /// The widest run that is free on both fibres.
    largest_free_ghz: f64,
    /// How many runs there are.
    free_runs: u16,
    /// External fragmentation: the share of what is free that lies outside the widest run.
    fragmentation: f64,
    /// Entropy of the free runs in nats.
    fragmentation_entropy: f64,
}

impl UtilisationJson {
    fn new(used: Utilisation, free: Fragmentation) -> Self {
        Self {
            total_slots: used.bits,
            used_slots_a_to_b: used.used_a_to_b,
            used_slots_b_to_a: used.used_b_to_a,
            utilisation: share(used.per_mille()),
            largest_free_ghz: steps_ghz(free.largest_run),
            free_runs: free.runs,
            fragmentation: share(free.external_per_mille),
            fragmentation_entropy: share(free.entropy_milli),
        }
    }
}

fn share(per_mille: u16) -> f64 {
    f64::from(per_mille) / 1e3
}

/// A run of spectrum, in GHz.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct RangeJson {
    low: f64,
    high: f64,
}

/// Who owns a slot of a link.
#[derive(Debug, Serialize, JsonSchema)]
struct OwnerJson {
    connection_id: ConnectionId,
    #[serde(flatten)]
    slot: SlotJson,
}

/// Spectrum that is set aside on a link, or lit by somebody else.
#[derive(Debug, Serialize, JsonSchema)]
pub(in crate::http) struct ReservationJson {
    pub(in crate::http) reservation_id: ReservationId,
    #[serde(flatten)]
    range: RangeJson,
    fibres: Fibres,
    guard_ghz: f64,
    alien: bool,
}

impl ReservationJson {
    /// `None` for what a connection holds.
    pub(in crate::http) fn new(raster: Raster, occupied: Occupied) -> Option<Self> {
        let (reservation_id, alien) = match occupied.by {
            Occupant::Reserved(id) => (id, false),
            Occupant::Alien(id) => (id, true),
            Occupant::Connection(_) => return None,
        };
        Some(Self {
            reservation_id,
            range: range(raster, occupied.first, occupied.count),
            fibres: occupied.fibres,
            guard_ghz: steps_ghz(occupied.guard),
            alien,
        })
    }
}

/// The spectrum of a link.
#[derive(Debug, Serialize, JsonSchema)]
pub(in crate::http) struct SpectrumJson {
    link_id: LinkId,
    /// Edges of the band in GHz.
    low: f64,
    high: f64,
    slot_width_ghz: f64,
    #[serde(flatten)]
    figures: UtilisationJson,
    /// What is free on both fibres and may be used.
    free: Vec<RangeJson>,
    connections: Vec<OwnerJson>,
    reservations: Vec<ReservationJson>,
}

impl From<SpectrumMap> for SpectrumJson {
    fn from(map: SpectrumMap) -> Self {
        let raster = map.spectrum.raster;
        let used = Utilisation::within(&map.spectrum, &map.carried);
        let figures = Fragmentation::of(&map.spectrum, &map.carried);
        let mut free = map.spectrum.free_on_both();
        free.intersect(&map.carried);
        let owners = map.owners.into_iter();
        Self {
            link_id: map.link,
            low: ghz(raster.window().low),
            high: ghz(raster.window().high),
            slot_width_ghz: steps_ghz(1),
            figures: UtilisationJson::new(used, figures),
            free: free_ranges(raster, &free),
            connections: owners
                .map(|owner| OwnerJson { connection_id: owner.owner.connection_id, slot: owner.slot.into() })
                .collect(),
            reservations: map
                .reserved
                .into_iter()
                .filter_map(|occupied| ReservationJson::new(raster, occupied))
                .collect(),
        }
    }
}

/// Steps of the raster in GHz.
pub(super) fn steps_ghz(steps: u16) -> f64 {
    f64::from(steps) * f64::from(RASTER_MHZ) / 1e3
}

/// A width in GHz in steps of the raster, where it is a whole number of them.
pub(super) fn whole_steps(ghz: f64) -> Option<u16> {
    (0..=MOST_STEPS).find(|&steps| (steps_ghz(steps) - ghz).abs() < f64::EPSILON)
}

/// More than any band has.
const MOST_STEPS: u16 = 2048;

fn range(raster: Raster, first: u16, count: u16) -> RangeJson {
    let edge = |bit: u16| ghz(raster.window().low) + steps_ghz(bit);
    RangeJson { low: edge(first), high: edge(first + count) }
}

/// The runs of a bitmap.
pub(super) fn free_ranges(raster: Raster, free: &Slots) -> Vec<RangeJson> {
    free.runs().map(|(first, count)| range(raster, first, count)).collect()
}
