//! Allocation backed by a store: `cargo bench -p benches --bench allocate [-- NAME]`, where NAME is a part of a store's name.
//!
//! Tasks allocate connections on NSFNET (14 PoPs, 22 links, K = 5, 12.5 to 50 GHz wide, first-fit) until each holds its
//! share, then release them all; both phases are timed apart and repeated. Every allocation writes the spectrum of each link
//! of its path with the owners, the grant and the index of the virtual operator, in a transaction that has committed, and is
//! as durable as the store makes it, when the call returns.
//!
//! * `memory`: 1, 2 and 16 tasks.
//! * `redb-file`: 64 tasks on a file in `IPOWDM_BENCH_DIR` (the temporary directory where that is not set); `redb-0.1ms`:
//!   the same on a storage in memory whose fdatasync pauses for 0.1 ms, as a data-centre SSD's does.
//! * `redis`: 16 tasks on a server started by `scripts/redis-up.sh` (`appendfsync always`), its files beside redb's;
//!   `redis-shm`: its files in memory (`/dev/shm`), where a sync costs nothing; `redis-4`: there too, with the tasks spread
//!   over four processes that know nothing of each other. A commit that finds what it read changed is a conflict and runs
//!   again: processes that share a small network conflict often, the tasks of one process do not.
//!
//! The time of one fdatasync is measured on the same storage in each round and printed beside. The rounds of all stores are
//! interleaved, so that what else the machine does meets all of them; rates are the best and the median round's, times the
//! median round's. `processor_us` is processor time of this process for each call, allocations and releases alike. Times
//! depend on the machine, which is printed; each figure stands beside what is owed.
#![expect(clippy::expect_used, reason = "a benchmark that cannot run has no result")]
#![expect(clippy::cast_precision_loss, reason = "figures for people")]

use benches::processor_seconds;
use benches::redis::{Counts, Server};
use benches::storage::{Paused, sync_latency};
use ipowdm_core::ids::{ConnectionId, PopId, VopId};
use ipowdm_ctl_lib::linkdb::{AllocationRequest, Endpoint, LinkDb};
use ipowdm_ctl_lib::spectrum::VopGrant;
use ipowdm_ctl_lib::store::{RedbBackend, RedbOptions, Store, StoreOptions};
use ipowdm_ctl_lib::topology::TopologyDocument;
use redb::backends::FileBackend;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::Barrier;

/// As `ipowdm-ctl` has it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const POPS: u64 = 14;
/// Connections held by all tasks together at the end of a fill.
const HELD: usize = 960;
/// Rounds of each store, and how long one goes on.
const ROUNDS: usize = 5;
const TIME: Duration = Duration::from_millis(800);
/// Syncs that are timed in each round.
const SYNCS: u64 = 64;

const OWED_IN_MEMORY: &str = ">= 300000 allocations/s on 2 cores";
const OWED_IN_A_FILE: &str = ">= 50000 allocations/s where one fdatasync takes 0.1 ms";
const OWED_ON_REDIS: &str = ">= 10000 allocations/s";

fn vop() -> VopId {
    VopId::new("vOp1").expect("a legal id")
}

fn pop(n: u64) -> PopId {
    PopId::new(&n.to_string()).expect("a legal id")
}

async fn nsfnet(db: &LinkDb) {
    let file = benches::network("nsfnet-14-22").expect("the project has it");
    let text = std::fs::read_to_string(file).expect("a file that can be read");
    let document = TopologyDocument::from_json(&text).expect("a network");
    let (pops, links) = document.into_records().expect("a network");
    db.import(pops, links).await.expect("a new store");
    db.set_vop_grant(VopGrant::pool(vop(), vec![db.raster().window()])).await.expect("a new store");
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

// --- one round ------------------------------------------------------------------------------------------------------------

/// Durations of calls, and of the phases that they were made in.
#[derive(Default)]
struct Times {
    allocate: Vec<Duration>,
    release: Vec<Duration>,
    allocating: Duration,
    releasing: Duration,
    refused: u64,
}

impl Times {
    fn allocations_per_s(&self) -> f64 {
        self.allocate.len() as f64 / self.allocating.as_secs_f64()
    }

    fn releases_per_s(&self) -> f64 {
        self.release.len() as f64 / self.releasing.as_secs_f64()
    }

    /// Adds those of another task of the same round.
    fn add(&mut self, other: Self) {
        self.allocate.extend(other.allocate);
        self.release.extend(other.release);
        self.allocating = self.allocating.max(other.allocating);
        self.releasing = self.releasing.max(other.releasing);
        self.refused += other.refused;
    }
}

/// What the tasks of a round agree on.
struct Phases {
    barrier: Barrier,
    until: Instant,
    over: AtomicBool,
}

impl Phases {
    fn new(tasks: usize) -> Self {
        Self { barrier: Barrier::new(tasks), until: Instant::now() + TIME, over: AtomicBool::new(false) }
    }

    /// Whether there is time for another fill: all get the same answer.
    async fn go_on(&self) -> bool {
        if self.barrier.wait().await.is_leader() {
            self.over.store(Instant::now() >= self.until, Ordering::SeqCst);
        }
        self.barrier.wait().await;
        !self.over.load(Ordering::SeqCst)
    }
}

/// One task: fills and releases until it is time.
async fn work(db: LinkDb, requests: Arc<[AllocationRequest]>, phases: Arc<Phases>) -> Times {
    let mut times = Times::default();
    let mut held = Vec::with_capacity(requests.len());
    while phases.go_on().await {
        let started = Instant::now();
        for request in &*requests {
            let request = request.clone();
            let called = Instant::now();
            match db.allocate(request).await {
                Ok(grant) => {
                    times.allocate.push(called.elapsed());
                    held.push(grant.request.connection_id);
                }
                Err(_) => times.refused += 1,
            }
        }
        phases.barrier.wait().await;
        times.allocating += started.elapsed();
        let started = Instant::now();
        for connection in held.drain(..) {
            let called = Instant::now();
            assert!(db.release(&connection).await.expect("a store that works").is_some());
            times.release.push(called.elapsed());
        }
        phases.barrier.wait().await;
        times.releasing += started.elapsed();
    }
    times
}

// --- stores ---------------------------------------------------------------------------------------------------------------

/// The median time of a sync of a file in a folder.
fn sync_latency_in(folder: &Path, size: usize) -> f64 {
    let probe = tempfile::tempfile_in(folder).expect("a folder for files");
    sync_latency(&FileBackend::new(probe).expect("a file"), size, SYNCS)
}

// --- what is measured -----------------------------------------------------------------------------------------------------

/// What is known of a round.
struct Round {
    times: Times,
    processor_us: f64,
    sync_us: Option<f64>,
}

/// A store and its tasks.
struct Subject {
    name: &'static str,
    tasks: usize,
    owed: &'static str,
    /// One for each process.
    dbs: Vec<LinkDb>,
    sync: Option<Box<dyn Fn() -> f64>>,
    counts: Option<Arc<Counts>>,
    rounds: Vec<Round>,
}

impl Subject {
    async fn new(name: &'static str, tasks: usize, owed: &'static str, stores: Vec<Store>) -> Self {
        let dbs: Vec<LinkDb> = stores.into_iter().map(LinkDb::new).collect();
        nsfnet(&dbs[0]).await;
        Self { name, tasks, owed, dbs, sync: None, counts: None, rounds: Vec::new() }
    }

    async fn run(&mut self) {
        let sync_us = self.sync.as_ref().map(|sync| sync());
        let processor = processor_seconds();
        let phases = Arc::new(Phases::new(self.tasks));
        let running: Vec<_> = (0..self.tasks)
            .map(|task| {
                let db = self.dbs[task % self.dbs.len()].clone();
                tokio::spawn(work(db, requests(task, HELD / self.tasks).into(), Arc::clone(&phases)))
            })
            .collect();
        let mut times = Times::default();
        for task in running {
            times.add(task.await.expect("no panic"));
        }
        let calls = times.allocate.len() + times.release.len();
        let processor_us = (processor_seconds() - processor) * 1e6 / calls as f64;
        self.rounds.push(Round { times, processor_us, sync_us });
    }

    fn print(&mut self) {
        self.rounds.sort_by(|a, b| a.times.allocations_per_s().total_cmp(&b.times.allocations_per_s()));
        let middle = self.rounds.len() / 2;
        let best =
            |rate: fn(&Times) -> f64| self.rounds.iter().map(|round| rate(&round.times)).fold(0.0, f64::max);
        let (best_allocations, best_releases) = (best(Times::allocations_per_s), best(Times::releases_per_s));
        let releases = median(self.rounds.iter().map(|round| round.times.releases_per_s()).collect());
        let Round { times, processor_us, sync_us } = &mut self.rounds[middle];
        let rate = times.allocations_per_s();
        let refused = times.refused as f64 / (times.refused as f64 + times.allocate.len() as f64) * 100.0;
        print!(
            "allocate store={} tasks={} allocations_per_s={rate:.0} best={best_allocations:.0} p50_us={:.1} p99_us={:.1} \
             releases_per_s={releases:.0} best={best_releases:.0} p50_us={:.1} p99_us={:.1} processor_us={processor_us:.2} \
             refused={refused:.1}%",
            self.name,
            self.tasks,
            percentile(&mut times.allocate, 50),
            percentile(&mut times.allocate, 99),
            percentile(&mut times.release, 50),
            percentile(&mut times.release, 99),
        );
        if let Some(sync_us) = sync_us {
            print!(" fdatasync_us={sync_us:.0}");
        }
        if let Some(counts) = &self.counts {
            let (processes, conflicts) = (self.dbs.len(), counts.conflicts_percent());
            print!(" processes={processes} conflicts={conflicts:.1}%");
        }
        println!(" owed=\"{}\"", self.owed);
    }
}

fn percentile(times: &mut [Duration], percent: usize) -> f64 {
    times.sort_unstable();
    let index = (times.len() * percent / 100).min(times.len().saturating_sub(1));
    times.get(index).map_or(0.0, |time| time.as_secs_f64() * 1e6)
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}

fn load() -> String {
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    load.split_whitespace().next().unwrap_or("unknown").to_owned()
}

/// The stores whose names contain `wanted`, and what they need as long as they are used.
async fn subjects(wanted: &str, folder: &Path) -> (Vec<Subject>, Vec<Server>) {
    /// Bytes that a group commit of 64 allocations, or one commit on Redis, writes.
    const GROUP: usize = 64 << 10;
    const COMMIT: usize = 4 << 10;
    let is_wanted = |name: &str| name.contains(wanted);
    let (mut subjects, mut servers) = (Vec::new(), Vec::new());
    for tasks in [1, 2, 16].into_iter().filter(|_| is_wanted("memory")) {
        subjects.push(Subject::new("memory", tasks, OWED_IN_MEMORY, vec![Store::memory()]).await);
    }
    // Handles of their own, as two parts of a program may have: their calls are not joined, so they run side by side and conflict.
    if is_wanted("memory-2-handles") {
        let store = Store::memory();
        let handles = vec![store.clone(), store];
        subjects.push(Subject::new("memory-2-handles", 2, OWED_IN_MEMORY, handles).await);
    }
    let options = StoreOptions::default();
    if is_wanted("redb-file") {
        let backend = RedbBackend::open(&folder.join("store"), RedbOptions::default()).await;
        let store = Store::new(Arc::new(backend.expect("a new file")), options.clone());
        let mut subject = Subject::new("redb-file", 64, OWED_IN_A_FILE, vec![store]).await;
        let folder = folder.to_owned();
        subject.sync = Some(Box::new(move || sync_latency_in(&folder, GROUP)));
        subjects.push(subject);
    }
    if is_wanted("redb-0.1ms") {
        let backend = RedbBackend::open_on(Paused::default(), RedbOptions::default()).await;
        let store = Store::new(Arc::new(backend.expect("a new storage")), options);
        let mut subject = Subject::new("redb-0.1ms", 64, OWED_IN_A_FILE, vec![store]).await;
        subject.sync = Some(Box::new(|| sync_latency(&Paused::default(), GROUP, SYNCS)));
        subjects.push(subject);
    }
    let memory = Path::new("/dev/shm");
    let memory = if memory.is_dir() { memory } else { folder };
    let redis = [
        ("redis", 1, folder, OWED_ON_REDIS),
        ("redis-shm", 1, memory, OWED_ON_REDIS),
        ("redis-4", 4, memory, "nothing: 22 links, 4 processes"),
    ];
    for (name, processes, folder, owed) in redis.into_iter().filter(|(name, ..)| is_wanted(name)) {
        if Command::new("redis-server").arg("--version").stdout(Stdio::null()).status().is_err() {
            println!("allocate store={name} skipped: there is no redis-server on the path");
            continue;
        }
        let (server, counts) = (Server::start(folder), Arc::new(Counts::default()));
        let mut stores = Vec::new();
        for _ in 0..processes {
            stores.push(server.store(&counts).await);
        }
        let mut subject = Subject::new(name, 16, owed, stores).await;
        let folder = folder.to_owned();
        subject.sync = Some(Box::new(move || sync_latency_in(&folder, COMMIT)));
        subject.counts = Some(counts);
        subjects.push(subject);
        servers.push(server);
    }
    (subjects, servers)
}

#[tokio::main]
async fn main() {
    // Cargo passes `--bench`.
    let wanted = std::env::args().skip(1).find(|argument| !argument.starts_with('-')).unwrap_or_default();
    println!("machine {}, load before {}", benches::machine(), load());
    let folder = match std::env::var_os("IPOWDM_BENCH_DIR") {
        Some(folder) => tempfile::tempdir_in(folder),
        None => tempfile::tempdir(),
    };
    let folder = folder.expect("a folder for files");
    let (mut subjects, servers) = subjects(&wanted, folder.path()).await;
    for _ in 0..ROUNDS {
        for subject in &mut subjects {
            subject.run().await;
        }
    }
    subjects.iter_mut().for_each(Subject::print);
    drop(subjects);
    drop(servers);
}
