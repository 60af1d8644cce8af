//! What a read of status registers shows, and which flags are raised when.

use super::cells::{Writer, value_of};
use super::core::{Core, number};
use super::receiver::Seen;
use crate::codes::DataPathState;
use crate::map::{lower, page01, page02, page04, page11, page12, page30};
use crate::physics::tenth_microwatts_of_power;
use ipowdm_core::units::Power;

/// Flags with the page and first byte of their masks: bank page, first and last byte of the flags, masks.
const FLAGS: [(u8, u8, u8, u8, u8); 6] = [
    (0x11, 134, 153, 0x10, 213),
    (0x12, 231, 238, 0x12, 239),
    (0x14, 132, 139, 0x13, 206),
    (0x2C, 128, 255, 0x2D, 128),
    (0x33, 128, 132, 0x32, 128),
    (0x3B, 192, 196, 0x3B, 128),
];

/// Low and high limits of a monitor, from its thresholds: high alarm, low alarm, high warning, low warning.
type Limits = [f64; 4];

/// Which of high alarm, low alarm, high warning, low warning are beyond.
fn beyond(value: f64, limits: Limits) -> [bool; 4] {
    [value > limits[0], value < limits[1], value > limits[2], value < limits[3]]
}

/// A monitor of 0.1 µW.
fn tenths(dbm: f64) -> u16 {
    Power::from_number(dbm).map_or(0, tenth_microwatts_of_power)
}

impl Core {
    /// Computes what a read of this page, or of the lower memory, will show.
    pub(super) fn refresh(&mut self, place: Option<(u8, u8)>) {
        let Some((bank, page)) = place else {
            self.refresh_lower();
            return;
        };
        let bank = usize::from(bank);
        if bank >= self.banks.len() {
            return;
        }
        match page {
            0x11 => self.refresh_lanes(bank),
            0x12 => self.refresh_lasers(bank),
            0x14 => self.refresh_diagnostics(bank),
            0x24..=0x27 => self.refresh_samples(bank, page - 0x24),
            0x34 | 0x35 => self.refresh_media_performance(bank),
            0x3A => self.refresh_host_performance(bank),
            _ => {}
        }
    }

    /// Whether any flag of these bytes is raised and not masked.
    fn is_pending(&self, bank: u8, (page, first, last, mask_page, mask): (u8, u8, u8, u8, u8)) -> bool {
        (first..=last).any(|byte| {
            self.cells.get(bank, page, byte) & !self.cells.get(bank, mask_page, mask + (byte - first)) != 0
        })
    }

    fn refresh_lower(&mut self) {
        let state = self.phase.state.reported().map_or(0, |state| state.code());
        let mut interrupt = self.is_pending(0, (0x00, 8, 11, 0x00, 31));
        for bank in 0..self.layout.banks.min(4) {
            let pending = FLAGS.map(|flags| self.is_pending(number(bank), flags));
            interrupt |= pending.contains(&true);
            // Bits 0-3: 11h, 12h, 14h, 2Ch.
            let summary = pending[..4].iter().rev().fold(0, |bits, raised| (bits << 1) | u8::from(*raised));
            self.cells.set(0, 0, lower::FLAGS_SUMMARY_BANK_PAGE11H.byte + number(bank), &[summary]);
        }
        let (temperature, supply) = (self.temperature(), self.supply());
        let (tec, laser) = (self.tec_current(), self.laser_temperature());
        let monitored = |field| value_of(&self.cells, 0, field, 0) != 0;
        let flat = self.layout.flat;
        let temperature_there = !flat && monitored(page01::TEMP_MON_SUPPORTED);
        let supply_there = !flat && monitored(page01::VCC_MON_SUPPORTED);
        let aux = [0, 1, 2].map(|index| {
            let there = !flat && value_of(&self.cells, 0, page01::AUX_MON_SUPPORTED, index) != 0;
            let other = value_of(&self.cells, 0, page01::AUX_MON_OBSERVABLE, index) != 0;
            // Observables of the three (01h:145): custom or TEC, laser temperature or TEC, laser temperature or Vcc2.
            let raw = match (index, other) {
                (0, true) | (1, true) => tec * 327.67,
                (1, false) | (2, false) => laser * 256.0,
                (2, true) => 18_000.0,
                _ => 0.0,
            };
            (there, raw)
        });
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "clamped to the register"
        )]
        let (temperature, supply) = (
            (temperature * 256.0).round().clamp(-32_768.0, 32_767.0) as i16,
            (supply * 10_000.0).round().clamp(0.0, 65_535.0) as u16,
        );
        let mut to = Writer { cells: &mut self.cells, bank: 0 };
        to.value(lower::MODULE_STATE, 0, state);
        to.value(lower::INTERRUPT_DEASSERTED, 0, u8::from(!interrupt));
        to.signed(lower::TEMP_MON_VALUE, 0, if temperature_there { temperature } else { 0 });
        to.word(lower::VCC_MON_VOLTAGE, 0, if supply_there { supply } else { 0 });
        for (index, (there, raw)) in (0_u16..).zip(aux) {
            #[expect(clippy::cast_possible_truncation, reason = "clamped to the register")]
            let raw = raw.round().clamp(-32_768.0, 32_767.0) as i16;
            to.signed(lower::AUX_MON_VALUE, index, if there { raw } else { 0 });
        }
    }

    fn limits(&self, first: u8, signed: bool) -> Limits {
        let word = |at: u8| {
            let raw = self.cells.word(0, 0x02, first + 2 * at);
            if signed { f64::from(raw.cast_signed()) } else { f64::from(raw) }
        };
        [word(0), word(1), word(2), word(3)]
    }

    /// Raises the flags whose condition holds now: a flag that was read comes back while its cause lasts.
    pub(super) fn raise_levels(&mut self) {
        if self.phase.state.reported().is_none() {
            return;
        }
        self.raise_module_levels();
        for carrier in 0..self.meters.len() {
            let seen = self.meters[carrier].seen;
            self.raise_receiver_levels(carrier, &seen);
            self.raise_transmitter_levels(carrier, &seen);
        }
        for bank in 0..self.layout.banks {
            if let Some(ber) = self.hosts[bank].ber.filter(|_| self.layout.coherent) {
                self.raise_degrade(number(bank), ber, (0x38, 136, 128), (0x3B, 192));
            }
            let lost = !self.environment.host_signal;
            if lost != 0 && self.phase.state.reported() == Some(crate::codes::ModuleState::Ready) {
                self.cells.raise(number(bank), 0x11, page11::LOS_TX_FLAG.byte, lost);
                self.cells.raise(number(bank), 0x11, page11::CDRLOL_TX_FLAG.byte, lost);
            }
        }
        self.raise_diagnostics();
        self.raise_vdm_flags();
    }

    fn raise_module_levels(&mut self) {
        let supported = |field| value_of(&self.cells, 0, field, 0) != 0;
        let mut bits = 0;
        if supported(page01::TEMP_MON_SUPPORTED) {
            let limits = self.limits(page02::TEMP_MON_HIGH_ALARM_THRESHOLD.byte, true);
            for (index, beyond) in beyond(self.temperature() * 256.0, limits).into_iter().enumerate() {
                bits |= u8::from(beyond) << index;
            }
        }
        if supported(page01::VCC_MON_SUPPORTED) {
            let limits = self.limits(page02::VCC_MON_HIGH_ALARM_THRESHOLD.byte, false);
            for (index, beyond) in beyond(self.supply() * 10_000.0, limits).into_iter().enumerate() {
                bits |= u8::from(beyond) << (4 + index);
            }
        }
        self.cells.raise(0, 0, lower::TEMP_MON_HIGH_ALARM_FLAG.byte, bits);
    }

    fn raise_lanes(&mut self, carrier: usize, first: u8, beyond: [bool; 4]) {
        let (bank, lane) = self.place_of(carrier);
        for (flag, raised) in (first..).zip(beyond) {
            self.cells.raise(number(bank), 0x11, flag, u8::from(raised) << lane);
        }
    }

    fn raise_receiver_levels(&mut self, carrier: usize, seen: &Seen) {
        let (bank, lane) = self.place_of(carrier);
        let bit = 1 << lane;
        // Of the instant that was looked at, which may be past.
        let on = seen.laser_on;
        if seen.los {
            self.cells.raise(number(bank), 0x11, page11::LOS_RX_FLAG.byte, bit);
        }
        if on && seen.locked.is_none() {
            self.cells.raise(number(bank), 0x11, page11::CDRLOL_RX_FLAG.byte, bit);
        }
        if on && value_of(&self.cells, 0, page01::RX_OPTICAL_POWER_MON_SUPPORTED, 0) != 0 {
            let configured =
                self.cells.get(number(bank), 0x30, page30::USE_CONFIGURED_RX_TOTAL_POWER_THR.byte)
                    & page30::USE_CONFIGURED_RX_TOTAL_POWER_THR.mask(0);
            let raised = if configured != 0 {
                let word =
                    |at: u8| f64::from(self.cells.word(number(bank), 0x30, 128 + 2 * at).cast_signed());
                beyond(seen.total_dbm * 100.0, [word(0), word(1), word(2), word(3)])
            } else {
                let limits = self.limits(page02::OPTICAL_POWER_RX_HIGH_ALARM_THRESHOLD.byte, false);
                let power = if seen.los { 0 } else { tenths(seen.total_dbm) };
                beyond(f64::from(power), limits)
            };
            self.raise_lanes(carrier, page11::OPTICAL_POWER_HIGH_ALARM_RX_FLAG.byte, raised);
        }
        if self.layout.coherent && on && lane == 0 {
            self.raise_coherent_levels(bank, seen);
        }
    }

    /// Flags of 33h: what an unlocked receiver has lost, and degraded FEC.
    fn raise_coherent_levels(&mut self, bank: usize, seen: &Seen) {
        let bank = number(bank);
        let Some(locked) = &seen.locked else {
            // Frame, multiframe, demodulator, CD compensation, alignment.
            self.cells.raise(bank, 0x33, 130, 0b1111_1000);
            return;
        };
        self.raise_degrade(bank, locked.ber, (0x30, 168, 160), (0x33, 131));
    }

    /// Flags of detected and excessive FEC degrade (bits 0 and 1), from their enables and raise thresholds, which are two
    /// registers apart.
    fn raise_degrade(&mut self, bank: u8, ber: f64, (page, enables, first): (u8, u8, u8), flags: (u8, u8)) {
        let enables = self.cells.get(bank, page, enables);
        for (enable, threshold) in [(0x01_u8, first), (0x02, first + 4)] {
            let raise_at = super::vdm::Format::F16.decode(self.cells.word(bank, page, threshold));
            if enables & enable != 0 && ber > raise_at {
                self.cells.raise(bank, flags.0, flags.1, enable);
            }
        }
    }

    fn raise_transmitter_levels(&mut self, carrier: usize, seen: &Seen) {
        let Some(dbm) = seen.transmitted_dbm else { return };
        if value_of(&self.cells, 0, page01::TX_OPTICAL_POWER_MON_SUPPORTED, 0) == 0 {
            return;
        }
        let (bank, lane) = self.place_of(carrier);
        // Code v of 12h:216-217 is (1 + v) · 0.5 dB from the target.
        let distance_db = |byte: u8, shift: u8| {
            let code = (self.cells.get(number(bank), 0x12, byte) >> shift) & 0x0F;
            f64::from(1 + code) / 2.0
        };
        let relative = value_of(&self.cells, 0, page04::RELATIVE_THRESHOLDS_SUPPORTED, 0) != 0
            && value_of(&self.cells, number(bank), page12::RELATIVE_THRESHOLDS_ENABLE_TX, u16::from(lane))
                != 0;
        let raised = if relative {
            let target = self.lasers[carrier].power.value();
            let limits = [
                target + distance_db(216, 4),
                target - distance_db(217, 4),
                target + distance_db(216, 0),
                target - distance_db(217, 0),
            ];
            beyond(dbm, limits)
        } else {
            let limits = self.limits(page02::OPTICAL_POWER_TX_HIGH_ALARM_THRESHOLD.byte, false);
            beyond(f64::from(tenths(dbm)), limits)
        };
        self.raise_lanes(carrier, page11::OPTICAL_POWER_HIGH_ALARM_TX_FLAG.byte, raised);
        let limits = self.limits(page02::LASER_BIAS_TX_HIGH_ALARM_THRESHOLD.byte, false);
        if limits != [0.0; 4] {
            let raised = beyond(f64::from(bias(seen)), limits);
            self.raise_lanes(carrier, page11::LASER_BIAS_HIGH_ALARM_TX_FLAG.byte, raised);
        }
    }

    fn refresh_lanes(&mut self, bank: usize) {
        let states: [DataPathState; 8] = core::array::from_fn(|lane| self.banks[bank].paths[lane].state);
        let control = |field: crate::map::Field| self.cells.get(number(bank), 0x10, field.byte);
        let disabled = control(crate::map::page10::OUTPUT_DISABLE_RX);
        let returned = self.host_returned(bank);
        let mut received = 0_u8;
        for lane in 0..8_u8 {
            let media = self.data_path(bank, lane).map_or(0, |(_, placement)| placement.media);
            let locked = (0..8_u8).filter(|other| media & (1 << other) != 0).all(|other| {
                let carrier = self.carrier(bank, usize::from(other));
                carrier.and_then(|c| self.meters.get(c)).is_some_and(|meter| meter.seen.locked.is_some())
            });
            let activated = states[usize::from(lane)] == DataPathState::Activated;
            let signal = locked || returned & (1 << lane) != 0;
            if media != 0 && signal && activated && disabled & (1 << lane) == 0 {
                received |= 1 << lane;
            }
        }
        let before = self.cells.get(number(bank), 0x11, page11::OUTPUT_STATUS_RX.byte);
        let changed = page11::OUTPUT_STATUS_CHANGED_RX_FLAG.byte;
        self.cells.raise(number(bank), 0x11, changed, before ^ received);
        let seen: std::vec::Vec<Seen> = (0..self.layout.media_lanes)
            .filter_map(|lane| self.meters.get(self.carrier(bank, lane)?).map(|meter| meter.seen))
            .collect();
        let mut to = Writer { cells: &mut self.cells, bank: number(bank) };
        for (lane, state) in (0_u16..).zip(states) {
            to.value(page11::DP_STATE_HOST_LANE, lane, state.code());
        }
        let transmitted = (0_u8..).zip(&seen).filter(|(_, seen)| seen.transmitted_dbm.is_some());
        let transmitted = transmitted.fold(0_u8, |bits, (lane, _)| bits | (1 << lane));
        to.value(page11::OUTPUT_STATUS_TX, 0, transmitted);
        to.value(page11::OUTPUT_STATUS_RX, 0, received);
        for (lane, seen) in (0_u16..).zip(&seen) {
            to.word(page11::OPTICAL_POWER_TX, lane, seen.transmitted_dbm.map_or(0, tenths));
            to.word(page11::LASER_BIAS_TX, lane, bias(seen));
            to.word(page11::OPTICAL_POWER_RX, lane, if seen.los { 0 } else { tenths(seen.total_dbm) });
        }
    }

    fn refresh_lasers(&mut self, bank: usize) {
        let mut summary = 0;
        for lane in 0..8_u8 {
            let flags = self.cells.get(number(bank), 0x12, page12::TUNING_COMPLETE_FLAG_TX.byte + lane);
            let masks = self.cells.get(number(bank), 0x12, page12::TUNING_COMPLETE_MASK_TX.byte + lane);
            summary |= u8::from(flags & !masks != 0) << lane;
            let Some(carrier) = self.carrier(bank, usize::from(lane)) else { continue };
            let frequency = self.reported_frequency(carrier).to_be_bytes();
            let status = self.tuning_status(carrier);
            let at = page12::CURRENT_LASER_FREQUENCY_TX.byte + 4 * lane;
            self.cells.set(number(bank), 0x12, at, &frequency);
            self.cells.set(number(bank), 0x12, page12::TUNING_IN_PROGRESS_TX.byte + lane, &[status]);
        }
        self.cells.set(number(bank), 0x12, page12::LASER_TUNING_FLAG_SUMMARY_TX.byte, &[summary]);
    }
}

/// Laser bias in units of 2 µA: 120 mA while there is light.
const fn bias(seen: &Seen) -> u16 {
    if seen.transmitted_dbm.is_some() { 60_000 } else { 0 }
}
