//! What a procedure can fail with.

use crate::access::TransportError;
use crate::codes::{ConfigStatus, DataPathState, ModuleState};
use crate::map::Address;
use core::fmt;
use core::time::Duration;
use ipowdm_core::error::Code;
use ipowdm_core::grid::SpectrumWindow;
use ipowdm_core::units::{Frequency, Power};

/// What a procedure was waiting for when its time ran out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Awaited {
    /// A module state; with the one last seen.
    Module {
        /// The state waited for.
        wanted: ModuleState,
        /// The state last read.
        seen: ModuleState,
    },
    /// A data-path state on all lanes; with the state of the first lane that is not there.
    DataPath {
        /// The state waited for.
        wanted: DataPathState,
        /// The state last read.
        seen: DataPathState,
        /// The lane, 1-8.
        lane: u8,
    },
    /// The end of ConfigInProgress.
    Configuration,
    /// The end of tuning.
    Tuning,
    /// The wavelength lock at this frequency, with the frequency last read.
    Lock {
        /// The frequency waited for.
        wanted: Frequency,
        /// The frequency last read.
        seen: Frequency,
    },
}

impl fmt::Display for Awaited {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Module { wanted, seen } => write!(f, "module state {wanted}, still {seen}"),
            Self::DataPath { wanted, seen, lane } => {
                write!(f, "data path state {wanted}, lane {lane} still {seen}")
            }
            Self::Configuration => f.write_str("the end of ConfigInProgress"),
            Self::Tuning => f.write_str("the end of laser tuning"),
            Self::Lock { wanted, seen } => write!(f, "the laser at {wanted}, still {seen}"),
        }
    }
}

/// A setting that is compared when it is read back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Setting {
    /// The frequency of grid and channel, 12h:128 and 136.
    Frequency,
    /// The target power, 12h:200.
    TxPower,
    /// The application of the active control set, 11h:206.
    Application,
    /// The transmitter output, 10h:130.
    TxOutput,
    /// The data-path de-initialisation request, 10h:128.
    DataPathDeinit,
    /// The module state.
    ModuleState,
    /// The data-path state.
    DataPathState,
}

impl fmt::Display for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Frequency => "frequency (12h:128, 136)",
            Self::TxPower => "target power (12h:200)",
            Self::Application => "application (11h:206)",
            Self::TxOutput => "OutputDisableTx (10h:130)",
            Self::DataPathDeinit => "DPDeinit (10h:128)",
            Self::ModuleState => "module state (00h:3)",
            Self::DataPathState => "data path state (11h:128)",
        })
    }
}

/// Why a procedure ended without success.
///
/// The variants that name legal values are raised before the first write; nothing in the module has changed then.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProcError {
    /// An access failed.
    #[error("{source} at {at}")]
    Bus {
        /// Where.
        at: Address,
        /// Why.
        source: TransportError,
    },
    /// The port holds something that does not speak CMIS.
    #[error("identifier {identifier:02X}h with revision byte {revision:02X}h is not a CMIS module")]
    NotCmis {
        /// 00h:0.
        identifier: u8,
        /// 00h:1.
        revision: u8,
    },
    /// The port holds another module than the one that was identified.
    #[error("the port holds another module than the one identified")]
    ModuleChanged,
    /// The module follows a CMIS revision whose controls mean something else: before 4.0 the bits of 10h:128 are
    /// inverted.
    #[error("CMIS revision {major}.{minor} is too old to be controlled; 4.0 is the oldest")]
    RevisionTooOld {
        /// Major revision.
        major: u8,
        /// Minor revision.
        minor: u8,
    },
    /// The module has flat memory: no control pages, no state machines.
    #[error("the module has flat memory and nothing to control")]
    FlatMemory,
    /// The module is not tunable (01h:155.6 = 0).
    #[error("the module's laser is not tunable (01h:155.6)")]
    NotTunable,
    /// The frequency is beyond every grid's channels.
    #[error("{frequency} is outside what the module can tune to, {} to {}", legal.low, legal.high)]
    FrequencyOutOfRange {
        /// The refused frequency.
        frequency: Frequency,
        /// The range over all grids.
        legal: SpectrumWindow,
    },
    /// The frequency is on none of the module's grids.
    #[error("{frequency} is on none of the module's grids; nearest channels are {below} and {above}")]
    FrequencyOffGrid {
        /// The refused frequency.
        frequency: Frequency,
        /// The nearest channel below, on any grid.
        below: Frequency,
        /// The nearest channel above, on any grid.
        above: Frequency,
    },
    /// The power is outside the advertised range.
    #[error("{power} is outside the module's range, {min} to {max}")]
    PowerOutOfRange {
        /// The refused power.
        power: Power,
        /// Least programmable power, 04h:198.
        min: Power,
        /// Greatest programmable power, 04h:200.
        max: Power,
    },
    /// The module does not let the host set the power (04h:196.7 = 0).
    #[error("the module's output power is not programmable (04h:196.7)")]
    PowerNotProgrammable,
    /// No advertised application fits.
    #[error("no advertised application fits the request; the module advertises {advertised}")]
    NoApplication {
        /// Number of advertised applications.
        advertised: u8,
    },
    /// The module state does not allow the operation.
    #[error("the module is in state {state}")]
    WrongState {
        /// The state read.
        state: ModuleState,
    },
    /// The module is in its fault state.
    #[error("the module is in its fault state (cause {cause})")]
    Fault {
        /// 00h:41, module fault cause.
        cause: u8,
    },
    /// The module did not do in time what it advertises.
    #[error("timed out after {} ms waiting for {awaited}", limit.as_millis())]
    TimedOut {
        /// What was waited for.
        awaited: Awaited,
        /// The limit that was exceeded, margin included.
        limit: Duration,
    },
    /// The module rejected the configuration of a lane.
    #[error("lane {lane}: configuration {status}")]
    Rejected {
        /// The lane, 1-8.
        lane: u8,
        /// Its ConfigStatus.
        status: ConfigStatus,
    },
    /// The module ignored the apply trigger as often as it was given.
    #[error("the module ignored ApplyDPInit {attempts} times")]
    ApplyIgnored {
        /// How often it was triggered.
        attempts: u8,
    },
    /// The module raised a tuning flag (12h:231).
    #[error("the module refused the laser setting, flags {flags:02X}h (12h:231)")]
    TuningRefused {
        /// b5 power out of range, b4 fine tuning out of range, b3 not accepted, b2 invalid channel.
        flags: u8,
    },
    /// What was read back is not what was written.
    #[error("{setting} was read back different from what was written")]
    Mismatch {
        /// The setting.
        setting: Setting,
    },
    /// A runner gave a reply that does not belong to the last operation.
    #[error("the runner gave a reply out of step")]
    OutOfStep,
}

impl ProcError {
    /// The stable code of this error.
    #[must_use]
    pub const fn code(&self) -> Code {
        match self {
            Self::Bus { source, .. } => match source {
                TransportError::Absent => Code::ModuleAbsent,
                TransportError::PageUnsupported { .. } => Code::Unsupported,
                TransportError::Busy | TransportError::TimedOut | TransportError::Io(_) => {
                    Code::ModuleUnreachable
                }
                TransportError::BadAccess { .. } | TransportError::MixedWrite { .. } => Code::Internal,
            },
            Self::ModuleChanged => Code::IllegalState,
            Self::NotCmis { .. }
            | Self::FlatMemory
            | Self::RevisionTooOld { .. }
            | Self::NotTunable
            | Self::PowerNotProgrammable
            | Self::NoApplication { .. } => Code::Unsupported,
            Self::FrequencyOutOfRange { .. } => Code::FrequencyOutOfRange,
            Self::FrequencyOffGrid { .. } => Code::FrequencyOffGrid,
            Self::PowerOutOfRange { .. } => Code::PowerOutOfRange,
            Self::WrongState { .. } => Code::IllegalState,
            Self::Fault { .. } => Code::ModuleFault,
            Self::TimedOut { .. } => Code::TimedOut,
            Self::Rejected { .. } | Self::ApplyIgnored { .. } | Self::TuningRefused { .. } => {
                Code::ModuleRejected
            }
            Self::Mismatch { .. } => Code::ReadBackMismatch,
            Self::OutOfStep => Code::Internal,
        }
    }
}
