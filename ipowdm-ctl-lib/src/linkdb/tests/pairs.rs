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
