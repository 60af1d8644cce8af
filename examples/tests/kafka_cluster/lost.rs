//! Topics that are deleted under everybody, and made again.

use crate::nodes::{Cluster, until};
use ipowdm_core::topics::ASSIGNMENTS;
use ipowdm_ctl_lib::connection::State;
use ipowdm_examples::lab::cases;
use ipowdm_examples::lab::fill::light;
use ipowdm_examples::lab::world::Lab;
use std::time::{Duration, Instant};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn topics_deleted_under_everybody_and_made_again_dim_no_light_and_nothing_old_is_obeyed() {
    let Some(cluster) = Cluster::find() else { return };
    let lab = Lab::start(&cluster.lab(1)).await.unwrap();
    let activated = cases::activation(&lab).await;
    assert!(activated.passed, "{:?}", activated.evidence);
    let tenant = &lab.plan.tenants[0];
    let at = |pop: usize, nth: usize| {
        let mut ports = tenant.ports.iter().filter(|port| port.pop_id == lab.plan.pops[pop]);
        ports.nth(nth).unwrap().clone()
    };
    let controller = lab.controller(&tenant.vop).unwrap();
    light(controller.clone(), "BEFORE".to_owned(), at(0, 0), at(1, 0)).await.unwrap();
    let lit = [at(0, 0), at(1, 0)].map(|port| lab.plant.module(&port).unwrap().clone());
    let emissions = || lit.iter().map(|module| module.emission()).collect::<Vec<_>>();
    let before = emissions();
    assert!(before.iter().all(Option::is_some));

    // All that the control plane has on the broker, but for passwords.
    let mut all: Vec<String> =
        ["config", "monitoring", "health"].iter().map(|role| format!("{role}_{}", tenant.vop)).collect();
    all.push(ASSIGNMENTS.to_owned());
    for topic in &all {
        assert!(lab.bus.delete_topic(topic).await.unwrap(), "{topic}");
    }
    // Long enough for everybody to notice.
    tokio::time::sleep(Duration::from_secs(5)).await;
    let began = Instant::now();
    lab.slice.ensure_topics(&tenant.vop).await.unwrap();
    drop(controller);
    let controller = until("the controller commands again", || lab.controller(&tenant.vop)).await;
    // Another pair, over the new topics: agents have been assigned anew, and read them from their beginning.
    let second = light(controller.clone(), "AFTER".to_owned(), at(0, 1), at(1, 1)).await.unwrap();
    let took = began.elapsed();
    let id = "BEFORE".parse().unwrap();
    assert_eq!(controller.connection(&id).unwrap().state, State::Active);
    assert_eq!(emissions(), before, "what shone goes on as it was");
    // What was lit before is still commanded.
    controller.delete(&id).await.unwrap();
    until("it is over", || (controller.connection(&id).unwrap().state == State::Terminated).then_some(()))
        .await;
    assert!(emissions().iter().all(Option::is_none));
    println!(
        "four topics deleted under everybody and made again: the next connection is ACTIVE {took:.1?} after they were asked for \
         ({} ms of it the control plane's for the set-up)",
        second.control_plane_ms()
    );
    lab.slice.deactivate(&tenant.vop, true).await.unwrap();
    lab.stop().await;
}
