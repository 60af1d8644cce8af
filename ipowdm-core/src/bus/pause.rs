//! The pause between attempts while the bus is away.

use std::cell::Cell;
use std::format;
use std::time::Duration;

/// First and longest pause.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(2));

std::thread_local! {
    /// Number of the next draw of this thread, once [`seed_pauses`] was called.
    static SEEDED: Cell<Option<u32>> = const { Cell::new(None) };
}

/// Makes the jitter of all pauses of this thread follow from `seed`, so that a simulation whose clients all run on it is the
/// same in every run. In production clients must not knock in step: there, pauses differ between tasks and processes.
pub fn seed_pauses(seed: u32) {
    SEEDED.set(Some(seed));
}

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
        let salt = match SEEDED.get() {
            Some(seeded) => {
                SEEDED.set(Some(seeded.wrapping_add(1)));
                format!("{seeded}")
            }
            // The address differs between tasks and runs: enough to keep many clients from knocking in step.
            None => format!("{:p}{}", self, self.draws),
        };
        let share = 500 + crate::topics::murmur2(salt.as_bytes()) % 501;
        let drawn = self.next * share / 1000;
        self.next = (self.next * 2).min(BACKOFF.1);
        drawn
    }
}
