//! Two processes on one store: what one commits the other sees once, and all of it is serialisable.

use std::collections::BTreeMap;

use ipowdm_ctl_lib::store::{Backend as _, Change, Prefix, Store, StoreError, Version};
use tokio::time::timeout;

use super::server::{PATIENCE, Server, connect};
use super::{Number, number, put, store};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s4_12_a_watcher_sees_the_commits_of_another_process_once_with_all_keys() {
    let server = Server::shared();
    let options = server.fresh();
    let (here, there) = (store(connect(&options).await), store(connect(&options).await));
    let mut watch = here.watch(&Prefix::<Number>::under(&["a"]));
    let mut expected = Vec::new();
    for round in 0..50 {
        // Own commits and the other's in turn, and some that do not concern the watcher.
        let from = if round % 3 == 0 { &here } else { &there };
        let written = from
            .transact_versioned(|tx| {
                tx.put(&number("a"), &Number(round))?;
                tx.put(&number("b"), &Number(round))
            })
            .await;
        let version: Result<_, StoreError> = written.map(|((), version)| version);
        expected.push(version.unwrap());
        put(&there, "beside", round).await;
    }
    for version in expected {
        match timeout(PATIENCE, watch.next()).await.expect("a notice is missing") {
            Some(Change::Committed(notice)) => {
                assert_eq!(notice.version, version);
                let keys: Vec<&str> = notice.keys.iter().map(|key| key.as_str()).collect();
                assert_eq!(keys, ["number/1:a,", "number/1:b,"]);
            }
            other => panic!("{other:?} instead of {version}"),
        }
    }
}

/// What a transaction read, and what it wrote.
struct Step {
    version: u64,
    reads: [(u64, u64); 2],
    moved: u64,
}

/// Moves amounts between accounts, or only looks at them.
async fn transfers(store: Store, seed: u64) -> Vec<Step> {
    let mut random = seed;
    let mut draw = move |below: u64| {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (random >> 33) % below
    };
    let mut steps = Vec::new();
    for _ in 0..150 {
        let from = draw(6);
        let (to, amount) = ((from + 1 + draw(5)) % 6, draw(4));
        let ((a, b, moved), version) = store
            .transact_versioned(|tx| {
                let a = tx.get(&number(&from.to_string()))?.map_or(100, |Number(n)| n);
                let b = tx.get(&number(&to.to_string()))?.map_or(100, |Number(n)| n);
                let moved = if a >= amount { amount } else { 0 };
                if moved > 0 {
                    tx.put(&number(&from.to_string()), &Number(a - moved))?;
                    tx.put(&number(&to.to_string()), &Number(b + moved))?;
                }
                Ok::<_, StoreError>((a, b, moved))
            })
            .await
            .unwrap();
        steps.push(Step { version: version.get(), reads: [(from, a), (to, b)], moved });
    }
    steps
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn s4_09_transactions_of_two_processes_are_serialisable() {
    let server = Server::shared();
    let options = server.fresh();
    let stores = [store(connect(&options).await), store(connect(&options).await)];
    let tasks: Vec<_> =
        (0..8).map(|i| tokio::spawn(transfers(stores[i % 2].clone(), u64::try_from(i).unwrap()))).collect();
    let mut steps = Vec::new();
    for task in tasks {
        steps.extend(timeout(PATIENCE, task).await.unwrap().unwrap());
    }
    // Replayed in the order of their versions, each reads what the ones before have left. Who only looked comes after the
    // writer of the version that it saw.
    steps.sort_by_key(|step| (step.version, step.moved == 0));
    let mut accounts: BTreeMap<u64, u64> = (0..6).map(|account| (account, 100)).collect();
    for step in &steps {
        for (account, seen) in step.reads {
            assert_eq!(accounts[&account], seen, "account {account} at version {}", step.version);
        }
        *accounts.get_mut(&step.reads[0].0).unwrap() -= step.moved;
        *accounts.get_mut(&step.reads[1].0).unwrap() += step.moved;
    }
    let written = steps.iter().filter(|step| step.moved > 0).count();
    let mut versions: Vec<_> = steps.iter().filter(|step| step.moved > 0).map(|step| step.version).collect();
    versions.dedup();
    assert_eq!(versions.len(), written, "each commit has a version of its own");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn versions_that_are_raised_go_on_from_there_for_every_process() {
    let server = Server::shared();
    let options = server.fresh();
    let (here, there) = (connect(&options).await, connect(&options).await);
    put(&store(here.clone()), "a", 1).await;
    here.raise(Version::new(1000)).await.unwrap();
    here.raise(Version::new(10)).await.unwrap();
    for (backend, value) in [(there, 2), (here, 3)] {
        let store = store(backend);
        put(&store, "a", value).await;
        let mut snapshot = store.snapshot().await.unwrap();
        assert!(snapshot.version() > Version::new(1000), "{snapshot:?}");
        assert_eq!(snapshot.get(&number("a")).await, Ok(Some(Number(value))));
    }
}
