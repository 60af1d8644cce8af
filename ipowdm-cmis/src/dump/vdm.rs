//! Versatile diagnostics monitoring: every instance with its sample, its thresholds and its flags.

use super::item::{Item, Missing};
use super::text::ALARMS;
use super::{Memory, PageName, PageState};
use crate::codes::Measured;
use crate::map::page2f;
use crate::monitoring::{VdmGroups, VdmInstance};
use std::vec;
use std::vec::Vec;

/// Lane field of an instance that observes the module as a whole.
const WHOLE_MODULE: u8 = 15;

/// Decodes the group; unsupported as a whole where no descriptor page was read or advertised.
pub(super) fn decode(memory: &Memory) -> Item {
    let banks: Vec<u8> = memory
        .pages()
        .filter_map(|(name, state)| match (name, state) {
            (PageName::Page { page: 0x20, bank }, PageState::Read(_)) => Some(bank),
            _ => None,
        })
        .collect();
    if banks.is_empty() {
        let state = memory.state(PageName::page(0x20));
        return Item::Missing(state.missing().unwrap_or(Missing::Unsupported));
    }
    let groups = memory.byte(&page2f::VDM_GROUPS_SUPPORTED, 0, 0).map(|groups| groups + 1);
    let interval = memory.number(&page2f::FINE_INTERVAL_LENGTH, 0, 0);
    let flag = |field| Item::from(memory.byte(field, 0, 0).map(|bit| bit != 0));
    Item::Map(vec![
        ("groups", groups.into()),
        ("fine_interval", interval.map(|tenths| Item::Quantity(milliseconds(tenths), "ms")).into()),
        ("freeze_requested", flag(&page2f::FREEZE_REQUEST)),
        ("freeze_done", flag(&page2f::FREEZE_DONE)),
        ("duty_cycle", duty_cycle(memory).into()),
        ("instances", Item::List(banks.iter().flat_map(|bank| instances(memory, *bank)).collect())),
    ])
}

/// The setting of 2Fh:144.5-2, where the module advertises that it has one.
fn duty_cycle(memory: &Memory) -> Result<u8, Missing> {
    match memory.byte(&page2f::VDM_DUTY_CYCLE_SUPPORTED, 0, 0)? {
        0 => Err(Missing::Unsupported),
        _ => memory.byte(&page2f::VDM_DUTY_CYCLE, 0, 0),
    }
}

fn milliseconds(tenths: u64) -> f64 {
    f64::from(u32::try_from(tenths).unwrap_or(u32::MAX)) / 10.0
}

fn instances(memory: &Memory, bank: u8) -> Vec<Item> {
    let mut groups = VdmGroups::new(4, 0);
    for group in 0..4_u8 {
        let page = |first: u8| PageName::Page { page: first + group, bank };
        if let Some(block) = memory.block(page(0x20), 128, 128) {
            VdmInstance::decode_page(block, group, &mut groups.instances);
        }
        if let Some(block) = memory.block(page(0x28), 128, 128) {
            groups.take_thresholds(group, block);
        }
    }
    groups.instances.iter().map(|instance| describe(memory, bank, &groups, instance)).collect()
}

fn describe(memory: &Memory, bank: u8, groups: &VdmGroups, instance: &VdmInstance) -> Item {
    let observable = instance.known();
    let name = match observable {
        Some(observable) => Item::word(observable.name()),
        None => Item::text(std::format!("custom or reserved ({})", instance.observable)),
    };
    let lane = match instance.lane {
        WHOLE_MODULE => Item::word("module"),
        lane => Item::Number(i64::from(bank) * 8 + i64::from(lane) + 1),
    };
    let mut members = vec![
        ("instance", Item::Number(i64::from(instance.number()) + 1)),
        ("observable", name),
        ("code", instance.observable.into()),
        (
            "statistic",
            observable.map_or(Item::word("cur"), |observable| Item::word(observable.statistic().name())),
        ),
        ("lane", lane),
        ("sample", sample(memory, bank, instance)),
    ];
    if let Some(limits) = groups.thresholds(instance) {
        members.push((
            "thresholds",
            Item::Map(vec![
                ("high_alarm", measured(limits.high_alarm)),
                ("low_alarm", measured(limits.low_alarm)),
                ("high_warning", measured(limits.high_warning)),
                ("low_warning", measured(limits.low_warning)),
            ]),
        ));
    }
    members.push(("flags", flags(memory, bank, instance)));
    Item::Map(members)
}

fn measured(measured: Measured) -> Item {
    Item::Quantity(measured.value(), measured.observable.unit())
}

fn sample(memory: &Memory, bank: u8, instance: &VdmInstance) -> Item {
    let page = PageName::Page { page: instance.page, bank };
    let Some([high, low]) = memory.half(page).and_then(|half| half.get(instance.byte, 2)) else {
        return Item::Missing(memory.state(page).missing().unwrap_or(Missing::NotRead));
    };
    let raw = u16::from_be_bytes([*high, *low]);
    match instance.known() {
        Some(observable) => measured(observable.measured(raw)),
        None => Item::Number(i64::from(raw)),
    }
}

fn flags(memory: &Memory, bank: u8, instance: &VdmInstance) -> Item {
    let page = PageName::Page { page: 0x2C, bank };
    let (byte, _) = instance.flag_place();
    match memory.block(page, byte, 1).and_then(|block| instance.flags(block)) {
        Some(flags) => {
            let set = (0..4_usize).filter(|bit| flags & (1 << bit) != 0);
            Item::List(set.map(|bit| Item::word(ALARMS[bit])).collect())
        }
        None => Item::Missing(memory.state(page).missing().unwrap_or(Missing::NotRead)),
    }
}
