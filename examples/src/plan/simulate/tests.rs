//! The simulator against what is known: a formula, published figures, and itself.

use super::events::Departures;
use super::*;
use clap::Parser;
use rand::rngs::Xoshiro256PlusPlus;
use rand::{RngExt, SeedableRng};
use std::path::{Path, PathBuf};

/// NSFNET with 22 links as (node, node, km), the one of DeepRMSA and optical-rl-gym.
const NSFNET: &[(u32, u32, u32)] = &[
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

const TRIANGLE: &[(u32, u32, u32)] = &[(0, 1, 10), (1, 2, 10), (0, 2, 30)];

#[derive(Parser)]
struct Line {
    #[command(flatten)]
    options: Options,
}

/// A folder with the files of a test.
struct Files(tempfile::TempDir);

impl Files {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    }

    fn topology(&self, links: &[(u32, u32, u32)]) -> PathBuf {
        let nodes = links.iter().map(|(a, b, _)| *a.max(b)).max().unwrap();
        let nodes: Vec<_> = (0..=nodes).map(|id| serde_json::json!({"id": id})).collect();
        let link = |(id, (a, b, km)): (usize, &(u32, u32, u32))| serde_json::json!({"id": id, "a": a, "b": b, "length_km": km});
        let links: Vec<_> = links.iter().enumerate().map(link).collect();
        let document = serde_json::json!({"schema": "linkdb-topology/1", "nodes": nodes, "links": links});
        self.write("topology.json", &document.to_string())
    }
}

/// The options of a command line.
fn options(topology: &Path, line: &str) -> Options {
    let topology = topology.to_str().unwrap();
    let words = ["simulate", "--topology", topology].into_iter().chain(line.split_whitespace());
    Line::try_parse_from(words).unwrap().options
}

fn figures(links: &[(u32, u32, u32)], line: &str) -> Report {
    let files = Files::new();
    let options = options(&files.topology(links), line);
    let workload = Workload::try_from(&options).unwrap();
    let network = Network::read(&options.topology, None, &workload).unwrap();
    simulate(&network, &workload, options.threads).unwrap()
}

fn refusal(links: &[(u32, u32, u32)], line: &str) -> String {
    let files = Files::new();
    answer(&options(&files.topology(links), line)).unwrap_err().to_string()
}

/// Erlang's formula B: blocking of `servers` under `load` erlang.
fn erlang_b(servers: u32, load: f64) -> f64 {
    (1..=servers).fold(1.0, |blocking, n| load * blocking / (f64::from(n) + load * blocking))
}

fn is_near(value: f64, expected: f64, tolerance: f64) -> bool {
    (value / expected - 1.0).abs() <= tolerance
}

#[test]
fn one_link_of_equal_requests_blocks_as_erlang_says() {
    let line = [(0, 1, 1)];
    // Each direction of a directed link carries half of the load; a shared one carries all.
    let directed = figures(&line, "--slots 10 --sizes 1 --load 16 --requests 60000 --seeds 4");
    assert!(is_near(directed.blocking, erlang_b(10, 8.0), 0.03), "{directed:?}");
    let shared = figures(&line, "--slots 10 --sizes 1 --load 16 --requests 60000 --seeds 4 --shared");
    assert!(is_near(shared.blocking, erlang_b(10, 16.0), 0.03), "{shared:?}");
    // Whole channels of the size: slots that a request cannot use change nothing.
    let wide = figures(&line, "--slots 43 --sizes 4 --load 16 --requests 60000 --seeds 4 --shared");
    assert!(is_near(wide.blocking, erlang_b(10, 16.0), 0.03), "{wide:?}");
    assert_eq!(wide.requests, 240_000);
    assert!(is_near(wide.slot_weighted_blocking, wide.blocking, 1e-9));
}

/// Blocking of NSFNET, K = 5, directed, 320 slots, sizes 1, 4, 8, 32, by six independent runs of a million requests of another program:
/// 150 E (5.31 ± 0.06) · 10⁻³, 250 E (4.463 ± 0.026) · 10⁻².
#[test]
fn nsfnet_blocks_as_published() {
    let whole = std::env::var_os("IPOWDM_SWEEPS").is_some_and(|value| value == "full");
    let (requests, tolerance) = if whole { (1_000_000, [0.03, 0.03]) } else { (20_000, [0.25, 0.08]) };
    for ((load, published), tolerance) in [(150, 5.31e-3), (250, 4.463e-2)].into_iter().zip(tolerance) {
        let found = figures(NSFNET, &format!("--load {load} --requests {requests} --seeds 6"));
        println!("{load} E, 6 runs of {requests}: {:.4e} ± {:.1e}", found.blocking, found.blocking_ci95);
        assert!(is_near(found.blocking, published, tolerance), "{load} E: {found:?}");
    }
}

#[test]
fn every_policy_and_guard_bands_run_on_shared_fibres() {
    for policy in ipowdm_core::slots::Policy::ALL {
        let line = format!("--slots 64 --load 12 --requests 3000 --seeds 2 --shared --policy {policy}");
        let found = figures(TRIANGLE, &line);
        assert!(found.blocking > 0.05 && found.blocking < 0.5, "{policy}: {found:?}");
        let guarded = figures(TRIANGLE, &format!("{line} --guard 2"));
        assert!(guarded.blocking > found.blocking, "{policy}: {guarded:?}, without guard bands {found:?}");
    }
}

#[test]
fn a_seed_gives_the_same_figures_on_any_number_of_threads() {
    let line = "--load 30 --slots 64 --requests 2000 --seeds 3";
    let (one, two) = (figures(NSFNET, line), figures(NSFNET, &format!("{line} --threads 2")));
    let counted = |report: &Report| Report { requests_per_s: 0.0, ..report.clone() };
    assert_eq!(counted(&one), counted(&two));
    assert_ne!(counted(&one), counted(&figures(NSFNET, &format!("{line} --seed 2"))));
}

#[test]
fn paths_of_a_file_are_taken_in_its_order_and_reversed_where_one_way_is_listed() {
    let files = Files::new();
    let topology = files.topology(TRIANGLE);
    let run = |paths: &str| {
        let paths = files.write("paths.json", &format!(r#"{{"schema":"ksp/1","K":2,"paths":{{{paths}}}}}"#));
        let line = format!(
            "--k 2 --slots 16 --sizes 1,4 --load 30 --requests 5000 --seeds 2 --paths {}",
            paths.display()
        );
        let options = options(&topology, &line);
        let workload = Workload::try_from(&options).unwrap();
        let network = Network::read(&options.topology, options.paths.as_deref(), &workload)?;
        simulate(&network, &workload, 1).map(|report| report.blocking)
    };
    // As computed: 0-2 goes by 1 first, which is shorter.
    let computed = r#""0-1":[[0,1],[0,2,1]],"0-2":[[0,1,2],[0,2]],"1-2":[[1,2],[1,0,2]]"#;
    let expected =
        figures(TRIANGLE, "--k 2 --slots 16 --sizes 1,4 --load 30 --requests 5000 --seeds 2").blocking;
    assert_eq!(run(computed).unwrap(), expected);
    // The direct way first leaves more room.
    assert!(run(&computed.replace("[0,1,2],[0,2]", "[0,2],[0,1,2]")).unwrap() < expected);
    let refused = |paths: &str| run(paths).unwrap_err().to_string();
    assert!(refused(&computed.replace("[0,1]", "[0,7]")).contains("7 is not a node"));
    assert!(refused(&computed.replace("[1,0,2]", "[1,2,2]")).contains("visits node 2 twice"));
    assert!(refused(&computed.replace("[0,2,1]", "[0,2]")).contains("join different nodes"));
    assert!(refused(&computed.replace("[0,2,1]", "[0]")).contains("fewer than two nodes"));
    assert!(refused(&computed.replace("[1,0,2]", "[1,0,1,2]")).contains("visits node 1 twice"));
    assert!(refused(r#""0-1":[[0,1]]"#).contains("no path leads from node 0 to node 2"));
    assert!(refused(r#""0-1":7"#).contains("paths.json"));
}

#[test]
fn input_that_is_no_workload_is_refused_with_its_reason() {
    for (line, reason) in [
        ("--k 0", "--k: 0 is not in 1..=64"),
        ("--slots 0", "--slots: 0 is not in 1..=2048"),
        ("--slots 2049", "--slots: 2049 is not in"),
        ("--sizes 0", "--sizes: 0 is not in 1..=320"),
        ("--sizes 1,321", "--sizes: 321 is not in 1..=320"),
        ("--load NaN", "--load: NaN is not"),
        ("--load 0", "--load: 0 is not"),
        ("--load=-1", "--load: -1 is not"),
        ("--load inf", "--load: inf is not"),
        ("--requests 0", "--requests: 0"),
        ("--seeds 0", "--seeds: 0"),
        ("--threads 0", "--threads: 0"),
        ("--paths nowhere.json", "nowhere.json: No such file"),
    ] {
        let refused = refusal(TRIANGLE, line);
        assert!(refused.contains(reason), "{line}: {refused}");
    }
    let islands = [(0, 1, 10), (2, 3, 10)];
    assert_eq!(refusal(&islands, "--seeds 1"), "no path leads from node 0 to node 2");
    let files = Files::new();
    let bad = |text: &str| answer(&options(&files.write("bad.json", text), "")).unwrap_err().to_string();
    assert!(bad("{").contains("bad.json: not a topology document"));
    assert!(
        bad(r#"{"schema":"linkdb-topology/1","nodes":[{"id":1}],"links":[]}"#)
            .contains("1 nodes has no pairs")
    );
    let missing = answer(&options(Path::new("nowhere.json"), "")).unwrap_err();
    assert!(matches!(missing, SimulateError::File { .. }), "{missing}");
}

#[test]
fn the_answer_is_a_table_or_one_object_of_finite_numbers() {
    let files = Files::new();
    let topology = files.topology(TRIANGLE);
    let line = "--slots 16 --sizes 1,4 --load 9 --requests 500";
    let json = answer(&options(&topology, &format!("{line} --seeds 1 --json"))).unwrap();
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    let keys: Vec<&str> = json.as_object().unwrap().keys().map(String::as_str).collect();
    let expected =
        ["blocking", "blocking_ci95", "per_size", "requests", "requests_per_s", "slot_weighted_blocking"];
    assert_eq!(keys, expected);
    assert!(json["blocking_ci95"].as_f64().unwrap() > 0.0, "one run has an interval too");
    assert!(json["per_size"]["4"].as_f64().unwrap() > json["per_size"]["1"].as_f64().unwrap());
    assert_eq!(json["requests"], 500);
    let table = answer(&options(&topology, line)).unwrap();
    assert!(table.contains("directed fibres") && table.contains("4 slots"), "{table}");
}

#[test]
fn everything_due_departs_and_nothing_else() {
    let mut random = Xoshiro256PlusPlus::seed_from_u64(1);
    for load in [0.3, 10.0, 300.0] {
        let mut calendar = Departures::paced(load);
        let mut waiting: Vec<(f64, u32)> = Vec::new();
        let (mut now, mut number) = (0.0_f64, 0);
        for _ in 0..20_000 {
            // Now and then nothing happens for longer than the calendar's year.
            now += if random.random_bool(0.001) { 100.0 } else { random.random_range(0.0..2.0 / load) };
            let mut departed = Vec::new();
            calendar
                .until(now, |number| {
                    departed.push(number);
                    Ok::<_, ()>(())
                })
                .unwrap();
            let mut due: Vec<u32> =
                waiting.extract_if(.., |(time, _)| *time <= now).map(|(_, number)| number).collect();
            departed.sort_unstable();
            due.sort_unstable();
            assert_eq!(departed, due, "at {now}");
            let holding = if random.random_bool(0.01) { 50.0 } else { random.random_range(0.0..3.0) };
            calendar.add(now + holding, number);
            waiting.push((now + holding, number));
            number += 1;
        }
    }
}
