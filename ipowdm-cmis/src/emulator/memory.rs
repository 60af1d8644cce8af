//! Memory when the power comes on: what a profile makes of it, and which pages there are.

use super::cells::{Cells, Writer, page_masks, value_of};
use super::placement::Placement;
use super::profile::{ProfileData, write_registers};
use super::vdm;
use crate::map::{
    Field, lower, page00, page01, page02, page2f, page04, page10, page11, page12, page13, page20, page28,
};
use ipowdm_core::grid::Grid;
use std::vec::Vec;

/// The shape of a module, as its own memory advertises it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Layout {
    pub(super) flat: bool,
    /// Lane banks.
    pub(super) banks: usize,
    /// Media lanes of a bank that have a transmitter and a receiver.
    pub(super) media_lanes: usize,
    pub(super) tunable: bool,
    pub(super) vdm: bool,
    pub(super) coherent: bool,
    pub(super) diagnostics: bool,
    pub(super) cdb_instances: u8,
    pub(super) cdb_background: bool,
    /// Pages of EPL.
    pub(super) epl_pages: u8,
    pub(super) staged_set_1: bool,
    pub(super) unidirectional: bool,
    /// SteppedConfigOnly without automatic commissioning by ApplyDPInit.
    pub(super) stepped: bool,
    firmware_status: bool,
}

impl Layout {
    pub(super) fn of(data: &ProfileData) -> Self {
        let every: Vec<u8> = (0..=0x7F).collect();
        let mut cells = Cells::new(1, &every);
        // A profile that was checked has no register that fails.
        let _ = write_registers(data, &mut cells);
        let get = |field: Field| value_of(&cells, 0, field, 0);
        let set = |field: Field| get(field) != 0;
        let media = data.applications.iter().map(|row| {
            let last_start = 7 - row.media_assignment.leading_zeros().min(7);
            usize::try_from(last_start).unwrap_or(0) + usize::from(row.media_lanes)
        });
        Self {
            flat: set(lower::MEMORY_MODEL_FLAT),
            banks: match get(page01::BANKS_SUPPORTED) {
                0 => 1,
                1 => 2,
                2 => 4,
                _ => usize::from(get(page01::EXTRA_LANE_BANKS_SUPPORTED)) + 1,
            },
            media_lanes: media.max().unwrap_or(1).min(8),
            tunable: set(page01::TRANSMITTER_IS_TUNABLE),
            vdm: set(page01::VDM_PAGES_SUPPORTED),
            coherent: set(page01::COHERENT_PAGES_SUPPORTED),
            diagnostics: set(page01::DIAGNOSTIC_PAGES_SUPPORTED),
            cdb_instances: get(page01::CDB_INSTANCES_SUPPORTED).min(2),
            cdb_background: set(page01::CDB_BACKGROUND_MODE_SUPPORTED),
            epl_pages: [0, 1, 2, 3, 4, 8, 12, 16][usize::from(get(page01::CDB_MAX_PAGES_EPL).min(7))],
            staged_set_1: set(page01::STAGED_SET1_SUPPORTED),
            unidirectional: set(page01::UNIDIR_RECONFIG_SUPPORTED),
            stepped: set(lower::STEPPED_CONFIG_ONLY) && get(lower::AUTO_COMMISSIONING) != 1,
            firmware_status: set(page01::PAGE0_DH_SUPPORTED),
        }
    }

    fn cdb_pages(&self) -> Vec<u8> {
        if self.cdb_instances == 0 {
            return Vec::new();
        }
        core::iter::once(0x9F).chain((0..self.epl_pages.min(16)).map(|page| 0xA0 + page)).collect()
    }

    fn pages(&self, vdm_groups: u8) -> Vec<u8> {
        let mut pages = std::vec![0x00];
        if self.flat {
            return pages;
        }
        pages.extend([0x01, 0x02, 0x10, 0x11]);
        if self.tunable {
            pages.extend([0x04, 0x12]);
        }
        if self.firmware_status {
            pages.push(0x0D);
        }
        if self.diagnostics {
            pages.extend([0x13, 0x14]);
        }
        if self.vdm {
            for group in 0..vdm_groups.min(4) {
                pages.extend([0x20 + group, 0x24 + group, 0x28 + group]);
            }
            pages.extend([0x2C, 0x2D, 0x2F]);
        }
        if self.coherent {
            pages.extend([0x30, 0x31, 0x32, 0x33, 0x34, 0x35, 0x38, 0x3A, 0x3B]);
            pages.extend([0x40, 0x41, 0x42, 0x43, 0x44, 0x45]);
        }
        pages.extend(self.cdb_pages());
        pages
    }
}

/// The memory of a module of this profile when the power comes on.
pub(super) fn at_power_on(data: &ProfileData, layout: &Layout, serial: u32) -> Cells {
    let groups = data.vdm.as_ref().map_or(0, |vdm| vdm.groups.len());
    let groups = u8::try_from(groups).unwrap_or(4);
    let mut cells = Cells::new(layout.banks, &layout.pages(groups));
    for bank in 1..layout.cdb_instances {
        cells.add_cdb_instance(usize::from(bank), &layout.cdb_pages());
    }
    // A profile that was checked has no register that fails.
    let _ = write_registers(data, &mut cells);
    spread_over_banks(&mut cells, layout);
    let mut to = Writer { cells: &mut cells, bank: 0 };
    write_applications(&mut to, data);
    write_identity(&mut to, data, serial);
    if layout.flat {
        return cells;
    }
    write_durations(&mut to, data);
    write_laser_capability(&mut to, data);
    to.value(lower::LOW_PWR_ALLOW_REQUEST_HW, 0, 1);
    for (field, first) in
        [(page01::PAGE01_CHECKSUM, 130), (page02::PAGE02_CHECKSUM, 128), (page04::PAGE04_CHECKSUM, 128)]
    {
        to.checksum(field, first, 254);
    }
    for bank in 0..layout.banks {
        let bank = u8::try_from(bank).unwrap_or(0);
        let mut to = Writer { cells: &mut cells, bank };
        write_controls(&mut to, data, layout);
        write_vdm(&mut to, data);
        mask_coherent_flags(&mut to);
    }
    cells
}

/// What a profile says of a lane-banked page holds in every bank.
fn spread_over_banks(cells: &mut Cells, layout: &Layout) {
    for page in 0x10..=0x4F {
        let Some(half) = cells.page(0, page).copied() else { continue };
        for bank in 1..layout.banks {
            if let Some(other) = cells.page_mut(u8::try_from(bank).unwrap_or(0), page) {
                *other = half;
            }
        }
    }
}

fn write_applications(to: &mut Writer<'_>, data: &ProfileData) {
    let rows = data.applications.len();
    for (slot, row) in data.applications.iter().take(15).enumerate() {
        let slot = u16::try_from(slot).unwrap_or(0);
        let fields = descriptor(slot);
        to.value(fields.0[0], fields.1, row.host_code);
        to.value(fields.0[1], fields.1, row.media_code);
        to.value(fields.0[2], fields.1, row.host_lanes);
        to.value(fields.0[3], fields.1, row.media_lanes);
        to.value(fields.0[4], fields.1, row.host_assignment);
        to.value(page01::APP_MEDIA_LANE_ASSIGNMENT_OPTIONS, slot, row.media_assignment);
    }
    // The first descriptor that is not used ends the list.
    if rows < 15 {
        let (fields, index) = descriptor(u16::try_from(rows).unwrap_or(0));
        to.value(fields[0], index, 0xFF);
    }
}

/// The registers of an application descriptor: host, media, host lanes, media lanes, assignment; and the element.
const fn descriptor(slot: u16) -> ([Field; 5], u16) {
    if slot < 8 {
        let fields = [
            lower::APP_HOST_INTERFACE_ID,
            lower::APP_MEDIA_INTERFACE_ID,
            lower::APP_HOST_LANE_COUNT,
            lower::APP_MEDIA_LANE_COUNT,
            lower::APP_HOST_LANE_ASSIGNMENT_OPTIONS,
        ];
        return (fields, slot);
    }
    let fields = [
        page01::APP_HOST_INTERFACE_ID,
        page01::APP_MEDIA_INTERFACE_ID,
        page01::APP_HOST_LANE_COUNT,
        page01::APP_MEDIA_LANE_COUNT,
        page01::APP_HOST_LANE_ASSIGNMENT_OPTIONS,
    ];
    (fields, slot - 8)
}

fn write_identity(to: &mut Writer<'_>, data: &ProfileData, serial: u32) {
    let identifier = to.cells.get(0, 0, lower::SFF8024_IDENTIFIER.byte);
    to.value(page00::SFF8024_IDENTIFIER_COPY, 0, identifier);
    to.text(page00::VENDOR_SN, &std::format!("{}{serial:08}", data.serial_prefix));
    to.checksum(page00::PAGE00_CHECKSUM, 128, 221);
}

fn write_durations(to: &mut Writer<'_>, data: &ProfileData) {
    let states = data.durations;
    for (field, dwell) in [
        (page01::MAX_DURATION_DP_INIT, states.dp_init),
        (page01::MAX_DURATION_DP_DEINIT, states.dp_deinit),
        (page01::MAX_DURATION_MODULE_PWR_UP, states.power_up),
        (page01::MAX_DURATION_MODULE_PWR_DN, states.power_down),
        (page01::MAX_DURATION_DP_TX_TURN_ON, states.tx_on),
        (page01::MAX_DURATION_DP_TX_TURN_OFF, states.tx_off),
    ] {
        to.value(field, 0, dwell.advertised);
    }
}

fn write_laser_capability(to: &mut Writer<'_>, data: &ProfileData) {
    let Some(laser) = &data.laser else { return };
    for channels in &laser.grids {
        let (supported, low_field, high_field) = grid_fields(channels.grid);
        to.value(supported, 0, 1);
        to.signed(low_field, 0, channels.low);
        to.signed(high_field, 0, channels.high);
    }
    if let Some(fine) = laser.fine_tuning {
        to.value(page04::FINE_TUNING_SUPPORTED, 0, 1);
        to.word(page04::FINE_TUNING_RESOLUTION, 0, fine.resolution_mhz);
        to.signed(page04::FINE_TUNING_LOW_OFFSET, 0, fine.low_mhz);
        to.signed(page04::FINE_TUNING_HIGH_OFFSET, 0, fine.high_mhz);
    }
    to.value(page04::PROG_OUTPUT_POWER_PER_LANE_SUPPORTED, 0, 1);
    to.value(page04::RELATIVE_THRESHOLDS_SUPPORTED, 0, u8::from(laser.relative_thresholds));
    to.signed(page04::MIN_PROG_OUTPUT_POWER, 0, laser.min_power.hundredths());
    to.signed(page04::MAX_PROG_OUTPUT_POWER, 0, laser.max_power.hundredths());
}

const fn grid_fields(grid: Grid) -> (Field, Field, Field) {
    use page04::{
        GRID3P125GHZ_SUPPORTED, GRID6P25GHZ_SUPPORTED, GRID12P5GHZ_SUPPORTED, GRID25GHZ_SUPPORTED,
        GRID33GHZ_SUPPORTED, GRID50GHZ_SUPPORTED, GRID75GHZ_SUPPORTED, GRID100GHZ_SUPPORTED,
        GRID150GHZ_SUPPORTED, GRID300GHZ_SUPPORTED,
    };
    match grid {
        Grid::Ghz3p125 => (GRID3P125GHZ_SUPPORTED, page04::LOW_CHANNEL3P125GHZ, page04::HIGH_CHANNEL3P125GHZ),
        Grid::Ghz6p25 => (GRID6P25GHZ_SUPPORTED, page04::LOW_CHANNEL6P25GHZ, page04::HIGH_CHANNEL6P25GHZ),
        Grid::Ghz12p5 => (GRID12P5GHZ_SUPPORTED, page04::LOW_CHANNEL12P5GHZ, page04::HIGH_CHANNEL12P5GHZ),
        Grid::Ghz25 => (GRID25GHZ_SUPPORTED, page04::LOW_CHANNEL25GHZ, page04::HIGH_CHANNEL25GHZ),
        Grid::Ghz33 => (GRID33GHZ_SUPPORTED, page04::LOW_CHANNEL33GHZ, page04::HIGH_CHANNEL33GHZ),
        Grid::Ghz50 => (GRID50GHZ_SUPPORTED, page04::LOW_CHANNEL50GHZ, page04::HIGH_CHANNEL50GHZ),
        Grid::Ghz75 => (GRID75GHZ_SUPPORTED, page04::LOW_CHANNEL75GHZ, page04::HIGH_CHANNEL75GHZ),
        Grid::Ghz100 => (GRID100GHZ_SUPPORTED, page04::LOW_CHANNEL100GHZ, page04::HIGH_CHANNEL100GHZ),
        Grid::Ghz150 => (GRID150GHZ_SUPPORTED, page04::LOW_CHANNEL150GHZ, page04::HIGH_CHANNEL150GHZ),
        Grid::Ghz300 => (GRID300GHZ_SUPPORTED, page04::LOW_CHANNEL300GHZ, page04::HIGH_CHANNEL300GHZ),
    }
}

/// Signal integrity settings that the module chooses itself: CDRs on, adaptive equalisation, no cursors, amplitude 2.
pub(super) const OWN_SIGNAL_INTEGRITY: [u8; 21] =
    [0xFF, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF, 0, 0, 0, 0, 0, 0, 0, 0, 0x22, 0x22, 0x22, 0x22];

fn write_controls(to: &mut Writer<'_>, data: &ProfileData, layout: &Layout) {
    let defaults = data.power_on;
    to.value(page10::DP_DEINIT_LANE, 0, defaults.deinit);
    to.value(page10::OUTPUT_DISABLE_TX, 0, defaults.output_disable_tx);
    let config = Placement::everywhere(&data.applications, defaults.app_sel);
    for (lane, config) in config.iter().enumerate() {
        let lane = u16::try_from(lane).unwrap_or(0);
        to.bytes(page10::SCS0_DP_CONFIG_LANE_APP_SEL_CODE, lane, &[*config]);
        to.bytes(page11::ACS_DP_CONFIG_LANE_APP_SEL_CODE, lane, &[*config]);
        if layout.staged_set_1 {
            to.bytes(page10::SCS1_DP_CONFIG_LANE_APP_SEL_CODE, lane, &[*config]);
        }
    }
    to.bytes(page10::SCS_ADAPTIVE_INPUT_EQ_ENABLE_TX, 0, &OWN_SIGNAL_INTEGRITY);
    if layout.staged_set_1 {
        to.bytes(page10::SCS_ADAPTIVE_INPUT_EQ_ENABLE_TX, 1, &OWN_SIGNAL_INTEGRITY);
    }
    to.bytes(page11::ACS_ADAPTIVE_INPUT_EQ_ENABLE_TX, 0, &OWN_SIGNAL_INTEGRITY);
    for lane in 0..layout.media_lanes {
        let lane = u16::try_from(lane).unwrap_or(0);
        // Wavelength number in the high nibble, fibre in the low one.
        let mapping = u8::try_from(((lane + 1) << 4) | 1).unwrap_or(0x11);
        to.value(page11::MEDIA_LANE_MAPPING_TX, lane, mapping);
        to.value(page11::MEDIA_LANE_MAPPING_RX, lane, mapping);
    }
    if let Some(laser) = &data.laser {
        for lane in 0..8_u16 {
            if usize::from(lane) < layout.media_lanes {
                to.value(page12::GRID_SPACING_TX, lane, laser.default_grid.code());
                to.signed(page12::CHANNEL_NUMBER_TX, lane, laser.default_channel);
                to.signed(page12::TARGET_OUTPUT_POWER_TX, lane, laser.default_power.hundredths());
            }
            to.bytes(page12::TUNING_COMPLETE_MASK_TX, lane, &[0x3F]);
        }
    }
}

/// Flags of C-CMIS have no bit in the summary of 00h:4: they are masked until a host that knows of them asks for them.
fn mask_coherent_flags(to: &mut Writer<'_>) {
    for (page, bytes) in [(0x32, 128..=132_u8), (0x3B, 128..=132)] {
        let Some(masks) = page_masks(page) else { continue };
        for byte in bytes {
            to.cells.set(to.bank, page, byte, &[masks.write[usize::from(byte - 128)]]);
        }
    }
}

fn write_vdm(to: &mut Writer<'_>, data: &ProfileData) {
    let Some(vdm) = &data.vdm else { return };
    for (group, page) in vdm.groups.iter().zip(0_u8..) {
        for (instance, index) in group.instances.iter().zip(0_u8..) {
            let at = page20::VDM_LANE_OR_DATA_PATH.byte.saturating_add(index * 2);
            let thresholds = vdm::threshold_set(group, *instance);
            let descriptor = [(thresholds << 4) | (instance.lane & 0x0F), instance.observable];
            to.cells.set(to.bank, 0x20 + page, at, &descriptor);
        }
        let first = page28::TABLE.first().map_or(128, |field| field.byte);
        for (set, limits) in vdm::NEVER_REACHED {
            for (limit, index) in limits.iter().zip(0_u8..) {
                to.cells.set(to.bank, 0x28 + page, first + set * 8 + index * 2, &limit.to_be_bytes());
            }
        }
        for set in &group.thresholds {
            let Some(format) = vdm::format(set.observable) else { continue };
            for (value, index) in set.values.iter().zip(0_u8..) {
                let raw = format.encode(*value).unwrap_or(0);
                to.cells.set(to.bank, 0x28 + page, first + set.set * 8 + index * 2, &raw.to_be_bytes());
            }
        }
    }
    let groups = u8::try_from(vdm.groups.len()).unwrap_or(1);
    to.value(page2f::VDM_GROUPS_SUPPORTED, 0, groups.saturating_sub(1));
    let tenths = u16::try_from(vdm.sub_interval.as_micros() / 100).unwrap_or(u16::MAX);
    to.word(page2f::FINE_INTERVAL_LENGTH, 0, tenths);
    to.value(page2f::VDM_DUTY_CYCLE, 0, 10);
}

/// Bits of control registers that the module does not implement: reserved, so they read as 0 and ignore writes.
pub(super) fn unimplemented_controls(cells: &Cells, layout: &Layout) -> Vec<(u8, u8, u8)> {
    let mut bits = Vec::new();
    if layout.flat {
        // Flat memory is read only.
        bits.extend((26..=34).map(|byte| (0x00, byte, 0xFF)));
        return bits;
    }
    let lacks = |field: Field| value_of(cells, 0, field, 0) == 0;
    for (support, control) in [
        (page01::INPUT_POLARITY_FLIP_TX_SUPPORTED, page10::INPUT_POLARITY_FLIP_TX),
        (page01::OUTPUT_DISABLE_TX_SUPPORTED, page10::OUTPUT_DISABLE_TX),
        (page01::AUTO_SQUELCH_DISABLE_TX_SUPPORTED, page10::AUTO_SQUELCH_DISABLE_TX),
        (page01::FORCED_SQUELCH_TX_SUPPORTED, page10::OUTPUT_SQUELCH_FORCE_TX),
        (page01::TX_INPUT_EQ_FREEZE_SUPPORTED, page10::ADAPTIVE_INPUT_EQ_FREEZE_TX),
        (page01::OUTPUT_POLARITY_FLIP_RX_SUPPORTED, page10::OUTPUT_POLARITY_FLIP_RX),
        (page01::OUTPUT_DISABLE_RX_SUPPORTED, page10::OUTPUT_DISABLE_RX),
        (page01::AUTO_SQUELCH_DISABLE_RX_SUPPORTED, page10::AUTO_SQUELCH_DISABLE_RX),
        (page13::MEDIA_SIDE_OUTPUT_LOOPBACK_SUPPORTED, page13::MEDIA_SIDE_OUTPUT_LOOPBACK_ENABLE),
        (page13::MEDIA_SIDE_INPUT_LOOPBACK_SUPPORTED, page13::MEDIA_SIDE_INPUT_LOOPBACK_ENABLE),
        (page13::HOST_SIDE_OUTPUT_LOOPBACK_SUPPORTED, page13::HOST_SIDE_OUTPUT_LOOPBACK_ENABLE),
        (page13::HOST_SIDE_INPUT_LOOPBACK_SUPPORTED, page13::HOST_SIDE_INPUT_LOOPBACK_ENABLE),
        (page2f::VDM_POWER_SAVING_SUPPORTED, page2f::VDM_POWER_SAVING_MODE),
        (page2f::VDM_DUTY_CYCLE_SUPPORTED, page2f::VDM_DUTY_CYCLE),
        (page01::BANK_BROADCAST_SUPPORTED, lower::BANK_BROADCAST_ENABLE),
    ] {
        if lacks(support) {
            bits.push((control.page, control.byte, control.mask(0)));
        }
    }
    if !layout.staged_set_1 {
        bits.extend((178..=212).map(|byte| (0x10, byte, 0xFF)));
    }
    bits
}
