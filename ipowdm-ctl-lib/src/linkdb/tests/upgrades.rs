//! Records of the version before.

use super::*;
use crate::spectrum::SlotOwner;
use crate::store::Record;

/// Version 1 of a link's spectrum; the owners were records of their own.
#[derive(serde::Serialize, serde::Deserialize)]
struct OldSpectrum {
    raster: Raster,
    a_to_b: Slots,
    b_to_a: Slots,
}

impl Record for OldSpectrum {
    const KIND: &'static str = LinkSpectrum::KIND;
    const VERSION: u8 = 1;
}

/// A store in which two connections lie as version 1 had them.
async fn old_store() -> (LinkDb, Vec<Grant>) {
    let db = network(&[("ab", "a", "b", 80)]).await;
    let mut grants = Vec::new();
    for id in ["1", "2"] {
        grants.push(db.allocate(request(id, "a", "b", 6)).await.unwrap());
    }
    db.store()
        .transact(|tx| {
            let mut slots = Slots::all_free(784);
            for grant in &grants {
                let (first, count) = bits(grant.slot);
                slots.take(first, count).unwrap();
                tx.put(
                    &SlotOwner::key(&link("ab"), first),
                    &SlotOwner { owner: grant.owner(), slot: grant.slot },
                )?;
            }
            let old = OldSpectrum { raster: db.raster(), a_to_b: slots.clone(), b_to_a: slots };
            tx.put(&Key::<OldSpectrum>::new(&["ab"]), &old)
        })
        .await
        .unwrap();
    (db, grants)
}

async fn loose_owners(db: &LinkDb) -> usize {
    db.store().scan(&SlotOwner::on(&link("ab"))).await.unwrap().len()
}

#[tokio::test]
async fn a_link_whose_owners_were_records_of_their_own_is_read_and_brought_up_to_date_by_the_next_change() {
    let (db, grants) = old_store().await;
    let map = db.spectrum(&link("ab")).await.unwrap();
    let owners: Vec<_> = map.owners.iter().map(|held| held.owner.clone()).collect();
    assert_eq!(owners, grants.iter().map(Grant::owner).collect::<Vec<_>>());
    assert_eq!(db.utilisation(&link("ab")).await.unwrap().used_a_to_b, 24);
    assert_eq!(loose_owners(&db).await, 2);
    let third = db.allocate(request("3", "a", "b", 6)).await.unwrap();
    assert_eq!((bits(third.slot), loose_owners(&db).await), ((24, 12), 0));
    for id in ["1", "2", "3"] {
        assert!(db.release(&connection(id)).await.unwrap().is_some());
    }
    assert_eq!(db.store().get(&LinkSpectrum::key(&link("ab"))).await.unwrap(), None);
}

#[tokio::test]
async fn a_connection_of_the_version_before_is_released() {
    let (db, grants) = old_store().await;
    assert_eq!(db.release(&connection("2")).await.unwrap().as_ref(), Some(&grants[1]));
    assert_eq!(db.spectrum(&link("ab")).await.unwrap().owners.len(), 1);
    assert_eq!(loose_owners(&db).await, 0);
}
