//! A control plane starts over a store with connections that are lit: `cargo bench -p benches --bench cold`.
//!
//! 320 routers with 64 modules each, 10 000 connections; agents and modules are the real ones and run on threads of their
//! own, the control plane (store, LinkDB, slice manager, controller, outbox) on one. *Serving*: the controller answers with
//! all its connections. *Reconciled*: every agent has been heard and has described all its modules since the start. Memory is
//! what the control plane's thread has allocated and not freed, with two samples of each connection taken in; it is told
//! where it arises.
#![expect(clippy::unwrap_used, reason = "a benchmark that cannot run has no result")]

use benches::machine;
use benches::world::{Plane, Site, one_thread};
use futures_util::StreamExt as _;
use futures_util::stream;
use ipowdm_ctl_lib::store::Location;
use ipowdm_examples::lab::fill;
use std::time::{Duration, Instant};
use tokio::runtime::Runtime;

/// Connections.
const CONNECTIONS: usize = 10_000;

/// Nothing that is waited for takes longer.
const PATIENCE: Duration = Duration::from_secs(240);

fn main() {
    println!("machine {}", machine());
    let words = ["--pops", "320", "--routers", "1", "--ports", "64", "--telemetry-ms", "60000"];
    let site = Site::start(&[&["--memory-bus"][..], &words].concat());
    let location = site.redb();
    one_thread().block_on(light(&site, &location));
    // The runtime is gone, and with it whatever task held the store open.
    start(&site, &location);
    site.stop();
}

async fn light(site: &Site, location: &Location) {
    let plane = Plane::first(site, location).await;
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
}

fn start(site: &Site, location: &Location) {
    let runtime = one_thread();
    let begun = Instant::now();
    let (plane, serving) = part(&runtime, async {
        let plane = Plane::start(site, location).await;
        while plane.running().is_none() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        assert_eq!(plane.controller().connections(None).unwrap().len(), CONNECTIONS);
        plane
    });
    let serving_s = begun.elapsed().as_secs_f64();
    let ((), reconciled) = part(&runtime, until(|| plane.hears_all_agents()));
    let reconciled_s = begun.elapsed().as_secs_f64();
    let samples = || plane.controller().metrics().samples;
    let ((), sampled) = part(&runtime, until(|| samples() >= 4 * CONNECTIONS as u64));
    println!(
        "cold connections={CONNECTIONS} serving_s={serving_s:.2} reconciled_s={reconciled_s:.2} \
         bytes_per_connection={} (connections {serving}, agents and modules {reconciled}, telemetry {sampled})",
        serving + reconciled + sampled,
    );
    runtime.block_on(plane.stop());
}

/// What a part of the start leads to, and the bytes for each connection that it leaves allocated.
fn part<T>(runtime: &Runtime, work: impl Future<Output = T>) -> (T, i64) {
    let mut done = None;
    let memory = allocation_counter::measure(|| done = Some(runtime.block_on(work)));
    (done.unwrap(), memory.bytes_current / i64::try_from(CONNECTIONS).unwrap())
}

async fn until(is: impl Fn() -> bool) {
    let begun = Instant::now();
    while !is() {
        assert!(begun.elapsed() < PATIENCE, "what should come does not");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
