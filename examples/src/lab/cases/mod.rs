//! The three study cases. Each tells what was observed, and from where.

mod activation;
mod degradation;
mod setup;

pub use activation::play as activation;
pub use degradation::play as degradation;
pub use setup::{Lit, play as setup};

use core::time::Duration;
use ipowdm_ctl_lib::connection::Timing;

/// Everything that is waited for appears within this, or the case has failed. Ample on a busy machine.
const PATIENCE: Duration = Duration::from_secs(40);

/// Milliseconds as the report has them.
fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}

/// An operation's time, parted into control plane and modules.
fn parts(timing: Option<Timing>) -> (f64, f64) {
    let float = |ms: u64| u32::try_from(ms).map_or(f64::from(u32::MAX), f64::from);
    timing.map_or((0.0, 0.0), |timing| (float(timing.control_plane_ms()), float(timing.module_ms)))
}
