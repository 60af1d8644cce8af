//! 1, 4, 16 and 96 clients at once fill a link: grants = capacity, no duplicate, no gap. Then all is released.

use super::*;
use crate::store::{Location, StoreOptions};

/// Channels of 75 GHz in 784 steps.
const CAPACITY: u16 = 65;

/// Fills and empties a link with so many clients; every second one has a handle of its own, whose calls are not joined with
/// the others' into one transaction.
async fn fill(store: &Store, clients: usize) {
    let name = format!("fill-{clients}");
    let (a, b) = (pop(&format!("{name}-a")), pop(&format!("{name}-b")));
    let db = LinkDb::new(store.clone());
    let line = FibreLink::new(link(&name), a.clone(), b.clone(), Length::from_metres(1_000));
    db.import(vec![Pop::new(a), Pop::new(b)], vec![line]).await.unwrap();
    db.set_vop_grant(VopGrant::pool(vop("vOp1"), vec![whole_band()])).await.unwrap();
    let empty = dump(&db).await;
    let running: Vec<_> = (0..clients)
        .map(|client| {
            let db = if client % 2 == 0 { db.clone() } else { LinkDb::new(store.clone()) };
            let name = name.clone();
            tokio::spawn(async move {
                let mut held = Vec::new();
                for round in 0.. {
                    let id = format!("{name}-{client}-{round}");
                    let asked = request(&id, &format!("{name}-a"), &format!("{name}-b"), 6);
                    match db.allocate(asked).await {
                        Ok(grant) => held.push(grant),
                        Err(error) => {
                            assert_eq!(error.code(), Code::NoSpectrum, "{error}");
                            return (db, held);
                        }
                    }
                }
                unreachable!("a link has an end");
            })
        })
        .collect();
    let mut held = Vec::new();
    for client in running {
        held.push(client.await.unwrap());
    }
    let mut starts: Vec<u16> =
        held.iter().flat_map(|(_, grants)| grants).map(|grant| bits(grant.slot).0).collect();
    starts.sort_unstable();
    assert_eq!(starts, (0..CAPACITY).map(|i| i * 12).collect::<Vec<_>>(), "{clients} clients");
    assert_eq!(db.spectrum(&link(&name)).await.unwrap().owners.len(), usize::from(CAPACITY));
    let releasing: Vec<_> = held
        .into_iter()
        .map(|(db, grants)| {
            tokio::spawn(async move {
                for grant in grants {
                    assert_eq!(
                        db.release(&grant.request.connection_id).await.unwrap().as_ref(),
                        Some(&grant)
                    );
                }
            })
        })
        .collect();
    for client in releasing {
        client.await.unwrap();
    }
    assert_eq!(dump(&db).await, empty, "{clients} clients");
}

async fn fill_all(store: &Store) {
    for clients in [1, 4, 16, 96] {
        fill(store, clients).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn s0_15_clients_fill_a_link_exactly_in_memory() {
    fill_all(&Store::memory()).await;
}

#[cfg(feature = "redb")]
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn s0_15_clients_fill_a_link_exactly_in_a_file() {
    let directory = tempfile::tempdir().unwrap();
    let location = Location::Redb(directory.path().join("store.redb"));
    let store = Store::open(&location, StoreOptions::default()).await.unwrap();
    fill_all(&store).await;
}
