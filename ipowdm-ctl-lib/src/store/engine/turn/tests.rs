//! Turns of other processes, alive and dead.

use super::*;
use crate::store::{Backend, Key, MemoryBackend, Record, Store, StoreOptions};
use core::time::Duration;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Number(u64);

impl Record for Number {
    const KIND: &'static str = "number";
    const VERSION: u8 = 1;
}

fn key() -> Key<Number> {
    Key::new(&["a"])
}

async fn write(backend: &MemoryBackend, key: &RawKey, value: Option<Value>) {
    let writes = vec![Write { key: key.clone(), value }];
    backend.commit(Batch { writes, ..Batch::default() }).await.unwrap();
}

fn store(backend: &Arc<MemoryBackend>) -> Store {
    let options = StoreOptions { check_repeatable: false, ..StoreOptions::default() };
    Store::new(Arc::clone(backend) as _, options)
}

/// A transaction that loses its first `conflicts` attempts; answers how often it ran.
async fn contend(store: &Store, backend: &MemoryBackend, conflicts: u32) -> u32 {
    let mut runs = 0;
    let value = crate::store::encode(key().raw(), &Number(1)).unwrap();
    store
        .transact(|tx| {
            let seen = tx.get(&key())?;
            runs += 1;
            if runs <= conflicts {
                // The memory commits when it is asked, not when it is awaited.
                drop(backend.commit(Batch {
                    writes: vec![Write { key: key().raw().clone(), value: Some(value.clone()) }],
                    ..Batch::default()
                }));
            }
            tx.put(&key(), &Number(seen.map_or(0, |Number(n)| n) + 1))
        })
        .await
        .unwrap();
    runs
}

#[tokio::test(start_paused = true)]
async fn s4_05_a_process_that_died_in_its_turn_holds_others_up_for_one_turn_only() {
    let backend = Arc::new(MemoryBackend::new());
    write(&backend, &TURN, Some(Value::from(b"the mark of a dead process".as_slice()))).await;
    let store = store(&backend);
    let begun = Instant::now();
    assert_eq!(contend(&store, &backend, 0).await, 1);
    assert_eq!(begun.elapsed(), Duration::ZERO, "who has met no conflict does not wait");
    assert_eq!(contend(&store, &backend, 1).await, 2);
    assert_eq!(begun.elapsed(), Duration::from_millis(100));
    assert_eq!(contend(&store, &backend, 3).await, 4);
    assert_eq!(begun.elapsed(), Duration::from_millis(100), "the same mark is honoured once");
}

#[tokio::test(start_paused = true)]
async fn s4_05_the_end_of_a_turn_wakes_those_who_wait() {
    let backend = Arc::new(MemoryBackend::new());
    write(&backend, &TURN, Some(Value::from(b"the mark of another process".as_slice()))).await;
    let store = store(&backend);
    let begun = Instant::now();
    let other = async {
        tokio::time::sleep(Duration::from_millis(30)).await;
        write(&backend, &TURN, None).await;
    };
    let (runs, ()) = tokio::join!(contend(&store, &backend, 1), other);
    assert_eq!((runs, begun.elapsed()), (2, Duration::from_millis(30)));
}

#[tokio::test(start_paused = true)]
async fn s4_05_a_transaction_takes_a_turn_after_fifty_conflicts_and_gives_it_back() {
    let backend = Arc::new(MemoryBackend::new());
    let store = store(&backend);
    let mut watch = backend.changes().subscribe(vec![TURN.clone()]);
    let mut marks = 0;
    assert_eq!(contend(&store, &backend, 49).await, 50);
    assert_eq!(futures_util::FutureExt::now_or_never(watch.next()), None, "a turn was taken too early");
    assert_eq!(contend(&store, &backend, 52).await, 53);
    while futures_util::FutureExt::now_or_never(watch.next()).is_some() {
        marks += 1;
    }
    // Taken before the attempts after 50, 51 and 52 conflicts, given back once.
    assert_eq!(marks, 4);
    let view = backend.view().await.unwrap();
    assert_eq!(view.get(&TURN), Ok(Lookup::Known(None)));
}
