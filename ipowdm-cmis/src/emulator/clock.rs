//! Module time.

use crate::time::{Clock, Millis};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

/// A clock that only moves when it is told to. Clones show the same time.
#[derive(Debug, Clone, Default)]
pub struct VirtualClock(Arc<AtomicU64>);

impl VirtualClock {
    /// A clock that reads zero.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Moves the clock on, saturating.
    pub fn advance(&self, millis: u64) {
        let _ =
            self.0.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |now| Some(now.saturating_add(millis)));
    }
}

impl Clock for VirtualClock {
    fn now(&self) -> Millis {
        Millis(self.0.load(Ordering::SeqCst))
    }

    /// Moves the clock to `until` unless it is past that.
    fn sleep_until(&mut self, until: Millis) {
        self.0.fetch_max(until.0, Ordering::SeqCst);
    }
}

/// The clock that emulated modules and lines live by.
#[derive(Debug, Clone)]
pub enum ModuleClock {
    /// Virtual time.
    Virtual(VirtualClock),
    /// Time of the host since `origin`, `scale` times as fast.
    Scaled {
        /// Module time zero.
        origin: Instant,
        /// Module seconds in a second of the host.
        scale: u32,
    },
}

impl ModuleClock {
    /// Host time from now on, `scale` times as fast (at least 1).
    #[must_use]
    pub fn scaled(scale: u32) -> Self {
        Self::Scaled { origin: Instant::now(), scale: scale.max(1) }
    }

    /// Now, in module time.
    #[must_use]
    pub fn now(&self) -> Millis {
        match self {
            Self::Virtual(clock) => clock.now(),
            Self::Scaled { origin, scale } => {
                let micros = origin.elapsed().as_micros().saturating_mul(u128::from(*scale));
                Millis(u64::try_from(micros / 1_000).unwrap_or(u64::MAX))
            }
        }
    }
}

impl From<&VirtualClock> for ModuleClock {
    fn from(clock: &VirtualClock) -> Self {
        Self::Virtual(clock.clone())
    }
}
