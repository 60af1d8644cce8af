//! The command data block: commands and firmware (OIF-CMIS-05.4, pages 9Fh-AFh).
//!
//! Commands run in the foreground, where the module acknowledges no access until it is done, or in the background, where
//! its status tells. Both are waited for in the same way: by looks at the status byte until the command's own limit, and
//! a module that does not answer meanwhile is not taken for gone.
//!
//! A command data block has one user: two hosts that talk to it at the same time spoil each other's messages.

mod command;
mod download;
mod exchange;
mod firmware;
mod message;

pub use command::{
    AbortDownload, AbortProcessing, Cdb, CdbCommand, ChangePassword, CommitImage, CopyImage, EnterPassword,
    FirmwareBank, GetFirmwareFeatures, GetFirmwareInfo, Password, RawCommand,
};
pub use download::{Download, Downloaded, ImageSource, Restarted, RunFirmware, RunMode};
pub use firmware::{BlockMechanism, FirmwareFeatures, FirmwareImage, FirmwareInfo};
pub use message::{
    CdbError, CdbFailure, CdbStatus, CommandId, FirmwareFeature, Lpl, MAX_LPL, check_code, command_check_code,
};

#[cfg(test)]
mod tests;
