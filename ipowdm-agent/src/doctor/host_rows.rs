//! Rows about the host: module files, mapping, intervals, owner, journal, modules, secrets.

use super::bus_rows::doubles;
use super::facts::{Access, Facts, FileFacts, ModuleFacts, SecretFile};
use super::report::Finding;
use ipowdm_core::ids::PortId;

/// Below this nothing more can be journalled for long.
const NO_ROOM: u64 = 1 << 20;
/// Below this somebody should make room.
const LITTLE_ROOM: u64 = 16 << 20;

pub(super) fn permissions(facts: &Facts, finding: &mut Finding) {
    if facts.emulated {
        return finding.unknown("the modules are emulated (MOCK_HARDWARE)");
    }
    let shared = facts.told_by_switch().map(|switch| switch.mode).filter(|mode| !mode.accesses_registers());
    if let (Some(mode), true) = (shared, finding.is_clean()) {
        return finding.ok(format!("mode {mode} needs no access to the modules' files"));
    }
    let mut well = 0;
    for port in &facts.ports {
        let Some(file) = &port.file else { continue };
        match refusal(file) {
            None => well += 1,
            Some((Access::Missing, _)) => finding.fault(
                format!("{}: {} is not there", port.port, file.path.display()),
                "load the switch's module driver (optoe), or set modules.eeprom to where this platform has the files; in a \
                 container, mount /sys",
            ),
            Some((_, words)) => finding.fault(
                format!("{}: {}: {words}", port.port, file.path.display()),
                format!(
                    "run the agent as root, or let user {} read and write the file by a udev rule; in a container mount /sys \
                     writable",
                    facts.user
                ),
            ),
        }
    }
    if well > 0 {
        finding.ok(format!("{well} of {} can be read and written", facts.ports.len()));
    } else if finding.details.is_empty() {
        finding.unknown("the settings name no port whose file is known");
    }
}

/// What a file refuses, and the words for it.
fn refusal(file: &FileFacts) -> Option<(Access, String)> {
    match (&file.read, &file.write) {
        (Access::Granted, Access::Granted) => None,
        (Access::Missing, _) | (_, Access::Missing) => Some((Access::Missing, String::new())),
        (denied @ Access::Denied(words), _) => Some((denied.clone(), format!("cannot be read: {words}"))),
        (_, denied @ Access::Denied(words)) => Some((denied.clone(), format!("cannot be written: {words}"))),
    }
}

pub(super) fn mapping(facts: &Facts, finding: &mut Finding) {
    if facts.emulated && finding.is_clean() {
        finding.unknown("the modules are emulated (MOCK_HARDWARE)");
    } else if finding.is_clean() && !facts.ports.is_empty() {
        finding.ok(format!("{} ports, each with a module of its own", facts.ports.len()));
    }
}

pub(super) fn interval(facts: &Facts, finding: &mut Finding) {
    let Some(interval) = facts.telemetry_interval_ms.filter(|_| finding.is_clean()) else {
        if finding.is_clean() {
            finding.unknown("the interval comes with an assignment, and there is none");
        }
        return;
    };
    let mut slowest: Option<(&PortId, u64)> = None;
    for port in &facts.ports {
        if let ModuleFacts::Read { sweep_ms, .. } = port.module
            && slowest.is_none_or(|(_, slow)| sweep_ms > slow)
        {
            slowest = Some((&port.port, sweep_ms));
        }
    }
    let seconds = format!("{}.{:03} s", interval / 1_000, interval % 1_000);
    let Some((port, sweep)) = slowest else {
        return finding.unknown(format!("{seconds}; no module could be read to compare it with"));
    };
    let found = format!("{seconds}; the slowest module, {port}, takes {sweep} ms to read");
    let fix = "set TELEMETRY_INTERVAL_SEC (or the assignment's interval) to three times that at least; a shared I2C bus is faster \
               when fewer programs use it";
    if sweep >= u64::from(interval) {
        finding.fault(format!("{found}: samples will be missing"), fix);
    } else if sweep.saturating_mul(2) > u64::from(interval) {
        finding.warn(format!("{found}: that leaves little time for commands"), fix);
    } else {
        finding.ok(found);
    }
}

pub(super) fn owner(facts: &Facts, finding: &mut Finding) {
    if facts.emulated {
        return finding.unknown("the modules are emulated (MOCK_HARDWARE)");
    }
    if let Some(Err(error)) = &facts.switch {
        finding.fault(
            error,
            "run the agent where the switch's Redis socket is; in a container mount /var/run/redis, /etc/sonic and \
             /usr/share/sonic, and name their root with SWITCH_ROOT",
        );
    }
    let told = facts.told_by_switch();
    if let (Some(switch), true) = (told, finding.is_clean()) {
        finding.ok(format!("mode {}: {}", switch.mode, switch.reasons.join("; ")));
    }
    let Some(owner) = &facts.owner else {
        return if told.is_none() {
            finding.unknown("the processes of this host cannot be seen")
        };
    };
    // On a SONiC switch it belongs there: whether it fits the mode was told above.
    for (pid, name) in owner.drivers.iter().filter(|_| facts.switch.is_none()) {
        finding.fault(
            format!("{name} (process {pid}) drives the modules too: it undoes what the agent sets, and takes flags that clear on read"),
            "let it leave the modules to the agent: \"skip_xcvrd_cmis_mgr\": true in the platform's pmon_daemon_control.json and \
             dom_polling disabled on these ports; or run the agent in a mode that works through SONiC",
        );
    }
    for (port, pid, name) in &owner.holders {
        finding.warn(
            format!("{name} (process {pid}) has the module of {port} open"),
            "two programs on one module spoil each other's work: end it, unless it only reads",
        );
    }
    if finding.is_clean() && told.is_none() {
        finding.ok("nobody else works on the modules");
    }
}

pub(super) fn journal(facts: &Facts, finding: &mut Finding) {
    for double in doubles(facts) {
        finding.fault(
            double,
            "give each agent its own POP_ID and ROUTER_ID, or stop the other one: both would carry out the same commands",
        );
    }
    let Some(journal) = &facts.journal else {
        if finding.is_clean() {
            finding.warn(
                "there is no journal: a restart forgets what was commanded",
                "set JOURNAL_FILE, for example to /var/lib/ipowdm/agent.journal on storage that survives a reboot",
            );
        }
        return;
    };
    let path = journal.path.display();
    match &journal.damaged {
        Err(error) => finding.fault(
            format!("{path}: {error}"),
            "let the agent's user read it, or set it aside: an agent without a journal leaves lit modules alone",
        ),
        Ok(0) => {}
        Ok(bytes) => finding.warn(
            format!("{path}: {bytes} bytes are damaged"),
            "look at the disk; the agent keeps what is whole and sets the rest aside as .damaged",
        ),
    }
    match &journal.write {
        Access::Granted => {}
        Access::Missing => {
            finding.fault(
                format!("{path}: its folder is not there"),
                "make the folder, or correct JOURNAL_FILE",
            );
        }
        Access::Denied(words) => finding.fault(
            format!("{path} cannot be written: {words}"),
            format!(
                "let user {} write the file and its folder, on a file system that is not read-only",
                facts.user
            ),
        ),
    }
    let make_room = "make room: without it new work is refused (storage_full)";
    match journal.free {
        Some(free) if free < NO_ROOM => {
            finding.fault(format!("{path}: {} kB are free", free >> 10), make_room);
        }
        Some(free) if free < LITTLE_ROOM => {
            finding.warn(format!("{path}: {} MB are free", free >> 20), make_room);
        }
        _ => {}
    }
    if journal.set_aside {
        finding.warn(
            format!("{path}.damaged holds what an earlier start set aside"),
            "compare `ipowdm-agent health` with what is wanted, then remove the file",
        );
    }
    if finding.is_clean() {
        let state = match journal.in_use {
            Some(true) => ", an agent holds it",
            _ => "",
        };
        finding.ok(format!("{path} can be kept{state}; nobody else has this agent's name"));
    }
}

pub(super) fn modules(facts: &Facts, finding: &mut Finding) {
    if facts.ports.is_empty() {
        return finding.unknown("the settings name no port whose module is known");
    }
    let mut well: Vec<&str> = Vec::new();
    for port in &facts.ports {
        let name = &port.port;
        match &port.module {
            ModuleFacts::Unread => finding.unknown(format!("{name}: its file cannot be used")),
            ModuleFacts::Absent => finding.warn(
                format!("{name}: no module in the port"),
                "plug one in, or take the port out of ASSIGNED_TRANSCEIVERS",
            ),
            ModuleFacts::Unreadable(words) => finding.fault(
                format!("{name}: {words}"),
                "reseat the module; if it stays silent, reset it (`sfputil reset` on SONiC) or replace it",
            ),
            ModuleFacts::NotCmis(words) => finding.fault(
                format!("{name}: {words}"),
                "put a CMIS module into the port, or take it out of ASSIGNED_TRANSCEIVERS; look whether the number in \
                 IFNAME_TO_PORTNUM_JSON is this port's",
            ),
            ModuleFacts::Read { name: module, faulty: true, .. } => finding.fault(
                format!("{name}: {module} is in its fault state"),
                "reset or reseat it; `ipowdm-agent dump` shows its fault cause",
            ),
            ModuleFacts::Read { name: module, coherent: false, .. } => finding.fault(
                format!("{name}: {module} is no coherent module that can be tuned"),
                "put a coherent one into the port (400ZR, OpenZR+ or kin), or take it out of ASSIGNED_TRANSCEIVERS",
            ),
            ModuleFacts::Read { .. } | ModuleFacts::Told => well.push(name.as_str()),
        }
    }
    if !well.is_empty() {
        let emulated = if facts.emulated { ", emulated" } else { "" };
        let told = facts.ports.iter().any(|port| port.module == ModuleFacts::Told);
        let how = if told { "seen by the switch as CMIS modules" } else { "read, coherent and well" };
        finding.ok(format!("{} of {} {how}{emulated}", well.len(), facts.ports.len()));
    }
}

pub(super) fn secrets(facts: &Facts, finding: &mut Finding) {
    for secret in &facts.secrets {
        one_secret(secret, facts.user, finding);
    }
    if finding.details.is_empty() {
        finding.ok("none in files");
    }
}

fn one_secret(secret: &SecretFile, user: u32, finding: &mut Finding) {
    let path = secret.path.display();
    let fix = |owner| {
        format!("chown {owner} {path}; chmod 600 {path}; and change the secret if others may have read it")
    };
    match &secret.mode {
        // What keeps it from being read is told where it is wanted.
        Err(words) => finding.unknown(format!("{path}: {words}")),
        Ok((mode, _)) if mode & 0o007 != 0 => {
            finding.fault(format!("{path} is open to everybody (mode {mode:03o})"), fix(user));
        }
        Ok((mode, _)) if mode & 0o070 != 0 => {
            finding.warn(format!("{path} is open to its group (mode {mode:03o})"), fix(user));
        }
        Ok((_, owner)) if *owner != user && *owner != 0 && user != 0 => {
            finding.warn(format!("{path} belongs to user {owner}"), fix(user));
        }
        Ok((mode, _)) => finding.ok(format!("{path} is its owner's alone (mode {mode:03o})")),
    }
}
