//! Transmitter on and off, teardown, and the target power alone.

use super::configure::check_power;
use super::module_info::{Durations, ModuleInfo, SERIAL, same_module};
use super::snapshot::dp_states;
use super::wait::Watch;
use super::{Awaited, Op, ProcError, Procedure, Reply, Setting, data, read, write, written};
use crate::codes::DataPathState;
use crate::map::{Address, Block, page10, page11, page12};
use crate::time::Millis;
use core::time::Duration;
use heapless::String;
use ipowdm_core::units::Power;

/// What the transmitter is to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TxGoal {
    /// Teardown: output disabled and every data path de-initialised.
    Deactivate,
    /// Output disabled; the data paths stay initialised.
    Disable,
    /// Output enabled. A data path that is not initialised stays dark, see [`TxStatus::lit`].
    Enable,
}

/// What was read back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TxStatus {
    /// Whether anything was written.
    pub changed: bool,
    /// OutputDisableTx, lane 1 in bit 0.
    pub output_disabled: u8,
    /// DPDeinit, lane 1 in bit 0.
    pub deinit: u8,
    /// Data-path state of each host lane.
    pub dp_states: [DataPathState; 8],
    /// OutputStatusTx (11h:133): lanes with a valid signal at the media output.
    pub output_valid: u8,
}

impl TxStatus {
    /// Whether any data path is Activated.
    #[must_use]
    pub fn lit(&self) -> bool {
        self.dp_states.contains(&DataPathState::Activated)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Control,
    WriteOutput,
    WriteDeinit,
    Status,
    Asleep,
    Verify,
}

/// Drives the transmitter to a goal and reads it back.
///
/// ```text
/// Control → WriteOutput → WriteDeinit (Deactivate only) → Status ⇄ Asleep → Verify → Done
/// ```
/// What is already right is not written.
#[derive(Debug)]
pub struct TxControl {
    goal: TxGoal,
    durations: Durations,
    phase: Phase,
    changed: bool,
    output: u8,
    deinit: u8,
    watch: Watch,
    states: [DataPathState; 8],
    output_valid: u8,
}

const CONTROL: (Address, u8) = (Address::page(0x10, 128), 5);
/// States and output status; no clear-on-read flag.
const STATUS: (Address, u8) = (Address::page(0x11, 128), 6);

impl TxControl {
    /// The procedure for the module that `info` describes.
    ///
    /// # Errors
    /// [`ProcError::FlatMemory`] or [`ProcError::RevisionTooOld`].
    pub fn new(info: &ModuleInfo, goal: TxGoal) -> Result<Self, ProcError> {
        Ok(Self {
            goal,
            durations: info.controllable()?,
            phase: Phase::Control,
            changed: false,
            output: 0,
            deinit: 0,
            watch: Watch::start(Millis(0), Duration::ZERO),
            states: [DataPathState::Unknown(0); 8],
            output_valid: 0,
        })
    }

    fn advance(
        &mut self,
        now: Millis,
        reply: &Reply<'_>,
    ) -> Result<Op<Result<TxStatus, ProcError>>, ProcError> {
        match self.phase {
            Phase::Control => {
                let block = Block::new(CONTROL.0, data(reply, CONTROL.0)?);
                self.output = block.byte(page10::OUTPUT_DISABLE_TX).unwrap_or(0);
                self.deinit = block.byte(page10::DP_DEINIT_LANE).unwrap_or(0);
                let wanted = match self.goal {
                    TxGoal::Deactivate | TxGoal::Disable => 0xFF,
                    TxGoal::Enable => 0,
                };
                if self.output == wanted {
                    return Ok(self.after_output(now));
                }
                self.output = wanted;
                self.changed = true;
                self.phase = Phase::WriteOutput;
                Ok(write(page10::OUTPUT_DISABLE_TX.address(0), &[wanted]))
            }
            Phase::WriteOutput => {
                written(reply, page10::OUTPUT_DISABLE_TX.address(0))?;
                Ok(self.after_output(now))
            }
            Phase::WriteDeinit => {
                written(reply, page10::DP_DEINIT_LANE.address(0))?;
                Ok(self.begin_wait(now))
            }
            Phase::Asleep => {
                self.phase = Phase::Status;
                Ok(read(STATUS.0, STATUS.1))
            }
            Phase::Status => self.look(now, reply),
            Phase::Verify => self.verify(reply),
        }
    }

    fn after_output(&mut self, now: Millis) -> Op<Result<TxStatus, ProcError>> {
        if self.goal == TxGoal::Deactivate && self.deinit != 0xFF {
            self.deinit = 0xFF;
            self.changed = true;
            self.phase = Phase::WriteDeinit;
            return write(page10::DP_DEINIT_LANE.address(0), &[0xFF]);
        }
        self.begin_wait(now)
    }

    fn begin_wait(&mut self, now: Millis) -> Op<Result<TxStatus, ProcError>> {
        self.phase = Phase::Status;
        let limit = match self.goal {
            TxGoal::Enable => self.durations.tx_on,
            TxGoal::Disable => self.durations.tx_off,
            TxGoal::Deactivate => self.durations.tx_off.max(self.durations.dp_deinit),
        };
        self.watch = Watch::start(now, limit);
        read(STATUS.0, STATUS.1)
    }

    /// Whether a lane is where the goal leaves it.
    fn settled(&self, state: DataPathState, deinit: bool) -> bool {
        use DataPathState::{Activated, Deactivated, Initialized, Unknown};
        match self.goal {
            // A lane that the module does not have reports the reserved code 0.
            TxGoal::Deactivate => matches!(state, Deactivated | Unknown(0)),
            TxGoal::Disable => matches!(state, Initialized | Deactivated | Unknown(0)),
            TxGoal::Enable => match state {
                Activated | Deactivated | Unknown(0) => true,
                Initialized => deinit,
                _ => false,
            },
        }
    }

    fn look(&mut self, now: Millis, reply: &Reply<'_>) -> Result<Op<Result<TxStatus, ProcError>>, ProcError> {
        let block = Block::new(STATUS.0, data(reply, STATUS.0)?);
        self.states = dp_states(block);
        self.output_valid = block.byte(page11::OUTPUT_STATUS_TX).unwrap_or(0);
        let behind = (0..8_u8)
            .map(|lane| (lane + 1, self.states[usize::from(lane)]))
            .find(|(lane, state)| !self.settled(*state, self.deinit & (1 << (lane - 1)) != 0));
        let Some((lane, seen)) = behind else {
            self.phase = Phase::Verify;
            return Ok(read(CONTROL.0, CONTROL.1));
        };
        let limit = match seen {
            DataPathState::Init => self.durations.dp_init,
            DataPathState::Deinit => self.durations.dp_deinit,
            DataPathState::TxTurnOn => self.durations.tx_on,
            DataPathState::TxTurnOff => self.durations.tx_off,
            _ => Duration::ZERO,
        };
        match self.watch.observe(now, seen.code(), limit) {
            Ok(()) => {
                self.phase = Phase::Asleep;
                Ok(Op::Sleep { until: self.watch.next_look(now) })
            }
            Err(limit) => {
                let wanted = match self.goal {
                    TxGoal::Deactivate => DataPathState::Deactivated,
                    TxGoal::Disable => DataPathState::Initialized,
                    TxGoal::Enable => DataPathState::Activated,
                };
                Err(ProcError::TimedOut { awaited: Awaited::DataPath { wanted, seen, lane }, limit })
            }
        }
    }

    fn verify(&self, reply: &Reply<'_>) -> Result<Op<Result<TxStatus, ProcError>>, ProcError> {
        let block = Block::new(CONTROL.0, data(reply, CONTROL.0)?);
        let output_disabled = block.byte(page10::OUTPUT_DISABLE_TX).unwrap_or(0);
        let deinit = block.byte(page10::DP_DEINIT_LANE).unwrap_or(0);
        // A module may keep the bits of lanes that it does not have at 0; lane 1 it has.
        let output_right = match self.goal {
            TxGoal::Enable => output_disabled == 0,
            TxGoal::Disable | TxGoal::Deactivate => output_disabled & 1 != 0,
        };
        if !output_right {
            return Err(ProcError::Mismatch { setting: Setting::TxOutput });
        }
        if self.goal == TxGoal::Deactivate && deinit & 1 == 0 {
            return Err(ProcError::Mismatch { setting: Setting::DataPathDeinit });
        }
        Ok(Op::Done(Ok(TxStatus {
            changed: self.changed,
            output_disabled,
            deinit,
            dp_states: self.states,
            output_valid: self.output_valid,
        })))
    }
}

impl Procedure for TxControl {
    type Output = Result<TxStatus, ProcError>;

    fn step(&mut self, now: Millis, reply: Reply<'_>) -> Op<Self::Output> {
        if reply == Reply::Start {
            return read(CONTROL.0, CONTROL.1);
        }
        match self.advance(now, &reply) {
            Ok(op) => op,
            Err(error) => Op::Done(Err(error)),
        }
    }
}

/// What [`SetTxPower`] read back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TxPowerSet {
    /// Whether the target was written.
    pub changed: bool,
    /// Target power before.
    pub before: Power,
    /// Target power read back.
    pub target: Power,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum PowerPhase {
    Identity,
    Before,
    ClearFlags,
    Write,
    Tuning,
    Asleep,
    Verify,
}

/// Writes the target power of one laser and nothing else: no tuning register, no data-path register.
///
/// ```text
/// Identity → Before ─equal→ Done;  Before → ClearFlags → Write → Tuning ⇄ Asleep → Verify → Done
/// ```
#[derive(Debug)]
pub struct SetTxPower {
    serial: String<16>,
    power: Power,
    laser: u8,
    phase: PowerPhase,
    before: Power,
    flags: u8,
    limit: Duration,
    watch: Watch,
}

/// Target power flags: out of range (b5), not accepted (b3).
const POWER_REFUSALS: u8 = 0x28;

impl SetTxPower {
    /// Sets `power` on `laser` (media lane, 0-based).
    ///
    /// # Errors
    /// [`ProcError::PowerOutOfRange`] or [`ProcError::PowerNotProgrammable`]; the module has not been accessed.
    pub fn new(info: &ModuleInfo, power: Power, laser: u8) -> Result<Self, ProcError> {
        check_power(&info.capability, power)?;
        let durations = info.controllable()?;
        Ok(Self {
            power,
            laser: laser.min(7),
            phase: PowerPhase::Identity,
            serial: info.serial_number.clone(),
            before: power,
            flags: 0,
            // Power changes have no limit of their own; they show as TuningInProgress.
            limit: durations.tx_on.max(Duration::from_secs(10)),
            watch: Watch::start(Millis(0), Duration::ZERO),
        })
    }

    fn target(&self) -> Address {
        page12::TARGET_OUTPUT_POWER_TX.address(u16::from(self.laser))
    }

    fn status(&self) -> Address {
        page12::TUNING_IN_PROGRESS_TX.address(u16::from(self.laser))
    }

    fn flags(&self) -> Address {
        page12::TUNING_COMPLETE_FLAG_TX.address(u16::from(self.laser))
    }

    fn read_power(&self, reply: &Reply<'_>) -> Result<Power, ProcError> {
        let bytes = data(reply, self.target())?;
        let raw = Block::new(self.target(), bytes)
            .signed_at(page12::TARGET_OUTPUT_POWER_TX, u16::from(self.laser))
            .ok_or(ProcError::OutOfStep)?;
        Ok(Power::from_hundredths(raw))
    }

    fn advance(
        &mut self,
        now: Millis,
        reply: &Reply<'_>,
    ) -> Result<Op<Result<TxPowerSet, ProcError>>, ProcError> {
        /// From the status of one lane to its flags.
        const STATUS_TO_FLAGS: u8 = 10;
        match self.phase {
            PowerPhase::Identity => {
                same_module(&self.serial, data(reply, SERIAL.0)?)?;
                self.phase = PowerPhase::Before;
                Ok(read(self.target(), 2))
            }
            PowerPhase::Before => {
                self.before = self.read_power(reply)?;
                if self.before == self.power {
                    return Ok(self.done(false, self.before));
                }
                self.phase = PowerPhase::ClearFlags;
                Ok(read(self.flags(), 1))
            }
            PowerPhase::ClearFlags => {
                data(reply, self.flags())?;
                self.phase = PowerPhase::Write;
                Ok(write(self.target(), &self.power.hundredths().to_be_bytes()))
            }
            PowerPhase::Write => {
                written(reply, self.target())?;
                self.watch = Watch::start(now, self.limit);
                self.phase = PowerPhase::Tuning;
                Ok(read(self.status(), STATUS_TO_FLAGS))
            }
            PowerPhase::Asleep => {
                self.phase = PowerPhase::Tuning;
                Ok(read(self.status(), STATUS_TO_FLAGS))
            }
            PowerPhase::Tuning => {
                let bytes = data(reply, self.status())?;
                let status = bytes.first().copied().unwrap_or(0);
                self.flags |= bytes.last().copied().unwrap_or(0);
                if self.flags & POWER_REFUSALS != 0 {
                    return Err(ProcError::TuningRefused { flags: self.flags });
                }
                if status & 0x02 == 0 {
                    self.phase = PowerPhase::Verify;
                    return Ok(read(self.target(), 2));
                }
                match self.watch.observe(now, status, Duration::ZERO) {
                    Ok(()) => {
                        self.phase = PowerPhase::Asleep;
                        Ok(Op::Sleep { until: self.watch.next_look(now) })
                    }
                    Err(limit) => Err(ProcError::TimedOut { awaited: Awaited::Tuning, limit }),
                }
            }
            PowerPhase::Verify => {
                let target = self.read_power(reply)?;
                if target != self.power {
                    return Err(ProcError::Mismatch { setting: Setting::TxPower });
                }
                Ok(self.done(true, target))
            }
        }
    }

    const fn done(&self, changed: bool, target: Power) -> Op<Result<TxPowerSet, ProcError>> {
        Op::Done(Ok(TxPowerSet { changed, before: self.before, target }))
    }
}

impl Procedure for SetTxPower {
    type Output = Result<TxPowerSet, ProcError>;

    fn step(&mut self, now: Millis, reply: Reply<'_>) -> Op<Self::Output> {
        if reply == Reply::Start {
            return read(SERIAL.0, SERIAL.1);
        }
        match self.advance(now, &reply) {
            Ok(op) => op,
            Err(error) => Op::Done(Err(error)),
        }
    }
}
