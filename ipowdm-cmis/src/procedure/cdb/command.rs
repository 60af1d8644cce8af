//! Commands that are one exchange each.

use super::exchange::{DEFAULT_LIMIT, Exchange, Link, Manners, Next, NoPayload};
use super::firmware::{FirmwareFeatures, FirmwareInfo};
use super::message::{CdbError, CommandId, FirmwareFeature, Lpl, MAX_LPL};
use crate::procedure::module_info::ModuleInfo;
use crate::procedure::{Op, Procedure, Reply};
use crate::time::Millis;
use core::time::Duration;

/// A command: what is sent, how long it may take, what its reply means.
pub trait CdbCommand {
    /// What the reply says.
    type Output;

    /// Its number.
    fn id(&self) -> CommandId;

    /// Its local payload.
    fn payload(&self) -> Lpl {
        Lpl::new()
    }

    /// How long the module may take for it; never less than the advertised busy time.
    fn limit(&self) -> Duration {
        DEFAULT_LIMIT
    }

    /// Whether it is sent while another command runs.
    fn interrupts(&self) -> bool {
        false
    }

    /// The meaning of the reply.
    ///
    /// # Errors
    /// [`CdbError::ReplyLength`] where it is too short.
    fn decode(&self, reply: &[u8]) -> Result<Self::Output, CdbError>;
}

/// Sends a command and takes its reply.
#[derive(Debug)]
pub struct Cdb<C> {
    command: C,
    exchange: Exchange,
}

impl<C: CdbCommand> Cdb<C> {
    /// `command` for a CDB instance of the module, 1 or 2.
    ///
    /// # Errors
    /// [`CdbError::NotSupported`], [`CdbError::WrongInstance`] or [`CdbError::Access`] where the module cannot be
    /// controlled; it has not been accessed.
    pub fn new(info: &ModuleInfo, instance: u8, command: C) -> Result<Self, CdbError> {
        let link = Link::new(info, instance)?;
        let manners = Manners { interrupts: command.interrupts(), restarts: false };
        let exchange = Exchange::new(link, command.id(), command.payload(), 0, command.limit(), manners)?;
        Ok(Self { command, exchange })
    }
}

impl<C: CdbCommand> Procedure for Cdb<C> {
    type Output = Result<C::Output, CdbError>;

    fn step(&mut self, now: Millis, reply: Reply<'_>) -> Op<Self::Output> {
        if reply == Reply::Start {
            return self.exchange.start(now);
        }
        match self.exchange.step(now, &reply, &mut NoPayload) {
            Ok(Next::Op(op)) => op,
            Ok(Next::Done) => Op::Done(self.command.decode(self.exchange.reply())),
            Err(error) => Op::Done(Err(error)),
        }
    }
}

/// A local payload of `bytes`; what does not fit is refused where the payload is made.
pub(super) fn lpl(bytes: &[u8]) -> Lpl {
    let mut out = Lpl::new();
    let _ = out.extend_from_slice(&bytes[..bytes.len().min(MAX_LPL)]);
    out
}

/// Any command, by its number; the reply comes as bytes.
#[derive(Debug, Clone)]
pub struct RawCommand {
    id: CommandId,
    payload: Lpl,
    limit: Duration,
}

impl RawCommand {
    /// A command with its local payload and the time it may take.
    ///
    /// # Errors
    /// [`CdbError::PayloadTooLong`].
    pub fn new(id: CommandId, payload: &[u8], limit: Duration) -> Result<Self, CdbError> {
        let payload = Lpl::from_slice(payload)
            .map_err(|_| CdbError::PayloadTooLong { len: payload.len(), max: MAX_LPL })?;
        Ok(Self { id, payload, limit })
    }
}

impl CdbCommand for RawCommand {
    type Output = Lpl;

    fn id(&self) -> CommandId {
        self.id
    }

    fn payload(&self) -> Lpl {
        self.payload.clone()
    }

    fn limit(&self) -> Duration {
        self.limit
    }

    fn decode(&self, reply: &[u8]) -> Result<Lpl, CdbError> {
        Ok(lpl(reply))
    }
}

/// A host password. It is not shown in debug output.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Password(pub [u8; 4]);

impl Password {
    /// The host password of a module as delivered, 00001011h.
    pub const DEFAULT: Self = Self([0x00, 0x00, 0x10, 0x11]);
}

impl core::fmt::Debug for Password {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Password")
    }
}

/// 0001h: enters the password; protected commands are allowed until the next reset.
#[derive(Debug, Clone, Copy)]
pub struct EnterPassword(pub Password);

impl CdbCommand for EnterPassword {
    type Output = ();

    fn id(&self) -> CommandId {
        CommandId::ENTER_PASSWORD
    }

    fn payload(&self) -> Lpl {
        lpl(&self.0.0)
    }

    fn decode(&self, _reply: &[u8]) -> Result<(), CdbError> {
        Ok(())
    }
}

/// 0002h: changes the password; the present one has to be entered before.
#[derive(Debug, Clone, Copy)]
pub struct ChangePassword(pub Password);

impl CdbCommand for ChangePassword {
    type Output = ();

    fn id(&self) -> CommandId {
        CommandId::CHANGE_PASSWORD
    }

    fn payload(&self) -> Lpl {
        lpl(&self.0.0)
    }

    fn decode(&self, _reply: &[u8]) -> Result<(), CdbError> {
        Ok(())
    }
}

macro_rules! plain_commands {
    ($($(#[$doc:meta])* $name:ident = $id:ident, $interrupts:literal;)*) => {
        $(
            $(#[$doc])*
            #[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
            pub struct $name;

            impl CdbCommand for $name {
                type Output = ();

                fn id(&self) -> CommandId {
                    CommandId::$id
                }

                fn interrupts(&self) -> bool {
                    $interrupts
                }

                fn decode(&self, _reply: &[u8]) -> Result<(), CdbError> {
                    Ok(())
                }
            }
        )*
    };
}

plain_commands! {
    /// 0004h: aborts the command that runs in the background.
    AbortProcessing = ABORT, true;
}

/// 0041h: what firmware management is able to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct GetFirmwareFeatures;

impl CdbCommand for GetFirmwareFeatures {
    type Output = FirmwareFeatures;

    fn id(&self) -> CommandId {
        CommandId::FIRMWARE_FEATURES
    }

    fn decode(&self, reply: &[u8]) -> Result<FirmwareFeatures, CdbError> {
        FirmwareFeatures::decode(reply)
    }
}

/// 0100h: which firmware images there are, which runs and which is committed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct GetFirmwareInfo;

impl CdbCommand for GetFirmwareInfo {
    type Output = FirmwareInfo;

    fn id(&self) -> CommandId {
        CommandId::FIRMWARE_INFO
    }

    fn decode(&self, reply: &[u8]) -> Result<FirmwareInfo, CdbError> {
        FirmwareInfo::decode(reply)
    }
}

/// 0102h: gives up the download that was begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AbortDownload {
    limit: Duration,
}

impl AbortDownload {
    /// For a module with these features.
    ///
    /// # Errors
    /// [`CdbError::FeatureMissing`].
    pub const fn new(features: &FirmwareFeatures) -> Result<Self, CdbError> {
        if features.abort {
            Ok(Self { limit: features.abort_limit })
        } else {
            Err(CdbError::FeatureMissing { what: FirmwareFeature::Abort })
        }
    }
}

impl CdbCommand for AbortDownload {
    type Output = ();

    fn id(&self) -> CommandId {
        CommandId::ABORT_DOWNLOAD
    }

    fn limit(&self) -> Duration {
        self.limit
    }

    fn decode(&self, _reply: &[u8]) -> Result<(), CdbError> {
        Ok(())
    }
}

/// A place for a firmware image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FirmwareBank {
    /// Image A.
    A,
    /// Image B.
    B,
}

/// 0108h: copies one image over the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CopyImage {
    from: FirmwareBank,
    limit: Duration,
}

impl CopyImage {
    /// Copies the image of `from` over the other one, on a module with these features.
    ///
    /// # Errors
    /// [`CdbError::FeatureMissing`].
    pub const fn new(features: &FirmwareFeatures, from: FirmwareBank) -> Result<Self, CdbError> {
        if features.copy {
            Ok(Self { from, limit: features.copy_limit })
        } else {
            Err(CdbError::FeatureMissing { what: FirmwareFeature::Copy })
        }
    }
}

impl CdbCommand for CopyImage {
    type Output = ();

    fn id(&self) -> CommandId {
        CommandId::COPY_IMAGE
    }

    /// The direction: ABh from A to B, BAh from B to A.
    fn payload(&self) -> Lpl {
        lpl(&[match self.from {
            FirmwareBank::A => 0xAB,
            FirmwareBank::B => 0xBA,
        }])
    }

    fn limit(&self) -> Duration {
        self.limit
    }

    fn decode(&self, _reply: &[u8]) -> Result<(), CdbError> {
        Ok(())
    }
}

/// 010Ah: the running image is the one that runs after the next reset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CommitImage {
    limit: Duration,
}

impl CommitImage {
    /// For a module with these features. CMIS advertises no time for the commit; as much as for a completion is allowed.
    #[must_use]
    pub fn new(features: &FirmwareFeatures) -> Self {
        Self { limit: features.complete_limit.max(DEFAULT_LIMIT) }
    }
}

impl CdbCommand for CommitImage {
    type Output = ();

    fn id(&self) -> CommandId {
        CommandId::COMMIT_IMAGE
    }

    fn limit(&self) -> Duration {
        self.limit
    }

    fn decode(&self, _reply: &[u8]) -> Result<(), CdbError> {
        Ok(())
    }
}
