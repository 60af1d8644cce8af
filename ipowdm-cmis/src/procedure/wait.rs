//! Deadlines of waits: each state is timed from its entry with its own limit.

use crate::time::Millis;
use core::time::Duration;

/// The time allowed for an advertised maximum: a quarter more, and at least 250 ms more.
///
/// A module that advertises 1 ms is not failed because the host's poll came late.
pub(super) fn with_margin(limit: Duration) -> Duration {
    limit.saturating_add((limit / 4).max(Duration::from_millis(250)))
}

/// Follows one observed code while it changes, with a deadline for each value.
#[derive(Debug, Clone, Copy)]
pub(super) struct Watch {
    seen: Option<u8>,
    limit: Duration,
    deadline: Millis,
    last_change: Millis,
    changes: u8,
}

impl Watch {
    /// Values that a watch may see before it stops giving new deadlines: more than the longest legal sequence of states.
    const MOST_CHANGES: u8 = 16;

    /// A watch that begins now with `limit` for the value first seen.
    pub(super) fn start(now: Millis, limit: Duration) -> Self {
        let limit = with_margin(limit);
        Self { seen: None, limit, deadline: now.after(limit), last_change: now, changes: 0 }
    }

    /// Notes the value read now; `limit` is what it may last. The limit that was exceeded, if any.
    pub(super) fn observe(&mut self, now: Millis, code: u8, limit: Duration) -> Result<(), Duration> {
        if self.seen != Some(code) && self.changes < Self::MOST_CHANGES {
            // The first value keeps the deadline of the wait's start unless its own limit is longer.
            let limit = with_margin(limit);
            if self.seen.is_some() || limit > self.limit {
                self.limit = limit;
                self.deadline = now.after(limit);
            }
            self.seen = Some(code);
            self.last_change = now;
            self.changes += 1;
        }
        if now >= self.deadline { Err(self.limit) } else { Ok(()) }
    }

    /// When to look again: often at first, then about 50 times within the limit, never past the deadline.
    pub(super) fn next_look(&self, now: Millis) -> Millis {
        let pause = (self.limit / 50).clamp(Duration::from_millis(5), Duration::from_millis(200));
        now.after(pause).min(self.deadline.max(Millis(now.0.saturating_add(1))))
    }
}
