//! `plan simulate`: the blocking of a network under random traffic.
//!
//! **Workload.** Requests arrive as a Poisson process whose rate is the load in erlang and hold for an exponential time of mean 1.
//! Source and destination are uniform over ordered pairs of nodes, the size over the sizes given. A request takes the first of its K
//! shortest paths (by length, then hops, then node sequence; t → s is s → t reversed) on which the policy finds room, or is blocked
//! and gone. The first 20 × load requests fill the network and are not counted.
//!
//! **Fibres.** Directed: each link is two independent fibres, a request uses those of its direction. Shared: each link is one set of
//! slots for both directions.
//!
//! **Seeds.** Each run has a generator of its own, xoshiro256++ from a hashed seed, since small seeds next to each other are weakly
//! spaced. What is quoted is the mean over the runs with the half width of its 95 % interval, by Student's t; of a single run, over 20
//! batches of it.

mod error;
mod events;
mod network;
mod options;
mod report;
mod run;
#[cfg(test)]
mod tests;

pub use error::SimulateError;
pub use options::{Options, Workload};
pub use report::Report;

use crate::plan::progress::Progress;
use network::Network;
use run::{BATCHES, Run, Tally};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};

/// The answer as text: a table, or one JSON object.
///
/// # Errors
/// [`SimulateError`] for input that is no workload on that network.
pub fn answer(options: &Options) -> Result<String, SimulateError> {
    let workload = Workload::try_from(options)?;
    let report = report(options)?;
    Ok(if options.json { report.json() } else { report.table(&options.topology, &workload) })
}

/// The figures.
///
/// # Errors
/// As [`answer`].
pub fn report(options: &Options) -> Result<Report, SimulateError> {
    let workload = Workload::try_from(options)?;
    let network = Network::read(&options.topology, options.paths.as_deref(), &workload)?;
    simulate(&network, &workload, options.threads)
}

/// Runs the workload once per seed, on so many threads.
fn simulate(network: &Network, workload: &Workload, threads: u32) -> Result<Report, SimulateError> {
    let progress = Progress::over(u64::from(workload.seeds) * u64::from(BATCHES));
    let next = AtomicU32::new(0);
    let tallies = Mutex::new(Vec::new());
    let work = || loop {
        let seed = next.fetch_add(1, Ordering::Relaxed);
        if seed >= workload.seeds {
            return;
        }
        let tally = Run::new(network, workload, seed).and_then(|run| run.play(&progress));
        tallies.lock().unwrap_or_else(PoisonError::into_inner).push((seed, tally));
    };
    if threads <= 1 {
        work();
    } else {
        std::thread::scope(|scope| {
            for _ in 0..threads.min(workload.seeds) {
                scope.spawn(work);
            }
        });
    }
    let mut tallies = tallies.into_inner().unwrap_or_else(PoisonError::into_inner);
    tallies.sort_by_key(|(seed, _)| *seed);
    let tallies: Vec<Tally> = tallies.into_iter().map(|(_, tally)| tally).collect::<Result<_, _>>()?;
    Ok(Report::of(workload, &tallies))
}
