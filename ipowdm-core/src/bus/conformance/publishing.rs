//! Publishing: positions, partitions, order, limits.

use super::*;
use crate::bus::Position;
use std::collections::BTreeSet;
use std::vec;

pub(super) async fn positions_are_answered_in_the_order_given(stage: &Stage) -> Verdict {
    let name = stage.topic("t", 4).await?;
    let records: Vec<Outgoing> =
        (0..40).map(|i| record(&format!("key {}", i % 7), &format!("{i}"))).collect();
    let positions = stage.bus.publish(&name, records.clone()).await?;
    same("positions", positions.len(), records.len())?;
    for (partition, count) in count_by_partition(&positions) {
        let read = stage.read(&name, partition, count).await?;
        for found in read {
            let place = Position { partition, offset: found.offset };
            let index = positions.iter().position(|position| *position == place);
            let sent = index.and_then(|index| records.get(index));
            same("value at a position", sent.map(|sent| &sent.value), Some(&found.value))?;
        }
    }
    Ok(())
}

fn count_by_partition(positions: &[Position]) -> BTreeMap<u32, usize> {
    let mut counts = BTreeMap::new();
    for position in positions {
        *counts.entry(position.partition).or_insert(0) += 1;
    }
    counts
}

/// Keys and Java's hashes of them (`UtilsTest.testMurmur2` of Apache Kafka).
const JAVA: [(&str, i32); 6] = [
    ("21", -973_932_308),
    ("foobar", -790_332_482),
    ("a-little-bit-long-string", -985_981_536),
    ("a-little-bit-longer-string", -1_486_304_829),
    ("lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58_897_971),
    ("abc", 479_470_107),
];

pub(super) async fn keys_go_to_the_partition_that_java_computes(stage: &Stage) -> Verdict {
    const PARTITIONS: u32 = 7;
    let name = stage.topic("t", PARTITIONS).await?;
    let records = JAVA.iter().map(|(key, _)| record(key, key)).collect();
    let positions = stage.bus.publish(&name, records).await?;
    for ((key, hash), position) in JAVA.iter().zip(positions) {
        // BuiltInPartitioner.partitionForKey: the hash without its sign, modulo the partitions.
        let wanted = (hash.cast_unsigned() & 0x7fff_ffff) % PARTITIONS;
        same(key, position.partition, wanted)?;
        let there = stage.fetch(&name, wanted, position.offset, SOON).await?;
        same("key found", there.records.first().and_then(|r| r.key.clone()), Some(key.as_bytes().into()))?;
    }
    Ok(())
}

pub(super) async fn the_order_of_a_key_is_kept_across_calls_and_in_large_ones(stage: &Stage) -> Verdict {
    let name = stage.topic("t", 1).await?;
    let mut wanted = Vec::new();
    // Small and large in turn: a small record must not overtake a large one where a batch is full.
    for call in 0..3 {
        let records: Vec<Outgoing> = (0..600)
            .map(|i| {
                let value = format!("{call} {i} {}", "x".repeat(if i % 3 == 0 { 6000 } else { 10 }));
                wanted.push(value.clone());
                record("k", &value)
            })
            .collect();
        stage.bus.publish(&name, records).await?;
    }
    let found = values(&stage.read(&name, 0, wanted.len()).await?);
    let differs = found.iter().zip(&wanted).position(|(found, wanted)| found != wanted);
    same("first record out of order", differs, None)?;
    same("records", found.len(), wanted.len())
}

pub(super) async fn tombstones_empty_values_and_absent_keys_stay_apart(stage: &Stage) -> Verdict {
    let name = stage.topic("t", 1).await?;
    let sent = vec![
        Outgoing { key: Some("k".into()), value: None },
        Outgoing { key: Some("k".into()), value: Some("".into()) },
        Outgoing { key: None, value: Some("v".into()) },
        Outgoing { key: Some("".into()), value: Some((0..=255).collect::<Vec<u8>>().into()) },
        Outgoing { key: None, value: None },
    ];
    stage.bus.publish(&name, sent.clone()).await?;
    let found = stage.read(&name, 0, sent.len()).await?;
    let found: Vec<Outgoing> =
        found.into_iter().map(|found| Outgoing { key: found.key, value: found.value }).collect();
    same("records", found, sent)
}

pub(super) async fn a_record_beyond_the_limit_is_refused_and_the_next_is_not(stage: &Stage) -> Verdict {
    let name = stage.topic("t", 1).await?;
    for size in [2 << 20, 20 << 20] {
        let outcome = stage.bus.publish(&name, vec![Outgoing::new("k", vec![b'x'; size])]).await;
        let refused = matches!(&outcome, Err(BusError::TooLarge { topic, size: told }) if *topic == name && *told > size);
        rule(refused, || format!("{size} bytes: {outcome:?}"))?;
    }
    let large = Outgoing::new("k", vec![b'x'; 1_000_000]);
    let positions = stage.bus.publish(&name, vec![large.clone(), record("k", "small")]).await?;
    same("offsets", positions.iter().map(|p| p.offset).collect::<Vec<_>>(), vec![0, 1])?;
    let found = stage.read(&name, 0, 2).await?;
    same("large record", found.first().map(|found| found.value.clone()), Some(large.value))
}

pub(super) async fn a_topic_of_small_batches_takes_a_large_call(stage: &Stage) -> Verdict {
    let name = stage.topic_with("t", 1, &[("max.message.bytes", "20000")]).await?;
    let sent: Vec<Outgoing> = (0..40).map(|i| record("k", &format!("{i} {}", "x".repeat(4000)))).collect();
    let positions = stage.bus.publish(&name, sent.clone()).await?;
    same("offsets", positions.iter().map(|p| p.offset).collect::<Vec<_>>(), (0..40).collect())?;
    let found = stage.read(&name, 0, sent.len()).await?;
    let out_of_order = found.iter().zip(&sent).position(|(found, sent)| found.value != sent.value);
    same("first record out of order", out_of_order, None)
}

pub(super) async fn concurrent_publishers_lose_nothing_and_keep_their_order(stage: &Stage) -> Verdict {
    const PUBLISHERS: usize = 12;
    const EACH: usize = 40;
    let name = stage.topic("t", 3).await?;
    let mut tasks = tokio::task::JoinSet::new();
    for publisher in 0..PUBLISHERS {
        let (bus, name) = (Arc::clone(&stage.bus), name.clone());
        tasks.spawn(async move {
            let key = format!("publisher {publisher}");
            let mut positions = Vec::new();
            for i in 0..EACH {
                positions.extend(bus.publish(&name, vec![record(&key, &format!("{i:03}"))]).await?);
            }
            Ok::<_, BusError>((key, positions))
        });
    }
    let mut all = BTreeSet::new();
    let mut keys = Vec::new();
    while let Some(joined) = tasks.join_next().await {
        let (key, positions) = joined.map_err(|error| Violation(error.to_string()))??;
        rule(positions.is_sorted(), || format!("positions of {key} run back"))?;
        all.extend(positions);
        keys.push(key);
    }
    same("distinct positions", all.len(), PUBLISHERS * EACH)?;
    let mut read = Vec::new();
    for (partition, count) in count_by_partition(&all.into_iter().collect::<Vec<_>>()) {
        read.extend(stage.read(&name, partition, count).await?);
    }
    for key in keys {
        let of_key: Vec<Record> =
            read.iter().filter(|r| r.key.as_deref() == Some(key.as_bytes())).cloned().collect();
        same(&key, values(&of_key), (0..EACH).map(|i| format!("{i:03}")).collect())?;
    }
    Ok(())
}

pub(super) async fn times_never_run_back_under_log_append_time(stage: &Stage) -> Verdict {
    let name = stage.topic_with("t", 1, &[("message.timestamp.type", "LogAppendTime")]).await?;
    for i in 0..20 {
        stage.bus.publish(&name, vec![record("k", &format!("{i}")), record("k", "pair")]).await?;
        tokio::time::sleep(Duration::from_millis(3)).await;
    }
    let found = stage.read(&name, 0, 40).await?;
    let times: Vec<i64> = found.iter().map(|record| record.timestamp_ms).collect();
    rule(times.is_sorted(), || format!("times run back: {times:?}"))?;
    let span = times.last().zip(times.first()).map_or(0, |(last, first)| last - first);
    rule(span >= 19 * 3, || format!("times stand still: {times:?}"))?;
    let pairs_differ = times.chunks(2).filter(|pair| pair.first() != pair.last()).count();
    same("batches with more than one log-append time", pairs_differ, 0)
}
