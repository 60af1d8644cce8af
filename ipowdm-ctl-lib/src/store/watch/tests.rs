//! Whom a commit concerns, limits, and what is left when watchers have gone.

use super::*;
use core::task::{Context, Poll, Waker};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

fn key(text: &str) -> RawKey {
    RawKey::from_stored(text)
}

fn notice(version: u64, keys: &[&str]) -> Notice {
    Notice { version: Version::new(version), keys: keys.iter().map(|text| key(text)).collect() }
}

/// The next change, where there is one at once.
fn poll(watch: &Watch) -> Option<Change> {
    match watch.queue.poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(change) => change,
        Poll::Pending => None,
    }
}

fn versions(watch: &Watch) -> Vec<u64> {
    core::iter::from_fn(|| match poll(watch) {
        Some(Change::Committed(notice)) => Some(notice.version.get()),
        _ => None,
    })
    .collect()
}

proptest! {
    /// Both ways to find the watchers of a commit agree with a look at every key and every prefix.
    #[test]
    fn s4_13_a_commit_reaches_exactly_whom_it_concerns_in_both_modes(
        prefixes in proptest::collection::vec(proptest::collection::vec("[ab]{0,3}", 0..3), 0..8),
        singles in proptest::collection::vec(proptest::collection::vec("[ab]{1,4}", 0..3), 0..8),
        commits in proptest::collection::vec(proptest::collection::btree_set("[ab]{1,4}", 1..6), 1..6),
    ) {
        for per_key in [0, 3, usize::MAX] {
            let source = WatchSource::with_options(WatchOptions { per_key, ..WatchOptions::default() });
            let by_prefix: Vec<_> = prefixes
                .iter()
                .map(|own| (own, source.subscribe(own.iter().map(|text| key(text)).collect())))
                .collect();
            let by_key: Vec<_> = singles
                .iter()
                .map(|own| (own, source.subscribe_keys(own.iter().map(|text| key(text)))))
                .collect();
            for (number, commit) in (1..).zip(&commits) {
                source.announce(notice(number, &commit.iter().map(String::as_str).collect::<Vec<_>>()));
            }
            let expected = |concerns: &dyn Fn(&str) -> bool| -> Vec<u64> {
                let told = (1..).zip(&commits).filter(|(_, commit)| commit.iter().any(|key| concerns(key)));
                told.map(|(number, _)| number).collect()
            };
            for (own, watch) in &by_prefix {
                let concerns = |key: &str| own.iter().any(|prefix| key.starts_with(prefix.as_str()));
                prop_assert_eq!(versions(watch), expected(&concerns));
            }
            for (own, watch) in &by_key {
                let concerns = |key: &str| own.iter().any(|single| single == key);
                prop_assert_eq!(versions(watch), expected(&concerns));
            }
        }
    }
}

#[test]
fn s4_12_a_repeated_notice_is_ignored() {
    let source = WatchSource::new();
    let watch = source.subscribe(vec![key("")]);
    for version in [1, 1, 2, 1, 2, 3] {
        source.announce(notice(version, &["k/a"]));
    }
    assert_eq!(versions(&watch), [1, 2, 3]);
}

#[test]
fn s4_14_an_overflow_and_a_lost_feed_are_each_told_once() {
    let source = WatchSource::with_options(WatchOptions { backlog: 3, ..WatchOptions::default() });
    let watch = source.subscribe(vec![key("k/")]);
    for version in 1..=6 {
        source.announce(notice(version, &["k/a"]));
    }
    assert_eq!(poll(&watch), Some(Change::Resync { missed: Some(6) }));
    assert_eq!(poll(&watch), None);
    source.announce(notice(7, &["k/a"]));
    assert_eq!(versions(&watch), [7]);

    source.announce(notice(8, &["k/a"]));
    source.interrupted();
    source.announce(notice(9, &["k/a"]));
    source.restored();
    source.announce(notice(10, &["k/a"]));
    // What was announced after the feed was there again may be read already, and may not.
    assert_eq!(poll(&watch), Some(Change::Resync { missed: None }));
    assert_eq!(versions(&watch), Vec::<u64>::new());
    source.announce(notice(11, &["k/a"]));
    assert_eq!(versions(&watch), [11]);
}

#[test]
fn a_watcher_learns_that_the_store_is_gone_after_what_it_has_told() {
    let source = WatchSource::new();
    let mut watch = source.subscribe(vec![key("")]);
    source.announce(notice(1, &["k/a"]));
    drop(source);
    assert_eq!(versions(&watch), [1]);
    let end = futures_util::FutureExt::now_or_never(watch.next());
    assert_eq!(end, Some(None));
}

/// A small generator of reproducible pseudo-random numbers.
fn random(state: &mut u64, bound: u64) -> u64 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    *state % bound
}

#[test]
fn s4_11_reference_counts_are_exact_after_ten_thousand_operations() {
    let source = WatchSource::new();
    let mut watch = RequesterWatch::new(&source);
    let mut model: BTreeMap<String, BTreeSet<RawKey>> = BTreeMap::new();
    let keys: Vec<RawKey> = (0..200).map(|number| key(&format!("k/{number}"))).collect();
    let state = &mut 0x1234_5678_u64;
    for _ in 0..10_000 {
        let requester = format!("r{}", random(state, 20));
        let some: Vec<RawKey> = (0..=random(state, 4))
            .map(|_| keys[usize::try_from(random(state, 200)).unwrap()].clone())
            .collect();
        match random(state, 10) {
            0..5 => {
                model.entry(requester.clone()).or_default().extend(some.iter().cloned());
                watch.watch(&requester, some);
            }
            5..9 => {
                if let Some(wanted) = model.get_mut(&requester) {
                    wanted.retain(|key| !some.contains(key));
                }
                watch.unwatch(&requester, &some);
            }
            _ => {
                model.remove(&requester);
                watch.unwatch_all(&requester);
            }
        }
        let probe = &keys[usize::try_from(random(state, 200)).unwrap()];
        let expected: Vec<&str> = model
            .iter()
            .filter(|(_, wanted)| wanted.contains(probe))
            .map(|(requester, _)| requester.as_str())
            .collect();
        assert_eq!(watch.requesters_of(probe).collect::<Vec<_>>(), expected);
        assert_eq!(watch.count(probe), expected.len());
    }
    for (requester, wanted) in &model {
        assert!(watch.watched_by(requester).eq(wanted));
    }
    let distinct: BTreeSet<_> = model.values().flatten().collect();
    assert_eq!((watch.len(), source.watched()), (distinct.len(), distinct.len()));
    // Nothing is left when the last of them has gone.
    model.keys().for_each(|requester| watch.unwatch_all(requester));
    assert!(watch.is_empty());
    assert_eq!((source.watched(), source.watchers()), (0, 1));
    drop(watch);
    assert_eq!(source.watchers(), 0);
    assert_eq!(source.shared.waiting.lock().unwrap().len(), 0);
}

#[test]
fn s4_11_memory_is_given_back_when_thousands_of_watchers_have_gone() {
    let source = WatchSource::new();
    let watches: Vec<Watch> = (0..10_000)
        .map(|number| source.subscribe(vec![key("k/shared"), key(&format!("k/{number}"))]))
        .collect();
    assert_eq!(source.watched(), 10_001);
    source.announce(notice(1, &["k/shared"]));
    assert!(watches.iter().all(|watch| versions(watch) == [1]));
    drop(watches);
    assert_eq!(source.watched(), 0);
    let index = lock(&source.shared.index);
    assert!(index.is_small(), "{index:?}");
}

#[test]
fn s4_11_a_requester_is_told_what_concerns_it() {
    let source = WatchSource::new();
    let mut watch = RequesterWatch::new(&source);
    watch.watch("left", [key("k/a"), key("k/b")]);
    watch.watch("right", [key("k/b")]);
    let mut next = || futures_util::FutureExt::now_or_never(watch.next()).flatten().map(|(_, whom)| whom);
    source.announce(notice(1, &["k/a", "k/c"]));
    assert_eq!(next(), Some(vec!["left".to_owned()]));
    source.announce(notice(2, &["k/b"]));
    assert_eq!(next(), Some(vec!["left".to_owned(), "right".to_owned()]));
    source.announce(notice(3, &["k/c"]));
    assert_eq!(next(), None);
    source.restored();
    assert_eq!(next(), Some(vec!["left".to_owned(), "right".to_owned()]));
}
