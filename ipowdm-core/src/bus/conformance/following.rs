//! What is built on a bus: reader and publisher.

use super::*;
use crate::bus::Position;
use crate::bus::publisher::{Class, Publisher};
use crate::bus::reader::{Delivery, Reader, Start};
use std::vec;
use tokio::time::{sleep, timeout};

/// The next delivery, soon.
pub(super) async fn next(reader: &mut Reader) -> Result<Delivery, Violation> {
    timeout(LONG_WAIT, reader.next()).await.map_err(|_| Violation("nothing delivered".to_string()))
}

/// Collects records until there are `count`; other deliveries are handed to `other`.
pub(super) async fn collect(
    reader: &mut Reader,
    count: usize,
    mut other: impl FnMut(Delivery),
) -> Result<Vec<Record>, Violation> {
    let mut all = Vec::new();
    while all.len() < count {
        match next(reader).await? {
            Delivery::Records { records, .. } => all.extend(records),
            delivery => other(delivery),
        }
    }
    Ok(all)
}

pub(super) async fn a_reader_waits_for_its_topic_and_sees_every_record_in_order(stage: &Stage) -> Verdict {
    let name = stage.name("t");
    let mut reader = Reader::new(Arc::clone(&stage.bus));
    reader.follow(&name, |_| Start::Earliest);
    let first = next(&mut reader).await?;
    rule(matches!(first, Delivery::Outage { error: BusError::UnknownTopic { .. }, .. }), || {
        format!("{first:?} instead of an unknown topic")
    })?;
    stage.bus.create_topic(spec(&name, 3, &[])).await?;
    for i in 0..30 {
        stage.bus.publish(&name, vec![record(&format!("k{}", i % 5), &format!("{i:02}"))]).await?;
    }
    let mut others = Vec::new();
    let found = collect(&mut reader, 30, |other| others.push(other)).await?;
    rule(others.iter().all(|other| matches!(other, Delivery::Restored { .. })), || format!("{others:?}"))?;
    for key in 0..5 {
        let name = format!("k{key}");
        let of_key: Vec<Record> =
            found.iter().filter(|r| r.key.as_deref() == Some(name.as_bytes())).cloned().collect();
        let wanted = (0..6).map(|i| format!("{:02}", i * 5 + key)).collect();
        same(&name, values(&of_key), wanted)?;
    }
    Ok(())
}

pub(super) async fn a_reader_from_the_end_sees_only_what_comes_later(stage: &Stage) -> Verdict {
    let name = stage.topic("t", 1).await?;
    stage.publish_each(&name, &["old"]).await?;
    let mut reader = Reader::new(Arc::clone(&stage.bus));
    reader.follow(&name, |_| Start::Latest);
    let publishing = async {
        // The reader has no sign for "at the end now": publish until it is.
        for i in 0.. {
            stage.publish_each(&name, &[&format!("new {i}")]).await?;
            sleep(Duration::from_millis(100)).await;
        }
        Ok(())
    };
    let found = tokio::select! {
        found = collect(&mut reader, 2, |_| {}) => found?,
        failed = publishing => return failed,
    };
    rule(values(&found).iter().all(|value| value.starts_with("new")), || format!("{:?}", values(&found)))?;
    let consecutive = found.windows(2).all(|pair| matches!(pair, [a, b] if b.offset == a.offset + 1));
    rule(consecutive, || format!("{found:?}"))
}

pub(super) async fn a_reader_at_a_lost_position_is_told_to_resync(stage: &Stage) -> Verdict {
    let name = stage.topic("t", 1).await?;
    stage.publish_each(&name, &["0", "1", "2", "3"]).await?;
    let mut reader = Reader::new(Arc::clone(&stage.bus));
    reader.follow(&name, |_| Start::At(2));
    let found = collect(&mut reader, 2, |_| {}).await?;
    same("values", values(&found), vec!["2".to_string(), "3".to_string()])?;
    same("deletion", stage.bus.delete_topic(&name).await?, true)?;
    stage.bus.create_topic(spec(&name, 1, &[])).await?;
    stage.publish_each(&name, &["new 0", "new 1"]).await?;
    let mut resyncs = Vec::new();
    let found = collect(&mut reader, 2, |other| {
        if let Delivery::Resync { lost, from, .. } = other {
            resyncs.push((lost, from));
        }
    })
    .await?;
    same("resyncs (lost, from)", resyncs, vec![(4, 0)])?;
    same("values", values(&found), vec!["new 0".to_string(), "new 1".to_string()])
}

pub(super) async fn a_reader_sees_the_partitions_that_a_re_created_topic_has_more(stage: &Stage) -> Verdict {
    let name = stage.topic("t", 1).await?;
    let old: Vec<String> = (0..12).map(|i| format!("old {i:02}")).collect();
    stage.bus.publish(&name, old.iter().map(|value| record("k", value)).collect()).await?;
    let mut reader = Reader::new(Arc::clone(&stage.bus));
    reader.follow(&name, |_| Start::Earliest);
    same("values", values(&collect(&mut reader, 12, |_| {}).await?), old)?;
    same("deletion", stage.bus.delete_topic(&name).await?, true)?;
    stage.bus.create_topic(spec(&name, 3, &[])).await?;
    // Fewer records than the old topic had, so that the lost position is beyond the end of each partition.
    for i in 0..10 {
        stage.bus.publish(&name, vec![record(&format!("k{i}"), &format!("new {i}"))]).await?;
    }
    let mut found = values(&collect(&mut reader, 10, |_| {}).await?);
    found.sort();
    same("values", found, (0..10).map(|i| format!("new {i}")).collect())
}

/// A consumer that has stopped reading leaves what it has not read in the log, and holds nobody back.
pub(super) async fn a_reader_that_nobody_reads_from_delays_nobody_and_misses_nothing(
    stage: &Stage,
) -> Verdict {
    // More than a reader keeps, also in a large answer of the broker.
    const CALLS: usize = 60;
    const EACH: usize = 4;
    let name = stage.topic("t", 1).await?;
    let mut slow = Reader::new(Arc::clone(&stage.bus));
    slow.follow(&name, |_| Start::Earliest);
    stage.publish_each(&name, &["first"]).await?;
    same("first", values(&collect(&mut slow, 1, |_| {}).await?), vec!["first".to_string()])?;
    let mut quick = Reader::new(Arc::clone(&stage.bus));
    quick.follow(&name, |_| Start::Earliest);
    let large = "x".repeat(20_000);
    for call in 0..CALLS {
        let of_call = (0..EACH).map(|n| record("k", &format!("{} {large}", call * EACH + n))).collect();
        let publishing = stage.bus.publish(&name, of_call);
        timeout(SOON, publishing).await.map_err(|_| Violation("a publish was held back".to_string()))??;
    }
    let numbers = |records: &[Record]| {
        values(records)
            .iter()
            .filter_map(|value| value.split(' ').next()?.parse().ok())
            .collect::<Vec<usize>>()
    };
    let all: Vec<usize> = (0..CALLS * EACH).collect();
    let seen = timeout(SOON, collect(&mut quick, all.len() + 1, |_| {})).await;
    let seen = seen.map_err(|_| Violation("a reader was held back by another".to_string()))??;
    same("of the quick one", numbers(&seen), all.clone())?;
    same("of the slow one", numbers(&collect(&mut slow, all.len(), |_| {}).await?), all)
}

pub(super) async fn a_publisher_confirms_all_in_order(stage: &Stage) -> Verdict {
    let name = stage.topic("t", 1).await?;
    let publisher = Publisher::start(Arc::clone(&stage.bus), 5000);
    for i in 0..2000 {
        publisher.send(&name, record("k", &format!("{i:04}")), Class::Keep)?;
    }
    let last = publisher.send_confirmed(&name, record("k", "last"))?;
    timeout(LONG_WAIT, publisher.flush()).await.map_err(|_| Violation("flush does not end".to_string()))?;
    let last = last.await.map_err(|_| Violation("the confirmation was dropped".to_string()))??;
    same("last position", last, Position { partition: 0, offset: 2000 })?;
    same("confirmed", publisher.counts().confirmed, 2001)?;
    same("waiting", publisher.counts().waiting, 0)?;
    let found = values(&stage.read(&name, 0, 2001).await?);
    same("records", found.len(), 2001)?;
    rule(found.is_sorted(), || "not in order".to_string())
}

pub(super) async fn a_publisher_refuses_only_what_the_bus_refuses(stage: &Stage) -> Verdict {
    let name = stage.topic("t", 1).await?;
    let publisher = Publisher::start(Arc::clone(&stage.bus), 10);
    let good = publisher.send_confirmed(&name, record("k", "a"))?;
    let huge = publisher.send_confirmed(&name, Outgoing::new("k", vec![0; 2 << 20]))?;
    let later = publisher.send_confirmed(&name, record("k", "b"))?;
    let closed = |_| Violation("a confirmation was dropped".to_string());
    let huge = huge.await.map_err(closed)?;
    rule(matches!(huge, Err(BusError::TooLarge { .. })), || format!("{huge:?}"))?;
    let (good, later) = (good.await.map_err(closed)??, later.await.map_err(closed)??);
    rule(later.offset > good.offset, || format!("{good:?} and {later:?}"))?;
    same("refused", publisher.counts().refused, 1)?;
    same("values", values(&stage.read(&name, 0, 2).await?), vec!["a".to_string(), "b".to_string()])
}
