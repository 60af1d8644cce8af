//! Inventories in and out, paths asked for, and the stream of changes.

use super::*;
use crate::paths::{Avoid, Constraints, Disjointness};
use crate::topology::{
    Aspect, ElementId, TopologyChange, TopologyDocument, TopologyEvent, TopologyWatch, UpDown,
};
use std::path::PathBuf;

/// Names and texts of the public networks beside the project, where they are there.
fn documents() -> Vec<(String, String)> {
    let directory = std::env::var_os("IPOWDM_TOPOLOGIES").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..").join("../shared/topologies"),
        PathBuf::from,
    );
    let Ok(entries) = std::fs::read_dir(&directory) else {
        eprintln!("SKIPPED: no networks at {} (IPOWDM_TOPOLOGIES names the folder)", directory.display());
        return Vec::new();
    };
    let mut found: Vec<(String, String)> = entries
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "json"))
        .map(|path| (path.display().to_string(), std::fs::read_to_string(&path).unwrap()))
        .filter(|(_, text)| text.contains("\"linkdb-topology/1\""))
        .collect();
    found.sort();
    assert!(found.len() >= 20, "only {} networks in {}", found.len(), directory.display());
    found
}

#[tokio::test]
async fn every_public_network_is_imported_and_exported_without_loss() {
    for (name, text) in documents() {
        let document = TopologyDocument::from_json(&text).unwrap();
        assert_eq!(document.unread(), Vec::<String>::new(), "{name}");
        let db = LinkDb::new(Store::memory());
        db.import_topology(&document.into_topology().unwrap()).await.unwrap();
        let exported =
            TopologyDocument::from_topology(&db.export_topology().await.unwrap()).to_json().unwrap();
        let value = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
        assert!(value(&exported) == value(&text), "{name} is exported with a difference");
        let ends = db.pops().await.unwrap();
        let (first, last) = (&ends[0].id, &ends[ends.len() - 1].id);
        assert_eq!(db.candidate_paths(first, last, 5).await.unwrap().len(), 5, "{name}");
    }
}

#[tokio::test]
async fn an_inventory_that_does_not_fit_is_not_imported_in_part() {
    let db = network(&[("ab", "a", "b", 10)]).await;
    let before = dump(&db).await;
    let mut topology = db.export_topology().await.unwrap();
    topology.pops[0].id = pop("new");
    assert_eq!(db.import_topology(&topology).await.unwrap_err().code(), Code::AlreadyExists);
    assert_eq!(dump(&db).await, before);
}

#[tokio::test]
async fn paths_are_asked_for_under_constraints_and_in_disjoint_pairs() {
    let db = network(&[("ab", "a", "b", 10), ("ac", "a", "c", 10), ("cb", "c", "b", 10)]).await;
    let (a, b) = (pop("a"), pop("b"));
    let over_c = Constraints { include: vec![pop("c")], ..Constraints::default() };
    let paths = db.constrained_paths(&a, &b, 5, &over_c).await.unwrap();
    assert_eq!((paths.len(), paths[0].hops.len()), (1, 2));
    let [working, protecting] =
        db.disjoint_paths(&b, &a, Disjointness::Links, &Avoid::default()).await.unwrap();
    assert_eq!(
        (working.pops, protecting.pops),
        (vec![b.clone(), a.clone()], vec![b.clone(), pop("c"), a.clone()])
    );
    let same = db.disjoint_paths(&a, &a, Disjointness::Pops, &Avoid::default()).await;
    assert_eq!(same.unwrap_err().code(), Code::SamePop);
    db.set_link_state(&link("cb"), None, Some(UpDown::Down)).await.unwrap();
    let alone = db.disjoint_paths(&a, &b, Disjointness::Links, &Avoid::default()).await;
    assert_eq!(alone.unwrap_err().code(), Code::NoPath);
    let refused = db.constrained_paths(&a, &b, 5, &over_c).await;
    assert_eq!(refused.unwrap_err().code(), Code::NoPath);
}

fn ids(event: &TopologyEvent) -> Vec<String> {
    event.changes.iter().map(|change| change.id().to_string()).collect()
}

#[tokio::test]
async fn every_change_of_the_topology_is_an_event_with_what_changed() {
    let db = network(&[("ab", "a", "b", 10)]).await;
    let mut watch = TopologyWatch::start(db.store()).await.unwrap();
    assert_eq!(watch.elements().count(), 3);
    // A grant is no topology.
    db.allocate(request("1", "a", "b", 6)).await.unwrap();
    db.release(&connection("1")).await.unwrap();

    let far = FibreLink::new(link("bc"), pop("b"), pop("c"), Length::from_metres(9));
    db.import(vec![Pop::new(pop("c"))], vec![far.clone()]).await.unwrap();
    let added = watch.next().await.unwrap().unwrap();
    assert_eq!(ids(&added), ["link bc", "PoP c"]);
    assert!(added.changes.iter().all(|change| matches!(change, TopologyChange::Added(_))));

    let longer = FibreLink { length: Length::from_metres(10), fibre: "TWC".to_owned(), ..far };
    db.update_link(longer).await.unwrap();
    let changed = watch.next().await.unwrap().unwrap();
    assert_eq!(changed.changes[0].aspects(), [Aspect::Length, Aspect::Plant]);
    assert!(changed.version > added.version);

    db.store().transact(|tx| db.remove_link_in(tx, &link("bc"))).await.unwrap();
    let removed = watch.next().await.unwrap().unwrap();
    assert_eq!((ids(&removed), removed.changes[0].aspects()), (vec!["link bc".to_owned()], vec![]));
    assert!(matches!(&removed.changes[0], TopologyChange::Removed(_)));
}

#[tokio::test]
async fn ports_and_routers_tell_their_changes_too() {
    let db = network(&[("ab", "a", "b", 10)]).await;
    let at = PortRef {
        pop_id: pop("a"),
        router_id: RouterId::new("r").unwrap(),
        port_id: PortId::new("p").unwrap(),
    };
    let mut watch = TopologyWatch::start(db.store()).await.unwrap();
    db.add_router(Router::new(at.router())).await.unwrap();
    assert_eq!(ids(&watch.next().await.unwrap().unwrap()), [format!("router {}", at.router())]);
    db.add_port(Port::new(at.clone())).await.unwrap();
    assert_eq!(ids(&watch.next().await.unwrap().unwrap()), [format!("port {at}")]);
    db.assign_port(&at, &vop("vOp1")).await.unwrap();
    assert_eq!(watch.next().await.unwrap().unwrap().changes[0].aspects(), [Aspect::Assignment]);
    db.set_state(&ElementId::Port(at.clone()), None, Some(UpDown::Down)).await.unwrap();
    assert_eq!(watch.next().await.unwrap().unwrap().changes[0].aspects(), [Aspect::Oper]);
}

#[tokio::test]
async fn whoever_applies_the_events_has_the_topology_however_late_he_is() {
    let db = network(&[("ab", "a", "b", 10), ("bc", "b", "c", 10)]).await;
    let mut watch = TopologyWatch::start(db.store()).await.unwrap();
    // More notices than the store keeps for a watcher who does not come.
    for n in 0..5_000_u32 {
        let id = format!("l{}", n % 7);
        let (a, b) = (pop("a"), pop(if n % 2 == 0 { "b" } else { "c" }));
        let new = FibreLink::new(link(&id), a, b, Length::from_metres(n));
        let removed = db.store().transact(|tx| db.remove_link_in(tx, &link(&id))).await;
        if removed.is_err() || n % 3 == 0 {
            db.add_link(new).await.unwrap();
        }
    }
    db.add_pop(Pop::new(pop("last"))).await.unwrap();
    let is_last =
        |event: &TopologyEvent| event.changes.iter().any(|change| change.id() == ElementId::Pop(pop("last")));
    while !is_last(&watch.next().await.unwrap().unwrap()) {}
    let now = TopologyWatch::start(db.store()).await.unwrap();
    assert!(watch.elements().eq(now.elements()));
}
