//! Memory contents: what never changes, and what is computed when it is read.

use super::cells::Cells;
use super::core::Core;
use super::profile::Profile;
use crate::codes::{DataPathState, Observable};
use crate::map::{
    Field, lower, page00, page01, page02, page2f, page04, page10, page11, page12, page24, page40,
};
use crate::physics::tenth_microwatts_of_power;
use ipowdm_core::grid::Grid;
use ipowdm_core::units::Power;

/// Upper pages of every profile.
const PAGES: &[u8] = &[0x00, 0x01, 0x02, 0x04, 0x10, 0x11, 0x12, 0x20, 0x24, 0x28, 0x2C, 0x2D, 0x2F, 0x40];

/// VDM instances in descriptor order: observable, and lane (15 for the module).
const VDM: &[(Observable, u8)] = &[
    (Observable::LaserTemperature, 15),
    (Observable::PreFecBerMedia, 0),
    (Observable::FrameErrorsMedia, 0),
    (Observable::DispersionFine, 0),
    (Observable::Dgd, 0),
    (Observable::Pdl, 0),
    (Observable::Osnr, 0),
    (Observable::Esnr, 0),
    (Observable::FrequencyOffset, 0),
    (Observable::TxPower, 0),
    (Observable::RxTotalPower, 0),
    (Observable::RxSignalPower, 0),
    (Observable::QFactor, 0),
];

/// Writes registers by their declaration.
struct Writer<'a>(&'a mut Cells);

impl Writer<'_> {
    /// Whole bytes of element `index`.
    fn bytes(&mut self, field: Field, index: u16, bytes: &[u8]) {
        let at = field.address(index);
        self.0.set(at.page, at.byte, bytes);
    }

    /// One byte or part of a byte.
    fn value(&mut self, field: Field, index: u16, value: u8) {
        let Some(place) = field.element(index) else { return };
        let mask = field.mask(index);
        let shift = place.bits.map_or(0, |(_, low)| low);
        let byte = self.0.get(place.at.page, place.at.byte);
        let byte = (byte & !mask) | ((value << shift) & mask);
        self.0.set(place.at.page, place.at.byte, &[byte]);
    }

    fn word(&mut self, field: Field, index: u16, word: u16) {
        self.bytes(field, index, &word.to_be_bytes());
    }

    fn signed(&mut self, field: Field, index: u16, word: i16) {
        self.bytes(field, index, &word.to_be_bytes());
    }

    /// Text padded with spaces.
    fn text(&mut self, field: Field, text: &str) {
        let mut padded = [b' '; 32];
        for (cell, byte) in padded.iter_mut().zip(text.bytes()) {
            *cell = byte;
        }
        let len = usize::from(field.len).min(padded.len());
        self.bytes(field, 0, &padded[..len]);
    }

    /// Byte sum of `from..=to` of the field's page.
    fn checksum(&mut self, field: Field, from: u8, to: u8) {
        let sum = (from..=to).fold(0_u8, |sum, byte| sum.wrapping_add(self.0.get(field.page, byte)));
        self.value(field, 0, sum);
    }
}

/// The memory of a module that has just been powered.
pub(super) fn at_power_on(profile: &Profile, serial: u32) -> Cells {
    let mut cells = Cells::new(PAGES);
    let mut to = Writer(&mut cells);
    write_lower(&mut to, profile);
    write_identity(&mut to, profile, serial);
    write_advertisements(&mut to, profile);
    write_thresholds(&mut to);
    write_laser_capability(&mut to, profile);
    write_controls(&mut to, profile);
    write_vdm(&mut to);
    cells
}

fn write_lower(to: &mut Writer<'_>, profile: &Profile) {
    to.value(lower::SFF8024_IDENTIFIER, 0, profile.identifier);
    to.value(lower::CMIS_REVISION, 0, profile.cmis_revision);
    to.value(lower::MCI_MAX_SPEED, 0, 1);
    to.value(lower::LOW_PWR_ALLOW_REQUEST_HW, 0, 1);
    to.value(lower::ACTIVE_FIRMWARE_MAJOR, 0, 1);
    to.value(lower::ACTIVE_FIRMWARE_MINOR, 0, 0);
    // Media type: optical, single mode.
    to.value(lower::MEDIA_TYPE, 0, 2);
    for slot in 0..8_u16 {
        match profile.applications.get(usize::from(slot)) {
            Some(row) => {
                to.value(lower::APP_HOST_INTERFACE_ID, slot, row.host_code);
                to.value(lower::APP_MEDIA_INTERFACE_ID, slot, row.media_code);
                to.value(lower::APP_HOST_LANE_COUNT, slot, row.host_lanes);
                to.value(lower::APP_MEDIA_LANE_COUNT, slot, row.media_lanes);
                to.value(lower::APP_HOST_LANE_ASSIGNMENT_OPTIONS, slot, row.host_assignment);
            }
            None => to.value(lower::APP_HOST_INTERFACE_ID, slot, 0xFF),
        }
    }
}

fn write_identity(to: &mut Writer<'_>, profile: &Profile, serial: u32) {
    to.value(page00::SFF8024_IDENTIFIER_COPY, 0, profile.identifier);
    to.text(page00::VENDOR_NAME, profile.vendor_name);
    to.text(page00::VENDOR_PN, profile.part_number);
    to.text(page00::VENDOR_REV, "A1");
    to.text(page00::VENDOR_SN, &std::format!("EMU{serial:08}"));
    to.bytes(page00::DATE_YEAR, 0, b"250101  ");
    to.text(page00::CLEI, "");
    to.value(page00::MODULE_POWER_CLASS, 0, 7);
    // 20 W in quarters of a watt.
    to.value(page00::MAX_POWER, 0, 80);
    // LC connector; C-band tunable laser.
    to.value(page00::CONNECTOR_TYPE, 0, 0x07);
    to.value(page00::MEDIA_INTERFACE_TECHNOLOGY, 0, 0x10);
    to.value(page00::MEDIA_LANE_UNSUPPORTED, 0, 0xFE);
    to.checksum(page00::PAGE00_CHECKSUM, 128, 221);
}

fn write_advertisements(to: &mut Writer<'_>, profile: &Profile) {
    for flag in [
        page01::VDM_PAGES_SUPPORTED,
        page01::COHERENT_PAGES_SUPPORTED,
        page01::TRANSMITTER_IS_TUNABLE,
        page01::WAVELENGTH_IS_CONTROLLABLE,
        page01::OUTPUT_DISABLE_TX_SUPPORTED,
        page01::FORCED_SQUELCH_TX_SUPPORTED,
        page01::LOS_FLAG_RX_SUPPORTED,
        page01::CDRLOL_FLAG_RX_SUPPORTED,
        page01::TEMP_MON_SUPPORTED,
        page01::VCC_MON_SUPPORTED,
        page01::TX_OPTICAL_POWER_MON_SUPPORTED,
        page01::RX_OPTICAL_POWER_MON_SUPPORTED,
    ] {
        to.value(flag, 0, 1);
    }
    // FullPageRead.
    to.value(page01::FULL_PAGE_READ_SUPPORTED, 0, 2);
    let durations = [
        (page01::MAX_DURATION_DP_INIT, profile.dp_init),
        (page01::MAX_DURATION_DP_DEINIT, profile.dp_deinit),
        (page01::MAX_DURATION_MODULE_PWR_UP, profile.power_up),
        (page01::MAX_DURATION_MODULE_PWR_DN, profile.power_down),
        (page01::MAX_DURATION_DP_TX_TURN_ON, profile.tx_on),
        (page01::MAX_DURATION_DP_TX_TURN_OFF, profile.tx_off),
    ];
    for (field, dwell) in durations {
        to.value(field, 0, dwell.advertised);
    }
    // 193.1 THz is 1552.52 nm, in units of 0.05 nm.
    to.word(page01::NOMINAL_WAVELENGTH, 0, 31_050);
    for (slot, row) in profile.applications.iter().take(15).enumerate() {
        let slot = u16::try_from(slot).unwrap_or(0);
        to.value(page01::APP_MEDIA_LANE_ASSIGNMENT_OPTIONS, slot, row.media_assignment);
        if let Some(slot) = slot.checked_sub(8) {
            to.value(page01::APP_HOST_INTERFACE_ID, slot, row.host_code);
            to.value(page01::APP_MEDIA_INTERFACE_ID, slot, row.media_code);
            to.value(page01::APP_HOST_LANE_COUNT, slot, row.host_lanes);
            to.value(page01::APP_MEDIA_LANE_COUNT, slot, row.media_lanes);
            to.value(page01::APP_HOST_LANE_ASSIGNMENT_OPTIONS, slot, row.host_assignment);
        }
    }
    if let Ok(end) = u16::try_from(profile.applications.len())
        && let Some(slot) = end.checked_sub(8)
    {
        to.value(page01::APP_HOST_INTERFACE_ID, slot, 0xFF);
    }
    to.checksum(page01::PAGE01_CHECKSUM, 130, 254);
}

fn write_thresholds(to: &mut Writer<'_>) {
    let celsius = |degrees: i16| degrees * 256;
    to.signed(page02::TEMP_MON_HIGH_ALARM_THRESHOLD, 0, celsius(80));
    to.signed(page02::TEMP_MON_LOW_ALARM_THRESHOLD, 0, celsius(-5));
    to.signed(page02::TEMP_MON_HIGH_WARNING_THRESHOLD, 0, celsius(75));
    to.signed(page02::TEMP_MON_LOW_WARNING_THRESHOLD, 0, celsius(0));
    to.word(page02::VCC_MON_HIGH_ALARM_THRESHOLD, 0, 34_650);
    to.word(page02::VCC_MON_LOW_ALARM_THRESHOLD, 0, 31_350);
    to.word(page02::VCC_MON_HIGH_WARNING_THRESHOLD, 0, 34_300);
    to.word(page02::VCC_MON_LOW_WARNING_THRESHOLD, 0, 31_700);
    let power = |dbm: i16| tenth_microwatts_of_power(Power::from_hundredths(dbm * 100));
    to.word(page02::OPTICAL_POWER_TX_HIGH_ALARM_THRESHOLD, 0, power(3));
    to.word(page02::OPTICAL_POWER_TX_LOW_ALARM_THRESHOLD, 0, power(-18));
    to.word(page02::OPTICAL_POWER_TX_HIGH_WARNING_THRESHOLD, 0, power(2));
    to.word(page02::OPTICAL_POWER_TX_LOW_WARNING_THRESHOLD, 0, power(-16));
    to.word(page02::OPTICAL_POWER_RX_HIGH_ALARM_THRESHOLD, 0, power(3));
    to.word(page02::OPTICAL_POWER_RX_LOW_ALARM_THRESHOLD, 0, power(-24));
    to.word(page02::OPTICAL_POWER_RX_HIGH_WARNING_THRESHOLD, 0, power(1));
    to.word(page02::OPTICAL_POWER_RX_LOW_WARNING_THRESHOLD, 0, power(-22));
    to.checksum(page02::PAGE02_CHECKSUM, 128, 254);
}

fn write_laser_capability(to: &mut Writer<'_>, profile: &Profile) {
    for (grid, low, high) in profile.grids {
        let (supported, low_field, high_field) = grid_fields(*grid);
        to.value(supported, 0, 1);
        to.signed(low_field, 0, *low);
        to.signed(high_field, 0, *high);
    }
    to.value(page04::PROG_OUTPUT_POWER_PER_LANE_SUPPORTED, 0, 1);
    to.signed(page04::MIN_PROG_OUTPUT_POWER, 0, profile.power_range.0.hundredths());
    to.signed(page04::MAX_PROG_OUTPUT_POWER, 0, profile.power_range.1.hundredths());
    to.checksum(page04::PAGE04_CHECKSUM, 128, 254);
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

fn write_controls(to: &mut Writer<'_>, profile: &Profile) {
    let defaults = profile.power_on;
    to.value(page10::DP_DEINIT_LANE, 0, defaults.deinit);
    to.value(page10::OUTPUT_DISABLE_TX, 0, defaults.output_disable_tx);
    // The first application on all lanes, staged and active.
    for lane in 0..8_u16 {
        let host_lanes = profile.applications.first().map_or(8, |row| row.host_lanes.max(1));
        let first = u8::try_from(lane).unwrap_or(0) / host_lanes * host_lanes;
        let config = 0x10 | (first << 1);
        to.bytes(page10::SCS0_DP_CONFIG_LANE_APP_SEL_CODE, lane, &[config]);
        to.bytes(page11::ACS_DP_CONFIG_LANE_APP_SEL_CODE, lane, &[config]);
        to.value(page12::TUNING_COMPLETE_MASK_TX, lane, 1);
    }
    to.value(page12::GRID_SPACING_TX, 0, defaults.channel.0.code());
    to.signed(page12::CHANNEL_NUMBER_TX, 0, defaults.channel.1);
    to.signed(page12::TARGET_OUTPUT_POWER_TX, 0, defaults.power.hundredths());
    for lane in 0..8_u8 {
        to.0.set(0x12, 239 + lane, &[0x3F]);
    }
    to.value(page40::CCMIS_REVISION, 0, 0x13);
}

fn write_vdm(to: &mut Writer<'_>) {
    for (index, (observable, lane)) in VDM.iter().enumerate() {
        let element = u16::try_from(index).unwrap_or(0);
        to.value(crate::map::page20::VDM_LANE_OR_DATA_PATH, element, *lane);
        to.value(crate::map::page20::VDM_OBSERVABLE_TYPE, element, observable.code());
    }
    // One group; duty cycle at its default of 10.
    to.value(page2f::VDM_GROUPS_SUPPORTED, 0, 0);
    to.value(page2f::VDM_DUTY_CYCLE, 0, 10);
    to.word(page2f::FINE_INTERVAL_LENGTH, 0, 10_000);
}

impl Core {
    /// Computes what a read of this page, or of the lower memory, will show.
    pub(super) fn refresh(&mut self, page: Option<u8>) {
        match page {
            None => self.refresh_lower(),
            Some(0x11) => self.refresh_lanes(),
            Some(0x12) => self.refresh_laser(),
            Some(0x24) => self.refresh_samples(),
            Some(_) => {}
        }
    }

    fn refresh_lower(&mut self) {
        let state = self.phase.state.reported().map_or(0, |state| state.code());
        self.raise_levels();
        let pending = |(page, first, last): (u8, u8, u8), (mask_page, mask): (u8, u8), core: &Self| {
            (first..=last).any(|byte| {
                core.cells.get(page, byte) & !core.cells.get(mask_page, mask + (byte - first)) != 0
            })
        };
        let lanes = pending((0x11, 134, 153), (0x10, 213), self);
        let laser = pending((0x12, 231, 238), (0x12, 239), self);
        let module = pending((0, 8, 11), (0, 31), self);
        let degrees = 42.0 + f64::from(u8::from(self.laser_on())) * 8.0;
        let jitter = super::receiver::noise(self.seed, 10, self.synced.0 / 5_000);
        #[expect(clippy::cast_possible_truncation, reason = "around 50 degrees, far inside i16")]
        let temperature = ((degrees + 0.5 * jitter) * 256.0) as i16;
        let mut to = Writer(&mut self.cells);
        to.value(lower::MODULE_STATE, 0, state);
        to.value(lower::INTERRUPT_DEASSERTED, 0, u8::from(!(lanes || laser || module)));
        to.value(lower::FLAGS_SUMMARY_BANK_PAGE11H, 0, u8::from(lanes));
        to.value(lower::FLAGS_SUMMARY_BANK_PAGE12H, 0, u8::from(laser));
        to.signed(lower::TEMP_MON_VALUE, 0, temperature);
        // 3.30 V.
        to.word(lower::VCC_MON_VOLTAGE, 0, 33_000);
    }

    /// Raises the flags whose condition holds now: a flag that was read comes back while its cause lasts.
    fn raise_levels(&mut self) {
        let reception = self.reception();
        if reception.los {
            self.cells.raise(0x11, page11::LOS_RX_FLAG.byte, 0x01);
        } else if self.laser_on() && reception.demodulated.is_none() {
            self.cells.raise(0x11, page11::CDRLOL_RX_FLAG.byte, 0x01);
        }
    }

    fn refresh_lanes(&mut self) {
        self.raise_levels();
        let reception = self.reception();
        let transmitted = self.emission().map_or(0, |emission| tenth_microwatts_of_power(emission.power));
        let states: [u8; 8] = core::array::from_fn(|lane| self.paths[lane].state.code());
        let activated = |lane: usize| self.paths[lane].state == DataPathState::Activated;
        let received = if reception.demodulated.is_some() {
            (0..8).filter(|lane| activated(*lane)).fold(0_u8, |mask, lane| mask | (1 << lane))
        } else {
            0
        };
        let mut to = Writer(&mut self.cells);
        for (lane, state) in states.iter().enumerate() {
            let lane = u16::try_from(lane).unwrap_or(0);
            to.value(page11::DP_STATE_HOST_LANE, lane, *state);
        }
        to.value(page11::OUTPUT_STATUS_TX, 0, u8::from(transmitted > 0));
        to.value(page11::OUTPUT_STATUS_RX, 0, received);
        to.word(page11::OPTICAL_POWER_TX, 0, transmitted);
        // 120 mA in units of 2 µA.
        to.word(page11::LASER_BIAS_TX, 0, if transmitted > 0 { 60_000 } else { 0 });
        let total = if reception.los { 0 } else { tenth_microwatts_of_power(reception.total) };
        to.word(page11::OPTICAL_POWER_RX, 0, total);
    }

    fn refresh_laser(&mut self) {
        let frequency = match self.laser.frequency() {
            Some(frequency) if self.laser_on() => {
                let reported = frequency.offset(i64::from(self.faults.laser_report_offset));
                reported.unwrap_or(frequency).mhz()
            }
            _ => 0,
        };
        let status = self.tuning_status();
        let flagged = self.cells.get(0x12, 231) & !self.cells.get(0x12, 239) != 0;
        self.cells.set(0x12, 168, &frequency.to_be_bytes());
        self.cells.set(0x12, 222, &[status]);
        self.cells.set(0x12, 230, &[u8::from(flagged)]);
    }

    fn refresh_samples(&mut self) {
        let reception = self.reception();
        let emission = self.emission();
        let lit = reception.demodulated;
        let degrees = if self.laser_on() { 45_u16 * 256 } else { 0 };
        let tenths = |db: ipowdm_core::units::Db| u16::try_from((db.hundredths() + 5) / 10).unwrap_or(0);
        #[expect(clippy::cast_possible_truncation, reason = "dispersion and offsets stay far inside i16")]
        let signed = |value: f64| (value.round() as i16).cast_unsigned();
        for (index, (observable, _)) in VDM.iter().enumerate() {
            let power = |power: Power| power.hundredths().cast_unsigned();
            let sample = match observable {
                Observable::LaserTemperature => degrees,
                Observable::PreFecBerMedia => lit.map_or(0, |seen| seen.ber.to_f16()),
                Observable::FrameErrorsMedia => 0,
                Observable::DispersionFine => lit.map_or(0, |seen| signed(seen.dispersion_ps_nm)),
                Observable::DispersionCoarse => lit.map_or(0, |seen| signed(seen.dispersion_ps_nm / 20.0)),
                Observable::Dgd => lit.map_or(0, |_| 150),
                Observable::Pdl => lit.map_or(0, |_| 4),
                Observable::Osnr => lit.map_or(0, |seen| tenths(seen.osnr)),
                Observable::Esnr => lit.map_or(0, |seen| tenths(seen.esnr)),
                Observable::FrequencyOffset => lit.map_or(0, |seen| signed(seen.offset_mhz)),
                Observable::TxPower => power(emission.map_or(Power::from_hundredths(-4000), |e| e.power)),
                Observable::RxTotalPower => power(reception.total),
                Observable::RxSignalPower => power(reception.signal),
                Observable::QFactor => lit.map_or(0, |seen| tenths(seen.q_factor())),
                // Not among the instances of `VDM`.
                _ => 0,
            };
            let element = u16::try_from(index).unwrap_or(0);
            Writer(&mut self.cells).word(page24::VDM_SAMPLE, element, sample);
        }
    }
}
