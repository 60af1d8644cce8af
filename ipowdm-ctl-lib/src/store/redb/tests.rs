//! Durability, failures and crashes.

mod crash;
mod disk;
mod faults;
mod kill;
mod traffic;

use super::*;
use crate::store::conformance;

/// Options under which little traffic already writes images of several parts.
fn small() -> RedbOptions {
    RedbOptions { log_minimum: 8 << 10, image_part: 2 << 10, queue: 1 << 20 }
}

/// Whether the long form of a test is asked for.
fn full_sweeps() -> bool {
    std::env::var("IPOWDM_SWEEPS").is_ok_and(|sweeps| sweeps == "full")
}

mod conforms {
    use super::*;
    use crate::store::Backend;

    async fn fresh() -> Arc<dyn Backend> {
        let storage = redb::backends::InMemoryBackend::new();
        Arc::new(RedbBackend::open_on(storage, RedbOptions::default()).await.unwrap())
    }

    crate::store_conformance!("redb, in memory", fresh);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_redb_back_end_conforms_in_a_file() {
    if !full_sweeps() {
        // Ten thousand commits one after the other take as long as the disk needs for them.
        println!("only with IPOWDM_SWEEPS=full");
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let count = std::sync::atomic::AtomicU32::new(0);
    conformance::run("redb", async || {
        let number = count.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        let path = directory.path().join(format!("{number}.redb"));
        Arc::new(RedbBackend::open(&path, RedbOptions::default()).await.unwrap()) as _
    })
    .await;
}
