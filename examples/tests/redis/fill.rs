//! Clients of the library fill a link over a server: grants are the capacity exactly, no duplicate, no gap; released, it is
//! empty.

use super::{connect, store};
use crate::server::Server;
use ipowdm_core::error::Code;
use ipowdm_core::grid::Raster;
use ipowdm_core::ids::{ConnectionId, LinkId, PopId, VopId};
use ipowdm_core::units::Length;
use ipowdm_ctl_lib::linkdb::{AllocationRequest, Endpoint, Grant, LinkDb};
use ipowdm_ctl_lib::spectrum::VopGrant;
use ipowdm_ctl_lib::topology::{FibreLink, Pop};

/// Channels of 75 GHz in 784 steps.
const CAPACITY: u16 = 65;

fn request(id: &str) -> AllocationRequest {
    let at = |pop: &str| Endpoint::at(PopId::new(pop).unwrap());
    let (connection, vop) = (ConnectionId::new(id).unwrap(), VopId::new("vOp1").unwrap());
    AllocationRequest::new(connection, vop, at("a"), at("b"), 6)
}

async fn take_all(db: LinkDb, name: String) -> Vec<Grant> {
    let mut held = Vec::new();
    loop {
        match db.allocate(request(&format!("{name}-{}", held.len()))).await {
            Ok(grant) => held.push(grant),
            Err(error) => {
                assert_eq!(error.code(), Code::NoSpectrum, "{error}");
                return held;
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn s0_15_clients_of_the_library_fill_a_link_exactly() {
    let server = Server::shared();
    let options = server.fresh();
    // Two processes' worth of back ends on one store.
    let databases =
        [LinkDb::new(store(connect(&options).await)), LinkDb::new(store(connect(&options).await))];
    let (pops, id) = (["a", "b"].map(|pop| PopId::new(pop).unwrap()), LinkId::new("ab").unwrap());
    let [a, b] = pops.clone();
    let link = FibreLink::new(id.clone(), a, b, Length::from_metres(1_000));
    databases[0].import(pops.map(Pop::new).into(), vec![link]).await.unwrap();
    let windows = vec![Raster::C_BAND.window()];
    databases[0].set_vop_grant(VopGrant::pool(VopId::new("vOp1").unwrap(), windows)).await.unwrap();
    for clients in [1, 4, 16, 96] {
        let running: Vec<_> = (0..clients)
            .map(|client| {
                let db = databases[client % 2].clone();
                tokio::spawn(take_all(db, format!("{clients}-{client}")))
            })
            .collect();
        let mut held = Vec::new();
        for client in running {
            held.extend(client.await.unwrap());
        }
        let mut starts: Vec<u16> =
            held.iter().map(|grant| Raster::C_BAND.bits_of(grant.slot).unwrap().0).collect();
        starts.sort_unstable();
        assert_eq!(starts, (0..CAPACITY).map(|i| i * 12).collect::<Vec<_>>(), "{clients} clients");
        let full = databases[1].utilisation(&id).await.unwrap();
        assert_eq!((full.used_a_to_b, full.used_b_to_a), (780, 780));
        let releasing: Vec<_> = held
            .into_iter()
            .enumerate()
            .map(|(at, grant)| {
                // Each by the other back end than most were taken by.
                let db = databases[(at + 1) % 2].clone();
                tokio::spawn(async move {
                    let released = db.release(&grant.request.connection_id).await.unwrap();
                    assert_eq!(released.as_ref(), Some(&grant));
                })
            })
            .collect();
        for client in releasing {
            client.await.unwrap();
        }
        for db in &databases {
            let empty = db.utilisation(&id).await.unwrap();
            assert_eq!((empty.used_a_to_b, empty.used_b_to_a, empty.largest_free_run), (0, 0, 784));
            assert_eq!(db.topology().await.unwrap().grants, []);
        }
    }
}
