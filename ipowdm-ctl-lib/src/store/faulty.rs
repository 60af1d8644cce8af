//! A transport that breaks now and then, around any back end.

use super::backend::{Lookup, Range, View, Want};
use super::{Backend, BackendError, Batch, BoxFuture, CommitError, RawKey, Value, Version, WatchSource};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// How often a transport breaks, in millionths.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FaultRates {
    /// Of requests, before anything is sent.
    pub sends: u32,
    /// Of answers, after the request has been carried out.
    pub receives: u32,
}

impl Default for FaultRates {
    /// One request in a thousand, one answer in a hundred.
    fn default() -> Self {
        Self { sends: 1_000, receives: 10_000 }
    }
}

/// What an exchange comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Exchange {
    Whole,
    NotSent,
    NotReceived,
}

/// A back end behind a transport that breaks at a given rate: a request that is not sent is
/// [`Unavailable`](CommitError::Unavailable), a commit whose answer is lost is
/// [`Indeterminate`](CommitError::Indeterminate) although it was carried out. The sequence of faults is the same in every run
/// with the same seed.
#[derive(Debug)]
pub struct FaultyBackend {
    inner: Arc<dyn Backend>,
    line: Arc<Line>,
}

#[derive(Debug)]
struct Line {
    rates: FaultRates,
    /// The state of a SplitMix64 generator.
    random: AtomicU64,
    sends: AtomicU64,
    receives: AtomicU64,
}

impl Line {
    fn millionth(&self) -> u64 {
        let state = self.random.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed);
        let z = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % 1_000_000
    }

    fn exchange(&self) -> Exchange {
        if self.millionth() < u64::from(self.rates.sends) {
            self.sends.fetch_add(1, Ordering::Relaxed);
            Exchange::NotSent
        } else if self.millionth() < u64::from(self.rates.receives) {
            self.receives.fetch_add(1, Ordering::Relaxed);
            Exchange::NotReceived
        } else {
            Exchange::Whole
        }
    }

    /// For requests that change nothing.
    fn read(&self) -> Result<(), BackendError> {
        let reason = match self.exchange() {
            Exchange::Whole => return Ok(()),
            Exchange::NotSent => "the connection broke before the request was sent",
            Exchange::NotReceived => "the connection broke before the answer came",
        };
        Err(BackendError::Unavailable { reason: reason.to_owned() })
    }
}

impl FaultyBackend {
    /// A back end behind a faulty transport.
    #[must_use]
    pub fn new(inner: Arc<dyn Backend>, rates: FaultRates, seed: u64) -> Self {
        let (random, sends, receives) = (AtomicU64::new(seed), AtomicU64::new(0), AtomicU64::new(0));
        Self { inner, line: Arc::new(Line { rates, random, sends, receives }) }
    }

    /// How many requests and how many answers were broken so far.
    #[must_use]
    pub fn broken(&self) -> (u64, u64) {
        (self.line.sends.load(Ordering::Relaxed), self.line.receives.load(Ordering::Relaxed))
    }
}

impl Backend for FaultyBackend {
    fn view(&self) -> BoxFuture<'_, Result<Box<dyn View>, BackendError>> {
        Box::pin(async move {
            self.line.read()?;
            let (view, line) = (self.inner.view().await?, Arc::clone(&self.line));
            Ok(Box::new(FaultyView { view, line }) as Box<dyn View>)
        })
    }

    fn draft(&self) -> BoxFuture<'_, Result<Box<dyn View>, BackendError>> {
        Box::pin(async move {
            self.line.read()?;
            let (view, line) = (self.inner.draft().await?, Arc::clone(&self.line));
            Ok(Box::new(FaultyView { view, line }) as Box<dyn View>)
        })
    }

    fn commit(&self, batch: Batch) -> BoxFuture<'_, Result<Version, CommitError>> {
        Box::pin(async move {
            let exchange = self.line.exchange();
            if exchange == Exchange::NotSent {
                let reason = "the connection broke before the commit was sent".to_owned();
                return Err(CommitError::Unavailable { reason });
            }
            let committed = self.inner.commit(batch).await;
            if exchange == Exchange::NotReceived {
                let reason = "the connection broke before the answer came".to_owned();
                return Err(CommitError::Indeterminate { reason });
            }
            committed
        })
    }

    fn changes(&self) -> &WatchSource {
        self.inner.changes()
    }

    fn raise(&self, to: Version) -> BoxFuture<'_, Result<(), CommitError>> {
        self.inner.raise(to)
    }

    fn shares_values(&self) -> bool {
        self.inner.shares_values()
    }
}

struct FaultyView {
    view: Box<dyn View>,
    line: Arc<Line>,
}

impl View for FaultyView {
    fn version(&self) -> Version {
        self.view.version()
    }

    fn get(&self, key: &RawKey) -> Result<Lookup<Option<Value>>, BackendError> {
        self.view.get(key)
    }

    fn scan(&self, range: &Range) -> Result<Lookup<Vec<(RawKey, Value)>>, BackendError> {
        self.view.scan(range)
    }

    fn load<'a>(&'a mut self, wants: &'a [Want]) -> BoxFuture<'a, Result<(), BackendError>> {
        Box::pin(async move {
            self.line.read()?;
            self.view.load(wants).await
        })
    }

    fn settled(&self) -> BoxFuture<'_, Result<(), BackendError>> {
        self.view.settled()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{MemoryBackend, Write};

    fn put(value: u8) -> Batch {
        let writes = vec![Write { key: RawKey::from_stored("k/a"), value: Some(Value::from(vec![value])) }];
        Batch { writes, ..Batch::default() }
    }

    #[tokio::test]
    async fn s4_22_a_request_not_sent_changes_nothing_and_an_answer_lost_hides_a_commit() {
        let memory = Arc::new(MemoryBackend::new());
        let version = async || memory.view().await.unwrap().version().get();
        let deaf = FaultRates { sends: 1_000_000, receives: 0 };
        let error = FaultyBackend::new(memory.clone(), deaf, 1).commit(put(1)).await.unwrap_err();
        assert!(matches!(error, CommitError::Unavailable { .. }), "{error}");
        assert_eq!(version().await, 0);
        let mute = FaultRates { sends: 0, receives: 1_000_000 };
        let faulty = FaultyBackend::new(memory.clone(), mute, 1);
        let error = faulty.commit(put(1)).await.unwrap_err();
        assert!(matches!(error, CommitError::Indeterminate { .. }), "{error}");
        assert_eq!(version().await, 1);
        assert!(faulty.view().await.is_err());
        assert_eq!(faulty.broken(), (0, 2));
    }

    #[tokio::test]
    async fn s4_22_faults_come_at_their_rates() {
        let faulty = FaultyBackend::new(Arc::new(MemoryBackend::new()), FaultRates::default(), 7);
        for _ in 0..100_000 {
            let _ = faulty.line.read();
        }
        let (sends, receives) = faulty.broken();
        assert!((70..=130).contains(&sends), "{sends}");
        assert!((900..=1_100).contains(&receives), "{receives}");
    }
}
