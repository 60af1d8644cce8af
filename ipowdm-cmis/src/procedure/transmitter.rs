//! Transmitter on and off, teardown, and the target power alone.

use super::broadcast::{BroadcastGuard, Guarded};
use super::laser_choice::check_power;
use super::module_info::{Durations, ModuleInfo, SERIAL, same_module};
use super::snapshot::dp_states;
use super::wait::Watch;
use super::{
    Awaited, BANK_LANES, Lanes, Op, ProcError, Procedure, Reply, Setting, TuningFlags, data, read, write,
    written,
};
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
    /// OutputDisableTx of the bank, its first lane in bit 0.
    pub output_disabled: u8,
    /// DPDeinit of the bank, its first lane in bit 0.
    pub deinit: u8,
    /// Data-path state of each host lane of the bank.
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

/// The lanes of a bank that a transmitter command is about, the bank's first lane in bit 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TxLanes {
    /// Host lanes, whose data paths are taken down or waited for.
    pub host: u8,
    /// Media lanes, whose outputs are switched.
    pub media: u8,
}

impl TxLanes {
    /// All lanes of a bank.
    pub const ALL: Self = Self { host: 0xFF, media: 0xFF };
}

impl From<Lanes> for TxLanes {
    fn from(lanes: Lanes) -> Self {
        Self { host: lanes.host, media: lanes.media }
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
    guard: BroadcastGuard,
    goal: TxGoal,
    bank: u8,
    lanes: TxLanes,
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
    /// The procedure for all lanes of bank 0 of the module that `info` describes.
    ///
    /// # Errors
    /// [`ProcError::FlatMemory`] or [`ProcError::RevisionTooOld`].
    pub fn new(info: &ModuleInfo, goal: TxGoal) -> Result<Self, ProcError> {
        Self::of_lanes(info, goal, 0, TxLanes::ALL)
    }

    /// The procedure for some lanes of a bank; the others stay as they are.
    ///
    /// # Errors
    /// As [`TxControl::new`], and [`ProcError::WrongBank`].
    pub fn of_lanes(info: &ModuleInfo, goal: TxGoal, bank: u8, lanes: TxLanes) -> Result<Self, ProcError> {
        info.check_bank(bank)?;
        Ok(Self {
            guard: BroadcastGuard::new(info),
            goal,
            bank,
            lanes,
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
                let block = Block::new(CONTROL.0, data(reply, self.here(CONTROL.0))?);
                self.output = block.byte(page10::OUTPUT_DISABLE_TX).unwrap_or(0);
                self.deinit = block.byte(page10::DP_DEINIT_LANE).unwrap_or(0);
                let wanted = match self.goal {
                    TxGoal::Deactivate | TxGoal::Disable => self.output | self.lanes.media,
                    TxGoal::Enable => self.output & !self.lanes.media,
                };
                if self.output == wanted {
                    return Ok(self.after_output(now));
                }
                self.output = wanted;
                self.changed = true;
                self.phase = Phase::WriteOutput;
                Ok(write(self.here(page10::OUTPUT_DISABLE_TX.address(0)), &[wanted]))
            }
            Phase::WriteOutput => {
                written(reply, self.here(page10::OUTPUT_DISABLE_TX.address(0)))?;
                Ok(self.after_output(now))
            }
            Phase::WriteDeinit => {
                written(reply, self.here(page10::DP_DEINIT_LANE.address(0)))?;
                Ok(self.begin_wait(now))
            }
            Phase::Asleep => {
                self.phase = Phase::Status;
                Ok(read(self.here(STATUS.0), STATUS.1))
            }
            Phase::Status => self.look(now, reply),
            Phase::Verify => self.verify(reply),
        }
    }

    const fn here(&self, at: Address) -> Address {
        at.in_bank(self.bank)
    }

    fn after_output(&mut self, now: Millis) -> Op<Result<TxStatus, ProcError>> {
        if self.goal == TxGoal::Deactivate && self.deinit & self.lanes.host != self.lanes.host {
            self.deinit |= self.lanes.host;
            self.changed = true;
            self.phase = Phase::WriteDeinit;
            return write(self.here(page10::DP_DEINIT_LANE.address(0)), &[self.deinit]);
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
        read(self.here(STATUS.0), STATUS.1)
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
        let block = Block::new(STATUS.0, data(reply, self.here(STATUS.0))?);
        self.states = dp_states(block);
        self.output_valid = block.byte(page11::OUTPUT_STATUS_TX).unwrap_or(0);
        let behind = (0..8_u8)
            .filter(|lane| self.lanes.host & (1 << lane) != 0)
            .map(|lane| (lane + 1, self.states[usize::from(lane)]))
            .find(|(lane, state)| !self.settled(*state, self.deinit & (1 << (lane - 1)) != 0));
        let Some((lane, seen)) = behind else {
            self.phase = Phase::Verify;
            return Ok(read(self.here(CONTROL.0), CONTROL.1));
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
        let block = Block::new(CONTROL.0, data(reply, self.here(CONTROL.0))?);
        let output_disabled = block.byte(page10::OUTPUT_DISABLE_TX).unwrap_or(0);
        let deinit = block.byte(page10::DP_DEINIT_LANE).unwrap_or(0);
        // A module may keep the bits of lanes that it does not have at 0; the first lane it has.
        let first = |lanes: u8| lanes & lanes.wrapping_neg();
        let TxLanes { host, media } = self.lanes;
        let output_right = match self.goal {
            TxGoal::Enable => output_disabled & media == 0,
            TxGoal::Disable | TxGoal::Deactivate => output_disabled & first(media) == first(media),
        };
        if !output_right {
            return Err(ProcError::Mismatch { setting: Setting::TxOutput });
        }
        if self.goal == TxGoal::Deactivate && deinit & first(host) != first(host) {
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
        let reply = match self.guard.pass(now, reply) {
            Guarded::Op(op) => return op,
            Guarded::Through(reply) => reply,
        };
        if reply == Reply::Start {
            return read(self.here(CONTROL.0), CONTROL.1);
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
    guard: BroadcastGuard,
    serial: String<16>,
    power: Power,
    bank: u8,
    /// Within the bank.
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
    /// Sets `power` on `laser` (media lane, 0-based over all banks: 8 is the first of bank 1).
    ///
    /// # Errors
    /// [`ProcError::PowerOutOfRange`], [`ProcError::PowerNotProgrammable`] or [`ProcError::WrongBank`]; the module has
    /// not been accessed.
    pub fn new(info: &ModuleInfo, power: Power, laser: u8) -> Result<Self, ProcError> {
        check_power(&info.capability, power)?;
        info.check_bank(laser / BANK_LANES)?;
        let durations = info.controllable()?;
        Ok(Self {
            guard: BroadcastGuard::new(info),
            power,
            bank: laser / BANK_LANES,
            laser: laser % BANK_LANES,
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
        page12::TARGET_OUTPUT_POWER_TX.address(u16::from(self.laser)).in_bank(self.bank)
    }

    fn status(&self) -> Address {
        page12::TUNING_IN_PROGRESS_TX.address(u16::from(self.laser)).in_bank(self.bank)
    }

    fn flags(&self) -> Address {
        page12::TUNING_COMPLETE_FLAG_TX.address(u16::from(self.laser)).in_bank(self.bank)
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
                    let flags = TuningFlags(self.flags);
                    return Err(ProcError::TuningRefused { lane: self.laser + 1, flags });
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
        let reply = match self.guard.pass(now, reply) {
            Guarded::Op(op) => return op,
            Guarded::Through(reply) => reply,
        };
        if reply == Reply::Start {
            return read(SERIAL.0, SERIAL.1);
        }
        match self.advance(now, &reply) {
            Ok(op) => op,
            Err(error) => Op::Done(Err(error)),
        }
    }
}
