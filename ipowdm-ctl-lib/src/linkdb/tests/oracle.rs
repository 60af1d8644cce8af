//! Allocation against an oracle that knows no bitmaps, no caches and no search but trying everything.

use super::*;
use proptest::prelude::*;
use std::collections::{BTreeMap, HashMap};

/// PoPs 0…5 with links as (a, b, km), two of them parallel.
const LINKS: [(u32, u32, u32); 9] = [
    (0, 1, 30),
    (1, 2, 30),
    (2, 3, 40),
    (3, 4, 30),
    (4, 5, 20),
    (5, 0, 30),
    (1, 4, 50),
    (2, 5, 60),
    (0, 1, 45),
];

const BITS: u16 = 48;

fn raster() -> Raster {
    Raster::new(mhz(193_100_000), BITS).unwrap()
}

/// The oracle: per link and direction the owner of each bit.
struct Oracle {
    owners: Vec<[Vec<Option<u32>>; 2]>,
    live: BTreeMap<u32, Held>,
}

struct Held {
    asked: Asked,
    links: Vec<usize>,
    first: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Asked {
    source: u32,
    destination: u32,
    m: u16,
    k: u16,
}

impl Oracle {
    fn new() -> Self {
        let fibre = || vec![None; usize::from(BITS)];
        Self { owners: LINKS.iter().map(|_| [fibre(), fibre()]).collect(), live: BTreeMap::new() }
    }

    /// Links of every loopless path, in the documented order.
    fn paths(source: u32, destination: u32) -> Vec<Vec<usize>> {
        let mut found: Vec<(u32, usize, Vec<u32>, Vec<usize>)> = Vec::new();
        let mut open = vec![(vec![source], Vec::new(), 0)];
        while let Some((nodes, links, km)) = open.pop() {
            let here = *nodes.last().unwrap();
            if here == destination {
                found.push((km, links.len(), nodes, links));
                continue;
            }
            for (i, &(a, b, length)) in LINKS.iter().enumerate() {
                for (from, to) in [(a, b), (b, a)] {
                    if from == here && !nodes.contains(&to) {
                        let (mut nodes, mut links) = (nodes.clone(), links.clone());
                        nodes.push(to);
                        links.push(i);
                        open.push((nodes, links, km + length));
                    }
                }
            }
        }
        found.sort();
        found.into_iter().map(|(_, _, _, links)| links).collect()
    }

    fn allocate(&mut self, id: u32, asked: Asked) -> Option<(Vec<usize>, usize)> {
        let backwards = asked.source > asked.destination;
        let (low, high) = (asked.source.min(asked.destination), asked.source.max(asked.destination));
        let need = 2 * usize::from(asked.m);
        for links in Self::paths(low, high).into_iter().take(usize::from(asked.k)) {
            for first in 0..=usize::from(BITS).saturating_sub(need) {
                let free = links.iter().all(|&l| {
                    (first..first + need).all(|bit| self.owners[l].iter().all(|f| f[bit].is_none()))
                });
                if !free {
                    continue;
                }
                for &l in &links {
                    for fibre in &mut self.owners[l] {
                        fibre[first..first + need].fill(Some(id));
                    }
                }
                self.live.insert(id, Held { asked, links: links.clone(), first });
                let mut walked = links;
                if backwards {
                    walked.reverse();
                }
                return Some((walked, first));
            }
        }
        None
    }

    fn release(&mut self, id: u32) -> bool {
        let Some(held) = self.live.remove(&id) else { return false };
        for l in held.links {
            for fibre in &mut self.owners[l] {
                let slot = &mut fibre[held.first..held.first + 2 * usize::from(held.asked.m)];
                assert!(slot.iter().all(|owner| *owner == Some(id)));
                slot.fill(None);
            }
        }
        true
    }
}

async fn database() -> LinkDb {
    let db = LinkDb::with_raster(Store::memory(), raster());
    let pops = (0..6_u32).map(|n| Pop::new(pop(&n.to_string()))).collect();
    let links = LINKS
        .iter()
        .enumerate()
        .map(|(i, &(a, b, km))| {
            let (a, b) = (pop(&a.to_string()), pop(&b.to_string()));
            FibreLink::new(link(&i.to_string()), a, b, Length::from_metres(km * 1000))
        })
        .collect();
    db.import(pops, links).await.unwrap();
    db.set_vop_grant(VopGrant::pool(vop("vOp1"), vec![raster().window()])).await.unwrap();
    db
}

fn request_of(id: u32, asked: Asked) -> AllocationRequest {
    AllocationRequest {
        k: asked.k,
        ..request(&id.to_string(), &asked.source.to_string(), &asked.destination.to_string(), asked.m)
    }
}

/// Compares every bit of every fibre, and its owner, with the oracle.
async fn compare(db: &LinkDb, oracle: &Oracle) {
    for (l, fibres) in oracle.owners.iter().enumerate() {
        let map = db.spectrum(&link(&l.to_string())).await.unwrap();
        let mut owner_at: HashMap<u16, u32> = HashMap::new();
        for entry in &map.owners {
            let (first, count) = raster().bits_of(entry.slot).unwrap();
            let id = entry.owner.connection_id.as_str().parse().unwrap();
            for bit in first..first + count {
                assert_eq!(owner_at.insert(bit, id), None, "two owners of bit {bit} on link {l}");
            }
        }
        for (slots, fibre) in [&map.spectrum.a_to_b, &map.spectrum.b_to_a].into_iter().zip(fibres) {
            for (bit, owner) in (0..BITS).zip(fibre) {
                assert_eq!(slots.is_free(bit), owner.is_none(), "bit {bit} on link {l}");
                assert_eq!(owner_at.get(&bit), owner.as_ref(), "owner of bit {bit} on link {l}");
            }
        }
    }
}

/// One step of a random history.
#[derive(Debug, Clone, Copy)]
enum Step {
    Allocate(u32, Asked),
    Release(u32),
}

fn step() -> impl Strategy<Value = Step> {
    let asked = (0_u32..6, 1_u32..6, 1_u16..9, 1_u16..7).prop_map(|(source, jump, m, k)| Asked {
        source,
        destination: (source + jump) % 6,
        m,
        k,
    });
    prop_oneof![
        3 => (0_u32..40, asked).prop_map(|(id, asked)| Step::Allocate(id, asked)),
        2 => (0_u32..40).prop_map(Step::Release),
    ]
}

/// Takes one step on both sides and compares the answers.
async fn play(db: &LinkDb, oracle: &mut Oracle, step: Step) {
    match step {
        Step::Release(id) => {
            let released = db.release(&connection(&id.to_string())).await.unwrap();
            assert_eq!(released.is_some(), oracle.release(id));
        }
        Step::Allocate(id, asked) => {
            let answer = db.allocate(request_of(id, asked)).await;
            if let Some(held) = oracle.live.get(&id) {
                if held.asked == asked {
                    let first = raster().bits_of(answer.unwrap().slot).unwrap().0;
                    assert_eq!(usize::from(first), held.first);
                } else {
                    assert_eq!(answer.unwrap_err().code(), Code::AlreadyExists);
                }
                return;
            }
            match (answer, oracle.allocate(id, asked)) {
                (Ok(grant), Some((links, first))) => {
                    let taken: Vec<usize> =
                        grant.path.hops.iter().map(|hop| hop.link.as_str().parse().unwrap()).collect();
                    let (bit, count) = raster().bits_of(grant.slot).unwrap();
                    assert_eq!((taken, usize::from(bit), count), (links, first, 2 * asked.m), "{step:?}");
                }
                (Err(error), None) => assert_eq!(error.code(), Code::NoSpectrum),
                (answer, expected) => panic!("{step:?}: {answer:?}, the oracle says {expected:?}"),
            }
        }
    }
}

#[test]
fn s0_15_ten_thousand_random_sequences_agree_with_the_oracle() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let config = ProptestConfig { cases: 10_000, ..ProptestConfig::default() };
    // Short histories in great number; the long ones below fill the network to the last slot.
    proptest!(config, |(steps in proptest::collection::vec(step(), 1..12))| {
        runtime.block_on(async {
            let (db, mut oracle) = (database().await, Oracle::new());
            for step in steps {
                play(&db, &mut oracle, step).await;
            }
            compare(&db, &oracle).await;
        });
    });
}

#[test]
fn s0_15_long_histories_agree_with_the_oracle_bit_by_bit() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let config = ProptestConfig { cases: 20, ..ProptestConfig::default() };
    proptest!(config, |(steps in proptest::collection::vec(step(), 300..500))| {
        runtime.block_on(async {
            let (db, mut oracle) = (database().await, Oracle::new());
            let empty = dump(&db).await;
            for step in steps {
                play(&db, &mut oracle, step).await;
                compare(&db, &oracle).await;
            }
            let live: Vec<u32> = oracle.live.keys().copied().collect();
            for id in live {
                play(&db, &mut oracle, Step::Release(id)).await;
            }
            assert_eq!(dump(&db).await, empty, "releasing everything restores the store exactly");
        });
    });
}
