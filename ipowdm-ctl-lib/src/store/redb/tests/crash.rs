//! The power fails after any write, and everything answered before is there when it returns.

use super::disk::{Disk, Random, Unsynced};
use super::traffic::{Ledger, audit, build, relabel, request, store_on};
use super::{full_sweeps, small};
use crate::linkdb::LinkDb;
use crate::store::{OpenError, RedbBackend};
use ipowdm_core::ids::ConnectionId;

/// Allocations and releases, alone and several at a time, so that groups of all sizes are written and images with them.
async fn run_traffic(db: &LinkDb, disk: &Disk, ledger: &Ledger, rounds: usize) {
    let mut random = Random(7);
    let mut live: Vec<ConnectionId> = Vec::new();
    let now = || disk.events();
    for round in 0..rounds {
        let burst = 1 + random.below(6);
        let asked: Vec<_> = (0..burst).map(|i| request(&format!("{round}-{i}"), &mut random)).collect();
        let ids: Vec<ConnectionId> = asked.iter().map(|asked| asked.connection_id.clone()).collect();
        let granted =
            futures_util::future::join_all(asked.into_iter().map(|asked| ledger.allocate(db, asked, now)))
                .await;
        relabel(db.store(), &mut random).await;
        live.extend(ids.into_iter().zip(granted).filter_map(|(id, granted)| granted.then_some(id)));
        let mut gone = Vec::new();
        while live.len() > 12 {
            gone.push(live.swap_remove(random.below(live.len())));
        }
        futures_util::future::join_all(gone.iter().map(|id| ledger.release(db, id, now))).await;
    }
}

/// A disk on which traffic has run, the events of creating the store, and what was answered.
async fn recorded(rounds: usize) -> (Disk, usize, Ledger) {
    let (disk, ledger) = (Disk::default(), Ledger::default());
    let backend = RedbBackend::open_on(disk.clone(), small()).await.unwrap();
    let created = disk.events();
    let db = LinkDb::new(store_on(backend));
    build(&db).await.unwrap();
    run_traffic(&db, &disk, &ledger, rounds).await;
    assert!(audit(&db).await > 0);
    drop(db);
    (disk, created, ledger)
}

/// Opens what a cut has left and checks it; the disk of the second life.
async fn reopen(content: Vec<u8>, cut: usize, ledger: &Ledger) -> Disk {
    let disk = Disk::new(content);
    let backend = RedbBackend::open_on(disk.clone(), small()).await;
    let backend = backend.unwrap_or_else(|error| panic!("after {cut} events: {error}"));
    let db = LinkDb::new(store_on(backend));
    ledger.check(&db, cut).await;
    audit(&db).await;
    disk
}

/// The cuts that are made: every one with the long form, else a few spread over all.
fn cuts(from: usize, to: usize, few: usize) -> Vec<usize> {
    let step = if full_sweeps() { 1 } else { (to - from).div_ceil(few).max(1) };
    (from..=to).step_by(step).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s4_15_a_cut_after_any_write_keeps_what_was_answered_and_no_half_transaction() {
    let rounds = if full_sweeps() { 60 } else { 25 };
    let (disk, created, ledger) = recorded(rounds).await;
    let cuts = cuts(created, disk.events(), 40);
    let (mut opened, mut second) = (0, 0);
    for (number, &cut) in cuts.iter().enumerate() {
        let seed = cut as u64;
        for unsynced in [Unsynced::Lost, Unsynced::Kept, Unsynced::Torn(seed), Unsynced::Torn(!seed)] {
            let again = reopen(disk.after_cut(cut, unsynced), cut, &ledger).await;
            opened += 1;
            // And the power fails again, while the store recovers or closes.
            if number % 8 == 0 && again.events() > 0 {
                let inner = Random(seed).below(again.events() + 1);
                reopen(again.after_cut(inner, Unsynced::Torn(seed)), cut, &ledger).await;
                second += 1;
            }
        }
    }
    println!(
        "redb crash: {} events recorded after creation, cut at {} of them; {opened} disks opened, {second} of them cut again",
        disk.events() - created,
        cuts.len(),
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cut_while_a_store_is_created_leaves_an_empty_one_or_none() {
    let (disk, created, ledger) = recorded(1).await;
    let (mut opened, mut refused) = (0, 0);
    for cut in 0..=created {
        for unsynced in [Unsynced::Lost, Unsynced::Kept, Unsynced::Torn(cut as u64)] {
            let disk = Disk::new(disk.after_cut(cut, unsynced));
            match RedbBackend::open_on(disk, small()).await {
                Ok(backend) => {
                    let db = LinkDb::new(store_on(backend));
                    ledger.check(&db, 0).await;
                    opened += 1;
                }
                // In a file this cannot be seen: it gets its name when it is complete.
                Err(OpenError::Foreign { .. } | OpenError::Damaged { .. }) => refused += 1,
                Err(other) => panic!("after {cut} events: {other}"),
            }
        }
    }
    println!("redb creation: {created} events, cut at each; {opened} disks opened, {refused} refused");
    assert!(opened > 0);
}
