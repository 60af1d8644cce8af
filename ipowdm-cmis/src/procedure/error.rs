//! What a procedure can fail with.

mod details;

pub use details::{LaneSet, LaneStatuses, LegalApplications, TuningFlags};

use super::diagnostics::{FecPosition, LoopbackPoint, Measurement, Pattern, PatternUnit, Side};
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

/// Something that a module may lack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Feature {
    /// Staged control set 1.
    StagedSet1,
    /// ApplyDPInit or ApplyImmediate on a data path that is not Deactivated.
    LiveReconfiguration,
    /// Diagnostics pages.
    Diagnostics,
    /// A loopback of this kind.
    Loopback(LoopbackPoint),
    /// Loopbacks of single lanes.
    LoopbackPerLane(Side),
    /// Input and output loopback of one lane at the same time; no module does.
    OpposedLoopbacks(Side),
    /// Host side and media side loopbacks at the same time.
    SimultaneousLoopbacks,
    /// A pattern generator or checker of this kind with this pattern.
    Pattern(PatternUnit, Pattern),
    /// Where a pattern is put in or checked, relative to FEC.
    PatternLocation(PatternUnit, FecPosition),
    /// A diagnostics measurement.
    Measurement(Measurement),
}

impl fmt::Display for Feature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::StagedSet1 => f.write_str("staged control set 1 (01h:162.5)"),
            Self::LiveReconfiguration => {
                f.write_str("this trigger on a live data path (SteppedConfigOnly, 00h:2.6, 2.1-0)")
            }
            Self::Diagnostics => f.write_str("diagnostics pages (01h:142.5)"),
            Self::Loopback(point) => write!(f, "{point} loopback (13h:128)"),
            Self::LoopbackPerLane(side) => {
                write!(f, "loopback of single {side} lanes; 00h and FFh are legal (13h:128)")
            }
            Self::OpposedLoopbacks(side) => {
                write!(f, "input and output loopback of one {side} lane at the same time (13h:180-183)")
            }
            Self::SimultaneousLoopbacks => {
                f.write_str("host and media side loopbacks at the same time (13h:128.6)")
            }
            Self::Pattern(unit, pattern) => write!(f, "{pattern} in the {unit} (13h:132-139)"),
            Self::PatternLocation(unit, position) => write!(f, "the {unit} {position} (13h:131)"),
            Self::Measurement(measurement) => write!(f, "{measurement} (13h:130)"),
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
    /// A configuration that is not in effect yet, 11h:235.
    InitPending,
    /// A loopback, 13h:180-183.
    Loopback,
    /// A pattern generator or checker, 13h:144-175.
    Pattern,
    /// Signal integrity settings of the active control set, 11h:214-234.
    SignalIntegrity,
    /// The wavelength lock, 12h:168 and 222.
    LaserLock,
    /// The diagnostics selector, which somebody else keeps changing, 14h:128.
    Selector,
}

impl Setting {
    /// Every setting, in the order in which they are told.
    pub const ALL: [Self; 13] = [
        Self::ModuleState,
        Self::Application,
        Self::Frequency,
        Self::TxPower,
        Self::DataPathDeinit,
        Self::TxOutput,
        Self::DataPathState,
        Self::InitPending,
        Self::LaserLock,
        Self::Loopback,
        Self::Pattern,
        Self::SignalIntegrity,
        Self::Selector,
    ];
}

/// Some settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SettingSet(u16);

impl SettingSet {
    /// None.
    pub const EMPTY: Self = Self(0);

    /// The set with one more.
    #[must_use]
    pub const fn with(self, setting: Setting) -> Self {
        Self(self.0 | 1 << setting as u16)
    }

    /// Whether a setting is in it.
    #[must_use]
    pub const fn holds(self, setting: Setting) -> bool {
        self.0 & (1 << setting as u16) != 0
    }

    /// Whether it is empty.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Its settings.
    pub fn iter(self) -> impl Iterator<Item = Setting> {
        Setting::ALL.into_iter().filter(move |setting| self.holds(*setting))
    }
}

impl fmt::Display for SettingSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_empty() {
            return f.write_str("nothing");
        }
        for (index, setting) in self.iter().enumerate() {
            write!(f, "{}{setting}", if index > 0 { ", " } else { "" })?;
        }
        Ok(())
    }
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
            Self::InitPending => "DPInitPending (11h:235)",
            Self::Loopback => "loopback (13h:180)",
            Self::Pattern => "pattern control (13h:144)",
            Self::LaserLock => "laser lock (12h:168, 222)",
            Self::Selector => "diagnostics selector (14h:128)",
            Self::SignalIntegrity => "signal integrity settings (11h:214)",
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
    /// The frequency lies between channels, and beside the nearest one by what fine tuning does not reach.
    #[error(
        "{frequency} needs fine tuning by {offset} MHz; the module does {low} to {high} MHz in steps of {resolution} MHz"
    )]
    FineTuningOutOfRange {
        /// The refused frequency.
        frequency: Frequency,
        /// The offset from the nearest channel, in MHz.
        offset: i32,
        /// Least offset in MHz, 04h:192.
        low: i16,
        /// Greatest offset in MHz, 04h:194.
        high: i16,
        /// Offsets are multiples of this, in MHz, 04h:190.
        resolution: u16,
    },
    /// No advertised application fits.
    #[error("no advertised application fits the request; legal are {legal}")]
    NoApplication {
        /// What the module advertises.
        legal: LegalApplications,
    },
    /// The lane does not exist, or no instance of the application may begin there.
    #[error(
        "host lane {lane} is no first lane of this application; legal first lanes are {legal} in each of {banks} banks"
    )]
    WrongLane {
        /// The refused lane, from 1.
        lane: u8,
        /// Legal first lanes within a bank, lane 1 in bit 0.
        legal: LaneSet,
        /// Number of banks.
        banks: u8,
    },
    /// The module has fewer banks.
    #[error("bank {bank} is not one of the module's {banks} banks (0 to {})", banks.saturating_sub(1))]
    WrongBank {
        /// The refused bank.
        bank: u8,
        /// Number of banks.
        banks: u8,
    },
    /// The module does not have what is needed, and says so.
    #[error("the module does not support {feature}")]
    NotSupported {
        /// What it does not have, with the register that says so.
        feature: Feature,
    },
    /// The module state does not allow the operation.
    #[error("the module is in state {state}")]
    WrongState {
        /// The state read.
        state: ModuleState,
    },
    /// The data-path state of a lane does not allow the operation.
    #[error("lane {lane} is {seen}; {wanted} or Activated is needed (11h:128)")]
    WrongPathState {
        /// The lane, 1-8 within its bank.
        lane: u8,
        /// A state that would do.
        wanted: DataPathState,
        /// The state read.
        seen: DataPathState,
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
    #[error("lane {lane}: configuration {status} (11h:202; all lanes: {lanes})")]
    Rejected {
        /// The first rejected lane, 1-8 within its bank.
        lane: u8,
        /// Its ConfigStatus.
        status: ConfigStatus,
        /// The ConfigStatus of every lane of the bank.
        lanes: LaneStatuses,
    },
    /// The module ignored the apply trigger as often as it was given.
    #[error("the module ignored the apply trigger (10h:143) {attempts} times")]
    ApplyIgnored {
        /// How often it was triggered.
        attempts: u8,
    },
    /// The module raised a tuning flag (12h:231).
    #[error("the laser of media lane {lane} refused the setting: {flags} (12h:231)")]
    TuningRefused {
        /// The media lane, 1-8 within its bank.
        lane: u8,
        /// The flags.
        flags: TuningFlags,
    },
    /// What was read back is not what was written.
    #[error("{setting} was read back different from what was written")]
    Mismatch {
        /// The setting.
        setting: Setting,
    },
    /// A byte whose mask was to change holds no flags.
    #[error("{at} holds no flags with a mask")]
    NotAFlag {
        /// The byte.
        at: Address,
    },
    /// More changes than one procedure makes.
    #[error("at most {most} changes at once")]
    TooManyChanges {
        /// The limit.
        most: usize,
    },
    /// A sweep was asked for no bank.
    #[error("a full sweep needs the catalogue of at least one bank")]
    NothingToRead,
    /// A sweep was asked for more than it can hold.
    #[error("a full sweep of these banks has {bytes} bytes; it holds {most}")]
    TooMuchToRead {
        /// Bytes asked for, up to the read that did not fit.
        bytes: usize,
        /// Bytes it can hold.
        most: usize,
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
            | Self::WrongLane { .. }
            | Self::WrongBank { .. }
            | Self::NotSupported { .. }
            | Self::NoApplication { .. } => Code::Unsupported,
            Self::FrequencyOutOfRange { .. } => Code::FrequencyOutOfRange,
            Self::FrequencyOffGrid { .. } | Self::FineTuningOutOfRange { .. } => Code::FrequencyOffGrid,
            Self::PowerOutOfRange { .. } => Code::PowerOutOfRange,
            Self::WrongState { .. } | Self::WrongPathState { .. } => Code::IllegalState,
            Self::Fault { .. } => Code::ModuleFault,
            Self::TimedOut { .. } => Code::TimedOut,
            Self::Rejected { .. } | Self::ApplyIgnored { .. } | Self::TuningRefused { .. } => {
                Code::ModuleRejected
            }
            Self::Mismatch { .. } => Code::ReadBackMismatch,
            Self::OutOfStep
            | Self::NotAFlag { .. }
            | Self::TooManyChanges { .. }
            | Self::NothingToRead
            | Self::TooMuchToRead { .. } => Code::Internal,
        }
    }
}
