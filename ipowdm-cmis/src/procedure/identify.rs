//! Identification: what the module is, what it advertises, what it can do.

use super::module_info::{
    Application, CdbSupport, Durations, FineTuning, ModuleInfo, VdmInstance, VdmSpan, text,
};
use super::{Op, ProcError, Procedure, Reply, data, read};
use crate::codes::{ModuleState, Observable, duration_limit};
use crate::map::{Address, Block, Field, lower, page00, page01, page2f, page04};
use crate::time::Millis;
use core::time::Duration;
use ipowdm_core::capability::{ApplicationInfo, GridRange, PowerRange};
use ipowdm_core::grid::Grid;
use ipowdm_core::units::Power;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Basics,
    Lower,
    Identity,
    Advertisement,
    Laser,
    VdmGroups,
    /// Descriptor page of this group, 0-3.
    VdmDescriptors(u8),
    Over,
}

/// Reads what the module is. Writes nothing but the page selection, and reads no clear-on-read flag.
///
/// ```text
/// Basics → Lower → Identity ─flat→ Done
///                     └→ Advertisement → Laser (if tunable) → VdmGroups (if VDM) → VdmDescriptors × groups → Done
/// ```
///
/// A page that is advertised and yet not there counts as not advertised.
#[derive(Debug)]
pub struct Identify {
    phase: Phase,
    info: ModuleInfo,
    vdm_groups: u8,
    list_ended: bool,
}

impl Default for Identify {
    fn default() -> Self {
        Self::new()
    }
}

const BASICS: (Address, u8) = (Address::lower(0), 8);
/// From the active firmware to the last application descriptor; no clear-on-read register lies between.
const LOWER: (Address, u8) = (Address::lower(39), 79);
const IDENTITY: (Address, u8) = (Address::page(0x00, 128), 95);
const ADVERTISEMENT: (Address, u8) = (Address::page(0x01, 128), 128);
const LASER: (Address, u8) = (Address::page(0x04, 128), 74);
const VDM_GROUPS: (Address, u8) = (Address::page(0x2F, 128), 1);

/// Whether bytes 0 and 1 are those of a module that is managed by CMIS. Identifiers 03h-17h and 1Ah are other memory maps
/// (SFF-8024, identifier values).
pub(crate) const fn is_cmis(identifier: u8, revision: u8) -> bool {
    matches!(identifier, 0x18 | 0x19 | 0x1B | 0x1E..=0x2F) && !matches!(revision, 0 | 0xFF)
}

impl Identify {
    /// An identification that has not begun.
    #[must_use]
    pub fn new() -> Self {
        Self { phase: Phase::Basics, info: ModuleInfo::empty(), vdm_groups: 0, list_ended: false }
    }

    fn place(phase: Phase) -> (Address, u8) {
        match phase {
            Phase::Basics | Phase::Over => BASICS,
            Phase::Lower => LOWER,
            Phase::Identity => IDENTITY,
            Phase::Advertisement => ADVERTISEMENT,
            Phase::Laser => LASER,
            Phase::VdmGroups => VDM_GROUPS,
            Phase::VdmDescriptors(group) => (Address::page(0x20 + group.min(3), 128), 128),
        }
    }

    /// Takes the data of a phase; the next phase.
    fn take(&mut self, phase: Phase, block: Block<'_>) -> Result<Phase, ProcError> {
        Ok(match phase {
            Phase::Basics => {
                self.take_basics(block)?;
                Phase::Lower
            }
            Phase::Lower => {
                self.take_lower(block);
                Phase::Identity
            }
            Phase::Identity => {
                self.take_identity(block);
                if self.info.flat_memory { Phase::Over } else { Phase::Advertisement }
            }
            Phase::Advertisement => {
                self.take_advertisement(block);
                if self.info.tunable { Phase::Laser } else { self.vdm_or_over() }
            }
            Phase::Laser => {
                self.take_laser(block);
                self.vdm_or_over()
            }
            Phase::VdmGroups => {
                self.vdm_groups = block.byte(page2f::VDM_GROUPS_SUPPORTED).unwrap_or(0) + 1;
                Phase::VdmDescriptors(0)
            }
            Phase::VdmDescriptors(group) => {
                self.take_descriptors(group, block);
                if group + 1 < self.vdm_groups.min(4) {
                    Phase::VdmDescriptors(group + 1)
                } else {
                    Phase::Over
                }
            }
            Phase::Over => Phase::Over,
        })
    }

    fn vdm_or_over(&self) -> Phase {
        if self.info.vdm { Phase::VdmGroups } else { Phase::Over }
    }

    /// What follows when a page is advertised and yet not there.
    fn missing(&mut self, phase: Phase) -> Option<Phase> {
        match phase {
            Phase::Laser => {
                self.info.tunable = false;
                Some(self.vdm_or_over())
            }
            Phase::VdmGroups | Phase::VdmDescriptors(_) => Some(Phase::Over),
            _ => None,
        }
    }

    fn take_basics(&mut self, block: Block<'_>) -> Result<(), ProcError> {
        let identifier = block.byte(lower::SFF8024_IDENTIFIER).unwrap_or(0xFF);
        let revision = block.byte(lower::CMIS_REVISION).unwrap_or(0);
        if !is_cmis(identifier, revision) {
            return Err(ProcError::NotCmis { identifier, revision });
        }
        self.info.identifier = identifier;
        self.info.cmis_revision = (revision >> 4, revision & 0x0F);
        self.info.flat_memory = block.flag(lower::MEMORY_MODEL_FLAT).unwrap_or(false);
        self.info.module_state = ModuleState::from_code(block.byte(lower::MODULE_STATE).unwrap_or(0));
        self.info.controls.stepped_config_only = block.flag(lower::STEPPED_CONFIG_ONLY).unwrap_or(false);
        let from_5_0 = self.info.cmis_revision.0 >= 5;
        self.info.controls.init_pending = from_5_0;
        self.info.controls.auto_commissioning =
            if from_5_0 { block.byte(lower::AUTO_COMMISSIONING).unwrap_or(0) } else { 0 };
        Ok(())
    }

    fn take_lower(&mut self, block: Block<'_>) {
        self.info.firmware = (
            block.byte(lower::ACTIVE_FIRMWARE_MAJOR).unwrap_or(0),
            block.byte(lower::ACTIVE_FIRMWARE_MINOR).unwrap_or(0),
        );
        for index in 0..8 {
            self.take_application(block, index, 0);
        }
    }

    /// Takes descriptor `index` (0-based) unless the list has ended; `from` is the index of the block's first descriptor.
    fn take_application(&mut self, block: Block<'_>, index: u8, from: u8) {
        if self.list_ended {
            return;
        }
        let fields: [Field; 5] = if from == 0 {
            [
                lower::APP_HOST_INTERFACE_ID,
                lower::APP_MEDIA_INTERFACE_ID,
                lower::APP_HOST_LANE_COUNT,
                lower::APP_MEDIA_LANE_COUNT,
                lower::APP_HOST_LANE_ASSIGNMENT_OPTIONS,
            ]
        } else {
            [
                page01::APP_HOST_INTERFACE_ID,
                page01::APP_MEDIA_INTERFACE_ID,
                page01::APP_HOST_LANE_COUNT,
                page01::APP_MEDIA_LANE_COUNT,
                page01::APP_HOST_LANE_ASSIGNMENT_OPTIONS,
            ]
        };
        let get = |field: Field| block.byte_at(field, u16::from(index - from)).unwrap_or(0);
        let host_code = get(fields[0]);
        self.list_ended = host_code == crate::codes::END_OF_APPLICATIONS;
        // Host interface 00h is "undefined" in SFF-8024: an unused descriptor, which does not end the list.
        if self.list_ended || host_code == 0 {
            return;
        }
        let application = Application {
            info: ApplicationInfo {
                app_sel: index + 1,
                host_code,
                media_code: get(fields[1]),
                host_lanes: get(fields[2]),
                media_lanes: get(fields[3]),
            },
            host_assignment: get(fields[4]),
            media_assignment: 1,
        };
        let _ = self.info.capability.applications.push(application.info);
        let _ = self.info.applications.push(application);
    }

    fn take_identity(&mut self, block: Block<'_>) {
        let info = &mut self.info;
        info.vendor_name = text(block.bytes(page00::VENDOR_NAME));
        info.part_number = text(block.bytes(page00::VENDOR_PN));
        info.revision = text(block.bytes(page00::VENDOR_REV));
        info.serial_number = text(block.bytes(page00::VENDOR_SN));
        info.date_code = text(block.slice(page00::DATE_YEAR.byte, 8));
        info.technology = block.byte(page00::MEDIA_INTERFACE_TECHNOLOGY).unwrap_or(0);
        info.media_lanes_unsupported = block.byte(page00::MEDIA_LANE_UNSUPPORTED).unwrap_or(0);
        let sum =
            block.slice(128, 94).map(|bytes| bytes.iter().fold(0_u8, |sum, byte| sum.wrapping_add(*byte)));
        info.identity_checksum_ok = sum.is_some() && sum == block.byte(page00::PAGE00_CHECKSUM);
    }

    fn take_advertisement(&mut self, block: Block<'_>) {
        let duration = |field| duration_limit(block.byte(field).unwrap_or(15));
        self.info.coherent_pages = block.flag(page01::COHERENT_PAGES_SUPPORTED).unwrap_or(false);
        self.info.vdm = block.flag(page01::VDM_PAGES_SUPPORTED).unwrap_or(false);
        self.info.tunable = block.flag(page01::TRANSMITTER_IS_TUNABLE).unwrap_or(false);
        self.info.banks = match block.byte(page01::BANKS_SUPPORTED).unwrap_or(0) {
            0 => 1,
            1 => 2,
            2 => 4,
            _ => block.byte(page01::EXTRA_LANE_BANKS_SUPPORTED).unwrap_or(0) + 1,
        };
        self.info.durations = Some(Durations {
            dp_init: duration(page01::MAX_DURATION_DP_INIT),
            dp_deinit: duration(page01::MAX_DURATION_DP_DEINIT),
            power_up: duration(page01::MAX_DURATION_MODULE_PWR_UP),
            power_down: duration(page01::MAX_DURATION_MODULE_PWR_DN),
            tx_on: duration(page01::MAX_DURATION_DP_TX_TURN_ON),
            tx_off: duration(page01::MAX_DURATION_DP_TX_TURN_OFF),
        });
        self.take_controls(block);
        self.info.cdb = cdb_support(block);
        for index in 8..15 {
            self.take_application(block, index, 8);
        }
        for application in &mut self.info.applications {
            let index = u16::from(application.info.app_sel) - 1;
            let options = block.byte_at(page01::APP_MEDIA_LANE_ASSIGNMENT_OPTIONS, index).unwrap_or(0);
            application.media_assignment = if options == 0 { 1 } else { options };
        }
    }

    fn take_controls(&mut self, block: Block<'_>) {
        let flag = |field| block.flag(field).unwrap_or(false);
        let controls = &mut self.info.controls;
        controls.staged_set1 = flag(page01::STAGED_SET1_SUPPORTED);
        controls.output_disable_tx = flag(page01::OUTPUT_DISABLE_TX_SUPPORTED);
        controls.tx_disable_is_module_wide = flag(page01::TX_DISABLE_IS_MODULE_WIDE);
        controls.forced_squelch_tx = flag(page01::FORCED_SQUELCH_TX_SUPPORTED);
        controls.bank_broadcast = flag(page01::BANK_BROADCAST_SUPPORTED);
        controls.diagnostics = flag(page01::DIAGNOSTIC_PAGES_SUPPORTED);
    }

    fn take_laser(&mut self, block: Block<'_>) {
        for (grid, supported, low, high) in GRIDS {
            let limits = (block.signed(low), block.signed(high));
            if let (Some(true), (Some(low_channel), Some(high_channel))) = (block.flag(supported), limits)
                && low_channel <= high_channel
            {
                let _ = self.info.capability.grids.push(GridRange { grid, low_channel, high_channel });
            }
        }
        let offsets =
            (block.signed(page04::FINE_TUNING_LOW_OFFSET), block.signed(page04::FINE_TUNING_HIGH_OFFSET));
        if let (Some(true), (Some(low), Some(high))) = (block.flag(page04::FINE_TUNING_SUPPORTED), offsets)
            && low <= high
        {
            let resolution = block.word_at(page04::FINE_TUNING_RESOLUTION, 0).unwrap_or(1).max(1);
            self.info.fine_tuning = Some(FineTuning { resolution, low, high });
        }
        let programmable = block.flag(page04::PROG_OUTPUT_POWER_PER_LANE_SUPPORTED).unwrap_or(false);
        let range =
            (block.signed(page04::MIN_PROG_OUTPUT_POWER), block.signed(page04::MAX_PROG_OUTPUT_POWER));
        if let (true, (Some(min), Some(max))) = (programmable, range)
            && min <= max
        {
            self.info.capability.tx_power =
                Some(PowerRange { min: Power::from_hundredths(min), max: Power::from_hundredths(max) });
        }
    }

    fn take_descriptors(&mut self, group: u8, block: Block<'_>) {
        let known = self.info.vdm_instances.len();
        VdmInstance::decode_page(block, group, &mut self.info.vdm_instances);
        let is_swept = |instance: &&VdmInstance| {
            matches!(instance.lane, 0 | 15)
                && instance.known().is_some_and(|observable| Observable::SWEPT.contains(&observable))
        };
        let mut swept = self.info.vdm_instances.iter().skip(known).filter(is_swept).map(|i| i.byte);
        if let Some(first) = swept.next() {
            // In the order of their descriptors, which is that of their samples.
            let last = swept.next_back().unwrap_or(first);
            let span = VdmSpan { page: 0x24 + group, byte: first, len: last - first + 2 };
            let _ = self.info.vdm_spans.push(span);
        }
    }
}

impl Procedure for Identify {
    type Output = Result<ModuleInfo, ProcError>;

    fn step(&mut self, _now: Millis, reply: Reply<'_>) -> Op<Self::Output> {
        let phase = self.phase;
        let (at, len) = Self::place(phase);
        if reply == Reply::Start {
            return read(at, len);
        }
        let next = match data(&reply, at).and_then(|bytes| self.take(phase, Block::new(at, bytes))) {
            Ok(next) => next,
            Err(error @ ProcError::Bus { source, .. }) => {
                let missing = matches!(source, crate::access::TransportError::PageUnsupported { .. });
                match self.missing(phase) {
                    Some(next) if missing => next,
                    _ => return Op::Done(Err(error)),
                }
            }
            Err(error) => return Op::Done(Err(error)),
        };
        self.phase = next;
        if next == Phase::Over {
            let info = core::mem::replace(&mut self.info, ModuleInfo::empty());
            return Op::Done(Ok(info));
        }
        let (at, len) = Self::place(next);
        read(at, len)
    }
}

/// The command data block's advertisement, 01h:163-166; `None` where no instance is advertised.
fn cdb_support(block: Block<'_>) -> Option<CdbSupport> {
    let byte = |field| block.byte(field).unwrap_or(0);
    let flag = |field| block.flag(field).unwrap_or(false);
    let instances = byte(page01::CDB_INSTANCES_SUPPORTED).min(2);
    if instances == 0 {
        return None;
    }
    let payload_pages = match byte(page01::CDB_MAX_PAGES_EPL) {
        few @ 0..=3 => few,
        4 => 4,
        5 => 8,
        6 => 12,
        7 => 16,
        _ => 0,
    };
    // The short busy time is at most 80 ms whatever its code; the extended one counts 160 ms steps.
    let busy_limit = if flag(page01::CDB_MAX_BUSY_SPEC_METHOD) {
        Duration::from_millis(160) * u32::from(byte(page01::CDB_EXT_MAX_BUSY_TIME).max(1))
    } else {
        Duration::from_millis(80)
    };
    Some(CdbSupport {
        instances,
        background: flag(page01::CDB_BACKGROUND_MODE_SUPPORTED),
        auto_paging: flag(page01::CDB_AUTO_PAGING_SUPPORTED),
        payload_pages,
        access_len: 8 * (1 + u16::from(byte(page01::CDB_READ_WRITE_LENGTH_EXTENSION))),
        trigger_in_sequence: flag(page01::CDB_COMMAND_TRIGGER_METHOD),
        busy_limit,
    })
}

/// Grids with their capability registers (page 04h).
const GRIDS: [(Grid, Field, Field, Field); 10] = [
    (Grid::Ghz300, page04::GRID300GHZ_SUPPORTED, page04::LOW_CHANNEL300GHZ, page04::HIGH_CHANNEL300GHZ),
    (Grid::Ghz150, page04::GRID150GHZ_SUPPORTED, page04::LOW_CHANNEL150GHZ, page04::HIGH_CHANNEL150GHZ),
    (Grid::Ghz100, page04::GRID100GHZ_SUPPORTED, page04::LOW_CHANNEL100GHZ, page04::HIGH_CHANNEL100GHZ),
    (Grid::Ghz75, page04::GRID75GHZ_SUPPORTED, page04::LOW_CHANNEL75GHZ, page04::HIGH_CHANNEL75GHZ),
    (Grid::Ghz50, page04::GRID50GHZ_SUPPORTED, page04::LOW_CHANNEL50GHZ, page04::HIGH_CHANNEL50GHZ),
    (Grid::Ghz33, page04::GRID33GHZ_SUPPORTED, page04::LOW_CHANNEL33GHZ, page04::HIGH_CHANNEL33GHZ),
    (Grid::Ghz25, page04::GRID25GHZ_SUPPORTED, page04::LOW_CHANNEL25GHZ, page04::HIGH_CHANNEL25GHZ),
    (Grid::Ghz12p5, page04::GRID12P5GHZ_SUPPORTED, page04::LOW_CHANNEL12P5GHZ, page04::HIGH_CHANNEL12P5GHZ),
    (Grid::Ghz6p25, page04::GRID6P25GHZ_SUPPORTED, page04::LOW_CHANNEL6P25GHZ, page04::HIGH_CHANNEL6P25GHZ),
    (
        Grid::Ghz3p125,
        page04::GRID3P125GHZ_SUPPORTED,
        page04::LOW_CHANNEL3P125GHZ,
        page04::HIGH_CHANNEL3P125GHZ,
    ),
];
