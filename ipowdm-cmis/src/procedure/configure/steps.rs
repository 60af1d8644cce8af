//! The phases of [`Configure`], one by one.

use super::checks;
use super::{Change, Configure, Phase, Readback};
use crate::codes::{ConfigStatus, DataPathState, ModuleState};
use crate::map::{Address, Block, lower, page10, page12};
use crate::procedure::lanes::Lanes;
use crate::procedure::module_info::same_module;
use crate::procedure::snapshot::{Reader, Snapshot, active_set, config_status, dp_states};
use crate::procedure::wait::Watch;
use crate::procedure::{Awaited, Op, ProcError, Reply, data, read, write, written};
use crate::time::Millis;
use core::time::Duration;
use ipowdm_core::grid::LASER_TOLERANCE_MHZ;
use ipowdm_core::units::Frequency;

type Step = Result<Op<Result<Readback, ProcError>>, ProcError>;

/// LowPwrAllowRequestHW and LowPwrRequestSW (00h:26 bits 6, 4): both clear asks for high power whatever the pin says.
const LOW_POWER_BITS: u8 = 0x50;
/// Flags that refuse a laser setting: power out of range, fine tuning out of range, not accepted, invalid channel.
const REFUSALS: u8 = 0x3C;
/// Triggers given before the module is taken to ignore them.
const MOST_TRIGGERS: u8 = 3;
/// Time after the trigger in which an old ConfigStatus is not believed.
const STATUS_GRACE: Duration = Duration::from_millis(500);
/// Least time allowed to the end of ConfigInProgress: the specification gives no limit of its own.
const CONFIG_LIMIT: Duration = Duration::from_secs(10);
/// Least time allowed to tuning and lock: these have no advertised limit of their own.
const TUNING_LIMIT: Duration = Duration::from_secs(10);

const MODULE_STATE: Address = Address::lower(3);
const GLOBAL_CONTROL: Address = Address::lower(26);
const DP_STATES: (Address, u8) = (Address::page(0x11, 128), 4);
const CONFIG: (Address, u8) = (Address::page(0x11, 202), 12);
/// Current frequency to tuning status; no clear-on-read flag.
const LASER: (Address, u8) = (Address::page(0x12, 168), 62);
/// Tuning status and flags of all lanes; clears the flags.
const TUNING: (Address, u8) = (Address::page(0x12, 222), 17);
const FLAGS: (Address, u8) = (Address::page(0x12, 231), 8);

impl Configure {
    pub(super) fn advance(&mut self, now: Millis, reply: &Reply<'_>) -> Step {
        if self.asleep {
            self.asleep = false;
            return match reply {
                Reply::Woken => Ok(self.look()),
                _ => Err(ProcError::OutOfStep),
            };
        }
        match self.phase {
            Phase::Survey => match self.reader.take(reply)? {
                None => Ok(self.reader.op()),
                Some(snapshot) => self.decide(now, snapshot),
            },
            Phase::Verify => match self.reader.take(reply)? {
                None => Ok(self.reader.op()),
                Some(snapshot) => self.finish(&snapshot),
            },
            Phase::AwaitReady => self.await_ready(now, reply),
            Phase::AwaitDeactivated | Phase::AwaitInitialized | Phase::AwaitActivated => {
                self.await_data_path(now, reply)
            }
            Phase::AwaitTuning => self.await_tuning(now, reply),
            Phase::AwaitLock => self.await_lock(now, reply),
            Phase::AwaitConfig => self.await_config(now, reply),
            Phase::ClearFlags => {
                data(reply, FLAGS.0)?;
                let next = if self.change == Change::Reprovisioned { Phase::Channel } else { Phase::Power };
                self.enter(now, next)
            }
            Phase::Autopsy => self.autopsy(reply),
            Phase::FaultCause => {
                let at = lower::MODULE_FAULT_CAUSE.address(0);
                let cause = data(reply, at).ok().and_then(|bytes| bytes.first().copied());
                Err(cause.map_or(self.failure, |cause| ProcError::Fault { cause }))
            }
            writing => {
                written(reply, self.write_address(writing))?;
                let next = self.after_write(writing);
                self.enter(now, next)
            }
        }
    }

    fn lanes(&self) -> Result<Lanes, ProcError> {
        self.lanes.ok_or(ProcError::OutOfStep)
    }

    fn decide(&mut self, now: Millis, snapshot: Snapshot) -> Step {
        if snapshot.module_state == ModuleState::Fault {
            return Err(ProcError::Fault { cause: snapshot.fault_cause });
        }
        same_module(&self.serial, &snapshot.serial)?;
        let lanes = match self.lanes {
            Some(lanes) => lanes,
            None => checks::lanes_to_keep(&self.applications, &snapshot.active)?,
        };
        self.lanes = Some(lanes);
        self.before = snapshot;
        self.global_control = snapshot.global_control;
        self.deinit = snapshot.deinit;
        self.down = lanes.host | occupied(&snapshot.active);
        self.tx_disable = snapshot.tx_disable;
        self.squelch_force = snapshot.squelch_force;
        self.grid_byte = snapshot.grid_byte[usize::from(lanes.laser())];
        let distance = checks::distance(&snapshot, &lanes, self.target);
        if distance.provisioned && distance.lit && distance.power {
            return Ok(Op::Done(Ok(self.readback(&snapshot, &lanes))));
        }
        if distance.provisioned {
            self.change = if distance.lit { Change::PowerOnly } else { Change::OutputOnly };
            let first = if distance.power { Phase::AwaitInitialized } else { Phase::ClearFlags };
            return self.enter(now, first);
        }
        self.change = Change::Reprovisioned;
        self.enter(now, Phase::DisableTx)
    }

    /// Begins a phase, or the next one where this one has nothing to do.
    fn enter(&mut self, now: Millis, phase: Phase) -> Step {
        let lanes = self.lanes()?;
        let mut phase = phase;
        loop {
            let skip = match phase {
                Phase::DisableTx => self.tx_disable & lanes.media == lanes.media,
                Phase::Deinit => self.deinit & self.down == self.down,
                Phase::PowerUp => self.before.module_state == ModuleState::Ready && self.high_power_asked(),
                Phase::Power => self.before.target(lanes.laser()) == self.target.tx_power,
                Phase::Unsquelch => self.squelch_force & lanes.media == 0,
                Phase::EnableTx => self.tx_disable & lanes.media == 0,
                _ => false,
            };
            if !skip {
                break;
            }
            phase = self.after_write(phase);
        }
        self.phase = phase;
        self.prepare(now, &lanes);
        Ok(self.look())
    }

    fn high_power_asked(&self) -> bool {
        self.global_control & LOW_POWER_BITS == 0
    }

    /// Sets what a phase works with.
    fn prepare(&mut self, now: Millis, lanes: &Lanes) {
        let limit = match self.phase {
            Phase::AwaitReady => self.durations.power_up,
            Phase::AwaitDeactivated => self.durations.tx_off.max(self.durations.dp_deinit),
            Phase::AwaitInitialized => self.durations.dp_init,
            Phase::AwaitActivated => self.durations.tx_on,
            Phase::AwaitTuning | Phase::AwaitLock => self.durations.tx_on.max(TUNING_LIMIT),
            Phase::AwaitConfig => self.durations.dp_deinit.max(CONFIG_LIMIT),
            _ => Duration::ZERO,
        };
        self.watch = Watch::start(now, limit);
        match self.phase {
            Phase::DisableTx => self.tx_disable |= lanes.media,
            Phase::EnableTx => self.tx_disable &= !lanes.media,
            Phase::Unsquelch => self.squelch_force &= !lanes.media,
            Phase::Deinit => self.deinit |= self.down,
            Phase::Init => self.deinit &= !lanes.host,
            Phase::PowerUp => self.global_control &= !LOW_POWER_BITS,
            // Fine tuning off; the relative-thresholds bit is somebody else's.
            Phase::Grid => self.grid_byte = (self.grid.code() << 4) | (self.grid_byte & 0x02),
            Phase::Stage => {
                let others = if self.apply.decommission { occupied(&self.before.active) } else { 0 };
                self.apply.mask = lanes.host | others;
                self.apply.wanted = lanes.dp_config;
            }
            Phase::Apply => {
                self.apply.attempts += 1;
                self.apply.triggered = now;
                self.apply.seen_in_progress = false;
            }
            Phase::AwaitTuning => self.flags = 0,
            Phase::Verify => self.reader = Reader::new(),
            _ => {}
        }
    }

    fn write_address(&self, phase: Phase) -> Address {
        let laser = u16::from(self.lanes.map_or(0, |lanes| lanes.laser()));
        match phase {
            Phase::DisableTx | Phase::EnableTx => page10::OUTPUT_DISABLE_TX.address(0),
            Phase::Unsquelch => page10::OUTPUT_SQUELCH_FORCE_TX.address(0),
            Phase::Deinit | Phase::Init => page10::DP_DEINIT_LANE.address(0),
            Phase::PowerUp => GLOBAL_CONTROL,
            Phase::Grid => page12::GRID_SPACING_TX.address(laser),
            Phase::Channel => page12::CHANNEL_NUMBER_TX.address(laser),
            Phase::Power => page12::TARGET_OUTPUT_POWER_TX.address(laser),
            Phase::Stage => page10::SCS0_DP_CONFIG_LANE_APP_SEL_CODE.address(0),
            _ => page10::SCS_APPLY_DP_INIT_LANE.address(0),
        }
    }

    const fn after_write(&self, phase: Phase) -> Phase {
        match phase {
            Phase::DisableTx => Phase::Deinit,
            Phase::Deinit => Phase::PowerUp,
            Phase::PowerUp => Phase::AwaitReady,
            Phase::Grid => Phase::ClearFlags,
            Phase::Channel => Phase::Power,
            Phase::Power => Phase::AwaitTuning,
            Phase::Stage => Phase::Apply,
            Phase::Apply => Phase::AwaitConfig,
            Phase::Init => Phase::AwaitInitialized,
            Phase::Unsquelch => Phase::EnableTx,
            Phase::EnableTx => Phase::AwaitActivated,
            other => other,
        }
    }

    /// The operation of the current phase.
    fn look(&self) -> Op<Result<Readback, ProcError>> {
        let at = self.write_address(self.phase);
        match self.phase {
            Phase::Survey | Phase::Verify => self.reader.op(),
            Phase::AwaitReady | Phase::Autopsy => read(MODULE_STATE, 1),
            Phase::FaultCause => read(lower::MODULE_FAULT_CAUSE.address(0), 1),
            Phase::AwaitDeactivated | Phase::AwaitInitialized | Phase::AwaitActivated => {
                read(DP_STATES.0, DP_STATES.1)
            }
            Phase::AwaitTuning => read(TUNING.0, TUNING.1),
            Phase::AwaitLock => read(LASER.0, LASER.1),
            Phase::AwaitConfig => read(CONFIG.0, CONFIG.1),
            Phase::ClearFlags => read(FLAGS.0, FLAGS.1),
            Phase::DisableTx | Phase::EnableTx => write(at, &[self.tx_disable]),
            Phase::Unsquelch => write(at, &[self.squelch_force]),
            Phase::Deinit | Phase::Init => write(at, &[self.deinit]),
            Phase::PowerUp => write(at, &[self.global_control]),
            Phase::Grid => write(at, &[self.grid_byte]),
            Phase::Channel => write(at, &self.channel.to_be_bytes()),
            Phase::Power => write(at, &self.target.tx_power.hundredths().to_be_bytes()),
            Phase::Stage => write(at, &self.apply.wanted),
            Phase::Apply => write(at, &[self.apply.mask]),
        }
    }

    fn sleep(&mut self, now: Millis) -> Step {
        self.asleep = true;
        Ok(Op::Sleep { until: self.watch.next_look(now) })
    }

    fn timed_out(&mut self, awaited: Awaited, limit: Duration) -> Step {
        self.failure = ProcError::TimedOut { awaited, limit };
        self.phase = Phase::Autopsy;
        Ok(self.look())
    }

    fn autopsy(&mut self, reply: &Reply<'_>) -> Step {
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

    fn await_ready(&mut self, now: Millis, reply: &Reply<'_>) -> Step {
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
            Err(limit) => self.timed_out(Awaited::Module { wanted, seen }, limit),
        }
    }

    fn await_data_path(&mut self, now: Millis, reply: &Reply<'_>) -> Step {
        use DataPathState::{Activated, Deactivated, Deinit, Init, Initialized, TxTurnOff, TxTurnOn};
        let lanes = self.lanes()?;
        let states = dp_states(Block::new(DP_STATES.0, data(reply, DP_STATES.0)?));
        let (wanted, next) = match self.phase {
            Phase::AwaitDeactivated => (Deactivated, Phase::Grid),
            Phase::AwaitInitialized => (Initialized, Phase::Unsquelch),
            _ => (Activated, Phase::AwaitLock),
        };
        let reached = |state| match wanted {
            // A module whose output is already enabled passes Initialized between two looks.
            Initialized => matches!(state, Initialized | TxTurnOn | Activated | TxTurnOff),
            wanted => state == wanted,
        };
        let awaited = if wanted == Deactivated { self.down } else { lanes.host };
        let behind = (0..8_u8)
            .filter(|lane| awaited & (1 << lane) != 0)
            .map(|lane| (lane + 1, states[usize::from(lane)]))
            .find(|(_, state)| !reached(*state));
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
            Err(limit) => self.timed_out(Awaited::DataPath { wanted, seen, lane }, limit),
        }
    }

    fn await_tuning(&mut self, now: Millis, reply: &Reply<'_>) -> Step {
        let laser = u16::from(self.lanes()?.laser());
        let block = Block::new(TUNING.0, data(reply, TUNING.0)?);
        let at = |field: crate::map::Field| {
            let byte = field.address(laser).byte;
            block.slice(byte, 1).map_or(0, |bytes| bytes[0])
        };
        // The flags clear when they are read: what one look saw must not be forgotten by the next.
        self.flags |= at(page12::TUNING_COMPLETE_FLAG_TX);
        if self.flags & REFUSALS != 0 {
            return Err(ProcError::TuningRefused { flags: self.flags });
        }
        let status = at(page12::TUNING_IN_PROGRESS_TX);
        if status & 0x02 == 0 {
            let next = match self.change {
                Change::Reprovisioned => Phase::Stage,
                Change::OutputOnly => Phase::AwaitInitialized,
                Change::PowerOnly | Change::Unchanged => Phase::AwaitLock,
            };
            return self.enter(now, next);
        }
        match self.watch.observe(now, status, Duration::ZERO) {
            Ok(()) => self.sleep(now),
            Err(limit) => self.timed_out(Awaited::Tuning, limit),
        }
    }

    fn await_lock(&mut self, now: Millis, reply: &Reply<'_>) -> Step {
        let laser = u16::from(self.lanes()?.laser());
        let block = Block::new(LASER.0, data(reply, LASER.0)?);
        let seen = block
            .unsigned_at(page12::CURRENT_LASER_FREQUENCY_TX, laser)
            .and_then(|mhz| u32::try_from(mhz).ok())
            .map_or(Frequency::from_mhz(0), Frequency::from_mhz);
        let status_byte = page12::TUNING_IN_PROGRESS_TX.address(laser).byte;
        let status = block.slice(status_byte, 1).map_or(0xFF, |bytes| bytes[0]) & 0x03;
        let wanted = self.target.frequency;
        if status == 0 && seen.distance(wanted) <= LASER_TOLERANCE_MHZ {
            return self.enter(now, Phase::Verify);
        }
        match self.watch.observe(now, status, Duration::ZERO) {
            Ok(()) => self.sleep(now),
            Err(limit) => self.timed_out(Awaited::Lock { wanted, seen }, limit),
        }
    }

    fn await_config(&mut self, now: Millis, reply: &Reply<'_>) -> Step {
        let block = Block::new(CONFIG.0, data(reply, CONFIG.0)?);
        let (status, active) = (config_status(block), active_set(block));
        let named = |lane: &usize| self.apply.mask & (1 << lane) != 0;
        if (0..8).filter(named).any(|lane| status[lane] == ConfigStatus::InProgress) {
            self.apply.seen_in_progress = true;
            return match self.watch.observe(now, ConfigStatus::InProgress.code(), Duration::ZERO) {
                Ok(()) => self.sleep(now),
                Err(limit) => self.timed_out(Awaited::Configuration, limit),
            };
        }
        let done = (0..8).filter(named).all(|lane| {
            status[lane] == ConfigStatus::Success && active[lane] & 0xFE == self.apply.wanted[lane] & 0xFE
        });
        if done {
            return self.enter(now, Phase::Init);
        }
        // An unchanged status may still be that of an earlier command.
        let fresh = self.apply.seen_in_progress || now.elapsed_since(self.apply.triggered) >= STATUS_GRACE;
        let refused = (0..8).filter(named).find(|lane| {
            !matches!(status[*lane], ConfigStatus::Success | ConfigStatus::Undefined)
                && (fresh || status[*lane] != self.before.config_status[*lane])
        });
        if let Some(lane) = refused {
            let extra = self.apply.mask & !self.lanes()?.host;
            if self.apply.decommission && extra != 0 {
                // Some modules reject AppSel 0. DPDeinit has taken the data path down already; name its own lanes only.
                self.apply.decommission = false;
                return self.enter(now, Phase::Stage);
            }
            return Err(ProcError::Rejected {
                lane: u8::try_from(lane).unwrap_or(7) + 1,
                status: status[lane],
            });
        }
        if !fresh {
            return self.sleep(now);
        }
        // Neither accepted nor refused: a trigger in a transient state is ignored without a word.
        let attempts = self.apply.attempts;
        if attempts >= MOST_TRIGGERS {
            return Err(ProcError::ApplyIgnored { attempts });
        }
        self.enter(now, Phase::Apply)
    }

    fn finish(&self, snapshot: &Snapshot) -> Step {
        let lanes = self.lanes()?;
        match checks::first_mismatch(snapshot, &lanes, self.target) {
            Some(setting) => Err(ProcError::Mismatch { setting }),
            None => Ok(Op::Done(Ok(self.readback(snapshot, &lanes)))),
        }
    }

    fn readback(&self, snapshot: &Snapshot, lanes: &Lanes) -> Readback {
        let laser = lanes.laser();
        let app_sel = lanes.app_sel();
        let application = self.applications.iter().find(|a| a.info.app_sel == app_sel);
        Readback {
            change: self.change,
            frequency: snapshot.set_frequency(laser).unwrap_or(self.target.frequency),
            laser_frequency: snapshot.frequency(laser),
            laser_tuned: snapshot.tuning_status[usize::from(laser)] & 0x03 == 0,
            tx_power_target: snapshot.target(laser),
            tx_power: snapshot.measured_power(laser),
            app_sel,
            media_code: application.map_or(0, |a| a.info.media_code),
            module_state: snapshot.module_state,
            host_lanes: lanes.host,
            dp_states: snapshot.dp_states,
        }
    }
}

/// Lanes of the active control set with an application.
fn occupied(active: &[u8; 8]) -> u8 {
    active
        .iter()
        .enumerate()
        .filter(|(_, config)| **config >> 4 != 0)
        .fold(0, |mask, (lane, _)| mask | (1 << lane))
}
