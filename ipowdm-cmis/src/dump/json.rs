//! A dump as JSON, see the module's table.

use super::register::{Longest, printable};
use super::text::{ALARMS, STATISTICS};
use super::{Dump, Item, Page, PageState, Register, Value};
use crate::map::Confidence;
use serde::ser::{Serialize, SerializeMap, SerializeSeq, Serializer};
use std::string::String;

/// Serialises by [`Display`](std::fmt::Display).
struct Shown<T>(T);

impl<T: std::fmt::Display> Serialize for Shown<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

impl Serialize for Dump<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.groups.len() + 2))?;
        for (name, item) in &self.groups {
            map.serialize_entry(name, item)?;
        }
        map.serialize_entry("page_status", &Status(self))?;
        map.serialize_entry("pages", &Pages(self))?;
        map.end()
    }
}

/// By page, how reading it went.
struct Status<'a>(&'a Dump<'a>);

impl Serialize for Status<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.pages.len()))?;
        for page in &self.0.pages {
            map.serialize_key(&Shown(page.name))?;
            match page.state {
                PageState::Read(_) => map.serialize_value("read")?,
                PageState::NotAdvertised => map.serialize_value("not advertised")?,
                PageState::Absent => map.serialize_value("absent")?,
                PageState::Unreadable(error) => map.serialize_value(&std::format!("unreadable: {error}"))?,
            }
        }
        map.end()
    }
}

/// By page, its registers; pages that were not read have none and are left out.
struct Pages<'a>(&'a Dump<'a>);

impl Serialize for Pages<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for page in self.0.pages.iter().filter(|page| matches!(page.state, PageState::Read(_))) {
            map.serialize_key(&Shown(page.name))?;
            map.serialize_value(page)?;
        }
        map.end()
    }
}

impl Serialize for Page<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for register in &self.registers {
            map.serialize_key(&Shown(register.name()))?;
            map.serialize_value(register)?;
        }
        if let Some(bytes) = self.undeclared() {
            map.serialize_entry("bytes", &hex(bytes))?;
        }
        map.end()
    }
}

impl Serialize for Register<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        if self.value == Value::NotRead {
            map.serialize_entry("unavailable", "not read")?;
            return map.end();
        }
        map.serialize_entry("value", &self.value)?;
        match self.value {
            Value::Text(bytes) => map.serialize_entry("raw", &hex(bytes))?,
            // The value is what the register holds.
            Value::Bytes(_) | Value::PerLane(_) => {}
            _ => map.serialize_entry("raw", &self.raw())?,
        }
        if let Value::Observed(measured) = self.value {
            map.serialize_entry("observable", measured.observable.name())?;
        }
        if !self.unit.is_empty() {
            map.serialize_entry("unit", self.unit)?;
        }
        match self.field.confidence {
            Confidence::Binding => {}
            Confidence::Secondary => map.serialize_entry("confidence", "secondary")?,
            Confidence::Contradicted => map.serialize_entry("confidence", "contradicted")?,
        }
        map.end()
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut digits, byte| {
        digits.push_str(&std::format!("{byte:02x}"));
        digits
    })
}

impl Serialize for Value<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let bits = |bits: u16, first: u8| {
            (0..16_u8).filter(move |bit| bits & (1 << bit) != 0).map(move |bit| bit + first)
        };
        let names = |bits: u8, names: [&'static str; 4]| {
            (0..4_usize).filter(move |bit| bits & (1 << bit) != 0).map(move |bit| names[bit])
        };
        match *self {
            Self::NotRead => serializer.serialize_unit(),
            Self::Flag(bit) => serializer.serialize_bool(bit),
            Self::Code(_, Some(name)) => serializer.serialize_str(name),
            Self::Code(code, None) => serializer.collect_str(&format_args!("unknown ({code:02X}h)")),
            Self::Integer(number) => serializer.serialize_u64(number),
            Self::Signed(number) => serializer.serialize_i64(number),
            Self::Scaled(_, value) => serializer.serialize_f64(value),
            Self::Float(float) => serializer.serialize_f64(float.value()),
            Self::Observed(measured) => serializer.serialize_f64(measured.value()),
            Self::Revision(major, minor) => serializer.collect_str(&format_args!("{major}.{minor}")),
            Self::Duration(code, limit) => serializer.collect_str(&Longest(code, limit)),
            Self::Lanes(lanes) => serializer.collect_seq(bits(u16::from(lanes), 1)),
            Self::Bits(set) => serializer.collect_seq(bits(set, 0)),
            Self::PerLane(numbers) => serializer.collect_seq(numbers),
            Self::Alarms(set) => serializer.collect_seq(names(set, ALARMS)),
            Self::Statistics(set) => serializer.collect_seq(names(set, STATISTICS)),
            Self::Text(text) => serializer.serialize_str(&printable(text)),
            Self::Bytes(bytes) => serializer.serialize_str(&hex(bytes)),
        }
    }
}

impl Serialize for Item {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Flag(flag) => serializer.serialize_bool(*flag),
            Self::Number(number) => serializer.serialize_i64(*number),
            Self::Text(text) => serializer.serialize_str(text),
            Self::Quantity(value, unit) => {
                let mut map = serializer.serialize_map(Some(2))?;
                map.serialize_entry("value", value)?;
                map.serialize_entry("unit", unit)?;
                map.end()
            }
            Self::Missing(missing) => {
                let mut map = serializer.serialize_map(Some(1))?;
                map.serialize_entry("unavailable", &Shown(missing))?;
                map.end()
            }
            Self::List(items) => {
                let mut list = serializer.serialize_seq(Some(items.len()))?;
                for item in items {
                    list.serialize_element(item)?;
                }
                list.end()
            }
            Self::Map(members) => {
                let mut map = serializer.serialize_map(Some(members.len()))?;
                for (name, item) in members {
                    map.serialize_entry(name, item)?;
                }
                map.end()
            }
        }
    }
}
