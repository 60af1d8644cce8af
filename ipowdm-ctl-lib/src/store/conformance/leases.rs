//! Leases: held until their deadline and no longer, swept a few at a time.

use super::subject::{Subject, again};
use crate::store::{Key, LeaseSweeper, Prefix, Record, StoreClock, StoreError};
use ipowdm_core::time::Millis;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Something that is held for a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Hold(u32);

impl Record for Hold {
    const KIND: &'static str = "conformance-hold";
    const VERSION: u8 = 1;
    const LEASED: bool = true;
}

fn hold(number: u64) -> Key<Hold> {
    Key::numbered(&[], number)
}

impl Subject {
    async fn take(&self, number: u64, until: Millis) {
        self.transact(|tx| {
            tx.put(&hold(number), &Hold(1))?;
            tx.set_lease(&hold(number), until)
        })
        .await
        .unwrap();
    }

    async fn held(&self, number: u64, now: Millis) -> bool {
        self.transact(|tx| tx.get_held(&hold(number), now)).await.unwrap().is_some()
    }

    async fn sweeper(&self, limit: usize) -> (StoreClock, LeaseSweeper) {
        let clock = again!(self, StoreClock::resume(&self.store).await).unwrap();
        (clock.clone(), LeaseSweeper::new(self.store.clone(), clock, limit))
    }
}

pub(super) async fn s4_21_a_record_is_held_until_its_lease_expires_be_it_swept_or_not(s: Subject) {
    let at = Millis(1_000);
    s.take(1, at.plus(100)).await;
    assert!(s.held(1, at).await);
    assert!(s.held(1, at.plus(99)).await);
    assert!(!s.held(1, at.plus(100)).await, "expired and not swept is not held");
    // A renewal keeps what is held, and cannot bring back what is not.
    let renew =
        async |now: Millis| s.transact(|tx| tx.renew_lease(&hold(1), now, now.plus(500))).await.unwrap();
    assert!(renew(at.plus(50)).await);
    assert!(s.held(1, at.plus(549)).await);
    assert!(!renew(at.plus(550)).await);
    assert!(!s.held(1, at.plus(550)).await);
    // Confirmed: held for good. A renewal changes nothing then.
    s.take(2, at).await;
    s.transact(|tx| tx.end_lease(&hold(2))).await.unwrap();
    assert!(s.held(2, Millis(u64::MAX)).await);
    assert!(s.transact(|tx| tx.renew_lease(&hold(2), at, at)).await.unwrap());
    assert_eq!(s.transact(|tx| tx.lease_of(&hold(2))).await, Ok(None));
    // A record that is deleted takes its lease along: the next of this key is not swept for it.
    s.transact(|tx| {
        tx.delete(&hold(1));
        Ok::<_, StoreError>(())
    })
    .await
    .unwrap();
    assert_eq!(again!(s, s.store.lease_count().await), Ok(0));
}

pub(super) async fn s4_21_a_sweep_is_bounded_and_spares_what_was_renewed(s: Subject) {
    const LEASES: u64 = 25;
    let (clock, mut sweeper) = s.sweeper(10).await;
    let now = clock.now();
    for number in 0..LEASES {
        s.take(number, now).await;
    }
    s.take(100, now.plus(3_600_000)).await;
    // One is renewed, and one cannot be dealt with.
    s.transact(|tx| tx.set_lease(&hold(3), now.plus(3_600_000))).await.unwrap();
    let mut swept = Vec::new();
    loop {
        let outcome = again!(
            s,
            async {
                sweeper
                    .sweep(|tx, raw| {
                        let key = Key::<Hold>::from_raw(raw.clone()).unwrap();
                        if key == hold(5) {
                            return Err(StoreError::Stale);
                        }
                        tx.delete(&key);
                        Ok::<_, StoreError>(())
                    })
                    .await
            }
            .await
        )
        .unwrap();
        assert!(outcome.expired + outcome.failed.len() <= 10, "a sweep is bounded");
        swept.push(outcome.expired);
        let left = s.scan::<Hold>(&Prefix::all()).await.len();
        assert!(swept.len() < 50, "the sweep makes no progress: {swept:?}, {left} left");
        if left == 3 {
            break;
        }
    }
    let left: Vec<_> = s.scan::<Hold>(&Prefix::all()).await.into_iter().map(|(key, _)| key).collect();
    assert_eq!(left, [hold(3), hold(5), hold(100)]);
    assert!(s.held(3, clock.now()).await);
    assert_eq!(again!(s, s.store.lease_count().await), Ok(3));
}

pub(super) async fn s4_21_a_renewal_and_an_expiry_never_both_win(s: Subject) {
    let (clock, sweeper) = s.sweeper(100).await;
    let sweeper = Arc::new(tokio::sync::Mutex::new(sweeper));
    for number in 0..40 {
        let now = clock.now();
        // Expired for the sweeper; the holder's clock is behind.
        s.take(number, now).await;
        let renewal = {
            let s = s.clone();
            tokio::spawn(async move {
                let before = Millis(now.0.saturating_sub(1));
                s.transact(|tx| tx.renew_lease(&hold(number), before, now.plus(3_600_000))).await.unwrap()
            })
        };
        let sweep = {
            let (s, sweeper) = (s.clone(), Arc::clone(&sweeper));
            tokio::spawn(async move {
                let mut sweeper = sweeper.lock().await;
                again!(
                    s,
                    async {
                        sweeper
                            .sweep(|tx, raw| {
                                tx.delete(&Key::<Hold>::from_raw(raw.clone()).unwrap());
                                Ok::<_, StoreError>(())
                            })
                            .await
                    }
                    .await
                )
                .unwrap()
            })
        };
        let renewed = renewal.await.unwrap();
        sweep.await.unwrap();
        let there = s.get(&hold(number)).await.is_some();
        // Where answers are lost, a renewal that was carried out may be tried again and then find nothing.
        assert!(renewed == there || (s.is_faulty() && there), "renewed {renewed}, there {there}");
    }
}

pub(super) async fn s4_21_leases_survive_a_restart_with_the_time_that_was_left(s: Subject) {
    let (clock, _) = s.sweeper(10).await;
    let later = clock.now().plus(5_000);
    s.take(1, later).await;
    // The clock is stored as ahead: as if five seconds had passed before the process ended.
    again!(s, clock.put_forward(later, &s.store).await).unwrap();
    let next = s.other_process();
    let (resumed, mut sweeper) = next.sweeper(10).await;
    assert!(resumed.now() >= later, "the clock goes on where it was stored");
    assert!(!next.held(1, resumed.now()).await);
    again!(
        next,
        async {
            sweeper
                .sweep(|tx, raw| {
                    tx.delete(&Key::<Hold>::from_raw(raw.clone()).unwrap());
                    Ok::<_, StoreError>(())
                })
                .await
        }
        .await
    )
    .unwrap();
    assert_eq!(s.get(&hold(1)).await, None);
    // A process that is behind takes over what is stored.
    assert!(clock.now() >= later);
    let behind = StoreClock::behind();
    again!(s, behind.keep(&s.store).await).unwrap();
    assert!(behind.now() >= later);
}
