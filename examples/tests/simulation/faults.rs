//! The bus and the store as one process of the simulation reaches them.

use super::chance::{Chance, CommitFate, Fate};
use super::life::{Life, Point};
use super::tap::Tap;
use core::time::Duration;
use ipowdm_core::bus::memory::MemoryBus;
use ipowdm_core::bus::{
    Bounds, Bus, BusError, BusFuture, Created, FetchRequest, Fetched, Outgoing, Position, TopicChange,
    TopicDescription, TopicSpec,
};
use ipowdm_ctl_lib::store::{
    Backend, BackendError, Batch, BoxFuture, CommitError, MemoryBackend, Version, View, WatchSource,
};
use std::sync::Arc;
use tokio::time::sleep;

/// Who reaches out, and what may happen on the way.
#[derive(Debug, Clone)]
pub(crate) struct Line {
    pub(crate) who: Arc<str>,
    pub(crate) life: Arc<Life>,
    pub(crate) chance: Arc<Chance>,
    pub(crate) tap: Arc<Tap>,
}

/// The bus as one process reaches it.
pub(crate) struct FaultyBus {
    pub(crate) inner: MemoryBus,
    pub(crate) line: Line,
}

fn away<T>(doing: &str) -> Result<T, BusError> {
    Err(BusError::Unavailable { doing: doing.to_owned(), reason: "simulated".to_owned() })
}

impl FaultyBus {
    async fn publish_by(&self, topic: &str, records: Vec<Outgoing>) -> Result<Vec<Position>, BusError> {
        let Line { who, life, chance, tap } = &self.line;
        life.point(Point::BeforePublish).await;
        // Heartbeats and assignments are read back by their position.
        let may_be_lost = topic.starts_with("monitoring_");
        let fate = chance.of_publish(may_be_lost);
        for record in &records {
            let value = record.value.as_deref().unwrap_or_default();
            let said = match topic.split_once('_') {
                Some(("config", vop)) => tap.command(vop, value),
                Some((_, vop)) => tap.answer(vop, value),
                None => None,
            };
            let said = said.unwrap_or_else(|| format!("{} bytes", value.len()));
            tap.say(format_args!("{who} publishes {topic} {fate:?}: {said}"));
        }
        let result = match fate {
            Fate::Refused => away("publishing"),
            Fate::Unconfirmed => {
                self.inner.publish(topic, records).await?;
                away("publishing")
            }
            Fate::Twice => {
                self.inner.publish(topic, records.clone()).await?;
                self.inner.publish(topic, records).await
            }
            Fate::Slow(ms) => {
                sleep(Duration::from_millis(ms)).await;
                life.alive().await;
                self.inner.publish(topic, records).await
            }
            Fate::Lost => self.unwritten(topic, &records).await,
            Fate::Late(ms) => {
                let (inner, topic_name) = (self.inner.clone(), topic.to_owned());
                let positions = self.unwritten(topic, &records).await;
                tokio::spawn(async move {
                    sleep(Duration::from_millis(ms)).await;
                    // Where the topic is gone by then, so is whoever waited for it.
                    let _ = inner.publish(&topic_name, records).await;
                });
                positions
            }
            Fate::Whole => self.inner.publish(topic, records).await,
        };
        life.point(Point::AfterPublish).await;
        result
    }

    /// Where records would be that are not in the log.
    async fn unwritten(&self, topic: &str, records: &[Outgoing]) -> Result<Vec<Position>, BusError> {
        let described = self.inner.describe_topic(topic).await?;
        let unknown = || BusError::UnknownTopic { topic: topic.to_owned(), partition: 0 };
        let partitions = described.ok_or_else(unknown)?.partitions;
        let mut positions = Vec::new();
        for record in records {
            let partition = record.partition(partitions);
            let offset = self.inner.bounds(topic, partition).await?.next;
            positions.push(Position { partition, offset });
        }
        Ok(positions)
    }

    async fn fetch_by(&self, request: FetchRequest) -> Result<Fetched, BusError> {
        let Line { who, life, chance, tap } = &self.line;
        life.alive().await;
        let (topic, partition) = (request.topic.clone(), request.partition);
        let fetched = self.inner.fetch(request).await?;
        if !fetched.records.is_empty() {
            match chance.of_fetch() {
                Fate::Refused => return away("fetching"),
                Fate::Slow(ms) => sleep(Duration::from_millis(ms)).await,
                _ => {}
            }
            life.point(Point::Receive).await;
            tap.say(format_args!("{who} receives {} of {topic}-{partition}", fetched.records.len()));
        }
        Ok(fetched)
    }
}

impl Bus for FaultyBus {
    fn publish<'a>(&'a self, topic: &'a str, records: Vec<Outgoing>) -> BusFuture<'a, Vec<Position>> {
        Box::pin(self.publish_by(topic, records))
    }

    fn fetch(&self, request: FetchRequest) -> BusFuture<'_, Fetched> {
        Box::pin(self.fetch_by(request))
    }

    fn bounds<'a>(&'a self, topic: &'a str, partition: u32) -> BusFuture<'a, Bounds> {
        self.inner.bounds(topic, partition)
    }

    fn create_topic(&self, spec: TopicSpec) -> BusFuture<'_, Created> {
        self.inner.create_topic(spec)
    }

    fn delete_topic<'a>(&'a self, name: &'a str) -> BusFuture<'a, bool> {
        self.inner.delete_topic(name)
    }

    fn describe_topic<'a>(&'a self, name: &'a str) -> BusFuture<'a, Option<TopicDescription>> {
        self.inner.describe_topic(name)
    }

    fn alter_topic<'a>(&'a self, name: &'a str, change: TopicChange) -> BusFuture<'a, TopicDescription> {
        self.inner.alter_topic(name, change)
    }

    fn topics(&self) -> BusFuture<'_, Vec<String>> {
        self.inner.topics()
    }

    fn address(&self) -> String {
        self.inner.address()
    }
}

/// The store as one process reaches it.
#[derive(Debug)]
pub(crate) struct FaultyStore {
    pub(crate) inner: Arc<MemoryBackend>,
    pub(crate) line: Line,
}

impl FaultyStore {
    async fn commit_by(&self, batch: Batch) -> Result<Version, CommitError> {
        let Line { who, life, chance, tap } = &self.line;
        life.point(Point::BeforeWrite).await;
        let fate = if life.is_severed() { CommitFate::Unavailable } else { chance.of_commit() };
        let reason = || "simulated".to_owned();
        let (writes, stamped) = (batch.writes.len(), batch.stamped.len());
        let result = match fate {
            CommitFate::Whole => self.inner.commit(batch).await,
            CommitFate::Conflict => Err(CommitError::Conflict),
            CommitFate::Unavailable => Err(CommitError::Unavailable { reason: reason() }),
            CommitFate::DoneUnanswered => {
                self.inner.commit(batch).await?;
                Err(CommitError::Indeterminate { reason: reason() })
            }
            CommitFate::NotDoneUnanswered => Err(CommitError::Indeterminate { reason: reason() }),
        };
        let version = result.as_ref().ok();
        tap.say(format_args!("{who} commits {writes}+{stamped} {fate:?}: {version:?}"));
        life.point(Point::AfterWrite).await;
        result
    }
}

impl Backend for FaultyStore {
    fn view(&self) -> BoxFuture<'_, Result<Box<dyn View>, BackendError>> {
        Box::pin(async {
            self.line.life.alive().await;
            if self.line.life.is_severed() {
                return Err(BackendError::Unavailable { reason: "simulated".to_owned() });
            }
            self.inner.view().await
        })
    }

    fn commit(&self, batch: Batch) -> BoxFuture<'_, Result<Version, CommitError>> {
        Box::pin(self.commit_by(batch))
    }

    fn changes(&self) -> &WatchSource {
        self.inner.changes()
    }

    fn shares_values(&self) -> bool {
        self.inner.shares_values()
    }
}
