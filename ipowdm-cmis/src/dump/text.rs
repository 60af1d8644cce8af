//! A dump for people.

use super::register::{Longest, printable};
use super::{Dump, Item, PageState, Register, Value};
use crate::map::Confidence;
use std::fmt;

impl fmt::Display for Item {
    /// In one line; lists and maps in brackets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag(flag) => f.write_str(if *flag { "yes" } else { "no" }),
            Self::Number(number) => write!(f, "{number}"),
            Self::Text(text) => f.write_str(text),
            Self::Quantity(value, unit) => quantity(f, *value, unit),
            Self::Missing(missing) => write!(f, "({missing})"),
            Self::List(items) => {
                f.write_str("[")?;
                for (position, item) in items.iter().enumerate() {
                    write!(f, "{}{item}", if position > 0 { ", " } else { "" })?;
                }
                f.write_str("]")
            }
            Self::Map(members) => {
                for (position, (name, item)) in members.iter().enumerate() {
                    let separator = if position > 0 { ", " } else { "" };
                    write!(f, "{separator}{} ", Words(name))?;
                    match item {
                        Self::Map(_) => write!(f, "({item})")?,
                        other => write!(f, "{other}")?,
                    }
                }
                Ok(())
            }
        }
    }
}

fn quantity(f: &mut fmt::Formatter<'_>, value: f64, unit: &str) -> fmt::Result {
    // A ratio has no unit, and is the only thing that is very small.
    if unit.is_empty() && value != 0.0 && value.abs() < 1e-3 {
        return write!(f, "{value:.3e}");
    }
    let rounded = libm::round(value * 1e4) / 1e4;
    write!(f, "{rounded}")?;
    if unit.is_empty() { Ok(()) } else { write!(f, " {unit}") }
}

/// A member's name as words.
struct Words<'a>(&'a str);

impl fmt::Display for Words<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0
            .split('_')
            .enumerate()
            .try_for_each(|(position, word)| write!(f, "{}{word}", if position > 0 { " " } else { "" }))
    }
}

/// Lanes or bits whose bit is set.
struct Set(u16, u8);

impl fmt::Display for Set {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 == 0 {
            return f.write_str("none");
        }
        let mut first = true;
        for bit in (0..16_u8).filter(|bit| self.0 & (1 << bit) != 0) {
            write!(f, "{}{}", if first { "" } else { "," }, bit + self.1)?;
            first = false;
        }
        Ok(())
    }
}

/// Names of the bits of an alarm or statistics nibble, from bit 0 up.
pub(super) const ALARMS: [&str; 4] = ["high alarm", "low alarm", "high warning", "low warning"];
pub(super) const STATISTICS: [&str; 4] = ["maximum", "minimum", "average", "current"];

fn named_bits(f: &mut fmt::Formatter<'_>, bits: u8, names: [&str; 4]) -> fmt::Result {
    let mut set = (0..4).filter(|bit| bits & (1 << bit) != 0).map(|bit| names[bit]).peekable();
    if set.peek().is_none() {
        return f.write_str("none");
    }
    while let Some(name) = set.next() {
        write!(f, "{name}{}", if set.peek().is_some() { ", " } else { "" })?;
    }
    Ok(())
}

/// The value with its unit.
impl fmt::Display for Register<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.value {
            Value::NotRead => f.write_str("(not read)"),
            Value::Flag(bit) => f.write_str(if bit { "yes" } else { "no" }),
            Value::Code(_, Some(name)) if self.unit.is_empty() => f.write_str(name),
            Value::Code(code, Some(name)) if code != 0xF => write!(f, "{name} {}", self.unit),
            Value::Code(_, Some(name)) => f.write_str(name),
            Value::Code(code, None) => write!(f, "{code:02X}h"),
            Value::Integer(number) if self.unit.is_empty() => write!(f, "{number}"),
            Value::Integer(number) => write!(f, "{number} {}", self.unit),
            Value::Signed(number) if self.unit.is_empty() => write!(f, "{number}"),
            Value::Signed(number) => write!(f, "{number} {}", self.unit),
            Value::Scaled(_, value) => quantity(f, value, self.unit),
            Value::Float(float) => write!(f, "{float}"),
            Value::Observed(measured) => write!(f, "{measured} ({})", measured.observable.name()),
            Value::Revision(major, minor) => write!(f, "{major}.{minor}"),
            Value::Duration(code, limit) => write!(f, "{} (code {code:X}h)", Longest(code, limit)),
            Value::Lanes(bits) => write!(f, "lanes {}", Set(u16::from(bits), 1)),
            Value::Bits(bits) => write!(f, "bits {}", Set(bits, 0)),
            Value::PerLane(numbers) => numbers
                .iter()
                .enumerate()
                .try_for_each(|(lane, number)| write!(f, "{}{number}", if lane > 0 { " " } else { "" })),
            Value::Alarms(bits) => named_bits(f, bits, ALARMS),
            Value::Statistics(bits) => named_bits(f, bits, STATISTICS),
            Value::Text(text) => write!(f, "\"{}\"", printable(text)),
            Value::Bytes(bytes) => bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}")),
        }
    }
}

/// The groups, then every page with its registers.
impl fmt::Display for Dump<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, item) in &self.groups {
            writeln!(f, "== {}", Words(name))?;
            lines(f, item, 1)?;
        }
        for page in &self.pages {
            match page.state {
                PageState::Read(_) => writeln!(f, "== page {}", page.name)?,
                PageState::NotAdvertised => {}
                PageState::Absent => writeln!(f, "== page {}: advertised and not there", page.name)?,
                PageState::Unreadable(error) => writeln!(f, "== page {}: {error}", page.name)?,
            }
            for (line, bytes) in (128_u16..).step_by(16).zip(page.undeclared().unwrap_or_default().chunks(16))
            {
                write!(f, "{line:>8}  ")?;
                bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}"))?;
                writeln!(f)?;
            }
            for register in &page.registers {
                let doubt = match register.field.confidence {
                    Confidence::Binding => "",
                    Confidence::Secondary => "  (secondary source)",
                    Confidence::Contradicted => "  (sources contradict each other)",
                };
                let name = std::format!("{}", register.name());
                writeln!(f, "{:>8}  {name:<44} {register}{doubt}", Bits(register))?;
            }
        }
        Ok(())
    }
}

/// Byte and bits of a register, as the specification writes them.
struct Bits<'a>(&'a Register<'a>);

impl fmt::Display for Bits<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = self.0.place;
        let text = match place.bits {
            Some((high, low)) if high == low => std::format!("{}.{high}", place.at.byte),
            Some((high, low)) => std::format!("{}.{high}-{low}", place.at.byte),
            None if place.len > 1 => {
                std::format!("{}-{}", place.at.byte, u16::from(place.at.byte) + u16::from(place.len) - 1)
            }
            None => std::format!("{}", place.at.byte),
        };
        f.pad(&text)
    }
}

/// A group: one line for each member, and for each element of a list of maps.
fn lines(f: &mut fmt::Formatter<'_>, item: &Item, depth: usize) -> fmt::Result {
    let indent = depth * 2;
    match item {
        Item::Map(members) => members.iter().try_for_each(|(name, item)| {
            if is_one_line(item) {
                let width = 28_usize.saturating_sub(indent);
                writeln!(f, "{:indent$}{:<width$} {item}", "", std::format!("{}", Words(name)))
            } else {
                writeln!(f, "{:indent$}{}", "", Words(name))?;
                lines(f, item, depth + 1)
            }
        }),
        Item::List(items) => items.iter().try_for_each(|item| writeln!(f, "{:indent$}{item}", "")),
        item => writeln!(f, "{:indent$}{item}", ""),
    }
}

fn is_one_line(item: &Item) -> bool {
    let has_maps = |items: &[Item]| items.iter().any(|item| matches!(item, Item::Map(_)));
    match item {
        Item::List(items) => !has_maps(items),
        Item::Map(members) => {
            members.iter().all(|(_, item)| is_one_line(item)) && std::format!("{item}").len() <= LINE
        }
        _ => true,
    }
}

/// Most characters of a map that is shown in one line.
const LINE: usize = 100;
