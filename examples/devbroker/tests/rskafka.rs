//! The broker as rskafka, the client of the bus, sees it.
#![allow(clippy::unwrap_used, reason = "an expectation that fails is a failed test")]

mod common;

use std::time::{Duration, Instant};

use common::{MEGABYTE, client, fetch, partition, produce, protocol_error, record, record_at, topic, values};
use ipowdm_devbroker::{Broker, Limits, Options};
use rskafka::chrono::DateTime;
use rskafka::client::error::ProtocolError;
use rskafka::client::partition::{Compression, OffsetAt};

async fn broker() -> Broker {
    Broker::start(Options::default()).await.unwrap()
}

#[tokio::test]
async fn topics_are_created_listed_and_deleted() {
    let broker = broker().await;
    let client = client(&broker).await;
    let admin = client.controller_client().unwrap();
    admin.create_topic("monitoring_vOp2", 3, 1, 5_000).await.unwrap();
    admin.create_topic("config_vOp2", 1, 1, 5_000).await.unwrap();
    let listed = client.list_topics().await.unwrap();
    let listed: Vec<_> = listed.iter().map(|topic| (topic.name.as_str(), topic.partitions.len())).collect();
    assert_eq!(listed, [("config_vOp2", 1), ("monitoring_vOp2", 3)]);

    admin.delete_topic("monitoring_vOp2", 5_000).await.unwrap();
    let listed = client.list_topics().await.unwrap();
    assert_eq!(listed.into_iter().map(|topic| topic.name).collect::<Vec<_>>(), ["config_vOp2"]);
    let error = admin.delete_topic("monitoring_vOp2", 5_000).await.unwrap_err();
    assert_eq!(protocol_error(&error), Some(ProtocolError::UnknownTopicOrPartition));
}

#[tokio::test]
async fn a_topic_that_exists_or_has_an_illegal_name_or_no_partitions_is_refused() {
    let broker = broker().await;
    let client = client(&broker).await;
    let admin = client.controller_client().unwrap();
    admin.create_topic("t", 1, 1, 5_000).await.unwrap();
    for (name, partitions, replicas, expected) in [
        ("t", 1, 1, ProtocolError::TopicAlreadyExists),
        ("bad name!", 1, 1, ProtocolError::InvalidTopicException),
        ("..", 1, 1, ProtocolError::InvalidTopicException),
        ("", 1, 1, ProtocolError::InvalidTopicException),
        ("u", 0, 1, ProtocolError::InvalidPartitions),
        ("u", 1, 3, ProtocolError::InvalidReplicationFactor),
    ] {
        let error = admin.create_topic(name, partitions, replicas, 5_000).await.unwrap_err();
        assert_eq!(protocol_error(&error), Some(expected), "{name} {partitions} {replicas}");
    }
    assert_eq!(client.list_topics().await.unwrap().len(), 1);
}

#[tokio::test]
async fn an_unknown_topic_stays_unknown_unless_auto_create_is_on() {
    let options = Options::default().auto_create(true).default_partitions(4);
    for (options, partitions) in [(Options::default(), None), (options, Some(4))] {
        let broker = Broker::start(options).await.unwrap();
        let client = client(&broker).await;
        let handling = rskafka::client::partition::UnknownTopicHandling::Error;
        let found = client.partition_client("typo", 0, handling).await;
        assert_eq!(found.is_ok(), partitions.is_some());
        let listed = client.list_topics().await.unwrap();
        assert_eq!(listed.first().map(|topic| topic.partitions.len()), partitions);
    }
}

#[tokio::test]
async fn records_come_back_as_sent_key_headers_and_tombstone_included() {
    let broker = broker().await;
    let partition = topic(&broker, "t").await;
    let sent_at = DateTime::from_timestamp_millis(1_700_000_000_123).unwrap();
    let mut keyed = record_at("value", sent_at);
    keyed.key = Some(b"agent-1".to_vec());
    keyed.headers.insert("h".to_owned(), vec![0, 255, 1]);
    let mut tombstone = record_at("", sent_at);
    tombstone.key = Some(b"agent-1".to_vec());
    tombstone.value = None;
    let sent = vec![keyed, tombstone];
    let offsets = partition.produce(sent.clone(), Compression::NoCompression).await.unwrap();
    assert_eq!(offsets, [0, 1]);
    let (records, high_watermark) = partition.fetch_records(0, 1..MEGABYTE, 1_000).await.unwrap();
    assert_eq!(high_watermark, 2);
    assert_eq!(records.into_iter().map(|one| one.record).collect::<Vec<_>>(), sent);
}

#[tokio::test]
async fn a_fetch_can_start_in_the_middle_of_a_batch() {
    let broker = broker().await;
    let partition = topic(&broker, "t").await;
    produce(&partition, &["0", "1", "2", "3", "4"]).await;
    produce(&partition, &["5", "6", "7"]).await;
    for start in 0..8 {
        let expected: Vec<_> = (start..8).map(|offset| (offset, offset.to_string())).collect();
        assert_eq!(fetch(&partition, start).await, expected, "from {start}");
    }
    assert_eq!(fetch(&partition, 8).await, []);
}

#[tokio::test]
async fn a_fetch_outside_the_log_is_offset_out_of_range() {
    let broker = broker().await;
    let partition = topic(&broker, "t").await;
    produce(&partition, &["0", "1", "2"]).await;
    partition.delete_records(1, 5_000).await.unwrap();
    for offset in [0, 4, -7] {
        let error = partition.fetch_records(offset, 1..MEGABYTE, 1_000).await.unwrap_err();
        assert_eq!(protocol_error(&error), Some(ProtocolError::OffsetOutOfRange), "from {offset}");
    }
    assert_eq!(fetch(&partition, 1).await, [(1, "1".to_owned()), (2, "2".to_owned())]);
}

#[tokio::test]
async fn a_waiting_fetch_wakes_when_a_record_arrives() {
    let broker = broker().await;
    let reader = topic(&broker, "t").await;
    let writer = partition(&client(&broker).await, "t", 0).await;
    let started = Instant::now();
    let waiting = tokio::spawn(async move { reader.fetch_records(0, 1..MEGABYTE, 10_000).await.unwrap() });
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert!(!waiting.is_finished());
    produce(&writer, &["news"]).await;
    let (records, _) = waiting.await.unwrap();
    assert_eq!(values(&records), [(0, "news".to_owned())]);
    let waited = started.elapsed();
    assert!((Duration::from_millis(200)..Duration::from_secs(2)).contains(&waited), "{waited:?}");
}

#[tokio::test]
async fn a_fetch_without_news_waits_as_long_as_asked_and_not_longer() {
    let broker = broker().await;
    let partition = topic(&broker, "t").await;
    let started = Instant::now();
    let (records, _) = partition.fetch_records(0, 1..MEGABYTE, 300).await.unwrap();
    assert!(records.is_empty());
    let waited = started.elapsed();
    assert!((Duration::from_millis(290)..Duration::from_secs(2)).contains(&waited), "{waited:?}");
}

#[tokio::test]
async fn a_waiting_fetch_learns_at_once_that_its_topic_is_deleted() {
    let broker = broker().await;
    let reader = topic(&broker, "t").await;
    let waiting = tokio::spawn(async move { reader.fetch_records(0, 1..MEGABYTE, 10_000).await });
    tokio::time::sleep(Duration::from_millis(100)).await;
    client(&broker).await.controller_client().unwrap().delete_topic("t", 5_000).await.unwrap();
    let ended = tokio::time::timeout(Duration::from_secs(2), waiting).await.unwrap().unwrap();
    assert_eq!(protocol_error(&ended.unwrap_err()), Some(ProtocolError::UnknownTopicOrPartition));
}

#[tokio::test]
async fn offsets_are_found_by_earliest_latest_and_timestamp() {
    let broker = broker().await;
    let partition = topic(&broker, "t").await;
    let at = |seconds| DateTime::from_timestamp(1_700_000_000 + seconds, 0).unwrap();
    let batch = |seconds: [i64; 3]| seconds.map(|s| record_at(s.to_string(), at(s))).to_vec();
    partition.produce(batch([0, 10, 20]), Compression::NoCompression).await.unwrap();
    partition.produce(batch([30, 40, 50]), Compression::NoCompression).await.unwrap();
    partition.delete_records(1, 5_000).await.unwrap();
    for (asked, expected) in [
        (OffsetAt::Earliest, 1),
        (OffsetAt::Latest, 6),
        (OffsetAt::Timestamp(at(15)), 2),
        (OffsetAt::Timestamp(at(20)), 2),
        (OffsetAt::Timestamp(at(21)), 3),
        (OffsetAt::Timestamp(at(50)), 5),
        // Deleted records are not found.
        (OffsetAt::Timestamp(at(-5)), 1),
    ] {
        assert_eq!(partition.get_offset(asked).await.unwrap(), expected, "{asked:?}");
    }
}

#[tokio::test]
async fn a_batch_over_the_size_limit_is_refused_and_changes_nothing() {
    let broker = broker().await;
    let partition = topic(&broker, "t").await;
    let large = vec![record(vec![0; 1 << 20])];
    let error = partition.produce(large, Compression::NoCompression).await.unwrap_err();
    assert_eq!(protocol_error(&error), Some(ProtocolError::MessageTooLarge));
    assert_eq!(produce(&partition, &["small"]).await, [0]);
}

#[tokio::test]
async fn old_records_leave_when_a_partition_is_full_and_are_counted() {
    let limits = Limits { partition_bytes: 4_000, ..Limits::default() };
    let broker = Broker::start(Options::default().limits(limits)).await.unwrap();
    let partition = topic(&broker, "t").await;
    for _ in 0..10 {
        partition.produce(vec![record(vec![7; 900])], Compression::NoCompression).await.unwrap();
    }
    let earliest = partition.get_offset(OffsetAt::Earliest).await.unwrap();
    let stats = broker.stats();
    assert_eq!(earliest, 6, "four batches of about 970 bytes fit in 4000");
    assert_eq!(stats.dropped_by_retention.batches, 6);
    assert_eq!(stats.dropped_by_retention.records, 6);
    assert!(stats.log_bytes <= 4_000);
    let (records, _) = partition.fetch_records(earliest, 0..MEGABYTE, 0).await.unwrap();
    assert_eq!(records.len(), 4);
}

#[tokio::test]
async fn a_crash_with_its_log_kept_loses_nothing() {
    let broker = broker().await;
    let before = topic(&broker, "t").await;
    produce(&before, &["0", "1"]).await;
    let port = broker.addr().port();
    let log = broker.crash().await;
    assert_eq!(log.topics().collect::<Vec<_>>(), ["t"]);
    assert!(tokio::net::TcpStream::connect(("127.0.0.1", port)).await.is_err(), "the port is closed");

    let broker = Broker::start(Options::default().port(port).with_log(log)).await.unwrap();
    assert_eq!(broker.addr().port(), port);
    // The old client finds its way back by itself.
    assert_eq!(produce(&before, &["2"]).await, [2]);
    let after = partition(&client(&broker).await, "t", 0).await;
    let expected: Vec<_> = (0..3).map(|offset| (offset, offset.to_string())).collect();
    assert_eq!(fetch(&after, 0).await, expected);
}

#[tokio::test]
async fn a_crash_that_loses_the_log_loses_the_topics_and_restarts_the_offsets() {
    let broker = broker().await;
    let before = topic(&broker, "t").await;
    produce(&before, &["0", "1"]).await;
    let port = broker.addr().port();
    drop(broker.crash().await);

    let broker = Broker::start(Options::default().port(port)).await.unwrap();
    let error = before.fetch_records(2, 1..MEGABYTE, 100).await.unwrap_err();
    assert_eq!(protocol_error(&error), Some(ProtocolError::UnknownTopicOrPartition));
    let after = topic(&broker, "t").await;
    let error = after.fetch_records(2, 1..MEGABYTE, 100).await.unwrap_err();
    assert_eq!(protocol_error(&error), Some(ProtocolError::OffsetOutOfRange));
    assert_eq!(produce(&after, &["anew"]).await, [0]);
}

#[tokio::test]
async fn a_dropped_broker_can_be_followed_on_its_port_at_once() {
    let mut port = 0;
    for _ in 0..5 {
        let broker = Broker::start(Options::default().port(port)).await.unwrap();
        topic(&broker, "t").await;
        port = broker.addr().port();
    }
}
