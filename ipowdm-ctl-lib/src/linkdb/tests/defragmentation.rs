//! Plans of moves: what they promise, what they check, what they do.

use super::*;
use crate::spectrum::Fragmentation;
use ipowdm_core::slots::Policy;

const LINE: [(&str, &str, &str, u32); 3] = [("ab", "a", "b", 10), ("bc", "b", "c", 10), ("cd", "c", "d", 10)];

const SLIDING: fn() -> DefragmentationRules =
    || DefragmentationRules { push_pull: true, make_before_break: false, ..DefragmentationRules::default() };

/// A line whose links have holes: of every three connections the middle one is gone.
async fn holed() -> LinkDb {
    let db = network(&LINE).await;
    for i in 0..30 {
        let (from, to) = [("a", "b"), ("a", "c"), ("b", "d"), ("a", "d")][i % 4];
        let m = 1 + u16::try_from(i % 5).unwrap();
        db.allocate(request(&i.to_string(), from, to, m)).await.unwrap();
    }
    for i in (0..30).filter(|i| i % 3 == 1) {
        db.release(&connection(&i.to_string())).await.unwrap();
    }
    db
}

async fn figures(db: &LinkDb, of: &[LinkFragmentation]) -> Vec<LinkFragmentation> {
    let mut all = db.fragmentation().await.unwrap();
    all.retain(|link| of.iter().any(|wanted| wanted.link == link.link));
    all.sort_by(|a, b| a.link.cmp(&b.link));
    all.into_iter().map(|of| LinkFragmentation { link: of.link, figures: of.figures }).collect()
}

#[tokio::test]
async fn a_plan_says_exactly_what_it_will_do_and_making_it_writes_nothing() {
    for rules in [DefragmentationRules::default(), SLIDING()] {
        let db = holed().await;
        let before = dump(&db).await;
        let plan = db.propose_defragmentation(&rules).await.unwrap();
        assert_eq!(dump(&db).await, before);
        assert!(!plan.moves.is_empty());
        assert_eq!(figures(&db, &plan.before).await, plan.before);
        let (scattered, left) = plan.scattered();
        assert!(left < scattered, "{left} of {scattered}");
        assert!(plan.moves.iter().all(|step| step.gain > 0));

        let progress = db.apply_defragmentation(&plan).await.unwrap();
        assert_eq!((progress.moved, progress.stopped), (plan.moves.len(), None));
        assert_eq!(figures(&db, &plan.after).await, plan.after);
        concurrency::check_links(&db, &["ab", "bc", "cd"]).await;

        // Once more: it finds everything done.
        let after = dump(&db).await;
        let again = db.apply_defragmentation(&plan).await.unwrap();
        assert_eq!((again.moved, again.already, again.stopped), (0, plan.moves.len(), None));
        assert_eq!(dump(&db).await, after);
        // And releasing everything leaves nothing.
        for i in 0..30 {
            db.release(&connection(&i.to_string())).await.unwrap();
        }
        assert!(db.utilisations().await.unwrap().iter().all(|(_, of)| of.used_a_to_b + of.used_b_to_a == 0));
    }
}

#[tokio::test]
async fn a_signal_slides_only_through_free_steps() {
    let db = network(&LINE).await;
    for (id, m) in [("low", 2), ("gap", 3), ("wall", 1), ("far", 3), ("high", 2)] {
        db.allocate(request(id, "a", "b", m)).await.unwrap();
    }
    db.release(&connection("gap")).await.unwrap();
    db.release(&connection("far")).await.unwrap();
    // 0-3 low, 4-9 free, 10-11 wall, 12-17 free, 18-21 high.
    let plan = db.propose_defragmentation(&SLIDING()).await.unwrap();
    let steps: Vec<_> = plan
        .moves
        .iter()
        .map(|step| (step.connection_id.as_str(), bits(step.from.slot).0, bits(step.to.slot).0))
        .collect();
    // Sliding the wall down would only move the hole.
    assert_eq!((steps, plan.moves[0].kind), (vec![("high", 18, 12)], MoveKind::PushPull));
    assert_eq!(plan.scattered(), (12, 6));
    // Somebody comes in between: a step in the way is not slid through, even where the new place is free.
    let between = AllocationRequest { frequency: Some(mhz(191_356_250)), ..request("new", "a", "b", 1) };
    assert_eq!(bits(db.allocate(between).await.unwrap().slot), (16, 2));
    let progress = db.apply_defragmentation(&plan).await.unwrap();
    assert_eq!((progress.moved, progress.already, progress.stopped.unwrap().0), (0, 0, 0));
    db.release(&connection("new")).await.unwrap();
    assert_eq!(db.apply_defragmentation(&plan).await.unwrap().moved, 1);
}

#[tokio::test]
async fn a_plan_stops_where_the_state_has_changed_and_says_why() {
    let db = holed().await;
    let plan = db.propose_defragmentation(&DefragmentationRules::default()).await.unwrap();
    assert!(plan.moves.len() > 2);
    let gone = plan.moves[1].connection_id.clone();
    db.release(&gone).await.unwrap();
    let progress = db.apply_defragmentation(&plan).await.unwrap();
    let (at, why) = progress.stopped.unwrap();
    assert_eq!((progress.moved, at), (1, 1));
    assert!(why.contains(&format!("connection {gone} is gone")), "{why}");
    // A new life of the id is another connection.
    db.allocate(request(gone.as_str(), "a", "b", 1)).await.unwrap();
    let progress = db.apply_defragmentation(&plan).await.unwrap();
    assert_eq!((progress.moved, progress.already), (0, 1));
    assert!(progress.stopped.unwrap().1.contains("another by now"));
    concurrency::check_links(&db, &["ab", "bc", "cd"]).await;
}

#[tokio::test]
async fn a_place_that_was_taken_since_is_not_taken_twice() {
    let db = network(&LINE).await;
    for (id, m) in [("1", 2), ("2", 2), ("3", 2)] {
        db.allocate(request(id, "a", "b", m)).await.unwrap();
    }
    db.release(&connection("1")).await.unwrap();
    let plan = db.propose_defragmentation(&DefragmentationRules::default()).await.unwrap();
    assert_eq!(plan.moves.len(), 1);
    assert_eq!((plan.moves[0].connection_id.as_str(), bits(plan.moves[0].to.slot).0), ("3", 0));
    db.allocate(request("new", "a", "b", 1)).await.unwrap();
    let before = dump(&db).await;
    let progress = db.apply_defragmentation(&plan).await.unwrap();
    assert_eq!(progress.moved, 0);
    assert!(progress.stopped.unwrap().1.contains("taken"));
    assert_eq!(dump(&db).await, before);
}

#[tokio::test]
async fn who_asked_for_a_frequency_is_not_moved() {
    let db = network(&LINE).await;
    db.allocate(request("1", "a", "b", 2)).await.unwrap();
    let pinned = AllocationRequest { frequency: Some(Frequency::ANCHOR), ..request("2", "a", "b", 2) };
    db.allocate(pinned).await.unwrap();
    let plan = db.propose_defragmentation(&DefragmentationRules::default()).await.unwrap();
    assert!(plan.moves.iter().all(|step| step.connection_id.as_str() == "1"));
    let none = DefragmentationRules { most_moves: 0, ..DefragmentationRules::default() };
    assert_eq!(db.propose_defragmentation(&none).await.unwrap().moves, []);
    let unknown = DefragmentationRules { links: vec![link("zz")], ..DefragmentationRules::default() };
    assert_eq!(db.propose_defragmentation(&unknown).await.unwrap_err().code(), Code::UnknownLink);
}

#[tokio::test]
async fn the_figures_of_a_link_are_those_of_its_free_runs() {
    let db = network(&LINE).await;
    let all_free =
        Fragmentation { free: 784, runs: 1, largest_run: 784, external_per_mille: 0, entropy_milli: 0 };
    let of = async |id: &str| {
        let all = db.fragmentation().await.unwrap();
        all.into_iter().find(|one| one.link == link(id)).unwrap()
    };
    assert_eq!(of("ab").await.figures, all_free);
    set_free(&db, "ab", (0..10).chain(20..30).chain(50..70)).await;
    let broken = of("ab").await;
    // Runs of 10, 10 and 20: 1 − 20/40; ½ ln 4 + ½ ln 2 = 1.0397.
    let expected =
        Fragmentation { free: 40, runs: 3, largest_run: 20, external_per_mille: 500, entropy_milli: 1040 };
    assert_eq!(broken.figures, expected);
    assert_eq!(broken.figures.scattered(), 20);
    // Of its one neighbour it differs in all that is taken; the neighbour has another neighbour, which is like it.
    assert_eq!((broken.misaligned_per_mille, of("bc").await.misaligned_per_mille), (948, 474));
    set_free(&db, "ab", []).await;
    assert_eq!(of("ab").await.figures, Fragmentation::default());
    let policy = Policy::LastFit;
    db.allocate(AllocationRequest { policy, ..request("1", "b", "c", 1) }).await.unwrap();
    assert_eq!(of("bc").await.figures.external_per_mille, 0);
}
