//! What changes in the topology do to paths, and what they may not do to connections.

use super::*;
use crate::topology::{TopologyDocument, UpDown};

#[tokio::test]
async fn what_exists_is_not_added_again_and_nothing_is_half_imported() {
    let db = network(&[("ab", "a", "b", 80)]).await;
    assert_eq!(db.add_pop(Pop::new(pop("a"))).await.unwrap_err().code(), Code::AlreadyExists);
    let before = dump(&db).await;
    let link_to = |id: &str, to: &str| FibreLink::new(link(id), pop("a"), pop(to), Length::from_metres(1));
    let imported = db.import(vec![Pop::new(pop("c"))], vec![link_to("ac", "c"), link_to("ax", "x")]).await;
    assert_eq!(imported.unwrap_err().code(), Code::UnknownPop);
    assert_eq!(dump(&db).await, before);
    assert_eq!(db.add_link(link_to("aa", "a")).await.unwrap_err().code(), Code::SamePop);
    assert_eq!(db.add_link(link_to("ab", "b")).await.unwrap_err().code(), Code::AlreadyExists);
}

#[tokio::test]
async fn routers_and_ports_need_their_parents() {
    let db = network(&[("ab", "a", "b", 80)]).await;
    let router_at = |at: &str| RouterRef { pop_id: pop(at), router_id: RouterId::new("r").unwrap() };
    let router = |at: &str| Router::new(router_at(at));
    let port = Port::new(PortRef {
        pop_id: pop("a"),
        router_id: RouterId::new("r").unwrap(),
        port_id: PortId::new("p").unwrap(),
    });
    assert_eq!(db.add_router(router("x")).await.unwrap_err().code(), Code::UnknownPop);
    assert_eq!(db.add_port(port.clone()).await.unwrap_err().code(), Code::UnknownRouter);
    db.add_router(router("a")).await.unwrap();
    db.add_port(port.clone()).await.unwrap();
    let remove_router = db.store().transact(|tx| db.remove_router_in(tx, &router_at("a"))).await;
    assert_eq!(remove_router.unwrap_err().code(), Code::IllegalState);
    let remove_pop = db.store().transact(|tx| db.remove_pop_in(tx, &pop("a"))).await;
    assert_eq!(remove_pop.unwrap_err().code(), Code::IllegalState);
    db.store()
        .transact(|tx| {
            db.remove_port_in(tx, &port.at)?;
            db.remove_router_in(tx, &router_at("a"))
        })
        .await
        .unwrap();
    let remove_pop = db.store().transact(|tx| db.remove_pop_in(tx, &pop("a"))).await;
    assert!(remove_pop.unwrap_err().to_string().contains("link ab"));
}

#[tokio::test]
async fn a_link_that_is_down_takes_no_new_connections() {
    let db = network(&[("ab", "a", "b", 10), ("ac", "a", "c", 10), ("cb", "c", "b", 10)]).await;
    db.allocate(request("1", "a", "b", 6)).await.unwrap();
    db.set_link_state(&link("ab"), None, Some(UpDown::Down)).await.unwrap();
    let around = db.allocate(request("2", "a", "b", 6)).await.unwrap();
    assert_eq!(around.path.hops.len(), 2);
    db.set_link_state(&link("cb"), Some(UpDown::Down), None).await.unwrap();
    refused(&db, request("3", "a", "b", 6), Code::NoPath).await;
    db.set_link_state(&link("ab"), None, Some(UpDown::Up)).await.unwrap();
    let back = db.allocate(request("3", "a", "b", 6)).await.unwrap();
    assert_eq!(back.path.hops.len(), 1);
    // The first connection was left alone all the time.
    assert_eq!(db.spectrum(&link("ab")).await.unwrap().owners.len(), 2);
    let unknown = db.set_link_state(&link("zz"), None, None).await;
    assert_eq!(unknown.unwrap_err().code(), Code::UnknownLink);
}

#[tokio::test]
async fn a_link_with_connections_is_not_removed() {
    let db = network(&[("ab", "a", "b", 10), ("ab2", "a", "b", 20)]).await;
    db.allocate(request("1", "a", "b", 6)).await.unwrap();
    let remove = async |id: &str| db.store().transact(|tx| db.remove_link_in(tx, &link(id))).await;
    assert_eq!(remove("ab").await.unwrap_err().code(), Code::IllegalState);
    db.release(&connection("1")).await.unwrap();
    remove("ab").await.unwrap();
    let grant = db.allocate(request("1", "a", "b", 6)).await.unwrap();
    assert_eq!(grant.path.hops[0].link, link("ab2"));
    assert_eq!(remove("ab").await.unwrap_err().code(), Code::UnknownLink);
}

#[tokio::test]
async fn a_topology_change_that_is_rolled_back_leaves_no_trace_in_the_paths() {
    let db = network(&[("ab", "a", "b", 20), ("ac", "a", "c", 20), ("cb", "c", "b", 20)]).await;
    let asked = request("1", "a", "b", 6);
    let undone: Result<(), LinkDbError> = db
        .store()
        .transact(|tx| {
            db.set_link_state_in(tx, &link("ab"), Some(UpDown::Down), None)?;
            // Within the transaction the change is seen …
            assert_eq!(db.allocate_in(tx, &asked)?.path.hops.len(), 2);
            Err(LinkDbError::Store(StoreError::Stale))
        })
        .await;
    assert!(undone.is_err());
    // … and another change makes the epoch that the undone one would have made.
    db.set_link_state(&link("ac"), Some(UpDown::Down), None).await.unwrap();
    assert_eq!(db.allocate(asked.clone()).await.unwrap().path.hops.len(), 1);
}

#[tokio::test]
async fn windows_are_not_withdrawn_from_live_connections() {
    let db = network(&[("ab", "a", "b", 10)]).await;
    let grant = db.allocate(request("1", "a", "b", 6)).await.unwrap();
    let above = SpectrumWindow { low: mhz(193_000_000), high: mhz(194_000_000) };
    let shrunk = db.set_vop_grant(VopGrant::pool(vop("vOp1"), vec![above])).await;
    assert_eq!(shrunk.unwrap_err().code(), Code::LiveConnections);
    let just = SpectrumWindow { low: mhz(191_250_000), high: mhz(191_325_000) };
    assert!(just.holds(grant.frequency, grant.slot.width_mhz()));
    db.set_vop_grant(VopGrant::pool(vop("vOp1"), vec![just])).await.unwrap();
    let remove = async || db.store().transact(|tx| db.remove_vop_grant_in(tx, &vop("vOp1"))).await;
    assert_eq!(remove().await.unwrap_err().code(), Code::LiveConnections);
    db.release(&connection("1")).await.unwrap();
    remove().await.unwrap();
    assert_eq!(db.vop_grant(&vop("vOp1")).await.unwrap(), None);
    let empty = SpectrumWindow { low: mhz(2), high: mhz(2) };
    let refused = db.set_vop_grant(VopGrant::pool(vop("vOp1"), vec![empty])).await;
    assert_eq!(refused.unwrap_err().code(), Code::InvalidField);
}

#[tokio::test]
async fn the_view_of_everything_is_in_natural_order_and_exports() {
    let db = network(&[("l10", "pop10", "pop2", 10), ("l9", "pop2", "pop1", 10)]).await;
    let grant = db.allocate(request("c", "pop1", "pop10", 6)).await.unwrap();
    let view = db.topology().await.unwrap();
    let names: Vec<_> = view.pops.iter().map(|pop| pop.id.as_str()).collect();
    assert_eq!(names, ["pop1", "pop2", "pop10"]);
    assert_eq!(view.links.iter().map(|link| link.id.as_str()).collect::<Vec<_>>(), ["l9", "l10"]);
    assert_eq!(view.grants, [grant]);
    let json = TopologyDocument::from_records("n", &view.pops, &view.links).to_json().unwrap();
    let (pops, links) = TopologyDocument::from_json(&json).unwrap().into_records().unwrap();
    assert_eq!((pops, links), (view.pops, view.links));
    let paths = db.candidate_paths(&pop("pop10"), &pop("pop1"), 3).await.unwrap();
    assert_eq!(paths.len(), 1);
    assert_eq!(paths[0].pops, [pop("pop10"), pop("pop2"), pop("pop1")]);
    assert_eq!(paths[0].length, Length::from_metres(20_000));
    let figures = db.utilisations().await.unwrap();
    assert_eq!(figures.iter().map(|(_, figure)| figure.used_a_to_b).collect::<Vec<_>>(), [12, 12]);
    assert_eq!(db.utilisation(&link("zz")).await.unwrap_err().code(), Code::UnknownLink);
}
