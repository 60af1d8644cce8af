//! Frames: length (u32, little-endian), CRC-32C of the payload (u32), payload = version byte and postcard entries.

use super::{Entry, Recovery, as_u64};

/// The version of frames written by this build. It reads this one and those before, which differ in what they lack:
/// version 2 [`Entry::Bound`], version 1 [`Entry::Content`] and [`Entry::FirstStart`] too.
pub(super) const VERSION: u8 = 3;

const HEADER: usize = 8;

/// Greatest payload in bytes: a bound against garbage lengths, far above what a step writes.
pub const MAX_FRAME: usize = 4 << 20;

/// Why bytes are not a frame, or entries cannot become one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FrameError {
    /// The bytes end within the frame.
    #[error("cut short")]
    Short,
    /// The length is 0 or beyond [`MAX_FRAME`].
    #[error("impossible length {0}")]
    Length(usize),
    /// The checksum does not match.
    #[error("checksum mismatch")]
    Checksum,
    /// The format version is newer than this build.
    #[error("format version {found}")]
    Newer {
        /// The version found.
        found: u8,
    },
    /// The payload is not entries.
    #[error("not journal entries: {0}")]
    Contents(String),
}

/// One frame of entries.
pub(super) fn write(entries: &[Entry]) -> Result<Vec<u8>, FrameError> {
    let mut payload = vec![VERSION];
    payload.extend(postcard::to_stdvec(entries).map_err(|error| FrameError::Contents(error.to_string()))?);
    let length = u32::try_from(payload.len()).map_err(|_| FrameError::Length(payload.len()))?;
    if payload.len() > MAX_FRAME {
        return Err(FrameError::Length(payload.len()));
    }
    let mut frame = Vec::with_capacity(HEADER + payload.len());
    frame.extend_from_slice(&length.to_le_bytes());
    frame.extend_from_slice(&crc32c::crc32c(&payload).to_le_bytes());
    frame.extend_from_slice(&payload);
    Ok(frame)
}

/// The payload of the frame that `bytes` begin with, checked.
fn payload(bytes: &[u8]) -> Result<&[u8], FrameError> {
    let (length, rest) = bytes.split_first_chunk::<4>().ok_or(FrameError::Short)?;
    let (checksum, rest) = rest.split_first_chunk::<4>().ok_or(FrameError::Short)?;
    let length = usize::try_from(u32::from_le_bytes(*length)).unwrap_or(usize::MAX);
    if length == 0 || length > MAX_FRAME {
        return Err(FrameError::Length(length));
    }
    let payload = rest.get(..length).ok_or(FrameError::Short)?;
    if crc32c::crc32c(payload) != u32::from_le_bytes(*checksum) {
        return Err(FrameError::Checksum);
    }
    Ok(payload)
}

/// The first frame of `bytes` and its size; `None` where there are no bytes.
pub(super) fn read(bytes: &[u8]) -> Result<Option<(Vec<Entry>, usize)>, FrameError> {
    if bytes.is_empty() {
        return Ok(None);
    }
    let payload = payload(bytes)?;
    let (version, contents) = payload.split_first().ok_or(FrameError::Length(0))?;
    if *version > VERSION {
        return Err(FrameError::Newer { found: *version });
    }
    if *version == 0 {
        return Err(FrameError::Contents("format version 0".to_string()));
    }
    let entries = postcard::from_bytes(contents).map_err(|error| FrameError::Contents(error.to_string()))?;
    Ok(Some((entries, HEADER + payload.len())))
}

/// Tells a torn tail from damage: after damage there is a whole frame further on, after a cut there is none.
pub(super) fn judge_tail(bytes: &[u8], at: usize) -> Recovery {
    let lost = as_u64(bytes.len() - at);
    let whole_frame_later = (at + 1..bytes.len()).any(|i| payload(&bytes[i..]).is_ok());
    if whole_frame_later || payload(&bytes[at..]).is_ok() {
        Recovery::Damaged { at: as_u64(at), bytes: lost }
    } else {
        Recovery::TornTail { bytes: lost }
    }
}
