//! The phases of [`Configure`] that wait.

use super::steps::{CONFIG, DP_STATES, LASER, MODULE_STATE, Step, TUNING};
use super::{Change, Configure, Phase};
use crate::codes::{ConfigStatus, DataPathState, ModuleState};
use crate::map::{Block, Field, lower, page12};
use crate::procedure::apply::{Application as Applied, MOST_TRIGGERS, Verdict};
use crate::procedure::snapshot::{active_set, config_status, dp_states};
use crate::procedure::{Awaited, Op, ProcError, Reply, TuningFlags, data};
use crate::time::Millis;
use core::time::Duration;
use ipowdm_core::grid::LASER_TOLERANCE_MHZ;
use ipowdm_core::units::Frequency;

impl Configure {
    fn sleep(&mut self, now: Millis) -> Step {
        self.asleep = true;
        Ok(Op::Sleep { until: self.watch.next_look(now) })
    }

    fn timed_out(&mut self, now: Millis, awaited: Awaited, limit: Duration) -> Step {
        self.note_time(now);
        self.failure = ProcError::TimedOut { awaited, limit };
        self.phase = Phase::Autopsy;
        Ok(self.look())
    }

    pub(super) fn autopsy(&mut self, reply: &Reply<'_>) -> Step {
        // The time-out is the finding; if the module cannot even be read it stands.
        let state = data(reply, MODULE_STATE).ok().and_then(|bytes| {
            Block::new(MODULE_STATE, bytes).byte(lower::MODULE_STATE).map(ModuleState::from_code)
        });
        if state == Some(ModuleState::Fault) {
            self.phase = Phase::FaultCause;
            return Ok(self.look());
        }
        Err(self.failure)
    }

    pub(super) fn await_ready(&mut self, now: Millis, reply: &Reply<'_>) -> Step {
        let block = Block::new(MODULE_STATE, data(reply, MODULE_STATE)?);
        let seen = ModuleState::from_code(block.byte(lower::MODULE_STATE).unwrap_or(0));
        match seen {
            ModuleState::Ready => return self.enter(now, Phase::AwaitDeactivated),
            ModuleState::Fault => {
                self.phase = Phase::FaultCause;
                return Ok(self.look());
            }
            _ => {}
        }
        let limit = match seen {
            ModuleState::PwrDn => self.durations.power_down,
            _ => self.durations.power_up,
        };
        let wanted = ModuleState::Ready;
        match self.watch.observe(now, seen.code(), limit) {
            Ok(()) => self.sleep(now),
            Err(limit) => self.timed_out(now, Awaited::Module { wanted, seen }, limit),
        }
    }

    pub(super) fn await_data_path(&mut self, now: Millis, reply: &Reply<'_>) -> Step {
        use DataPathState::{
            Activated, Deactivated, Deinit, Init, Initialized, TxTurnOff, TxTurnOn, Unknown,
        };
        let lanes = self.lanes()?;
        let at = self.here(DP_STATES.0);
        let states = dp_states(Block::new(at, data(reply, at)?));
        let (wanted, next) = match self.phase {
            Phase::AwaitDeactivated => (Deactivated, Phase::Grid(self.first_laser())),
            Phase::AwaitInitialized => (Initialized, Phase::Unsquelch),
            _ => (Activated, Phase::AwaitLock),
        };
        let reached = |lane: u8, state| match wanted {
            // A module whose output is already enabled passes Initialized between two looks.
            Initialized => matches!(state, Initialized | TxTurnOn | Activated | TxTurnOff),
            // A lane that the module does not have reports the reserved code 0.
            Deactivated => state == Deactivated || (state == Unknown(0) && lanes.host & (1 << lane) == 0),
            wanted => state == wanted,
        };
        let awaited = if wanted == Deactivated { self.down } else { lanes.host };
        let behind = (0..8_u8)
            .filter(|lane| awaited & (1 << lane) != 0)
            .map(|lane| (lane, states[usize::from(lane)]))
            .find(|(lane, state)| !reached(*lane, *state));
        let Some((lane, seen)) = behind else {
            return self.enter(now, next);
        };
        let limit = match seen {
            Init => self.durations.dp_init,
            Deinit => self.durations.dp_deinit,
            TxTurnOn => self.durations.tx_on,
            TxTurnOff => self.durations.tx_off,
            // A steady state is left at once when its exit condition holds.
            _ => Duration::ZERO,
        };
        match self.watch.observe(now, seen.code(), limit) {
            Ok(()) => self.sleep(now),
            Err(limit) => self.timed_out(now, Awaited::DataPath { wanted, seen, lane: lane + 1 }, limit),
        }
    }

    pub(super) fn await_tuning(&mut self, now: Millis, reply: &Reply<'_>) -> Step {
        let media = self.lanes()?.media;
        let start = self.here(TUNING.0);
        let block = Block::new(start, data(reply, start)?);
        let at = |field: Field, laser: u8| {
            let byte = field.address(u16::from(laser)).byte;
            block.slice(byte, 1).map_or(0, |bytes| bytes[0])
        };
        let mut moving = 0;
        for laser in (0..8_u8).filter(|laser| media & (1 << laser) != 0) {
            // The flags clear when they are read: what one look saw must not be forgotten by the next.
            let flags = &mut self.flags[usize::from(laser)];
            *flags |= at(page12::TUNING_COMPLETE_FLAG_TX, laser);
            let flags = TuningFlags(*flags);
            if flags.refuses() {
                return Err(ProcError::TuningRefused { lane: laser + 1, flags });
            }
            if at(page12::TUNING_IN_PROGRESS_TX, laser) & 0x02 != 0 {
                moving |= 1 << laser;
            }
        }
        if moving == 0 {
            let next = match self.change {
                Change::Reprovisioned => Phase::Stage,
                Change::OutputOnly => Phase::AwaitInitialized,
                Change::PowerOnly | Change::Unchanged | Change::Darkened => Phase::AwaitLock,
            };
            return self.enter(now, next);
        }
        match self.watch.observe(now, moving, Duration::ZERO) {
            Ok(()) => self.sleep(now),
            Err(limit) => self.timed_out(now, Awaited::Tuning, limit),
        }
    }

    pub(super) fn await_lock(&mut self, now: Millis, reply: &Reply<'_>) -> Step {
        let media = self.lanes()?.media;
        let start = self.here(LASER.0);
        let block = Block::new(start, data(reply, start)?);
        let wanted = self.target.frequency;
        let look = |laser: u8| {
            let seen = block
                .unsigned_at(page12::CURRENT_LASER_FREQUENCY_TX, u16::from(laser))
                .and_then(|mhz| u32::try_from(mhz).ok())
                .map_or(Frequency::from_mhz(0), Frequency::from_mhz);
            let at = page12::TUNING_IN_PROGRESS_TX.address(u16::from(laser)).byte;
            (seen, block.slice(at, 1).map_or(0xFF, |bytes| bytes[0]) & 0x03)
        };
        let behind = (0..8_u8)
            .filter(|laser| media & (1 << laser) != 0)
            .map(|laser| (laser, look(laser)))
            .find(|(_, (seen, status))| *status != 0 || seen.distance(wanted) > LASER_TOLERANCE_MHZ);
        let Some((laser, (seen, status))) = behind else {
            return self.enter(now, Phase::Verify);
        };
        match self.watch.observe(now, (laser << 2) | status, Duration::ZERO) {
            Ok(()) => self.sleep(now),
            Err(limit) => self.timed_out(now, Awaited::Lock { wanted, seen }, limit),
        }
    }

    pub(super) fn await_config(&mut self, now: Millis, reply: &Reply<'_>) -> Step {
        let at = self.here(CONFIG.0);
        let block = Block::new(at, data(reply, at)?);
        let (status, active) = (config_status(block), active_set(block));
        match self.apply.judge(now, &status, &active, &self.before.config_status) {
            Verdict::InProgress => {
                match self.watch.observe(now, ConfigStatus::InProgress.code(), Duration::ZERO) {
                    Ok(()) => self.sleep(now),
                    Err(limit) => self.timed_out(now, Awaited::Configuration, limit),
                }
            }
            Verdict::Done => self.enter(now, Phase::Init),
            Verdict::Wait => self.sleep(now),
            // Some modules reject AppSel 0. DPDeinit has taken the data path down already; name its own lanes only.
            Verdict::Refused(..) if self.decommission && self.apply.mask & !self.lanes()?.host != 0 => {
                self.decommission = false;
                self.enter(now, Phase::Stage)
            }
            Verdict::Refused(lane, refusal) => Err(Applied::rejection(lane, refusal, status)),
            Verdict::Ignored if self.apply.attempts < MOST_TRIGGERS => self.enter(now, Phase::Apply),
            Verdict::Ignored => Err(ProcError::ApplyIgnored { attempts: self.apply.attempts }),
        }
    }
}
