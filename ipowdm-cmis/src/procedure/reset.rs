//! Software reset.

use super::module_info::{ModuleInfo, SERIAL, same_module};
use super::wait::with_margin;
use super::{Op, ProcError, Procedure, Reply, data, read, write, written};
use crate::access::TransportError;
use crate::codes::ModuleState;
use crate::map::{Address, Block, lower};
use crate::time::Millis;
use core::time::Duration;
use heapless::String;

/// tMgmtInit: time from the reset to a usable management interface (OIF-CMIS-05.4, management interface timing).
const MGMT_INIT: Duration = Duration::from_secs(2);
/// Time after the write in which the module may still answer as it was.
const LAST_WORDS: Duration = Duration::from_millis(100);
const PAUSE: Duration = Duration::from_millis(50);
const CONTROL: Address = Address::lower(26);
const STATE: (Address, u8) = (Address::lower(0), 4);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Identity,
    Control,
    Write,
    Silent,
    Look,
    SameModule,
}

/// Resets the module (00h:26.3) and waits until it can be accessed again.
///
/// ```text
/// Identity → Control → Write → Silent ⇄ Look ─answers→ SameModule → Done(state)
/// ```
/// Every setting is back at the module's own default then, and data paths that these defaults provision come up as soon as
/// the module has high power. While it resets the module acknowledges nothing, which is not an empty port until tMgmtInit
/// is over.
#[derive(Debug)]
pub struct Reset {
    serial: String<16>,
    phase: Phase,
    deadline: Millis,
    state: ModuleState,
}

impl Reset {
    /// The procedure for the module that `info` describes.
    ///
    /// # Errors
    /// [`ProcError::FlatMemory`] or [`ProcError::RevisionTooOld`].
    pub fn new(info: &ModuleInfo) -> Result<Self, ProcError> {
        info.controllable()?;
        Ok(Self {
            serial: info.serial_number.clone(),
            phase: Phase::Identity,
            deadline: Millis(0),
            state: ModuleState::Unknown(0),
        })
    }

    fn advance(
        &mut self,
        now: Millis,
        reply: &Reply<'_>,
    ) -> Result<Op<Result<ModuleState, ProcError>>, ProcError> {
        match self.phase {
            Phase::Identity => {
                // A module in its fault state can be reset too: nothing else is asked of it.
                same_module(&self.serial, data(reply, SERIAL.0)?)?;
                self.phase = Phase::Control;
                Ok(read(CONTROL, 1))
            }
            Phase::Control => {
                let control = data(reply, CONTROL)?.first().copied().unwrap_or(0);
                self.phase = Phase::Write;
                Ok(write(CONTROL, &[control | lower::SOFTWARE_RESET.mask(0)]))
            }
            Phase::Write => {
                written(reply, CONTROL)?;
                self.deadline = now.after(with_margin(MGMT_INIT));
                self.phase = Phase::Silent;
                Ok(Op::Sleep { until: now.after(LAST_WORDS) })
            }
            Phase::Silent => {
                self.phase = Phase::Look;
                Ok(read(STATE.0, STATE.1))
            }
            Phase::Look => self.look(now, reply),
            Phase::SameModule => match reply {
                Reply::Failed(source) => self.again(now, *source, SERIAL.0),
                reply => {
                    same_module(&self.serial, data(reply, SERIAL.0)?)?;
                    Ok(Op::Done(Ok(self.state)))
                }
            },
        }
    }

    fn look(
        &mut self,
        now: Millis,
        reply: &Reply<'_>,
    ) -> Result<Op<Result<ModuleState, ProcError>>, ProcError> {
        if let Reply::Failed(source) = reply {
            return self.again(now, *source, STATE.0);
        }
        let block = Block::new(STATE.0, data(reply, STATE.0)?);
        self.state = ModuleState::from_code(block.byte(lower::MODULE_STATE).unwrap_or(0));
        if matches!(self.state, ModuleState::Unknown(_)) {
            return self.again(now, TransportError::Busy, STATE.0);
        }
        self.phase = Phase::SameModule;
        Ok(read(SERIAL.0, SERIAL.1))
    }

    fn again(
        &mut self,
        now: Millis,
        source: TransportError,
        at: Address,
    ) -> Result<Op<Result<ModuleState, ProcError>>, ProcError> {
        if now >= self.deadline {
            return Err(ProcError::Bus { at, source });
        }
        self.phase = Phase::Silent;
        Ok(Op::Sleep { until: now.after(PAUSE).min(self.deadline) })
    }
}

impl Procedure for Reset {
    type Output = Result<ModuleState, ProcError>;

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
