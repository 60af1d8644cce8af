//! Registers with their values.

use super::Half;
use super::context::Context;
use crate::codes::{F16, Measured, duration_limit};
use crate::map::{BankRule, Field, Kind, Place, lower};
use crate::procedure::cdb::{CdbFailure, CdbStatus};
use std::fmt;
use std::string::String;
use std::time::Duration;
use std::vec::Vec;

/// The lower memory or a page of a bank.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PageName {
    /// Bytes 0-127.
    Lower,
    /// Bytes 128-255 of a page.
    Page {
        /// The page.
        page: u8,
        /// The bank, 0 for unbanked pages.
        bank: u8,
    },
}

impl PageName {
    /// A page of bank 0.
    #[must_use]
    pub const fn page(page: u8) -> Self {
        Self::Page { page, bank: 0 }
    }

    /// The bank, 0 for the lower memory.
    #[must_use]
    pub const fn bank(self) -> u8 {
        match self {
            Self::Lower => 0,
            Self::Page { bank, .. } => bank,
        }
    }

    /// Whether a register is on this page.
    #[must_use]
    pub const fn holds(self, field: &Field) -> bool {
        match self {
            Self::Lower => field.byte < 128,
            Self::Page { page, bank } => {
                field.byte >= 128
                    && field.page == page
                    && (bank == 0 || !matches!(BankRule::of_page(page), BankRule::Unbanked))
            }
        }
    }

    /// Whether this is the page of a name, as [`Display`](fmt::Display) writes it.
    pub(super) fn is(self, name: &str) -> bool {
        std::format!("{self}").eq_ignore_ascii_case(name)
    }
}

/// `lower`, `12`, `12.bank1`.
impl fmt::Display for PageName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Lower => f.write_str("lower"),
            Self::Page { page, bank: 0 } => write!(f, "{page:02X}"),
            Self::Page { page, bank } => write!(f, "{page:02X}.bank{bank}"),
        }
    }
}

/// A register's name with the index of its element.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RegisterName<'a> {
    template: &'a str,
    /// What stands for `#`; `None` for a plain register.
    index: Option<u16>,
}

impl RegisterName<'_> {
    pub(super) fn is(&self, name: &str) -> bool {
        std::format!("{self}") == name
    }
}

impl fmt::Display for RegisterName<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.index, self.template.split_once('#')) {
            (Some(index), Some((before, after))) => write!(f, "{before}{index}{after}"),
            _ => f.write_str(self.template),
        }
    }
}

/// A decoded value.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Value<'a> {
    /// The register was not read: it clears on read, and was to be left alone.
    NotRead,
    /// A bit.
    Flag(bool),
    /// A code of an enumeration, with its name if it has one.
    Code(u8, Option<&'static str>),
    /// A number without a scale.
    Integer(u64),
    /// A number with sign and without a scale.
    Signed(i64),
    /// A physical value: the raw number and the value in the register's unit.
    Scaled(i64, f64),
    /// A decimal float.
    Float(F16),
    /// A number of a VDM instance.
    Observed(Measured),
    /// A revision, major and minor.
    Revision(u8, u8),
    /// A duration code and how long to wait for what it limits: code Dh has no upper end, Eh and Fh are reserved.
    Duration(u8, Duration),
    /// Lanes whose bit is set, lane 1 in bit 0.
    Lanes(u8),
    /// Bits that are set.
    Bits(u16),
    /// One number per lane.
    PerLane([u8; 8]),
    /// Alarms of a VDM instance: bit 0 high alarm, 1 low alarm, 2 high warning, 3 low warning.
    Alarms(u8),
    /// Statistics that are advertised: bit 3 current, 2 average, 1 minimum, 0 maximum.
    Statistics(u8),
    /// Text as it was read, padding and all.
    Text(&'a [u8]),
    /// Bytes.
    Bytes(&'a [u8]),
}

/// A register with its value.
#[derive(Debug, Clone, Copy)]
pub struct Register<'a> {
    /// The declaration.
    pub field: &'a Field,
    /// The element, 0-based.
    pub index: u16,
    /// Where the element is.
    pub place: Place,
    /// Its value.
    pub value: Value<'a>,
    /// The unit of the value, which may depend on another register.
    pub unit: &'static str,
}

impl<'a> Register<'a> {
    /// The name, with the index of the element.
    #[must_use]
    pub const fn name(&self) -> RegisterName<'a> {
        let index = if self.field.count > 1 { Some(self.field.first_index + self.index) } else { None };
        RegisterName { template: self.field.name, index }
    }

    /// The number as the register holds it; `None` for texts, byte strings and what was not read.
    #[must_use]
    pub fn raw(&self) -> Option<i128> {
        Some(match self.value {
            Value::NotRead | Value::Text(_) | Value::Bytes(_) | Value::PerLane(_) => return None,
            Value::Flag(bit) => i128::from(bit),
            Value::Code(code, _)
            | Value::Duration(code, _)
            | Value::Lanes(code)
            | Value::Alarms(code)
            | Value::Statistics(code) => i128::from(code),
            Value::Integer(number) => i128::from(number),
            Value::Signed(number) | Value::Scaled(number, _) => i128::from(number),
            Value::Float(float) => i128::from(float.0),
            Value::Observed(measured) => i128::from(measured.raw),
            Value::Revision(major, minor) => i128::from(major << 4 | minor),
            Value::Bits(bits) => i128::from(bits),
        })
    }

    /// The value as a number, in the register's unit; `None` where it is none.
    #[must_use]
    pub fn number(&self) -> Option<f64> {
        #[expect(clippy::cast_precision_loss, reason = "for display; the raw number is exact")]
        match self.value {
            Value::Integer(number) => Some(number as f64),
            Value::Signed(number) => Some(number as f64),
            Value::Scaled(_, value) => Some(value),
            Value::Float(float) => Some(float.value()),
            Value::Observed(measured) => Some(measured.value()),
            _ => None,
        }
    }
}

/// Decodes the fields of a page.
pub(super) fn decode<'a>(
    half: &'a Half,
    page: PageName,
    fields: impl Iterator<Item = &'a Field>,
    context: &Context,
    into: &mut Vec<Register<'a>>,
) {
    for field in fields {
        for index in 0..field.count {
            let Some(place) = field.element(index) else { continue };
            let value = half
                .get(place.at.byte, usize::from(place.len))
                .map_or(Value::NotRead, |bytes| value(field, index, place, bytes, page, context));
            let unit = match value {
                Value::Observed(measured) => measured.observable.unit(),
                _ => context.unit(field, index),
            };
            into.push(Register { field, index, place, value, unit });
        }
    }
}

fn value<'a>(
    field: &Field,
    index: u16,
    place: Place,
    bytes: &'a [u8],
    page: PageName,
    context: &Context,
) -> Value<'a> {
    match field.kind {
        Kind::Ascii => return Value::Text(bytes),
        Kind::Bytes | Kind::BySelector => return Value::Bytes(bytes),
        _ => {}
    }
    let fold = |raw: u64, byte: &u8| raw << 8 | u64::from(*byte);
    let raw = match field.kind {
        Kind::BitmapLe16 => bytes.iter().rev().fold(0, fold),
        _ => bytes.iter().fold(0, fold),
    };
    let raw = match place.bits {
        None => raw,
        Some((high, low)) => (raw >> low) & (0xFF >> (7 - u32::from(high - low).min(7))),
    };
    // Kinds of one byte have one byte of raw number, those of two bytes two.
    let [.., upper, byte] = raw.to_be_bytes();
    let word = u16::from_be_bytes([upper, byte]);
    match field.kind {
        Kind::Ascii | Kind::Bytes | Kind::BySelector => Value::Bytes(bytes),
        Kind::Flag if field.names.is_empty() => Value::Flag(byte != 0),
        Kind::Enum if is_cdb_result(field) => Value::Code(byte, cdb_result(bytes)),
        Kind::Flag | Kind::Enum => Value::Code(byte, context.code_name(field, byte)),
        _ if !field.names.is_empty() => Value::Code(byte, context.code_name(field, byte)),
        Kind::U2
        | Kind::U3
        | Kind::U4
        | Kind::U5
        | Kind::U6
        | Kind::U7
        | Kind::U8
        | Kind::U16
        | Kind::U32
        | Kind::U64 => scaled(field, index, i64::try_from(raw).ok(), raw, context),
        Kind::S8 => scaled_signed(field, index, i64::from(byte.cast_signed()), context),
        Kind::S16 if context.is_unsigned(field, index) => {
            scaled(field, index, Some(i64::from(word)), raw, context)
        }
        Kind::S16 | Kind::Word => scaled_signed(field, index, i64::from(word.cast_signed()), context),
        Kind::S32 => {
            let low = u32::try_from(raw & u64::from(u32::MAX)).unwrap_or(0);
            scaled_signed(field, index, i64::from(low.cast_signed()), context)
        }
        Kind::F16 => Value::Float(F16(word)),
        Kind::BcdNibbles => Value::Revision(byte >> 4, byte & 0x0F),
        Kind::DurationCode => Value::Duration(byte, duration_limit(byte)),
        Kind::LaneBitmap => Value::Lanes(byte),
        Kind::Bitmap2 | Kind::Bitmap4 | Kind::Bitmap5 | Kind::Bitmap8 | Kind::BitmapLe16 => Value::Bits(word),
        Kind::LanePairs => {
            Value::PerLane(core::array::from_fn(|lane| (bytes[lane / 4] >> (lane % 4 * 2)) & 3))
        }
        Kind::LaneNibbles => {
            Value::PerLane(core::array::from_fn(|lane| (bytes[lane / 2] >> (lane % 2 * 4)) & 15))
        }
        Kind::AlarmNibble => Value::Alarms(byte),
        Kind::StatisticsNibble => Value::Statistics(byte),
        Kind::ByObservable => {
            let observable = context.observable(page, index);
            observable.map_or(Value::Integer(u64::from(word)), |observable| {
                Value::Observed(observable.measured(word))
            })
        }
    }
}

fn is_cdb_result(field: &Field) -> bool {
    let result = lower::CDB_STATUS_RESULT;
    (field.page, field.byte, field.bits) == (result.page, result.byte, result.bits)
}

/// The name of a CDB result (00h:37, 38), whose code means one thing with the busy bit, another with the failed bit and a
/// third without (OIF-CMIS-05.4, CDB status).
fn cdb_result(bytes: &[u8]) -> Option<&'static str> {
    Some(match CdbStatus::from_byte(*bytes.first()?) {
        CdbStatus::Idle => "no command yet",
        CdbStatus::Busy(1) => "captured",
        CdbStatus::Busy(2) => "checking",
        CdbStatus::Busy(3) => "processing",
        CdbStatus::Success(1) => "success",
        CdbStatus::Success(3) => "the previous command was aborted",
        CdbStatus::Busy(_) | CdbStatus::Success(_) => return None,
        CdbStatus::Failed(failure) => match failure {
            CdbFailure::Unspecified => "failed",
            CdbFailure::UnknownCommand => "unknown command",
            CdbFailure::Parameter => "parameter",
            CdbFailure::NotAborted => "previous command not aborted",
            CdbFailure::TimedOut => "timed out",
            CdbFailure::CheckCode => "check code",
            CdbFailure::Password => "password",
            CdbFailure::OperatingState => "operating state",
            CdbFailure::Custom(_) => "custom",
            CdbFailure::Reserved(_) | CdbFailure::Firmware(_) => return None,
        },
    })
}

/// A duration by its code, in words.
pub(super) struct Longest(pub(super) u8, pub(super) Duration);

impl fmt::Display for Longest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            0..=12 => write!(f, "at most {} ms", self.1.as_millis()),
            13 => write!(f, "{} ms or longer", duration_limit(12).as_millis()),
            _ => f.write_str("reserved"),
        }
    }
}

/// An unsigned number; beyond 2^63 there is no scale.
fn scaled<'a>(field: &Field, index: u16, number: Option<i64>, raw: u64, context: &Context) -> Value<'a> {
    match (context.scale(field, index), number) {
        (Some((1, 1)) | None, _) | (_, None) => Value::Integer(raw),
        (Some(scale), Some(number)) => Value::Scaled(number, times(number, scale)),
    }
}

fn scaled_signed<'a>(field: &Field, index: u16, number: i64, context: &Context) -> Value<'a> {
    match context.scale(field, index) {
        Some((1, 1)) | None => Value::Signed(number),
        Some(scale) => Value::Scaled(number, times(number, scale)),
    }
}

fn times(number: i64, (multiplier, divisor): (u32, u32)) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "registers with a scale have at most 32 bits")]
    let number = number as f64;
    number * f64::from(multiplier) / f64::from(divisor)
}

/// Text without padding; bytes that are not printable ASCII as `\xNN`.
pub(super) fn printable(bytes: &[u8]) -> String {
    let text = bytes.trim_ascii_end();
    let text = match text.iter().rposition(|byte| *byte != 0) {
        Some(last) => &text[..=last],
        None => &[],
    };
    text.trim_ascii().iter().fold(String::new(), |mut shown, byte| {
        match byte {
            b'\\' => shown.push_str("\\\\"),
            b' '..=b'~' => shown.push(char::from(*byte)),
            _ => shown.push_str(&std::format!("\\x{byte:02X}")),
        }
        shown
    })
}
