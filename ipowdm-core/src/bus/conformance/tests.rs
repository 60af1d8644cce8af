//! The suite finds what it is there to find: each flaw below, put into a bus that conforms, fails the check named.

use super::*;
use crate::bus::memory::MemoryBus;
use crate::bus::{Bounds, BusFuture, Created, Position, TopicChange, TopicDescription};
use tokio::sync::Mutex as AsyncMutex;

/// How a bus is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Flaw {
    AnswersPositionsInReverse,
    ReversesRecords,
    FetchesFromTheStart,
    TakesALostPositionForTheEnd,
    TellsNoEnds,
    WaitsInFull,
    NeverWaits,
    FetchesOneAtATime,
    PublishesBehindFetches,
    CreatesByPublishing,
    ForgetsSettings,
    CreatesAgain,
    KeepsWhatIsDeleted,
    TakesEmptyForTombstone,
    LosesTheSecondRecord,
    ForgetsKeys,
    DoublesRecords,
    ListsInDisorder,
    TakesAnyName,
    StopsTheClock,
    DescribesOnePartition,
    ChangesHalf,
    SaysThatItChanges,
}

struct Flawed {
    bus: MemoryBus,
    flaw: Flaw,
    queue: AsyncMutex<()>,
}

impl Flawed {
    fn has(&self, flaw: Flaw) -> bool {
        self.flaw == flaw
    }

    fn spoil(&self, mut records: Vec<Outgoing>) -> Vec<Outgoing> {
        match self.flaw {
            Flaw::ReversesRecords => records.reverse(),
            Flaw::LosesTheSecondRecord if records.len() > 1 => drop(records.remove(1)),
            Flaw::DoublesRecords => records.extend(records.clone()),
            _ => {}
        }
        for record in &mut records {
            if self.has(Flaw::TakesEmptyForTombstone) {
                record.value = record.value.take().filter(|value| !value.is_empty());
            }
            if self.has(Flaw::ForgetsKeys) {
                record.key = None;
            }
        }
        records
    }
}

impl Bus for Flawed {
    fn publish<'a>(&'a self, topic: &'a str, records: Vec<Outgoing>) -> BusFuture<'a, Vec<Position>> {
        Box::pin(async move {
            if self.has(Flaw::PublishesBehindFetches) {
                drop(self.queue.lock().await);
            }
            if self.has(Flaw::CreatesByPublishing) {
                self.bus.create_topic(spec(topic, 1, &[])).await?;
            }
            let mut positions = self.bus.publish(topic, self.spoil(records)).await?;
            if self.has(Flaw::AnswersPositionsInReverse) {
                positions.reverse();
            }
            Ok(positions)
        })
    }

    fn fetch(&self, mut request: FetchRequest) -> BusFuture<'_, Fetched> {
        Box::pin(async move {
            let _alone = match self.flaw {
                Flaw::FetchesOneAtATime | Flaw::PublishesBehindFetches => Some(self.queue.lock().await),
                _ => None,
            };
            match self.flaw {
                Flaw::FetchesFromTheStart => request.offset = 0,
                Flaw::WaitsInFull => tokio::time::sleep(request.max_wait).await,
                Flaw::NeverWaits => request.max_wait = Duration::ZERO,
                _ => {}
            }
            let (offset, wait) = (request.offset, request.max_wait);
            let mut fetched = match self.bus.fetch(request).await {
                Err(BusError::OffsetOutOfRange { next, .. })
                    if self.has(Flaw::TakesALostPositionForTheEnd) =>
                {
                    tokio::time::sleep(wait).await;
                    Fetched { records: Vec::new(), next, resume: next }
                }
                Err(BusError::OffsetOutOfRange { topic, partition, offset, .. })
                    if self.has(Flaw::TellsNoEnds) =>
                {
                    let (earliest, next) = (offset, offset);
                    return Err(BusError::OffsetOutOfRange { topic, partition, offset, earliest, next });
                }
                outcome => outcome?,
            };
            if self.has(Flaw::StopsTheClock) {
                fetched.records.iter_mut().for_each(|record| record.timestamp_ms = 0);
            }
            fetched.resume = fetched.resume.max(offset);
            Ok(fetched)
        })
    }

    fn bounds<'a>(&'a self, topic: &'a str, partition: u32) -> BusFuture<'a, Bounds> {
        self.bus.bounds(topic, partition)
    }

    fn create_topic(&self, mut spec: TopicSpec) -> BusFuture<'_, Created> {
        Box::pin(async move {
            match self.flaw {
                Flaw::ForgetsSettings => spec.configs.clear(),
                Flaw::CreatesAgain => drop(self.bus.delete_topic(&spec.name).await?),
                Flaw::TakesAnyName => spec.name.retain(|c| c.is_ascii_alphanumeric() || c == '-'),
                _ => {}
            }
            self.bus.create_topic(spec).await
        })
    }

    fn delete_topic<'a>(&'a self, name: &'a str) -> BusFuture<'a, bool> {
        if self.has(Flaw::KeepsWhatIsDeleted) {
            return Box::pin(async { Ok(true) });
        }
        self.bus.delete_topic(name)
    }

    fn describe_topic<'a>(&'a self, name: &'a str) -> BusFuture<'a, Option<TopicDescription>> {
        Box::pin(async move {
            let mut described = self.bus.describe_topic(name).await?;
            if let Some(topic) = described.as_mut().filter(|_| self.has(Flaw::DescribesOnePartition)) {
                topic.partitions = 1;
            }
            Ok(described)
        })
    }

    fn alter_topic<'a>(&'a self, name: &'a str, mut change: TopicChange) -> BusFuture<'a, TopicDescription> {
        Box::pin(async move {
            match self.flaw {
                Flaw::ChangesHalf => change.configs.clear(),
                Flaw::SaysThatItChanges => change = TopicChange::default(),
                _ => {}
            }
            self.bus.alter_topic(name, change).await
        })
    }

    fn topics(&self) -> BusFuture<'_, Vec<String>> {
        Box::pin(async {
            let mut topics = self.bus.topics().await?;
            if self.has(Flaw::ListsInDisorder) {
                topics.reverse();
            }
            Ok(topics)
        })
    }

    fn address(&self) -> String {
        self.bus.address()
    }
}

#[tokio::test(start_paused = true)]
async fn every_flaw_is_found() {
    for (flaw, name) in [
        (Flaw::AnswersPositionsInReverse, "positions_are_answered_in_the_order_given"),
        (Flaw::ReversesRecords, "the_order_of_a_key_is_kept_across_calls_and_in_large_ones"),
        (Flaw::FetchesFromTheStart, "a_fetch_begins_at_the_position_asked_for"),
        (Flaw::TakesALostPositionForTheEnd, "a_re_created_topic_starts_at_0_and_an_old_position_is_lost"),
        (Flaw::TakesALostPositionForTheEnd, "a_reader_at_a_lost_position_is_told_to_resync"),
        (Flaw::TellsNoEnds, "a_position_outside_the_log_is_answered_with_its_ends"),
        (Flaw::WaitsInFull, "a_waiting_fetch_is_woken_by_a_record"),
        (Flaw::NeverWaits, "an_empty_fetch_returns_after_its_wait"),
        (Flaw::FetchesOneAtATime, "ten_waiting_fetches_delay_neither_each_other_nor_a_publish"),
        (Flaw::PublishesBehindFetches, "ten_waiting_fetches_delay_neither_each_other_nor_a_publish"),
        (Flaw::CreatesByPublishing, "a_topic_that_is_not_there_is_unknown_and_asking_does_not_create_it"),
        (Flaw::ForgetsSettings, "a_description_has_partitions_replication_and_the_settings_given"),
        (Flaw::CreatesAgain, "a_topic_is_new_once_and_then_existing_and_unchanged"),
        (Flaw::KeepsWhatIsDeleted, "a_deleted_topic_is_gone_for_every_operation"),
        (Flaw::TakesEmptyForTombstone, "tombstones_empty_values_and_absent_keys_stay_apart"),
        (Flaw::LosesTheSecondRecord, "a_publisher_confirms_all_in_order"),
        (Flaw::ForgetsKeys, "keys_go_to_the_partition_that_java_computes"),
        (Flaw::DoublesRecords, "concurrent_publishers_lose_nothing_and_keep_their_order"),
        (Flaw::ListsInDisorder, "topics_are_listed_in_order"),
        (Flaw::TakesAnyName, "an_illegal_name_or_size_is_refused"),
        (Flaw::DescribesOnePartition, "a_reader_sees_the_partitions_that_a_re_created_topic_has_more"),
        (Flaw::ChangesHalf, "a_topic_is_changed_as_asked_or_not_at_all"),
        (Flaw::SaysThatItChanges, "a_topic_is_changed_as_asked_or_not_at_all"),
        (Flaw::StopsTheClock, "times_never_run_back_under_log_append_time"),
    ] {
        let check = CHECKS.iter().find(|check| check.name == name).expect(name);
        let bus = Flawed { bus: MemoryBus::new(), flaw, queue: AsyncMutex::new(()) };
        let outcome = check.run(&(Arc::new(bus) as Arc<dyn Bus>), "flawed").await;
        assert!(outcome.is_err(), "{flaw:?} passes {name}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_check_deletes_its_topics_whether_it_passes_or_not() {
    let bus = MemoryBus::new();
    let shared: Arc<dyn Bus> = Arc::new(bus.clone());
    for check in CHECKS.iter().filter(|check| !check.name.starts_with("times")) {
        // The clock of this runtime jumps, the bus's does not: that one check needs real time.
        assert_eq!(check.run(&shared, "clean").await, Ok(()), "{}", check.name);
        assert_eq!(bus.topics().await, Ok(Vec::new()), "{}", check.name);
    }
    bus.create_topic(spec("late-t", 1, &[])).await.unwrap();
    let failed = CHECKS.iter().find(|check| check.name.starts_with("a_fetch_begins")).unwrap();
    assert!(failed.run(&shared, "late").await.is_err(), "its topic exists already");
    assert_eq!(bus.topics().await, Ok(Vec::new()));
}

#[test]
fn a_report_without_checks_has_not_passed() {
    let mut report = Report::default();
    assert!(!report.passed());
    report.outcomes.push(("a", Ok(())));
    assert!(report.passed());
    report.outcomes.push(("b", Err("broken".to_string())));
    assert!(!report.passed());
    assert_eq!(report.to_string(), "passed  a\nFAILED  b: broken\n2 checks, 1 failed");
}
