//! The machine of one port.

mod active;
mod ending;
mod module;

use self::active::{Active, Finished, Through, boxed, identify, sweep_of};
use super::proxy::{Change, Failure, Reach};
use super::sampling::{Due, Sampling, SessionBudget};
use super::work::{Refusal, Work, laser};
use super::{Interval, Job, JobReport, ModuleFacts, PortEvent, PortMessage, QUEUE, reading};
use crate::journal::{Intent, PortState};
use crate::schedule::FixedRate;
use core::time::Duration;
use ipowdm_cmis::procedure::{
    Configure, Flags, ModuleInfo, Progress, SetTxPower, SweepReport, TxControl, TxGoal,
};
use ipowdm_core::error::Code;
use ipowdm_core::ids::{PortId, VopId};
use ipowdm_core::msg::{AckDetails, AdminState, COMMAND_TRACE, Outcome, Readback};
use ipowdm_core::time::Millis;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

/// What is done in an empty port by leaving it alone is only done there once so many more looks, so far apart, have found nobody:
/// an access that nobody acknowledged is no empty port, and the module's laser may be on.
const ABSENT_LOOKS: u8 = 8;
const ABSENT_PAUSE_MS: u64 = 250;

/// How far a job is.
///
/// ```text
/// (module unknown) Identify → Survey ─┐
/// (module known) ─────────────────────┴→ Act → Look → done
///                                         └─failed, new light→ Undo → Look → done
/// ```
/// Identify and Survey read, Act and Undo write, Look reads back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Identify,
    Survey,
    Act,
    Undo,
    Look,
}

/// A job that is being carried out.
#[derive(Debug)]
struct Running {
    job: Job,
    stage: Stage,
    active: Active,
    writes_before: u64,
    module_time: Duration,
    /// Whether a session was taken from the budget for it.
    reserved: bool,
    /// How it will end, once that is known.
    failure: Option<Failure>,
    /// Looks that found nobody in the port.
    absences: u8,
    readback: Option<Readback>,
    /// When the module said what was read back, where that is not the end of the work.
    readback_at: Option<Millis>,
}

/// One port: its module, its commands, its samples.
#[derive(Debug)]
pub struct PortMachine {
    port: PortId,
    state: PortState,
    budget: SessionBudget,
    intervals: BTreeMap<VopId, u32>,
    default_interval_ms: u32,
    queue: VecDeque<Job>,
    running: Option<Running>,
    sampling: Sampling,
    /// A sweep for samples or for the slow rate, with what is due.
    sweep: Option<(Active, Vec<Due>)>,
    /// What is known of its registers, where it is reached by them.
    info: Option<Box<ModuleInfo>>,
    facts: Option<Arc<ModuleFacts>>,
    trouble: Option<String>,
    unanswered: bool,
    report: Option<SweepReport>,
    interval: Option<Arc<Interval>>,
    read_at: Millis,
    app_sel: Option<u8>,
    seq: u64,
    /// When to look at, or restore, the module again; with the pause that led there.
    again: Option<(Millis, u64)>,
    /// Whether a module that left its ready state by itself was looked at anew.
    suspected: bool,
    /// Whether the module in the port is another one than before.
    swapped: bool,
    /// Whether the module was changed since `report` was read.
    stale: bool,
    /// How the lanes were commissioned when the module was identified: what its VDM descriptors hold for.
    commissioned: Option<[u8; 8]>,
}

impl PortMachine {
    /// A port in the state remembered for it. Its module is not touched until it gets work; its sessions are resumed
    /// as soon as the module is known.
    #[must_use]
    pub fn new(
        port: PortId,
        state: PortState,
        budget: SessionBudget,
        idle_interval_ms: u32,
        default_interval_ms: u32,
        now: Millis,
    ) -> Self {
        // Ports of one agent read at different instants, those of one name always at the same.
        let phase = ipowdm_core::topics::murmur2(port.as_str().as_bytes()) % idle_interval_ms.max(1);
        let idle = FixedRate::new(now.plus(u64::from(phase)), idle_interval_ms);
        for _ in &state.sessions {
            budget.take_regardless();
        }
        Self {
            port,
            state,
            budget,
            intervals: BTreeMap::new(),
            default_interval_ms,
            queue: VecDeque::new(),
            running: None,
            sampling: Sampling::new(idle),
            sweep: None,
            info: None,
            facts: None,
            trouble: None,
            unanswered: false,
            report: None,
            interval: None,
            read_at: now,
            app_sel: None,
            seq: 0,
            again: None,
            suspected: false,
            swapped: false,
            stale: false,
            commissioned: None,
        }
    }

    /// What the port is meant to be.
    #[must_use]
    pub const fn state(&self) -> &PortState {
        &self.state
    }

    /// Takes in what the port is told. Events that this leads to are added to `out`.
    pub fn tell(&mut self, message: PortMessage, now: Millis, out: &mut Vec<PortEvent>) {
        match message {
            PortMessage::Interval(vop, interval_ms) => {
                self.sampling.change_interval(&vop, interval_ms, now);
                self.intervals.insert(vop, interval_ms);
            }
            PortMessage::Job(job) => {
                if let Work::Release { vop } = &job.work {
                    self.cancel_queued(vop, out);
                }
                if job.number.is_none() && self.queue.iter().any(|queued| queued.work == job.work) {
                    // It is owed once.
                    return;
                }
                let commands = self.queue.iter().filter(|job| job.number.is_some()).count();
                if job.number.is_some() && commands >= QUEUE {
                    let words = format!("{QUEUE} commands are waiting for this port");
                    self.refuse(&job, Refusal::rejected(Code::LimitReached, words), out);
                } else {
                    self.queue.push_back(*job);
                }
            }
        }
    }

    /// Does what is to be done at `now` and answers when to call again.
    pub fn poll(&mut self, now: Millis, reach: &mut Reach<'_>, out: &mut Vec<PortEvent>) -> Millis {
        loop {
            // A sweep is a matter of milliseconds and goes first; the procedure it interrupts is asleep.
            if let Some(until) = self.advance_sweep(now, reach, out) {
                return until;
            }
            let job_wake = self.advance_job(now, reach, out);
            if self.sweep.is_none() && self.sampling.next() <= now {
                self.begin_sweep(now, reach);
            }
            if self.sweep.is_some() {
                continue;
            }
            if self.running.is_none() && self.start_next(now, reach, out) {
                continue;
            }
            let again = self.again.map_or(Millis(u64::MAX), |(at, _)| at);
            return job_wake.unwrap_or(again).min(self.sampling.next());
        }
    }

    /// Answers queued commands of a virtual operator that does not have the port any more.
    fn cancel_queued(&mut self, vop: &VopId, out: &mut Vec<PortEvent>) {
        let (cancelled, kept): (VecDeque<Job>, _) =
            self.queue.drain(..).partition(|job| job.number.is_some() && job.work.vop() == Some(vop));
        self.queue = kept;
        for job in cancelled {
            let words = "the port was taken away before the command's turn came";
            self.refuse(&job, Refusal::rejected(Code::Forbidden, words), out);
        }
    }

    /// Starts the next job; whether there was one.
    fn start_next(&mut self, now: Millis, reach: &mut Reach<'_>, out: &mut Vec<PortEvent>) -> bool {
        if self.queue.is_empty()
            && let Some((at, _)) = self.again
            && at <= now
        {
            // The pause stays in `again` until the attempt has ended, so that the next one is longer.
            self.again = self.again.map(|(_, pause)| (Millis(u64::MAX), pause));
            self.queue.push_back(Job::own(Work::Restore));
        }
        let Some(job) = self.queue.pop_front() else { return false };
        if let Err(refusal) = self.check(&job, now) {
            self.refuse(&job, refusal, out);
            return true;
        }
        let reserved = match job.work.session() {
            Some((connection, vop, interval_ms)) => {
                self.intervals.insert(vop.clone(), interval_ms);
                let known = self.state.sessions.iter().any(|(c, v)| c == connection && v == vop);
                if !known && !self.budget.take() {
                    let words =
                        format!("{} telemetry sessions are open, which is the limit", self.budget.most());
                    self.refuse(&job, Refusal::rejected(Code::LimitReached, words), out);
                    return true;
                }
                !known
            }
            None => false,
        };
        let writes_before = reach.writes();
        let mut running = Running {
            job,
            stage: Stage::Identify,
            active: identify(reach),
            writes_before,
            module_time: Duration::ZERO,
            reserved,
            failure: None,
            absences: 0,
            readback: None,
            readback_at: None,
        };
        if !running.job.work.needs_module() {
            self.finish(running, None, now, reach, out);
            return true;
        }
        let known = self.is_known() && running.job.work != Work::Refresh;
        if known && let Err(refusal) = self.begin_act(&mut running, now, reach) {
            self.finish(running, Some(refusal), now, reach, out);
            return true;
        }
        self.running = Some(running);
        true
    }

    fn check(&self, job: &Job, now: Millis) -> Result<(), Refusal> {
        if job.start_by.is_some_and(|by| now >= by) {
            let words = "its lifetime was over before its turn at the port came".to_string();
            return Err(Refusal { outcome: Outcome::Expired, code: Code::Expired, words });
        }
        if job.give_up.is_some_and(|by| now >= by) {
            let words = "the port did not become free in time".to_string();
            return Err(Refusal { outcome: Outcome::TimedOut, code: Code::TimedOut, words });
        }
        job.work.admit(&self.state)
    }

    /// Plans the work and begins it; a plan of nothing becomes a look.
    fn begin_act(
        &mut self,
        running: &mut Running,
        now: Millis,
        reach: &mut Reach<'_>,
    ) -> Result<(), Refusal> {
        running.stage = Stage::Act;
        let mut change = running.job.work.plan(&self.state, self.report.as_ref())?;
        if let Reach::Proxy(_) = reach
            && running.job.work == Work::Interface(AdminState::Up)
            && self.state.intent == Intent::Untouched
        {
            // The switch may have it down without the agent's doing.
            change = Some(Change::Transmitter(TxGoal::Enable));
        }
        if let (Reach::Owned(_, host), Work::Interface(state)) = (&mut *reach, &running.job.work) {
            host.set(*state)?;
        }
        running.active = match change {
            Some(change) => self.begin_change(change, now, reach)?,
            None => {
                running.stage = Stage::Look;
                let absent = || Refusal::rejected(Code::ModuleAbsent, self.absence());
                self.look(Flags::Latch, reach).ok_or_else(absent)?
            }
        };
        Ok(())
    }

    fn begin_change(&self, change: Change, now: Millis, reach: &mut Reach<'_>) -> Result<Active, Refusal> {
        if let Reach::Proxy(proxy) = reach {
            proxy.begin(change, now)?;
            return Ok(Active::Through(Through::Change(now, Duration::ZERO)));
        }
        let Some(info) = &self.info else {
            return Err(Refusal::rejected(Code::ModuleAbsent, self.absence()));
        };
        Ok(match change {
            Change::Configure(target) => Active::Configure(boxed(Configure::new(info, target)?)),
            Change::Power(power) => {
                let laser = laser(info, self.state.intent.desired());
                Active::Power(boxed(SetTxPower::new(info, power, laser)?))
            }
            Change::Transmitter(goal) => Active::Transmitter(boxed(TxControl::new(info, goal)?)),
        })
    }

    /// A look at the module; `None` where there is none.
    fn look(&self, flags: Flags, reach: &Reach<'_>) -> Option<Active> {
        match (reach, &self.info) {
            (Reach::Proxy(_), _) => self.is_known().then_some(Active::Through(Through::Look)),
            (_, Some(info)) => Some(Active::Sweep(boxed(sweep_of(info, flags, self.commissioned)))),
            (_, None) => None,
        }
    }

    /// Works on the running job; when it wants to be called again, `None` where none is running.
    fn advance_job(
        &mut self,
        now: Millis,
        reach: &mut Reach<'_>,
        out: &mut Vec<PortEvent>,
    ) -> Option<Millis> {
        loop {
            let mut running = self.running.take()?;
            let span = running.job.trace.0.clone();
            let _in_its_span = span.enter();
            let finished = match running.active.advance(now, reach) {
                Progress::Sleep(until) => {
                    self.running = Some(running);
                    return Some(until);
                }
                Progress::Done(finished) => finished,
            };
            running.module_time += running.active.module_time();
            if let Some(running) = self.next_stage(running, finished, now, reach, out) {
                self.running = Some(running);
            }
        }
    }

    /// Goes on after a procedure has ended; `None` when the job has.
    fn next_stage(
        &mut self,
        mut running: Running,
        finished: Finished,
        now: Millis,
        reach: &mut Reach<'_>,
        out: &mut Vec<PortEvent>,
    ) -> Option<Running> {
        match finished {
            Finished::Identify(Ok(identity)) => {
                self.take_module(identity);
                self.keep_sessions(now);
                let Some(look) = self.look(Flags::Latch, reach) else {
                    let refusal = Refusal::rejected(Code::ModuleAbsent, self.absence());
                    self.finish(running, Some(refusal), now, reach, out);
                    return None;
                };
                running.stage = Stage::Survey;
                running.active = look;
                return Some(running);
            }
            Finished::Identify(Err(error)) => return self.unidentified(running, error, now, reach, out),
            Finished::Sweep(result) => {
                self.take_report(result.map(|seen| *seen));
                if running.stage == Stage::Survey && running.job.work != Work::Refresh {
                    if let Err(refusal) = self.begin_act(&mut running, now, reach) {
                        self.finish(running, Some(refusal), now, reach, out);
                        return None;
                    }
                    if running.stage == Stage::Act {
                        return Some(running);
                    }
                    // Nothing is to be done, and the survey is the look.
                }
                running.readback = self.report.as_ref().map(|r| reading::of_report(r, self.app_sel));
                running.readback_at = matches!(reach, Reach::Proxy(_)).then_some(self.read_at);
                self.finish(running, None, now, reach, out);
                return None;
            }
            Finished::Configure(Ok(read)) => {
                self.app_sel = Some(read.app_sel);
                running.readback = Some(reading::of_configuration(&read));
                self.stale = true;
                // The read-back is whole: the answer does not wait for the sweep, which brings the status up to date.
                self.finish(running, None, now, reach, out);
                self.begin_sweep(now, reach);
                return None;
            }
            Finished::Change(Ok(())) => {}
            Finished::Configure(Err(error)) | Finished::Change(Err(error)) => {
                let absent = error.code == Code::ModuleAbsent;
                if absent {
                    self.lose_module(&error);
                }
                if running.failure.is_none() {
                    running.failure = Some(error);
                }
                let wrote = reach.writes() > running.writes_before;
                let undo = running.stage == Stage::Act && running.job.work.is_new_light(&self.state) && wrote;
                // What failed for good is not made worse by an undoing that cannot begin.
                let dark = Change::Transmitter(TxGoal::Deactivate);
                if undo && let Ok(active) = self.begin_change(dark, now, reach) {
                    running.stage = Stage::Undo;
                    running.active = active;
                    return Some(running);
                }
            }
        }
        let Some(look) = self.look(Flags::Latch, reach) else {
            self.finish(running, None, now, reach, out);
            return None;
        };
        running.stage = Stage::Look;
        running.active = look;
        Some(running)
    }

    /// Whether work makes the port dark, whoever is in it.
    fn is_darkening(&self, work: &Work) -> bool {
        let plan = work.plan(&self.state, self.report.as_ref());
        matches!(plan, Ok(Some(Change::Transmitter(TxGoal::Deactivate | TxGoal::Disable))))
    }

    /// Goes on where nobody was identified in the port.
    fn unidentified(
        &mut self,
        mut running: Running,
        error: Failure,
        now: Millis,
        reach: &mut Reach<'_>,
        out: &mut Vec<PortEvent>,
    ) -> Option<Running> {
        self.lose_module(&error);
        let regardless = running.job.work.is_meant_regardless();
        let mut refusal = None;
        if !regardless {
            refusal = Some(Refusal::from(error));
        } else if error.code != Code::ModuleAbsent {
            running.failure = Some(error);
        } else if !matches!(reach, Reach::Proxy(_)) && running.absences < ABSENT_LOOKS {
            running.absences += 1;
            running.active = Active::Later(now.plus(ABSENT_PAUSE_MS));
            return Some(running);
        } else if matches!(reach, Reach::Proxy(_)) && self.is_darkening(&running.job.work) {
            // The software that drives modules is told now: it lights the next one before the agent sees it.
            match self.begin_act(&mut running, now, reach) {
                Ok(()) => return Some(running),
                Err(no) => refusal = Some(no),
            }
        }
        self.finish(running, refusal, now, reach, out);
        None
    }

    /// Ends a job that was begun: `refusal` where it never came to the module.
    fn finish(
        &mut self,
        running: Running,
        refusal: Option<Refusal>,
        now: Millis,
        reach: &mut Reach<'_>,
        out: &mut Vec<PortEvent>,
    ) {
        let writes = reach.writes().saturating_sub(running.writes_before);
        let sessions_before = self.state.sessions.len() + usize::from(running.reserved);
        let (outcome, mut details) = self.conclude(&running, refusal, writes);
        details.readback_age_ms = running.readback_at.and_then(|at| u32::try_from(now.since(at)).ok());
        let module_ms = details.module_ms;
        running.job.trace.0.in_scope(|| {
            tracing::debug!(target: COMMAND_TRACE, ?outcome, module_ms, writes, "work ended");
        });
        for _ in self.state.sessions.len()..sessions_before {
            self.budget.give_back();
        }
        self.keep_sessions(now);
        self.plan_again(&running.job.work, details.error.as_deref(), writes, now);
        out.push(PortEvent::Done(Box::new(JobReport {
            port: self.port.clone(),
            number: running.job.number,
            refreshed: running.job.work == Work::Refresh,
            outcome,
            details,
            state: self.state.clone(),
        })));
        out.push(self.status());
    }

    /// Ends a job that was not begun.
    fn refuse(&self, job: &Job, refusal: Refusal, out: &mut Vec<PortEvent>) {
        out.push(PortEvent::Done(Box::new(JobReport {
            port: self.port.clone(),
            number: job.number,
            refreshed: job.work == Work::Refresh,
            outcome: refusal.outcome,
            details: AckDetails {
                error: Some(refusal.words),
                code: Some(refusal.code),
                register_writes: Some(0),
                ..AckDetails::default()
            },
            state: self.state.clone(),
        })));
    }

    fn keep_sessions(&mut self, now: Millis) {
        let (intervals, default) = (&self.intervals, self.default_interval_ms);
        let interval = |vop: &VopId| intervals.get(vop).copied().unwrap_or(default);
        self.sampling.keep(&self.state.sessions, now, interval);
    }
}

impl Drop for PortMachine {
    fn drop(&mut self) {
        let reserved = self.running.as_ref().is_some_and(|running| running.reserved);
        for _ in 0..self.state.sessions.len() + usize::from(reserved) {
            self.budget.give_back();
        }
    }
}
