//! Holds: what a connection takes can be held for a time, and goes back by itself unless it is confirmed.
//!
//! The time is the store's ([`StoreClock`]): what is left of it survives a restart and is not used up by an outage. A hold that
//! has expired is given back by the sweep, exactly as a release gives it back; until then its spectrum is nobody else's.
//!
//! A controller that keeps a record of its connections allocates in its own transactions and needs no holds: its record has a
//! time-out of its own. Holds are for callers without such a record.

use super::work::Work;
use super::{AllocationRequest, Grant, LinkDb, LinkDbError};
use crate::store::{RawKey, Record, StoreClock, Tx};
use core::time::Duration;
use ipowdm_core::ids::ConnectionId;
use ipowdm_core::time::Millis;
use std::sync::Arc;

impl LinkDb {
    /// Allocates and holds in a transaction of its own, see [`LinkDb::hold_in`].
    ///
    /// # Errors
    /// As [`LinkDb::hold_in`].
    pub async fn hold(
        &self,
        request: &AllocationRequest,
        clock: &StoreClock,
        time: Duration,
    ) -> Result<Grant, LinkDbError> {
        let now = clock.now();
        let until = now.plus(u64::try_from(time.as_millis()).unwrap_or(u64::MAX));
        self.store.transact(|tx| self.hold_in(tx, request, now, until)).await
    }

    /// Allocates as [`LinkDb::allocate_in`] does, but only until `until` on the store's clock, unless the connection is
    /// confirmed ([`LinkDb::confirm_in`], or [`LinkDb::allocate_in`] with an equal request) or released before.
    ///
    /// The same request again gets the same grant and is held until then; a grant that is confirmed stays so. Where an
    /// earlier hold has expired, this is a new life of the connection.
    ///
    /// # Errors
    /// As [`LinkDb::allocate_in`].
    pub fn hold_in(
        &self,
        tx: &mut Tx,
        request: &AllocationRequest,
        now: Millis,
        until: Millis,
    ) -> Result<Grant, LinkDbError> {
        let mut work = Work::new(self, tx);
        let key = Grant::key(&request.connection_id);
        if let Some(grant) = work.tx.get_shared(&key)? {
            let expired = grant.held && work.tx.get_held(&key, now)?.is_none();
            if !expired && grant.request != *request {
                let what = format!("another connection {}", request.connection_id);
                return Err(LinkDbError::AlreadyExists { what });
            }
            if !expired {
                if grant.held {
                    work.tx.set_lease(&key, until)?;
                }
                return Ok(Arc::unwrap_or_clone(grant));
            }
            work.give_back(&grant)?;
        }
        let grant = Grant { held: true, ..Arc::unwrap_or_clone(work.allocate(request)?) };
        work.tx.put(&key, &grant)?;
        work.tx.set_lease(&key, until)?;
        work.finish()?;
        Ok(grant)
    }

    /// Confirms in a transaction of its own, see [`LinkDb::confirm_in`].
    ///
    /// # Errors
    /// As [`LinkDb::confirm_in`].
    pub async fn confirm(&self, connection: &ConnectionId, clock: &StoreClock) -> Result<Grant, LinkDbError> {
        let now = clock.now();
        self.store.transact(|tx| self.confirm_in(tx, connection, now)).await
    }

    /// Makes what a connection holds its own for good; nothing happens where it is.
    ///
    /// # Errors
    /// [`LinkDbError::NotHeld`] where it holds nothing, or its time was over at `now`, be it swept yet or not.
    pub fn confirm_in(
        &self,
        tx: &mut Tx,
        connection: &ConnectionId,
        now: Millis,
    ) -> Result<Grant, LinkDbError> {
        let mut work = Work::new(self, tx);
        match work.tx.get_held(&Grant::key(connection), now)? {
            Some(grant) if grant.held => work.make_definite((*grant).clone()),
            Some(grant) => Ok((*grant).clone()),
            None => Err(LinkDbError::NotHeld { connection: connection.to_string() }),
        }
    }

    /// Gives back what a hold that has expired has taken: what a [`LeaseSweeper`](crate::store::LeaseSweeper) is to call.
    /// Leases on other kinds of records are left to others.
    ///
    /// ```
    /// # use ipowdm_ctl_lib::linkdb::LinkDb;
    /// # use ipowdm_ctl_lib::store::{LeaseSweeper, Store, StoreClock};
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let db = LinkDb::new(Store::memory());
    /// let clock = StoreClock::resume(db.store()).await?;
    /// let mut sweeper = LeaseSweeper::new(db.store().clone(), clock, 1000);
    /// let swept = sweeper.sweep(|tx, key| db.expire_in(tx, key)).await?;
    /// assert_eq!(swept.expired, 0);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// As [`LinkDb::release_in`].
    pub fn expire_in(&self, tx: &mut Tx, key: &RawKey) -> Result<(), LinkDbError> {
        if key.kind() != Grant::KIND {
            return Ok(());
        }
        let connection = key.parts().and_then(|parts| ConnectionId::new(parts.first()?).ok());
        let connection = connection.ok_or_else(|| LinkDbError::Inconsistent {
            what: format!("{key} has a lease and names no connection"),
        })?;
        self.release_in(tx, &connection).map(drop)
    }
}

impl Work<'_> {
    /// Ends the time for which a grant is held.
    pub(super) fn make_definite(&mut self, grant: Grant) -> Result<Grant, LinkDbError> {
        let key = Grant::key(&grant.request.connection_id);
        let grant = Grant { held: false, ..grant };
        self.tx.end_lease(&key)?;
        self.tx.put(&key, &grant)?;
        Ok(grant)
    }
}
