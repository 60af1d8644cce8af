//! The procedure that works on a module, whichever it is.

use core::time::Duration;
use ipowdm_cmis::access::Eeprom;
use ipowdm_cmis::procedure::{
    BusyLimits, Configure, Flags, Identify, ModuleInfo, Pollable, ProcError, Procedure, Progress,
    Readback as ConfigureReadback, SetTxPower, Sweep, SweepReport, TxControl,
};
use ipowdm_core::time::Millis;

/// The procedure that works on the module now.
#[derive(Debug)]
pub(super) enum Active {
    Identify(Box<Pollable<Identify>>),
    Sweep(Box<Pollable<Sweep>>),
    Configure(Box<Pollable<Configure>>),
    Power(Box<Pollable<SetTxPower>>),
    Transmitter(Box<Pollable<TxControl>>),
}

/// What a procedure came to.
pub(super) enum Finished {
    Identify(Result<Box<ModuleInfo>, ProcError>),
    Sweep(Result<Box<SweepReport>, ProcError>),
    Configure(Result<ConfigureReadback, ProcError>),
    Power(Result<(), ProcError>),
    Transmitter(Result<(), ProcError>),
}

impl Active {
    pub(super) fn advance(&mut self, now: Millis, eeprom: &mut dyn Eeprom) -> Progress<Finished> {
        match self {
            Self::Identify(p) => finished(p.advance(now, eeprom), |r| Finished::Identify(r.map(Box::new))),
            Self::Sweep(p) => finished(p.advance(now, eeprom), |r| Finished::Sweep(r.map(Box::new))),
            Self::Configure(p) => finished(p.advance(now, eeprom), Finished::Configure),
            Self::Power(p) => finished(p.advance(now, eeprom), |r| Finished::Power(r.map(|_| ()))),
            Self::Transmitter(p) => {
                finished(p.advance(now, eeprom), |r| Finished::Transmitter(r.map(|_| ())))
            }
        }
    }

    pub(super) fn module_time(&self) -> Duration {
        match self {
            Self::Identify(p) => p.module_time(),
            Self::Sweep(p) => p.module_time(),
            Self::Configure(p) => p.module_time(),
            Self::Power(p) => p.module_time(),
            Self::Transmitter(p) => p.module_time(),
        }
    }
}

fn finished<T>(progress: Progress<T>, wrap: impl FnOnce(T) -> Finished) -> Progress<Finished> {
    match progress {
        Progress::Sleep(until) => Progress::Sleep(until),
        Progress::Done(result) => Progress::Done(wrap(result)),
    }
}

pub(super) fn boxed<P: Procedure>(procedure: P) -> Box<Pollable<P>> {
    Box::new(Pollable::new(procedure, BusyLimits::default()))
}

pub(super) fn identify() -> Active {
    Active::Identify(boxed(Identify::new()))
}

/// A sweep of the first media lane: one laser serves the whole port. `commissioned` is what `info` holds for, if known.
pub(super) fn sweep_of(info: &ModuleInfo, flags: Flags, commissioned: Option<[u8; 8]>) -> Sweep {
    Sweep::new(info, 0, flags).expecting(commissioned)
}
