//! Single promises: atomicity, absence, conflicts, limits, watches.

use super::{Number, Text, number, put, read};
use crate::store::{Change, Key, OutboxRecord, Prefix, Store, StoreError, Watch};
use core::time::Duration;
use futures_util::FutureExt as _;
use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicU32, Ordering};
use tokio::time::timeout;

/// An error of an updater's own.
#[derive(Debug, PartialEq, Eq)]
enum Refusal {
    ByUpdater,
    Store(StoreError),
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

async fn dump(store: &Store) -> Vec<(crate::store::RawKey, crate::store::Value)> {
    store.snapshot().await.unwrap().dump().await.unwrap()
}

pub(super) async fn s4_01_a_failing_updater_leaves_the_store_identical(store: Store) {
    put(&store, "a", 1).await;
    let before = dump(&store).await;
    let result: Result<(), Refusal> = store
        .transact(|tx| {
            tx.put(&number("a"), &Number(2))?;
            tx.put(&number("b"), &Number(2))?;
            tx.delete(&number("a"));
            Err(Refusal::ByUpdater)
        })
        .await;
    assert_eq!(result, Err(Refusal::ByUpdater));
    assert_eq!(dump(&store).await, before);
}

pub(super) async fn s4_01_a_panicking_updater_leaves_the_store_identical(store: Store) {
    put(&store, "a", 1).await;
    let before = dump(&store).await;
    let transaction = store.transact(|tx| -> Result<(), StoreError> {
        tx.put(&number("a"), &Number(2))?;
        // Unwinds as a panic does, without the hook's message in the test's output.
        std::panic::resume_unwind(Box::new("updater"))
    });
    assert!(AssertUnwindSafe(transaction).catch_unwind().await.is_err());
    assert_eq!(dump(&store).await, before);
    put(&store, "a", 3).await;
    assert_eq!(read(&store, "a").await, Some(3));
}

pub(super) async fn s4_01_a_conflicting_updater_runs_again(store: Store) {
    put(&store, "a", 1).await;
    let entered = std::sync::Barrier::new(2);
    let runs = AtomicU32::new(0);
    let handle = tokio::runtime::Handle::current();
    let written = std::thread::scope(|threads| {
        let slow = threads.spawn(|| {
            handle.block_on(store.transact(|tx| {
                let seen = tx.get(&number("a"))?.map_or(0, |Number(n)| n);
                if runs.fetch_add(1, Ordering::SeqCst) == 0 {
                    entered.wait();
                    entered.wait();
                }
                tx.put(&number("a"), &Number(seen + 10))?;
                Ok::<_, StoreError>(seen + 10)
            }))
        });
        // The first run has read; now what it read changes under it.
        let fast = threads.spawn(|| {
            entered.wait();
            handle.block_on(put(&store, "a", 2));
            entered.wait();
        });
        fast.join().unwrap();
        slow.join().unwrap()
    });
    assert_eq!(written, Ok(12));
    assert_eq!(read(&store, "a").await, Some(12));
}

pub(super) async fn s4_02_an_updater_that_is_not_repeatable_is_refused(store: Store) {
    put(&store, "a", 1).await;
    let before = dump(&store).await;
    let mut count = 0;
    let result = store
        .transact(|tx| {
            count += 1;
            tx.put(&number("a"), &Number(count))
        })
        .await;
    assert_eq!(result, Err(StoreError::NotRepeatable { key: number("a").raw().clone() }));
    assert_eq!(dump(&store).await, before);
}

pub(super) async fn s4_03_absent_reads_as_none_and_deletes_without_notice(store: Store) {
    assert_eq!(read(&store, "a").await, None);
    let mut watch = store.watch(&Prefix::<Number>::all());
    let version = store.snapshot().await.unwrap().version();
    store
        .transact(|tx| {
            assert_eq!(tx.get(&number("a"))?, None);
            tx.delete(&number("a"));
            Ok::<_, StoreError>(())
        })
        .await
        .unwrap();
    assert_eq!(store.snapshot().await.unwrap().version(), version);
    put(&store, "b", 1).await;
    // The first notice is that of the write: the delete sent none.
    assert_eq!(next_keys(&mut watch).await, ["conformance-number/1:b,"]);
    store
        .transact(|tx| {
            tx.delete(&number("b"));
            Ok::<_, StoreError>(())
        })
        .await
        .unwrap();
    assert_eq!(read(&store, "b").await, None);
    assert_eq!(next_keys(&mut watch).await, ["conformance-number/1:b,"]);
}

pub(super) async fn a_transaction_sees_its_own_writes(store: Store) {
    put(&store, "a", 1).await;
    put(&store, "c", 3).await;
    let seen = store
        .transact(|tx| {
            tx.put(&number("b"), &Number(2))?;
            tx.delete(&number("a"));
            assert_eq!(tx.get(&number("a"))?, None);
            assert_eq!(tx.get(&number("b"))?, Some(Number(2)));
            let entries = tx.scan(&Prefix::<Number>::all())?;
            Ok::<_, StoreError>(entries.into_iter().map(|(_, Number(n))| n).collect::<Vec<_>>())
        })
        .await;
    assert_eq!(seen, Ok(vec![2, 3]));
    // And the next reader sees them once the commit has returned.
    assert_eq!(read(&store, "b").await, Some(2));
}

pub(super) async fn scans_are_ordered_and_limited_to_their_kind(store: Store) {
    for (name, value) in [("c", 3), ("a", 1), ("b", 2), ("d", 4)] {
        put(&store, name, value).await;
    }
    let text = Key::<Text>::new(&["a"]);
    store.transact(|tx| tx.put(&text, &Text("x".to_owned()))).await.unwrap();
    let all = Prefix::<Number>::all();
    let numbers =
        |entries: Vec<(Key<Number>, Number)>| entries.into_iter().map(|(_, Number(n))| n).collect::<Vec<_>>();
    assert_eq!(numbers(store.scan(&all).await.unwrap()), [1, 2, 3, 4]);
    let mut snapshot = store.snapshot().await.unwrap();
    let page = snapshot.page(&all, Some(&number("a")), Some(2)).await.unwrap();
    assert_eq!(numbers(page), [2, 3]);
    let page = snapshot.page(&all, Some(&number("d")), Some(2)).await.unwrap();
    assert_eq!(numbers(page), Vec::<i64>::new());
    assert_eq!(store.scan(&Prefix::<Text>::all()).await.unwrap().len(), 1);
}

pub(super) async fn a_phantom_under_a_scanned_prefix_is_a_conflict(store: Store) {
    // Each transaction may add one entry where it sees fewer than five; with phantoms there would be more.
    let tasks: Vec<_> = (0..16)
        .map(|task| {
            let store = store.clone();
            tokio::spawn(async move {
                let key = number(&format!("{task:02}"));
                store
                    .transact(|tx| {
                        if tx.scan(&Prefix::<Number>::all())?.len() < 5 {
                            tx.put(&key, &Number(task))?;
                        }
                        Ok::<_, StoreError>(())
                    })
                    .await
                    .unwrap();
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!(store.scan(&Prefix::<Number>::all()).await.unwrap().len(), 5);
}

pub(super) async fn s4_05_deadline_and_retries_fail_apart(store: Store) {
    put(&store, "a", 0).await;
    let before = dump(&store).await;
    let impatient = store.with_options(|options| options.deadline = Duration::from_millis(20));
    let result = impatient
        .transact(|tx| {
            tx.get(&number("a"))?;
            std::thread::sleep(Duration::from_millis(25));
            tx.put(&number("a"), &Number(1))
        })
        .await;
    assert_eq!(result, Err(StoreError::Deadline { limit: Duration::from_millis(20) }));
    assert_eq!(dump(&store).await, before);

    let unlucky = store.with_options(|options| {
        options.max_attempts = 3;
        options.check_repeatable = false;
    });
    let mut runs = 0;
    let result = unlucky
        .transact(|tx| {
            tx.get(&number("a"))?;
            runs += 1;
            // Somebody else is always faster: another thread commits to the same key during every run.
            let rival = store.clone();
            let handle = tokio::runtime::Handle::current();
            std::thread::scope(|threads| {
                threads.spawn(|| handle.block_on(put(&rival, "a", 1))).join().unwrap();
            });
            tx.put(&number("a"), &Number(2))
        })
        .await;
    assert_eq!(result, Err(StoreError::RetryExceeded { attempts: 3 }));
    assert_eq!(runs, 3);
    assert_eq!(read(&store, "a").await, Some(1));
}

pub(super) async fn s4_05_sixty_four_writers_on_one_key_all_commit(store: Store) {
    const WRITERS: i64 = 64;
    const EACH: i64 = 20;
    let tasks: Vec<_> = (0..WRITERS)
        .map(|_| {
            let store = store.clone();
            tokio::spawn(async move {
                let mut slowest = Duration::ZERO;
                for _ in 0..EACH {
                    let begun = std::time::Instant::now();
                    store
                        .transact(|tx| {
                            let Number(n) = tx.get(&number("total"))?.unwrap_or(Number(0));
                            tx.put(&number("total"), &Number(n + 1))
                        })
                        .await
                        .unwrap();
                    slowest = slowest.max(begun.elapsed());
                }
                slowest
            })
        })
        .collect();
    for task in tasks {
        let slowest = task.await.unwrap();
        assert!(slowest < Duration::from_secs(2), "a writer waited {slowest:?}");
    }
    assert_eq!(read(&store, "total").await, Some(WRITERS * EACH));
}

async fn next_keys(watch: &mut Watch) -> Vec<String> {
    match timeout(Duration::from_secs(10), watch.next()).await {
        Ok(Some(Change::Committed(notice))) => notice.keys.iter().map(ToString::to_string).collect(),
        other => panic!("expected a notice, got {other:?}"),
    }
}

pub(super) async fn s4_12_a_watcher_sees_each_transaction_once_with_all_keys(store: Store) {
    let mut watch = store.watch(&Prefix::<Number>::under(&["a"]));
    let text = Key::<Text>::new(&["beside"]);
    for round in 0..10 {
        store
            .transact(|tx| {
                tx.put(&number("a"), &Number(round))?;
                tx.put(&number("b"), &Number(round))?;
                tx.put(&text, &Text(round.to_string()))
            })
            .await
            .unwrap();
        put(&store, "unwatched", round).await;
    }
    let mut last = None;
    for _ in 0..10 {
        let Ok(Some(Change::Committed(notice))) = timeout(Duration::from_secs(10), watch.next()).await else {
            panic!("a notice is missing");
        };
        assert!(last < Some(notice.version), "notices are in commit order");
        last = Some(notice.version);
        let mut keys: Vec<_> = notice.keys.iter().map(|key| key.as_str().to_owned()).collect();
        keys.sort();
        assert_eq!(
            keys,
            ["conformance-number/1:a,", "conformance-number/1:b,", "conformance-text/6:beside,"]
        );
    }
    assert!(
        timeout(Duration::from_millis(50), watch.next()).await.is_err(),
        "a transaction was announced twice"
    );
}

pub(super) async fn a_slow_watcher_is_told_to_resync(store: Store) {
    let mut watch = store.watch(&Prefix::<Number>::all());
    let fast = store.with_options(|options| options.check_repeatable = false);
    for round in 0..10_000 {
        put(&fast, "a", round).await;
    }
    let first = timeout(Duration::from_secs(10), watch.next()).await.unwrap();
    assert!(matches!(first, Some(Change::Resync { .. })), "{first:?}");
    // What follows the loss is announced as ever.
    put(&store, "last", 1).await;
    loop {
        if next_keys(&mut watch).await == ["conformance-number/4:last,"] {
            break;
        }
    }
}

pub(super) async fn stamped_records_are_ordered_as_their_commits(store: Store) {
    let message = |text: &str| OutboxRecord {
        topic: "config_vOp1".to_owned(),
        key: b"agent".to_vec(),
        payload: Some(text.as_bytes().to_vec()),
    };
    for round in 0..20 {
        store
            .transact(|tx| {
                tx.publish(&message(&format!("{round}/0")))?;
                tx.publish(&message(&format!("{round}/1")))
            })
            .await
            .unwrap();
    }
    let stored = store.scan(&Prefix::<OutboxRecord>::all()).await.unwrap();
    let texts: Vec<String> =
        stored.into_iter().map(|(_, record)| String::from_utf8(record.payload.unwrap()).unwrap()).collect();
    let expected: Vec<String> =
        (0..20).flat_map(|round| (0..2).map(move |i| format!("{round}/{i}"))).collect();
    assert_eq!(texts, expected);
}
