//! The state of one module and how it moves with time.

use super::apply::Apply;
use super::cells::Cells;
use super::laser::Laser;
use super::profile::Profile;
use super::receiver::{Emission, ReceivedLight};
use super::registers;
use crate::codes::DataPathState;
use crate::machine::{ModuleConditions, ModulePhase, PathConditions, next_module_phase, next_path_state};
use crate::map::{lower, page10, page11};
use crate::time::Millis;
use core::time::Duration;

/// A state with the instant at which its work is done, if it is transient.
#[derive(Debug, Clone, Copy)]
pub(super) struct Timed<S> {
    pub(super) state: S,
    pub(super) until: Option<Millis>,
}

/// Faults that a test or a laboratory asks for.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Faults {
    /// Accesses still to be refused.
    pub(super) refuse: u32,
    /// Apply triggers still to be rejected.
    pub(super) reject_applies: u32,
    /// Apply triggers still to be ignored.
    pub(super) ignore_applies: u32,
    /// AppSel 0 is rejected, as some modules do.
    pub(super) reject_unused: bool,
    /// Fault condition, with its cause.
    pub(super) fault: Option<u8>,
    /// Every transient state lasts this many times its real duration; 0 counts as 1.
    pub(super) slowness: u32,
    /// How far from its channel the laser reports itself, in MHz.
    pub(super) laser_report_offset: i32,
}

/// One emulated module.
#[derive(Debug)]
pub(super) struct Core {
    pub(super) profile: Profile,
    pub(super) seed: u64,
    pub(super) serial: u32,
    pub(super) cells: Cells,
    /// Bank and page that the upper half shows.
    pub(super) mapping: (u8, u8),
    pub(super) present: bool,
    pub(super) phase: Timed<ModulePhase>,
    pub(super) paths: [Timed<DataPathState>; 8],
    pub(super) apply: Option<Apply>,
    pub(super) laser: Laser,
    pub(super) received: ReceivedLight,
    pub(super) faults: Faults,
    /// Accesses are refused before this instant.
    pub(super) busy_until: Millis,
    /// Instant up to which the state is known.
    pub(super) synced: Millis,
}

const STEADY: Timed<DataPathState> = Timed { state: DataPathState::Deactivated, until: None };

impl Core {
    /// A module that was plugged in at `now`.
    pub(super) fn new(profile: Profile, serial: u32, seed: u64, now: Millis) -> Self {
        let mut core = Self {
            cells: registers::at_power_on(&profile, serial),
            laser: Laser::new(&profile),
            profile,
            seed,
            serial,
            mapping: (0, 0),
            present: true,
            phase: Timed { state: ModulePhase::Reset, until: None },
            paths: [STEADY; 8],
            apply: None,
            received: ReceivedLight::DARK,
            faults: Faults::default(),
            busy_until: Millis(0),
            synced: now,
        };
        core.settle(now);
        core
    }

    /// Back to power-on defaults, as after a reset or an insertion.
    pub(super) fn power_on(&mut self, now: Millis) {
        self.cells = registers::at_power_on(&self.profile, self.serial);
        self.laser = Laser::new(&self.profile);
        self.mapping = (0, 0);
        self.phase = Timed { state: ModulePhase::Reset, until: None };
        self.paths = [STEADY; 8];
        self.apply = None;
        self.busy_until = now;
        self.synced = now;
        self.settle(now);
    }

    /// Brings the state to `now`, one event after the other.
    pub(super) fn sync(&mut self, now: Millis) {
        if !self.present {
            self.synced = self.synced.max(now);
            return;
        }
        // Every event ends a timer; each can start a few more, all later. 64 is far above what one look can owe.
        for _ in 0..64 {
            let Some(next) = self.next_event().filter(|at| *at <= now) else {
                break;
            };
            let at = next.max(self.synced);
            self.synced = at;
            self.settle(at);
        }
        self.synced = self.synced.max(now);
    }

    fn next_event(&self) -> Option<Millis> {
        let paths = self.paths.iter().filter_map(|path| path.until);
        let others = [self.phase.until, self.apply.map(|apply| apply.due), self.laser.busy_until()];
        others.into_iter().flatten().chain(paths).min()
    }

    /// Makes every transition whose condition holds at `at`.
    pub(super) fn settle(&mut self, at: Millis) {
        // The longest chain of transitions without time is below ten.
        for _ in 0..16 {
            let mut moved = self.step_module(at);
            if self.apply.is_some_and(|apply| apply.due <= at) {
                self.finish_apply();
                moved = true;
            }
            moved |= self.step_paths(at);
            moved |= self.step_laser(at);
            if !moved {
                return;
            }
        }
    }

    pub(super) fn lasting(&self, duration: Duration) -> Duration {
        duration * self.faults.slowness.max(1)
    }

    pub(super) fn low_power_requested(&self) -> bool {
        let control = self.cells.get(0, 26);
        let bit = |field: crate::map::Field| control & field.mask(0) != 0;
        bit(lower::LOW_PWR_REQUEST_SW)
            || (bit(lower::LOW_PWR_ALLOW_REQUEST_HW) && self.profile.power_on.low_power_pin)
    }

    fn step_module(&mut self, at: Millis) -> bool {
        let on = ModuleConditions {
            reset: false,
            fault: self.faults.fault.is_some(),
            low_power: self.low_power_requested(),
            all_deactivated: self.paths.iter().all(|path| path.state == DataPathState::Deactivated),
            done: self.phase.until.is_some_and(|until| until <= at),
        };
        let next = next_module_phase(self.phase.state, on);
        if next == self.phase.state {
            return false;
        }
        let dwell = match next {
            ModulePhase::MgmtInit => Some(self.profile.management_init),
            ModulePhase::PwrUp => Some(self.profile.power_up.actual),
            ModulePhase::PwrDn => Some(self.profile.power_down.actual),
            _ => None,
        };
        self.phase = Timed { state: next, until: dwell.map(|dwell| at.after(self.lasting(dwell))) };
        // The flag marks the steady states, unless their exit condition holds already.
        let leaves_at_once = next_module_phase(next, ModuleConditions { done: false, ..on }) != next;
        if matches!(next, ModulePhase::LowPwr | ModulePhase::Ready | ModulePhase::Fault) && !leaves_at_once {
            self.cells.raise(0, lower::MODULE_STATE_CHANGED_FLAG.byte, 0x01);
        }
        if let (ModulePhase::Fault, Some(cause)) = (next, self.faults.fault) {
            self.cells.set(0, lower::MODULE_FAULT_CAUSE.byte, &[cause]);
        }
        true
    }

    /// Lanes that move together with `lane`: those of its data path.
    pub(super) fn path_of(&self, lane: u8) -> u8 {
        let config = |lane: u8| self.active_config(lane);
        let own = config(lane);
        if own >> 4 == 0 {
            return 1 << lane;
        }
        (0..8).filter(|other| config(*other) & 0xFE == own & 0xFE).fold(0, |mask, other| mask | (1 << other))
    }

    /// DPConfig byte of a lane in the active control set.
    pub(super) fn active_config(&self, lane: u8) -> u8 {
        self.cells.get(0x11, 206 + lane.min(7))
    }

    pub(super) fn init_pending(&self) -> u8 {
        self.cells.get(0x11, page11::DP_INIT_PENDING_LANE.byte)
    }

    fn path_conditions(&self, mask: u8, at: Millis) -> PathConditions {
        let first = u8::try_from(mask.trailing_zeros()).unwrap_or(0).min(7);
        let deinit = self.phase.state != ModulePhase::Ready
            || self.low_power_requested()
            || self.cells.get(0x10, page10::DP_DEINIT_LANE.byte) & mask != 0;
        let re_deinit = deinit || self.init_pending() & mask != 0;
        let output_off = (self.cells.get(0x10, page10::OUTPUT_DISABLE_TX.byte)
            | self.cells.get(0x10, page10::OUTPUT_SQUELCH_FORCE_TX.byte))
            & 0x01
            != 0;
        PathConditions {
            deinit,
            re_deinit,
            deactivate: re_deinit || output_off,
            provisioned: self.active_config(first) >> 4 != 0,
            done: self.paths[usize::from(first)].until.is_some_and(|until| until <= at),
        }
    }

    fn step_paths(&mut self, at: Millis) -> bool {
        let mut moved = false;
        let mut seen = 0_u8;
        for lane in 0..8_u8 {
            if seen & (1 << lane) != 0 {
                continue;
            }
            let mask = self.path_of(lane);
            seen |= mask;
            let state = self.paths[usize::from(lane)].state;
            let on = self.path_conditions(mask, at);
            let next = next_path_state(state, on);
            if next != state {
                self.enter_path_state(mask, next, at);
                moved = true;
            }
        }
        moved
    }

    fn enter_path_state(&mut self, mask: u8, next: DataPathState, at: Millis) {
        let dwell = match next {
            DataPathState::Init => Some(self.profile.dp_init.actual),
            DataPathState::Deinit => Some(self.profile.dp_deinit.actual),
            DataPathState::TxTurnOn => Some(self.profile.tx_on.actual),
            DataPathState::TxTurnOff => Some(self.profile.tx_off.actual),
            _ => None,
        };
        let until = dwell.map(|dwell| at.after(self.lasting(dwell)));
        for lane in 0..8_usize {
            if mask & (1 << lane) != 0 {
                self.paths[lane] = Timed { state: next, until };
            }
        }
        let unprovisioned = next == DataPathState::Deactivated
            && (0..8_u8).any(|lane| mask & (1 << lane) != 0 && self.active_config(lane) >> 4 == 0);
        if next == DataPathState::Init || unprovisioned {
            let pending = self.init_pending() & !mask;
            self.cells.set(0x11, page11::DP_INIT_PENDING_LANE.byte, &[pending]);
        }
        if next == DataPathState::Initialized {
            self.laser_initialised();
        }
        if until.is_none() {
            self.cells.raise(0x11, page11::DP_STATE_CHANGED_FLAG.byte, mask);
        }
    }

    /// The signal that leaves the module now; `None` while it is dark.
    pub(super) fn emission(&self) -> Option<Emission> {
        if !self.present {
            return None;
        }
        let lane = (0..8_u8).find(|lane| self.paths[usize::from(*lane)].state == DataPathState::Activated)?;
        if self.laser.is_moving() {
            return None;
        }
        let app_sel = usize::from(self.active_config(lane) >> 4);
        let row = self.profile.applications.get(app_sel.checked_sub(1)?)?;
        Some(Emission {
            frequency: self.laser.frequency()?,
            power: self.laser.power,
            media_code: row.media_code,
            osnr: self.profile.tx_osnr,
        })
    }

    /// Whether the laser, which is also the receiver's local oscillator, is on.
    pub(super) fn laser_on(&self) -> bool {
        self.paths.iter().any(|path| {
            matches!(
                path.state,
                DataPathState::Initialized
                    | DataPathState::TxTurnOn
                    | DataPathState::Activated
                    | DataPathState::TxTurnOff
            )
        })
    }
}
