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
mod cdb;
mod coherent;
mod diagnostics;
mod lanes;
mod laser;
mod lower_memory;
mod vdm;

pub use administrative::{page00, page0d, page01, page02};
pub use cdb::*;
pub use coherent::*;
pub use diagnostics::{page13, page14};
pub use lanes::{page10, page11};
pub use laser::{page04, page12};
pub use lower_memory::lower;
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

/// When a page exists (OIF-CMIS-05.4, supported pages advertisement).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Support {
    /// On every module.
    Always,
    /// On every module with paged memory (00h:2.7 = 0).
    Paged,
    /// 01h:155.6, tunable transmitter.
    Tunable,
    /// 01h:142.5, diagnostics.
    Diagnostics,
    /// 01h:142.6, VDM.
    Vdm,
    /// 01h:142.4, coherent.
    Coherent,
    /// 01h:163.7-6 above 0, command data block.
    Cdb,
    /// 01h:173.6, firmware status.
    FirmwareStatus,
    /// No declared condition.
    Unknown,
}

impl Support {
    /// The condition of a page.
    #[must_use]
    pub const fn of_page(page: u8) -> Self {
        match page {
            0x00 => Self::Always,
            0x01 | 0x02 | 0x10 | 0x11 => Self::Paged,
            0x04 | 0x12 => Self::Tunable,
            0x0D => Self::FirmwareStatus,
            0x13 | 0x14 => Self::Diagnostics,
            0x20..=0x2F => Self::Vdm,
            0x30..=0x4F => Self::Coherent,
            0x9F..=0xAF => Self::Cdb,
            _ => Self::Unknown,
        }
    }
}

/// The type of a register.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// One bit.
    Flag,
    /// Coded value, the legal codes are in [`crate::codes`] or SFF-8024.
    Enum,
    /// Two-bit number.
    U2,
    /// Three-bit number.
    U3,
    /// Four-bit number.
    U4,
    /// Five-bit number.
    U5,
    /// Six-bit number.
    U6,
    /// Seven-bit number.
    U7,
    /// Unsigned byte.
    U8,
    /// Signed byte.
    S8,
    /// Unsigned, two bytes, big-endian.
    U16,
    /// Signed, two bytes, big-endian.
    S16,
    /// Two bytes, big-endian, signed or not by the quantity observed.
    Word,
    /// Unsigned, four bytes, big-endian.
    U32,
    /// Signed, four bytes, big-endian.
    S32,
    /// Unsigned, eight bytes, big-endian.
    U64,
    /// CMIS 16-bit float: bits 15-11 exponent e, 10-0 mantissa m, value m·10^(e−24).
    F16,
    /// Two BCD digits, major and minor.
    BcdNibbles,
    /// Duration code, see [`crate::codes::duration_limit`].
    DurationCode,
    /// Two-bit set.
    Bitmap2,
    /// Four-bit set.
    Bitmap4,
    /// Five-bit set.
    Bitmap5,
    /// Eight-bit set.
    Bitmap8,
    /// Sixteen-bit set, low byte first.
    BitmapLe16,
    /// One bit per lane, lane 1 in bit 0.
    LaneBitmap,
    /// Two bits per lane.
    LanePairs,
    /// Four bits per lane, the odd lane in the low nibble.
    LaneNibbles,
    /// Alarm nibble of a VDM instance: bit 0 high alarm, 1 low alarm, 2 high warning, 3 low warning.
    AlarmNibble,
    /// Advertised statistics of a quantity: current, average, minimum, maximum.
    StatisticsNibble,
    /// Two bytes whose type the VDM observable decides.
    ByObservable,
    /// Bytes whose type a selector register decides.
    BySelector,
    /// Text, padded with spaces.
    Ascii,
    /// Bytes without inner structure here.
    Bytes,
}

impl Kind {
    /// The size in bytes; `None` where each register has its own.
    #[must_use]
    pub const fn size(self) -> Option<u8> {
        match self {
            Self::U16
            | Self::S16
            | Self::Word
            | Self::F16
            | Self::BitmapLe16
            | Self::LanePairs
            | Self::ByObservable => Some(2),
            Self::U32 | Self::S32 | Self::LaneNibbles => Some(4),
            Self::U64 => Some(8),
            Self::Ascii | Self::Bytes | Self::BySelector => None,
            _ => Some(1),
        }
    }

    /// Whether the register is a number that must be read in one access to be coherent.
    #[must_use]
    pub const fn is_scalar(self) -> bool {
        matches!(
            self,
            Self::U16
                | Self::S16
                | Self::Word
                | Self::F16
                | Self::ByObservable
                | Self::U32
                | Self::S32
                | Self::U64
        )
    }
}

/// What an access to a register does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Access {
    /// Read only.
    Ro,
    /// Read and write.
    Rw,
    /// Read only, cleared by the read.
    Cor,
    /// Write only.
    Wo,
    /// Write only, clears itself.
    WoSc,
}

/// How well a row is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Confidence {
    /// The specification, or agreeing implementations and a real module.
    Binding,
    /// One secondary source: check against the OIF document before relying on it.
    Secondary,
    /// Sources contradict each other.
    Contradicted,
}

/// A register, or an array of equal ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Field {
    /// Name in the specification's words; in an array `#` stands for the index.
    pub name: &'static str,
    /// Page; 00h for the lower memory too.
    pub page: u8,
    /// First byte of the first element, 0-255.
    pub byte: u8,
    /// Size of an element in bytes.
    pub len: u8,
    /// Highest and lowest bit of an element that is part of a byte.
    pub bits: Option<(u8, u8)>,
    /// Type.
    pub kind: Kind,
    /// Access.
    pub access: Access,
    /// Physical value = raw · scale.0 / scale.1; `None` where another register or the observable decides.
    pub scale: Option<(u32, u32)>,
    /// Unit of the physical value, empty for pure numbers.
    pub unit: &'static str,
    /// Index that the name of the first element carries.
    pub first_index: u16,
    /// Number of elements, 1 for a plain register.
    pub count: u16,
    /// Distance of the elements in bits.
    pub step_bits: u16,
    /// How well the row is known.
    pub confidence: Confidence,
    /// Document and page.
    pub citation: &'static str,
}

/// A row of a table; the page and the citation are filled in by [`table`].
const fn field(name: &'static str, byte: u8, kind: Kind, access: Access) -> Field {
    Field {
        name,
        page: 0,
        byte,
        len: match kind.size() {
            Some(size) => size,
            None => 1,
        },
        bits: None,
        kind,
        access,
        scale: Some((1, 1)),
        unit: "",
        first_index: 0,
        count: 1,
        step_bits: 0,
        confidence: Confidence::Binding,
        citation: "",
    }
}

impl Field {
    const fn len(mut self, len: u8) -> Self {
        self.len = len;
        self
    }

    const fn bits(mut self, high: u8, low: u8) -> Self {
        self.bits = Some((high, low));
        self
    }

    /// An array whose elements start `step` bytes apart.
    const fn array(self, first_index: u16, count: u16, step: u16) -> Self {
        self.packed(first_index, count, step * 8)
    }

    /// An array whose elements start `step_bits` bits apart.
    const fn packed(mut self, first_index: u16, count: u16, step_bits: u16) -> Self {
        self.first_index = first_index;
        self.count = count;
        self.step_bits = step_bits;
        self
    }

    const fn scale(mut self, multiplier: u32, divisor: u32) -> Self {
        self.scale = Some((multiplier, divisor));
        self
    }

    const fn scale_elsewhere(mut self) -> Self {
        self.scale = None;
        self
    }

    const fn unit(mut self, unit: &'static str) -> Self {
        self.unit = unit;
        self
    }

    const fn secondary(mut self) -> Self {
        self.confidence = Confidence::Secondary;
        self
    }

    const fn contradicted(mut self) -> Self {
        self.confidence = Confidence::Contradicted;
        self
    }

    const fn on(mut self, page: u8, citation: &'static str) -> Self {
        self.page = page;
        self.citation = citation;
        self
    }

    /// The place of element `index` (0-based) and its bits; `None` beyond the array.
    #[must_use]
    pub fn element(&self, index: u16) -> Option<Place> {
        if index >= self.count {
            return None;
        }
        let bit = u32::from(self.byte) * 8
            + u32::from(self.bits.map_or(0, |(_, low)| low))
            + u32::from(index) * u32::from(self.step_bits);
        let byte = u8::try_from(bit / 8).ok()?;
        let bits = match self.bits {
            None => None,
            Some((high, low)) => {
                let low_bit = u8::try_from(bit % 8).ok()?;
                Some((low_bit + (high - low), low_bit))
            }
        };
        Some(Place { at: Address::page(self.page, byte), len: self.len, bits })
    }

    /// The address of element `index` in bank 0; the page's last byte beyond the array.
    #[must_use]
    pub fn address(&self, index: u16) -> Address {
        self.element(index).map_or(Address::page(self.page, 255), |place| place.at)
    }

    /// The condition under which the register exists.
    #[must_use]
    pub const fn support(&self) -> Support {
        Support::of_page(self.page)
    }

    /// How the register is banked.
    #[must_use]
    pub const fn bank_rule(&self) -> BankRule {
        BankRule::of_page(self.page)
    }

    /// The mask of the element's bits in its byte; FFh for whole bytes.
    #[must_use]
    pub fn mask(&self, index: u16) -> u8 {
        match self.element(index).and_then(|place| place.bits) {
            None => 0xFF,
            Some((high, low)) => bit_mask(high, low),
        }
    }
}

/// The bits `high..=low` of a byte.
const fn bit_mask(high: u8, low: u8) -> u8 {
    let width = high.saturating_sub(low) + 1;
    let ones = if width >= 8 { 0xFF } else { (1_u8 << width) - 1 };
    ones << (low & 7)
}

/// The place of one element of a [`Field`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// First byte.
    pub at: Address,
    /// Size in bytes.
    pub len: u8,
    /// Highest and lowest bit, where the element is part of a byte.
    pub bits: Option<(u8, u8)>,
}

/// Declares the registers of one page as a module with one constant per register and `TABLE` with all of them.
macro_rules! table {
    (
        $(#[$doc:meta])*
        $module:ident, $page:literal, $citation:literal;
        $( $name:ident = $row:expr; )*
    ) => {
        $(#[$doc])*
        pub mod $module {
            #[allow(unused_imports, reason = "no table uses every kind and access")]
            use $crate::map::{Access::*, Field, Kind::*, field};

            $(
                #[doc = concat!("See the row: `", stringify!($row), "`.")]
                pub const $name: Field = $row.on($page, $citation);
            )*

            /// Every register of the page.
            pub const TABLE: &[Field] = &[$($name),*];
        }
    };
}
use table;

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

/// The bytes of an element and its bits.
type Element<'a> = (&'a [u8], Option<(u8, u8)>);

/// Bytes read from one page, with the address of the first.
///
/// No accessor panics: a register on another page, or not wholly inside the bytes, is `None`.
#[derive(Debug, Clone, Copy)]
pub struct Block<'a> {
    at: Address,
    bytes: &'a [u8],
}

impl<'a> Block<'a> {
    /// A view of `bytes` that were read from `at`.
    #[must_use]
    pub const fn new(at: Address, bytes: &'a [u8]) -> Self {
        Self { at, bytes }
    }

    /// The bytes of an element and its bits, `None` where it is not covered.
    fn element(&self, field: Field, index: u16) -> Option<Element<'a>> {
        let place = field.element(index)?;
        let same_page = place.at.is_lower() == self.at.is_lower()
            && (place.at.is_lower() || place.at.page == self.at.page);
        if !same_page {
            return None;
        }
        let start = usize::from(place.at.byte.checked_sub(self.at.byte)?);
        let end = start + usize::from(place.len);
        Some((self.bytes.get(start..end)?, place.bits))
    }

    /// The raw unsigned number of element `index` (0-based); `None` if not covered or longer than eight bytes.
    #[must_use]
    pub fn unsigned_at(&self, field: Field, index: u16) -> Option<u64> {
        let (bytes, bits) = self.element(field, index)?;
        if bytes.len() > 8 {
            return None;
        }
        let little = matches!(field.kind, Kind::BitmapLe16);
        let fold = |raw: u64, byte: &u8| (raw << 8) | u64::from(*byte);
        let raw = if little { bytes.iter().rev().fold(0, fold) } else { bytes.iter().fold(0, fold) };
        Some(match bits {
            None => raw,
            Some((high, low)) => (raw & u64::from(bit_mask(high, low))) >> low,
        })
    }

    /// The raw unsigned number of a plain register.
    #[must_use]
    pub fn unsigned(&self, field: Field) -> Option<u64> {
        self.unsigned_at(field, 0)
    }

    /// One byte or part of a byte of element `index`.
    #[must_use]
    pub fn byte_at(&self, field: Field, index: u16) -> Option<u8> {
        self.unsigned_at(field, index).and_then(|raw| u8::try_from(raw).ok())
    }

    /// One byte or part of a byte.
    #[must_use]
    pub fn byte(&self, field: Field) -> Option<u8> {
        self.byte_at(field, 0)
    }

    /// Two unsigned bytes of element `index`.
    #[must_use]
    pub fn word_at(&self, field: Field, index: u16) -> Option<u16> {
        self.unsigned_at(field, index).and_then(|raw| u16::try_from(raw).ok())
    }

    /// Two signed bytes of element `index`.
    #[must_use]
    pub fn signed_at(&self, field: Field, index: u16) -> Option<i16> {
        self.word_at(field, index).map(u16::cast_signed)
    }

    /// Two signed bytes.
    #[must_use]
    pub fn signed(&self, field: Field) -> Option<i16> {
        self.signed_at(field, 0)
    }

    /// A single bit.
    #[must_use]
    pub fn flag(&self, field: Field) -> Option<bool> {
        self.unsigned(field).map(|raw| raw != 0)
    }

    /// The bytes of a text or byte-string register.
    #[must_use]
    pub fn bytes(&self, field: Field) -> Option<&'a [u8]> {
        self.element(field, 0).map(|(bytes, _)| bytes)
    }

    /// Part of the block's bytes from `at`; `None` where not covered.
    #[must_use]
    pub fn slice(&self, byte: u8, len: u8) -> Option<&'a [u8]> {
        let start = usize::from(byte.checked_sub(self.at.byte)?);
        self.bytes.get(start..start + usize::from(len))
    }
}
