//! Figures of the control plane: `cargo bench -p benches --bench control [-- ROW]`.
//!
//! Rows: `setup`, `sustained`, `telemetry`, `step`. Agents and emulated modules are the real ones, and the
//! modules take no time; they run on threads of their own, the whole control plane (store, LinkDB, slice manager,
//! controller, outbox) on one. `setup` and `step` run over a bus in memory with a durable redb store, and over Kafka: the
//! broker that `IPOWDM_BOOTSTRAP` names, else the development broker. There is no peer to compare with in the same run: no
//! other open controller reads back what it commands.
#![expect(clippy::unwrap_used, reason = "a benchmark that cannot run has no result")]

mod sustained;

use benches::control::{ingest, setup, step};
use benches::{is_selected, machine};

/// As `ipowdm-ctl` has it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Set-ups measured.
const SETUPS: usize = 500;

/// Words for the lab: the bus in memory, or Kafka.
fn buses() -> Vec<(&'static str, Vec<String>)> {
    let kafka = match std::env::var("IPOWDM_BOOTSTRAP") {
        Ok(bootstrap) => ("Kafka", vec!["--bootstrap".to_owned(), bootstrap]),
        Err(_) => ("development broker", Vec::new()),
    };
    vec![("memory bus", vec!["--memory-bus".to_owned()]), kafka]
}

fn setups(bus: &str, words: &[&str]) {
    let setup::Setups { control_ms, module_ms, total_us } = setup::measure(words, SETUPS);
    println!(
        "setup bus=\"{bus}\" store=redb n={} control_plane_ms p50={} p99={} max={} module_ms p50={} \
         create_and_setup_us p50={} p99={}",
        control_ms.count,
        control_ms.p50,
        control_ms.p99,
        control_ms.max,
        module_ms.p50,
        total_us.p50,
        total_us.p99,
    );
}

fn steps(bus: &str, words: &[&str]) {
    let step::Steps { connections, decided_us, published_us } = step::measure(words);
    println!(
        "step bus=\"{bus}\" store=redb connections={connections} n={} decided_us p50={} p99={} published_us p50={} p99={} max={}",
        published_us.count,
        decided_us.p50.unwrap_or(0),
        decided_us.p99.unwrap_or(0),
        published_us.p50.unwrap_or(0),
        published_us.p99.unwrap_or(0),
        published_us.max.unwrap_or(0),
    );
}

fn telemetry() {
    let found = ingest::measure(&["--memory-bus"]);
    println!(
        "telemetry samples={} judged={} bytes_each={:.0} unknown={} per_s={:.0} per_core_second={:.0}",
        found.samples,
        found.judged,
        found.bytes_each,
        found.unknown,
        found.per_second(),
        found.per_core_second(),
    );
}

fn main() {
    println!("machine {}", machine());
    for (bus, words) in buses() {
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        if is_selected("setup") {
            setups(bus, &words);
        }
        if is_selected("step") {
            steps(bus, &words);
        }
    }
    if is_selected("sustained") {
        sustained::run();
    }
    if is_selected("telemetry") {
        telemetry();
    }
}
