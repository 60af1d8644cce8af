//! What the module and its data paths are doing.

use super::item::{Item, Missing, named};
use super::{Memory, PageName, PageState};
use crate::codes::{duration_limit, sff8024::Names};
use crate::map::{Access, Field, Kind, TABLES, lower, names, page01, page10, page11};
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

/// Every bank that the module advertises lanes for, also one whose status could not be read.
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

/// The latched flags that are set, by register name and lane, in every bank; those of VDM are with their instances. A page
/// of flags that could not be read is listed as such: nobody knows what is set there.
fn flags(memory: &Memory) -> Item {
    let mut set = Vec::new();
    for (page, state) in memory.pages() {
        let of_page = TABLES.iter().copied().flatten().filter(|field| page.holds(field));
        let mut fields = of_page.filter(|field| is_flag(field)).peekable();
        if fields.peek().is_none() {
            continue;
        }
        if let PageState::Unreadable(error) = state {
            set.push(Item::Missing(Missing::Unreadable(*error)));
        }
        for field in fields {
            if memory.byte(field, 0, page.bank()) == Err(Missing::NotRead) {
                return Item::Missing(Missing::NotRead);
            }
            flags_of(memory, field, page.bank(), &mut set);
        }
    }
    Item::List(set)
}

fn is_flag(field: &Field) -> bool {
    field.access == Access::Cor && !matches!(field.kind, Kind::Bytes | Kind::AlarmNibble)
}

fn flags_of(memory: &Memory, field: &Field, bank: u8, set: &mut Vec<Item>) {
    for index in 0..field.count {
        let Ok(bits) = memory.byte(field, index, bank) else { continue };
        if bits == 0 {
            continue;
        }
        let name = field.name.replace('#', &format!("{}", field.first_index + index));
        if field.kind == Kind::LaneBitmap {
            let lanes = (0..8_u8).filter(|lane| bits & (1 << lane) != 0);
            let lanes = lanes.map(|lane| u16::from(bank) * 8 + u16::from(lane) + 1);
            set.extend(lanes.map(|lane| Item::text(format!("{name} lane {lane}"))));
        } else if bank > 0 {
            set.push(Item::text(format!("{name} bank {bank}")));
        } else {
            set.push(Item::text(name));
        }
    }
}

fn durations(memory: &Memory) -> Item {
    let limit = |field: &Field| -> Item {
        let limit = memory.byte(field, 0, 0).and_then(|code| match code {
            0..=12 => Ok(Item::Quantity(duration_limit(code).as_secs_f64(), "s")),
            // 50 minutes or longer: there is no limit.
            13 => Err(Missing::Absent),
            _ => Err(Missing::Implausible),
        });
        limit.into()
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
