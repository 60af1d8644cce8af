//! How long to wait before something that has ended is started again.

use core::time::Duration;

/// Pauses that double from the first to the longest, and begin anew after a life longer than the longest.
#[derive(Debug, Clone, Copy)]
pub(super) struct BackOff {
    first: Duration,
    longest: Duration,
    next: Duration,
}

impl BackOff {
    pub(super) fn new(first: Duration, longest: Duration) -> Self {
        Self { first, longest, next: first.min(longest) }
    }

    /// The pause after a life that lasted so long.
    pub(super) fn after(&mut self, lived: Duration) -> Duration {
        if lived > self.longest {
            self.next = self.first.min(self.longest);
        }
        let pause = self.next;
        self.next = pause.saturating_mul(2).min(self.longest);
        pause
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn pauses_double_to_the_longest_and_begin_anew_after_a_long_life() {
        let mut pauses = BackOff::new(ms(250), ms(1_500));
        let short = [250, 500, 1_000, 1_500, 1_500].map(ms);
        assert_eq!(short.map(|_| pauses.after(ms(1_500))), short);
        assert_eq!(pauses.after(ms(1_501)), ms(250));
        assert_eq!(pauses.after(ms(0)), ms(500));
    }

    #[test]
    fn no_pause_is_longer_than_the_longest() {
        assert_eq!(BackOff::new(ms(10), ms(5)).after(ms(0)), ms(5));
    }
}
