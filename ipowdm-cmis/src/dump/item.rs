//! What groups are made of.

use super::register::printable;
use crate::access::TransportError;
use crate::codes::sff8024::{Names, name_of};
use std::borrow::Cow;
use std::fmt;
use std::string::String;
use std::vec::Vec;

/// Why something is not known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Missing {
    /// The module does not advertise it.
    Unsupported,
    /// Advertised, and there is no value: the page is not there, or the module reports none at the moment.
    Absent,
    /// It could not be read.
    Unreadable(TransportError),
    /// It was left alone, because reading clears it.
    NotRead,
    /// The module's numbers contradict each other.
    Implausible,
    /// What is known of the register is older than what it means now.
    Stale,
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unsupported => f.write_str("unsupported"),
            Self::Absent => f.write_str("absent"),
            Self::Unreadable(error) => write!(f, "unreadable: {error}"),
            Self::NotRead => f.write_str("not read"),
            Self::Implausible => f.write_str("implausible"),
            Self::Stale => f.write_str("stale"),
        }
    }
}

/// A value, a list or a map of a group.
#[derive(Debug, Clone, PartialEq)]
pub enum Item {
    /// Yes or no.
    Flag(bool),
    /// A count or a code.
    Number(i64),
    /// A text.
    Text(Cow<'static, str>),
    /// A physical value with its unit, empty for ratios.
    Quantity(f64, &'static str),
    /// Not known.
    Missing(Missing),
    /// Several of the same kind.
    List(Vec<Item>),
    /// Members by name.
    Map(Vec<(&'static str, Item)>),
}

impl Item {
    /// A member of a map.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Self> {
        match self {
            Self::Map(members) => members.iter().find(|(member, _)| *member == name).map(|(_, item)| item),
            _ => None,
        }
    }

    /// An element of a list.
    #[must_use]
    pub fn at(&self, index: usize) -> Option<&Self> {
        match self {
            Self::List(items) => items.get(index),
            _ => None,
        }
    }

    /// A text of fixed words.
    pub(super) const fn word(text: &'static str) -> Self {
        Self::Text(Cow::Borrowed(text))
    }

    /// A text that was made.
    pub(super) fn text(text: String) -> Self {
        Self::Text(Cow::Owned(text))
    }
}

impl<T: Into<Self>> From<Result<T, Missing>> for Item {
    fn from(result: Result<T, Missing>) -> Self {
        result.map_or_else(Self::Missing, Into::into)
    }
}

impl From<bool> for Item {
    fn from(flag: bool) -> Self {
        Self::Flag(flag)
    }
}

impl From<u8> for Item {
    fn from(number: u8) -> Self {
        Self::Number(i64::from(number))
    }
}

impl From<u32> for Item {
    fn from(number: u32) -> Self {
        Self::Number(i64::from(number))
    }
}

impl From<i16> for Item {
    fn from(number: i16) -> Self {
        Self::Number(i64::from(number))
    }
}

impl From<&[u8]> for Item {
    /// Text of a register, without its padding.
    fn from(text: &[u8]) -> Self {
        Self::text(printable(text))
    }
}

/// The name of a code, or the code itself where it has none.
pub(super) fn named(names: Names, code: u8) -> Item {
    name_of(names, code).map_or_else(|| Item::text(std::format!("unknown ({code:02X}h)")), Item::word)
}

/// The name of an interface of an application; C0h-FEh are vendors' own (SFF-8024).
pub(super) fn interface_name(names: Names, code: u8) -> Option<&'static str> {
    match code {
        0xC0..=0xFE => Some(CUSTOM),
        _ => name_of(names, code),
    }
}

/// The name of an interface of an application, with the code where it is a vendor's own.
pub(super) fn interface(names: Names, code: u8) -> Item {
    match interface_name(names, code) {
        Some(CUSTOM) => Item::text(std::format!("{CUSTOM} ({code:02X}h)")),
        _ => named(names, code),
    }
}

/// What a vendor's own code is called.
const CUSTOM: &str = "custom";
