//! The lab's command line.

use clap::Parser;
use std::path::PathBuf;

/// The whole system in one process: Kafka-protocol broker, LinkDB, slice manager, a controller per virtual operator and
/// an agent per router with emulated modules over a small fibre network. Plays three study cases, then stays up.
#[derive(Debug, Clone, Parser)]
#[command(name = "lab")]
pub struct Options {
    /// Stop after the cases; the exit code says whether all passed.
    #[arg(long)]
    pub exit: bool,
    /// After the cases, set up a connection on every pair of free ports and watch whether telemetry keeps its rate.
    #[arg(long)]
    pub fill: bool,
    /// Write a JSON report.
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
    /// How much faster than real the modules are; control-plane time is never scaled.
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub scale: u32,
    /// Use a running Kafka instead of the built-in development broker.
    #[arg(long, value_name = "HOST:PORT")]
    pub bootstrap: Option<String>,
    /// Keep what the built-in development broker holds in files of this folder, and start with what they hold.
    #[arg(long, value_name = "DIR", conflicts_with_all = ["bootstrap", "memory_bus"])]
    pub data: Option<PathBuf>,
    /// How to reach the Kafka of --bootstrap where it is secured: a file as Kafka's own tools take it (client.properties).
    /// Everybody in the lab is the user named there.
    #[arg(long, value_name = "FILE", requires = "bootstrap")]
    pub command_config: Option<PathBuf>,
    /// Replicas of each topic.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=3))]
    pub replication: u16,
    /// No broker: agents and controllers meet in this process's memory. Nobody else can listen.
    #[arg(long, conflicts_with = "bootstrap")]
    pub memory_bus: bool,
    /// With --exit, how long to wait for the Kafka of --bootstrap to answer before giving up; without, the lab waits until
    /// it is there. The services are up meanwhile and their health says that the bus is away.
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    pub broker_wait: u32,
    /// LinkDB's port P; the slice manager answers on P+82 and the controllers from P+83 up. 0: any free ports.
    #[arg(long, value_name = "P", default_value_t = 8000)]
    pub port_base: u16,
    /// Points of presence.
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u16).range(2..=500))]
    pub pops: u16,
    /// Routers in each PoP.
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u16).range(1..=64))]
    pub routers: u16,
    /// Ports with a pluggable on each router.
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u16).range(2..=64))]
    pub ports: u16,
    /// Virtual operators.
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u16).range(1..=64))]
    pub vops: u16,
    /// Milliseconds between two telemetry samples of a connection's end.
    #[arg(long, value_name = "MS", default_value_t = 3_000, value_parser = clap::value_parser!(u32).range(100..=3_600_000))]
    pub telemetry_ms: u32,
    /// Log level of the components, as RUST_LOG takes it.
    #[arg(long, value_name = "FILTER", default_value = "warn")]
    pub log: String,
}

impl Options {
    /// The defaults with any free ports, fast modules and telemetry, as tests use them.
    #[must_use]
    pub fn for_tests() -> Self {
        Self { port_base: 0, scale: 200, telemetry_ms: 300, ..Self::parse_from(["lab"]) }
    }
}
