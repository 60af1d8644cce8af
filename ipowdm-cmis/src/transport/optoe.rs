//! The `eeprom` file of the Linux optoe driver.

use crate::access::{Counters, Eeprom, MAX_READ, MAX_WRITE, TransportError, check};
use crate::map::Address;
use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::Path;

/// ENXIO: the driver got no acknowledgement at all: nothing is plugged in.
const ENXIO: i32 = 6;
/// EAGAIN, EIO, EBUSY, EREMOTEIO: the module did not acknowledge in the driver's own retry time.
const BUSY: [i32; 4] = [11, 5, 16, 121];
/// ETIMEDOUT.
const ETIMEDOUT: i32 = 110;

/// A module behind an optoe `eeprom` file (`/sys/bus/i2c/devices/<bus>-0050/eeprom`, device class 3).
///
/// The driver selects the page and puts page 00h back within one call, under its own lock, so that single accesses are
/// safe beside SONiC's xcvrd; sequences of them are not one transaction. Because the page is put back, PageSelect cannot
/// be read back to find a page that is not there: a read whose first bytes are page 00h's identity copy is taken for
/// one, see [`Optoe::open`].
#[derive(Debug)]
pub struct Optoe {
    file: File,
    /// The first bytes of page 00h, once they were read: identifier copy and vendor name.
    identity: Option<[u8; IDENTITY]>,
    checked: [u32; 8],
    counters: Counters,
}

/// Identifier copy (1) and vendor name (16): too long to agree by chance with another page.
const IDENTITY: usize = 17;

impl Optoe {
    /// Opens an `eeprom` file for reading and writing.
    ///
    /// # Errors
    /// What opening the file answers.
    pub fn open(path: &Path) -> io::Result<Self> {
        Ok(Self {
            file: OpenOptions::new().read(true).write(true).open(path)?,
            identity: None,
            checked: [0; 8],
            counters: Counters::default(),
        })
    }

    /// Forgets what was learned about pages: another module may be in the port.
    pub fn forget(&mut self) {
        self.identity = None;
        self.checked = [0; 8];
    }

    fn transfer(
        &mut self,
        at: Address,
        access: impl FnOnce(&mut File) -> io::Result<()>,
    ) -> Result<(), TransportError> {
        let result = self
            .file
            .seek(SeekFrom::Start(u64::from(at.linear())))
            .and_then(|_| access(&mut self.file))
            .map_err(|error| transport_error(&error));
        match result {
            Err(TransportError::Busy) => self.counters.busy += 1,
            Err(TransportError::Absent) => self.forget(),
            _ => {}
        }
        result
    }

    /// Refuses a page that turns out to be page 00h, once for each page.
    fn check_page(&mut self, at: Address) -> Result<(), TransportError> {
        let (word, bit) = (usize::from(at.page >> 5), 1_u32 << (at.page & 31));
        if at.is_lower() || at.page == 0 || (at.bank == 0 && self.checked[word] & bit != 0) {
            return Ok(());
        }
        let identity = match self.identity {
            Some(identity) => identity,
            None => {
                let mut identity = [0; IDENTITY];
                self.counters.page_accesses += 1;
                self.transfer(Address::page(0, 128), |file| file.read_exact(&mut identity))?;
                self.identity = Some(identity);
                identity
            }
        };
        let mut head = [0; IDENTITY];
        self.counters.page_accesses += 1;
        let start = Address { byte: 128, ..at };
        self.transfer(start, |file| file.read_exact(&mut head))?;
        // An image of zeros or ones says nothing about the page.
        let tells = identity.iter().any(|byte| *byte != identity[0]);
        if tells && head == identity {
            return Err(TransportError::PageUnsupported { bank: at.bank, page: at.page });
        }
        if at.bank == 0 {
            self.checked[word] |= bit;
        }
        Ok(())
    }
}

fn transport_error(error: &io::Error) -> TransportError {
    match error.raw_os_error() {
        Some(ENXIO) => TransportError::Absent,
        Some(ETIMEDOUT) => TransportError::TimedOut,
        Some(number) if BUSY.contains(&number) => TransportError::Busy,
        Some(number) => TransportError::Io(number),
        // The file ends before the page: the driver does not know it (no bank support, flat memory).
        None if error.kind() == ErrorKind::UnexpectedEof => TransportError::Io(0),
        None => TransportError::Io(-1),
    }
}

impl Eeprom for Optoe {
    fn read(&mut self, at: Address, into: &mut [u8]) -> Result<(), TransportError> {
        check(at, into.len(), MAX_READ)?;
        self.check_page(at)?;
        self.transfer(at, |file| file.read_exact(into))?;
        self.counters.reads += 1;
        self.counters.read_bytes += into.len() as u64;
        Ok(())
    }

    fn write(&mut self, at: Address, bytes: &[u8]) -> Result<(), TransportError> {
        check(at, bytes.len(), MAX_WRITE)?;
        self.check_page(at)?;
        self.transfer(at, |file| file.write_all(bytes))?;
        self.counters.writes += 1;
        self.counters.written_bytes += bytes.len() as u64;
        Ok(())
    }

    fn counters(&self) -> Counters {
        self.counters
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec;

    /// A file laid out as optoe lays out a module, pages 00h-01h real and 02h not there (shows page 00h).
    fn image() -> tempfile::NamedTempFile {
        let mut bytes = vec![0_u8; 128 * 18];
        bytes[0] = 0x18;
        bytes[128..145].copy_from_slice(b"\x18IPOWDM-EMU      ");
        bytes[256..260].copy_from_slice(&[1, 2, 3, 4]);
        let (low, high) = bytes.split_at_mut(128 + 2 * 128);
        high[..128].copy_from_slice(&low[128..256]);
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(&bytes).unwrap();
        file
    }

    #[test]
    fn pages_are_read_and_written_at_their_linear_offsets() {
        let file = image();
        let mut module = Optoe::open(file.path()).unwrap();
        let mut bytes = [0; 4];
        module.read(Address::page(1, 128), &mut bytes).unwrap();
        assert_eq!(bytes, [1, 2, 3, 4]);
        module.write(Address::page(0x10, 130), &[0xAA]).unwrap();
        let raw = std::fs::read(file.path()).unwrap();
        assert_eq!(raw[0x10 * 128 + 130], 0xAA);
        assert_eq!((module.counters().reads, module.counters().writes), (1, 1));
    }

    #[test]
    fn a_page_that_shows_page_00h_is_refused_and_so_is_one_beyond_the_file() {
        let file = image();
        let mut module = Optoe::open(file.path()).unwrap();
        let mut byte = [0];
        assert_eq!(
            module.read(Address::page(2, 200), &mut byte),
            Err(TransportError::PageUnsupported { bank: 0, page: 2 })
        );
        assert_eq!(module.read(Address::page(0x40, 128), &mut byte), Err(TransportError::Io(0)));
    }

    #[test]
    fn an_access_across_a_page_end_is_refused_without_touching_the_file() {
        let file = image();
        let mut module = Optoe::open(file.path()).unwrap();
        let before = std::fs::read(file.path()).unwrap();
        let across = module.write(Address::page(0x10, 252), &[0; 8]);
        assert!(matches!(across, Err(TransportError::BadAccess { len: 8, .. })));
        let long = module.write(Address::page(0x10, 128), &[0; 9]);
        assert!(matches!(long, Err(TransportError::BadAccess { len: 9, .. })));
        assert_eq!(std::fs::read(file.path()).unwrap(), before);
    }
}
