//! The task that moves messages from the outbox to the bus.

use super::lanes::{Lanes, Outcome, RelayOptions, Work};
use super::{OutboxRecord, RejectedMessage};
use crate::store::{Key, Prefix, RawKey, Store, StoreError, decode};
use core::future::Future;
use core::pin::pin;
use core::time::Duration;
use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use ipowdm_core::bus::{Bus, BusError, Outgoing};
use ipowdm_core::msg::COMMAND_TRACE;
use ipowdm_core::time::Millis;
use serde::Deserialize;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::time::{Instant, sleep, sleep_until};

/// Messages read from the store at a time.
const PAGE: usize = 1024;
/// Pause after the store has failed.
const STORE_PAUSE: Duration = Duration::from_millis(500);

/// Why messages were not published.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PublishError {
    /// It may work later.
    #[error("{0}")]
    Transient(String),
    /// There is no such topic; it may be about to be made (again).
    #[error("{0}")]
    NoTopic(String),
    /// It will never work: too large, not authorised.
    #[error("{0}")]
    Permanent(String),
}

/// Where a relay publishes.
pub trait Publish: Send + Sync {
    /// Publishes messages of one topic and key in order, and answers when all are confirmed.
    fn publish(
        &self,
        topic: &str,
        messages: Vec<OutboxRecord>,
    ) -> impl Future<Output = Result<(), PublishError>> + Send;
}

impl Publish for Arc<dyn Bus> {
    async fn publish(&self, topic: &str, messages: Vec<OutboxRecord>) -> Result<(), PublishError> {
        let records = messages
            .into_iter()
            .map(|message| Outgoing { key: Some(message.key.into()), value: message.payload.map(Into::into) })
            .collect();
        match Bus::publish(&**self, topic, records).await {
            Ok(_) => Ok(()),
            Err(error) if error.is_transient() => Err(PublishError::Transient(error.to_string())),
            Err(error @ BusError::UnknownTopic { .. }) => Err(PublishError::NoTopic(error.to_string())),
            Err(error) => Err(PublishError::Permanent(error.to_string())),
        }
    }
}

/// What the relays of a store have done so far in this process; clones show the same figures.
#[derive(Debug, Clone, Default)]
pub struct RelayCounts {
    figures: Arc<Figures>,
}

#[derive(Debug, Default)]
struct Figures {
    published: AtomicU64,
    failed: AtomicU64,
    rejected: AtomicU64,
    waiting: AtomicU64,
}

impl RelayCounts {
    /// Messages that the bus has confirmed.
    #[must_use]
    pub fn published(&self) -> u64 {
        self.figures.published.load(Ordering::Relaxed)
    }

    /// Publish calls that failed and are repeated.
    #[must_use]
    pub fn failed(&self) -> u64 {
        self.figures.failed.load(Ordering::Relaxed)
    }

    /// Messages that the bus refuses for ever, see [`RejectedMessage`].
    #[must_use]
    pub fn rejected(&self) -> u64 {
        self.figures.rejected.load(Ordering::Relaxed)
    }

    /// Messages known to wait.
    #[must_use]
    pub fn waiting(&self) -> u64 {
        self.figures.waiting.load(Ordering::Relaxed)
    }
}

/// Moves messages from the outbox of a store to the bus.
#[derive(Debug)]
pub struct OutboxRelay<P> {
    store: Store,
    publisher: P,
    lanes: Lanes,
    counts: RelayCounts,
    epoch: Instant,
    /// Messages up to this one have been found.
    cursor: Option<RawKey>,
    /// Messages that are done with, still to be deleted.
    done: Vec<Done>,
}

/// A message that is done with.
#[derive(Debug)]
struct Done {
    message: Key<OutboxRecord>,
    /// Why it was given up, where it was.
    rejected: Option<RejectedMessage>,
}

/// How a publish call ended, with what is needed to record it.
struct Ended {
    work: Work,
    outcome: Outcome,
    reason: String,
    /// The first message of the batch, for the record of a refusal.
    first: Option<OutboxRecord>,
}

impl<P: Publish> OutboxRelay<P> {
    /// A relay; to be run.
    #[must_use]
    pub fn new(store: Store, publisher: P, options: RelayOptions) -> Self {
        Self {
            counts: store.counts().relay().clone(),
            store,
            publisher,
            lanes: Lanes::new(options),
            epoch: Instant::now(),
            cursor: None,
            done: Vec::new(),
        }
    }

    /// The relay's figures.
    #[must_use]
    pub fn counts(&self) -> RelayCounts {
        self.counts.clone()
    }

    /// Relays until `stop` is ready. What is under way then is published again by the next relay.
    pub async fn run(self, stop: impl Future<Output = ()>) {
        let Self { store, publisher, mut lanes, counts, epoch, mut cursor, mut done } = self;
        let mut stop = pin!(stop);
        let mut watch = store.watch(&Prefix::<OutboxRecord>::all());
        let mut flying = FuturesUnordered::new();
        let mut more = true;
        let now = || Millis(u64::try_from(epoch.elapsed().as_millis()).unwrap_or(u64::MAX));
        loop {
            let swept = sweep(&store, &mut done).await;
            let filled = match more {
                true => fill(&store, &mut lanes, &mut cursor, &mut done).await.map(|full| more = full),
                false => Ok(()),
            };
            let troubled = swept.and(filled).inspect_err(|error| tracing::warn!(%error, "outbox")).is_err();
            while let Some(work) = lanes.next(now()) {
                flying.push(publish(&store, &publisher, work));
            }
            counts.figures.waiting.store(lanes.waiting() as u64, Ordering::Relaxed);
            let again = more && lanes.room() > 0 && !troubled;
            let pause = wake(again || (!troubled && !done.is_empty()), troubled, lanes.wake_at(), epoch);
            tokio::select! {
                // What is flying comes to an end by itself: it takes nothing from the watch.
                biased;
                () = &mut stop => return,
                Some(ended) = flying.next() => record(&mut lanes, &counts, &mut done, ended, now()),
                change = watch.next(), if !more => match change {
                    Some(_) => more = true,
                    // The back end is gone: there is nothing left to relay.
                    None => return,
                },
                () = pause => {}
            }
        }
    }
}

/// Waits until there is something to do that no event announces.
async fn wake(at_once: bool, troubled: bool, lane: Option<Millis>, epoch: Instant) {
    if at_once {
        return;
    }
    let lane = async {
        match lane {
            Some(Millis(at)) => sleep_until(epoch + Duration::from_millis(at)).await,
            None => core::future::pending().await,
        }
    };
    let store = async {
        match troubled {
            true => sleep(STORE_PAUSE).await,
            false => core::future::pending().await,
        }
    };
    tokio::select! { biased; () = lane => {}, () = store => {} }
}

/// Finds messages after the cursor; answers whether there may be more.
async fn fill(
    store: &Store,
    lanes: &mut Lanes,
    cursor: &mut Option<RawKey>,
    done: &mut Vec<Done>,
) -> Result<bool, StoreError> {
    let limit = lanes.room().min(PAGE);
    if limit == 0 {
        return Ok(true);
    }
    let prefix = Prefix::<OutboxRecord>::all();
    let page = store.snapshot().await?.page_bytes(prefix.raw().clone(), cursor.clone(), Some(limit)).await?;
    let full = page.len() == limit;
    for (raw, bytes) in page {
        *cursor = Some(raw.clone());
        let Some(message) = Key::<OutboxRecord>::from_raw(raw.clone()) else { continue };
        match decode::<OutboxRecord>(&raw, &bytes) {
            Ok(record) => lanes.found(message, &record.topic, &record.key),
            // One damaged record does not hold up the others.
            Err(error) => {
                let rejected = Some(RejectedMessage { message: None, reason: error.to_string() });
                done.push(Done { message, rejected });
            }
        }
    }
    Ok(full)
}

async fn publish<P: Publish>(store: &Store, publisher: &P, work: Work) -> Ended {
    let read = async {
        let mut snapshot = store.snapshot().await?;
        let mut messages = Vec::with_capacity(work.messages.len());
        for key in &work.messages {
            messages.extend(snapshot.get(key).await?);
        }
        Ok::<_, StoreError>(messages)
    };
    let messages = match read.await {
        Ok(messages) => messages,
        Err(error) => {
            return Ended { work, outcome: Outcome::Failed, reason: error.to_string(), first: None };
        }
    };
    let first = messages.first().cloned();
    if messages.is_empty() {
        // Somebody else has deleted them: there is nothing left to publish.
        return Ended { work, outcome: Outcome::Confirmed, reason: String::new(), first };
    }
    let commands = commands_in(&messages);
    let (outcome, reason) = match publisher.publish(&work.topic, messages).await {
        Ok(()) => {
            for command_id in commands {
                tracing::debug!(target: COMMAND_TRACE, command_id, topic = work.topic, "command published");
            }
            (Outcome::Confirmed, String::new())
        }
        Err(PublishError::Transient(reason)) => (Outcome::Failed, reason),
        Err(PublishError::NoTopic(reason)) => (Outcome::NoTopic, reason),
        Err(PublishError::Permanent(reason)) => (Outcome::Refused, reason),
    };
    Ended { work, outcome, reason, first }
}

/// The commands among messages by their ids, where somebody traces them.
fn commands_in(messages: &[OutboxRecord]) -> Vec<String> {
    #[derive(Deserialize)]
    struct Named {
        command_id: String,
    }
    if !tracing::enabled!(target: COMMAND_TRACE, tracing::Level::DEBUG) {
        return Vec::new();
    }
    let named = |message: &OutboxRecord| serde_json::from_slice::<Named>(message.payload.as_deref()?).ok();
    messages.iter().filter_map(named).map(|named| named.command_id).collect()
}

fn record(lanes: &mut Lanes, counts: &RelayCounts, done: &mut Vec<Done>, ended: Ended, now: Millis) {
    let Ended { work, outcome, reason, first } = ended;
    let finished = lanes.finished(work.lane, outcome, now);
    let given_up = matches!(outcome, Outcome::Refused | Outcome::NoTopic) && !finished.is_empty();
    match outcome {
        Outcome::Confirmed => {
            counts.figures.published.fetch_add(finished.len() as u64, Ordering::Relaxed);
        }
        Outcome::Failed | Outcome::NoTopic if !given_up => {
            counts.figures.failed.fetch_add(1, Ordering::Relaxed);
            tracing::debug!(topic = work.topic, reason, "publishing is repeated");
        }
        Outcome::Refused if !given_up => {}
        Outcome::Failed | Outcome::NoTopic | Outcome::Refused => {
            counts.figures.rejected.fetch_add(finished.len() as u64, Ordering::Relaxed);
            tracing::error!(topic = work.topic, reason, "a message is refused for ever and set aside");
        }
    }
    let rejected = given_up.then_some(RejectedMessage { message: first, reason });
    done.extend(finished.into_iter().map(|message| Done { message, rejected: rejected.clone() }));
}

/// Deletes what is done with; what was refused is set aside in the same transaction.
async fn sweep(store: &Store, done: &mut Vec<Done>) -> Result<(), StoreError> {
    if done.is_empty() {
        return Ok(());
    }
    let rejects = done.iter().any(|done| done.rejected.is_some());
    store
        .transact(|tx| {
            for Done { message, rejected } in &*done {
                tx.delete(message);
                if let Some(rejected) = rejected {
                    tx.put(&RejectedMessage::key(message), rejected)?;
                }
            }
            if rejects {
                let kept = tx.scan(&Prefix::<RejectedMessage>::all())?;
                let excess = kept.len().saturating_sub(RejectedMessage::KEPT);
                kept.iter().take(excess).for_each(|(oldest, _)| tx.delete(oldest));
            }
            Ok::<_, StoreError>(())
        })
        .await?;
    done.clear();
    Ok(())
}
