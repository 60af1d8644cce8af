//! Bytes that are written by us alone and must be found whole: in the log of a store, in its images and archives.
//!
//! ```text
//! frame       = format (1 byte), body, CRC-32C of both (4 bytes, little endian)
//! text, bytes = length (varint, LEB128), content
//! ```

use super::Version;

const FORMAT: u8 = 1;
const CHECKSUM: usize = 4;

fn varint(out: &mut Vec<u8>, mut number: usize) {
    while number >= 0x80 {
        out.push(number.to_le_bytes()[0] | 0x80);
        number >>= 7;
    }
    out.push(number.to_le_bytes()[0]);
}

/// Adds the length of a content, then the content.
pub(super) fn bytes(out: &mut Vec<u8>, content: &[u8]) {
    varint(out, content.len());
    out.extend_from_slice(content);
}

/// A frame in the making.
#[derive(Debug)]
pub(super) struct Frame(Vec<u8>);

impl Frame {
    pub(super) fn with_capacity(body: usize) -> Self {
        let mut out = Vec::with_capacity(body + 1 + CHECKSUM);
        out.push(FORMAT);
        Self(out)
    }

    /// Where to add to the body.
    pub(super) const fn body(&mut self) -> &mut Vec<u8> {
        &mut self.0
    }

    pub(super) const fn len(&self) -> usize {
        self.0.len()
    }

    /// Closes the frame with its checksum.
    pub(super) fn seal(mut self) -> Vec<u8> {
        let checksum = crc32c::crc32c(&self.0);
        self.0.extend_from_slice(&checksum.to_le_bytes());
        self.0
    }
}

/// Reads bytes from the front.
#[derive(Debug)]
pub(super) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    #[cfg(any(test, feature = "redb"))]
    pub(super) const fn new(content: &'a [u8]) -> Self {
        Self(content)
    }

    /// The body of a frame whose format and checksum are right.
    pub(super) fn of_frame(frame: &'a [u8]) -> Result<Self, String> {
        let Some((content, checksum)) = frame.split_last_chunk::<CHECKSUM>() else {
            return Err(format!("{} bytes are too few for a frame", frame.len()));
        };
        if crc32c::crc32c(content) != u32::from_le_bytes(*checksum) {
            return Err("the checksum of a frame is wrong".to_owned());
        }
        match content.split_first() {
            Some((&FORMAT, body)) => Ok(Self(body)),
            Some((format, _)) => Err(format!("a frame is in format {format}")),
            None => Err("a frame is empty".to_owned()),
        }
    }

    pub(super) fn take(&mut self, len: usize) -> Result<&'a [u8], String> {
        let (taken, rest) = self.0.split_at_checked(len).ok_or("a frame ends too early")?;
        self.0 = rest;
        Ok(taken)
    }

    pub(super) fn byte(&mut self) -> Result<u8, String> {
        self.take(1).map(|taken| taken.first().copied().unwrap_or_default())
    }

    fn varint(&mut self) -> Result<usize, String> {
        let mut number = 0_usize;
        for shift in (0..usize::BITS).step_by(7) {
            let byte = self.byte()?;
            number |= usize::from(byte & 0x7f)
                .checked_shl(shift)
                .filter(|part| part >> shift == usize::from(byte & 0x7f))
                .ok_or("a length is too long")?;
            if byte & 0x80 == 0 {
                return Ok(number);
            }
        }
        Err("a length is too long".to_owned())
    }

    pub(super) fn bytes(&mut self) -> Result<&'a [u8], String> {
        let len = self.varint()?;
        self.take(len)
    }

    pub(super) fn text(&mut self) -> Result<&'a str, String> {
        core::str::from_utf8(self.bytes()?).map_err(|_| "a key is not text".to_owned())
    }

    pub(super) fn version(&mut self) -> Result<Version, String> {
        let taken = self.take(8)?.try_into().map_err(|_| "a frame ends too early")?;
        Ok(Version::new(u64::from_le_bytes(taken)))
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn lengths_read_back(number: usize) {
            let mut out = Vec::new();
            varint(&mut out, number);
            let mut reader = Reader::new(&out);
            prop_assert_eq!(reader.varint(), Ok(number));
            prop_assert!(reader.is_empty());
        }
    }
}
