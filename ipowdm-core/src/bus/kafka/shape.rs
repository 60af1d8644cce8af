//! Checks the lengths inside a response before it is decoded.
//!
//! The codec reserves memory for an array from the count on the wire before it has seen one element: an answer of
//! thirty bytes can ask for hundreds of gigabytes, and a failed allocation ends the process. So every response body is
//! walked first against its layout. A body that passes has only lengths that fit in the bytes that are there, and
//! nothing after its last field.

/// Why a response body was refused before decoding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum ShapeError {
    #[error("a length points past the end")]
    Truncated,
    #[error("a length is negative")]
    Negative,
    #[error("{0} bytes follow the last field")]
    Trailing(usize),
}

/// What a field looks like on the wire. Versions with tagged fields (KIP-482, "flexible") have other, compact lengths.
#[derive(Debug, Clone, Copy)]
pub(super) enum Kind {
    /// So many bytes, always.
    Fixed(usize),
    /// A string, nullable or not.
    Text,
    /// A byte string, nullable or not.
    Blob,
    /// An array of structures, nullable or not.
    Structs(&'static [Field]),
    /// An array of 32-bit numbers, nullable or not.
    Numbers,
}

/// A field, and the first version that carries it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Field {
    since: i16,
    kind: Kind,
}

/// A field of all versions.
pub(super) const fn field(kind: Kind) -> Field {
    Field { since: 0, kind }
}

/// A field of this version and later ones.
pub(super) const fn since(since: i16, kind: Kind) -> Field {
    Field { since, kind }
}

/// Walks `body`; one that fails must not be decoded.
pub(super) fn check(layout: &[Field], version: i16, flexible: bool, body: &[u8]) -> Result<(), ShapeError> {
    let mut walk = Walk { rest: body, version, flexible };
    walk.fields(layout)?;
    match walk.rest.len() {
        0 => Ok(()),
        trailing => Err(ShapeError::Trailing(trailing)),
    }
}

/// How many bytes of tagged fields there are at the beginning.
pub(super) fn tags(bytes: &[u8]) -> Result<usize, ShapeError> {
    let mut walk = Walk { rest: bytes, version: 0, flexible: true };
    walk.tags()?;
    Ok(bytes.len() - walk.rest.len())
}

struct Walk<'a> {
    rest: &'a [u8],
    version: i16,
    flexible: bool,
}

impl Walk<'_> {
    fn fields(&mut self, fields: &[Field]) -> Result<(), ShapeError> {
        let version = self.version;
        fields.iter().filter(|field| field.since <= version).try_for_each(|field| self.value(field.kind))?;
        if self.flexible { self.tags() } else { Ok(()) }
    }

    /// The tagged fields that end a structure. None of them is known here.
    fn tags(&mut self) -> Result<(), ShapeError> {
        for _ in 0..self.varint()? {
            self.varint()?;
            let length = self.varint()?;
            self.skip(usize::try_from(length).map_err(|_| ShapeError::Truncated)?)?;
        }
        Ok(())
    }

    fn value(&mut self, kind: Kind) -> Result<(), ShapeError> {
        match kind {
            Kind::Fixed(bytes) => self.skip(bytes),
            Kind::Text | Kind::Blob if self.flexible => {
                let length = self.compact()?;
                self.skip(length)
            }
            Kind::Text => {
                let length = i16::from_be_bytes(self.take()?);
                self.skip(length_of(i32::from(length))?)
            }
            Kind::Blob => {
                let length = i32::from_be_bytes(self.take()?);
                self.skip(length_of(length)?)
            }
            Kind::Numbers => {
                let count = self.count(4)?;
                self.skip(count * 4)
            }
            Kind::Structs(fields) => {
                let count = self.count(self.least(fields))?;
                (0..count).try_for_each(|_| self.fields(fields))
            }
        }
    }

    /// Reads the count of an array and checks that so many elements of at least `least` bytes can follow.
    fn count(&mut self, least: usize) -> Result<usize, ShapeError> {
        let count =
            if self.flexible { self.compact()? } else { length_of(i32::from_be_bytes(self.take()?))? };
        if count.saturating_mul(least) > self.rest.len() {
            return Err(ShapeError::Truncated);
        }
        Ok(count)
    }

    /// The fewest bytes that a structure can take.
    fn least(&self, fields: &[Field]) -> usize {
        let carried = fields.iter().filter(|field| field.since <= self.version);
        let fields: usize = carried
            .map(|field| match field.kind {
                Kind::Fixed(bytes) => bytes,
                _ if self.flexible => 1,
                Kind::Text => 2,
                Kind::Blob | Kind::Structs(_) | Kind::Numbers => 4,
            })
            .sum();
        fields + usize::from(self.flexible)
    }

    /// A compact length: one more than it says, 0 for absent.
    fn compact(&mut self) -> Result<usize, ShapeError> {
        let length = self.varint()?.saturating_sub(1);
        usize::try_from(length).map_err(|_| ShapeError::Truncated)
    }

    /// The codec's reading of an unsigned varint: at most five bytes, seven bits each.
    fn varint(&mut self) -> Result<u32, ShapeError> {
        let mut value = 0_u32;
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

/// A length on the wire; -1 stands for absent.
fn length_of(length: i32) -> Result<usize, ShapeError> {
    match length {
        -1 => Ok(0),
        length => usize::try_from(length).map_err(|_| ShapeError::Negative),
    }
}
