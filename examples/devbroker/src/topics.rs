//! The topics of the broker: names, configurations, partitions, and the bounds over all of them.

use std::collections::BTreeMap;
use std::sync::{Arc, Weak};

use bytes::Bytes;
use kafka_protocol::ResponseError;
use tokio::sync::Notify;

use crate::batch::Batch;
use crate::clock::Now;
use crate::config::{TimestampType, TopicConfig};
use crate::disk::Event;
use crate::log::{Dropped, PartitionLog};
use crate::options::Limits;
use crate::producers::{Producers, Verdict};

/// Kafka's limit on the length of a topic name.
const LONGEST_NAME: usize = 249;

/// Why a topic was not created.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum CreateError {
    #[error("topic name must be 1 to {LONGEST_NAME} of [a-zA-Z0-9._-], and not . or ..")]
    IllegalName,
    #[error("topic already exists")]
    Exists,
    #[error("topic name collides with {0}: . and _ are the same in metric names")]
    Collides(String),
    #[error("a topic needs at least one partition")]
    NoPartitions,
    #[error("the broker's limit of {limit} {what} is reached")]
    Limit { what: &'static str, limit: usize },
}

impl CreateError {
    /// The protocol's error code for this refusal.
    pub(crate) fn code(&self) -> ResponseError {
        match self {
            CreateError::IllegalName | CreateError::Collides(_) => ResponseError::InvalidTopicException,
            CreateError::Exists => ResponseError::TopicAlreadyExists,
            CreateError::NoPartitions => ResponseError::InvalidPartitions,
            CreateError::Limit { .. } => ResponseError::PolicyViolation,
        }
    }
}

/// Why a topic did not get more partitions.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum GrowError {
    #[error("there is no such topic")]
    Unknown,
    #[error("it has {has} partitions, and can only get more than that")]
    Fewer { has: usize },
    #[error("the broker's limit of {0} partitions is reached")]
    Limit(usize),
}

/// Whether Kafka would take `name` for a topic.
pub(crate) fn is_legal_name(name: &str) -> bool {
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    (1..=LONGEST_NAME).contains(&name.len()) && name != "." && name != ".." && name.bytes().all(legal)
}

/// What an append answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Appended {
    pub(crate) base_offset: i64,
    /// Set on topics with log-append time; milliseconds since the epoch.
    pub(crate) append_time: Option<i64>,
    pub(crate) log_start: i64,
}

/// What a read answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Read {
    pub(crate) records: Bytes,
    pub(crate) log_start: i64,
    pub(crate) end: i64,
}

/// What the broker had to drop or refuse for its bounds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Losses {
    /// By `retention.bytes`, [`Limits::partition_bytes`] and `retention.ms`.
    pub(crate) retention: Dropped,
    /// By [`Limits::log_bytes`].
    pub(crate) memory: Dropped,
    /// Batches refused because compacted topics alone fill a bound.
    pub(crate) refused_batches: u64,
}

/// One topic.
#[derive(Debug, Clone)]
pub(crate) struct Topic {
    pub(crate) config: TopicConfig,
    partitions: Vec<Partition>,
}

impl Topic {
    /// Number of partitions.
    pub(crate) fn partitions(&self) -> usize {
        self.partitions.len()
    }
}

#[derive(Debug, Clone, Default)]
struct Partition {
    log: PartitionLog,
    producers: Producers,
    waiters: Waiters,
}

/// The fetches that wait for a change of a partition.
#[derive(Debug, Default)]
struct Waiters(Vec<Weak<Notify>>);

impl Waiters {
    /// Adds a waiter once. Waiters whose fetch has ended are forgotten here, so there are never more than waiting
    /// connections.
    fn add(&mut self, waiter: &Arc<Notify>) {
        let waiter = Arc::downgrade(waiter);
        self.0.retain(|other| other.strong_count() > 0 && !other.ptr_eq(&waiter));
        self.0.push(waiter);
    }

    fn wake(&mut self) {
        for waiter in self.0.drain(..).filter_map(|waiter| waiter.upgrade()) {
            waiter.notify_one();
        }
    }
}

/// A copy of a partition is another partition: nobody waits for it.
impl Clone for Waiters {
    fn clone(&self) -> Self {
        Waiters::default()
    }
}

/// All topics.
///
/// Invariant: `bytes` is the sum of the bytes held by all partitions.
#[derive(Debug, Clone, Default)]
pub(crate) struct Topics {
    by_name: BTreeMap<String, Topic>,
    bytes: usize,
    losses: Losses,
    /// What has changed and is not written yet; `None` where nothing is to be written.
    unwritten: Option<Vec<Event>>,
}

impl Topics {
    /// Whether changes are kept for [`Topics::unwritten`].
    pub(crate) fn keep_changes(&mut self, keep: bool) {
        self.unwritten = keep.then(Vec::new);
    }

    /// What has changed since the last call.
    pub(crate) fn unwritten(&mut self) -> Vec<Event> {
        self.unwritten.as_mut().map(std::mem::take).unwrap_or_default()
    }

    /// Notes a change, of topics or of something else that is kept with them.
    pub(crate) fn note(&mut self, event: impl FnOnce() -> Event) {
        if let Some(unwritten) = &mut self.unwritten {
            unwritten.push(event());
        }
    }

    /// Takes in a topic as it was, with the logs of its partitions. Configurations that are not known any more keep their
    /// defaults.
    pub(crate) fn restore(&mut self, name: &str, configs: &[(String, String)], logs: Vec<PartitionLog>) {
        let known = configs
            .iter()
            .filter(|(name, value)| TopicConfig::parse([(name.as_str(), Some(value.as_str()))]).is_ok());
        let entries = known.map(|(name, value)| (name.as_str(), Some(value.as_str())));
        let config = TopicConfig::parse(entries).unwrap_or_default();
        let partition = |log: PartitionLog| {
            let mut producers = Producers::default();
            for batch in log.batches() {
                if let Some(stamp) = batch.producer() {
                    producers.appended(stamp, batch.base_offset);
                }
            }
            Partition { log, producers, waiters: Waiters::default() }
        };
        self.bytes += logs.iter().map(PartitionLog::bytes).sum::<usize>();
        let partitions = logs.into_iter().map(partition).collect();
        self.by_name.insert(name.to_owned(), Topic { config, partitions });
    }

    /// The log of a partition.
    pub(crate) fn log(&self, name: &str, index: i32) -> Option<&PartitionLog> {
        self.partition(name, index).ok().map(|partition| &partition.log)
    }

    /// Checks that a topic could be created, without creating it.
    ///
    /// # Errors
    ///
    /// [`CreateError`].
    pub(crate) fn may_create(
        &self,
        name: &str,
        partitions: usize,
        limits: &Limits,
    ) -> Result<(), CreateError> {
        if !is_legal_name(name) {
            return Err(CreateError::IllegalName);
        }
        if self.by_name.contains_key(name) {
            return Err(CreateError::Exists);
        }
        let metric = |name: &str| name.replace('.', "_");
        if name.contains(['.', '_'])
            && let Some(other) = self.by_name.keys().find(|other| metric(other) == metric(name))
        {
            return Err(CreateError::Collides(other.clone()));
        }
        if partitions == 0 {
            return Err(CreateError::NoPartitions);
        }
        if self.by_name.len() >= limits.topics {
            return Err(CreateError::Limit { what: "topics", limit: limits.topics });
        }
        if partitions > limits.partitions.saturating_sub(self.partition_count()) {
            return Err(CreateError::Limit { what: "partitions", limit: limits.partitions });
        }
        Ok(())
    }

    /// Creates a topic.
    ///
    /// # Errors
    ///
    /// [`CreateError`]; nothing is created.
    pub(crate) fn create(
        &mut self,
        name: &str,
        partitions: usize,
        config: TopicConfig,
        limits: &Limits,
    ) -> Result<(), CreateError> {
        self.may_create(name, partitions, limits)?;
        self.note(|| Event::Created {
            id: 0,
            topic: name.to_owned(),
            partitions,
            configs: settings(&config),
        });
        let topic = Topic { config, partitions: vec![Partition::default(); partitions] };
        self.by_name.insert(name.to_owned(), topic);
        Ok(())
    }

    /// Deletes a topic with its records; fetches that wait on it wake up. False if there is none.
    pub(crate) fn delete(&mut self, name: &str) -> bool {
        let Some(mut topic) = self.by_name.remove(name) else {
            return false;
        };
        self.note(|| Event::Deleted { topic: name.to_owned() });
        for partition in &mut topic.partitions {
            self.bytes -= partition.log.bytes();
            partition.waiters.wake();
        }
        true
    }

    /// Checks that a topic could have so many partitions, without giving it any.
    ///
    /// # Errors
    ///
    /// [`GrowError`].
    pub(crate) fn may_grow(&self, name: &str, partitions: usize, limits: &Limits) -> Result<(), GrowError> {
        let has = self.get(name).ok_or(GrowError::Unknown)?.partitions();
        if partitions <= has {
            return Err(GrowError::Fewer { has });
        }
        if partitions - has > limits.partitions.saturating_sub(self.partition_count()) {
            return Err(GrowError::Limit(limits.partitions));
        }
        Ok(())
    }

    /// Gives a topic so many partitions; the new ones are empty.
    ///
    /// # Errors
    ///
    /// [`GrowError`]; the topic is what it was.
    pub(crate) fn grow(&mut self, name: &str, partitions: usize, limits: &Limits) -> Result<(), GrowError> {
        self.may_grow(name, partitions, limits)?;
        let topic = self.by_name.get_mut(name).ok_or(GrowError::Unknown)?;
        topic.partitions.resize_with(partitions, Partition::default);
        self.note(|| Event::Grown { topic: name.to_owned(), partitions });
        Ok(())
    }

    /// Gives a topic another configuration. It acts from now on: on what is held at the next append or check.
    pub(crate) fn configure(&mut self, name: &str, config: TopicConfig) {
        if let Some(topic) = self.by_name.get_mut(name) {
            let configs = settings(&config);
            topic.config = config;
            self.note(|| Event::Configured { topic: name.to_owned(), configs });
        }
    }

    /// The topic of this name.
    pub(crate) fn get(&self, name: &str) -> Option<&Topic> {
        self.by_name.get(name)
    }

    /// All topics by name.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &Topic)> {
        self.by_name.iter().map(|(name, topic)| (name.as_str(), topic))
    }

    /// Number of topics.
    pub(crate) fn len(&self) -> usize {
        self.by_name.len()
    }

    /// Partitions of all topics.
    pub(crate) fn partition_count(&self) -> usize {
        self.by_name.values().map(Topic::partitions).sum()
    }

    /// Bytes held by all partitions.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// What was dropped and refused so far.
    pub(crate) fn losses(&self) -> Losses {
        self.losses
    }

    /// Appends a batch, wakes the fetches that wait for it, and keeps the bounds.
    ///
    /// # Errors
    ///
    /// The protocol's error code; nothing was appended.
    pub(crate) fn append(
        &mut self,
        name: &str,
        index: i32,
        mut batch: Batch,
        now: Now,
        limits: &Limits,
    ) -> Result<Appended, ResponseError> {
        if let Some(duplicate) = self.judge(name, index, &batch, limits)? {
            return Ok(duplicate);
        }
        let topic = self.by_name.get_mut(name).ok_or(ResponseError::UnknownTopicOrPartition)?;
        let config = &topic.config;
        let partition = partition_mut(&mut topic.partitions, index)?;
        let append_time = (config.timestamp_type == TimestampType::LogAppendTime).then_some(now.wall_ms);
        if let Some(append_time) = append_time {
            batch.stamp_append_time(append_time);
        }
        let (size, producer) = (batch.len(), batch.producer());
        let base_offset = partition.log.append(batch);
        let before = partition.log.start();
        let stored = partition.log.batches().next_back().map(|batch| batch.bytes.clone());
        if let (Some(unwritten), Some(bytes)) = (&mut self.unwritten, stored) {
            unwritten.push(Event::Appended { topic: name.to_owned(), partition: index, bytes });
        }
        if let Some(stamp) = producer {
            partition.producers.appended(stamp, base_offset);
        }
        self.bytes += size;
        if !config.keeps_all {
            let cap = limits.partition_bytes;
            let wanted = config.retention_bytes.and_then(|bytes| usize::try_from(bytes).ok());
            let dropped = partition.log.trim_bytes(wanted.unwrap_or(cap).min(cap));
            self.bytes -= usize::try_from(dropped.bytes).unwrap_or(0);
            self.losses.retention.add(dropped);
        }
        partition.waiters.wake();
        let log_start = partition.log.start();
        if log_start > before {
            self.note(|| Event::Start { topic: name.to_owned(), partition: index, start: log_start });
        }
        self.keep_log_bytes(limits.log_bytes);
        Ok(Appended { base_offset, append_time, log_start })
    }

    /// Decides whether a batch may be appended, and makes room for it; a repeated batch is answered here.
    fn judge(
        &mut self,
        name: &str,
        index: i32,
        batch: &Batch,
        limits: &Limits,
    ) -> Result<Option<Appended>, ResponseError> {
        let topic = self.by_name.get_mut(name).ok_or(ResponseError::UnknownTopicOrPartition)?;
        let (config, size) = (&topic.config, batch.len());
        let partition = partition_mut(&mut topic.partitions, index)?;
        if size > config.max_message_bytes {
            return Err(ResponseError::MessageTooLarge);
        }
        if config.compacted && batch.keyless() {
            return Err(ResponseError::InvalidRecord);
        }
        if let Some(stamp) = batch.producer()
            && let Verdict::Duplicate(base_offset) = partition.producers.judge(stamp)?
        {
            let log_start = partition.log.start();
            return Ok(Some(Appended { base_offset, append_time: None, log_start }));
        }
        if config.keeps_all {
            let fits = partition.log.bytes() + size <= limits.partition_bytes;
            if fits {
                self.keep_log_bytes(limits.log_bytes.saturating_sub(size));
            }
            if !fits || self.bytes + size > limits.log_bytes {
                self.losses.refused_batches += 1;
                return Err(ResponseError::KafkaStorageError);
            }
        }
        Ok(None)
    }

    /// Takes the oldest batches from the fullest partitions that may lose any until `limit` is kept.
    fn keep_log_bytes(&mut self, limit: usize) {
        while self.bytes > limit {
            let fullest = self
                .by_name
                .iter_mut()
                .filter(|(_, topic)| !topic.config.keeps_all)
                .flat_map(|(name, topic)| (0..).zip(&mut topic.partitions).map(move |held| (name, held)))
                .max_by_key(|(_, (_, partition))| partition.log.bytes());
            let Some((name, (index, partition))) = fullest else { return };
            // An eighth at a time: the search over all partitions is then rare.
            let held = partition.log.bytes();
            if held == 0 {
                return;
            }
            let dropped = partition.log.shed_bytes(held - (held / 8).max(1));
            if let Some(unwritten) = &mut self.unwritten {
                let (topic, start) = (name.clone(), partition.log.start());
                unwritten.push(Event::Start { topic, partition: index, start });
            }
            self.bytes -= usize::try_from(dropped.bytes).unwrap_or(0);
            self.losses.memory.add(dropped);
        }
    }

    /// Reads whole batches; see [`PartitionLog::read`].
    ///
    /// # Errors
    ///
    /// `UnknownTopicOrPartition` or `OffsetOutOfRange`.
    pub(crate) fn read(
        &self,
        name: &str,
        index: i32,
        offset: i64,
        max_bytes: usize,
        at_least_one: bool,
    ) -> Result<Read, ResponseError> {
        let log = &self.partition(name, index)?.log;
        let records =
            log.read(offset, max_bytes, at_least_one).map_err(|_| ResponseError::OffsetOutOfRange)?;
        Ok(Read { records, log_start: log.start(), end: log.end() })
    }

    /// Has `waiter` notified when the partition changes. A missing partition is not waited for.
    pub(crate) fn wait(&mut self, name: &str, index: i32, waiter: &Arc<Notify>) {
        if let Some(topic) = self.by_name.get_mut(name)
            && let Ok(partition) = partition_mut(&mut topic.partitions, index)
        {
            partition.waiters.add(waiter);
        }
    }

    /// First and next offset of a partition.
    ///
    /// # Errors
    ///
    /// `UnknownTopicOrPartition`.
    pub(crate) fn bounds(&self, name: &str, index: i32) -> Result<(i64, i64), ResponseError> {
        let log = &self.partition(name, index)?.log;
        Ok((log.start(), log.end()))
    }

    /// Offset and timestamp of the first record at or after `timestamp`, if any.
    ///
    /// # Errors
    ///
    /// `UnknownTopicOrPartition`.
    pub(crate) fn first_since(
        &self,
        name: &str,
        index: i32,
        timestamp: i64,
    ) -> Result<Option<(i64, i64)>, ResponseError> {
        Ok(self.partition(name, index)?.log.first_since(timestamp))
    }

    /// Moves the start of a partition to `offset` (-1: to its end) and returns the new start.
    ///
    /// # Errors
    ///
    /// `UnknownTopicOrPartition` or `OffsetOutOfRange`.
    pub(crate) fn delete_records(
        &mut self,
        name: &str,
        index: i32,
        offset: i64,
    ) -> Result<i64, ResponseError> {
        let topic = self.by_name.get_mut(name).ok_or(ResponseError::UnknownTopicOrPartition)?;
        let partition = partition_mut(&mut topic.partitions, index)?;
        let offset = if offset == -1 { partition.log.end() } else { offset };
        let dropped = partition.log.delete_before(offset).map_err(|_| ResponseError::OffsetOutOfRange)?;
        self.bytes -= usize::try_from(dropped.bytes).unwrap_or(0);
        partition.waiters.wake();
        let start = partition.log.start();
        self.note(|| Event::Start { topic: name.to_owned(), partition: index, start });
        Ok(start)
    }

    /// Drops what `retention.ms` no longer keeps, in every partition.
    pub(crate) fn expire(&mut self, now: Now) {
        for (name, topic) in self.by_name.iter_mut().filter(|(_, topic)| !topic.config.keeps_all) {
            let Some(age) = topic.config.retention_ms else {
                continue;
            };
            for (index, partition) in (0..).zip(&mut topic.partitions) {
                let dropped = partition.log.trim_older(now.wall_ms.saturating_sub(age));
                if let Some(unwritten) = self.unwritten.as_mut().filter(|_| dropped.batches > 0) {
                    let (topic, start) = (name.clone(), partition.log.start());
                    unwritten.push(Event::Start { topic, partition: index, start });
                }
                self.bytes -= usize::try_from(dropped.bytes).unwrap_or(0);
                self.losses.retention.add(dropped);
            }
        }
    }

    fn partition(&self, name: &str, index: i32) -> Result<&Partition, ResponseError> {
        let partitions = self.by_name.get(name).map(|topic| topic.partitions.as_slice()).unwrap_or_default();
        let index = usize::try_from(index).ok();
        index.and_then(|index| partitions.get(index)).ok_or(ResponseError::UnknownTopicOrPartition)
    }
}

/// What was set of a configuration.
fn settings(config: &TopicConfig) -> Vec<(String, String)> {
    config.set().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

fn partition_mut(partitions: &mut [Partition], index: i32) -> Result<&mut Partition, ResponseError> {
    usize::try_from(index)
        .ok()
        .and_then(|index| partitions.get_mut(index))
        .ok_or(ResponseError::UnknownTopicOrPartition)
}

#[cfg(test)]
mod tests;
