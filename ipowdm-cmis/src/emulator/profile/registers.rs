//! Registers of a profile by name.

use super::{ProfileData, ProfileError, RegisterValue};
use crate::emulator::cells::Cells;
use crate::map::{self, Field, Kind};
use std::string::{String, ToString};
use std::vec::Vec;

/// Writes the profile's registers to memory.
pub(in crate::emulator) fn write_registers(
    data: &ProfileData,
    cells: &mut Cells,
) -> Result<(), ProfileError> {
    for (page, values) in &data.registers {
        for (name, value) in values {
            let field = find(page, name)?;
            let bad = |problem| ProfileError::BadRegister { page: page.clone(), name: name.clone(), problem };
            for (index, bytes) in encode(field, value).map_err(bad)?.into_iter().enumerate() {
                let index = u16::try_from(index).map_err(|_| bad("too many elements"))?;
                put(field, index, &bytes, cells).ok_or_else(|| bad("the array has fewer elements"))?;
            }
        }
    }
    Ok(())
}

fn put(field: Field, index: u16, bytes: &[u8], cells: &mut Cells) -> Option<()> {
    let place = field.element(index)?;
    match place.bits {
        None => cells.set(0, place.at.page, place.at.byte, bytes),
        Some((_, low)) => {
            let mask = field.mask(index);
            let old = cells.get(0, place.at.page, place.at.byte);
            let value = bytes.first().copied().unwrap_or(0);
            cells.set(0, place.at.page, place.at.byte, &[(old & !mask) | ((value << low) & mask)]);
        }
    }
    Some(())
}

fn find(page: &str, name: &str) -> Result<Field, ProfileError> {
    let unknown = || ProfileError::UnknownRegister { page: page.to_string(), name: name.to_string() };
    let lower = page == "lower";
    let number = if lower { 0 } else { u8::from_str_radix(page, 16).map_err(|_| unknown())? };
    map::TABLES
        .iter()
        .copied()
        .flatten()
        .find(|field| field.name == name && field.page == number && (field.byte < 128) == lower)
        .copied()
        .ok_or_else(unknown)
}

/// The bytes of each element.
fn encode(field: Field, value: &RegisterValue) -> Result<Vec<Vec<u8>>, &'static str> {
    match (field.kind, value) {
        (Kind::Ascii, RegisterValue::Text(text)) => {
            let mut bytes = text.clone().into_bytes();
            if bytes.len() > usize::from(field.len) || !text.is_ascii() {
                return Err("not ASCII text of the register's length");
            }
            bytes.resize(usize::from(field.len), b' ');
            Ok(std::vec![bytes])
        }
        (Kind::Bytes, RegisterValue::Text(digits)) => {
            let bytes = from_hex(digits).ok_or("not pairs of hexadecimal digits")?;
            if bytes.len() == usize::from(field.len) {
                Ok(std::vec![bytes])
            } else {
                Err("of another length")
            }
        }
        (_, RegisterValue::Text(_)) | (Kind::Ascii | Kind::Bytes | Kind::BySelector, _) => {
            Err("text for a number or a number for text")
        }
        (_, RegisterValue::Flag(flag)) => Ok(std::vec![number(field, f64::from(u8::from(*flag)))?]),
        (_, RegisterValue::Number(value)) => Ok(std::vec![number(field, *value)?]),
        (_, RegisterValue::List(values)) => values.iter().map(|value| number(field, *value)).collect(),
    }
}

fn from_hex(digits: &str) -> Option<Vec<u8>> {
    let digits: String = digits.chars().filter(|c| !c.is_ascii_whitespace()).collect();
    if !digits.len().is_multiple_of(2) || !digits.is_ascii() {
        return None;
    }
    (0..digits.len()).step_by(2).map(|at| u8::from_str_radix(digits.get(at..at + 2)?, 16).ok()).collect()
}

/// The bytes of a physical value; for part of a byte, its value in the low bits.
fn number(field: Field, value: f64) -> Result<Vec<u8>, &'static str> {
    let scale = field.scale.map_or(1.0, |(multiplier, divisor)| f64::from(multiplier) / f64::from(divisor));
    if field.kind == Kind::F16 {
        let ber = ipowdm_core::units::Ber::from_number(value).map_err(|_| "not a ratio")?;
        return Ok(ber.to_f16().to_be_bytes().to_vec());
    }
    let raw = value / scale;
    let rounded = raw.round();
    if !raw.is_finite() || (raw - rounded).abs() > 1e-6 * rounded.abs().max(1.0) {
        return Err("not a whole number of the register's unit");
    }
    let width = match field.bits {
        Some((high, low)) => u32::from(high - low) + 1,
        None => u32::from(field.len) * 8,
    };
    let signed =
        matches!(field.kind, Kind::S8 | Kind::S16 | Kind::S32) || (field.kind == Kind::Word && raw < 0.0);
    let span = libm::pow(2.0, f64::from(width));
    let (low, high) = if signed { (-span / 2.0, span / 2.0 - 1.0) } else { (0.0, span - 1.0) };
    if !(low..=high).contains(&rounded) {
        return Err("beyond what the register holds");
    }
    #[expect(clippy::cast_possible_truncation, reason = "within the register's width, at most 64 bits")]
    let bytes = (rounded as i128).to_be_bytes();
    let len = usize::from(field.len).min(16);
    let mut bytes = bytes[16 - len..].to_vec();
    if field.kind == Kind::BitmapLe16 {
        bytes.reverse();
    }
    Ok(bytes)
}
