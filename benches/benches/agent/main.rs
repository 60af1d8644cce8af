//! What the agent costs on a switch, and how fast it is, measured on its program in a process of its own:
//! `cargo bench -p benches --bench agent -- --agent FILE`.
//!
//! Modules are emulated in this process and behind sockets, so that what they cost is not the agent's; the broker is the
//! development broker. Each line of the table says what is owed and what was seen.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a benchmark that cannot run has no result")]

mod figures;

use clap::Parser;
use ipowdm_examples::switch::AgentProgram;
use std::path::PathBuf;

/// How long each part takes.
#[derive(Debug, Clone, Parser)]
pub(crate) struct Extent {
    /// The agent's program; otherwise what scripts/build-static.sh x86_64 has left.
    #[arg(long, value_name = "FILE")]
    agent: Option<PathBuf>,
    /// Figures to measure: size, load, growth, start, latency, outage; all without this.
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    only: Vec<String>,
    /// Seconds over which memory and processor time are watched at the usual rate.
    #[arg(long, default_value_t = 60)]
    load_seconds: u64,
    /// Seconds over which memory is watched at a hundred times the rate.
    #[arg(long, default_value_t = 120)]
    growth_seconds: u64,
    /// Starts.
    #[arg(long, default_value_t = 5)]
    starts: u32,
    /// Commands whose latency is measured.
    #[arg(long, default_value_t = 200)]
    commands: u32,
    /// Seconds without a broker.
    #[arg(long, default_value_t = 60)]
    outage_seconds: u64,
    /// Passed by cargo bench.
    #[arg(long, hide = true)]
    bench: bool,
}

#[tokio::main]
async fn main() {
    let extent = Extent::parse();
    let named = extent.agent.as_deref().map(AgentProgram::at);
    let program = named.or_else(AgentProgram::built_statically);
    let program = program.unwrap_or_else(|| panic!("no agent: scripts/build-static.sh x86_64 builds one"));
    println!("machine {}", benches::machine());
    let measured = tokio::task::spawn_blocking(move || figures::all(&program, &extent)).await.unwrap();
    if measured.iter().any(|row| !row.holds) {
        println!("not everything that is owed was seen");
    }
}
