//! CDB messages: commands, check codes, status, errors (OIF-CMIS-05.4, CDB command messages).

use crate::access::TransportError;
use crate::procedure::ProcError;
use core::fmt;
use core::time::Duration;
use ipowdm_core::error::Code;

/// Bytes of the local payload, 9Fh:136-255.
pub const MAX_LPL: usize = 120;

/// Bytes of a local payload.
pub type Lpl = heapless::Vec<u8, MAX_LPL>;

macro_rules! commands {
    ($($(#[$doc:meta])* $name:ident = $code:literal, $text:literal;)*) => {
        impl CommandId {
            $($(#[$doc])* pub const $name: Self = Self($code);)*

            /// The name in the specification's words; `None` for a command that this crate has no name for.
            #[must_use]
            pub const fn name(self) -> Option<&'static str> {
                match self.0 { $($code => Some($text),)* _ => None }
            }
        }
    };
}

/// The number of a command, CMDID.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct CommandId(pub u16);

commands! {
    /// 0000h.
    QUERY_STATUS = 0x0000, "Query Status";
    /// 0001h.
    ENTER_PASSWORD = 0x0001, "Enter Password";
    /// 0002h.
    CHANGE_PASSWORD = 0x0002, "Change Password";
    /// 0004h.
    ABORT = 0x0004, "Abort Processing";
    /// 0040h.
    MODULE_FEATURES = 0x0040, "Module Features";
    /// 0041h.
    FIRMWARE_FEATURES = 0x0041, "Firmware Management Features";
    /// 0100h.
    FIRMWARE_INFO = 0x0100, "Get Firmware Info";
    /// 0101h.
    START_DOWNLOAD = 0x0101, "Start Firmware Download";
    /// 0102h.
    ABORT_DOWNLOAD = 0x0102, "Abort Firmware Download";
    /// 0103h.
    WRITE_LPL = 0x0103, "Write Firmware Block LPL";
    /// 0104h.
    WRITE_EPL = 0x0104, "Write Firmware Block EPL";
    /// 0107h.
    COMPLETE_DOWNLOAD = 0x0107, "Complete Firmware Download";
    /// 0108h.
    COPY_IMAGE = 0x0108, "Copy Firmware Image";
    /// 0109h.
    RUN_IMAGE = 0x0109, "Run Firmware Image";
    /// 010Ah.
    COMMIT_IMAGE = 0x010A, "Commit Firmware Image";
}

impl fmt::Display for CommandId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => write!(f, "{name} ({:04X}h)", self.0),
            None => write!(f, "{:04X}h", self.0),
        }
    }
}

/// The check code over `bytes`: the one's complement of their sum.
#[must_use]
pub fn check_code(bytes: &[u8]) -> u8 {
    !bytes.iter().fold(0_u8, |sum, byte| sum.wrapping_add(*byte))
}

/// The check code of a command, 9Fh:133: over 128-132 and the local payload, with 133-135 taken as 0.
#[must_use]
pub fn command_check_code(id: CommandId, epl_len: u16, lpl: &[u8]) -> u8 {
    let [id_high, id_low] = id.0.to_be_bytes();
    let [epl_high, epl_low] = epl_len.to_be_bytes();
    let lpl_len = u8::try_from(lpl.len()).unwrap_or(u8::MAX);
    let header = [id_high, id_low, epl_high, epl_low, lpl_len];
    // The complement of a sum of two parts.
    !(!check_code(&header)).wrapping_add(!check_code(lpl))
}

/// Why a module failed a command, the result code of a status byte with the failure bit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CdbFailure {
    /// No reason given.
    Unspecified,
    /// The module does not know the command.
    UnknownCommand,
    /// A parameter is out of range or not supported.
    Parameter,
    /// The previous command was not aborted.
    NotAborted,
    /// The module gave up after its own time.
    TimedOut,
    /// The check code of the command was wrong.
    CheckCode,
    /// A password is needed, or was wrong.
    Password,
    /// The command does not fit the module's operating state.
    OperatingState,
    /// Reserved for all commands (8 to 31).
    Reserved(u8),
    /// Specific to firmware commands (32 to 47): the family that a command belongs to defines it.
    Firmware(u8),
    /// Custom (48 to 63).
    Custom(u8),
}

impl CdbFailure {
    /// The failure of a result code, of which six bits count.
    #[must_use]
    pub const fn from_code(code: u8) -> Self {
        match code & 0x3F {
            0 => Self::Unspecified,
            1 => Self::UnknownCommand,
            2 => Self::Parameter,
            3 => Self::NotAborted,
            4 => Self::TimedOut,
            5 => Self::CheckCode,
            6 => Self::Password,
            7 => Self::OperatingState,
            reserved @ 8..=31 => Self::Reserved(reserved),
            firmware @ 32..=47 => Self::Firmware(firmware),
            custom => Self::Custom(custom),
        }
    }

    /// The result code.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::Unspecified => 0,
            Self::UnknownCommand => 1,
            Self::Parameter => 2,
            Self::NotAborted => 3,
            Self::TimedOut => 4,
            Self::CheckCode => 5,
            Self::Password => 6,
            Self::OperatingState => 7,
            Self::Reserved(code) | Self::Firmware(code) | Self::Custom(code) => code,
        }
    }
}

impl fmt::Display for CdbFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unspecified => f.write_str("no reason given"),
            Self::UnknownCommand => f.write_str("unknown command"),
            Self::Parameter => f.write_str("parameter out of range or not supported"),
            Self::NotAborted => f.write_str("the previous command was not aborted"),
            Self::TimedOut => f.write_str("the module's own time was over"),
            Self::CheckCode => f.write_str("wrong check code"),
            Self::Password => f.write_str("password needed or wrong"),
            Self::OperatingState => f.write_str("not in this operating state"),
            Self::Reserved(code) => write!(f, "reserved result {code}"),
            Self::Firmware(code) => write!(f, "firmware result {code}"),
            Self::Custom(code) => write!(f, "custom result {code}"),
        }
    }
}

/// A status byte, 00h:37 or 38.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CdbStatus {
    /// No command since the reset.
    Idle,
    /// Busy: 1 captured, 2 checking, 3 processing, others reserved.
    Busy(u8),
    /// The last command succeeded: 1, or 3 with the previous command aborted; others reserved.
    Success(u8),
    /// The last command failed.
    Failed(CdbFailure),
}

impl CdbStatus {
    /// The status of a byte.
    #[must_use]
    pub const fn from_byte(byte: u8) -> Self {
        let code = byte & 0x3F;
        match (byte & 0x80 != 0, byte & 0x40 != 0) {
            (true, _) => Self::Busy(code),
            (false, true) => Self::Failed(CdbFailure::from_code(code)),
            (false, false) if code == 0 => Self::Idle,
            (false, false) => Self::Success(code),
        }
    }
}

/// Why a CDB procedure ended without success.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CdbError {
    /// The module advertises no command data block.
    #[error("the module has no command data block (01h:163.7-6)")]
    NotSupported,
    /// The module has fewer instances.
    #[error("CDB instance {instance} is not one of the module's {instances} (from 1)")]
    WrongInstance {
        /// The refused instance.
        instance: u8,
        /// How many there are.
        instances: u8,
    },
    /// The module does not do this, and says so.
    #[error("the module does not support {what} (0041h)")]
    FeatureMissing {
        /// What it does not do.
        what: FirmwareFeature,
    },
    /// A payload does not fit.
    #[error("a payload of {len} bytes does not fit into {max}")]
    PayloadTooLong {
        /// Its length.
        len: usize,
        /// The longest legal one.
        max: usize,
    },
    /// An access failed while nothing was running that would explain it.
    #[error(transparent)]
    Access(#[from] ProcError),
    /// An earlier command, of whoever, is still running.
    #[error("{command} was not sent: an earlier command still runs after {} ms", limit.as_millis())]
    InUse {
        /// The command that was not sent.
        command: CommandId,
        /// How long was waited.
        limit: Duration,
    },
    /// The module failed the command.
    #[error("{command} failed: {failure}")]
    Failed {
        /// The command.
        command: CommandId,
        /// Why.
        failure: CdbFailure,
    },
    /// The command did not end in its time.
    #[error("{command} did not end within {} ms{}", limit.as_millis(), if silent.is_some() { "; the module does not answer" } else { "" })]
    TimedOut {
        /// The command.
        command: CommandId,
        /// The limit that was exceeded, margin included.
        limit: Duration,
        /// The error of the last look, where the module did not answer.
        silent: Option<TransportError>,
    },
    /// The check code of the reply is wrong.
    #[error("the reply to {command} has check code {received:02X}h, its bytes {computed:02X}h")]
    ReplyCheck {
        /// The command.
        command: CommandId,
        /// The code of the bytes.
        computed: u8,
        /// The code that was read.
        received: u8,
    },
    /// The reply is shorter, or says to be longer, than it can be.
    #[error("the reply to {command} has {len} bytes where {needed} are needed")]
    ReplyLength {
        /// The command.
        command: CommandId,
        /// The length that was read.
        len: u8,
        /// The least length, or the greatest where `len` is above it.
        needed: u8,
    },
    /// The image source had no bytes at this offset.
    #[error("the firmware image cannot be read at byte {offset}")]
    ImageUnreadable {
        /// From the beginning of the image.
        offset: u32,
    },
    /// The image is shorter than what the start command takes from its beginning.
    #[error("a firmware image of {len} bytes is shorter than the {needed} bytes of the start command")]
    ImageTooShort {
        /// Its length.
        len: u32,
        /// What the start command needs.
        needed: u8,
    },
    /// After the restart the module runs the same image as before.
    #[error("the module runs the same firmware image after the restart")]
    NotSwitched,
}

impl CdbError {
    /// The stable code of this error.
    #[must_use]
    pub const fn code(&self) -> Code {
        match self {
            Self::NotSupported | Self::WrongInstance { .. } | Self::FeatureMissing { .. } => {
                Code::Unsupported
            }
            Self::PayloadTooLong { .. } => Code::TooLarge,
            Self::Access(error) => error.code(),
            Self::InUse { .. } => Code::IllegalState,
            Self::Failed { .. } => Code::ModuleRejected,
            Self::TimedOut { .. } => Code::TimedOut,
            Self::ReplyCheck { .. } | Self::ReplyLength { .. } => Code::ModuleUnreachable,
            Self::ImageUnreadable { .. } | Self::ImageTooShort { .. } => Code::InvalidField,
            Self::NotSwitched => Code::ReadBackMismatch,
        }
    }
}

/// Something that firmware management may lack (reply to 0041h).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FirmwareFeature {
    /// Writing blocks, by local or extended payload.
    Download,
    /// Copying an image.
    Copy,
    /// Aborting a download.
    Abort,
}

impl fmt::Display for FirmwareFeature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Download => "writing firmware",
            Self::Copy => "copying a firmware image",
            Self::Abort => "aborting a download",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_check_code_is_the_complement_of_the_sum() {
        // Enter Password with 00 00 10 11h: 01 + 04 + 10 + 11 = 26h.
        let code = command_check_code(CommandId::ENTER_PASSWORD, 0, &[0x00, 0x00, 0x10, 0x11]);
        assert_eq!(code, !0x26);
        assert_eq!(check_code(&[]), 0xFF);
    }

    #[test]
    fn every_status_byte_has_one_meaning() {
        assert_eq!(CdbStatus::from_byte(0x00), CdbStatus::Idle);
        assert_eq!(CdbStatus::from_byte(0x01), CdbStatus::Success(1));
        assert_eq!(CdbStatus::from_byte(0x83), CdbStatus::Busy(3));
        assert_eq!(CdbStatus::from_byte(0x46), CdbStatus::Failed(CdbFailure::Password));
        assert_eq!(CdbStatus::from_byte(0x60), CdbStatus::Failed(CdbFailure::Firmware(32)));
        assert_eq!(CdbStatus::from_byte(0x7F), CdbStatus::Failed(CdbFailure::Custom(63)));
        for code in 0..64 {
            assert_eq!(CdbFailure::from_code(code).code(), code);
        }
    }

    proptest! {
        #[test]
        fn a_message_with_its_check_code_sums_up_to_all_ones(id in any::<u16>(), epl in any::<u16>(), lpl in proptest::collection::vec(any::<u8>(), 0..120)) {
            let code = command_check_code(CommandId(id), epl, &lpl);
            let mut all = std::vec::Vec::from(id.to_be_bytes());
            all.extend(epl.to_be_bytes());
            all.push(u8::try_from(lpl.len()).unwrap());
            all.extend(&lpl);
            let sum = all.iter().fold(code, |sum, byte| sum.wrapping_add(*byte));
            prop_assert_eq!(sum, 0xFF);
        }
    }
}
