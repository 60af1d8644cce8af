//! How a lab ends as a process: by signals, in order, leaving nothing behind.
#![expect(clippy::unwrap_used, reason = "tests state what they expect")]

use ipowdm_examples::lab::options::Options;
use ipowdm_examples::lab::play;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};

/// Where the process that is the lab finds its broker; it has one of its own where this is empty.
const BOOTSTRAP: &str = "IPOWDM_TEST_BOOTSTRAP";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "it is the lab that the other tests here start as a process of its own"]
async fn the_lab_itself() {
    let bootstrap = std::env::var(BOOTSTRAP).ok().filter(|bootstrap| !bootstrap.is_empty());
    let passed = play::play(&Options { bootstrap, ..Options::for_tests() }).await;
    std::process::exit(match passed {
        Ok(true) => 0,
        Ok(false) => 1,
        Err(_) => 2,
    });
}

/// A lab in a process of its own, with a folder for temporary files.
fn start(folder: &Path, bootstrap: &str) -> (Child, BufReader<ChildStdout>) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "the_lab_itself", "--ignored", "--nocapture"])
        .env("TMPDIR", folder)
        .env(BOOTSTRAP, bootstrap)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap());
    (child, lines)
}

/// Reads on until a line contains `text`.
fn read_until(lines: &mut BufReader<ChildStdout>, text: &str) {
    let mut line = String::new();
    while !line.contains(text) {
        line.clear();
        assert_ne!(lines.read_line(&mut line).unwrap(), 0, "the lab has ended before it said {text:?}");
    }
}

fn tell(child: &Child, signal: Signal) {
    kill(Pid::from_raw(i32::try_from(child.id()).unwrap()), signal).unwrap();
}

/// Names in the folder.
fn left(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

/// Has a lab that stays up end by a signal.
fn ends_in_order(signal: Signal) {
    let folder = tempfile::tempdir().unwrap();
    let (mut child, mut lines) = start(folder.path(), "");
    read_until(&mut lines, "The lab stays up");
    assert_eq!(left(folder.path()).len(), 1, "the journals' folder");
    tell(&child, signal);
    read_until(&mut lines, signal.as_str());
    std::io::copy(&mut lines, &mut std::io::sink()).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0), "all cases had passed");
    assert_eq!(left(folder.path()), [""; 0]);
}

#[test]
fn sigterm_stops_everything_and_removes_the_journals() {
    ends_in_order(Signal::SIGTERM);
}

#[test]
fn sigint_stops_everything_and_removes_the_journals() {
    ends_in_order(Signal::SIGINT);
}

#[test]
fn a_lab_that_waits_for_its_broker_ends_at_once_and_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    // A privileged port that nobody listens on.
    let (mut child, mut lines) = start(folder.path(), "127.0.0.1:1");
    read_until(&mut lines, "waiting for");
    tell(&child, Signal::SIGTERM);
    std::io::copy(&mut lines, &mut std::io::sink()).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(2), "it was not done");
    assert_eq!(left(folder.path()), [""; 0]);
}

#[test]
fn what_a_killed_lab_leaves_does_not_trouble_the_next_one() {
    let folder = tempfile::tempdir().unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let broker =
        runtime.block_on(ipowdm_devbroker::Broker::start(ipowdm_devbroker::Options::default())).unwrap();
    for life in 1..=2 {
        let (mut child, mut lines) = start(folder.path(), &broker.bootstrap());
        read_until(&mut lines, "lab: all cases passed");
        read_until(&mut lines, "The lab stays up");
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(left(folder.path()).len(), life, "each has a folder of its own");
    }
}
