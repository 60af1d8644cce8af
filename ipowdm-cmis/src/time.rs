//! Monotonic time as the procedures and the emulator see it.

use core::time::Duration;

/// A monotonic instant in milliseconds since an origin that only its clock knows.
///
/// Never wall time: a host clock that is set does not move it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Millis(pub u64);

impl Millis {
    /// This instant moved later by `duration`, whole milliseconds, rounded up; saturating.
    #[must_use]
    pub fn after(self, duration: Duration) -> Self {
        let millis = u64::try_from(duration.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX);
        Self(self.0.saturating_add(millis))
    }

    /// The time from `earlier` to this instant, zero if `earlier` is later.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }
}

/// A clock that the blocking runner can wait on.
pub trait Clock {
    /// Now.
    fn now(&self) -> Millis;
    /// Waits until `until`; returns at once if that is past.
    fn sleep_until(&mut self, until: Millis);
}

/// The clock of the host: monotonic, starting at zero when made.
#[cfg(feature = "std")]
#[derive(Debug, Clone, Copy)]
pub struct HostClock {
    origin: std::time::Instant,
}

#[cfg(feature = "std")]
impl HostClock {
    /// A clock that reads zero now.
    #[must_use]
    pub fn start() -> Self {
        Self { origin: std::time::Instant::now() }
    }
}

#[cfg(feature = "std")]
impl Clock for HostClock {
    fn now(&self) -> Millis {
        Millis(u64::try_from(self.origin.elapsed().as_millis()).unwrap_or(u64::MAX))
    }

    fn sleep_until(&mut self, until: Millis) {
        std::thread::sleep(until.since(self.now()));
    }
}
