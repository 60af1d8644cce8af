//! What is seen of modules, agents, links and the signal.

use super::{Lifecycle, Run, failure};
use crate::connection::end::{EndState, Light};
use crate::connection::event::{Cause, Verdict};
use crate::connection::state::State;
use ipowdm_core::error::Code;
use ipowdm_core::qot::{End, Level};
use ipowdm_core::time::Timestamp;

impl Lifecycle {
    /// Notes a fact about an end. `change` answers whether it was so already.
    pub(super) fn note(&mut self, run: &mut Run, end: End, change: impl FnOnce(&mut EndState) -> bool) {
        if self.state.is_over() && !self.holds {
            run.verdict = Verdict::Ignored;
            return;
        }
        let known = change(self.ends.get_mut(end));
        if known {
            run.verdict = Verdict::Ignored;
            return;
        }
        let cause =
            if self.ends.get(end).troubles.degrade() { Cause::Trouble(Some(end)) } else { Cause::Recovered };
        self.settle(run, cause);
    }

    pub(super) fn agent_known(&mut self, run: &mut Run, end: End) {
        let held = self.state == State::Failed && self.holds;
        self.note(run, end, |end| !core::mem::replace(&mut end.troubles.agent_unknown, false));
        if held && run.verdict == Verdict::Applied {
            self.tell_again(run);
        }
    }

    pub(super) fn module_removed(&mut self, run: &mut Run, end: End) {
        self.note(run, end, |end| core::mem::replace(&mut end.troubles.module_absent, true));
        if run.verdict != Verdict::Applied {
            return;
        }
        match self.state {
            State::SetupInProgress => {
                self.ends.get_mut(end).settle();
                self.ends.get_mut(end).light = Light::Dark;
                self.undo(run, failure(Code::ModuleAbsent, Some(end), "the module was taken out"));
            }
            State::Reconfiguring => {
                self.failed(failure(Code::ModuleAbsent, Some(end), "the module was taken out"));
                let end = self.ends.get_mut(end);
                end.troubles.unverified = true;
                end.settle();
                if self.ends.all(|end| end.pending().is_none()) {
                    self.changed(run);
                }
            }
            State::TeardownInProgress | State::Failed => {
                self.ends.get_mut(end).settle();
                self.ends.get_mut(end).light = Light::Dark;
                self.darkened(run);
            }
            State::Active | State::Degraded => self.verified_at = None,
            State::Pending | State::Terminated => {}
        }
    }

    pub(super) fn module_present(&mut self, run: &mut Run, end: End) {
        let up = self.state.is_up();
        self.note(run, end, |end| {
            // What was plugged in is not known to be configured.
            end.troubles.unverified |= up && end.troubles.module_absent;
            !core::mem::replace(&mut end.troubles.module_absent, false)
        });
    }

    pub(super) fn module_swapped(&mut self, run: &mut Run, end: End) {
        match self.state {
            State::SetupInProgress => {
                self.undo(run, failure(Code::ModuleAbsent, Some(end), "the module was exchanged"));
            }
            State::Active | State::Degraded | State::Reconfiguring => self.unverify(run, end),
            _ => run.verdict = Verdict::Ignored,
        }
    }

    pub(super) fn foreign_change(&mut self, run: &mut Run, end: End) {
        if matches!(self.state, State::Active | State::Degraded) {
            self.unverify(run, end);
        } else {
            // While we change the module ourselves, a difference says nothing.
            run.verdict = Verdict::Ignored;
        }
    }

    pub(super) fn unverify(&mut self, run: &mut Run, end: End) {
        self.note(run, end, |end| core::mem::replace(&mut end.troubles.unverified, true));
        if run.verdict == Verdict::Applied {
            self.verified_at = None;
        }
    }

    pub(super) fn conforming(&mut self, run: &mut Run, end: End) {
        if !matches!(self.state, State::Active | State::Degraded) {
            run.verdict = Verdict::Ignored;
            return;
        }
        self.note(run, end, |end| !core::mem::replace(&mut end.troubles.unverified, false));
        if run.verdict == Verdict::Applied {
            self.reverify(run.now.wall);
        }
    }

    /// Somebody else has switched the light of an end that is up. The end is not as wanted any more where it does not shine.
    pub(super) fn light_seen(&mut self, run: &mut Run, end: End, light: Light) {
        let settled = matches!(self.state, State::Active | State::Degraded);
        if !settled || self.ends.get(end).light == light {
            run.verdict = Verdict::Ignored;
            return;
        }
        self.ends.get_mut(end).light = light;
        if light != Light::Lit {
            self.unverify(run, end);
            run.verdict = Verdict::Applied;
        }
    }

    /// Both ends have been read back as wanted, as far as is known now.
    pub(super) fn reverify(&mut self, wall: Timestamp) {
        let sound = |end: &EndState| !end.troubles.unverified && !end.troubles.module_absent;
        let clean = self.ends.all(|end| sound(end) && end.seen.is_some());
        self.verified_at = clean.then_some(wall);
    }

    pub(super) fn link(&mut self, run: &mut Run, down: bool) {
        let over = self.state.is_over() && !self.holds;
        if over || core::mem::replace(&mut self.link_down, down) == down {
            run.verdict = Verdict::Ignored;
            return;
        }
        self.settle(run, if down { Cause::Trouble(None) } else { Cause::Recovered });
    }

    pub(super) fn quality(&mut self, run: &mut Run, level: Level) {
        if !self.state.is_up() || self.level == level {
            run.verdict = Verdict::Ignored;
            return;
        }
        self.level = level;
        self.settle(run, Cause::Quality(level));
    }
}
