//! The bus over Kafka with rskafka on the data path.
//!
//! A [`RskafkaBus`] publishes, fetches and asks for the ends of logs through rskafka's `PartitionClient`s. Topics are
//! created with settings, deleted, described and listed by a [`KafkaBus`], for want of calls for settings in rskafka;
//! that one also tells how many partitions a topic has, because rskafka's own question lets a broker create the topic.
//! See [`crate::bus::kafka`] for how to choose between the two; options and time-outs are the same.
//!
//! # What this adds to rskafka
//! * Every call ends by its deadline; rskafka has no time-outs. On expiry the `PartitionClient` and the client it came
//!   from are dropped, and built anew for the next call.
//! * A call has its `PartitionClient`, and so its connection, to itself, as rskafka's answers come in order of the
//!   requests: nothing waits behind a fetch that waits for records. Publishing and fetching have clients of their own.
//!   What is idle is lent again for a minute; [`KafkaOptions::max_fetches`] bounds it.
//! * What a fetch cannot read (compressed batches, in this build) or steps over without saying how far (transaction
//!   markers) is read by the [`KafkaBus`], so that no reader stands still before it. [`Counts::passed_over`] counts.
//!
//! # What rskafka 0.6 cannot do
//! * **Append times.** Records of topics with `message.timestamp.type=LogAppendTime` carry the producer's time: rskafka
//!   computes a record's time from the batch's first, without looking at the type, and shows neither.
//! * **Quotas.** A produce that the broker confirms together with a pause is sent again after the pause, so it is
//!   appended several times; where every answer asks for a pause the call ends at its deadline, unclear.
//! * **Unclear produces** are repeated by rskafka itself where a connection breaks: duplicates arise within a call, too.
//! * It reads committed only: a foreign transaction left open holds the [`KafkaBus`]'s turn after every empty fetch.
//! * Nothing bounds what its decoder reserves for an answer but the frame's size.

mod fault;
mod fetch;
mod lane;
mod publish;

use super::access::AccessControl;
use super::kafka::cluster::CALLS;
use super::kafka::{Compression, KafkaBus, KafkaOptions, OptionsError};
use super::quota::Quotas;
use super::{
    Bounds, Bus, BusFuture, Created, FetchRequest, Fetched, Outgoing, Position, TopicChange,
    TopicDescription, TopicSpec,
};
use lane::Lane;
use std::boxed::Box;
use std::string::String;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use std::vec::Vec;
use tokio::time::Instant;

/// A Kafka cluster as a [`Bus`], records through rskafka. Clones share connections.
#[derive(Clone)]
pub struct RskafkaBus {
    shared: Arc<Shared>,
}

/// What a bus has done so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// rskafka clients built: two, and one for each that was given up.
    pub clients: u64,
    /// `PartitionClient`s asked for, each a connection.
    pub connects: u64,
    /// Calls that failed for want of an answer, time-outs included.
    pub failures: u64,
    /// Fetches that the [`KafkaBus`] did because rskafka could not read or step over what was there.
    pub passed_over: u64,
    /// Records that neither could read.
    pub unreadable: u64,
}

struct Shared {
    kafka: KafkaBus,
    /// Publishing, and the ends of logs: nothing here waits for records.
    calls: Lane,
    fetches: Lane,
    call_timeout: Duration,
    passed_over: AtomicU64,
}

impl Shared {
    /// When a call that begins now must have ended.
    fn deadline(&self) -> Instant {
        Instant::now() + self.call_timeout
    }
}

impl RskafkaBus {
    /// A bus that connects when it is first used; the brokers need not be up.
    ///
    /// # Errors
    /// [`OptionsError`] where the options cannot be right.
    pub fn connect(options: &KafkaOptions) -> Result<Self, OptionsError> {
        if options.tls.is_some() {
            return Err(OptionsError::Unsupported("TLS with client rskafka"));
        }
        if options.sasl.is_some() {
            return Err(OptionsError::Unsupported("SASL with client rskafka"));
        }
        if options.compression != Compression::None {
            return Err(OptionsError::Unsupported("compression with client rskafka"));
        }
        let shared = Shared {
            kafka: KafkaBus::connect(options)?,
            calls: Lane::new(options, CALLS, options.max_fetches),
            fetches: Lane::new(options, options.max_fetches, options.max_fetches),
            call_timeout: options.call_timeout,
            passed_over: AtomicU64::new(0),
        };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// The counters.
    #[must_use]
    pub fn counts(&self) -> Counts {
        let Shared { kafka, calls, fetches, passed_over, .. } = &*self.shared;
        let sum = |a: &AtomicU64, b: &AtomicU64| a.load(Ordering::Relaxed) + b.load(Ordering::Relaxed);
        Counts {
            clients: sum(&calls.clients, &fetches.clients),
            connects: sum(&calls.connects, &fetches.connects),
            failures: sum(&calls.failures, &fetches.failures),
            passed_over: passed_over.load(Ordering::Relaxed),
            unreadable: kafka.counts().unreadable,
        }
    }
}

impl Bus for RskafkaBus {
    fn publish<'a>(&'a self, topic: &'a str, records: Vec<Outgoing>) -> BusFuture<'a, Vec<Position>> {
        Box::pin(publish::publish(&self.shared, topic, records))
    }

    fn fetch(&self, request: FetchRequest) -> BusFuture<'_, Fetched> {
        Box::pin(async move { fetch::fetch(&self.shared, &request).await })
    }

    fn bounds<'a>(&'a self, topic: &'a str, partition: u32) -> BusFuture<'a, Bounds> {
        Box::pin(fetch::bounds(&self.shared, topic, partition))
    }

    fn create_topic(&self, spec: TopicSpec) -> BusFuture<'_, Created> {
        self.shared.kafka.create_topic(spec)
    }

    fn delete_topic<'a>(&'a self, name: &'a str) -> BusFuture<'a, bool> {
        self.shared.kafka.delete_topic(name)
    }

    fn describe_topic<'a>(&'a self, name: &'a str) -> BusFuture<'a, Option<TopicDescription>> {
        self.shared.kafka.describe_topic(name)
    }

    fn alter_topic<'a>(&'a self, name: &'a str, change: TopicChange) -> BusFuture<'a, TopicDescription> {
        self.shared.kafka.alter_topic(name, change)
    }

    fn topics(&self) -> BusFuture<'_, Vec<String>> {
        self.shared.kafka.topics()
    }

    fn address(&self) -> String {
        self.shared.kafka.address()
    }

    fn access(&self) -> Option<&dyn AccessControl> {
        self.shared.kafka.access()
    }

    fn quotas(&self) -> Option<&dyn Quotas> {
        self.shared.kafka.quotas()
    }
}

impl core::fmt::Debug for RskafkaBus {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("RskafkaBus")
            .field("address", &self.address())
            .field("counts", &self.counts())
            .finish()
    }
}
