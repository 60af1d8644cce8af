//! What was found on a switch: nothing is judged here.

use super::catalogue::below;
use super::eeprom::{self, EepromPath, NoEeprom};
use super::numbers::{Numbers, PortNumber, PortNumbers};
use super::{Connection, Database, Platform, Row, SonicError};
use ipowdm_core::ids::PortId;
use std::collections::BTreeMap;
use std::path::Path;

/// What to look at.
#[derive(Debug, Clone, Copy)]
pub struct Look<'a> {
    /// The ports that the agent is to manage.
    pub ports: &'a [PortId],
    /// Their numbers as the settings have them.
    pub numbers: &'a Numbers,
    /// The path of a module's file as the settings have it.
    pub eeprom: Option<&'a str>,
}

/// Whether the module in the file is the one that the switch knows in the port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SerialCheck {
    /// Both have this serial number.
    Same(String),
    /// They differ: the file is of another port.
    Other {
        /// In the file.
        file: String,
        /// In the database.
        database: String,
    },
    /// One of them is not known.
    Unknown,
}

/// What was found of one port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PortFacts {
    /// Whether the switch's configuration has the port.
    pub configured: bool,
    /// Whether it is administratively up.
    pub admin_up: bool,
    /// Whether the switch sees a module in it.
    pub present: bool,
    /// Whether that module is one for CMIS, by its revision in `TRANSCEIVER_INFO`.
    pub cmis: bool,
    /// Where the switch's CMIS manager is with it; `None`: it has never said.
    pub cmis_state: Option<String>,
    /// Whether the switch polls the module's monitors (`dom_polling`), which clears its flags and freezes its statistics.
    pub polled: bool,
    /// The module's number, and who says so.
    pub number: Option<PortNumber>,
    /// The module's file; `None` where its number is not known.
    pub eeprom: Option<Result<EepromPath, NoEeprom>>,
    /// Whether the file and the switch speak of the same module.
    pub serial: SerialCheck,
}

/// Whether the switch's CMIS manager configures modules.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CmisManager {
    /// It reports states of modules.
    Running,
    /// The platform starts xcvrd without it.
    Skipped,
    /// There are CMIS modules and it has never said a word of them.
    Silent,
    /// There is no CMIS module by which to tell.
    Unknown,
}

/// What was found on a switch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// Whether there are SONiC's databases.
    pub sonic: bool,
    /// The platform.
    pub platform: Platform,
    /// The CMIS manager.
    pub manager: CmisManager,
    /// Numbers of ports and where sources disagree.
    pub numbers: PortNumbers,
    /// The ports asked for.
    pub ports: BTreeMap<PortId, PortFacts>,
}

impl Facts {
    /// Looks. `databases` is `None` where there is no SONiC. Nothing is changed, and no flag of a module is cleared.
    ///
    /// # Errors
    /// [`SonicError`] where a database does not answer or a file of the switch cannot be read.
    pub fn gather(
        root: &Path,
        mut databases: Option<&mut Connection>,
        look: &Look<'_>,
    ) -> Result<Self, SonicError> {
        let platform = Platform::read(root, databases.as_deref_mut())?;
        let numbers = PortNumbers::read(look.numbers, databases.as_deref_mut(), &platform)?;
        let sonic = databases.is_some();
        let mut ports = BTreeMap::new();
        for port in look.ports {
            let rows = PortRows::read(databases.as_deref_mut(), port)?;
            ports.insert(port.clone(), rows.facts(root, numbers.get(port), look.eeprom));
        }
        let manager = match (platform.skips_cmis_manager()?, databases) {
            (Some(true), _) => CmisManager::Skipped,
            (_, Some(databases)) => manager(databases)?,
            (_, None) => CmisManager::Unknown,
        };
        Ok(Self { sonic, platform, manager, numbers, ports })
    }
}

/// Where a module is told of, and where the manager says how far it is; older images have that in the last.
const TABLES: [&str; 3] = ["TRANSCEIVER_INFO", "TRANSCEIVER_STATUS_SW", "TRANSCEIVER_STATUS"];

fn cmis_state<'a>(status: &'a Row, older: &'a Row) -> Option<&'a str> {
    status.text("cmis_state").or_else(|| older.text("cmis_state"))
}

/// What the manager has said of any module of the switch, not only of those asked for.
fn manager(databases: &mut Connection) -> Result<CmisManager, SonicError> {
    let mut found = CmisManager::Unknown;
    for port in databases.keys(Database::State, "TRANSCEIVER_INFO")? {
        let rows = databases.rows(Database::State, &port, &TABLES)?;
        let [info, status, older] = rows.as_slice() else { continue };
        if cmis_state(status, older).is_some() {
            return Ok(CmisManager::Running);
        }
        if info.text("cmis_rev").is_some() {
            found = CmisManager::Silent;
        }
    }
    Ok(found)
}

/// What the databases say of one port.
#[derive(Default)]
struct PortRows {
    config: Row,
    info: Row,
    status: Row,
    older: Row,
}

impl PortRows {
    fn read(databases: Option<&mut Connection>, port: &PortId) -> Result<Self, SonicError> {
        let Some(databases) = databases else { return Ok(Self::default()) };
        let config = databases.row(Database::Config, "PORT", port.as_str())?;
        let mut rows = databases.rows(Database::State, port.as_str(), &TABLES)?.into_iter();
        let mut next = || rows.next().unwrap_or_default();
        Ok(Self { config, info: next(), status: next(), older: next() })
    }

    fn facts(&self, root: &Path, number: Option<PortNumber>, template: Option<&str>) -> PortFacts {
        // A path without a place for the number is the same for every port, whether that is known or not.
        let number_of_path = number.map(|number| number.number);
        let eeprom = number_of_path.map(|number| eeprom::locate(root, template, number));
        let file = eeprom.as_ref().and_then(|found| found.as_ref().ok());
        let in_file = file.and_then(|found| eeprom::serial_number(&found.path));
        let serial = match (in_file, self.info.text("serial")) {
            (Some(file), Some(database)) if file == database => SerialCheck::Same(file),
            (Some(file), Some(database)) => SerialCheck::Other { file, database: database.to_string() },
            _ => SerialCheck::Unknown,
        };
        PortFacts {
            configured: !self.config.is_empty(),
            admin_up: self.config.text("admin_status") == Some("up"),
            present: !self.info.is_empty(),
            cmis: self.info.text("cmis_rev").is_some(),
            cmis_state: cmis_state(&self.status, &self.older).map(str::to_string),
            polled: self.config.text("dom_polling") != Some("disabled"),
            number,
            eeprom,
            serial,
        }
    }
}

/// Whether there is anything that speaks of SONiC below `root` beside its databases: their absence is then a fault.
#[must_use]
pub fn looks_like_sonic(root: &Path) -> bool {
    ["/etc/sonic/sonic_version.yml", "/etc/sonic/config_db.json"]
        .iter()
        .any(|path| below(root, Path::new(path)).exists())
}
