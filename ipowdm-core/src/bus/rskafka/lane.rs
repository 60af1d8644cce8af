//! rskafka's clients for one kind of traffic: built when needed, lent to one call at a time, dropped when in doubt.
//!
//! rskafka has no time-outs, and a connection answers in order: a call therefore has its [`PartitionClient`], which is
//! a connection, to itself, and every wait ends at the call's deadline. A call that is dropped or runs out of time
//! takes its `PartitionClient` with it; running out of time gives up the [`Client`] too, and all that wait with it.

use super::fault::Fault;
use crate::bus::FetchRequest;
use crate::bus::kafka::KafkaOptions;
use crate::bus::kafka::cluster::FRAME_LIMIT;
use crate::bus::kafka::fetch::MOST_BYTES;
use ::rskafka::BackoffConfig;
use ::rskafka::client::error::Error;
use ::rskafka::client::partition::{Compression, OffsetAt, PartitionClient, UnknownTopicHandling};
use ::rskafka::client::{Client, ClientBuilder};
use ::rskafka::record::{Record, RecordAndOffset};
use std::collections::HashMap;
use std::future::Future;
use std::string::{String, ToString};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use std::vec::Vec;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::{Instant, timeout_at};

/// How long a `PartitionClient` waits for its next use, as in `bus::kafka`.
const IDLE: Duration = Duration::from_secs(60);

/// rskafka's default has no deadline and pauses of up to 500 s. The base must exceed 1, and the longest pause the first.
const BACKOFF: BackoffConfig = BackoffConfig {
    init_backoff: Duration::from_millis(100),
    max_backoff: Duration::from_secs(2),
    base: 2.0,
    deadline: Some(Duration::from_secs(5)),
};

pub(super) struct Lane {
    bootstrap: Vec<String>,
    client_id: String,
    /// Most `PartitionClient`s that wait for their next use.
    most_idle: usize,
    places: Semaphore,
    building: tokio::sync::Mutex<()>,
    state: Mutex<State>,
    pub(super) clients: AtomicU64,
    pub(super) connects: AtomicU64,
    pub(super) failures: AtomicU64,
}

#[derive(Default)]
struct State {
    client: Option<Arc<Client>>,
    /// Per topic and partition, in order of last use.
    idle: HashMap<(String, u32), Vec<Idle>>,
}

/// A `PartitionClient` that waits for its next use.
struct Idle {
    leader: PartitionClient,
    client: Arc<Client>,
    since: Instant,
}

/// A `PartitionClient` lent to one call. Dropped, it is not lent again.
struct Lease<'a> {
    leader: PartitionClient,
    client: Arc<Client>,
    key: (String, u32),
    _place: SemaphorePermit<'a>,
}

impl Lane {
    /// A lane for at most `places` calls at a time.
    pub(super) fn new(options: &KafkaOptions, places: usize, most_idle: usize) -> Self {
        Self {
            bootstrap: options.bootstrap.clone(),
            client_id: options.client_id.clone(),
            most_idle,
            places: Semaphore::new(places.clamp(1, Semaphore::MAX_PERMITS)),
            building: tokio::sync::Mutex::default(),
            state: Mutex::default(),
            clients: AtomicU64::new(0),
            connects: AtomicU64::new(0),
            failures: AtomicU64::new(0),
        }
    }

    /// Lends a `PartitionClient` of a partition that is known to be there.
    async fn lease(&self, topic: &str, partition: u32, deadline: Instant) -> Result<Lease<'_>, Fault> {
        // The semaphore is never closed.
        let Ok(Ok(place)) = timeout_at(deadline, self.places.acquire()).await else {
            return Err(Fault::Lost("too many calls at a time".to_string()));
        };
        let key = (topic.to_string(), partition);
        if let Some(Idle { leader, client, .. }) = self.state().take(&key, Instant::now()) {
            return Ok(Lease { leader, client, key, _place: place });
        }
        let client = timeout_at(deadline, self.client()).await.unwrap_or_else(|_| Err(timed_out()))?;
        self.connects.fetch_add(1, Ordering::Relaxed);
        let index = i32::try_from(partition).unwrap_or(i32::MAX);
        let opening = client.partition_client(topic, index, UnknownTopicHandling::Error);
        let leader = self.ask(&client, deadline, opening).await?;
        Ok(Lease { leader, client, key, _place: place })
    }

    /// Appends a batch and answers the offset of each record.
    pub(super) async fn produce(
        &self,
        topic: &str,
        partition: u32,
        records: Vec<Record>,
        deadline: Instant,
    ) -> Result<Vec<i64>, Fault> {
        let lease = self.lease(topic, partition, deadline).await?;
        let call = lease.leader.produce(records, Compression::NoCompression);
        let outcome = self.ask(&lease.client, deadline, call).await;
        self.end(lease, outcome)
    }

    /// Records from an offset on, and the offset that the next record will get.
    pub(super) async fn fetch(
        &self,
        wanted: &FetchRequest,
        wait: Duration,
        deadline: Instant,
    ) -> Result<(Vec<RecordAndOffset>, i64), Fault> {
        let lease = self.lease(&wanted.topic, wanted.partition, deadline).await?;
        let most = i32::try_from(wanted.max_bytes.clamp(1, MOST_BYTES)).unwrap_or(i32::MAX - 1);
        let wait = i32::try_from(wait.as_millis()).unwrap_or(i32::MAX);
        let call = lease.leader.fetch_records(wanted.offset, 1..most + 1, wait);
        let outcome = self.ask(&lease.client, deadline, call).await;
        self.end(lease, outcome)
    }

    /// An end of the log.
    pub(super) async fn offset(
        &self,
        topic: &str,
        partition: u32,
        at: OffsetAt,
        deadline: Instant,
    ) -> Result<i64, Fault> {
        let lease = self.lease(topic, partition, deadline).await?;
        let outcome = self.ask(&lease.client, deadline, lease.leader.get_offset(at)).await;
        self.end(lease, outcome)
    }

    /// Takes a `PartitionClient` back where it is still good.
    fn end<T>(&self, lease: Lease<'_>, outcome: Result<T, Fault>) -> Result<T, Fault> {
        if outcome.as_ref().err().is_none_or(Fault::spares_connection) {
            let Lease { leader, client, key, _place } = lease;
            self.put(key, Idle { leader, client, since: Instant::now() });
        }
        outcome
    }

    /// Awaits rskafka until the deadline, and gives the client up where it failed.
    async fn ask<T>(
        &self,
        client: &Arc<Client>,
        deadline: Instant,
        call: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Fault> {
        let outcome = match timeout_at(deadline, call).await {
            Ok(outcome) => outcome.map_err(Fault::from),
            Err(_) => Err(timed_out()),
        };
        if outcome.as_ref().err().is_some_and(Fault::condemns_client) {
            self.failures.fetch_add(1, Ordering::Relaxed);
            self.state().forget(client);
        }
        outcome
    }

    async fn client(&self) -> Result<Arc<Client>, Fault> {
        let _building = self.building.lock().await;
        if let Some(client) = self.state().client.clone() {
            return Ok(client);
        }
        let built = ClientBuilder::new(self.bootstrap.clone())
            .client_id(self.client_id.as_str())
            .max_message_size(FRAME_LIMIT)
            .backoff_config(BACKOFF)
            .build()
            .await;
        let client = Arc::new(built.map_err(|error| {
            self.failures.fetch_add(1, Ordering::Relaxed);
            Fault::from(error)
        })?);
        self.clients.fetch_add(1, Ordering::Relaxed);
        self.state().client = Some(Arc::clone(&client));
        Ok(client)
    }

    fn put(&self, key: (String, u32), idle: Idle) {
        let mut state = self.state();
        state.expire(idle.since);
        // One of a client that was given up meanwhile is not lent again.
        let current = state.client.as_ref().is_some_and(|client| Arc::ptr_eq(client, &idle.client));
        if current && state.idle.values().map(Vec::len).sum::<usize>() < self.most_idle {
            state.idle.entry(key).or_default().push(idle);
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Every change under the lock is complete before anything that could panic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn timed_out() -> Fault {
    Fault::Lost("no answer in time".to_string())
}

impl State {
    fn take(&mut self, key: &(String, u32), now: Instant) -> Option<Idle> {
        self.expire(now);
        self.idle.get_mut(key)?.pop()
    }

    fn expire(&mut self, now: Instant) {
        self.idle.retain(|_, waiting| {
            let stale = waiting.partition_point(|idle| now.saturating_duration_since(idle.since) >= IDLE);
            waiting.drain(..stale);
            !waiting.is_empty()
        });
    }

    fn forget(&mut self, client: &Arc<Client>) {
        self.client.take_if(|current| Arc::ptr_eq(current, client));
        self.idle.retain(|_, waiting| {
            waiting.retain(|idle| !Arc::ptr_eq(&idle.client, client));
            !waiting.is_empty()
        });
    }
}
