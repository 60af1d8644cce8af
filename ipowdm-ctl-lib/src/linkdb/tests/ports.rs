//! Ports: claimed and released with the spectrum.

use super::*;
use ipowdm_core::capability::ModuleCapability;

fn port(pop_id: &str, router_id: &str, port_id: &str) -> PortRef {
    PortRef {
        pop_id: pop(pop_id),
        router_id: RouterId::new(router_id).unwrap(),
        port_id: PortId::new(port_id).unwrap(),
    }
}

fn tunable(grid: Grid, low_channel: i16, high_channel: i16) -> ModuleCapability {
    let mut module = ModuleCapability {
        grids: heapless_grids(),
        tx_power: None,
        applications: core::iter::empty().collect(),
    };
    module.grids.push(GridRange { grid, low_channel, high_channel }).unwrap();
    module
}

/// An empty list of the module's own type.
fn heapless_grids<L: FromIterator<GridRange>>() -> L {
    core::iter::empty().collect()
}

/// Two PoPs, one router each with two ports of vOp1 and one of vOp2.
async fn with_ports() -> LinkDb {
    let db = network(&[("ab", "a", "b", 80)]).await;
    for at in ["a", "b"] {
        let router = RouterRef { pop_id: pop(at), router_id: RouterId::new("r1").unwrap() };
        db.add_router(Router::new(router)).await.unwrap();
        for (id, owner) in [("Ethernet8", "vOp1"), ("Ethernet48", "vOp1"), ("Ethernet0", "vOp2")] {
            let at = port(at, "r1", id);
            db.add_port(Port::new(at.clone())).await.unwrap();
            db.assign_port(&at, &vop(owner)).await.unwrap();
        }
    }
    db.set_vop_grant(VopGrant::pool(vop("vOp2"), vec![whole_band()])).await.unwrap();
    db
}

fn between(id: &str, source: Endpoint, destination: Endpoint) -> AllocationRequest {
    AllocationRequest { source, destination, ..request(id, "a", "b", 6) }
}

#[tokio::test]
async fn ports_asked_for_are_claimed_and_released() {
    let db = with_ports().await;
    let (a, b) = (port("a", "r1", "Ethernet48"), port("b", "r1", "Ethernet48"));
    let before = dump(&db).await;
    let asked = between("c", Endpoint::port(a.clone()), Endpoint::port(b.clone()));
    let grant = db.allocate(asked.clone()).await.unwrap();
    assert_eq!((&grant.source_port, &grant.destination_port), (&Some(a.clone()), &Some(b)));
    assert_eq!(db.port(&a).await.unwrap().occupied_by, Some(grant.owner()));
    let other = between("d", Endpoint::port(a.clone()), Endpoint::at(pop("b")));
    refused(&db, other, Code::PortOccupied).await;
    db.release(&connection("c")).await.unwrap();
    assert_eq!(dump(&db).await, before);
    assert_eq!(db.port(&a).await.unwrap().occupied_by, None);
}

#[tokio::test]
async fn the_first_free_port_is_chosen_in_natural_order() {
    let db = with_ports().await;
    let any = |id| between(id, Endpoint::any_free(pop("a")), Endpoint::any_free(pop("b")));
    let first = db.allocate(any("1")).await.unwrap();
    assert_eq!(first.source_port, Some(port("a", "r1", "Ethernet8")));
    let (free, _) = db.free_ports(&vop("vOp1"), &pop("a"), &pop("b")).await.unwrap();
    assert_eq!(free.iter().map(|port| port.at.port_id.as_str()).collect::<Vec<_>>(), ["Ethernet48"]);
    let second = db.allocate(any("2")).await.unwrap();
    assert_eq!(second.destination_port, Some(port("b", "r1", "Ethernet48")));
    refused(&db, any("3"), Code::NoFreePort).await;
}

#[tokio::test]
async fn foreign_and_unknown_ports_are_refused() {
    let db = with_ports().await;
    let at = |id| Endpoint::port(port("a", "r1", id));
    let error = refused(&db, between("c", at("Ethernet0"), Endpoint::at(pop("b"))), Code::Forbidden).await;
    assert!(!error.to_string().contains("vOp2"), "{error} names the other tenant");
    // Occupied by its owner or not, the answer to a stranger is the same.
    let mut theirs = between("theirs", at("Ethernet0"), Endpoint::at(pop("b")));
    theirs.vop = vop("vOp2");
    db.allocate(theirs).await.unwrap();
    let again = refused(&db, between("c", at("Ethernet0"), Endpoint::at(pop("b"))), Code::Forbidden).await;
    assert_eq!(again, error);
    refused(&db, between("c", at("Ethernet99"), Endpoint::at(pop("b"))), Code::UnknownPort).await;
    let stray = Endpoint::port(port("a", "r9", "Ethernet48"));
    refused(&db, between("c", stray, Endpoint::at(pop("b"))), Code::UnknownPort).await;
}

#[tokio::test]
async fn the_modules_in_the_ports_decide_the_centre() {
    let db = with_ports().await;
    let (a, b) = (port("a", "r1", "Ethernet48"), port("b", "r1", "Ethernet48"));
    let mut asked = between("c", Endpoint::port(a.clone()), Endpoint::port(b.clone()));
    asked.tuning = Tuning::OfPorts;
    refused(&db, asked.clone(), Code::ModuleAbsent).await;
    db.set_capability(&a, Some(tunable(Grid::Ghz75, 3, 90))).await.unwrap();
    db.set_capability(&b, Some(tunable(Grid::Ghz100, -18, 30))).await.unwrap();
    let grant = db.allocate(asked).await.unwrap();
    // The lowest channel that is on the 75 GHz grid at or above n = 3 and on the 100 GHz grid.
    assert_eq!(grant.frequency, mhz(193_400_000));
}

#[tokio::test]
async fn an_unchanged_capability_writes_nothing() {
    let db = with_ports().await;
    let at = port("a", "r1", "Ethernet48");
    db.set_capability(&at, Some(tunable(Grid::Ghz75, 3, 90))).await.unwrap();
    let before = db.store().snapshot().await.unwrap().version();
    db.set_capability(&at, Some(tunable(Grid::Ghz75, 3, 90))).await.unwrap();
    assert_eq!(db.store().snapshot().await.unwrap().version(), before);
}

#[tokio::test]
async fn assignment_respects_other_operators_and_live_connections() {
    let db = with_ports().await;
    let at = port("a", "r1", "Ethernet48");
    db.assign_port(&at, &vop("vOp1")).await.unwrap();
    assert_eq!(db.assign_port(&at, &vop("vOp2")).await.unwrap_err().code(), Code::IllegalState);
    db.allocate(between("c", Endpoint::port(at.clone()), Endpoint::at(pop("b")))).await.unwrap();
    let unassign = async |vop: &VopId| db.store().transact(|tx| db.unassign_port_in(tx, &at, vop)).await;
    assert_eq!(unassign(&vop("vOp1")).await.unwrap_err().code(), Code::PortOccupied);
    let removed = db.store().transact(|tx| db.remove_port_in(tx, &at)).await;
    assert_eq!(removed.unwrap_err().code(), Code::PortOccupied);
    db.release(&connection("c")).await.unwrap();
    unassign(&vop("vOp2")).await.unwrap();
    assert_eq!(db.port(&at).await.unwrap().port.vop, Some(vop("vOp1")));
    unassign(&vop("vOp1")).await.unwrap();
    assert_eq!(db.port(&at).await.unwrap().port.vop, None);
}
