//! The faults that a test or a laboratory can order, as clients suffer them.
#![allow(clippy::unwrap_used, reason = "an expectation that fails is a failed test")]

mod common;

use std::time::{Duration, Instant};

use common::wire::{Wire, name};
use common::{client, fetch, partition, produce, protocol_error, record, topic};
use ipowdm_devbroker::{Api, Broker, Effect, Fault, Options, ResponseError, When};
use kafka_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use kafka_protocol::messages::metadata_request::MetadataRequestTopic;
use kafka_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use kafka_protocol::messages::{
    ApiVersionsRequest, FetchRequest, InitProducerIdRequest, MetadataRequest, ProduceRequest,
};
use rskafka::client::error::ProtocolError;
use rskafka::client::partition::Compression;
use tokio::time::timeout;

const SOON: Duration = Duration::from_millis(150);
const LATE: Duration = Duration::from_secs(5);

async fn broker() -> Broker {
    Broker::start(Options::default()).await.unwrap()
}

fn about(topic: &str) -> MetadataRequest {
    MetadataRequest::default()
        .with_topics(Some(vec![MetadataRequestTopic::default().with_name(Some(name(topic)))]))
}

#[tokio::test]
async fn a_lost_answer_after_the_append_makes_a_plain_producer_write_twice() {
    let broker = broker().await;
    let partition = topic(&broker, "t").await;
    let id = broker.faults().inject(Fault::on(Api::Produce, Effect::Disconnect(When::After)).times(1));
    // rskafka retries by itself and has no duplicate detection.
    assert_eq!(produce(&partition, &["once?"]).await, [1]);
    let twice = [(0, "once?".to_owned()), (1, "once?".to_owned())];
    assert_eq!(fetch(&partition, 0).await, twice);
    assert_eq!(broker.faults().hits(id), 1);
}

#[tokio::test]
async fn a_disconnect_before_the_append_changes_nothing() {
    let broker = broker().await;
    let partition = topic(&broker, "t").await;
    broker.faults().inject(Fault::on(Api::Produce, Effect::Disconnect(When::Before)).times(2));
    assert_eq!(produce(&partition, &["once"]).await, [0]);
    assert_eq!(broker.stats().requests[&Api::Produce], 3);
}

#[tokio::test]
async fn a_lost_answer_costs_an_idempotent_producer_nothing() {
    let broker = broker().await;
    let reader = topic(&broker, "t").await;
    let mut wire = Wire::connect(&broker).await;
    let request =
        InitProducerIdRequest::default().with_transactional_id(None).with_transaction_timeout_ms(1000);
    let given = wire.call(4, &request).await.unwrap();
    assert_eq!((given.error_code, given.producer_epoch), (0, 0));
    let producer = given.producer_id;
    let send = |sequence| {
        let records = common::wire::numbered_batch(producer.0, sequence, "exactly once");
        let data = PartitionProduceData::default().with_index(0).with_records(Some(records));
        let data = TopicProduceData::default().with_name(name("t")).with_partition_data(vec![data]);
        ProduceRequest::default().with_acks(-1).with_timeout_ms(1000).with_topic_data(vec![data])
    };
    broker.faults().inject(Fault::on(Api::Produce, Effect::Disconnect(When::After)).times(1));
    assert!(wire.call(9, &send(0)).await.is_none(), "the answer is lost");
    let mut wire = Wire::connect(&broker).await;
    let again = wire.call(9, &send(0)).await.unwrap();
    let again = &again.responses[0].partition_responses[0];
    assert_eq!((again.error_code, again.base_offset), (0, 0));
    let gap = wire.call(9, &send(2)).await.unwrap();
    let code = ResponseError::OutOfOrderSequenceNumber.code();
    assert_eq!(gap.responses[0].partition_responses[0].error_code, code);
    assert_eq!(fetch(&reader, 0).await, [(0, "exactly once".to_owned())]);
}

#[tokio::test]
async fn a_delay_holds_the_request_or_only_its_answer() {
    let broker = broker().await;
    let writer = topic(&broker, "t").await;
    let reader = partition(&client(&broker).await, "t", 0).await;
    for (when, seen_meanwhile) in [(When::Before, 0), (When::After, 1)] {
        let id = broker.faults().inject(Fault::on(Api::Produce, Effect::Delay(when, 3 * SOON)).times(1));
        let started = Instant::now();
        let writer = writer.clone();
        let writing = tokio::spawn(async move { produce(&writer, &["v"]).await[0] });
        tokio::time::sleep(SOON).await;
        let start = i64::from(when == When::After);
        assert_eq!(fetch(&reader, start).await.len(), seen_meanwhile, "{when:?}");
        assert_eq!(writing.await.unwrap(), start);
        assert!(started.elapsed() >= 3 * SOON);
        assert_eq!(broker.faults().clear(id), 1);
    }
}

#[tokio::test]
async fn silence_leaves_the_client_waiting_on_an_open_connection_until_it_gives_up() {
    let broker = broker().await;
    let reader = topic(&broker, "t").await;
    let mut written = 0;
    for when in [When::Before, When::After] {
        // rskafka has no request timeout and does not leave a silent connection by itself: one client each.
        let writer = partition(&client(&broker).await, "t", 0).await;
        let id = broker.faults().inject(Fault::on(Api::Produce, Effect::Silence(when)));
        let waited = timeout(SOON, writer.produce(vec![record("v")], Compression::NoCompression)).await;
        assert!(waited.is_err(), "no answer, no error");
        // Others are served meanwhile.
        assert_eq!(fetch(&reader, written).await.len(), usize::from(when == When::After));
        written += i64::from(when == When::After);
        assert_eq!(broker.faults().clear(id), 1);
        let writer = partition(&client(&broker).await, "t", 0).await;
        assert_eq!(produce(&writer, &["after"]).await, [written]);
        written += 1;
    }
}

#[tokio::test]
async fn an_error_code_is_answered_until_it_is_cleared() {
    let broker = broker().await;
    let partition = topic(&broker, "t").await;
    let id = broker.faults().inject(Fault::on(Api::Produce, Effect::Error(ResponseError::InvalidTimestamp)));
    for _ in 0..3 {
        let error = partition.produce(vec![record("v")], Compression::NoCompression).await.unwrap_err();
        assert_eq!(protocol_error(&error), Some(ProtocolError::InvalidTimestamp));
    }
    assert_eq!(broker.faults().clear(id), 3);
    assert_eq!(produce(&partition, &["v"]).await, [0]);
}

#[tokio::test]
async fn a_fault_for_one_client_id_spares_the_others() {
    let broker = broker().await;
    let partition = topic(&broker, "t").await;
    broker.faults().inject(Fault::on_any(Effect::Disconnect(When::Before)).client("wire"));
    let mut wire = Wire::connect(&broker).await;
    assert!(wire.call(1, &about("t")).await.is_none());
    assert_eq!(produce(&partition, &["v"]).await, [0]);
}

#[tokio::test]
async fn a_faulty_produce_without_acks_loses_its_connection() {
    let broker = broker().await;
    let reader = topic(&broker, "t").await;
    let send = |to: &str| {
        let records = common::wire::numbered_batch(-1, -1, "unheard");
        let data = PartitionProduceData::default().with_index(0).with_records(Some(records));
        let data = TopicProduceData::default().with_name(name(to)).with_partition_data(vec![data]);
        ProduceRequest::default().with_acks(0).with_timeout_ms(1000).with_topic_data(vec![data])
    };
    let mut wire = Wire::connect(&broker).await;
    wire.send(9, &send("t")).await;
    // Answered in order: the next answer says that the produce went by without one.
    assert!(wire.call(0, &ApiVersionsRequest::default()).await.is_some());
    assert_eq!(fetch(&reader, 0).await, [(0, "unheard".to_owned())]);
    wire.send(9, &send("unknown")).await;
    assert!(wire.receive::<ApiVersionsRequest>(0).await.is_none(), "closed");
    broker.faults().inject(Fault::on(Api::Produce, Effect::Error(ResponseError::NotController)));
    let mut wire = Wire::connect(&broker).await;
    wire.send(9, &send("t")).await;
    assert!(wire.receive::<ApiVersionsRequest>(0).await.is_none(), "closed");
    assert_eq!(fetch(&reader, 0).await.len(), 1);
}

#[tokio::test]
async fn a_crash_ends_every_connection_and_every_wait_at_once() {
    let broker = broker().await;
    topic(&broker, "t").await;
    let mut reader = Wire::connect(&broker).await;
    let from_the_end = FetchPartition::default().with_partition_max_bytes(1000);
    let topics = vec![FetchTopic::default().with_topic(name("t")).with_partitions(vec![from_the_end])];
    let long_poll = FetchRequest::default()
        .with_max_wait_ms(60_000)
        .with_min_bytes(1)
        .with_max_bytes(1000)
        .with_topics(topics);
    reader.send(12, &long_poll).await;
    broker.faults().inject(Fault::on(Api::Metadata, Effect::Silence(When::Before)));
    let mut silenced = Wire::connect(&broker).await;
    silenced.send(1, &about("t")).await;
    tokio::time::sleep(SOON).await;

    let started = Instant::now();
    let log = broker.crash().await;
    assert!(timeout(LATE, reader.receive::<FetchRequest>(12)).await.unwrap().is_none());
    assert!(timeout(LATE, silenced.receive::<MetadataRequest>(1)).await.unwrap().is_none());
    assert!(started.elapsed() < 2 * SOON);
    assert_eq!(log.topics().collect::<Vec<_>>(), ["t"]);
}
