//! Restoration of all connections on a link.

use super::*;
use crate::topology::UpDown;
use std::collections::BTreeMap;

/// a–b directly, and two ways round, the second one longer.
const DIAMOND: [(&str, &str, &str, u32); 5] = [
    ("ab", "a", "b", 10),
    ("ac", "a", "c", 10),
    ("cb", "c", "b", 10),
    ("ad", "a", "d", 30),
    ("db", "d", "b", 30),
];

async fn fail(db: &LinkDb, id: &str) {
    db.set_link_state(&link(id), None, Some(UpDown::Down)).await.unwrap();
}

/// Owners of every bit of every link, checked to be what the grants say.
async fn owners(db: &LinkDb) -> BTreeMap<(String, u16), String> {
    let view = db.topology().await.unwrap();
    let mut granted = BTreeMap::new();
    for grant in &view.grants {
        let (first, count) = bits(grant.slot);
        for hop in &grant.path.hops {
            for bit in first..first + count {
                let before =
                    granted.insert((hop.link.to_string(), bit), grant.request.connection_id.to_string());
                assert_eq!(before, None, "two owners of bit {bit} on link {}", hop.link);
            }
        }
    }
    let mut owned = BTreeMap::new();
    for of in &view.links {
        for held in db.spectrum(&of.id).await.unwrap().owners {
            let (first, count) = bits(held.slot);
            owned.extend(
                (first..first + count)
                    .map(|bit| ((of.id.to_string(), bit), held.owner.connection_id.to_string())),
            );
        }
    }
    assert_eq!(owned, granted);
    granted
}

fn names(grants: impl Iterator<Item = Grant>) -> Vec<String> {
    grants.map(|grant| grant.request.connection_id.to_string()).collect()
}

#[tokio::test]
async fn all_connections_of_a_failed_link_move_widest_first_and_stay_themselves() {
    let db = network(&DIAMOND).await;
    let mut old = BTreeMap::new();
    for (id, m) in [("narrow", 2), ("wide", 8), ("mid", 4)] {
        old.insert(id, db.allocate(request(id, "a", "b", m)).await.unwrap());
    }
    let beside = db.allocate(request("beside", "a", "c", 6)).await.unwrap();
    fail(&db, "ab").await;
    let done = db.restore(&link("ab"), RestorationRules::default()).await.unwrap();
    assert_eq!(names(done.restored.iter().map(|one| one.new.clone())), ["wide", "mid", "narrow"]);
    assert_eq!(done.unrestored, []);
    for Restored { old: had, new } in &done.restored {
        let id = had.request.connection_id.as_str();
        assert_eq!((had, new.incarnation), (&old[id], old[id].incarnation));
        assert!(new.path.hops.iter().all(|hop| hop.link != link("ab")));
        assert_eq!(db.grant(&had.request.connection_id).await.unwrap().as_ref(), Some(new));
    }
    // `beside` has bits 0…11 of a–c: who could stay at its frequency did.
    let at =
        |id: &str| done.restored.iter().find(|one| one.new.request.connection_id.as_str() == id).unwrap();
    assert_eq!(at("mid").new.frequency, old["mid"].frequency);
    assert_eq!(db.grant(&connection("beside")).await.unwrap(), Some(beside));
    assert_eq!(db.spectrum(&link("ab")).await.unwrap().owners, []);
    owners(&db).await;
    // Again: nothing is left to do.
    let before = dump(&db).await;
    let again = db.restore(&link("ab"), RestorationRules::default()).await.unwrap();
    assert_eq!((again.restored.len(), again.unrestored.len()), (0, 0));
    assert_eq!(dump(&db).await, before);
    for id in ["narrow", "wide", "mid", "beside"] {
        db.release(&connection(id)).await.unwrap();
    }
    assert!(owners(&db).await.is_empty());
}

#[tokio::test]
async fn equal_widths_are_placed_longest_first_and_policies_choose_the_frequency_where_it_need_not_stay() {
    let db =
        network(&[("ab", "a", "b", 10), ("bc", "b", "c", 10), ("ax", "a", "x", 20), ("xb", "x", "b", 20)])
            .await;
    db.allocate(request("short", "a", "b", 4)).await.unwrap();
    db.allocate(request("long", "a", "c", 4)).await.unwrap();
    fail(&db, "ab").await;
    let rules = RestorationRules { keep_frequency: false, ..RestorationRules::default() };
    let done = db.restore(&link("ab"), rules).await.unwrap();
    let places: Vec<_> = done
        .restored
        .iter()
        .map(|one| (one.new.request.connection_id.to_string(), bits(one.new.slot).0))
        .collect();
    assert_eq!(places, [("long".to_owned(), 0), ("short".to_owned(), 8)]);
    owners(&db).await;
}

#[tokio::test]
async fn who_finds_nothing_keeps_everything_and_the_others_go_round_it() {
    let db = network(&DIAMOND).await;
    // Both ways round have 16 steps left: room for one of 8 and one of 4, or for two narrow ones each.
    for id in ["ac", "cb", "ad", "db"] {
        set_free(&db, id, 0..16).await;
    }
    for (id, m) in [("wide", 8), ("wide2", 8), ("wide3", 8), ("narrow", 2)] {
        db.allocate(request(id, "a", "b", m)).await.unwrap();
    }
    fail(&db, "ab").await;
    let before = owners(&db).await;
    let done = db.restore(&link("ab"), RestorationRules::default()).await.unwrap();
    assert_eq!(names(done.restored.iter().map(|one| one.new.clone())), ["wide", "wide2"]);
    let kept: Vec<_> = done.unrestored.iter().map(|one| one.grant.request.connection_id.as_str()).collect();
    assert_eq!((kept, done.rule), (vec!["wide3", "narrow"], Unrestored::Keep));
    assert!(done.unrestored.iter().all(|one| one.reason.code() == Code::NoSpectrum));
    let after = owners(&db).await;
    for (place, owner) in before.iter().filter(|(_, owner)| ["wide3", "narrow"].contains(&owner.as_str())) {
        assert_eq!(after.get(place), Some(owner), "what is kept is kept whole");
    }
}

#[tokio::test]
async fn who_finds_nothing_is_gone_where_the_rule_says_so() {
    let db = network(&DIAMOND).await;
    for id in ["ac", "cb", "ad", "db"] {
        set_free(&db, id, 0..4).await;
    }
    for (id, m) in [("wide", 8), ("narrow", 2)] {
        db.allocate(request(id, "a", "b", m)).await.unwrap();
    }
    let quota = crate::spectrum::Quota { connections: Some(9), slot_links: None };
    db.set_vop_grant(VopGrant::pool(vop("vOp1"), vec![whole_band()]).with_quota(quota)).await.unwrap();
    fail(&db, "ab").await;
    let rules = RestorationRules { unrestored: Unrestored::Release, ..RestorationRules::default() };
    let done = db.restore(&link("ab"), rules).await.unwrap();
    assert_eq!((done.restored.len(), done.unrestored.len()), (1, 1));
    assert_eq!(db.grant(&connection("wide")).await.unwrap(), None);
    assert_eq!(db.spectrum(&link("ab")).await.unwrap().owners, []);
    let used = db.store().transact(|tx| db.usage_in(tx, &vop("vOp1"))).await.unwrap();
    assert_eq!((used.connections, used.slot_links), (1, 8), "two links instead of one");
    owners(&db).await;
    db.set_link_state(&link("ab"), None, Some(UpDown::Up)).await.unwrap();
    db.allocate(request("wide", "a", "b", 8)).await.unwrap();
}

#[tokio::test]
async fn a_link_that_is_up_is_left_all_the_same() {
    let db = network(&DIAMOND).await;
    db.allocate(request("c", "a", "b", 8)).await.unwrap();
    let done = db.restore(&link("ab"), RestorationRules::default()).await.unwrap();
    assert_eq!(done.restored[0].new.path.pops, [pop("a"), pop("c"), pop("b")]);
    assert_eq!(done.restored[0].new.frequency, done.restored[0].old.frequency);
}

#[tokio::test]
async fn a_restoration_that_is_rolled_back_leaves_no_trace() {
    let db = network(&DIAMOND).await;
    for i in 0..10 {
        db.allocate(request(&i.to_string(), "a", "b", 3)).await.unwrap();
    }
    let before = dump(&db).await;
    let undone: Result<(), LinkDbError> = db
        .store()
        .transact(|tx| {
            assert_eq!(db.restore_in(tx, &link("ab"), RestorationRules::default())?.restored.len(), 10);
            Err(LinkDbError::Store(StoreError::Stale))
        })
        .await;
    assert!(undone.is_err());
    assert_eq!(dump(&db).await, before);
}

#[tokio::test]
async fn a_link_that_is_not_known_is_not_restored_in_silence() {
    let db = network(&[("ab", "a", "b", 10)]).await;
    let error = db.restore(&link("zz"), RestorationRules::default()).await.unwrap_err();
    assert_eq!(error.code(), Code::UnknownLink);
}
