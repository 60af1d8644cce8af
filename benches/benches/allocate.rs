//! Allocation backed by a store: `cargo bench -p benches --bench allocate`.
//!
//! Tasks allocate connections on NSFNET (14 PoPs, 22 links, K = 5, 12.5 to 50 GHz wide, first-fit) until each holds its
//! share, then release them all; both phases are timed apart and repeated. Every allocation writes the spectrum of each link
//! of its path with the owners, the grant and the index of the virtual operator, in a transaction that has committed when
//! the call returns. Times depend on the machine, which is printed; each figure stands beside what is owed.
#![expect(clippy::expect_used, reason = "a benchmark that cannot run has no result")]

use ipowdm_core::ids::{ConnectionId, LinkId, PopId, VopId};
use ipowdm_core::units::Length;
use ipowdm_ctl_lib::linkdb::{AllocationRequest, Endpoint, LinkDb};
use ipowdm_ctl_lib::spectrum::VopGrant;
use ipowdm_ctl_lib::store::Store;
use ipowdm_ctl_lib::topology::{FibreLink, Pop};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::Barrier;

/// NSFNET as (end, end, km).
const NSFNET: [(u32, u32, u32); 22] = [
    (0, 1, 1050),
    (0, 2, 1500),
    (0, 7, 2400),
    (1, 2, 600),
    (1, 3, 750),
    (2, 5, 1800),
    (3, 4, 600),
    (3, 10, 1950),
    (4, 5, 1200),
    (4, 6, 600),
    (5, 9, 1050),
    (5, 13, 1800),
    (6, 7, 750),
    (6, 9, 1350),
    (7, 8, 750),
    (8, 9, 750),
    (8, 11, 300),
    (8, 12, 300),
    (10, 11, 600),
    (10, 12, 750),
    (11, 13, 300),
    (12, 13, 150),
];
const POPS: u64 = 14;
/// Connections held by all tasks together at the end of a fill.
const HELD: usize = 960;
/// How long a measurement goes on.
const TIME: Duration = Duration::from_secs(4);

fn vop() -> VopId {
    VopId::new("vOp1").expect("a legal id")
}

fn pop(n: u64) -> PopId {
    PopId::new(&n.to_string()).expect("a legal id")
}

async fn nsfnet(store: Store) -> LinkDb {
    let db = LinkDb::new(store);
    let links = NSFNET.iter().map(|&(a, b, km)| {
        let id = LinkId::new(&format!("{a}-{b}")).expect("a legal id");
        FibreLink::new(id, pop(a.into()), pop(b.into()), Length::from_metres(km * 1000))
    });
    db.import((0..POPS).map(|n| Pop::new(pop(n))).collect(), links.collect()).await.expect("a new store");
    db.set_vop_grant(VopGrant::pool(vop(), vec![db.raster().window()])).await.expect("a new store");
    db
}

/// A small generator of reproducible pseudo-random numbers (SplitMix64).
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % bound
    }
}

/// What one task asks for in one round.
fn requests(task: usize, count: usize) -> Vec<AllocationRequest> {
    let mut random = Random(task as u64);
    let requests = (0..count).map(|i| {
        let source = random.below(POPS);
        let destination = (source + 1 + random.below(POPS - 1)) % POPS;
        let width_m = 1 + u16::try_from(random.below(4)).expect("below 4");
        let id = ConnectionId::new(&format!("connection-{task}-{i}")).expect("a legal id");
        AllocationRequest::new(id, vop(), Endpoint::at(pop(source)), Endpoint::at(pop(destination)), width_m)
    });
    requests.collect()
}

/// Durations of calls, and of the phases that they were made in.
#[derive(Default)]
struct Times {
    allocate: Vec<Duration>,
    release: Vec<Duration>,
    allocating: Duration,
    releasing: Duration,
    refused: u64,
}

async fn run(db: LinkDb, task: usize, count: usize, phase: Arc<Barrier>, until: Instant) -> Times {
    let mut times = Times::default();
    let requests = requests(task, count);
    loop {
        phase.wait().await;
        let started = Instant::now();
        for request in &requests {
            let request = request.clone();
            let called = Instant::now();
            match db.allocate(request).await {
                Ok(_) => times.allocate.push(called.elapsed()),
                Err(_) => times.refused += 1,
            }
        }
        phase.wait().await;
        times.allocating += started.elapsed();
        let started = Instant::now();
        for request in &requests {
            let called = Instant::now();
            let _ = db.release(&request.connection_id).await.expect("released");
            times.release.push(called.elapsed());
        }
        phase.wait().await;
        times.releasing += started.elapsed();
        if started >= until {
            return times;
        }
    }
}

fn percentile(times: &mut [Duration], percent: usize) -> f64 {
    times.sort_unstable();
    let index = (times.len() * percent / 100).min(times.len().saturating_sub(1));
    times.get(index).map_or(0.0, |time| time.as_secs_f64() * 1e6)
}

#[expect(clippy::cast_precision_loss, reason = "figures for people")]
async fn measure(name: &str, store: Store, tasks: usize, owed: &str) {
    let db = nsfnet(store).await;
    let phase = Arc::new(Barrier::new(tasks));
    let until = Instant::now() + TIME;
    let running: Vec<_> = (0..tasks)
        .map(|task| tokio::spawn(run(db.clone(), task, HELD / tasks, Arc::clone(&phase), until)))
        .collect();
    let mut all = Times::default();
    for task in running {
        let times = task.await.expect("no panic");
        all.allocate.extend(times.allocate);
        all.release.extend(times.release);
        all.allocating = all.allocating.max(times.allocating);
        all.releasing = all.releasing.max(times.releasing);
        all.refused += times.refused;
    }
    println!(
        "allocate store={name} tasks={tasks} allocations_per_s={:.0} p50_us={:.1} p99_us={:.1} releases_per_s={:.0} \
         release_p99_us={:.1} refused={} owed=\"{owed}\"",
        all.allocate.len() as f64 / all.allocating.as_secs_f64(),
        percentile(&mut all.allocate, 50),
        percentile(&mut all.allocate, 99),
        all.release.len() as f64 / all.releasing.as_secs_f64(),
        percentile(&mut all.release, 99),
        all.refused,
    );
}

fn machine() -> String {
    let cpu = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name = cpu.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or_default();
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    format!("{} with {cores} cores", name.trim_start_matches([' ', '\t', ':']))
}

#[tokio::main]
async fn main() {
    println!("machine {}", machine());
    for tasks in [1, 2, 16] {
        measure("memory", Store::memory(), tasks, ">= 300000 allocations/s on 2 cores").await;
    }
}
