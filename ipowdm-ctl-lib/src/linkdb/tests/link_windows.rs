//! Windows of virtual operators on single links.

use super::*;
use crate::topology::UpDown;
use proptest::prelude::*;

const LINE: [(&str, &str, &str, u32); 2] = [("ab", "a", "b", 10), ("bc", "b", "c", 10)];

/// a–b directly, and round by c.
const TRIANGLE: [(&str, &str, &str, u32); 3] =
    [("ab", "a", "b", 10), ("ac", "a", "c", 10), ("cb", "c", "b", 10)];

fn window(low: u32, high: u32) -> SpectrumWindow {
    SpectrumWindow { low: mhz(low), high: mhz(high) }
}

/// The window of some bits of the C band.
fn steps(first: u16, count: u16) -> SpectrumWindow {
    let low = whole_band().low.offset(i64::from(first) * 6_250).unwrap();
    SpectrumWindow { low, high: low.offset(i64::from(count) * 6_250).unwrap() }
}

/// vOp1's grant of the whole band, but for these links.
fn but(on_links: &[(&str, &[SpectrumWindow])]) -> VopGrant {
    on_links.iter().fold(VopGrant::pool(vop("vOp1"), vec![whole_band()]), |grant, (id, windows)| {
        grant.on_link(link(id), windows.to_vec())
    })
}

#[tokio::test]
async fn a_channel_lies_in_the_windows_of_every_link_of_its_path() {
    let db = network(&LINE).await;
    db.set_vop_grant(but(&[("bc", &[steps(100, 24)])])).await.unwrap();
    // Only links that the grant names are other than the rest.
    assert_eq!(bits(db.allocate(request("1", "a", "b", 6)).await.unwrap().slot), (0, 12));
    assert_eq!(bits(db.allocate(request("2", "a", "c", 6)).await.unwrap().slot), (100, 12));
    assert_eq!(bits(db.allocate(request("3", "c", "b", 6)).await.unwrap().slot), (112, 12));
    let full = refused(&db, request("4", "a", "c", 6), Code::NoSpectrum).await;
    assert!(matches!(full, LinkDbError::NoSpectrum { .. }), "granted, and taken: {full}");
    let mut asked = request("5", "a", "c", 6);
    asked.frequency = Some(mhz(191_250_000 + 37_500));
    refused(&db, asked.clone(), Code::FrequencyNotGranted).await;
    asked.destination = Endpoint::at(pop("b"));
    asked.frequency = Some(mhz(191_250_000 + 12 * 6_250 + 37_500));
    assert_eq!(bits(db.allocate(asked).await.unwrap().slot), (12, 12));
}

#[tokio::test]
async fn an_operator_without_windows_on_a_link_goes_round_it() {
    let db = network(&TRIANGLE).await;
    db.set_vop_grant(but(&[("ab", &[])])).await.unwrap();
    let grant = db.allocate(request("1", "a", "b", 6)).await.unwrap();
    assert_eq!(grant.path.hops.iter().map(|hop| hop.link.as_str()).collect::<Vec<_>>(), ["ac", "cb"]);
    let one_path = AllocationRequest { k: 1, ..request("2", "a", "b", 6) };
    let nothing = refused(&db, one_path, Code::FrequencyNotGranted).await;
    assert!(matches!(nothing, LinkDbError::NotGranted { .. }), "{nothing}");
}

#[tokio::test]
async fn windows_of_two_links_that_have_no_channel_in_common_are_told_from_full_ones() {
    let db = network(&LINE).await;
    db.set_vop_grant(but(&[("ab", &[steps(0, 30)]), ("bc", &[steps(20, 30)])])).await.unwrap();
    // Ten steps are in both.
    refused(&db, request("1", "a", "c", 6), Code::FrequencyNotGranted).await;
    assert_eq!(bits(db.allocate(request("2", "a", "c", 5)).await.unwrap().slot), (20, 10));
    refused(&db, request("3", "a", "c", 5), Code::NoSpectrum).await;
}

#[tokio::test]
async fn partitions_may_be_anothers_on_another_link_and_a_refusal_does_not_name_whose_they_are() {
    let db = network(&LINE).await;
    let (low, high) = (window(191_250_000, 193_000_000), window(193_000_000, 196_150_000));
    let set = async |grant| db.set_vop_grant(grant).await;
    // vOp1 may be anywhere on a–b, and in the lower half of b–c.
    set(but(&[("bc", &[low])])).await.unwrap();
    let on_bc = |windows: &[SpectrumWindow]| {
        VopGrant::partition(vop("vOp2"), Vec::new()).on_link(link("bc"), windows.to_vec())
    };
    set(on_bc(&[high])).await.unwrap();
    for overlapping in [on_bc(&[low]), VopGrant::partition(vop("vOp2"), vec![high])] {
        let before = dump(&db).await;
        let error = set(overlapping).await.unwrap_err();
        assert_eq!(error.code(), Code::NoSpectrum);
        assert!(!error.to_string().contains("vOp1"), "{error}");
        assert_eq!(dump(&db).await, before);
    }
    // And from the other side: who comes into a partition on its link, by default or by name.
    for overlapping in [but(&[]), but(&[("bc", &[whole_band()])]), but(&[("ab", &[low])])] {
        let error = set(overlapping).await.unwrap_err();
        assert_eq!(error.code(), Code::NoSpectrum, "{error}");
        assert!(!error.to_string().contains("vOp2"), "{error}");
    }
    set(but(&[("bc", &[])])).await.unwrap();
    set(on_bc(&[whole_band()])).await.unwrap();
}

#[tokio::test]
async fn windows_of_a_link_are_not_drawn_away_from_under_a_connection() {
    let db = network(&LINE).await;
    db.allocate(request("1", "a", "b", 6)).await.unwrap();
    let set = async |grant| db.set_vop_grant(grant).await.map_err(|error| error.code());
    for without in [but(&[("ab", &[])]), but(&[("ab", &[steps(6, 100)])])] {
        assert_eq!(set(without).await, Err(Code::LiveConnections));
    }
    // It is not on b–c, and lies in this one.
    set(but(&[("bc", &[]), ("ab", &[steps(0, 12)])])).await.unwrap();
    // Nor is what holds everywhere, where its own link is not named.
    assert_eq!(set(VopGrant::pool(vop("vOp1"), vec![steps(50, 50)])).await, Err(Code::LiveConnections));
    set(VopGrant::pool(vop("vOp1"), Vec::new()).on_link(link("ab"), vec![steps(0, 12)])).await.unwrap();
}

#[tokio::test]
async fn windows_on_unknown_links_and_empty_windows_are_refused() {
    let db = network(&LINE).await;
    let set = async |grant| db.set_vop_grant(grant).await.map_err(|error| error.code());
    assert_eq!(set(but(&[("ad", &[whole_band()])])).await, Err(Code::UnknownLink));
    let empty = window(193_000_000, 193_000_000);
    assert_eq!(set(but(&[("ab", &[empty])])).await, Err(Code::InvalidField));
}

#[tokio::test]
async fn restoration_goes_only_where_the_operator_may_be() {
    let db = network(&TRIANGLE).await;
    db.set_vop_grant(but(&[("ac", &[steps(40, 12)])])).await.unwrap();
    for id in ["1", "2"] {
        db.allocate(request(id, "a", "b", 6)).await.unwrap();
    }
    db.set_link_state(&link("ab"), None, Some(UpDown::Down)).await.unwrap();
    let done = db.restore(&link("ab"), RestorationRules::default()).await.unwrap();
    let places: Vec<_> = done.restored.iter().map(|one| bits(one.new.slot)).collect();
    assert_eq!(places, [(40, 12)], "there is room for one on a–c");
    assert_eq!(done.unrestored.len(), 1);
    assert_eq!(done.unrestored[0].reason.code(), Code::NoSpectrum);
    // On c–b the operator has the whole band, which is of no use on this path.
    assert_eq!(db.spectrum(&link("cb")).await.unwrap().owners.len(), 1);
}

#[tokio::test]
async fn defragmentation_neither_leads_nor_slides_outside_the_windows_of_a_link() {
    let sliding =
        DefragmentationRules { push_pull: true, make_before_break: true, ..DefragmentationRules::default() };
    let db = network(&LINE).await;
    // Bits 0…11 are anybody's, 12…19 nobody's, 20…43 anybody's on b–c.
    db.set_vop_grant(but(&[("bc", &[steps(0, 12), steps(20, 24)])])).await.unwrap();
    for (id, to) in [("1", "c"), ("2", "c"), ("3", "c")] {
        db.allocate(request(id, "a", to, 6)).await.unwrap();
    }
    db.release(&connection("2")).await.unwrap();
    // 1 at 0, 3 at 32: it may slide to 20 and no lower.
    let plan = db.propose_defragmentation(&sliding).await.unwrap();
    assert!(plan.moves.iter().all(|step| bits(step.to.slot).0 >= 20), "{:?}", plan.moves);
    db.release(&connection("1")).await.unwrap();
    // By hand, as by a plan of before the windows were drawn.
    let grant = db.grant(&connection("3")).await.unwrap().unwrap();
    let (connection_id, incarnation) = (connection("3"), grant.incarnation);
    let step = |first: u16, kind| {
        let slot = Raster::C_BAND.slot_at(first, 12).unwrap();
        let to = Place { slot, frequency: slot.centre().unwrap(), ..Place::of(&grant) };
        let from = Place::of(&grant);
        Move { connection_id: connection_id.clone(), incarnation, kind, from, to, gain: 1 }
    };
    let apply = async |step: Move| db.store().transact(|tx| db.apply_move_in(tx, &step)).await.unwrap();
    for (first, kind) in [(12, MoveKind::MakeBeforeBreak), (14, MoveKind::PushPull), (0, MoveKind::PushPull)]
    {
        let outcome = apply(step(first, kind)).await;
        assert!(matches!(outcome, MoveOutcome::Changed { .. }), "{first} {kind:?}: {outcome:?}");
    }
    assert!(matches!(apply(step(0, MoveKind::MakeBeforeBreak)).await, MoveOutcome::Moved(_)));
}

/// What the operators of a network do.
#[derive(Debug, Clone)]
enum Act {
    Allocate { vop: usize, ends: (usize, usize), m: u16, k: u16 },
    Release(usize),
    Restore(usize),
    Defragment,
    Grant { vop: usize, on: Vec<(usize, Vec<(u16, u16)>)> },
}

const PLACES: [&str; 4] = ["a", "b", "c", "d"];
const MESH: [(&str, &str, &str, u32); 5] = [
    ("ab", "a", "b", 10),
    ("bc", "b", "c", 10),
    ("cd", "c", "d", 10),
    ("ad", "a", "d", 10),
    ("ac", "a", "c", 15),
];
const VOPS: [&str; 2] = ["vOp1", "vOp2"];
/// Bits that anybody is granted at all, so that they are soon full.
const BITS: u16 = 48;

fn on_links() -> impl Strategy<Value = Vec<(usize, Vec<(u16, u16)>)>> {
    let window = (0..BITS, 1..BITS).prop_map(|(first, count)| (first, count.min(BITS - first)));
    proptest::collection::vec((0..MESH.len(), proptest::collection::vec(window, 0..3)), 0..4)
}

fn act() -> impl Strategy<Value = Act> {
    let pairs = (0..PLACES.len(), 1..PLACES.len()).prop_map(|(a, by)| (a, (a + by) % PLACES.len()));
    prop_oneof![
        6 => (0..2_usize, pairs, 1..4_u16, 1..4_u16).prop_map(|(vop, ends, m, k)| Act::Allocate { vop, ends, m, k }),
        2 => (0..64_usize).prop_map(Act::Release),
        1 => (0..MESH.len()).prop_map(Act::Restore),
        1 => Just(Act::Defragment),
        2 => (0..2_usize, on_links()).prop_map(|(vop, on)| Act::Grant { vop, on }),
    ]
}

fn granted(name: &str, on: &[(usize, Vec<(u16, u16)>)]) -> VopGrant {
    on.iter().fold(VopGrant::pool(vop(name), vec![steps(0, BITS)]), |grant, (at, windows)| {
        let windows = windows.iter().map(|(first, count)| steps(*first, *count)).collect();
        grant.on_link(link(MESH[*at].0), windows)
    })
}

/// The first place for a request on these paths, by trying everything.
async fn by_hand(db: &LinkDb, asked: &AllocationRequest, grants: &[Grant]) -> Option<(Path, u16)> {
    let own = db.vop_grant(&asked.vop).await.unwrap().unwrap();
    let need = 2 * asked.width_m;
    let paths = db.candidate_paths(&asked.source.pop, &asked.destination.pop, asked.k).await.unwrap();
    for path in paths {
        for first in 0..BITS {
            let may = |hop: &Hop| {
                own.windows_on(&hop.link).iter().any(|window| {
                    let (at, end) = (steps(first, need).low, steps(first, need).high);
                    window.low <= at && end <= window.high
                })
            };
            let taken = |hop: &Hop| {
                grants.iter().any(|other| {
                    let (low, count) = bits(other.slot);
                    other.path.hops.iter().any(|held| held.link == hop.link)
                        && low < first + need
                        && first < low + count
                })
            };
            if path.hops.iter().all(|hop| may(hop) && !taken(hop)) {
                return Some((path, first));
            }
        }
    }
    None
}

/// No slot that is held, on any link, is outside a window of its operator there.
async fn check(db: &LinkDb) -> Vec<Grant> {
    let grants = db.topology().await.unwrap().grants;
    for grant in &grants {
        let own = db.vop_grant(&grant.request.vop).await.unwrap().unwrap();
        let (first, count) = bits(grant.slot);
        let held = steps(first, count);
        for hop in &grant.path.hops {
            let mut windows = own.windows_on(&hop.link).iter();
            assert!(
                windows.any(|window| window.low <= held.low && held.high <= window.high),
                "{} is at bits {first} and up on {}, where its operator has {:?}",
                grant.request.connection_id,
                hop.link,
                own.windows_on(&hop.link),
            );
        }
    }
    for (id, ..) in MESH {
        for held in db.spectrum(&link(id)).await.unwrap().owners {
            let grant = grants.iter().find(|grant| grant.owner() == held.owner).unwrap();
            assert!(grant.path.hops.iter().any(|hop| hop.link == link(id)) && grant.slot == held.slot);
        }
    }
    grants
}

async fn play(acts: Vec<Act>) {
    let db = network(&MESH).await;
    for name in VOPS {
        db.set_vop_grant(granted(name, &[])).await.unwrap();
    }
    for (number, act) in acts.into_iter().enumerate() {
        let grants = check(&db).await;
        match act {
            Act::Allocate { vop: of, ends: (a, b), m, k } => {
                let plain = request(&number.to_string(), PLACES[a], PLACES[b], m);
                let asked = AllocationRequest { vop: vop(VOPS[of]), k, ..plain };
                let expected = by_hand(&db, &asked, &grants).await;
                match (db.allocate(asked).await, expected) {
                    (Ok(grant), Some((path, first))) => {
                        assert_eq!((grant.path, bits(grant.slot)), (path, (first, 2 * m)));
                    }
                    (Err(error), None) => {
                        assert!(
                            matches!(error.code(), Code::NoSpectrum | Code::FrequencyNotGranted),
                            "{error}"
                        );
                    }
                    (answer, expected) => panic!("{answer:?}, expected {expected:?}"),
                }
            }
            Act::Release(at) if !grants.is_empty() => {
                db.release(&grants[at % grants.len()].request.connection_id).await.unwrap();
            }
            Act::Release(_) => {}
            Act::Restore(at) => {
                drop(db.restore(&link(MESH[at].0), RestorationRules::default()).await.unwrap())
            }
            Act::Defragment => {
                let rules = DefragmentationRules { push_pull: true, ..DefragmentationRules::default() };
                let plan = db.propose_defragmentation(&rules).await.unwrap();
                let done = db.apply_defragmentation(&plan).await.unwrap();
                assert_eq!(done.stopped, None);
            }
            Act::Grant { vop: of, on } => match db.set_vop_grant(granted(VOPS[of], &on)).await {
                Ok(()) => {}
                Err(error) => assert_eq!(error.code(), Code::LiveConnections),
            },
        }
    }
    check(&db).await;
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]
    #[test]
    fn no_connection_ever_leaves_its_operators_spectrum_on_any_link(acts in proptest::collection::vec(act(), 1..60)) {
        tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(play(acts));
    }
}
