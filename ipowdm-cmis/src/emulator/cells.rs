//! Memory cells: bytes by bank and page, and what a host's access may do to each bit, derived from the register map.

use crate::map::{self, Access, BankRule};
use std::boxed::Box;
use std::sync::OnceLock;
use std::vec::Vec;

/// One half of the window.
pub(super) type Half = [u8; 128];

/// What a host's access does to the bits of a page.
#[derive(Debug, Clone)]
pub(super) struct Masks {
    /// Bits that keep what the host writes.
    pub(super) write: Half,
    /// Bits that a read clears.
    pub(super) clear_on_read: Half,
}

/// Index of the lower memory in the mask table; pages follow at 1 + page.
const LOWER: usize = 0;

fn mask_table() -> &'static [Option<Box<Masks>>] {
    static TABLE: OnceLock<Vec<Option<Box<Masks>>>> = OnceLock::new();
    TABLE.get_or_init(|| {
        let mut table: Vec<Option<Box<Masks>>> = (0..257).map(|_| None).collect();
        for field in map::TABLES.iter().copied().flatten() {
            for index in 0..field.count {
                let Some(place) = field.element(index) else {
                    continue;
                };
                let lower = place.at.is_lower();
                let slot = if lower { LOWER } else { 1 + usize::from(place.at.page) };
                let masks = table[slot]
                    .get_or_insert_with(|| Box::new(Masks { write: [0; 128], clear_on_read: [0; 128] }));
                let bits = field.mask(index);
                let first = usize::from(place.at.byte) % 128;
                for byte in first..(first + usize::from(place.len)).min(128) {
                    match field.access {
                        Access::Rw => masks.write[byte] |= bits,
                        Access::Cor => masks.clear_on_read[byte] |= bits,
                        // Triggers are seen when they are written and read as 0.
                        Access::Ro | Access::Wo | Access::WoSc => {}
                    }
                }
            }
        }
        table
    })
}

/// The masks of the lower memory.
pub(super) fn lower_masks() -> Option<&'static Masks> {
    mask_table().first()?.as_deref()
}

/// The masks of a page; `None` where the map declares nothing on it.
pub(super) fn page_masks(page: u8) -> Option<&'static Masks> {
    mask_table().get(1 + usize::from(page))?.as_deref()
}

/// No page.
const NONE: u8 = 0xFF;

/// The module's memory.
#[derive(Debug, Clone)]
pub(super) struct Cells {
    pub(super) lower: Half,
    halves: Vec<Half>,
    /// By bank, then page: index of the half, or [`NONE`].
    index: Vec<[u8; 256]>,
}

impl Cells {
    /// Zeroed memory with these upper pages; lane-banked ones once for each bank, CDB pages too.
    pub(super) fn new(banks: usize, pages: &[u8]) -> Self {
        let mut cells = Self { lower: [0; 128], halves: Vec::new(), index: Vec::new() };
        for bank in 0..banks.clamp(1, 4) {
            let mut index = [NONE; 256];
            for page in pages {
                if bank == 0 || BankRule::of_page(*page) == BankRule::Lanes {
                    index[usize::from(*page)] = cells.grow();
                }
            }
            cells.index.push(index);
        }
        cells
    }

    /// Adds CDB pages for further instances.
    pub(super) fn add_cdb_instance(&mut self, bank: usize, pages: &[u8]) {
        while self.index.len() <= bank.min(3) {
            self.index.push([NONE; 256]);
        }
        for page in pages {
            let slot = self.grow();
            if let Some(index) = self.index.get_mut(bank) {
                index[usize::from(*page)] = slot;
            }
        }
    }

    fn grow(&mut self) -> u8 {
        let slot = u8::try_from(self.halves.len()).unwrap_or(NONE);
        if slot != NONE {
            self.halves.push([0; 128]);
        }
        slot
    }

    fn slot(&self, bank: u8, page: u8) -> Option<usize> {
        let bank = if BankRule::of_page(page) == BankRule::Unbanked { 0 } else { bank };
        let slot = *self.index.get(usize::from(bank))?.get(usize::from(page))?;
        (slot != NONE).then_some(usize::from(slot))
    }

    pub(super) fn has(&self, bank: u8, page: u8) -> bool {
        self.slot(bank, page).is_some()
    }

    pub(super) fn page(&self, bank: u8, page: u8) -> Option<&Half> {
        self.halves.get(self.slot(bank, page)?)
    }

    pub(super) fn page_mut(&mut self, bank: u8, page: u8) -> Option<&mut Half> {
        let slot = self.slot(bank, page)?;
        self.halves.get_mut(slot)
    }

    /// A byte by page and address 0-255; 0 where the page does not exist.
    pub(super) fn get(&self, bank: u8, page: u8, byte: u8) -> u8 {
        if byte < 128 {
            return self.lower[usize::from(byte)];
        }
        self.page(bank, page).map_or(0, |half| half[usize::from(byte - 128)])
    }

    /// Two bytes, big-endian.
    pub(super) fn word(&self, bank: u8, page: u8, byte: u8) -> u16 {
        u16::from_be_bytes([self.get(bank, page, byte), self.get(bank, page, byte.saturating_add(1))])
    }

    /// Sets bytes by page and address 0-255, as the module itself does; bytes beyond the half are dropped.
    pub(super) fn set(&mut self, bank: u8, page: u8, byte: u8, bytes: &[u8]) {
        let first = usize::from(byte % 128);
        let half = if byte < 128 { Some(&mut self.lower) } else { self.page_mut(bank, page) };
        if let Some(half) = half {
            for (cell, value) in half[first..].iter_mut().zip(bytes) {
                *cell = *value;
            }
        }
    }

    /// Raises bits, for flags.
    pub(super) fn raise(&mut self, bank: u8, page: u8, byte: u8, bits: u8) {
        if bits != 0 {
            let now = self.get(bank, page, byte);
            self.set(bank, page, byte, &[now | bits]);
        }
    }

    /// Raises or clears bits, for status.
    pub(super) fn assign(&mut self, bank: u8, page: u8, byte: u8, bits: u8, on: bool) {
        let now = self.get(bank, page, byte);
        self.set(bank, page, byte, &[if on { now | bits } else { now & !bits }]);
    }
}

/// Writes registers of one bank by their declaration.
pub(super) struct Writer<'a> {
    pub(super) cells: &'a mut Cells,
    pub(super) bank: u8,
}

impl Writer<'_> {
    /// Whole bytes of element `index`.
    pub(super) fn bytes(&mut self, field: map::Field, index: u16, bytes: &[u8]) {
        let at = field.address(index);
        self.cells.set(self.bank, at.page, at.byte, bytes);
    }

    /// One byte or part of a byte.
    pub(super) fn value(&mut self, field: map::Field, index: u16, value: u8) {
        let Some(place) = field.element(index) else { return };
        let mask = field.mask(index);
        let shift = place.bits.map_or(0, |(_, low)| low);
        let byte = self.cells.get(self.bank, place.at.page, place.at.byte);
        let byte = (byte & !mask) | ((value << shift) & mask);
        self.cells.set(self.bank, place.at.page, place.at.byte, &[byte]);
    }

    pub(super) fn word(&mut self, field: map::Field, index: u16, word: u16) {
        self.bytes(field, index, &word.to_be_bytes());
    }

    pub(super) fn signed(&mut self, field: map::Field, index: u16, word: i16) {
        self.bytes(field, index, &word.to_be_bytes());
    }

    /// Text, padded with spaces.
    pub(super) fn text(&mut self, field: map::Field, text: &str) {
        let mut bytes = std::vec![b' '; usize::from(field.len)];
        for (cell, byte) in bytes.iter_mut().zip(text.bytes()) {
            *cell = byte;
        }
        self.bytes(field, 0, &bytes);
    }

    /// The sum of the bytes `first..=last` of the checksum's page.
    pub(super) fn checksum(&mut self, field: map::Field, first: u8, last: u8) {
        let page = field.page;
        let sum =
            (first..=last).fold(0_u8, |sum, byte| sum.wrapping_add(self.cells.get(self.bank, page, byte)));
        self.bytes(field, 0, &[sum]);
    }
}

/// A part of a byte as the memory has it.
pub(super) fn value_of(cells: &Cells, bank: u8, field: map::Field, index: u16) -> u8 {
    let Some(place) = field.element(index) else { return 0 };
    let shift = place.bits.map_or(0, |(_, low)| low);
    (cells.get(bank, place.at.page, place.at.byte) & field.mask(index)) >> shift
}
