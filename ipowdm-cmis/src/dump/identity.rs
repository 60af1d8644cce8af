//! Who made the module, and what it is.

use super::item::{Item, Missing, named};
use super::{Memory, PageName};
use crate::map::{Field, lower, names, page00, page01};
use std::format;
use std::vec;

/// Decodes the group.
pub(super) fn decode(memory: &Memory) -> Item {
    let text = |field: &Field| Item::from(memory.bytes(field));
    let byte = |field: &Field| memory.byte(field, 0, 0);
    let flag = |field: &Field| Item::from(byte(field).map(|bit| bit != 0));
    let name = |field: &Field| Item::from(byte(field).map(|code| named(field.names, code)));
    let version = |major: &Field, minor: &Field| -> Item {
        byte(major).and_then(|major| Ok(Item::text(format!("{major}.{}", byte(minor)?)))).into()
    };
    let revision = byte(&lower::CMIS_REVISION);
    Item::Map(vec![
        ("cmis", is_cmis(memory).into()),
        ("identifier", name(&lower::SFF8024_IDENTIFIER)),
        ("cmis_revision", revision.map(|bcd| Item::text(format!("{}.{}", bcd >> 4, bcd & 15))).into()),
        ("flat_memory", flag(&lower::MEMORY_MODEL_FLAT)),
        ("vendor_name", text(&page00::VENDOR_NAME)),
        ("vendor_oui", oui(memory)),
        ("part_number", text(&page00::VENDOR_PN)),
        ("revision", text(&page00::VENDOR_REV)),
        ("serial_number", text(&page00::VENDOR_SN)),
        ("date", date(memory)),
        ("lot", text(&page00::DATE_LOT)),
        ("clei", text(&page00::CLEI)),
        ("power_class", name(&page00::MODULE_POWER_CLASS)),
        ("max_power", byte(&page00::MAX_POWER).map(|raw| Item::Quantity(f64::from(raw) / 4.0, "W")).into()),
        ("connector", name(&page00::CONNECTOR_TYPE)),
        ("cable_length", cable_length(memory)),
        ("media_type", byte(&lower::MEDIA_TYPE).map(|code| named(names::MEDIA_TYPES, code)).into()),
        ("media_technology", name(&page00::MEDIA_INTERFACE_TECHNOLOGY)),
        ("coherent", coherent(memory)),
        ("active_firmware", version(&lower::ACTIVE_FIRMWARE_MAJOR, &lower::ACTIVE_FIRMWARE_MINOR)),
        ("inactive_firmware", version(&page01::INACTIVE_FIRMWARE_MAJOR, &page01::INACTIVE_FIRMWARE_MINOR)),
        ("hardware_revision", version(&page01::HARDWARE_REV_MAJOR, &page01::HARDWARE_REV_MINOR)),
        ("checksums", checksums(memory)),
    ])
}

/// Whether it is a module that CMIS is about at all.
pub(super) fn is_cmis(memory: &Memory) -> Result<bool, Missing> {
    let byte = |field: &Field| memory.byte(field, 0, 0);
    Ok(crate::procedure::is_cmis(byte(&lower::SFF8024_IDENTIFIER)?, byte(&lower::CMIS_REVISION)?))
}

fn oui(memory: &Memory) -> Item {
    let bytes = memory.bytes(&page00::VENDOR_OUI);
    bytes
        .map(|bytes| {
            let pairs: vec::Vec<_> = bytes.iter().map(|byte| format!("{byte:02X}")).collect();
            Item::text(pairs.join("-"))
        })
        .into()
}

/// Year, month and day of manufacture; the year is in this century (OIF-CMIS-05.4, date code).
fn date(memory: &Memory) -> Item {
    let digits = |field: &Field| memory.bytes(field).map(<[u8]>::to_vec);
    let parts = [&page00::DATE_YEAR, &page00::DATE_MONTH, &page00::DATE_DAY].map(digits);
    match parts {
        [Ok(year), Ok(month), Ok(day)] => {
            let all = [&year, &month, &day];
            if all.iter().all(|part| part.iter().all(u8::is_ascii_digit)) {
                let [year, month, day] = all.map(|part| super::register::printable(part));
                Item::text(format!("20{year}-{month}-{day}"))
            } else {
                Item::Missing(Missing::Implausible)
            }
        }
        [Err(missing), ..] | [_, Err(missing), _] | [.., Err(missing)] => Item::Missing(missing),
    }
}

/// The length of a cable assembly (00h:202); 0 for separable modules.
fn cable_length(memory: &Memory) -> Item {
    let length = memory.byte(&page00::LENGTH_MULTIPLIER, 0, 0).and_then(|multiplier| {
        let base = f64::from(memory.byte(&page00::BASE_LENGTH, 0, 0)?);
        Ok(match multiplier {
            0 => base / 10.0,
            1 => base,
            2 => base * 10.0,
            _ => base * 100.0,
        })
    });
    match length {
        Ok(0.0) => Item::Missing(Missing::Unsupported),
        Ok(metres) => Item::Quantity(metres, "m"),
        Err(missing) => Item::Missing(missing),
    }
}

/// Coherent by its advertisements, never by a name: coherent pages, a tunable transmitter, or a tunable technology.
fn coherent(memory: &Memory) -> Item {
    let set = |field: &Field| memory.byte(field, 0, 0).is_ok_and(|bit| bit != 0);
    let technology = memory.byte(&page00::MEDIA_INTERFACE_TECHNOLOGY, 0, 0);
    if memory.half(PageName::page(0)).is_none() && memory.half(PageName::page(1)).is_none() {
        return Item::Missing(Missing::Absent);
    }
    let tunable = technology.is_ok_and(|technology| matches!(technology, 0x10 | 0x11));
    Item::Flag(set(&page01::COHERENT_PAGES_SUPPORTED) || set(&page01::TRANSMITTER_IS_TUNABLE) || tunable)
}

/// Pages with a checksum: page, first byte, byte of the sum (OIF-CMIS-05.4, page checksums).
const CHECKSUMS: [(&str, u8, u8, u8); 4] =
    [("00", 0x00, 128, 222), ("01", 0x01, 130, 255), ("02", 0x02, 128, 255), ("04", 0x04, 128, 255)];

fn checksums(memory: &Memory) -> Item {
    let check = |(name, page, first, at): (&'static str, u8, u8, u8)| {
        let state = match memory.state(PageName::page(page)) {
            super::PageState::Read(half) => half
                .get(first, usize::from(at - first))
                .zip(half.get(at, 1))
                .map(|(bytes, sum)| bytes.iter().fold(0_u8, |sum, byte| sum.wrapping_add(*byte)) == sum[0])
                .ok_or(Missing::NotRead),
            state => Err(state.missing().unwrap_or(Missing::NotRead)),
        };
        (name, Item::from(state))
    };
    Item::Map(CHECKSUMS.into_iter().map(check).collect())
}
