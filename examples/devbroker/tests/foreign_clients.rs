//! The broker as clients that this project did not write see it; the same checks run against Apache Kafka.
#![allow(clippy::unwrap_used, reason = "an expectation that fails is a failed test")]

use std::path::Path;
use std::process::Command;

use ipowdm_devbroker::{Broker, Options};

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
