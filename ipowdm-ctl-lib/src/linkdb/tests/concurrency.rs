//! Sixteen allocators at once: a slot and a port have one owner.

use super::*;
use std::collections::{BTreeMap, HashSet};

/// A ring of four PoPs with two chords.
const RING: [(&str, &str, &str, u32); 6] = [
    ("01", "0", "1", 10),
    ("12", "1", "2", 10),
    ("23", "2", "3", 10),
    ("30", "3", "0", 10),
    ("02", "0", "2", 25),
    ("13", "1", "3", 25),
];

/// Checks that no bit of any link has two owners and that bitmaps, owner records and grants tell the same story.
async fn check(db: &LinkDb) -> usize {
    check_links(db, &RING.map(|(id, ..)| id)).await
}

/// As `check`, on a network with these links.
pub(super) async fn check_links(db: &LinkDb, links: &[&str]) -> usize {
    let view = db.topology().await.unwrap();
    let mut granted: BTreeMap<(String, u16), String> = BTreeMap::new();
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
    for &id in links {
        let map = db.spectrum(&link(id)).await.unwrap();
        for entry in map.owners {
            let (first, count) = bits(entry.slot);
            for bit in first..first + count {
                owned.insert((id.to_owned(), bit), entry.owner.connection_id.to_string());
            }
        }
        for bit in 0..784 {
            let free = !granted.contains_key(&(id.to_owned(), bit));
            assert_eq!((map.spectrum.a_to_b.is_free(bit), map.spectrum.b_to_a.is_free(bit)), (free, free));
        }
    }
    assert_eq!(owned, granted);
    view.grants.len()
}

/// A small generator of reproducible pseudo-random numbers (SplitMix64).
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % bound
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn s0_15_sixteen_allocators_never_share_a_slot() {
    let db = network(&RING).await;
    let empty = dump(&db).await;
    let tasks: Vec<_> = (0..16_u64)
        .map(|task| {
            let db = db.clone();
            tokio::spawn(async move {
                let mut random = Random(task);
                let mut live = Vec::new();
                for round in 0..60 {
                    if random.below(3) == 0 && !live.is_empty() {
                        let index = usize::try_from(random.below(live.len() as u64)).unwrap();
                        let id: ConnectionId = live.swap_remove(index);
                        assert!(db.release(&id).await.unwrap().is_some());
                        continue;
                    }
                    let source = random.below(4);
                    let destination = (source + 1 + random.below(3)) % 4;
                    let width = 1 + u16::try_from(random.below(12)).unwrap();
                    let id = format!("{task}-{round}");
                    let asked = request(&id, &source.to_string(), &destination.to_string(), width);
                    match db.allocate(asked).await {
                        Ok(grant) => live.push(grant.request.connection_id),
                        Err(error) => assert_eq!(error.code(), Code::NoSpectrum, "{error}"),
                    }
                }
                live
            })
        })
        .collect();
    let mut live = Vec::new();
    for task in tasks {
        live.extend(task.await.unwrap());
    }
    assert_eq!(check(&db).await, live.len());
    for id in live {
        assert!(db.release(&id).await.unwrap().is_some());
    }
    assert_eq!(dump(&db).await, empty);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn sixteen_allocators_fill_a_link_without_gap_or_duplicate() {
    let db = network(&[("01", "0", "1", 10)]).await;
    let tasks: Vec<_> = (0..16)
        .map(|task| {
            let db = db.clone();
            tokio::spawn(async move {
                let mut slots = Vec::new();
                for round in 0.. {
                    match db.allocate(request(&format!("{task}-{round}"), "0", "1", 6)).await {
                        Ok(grant) => slots.push(grant.slot),
                        Err(error) => {
                            assert_eq!(error.code(), Code::NoSpectrum, "{error}");
                            break;
                        }
                    }
                }
                slots
            })
        })
        .collect();
    let mut slots = Vec::new();
    for task in tasks {
        slots.extend(task.await.unwrap());
    }
    let mut starts: Vec<u16> = slots.into_iter().map(|slot| bits(slot).0).collect();
    starts.sort_unstable();
    assert_eq!(starts, (0..65).map(|i| i * 12).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn sixteen_requests_for_any_free_port_get_different_ports() {
    let db = network(&[("01", "0", "1", 10)]).await;
    for at in ["0", "1"] {
        let router = RouterRef { pop_id: pop(at), router_id: RouterId::new("r").unwrap() };
        db.add_router(Router::new(router.clone())).await.unwrap();
        for port in 0..10 {
            let at = PortRef {
                pop_id: router.pop_id.clone(),
                router_id: router.router_id.clone(),
                port_id: PortId::new(&format!("Ethernet{port}")).unwrap(),
            };
            db.add_port(Port { vop: Some(vop("vOp1")), ..Port::new(at) }).await.unwrap();
        }
    }
    let tasks: Vec<_> = (0..16)
        .map(|task| {
            let db = db.clone();
            tokio::spawn(async move {
                let mut asked = request(&task.to_string(), "0", "1", 6);
                asked.source = Endpoint::any_free(pop("0"));
                asked.destination = Endpoint::any_free(pop("1"));
                db.allocate(asked).await
            })
        })
        .collect();
    let mut ports = HashSet::new();
    let mut refusals = 0;
    for task in tasks {
        match task.await.unwrap() {
            Ok(grant) => {
                assert!(
                    ports.insert(grant.source_port.unwrap()) && ports.insert(grant.destination_port.unwrap())
                );
            }
            Err(error) => {
                assert_eq!(error.code(), Code::NoFreePort);
                refusals += 1;
            }
        }
    }
    assert_eq!((ports.len(), refusals), (20, 6));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn sixteen_repeats_of_one_request_make_one_grant() {
    let db = network(&RING).await;
    let tasks: Vec<_> = (0..16)
        .map(|_| {
            let db = db.clone();
            tokio::spawn(async move { db.allocate(request("c", "0", "2", 6)).await.unwrap() })
        })
        .collect();
    let mut grants = Vec::new();
    for task in tasks {
        grants.push(task.await.unwrap());
    }
    assert!(grants.iter().all(|grant| *grant == grants[0]));
    assert_eq!(check(&db).await, 1);
}
