//! The engine over back ends that the memory back end is not: remote, failing, broken.

use super::*;
use crate::store::backend::{Lookup, Range, View, Want};
use crate::store::{BackendError, BoxFuture, CommitError, Value, WatchSource, conformance};
use futures_util::FutureExt as _;
use serde::{Deserialize, Serialize};
use std::collections::{HashMap, VecDeque};
use std::sync::Mutex;

/// What a wrapped back end does instead of its duty, next.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Fault {
    StaleLoad,
    LoadFails,
    ViewHangs,
    CommitFails,
    CommitBreaks,
    /// The commit is applied, but the answer never comes.
    CommitHangs,
}

/// A lasting defect of a wrapped back end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Defect {
    None,
    IgnoresReads,
    IgnoresScans,
    AppliesHalf,
    TellsOneKey,
    AnnouncesEmptyDeletes,
}

/// The memory back end behind a wire: a view knows nothing until it has loaded it.
#[derive(Debug)]
struct Remote {
    memory: MemoryBackend,
    defect: Defect,
    faults: Mutex<VecDeque<Fault>>,
    /// How often something was loaded.
    loads: std::sync::atomic::AtomicU32,
    /// Notices, where the defect is in them.
    changes: WatchSource,
}

impl Remote {
    fn new(defect: Defect) -> Self {
        Self {
            memory: MemoryBackend::new(),
            defect,
            faults: Mutex::default(),
            loads: std::sync::atomic::AtomicU32::new(0),
            changes: WatchSource::new(),
        }
    }

    fn with(faults: impl IntoIterator<Item = Fault>) -> Self {
        let remote = Self::new(Defect::None);
        remote.faults.lock().unwrap().extend(faults);
        remote
    }

    /// Takes the next fault where it is one of these.
    fn strikes(&self, of: &[Fault]) -> Option<Fault> {
        let mut faults = self.faults.lock().unwrap();
        let next = faults.front().filter(|fault| of.contains(fault)).cloned();
        if next.is_some() {
            faults.pop_front();
        }
        next
    }
}

struct RemoteView {
    remote: Arc<Remote>,
    memory: Box<dyn View>,
    keys: HashMap<RawKey, Option<Value>>,
    ranges: Vec<(Range, Vec<(RawKey, Value)>)>,
}

fn known<T>(lookup: Lookup<T>) -> T {
    match lookup {
        Lookup::Known(value) => value,
        Lookup::NotLoaded => panic!("the memory back end knows everything"),
    }
}

impl View for RemoteView {
    fn version(&self) -> Version {
        self.memory.version()
    }

    fn get(&self, key: &RawKey) -> Result<Lookup<Option<Value>>, BackendError> {
        Ok(self.keys.get(key).cloned().map_or(Lookup::NotLoaded, Lookup::Known))
    }

    fn scan(&self, range: &Range) -> Result<Lookup<Vec<(RawKey, Value)>>, BackendError> {
        let loaded = self.ranges.iter().find(|(loaded, _)| loaded == range);
        Ok(loaded.map_or(Lookup::NotLoaded, |(_, entries)| Lookup::Known(entries.clone())))
    }

    fn load<'a>(&'a mut self, wants: &'a [Want]) -> BoxFuture<'a, Result<(), BackendError>> {
        Box::pin(async move {
            tokio::task::yield_now().await;
            self.remote.loads.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
            match self.remote.strikes(&[Fault::StaleLoad, Fault::LoadFails]) {
                Some(Fault::StaleLoad) => return Err(BackendError::Stale),
                Some(_) => return Err(BackendError::Unavailable { reason: "injected".to_owned() }),
                None => {}
            }
            for want in wants {
                match want {
                    Want::Key(key) => {
                        self.keys.insert(key.clone(), known(self.memory.get(key)?));
                    }
                    Want::Range(range) => {
                        self.ranges.push((range.clone(), known(self.memory.scan(range)?)));
                    }
                }
            }
            Ok(())
        })
    }
}

impl Backend for Arc<Remote> {
    fn view(&self) -> BoxFuture<'_, Result<Box<dyn View>, BackendError>> {
        // The view outlives the borrow of the back end, so it gets a handle of its own.
        let remote = Arc::clone(self);
        Box::pin(async move {
            if remote.strikes(&[Fault::ViewHangs]).is_some() {
                core::future::pending::<()>().await;
            }
            let memory = remote.memory.view().await?;
            let (keys, ranges) = (HashMap::new(), Vec::new());
            Ok(Box::new(RemoteView { remote, memory, keys, ranges }) as Box<dyn View>)
        })
    }

    fn commit(&self, batch: Batch) -> BoxFuture<'_, Result<Version, CommitError>> {
        Box::pin(async move {
            let fault = self.strikes(&[Fault::CommitFails, Fault::CommitBreaks, Fault::CommitHangs]);
            let reason = "injected".to_owned();
            match fault {
                Some(Fault::CommitFails) => return Err(CommitError::Unavailable { reason }),
                Some(Fault::CommitBreaks) => return Err(CommitError::Indeterminate { reason }),
                _ => {}
            }
            let written: Vec<RawKey> = batch.writes.iter().map(|write| write.key.clone()).collect();
            let version = self.memory.commit(self.defect.damage(batch)).await?;
            match self.defect {
                Defect::TellsOneKey => {
                    let keys = written.into_iter().take(1).collect();
                    self.changes.announce(crate::store::Notice { version, keys });
                }
                Defect::AnnouncesEmptyDeletes => {
                    self.changes.announce(crate::store::Notice { version, keys: written.into() });
                }
                _ => {}
            }
            if fault == Some(Fault::CommitHangs) {
                core::future::pending::<()>().await;
            }
            Ok(version)
        })
    }

    fn changes(&self) -> &WatchSource {
        match self.defect {
            Defect::TellsOneKey | Defect::AnnouncesEmptyDeletes => &self.changes,
            _ => self.memory.changes(),
        }
    }
}

impl Defect {
    fn damage(self, mut batch: Batch) -> Batch {
        match self {
            Self::IgnoresReads => batch.reads.clear(),
            Self::IgnoresScans => batch.scans.clear(),
            Self::AppliesHalf if batch.writes.len() > 50 => batch.writes.truncate(50),
            _ => {}
        }
        batch
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Number(u32);

impl Record for Number {
    const KIND: &'static str = "number";
    const VERSION: u8 = 1;
}

fn number(name: &str) -> Key<Number> {
    Key::new(&[name])
}

/// A store over a back end with these faults, and the back end.
fn faulty(faults: impl IntoIterator<Item = Fault>) -> (Store, Arc<Remote>) {
    let remote = Arc::new(Remote::with(faults));
    (Store::new(Arc::new(Arc::clone(&remote)), StoreOptions::default()), remote)
}

/// Adds one to what `a` refers to by way of `b`: two reads, the second known only after the first.
async fn follow(store: &Store) -> Result<u32, StoreError> {
    store
        .transact(|tx| {
            let name = if tx.get(&number("a"))?.is_some() { "b" } else { "c" };
            let Number(n) = tx.get(&number(name))?.unwrap_or(Number(0));
            tx.put(&number(name), &Number(n + 1))?;
            Ok(n + 1)
        })
        .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_back_end_that_loads_on_demand_conforms() {
    conformance::run("memory, loading on demand", async || {
        Arc::new(Arc::new(Remote::new(Defect::None))) as _
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_conformance_suite_finds_broken_back_ends() {
    let broken = [
        Defect::IgnoresReads,
        Defect::IgnoresScans,
        Defect::AppliesHalf,
        Defect::TellsOneKey,
        Defect::AnnouncesEmptyDeletes,
    ];
    for defect in broken {
        let suite =
            conformance::run("broken on purpose", async || Arc::new(Arc::new(Remote::new(defect))) as _);
        let found = std::panic::AssertUnwindSafe(suite).catch_unwind().await;
        assert!(found.is_err(), "{defect:?} was not found");
    }
}

#[tokio::test]
async fn s4_07_reads_that_depend_on_each_other_are_loaded_and_the_updater_is_run_again() {
    let (store, _) = faulty([]);
    assert_eq!(follow(&store).await, Ok(1));
    assert_eq!(follow(&store).await, Ok(2));
    assert_eq!(store.get(&number("c")).await, Ok(Some(Number(2))));
}

#[tokio::test]
async fn a_view_that_went_stale_is_taken_anew() {
    let (store, remote) = faulty([Fault::StaleLoad, Fault::StaleLoad]);
    assert_eq!(follow(&store).await, Ok(1));
    assert!(remote.faults.lock().unwrap().is_empty());
}

#[tokio::test]
async fn s4_08_a_stale_snapshot_says_so() {
    let (store, _) = faulty([Fault::StaleLoad]);
    let mut snapshot = store.snapshot().await.unwrap();
    assert_eq!(snapshot.get(&number("a")).await, Err(StoreError::Stale));
}

#[tokio::test]
async fn s4_08_a_walk_begins_anew_where_its_version_is_gone_and_never_mixes_two() {
    let (store, remote) = faulty([Fault::StaleLoad, Fault::StaleLoad]);
    assert_eq!(follow(&store).await, Ok(1));
    let read = async || {
        store
            .walk(|walk| {
                let a = walk.get(&number("a"))?;
                Ok::<_, StoreError>((a, walk.get(&number("c"))?))
            })
            .await
    };
    assert_eq!(read().await, Ok((None, Some(Arc::new(Number(1))))));
    remote.faults.lock().unwrap().extend(core::iter::repeat_n(Fault::StaleLoad, 99));
    assert_eq!(read().await, Ok((None, Some(Arc::new(Number(1))))));
    remote.faults.lock().unwrap().extend(core::iter::repeat_n(Fault::StaleLoad, 100));
    assert_eq!(read().await, Err(StoreError::Stale), "it says so rather than answer from two versions");
}

#[tokio::test]
async fn s4_06_many_keys_are_loaded_in_one_go() {
    let (store, remote) = faulty([]);
    let keys: Vec<_> = (0..100).map(|i| number(&i.to_string())).collect();
    store.transact(|tx| keys.iter().try_for_each(|key| tx.put(key, &Number(1)))).await.unwrap();
    let loads = || remote.loads.load(std::sync::atomic::Ordering::SeqCst);
    let before = loads();
    let all = store.snapshot().await.unwrap().get_many(&keys).await.unwrap();
    assert_eq!((all, loads()), (vec![Some(Number(1)); 100], before + 1));
    store.transact(|tx| tx.get_many(&keys)).await.unwrap();
    assert_eq!(loads(), before + 2);
}

#[tokio::test]
async fn failures_are_told_apart_and_write_nothing() {
    let failed = StoreError::Unavailable { reason: "injected".to_owned() };
    for fault in [Fault::LoadFails, Fault::CommitFails] {
        let (store, _) = faulty([fault]);
        assert_eq!(follow(&store).await, Err(failed.clone()));
        assert_eq!(store.get(&number("c")).await, Ok(None));
    }
    let (store, _) = faulty([Fault::CommitBreaks]);
    let unknown = StoreError::Indeterminate { reason: "injected".to_owned() };
    assert_eq!(follow(&store).await, Err(unknown));
}

#[tokio::test(start_paused = true)]
async fn s4_05_a_back_end_that_hangs_meets_the_deadline() {
    let (store, _) = faulty([Fault::ViewHangs]);
    let limit = StoreOptions::default().deadline;
    assert_eq!(follow(&store).await, Err(StoreError::Deadline { limit }));
    assert_eq!(store.get(&number("c")).await, Ok(None));
    // A commit that was cut off may have taken effect; this one has.
    let (store, _) = faulty([Fault::CommitHangs]);
    let error = follow(&store).await.unwrap_err();
    assert!(matches!(error, StoreError::Indeterminate { .. }), "{error}");
    assert_eq!(store.get(&number("c")).await, Ok(Some(Number(1))));
}

#[tokio::test]
async fn a_result_that_differs_between_runs_is_refused() {
    let store = Store::memory().with_options(|options| options.check_repeatable = true);
    let mut runs = 0;
    let result: Result<(), StoreError> = store
        .transact(|_| {
            runs += 1;
            if runs == 1 { Ok(()) } else { Err(StoreError::Stale) }
        })
        .await;
    assert!(matches!(result, Err(StoreError::NotRepeatable { .. })), "{result:?}");
}
