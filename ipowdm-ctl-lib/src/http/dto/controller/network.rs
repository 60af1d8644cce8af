//! The network as a virtual operator may see it, and paths in it.

use crate::controller::{LinkView, NetworkView, PathRequest, PathView};
use crate::http::dto::linkdb::{LinkJson, PopJson};
use crate::http::dto::spectrum::SlotJson;
use crate::topology::Pop;
use ipowdm_core::grid::{RASTER_MHZ, Raster};
use ipowdm_core::ids::{LinkId, PopId};
use ipowdm_core::modes::Modulation;
use ipowdm_core::units::Frequency;
use schemars::JsonSchema;
use serde::Serialize;
use std::collections::BTreeMap;

/// PoPs by id.
pub(in crate::http) type PopsById = BTreeMap<String, PopJson>;

/// Links by id.
pub(in crate::http) type LinksById = BTreeMap<String, LinkUseJson>;

pub(in crate::http) fn pops_by_id(pops: Vec<Pop>) -> PopsById {
    pops.into_iter().map(|pop| (pop.id.to_string(), PopJson::from(pop))).collect()
}

/// A link with how much of the virtual operator's spectrum is in use on it.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "LinkUse")]
pub(in crate::http) struct LinkUseJson {
    #[serde(flatten)]
    link: LinkJson,
    total_slots: u32,
    used_slots: u32,
    available_slots: u32,
}

pub(in crate::http) fn links_by_id(links: Vec<LinkView>) -> LinksById {
    let entry = |view: LinkView| {
        let shown = LinkUseJson {
            total_slots: view.total_slots,
            used_slots: view.used_slots,
            available_slots: view.total_slots.saturating_sub(view.used_slots),
            link: view.link.into(),
        };
        (shown.link.id().to_string(), shown)
    };
    links.into_iter().map(entry).collect()
}

/// PoPs, links and slots. A slot is a step of 6.25 GHz on one link.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Network")]
pub(in crate::http) struct NetworkJson {
    pub(super) pops: PopsById,
    pub(super) links: LinksById,
    pub(super) total_slots: u32,
    pub(super) used_slots: u32,
    pub(super) available_slots: u32,
}

impl From<NetworkView> for NetworkJson {
    fn from(view: NetworkView) -> Self {
        let (total_slots, used_slots) = view.slots();
        Self {
            pops: pops_by_id(view.pops),
            links: links_by_id(view.links),
            total_slots,
            used_slots,
            available_slots: total_slots.saturating_sub(used_slots),
        }
    }
}

/// A link of a path.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "PathSegment")]
struct SegmentJson {
    link_id: LinkId,
    source_pop: PopId,
    destination_pop: PopId,
    /// Steps of the raster.
    allocated_slots: Vec<u16>,
    slot_width_ghz: f64,
}

/// A path and the slots that a connection would get on it now.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "ComputedPath")]
pub(in crate::http) struct ComputedPathJson {
    source_pop: PopId,
    destination_pop: PopId,
    bandwidth_gbps: u16,
    modulation: Modulation,
    mode: &'static str,
    /// Centre in THz.
    frequency: f64,
    frequency_mhz: Frequency,
    slot: SlotJson,
    total_hops: usize,
    path_segments: Vec<SegmentJson>,
    total_length_km: f64,
    /// Nothing here estimates the OSNR of a path yet.
    estimated_osnr: Option<f64>,
    /// OSNR in dB (0.1 nm) that the mode's receiver needs.
    required_osnr: f64,
}

impl ComputedPathJson {
    pub(in crate::http) fn new(request: PathRequest, view: PathView, raster: Raster) -> Self {
        let slots: Vec<u16> = raster
            .bits_of(view.slot)
            .map(|(first, count)| (first..first + count).collect())
            .unwrap_or_default();
        let ends = view.path.pops.iter().zip(view.path.pops.iter().skip(1));
        let segment = |(hop, (from, to)): (&crate::linkdb::Hop, (&PopId, &PopId))| SegmentJson {
            link_id: hop.link.clone(),
            source_pop: from.clone(),
            destination_pop: to.clone(),
            allocated_slots: slots.clone(),
            slot_width_ghz: f64::from(RASTER_MHZ) / 1e3,
        };
        let path_segments: Vec<SegmentJson> = view.path.hops.iter().zip(ends).map(segment).collect();
        Self {
            source_pop: request.source,
            destination_pop: request.destination,
            bandwidth_gbps: request.bandwidth_gbps,
            modulation: request.modulation,
            mode: view.mode.name,
            frequency: view.frequency.thz(),
            frequency_mhz: view.frequency,
            slot: view.slot.into(),
            total_hops: path_segments.len(),
            path_segments,
            total_length_km: view.path.length.km(),
            estimated_osnr: None,
            required_osnr: view.mode.required_osnr.value(),
        }
    }
}
