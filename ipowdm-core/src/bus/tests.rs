use super::memory::MemoryBus;
use super::publisher::{Class, Counts, PACE, Publisher};
use super::reader::{Delivery, Reader, Start};
use super::*;
use std::format;
use std::string::ToString;
use std::sync::Arc;
use std::vec;
use tokio::time::Instant;

fn spec(name: &str, partitions: u32) -> TopicSpec {
    TopicSpec { name: name.to_string(), partitions, replication: 1, configs: BTreeMap::new() }
}

fn record(key: &str, value: &str) -> Outgoing {
    Outgoing::new(key, value.as_bytes().to_vec())
}

async fn bus_with(topic: &str, partitions: u32) -> MemoryBus {
    let bus = MemoryBus::new();
    bus.create_topic(spec(topic, partitions)).await.unwrap();
    bus
}

async fn collect(reader: &mut Reader, count: usize) -> Vec<Record> {
    let mut all = Vec::new();
    while all.len() < count {
        if let Delivery::Records { records, .. } = reader.next().await {
            all.extend(records);
        }
    }
    all
}

#[tokio::test(start_paused = true)]
async fn a_reader_waits_for_a_topic_and_then_sees_every_record_in_key_order() {
    let bus = MemoryBus::new();
    let mut reader = Reader::new(Arc::new(bus.clone()));
    reader.follow("t", |_| Start::Earliest);
    assert!(matches!(reader.next().await, Delivery::Outage { error: BusError::UnknownTopic { .. }, .. }));
    bus.create_topic(spec("t", 3)).await.unwrap();
    for i in 0..30 {
        bus.publish("t", vec![record(&format!("k{}", i % 5), &format!("{i:02}"))]).await.unwrap();
    }
    let records = collect(&mut reader, 30).await;
    for key in 0..5 {
        let key = format!("k{key}");
        let of_key: Vec<_> = records
            .iter()
            .filter(|r| r.key.as_deref() == Some(key.as_bytes()))
            .map(|r| r.value.clone())
            .collect();
        assert_eq!(of_key.len(), 6);
        assert!(of_key.is_sorted(), "order per key is kept");
    }
}

/// A key whose records go to the last of `partitions`.
fn key_of_last(partitions: u32) -> String {
    let key = (0..).map(|i| format!("k{i}"));
    let last = |key: &String| crate::topics::partition(key.as_bytes(), partitions) == partitions - 1;
    key.into_iter().find(last).unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_topic_that_grows_is_read_whole_wherever_the_reader_began() {
    for start in [Start::Earliest, Start::Latest, Start::At(0)] {
        let bus = bus_with("t", 1).await;
        let mut reader = Reader::new(Arc::new(bus.clone()));
        reader.follow("t", move |_| start);
        tokio::time::sleep(Duration::from_secs(1)).await;
        for partitions in [2, 5] {
            bus.grow("t", partitions).unwrap();
            let key = key_of_last(partitions);
            bus.publish("t", vec![record(&key, "at once")]).await.unwrap();
            let delivery = tokio::time::timeout(2 * super::reader::DESCRIBED_EVERY, reader.next()).await;
            let Ok(Delivery::Records { partition, records, .. }) = delivery else { panic!("{delivery:?}") };
            assert_eq!((partition, records.len()), (partitions - 1, 1), "{start:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn partitions_that_a_re_created_topic_has_no_more_are_left() {
    let bus = bus_with("t", 3).await;
    let mut reader = Reader::new(Arc::new(bus.clone()));
    reader.follow("t", |_| Start::Earliest);
    tokio::time::sleep(Duration::from_secs(1)).await;
    bus.delete_topic("t").await.unwrap();
    tokio::time::sleep(Duration::from_secs(60)).await;
    bus.create_topic(spec("t", 1)).await.unwrap();
    tokio::time::sleep(Duration::from_secs(60)).await;
    bus.publish("t", vec![record("k", "0")]).await.unwrap();
    let mut told = Vec::new();
    let records = loop {
        match reader.next().await {
            Delivery::Records { records, .. } => break records,
            delivery => told.push(matches!(delivery, Delivery::Restored { .. })),
        }
    };
    assert_eq!(records.len(), 1);
    assert_eq!(told.last(), Some(&true), "every outage has ended");
    let more = tokio::time::timeout(Duration::from_secs(600), reader.next()).await;
    assert!(more.is_err(), "{more:?}");
}

#[tokio::test(start_paused = true)]
async fn a_lost_position_is_a_resync_and_nothing_is_skipped_silently() {
    let bus = bus_with("t", 1).await;
    for i in 0..10 {
        bus.publish("t", vec![record("k", &i.to_string())]).await.unwrap();
    }
    bus.delete_records("t", 0, 5).unwrap();
    let mut reader = Reader::new(Arc::new(bus.clone()));
    reader.follow("t", |_| Start::At(2));
    assert!(matches!(reader.next().await, Delivery::Resync { lost: 2, from: 5, .. }));
    assert_eq!(collect(&mut reader, 5).await[0].offset, 5);
}

#[tokio::test(start_paused = true)]
async fn an_outage_is_told_once_when_it_begins_and_once_when_it_ends() {
    let bus = bus_with("t", 1).await;
    let mut reader = Reader::new(Arc::new(bus.clone()));
    reader.follow("t", |_| Start::Earliest);
    tokio::time::sleep(Duration::from_secs(1)).await;
    bus.set_available(false);
    assert!(matches!(reader.next().await, Delivery::Outage { .. }));
    assert!(
        tokio::time::timeout(Duration::from_secs(60), reader.next()).await.is_err(),
        "one notice an outage"
    );
    bus.set_available(true);
    assert!(matches!(reader.next().await, Delivery::Restored { .. }));
}

#[tokio::test(start_paused = true)]
async fn a_publisher_keeps_what_must_be_kept_and_counts_what_it_drops() {
    let bus = bus_with("t", 1).await;
    bus.set_available(false);
    let publisher = Publisher::start(Arc::new(bus.clone()), 10);
    publisher.send("t", record("k", "in flight"), Class::Droppable).unwrap();
    tokio::time::sleep(Duration::from_secs(1)).await;
    for i in 0..20 {
        publisher.send("t", record("k", &format!("sample {i}")), Class::Droppable).unwrap();
    }
    for i in 0..10 {
        publisher.send("t", record("k", &format!("ack {i}")), Class::Keep).unwrap();
    }
    assert!(publisher.send("t", record("k", "ack 10"), Class::Keep).is_err(), "refused, not dropped");
    assert_eq!(publisher.counts().dropped, 20);
    assert_eq!(publisher.counts().outages, 1);
    bus.set_available(true);
    publisher.flush().await;
    let fetched = bus
        .fetch(FetchRequest {
            topic: "t".into(),
            partition: 0,
            offset: 0,
            max_bytes: 1 << 20,
            max_wait: Duration::ZERO,
        })
        .await
        .unwrap();
    assert_eq!(fetched.records.len(), 11);
    assert_eq!(publisher.counts().confirmed, 11);
    assert_eq!(publisher.counts().waiting, 0);
}

#[tokio::test(start_paused = true)]
async fn droppable_records_share_calls_and_what_must_be_kept_waits_for_nothing() {
    let bus = bus_with("t", 1).await;
    let publisher = Publisher::start(Arc::new(bus.clone()), 10);
    let sample = |text| publisher.send("t", record("k", text), Class::Droppable).unwrap();
    let begun = Instant::now();
    sample("first");
    publisher.flush().await;
    assert_eq!(begun.elapsed(), Duration::ZERO, "nothing was sent shortly before");
    sample("second");
    sample("third");
    publisher.flush().await;
    assert_eq!(begun.elapsed(), PACE);
    sample("fourth");
    let ack = publisher.send_confirmed("t", record("k", "ack")).unwrap();
    assert_eq!(ack.await.unwrap().unwrap().offset, 4, "what stands before it goes along");
    assert_eq!(begun.elapsed(), PACE);
}

#[tokio::test(start_paused = true)]
async fn a_record_that_is_refused_for_ever_does_not_hold_back_its_neighbours() {
    let bus = bus_with("t", 1).await;
    bus.set_available(false);
    let publisher = Publisher::start(Arc::new(bus.clone()), 10);
    let good = publisher.send_confirmed("t", record("k", "a")).unwrap();
    let huge = publisher.send_confirmed("t", Outgoing::new("k", vec![0; 2 << 20])).unwrap();
    let later = publisher.send_confirmed("t", record("k", "b")).unwrap();
    bus.set_available(true);
    assert_eq!(good.await.unwrap(), Ok(Position { partition: 0, offset: 0 }));
    assert!(matches!(huge.await.unwrap(), Err(BusError::TooLarge { .. })));
    assert_eq!(later.await.unwrap(), Ok(Position { partition: 0, offset: 1 }));
    assert_eq!(publisher.counts().refused, 1);
}

#[tokio::test(start_paused = true)]
async fn a_record_waits_for_a_topic_that_is_made_again_and_holds_back_no_other_topic() {
    let bus = bus_with("other", 1).await;
    let publisher = Publisher::start(Arc::new(bus.clone()), 10);
    let first = publisher.send_confirmed("t", record("k", "a")).unwrap();
    let other = publisher.send_confirmed("other", record("k", "x")).unwrap();
    let second = publisher.send_confirmed("t", record("k", "b")).unwrap();
    let soon = tokio::time::timeout(Duration::from_millis(100), other).await;
    assert_eq!(soon.unwrap().unwrap(), Ok(Position { partition: 0, offset: 0 }));
    tokio::time::sleep(Duration::from_secs(50)).await;
    assert_eq!((publisher.counts().waiting, publisher.counts().refused), (2, 0));
    bus.create_topic(spec("t", 1)).await.unwrap();
    assert_eq!(first.await.unwrap(), Ok(Position { partition: 0, offset: 0 }), "in order");
    assert_eq!(second.await.unwrap(), Ok(Position { partition: 0, offset: 1 }));
    publisher.flush().await;
    assert_eq!(publisher.counts(), Counts { confirmed: 3, ..Counts::default() });
}

#[tokio::test(start_paused = true)]
async fn a_topic_that_does_not_come_is_waited_for_a_minute_for_each_record() {
    let bus = MemoryBus::new();
    let publisher = Publisher::start(Arc::new(bus.clone()), 10);
    let first = publisher.send_confirmed("t", record("k", "a")).unwrap();
    tokio::time::sleep(Duration::from_secs(30)).await;
    let second = publisher.send_confirmed("t", record("k", "b")).unwrap();
    assert!(matches!(first.await.unwrap(), Err(BusError::UnknownTopic { .. })));
    assert_eq!((publisher.counts().waiting, publisher.counts().refused), (1, 1));
    bus.create_topic(spec("t", 1)).await.unwrap();
    assert_eq!(second.await.unwrap(), Ok(Position { partition: 0, offset: 0 }));
    let sent = tokio::time::Instant::now();
    let lost = publisher.send_confirmed("gone", record("k", "c")).unwrap();
    assert!(matches!(lost.await.unwrap(), Err(BusError::UnknownTopic { .. })));
    assert!((60..=63).contains(&sent.elapsed().as_secs()), "{:?}", sent.elapsed());
    publisher.flush().await;
    assert_eq!(publisher.counts(), Counts { confirmed: 1, refused: 2, ..Counts::default() });
}
