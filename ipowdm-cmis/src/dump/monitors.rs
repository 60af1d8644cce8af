//! Temperature, voltage, lane powers and currents, with their thresholds.

use super::context::{aux_monitors, bias_factor};
use super::item::{Item, Missing};
use super::{Memory, PageName};
use crate::map::{Field, lower, page00, page01, page02, page11};
use std::vec;
use std::vec::Vec;

/// A monitor's thresholds: high alarm, low alarm, high warning, low warning.
type Thresholds = [Field; 4];

const TEMPERATURE: Thresholds = [
    page02::TEMP_MON_HIGH_ALARM_THRESHOLD,
    page02::TEMP_MON_LOW_ALARM_THRESHOLD,
    page02::TEMP_MON_HIGH_WARNING_THRESHOLD,
    page02::TEMP_MON_LOW_WARNING_THRESHOLD,
];
const VOLTAGE: Thresholds = [
    page02::VCC_MON_HIGH_ALARM_THRESHOLD,
    page02::VCC_MON_LOW_ALARM_THRESHOLD,
    page02::VCC_MON_HIGH_WARNING_THRESHOLD,
    page02::VCC_MON_LOW_WARNING_THRESHOLD,
];
const AUXILIARY: Thresholds = [
    page02::AUX_MON_HIGH_ALARM_THRESHOLD,
    page02::AUX_MON_LOW_ALARM_THRESHOLD,
    page02::AUX_MON_HIGH_WARNING_THRESHOLD,
    page02::AUX_MON_LOW_WARNING_THRESHOLD,
];
const TX_POWER: Thresholds = [
    page02::OPTICAL_POWER_TX_HIGH_ALARM_THRESHOLD,
    page02::OPTICAL_POWER_TX_LOW_ALARM_THRESHOLD,
    page02::OPTICAL_POWER_TX_HIGH_WARNING_THRESHOLD,
    page02::OPTICAL_POWER_TX_LOW_WARNING_THRESHOLD,
];
const TX_BIAS: Thresholds = [
    page02::LASER_BIAS_TX_HIGH_ALARM_THRESHOLD,
    page02::LASER_BIAS_TX_LOW_ALARM_THRESHOLD,
    page02::LASER_BIAS_TX_HIGH_WARNING_THRESHOLD,
    page02::LASER_BIAS_TX_LOW_WARNING_THRESHOLD,
];
const RX_POWER: Thresholds = [
    page02::OPTICAL_POWER_RX_HIGH_ALARM_THRESHOLD,
    page02::OPTICAL_POWER_RX_LOW_ALARM_THRESHOLD,
    page02::OPTICAL_POWER_RX_HIGH_WARNING_THRESHOLD,
    page02::OPTICAL_POWER_RX_LOW_WARNING_THRESHOLD,
];

/// Decodes the group. A monitor that 01h:159-160 does not advertise is unsupported, whatever its register holds.
pub(super) fn decode(memory: &Memory) -> Item {
    let temperature = |raw: u64| Item::Quantity(signed(raw) / 256.0, "degC");
    let voltage = |raw: u64| Item::Quantity(to_f64(raw) / 10_000.0, "V");
    let bias = bias_of(memory);
    let module = |supported: &Field, field: &Field, decode: &dyn Fn(u64) -> Item, limits: &Thresholds| {
        let value = has(memory, supported, 0).and_then(|()| memory.number(field, 0, 0)).map(decode);
        with_thresholds(memory, value.into(), limits, 0, decode)
    };
    Item::Map(vec![
        (
            "temperature",
            module(&page01::TEMP_MON_SUPPORTED, &lower::TEMP_MON_VALUE, &temperature, &TEMPERATURE),
        ),
        ("voltage", module(&page01::VCC_MON_SUPPORTED, &lower::VCC_MON_VOLTAGE, &voltage, &VOLTAGE)),
        ("auxiliary", auxiliary(memory)),
        ("tx_power_thresholds", thresholds(memory, &TX_POWER, 0, &power)),
        ("tx_bias_thresholds", thresholds(memory, &TX_BIAS, 0, &bias)),
        ("rx_power_thresholds", thresholds(memory, &RX_POWER, 0, &power)),
        ("lanes", lanes(memory)),
    ])
}

/// Whether a monitor is advertised. A flat memory advertises none, and its registers are all that there is.
fn has(memory: &Memory, supported: &Field, index: u16) -> Result<(), Missing> {
    match memory.byte(supported, index, 0) {
        Ok(0) => Err(Missing::Unsupported),
        Ok(_) => Ok(()),
        Err(missing) => Err(missing),
    }
}

/// Decoding of a laser current in the unit that the multiplier gives.
fn bias_of(memory: &Memory) -> impl Fn(u64) -> Item {
    let factor = f64::from(bias_factor(memory));
    move |raw| Item::Quantity(to_f64(raw) * 2.0 * factor / 1_000.0, "mA")
}

/// A power in 0.1 µW as dBm; nothing is below the monitor's range and no number.
fn power(raw: u64) -> Item {
    if raw == 0 {
        return Item::Missing(Missing::Absent);
    }
    let dbm = 10.0 * libm::log10(to_f64(raw) / 10_000.0);
    Item::Quantity(libm::round(dbm * 100.0) / 100.0, "dBm")
}

fn with_thresholds(
    memory: &Memory,
    value: Item,
    limits: &Thresholds,
    index: u16,
    decode: &dyn Fn(u64) -> Item,
) -> Item {
    match value {
        Item::Missing(_) => value,
        value => Item::Map(vec![("value", value), ("thresholds", thresholds(memory, limits, index, decode))]),
    }
}

fn thresholds(memory: &Memory, fields: &Thresholds, index: u16, decode: &dyn Fn(u64) -> Item) -> Item {
    let limit = |field: &Field| Item::from(memory.number(field, index, 0).map(decode));
    let [high_alarm, low_alarm, high_warning, low_warning] = fields.each_ref().map(limit);
    if let Item::Missing(missing) = high_alarm
        && missing != Missing::Absent
    {
        return Item::Missing(missing);
    }
    Item::Map(vec![
        ("high_alarm", high_alarm),
        ("low_alarm", low_alarm),
        ("high_warning", high_warning),
        ("low_warning", low_warning),
    ])
}

/// The auxiliary monitors, each what 01h:145 says.
fn auxiliary(memory: &Memory) -> Item {
    let monitors = aux_monitors(memory);
    let monitor = |index: u16| {
        let kind = monitors.get(usize::from(index)).copied().flatten();
        let decode = |raw: u64| match kind {
            // The supply is the one without sign.
            Some(aux) if aux.unit == "V" => Item::Quantity(to_f64(raw) / 10_000.0, aux.unit),
            Some(aux) => {
                let (multiplier, divisor) = aux.scale;
                Item::Quantity(signed(raw) * f64::from(multiplier) / f64::from(divisor), aux.unit)
            }
            None => Item::Number(i64::try_from(raw).unwrap_or(i64::MAX)),
        };
        let value = has(memory, &page01::AUX_MON_SUPPORTED, index)
            .and_then(|()| memory.number(&lower::AUX_MON_VALUE, index, 0))
            .map(decode);
        Item::Map(vec![
            ("monitor", Item::Number(i64::from(index) + 1)),
            ("observes", kind.map_or(Item::word("custom"), |aux| Item::word(aux.name))),
            ("reading", with_thresholds(memory, value.into(), &AUXILIARY, index, &decode)),
        ])
    };
    Item::List((0..3).map(monitor).collect())
}

/// The media lanes that the module has (00h:210).
fn lanes(memory: &Memory) -> Item {
    if let Err(missing) = memory.number(&page11::OPTICAL_POWER_TX, 0, 0) {
        return Item::Missing(missing);
    }
    let missing_lanes = memory.byte(&page00::MEDIA_LANE_UNSUPPORTED, 0, 0).unwrap_or(0);
    let bias = bias_of(memory);
    let mut lanes = Vec::new();
    let banks = memory.pages().filter_map(|(name, _)| match name {
        PageName::Page { page: 0x11, bank } => Some(bank),
        _ => None,
    });
    for bank in banks {
        for lane in (0..8_u16).filter(|lane| missing_lanes & (1 << lane) == 0) {
            let read = |supported: &Field, field: &Field, decode: &dyn Fn(u64) -> Item| -> Item {
                has(memory, supported, 0).and_then(|()| memory.number(field, lane, bank)).map(decode).into()
            };
            lanes.push(Item::Map(vec![
                ("lane", Item::Number(i64::from(bank) * 8 + i64::from(lane) + 1)),
                (
                    "tx_power",
                    read(&page01::TX_OPTICAL_POWER_MON_SUPPORTED, &page11::OPTICAL_POWER_TX, &power),
                ),
                ("tx_bias", read(&page01::TX_BIAS_MON_SUPPORTED, &page11::LASER_BIAS_TX, &bias)),
                (
                    "rx_power",
                    read(&page01::RX_OPTICAL_POWER_MON_SUPPORTED, &page11::OPTICAL_POWER_RX, &power),
                ),
            ]));
        }
    }
    Item::List(lanes)
}

/// The two bytes of a register with sign.
fn signed(raw: u64) -> f64 {
    f64::from(u16::try_from(raw).unwrap_or(0).cast_signed())
}

fn to_f64(number: u64) -> f64 {
    f64::from(u32::try_from(number).unwrap_or(u32::MAX))
}
