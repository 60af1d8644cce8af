//! A module's memory as far as it was read.

use super::Missing;
use super::PageName;
use crate::access::TransportError;
use crate::map::{Address, BankRule, Block, Field};
use std::boxed::Box;
use std::collections::BTreeMap;

/// 128 bytes: the lower memory or a page, as far as they were read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Half {
    bytes: Box<[u8; 128]>,
    /// One bit per byte that was read.
    known: u128,
}

impl Default for Half {
    fn default() -> Self {
        Self { bytes: Box::new([0; 128]), known: 0 }
    }
}

impl From<[u8; 128]> for Half {
    fn from(bytes: [u8; 128]) -> Self {
        Self { bytes: Box::new(bytes), known: u128::MAX }
    }
}

impl Half {
    /// Takes bytes that were read from `byte`, an address 0-255 in either half; what runs over the end is dropped.
    pub fn put(&mut self, byte: u8, bytes: &[u8]) {
        let start = usize::from(byte % 128);
        for (offset, value) in bytes.iter().enumerate().take(128 - start) {
            self.bytes[start + offset] = *value;
            self.known |= 1 << (start + offset);
        }
    }

    /// `len` bytes from `byte`; `None` unless all of them were read.
    #[must_use]
    pub fn get(&self, byte: u8, len: usize) -> Option<&[u8]> {
        let start = usize::from(byte % 128);
        let bytes = self.bytes.get(start..start + len)?;
        let wanted = if len >= 128 { u128::MAX } else { ((1 << len) - 1) << start };
        (self.known & wanted == wanted).then_some(bytes)
    }
}

/// What is known of a page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PageState {
    /// The module does not advertise it, and it was not tried.
    NotAdvertised,
    /// Advertised or tried, and not there.
    Absent,
    /// It could not be read.
    Unreadable(TransportError),
    /// Read.
    Read(Half),
}

impl PageState {
    /// Why nothing on the page is known; `None` for a page that was read.
    #[must_use]
    pub const fn missing(&self) -> Option<Missing> {
        match self {
            Self::NotAdvertised => Some(Missing::Unsupported),
            Self::Absent => Some(Missing::Absent),
            Self::Unreadable(error) => Some(Missing::Unreadable(*error)),
            Self::Read(_) => None,
        }
    }
}

/// A module's memory.
#[derive(Debug, Clone, Default)]
pub struct Memory {
    pages: BTreeMap<PageName, PageState>,
}

impl Memory {
    /// Notes what is known of a page.
    pub fn put(&mut self, page: PageName, state: PageState) {
        self.pages.insert(page, state);
    }

    /// What is known of a page; a page that nothing was noted of is not advertised.
    #[must_use]
    pub fn state(&self, page: PageName) -> &PageState {
        self.pages.get(&page).unwrap_or(&PageState::NotAdvertised)
    }

    /// Every page that something was noted of, in order.
    pub fn pages(&self) -> impl Iterator<Item = (PageName, &PageState)> {
        self.pages.iter().map(|(name, state)| (*name, state))
    }

    /// The bytes of a page, if it was read.
    #[must_use]
    pub fn half(&self, page: PageName) -> Option<&Half> {
        match self.pages.get(&page) {
            Some(PageState::Read(half)) => Some(half),
            _ => None,
        }
    }

    /// Takes bytes of a page that were read from `byte`; of a page that was not read yet all others stay unknown.
    pub fn put_bytes(&mut self, page: PageName, byte: u8, bytes: &[u8]) {
        let state = self.pages.entry(page).or_insert(PageState::NotAdvertised);
        if let PageState::Read(half) = state {
            half.put(byte, bytes);
        } else {
            let mut half = Half::default();
            half.put(byte, bytes);
            *state = PageState::Read(half);
        }
    }

    /// `len` bytes of a page from `byte` as a block; `None` unless all of them were read.
    #[must_use]
    pub fn block(&self, page: PageName, byte: u8, len: usize) -> Option<Block<'_>> {
        let bytes = self.half(page)?.get(byte, len)?;
        let at = match page {
            PageName::Lower => Address::lower(byte),
            PageName::Page { page, bank } => Address { bank, page, byte },
        };
        Some(Block::new(at, bytes))
    }

    /// The bytes of element `index` of a register in a bank.
    ///
    /// # Errors
    /// Why they are not there.
    pub fn element(&self, field: &Field, index: u16, bank: u8) -> Result<Block<'_>, Missing> {
        let place = field.element(index).ok_or(Missing::Unsupported)?;
        let name = match place.at.is_lower() {
            true => PageName::Lower,
            false if BankRule::of_page(field.page) == BankRule::Unbanked => PageName::page(field.page),
            false => PageName::Page { page: field.page, bank },
        };
        match self.state(name).missing() {
            Some(missing) => Err(missing),
            None => self.block(name, place.at.byte, usize::from(place.len)).ok_or(Missing::NotRead),
        }
    }

    /// The unsigned number of element `index` of a register in a bank.
    ///
    /// # Errors
    /// Why it is not there.
    pub fn number(&self, field: &Field, index: u16, bank: u8) -> Result<u64, Missing> {
        self.element(field, index, bank)?.unsigned_at(*field, index).ok_or(Missing::NotRead)
    }

    /// The signed number of two bytes of element `index` of a register in a bank.
    ///
    /// # Errors
    /// Why it is not there.
    pub fn signed(&self, field: &Field, index: u16, bank: u8) -> Result<i16, Missing> {
        self.element(field, index, bank)?.signed_at(*field, index).ok_or(Missing::NotRead)
    }

    /// A byte, or part of one, of element `index` of a register in a bank.
    ///
    /// # Errors
    /// Why it is not there.
    pub fn byte(&self, field: &Field, index: u16, bank: u8) -> Result<u8, Missing> {
        self.element(field, index, bank)?.byte_at(*field, index).ok_or(Missing::NotRead)
    }

    /// The bytes of a text or byte string.
    ///
    /// # Errors
    /// Why they are not there.
    pub fn bytes(&self, field: &Field) -> Result<&[u8], Missing> {
        self.element(field, 0, 0)?.bytes(*field).ok_or(Missing::NotRead)
    }
}
