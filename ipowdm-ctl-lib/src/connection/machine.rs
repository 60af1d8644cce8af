//! The transitions.

mod answers;
mod facts;

use super::end::{Awaited, EndState, Ends, Issued, Light, Wanted};
use super::event::{Action, Cause, CommandNumber, Effect, Event, Failure, Finished, Order, Timing, Verdict};
use super::state::State;
use super::times::{Now, OperationKind, Times};
use ipowdm_core::error::Code;
use ipowdm_core::qot::{End, Level};
use ipowdm_core::time::{Millis, Timestamp};
use ipowdm_core::units::Power;
use serde::{Deserialize, Serialize};

/// Times an order is repeated to an end that answered `stale_epoch`, or that refused to go dark.
const ATTEMPTS: u8 = 3;

/// Most characters kept of a text from outside.
const TEXT: usize = 256;

/// An operation under way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Operation {
    number: u32,
    kind: OperationKind,
    started: Millis,
    /// What went wrong so far.
    failure: Option<Failure>,
}

/// A connection. See the [module](super) for the diagram.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lifecycle {
    state: State,
    since: Millis,
    times: Times,
    ends: Ends<EndState>,
    link_down: bool,
    level: Level,
    deadline: Option<Millis>,
    operation: Option<Operation>,
    operations: u32,
    commands: u32,
    /// Whether spectrum and ports are held.
    holds: bool,
    verified_at: Option<Timestamp>,
    failure: Option<Failure>,
}

/// The actions of one event, and whether it fitted.
struct Run {
    now: Now,
    actions: Vec<Action>,
    verdict: Verdict,
}

impl Run {
    fn push(&mut self, action: Action) {
        self.actions.push(action);
    }
}

impl Lifecycle {
    /// A connection in PENDING whose spectrum and ports have just been taken.
    #[must_use]
    pub fn new(wanted: &Ends<Wanted>, times: Times, now: Now) -> Self {
        Self {
            state: State::Pending,
            since: now.at,
            times,
            ends: wanted.map(|_, wanted| EndState::new(*wanted)),
            link_down: false,
            level: Level::Good,
            deadline: Some(now.at.plus(times.hold_ms)),
            operation: None,
            operations: 0,
            commands: 0,
            holds: true,
            verified_at: None,
            failure: None,
        }
    }

    /// The state.
    #[must_use]
    pub const fn state(&self) -> State {
        self.state
    }

    /// When the state was entered.
    #[must_use]
    pub const fn since(&self) -> Millis {
        self.since
    }

    /// What is known of the ends.
    #[must_use]
    pub const fn ends(&self) -> &Ends<EndState> {
        &self.ends
    }

    /// When [`Event::Tick`] is due.
    #[must_use]
    pub const fn deadline(&self) -> Option<Millis> {
        self.deadline
    }

    /// Whether spectrum and ports are held.
    #[must_use]
    pub const fn holds_grant(&self) -> bool {
        self.holds
    }

    /// When both ends were last read back as wanted; `None` where they never were or have changed since, also while it is up
    /// by the word of agents that read nothing back.
    #[must_use]
    pub const fn verified_at(&self) -> Option<Timestamp> {
        self.verified_at
    }

    /// What went wrong last.
    #[must_use]
    pub const fn failure(&self) -> Option<&Failure> {
        self.failure.as_ref()
    }

    /// The quality level.
    #[must_use]
    pub const fn level(&self) -> Level {
        self.level
    }

    /// Whether a link of the path is down.
    #[must_use]
    pub const fn link_down(&self) -> bool {
        self.link_down
    }

    /// The operation under way: its number and kind.
    #[must_use]
    pub fn operation(&self) -> Option<(u32, OperationKind)> {
        self.operation.as_ref().map(|operation| (operation.number, operation.kind))
    }

    /// The number of the last operation, 0 where there was none.
    #[must_use]
    pub const fn last_operation(&self) -> u32 {
        self.operations
    }

    /// Takes an event in. Where the verdict is not [`Verdict::Applied`], nothing has changed and nothing is to be done.
    pub fn on(&mut self, now: Now, event: &Event) -> Effect {
        let mut run = Run { now, actions: Vec::new(), verdict: Verdict::Applied };
        match event {
            Event::Setup => self.setup(&mut run),
            Event::Repair { anew } => self.repair(&mut run, anew.as_ref()),
            Event::Reconfigure { tx_power, .. } => self.reconfigure(&mut run, tx_power, Cause::Requested),
            Event::Step { tx_power, attempt } => {
                self.reconfigure(&mut run, tx_power, Cause::QualityStep { attempt: *attempt });
            }
            Event::Teardown => self.teardown(&mut run),
            Event::Abandon => self.abandon(&mut run),
            Event::Answer(answer) => self.answer(&mut run, answer),
            Event::Tick => self.tick(&mut run),
            Event::AgentUnknown(end) => {
                self.note(&mut run, *end, |end| core::mem::replace(&mut end.troubles.agent_unknown, true));
            }
            Event::AgentKnown(end) => self.agent_known(&mut run, *end),
            Event::ModuleRemoved(end) => self.module_removed(&mut run, *end),
            Event::ModulePresent(end) => self.module_present(&mut run, *end),
            Event::ModuleSwapped(end) => self.module_swapped(&mut run, *end),
            Event::LossOfSignal(end) => {
                self.note(&mut run, *end, |end| core::mem::replace(&mut end.troubles.loss_of_signal, true));
            }
            Event::SignalBack(end) => {
                self.note(&mut run, *end, |end| !core::mem::replace(&mut end.troubles.loss_of_signal, false));
            }
            Event::LinkDown => self.link(&mut run, true),
            Event::LinkUp => self.link(&mut run, false),
            Event::ForeignChange(end) => self.foreign_change(&mut run, *end),
            Event::Conforming(end) => self.conforming(&mut run, *end),
            Event::LightSeen(end, light) => self.light_seen(&mut run, *end, *light),
            Event::Quality(level) => self.quality(&mut run, *level),
        }
        if run.verdict == Verdict::Ignored && event.is_request() {
            run.verdict = Verdict::Refused;
        }
        Effect { verdict: run.verdict, actions: run.actions }
    }

    // --- requests -----------------------------------------------------------------------------------------------------

    fn setup(&mut self, run: &mut Run) {
        if self.state != State::Pending {
            run.verdict = Verdict::Ignored;
            return;
        }
        self.light(run, OperationKind::Setup);
    }

    /// As a set-up, from FAILED. Exactly what holds nothing needs something taken anew.
    fn repair(&mut self, run: &mut Run, anew: Option<&Ends<Wanted>>) {
        if self.state == State::Degraded && anew.is_none() {
            self.relight(run);
            return;
        }
        if self.state != State::Failed || self.holds == anew.is_some() {
            run.verdict = Verdict::Ignored;
            return;
        }
        if let Some(wanted) = anew {
            // Nothing that was known of the ends is known of these.
            self.ends = wanted.map(|_, wanted| EndState::new(*wanted));
            (self.holds, self.link_down, self.level) = (true, false, Level::Good);
        }
        self.failure = None;
        self.light(run, OperationKind::Repair);
    }

    /// Tells the ends that are not as wanted to be what they were to be.
    fn relight(&mut self, run: &mut Run) {
        if !self.ends.any(|end| end.troubles.unverified) {
            run.verdict = Verdict::Ignored;
            return;
        }
        self.begin(run, OperationKind::Repair);
        self.enter(run, State::Reconfiguring, Cause::Requested);
        self.schedule(run, Some(self.times.control_ms.saturating_add(self.times.setup_module_ms)));
        for end in Ends::<()>::BOTH {
            let EndState { wanted, troubles, .. } = *self.ends.get(end);
            if troubles.unverified {
                let state = self.ends.get_mut(end);
                if state.light == Light::Dark {
                    state.light = Light::Unknown;
                }
                self.order(run, end, Order::Setup(wanted));
            } else {
                self.ends.get_mut(end).give_up();
            }
        }
    }

    /// Tells both ends to shine.
    fn light(&mut self, run: &mut Run, kind: OperationKind) {
        self.begin(run, kind);
        self.enter(run, State::SetupInProgress, Cause::Requested);
        self.schedule(run, Some(self.times.control_ms.saturating_add(self.times.setup_module_ms)));
        for end in Ends::<()>::BOTH {
            let wanted = self.ends.get(end).wanted;
            self.ends.get_mut(end).light = Light::Unknown;
            self.order(run, end, Order::Setup(wanted));
        }
    }

    fn reconfigure(&mut self, run: &mut Run, tx_power: &Ends<Option<Power>>, cause: Cause) {
        let changes = tx_power.any(Option::is_some);
        if !changes || !matches!(self.state, State::Active | State::Degraded) {
            run.verdict = Verdict::Ignored;
            return;
        }
        self.begin(run, OperationKind::Reconfigure);
        self.enter(run, State::Reconfiguring, cause);
        self.schedule(run, Some(self.times.control_ms.saturating_add(self.times.change_module_ms)));
        for end in Ends::<()>::BOTH {
            if let Some(power) = *tx_power.get(end) {
                self.order(run, end, Order::Reconfigure(power));
            } else {
                self.ends.get_mut(end).give_up();
            }
        }
    }

    fn teardown(&mut self, run: &mut Run) {
        match self.state {
            State::Terminated => run.verdict = Verdict::Ignored,
            State::Pending => {
                self.begin(run, OperationKind::Teardown);
                self.over(run, State::Terminated, Cause::Requested);
            }
            State::Failed if !self.holds => {
                self.begin(run, OperationKind::Teardown);
                self.over(run, State::Terminated, Cause::Requested);
            }
            State::TeardownInProgress => {
                if self.operation.as_ref().is_some_and(|op| op.kind == OperationKind::Teardown) {
                    run.verdict = Verdict::Ignored;
                    return;
                }
                // A set-up is being undone: what was asked for now is what it is being done for.
                self.begin(run, OperationKind::Teardown);
            }
            _ => {
                self.begin(run, OperationKind::Teardown);
                self.darken(run, Cause::Requested);
            }
        }
    }

    fn abandon(&mut self, run: &mut Run) {
        match self.state {
            State::Terminated => run.verdict = Verdict::Ignored,
            State::Pending | State::Failed | State::TeardownInProgress => {
                self.begin_once(run, OperationKind::Teardown);
                self.leave(run);
                self.over(run, State::Terminated, Cause::Abandoned);
            }
            _ => {
                self.begin(run, OperationKind::Teardown);
                self.darken(run, Cause::Abandoned);
                self.leave(run);
                self.over(run, State::Terminated, Cause::Abandoned);
            }
        }
    }

    // --- time ---------------------------------------------------------------------------------------------------------

    fn tick(&mut self, run: &mut Run) {
        if self.deadline.is_none_or(|deadline| run.now.at < deadline) {
            run.verdict = Verdict::Ignored;
            return;
        }
        self.deadline = None;
        match self.state {
            State::Pending => {
                self.failed(failure(Code::Expired, None, "not set up within the hold time"));
                let cause = self.cause();
                self.over(run, State::Failed, cause);
            }
            State::SetupInProgress => {
                let silent = self.silent();
                let failure = failure(Code::TimedOut, silent, "no answer to setupConnection in time");
                self.undo(run, failure);
            }
            State::Reconfiguring => {
                let silent = self.silent();
                for end in Ends::<()>::BOTH {
                    let end = self.ends.get_mut(end);
                    end.troubles.unverified |= end.pending().is_some();
                    end.give_up();
                }
                let repair = self.operation.as_ref().is_some_and(|op| op.kind == OperationKind::Repair);
                let command = if repair { "setupConnection" } else { "reconfigConnection" };
                self.failed(failure(Code::TimedOut, silent, &format!("no answer to {command} in time")));
                self.changed(run);
            }
            State::TeardownInProgress => {
                let silent = self.silent();
                self.failed(failure(Code::TimedOut, silent, "no answer to teardownConnection in time"));
                for end in Ends::<()>::BOTH {
                    self.ends.get_mut(end).give_up();
                }
                self.darkened(run);
            }
            State::Failed if self.holds => self.tell_again(run),
            State::Failed | State::Terminated => run.push(Action::Forget),
            // No deadline is ever set in these.
            State::Active | State::Degraded => {}
        }
    }

    /// The end that has not answered, where it is only one.
    fn silent(&self) -> Option<End> {
        let mut silent = Ends::<()>::BOTH.into_iter().filter(|&end| self.ends.get(end).pending().is_some());
        match (silent.next(), silent.next()) {
            (Some(end), None) => Some(end),
            _ => None,
        }
    }

    // --- steps that several events share ------------------------------------------------------------------------------

    /// ACTIVE or DEGRADED, by what is known now; other states stay.
    fn settle(&mut self, run: &mut Run, cause: Cause) {
        let bad =
            self.link_down || self.level >= Level::Degraded || self.ends.any(|end| end.troubles.degrade());
        let to = if bad { State::Degraded } else { State::Active };
        let settled = match self.state {
            State::Active | State::Degraded => self.state != to,
            State::Reconfiguring => self.operation.is_none(),
            _ => false,
        };
        if settled {
            self.enter(run, to, cause);
        }
    }

    /// Takes back a set-up that did not work: both ends were commanded, both are told to go dark.
    fn undo(&mut self, run: &mut Run, failure: Failure) {
        self.failed(failure);
        let cause = self.cause();
        self.darken(run, cause);
    }

    /// Tells both ends to go dark.
    fn darken(&mut self, run: &mut Run, cause: Cause) {
        self.verified_at = None;
        self.enter(run, State::TeardownInProgress, cause);
        self.schedule(run, Some(self.times.control_ms.saturating_add(self.times.teardown_module_ms)));
        for end in Ends::<()>::BOTH {
            self.order(run, end, Order::Teardown);
        }
    }

    /// Tells the ends that may still shine to go dark once more.
    fn tell_again(&mut self, run: &mut Run) {
        for end in Ends::<()>::BOTH {
            let state = self.ends.get_mut(end);
            if state.light != Light::Dark {
                state.attempts = 0;
                self.order(run, end, Order::Teardown);
            }
        }
        self.schedule(run, Some(self.times.retry_ms));
    }

    /// Ends a teardown once both ends are answered or given up.
    fn darkened(&mut self, run: &mut Run) {
        if self.ends.any(|end| end.pending().is_some()) && self.state == State::TeardownInProgress {
            return;
        }
        if self.ends.any(|end| end.light == Light::Lit) {
            if self.state == State::TeardownInProgress {
                let failure = self.failure.clone();
                let cause = self.cause();
                self.enter(run, State::Failed, cause);
                self.finish(run, failure);
                self.schedule(run, Some(self.times.retry_ms));
            }
            return;
        }
        let undone = self.operation.as_ref().is_some_and(|op| op.kind != OperationKind::Teardown);
        match self.state {
            State::TeardownInProgress if undone => {
                self.leave(run);
                let cause = self.cause();
                self.over(run, State::Failed, cause);
            }
            State::TeardownInProgress => {
                self.leave(run);
                self.over(run, State::Terminated, Cause::Dark);
            }
            // A FAILED connection that held its grant for an end that could not be reached.
            _ => {
                self.leave(run);
                self.release(run);
                self.schedule(run, Some(self.times.failed_ms));
            }
        }
    }

    /// Says which ends are given up without knowing them dark.
    fn leave(&self, run: &mut Run) {
        for end in Ends::<()>::BOTH {
            if self.ends.get(end).light != Light::Dark {
                run.push(Action::LeftUnconfirmed(end));
            }
        }
    }

    /// Enters a state in which nothing is held.
    fn over(&mut self, run: &mut Run, to: State, cause: Cause) {
        for end in Ends::<()>::BOTH {
            self.ends.get_mut(end).give_up();
        }
        self.release(run);
        let failure = if to == State::Failed { self.failure.clone() } else { None };
        self.enter(run, to, cause);
        self.finish(run, failure);
        let keep = if to == State::Failed { self.times.failed_ms } else { self.times.terminated_ms };
        self.schedule(run, Some(keep));
    }

    fn release(&mut self, run: &mut Run) {
        if core::mem::replace(&mut self.holds, false) {
            run.push(Action::Release);
        }
    }

    fn begin_once(&mut self, run: &mut Run, kind: OperationKind) {
        if self.operation.as_ref().is_none_or(|operation| operation.kind != kind) {
            self.begin(run, kind);
        }
    }

    /// Begins an operation; one that was under way has failed by that.
    fn begin(&mut self, run: &mut Run, kind: OperationKind) {
        if let Some(before) = &self.operation {
            let failure = before
                .failure
                .clone()
                .unwrap_or_else(|| failure(Code::IllegalState, None, "another operation took its place"));
            self.finish(run, Some(failure));
        }
        self.operations = self.operations.saturating_add(1);
        self.operation =
            Some(Operation { number: self.operations, kind, started: run.now.at, failure: None });
        for end in Ends::<()>::BOTH {
            let end = self.ends.get_mut(end);
            (end.attempts, end.module_ms) = (0, 0);
        }
    }

    fn finish(&mut self, run: &mut Run, failure: Option<Failure>) {
        let Some(operation) = self.operation.take() else { return };
        let module_ms = self.ends.source.module_ms.max(self.ends.destination.module_ms);
        let timing = Timing { total_ms: run.now.at.since(operation.started), module_ms };
        let result = failure.map_or(Ok(()), Err);
        let (number, kind) = (operation.number, operation.kind);
        run.push(Action::Finished(Finished { number, kind, result, timing }));
    }

    /// Keeps what went wrong: for the connection the last, for the operation the first.
    fn failed(&mut self, failure: Failure) {
        if let Some(operation) = &mut self.operation {
            let first = operation.failure.get_or_insert(failure);
            self.failure = Some(first.clone());
        } else {
            self.failure = Some(failure);
        }
    }

    fn cause(&self) -> Cause {
        self.failure.clone().map_or(Cause::Requested, Cause::Failed)
    }

    fn enter(&mut self, run: &mut Run, to: State, cause: Cause) {
        if self.state != to {
            let from = core::mem::replace(&mut self.state, to);
            self.since = run.now.at;
            run.push(Action::Moved { from, to, cause });
        }
    }

    fn schedule(&mut self, run: &mut Run, after_ms: Option<u64>) {
        self.deadline = after_ms.map(|ms| run.now.at.plus(ms));
        run.push(Action::Schedule(self.deadline));
    }

    fn order(&mut self, run: &mut Run, end: End, order: Order) {
        self.commands = self.commands.saturating_add(1);
        let number = CommandNumber(self.commands);
        let state = self.ends.get_mut(end);
        state.issued = Some(Issued { number, order, awaited: Awaited::Open });
        state.attempts = state.attempts.saturating_add(1);
        let lifetime_ms = match order {
            Order::Setup(_) | Order::Reconfigure(_) => Some(self.times.control_ms),
            // However late an agent comes back: a laser nobody wants must go dark.
            Order::Teardown => None,
        };
        run.push(Action::Send { end, number, order, lifetime_ms });
    }
}

fn failure(code: Code, end: Option<End>, text: &str) -> Failure {
    Failure { code, end, text: text.chars().take(TEXT).collect() }
}
