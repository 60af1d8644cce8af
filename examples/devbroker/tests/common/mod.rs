//! What the integration tests share: rskafka clients with short patience, and records.
#![allow(dead_code, reason = "every test binary uses its own part of this module")]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use ipowdm_devbroker::Broker;
use rskafka::BackoffConfig;
use rskafka::chrono::{DateTime, Utc};
use rskafka::client::partition::{Compression, PartitionClient, UnknownTopicHandling};
use rskafka::client::{Client, ClientBuilder};
use rskafka::record::{Record, RecordAndOffset};

pub(crate) const MEGABYTE: i32 = 1 << 20;

/// A client that gives up after two seconds of retries.
pub(crate) async fn client(broker: &Broker) -> Client {
    let backoff = BackoffConfig {
        init_backoff: Duration::from_millis(20),
        max_backoff: Duration::from_millis(200),
        base: 2.0,
        deadline: Some(Duration::from_secs(2)),
    };
    ClientBuilder::new(vec![broker.bootstrap()]).backoff_config(backoff).build().await.unwrap()
}

pub(crate) async fn partition(client: &Client, topic: &str, index: i32) -> Arc<PartitionClient> {
    Arc::new(client.partition_client(topic, index, UnknownTopicHandling::Error).await.unwrap())
}

/// Creates `topic` with one partition and returns a client for it.
pub(crate) async fn topic(broker: &Broker, topic: &str) -> Arc<PartitionClient> {
    let client = client(broker).await;
    client.controller_client().unwrap().create_topic(topic, 1, 1, 5_000).await.unwrap();
    partition(&client, topic, 0).await
}

/// The wall clock, in the milliseconds that Kafka keeps.
pub(crate) fn now() -> DateTime<Utc> {
    let since_epoch = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    DateTime::from_timestamp_millis(i64::try_from(since_epoch.as_millis()).unwrap()).unwrap()
}

pub(crate) fn record(value: impl Into<Vec<u8>>) -> Record {
    record_at(value, now())
}

pub(crate) fn record_at(value: impl Into<Vec<u8>>, timestamp: DateTime<Utc>) -> Record {
    Record { key: None, value: Some(value.into()), headers: BTreeMap::new(), timestamp }
}

/// Appends one batch with these values and returns the offsets.
pub(crate) async fn produce(partition: &PartitionClient, values: &[&str]) -> Vec<i64> {
    let records = values.iter().map(|value| record(*value)).collect();
    partition.produce(records, Compression::NoCompression).await.unwrap()
}

/// The values from `offset` on, without waiting.
pub(crate) async fn fetch(partition: &PartitionClient, offset: i64) -> Vec<(i64, String)> {
    let (records, _) = partition.fetch_records(offset, 0..MEGABYTE, 0).await.unwrap();
    values(&records)
}

pub(crate) fn values(records: &[RecordAndOffset]) -> Vec<(i64, String)> {
    let value = |record: &Record| String::from_utf8(record.value.clone().unwrap_or_default()).unwrap();
    records.iter().map(|one| (one.offset, value(&one.record))).collect()
}

/// The protocol error inside an rskafka error, if there is one.
pub(crate) fn protocol_error(
    error: &rskafka::client::error::Error,
) -> Option<rskafka::client::error::ProtocolError> {
    match error {
        rskafka::client::error::Error::ServerError { protocol_error, .. } => Some(*protocol_error),
        _ => None,
    }
}

/// Creates a topic with one partition and this configuration, which rskafka cannot.
pub(crate) async fn create_with_config(broker: &Broker, topic: &str, configs: &[(&str, &str)]) {
    let mut wire = wire::Wire::connect(broker).await;
    let code = wire.create_topic(topic, configs).await;
    assert_eq!(code, 0, "{topic} is created");
}

pub(crate) mod wire;
