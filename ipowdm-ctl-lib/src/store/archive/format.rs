//! The bytes of an archive.
//!
//! ```text
//! archive = mark ("ipowdm store archive\n"), frame of the head, frame of records*, 0 (4 bytes), frame of the end
//! frame   = length (4 bytes, little endian, not 0), then as in `store::framing`
//! head    = format (4 bytes), version of the store (8 bytes)         both little endian
//! records = (key, value)*                                            keys ascend through the whole archive
//! end     = number of records (8 bytes)
//! ```

use super::{ArchiveError, ArchiveSummary};
use crate::store::framing::{Frame, Reader, bytes};
use crate::store::{RawKey, Value, Version};
use std::fs::File;
use std::io::{self, BufReader, ErrorKind, Read, Write};
use std::path::{Path, PathBuf};

const MARK: &[u8] = b"ipowdm store archive\n";
/// Raised when a release writes what earlier ones must not read.
const FORMAT: u32 = 1;
/// Bytes of records in one frame, about.
const BLOCK: usize = 240 << 10;

fn write_frame(out: &mut impl Write, frame: Frame) -> io::Result<()> {
    let frame = frame.seal();
    let length = u32::try_from(frame.len()).map_err(|_| ErrorKind::FileTooLarge)?;
    out.write_all(&length.to_le_bytes())?;
    out.write_all(&frame)
}

/// Records in key order, on their way into an archive.
#[derive(Debug)]
pub(super) struct Block {
    frame: Frame,
    pub(super) records: u64,
}

impl Block {
    pub(super) fn new() -> Self {
        Self { frame: Frame::with_capacity(BLOCK + (16 << 10)), records: 0 }
    }

    pub(super) fn push(&mut self, key: &RawKey, value: &[u8]) {
        bytes(self.frame.body(), key.as_str().as_bytes());
        bytes(self.frame.body(), value);
        self.records += 1;
    }

    pub(super) const fn is_full(&self) -> bool {
        self.frame.len() >= BLOCK
    }
}

/// Writes the blocks that come, and the end when there are no more.
pub(super) fn write(
    out: &mut impl Write,
    version: Version,
    mut next: impl FnMut() -> Option<Block>,
) -> io::Result<ArchiveSummary> {
    let mut head = Frame::with_capacity(12);
    head.body().extend_from_slice(&FORMAT.to_le_bytes());
    head.body().extend_from_slice(&version.get().to_le_bytes());
    out.write_all(MARK)?;
    write_frame(out, head)?;
    let mut records = 0;
    while let Some(block) = next() {
        if block.records > 0 {
            records += block.records;
            write_frame(out, block.frame)?;
        }
    }
    let mut end = Frame::with_capacity(8);
    end.body().extend_from_slice(&records.to_le_bytes());
    out.write_all(&[0; 4])?;
    write_frame(out, end)?;
    Ok(ArchiveSummary { version, records })
}

/// Reads an archive from its front; every record is checked before it is handed out.
#[derive(Debug)]
pub(super) struct Reading<R> {
    input: R,
    path: PathBuf,
    left: u64,
    version: Version,
    records: u64,
    last: Option<RawKey>,
}

impl Reading<BufReader<File>> {
    pub(super) fn open(path: &Path) -> Result<Self, ArchiveError> {
        let io_error = |error: io::Error| ArchiveError::io(path, &error);
        let file = File::open(path).map_err(io_error)?;
        let length = file.metadata().map_err(io_error)?.len();
        Self::new(BufReader::with_capacity(1 << 20, file), path, length)
    }
}

impl<R: Read> Reading<R> {
    /// `length` bounds what is read into memory at once.
    pub(super) fn new(input: R, path: &Path, length: u64) -> Result<Self, ArchiveError> {
        let mut reading = Self {
            input,
            path: path.to_owned(),
            left: length,
            version: Version::default(),
            records: 0,
            last: None,
        };
        let mut mark = [0; MARK.len()];
        match reading.take(&mut mark) {
            Ok(()) if mark == MARK => {}
            Ok(()) | Err(ArchiveError::Damaged { .. }) => {
                return Err(ArchiveError::Foreign { path: path.to_owned() });
            }
            Err(error) => return Err(error),
        }
        let head = reading.frame()?.ok_or_else(|| reading.damaged("it has no head"))?;
        let mut head = Reader::of_frame(&head).map_err(|reason| reading.damaged(&reason))?;
        let format = head.take(4).ok().and_then(|taken| taken.try_into().ok()).map(u32::from_le_bytes);
        let format = format.ok_or_else(|| reading.damaged("its head is too short"))?;
        if format > FORMAT {
            return Err(ArchiveError::Newer { path: path.to_owned(), found: format, known: FORMAT });
        }
        reading.version = head.version().map_err(|reason| reading.damaged(&reason))?;
        Ok(reading)
    }

    pub(super) const fn summary(&self) -> ArchiveSummary {
        ArchiveSummary { version: self.version, records: self.records }
    }

    /// The records of the next block; `None` at the end, which is checked to be the end.
    pub(super) fn next_block(&mut self) -> Result<Option<Vec<(RawKey, Value)>>, ArchiveError> {
        let Some(frame) = self.frame()? else {
            self.check_end()?;
            return Ok(None);
        };
        let records = self.parse(&frame).map_err(|reason| self.damaged(&reason))?;
        Ok(Some(records))
    }

    fn parse(&mut self, frame: &[u8]) -> Result<Vec<(RawKey, Value)>, String> {
        let mut reader = Reader::of_frame(frame)?;
        let mut records = Vec::new();
        while !reader.is_empty() {
            let key = RawKey::from_stored(reader.text()?);
            if self.last.as_ref().is_some_and(|last| *last >= key) {
                return Err(format!("{key} is out of order"));
            }
            self.last = Some(key.clone());
            records.push((key, Value::from(reader.bytes()?)));
            self.records += 1;
        }
        Ok(records)
    }

    fn check_end(&mut self) -> Result<(), ArchiveError> {
        let end = self.frame()?.ok_or_else(|| self.damaged("it has no end"))?;
        let mut end = Reader::of_frame(&end).map_err(|reason| self.damaged(&reason))?;
        let records = end.version().map_err(|reason| self.damaged(&reason))?.get();
        if records != self.records {
            let found = self.records;
            return Err(self.damaged(&format!("it holds {found} records instead of {records}")));
        }
        if self.left > 0 {
            return Err(self.damaged("bytes follow its end"));
        }
        Ok(())
    }

    /// A frame, `None` for a length of 0.
    fn frame(&mut self) -> Result<Option<Vec<u8>>, ArchiveError> {
        let mut length = [0; 4];
        self.take(&mut length)?;
        let length = u32::from_le_bytes(length);
        if length == 0 {
            return Ok(None);
        }
        let length = usize::try_from(length).ok().filter(|_| u64::from(length) <= self.left);
        let length = length.ok_or_else(|| self.damaged("it ends too early"))?;
        let mut frame = vec![0; length];
        self.take(&mut frame)?;
        Ok(Some(frame))
    }

    fn take(&mut self, out: &mut [u8]) -> Result<(), ArchiveError> {
        self.input.read_exact(out).map_err(|error| match error.kind() {
            ErrorKind::UnexpectedEof => self.damaged("it ends too early"),
            _ => ArchiveError::io(&self.path, &error),
        })?;
        self.left = self.left.saturating_sub(u64::try_from(out.len()).unwrap_or(u64::MAX));
        Ok(())
    }

    fn damaged(&self, reason: &str) -> ArchiveError {
        ArchiveError::Damaged { path: self.path.clone(), reason: reason.to_owned() }
    }
}
