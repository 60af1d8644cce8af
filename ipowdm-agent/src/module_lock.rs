//! Which process accesses a module: at most one of ours.
//!
//! The lock is advisory (`flock`): it keeps this program's processes apart, `run` from `dump` and `test-cmis`, and nobody
//! else. It ends with the process that holds it, however that ends.

use ipowdm_cmis::access::{Counters, Eeprom, TransportError};
use ipowdm_cmis::map::Address;
#[cfg(feature = "cli")]
use ipowdm_cmis::transport::ModuleSpec;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

/// Where lock files are, unless `IPOWDM_RUN_DIR` says otherwise.
pub const RUN_DIR: &str = "/run/ipowdm";
/// Longest process number that is read back.
const PID_LENGTH: u64 = 20;

/// Why a module is not accessed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LockError {
    /// Another process of ours accesses it.
    #[error("module {module} is in use by process {}; end that one first", pid.map_or_else(|| "?".into(), |pid| pid.to_string()))]
    Held {
        /// The module, as the lock names it.
        module: String,
        /// The process; `None` where it has not said.
        pid: Option<u32>,
    },
    /// The lock file cannot be made.
    #[error("{}: {source}; IPOWDM_RUN_DIR names another folder for locks", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
}

/// The right to access a module, until it is dropped.
#[derive(Debug)]
pub struct ModuleLock {
    _file: File,
}

impl ModuleLock {
    /// The folder for locks: what `IPOWDM_RUN_DIR` says, else [`RUN_DIR`].
    #[must_use]
    pub fn folder() -> PathBuf {
        std::env::var_os("IPOWDM_RUN_DIR")
            .filter(|folder| !folder.is_empty())
            .unwrap_or(RUN_DIR.into())
            .into()
    }

    /// Takes the lock of the module behind a file or a bus device.
    ///
    /// # Errors
    /// [`LockError`].
    pub fn take(folder: &Path, module: &Path) -> Result<Self, LockError> {
        let name = name_of(module);
        let path = folder.join(format!("{name}.lock"));
        let failed = |source| LockError::File { path: path.clone(), source };
        std::fs::create_dir_all(folder).map_err(failed)?;
        let options = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path);
        let mut file = options.map_err(failed)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut text = String::new();
                // A holder that is just writing its number is refused without it.
                let _ = file.take(PID_LENGTH).read_to_string(&mut text);
                return Err(LockError::Held { module: name, pid: text.trim().parse().ok() });
            }
            Err(TryLockError::Error(source)) => return Err(failed(source)),
        }
        file.set_len(0).and_then(|()| file.seek(SeekFrom::Start(0))).map_err(failed)?;
        writeln!(file, "{}", std::process::id()).map_err(failed)?;
        Ok(Self { _file: file })
    }
}

/// Takes the lock of a module that is named on a command line; `None` where it is none of hardware, or no lock can be made
/// here, which is told: whoever looks at a module as an ordinary user is not kept from it.
///
/// # Errors
/// [`LockError::Held`].
#[cfg(feature = "cli")]
pub(crate) fn take_named(module: &ModuleSpec) -> Result<Option<ModuleLock>, LockError> {
    let path = match module {
        ModuleSpec::Sysfs(path) => path.clone(),
        ModuleSpec::I2c(bus) => PathBuf::from(format!("/dev/i2c-{bus}")),
        ModuleSpec::Unix(_) | ModuleSpec::Image(_) => return Ok(None),
    };
    if !path.exists() {
        // Whoever opens it says so.
        return Ok(None);
    }
    match ModuleLock::take(&ModuleLock::folder(), &path) {
        Err(error @ LockError::File { .. }) => {
            eprintln!("{error}; going on without a lock");
            Ok(None)
        }
        taken => taken.map(Some),
    }
}

/// A module's registers with the right to access them.
pub struct Locked<E> {
    eeprom: E,
    _lock: ModuleLock,
}

impl<E> Locked<E> {
    /// Keeps the lock as long as the registers.
    #[must_use]
    pub const fn new(eeprom: E, lock: ModuleLock) -> Self {
        Self { eeprom, _lock: lock }
    }
}

impl<E: Eeprom> Eeprom for Locked<E> {
    fn read(&mut self, at: Address, into: &mut [u8]) -> Result<(), TransportError> {
        self.eeprom.read(at, into)
    }

    fn write(&mut self, at: Address, bytes: &[u8]) -> Result<(), TransportError> {
        self.eeprom.write(at, bytes)
    }

    fn counters(&self) -> Counters {
        self.eeprom.counters()
    }

    fn begin(&mut self) {
        self.eeprom.begin();
    }
}

/// One name for a module, however it is reached: its bus, where that can be told, else its path.
fn name_of(module: &Path) -> String {
    let real = module.canonicalize().unwrap_or_else(|_| module.to_path_buf());
    let mut parts = real.iter().filter_map(|part| part.to_str());
    let device = || real.file_name()?.to_str()?.strip_prefix("i2c-");
    let bus = parts.find_map(|part| part.strip_suffix("-0050")).or_else(device);
    match bus.filter(|bus| !bus.is_empty() && bus.bytes().all(|byte| byte.is_ascii_digit())) {
        Some(bus) => format!("i2c-{bus}"),
        None => {
            let plain = |letter: char| if letter.is_ascii_alphanumeric() { letter } else { '-' };
            real.to_string_lossy().trim_matches('/').chars().map(plain).collect()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_holder_is_refused_and_told_who_holds_it() {
        let folder = tempfile::tempdir().unwrap();
        let module = Path::new("/sys/bus/i2c/devices/25-0050/eeprom");
        let held = ModuleLock::take(folder.path(), module).unwrap();
        // The same module by its bus device.
        let refused = ModuleLock::take(folder.path(), Path::new("/dev/i2c-25")).unwrap_err();
        let LockError::Held { module: name, pid } = &refused else { panic!("{refused}") };
        assert_eq!((name.as_str(), *pid), ("i2c-25", Some(std::process::id())));
        assert!(refused.to_string().contains(&std::process::id().to_string()));
        // Another module is free, and this one once it is given back.
        ModuleLock::take(folder.path(), Path::new("/dev/i2c-26")).unwrap();
        drop(held);
        ModuleLock::take(folder.path(), module).unwrap();
    }

    #[test]
    fn a_module_has_one_name_through_links() {
        let folder = tempfile::tempdir().unwrap();
        let real = folder.path().join("platform/31-0050");
        std::fs::create_dir_all(&real).unwrap();
        std::fs::write(real.join("eeprom"), "").unwrap();
        let link = folder.path().join("module7");
        std::os::unix::fs::symlink(real.join("eeprom"), &link).unwrap();
        assert_eq!(name_of(&link), "i2c-31");
        assert_eq!(
            name_of(Path::new("/sys/module/sx_core/asic0/module3/eeprom")),
            "sys-module-sx-core-asic0-module3-eeprom"
        );
    }

    #[test]
    fn a_folder_that_cannot_be_made_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        std::fs::write(&file, "").unwrap();
        let error = ModuleLock::take(&file, Path::new("/dev/i2c-1")).unwrap_err();
        assert!(matches!(error, LockError::File { .. }), "{error}");
    }
}
