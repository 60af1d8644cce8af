//! What a bus must do when it is cut off and comes back.

use super::following::{collect, next};
use super::*;
use crate::bus::publisher::{Class, Publisher};
use crate::bus::reader::{Delivery, Reader, Start};
use tokio::time::{sleep, timeout};

/// A future of a cut.
pub type CutFuture<'a> = Pin<Box<dyn Future<Output = ()> + Send + 'a>>;

/// Somebody who can cut the bus off, and end that with the log intact.
pub trait Cut: Send + Sync {
    /// Begins an outage.
    fn cut(&self) -> CutFuture<'_>;
    /// Ends it; what was confirmed before is still there.
    fn restore(&self) -> CutFuture<'_>;
}

/// Plays the checks that need an outage.
pub async fn run_outage(bus: Arc<dyn Bus>, prefix: &str, cut: &dyn Cut) -> Report {
    let mut report = Report::default();
    let stage = Stage::new(&bus, prefix);
    for (name, verdict) in [
        (
            "every_operation_is_unavailable_during_an_outage_and_works_after",
            timeout(PATIENCE, every_operation_fails_and_recovers(&stage, cut)).await,
        ),
        (
            "publisher_and_reader_go_through_an_outage_and_lose_nothing",
            timeout(PATIENCE, publisher_and_reader_go_through(&stage, cut)).await,
        ),
    ] {
        let verdict = verdict.unwrap_or_else(|_| Err(Violation(format!("not done after {PATIENCE:?}"))));
        report.outcomes.push((name, verdict.map_err(|Violation(text)| text)));
    }
    stage.clear().await;
    report
}

async fn every_operation_fails_and_recovers(stage: &Stage, cut: &dyn Cut) -> Verdict {
    let name = stage.topic("operations", 1).await?;
    stage.publish_each(&name, &["before"]).await?;
    cut.cut().await;
    let verdict = every_operation_fails(stage, &name).await;
    cut.restore().await;
    verdict?;
    stage.publish_each(&name, &["after"]).await?;
    let found = values(&stage.read(&name, 0, 2).await?);
    same("values", found, Vec::from(["before".to_string(), "after".to_string()]))
}

async fn every_operation_fails(stage: &Stage, name: &str) -> Verdict {
    let bus = &stage.bus;
    let outcomes = async {
        [
            ("publish", bus.publish(name, Vec::from([record("k", "lost")])).await.err()),
            ("fetch", stage.fetch(name, 0, 0, Duration::from_millis(100)).await.err()),
            ("bounds", bus.bounds(name, 0).await.err()),
            ("create", bus.create_topic(spec(&stage.name("during"), 1, &[])).await.err()),
            ("delete", bus.delete_topic(name).await.err()),
            ("describe", bus.describe_topic(name).await.err()),
            ("topics", bus.topics().await.err()),
        ]
    };
    let outcomes = timeout(PATIENCE, outcomes).await;
    for (what, error) in outcomes.map_err(|_| Violation("an operation does not end".to_string()))? {
        let unavailable = matches!(error, Some(BusError::Unavailable { .. }));
        rule(unavailable, || format!("{what}: {error:?}"))?;
    }
    Ok(())
}

async fn publisher_and_reader_go_through(stage: &Stage, cut: &dyn Cut) -> Verdict {
    const BEFORE: usize = 20;
    const DURING: usize = 60;
    let name = stage.topic("through", 1).await?;
    let publisher = Publisher::start(Arc::clone(&stage.bus), 1000);
    let mut reader = Reader::new(Arc::clone(&stage.bus));
    reader.follow(&name, |_| Start::Earliest);
    for i in 0..BEFORE {
        publisher.send(&name, record("k", &format!("{i:03}")), Class::Keep)?;
    }
    let mut found = values(&collect(&mut reader, BEFORE, |_| {}).await?);
    cut.cut().await;
    for i in BEFORE..BEFORE + DURING {
        publisher.send(&name, record("k", &format!("{i:03}")), Class::Keep)?;
        sleep(Duration::from_millis(5)).await;
    }
    let told = next(&mut reader).await;
    cut.restore().await;
    let told = told?;
    let outage = matches!(told, Delivery::Outage { error: BusError::Unavailable { .. }, .. });
    rule(outage, || format!("{told:?} instead of an outage"))?;
    let mut others = Vec::new();
    // At least once: an unclear publish is repeated.
    while found.last().is_none_or(|last| *last != format!("{:03}", BEFORE + DURING - 1)) {
        found.extend(values(&collect(&mut reader, 1, |other| others.push(other)).await?));
    }
    rule(matches!(others.as_slice(), [Delivery::Restored { .. }]), || format!("{others:?}"))?;
    same("outages counted", publisher.counts().outages, 1)?;
    let mut distinct = Vec::new();
    for value in found {
        if !distinct.contains(&value) {
            distinct.push(value);
        }
    }
    same("values", distinct, (0..BEFORE + DURING).map(|i| format!("{i:03}")).collect())
}
