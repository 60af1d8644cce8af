//! The thread that owns the database: one durable transaction for everything that waits.

use super::checkpoint::{Checkpoint, StepError};
use super::codec::Blob;
use super::tables::{append, length};
use super::{Entry, Shared};
use crate::store::CommitError;
use redb::Database;
use std::sync::Arc;

/// Bytes after which a group takes no more transactions.
const GROUP: usize = 4 << 20;

/// What is committed next.
pub(super) enum Work {
    /// These transactions, in order; none where only the image is to be written.
    Group(Vec<Entry>),
    /// Nothing, ever again.
    Close,
}

/// Why a group was not committed.
enum Failure {
    /// Before the database was asked to commit: nothing of the group is in the file.
    Before(String),
    /// By the commit itself.
    During(String),
}

impl From<StepError> for Failure {
    fn from(error: StepError) -> Self {
        match error {
            StepError::Database(error) => Self::Before(error.to_string()),
            StepError::Index(error) => Self::Before(error.to_string()),
        }
    }
}

fn before(error: impl Into<redb::Error>) -> Failure {
    Failure::Before(error.into().to_string())
}

/// The thread's state.
pub(super) struct Writer {
    database: Database,
    checkpoint: Checkpoint,
    shared: Arc<Shared>,
}

/// Tells the clients when the thread ends in a way that is not foreseen.
struct Alarm<'a>(&'a Shared);

impl Drop for Alarm<'_> {
    fn drop(&mut self) {
        self.0.fail("the thread that writes the store has ended");
    }
}

impl Writer {
    pub(super) const fn new(database: Database, checkpoint: Checkpoint, shared: Arc<Shared>) -> Self {
        Self { database, checkpoint, shared }
    }

    /// Works until the store is closed or the file fails. The database is closed then.
    pub(super) fn run(mut self) {
        let shared = Arc::clone(&self.shared);
        let alarm = Alarm(&shared);
        while let Work::Group(group) = shared.next_group(GROUP, self.checkpoint.is_idle()) {
            match self.write(&group) {
                Ok(()) => shared.settle(group),
                Err(failure) => {
                    // Closed first: whoever learns of the failure may open the file again at once.
                    drop(self);
                    let (Failure::Before(reason) | Failure::During(reason)) = &failure;
                    tracing::error!(reason, "the store takes no more commits until it is opened again");
                    shared.fail(reason);
                    let error = answer(&failure);
                    for entry in group {
                        let _ = entry.answer.send(Err(error.clone()));
                    }
                    return;
                }
            }
        }
        drop(self);
        drop(alarm);
    }

    fn write(&mut self, group: &[Entry]) -> Result<(), Failure> {
        let tx = self.database.begin_write().map_err(before)?;
        let mut logged = 0;
        if let (Some(first), Some(last)) = (group.first(), group.last()) {
            let mut blob = Blob::with_capacity(group.iter().map(|entry| entry.ops.len() + 16).sum());
            for entry in group {
                blob.transaction(entry.notice.version, &entry.ops);
            }
            let blob = blob.seal();
            logged = length(&blob);
            append(&tx, first.notice.version, last.notice.version, &blob).map_err(before)?;
        }
        self.checkpoint.step(&tx, logged, &self.shared.durable_view())?;
        tx.commit().map_err(|error| Failure::During(redb::Error::from(error).to_string()))
    }
}

/// What the callers of a group are told.
fn answer(failure: &Failure) -> CommitError {
    match failure {
        Failure::Before(reason) => CommitError::Unavailable { reason: reason.clone() },
        Failure::During(reason) => CommitError::Indeterminate { reason: reason.clone() },
    }
}
