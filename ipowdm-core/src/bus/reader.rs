//! Following topics from stored positions.
//!
//! One [`Reader`] follows any number of topics; a task per partition fetches from the position given and hands batches
//! to one bounded channel, so a slow consumer holds the fetching back and nothing is dropped. Positions belong to the
//! consumer: it stores what it has *acted on* together with the effect, and starts again from there.
//!
//! A topic may get more partitions, or be made anew with more or fewer. The description is asked for again every
//! [`DESCRIBED_EVERY`], and at once where a partition loses its position or is not there; a partition that appears is read
//! whole, one that is gone is left.
//!
//! Tasks: one per followed topic and one per partition, owned by the reader and ended when it is dropped or the topic
//! unfollowed. They hold nothing across an await that dropping would lose.

use super::pause::Pause;
use super::{Bus, BusError, FetchRequest, Record};
use std::collections::BTreeMap;
use std::string::{String, ToString};
use std::sync::Arc;
use std::time::Duration;
use std::vec::Vec;
use tokio::sync::{Notify, mpsc};
use tokio::task::{AbortHandle, JoinHandle, JoinSet};

/// Batches waiting for the consumer, over all partitions. Small: the log itself is the buffer.
const QUEUE: usize = 64;

/// How often a followed topic is asked how many partitions it has. Well below the lifetime of a command.
pub const DESCRIBED_EVERY: Duration = Duration::from_secs(10);

/// Where to begin in a partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// The earliest record in the log.
    Earliest,
    /// Records appended from now on.
    Latest,
    /// This offset.
    At(i64),
}

/// What a reader delivers.
#[derive(Debug)]
pub enum Delivery {
    /// Records of one partition in order.
    Records {
        /// The topic.
        topic: Arc<str>,
        /// The partition.
        partition: u32,
        /// The records; the position after them is the last offset + 1.
        records: Vec<Record>,
        /// Whether these were the newest records of the partition when fetched.
        at_end: bool,
    },
    /// The stored position is not in the log any more: records may have been missed and state must be compared anew.
    /// Reading goes on at the earliest record.
    Resync {
        /// The topic.
        topic: Arc<str>,
        /// The partition.
        partition: u32,
        /// The position that was lost.
        lost: i64,
        /// Where reading goes on.
        from: i64,
    },
    /// The bus cannot be reached, or the topic is not there. Sent once when it begins.
    Outage {
        /// The topic.
        topic: Arc<str>,
        /// Why.
        error: BusError,
    },
    /// The bus answers again. Sent once when an outage ends.
    Restored {
        /// The topic.
        topic: Arc<str>,
    },
}

/// Follows topics; dropping it ends all fetching.
pub struct Reader {
    bus: Arc<dyn Bus>,
    sender: mpsc::Sender<Delivery>,
    receiver: mpsc::Receiver<Delivery>,
    followed: BTreeMap<String, Vec<JoinHandle<()>>>,
    max_wait: Duration,
}

impl Reader {
    /// A reader that follows nothing yet. Must be used inside a tokio runtime.
    #[must_use]
    pub fn new(bus: Arc<dyn Bus>) -> Self {
        let (sender, receiver) = mpsc::channel(QUEUE);
        Self { bus, sender, receiver, followed: BTreeMap::new(), max_wait: Duration::from_secs(5) }
    }

    /// Follows all partitions of a topic. `start` gives the position of each partition; one that appears later is read
    /// from its beginning where `start` says [`Start::Latest`]. A topic that is not there yet is waited for. Following it
    /// again replaces the positions.
    pub fn follow(&mut self, topic: &str, start: impl Fn(u32) -> Start + Send + Sync + 'static) {
        self.unfollow(topic);
        let follow = Follow {
            bus: Arc::clone(&self.bus),
            topic: Arc::from(topic),
            sender: self.sender.clone(),
            max_wait: self.max_wait,
            changed: Arc::default(),
        };
        let task = tokio::spawn(follow.all_partitions(Arc::new(start)));
        self.followed.insert(topic.to_string(), Vec::from([task]));
    }

    /// Stops following a topic; batches already queued are still delivered.
    pub fn unfollow(&mut self, topic: &str) {
        for task in self.followed.remove(topic).unwrap_or_default() {
            task.abort();
        }
    }

    /// The topics followed now.
    pub fn topics(&self) -> impl Iterator<Item = &str> {
        self.followed.keys().map(String::as_str)
    }

    /// The next delivery. Cancel-safe. Waits for ever while nothing is followed.
    pub async fn next(&mut self) -> Delivery {
        loop {
            // The reader holds a sender itself, so the channel never closes.
            if let Some(delivery) = self.receiver.recv().await {
                return delivery;
            }
        }
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        for task in self.followed.values().flatten() {
            task.abort();
        }
    }
}

impl core::fmt::Debug for Reader {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Reader").field("followed", &self.followed.keys()).finish()
    }
}

#[derive(Clone)]
struct Follow {
    bus: Arc<dyn Bus>,
    topic: Arc<str>,
    sender: mpsc::Sender<Delivery>,
    max_wait: Duration,
    /// Told where the topic may not be what it was.
    changed: Arc<Notify>,
}

type StartOf = Arc<dyn Fn(u32) -> Start + Send + Sync>;

impl Follow {
    /// Waits for the topic, then follows its partitions, as many as it has at any time, until dropped.
    async fn all_partitions(self, start: StartOf) {
        let Some(mut partitions) = self.first_described().await else { return };
        // Dropping this future drops the set, which ends the partition tasks.
        let mut tasks = JoinSet::new();
        let mut followed: Vec<AbortHandle> = Vec::new();
        let at_first = partitions;
        loop {
            for partition in (0..partitions).skip(followed.len()) {
                let start = match start(partition) {
                    // All that is in it came after the reader began.
                    Start::Latest if partition >= at_first => Start::Earliest,
                    start => start,
                };
                followed.push(tasks.spawn(self.clone().one_partition(partition, start)));
            }
            let kept = usize::try_from(partitions).unwrap_or(usize::MAX).min(followed.len());
            let gone = followed.split_off(kept);
            gone.iter().for_each(AbortHandle::abort);
            // The outage of a partition that is gone has ended with it.
            if !gone.is_empty() && !self.send(Delivery::Restored { topic: self.topic.clone() }).await {
                return;
            }
            partitions = self.described_again().await;
        }
    }

    /// How many partitions the topic has, once it is there; `None` where the reader is gone.
    async fn first_described(&self) -> Option<u32> {
        let mut pause = Pause::new();
        let mut told = false;
        loop {
            let error = match self.bus.describe_topic(&self.topic).await {
                Ok(Some(description)) => return Some(description.partitions),
                Ok(None) => BusError::UnknownTopic { topic: self.topic.to_string(), partition: 0 },
                Err(error) => error,
            };
            if !told && !self.send(Delivery::Outage { topic: self.topic.clone(), error }).await {
                return None;
            }
            told = true;
            pause.wait().await;
        }
    }

    /// How many partitions it has some time later. That it is away meanwhile its partitions tell.
    async fn described_again(&self) -> u32 {
        loop {
            // Whichever comes first: the time, or a partition that has seen a change.
            let _ = tokio::time::timeout(DESCRIBED_EVERY, self.changed.notified()).await;
            if let Ok(Some(description)) = self.bus.describe_topic(&self.topic).await {
                return description.partitions;
            }
        }
    }

    async fn one_partition(self, partition: u32, start: Start) {
        let mut pause = Pause::new();
        let mut position = match start {
            Start::At(offset) => Some(offset),
            Start::Earliest | Start::Latest => None,
        };
        let mut out = false;
        loop {
            let step = match position {
                None => self.locate(partition, start).await.map(|offset| (offset, None)),
                Some(offset) => self.fetch(partition, offset).await,
            };
            match step {
                Ok((next, delivery)) => {
                    pause.reset();
                    if out && !self.send(Delivery::Restored { topic: self.topic.clone() }).await {
                        return;
                    }
                    out = false;
                    if let Some(delivery) = delivery
                        && !self.send(delivery).await
                    {
                        return;
                    }
                    position = Some(next);
                }
                Err(BusError::OffsetOutOfRange { offset, earliest, .. }) => {
                    self.changed.notify_one();
                    let lost = Delivery::Resync {
                        topic: self.topic.clone(),
                        partition,
                        lost: offset,
                        from: earliest,
                    };
                    if !self.send(lost).await {
                        return;
                    }
                    position = Some(earliest);
                    pause.wait().await;
                }
                Err(error) => {
                    if let BusError::UnknownTopic { .. } = error {
                        self.changed.notify_one();
                    }
                    if !out && !self.send(Delivery::Outage { topic: self.topic.clone(), error }).await {
                        return;
                    }
                    out = true;
                    pause.wait().await;
                }
            }
        }
    }

    async fn locate(&self, partition: u32, start: Start) -> Result<i64, BusError> {
        let bounds = self.bus.bounds(&self.topic, partition).await?;
        Ok(match start {
            Start::Earliest => bounds.earliest,
            Start::Latest => bounds.next,
            Start::At(offset) => offset,
        })
    }

    async fn fetch(&self, partition: u32, offset: i64) -> Result<(i64, Option<Delivery>), BusError> {
        let request = FetchRequest {
            topic: self.topic.to_string(),
            partition,
            offset,
            max_bytes: 1 << 20,
            max_wait: self.max_wait,
        };
        let fetched = self.bus.fetch(request).await?;
        let after = fetched.resume;
        if fetched.records.is_empty() {
            return Ok((after, None));
        }
        let at_end = after >= fetched.next;
        let topic = self.topic.clone();
        Ok((after, Some(Delivery::Records { topic, partition, records: fetched.records, at_end })))
    }

    /// Whether the reader still listens.
    async fn send(&self, delivery: Delivery) -> bool {
        self.sender.send(delivery).await.is_ok()
    }
}
