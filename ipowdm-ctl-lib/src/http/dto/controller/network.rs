//! The network as a virtual operator may see it, and paths in it.

use crate::controller::{LinkView, NetworkView, PathRequest, PathView};
use crate::http::dto::linkdb::{LinkJson, PopJson};
use crate::http::dto::spectrum::SlotJson;
use crate::topology::Pop;
use ipowdm_core::grid::{RASTER_MHZ, Raster};
use serde_json::{Map, Value, json};

pub(in crate::http) fn pops_by_id(pops: Vec<Pop>) -> Map<String, Value> {
    pops.into_iter().map(|pop| (pop.id.to_string(), json!(PopJson::from(pop)))).collect()
}

/// Links with how much of the virtual operator's spectrum is in use on them.
pub(in crate::http) fn links_by_id(links: Vec<LinkView>) -> Map<String, Value> {
    let entry = |view: LinkView| {
        let id = view.link.id.to_string();
        let mut link = json!(LinkJson::from(view.link));
        link["total_slots"] = view.total_slots.into();
        link["used_slots"] = view.used_slots.into();
        link["available_slots"] = view.total_slots.saturating_sub(view.used_slots).into();
        (id, link)
    };
    links.into_iter().map(entry).collect()
}

/// PoPs, links and slots. A slot is a step of 6.25 GHz on one link.
pub(in crate::http) fn network(view: NetworkView) -> Value {
    let (total, used) = view.slots();
    json!({
        "pops": pops_by_id(view.pops),
        "links": links_by_id(view.links),
        "total_slots": total,
        "used_slots": used,
        "available_slots": total.saturating_sub(used),
    })
}

/// A path and the slots that a connection would get on it now.
pub(in crate::http) fn path(request: &PathRequest, view: PathView, raster: Raster) -> Value {
    let slots: Vec<u16> =
        raster.bits_of(view.slot).map(|(first, count)| (first..first + count).collect()).unwrap_or_default();
    let ends = view.path.pops.iter().zip(view.path.pops.iter().skip(1));
    let segments: Vec<Value> = view
        .path
        .hops
        .iter()
        .zip(ends)
        .map(|(hop, (from, to))| {
            json!({
                "link_id": hop.link,
                "source_pop": from,
                "destination_pop": to,
                "allocated_slots": slots,
                "slot_width_ghz": f64::from(RASTER_MHZ) / 1e3,
            })
        })
        .collect();
    json!({
        "source_pop": request.source,
        "destination_pop": request.destination,
        "bandwidth_gbps": request.bandwidth_gbps,
        "modulation": request.modulation,
        "mode": view.mode.name,
        "frequency": view.frequency.thz(),
        "frequency_mhz": view.frequency,
        "slot": SlotJson::from(view.slot),
        "total_hops": segments.len(),
        "path_segments": segments,
        "total_length_km": view.path.length.km(),
        // Nothing here estimates the OSNR of a path yet.
        "estimated_osnr": null,
        "required_osnr": view.mode.required_osnr.value(),
    })
}
