//! What the ends answer.

use super::{ATTEMPTS, Lifecycle, Run, failure};
use crate::connection::end::{Awaited, Light, Seen, Wanted};
use crate::connection::event::{Answer, Cause, Failure, Order, Verdict};
use crate::connection::state::State;
use ipowdm_core::error::Code;
use ipowdm_core::msg::{AckStatus, Outcome};
use ipowdm_core::units::Power;

impl Lifecycle {
    pub(super) fn answer(&mut self, run: &mut Run, answer: &Answer) {
        let end = self.ends.get(answer.end);
        let Some(issued) = end.issued.as_ref().filter(|issued| issued.number == answer.number) else {
            self.late(run, answer);
            return;
        };
        let order = issued.order;
        let open = issued.awaited == Awaited::Open;
        let heard_out = issued.awaited == Awaited::GivenUp && self.still_matters(&order);
        if !open && !heard_out {
            self.late(run, answer);
            return;
        }
        let stale = answer.outcome == Outcome::StaleEpoch && open;
        if stale && end.attempts < ATTEMPTS && self.state != State::Failed {
            self.order(run, answer.end, order);
            return;
        }
        let end = self.ends.get_mut(answer.end);
        end.module_ms = end.module_ms.max(answer.module_ms);
        if let Some(readback) = &answer.readback {
            end.seen = Some(Seen::new(run.now.wall, readback));
        } else if answer.claimed {
            // What was read before the work says nothing about what is after it.
            end.seen = None;
        }
        match order {
            Order::Setup(wanted) => self.setup_answered(run, answer, &wanted),
            Order::Reconfigure(power) => self.change_answered(run, answer, power),
            Order::Teardown => self.teardown_answered(run, answer),
        }
    }

    /// Whether the answer to an order that was given up still says something: a change of power that came through after
    /// its deadline, an end that went dark after all.
    const fn still_matters(&self, order: &Order) -> bool {
        match order {
            Order::Setup(_) => false,
            Order::Reconfigure(_) => matches!(self.state, State::Active | State::Degraded),
            Order::Teardown => self.holds && matches!(self.state, State::Failed),
        }
    }

    /// An answer to a command that is not waited for. Only one thing in it can matter: that an end shines which is being
    /// told to go dark, because its grant must not be given back before it is known dark.
    fn late(&mut self, run: &mut Run, answer: &Answer) {
        let end = self.ends.get_mut(answer.end);
        let older = end.pending().is_some_and(|number| number > answer.number);
        let success = answer.outcome.status() == AckStatus::Success;
        let lit = answer.readback.as_ref().is_some_and(|r| r.tx_enabled != Some(false));
        let news = self.state == State::TeardownInProgress && end.light == Light::Unknown;
        if news && older && success && lit {
            end.light = Light::Lit;
        } else {
            run.verdict = Verdict::Ignored;
        }
    }

    fn setup_answered(&mut self, run: &mut Run, answer: &Answer, wanted: &Wanted) {
        let failure = match answer.outcome {
            Outcome::Applied | Outcome::Unchanged => mismatch(answer, wanted),
            _ => Some(refusal(answer)),
        };
        if self.state == State::Reconfiguring {
            self.relit(run, answer, failure);
            return;
        }
        let end = self.ends.get_mut(answer.end);
        end.settle();
        end.light = match answer.outcome {
            Outcome::Applied | Outcome::Unchanged => Light::Lit,
            outcome if did_nothing(outcome) => Light::Dark,
            _ => Light::Unknown,
        };
        if let Some(failure) = failure {
            self.undo(run, failure);
        } else if self.ends.all(|end| end.pending().is_none()) {
            self.reverify(run.now.wall);
            self.enter(run, State::Active, self.done());
            self.finish(run, None);
            self.schedule(run, None);
            self.settle(run, Cause::Trouble(None));
        }
    }

    /// An end of a connection that is up was set up again, or was not: then it is what it was.
    fn relit(&mut self, run: &mut Run, answer: &Answer, failure: Option<Failure>) {
        let end = self.ends.get_mut(answer.end);
        end.settle();
        end.light = match answer.outcome {
            Outcome::Applied | Outcome::Unchanged => Light::Lit,
            // It was dark when it was told.
            outcome if did_nothing(outcome) && end.light == Light::Unknown => Light::Dark,
            _ => end.light,
        };
        end.troubles.unverified = failure.is_some();
        if let Some(failure) = failure {
            self.failed(failure);
        }
        if self.ends.all(|end| end.pending().is_none()) {
            self.changed(run);
        }
    }

    fn change_answered(&mut self, run: &mut Run, answer: &Answer, power: Power) {
        let end = self.ends.get_mut(answer.end);
        end.settle();
        let wanted = Wanted { tx_power: Some(power), ..end.wanted };
        let failure = match answer.outcome {
            Outcome::Applied | Outcome::Unchanged => {
                end.wanted = wanted;
                mismatch(answer, &wanted)
            }
            _ => Some(refusal(answer)),
        };
        end.troubles.unverified = match answer.outcome {
            Outcome::Applied | Outcome::Unchanged => failure.is_some(),
            // The end has been given to something else, or torn down, since it was read back.
            Outcome::Rejected if answer.code == Some(Code::UnknownConnection) => true,
            // Refused before anything was written: the end is what it was.
            Outcome::Rejected | Outcome::StaleEpoch | Outcome::Expired => end.troubles.unverified,
            Outcome::TimedOut | Outcome::Failed => true,
        };
        if let Some(failure) = failure {
            self.failed(failure);
        }
        if self.state != State::Reconfiguring {
            self.reverify(run.now.wall);
            self.settle(run, Cause::Recovered);
        } else if self.ends.all(|end| end.pending().is_none()) {
            self.changed(run);
        }
    }

    /// All ends of a change are answered, or given up.
    pub(super) fn changed(&mut self, run: &mut Run) {
        let failure = self.operation.as_ref().and_then(|op| op.failure.clone());
        self.reverify(run.now.wall);
        self.finish(run, failure);
        self.schedule(run, None);
        self.settle(run, self.done());
    }

    /// Why what was asked for is taken as done.
    const fn done(&self) -> Cause {
        if self.verified_at.is_some() { Cause::Verified } else { Cause::Claimed }
    }

    fn teardown_answered(&mut self, run: &mut Run, answer: &Answer) {
        let gone = answer.code == Some(Code::ModuleAbsent);
        let success = answer.outcome.status() == AckStatus::Success
            && answer.readback.as_ref().is_none_or(|readback| readback.tx_enabled != Some(true));
        let end = self.ends.get_mut(answer.end);
        // Its set-up was refused and so is this: nothing was ever done for this connection there.
        let untouched = end.light == Light::Dark && did_nothing(answer.outcome);
        if success && answer.claimed {
            end.settle();
            // Agents that read nothing back are known to say so with the laser on.
            end.light = Light::Unknown;
        } else if success || gone || untouched || is_not_there(answer) {
            end.settle();
            end.light = Light::Dark;
        } else if end.attempts < ATTEMPTS && self.state == State::TeardownInProgress {
            self.failed(refusal(answer));
            self.order(run, answer.end, Order::Teardown);
            return;
        } else {
            end.settle();
            // It is there and did not go dark: it may shine, whatever was known before.
            end.light = Light::Lit;
            self.failed(refusal(answer));
        }
        self.darkened(run);
    }
}

/// In what registers differ from what was wanted; nothing where an agent's word has to do for them.
fn mismatch(answer: &Answer, wanted: &Wanted) -> Option<Failure> {
    if answer.claimed && answer.readback.is_none() {
        return None;
    }
    let mismatch = wanted.check(answer.readback.as_ref()).err()?;
    Some(failure(Code::ReadBackMismatch, Some(answer.end), &mismatch.to_string()))
}

/// Whether a command ended before anything was done because of it.
const fn did_nothing(outcome: Outcome) -> bool {
    matches!(outcome, Outcome::Rejected | Outcome::StaleEpoch | Outcome::Expired)
}

/// Whether the refusal of a teardown says that the port serves another connection, or none: what shines there is not this
/// connection's. Agents answer a teardown with [`Code::IllegalState`] for this reason and no other.
const fn is_not_there(answer: &Answer) -> bool {
    let says_so = matches!(answer.code, Some(Code::UnknownConnection | Code::IllegalState));
    matches!(answer.outcome, Outcome::Rejected) && says_so
}

/// The failure that an ack reports.
fn refusal(answer: &Answer) -> Failure {
    let code = answer.code.unwrap_or(match answer.outcome {
        Outcome::Rejected => Code::ModuleRejected,
        Outcome::StaleEpoch => Code::StaleEpoch,
        Outcome::Expired => Code::Expired,
        Outcome::TimedOut => Code::TimedOut,
        Outcome::Applied | Outcome::Unchanged => Code::ReadBackMismatch,
        Outcome::Failed => Code::Internal,
    });
    failure(code, Some(answer.end), answer.error.as_deref().unwrap_or("no reason given"))
}
