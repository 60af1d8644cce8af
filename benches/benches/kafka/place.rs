//! The buses that are measured.

use crate::Extent;
use benches::server::Server;
use ipowdm_core::bus::kafka::{self, Client, Compression, KafkaOptions};
use ipowdm_core::bus::memory::MemoryBus;
use ipowdm_core::bus::{Bus, TopicSpec};
use ipowdm_devbroker::{Broker, Limits, Options};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use tokio::runtime::Runtime;

/// What kind of bus.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Memory,
    Development,
    /// Apache Kafka of so many nodes.
    Kafka(u16),
}

impl Kind {
    pub(crate) const ALL: [Self; 4] = [Self::Memory, Self::Development, Self::Kafka(1), Self::Kafka(3)];

    /// For people, and for `--bus`.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Development => "dev",
            Self::Kafka(1) => "kafka-1",
            Self::Kafka(_) => "kafka-3",
        }
    }
}

/// A bus that runs, until dropped.
pub(crate) struct Place {
    pub(crate) kind: Kind,
    /// Of a broker.
    pub(crate) bootstrap: Option<String>,
    memory: MemoryBus,
    topics: AtomicU32,
    _held: Held,
}

/// What ends with the place.
enum Held {
    Nothing,
    Development(#[expect(dead_code, reason = "it ends when dropped")] Broker),
    Server(#[expect(dead_code, reason = "it ends when dropped")] Server),
}

impl Place {
    /// Starts one, or says why there is none.
    pub(crate) fn open(kind: Kind, extent: &Extent, runtime: &Runtime) -> Result<Self, String> {
        let (bootstrap, held) = match kind {
            Kind::Memory => (None, Held::Nothing),
            Kind::Development => {
                let limits = Limits { partition_bytes: LOG, log_bytes: LOG, ..Limits::default() };
                let broker = runtime.block_on(Broker::start(Options::default().limits(limits)));
                let broker = broker.map_err(|error| error.to_string())?;
                (Some(broker.bootstrap()), Held::Development(broker))
            }
            Kind::Kafka(nodes) => match extent.given(nodes) {
                Some(bootstrap) => (Some(bootstrap), Held::Nothing),
                None => {
                    let server = Server::start("kafka", &["--nodes", &nodes.to_string()])?;
                    (Some(server.address.clone()), Held::Server(server))
                }
            },
        };
        Ok(Self { kind, bootstrap, memory: MemoryBus::new(), topics: AtomicU32::new(0), _held: held })
    }

    /// A bus of its own connections, as another host would have.
    pub(crate) fn bus(&self, client: Client) -> Arc<dyn Bus> {
        self.bus_with(client, Compression::None)
    }

    /// The same, with what is published compressed.
    pub(crate) fn bus_with(&self, client: Client, compression: Compression) -> Arc<dyn Bus> {
        match &self.bootstrap {
            None => Arc::new(self.memory.clone()),
            Some(bootstrap) => {
                let options = KafkaOptions { compression, ..KafkaOptions::new(bootstrap) };
                kafka::connect(&options, client).unwrap()
            }
        }
    }

    /// Words for the lab.
    pub(crate) fn words(&self) -> Vec<&str> {
        match &self.bootstrap {
            None => vec!["--memory-bus"],
            Some(bootstrap) => vec!["--bootstrap", bootstrap],
        }
    }

    /// A new topic with the settings that a virtual operator's have.
    pub(crate) async fn topic(&self, row: &str) -> String {
        let number = self.topics.fetch_add(1, Ordering::Relaxed);
        let name = format!("bench-{}-{row}-{number}", std::process::id());
        let replication = if self.kind == Kind::Kafka(3) { 3 } else { 1 };
        let configs = [("message.timestamp.type", "LogAppendTime")];
        let configs = configs.map(|(key, value)| (key.to_owned(), value.to_owned()));
        let spec = TopicSpec {
            name: name.clone(),
            partitions: PARTITIONS,
            replication,
            configs: BTreeMap::from(configs),
        };
        self.bus(Client::Own).create_topic(spec).await.unwrap();
        name
    }

    /// Deletes a topic that has served.
    pub(crate) async fn forget(&self, topic: &str) {
        self.bus(Client::Own).delete_topic(topic).await.unwrap();
    }
}

/// Bytes that the development broker keeps: more than is ever written to it here.
const LOG: usize = 2 << 30;

/// Of a topic; as virtual operators' topics have by default.
pub(crate) const PARTITIONS: u32 = 3;
