//! A bus inside one process: the reference implementation of the [`Bus`] contract.

use super::*;
use std::format;
use std::string::ToString;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};
use tokio::sync::Notify;
use tokio::time::Instant;

/// Largest record, as Kafka's default `max.message.bytes`.
const MAX_RECORD: usize = 1 << 20;

/// Most records a partition keeps when its topic sets no `retention.bytes`: bounds the memory of a long run.
const MAX_RECORDS: usize = 200_000;

/// A bus inside one process. Clones share the same topics.
#[derive(Clone)]
pub struct MemoryBus {
    shared: Arc<Shared>,
}

struct Shared {
    state: Mutex<State>,
    /// Told of every append, deletion and outage: wakes waiting fetches in the order in which they began to wait.
    changed: Notify,
}

struct State {
    topics: BTreeMap<String, Topic>,
    available: bool,
    /// Log-append time follows tokio's clock, also a paused one, whatever the wall clock does; it jumps where it is told to.
    clock: Clock,
}

struct Clock {
    started: Instant,
    epoch_ms: i64,
}

struct Topic {
    description: TopicDescription,
    retention_bytes: Option<usize>,
    partitions: Vec<Log>,
}

#[derive(Default)]
struct Log {
    earliest: i64,
    bytes: usize,
    records: std::collections::VecDeque<Record>,
}

impl Default for MemoryBus {
    fn default() -> Self {
        Self::new()
    }
}

impl MemoryBus {
    /// An empty bus.
    #[must_use]
    pub fn new() -> Self {
        let epoch_ms = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .ok()
            .and_then(|since| i64::try_from(since.as_millis()).ok())
            .unwrap_or(0);
        Self::since(epoch_ms)
    }

    /// An empty bus whose log-append time is `epoch_ms` now and goes on with tokio's clock.
    #[must_use]
    pub fn since(epoch_ms: i64) -> Self {
        let state = State {
            topics: BTreeMap::new(),
            available: true,
            clock: Clock { started: Instant::now(), epoch_ms },
        };
        Self { shared: Arc::new(Shared { state: Mutex::new(state), changed: Notify::new() }) }
    }

    /// Begins or ends an outage: while not available, every operation fails with [`BusError::Unavailable`].
    pub fn set_available(&self, available: bool) {
        self.lock().available = available;
        self.wake();
    }

    /// Sets the clock of log-append times forward, or back, as a broker's host clock that is set.
    pub fn jump(&self, ms: i64) {
        let mut state = self.lock();
        state.clock.epoch_ms = state.clock.epoch_ms.saturating_add(ms);
    }

    /// Drops the records before `offset` from a partition, as retention or an operator would.
    ///
    /// # Errors
    /// [`BusError::UnknownTopic`] where the partition is not there.
    pub fn delete_records(&self, topic: &str, partition: u32, offset: i64) -> Result<(), BusError> {
        let mut state = self.lock();
        let log = state.log(topic, partition)?;
        while log.earliest < offset && log.drop_first() {}
        Ok(())
    }

    /// Gives a topic more partitions, as an operator would; it never has fewer than before.
    ///
    /// # Errors
    /// [`BusError::UnknownTopic`] where the topic is not there.
    pub fn grow(&self, topic: &str, partitions: u32) -> Result<(), BusError> {
        let mut state = self.lock();
        let unknown = || BusError::UnknownTopic { topic: topic.to_string(), partition: 0 };
        let grown = state.topics.get_mut(topic).ok_or_else(unknown)?;
        grown.grow(partitions);
        drop(state);
        self.wake();
        Ok(())
    }

    fn alter(&self, name: &str, change: TopicChange) -> Result<TopicDescription, BusError> {
        let mut state = self.available("changing a topic")?;
        let unknown = || BusError::UnknownTopic { topic: name.to_string(), partition: 0 };
        let topic = state.topics.get_mut(name).ok_or_else(unknown)?;
        if let Some(partitions) = change.partitions {
            check_partitions(name, partitions)?;
            topic.grow(partitions);
        }
        for (key, value) in change.configs {
            match value {
                Some(value) => topic.description.configs.insert(key, value),
                None => topic.description.configs.remove(&key),
            };
        }
        topic.retention_bytes = retention_bytes(&topic.description.configs);
        let description = topic.description.clone();
        drop(state);
        self.wake();
        Ok(description)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Every change under the lock is complete before anything that could panic.
        self.shared.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wake(&self) {
        self.shared.changed.notify_waiters();
    }

    fn available(&self, doing: &str) -> Result<MutexGuard<'_, State>, BusError> {
        let state = self.lock();
        if state.available {
            return Ok(state);
        }
        Err(BusError::Unavailable { doing: doing.to_string(), reason: "outage".to_string() })
    }

    fn append(&self, topic: &str, records: Vec<Outgoing>) -> Result<Vec<Position>, BusError> {
        let mut state = self.available("publishing")?;
        let now = state.clock.now();
        let entry = state
            .topics
            .get_mut(topic)
            .ok_or_else(|| BusError::UnknownTopic { topic: topic.to_string(), partition: 0 })?;
        if let Some(size) = records.iter().map(size).find(|&size| size > MAX_RECORD) {
            return Err(BusError::TooLarge { topic: topic.to_string(), size });
        }
        let partitions = entry.description.partitions;
        let limit = entry.retention_bytes;
        let mut positions = Vec::with_capacity(records.len());
        for outgoing in records {
            let partition = outgoing.partition(partitions);
            // `partition` is below the number of logs by construction.
            let Some(log) = entry.partitions.get_mut(partition as usize) else { continue };
            positions.push(Position { partition, offset: log.push(outgoing, now, limit) });
        }
        drop(state);
        self.wake();
        Ok(positions)
    }

    fn read(&self, request: &FetchRequest) -> Result<Fetched, BusError> {
        let mut state = self.available("fetching")?;
        let log = state.log(&request.topic, request.partition)?;
        let (earliest, next) = (log.earliest, log.next());
        let index = match usize::try_from(request.offset - earliest) {
            Ok(index) if request.offset <= next => index,
            _ => {
                return Err(BusError::OffsetOutOfRange {
                    topic: request.topic.clone(),
                    partition: request.partition,
                    offset: request.offset,
                    earliest,
                    next,
                });
            }
        };
        let mut budget = request.max_bytes as usize;
        let mut records = Vec::new();
        for record in log.records.range(index..) {
            let size = stored_size(record);
            if size > budget && !records.is_empty() {
                break;
            }
            budget = budget.saturating_sub(size);
            records.push(record.clone());
        }
        let resume = records.last().map_or(request.offset, |last| last.offset + 1);
        Ok(Fetched { records, next, resume })
    }

    async fn fetch_waiting(&self, request: FetchRequest) -> Result<Fetched, BusError> {
        let deadline = tokio::time::Instant::now() + request.max_wait;
        loop {
            let changed = self.shared.changed.notified();
            tokio::pin!(changed);
            // Registered before the look, so that nothing between look and wait is missed.
            changed.as_mut().enable();
            let fetched = self.read(&request)?;
            if !fetched.records.is_empty() {
                return Ok(fetched);
            }
            if tokio::time::timeout_at(deadline, changed).await.is_err() {
                return Ok(fetched);
            }
        }
    }
}

impl Topic {
    fn grow(&mut self, partitions: u32) {
        self.partitions.extend((self.description.partitions..partitions).map(|_| Log::default()));
        self.description.partitions = self.description.partitions.max(partitions);
    }
}

fn check_partitions(topic: &str, partitions: u32) -> Result<(), BusError> {
    if (1..=1024).contains(&partitions) {
        return Ok(());
    }
    let reason = format!("{partitions} partitions, 1 to 1024 are possible");
    Err(BusError::Invalid { topic: topic.to_string(), reason })
}

fn retention_bytes(configs: &BTreeMap<String, String>) -> Option<usize> {
    configs.get("retention.bytes").and_then(|text| text.parse().ok())
}

impl Clock {
    fn now(&self) -> i64 {
        self.epoch_ms.saturating_add(i64::try_from(self.started.elapsed().as_millis()).unwrap_or(i64::MAX))
    }
}

impl State {
    fn log(&mut self, topic: &str, partition: u32) -> Result<&mut Log, BusError> {
        self.topics
            .get_mut(topic)
            .and_then(|entry| entry.partitions.get_mut(partition as usize))
            .ok_or_else(|| BusError::UnknownTopic { topic: topic.to_string(), partition })
    }
}

fn size(record: &Outgoing) -> usize {
    record.key.as_ref().map_or(0, Bytes::len) + record.value.as_ref().map_or(0, Bytes::len)
}

fn stored_size(record: &Record) -> usize {
    record.key.as_ref().map_or(0, Bytes::len) + record.value.as_ref().map_or(0, Bytes::len)
}

impl Log {
    fn next(&self) -> i64 {
        self.earliest + i64::try_from(self.records.len()).unwrap_or(i64::MAX)
    }

    fn push(&mut self, outgoing: Outgoing, timestamp_ms: i64, limit: Option<usize>) -> i64 {
        let offset = self.next();
        self.bytes += size(&outgoing);
        self.records.push_back(Record { offset, timestamp_ms, key: outgoing.key, value: outgoing.value });
        let over =
            |log: &Self| log.records.len() > MAX_RECORDS || limit.is_some_and(|limit| log.bytes > limit);
        while over(self) && self.records.len() > 1 && self.drop_first() {}
        offset
    }

    fn drop_first(&mut self) -> bool {
        let Some(record) = self.records.pop_front() else { return false };
        self.bytes -= stored_size(&record);
        self.earliest += 1;
        true
    }
}

impl Bus for MemoryBus {
    fn publish<'a>(&'a self, topic: &'a str, records: Vec<Outgoing>) -> BusFuture<'a, Vec<Position>> {
        Box::pin(async move { self.append(topic, records) })
    }

    fn fetch(&self, request: FetchRequest) -> BusFuture<'_, Fetched> {
        Box::pin(self.fetch_waiting(request))
    }

    fn bounds<'a>(&'a self, topic: &'a str, partition: u32) -> BusFuture<'a, Bounds> {
        Box::pin(async move {
            let mut state = self.available("asking for the ends of the log")?;
            let log = state.log(topic, partition)?;
            Ok(Bounds { earliest: log.earliest, next: log.next() })
        })
    }

    fn create_topic(&self, spec: TopicSpec) -> BusFuture<'_, Created> {
        Box::pin(async move {
            let mut state = self.available("creating a topic")?;
            check_topic_name(&spec.name)?;
            if state.topics.contains_key(&spec.name) {
                return Ok(Created::Existing);
            }
            check_partitions(&spec.name, spec.partitions)?;
            let retention_bytes = retention_bytes(&spec.configs);
            let topic = Topic {
                description: TopicDescription {
                    name: spec.name.clone(),
                    partitions: spec.partitions,
                    replication: spec.replication,
                    configs: spec.configs,
                },
                retention_bytes,
                partitions: (0..spec.partitions).map(|_| Log::default()).collect(),
            };
            state.topics.insert(spec.name, topic);
            drop(state);
            self.wake();
            Ok(Created::New)
        })
    }

    fn delete_topic<'a>(&'a self, name: &'a str) -> BusFuture<'a, bool> {
        Box::pin(async move {
            let there = self.available("deleting a topic")?.topics.remove(name).is_some();
            self.wake();
            Ok(there)
        })
    }

    fn describe_topic<'a>(&'a self, name: &'a str) -> BusFuture<'a, Option<TopicDescription>> {
        Box::pin(async move {
            Ok(self.available("describing a topic")?.topics.get(name).map(|topic| topic.description.clone()))
        })
    }

    fn alter_topic<'a>(&'a self, name: &'a str, change: TopicChange) -> BusFuture<'a, TopicDescription> {
        Box::pin(async move { self.alter(name, change) })
    }

    fn topics(&self) -> BusFuture<'_, Vec<String>> {
        Box::pin(async move { Ok(self.available("listing topics")?.topics.keys().cloned().collect()) })
    }

    fn address(&self) -> String {
        "memory".to_string()
    }
}

impl core::fmt::Debug for MemoryBus {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("MemoryBus").field("topics", &self.lock().topics.len()).finish()
    }
}
