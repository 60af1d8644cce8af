//! `configure`: looks at the switch and writes a settings file.

use super::run;
use crate::configure::{Found, FoundPort, document};
use crate::mode::ModeChoice;
use crate::settings::{ModuleSource, Settings};
use crate::sonic::{self, Detection, Look};
use clap::Args;
use ipowdm_cmis::procedure::Identify;
use ipowdm_cmis::time::HostClock;
use ipowdm_core::ids::{PopId, PortId, RouterId, VopId};
use std::collections::BTreeMap;
use std::error::Error;
use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

/// What `configure` is told.
#[derive(Args)]
pub(crate) struct Options {
    /// The file to write; `-` prints it.
    #[arg(long, value_name = "FILE", default_value = "/etc/ipowdm/agent.toml")]
    output: PathBuf,
    /// Replace the file if it is there.
    #[arg(long)]
    force: bool,
    /// The PoP that this switch is in, as the slice manager has it.
    #[arg(long, value_name = "ID", env = "POP_ID")]
    pop_id: PopId,
    /// What this switch is called there; its host name unless told otherwise.
    #[arg(long, value_name = "ID", env = "ROUTER_ID")]
    router_id: Option<RouterId>,
    /// Serve this virtual operator only, without assignments.
    #[arg(long, value_name = "ID", env = "VIRTUAL_OPERATOR")]
    virtual_operator: Option<VopId>,
    /// Where the Kafka broker is.
    #[arg(long, value_name = "HOST:PORT", env = "KAFKA_BROKER", default_value = "127.0.0.1:9092")]
    broker: String,
    /// The journal's file.
    #[arg(long, value_name = "FILE", env = "JOURNAL_FILE", default_value = "/var/lib/ipowdm/agent.journal")]
    journal: String,
    /// The ports to manage, separated by commas or as a JSON list; those with a coherent module unless told otherwise.
    #[arg(long, value_name = "PORTS", env = "ASSIGNED_TRANSCEIVERS", value_parser = port_list)]
    ports: Option<Ports>,
    /// Numbers of ports as a JSON object, before those that the switch says.
    #[arg(long, value_name = "JSON", env = "IFNAME_TO_PORTNUM_JSON", value_parser = number_map)]
    numbers: Option<Numbers>,
    /// Where a module's registers are, `{port}` for the number; found by the module driver unless told otherwise.
    #[arg(long, value_name = "PATTERN")]
    eeprom: Option<String>,
    /// Where the host's root is, for an agent in a container.
    #[arg(long, value_name = "FOLDER", env = "SWITCH_ROOT", default_value = "/")]
    root: PathBuf,
}

#[derive(Debug, Clone)]
struct Ports(Vec<PortId>);

#[derive(Debug, Clone)]
struct Numbers(BTreeMap<PortId, u32>);

fn port_list(text: &str) -> Result<Ports, String> {
    if text.trim_start().starts_with('[') {
        return serde_json::from_str(text).map(Ports).map_err(|error| error.to_string());
    }
    let ports: Result<Vec<PortId>, _> = text.split(',').map(|port| port.trim().parse()).collect();
    ports.map(Ports).map_err(|error| format!("{error}"))
}

fn number_map(text: &str) -> Result<Numbers, String> {
    serde_json::from_str(text).map(Numbers).map_err(|error| error.to_string())
}

/// Looks, writes, and says what was found.
pub(crate) fn configure(options: &Options) -> Result<bool, Box<dyn Error>> {
    let found = look(options)?;
    let text = document(&found);
    // What is written is what `run --check-config` will read.
    let settings = Settings::from_toml(&text)?;
    settings.resolve(|_| None)?;
    if options.output.as_os_str() == "-" {
        io::stdout().lock().write_all(text.as_bytes())?;
        return Ok(true);
    }
    write(&options.output, &text, options.force)?;
    let path = options.output.display();
    println!("{path}: {} ports", found.ports.iter().filter(|port| port.managed).count());
    for port in found.ports.iter().filter(|port| port.managed) {
        println!("  {}: {}", port.port, port.remark);
    }
    println!("next: ipowdm-agent doctor --config {path}");
    Ok(true)
}

fn look(options: &Options) -> Result<Found, Box<dyn Error>> {
    let given = options.numbers.as_ref().map(|numbers| numbers.0.clone()).unwrap_or_default();
    let wanted = options.ports.as_ref().map(|ports| ports.0.clone());
    let detection = detect(options, &given, wanted.as_deref())?;
    let facts = detection.facts.ports.iter();
    let mut ports: Vec<FoundPort> = std::thread::scope(|scope| {
        let looks: Vec<_> = facts
            .map(|(port, facts)| {
                let number = facts.number;
                let file = facts.eeprom.as_ref().and_then(|found| found.as_ref().ok());
                let file = file.map(|found| found.path.display().to_string());
                let socket = options.eeprom.as_deref().filter(|pattern| pattern.starts_with("unix:"));
                let socket =
                    socket.zip(number).map(|(at, number)| at.replace("{port}", &number.number.to_string()));
                let file = socket.or(file);
                let missing =
                    facts.eeprom.as_ref().and_then(|found| found.as_ref().err()).map(ToString::to_string);
                scope.spawn(move || {
                    let (coherent, seen) = file.as_deref().map_or((false, None), |file| module(port, file));
                    let managed = coherent || file.is_none() && facts.present && facts.cmis;
                    let seen = seen.or_else(|| facts.present.then(|| "the switch sees a module".to_string()));
                    let by =
                        number.map_or_else(String::new, |number| format!("; number by {}", number.source));
                    let seen = seen.or(missing).unwrap_or_else(|| "no module seen".to_string());
                    let remark = format!("{seen}{by}");
                    let number = number.map(|number| number.number);
                    FoundPort { port: port.clone(), number, file, managed, remark }
                })
            })
            .collect();
        looks.into_iter().filter_map(|look| look.join().ok()).collect()
    });
    ports.sort_by_key(|port| (port.number, port.port.clone()));
    // What was asked for is managed; where nothing was found that could be, all that has a number.
    let none = !ports.iter().any(|port| port.managed);
    for port in &mut ports {
        port.managed |= wanted.is_some() || none && port.number.is_some();
    }
    if !ports.iter().any(|port| port.managed) {
        return Err("no ports were found: give --ports, and their numbers in IFNAME_TO_PORTNUM_JSON".into());
    }
    let reasons = detection.reasons.iter().map(ToString::to_string).collect();
    Ok(Found {
        pop_id: options.pop_id.clone(),
        router_id: options.router_id.clone().map_or_else(|| host_name(&options.root), Ok)?,
        virtual_operator: options.virtual_operator.clone(),
        broker: options.broker.clone(),
        journal: options.journal.clone(),
        mode: detection.facts.sonic.then(|| (detection.mode.to_string(), reasons)),
        root: Some(options.root.display().to_string()).filter(|root| root != "/"),
        ports,
    })
}

/// What the switch says of the ports that are wanted, or of all that have a number.
fn detect(
    options: &Options,
    given: &BTreeMap<PortId, u32>,
    wanted: Option<&[PortId]>,
) -> Result<Detection, Box<dyn Error>> {
    let root = &options.root;
    let mut databases = sonic::open(root)?;
    let mut ask = |ports: &[PortId]| {
        let look = Look { ports, numbers: given, eeprom: options.eeprom.as_deref() };
        sonic::detect(root, databases.as_mut(), &look, ModeChoice::Auto)
    };
    match wanted {
        Some(ports) => Ok(ask(ports)?),
        None => {
            let all: Vec<PortId> = ask(&[])?.facts.numbers.ports().map(|(port, _)| port.clone()).collect();
            Ok(ask(&all)?)
        }
    }
}

/// Whether the module in a file is a coherent one, and what it is.
fn module(port: &PortId, file: &str) -> (bool, Option<String>) {
    let mut eeprom = match run::open(port, &ModuleSource::at(file), 0) {
        Ok(eeprom) => eeprom,
        Err(error) => return (false, Some(error)),
    };
    match ipowdm_cmis::procedure::run(Identify::new(), &mut *eeprom, &mut HostClock::start()) {
        Ok(info) => {
            let name = format!("{} {} {}", info.vendor_name, info.part_number, info.serial_number);
            (info.is_coherent(), Some(name))
        }
        Err(error) => (false, Some(error.to_string())),
    }
}

fn host_name(root: &Path) -> Result<RouterId, Box<dyn Error>> {
    let told = fs::read_to_string(root.join("proc/sys/kernel/hostname"));
    let name = told.or_else(|_| fs::read_to_string(root.join("etc/hostname")))?;
    let words = |error| format!("the host name {:?} is no router's ({error}): give --router-id", name.trim());
    Ok(name.trim().parse().map_err(words)?)
}

/// Writes the file whole or not at all.
fn write(path: &Path, text: &str, force: bool) -> Result<(), Box<dyn Error>> {
    let named = |error: io::Error| format!("{}: {error}", path.display());
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        fs::create_dir_all(folder).map_err(named)?;
    }
    let mut beside = path.as_os_str().to_owned();
    beside.push(".new");
    let beside = Path::new(&beside);
    fs::write(beside, text).map_err(named)?;
    let done = if force {
        fs::rename(beside, path)
    } else {
        // A link is made only where nothing is.
        let linked = fs::hard_link(beside, path);
        let removed = fs::remove_file(beside);
        linked.and(removed)
    };
    match done {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            Err(format!("{} is there already; --force replaces it", path.display()).into())
        }
        done => Ok(done.map_err(named)?),
    }
}
