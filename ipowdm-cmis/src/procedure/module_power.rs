//! High and low power of the module.

use super::module_info::{Durations, ModuleInfo};
use super::wait::Watch;
use super::{Awaited, Op, ProcError, Procedure, Reply, data, read, write, written};
use crate::codes::ModuleState;
use crate::map::{Address, Block, lower};
use crate::time::Millis;
use core::time::Duration;

/// The power mode to reach.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PowerMode {
    /// ModuleReady. LowPwrRequestSW and LowPwrAllowRequestHW are cleared, so that the LPMode pin does not hold it back.
    High,
    /// LowPwr by LowPwrRequestSW; the module takes its data paths down first.
    Low,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Control,
    Write,
    Await,
    Asleep,
    FaultCause,
}

/// Brings the module to high or low power and reads the state back; the control byte is left alone if already right.
///
/// ```text
/// Control ─right→ Await;  Control → Write → Await ⇄ Asleep → Done(state)
///                                   Await ─Fault→ FaultCause → Done(Fault)
/// ```
#[derive(Debug)]
pub struct ModulePower {
    mode: PowerMode,
    durations: Durations,
    phase: Phase,
    control: u8,
    watch: Watch,
}

const CONTROL: Address = Address::lower(26);
const STATE: Address = Address::lower(3);
const SOFTWARE_REQUEST: u8 = 0x10;
const HARDWARE_ALLOWED: u8 = 0x40;

impl ModulePower {
    /// The procedure for the module that `info` describes.
    ///
    /// # Errors
    /// [`ProcError::FlatMemory`] or [`ProcError::RevisionTooOld`].
    pub fn new(info: &ModuleInfo, mode: PowerMode) -> Result<Self, ProcError> {
        Ok(Self {
            mode,
            durations: info.controllable()?,
            phase: Phase::Control,
            control: 0,
            watch: Watch::start(Millis(0), Duration::ZERO),
        })
    }

    fn wanted_control(&self) -> u8 {
        match self.mode {
            PowerMode::High => self.control & !(SOFTWARE_REQUEST | HARDWARE_ALLOWED),
            PowerMode::Low => self.control | SOFTWARE_REQUEST,
        }
    }

    fn begin_wait(&mut self, now: Millis) -> Op<Result<ModuleState, ProcError>> {
        self.phase = Phase::Await;
        let limit = match self.mode {
            PowerMode::High => self.durations.power_up,
            // Low power de-initialises the data paths first.
            PowerMode::Low => self.durations.power_down + self.durations.dp_deinit + self.durations.tx_off,
        };
        self.watch = Watch::start(now, limit);
        read(STATE, 1)
    }

    fn advance(
        &mut self,
        now: Millis,
        reply: &Reply<'_>,
    ) -> Result<Op<Result<ModuleState, ProcError>>, ProcError> {
        match self.phase {
            Phase::Control => {
                self.control = data(reply, CONTROL)?.first().copied().unwrap_or(0);
                let wanted = self.wanted_control();
                if wanted == self.control {
                    return Ok(self.begin_wait(now));
                }
                self.control = wanted;
                self.phase = Phase::Write;
                Ok(write(CONTROL, &[wanted]))
            }
            Phase::Write => {
                written(reply, CONTROL)?;
                Ok(self.begin_wait(now))
            }
            Phase::Asleep => {
                self.phase = Phase::Await;
                Ok(read(STATE, 1))
            }
            Phase::Await => self.look(now, reply),
            Phase::FaultCause => {
                let at = lower::MODULE_FAULT_CAUSE.address(0);
                let cause = data(reply, at)?.first().copied().unwrap_or(0);
                Err(ProcError::Fault { cause })
            }
        }
    }

    fn look(
        &mut self,
        now: Millis,
        reply: &Reply<'_>,
    ) -> Result<Op<Result<ModuleState, ProcError>>, ProcError> {
        let block = Block::new(STATE, data(reply, STATE)?);
        let seen = ModuleState::from_code(block.byte(lower::MODULE_STATE).unwrap_or(0));
        let wanted = match self.mode {
            PowerMode::High => ModuleState::Ready,
            PowerMode::Low => ModuleState::LowPwr,
        };
        if seen == wanted {
            return Ok(Op::Done(Ok(seen)));
        }
        if seen == ModuleState::Fault {
            self.phase = Phase::FaultCause;
            return Ok(read(lower::MODULE_FAULT_CAUSE.address(0), 1));
        }
        let limit = match seen {
            ModuleState::PwrUp => self.durations.power_up,
            ModuleState::PwrDn => self.durations.power_down,
            _ => Duration::ZERO,
        };
        match self.watch.observe(now, seen.code(), limit) {
            Ok(()) => {
                self.phase = Phase::Asleep;
                Ok(Op::Sleep { until: self.watch.next_look(now) })
            }
            Err(limit) => Err(ProcError::TimedOut { awaited: Awaited::Module { wanted, seen }, limit }),
        }
    }
}

impl Procedure for ModulePower {
    type Output = Result<ModuleState, ProcError>;

    fn step(&mut self, now: Millis, reply: Reply<'_>) -> Op<Self::Output> {
        if reply == Reply::Start {
            return read(CONTROL, 1);
        }
        match self.advance(now, &reply) {
            Ok(op) => op,
            Err(error) => Op::Done(Err(error)),
        }
    }
}
