//! The transactional store: typed records, optimistic transactions, watches, an outbox.
//!
//! [`Store`] is the handle that everything else uses; a [`Backend`] keeps the bytes. A transaction is a pure function over
//! a [`Tx`]: it reads at one version, and commits only if nothing it read has changed, so any set of transactions is
//! serialisable in the order of their [`Version`]s. On a conflict the updater runs again.
//!
//! ```
//! use ipowdm_ctl_lib::store::{Key, Record, Store, StoreError};
//! use serde::{Deserialize, Serialize};
//!
//! #[derive(Serialize, Deserialize)]
//! struct Counter(u64);
//! impl Record for Counter {
//!     const KIND: &'static str = "counter";
//!     const VERSION: u8 = 1;
//! }
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), StoreError> {
//! let store = Store::memory();
//! let key = Key::<Counter>::new(&["setups"]);
//! let count = store
//!     .transact(|tx| {
//!         let next = tx.get(&key)?.map_or(1, |Counter(n)| n + 1);
//!         tx.put(&key, &Counter(next))?;
//!         Ok::<_, StoreError>(next)
//!     })
//!     .await?;
//! assert_eq!(count, 1);
//! # Ok(()) }
//! ```

mod archive;
mod backend;
#[cfg(any(test, feature = "conformance"))]
pub mod conformance;
mod counts;
mod engine;
#[cfg(any(test, feature = "conformance"))]
pub mod faulty;
mod framing;
mod index;
mod instances;
mod key;
mod key_map;
mod lease;
mod location;
mod memory;
pub mod outbox;
mod receipt;
mod record;
#[cfg(feature = "redb")]
mod redb;
#[cfg(feature = "redis")]
pub mod redis;
mod snapshot;
mod transaction;
mod value;
mod watch;

pub use archive::{ArchiveError, ArchiveSummary};
pub use backend::{
    Backend, BackendError, Batch, BoxFuture, CommitError, Lookup, Range, StampedWrite, Version, View, Want,
    Write,
};
pub use counts::StoreCounts;
pub use engine::{Answers, Store, StoreOptions, Walk, WallTime};
pub use index::{Index, IndexFault, IndexValues};
pub use key::{Key, Prefix, RawKey};
pub use lease::{LeaseSweeper, StoreClock, Swept};
pub use location::{Location, LocationError, OpenError};
pub use memory::MemoryBackend;
pub use outbox::{OutboxRecord, OutboxRelay, Publish, PublishError, RelayCounts, RelayOptions};
pub use receipt::Receipt;
pub use record::{Record, SharedEntries, SharedEntry, decode, decode_shared, encode};
#[cfg(feature = "redb")]
pub use redb::{RedbBackend, RedbOptions};
pub use snapshot::Snapshot;
pub use transaction::Tx;
pub use value::Value;
pub use watch::{Change, Notice, RequesterWatch, Watch, WatchOptions, WatchSource};

use core::time::Duration;
use ipowdm_core::error::Code;

/// Why the store did not do what it was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// Other transactions changed what this one read, every time. Nothing was written.
    #[error("gave up after {attempts} conflicting attempts; the keys are contended, try again later")]
    RetryExceeded {
        /// How often the updater was run.
        attempts: u32,
    },
    /// The deadline passed before the transaction could commit. Nothing was written.
    #[error("not committed within {limit:?}; nothing was written")]
    Deadline {
        /// The time that was allowed.
        limit: Duration,
    },
    /// The back end cannot be reached or failed. Nothing was written.
    #[error("store unavailable: {reason}")]
    Unavailable {
        /// What happened, for people.
        reason: String,
    },
    /// The connection broke, or the deadline passed, while a commit was under way: read before you repeat it.
    #[error("the outcome of the commit is not known: {reason}")]
    Indeterminate {
        /// What happened, for people.
        reason: String,
    },
    /// A view is older than the history that the back end keeps; take a new snapshot.
    #[error("the snapshot is too old to be read consistently; take a new one")]
    Stale,
    /// Stored bytes are not a record of the expected type.
    #[error("{key}: {reason}")]
    Corrupt {
        /// The key.
        key: RawKey,
        /// What is wrong.
        reason: String,
    },
    /// A value has no stored form.
    #[error("{key}: cannot be stored: {reason}")]
    Encode {
        /// The key.
        key: RawKey,
        /// What is wrong.
        reason: String,
    },
    /// Another record has the value of a unique index. Nothing was written.
    #[error("{entry}: taken by {holder}")]
    Duplicate {
        /// The key of the index entry, which holds the value.
        entry: RawKey,
        /// The key of the record that has the value.
        holder: RawKey,
    },
    /// Two runs of one updater over the same view wrote different things: it depends on something outside the store.
    #[error("{key}: the updater wrote different values in two runs over the same view")]
    NotRepeatable {
        /// The first key that differs.
        key: RawKey,
    },
    /// A value has to be fetched first: the engine does so and runs the updater again. Never seen by callers that pass
    /// errors on.
    #[error("the value is not loaded yet")]
    NotLoaded,
}

impl StoreError {
    /// The stable code.
    #[must_use]
    pub const fn code(&self) -> Code {
        match self {
            Self::RetryExceeded { .. } => Code::Conflict,
            Self::Duplicate { .. } => Code::AlreadyExists,
            Self::Deadline { .. } => Code::TimedOut,
            Self::Unavailable { .. } | Self::Indeterminate { .. } | Self::Stale => Code::StoreUnavailable,
            Self::Corrupt { .. } | Self::Encode { .. } | Self::NotRepeatable { .. } | Self::NotLoaded => {
                Code::Internal
            }
        }
    }
}

impl From<BackendError> for StoreError {
    fn from(error: BackendError) -> Self {
        match error {
            BackendError::Stale => Self::Stale,
            BackendError::Unavailable { reason } => Self::Unavailable { reason },
        }
    }
}
