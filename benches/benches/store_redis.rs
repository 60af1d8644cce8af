//! Allocations on a Redis server that syncs its log at every write: `cargo bench -p benches --bench store_redis`.
//!
//! `scripts/redis-up.sh` starts the server on the loopback address, once with its files on disk and once in memory
//! (`/dev/shm`), where a sync costs nothing: the difference is the disk's. Sixteen clients of one process put connections
//! over three links each onto chains of four PoPs, drawn at random, and release them. A commit that finds what it read
//! changed is a conflict and runs again; the rate is given beside the speed. The time of one fdatasync is measured on the
//! same file system just before.
#![expect(clippy::unwrap_used, reason = "a benchmark that cannot run has no result")]

use benches::redis::{Counts, Server};
use ipowdm_core::ids::{ConnectionId, LinkId, PopId, VopId};
use ipowdm_core::units::Length;
use ipowdm_ctl_lib::linkdb::{AllocationRequest, Endpoint, LinkDb};
use ipowdm_ctl_lib::spectrum::VopGrant;
use ipowdm_ctl_lib::store::Store;
use ipowdm_ctl_lib::topology::{FibreLink, Pop};
use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

const CLIENTS: usize = 16;
/// Connections that each client holds at the end of a round.
const EACH: usize = 40;
const TIME: Duration = Duration::from_secs(6);
/// What is owed with few conflicts, allocations per second.
const TARGET: f64 = 10_000.0;

/// The median time of an fdatasync after a write of a commit's size.
fn fdatasync(folder: &Path) -> Duration {
    let path = folder.join(format!("ipowdm-fdatasync-{}", std::process::id()));
    let mut file = std::fs::File::create(&path).unwrap();
    let mut times: Vec<Duration> = (0..200)
        .map(|_| {
            file.write_all(&[0; 4096]).unwrap();
            let begun = Instant::now();
            file.sync_data().unwrap();
            begun.elapsed()
        })
        .collect();
    std::fs::remove_file(&path).unwrap();
    times.sort_unstable();
    times[times.len() / 2]
}

fn pop(chain: usize, n: usize) -> PopId {
    PopId::new(&format!("c{chain}-{n}")).unwrap()
}

fn vop() -> VopId {
    VopId::new("vOp1").unwrap()
}

async fn network(store: Store, chains: usize) -> LinkDb {
    let db = LinkDb::new(store);
    let pops = (0..chains).flat_map(|chain| (0..4).map(move |n| Pop::new(pop(chain, n))));
    let links = (0..chains).flat_map(|chain| {
        (0..3).map(move |n| {
            let id = LinkId::new(&format!("c{chain}-l{n}")).unwrap();
            FibreLink::new(id, pop(chain, n), pop(chain, n + 1), Length::from_metres(80_000))
        })
    });
    db.import(pops.collect(), links.collect()).await.unwrap();
    db.set_vop_grant(VopGrant::pool(vop(), vec![db.raster().window()])).await.unwrap();
    db
}

/// Durations of calls.
#[derive(Default)]
struct Times {
    allocate: Vec<Duration>,
    release: Vec<Duration>,
}

/// A client's rounds: fill, then release all.
async fn client(db: LinkDb, number: usize, chains: usize, until: Instant) -> Times {
    let mut times = Times::default();
    let mut random = u64::try_from(number).unwrap() + 1;
    while Instant::now() < until {
        let mut held = Vec::new();
        for i in 0..EACH {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let chain = usize::try_from(random >> 33).unwrap() % chains;
            let id = ConnectionId::new(&format!("{number}-{i}")).unwrap();
            let (source, destination) = (Endpoint::at(pop(chain, 0)), Endpoint::at(pop(chain, 3)));
            let request = AllocationRequest::new(id.clone(), vop(), source, destination, 2);
            let begun = Instant::now();
            db.allocate(request).await.unwrap();
            times.allocate.push(begun.elapsed());
            held.push(id);
        }
        for id in held {
            let begun = Instant::now();
            assert!(db.release(&id).await.unwrap().is_some());
            times.release.push(begun.elapsed());
        }
    }
    times
}

fn percentile(times: &mut [Duration], percent: usize) -> f64 {
    times.sort_unstable();
    times[(times.len() * percent / 100).min(times.len() - 1)].as_secs_f64() * 1e3
}

/// One measurement: a line for each operation.
async fn measure(name: &str, folder: &Path, chains: usize) {
    let sync = fdatasync(folder);
    let server = Server::start(folder);
    let counts = Arc::new(Counts::default());
    let db = network(server.store(&counts).await, chains).await;
    counts.reset();
    let begun = Instant::now();
    let tasks: Vec<_> =
        (0..CLIENTS).map(|number| tokio::spawn(client(db.clone(), number, chains, begun + TIME))).collect();
    let mut times = Times::default();
    for task in tasks {
        let mut of_client = task.await.unwrap();
        times.allocate.append(&mut of_client.allocate);
        times.release.append(&mut of_client.release);
    }
    let elapsed = begun.elapsed().as_secs_f64();
    let rate = (times.allocate.len() + times.release.len()) as f64 / elapsed;
    println!(
        "store_redis {name}: {rate:.0} allocations and releases/s (target {TARGET:.0} allocations/s), {CLIENTS} clients, \
         {chains} chains, conflicts {:.1} % of commits, allocate p50 {:.2} ms p99 {:.2} ms, release p99 {:.2} ms, \
         appendfsync always, fdatasync {:.3} ms",
        counts.conflicts_percent(),
        percentile(&mut times.allocate, 50),
        percentile(&mut times.allocate, 99),
        percentile(&mut times.release, 99),
        sync.as_secs_f64() * 1e3,
    );
}

#[tokio::main]
async fn main() {
    println!("machine: {}", benches::machine());
    let disk = std::env::temp_dir();
    let memory = Path::new("/dev/shm");
    for chains in [512, 32] {
        measure(&format!("disk {chains}"), &disk, chains).await;
        if memory.is_dir() {
            measure(&format!("memory {chains}"), memory, chains).await;
        }
    }
}
