//! Transports of a hosted system.

mod bus_cost;
pub mod i2c;
mod image;
pub mod line_protocol;
mod linear;
mod optoe;
#[cfg(unix)]
mod socket;
mod spec;

pub use bus_cost::{BusCost, Priced};
pub use image::Image;
#[cfg(feature = "json")]
pub use image::{ImageError, MAX_IMAGE};
pub use linear::{Linear, LinearMemory, TRUST};
pub use optoe::{EepromFile, Optoe, OptoeError};
#[cfg(unix)]
pub use socket::{PATIENCE, Socket, SocketClock, SocketEeprom, SocketError};
pub use spec::{ModuleSpec, OpenError, OpenModule, SpecError, StillClock};
