//! Asking brokers: connections from the pool, a deadline on every call, and the view of the cluster kept current.

use super::api::Api;
use super::connection::{Connection, WireError};
use super::leader::Patience;
use super::login::Login;
use super::options::{Compression, KafkaOptions, OptionsError};
use super::pool::{Pool, Traffic};
use super::refusal::{Refusal, refusal};
use super::stream::Encryption;
use super::topology::{TopicView, Topology};
use crate::bus::BusError;
use kafka_protocol::messages::metadata_request::MetadataRequestTopic;
use kafka_protocol::messages::metadata_response::MetadataResponseTopic;
use kafka_protocol::messages::{MetadataRequest, MetadataResponse, TopicName};
use kafka_protocol::protocol::StrBytes;
use std::string::{String, ToString};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use std::vec::Vec;
use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep_until, timeout_at};

/// Largest frame that a broker may answer with: several times the largest batch that a default topic takes.
pub(in crate::bus) const FRAME_LIMIT: usize = 8 << 20;

/// Most calls in flight at a time, fetches aside: each takes a connection, and none lasts long.
pub(in crate::bus) const CALLS: usize = 64;

/// Most questions for metadata in flight at a time: when a leader is lost, everybody asks at once.
const QUESTIONS: usize = 4;

/// How long a broker may be silent before it is passed over, where all of them are asked.
const SILENCE: Duration = Duration::from_secs(3);

/// How long a missing topic is given before it is believed to be missing, where several brokers may not have heard of
/// it alike.
const HEARSAY: Duration = Duration::from_millis(100);

/// What a bus has done so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Connections opened.
    pub connects: u64,
    /// Calls that failed for want of an answer: no connection, a broken one, or none in time.
    pub failures: u64,
    /// Records skipped because they are damaged, of a format older than 2, or compressed by a codec whose feature (`lz4`,
    /// `compression`) the build lacks.
    pub unreadable: u64,
    /// Connections that wait for their next use now.
    pub waiting: u64,
    /// Pauses that brokers have asked for, because of a quota.
    pub pauses: u64,
}

/// The brokers of one cluster.
pub(super) struct Cluster {
    bootstrap: Vec<Arc<str>>,
    client: StrBytes,
    encryption: Option<Encryption>,
    login: Option<Login>,
    pub(super) call_timeout: Duration,
    pub(super) compression: Compression,
    pool: Pool,
    topology: Mutex<Topology>,
    calls: Semaphore,
    fetches: Semaphore,
    questions: Semaphore,
    connects: AtomicU64,
    failures: AtomicU64,
    unreadable: AtomicU64,
    pauses: AtomicU64,
}

impl Cluster {
    pub(super) fn new(options: &KafkaOptions) -> Result<Self, OptionsError> {
        Ok(Self {
            bootstrap: options.bootstrap.iter().map(|broker| Arc::from(broker.as_str())).collect(),
            client: StrBytes::from_string(options.client_id.clone()),
            encryption: options.tls.as_ref().map(Encryption::new).transpose()?,
            login: Login::new(options.sasl.as_ref()),
            call_timeout: options.call_timeout,
            compression: options.compression,
            pool: Pool::default(),
            topology: Mutex::default(),
            calls: Semaphore::new(CALLS),
            fetches: Semaphore::new(options.max_fetches.clamp(1, Semaphore::MAX_PERMITS)),
            questions: Semaphore::new(QUESTIONS),
            connects: AtomicU64::new(0),
            failures: AtomicU64::new(0),
            unreadable: AtomicU64::new(0),
            pauses: AtomicU64::new(0),
        })
    }

    /// When a call that begins now must have ended.
    pub(super) fn deadline(&self) -> Instant {
        Instant::now() + self.call_timeout
    }

    pub(super) fn address(&self) -> String {
        self.bootstrap.join(",")
    }

    pub(super) fn count_unreadable(&self, records: u64) {
        self.unreadable.fetch_add(records, Ordering::Relaxed);
    }

    pub(super) fn counts(&self) -> Counts {
        Counts {
            connects: self.connects.load(Ordering::Relaxed),
            failures: self.failures.load(Ordering::Relaxed),
            unreadable: self.unreadable.load(Ordering::Relaxed),
            waiting: self.pool.waiting() as u64,
            pauses: self.pauses.load(Ordering::Relaxed),
        }
    }

    /// Asks one broker. Ends at the deadline at the latest.
    pub(super) async fn call<A: Api>(
        &self,
        peer: &Arc<str>,
        traffic: Traffic,
        request: &A,
        deadline: Instant,
    ) -> Result<A::Response, WireError> {
        self.respect_pause(peer, traffic, deadline).await?;
        let places = if traffic == Traffic::Fetch { &self.fetches } else { &self.calls };
        // The semaphores are never closed.
        let Ok(Ok(_place)) = timeout_at(deadline, places.acquire()).await else {
            return Err(WireError::Busy);
        };
        let pooled = self.pool.take(peer, Instant::now());
        let reused = pooled.is_some();
        match self.exchange(peer, pooled, request, deadline).await {
            // The broker may have closed the connection while it waited for its next use.
            Err(WireError::Broken { .. }) if reused && A::REPEATABLE => {
                self.exchange(peer, None, request, deadline).await
            }
            result => result,
        }
    }

    async fn exchange<A: Api>(
        &self,
        peer: &Arc<str>,
        pooled: Option<Connection>,
        request: &A,
        deadline: Instant,
    ) -> Result<A::Response, WireError> {
        // Whatever fails or is dropped in here drops the connection with what may still be under way on it.
        let exchange = async {
            let mut connection = match pooled {
                Some(connection) => connection,
                None => {
                    self.connects.fetch_add(1, Ordering::Relaxed);
                    let opening =
                        Connection::open(peer, self.client.clone(), FRAME_LIMIT, self.encryption.as_ref());
                    let mut connection = opening.await?;
                    if let Some(login) = &self.login {
                        login.prove(&mut connection).await?;
                    }
                    connection
                }
            };
            let answer = connection.call(request).await?;
            Ok((connection, answer))
        };
        let result = timeout_at(deadline, exchange)
            .await
            .unwrap_or_else(|_| Err(WireError::TimedOut { peer: Arc::clone(peer), api: A::NAME }));
        match result {
            Ok((connection, answer)) => {
                self.pool.put(connection, Instant::now());
                Ok(answer)
            }
            Err(error) => {
                self.failures.fetch_add(1, Ordering::Relaxed);
                if error.condemns_peer() {
                    self.pool.purge(peer);
                }
                tracing::debug!(%error, "call failed");
                Err(error)
            }
        }
    }

    /// Asks the brokers one after the other until one answers, each with its share of the time that is left.
    pub(super) async fn call_any<A: Api>(
        &self,
        request: &A,
        deadline: Instant,
    ) -> Result<A::Response, WireError> {
        let candidates = self.topology().candidates(&self.bootstrap);
        let mut last = WireError::Busy;
        for (asked, peer) in candidates.iter().enumerate() {
            let now = Instant::now();
            let others = u32::try_from(candidates.len() - asked).unwrap_or(u32::MAX);
            let share = now + deadline.saturating_duration_since(now) / others;
            match self.call(peer, Traffic::Other, request, share).await {
                Ok(answer) => return Ok(answer),
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    /// Asks for a topic (or, with `None`, for all), never creating it by asking.
    pub(super) async fn metadata(
        &self,
        topic: Option<&str>,
        deadline: Instant,
    ) -> Result<MetadataResponse, WireError> {
        let topics =
            topic.map(|name| Vec::from([MetadataRequestTopic::default().with_name(Some(topic_name(name)))]));
        let request = MetadataRequest::default().with_topics(topics).with_allow_auto_topic_creation(false);
        let answer = self.call_any(&request, deadline).await?;
        self.topology().absorb(&answer);
        Ok(answer)
    }

    /// A topic's partitions and their leaders, from memory where that is recent and not older than `newer_than`.
    pub(super) async fn topic(
        &self,
        name: &str,
        newer_than: Option<Instant>,
        deadline: Instant,
        doing: &str,
    ) -> Result<Arc<TopicView>, BusError> {
        let mut patience = Patience::until(deadline);
        let mut confirmed_missing = self.topology().brokers() < 2;
        loop {
            let place = timeout_at(deadline, self.questions.acquire()).await;
            // Somebody else may have asked meanwhile.
            if let Some(view) = self.topology().topic(name, newer_than, Instant::now()) {
                return Ok(view);
            }
            let Ok(Ok(place)) = place else { return Err(unavailable(doing, &WireError::Busy)) };
            let asked = Instant::now();
            let answer =
                self.metadata(Some(name), deadline).await.map_err(|error| unavailable(doing, &error))?;
            drop(place);
            let is_it = |topic: &&MetadataResponseTopic| topic.name.as_ref().is_some_and(|n| &*n.0 == name);
            let topic = answer.topics.iter().find(is_it);
            match topic.map_or(Some(Refusal::Missing), |topic| refusal(topic.error_code)) {
                None => return self.keep_view(name, topic, asked, doing),
                Some(Refusal::Missing) if !confirmed_missing => {
                    confirmed_missing = true;
                    sleep_until(deadline.min(Instant::now() + HEARSAY)).await;
                }
                Some(refusal) => {
                    self.doubt_topic(name);
                    let error = refusal.into_error(doing, name, 0, None);
                    match refusal {
                        Refusal::Elsewhere(_) => patience.another(error).await?,
                        _ => return Err(error),
                    }
                }
            }
        }
    }

    fn keep_view(
        &self,
        name: &str,
        topic: Option<&MetadataResponseTopic>,
        asked: Instant,
        doing: &str,
    ) -> Result<Arc<TopicView>, BusError> {
        let Some(topic) = topic else { return Err(unknown(name, 0)) };
        let mut topology = self.topology();
        let view = Arc::new(topology.view(topic, asked).map_err(|error| unavailable(doing, &error))?);
        topology.keep_topic(name, &view);
        Ok(view)
    }

    /// Asks a broker, or with `None` any.
    pub(super) async fn ask<A: Api>(
        &self,
        broker: Option<&Arc<str>>,
        request: &A,
        deadline: Instant,
    ) -> Result<A::Response, WireError> {
        match broker {
            Some(broker) => self.call(broker, Traffic::Other, request, deadline).await,
            None => self.call_any(request, deadline).await,
        }
    }

    /// Waits until `heard` holds at every broker that answers: what the controller has decided reaches the others a moment
    /// later, and the next question may go to any of them. `heard` asks one broker (any with `None`), until a deadline.
    pub(super) async fn everywhere<F>(
        &self,
        deadline: Instant,
        doing: &str,
        heard: impl Fn(Option<Arc<str>>, Instant) -> F,
    ) -> Result<(), BusError>
    where
        F: Future<Output = Result<bool, BusError>>,
    {
        let mut patience = Patience::until(deadline);
        while !heard(None, deadline).await? {
            patience.another(unheard(doing)).await?;
        }
        self.at_each(deadline, doing, heard).await
    }

    /// The second half of [`Self::everywhere`], for whoever has heard it from one.
    pub(super) async fn at_each<F>(
        &self,
        deadline: Instant,
        doing: &str,
        heard: impl Fn(Option<Arc<str>>, Instant) -> F,
    ) -> Result<(), BusError>
    where
        F: Future<Output = Result<bool, BusError>>,
    {
        let brokers = self.topology().candidates(&[]);
        // The only one has been asked.
        if brokers.len() < 2 {
            return Ok(());
        }
        for broker in brokers {
            let mut patience = Patience::until(deadline);
            // One that does not answer is not waited for.
            while let Ok(false) =
                heard(Some(Arc::clone(&broker)), deadline.min(Instant::now() + SILENCE)).await
            {
                patience.another(unheard(doing)).await?;
            }
        }
        Ok(())
    }

    /// All brokers, asked for where none is known yet.
    #[cfg(feature = "attempts")]
    pub(super) async fn brokers(&self, deadline: Instant) -> Result<std::vec::Vec<Arc<str>>, BusError> {
        if self.topology().brokers() == 0 {
            let answer = self.metadata(Some(""), deadline).await;
            answer.map_err(|error| unavailable("asking for brokers", &error))?;
        }
        Ok(self.topology().candidates(&[]))
    }

    /// Forgets what is known of a topic: the next call asks anew.
    pub(super) fn doubt_topic(&self, name: &str) {
        self.topology().forget_topic(name);
    }

    /// Forgets who the controller is.
    pub(super) fn doubt_controller(&self) {
        self.topology().forget_controller();
    }

    /// The controller, asking for it where it is not known.
    pub(super) async fn controller(&self, deadline: Instant) -> Result<Arc<str>, WireError> {
        if let Some(controller) = self.topology().controller() {
            return Ok(controller);
        }
        self.metadata(Some(""), deadline).await.ok();
        // Any broker passes the request on, or says that it is not the controller.
        let found = self.topology().controller();
        found
            .or_else(|| self.topology().candidates(&self.bootstrap).into_iter().next())
            .ok_or(WireError::Busy)
    }

    /// Notes the pause that an answer asks for.
    pub(super) fn note_pause(&self, peer: &Arc<str>, traffic: Traffic, throttle_ms: i32) {
        if let Some(pause) = u64::try_from(throttle_ms).ok().filter(|pause| *pause > 0) {
            self.pauses.fetch_add(1, Ordering::Relaxed);
            self.pool.pause(peer, traffic, Duration::from_millis(pause), Instant::now());
        }
    }

    /// A broker over its quota appends first and then asks for a pause (KIP-219).
    async fn respect_pause(
        &self,
        peer: &Arc<str>,
        traffic: Traffic,
        deadline: Instant,
    ) -> Result<(), WireError> {
        let now = Instant::now();
        let Some(until) = self.pool.paused_until(peer, traffic, now) else { return Ok(()) };
        sleep_until(until.min(deadline)).await;
        if until <= deadline {
            return Ok(());
        }
        Err(WireError::Throttled { peer: Arc::clone(peer), pause: until - now })
    }

    fn topology(&self) -> MutexGuard<'_, Topology> {
        // Every change under the lock is complete before anything that could panic.
        self.topology.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub(super) fn topic_name(name: &str) -> TopicName {
    TopicName(StrBytes::from_string(name.to_string()))
}

/// The error for what the controller has decided and a broker has not heard of in time.
fn unheard(doing: &str) -> BusError {
    let reason = "the brokers have not heard of it in time".to_string();
    BusError::Unavailable { doing: doing.to_string(), reason }
}

pub(in crate::bus) fn unknown(topic: &str, partition: u32) -> BusError {
    BusError::UnknownTopic { topic: topic.to_string(), partition }
}

pub(super) fn unavailable(doing: &str, error: &WireError) -> BusError {
    BusError::Unavailable { doing: doing.to_string(), reason: error.to_string() }
}
