//! Recorded histories of concurrent transactions, replayed one after the other in the order of their versions.
//!
//! A history is serialisable in version order exactly if every transaction read what the replay holds at its turn. That is
//! stronger than the absence of cycles.

use super::random::Random;
use super::subject::{Subject, again};
use super::{Number, number};
use crate::store::{Key, Prefix, Tx, Version};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// What one committed transaction read and wrote.
struct Step {
    version: Version,
    reads: Vec<(String, Option<i64>)>,
    /// What a scan of everything showed, where the transaction made one.
    scan: Option<BTreeMap<String, i64>>,
    writes: Vec<(String, Option<i64>)>,
}

/// Replays a history and compares every read; answers the final state.
fn replay(mut state: BTreeMap<String, i64>, mut steps: Vec<Step>) -> BTreeMap<String, i64> {
    // A read-only transaction carries the version it read: it comes after the writer of that version.
    steps.sort_by_key(|step| (step.version, step.writes.is_empty()));
    for step in steps {
        for (key, seen) in &step.reads {
            assert_eq!(state.get(key), seen.as_ref(), "{key} at version {}", step.version);
        }
        if let Some(scan) = &step.scan {
            assert_eq!(&state, scan, "scan at version {}", step.version);
        }
        for (key, value) in step.writes {
            match value {
                Some(value) => state.insert(key, value),
                None => state.remove(&key),
            };
        }
    }
    state
}

async fn state_of(s: &Subject) -> BTreeMap<String, i64> {
    let entries = s.scan(&Prefix::<Number>::all()).await;
    entries.into_iter().map(|(key, Number(n))| (name_of(&key), n)).collect()
}

fn name_of(key: &Key<Number>) -> String {
    key.parts().concat()
}

pub(super) async fn s4_06_a_snapshot_equals_a_committed_state(s: Subject) {
    const KEYS: u64 = 100;
    const ROUNDS: i64 = 400;
    let keys: Arc<Vec<Key<Number>>> = Arc::new((0..KEYS).map(|i| number(&format!("{i:03}"))).collect());
    // Even rounds write all keys, odd ones a few: what each commit has written is known by its version.
    let done = Arc::new(AtomicBool::new(false));
    let writer = {
        let (s, keys, done) = (s.clone(), Arc::clone(&keys), Arc::clone(&done));
        tokio::spawn(async move {
            let mut random = Random::new(6);
            let mut history = Vec::new();
            for round in 0..ROUNDS {
                let touched: Vec<_> = (0..KEYS)
                    .filter(|_| round % 2 == 0 || random.below(20) == 0)
                    .filter_map(|i| usize::try_from(i).ok())
                    .collect();
                let write = |tx: &mut Tx| touched.iter().try_for_each(|&i| tx.put(&keys[i], &Number(round)));
                let ((), version) = s.once(write).await.unwrap();
                history.push((version, touched, round));
                tokio::task::yield_now().await;
            }
            done.store(true, Ordering::SeqCst);
            history
        })
    };
    let mut observed: Vec<(Version, Vec<Option<Number>>)> = Vec::new();
    while !done.load(Ordering::SeqCst) || observed.is_empty() {
        let seen = again!(
            s,
            async {
                let mut snapshot = s.store.snapshot().await?;
                let at_once = snapshot.get_many(&keys).await?;
                tokio::task::yield_now().await;
                // The same view shows the same later, one by one and as a range.
                for (key, value) in keys.iter().zip(&at_once).step_by(17) {
                    assert_eq!(snapshot.get(key).await?, *value);
                }
                let scanned = snapshot.scan(&Prefix::<Number>::all()).await?;
                let mut present = at_once.iter().flatten();
                assert!(scanned.iter().all(|(_, value)| present.next() == Some(value)));
                Ok::<_, crate::store::StoreError>((snapshot.version(), at_once))
            }
            .await
        )
        .unwrap();
        observed.push(seen);
    }
    let mut history = writer.await.unwrap().into_iter().peekable();
    let mut state = vec![None; keys.len()];
    for (version, seen) in observed {
        while let Some((_, touched, round)) = history.next_if(|(written, ..)| *written <= version) {
            touched.into_iter().for_each(|i| state[i] = Some(Number(round)));
        }
        assert_eq!(seen, state, "a snapshot of version {version} shows what was never committed");
    }
}

pub(super) async fn s4_06_readers_of_an_unchanged_key_share_one_instance(s: Subject) {
    s.put("a", 1).await;
    s.put("b", 1).await;
    let shared = async |name: &str| {
        let key = number(name);
        again!(s, s.store.get_shared(&key).await).unwrap().unwrap()
    };
    let first = shared("a").await;
    assert!(Arc::ptr_eq(&first, &shared("a").await), "the same key was decoded twice");
    s.put("b", 2).await;
    assert!(Arc::ptr_eq(&first, &shared("a").await), "a write to another key has changed the instance");
    let in_transaction = s.transact(|tx| tx.get_shared(&number("a"))).await.unwrap().unwrap();
    assert!(Arc::ptr_eq(&first, &in_transaction));
    s.put("a", 2).await;
    assert_eq!((*shared("a").await, *first), (Number(2), Number(1)), "what was handed out does not change");
}

pub(super) async fn s4_09_transfers_are_serialisable(s: Subject) {
    const ACCOUNTS: u64 = 8;
    const TASKS: u64 = 16;
    const EACH: usize = 125;
    for account in 0..ACCOUNTS {
        s.put(&account.to_string(), 1000).await;
    }
    let before = state_of(&s).await;
    let tasks: Vec<_> = (0..TASKS)
        .map(|task| {
            let s = s.clone();
            tokio::spawn(async move {
                let mut random = Random::new(task);
                let mut steps = Vec::with_capacity(EACH);
                for _ in 0..EACH {
                    steps.push(transfer(&s, &mut random, ACCOUNTS).await);
                }
                steps
            })
        })
        .collect();
    let mut steps = Vec::new();
    for task in tasks {
        steps.extend(task.await.unwrap());
    }
    let after = replay(before, steps);
    assert_eq!(after, state_of(&s).await);
    assert_eq!(after.values().sum::<i64>(), 8000);
}

/// Moves an amount between two accounts where the first can afford it; every fourth transaction only reads.
async fn transfer(s: &Subject, random: &mut Random, accounts: u64) -> Step {
    let from = random.below(accounts);
    let to = (from + 1 + random.below(accounts - 1)) % accounts;
    let amount = i64::try_from(random.below(400)).unwrap();
    let read_only = random.below(4) == 0;
    let (from, to) = (from.to_string(), to.to_string());
    let ((a, b, paid), version) = s
        .once(|tx| {
            let a = tx.get(&number(&from))?.map(|Number(n)| n);
            let b = tx.get(&number(&to))?.map(|Number(n)| n);
            let paid = !read_only && a >= Some(amount);
            if let (true, Some(a), Some(b)) = (paid, a, b) {
                tx.put(&number(&from), &Number(a - amount))?;
                tx.put(&number(&to), &Number(b + amount))?;
            }
            Ok((a, b, paid))
        })
        .await
        .unwrap();
    let writes = match (paid, a, b) {
        (true, Some(a), Some(b)) => vec![(from.clone(), Some(a - amount)), (to.clone(), Some(b + amount))],
        _ => Vec::new(),
    };
    Step { version, reads: vec![(from, a), (to, b)], scan: None, writes }
}

pub(super) async fn s4_09_scans_with_inserts_are_serialisable(s: Subject) {
    const TASKS: u64 = 8;
    let tasks: Vec<_> = (0..TASKS)
        .map(|task| {
            let s = s.clone();
            tokio::spawn(async move {
                let mut random = Random::new(1000 + task);
                let mut steps = Vec::new();
                for _ in 0..60 {
                    steps.push(insert_or_delete(&s, &mut random).await);
                }
                steps
            })
        })
        .collect();
    let mut steps = Vec::new();
    for task in tasks {
        steps.extend(task.await.unwrap());
    }
    let after = replay(BTreeMap::new(), steps);
    assert_eq!(after, state_of(&s).await);
}

/// Scans everything, then inserts a random key with the count seen, or deletes it where it is there.
async fn insert_or_delete(s: &Subject, random: &mut Random) -> Step {
    let name = random.below(12).to_string();
    let key = number(&name);
    let (scan, version) = s
        .once(|tx| {
            let scan: Vec<(String, i64)> = tx
                .scan(&Prefix::<Number>::all())?
                .into_iter()
                .map(|(key, Number(n))| (name_of(&key), n))
                .collect();
            if scan.iter().any(|(there, _)| *there == name) {
                tx.delete(&key);
            } else {
                tx.put(&key, &Number(i64::try_from(scan.len()).unwrap_or(i64::MAX)))?;
            }
            Ok(scan)
        })
        .await
        .unwrap();
    let scan: BTreeMap<String, i64> = scan.into_iter().collect();
    let value = if scan.contains_key(&name) { None } else { Some(i64::try_from(scan.len()).unwrap()) };
    Step { version, reads: Vec::new(), scan: Some(scan), writes: vec![(name, value)] }
}
