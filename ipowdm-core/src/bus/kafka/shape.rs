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

/// What a field looks like on the wire. Only the forms of versions without tagged fields (KIP-482) occur here.
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
pub(super) fn check(layout: &[Field], version: i16, body: &[u8]) -> Result<(), ShapeError> {
    let mut walk = Walk { rest: body, version };
    walk.fields(layout)?;
    match walk.rest.len() {
        0 => Ok(()),
        trailing => Err(ShapeError::Trailing(trailing)),
    }
}

struct Walk<'a> {
    rest: &'a [u8],
    version: i16,
}

impl Walk<'_> {
    fn fields(&mut self, fields: &[Field]) -> Result<(), ShapeError> {
        let version = self.version;
        fields.iter().filter(|field| field.since <= version).try_for_each(|field| self.value(field.kind))
    }

    fn value(&mut self, kind: Kind) -> Result<(), ShapeError> {
        match kind {
            Kind::Fixed(bytes) => self.skip(bytes),
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
        let count = length_of(i32::from_be_bytes(self.take()?))?;
        if count.saturating_mul(least) > self.rest.len() {
            return Err(ShapeError::Truncated);
        }
        Ok(count)
    }

    /// The fewest bytes that a structure can take.
    fn least(&self, fields: &[Field]) -> usize {
        let carried = fields.iter().filter(|field| field.since <= self.version);
        carried
            .map(|field| match field.kind {
                Kind::Fixed(bytes) => bytes,
                Kind::Text => 2,
                Kind::Blob | Kind::Structs(_) | Kind::Numbers => 4,
            })
            .sum()
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
