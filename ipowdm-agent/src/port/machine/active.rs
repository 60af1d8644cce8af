//! The procedure that works on a module, whichever it is.

use crate::port::ModuleFacts;
use crate::port::proxy::{Failure, Proxy, Reach, Seen};
use core::time::Duration;
use ipowdm_cmis::access::Eeprom;
use ipowdm_cmis::procedure::{
    BusyLimits, Configure, Flags, Identify, ModuleInfo, Pollable, ProcError, Procedure, Progress,
    Readback as ConfigureReadback, SetTxPower, Sweep, TxControl,
};
use ipowdm_core::error::Code;
use ipowdm_core::time::Millis;

/// The procedure that works on the module now.
#[derive(Debug)]
pub(super) enum Active {
    Identify(Box<Pollable<Identify>>),
    /// An identification that begins at this instant.
    Later(Millis),
    Sweep(Box<Pollable<Sweep>>),
    Configure(Box<Pollable<Configure>>),
    Power(Box<Pollable<SetTxPower>>),
    Transmitter(Box<Pollable<TxControl>>),
    /// What a proxy does.
    Through(Through),
}

/// What a proxy is asked for.
#[derive(Debug)]
pub(super) enum Through {
    Identify,
    Look,
    /// A change that was begun at this instant, and how long it took.
    Change(Millis, Duration),
}

/// Who the module is, as far as the way it is reached needs to know.
pub(super) enum Identity {
    Registers(Box<ModuleInfo>),
    Proxy(Box<ModuleFacts>),
}

/// What a procedure came to.
pub(super) enum Finished {
    Identify(Result<Identity, Failure>),
    Sweep(Result<Box<Seen>, Failure>),
    Configure(Result<ConfigureReadback, Failure>),
    Change(Result<(), Failure>),
}

impl Active {
    pub(super) fn advance(&mut self, now: Millis, reach: &mut Reach<'_>) -> Progress<Finished> {
        match (self, reach) {
            (Self::Through(through), Reach::Proxy(proxy)) => through.advance(now, &mut **proxy),
            (procedure, Reach::Registers(eeprom) | Reach::Owned(eeprom, _)) => {
                procedure.advance_on(now, &mut **eeprom)
            }
            // A module is reached in one way as long as its port runs.
            (_, Reach::Proxy(_)) => Progress::Done(Finished::Identify(Err(elsewhere()))),
        }
    }

    fn advance_on(&mut self, now: Millis, eeprom: &mut dyn Eeprom) -> Progress<Finished> {
        if let Self::Later(at) = self {
            if now < *at {
                return Progress::Sleep(*at);
            }
            *self = Self::Identify(boxed(Identify::new()));
        }
        match self {
            Self::Identify(p) => finished(p.advance(now, eeprom), |r| {
                Finished::Identify(r.map(|info| Identity::Registers(Box::new(info))))
            }),
            Self::Sweep(p) => finished(p.advance(now, eeprom), |r| {
                let seen = |report| Box::new(Seen { report, app_sel: None, read_at: now, interval: None });
                Finished::Sweep(r.map(seen))
            }),
            Self::Configure(p) => finished(p.advance(now, eeprom), Finished::Configure),
            Self::Power(p) => finished(p.advance(now, eeprom), |r| Finished::Change(r.map(|_| ()))),
            Self::Transmitter(p) => finished(p.advance(now, eeprom), |r| Finished::Change(r.map(|_| ()))),
            Self::Later(_) | Self::Through(_) => Progress::Done(Finished::Identify(Err(elsewhere()))),
        }
    }

    pub(super) fn module_time(&self) -> Duration {
        match self {
            Self::Identify(p) => p.module_time(),
            Self::Sweep(p) => p.module_time(),
            Self::Configure(p) => p.module_time(),
            Self::Power(p) => p.module_time(),
            Self::Transmitter(p) => p.module_time(),
            Self::Through(Through::Change(_, took)) => *took,
            Self::Later(_) | Self::Through(_) => Duration::ZERO,
        }
    }
}

impl Through {
    fn advance(&mut self, now: Millis, proxy: &mut dyn Proxy) -> Progress<Finished> {
        match self {
            Self::Identify => {
                let known = proxy.identify(now).map(|facts| Identity::Proxy(Box::new(facts)));
                Progress::Done(Finished::Identify(known))
            }
            Self::Look => Progress::Done(Finished::Sweep(proxy.look(now).map(Box::new))),
            Self::Change(begun, took) => match proxy.advance(now) {
                Progress::Sleep(until) => Progress::Sleep(until),
                Progress::Done(result) => {
                    *took = now.elapsed_since(*begun);
                    Progress::Done(Finished::Change(result))
                }
            },
        }
    }
}

fn elsewhere() -> Failure {
    Failure::new(Code::Internal, "the module is reached in another way than before")
}

fn finished<T>(
    progress: Progress<Result<T, ProcError>>,
    wrap: impl FnOnce(Result<T, Failure>) -> Finished,
) -> Progress<Finished> {
    match progress {
        Progress::Sleep(until) => Progress::Sleep(until),
        Progress::Done(result) => Progress::Done(wrap(result.map_err(Failure::from))),
    }
}

pub(super) fn boxed<P: Procedure>(procedure: P) -> Box<Pollable<P>> {
    Box::new(Pollable::new(procedure, BusyLimits::default()))
}

pub(super) fn identify(reach: &Reach<'_>) -> Active {
    match reach {
        Reach::Registers(_) | Reach::Owned(..) => Active::Identify(boxed(Identify::new())),
        Reach::Proxy(_) => Active::Through(Through::Identify),
    }
}

/// A sweep of the first media lane: one laser serves the whole port. `commissioned` is what `info` holds for, if known.
pub(super) fn sweep_of(info: &ModuleInfo, flags: Flags, commissioned: Option<[u8; 8]>) -> Sweep {
    Sweep::new(info, 0, flags).expecting(commissioned)
}
