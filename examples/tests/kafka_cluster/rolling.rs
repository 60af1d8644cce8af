//! A rolling restart, as for an upgrade, while connections are set up.

use crate::nodes::{Cluster, PATIENCE, until};
use ipowdm_core::ids::PortRef;
use ipowdm_ctl_lib::connection::State;
use ipowdm_ctl_lib::controller::{ControllerHandle, OperationStatus};
use ipowdm_examples::lab::cases;
use ipowdm_examples::lab::fill::{Percentiles, light};
use ipowdm_examples::lab::world::Lab;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// How long set-ups run while nothing happens to the nodes.
const QUIET: Duration = Duration::from_secs(20);

/// The first port of a tenant at each of the first two PoPs.
fn ends(lab: &Lab, tenant: usize) -> (PortRef, PortRef) {
    let ports = &lab.plan.tenants[tenant].ports;
    let at = |pop: usize| ports.iter().find(|port| port.pop_id == lab.plan.pops[pop]).unwrap().clone();
    (at(0), at(1))
}

/// Sets the same pair of ports up and down again until told to stop; what each set-up took of the control plane's time, in
/// milliseconds, and when it began.
async fn over_and_over(
    controller: ControllerHandle,
    (a, b): (PortRef, PortRef),
    stop: Arc<AtomicBool>,
) -> Vec<(Instant, u64)> {
    let mut took = Vec::new();
    while !stop.load(Ordering::SeqCst) {
        let name = format!("ROLL-{}", took.len());
        let began = Instant::now();
        let timing = light(controller.clone(), name.clone(), a.clone(), b.clone()).await.unwrap();
        took.push((began, timing.control_plane_ms()));
        let id = name.parse().unwrap();
        let down = controller.delete(&id).await.unwrap();
        assert!(matches!(down.status, OperationStatus::Running | OperationStatus::Succeeded), "{down:?}");
        until("it is over", || {
            let state = controller.connection(&id).unwrap().state;
            assert_ne!(state, State::Failed, "{name}");
            (state == State::Terminated).then_some(())
        })
        .await;
    }
    took
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_restarted_one_after_the_other_fail_no_set_up() {
    let Some(cluster) = Cluster::find() else { return };
    let lab = Lab::start(&cluster.lab(2)).await.unwrap();
    let activated = cases::activation(&lab).await;
    assert!(activated.passed, "{:?}", activated.evidence);
    let stop = Arc::new(AtomicBool::new(false));
    let work = |tenant: usize| {
        let controller = lab.controller(&lab.plan.tenants[tenant].vop).unwrap();
        tokio::spawn(over_and_over(controller, ends(&lab, tenant), Arc::clone(&stop)))
    };
    let works = [work(0), work(1)];
    tokio::time::sleep(QUIET).await;
    let restarted = Instant::now();
    for node in cluster.nodes() {
        node.stop().await;
        node.start().await;
        // Its replicas are back in step before the next one goes, as an operator would wait for.
        tokio::time::sleep(Duration::from_secs(10)).await;
    }
    let over = Instant::now();
    stop.store(true, Ordering::SeqCst);
    let mut all = Vec::new();
    for work in works {
        all.extend(tokio::time::timeout(PATIENCE, work).await.unwrap().unwrap());
    }
    let during = |(began, _): &(Instant, u64)| *began >= restarted && *began < over;
    let (rolling, quiet): (Vec<_>, Vec<_>) = all.into_iter().partition(during);
    let of = |some: Vec<(Instant, u64)>| Percentiles::of(some.into_iter().map(|(_, ms)| ms).collect());
    println!(
        "{} set-ups before and after: {:?} ms; {} while three nodes restarted in {:.0?}: {:?} ms; none failed",
        quiet.len(),
        of(quiet.clone()),
        rolling.len(),
        over - restarted,
        of(rolling.clone()),
    );
    assert!(!rolling.is_empty() && !quiet.is_empty());
    for tenant in &lab.plan.tenants {
        lab.slice.deactivate(&tenant.vop, true).await.unwrap();
    }
    lab.stop().await;
}
