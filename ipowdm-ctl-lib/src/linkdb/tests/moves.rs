//! Moves of signals that are on: both places, and all that is slid through, are the connection's until the move ends.

use super::*;

const RING: [(&str, &str, &str, u32); 3] = [("ab", "a", "b", 10), ("bc", "b", "c", 10), ("ac", "a", "c", 30)];

/// A move of a connection, from where it is to a slot that begins at another bit, on its own path or over c.
async fn by_hand(db: &LinkDb, id: &str, first: u16, kind: MoveKind, over_c: bool) -> Move {
    let grant = db.grant(&connection(id)).await.unwrap().unwrap();
    let slot = Raster::C_BAND.slot_at(first, 2 * grant.slot.m).unwrap();
    let mut to = Place { slot, frequency: slot.centre().unwrap(), ..Place::of(&grant) };
    if over_c {
        let paths = db.candidate_paths(&pop("a"), &pop("b"), 2).await.unwrap();
        to.path = paths.into_iter().find(|path| path.pops.contains(&pop("c"))).unwrap();
    }
    let (connection_id, incarnation) = (connection(id), grant.incarnation);
    Move { connection_id, incarnation, kind, from: Place::of(&grant), to, gain: 1 }
}

async fn begin(db: &LinkDb, step: &Move) -> MoveOutcome {
    db.store().transact(|tx| db.begin_move_in(tx, step)).await.unwrap()
}

async fn finish(db: &LinkDb, id: &str) -> Option<Grant> {
    db.store().transact(|tx| db.finish_move_in(tx, &connection(id))).await.unwrap()
}

async fn abandon(db: &LinkDb, id: &str) -> Option<Grant> {
    db.store().transact(|tx| db.abandon_move_in(tx, &connection(id))).await.unwrap()
}

/// What is taken on both fibres of a link, as (first bit, number).
async fn taken(db: &LinkDb, id: &str) -> Vec<(u16, u16)> {
    let spectrum = db.spectrum(&link(id)).await.unwrap().spectrum;
    assert_eq!(spectrum.a_to_b, spectrum.b_to_a);
    let mut taken = Slots::all_occupied(784);
    for (first, count) in spectrum.occupants().map(|entry| (entry.first, entry.count)) {
        taken.release(first, count).unwrap();
    }
    taken.runs().collect()
}

#[tokio::test]
async fn both_places_are_the_connections_from_the_beginning_of_a_move_to_its_end() {
    let db = network(&RING).await;
    for id in ["1", "2", "3"] {
        db.allocate(request(id, "a", "b", 2)).await.unwrap();
    }
    db.release(&connection("1")).await.unwrap();
    let plan = db.propose_defragmentation(&DefragmentationRules::default()).await.unwrap();
    let step = &plan.moves[0];
    assert_eq!(
        (step.connection_id.as_str(), bits(step.from.slot), bits(step.to.slot)),
        ("3", (8, 4), (0, 4))
    );
    let before = dump(&db).await;
    let MoveOutcome::Begun(begun) = begin(&db, step).await else { panic!("not begun") };
    assert_eq!((Place::of(&begun), &begun.moving.as_ref().unwrap().to), (step.from.clone(), &step.to));
    assert_eq!(taken(&db, "ab").await, [(0, 12)]);
    // Neither place is anybody else's, nor is the move made twice.
    let during = dump(&db).await;
    assert_eq!(begin(&db, step).await, MoveOutcome::Begun(begun));
    assert!(matches!(
        db.store().transact(|tx| db.apply_move_in(tx, step)).await,
        Ok(MoveOutcome::Changed { .. })
    ));
    let other = by_hand(&db, "3", 40, MoveKind::MakeBeforeBreak, false).await;
    assert!(matches!(begin(&db, &other).await, MoveOutcome::Changed { .. }));
    assert_eq!(dump(&db).await, during);
    assert_eq!(bits(db.allocate(request("new", "a", "b", 2)).await.unwrap().slot), (12, 4));
    db.release(&connection("new")).await.unwrap();
    // Given up, everything is as it was.
    assert_eq!(Place::of(&abandon(&db, "3").await.unwrap()), step.from);
    assert_eq!(dump(&db).await, before);
    assert_eq!((abandon(&db, "3").await, finish(&db, "3").await), (None, None));
    // Finished, it is as if the move had been made at once.
    begin(&db, step).await;
    let moved = finish(&db, "3").await.unwrap();
    assert_eq!((Place::of(&moved), moved.moving), (step.to.clone(), None));
    assert_eq!(taken(&db, "ab").await, [(0, 8)]);
    assert_eq!(begin(&db, step).await, MoveOutcome::AlreadyThere);
}

#[tokio::test]
async fn nobody_gets_between_a_signal_and_where_it_slides() {
    let db = network(&RING).await;
    let empty = dump(&db).await;
    let at = |first: u16| Some(Raster::C_BAND.slot_at(first, 4).unwrap().centre().unwrap());
    db.allocate(AllocationRequest { frequency: at(9), guard: 2, ..request("1", "a", "b", 2) }).await.unwrap();
    // Down by an odd number of steps, up by more than its width; with a guard band that is its own.
    for (to, through) in [(4, (4, 9)), (30, (9, 25))] {
        let step = by_hand(&db, "1", to, MoveKind::PushPull, false).await;
        assert!(matches!(begin(&db, &step).await, MoveOutcome::Begun(_)));
        assert_eq!(taken(&db, "ab").await, [through]);
        for width_m in [1, 2] {
            let grant = db.allocate(request("new", "a", "b", width_m)).await.unwrap();
            let (first, count) = bits(grant.slot);
            assert!(first + count + 2 <= through.0 || first >= through.0 + through.1 + 2, "{first}, {count}");
            db.release(&connection("new")).await.unwrap();
        }
        abandon(&db, "1").await.unwrap();
        assert_eq!(taken(&db, "ab").await, [(9, 4)]);
    }
    let step = by_hand(&db, "1", 4, MoveKind::PushPull, false).await;
    begin(&db, &step).await;
    finish(&db, "1").await.unwrap();
    assert_eq!(taken(&db, "ab").await, [(4, 4)]);
    // Where somebody is in the way it is not begun.
    let step = by_hand(&db, "1", 30, MoveKind::PushPull, false).await;
    db.allocate(AllocationRequest { frequency: at(20), ..request("2", "a", "b", 2) }).await.unwrap();
    assert!(matches!(begin(&db, &step).await, MoveOutcome::Changed { .. }));
    for id in ["1", "2"] {
        db.release(&connection(id)).await.unwrap();
    }
    assert_eq!(dump(&db).await, empty);
}

#[tokio::test]
async fn a_release_in_the_middle_of_a_move_leaves_nothing() {
    let db = network(&RING).await;
    let empty = dump(&db).await;
    for (kind, over_c) in
        [(MoveKind::MakeBeforeBreak, false), (MoveKind::MakeBeforeBreak, true), (MoveKind::PushPull, false)]
    {
        db.allocate(request("1", "a", "b", 2)).await.unwrap();
        let step = by_hand(&db, "1", 21, kind, over_c).await;
        assert!(matches!(begin(&db, &step).await, MoveOutcome::Begun(_)));
        let of_c = if over_c { vec![(21, 4)] } else { Vec::new() };
        assert_eq!((taken(&db, "bc").await, taken(&db, "ac").await), (of_c.clone(), of_c));
        db.release(&connection("1")).await.unwrap();
        assert_eq!(dump(&db).await, empty);
    }
}

#[tokio::test]
async fn a_failed_link_ends_the_moves_over_it() {
    let db = network(&RING).await;
    let empty = dump(&db).await;
    for (failed, restored) in [("ab", 1), ("bc", 0)] {
        db.allocate(request("1", "a", "b", 2)).await.unwrap();
        let before = db.grant(&connection("1")).await.unwrap().unwrap();
        begin(&db, &by_hand(&db, "1", 20, MoveKind::MakeBeforeBreak, true).await).await;
        let restoration = db.restore(&link(failed), RestorationRules::default()).await.unwrap();
        assert_eq!((restoration.restored.len(), restoration.unrestored.len()), (restored, 0), "{failed}");
        let after = db.grant(&connection("1")).await.unwrap().unwrap();
        assert_eq!(after.moving, None);
        if restored == 0 {
            assert_eq!(after, before);
        } else {
            assert!(after.path.pops.contains(&pop("c")));
        }
        let mut used = 0;
        for id in ["ab", "bc", "ac"] {
            used += taken(&db, id).await.len();
        }
        assert_eq!(used, after.path.hops.len());
        db.release(&connection("1")).await.unwrap();
        assert_eq!(dump(&db).await, empty);
    }
}

#[tokio::test]
async fn windows_are_not_taken_from_under_a_move() {
    let db = network(&RING).await;
    db.allocate(request("1", "a", "b", 2)).await.unwrap();
    let step = by_hand(&db, "1", 700, MoveKind::MakeBeforeBreak, false).await;
    begin(&db, &step).await;
    let low = SpectrumWindow { low: whole_band().low, high: mhz(193_000_000) };
    let narrow = VopGrant::pool(vop("vOp1"), vec![low]);
    assert_eq!(db.set_vop_grant(narrow.clone()).await.unwrap_err().code(), Code::LiveConnections);
    abandon(&db, "1").await;
    db.set_vop_grant(narrow).await.unwrap();
}
