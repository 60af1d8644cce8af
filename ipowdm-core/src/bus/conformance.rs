//! What every implementation of [`Bus`] must do; run by the tests of each.
//!
//! [`run`] plays every check of [`CHECKS`] against a bus, each on topics of its own that it deletes afterwards, and
//! answers a [`Report`]. [`run_outage`] adds what needs somebody to cut the bus off.
//!
//! Nothing here measures speed: every bound on time is many times what a healthy bus needs, and stands for "returned at
//! all" or "was not held back by that other call".

mod fetching;
mod following;
mod outage;
mod publishing;
#[cfg(test)]
mod tests;
mod topics;

pub use outage::{Cut, CutFuture, run_outage};

use super::{Bus, BusError, FetchRequest, Fetched, Outgoing, Record, TopicSpec, publisher::QueueFull};
use std::boxed::Box;
use std::collections::BTreeMap;
use std::format;
use std::future::Future;
use std::pin::Pin;
use std::string::{String, ToString};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use std::vec::Vec;

/// Most time that a check may take.
const PATIENCE: Duration = Duration::from_secs(90);

/// Well above what a healthy bus needs for anything here, well below [`LONG_WAIT`].
const SOON: Duration = Duration::from_secs(15);

/// The wait of a fetch that must be ended by a record.
const LONG_WAIT: Duration = Duration::from_secs(25);

/// How a rule was broken.
#[derive(Debug)]
struct Violation(String);

type Verdict = Result<(), Violation>;

impl From<BusError> for Violation {
    fn from(error: BusError) -> Self {
        Self(format!("{error} ({error:?})"))
    }
}

impl From<QueueFull> for Violation {
    fn from(error: QueueFull) -> Self {
        Self(error.to_string())
    }
}

/// Fails with `violation` unless the rule holds.
fn rule(holds: bool, violation: impl FnOnce() -> String) -> Verdict {
    if holds { Ok(()) } else { Err(Violation(violation())) }
}

/// Fails unless both are equal.
fn same<T: PartialEq + core::fmt::Debug>(what: &str, found: T, wanted: T) -> Verdict {
    rule(found == wanted, || format!("{what}: {found:?} instead of {wanted:?}"))
}

type CheckFuture<'a> = Pin<Box<dyn Future<Output = Verdict> + Send + 'a>>;

/// A rule, and how it is tried.
pub struct Check {
    /// The rule.
    pub name: &'static str,
    run: for<'a> fn(&'a Stage) -> CheckFuture<'a>,
}

impl Check {
    /// Tries the rule on topics whose names begin with `prefix`, and deletes them.
    ///
    /// # Errors
    /// How the rule was broken.
    pub async fn run(&self, bus: &Arc<dyn Bus>, prefix: &str) -> Result<(), String> {
        let stage = Stage::new(bus, prefix);
        let outcome = match tokio::time::timeout(PATIENCE, (self.run)(&stage)).await {
            Ok(verdict) => verdict.map_err(|Violation(text)| text),
            Err(_) => Err(format!("not done after {PATIENCE:?}")),
        };
        stage.clear().await;
        outcome
    }
}

impl core::fmt::Debug for Check {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(self.name)
    }
}

macro_rules! checks {
    ($($module:ident: $($name:ident),* $(,)?;)*) => {
        /// Every check, in the order of [`run`].
        pub const CHECKS: &[Check] = &[$($(
            Check { name: stringify!($name), run: |stage| Box::pin($module::$name(stage)) },
        )*)*];
    };
}

checks! {
    topics:
        a_topic_is_new_once_and_then_existing_and_unchanged,
        an_illegal_name_or_size_is_refused,
        a_description_has_partitions_replication_and_the_settings_given,
        topics_are_listed_in_order,
        a_deleted_topic_is_gone_for_every_operation,
        a_topic_that_is_not_there_is_unknown_and_asking_does_not_create_it,
        a_partition_that_is_not_there_is_unknown,
        a_re_created_topic_starts_at_0_and_an_old_position_is_lost,
        a_topic_is_changed_as_asked_or_not_at_all;
    publishing:
        positions_are_answered_in_the_order_given,
        keys_go_to_the_partition_that_java_computes,
        the_order_of_a_key_is_kept_across_calls_and_in_large_ones,
        tombstones_empty_values_and_absent_keys_stay_apart,
        a_record_beyond_the_limit_is_refused_and_the_next_is_not,
        a_topic_of_small_batches_takes_a_large_call,
        concurrent_publishers_lose_nothing_and_keep_their_order,
        times_never_run_back_under_log_append_time;
    fetching:
        a_fetch_begins_at_the_position_asked_for,
        a_fetch_answers_a_record_larger_than_it_asked_for,
        positions_carry_on_from_fetch_to_fetch,
        an_empty_fetch_returns_after_its_wait,
        a_waiting_fetch_is_woken_by_a_record,
        a_position_outside_the_log_is_answered_with_its_ends,
        the_ends_of_the_log_follow_what_is_published,
        ten_waiting_fetches_delay_neither_each_other_nor_a_publish;
    following:
        a_reader_waits_for_its_topic_and_sees_every_record_in_order,
        a_reader_from_the_end_sees_only_what_comes_later,
        a_reader_at_a_lost_position_is_told_to_resync,
        a_reader_sees_the_partitions_that_a_re_created_topic_has_more,
        a_reader_that_nobody_reads_from_delays_nobody_and_misses_nothing,
        a_publisher_confirms_all_in_order,
        a_publisher_refuses_only_what_the_bus_refuses;
}

/// What became of the checks.
#[derive(Debug, Default)]
pub struct Report {
    /// Each check's name, and how its rule was broken.
    pub outcomes: Vec<(&'static str, Result<(), String>)>,
}

impl Report {
    /// The checks that failed.
    pub fn failed(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.outcomes.iter().filter_map(|(name, outcome)| Some((*name, outcome.as_ref().err()?.as_str())))
    }

    /// Whether there were checks and all of them passed.
    #[must_use]
    pub fn passed(&self) -> bool {
        !self.outcomes.is_empty() && self.failed().next().is_none()
    }
}

impl core::fmt::Display for Report {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        for (name, outcome) in &self.outcomes {
            match outcome {
                Ok(()) => writeln!(f, "passed  {name}")?,
                Err(text) => writeln!(f, "FAILED  {name}: {text}")?,
            }
        }
        write!(f, "{} checks, {} failed", self.outcomes.len(), self.failed().count())
    }
}

/// Plays every check. `prefix` begins the names of all topics: give each run its own on a bus that others use.
pub async fn run(bus: Arc<dyn Bus>, prefix: &str) -> Report {
    let mut report = Report::default();
    for (number, check) in CHECKS.iter().enumerate() {
        let outcome = check.run(&bus, &format!("{prefix}-{number}")).await;
        report.outcomes.push((check.name, outcome));
    }
    report
}

/// A check's bus and its topics.
struct Stage {
    bus: Arc<dyn Bus>,
    prefix: String,
    topics: Mutex<Vec<String>>,
}

impl Stage {
    fn new(bus: &Arc<dyn Bus>, prefix: &str) -> Self {
        Self { bus: Arc::clone(bus), prefix: prefix.to_string(), topics: Mutex::default() }
    }

    /// A topic name of this check, to be deleted at its end.
    fn name(&self, suffix: &str) -> String {
        let name = format!("{}-{suffix}", self.prefix);
        self.topics.lock().unwrap_or_else(PoisonError::into_inner).push(name.clone());
        name
    }

    /// A new topic.
    async fn topic(&self, suffix: &str, partitions: u32) -> Result<String, Violation> {
        self.topic_with(suffix, partitions, &[]).await
    }

    /// A new topic with settings.
    async fn topic_with(
        &self,
        suffix: &str,
        partitions: u32,
        configs: &[(&str, &str)],
    ) -> Result<String, Violation> {
        let name = self.name(suffix);
        let created = self.bus.create_topic(spec(&name, partitions, configs)).await?;
        same("creation", created, super::Created::New)?;
        Ok(name)
    }

    /// Publishes records one call each, keyed `k`.
    async fn publish_each(&self, topic: &str, values: &[&str]) -> Verdict {
        for value in values {
            self.bus.publish(topic, Vec::from([record("k", value)])).await?;
        }
        Ok(())
    }

    async fn fetch(
        &self,
        topic: &str,
        partition: u32,
        offset: i64,
        max_wait: Duration,
    ) -> Result<Fetched, BusError> {
        let topic = topic.to_string();
        self.bus.fetch(FetchRequest { topic, partition, offset, max_bytes: 1 << 20, max_wait }).await
    }

    /// The first `count` records of a partition.
    async fn read(&self, topic: &str, partition: u32, count: usize) -> Result<Vec<Record>, Violation> {
        let mut records = Vec::new();
        let mut offset = 0;
        while records.len() < count {
            let fetched = self.fetch(topic, partition, offset, SOON).await?;
            rule(fetched.resume > offset, || {
                format!("{} of {count} records of partition {partition}, then none", records.len())
            })?;
            offset = fetched.resume;
            records.extend(fetched.records);
        }
        Ok(records)
    }

    async fn clear(&self) {
        let topics = core::mem::take(&mut *self.topics.lock().unwrap_or_else(PoisonError::into_inner));
        for topic in topics {
            // Most checks leave some names unused; a bus that cannot delete fails the checks for that.
            let _ = self.bus.delete_topic(&topic).await;
        }
    }
}

fn spec(name: &str, partitions: u32, configs: &[(&str, &str)]) -> TopicSpec {
    let configs: BTreeMap<String, String> =
        configs.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect();
    TopicSpec { name: name.to_string(), partitions, replication: 1, configs }
}

fn record(key: &str, value: &str) -> Outgoing {
    Outgoing::new(key, value.as_bytes().to_vec())
}

/// The values of records as text.
fn values(records: &[Record]) -> Vec<String> {
    let text = |record: &Record| record.value.as_deref().map(String::from_utf8_lossy).map(|v| v.into_owned());
    records.iter().map(|record| text(record).unwrap_or_else(|| "(none)".to_string())).collect()
}
