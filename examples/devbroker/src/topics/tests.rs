use super::*;
use crate::samples;
use proptest::prelude::*;
use tokio::time::Instant;

fn at(wall_ms: i64) -> Now {
    Now { monotonic: Instant::now(), wall_ms }
}

fn batch(count: usize) -> Batch {
    Batch::check(&samples::plain_batch(count, 1_000)).unwrap()
}

fn config(entries: &[(&str, &str)]) -> TopicConfig {
    TopicConfig::parse(entries.iter().map(|&(name, value)| (name, Some(value)))).unwrap()
}

/// Topics, each with one partition and this configuration, under these limits.
fn topics(limits: &Limits, configs: &[(&str, &[(&str, &str)])]) -> Topics {
    let mut topics = Topics::default();
    for (name, entries) in configs {
        topics.create(name, 1, config(entries), limits).unwrap();
    }
    topics
}

fn held(topics: &Topics) -> usize {
    topics.by_name.values().flat_map(|topic| &topic.partitions).map(|partition| partition.log.bytes()).sum()
}

#[test]
fn only_names_that_kafka_takes_are_legal() {
    let longest = "x".repeat(249);
    for name in ["a", "monitoring_vOp2", "config_vOp-2_north", "A.b-c_9", "...", "__x", &longest] {
        assert!(is_legal_name(name), "{name}");
    }
    let too_long = "x".repeat(250);
    for name in ["", ".", "..", "bad name!", "a/b", "naïve", "a\0", "a\n", &too_long] {
        assert!(!is_legal_name(name), "{name}");
    }
}

#[test]
fn names_that_differ_in_dots_and_underscores_only_collide() {
    let limits = Limits::default();
    let topics = topics(&limits, &[("a.b_c", &[]), ("plain", &[])]);
    let collision = Err(CreateError::Collides("a.b_c".to_owned()));
    assert_eq!(topics.may_create("a_b.c", 1, &limits), collision);
    assert_eq!(topics.may_create("a.b.c", 1, &limits), collision);
    assert_eq!(topics.may_create("a.b_c", 1, &limits), Err(CreateError::Exists));
    assert_eq!(topics.may_create("a.b-c", 1, &limits), Ok(()));
}

#[test]
fn topics_and_partitions_are_bounded() {
    let limits = Limits { topics: 2, partitions: 5, ..Limits::default() };
    let mut topics = topics(&limits, &[("one", &[])]);
    let create = |topics: &mut Topics, name, partitions| {
        topics.create(name, partitions, TopicConfig::default(), &limits)
    };
    let full = |what, limit| Err(CreateError::Limit { what, limit });
    assert_eq!(create(&mut topics, "two", 0), Err(CreateError::NoPartitions));
    assert_eq!(create(&mut topics, "two", 5), full("partitions", 5));
    assert_eq!(create(&mut topics, "two", usize::MAX), full("partitions", 5));
    assert_eq!(create(&mut topics, "two", 4), Ok(()));
    assert_eq!(create(&mut topics, "three", 1), full("topics", 2));
    assert!(topics.delete("two") && !topics.delete("two"));
    assert_eq!(create(&mut topics, "three", 4), Ok(()));
    assert_eq!((topics.len(), topics.partition_count()), (2, 5));
}

#[test]
fn a_full_compacted_topic_refuses_and_loses_nothing() {
    let size = batch(1).len();
    let limits = Limits { partition_bytes: 3 * size, log_bytes: 5 * size, ..Limits::default() };
    let compact: &[_] = &[("cleanup.policy", "compact")];
    let mut topics = topics(&limits, &[("kept", compact), ("also", compact), ("stream", &[])]);
    let mut append = |name, times| {
        let results = (0..times).map(|_| topics.append(name, 0, batch(1), at(0), &limits));
        let outcome = results.map(|result| result.map(|appended| appended.log_start)).collect::<Vec<_>>();
        (outcome, topics.losses(), held(&topics))
    };
    // Compacted topics push the others out, up to the limit over all.
    append("stream", 3);
    let (kept, losses, _) = append("kept", 4);
    assert_eq!(kept, [Ok(0), Ok(0), Ok(0), Err(ResponseError::KafkaStorageError)]);
    assert_eq!((losses.memory.batches, losses.refused_batches), (1, 1));
    let (also, losses, bytes) = append("also", 3);
    assert_eq!(also, [Ok(0), Ok(0), Err(ResponseError::KafkaStorageError)]);
    assert_eq!((losses.memory.batches, losses.refused_batches), (3, 2));
    assert_eq!(bytes, 5 * size);
}

#[test]
fn a_compacted_topic_takes_no_record_without_a_key() {
    let limits = Limits::default();
    let mut topics = topics(&limits, &[("kept", &[("cleanup.policy", "compact")])]);
    let keyless = Batch::check(&samples::batch(&[samples::record(0, 0, None, "v")])).unwrap();
    let refused = topics.append("kept", 0, keyless, at(0), &limits);
    assert_eq!(refused, Err(ResponseError::InvalidRecord));
    assert_eq!(topics.bounds("kept", 0), Ok((0, 0)));
}

#[test]
fn the_fullest_partitions_lose_records_when_all_together_are_too_full() {
    let size = batch(1).len();
    let limits = Limits { log_bytes: 10 * size, ..Limits::default() };
    let mut topics = topics(&limits, &[("a", &[]), ("b", &[])]);
    for _ in 0..3 {
        topics.append("b", 0, batch(1), at(0), &limits).unwrap();
    }
    for _ in 0..20 {
        topics.append("a", 0, batch(1), at(0), &limits).unwrap();
        assert!(topics.bytes() <= limits.log_bytes);
    }
    assert_eq!(topics.bounds("b", 0), Ok((0, 3)), "the small partition is spared");
    assert_eq!(topics.bounds("a", 0), Ok((13, 20)));
    assert_eq!(topics.losses().memory.records, 13);
    assert_eq!(topics.losses().retention, Dropped::default());
}

#[test]
fn the_topics_own_limits_are_kept_size_at_once_and_age_when_looked_to() {
    let limits = Limits::default();
    let size = batch(1).len();
    let bytes = (2 * size).to_string();
    let mut topics = topics(
        &limits,
        &[
            ("small", &[("retention.bytes", &bytes)]),
            ("brief", &[("retention.ms", "5000")]),
            ("kept", &[("retention.ms", "5000"), ("cleanup.policy", "compact")]),
        ],
    );
    for name in ["small", "small", "small", "brief", "kept"] {
        topics.append(name, 0, batch(1), at(2_000), &limits).unwrap();
    }
    assert_eq!(topics.bounds("small", 0), Ok((1, 3)));
    topics.expire(at(6_000));
    assert_eq!(topics.bounds("brief", 0), Ok((0, 1)), "not yet older than 5000 ms");
    topics.expire(at(6_001));
    assert_eq!(topics.bounds("brief", 0), Ok((1, 1)));
    assert_eq!(topics.bounds("kept", 0), Ok((0, 1)));
    assert_eq!(topics.losses().retention.batches, 2);
    assert_eq!(topics.bytes(), held(&topics));
}

#[test]
fn a_repeated_batch_is_answered_and_not_appended() {
    let limits = Limits::default();
    let mut topics = topics(&limits, &[("t", &[])]);
    let mut send = |first, count| {
        let batch = Batch::check(&samples::numbered_batch(4, 0, first, count)).unwrap();
        topics.append("t", 0, batch, at(0), &limits).map(|appended| appended.base_offset)
    };
    assert_eq!([send(0, 3), send(3, 2), send(0, 3), send(3, 2)], [Ok(0), Ok(3), Ok(0), Ok(3)]);
    assert_eq!(send(6, 1), Err(ResponseError::OutOfOrderSequenceNumber));
    assert_eq!(topics.bounds("t", 0), Ok((0, 5)));
}

#[test]
fn the_append_time_is_stamped_where_the_topic_asks_for_it() {
    let limits = Limits::default();
    let stamped: &[_] = &[("message.timestamp.type", "LogAppendTime")];
    let mut topics = topics(&limits, &[("stamped", stamped), ("given", &[])]);
    let mut append = |name| topics.append(name, 0, batch(1), at(77_000), &limits).unwrap().append_time;
    assert_eq!((append("stamped"), append("given")), (Some(77_000), None));
    assert_eq!(topics.first_since("stamped", 0, 77_000), Ok(Some((0, 77_000))));
    assert_eq!(topics.first_since("given", 0, 77_000), Ok(None));
}

#[test]
fn unknown_topics_and_partitions_are_errors_everywhere() {
    let limits = Limits::default();
    let mut topics = topics(&limits, &[("t", &[])]);
    for (name, index) in [("u", 0), ("t", 1), ("t", -1), ("t", i32::MIN)] {
        let unknown = ResponseError::UnknownTopicOrPartition;
        assert_eq!(topics.append(name, index, batch(1), at(0), &limits), Err(unknown));
        assert_eq!(topics.read(name, index, 0, 1, true), Err(unknown));
        assert_eq!(topics.bounds(name, index), Err(unknown));
        assert_eq!(topics.first_since(name, index, 0), Err(unknown));
        assert_eq!(topics.delete_records(name, index, 0), Err(unknown));
    }
}

#[tokio::test]
async fn every_change_wakes_those_who_wait_and_the_gone_are_forgotten() {
    let limits = Limits::default();
    let mut topics = topics(&limits, &[("t", &[])]);
    let waiter = Arc::new(Notify::new());
    for _ in 0..1_000 {
        topics.wait("t", 0, &Arc::new(Notify::new()));
        topics.wait("t", 0, &waiter);
    }
    assert!(topics.by_name["t"].partitions[0].waiters.0.len() <= 2);
    let changes: [fn(&mut Topics, &Limits); 3] = [
        |topics, limits| assert!(topics.append("t", 0, batch(1), at(0), limits).is_ok()),
        |topics, _| assert_eq!(topics.delete_records("t", 0, -1), Ok(1)),
        |topics, _| assert!(topics.delete("t")),
    ];
    for change in changes {
        topics.wait("t", 0, &waiter);
        change(&mut topics, &limits);
        waiter.notified().await;
    }
}

#[derive(Debug, Clone)]
enum Step {
    Append { topic: usize, count: usize },
    DeleteRecords { topic: usize, offset: i64 },
    Delete { topic: usize },
    Expire { wall_ms: i64 },
}

proptest! {
    /// The books are right and the bounds hold after every step.
    #[test]
    fn held_bytes_are_counted_exactly_and_never_exceed_the_limits(steps in prop::collection::vec(prop_oneof![
        6 => (0usize..3, 1usize..6).prop_map(|(topic, count)| Step::Append { topic, count }),
        1 => (0usize..3, -2i64..50).prop_map(|(topic, offset)| Step::DeleteRecords { topic, offset }),
        1 => (0usize..3).prop_map(|topic| Step::Delete { topic }),
        1 => (0i64..20_000).prop_map(|wall_ms| Step::Expire { wall_ms }),
    ], 0..60)) {
        let limits = Limits { partition_bytes: 1_000, log_bytes: 1_800, ..Limits::default() };
        let kinds: [(&str, &[(&str, &str)]); 3] = [
            ("small", &[("retention.bytes", "400"), ("retention.ms", "3000")]),
            ("kept", &[("cleanup.policy", "compact")]),
            ("plain", &[]),
        ];
        let mut topics = topics(&limits, &kinds);
        for step in steps {
            match step {
                Step::Append { topic, count } => {
                    let _ = topics.append(kinds[topic].0, 0, batch(count), at(10_000), &limits);
                }
                Step::DeleteRecords { topic, offset } => {
                    let _ = topics.delete_records(kinds[topic].0, 0, offset);
                }
                Step::Delete { topic } => {
                    let (name, entries) = kinds[topic];
                    prop_assert!(topics.delete(name));
                    topics.create(name, 1, config(entries), &limits).unwrap();
                }
                Step::Expire { wall_ms } => topics.expire(at(wall_ms)),
            }
            prop_assert_eq!(topics.bytes(), held(&topics));
            prop_assert!(topics.bytes() <= limits.log_bytes);
            for topic in topics.by_name.values() {
                prop_assert!(topic.partitions[0].log.bytes() <= limits.partition_bytes);
            }
        }
    }
}
