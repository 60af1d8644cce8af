//! The control plane simulated: a real controller over a real store, real agents over emulated modules, a memory bus between
//! them, virtual time, and everything going wrong on purpose. A run follows from its seed alone.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test may stop at what it does not expect, in its own functions too"
)]

#[path = "simulation/chance.rs"]
mod chance;
#[path = "simulation/crashes.rs"]
mod crashes;
#[path = "simulation/faults.rs"]
mod faults;
#[path = "simulation/invariants.rs"]
mod invariants;
#[path = "simulation/life.rs"]
mod life;
#[path = "simulation/schedules.rs"]
mod schedules;
#[path = "simulation/tap.rs"]
mod tap;
#[path = "simulation/world.rs"]
mod world;

use std::sync::Mutex;

/// Runs a simulation on a thread's own runtime, in virtual time.
fn run<T>(simulation: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    runtime.unwrap().block_on(simulation)
}

/// Does the same for many inputs, on as many threads as there are cores; answers in the order of the inputs.
fn threads<I: Send + Copy + Ord, T: Send>(inputs: Vec<I>, work: impl Fn(I) -> T + Sync) -> Vec<(I, T)> {
    let count = std::thread::available_parallelism().map_or(1, usize::from);
    let (left, done) = (Mutex::new(inputs.into_iter()), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..count {
            scope.spawn(|| {
                loop {
                    let next = left.lock().unwrap().next();
                    let Some(input) = next else { return };
                    let result = work(input);
                    done.lock().unwrap().push((input, result));
                }
            });
        }
    });
    let mut done = done.into_inner().unwrap();
    done.sort_by_key(|(input, _)| *input);
    done
}
