//! The register map as declared data.
//!
//! One declaration per register: place, size, type, scale, unit, access, confidence, and the page's support condition
//! and citation. Everything else is derived from these tables: typed decoding ([`Block::unsigned`] and its kin), the
//! emulator's cells, dumps. Adding registers is adding rows.
//!
//! Field names are those of OIF-CMIS-05.4 and C-CMIS, so that a name found in the specification finds the row.
//!
//! Two levels: a [`Block`] is a thin view over bytes read from one page, cheap and total (a register that the bytes do
//! not cover is `None`, never a panic); the procedures build structures with meaning from it.

mod administrative;
mod block;
mod cdb;
mod coherent;
mod diagnostics;
mod field;
mod lanes;
mod laser;
mod lower_memory;
pub mod names;
mod support;
mod vdm;

pub use administrative::{page00, page0d, page01, page02};
pub use block::{Block, store};
pub use cdb::*;
pub use coherent::*;
pub use diagnostics::{page13, page14};
pub use field::{Access, Confidence, Field, Kind, Place};
pub use lanes::{page10, page11};
pub use laser::{page04, page12};
pub use lower_memory::lower;
pub use support::Support;
pub use vdm::*;

#[cfg(test)]
mod tests;

/// Where a byte is: bank, page and byte address 0-255.
///
/// Bytes 0-127 are the lower memory, which every bank and page shows; `bank` and `page` are ignored for them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Address {
    /// Bank, 0 for unbanked pages.
    pub bank: u8,
    /// Page.
    pub page: u8,
    /// Byte, 0-127 lower memory, 128-255 the page.
    pub byte: u8,
}

impl Address {
    /// A byte of the lower memory, or of page 00h from 128.
    #[must_use]
    pub const fn lower(byte: u8) -> Self {
        Self { bank: 0, page: 0, byte }
    }

    /// A byte of `page` in bank 0.
    #[must_use]
    pub const fn page(page: u8, byte: u8) -> Self {
        Self { bank: 0, page, byte }
    }

    /// The same page and byte in another bank; unbanked pages and the lower memory stay in bank 0.
    #[must_use]
    pub const fn in_bank(self, bank: u8) -> Self {
        let bank = match BankRule::of_page(self.page) {
            BankRule::Unbanked => 0,
            BankRule::Lanes | BankRule::CdbInstance | BankRule::Custom => bank,
        };
        Self { bank, ..self }
    }

    /// Whether the byte is in the lower memory.
    #[must_use]
    pub const fn is_lower(self) -> bool {
        self.byte < 128
    }

    /// The linear offset of the Linux optoe driver: the byte if below 128, else `(bank · 256 + page) · 128 + byte`.
    #[must_use]
    pub const fn linear(self) -> u32 {
        if self.is_lower() {
            self.byte as u32
        } else {
            (self.bank as u32 * 256 + self.page as u32) * 128 + self.byte as u32
        }
    }

    /// The place of a linear offset; `None` beyond bank 255.
    #[must_use]
    pub fn from_linear(offset: u32) -> Option<Self> {
        if let Ok(byte) = u8::try_from(offset)
            && byte < 128
        {
            return Some(Self::lower(byte));
        }
        let window = offset / 128 - 1;
        Some(Self {
            bank: u8::try_from(window / 256).ok()?,
            page: u8::try_from(window % 256).ok()?,
            byte: u8::try_from(128 + offset % 128).ok()?,
        })
    }
}

impl core::fmt::Display for Address {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        if self.is_lower() {
            write!(f, "00h:{}", self.byte)
        } else if self.bank == 0 {
            write!(f, "{:02X}h:{}", self.page, self.byte)
        } else {
            write!(f, "{:02X}h:{} (bank {})", self.page, self.byte, self.bank)
        }
    }
}

/// How a page is banked (OIF-CMIS-05.4, memory map).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum BankRule {
    /// One instance; the bank is ignored.
    Unbanked,
    /// One instance per eight lanes.
    Lanes,
    /// One instance per CDB instance.
    CdbInstance,
    /// Vendor pages: as the vendor defines.
    Custom,
}

impl BankRule {
    /// The rule of a page.
    #[must_use]
    pub const fn of_page(page: u8) -> Self {
        match page {
            0x00..=0x0F => Self::Unbanked,
            0x10..=0x4F => Self::Lanes,
            0x50..=0x9E => Self::Unbanked,
            0x9F..=0xAF => Self::CdbInstance,
            0xB0..=0xFF => Self::Custom,
        }
    }
}

/// Declares the registers of one page as a module with one constant per register and `TABLE` with all of them.
///
/// The tables of this crate are made by it, and so may be those of a vendor's own pages:
///
/// ```
/// ipowdm_cmis::register_table! {
///     /// Page B0h of an imaginary vendor.
///     page_b0, 0xB0, "Example Optics, register manual";
///     HEATER_CURRENT = field("HeaterCurrent#", 128, U16, Ro).array(1, 2, 2).scale(1, 10).unit("mA");
///     SELF_TEST = field("SelfTest", 140, Enum, Ro).bits(1, 0).names(&[(0, "not run"), (1, "passed"), (2, "failed")]);
/// }
///
/// use ipowdm_cmis::map::{Address, Block};
/// let block = Block::new(Address::page(0xB0, 128), &[0x04, 0xD2, 0, 0]);
/// assert_eq!(block.word_at(page_b0::HEATER_CURRENT, 0), Some(1234));
/// assert_eq!(page_b0::TABLE.len(), 2);
/// ```
#[macro_export]
macro_rules! register_table {
    (
        $(#[$doc:meta])*
        $module:ident, $page:literal, $citation:literal;
        $( $name:ident = $row:expr; )*
    ) => {
        $(#[$doc])*
        pub mod $module {
            use $crate::map::declare::*;

            $(
                #[doc = concat!("See the row: `", stringify!($row), "`.")]
                pub const $name: $crate::map::Field = $row.on($page, $citation);
            )*

            /// Every register of the page.
            pub const TABLE: &[$crate::map::Field] = &[$($name),*];
        }
    };
}
use register_table as table;

/// The words that rows are declared with.
pub mod declare {
    pub use super::field::Access::{self, *};
    pub use super::field::Kind::{self, *};
    pub use super::field::field;
    pub use super::names;
}

/// Every declared table.
pub const TABLES: &[&[Field]] = &[
    lower::TABLE,
    page00::TABLE,
    page01::TABLE,
    page02::TABLE,
    page04::TABLE,
    page0d::TABLE,
    page10::TABLE,
    page11::TABLE,
    page12::TABLE,
    page13::TABLE,
    page14::TABLE,
    page20::TABLE,
    page21::TABLE,
    page22::TABLE,
    page23::TABLE,
    page24::TABLE,
    page25::TABLE,
    page26::TABLE,
    page27::TABLE,
    page28::TABLE,
    page29::TABLE,
    page2a::TABLE,
    page2b::TABLE,
    page2c::TABLE,
    page2d::TABLE,
    page2f::TABLE,
    page30::TABLE,
    page31::TABLE,
    page32::TABLE,
    page33::TABLE,
    page34::TABLE,
    page35::TABLE,
    page38::TABLE,
    page3a::TABLE,
    page3b::TABLE,
    page40::TABLE,
    page41::TABLE,
    page42::TABLE,
    page43::TABLE,
    page44::TABLE,
    page45::TABLE,
    page9f::TABLE,
    pagea0::TABLE,
    pagea1::TABLE,
    pagea2::TABLE,
    pagea3::TABLE,
    pagea4::TABLE,
    pagea5::TABLE,
    pagea6::TABLE,
    pagea7::TABLE,
    pagea8::TABLE,
    pagea9::TABLE,
    pageaa::TABLE,
    pageab::TABLE,
    pageac::TABLE,
    pagead::TABLE,
    pageae::TABLE,
    pageaf::TABLE,
];
