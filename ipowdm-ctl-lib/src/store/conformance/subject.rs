//! The back end under test, and transactions that get through a transport that breaks.

use super::{Number, checked, number};
use crate::store::{
    Backend, Key, OutboxRecord, Prefix, RawKey, Record, Snapshot, Store, StoreError, Tx, Value, Version,
};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// The topic of the messages that mark transactions as done where answers get lost.
const MARK: &str = "conformance-mark";

/// A fresh, empty back end and a store over it. Clones are the same one.
#[derive(Clone)]
pub(super) struct Subject {
    pub(super) store: Store,
    backend: Arc<dyn Backend>,
    /// Whether requests and answers may get lost.
    faulty: bool,
    marks: Arc<AtomicU64>,
}

/// Errors after which an operation may be tried again.
pub(super) trait Fleeting {
    fn is_fleeting(&self) -> bool;
}

impl Fleeting for StoreError {
    fn is_fleeting(&self) -> bool {
        matches!(self, Self::Unavailable { .. } | Self::Indeterminate { .. })
    }
}

/// Repeats an operation until it is through; only for those that may be carried out twice.
macro_rules! again {
    ($subject:expr, $operation:expr) => {
        loop {
            match $operation {
                Err(error)
                    if $subject.is_faulty()
                        && $crate::store::conformance::subject::Fleeting::is_fleeting(&error) => {}
                outcome => break outcome,
            }
        }
    };
}
pub(super) use again;

impl Subject {
    pub(super) fn new(backend: Arc<dyn Backend>, faulty: bool) -> Self {
        let store = Store::new(Arc::clone(&backend), checked());
        Self { store, backend, faulty, marks: Arc::default() }
    }

    /// The same subject with transactions that run with other options.
    pub(super) fn with_options(&self, change: impl FnOnce(&mut crate::store::StoreOptions)) -> Self {
        Self { store: self.store.with_options(change), ..self.clone() }
    }

    /// The same data as another process sees it: nothing is shared but the back end.
    pub(super) fn other_process(&self) -> Self {
        Self { store: Store::new(Arc::clone(&self.backend), checked()), ..self.clone() }
    }

    /// Whether requests and answers may get lost.
    pub(super) const fn is_faulty(&self) -> bool {
        self.faulty
    }

    pub(super) fn changes(&self) -> &crate::store::WatchSource {
        self.backend.changes()
    }

    /// A transaction that may be carried out twice.
    pub(super) async fn transact<R, E, F>(&self, mut updater: F) -> Result<R, E>
    where
        F: FnMut(&mut Tx) -> Result<R, E>,
        E: From<StoreError> + Fleeting,
    {
        again!(self, self.store.transact(&mut updater).await)
    }

    /// A transaction that must be carried out exactly once. Where answers may be lost it leaves a mark, stamped with its
    /// version, by which it is found again.
    pub(super) async fn once<R, F>(&self, mut updater: F) -> Result<(R, Version), StoreError>
    where
        R: Serialize + DeserializeOwned,
        F: FnMut(&mut Tx) -> Result<R, StoreError>,
    {
        if !self.faulty {
            return self.store.transact_versioned(updater).await;
        }
        let mark = self.marks.fetch_add(1, Ordering::Relaxed).to_be_bytes().to_vec();
        loop {
            let outcome = self
                .store
                .transact_versioned(|tx| {
                    let result = updater(tx)?;
                    if tx.has_writes() {
                        let payload = Some(postcard::to_stdvec(&result).unwrap());
                        tx.publish(&OutboxRecord { topic: MARK.to_owned(), key: mark.clone(), payload })?;
                    }
                    Ok::<_, StoreError>(result)
                })
                .await;
            match outcome {
                Err(StoreError::Indeterminate { .. }) => {
                    if let Some(done) = self.marked(&mark).await {
                        return Ok(done);
                    }
                }
                Err(StoreError::Unavailable { .. }) => {}
                outcome => return outcome,
            }
        }
    }

    async fn marked<R: DeserializeOwned>(&self, mark: &[u8]) -> Option<(R, Version)> {
        let messages = self.scan::<OutboxRecord>(&Prefix::all()).await;
        let (key, message) =
            messages.into_iter().find(|(_, message)| message.topic == MARK && message.key == mark)?;
        let version = u64::from_str_radix(key.parts()[0], 16).unwrap();
        Some((postcard::from_bytes(&message.payload.unwrap()).unwrap(), Version::new(version)))
    }

    /// Whether a key belongs to the marks, not to what a check has written.
    pub(super) fn is_mark(&self, key: &RawKey) -> bool {
        self.faulty && key.kind() == OutboxRecord::KIND
    }

    /// Whether a message is a mark.
    pub(super) fn is_mark_message(message: &OutboxRecord) -> bool {
        message.topic == MARK
    }

    pub(super) async fn snapshot(&self) -> Snapshot {
        again!(self, self.store.snapshot().await).expect("a snapshot is taken")
    }

    pub(super) async fn scan<T: Record>(&self, prefix: &Prefix<T>) -> Vec<(Key<T>, T)> {
        again!(self, self.store.scan(prefix).await).expect("a scan succeeds")
    }

    pub(super) async fn get<T: Record>(&self, key: &Key<T>) -> Option<T> {
        again!(self, self.store.get(key).await).expect("a read succeeds")
    }

    pub(super) async fn put(&self, name: &str, value: i64) {
        let key = number(name);
        self.transact(|tx| tx.put(&key, &Number(value))).await.expect("a blind write commits");
    }

    /// As [`Subject::put`], but announced exactly once.
    pub(super) async fn put_once(&self, name: &str, value: i64) {
        let key = number(name);
        self.once(|tx| tx.put(&key, &Number(value))).await.expect("a blind write commits");
    }

    pub(super) async fn read(&self, name: &str) -> Option<i64> {
        self.get(&number(name)).await.map(|Number(n)| n)
    }

    /// Everything stored but marks, turns and clocks.
    pub(super) async fn dump(&self) -> Vec<(RawKey, Value)> {
        let all = again!(self, async { self.store.snapshot().await?.dump().await }.await)
            .expect("the store can be dumped");
        all.into_iter().filter(|(key, _)| !self.is_mark(key)).collect()
    }
}
