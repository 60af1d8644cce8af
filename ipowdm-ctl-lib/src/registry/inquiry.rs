//! When an agent is asked for a discovery.
//!
//! ```text
//!   heard first, or started anew ──▶ due in 5 s ──▶ asked: due in 10 s, 20 s, 40 s … 5 min ──▶ asked 8 times: not any more
//!                                       └── answered, and every port described ──▶ content
//! ```

use ipowdm_core::time::Millis;

/// Time in which an agent reports by itself after its start; doubled with every question.
const FIRST_MS: u64 = 5_000;

/// Longest time between two questions.
const LONGEST_MS: u64 = 300_000;

/// Questions in one life of an agent. A port that it does not manage is not described however often it is asked.
const QUESTIONS: u8 = 8;

/// What is owed by an agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Inquiry {
    answered: bool,
    asked: u8,
    due: Millis,
}

impl Inquiry {
    /// An agent is heard for the first time, or has started anew.
    pub(super) const fn begun(now: Millis) -> Self {
        Self { answered: false, asked: 0, due: now.plus(FIRST_MS) }
    }

    /// It has answered: a capability message, asked for or not.
    pub(super) const fn answered(&mut self) {
        self.answered = true;
    }

    /// Whether it is to be asked now. `described` says whether all ports are.
    pub(super) fn is_due(&self, now: Millis, described: bool) -> bool {
        !(self.answered && described) && self.asked < QUESTIONS && now >= self.due
    }

    /// It is asked.
    pub(super) fn asked(&mut self, now: Millis) {
        self.asked = self.asked.saturating_add(1);
        self.due = now.plus((FIRST_MS << self.asked.min(QUESTIONS)).min(LONGEST_MS));
    }
}
