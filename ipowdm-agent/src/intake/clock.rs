//! The broker's time, without trusting the host's.

use ipowdm_core::time::Millis;

/// What the broker's clock shows now, from the append times it stamped and our own monotonic clock.
///
/// A record that arrives proves that the broker's clock has passed its stamp; a heartbeat of ours that was confirmed
/// and read back tells the broker's clock to within the round trip, and corrects the estimate both ways. The host's wall
/// clock plays no part: it may jump by an hour and no decision changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct BrokerClock {
    anchor: Option<(i64, Millis)>,
}

impl BrokerClock {
    /// A clock that knows nothing.
    #[must_use]
    pub const fn new() -> Self {
        Self { anchor: None }
    }

    /// Takes in a record stamped `stamp_ms` that was here at `now`: the broker's clock shows at least that.
    pub fn saw(&mut self, stamp_ms: i64, now: Millis) {
        // Before the first anchor nothing is taken: the newest record of a backlog may be hours old.
        if self.read(now).is_some_and(|estimate| estimate < stamp_ms) {
            self.anchor = Some((stamp_ms, now));
        }
    }

    /// Takes in the stamp of our own record whose confirmation came at `confirmed`.
    pub const fn anchored(&mut self, stamp_ms: i64, confirmed: Millis) {
        self.anchor = Some((stamp_ms, confirmed));
    }

    /// The broker's time in milliseconds since the Unix epoch; `None` before the first anchor.
    #[must_use]
    pub fn read(&self, now: Millis) -> Option<i64> {
        let (stamp, at) = self.anchor?;
        Some(stamp.saturating_add(i64::try_from(now.since(at)).unwrap_or(i64::MAX)))
    }

    /// Milliseconds left of a lifetime that began with the append at `stamp_ms`; `None` where it is over or where
    /// the broker's time is not known: a command whose age cannot be told is not carried out.
    #[must_use]
    pub fn remaining(&self, stamp_ms: i64, lifetime_ms: u64, now: Millis) -> Option<u64> {
        let age = self.read(now)?.saturating_sub(stamp_ms).max(0);
        lifetime_ms.checked_sub(u64::try_from(age).unwrap_or(0)).filter(|left| *left > 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const T: i64 = 1_730_000_000_000;

    #[test]
    fn a_lifetime_is_counted_from_the_append_time_on_the_monotonic_clock() {
        let mut clock = BrokerClock::new();
        clock.anchored(T, Millis(1_000));
        assert_eq!(clock.remaining(T, 30_000, Millis(1_000)), Some(30_000));
        assert_eq!(clock.remaining(T, 30_000, Millis(30_999)), Some(1));
        assert_eq!(clock.remaining(T, 30_000, Millis(31_000)), None);
        assert_eq!(clock.remaining(T - 20_000, 30_000, Millis(1_000)), Some(10_000));
        assert_eq!(clock.remaining(T - 30_000, 30_000, Millis(1_000)), None, "old when it was read");
    }

    #[test]
    fn without_an_anchor_no_lifetime_has_anything_left() {
        let mut clock = BrokerClock::new();
        clock.saw(T, Millis(5));
        // Had a backlog's newest record been taken for now, an hour-old command would look fresh.
        assert_eq!(clock.remaining(T, 30_000, Millis(5)), None);
    }

    #[test]
    fn a_record_from_ahead_of_the_estimate_moves_it_and_one_from_behind_does_not() {
        let mut clock = BrokerClock::new();
        clock.anchored(T, Millis(0));
        clock.saw(T + 500, Millis(400));
        assert_eq!(clock.read(Millis(400)), Some(T + 500));
        clock.saw(T - 3_600_000, Millis(401));
        assert_eq!(clock.read(Millis(401)), Some(T + 501));
        clock.anchored(T - 3_600_000, Millis(500));
        assert_eq!(clock.read(Millis(500)), Some(T - 3_600_000), "an anchor corrects both ways");
    }

    proptest! {
        #[test]
        fn a_lifetime_only_shrinks(
            age in 0_i64..100_000, lifetime in 0_u64..100_000, steps in proptest::collection::vec(0_u64..5_000, 1..20)
        ) {
            let mut clock = BrokerClock::new();
            clock.anchored(T + age, Millis(0));
            let mut now = 0;
            let mut last = clock.remaining(T, lifetime, Millis(0));
            for step in steps {
                now += step;
                let left = clock.remaining(T, lifetime, Millis(now));
                prop_assert!(left.unwrap_or(0) <= last.unwrap_or(0));
                last = left;
            }
        }
    }
}
