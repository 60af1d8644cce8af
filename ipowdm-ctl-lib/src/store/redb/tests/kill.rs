//! The process is killed at any moment, and everything that it had answered is there afterwards.

use super::disk::Random;
use super::traffic::{audit, build, request, store_on};
use super::{full_sweeps, small};
use crate::linkdb::LinkDb;
use crate::store::RedbBackend;
use core::time::Duration;
use ipowdm_core::ids::ConnectionId;
use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};

const FILE: &str = "IPOWDM_KILL_TEST_FILE";
const ROUND: &str = "IPOWDM_KILL_TEST_ROUND";
const TASKS: u32 = 8;

async fn open(path: &Path) -> LinkDb {
    LinkDb::new(store_on(RedbBackend::open(path, small()).await.unwrap()))
}

/// What the killed process does: allocates and releases until it is killed, and says each answer on a line.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "run by the test below, which kills it"]
async fn child() {
    let path = std::env::var(FILE).unwrap();
    let round: u64 = std::env::var(ROUND).unwrap().parse().unwrap();
    let db = open(Path::new(&path)).await;
    let say = |line: String| {
        let mut out = std::io::stdout().lock();
        // The parent closes its end when it has enough.
        let _ = writeln!(out, "{line}").and_then(|()| out.flush());
    };
    let tasks = (0..TASKS).map(|task| {
        let db = db.clone();
        async move {
            let mut random = Random(round * u64::from(TASKS) + u64::from(task));
            let mut live: Vec<ConnectionId> = Vec::new();
            for number in 0.. {
                let id = format!("{round}-{task}-{number}");
                if db.allocate(request(&id, &mut random)).await.is_ok() {
                    say(format!("granted {id}"));
                    live.push(ConnectionId::new(&id).unwrap());
                }
                if live.len() > 3 {
                    let id = live.swap_remove(random.below(live.len()));
                    say(format!("releasing {id}"));
                    db.release(&id).await.unwrap();
                    say(format!("released {id}"));
                }
            }
        }
    });
    futures_util::future::join_all(tasks.map(tokio::spawn)).await;
}

/// What the lines of a killed process say: the connections that must be there, and those that may.
#[derive(Debug, Default)]
struct Told {
    granted: BTreeSet<String>,
    releasing: BTreeSet<String>,
}

impl Told {
    fn line(&mut self, line: &str) {
        match line.split_once(' ') {
            Some(("granted", id)) => {
                self.granted.insert(id.to_owned());
            }
            Some(("releasing", id)) => {
                self.granted.remove(id);
                self.releasing.insert(id.to_owned());
            }
            Some(("released", id)) => {
                self.releasing.remove(id);
            }
            _ => {}
        }
    }
}

/// Starts the child, kills it after some lines and some time, and answers what it told.
fn run_and_kill(path: &Path, round: u64, random: &mut Random) -> Told {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "--ignored", "--nocapture", "store::redb::tests::kill::child"])
        .env(FILE, path)
        .env(ROUND, round.to_string())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut told = Told::default();
    // Every fourth is killed at some time of its start, the others in full work.
    let enough = if round % 4 == 3 { 0 } else { 1 + random.below(400) };
    for line in lines.by_ref().take(enough) {
        told.line(&line.unwrap());
    }
    std::thread::sleep(Duration::from_micros(random.below(20_000) as u64));
    child.kill().unwrap();
    // What it had said before it was killed is still in the pipe.
    lines.for_each(|line| told.line(&line.unwrap_or_default()));
    child.wait().unwrap();
    told
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_process_loses_nothing_that_it_answered_and_leaks_nothing() {
    let kills = if full_sweeps() { 60 } else { 6 };
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store.redb");
    let db = open(&path).await;
    build(&db).await.unwrap();
    let empty = db.store().snapshot().await.unwrap().dump().await.unwrap();
    drop(db);
    let mut random = Random(11);
    let (mut answered, mut unanswered) = (0, 0);
    for round in 0..kills {
        let told = run_and_kill(&path, round, &mut random);
        let db = open(&path).await;
        audit(&db).await;
        let view = db.topology().await.unwrap();
        let there: BTreeSet<String> =
            view.grants.iter().map(|grant| grant.request.connection_id.to_string()).collect();
        assert!(told.granted.is_subset(&there), "lost: {:?}", told.granted.difference(&there));
        let more = there.difference(&told.granted).filter(|id| !told.releasing.contains(*id)).count();
        assert!(u32::try_from(more).is_ok_and(|more| more <= TASKS), "{more} grants that nobody waited for");
        (answered, unanswered) = (answered + told.granted.len(), unanswered + more);
        for grant in view.grants {
            assert!(db.release(&grant.request.connection_id).await.unwrap().is_some());
        }
        assert_eq!(db.store().snapshot().await.unwrap().dump().await.unwrap(), empty, "something is left");
        drop(db);
    }
    println!(
        "redb kill: {kills} kills, {answered} answered grants found, {unanswered} found that were under way"
    );
}
