//! First figures of the whole system over the Kafka protocol: `cargo bench -p benches --bench system`.
//!
//! The lab runs in this process with the development broker, every agent with its own connections and a journal on disk.
//! Times are the controllers' own: a setup's control-plane time is its total less the time the modules asked for. There
//! is no peer to compare with in the same run: no other open controller reads back what it commands.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a benchmark that cannot run has no result")]

use clap::Parser;
use ipowdm_core::units::Db;
use ipowdm_ctl_lib::controller::{ConnectionRequest, EndRequest};
use ipowdm_examples::lab::cases;
use ipowdm_examples::lab::fill::{self, Percentiles};
use ipowdm_examples::lab::options::Options;
use ipowdm_examples::lab::report::resident_kb;
use ipowdm_examples::lab::world::Lab;
use std::time::{Duration, Instant};

/// Setups measured one after the other.
const SETUPS: usize = 100;

async fn lab(words: &[&str]) -> Lab {
    let mut all = vec!["lab", "--port-base", "0"];
    all.extend(words);
    let lab = Lab::start(&Options::parse_from(all)).await.unwrap_or_else(|error| panic!("{error}"));
    let case = cases::activation(&lab).await;
    assert!(case.passed, "activation failed: {:?}", case.evidence);
    lab
}

/// One connection at a time between the same two ports, fast modules.
async fn setups() {
    let lab = lab(&["--scale", "1000"]).await;
    let tenant = &lab.plan.tenants[0];
    let controller = lab.controller(&tenant.vop).unwrap();
    let source = tenant.ports[0].clone();
    let destination = tenant.ports.iter().find(|port| port.pop_id != source.pop_id).unwrap().clone();
    let end = |port: &ipowdm_core::ids::PortRef| EndRequest {
        pop: port.pop_id.clone(),
        router: Some(port.router_id.clone()),
        port: Some(port.port_id.clone()),
    };
    let mut control = Vec::new();
    let mut module = Vec::new();
    for i in 0..SETUPS {
        let id: ipowdm_core::ids::ConnectionId = format!("BENCH-{i}").parse().unwrap();
        let mut request =
            ConnectionRequest::between(source.pop_id.clone(), destination.pop_id.clone()).named(id.clone());
        (request.source, request.destination) = (end(&source), end(&destination));
        controller.create_connection(request).await.unwrap();
        let operation = controller.setup_and_wait(&id, Duration::from_secs(60)).await.unwrap();
        let timing = operation.timing.unwrap_or_else(|| panic!("{id} was not set up: {operation:?}"));
        control.push(timing.control_plane_ms());
        module.push(timing.module_ms);
        let operation = controller.delete(&id).await.unwrap();
        controller.wait(operation, Duration::from_secs(60)).await.unwrap();
    }
    let (control, module) = (Percentiles::of(control), Percentiles::of(module));
    println!(
        "setup n={} control_plane_ms p50={} p99={} max={} (module_ms p50={})",
        control.count, control.p50, control.p99, control.max, module.p50
    );
    lab.stop().await;
}

/// Many lines degrade at once; from the third bad sample to the confirmed command.
async fn degradations() {
    let lab = lab(&["--scale", "1000", "--pops", "4", "--ports", "8", "--telemetry-ms", "500"]).await;
    let filled = fill::fill(&lab, 20).await.unwrap();
    for tenant in &lab.plan.tenants {
        for port in &tenant.ports {
            // A port without a line answers false, which is as good.
            let _ = lab.plant.degrade(port, Db::from_hundredths(1_300));
        }
    }
    tokio::time::sleep(Duration::from_secs(6)).await;
    for tenant in &lab.plan.tenants {
        let metrics = lab.controller(&tenant.vop).unwrap().metrics();
        println!(
            "third_bad_sample_to_command vop={} n={} published_us p50={} p99={} max={} (connections={})",
            tenant.vop,
            metrics.step_published_us.count,
            metrics.step_published_us.p50.unwrap_or(0),
            metrics.step_published_us.p99.unwrap_or(0),
            metrics.step_published_us.max.unwrap_or(0),
            filled.active,
        );
    }
    lab.stop().await;
}

/// 1 600 ports, telemetry every 3 s.
async fn scale() {
    let lab = lab(&["--pops", "50", "--routers", "4", "--ports", "8", "--scale", "100"]).await;
    let filled = fill::fill(&lab, usize::MAX).await.unwrap();
    let (cpu, started) = (benches::processor_seconds(), Instant::now());
    let ticks = fill::watch(&lab, Duration::from_secs(60)).await;
    let cpu = (benches::processor_seconds() - cpu) / started.elapsed().as_secs_f64();
    println!(
        "scale ports={} sampled={} setups_in_s={:.1} control_plane_ms p50={} p99={} samples={} due={} missed={} \
         dropped={} cpu_cores={cpu:.2} resident_kb={}",
        lab.plan.ports.len(),
        ticks.ports,
        filled.seconds,
        filled.control_ms.p50,
        filled.control_ms.p99,
        ticks.samples,
        ticks.due,
        ticks.missed,
        ticks.dropped,
        resident_kb().unwrap_or(0)
    );
    lab.stop().await;
}

#[tokio::main]
async fn main() {
    println!("machine {}", benches::machine());
    setups().await;
    degradations().await;
    scale().await;
}
