//! A module's memory as bytes: a dump to read, or a scratch module for tests.

use crate::access::{Counters, Eeprom, MAX_READ, TransportError, check, check_write};
use crate::map::{Address, BankRule};
#[cfg(feature = "json")]
mod json;

#[cfg(feature = "json")]
pub use json::{ImageError, MAX_IMAGE};
use std::boxed::Box;
use std::collections::BTreeMap;
use std::time::Instant;

/// Memory without behaviour: reads give what was put in or written; pages that were not put in are not supported.
#[derive(Debug, Clone)]
pub struct Image {
    lower: Box<[u8; 128]>,
    pages: BTreeMap<(u8, u8), Box<[u8; 128]>>,
    counters: Counters,
}

impl Image {
    /// An image with this lower memory and no page.
    #[must_use]
    pub fn new(lower: [u8; 128]) -> Self {
        Self { lower: Box::new(lower), pages: BTreeMap::new(), counters: Counters::default() }
    }

    /// Puts a page in; the bank of unbanked pages is 0.
    pub fn put_page(&mut self, bank: u8, page: u8, bytes: [u8; 128]) {
        let at = Address { bank, page, byte: 128 }.in_bank(bank);
        self.pages.insert((at.bank, page), Box::new(bytes));
    }

    /// Whether a page is in.
    #[must_use]
    pub fn has_page(&self, bank: u8, page: u8) -> bool {
        let at = Address { bank, page, byte: 128 }.in_bank(bank);
        self.pages.contains_key(&(at.bank, page))
    }

    fn half(&mut self, at: Address) -> Result<&mut [u8; 128], TransportError> {
        if at.is_lower() {
            return Ok(&mut self.lower);
        }
        let bank = if BankRule::of_page(at.page) == BankRule::Unbanked { 0 } else { at.bank };
        let unsupported = TransportError::PageUnsupported { bank, page: at.page };
        self.pages.get_mut(&(bank, at.page)).map(|half| &mut **half).ok_or(unsupported)
    }
}

impl Eeprom for Image {
    fn read(&mut self, at: Address, into: &mut [u8]) -> Result<(), TransportError> {
        check(at, into.len(), MAX_READ)?;
        let started = Instant::now();
        let first = usize::from(at.byte % 128);
        let half = self.half(at)?;
        into.copy_from_slice(&half[first..first + into.len()]);
        self.counters.transactions += 1;
        self.counters.time += started.elapsed();
        self.counters.reads += 1;
        self.counters.read_bytes += into.len() as u64;
        Ok(())
    }

    fn write(&mut self, at: Address, bytes: &[u8]) -> Result<(), TransportError> {
        check_write(at, bytes.len())?;
        let started = Instant::now();
        let first = usize::from(at.byte % 128);
        let half = self.half(at)?;
        half[first..first + bytes.len()].copy_from_slice(bytes);
        self.counters.transactions += 1;
        self.counters.time += started.elapsed();
        self.counters.writes += 1;
        self.counters.written_bytes += bytes.len() as u64;
        Ok(())
    }

    fn counters(&self) -> Counters {
        self.counters
    }
}
