//! A port of the switch, whose module the switch's own software drives.

use super::follow::{Follow, Step};
use super::goal::Goal;
use super::supplement::Supplement;
use super::view::{Updates, View, outdated};
use super::{Connection, Database, SonicError};
use crate::mode::Mode;
use crate::port::{Change, Failure, ModuleFacts, Proxy, Seen};
use crate::runtime::WallClock;
use ipowdm_cmis::procedure::{ApplicationChoice, Progress, TxGoal};
use ipowdm_core::error::Code;
use ipowdm_core::ids::PortId;
use ipowdm_core::time::Millis;

/// Pause before databases that did not answer are asked again.
const RETRY_MS: u64 = 1_000;
/// From which age on monitors count as not known: five of xcvrd's rounds.
const STALE_MS: u64 = 300_000;
/// How long databases may be silent during a change: a restart of their container takes less.
const SILENCE_MS: u64 = 60_000;

/// A port as the databases of the switch show it.
pub struct SwitchPort {
    port: PortId,
    mode: Mode,
    databases: Connection,
    wall: WallClock,
    updates: Updates,
    /// Whether the monitors were too old when they were last looked at.
    is_old: bool,
    change: Option<Follow>,
    /// Since when the databases have not answered.
    silent: Option<Millis>,
    writes: u64,
    supplement: Option<Supplement>,
}

impl core::fmt::Debug for SwitchPort {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("SwitchPort")
            .field("port", &self.port)
            .field("mode", &self.mode)
            .finish_non_exhaustive()
    }
}

impl From<SonicError> for Failure {
    fn from(error: SonicError) -> Self {
        Self::new(error.code(), error.to_string())
    }
}

impl SwitchPort {
    /// A port in a mode. `databases` is its own connection; `wall` tells how old monitors are.
    #[must_use]
    pub const fn new(port: PortId, mode: Mode, databases: Connection, wall: WallClock) -> Self {
        Self {
            port,
            mode,
            databases,
            wall,
            updates: Updates::new(),
            is_old: false,
            change: None,
            silent: None,
            writes: 0,
            supplement: None,
        }
    }

    /// With registers of the module beside what the databases say ([`Mode::Supplement`]).
    #[must_use]
    pub fn supplemented(mut self, supplement: Supplement) -> Self {
        self.supplement = Some(supplement);
        self
    }

    fn view(&mut self) -> Result<View, Failure> {
        Ok(View::read(&mut self.databases, &self.port)?)
    }

    /// The rows, where there is a module.
    fn occupied(&mut self) -> Result<View, Failure> {
        let view = self.view()?;
        if view.is_present() && view.cmis_state() != Some("REMOVED") {
            return Ok(view);
        }
        if let Some(supplement) = &mut self.supplement {
            supplement.forget();
        }
        Err(Failure::new(Code::ModuleAbsent, "the switch sees no module in the port"))
    }

    /// Steps the change until it waits or has ended.
    fn step(&mut self, follow: &mut Follow, now: Millis) -> Result<Progress<Result<(), Failure>>, Failure> {
        loop {
            let view = self.view()?;
            match follow.step(now, &view) {
                Step::Look(at) => return Ok(Progress::Sleep(at)),
                Step::Done(result) => return Ok(Progress::Done(result)),
                Step::Set(fields) => {
                    let pairs: Vec<(&str, &str)> =
                        fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
                    tracing::info!(port = %self.port, ?pairs, "setting the switch's configuration");
                    self.writes += 1;
                    let set = self.databases.set(Database::Config, "PORT", self.port.as_str(), &pairs);
                    if let Err(error) = set {
                        follow.unset();
                        return Err(error.into());
                    }
                }
            }
        }
    }
}

impl Proxy for SwitchPort {
    fn identify(&mut self, _: Millis) -> Result<ModuleFacts, Failure> {
        self.occupied().map(|view| view.facts())
    }

    fn look(&mut self, now: Millis) -> Result<Seen, Failure> {
        let view = self.occupied()?;
        let read_at = self.updates.written_at(view.monitors.text("last_update_time"), now, (self.wall)());
        let is_old = now.since(read_at) >= STALE_MS;
        if is_old != self.is_old {
            self.is_old = is_old;
            let age_s = now.since(read_at) / 1_000;
            tracing::warn!(port = %self.port, age_s, is_old, "age of the switch's monitors");
        }
        let report = if is_old { outdated(view.report()) } else { view.report() };
        let seen = Seen { report, app_sel: view.app_sel(), read_at, interval: None };
        Ok(match &mut self.supplement {
            Some(supplement) => supplement.add_to(seen, view.info.text("serial"), now),
            None => seen,
        })
    }

    fn begin(&mut self, change: Change, _: Millis) -> Result<(), Failure> {
        self.change = None;
        let view = self.view()?;
        self.change = Some(Follow::new(goal(change)?, self.mode, &view)?);
        self.silent = None;
        Ok(())
    }

    fn advance(&mut self, now: Millis) -> Progress<Result<(), Failure>> {
        let Some(mut follow) = self.change.take() else { return Progress::Sleep(Millis(u64::MAX)) };
        match self.step(&mut follow, now) {
            Ok(Progress::Done(result)) => Progress::Done(result),
            Ok(sleep) => {
                self.silent = None;
                self.change = Some(follow);
                sleep
            }
            Err(failure) => {
                let since = *self.silent.get_or_insert(now);
                if now.since(since) >= SILENCE_MS {
                    return Progress::Done(Err(failure));
                }
                self.change = Some(follow);
                Progress::Sleep(now.plus(RETRY_MS))
            }
        }
    }

    fn writes(&self) -> u64 {
        self.writes
    }
}

/// What a change means for the switch's configuration.
fn goal(change: Change) -> Result<Goal, Failure> {
    Ok(match change {
        Change::Configure(target) => Goal::Lit {
            frequency: target.frequency,
            tx_power: target.tx_power,
            media_code: match target.application {
                ApplicationChoice::Keep => None,
                ApplicationChoice::MediaCode(code) => Some(code),
                ApplicationChoice::AppSel(_) => {
                    return Err(Failure::new(Code::Unsupported, "the switch chooses applications by itself"));
                }
            },
        },
        Change::Power(power) => Goal::Power(power),
        Change::Transmitter(TxGoal::Enable) => Goal::Up,
        Change::Transmitter(TxGoal::Disable | TxGoal::Deactivate) => Goal::Down,
    })
}
