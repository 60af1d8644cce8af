//! Bringing a module to what is meant, with as little as possible.

use super::configure::{Change, Configure, Options, Readback, Target};
use super::module_info::{ModuleInfo, same_module};
use super::snapshot::{Reader, Snapshot};
use super::transmitter::{TxControl, TxGoal, TxStatus};
use super::{Op, ProcError, Procedure, Reply, Setting, SettingSet};
use crate::codes::{DataPathState, ModuleState};
use crate::time::Millis;
use heapless::String;

/// What a bank of a module is meant to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Intent {
    /// Lit, with this target.
    Lit(Target, Options),
    /// Dark: outputs disabled and data paths Deactivated in this bank.
    Dark(u8),
}

impl Intent {
    const fn bank(&self) -> u8 {
        match self {
            Self::Lit(_, options) => options.scope.bank(),
            Self::Dark(bank) => *bank,
        }
    }
}

/// Whether differences are only told, or made good.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Remedy {
    /// Nothing is written.
    Compare,
    /// What differs is brought to the intent, by the least disruptive legal change.
    Restore,
}

/// What [`Reconcile`] found and left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reconciled {
    /// What was not as meant when the module was read.
    pub found: SettingSet,
    /// What had to be done, or would have to be where differences were only to be told.
    pub change: Change,
    /// What was read back of a lit module.
    pub lit: Option<Readback>,
    /// What was read back of a module that was made dark; `None` where it was dark already.
    pub dark: Option<TxStatus>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Survey,
    Lighting,
    Darkening,
}

/// Compares a module with an intent and writes only where it differs.
///
/// ```text
/// Survey ─as meant→ Done;  Survey ─differs→ Lighting (Configure) or Darkening (TxControl) → Done
/// ```
/// A module that carries the target already, states included, is not written to: neither a restart of the host's software
/// nor a repeated intent disturbs its traffic.
#[derive(Debug)]
pub struct Reconcile {
    serial: String<16>,
    remedy: Remedy,
    /// Media lanes that the module has.
    media: u8,
    reader: Reader,
    configure: Option<Configure>,
    darken: Option<TxControl>,
    phase: Phase,
    found: SettingSet,
}

impl Reconcile {
    /// The procedure for the module that `info` describes.
    ///
    /// # Errors
    /// As [`Configure::with_options`] and [`TxControl::of_lanes`]; the module has not been accessed.
    pub fn new(info: &ModuleInfo, intent: Intent, remedy: Remedy) -> Result<Self, ProcError> {
        let (configure, darken) = match intent {
            Intent::Lit(target, options) => (Some(Configure::with_options(info, target, options)?), None),
            Intent::Dark(bank) => {
                let all = super::TxLanes::ALL;
                (None, Some(TxControl::of_lanes(info, TxGoal::Deactivate, bank, all)?))
            }
        };
        Ok(Self {
            serial: info.serial_number.clone(),
            remedy,
            media: !info.media_lanes_unsupported,
            reader: Reader::new(intent.bank()),
            configure,
            darken,
            phase: Phase::Survey,
            found: SettingSet::EMPTY,
        })
    }

    fn done(&self, change: Change) -> Reconciled {
        Reconciled { found: self.found, change, lit: None, dark: None }
    }

    /// Judges the survey: the end, or the work to begin.
    fn judge(&mut self, snapshot: &Snapshot) -> Result<Option<Reconciled>, ProcError> {
        same_module(&self.serial, &snapshot.serial)?;
        let Some(configure) = &mut self.configure else {
            self.found = not_dark(snapshot, self.media);
            if self.found.is_empty() || self.remedy == Remedy::Compare {
                return Ok(Some(self.done(darkening(self.found))));
            }
            self.phase = Phase::Darkening;
            return Ok(None);
        };
        let (found, change) = configure.assess(snapshot)?;
        self.found = found;
        let lit = if change == Change::Unchanged { configure.seen(snapshot) } else { None };
        if self.remedy == Remedy::Compare || change == Change::Unchanged {
            return Ok(Some(Reconciled { lit, ..self.done(change) }));
        }
        self.phase = Phase::Lighting;
        Ok(None)
    }

    fn advance(
        &mut self,
        now: Millis,
        reply: Reply<'_>,
    ) -> Result<Op<Result<Reconciled, ProcError>>, ProcError> {
        let mut reply = reply;
        if self.phase == Phase::Survey {
            if reply == Reply::Start {
                return Ok(self.reader.op());
            }
            let Some(snapshot) = self.reader.take(&reply)? else { return Ok(self.reader.op()) };
            if let Some(done) = self.judge(&snapshot)? {
                return Ok(Op::Done(Ok(done)));
            }
            reply = Reply::Start;
        }
        let found = self.found;
        if let Some(configure) = &mut self.configure {
            return match configure.step(now, reply).split() {
                Ok(op) => Ok(op),
                Err(result) => result.map(|read| {
                    let lit = Some(read);
                    Op::Done(Ok(Reconciled { found, change: read.change, lit, dark: None }))
                }),
            };
        }
        let darken = self.darken.as_mut().ok_or(ProcError::OutOfStep)?;
        match darken.step(now, reply).split() {
            Ok(op) => Ok(op),
            Err(result) => result.map(|status| {
                let dark = Some(status);
                Op::Done(Ok(Reconciled { found, change: darkening(found), lit: None, dark }))
            }),
        }
    }
}

const fn darkening(found: SettingSet) -> Change {
    if found.is_empty() { Change::Unchanged } else { Change::Darkened }
}

/// What keeps a bank from being dark. A module in low power has nothing lit, whatever its control registers ask for.
fn not_dark(snapshot: &Snapshot, media: u8) -> SettingSet {
    let idle =
        |state: &DataPathState| matches!(state, DataPathState::Deactivated | DataPathState::Unknown(0));
    let there = (0..8).filter(|lane| snapshot.dp_states[*lane] != DataPathState::Unknown(0));
    let host = there.fold(0_u8, |mask, lane| mask | (1 << lane));
    let low = snapshot.module_state == ModuleState::LowPwr;
    let mut found = SettingSet::EMPTY;
    if snapshot.tx_disable & media != media && !low {
        found = found.with(Setting::TxOutput);
    }
    if snapshot.deinit & host != host {
        found = found.with(Setting::DataPathDeinit);
    }
    if !snapshot.dp_states.iter().all(idle) {
        found = found.with(Setting::DataPathState);
    }
    found
}

impl Procedure for Reconcile {
    type Output = Result<Reconciled, ProcError>;

    fn step(&mut self, now: Millis, reply: Reply<'_>) -> Op<Self::Output> {
        match self.advance(now, reply) {
            Ok(op) => op,
            Err(error) => Op::Done(Err(error)),
        }
    }
}
