//! The store on a real Redis server: the conformance suite, over whole and broken connections and through two processes'
//! worth of back ends; servers that are killed, emptied, set back, or not what they should be.
//!
//! `scripts/redis-up.sh` starts the servers. Where it cannot, these tests fail and say what is missing.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test may stop at what it does not expect, in its own functions too"
)]

#[path = "redis/admission.rs"]
mod admission;
#[path = "redis/fill.rs"]
mod fill;
#[path = "redis/history.rs"]
mod history;
#[path = "redis/outage.rs"]
mod outage;
#[path = "redis/proxy.rs"]
mod proxy;
#[path = "redis/server.rs"]
mod server;
#[path = "redis/together.rs"]
mod together;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use ipowdm_ctl_lib::store::redis::RedisBackend;
use ipowdm_ctl_lib::store::{
    Backend, BackendError, Batch, BoxFuture, CommitError, Key, MemoryBackend, Record, RedbBackend,
    RedbOptions, Store, StoreError, StoreOptions, Version, View, WatchSource, conformance,
};
use proxy::{Faults, Proxy};
use serde::{Deserialize, Serialize};
use server::{Server, connect};

/// A number under a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Number(u64);

impl Record for Number {
    const KIND: &'static str = "number";
    const VERSION: u8 = 1;
}

fn number(name: &str) -> Key<Number> {
    Key::new(&[name])
}

fn store(backend: Arc<dyn Backend>) -> Store {
    Store::new(backend, StoreOptions::default())
}

async fn put(store: &Store, name: &str, value: u64) {
    store.transact(|tx| tx.put(&number(name), &Number(value))).await.unwrap();
}

async fn read(store: &Store, name: &str) -> Result<Option<u64>, StoreError> {
    Ok(store.get(&number(name)).await?.map(|number| number.0))
}

/// The three back ends, each behind the same checks: the embedded one in files, the shared one over a connection.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn s4_04_memory_the_embedded_store_and_redis_pass_one_suite() {
    conformance::run("memory", async || Arc::new(MemoryBackend::new()) as _).await;
    // In memory where there is such a file system: power cuts are the back end's own tests, and a disk's time would be most
    // of this one.
    let memory = Some(Path::new("/dev/shm")).filter(|folder| folder.is_dir());
    let folder = memory.map_or_else(tempfile::tempdir, tempfile::tempdir_in).unwrap();
    let opened = AtomicUsize::new(0);
    conformance::run("redb", async || {
        let path = folder.path().join(format!("{}.redb", opened.fetch_add(1, Ordering::Relaxed)));
        Arc::new(RedbBackend::open(&path, RedbOptions::default()).await.unwrap()) as _
    })
    .await;
    let server = Server::shared();
    conformance::run("redis", async || connect(&server.fresh()).await as _).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn s4_22_redis_conforms_over_connections_that_break() {
    let server = Server::shared();
    let proxy = Proxy::start(server.port(), Faults::NONE).await;
    conformance::run("redis over broken connections", async || {
        let mut options = server.fresh();
        options.port = proxy.port();
        // Opening a store is not repeated by itself; everything after it is.
        proxy.set(Faults::NONE);
        let backend = connect(&options).await;
        proxy.set(Faults::USUAL);
        backend as _
    })
    .await;
    println!("connections broken: {}", proxy.broken());
    assert!(proxy.broken() > 0);
}

/// Two back ends on one store, as two processes have them: one reads, they commit in turn.
#[derive(Debug)]
struct InTurn {
    backends: [Arc<RedisBackend>; 2],
    next: AtomicUsize,
}

impl Backend for InTurn {
    fn view(&self) -> BoxFuture<'_, Result<Box<dyn View>, BackendError>> {
        self.backends[0].view()
    }

    fn commit(&self, batch: Batch) -> BoxFuture<'_, Result<Version, CommitError>> {
        self.backends[self.next.fetch_add(1, Ordering::Relaxed) % 2].commit(batch)
    }

    fn changes(&self) -> &WatchSource {
        self.backends[0].changes()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn commits_of_another_process_conform() {
    let server = Server::shared();
    conformance::run("redis, every other commit from another process", async || {
        let options = server.fresh();
        let backends = [connect(&options).await, connect(&options).await];
        Arc::new(InTurn { backends, next: AtomicUsize::new(0) }) as _
    })
    .await;
}
