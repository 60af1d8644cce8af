//! One connection at a time between the same two ports.
#![expect(clippy::unwrap_used, reason = "a benchmark that cannot run has no result")]

use crate::world::{Plane, Site, one_thread};
use ipowdm_examples::lab::fill::{self, Percentiles};
use std::time::{Duration, Instant};

/// What so many set-ups took.
#[derive(Debug, Clone, Copy)]
pub struct Setups {
    /// Of the control plane, in milliseconds.
    pub control_ms: Percentiles,
    /// Of the modules, in milliseconds.
    pub module_ms: Percentiles,
    /// Creation and set-up as the caller sees them, in microseconds.
    pub total_us: Percentiles,
}

/// Sets connections up, one after the other, over the bus that the lab's words name and a durable store.
///
/// # Panics
/// Where a set-up fails.
#[must_use]
pub fn measure(words: &[&str], count: usize) -> Setups {
    let site = Site::start(words);
    let pair = site.pairs().remove(0);
    let found = one_thread().block_on(async {
        let plane = Plane::first(&site, &site.redb()).await;
        let controller = plane.controller();
        let (mut total, mut control, mut module) = (Vec::new(), Vec::new(), Vec::new());
        for number in 0..count {
            let name = format!("BENCH-{number}");
            let (a, b) = pair.clone();
            let begun = Instant::now();
            let timing = fill::light(controller.clone(), name.clone(), a, b).await.unwrap();
            total.push(u64::try_from(begun.elapsed().as_micros()).unwrap());
            control.push(timing.control_plane_ms());
            module.push(timing.module_ms);
            let operation = controller.delete(&name.parse().unwrap()).await.unwrap();
            controller.wait(operation, Duration::from_secs(60)).await.unwrap();
        }
        plane.stop().await;
        Setups {
            control_ms: Percentiles::of(control),
            module_ms: Percentiles::of(module),
            total_us: Percentiles::of(total),
        }
    });
    site.stop();
    found
}
