//! The `eeprom` file of the Linux optoe driver.

use super::linear::{Linear, LinearMemory};
use crate::access::{Counters, Eeprom, TransportError};
use crate::map::Address;
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::string::{String, ToString};

/// EPERM, for a write through a file that could be opened for reading only.
const EPERM: i32 = 1;
/// EIO, EAGAIN, EBUSY, EREMOTEIO: the module did not acknowledge in the driver's own retry time.
const BUSY: [i32; 4] = [5, 11, 16, 121];
/// ENXIO: the driver got no acknowledgement at all: nothing is plugged in.
const ENXIO: i32 = 6;
/// ENODEV: the device is gone.
const ENODEV: i32 = 19;
/// ETIMEDOUT.
const ETIMEDOUT: i32 = 110;
/// The device class of CMIS modules in optoe's `dev_class` file.
const CMIS_CLASS: &str = "3";

/// Why an `eeprom` file cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OptoeError {
    /// The file cannot be opened.
    #[error("{}: {source}", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The driver takes the module for one of another memory map, and would put pages elsewhere.
    #[error(
        "{}: the driver is set to device class {found}, CMIS is class {CMIS_CLASS}: write {CMIS_CLASS} to {}",
        path.display(), path.with_file_name("dev_class").display()
    )]
    DeviceClass {
        /// The file.
        path: PathBuf,
        /// The class that is set.
        found: String,
    },
    /// Not a file with offsets: a pipe, a device, a folder.
    #[error("{} is not a file: optoe's is /sys/bus/i2c/devices/<bus>-0050/eeprom", path.display())]
    NotAFile {
        /// What was named.
        path: PathBuf,
    },
    /// Not even the lower memory is in the file.
    #[error("{} has {size} bytes: the lower memory of a module alone has 128", path.display())]
    TooShort {
        /// The file.
        path: PathBuf,
        /// Its size.
        size: u64,
    },
}

/// A module behind an optoe `eeprom` file (`/sys/bus/i2c/devices/<bus>-0050/eeprom`, device class 3).
///
/// The driver selects the page and puts page 00h back within one call, under its own lock, so that single accesses are
/// safe beside SONiC's xcvrd; sequences of them are not one transaction. Pages that are not there and wrong page restores
/// are found as [`Linear`] says. Pages and banks beyond the end of the file do not exist for the driver, and are
/// unsupported.
#[derive(Debug)]
pub struct Optoe(Linear<EepromFile>);

/// The file itself.
#[derive(Debug)]
pub struct EepromFile {
    file: File,
    writable: bool,
    /// Size of the file; 0 where it does not say.
    size: u64,
}

impl Optoe {
    /// Opens an `eeprom` file, or the one in a device's folder; for reading only where writing is not permitted.
    ///
    /// # Errors
    /// [`OptoeError`].
    pub fn open(path: &Path) -> Result<Self, OptoeError> {
        let path = if path.is_dir() { path.join("eeprom") } else { path.to_path_buf() };
        if let Ok(class) = fs::read_to_string(path.with_file_name("dev_class"))
            && class.trim() != CMIS_CLASS
        {
            return Err(OptoeError::DeviceClass { path, found: class.trim().to_string() });
        }
        // Looked at before it is opened, which for a pipe would last until somebody writes to it.
        match fs::metadata(&path) {
            Ok(metadata) if !metadata.is_file() => return Err(OptoeError::NotAFile { path }),
            Ok(metadata) if (1..128).contains(&metadata.len()) => {
                return Err(OptoeError::TooShort { size: metadata.len(), path });
            }
            _ => {}
        }
        let open = |writable: bool| OpenOptions::new().read(true).write(writable).open(&path);
        let opened = match open(true) {
            Err(error)
                if matches!(error.kind(), ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem) =>
            {
                open(false).map(|file| (file, false))
            }
            other => other.map(|file| (file, true)),
        };
        let sized = opened.and_then(|(file, writable)| {
            let size = file.metadata()?.len();
            Ok(EepromFile { file, writable, size })
        });
        sized.map(|file| Self(Linear::new(file))).map_err(|source| OptoeError::Open { path, source })
    }

    /// Forgets what was learned about the module: another one may be in the port.
    pub fn forget(&mut self) {
        self.0.forget();
    }
}

impl EepromFile {
    fn seek(&mut self, at: Address, len: usize) -> Result<(), TransportError> {
        let start = u64::from(at.linear());
        if self.size > 0 && start + len as u64 > self.size {
            return Err(TransportError::PageUnsupported { bank: at.bank, page: at.page });
        }
        self.file.seek(SeekFrom::Start(start)).map(|_| ()).map_err(|error| transport_error(&error, at))
    }
}

impl LinearMemory for EepromFile {
    fn read_at(&mut self, at: Address, into: &mut [u8]) -> Result<(), TransportError> {
        self.seek(at, into.len())?;
        self.file.read_exact(into).map_err(|error| transport_error(&error, at))
    }

    fn write_at(&mut self, at: Address, bytes: &[u8]) -> Result<(), TransportError> {
        if !self.writable {
            return Err(TransportError::Io(EPERM));
        }
        self.seek(at, bytes.len())?;
        self.file.write_all(bytes).map_err(|error| transport_error(&error, at))
    }
}

/// What an error of the file means for the module.
fn transport_error(error: &io::Error, at: Address) -> TransportError {
    match error.raw_os_error() {
        Some(ENXIO | ENODEV) => TransportError::Absent,
        Some(ETIMEDOUT) => TransportError::TimedOut,
        Some(number) if BUSY.contains(&number) => TransportError::Busy,
        Some(number) => TransportError::Io(number),
        // Nothing at all is there.
        None if error.kind() == ErrorKind::UnexpectedEof && at.is_lower() => TransportError::Absent,
        // The file ends before the page: the driver does not know it (no bank support, flat memory).
        None if error.kind() == ErrorKind::UnexpectedEof => {
            TransportError::PageUnsupported { bank: at.bank, page: at.page }
        }
        None => TransportError::Io(-1),
    }
}

impl Eeprom for Optoe {
    fn read(&mut self, at: Address, into: &mut [u8]) -> Result<(), TransportError> {
        self.0.read(at, into)
    }

    fn write(&mut self, at: Address, bytes: &[u8]) -> Result<(), TransportError> {
        self.0.write(at, bytes)
    }

    fn counters(&self) -> Counters {
        self.0.counters()
    }

    fn begin(&mut self) {
        self.0.begin();
    }
}

#[cfg(test)]
mod tests;
