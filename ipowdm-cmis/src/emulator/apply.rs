//! Staged control set 0, its apply triggers and their results.

use super::core::Core;
use crate::codes::{ConfigStatus, DataPathState};
use crate::map::{page10, page11};
use crate::procedure::Lanes;
use crate::time::Millis;

/// A configuration command that is being carried out.
#[derive(Debug, Clone, Copy)]
pub(super) struct Apply {
    /// Lanes named in the trigger.
    pub(super) lanes: u8,
    /// When its result is known.
    pub(super) due: Millis,
    /// The staged DPConfig bytes when the trigger was given.
    staged: [u8; 8],
    immediate: bool,
    rejected: bool,
}

impl Core {
    /// The host has written a trigger: ApplyDPInit, or ApplyImmediate.
    pub(super) fn trigger(&mut self, lanes: u8, immediate: bool, at: Millis) {
        if lanes == 0 {
            return;
        }
        let touched =
            (0..8_u8).filter(|lane| lanes & (1 << lane) != 0).fold(0, |mask, lane| mask | self.path_of(lane));
        let in_transit =
            (0..8_usize).any(|lane| touched & (1 << lane) != 0 && self.paths[lane].state.is_transient());
        let deactivated = (0..8_usize)
            .any(|lane| touched & (1 << lane) != 0 && self.paths[lane].state == DataPathState::Deactivated);
        // Such triggers are ignored without a word (OIF-CMIS-05.4, control set usage).
        if self.apply.is_some() || in_transit || (immediate && deactivated) {
            return;
        }
        if self.faults.ignore_applies > 0 {
            self.faults.ignore_applies -= 1;
            return;
        }
        let rejected = self.faults.reject_applies > 0;
        self.faults.reject_applies = self.faults.reject_applies.saturating_sub(1);
        let staged: [u8; 8] = core::array::from_fn(|lane| {
            let lane = u8::try_from(lane).unwrap_or(0);
            self.cells.get(0x10, page10::SCS0_DP_CONFIG_LANE_APP_SEL_CODE.byte + lane)
        });
        self.apply = Some(Apply {
            lanes,
            due: at.after(self.lasting(self.profile.configuring)),
            staged,
            immediate,
            rejected,
        });
        self.set_status(lanes, ConfigStatus::InProgress);
    }

    pub(super) fn finish_apply(&mut self) {
        let Some(apply) = self.apply.take() else { return };
        let staged = apply.staged;
        let mut refused = false;
        for lane in 0..8_u8 {
            if apply.lanes & (1 << lane) == 0 {
                continue;
            }
            let status =
                if apply.rejected { ConfigStatus::Rejected } else { self.judge(lane, apply.lanes, &staged) };
            refused |= status != ConfigStatus::Success;
            self.set_status(1 << lane, status);
        }
        if refused {
            // Nothing is copied unless every lane is accepted.
            self.spread_refusal(apply.lanes);
            return;
        }
        for lane in 0..8_u8 {
            if apply.lanes & (1 << lane) != 0 {
                self.cells.set(0x11, 206 + lane, &[staged[usize::from(lane)]]);
            }
        }
        if !apply.immediate {
            self.cells.raise(0x11, page11::DP_INIT_PENDING_LANE.byte, apply.lanes);
        }
    }

    /// The result for one lane of a command.
    fn judge(&self, lane: u8, lanes: u8, staged: &[u8; 8]) -> ConfigStatus {
        let own = staged[usize::from(lane)];
        let app_sel = own >> 4;
        if app_sel == 0 {
            return if self.faults.reject_unused {
                ConfigStatus::InvalidAppSel
            } else {
                ConfigStatus::Success
            };
        }
        let Some(row) = self.profile.applications.get(usize::from(app_sel) - 1) else {
            return ConfigStatus::InvalidAppSel;
        };
        let Some(placed) = Lanes::of(&row.application(app_sel)) else {
            return ConfigStatus::InvalidAppSel;
        };
        if placed.dp_config[usize::from(lane)] & 0xFE != own & 0xFE {
            return ConfigStatus::InvalidDataPath;
        }
        let path = (0..8_u8)
            .filter(|other| placed.dp_config[usize::from(*other)] & 0xFE == own & 0xFE)
            .fold(0_u8, |mask, other| mask | (1 << other));
        let staged_alike = (0..8_u8)
            .filter(|other| path & (1 << other) != 0)
            .all(|other| staged[usize::from(other)] & 0xFE == own & 0xFE);
        if path & lanes != path || !staged_alike {
            return ConfigStatus::PartialDataPath;
        }
        // A lane of another data path that stays as it is cannot be taken away from it.
        let torn = (0..8_u8)
            .filter(|other| path & (1 << other) != 0)
            .any(|other| self.active_config(other) >> 4 != 0 && self.path_of(other) & !lanes != 0);
        if torn { ConfigStatus::LanesInUse } else { ConfigStatus::Success }
    }

    /// Lanes of a refused command that were themselves right are rejected with it.
    fn spread_refusal(&mut self, lanes: u8) {
        for lane in 0..8_u8 {
            if lanes & (1 << lane) != 0 && self.status(lane) == ConfigStatus::Success.code() {
                self.set_status(1 << lane, ConfigStatus::Rejected);
            }
        }
    }

    fn status(&self, lane: u8) -> u8 {
        let byte = self.cells.get(0x11, page11::CONFIG_STATUS_LANE.byte + lane / 2);
        if lane.is_multiple_of(2) { byte & 0x0F } else { byte >> 4 }
    }

    fn set_status(&mut self, lanes: u8, status: ConfigStatus) {
        for lane in (0..8_u8).filter(|lane| lanes & (1 << lane) != 0) {
            let at = page11::CONFIG_STATUS_LANE.byte + lane / 2;
            let byte = self.cells.get(0x11, at);
            let code = status.code() & 0x0F;
            let byte =
                if lane.is_multiple_of(2) { (byte & 0xF0) | code } else { (byte & 0x0F) | (code << 4) };
            self.cells.set(0x11, at, &[byte]);
        }
    }
}
