//! What the module can be used for.

use super::Memory;
use super::context::media_type;
use super::item::{Item, Missing, interface};
use crate::codes::END_OF_APPLICATIONS;
use crate::codes::sff8024::{HOST_INTERFACES, media_interfaces};
use crate::map::{Field, lower, page01};
use std::vec::Vec;
use std::{format, vec};

/// Registers of a descriptor: those of 1-8 are in the lower memory, those of 9-15 on page 01h.
const DESCRIPTORS: [[Field; 5]; 2] = [
    [
        lower::APP_HOST_INTERFACE_ID,
        lower::APP_MEDIA_INTERFACE_ID,
        lower::APP_HOST_LANE_COUNT,
        lower::APP_MEDIA_LANE_COUNT,
        lower::APP_HOST_LANE_ASSIGNMENT_OPTIONS,
    ],
    [
        page01::APP_HOST_INTERFACE_ID,
        page01::APP_MEDIA_INTERFACE_ID,
        page01::APP_HOST_LANE_COUNT,
        page01::APP_MEDIA_LANE_COUNT,
        page01::APP_HOST_LANE_ASSIGNMENT_OPTIONS,
    ],
];

/// Decodes the group: the list ends at the first FFh; a host interface 00h is an unused descriptor. A list that goes on
/// where nothing could be read ends with the reason.
pub(super) fn decode(memory: &Memory) -> Item {
    let mut applications = Vec::new();
    for app_sel in 1..=15_u8 {
        let (fields, index) =
            if app_sel <= 8 { (&DESCRIPTORS[0], app_sel - 1) } else { (&DESCRIPTORS[1], app_sel - 9) };
        let get = |field: &Field| memory.byte(field, u16::from(index), 0);
        let [host, media, host_lanes, media_lanes, assignment] = fields;
        let host_code = match get(host) {
            Ok(code) => code,
            // The list has eight places on a flat memory.
            Err(Missing::Unsupported) => break,
            Err(missing) => {
                applications.push(Item::Missing(missing));
                break;
            }
        };
        if host_code == END_OF_APPLICATIONS {
            break;
        }
        if host_code == 0 {
            continue;
        }
        let media_code = get(media);
        let media_name = media_code.map(|code| interface(media_interfaces(media_type(memory)), code));
        let media_options =
            memory.byte(&page01::APP_MEDIA_LANE_ASSIGNMENT_OPTIONS, u16::from(app_sel - 1), 0);
        applications.push(Item::Map(vec![
            ("app_sel", app_sel.into()),
            ("host_interface", interface(HOST_INTERFACES, host_code)),
            ("host_code", host_code.into()),
            ("media_interface", media_name.into()),
            ("media_code", media_code.into()),
            ("host_lanes", get(host_lanes).into()),
            ("media_lanes", get(media_lanes).into()),
            ("host_lane_assignment", get(assignment).map(starts).into()),
            ("media_lane_assignment", media_options.map(starts).into()),
        ]));
    }
    Item::List(applications)
}

/// Lanes on which an instance of the application may start.
fn starts(options: u8) -> Item {
    let lanes = (0..8_u8).filter(|lane| options & (1 << lane) != 0);
    let lanes: Vec<_> = lanes.map(|lane| format!("{}", lane + 1)).collect();
    Item::text(lanes.join(","))
}
