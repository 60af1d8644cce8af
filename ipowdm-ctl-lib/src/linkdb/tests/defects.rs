//! The documented defects of other allocators, each as a test of ours.

use super::*;

/// TeraFlowSDN answers [2, 3, 10, 11] here: four slots, but not next to each other.
#[tokio::test]
async fn teraflowsdn_non_contiguous_answer() {
    let db = network(&[("AB", "A", "B", 80), ("BC", "B", "C", 80)]).await;
    set_free(&db, "AB", (0..=3).chain(10..=17)).await;
    set_free(&db, "BC", (2..=5).chain(10..=17)).await;
    let grant = db.allocate(request("c", "A", "C", 2)).await.unwrap();
    assert_eq!(bits(grant.slot), (10, 4));
}

/// TeraFlowSDN computes the centre from the list of slots.
#[tokio::test]
async fn teraflowsdn_centre_is_the_centre_of_the_slot() {
    let db = network(&[("AB", "A", "B", 80)]).await;
    set_free(&db, "AB", 10..=17).await;
    let grant = db.allocate(request("c", "A", "B", 2)).await.unwrap();
    // Bits 10…13 of a band that begins at 191.250 THz: 191.3125 … 191.3375 THz.
    assert_eq!(grant.frequency, mhz(191_325_000));
}

/// TeraFlowSDN does not mark the slots and gives the same ones to three requests in a row.
#[tokio::test]
async fn teraflowsdn_the_same_slots_for_three_requests() {
    let db = network(&[("AB", "A", "B", 80), ("BC", "B", "C", 80)]).await;
    set_free(&db, "AB", (0..=3).chain(10..=17)).await;
    set_free(&db, "BC", (2..=5).chain(10..=17)).await;
    let mut taken = Vec::new();
    for id in ["1", "2"] {
        taken.push(bits(db.allocate(request(id, "A", "C", 2)).await.unwrap().slot));
    }
    assert_eq!(taken, [(10, 4), (14, 4)]);
    refused(&db, request("3", "A", "C", 2), Code::NoSpectrum).await;
}

/// TeraFlowSDN frees slots that another flow owns.
#[tokio::test]
async fn teraflowsdn_release_frees_only_its_own_slots() {
    let db = network(&[("AB", "A", "B", 80)]).await;
    let first = db.allocate(request("1", "A", "B", 2)).await.unwrap();
    let second = db.allocate(request("2", "A", "B", 2)).await.unwrap();
    db.release(&connection("1")).await.unwrap();
    let map = db.spectrum(&link("AB")).await.unwrap();
    let (at, count) = bits(second.slot);
    assert!((at..at + count).all(|bit| !map.spectrum.a_to_b.is_free(bit)));
    assert_eq!(map.spectrum.a_to_b.free(), 784 - u32::from(count));
    assert_eq!(map.owners.len(), 1);
    // And the freed ones go to the next.
    assert_eq!(db.allocate(request("3", "A", "B", 2)).await.unwrap().slot, first.slot);
}

/// ONOS refuses a hole of exactly the need unless it is all there is.
#[tokio::test]
async fn onos_a_hole_of_exactly_the_need_is_taken() {
    let db = network(&[("AB", "A", "B", 80)]).await;
    set_free(&db, "AB", (20..24).chain(40..60)).await;
    let grant = db.allocate(request("c", "A", "B", 2)).await.unwrap();
    assert_eq!(bits(grant.slot), (20, 4));
}

/// ONOS takes a list of exactly the needed number of slots without checking that they touch.
#[tokio::test]
async fn onos_exactly_enough_slots_that_do_not_touch_are_no_fit() {
    let db = network(&[("AB", "A", "B", 80)]).await;
    set_free(&db, "AB", [3, 4, 8, 9]).await;
    refused(&db, request("c", "A", "B", 2), Code::NoSpectrum).await;
}

/// optical-rl-gym leaves out the last legal start.
#[tokio::test]
async fn optical_rl_gym_the_last_legal_start_is_used() {
    let db = network(&[("AB", "A", "B", 80)]).await;
    set_free(&db, "AB", 780..784).await;
    let grant = db.allocate(request("c", "A", "B", 2)).await.unwrap();
    assert_eq!(bits(grant.slot), (780, 4));
}

/// optical-networking-gym wants four slots more than the need.
#[tokio::test]
async fn optical_networking_gym_the_need_is_enough() {
    let db = network(&[("AB", "A", "B", 80)]).await;
    set_free(&db, "AB", 100..112).await;
    let grant = db.allocate(request("c", "A", "B", 6)).await.unwrap();
    assert_eq!(bits(grant.slot), (100, 12));
}

/// GNPy removes channels that lie outside an amplifier's band without a word; its node-disjoint paths are in `pairs.rs`.
#[tokio::test]
async fn gnpy_a_channel_outside_an_amplifiers_band_is_refused_aloud() {
    let db = network(&[("AB", "A", "B", 80), ("BC", "B", "C", 80)]).await;
    // Bits 100 to 199 of the band that begins at 191.250 THz.
    bands::narrow(&db, "BC", &[(100, 200)]).await;
    let outside = AllocationRequest { frequency: Some(mhz(191_275_000)), ..request("c", "A", "C", 2) };
    refused(&db, outside.clone(), Code::NoSpectrum).await;
    // Where the link is not on the path it is nobody's business, and the first fit is inside the band.
    let beside = AllocationRequest { destination: Endpoint::at(pop("B")), ..outside };
    assert_eq!(bits(db.allocate(beside).await.unwrap().slot), (2, 4));
    let grant = db.allocate(request("d", "A", "C", 2)).await.unwrap();
    assert_eq!(bits(grant.slot), (100, 4));
}

/// The full band carries as many channels as fit, one next to the other: no start is lost, no gap is left.
#[tokio::test]
async fn the_band_fills_to_its_last_slot() {
    let db = network(&[("AB", "A", "B", 80)]).await;
    for i in 0..65 {
        let grant = db.allocate(request(&i.to_string(), "A", "B", 6)).await.unwrap();
        assert_eq!(bits(grant.slot), (i * 12, 12));
    }
    refused(&db, request("65", "A", "B", 6), Code::NoSpectrum).await;
    assert_eq!(bits(db.allocate(request("66", "A", "B", 2)).await.unwrap().slot), (780, 4));
    let figures = db.utilisation(&link("AB")).await.unwrap();
    assert_eq!((figures.used_a_to_b, figures.used_b_to_a, figures.largest_free_run), (784, 784, 0));
    assert_eq!(figures.per_mille(), 1000);
}
