//! Turns: how a transaction that loses again and again asks all processes to let it pass.
//!
//! Within a process the gate does that. Between processes a record does: whoever has met too many conflicts puts its mark
//! there, and every transaction that has met a conflict waits while a mark of somebody else's stands, at most for the length
//! of a turn after it has first seen it. A process that ends in its turn holds nobody up for longer.

use super::{Deadline, Inner};
use crate::store::backend::{Lookup, View, Want, Write};
use crate::store::{BackendError, Batch, CommitError, RawKey, StoreError, Value, Watch};
use core::hash::BuildHasher;
use std::hash::RandomState;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{LazyLock, Mutex, PoisonError};
use tokio::time::{Instant, timeout_at};

/// Where the mark stands.
static TURN: LazyLock<RawKey> = LazyLock::new(|| RawKey::from_stored("store-turn/"));

/// What a process knows of turns.
#[derive(Debug)]
pub(super) struct Turns {
    /// Tells this process's marks from others'.
    process: u64,
    /// Numbers this process's marks.
    next: AtomicU64,
    /// The last mark seen, and when first.
    seen: Mutex<Option<(Value, Instant)>>,
}

impl Default for Turns {
    fn default() -> Self {
        Self { process: RandomState::new().hash_one(0_u8), next: AtomicU64::new(0), seen: Mutex::default() }
    }
}

impl Turns {
    fn is_ours(&self, mark: &[u8]) -> bool {
        mark.starts_with(&self.process.to_be_bytes())
    }

    fn mark(&self) -> Value {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        Value::from([self.process.to_be_bytes(), number.to_be_bytes()].concat())
    }

    /// When a mark was first seen here.
    fn since(&self, mark: &Value) -> Instant {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        match &*seen {
            Some((last, since)) if last == mark => *since,
            _ => {
                let now = Instant::now();
                *seen = Some((mark.clone(), now));
                now
            }
        }
    }
}

impl Inner {
    /// Called before each attempt: lets another process's turn pass, and takes one where it is time.
    pub(super) async fn yield_to_others(&self, attempt: u32, deadline: Deadline) -> Result<(), StoreError> {
        if attempt == 0 {
            return Ok(());
        }
        let mut watch: Option<Watch> = None;
        loop {
            let mut view = self.view(deadline).await?;
            let mark = match self.mark_in(&mut *view, deadline).await {
                Err(StoreError::Stale) => continue,
                mark => mark?,
            };
            let foreign = mark.filter(|mark| !self.turns.is_ours(mark));
            let end = foreign.map(|mark| self.turns.since(&mark) + self.options.turn);
            if let Some(end) = end.filter(|end| Instant::now() < *end) {
                drop(view);
                match &mut watch {
                    // Woken early when the turn ends; a lost notice costs the rest of the turn.
                    Some(watch) => drop(timeout_at(end.min(deadline.at), watch.next()).await),
                    // The mark may have gone before it was watched: it is looked at once more.
                    None => watch = Some(self.backend.changes().subscribe(vec![TURN.clone()])),
                }
                deadline.check()?;
                continue;
            }
            // Each further attempt takes the turn anew: it is prolonged as long as it is needed.
            if attempt < self.options.turn_after || self.set_mark(view, Some(self.turns.mark())).await {
                return Ok(());
            }
        }
    }

    /// Called when a transaction is through that may have taken a turn.
    pub(super) async fn end_turn(&self, attempt: u32) {
        if attempt < self.options.turn_after {
            return;
        }
        // A mark that stays is honoured for the rest of a turn and no longer, so a failure here does no harm.
        let deadline = Deadline::after(self.options.turn);
        let Ok(mut view) = self.view(deadline).await else { return };
        if let Ok(Some(mark)) = self.mark_in(&mut *view, deadline).await
            && self.turns.is_ours(&mark)
        {
            self.set_mark(view, None).await;
        }
    }

    async fn mark_in(&self, view: &mut dyn View, deadline: Deadline) -> Result<Option<Value>, StoreError> {
        if let Lookup::Known(mark) = view.get(&TURN)? {
            return Ok(mark);
        }
        let want = [Want::Key(TURN.clone())];
        deadline.bound(view.load(&want)).await??;
        match view.get(&TURN)? {
            Lookup::Known(mark) => Ok(mark),
            Lookup::NotLoaded => Err(BackendError::Stale.into()),
        }
    }

    /// Sets or removes the mark; false where somebody else has changed it meanwhile.
    async fn set_mark(&self, view: Box<dyn View>, mark: Option<Value>) -> bool {
        let batch = Batch {
            version: view.version(),
            reads: vec![TURN.clone()],
            writes: vec![Write { key: TURN.clone(), value: mark }],
            ..Batch::default()
        };
        // Where it cannot be written the attempt is made without it.
        let committed = self.backend.commit(batch).await;
        drop(view);
        committed != Err(CommitError::Conflict)
    }
}

#[cfg(test)]
mod tests;
