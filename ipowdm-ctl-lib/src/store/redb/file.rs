//! The file: created whole or not at all, for its owner alone, and what can be wrong with it.

use super::tables::{self, Contents, FORMAT, Found, ReadError};
use crate::store::OpenError;
use redb::{Builder, Database, DatabaseError, StorageError};
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

/// Pages that redb keeps: everything is read once, in order, and then served from memory.
const CACHE: usize = 16 << 20;

/// Opens or creates the store in a file.
pub(super) fn open(path: &Path) -> Result<(Database, Contents), OpenError> {
    let label = label(path);
    loop {
        let io_error = |error: &io::Error| from_io(&label, error);
        match OpenOptions::new().read(true).write(true).open(path) {
            Ok(file) if file.metadata().map_err(|error| io_error(&error))?.len() > 0 => {
                let database = builder().create_file(file).map_err(|error| from_database(&label, error))?;
                return contents(database, &label);
            }
            // An empty file is what `touch` or `mktemp` leave: as good as none.
            Ok(_) => return create(path, &label, |new| std::fs::rename(new, path)),
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(io_error(&error)),
        }
        // A link fails where the name exists, so that two creators cannot both succeed.
        let created = create(path, &label, |new| {
            std::fs::hard_link(new, path)?;
            std::fs::remove_file(new)
        });
        match created {
            Err(OpenError::Unavailable { .. }) if path.exists() => {}
            other => return other,
        }
    }
}

/// Opens or creates the store on any storage.
#[cfg(any(test, feature = "conformance"))]
pub(super) fn open_on(storage: impl redb::StorageBackend) -> Result<(Database, Contents), OpenError> {
    let label = "redb:(storage)";
    let database = builder().create_with_backend(storage).map_err(|error| from_database(label, error))?;
    contents(database, label)
}

fn builder() -> Builder {
    let mut builder = Builder::new();
    builder.set_cache_size(CACHE);
    builder
}

/// Makes a store beside `path` and gives it that name once it is complete.
fn create(
    path: &Path,
    label: &str,
    name: impl FnOnce(&Path) -> io::Result<()>,
) -> Result<(Database, Contents), OpenError> {
    let mut new = path.as_os_str().to_owned();
    new.push(".new");
    let new = PathBuf::from(new);
    let io_error = |error: io::Error| from_io(label, &error);
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let file = options.open(&new).map_err(io_error)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Err(OpenError::Locked { location: label.to_owned() }),
        Err(TryLockError::Error(error)) => return Err(io_error(error)),
    }
    // What an interrupted creation has left.
    file.set_len(0).map_err(io_error)?;
    let database = builder().create_file(file).map_err(|error| from_database(label, error))?;
    let made = contents(database, label)?;
    name(&new).map_err(io_error)?;
    sync_directory(path).map_err(io_error)?;
    Ok(made)
}

/// Makes a change of a directory durable.
fn sync_directory(of: &Path) -> io::Result<()> {
    let directory = of.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(directory)?.sync_all()
}

/// What the database holds; an empty one becomes a store.
fn contents(database: Database, label: &str) -> Result<(Database, Contents), OpenError> {
    let location = || label.to_owned();
    let mut initialised = false;
    loop {
        match tables::read(&database).map_err(|error| from_read(label, error))? {
            Found::Store(contents) => return Ok((database, contents)),
            Found::Empty if !initialised => {
                tables::initialise(&database).map_err(|error| from_redb(label, error))?;
                initialised = true;
            }
            Found::Empty => {
                return Err(OpenError::Damaged { location: location(), reason: "it stays empty".to_owned() });
            }
            Found::Foreign(reason) => return Err(OpenError::Foreign { location: location(), reason }),
            Found::Newer(found) => {
                return Err(OpenError::Newer { location: location(), found, known: FORMAT });
            }
        }
    }
}

pub(super) fn label(path: &Path) -> String {
    format!("redb:{}", path.display())
}

fn from_read(label: &str, error: ReadError) -> OpenError {
    match error {
        ReadError::Database(error) => from_redb(label, error),
        ReadError::Damaged(reason) => OpenError::Damaged { location: label.to_owned(), reason },
    }
}

fn from_database(label: &str, error: DatabaseError) -> OpenError {
    let location = label.to_owned();
    match error {
        DatabaseError::DatabaseAlreadyOpen => OpenError::Locked { location },
        DatabaseError::UpgradeRequired(version) => OpenError::Foreign {
            location,
            reason: format!("its redb format {version} is older than any that this program has written"),
        },
        DatabaseError::Storage(StorageError::Io(error)) => from_io(label, &error),
        other => from_redb(label, other.into()),
    }
}

fn from_redb(label: &str, error: redb::Error) -> OpenError {
    let location = label.to_owned();
    match error {
        redb::Error::Io(error) => from_io(label, &error),
        redb::Error::Corrupted(reason) => OpenError::Damaged { location, reason },
        error @ (redb::Error::TableTypeMismatch { .. } | redb::Error::TableIsMultimap(_)) => {
            OpenError::Foreign { location, reason: error.to_string() }
        }
        other => OpenError::Unavailable { location, reason: other.to_string() },
    }
}

fn from_io(label: &str, error: &io::Error) -> OpenError {
    let (location, reason) = (label.to_owned(), error.to_string());
    match error.kind() {
        // What redb answers for a file without its mark.
        ErrorKind::InvalidData => OpenError::Foreign { location, reason },
        ErrorKind::UnexpectedEof => OpenError::Damaged { location, reason },
        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => {
            OpenError::ReadOnly { location, reason }
        }
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge => {
            OpenError::Full { location, reason }
        }
        _ => OpenError::Unavailable { location, reason },
    }
}
