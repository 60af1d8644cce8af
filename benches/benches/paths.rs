//! Paths: all pairs of a national network, one pair of a large one, what a link that fails costs; networkx and igraph on the same
//! pairs in the same run.
//!
//! `cargo bench -p benches --bench paths` prints a line per figure, with its target beside it where there is one. Networks are read
//! from the folder that `IPOWDM_TOPOLOGIES` names, or beside the project; NSFNET is in the project, and what is not there is not
//! measured and named. The peers are installed by `scripts/path-peers.sh`; where that cannot be, the line says so. A sum of lengths that differs from a peer's ends the run with an
//! error. Times are reported, not judged: they depend on the machine.
#![expect(clippy::expect_used, reason = "a benchmark that cannot run has no result")]

use benches::machine;
use ipowdm_ctl_lib::linkdb::LinkDb;
use ipowdm_ctl_lib::paths::{Avoid, Disjointness, Graph, PathTable};
use ipowdm_ctl_lib::store::Store;
use ipowdm_ctl_lib::topology::{Topology, TopologyDocument, UpDown};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

const K: usize = 5;
const RUNS: usize = 15;
const TARGET_ALL_PAIRS_MS: f64 = 20.0;
const TARGET_LARGE_PAIR_MS: f64 = 1.0;
/// As in `scripts/path_peers.py`.
const MOST_PAIRS: usize = 3000;
const MANY_NODES: u32 = 150;
const FEW_PAIRS: usize = 100;

/// Networks whose sums are compared with the peers', and the large one.
const NETWORKS: [&str; 5] = ["nsfnet-14-22", "usnet-24-43", "germany50", "coronet-conus-75", "zoo-kdl-754"];

/// A peer's line.
#[derive(Debug, Deserialize)]
struct Peer {
    network: String,
    library: String,
    version: String,
    pairs: usize,
    median_us: f64,
    metres: u64,
}

/// Our figures of a network.
struct Ours {
    median_us: f64,
    metres: u64,
}

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn topology(file: &Path) -> Topology {
    let text = std::fs::read_to_string(file).expect("a network");
    TopologyDocument::from_json(&text).expect("a document").into_topology().expect("a topology")
}

fn graph(topology: &Topology) -> Graph {
    Graph::of(topology.pops.clone(), topology.links.clone()).expect("a graph")
}

fn all_pairs(nodes: u32) -> Vec<(u32, u32)> {
    (0..nodes).flat_map(|a| (a + 1..nodes).map(move |b| (a, b))).collect()
}

fn nodes(graph: &Graph) -> u32 {
    u32::try_from(graph.nodes()).expect("few nodes")
}

/// Every n-th pair: the peers' sample.
fn sampled(nodes: u32) -> Vec<(u32, u32)> {
    let pairs = all_pairs(nodes);
    let most = if nodes > MANY_NODES { FEW_PAIRS } else { MOST_PAIRS };
    let step = pairs.len().div_ceil(most).max(1);
    pairs.into_iter().step_by(step).collect()
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

/// The value below which this share of the sorted values lies.
fn at(sorted: &[f64], per_cent: usize) -> f64 {
    sorted[(sorted.len() * per_cent / 100).min(sorted.len() - 1)]
}

fn sorted(mut values: Vec<f64>) -> Vec<f64> {
    values.sort_by(f64::total_cmp);
    values
}

/// All pairs of a network from a table that knows nothing, several times.
fn whole_network(name: &str, graph: &Graph) {
    let pairs = all_pairs(nodes(graph));
    let runs = (0..RUNS).map(|_| {
        let table = PathTable::new(graph.clone());
        let started = Instant::now();
        for &(a, b) in &pairs {
            black_box(table.between(a, b, K));
        }
        milliseconds(started.elapsed())
    });
    let runs = sorted(runs.collect());
    let (best, median) = (runs[0], at(&runs, 50));
    let target =
        if name == "germany50" { format!(" target_ms={TARGET_ALL_PAIRS_MS}") } else { String::new() };
    println!(
        "all_pairs network={name} k={K} pairs={} best_ms={best:.2} median_ms={median:.2}{target} us_per_pair={:.2}",
        pairs.len(),
        median * 1e3 / pairs.len() as f64
    );
}

/// The peers' pairs, each alone: nothing is known of any. The sum of the lengths goes with it.
fn cold_pairs(name: &str, graph: &Graph) -> Ours {
    let mut times = Vec::new();
    let mut metres = 0;
    for (a, b) in sampled(nodes(graph)) {
        let table = PathTable::new(graph.clone());
        let started = Instant::now();
        let paths = table.between(a, b, K);
        times.push(started.elapsed().as_secs_f64() * 1e6);
        metres += paths.iter().map(|path| path.length).sum::<u64>();
    }
    let times = sorted(times);
    let target = if name == "zoo-kdl-754" {
        format!(" target_us={}", TARGET_LARGE_PAIR_MS * 1e3)
    } else {
        String::new()
    };
    println!(
        "cold_pair network={name} k={K} pairs={} p50_us={:.1} p95_us={:.1} max_us={:.1}{target}",
        times.len(),
        at(&times, 50),
        at(&times, 95),
        at(&times, 100)
    );
    Ours { median_us: at(&times, 50), metres }
}

/// What remains of all kept pairs when a link goes down, for each link, and what taking them over costs.
fn link_failures(name: &str, topology: &Topology) {
    let before = graph(topology);
    let pairs = all_pairs(nodes(&before));
    let (mut times, mut kept) = (Vec::new(), Vec::new());
    for failed in 0..topology.links.len() {
        let table = PathTable::new(before.clone());
        pairs.iter().for_each(|&(a, b)| drop(table.between(a, b, K)));
        let mut changed = topology.clone();
        changed.links[failed].oper = UpDown::Down;
        let after = graph(&changed);
        let started = Instant::now();
        let next = table.successor(after);
        times.push(started.elapsed().as_secs_f64() * 1e6);
        kept.push(next.kept_pairs() as f64 * 100.0 / pairs.len() as f64);
    }
    let (times, kept) = (sorted(times), sorted(kept));
    println!(
        "link_down network={name} k={K} p50_us={:.0} p95_us={:.0} pairs_kept_p50_percent={:.0} min={:.0}",
        at(&times, 50),
        at(&times, 95),
        at(&kept, 50),
        kept[0]
    );
}

fn disjoint_pairs(name: &str, graph: &Graph) {
    let table = PathTable::new(graph.clone());
    let mut times = Vec::new();
    for (a, b) in sampled(nodes(graph)) {
        let (a, b) =
            (table.graph().pop(a).expect("a PoP").clone(), table.graph().pop(b).expect("a PoP").clone());
        let started = Instant::now();
        let _ = black_box(table.disjoint_pair(&a, &b, Disjointness::Pops, &Avoid::default()));
        times.push(started.elapsed().as_secs_f64() * 1e6);
    }
    let times = sorted(times);
    println!(
        "disjoint_pair network={name} pairs={} p50_us={:.1} p95_us={:.1}",
        times.len(),
        at(&times, 50),
        at(&times, 95)
    );
}

/// Reading a large network into a store, in one transaction, and the first paths from there.
fn import(name: &str, topology: &Topology) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let db = LinkDb::new(Store::memory());
        let started = Instant::now();
        db.import_topology(topology).await.expect("an empty store");
        let imported = started.elapsed();
        let (first, last) = (&topology.pops[0].id, &topology.pops[topology.pops.len() - 1].id);
        let started = Instant::now();
        black_box(db.candidate_paths(first, last, 5).await.expect("paths"));
        println!(
            "import network={name} pops={} links={} store=memory ms={:.1} first_paths_ms={:.2}",
            topology.pops.len(),
            topology.links.len(),
            milliseconds(imported),
            milliseconds(started.elapsed())
        );
    });
}

/// The peers' lines; why there are none otherwise.
fn peers<'f>(files: impl Iterator<Item = &'f PathBuf>) -> Result<Vec<Peer>, String> {
    let script = workspace().join("scripts/path-peers.sh");
    let output =
        Command::new(script).arg(K.to_string()).args(files).output().map_err(|error| error.to_string())?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).trim().to_owned());
    }
    String::from_utf8_lossy(&output.stdout)
        .lines()
        .map(|line| serde_json::from_str(line).map_err(|error| format!("{error}: {line}")))
        .collect()
}

fn main() -> ExitCode {
    println!("machine {}", machine());
    let mut ours: BTreeMap<&str, (PathBuf, Ours)> = BTreeMap::new();
    for name in NETWORKS {
        let Some(file) = benches::network(name) else {
            println!("skipped network={name}: no file of it; IPOWDM_TOPOLOGIES names a folder");
            continue;
        };
        let topology = topology(&file);
        let graph = graph(&topology);
        if graph.nodes() <= 75 {
            whole_network(name, &graph);
        }
        ours.insert(name, (file, cold_pairs(name, &graph)));
        match name {
            "germany50" => link_failures(name, &topology),
            "zoo-kdl-754" => import(name, &topology),
            _ => {}
        }
        disjoint_pairs(name, &graph);
    }
    let peers = match peers(ours.values().map(|(file, _)| file)) {
        Ok(peers) => peers,
        Err(reason) => {
            println!("peer skipped: {reason}");
            return ExitCode::SUCCESS;
        }
    };
    let mut result = ExitCode::SUCCESS;
    for peer in peers {
        let Some((_, ours)) = ours.get(peer.network.as_str()) else { continue };
        println!(
            "peer {}={} network={} pairs={} p50_us={:.1} times_ours={:.0} sum_of_lengths_km={:.3} equal={}",
            peer.library,
            peer.version,
            peer.network,
            peer.pairs,
            peer.median_us,
            peer.median_us / ours.median_us,
            peer.metres as f64 / 1e3,
            peer.metres == ours.metres
        );
        if peer.metres != ours.metres {
            eprintln!("lengths differ: {} {} m, ours {} m", peer.library, peer.metres, ours.metres);
            result = ExitCode::FAILURE;
        }
    }
    result
}
