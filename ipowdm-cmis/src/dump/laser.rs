//! The tunable laser: what it can do, what it is set to, what it does.

use super::item::{Item, Missing, named};
use super::{Memory, PageName};
use crate::map::{Field, names, page00, page04, page12};
use ipowdm_core::grid::Grid;
use std::vec;
use std::vec::Vec;

/// Grids with their registers (page 04h): in GHz as words, supported, least and greatest channel.
const GRIDS: [(&str, Grid, Field, Field, Field); 10] = [
    (
        "3.125",
        Grid::Ghz3p125,
        page04::GRID3P125GHZ_SUPPORTED,
        page04::LOW_CHANNEL3P125GHZ,
        page04::HIGH_CHANNEL3P125GHZ,
    ),
    (
        "6.25",
        Grid::Ghz6p25,
        page04::GRID6P25GHZ_SUPPORTED,
        page04::LOW_CHANNEL6P25GHZ,
        page04::HIGH_CHANNEL6P25GHZ,
    ),
    (
        "12.5",
        Grid::Ghz12p5,
        page04::GRID12P5GHZ_SUPPORTED,
        page04::LOW_CHANNEL12P5GHZ,
        page04::HIGH_CHANNEL12P5GHZ,
    ),
    ("25", Grid::Ghz25, page04::GRID25GHZ_SUPPORTED, page04::LOW_CHANNEL25GHZ, page04::HIGH_CHANNEL25GHZ),
    ("33", Grid::Ghz33, page04::GRID33GHZ_SUPPORTED, page04::LOW_CHANNEL33GHZ, page04::HIGH_CHANNEL33GHZ),
    ("50", Grid::Ghz50, page04::GRID50GHZ_SUPPORTED, page04::LOW_CHANNEL50GHZ, page04::HIGH_CHANNEL50GHZ),
    ("75", Grid::Ghz75, page04::GRID75GHZ_SUPPORTED, page04::LOW_CHANNEL75GHZ, page04::HIGH_CHANNEL75GHZ),
    (
        "100",
        Grid::Ghz100,
        page04::GRID100GHZ_SUPPORTED,
        page04::LOW_CHANNEL100GHZ,
        page04::HIGH_CHANNEL100GHZ,
    ),
    (
        "150",
        Grid::Ghz150,
        page04::GRID150GHZ_SUPPORTED,
        page04::LOW_CHANNEL150GHZ,
        page04::HIGH_CHANNEL150GHZ,
    ),
    (
        "300",
        Grid::Ghz300,
        page04::GRID300GHZ_SUPPORTED,
        page04::LOW_CHANNEL300GHZ,
        page04::HIGH_CHANNEL300GHZ,
    ),
];

/// Decodes the group; unsupported as a whole where the module advertises no tunable transmitter.
pub(super) fn decode(memory: &Memory) -> Item {
    let capability = memory.state(PageName::page(0x04));
    let control = memory.state(PageName::page(0x12));
    if matches!((capability, control), (super::PageState::NotAdvertised, super::PageState::NotAdvertised)) {
        return Item::Missing(Missing::Unsupported);
    }
    Item::Map(vec![("capability", capabilities(memory)), ("lanes", lanes(memory))])
}

fn capabilities(memory: &Memory) -> Item {
    let flag = |field: &Field| memory.byte(field, 0, 0).map(|bit| bit != 0);
    if let Err(missing) = flag(&page04::FINE_TUNING_SUPPORTED) {
        return Item::Missing(missing);
    }
    let power = |field: &Field| hundredths(memory.signed(field, 0, 0));
    let offset = |field: &Field| -> Item {
        memory.signed(field, 0, 0).map(|mhz| Item::Quantity(f64::from(mhz), "MHz")).into()
    };
    let resolution = memory.number(&page04::FINE_TUNING_RESOLUTION, 0, 0).map(to_f64);
    let grids = GRIDS.iter().filter(|(_, _, supported, _, _)| flag(supported) == Ok(true));
    Item::Map(vec![
        ("grids", Item::List(grids.map(|grid| grid_range(memory, grid)).collect())),
        ("fine_tuning", flag(&page04::FINE_TUNING_SUPPORTED).into()),
        ("fine_tuning_resolution", resolution.map(|mhz| Item::Quantity(mhz, "MHz")).into()),
        ("fine_tuning_low", offset(&page04::FINE_TUNING_LOW_OFFSET)),
        ("fine_tuning_high", offset(&page04::FINE_TUNING_HIGH_OFFSET)),
        ("power_programmable", flag(&page04::PROG_OUTPUT_POWER_PER_LANE_SUPPORTED).into()),
        ("min_power", power(&page04::MIN_PROG_OUTPUT_POWER)),
        ("max_power", power(&page04::MAX_PROG_OUTPUT_POWER)),
    ])
}

fn grid_range(
    memory: &Memory,
    (ghz, grid, _, low, high): &(&'static str, Grid, Field, Field, Field),
) -> Item {
    let channel = |field: &Field| memory.signed(field, 0, 0);
    // The nearest legal channel within the range: a limit itself may be none.
    let ends = channel(low).and_then(|low| Ok((low, channel(high)?)));
    let frequency = |channel: Option<i16>| -> Item {
        let frequency = channel.and_then(|channel| grid.frequency(channel).ok());
        frequency.map_or(Item::Missing(Missing::Implausible), |frequency| {
            Item::Quantity(f64::from(frequency.mhz()), "MHz")
        })
    };
    let legal = |channel: &i16| grid.frequency(*channel).is_ok();
    // The valid channels of a grid are at most 24 apart.
    let (lowest, highest) = match ends {
        Ok((low, high)) => {
            let channels = low..=high;
            (frequency(channels.clone().take(24).find(legal)), frequency(channels.rev().take(24).find(legal)))
        }
        Err(missing) => (Item::Missing(missing), Item::Missing(missing)),
    };
    Item::Map(vec![
        ("grid", Item::text(std::format!("{ghz} GHz"))),
        ("low_channel", channel(low).into()),
        ("high_channel", channel(high).into()),
        ("low_frequency", lowest),
        ("high_frequency", highest),
    ])
}

/// The media lanes that the module has (00h:210), in every bank that was read.
fn lanes(memory: &Memory) -> Item {
    if let Err(missing) = memory.byte(&page12::GRID_SPACING_TX, 0, 0) {
        return Item::Missing(missing);
    }
    let missing_lanes = memory.byte(&page00::MEDIA_LANE_UNSUPPORTED, 0, 0).unwrap_or(0);
    let banks = memory.pages().filter_map(|(name, _)| match name {
        PageName::Page { page: 0x12, bank } => Some(bank),
        _ => None,
    });
    let mut lanes = Vec::new();
    for bank in banks {
        let present = (0..8_u16).filter(|lane| missing_lanes & (1 << lane) == 0);
        lanes.extend(present.map(|index| lane(memory, index, bank)));
    }
    Item::List(lanes)
}

fn lane(memory: &Memory, lane: u16, bank: u8) -> Item {
    let byte = |field: &Field| memory.byte(field, lane, bank);
    let flag = |field: &Field| Item::from(byte(field).map(|bit| bit != 0));
    let grid = byte(&page12::GRID_SPACING_TX);
    let channel = memory.signed(&page12::CHANNEL_NUMBER_TX, lane, bank);
    let fine = memory.signed(&page12::FINE_TUNING_OFFSET_TX, lane, bank);
    let fine_enabled = byte(&page12::FINE_TUNING_ENABLE_TX).map(|bit| bit != 0);
    let set = grid.and_then(|code| {
        let offset = if fine_enabled? { i64::from(fine?) } else { 0 };
        let frequency = Grid::from_code(code).and_then(|grid| grid.frequency(channel.ok()?).ok());
        let frequency = frequency.and_then(|nominal| nominal.offset(offset)).ok_or(Missing::Implausible)?;
        Ok(Item::Quantity(f64::from(frequency.mhz()), "MHz"))
    });
    let current = memory.number(&page12::CURRENT_LASER_FREQUENCY_TX, lane, bank).and_then(|mhz| {
        // Modules report 0 while the laser is off.
        if mhz == 0 { Err(Missing::Absent) } else { Ok(Item::Quantity(to_f64(mhz), "MHz")) }
    });
    Item::Map(vec![
        ("lane", Item::Number(i64::from(bank) * 8 + i64::from(lane) + 1)),
        ("grid", grid.map(grid_name).into()),
        ("channel", channel.into()),
        ("fine_tuning_enabled", fine_enabled.into()),
        ("fine_tuning_offset", fine.map(|mhz| Item::Quantity(f64::from(mhz), "MHz")).into()),
        ("set_frequency", set.into()),
        ("current_frequency", current.into()),
        ("target_power", hundredths(memory.signed(&page12::TARGET_OUTPUT_POWER_TX, lane, bank))),
        ("tuning_in_progress", flag(&page12::TUNING_IN_PROGRESS_TX)),
        ("wavelength_unlocked", flag(&page12::WAVELENGTH_UNLOCKED_STATUS_TX)),
    ])
}

fn grid_name(code: u8) -> Item {
    match named(names::GRIDS, code) {
        Item::Text(ghz) if code <= 9 => Item::text(std::format!("{ghz} GHz")),
        other => other,
    }
}

fn hundredths(power: Result<i16, Missing>) -> Item {
    power.map(|raw| Item::Quantity(f64::from(raw) / 100.0, "dBm")).into()
}

fn to_f64(number: u64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "registers of at most 32 bits")]
    let number = number as f64;
    number
}
