//! Working and protecting connection together.

use super::*;
use crate::paths::Disjointness;

/// The trap: the shortest path a–b–c–d leaves no other, the best pair is a–b–d and a–c–d.
const TRAP: [(&str, &str, &str, u32); 5] = [
    ("ab", "a", "b", 10),
    ("bc", "b", "c", 10),
    ("cd", "c", "d", 10),
    ("bd", "b", "d", 100),
    ("ac", "a", "c", 100),
];

fn asked() -> (AllocationRequest, AllocationRequest) {
    (request("w", "a", "d", 6), request("p", "a", "d", 6))
}

fn links(grant: &Grant) -> Vec<&str> {
    grant.path.hops.iter().map(|hop| hop.link.as_str()).collect()
}

#[tokio::test]
async fn a_pair_shares_no_link_even_where_the_shortest_path_is_a_trap() {
    let db = network(&TRAP).await;
    let before = dump(&db).await;
    let (w, p) = asked();
    let pair = db.allocate_pair(&w, &p, Disjointness::Links).await.unwrap();
    let mut used = [links(&pair.working), links(&pair.protection)].concat();
    used.sort_unstable();
    assert_eq!(used, ["ab", "ac", "bd", "cd"]);
    let after = dump(&db).await;
    assert_eq!(db.allocate_pair(&w, &p, Disjointness::Links).await.unwrap(), pair);
    assert_eq!(dump(&db).await, after);
    for id in ["w", "p"] {
        assert!(db.release(&connection(id)).await.unwrap().is_some());
    }
    assert_eq!(dump(&db).await, before);
}

#[tokio::test]
async fn where_one_of_the_two_does_not_fit_neither_is_taken() {
    let db = network(&TRAP).await;
    set_free(&db, "ac", 0..11).await;
    let before = dump(&db).await;
    let (w, p) = asked();
    let error = db.allocate_pair(&w, &p, Disjointness::Links).await.unwrap_err();
    assert_eq!(error.code(), Code::NoSpectrum, "{error}");
    assert_eq!(dump(&db).await, before);
    // Each takes the slot that its own path has.
    set_free(&db, "ac", 20..40).await;
    let pair = db.allocate_pair(&w, &p, Disjointness::Links).await.unwrap();
    let mut starts = [bits(pair.working.slot).0, bits(pair.protection.slot).0];
    starts.sort_unstable();
    assert_eq!(starts, [0, 20]);
}

#[tokio::test]
async fn a_full_link_sends_the_pair_to_other_candidates() {
    let db = network(&[
        ("ab", "a", "b", 10),
        ("ac", "a", "c", 10),
        ("cb", "c", "b", 10),
        ("ad", "a", "d", 20),
        ("db", "d", "b", 20),
    ])
    .await;
    set_free(&db, "cb", []).await;
    let (w, p) = (request("w", "a", "b", 6), request("p", "a", "b", 6));
    let pair = db.allocate_pair(&w, &p, Disjointness::Pops).await.unwrap();
    assert_eq!((links(&pair.working), links(&pair.protection)), (vec!["ab"], vec!["ad", "db"]));
    let single = request("w", "a", "c", 6);
    assert_eq!(
        db.allocate_pair(&single, &p, Disjointness::Pops).await.unwrap_err().code(),
        Code::InvalidField
    );
    let half = request("q", "a", "b", 6);
    assert_eq!(
        db.allocate_pair(&w, &half, Disjointness::Pops).await.unwrap_err().code(),
        Code::AlreadyExists
    );
}

#[tokio::test]
async fn each_of_a_pair_meets_its_own_constraints() {
    let db = network(&TRAP).await;
    let (mut w, p) = asked();
    // The best pair is a–b–d and a–c–d, in this order; the working connection is to pass c.
    w.constraints.include.push(pop("c"));
    let pair = db.allocate_pair(&w, &p, Disjointness::Links).await.unwrap();
    assert_eq!((links(&pair.working), links(&pair.protection)), (vec!["ac", "cd"], vec!["ab", "bd"]));
    for id in ["w", "p"] {
        db.release(&connection(id)).await.unwrap();
    }
    // Every pair has a path of more than 50 km, so neither may be where both are to be shorter.
    let short = Some(Length::from_metres(50_000));
    let before = dump(&db).await;
    for (of_working, of_protection) in [(short, None), (None, short), (short, short)] {
        let (mut w, mut p) = asked();
        w.constraints.max_length = of_working;
        p.constraints.max_length = of_protection;
        let refused = db.allocate_pair(&w, &p, Disjointness::Links).await;
        assert!(refused.is_err(), "{of_working:?}, {of_protection:?}: {refused:?}");
        assert_eq!(dump(&db).await, before);
    }
}

#[tokio::test]
async fn gnpy_node_disjoint_paths_share_no_node() {
    // Two paths without a common link, but both through c.
    let db = network(&[
        ("ac", "a", "c", 10),
        ("ab", "a", "b", 10),
        ("bc", "b", "c", 10),
        ("cd", "c", "d", 10),
        ("ce", "c", "e", 10),
        ("ed", "e", "d", 10),
    ])
    .await;
    let (w, p) = asked();
    let before = dump(&db).await;
    let error = db.allocate_pair(&w, &p, Disjointness::Pops).await.unwrap_err();
    assert_eq!(error.code(), Code::NoPath, "{error}");
    assert_eq!(dump(&db).await, before);
    let pair = db.allocate_pair(&w, &p, Disjointness::Links).await.unwrap();
    assert!(pair.working.path.pops.contains(&pop("c")) && pair.protection.path.pops.contains(&pop("c")));
}

#[tokio::test]
async fn two_connections_that_were_placed_apart_are_a_pair_only_where_they_do_not_fail_together() {
    let db = network(&TRAP).await;
    let (w, p) = asked();
    for one in [&w, &p] {
        db.allocate(one.clone()).await.unwrap();
    }
    // Both are on the shortest path.
    let error = db.allocate_pair(&w, &p, Disjointness::Links).await.unwrap_err();
    assert_eq!(error.code(), Code::AlreadyExists, "{error}");
}

#[tokio::test]
async fn a_pair_that_was_held_is_definite_once_it_is_allocated() {
    use ipowdm_core::time::Millis;
    let db = network(&TRAP).await;
    let (mut w, mut p) = asked();
    w.constraints.avoid.links.extend([link("ac"), link("bc")]);
    p.constraints.avoid.links.extend([link("ab"), link("bc")]);
    for one in [&w, &p] {
        db.store().transact(|tx| db.hold_in(tx, one, Millis(0), Millis(9))).await.unwrap();
    }
    let definite = db.allocate_pair(&w, &p, Disjointness::Links).await.unwrap();
    assert!(!definite.working.held && !definite.protection.held);
    assert_eq!(db.store().lease_count().await.unwrap(), 0);
}

#[tokio::test]
async fn constraints_hold_for_allocations() {
    let db = network(&TRAP).await;
    let mut over = request("1", "d", "a", 6);
    over.constraints.avoid.links.push(link("bc"));
    over.constraints.include.push(pop("c"));
    let grant = db.allocate(over.clone()).await.unwrap();
    assert_eq!(links(&grant), ["cd", "ac"]);
    over.connection_id = connection("2");
    over.constraints.max_hops = Some(1);
    assert_eq!(db.allocate(over).await.unwrap_err().code(), Code::NoPath);
}
