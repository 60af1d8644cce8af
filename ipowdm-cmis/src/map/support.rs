//! Which pages a module has, by its own advertisements.

use super::{Block, Field, lower, page01, page2f};

/// When a page exists (OIF-CMIS-05.4, supported pages advertisement).
///
/// An advertisement of a range of pages does not promise each of them: C-CMIS leaves some of 30h-4Fh to the module. A page
/// that is advertised and yet not there shows as [`PageUnsupported`](crate::access::TransportError::PageUnsupported).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Support {
    /// On every module.
    Always,
    /// On every module with paged memory (00h:2.7 = 0).
    Paged,
    /// 01h:142.2, user memory.
    UserMemory,
    /// 01h:142.3, form factor specific.
    FormFactor,
    /// 01h:155.6, tunable transmitter.
    Tunable,
    /// 01h:142.5, diagnostics.
    Diagnostics,
    /// 01h:145.3, timing.
    Timing,
    /// 01h:142.7, network path.
    NetworkPath,
    /// 01h:162.7, versatile control sets.
    VersatileControl,
    /// 01h:175 above 0, normalised application descriptors.
    NormalizedApplications,
    /// 01h:252.7, host lane switching.
    LaneSwitching,
    /// 01h:142.6, VDM control, flags and masks.
    Vdm,
    /// 01h:142.6 and as many groups in 2Fh:128.1-0 as this one's number, 1-4; one group where 2Fh does not say.
    VdmGroup(u8),
    /// 01h:142.4, coherent.
    Coherent,
    /// 01h:163.7-6 above 0, command data block.
    Cdb,
    /// 01h:163.3-0, as many pages of extended payload as this one's number, 1-16.
    CdbPayload(u8),
    /// 01h:173.7, further firmware pages.
    FirmwareDetails,
    /// 01h:173.6, firmware status.
    FirmwareStatus,
    /// No declared condition: reserved pages and vendors' own.
    Unknown,
}

impl Support {
    /// The condition of a page.
    #[must_use]
    pub const fn of_page(page: u8) -> Self {
        match page {
            0x00 => Self::Always,
            0x01 | 0x02 | 0x10 | 0x11 => Self::Paged,
            0x03 => Self::UserMemory,
            0x04 | 0x12 => Self::Tunable,
            0x05 => Self::FormFactor,
            0x0C => Self::FirmwareDetails,
            0x0D => Self::FirmwareStatus,
            0x13 | 0x14 => Self::Diagnostics,
            0x15 => Self::Timing,
            0x16 | 0x17 => Self::NetworkPath,
            0x18 | 0x19 => Self::VersatileControl,
            0x1C => Self::NormalizedApplications,
            0x1D => Self::LaneSwitching,
            0x20..=0x2B => Self::VdmGroup((page & 3) + 1),
            0x2C..=0x2F => Self::Vdm,
            0x30..=0x4F => Self::Coherent,
            0x9F => Self::Cdb,
            0xA0..=0xAF => Self::CdbPayload(page - 0xA0 + 1),
            _ => Self::Unknown,
        }
    }

    /// Whether the module advertises what the condition asks for, by the lower memory, page 01h and page 2Fh as far as they
    /// were read. What is not there advertises nothing.
    #[must_use]
    pub fn is_advertised(
        self,
        lower: Block<'_>,
        page01: Option<Block<'_>>,
        page2f: Option<Block<'_>>,
    ) -> bool {
        if self == Self::Always {
            return true;
        }
        if lower.flag(lower::MEMORY_MODEL_FLAT) != Some(false) {
            return false;
        }
        let number = |field: Field| page01.and_then(|block| block.byte(field)).unwrap_or(0);
        let flag = |field: Field| number(field) != 0;
        let groups =
            || page2f.and_then(|block| block.byte(page2f::VDM_GROUPS_SUPPORTED)).map_or(1, |n| n + 1);
        match self {
            Self::Always | Self::Paged => true,
            Self::UserMemory => flag(page01::PAGE03H_SUPPORTED),
            Self::FormFactor => flag(page01::CMIS_FF_SUPPORTED),
            Self::Tunable => flag(page01::TRANSMITTER_IS_TUNABLE),
            Self::Diagnostics => flag(page01::DIAGNOSTIC_PAGES_SUPPORTED),
            Self::Timing => flag(page01::TIMING_PAGE15H_SUPPORTED),
            Self::NetworkPath => flag(page01::NETWORK_PATH_PAGES_SUPPORTED),
            Self::VersatileControl => flag(page01::VERSATILE_CONTROL_SET_SUPPORTED),
            Self::NormalizedApplications => flag(page01::NAD_BANKS_SUPPORTED),
            Self::LaneSwitching => flag(page01::HOST_LANE_SWITCHING_SUPPORTED),
            Self::Vdm => flag(page01::VDM_PAGES_SUPPORTED),
            Self::VdmGroup(group) => flag(page01::VDM_PAGES_SUPPORTED) && group <= groups(),
            Self::Coherent => flag(page01::COHERENT_PAGES_SUPPORTED),
            Self::Cdb => flag(page01::CDB_INSTANCES_SUPPORTED),
            Self::CdbPayload(page) => {
                flag(page01::CDB_INSTANCES_SUPPORTED)
                    && page <= payload_pages(number(page01::CDB_MAX_PAGES_EPL))
            }
            Self::FirmwareDetails => flag(page01::PAGE0_CH_SUPPORTED),
            Self::FirmwareStatus => flag(page01::PAGE0_DH_SUPPORTED),
            Self::Unknown => false,
        }
    }
}

/// Pages of extended payload that a code of 01h:163.3-0 stands for; reserved codes are none.
const fn payload_pages(code: u8) -> u8 {
    match code {
        0..=4 => code,
        5 => 8,
        6 => 12,
        7 => 16,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::map::Address;

    fn advertised(page: u8, set: &[(u8, u8)], flat: bool, groups: Option<u8>) -> bool {
        let lower = [0x18, 0x52, if flat { 0x80 } else { 0 }];
        let mut advertisement = [0_u8; 128];
        for (byte, value) in set {
            advertisement[usize::from(*byte - 128)] = *value;
        }
        let groups = groups.map(|groups| [groups]);
        Support::of_page(page).is_advertised(
            Block::new(Address::lower(0), &lower),
            Some(Block::new(Address::page(1, 128), &advertisement)),
            groups.as_ref().map(|byte| Block::new(Address::page(0x2F, 128), byte)),
        )
    }

    #[test]
    fn each_page_depends_on_its_own_bit() {
        // Page, byte, a bit that advertises it, the register's bits.
        let conditions: [(u8, u8, u8, u8); 15] = [
            (0x03, 142, 0x04, 0x04),
            (0x04, 155, 0x40, 0x40),
            (0x05, 142, 0x08, 0x08),
            (0x0C, 173, 0x80, 0x80),
            (0x0D, 173, 0x40, 0x40),
            (0x12, 155, 0x40, 0x40),
            (0x13, 142, 0x20, 0x20),
            (0x15, 145, 0x08, 0x08),
            (0x17, 142, 0x80, 0x80),
            (0x18, 162, 0x80, 0x80),
            (0x1C, 175, 0x01, 0xFF),
            (0x1D, 252, 0x80, 0x80),
            (0x2F, 142, 0x40, 0x40),
            (0x35, 142, 0x10, 0x10),
            (0x9F, 163, 0x40, 0xC0),
        ];
        for (page, byte, bit, register) in conditions {
            assert!(advertised(page, &[(byte, bit)], false, None), "{page:02X}h");
            assert!(!advertised(page, &[(byte, !register)], false, None), "{page:02X}h without its bit");
            assert!(!advertised(page, &[(byte, 0xFF)], true, None), "{page:02X}h on a flat memory");
        }
        assert!(advertised(0, &[], true, None) && advertised(0x10, &[], false, None));
        assert!(!advertised(0xB0, &[(142, 0xFF)], false, None), "nothing speaks for vendors' pages");
    }

    #[test]
    fn groups_and_payload_pages_are_counted() {
        let vdm = [(142, 0x40)];
        let has = |page, groups| advertised(page, &vdm, false, groups);
        assert!(has(0x20, Some(0)) && !has(0x21, Some(0)) && has(0x20, None) && !has(0x21, None));
        assert!(has(0x27, Some(3)) && !has(0x27, Some(2)) && has(0x2A, Some(2)));
        let cdb = |page, code: u8| advertised(page, &[(163, 0x40 | code)], false, None);
        assert!(cdb(0xA3, 4) && !cdb(0xA4, 4) && cdb(0xA7, 5) && cdb(0xAF, 7) && !cdb(0xA0, 8));
    }
}
