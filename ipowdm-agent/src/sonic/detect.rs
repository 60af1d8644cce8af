//! Which mode an agent works in on a switch, and why.
//!
//! `auto` never chooses a mode that writes beside the switch's own software: it owns modules only where there is no such
//! software, or where it was told to leave the modules alone (no CMIS manager, no polling), and observes otherwise.
//! [`Mode::Configure`] and [`Mode::Supplement`] are asked for by name.

use super::facts::{CmisManager, Facts, Look, SerialCheck};
use super::numbers::Disagreement;
use super::{Connection, SonicError};
use crate::mode::{Mode, ModeChoice};
use core::fmt;
use ipowdm_core::error::Code;
use ipowdm_core::ids::PortId;
use std::path::Path;

/// Why a mode was chosen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reason {
    /// There are no databases of SONiC.
    NotSonic,
    /// The settings ask for it.
    Asked(Mode),
    /// What was found of the CMIS manager.
    Manager(CmisManager),
    /// The switch polls the monitors of these ports.
    Polled(Vec<PortId>),
    /// The switch polls none of the managed ports.
    NotPolled,
    /// These ports have no file by which their modules could be reached.
    NoEeprom(Vec<PortId>),
    /// Every managed port has such a file.
    Eeproms,
    /// Changing anything has to be asked for.
    WritingIsAskedFor,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotSonic => {
                f.write_str("there are no databases of SONiC: nobody else cares for the modules")
            }
            Self::Asked(mode) => write!(f, "the settings ask for {mode}"),
            Self::Manager(manager) => manager.fmt(f),
            Self::Polled(ports) => write!(f, "the switch polls the monitors of {}", list(ports)),
            Self::NotPolled => {
                f.write_str("the switch polls none of the managed ports (dom_polling is disabled)")
            }
            Self::NoEeprom(ports) => write!(f, "no file leads to the modules of {}", list(ports)),
            Self::Eeproms => f.write_str("every managed port has a file that leads to its module"),
            Self::WritingIsAskedFor => f.write_str(
                "set [modules] mode = \"configure\" to change modules through the switch's configuration",
            ),
        }
    }
}

impl fmt::Display for CmisManager {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Running => "the switch's CMIS manager configures modules (STATE_DB has their cmis_state)",
            Self::Skipped => "the platform starts xcvrd without its CMIS manager (skip_xcvrd_cmis_mgr)",
            Self::Silent => "no CMIS manager is at work: there are CMIS modules and none has a cmis_state",
            Self::Unknown => {
                "no CMIS module is plugged in by which to tell whether the CMIS manager is at work"
            }
        })
    }
}

/// Something that does not fit the mode.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Conflict {
    /// The mode needs SONiC's databases.
    NotSonic(Mode),
    /// The CMIS manager would undo what the agent does.
    ManagerRunning,
    /// Nobody would act on the configuration.
    ManagerOff(CmisManager),
    /// The switch clears flags and freezes statistics of these ports too.
    Polled(Vec<PortId>),
    /// The switch's configuration does not have the port.
    NotConfigured(PortId),
    /// The mode needs the module's file.
    NoEeprom(PortId, String),
    /// The file is of another port's module.
    OtherModule {
        /// The port.
        port: PortId,
        /// The serial number in the file.
        file: String,
        /// The serial number that the switch read in the port.
        database: String,
    },
    /// The sources of port numbers disagree.
    Numbers(Disagreement),
}

impl Conflict {
    /// Whether the agent must not run so.
    #[must_use]
    pub const fn is_fatal(&self) -> bool {
        !matches!(self, Self::Polled(_))
    }

    /// The stable code.
    #[must_use]
    pub const fn code(&self) -> Code {
        match self {
            Self::NotSonic(_) | Self::ManagerOff(_) => Code::Unsupported,
            Self::ManagerRunning | Self::Polled(_) => Code::IllegalState,
            Self::NotConfigured(_) => Code::UnknownPort,
            Self::NoEeprom(..) => Code::ModuleUnreachable,
            Self::OtherModule { .. } | Self::Numbers(_) => Code::Conflict,
        }
    }

    /// What to do about it.
    #[must_use]
    pub fn fix(&self) -> String {
        match self {
            Self::NotSonic(_) => "unset [modules] mode, or run the agent where the switch's Redis socket is".into(),
            Self::ManagerRunning => {
                "set \"skip_xcvrd_cmis_mgr\": true in the platform's pmon_daemon_control.json and restart pmon, or use \
                 mode \"configure\""
                    .into()
            }
            Self::ManagerOff(_) => "let pmon start the CMIS manager, or use mode \"own\"".into(),
            Self::Polled(ports) => {
                let commands: Vec<String> =
                    ports.iter().map(|port| format!("config interface transceiver dom {port} disable")).collect();
                commands.join("; ")
            }
            Self::NotConfigured(_) => "name ports as the switch does (show interfaces status)".into(),
            Self::NoEeprom(..) => "set [modules] eeprom to the path of a module's file".into(),
            Self::OtherModule { .. } | Self::Numbers(_) => {
                "say the number of the port in IFNAME_TO_PORTNUM_JSON".into()
            }
        }
    }
}

impl fmt::Display for Conflict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotSonic(mode) => write!(f, "mode {mode} works through SONiC's databases, and there are none"),
            Self::ManagerRunning => {
                f.write_str("the switch's CMIS manager is at work: at the next event of the port it would undo what is written")
            }
            Self::ManagerOff(manager) => write!(f, "nobody would act on the configuration: {manager}"),
            Self::Polled(ports) => write!(
                f,
                "the switch polls {}: flags that it reads are cleared for the agent, and the other way round",
                list(ports)
            ),
            Self::NotConfigured(port) => write!(f, "{port} is not in the switch's configuration"),
            Self::NoEeprom(port, why) => write!(f, "{port}: {why}"),
            Self::OtherModule { port, file, database } => {
                write!(f, "{port}: the file leads to module {file}, and the switch sees module {database} in the port")
            }
            Self::Numbers(disagreement) => disagreement.fmt(f),
        }
    }
}

/// The mode that an agent works in, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Detection {
    /// The mode.
    pub mode: Mode,
    /// Why, in the order of weight.
    pub reasons: Vec<Reason>,
    /// What does not fit the mode.
    pub conflicts: Vec<Conflict>,
    /// What was found.
    pub facts: Facts,
}

impl Detection {
    /// The conflicts with which the agent must not run.
    pub fn fatal(&self) -> impl Iterator<Item = &Conflict> {
        self.conflicts.iter().filter(|conflict| conflict.is_fatal())
    }
}

/// Finds out what is on the switch below `root` and which mode fits. `databases` is `None` where there is no SONiC
/// ([`super::open`]). Nothing is changed.
///
/// # Errors
/// [`SonicError`] where a database does not answer or a file of the switch cannot be read.
pub fn detect(
    root: &Path,
    databases: Option<&mut Connection>,
    look: &Look<'_>,
    choice: ModeChoice,
) -> Result<Detection, SonicError> {
    Facts::gather(root, databases, look).map(|facts| choose(facts, choice))
}

/// Chooses a mode for what was found.
#[must_use]
pub fn choose(facts: Facts, choice: ModeChoice) -> Detection {
    let mut reasons = Vec::new();
    let mode = match choice {
        ModeChoice::Only(mode) => {
            reasons.push(Reason::Asked(mode));
            mode
        }
        ModeChoice::Auto if !facts.sonic => {
            reasons.push(Reason::NotSonic);
            Mode::Own
        }
        ModeChoice::Auto => automatic(&facts, &mut reasons),
    };
    let conflicts = conflicts(&facts, mode);
    Detection { mode, reasons, conflicts, facts }
}

fn automatic(facts: &Facts, reasons: &mut Vec<Reason>) -> Mode {
    reasons.push(Reason::Manager(facts.manager));
    let given_over = matches!(facts.manager, CmisManager::Skipped | CmisManager::Silent);
    let polled = polled(facts);
    let unreachable: Vec<PortId> = facts
        .ports
        .iter()
        .filter(|(_, port)| !matches!(port.eeprom, Some(Ok(_))))
        .map(|(port, _)| port.clone())
        .collect();
    if given_over {
        let (is_polled, is_unreachable) = (!polled.is_empty(), !unreachable.is_empty());
        reasons.push(if is_polled { Reason::Polled(polled) } else { Reason::NotPolled });
        reasons.push(if is_unreachable { Reason::NoEeprom(unreachable) } else { Reason::Eeproms });
        if !is_polled && !is_unreachable {
            return Mode::Own;
        }
    } else {
        reasons.push(Reason::WritingIsAskedFor);
    }
    Mode::Observe
}

fn polled(facts: &Facts) -> Vec<PortId> {
    facts.ports.iter().filter(|(_, port)| port.polled).map(|(port, _)| port.clone()).collect()
}

fn conflicts(facts: &Facts, mode: Mode) -> Vec<Conflict> {
    let mut found = Vec::new();
    if !facts.sonic && mode != Mode::Own {
        found.push(Conflict::NotSonic(mode));
        return found;
    }
    if facts.sonic {
        match (mode, facts.manager) {
            (Mode::Own, CmisManager::Running) => found.push(Conflict::ManagerRunning),
            (Mode::Configure, manager @ (CmisManager::Skipped | CmisManager::Silent)) => {
                found.push(Conflict::ManagerOff(manager));
            }
            _ => {}
        }
        let polled = polled(facts);
        if mode == Mode::Own && !polled.is_empty() {
            found.push(Conflict::Polled(polled));
        }
    }
    for (port, known) in &facts.ports {
        if facts.sonic && !known.configured {
            found.push(Conflict::NotConfigured(port.clone()));
        } else if mode.accesses_registers() {
            found.extend(unreachable(facts, port));
        }
    }
    found
}

/// What keeps a port's registers from being accessed.
fn unreachable(facts: &Facts, port: &PortId) -> Option<Conflict> {
    let known = facts.ports.get(port)?;
    if let Some(disagreement) = facts.numbers.unsettled(port)
        && !matches!(known.serial, SerialCheck::Same(_))
    {
        return Some(Conflict::Numbers(disagreement.clone()));
    }
    match (&known.eeprom, &known.serial) {
        (None, _) => Some(Conflict::NoEeprom(port.clone(), "nobody says the number of its module".into())),
        (Some(Err(error)), _) => Some(Conflict::NoEeprom(port.clone(), error.to_string())),
        (Some(Ok(_)), SerialCheck::Other { file, database }) => {
            Some(Conflict::OtherModule { port: port.clone(), file: file.clone(), database: database.clone() })
        }
        (Some(Ok(_)), _) => None,
    }
}

fn list(ports: &[PortId]) -> String {
    ports.iter().map(PortId::as_str).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests;
