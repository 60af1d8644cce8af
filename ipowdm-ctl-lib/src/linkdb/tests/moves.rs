//! Moves of signals that are on: both places, and all that is slid through, are the connection's until the move ends.

use super::*;
use proptest::prelude::*;
use std::collections::BTreeMap;

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

/// One step of a random history.
#[derive(Debug, Clone, Copy)]
enum Step {
    Allocate { id: u8, over: usize, m: u16, guard: u16 },
    Release(u8),
    Begin { id: u8, first: u16, kind: MoveKind, over_c: bool },
    Finish(u8),
    Abandon(u8),
    Restore(usize),
    Defragment,
}

fn step() -> impl Strategy<Value = Step> {
    let kind = prop_oneof![Just(MoveKind::PushPull), Just(MoveKind::MakeBeforeBreak)];
    let id = || 0_u8..8;
    prop_oneof![
        4 => (id(), 0_usize..3, 1_u16..4, 0_u16..3)
            .prop_map(|(id, over, m, guard)| Step::Allocate { id, over, m, guard }),
        1 => id().prop_map(Step::Release),
        6 => (id(), 0_u16..48, kind, any::<bool>())
            .prop_map(|(id, first, kind, over_c)| Step::Begin { id, first, kind, over_c }),
        2 => id().prop_map(Step::Finish),
        1 => id().prop_map(Step::Abandon),
        1 => (0_usize..3).prop_map(Step::Restore),
        1 => Just(Step::Defragment),
    ]
}

/// Whose each step of each link is, by the grants: places, places to come, and what is slid through.
async fn by_grants(db: &LinkDb) -> BTreeMap<String, Vec<Option<String>>> {
    let mut owners: BTreeMap<_, _> =
        RING.iter().map(|(id, ..)| ((*id).to_owned(), vec![None; usize::from(db.raster().bits())])).collect();
    let mut own = |path: &Path, first: u16, end: u16, id: &str| {
        for hop in &path.hops {
            let link: &mut Vec<Option<String>> = owners.get_mut(hop.link.as_str()).unwrap();
            for of_step in &mut link[usize::from(first)..usize::from(end)] {
                assert!(of_step.as_ref().is_none_or(|owner| owner == id), "{id} and {of_step:?}");
                *of_step = Some(id.to_owned());
            }
        }
    };
    for grant in db.topology().await.unwrap().grants {
        let id = grant.request.connection_id.as_str();
        let (old, count) = db.raster().bits_of(grant.slot).unwrap();
        own(&grant.path, old, old + count, id);
        let Some(Moving { kind, to }) = &grant.moving else { continue };
        let (new, _) = db.raster().bits_of(to.slot).unwrap();
        match kind {
            MoveKind::MakeBeforeBreak => own(&to.path, new, new + count, id),
            MoveKind::PushPull => own(&to.path, new.min(old), new.max(old) + count, id),
        }
    }
    owners
}

async fn by_links(db: &LinkDb) -> BTreeMap<String, Vec<Option<String>>> {
    let mut owners = BTreeMap::new();
    for (id, ..) in RING {
        let spectrum = db.spectrum(&link(id)).await.unwrap().spectrum;
        let mut steps = vec![None; usize::from(db.raster().bits())];
        for entry in spectrum.occupants() {
            let Occupant::Connection(owner) = &entry.by else { panic!("{entry:?}") };
            for step in &mut steps[usize::from(entry.first)..usize::from(entry.first + entry.count)] {
                assert_eq!(*step, None);
                *step = Some(owner.connection_id.to_string());
            }
        }
        for (bit, step) in (0..).zip(&steps) {
            assert_eq!(spectrum.a_to_b.is_free(bit), step.is_none());
            assert_eq!(spectrum.b_to_a.is_free(bit), step.is_none());
        }
        owners.insert(id.to_owned(), steps);
    }
    owners
}

/// Takes one step; whether it began a move.
async fn play(db: &LinkDb, step: Step) -> bool {
    let name = |id: u8| connection(&id.to_string());
    match step {
        Step::Allocate { id, over, m, guard } => {
            let (_, a, b, _) = RING[over];
            // Taken, or no room: both are answers.
            let _ = db.allocate(AllocationRequest { guard, ..request(&id.to_string(), a, b, m) }).await;
        }
        Step::Release(id) => drop(db.release(&name(id)).await.unwrap()),
        Step::Begin { id, first, kind, over_c } => {
            let Some(grant) = db.grant(&name(id)).await.unwrap() else { return false };
            let Ok(slot) = db.raster().slot_at(first, 2 * grant.slot.m) else { return false };
            let Ok(frequency) = slot.centre() else { return false };
            let (a, b) = (&grant.request.source.pop, &grant.request.destination.pop);
            let paths = db.candidate_paths(a, b, 2).await.unwrap();
            let path = if over_c { paths[1].clone() } else { grant.path.clone() };
            let to = Place { path, slot, frequency };
            let (from, incarnation) = (Place::of(&grant), grant.incarnation);
            let step = Move { connection_id: name(id), incarnation, kind, from: from.clone(), to, gain: 1 };
            if let MoveOutcome::Begun(begun) = begin(db, &step).await {
                assert_eq!(Place::of(&begun), from);
                return true;
            }
        }
        Step::Finish(id) => drop(finish(db, &id.to_string()).await),
        Step::Abandon(id) => drop(abandon(db, &id.to_string()).await),
        Step::Restore(over) => {
            drop(db.restore(&link(RING[over].0), RestorationRules::default()).await.unwrap());
        }
        Step::Defragment => {
            let rules = DefragmentationRules { push_pull: true, ..DefragmentationRules::default() };
            let plan = db.propose_defragmentation(&rules).await.unwrap();
            let progress = db.apply_defragmentation(&plan).await.unwrap();
            assert_eq!((progress.moved, progress.stopped), (plan.moves.len(), None));
        }
    }
    false
}

#[test]
fn whatever_is_moved_links_and_grants_agree_and_nothing_has_two_owners() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let config = ProptestConfig { cases: 100, ..ProptestConfig::default() };
    let begun = std::cell::Cell::new(0_u32);
    proptest!(config, |(steps in proptest::collection::vec(step(), 20..60))| {
        runtime.block_on(async {
            let raster = Raster::new(whole_band().low, 48).unwrap();
            let db = LinkDb::with_raster(Store::memory(), raster);
            let pops = ["a", "b", "c"].map(|name| Pop::new(pop(name))).to_vec();
            let line = |&(id, a, b, km): &(&str, &str, &str, u32)| {
                FibreLink::new(link(id), pop(a), pop(b), Length::from_metres(km * 1000))
            };
            db.import(pops, RING.iter().map(line).collect()).await.unwrap();
            db.set_vop_grant(VopGrant::pool(vop("vOp1"), vec![raster.window()])).await.unwrap();
            let empty = dump(&db).await;
            for step in steps {
                begun.set(begun.get() + u32::from(play(&db, step).await));
                assert_eq!(by_links(&db).await, by_grants(&db).await, "{step:?}");
            }
            for id in 0..8 {
                db.release(&connection(&id.to_string())).await.unwrap();
            }
            assert_eq!(dump(&db).await, empty);
        });
    });
    assert!(begun.get() > 100, "{} moves were begun: the histories are too tame", begun.get());
}
