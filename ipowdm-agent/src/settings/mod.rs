//! Settings of the binary: a TOML file, over it the environment names of the existing system.
//!
//! Everything wrong is reported at once, each with the key and what to do. Nothing is guessed: a port without a number,
//! a legacy topic name or an unknown key ends the start.

mod environment;
mod error;
mod quality;

pub use error::{Problem, SettingsError};

use crate::config::{AgentConfig, HEALTH_INTERVAL_MS, Service, TELEMETRY_INTERVAL_MS};
use crate::intake::Identity;
use crate::mode::ModeChoice;
use ipowdm_core::bus::kafka::{Compression, KafkaOptions, OptionsError, Secret, Security, SecurityProblem};
use ipowdm_core::ids::{AgentId, PopId, PortId, RegionId, RouterId, VopId};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// Default place of a module's EEPROM, as the optoe driver of most SONiC platforms has it.
pub const DEFAULT_EEPROM: &str = "/sys/bus/i2c/devices/{port}-0050/eeprom";

/// The settings as a file has them; each may be absent.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Who the agent is and whom it serves.
    pub agent: AgentTable,
    /// Where the bus is.
    pub bus: BusTable,
    /// The modules.
    pub modules: ModulesTable,
    /// Telemetry and health.
    pub telemetry: TelemetryTable,
    /// The agent's own verdict on signals.
    pub quality: QualityTable,
    /// The log.
    pub log: LogTable,
}

/// `[agent]`.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AgentTable {
    /// `POP_ID`.
    pub pop_id: Option<PopId>,
    /// `ROUTER_ID`.
    pub router_id: Option<RouterId>,
    /// `AGENT_ID`; default `<pop>-<router>`.
    pub agent_id: Option<AgentId>,
    /// `VIRTUAL_OPERATOR`: serve this one only, on `modules.ports`; absent: follow the assignments topic.
    pub virtual_operator: Option<VopId>,
    /// `REGION`: refused, because no controller makes or reads the topics of a region.
    pub region: Option<RegionId>,
    /// Whether commands without an epoch are carried out (`ACCEPT_UNFENCED`).
    pub accept_unfenced: bool,
    /// The journal file (`JOURNAL_FILE`); absent: in memory, and a restart forgets.
    pub journal: Option<PathBuf>,
    /// How long a command without a lifetime waits for its port, in seconds (`COMMAND_TIMEOUT_SEC`).
    pub command_timeout_sec: Option<f64>,
}

/// `[bus]`.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct BusTable {
    /// `KAFKA_BROKER`: `host:port`, several separated by commas.
    pub bootstrap: Option<String>,
    /// `KAFKA_SECURITY_PROTOCOL`: `PLAINTEXT`, `SSL`, `SASL_PLAINTEXT` or `SASL_SSL`.
    pub security_protocol: Option<String>,
    /// `KAFKA_SSL_CAFILE`: PEM file with the certificates to trust; absent: the system's.
    pub ca_file: Option<PathBuf>,
    /// `KAFKA_SSL_CERTFILE`: PEM file with the agent's certificate and those that lead to a trusted one.
    pub certificate_file: Option<PathBuf>,
    /// `KAFKA_SSL_KEYFILE`: PEM file with its private key, not encrypted.
    pub key_file: Option<PathBuf>,
    /// `KAFKA_SASL_MECHANISM`: `SCRAM-SHA-256`, `SCRAM-SHA-512` (the default) or, encrypted only, `PLAIN`.
    pub sasl_mechanism: Option<String>,
    /// `KAFKA_SASL_USERNAME`.
    pub sasl_username: Option<String>,
    /// A file that holds the password and nothing else (`KAFKA_SASL_PASSWORD_FILE`).
    pub sasl_password_file: Option<PathBuf>,
    /// The password itself, from the environment only: `KAFKA_SASL_PASSWORD`. Goes before the file.
    #[serde(skip)]
    pub sasl_password: Option<Secret>,
    /// `KAFKA_COMPRESSION_TYPE`: `none` (the default) or `lz4`.
    pub compression: Option<String>,
    /// Records held while the bus is away.
    pub queue: Option<usize>,
}

/// `[modules]`.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ModulesTable {
    /// `ASSIGNED_TRANSCEIVERS`: the ports to manage.
    pub ports: Vec<PortId>,
    /// `IFNAME_TO_PORTNUM_JSON`: port number by port name.
    pub numbers: BTreeMap<PortId, u32>,
    /// Path of a module's EEPROM, or `unix:` and the path of a socket; `{port}` stands for the number.
    pub eeprom: Option<String>,
    /// `MODULES_MODE`: how a switch's own software is lived with: `auto`, `observe`, `configure`, `supplement` or `own`. Where
    /// it is set, ports without a number are looked up on the switch.
    pub mode: Option<ModeChoice>,
    /// `SWITCH_ROOT`: where the root of the switch is, for an agent in a container; absent: `/`.
    pub root: Option<PathBuf>,
    /// The same by port, where one pattern does not hold for all; such a port needs no number. On a SONiC switch the switch says.
    pub files: BTreeMap<PortId, String>,
    /// `MOCK_HARDWARE`: emulated modules in the place of hardware.
    pub emulated: bool,
}

/// `[telemetry]`.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TelemetryTable {
    /// `TELEMETRY_INTERVAL_SEC`, more than 0.1.
    pub interval_sec: Option<f64>,
    /// Seconds between heartbeats.
    pub health_interval_sec: Option<f64>,
    /// `MAX_TELEMETRY_SESSIONS`; absent: as many as ports.
    pub max_sessions: Option<usize>,
}

/// `[quality]`.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct QualityTable {
    /// `ENABLE_QOT_MONITORING`: judge the signals of connections, and tell in heartbeats and the log; off by default. Powers are
    /// never touched.
    pub enabled: bool,
    /// `QOT_SAMPLES`: consecutive samples that begin or end an episode.
    pub samples: Option<u8>,
    /// `QOT_COOLDOWN_SEC`: least seconds between two changes that are told at once.
    pub cooldown_sec: Option<f64>,
    /// `OSNR_THRESHOLD_DB`: degraded below this, in the place of a margin to what the mode needs.
    pub osnr_threshold_db: Option<f64>,
    /// `BER_THRESHOLD`: degraded above this, likewise.
    pub ber_threshold: Option<f64>,
}

/// `[log]`.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LogTable {
    /// `LOG_LEVEL`: `error`, `warn`, `info`, `debug`, `trace` or a filter such as `ipowdm_agent=debug`.
    pub level: Option<String>,
    /// `LOG_FORMAT`: `text` for people, or `json`, an object per line.
    pub format: Option<LogFormat>,
    /// `LOG_FILE`: a file in the place of standard error; rotated.
    pub file: Option<PathBuf>,
    /// `LOG_MAX_SIZE_MB`: size in megabytes above which the file is rotated.
    pub max_size_mb: Option<f64>,
    /// `LOG_BACKUP_COUNT`: files that are kept beside it.
    pub backup_count: Option<u32>,
}

/// Size of a log file in megabytes unless told otherwise.
pub const LOG_MAX_SIZE_MB: f64 = 10.0;
/// Log files kept beside the newest unless told otherwise.
pub const LOG_BACKUP_COUNT: u32 = 5;
/// Most log files that may be kept.
const MOST_BACKUPS: u32 = 1_000;

/// A log file, and how much of it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogFile {
    /// Where it is.
    pub path: PathBuf,
    /// Bytes above which it is rotated.
    pub max_bytes: u64,
    /// Older files that are kept, as `path.1`, the newest, and so on.
    pub backups: u32,
}

/// How log lines are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object per line, with the spans that it belongs to.
    Json,
}

/// The text names no format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("neither text nor json")]
pub struct NoLogFormat;

impl core::str::FromStr for LogFormat {
    type Err = NoLogFormat;

    fn from_str(text: &str) -> Result<Self, NoLogFormat> {
        match text {
            "text" => Ok(Self::Text),
            "json" => Ok(Self::Json),
            _ => Err(NoLogFormat),
        }
    }
}

/// Where a module is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ModuleSource {
    /// Emulated.
    Emulated,
    /// Behind a file that the kernel's module driver offers.
    Eeprom(PathBuf),
    /// Behind a socket that speaks the line protocol of [`ipowdm_cmis::transport::Socket`], as emulated modules do.
    Socket(PathBuf),
    /// Wherever the switch's databases and platform files say.
    Switch,
}

/// How modules are found, and shared, on a switch.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SwitchTable {
    /// The mode asked for.
    pub mode: Option<ModeChoice>,
    /// Where the root of the switch is; `None`: `/`.
    pub root: Option<PathBuf>,
    /// Port numbers of the settings.
    pub numbers: BTreeMap<PortId, u32>,
    /// Path of a module's EEPROM as the settings have it.
    pub eeprom: Option<String>,
}

/// Settings checked and complete.
#[derive(Debug, Clone, PartialEq)]
pub struct Resolved {
    /// What the agent is told.
    pub agent: AgentConfig,
    /// Its ports and their modules.
    pub modules: Vec<(PortId, ModuleSource)>,
    /// How the modules are found on a switch.
    pub switch: SwitchTable,
    /// How the bus is reached, under the agent's name. Its password is not shown.
    pub bus: KafkaOptions,
    /// The journal file.
    pub journal: Option<PathBuf>,
    /// The log filter.
    pub log: String,
    /// How log lines are written.
    pub log_format: LogFormat,
    /// Where they go; `None`: standard error.
    pub log_file: Option<LogFile>,
}

/// Settings as far as they can be used, and all that is wrong with them.
#[derive(Debug, Clone, PartialEq)]
pub struct Examined {
    /// Complete, with the default or nothing in the place of what `problems` are about; `None` where the settings do not
    /// say who the agent is.
    pub resolved: Option<Resolved>,
    /// What is wrong.
    pub problems: Vec<Problem>,
    /// Files that hold secrets.
    pub secrets: Vec<PathBuf>,
}

impl ModuleSource {
    /// A module at an address: `unix:PATH` is a socket, everything else a file.
    #[must_use]
    pub fn at(address: &str) -> Self {
        match address.strip_prefix("unix:") {
            Some(path) => Self::Socket(PathBuf::from(path)),
            None => Self::Eeprom(PathBuf::from(address)),
        }
    }
}

impl Settings {
    /// Reads a TOML document.
    ///
    /// # Errors
    /// [`SettingsError`] with the line, never its text: it may hold a secret.
    pub fn from_toml(text: &str) -> Result<Self, SettingsError> {
        toml::from_str(text).map_err(|error: toml::de::Error| {
            let before = error.span().map_or(0, |span| span.start);
            let line = text.bytes().take(before).filter(|byte| *byte == b'\n').count() + 1;
            let reason = format!("line {line}: {}", error.message());
            SettingsError::one("(file)", reason, "see the README")
        })
    }

    /// Checks everything and fills in the defaults. `environment` answers the value of a variable; it goes before the
    /// file.
    ///
    /// # Errors
    /// [`SettingsError`] with everything that is wrong.
    pub fn resolve(self, environment: impl Fn(&str) -> Option<String>) -> Result<Resolved, SettingsError> {
        match self.examine(environment) {
            Examined { resolved: Some(resolved), problems, .. } if problems.is_empty() => Ok(resolved),
            Examined { problems, .. } => Err(SettingsError { problems }),
        }
    }

    /// As [`Settings::resolve`], with what can be used also where something is wrong: for a program that looks for faults,
    /// never for one that serves.
    #[must_use]
    pub fn examine(mut self, environment: impl Fn(&str) -> Option<String>) -> Examined {
        let mut problems = Vec::new();
        self.overlay(&environment, &mut problems);
        let secrets = self.bus.sasl_password_file.iter().chain(&self.bus.key_file).cloned().collect();
        let interval = |key, seconds: Option<f64>, default, problems: &mut Vec<Problem>| {
            milliseconds(key, seconds, problems).unwrap_or(default)
        };
        let telemetry = interval(
            "TELEMETRY_INTERVAL_SEC",
            self.telemetry.interval_sec,
            TELEMETRY_INTERVAL_MS,
            &mut problems,
        );
        let health = interval(
            "health_interval_sec",
            self.telemetry.health_interval_sec,
            HEALTH_INTERVAL_MS,
            &mut problems,
        );
        let wait = interval("COMMAND_TIMEOUT_SEC", self.agent.command_timeout_sec, 30_000, &mut problems);
        let modules = self.modules(&mut problems);
        let switch = self.switch();
        let identity = self.identity(&mut problems);
        if let Some(region) = &self.agent.region {
            let reason =
                format!("no controller makes or reads the topics of {region}: there are no regions yet");
            problems.push(Problem::new("REGION", reason, "unset it"));
        }
        let bus = self.bus(&mut problems);
        let log_file = self.log_file(&mut problems);
        let quality = self.quality.resolve(&mut problems);
        let Some(identity) = identity else { return Examined { resolved: None, problems, secrets } };
        let service = match self.agent.virtual_operator.take() {
            None => Service::Assigned,
            Some(vop) => Service::Fixed {
                vop,
                ports: modules.iter().map(|(port, _)| port.clone()).collect(),
                telemetry_interval_ms: telemetry,
                health_interval_ms: health,
            },
        };
        let mut agent = AgentConfig::new(identity, service);
        agent.accept_unfenced = self.agent.accept_unfenced;
        agent.emulated = self.modules.emulated;
        agent.max_sessions = self.telemetry.max_sessions;
        agent.queue_wait_ms = u64::from(wait);
        agent.quality = quality;
        agent.outgoing = self.bus.queue.unwrap_or(agent.outgoing);
        let log_format = self.log.format.unwrap_or_default();
        let log = self.log.level.unwrap_or_else(|| "info".to_string());
        let client_id = agent.identity.agent_id.to_string();
        let bus = KafkaOptions { client_id, ..bus };
        let journal = self.agent.journal;
        let resolved = Resolved { agent, modules, switch, bus, journal, log, log_format, log_file };
        Examined { resolved: Some(resolved), problems, secrets }
    }

    fn identity(&self, problems: &mut Vec<Problem>) -> Option<Identity> {
        let (Some(pop_id), Some(router_id)) = (&self.agent.pop_id, &self.agent.router_id) else {
            for (key, absent) in
                [("POP_ID", self.agent.pop_id.is_none()), ("ROUTER_ID", self.agent.router_id.is_none())]
            {
                if absent {
                    problems.push(Problem::new(key, "is missing", "set it, for example pop1 and router1"));
                }
            }
            return None;
        };
        let mut identity = Identity::of_router(pop_id.clone(), router_id.clone());
        if let Some(agent_id) = &self.agent.agent_id {
            if *agent_id != identity.agent_id && self.agent.virtual_operator.is_none() {
                let reason = format!("{agent_id} is never assigned; assignments name {}", identity.agent_id);
                let fix = "unset it, or set VIRTUAL_OPERATOR to serve that one without assignments";
                problems.push(Problem::new("AGENT_ID", reason, fix));
            }
            identity.agent_id = agent_id.clone();
        }
        Some(identity)
    }

    fn bus(&mut self, problems: &mut Vec<Problem>) -> KafkaOptions {
        let table = &mut self.bus;
        let mut options = KafkaOptions::new(table.bootstrap.as_deref().unwrap_or("127.0.0.1:9092"));
        let security = Security {
            protocol: table.security_protocol.take(),
            ca_file: table.ca_file.take(),
            certificate_file: table.certificate_file.take(),
            key_file: table.key_file.take(),
            sasl_mechanism: table.sasl_mechanism.take(),
            sasl_username: table.sasl_username.take(),
            sasl_password: table.sasl_password.take(),
            sasl_password_file: table.sasl_password_file.take(),
        };
        let applied = security.apply(&mut options);
        for SecurityProblem { key, reason, fix } in applied.err().into_iter().flatten() {
            problems.push(Problem::new(&format!("bus.{key}"), reason, fix));
        }
        if let Some(name) = table.compression.take() {
            match Compression::named(&name) {
                Some(compression) => options.compression = compression,
                None => {
                    let reason = format!("{name:?} is no way to compress that is known here");
                    problems.push(Problem::new("bus.compression", reason, "give none or lz4"));
                }
            }
        }
        match options.check() {
            Ok(()) => {}
            Err(error @ (OptionsError::NoBootstrap | OptionsError::NotHostPort(_))) => {
                problems.push(Problem::new("KAFKA_BROKER", error.to_string(), "for example 127.0.0.1:9092"));
            }
            Err(error) => {
                let fix =
                    "set KAFKA_SECURITY_PROTOCOL, KAFKA_SASL_MECHANISM or KAFKA_COMPRESSION_TYPE otherwise";
                problems.push(Problem::new("bus", error.to_string(), fix));
            }
        }
        options
    }

    fn log_file(&self, problems: &mut Vec<Problem>) -> Option<LogFile> {
        let megabytes = self.log.max_size_mb.unwrap_or(LOG_MAX_SIZE_MB);
        let backups = self.log.backup_count.unwrap_or(LOG_BACKUP_COUNT);
        if !(0.001..=10_000.0).contains(&megabytes) {
            let reason = format!("{megabytes} MB is not a size for a log file");
            problems.push(Problem::new("LOG_MAX_SIZE_MB", reason, "give 0.001 to 10000 megabytes"));
        }
        if backups > MOST_BACKUPS {
            let reason = format!("{backups} files are too many");
            problems.push(Problem::new("LOG_BACKUP_COUNT", reason, format!("give at most {MOST_BACKUPS}")));
        }
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "refused above where it is not from 0.001 to 10 000"
        )]
        let max_bytes = (megabytes * 1_048_576.0) as u64;
        self.log.file.clone().map(|path| LogFile { path, max_bytes, backups })
    }

    fn switch(&self) -> SwitchTable {
        let table = &self.modules;
        SwitchTable {
            mode: table.mode,
            root: table.root.clone(),
            numbers: table.numbers.clone(),
            eeprom: table.eeprom.clone(),
        }
    }

    /// Where the module of a port is.
    fn address(&self, port: &PortId, template: &str) -> Option<String> {
        let by_number = || Some(template.replace("{port}", &self.modules.numbers.get(port)?.to_string()));
        self.modules.files.get(port).cloned().or_else(by_number)
    }

    fn modules(&self, problems: &mut Vec<Problem>) -> Vec<(PortId, ModuleSource)> {
        if self.modules.ports.is_empty() {
            let fix = r#"list the ports to manage, for example ["Ethernet48","Ethernet56"]"#;
            problems.push(Problem::new("ASSIGNED_TRANSCEIVERS", "is missing or empty", fix));
        }
        if self.modules.emulated && self.modules.mode.is_some() {
            let reason = "is set, and MOCK_HARDWARE emulates modules that no switch knows";
            problems.push(Problem::new("MODULES_MODE", reason, "unset one of them"));
        }
        let template = self.modules.eeprom.as_deref().unwrap_or(DEFAULT_EEPROM);
        let mut modules: Vec<(PortId, ModuleSource)> = Vec::new();
        for port in &self.modules.ports {
            if modules.iter().any(|(known, _)| known == port) {
                let reason = format!("{port} is named twice");
                problems.push(Problem::new("ASSIGNED_TRANSCEIVERS", reason, "name each port once"));
            } else if self.modules.emulated {
                modules.push((port.clone(), ModuleSource::Emulated));
            } else if let Some(address) = self.address(port, template) {
                let source = ModuleSource::at(&address);
                if let Some((other, _)) = modules.iter().find(|(_, known)| *known == source) {
                    let reason = format!("gives {port} and {other} the same module, {address}");
                    let fix = "give each port the number of its own module, and modules.eeprom a {port}";
                    problems.push(Problem::new("IFNAME_TO_PORTNUM_JSON", reason, fix));
                }
                modules.push((port.clone(), source));
            } else if self.modules.mode.is_some() {
                modules.push((port.clone(), ModuleSource::Switch));
            } else {
                let reason = format!("has no entry for {port}, which is to be managed");
                let fix = "add its number from the platform's port map, set MODULES_MODE=auto on a SONiC switch, or set \
                           MOCK_HARDWARE=true";
                problems.push(Problem::new("IFNAME_TO_PORTNUM_JSON", reason, fix));
            }
        }
        modules
    }
}

/// Seconds as milliseconds; more than 0.1 s and at most a day.
fn milliseconds(key: &str, seconds: Option<f64>, problems: &mut Vec<Problem>) -> Option<u32> {
    let seconds = seconds?;
    if seconds > 0.1 && seconds <= 86_400.0 {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "0.1 < seconds <= 86 400 by the condition above"
        )]
        return Some((seconds * 1_000.0 + 0.5) as u32);
    }
    let reason = format!("{seconds} s is not an interval");
    problems.push(Problem::new(key, reason, "give more than 0.1 and at most 86400 seconds"));
    None
}

#[cfg(test)]
mod tests;
