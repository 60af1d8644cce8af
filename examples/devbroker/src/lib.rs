//! In-process Kafka-protocol broker for laboratories and tests.
//!
//! A [`Broker`] listens on a TCP port of this process and speaks the Kafka protocol well enough for rskafka,
//! librdkafka (kcat, confluent-kafka) and kafka-python: topics with configurations that can be changed, produce, fetch with long poll,
//! offsets, record deletion, consumer groups, idempotent producers. It keeps everything in memory, and in files
//! [if told to](Options::with_folder), has one node, and knows no authentication, transactions or compaction. Production is Apache Kafka.
//!
//! What it adds for tests: it starts in well under a millisecond on a port of its own, can be crashed and started
//! again [with](Options::with_log) or without its log, and can be [told](Faults) to misbehave.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use ipowdm_devbroker::{Api, Broker, Effect, Fault, Options, When};
//!
//! let broker = Broker::start(Options::default()).await?;
//! println!("bootstrap.servers={}", broker.bootstrap());
//!
//! // The next produce request takes effect, but its answer is lost.
//! broker.faults().inject(Fault::on(Api::Produce, Effect::Disconnect(When::After)).times(1));
//!
//! // Crash, and come back on the same port with what was written.
//! let port = broker.addr().port();
//! let log = broker.crash().await;
//! let broker = Broker::start(Options::default().port(port).with_log(log)).await?;
//! # drop(broker); Ok(()) }
//! ```
//!
//! # Guarantees
//!
//! * No frame makes it panic or reserve memory out of proportion to the frame: lengths are checked before decoding.
//! * Everything is bounded by [`Limits`]; what is dropped or refused is counted in [`Stats`].
//! * A request takes effect wholly or not at all, also when the broker is crashed meanwhile.

mod api;
mod batch;
mod clock;
mod config;
mod coordinator;
mod disk;
mod engine;
mod faults;
mod handlers;
mod log;
mod options;
mod producers;
#[cfg(test)]
mod samples;
mod server;
mod shape;
mod stats;
mod topics;
mod wire;

pub use api::Api;
pub use engine::SavedLog;
pub use faults::{Effect, Fault, FaultId, Faults, When};
/// The error codes of the Kafka protocol, for [`Effect::Error`].
pub use kafka_protocol::ResponseError;
pub use log::Dropped;
pub use options::{Limits, Options};
pub use server::{Broker, StartError};
pub use stats::Stats;
