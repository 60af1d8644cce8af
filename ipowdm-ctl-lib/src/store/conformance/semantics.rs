//! Single promises: atomicity, absence, conflicts, order.

use super::subject::{Fleeting, Subject, again};
use super::{Number, Text, number};
use crate::store::{Key, OutboxRecord, Prefix, StoreError};
use futures_util::FutureExt as _;
use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicU32, Ordering};

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

impl Fleeting for Refusal {
    fn is_fleeting(&self) -> bool {
        matches!(self, Self::Store(error) if error.is_fleeting())
    }
}

pub(super) async fn s4_01_a_failing_updater_leaves_the_store_identical(s: Subject) {
    s.put("a", 1).await;
    let before = s.dump().await;
    let result: Result<(), Refusal> = s
        .transact(|tx| {
            tx.put(&number("a"), &Number(2))?;
            tx.put(&number("b"), &Number(2))?;
            tx.delete(&number("a"));
            Err(Refusal::ByUpdater)
        })
        .await;
    assert_eq!(result, Err(Refusal::ByUpdater));
    assert_eq!(s.dump().await, before);
}

pub(super) async fn s4_01_a_panicking_updater_leaves_the_store_identical(s: Subject) {
    s.put("a", 1).await;
    let before = s.dump().await;
    let transaction = s.transact(|tx| -> Result<(), StoreError> {
        tx.put(&number("a"), &Number(2))?;
        // Unwinds as a panic does, without the hook's message in the test's output.
        std::panic::resume_unwind(Box::new("updater"))
    });
    assert!(AssertUnwindSafe(transaction).catch_unwind().await.is_err());
    assert_eq!(s.dump().await, before);
    s.put("a", 3).await;
    assert_eq!(s.read("a").await, Some(3));
}

pub(super) async fn s4_01_a_conflicting_updater_runs_again(s: Subject) {
    s.put("a", 1).await;
    let entered = std::sync::Barrier::new(2);
    let runs = AtomicU32::new(0);
    let handle = tokio::runtime::Handle::current();
    let written = std::thread::scope(|threads| {
        let slow = threads.spawn(|| {
            handle.block_on(s.once(|tx| {
                let seen = tx.get(&number("a"))?.map_or(0, |Number(n)| n);
                if runs.fetch_add(1, Ordering::SeqCst) == 0 {
                    entered.wait();
                    entered.wait();
                }
                tx.put(&number("a"), &Number(seen + 10))?;
                Ok(seen + 10)
            }))
        });
        // The first run has read; now what it read changes under it.
        let fast = threads.spawn(|| {
            entered.wait();
            handle.block_on(s.put("a", 2));
            entered.wait();
        });
        fast.join().unwrap();
        slow.join().unwrap()
    });
    assert_eq!(written.map(|(written, _)| written), Ok(12));
    assert_eq!(s.read("a").await, Some(12));
}

pub(super) async fn s4_02_an_updater_that_is_not_repeatable_is_refused(s: Subject) {
    s.put("a", 1).await;
    let before = s.dump().await;
    let mut count = 0;
    let result = s
        .transact(|tx| {
            count += 1;
            tx.put(&number("a"), &Number(count))
        })
        .await;
    assert_eq!(result, Err(StoreError::NotRepeatable { key: number("a").raw().clone() }));
    assert_eq!(s.dump().await, before);
}

pub(super) async fn s4_03_absent_reads_as_none_and_deleting_it_changes_nothing(s: Subject) {
    assert_eq!(s.read("a").await, None);
    let version = s.snapshot().await.version();
    let delete = async || {
        s.transact(|tx| {
            tx.delete(&number("a"));
            tx.get(&number("a"))
        })
        .await
    };
    assert_eq!(delete().await, Ok(None));
    assert_eq!(s.snapshot().await.version(), version, "a delete of an absent key made a version");
    s.put("a", 1).await;
    assert_eq!(delete().await, Ok(None));
    assert_eq!(s.read("a").await, None);
    let version = s.snapshot().await.version();
    assert_eq!(delete().await, Ok(None));
    assert_eq!(s.snapshot().await.version(), version);
}

pub(super) async fn s4_09_a_transaction_sees_its_own_writes(s: Subject) {
    s.put("a", 1).await;
    s.put("c", 3).await;
    let seen = s
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
    assert_eq!(s.read("b").await, Some(2));
}

pub(super) async fn scans_are_ordered_and_limited_to_their_kind(s: Subject) {
    for (name, value) in [("c", 3), ("a", 1), ("b", 2), ("d", 4)] {
        s.put(name, value).await;
    }
    let text = Key::<Text>::new(&["a"]);
    s.transact(|tx| tx.put(&text, &Text("x".to_owned()))).await.unwrap();
    let all = Prefix::<Number>::all();
    let numbers =
        |entries: Vec<(Key<Number>, Number)>| entries.into_iter().map(|(_, Number(n))| n).collect::<Vec<_>>();
    assert_eq!(numbers(s.scan(&all).await), [1, 2, 3, 4]);
    let page = async |after: &str| {
        let after = number(after);
        again!(s, s.snapshot().await.page(&all, Some(&after), Some(2)).await).unwrap()
    };
    assert_eq!(numbers(page("a").await), [2, 3]);
    assert_eq!(numbers(page("d").await), Vec::<i64>::new());
    assert_eq!(s.scan(&Prefix::<Text>::all()).await.len(), 1);
    let dump = s.dump().await;
    assert!(dump.windows(2).all(|pair| pair[0].0 < pair[1].0), "a scan of everything is in key order");
    assert_eq!(dump.len(), 5);
}

pub(super) async fn s4_09_a_phantom_under_a_scanned_prefix_is_a_conflict(s: Subject) {
    // Each transaction may add one entry where it sees fewer than five; with phantoms there would be more.
    let tasks: Vec<_> = (0..16)
        .map(|task| {
            let s = s.clone();
            tokio::spawn(async move {
                let key = number(&format!("{task:02}"));
                s.transact(|tx| {
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
    assert_eq!(s.scan(&Prefix::<Number>::all()).await.len(), 5);
}

pub(super) async fn stamped_records_are_ordered_as_their_commits(s: Subject) {
    let message = |text: &str| OutboxRecord {
        topic: "config_vOp1".to_owned(),
        key: b"agent".to_vec(),
        payload: Some(text.as_bytes().to_vec()),
    };
    for round in 0..20 {
        s.once(|tx| {
            tx.publish(&message(&format!("{round}/0")))?;
            tx.publish(&message(&format!("{round}/1")))
        })
        .await
        .unwrap();
    }
    let stored = s.scan(&Prefix::<OutboxRecord>::all()).await;
    let texts: Vec<String> = stored
        .into_iter()
        .filter(|(_, message)| !Subject::is_mark_message(message))
        .map(|(_, message)| String::from_utf8(message.payload.unwrap()).unwrap())
        .collect();
    let expected: Vec<String> =
        (0..20).flat_map(|round| (0..2).map(move |i| format!("{round}/{i}"))).collect();
    assert_eq!(texts, expected);
}
