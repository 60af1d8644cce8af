//! Checks the lengths inside a request before it is decoded.
//!
//! The codec reserves memory for an array from the count on the wire, before it has seen one element: a frame of
//! thirty bytes can ask for hundreds of gigabytes, and a failed allocation ends the process. So every request is
//! walked first against its layout. A frame that passes has only lengths that fit in the bytes that are there and a
//! bounded number of array elements. Bytes after the last field are let pass, as Apache Kafka does:
//! librdkafka sends one after the null topic list of Metadata version 9.

use crate::api::Api;

mod layouts;

use layouts::Kind::{self, Blob, Fixed, Structs, Text, Values};
use layouts::{Field, layout};

/// Why a request body was refused before decoding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ShapeError {
    #[error("a length points past the end of the frame")]
    Truncated,
    #[error("a length is negative")]
    Negative,
    #[error("more array elements than allowed in one frame")]
    TooManyElements,
}

/// What a walk found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Walked {
    /// Array elements and tagged fields.
    pub(crate) elements: usize,
    /// Bytes after the last field.
    pub(crate) trailing: usize,
}

/// Walks `body`.
///
/// # Errors
///
/// See [`ShapeError`]; the body must then not be decoded.
pub(crate) fn check(api: Api, version: i16, body: &[u8], max_elements: usize) -> Result<Walked, ShapeError> {
    let mut walk = Walk { rest: body, version, flexible: api.is_flexible(version), left: max_elements };
    walk.fields(layout(api))?;
    Ok(Walked { elements: max_elements - walk.left, trailing: walk.rest.len() })
}

struct Walk<'a> {
    rest: &'a [u8],
    version: i16,
    flexible: bool,
    left: usize,
}

impl Walk<'_> {
    fn fields(&mut self, fields: &[Field]) -> Result<(), ShapeError> {
        for field in fields {
            if self.carries(field) {
                self.value(&field.kind)?;
            }
        }
        if self.flexible { self.tags() } else { Ok(()) }
    }

    fn carries(&self, field: &Field) -> bool {
        (field.since..=field.until).contains(&self.version)
    }

    fn value(&mut self, kind: &Kind) -> Result<(), ShapeError> {
        match kind {
            Fixed(bytes) => self.skip(*bytes),
            Text if self.flexible => self.compact_bytes(),
            Text => {
                let length = i16::from_be_bytes(self.take()?);
                self.bytes(i32::from(length))
            }
            Blob if self.flexible => self.compact_bytes(),
            Blob => {
                let length = i32::from_be_bytes(self.take()?);
                self.bytes(length)
            }
            Structs(fields) => {
                for _ in 0..self.count(self.least_of(fields))? {
                    self.fields(fields)?;
                }
                Ok(())
            }
            Values(kind) => {
                for _ in 0..self.count(self.least(kind))? {
                    self.value(kind)?;
                }
                Ok(())
            }
        }
    }

    /// Reads an array count and checks that so many elements of at least `least` bytes can follow.
    fn count(&mut self, least: usize) -> Result<usize, ShapeError> {
        let count = if self.flexible {
            self.varint()?.saturating_sub(1) as usize
        } else {
            match i32::from_be_bytes(self.take()?) {
                -1 => 0,
                count => usize::try_from(count).map_err(|_| ShapeError::Negative)?,
            }
        };
        self.left = self.left.checked_sub(count).ok_or(ShapeError::TooManyElements)?;
        if count.saturating_mul(least) > self.rest.len() {
            return Err(ShapeError::Truncated);
        }
        Ok(count)
    }

    /// The fewest bytes a value can take.
    fn least(&self, kind: &Kind) -> usize {
        match kind {
            Fixed(bytes) => *bytes,
            _ if self.flexible => 1,
            Text => 2,
            Blob | Structs(_) | Values(_) => 4,
        }
    }

    fn least_of(&self, fields: &[Field]) -> usize {
        let tags = usize::from(self.flexible);
        fields.iter().filter(|field| self.carries(field)).map(|field| self.least(&field.kind)).sum::<usize>()
            + tags
    }

    fn tags(&mut self) -> Result<(), ShapeError> {
        let count = self.varint()? as usize;
        self.left = self.left.checked_sub(count).ok_or(ShapeError::TooManyElements)?;
        for _ in 0..count {
            self.varint()?;
            let length = self.varint()? as usize;
            self.skip(length)?;
        }
        Ok(())
    }

    fn bytes(&mut self, length: i32) -> Result<(), ShapeError> {
        match length {
            -1 => Ok(()),
            _ => self.skip(usize::try_from(length).map_err(|_| ShapeError::Negative)?),
        }
    }

    fn compact_bytes(&mut self) -> Result<(), ShapeError> {
        let length = self.varint()?.saturating_sub(1) as usize;
        self.skip(length)
    }

    /// The codec's reading of an unsigned varint: at most five bytes, seven bits each.
    fn varint(&mut self) -> Result<u32, ShapeError> {
        let mut value = 0u32;
        for index in 0..5 {
            let [byte] = self.take()?;
            value |= u32::from(byte & 0x7f) << (index * 7);
            if byte < 0x80 {
                break;
            }
        }
        Ok(value)
    }

    fn take<const N: usize>(&mut self) -> Result<[u8; N], ShapeError> {
        let (head, rest) = self.rest.split_first_chunk::<N>().ok_or(ShapeError::Truncated)?;
        self.rest = rest;
        Ok(*head)
    }

    fn skip(&mut self, bytes: usize) -> Result<(), ShapeError> {
        self.rest = self.rest.get(bytes..).ok_or(ShapeError::Truncated)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests;
