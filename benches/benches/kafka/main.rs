//! What the bus costs and how fast it is: in memory, over the development broker, over Apache Kafka of one node and of three, beside
//! librdkafka doing the same work in the same run: `cargo bench -p benches --bench kafka --features librdkafka`.
//!
//! Apache Kafka is started and stopped by scripts/kafka-up.sh and kafka-down.sh, unless `--bootstrap` names one that runs. It shares
//! the machine's cores with everything else here. Clients take turns, round by round, so that what else the machine does meets all
//! of them. Each line of the table says what is owed, if anything, and what was seen; what cannot be measured says why.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a benchmark that cannot run has no result")]

mod client;
mod field;
mod hosted;
#[cfg(feature = "librdkafka")]
mod librdkafka;
mod many;
mod place;
mod plane;
mod samples;
mod steady;
mod switch;
mod table;
mod throughput;

use clap::Parser;
use place::{Kind, Place};
use std::path::PathBuf;
use table::Row;
use tokio::runtime::{Builder, Runtime};

/// As `ipowdm-ctl` has it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// What is measured, and how long.
#[derive(Debug, Clone, Parser)]
pub(crate) struct Extent {
    /// Rows to measure: agent, single, telemetry, throughput, setup, step, ingest, many; all without this.
    #[arg(long, value_name = "ROW", value_delimiter = ',')]
    only: Vec<String>,
    /// Buses to measure: memory, dev, kafka-1, kafka-3; all without this.
    #[arg(long, value_name = "BUS", value_delimiter = ',')]
    bus: Vec<String>,
    /// Seconds that each client is measured in a row about latency.
    #[arg(long, default_value_t = 6)]
    seconds: u64,
    /// The agent's program; otherwise what scripts/build-static.sh x86_64 has left.
    #[arg(long, value_name = "FILE")]
    agent: Option<PathBuf>,
    /// Runs the control plane of the row `many` at that broker.
    #[arg(long, hide = true)]
    control_plane_at: Option<String>,
    /// A Kafka that runs, in place of the ones that are started here: of one node, or of several separated by commas.
    #[arg(long, value_name = "HOST:PORT")]
    bootstrap: Option<String>,
    /// Passed by cargo bench.
    #[arg(long, hide = true)]
    bench: bool,
}

impl Extent {
    /// The Kafka of so many nodes that was named.
    fn given(&self, nodes: u16) -> Option<String> {
        let named = self.bootstrap.as_ref()?;
        (named.contains(',') == (nodes > 1)).then(|| named.clone())
    }

    fn wants(&self, row: &str, kind: Kind) -> bool {
        let here = !LONG.contains(&row) || kind == Kind::Kafka(1) || !self.bus.is_empty();
        here && (self.only.is_empty() || self.only.iter().any(|only| only == row))
    }

    fn kinds(&self) -> impl Iterator<Item = Kind> {
        let wanted = |kind: &Kind| self.bus.is_empty() || self.bus.iter().any(|bus| bus == kind.name());
        // Beside one that was named, none is started.
        let named = |kind: &Kind| match kind {
            Kind::Kafka(nodes) => self.bootstrap.is_none() || self.given(*nodes).is_some(),
            _ => true,
        };
        Kind::ALL.into_iter().filter(wanted).filter(named)
    }
}

/// What all rows share.
pub(crate) struct Session {
    pub(crate) extent: Extent,
    pub(crate) runtime: Runtime,
}

type Part = fn(&Session, &Place) -> Vec<Row>;

/// Rows that take long, and are measured over one bus unless others are named.
const LONG: [&str; 2] = ["agent", "many"];

/// The rows, in order.
const PARTS: [(&str, Part); 8] = [
    // First, on a broker that no agent has told anything yet.
    ("agent", switch::run),
    ("single", steady::single),
    ("telemetry", steady::telemetry),
    ("throughput", throughput::run),
    ("setup", plane::setup),
    ("step", plane::step),
    ("ingest", plane::ingest),
    ("many", many::run),
];

fn main() {
    let extent = Extent::parse();
    if let Some(bootstrap) = &extent.control_plane_at {
        return hosted::run(bootstrap);
    }
    let runtime = Builder::new_multi_thread().enable_all().build().unwrap();
    let session = Session { extent, runtime };
    println!("machine {}", benches::machine());
    table::print_head();
    let mut missed = 0;
    for kind in session.extent.kinds() {
        let place = match Place::open(kind, &session.extent, &session.runtime) {
            Ok(place) => place,
            Err(why) => {
                Row::left_out(kind.name(), "all", "", &why).print();
                continue;
            }
        };
        for (_, part) in PARTS.iter().filter(|(name, _)| session.extent.wants(name, kind)) {
            for row in part(&session, &place) {
                row.print();
                missed += u32::from(row.is_missed());
            }
        }
    }
    if missed > 0 {
        println!("not everything that is owed was seen: {missed} lines");
    }
}
