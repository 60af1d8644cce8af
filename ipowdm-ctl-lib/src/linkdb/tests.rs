//! Fixtures and the rules of allocation, one by one. Properties and concurrency are in `tests/`.

mod bands;
mod capacity;
mod concurrency;
mod defects;
mod defragmentation;
mod fill;
mod golden;
mod holds;
mod inventories;
mod link_windows;
mod moves;
mod oracle;
mod pairs;
mod policies;
mod pools;
mod ports;
mod restoration;
mod topology_changes;
mod upgrades;
mod upkeep;

use super::*;
use crate::spectrum::{Fibres, LinkSpectrum, Occupant, Occupied, Owner, VopGrant};
use crate::store::{Key, RawKey, StoreError, Value};
use crate::topology::{Port, Router};
use ipowdm_core::capability::GridRange;
use ipowdm_core::error::Code;
use ipowdm_core::grid::{FlexSlot, Grid, SpectrumWindow};
use ipowdm_core::ids::{
    ConnectionId, LinkId, PopId, PortId, PortRef, ReservationId, RouterId, RouterRef, VopId,
};
use ipowdm_core::slots::Slots;
use ipowdm_core::units::{Frequency, Length};

fn pop(name: &str) -> PopId {
    PopId::new(name).unwrap()
}

fn link(name: &str) -> LinkId {
    LinkId::new(name).unwrap()
}

fn vop(name: &str) -> VopId {
    VopId::new(name).unwrap()
}

fn connection(name: &str) -> ConnectionId {
    ConnectionId::new(name).unwrap()
}

fn mhz(mhz: u32) -> Frequency {
    Frequency::from_mhz(mhz)
}

fn whole_band() -> SpectrumWindow {
    Raster::C_BAND.window()
}

/// LinkDB with links (id, a, b, km) and vOp1 holding the whole band.
async fn network(links: &[(&str, &str, &str, u32)]) -> LinkDb {
    let db = LinkDb::new(Store::memory());
    let mut names: Vec<&str> = links.iter().flat_map(|&(_, a, b, _)| [a, b]).collect();
    names.sort_unstable();
    names.dedup();
    let pops = names.iter().map(|name| Pop::new(pop(name))).collect();
    let links = links
        .iter()
        .map(|&(id, a, b, km)| FibreLink::new(link(id), pop(a), pop(b), Length::from_metres(km * 1000)))
        .collect();
    db.import(pops, links).await.unwrap();
    db.set_vop_grant(VopGrant::pool(vop("vOp1"), vec![whole_band()])).await.unwrap();
    db
}

/// A request of vOp1 for a slot of width m anywhere on the raster.
fn request(id: &str, source: &str, destination: &str, width_m: u16) -> AllocationRequest {
    let (source, destination) = (Endpoint::at(pop(source)), Endpoint::at(pop(destination)));
    AllocationRequest::new(connection(id), vop("vOp1"), source, destination, width_m)
}

/// Sets what is free on both fibres of a link, by bits: all else is set aside.
async fn set_free(db: &LinkDb, id: &str, free: impl IntoIterator<Item = u16>) {
    let raster = db.raster();
    let mut taken = Slots::all_free(raster.bits());
    for bit in free {
        taken.take(bit, 1).unwrap();
    }
    let mut spectrum = LinkSpectrum::free(raster);
    for (first, count) in taken.runs() {
        let by = Occupant::Reserved(ReservationId::new(&format!("not-{first}")).unwrap());
        spectrum.take(&Occupied { first, count, guard: 0, fibres: Fibres::Both, by }).unwrap();
    }
    let key: Key<LinkSpectrum> = LinkSpectrum::key(&link(id));
    db.store().transact(|tx| tx.put(&key, &spectrum)).await.unwrap();
}

/// The bits of a slot.
fn bits(slot: FlexSlot) -> (u16, u16) {
    Raster::C_BAND.bits_of(slot).unwrap()
}

async fn dump(db: &LinkDb) -> Vec<(RawKey, Value)> {
    db.store().snapshot().await.unwrap().dump().await.unwrap()
}

/// Expects a refusal of this code that changes nothing.
async fn refused(db: &LinkDb, request: AllocationRequest, code: Code) -> LinkDbError {
    let before = dump(db).await;
    let error = db.allocate(request).await.unwrap_err();
    assert_eq!(error.code(), code, "{error}");
    assert_eq!(dump(db).await, before, "a refused request changed the store");
    error
}

#[tokio::test]
async fn s0_03_the_same_request_twice_gets_the_same_slots() {
    let db = network(&[("ab", "a", "b", 80)]).await;
    let first = db.allocate(request("c", "a", "b", 6)).await.unwrap();
    let before = dump(&db).await;
    assert_eq!(db.allocate(request("c", "a", "b", 6)).await.unwrap(), first);
    assert_eq!(dump(&db).await, before);
}

#[tokio::test]
async fn an_id_with_another_request_is_refused() {
    let db = network(&[("ab", "a", "b", 80)]).await;
    db.allocate(request("c", "a", "b", 6)).await.unwrap();
    refused(&db, request("c", "a", "b", 8), Code::AlreadyExists).await;
    refused(&db, request("c", "b", "a", 6), Code::AlreadyExists).await;
}

#[tokio::test]
async fn release_restores_the_store_exactly_and_is_idempotent() {
    let db = network(&[("ab", "a", "b", 80), ("bc", "b", "c", 80)]).await;
    db.allocate(request("other", "a", "b", 6)).await.unwrap();
    let before = dump(&db).await;
    let grant = db.allocate(request("c", "a", "c", 6)).await.unwrap();
    assert_ne!(dump(&db).await, before);
    assert_eq!(db.release(&connection("c")).await.unwrap(), Some(grant));
    assert_eq!(dump(&db).await, before);
    assert_eq!(db.release(&connection("c")).await.unwrap(), None);
    assert_eq!(dump(&db).await, before);
}

#[tokio::test]
async fn a_reused_id_is_a_new_incarnation_that_late_work_for_the_old_one_cannot_release() {
    let db = network(&[("ab", "a", "b", 80)]).await;
    let first = db.allocate(request("c", "a", "b", 6)).await.unwrap();
    db.release(&connection("c")).await.unwrap();
    let second = db.allocate(request("c", "a", "b", 6)).await.unwrap();
    assert!(second.incarnation > first.incarnation);
    let id = connection("c");
    let release =
        async |incarnation| db.store().transact(|tx| db.release_incarnation_in(tx, &id, incarnation)).await;
    assert_eq!(release(first.incarnation).await.unwrap(), None);
    assert_eq!(db.grant(&connection("c")).await.unwrap(), Some(second.clone()));
    assert_eq!(release(second.incarnation).await.unwrap(), Some(second.clone()));
}

#[tokio::test]
async fn release_of_what_another_owner_holds_is_refused_and_changes_nothing() {
    let db = network(&[("ab", "a", "b", 80)]).await;
    let grant = db.allocate(request("c", "a", "b", 6)).await.unwrap();
    let (first, count) = bits(grant.slot);
    let mut stolen = LinkSpectrum::free(db.raster());
    let by = Occupant::Connection(Owner { connection_id: connection("thief"), ..grant.owner() });
    stolen.take(&Occupied { first, count, guard: 0, fibres: Fibres::Both, by }).unwrap();
    db.store().transact(|tx| tx.put(&LinkSpectrum::key(&link("ab")), &stolen)).await.unwrap();
    let before = dump(&db).await;
    let error = db.release(&connection("c")).await.unwrap_err();
    assert_eq!(error.code(), Code::Internal);
    assert_eq!(dump(&db).await, before);
}

#[tokio::test]
async fn both_fibres_of_every_link_are_taken() {
    let db = network(&[("ab", "a", "b", 80), ("cb", "c", "b", 80)]).await;
    let grant = db.allocate(request("c", "a", "c", 6)).await.unwrap();
    let directions: Vec<_> = grant.path.hops.iter().map(|hop| (hop.link.as_str(), hop.direction)).collect();
    assert_eq!(directions, [("ab", Direction::AToB), ("cb", Direction::BToA)]);
    for id in ["ab", "cb"] {
        let map = db.spectrum(&link(id)).await.unwrap();
        assert_eq!(map.spectrum.a_to_b, map.spectrum.b_to_a);
        assert!(!map.spectrum.a_to_b.is_free(0));
        assert_eq!(map.spectrum.a_to_b.free(), 784 - 12);
        assert_eq!((map.owners.len(), map.owners[0].owner.connection_id.as_str()), (1, "c"));
        assert_eq!(map.owners[0].slot, grant.slot);
    }
}

#[tokio::test]
async fn the_reverse_direction_gets_the_reverse_path_and_the_same_rules() {
    let db = network(&[("ab", "a", "b", 80), ("bc", "b", "c", 80)]).await;
    let there = db.allocate(request("1", "a", "c", 6)).await.unwrap();
    db.release(&connection("1")).await.unwrap();
    let back = db.allocate(request("2", "c", "a", 6)).await.unwrap();
    let mut pops = back.path.pops.clone();
    pops.reverse();
    assert_eq!((pops, back.slot, back.path.length), (there.path.pops, there.slot, there.path.length));
    let hops: Vec<_> = back.path.hops.iter().map(|hop| (hop.link.as_str(), hop.direction)).collect();
    assert_eq!(hops, [("bc", Direction::BToA), ("ab", Direction::BToA)]);
}

#[tokio::test]
async fn the_first_path_in_order_with_room_is_taken() {
    let db = network(&[("ab", "a", "b", 10), ("ac", "a", "c", 10), ("cb", "c", "b", 10)]).await;
    set_free(&db, "ab", 100..111).await;
    let grant = db.allocate(request("c", "a", "b", 6)).await.unwrap();
    assert_eq!(grant.path.pops, [pop("a"), pop("c"), pop("b")]);
    let narrow = db.allocate(request("n", "a", "b", 5)).await.unwrap();
    assert_eq!((narrow.path.hops.len(), bits(narrow.slot)), (1, (100, 10)));
}

#[tokio::test]
async fn only_centres_of_both_modules_are_granted() {
    let range = |grid, low_channel, high_channel| GridRange { grid, low_channel, high_channel };
    let db = network(&[("ab", "a", "b", 80)]).await;
    let mut asked = request("c", "a", "b", 6);
    // One module tunes in steps of 75 GHz over the band, the other in steps of 6.25 GHz from 193.1 THz up.
    asked.tuning = Tuning::Modules {
        source: vec![range(Grid::Ghz75, -69, 120)],
        destination: vec![range(Grid::Ghz6p25, 1, 400), range(Grid::Ghz100, -18, -18)],
    };
    let grant = db.allocate(asked.clone()).await.unwrap();
    assert_eq!(grant.frequency, mhz(193_175_000));
    asked.connection_id = connection("d");
    asked.tuning = Tuning::Modules {
        source: vec![range(Grid::Ghz75, -69, -60)],
        destination: vec![range(Grid::Ghz6p25, 1, 400)],
    };
    refused(&db, asked, Code::NoCommonChannel).await;
}

#[tokio::test]
async fn a_slot_lies_whole_in_one_window_of_the_operator() {
    let db = network(&[("ab", "a", "b", 80)]).await;
    let window = |low, high| SpectrumWindow { low: mhz(low), high: mhz(high) };
    // The first window is one step too narrow, the two together would hold the slot.
    let windows = vec![window(193_000_000, 193_068_750), window(193_068_750, 193_500_000)];
    db.set_vop_grant(VopGrant::pool(vop("vOp2"), windows)).await.unwrap();
    let mut asked = request("c", "a", "b", 6);
    asked.vop = vop("vOp2");
    let grant = db.allocate(asked.clone()).await.unwrap();
    assert_eq!(grant.frequency, mhz(193_068_750 + 37_500));
    asked.connection_id = connection("d");
    asked.frequency = Some(mhz(193_600_000));
    refused(&db, asked.clone(), Code::FrequencyNotGranted).await;
    asked.vop = vop("vOp3");
    refused(&db, asked, Code::UnknownVop).await;
}

#[tokio::test]
async fn a_frequency_asked_for_is_given_or_refused() {
    let db = network(&[("ab", "a", "b", 80)]).await;
    let mut asked = request("c", "a", "b", 6);
    asked.frequency = Some(Frequency::ANCHOR);
    asked.tuning = Tuning::Grid(Grid::Ghz75);
    assert_eq!(db.allocate(asked.clone()).await.unwrap().frequency, Frequency::ANCHOR);
    asked.connection_id = connection("d");
    refused(&db, asked.clone(), Code::NoSpectrum).await;
    asked.frequency = Some(mhz(193_101_000));
    refused(&db, asked.clone(), Code::FrequencyOffGrid).await;
    asked.frequency = Some(mhz(193_106_250));
    refused(&db, asked.clone(), Code::FrequencyOffGrid).await;
    for outside in [0, 190_000_000, 191_250_000, 196_150_000, 200_000_000] {
        asked.frequency = Some(mhz(outside));
        refused(&db, asked.clone(), Code::FrequencyOutOfRange).await;
    }
    let range = |low_channel, high_channel| vec![GridRange { grid: Grid::Ghz75, low_channel, high_channel }];
    asked.tuning = Tuning::Modules { source: range(-69, 120), destination: range(0, 30) };
    asked.frequency = Some(mhz(193_025_000));
    refused(&db, asked, Code::FrequencyOutOfRange).await;
}

#[tokio::test]
async fn bad_requests_are_refused_by_their_code() {
    let db = network(&[("ab", "a", "b", 80), ("cd", "c", "d", 80)]).await;
    refused(&db, request("c", "a", "nowhere", 6), Code::UnknownPop).await;
    refused(&db, request("c", "nowhere", "a", 6), Code::UnknownPop).await;
    refused(&db, request("c", "a", "a", 6), Code::SamePop).await;
    refused(&db, request("c", "a", "c", 6), Code::NoPath).await;
    refused(&db, request("c", "a", "b", 0), Code::InvalidField).await;
    refused(&db, request("c", "a", "b", 393), Code::InvalidField).await;
    refused(&db, request("c", "a", "b", u16::MAX), Code::InvalidField).await;
    let with = |change: &dyn Fn(&mut AllocationRequest)| {
        let mut asked = request("c", "a", "b", 6);
        change(&mut asked);
        asked
    };
    refused(&db, with(&|asked| asked.k = 0), Code::InvalidField).await;
    refused(&db, with(&|asked| asked.k = 65), Code::InvalidField).await;
    refused(&db, with(&|asked| asked.tuning = Tuning::OfPorts), Code::InvalidField).await;
    set_free(&db, "ab", 0..11).await;
    refused(&db, request("c", "a", "b", 6), Code::NoSpectrum).await;
}

#[tokio::test]
async fn the_widest_slot_fills_the_band() {
    let db = network(&[("ab", "a", "b", 80)]).await;
    let grant = db.allocate(request("c", "a", "b", 392)).await.unwrap();
    assert_eq!(bits(grant.slot), (0, 784));
    refused(&db, request("d", "a", "b", 1), Code::NoSpectrum).await;
}

#[tokio::test]
async fn a_spectrum_record_of_another_raster_is_refused() {
    let store = Store::memory();
    let db = LinkDb::new(store.clone());
    db.import(
        vec![Pop::new(pop("a")), Pop::new(pop("b"))],
        vec![FibreLink::new(link("ab"), pop("a"), pop("b"), Length::from_metres(1))],
    )
    .await
    .unwrap();
    db.set_vop_grant(VopGrant::pool(vop("vOp1"), vec![whole_band()])).await.unwrap();
    db.allocate(request("c", "a", "b", 6)).await.unwrap();
    let other = LinkDb::with_raster(store, Raster::new(mhz(191_300_000), 700).unwrap());
    refused(&other, request("d", "a", "b", 6), Code::Internal).await;
}

#[tokio::test]
async fn an_allocation_commits_with_the_rest_of_its_transaction_or_not_at_all() {
    let db = network(&[("ab", "a", "b", 80)]).await;
    let before = dump(&db).await;
    let asked = request("c", "a", "b", 6);
    let failed: Result<(), LinkDbError> = db
        .store()
        .transact(|tx| {
            db.allocate_in(tx, &asked)?;
            Err(LinkDbError::Store(StoreError::Stale))
        })
        .await;
    assert!(failed.is_err());
    assert_eq!(dump(&db).await, before);
    let message = crate::store::OutboxRecord {
        topic: "config_vOp1".to_owned(),
        key: b"agent".to_vec(),
        payload: Some(b"{}".to_vec()),
    };
    let grant = db
        .store()
        .transact(|tx| {
            let grant = db.allocate_in(tx, &asked)?;
            tx.publish(&message)?;
            Ok::<_, LinkDbError>(grant)
        })
        .await
        .unwrap();
    assert_eq!(db.grant(&connection("c")).await.unwrap(), Some(grant));
    let outbox = db.store().scan(&Prefix::<crate::store::OutboxRecord>::all()).await.unwrap();
    assert_eq!(outbox.len(), 1);
}
