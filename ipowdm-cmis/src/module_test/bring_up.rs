//! A bring-up with a line for each stage and a table of times.

use super::{Line, Verdict};
use crate::access::Eeprom;
use crate::procedure::{
    BusyLimits, Change, Configure, ModuleInfo, Op, Options, Pollable, ProcError, Procedure, Progress as Step,
    Readback, Reply, Stage, StepTime, Target, WaitStep,
};
use crate::time::{Clock, Millis};
use core::fmt;
use core::time::Duration;
use std::format;
use std::string::String;
use std::vec::Vec;

/// What is told while a bring-up runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Since the beginning, as the module's clock has it.
    pub at: Duration,
    /// What is begun.
    pub stage: Stage,
}

impl fmt::Display for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words = match self.stage {
            Stage::Reading => "reading what the module is set to",
            Stage::TakingDown => "turning the output off, taking the data path down",
            Stage::PoweringUp => "waiting for high power",
            Stage::Tuning => "setting channel and power",
            Stage::Provisioning => "provisioning the application",
            Stage::Initialising => "waiting for the data path to initialise",
            Stage::TurningOn => "turning the transmitter on, waiting for its lock",
            Stage::ReadingBack => "reading back",
            Stage::Failing => "a step failed; looking for the cause, making the laser dark",
        };
        write!(f, "{:>8.3} s  {words}", self.at.as_secs_f64())
    }
}

/// What a bring-up came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BringUp {
    /// What was read back, or why it failed.
    pub result: Result<Readback, ProcError>,
    /// Each wait beside its advertised limit.
    pub times: Vec<StepTime>,
    /// From the first access to the last.
    pub total: Duration,
    /// Of it, time spent waiting for the module.
    pub waited: Duration,
    /// Whether a second run of the same target found it and wrote nothing; `None` where it was not tried.
    pub repeatable: Option<bool>,
}

/// Time that a look may come after the event it looks for.
const LOOK: Duration = Duration::from_millis(450);

impl BringUp {
    /// Whether the module was brought to the target and stays there.
    #[must_use]
    pub fn passed(&self) -> bool {
        self.result.is_ok() && self.repeatable != Some(false)
    }

    /// The checks of the bring-up.
    #[must_use]
    pub fn lines(&self) -> Vec<Line> {
        let mut lines = Vec::new();
        let mut add = |verdict, registers, words: String| lines.push(Line { verdict, registers, words });
        match &self.result {
            Ok(read) => add(
                Verdict::Pass,
                "11h:128, 12h:168, 200",
                format!(
                    "Activated at {} with {}, AppSel {} (media {:02X}h); {}",
                    read.frequency,
                    read.tx_power_target,
                    read.app_sel,
                    read.media_code,
                    match read.change {
                        Change::Unchanged => "it was so before",
                        Change::PowerOnly => "the power was changed",
                        Change::OutputOnly => "the transmitter was turned on",
                        Change::Reprovisioned => "provisioned anew",
                        Change::Darkened => "made dark",
                    }
                ),
            ),
            Err(error) => add(Verdict::Fail, "", format!("{error}")),
        }
        for time in &self.times {
            if let Some(limit) = time.advertised.filter(|limit| time.took > *limit + LOOK) {
                let words = format!("{}: {:?} is longer than the advertised {limit:?}", time.step, time.took);
                add(Verdict::Warn, registers(time.step), words);
            }
        }
        match self.repeatable {
            Some(true) => add(Verdict::Pass, "", "the same target again: nothing is written".into()),
            Some(false) => add(Verdict::Fail, "", "the same target again is not found to be there".into()),
            None => {}
        }
        lines
    }
}

/// Where the limit of a wait is advertised.
const fn registers(step: WaitStep) -> &'static str {
    match step {
        WaitStep::ModuleReady => "01h:167.3-0",
        WaitStep::Deactivated => "01h:144.7-4, 168.7-4",
        WaitStep::Initialized => "01h:144.3-0",
        WaitStep::Activated => "01h:168.3-0",
        WaitStep::Tuned | WaitStep::Configured | WaitStep::Locked => "not advertised",
    }
}

impl fmt::Display for BringUp {
    /// The table of times.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:<24} {:<22} {:>12} {:>12}", "STEP", "LIMIT FROM", "ADVERTISED", "MEASURED")?;
        for time in &self.times {
            let advertised = time.advertised.map_or_else(|| "-".into(), seconds);
            writeln!(
                f,
                "{:<24} {:<22} {:>12} {:>12}",
                format!("{}", time.step),
                registers(time.step),
                advertised,
                seconds(time.took)
            )?;
        }
        write!(
            f,
            "{:<24} {:<22} {:>12} {:>12}",
            "all",
            format!("{} waiting", seconds(self.waited)),
            "",
            seconds(self.total)
        )
    }
}

fn seconds(time: Duration) -> String {
    format!("{:.3} s", time.as_secs_f64())
}

/// Brings the module that `info` describes to a target; `tell` hears of every stage. Then the same target is asked for
/// again, which must find it and write nothing.
///
/// # Errors
/// [`ProcError`] where the target is not legal on this module; it has not been accessed.
pub fn bring_up<E: Eeprom + ?Sized, C: Clock + ?Sized>(
    eeprom: &mut E,
    clock: &mut C,
    info: &ModuleInfo,
    target: Target,
    options: Options,
    tell: &mut dyn FnMut(Progress),
) -> Result<BringUp, ProcError> {
    let begun = clock.now();
    let told = Told { configure: Configure::with_options(info, target, options)?, begun, stage: None, tell };
    let mut work = Pollable::new(told, BusyLimits::default());
    let result = loop {
        match work.advance(clock.now(), eeprom) {
            Step::Done(result) => break result,
            Step::Sleep(until) => clock.sleep_until(until),
        }
    };
    let (times, waited) = (work.procedure().configure.times().to_vec(), work.module_time());
    let total = clock.now().elapsed_since(begun);
    let repeatable = match result {
        Ok(_) => Some(repeats(eeprom, clock, info, target, options)),
        Err(_) => None,
    };
    Ok(BringUp { result, times, total, waited, repeatable })
}

/// A configuration that tells of each stage as it begins.
struct Told<'a> {
    configure: Configure,
    begun: Millis,
    stage: Option<Stage>,
    tell: &'a mut dyn FnMut(Progress),
}

impl Procedure for Told<'_> {
    type Output = Result<Readback, ProcError>;

    fn step(&mut self, now: Millis, reply: Reply<'_>) -> Op<Self::Output> {
        let op = self.configure.step(now, reply);
        let stage = self.configure.stage();
        if self.stage != Some(stage) && !matches!(op, Op::Done(_)) {
            self.stage = Some(stage);
            (self.tell)(Progress { at: now.elapsed_since(self.begun), stage });
        }
        op
    }
}

fn repeats<E: Eeprom + ?Sized, C: Clock + ?Sized>(
    eeprom: &mut E,
    clock: &mut C,
    info: &ModuleInfo,
    target: Target,
    options: Options,
) -> bool {
    let before = eeprom.counters().writes;
    let again = Configure::with_options(info, target, options)
        .and_then(|configure| crate::procedure::run(configure, eeprom, clock));
    again.is_ok_and(|read| read.change == Change::Unchanged) && eeprom.counters().writes == before
}
