//! Things that happen at a fixed rate from a start instant, without drift.

use ipowdm_core::time::Millis;

/// A fixed rate. Tick k is due at start + k × interval, however late earlier ones were taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FixedRate {
    start: Millis,
    interval_ms: u64,
    next: u64,
}

/// A tick that was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tick {
    /// When it was due.
    pub due: Millis,
    /// Ticks before it that nobody came for.
    pub missed: u64,
}

impl FixedRate {
    /// A rate whose first tick is due at `start`. An interval of 0 is taken as 1 ms.
    #[must_use]
    pub const fn new(start: Millis, interval_ms: u32) -> Self {
        let interval_ms = if interval_ms == 0 { 1 } else { interval_ms as u64 };
        Self { start, interval_ms, next: 0 }
    }

    /// Milliseconds from tick to tick.
    #[must_use]
    pub const fn interval_ms(&self) -> u64 {
        self.interval_ms
    }

    /// When the next tick is due.
    #[must_use]
    pub const fn due(&self) -> Millis {
        self.start.plus(self.next.saturating_mul(self.interval_ms))
    }

    /// Takes the tick that is due, if one is; of several the last, and the others are missed.
    pub fn take(&mut self, now: Millis) -> Option<Tick> {
        if now < self.due() {
            return None;
        }
        let last = now.since(self.start) / self.interval_ms;
        let missed = last.saturating_sub(self.next);
        self.next = last.saturating_add(1);
        Some(Tick { due: self.start.plus(last.saturating_mul(self.interval_ms)), missed })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn s0_09_a_hundred_seconds_at_three_hold_33_or_34_ticks() {
        for lag in [0, 1, 20, 99] {
            let mut rate = FixedRate::new(Millis(7_000), 3_000);
            let mut ticks = 0;
            while rate.due() < Millis(107_000) {
                // Taken late every time: lateness must not add up.
                let now = rate.due().plus(lag);
                assert_eq!(rate.take(now).map(|tick| tick.missed), Some(0));
                ticks += 1;
            }
            assert_eq!(ticks, 34);
        }
    }

    #[test]
    fn a_stall_is_one_tick_and_a_count_not_a_burst() {
        let mut rate = FixedRate::new(Millis(0), 1_000);
        assert_eq!(rate.take(Millis(0)), Some(Tick { due: Millis(0), missed: 0 }));
        assert_eq!(rate.take(Millis(999)), None);
        assert_eq!(rate.take(Millis(5_300)), Some(Tick { due: Millis(5_000), missed: 4 }));
        assert_eq!(rate.take(Millis(5_300)), None);
        assert_eq!(rate.due(), Millis(6_000));
    }

    proptest! {
        #[test]
        fn taken_and_missed_ticks_add_up(interval in 1_u32..5_000, steps in proptest::collection::vec(0_u64..20_000, 1..50)) {
            let mut rate = FixedRate::new(Millis(3), interval);
            let (mut now, mut counted) = (3, 0);
            for step in std::iter::once(0).chain(steps) {
                now += step;
                if let Some(tick) = rate.take(Millis(now)) {
                    counted += 1 + tick.missed;
                    prop_assert!(now - tick.due.0 < u64::from(interval));
                }
            }
            prop_assert_eq!(counted, (now - 3) / u64::from(interval) + 1);
            prop_assert!(rate.due().0 > now);
        }
    }
}
