//! Traffic of LinkDB, what was answered, and whether a store that came back holds it.

use super::disk::Random;
use crate::linkdb::{AllocationRequest, Endpoint, Grant, LinkDb, LinkDbError};
use crate::spectrum::{VopConnection, VopGrant};
use crate::store::{Backend, Index, Key, Prefix, Record, Store, StoreError, StoreOptions};
use crate::topology::{FibreLink, Pop};
use ipowdm_core::error::Code;
use ipowdm_core::grid::Raster;
use ipowdm_core::ids::{ConnectionId, LinkId, PopId, VopId};
use ipowdm_core::units::Length;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

/// A ring of five PoPs.
const RING: usize = 5;

fn pop(number: usize) -> PopId {
    PopId::new(&format!("pop{}", number % RING)).unwrap()
}

fn link(number: usize) -> LinkId {
    LinkId::new(&format!("link{}", number % RING)).unwrap()
}

fn vop() -> VopId {
    VopId::new("vOp1").unwrap()
}

pub(super) fn store_on(backend: impl Backend + 'static) -> Store {
    Store::new(Arc::new(backend), StoreOptions::default())
}

/// Builds the ring in an empty store.
pub(super) async fn build(db: &LinkDb) -> Result<(), LinkDbError> {
    let pops = (0..RING).map(|i| Pop::new(pop(i))).collect();
    let links =
        (0..RING).map(|i| FibreLink::new(link(i), pop(i), pop(i + 1), Length::from_metres(50_000))).collect();
    db.import(pops, links).await?;
    db.set_vop_grant(VopGrant::pool(vop(), vec![Raster::C_BAND.window()])).await
}

pub(super) fn request(id: &str, random: &mut Random) -> AllocationRequest {
    let from = random.below(RING);
    let (source, destination) =
        (Endpoint::at(pop(from)), Endpoint::at(pop(from + 1 + random.below(RING - 1))));
    let width_m = 1 + u16::try_from(random.below(8)).unwrap();
    AllocationRequest::new(ConnectionId::new(id).unwrap(), vop(), source, destination, width_m)
}

/// A record with declared indexes.
#[derive(Debug, PartialEq, serde::Serialize, serde::Deserialize)]
struct Label {
    serial: u64,
    users: Vec<u64>,
}

impl Record for Label {
    const KIND: &'static str = "crash-label";
    const VERSION: u8 = 1;
    const INDEXES: &'static [Index<Self>] = &[
        Index::unique("serial", |label, values| values.add_numbered(&[], label.serial)),
        Index::multi("user", |label, values| {
            label.users.iter().for_each(|user| values.add_numbered(&[], *user))
        }),
    ];
}

/// Writes or deletes a record with indexes; another may have its serial number already.
pub(super) async fn relabel(store: &Store, random: &mut Random) {
    let key = Key::numbered(&[], random.below(8) as u64);
    let users = (0..random.below(4)).map(|_| random.below(5) as u64).collect();
    let label = (random.below(4) > 0).then(|| Label { serial: random.below(12) as u64, users });
    let written = store
        .transact(|tx| match &label {
            Some(label) => tx.put(&key, label),
            None => {
                tx.delete(&key);
                Ok(())
            }
        })
        .await;
    assert!(matches!(written, Ok(()) | Err(StoreError::Duplicate { .. })), "{written:?}");
}

/// What is known about a connection at a moment.
#[derive(Debug, Clone, PartialEq)]
enum Step {
    Asked,
    Granted(Box<Grant>),
    /// The release was asked for.
    Releasing,
    Released,
    /// The last request was answered with "nothing was written".
    Refused,
}

/// What happened to each connection, and how many events the disk had seen by then.
type Steps = BTreeMap<String, Vec<(usize, Step)>>;

/// What was asked and answered, each with the number of events that the disk had seen by then.
#[derive(Debug, Clone, Default)]
pub(super) struct Ledger(Arc<Mutex<Steps>>);

impl Ledger {
    fn note(&self, id: &ConnectionId, at: usize, step: Step) {
        self.0.lock().unwrap().entry(id.to_string()).or_default().push((at, step));
    }

    /// Carries out one allocation and notes it; whether it was granted.
    pub(super) async fn allocate(
        &self,
        db: &LinkDb,
        asked: AllocationRequest,
        now: impl Fn() -> usize,
    ) -> bool {
        let id = asked.connection_id.clone();
        self.note(&id, now(), Step::Asked);
        let answer = db.allocate(asked).await;
        let granted = answer.is_ok();
        match answer {
            Ok(grant) => self.note(&id, now(), Step::Granted(Box::new(grant))),
            Err(error) => self.failed(&id, now(), error),
        }
        granted
    }

    /// Carries out one release and notes it.
    pub(super) async fn release(&self, db: &LinkDb, id: &ConnectionId, now: impl Fn() -> usize) {
        self.note(id, now(), Step::Releasing);
        match db.release(id).await {
            Ok(released) => {
                assert!(released.is_some(), "{id} was granted");
                self.note(id, now(), Step::Released);
            }
            Err(error) => self.failed(id, now(), error),
        }
    }

    /// Nothing is noted where the outcome is not known.
    fn failed(&self, id: &ConnectionId, at: usize, error: LinkDbError) {
        match error {
            LinkDbError::Store(StoreError::Indeterminate { .. }) => {}
            LinkDbError::Store(StoreError::Unavailable { .. }) => self.note(id, at, Step::Refused),
            error if error.code() == Code::NoSpectrum => self.note(id, at, Step::Refused),
            error => panic!("{id}: {error}"),
        }
    }

    /// Checks that a store holds what was answered by the time the disk had seen `cut` events, and nothing that was not
    /// asked for.
    pub(super) async fn check(&self, db: &LinkDb, cut: usize) {
        let mut grants: BTreeMap<String, Grant> = db
            .topology()
            .await
            .unwrap()
            .grants
            .into_iter()
            .map(|grant| (grant.request.connection_id.to_string(), grant))
            .collect();
        for (id, steps) in self.0.lock().unwrap().iter() {
            let steps: Vec<&Step> =
                steps.iter().take_while(|(at, _)| *at <= cut).map(|(_, step)| step).collect();
            let stored = grants.remove(id);
            let granted = steps
                .iter()
                .find_map(|step| if let Step::Granted(grant) = step { Some(grant) } else { None });
            match (steps.last(), granted) {
                (None | Some(Step::Released), _) | (Some(Step::Refused), None) => {
                    assert_eq!(stored, None, "{id} after {steps:?}");
                }
                (Some(Step::Granted(_) | Step::Refused), Some(grant)) => {
                    assert_eq!(stored.as_ref(), Some(&**grant), "{id} was granted");
                }
                (Some(Step::Releasing), granted) => {
                    let as_granted = granted.is_none() || stored.as_ref() == granted.map(|grant| &**grant);
                    assert!(stored.is_none() || as_granted, "{id} changed");
                }
                (Some(Step::Asked), _) | (Some(Step::Granted(_)), None) => {}
            }
        }
        assert!(grants.is_empty(), "never asked for: {:?}", grants.keys());
    }
}

/// Checks that grants, owners, bitmaps of both fibres and the indexes tell the same story; answers the number of grants.
pub(super) async fn audit(db: &LinkDb) -> usize {
    let view = db.topology().await.unwrap();
    let mut granted: BTreeMap<(String, u16), String> = BTreeMap::new();
    for grant in &view.grants {
        let (first, count) = db.raster().bits_of(grant.slot).unwrap();
        for hop in &grant.path.hops {
            for bit in first..first + count {
                let owner = grant.owner().to_string();
                let before = granted.insert((hop.link.to_string(), bit), owner);
                assert_eq!(before, None, "two owners of bit {bit} on link {}", hop.link);
            }
        }
    }
    let mut owned = BTreeMap::new();
    for known in &view.links {
        let map = db.spectrum(&known.id).await.unwrap();
        for entry in map.owners {
            let (first, count) = db.raster().bits_of(entry.slot).unwrap();
            for bit in first..first + count {
                owned.insert((known.id.to_string(), bit), entry.owner.to_string());
            }
        }
        for bit in 0..db.raster().bits() {
            let free = !granted.contains_key(&(known.id.to_string(), bit));
            let fibres = (map.spectrum.a_to_b.is_free(bit), map.spectrum.b_to_a.is_free(bit));
            assert_eq!(fibres, (free, free), "bit {bit} of {}", known.id);
        }
    }
    assert_eq!(owned, granted);
    let mut snapshot = db.store().snapshot().await.unwrap();
    assert_eq!(snapshot.index_faults::<Label>().await, Ok(Vec::new()));
    let index = db.store().scan(&Prefix::<VopConnection>::all()).await.unwrap();
    let mut indexed: Vec<String> =
        index.iter().filter_map(|(key, _)| Some(key.parts().last()?.to_string())).collect();
    let mut connections: Vec<String> =
        view.grants.iter().map(|grant| grant.request.connection_id.to_string()).collect();
    indexed.sort();
    connections.sort();
    assert_eq!(indexed, connections, "the index of connections by operator");
    view.grants.len()
}
