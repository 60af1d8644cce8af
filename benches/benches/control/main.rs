//! Figures of the control plane: `cargo bench -p benches --bench control [-- ROW]`.
//!
//! Rows: `setup`, `sustained`, `telemetry`, `step`. Agents and emulated modules are the real ones, and the
//! modules take no time; they run on threads of their own, the whole control plane (store, LinkDB, slice manager,
//! controller, outbox) on one. `setup` and `step` run over a bus in memory with a durable redb store, and over Kafka: the
//! broker that `IPOWDM_BOOTSTRAP` names, else the development broker. There is no peer to compare with in the same run: no
//! other open controller reads back what it commands.
#![expect(clippy::unwrap_used, reason = "a benchmark that cannot run has no result")]

mod setup;
mod step;
mod sustained;
mod telemetry;

use benches::{is_selected, machine};

/// As `ipowdm-ctl` has it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Words for the lab: the bus in memory, or Kafka.
fn buses() -> Vec<(&'static str, Vec<String>)> {
    let kafka = match std::env::var("IPOWDM_BOOTSTRAP") {
        Ok(bootstrap) => ("Kafka", vec!["--bootstrap".to_owned(), bootstrap]),
        Err(_) => ("development broker", Vec::new()),
    };
    vec![("memory bus", vec!["--memory-bus".to_owned()]), kafka]
}

fn main() {
    println!("machine {}", machine());
    for (bus, words) in buses() {
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        if is_selected("setup") {
            setup::run(bus, &words);
        }
        if is_selected("step") {
            step::run(bus, &words);
        }
    }
    if is_selected("sustained") {
        sustained::run();
    }
    if is_selected("telemetry") {
        telemetry::run();
    }
}
