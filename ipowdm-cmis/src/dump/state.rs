//! What the module and its data paths are doing.

use super::item::{Item, Missing, named};
use super::{Memory, PageName};
use crate::codes::{duration_limit, sff8024::Names};
use crate::map::{Access, Field, TABLES, lower, names, page01, page10, page11};
use std::format;
use std::vec;
use std::vec::Vec;

/// Decodes the group.
pub(super) fn decode(memory: &Memory) -> Item {
    let byte = |field: &Field| memory.byte(field, 0, 0);
    let flag = |field: &Field| Item::from(byte(field).map(|bit| bit != 0));
    let name = |field: &Field| Item::from(byte(field).map(|code| named(field.names, code)));
    Item::Map(vec![
        ("module_state", name(&lower::MODULE_STATE)),
        ("fault_cause", name(&lower::MODULE_FAULT_CAUSE)),
        ("interrupt", byte(&lower::INTERRUPT_DEASSERTED).map(|deasserted| deasserted == 0).into()),
        ("low_power_request", flag(&lower::LOW_PWR_REQUEST_SW)),
        ("low_power_by_pin_allowed", flag(&lower::LOW_PWR_ALLOW_REQUEST_HW)),
        ("lanes", lanes(memory)),
        ("flags", flags(memory)),
        ("max_durations", durations(memory)),
    ])
}

/// Every bank whose lane status was read.
fn banks(memory: &Memory) -> impl Iterator<Item = u8> + '_ {
    memory.pages().filter_map(|(name, _)| match name {
        PageName::Page { page: 0x11, bank } => Some(bank),
        _ => None,
    })
}

/// Host lanes; none on a flat memory.
fn lanes(memory: &Memory) -> Item {
    if memory.half(PageName::page(0x11)).is_none() {
        return Item::Missing(
            memory.element(&page11::DP_STATE_HOST_LANE, 0, 0).err().unwrap_or(Missing::NotRead),
        );
    }
    let mut lanes = Vec::new();
    for bank in banks(memory) {
        for lane in 0..8_u16 {
            let code = |field: &Field, names: Names| -> Item {
                memory.byte(field, lane, bank).map(|code| named(names, code)).into()
            };
            let bit = |field: &Field| -> Item {
                memory.byte(field, 0, bank).map(|bits| bits & (1 << lane) != 0).into()
            };
            lanes.push(Item::Map(vec![
                ("lane", Item::Number(i64::from(bank) * 8 + i64::from(lane) + 1)),
                ("data_path_state", code(&page11::DP_STATE_HOST_LANE, names::DATA_PATH_STATES)),
                ("app_sel", memory.byte(&page11::ACS_DP_CONFIG_LANE_APP_SEL_CODE, lane, bank).into()),
                ("data_path_id", memory.byte(&page11::ACS_DP_CONFIG_LANE_DATA_PATH_ID, lane, bank).into()),
                ("config_status", code(&page11::CONFIG_STATUS_LANE, names::CONFIG_STATUS)),
                ("init_pending", bit(&page11::DP_INIT_PENDING_LANE)),
                ("deinit_requested", bit(&page10::DP_DEINIT_LANE)),
                ("tx_disabled", bit(&page10::OUTPUT_DISABLE_TX)),
                ("rx_disabled", bit(&page10::OUTPUT_DISABLE_RX)),
                ("tx_output_valid", bit(&page11::OUTPUT_STATUS_TX)),
                ("rx_output_valid", bit(&page11::OUTPUT_STATUS_RX)),
            ]));
        }
    }
    Item::List(lanes)
}

/// The latched flags that are set, by register name and lane; those of VDM are with their instances.
fn flags(memory: &Memory) -> Item {
    let mut set = Vec::new();
    for field in TABLES.iter().copied().flatten().filter(|field| field.access == Access::Cor) {
        if matches!(field.kind, crate::map::Kind::Bytes | crate::map::Kind::AlarmNibble) {
            continue;
        }
        let first = Item::from(memory.byte(field, 0, 0));
        if let Item::Missing(Missing::NotRead) = first {
            return Item::Missing(Missing::NotRead);
        }
        for index in 0..field.count {
            let Ok(bits) = memory.byte(field, index, 0) else { continue };
            if bits == 0 {
                continue;
            }
            let name = field.name.replace('#', &format!("{}", field.first_index + index));
            if field.kind == crate::map::Kind::LaneBitmap {
                let lanes = (0..8_u8).filter(|lane| bits & (1 << lane) != 0);
                set.extend(lanes.map(|lane| Item::text(format!("{name} lane {}", lane + 1))));
            } else {
                set.push(Item::text(name));
            }
        }
    }
    Item::List(set)
}

fn durations(memory: &Memory) -> Item {
    let limit = |field: &Field| -> Item {
        let limit = memory.byte(field, 0, 0).map(duration_limit);
        limit.map(|limit| Item::Quantity(limit.as_secs_f64(), "s")).into()
    };
    Item::Map(vec![
        ("data_path_init", limit(&page01::MAX_DURATION_DP_INIT)),
        ("data_path_deinit", limit(&page01::MAX_DURATION_DP_DEINIT)),
        ("module_power_up", limit(&page01::MAX_DURATION_MODULE_PWR_UP)),
        ("module_power_down", limit(&page01::MAX_DURATION_MODULE_PWR_DN)),
        ("tx_turn_on", limit(&page01::MAX_DURATION_DP_TX_TURN_ON)),
        ("tx_turn_off", limit(&page01::MAX_DURATION_DP_TX_TURN_OFF)),
    ])
}
