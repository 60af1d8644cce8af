//! What a module says about its firmware (replies to 0041h and 0100h).

use super::command::FirmwareBank;
use super::exchange::DEFAULT_LIMIT;
use super::message::{CdbError, CommandId};
use crate::procedure::module_info::text;
use core::time::Duration;
use heapless::String;

/// How blocks of an image are handed over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum BlockMechanism {
    /// By local payload, up to 116 bytes a block.
    Local,
    /// By extended payload, up to 2 048 bytes a block.
    Extended,
}

/// What firmware management is able to do, reply to 0041h.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FirmwareFeatures {
    /// Blocks that hold nothing but erased bytes need not be written.
    pub skip_erased: bool,
    /// 0108h copies an image.
    pub copy: bool,
    /// 0102h aborts a download.
    pub abort: bool,
    /// Bytes from the beginning of the image that go into the start command.
    pub start_payload: u8,
    /// The value of an erased byte.
    pub erased_byte: u8,
    /// How blocks are written; `None` where the module takes none.
    pub write: Option<BlockMechanism>,
    /// Blocks may also be written by the other mechanism.
    pub writes_both_ways: bool,
    /// 0109h does its best not to disturb traffic.
    pub hitless_restart: bool,
    /// Longest start of a download.
    pub start_limit: Duration,
    /// Longest abort.
    pub abort_limit: Duration,
    /// Longest write of a block.
    pub write_limit: Duration,
    /// Longest completion.
    pub complete_limit: Duration,
    /// Longest copy.
    pub copy_limit: Duration,
}

impl FirmwareFeatures {
    /// Bytes of the reply that are needed.
    const LEN: u8 = 18;

    pub(super) fn decode(reply: &[u8]) -> Result<Self, CdbError> {
        let command = CommandId::FIRMWARE_FEATURES;
        let short = || CdbError::ReplyLength {
            command,
            len: u8::try_from(reply.len()).unwrap_or(u8::MAX),
            needed: Self::LEN,
        };
        let bytes = reply.get(..usize::from(Self::LEN)).ok_or_else(short)?;
        let flags = bytes[1];
        let unit = if flags & 0x08 != 0 { 10 } else { 1 };
        // A module that advertises no time is given the default one.
        let limit = |index: usize| match u16::from_be_bytes([bytes[8 + 2 * index], bytes[9 + 2 * index]]) {
            0 => DEFAULT_LIMIT,
            count => Duration::from_millis(u64::from(count) * unit),
        };
        let write = match (bytes[5] & 0x10 != 0, bytes[5] & 0x01 != 0) {
            (true, _) => Some(BlockMechanism::Extended),
            (false, true) => Some(BlockMechanism::Local),
            (false, false) => None,
        };
        Ok(Self {
            skip_erased: flags & 0x04 != 0,
            copy: flags & 0x02 != 0,
            abort: flags & 0x01 != 0,
            start_payload: bytes[2],
            erased_byte: bytes[3],
            write,
            writes_both_ways: bytes[5] & 0x11 == 0x11,
            hitless_restart: bytes[7] & 1 != 0,
            start_limit: limit(0),
            abort_limit: limit(1),
            write_limit: limit(2),
            complete_limit: limit(3),
            copy_limit: limit(4),
        })
    }
}

/// One firmware image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FirmwareImage {
    /// Major version.
    pub major: u8,
    /// Minor version.
    pub minor: u8,
    /// Build.
    pub build: u16,
    /// The vendor's words.
    pub description: String<32>,
    /// It runs.
    pub running: bool,
    /// It runs after the next reset.
    pub committed: bool,
    /// It can be run.
    pub valid: bool,
}

/// Which images there are, reply to 0100h.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FirmwareInfo {
    /// Image A, where present.
    pub a: Option<FirmwareImage>,
    /// Image B, where present.
    pub b: Option<FirmwareImage>,
    /// The factory image, where present: major, minor, build.
    pub factory: Option<(u8, u8, u16)>,
}

impl FirmwareInfo {
    pub(super) fn decode(reply: &[u8]) -> Result<Self, CdbError> {
        let len = u8::try_from(reply.len()).unwrap_or(u8::MAX);
        let short = |needed| CdbError::ReplyLength { command: CommandId::FIRMWARE_INFO, len, needed };
        let [status, present, ..] = reply else { return Err(short(2)) };
        let image = |bit: u8, status: u8, at: u8| -> Result<Option<FirmwareImage>, CdbError> {
            if present & (1 << bit) == 0 {
                return Ok(None);
            }
            let start = usize::from(at);
            let bytes = reply.get(start..start + 36).ok_or_else(|| short(at + 36))?;
            Ok(Some(FirmwareImage {
                major: bytes[0],
                minor: bytes[1],
                build: u16::from_be_bytes([bytes[2], bytes[3]]),
                description: text(Some(bytes[4..].split(|byte| *byte == 0).next().unwrap_or_default())),
                running: status & 0x01 != 0,
                committed: status & 0x02 != 0,
                valid: status & 0x04 == 0,
            }))
        };
        let factory = match reply.get(74..78) {
            Some([major, minor, high, low]) if present & 0x04 != 0 => {
                Some((*major, *minor, u16::from_be_bytes([*high, *low])))
            }
            _ => None,
        };
        Ok(Self { a: image(0, *status, 2)?, b: image(1, status >> 4, 38)?, factory })
    }

    /// The image that runs; `None` where the module says neither, for instance with the factory image.
    #[must_use]
    pub fn running(&self) -> Option<FirmwareBank> {
        let runs = |image: &Option<FirmwareImage>| image.as_ref().is_some_and(|image| image.running);
        match (runs(&self.a), runs(&self.b)) {
            (true, false) => Some(FirmwareBank::A),
            (false, true) => Some(FirmwareBank::B),
            _ => None,
        }
    }

    /// An image.
    #[must_use]
    pub const fn image(&self, bank: FirmwareBank) -> Option<&FirmwareImage> {
        match bank {
            FirmwareBank::A => self.a.as_ref(),
            FirmwareBank::B => self.b.as_ref(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn features_are_decoded_and_a_short_reply_is_refused() {
        let mut reply = [0_u8; 18];
        reply[1] = 0x0D;
        reply[2] = 64;
        reply[3] = 0xFF;
        reply[5] = 0x11;
        reply[8..10].copy_from_slice(&600_u16.to_be_bytes());
        let features = FirmwareFeatures::decode(&reply).unwrap();
        assert!(features.skip_erased && features.abort && !features.copy && features.writes_both_ways);
        assert_eq!(features.write, Some(BlockMechanism::Extended));
        assert_eq!(features.start_limit, Duration::from_secs(6), "in units of 10 ms");
        assert_eq!(features.abort_limit, DEFAULT_LIMIT, "0 is not a time");
        let refused = FirmwareFeatures::decode(&reply[..17]).unwrap_err();
        assert_eq!(
            refused,
            CdbError::ReplyLength { command: CommandId::FIRMWARE_FEATURES, len: 17, needed: 18 }
        );
    }

    #[test]
    fn images_are_decoded_as_far_as_they_are_present() {
        let mut reply = [0_u8; 110];
        reply[0] = 0x03;
        reply[1] = 0x03;
        reply[2..6].copy_from_slice(&[1, 2, 0, 3]);
        reply[6..10].copy_from_slice(b"main");
        reply[38..42].copy_from_slice(&[2, 0, 1, 0]);
        let info = FirmwareInfo::decode(&reply).unwrap();
        let a = info.a.as_ref().unwrap();
        assert_eq!((a.major, a.minor, a.build, a.description.as_str()), (1, 2, 3, "main"));
        assert!(a.running && a.committed && a.valid);
        assert_eq!(info.b.as_ref().map(|b| b.build), Some(256));
        assert_eq!((info.running(), info.factory), (Some(FirmwareBank::A), None));
        assert!(FirmwareInfo::decode(&reply[..30]).is_err());
        assert!(FirmwareInfo::decode(&[]).is_err());
    }
}
