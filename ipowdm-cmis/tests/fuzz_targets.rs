//! The fuzz targets of `fuzz/` on stable: over their corpora, over mutations of these, and over random inputs.
//!
//! The random inputs are the same in every run, so that a run that fails fails again; `IPOWDM_FUZZ_RANDOM` draws others.
//! `IPOWDM_FUZZ_CASES` sets their number for each target; the run prints targets and cases.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a target ends where the driver is wrong, and a corpus that cannot be read fails the run"
)]

#[path = "../fuzz/src/lib.rs"]
#[expect(dead_code, unreachable_pub, reason = "a library for libFuzzer, a part of the test here")]
mod fuzz;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use std::path::PathBuf;
use std::{env, fs};

/// Random inputs for each target where nothing else is asked for.
const CASES: u32 = 128;
/// Most bytes of a random input.
const LONGEST: usize = 1024;

/// The corpus of a target, in order of the files' names.
fn corpus(target: &str) -> Vec<Vec<u8>> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
    let mut files: Vec<_> = fs::read_dir(&folder)
        .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    files.iter().map(|file| fs::read(file).unwrap()).collect()
}

fn cases() -> u32 {
    env::var("IPOWDM_FUZZ_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(CASES)
}

fn new_runner() -> TestRunner {
    let config = Config { cases: cases(), failure_persistence: None, ..Config::default() };
    match env::var_os("IPOWDM_FUZZ_RANDOM") {
        Some(_) => TestRunner::new(config),
        None => TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha)),
    }
}

/// Some bytes of a seed replaced.
fn mutated(seed: &[u8], changes: &[(usize, u8)]) -> Vec<u8> {
    let mut bytes = seed.to_vec();
    for (place, value) in changes {
        let len = bytes.len().max(1);
        if let Some(byte) = bytes.get_mut(place % len) {
            *byte = *value;
        }
    }
    bytes
}

#[test]
fn every_target_survives_its_corpus_and_random_inputs() {
    let mut total = 0_u64;
    for (name, target) in fuzz::TARGETS {
        let seeds = corpus(name);
        assert!(!seeds.is_empty(), "{name} has no corpus");
        for seed in &seeds {
            target(seed);
        }
        let mut runner = new_runner();
        runner
            .run(&vec(any::<u8>(), 0..LONGEST), |input| {
                target(&input);
                Ok(())
            })
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        let changes = vec((any::<usize>(), any::<u8>()), 1..16);
        let mut runner = new_runner();
        runner
            .run(&(0..seeds.len(), changes), |(seed, changes)| {
                target(&mutated(&seeds[seed], &changes));
                Ok(())
            })
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        total += seeds.len() as u64 + 2 * u64::from(cases());
    }
    println!("fuzz: {} targets, {total} cases", fuzz::TARGETS.len());
}
