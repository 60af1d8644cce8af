//! Holds: for a time, unless confirmed.

use super::*;
use crate::spectrum::Quota;
use crate::store::{LeaseSweeper, StoreClock};
use ipowdm_core::time::Millis;

const NOW: Millis = Millis(1_000);
const LATER: Millis = Millis(61_000);

async fn hold(
    db: &LinkDb,
    asked: &AllocationRequest,
    now: Millis,
    until: Millis,
) -> Result<Grant, LinkDbError> {
    db.store().transact(|tx| db.hold_in(tx, asked, now, until)).await
}

async fn confirm(db: &LinkDb, id: &str, now: Millis) -> Result<Grant, LinkDbError> {
    db.store().transact(|tx| db.confirm_in(tx, &connection(id), now)).await
}

async fn expire(db: &LinkDb, id: &str) {
    db.store().transact(|tx| db.expire_in(tx, Grant::key(&connection(id)).raw())).await.unwrap();
}

#[tokio::test]
async fn s4_21_a_hold_is_confirmed_in_time_or_not_at_all() {
    let db = network(&[("ab", "a", "b", 80)]).await;
    let asked = request("c", "a", "b", 6);
    let held = hold(&db, &asked, NOW, LATER).await.unwrap();
    assert!(held.held);
    assert_eq!(confirm(&db, "c", LATER).await.unwrap_err().code(), Code::UnknownConnection);
    let confirmed = confirm(&db, "c", Millis(60_999)).await.unwrap();
    assert_eq!(confirmed, Grant { held: false, ..held.clone() });
    // Once more, and after the time: it is its own for good.
    assert_eq!(confirm(&db, "c", Millis(u64::MAX)).await.unwrap(), confirmed);
    assert_eq!(hold(&db, &asked, NOW, LATER).await.unwrap(), confirmed);
    assert_eq!(db.store().lease_count().await.unwrap(), 0);
    assert_eq!(confirm(&db, "d", NOW).await.unwrap_err().code(), Code::UnknownConnection);
}

#[tokio::test]
async fn s4_21_an_expired_hold_is_given_back_exactly_by_the_sweep() {
    let db = network(&[("ab", "a", "b", 80), ("bc", "b", "c", 80)]).await;
    let quota = Quota { connections: Some(9), slot_links: None };
    db.set_vop_grant(VopGrant::pool(vop("vOp1"), vec![whole_band()]).with_quota(quota)).await.unwrap();
    let clock = StoreClock::resume(db.store()).await.unwrap();
    let mut sweeper = LeaseSweeper::new(db.store().clone(), clock.clone(), 10);
    // The sweeper stores the clock; what it does beyond that is compared.
    sweeper.sweep(|tx, key| db.expire_in(tx, key)).await.unwrap();
    let without_clock = async || {
        let mut all = dump(&db).await;
        all.retain(|(key, _)| key.kind() != "store-clock");
        all
    };
    let before = without_clock().await;
    let expired = Millis(0);
    for id in ["1", "2", "3"] {
        hold(&db, &request(id, "a", "c", 6), expired, expired).await.unwrap();
    }
    let lasting = core::time::Duration::from_secs(3600);
    let live = db.hold(&request("live", "a", "c", 6), &clock, lasting).await.unwrap();
    let swept = sweeper.sweep(|tx, key| db.expire_in(tx, key)).await.unwrap();
    assert_eq!((swept.expired, swept.failed.len()), (3, 0));
    assert_eq!(db.grant(&connection("live")).await.unwrap(), Some(live.clone()));
    assert_eq!(db.confirm(&connection("live"), &clock).await.unwrap(), Grant { held: false, ..live });
    db.release(&connection("live")).await.unwrap();
    assert_eq!(without_clock().await, before);
}

#[tokio::test]
async fn a_hold_is_renewed_by_the_same_request_and_refused_for_another() {
    let db = network(&[("ab", "a", "b", 80)]).await;
    let asked = request("c", "a", "b", 6);
    let held = hold(&db, &asked, NOW, LATER).await.unwrap();
    assert_eq!(hold(&db, &asked, Millis(60_000), Millis(120_000)).await.unwrap(), held);
    assert!(confirm(&db, "c", Millis(100_000)).await.is_ok());
    db.release(&connection("c")).await.unwrap();
    hold(&db, &asked, NOW, LATER).await.unwrap();
    let other = hold(&db, &request("c", "a", "b", 8), NOW, LATER).await;
    assert_eq!(other.unwrap_err().code(), Code::AlreadyExists);
    // An allocation of the same makes it definite.
    let definite = db.allocate(asked.clone()).await.unwrap();
    assert!(!definite.held);
    assert_eq!(db.store().lease_count().await.unwrap(), 0);
}

#[tokio::test]
async fn who_holds_again_after_the_time_begins_a_new_life() {
    let db = network(&[("ab", "a", "b", 80)]).await;
    let first = hold(&db, &request("c", "a", "b", 6), NOW, LATER).await.unwrap();
    let second = hold(&db, &request("c", "a", "b", 8), LATER, Millis(120_000)).await.unwrap();
    assert!(second.incarnation > first.incarnation);
    assert_eq!((second.slot.m, db.spectrum(&link("ab")).await.unwrap().owners.len()), (8, 1));
    expire(&db, "c").await;
    assert_eq!(db.grant(&connection("c")).await.unwrap(), None);
    assert_eq!(db.utilisation(&link("ab")).await.unwrap().used_a_to_b, 0);
    // Leases of others are not ours to end.
    let theirs = RawKey::from_stored("other/1:c,");
    db.store().transact(|tx| db.expire_in(tx, &theirs)).await.unwrap();
}
