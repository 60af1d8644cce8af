//! Living on a SONiC switch, beside the software that cares for its ports.
//!
//! ```no_run
//! use ipowdm_agent::mode::ModeChoice;
//! use ipowdm_agent::sonic::{self, Look};
//! use std::path::Path;
//!
//! let root = Path::new("/");
//! let mut databases = sonic::open(root)?;
//! let ports = ["Ethernet0".parse()?];
//! let look = Look { ports: &ports, numbers: &Default::default(), eeprom: None };
//! let found = sonic::detect(root, databases.as_mut(), &look, ModeChoice::Auto)?;
//! println!("mode {}", found.mode);
//! for reason in &found.reasons {
//!     println!("  because {reason}");
//! }
//! for conflict in &found.conflicts {
//!     println!("  but {conflict}; {}", conflict.fix());
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Every path is taken below a root, which is `/` on the switch itself. What each mode reads and writes is told in
//! `docs/sonic.md`.

mod attach;
pub mod catalogue;
mod connection;
pub mod detect;
pub mod eeprom;
mod error;
pub mod facts;
pub mod follow;
pub mod goal;
mod link;
pub mod numbers;
mod platform;
mod port;
mod row;
mod supplement;
pub mod view;

pub use attach::{AdminStatus, AttachError, attach};
pub use catalogue::{Catalogue, Database, Place};
pub use connection::Connection;
pub use detect::{Conflict, Detection, Reason, detect};
pub use error::SonicError;
pub use facts::{CmisManager, Facts, Look, PortFacts};
pub use link::Link;
pub use numbers::PortNumbers;
pub use platform::Platform;
pub use port::SwitchPort;
pub use row::Row;
pub use supplement::Supplement;
pub use view::View;

use std::path::Path;

/// A connection to the databases of the switch below `root`; `None` where there is no SONiC. It connects when it is used.
///
/// # Errors
/// [`SonicError`] where the catalogue of databases cannot be read or understood.
pub fn open(root: &Path) -> Result<Option<Connection>, SonicError> {
    Ok(Catalogue::read(root)?.map(Connection::new))
}
