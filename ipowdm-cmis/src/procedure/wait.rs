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
    changes: u8,
}

impl Watch {
    /// Values that a watch may see before it stops giving new deadlines: more than the longest legal sequence of states.
    const MOST_CHANGES: u8 = 16;

    /// A watch that begins now with `limit` for the value first seen.
    pub(super) fn start(now: Millis, limit: Duration) -> Self {
        let limit = with_margin(limit);
        Self { seen: None, limit, deadline: now.after(limit), changes: 0 }
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

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_margin_is_a_quarter_and_at_least_250_milliseconds() {
        assert_eq!(with_margin(Duration::from_millis(1)), Duration::from_millis(251));
        assert_eq!(with_margin(Duration::from_secs(60)), Duration::from_secs(75));
    }

    #[test]
    fn each_new_value_starts_its_own_deadline_and_an_unchanged_one_does_not() {
        let mut watch = Watch::start(Millis(0), 4 * SECOND);
        assert_eq!(watch.observe(Millis(4_000), 1, Duration::ZERO), Ok(()));
        assert_eq!(watch.observe(Millis(4_900), 2, 10 * SECOND), Ok(()));
        assert_eq!(watch.observe(Millis(17_000), 2, 10 * SECOND), Ok(()));
        assert_eq!(watch.observe(Millis(17_400), 2, 10 * SECOND), Err(Duration::from_millis(12_500)));
    }

    #[test]
    fn the_value_seen_first_has_at_least_the_limit_of_the_wait() {
        let mut watch = Watch::start(Millis(0), 4 * SECOND);
        assert_eq!(watch.observe(Millis(100), 1, Duration::ZERO), Ok(()));
        assert_eq!(watch.observe(Millis(4_999), 1, Duration::ZERO), Ok(()));
        assert_eq!(watch.observe(Millis(5_000), 1, Duration::ZERO), Err(5 * SECOND));
        let mut watch = Watch::start(Millis(0), SECOND);
        assert_eq!(watch.observe(Millis(100), 1, 4 * SECOND), Ok(()));
        assert_eq!(watch.observe(Millis(5_000), 1, 4 * SECOND), Ok(()));
        assert_eq!(watch.observe(Millis(5_100), 1, 4 * SECOND), Err(5 * SECOND));
    }

    #[test]
    fn a_value_that_changes_for_ever_is_given_up() {
        let mut watch = Watch::start(Millis(0), SECOND);
        let ended = (0..1_000_u32).find(|step| {
            let now = Millis(u64::from(*step) * 500);
            watch.observe(now, u8::from(step.is_multiple_of(2)), SECOND).is_err()
        });
        assert!(ended.is_some_and(|step| step < 24), "{ended:?}");
    }

    #[test]
    fn looks_are_apart_and_the_last_is_at_the_deadline() {
        let watch = Watch::start(Millis(0), 4 * SECOND);
        assert_eq!(watch.next_look(Millis(0)), Millis(100));
        assert_eq!(watch.next_look(Millis(4_990)), Millis(5_000));
        assert_eq!(watch.next_look(Millis(6_000)), Millis(6_001), "never in the past");
        let long = Watch::start(Millis(0), Duration::from_secs(300));
        assert_eq!(long.next_look(Millis(0)), Millis(200));
    }
}
