//! How many requests a caller may send: a generic cell rate algorithm (ITU-T I.371, annex A) for each.

use core::time::Duration;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// How many requests a caller may send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// Time between two requests in the long run.
    pub interval: Duration,
    /// Requests at once after a pause; at least 1.
    pub burst: u32,
}

/// When the next request of each caller is due. There are as many as the table of tokens has names.
#[derive(Debug)]
pub(super) struct Rates {
    rate: Rate,
    due: Mutex<HashMap<Arc<str>, Duration>>,
}

impl Rates {
    pub(super) fn new(rate: Rate) -> Self {
        Self { rate, due: Mutex::default() }
    }

    /// Counts a request of a caller at `now` on any monotonic clock, or answers how long it is to wait.
    pub(super) fn admit(&self, caller: &Arc<str>, now: Duration) -> Result<(), Duration> {
        let Rate { interval, burst } = self.rate;
        let ahead = interval.saturating_mul(burst.saturating_sub(1));
        // Every change is whole between two statements that can panic.
        let mut callers = self.due.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(due) = callers.get_mut(caller) else {
            callers.insert(Arc::clone(caller), now.saturating_add(interval));
            return Ok(());
        };
        let early = due.saturating_sub(now);
        if early > ahead {
            return Err(early - ahead);
        }
        *due = now.max(*due).saturating_add(interval);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn a_burst_passes_then_one_request_an_interval() {
        let rates = Rates::new(Rate { interval: ms(100), burst: 3 });
        let (one, other): (Arc<str>, Arc<str>) = (Arc::from("one"), Arc::from("other"));
        for _ in 0..3 {
            assert_eq!(rates.admit(&one, ms(1000)), Ok(()));
        }
        assert_eq!(rates.admit(&one, ms(1000)), Err(ms(100)));
        assert_eq!(rates.admit(&other, ms(1000)), Ok(()), "callers do not take from each other");
        assert_eq!(rates.admit(&one, ms(1099)), Err(ms(1)));
        assert_eq!(rates.admit(&one, ms(1100)), Ok(()));
        assert_eq!(rates.admit(&one, ms(1100)), Err(ms(100)));
        for _ in 0..3 {
            assert_eq!(rates.admit(&one, ms(5000)), Ok(()), "a pause gives no more than a burst");
        }
        assert_eq!(rates.admit(&one, ms(5000)), Err(ms(100)));
    }

    proptest! {
        #[test]
        fn no_window_has_more_than_a_burst_and_its_rate(
            gaps in proptest::collection::vec(0_u64..300, 1..200),
            interval in 1_u64..1000,
            burst in 1_u32..10,
        ) {
            let rates = Rates::new(Rate { interval: ms(interval), burst });
            let caller: Arc<str> = Arc::from("one");
            let (mut now, mut passed) = (0, Vec::new());
            for gap in gaps {
                now += gap;
                if rates.admit(&caller, ms(now)).is_ok() {
                    passed.push(now);
                }
            }
            for (first, begin) in passed.iter().enumerate() {
                for (last, end) in passed.iter().enumerate().skip(first) {
                    let most = u64::from(burst) + (end - begin) / interval;
                    prop_assert!((last - first + 1) as u64 <= most);
                }
            }
        }
    }
}
