//! Staged control sets, their apply triggers and the results.

use super::cells::value_of;
use super::core::{Core, number};
use super::memory::OWN_SIGNAL_INTEGRITY;
use super::placement::Placement;
use crate::codes::{ConfigStatus, DataPathState};
use crate::map::{page01, page10, page11};
use crate::time::Millis;

/// First byte of staged control set 1, relative to that of set 0.
const SET_1: u8 = 35;
/// Signal integrity settings of all lanes: 10h:153-173, copied to 11h:214-234.
const SETTINGS: usize = 21;

/// Which trigger was given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Trigger {
    /// ApplyDPInit.
    Init,
    /// ApplyImmediate; transmitter and receiver settings of it.
    Immediate { tx: bool, rx: bool },
}

/// A configuration command that is being carried out.
#[derive(Debug, Clone, Copy)]
pub(super) struct Apply {
    /// Lanes named in the trigger.
    pub(super) lanes: u8,
    /// When its result is known.
    pub(super) due: Millis,
    /// The staged bytes when the trigger was given: DPConfig and settings.
    config: [u8; 8],
    settings: [u8; SETTINGS],
    trigger: Trigger,
    rejected: bool,
}

impl Core {
    /// The host has written bytes of 10h in a bank: sees to the triggers among them.
    pub(super) fn triggers_written(&mut self, bank: usize, byte: u8, bytes: &[u8], at: Millis) {
        let both = Trigger::Immediate { tx: true, rx: true };
        for (value, byte) in bytes.iter().zip(byte..=u8::MAX) {
            for set in 0..=u8::from(self.layout.staged_set_1) {
                let trigger = match byte.checked_sub(set * SET_1) {
                    Some(143) => Trigger::Init,
                    Some(144) => both,
                    Some(176) if self.layout.unidirectional => Trigger::Immediate { tx: true, rx: false },
                    Some(177) if self.layout.unidirectional => Trigger::Immediate { tx: false, rx: true },
                    _ => continue,
                };
                self.trigger(bank, set, *value, trigger, at);
            }
        }
    }

    fn trigger(&mut self, bank: usize, set: u8, lanes: u8, trigger: Trigger, at: Millis) {
        if lanes == 0 {
            return;
        }
        let named = |lane: &u8| lanes & (1 << lane) != 0;
        let touched = (0..8_u8).filter(named).fold(0, |mask, lane| mask | self.path_of(bank, lane));
        let states = self.banks[bank].paths.map(|path| path.state);
        let any = |mask: u8, wanted: &dyn Fn(DataPathState) -> bool| {
            states.iter().zip(0..8_u8).any(|(state, lane)| mask & (1 << lane) != 0 && wanted(*state))
        };
        let in_transit = any(touched, &DataPathState::is_transient);
        let deactivated = any(touched, &|state| state == DataPathState::Deactivated);
        let in_progress = self.banks[bank].applies.iter().flatten().any(|apply| apply.lanes & lanes != 0)
            || self.banks[bank].applies[usize::from(set)].is_some();
        // Such triggers are ignored without a word (OIF-CMIS-05.4, control set usage).
        if in_progress || in_transit || (trigger != Trigger::Init && deactivated) {
            return;
        }
        if self.faults.ignore_applies > 0 {
            self.faults.ignore_applies -= 1;
            return;
        }
        let rejected = self.faults.reject_applies > 0;
        self.faults.reject_applies = self.faults.reject_applies.saturating_sub(1);
        let staged = |offset: u8| self.cells.get(number(bank), 0x10, 145 + set * SET_1 + offset);
        let apply = Apply {
            lanes,
            due: at.after(self.lasting(self.profile.hold_offs.configuring)),
            config: core::array::from_fn(|lane| staged(u8::try_from(lane).unwrap_or(0))),
            settings: core::array::from_fn(|index| staged(8 + u8::try_from(index).unwrap_or(0))),
            trigger,
            rejected,
        };
        self.banks[bank].applies[usize::from(set)] = Some(apply);
        self.set_status(bank, lanes, ConfigStatus::InProgress);
    }

    pub(super) fn step_applies(&mut self, at: Millis) -> bool {
        let mut moved = false;
        for bank in 0..self.banks.len() {
            for set in 0..2 {
                if let Some(apply) = self.banks[bank].applies[set].filter(|apply| apply.due <= at) {
                    self.banks[bank].applies[set] = None;
                    self.finish_apply(bank, &apply);
                    moved = true;
                }
            }
        }
        moved
    }

    fn finish_apply(&mut self, bank: usize, apply: &Apply) {
        let mut results = [ConfigStatus::Success; 8];
        for lane in 0..8_u8 {
            if apply.lanes & (1 << lane) != 0 {
                let status =
                    if apply.rejected { ConfigStatus::Rejected } else { self.judge(bank, lane, apply) };
                results[usize::from(lane)] = status;
            }
        }
        let refused = results.iter().any(|status| *status != ConfigStatus::Success);
        for lane in 0..8_u8 {
            if apply.lanes & (1 << lane) == 0 {
                continue;
            }
            // Nothing is copied unless every lane is accepted; lanes that were right themselves are rejected with the others.
            let status = match results[usize::from(lane)] {
                ConfigStatus::Success if refused => ConfigStatus::Rejected,
                other => other,
            };
            self.set_status(bank, 1 << lane, status);
        }
        if refused {
            return;
        }
        for lane in 0..8_u8 {
            if apply.lanes & (1 << lane) != 0 {
                self.provision(bank, lane, apply);
            }
        }
        if apply.trigger == Trigger::Init {
            // A lane without a data path has none to initialise, once what it carried is down.
            let unused = |lane: &u8| {
                let state = self.banks[bank].paths[usize::from(*lane)].state;
                self.active_config(bank, *lane) >> 4 == 0 && state == DataPathState::Deactivated
            };
            let unused = (0..8_u8).filter(unused).fold(0, |lanes, lane| lanes | (1 << lane));
            let pending = (self.init_pending(bank) | apply.lanes) & !unused;
            self.cells.set(number(bank), 0x11, page11::DP_INIT_PENDING_LANE.byte, &[pending]);
        }
    }

    /// Copies a lane to the active control set.
    fn provision(&mut self, bank: usize, lane: u8, apply: &Apply) {
        let own = apply.config[usize::from(lane)];
        let bank = number(bank);
        self.cells.set(bank, 0x11, page11::ACS_DP_CONFIG_LANE_APP_SEL_CODE.byte + lane, &[own]);
        let (tx, rx) = match apply.trigger {
            Trigger::Init => (true, true),
            Trigger::Immediate { tx, rx } => (tx, rx),
        };
        // Without explicit control the module sets the signal up as the application wants it.
        let settings = if own & 1 != 0 { apply.settings } else { OWN_SIGNAL_INTEGRITY };
        for (value, index) in settings.iter().zip(0_u8..) {
            let of_tx = index < 8;
            let mask = match index {
                // Adaptive equalisation, CDRs: a bit for each lane.
                0 | 7 | 8 => 1 << lane,
                // Recall: two bits for each lane.
                1 | 2 if (index - 1) == lane / 4 => 3 << (2 * (lane % 4)),
                // Nibbles: fixed equalisation, cursors, amplitude.
                3..=6 if (index - 3) == lane / 2 => nibble(lane),
                9..=20 if (index - 9) % 4 == lane / 2 => nibble(lane),
                _ => continue,
            };
            if (of_tx && tx) || (!of_tx && rx) {
                let at = page11::ACS_ADAPTIVE_INPUT_EQ_ENABLE_TX.byte + index;
                let old = self.cells.get(bank, 0x11, at);
                self.cells.set(bank, 0x11, at, &[(old & !mask) | (value & mask)]);
            }
        }
    }

    /// The result for one lane of a command.
    fn judge(&self, bank: usize, lane: u8, apply: &Apply) -> ConfigStatus {
        let own = apply.config[usize::from(lane)];
        let active = self.path_of(bank, lane);
        if own >> 4 == 0 {
            return if self.faults.reject_app_sel_0 {
                ConfigStatus::InvalidAppSel
            } else if self.active_config(bank, lane) >> 4 != 0 && active & !apply.lanes != 0 {
                ConfigStatus::PartialDataPath
            } else {
                ConfigStatus::Success
            };
        }
        let Some(row) = self.profile.applications.get(usize::from(own >> 4) - 1) else {
            return ConfigStatus::InvalidAppSel;
        };
        let placement = Placement::of(row, (own >> 1) & 7).filter(|path| path.host & (1 << lane) != 0);
        let Some(placement) = placement else { return ConfigStatus::InvalidDataPath };
        let alike = |other: u8| apply.config[usize::from(other)] & 0xFE == own & 0xFE;
        let members = |other: &u8| placement.host & (1 << other) != 0;
        if placement.host & !apply.lanes != 0 || !(0..8).filter(members).all(alike) {
            return ConfigStatus::PartialDataPath;
        }
        // A lane cannot be taken from a data path whose other lanes stay as they are.
        let torn = (0..8_u8).filter(members).any(|other| {
            self.active_config(bank, other) >> 4 != 0 && self.path_of(bank, other) & !apply.lanes != 0
        });
        if torn || self.media_taken(bank, row.media_code, placement.media, apply) {
            return ConfigStatus::LanesInUse;
        }
        let changed = self.active_config(bank, lane) & 0xFE != own & 0xFE;
        if apply.trigger != Trigger::Init && changed {
            // Settings may change on a running path; its application may not.
            return ConfigStatus::Rejected;
        }
        if own & 1 != 0 && !self.settings_legal(lane, &apply.settings) {
            return ConfigStatus::InvalidSi;
        }
        ConfigStatus::Success
    }

    /// Whether a media lane would carry two kinds of signal: a carrier has one mode.
    fn media_taken(&self, bank: usize, media_code: u8, media: u8, apply: &Apply) -> bool {
        (0..8_u8).any(|other| {
            let config = if apply.lanes & (1 << other) != 0 {
                apply.config[usize::from(other)]
            } else {
                self.active_config(bank, other)
            };
            let row =
                usize::from(config >> 4).checked_sub(1).and_then(|at| self.profile.applications.get(at));
            row.is_some_and(|row| {
                row.media_code != media_code
                    && Placement::of(row, (config >> 1) & 7).is_some_and(|path| path.media & media != 0)
            })
        })
    }

    /// Whether a lane's settings are within what 01h advertises.
    fn settings_legal(&self, lane: u8, settings: &[u8; SETTINGS]) -> bool {
        let most = |field: crate::map::Field| value_of(&self.cells, 0, field, 0);
        let of_lane = |first: usize| {
            let byte = settings[first + usize::from(lane / 2)];
            if lane.is_multiple_of(2) { byte & 0x0F } else { byte >> 4 }
        };
        let levels = most(page01::RX_OUTPUT_LEVELS_SUPPORTED);
        let amplitude = of_lane(17);
        of_lane(3) <= most(page01::TX_INPUT_EQ_MAX)
            && of_lane(9) <= most(page01::RX_OUTPUT_EQ_PRE_CURSOR_MAX)
            && of_lane(13) <= most(page01::RX_OUTPUT_EQ_POST_CURSOR_MAX)
            && (levels == 0 || (amplitude < 4 && levels & (1 << amplitude) != 0))
    }

    fn set_status(&mut self, bank: usize, lanes: u8, status: ConfigStatus) {
        for lane in (0..8_u8).filter(|lane| lanes & (1 << lane) != 0) {
            let at = page11::CONFIG_STATUS_LANE.byte + lane / 2;
            let byte = self.cells.get(number(bank), 0x11, at);
            let code = status.code() & 0x0F;
            let byte =
                if lane.is_multiple_of(2) { (byte & 0xF0) | code } else { (byte & 0x0F) | (code << 4) };
            self.cells.set(number(bank), 0x11, at, &[byte]);
        }
    }
}

/// The bits of a lane in a byte of two nibbles.
const fn nibble(lane: u8) -> u8 {
    if lane.is_multiple_of(2) { 0x0F } else { 0xF0 }
}

/// Where set 1 lies, as the map has it.
const _: () = assert!(page10::SCS_APPLY_DP_INIT_LANE.step_bits == SET_1 as u16 * 8);
