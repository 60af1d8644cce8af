//! Where the bytes of a journal are: a locked file with atomic replacement, or memory.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// A wait until everything appended is durable. Blocks.
pub type Syncer = Box<dyn FnOnce() -> io::Result<()> + Send>;

/// Where a journal's bytes are.
pub trait Storage: Send {
    /// All bytes.
    ///
    /// # Errors
    /// What the system says.
    fn load(&mut self) -> io::Result<Vec<u8>>;

    /// Adds bytes at the end, all or none: after an error the length is as before, or becomes so before the next append.
    ///
    /// # Errors
    /// What the system says.
    fn append(&mut self, bytes: &[u8]) -> io::Result<()>;

    /// Cuts to a length.
    ///
    /// # Errors
    /// What the system says.
    fn truncate(&mut self, length: u64) -> io::Result<()>;

    /// Puts `bytes` in the place of everything: atomic and durable.
    ///
    /// # Errors
    /// What the system says; the old bytes are then in force.
    fn replace(&mut self, bytes: &[u8]) -> io::Result<()>;

    /// Keeps damaged bytes where a person can look at them.
    ///
    /// # Errors
    /// What the system says.
    fn set_aside(&mut self, bytes: &[u8]) -> io::Result<()>;

    /// The wait until everything appended so far is durable; `None` where there is nothing to wait for.
    ///
    /// # Errors
    /// What the system says.
    fn syncer(&self) -> io::Result<Option<Syncer>>;
}

/// A file, locked against a second agent. Its directory must exist.
#[derive(Debug)]
pub struct FileStorage {
    path: PathBuf,
    file: Arc<File>,
    /// Everything up to here was appended whole.
    good: u64,
    /// A failed append may have left bytes behind `good`.
    dirty: bool,
}

impl FileStorage {
    /// Opens or creates a journal file.
    ///
    /// # Errors
    /// What the system says; [`io::ErrorKind::WouldBlock`] where another process holds the file.
    pub fn open(path: &Path) -> io::Result<Self> {
        let file = open(path)?;
        lock(&file, path)?;
        let good = file.metadata()?.len();
        sync_directory(path)?;
        Ok(Self { path: path.to_path_buf(), file: Arc::new(file), good, dirty: false })
    }

    fn beside(&self, suffix: &str) -> PathBuf {
        let mut name = self.path.as_os_str().to_owned();
        name.push(suffix);
        PathBuf::from(name)
    }
}

fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)
}

/// Attempts at a lock, and the pause between them: an agent that was just killed may still be waiting for the disk.
const LOCK: (u32, Duration) = (10, Duration::from_millis(20));

fn lock(file: &File, path: &Path) -> io::Result<()> {
    for attempt in 1..=LOCK.0 {
        match file.try_lock() {
            Ok(()) => return Ok(()),
            Err(TryLockError::Error(error)) => return Err(error),
            Err(TryLockError::WouldBlock) if attempt < LOCK.0 => std::thread::sleep(LOCK.1),
            Err(TryLockError::WouldBlock) => {}
        }
    }
    let words = format!("{} is in use by another agent", path.display());
    Err(io::Error::new(io::ErrorKind::WouldBlock, words))
}

/// Makes a name in a directory durable.
fn sync_directory(path: &Path) -> io::Result<()> {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    File::open(parent.unwrap_or(Path::new(".")))?.sync_all()
}

impl Storage for FileStorage {
    fn load(&mut self) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        let mut file = &*self.file;
        file.seek(SeekFrom::Start(0))?;
        file.read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        if self.dirty {
            self.file.set_len(self.good)?;
            self.dirty = false;
        }
        let mut file = &*self.file;
        file.seek(SeekFrom::Start(self.good))?;
        if let Err(error) = file.write_all(bytes) {
            self.dirty = self.file.set_len(self.good).is_err();
            return Err(error);
        }
        self.good += super::as_u64(bytes.len());
        Ok(())
    }

    fn truncate(&mut self, length: u64) -> io::Result<()> {
        self.file.set_len(length)?;
        self.file.sync_all()?;
        self.good = length;
        Ok(())
    }

    fn replace(&mut self, bytes: &[u8]) -> io::Result<()> {
        let new_path = self.beside(".new");
        let file = open(&new_path)?;
        file.set_len(0)?;
        (&file).write_all(bytes)?;
        file.sync_all()?;
        // Locked before it takes the name, so that the name never belongs to an unlocked file.
        lock(&file, &new_path)?;
        std::fs::rename(&new_path, &self.path)?;
        self.file = Arc::new(file);
        self.good = super::as_u64(bytes.len());
        self.dirty = false;
        sync_directory(&self.path)
    }

    fn set_aside(&mut self, bytes: &[u8]) -> io::Result<()> {
        std::fs::write(self.beside(".damaged"), bytes)
    }

    fn syncer(&self) -> io::Result<Option<Syncer>> {
        let file = Arc::clone(&self.file);
        Ok(Some(Box::new(move || file.sync_data())))
    }
}

/// Bytes in memory. Clones share them: an agent restarted on a clone finds what its predecessor wrote.
#[derive(Debug, Clone, Default)]
pub struct MemoryStorage {
    bytes: Arc<Mutex<Memory>>,
}

#[derive(Debug, Default)]
struct Memory {
    bytes: Vec<u8>,
    aside: Vec<u8>,
    capacity: Option<usize>,
    sync_fails: bool,
}

impl MemoryStorage {
    /// A storage that holds these bytes.
    #[must_use]
    pub fn with(bytes: Vec<u8>) -> Self {
        let storage = Self::default();
        storage.lock().bytes = bytes;
        storage
    }

    /// The bytes now.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        self.lock().bytes.clone()
    }

    /// The damaged bytes that were set aside.
    #[must_use]
    pub fn aside(&self) -> Vec<u8> {
        self.lock().aside.clone()
    }

    /// Makes appends beyond `capacity` bytes fail as on a full disk; `None` lifts the limit.
    pub fn set_capacity(&self, capacity: Option<usize>) {
        self.lock().capacity = capacity;
    }

    /// Makes syncs and replacements fail, as on a disk that takes bytes and does not keep them.
    pub fn fail_syncs(&self, fail: bool) {
        self.lock().sync_fails = fail;
    }

    fn lock(&self) -> MutexGuard<'_, Memory> {
        // Every change under the lock is a single assignment or append.
        self.bytes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Storage for MemoryStorage {
    fn load(&mut self) -> io::Result<Vec<u8>> {
        Ok(self.bytes())
    }

    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        let mut memory = self.lock();
        if memory.capacity.is_some_and(|capacity| memory.bytes.len() + bytes.len() > capacity) {
            return Err(io::Error::from(io::ErrorKind::StorageFull));
        }
        memory.bytes.extend_from_slice(bytes);
        Ok(())
    }

    fn truncate(&mut self, length: u64) -> io::Result<()> {
        self.lock().bytes.truncate(usize::try_from(length).unwrap_or(usize::MAX));
        Ok(())
    }

    fn replace(&mut self, bytes: &[u8]) -> io::Result<()> {
        let mut memory = self.lock();
        if memory.sync_fails {
            return Err(io::Error::from(io::ErrorKind::StorageFull));
        }
        memory.bytes = bytes.to_vec();
        Ok(())
    }

    fn set_aside(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.lock().aside = bytes.to_vec();
        Ok(())
    }

    fn syncer(&self) -> io::Result<Option<Syncer>> {
        let fails = self.lock().sync_fails;
        Ok(fails.then(|| -> Syncer { Box::new(|| Err(io::Error::from(io::ErrorKind::StorageFull))) }))
    }
}
