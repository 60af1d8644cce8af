//! What virtual operators may hold: partitions, pools, quotas.

use super::*;
use crate::spectrum::{Quota, VopUsage};

fn window(low: u32, high: u32) -> SpectrumWindow {
    SpectrumWindow { low: mhz(low), high: mhz(high) }
}

fn of(name: &str, mut asked: AllocationRequest) -> AllocationRequest {
    asked.vop = vop(name);
    asked
}

/// The usage record, and the sum over the grants.
async fn usage(db: &LinkDb, name: &str) -> (Option<VopUsage>, VopUsage) {
    let vop = vop(name);
    let stored = db.store().get(&VopUsage::key(&vop)).await.unwrap();
    let live = db.store().transact(|tx| db.connections_of_in(tx, &vop)).await.unwrap();
    let counted = VopUsage {
        connections: live.len() as u64,
        slot_links: live.iter().map(|grant| u64::from(grant.slot.m) * 2 * grant.path.hops.len() as u64).sum(),
    };
    assert_eq!(db.store().transact(|tx| db.usage_in(tx, &vop)).await.unwrap(), counted);
    (stored, counted)
}

#[tokio::test]
async fn a_partition_is_its_owners_alone_whoever_comes_first() {
    let db = network(&[("ab", "a", "b", 80)]).await;
    let (low, high) = (window(191_250_000, 193_000_000), window(193_000_000, 196_150_000));
    let set = async |grant| db.set_vop_grant(grant).await.map_err(|error| error.code());
    // vOp1 has the whole band, in the pool.
    assert_eq!(set(VopGrant::partition(vop("vOp2"), vec![high])).await, Err(Code::NoSpectrum));
    set(VopGrant::pool(vop("vOp1"), vec![low])).await.unwrap();
    set(VopGrant::partition(vop("vOp2"), vec![high])).await.unwrap();
    assert_eq!(set(VopGrant::pool(vop("vOp1"), vec![whole_band()])).await, Err(Code::NoSpectrum));
    assert_eq!(
        set(VopGrant::pool(vop("vOp3"), vec![window(192_999_999, 193_000_001)])).await,
        Err(Code::NoSpectrum)
    );
    set(VopGrant::pool(vop("vOp3"), vec![low])).await.unwrap();
    // A partition may be changed by its owner, and windows that only touch do not overlap.
    set(VopGrant::partition(
        vop("vOp2"),
        vec![window(193_000_000, 193_500_000), window(193_500_000, 194_000_000)],
    ))
    .await
    .unwrap();
    set(VopGrant::pool(vop("vOp3"), vec![low, window(194_000_000, 196_150_000)])).await.unwrap();
}

#[tokio::test]
async fn operators_of_a_pool_share_its_slots_and_none_is_given_twice() {
    let db = network(&[("ab", "a", "b", 80)]).await;
    db.set_vop_grant(VopGrant::pool(vop("vOp2"), vec![whole_band()])).await.unwrap();
    let first = db.allocate(request("1", "a", "b", 6)).await.unwrap();
    let second = db.allocate(of("vOp2", request("2", "a", "b", 6))).await.unwrap();
    assert_eq!((bits(first.slot), bits(second.slot)), ((0, 12), (12, 12)));
}

#[tokio::test]
async fn a_quota_of_connections_and_one_of_width_times_links_hold_exactly() {
    let db = network(&[("ab", "a", "b", 80), ("bc", "b", "c", 80)]).await;
    let quota = Quota { connections: Some(3), slot_links: Some(60) };
    db.set_vop_grant(VopGrant::pool(vop("vOp1"), vec![whole_band()]).with_quota(quota)).await.unwrap();
    assert_eq!(usage(&db, "vOp1").await.0, Some(VopUsage::default()));
    db.allocate(request("1", "a", "c", 6)).await.unwrap(); // 12 steps on 2 links
    db.allocate(request("2", "a", "b", 12)).await.unwrap(); // 24 steps on 1 link
    assert_eq!(usage(&db, "vOp1").await.0, Some(VopUsage { connections: 2, slot_links: 48 }));
    let error = refused(&db, request("3", "a", "b", 7), Code::QuotaExceeded).await;
    assert!(error.to_string().contains("quota of 60"), "{error}");
    db.allocate(request("3", "a", "b", 6)).await.unwrap(); // to the last step
    let (stored, counted) = usage(&db, "vOp1").await;
    assert_eq!((stored, counted.slot_links), (Some(counted), 60));
    db.release(&connection("2")).await.unwrap();
    db.allocate(request("4", "b", "c", 1)).await.unwrap();
    let error = refused(&db, request("5", "b", "c", 1), Code::QuotaExceeded).await;
    assert!(error.to_string().contains("3 connections"), "{error}");
    // The same request again is no more than it was.
    db.allocate(request("4", "b", "c", 1)).await.unwrap();
    for id in ["1", "3", "4"] {
        db.release(&connection(id)).await.unwrap();
        let (stored, counted) = usage(&db, "vOp1").await;
        assert_eq!(stored, Some(counted));
    }
    assert_eq!(usage(&db, "vOp1").await.0, Some(VopUsage::default()));
}

#[tokio::test]
async fn a_quota_set_later_counts_what_is_held_and_takes_nothing_away() {
    let db = network(&[("ab", "a", "b", 80)]).await;
    let pool = || VopGrant::pool(vop("vOp1"), vec![whole_band()]);
    for id in ["1", "2"] {
        db.allocate(request(id, "a", "b", 6)).await.unwrap();
    }
    assert_eq!(usage(&db, "vOp1").await.0, None);
    db.set_vop_grant(pool().with_quota(Quota { connections: Some(1), slot_links: None })).await.unwrap();
    assert_eq!(usage(&db, "vOp1").await.0, Some(VopUsage { connections: 2, slot_links: 24 }));
    refused(&db, request("3", "a", "b", 6), Code::QuotaExceeded).await;
    db.release(&connection("1")).await.unwrap();
    refused(&db, request("3", "a", "b", 6), Code::QuotaExceeded).await;
    db.release(&connection("2")).await.unwrap();
    db.allocate(request("3", "a", "b", 6)).await.unwrap();
    db.set_vop_grant(pool()).await.unwrap();
    assert_eq!(usage(&db, "vOp1").await.0, None);
    db.allocate(request("4", "a", "b", 6)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn sixteen_allocators_do_not_exceed_a_quota() {
    let db = network(&[("ab", "a", "b", 80)]).await;
    let quota = Quota { connections: Some(20), slot_links: None };
    db.set_vop_grant(VopGrant::pool(vop("vOp1"), vec![whole_band()]).with_quota(quota)).await.unwrap();
    let tasks: Vec<_> = (0..16)
        .map(|task| {
            // Every other task through a handle of its own: its calls are not joined with the others'.
            let db = if task % 2 == 0 { db.clone() } else { LinkDb::new(db.store().clone()) };
            tokio::spawn(async move {
                let mut granted = 0;
                for round in 0..5 {
                    match db.allocate(request(&format!("{task}-{round}"), "a", "b", 2)).await {
                        Ok(_) => granted += 1,
                        Err(error) => assert_eq!(error.code(), Code::QuotaExceeded, "{error}"),
                    }
                }
                granted
            })
        })
        .collect();
    let mut granted = 0;
    for task in tasks {
        granted += task.await.unwrap();
    }
    let (stored, counted) = usage(&db, "vOp1").await;
    assert_eq!((granted, stored), (20, Some(counted)));
}
