//! `discover` and `health`: modules are read, nothing is written.

use super::run;
use crate::journal::{Intent, Journal, MemoryStorage, PortState};
use crate::mode::Mode;
use crate::port::{ModuleFacts, Proxy, telemetry_fields};
use crate::runtime::system_time;
use crate::settings::{ModuleSource, Resolved};
use crate::sonic::{self, SwitchPort};
use ipowdm_cmis::procedure::{Flags, Identify, ModuleInfo, ProcError, Sweep, SweepReport};
use ipowdm_cmis::time::HostClock;
use ipowdm_core::ids::PortId;
use ipowdm_core::time::Millis;
use serde_json::{Value, json};
use std::error::Error;
use std::fmt::Display;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long `health` waits for the bus.
const PATIENCE: Duration = Duration::from_secs(5);

/// What a look at one port found, and how long reading what a sample is made of took.
type Seen = Result<(ModuleInfo, SweepReport, Duration), LookError>;

/// What is found in a port, by its registers or by what its switch says.
struct Found {
    facts: ModuleFacts,
    report: SweepReport,
    /// What registers alone tell.
    info: Option<Box<ModuleInfo>>,
}

/// Why a module could not be looked at.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LookError {
    /// Its file or socket cannot be opened.
    #[error("{0}")]
    Open(String),
    /// The module does not answer, or not as one that can be worked with.
    #[error(transparent)]
    Module(#[from] ProcError),
}

/// Reads one module. Flags that clear on read are left for the agent.
pub(crate) fn look(resolved: &Resolved, index: usize) -> Seen {
    let Some((port, source)) = resolved.modules.get(index) else {
        return Err(LookError::Open("no such port".to_string()));
    };
    let mut eeprom = run::open(port, source, index).map_err(LookError::Open)?;
    let mut clock = HostClock::start();
    let info = ipowdm_cmis::procedure::run(Identify::new(), &mut *eeprom, &mut clock)?;
    let sweep = Sweep::new(&info, 0, Flags::Leave);
    let began = Instant::now();
    let report = ipowdm_cmis::procedure::run(sweep, &mut *eeprom, &mut clock)?;
    Ok((info, report, began.elapsed()))
}

/// Reads one module where it is to be read: of one that the switch drives, what the switch says.
fn find(resolved: &Resolved, index: usize) -> Result<Found, LookError> {
    if let Some((port, ModuleSource::Switch)) = resolved.modules.get(index) {
        return told(resolved, port).map_err(LookError::Open);
    }
    let (info, report, _) = look(resolved, index)?;
    Ok(Found { facts: ModuleFacts::of(&info), report, info: Some(Box::new(info)) })
}

fn told(resolved: &Resolved, port: &PortId) -> Result<Found, String> {
    let root = resolved.switch.root.as_deref().unwrap_or(Path::new("/"));
    let databases = sonic::open(root).map_err(|error| error.to_string())?;
    let databases =
        databases.ok_or_else(|| format!("there are no databases of SONiC below {}", root.display()))?;
    let mut switch = SwitchPort::new(port.clone(), Mode::Observe, databases, Arc::new(system_time));
    let now = Millis(0);
    let seen = switch.identify(now).and_then(|facts| Ok((facts, switch.look(now)?)));
    let (facts, seen) = seen.map_err(|failure| failure.words)?;
    Ok(Found { facts, report: seen.report, info: None })
}

fn or_dash(value: Option<impl Display>) -> String {
    value.map_or_else(|| "-".to_string(), |value| value.to_string())
}

/// Prints what is in the ports.
pub(crate) fn discover(resolved: &Resolved, as_json: bool) -> Result<bool, Box<dyn Error>> {
    let ports = resolved.modules.iter().enumerate();
    let all: Vec<(&PortId, Result<Found, LookError>)> =
        ports.map(|(index, (port, _))| (port, find(resolved, index))).collect();
    if as_json {
        let list: Vec<Value> = all.iter().map(|(port, seen)| as_value(port, seen)).collect();
        println!("{}", serde_json::to_string_pretty(&list)?);
        return Ok(true);
    }
    println!(
        "{:<14} {:<16} {:<16} {:<16} {:<12} {:<16} {:<16} {:<11} {:<11} APPLICATIONS",
        "PORT", "VENDOR", "PART", "SERIAL", "MODULE", "DATA PATH", "FREQUENCY", "TARGET", "RX POWER"
    );
    for (port, seen) in &all {
        match seen {
            Ok(found) => println!("{}", row(port, found)),
            Err(error) => println!("{:<14} {error}", port.as_str()),
        }
    }
    Ok(true)
}

fn row(port: &PortId, Found { facts, report, .. }: &Found) -> String {
    let fields = telemetry_fields(report);
    let media = |code: u8| {
        let mode = ipowdm_core::modes::by_media_code(code);
        mode.map_or_else(|| format!("{code:02X}h"), |mode| mode.name.to_string())
    };
    let mut applications: Vec<String> =
        facts.capability.applications.iter().map(|application| media(application.media_code)).collect();
    applications.dedup();
    format!(
        "{:<14} {:<16} {:<16} {:<16} {:<12} {:<16} {:<16} {:<11} {:<11} {}",
        port.as_str(),
        facts.vendor,
        facts.part_number,
        facts.serial,
        or_dash(fields.module_state),
        or_dash(fields.data_path_state),
        or_dash(fields.frequency_mhz),
        or_dash(fields.tx_power_configured),
        or_dash(fields.rx_power),
        applications.join(" ")
    )
}

fn as_value(port: &PortId, seen: &Result<Found, LookError>) -> Value {
    match seen {
        Ok(Found { facts, report, info }) => {
            let info = info.as_deref();
            let version = |(major, minor): (u8, u8)| format!("{major}.{minor}");
            json!({
                "port_id": port,
                "present": true,
                "vendor": facts.vendor,
                "part_number": facts.part_number,
                "serial": facts.serial,
                "cmis_revision": info.map(|info| version(info.cmis_revision)),
                "firmware": info.map(|info| version(info.firmware)),
                "coherent": info.map(ModuleInfo::is_coherent),
                "capability": facts.capability,
                "fields": telemetry_fields(report),
            })
        }
        Err(error) => json!({ "port_id": port, "present": false, "error": error.to_string() }),
    }
}

/// Prints a verdict for each port and for the bus; whether all is well.
pub(crate) fn health(resolved: &Resolved) -> Result<bool, Box<dyn Error>> {
    let mut well = true;
    let mut say = |subject: &str, verdict: Result<String, String>| {
        well &= verdict.is_ok();
        match verdict {
            Ok(words) => println!("ok    {subject}: {words}"),
            Err(words) => println!("WRONG {subject}: {words}"),
        }
    };
    let journal = match &resolved.journal {
        None => None,
        Some(path) => {
            let bytes = std::fs::read(path);
            // A copy: the file belongs to the agent that runs, and a write of it may be under way.
            let read = bytes.map_err(|error| error.to_string()).and_then(|bytes| {
                let storage = Box::new(MemoryStorage::with(bytes));
                Journal::open(storage, resolved.agent.history).map_err(|error| error.to_string())
            });
            let subject = format!("journal {}", path.display());
            match read {
                Ok((journal, _)) => {
                    say(&subject, Ok(format!("{} bytes", journal.len())));
                    Some(journal)
                }
                Err(error) => {
                    say(&subject, Err(error));
                    None
                }
            }
        }
    };
    for (index, (port, _)) in resolved.modules.iter().enumerate() {
        let state = journal.as_ref().map(|journal| journal.state().port(port)).unwrap_or_default();
        say(port.as_str(), verdict(&state, &find(resolved, index)));
    }
    say(&resolved.bus.bootstrap.join(","), bus_answers(resolved));
    Ok(well)
}

fn verdict(state: &PortState, seen: &Result<Found, LookError>) -> Result<String, String> {
    let fields = match (seen, &state.intent) {
        (Ok(found), _) => telemetry_fields(&found.report),
        (Err(error), Intent::Lit(desired)) => return Err(format!("{error}; {} is down", desired.connection)),
        (Err(error), _) => return Ok(error.to_string()),
    };
    let lit = fields.data_path_state.as_deref() == Some(ipowdm_core::msg::DATA_PATH_ACTIVATED);
    let found = or_dash(fields.data_path_state.clone());
    match &state.intent {
        Intent::Lit(desired) if state.admin_down => {
            Err(format!("administratively down; {} is dark", desired.connection))
        }
        Intent::Lit(desired) if !lit => Err(format!("{found}; {} is dark", desired.connection)),
        Intent::Lit(desired) if fields.rx_los == Some(true) => {
            Err(format!("loss of signal on {}", desired.connection))
        }
        Intent::Lit(desired) => Ok(format!("{found}; serves {}", desired.connection)),
        Intent::Dark if lit => Err(format!("{found} although it was made dark")),
        Intent::Dark | Intent::Untouched => Ok(found),
    }
}

fn bus_answers(resolved: &Resolved) -> Result<String, String> {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|e| e.to_string())?;
    runtime.block_on(async {
        let bus = run::bus(resolved).map_err(|error| error.to_string())?;
        match tokio::time::timeout(PATIENCE, bus.topics()).await {
            Ok(Ok(topics)) => Ok(format!("answers, {} topics", topics.len())),
            Ok(Err(error)) => Err(error.to_string()),
            Err(_) => Err(format!("no answer within {} s", PATIENCE.as_secs())),
        }
    })
}
