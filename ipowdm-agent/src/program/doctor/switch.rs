//! What the software of a SONiC switch says.

use crate::doctor::{Clash, ModuleFacts, PortFacts, Row, SwitchFacts};
use crate::program::switch;
use crate::settings::{ModuleSource, Resolved};
use crate::sonic::{self, Conflict, Detection};
use std::path::Path;

/// What is on the switch; `None` where there is none, and its modules are not asked for.
pub(super) fn detect(root: &Path, resolved: &Resolved) -> Option<Result<Detection, String>> {
    if !switch::is_asked(resolved) {
        return None;
    }
    let mut databases = match sonic::open(root) {
        Ok(None) if resolved.switch.mode.is_none() => return None,
        Ok(databases) => databases,
        Err(error) => return Some(Err(error.to_string())),
    };
    let found = switch::detect(root, databases.as_mut(), resolved);
    Some(found.map_err(|error| error.to_string()))
}

/// Has each port's module looked for where the mode has it.
pub(super) fn place(detection: &Detection, resolved: &mut Resolved) {
    for (port, source) in &mut resolved.modules {
        let facts = detection.facts.ports.get(port);
        let file = facts.and_then(|facts| facts.eeprom.as_ref()?.as_ref().ok());
        *source = match file {
            Some(file) if detection.mode.accesses_registers() => ModuleSource::Eeprom(file.path.clone()),
            _ => ModuleSource::Switch,
        };
    }
}

/// What the switch sees in ports whose registers are not the agent's to read.
pub(super) fn tell(detection: &Detection, ports: &mut [PortFacts]) {
    if detection.mode.accesses_registers() {
        return;
    }
    for port in ports {
        let facts = detection.facts.ports.get(&port.port).filter(|facts| facts.present);
        port.module = match facts {
            None => ModuleFacts::Absent,
            Some(facts) if facts.cmis => ModuleFacts::Told,
            Some(_) => ModuleFacts::NotCmis("the switch sees a module that is not for CMIS".to_string()),
        };
    }
}

/// The mode, why, and what does not fit it.
pub(super) fn facts(detection: &Detection) -> SwitchFacts {
    let clash = |conflict: &Conflict| Clash {
        row: match conflict {
            Conflict::NotConfigured(_) | Conflict::OtherModule { .. } | Conflict::Numbers(_) => Row::Mapping,
            Conflict::NoEeprom(..) => Row::Permissions,
            _ => Row::Owner,
        },
        is_fatal: conflict.is_fatal(),
        found: conflict.to_string(),
        fix: conflict.fix(),
    };
    SwitchFacts {
        mode: detection.mode,
        reasons: detection.reasons.iter().map(ToString::to_string).collect(),
        clashes: detection.conflicts.iter().map(clash).collect(),
    }
}
