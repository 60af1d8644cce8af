//! Who may command, and until when.
//!
//! Of the instances of a virtual operator's controller one commands. It renews a lease in the store; the others stand by and
//! watch it. No two clocks are compared: whoever renews and whoever watches each count the lease's length on a monotonic clock
//! of their own.
//!
//! ```text
//!   holder     renewal begins ──▶ commits                       stops commanding
//!              ├──────────────────────────── length − margin ──▶│
//!   stand-by             sees it ├─────────────────────────────── length ──▶│ takes command
//! ```
//!
//! A renewal is seen after it has begun, so the holder has stopped a margin before anybody takes its place, as long as the two
//! clocks do not drift apart by more than the margin. Nothing hangs on that: every transaction of a controller
//! ([`Inner::commanding`]) reads who commands, and is refused once it is somebody else, whatever a clock shows (a machine that
//! was suspended in the middle of a commit, say). Agents refuse what an earlier epoch has sent.
//!
//! A holder that could not renew in time goes on once it can, unless its place was taken meanwhile.

use super::engine::epoch_in;
use super::error::ControllerError;
use super::inner::Inner;
use super::record::Command;
use crate::linkdb::LinkDb;
use crate::slice::{Vop, VopPhase};
use crate::store::{Key, Record, Tx, Version};
use core::time::Duration;
use ipowdm_core::ids::VopId;
use serde::{Deserialize, Serialize};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::time::{Instant, sleep_until};

#[cfg(test)]
mod tests;

/// A lease is renewed this many times in its length.
const RENEWALS: u32 = 3;

/// A holder stops commanding this part of the length before the lease ends.
const MARGIN: u32 = 6;

/// A renewal that failed is tried again after this part of the length.
const AGAIN: u32 = 24;

/// The lease of the instance that commands, as it is stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Lease {
    /// The generation that holds it.
    pub(super) generation: u64,
    /// The instance's name, for people.
    pub(super) holder: String,
    /// Grows with every renewal, so that each is a change.
    pub(super) renewals: u64,
    /// How long it lasts from a renewal on, in milliseconds.
    pub(super) lasts_ms: u64,
}

impl Lease {
    pub(super) fn key(vop: &VopId) -> Key<Self> {
        Key::new(&[vop.as_str()])
    }
}

impl Record for Lease {
    const KIND: &'static str = "controller-lease";
    const VERSION: u8 = 1;
}

/// The lease as its holder knows it.
#[derive(Debug)]
pub(super) struct Tenure {
    lasts: Duration,
    /// Nothing is commanded from then on.
    ends: Mutex<Instant>,
}

impl Tenure {
    /// A lease taken by a transaction that began at `begun`.
    pub(super) fn new(lasts: Duration, begun: Instant) -> Self {
        Self { lasts, ends: Mutex::new(begun + lasts - lasts / MARGIN) }
    }

    fn ends(&self) -> MutexGuard<'_, Instant> {
        // An instant is whole always.
        self.ends.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A renewal that began at `begun` has committed.
    fn renewed(&self, begun: Instant) {
        let mut ends = self.ends();
        *ends = (*ends).max(begun + self.lasts - self.lasts / MARGIN);
    }

    /// Whether the holder may command at `now`.
    pub(super) fn holds(&self, now: Instant) -> bool {
        now < *self.ends()
    }
}

/// The lease as one who stands by sees it.
#[derive(Debug, Default)]
pub(super) struct Observed {
    /// The lease, and when it was first seen so.
    seen: Option<(Lease, Instant)>,
}

impl Observed {
    /// The lease was read, and `now` is not before it was.
    pub(super) fn see(&mut self, lease: Option<Lease>, now: Instant) {
        if self.lease() != lease.as_ref() {
            self.seen = lease.map(|lease| (lease, now));
        }
    }

    /// What was seen last.
    pub(super) fn lease(&self) -> Option<&Lease> {
        self.seen.as_ref().map(|(lease, _)| lease)
    }

    /// When the lease ends unless it is renewed; `None` where nobody holds one.
    pub(super) fn ends(&self) -> Option<Instant> {
        // A length that is beyond all reason was not written by a controller: it is cut to an hour.
        self.seen.as_ref().map(|(lease, since)| *since + Duration::from_millis(lease.lasts_ms.min(3_600_000)))
    }

    /// Whether nobody holds the lease any more.
    pub(super) fn is_over(&self, now: Instant) -> bool {
        self.ends().is_none_or(|ends| ends <= now)
    }
}

/// How command is taken.
#[derive(Debug, Clone, Copy)]
pub(super) enum Claim<'a> {
    /// Whoever commands now: it is this one from now on.
    AtOnce,
    /// Only while the lease is what was seen when it had ended.
    After(Option<&'a Lease>),
}

/// Makes this process the one that commands: a new generation, a new epoch, and the lease.
pub(super) async fn take_command(
    linkdb: &LinkDb,
    id: &VopId,
    (holder, lasts): (&str, Duration),
    claim: Claim<'_>,
) -> Result<(Vop, Command, Tenure), ControllerError> {
    let begun = Instant::now();
    let (vop, command) = linkdb
        .store()
        .transact(|tx| {
            let vop = tx.get(&Vop::key(id))?;
            let vop = vop.ok_or_else(|| ControllerError::UnknownVop { vop: id.to_string() })?;
            if let Claim::After(seen) = claim
                && (vop.phase == VopPhase::Deactivating || tx.get(&Lease::key(id))?.as_ref() != seen)
            {
                return Err(ControllerError::NotCommanding { vop: id.to_string() });
            }
            let before = tx.get(&Command::key(id))?.unwrap_or_default();
            let command = Command {
                epoch: before.epoch.saturating_add(1),
                generation: before.generation.saturating_add(1),
            };
            tx.put(&Command::key(id), &command)?;
            tx.put(&Lease::key(id), &lease(command.generation, holder, 0, lasts))?;
            Ok((vop, command))
        })
        .await?;
    Ok((vop, command, Tenure::new(lasts, begun)))
}

fn lease(generation: u64, holder: &str, renewals: u64, lasts: Duration) -> Lease {
    let lasts_ms = u64::try_from(lasts.as_millis()).unwrap_or(u64::MAX);
    Lease { generation, holder: holder.to_owned(), renewals, lasts_ms }
}

/// Renews the lease until another controller takes over, the virtual operator is deactivated, or dropped.
pub(super) async fn run(inner: Arc<Inner>) {
    let lasts = inner.config.lease;
    let mut next = Instant::now() + lasts / RENEWALS;
    loop {
        tokio::select! {
            biased;
            () = inner.until_superseded() => return,
            () = sleep_until(next) => {}
        }
        let (begun, held) = (Instant::now(), inner.tenure.holds(Instant::now()));
        next = match inner.renew().await {
            Ok(()) => begun + lasts / RENEWALS,
            Err(error) => {
                tracing::warn!(vop = %inner.vop.id(), %error, "the lease is not renewed");
                Instant::now() + lasts / AGAIN
            }
        };
        let holds = inner.tenure.holds(Instant::now());
        if held != holds {
            let generation = inner.generation;
            tracing::warn!(vop = %inner.vop.id(), generation, commands = holds, "the lease");
        }
    }
}

impl Inner {
    /// Prolongs the lease, where it is still this controller's.
    pub(super) async fn renew(&self) -> Result<(), ControllerError> {
        let begun = Instant::now();
        let vop = self.vop.id();
        let renewed = self
            .linkdb
            .store()
            .transact(|tx| {
                epoch_in(tx, vop, self.generation, None)?;
                // Its topics belong to one life of the virtual operator.
                if tx.get(&Vop::key(vop))?.is_none_or(|stored| stored.incarnation != self.vop.incarnation) {
                    return Err(ControllerError::UnknownVop { vop: vop.to_string() });
                }
                let before = tx.get(&Lease::key(vop))?.map_or(0, |before| before.renewals);
                let (holder, renewals) = (self.name(), before.saturating_add(1));
                let next = lease(self.generation, &holder, renewals, self.config.lease);
                Ok(tx.put(&Lease::key(vop), &next)?)
            })
            .await;
        match &renewed {
            Ok(()) => self.tenure.renewed(begun),
            Err(ControllerError::UnknownVop { .. }) => self.retire(),
            Err(error) => self.noticed(error),
        }
        renewed
    }

    /// Gives the lease back, so that another need not wait for its end.
    pub(super) async fn give_back(&self) -> Result<(), ControllerError> {
        let vop = self.vop.id();
        self.linkdb
            .store()
            .transact(|tx| {
                epoch_in(tx, vop, self.generation, None)?;
                tx.delete(&Lease::key(vop));
                Ok(())
            })
            .await
    }

    /// A transaction of the controller: everything that it writes is written by one. Refused unless it commands, which it does
    /// while nobody has taken its place and its lease has not ended; a lease that has ended is renewed first, where it can be.
    /// `work` is given the epoch of commands, which outdoes the one that an agent has `reported`.
    pub(super) async fn commanding<T>(
        &self,
        reported: Option<u64>,
        mut work: impl FnMut(&mut Tx, u64) -> Result<T, ControllerError>,
    ) -> Result<(T, Version), ControllerError> {
        if !self.tenure.holds(Instant::now()) {
            self.renew().await?;
        }
        self.linkdb
            .store()
            .transact_versioned(|tx| {
                let epoch = epoch_in(tx, self.vop.id(), self.generation, reported)?;
                if !self.tenure.holds(Instant::now()) {
                    return Err(ControllerError::NotCommanding { vop: self.vop.id().to_string() });
                }
                work(tx, epoch)
            })
            .await
            .inspect_err(|error| self.noticed(error))
    }
}
