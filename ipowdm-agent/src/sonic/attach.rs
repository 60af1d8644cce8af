//! The ports of an agent on a switch, by the mode that was found.

use super::detect::{Conflict, Detection};
use super::{Catalogue, Connection, Database, PortFacts, Supplement, SwitchPort};
use crate::mode::Mode;
use crate::module_lock::{LockError, Locked, ModuleLock};
use crate::port::{AdminSwitch, Failure};
use crate::runtime::{AgentBuilder, WallClock};
use ipowdm_cmis::access::Eeprom;
use ipowdm_cmis::transport::Optoe;
use ipowdm_core::ids::PortId;
use ipowdm_core::msg::AdminState;
use std::path::{Path, PathBuf};

/// Why the ports of a switch cannot be served.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AttachError {
    /// The switch is not set up for the mode.
    #[error("{}", listed(.0))]
    Conflicts(Vec<Conflict>),
    /// A module is in use.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// A module's file cannot be opened.
    #[error("{port}: {}: {reason}", path.display())]
    Module {
        /// The port.
        port: PortId,
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
}

fn listed(conflicts: &[Conflict]) -> String {
    let words: Vec<String> = conflicts.iter().map(|c| format!("{c}; {}", c.fix())).collect();
    words.join("\n")
}

/// Gives an agent the ports that were looked at, each as the mode has it. `locks` is the folder of the locks of modules
/// whose registers are accessed; `wall` tells how old the switch's monitors are.
///
/// # Errors
/// [`AttachError`].
pub fn attach(
    mut builder: AgentBuilder,
    catalogue: &Catalogue,
    found: &Detection,
    locks: &Path,
    wall: &WallClock,
) -> Result<AgentBuilder, AttachError> {
    let fatal: Vec<Conflict> = found.fatal().cloned().collect();
    if !fatal.is_empty() {
        return Err(AttachError::Conflicts(fatal));
    }
    for (port, known) in &found.facts.ports {
        let databases = Connection::new(catalogue.clone());
        let proxy = |databases| SwitchPort::new(port.clone(), found.mode, databases, wall.clone());
        builder = match found.mode {
            Mode::Observe | Mode::Configure => builder.proxied_port(port.clone(), Box::new(proxy(databases))),
            Mode::Supplement => {
                let (eeprom, lock) = open(port, known, locks)?;
                let supplement = Supplement::new(eeprom, Some(lock));
                builder.proxied_port(port.clone(), Box::new(proxy(databases).supplemented(supplement)))
            }
            Mode::Own => {
                let (eeprom, lock) = open(port, known, locks)?;
                let admin = AdminStatus::new(port.clone(), databases);
                builder.owned_port(port.clone(), Box::new(Locked::new(eeprom, lock)), Box::new(admin))
            }
        };
    }
    Ok(builder)
}

type Registers = (Box<dyn Eeprom + Send>, ModuleLock);

fn open(port: &PortId, known: &PortFacts, locks: &Path) -> Result<Registers, AttachError> {
    // Conflicts have told of every port without a file.
    let path = known.eeprom.as_ref().and_then(|found| Some(found.as_ref().ok()?.path.clone()));
    let path = path.unwrap_or_default();
    let lock = ModuleLock::take(locks, &path)?;
    match Optoe::open(&path) {
        Ok(eeprom) => Ok((Box::new(eeprom), lock)),
        Err(error) => Err(AttachError::Module { port: port.clone(), path, reason: error.to_string() }),
    }
}

/// `admin_status` of a port in the switch's configuration.
#[derive(Debug)]
pub struct AdminStatus {
    port: PortId,
    databases: Connection,
    writes: u64,
}

impl AdminStatus {
    /// Of a port, over a connection of its own.
    #[must_use]
    pub const fn new(port: PortId, databases: Connection) -> Self {
        Self { port, databases, writes: 0 }
    }
}

impl AdminSwitch for AdminStatus {
    fn set(&mut self, state: AdminState) -> Result<(), Failure> {
        let wanted = match state {
            AdminState::Up => "up",
            AdminState::Down => "down",
        };
        let row = self.databases.row(Database::Config, "PORT", self.port.as_str())?;
        if row.is_empty() {
            return Err(super::goal::Refused::NoPort.into());
        }
        if row.text("admin_status") == Some(wanted) {
            return Ok(());
        }
        self.writes += 1;
        let fields = [("admin_status", wanted)];
        Ok(self.databases.set(Database::Config, "PORT", self.port.as_str(), &fields)?)
    }

    fn writes(&self) -> u64 {
        self.writes
    }
}
