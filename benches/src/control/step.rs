//! All lines degrade at once: from the third bad sample to the published command.

use crate::world::{Plane, Site, one_thread};
use ipowdm_core::units::Db;
use ipowdm_ctl_lib::controller::Distribution;
use std::time::{Duration, Instant};

/// What the steps took, in microseconds.
#[derive(Debug, Clone)]
pub struct Steps {
    /// Connections that degraded.
    pub connections: u64,
    /// From the third bad sample until a step was decided.
    pub decided_us: Distribution,
    /// Until the bus had confirmed the command.
    pub published_us: Distribution,
}

/// Lets lines degrade, over the bus that the lab's words name and a durable store.
///
/// # Panics
/// Where the lab does not start.
#[must_use]
pub fn measure(words: &[&str]) -> Steps {
    let shape = ["--pops", "2", "--routers", "4", "--ports", "16", "--telemetry-ms", "500"];
    let site = Site::start(&[&shape[..], words].concat());
    let found = one_thread().block_on(async {
        let plane = Plane::first(&site, &site.redb()).await;
        let controller = plane.controller();
        let outcomes = site.light(&controller, "STEP", 16).await;
        let lit = outcomes.iter().filter(|done| done.is_ok()).count() as u64;
        tokio::time::sleep(Duration::from_secs(2)).await;
        for (_, b) in site.pairs() {
            assert!(site.plant.degrade(&b, Db::from_hundredths(1_300)), "{b} has a line");
        }
        let begun = Instant::now();
        let figures = loop {
            let figures = controller.metrics();
            if figures.step_published_us.count >= lit || begun.elapsed() > Duration::from_secs(20) {
                break figures;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        };
        plane.stop().await;
        Steps {
            connections: lit,
            decided_us: figures.step_decided_us,
            published_us: figures.step_published_us,
        }
    });
    site.stop();
    found
}
