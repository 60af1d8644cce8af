//! The store in a file: `cargo bench -p benches --bench store_redb`.
//!
//! Durable commits and allocations per second with 1, 16 and 64 clients, and the latency of one fdatasync on the same
//! storage beside them, since that is what a durable commit waits for. Two storages: a file in `IPOWDM_BENCH_DIR` (the
//! temporary directory where that is not set), and one whose fdatasync is a pause of 0.1 ms, as a data-centre SSD's is.
#![expect(clippy::unwrap_used, reason = "a benchmark that cannot run has no result")]

use benches::processor_seconds;
use benches::storage::{Paused, sync_latency};
use ipowdm_core::grid::{Raster, SpectrumWindow};
use ipowdm_core::ids::{ConnectionId, LinkId, PopId, VopId};
use ipowdm_core::units::Length;
use ipowdm_ctl_lib::linkdb::{AllocationRequest, Endpoint, LinkDb};
use ipowdm_ctl_lib::spectrum::VopGrant;
use ipowdm_ctl_lib::store::{Key, Record, RedbBackend, RedbOptions, Store, StoreError, StoreOptions};
use ipowdm_ctl_lib::topology::{FibreLink, Pop};
use redb::backends::FileBackend;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long each figure is measured.
const MEASURED: Duration = Duration::from_secs(2);
const CLIENTS: [u32; 3] = [1, 16, 64];
/// Syncs that are timed, and the bytes written before each.
const SYNCS: u64 = 256;
const BLOCK: usize = 64 << 10;

/// A record of the size of most.
#[derive(Serialize, Deserialize)]
struct Block(Vec<u8>);

impl Record for Block {
    const KIND: &'static str = "block";
    const VERSION: u8 = 1;
}

/// What some clients got done.
struct Figures {
    per_s: f64,
    p50_us: u64,
    p99_us: u64,
    /// Processor time of each piece of work, writing included.
    processor_us: f64,
}

/// The clients' work: each answers how long every piece took in µs.
async fn measure<W, F>(clients: u32, work: W) -> Figures
where
    W: Fn(u32) -> F,
    F: Future<Output = Vec<u64>> + Send + 'static,
{
    let (begun, processor) = (Instant::now(), processor_seconds());
    let tasks: Vec<_> = (0..clients).map(|client| tokio::spawn(work(client))).collect();
    let mut times = Vec::new();
    for task in tasks {
        times.extend(task.await.unwrap());
    }
    let count = times.len() as f64;
    let (per_s, used) = (count / begun.elapsed().as_secs_f64(), processor_seconds() - processor);
    times.sort_unstable();
    let at = |per_mille: usize| times[(times.len() - 1) * per_mille / 1000];
    Figures { per_s, p50_us: at(500), p99_us: at(990), processor_us: used / count * 1e6 }
}

/// Ten records written and eight read by each transaction; the records are the client's own.
async fn commits(store: &Store, clients: u32) -> Figures {
    measure(clients, |client| {
        let store = store.clone();
        async move {
            let keys: Vec<Key<Block>> = (0..1000).map(|i| Key::numbered(&[&client.to_string()], i)).collect();
            let until = Instant::now() + MEASURED;
            let mut times = Vec::new();
            let mut at = 0_usize;
            while Instant::now() < until {
                let begun = Instant::now();
                let of = |i: usize| &keys[(at + i) % keys.len()];
                store
                    .transact(|tx| {
                        (0..8).try_for_each(|i| tx.get(of(i)).map(drop))?;
                        (0..10).try_for_each(|i| tx.put(of(i), &Block(vec![7; 50 + 15 * i])))?;
                        Ok::<_, StoreError>(())
                    })
                    .await
                    .unwrap();
                times.push(u64::try_from(begun.elapsed().as_micros()).unwrap());
                at += 10;
            }
            times
        }
    })
    .await
}

/// A ring of 75 PoPs with a chord at every third: 100 links.
async fn network(store: Store) -> LinkDb {
    let db = LinkDb::new(store);
    let pop = |i: usize| PopId::new(&format!("pop{}", i % 75)).unwrap();
    let link = |a: usize, b: usize| {
        let id = LinkId::new(&format!("l{a}-{}", b % 75)).unwrap();
        FibreLink::new(id, pop(a), pop(b), Length::from_metres(80_000))
    };
    let mut links: Vec<FibreLink> = (0..75).map(|i| link(i, i + 1)).collect();
    links.extend((0..75).step_by(3).map(|i| link(i, i + 7)));
    db.import((0..75).map(|i| Pop::new(pop(i))).collect(), links).await.unwrap();
    let window: SpectrumWindow = Raster::C_BAND.window();
    db.set_vop_grant(VopGrant::pool(VopId::new("vOp1").unwrap(), vec![window])).await.unwrap();
    db
}

/// Allocates over three links or so, and releases the oldest connection once the client has five.
async fn allocations(db: &LinkDb, clients: u32, epoch: &str) -> Figures {
    measure(clients, |client| {
        let (db, epoch) = (db.clone(), epoch.to_owned());
        async move {
            let until = Instant::now() + MEASURED;
            let mut times = Vec::new();
            let mut live = std::collections::VecDeque::new();
            let mut random = u64::from(client) << 32;
            while Instant::now() < until {
                random =
                    random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                let (from, hops) = ((random >> 40) % 75, 1 + (random >> 33) % 4);
                let pop = |i: u64| Endpoint::at(PopId::new(&format!("pop{}", i % 75)).unwrap());
                let id = ConnectionId::new(&format!("{epoch}-{client}-{}", times.len())).unwrap();
                let request = AllocationRequest::new(
                    id.clone(),
                    VopId::new("vOp1").unwrap(),
                    pop(from),
                    pop(from + hops),
                    6,
                );
                let begun = Instant::now();
                db.allocate(request).await.unwrap();
                times.push(u64::try_from(begun.elapsed().as_micros()).unwrap());
                live.push_back(id);
                if live.len() > 5 {
                    db.release(&live.pop_front().unwrap()).await.unwrap();
                }
            }
            for id in live {
                db.release(&id).await.unwrap();
            }
            times
        }
    })
    .await
}

fn print(name: &str, sync_us: f64, clients: u32, what: &str, figures: &Figures, remark: &str) {
    let Figures { per_s, p50_us, p99_us, processor_us } = figures;
    println!(
        "store_redb storage={name} fdatasync_us={sync_us:.0} clients={clients} {what}_per_s={per_s:.0} \
         p50_us={p50_us} p99_us={p99_us} processor_us_each={processor_us:.1}{remark}"
    );
}

async fn run(name: &str, sync_us: f64, store: &Store) {
    for clients in CLIENTS {
        print(name, sync_us, clients, "commits", &commits(store, clients).await, "");
    }
    let db = network(store.clone()).await;
    for clients in CLIENTS {
        let figures = allocations(&db, clients, &format!("e{clients}")).await;
        let target = if clients == 64 { " target_per_s=50000 (at fdatasync_us=100)" } else { "" };
        let both = 2.0 * figures.per_s;
        let remark = format!("{target} with_their_releases_per_s={both:.0} (durable too)");
        print(name, sync_us, clients, "allocations", &figures, &remark);
    }
}

#[tokio::main]
async fn main() {
    let options = StoreOptions { check_repeatable: false, ..StoreOptions::default() };
    let backend = RedbBackend::open_on(Paused::default(), RedbOptions::default()).await.unwrap();
    let sync_us = sync_latency(&Paused::default(), BLOCK, SYNCS);
    run("paused", sync_us, &Store::new(Arc::new(backend), options.clone())).await;

    let directory = match std::env::var_os("IPOWDM_BENCH_DIR") {
        Some(directory) => tempfile::tempdir_in(directory).unwrap(),
        None => tempfile::tempdir().unwrap(),
    };
    let probe = std::fs::File::create_new(directory.path().join("probe")).unwrap();
    let sync_us = sync_latency(&FileBackend::new(probe).unwrap(), BLOCK, SYNCS);
    let backend = RedbBackend::open(&directory.path().join("store"), RedbOptions::default()).await.unwrap();
    run("file", sync_us, &Store::new(Arc::new(backend), options)).await;
}
