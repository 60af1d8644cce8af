//! The client against a scripted cluster. What one broker can show is tested over the development broker.

pub(super) mod fake;

use super::*;
use crate::bus::BusError;
use fake::{Fake, TOPIC};
use std::collections::BTreeMap;
use std::string::ToString;
use std::time::Duration;
use std::vec;
use tokio::time::{Instant, timeout};

const PATIENT: Duration = Duration::from_secs(10);
const HASTY: Duration = Duration::from_millis(600);

fn record() -> Vec<Outgoing> {
    vec![Outgoing::new("k", "v")]
}

fn reason(error: &BusError) -> &str {
    match error {
        BusError::Unavailable { reason, .. } => reason,
        other => panic!("{other}"),
    }
}

#[tokio::test]
async fn publishing_follows_the_leader_when_it_moves() {
    let fake = Fake::start(3).await;
    let bus = fake.bus(PATIENT);
    for (leader, offset) in [(0, 0), (2, 1), (1, 2)] {
        fake.state().leader = Some(leader);
        let positions = bus.publish(TOPIC, record()).await.unwrap();
        assert_eq!(positions, [Position { partition: 0, offset }]);
    }
    assert_eq!(fake.state().appended, [0, 2, 1]);
}

#[tokio::test]
async fn a_moment_without_leader_is_waited_out() {
    let fake = Fake::start(1).await;
    fake.state().leader = None;
    let bus = fake.bus(PATIENT);
    let (published, ()) = tokio::join!(bus.publish(TOPIC, record()), async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        fake.state().leader = Some(0);
    });
    assert_eq!(published.unwrap().len(), 1);
}

#[tokio::test]
async fn without_leader_every_operation_ends_at_its_deadline() {
    let fake = Fake::start(1).await;
    fake.state().leader = None;
    let bus = fake.bus(HASTY);
    let began = Instant::now();
    let error = bus.publish(TOPIC, record()).await.unwrap_err();
    assert!(reason(&error).contains("no leader"), "{error}");
    let error = bus.bounds(TOPIC, 0).await.unwrap_err();
    assert!(reason(&error).contains("no leader"), "{error}");
    assert!(began.elapsed() < 4 * HASTY);
}

#[tokio::test]
async fn brokers_that_disagree_about_the_leader_do_not_make_it_loop() {
    let fake = Fake::start(2).await;
    fake.state().believed_leader = Some(1);
    let bus = fake.bus(HASTY);
    let error = bus.publish(TOPIC, record()).await.unwrap_err();
    assert!(reason(&error).contains("NotLeaderOrFollower"), "{error}");
    let asked = fake.state().asked.clone();
    assert!(asked[&0] < 12, "paused between attempts: {asked:?}");
    assert!(fake.state().appended.is_empty());
}

#[tokio::test]
async fn a_topic_that_only_some_brokers_have_heard_of_is_found() {
    let fake = Fake::start(2).await;
    let bus = fake.bus(PATIENT);
    // The brokers become known first; then whichever is asked, the other one has heard of it.
    bus.topics().await.unwrap();
    for ignorant in [0, 1] {
        fake.state().ignorant = [ignorant].into();
        bus.cluster.doubt_topic(TOPIC);
        assert_eq!(bus.publish(TOPIC, record()).await.unwrap().len(), 1, "{ignorant} is ignorant");
    }
    fake.state().ignorant = [0, 1].into();
    bus.cluster.doubt_topic(TOPIC);
    let error = bus.publish(TOPIC, record()).await.unwrap_err();
    assert_eq!(error, BusError::UnknownTopic { topic: TOPIC.to_string(), partition: 0 });
}

#[tokio::test]
async fn topics_are_created_at_the_controller_also_when_it_moves() {
    let fake = Fake::start(3).await;
    let bus = fake.bus(PATIENT);
    for controller in [0, 2, 1] {
        fake.state().controller = controller;
        let spec = TopicSpec { name: TOPIC.into(), partitions: 1, replication: 2, configs: BTreeMap::new() };
        assert_eq!(bus.create_topic(spec).await.unwrap(), Created::New);
    }
    let created: Vec<usize> = fake.state().created.iter().map(|(broker, _)| *broker).collect();
    assert_eq!(created, [0, 2, 1]);
}

#[tokio::test]
async fn a_quotas_pause_is_obeyed_and_nothing_is_sent_twice() {
    let fake = Fake::start(1).await;
    fake.state().throttle_ms = 400;
    let bus = fake.bus(PATIENT);
    let began = Instant::now();
    for _ in 0..3 {
        bus.publish(TOPIC, record()).await.unwrap();
    }
    assert_eq!(fake.state().appended.len(), 3);
    // Two pauses: the third is for the publish after this.
    assert!(began.elapsed() >= Duration::from_millis(800), "{:?}", began.elapsed());
    // Other traffic has quotas of its own.
    let began = Instant::now();
    bus.topics().await.unwrap();
    assert!(began.elapsed() < Duration::from_millis(200));
}

#[tokio::test]
async fn a_pause_beyond_the_deadline_is_unavailable_and_nothing_is_sent() {
    let fake = Fake::start(1).await;
    fake.state().throttle_ms = 20_000;
    let bus = fake.bus(HASTY);
    bus.publish(TOPIC, record()).await.unwrap();
    let error = bus.publish(TOPIC, record()).await.unwrap_err();
    assert!(reason(&error).contains("quota"), "{error}");
    assert_eq!(fake.state().appended.len(), 1);
}

#[tokio::test]
async fn one_silent_broker_of_three_does_not_hide_the_cluster() {
    let fake = Fake::start(3).await;
    fake.state().silent = [1].into();
    let bus = fake.bus(Duration::from_secs(3));
    for _ in 0..3 {
        // The broker asked first takes turns, so it is the silent one's at least once.
        bus.cluster.doubt_topic(TOPIC);
        assert_eq!(bus.publish(TOPIC, record()).await.unwrap().len(), 1);
    }
    assert_eq!(fake.state().appended, [0, 0, 0]);
}

#[tokio::test]
async fn a_silent_leader_is_unavailable_and_the_next_publish_finds_the_new_one() {
    let fake = Fake::start(2).await;
    let bus = fake.bus(Duration::from_secs(1));
    bus.publish(TOPIC, record()).await.unwrap();
    fake.state().silent = [0].into();
    let error = bus.publish(TOPIC, record()).await.unwrap_err();
    assert!(reason(&error).contains("did not answer Produce in time"), "{error}");
    fake.state().leader = Some(1);
    bus.publish(TOPIC, record()).await.unwrap();
    assert_eq!(fake.state().appended, [0, 1]);
}

#[tokio::test]
async fn garbage_in_place_of_answers_is_unavailable_and_the_bus_recovers() {
    let fake = Fake::start(1).await;
    let bus = fake.bus(HASTY);
    for garbage in [
        vec![0x7f, 0xff, 0xff, 0xff, 1, 2, 3],
        vec![0xff, 0xff, 0xff, 0xff],
        vec![0, 0, 0, 0],
        vec![0, 0, 0, 2, 1, 2],
        vec![0, 0, 0, 10, 0, 0, 0, 1, 0, 0, 0x7f, 0xff, 0xff, 0xff],
        b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec(),
        Vec::new(),
    ] {
        fake.state().garbage = Some(garbage.clone());
        let outcome = timeout(PATIENT, bus.publish(TOPIC, record())).await.unwrap();
        assert!(matches!(outcome, Err(BusError::Unavailable { .. })), "{garbage:?}: {outcome:?}");
        fake.state().garbage = None;
        bus.publish(TOPIC, record()).await.unwrap();
    }
    assert_eq!(fake.state().appended.len(), 7);
}

#[tokio::test]
async fn a_dropped_call_leaves_no_connection_with_an_answer_under_way() {
    let fake = Fake::start(1).await;
    let bus = fake.bus(PATIENT);
    bus.publish(TOPIC, record()).await.unwrap();
    fake.state().silent = [0].into();
    timeout(Duration::from_millis(100), bus.publish(TOPIC, record())).await.unwrap_err();
    fake.state().silent.clear();
    assert_eq!(bus.counts().waiting, 0);
    assert_eq!(bus.publish(TOPIC, record()).await.unwrap(), [Position { partition: 0, offset: 1 }]);
}

#[tokio::test]
async fn connections_are_reused_and_counted() {
    let fake = Fake::start(1).await;
    let bus = fake.bus(PATIENT);
    for _ in 0..20 {
        bus.publish(TOPIC, record()).await.unwrap();
    }
    let counts = bus.counts();
    assert_eq!((counts.connects, counts.waiting, counts.failures), (1, 1, 0));
    // Produce: 20; metadata and versions: once.
    assert_eq!(fake.state().asked, BTreeMap::from([(0, 20), (3, 1), (18, 1)]));
}

#[tokio::test]
async fn one_time_out_condemns_all_waiting_connections_to_that_broker() {
    let fake = Fake::start(1).await;
    let bus = fake.bus(HASTY);
    let both = tokio::join!(bus.publish(TOPIC, record()), bus.publish(TOPIC, record()));
    assert!(both.0.is_ok() && both.1.is_ok());
    assert_eq!(bus.counts().waiting, 2, "one for each of two concurrent calls");
    fake.state().silent = [0].into();
    bus.publish(TOPIC, record()).await.unwrap_err();
    assert_eq!(bus.counts().waiting, 0);
}

#[tokio::test]
async fn creation_and_deletion_return_when_the_brokers_have_heard_of_it() {
    const LAG: Duration = Duration::from_millis(400);
    let fake = Fake::start(1).await;
    let bus = fake.bus(PATIENT);
    for ignorant in [true, false] {
        fake.state().ignorant = if ignorant { [0].into() } else { Default::default() };
        let began = Instant::now();
        let operation = async {
            if ignorant {
                let (name, configs) = (TOPIC.to_string(), BTreeMap::new());
                let spec = TopicSpec { name, partitions: 1, replication: 2, configs };
                assert_eq!(bus.create_topic(spec).await, Ok(Created::New));
            } else {
                assert_eq!(bus.delete_topic(TOPIC).await, Ok(true));
            }
            began.elapsed()
        };
        let (took, ()) = tokio::join!(operation, async {
            tokio::time::sleep(LAG).await;
            fake.state().ignorant = if ignorant { Default::default() } else { [0].into() };
        });
        assert!(took >= LAG, "ignorant: {ignorant}, took {took:?}");
    }
}

#[cfg(feature = "administration")]
#[tokio::test]
async fn a_broker_that_speaks_of_no_administration_says_so_at_once() {
    use crate::bus::TopicChange;
    use crate::bus::quota::Quota;
    let fake = Fake::start(2).await;
    let bus = fake.bus(Duration::from_secs(5));
    let quotas = bus.quotas().unwrap();
    let limit = Quota { publish_bytes: 1.try_into().ok(), ..Quota::default() };
    let outcomes = [
        bus.alter_topic(TOPIC, TopicChange { partitions: Some(3), ..TopicChange::default() }).await.err(),
        quotas.set_quotas([("u".to_string(), limit)].into()).await.err(),
        quotas.quotas_of(vec!["u".to_string()]).await.err(),
    ];
    for outcome in outcomes {
        assert!(matches!(outcome, Some(BusError::Unsupported { .. })), "{outcome:?}");
    }
}
