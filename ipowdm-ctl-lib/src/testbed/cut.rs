//! A store and a bus that stop answering after a number of operations, as if the process had ended there.

use crate::store::{
    Backend, BackendError, Batch, BoxFuture, CommitError, MemoryBackend, Version, View, WatchSource,
};
use core::sync::atomic::{AtomicUsize, Ordering};
use ipowdm_core::bus::memory::MemoryBus;
use ipowdm_core::bus::{
    Bounds, Bus, BusFuture, Created, FetchRequest, Fetched, Outgoing, Position, TopicChange,
    TopicDescription, TopicSpec,
};
use std::sync::Arc;

/// How many points may still be passed. A point lies before and after each effect.
#[derive(Debug, Clone)]
pub(crate) struct Cut(Arc<AtomicUsize>);

impl Cut {
    /// Never.
    pub(crate) fn never() -> Self {
        Self(Arc::new(AtomicUsize::new(usize::MAX)))
    }

    /// After this many points.
    pub(crate) fn after(&self, points: usize) {
        self.0.store(points, Ordering::SeqCst);
    }

    /// Whether it was reached.
    pub(crate) fn is_reached(&self) -> bool {
        self.0.load(Ordering::SeqCst) == 0
    }

    /// Goes on, or never.
    async fn point(&self) {
        let passed = self.0.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
        if passed.is_err() || self.is_reached() {
            self.0.store(0, Ordering::SeqCst);
            core::future::pending::<()>().await;
        }
    }

    async fn around<T>(&self, effect: impl Future<Output = T>) -> T {
        self.point().await;
        let result = effect.await;
        self.point().await;
        result
    }
}

#[derive(Debug)]
pub(crate) struct CutBackend {
    pub(crate) inner: Arc<MemoryBackend>,
    pub(crate) cut: Cut,
}

impl Backend for CutBackend {
    fn view(&self) -> BoxFuture<'_, Result<Box<dyn View>, BackendError>> {
        self.inner.view()
    }

    fn commit(&self, batch: Batch) -> BoxFuture<'_, Result<Version, CommitError>> {
        // The memory commits when it is asked, not when it is awaited.
        Box::pin(self.cut.around(async { self.inner.commit(batch).await }))
    }

    fn changes(&self) -> &WatchSource {
        self.inner.changes()
    }
}

pub(super) struct CutBus {
    pub(super) inner: MemoryBus,
    pub(super) cut: Cut,
}

impl Bus for CutBus {
    fn publish<'a>(&'a self, topic: &'a str, records: Vec<Outgoing>) -> BusFuture<'a, Vec<Position>> {
        Box::pin(self.cut.around(self.inner.publish(topic, records)))
    }

    fn fetch(&self, request: FetchRequest) -> BusFuture<'_, Fetched> {
        Box::pin(async move {
            let fetched = self.inner.fetch(request).await;
            // An empty answer is no event.
            if fetched.as_ref().is_ok_and(|fetched| !fetched.records.is_empty()) {
                self.cut.point().await;
            }
            fetched
        })
    }

    fn bounds<'a>(&'a self, topic: &'a str, partition: u32) -> BusFuture<'a, Bounds> {
        self.inner.bounds(topic, partition)
    }

    fn create_topic(&self, spec: TopicSpec) -> BusFuture<'_, Created> {
        Box::pin(self.cut.around(self.inner.create_topic(spec)))
    }

    fn delete_topic<'a>(&'a self, name: &'a str) -> BusFuture<'a, bool> {
        Box::pin(self.cut.around(self.inner.delete_topic(name)))
    }

    fn describe_topic<'a>(&'a self, name: &'a str) -> BusFuture<'a, Option<TopicDescription>> {
        self.inner.describe_topic(name)
    }

    fn alter_topic<'a>(&'a self, name: &'a str, change: TopicChange) -> BusFuture<'a, TopicDescription> {
        Box::pin(self.cut.around(self.inner.alter_topic(name, change)))
    }

    fn topics(&self) -> BusFuture<'_, Vec<String>> {
        self.inner.topics()
    }

    fn address(&self) -> String {
        self.inner.address()
    }
}
