//! Many transactions on the same keys: limits, fairness, several processes.

use super::subject::{Fleeting, Subject};
use super::{Number, number};
use crate::store::{StoreError, StoreOptions};
use core::time::Duration;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

pub(super) async fn s4_05_deadline_and_retries_fail_apart(s: Subject) {
    s.put("a", 0).await;
    let before = s.dump().await;
    let limit = Duration::from_millis(20);
    let impatient = s.with_options(|options| options.deadline = limit);
    let result = impatient
        .transact(|tx| {
            tx.get(&number("a"))?;
            std::thread::sleep(limit + Duration::from_millis(5));
            tx.put(&number("a"), &Number(1))
        })
        .await;
    assert_eq!(result, Err(StoreError::Deadline { limit }));
    assert_eq!(s.dump().await, before);

    let unlucky = s.with_options(|options| {
        options.max_attempts = 3;
        options.check_repeatable = false;
    });
    let (result, runs) = loop {
        let mut runs = 0;
        let result = unlucky
            .store
            .transact(|tx| {
                tx.get(&number("a"))?;
                runs += 1;
                // Somebody else is always faster: another thread commits to the same key during every run.
                let handle = tokio::runtime::Handle::current();
                std::thread::scope(|threads| {
                    threads.spawn(|| handle.block_on(s.put("a", 1))).join().unwrap();
                });
                tx.put(&number("a"), &Number(2))
            })
            .await;
        if !result.as_ref().is_err_and(Fleeting::is_fleeting) {
            break (result, runs);
        }
    };
    assert_eq!(result, Err(StoreError::RetryExceeded { attempts: 3 }));
    assert!(runs >= 3, "{runs}");
    assert_eq!(s.read("a").await, Some(1));
}

/// Raises one number `each` times; answers how often the updater ran for the unluckiest of the transactions.
async fn raise(s: &Subject, each: u32) -> u32 {
    let mut most = 0;
    for _ in 0..each {
        let runs = AtomicU32::new(0);
        s.once(|tx| {
            runs.fetch_add(1, Ordering::Relaxed);
            let Number(n) = tx.get(&number("total"))?.unwrap_or(Number(0));
            tx.put(&number("total"), &Number(n + 1))
        })
        .await
        .unwrap();
        most = most.max(runs.into_inner());
    }
    most
}

pub(super) async fn s4_05_sixty_four_writers_on_one_key_all_commit_and_none_starves(s: Subject) {
    const WRITERS: u32 = 64;
    const EACH: u32 = 20;
    let runs_allowed = StoreOptions::default().serialise_after + 1;
    let s = s.with_options(|options| options.check_repeatable = false);
    let loads = Arc::new(AtomicU32::new(0));
    let tasks: Vec<_> = (0..WRITERS)
        .map(|_| {
            let (s, loads) = (s.clone(), Arc::clone(&loads));
            tokio::spawn(async move { loads.fetch_max(raise(&s, EACH).await, Ordering::Relaxed) })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!(s.read("total").await, Some(i64::from(WRITERS * EACH)));
    // After its twentieth conflict a transaction runs alone: nobody waits for more than that. A back end that loads what is
    // read runs each updater twice; a transport that breaks makes a transaction begin anew.
    let most = loads.load(Ordering::Relaxed);
    assert!(s.is_faulty() || most <= 2 * runs_allowed, "a transaction needed {most} runs");
}

pub(super) async fn s4_05_writers_of_several_processes_on_one_key_all_commit(s: Subject) {
    const PROCESSES: u32 = 3;
    const WRITERS: u32 = 12;
    const EACH: u32 = 12;
    let tasks: Vec<_> = (0..PROCESSES)
        .map(|_| {
            s.other_process().with_options(|options| {
                options.check_repeatable = false;
                // So that turns are taken at all: with the default a gate per process nearly always suffices.
                (options.serialise_after, options.turn_after) = (2, 4);
                options.turn = Duration::from_secs(2);
            })
        })
        .flat_map(|process| {
            (0..WRITERS).map(move |_| {
                let process = process.clone();
                tokio::spawn(async move { raise(&process, EACH).await })
            })
        })
        .collect();
    for task in tasks {
        // Given up would be an error: so none needs more than the 160 attempts allowed.
        task.await.unwrap();
    }
    assert_eq!(s.read("total").await, Some(i64::from(PROCESSES * WRITERS * EACH)));
}
