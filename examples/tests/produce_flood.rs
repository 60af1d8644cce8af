//! A tenant floods its own topic under a quota: the broker makes it wait, and of the other tenant nothing is lost. How fast the other
//! is meanwhile is measured by `cargo bench -p benches --bench flood`.
//!
//! `IPOWDM_KAFKA_SECURE` names the administrator's client.properties of an Apache Kafka that `scripts/kafka-up.sh --secure` has
//! started.

#![expect(
    clippy::unwrap_used,
    reason = "a test may stop at what it does not expect, in its own functions too"
)]

#[path = "kafka/secured.rs"]
mod secured_kafka;
#[path = "kafka/tenants.rs"]
mod tenants;

use ipowdm_core::bus::access::{Principal, Scope, Scram, rights};
use ipowdm_core::bus::kafka::KafkaBus;
use ipowdm_core::bus::quota::Quota;
use ipowdm_core::bus::reader::{Delivery, Reader, Start};
use ipowdm_core::bus::{Bus, Outgoing};
use ipowdm_core::ids::{AgentId, VopId};
use ipowdm_core::topics::Role;
use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tenants::{Cluster, make_topics, topic, vop};
use tokio::task::JoinHandle;

/// More than anything here takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(120);

/// Bytes per second that the flooding tenant may publish.
const QUOTA: u32 = 200_000;
/// A broker reckons over this many seconds: so much passes before it asks for the first pause.
const WINDOW: f64 = 11.0;
/// Clients of the flooding tenant, calls of each at a time, records of a call, bytes of each.
const CLIENTS: usize = 2;
const AT_ONCE: usize = 2;
const RECORDS: usize = 5;
const BYTES: usize = 10_000;

/// Records of the flood that are waited for before it ends: half as much again as passes before the first pause.
const FLOOD: i64 = 330;
/// Records of the other tenant meanwhile.
const THEIRS: usize = 300;

/// The flood: clients, and what they do until it is ended.
struct Flood {
    clients: Vec<KafkaBus>,
    tasks: Vec<JoinHandle<()>>,
}

impl Flood {
    async fn begin(cluster: &Cluster, vop: &VopId) -> Self {
        let who = Principal::Controller(vop.clone());
        cluster.access().grant(rights(&who, vop)).await.unwrap();
        let limit = Quota { publish_bytes: NonZeroU32::new(QUOTA), ..Quota::default() };
        cluster.admin.quotas().unwrap().set_quotas([(who.name(), limit)].into()).await.unwrap();
        let passwords = cluster.access().issue_passwords(vec![who.name()], Scram::Sha512).await.unwrap();
        let clients: Vec<KafkaBus> =
            (0..CLIENTS).map(|_| cluster.client(&who.name(), Scram::Sha512, &passwords[0])).collect();
        let tasks = clients.iter().cycle().take(CLIENTS * AT_ONCE).map(|client| {
            let (client, topic) = (client.clone(), topic(Role::Config, vop));
            tokio::spawn(async move {
                loop {
                    // A call that would have to wait too long fails, and is made again.
                    let _ =
                        client.publish(&topic, vec![Outgoing::new("k", vec![b'x'; BYTES]); RECORDS]).await;
                }
            })
        });
        Self { tasks: tasks.collect(), clients }
    }

    fn pauses(&self) -> u64 {
        self.clients.iter().map(|client| client.counts().pauses).sum()
    }

    async fn await_pause(&self) {
        let paused = async {
            while self.pauses() == 0 {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        assert!(tokio::time::timeout(PATIENCE, paused).await.is_ok(), "the broker asks for no pause");
    }

    async fn end(self) {
        for task in self.tasks {
            task.abort();
            // Ended, or it would publish once more.
            task.await.ok();
        }
    }
}

/// Waits until so many records have been appended.
async fn await_records(admin: &KafkaBus, topic: &str, count: i64) {
    let appended = async {
        while admin.bounds(topic, 0).await.unwrap().next < count {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    assert!(tokio::time::timeout(PATIENCE, appended).await.is_ok(), "the flood stands still");
}

/// The other tenant's records are published and read.
async fn exchange(writer: &KafkaBus, reader: KafkaBus, topic: &str) -> Vec<String> {
    let mut reader = Reader::new(Arc::new(reader));
    reader.follow(topic, |_| Start::Earliest);
    for number in 0..THEIRS {
        writer.publish(topic, vec![Outgoing::new("k", number.to_string())]).await.unwrap();
    }
    let mut seen = Vec::new();
    while seen.len() < THEIRS {
        if let Delivery::Records { records, .. } =
            tokio::time::timeout(PATIENCE, reader.next()).await.unwrap()
        {
            let values = records.iter().filter_map(|record| record.value.as_ref());
            seen.extend(values.map(|value| String::from_utf8_lossy(value).into_owned()));
        }
    }
    seen
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_is_held_to_its_quota_and_nothing_of_others_is_lost() {
    let Some(cluster) = Cluster::find() else { return };
    let [a, b] = ["FloodA", "FloodB"].map(vop);
    for vop in [&a, &b] {
        make_topics(&cluster.admin, vop).await;
    }
    let writer = Principal::Controller(b.clone());
    let reader = Principal::Agent(AgentId::new(&format!("{b}-agent")).unwrap());
    let [write, read] = [&writer, &reader].map(|who| cluster.admit(who, &b, Scram::Sha512));
    let (write, read) = (write.await, read.await);

    let began = Instant::now();
    let flood = Flood::begin(&cluster, &a).await;
    flood.await_pause().await;
    let seen = exchange(&write, read, &topic(Role::Config, &b)).await;
    let flooded = topic(Role::Config, &a);
    await_records(&cluster.admin, &flooded, FLOOD).await;
    let pauses = flood.pauses();
    flood.end().await;
    let appended = cluster.admin.bounds(&flooded, 0).await.unwrap().next;
    let elapsed = began.elapsed().as_secs_f64();

    assert_eq!(seen, (0..THEIRS).map(|number| number.to_string()).collect::<Vec<_>>());
    assert_eq!(write.counts().pauses, 0, "whoever keeps his quota is not asked to wait");
    let bytes = f64::from(u32::try_from(appended).unwrap()) * f64::from(u32::try_from(BYTES).unwrap());
    // What each task has under way when the first pause is asked for.
    let under_way = f64::from(u32::try_from(2 * CLIENTS * AT_ONCE * RECORDS * BYTES).unwrap());
    let most = f64::from(QUOTA) * (elapsed + WINDOW) + under_way;
    println!(
        "{:.2} MB in {elapsed:.1} s under a quota of {:.1} MB/s, {pauses} pauses; at most {:.2} MB; {THEIRS} records of the other \
         tenant, none lost",
        bytes / 1e6,
        f64::from(QUOTA) / 1e6,
        most / 1e6
    );
    assert!(bytes <= most, "{bytes} of {most}");

    let none = [(Principal::Controller(a.clone()).name(), Quota::default())];
    cluster.admin.quotas().unwrap().set_quotas(BTreeMap::from(none)).await.unwrap();
    for principal in [Principal::Controller(a.clone()), writer, reader] {
        cluster.access().revoke(Scope::Principal(principal.name())).await.unwrap();
        cluster.access().withdraw_passwords(vec![principal.name()]).await.unwrap();
    }
    for name in [&a, &b].into_iter().flat_map(|vop| Role::ALL.map(|role| topic(role, vop))) {
        cluster.admin.delete_topic(&name).await.unwrap();
    }
}
