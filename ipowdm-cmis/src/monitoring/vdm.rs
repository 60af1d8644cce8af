//! VDM instances with their thresholds and flags, grouped by quantity; and the catalogue of all that a bank monitors.

use super::{ModuleThresholds, MonitorSupport, PmAdvertisement, Reading, Thresholds};
use crate::codes::{Measured, Observable, Statistic};
use crate::map::{Address, Block, page20, page28};
pub use crate::procedure::VdmInstance;
use heapless::Vec;

/// Lane field of an instance that observes the module as a whole.
const WHOLE_MODULE: u8 = 15;

impl VdmInstance {
    /// The VDM group, 0-3.
    #[must_use]
    pub const fn group(&self) -> u8 {
        self.page.saturating_sub(0x24) & 3
    }

    /// The instance's number over all groups, 0-255.
    #[must_use]
    pub const fn number(&self) -> u8 {
        self.group() * 64 + (self.byte.saturating_sub(128) >> 1)
    }

    /// What it observes; `None` for custom and reserved types.
    #[must_use]
    pub const fn known(&self) -> Option<Observable> {
        Observable::from_code(self.observable)
    }

    /// Whether the module holds the sample while it is frozen. Custom types count as current samples.
    #[must_use]
    pub const fn is_statistic(&self) -> bool {
        match self.known() {
            Some(observable) => observable.statistic().is_frozen(),
            None => false,
        }
    }

    /// Byte of page 2Ch (flags) and of 2Dh (masks) that holds the instance's nibble, and whether it is the high one.
    #[must_use]
    pub const fn flag_place(&self) -> (u8, bool) {
        let number = self.number();
        (128 + number / 2, number % 2 == 1)
    }

    /// The instance's nibble in a block of page 2Ch or 2Dh: b0 high alarm, b1 low alarm, b2 high warning, b3 low warning.
    #[must_use]
    pub fn flags(&self, block: Block<'_>) -> Option<u8> {
        let (byte, high) = self.flag_place();
        let byte = *block.slice(byte, 1)?.first()?;
        Some(if high { byte >> 4 } else { byte & 0x0F })
    }

    /// Decodes a descriptor page of `group` (0-3) and adds its instances, unused descriptors left out.
    pub fn decode_page(block: Block<'_>, group: u8, into: &mut Vec<Self, 256>) {
        let Some(bytes) = block.slice(128, 128) else { return };
        // All descriptor pages have the layout of 20h.
        let block = Block::new(Address::page(0x20, 128), bytes);
        for index in 0..64_u8 {
            let element = u16::from(index);
            let get = |field| block.byte_at(field, element).unwrap_or(0);
            let observable = get(page20::VDM_OBSERVABLE_TYPE);
            if observable != 0 {
                // 4 groups of 64 are 256.
                let _ = into.push(Self {
                    observable,
                    lane: get(page20::VDM_LANE_OR_DATA_PATH),
                    threshold_set: get(page20::VDM_THRESHOLD_SET_ID),
                    page: 0x24 + (group & 3),
                    byte: 128 + 2 * index,
                });
            }
        }
    }
}

/// The VDM instances of one bank and their thresholds (20h-23h, 28h-2Bh, 2Fh).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct VdmGroups {
    /// Number of groups, 1-4 (2Fh:128).
    pub groups: u8,
    /// Length of the fine interval in units of 0.1 ms (2Fh:129).
    pub fine_interval: u16,
    /// The instances, in the order of their descriptors.
    pub instances: Vec<VdmInstance, 256>,
    /// Raw thresholds by group and set: high alarm, low alarm, high warning, low warning.
    thresholds: [Option<[[u16; 4]; 16]>; 4],
}

impl VdmGroups {
    /// No instance yet, for so many groups.
    pub(crate) fn new(groups: u8, fine_interval: u16) -> Self {
        Self { groups, fine_interval, ..Self::default() }
    }

    /// Takes a threshold page of `group` (0-3).
    pub(crate) fn take_thresholds(&mut self, group: u8, block: Block<'_>) {
        let Some(bytes) = block.slice(128, 128) else { return };
        // All threshold pages have the layout of 28h.
        let block = Block::new(Address::page(0x28, 128), bytes);
        let fields = [
            page28::VDM_GROUP1_THRESHOLD_SET_HIGH_ALARM,
            page28::VDM_GROUP1_THRESHOLD_SET_LOW_ALARM,
            page28::VDM_GROUP1_THRESHOLD_SET_HIGH_WARNING,
            page28::VDM_GROUP1_THRESHOLD_SET_LOW_WARNING,
        ];
        let mut sets = [[0; 4]; 16];
        for (index, set) in (0_u16..).zip(&mut sets) {
            *set = fields.map(|field| block.word_at(field, index).unwrap_or(0));
        }
        if let Some(slot) = self.thresholds.get_mut(usize::from(group)) {
            *slot = Some(sets);
        }
    }

    /// The thresholds of an instance; `None` for custom and reserved types and where the page was not readable.
    #[must_use]
    pub fn thresholds(&self, instance: &VdmInstance) -> Option<Thresholds<Measured>> {
        let observable = instance.known()?;
        let sets = self.thresholds.get(usize::from(instance.group()))?.as_ref()?;
        let set = sets.get(usize::from(instance.threshold_set))?;
        let [high_alarm, low_alarm, high_warning, low_warning] = set.map(|raw| observable.measured(raw));
        Some(Thresholds { high_alarm, low_alarm, high_warning, low_warning })
    }

    /// The instance of an observable for a lane or data path (0-based), or for the module.
    #[must_use]
    pub fn find(&self, observable: Observable, lane: u8) -> Option<&VdmInstance> {
        let code = observable.code();
        let of_lane = |i: &&VdmInstance| i.observable == code && i.lane == lane;
        let of_module = |i: &&VdmInstance| i.observable == code && i.lane == WHOLE_MODULE;
        self.instances.iter().find(of_lane).or_else(|| self.instances.iter().find(of_module))
    }

    /// Every quantity and lane that has an instance, once each, in the order of the descriptors.
    pub fn quantities(&self) -> impl Iterator<Item = (Observable, u8)> {
        self.instances.iter().enumerate().filter_map(|(index, instance)| {
            let key = (instance.known()?.quantity(), instance.lane);
            let seen = |earlier: &VdmInstance| {
                earlier.lane == key.1 && earlier.known().map(Observable::quantity) == Some(key.0)
            };
            (!self.instances.iter().take(index).any(seen)).then_some(key)
        })
    }
}

/// Current sample and statistics of one quantity at one lane or data path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QuantityReadings {
    /// The quantity, named by its current sample.
    pub quantity: Observable,
    /// Lane or data path, 0-based; 15 for the module.
    pub lane: u8,
    /// Latest sample.
    pub current: Reading<Measured>,
    /// Least sample of the interval.
    pub minimum: Reading<Measured>,
    /// Average of the interval.
    pub average: Reading<Measured>,
    /// Greatest sample of the interval.
    pub maximum: Reading<Measured>,
    /// Total since the data path was initialised.
    pub total: Reading<Measured>,
}

impl QuantityReadings {
    /// Collects the instances of a quantity; `sample` gives the raw sample of one.
    pub fn collect(
        groups: &VdmGroups,
        quantity: Observable,
        lane: u8,
        sample: impl Fn(&VdmInstance) -> Reading<u16>,
    ) -> Self {
        let of = |statistic| {
            let Some(observable) = quantity.statistic_of(statistic) else { return Reading::Unsupported };
            let Some(instance) = groups.find(observable, lane) else { return Reading::Unsupported };
            sample(instance).and_then(|raw| Reading::Value(observable.measured(raw)))
        };
        Self {
            quantity: quantity.quantity(),
            lane,
            current: of(Statistic::Current),
            minimum: of(Statistic::Minimum),
            average: of(Statistic::Average),
            maximum: of(Statistic::Maximum),
            total: of(Statistic::Total),
        }
    }

    /// Whether minimum, average and maximum, where all are there, stand in this order.
    #[must_use]
    pub fn is_ordered(&self) -> bool {
        let (Reading::Value(min), Reading::Value(avg), Reading::Value(max)) =
            (self.minimum, self.average, self.maximum)
        else {
            return true;
        };
        let at_most = |a: Measured, b| a.compare(b).is_some_and(core::cmp::Ordering::is_le);
        at_most(min, avg) && at_most(avg, max)
    }
}

/// Which pages of C-CMIS performance and alarms a module really has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PmPages {
    /// 34h, media FEC.
    pub media_fec: bool,
    /// 35h, media link.
    pub link: bool,
    /// 3Ah, host FEC.
    pub host_fec: bool,
    /// 33h, media alarm flags.
    pub media_alarms: bool,
    /// 3Bh, host alarm flags.
    pub host_alarms: bool,
    /// What 42h says about 35h.
    pub advertisement: PmAdvertisement,
}

/// All that one bank of a module monitors: what [`crate::procedure::Survey`] ends with.
///
/// It holds as long as the bank's commissioning does: descriptors may change when a data path is commissioned or
/// decommissioned (OIF-CMIS-05.4, VDM). [`crate::procedure::FullSweepReport::fits`] tells.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MonitorCatalogue {
    /// The bank.
    pub bank: u8,
    /// Monitors of lower memory and lanes.
    pub support: MonitorSupport,
    /// Thresholds of page 02h; `None` on flat memory and where the page cannot be read.
    pub thresholds: Option<ModuleThresholds>,
    /// VDM instances; `None` without VDM.
    pub vdm: Option<VdmGroups>,
    /// C-CMIS pages.
    pub pm: PmPages,
    /// DPConfig of the active control set (11h:206-213) when the descriptors were read.
    pub commissioned: [u8; 8],
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::vec;

    fn groups(descriptors: &[(u8, u8, u8)]) -> VdmGroups {
        let mut page = [0_u8; 128];
        for (index, (set, lane, observable)) in descriptors.iter().enumerate() {
            page[2 * index] = (set << 4) | lane;
            page[2 * index + 1] = *observable;
        }
        let mut groups = VdmGroups { groups: 2, ..VdmGroups::default() };
        VdmInstance::decode_page(Block::new(Address::page(0x21, 128), &page), 1, &mut groups.instances);
        groups
    }

    #[test]
    fn instances_of_a_group_know_their_sample_their_flags_and_their_thresholds() {
        let mut groups = groups(&[(3, 15, 4), (0, 0, 0), (1, 0, 139), (2, 0, 110)]);
        assert_eq!(groups.instances.len(), 3, "unused descriptors are left out");
        let osnr = *groups.find(Observable::Osnr, 0).unwrap();
        assert_eq!((osnr.page, osnr.byte, osnr.number()), (0x25, 132, 66));
        assert_eq!(osnr.flag_place(), (161, false));
        let flags = [0_u8, 0xA5];
        let block = Block::new(Address::page(0x2C, 160), &flags);
        assert_eq!(osnr.flags(block), Some(0x5));
        assert_eq!(groups.instances[2].flags(block), Some(0xA), "the odd instance has the high nibble");
        assert_eq!(groups.thresholds(&osnr), None, "not read");
        let mut page = [0_u8; 128];
        page[8..16].copy_from_slice(&[0x01, 0x90, 0x00, 0xB4, 0x01, 0x5E, 0x00, 0xC8]);
        groups.take_thresholds(1, Block::new(Address::page(0x29, 128), &page));
        let thresholds = groups.thresholds(&osnr).unwrap();
        assert_eq!((thresholds.high_alarm.units(), thresholds.low_warning.units()), (400, 200));
        assert_eq!(groups.thresholds(&groups.instances[2]), None, "a custom type has no scale");
        assert_eq!(groups.instances[2].known(), None);
        assert!(groups.find(Observable::LaserTemperature, 3).is_some(), "the module's, for every lane");
        assert!(groups.find(Observable::Osnr, 3).is_none());
    }

    #[test]
    fn statistics_are_collected_by_quantity_and_lane() {
        let groups = groups(&[(0, 0, 9), (0, 0, 11), (0, 0, 13), (0, 0, 15), (0, 1, 15), (0, 0, 25)]);
        let keys: std::vec::Vec<_> = groups.quantities().collect();
        let ber = Observable::PreFecBerMedia;
        assert_eq!(keys, vec![(ber, 0), (ber, 1), (Observable::FrameErrorsMedia, 0)]);
        let raw = |instance: &VdmInstance| Reading::Value(0x9100 + u16::from(instance.byte));
        let readings = QuantityReadings::collect(&groups, ber, 0, raw);
        assert_eq!(readings.minimum.value().unwrap().observable, Observable::PreFecBerMediaMin);
        assert!(!readings.is_ordered(), "these samples rise in the order min, max, avg");
        let other = QuantityReadings::collect(&groups, ber, 1, raw);
        assert_eq!((other.minimum, other.total), (Reading::Unsupported, Reading::Unsupported));
        assert!(other.current.value().is_some() && other.is_ordered());
        let frozen: std::vec::Vec<_> = groups.instances.iter().map(VdmInstance::is_statistic).collect();
        assert_eq!(frozen, vec![true, true, true, false, false, true]);
    }

    proptest! {
        #[test]
        fn any_descriptor_page_is_decoded(page in prop::collection::vec(any::<u8>(), 128), group in any::<u8>()) {
            let mut instances = Vec::new();
            VdmInstance::decode_page(Block::new(Address::page(0x20, 128), &page), group, &mut instances);
            let used = page.iter().skip(1).step_by(2).filter(|observable| **observable != 0).count();
            prop_assert_eq!(instances.len(), used);
            let mut groups = VdmGroups { instances, ..VdmGroups::default() };
            groups.take_thresholds(group, Block::new(Address::page(0x28, 128), &page));
            for instance in &groups.instances {
                prop_assert_eq!(instance.group(), group & 3);
                let _ = (groups.thresholds(instance), instance.number(), instance.flags(Block::new(Address::page(0x2C, 128), &page)));
            }
            for (quantity, lane) in groups.quantities() {
                let readings = QuantityReadings::collect(&groups, quantity, lane, |_| Reading::Value(0));
                prop_assert!(readings.is_ordered());
            }
        }
    }
}
