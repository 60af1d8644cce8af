//! What the settings want to know of the switch that the agent runs on.

use crate::settings::{ModuleSource, Resolved};
use crate::sonic::{self, Connection, Detection, Look, SonicError};
use ipowdm_core::ids::PortId;
use std::path::Path;

/// Whether the switch's software is asked at all: where its mode is named, or hardware is driven.
pub(super) fn is_asked(resolved: &Resolved) -> bool {
    let is_hardware =
        |source: &ModuleSource| matches!(source, ModuleSource::Eeprom(_) | ModuleSource::Switch);
    resolved.switch.mode.is_some() || resolved.modules.iter().any(|(_, source)| is_hardware(source))
}

/// Which mode fits the ports of the settings, and why.
pub(super) fn detect(
    root: &Path,
    databases: Option<&mut Connection>,
    resolved: &Resolved,
) -> Result<Detection, SonicError> {
    let table = &resolved.switch;
    let ports: Vec<PortId> = resolved.modules.iter().map(|(port, _)| port.clone()).collect();
    let look = Look { ports: &ports, numbers: &table.numbers, eeprom: table.eeprom.as_deref() };
    sonic::detect(root, databases, &look, table.mode.unwrap_or_default())
}
