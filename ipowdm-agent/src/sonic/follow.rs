//! Following a change of the switch's configuration until the module is read back as it is meant to be.

use super::goal::{Fields, Goal, Refused};
use super::view::View;
use crate::mode::Mode;
use crate::port::Failure;
use ipowdm_cmis::codes::DataPathState;
use ipowdm_core::error::Code;
use ipowdm_core::time::Millis;
use ipowdm_core::units::Frequency;

/// How often the databases are looked at: xcvrd takes a step a second at most.
const STEP_MS: u64 = 500;
/// How long a change may take. xcvrd makes three attempts of about a minute, and its monitors are a minute old.
const LIMIT_MS: u64 = 300_000;
/// From when on a `FAILED` that was there before counts as the answer: xcvrd has begun anew long before.
const OLD_FAILURE_MS: u64 = 30_000;
/// From when on monitors count as new that do not say when they were read: a round of them takes a minute.
const UNDATED_MS: u64 = 70_000;
/// Most that the laser may be off its channel, in MHz: the databases have whole GHz.
const LASER_MHZ: u32 = 1_000;
/// Most that the measured power may be off its target, in 0.01 dB.
const POWER_HUNDREDTHS: u16 = 100;

/// What is still awaited.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Awaited {
    /// The CMIS manager is not done.
    #[error("cmis_state is {} and not READY", .0.as_deref().unwrap_or("absent"))]
    Manager(Option<String>),
    /// The laser is set otherwise.
    #[error("laser_config_freq is {}", or_absent(*.0))]
    ConfiguredFrequency(Option<Frequency>),
    /// The laser is elsewhere.
    #[error("laser_curr_freq is {}", or_absent(*.0))]
    LaserFrequency(Option<Frequency>),
    /// The laser is tuning or unlocked.
    #[error("the laser is tuning or not locked")]
    Tuning,
    /// The power is set otherwise.
    #[error("tx_config_power is not as configured")]
    ConfiguredPower,
    /// The measured power is elsewhere.
    #[error("the measured power is not within 1 dB of what is configured")]
    Power,
    /// The host's transmitter is off, and the CMIS manager waits for it.
    #[error("the switch has not turned the host's side on (host_tx_ready)")]
    Host,
    /// The data path is not as meant.
    #[error("the data path is not {0}")]
    DataPath(&'static str),
    /// The application is another one.
    #[error("the switch chose application {0}, which has another media interface")]
    Application(u8),
    /// Everything is as meant, by monitors of before the change.
    #[error("the switch has not read the module since")]
    News,
}

fn or_absent(frequency: Option<Frequency>) -> String {
    frequency.map_or_else(|| "absent".to_string(), |frequency| frequency.to_string())
}

/// What a look at the databases says of a goal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sight {
    /// Everything is as meant.
    Met,
    /// Something is not.
    Pending(Awaited),
    /// The CMIS manager has given up.
    Failed,
    /// There is no module.
    Gone,
}

/// What to do next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Set these fields of `PORT|<port>` at one stroke, and step again.
    Set(Fields),
    /// Look again then.
    Look(Millis),
    /// It has ended.
    Done(Result<(), Failure>),
}

/// How far a change is.
///
/// ```text
/// Compare ─ nothing to set, met ────────────────────────────────→ done
///    ├──── nothing to set ──→ Watch ─ met ──────────────────────→ done
///    └─ set ────────────────→ Watch ─ met by what was read since → done
///                              ├─ gone ─────────────────────────→ absent
///                              ├─ failed, not before ───────────→ rejected
///                              └─ time over ────────────────────→ timed out
/// ```
/// A goal of no light is met where there is no module.
#[derive(Debug, Clone, PartialEq, Eq)]
enum State {
    Compare,
    Watch { since: Millis, before: Option<Before> },
    Ended,
}

/// How things stood before something was set.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Before {
    failed: bool,
    monitors: Option<String>,
    status: Option<String>,
}

/// A change of one port through the switch's configuration. Takes the time and what the databases say, gives what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Follow {
    goal: Goal,
    mode: Mode,
    state: State,
}

impl Follow {
    /// A change that has not begun.
    ///
    /// # Errors
    /// [`Refused`] where the switch would not do it, or the mode does not allow it.
    pub fn new(goal: Goal, mode: Mode, view: &View) -> Result<Self, Refused> {
        goal.check(view)?;
        // What is so already is nobody's change.
        let is_so = || goal.missing(view).is_empty() || sight(goal, view) == Sight::Met;
        if !mode.may_change() && !is_so() {
            return Err(Refused::ReadOnly(mode));
        }
        Ok(Self { goal, mode, state: State::Compare })
    }

    /// Goes on by what the databases say now.
    pub fn step(&mut self, now: Millis, view: &View) -> Step {
        match &self.state {
            State::Compare => self.compare(now, view),
            State::Watch { since, before } => {
                let (since, before) = (*since, before.clone());
                self.watch(now, view, since, before.as_ref())
            }
            State::Ended => Step::Look(Millis(u64::MAX)),
        }
    }

    fn compare(&mut self, now: Millis, view: &View) -> Step {
        let fields = if self.mode.may_change() { self.goal.missing(view) } else { Fields::new() };
        if fields.is_empty() {
            self.state = State::Watch { since: now, before: None };
            return self.step(now, view);
        }
        let before = Before {
            failed: sight(self.goal, view) == Sight::Failed,
            monitors: view.monitors.text("last_update_time").map(str::to_string),
            status: view.status.text("last_update_time").map(str::to_string),
        };
        self.state = State::Watch { since: now, before: Some(before) };
        Step::Set(fields)
    }

    fn watch(&mut self, now: Millis, view: &View, since: Millis, before: Option<&Before>) -> Step {
        let waited = now.since(since);
        let awaited = match sight(self.goal, view) {
            Sight::Met if before.is_none_or(|before| is_news(before, view, waited)) => {
                return self.end(Ok(()));
            }
            Sight::Met => Awaited::News,
            Sight::Pending(awaited) => awaited,
            Sight::Gone => {
                let words = "the module was taken out of the port";
                return self.end(Err(Failure::new(Code::ModuleAbsent, words)));
            }
            Sight::Failed if before.is_some_and(|before| before.failed) && waited < OLD_FAILURE_MS => {
                Awaited::Manager(Some("FAILED".to_string()))
            }
            Sight::Failed => {
                let why = view.error().map(|error| format!(": {error}")).unwrap_or_default();
                let words = format!("the switch's CMIS manager gave the module up (cmis_state FAILED){why}");
                return self.end(Err(Failure::new(Code::ModuleRejected, words)));
            }
        };
        if waited < LIMIT_MS {
            return Step::Look(now.plus(STEP_MS));
        }
        let words = format!("after {} s {awaited}", waited / 1_000);
        self.end(Err(Failure { code: Code::TimedOut, words, timed_out: true }))
    }

    /// What [`Step::Set`] asked for could not be done, or nobody knows: compare anew.
    pub fn unset(&mut self) {
        self.state = State::Compare;
    }

    fn end(&mut self, result: Result<(), Failure>) -> Step {
        self.state = State::Ended;
        Step::Done(result)
    }
}

/// Whether the rows were written since the change.
fn is_news(before: &Before, view: &View, waited: u64) -> bool {
    let is_new = |before: &Option<String>, now: Option<&str>| match now {
        Some(now) => before.as_deref() != Some(now),
        None => waited >= UNDATED_MS,
    };
    is_new(&before.monitors, view.monitors.text("last_update_time"))
        && is_new(&before.status, view.status.text("last_update_time"))
}

/// What the databases say of a goal.
#[must_use]
pub fn sight(goal: Goal, view: &View) -> Sight {
    if !view.is_present() {
        return if goal == Goal::Down { Sight::Met } else { Sight::Gone };
    }
    match view.cmis_state() {
        Some("READY") => {}
        // What was given up is dark all the same, where its lanes say so.
        Some("FAILED") if goal == Goal::Down => {}
        Some("FAILED") => return Sight::Failed,
        Some("REMOVED") => return Sight::Gone,
        state => return Sight::Pending(Awaited::Manager(state.map(str::to_string))),
    }
    judged(goal, view).err().map_or(Sight::Met, Sight::Pending)
}

fn judged(goal: Goal, view: &View) -> Result<(), Awaited> {
    let report = view.report();
    let lanes = view.lanes().ok_or(Awaited::DataPath("known"))?;
    let is = |state: DataPathState| lanes.contains(&state);
    match goal {
        Goal::Lit { frequency, media_code, .. } => {
            let set = report.set_frequency.value();
            if set != Some(frequency) {
                return Err(Awaited::ConfiguredFrequency(set));
            }
            let laser = report.laser_frequency.value();
            if laser.is_none_or(|laser| laser.distance(frequency) > LASER_MHZ) {
                return Err(Awaited::LaserFrequency(laser));
            }
            if report.laser_unsettled.value() == Some(true) {
                return Err(Awaited::Tuning);
            }
            if !is(DataPathState::Activated) || is_under_way(&lanes) {
                let waits = view.host.truth("host_tx_ready") == Some(false);
                return Err(if waits { Awaited::Host } else { Awaited::DataPath("activated") });
            }
            if let (Some(code), Some(app_sel)) = (media_code, view.app_sel()) {
                let capability = view.facts().capability;
                let mut applications = capability.applications.iter();
                if !applications.any(|a| a.app_sel == app_sel && a.media_code == code) {
                    return Err(Awaited::Application(app_sel));
                }
            }
        }
        Goal::Down if is(DataPathState::Activated) || is_under_way(&lanes) => {
            return Err(Awaited::DataPath("deactivated"));
        }
        Goal::Power(_) | Goal::Up | Goal::Down => {}
    }
    let Some(power) = goal.tx_power() else { return Ok(()) };
    if report.tx_power_target.value() != Some(power) {
        return Err(Awaited::ConfiguredPower);
    }
    // Without light there is no power to measure.
    let measured = report.tx_power.value().filter(|_| is(DataPathState::Activated));
    match measured {
        Some(measured) if measured.minus(power).hundredths().unsigned_abs() > POWER_HUNDREDTHS => {
            Err(Awaited::Power)
        }
        _ => Ok(()),
    }
}

/// Whether a lane is on its way from one state to another.
fn is_under_way(lanes: &[DataPathState; 8]) -> bool {
    lanes.iter().any(|state| state.is_transient())
}

#[cfg(test)]
mod tests;
