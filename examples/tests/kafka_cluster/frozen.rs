//! Nodes that are frozen while records pass.

use crate::nodes::{Cluster, PATIENCE, delete_topics, make_topics};
use ipowdm_core::bus::Outgoing;
use ipowdm_core::bus::publisher::{Class, Publisher};
use ipowdm_core::bus::reader::{Delivery, Reader, Start};
use ipowdm_core::ids::VopId;
use ipowdm_core::topics::{self, Role};
use nix::sys::signal::Signal;
use std::sync::Arc;
use std::time::{Duration, Instant};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn records_pass_while_a_node_is_frozen_for_half_a_minute_and_none_is_lost() {
    let Some(cluster) = Cluster::find() else { return };
    let vop: VopId = format!("frozen{}", std::process::id()).parse().unwrap();
    let bus = cluster.bus();
    make_topics(&*bus, &vop).await;
    let topic = topics::name(Role::Config, &vop, None).to_string();
    let publisher = Publisher::start(Arc::clone(&bus), 100_000);
    let mut reader = Reader::new(Arc::clone(&bus));
    reader.follow(&topic, |_| Start::Earliest);
    let frozen = tokio::spawn(async move {
        for node in cluster.nodes() {
            node.signal(Signal::SIGSTOP);
            tokio::time::sleep(Duration::from_secs(30)).await;
            node.signal(Signal::SIGCONT);
            // It takes part again before the next one is frozen.
            tokio::time::sleep(Duration::from_secs(10)).await;
        }
    });
    let (mut sent, mut seen, mut last, mut longest) = (0_u64, 0_u64, Instant::now(), Duration::ZERO);
    let mut ticks = tokio::time::interval(Duration::from_millis(20));
    let began = Instant::now();
    while !frozen.is_finished() || seen < sent {
        tokio::select! {
            _ = ticks.tick(), if !frozen.is_finished() => {
                publisher.send(&topic, Outgoing::new("k", sent.to_string()), Class::Keep).unwrap();
                sent += 1;
            }
            delivery = reader.next() => match delivery {
                Delivery::Records { records, .. } => for record in &records {
                    let text = String::from_utf8(record.value.as_ref().unwrap().to_vec()).unwrap();
                    let number: u64 = text.parse().unwrap();
                    // Repeated where a confirmation was lost, never skipped.
                    assert!(number <= seen, "{number} after {seen}: records are missing");
                    if number == seen {
                        seen += 1;
                        longest = longest.max(last.elapsed());
                        last = Instant::now();
                    }
                },
                Delivery::Resync { lost, .. } => panic!("position {lost} was lost"),
                Delivery::Outage { .. } | Delivery::Restored { .. } => {}
            },
        }
        assert!(began.elapsed() < PATIENCE, "{seen} of {sent}");
    }
    frozen.await.unwrap();
    println!("each node frozen for 30 s: {sent} records, {seen} read in order, longest gap {longest:.1?}");
    delete_topics(&*bus, &vop).await;
}
