//! Monotonic time as the procedures and the emulator see it.

pub use ipowdm_core::time::Millis;

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
        std::thread::sleep(until.elapsed_since(self.now()));
    }
}
