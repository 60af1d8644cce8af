//! The persistent mode: what was confirmed is there again, also after a `kill -9` while it was being written.
#![allow(clippy::unwrap_used, reason = "an expectation that fails is a failed test")]

mod common;

use common::{client, fetch, partition, produce, record, topic};
use ipowdm_devbroker::{Broker, Options, StartError};
use rskafka::client::partition::{Compression, OffsetAt, UnknownTopicHandling};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// Set for the process that the last test kills.
const CHILD: &str = "DEVBROKER_TEST_FOLDER";

struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        Folder(std::env::temp_dir().join(format!("devbroker-persistence-{name}-{}", std::process::id())))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn kept(folder: &Path) -> Options {
    Options::default().with_folder(folder)
}

#[tokio::test]
async fn records_and_topics_outlive_the_broker() {
    let folder = Folder::new("outlive");
    let broker = Broker::start(kept(&folder.0)).await.unwrap();
    let refused = Broker::start(kept(&folder.0)).await.unwrap_err();
    assert!(matches!(refused, StartError::Folder { .. }), "{refused}");
    let written = topic(&broker, "t").await;
    produce(&written, &["a", "b"]).await;
    drop(broker);
    let broker = Broker::start(kept(&folder.0)).await.unwrap();
    let again = partition(&client(&broker).await, "t", 0).await;
    assert_eq!(again.get_offset(OffsetAt::Latest).await.unwrap(), 2);
    assert_eq!(produce(&again, &["c"]).await, [2]);
    let read: Vec<String> = fetch(&again, 0).await.into_iter().map(|(_, value)| value).collect();
    assert_eq!(read, ["a", "b", "c"]);
}

/// The broker of the test below, in a process of its own that it kills.
#[tokio::test]
#[ignore = "run by the test below, which kills it"]
async fn child() {
    let Some(folder) = std::env::var_os(CHILD) else { return };
    let broker = Broker::start(kept(Path::new(&folder))).await.unwrap();
    println!("\nlistens {}", broker.bootstrap());
    std::future::pending::<()>().await;
}

fn start(folder: &Path) -> (Child, String) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "child", "--ignored", "--nocapture"])
        .env(CHILD, folder)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let listens = lines.map(Result::unwrap).find_map(|line| Some(line.strip_prefix("listens ")?.to_owned()));
    (child, listens.unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_confirmed_before_a_kill_is_there_and_nothing_twice() {
    let folder = Folder::new("kill");
    let mut confirmed = 0;
    for round in 0..3 {
        let (mut child, bootstrap) = start(&folder.0);
        let clients = rskafka::client::ClientBuilder::new(vec![bootstrap]).build().await.unwrap();
        if round == 0 {
            clients.controller_client().unwrap().create_topic("t", 1, 1, 5_000).await.unwrap();
        }
        let written = clients.partition_client("t", 0, UnknownTopicHandling::Retry).await.unwrap();
        let end = written.get_offset(OffsetAt::Latest).await.unwrap();
        assert!(end >= confirmed, "{end} of {confirmed} confirmed");
        confirmed = end;
        for n in 0..200 {
            let record = record(format!("{round}-{n}"));
            written.produce(vec![record], Compression::NoCompression).await.unwrap();
            confirmed += 1;
        }
        // One that may be confirmed or not.
        let last = tokio::spawn(async move {
            let _ = written.produce(vec![record("last")], Compression::NoCompression).await;
        });
        child.kill().unwrap();
        child.wait().unwrap();
        last.abort();
    }
    let broker = Broker::start(kept(&folder.0)).await.unwrap();
    let clients = client(&broker).await;
    let read = partition(&clients, "t", 0).await;
    let read = fetch(&read, 0).await.into_iter().map(|(_, value)| value);
    let ours: Vec<String> = read.filter(|value| value != "last").collect();
    let wanted: Vec<String> =
        (0..3).flat_map(|round| (0..200).map(move |n| format!("{round}-{n}"))).collect();
    assert_eq!(ours, wanted);
}
