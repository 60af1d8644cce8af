//! Which of the free slots and paths is taken; what is kept free between neighbours; what is not ours.

use super::*;
use crate::paths::PathPolicy;
use ipowdm_core::grid::{Band, Centres, FixedSpacing};
use ipowdm_core::slots::Policy;

fn by(policy: Policy, asked: AllocationRequest) -> AllocationRequest {
    AllocationRequest { policy, ..asked }
}

fn guarded(guard: u16, asked: AllocationRequest) -> AllocationRequest {
    AllocationRequest { guard, ..asked }
}

#[tokio::test]
async fn each_policy_takes_its_slot() {
    let db = network(&[("ab", "a", "b", 80)]).await;
    set_free(&db, "ab", (10..30).chain(40..44).chain(60..100)).await;
    let mut taken = Vec::new();
    for policy in [Policy::FirstFit, Policy::ExactFit, Policy::LastFit, Policy::LeastFragmenting] {
        let id = connection("c");
        let grant = db.allocate(by(policy, request("c", "a", "b", 2))).await.unwrap();
        taken.push(bits(grant.slot).0);
        db.release(&id).await.unwrap();
    }
    assert_eq!(taken, [10, 40, 96, 40]);
}

#[tokio::test]
async fn random_fit_takes_legal_slots_and_not_always_the_same() {
    let db = network(&[("ab", "a", "b", 80)]).await;
    set_free(&db, "ab", (10..30).chain(60..100)).await;
    let mut starts = std::collections::BTreeSet::new();
    for i in 0..12 {
        let asked = by(Policy::RandomFit, request(&i.to_string(), "a", "b", 1));
        starts.insert(bits(db.allocate(asked).await.unwrap().slot).0);
    }
    assert_eq!(starts.len(), 12, "no slot twice");
    let ordered: Vec<u16> = starts.iter().copied().collect();
    assert_ne!(ordered, (0..12).map(|i| 10 + 2 * i).collect::<Vec<u16>>(), "not first-fit");
}

#[tokio::test]
async fn a_path_policy_looks_at_all_candidates() {
    let db = network(&[("ab", "a", "b", 10), ("ac", "a", "c", 10), ("cb", "c", "b", 10)]).await;
    db.allocate(request("1", "a", "b", 6)).await.unwrap();
    let over = async |id: &str, path_policy| {
        let asked = AllocationRequest { path_policy, ..request(id, "a", "b", 6) };
        let grant = db.allocate(asked).await.unwrap();
        let taken = (grant.path.hops.len(), bits(grant.slot).0);
        db.release(&connection(id)).await.unwrap();
        taken
    };
    assert_eq!(over("2", PathPolicy::FirstThatFits).await, (1, 12));
    assert_eq!(over("3", PathPolicy::LowestStart).await, (2, 0));
    assert_eq!(over("4", PathPolicy::LeastUsed).await, (2, 0));
}

#[tokio::test]
async fn of_two_neighbours_the_one_that_asks_for_more_guard_decides() {
    let db = network(&[("ab", "a", "b", 80), ("bc", "b", "c", 80)]).await;
    let take = async |asked| bits(db.allocate(asked).await.unwrap().slot).0;
    assert_eq!(take(guarded(2, request("1", "a", "b", 2))).await, 0);
    assert_eq!(take(request("2", "a", "b", 2)).await, 6, "the first one's guard of 2");
    assert_eq!(take(guarded(1, request("3", "a", "b", 2))).await, 11, "its own guard of 1");
    assert_eq!(take(request("4", "a", "c", 2)).await, 16, "the third one's guard of 1");
    assert_eq!(take(request("5", "b", "c", 2)).await, 0, "the other link has none");
    // The gap between the first and the second is of use to nobody, and goes with the first.
    db.release(&connection("1")).await.unwrap();
    assert_eq!(take(guarded(0, request("6", "a", "b", 3))).await, 0);
    let wide = AllocationRequest { guard: 785, ..request("7", "a", "b", 2) };
    refused(&db, wide, Code::InvalidField).await;
}

#[tokio::test]
async fn what_is_set_aside_or_not_ours_is_kept_clear_of() {
    let db = network(&[("ab", "a", "b", 80)]).await;
    let id = |name: &str| ReservationId::new(name).unwrap();
    let window = |low, high| SpectrumWindow { low: mhz(low), high: mhz(high) };
    let before = dump(&db).await;
    // Bits 2…5 of one fibre, and a signal with a guard at 10…11 of both.
    let one =
        Reservation { fibres: Fibres::AToB, ..Reservation::new(id("osc"), window(191_262_500, 191_287_500)) };
    let other = Reservation {
        alien: true,
        guard: 1,
        ..Reservation::new(id("theirs"), window(191_312_500, 191_325_000))
    };
    for reservation in [&one, &other, &one] {
        db.reserve(&link("ab"), reservation.clone()).await.unwrap();
    }
    let changed = Reservation { guard: 3, ..one.clone() };
    assert_eq!(db.reserve(&link("ab"), changed).await.unwrap_err().code(), Code::AlreadyExists);
    let near = Reservation::new(id("near"), window(191_325_000, 191_331_250));
    assert_eq!(db.reserve(&link("ab"), near).await.unwrap_err().code(), Code::NoSpectrum);
    let outside = Reservation::new(id("out"), window(190_000_000, 190_100_000));
    assert_eq!(db.reserve(&link("ab"), outside.clone()).await.unwrap_err().code(), Code::InvalidField);
    assert_eq!(db.reserve(&link("zz"), outside).await.unwrap_err().code(), Code::UnknownLink);
    let map = db.spectrum(&link("ab")).await.unwrap();
    assert_eq!((map.spectrum.a_to_b.free(), map.spectrum.b_to_a.free()), (784 - 6, 784 - 2));
    assert_eq!(
        map.reserved.iter().map(|held| (held.first, held.count)).collect::<Vec<_>>(),
        [(2, 4), (10, 2)]
    );

    let take = async |name: &str, m| bits(db.allocate(request(name, "a", "b", m)).await.unwrap().slot).0;
    assert_eq!((take("1", 1).await, take("2", 1).await, take("3", 1).await), (0, 6, 13));
    let remove = db.store().transact(|tx| db.remove_link_in(tx, &link("ab"))).await;
    assert_eq!(remove.unwrap_err().code(), Code::IllegalState);
    for name in ["1", "2", "3"] {
        db.release(&connection(name)).await.unwrap();
    }
    assert!(db.unreserve(&link("ab"), &id("osc")).await.unwrap());
    assert!(!db.unreserve(&link("ab"), &id("osc")).await.unwrap());
    assert!(db.unreserve(&link("ab"), &id("theirs")).await.unwrap());
    assert_eq!(dump(&db).await, before);
}

#[tokio::test]
async fn the_bands_holes_edges_and_centres_are_kept() {
    let store = Store::memory();
    let band =
        Band::c_plus_l().with_centres(Centres::Fixed(FixedSpacing::Ghz100)).with_edge_guard(50_000).unwrap();
    let db = LinkDb::with_band(store, band.clone());
    db.import(
        vec![Pop::new(pop("a")), Pop::new(pop("b"))],
        vec![FibreLink::new(link("ab"), pop("a"), pop("b"), Length::from_metres(1))],
    )
    .await
    .unwrap();
    db.set_vop_grant(VopGrant::pool(vop("vOp1"), vec![db.raster().window()])).await.unwrap();
    let (mut count, usable) = (0, band.usable());
    loop {
        match db.allocate(request(&count.to_string(), "a", "b", 6)).await {
            Ok(grant) => {
                assert_eq!(grant.slot.m, 8, "a whole channel of the fixed grid");
                assert_eq!(grant.frequency.mhz() % 100_000, 0);
                let (first, bits) = db.raster().bits_of(grant.slot).unwrap();
                assert!(usable.are_free(first, bits), "{} is in a hole or at an edge", grant.frequency);
            }
            Err(error) => {
                assert_eq!(error.code(), Code::NoSpectrum);
                break;
            }
        }
        count += 1;
    }
    let (_, starts) = band.starts(6).unwrap();
    assert_eq!(count, starts.free());
    assert_eq!(db.allocate(request("w", "a", "b", 9)).await.unwrap_err().code(), Code::InvalidField);
}

#[tokio::test]
async fn a_link_carries_only_its_bands() {
    let db = network(&[("ab", "a", "b", 80), ("bc", "b", "c", 80)]).await;
    let window = |low, high| SpectrumWindow { low: mhz(low), high: mhz(high) };
    let mut narrow = FibreLink::new(link("bc"), pop("b"), pop("c"), Length::from_metres(80_000));
    // Two bands that touch are two: no channel lies across.
    narrow.bands = vec![window(192_000_000, 192_050_000), window(192_050_000, 192_200_000)];
    db.update_link(narrow).await.unwrap();
    let grant = db.allocate(request("1", "a", "c", 6)).await.unwrap();
    assert_eq!(grant.frequency, mhz(192_050_000 + 37_500));
    db.allocate(request("2", "a", "c", 6)).await.unwrap();
    refused(&db, request("3", "a", "c", 6), Code::NoSpectrum).await;
    assert_eq!(bits(db.allocate(request("4", "a", "b", 6)).await.unwrap().slot).0, 0);
}
