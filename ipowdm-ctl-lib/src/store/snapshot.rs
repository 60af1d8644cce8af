//! Reads at one version.

use super::backend::{BackendError, Lookup, Range, View, Want};
use super::{Key, Prefix, RawKey, Record, SharedEntries, StoreError, Value, Version, record};
use core::time::Duration;
use std::sync::Arc;
use tokio::time::timeout;

/// The store as of one commit. Keep it short: it pins the history that it shows.
pub struct Snapshot {
    view: Box<dyn View>,
    limit: Duration,
}

impl core::fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Snapshot({})", self.view.version())
    }
}

impl Snapshot {
    pub(super) fn new(view: Box<dyn View>, limit: Duration) -> Self {
        Self { view, limit }
    }

    /// The version.
    #[must_use]
    pub fn version(&self) -> Version {
        self.view.version()
    }

    /// The value of a key; `None` when absent.
    ///
    /// # Errors
    /// [`StoreError::Stale`] where the version is no longer kept, [`StoreError::Corrupt`], [`StoreError::Unavailable`],
    /// [`StoreError::Deadline`].
    pub async fn get<T: Record>(&mut self, key: &Key<T>) -> Result<Option<T>, StoreError> {
        let raw = key.raw();
        self.value(raw).await?.map(|bytes| record::decode(raw, &bytes)).transpose()
    }

    /// As [`Snapshot::get`], but shares the record: every reader of an unchanged key gets the same instance, and reading it
    /// again costs no decoding.
    ///
    /// # Errors
    /// As [`Snapshot::get`].
    pub async fn get_shared<T: Record>(&mut self, key: &Key<T>) -> Result<Option<Arc<T>>, StoreError> {
        let raw = key.raw();
        self.value(raw).await?.map(|bytes| record::decode_shared(raw, &bytes)).transpose()
    }

    /// The values of several keys, in their order, fetched in one go where they have to be.
    ///
    /// # Errors
    /// As [`Snapshot::get`].
    pub async fn get_many<T: Record>(&mut self, keys: &[Key<T>]) -> Result<Vec<Option<T>>, StoreError> {
        let values = self.values(keys).await?;
        values
            .into_iter()
            .zip(keys)
            .map(|(value, key)| value.map(|bytes| record::decode(key.raw(), &bytes)).transpose())
            .collect()
    }

    /// As [`Snapshot::get_many`], but shares the records as [`Snapshot::get_shared`] does.
    ///
    /// # Errors
    /// As [`Snapshot::get`].
    pub async fn get_many_shared<T: Record>(
        &mut self,
        keys: &[Key<T>],
    ) -> Result<Vec<Option<Arc<T>>>, StoreError> {
        let values = self.values(keys).await?;
        values
            .into_iter()
            .zip(keys)
            .map(|(value, key)| value.map(|bytes| record::decode_shared(key.raw(), &bytes)).transpose())
            .collect()
    }

    async fn value(&mut self, raw: &RawKey) -> Result<Option<Value>, StoreError> {
        self.read(|| vec![Want::Key(raw.clone())], |view| view.get(raw)).await
    }

    async fn values<T>(&mut self, keys: &[Key<T>]) -> Result<Vec<Option<Value>>, StoreError> {
        let wants = || keys.iter().map(|key| Want::Key(key.raw().clone())).collect();
        let read = |view: &dyn View| {
            let mut values = Vec::with_capacity(keys.len());
            for key in keys {
                match view.get(key.raw())? {
                    Lookup::Known(value) => values.push(value),
                    Lookup::NotLoaded => return Ok(Lookup::NotLoaded),
                }
            }
            Ok(Lookup::Known(values))
        };
        self.read(wants, read).await
    }

    /// The records under a prefix, in key order.
    ///
    /// # Errors
    /// As [`Snapshot::get`].
    pub async fn scan<T: Record>(&mut self, prefix: &Prefix<T>) -> Result<Vec<(Key<T>, T)>, StoreError> {
        self.page(prefix, None, None).await
    }

    /// At most `limit` records under a prefix that come after the key `after`, in key order.
    ///
    /// # Errors
    /// As [`Snapshot::get`].
    pub async fn page<T: Record>(
        &mut self,
        prefix: &Prefix<T>,
        after: Option<&Key<T>>,
        limit: Option<usize>,
    ) -> Result<Vec<(Key<T>, T)>, StoreError> {
        let after = after.map(|key| key.raw().clone());
        record::typed(self.page_bytes(prefix.raw().clone(), after, limit).await?, |key, bytes| {
            record::decode(key, bytes)
        })
    }

    /// As [`Snapshot::scan`], but shares the records as [`Snapshot::get_shared`] does.
    ///
    /// # Errors
    /// As [`Snapshot::get`].
    pub async fn scan_shared<T: Record>(
        &mut self,
        prefix: &Prefix<T>,
    ) -> Result<SharedEntries<T>, StoreError> {
        record::typed(self.page_bytes(prefix.raw().clone(), None, None).await?, record::decode_shared)
    }

    /// Keys and stored bytes of all records, for comparing and dumping stores.
    ///
    /// # Errors
    /// As [`Snapshot::get`].
    pub async fn dump(&mut self) -> Result<Vec<(RawKey, Value)>, StoreError> {
        self.page_bytes(RawKey::from_stored(""), None, None).await
    }

    /// As [`Snapshot::page`], without reading the records.
    pub(super) async fn page_bytes(
        &mut self,
        prefix: RawKey,
        after: Option<RawKey>,
        limit: Option<usize>,
    ) -> Result<Vec<(RawKey, Value)>, StoreError> {
        let range = Range { prefix, after, limit };
        self.read(|| vec![Want::Range(range.clone())], |view| view.scan(&range)).await
    }

    async fn read<R>(
        &mut self,
        wants: impl Fn() -> Vec<Want>,
        read: impl Fn(&dyn View) -> Result<Lookup<R>, BackendError>,
    ) -> Result<R, StoreError> {
        if let Lookup::Known(value) = read(&*self.view)? {
            return Ok(value);
        }
        let limit = self.limit;
        timeout(limit, self.view.load(&wants())).await.map_err(|_| StoreError::Deadline { limit })??;
        match read(&*self.view)? {
            Lookup::Known(value) => Ok(value),
            Lookup::NotLoaded => Err(StoreError::Unavailable {
                reason: "the back end did not load what it was asked for".to_owned(),
            }),
        }
    }
}
