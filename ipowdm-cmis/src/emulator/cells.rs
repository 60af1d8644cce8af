//! Memory cells: bytes by page, and what a host's access may do to each bit, derived from the register map.

use crate::map::{self, Access};
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

/// The module's memory in bank 0.
#[derive(Debug, Clone)]
pub(super) struct Cells {
    pub(super) lower: Half,
    pages: Vec<(u8, Box<Half>)>,
}

impl Cells {
    /// Zeroed memory with these upper pages.
    pub(super) fn new(pages: &[u8]) -> Self {
        Self { lower: [0; 128], pages: pages.iter().map(|page| (*page, Box::new([0; 128]))).collect() }
    }

    pub(super) fn has(&self, page: u8) -> bool {
        self.pages.iter().any(|(number, _)| *number == page)
    }

    pub(super) fn page(&self, page: u8) -> Option<&Half> {
        self.pages.iter().find(|(number, _)| *number == page).map(|(_, half)| &**half)
    }

    pub(super) fn page_mut(&mut self, page: u8) -> Option<&mut Half> {
        self.pages.iter_mut().find(|(number, _)| *number == page).map(|(_, half)| &mut **half)
    }

    /// A byte by page and address 0-255; 0 where the page does not exist.
    pub(super) fn get(&self, page: u8, byte: u8) -> u8 {
        if byte < 128 {
            return self.lower[usize::from(byte)];
        }
        self.page(page).map_or(0, |half| half[usize::from(byte - 128)])
    }

    /// Sets bytes by page and address 0-255, as the module itself does; bytes beyond the half are dropped.
    pub(super) fn set(&mut self, page: u8, byte: u8, bytes: &[u8]) {
        let first = usize::from(byte % 128);
        let half = if byte < 128 { Some(&mut self.lower) } else { self.page_mut(page) };
        if let Some(half) = half {
            for (cell, value) in half[first..].iter_mut().zip(bytes) {
                *cell = *value;
            }
        }
    }

    /// Raises bits, for flags.
    pub(super) fn raise(&mut self, page: u8, byte: u8, bits: u8) {
        let now = self.get(page, byte);
        self.set(page, byte, &[now | bits]);
    }
}
