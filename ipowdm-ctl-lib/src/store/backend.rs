//! What a back end must do; the transaction engine, the watches and the outbox are built on it.

use super::{RawKey, Value, WatchSource};
use core::future::Future;
use core::pin::Pin;

/// A boxed future, so that a back end can be chosen at run time.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// The number of a committed transaction; later commits have greater numbers, an empty store is at 0.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, serde::Serialize, serde::Deserialize,
)]
#[cfg_attr(feature = "http", derive(schemars::JsonSchema))]
#[serde(transparent)]
pub struct Version(u64);

impl Version {
    /// The version with this number.
    #[must_use]
    pub const fn new(number: u64) -> Self {
        Self(number)
    }

    /// The number.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }
}

impl core::fmt::Display for Version {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        self.0.fmt(f)
    }
}

/// Why a back end did not do what it was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BackendError {
    /// The view is older than the history that the back end keeps, or its parts no longer share a version. The engine
    /// takes a new view and runs again.
    #[error("the view is too old to be read consistently")]
    Stale,
    /// The back end cannot be reached or failed.
    #[error("{reason}")]
    Unavailable {
        /// What happened, for people.
        reason: String,
    },
}

/// Why a batch was not committed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CommitError {
    /// Something that the transaction read has changed since its view; nothing was written.
    #[error("a key or range that was read has changed")]
    Conflict,
    /// Nothing was written.
    #[error("{reason}")]
    Unavailable {
        /// What happened, for people.
        reason: String,
    },
    /// The connection broke while the commit was under way: it may or may not have been applied.
    #[error("the outcome of the commit is not known: {reason}")]
    Indeterminate {
        /// What happened, for people.
        reason: String,
    },
}

/// What a view knows without input or output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lookup<T> {
    /// The answer at the view's version.
    Known(T),
    /// It has to be loaded first, see [`View::load`].
    NotLoaded,
}

/// A range of keys: those that begin with `prefix` and come after `after`, at most `limit` of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Range {
    /// Every key of the range begins with this.
    pub prefix: RawKey,
    /// Keys up to and including this one are left out.
    pub after: Option<RawKey>,
    /// Greatest number of entries; `None` for all.
    pub limit: Option<usize>,
}

/// What a view is to load.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Want {
    /// One key.
    Key(RawKey),
    /// A range of keys.
    Range(Range),
}

/// The store at one version.
pub trait View: Send {
    /// The version; everything read through this view is as of this commit.
    fn version(&self) -> Version;

    /// The value of a key, `None` when it is absent.
    ///
    /// # Errors
    /// [`BackendError::Stale`] where that version is no longer kept, [`BackendError::Unavailable`].
    fn get(&self, key: &RawKey) -> Result<Lookup<Option<Value>>, BackendError>;

    /// The entries of a range in key order.
    ///
    /// # Errors
    /// As [`View::get`].
    fn scan(&self, range: &Range) -> Result<Lookup<Vec<(RawKey, Value)>>, BackendError>;

    /// Loads what an earlier call did not know. A back end whose reads need no waiting never answers
    /// [`Lookup::NotLoaded`] and is never asked.
    fn load<'a>(&'a mut self, wants: &'a [Want]) -> BoxFuture<'a, Result<(), BackendError>>;

    /// Waits until everything that the view shows would survive a crash. Only a view that [`Backend::draft`] opened may
    /// have to wait.
    ///
    /// # Errors
    /// [`BackendError::Unavailable`] where it will never be, [`BackendError::Stale`] where something shown was out of date
    /// when the draft was opened.
    fn settled(&self) -> BoxFuture<'_, Result<(), BackendError>> {
        Box::pin(core::future::ready(Ok(())))
    }
}

/// One write of a transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Write {
    /// The key.
    pub key: RawKey,
    /// The new value; `None` deletes the key.
    pub value: Option<Value>,
}

/// A write whose key ends in the version of the commit that makes it, and its place within that commit.
///
/// Such keys are ordered as the commits are, without a counter that all transactions would have to share.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StampedWrite {
    /// The kind of the key.
    pub kind: &'static str,
    /// The value.
    pub value: Value,
}

impl StampedWrite {
    /// The key that the write gets when its transaction commits as `version`; `index` is its place among the stamped
    /// writes of the transaction.
    #[must_use]
    pub fn key(&self, version: Version, index: usize) -> RawKey {
        stamped_key(self.kind, version, index)
    }
}

/// The key of the stamped write in place `index` of the commit `version`.
pub(super) fn stamped_key(kind: &str, version: Version, index: usize) -> RawKey {
    RawKey::from_stored(&format!("{kind}/16:{:016x},16:{index:016x},", version.get()))
}

/// Everything that a transaction wants to commit, and what it must be checked against.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Batch {
    /// The version that was read.
    pub version: Version,
    /// Keys that were read, present or absent.
    pub reads: Vec<RawKey>,
    /// Prefixes that were scanned.
    pub scans: Vec<RawKey>,
    /// Writes, in key order, at most one per key.
    pub writes: Vec<Write>,
    /// Writes under keys stamped with the commit's version, in order.
    pub stamped: Vec<StampedWrite>,
}

impl Batch {
    /// Whether the batch would change nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.writes.is_empty() && self.stamped.is_empty()
    }
}

/// A place that keeps records.
///
/// Implementations promise:
/// * a view reads the store as of one commit;
/// * a commit applies all writes of its batch or none, and only if no key of `reads` and no key under a prefix of `scans`
///   was written after `batch.version`;
/// * a delete of an absent key changes nothing, and a batch that changes nothing makes no version and no notice;
/// * notices go to the watch source in commit order, one per commit, with all its keys, before `commit` returns;
/// * what a notice, an answered commit or a view tells is as durable as the back end makes anything.
pub trait Backend: Send + Sync + core::fmt::Debug {
    /// The store as of the latest commit.
    fn view(&self) -> BoxFuture<'_, Result<Box<dyn View>, BackendError>>;

    /// The store as a transaction is to see it. It may show commits that are not durable yet and whose callers still wait:
    /// otherwise every commit of a group would conflict with the next one of the same keys. What is read here becomes
    /// durable before what is written because of it; the engine answers nobody from it before [`View::settled`].
    ///
    /// It may also be behind the latest commit: a commit finds that out, and [`View::settled`] does where nothing is
    /// committed.
    fn draft(&self) -> BoxFuture<'_, Result<Box<dyn View>, BackendError>> {
        self.view()
    }

    /// Commits a batch.
    fn commit(&self, batch: Batch) -> BoxFuture<'_, Result<Version, CommitError>>;

    /// Where this back end announces commits.
    fn changes(&self) -> &WatchSource;

    /// Gives every later commit a version greater than `to`. For a store that is filled with the records of another one:
    /// what its records owe to versions (order of messages, lives of connections) goes on from there.
    ///
    /// # Errors
    /// [`CommitError::Unavailable`], as by default, where the back end cannot do that.
    fn raise(&self, to: Version) -> BoxFuture<'_, Result<(), CommitError>> {
        let reason = format!("this back end cannot go on from version {to}");
        Box::pin(core::future::ready(Err(CommitError::Unavailable { reason })))
    }

    /// Whether an unchanged key always reads as the same [`Value`], so that its record is shared by all readers. For other
    /// back ends the store keeps the values that were read last.
    fn shares_values(&self) -> bool {
        false
    }

    /// As [`Backend::view`], for back ends that need no waiting. `None`, as by default, where it may have to wait.
    fn view_at_once(&self) -> Option<Result<Box<dyn View>, BackendError>> {
        None
    }

    /// As [`Backend::commit`], for back ends that need no waiting; gives the batch back, as by default, where it may have
    /// to wait. `view` is the view that the batch was read from; nothing is read from it any more.
    ///
    /// # Errors
    /// The batch.
    fn commit_at_once(&self, view: &dyn View, batch: Batch) -> Result<Result<Version, CommitError>, Batch> {
        let _ = view;
        Err(batch)
    }
}
