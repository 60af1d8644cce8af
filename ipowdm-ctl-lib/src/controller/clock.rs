//! A monotonic clock that goes on where the last controller's stopped.
//!
//! Every time that a controller stores (deadlines, cooldowns, since when) is on this clock. It is the monotonic clock of the
//! process plus what the clock showed when it was last stored, so a stored deadline means remaining time: an outage of the
//! controller does not use it up, and no jump of the wall clock moves it. After a crash the clock is behind by at most the
//! interval at which it is stored.

use crate::store::{Key, Record};
use core::time::Duration;
use ipowdm_core::ids::VopId;
use ipowdm_core::time::{Millis, Timestamp};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};
use tokio::time::Instant;

/// As far ahead as a time is waited for at once.
const YEAR: Duration = Duration::from_secs(365 * 86_400);

/// Where wall time comes from. It is only shown, never decided on.
pub type WallClock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// The system's wall clock.
#[must_use]
pub fn system_wall_clock() -> WallClock {
    Arc::new(|| {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Timestamp(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
    })
}

/// What the clock showed when it was last stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct StoredClock(pub(super) Millis);

impl StoredClock {
    pub(super) fn key(vop: &VopId) -> Key<Self> {
        Key::new(&[vop.as_str()])
    }
}

impl Record for StoredClock {
    const KIND: &'static str = "controller-clock";
    const VERSION: u8 = 1;
}

/// The clock.
#[derive(Debug, Clone, Copy)]
pub(super) struct Clock {
    base: Millis,
    started: Instant,
}

impl Clock {
    /// A clock that shows `base` now.
    pub(super) fn from(base: Millis) -> Self {
        Self { base, started: Instant::now() }
    }

    pub(super) fn now(&self) -> Millis {
        let elapsed = self.started.elapsed().as_millis();
        self.base.plus(u64::try_from(elapsed).unwrap_or(u64::MAX))
    }

    /// When the process's clock shows what this clock shows as `at`; a time beyond a year is a year away, and looked at
    /// again then.
    pub(super) fn instant(&self, at: Millis) -> Instant {
        self.started + Duration::from_millis(at.since(self.base)).min(YEAR)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_clock_goes_on_from_where_it_was_stored() {
        let first = Clock::from(Millis(7_000));
        tokio::time::advance(Duration::from_millis(500)).await;
        let stored = first.now();
        tokio::time::advance(Duration::from_secs(3_600)).await;
        let second = Clock::from(stored);
        assert_eq!(second.now(), Millis(7_500), "time without a controller does not count");
        assert_eq!(second.instant(Millis(8_500)), Instant::now() + Duration::from_secs(1));
        assert_eq!(second.instant(Millis(0)), Instant::now());
        assert_eq!(second.instant(Millis(u64::MAX)), Instant::now() + YEAR);
    }
}
