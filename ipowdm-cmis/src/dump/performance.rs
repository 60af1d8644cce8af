//! C-CMIS performance monitoring: counters and link quantities of the last interval.

use super::item::{Item, Missing};
use super::{Memory, PageName};
use crate::map::Address;
use crate::monitoring::{
    FecCounters, LinkPerformance, LinkStatistics, MinAvgMax, PmAdvertisement, Reading, SubIntervalBits,
};
use ipowdm_core::units::Ber;
use std::vec;

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
    Item::Map(vec![
        ("media_fec", counters(memory, FecCounters::MEDIA, FecCounters::decode_media)),
        ("host_fec", counters(memory, FecCounters::HOST, FecCounters::decode_host)),
        ("link", link(memory)),
    ])
}

/// What a place of a page decodes to.
fn at<T>(
    memory: &Memory,
    (at, len): (Address, u8),
    decode: impl FnOnce(crate::map::Block<'_>) -> Option<T>,
) -> Result<T, Missing> {
    let page = PageName::page(at.page);
    let block = memory.block(page, at.byte, usize::from(len));
    block.and_then(decode).ok_or_else(|| memory.state(page).missing().unwrap_or(Missing::NotRead))
}

fn counters(
    memory: &Memory,
    place: (Address, u8),
    decode: fn(crate::map::Block<'_>) -> Option<FecCounters>,
) -> Item {
    at(memory, place, decode).map(fec).into()
}

fn fec(counters: FecCounters) -> Item {
    let count = |number: u64| Item::Number(i64::try_from(number).unwrap_or(i64::MAX));
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

fn link(memory: &Memory) -> Item {
    let (place, len) = PmAdvertisement::PLACE;
    let advertisement = memory.block(PageName::page(place.page), place.byte, usize::from(len));
    let advertisement = PmAdvertisement::decode(advertisement);
    at(memory, LinkPerformance::PLACE, |block| LinkPerformance::decode(block, &advertisement))
        .map(|link| Item::List(link.iter().map(quantity).collect()))
        .into()
}

fn quantity(statistics: &LinkStatistics) -> Item {
    let unit = statistics.quantity.unit();
    let value = |reading: Reading<i32>| -> Item {
        reading.and_then(|units| Reading::Value(Item::Quantity(statistics.physical(units), unit))).into()
    };
    // Numbers in no order contradict each other, and none of them is to be believed.
    let [min, avg, max] = match statistics.triplet() {
        Reading::Implausible => [Reading::Implausible; 3],
        Reading::Stale => [Reading::Stale; 3],
        _ => [statistics.minimum, statistics.average, statistics.maximum],
    };
    Item::Map(vec![
        ("quantity", Item::word(statistics.quantity.name())),
        ("min", value(min)),
        ("avg", value(avg)),
        ("max", value(max)),
    ])
}
