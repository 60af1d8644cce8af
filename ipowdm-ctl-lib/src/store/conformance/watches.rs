//! Watches: each transaction once, with all its keys; and what happens when some are lost.

use super::subject::Subject;
use super::{Number, Text, number};
use crate::store::{Change, Key, Prefix, Watch};
use core::time::Duration;
use std::collections::BTreeMap;
use tokio::time::timeout;

/// How long a notice may take on a loaded machine.
const PATIENCE: Duration = Duration::from_secs(30);

async fn next(watch: &mut Watch) -> Change {
    timeout(PATIENCE, watch.next()).await.expect("a change is missing").expect("the store is there")
}

/// The keys of the next transaction that is announced.
async fn next_keys(s: &Subject, watch: &mut Watch) -> Vec<String> {
    match next(watch).await {
        Change::Committed(notice) => {
            let mut keys: Vec<String> =
                notice.keys.iter().filter(|key| !s.is_mark(key)).map(ToString::to_string).collect();
            keys.sort();
            keys
        }
        other @ Change::Resync { .. } => panic!("expected a notice, got {other:?}"),
    }
}

pub(super) async fn s4_03_a_delete_of_an_absent_key_sends_no_notice(s: Subject) {
    let mut watch = s.store.watch(&Prefix::<Number>::all());
    let delete = async |name: &str| {
        let key = number(name);
        s.once(|tx| {
            tx.delete(&key);
            Ok(())
        })
        .await
        .unwrap();
    };
    s.transact(|tx| {
        tx.delete(&number("absent"));
        Ok::<_, crate::store::StoreError>(())
    })
    .await
    .unwrap();
    s.put_once("b", 1).await;
    // The first notice is that of the write.
    assert_eq!(next_keys(&s, &mut watch).await, ["conformance-number/1:b,"]);
    delete("b").await;
    assert_eq!(next_keys(&s, &mut watch).await, ["conformance-number/1:b,"]);
}

pub(super) async fn s4_12_a_watcher_sees_each_transaction_once_with_all_keys(s: Subject) {
    let mut watch = s.store.watch(&Prefix::<Number>::under(&["a"]));
    let text = Key::<Text>::new(&["beside"]);
    let mut committed = Vec::new();
    for round in 0..10 {
        let ((), version) = s
            .once(|tx| {
                tx.put(&number("a"), &Number(round))?;
                tx.put(&number("b"), &Number(round))?;
                tx.put(&text, &Text(round.to_string()))
            })
            .await
            .unwrap();
        committed.push(version);
        s.put("unwatched", round).await;
    }
    s.put_once("a", 99).await;
    for version in committed {
        let Change::Committed(notice) = next(&mut watch).await else { panic!("a notice is missing") };
        assert_eq!(notice.version, version, "notices come once, in commit order");
        let mut keys: Vec<_> =
            notice.keys.iter().filter(|key| !s.is_mark(key)).map(ToString::to_string).collect();
        keys.sort();
        assert_eq!(
            keys,
            ["conformance-number/1:a,", "conformance-number/1:b,", "conformance-text/6:beside,"]
        );
    }
    assert_eq!(next_keys(&s, &mut watch).await, ["conformance-number/1:a,"], "announced twice");
}

pub(super) async fn s4_12_who_has_committed_reads_its_write_and_the_notice_is_there(s: Subject) {
    let mut watch = s.store.watch(&Prefix::<Number>::all());
    for round in 0..50 {
        s.put_once("a", round).await;
        assert_eq!(s.read("a").await, Some(round));
        assert_eq!(next_keys(&s, &mut watch).await, ["conformance-number/1:a,"]);
    }
}

pub(super) async fn s4_13_a_watcher_of_one_key_gets_a_large_transaction(s: Subject) {
    const KEYS: usize = 10_000;
    let keys: Vec<Key<Number>> = (0..KEYS).map(|i| number(&format!("{i:05}"))).collect();
    let mut one = s.store.watch_raw(vec![keys[7_777].raw().clone()]);
    let mut other = s.store.watch(&Prefix::<Text>::all());
    let few = s.with_options(|options| options.check_repeatable = false);
    for count in [KEYS, 1] {
        let ((), version) = few
            .once(|tx| {
                keys.iter().skip(7_777).chain(&keys).take(count).try_for_each(|key| tx.put(key, &Number(1)))
            })
            .await
            .unwrap();
        let Change::Committed(notice) = next(&mut one).await else { panic!("a notice is missing") };
        assert_eq!(notice.version, version);
        assert_eq!(notice.keys.iter().filter(|key| !s.is_mark(key)).count(), count.min(KEYS));
    }
    // Whom it does not concern is not told: the first that this watcher sees is what it watches.
    let text = Key::<Text>::new(&["own"]);
    s.once(|tx| tx.put(&text, &Text(String::new()))).await.unwrap();
    assert_eq!(next_keys(&s, &mut other).await, ["conformance-text/3:own,"]);
}

pub(super) async fn s4_14_watchers_converge_after_the_feed_was_lost(s: Subject) {
    const WATCHERS: usize = 20;
    let names: Vec<String> = (0..WATCHERS).map(|i| i.to_string()).collect();
    for name in &names {
        s.put(name, 0).await;
    }
    let mut watches: Vec<Watch> =
        names.iter().map(|name| s.store.watch_raw(vec![number(name).raw().clone()])).collect();
    let mut known: BTreeMap<&str, Option<i64>> = names.iter().map(|name| (name.as_str(), Some(0))).collect();
    s.changes().interrupted();
    for round in 1..=5 {
        for name in names.iter().skip(1).step_by(2) {
            s.put(name, round).await;
        }
    }
    s.changes().restored();
    for (name, watch) in names.iter().zip(&mut watches) {
        assert_eq!(next(watch).await, Change::Resync { missed: None });
        known.insert(name, s.read(name).await);
    }
    for (index, name) in names.iter().enumerate() {
        assert_eq!(known[name.as_str()], Some(if index % 2 == 1 { 5 } else { 0 }));
    }
    // One signal, and after it the feed is as before.
    s.put_once("3", 9).await;
    assert_eq!(next_keys(&s, &mut watches[3]).await, ["conformance-number/1:3,"]);
}

pub(super) async fn s4_14_a_slow_watcher_is_told_once_to_read_again(s: Subject) {
    let mut watch = s.store.watch(&Prefix::<Number>::all());
    let mut other = s.store.watch(&Prefix::<Text>::all());
    let fast = s.with_options(|options| options.check_repeatable = false);
    let backlog = i64::try_from(s.changes().backlog()).unwrap();
    for round in 0..backlog + 100 {
        fast.put("a", round).await;
    }
    // Notices come in the order of commits: with this one, those of all writes before it have been delivered, also where the
    // last of them was another process's, which nobody here has waited for.
    let text = Key::<Text>::new(&["all of them"]);
    s.once(|tx| tx.put(&text, &Text(String::new()))).await.unwrap();
    assert_eq!(next_keys(&s, &mut other).await, ["conformance-text/11:all of them,"]);
    let first = next(&mut watch).await;
    let Change::Resync { missed: Some(missed) } = first else { panic!("{first:?}") };
    assert!(missed >= 100, "{missed}");
    // What follows the loss is announced as ever.
    s.put_once("last", 1).await;
    assert_eq!(next_keys(&s, &mut watch).await, ["conformance-number/4:last,"]);
}
