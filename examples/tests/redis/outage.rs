//! Links that are cut, servers that are killed, data that is lost.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use ipowdm_ctl_lib::store::redis::{Durability, RedisOptions};
use ipowdm_ctl_lib::store::{Change, Prefix, Store, StoreError, Watch};
use tokio::time::{sleep, timeout};

use super::proxy::{Faults, Proxy};
use super::server::{PATIENCE, Server, connect};
use super::{Number, number, put, read, store};

/// What a watcher holds, read again whenever it is told to.
#[derive(Default)]
struct Follower {
    values: BTreeMap<String, u64>,
    versions: Vec<u64>,
    resyncs: u32,
}

impl Follower {
    async fn read_all(&mut self, store: &Store) {
        let entries = store.scan(&Prefix::<Number>::all()).await.unwrap();
        self.values = entries.into_iter().map(|(key, Number(n))| (key.parts()[0].to_owned(), n)).collect();
    }

    /// Follows until a commit is known.
    async fn until(&mut self, store: &Store, watch: &mut Watch, version: u64) {
        loop {
            match timeout(PATIENCE, watch.next()).await.expect("the watcher learns it") {
                Some(Change::Committed(notice)) => self.versions.push(notice.version.get()),
                // Everything up to now is to be read again, so everything up to now is known then.
                Some(Change::Resync { .. }) => self.resyncs += 1,
                None => panic!("the store is gone"),
            }
            if self.resyncs > 0 || self.versions.last() >= Some(&version) {
                break self.read_all(store).await;
            }
        }
    }
}

/// Writes, and answers the version.
async fn written(store: &Store, name: &str, value: u64) -> u64 {
    let written = store.transact_versioned(|tx| tx.put(&number(name), &Number(value))).await;
    let version: Result<_, StoreError> = written.map(|((), version)| version);
    version.unwrap().get()
}

/// What came of a process whose link was cut while another wrote.
struct Cut {
    follower: Follower,
    written: Vec<u64>,
    /// What a view from before the cut says afterwards.
    old: Result<Option<Number>, StoreError>,
}

async fn cut_during(writes: u64, options: &RedisOptions) -> Cut {
    let mut through = options.clone();
    let proxy = Proxy::start(options.port, Faults::NONE).await;
    through.port = proxy.port();
    let (near, far) = (store(connect(options).await), store(connect(&through).await));
    let mut watch = far.watch(&Prefix::<Number>::all());
    let mut follower = Follower::default();
    let before = written(&near, "before", 1).await;
    follower.until(&far, &mut watch, before).await;
    let mut open = far.snapshot().await.unwrap();
    proxy.cut();
    let mut versions = Vec::new();
    for round in 0..writes {
        versions.push(written(&near, &(round % 10).to_string(), round).await);
    }
    proxy.heal();
    versions.push(written(&near, "after", 1).await);
    follower.until(&far, &mut watch, versions[versions.len() - 1]).await;
    let mut truth = Follower::default();
    truth.read_all(&near).await;
    assert_eq!(follower.values, truth.values, "a watched key is stale");
    Cut { follower, written: versions, old: open.get(&number("0")).await }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s4_14_after_a_cut_link_a_watcher_gets_every_commit_that_it_missed_once() {
    let server = Server::shared();
    let cut = cut_during(100, &server.fresh()).await;
    assert_eq!(cut.follower.resyncs, 0);
    assert_eq!(cut.follower.versions[1..], cut.written);
    assert_eq!(cut.old, Ok(None), "and views of before the cut are still right");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s4_14_after_a_cut_longer_than_the_history_a_watcher_is_told_to_resync() {
    let server = Server::shared();
    let mut options = server.fresh();
    options.history = 16;
    // The feed is trimmed in blocks, so more than one of these.
    let cut = cut_during(400, &options).await;
    assert_eq!(cut.follower.resyncs, 1);
    assert_eq!(cut.old, Err(StoreError::Stale));
}

#[tokio::test]
async fn without_a_link_nothing_is_read_from_memory_as_if_it_were_current() {
    let server = Server::shared();
    let proxy = Proxy::start(server.port(), Faults::NONE).await;
    let mut options = server.fresh();
    (options.port, options.patience) = (proxy.port(), Duration::from_millis(50));
    let store = store(connect(&options).await);
    put(&store, "a", 1).await;
    assert_eq!(read(&store, "a").await, Ok(Some(1)));
    proxy.cut();
    // The connection ends a moment after the cut, which may still carry an answer that the server gave before.
    let mut outcomes = Vec::new();
    while !matches!(outcomes.last(), Some(Err(_))) {
        outcomes.push(read(&store, "a").await);
    }
    let refused = outcomes.pop().unwrap();
    assert!(matches!(refused, Err(StoreError::Unavailable { .. })), "{refused:?}");
    let refused: Result<(), StoreError> = store.transact(|tx| tx.get(&number("a")).map(|_| ())).await;
    assert!(matches!(refused, Err(StoreError::Unavailable { .. })), "{refused:?}");
    let refused = store.transact(|tx| tx.put(&number("a"), &Number(2))).await;
    assert!(matches!(refused, Err(StoreError::Unavailable { .. })), "never sent: {refused:?}");
    proxy.heal();
    while read(&store, "a").await.is_err() {}
    assert_eq!(read(&store, "a").await, Ok(Some(1)));
}

#[tokio::test]
async fn a_commit_whose_answer_never_comes_is_indeterminate() {
    let server = Server::shared();
    let proxy = Proxy::start(server.port(), Faults::NONE).await;
    let options = server.fresh();
    let mut through = options.clone();
    (through.port, through.patience) = (proxy.port(), Duration::from_millis(50));
    let (near, far) = (store(connect(&options).await), store(connect(&through).await));
    put(&far, "a", 1).await;
    proxy.set(Faults::NO_ANSWERS);
    let outcome = far.transact(|tx| tx.put(&number("a"), &Number(2))).await;
    assert!(matches!(outcome, Err(StoreError::Indeterminate { .. })), "{outcome:?}");
    // This one came through; that is what nobody could know.
    assert_eq!(read(&near, "a").await, Ok(Some(2)));
    proxy.set(Faults::NONE);
    while read(&far, "a").await.is_err() {}
    assert_eq!(read(&far, "a").await, Ok(Some(2)));
}

/// Adds one to two counters in one transaction, for ever; counts what was acknowledged.
async fn count_up(store: Store, name: String, stop: Arc<AtomicBool>) -> u64 {
    let mut acknowledged = 0;
    while !stop.load(Ordering::Relaxed) {
        store
            .transact(|tx| {
                for part in ["left", "right"] {
                    let key = number(&format!("{name} {part}"));
                    let Number(n) = tx.get(&key)?.unwrap_or(Number(0));
                    tx.put(&key, &Number(n + 1))?;
                }
                Ok::<_, StoreError>(())
            })
            .await
            .unwrap();
        acknowledged += 1;
    }
    acknowledged
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_server_killed_in_the_middle_of_commits_loses_nothing_and_doubles_nothing() {
    let server = Server::start();
    let options = server.fresh();
    let stores = [store(connect(&options).await), store(connect(&options).await)];
    let stop = Arc::new(AtomicBool::new(false));
    let tasks: Vec<_> = (0..8)
        .map(|i| tokio::spawn(count_up(stores[i % 2].clone(), (i / 2).to_string(), Arc::clone(&stop))))
        .collect();
    for round in 0..5 {
        // Progress between the kills, as far as anybody can tell: some task has committed.
        let before = stores[0].snapshot().await.unwrap().version();
        while stores[0].snapshot().await.unwrap().version().get() < before.get() + 20 {
            sleep(Duration::from_millis(1)).await;
        }
        sleep(Duration::from_millis(7 * round)).await;
        server.kill();
        server.restart();
    }
    stop.store(true, Ordering::Relaxed);
    let mut acknowledged = [0; 4];
    for (i, task) in tasks.into_iter().enumerate() {
        acknowledged[i / 2] += timeout(PATIENCE, task).await.unwrap().unwrap();
    }
    let fresh = store(connect(&options).await);
    for (i, expected) in acknowledged.into_iter().enumerate() {
        for part in ["left", "right"] {
            let name = format!("{i} {part}");
            assert_eq!(read(&fresh, &name).await, Ok(Some(expected)), "{name}");
            assert_eq!(read(&stores[1], &name).await, Ok(Some(expected)), "{name}");
        }
    }
}

/// Waits for the word that everything is to be read again.
async fn resync(watch: &mut Watch) {
    loop {
        match timeout(PATIENCE, watch.next()).await.expect("the loss is noticed") {
            Some(Change::Resync { .. }) => return,
            Some(Change::Committed(_)) => {}
            None => panic!("the store is gone"),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_emptied_server_is_noticed_and_versions_go_on() {
    let server = Server::start();
    let options = server.fresh();
    let (one, two) = (store(connect(&options).await), store(connect(&options).await));
    for round in 0..10 {
        put(&one, "a", round).await;
    }
    let (mut watch_one, mut watch_two) =
        (one.watch(&Prefix::<Number>::all()), two.watch(&Prefix::<Number>::all()));
    assert_eq!(read(&two, "a").await, Ok(Some(9)));
    let mut old = one.snapshot().await.unwrap();
    let before = old.version();
    assert_eq!(server.say("FLUSHALL"), "+OK");
    // Nobody asks: the followers find out.
    resync(&mut watch_one).await;
    resync(&mut watch_two).await;
    assert_eq!(read(&one, "a").await, Ok(None));
    assert_eq!(read(&two, "a").await, Ok(None));
    assert_eq!(old.get(&number("b")).await, Err(StoreError::Stale));
    put(&two, "a", 1).await;
    assert!(one.snapshot().await.unwrap().version() > before);
    assert_eq!(read(&one, "a").await, Ok(Some(1)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_set_back_is_noticed_even_where_others_have_committed_since() {
    let server = Server::start();
    let mut options = server.fresh();
    options.durability = Durability::Relaxed;
    let witness = store(connect(&options).await);
    put(&witness, "a", 1).await;
    server.save_files();
    for round in 0..5 {
        put(&witness, "a", 10 + round).await;
    }
    let mut watch = witness.watch(&Prefix::<Number>::all());
    let seen = witness.snapshot().await.unwrap().version();
    // While the server is away, its files become those of a while ago, and somebody else is the first to come back.
    let committed = AtomicU64::new(0);
    server.kill();
    server.restore_files();
    let stranger = {
        // The witness comes back whenever it likes; the outcome is the same.
        server.restart();
        let stranger = store(connect(&options).await);
        for round in 0..20 {
            put(&stranger, "b", round).await;
            committed.fetch_add(1, Ordering::Relaxed);
        }
        stranger
    };
    resync(&mut watch).await;
    assert_eq!(read(&witness, "a").await, Ok(Some(1)));
    assert_eq!(read(&witness, "b").await, Ok(Some(19)));
    put(&witness, "a", 2).await;
    assert_eq!(read(&stranger, "a").await, Ok(Some(2)));
    assert!(stranger.snapshot().await.unwrap().version() > seen);
    assert_eq!(committed.load(Ordering::Relaxed), 20);
}
