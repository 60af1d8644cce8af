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

    /// Waits as long as [`Pause::draw`] says.
    pub(super) async fn wait(&mut self) {
        tokio::time::sleep(self.draw()).await;
    }

    /// Between half and all of the current pause, which then doubles.
    pub(super) fn draw(&mut self) -> Duration {
        self.draws = self.draws.wrapping_add(1);
        // The address differs between tasks and runs: enough to keep many clients from knocking in step.
        let salt = format!("{:p}{}", self, self.draws);
        let share = 500 + crate::topics::murmur2(salt.as_bytes()) % 501;
        let drawn = self.next * share / 1000;
        self.next = (self.next * 2).min(BACKOFF.1);
        drawn
    }
}
