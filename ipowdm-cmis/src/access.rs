//! Access to a module's memory: the transport trait, its errors and counters, and the paging rules.
//!
//! [`Eeprom`] is what the procedures' runners talk to. A transport whose driver pages by itself (optoe) implements it
//! directly; one that shows the raw 256-byte window of I2C address 50h implements [`Window`] and gets the paging of
//! OIF-CMIS-05.4 from [`Paged`].

use crate::map::{Address, BankRule};
use core::time::Duration;

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
    /// The write covers volatile and non-volatile bytes, which a module need not take in one access.
    #[error("{len} bytes at {at} are volatile and non-volatile ones, which cannot be written at once")]
    MixedWrite {
        /// First byte.
        at: Address,
        /// Number of bytes.
        len: usize,
    },
    /// Another error of the operating system, with its number.
    #[error("input/output error {0}{meaning}", meaning = words(*.0))]
    Io(i32),
}

/// What the numbers mean that transports meet, as an addition to the number.
const fn words(number: i32) -> &'static str {
    match number {
        1 => " (EPERM, not permitted)",
        5 => " (EIO)",
        13 => " (EACCES, permission denied)",
        22 => " (EINVAL)",
        29 => " (ESPIPE, not a file with offsets)",
        71 => " (EPROTO, the answer is not what the protocol has)",
        95 => " (EOPNOTSUPP)",
        104 => " (ECONNRESET, the far end closed the connection)",
        111 => " (ECONNREFUSED, nobody listens any more)",
        _ => "",
    }
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
    pub time: Duration,
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

    /// A new procedure begins: what was learned about the module is to be checked again, it may be another one.
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

/// Checks that a write is legal: [`MAX_WRITE`] bytes, on the CDB pages [`MAX_CDB_WRITE`], volatile or non-volatile ones.
///
/// # Errors
/// [`TransportError::BadAccess`], [`TransportError::MixedWrite`].
pub fn check_write(at: Address, len: usize) -> Result<(), TransportError> {
    let cdb = !at.is_lower() && BankRule::of_page(at.page) == BankRule::CdbInstance;
    check(at, len, if cdb { MAX_CDB_WRITE } else { MAX_WRITE })?;
    let kept = is_non_volatile(at);
    let mixed = (at.byte..=u8::MAX).take(len).any(|byte| is_non_volatile(Address { byte, ..at }) != kept);
    if mixed { Err(TransportError::MixedWrite { at, len }) } else { Ok(()) }
}

/// Whether a byte keeps its value without power: the password change entry 00h:118-121 and the user's page 03h
/// (OIF-CMIS-05.4, memory map). What modules store by themselves, CDB firmware blocks for one, is not written here.
#[must_use]
pub const fn is_non_volatile(at: Address) -> bool {
    if at.is_lower() { at.byte >= 118 && at.byte <= 121 } else { at.page == 0x03 }
}

/// Most bytes of one write to a page of a module that advertises `extension` in 01h:164: 8, on the CDB pages
/// 8 · (1 + extension), and never beyond the page (OIF-CMIS-05.4, CDB advertisement).
#[must_use]
pub fn write_limit(page: u8, extension: u8) -> usize {
    match BankRule::of_page(page) {
        BankRule::CdbInstance => (MAX_WRITE * (1 + usize::from(extension))).min(MAX_CDB_WRITE),
        BankRule::Unbanked | BankRule::Lanes | BankRule::Custom => MAX_WRITE,
    }
}

/// How long a module may be busy after an access (OIF-CMIS-05.4, management interface timing).
///
/// A host repeats what was not acknowledged until then. One limit stands apart: a module that was reset is silent for up to
/// [`HoldOff::MGMT_INIT`], whatever was done last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HoldOff {
    /// After a write of 126 or 127 (tBPC).
    pub page_change: Duration,
}

impl HoldOff {
    /// After a write to volatile bytes (tWRITE).
    pub const WRITE: Duration = Duration::from_millis(10);
    /// After a write to non-volatile bytes (tWRITE_NV).
    pub const WRITE_NON_VOLATILE: Duration = Duration::from_millis(80);
    /// After power-up or reset (tMgmtInit).
    pub const MGMT_INIT: Duration = Duration::from_secs(2);

    /// The limits of a module that advertises `exponent` in 01h:169.3-0: a page change takes 10/2^exponent ms.
    #[must_use]
    pub const fn advertised(exponent: u8) -> Self {
        let halvings = if exponent > 15 { 15 } else { exponent };
        Self { page_change: Duration::from_micros(10_000 >> halvings) }
    }

    /// The limit after a write of `len` bytes to `at`.
    #[must_use]
    pub fn after_write(&self, at: Address, len: usize) -> Duration {
        let end = usize::from(at.byte) + len;
        if is_non_volatile(at) {
            Self::WRITE_NON_VOLATILE
        } else if at.is_lower() && end > 126 {
            self.page_change
        } else {
            Self::WRITE
        }
    }
}

impl Default for HoldOff {
    /// Without an advertisement: 10 ms for everything volatile.
    fn default() -> Self {
        Self::advertised(0)
    }
}

/// The paging rules over a raw window (OIF-CMIS-05.4, memory access).
///
/// - A page is selected by one write of 126 and 127 together, so that the bank is never a guess.
/// - The mapping is read back before it is relied on, in each call: a module sets it to page 00h for a page that it does
///   not have, and one that was reset or exchanged since the last call shows page 00h without having refused anything.
///   A stale selection would read another page as the wanted one.
/// - A selection that was lost is made again; one that is not taken right after it was written is a page that is not there.
///
/// A call does one data access; when any part of it is not acknowledged the caller repeats the call, and a selection that
/// was written already is not written again.
#[derive(Debug)]
pub struct Paged<W> {
    window: W,
    limit: ReadLimit,
    /// Mapping last written or read.
    selected: Option<(u8, u8)>,
    /// The mapping was written and not read back yet.
    fresh: bool,
    counters: Counters,
}

impl<W: Window> Paged<W> {
    /// Paging over `window`, with nothing known about its state.
    pub fn new(window: W) -> Self {
        Self { window, limit: ReadLimit::Half, selected: None, fresh: false, counters: Counters::default() }
    }

    /// Cuts reads at `limit`.
    #[must_use]
    pub const fn with_read_limit(mut self, limit: ReadLimit) -> Self {
        self.limit = limit;
        self
    }

    /// The window below.
    pub const fn window(&self) -> &W {
        &self.window
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
        match result {
            Ok(()) => {}
            Err(TransportError::Busy) => self.counters.busy += 1,
            // Whether the module took the access is not known.
            Err(_) => {
                self.selected = None;
                self.fresh = false;
            }
        }
        result
    }

    /// Makes the upper half show the page of `at`.
    fn select(&mut self, at: Address) -> Result<(), TransportError> {
        if at.is_lower() {
            return Ok(());
        }
        let wanted = (at.in_bank(at.bank).bank, at.page);
        loop {
            if !self.selected.is_some_and(|selected| same_mapping(selected, wanted)) {
                self.counters.page_accesses += 1;
                self.raw_write(126, &[wanted.0, wanted.1])?;
                self.selected = Some(wanted);
                self.fresh = true;
            }
            let mut mapping = [0_u8; 2];
            self.counters.page_accesses += 1;
            self.raw_read(126, &mut mapping)?;
            let actual = (mapping[0], mapping[1]);
            self.selected = Some(actual);
            let fresh = core::mem::take(&mut self.fresh);
            if same_mapping(actual, wanted) {
                return Ok(());
            }
            if fresh {
                return Err(match actual.1 {
                    0 => TransportError::PageUnsupported { bank: wanted.0, page: wanted.1 },
                    // Neither taken nor refused: somebody else selects pages, or the module is not done yet.
                    _ => TransportError::Busy,
                });
            }
            // The module has lost the selection of an earlier call; the next round makes it again.
        }
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
}

#[cfg(test)]
mod tests;
