//! A store whose back end can be made to fail.

use crate::store::{
    Backend, BackendError, Batch, BoxFuture, CommitError, MemoryBackend, Store, StoreOptions, Version, View,
    WatchSource,
};
use core::sync::atomic::{AtomicBool, Ordering};
use std::sync::Arc;

const REASON: &str = "connection refused";

#[derive(Debug, Default)]
pub(in crate::http) struct Breakable {
    inner: MemoryBackend,
    broken: AtomicBool,
}

impl Breakable {
    pub(in crate::http) fn store() -> (Store, Arc<Self>) {
        let backend = Arc::new(Self::default());
        (Store::new(Arc::<Self>::clone(&backend), StoreOptions::default()), backend)
    }

    pub(in crate::http) fn set_broken(&self, broken: bool) {
        self.broken.store(broken, Ordering::SeqCst);
    }

    fn is_broken(&self) -> bool {
        self.broken.load(Ordering::SeqCst)
    }
}

impl Backend for Breakable {
    fn view(&self) -> BoxFuture<'_, Result<Box<dyn View>, BackendError>> {
        if self.is_broken() {
            return Box::pin(async { Err(BackendError::Unavailable { reason: REASON.to_owned() }) });
        }
        self.inner.view()
    }

    fn commit(&self, batch: Batch) -> BoxFuture<'_, Result<Version, CommitError>> {
        if self.is_broken() {
            return Box::pin(async { Err(CommitError::Unavailable { reason: REASON.to_owned() }) });
        }
        self.inner.commit(batch)
    }

    fn changes(&self) -> &WatchSource {
        self.inner.changes()
    }
}
