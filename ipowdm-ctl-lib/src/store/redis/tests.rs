//! What needs no server: how commits are followed and what is kept in memory.

use super::super::backend::{Batch, Range, Write};
use super::super::{Change, RawKey, Value, WatchSource};
use super::cache::Cache;
use super::mirror::{Applied, Entry, Mirror};
use std::sync::Arc;

fn key(text: &str) -> RawKey {
    RawKey::from_stored(text)
}

fn value(byte: u8) -> Option<Value> {
    Some(Value::from(vec![byte]))
}

fn entry(version: u64, keys: &[&str]) -> Entry {
    let by = |version| format!("w:{version}:0");
    Entry {
        version,
        by: by(version),
        after: by(version - 1),
        keys: keys.iter().map(|text| key(text)).collect(),
    }
}

#[tokio::test]
async fn s4_12_each_commit_is_announced_once_however_often_it_is_heard_of() {
    let changes = WatchSource::new();
    let mut watch = changes.subscribe(vec![key("")]);
    let mut mirror = Mirror::new(7, "w:7:0".to_owned(), 1 << 20);
    assert_eq!(mirror.apply(entry(7, &["k/a"]), &changes), Applied::Known);
    assert_eq!(mirror.apply(entry(8, &["k/a"]), &changes), Applied::Next);
    assert_eq!(mirror.apply(entry(10, &["k/b"]), &changes), Applied::Gap);
    let after = "somebody else's 8".to_owned();
    assert_eq!(mirror.apply(Entry { after, ..entry(9, &["k/b"]) }, &changes), Applied::Gap);
    assert_eq!(mirror.apply(entry(8, &["k/a"]), &changes), Applied::Known);
    assert_eq!(mirror.apply(entry(9, &["k/b"]), &changes), Applied::Next);
    assert_eq!((mirror.applied(), mirror.anchor()), (9, "w:9:0"));
    changes.deliver();
    drop(changes);
    let mut seen = Vec::new();
    while let Some(Change::Committed(notice)) = watch.next().await {
        seen.push(notice.version.get());
    }
    assert_eq!(seen, [8, 9]);
}

#[test]
fn what_was_read_conflicts_with_what_was_changed_since() {
    let changes = WatchSource::new();
    let mut mirror = Mirror::new(10, "w:10:0".to_owned(), 1 << 20);
    mirror.apply(entry(11, &["k/a", "k/b"]), &changes);
    mirror.apply(entry(12, &["l/c"]), &changes);
    assert!(mirror.touched(10, &[key("k/b")], &[]));
    assert!(!mirror.touched(11, &[key("k/b")], &[]));
    assert!(mirror.touched(11, &[], &[key("l/")]));
    assert!(!mirror.touched(10, &[key("k/c")], &[key("m/")]));
    // What is older than all that is known cannot be vouched for, unless nothing was read.
    assert!(mirror.touched(9, &[key("k/c")], &[]));
    assert!(!mirror.touched(9, &[], &[]));
}

#[test]
fn a_lost_thread_makes_everything_before_it_unreadable() {
    let changes = WatchSource::new();
    let mut mirror = Mirror::new(10, "w:10:0".to_owned(), 1 << 20);
    mirror.keep(&key("k/a"), 10, value(1));
    mirror.restart(11, "open:x".to_owned(), &changes);
    assert!(!mirror.holds(10));
    assert!(mirror.holds(11));
    assert_eq!(mirror.get(&key("k/a"), 11), None);
    assert!(mirror.touched(10, &[key("k/b")], &[]));
}

#[test]
fn s4_12_own_writes_are_readable_at_once_and_not_before_their_version() {
    let changes = WatchSource::new();
    let mut mirror = Mirror::new(10, "w:10:0".to_owned(), 1 << 20);
    mirror.keep(&key("k/a"), 10, value(1));
    let write = Write { key: key("k/a"), value: value(2) };
    mirror.expect("w:11:0".to_owned(), Arc::new(Batch { writes: vec![write], ..Batch::default() }));
    assert_eq!(mirror.get(&key("k/a"), 10), Some(value(1)));
    mirror.apply(entry(11, &["k/a"]), &changes);
    assert_eq!(mirror.get(&key("k/a"), 10), None);
    assert_eq!(mirror.get(&key("k/a"), 11), Some(value(2)));
}

#[test]
fn what_changed_after_it_was_read_is_not_kept() {
    let changes = WatchSource::new();
    let mut mirror = Mirror::new(10, "w:10:0".to_owned(), 1 << 20);
    mirror.apply(entry(11, &["k/a"]), &changes);
    let range = Range { prefix: key("k/"), after: None, limit: None };
    mirror.keep(&key("k/a"), 10, value(1));
    mirror.keep_range(&range, 10, &Arc::from([]));
    assert_eq!(mirror.get(&key("k/a"), 11), None);
    assert_eq!(mirror.scan(&range, 11), None);
    mirror.keep_range(&range, 11, &Arc::from([]));
    assert!(mirror.scan(&range, 11).is_some());
    mirror.apply(entry(12, &["k/b"]), &changes);
    assert_eq!(mirror.scan(&range, 12), None);
}

#[test]
fn the_cache_stays_within_its_bytes_and_keeps_what_is_used() {
    let mut cache = Cache::new(100_000);
    cache.keep(key("k/hot"), 1, value(1));
    for i in 0..10_000 {
        cache.keep(key(&format!("k/{i}")), 1, Some(Value::from(vec![0; 100])));
        assert_eq!(cache.get(&key("k/hot"), 1), Some(value(1)));
    }
    let kept = (0..10_000).filter(|i| cache.get(&key(&format!("k/{i}")), 1).is_some()).count();
    assert!((100..600).contains(&kept), "{kept}");
    cache.forget(&key("k/hot"));
    assert_eq!(cache.get(&key("k/hot"), 1), None);
}
