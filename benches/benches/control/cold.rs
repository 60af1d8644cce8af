//! A control plane starts over a store with 10 000 connections that are lit.

use crate::world::{Plane, Site, one_thread};
use futures_util::StreamExt as _;
use futures_util::stream;
use ipowdm_examples::lab::fill;
use std::time::{Duration, Instant};

/// Connections.
const CONNECTIONS: usize = 10_000;

pub(crate) fn run() {
    let site = Site::start(&[
        "--memory-bus",
        "--pops",
        "320",
        "--routers",
        "1",
        "--ports",
        "64",
        "--telemetry-ms",
        "60000",
    ]);
    let location = site.redb();
    one_thread().block_on(async {
        let plane = Plane::first(&site, &location).await;
        let controller = plane.controller();
        let begun = Instant::now();
        let works = site
            .pairs()
            .into_iter()
            .take(CONNECTIONS)
            .enumerate()
            .map(|(number, (a, b))| fill::light(controller.clone(), format!("COLD-{number}"), a, b));
        let outcomes: Vec<_> = stream::iter(works).buffer_unordered(128).collect().await;
        let failed = outcomes.iter().find_map(|outcome| outcome.as_ref().err());
        assert!(failed.is_none(), "{failed:?}");
        println!("cold connections={} set_up_in_s={:.1}", outcomes.len(), begun.elapsed().as_secs_f64());
        plane.stop().await;
    });
    // The runtime is gone, and with it whatever task held the store open.
    let mut figures = (0.0, 0.0);
    let memory = allocation_counter::measure(|| {
        let runtime = one_thread();
        let plane = runtime.block_on(async {
            let begun = Instant::now();
            let plane = Plane::start(&site, &location).await;
            while plane.running().is_none() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            assert_eq!(plane.controller().connections(None).unwrap().len(), CONNECTIONS);
            figures.0 = begun.elapsed().as_secs_f64();
            while !plane.hears_all_agents() {
                assert!(begun.elapsed() < Duration::from_secs(120), "agents stay unheard");
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            figures.1 = begun.elapsed().as_secs_f64();
            let samples = || plane.controller().metrics().samples;
            while samples() < 2 * CONNECTIONS as u64 {
                assert!(begun.elapsed() < Duration::from_secs(240), "{} samples", samples());
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            plane
        });
        // What is still held is what a control plane with these connections holds.
        std::mem::forget((runtime, plane));
    });
    println!(
        "cold connections={CONNECTIONS} serving_s={:.2} reconciled_s={:.2} bytes_per_connection={}",
        figures.0,
        figures.1,
        memory.bytes_current / i64::try_from(CONNECTIONS).unwrap(),
    );
    site.stop();
}
