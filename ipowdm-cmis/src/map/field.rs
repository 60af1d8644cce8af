//! Declarations of registers: type, access, place.

use super::{Address, BankRule, Support};
use crate::codes::sff8024::Names;

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
    /// Names of the codes of an enumeration, in order; empty where the codes depend on another register or are not named.
    pub names: Names,
    /// How well the row is known.
    pub confidence: Confidence,
    /// Document and page.
    pub citation: &'static str,
}

/// A row of a table: a register of one element, whole bytes, scale 1 and no unit, unless the methods of [`Field`] say
/// otherwise; page and citation are filled in by [`register_table!`](crate::register_table).
#[must_use]
pub const fn field(name: &'static str, byte: u8, kind: Kind, access: Access) -> Field {
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
        names: &[],
        confidence: Confidence::Binding,
        citation: "",
    }
}

impl Field {
    /// The size of an element in bytes, for texts and byte strings.
    #[must_use]
    pub const fn len(mut self, len: u8) -> Self {
        self.len = len;
        self
    }

    /// The bits `high..=low` of a byte.
    #[must_use]
    pub const fn bits(mut self, high: u8, low: u8) -> Self {
        self.bits = Some((high, low));
        self
    }

    /// An array whose elements start `step` bytes apart.
    #[must_use]
    pub const fn array(self, first_index: u16, count: u16, step: u16) -> Self {
        self.packed(first_index, count, step * 8)
    }

    /// An array whose elements start `step_bits` bits apart.
    #[must_use]
    pub const fn packed(mut self, first_index: u16, count: u16, step_bits: u16) -> Self {
        self.first_index = first_index;
        self.count = count;
        self.step_bits = step_bits;
        self
    }

    /// Physical value = raw · `multiplier` / `divisor`.
    #[must_use]
    pub const fn scale(mut self, multiplier: u32, divisor: u32) -> Self {
        self.scale = Some((multiplier, divisor));
        self
    }

    /// Another register or the observable decides on the scale.
    #[must_use]
    pub const fn scale_elsewhere(mut self) -> Self {
        self.scale = None;
        self
    }

    /// The names of the codes, in order of code.
    #[must_use]
    pub const fn names(mut self, names: Names) -> Self {
        self.names = names;
        self
    }

    /// The unit of the physical value.
    #[must_use]
    pub const fn unit(mut self, unit: &'static str) -> Self {
        self.unit = unit;
        self
    }

    /// The row rests on one secondary source.
    #[must_use]
    pub const fn secondary(mut self) -> Self {
        self.confidence = Confidence::Secondary;
        self
    }

    /// Sources contradict each other.
    #[must_use]
    pub const fn contradicted(mut self) -> Self {
        self.confidence = Confidence::Contradicted;
        self
    }

    /// Page and citation.
    #[must_use]
    pub const fn on(mut self, page: u8, citation: &'static str) -> Self {
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
pub(super) const fn bit_mask(high: u8, low: u8) -> u8 {
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
