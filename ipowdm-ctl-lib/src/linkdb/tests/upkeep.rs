//! States, notes and what is known of things, changed after they were added.

use super::*;
use crate::topology::{ElementId, Metadata, Srlg, UpDown};

fn at(p: &str) -> PortRef {
    PortRef { pop_id: pop("a"), router_id: RouterId::new("r").unwrap(), port_id: PortId::new(p).unwrap() }
}

/// a-b directly and over c; router a/r with ports p1 and p2 of vOp1.
async fn with_ports() -> LinkDb {
    let db = network(&[("ab", "a", "b", 10), ("ac", "a", "c", 10), ("cb", "c", "b", 10)]).await;
    db.add_router(Router::new(at("p1").router())).await.unwrap();
    for port in ["p1", "p2"] {
        db.add_port(Port::new(at(port))).await.unwrap();
        db.assign_port(&at(port), &vop("vOp1")).await.unwrap();
    }
    db
}

fn from_port(id: &str, end: Endpoint) -> AllocationRequest {
    AllocationRequest { source: end, ..request(id, "a", "b", 6) }
}

async fn epoch(db: &LinkDb) -> TopologyEpoch {
    db.store().get(&TopologyEpoch::key()).await.unwrap().unwrap()
}

#[tokio::test]
async fn no_connection_begins_ends_or_passes_in_a_pop_that_is_down() {
    let db = with_ports().await;
    db.set_link_state(&link("ab"), Some(UpDown::Down), None).await.unwrap();
    let over_c = db.allocate(request("1", "a", "b", 6)).await.unwrap();
    assert_eq!(over_c.path.pops[1], pop("c"));
    db.set_state(&ElementId::Pop(pop("c")), Some(UpDown::Down), None).await.unwrap();
    refused(&db, request("2", "a", "b", 6), Code::NoPath).await;
    refused(&db, request("2", "a", "c", 6), Code::NoPath).await;
    assert_eq!(db.grant(&connection("1")).await.unwrap(), Some(over_c));
    db.set_state(&ElementId::Pop(pop("c")), Some(UpDown::Up), None).await.unwrap();
    db.allocate(request("2", "a", "b", 6)).await.unwrap();
}

#[tokio::test]
async fn ports_out_of_service_are_not_given_out() {
    let db = with_ports().await;
    let (p1, router) = (ElementId::Port(at("p1")), ElementId::Router(at("p1").router()));
    db.set_state(&p1, None, Some(UpDown::Down)).await.unwrap();
    let named = || from_port("1", Endpoint::port(at("p1")));
    refused(&db, named(), Code::IllegalState).await;
    assert_eq!(db.free_ports(&vop("vOp1"), &pop("a"), &pop("b")).await.unwrap().0.len(), 1);
    let other = db.allocate(from_port("2", Endpoint::any_free(pop("a")))).await.unwrap();
    assert_eq!(other.source_port, Some(at("p2")));
    db.set_state(&p1, None, Some(UpDown::Up)).await.unwrap();
    db.set_state(&router, Some(UpDown::Down), None).await.unwrap();
    refused(&db, named(), Code::IllegalState).await;
    refused(&db, from_port("3", Endpoint::any_free(pop("a"))), Code::NoFreePort).await;
    assert!(db.free_ports(&vop("vOp1"), &pop("a"), &pop("b")).await.unwrap().0.is_empty());
    db.set_state(&router, Some(UpDown::Up), None).await.unwrap();
    db.allocate(named()).await.unwrap();
}

#[tokio::test]
async fn pops_and_routers_have_no_operational_state() {
    let db = with_ports().await;
    let before = dump(&db).await;
    for element in [ElementId::Pop(pop("a")), ElementId::Router(at("p1").router())] {
        let refused = db.set_state(&element, None, Some(UpDown::Down)).await;
        assert_eq!(refused.unwrap_err().code(), Code::InvalidField, "{element}");
    }
    assert_eq!(dump(&db).await, before);
}

#[tokio::test]
async fn what_is_not_there_is_not_changed() {
    let db = with_ports().await;
    let router = RouterRef { pop_id: pop("b"), router_id: RouterId::new("r").unwrap() };
    let unknown = [
        (ElementId::Pop(pop("x")), Code::UnknownPop),
        (ElementId::Router(router), Code::UnknownRouter),
        (ElementId::Port(at("x")), Code::UnknownPort),
        (ElementId::Link(link("x")), Code::UnknownLink),
    ];
    for (element, code) in unknown {
        let switched = db.set_state(&element, Some(UpDown::Down), None).await;
        assert_eq!(switched.unwrap_err().code(), code);
        let noted = db.set_metadata(&element, Metadata::default()).await;
        assert_eq!(noted.unwrap_err().code(), code);
    }
}

#[tokio::test]
async fn notes_are_kept_on_everything_and_leave_paths_alone() {
    let db = with_ports().await;
    let before = epoch(&db).await;
    let mut notes = Metadata::default();
    notes.set("asset", "R-1").unwrap();
    let all = [
        ElementId::Pop(pop("a")),
        ElementId::Router(at("p1").router()),
        ElementId::Port(at("p1")),
        ElementId::Link(link("ab")),
    ];
    for element in &all {
        db.set_metadata(element, notes.clone()).await.unwrap();
    }
    let view = db.topology().await.unwrap();
    assert_eq!((&view.pops[0].metadata, &view.routers[0].metadata), (&notes, &notes));
    assert_eq!((&view.ports[0].port.metadata, &view.links[0].metadata), (&notes, &notes));
    assert_eq!(epoch(&db).await, before);
}

#[tokio::test]
async fn a_link_is_updated_but_not_moved_and_paths_follow_its_length() {
    let db = with_ports().await;
    let links = db.links().await.unwrap();
    let old = links.iter().find(|found| found.id == link("ab")).unwrap();
    let first = epoch(&db).await;
    db.update_link(FibreLink { fibre: "TWC".to_owned(), ..old.clone() }).await.unwrap();
    assert_eq!(epoch(&db).await, first, "the kind of fibre changes no path");
    db.update_link(FibreLink { length: Length::from_metres(90_000), ..old.clone() }).await.unwrap();
    assert!(epoch(&db).await > first);
    assert_eq!(db.allocate(request("1", "a", "b", 6)).await.unwrap().path.hops.len(), 2);
    let moved = FibreLink { b: pop("c"), ..old.clone() };
    assert_eq!(db.update_link(moved).await.unwrap_err().code(), Code::InvalidField);
    let faulty = FibreLink { srlgs: vec![Srlg(2), Srlg(1)], ..old.clone() };
    assert_eq!(db.update_link(faulty.clone()).await.unwrap_err().code(), Code::InvalidField);
    let added = db.add_link(FibreLink { id: link("new"), ..faulty }).await;
    assert_eq!(added.unwrap_err().code(), Code::InvalidField);
}

#[tokio::test]
async fn bands_are_not_drawn_in_under_live_connections() {
    let db = network(&[("ab", "a", "b", 10)]).await;
    let live = db.allocate(request("1", "a", "b", 6)).await.unwrap();
    let old = db.links().await.unwrap().remove(0);
    let above = SpectrumWindow { low: mhz(193_000_000), high: mhz(194_000_000) };
    let narrowed = db.update_link(FibreLink { bands: vec![above], ..old.clone() }).await;
    assert_eq!(narrowed.unwrap_err().code(), Code::IllegalState);
    let around = SpectrumWindow { low: mhz(191_250_000), high: mhz(192_000_000) };
    assert!(around.holds(live.frequency, live.slot.width_mhz()));
    db.update_link(FibreLink { bands: vec![around, above], ..old }).await.unwrap();
}

#[tokio::test]
async fn a_pop_and_a_router_are_updated() {
    let db = with_ports().await;
    db.update_pop(Pop { name: "Aachen".to_owned(), ..Pop::new(pop("a")) }).await.unwrap();
    let router = Router { description: "spine".to_owned(), ..Router::new(at("p1").router()) };
    db.store().transact(|tx| db.update_router_in(tx, &router)).await.unwrap();
    let view = db.topology().await.unwrap();
    assert_eq!((view.pops[0].name.as_str(), &view.routers[0]), ("Aachen", &router));
    let unknown = db.update_pop(Pop::new(pop("x"))).await;
    assert_eq!(unknown.unwrap_err().code(), Code::UnknownPop);
}
