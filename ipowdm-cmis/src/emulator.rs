//! A module in software, register-true behind the raw window that a real one shows.
//!
//! [`EmulatedModule`] is a handle that can be cloned and shared between threads. Its [`EmulatedModule::window`] is the
//! 256-byte window at I2C address 50h, and [`EmulatedModule::eeprom`] the same with paging on top: everything above
//! learns only what it reads from registers.
//!
//! The state at any instant is computed when somebody looks: there is no thread and no timer for a module, so thousands
//! of them cost only what is read. Time comes from a [`ModuleClock`]: virtual (a test advances it) or the host's,
//! scaled.
//!
//! What the module receives comes from the [`crate::line::OpticalLine`] attached to it, or is darkness.

mod apply;
mod cells;
mod clock;
mod core;
mod handle;
mod laser;
mod linear;
mod profile;
mod receiver;
mod registers;
#[cfg(unix)]
pub mod socket;

pub use clock::{ModuleClock, VirtualClock};
pub(crate) use handle::Shared;
pub use handle::{EmulatedModule, EmulatedWindow};
pub use linear::{LinearModule, POLLING};
pub use profile::{ApplicationRow, Dwell, PowerOn, Profile};
pub use receiver::{Emission, ReceivedLight};
pub(crate) use receiver::{ReceivedSignal, db_to_linear, linear_to_db};
