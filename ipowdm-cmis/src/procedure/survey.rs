//! What a module monitors: support bits, thresholds, VDM descriptors, C-CMIS pages.

use super::module_info::{ModuleInfo, SERIAL, same_module};
use super::{Op, ProcError, Procedure, Reply, data, read};
use crate::access::TransportError;
use crate::map::{Address, Block, page2f};
use crate::monitoring::{
    FecCounters, LinkPerformance, ModuleThresholds, MonitorCatalogue, MonitorSupport, PmAdvertisement,
    VdmGroups, VdmInstance,
};
use crate::time::Millis;
use heapless::String;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Identity,
    Support,
    Thresholds,
    Commissioned,
    VdmGroups,
    /// Descriptor page of this group, 0-3.
    Descriptors(u8),
    /// Threshold page of this group, 0-3.
    VdmThresholds(u8),
    Advertisement,
    MediaFec,
    Link,
    HostFec,
    MediaAlarms,
    HostAlarms,
    Over,
}

/// Finds out what one bank of a module monitors. Writes nothing but the page selection and clears no flag.
///
/// ```text
/// Identity → Support → Thresholds → Commissioned → VdmGroups → (Descriptors → VdmThresholds) × groups
///     → Advertisement → MediaFec → Link → HostFec → MediaAlarms → HostAlarms → Done
/// ```
///
/// A page that is not there leaves its part of the catalogue out; any other failure ends the survey, so that a module
/// that was busy is never taken for one that has less. To be repeated after every (de)commissioning: descriptors may
/// change with it.
#[derive(Debug)]
pub struct Survey {
    phase: Phase,
    serial: String<16>,
    flat: bool,
    vdm: bool,
    coherent: bool,
    catalogue: MonitorCatalogue,
}

impl Survey {
    /// A survey of a lane bank (0 for the first eight lanes) of the module that `info` describes.
    #[must_use]
    pub fn new(info: &ModuleInfo, bank: u8) -> Self {
        Self {
            phase: Phase::Identity,
            serial: info.serial_number.clone(),
            flat: info.flat_memory,
            vdm: info.vdm,
            coherent: info.coherent_pages,
            catalogue: MonitorCatalogue { bank, ..MonitorCatalogue::default() },
        }
    }

    fn place(&self, phase: Phase) -> (Address, u8) {
        let page = |page, byte| Address::page(page, byte).in_bank(self.catalogue.bank);
        match phase {
            Phase::Identity | Phase::Over => SERIAL,
            Phase::Support => MonitorSupport::PLACE,
            Phase::Thresholds => (Address::page(0x02, 128), 128),
            Phase::Commissioned => (page(0x11, 206), 8),
            Phase::VdmGroups => (page(0x2F, 128), 3),
            Phase::Descriptors(group) => (page(0x20 + group, 128), 128),
            Phase::VdmThresholds(group) => (page(0x28 + group, 128), 128),
            Phase::Advertisement => {
                let (at, len) = PmAdvertisement::PLACE;
                (at.in_bank(self.catalogue.bank), len)
            }
            // One byte tells whether a page is there. 33h:129 and 3Bh:128 are no flags, which a read would clear.
            Phase::MediaFec => (FecCounters::MEDIA.0.in_bank(self.catalogue.bank), 1),
            Phase::Link => (LinkPerformance::PLACE.0.in_bank(self.catalogue.bank), 1),
            Phase::HostFec => (FecCounters::HOST.0.in_bank(self.catalogue.bank), 1),
            Phase::MediaAlarms => (page(0x33, 129), 1),
            Phase::HostAlarms => (page(0x3B, 128), 1),
        }
    }

    fn next(&self, phase: Phase) -> Phase {
        let after_vdm = if self.coherent { Phase::Advertisement } else { Phase::Over };
        let groups = self.catalogue.vdm.as_ref().map_or(0, |vdm| vdm.groups);
        match phase {
            Phase::Identity if self.flat => Phase::Over,
            Phase::Identity => Phase::Support,
            Phase::Support => Phase::Thresholds,
            Phase::Thresholds => Phase::Commissioned,
            Phase::Commissioned if self.vdm => Phase::VdmGroups,
            Phase::Commissioned => after_vdm,
            Phase::VdmGroups if groups > 0 => Phase::Descriptors(0),
            Phase::VdmGroups => after_vdm,
            Phase::Descriptors(group) => Phase::VdmThresholds(group),
            Phase::VdmThresholds(group) if group + 1 < groups => Phase::Descriptors(group + 1),
            Phase::VdmThresholds(_) => after_vdm,
            Phase::Advertisement => Phase::MediaFec,
            Phase::MediaFec => Phase::Link,
            Phase::Link => Phase::HostFec,
            Phase::HostFec => Phase::MediaAlarms,
            Phase::MediaAlarms => Phase::HostAlarms,
            Phase::HostAlarms | Phase::Over => Phase::Over,
        }
    }

    fn take(&mut self, phase: Phase, block: Block<'_>) {
        let catalogue = &mut self.catalogue;
        match phase {
            Phase::Identity | Phase::Over => {}
            Phase::Support => catalogue.support = MonitorSupport::decode(block),
            Phase::Thresholds => catalogue.thresholds = ModuleThresholds::decode(block, catalogue.support),
            Phase::Commissioned => {
                let bytes = block.slice(206, 8).and_then(|bytes| bytes.try_into().ok());
                catalogue.commissioned = bytes.unwrap_or_default();
            }
            Phase::VdmGroups => {
                let groups = block.byte(page2f::VDM_GROUPS_SUPPORTED).unwrap_or(0) + 1;
                let fine_interval = block.word_at(page2f::FINE_INTERVAL_LENGTH, 0).unwrap_or(0);
                catalogue.vdm = Some(VdmGroups::new(groups, fine_interval));
            }
            Phase::Descriptors(group) => {
                if let Some(vdm) = &mut catalogue.vdm {
                    VdmInstance::decode_page(block, group, &mut vdm.instances);
                }
            }
            Phase::VdmThresholds(group) => {
                if let Some(vdm) = &mut catalogue.vdm {
                    vdm.take_thresholds(group, block);
                }
            }
            Phase::Advertisement => catalogue.pm.advertisement = PmAdvertisement::decode(Some(block)),
            Phase::MediaFec => catalogue.pm.media_fec = true,
            Phase::Link => catalogue.pm.link = true,
            Phase::HostFec => catalogue.pm.host_fec = true,
            Phase::MediaAlarms => catalogue.pm.media_alarms = true,
            Phase::HostAlarms => catalogue.pm.host_alarms = true,
        }
    }
}

impl Procedure for Survey {
    type Output = Result<MonitorCatalogue, ProcError>;

    fn step(&mut self, _now: Millis, reply: Reply<'_>) -> Op<Self::Output> {
        let phase = self.phase;
        let (at, len) = self.place(phase);
        if reply == Reply::Start {
            return read(at, len);
        }
        match data(&reply, at) {
            Ok(bytes) if phase == Phase::Identity => {
                if let Err(error) = same_module(&self.serial, bytes) {
                    return Op::Done(Err(error));
                }
            }
            Ok(bytes) => self.take(phase, Block::new(at, bytes)),
            Err(ProcError::Bus { source: TransportError::PageUnsupported { .. }, .. })
                if phase != Phase::Identity => {}
            Err(error) => return Op::Done(Err(error)),
        }
        self.phase = self.next(phase);
        if self.phase == Phase::Over {
            return Op::Done(Ok(core::mem::take(&mut self.catalogue)));
        }
        let (at, len) = self.place(self.phase);
        read(at, len)
    }
}
