//! Another certificate of another authority, while records pass.
//!
//! `IPOWDM_KAFKA_ALONE` names the state folder of a cluster of one node that `scripts/kafka-up.sh --secure` has started and nobody else uses.

use crate::nodes::{Node, PATIENCE, alone, client};
use ipowdm_core::bus::publisher::{Class, Publisher};
use ipowdm_core::bus::reader::{Delivery, Reader, Start};
use ipowdm_core::bus::{Bus, BusError, Outgoing, TopicSpec};
use ipowdm_examples::client_properties::ClientProperties;
use nix::sys::signal::Signal;
use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

const TOPIC: &str = "rotation";

/// Numbers that come back in order, none left out.
struct Stream {
    publisher: Publisher,
    reader: Reader,
    sent: u64,
    seen: u64,
}

impl Stream {
    fn new(bus: &Arc<dyn Bus>) -> Self {
        let mut reader = Reader::new(Arc::clone(bus));
        reader.follow(TOPIC, |_| Start::Earliest);
        Self { publisher: Publisher::start(Arc::clone(bus), 100_000), reader, sent: 0, seen: 0 }
    }

    /// Sends and reads until this many more have been seen, or until `done`.
    async fn run(&mut self, mut done: impl FnMut(u64) -> bool) {
        let mut ticks = tokio::time::interval(Duration::from_millis(20));
        let began = Instant::now();
        while !done(self.seen) {
            tokio::select! {
                _ = ticks.tick() => {
                    self.publisher.send(TOPIC, Outgoing::new("k", self.sent.to_string()), Class::Keep).unwrap();
                    self.sent += 1;
                }
                delivery = self.reader.next() => match delivery {
                    Delivery::Records { records, .. } => records.iter().for_each(|record| {
                        let text = String::from_utf8(record.value.as_ref().unwrap().to_vec()).unwrap();
                        let number: u64 = text.parse().unwrap();
                        assert!(number <= self.seen, "{number} after {}: records are missing", self.seen);
                        self.seen = self.seen.max(number + 1);
                    }),
                    Delivery::Resync { lost, .. } => panic!("position {lost} was lost"),
                    Delivery::Outage { .. } | Delivery::Restored { .. } => {}
                },
            }
            assert!(began.elapsed() < PATIENCE, "{} of {}", self.seen, self.sent);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn certificates_are_replaced_while_records_pass_and_nobody_is_restarted_for_it() {
    let Some(folder) = alone() else { return };
    let properties = ClientProperties::read(&folder.join("client.properties")).unwrap();
    let scratch = tempfile::tempdir().unwrap();
    let old = scratch.path().join("old.pem");
    std::fs::copy(folder.join("ca.pem"), &old).unwrap();
    let bus: Arc<dyn Bus> = Arc::new(client(&properties, None));
    let (name, configs) = (TOPIC.to_owned(), BTreeMap::new());
    bus.create_topic(TopicSpec { name, partitions: 1, replication: 1, configs }).await.unwrap();
    let mut stream = Stream::new(&bus);
    stream.run(|seen| seen >= 50).await;

    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scripts/kafka-rotate.sh");
    let mut rotation = Command::new(script).arg(&folder).spawn().unwrap();
    let mut ended = None;
    stream
        .run(|_| {
            ended = rotation.try_wait().unwrap();
            ended.is_some()
        })
        .await;
    assert!(ended.unwrap().success());
    let during = stream.seen;
    stream.run(|seen| seen >= during + 50).await;

    // Who trusts what ca.pem trusts now gets in; who trusts the old authority alone does not, and is told why.
    client(&properties, None).topics().await.unwrap();
    let refused = client(&properties, Some(old)).topics().await.unwrap_err();
    let BusError::Unavailable { reason, .. } = &refused else { panic!("{refused:?}") };
    assert!(reason.contains("certificate"), "{reason}");

    // The client of before has to connect anew, and does with what it trusts now.
    let node = Node::of(&folder, 1);
    node.signal(Signal::SIGKILL);
    node.start().await;
    let before = stream.sent;
    stream.run(|seen| seen > before + 50).await;
    println!(
        "{} records, none lost, over a new authority, a new certificate and a crash of the broker",
        stream.seen
    );
    bus.delete_topic(TOPIC).await.unwrap();
}
