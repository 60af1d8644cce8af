//! The message bus: a small trait over a partitioned log, and what both sides build on it.
//!
//! [`Bus`] publishes with key and confirmation, fetches from explicit positions and administers topics. Positions are
//! the caller's: there are no consumer groups. Implementations: [`memory::MemoryBus`] and, with feature `kafka`,
//! `kafka::KafkaBus`, or, with feature `rskafka`, `rskafka::RskafkaBus`; `kafka::connect` makes either by name. On top of any of them, [`reader`] follows topics from stored positions and [`publisher`] sends
//! through outages from a bounded queue.

pub mod access;
#[cfg(feature = "conformance")]
pub mod conformance;
#[cfg(feature = "kafka")]
pub mod kafka;
pub mod memory;
mod pause;
pub mod publisher;
pub mod quota;
pub mod reader;
#[cfg(feature = "rskafka")]
pub mod rskafka;
#[cfg(test)]
mod tests;

pub use pause::seed_pauses;

use crate::error::Code;
use bytes::Bytes;
use std::boxed::Box;
use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::string::String;
use std::time::Duration;
use std::vec::Vec;

/// A future of a bus operation.
pub type BusFuture<'a, T> = Pin<Box<dyn Future<Output = Result<T, BusError>> + Send + 'a>>;

/// Why a bus operation failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BusError {
    /// The bus cannot be reached, or did not answer in time. Whether a publish took effect is not known.
    #[error("bus unavailable while {doing}: {reason}")]
    Unavailable {
        /// The operation.
        doing: String,
        /// What the client library said.
        reason: String,
    },
    /// The topic or partition is not there.
    #[error("topic {topic:?} has no partition {partition}")]
    UnknownTopic {
        /// The topic.
        topic: String,
        /// The partition asked for.
        partition: u32,
    },
    /// The position is not in the log (any more, or yet): what was read before cannot be continued.
    #[error("offset {offset} is outside {earliest}..={next} of {topic}/{partition}")]
    OffsetOutOfRange {
        /// The topic.
        topic: String,
        /// The partition.
        partition: u32,
        /// The position asked for.
        offset: i64,
        /// The earliest offset in the log.
        earliest: i64,
        /// The offset that the next record will get.
        next: i64,
    },
    /// The record is larger than the bus takes.
    #[error("a record of {size} bytes exceeds the limit of {topic}")]
    TooLarge {
        /// The topic.
        topic: String,
        /// Size of the record in bytes.
        size: usize,
    },
    /// The topic name or a topic setting is not legal.
    #[error("topic {topic:?} is refused: {reason}")]
    Invalid {
        /// The topic.
        topic: String,
        /// Why.
        reason: String,
    },
    /// The broker does not allow it.
    #[error("not authorised: {0}")]
    Forbidden(String),
    /// The broker has no such facility, or has it switched off.
    #[error("{doing} is not possible with this broker: {reason}")]
    Unsupported {
        /// The operation.
        doing: String,
        /// What the broker said.
        reason: String,
    },
}

impl BusError {
    /// The stable code.
    #[must_use]
    pub const fn code(&self) -> Code {
        match self {
            Self::Unavailable { .. } => Code::BusUnavailable,
            Self::UnknownTopic { .. } => Code::UnknownTopic,
            Self::OffsetOutOfRange { .. } => Code::OffsetOutOfRange,
            Self::TooLarge { .. } => Code::TooLarge,
            Self::Invalid { .. } => Code::InvalidField,
            Self::Forbidden(_) => Code::Forbidden,
            Self::Unsupported { .. } => Code::Unsupported,
        }
    }

    /// Whether the same call may succeed later without anybody changing anything else.
    #[must_use]
    pub const fn is_transient(&self) -> bool {
        matches!(self, Self::Unavailable { .. })
    }
}

/// A record to be published. Its partition follows from its key ([`crate::topics::partition`]); no key: partition 0.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outgoing {
    /// The key: the entity whose order must hold.
    pub key: Option<Bytes>,
    /// The value; absent is a tombstone in a compacted topic.
    pub value: Option<Bytes>,
}

impl Outgoing {
    /// A record with key and value.
    #[must_use]
    pub fn new(key: impl AsRef<[u8]>, value: impl Into<Bytes>) -> Self {
        Self { key: Some(Bytes::copy_from_slice(key.as_ref())), value: Some(value.into()) }
    }

    /// The partition this record belongs to.
    #[must_use]
    pub fn partition(&self, partitions: u32) -> u32 {
        self.key.as_ref().map_or(0, |key| crate::topics::partition(key, partitions))
    }
}

/// Where a record is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    /// The partition.
    pub partition: u32,
    /// The offset in it.
    pub offset: i64,
}

/// A record that was fetched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Its offset.
    pub offset: i64,
    /// The broker's log-append time in milliseconds since the Unix epoch (the producer's, where the topic says so).
    pub timestamp_ms: i64,
    /// The key.
    pub key: Option<Bytes>,
    /// The value; absent is a tombstone.
    pub value: Option<Bytes>,
}

/// What to fetch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FetchRequest {
    /// The topic.
    pub topic: String,
    /// The partition.
    pub partition: u32,
    /// The first offset wanted.
    pub offset: i64,
    /// Most bytes to answer; at least one record is answered whatever its size.
    pub max_bytes: u32,
    /// How long to wait for a record when there is none.
    pub max_wait: Duration,
}

/// What was fetched; empty when nothing came within the wait.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fetched {
    /// Records in order of offset, none before the offset asked for.
    pub records: Vec<Record>,
    /// The offset that the next record of the partition will get.
    pub next: i64,
    /// The offset to go on from: after the last record, or further where what follows holds nothing for a consumer
    /// (Kafka's transaction markers, and records that cannot be read, which the implementation counts).
    pub resume: i64,
}

/// The ends of a partition's log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// The earliest offset in the log.
    pub earliest: i64,
    /// The offset that the next record will get.
    pub next: i64,
}

/// A topic to be created.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicSpec {
    /// Its name.
    pub name: String,
    /// Number of partitions.
    pub partitions: u32,
    /// Number of replicas.
    pub replication: u16,
    /// Kafka's names and values, such as `retention.ms`.
    pub configs: BTreeMap<String, String>,
}

/// Whether a topic had to be created.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Created {
    /// It is new.
    New,
    /// It was there; nothing was changed.
    Existing,
}

/// A topic as the broker has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicDescription {
    /// Its name.
    pub name: String,
    /// Number of partitions.
    pub partitions: u32,
    /// Number of replicas.
    pub replication: u16,
    /// The settings that were given at creation or changed since.
    pub configs: BTreeMap<String, String>,
}

/// A change of a topic that is there.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TopicChange {
    /// How many partitions it is to have at least; it never gets fewer. Records of a key go to another partition from then on, so
    /// that the order of a key holds only from the first record on that was published after the change.
    pub partitions: Option<u32>,
    /// Settings to be made, written as the broker tells them; `None` takes one back to what the broker has for all topics. The
    /// others stay.
    pub configs: BTreeMap<String, Option<String>>,
}

/// Kafka's rule for topic names.
pub(crate) fn check_topic_name(name: &str) -> Result<(), BusError> {
    let legal = (1..=249).contains(&name.len())
        && name != "."
        && name != ".."
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'));
    if legal {
        return Ok(());
    }
    let reason = String::from("1 to 249 of letters, digits, '.', '_' and '-' are legal");
    Err(BusError::Invalid { topic: name.chars().take(64).collect(), reason })
}

/// A partitioned log with confirmation, explicit positions and topic administration.
///
/// Every operation ends within a bounded time, with [`BusError::Unavailable`] where the broker does not answer. All
/// futures may be dropped at any time; a dropped publish may or may not have taken effect.
pub trait Bus: Send + Sync + 'static {
    /// Appends records to a topic, each in the partition of its key, in order per partition.
    ///
    /// Answers the position of each record, in the order given, when all are confirmed by all in-sync replicas. After
    /// an error any of them may have been appended: repeat all, with contents that a consumer can recognise.
    fn publish<'a>(&'a self, topic: &'a str, records: Vec<Outgoing>) -> BusFuture<'a, Vec<Position>>;

    /// Reads records from a position, waiting up to `max_wait` for the first.
    fn fetch(&self, request: FetchRequest) -> BusFuture<'_, Fetched>;

    /// The ends of a partition's log.
    fn bounds<'a>(&'a self, topic: &'a str, partition: u32) -> BusFuture<'a, Bounds>;

    /// Creates a topic, or says that it exists; an existing one is not changed.
    fn create_topic(&self, spec: TopicSpec) -> BusFuture<'_, Created>;

    /// Deletes a topic; answers whether it was there.
    fn delete_topic<'a>(&'a self, name: &'a str) -> BusFuture<'a, bool>;

    /// A topic's partitions, replication and settings; `None` where it is not there.
    fn describe_topic<'a>(&'a self, name: &'a str) -> BusFuture<'a, Option<TopicDescription>>;

    /// Changes a topic; answers it as it is then. What it has already is not an error. A change of which a part is refused is
    /// refused as a whole. A bus that cannot change topics answers [`BusError::Unsupported`].
    fn alter_topic<'a>(&'a self, name: &'a str, change: TopicChange) -> BusFuture<'a, TopicDescription> {
        drop(change);
        let doing = std::format!("changing topic {name}");
        let reason = String::from("this bus does not change topics");
        Box::pin(core::future::ready(Err(BusError::Unsupported { doing, reason })))
    }

    /// The names of all topics, sorted.
    fn topics(&self) -> BusFuture<'_, Vec<String>>;

    /// Where the bus is, for people: `memory`, `127.0.0.1:9092`.
    fn address(&self) -> String;

    /// What decides who may do what; `None` where everybody may do everything.
    fn access(&self) -> Option<&dyn access::AccessControl> {
        None
    }

    /// What limits users; `None` where nobody is limited.
    fn quotas(&self) -> Option<&dyn quota::Quotas> {
        None
    }
}
