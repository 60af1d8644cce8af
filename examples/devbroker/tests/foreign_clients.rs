//! The broker as clients that this project did not write see it; the same checks run against Apache Kafka.
#![allow(clippy::unwrap_used, reason = "an expectation that fails is a failed test")]

use std::path::Path;
use std::process::Command;

use common::{fetch, topic};
use ipowdm_devbroker::{Api, Broker, Effect, Fault, Options, When};

mod common;

/// The exit code of `scripts/foreign-clients.sh` when a client cannot be had.
const MISSING: i32 = 2;

/// Runs `scripts/foreign-clients.sh` on a broker of its own. The script installs Python packages on its first use, so
/// without `CI` in the environment this waits until someone has called it once.
#[tokio::test(flavor = "multi_thread")]
async fn kcat_kafka_python_and_confluent_kafka_find_nothing_amiss() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let script = root.join("scripts/foreign-clients.sh");
    if std::env::var_os("CI").is_none() && !root.join("build/foreign-clients").is_dir() {
        eprintln!("skipped: call scripts/foreign-clients.sh once to install the clients, or set CI");
        return;
    }
    let broker = Broker::start(Options::default()).await.unwrap();
    let mut command = Command::new(script);
    command.arg(broker.bootstrap());
    let done = tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap();
    let (out, err) = (String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
    if done.status.code() == Some(MISSING) {
        eprintln!("skipped: {err}");
        return;
    }
    assert!(done.status.success(), "{out}\n{err}");
    let passed = out.lines().filter(|line| line.starts_with("ok ")).count();
    assert!(passed >= 30, "only {passed} checks ran:\n{out}");
    let stats = broker.stats();
    assert_eq!((stats.malformed_frames, stats.unencodable_responses), (0, 0), "{:?}", stats.last_unanswered);
}

/// Whether the clients are there, or may be installed.
fn has_clients(root: &Path) -> bool {
    std::env::var_os("CI").is_some() || root.join("build/foreign-clients").is_dir()
}

#[tokio::test(flavor = "multi_thread")]
async fn librdkafkas_idempotent_producer_appends_once_what_it_sends_again_after_lost_answers() {
    const COUNT: usize = 1_000;
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    if !has_clients(&root) {
        eprintln!("skipped: call scripts/foreign-clients.sh once to install the clients, or set CI");
        return;
    }
    let broker = Broker::start(Options::default()).await.unwrap();
    let records = topic(&broker, "numbered").await;
    // Appended and never confirmed, twenty times.
    let lost = broker.faults().inject(Fault::on(Api::Produce, Effect::Disconnect(When::After)).times(20));
    let mut command = Command::new(root.join("scripts/foreign-idempotence.sh"));
    command.args([&broker.bootstrap(), "numbered", &COUNT.to_string()]);
    let done = tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap();
    let (out, err) = (String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
    assert!(done.status.success(), "{out}{err}");
    assert_eq!(broker.faults().clear(lost), 20, "all have struck");
    let mut read = Vec::new();
    while read.len() < COUNT {
        let more = fetch(&records, i64::try_from(read.len()).unwrap()).await;
        assert!(!more.is_empty(), "{} of {COUNT}", read.len());
        read.extend(more);
    }
    let wanted: Vec<(i64, String)> = (0..COUNT).map(|n| (i64::try_from(n).unwrap(), n.to_string())).collect();
    assert_eq!(read, wanted, "each once, in order");
}
