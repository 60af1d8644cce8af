//! A module in software, register-true behind the raw window that a real one shows.
//!
//! [`EmulatedModule`] is a handle that can be cloned and shared between threads. Its [`EmulatedModule::window`] is the
//! 256-byte window at I2C address 50h, [`EmulatedModule::eeprom`] the same with paging on top, [`LinearModule`] the memory by
//! the linear offsets of optoe, and [`socket`] that memory for other programs: everything above learns only what it reads
//! from registers.
//!
//! What kind of module it is, is data: a [`Profile`] (400ZR, OpenZR+, 800ZR, grey, copper, two banks, or a TOML file).
//!
//! The state at any instant is computed when somebody looks: there is no thread and no timer for a module, so thousands
//! of them cost only what is read, and a module that was left alone for a month answers at once. Time comes from a
//! [`ModuleClock`]: virtual (a test advances it) or the host's, scaled. Measurement noise is a function of the serial number
//! and the time, so that the same history reads the same.
//!
//! What the module receives comes from the [`crate::line`] attached to it, or is darkness: from received power, OSNR,
//! dispersion and polarisation it derives its monitors, VDM samples, statistics, loss of signal and flags. [`Control`] is
//! the line, the surroundings and the [`Fault`]s of a module as one document; `docs/emulator.md` describes it, and what the
//! emulator does where the specification leaves a choice.

mod apply;
mod cdb;
mod cells;
mod clock;
mod control;
mod core;
mod diagnostics;
mod environment;
mod faults;
mod firmware;
mod handle;
mod laser;
mod linear;
mod memory;
mod meter;
mod optics;
mod performance;
mod placement;
mod profile;
mod receiver;
#[cfg(unix)]
pub mod socket;
mod status;
mod vdm;
mod window;

pub use clock::{ModuleClock, VirtualClock};
pub use control::{Control, ControlError, Surroundings};
pub use faults::{Fault, FaultError};
pub use handle::EmulatedModule;
pub(crate) use handle::Shared;
pub use linear::{LinearModule, POLLING};
pub(crate) use optics::{CARRIERS, OpticalState};
pub use profile::{
    ApplicationRow, CdbProfile, Dwell, FineTuning, FirmwareVersion, FixedTransmitter, GridChannels, HoldOffs,
    LaserProfile, PowerOn, Profile, ProfileData, ProfileError, ReceiverProfile, RegisterValue,
    StateDurations, VdmGroup, VdmInstance, VdmProfile, VdmThresholds,
};
pub use receiver::{Emission, ReceivedLight};
pub(crate) use receiver::{ReceivedSignal, db_to_linear, linear_to_db};
pub use window::EmulatedWindow;
