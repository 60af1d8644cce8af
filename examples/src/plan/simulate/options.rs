//! What is to be simulated.

use super::SimulateError;
use clap::Args;
use ipowdm_core::slots::{MAX_BITS, Policy};
use ipowdm_ctl_lib::plane::Fibres;
use std::path::PathBuf;

/// Most candidate paths of a pair.
const MAX_K: u32 = 64;
/// Most sizes.
const MAX_SIZES: usize = 64;
/// Greatest load in erlang: so many requests are under way at a time.
const MAX_LOAD: f64 = 1e6;
/// Most runs.
const MAX_SEEDS: u32 = 10_000;

/// Options of `plan simulate`.
#[derive(Debug, Clone, Args)]
pub struct Options {
    /// The network, a file of schema linkdb-topology/1.
    #[arg(long, value_name = "FILE")]
    pub topology: PathBuf,
    /// Candidate paths from a file of schema ksp/1, instead of computing them.
    #[arg(long, value_name = "FILE")]
    pub paths: Option<PathBuf>,
    /// Slots of a fibre.
    #[arg(long, default_value_t = 320)]
    pub slots: u32,
    /// Candidate paths of each pair.
    #[arg(short, long, default_value_t = 5)]
    pub k: u32,
    /// Sizes of requests in slots, equally likely.
    #[arg(long, value_delimiter = ',', default_value = "1,4,8,32")]
    pub sizes: Vec<u32>,
    /// Offered load in erlang, over the whole network.
    #[arg(long, default_value_t = 200.0)]
    pub load: f64,
    /// Requests counted in each run, after those that fill the network.
    #[arg(long, default_value_t = 1_000_000)]
    pub requests: u64,
    /// Number of runs.
    #[arg(long, default_value_t = 5)]
    pub seeds: u32,
    /// Seed of all runs: the same one gives the same runs.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Each link is two fibres, one per direction (the default).
    #[arg(long, conflicts_with = "shared")]
    pub directed: bool,
    /// Each link is one set of slots for both directions.
    #[arg(long)]
    pub shared: bool,
    /// first-fit, exact-fit, last-fit, random-fit or least-fragmenting.
    #[arg(long, default_value_t = Policy::FirstFit)]
    pub policy: Policy,
    /// Guard band between neighbours, in slots.
    #[arg(long, default_value_t = 0)]
    pub guard: u16,
    /// Threads that share the runs.
    #[arg(long, default_value_t = 1)]
    pub threads: u32,
    /// Print one JSON object instead of a table.
    #[arg(long)]
    pub json: bool,
}

impl Options {
    /// The defaults, on a network.
    #[must_use]
    pub fn of(topology: PathBuf) -> Self {
        Self {
            topology,
            paths: None,
            slots: 320,
            k: 5,
            sizes: vec![1, 4, 8, 32],
            load: 200.0,
            requests: 1_000_000,
            seeds: 5,
            seed: 1,
            directed: true,
            shared: false,
            policy: Policy::FirstFit,
            guard: 0,
            threads: 1,
            json: false,
        }
    }
}

/// A workload that makes sense.
#[derive(Debug, Clone)]
pub struct Workload {
    pub(super) slots: u16,
    pub(super) k: usize,
    pub(super) sizes: Vec<u16>,
    pub(super) load: f64,
    pub(super) requests: u64,
    pub(super) seeds: u32,
    pub(super) seed: u64,
    pub(super) fibres: Fibres,
    pub(super) policy: Policy,
    pub(super) guard: u16,
}

fn refused<T>(option: &'static str, reason: String) -> Result<T, SimulateError> {
    Err(SimulateError::Option { option, reason })
}

impl TryFrom<&Options> for Workload {
    type Error = SimulateError;

    fn try_from(options: &Options) -> Result<Self, SimulateError> {
        let slots = match u16::try_from(options.slots) {
            Ok(slots @ 1..=MAX_BITS) => slots,
            _ => return refused("slots", format!("{} is not in 1..={MAX_BITS}", options.slots)),
        };
        if options.k == 0 || options.k > MAX_K {
            return refused("k", format!("{} is not in 1..={MAX_K}", options.k));
        }
        if options.sizes.is_empty() || options.sizes.len() > MAX_SIZES {
            return refused("sizes", format!("{} sizes are not 1..={MAX_SIZES}", options.sizes.len()));
        }
        let size = |&size: &u32| match u16::try_from(size) {
            Ok(size) if (1..=slots).contains(&size) => Ok(size),
            _ => refused("sizes", format!("{size} is not in 1..={slots}, the slots of a fibre")),
        };
        if !options.load.is_finite() || options.load <= 0.0 || options.load > MAX_LOAD {
            return refused("load", format!("{} is not above 0 and at most {MAX_LOAD} erlang", options.load));
        }
        if options.requests == 0 {
            return refused("requests", "0 requests say nothing".to_owned());
        }
        if options.seeds == 0 || options.seeds > MAX_SEEDS {
            return refused("seeds", format!("{} is not in 1..={MAX_SEEDS}", options.seeds));
        }
        if options.threads == 0 {
            return refused("threads", "0 threads do nothing".to_owned());
        }
        Ok(Self {
            slots,
            k: usize::try_from(options.k).unwrap_or(usize::MAX),
            sizes: options.sizes.iter().map(size).collect::<Result<_, _>>()?,
            load: options.load,
            requests: options.requests,
            seeds: options.seeds,
            seed: options.seed,
            fibres: if options.shared { Fibres::Shared } else { Fibres::Directed },
            policy: options.policy,
            guard: options.guard,
        })
    }
}

impl Workload {
    /// Requests before the first that counts: 20 × load.
    pub(super) fn warm_up(&self) -> u64 {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a load is above 0 and at most a million"
        )]
        let requests = (20.0 * self.load).ceil() as u64;
        requests
    }
}
