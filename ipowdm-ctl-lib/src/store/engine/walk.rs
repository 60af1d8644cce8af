//! Walks: readers that follow references, at one version.

use super::{Deadline, Inner, Store};
use crate::store::{
    BackendError, Index, Key, Prefix, Record, SharedEntries, SharedEntry, StoreError, Tx, Version,
};
use std::sync::Arc;

/// How often a walk begins anew because its view had lost its history.
const ROUNDS: u32 = 100;

/// A reader at one version: sees what a transaction would see, and cannot write.
///
/// Pass errors of its methods on with `?`, as those of [`Tx`].
#[derive(Debug)]
pub struct Walk<'a>(&'a mut Tx);

impl Walk<'_> {
    /// The version that is read.
    #[must_use]
    pub fn version(&self) -> Version {
        self.0.version()
    }

    /// The value of a key; `None` when absent.
    ///
    /// # Errors
    /// [`StoreError`]; to be passed on.
    pub fn get<T: Record>(&mut self, key: &Key<T>) -> Result<Option<Arc<T>>, StoreError> {
        self.0.get_shared(key)
    }

    /// The values of several keys, fetched in one go where they have to be.
    ///
    /// # Errors
    /// [`StoreError`]; to be passed on.
    pub fn get_many<T: Record>(&mut self, keys: &[Key<T>]) -> Result<Vec<Option<Arc<T>>>, StoreError> {
        self.0.get_many_shared(keys)
    }

    /// All records under a prefix, in key order.
    ///
    /// # Errors
    /// [`StoreError`]; to be passed on.
    pub fn scan<T: Record>(&mut self, prefix: &Prefix<T>) -> Result<SharedEntries<T>, StoreError> {
        self.0.scan_shared(prefix)
    }

    /// The record with this value in an index, see [`Tx::find`].
    ///
    /// # Errors
    /// [`StoreError`]; to be passed on.
    pub fn find<T: Record>(
        &mut self,
        index: &Index<T>,
        parts: &[&str],
    ) -> Result<Option<SharedEntry<T>>, StoreError> {
        self.0.find(index, parts)
    }

    /// All records with this value in an index, see [`Tx::find_all`].
    ///
    /// # Errors
    /// [`StoreError`]; to be passed on.
    pub fn find_all<T: Record>(
        &mut self,
        index: &Index<T>,
        parts: &[&str],
    ) -> Result<SharedEntries<T>, StoreError> {
        self.0.find_all(index, parts)
    }
}

impl Store {
    /// Runs a reader that may follow references from record to record. All it sees is of one version; where something has to
    /// be fetched first, that is done and the reader runs again over the same version.
    ///
    /// # Errors
    /// What the reader returns; [`StoreError::Stale`] where no version stayed readable for long enough;
    /// [`StoreError::Deadline`], [`StoreError::Unavailable`].
    pub async fn walk<R, E, F>(&self, mut reader: F) -> Result<R, E>
    where
        F: FnMut(&mut Walk<'_>) -> Result<R, E>,
        E: From<StoreError>,
    {
        tokio::task::coop::consume_budget().await;
        let deadline = Deadline::after(self.inner.options.deadline);
        for _ in 0..ROUNDS {
            if let Some(outcome) = self.inner.walk_once(&mut reader, deadline).await? {
                return outcome;
            }
        }
        Err(StoreError::Stale.into())
    }
}

impl Inner {
    /// `None` where the view lost its history.
    async fn walk_once<R, E, F>(
        &self,
        reader: &mut F,
        deadline: Deadline,
    ) -> Result<Option<Result<R, E>>, StoreError>
    where
        F: FnMut(&mut Walk<'_>) -> Result<R, E>,
    {
        let mut tx = Tx::new(self.view(deadline).await?, (self.options.wall_time.0)());
        loop {
            let outcome = reader(&mut Walk(&mut tx));
            if tx.is_stale() {
                return Ok(None);
            }
            let wants = tx.take_wants();
            if wants.is_empty() {
                return Ok(Some(outcome));
            }
            match deadline.bound(tx.view_mut().load(&wants)).await? {
                Err(BackendError::Stale) => return Ok(None),
                loaded => loaded?,
            }
        }
    }
}
