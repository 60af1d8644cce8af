//! Links that carry less than the band: what is moved and what is counted stays within what they carry.

use super::*;
use crate::spectrum::Fragmentation;
use ipowdm_core::grid::RASTER_MHZ;

/// Makes a link carry only these bits, as (first, end).
pub(super) async fn narrow(db: &LinkDb, id: &str, bands: &[(u32, u32)]) {
    let low = whole_band().low.mhz();
    let edge = |bit: u32| mhz(low + bit * RASTER_MHZ);
    let bands: Vec<SpectrumWindow> =
        bands.iter().map(|&(first, end)| SpectrumWindow { low: edge(first), high: edge(end) }).collect();
    let key = FibreLink::key(&link(id));
    let mut of_link = db.store().get(&key).await.unwrap().unwrap();
    of_link.bands = bands;
    db.store().transact(|tx| db.update_link_in(tx, &of_link)).await.unwrap();
}

const BOTH: fn() -> DefragmentationRules =
    || DefragmentationRules { push_pull: true, ..DefragmentationRules::default() };

/// A link of two bands with a hole, and connections at both sides of it with holes between them.
async fn two_bands() -> LinkDb {
    let db = network(&[("ab", "a", "b", 80)]).await;
    narrow(&db, "ab", &[(100, 120), (200, 300)]).await;
    for id in ["1", "2", "3", "4", "5", "6", "7"] {
        db.allocate(request(id, "a", "b", 4)).await.unwrap();
    }
    for id in ["1", "3", "5"] {
        db.release(&connection(id)).await.unwrap();
    }
    db
}

async fn at(db: &LinkDb) -> Vec<(u16, u16)> {
    db.spectrum(&link("ab")).await.unwrap().owners.iter().map(|owner| bits(owner.slot)).collect()
}

#[tokio::test]
async fn defragmentation_moves_nothing_out_of_what_a_link_carries_nor_slides_it_through() {
    let db = two_bands().await;
    assert_eq!(at(&db).await, [(108, 8), (208, 8), (224, 8), (232, 8)]);
    let plan = db.propose_defragmentation(&BOTH()).await.unwrap();
    assert!(!plan.moves.is_empty());
    let inside = |slot: FlexSlot| {
        let (first, count) = bits(slot);
        [(100, 120), (200, 300)].into_iter().position(|(low, high)| low <= first && first + count <= high)
    };
    for step in &plan.moves {
        assert!(inside(step.to.slot).is_some(), "{step:?}");
        if step.kind == MoveKind::PushPull {
            assert_eq!(inside(step.from.slot), inside(step.to.slot), "{step:?}");
        }
    }
    let progress = db.apply_defragmentation(&plan).await.unwrap();
    assert_eq!((progress.moved, progress.stopped), (plan.moves.len(), None));
}

#[tokio::test]
async fn a_move_is_not_made_where_the_link_does_not_carry_it_any_more() {
    let db = two_bands().await;
    let mut plan = db.propose_defragmentation(&BOTH()).await.unwrap();
    // Somebody writes a move by hand: out of the band, and a slide from one band to the other.
    let step = plan.moves[0].clone();
    let place = |first: u16| {
        let slot = Raster::C_BAND.slot_at(first, 8).unwrap();
        Place { slot, frequency: slot.centre().unwrap(), ..step.from.clone() }
    };
    let grant = db.grant(&connection("2")).await.unwrap().unwrap();
    let by_hand = |first: u16, kind| Move {
        connection_id: connection("2"),
        incarnation: grant.incarnation,
        kind,
        from: Place::of(&grant),
        to: place(first),
        gain: 1,
    };
    let before = dump(&db).await;
    for (first, kind) in
        [(0, MoveKind::MakeBeforeBreak), (116, MoveKind::MakeBeforeBreak), (200, MoveKind::PushPull)]
    {
        plan.moves = vec![by_hand(first, kind)];
        let progress = db.apply_defragmentation(&plan).await.unwrap();
        assert_eq!((progress.moved, progress.stopped.map(|(at, _)| at)), (0, Some(0)), "{first}");
        assert_eq!(dump(&db).await, before);
    }
    plan.moves = vec![by_hand(200, MoveKind::MakeBeforeBreak)];
    assert_eq!(db.apply_defragmentation(&plan).await.unwrap().moved, 1);
}

#[tokio::test]
async fn figures_of_a_link_are_of_what_it_carries() {
    let db = network(&[("ab", "a", "b", 80), ("bc", "b", "c", 80)]).await;
    narrow(&db, "ab", &[(100, 120), (200, 300)]).await;
    let figures = db.utilisation(&link("ab")).await.unwrap();
    assert_eq!((figures.bits, figures.used_a_to_b, figures.largest_free_run), (120, 0, 100));
    assert_eq!(db.utilisation(&link("bc")).await.unwrap().largest_free_run, 784);
    db.allocate(request("1", "a", "b", 10)).await.unwrap();
    db.allocate(request("2", "a", "b", 10)).await.unwrap();
    let figures = db.utilisation(&link("ab")).await.unwrap();
    assert_eq!((figures.used_a_to_b, figures.largest_free_run, figures.per_mille()), (40, 80, 333));
    assert_eq!(db.utilisations().await.unwrap()[0].1, figures);
    let all = db.fragmentation().await.unwrap();
    let whole = Fragmentation { free: 80, runs: 1, largest_run: 80, ..Fragmentation::default() };
    assert_eq!(all[0].figures, whole);
    assert_eq!(db.spectrum(&link("ab")).await.unwrap().carried.free(), 120);
}
