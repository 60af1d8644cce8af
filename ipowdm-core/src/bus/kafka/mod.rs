//! The bus over Kafka.
//!
//! A [`KafkaBus`] is cheap to clone, and all clones share the connections and what is known of the cluster: give one to
//! everything in a process. It connects when it is first used, and again whenever that is needed: a broker that is
//! down, at the start or later, is [`BusError::Unavailable`], never a hang and never a reason to start anew.
//!
//! # Time
//! Every call ends by its deadline ([`KafkaOptions::call_timeout`], plus `max_wait` for a fetch), whatever the broker
//! does: refuses, vanishes, or accepts and stays silent. When a deadline passes or a connection breaks, that connection
//! and all that wait for their use to the same broker are dropped, and leaders are asked for anew. What certainly took
//! no effect is repeated until the deadline; an unclear publish is the caller's to repeat (see [`crate::bus::publisher`]).
//!
//! # Connections
//! A request has its connection to itself from sending to answer, so nothing waits behind a fetch that waits for
//! records: neither a publish nor another fetch of the same partition. The price is a connection for each fetch in
//! flight. Connections are shared over topics and partitions and wait up to a minute for their next use (looked at
//! whenever one is taken or put back); [`KafkaOptions::max_fetches`] bounds them.
//!
//! # Guarantees
//! * A batch of a partition is sent only after the one before it was confirmed, so the order of a key holds also when
//!   leaders move. Partitions are computed here, as Java clients do; a topic's partition count is asked for every
//!   minute and whenever a broker contradicts it.
//! * A lost position is [`BusError::OffsetOutOfRange`] with the real ends of the log; nothing is skipped silently.
//! * Asking for a topic never creates it.
//! * Nothing that a broker answers makes this module panic or reserve memory out of proportion to the answer.
//! * Where [`KafkaOptions::sasl`] says so, every connection proves who it is before anything is asked on it, and believes
//!   only a broker that knows the password too (SCRAM, RFC 5802).
//! * Where [`KafkaOptions::tls`] says so, every connection is encrypted (TLS 1.2 or 1.3), to brokers alone whose certificates are
//!   trusted and bear the name by which they are called. Certificates and keys that are replaced are used from the next
//!   connection on.
//! * A broker's quota is obeyed: after an answer that asks for a pause, its kind of traffic rests that long
//!   ([`Counts::pauses`]).
//!
//! # Administration
//! Feature `administration` adds changes of topics that are there ([`super::Bus::alter_topic`]) and quotas ([`super::Bus::quotas`]);
//! without it the first is not supported, and nobody is limited. What is changed is there at every broker that answers when a call
//! returns.
//!
//! # Why no ready-made client
//! Encoding and decoding are `kafka-protocol`'s, the rest is here, because the pure-Rust client that was meant to carry
//! the data, rskafka 0.6, failed on Apache Kafka in two ways that this project cannot accept: records of topics with
//! `message.timestamp.type=LogAppendTime` carry the producer's time (a command's lifetime counts from the broker's), and
//! a produce that the broker confirms together with a quota's pause is sent again, for ever: with a quota of 20 kB/s
//! four single-record calls appended 14 records and three of them never returned. It also has no time-outs.
//!
//! # Choosing the client
//! Feature `rskafka` adds `bus::rskafka::RskafkaBus`: the same bus with rskafka on the data path, for comparison and for
//! the day rskafka is mended; its module says what it cannot do. [`connect`] makes either by [`Client`]. The agent and
//! the lab take the name, `own` (the default) or `rskafka`, from the environment variable [`Client::VARIABLE`].

mod access;
mod admin;
#[cfg(feature = "administration")]
mod alter;
mod api;
#[cfg(feature = "attempts")]
pub mod attempts;
mod choice;
pub(in crate::bus) mod cluster;
mod connection;
pub(in crate::bus) mod fetch;
mod keeper;
pub(in crate::bus) mod leader;
mod login;
mod options;
mod passwords;
mod pool;
pub(in crate::bus) mod publish;
#[cfg(feature = "administration")]
mod quotas;
mod records;
mod refusal;
mod scram;
mod security;
mod shape;
mod stream;
#[cfg(feature = "tls")]
mod tls;
mod topology;

pub use choice::{Client, UnknownClient, connect};
pub use cluster::Counts;
pub use options::{
    ClientCertificate, Compression, KafkaOptions, OptionsError, Sasl, SaslMechanism, Secret, Tls,
};
pub use security::{Security, SecurityProblem};

#[cfg(doc)]
use super::BusError;
#[cfg(feature = "administration")]
use super::TopicChange;
use super::access::{AccessControl, Right, Scope, Scram};
#[cfg(feature = "administration")]
use super::quota::{Quota, Quotas};
use super::{
    Bounds, Bus, BusFuture, Created, FetchRequest, Fetched, Outgoing, Position, TopicDescription, TopicSpec,
};
use cluster::Cluster;
use std::boxed::Box;
use std::collections::BTreeMap;
use std::string::String;
use std::sync::Arc;
use std::vec::Vec;

/// A Kafka cluster as a [`Bus`]. Clones share connections.
#[derive(Clone)]
pub struct KafkaBus {
    cluster: Arc<Cluster>,
}

impl KafkaBus {
    /// A bus that connects when it is first used; the brokers need not be up.
    ///
    /// # Errors
    /// [`OptionsError`] where the options cannot be right.
    pub fn connect(options: &KafkaOptions) -> Result<Self, OptionsError> {
        options.check()?;
        Ok(Self { cluster: Arc::new(Cluster::new(options)?) })
    }

    /// Number of a topic's partitions, from what was asked for after `newer_than`; asking never creates the topic.
    #[cfg(feature = "rskafka")]
    pub(in crate::bus) async fn partitions(
        &self,
        topic: &str,
        newer_than: Option<tokio::time::Instant>,
        deadline: tokio::time::Instant,
        doing: &str,
    ) -> Result<u32, super::BusError> {
        Ok(self.cluster.topic(topic, newer_than, deadline, doing).await?.partitions())
    }

    /// The counters.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.cluster.counts()
    }
}

impl Bus for KafkaBus {
    fn publish<'a>(&'a self, topic: &'a str, records: Vec<Outgoing>) -> BusFuture<'a, Vec<Position>> {
        Box::pin(async move { publish::publish(&self.cluster, topic, &records).await })
    }

    fn fetch(&self, request: FetchRequest) -> BusFuture<'_, Fetched> {
        Box::pin(async move { fetch::fetch(&self.cluster, &request).await })
    }

    fn bounds<'a>(&'a self, topic: &'a str, partition: u32) -> BusFuture<'a, Bounds> {
        Box::pin(fetch::bounds(&self.cluster, topic, partition))
    }

    fn create_topic(&self, spec: TopicSpec) -> BusFuture<'_, Created> {
        Box::pin(admin::create(&self.cluster, spec))
    }

    fn delete_topic<'a>(&'a self, name: &'a str) -> BusFuture<'a, bool> {
        Box::pin(admin::delete(&self.cluster, name))
    }

    fn describe_topic<'a>(&'a self, name: &'a str) -> BusFuture<'a, Option<TopicDescription>> {
        Box::pin(admin::describe(&self.cluster, name))
    }

    #[cfg(feature = "administration")]
    fn alter_topic<'a>(&'a self, name: &'a str, change: TopicChange) -> BusFuture<'a, TopicDescription> {
        Box::pin(alter::alter(&self.cluster, name, change))
    }

    fn topics(&self) -> BusFuture<'_, Vec<String>> {
        Box::pin(admin::list(&self.cluster))
    }

    fn address(&self) -> String {
        self.cluster.address()
    }

    fn access(&self) -> Option<&dyn AccessControl> {
        Some(self)
    }

    #[cfg(feature = "administration")]
    fn quotas(&self) -> Option<&dyn Quotas> {
        Some(self)
    }
}

#[cfg(feature = "administration")]
impl Quotas for KafkaBus {
    fn set_quotas(&self, quotas: BTreeMap<String, Quota>) -> BusFuture<'_, ()> {
        Box::pin(quotas::set(&self.cluster, quotas))
    }

    fn quotas_of(&self, users: Vec<String>) -> BusFuture<'_, BTreeMap<String, Quota>> {
        Box::pin(quotas::of(&self.cluster, users))
    }
}

impl AccessControl for KafkaBus {
    fn grant(&self, rights: Vec<Right>) -> BusFuture<'_, ()> {
        Box::pin(access::grant(&self.cluster, rights))
    }

    fn revoke(&self, scope: Scope) -> BusFuture<'_, usize> {
        Box::pin(access::revoke(&self.cluster, scope))
    }

    fn granted(&self, scope: Scope) -> BusFuture<'_, Vec<Right>> {
        Box::pin(access::granted(&self.cluster, scope))
    }

    fn issue_passwords(&self, users: Vec<String>, scram: Scram) -> BusFuture<'_, Vec<Secret>> {
        Box::pin(passwords::issue(&self.cluster, users, scram))
    }

    fn withdraw_passwords(&self, users: Vec<String>) -> BusFuture<'_, usize> {
        Box::pin(passwords::withdraw(&self.cluster, users))
    }

    fn passwords(&self, users: Vec<String>) -> BusFuture<'_, BTreeMap<String, Vec<Scram>>> {
        Box::pin(passwords::passwords(&self.cluster, users))
    }
}

impl core::fmt::Debug for KafkaBus {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("KafkaBus").field("address", &self.address()).field("counts", &self.counts()).finish()
    }
}

#[cfg(test)]
mod tests;
