//! Leases: records that are held for a time unless they are confirmed.
//!
//! A lease is a record beside the leased one, with a deadline on the store's own clock ([`StoreClock`]). A record whose lease
//! has expired is held by nobody, be it swept yet or not: [`Tx::get_held`] does not show it. A [`LeaseSweeper`] removes such
//! records, each in a transaction that sees record and lease as they are, so that a renewal and an expiry never both win.

use super::{Index, Key, Prefix, RawKey, Record, Store, StoreError, Tx};
use core::future::Future;
use core::time::Duration;
use ipowdm_core::time::Millis;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::time::Instant;

#[cfg(test)]
mod tests;

/// Until when a record is held.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Lease {
    until: Millis,
}

impl Lease {
    const BY_DEADLINE: Index<Self> =
        Index::multi("until", |lease, values| values.add_numbered(&[], lease.until.0));

    fn key(of: &RawKey) -> Key<Self> {
        Key::new(&[of.as_str()])
    }

    const fn holds(&self, now: Millis) -> bool {
        now.0 < self.until.0
    }
}

impl Record for Lease {
    const KIND: &'static str = "lease";
    const VERSION: u8 = 1;
    const INDEXES: &'static [Index<Self>] = &[Self::BY_DEADLINE];
}

impl Tx {
    /// Holds a record until `until` on the store's clock, in place of a lease it has; [`Record::LEASED`] must be set.
    ///
    /// # Errors
    /// [`StoreError`]; to be passed on.
    pub fn set_lease<T: Record>(&mut self, key: &Key<T>, until: Millis) -> Result<(), StoreError> {
        const { assert!(T::LEASED, "the record's type does not allow leases") };
        self.put(&Lease::key(key.raw()), &Lease { until })
    }

    /// Prolongs the lease of a record that is held at `now`; answers whether it was. One without a lease stays without.
    ///
    /// # Errors
    /// [`StoreError`]; to be passed on.
    pub fn renew_lease<T: Record>(
        &mut self,
        key: &Key<T>,
        now: Millis,
        until: Millis,
    ) -> Result<bool, StoreError> {
        const { assert!(T::LEASED, "the record's type does not allow leases") };
        if self.get_held(key, now)?.is_none() {
            return Ok(false);
        }
        if self.lease_of(key)?.is_some() {
            self.set_lease(key, until)?;
        }
        Ok(true)
    }

    /// Ends the lease of a record, which stays: it is held for good from now on.
    ///
    /// # Errors
    /// [`StoreError`]; to be passed on.
    pub fn end_lease<T: Record>(&mut self, key: &Key<T>) -> Result<(), StoreError> {
        let lease = Lease::key(key.raw());
        // What was read is checked by the commit: a lease that is not there needs no deletion.
        if self.value(lease.raw())?.is_some() {
            self.delete(&lease);
        }
        Ok(())
    }

    /// Until when a record is held; `None` where it has no lease.
    ///
    /// # Errors
    /// [`StoreError`]; to be passed on.
    pub fn lease_of<T: Record>(&mut self, key: &Key<T>) -> Result<Option<Millis>, StoreError> {
        Ok(self.get_shared(&Lease::key(key.raw()))?.map(|lease| lease.until))
    }

    /// The record, where it is there and its lease, if it has one, has not expired at `now`.
    ///
    /// # Errors
    /// [`StoreError`]; to be passed on.
    pub fn get_held<T: Record>(&mut self, key: &Key<T>, now: Millis) -> Result<Option<Arc<T>>, StoreError> {
        let Some(record) = self.get_shared(key)? else { return Ok(None) };
        let lease = self.get_shared(&Lease::key(key.raw()))?;
        Ok(lease.is_none_or(|lease| lease.holds(now)).then_some(record))
    }
}

/// What the store's clock showed when it was last stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct StoredClock(Millis);

impl StoredClock {
    fn key() -> Key<Self> {
        Key::new(&["leases"])
    }
}

impl Record for StoredClock {
    const KIND: &'static str = "store-clock";
    const VERSION: u8 = 1;
}

/// The clock of a store's leases: monotonic, and only running while somebody runs it.
///
/// It shows what it showed when it was last stored plus the monotonic time since, so a lease means remaining time: an outage
/// does not use it up, a host clock that is set does not move it, and after a crash it is behind by at most the interval at
/// which it was stored. Several processes keep one clock: each stores its own where it is ahead, and takes over what is
/// stored where that is. Clones are the same clock.
#[derive(Debug, Clone)]
pub struct StoreClock {
    started: Instant,
    /// What the clock showed at `started`, in milliseconds; rises when another process is found to be ahead.
    base: Arc<AtomicU64>,
}

impl StoreClock {
    /// Goes on from where the clock was last stored.
    ///
    /// # Errors
    /// As [`Store::get`].
    pub async fn resume(store: &Store) -> Result<Self, StoreError> {
        let stored = store.get(&StoredClock::key()).await?.map_or(Millis(0), |StoredClock(at)| at);
        Ok(Self { started: Instant::now(), base: Arc::new(AtomicU64::new(stored.0)) })
    }

    /// The time.
    #[must_use]
    pub fn now(&self) -> Millis {
        Millis(self.base.load(Ordering::Relaxed)).plus(self.elapsed())
    }

    /// A clock that starts at 0 whatever is stored.
    #[cfg(any(test, feature = "conformance"))]
    pub(super) fn behind() -> Self {
        Self { started: Instant::now(), base: Arc::default() }
    }

    /// Lets time pass, as a test does, and stores the clock.
    #[cfg(any(test, feature = "conformance"))]
    pub(super) async fn put_forward(&self, to: Millis, store: &Store) -> Result<(), StoreError> {
        self.base.fetch_max(to.0, Ordering::Relaxed);
        self.keep(store).await
    }

    fn elapsed(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// Stores what the clock shows, or takes over what is stored where that is later.
    ///
    /// # Errors
    /// As [`Store::transact`].
    pub async fn keep(&self, store: &Store) -> Result<(), StoreError> {
        let elapsed = self.elapsed();
        let now = Millis(self.base.load(Ordering::Relaxed)).plus(elapsed);
        let stored = store
            .transact(|tx| {
                let key = StoredClock::key();
                let stored = tx.get(&key)?.map_or(Millis(0), |StoredClock(at)| at);
                if stored < now {
                    tx.put(&key, &StoredClock(now))?;
                }
                Ok::<_, StoreError>(stored)
            })
            .await?;
        self.base.fetch_max(stored.since(Millis(elapsed)), Ordering::Relaxed);
        Ok(())
    }
}

/// What a sweep has done.
#[derive(Debug)]
pub struct Swept<E> {
    /// Records whose lease has expired and that were dealt with.
    pub expired: usize,
    /// Records that could not be dealt with, and why; they are tried again after the others.
    pub failed: Vec<(RawKey, E)>,
    /// Whether more leases are known to have expired.
    pub more: bool,
}

/// Deals with records whose leases have expired, a bounded number at a time, in the order of their deadlines.
#[derive(Debug)]
pub struct LeaseSweeper {
    store: Store,
    clock: StoreClock,
    limit: usize,
    /// Where the next sweep begins, after leases that could not be dealt with.
    after: Option<RawKey>,
}

impl LeaseSweeper {
    /// A sweeper that deals with at most `limit` leases at a time.
    #[must_use]
    pub const fn new(store: Store, clock: StoreClock, limit: usize) -> Self {
        Self { store, clock, limit, after: None }
    }

    /// Stores the clock and deals with leases that have expired. `expire` is to delete the record (and what belongs to it);
    /// the lease is ended in the same transaction, which commits only if record and lease are as `expire` saw them.
    ///
    /// # Errors
    /// [`StoreError`] where the leases cannot be read; what goes wrong with one lease is in the answer.
    pub async fn sweep<E, F>(&mut self, mut expire: F) -> Result<Swept<E>, StoreError>
    where
        F: FnMut(&mut Tx, &RawKey) -> Result<(), E>,
        E: From<StoreError>,
    {
        self.clock.keep(&self.store).await?;
        let now = self.clock.now();
        let mut swept = Swept { expired: 0, failed: Vec::new(), more: false };
        let entries = RawKey::from_stored("lease.until/");
        let limit = Some(self.limit.saturating_add(1));
        let page = self.store.snapshot().await?.page_bytes(entries, self.after.take(), limit).await?;
        let due = page.iter().map_while(|(entry, _)| due(entry, now).map(|key| (entry, key)));
        for (seen, (entry, key)) in due.enumerate() {
            if seen == self.limit {
                swept.more = true;
                break;
            }
            match self.expire(&key, now, &mut expire).await {
                Ok(true) => swept.expired += 1,
                Ok(false) => {}
                Err(error) => {
                    swept.failed.push((key, error));
                    self.after = Some(entry.clone());
                }
            }
        }
        Ok(swept)
    }

    /// Answers whether the lease had expired.
    async fn expire<E, F>(&self, key: &RawKey, now: Millis, expire: &mut F) -> Result<bool, E>
    where
        F: FnMut(&mut Tx, &RawKey) -> Result<(), E>,
        E: From<StoreError>,
    {
        let lease = Lease::key(key);
        self.store
            .transact(|tx| {
                // It may have been renewed or ended since it was listed.
                if tx.get_shared(&lease)?.is_none_or(|lease| lease.holds(now)) {
                    return Ok(false);
                }
                if tx.value(key)?.is_some() {
                    expire(tx, key)?;
                }
                tx.delete(&lease);
                Ok(true)
            })
            .await
    }

    /// Sweeps every `interval`, and at once where more is known to have expired, until `stop` is ready. What goes wrong is
    /// logged and tried again.
    pub async fn run<E, F>(mut self, interval: Duration, mut expire: F, stop: impl Future<Output = ()>)
    where
        F: FnMut(&mut Tx, &RawKey) -> Result<(), E>,
        E: From<StoreError> + core::fmt::Display,
    {
        let mut stop = core::pin::pin!(stop);
        loop {
            let more = tokio::select! {
                biased;
                () = &mut stop => return,
                swept = self.sweep(&mut expire) => match swept {
                    Ok(swept) => {
                        for (key, error) in &swept.failed {
                            tracing::warn!(%key, %error, "an expired lease could not be dealt with");
                        }
                        swept.more
                    }
                    Err(error) => {
                        tracing::warn!(%error, "the leases could not be read");
                        false
                    }
                },
            };
            if !more {
                tokio::select! { biased; () = &mut stop => return, () = tokio::time::sleep(interval) => {} }
            }
        }
    }
}

/// The key of the leased record, where the deadline in the index entry has passed.
fn due(entry: &RawKey, now: Millis) -> Option<RawKey> {
    let parts = entry.parts()?;
    let [until, lease] = parts[..] else { return None };
    let until = u64::from_str_radix(until, 16).ok()?;
    let lease = RawKey::from_stored(lease);
    (until <= now.0).then(|| lease.parts()?.first().map(|key| RawKey::from_stored(key)))?
}

impl Store {
    /// How many leases there are, expired or not.
    ///
    /// # Errors
    /// As [`Store::scan`].
    pub async fn lease_count(&self) -> Result<usize, StoreError> {
        Ok(self.snapshot().await?.page_bytes(Prefix::<Lease>::all().raw().clone(), None, None).await?.len())
    }
}
