//! Missing pages, wrong page restores and swapped modules behind linear offsets.

use super::*;
use std::collections::BTreeMap;
use std::vec::Vec;

/// A module below a driver that selects pages and puts page 00h back, with what can go wrong.
#[derive(Debug, Default)]
struct Module {
    lower: [u8; 16],
    /// First byte of the identity of page 00h, and of all other pages.
    serial: u8,
    pages: BTreeMap<u8, u8>,
    selected: u8,
    /// Page restores that the module does not take.
    lost_restores: u32,
    /// PageSelect cannot be changed.
    inert: Option<u8>,
    log: Vec<(u32, usize)>,
}

impl Module {
    fn with(serial: u8, pages: &[(u8, u8)]) -> Self {
        Self { serial, pages: pages.iter().copied().collect(), ..Self::default() }
    }

    fn shown(&self, page: u8, byte: u8) -> u8 {
        match self.pages.get(&page) {
            Some(value) if page != 0 => *value,
            // Page 00h, and what shows it: the serial number is the last byte of the identity.
            _ => {
                if byte == 181 {
                    self.serial
                } else {
                    byte
                }
            }
        }
    }
}

impl LinearMemory for Module {
    fn read_at(&mut self, at: Address, into: &mut [u8]) -> Result<(), TransportError> {
        self.log.push((at.linear(), into.len()));
        for (offset, value) in into.iter_mut().enumerate() {
            let byte = at.byte + u8::try_from(offset).unwrap();
            *value = match byte {
                127 => self.inert.unwrap_or(self.selected),
                0..127 => self.lower[usize::from(byte % 16)],
                _ if at.page == 0 => self.shown(self.selected, byte),
                _ => self.shown(at.page, byte),
            };
        }
        if !at.is_lower() && at.page != 0 {
            // The driver writes 127 = 00h; a busy module does not take it.
            self.selected = if self.lost_restores > 0 { at.page } else { 0 };
            self.lost_restores = self.lost_restores.saturating_sub(1);
        }
        Ok(())
    }

    fn write_at(&mut self, at: Address, bytes: &[u8]) -> Result<(), TransportError> {
        if at == Address::lower(127) {
            self.selected = bytes[0];
        }
        Ok(())
    }
}

fn read(module: &mut Linear<Module>, page: u8, byte: u8) -> Result<u8, TransportError> {
    let mut value = [0];
    module.read(Address::page(page, byte), &mut value).map(|()| value[0])
}

#[test]
fn a_page_is_checked_once_as_long_as_the_module_is_the_same() {
    let mut module = Linear::new(Module::with(1, &[(0x10, 7)])).with_trust(Duration::MAX);
    assert_eq!(read(&mut module, 0x10, 200), Ok(7));
    let first = module.memory.log.len();
    assert_eq!(read(&mut module, 0x10, 201), Ok(7));
    assert_eq!(module.memory.log.len(), first + 1, "the data and nothing else");
    module.begin();
    assert_eq!(read(&mut module, 0x10, 201), Ok(7));
    let identity = (128, IDENTITY);
    assert_eq!(module.memory.log[first + 1..], [identity, (127, 1), (0x10 * 128 + 201, 1)]);
}

#[test]
fn flags_are_left_to_whoever_asks_for_them() {
    let pages = [(0x11, 7), (0x14, 7), (0x2C, 7), (0x33, 7)];
    let mut module = Linear::new(Module::with(1, &pages)).with_trust(Duration::MAX);
    assert_eq!(read(&mut module, 0x11, 200), Ok(7));
    assert_eq!(read(&mut module, 0x14, 200), Ok(7));
    assert_eq!(read(&mut module, 0x33, 200), Ok(7));
    let linear = |page: u8, byte: u8| Address::page(page, byte).linear();
    for (page, flags) in [(0x11, 134..154), (0x14, 132..140), (0x33, 128..133)] {
        let flags = linear(page, flags.start)..linear(page, flags.end);
        for (start, len) in &module.memory.log {
            let end = start + u32::try_from(*len).unwrap();
            assert!(
                end <= flags.start || flags.end <= *start,
                "page {page:02X}h is read at {start} for {len}"
            );
        }
    }
    // Of a page of flags alone exactly what was asked for is read, once.
    let mut four = [0; 12];
    module.read(Address::page(0x2C, 140), &mut four).unwrap();
    assert_eq!(four, [7; 12]);
    let of_flags = |(start, _): &&(u32, usize)| (linear(0x2C, 128)..=linear(0x2C, 255)).contains(start);
    let reads: Vec<_> = module.memory.log.iter().filter(of_flags).collect();
    assert_eq!(reads, [&(linear(0x2C, 140), 12)]);
}

#[test]
fn a_page_of_flags_that_the_module_does_not_have_is_refused_by_what_it_shows() {
    let mut module = Linear::new(Module::with(1, &[(0x10, 7)])).with_trust(Duration::MAX);
    let mut twelve = [0; 12];
    let refused = module.read(Address::page(0x2C, 140), &mut twelve);
    assert_eq!(refused, Err(TransportError::PageUnsupported { bank: 0, page: 0x2C }));
}

#[test]
fn a_module_swapped_unnoticed_is_not_read_on_pages_that_it_does_not_have() {
    let mut module = Linear::new(Module::with(1, &[(0x10, 7), (0x30, 9)])).with_trust(Duration::ZERO);
    assert_eq!(read(&mut module, 0x30, 200), Ok(9));
    module.memory = Module::with(2, &[(0x10, 7)]);
    let missing = TransportError::PageUnsupported { bank: 0, page: 0x30 };
    assert_eq!(read(&mut module, 0x30, 200), Err(missing), "and not a byte of page 00h");
    assert_eq!(read(&mut module, 0x10, 200), Ok(7));
}

#[test]
fn a_wrong_page_restore_is_found_and_put_right() {
    let mut module = Linear::new(Module::with(1, &[(0x10, 7)])).with_trust(Duration::MAX);
    assert_eq!(read(&mut module, 0x10, 200), Ok(7));
    module.memory.lost_restores = 1;
    assert_eq!(read(&mut module, 0x10, 200), Ok(7));
    assert_eq!(module.memory.selected, 0x10, "the restore was lost");
    assert_eq!(read(&mut module, 0, 150), Ok(150), "and yet this is page 00h");
    assert_eq!(module.memory.selected, 0);
}

#[test]
fn an_image_whose_page_select_cannot_be_changed_is_read_all_the_same() {
    let mut memory = Module::with(1, &[(0x10, 7)]);
    memory.inert = Some(0x10);
    let mut module = Linear::new(memory);
    assert_eq!(read(&mut module, 0, 150), Ok(150));
    assert_eq!(read(&mut module, 0x10, 150), Ok(7));
}
