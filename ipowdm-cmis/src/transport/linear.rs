//! Memories behind linear offsets: the layer below pages by itself, and what it cannot say is found out here.

mod plain;

use self::plain::{LEAST, plain_bytes};
use crate::access::{Counters, Eeprom, MAX_READ, TransportError, check, check_write};
use crate::map::Address;
use std::time::{Duration, Instant};

/// A module's memory under linear offsets ([`Address::linear`]), as optoe and the line protocol show it.
pub trait LinearMemory {
    /// Reads from `at`, which is `at.linear()` bytes from the start.
    ///
    /// # Errors
    /// [`TransportError`].
    fn read_at(&mut self, at: Address, into: &mut [u8]) -> Result<(), TransportError>;

    /// Writes to `at`.
    ///
    /// # Errors
    /// [`TransportError`].
    fn write_at(&mut self, at: Address, bytes: &[u8]) -> Result<(), TransportError>;
}

impl<M: LinearMemory + ?Sized> LinearMemory for std::boxed::Box<M> {
    fn read_at(&mut self, at: Address, into: &mut [u8]) -> Result<(), TransportError> {
        (**self).read_at(at, into)
    }

    fn write_at(&mut self, at: Address, bytes: &[u8]) -> Result<(), TransportError> {
        (**self).write_at(at, bytes)
    }
}

/// Identifier copy, vendor name, OUI, part number, revision and serial number: bytes 128-181 of page 00h. Too long to
/// agree by chance with another page, and different for every module.
const IDENTITY: usize = 54;

/// How long the port may be left alone before the module in it is taken for another one until its identity was read
/// again: nobody changes a module in less.
pub const TRUST: Duration = Duration::from_millis(500);

/// An [`Eeprom`] over linear offsets.
///
/// Two things that the layer below does not tell are found out here:
///
/// - *A page that the module does not have* shows page 00h, because the module set PageSelect back. On the first access to
///   a page its head is compared with the head of page 00h: bytes of it that do not clear when they are read, for flags are
///   whoever's who asks for them. On a page of flags alone it is what was asked for that is compared.
/// - *A wrong page restore.* The layer below puts page 00h back after each access to another page, and modules that are
///   busy then may not take it; what is read as page 00h is another page. After an access to page 00h, PageSelect is read,
///   which is in the lower memory; when it is not 00h it is written, and the access repeated.
///
/// What was learned about pages holds as long as the identity is the same one, which is read again when a procedure begins
/// and when the port was left alone for longer than [`TRUST`].
#[derive(Debug)]
pub struct Linear<M> {
    memory: M,
    trust: Duration,
    /// The identity that `checked` is about.
    identity: Option<[u8; IDENTITY]>,
    in_doubt: bool,
    last_access: Option<Instant>,
    /// Pages of bank 0 that are there, one bit each.
    checked: [u32; 8],
    /// PageSelect does not follow what is written to it: a memory without pages, an image in a file.
    inert: bool,
    counters: Counters,
}

impl<M: LinearMemory> Linear<M> {
    /// Over `memory`, with nothing known of the module.
    pub fn new(memory: M) -> Self {
        Self {
            memory,
            trust: TRUST,
            identity: None,
            in_doubt: true,
            last_access: None,
            checked: [0; 8],
            inert: false,
            counters: Counters::default(),
        }
    }

    /// Sets how long the port may be left alone, [`TRUST`] otherwise.
    #[must_use]
    pub const fn with_trust(mut self, trust: Duration) -> Self {
        self.trust = trust;
        self
    }

    /// The memory below.
    pub const fn memory(&self) -> &M {
        &self.memory
    }

    /// Forgets what was learned about the module.
    pub fn forget(&mut self) {
        self.identity = None;
        self.in_doubt = true;
        self.checked = [0; 8];
        self.inert = false;
    }

    fn transfer(
        &mut self,
        access: impl FnOnce(&mut M) -> Result<(), TransportError>,
    ) -> Result<(), TransportError> {
        let started = Instant::now();
        let result = access(&mut self.memory);
        let ended = Instant::now();
        self.counters.transactions += 1;
        self.counters.time += ended.saturating_duration_since(started);
        self.last_access = Some(ended);
        match result {
            Err(TransportError::Busy) => self.counters.busy += 1,
            Err(TransportError::Absent) => self.forget(),
            _ => {}
        }
        result
    }

    /// Reads page 00h, and makes sure that it was page 00h.
    fn read_page_00(&mut self, at: Address, into: &mut [u8]) -> Result<(), TransportError> {
        let page_select = Address::lower(127);
        for _ in 0..2 {
            self.transfer(|memory| memory.read_at(at, into))?;
            if self.inert {
                return Ok(());
            }
            let mut selected = [0];
            self.counters.page_accesses += 1;
            self.transfer(|memory| memory.read_at(page_select, &mut selected))?;
            if selected == [0] {
                return Ok(());
            }
            self.counters.page_accesses += 2;
            let restored = self.transfer(|memory| memory.write_at(page_select, &[0]));
            if let Err(error @ (TransportError::Busy | TransportError::Absent | TransportError::TimedOut)) =
                restored
            {
                return Err(error);
            }
            self.transfer(|memory| memory.read_at(page_select, &mut selected))?;
            // What cannot be changed selects nothing.
            self.inert = selected != [0];
        }
        Err(TransportError::Busy)
    }

    /// Reads the identity when there may be another module, and forgets what was learned of the old one.
    fn check_identity(&mut self) -> Result<[u8; IDENTITY], TransportError> {
        let alone = self.last_access.is_none_or(|last| last.elapsed() >= self.trust);
        if let (Some(identity), false) = (self.identity, self.in_doubt || alone) {
            return Ok(identity);
        }
        let mut identity = [0; IDENTITY];
        self.counters.page_accesses += 1;
        self.read_page_00(Address::page(0, 128), &mut identity)?;
        if self.identity != Some(identity) {
            self.checked = [0; 8];
        }
        self.identity = Some(identity);
        self.in_doubt = false;
        Ok(identity)
    }

    /// Refuses a page that turns out to be page 00h. Whether it is known to be another one: a page of flags alone is not
    /// read to find out.
    fn check_page(&mut self, at: Address) -> Result<bool, TransportError> {
        if at.is_lower() || at.page == 0 {
            return Ok(true);
        }
        let identity = self.check_identity()?;
        if self.is_checked(at) {
            return Ok(true);
        }
        let Some(plain) = plain_bytes(at.page, IDENTITY) else { return Ok(false) };
        let (mut head, identity) = ([0; IDENTITY], &identity[plain.clone()]);
        let head = &mut head[plain.clone()];
        self.counters.page_accesses += 1;
        let byte = u8::try_from(128 + plain.start).unwrap_or(128);
        self.transfer(|memory| memory.read_at(Address { byte, ..at }, head))?;
        self.compare(at, head, identity).map(|()| true)
    }

    /// Refuses a page of flags alone that turns out to be page 00h, by what was read of it.
    fn check_flags(&mut self, at: Address, read: &[u8]) -> Result<(), TransportError> {
        if read.len() < LEAST {
            return Ok(());
        }
        let mut shown = [0; MAX_READ];
        let shown = &mut shown[..read.len()];
        self.counters.page_accesses += 1;
        self.read_page_00(Address::page(0, at.byte), shown)?;
        self.compare(at, read, shown)
    }

    /// Compares bytes of a page with those of page 00h at the same place.
    fn compare(&mut self, at: Address, read: &[u8], page_00: &[u8]) -> Result<(), TransportError> {
        // An image of zeros or ones says nothing about the page.
        let tells = page_00.iter().any(|byte| Some(byte) != page_00.first());
        if tells && read == page_00 {
            return Err(TransportError::PageUnsupported { bank: at.bank, page: at.page });
        }
        if at.bank == 0 {
            self.checked[usize::from(at.page >> 5)] |= 1 << (at.page & 31);
        }
        Ok(())
    }

    const fn is_checked(&self, at: Address) -> bool {
        at.bank == 0 && self.checked[(at.page >> 5) as usize] & (1 << (at.page & 31)) != 0
    }
}

/// The address that the layer below is given: unbanked pages are in bank 0.
fn banked(at: Address) -> Address {
    if at.is_lower() { Address::lower(at.byte) } else { at.in_bank(at.bank) }
}

impl<M: LinearMemory> Eeprom for Linear<M> {
    fn read(&mut self, at: Address, into: &mut [u8]) -> Result<(), TransportError> {
        check(at, into.len(), MAX_READ)?;
        let at = banked(at);
        let known = self.check_page(at)?;
        if !at.is_lower() && at.page == 0 {
            self.read_page_00(at, into)?;
        } else {
            self.transfer(|memory| memory.read_at(at, into))?;
        }
        if !known {
            self.check_flags(at, into)?;
        }
        self.counters.reads += 1;
        self.counters.read_bytes += into.len() as u64;
        Ok(())
    }

    fn write(&mut self, at: Address, bytes: &[u8]) -> Result<(), TransportError> {
        check_write(at, bytes.len())?;
        let at = banked(at);
        self.check_page(at)?;
        self.transfer(|memory| memory.write_at(at, bytes))?;
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
