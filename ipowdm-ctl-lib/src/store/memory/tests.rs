//! History: kept for open views, dropped after them.

use super::*;
use proptest::prelude::*;
use std::collections::BTreeMap;

fn key(text: &str) -> RawKey {
    RawKey::from_stored(text)
}

fn put(backend: &MemoryBackend, name: &str, value: Option<&[u8]>) -> Version {
    let writes = vec![Write { key: key(name), value: value.map(Value::from) }];
    backend.commit_now(Batch { writes, ..Batch::default() }, false).unwrap()
}

/// How many values are held for a key, where it is there.
fn length(backend: &MemoryBackend, name: &str) -> Option<usize> {
    let key = key(name);
    read(backend.shared.shard(&key)).get(&key).map(Chain::length)
}

#[test]
fn history_is_kept_for_open_views_and_dropped_after_them() {
    let backend = MemoryBackend::new();
    put(&backend, "k/a", Some(&[0]));
    let old = backend.latest_view();
    for i in 1..100_u8 {
        put(&backend, "k/a", Some(&[i]));
    }
    put(&backend, "k/a", None);
    assert_eq!(old.get(&key("k/a")), Ok(Lookup::Known(Some(Value::from([0].as_slice())))));
    assert_eq!(length(&backend, "k/a"), Some(101));
    drop(old);
    put(&backend, "k/b", Some(&[1]));
    assert_eq!(length(&backend, "k/a"), None);
    let central = lock(&backend.shared.central);
    assert!(central.superseded.is_empty());
    assert_eq!(central.views.oldest(), None);
    assert_eq!(backend.shared.kinds.under("k/")[0].keys("k/", None, 9), [key("k/b")]);
}

#[test]
fn a_view_that_lost_its_history_says_stale() {
    let backend = MemoryBackend::with_history(10);
    put(&backend, "k/a", Some(&[0]));
    let old = backend.latest_view();
    for _ in 0..12 {
        put(&backend, "k/a", Some(&[1]));
    }
    assert_eq!(old.get(&key("k/a")), Err(BackendError::Stale));
    let all = Range { prefix: key(""), after: None, limit: None };
    assert_eq!(old.scan(&all), Err(BackendError::Stale));
    let batch = Batch { version: old.version(), reads: vec![key("k/absent")], ..Batch::default() };
    assert_eq!(backend.commit_now(batch, false), Err(CommitError::Conflict));
    assert!(lock(&backend.shared.central).superseded.len() <= 10);
}

#[test]
fn insert_and_delete_after_a_view_is_a_conflict_for_a_reader_of_the_absent_key() {
    let backend = MemoryBackend::new();
    let old = backend.latest_view();
    put(&backend, "k/a", Some(&[0]));
    put(&backend, "k/a", None);
    let reader = |reads: &[&str], scans: &[&str]| Batch {
        version: old.version(),
        reads: reads.iter().map(|text| key(text)).collect(),
        scans: scans.iter().map(|text| key(text)).collect(),
        ..Batch::default()
    };
    for batch in [reader(&["k/a"], &[]), reader(&[], &["k/"]), reader(&[], &[""])] {
        assert_eq!(backend.commit_now(batch, false), Err(CommitError::Conflict));
    }
    // Without a view nothing of it is kept: then whatever was read so long ago counts as changed.
    let batch = reader(&["k/other"], &[]);
    drop(old);
    put(&backend, "k/b", Some(&[0]));
    put(&backend, "k/b", None);
    assert_eq!(backend.commit_now(batch, false), Err(CommitError::Conflict));
}

#[derive(Debug, Clone)]
enum Deed {
    Put(u8, Option<u8>),
    Open,
    Close(usize),
    Transact { view: usize, reads: Vec<u8>, scans: bool, write: u8 },
}

fn deed() -> impl Strategy<Value = Deed> {
    prop_oneof![
        4 => (0_u8..8, proptest::option::of(any::<u8>())).prop_map(|(key, value)| Deed::Put(key, value)),
        2 => Just(Deed::Open),
        1 => (0_usize..8).prop_map(Deed::Close),
        2 => (0_usize..8, proptest::collection::vec(0_u8..8, 0..3), any::<bool>(), 0_u8..8).prop_map(
            |(view, reads, scans, write)| Deed::Transact { view, reads, scans, write }
        ),
    ]
}

/// Two kinds whose order differs from that of their names.
fn name(number: u8) -> RawKey {
    key(&format!("{}/1:{number},", if number < 4 { "k" } else { "k-l" }))
}

type State = BTreeMap<RawKey, u8>;

/// A copy of everything after each commit, and the key that it wrote.
struct Model {
    states: Vec<State>,
    written: Vec<RawKey>,
}

impl Model {
    /// Follows a commit of one write; answers its outcome and the version that the store must be at.
    fn commit(
        &mut self,
        outcome: Result<Version, CommitError>,
        key: RawKey,
        value: Option<u8>,
    ) -> (Result<Version, CommitError>, u64) {
        let before = self.states.last().unwrap();
        let mut state = before.clone();
        match value {
            Some(value) => state.insert(key.clone(), value),
            None => state.remove(&key),
        };
        if outcome.is_ok() && (value.is_some() || state != *before) {
            self.states.push(state);
            self.written.push(key);
        }
        (outcome, self.states.len() as u64 - 1)
    }
}

proptest! {
    /// Every open view shows what a copy of the whole state taken at that time shows, and a batch is refused exactly where
    /// something it has read was written since.
    #[test]
    fn views_and_conflicts_are_those_of_a_store_that_copies_everything(
        deeds in proptest::collection::vec(deed(), 1..80),
    ) {
        let backend = MemoryBackend::new();
        let mut model = Model { states: vec![State::new()], written: vec![name(0)] };
        let mut views: Vec<MemoryView> = Vec::new();
        for deed in deeds {
            match deed {
                Deed::Put(number, value) => {
                    let write = Write { key: name(number), value: value.map(|value| Value::from(vec![value])) };
                    let batch = Batch { writes: vec![write], ..Batch::default() };
                    let (outcome, version) = model.commit(backend.commit_now(batch, false), name(number), value);
                    prop_assert_eq!(outcome, Ok(Version::new(version)));
                }
                Deed::Open => views.push(backend.latest_view()),
                Deed::Close(place) if place < views.len() => drop(views.remove(place)),
                Deed::Transact { view, reads, scans, write } if view < views.len() => {
                    let view = views.remove(view);
                    let since = usize::try_from(view.version).unwrap();
                    let concerns = |key: &RawKey| scans || reads.iter().any(|read| name(*read) == *key);
                    let conflict = model.written[since + 1..].iter().any(concerns);
                    let batch = Batch {
                        version: view.version(),
                        reads: reads.iter().map(|read| name(*read)).collect(),
                        scans: scans.then(|| key("k")).into_iter().collect(),
                        writes: vec![Write { key: name(write), value: Some(Value::from(vec![0])) }],
                        stamped: Vec::new(),
                    };
                    let (outcome, version) = model.commit(backend.commit_now(batch, true), name(write), Some(0));
                    let expected = if conflict { Err(CommitError::Conflict) } else { Ok(Version::new(version)) };
                    prop_assert_eq!(outcome, expected);
                }
                Deed::Close(_) | Deed::Transact { .. } => {}
            }
            for view in &views {
                let state = &model.states[usize::try_from(view.version).unwrap()];
                let all = Range { prefix: key(""), after: None, limit: None };
                let Ok(Lookup::Known(entries)) = view.scan(&all) else { panic!("a view is stale") };
                let shown: Vec<(RawKey, u8)> = entries.iter().map(|(key, value)| (key.clone(), value[0])).collect();
                let expected: Vec<(RawKey, u8)> = state.iter().map(|(key, value)| (key.clone(), *value)).collect();
                prop_assert_eq!(shown, expected);
                for number in 0..8 {
                    let Ok(Lookup::Known(value)) = view.get(&name(number)) else { panic!("a view is stale") };
                    prop_assert_eq!(value.map(|value| value[0]), state.get(&name(number)).copied());
                }
            }
        }
        drop(views);
        put(&backend, "end/", Some(&[1]));
        prop_assert!(lock(&backend.shared.central).superseded.is_empty());
        let held: usize = backend.shared.shards.iter().map(|shard| read(shard).values().map(Chain::length).sum::<usize>()).sum();
        let expected = model.states.last().map_or(0, BTreeMap::len) + 1;
        prop_assert_eq!(held, expected, "nothing superseded is left");
    }
}
