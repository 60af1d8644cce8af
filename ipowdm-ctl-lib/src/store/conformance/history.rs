//! Recorded histories of concurrent transactions, replayed one after the other in the order of their versions.
//!
//! A history is serialisable in version order exactly if every transaction read what the replay holds at its turn. That is
//! stronger than the absence of cycles.

use super::{Number, number, put};
use crate::store::{Key, Prefix, Store, StoreError, Version};
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

async fn state_of(store: &Store) -> BTreeMap<String, i64> {
    let entries = store.scan(&Prefix::<Number>::all()).await.unwrap();
    entries.into_iter().map(|(key, Number(n))| (name_of(&key), n)).collect()
}

fn name_of(key: &Key<Number>) -> String {
    key.parts().concat()
}

/// A small generator of reproducible pseudo-random numbers (SplitMix64), one per task.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % bound
    }
}

pub(super) async fn s4_06_a_snapshot_equals_a_committed_state(store: Store) {
    const KEYS: usize = 100;
    // Every commit writes one round number to all keys: a snapshot that shows two rounds is torn.
    let keys: Arc<Vec<Key<Number>>> = Arc::new((0..KEYS).map(|i| number(&format!("{i:03}"))).collect());
    let done = Arc::new(AtomicBool::new(false));
    let writer = {
        let (store, keys, done) = (store.clone(), Arc::clone(&keys), Arc::clone(&done));
        tokio::spawn(async move {
            for round in 0..300 {
                store
                    .transact(|tx| keys.iter().try_for_each(|key| tx.put(key, &Number(round))))
                    .await
                    .unwrap();
                tokio::task::yield_now().await;
            }
            done.store(true, Ordering::SeqCst);
        })
    };
    let mut observed = 0_u32;
    while !done.load(Ordering::SeqCst) || observed == 0 {
        let mut snapshot = store.snapshot().await.unwrap();
        let mut seen = Vec::with_capacity(KEYS);
        for key in keys.iter() {
            seen.push(snapshot.get(key).await.unwrap());
            if seen.len() % 10 == 0 {
                tokio::task::yield_now().await;
            }
        }
        assert!(seen.iter().all(|value| *value == seen[0]), "torn: {seen:?}");
        let scanned = snapshot.scan(&Prefix::<Number>::all()).await.unwrap();
        assert!(scanned.iter().all(|(_, value)| Some(*value) == seen[0]));
        observed += 1;
    }
    writer.await.unwrap();
}

pub(super) async fn s4_09_transfers_are_serialisable(store: Store) {
    const ACCOUNTS: u64 = 8;
    const TASKS: u64 = 16;
    const EACH: usize = 125;
    for account in 0..ACCOUNTS {
        put(&store, &account.to_string(), 1000).await;
    }
    let before = state_of(&store).await;
    let tasks: Vec<_> = (0..TASKS)
        .map(|task| {
            let store = store.clone();
            tokio::spawn(async move {
                let mut random = Random(task);
                let mut steps = Vec::with_capacity(EACH);
                for _ in 0..EACH {
                    steps.push(transfer(&store, &mut random, ACCOUNTS).await);
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
    assert_eq!(after, state_of(&store).await);
    assert_eq!(after.values().sum::<i64>(), 8000);
}

/// Moves an amount between two accounts where the first can afford it; every fourth transaction only reads.
async fn transfer(store: &Store, random: &mut Random, accounts: u64) -> Step {
    let from = random.below(accounts);
    let to = (from + 1 + random.below(accounts - 1)) % accounts;
    let amount = i64::try_from(random.below(400)).unwrap();
    let read_only = random.below(4) == 0;
    let (from, to) = (from.to_string(), to.to_string());
    let ((a, b, paid), version) = store
        .transact_versioned(|tx| {
            let a = tx.get(&number(&from))?.map(|Number(n)| n);
            let b = tx.get(&number(&to))?.map(|Number(n)| n);
            let paid = !read_only && a >= Some(amount);
            if let (true, Some(a), Some(b)) = (paid, a, b) {
                tx.put(&number(&from), &Number(a - amount))?;
                tx.put(&number(&to), &Number(b + amount))?;
            }
            Ok::<_, StoreError>((a, b, paid))
        })
        .await
        .unwrap();
    let writes = match (paid, a, b) {
        (true, Some(a), Some(b)) => vec![(from.clone(), Some(a - amount)), (to.clone(), Some(b + amount))],
        _ => Vec::new(),
    };
    Step { version, reads: vec![(from, a), (to, b)], scan: None, writes }
}

pub(super) async fn s4_09_scans_with_inserts_are_serialisable(store: Store) {
    const TASKS: u64 = 8;
    let tasks: Vec<_> = (0..TASKS)
        .map(|task| {
            let store = store.clone();
            tokio::spawn(async move {
                let mut random = Random(1000 + task);
                let mut steps = Vec::new();
                for _ in 0..60 {
                    steps.push(insert_or_delete(&store, &mut random).await);
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
    assert_eq!(after, state_of(&store).await);
}

/// Scans everything, then inserts a random key with the count seen, or deletes it where it is there.
async fn insert_or_delete(store: &Store, random: &mut Random) -> Step {
    let name = random.below(12).to_string();
    let key = number(&name);
    let (scan, version) = store
        .transact_versioned(|tx| {
            let scan = tx.scan(&Prefix::<Number>::all())?;
            if scan.iter().any(|(there, _)| *there == key) {
                tx.delete(&key);
            } else {
                tx.put(&key, &Number(i64::try_from(scan.len()).unwrap_or(i64::MAX)))?;
            }
            Ok::<_, StoreError>(scan)
        })
        .await
        .unwrap();
    let scan: BTreeMap<String, i64> = scan.into_iter().map(|(key, Number(n))| (name_of(&key), n)).collect();
    let value = if scan.contains_key(&name) { None } else { Some(i64::try_from(scan.len()).unwrap()) };
    Step { version, reads: Vec::new(), scan: Some(scan), writes: vec![(name, value)] }
}
