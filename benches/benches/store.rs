//! What the engine and the memory back end cost: transactions, reads, scans, and the news of a commit to 10 000 watchers.
//!
//! `cargo bench -p benches --bench store` prints one line of JSON per figure, with what is owed where something is. What is
//! owed of allocations is measured in `allocate.rs`.

#![expect(clippy::expect_used, reason = "a benchmark that cannot run has nothing to say")]

use benches::processor_seconds;
use ipowdm_ctl_lib::store::{Change, Key, Prefix, Record, Store, StoreError, Version};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::Notify;

/// A record of about 150 bytes.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Row {
    number: u64,
    text: String,
}

impl Record for Row {
    const KIND: &'static str = "bench-row";
    const VERSION: u8 = 1;
}

/// A record of another kind, of which there are many.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Entry(Row);

impl Record for Entry {
    const KIND: &'static str = "bench-entry";
    const VERSION: u8 = 1;
}

fn row(number: u64) -> Row {
    Row { number, text: "0123456789abcdef".repeat(9) }
}

fn figure(name: &str, value: f64, unit: &str, owed: &str, met: Option<bool>) {
    let met = met.map_or_else(|| "null".to_owned(), |met| met.to_string());
    println!(
        "{{\"bench\":\"store\",\"figure\":\"{name}\",\"value\":{value:.3},\"unit\":\"{unit}\",\"owed\":\"{owed}\",\"met\":{met}}}"
    );
}

/// A small generator of reproducible pseudo-random numbers.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }
}

const LINKS: u64 = 256;
const CONNECTIONS: u64 = 10_000;

fn store() -> Store {
    Store::memory().with_options(|options| options.check_repeatable = false)
}

async fn filled() -> Store {
    let store = store();
    for link in 0..LINKS {
        let key = Key::<Row>::numbered(&["link"], link);
        store.transact(|tx| tx.put(&key, &row(link))).await.expect("a put");
    }
    store
}

/// As an allocation over three links: eight reads, three of what is changed, and nine writes, six of them of the connection.
async fn transaction(store: &Store, task: u64, random: &mut Random) -> u32 {
    let connection = task * CONNECTIONS + random.below(CONNECTIONS);
    let links: Vec<Key<Row>> = (0..3).map(|_| Key::numbered(&["link"], random.below(LINKS))).collect();
    let others: Vec<Key<Row>> = (0..4).map(|place| Key::numbered(&["link"], place)).collect();
    let mut runs = 0;
    let result: Result<(), StoreError> = store
        .transact(|tx| {
            runs += 1;
            let own = Key::<Entry>::numbered(&["connection", "0"], connection);
            let _ = tx.get_shared(&own)?;
            for key in &others {
                std::hint::black_box(tx.get_shared(key)?);
            }
            for key in &links {
                let number = tx.get_shared(key)?.map_or(0, |row| row.number + 1);
                tx.put_shared(key, Arc::new(row(number)))?;
            }
            tx.put_shared(&own, Arc::new(Entry(row(connection))))?;
            for part in ["1", "2", "3", "4", "5"] {
                let key = Key::<Entry>::numbered(&["connection", part], connection);
                tx.put_shared(&key, Arc::new(Entry(row(connection))))?;
            }
            Ok(())
        })
        .await;
    result.expect("a transaction commits");
    runs - 1
}

/// What was measured of some transactions.
struct Measured {
    per_second: f64,
    processor_micros: f64,
    conflicts: f64,
    times: Vec<Duration>,
}

async fn transactions(tasks: u64, each: u64) -> Measured {
    let store = filled().await;
    let processor = processor_seconds();
    let begun = Instant::now();
    let tasks: Vec<_> = (0..tasks)
        .map(|task| {
            let store = store.clone();
            tokio::spawn(async move {
                let mut random = Random(0x9e37_79b9 + task);
                let mut conflicts = 0;
                let mut times = Vec::with_capacity(usize::try_from(each).unwrap_or(0));
                for _ in 0..each {
                    let begun = Instant::now();
                    conflicts += transaction(&store, task, &mut random).await;
                    times.push(begun.elapsed());
                }
                (conflicts, times)
            })
        })
        .collect();
    let mut conflicts = 0;
    let mut times = Vec::new();
    for task in tasks {
        let (more, own) = task.await.expect("a task ends");
        conflicts += more;
        times.extend(own);
    }
    let elapsed = begun.elapsed().as_secs_f64();
    let processor = processor_seconds() - processor;
    times.sort_unstable();
    let count = times.len() as f64;
    Measured {
        per_second: count / elapsed,
        processor_micros: processor * 1e6 / count,
        conflicts: f64::from(conflicts) / count,
        times,
    }
}

fn percentile(sorted: &[Duration], per_mille: usize) -> Duration {
    sorted
        .get((sorted.len() * per_mille / 1000).min(sorted.len().saturating_sub(1)))
        .copied()
        .unwrap_or_default()
}

async fn reads() {
    const KEYS: u64 = 100_000;
    let store = store();
    for number in 0..KEYS {
        let key = Key::<Entry>::numbered(&[], number);
        store.transact(|tx| tx.put(&key, &Entry(row(number)))).await.expect("a put");
    }
    let mut random = Random(77);
    let keys: Vec<Key<Entry>> = (0..10_000).map(|_| Key::numbered(&[], random.below(KEYS))).collect();
    for round in 0..2 {
        let begun = Instant::now();
        for key in &keys {
            std::hint::black_box(store.get_shared(key).await.expect("a read"));
        }
        if round == 1 {
            figure("get_shared", begun.elapsed().as_nanos() as f64 / keys.len() as f64, "ns", "", None);
        }
    }
    let mut snapshot = store.snapshot().await.expect("a snapshot");
    let begun = Instant::now();
    for keys in keys.chunks(100) {
        std::hint::black_box(snapshot.get_many_shared(keys).await.expect("reads"));
    }
    figure("get_many_shared_100", begun.elapsed().as_nanos() as f64 / keys.len() as f64, "ns/key", "", None);
    let begun = Instant::now();
    let all = snapshot.scan_shared(&Prefix::<Entry>::all()).await.expect("a scan");
    figure("scan_shared", begun.elapsed().as_nanos() as f64 / all.len() as f64, "ns/entry", "", None);
}

/// Tells each watcher of one key of `COMMITS` commits, while as many watch other keys.
async fn fan_out() {
    const WATCHERS: usize = 10_000;
    const COMMITS: u64 = 50;
    let store = store();
    let started = Instant::now();
    let sent = Arc::new(AtomicU64::new(0));
    let (told, all_told) = (Arc::new(AtomicUsize::new(0)), Arc::new(Notify::new()));
    let key = Key::<Row>::new(&["watched"]);
    let nanos = move || u64::try_from(started.elapsed().as_nanos()).unwrap_or(u64::MAX);
    let tasks: Vec<_> = (0..WATCHERS)
        .map(|_| {
            let mut watch = store.watch_keys([key.raw().clone()]);
            let (sent, told, all_told) = (Arc::clone(&sent), Arc::clone(&told), Arc::clone(&all_told));
            tokio::spawn(async move {
                let mut delays = Vec::new();
                for _ in 0..COMMITS {
                    let change = watch.next().await.expect("the store is there");
                    assert!(matches!(change, Change::Committed(_)));
                    delays.push(Duration::from_nanos(nanos() - sent.load(Ordering::SeqCst)));
                    if told.fetch_add(1, Ordering::SeqCst) + 1 == WATCHERS {
                        all_told.notify_one();
                    }
                }
                delays
            })
        })
        .collect();
    let others: Vec<_> = (0..WATCHERS as u64)
        .map(|number| {
            let key = Key::<Row>::numbered(&["other"], number);
            let mut watch = store.watch(&Prefix::<Row>::under(&[&key.to_string()]));
            tokio::spawn(async move { watch.next().await })
        })
        .collect();
    let mut commits = Vec::new();
    for number in 0..COMMITS {
        told.store(0, Ordering::SeqCst);
        sent.store(nanos(), Ordering::SeqCst);
        let begun = Instant::now();
        let version = store.transact_versioned(|tx| tx.put(&key, &row(number))).await;
        commits.push(begun.elapsed());
        let (_, version) = version.map_err(|error: StoreError| error).expect("a put");
        assert_ne!(version, Version::new(0));
        all_told.notified().await;
    }
    let mut delays = Vec::new();
    for task in tasks {
        delays.extend(task.await.expect("a watcher ends"));
    }
    others.iter().for_each(tokio::task::JoinHandle::abort);
    delays.sort_unstable();
    commits.sort_unstable();
    let ms = |time: Duration| time.as_secs_f64() * 1e3;
    figure("fan_out_10000_p50", ms(percentile(&delays, 500)), "ms", "", None);
    let p99 = ms(percentile(&delays, 990));
    figure("fan_out_10000_p99", p99, "ms", "< 100", Some(p99 < 100.0));
    figure("fan_out_10000_commit_p99", ms(percentile(&commits, 990)), "ms", "", None);
}

#[tokio::main]
async fn main() {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZeroUsize::get);
    println!("{{\"bench\":\"store\",\"cores\":{cores}}}");
    transactions(1, 20_000).await;
    for (tasks, each) in [(1, 200_000), (16, 25_000)] {
        let Measured { per_second: rate, processor_micros, conflicts, times } =
            transactions(tasks, each).await;
        let name = |what: &str| format!("transaction_8_reads_9_writes_{tasks}_tasks{what}");
        figure(&name(""), rate, "1/s", "", None);
        figure(&name("_p99"), percentile(&times, 990).as_nanos() as f64 / 1e3, "us", "", None);
        figure(&name("_processor"), processor_micros, "us per transaction", "", None);
        figure(&name("_conflicts"), conflicts, "per commit", "", None);
    }
    reads().await;
    fan_out().await;
}
