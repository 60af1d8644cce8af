//! A plane against an oracle that keeps every slot of every fibre by itself.

use super::*;
use ipowdm_core::grid::{Centres, FixedSpacing, Raster};
use ipowdm_core::units::Frequency;
use proptest::prelude::*;

mod oracle;

use oracle::{Oracle, steps};

fn small(fibres: u32, bits: u16) -> Plane {
    Plane::new(fibres, bits).unwrap()
}

#[test]
fn what_is_no_path_or_request_is_refused_and_changes_nothing() {
    let mut plane = small(3, 80);
    assert_eq!(plane.add_path(&[]), Err(PlaneError::EmptyPath));
    assert_eq!(plane.add_path(&[0, 3]), Err(PlaneError::UnknownFibre { fibre: 3 }));
    assert_eq!(plane.add_path(&[0, 1, 0]), Err(PlaneError::FibreTwice { fibre: 0 }));
    assert_eq!(plane.add_paths([&[0][..], &[1], &[5]]), Err(PlaneError::UnknownFibre { fibre: 5 }));
    let path = plane.add_path(&[0, 1]).unwrap();
    assert_eq!(plane.path(path), Some(&[0, 1][..]), "refused paths take no number");
    let mut ask = |request| plane.allocate(path, request).unwrap_err();
    assert_eq!(ask(Request::of(0)), PlaneError::Need { need: 0, bits: 80 });
    assert_eq!(ask(Request::of(81)), PlaneError::Need { need: 81, bits: 80 });
    assert_eq!(ask(Request { guard: 1, ..Request::of(1) }), PlaneError::NoGuards);
    assert_eq!(ask(Request { starts: Some(StartsId(0)), ..Request::of(1) }), PlaneError::UnknownStarts);
    assert_eq!(plane.allocate(PathId::numbered(9), Request::of(1)), Err(PlaneError::UnknownPath));
    assert_eq!(
        plane.add_starts(Slots::all_free(81)),
        Err(PlaneError::StartsOfAnotherWidth { bits: 80, theirs: 81 })
    );
    assert_eq!(plane.active(), 0);
    assert!((0..3).all(|fibre| plane.free(fibre) == Some(Slots::all_free(80))));
    assert_eq!(Plane::new(1, 0).unwrap_err(), PlaneError::Width { bits: 0 });
    assert_eq!(Plane::new(1, 2_049).unwrap_err(), PlaneError::Width { bits: 2_049 });
    assert_eq!(Plane::new(u32::MAX, 320).unwrap_err(), PlaneError::TooManyFibres { fibres: u32::MAX });
}

#[test]
fn a_second_release_is_refused_even_where_another_owns_the_number_by_then() {
    let mut plane = small(1, 10);
    let path = plane.add_path(&[0]).unwrap();
    let first = plane.allocate(path, Request::of(10)).unwrap();
    assert_eq!(plane.release(first.handle), Ok(first));
    let second = plane.allocate(path, Request::of(10)).unwrap();
    assert_eq!(plane.release(first.handle), Err(PlaneError::UnknownHandle { handle: first.handle }));
    assert_eq!(plane.grant(first.handle), Err(PlaneError::UnknownHandle { handle: first.handle }));
    assert_eq!(plane.owner(0, 9), Some(second.handle));
    assert_eq!(plane.grant(second.handle), Ok(second));
}

#[test]
fn guard_bands_cannot_be_had_once_something_is_allocated() {
    let mut plane = small(1, 10);
    let path = plane.add_path(&[0]).unwrap();
    plane.allocate(path, Request::of(1)).unwrap();
    assert_eq!(plane.keeping_guards().unwrap_err(), PlaneError::InUse);
}

#[test]
fn no_channel_of_a_plane_over_two_bands_straddles_the_hole() {
    let band = Band::c_plus_l().with_centres(Centres::Fixed(FixedSpacing::Ghz100));
    for guards in [false, true] {
        let mut plane = Plane::over(2, &band).unwrap();
        if guards {
            plane = plane.keeping_guards().unwrap();
        }
        let path = plane.add_path(&[0, 1]).unwrap();
        let (m, starts) = band.starts(8).unwrap();
        let starts = plane.add_starts(starts).unwrap();
        let request = Request { starts: Some(starts), ..Request::of(2 * m) };
        let mut centres = Vec::new();
        while let Ok(grant) = plane.allocate(path, request) {
            centres.push(band.raster().slot_at(grant.first, grant.count).unwrap().centre().unwrap());
        }
        // 186.6 to 190.8 THz, and 191.3 to 196.1 THz.
        assert_eq!(centres.len(), 43 + 49, "guards kept: {guards}");
        let between = Frequency::from_mhz(190_800_001)..Frequency::from_mhz(191_300_000);
        assert!(centres.iter().all(|centre| !between.contains(centre)));
        assert_eq!(plane.free(1), plane.free(0));
    }
    assert_eq!(Plane::over(1, &Band::new(Raster::C_BAND)).unwrap().bits(), 784);
}

#[test]
fn s0_15_both_directions_of_a_pluggable_take_the_same_slots() {
    let pops = ["a", "b", "c"].map(|id| ipowdm_core::ids::PopId::new(id).unwrap());
    let link = |id: &str, a: usize, b: usize| {
        let length = ipowdm_core::units::Length::from_metres(1_000);
        (ipowdm_core::ids::LinkId::new(id).unwrap(), pops[a].clone(), pops[b].clone(), length)
    };
    let graph = crate::paths::Graph::new(pops.clone(), [link("ab", 0, 1), link("cb", 2, 1)]).unwrap();
    let path = crate::paths::PathTable::new(graph.clone()).between(0, 2, 1)[0].clone();
    assert_eq!(Fibres::Shared.of(&graph, &path), Some(vec![0, 1]));
    assert_eq!(Fibres::Directed.of(&graph, &path), Some(vec![0, 3]));
    assert_eq!(Fibres::Directed.of(&graph, &path.reversed()), Some(vec![2, 1]));
    let both = Fibres::Paired.of(&graph, &path).unwrap();
    let mut plane = small(Fibres::Paired.count(&graph).unwrap(), 40);
    let candidates = plane.add_paths([&both[..]]).unwrap();
    let grant = plane.allocate(candidates, Request::of(7)).unwrap();
    for fibre in 0..4 {
        assert_eq!(plane.owner(fibre, 6), Some(grant.handle));
        assert_eq!(plane.free(fibre), plane.free(0));
    }
    plane.release(grant.handle).unwrap();
    assert!((0..4).all(|fibre| plane.free(fibre) == Some(Slots::all_free(40))));
}

#[test]
fn steady_traffic_uses_the_same_numbers_again() {
    let mut plane = small(2, 64);
    let path = plane.add_path(&[0, 1]).unwrap();
    for _ in 0..1_000 {
        let grants: Vec<Grant> = (0..4).map(|_| plane.allocate(path, Request::of(16)).unwrap()).collect();
        assert!(grants.iter().all(|grant| grant.handle.index < 4));
        grants.iter().for_each(|grant| assert_eq!(plane.release(grant.handle), Ok(*grant)));
    }
    assert_eq!(plane.active(), 0);
}

proptest! {
    #[test]
    fn s0_15_any_sequence_agrees_with_the_oracle(steps in steps(), guards in any::<bool>(), hole in any::<bool>()) {
        let mut oracle = Oracle::new(guards, hole);
        for step in steps {
            oracle.play(&step)?;
        }
        oracle.release_all()?;
    }
}
