//! The agent dies within a write of its journal, at any byte of any of them.

use super::*;
use crate::journal::Syncer;
use ipowdm_core::msg::{Command, Outcome};
use std::io;
use std::sync::atomic::AtomicUsize;

/// A storage that takes so many bytes; the process dies within the write that has more.
#[derive(Clone)]
struct Mortal {
    bytes: MemoryStorage,
    left: Arc<AtomicUsize>,
}

impl Storage for Mortal {
    fn load(&mut self) -> io::Result<Vec<u8>> {
        self.bytes.load()
    }

    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        let left = self.left.load(Ordering::SeqCst);
        if bytes.len() <= left {
            self.left.store(left - bytes.len(), Ordering::SeqCst);
            return self.bytes.append(bytes);
        }
        self.bytes.append(&bytes[..left])?;
        self.left.store(0, Ordering::SeqCst);
        // The task ends here as the process would, without a word.
        std::panic::resume_unwind(Box::new("killed"));
    }

    fn truncate(&mut self, length: u64) -> io::Result<()> {
        self.bytes.truncate(length)
    }

    fn replace(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.bytes.replace(bytes)
    }

    fn set_aside(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.bytes.set_aside(bytes)
    }

    fn syncer(&self) -> io::Result<Option<Syncer>> {
        self.bytes.syncer()
    }
}

/// Commands in their order, with ids of their own.
fn commands() -> [String; 3] {
    [fenced(GUIDE, "set-up", 1), fenced(GUIDE_RECONFIG, "re-config", 1), fenced(TEARDOWN, "tear-down", 1)]
}

fn id(line: &str) -> String {
    Command::from_json(line.as_bytes()).unwrap().command_id.unwrap().to_string()
}

/// Waits for an ack of the command, as long as the agent lives; whether it came.
async fn answered(bench: &Bench, line: &str) -> bool {
    for _ in 0..1_200 {
        let acks = bench.acks().await;
        if acks.iter().any(|ack| ack.command_id.as_str() == id(line)) {
            // The confirmation is noted too.
            bench.sleep(200).await;
            return true;
        }
        if bench.agent.as_ref().is_none_or(|agent| agent.task.is_finished()) {
            return false;
        }
        bench.sleep(100).await;
    }
    panic!("{line} is not answered");
}

/// One life with so many bytes of journal, and another to the end. Whether the first died.
async fn lives(budget: usize) -> bool {
    let mut bench = Bench::new(&[Profile::OPENZRP]).await;
    let mortal = Mortal { bytes: bench.storage.clone(), left: Arc::new(AtomicUsize::new(budget)) };
    let agent = bench.build_on(mortal).unwrap();
    // The first write is made by whoever starts the agent.
    let started = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| agent.spawn()));
    bench.agent = started.ok().map(|agent| agent.unwrap());
    bench.sleep(3_000).await;
    let mut died = false;
    for line in commands() {
        if bench.agent.as_ref().is_none_or(|agent| agent.task.is_finished()) {
            if !died {
                bench.start().await;
            }
            died = true;
        }
        bench.send(&line).await;
        if !answered(&bench, &line).await {
            assert!(!died, "{budget}: the second life has no end");
            died = true;
            bench.start().await;
            assert!(answered(&bench, &line).await, "{budget}: {line}");
        }
        let lit = !line.contains("teardown");
        assert_eq!(bench.is_lit(0), lit, "{budget}: after {line}");
    }
    if !died && bench.agent.as_ref().is_some_and(|agent| agent.task.is_finished()) {
        died = true;
        bench.start().await;
    }
    bench.sleep(5_000).await;
    assert!(!bench.is_lit(0), "{budget}");
    let acks = bench.acks().await;
    for line in commands() {
        let of_line: Vec<&CommandAck> =
            acks.iter().filter(|ack| ack.command_id.as_str() == id(&line)).collect();
        let ids: BTreeSet<_> = of_line.iter().map(|ack| &ack.ack_id).collect();
        assert_eq!(ids.len(), 1, "{budget}: {of_line:#?}");
        let good = |ack: &&CommandAck| matches!(ack.outcome, Outcome::Applied | Outcome::Unchanged);
        assert!(of_line.iter().all(good), "{budget}: {of_line:#?}");
    }
    bench.kill().await;
    died
}

/// Every 17th byte, and every one with `IPOWDM_SWEEPS=full`.
#[tokio::test(start_paused = true)]
async fn killed_at_any_byte_of_any_write_it_restarts_to_a_correct_state() {
    let step = if std::env::var("IPOWDM_SWEEPS").is_ok_and(|value| value == "full") { 1 } else { 17 };
    let mut budget = 0;
    while lives(budget).await {
        budget += step;
    }
    assert!(budget > 1_000, "the journal of three commands is longer than {budget} bytes");
}
