//! What the agent must remember across restarts: desired state, outcomes, unsent acks, positions, epochs.
//!
//! An append-only sequence of frames; one frame holds the entries of one step and is applied whole or not at all, so a
//! position is stored together with the effect of the record it names. [`State`] is what the frames add up to.
//!
//! Appending does not wait for the disk; [`Journal::syncer`] gives the wait, which whoever publishes an ack makes first.
//! An agent that is killed between the two reads the record again and finds the module as it left it.

mod digest;
mod entry;
mod frame;
mod state;
mod storage;

pub use digest::Digest;
pub use entry::{Accepted, Answer, CommandKey, Desired, Entry, Intent, PortState};
pub use frame::{FrameError, MAX_FRAME};
pub use state::{Known, State, TopicPosition};
pub use storage::{FileStorage, MemoryStorage, Storage, Syncer};

use std::io;

/// A journal is rewritten when it has grown to this many bytes and to four times what a rewrite left last time.
const COMPACT_FROM: u64 = 256 * 1024;

/// Why the journal cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum JournalError {
    /// The storage failed.
    #[error("journal: {doing}: {source}")]
    Storage {
        /// What was being done.
        doing: &'static str,
        /// What the system said.
        source: io::Error,
    },
    /// An entry cannot be written: a defect of ours, or one that is too large.
    #[error("journal: {0}")]
    Frame(#[from] FrameError),
    /// The journal was written by a later version.
    #[error(
        "journal: written by format version {found}, this build reads up to {known}; run the newer agent"
    )]
    Newer {
        /// The version found.
        found: u8,
        /// The newest version this build reads.
        known: u8,
    },
}

impl JournalError {
    /// The stable code.
    #[must_use]
    pub const fn code(&self) -> ipowdm_core::error::Code {
        use ipowdm_core::error::Code;
        match self {
            Self::Storage { .. } => Code::StorageFull,
            Self::Frame(_) | Self::Newer { .. } => Code::Internal,
        }
    }
}

/// What was found when a journal was opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recovery {
    /// Every byte belongs to a whole frame.
    Clean,
    /// The last append was cut short; its bytes were dropped.
    TornTail {
        /// Bytes dropped.
        bytes: u64,
    },
    /// Bytes in the middle are damaged: what follows them was set aside and is not in force.
    Damaged {
        /// Where the damage begins.
        at: u64,
        /// Bytes set aside.
        bytes: u64,
    },
}

/// The journal of one agent.
pub struct Journal {
    storage: Box<dyn Storage>,
    state: State,
    length: u64,
    compacted_length: u64,
    failing: bool,
}

impl Journal {
    /// Reads what is stored and makes it writable. `history` is how many answers are kept for repeated commands.
    ///
    /// # Errors
    /// [`JournalError`] where the storage cannot be read or was written by a later version. Damage is not an error: it
    /// is answered as [`Recovery`].
    pub fn open(mut storage: Box<dyn Storage>, history: usize) -> Result<(Self, Recovery), JournalError> {
        let failed = |doing| move |source| JournalError::Storage { doing, source };
        let bytes = storage.load().map_err(failed("reading"))?;
        let mut state = State::new(history);
        let mut at = 0;
        let recovery = loop {
            match frame::read(&bytes[at..]) {
                Ok(None) => break Recovery::Clean,
                Ok(Some((entries, size))) => {
                    for entry in entries {
                        state.apply(entry);
                    }
                    at += size;
                }
                Err(FrameError::Newer { found }) => {
                    return Err(JournalError::Newer { found, known: frame::VERSION });
                }
                Err(_) => break frame::judge_tail(&bytes, at),
            }
        };
        match recovery {
            Recovery::Clean => {}
            Recovery::TornTail { .. } => {
                storage.truncate(as_u64(at)).map_err(failed("cutting a torn tail"))?
            }
            Recovery::Damaged { .. } => {
                storage.set_aside(&bytes[at..]).map_err(failed("setting damage aside"))?;
                storage.truncate(as_u64(at)).map_err(failed("cutting damage"))?;
            }
        }
        let journal = Self { storage, state, length: as_u64(at), compacted_length: 0, failing: false };
        Ok((journal, recovery))
    }

    /// A journal that lasts as long as the process.
    #[must_use]
    pub fn in_memory(history: usize) -> Self {
        Self {
            storage: Box::new(MemoryStorage::default()),
            state: State::new(history),
            length: 0,
            compacted_length: 0,
            failing: false,
        }
    }

    /// What the entries so far add up to.
    #[must_use]
    pub const fn state(&self) -> &State {
        &self.state
    }

    /// Whether the last append failed: new work has to be refused until one succeeds.
    #[must_use]
    pub const fn is_failing(&self) -> bool {
        self.failing
    }

    /// Appends the entries of one step, all or none. Nothing is waited for.
    ///
    /// # Errors
    /// [`JournalError`]; the state is then as before.
    pub fn append(&mut self, entries: Vec<Entry>) -> Result<(), JournalError> {
        if entries.is_empty() {
            return Ok(());
        }
        let frame = frame::write(&entries)?;
        let result = self.storage.append(&frame);
        self.failing = result.is_err();
        result.map_err(|source| JournalError::Storage { doing: "appending", source })?;
        self.length += as_u64(frame.len());
        for entry in entries {
            self.state.apply(entry);
        }
        if self.length >= COMPACT_FROM.max(self.compacted_length.saturating_mul(4))
            && let Err(error) = self.compact()
        {
            // The long journal stays in force; the next attempt comes after as much growth again.
            self.compacted_length = self.length;
            tracing::warn!(%error, "the journal could not be compacted");
        }
        Ok(())
    }

    /// Rewrites the journal as its state. Atomic and durable: after a crash either the old or the new one is there.
    ///
    /// # Errors
    /// [`JournalError`]; the old journal is then in force.
    pub fn compact(&mut self) -> Result<(), JournalError> {
        let mut bytes = Vec::new();
        for step in self.state.snapshot() {
            bytes.extend_from_slice(&frame::write(&step)?);
        }
        self.storage
            .replace(&bytes)
            .map_err(|source| JournalError::Storage { doing: "compacting", source })?;
        self.length = as_u64(bytes.len());
        self.compacted_length = self.length;
        Ok(())
    }

    /// The wait until everything appended so far is on the disk, to be made off the asynchronous threads. `None` where
    /// the storage has no such wait.
    ///
    /// # Errors
    /// [`JournalError`] where the storage cannot be shared for it.
    pub fn syncer(&self) -> Result<Option<Syncer>, JournalError> {
        self.storage.syncer().map_err(|source| JournalError::Storage { doing: "preparing to sync", source })
    }

    /// Length in bytes.
    #[must_use]
    pub const fn len(&self) -> u64 {
        self.length
    }

    /// Whether nothing was ever appended.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.length == 0
    }
}

impl core::fmt::Debug for Journal {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Journal").field("length", &self.length).field("failing", &self.failing).finish()
    }
}

/// Lossless on every platform with pointers of at most 64 bits.
fn as_u64(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
