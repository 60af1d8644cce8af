//! What systemd is told (`Type=notify`, `WatchdogSec=`); nothing where it did not start this.

use core::convert::Infallible;
use sd_notify::NotifyState;

fn tell(state: NotifyState<'_>) {
    if let Err(error) = sd_notify::notify(&[state]) {
        tracing::warn!(%error, "systemd cannot be told");
    }
}

/// All services answer.
pub(super) fn ready() {
    tell(NotifyState::Ready);
}

/// The stop has begun.
pub(super) fn stopping() {
    tell(NotifyState::Stopping);
}

/// Says twice in each of systemd's intervals that the process still gets round to its tasks.
pub(super) async fn keep_alive() -> Infallible {
    let Some(interval) = sd_notify::watchdog_enabled() else { return core::future::pending().await };
    let mut beat = tokio::time::interval(interval / 2);
    beat.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        beat.tick().await;
        tell(NotifyState::Watchdog);
    }
}
