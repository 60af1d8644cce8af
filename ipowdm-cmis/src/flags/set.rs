//! The flags of a module as a set.

use crate::map::{Access, Address, Field, lower, page2c, page3b, page11, page12, page14, page33};

/// Flag bytes of one page: page, first and last byte, and where its masks are.
struct Area {
    page: u8,
    first: u8,
    last: u8,
    mask_page: u8,
    mask_first: u8,
    table: &'static [Field],
}

/// Banked areas. Module flags of the lower memory (00h:8-11) come first in a [`FlagSet`].
static AREAS: [Area; 6] = [
    Area { page: 0x11, first: 134, last: 153, mask_page: 0x10, mask_first: 213, table: page11::TABLE },
    Area { page: 0x12, first: 231, last: 238, mask_page: 0x12, mask_first: 239, table: page12::TABLE },
    Area { page: 0x14, first: 132, last: 139, mask_page: 0x13, mask_first: 206, table: page14::TABLE },
    Area { page: 0x2C, first: 128, last: 255, mask_page: 0x2D, mask_first: 128, table: page2c::TABLE },
    Area { page: 0x33, first: 128, last: 132, mask_page: 0x32, mask_first: 128, table: page33::TABLE },
    Area { page: 0x3B, first: 192, last: 196, mask_page: 0x3B, mask_first: 128, table: page3b::TABLE },
];
const MODULE: Area = Area { page: 0, first: 8, last: 11, mask_page: 0, mask_first: 31, table: lower::TABLE };
const MODULE_BYTES: usize = 4;
const BANK_BYTES: usize = 20 + 8 + 8 + 128 + 5 + 5;
/// Banks whose flags are kept: 32 lanes.
const BANKS: usize = 4;
const BYTES: usize = MODULE_BYTES + BANKS * BANK_BYTES;

impl Area {
    const fn bytes(&self) -> usize {
        (self.last - self.first) as usize + 1
    }

    const fn holds(&self, at: Address) -> bool {
        let here = if at.is_lower() { self.first < 128 } else { self.page == at.page && self.first >= 128 };
        here && self.first <= at.byte && at.byte <= self.last
    }
}

/// The area that holds an address and the index of the area's first byte in a [`FlagSet`].
fn area_of(at: Address) -> Option<(&'static Area, usize)> {
    if MODULE.holds(at) {
        return Some((&MODULE, 0));
    }
    let mut index = MODULE_BYTES + usize::from(at.bank).checked_mul(BANK_BYTES)?;
    for area in &AREAS {
        if area.holds(at) {
            return (usize::from(at.bank) < BANKS).then_some((area, index));
        }
        index += area.bytes();
    }
    None
}

/// Where the mask byte of a flag byte is; `None` for a byte without flags.
#[must_use]
pub fn mask_of(flag: Address) -> Option<Address> {
    let (area, _) = area_of(flag)?;
    let byte = area.mask_first.checked_add(flag.byte - area.first)?;
    Some(Address { bank: flag.bank, page: area.mask_page, byte })
}

/// Clear-on-read flags of a module: lower memory, 11h, 12h, 14h, 2Ch, 33h and 3Bh of up to four banks.
#[derive(Clone, PartialEq, Eq)]
pub struct FlagSet {
    bytes: [u8; BYTES],
}

impl Default for FlagSet {
    fn default() -> Self {
        Self::new()
    }
}

impl FlagSet {
    /// No flag.
    #[must_use]
    pub const fn new() -> Self {
        Self { bytes: [0; BYTES] }
    }

    /// Whether the byte at `at` holds flags that this type keeps.
    #[must_use]
    pub fn is_flag(at: Address) -> bool {
        area_of(at).is_some()
    }

    /// Whether an access of `len` bytes from `at` clears flags that this type keeps.
    #[must_use]
    pub fn is_cleared_by(at: Address, len: usize) -> bool {
        let end = usize::from(at.byte) + len;
        let touches = |area: &Area| {
            let here =
                if at.is_lower() { area.first < 128 } else { area.page == at.page && area.first >= 128 };
            here && usize::from(at.byte) <= usize::from(area.last) && usize::from(area.first) < end
        };
        touches(&MODULE) || AREAS.iter().any(touches)
    }

    /// Whether no flag is raised.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.bytes.iter().all(|byte| *byte == 0)
    }

    /// The flags of one byte.
    #[must_use]
    pub fn get(&self, at: Address) -> u8 {
        slot(at).and_then(|slot| self.bytes.get(slot)).copied().unwrap_or(0)
    }

    /// Raises the flags that `bytes`, read from `at`, hold; whether there were any. Bytes that hold no flags are ignored.
    pub fn raise(&mut self, at: Address, bytes: &[u8]) -> bool {
        let mut raised = false;
        if !Self::is_cleared_by(at, bytes.len()) {
            return false;
        }
        for (byte, value) in (at.byte..=255).zip(bytes) {
            if *value != 0
                && let Some(kept) = slot(Address { byte, ..at }).and_then(|slot| self.bytes.get_mut(slot))
            {
                *kept |= *value;
                raised = true;
            }
        }
        raised
    }

    /// Raises every flag of `other`.
    pub fn merge(&mut self, other: &Self) {
        for (kept, value) in self.bytes.iter_mut().zip(&other.bytes) {
            *kept |= *value;
        }
    }

    /// Every byte with a flag raised, with its address.
    pub fn bytes(&self) -> impl Iterator<Item = (Address, u8)> {
        let module = (MODULE.first..=MODULE.last).map(Address::lower);
        let banked = (0..4_u8).flat_map(|bank| {
            AREAS.iter().flat_map(move |area| {
                (area.first..=area.last).map(move |byte| Address { bank, page: area.page, byte })
            })
        });
        module.chain(banked).zip(&self.bytes).filter(|(_, byte)| **byte != 0).map(|(at, byte)| (at, *byte))
    }

    /// Every raised flag by its register. A lane bitmap or an alarm nibble is one register with its raised bits as value.
    pub fn named(&self) -> impl Iterator<Item = NamedFlag> {
        self.bytes().flat_map(|(at, byte)| {
            let table = area_of(at).map_or(&[][..], |(area, _)| area.table);
            table.iter().filter(|field| field.access == Access::Cor).flat_map(move |field| {
                (0..field.count).filter_map(move |index| {
                    let place = field.element(index)?;
                    let bits = byte & field.mask(index);
                    let low = place.bits.map_or(0, |(_, low)| low);
                    let here = place.at.byte == at.byte && place.at.is_lower() == at.is_lower();
                    (here && bits != 0).then_some(NamedFlag {
                        field,
                        index,
                        bank: at.bank,
                        value: bits >> low,
                    })
                })
            })
        })
    }
}

/// The index of a flag byte in a set.
fn slot(at: Address) -> Option<usize> {
    area_of(at).map(|(area, start)| start + usize::from(at.byte - area.first))
}

impl core::fmt::Debug for FlagSet {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let mut map = f.debug_map();
        for (at, byte) in self.bytes() {
            map.entry(&format_args!("{at}"), &format_args!("{byte:02X}h"));
        }
        map.finish()
    }
}

/// A raised flag with its register of the map.
#[derive(Debug, Clone, Copy)]
pub struct NamedFlag {
    /// The register.
    pub field: &'static Field,
    /// Element of the register, 0-based; of a register of bytes the byte.
    pub index: u16,
    /// Bank.
    pub bank: u8,
    /// The raised bits: 1 for a single flag, a lane bitmap, or an alarm nibble.
    pub value: u8,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::map::TABLES;
    use proptest::prelude::*;
    use std::string::String;
    use std::vec::Vec;

    #[test]
    fn every_flag_of_the_map_is_kept_and_nothing_else() {
        for field in TABLES.iter().copied().flatten() {
            for index in 0..field.count {
                let at = field.address(index);
                let kept = FlagSet::is_flag(at);
                if field.access == Access::Cor {
                    assert!(kept, "{} at {at} is not kept", field.name);
                    assert!(mask_of(at).is_some());
                } else {
                    assert!(!kept, "{} at {at} is no flag", field.name);
                }
            }
        }
    }

    #[test]
    fn a_flag_and_its_mask_have_names_that_match() {
        for field in TABLES.iter().copied().flatten().filter(|field| field.access == Access::Cor) {
            let mask = mask_of(field.address(0)).unwrap();
            let name = field.name.replace("Flags", "Masks");
            let name = name.strip_suffix("Flag").map_or(name.clone(), |stem| [stem, "Mask"].concat());
            let name = name.replace("FlagTx", "MaskTx").replace("FlagRx", "MaskRx");
            let found: Vec<String> = TABLES
                .iter()
                .copied()
                .flatten()
                .filter(|other| other.address(0) == mask && other.bits == field.bits)
                .map(|other| other.name.into())
                .collect();
            let short = |name: &str| name.replace("Flag", "").replace("Mask", "");
            assert!(found.iter().any(|other| short(other) == short(&name)), "{} has {found:?}", field.name);
        }
    }

    #[test]
    fn raised_flags_are_named_after_their_registers() {
        let mut set = FlagSet::new();
        assert!(set.raise(Address::lower(8), &[0x01, 0x04]));
        assert!(set.raise(Address { bank: 1, page: 0x11, byte: 147 }, &[0x81]));
        assert!(set.raise(Address::page(0x2C, 129), &[0x20]));
        assert!(!set.raise(Address::page(0x10, 147), &[0xFF]), "no flags there");
        assert!(!set.raise(Address { bank: 9, page: 0x11, byte: 147 }, &[0xFF]), "no such bank is kept");
        let named: Vec<_> =
            set.named().map(|flag| (flag.field.name, flag.index, flag.bank, flag.value)).collect();
        assert_eq!(
            named,
            [
                ("ModuleStateChangedFlag", 0, 0, 1),
                ("TempMonHighWarningFlag", 0, 0, 1),
                ("VDM#.Flags", 3, 0, 2),
                ("LOSRxFlag", 0, 1, 0x81),
            ]
        );
        assert_eq!(set.get(Address { bank: 1, page: 0x11, byte: 147 }), 0x81);
        assert_eq!(set.get(Address::page(0x11, 147)), 0);
    }

    proptest! {
        #[test]
        fn what_is_raised_is_found_where_it_was_read(
            bank in 0..6_u8, page in any::<u8>(), byte in any::<u8>(), bytes in prop::collection::vec(any::<u8>(), 0..=128),
        ) {
            let at = Address { bank, page, byte };
            let mut set = FlagSet::new();
            let raised = set.raise(at, &bytes);
            prop_assert_eq!(raised, !set.is_empty());
            prop_assert!(!raised || FlagSet::is_cleared_by(at, bytes.len()));
            for (found, value) in set.bytes() {
                let offset = usize::from(found.byte - byte);
                prop_assert_eq!(bytes[offset], value);
                prop_assert_eq!(set.get(found), value);
            }
        }
    }
}
