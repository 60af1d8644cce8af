//! Fetching: positions, waiting, the ends of the log.

use super::*;
use crate::bus::Bounds;
use tokio::time::{Instant, sleep, timeout};

pub(super) async fn a_fetch_begins_at_the_position_asked_for(stage: &Stage) -> Verdict {
    let name = stage.topic("t", 1).await?;
    // One call, so that the positions asked for lie inside what was appended at once.
    let sent = (0..10).map(|i| record("k", &i.to_string())).collect();
    stage.bus.publish(&name, sent).await?;
    for from in [0, 4, 9] {
        let fetched = stage.fetch(&name, 0, from, SOON).await?;
        let offsets: Vec<i64> = fetched.records.iter().map(|record| record.offset).collect();
        same("offsets", offsets, (from..10).collect())?;
        same("values", values(&fetched.records), (from..10).map(|i| i.to_string()).collect())?;
        same("next", fetched.next, 10)?;
        same("resume", fetched.resume, 10)?;
    }
    Ok(())
}

/// Text in which nothing comes twice, so that a bus that compresses makes it no smaller.
fn without_repetition(length: usize) -> String {
    let mut state = 1_u32;
    let mut letter = || {
        // xorshift32
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        char::from(b'!' + u8::try_from(state % 94).unwrap_or_default())
    };
    (0..length).map(|_| letter()).collect()
}

pub(super) async fn a_fetch_answers_a_record_larger_than_it_asked_for(stage: &Stage) -> Verdict {
    let name = stage.topic("t", 1).await?;
    let large = without_repetition(100_000);
    stage.publish_each(&name, &[&large, &large]).await?;
    let topic = name.clone();
    let request = FetchRequest { topic, partition: 0, offset: 0, max_bytes: 1000, max_wait: SOON };
    let fetched = stage.bus.fetch(request).await?;
    same("records", fetched.records.len(), 1)?;
    same("resume", fetched.resume, 1)?;
    same("next", fetched.next, 2)
}

pub(super) async fn positions_carry_on_from_fetch_to_fetch(stage: &Stage) -> Verdict {
    let name = stage.topic("t", 1).await?;
    let value = "x".repeat(10_000);
    for _ in 0..20 {
        stage.bus.publish(&name, (0..5).map(|_| record("k", &value)).collect()).await?;
    }
    let mut offset = 0;
    let mut seen = Vec::new();
    while offset < 100 {
        let topic = name.clone();
        let request = FetchRequest { topic, partition: 0, offset, max_bytes: 120_000, max_wait: SOON };
        let fetched = stage.bus.fetch(request).await?;
        rule(fetched.resume > offset, || format!("no progress at {offset}"))?;
        seen.extend(fetched.records.iter().map(|record| record.offset));
        offset = fetched.resume;
    }
    same("offsets", seen, (0..100).collect())
}

pub(super) async fn an_empty_fetch_returns_after_its_wait(stage: &Stage) -> Verdict {
    let name = stage.topic("t", 1).await?;
    stage.publish_each(&name, &["a"]).await?;
    for wait in [Duration::ZERO, Duration::from_millis(300)] {
        let began = Instant::now();
        let fetched = timeout(SOON, stage.fetch(&name, 0, 1, wait)).await;
        let fetched = fetched.map_err(|_| Violation(format!("no return after a wait of {wait:?}")))??;
        same("fetched", fetched, Fetched { records: Vec::new(), next: 1, resume: 1 })?;
        // Brokers count milliseconds on clocks of their own.
        let waited = began.elapsed() + Duration::from_millis(50);
        rule(waited >= wait, || format!("returned after {waited:?} of {wait:?}"))?;
    }
    Ok(())
}

pub(super) async fn a_waiting_fetch_is_woken_by_a_record(stage: &Stage) -> Verdict {
    let name = stage.topic("t", 1).await?;
    let began = Instant::now();
    let (fetched, published) = tokio::join!(stage.fetch(&name, 0, 0, LONG_WAIT), async {
        sleep(Duration::from_millis(500)).await;
        stage.publish_each(&name, &["wake up"]).await
    });
    published?;
    same("values", values(&fetched?.records), Vec::from(["wake up".to_string()]))?;
    rule(began.elapsed() < SOON, || format!("woken after {:?}", began.elapsed()))
}

pub(super) async fn a_position_outside_the_log_is_answered_with_its_ends(stage: &Stage) -> Verdict {
    let name = stage.topic("t", 1).await?;
    stage.publish_each(&name, &["a", "b", "c"]).await?;
    for offset in [-1, 4, i64::MAX] {
        let wanted =
            BusError::OffsetOutOfRange { topic: name.clone(), partition: 0, offset, earliest: 0, next: 3 };
        same("fetch", stage.fetch(&name, 0, offset, Duration::ZERO).await, Err(wanted))?;
    }
    let at_end = stage.fetch(&name, 0, 3, Duration::ZERO).await?;
    same("records at the end", at_end.records.len(), 0)
}

pub(super) async fn the_ends_of_the_log_follow_what_is_published(stage: &Stage) -> Verdict {
    let name = stage.topic("t", 2).await?;
    same("empty", stage.bus.bounds(&name, 0).await?, Bounds { earliest: 0, next: 0 })?;
    let keyless = |value: &'static str| Outgoing { key: None, value: Some(value.into()) };
    stage.bus.publish(&name, Vec::from([keyless("a"), keyless("b")])).await?;
    same("after two records", stage.bus.bounds(&name, 0).await?, Bounds { earliest: 0, next: 2 })?;
    same("other partition", stage.bus.bounds(&name, 1).await?, Bounds { earliest: 0, next: 0 })
}

pub(super) async fn ten_waiting_fetches_delay_neither_each_other_nor_a_publish(stage: &Stage) -> Verdict {
    let name = stage.topic("t", 1).await?;
    let mut fetches = tokio::task::JoinSet::new();
    for _ in 0..10 {
        let bus = Arc::clone(&stage.bus);
        let request = FetchRequest {
            topic: name.clone(),
            partition: 0,
            offset: 0,
            max_bytes: 1 << 20,
            max_wait: LONG_WAIT,
        };
        fetches.spawn(async move { bus.fetch(request).await });
    }
    // All of them wait by now; were one queued behind another, the last would return after ten waits.
    sleep(Duration::from_millis(500)).await;
    let empty = timeout(SOON, stage.fetch(&name, 0, 0, Duration::ZERO)).await;
    let empty = empty.map_err(|_| Violation("a fetch without wait was held back".to_string()))??;
    same("records", empty.records.len(), 0)?;
    let published = timeout(SOON, stage.publish_each(&name, &["all"])).await;
    published.map_err(|_| Violation("the publish was held back".to_string()))??;
    let all = timeout(SOON, fetches.join_all()).await;
    for fetched in all.map_err(|_| Violation("a fetch was held back".to_string()))? {
        same("values", values(&fetched?.records), Vec::from(["all".to_string()]))?;
    }
    Ok(())
}
