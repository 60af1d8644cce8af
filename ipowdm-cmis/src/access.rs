//! Access to a module's memory: the transport trait, its errors and counters, and the paging rules.
//!
//! [`Eeprom`] is what the procedures' runners talk to. A transport whose driver pages by itself (optoe) implements it
//! directly; one that shows the raw 256-byte window of I2C address 50h implements [`Window`] and gets the paging of
//! OIF-CMIS-05.4 from [`Paged`].

use crate::map::{Address, BankRule};

/// Most bytes of one write to ordinary pages (OIF-CMIS-05.4, management interface).
pub const MAX_WRITE: usize = 8;
/// Most bytes of one write to the CDB pages 9Fh-AFh: a whole page. A module takes as many as 01h:164 says.
pub const MAX_CDB_WRITE: usize = 128;
/// Most bytes of one read: a whole half of the window.
pub const MAX_READ: usize = 128;

/// Why an access failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TransportError {
    /// The module did not acknowledge: it is busy; repeat the whole access.
    #[error("the module is busy (not acknowledged)")]
    Busy,
    /// No module is in the port.
    #[error("no module in the port")]
    Absent,
    /// The bus or the driver timed out.
    #[error("the bus timed out")]
    TimedOut,
    /// The module does not have this page: it set PageSelect back to 00h.
    #[error("page {page:02X}h (bank {bank}) is not supported by the module")]
    PageUnsupported {
        /// The requested bank.
        bank: u8,
        /// The requested page.
        page: u8,
    },
    /// The access is not legal: empty, too long, or across byte 127 or 255.
    #[error("{len} bytes at {at} cannot be accessed at once")]
    BadAccess {
        /// First byte.
        at: Address,
        /// Number of bytes.
        len: usize,
    },
    /// Another error of the operating system, with its number.
    #[error("input/output error {0}")]
    Io(i32),
}

/// What a transport has done so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counters {
    /// Data reads done.
    pub reads: u64,
    /// Bytes of these reads.
    pub read_bytes: u64,
    /// Data writes done.
    pub writes: u64,
    /// Bytes of these writes.
    pub written_bytes: u64,
    /// Page selections and their verifications, tried.
    pub page_accesses: u64,
    /// Accesses that were not acknowledged.
    pub busy: u64,
    /// Everything that was asked of the layer below: data, page selections, verifications, refused accesses.
    pub transactions: u64,
    /// Time that these took, where the transport has a clock.
    pub time: core::time::Duration,
}

/// A module's memory by bank, page and byte.
///
/// An access lies wholly in the lower memory or wholly in one page. Reads are at most [`MAX_READ`] bytes, writes at most
/// [`MAX_WRITE`], on CDB pages [`MAX_CDB_WRITE`].
pub trait Eeprom {
    /// Reads `into.len()` bytes from `at` in one access.
    ///
    /// # Errors
    /// [`TransportError`]; after [`TransportError::Busy`] nothing in `into` is to be used.
    fn read(&mut self, at: Address, into: &mut [u8]) -> Result<(), TransportError>;

    /// Writes `bytes` to `at` in one access.
    ///
    /// # Errors
    /// [`TransportError`]; after [`TransportError::Busy`] the write may be repeated.
    fn write(&mut self, at: Address, bytes: &[u8]) -> Result<(), TransportError>;

    /// What has been done so far.
    fn counters(&self) -> Counters;

    /// A new procedure begins: what was assumed about the module's page selection is to be checked again.
    ///
    /// A module that was reset or swapped since the last access shows page 00h again, without having refused anything.
    fn begin(&mut self) {}
}

#[cfg(feature = "std")]
impl<E: Eeprom + ?Sized> Eeprom for std::boxed::Box<E> {
    fn read(&mut self, at: Address, into: &mut [u8]) -> Result<(), TransportError> {
        (**self).read(at, into)
    }

    fn write(&mut self, at: Address, bytes: &[u8]) -> Result<(), TransportError> {
        (**self).write(at, bytes)
    }

    fn counters(&self) -> Counters {
        (**self).counters()
    }

    fn begin(&mut self) {
        (**self).begin();
    }
}

impl<E: Eeprom + ?Sized> Eeprom for &mut E {
    fn read(&mut self, at: Address, into: &mut [u8]) -> Result<(), TransportError> {
        (**self).read(at, into)
    }

    fn write(&mut self, at: Address, bytes: &[u8]) -> Result<(), TransportError> {
        (**self).write(at, bytes)
    }

    fn counters(&self) -> Counters {
        (**self).counters()
    }

    fn begin(&mut self) {
        (**self).begin();
    }
}

/// The raw 256-byte window at I2C address 50h, page selection and all.
pub trait Window {
    /// Reads from the byte address `byte`, within one half of the window.
    ///
    /// # Errors
    /// [`TransportError`].
    fn read(&mut self, byte: u8, into: &mut [u8]) -> Result<(), TransportError>;

    /// Writes to the byte address `byte`, within one half of the window.
    ///
    /// # Errors
    /// [`TransportError`].
    fn write(&mut self, byte: u8, bytes: &[u8]) -> Result<(), TransportError>;
}

/// How many bytes one read may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ReadLimit {
    /// 128, which modules serve in practice and 01h:251.1-0 = 2 promises.
    #[default]
    Half,
    /// 8, the guaranteed minimum. Reads are cut at multiples of 8, which no number of the map straddles.
    Strict,
}

/// Checks that an access is legal; the length limit is the caller's.
///
/// # Errors
/// [`TransportError::BadAccess`].
pub fn check(at: Address, len: usize, max: usize) -> Result<(), TransportError> {
    let end = if at.is_lower() { 128 } else { 256 };
    if len == 0 || len > max || usize::from(at.byte) + len > end {
        return Err(TransportError::BadAccess { at, len });
    }
    Ok(())
}

/// Checks that a write is legal: [`MAX_WRITE`] bytes, on the CDB pages [`MAX_CDB_WRITE`].
///
/// # Errors
/// [`TransportError::BadAccess`].
pub fn check_write(at: Address, len: usize) -> Result<(), TransportError> {
    let cdb = !at.is_lower() && BankRule::of_page(at.page) == BankRule::CdbInstance;
    check(at, len, if cdb { MAX_CDB_WRITE } else { MAX_WRITE })
}

/// The paging rules over a raw window (OIF-CMIS-05.4, memory access).
///
/// - A page change within a bank writes byte 127; a bank change writes 126 and 127 in one access.
/// - After the first selection of a page, 127 is read back: a module sets it to 00h for a page it does not have.
/// - After an access that was not acknowledged the mapping is in doubt, and is read before the next data access.
///
/// A call does one data access; when any part of it is not acknowledged the caller repeats the call, and what had been
/// done already is not done again.
#[derive(Debug)]
pub struct Paged<W> {
    window: W,
    limit: ReadLimit,
    /// Mapping last written or read.
    selected: Option<(u8, u8)>,
    /// Mapping written for the first time and not read back yet.
    selecting: Option<(u8, u8)>,
    in_doubt: bool,
    /// Pages of bank 0 that were read back once, one bit each.
    known: [u32; 8],
    counters: Counters,
}

impl<W: Window> Paged<W> {
    /// Paging over `window`, with nothing known about its state.
    pub const fn new(window: W) -> Self {
        Self {
            window,
            limit: ReadLimit::Half,
            selected: None,
            selecting: None,
            in_doubt: true,
            known: [0; 8],
            counters: Counters {
                reads: 0,
                read_bytes: 0,
                writes: 0,
                written_bytes: 0,
                page_accesses: 0,
                busy: 0,
                transactions: 0,
                time: core::time::Duration::ZERO,
            },
        }
    }

    /// Cuts reads at `limit`.
    #[must_use]
    pub fn with_read_limit(mut self, limit: ReadLimit) -> Self {
        self.limit = limit;
        self
    }

    /// Forgets what was learned about pages: a new session, for instance after a module was inserted.
    pub fn forget(&mut self) {
        self.selected = None;
        self.selecting = None;
        self.in_doubt = true;
        self.known = [0; 8];
    }

    /// The window below.
    pub const fn window(&self) -> &W {
        &self.window
    }

    fn is_known(&self, (bank, page): (u8, u8)) -> bool {
        bank == 0 && self.known[usize::from(page >> 5)] & (1 << (page & 31)) != 0
    }

    fn note_known(&mut self, (bank, page): (u8, u8)) {
        if bank == 0 {
            self.known[usize::from(page >> 5)] |= 1 << (page & 31);
        }
    }

    fn raw_read(&mut self, byte: u8, into: &mut [u8]) -> Result<(), TransportError> {
        #[cfg(feature = "std")]
        let started = std::time::Instant::now();
        let result = self.window.read(byte, into);
        #[cfg(feature = "std")]
        self.note_time(started);
        self.note(result)
    }

    fn raw_write(&mut self, byte: u8, bytes: &[u8]) -> Result<(), TransportError> {
        #[cfg(feature = "std")]
        let started = std::time::Instant::now();
        let result = self.window.write(byte, bytes);
        #[cfg(feature = "std")]
        self.note_time(started);
        self.note(result)
    }

    #[cfg(feature = "std")]
    fn note_time(&mut self, started: std::time::Instant) {
        self.counters.time += started.elapsed();
    }

    fn note(&mut self, result: Result<(), TransportError>) -> Result<(), TransportError> {
        self.counters.transactions += 1;
        if let Err(error) = result {
            self.in_doubt = true;
            match error {
                TransportError::Busy => self.counters.busy += 1,
                TransportError::Absent => self.forget(),
                _ => {}
            }
        }
        result
    }

    fn read_mapping(&mut self) -> Result<(u8, u8), TransportError> {
        let mut mapping = [0_u8; 2];
        self.counters.page_accesses += 1;
        self.raw_read(126, &mut mapping)?;
        let actual = (mapping[0], mapping[1]);
        self.in_doubt = false;
        self.selected = Some(actual);
        Ok(actual)
    }

    /// Makes the upper half show the page of `at`.
    fn select(&mut self, at: Address) -> Result<(), TransportError> {
        if at.is_lower() {
            return Ok(());
        }
        let wanted = (at.in_bank(at.bank).bank, at.page);
        if self.in_doubt && self.selected.is_some() {
            let actual = self.read_mapping()?;
            if self.selecting.take() == Some(wanted)
                && !same_mapping(actual, wanted)
                && !self.is_known(wanted)
            {
                return Err(TransportError::PageUnsupported { bank: wanted.0, page: wanted.1 });
            }
            if same_mapping(actual, wanted) {
                self.note_known(wanted);
            }
        }
        if self.selected.is_some_and(|selected| same_mapping(selected, wanted)) {
            return Ok(());
        }
        let same_bank = self.selected.is_some_and(|(bank, _)| bank == wanted.0);
        self.counters.page_accesses += 1;
        if same_bank {
            self.raw_write(127, &[wanted.1])?;
        } else {
            self.raw_write(126, &[wanted.0, wanted.1])?;
        }
        self.selected = Some(wanted);
        self.in_doubt = false;
        if self.is_known(wanted) {
            return Ok(());
        }
        // A page that is new in this session: read back what the module made of it, at the latest on the next call.
        self.selecting = Some(wanted);
        self.in_doubt = true;
        self.select(at)
    }
}

/// Whether two (bank, page) pairs show the same page.
fn same_mapping(a: (u8, u8), b: (u8, u8)) -> bool {
    a.1 == b.1 && (a.0 == b.0 || BankRule::of_page(a.1) == BankRule::Unbanked)
}

impl<W: Window> Eeprom for Paged<W> {
    fn read(&mut self, at: Address, into: &mut [u8]) -> Result<(), TransportError> {
        check(at, into.len(), MAX_READ)?;
        self.select(at)?;
        let mut byte = at.byte;
        let mut rest = into;
        while !rest.is_empty() {
            let most = match self.limit {
                ReadLimit::Half => rest.len(),
                ReadLimit::Strict => rest.len().min(8 - usize::from(byte % 8)),
            };
            let (now, later) = rest.split_at_mut(most);
            self.raw_read(byte, now)?;
            self.counters.reads += 1;
            self.counters.read_bytes += most as u64;
            byte = byte.saturating_add(u8::try_from(most).unwrap_or(u8::MAX));
            rest = later;
        }
        Ok(())
    }

    fn write(&mut self, at: Address, bytes: &[u8]) -> Result<(), TransportError> {
        check_write(at, bytes.len())?;
        self.select(at)?;
        self.raw_write(at.byte, bytes)?;
        self.counters.writes += 1;
        self.counters.written_bytes += bytes.len() as u64;
        Ok(())
    }

    fn counters(&self) -> Counters {
        self.counters
    }

    fn begin(&mut self) {
        self.in_doubt = true;
    }
}

#[cfg(test)]
mod tests;
