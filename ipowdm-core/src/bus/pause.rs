//! The pause between attempts while the bus is away.

use std::format;
use std::time::Duration;

/// First and longest pause.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(2));

/// A growing, jittered pause.
pub(super) struct Pause {
    next: Duration,
    draws: u32,
}

impl Pause {
    pub(super) fn new() -> Self {
        Self { next: BACKOFF.0, draws: 0 }
    }

    pub(super) fn reset(&mut self) {
        self.next = BACKOFF.0;
    }

    /// Waits between half and all of the current pause, then doubles it.
    pub(super) async fn wait(&mut self) {
        self.draws = self.draws.wrapping_add(1);
        // The address differs between tasks and runs: enough to keep many clients from knocking in step.
        let salt = format!("{:p}{}", self, self.draws);
        let share = 500 + crate::topics::murmur2(salt.as_bytes()) % 501;
        tokio::time::sleep(self.next * share / 1000).await;
        self.next = (self.next * 2).min(BACKOFF.1);
    }
}
