//! One connection at a time between the same two ports.

use benches::world::{Plane, Site, one_thread};
use ipowdm_ctl_lib::store::Location;
use ipowdm_examples::lab::fill::{self, Percentiles};
use std::time::{Duration, Instant};

/// Set-ups measured.
const SETUPS: usize = 500;

pub(crate) fn run(bus: &str, words: &[&str]) {
    let site = Site::start(words);
    let pair = site.pairs().remove(0);
    let location = site.redb();
    let (total, control, module) = one_thread().block_on(async {
        let plane = Plane::first(&site, &location).await;
        let controller = plane.controller();
        let (mut total, mut control, mut module) = (Vec::new(), Vec::new(), Vec::new());
        for number in 0..SETUPS {
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
        (total, control, module)
    });
    let (total, control, module) =
        (Percentiles::of(total), Percentiles::of(control), Percentiles::of(module));
    println!(
        "setup bus=\"{bus}\" store={} n={} control_plane_ms p50={} p99={} max={} module_ms p50={} \
         create_and_setup_us p50={} p99={}",
        if matches!(location, Location::Redb(_)) { "redb" } else { "memory" },
        control.count,
        control.p50,
        control.p99,
        control.max,
        module.p50,
        total.p50,
        total.p99,
    );
    site.stop();
}
