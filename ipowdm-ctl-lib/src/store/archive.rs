//! A store as one file: as of one commit, checksummed, complete or not there at all.
//!
//! [`Store::archive`] works on any back end while transactions go on; [`Store::restore`] fills an empty store of any back
//! end, which need not be the one that the archive was taken from.

mod format;
#[cfg(test)]
mod tests;

use super::backend::{BackendError, Batch, CommitError, Write};
use super::{
    Key, Location, OpenError, RawKey, Record, Snapshot, Store, StoreError, StoreOptions, Version, record,
};
use format::{Block, Reading};
use ipowdm_core::error::Code;
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::{self, BufWriter, Write as _};
use std::path::{Path, PathBuf};
use tokio::sync::mpsc;
use tokio::task::spawn_blocking;

/// Records read from a snapshot at once.
const PAGE: usize = 1024;
/// Blocks on their way between the store and the file.
const UNDER_WAY: usize = 4;
/// How often an archive is begun again because the back end has forgotten the version that it was reading.
const ATTEMPTS: u32 = 5;

/// What an archive holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ArchiveSummary {
    /// The version of the store that it shows.
    pub version: Version,
    /// The number of records, index entries included.
    pub records: u64,
}

/// Why a store was not archived or restored.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ArchiveError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The store could not be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The file could not be read or written.
    #[error("{}: {reason}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        reason: String,
        /// Whether there is no room, or no permission to write.
        full: bool,
    },
    /// The file is something else.
    #[error("{}: not an archive of a store", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// The file was written by a later release.
    #[error("{}: an archive in format {found}, this program reads up to {known}; use the release that wrote it", path.display())]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its format.
        found: u32,
        /// The latest format known here.
        known: u32,
    },
    /// The file is damaged or was cut off.
    #[error("{}: damaged: {reason}; nothing was restored", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Where and how.
        reason: String,
    },
    /// The store to be filled holds records, or somebody writes to it.
    #[error("the store is not empty; an archive is restored into an empty one")]
    NotEmpty,
}

impl ArchiveError {
    fn io(path: &Path, error: &io::Error) -> Self {
        use io::ErrorKind::{PermissionDenied, QuotaExceeded, ReadOnlyFilesystem, StorageFull};
        let full =
            matches!(error.kind(), PermissionDenied | QuotaExceeded | ReadOnlyFilesystem | StorageFull);
        Self::Io { path: path.to_owned(), reason: error.to_string(), full }
    }

    /// The stable code.
    #[must_use]
    pub const fn code(&self) -> Code {
        match self {
            Self::Store(error) => error.code(),
            Self::Open(error) => error.code(),
            Self::Io { full: true, .. } => Code::StorageFull,
            Self::Io { full: false, .. } => Code::Internal,
            Self::Foreign { .. } | Self::Damaged { .. } => Code::Malformed,
            Self::Newer { .. } => Code::UnknownVersion,
            Self::NotEmpty => Code::AlreadyExists,
        }
    }
}

/// Stands in a store while it is being filled.
#[derive(Debug, Serialize, Deserialize)]
struct RestoreMark {
    version: Version,
}

impl RestoreMark {
    fn key() -> Key<Self> {
        Key::new(&[])
    }
}

impl Record for RestoreMark {
    const KIND: &'static str = "store-restore";
    const VERSION: u8 = 1;
}

impl Store {
    /// Writes all records as of one commit into a file, which gets its name when it is complete and durable; a file that was
    /// there before is replaced. It is readable by its owner only. Transactions go on meanwhile.
    ///
    /// # Errors
    /// [`ArchiveError::Io`]; [`ArchiveError::Store`], with [`StoreError::Stale`] where the back end forgot the version that
    /// was being read time and again.
    pub async fn archive(&self, path: &Path) -> Result<ArchiveSummary, ArchiveError> {
        for _ in 1..ATTEMPTS {
            match self.archive_once(path).await {
                Err(ArchiveError::Store(StoreError::Stale)) => {}
                other => return other,
            }
        }
        self.archive_once(path).await
    }

    async fn archive_once(&self, path: &Path) -> Result<ArchiveSummary, ArchiveError> {
        let mut snapshot = self.snapshot().await?;
        let version = snapshot.version();
        let (sender, mut blocks) = mpsc::channel::<Option<Block>>(UNDER_WAY);
        let to = path.to_owned();
        let writing = spawn_blocking(move || write_file(&to, version, || blocks.blocking_recv()));
        let read = send_all(&mut snapshot, &sender).await;
        if read.is_ok() {
            // Without this the file is dropped: the records may not have been all.
            let _ = sender.send(None).await;
        }
        drop(sender);
        let written = writing.await.map_err(|error| ArchiveError::io(path, &io::Error::other(error)))?;
        read?;
        written.map_err(|error| ArchiveError::io(path, &error))
    }

    /// Fills this store, which must be empty, with the records of an archive. The archive is checked whole before the first
    /// record is written. Where the restore is interrupted, the store holds a mark because of which [`Store::open`] refuses
    /// it, and may be restored again.
    ///
    /// Versions go on from that of the archive.
    ///
    /// # Errors
    /// [`ArchiveError`].
    pub async fn restore(&self, path: &Path) -> Result<ArchiveSummary, ArchiveError> {
        let from = path.to_owned();
        let lost = |error| ArchiveError::io(path, &io::Error::other(error));
        let checked = spawn_blocking(move || check_file(&from)).await.map_err(lost)??;
        self.begin_restore(checked.version).await?;
        let (sender, mut blocks) = mpsc::channel(UNDER_WAY);
        let from = path.to_owned();
        let reading = spawn_blocking(move || -> Result<ArchiveSummary, ArchiveError> {
            let mut reading = Reading::open(&from)?;
            while let Some(block) = reading.next_block()? {
                if sender.blocking_send(block).is_err() {
                    break;
                }
            }
            Ok(reading.summary())
        });
        while let Some(block) = blocks.recv().await {
            let writes = block.into_iter().map(|(key, value)| Write { key, value: Some(value) }).collect();
            self.write_blindly(writes).await?;
        }
        let summary = reading.await.map_err(lost)??;
        if summary != checked {
            let reason = "it was changed while it was read".to_owned();
            return Err(ArchiveError::Damaged { path: path.to_owned(), reason });
        }
        self.backend().raise(checked.version).await.map_err(from_commit)?;
        self.write_blindly(vec![Write { key: RestoreMark::key().raw().clone(), value: None }]).await?;
        Ok(summary)
    }

    /// Opens the store at a place, also one that was restored in part, and fills it.
    ///
    /// # Errors
    /// [`ArchiveError`].
    pub async fn open_restored(
        location: &Location,
        options: StoreOptions,
        path: &Path,
    ) -> Result<(Self, ArchiveSummary), ArchiveError> {
        let store = Self::open_unchecked(location, options).await?;
        let summary = store.restore(path).await?;
        Ok((store, summary))
    }

    /// Whether an interrupted restore has left its mark.
    pub(super) async fn is_restored_in_part(&self) -> Result<bool, StoreError> {
        Ok(self.get(&RestoreMark::key()).await?.is_some())
    }

    /// Empties a store that was restored in part, and marks it.
    async fn begin_restore(&self, version: Version) -> Result<(), ArchiveError> {
        let everything = RawKey::from_stored("");
        let key = RestoreMark::key().raw().clone();
        let value = record::encode(&key, &RestoreMark { version })?;
        let mut snapshot = self.snapshot().await?;
        if snapshot.get(&RestoreMark::key()).await?.is_none() {
            if !snapshot.page_bytes(everything.clone(), None, Some(1)).await?.is_empty() {
                return Err(ArchiveError::NotEmpty);
            }
            let batch = Batch {
                version: snapshot.version(),
                scans: vec![everything],
                writes: vec![Write { key, value: Some(value) }],
                ..Batch::default()
            };
            return match self.backend().commit(batch).await {
                Ok(_) => Ok(()),
                Err(CommitError::Conflict) => Err(ArchiveError::NotEmpty),
                Err(error) => Err(from_commit(error)),
            };
        }
        loop {
            let mut page = self.snapshot().await?.page_bytes(everything.clone(), None, Some(PAGE)).await?;
            page.retain(|(there, _)| *there != key);
            if page.is_empty() {
                return Ok(());
            }
            self.write_blindly(page.into_iter().map(|(key, _)| Write { key, value: None }).collect()).await?;
        }
    }

    async fn write_blindly(&self, writes: Vec<Write>) -> Result<(), ArchiveError> {
        let version = self.snapshot().await?.version();
        let batch = Batch { version, writes, ..Batch::default() };
        self.backend().commit(batch).await.map(drop).map_err(from_commit)
    }
}

fn from_commit(error: CommitError) -> ArchiveError {
    ArchiveError::Store(match error {
        CommitError::Conflict => StoreError::RetryExceeded { attempts: 1 },
        CommitError::Unavailable { reason } => BackendError::Unavailable { reason }.into(),
        CommitError::Indeterminate { reason } => StoreError::Indeterminate { reason },
    })
}

/// Sends all records of a snapshot but the mark.
async fn send_all(snapshot: &mut Snapshot, to: &mpsc::Sender<Option<Block>>) -> Result<(), StoreError> {
    let mut after: Option<RawKey> = None;
    let mut block = Block::new();
    loop {
        let page = snapshot.page_bytes(RawKey::from_stored(""), after.clone(), Some(PAGE)).await?;
        let last = page.len() < PAGE;
        for (key, value) in &page {
            if key.kind() != RestoreMark::KIND {
                block.push(key, value);
            }
            if block.is_full() && to.send(Some(core::mem::replace(&mut block, Block::new()))).await.is_err() {
                // The writer has failed and will say why.
                return Ok(());
            }
        }
        after = page.into_iter().next_back().map(|(key, _)| key);
        if last {
            let _ = to.send(Some(block)).await;
            return Ok(());
        }
    }
}

/// Writes the blocks until a `None` says that these were all; the file has its name only then.
fn write_file(
    path: &Path,
    version: Version,
    mut next: impl FnMut() -> Option<Option<Block>>,
) -> io::Result<ArchiveSummary> {
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    // Readable by its owner only, and removed where it does not get its name.
    let mut file = tempfile::Builder::new().prefix(".ipowdm-archive-").tempfile_in(directory)?;
    let mut complete = false;
    let mut out = BufWriter::with_capacity(1 << 20, file.as_file_mut());
    let summary = format::write(&mut out, version, || match next() {
        Some(Some(block)) => Some(block),
        Some(None) => {
            complete = true;
            None
        }
        None => None,
    })?;
    out.flush()?;
    drop(out);
    if !complete {
        return Err(io::Error::new(io::ErrorKind::Interrupted, "the archive was not completed"));
    }
    file.as_file().sync_all()?;
    file.persist(path).map_err(|error| error.error)?;
    File::open(directory)?.sync_all()?;
    Ok(summary)
}

/// Reads an archive to its end.
fn check_file(path: &Path) -> Result<ArchiveSummary, ArchiveError> {
    let mut reading = Reading::open(path)?;
    while reading.next_block()?.is_some() {}
    Ok(reading.summary())
}
