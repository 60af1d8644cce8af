//! The clients that are compared: each has an end where records go in and one where they come out, with connections of their own.

use crate::place::Place;
use ipowdm_core::bus::Outgoing;
use ipowdm_core::bus::kafka::{Client, Compression};
use ipowdm_core::bus::publisher::{Class, Publisher};
use ipowdm_core::bus::reader::{Delivery, Reader, Start};
use std::any::Any;
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::task::JoinHandle;

/// Records that a client holds unsent: librdkafka's own default.
pub(crate) const ROOM: usize = 100_000;

/// What is done with the value of each record that comes out.
pub(crate) type Heard = Arc<dyn Fn(&[u8]) + Send + Sync>;

/// A client, and how it is set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Peer {
    /// `Publisher` and `Reader` over a bus.
    Bus(Client, Compression),
    /// librdkafka: milliseconds that it waits for further records, and the codec of its batches.
    Librdkafka { linger_ms: u32, codec: &'static str },
}

impl Peer {
    pub(crate) const OURS: Self = Self::Bus(Client::Own, Compression::None);
    pub(crate) const OURS_LZ4: Self = Self::Bus(Client::Own, Compression::Lz4);
    pub(crate) const RSKAFKA: Self = Self::Bus(Client::Rskafka, Compression::None);
    pub(crate) const PROMPT: Self = Self::Librdkafka { linger_ms: 0, codec: "none" };
    /// As librdkafka is by default.
    pub(crate) const PATIENT: Self = Self::Librdkafka { linger_ms: 5, codec: "none" };
    pub(crate) const LZ4: Self = Self::Librdkafka { linger_ms: 5, codec: "lz4" };

    /// Whether it can be measured there; why not.
    pub(crate) fn is_possible(self, place: &Place) -> Result<(), &'static str> {
        match self {
            Self::Bus(Client::Own, Compression::None) => Ok(()),
            _ if place.bootstrap.is_none() => Err("no broker to talk to"),
            Self::Librdkafka { .. } if cfg!(not(feature = "librdkafka")) => {
                Err("peer not built: --features librdkafka")
            }
            _ => Ok(()),
        }
    }

    /// For people.
    pub(crate) fn name(self) -> String {
        match self {
            Self::Bus(Client::Own, Compression::None) => "ours".to_owned(),
            Self::Bus(Client::Own, codec) => format!("ours, {}", codec.name()),
            Self::Bus(Client::Rskafka, _) => "rskafka".to_owned(),
            Self::Librdkafka { linger_ms, codec: "none" } => format!("librdkafka, linger {linger_ms} ms"),
            Self::Librdkafka { linger_ms, codec } => format!("librdkafka, linger {linger_ms} ms, {codec}"),
        }
    }

    /// The end where records of a class go in.
    pub(crate) fn entrance(
        self,
        place: &Place,
        topic: &str,
        class: Class,
        runtime: &Handle,
    ) -> Box<dyn Entrance> {
        match self {
            Self::Bus(client, compression) => {
                let _inside = runtime.enter();
                let publisher = Publisher::start(place.bus_with(client, compression), ROOM);
                Box::new(Ours { publisher, topic: topic.to_owned(), class, runtime: runtime.clone() })
            }
            #[cfg(feature = "librdkafka")]
            Self::Librdkafka { linger_ms, codec } => {
                crate::librdkafka::entrance(place.bootstrap.as_deref().unwrap(), topic, linger_ms, codec)
            }
            #[cfg(not(feature = "librdkafka"))]
            Self::Librdkafka { .. } => unreachable!("is_possible has said so"),
        }
    }

    /// The end where the records of a topic come out, from its beginning; it lives until dropped.
    pub(crate) fn exit(self, place: &Place, topic: &str, heard: Heard, runtime: &Handle) -> Box<dyn Any> {
        match self {
            Self::Bus(client, _) => {
                let _inside = runtime.enter();
                let mut reader = Reader::new(place.bus(client));
                reader.follow(topic, |_| Start::Earliest);
                Box::new(Task(runtime.spawn(async move {
                    loop {
                        if let Delivery::Records { records, .. } = reader.next().await {
                            records.iter().filter_map(|record| record.value.as_ref()).for_each(|v| heard(v));
                        }
                    }
                })))
            }
            #[cfg(feature = "librdkafka")]
            Self::Librdkafka { .. } => {
                crate::librdkafka::exit(place.bootstrap.as_deref().unwrap(), topic, heard)
            }
            #[cfg(not(feature = "librdkafka"))]
            Self::Librdkafka { .. } => unreachable!("is_possible has said so"),
        }
    }
}

/// Where records go in.
pub(crate) trait Entrance {
    /// Takes a record; waits where there is no room.
    fn send(&mut self, key: &[u8], value: &[u8]);

    /// Waits until all are confirmed.
    fn flush(&mut self);
}

struct Ours {
    publisher: Publisher,
    topic: String,
    class: Class,
    runtime: Handle,
}

impl Entrance for Ours {
    fn send(&mut self, key: &[u8], value: &[u8]) {
        let record = Outgoing::new(key, value.to_vec());
        while self.publisher.send(&self.topic, record.clone(), self.class).is_err() {
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    fn flush(&mut self) {
        self.runtime.block_on(self.publisher.flush());
    }
}

struct Task(JoinHandle<()>);

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}
