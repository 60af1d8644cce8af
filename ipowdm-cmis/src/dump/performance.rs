//! C-CMIS performance monitoring: counters and link quantities of the last interval.

use super::item::{Item, Missing};
use super::{Memory, PageName};
use crate::map::Address;
use crate::monitoring::{
    FecCounters, LinkPerformance, LinkStatistics, MinAvgMax, PmAdvertisement, Reading, SubIntervalBits,
};
use ipowdm_core::units::Ber;
use std::collections::BTreeSet;
use std::vec;
use std::vec::Vec;

impl<T> From<Reading<T>> for Item
where
    Self: From<T>,
{
    fn from(reading: Reading<T>) -> Self {
        match reading {
            Reading::Value(value) => value.into(),
            Reading::Absent => Self::Missing(Missing::Absent),
            Reading::Unsupported => Self::Missing(Missing::Unsupported),
            Reading::Unreadable(error) => Self::Missing(Missing::Unreadable(error)),
            Reading::Implausible => Self::Missing(Missing::Implausible),
            Reading::Stale => Self::Missing(Missing::Stale),
        }
    }
}

impl From<Ber> for Item {
    fn from(ratio: Ber) -> Self {
        Self::Quantity(ratio.value(), "")
    }
}

impl From<MinAvgMax<Ber>> for Item {
    fn from(ratios: MinAvgMax<Ber>) -> Self {
        Self::Map(vec![
            ("min", ratios.min().into()),
            ("avg", ratios.avg().into()),
            ("max", ratios.max().into()),
        ])
    }
}

/// Decodes the group; unsupported as a whole where none of its pages is advertised.
pub(super) fn decode(memory: &Memory) -> Item {
    let state = |page| memory.state(PageName::page(page)).missing();
    if [0x34, 0x35, 0x3A].into_iter().all(|page| state(page) == Some(Missing::Unsupported)) {
        return Item::Missing(Missing::Unsupported);
    }
    let mut members = of_bank(memory, 0);
    let further: Vec<Item> = banks(memory)
        .into_iter()
        .map(|bank| {
            let number = ("bank", Item::from(bank));
            Item::Map(core::iter::once(number).chain(of_bank(memory, bank)).collect())
        })
        .collect();
    if !further.is_empty() {
        members.push(("further_banks", Item::List(further)));
    }
    Item::Map(members)
}

/// The banks above 0 that something is known of.
fn banks(memory: &Memory) -> BTreeSet<u8> {
    let of = |(name, _)| match name {
        PageName::Page { page: 0x34 | 0x35 | 0x3A, bank } if bank > 0 => Some(bank),
        _ => None,
    };
    memory.pages().filter_map(of).collect()
}

fn of_bank(memory: &Memory, bank: u8) -> Vec<(&'static str, Item)> {
    vec![
        ("media_fec", counters(memory, bank, FecCounters::MEDIA, FecCounters::decode_media)),
        ("host_fec", counters(memory, bank, FecCounters::HOST, FecCounters::decode_host)),
        ("link", link(memory, bank)),
    ]
}

/// What a place of a page decodes to.
fn at<T>(
    memory: &Memory,
    bank: u8,
    (at, len): (Address, u8),
    decode: impl FnOnce(crate::map::Block<'_>) -> Option<T>,
) -> Result<T, Missing> {
    let page = PageName::Page { page: at.page, bank };
    let block = memory.block(page, at.byte, usize::from(len));
    block.and_then(decode).ok_or_else(|| memory.state(page).missing().unwrap_or(Missing::NotRead))
}

fn counters(
    memory: &Memory,
    bank: u8,
    place: (Address, u8),
    decode: fn(crate::map::Block<'_>) -> Option<FecCounters>,
) -> Item {
    at(memory, bank, place, decode).map(fec).into()
}

fn fec(counters: FecCounters) -> Item {
    // 2^63 bits take 800 Gb/s four months, and 32-bit frame counters are over long before.
    let count = |number: u64| i64::try_from(number).map_or(Item::Missing(Missing::Implausible), Item::Number);
    let sub_interval = match counters.sub_interval_bits() {
        Some(SubIntervalBits::Reported(bits)) => count(bits),
        Some(SubIntervalBits::Derived(bits)) => Item::Map(vec![
            ("value", count(bits)),
            ("derived_because_register_says", count(counters.bits_sub_interval)),
        ]),
        None => Item::Missing(Missing::Absent),
    };
    Item::Map(vec![
        ("pre_fec_ber", counters.pre_fec_ber().into()),
        ("frame_error_ratio", counters.frame_error_ratio().into()),
        ("bits", count(counters.bits)),
        ("bits_sub_interval", sub_interval),
        ("corrected_bits", count(counters.corrected_bits)),
        ("min_corrected_bits_sub_interval", count(counters.min_corrected_bits)),
        ("max_corrected_bits_sub_interval", count(counters.max_corrected_bits)),
        ("frames", counters.frames.into()),
        ("frames_sub_interval", counters.frames_sub_interval.into()),
        ("uncorrected_frames", counters.uncorrected_frames.into()),
        ("min_uncorrected_frames_sub_interval", counters.min_uncorrected_frames.into()),
        ("max_uncorrected_frames_sub_interval", counters.max_uncorrected_frames.into()),
    ])
}

fn link(memory: &Memory, bank: u8) -> Item {
    let (place, len) = PmAdvertisement::PLACE;
    let of = |bank| memory.block(PageName::Page { page: place.page, bank }, place.byte, usize::from(len));
    let advertisement = PmAdvertisement::decode(of(bank).or_else(|| of(0)));
    at(memory, bank, LinkPerformance::PLACE, |block| LinkPerformance::decode(block, &advertisement))
        .map(|link| Item::List(link.iter().map(quantity).collect()))
        .into()
}

fn quantity(statistics: &LinkStatistics) -> Item {
    let unit = statistics.quantity.unit();
    let value = |reading: Reading<i32>| -> Item {
        reading.and_then(|units| Reading::Value(Item::Quantity(statistics.physical(units), unit))).into()
    };
    let all = [statistics.minimum, statistics.average, statistics.maximum];
    let known = all.into_iter().filter_map(|reading| match reading {
        Reading::Value(units) => Some(units),
        _ => None,
    });
    // Numbers in no order contradict each other, and none of them is to be believed.
    let [min, avg, max] =
        if known.is_sorted() { all } else { all.map(|reading| reading.and_then(|_| Reading::Implausible)) };
    Item::Map(vec![
        ("quantity", Item::word(statistics.quantity.name())),
        ("min", value(min)),
        ("avg", value(avg)),
        ("max", value(max)),
    ])
}
