//! Runs the development broker by itself until interrupted, so that other clients can be tried on it.
//!
//! `cargo run -p ipowdm-devbroker --example devbroker -- --port 9092`

use clap::Parser;
use ipowdm_devbroker::{Broker, Options};
use std::path::PathBuf;

/// In-process Kafka-protocol broker for laboratories and tests; production is Apache Kafka.
#[derive(Debug, Parser)]
struct Arguments {
    /// Port on 127.0.0.1; 0 takes a free one.
    #[arg(long, default_value_t = 0)]
    port: u16,
    /// Create a topic when a client asks for its metadata.
    #[arg(long)]
    auto_create: bool,
    /// Partitions of a topic created without a number.
    #[arg(long, default_value_t = 1)]
    partitions: u16,
    /// Keep everything in files of this folder, and start with what they hold.
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments = Arguments::parse();
    let mut options = Options::default()
        .port(arguments.port)
        .auto_create(arguments.auto_create)
        .default_partitions(arguments.partitions);
    if let Some(folder) = arguments.data {
        options = options.with_folder(folder);
    }
    let broker = Broker::start(options).await?;
    println!("{}", broker.bootstrap());
    tokio::signal::ctrl_c().await?;
    eprintln!("{:#?}", broker.stats());
    Ok(())
}
