//! The phases of [`Configure`] that decide and write.

use super::checks::{self, Wanted};
use super::{Change, Configure, Phase, Readback, Scope, StepTime, WaitStep};
use crate::codes::ModuleState;
use crate::map::{Address, Field, lower, page10, page12};
use crate::procedure::apply::CONFIG_LIMIT;
use crate::procedure::lanes::Lanes;
use crate::procedure::module_info::same_module;
use crate::procedure::snapshot::{Reader, Snapshot};
use crate::procedure::wait::Watch;
use crate::procedure::{Op, ProcError, Reply, data, read, write, written};
use crate::time::Millis;
use core::time::Duration;

pub(super) type Step = Result<Op<Result<Readback, ProcError>>, ProcError>;

/// LowPwrAllowRequestHW and LowPwrRequestSW (00h:26 bits 6, 4): both clear asks for high power whatever the pin says.
const LOW_POWER_BITS: u8 = 0x50;
/// BankBroadcastEnable, 00h:26.7.
const BROADCAST: u8 = 0x80;
/// Least time allowed to tuning and lock: these have no advertised limit of their own.
const TUNING_LIMIT: Duration = Duration::from_secs(10);

pub(super) const MODULE_STATE: Address = Address::lower(3);
const GLOBAL_CONTROL: Address = Address::lower(26);
pub(super) const DP_STATES: (Address, u8) = (Address::page(0x11, 128), 4);
pub(super) const CONFIG: (Address, u8) = (Address::page(0x11, 202), 12);
/// Current frequency to tuning status; no clear-on-read flag.
pub(super) const LASER: (Address, u8) = (Address::page(0x12, 168), 62);
/// Tuning status and flags of all lanes; clears the flags.
pub(super) const TUNING: (Address, u8) = (Address::page(0x12, 222), 17);
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
                data(reply, self.here(FLAGS.0))?;
                let first = self.first_laser();
                let reprovisioned = self.change == Change::Reprovisioned;
                self.enter(now, if reprovisioned { Phase::Channel(first) } else { Phase::Power(first) })
            }
            Phase::Autopsy => self.autopsy(reply),
            Phase::FaultCause => {
                let at = lower::MODULE_FAULT_CAUSE.address(0);
                let cause = data(reply, at).ok().and_then(|bytes| bytes.first().copied());
                Err(cause.map_or(self.failure, |cause| ProcError::Fault { cause }))
            }
            // Whether these writes arrive or not, the finding is the failure before them.
            Phase::Extinguish if self.change == Change::Reprovisioned => {
                self.phase = Phase::ExtinguishPath;
                let down = self.deinit | self.lanes.map_or(0, |lanes| lanes.host);
                Ok(write(self.here(page10::DP_DEINIT_LANE.address(0)), &[down]))
            }
            Phase::Extinguish | Phase::ExtinguishPath => Ok(Op::Done(Err(self.failure))),
            writing => {
                written(reply, self.write_address(writing))?;
                let next = self.after_write(writing);
                self.enter(now, next)
            }
        }
    }

    /// The address in the bank that is configured.
    pub(super) const fn here(&self, at: Address) -> Address {
        at.in_bank(self.options.scope.bank())
    }

    pub(super) fn lanes(&self) -> Result<Lanes, ProcError> {
        self.lanes.ok_or(ProcError::OutOfStep)
    }

    pub(super) fn wanted(&self) -> Wanted {
        Wanted {
            frequency: self.target.frequency,
            fine: self.channel.fine,
            tx_power: self.target.tx_power,
            whole_bank: matches!(self.options.scope, Scope::Bank(_)),
            init_pending: self.controls.init_pending,
        }
    }

    fn decide(&mut self, now: Millis, snapshot: Snapshot) -> Step {
        if snapshot.module_state != ModuleState::Fault {
            same_module(&self.serial, &snapshot.serial)?;
        }
        let (_, change) = self.assess(&snapshot)?;
        let lanes = self.lanes()?;
        self.change = change;
        self.before = snapshot;
        self.global_control = snapshot.global_control;
        self.deinit = snapshot.deinit;
        let others = match self.options.scope {
            Scope::FromLane(_) if !self.powers_up() => checks::overlapping(&snapshot.active, lanes.host),
            _ => checks::occupied(&snapshot.active),
        };
        self.down = lanes.host | others;
        self.tx_disable = snapshot.tx_disable;
        self.squelch_force = snapshot.squelch_force;
        let power = checks::power_is(&snapshot, &lanes, &self.wanted());
        match change {
            Change::Unchanged => return Ok(Op::Done(Ok(self.readback(&snapshot, &lanes)))),
            Change::PowerOnly | Change::OutputOnly if power => self.entry = Phase::AwaitInitialized,
            Change::PowerOnly | Change::OutputOnly => self.entry = Phase::ClearFlags,
            Change::Reprovisioned | Change::Darkened => {}
        }
        self.enter(now, Phase::BroadcastOff)
    }

    /// Whether the module has to be brought to high power.
    fn powers_up(&self) -> bool {
        self.before.module_state != ModuleState::Ready || self.global_control & LOW_POWER_BITS != 0
    }

    /// Begins a phase, or the next one where this one has nothing to do.
    pub(super) fn enter(&mut self, now: Millis, phase: Phase) -> Step {
        let lanes = self.lanes()?;
        self.note_time(now);
        let mut phase = phase;
        while self.has_nothing_to_do(phase, &lanes) {
            phase = self.after_write(phase);
        }
        self.phase = phase;
        self.prepare(now, &lanes);
        Ok(self.look())
    }

    fn has_nothing_to_do(&self, phase: Phase, lanes: &Lanes) -> bool {
        match phase {
            Phase::BroadcastOff => self.banks < 2 || self.global_control & BROADCAST == 0,
            Phase::DisableTx => self.tx_disable & lanes.media == lanes.media,
            Phase::Deinit => self.deinit & self.down == self.down,
            Phase::OtherBank(bank) => {
                bank >= self.banks || bank == self.options.scope.bank() || !self.powers_up()
            }
            Phase::PowerUp => !self.powers_up(),
            Phase::Fine(_) => self.channel.fine == 0,
            Phase::Power(laser) => self.before.target(laser) == self.target.tx_power,
            Phase::Unsquelch => self.squelch_force & lanes.media == 0,
            Phase::EnableTx => self.tx_disable & lanes.media == 0,
            _ => false,
        }
    }

    /// The advertised maximum of a wait, where CMIS has one.
    const fn advertised(&self, phase: Phase) -> Option<(WaitStep, Option<Duration>)> {
        let durations = &self.durations;
        Some(match phase {
            Phase::AwaitReady => (WaitStep::ModuleReady, Some(durations.power_up)),
            Phase::AwaitDeactivated => {
                (WaitStep::Deactivated, Some(durations.tx_off.saturating_add(durations.dp_deinit)))
            }
            Phase::AwaitTuning => (WaitStep::Tuned, None),
            Phase::AwaitConfig => (WaitStep::Configured, None),
            Phase::AwaitInitialized => (WaitStep::Initialized, Some(durations.dp_init)),
            Phase::AwaitActivated => (WaitStep::Activated, Some(durations.tx_on)),
            Phase::AwaitLock => (WaitStep::Locked, None),
            _ => return None,
        })
    }

    /// Notes how long the wait of the current phase took.
    pub(super) fn note_time(&mut self, now: Millis) {
        if let Some((step, advertised)) = self.advertised(self.phase) {
            let took = now.elapsed_since(self.waiting_since);
            // A repeated wait beyond the list's room is not worth more than its first times.
            let _ = self.times.push(StepTime { step, advertised, took });
        }
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
        self.waiting_since = now;
        match self.phase {
            Phase::BroadcastOff => self.global_control &= !BROADCAST,
            Phase::DisableTx => self.tx_disable |= lanes.media,
            Phase::EnableTx => {
                self.may_shine = true;
                self.tx_disable &= !lanes.media;
            }
            Phase::Unsquelch => {
                self.may_shine = true;
                self.squelch_force &= !lanes.media;
            }
            Phase::Deinit => self.deinit |= self.down,
            Phase::Init => {
                self.may_shine = true;
                self.deinit &= !lanes.host;
            }
            Phase::PowerUp => self.global_control &= !LOW_POWER_BITS,
            Phase::Stage => {
                let others =
                    if self.decommission { self.down & checks::occupied(&self.before.active) } else { 0 };
                self.apply.mask = lanes.host | others;
                self.apply.wanted = lanes.dp_config;
            }
            Phase::Apply => self.apply.trigger(now),
            Phase::AwaitTuning => self.flags = [0; 8],
            Phase::Verify => self.reader = Reader::new(self.options.scope.bank()),
            _ => {}
        }
    }

    pub(super) fn first_laser(&self) -> u8 {
        self.lanes.map_or(0, |lanes| lanes.laser())
    }

    /// The next laser after this one, if there is one.
    fn next_laser(&self, laser: u8) -> Option<u8> {
        let media = self.lanes.map_or(0, |lanes| lanes.media);
        (laser + 1..8).find(|next| media & (1 << next) != 0)
    }

    pub(super) fn write_address(&self, phase: Phase) -> Address {
        let laser = |field: Field, laser: u8| field.address(u16::from(laser));
        let set = self.options.control_set.index();
        let at = match phase {
            Phase::BroadcastOff | Phase::PowerUp => GLOBAL_CONTROL,
            Phase::DisableTx | Phase::EnableTx | Phase::Extinguish => page10::OUTPUT_DISABLE_TX.address(0),
            Phase::Unsquelch => page10::OUTPUT_SQUELCH_FORCE_TX.address(0),
            Phase::Deinit | Phase::Init | Phase::ExtinguishPath => page10::DP_DEINIT_LANE.address(0),
            Phase::OtherBank(bank) => return page10::DP_DEINIT_LANE.address(0).in_bank(bank),
            Phase::Grid(lane) => laser(page12::GRID_SPACING_TX, lane),
            Phase::Channel(lane) => laser(page12::CHANNEL_NUMBER_TX, lane),
            Phase::Fine(lane) => laser(page12::FINE_TUNING_OFFSET_TX, lane),
            Phase::Power(lane) => laser(page12::TARGET_OUTPUT_POWER_TX, lane),
            Phase::Stage if set == 0 => page10::SCS0_DP_CONFIG_LANE_APP_SEL_CODE.address(0),
            Phase::Stage => page10::SCS1_DP_CONFIG_LANE_APP_SEL_CODE.address(0),
            _ => page10::SCS_APPLY_DP_INIT_LANE.address(set),
        };
        self.here(at)
    }

    fn after_write(&self, phase: Phase) -> Phase {
        match phase {
            Phase::BroadcastOff => self.entry,
            Phase::DisableTx => Phase::Deinit,
            Phase::Deinit => Phase::OtherBank(0),
            Phase::OtherBank(bank) if bank + 1 < self.banks => Phase::OtherBank(bank + 1),
            Phase::OtherBank(_) => Phase::PowerUp,
            Phase::PowerUp => Phase::AwaitReady,
            Phase::Grid(laser) => self.next_laser(laser).map_or(Phase::ClearFlags, Phase::Grid),
            Phase::Channel(laser) => Phase::Fine(laser),
            Phase::Fine(laser) => Phase::Power(laser),
            Phase::Power(laser) => match self.next_laser(laser) {
                Some(next) if self.change == Change::Reprovisioned => Phase::Channel(next),
                Some(next) => Phase::Power(next),
                None => Phase::AwaitTuning,
            },
            Phase::Stage => Phase::Apply,
            Phase::Apply => Phase::AwaitConfig,
            Phase::Init => Phase::AwaitInitialized,
            Phase::Unsquelch => Phase::EnableTx,
            Phase::EnableTx => Phase::AwaitActivated,
            other => other,
        }
    }

    /// The grid byte of a laser: grid, fine tuning; the relative-thresholds bit is somebody else's.
    fn grid_byte(&self, laser: u8) -> u8 {
        let kept = self.before.grid_byte[usize::from(laser.min(7))] & 0x02;
        (self.channel.grid.code() << 4) | kept | u8::from(self.channel.fine != 0)
    }

    /// The operation of the current phase.
    pub(super) fn look(&self) -> Op<Result<Readback, ProcError>> {
        let at = self.write_address(self.phase);
        match self.phase {
            Phase::Survey | Phase::Verify => self.reader.op(),
            Phase::AwaitReady | Phase::Autopsy => read(MODULE_STATE, 1),
            Phase::FaultCause => read(lower::MODULE_FAULT_CAUSE.address(0), 1),
            Phase::AwaitDeactivated | Phase::AwaitInitialized | Phase::AwaitActivated => {
                read(self.here(DP_STATES.0), DP_STATES.1)
            }
            Phase::AwaitTuning => read(self.here(TUNING.0), TUNING.1),
            Phase::AwaitLock => read(self.here(LASER.0), LASER.1),
            Phase::AwaitConfig => read(self.here(CONFIG.0), CONFIG.1),
            Phase::ClearFlags => read(self.here(FLAGS.0), FLAGS.1),
            Phase::DisableTx | Phase::EnableTx | Phase::Extinguish => write(at, &[self.tx_disable]),
            Phase::Unsquelch => write(at, &[self.squelch_force]),
            Phase::Deinit | Phase::Init | Phase::ExtinguishPath => write(at, &[self.deinit]),
            Phase::OtherBank(_) => write(at, &[0xFF]),
            Phase::BroadcastOff | Phase::PowerUp => write(at, &[self.global_control]),
            Phase::Grid(laser) => write(at, &[self.grid_byte(laser)]),
            Phase::Channel(_) => write(at, &self.channel.number.to_be_bytes()),
            Phase::Fine(_) => write(at, &self.channel.fine.to_be_bytes()),
            Phase::Power(_) => write(at, &self.target.tx_power.hundredths().to_be_bytes()),
            Phase::Stage => write(at, &self.apply.wanted),
            Phase::Apply => write(at, &[self.apply.mask]),
        }
    }

    /// Makes the laser dark; the failure is reported afterwards.
    pub(super) fn extinguish(&mut self) -> Op<Result<Readback, ProcError>> {
        self.may_shine = false;
        self.phase = Phase::Extinguish;
        self.tx_disable |= self.lanes.map_or(0xFF, |lanes| lanes.media);
        self.look()
    }

    fn finish(&self, snapshot: &Snapshot) -> Step {
        let lanes = self.lanes()?;
        match checks::first_mismatch(snapshot, &lanes, &self.wanted()) {
            Some(setting) => Err(ProcError::Mismatch { setting }),
            None => Ok(Op::Done(Ok(self.readback(snapshot, &lanes)))),
        }
    }

    pub(super) fn readback(&self, snapshot: &Snapshot, lanes: &Lanes) -> Readback {
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
            bank: self.options.scope.bank(),
            host_lanes: lanes.host,
            media_lanes: lanes.media,
            dp_states: snapshot.dp_states,
        }
    }
}
