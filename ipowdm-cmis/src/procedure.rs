//! Host procedures, each a plain type without clock and without input or output.
//!
//! A procedure is driven by [`Procedure::step`]: it gets the time and the reply to its last operation and answers with
//! the next [`Op`]. Two runners carry the operations to an [`Eeprom`]: [`run`] blocks on a [`Clock`]; [`Pollable`]
//! works until it must wait and says until when, for an asynchronous task that owns the clock.
//!
//! Busy modules are the runners' business: an access that is not acknowledged is repeated until
//! [`BusyLimits::patience`] is over. All other waits are the procedures': each state of the module is timed from its
//! entry with the module's own advertised limit.

mod apply;
mod broadcast;
pub mod cdb;
mod configure;
mod diagnostics;
mod error;
mod freeze;
mod identify;
mod lanes;
mod laser_choice;
mod loopback;
mod masks;
mod modify;
mod module_info;
mod module_power;
mod prbs;
mod provision;
mod reconcile;
mod reset;
mod snapshot;
mod survey;
mod sweep;
mod transmitter;
mod wait;

pub use crate::monitoring::Reading;
pub use configure::{
    ApplicationChoice, Change, Configure, ControlSet, Options, Readback, Stage, StepTime, Target, Tuning,
    WaitStep,
};
pub use diagnostics::{
    DiagnosticCapabilities, FecPosition, LoopbackPoint, Measurement, Pattern, PatternUnit, Side,
};
pub use error::{
    Awaited, Feature, LaneSet, LaneStatuses, LegalApplications, ProcError, Setting, SettingSet, TuningFlags,
};
pub use freeze::{FreezeFault, IntervalEnd, Release, Unfreeze, VDM_FREEZE_LIMIT};
pub use identify::Identify;
#[cfg(feature = "std")]
pub(crate) use identify::is_cmis;
pub use lanes::{BANK_LANES, Lanes, Scope};
pub use laser_choice::LaserChannel;
pub use loopback::{Loopbacks, LoopbacksSet, SetLoopbacks};
pub use masks::{MOST_MASKS, MaskChange, SetMasks};
pub use modify::{Modified, Modify};
pub use module_info::{
    Application, CdbSupport, Controls, Durations, FineTuning, ModuleInfo, VdmInstance, VdmSpan,
};
pub use module_power::{ModulePower, PowerMode};
pub use prbs::{ErrorCount, Measure, Measured, PatternSet, PatternSetting, SetPattern};
pub use provision::{
    Decommission, Decommissioned, Provision, Provisioned, Provisioning, SignalIntegrity, Trigger,
};
pub use reconcile::{Intent, Reconcile, Reconciled, Remedy};
pub use reset::Reset;
pub use survey::Survey;
pub use sweep::{Flags, FullSweep, FullSweepReport, Interval, Sweep, SweepReport, SweepScope};
pub use transmitter::{SetTxPower, TxControl, TxGoal, TxLanes, TxPowerSet, TxStatus};

use crate::access::{Eeprom, HoldOff, MAX_CDB_WRITE, MAX_READ, TransportError};
use crate::map::Address;
use crate::time::{Clock, Millis};
use core::time::Duration;

/// Bytes of one write.
pub type WriteBytes = heapless::Vec<u8, MAX_CDB_WRITE>;

/// What a procedure wants next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Op<T> {
    /// Read `len` bytes in one access; the reply is [`Reply::Data`].
    Read {
        /// First byte.
        at: Address,
        /// Number of bytes, at most [`MAX_READ`].
        len: u8,
    },
    /// Write in one access; the reply is [`Reply::Written`].
    Write {
        /// First byte.
        at: Address,
        /// The bytes.
        bytes: WriteBytes,
    },
    /// Wait; the reply is [`Reply::Woken`] at or after `until`.
    Sleep {
        /// Instant to wait for.
        until: Millis,
    },
    /// Finished; the procedure is not stepped again.
    Done(T),
}

impl<T> Op<T> {
    /// The operation for a procedure that contains this one, or the output with which this one ended.
    fn split<U>(self) -> Result<Op<U>, T> {
        match self {
            Self::Read { at, len } => Ok(Op::Read { at, len }),
            Self::Write { at, bytes } => Ok(Op::Write { at, bytes }),
            Self::Sleep { until } => Ok(Op::Sleep { until }),
            Self::Done(output) => Err(output),
        }
    }
}

/// The answer to the last [`Op`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reply<'a> {
    /// Nothing was asked yet: the first step.
    Start,
    /// The bytes of a read, as many as were asked for.
    Data(&'a [u8]),
    /// The write was done.
    Written,
    /// The wait is over.
    Woken,
    /// The access failed; the module may or may not have seen a write.
    Failed(TransportError),
}

/// A host procedure.
pub trait Procedure {
    /// What it ends with.
    type Output;

    /// Takes the reply to the last operation at `now` and gives the next one.
    fn step(&mut self, now: Millis, reply: Reply<'_>) -> Op<Self::Output>;
}

/// How long a runner repeats accesses that are not acknowledged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BusyLimits {
    /// Pause before the first repetition; doubles up to [`BusyLimits::longest_pause`].
    pub first_pause: Duration,
    /// Longest pause.
    pub longest_pause: Duration,
    /// Time from the first refusal after which the access has failed.
    pub patience: Duration,
}

impl Default for BusyLimits {
    /// Pauses of 1-32 ms for half a second more than [`HoldOff::MGMT_INIT`]: a module may have been reset without the host's
    /// doing, and is silent for longer then than after any write ([`HoldOff::after_write`]).
    fn default() -> Self {
        Self {
            first_pause: Duration::from_millis(1),
            longest_pause: Duration::from_millis(32),
            patience: HoldOff::MGMT_INIT.saturating_add(Duration::from_millis(500)),
        }
    }
}

/// What a [`Pollable`] procedure came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Progress<T> {
    /// Nothing to do before this instant; call again then.
    Sleep(Millis),
    /// Finished.
    Done(T),
}

/// A procedure with its pending operation, for a caller that owns the clock.
///
/// ```text
/// loop {
///     match pollable.advance(now, &mut eeprom) {
///         Progress::Sleep(until) => sleep until then,
///         Progress::Done(result) => break result,
///     }
/// }
/// ```
#[derive(Debug)]
pub struct Pollable<P: Procedure> {
    procedure: P,
    limits: BusyLimits,
    state: RunState<P::Output>,
    waited: Duration,
}

#[derive(Debug)]
enum RunState<T> {
    /// The first step is still to be made.
    Fresh,
    /// An access to do (again); with the first refusal and the pause that follows the next one.
    Access(Op<T>, Option<(Millis, Duration)>),
    /// Asleep since, until.
    Asleep(Millis, Millis),
    /// A refused access, asleep since, until.
    Refused(Op<T>, Option<(Millis, Duration)>, Millis, Millis),
    /// The result was handed out.
    Finished,
}

impl<P: Procedure> Pollable<P> {
    /// A procedure that has not begun.
    pub const fn new(procedure: P, limits: BusyLimits) -> Self {
        Self { procedure, limits, state: RunState::Fresh, waited: Duration::ZERO }
    }

    /// Time spent waiting for the module so far: state waits and hold-offs.
    pub const fn module_time(&self) -> Duration {
        self.waited
    }

    /// The procedure, to look at.
    pub const fn procedure(&self) -> &P {
        &self.procedure
    }

    /// Works until the procedure must wait or is done.
    ///
    /// After [`Progress::Done`] further calls answer `Sleep` until the end of time.
    pub fn advance<E: Eeprom + ?Sized>(&mut self, now: Millis, eeprom: &mut E) -> Progress<P::Output> {
        loop {
            let op = match core::mem::replace(&mut self.state, RunState::Finished) {
                RunState::Finished => return Progress::Sleep(Millis(u64::MAX)),
                RunState::Fresh => {
                    eeprom.begin();
                    self.procedure.step(now, Reply::Start)
                }
                RunState::Asleep(since, until) => {
                    if now < until {
                        self.state = RunState::Asleep(since, until);
                        return Progress::Sleep(until);
                    }
                    self.waited += now.elapsed_since(since);
                    self.procedure.step(now, Reply::Woken)
                }
                RunState::Refused(op, refusals, since, until) => {
                    if now < until {
                        self.state = RunState::Refused(op, refusals, since, until);
                        return Progress::Sleep(until);
                    }
                    self.waited += now.elapsed_since(since);
                    self.state = RunState::Access(op, refusals);
                    continue;
                }
                RunState::Access(op, refusals) => match self.access(now, eeprom, op, refusals) {
                    Some(op) => op,
                    None => continue,
                },
            };
            match op {
                Op::Done(output) => return Progress::Done(output),
                Op::Sleep { until } => self.state = RunState::Asleep(now, until),
                access => self.state = RunState::Access(access, None),
            }
        }
    }

    /// Does one access; the procedure's next operation, or `None` when the access has to be repeated later.
    fn access<E: Eeprom + ?Sized>(
        &mut self,
        now: Millis,
        eeprom: &mut E,
        op: Op<P::Output>,
        refusals: Option<(Millis, Duration)>,
    ) -> Option<Op<P::Output>> {
        let mut buffer = [0_u8; MAX_READ];
        let (result, len) = match &op {
            Op::Read { at, len } => {
                let len = usize::from(*len).min(MAX_READ);
                (eeprom.read(*at, &mut buffer[..len]), len)
            }
            Op::Write { at, bytes } => (eeprom.write(*at, bytes), 0),
            // Only accesses get here; anything else goes back unchanged.
            Op::Sleep { .. } | Op::Done(_) => return Some(op),
        };
        match result {
            Ok(()) if matches!(op, Op::Read { .. }) => {
                Some(self.procedure.step(now, Reply::Data(&buffer[..len])))
            }
            Ok(()) => Some(self.procedure.step(now, Reply::Written)),
            Err(TransportError::Busy) => {
                let (first, pause) = refusals.unwrap_or((now, self.limits.first_pause));
                if now.elapsed_since(first) >= self.limits.patience {
                    return Some(self.procedure.step(now, Reply::Failed(TransportError::Busy)));
                }
                let next = (pause * 2).min(self.limits.longest_pause);
                let until = now.after(pause).max(Millis(now.0.saturating_add(1)));
                self.state = RunState::Refused(op, Some((first, next)), now, until);
                None
            }
            Err(error) => Some(self.procedure.step(now, Reply::Failed(error))),
        }
    }
}

/// Runs a procedure to its end, blocking on `clock`.
pub fn run<P: Procedure, E: Eeprom + ?Sized, C: Clock + ?Sized>(
    procedure: P,
    eeprom: &mut E,
    clock: &mut C,
) -> P::Output {
    let mut pollable = Pollable::new(procedure, BusyLimits::default());
    loop {
        match pollable.advance(clock.now(), eeprom) {
            Progress::Sleep(until) => clock.sleep_until(until),
            Progress::Done(output) => return output,
        }
    }
}

/// A read of `len` bytes.
fn read<T>(at: Address, len: u8) -> Op<T> {
    Op::Read { at, len }
}

/// A write; `bytes` beyond [`MAX_CDB_WRITE`] are cut, which no caller does.
fn write<T>(at: Address, bytes: &[u8]) -> Op<T> {
    let mut out = WriteBytes::new();
    for byte in bytes.iter().take(MAX_CDB_WRITE) {
        let _ = out.push(*byte);
    }
    Op::Write { at, bytes: out }
}

/// The data of a reply, or the error that stands for anything else.
fn data<'a>(reply: &Reply<'a>, at: Address) -> Result<&'a [u8], ProcError> {
    match reply {
        Reply::Data(bytes) => Ok(bytes),
        Reply::Failed(source) => Err(ProcError::Bus { at, source: *source }),
        Reply::Start | Reply::Written | Reply::Woken => Err(ProcError::OutOfStep),
    }
}

/// Whether a write was done, or the error that stands for anything else.
fn written(reply: &Reply<'_>, at: Address) -> Result<(), ProcError> {
    match reply {
        Reply::Written => Ok(()),
        Reply::Failed(source) => Err(ProcError::Bus { at, source: *source }),
        Reply::Start | Reply::Data(_) | Reply::Woken => Err(ProcError::OutOfStep),
    }
}
