//! Connections that wait for their next use, and brokers that asked for a pause.
//!
//! A connection is taken out for one request and put back after its answer, so a request never queues behind another's
//! long poll, and a fetch never holds back a publish. Concurrent requests mean as many connections; they shrink back
//! to what is used: the most recently used is taken first, and whatever has waited too long goes.

use super::connection::Connection;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use std::vec::Vec;
use tokio::time::Instant;

/// How long a connection waits for its next use: well below the 10 minutes (`connections.max.idle.ms`) after which
/// brokers close it, and above the wait of a fetch.
const IDLE: Duration = Duration::from_secs(60);

/// Longest pause that a broker is granted at a time; its quotas ask for about 11 s at most.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// Which quota a pause belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Traffic {
    Produce,
    Fetch,
    Other,
}

#[derive(Default)]
pub(super) struct Pool {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Per broker, in order of last use.
    idle: HashMap<Arc<str>, Vec<(Connection, Instant)>>,
    pauses: HashMap<(Arc<str>, Traffic), Instant>,
}

impl Pool {
    /// Takes a waiting connection to a broker.
    pub(super) fn take(&self, peer: &Arc<str>, now: Instant) -> Option<Connection> {
        let mut state = self.lock();
        state.expire(now);
        let waiting = state.idle.get_mut(peer)?;
        while let Some((mut connection, _)) = waiting.pop() {
            if connection.is_good(now) {
                return Some(connection);
            }
        }
        None
    }

    /// Puts a connection back.
    pub(super) fn put(&self, connection: Connection, now: Instant) {
        let mut state = self.lock();
        state.expire(now);
        state.idle.entry(Arc::clone(connection.peer())).or_default().push((connection, now));
    }

    /// Drops all waiting connections to a broker.
    pub(super) fn purge(&self, peer: &Arc<str>) {
        self.lock().idle.remove(peer);
    }

    /// Connections that wait, to all brokers.
    pub(super) fn waiting(&self) -> usize {
        self.lock().idle.values().map(Vec::len).sum()
    }

    /// Notes that a broker asked for a pause.
    pub(super) fn pause(&self, peer: &Arc<str>, traffic: Traffic, pause: Duration, now: Instant) {
        let until = now + pause.min(LONGEST_PAUSE);
        self.lock().pauses.insert((Arc::clone(peer), traffic), until);
    }

    /// Until when a broker is to be left alone.
    pub(super) fn paused_until(&self, peer: &Arc<str>, traffic: Traffic, now: Instant) -> Option<Instant> {
        let key = (Arc::clone(peer), traffic);
        let mut state = self.lock();
        let until = *state.pauses.get(&key)?;
        if until > now {
            return Some(until);
        }
        state.pauses.remove(&key);
        None
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Every change under the lock is complete before anything that could panic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn expire(&mut self, now: Instant) {
        self.idle.retain(|_, waiting| {
            let stale = waiting.partition_point(|(_, used)| now.saturating_duration_since(*used) >= IDLE);
            waiting.drain(..stale);
            !waiting.is_empty()
        });
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::fake::Fake;
    use super::*;
    use kafka_protocol::protocol::StrBytes;

    async fn connection(peer: &Arc<str>) -> Connection {
        Connection::open(peer, StrBytes::from_static_str("c"), 1 << 20, None).await.unwrap()
    }

    #[tokio::test]
    async fn a_connection_waits_a_minute_for_its_next_use_and_no_longer() {
        let fake = Fake::start(1).await;
        let peer: Arc<str> = fake.address(0).into();
        let (pool, now) = (Pool::default(), Instant::now());
        pool.put(connection(&peer).await, now);
        pool.put(connection(&peer).await, now + IDLE / 2);
        let before = now + IDLE - Duration::from_millis(1);
        assert!(pool.take(&peer, before).is_some(), "the one used last");
        assert_eq!(pool.waiting(), 1);
        assert!(pool.take(&peer, now + IDLE).is_none());
        assert_eq!(pool.waiting(), 0);
    }

    #[tokio::test]
    async fn a_pause_holds_for_its_traffic_and_broker_and_is_bounded() {
        let (pool, now) = (Pool::default(), Instant::now());
        let (a, b): (Arc<str>, Arc<str>) = ("a:1".into(), "b:1".into());
        pool.pause(&a, Traffic::Produce, Duration::from_secs(3600), now);
        assert_eq!(pool.paused_until(&a, Traffic::Produce, now), Some(now + LONGEST_PAUSE));
        assert_eq!(pool.paused_until(&a, Traffic::Fetch, now), None);
        assert_eq!(pool.paused_until(&b, Traffic::Produce, now), None);
        assert_eq!(pool.paused_until(&a, Traffic::Produce, now + LONGEST_PAUSE), None);
    }
}
