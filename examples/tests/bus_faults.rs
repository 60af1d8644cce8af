//! The Kafka bus, its reader and its publisher against a development broker that is down, silent, slow, crashes, loses
//! its log, or answers with errors.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test may stop at what it does not expect, in its own functions too"
)]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ipowdm_core::bus::kafka::{KafkaBus, KafkaOptions};
use ipowdm_core::bus::publisher::{Class, Publisher};
use ipowdm_core::bus::reader::{Delivery, Reader, Start};
use ipowdm_core::bus::{Bus, BusError, Created, FetchRequest, Outgoing, Record, TopicSpec};
use ipowdm_devbroker::{Api, Broker, Effect, Fault, Options, ResponseError, SavedLog, When};
use tokio::time::{sleep, timeout};

/// Enough for anything here on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

const TOPIC: &str = "t";

fn bus_at(bootstrap: &str, call_timeout: Duration) -> KafkaBus {
    let mut options = KafkaOptions::new(bootstrap);
    options.call_timeout = call_timeout;
    KafkaBus::connect(&options).unwrap()
}

fn spec() -> TopicSpec {
    TopicSpec { name: TOPIC.to_owned(), partitions: 1, replication: 1, configs: BTreeMap::new() }
}

fn record(value: &str) -> Outgoing {
    Outgoing::new("k", value.as_bytes().to_vec())
}

/// A broker with the topic, and a bus on it.
async fn start(call_timeout: Duration) -> (Broker, KafkaBus) {
    let broker = Broker::start(Options::default()).await.unwrap();
    let bus = bus_at(&broker.bootstrap(), call_timeout);
    assert_eq!(bus.create_topic(spec()).await, Ok(Created::New));
    (broker, bus)
}

/// Crashes a broker, and starts one on the same port after a while.
async fn restart(broker: Broker, away: Duration, keep_log: bool) -> Broker {
    let port = broker.addr().port();
    let log: SavedLog = broker.crash().await;
    sleep(away).await;
    let options = Options::default().port(port);
    let options = if keep_log { options.with_log(log) } else { options };
    Broker::start(options).await.unwrap()
}

fn fetch_from(offset: i64, max_wait: Duration) -> FetchRequest {
    FetchRequest { topic: TOPIC.to_owned(), partition: 0, offset, max_bytes: 1 << 20, max_wait }
}

fn values(records: &[Record]) -> Vec<String> {
    let text = |record: &Record| String::from_utf8(record.value.clone().unwrap().to_vec()).unwrap();
    records.iter().map(text).collect()
}

async fn all_values(bus: &KafkaBus) -> Vec<String> {
    values(&bus.fetch(fetch_from(0, Duration::ZERO)).await.unwrap().records)
}

async fn next(reader: &mut Reader) -> Delivery {
    timeout(PATIENCE, reader.next()).await.expect("the reader delivers")
}

async fn next_records(reader: &mut Reader) -> Vec<Record> {
    match next(reader).await {
        Delivery::Records { records, .. } => records,
        other => panic!("{other:?} instead of records"),
    }
}

fn unavailable<T: std::fmt::Debug>(outcome: &Result<T, BusError>) -> bool {
    matches!(outcome, Err(BusError::Unavailable { .. }))
}

#[tokio::test]
async fn a_broker_that_is_down_at_the_start_is_used_as_soon_as_it_is_up() {
    // A port that was free a moment ago.
    let port = Broker::start(Options::default()).await.unwrap().addr().port();
    let bus = bus_at(&format!("127.0.0.1:{port}"), Duration::from_secs(5));
    let began = Instant::now();
    assert!(unavailable(&bus.topics().await));
    assert!(unavailable(&bus.create_topic(spec()).await));
    assert!(unavailable(&bus.publish(TOPIC, vec![record("lost")]).await));
    assert!(began.elapsed() < Duration::from_secs(5), "refused connections are told at once");

    let shared: Arc<dyn Bus> = Arc::new(bus.clone());
    let mut reader = Reader::new(Arc::clone(&shared));
    reader.follow(TOPIC, |_| Start::Earliest);
    let publisher = Publisher::start(shared, 100);
    publisher.send(TOPIC, record("kept"), Class::Keep).unwrap();
    let outage = next(&mut reader).await;
    assert!(matches!(outage, Delivery::Outage { error: BusError::Unavailable { .. }, .. }), "{outage:?}");
    assert!(!publisher.connected());

    let log = {
        let broker = Broker::start(Options::default()).await.unwrap();
        let other = bus_at(&broker.bootstrap(), PATIENCE);
        other.create_topic(spec()).await.unwrap();
        broker.crash().await
    };
    let _broker = Broker::start(Options::default().port(port).with_log(log)).await.unwrap();
    timeout(PATIENCE, publisher.flush()).await.unwrap();
    assert!(publisher.connected());
    assert_eq!(values(&next_records(&mut reader).await), ["kept"]);
}

#[tokio::test]
async fn a_silent_broker_is_unavailable_in_time_and_used_again_when_it_speaks() {
    const CALL: Duration = Duration::from_millis(800);
    let (broker, bus) = start(CALL).await;
    bus.publish(TOPIC, vec![record("before")]).await.unwrap();
    let silence = broker.faults().inject(Fault::on_any(Effect::Silence(When::Before)));
    let wait = Duration::from_millis(200);
    let began = Instant::now();
    assert!(unavailable(&bus.publish(TOPIC, vec![record("lost")]).await));
    assert!(unavailable(&bus.fetch(fetch_from(0, wait)).await));
    assert!(unavailable(&bus.bounds(TOPIC, 0).await));
    assert!(unavailable(&bus.topics().await));
    assert!(unavailable(&bus.describe_topic(TOPIC).await));
    assert!(unavailable(&bus.create_topic(spec()).await));
    assert!(unavailable(&bus.delete_topic(TOPIC).await));
    // Seven calls, each with its time-out; generous for a busy machine.
    assert!(began.elapsed() < 2 * (7 * CALL + wait), "{:?}", began.elapsed());
    assert_eq!(bus.counts().waiting, 0, "no connection of a silent broker is used again");
    broker.faults().clear(silence);
    bus.publish(TOPIC, vec![record("after")]).await.unwrap();
    assert_eq!(all_values(&bus).await, ["before", "after"]);
}

#[tokio::test]
async fn a_port_that_accepts_and_never_answers_is_unavailable_in_time() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let bus = bus_at(&listener.local_addr().unwrap().to_string(), Duration::from_millis(500));
    let began = Instant::now();
    assert!(unavailable(&bus.topics().await));
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
}

#[tokio::test]
async fn fetches_go_on_while_publishing_is_slow_and_the_other_way_round() {
    let (broker, bus) = start(PATIENCE).await;
    let hour = Duration::from_secs(3600);
    let slow = broker.faults().inject(Fault::on(Api::Produce, Effect::Delay(When::Before, hour)).times(1));
    let stuck = tokio::spawn({
        let bus = bus.clone();
        async move { bus.publish(TOPIC, vec![record("stuck")]).await }
    });
    while broker.faults().hits(slow) == 0 {
        sleep(Duration::from_millis(5)).await;
    }
    timeout(PATIENCE / 2, bus.publish(TOPIC, vec![record("a")])).await.unwrap().unwrap();
    let fetched = timeout(PATIENCE / 2, bus.fetch(fetch_from(0, Duration::ZERO))).await.unwrap().unwrap();
    assert_eq!(values(&fetched.records), ["a"]);
    stuck.abort();
}

#[tokio::test]
async fn a_restart_with_the_log_loses_nothing_and_the_reader_goes_on() {
    let (broker, bus) = start(Duration::from_secs(2)).await;
    let shared: Arc<dyn Bus> = Arc::new(bus);
    let publisher = Publisher::start(Arc::clone(&shared), 10_000);
    let mut reader = Reader::new(shared);
    reader.follow(TOPIC, |_| Start::Earliest);
    let sending = tokio::spawn({
        let publisher = publisher.clone();
        async move {
            for i in 0..1000 {
                publisher.send(TOPIC, record(&format!("{i:04}")), Class::Keep).unwrap();
                sleep(Duration::from_millis(2)).await;
            }
        }
    });
    let mut broker = broker;
    for away in [0, 300, 700] {
        sleep(Duration::from_millis(300)).await;
        broker = restart(broker, Duration::from_millis(away), true).await;
    }
    sending.await.unwrap();
    timeout(PATIENCE, publisher.flush()).await.unwrap();
    assert_eq!(publisher.counts().refused, 0);
    assert!(publisher.counts().outages >= 1);

    let mut seen: Vec<Record> = Vec::new();
    while seen.last().is_none_or(|last| values(std::slice::from_ref(last)) != ["0999"]) {
        match next(&mut reader).await {
            Delivery::Records { records, .. } => seen.extend(records),
            Delivery::Resync { lost, from, .. } => panic!("the position {lost} was lost, {from}"),
            Delivery::Outage { .. } | Delivery::Restored { .. } => {}
        }
    }
    let offsets: Vec<i64> = seen.iter().map(|record| record.offset).collect();
    assert!(offsets.windows(2).all(|pair| pair[1] == pair[0] + 1), "every offset once: {offsets:?}");
    // An unclear publish is repeated, so a run of records may come twice; none is missing or overtaken.
    let mut distinct = values(&seen);
    let mut known = std::collections::BTreeSet::new();
    distinct.retain(|value| known.insert(value.clone()));
    assert_eq!(distinct, (0..1000).map(|i| format!("{i:04}")).collect::<Vec<_>>());
    drop(broker);
}

#[tokio::test]
async fn a_restart_without_the_log_is_told_and_nothing_is_skipped() {
    let (broker, bus) = start(Duration::from_secs(2)).await;
    bus.publish(TOPIC, (0..5).map(|i| record(&format!("old {i}"))).collect()).await.unwrap();
    let mut reader = Reader::new(Arc::new(bus.clone()));
    reader.follow(TOPIC, |_| Start::Earliest);
    assert_eq!(next_records(&mut reader).await.len(), 5);

    let _broker = restart(broker, Duration::from_millis(300), false).await;
    let outage = next(&mut reader).await;
    assert!(matches!(outage, Delivery::Outage { .. }), "{outage:?}");
    let gone = bus.publish(TOPIC, vec![record("x")]).await;
    assert_eq!(gone, Err(BusError::UnknownTopic { topic: TOPIC.to_owned(), partition: 0 }));
    // The records are there before the reader can look: it must not begin after them.
    bus.create_topic(spec()).await.unwrap();
    bus.publish(TOPIC, (0..3).map(|i| record(&format!("new {i}"))).collect()).await.unwrap();
    let mut told = Vec::new();
    let seen = loop {
        match next(&mut reader).await {
            Delivery::Records { records, .. } => break records,
            other => told.push(other),
        }
    };
    let resyncs = told.iter().filter(|told| matches!(told, Delivery::Resync { lost: 5, from: 0, .. }));
    assert_eq!(resyncs.count(), 1, "{told:?}");
    assert_eq!(values(&seen), ["new 0", "new 1", "new 2"]);
}

#[tokio::test]
async fn an_answer_lost_after_the_append_is_unclear_and_the_publishers_repetition_is_a_duplicate() {
    let (broker, bus) = start(PATIENCE).await;
    let lost = || Fault::on(Api::Produce, Effect::Disconnect(When::After)).times(1);
    broker.faults().inject(lost());
    assert!(
        unavailable(&bus.publish(TOPIC, vec![record("a")]).await),
        "the bus itself repeats nothing unclear"
    );
    assert_eq!(all_values(&bus).await, ["a"]);
    broker.faults().inject(lost());
    let publisher = Publisher::start(Arc::new(bus.clone()), 10);
    publisher.send(TOPIC, record("b"), Class::Keep).unwrap();
    timeout(PATIENCE, publisher.flush()).await.unwrap();
    publisher.send(TOPIC, record("c"), Class::Keep).unwrap();
    timeout(PATIENCE, publisher.flush()).await.unwrap();
    assert_eq!(all_values(&bus).await, ["a", "b", "b", "c"]);
}

#[tokio::test]
async fn a_connection_closed_while_it_waited_is_replaced_without_a_failure() {
    let (broker, bus) = start(PATIENCE).await;
    for i in 0..3 {
        assert_eq!(bus.publish(TOPIC, vec![record("v")]).await.unwrap()[0].offset, i);
        assert_eq!(bus.fetch(fetch_from(i, PATIENCE)).await.unwrap().records.len(), 1);
    }
    let _broker = restart(broker, Duration::ZERO, true).await;
    // The runtime hears of the closed sockets.
    sleep(Duration::from_millis(50)).await;
    assert_eq!(bus.publish(TOPIC, vec![record("v")]).await.unwrap()[0].offset, 3);
    assert_eq!(bus.fetch(fetch_from(3, PATIENCE)).await.unwrap().records.len(), 1);
    assert_eq!(bus.counts().failures, 0);
}

#[tokio::test]
async fn a_topic_re_created_by_somebody_else_with_other_partitions_is_noticed() {
    let (broker, bus) = start(PATIENCE).await;
    let other = bus_at(&broker.bootstrap(), PATIENCE);
    // Java puts this key into partition 2 of 3.
    let of_last = || vec![Outgoing::new("a-little-bit-long-string", "v")];
    assert_eq!(bus.publish(TOPIC, of_last()).await.unwrap()[0].partition, 0);
    other.delete_topic(TOPIC).await.unwrap();
    other.create_topic(TopicSpec { partitions: 3, ..spec() }).await.unwrap();
    let fetched = bus.fetch(FetchRequest { partition: 2, ..fetch_from(0, Duration::ZERO) }).await.unwrap();
    assert_eq!(fetched.records, [], "more partitions: asked for before they are denied");
    assert_eq!(bus.publish(TOPIC, of_last()).await.unwrap()[0].partition, 2);
    other.delete_topic(TOPIC).await.unwrap();
    other.create_topic(spec()).await.unwrap();
    assert_eq!(bus.publish(TOPIC, of_last()).await.unwrap()[0].partition, 0, "fewer partitions");
}

/// What a caller sees when the broker answers with an error.
#[derive(Debug, PartialEq)]
enum Seen {
    /// The operation succeeded after all.
    Done,
    Unavailable,
    Unknown,
    Invalid,
    Forbidden,
    TooLarge,
    OutOfRange,
}

fn seen<T>(outcome: Result<T, BusError>) -> Seen {
    match outcome {
        Ok(_) => Seen::Done,
        Err(BusError::Unavailable { .. }) => Seen::Unavailable,
        Err(BusError::UnknownTopic { .. }) => Seen::Unknown,
        Err(BusError::Invalid { .. }) => Seen::Invalid,
        Err(BusError::Forbidden(_)) => Seen::Forbidden,
        Err(BusError::TooLarge { .. }) => Seen::TooLarge,
        Err(BusError::OffsetOutOfRange { .. }) => Seen::OutOfRange,
        Err(other) => panic!("{other:?}"),
    }
}

async fn operate(bus: &KafkaBus, api: Api) -> Seen {
    match api {
        Api::Produce => seen(bus.publish(TOPIC, vec![record("v")]).await),
        Api::Fetch => seen(bus.fetch(fetch_from(0, Duration::ZERO)).await),
        Api::ListOffsets => seen(bus.bounds(TOPIC, 0).await),
        Api::CreateTopics => seen(bus.create_topic(TopicSpec { name: "other".to_owned(), ..spec() }).await),
        Api::DeleteTopics => seen(bus.delete_topic("other").await),
        Api::DescribeConfigs => seen(bus.describe_topic(TOPIC).await),
        other => panic!("{other}"),
    }
}

#[tokio::test]
async fn error_codes_mean_what_the_protocol_says() {
    use ResponseError as E;
    let (broker, bus) = start(Duration::from_millis(1500)).await;
    bus.publish(TOPIC, vec![record("v")]).await.unwrap();
    // Once: does the operation go on? For ever: what is the caller told?
    for (api, error, once, for_ever) in [
        (Api::Produce, E::NotLeaderOrFollower, Seen::Done, Seen::Unavailable),
        (Api::Produce, E::NotEnoughReplicas, Seen::Done, Seen::Unavailable),
        (Api::Produce, E::UnknownTopicOrPartition, Seen::Done, Seen::Unknown),
        (Api::Produce, E::NotEnoughReplicasAfterAppend, Seen::Unavailable, Seen::Unavailable),
        (Api::Produce, E::RequestTimedOut, Seen::Unavailable, Seen::Unavailable),
        (Api::Produce, E::MessageTooLarge, Seen::TooLarge, Seen::TooLarge),
        (Api::Produce, E::InvalidRecord, Seen::Invalid, Seen::Invalid),
        (Api::Produce, E::TopicAuthorizationFailed, Seen::Forbidden, Seen::Forbidden),
        (Api::Produce, E::UnknownServerError, Seen::Unavailable, Seen::Unavailable),
        (Api::Fetch, E::NotLeaderOrFollower, Seen::Done, Seen::Unavailable),
        (Api::Fetch, E::KafkaStorageError, Seen::Done, Seen::Unavailable),
        (Api::Fetch, E::UnknownTopicOrPartition, Seen::Done, Seen::Unknown),
        (Api::Fetch, E::OffsetOutOfRange, Seen::OutOfRange, Seen::OutOfRange),
        (Api::Fetch, E::TopicAuthorizationFailed, Seen::Forbidden, Seen::Forbidden),
        (Api::Fetch, E::CorruptMessage, Seen::Unavailable, Seen::Unavailable),
        (Api::ListOffsets, E::LeaderNotAvailable, Seen::Done, Seen::Unavailable),
        (Api::ListOffsets, E::TopicAuthorizationFailed, Seen::Forbidden, Seen::Forbidden),
        (Api::DeleteTopics, E::NotController, Seen::Done, Seen::Unavailable),
        (Api::DeleteTopics, E::TopicDeletionDisabled, Seen::Invalid, Seen::Invalid),
        (Api::CreateTopics, E::NotController, Seen::Done, Seen::Unavailable),
        (Api::CreateTopics, E::PolicyViolation, Seen::Invalid, Seen::Invalid),
        (Api::CreateTopics, E::InvalidReplicationFactor, Seen::Invalid, Seen::Invalid),
        (Api::CreateTopics, E::ClusterAuthorizationFailed, Seen::Forbidden, Seen::Forbidden),
        (Api::CreateTopics, E::RequestTimedOut, Seen::Unavailable, Seen::Unavailable),
        (Api::DescribeConfigs, E::TopicAuthorizationFailed, Seen::Forbidden, Seen::Forbidden),
        (Api::DescribeConfigs, E::UnknownServerError, Seen::Unavailable, Seen::Unavailable),
    ] {
        let fault = broker.faults().inject(Fault::on(api, Effect::Error(error)).times(1));
        assert_eq!(operate(&bus, api).await, once, "{api} with {error:?} once");
        assert_eq!(broker.faults().clear(fault), 1, "{api} with {error:?} was answered");
        let fault = broker.faults().inject(Fault::on(api, Effect::Error(error)));
        assert_eq!(operate(&bus, api).await, for_ever, "{api} with {error:?} for ever");
        let hits = broker.faults().clear(fault);
        assert!((1..40).contains(&hits), "{api} with {error:?} was answered {hits} times");
    }
}

#[tokio::test]
async fn an_error_while_looking_for_the_leader_means_the_same() {
    let (broker, bus) = start(Duration::from_millis(1500)).await;
    for (error, once, for_ever) in [
        (ResponseError::LeaderNotAvailable, Seen::Done, Seen::Unavailable),
        (ResponseError::TopicAuthorizationFailed, Seen::Forbidden, Seen::Forbidden),
        (ResponseError::InvalidTopicException, Seen::Invalid, Seen::Invalid),
        (ResponseError::UnknownTopicOrPartition, Seen::Unknown, Seen::Unknown),
    ] {
        // A bus of its own, which knows no leader yet.
        let fresh = bus_at(&bus.address(), Duration::from_millis(1500));
        let fault = broker.faults().inject(Fault::on(Api::Metadata, Effect::Error(error)).times(1));
        assert_eq!(operate(&fresh, Api::Fetch).await, once, "{error:?} once");
        broker.faults().clear(fault);
        let fresh = bus_at(&bus.address(), Duration::from_millis(1500));
        let fault = broker.faults().inject(Fault::on(Api::Metadata, Effect::Error(error)));
        assert_eq!(operate(&fresh, Api::Produce).await, for_ever, "{error:?} for ever");
        broker.faults().clear(fault);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_readers_of_one_partition_share_a_bus_and_release_it() {
    const READERS: usize = 200;
    let (broker, bus) = start(PATIENCE).await;
    let shared: Arc<dyn Bus> = Arc::new(bus.clone());
    let mut readers: Vec<Reader> = (0..READERS)
        .map(|_| {
            let mut reader = Reader::new(Arc::clone(&shared));
            reader.follow(TOPIC, |_| Start::Earliest);
            reader
        })
        .collect();
    // All of them wait for a record.
    while broker.stats().requests.get(&Api::Fetch).is_none_or(|fetches| *fetches < READERS as u64) {
        sleep(Duration::from_millis(20)).await;
    }
    bus.publish(TOPIC, vec![record("to all")]).await.unwrap();
    for reader in &mut readers {
        assert_eq!(values(&next_records(reader).await), ["to all"]);
    }
    assert!(bus.counts().connects <= READERS as u64 + 80, "{:?}", bus.counts());
    assert_eq!(bus.counts().failures, 0);
    drop(readers);
    let released = async {
        while broker.stats().connections_open > 80 {
            sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(PATIENCE, released).await.expect("connections of ended fetches are closed");
}

#[tokio::test]
async fn more_fetches_than_allowed_wait_for_their_turn() {
    let (broker, _) = start(PATIENCE).await;
    let mut options = KafkaOptions::new(&broker.bootstrap());
    options.max_fetches = 2;
    options.call_timeout = Duration::from_millis(500);
    let bus = KafkaBus::connect(&options).unwrap();
    let fetch = |wait| bus.fetch(fetch_from(0, Duration::from_millis(wait)));
    let (a, b, c) = tokio::join!(fetch(3000), fetch(3000), async {
        sleep(Duration::from_millis(100)).await;
        fetch(0).await
    });
    assert!(a.is_ok() && b.is_ok());
    let error = c.unwrap_err();
    assert!(error.to_string().contains("too many requests"), "{error}");
    assert_eq!(fetch(0).await.unwrap().records, []);
}
