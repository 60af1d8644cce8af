//! The broker's clocks.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use tokio::time::Instant;

/// One reading of both clocks.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Now {
    /// For deadlines.
    pub(crate) monotonic: Instant,
    /// For timestamps in the log and for age-based retention: milliseconds since the epoch, skew included.
    pub(crate) wall_ms: i64,
}

/// Reads the clocks; the wall clock can be skewed to see what a broker with a wrong clock does to its clients.
#[derive(Debug, Default)]
pub(crate) struct Clock {
    skew_ms: AtomicI64,
}

impl Clock {
    pub(crate) fn now(&self) -> Now {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let wall_ms = i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX);
        Now {
            monotonic: Instant::now(),
            wall_ms: wall_ms.saturating_add(self.skew_ms.load(Ordering::Relaxed)).max(0),
        }
    }

    pub(crate) fn set_skew_ms(&self, skew_ms: i64) {
        self.skew_ms.store(skew_ms, Ordering::Relaxed);
    }
}
