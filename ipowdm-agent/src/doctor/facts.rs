//! What is known before anything is judged. What could not be found out is absent.

use super::Row;
use crate::mode::Mode;
use crate::settings::Problem;
use ipowdm_core::ids::{AgentId, PortId, VopId};
use ipowdm_core::msg::{HealthStatus, VopAssignment};
use std::path::PathBuf;

/// Everything that was gathered.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Facts {
    /// What is wrong with the settings.
    pub problems: Vec<Problem>,
    /// Who the agent is; `None` where the settings do not say.
    pub agent: Option<AgentId>,
    /// Whether the modules are emulated by the agent itself.
    pub emulated: bool,
    /// Telemetry interval in milliseconds, as configured or assigned.
    pub telemetry_interval_ms: Option<u32>,
    /// The broker; `None` where the settings do not name one that could be asked.
    pub broker: Option<BrokerFacts>,
    /// The ports to manage.
    pub ports: Vec<PortFacts>,
    /// Who else works on the modules; `None` where it could not be found out.
    pub owner: Option<OwnerFacts>,
    /// What the software of a SONiC switch says, or why it cannot be asked; `None` where there is no SONiC.
    pub switch: Option<Result<SwitchFacts, String>>,
    /// The journal; `None` where none is configured.
    pub journal: Option<JournalFacts>,
    /// Files that hold secrets.
    pub secrets: Vec<SecretFile>,
    /// The user that asks.
    pub user: u32,
}

/// The broker, and what it answered.
#[derive(Debug, Clone, PartialEq)]
pub struct BrokerFacts {
    /// Where it is.
    pub address: String,
    /// What it answered, or why it did not.
    pub answer: Result<BusView, String>,
}

/// What was seen on the bus.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct BusView {
    /// How many topics there are.
    pub topics: usize,
    /// The topics that the agent uses.
    pub used: Vec<TopicFacts>,
    /// Whom the agent serves as the assignments topic has it; `None` where it follows none.
    pub assigned: Option<Assigned>,
    /// Its newest heartbeats by virtual operator.
    pub heartbeats: Vec<Heartbeat>,
    /// The newest append time of the broker that was seen, in milliseconds since the Unix epoch.
    pub newest_stamp_ms: Option<i64>,
    /// What this host's clock showed when the broker was asked, in milliseconds since the Unix epoch.
    pub host_ms: i64,
}

/// A topic that the agent uses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicFacts {
    /// Its name.
    pub name: String,
    /// What the broker says of it.
    pub seen: Result<bool, String>,
    /// Whether the broker stamps its records; `None` where it did not say.
    pub stamped: Option<bool>,
}

/// What the assignments topic says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Assigned {
    /// Nothing about this agent.
    Nobody,
    /// These virtual operators, with the ports that are theirs.
    Vops(Vec<VopAssignment>),
    /// It could not be read.
    Unread(String),
}

/// The agent's heartbeats on a health topic.
#[derive(Debug, Clone, PartialEq)]
pub struct Heartbeat {
    /// The virtual operator.
    pub vop: VopId,
    /// The newest one.
    pub newest: Option<Beat>,
    /// Boot ids of the last ones, in the log's order.
    pub boots: Vec<u64>,
}

/// Heartbeats come every 30 s unless told otherwise; a controller forgets an agent after 90 s.
const SILENT_MS: i64 = 90_000;

impl Heartbeat {
    /// Whether the newest one is as young as that of an agent that is heard. Its age and `host_ms` are of the host that sent
    /// it, which is this one.
    #[must_use]
    pub fn is_fresh(&self, host_ms: i64) -> bool {
        self.newest.as_ref().is_some_and(|beat| host_ms.saturating_sub(beat.sent_ms) <= SILENT_MS)
    }
}

/// A heartbeat.
#[derive(Debug, Clone, PartialEq)]
pub struct Beat {
    /// What the agent's host showed when it was sent, in milliseconds since the Unix epoch.
    pub sent_ms: i64,
    /// When the broker had it, by the broker's clock; `None` where the topic is not stamped by the broker.
    pub stamp_ms: Option<i64>,
    /// Its status.
    pub status: HealthStatus,
    /// What it complained of.
    pub issues: Vec<String>,
}

/// What a file lets us do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Access {
    /// Yes.
    Granted,
    /// No, in the system's words.
    Denied(String),
    /// There is no such file.
    Missing,
}

/// A module's file or socket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileFacts {
    /// Where it is.
    pub path: PathBuf,
    /// Whether it can be read.
    pub read: Access,
    /// Whether it can be written.
    pub write: Access,
}

/// A managed port.
#[derive(Debug, Clone, PartialEq)]
pub struct PortFacts {
    /// The port.
    pub port: PortId,
    /// Its module's file; `None` where the agent emulates it.
    pub file: Option<FileFacts>,
    /// What was read of its module.
    pub module: ModuleFacts,
}

/// What was read of a module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ModuleFacts {
    /// Not read, because its file cannot be.
    Unread,
    /// There is none.
    Absent,
    /// It does not answer, or not sensibly.
    Unreadable(String),
    /// What is there does not speak CMIS.
    NotCmis(String),
    /// The switch sees a CMIS module; its registers are not the agent's to read in this mode.
    Told,
    /// It was read.
    Read {
        /// Vendor, part number and serial number.
        name: String,
        /// Whether it is a coherent one that can be tuned.
        coherent: bool,
        /// Whether it is in its fault state.
        faulty: bool,
        /// How long reading one sample took, in milliseconds.
        sweep_ms: u64,
    },
}

/// How the agent lives beside a switch's software.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SwitchFacts {
    /// The mode that it would run in.
    pub mode: Mode,
    /// Why.
    pub reasons: Vec<String>,
    /// What does not fit.
    pub clashes: Vec<Clash>,
}

/// Something that does not fit the mode.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Clash {
    /// The row that it belongs to.
    pub row: Row,
    /// Whether the agent refuses to run so.
    pub is_fatal: bool,
    /// What it is.
    pub found: String,
    /// What to do.
    pub fix: String,
}

/// Who else works on the modules.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct OwnerFacts {
    /// Processes that drive modules, by number and name.
    pub drivers: Vec<(u32, String)>,
    /// Other processes that hold a module's file open: the port, their number and name.
    pub holders: Vec<(PortId, u32, String)>,
}

/// The journal's file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JournalFacts {
    /// Where it is.
    pub path: PathBuf,
    /// Its bytes that are damaged, or why it cannot be read; 0 also where there is no file yet.
    pub damaged: Result<u64, String>,
    /// The last life of an agent that it knows; 0: none.
    pub boot: u64,
    /// Whether damaged bytes of an earlier start lie beside it.
    pub set_aside: bool,
    /// Whether the file and its folder can be written.
    pub write: Access,
    /// Room on its file system in bytes.
    pub free: Option<u64>,
    /// Whether an agent holds it now; `None` where that cannot be told.
    pub in_use: Option<bool>,
}

/// A file that holds a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretFile {
    /// Where it is.
    pub path: PathBuf,
    /// Its mode, lower nine bits, and its owner; or why they cannot be told.
    pub mode: Result<(u32, u32), String>,
}

impl Facts {
    /// What the switch's software says, where it answered.
    pub(super) fn told_by_switch(&self) -> Option<&SwitchFacts> {
        self.switch.as_ref()?.as_ref().ok()
    }

    /// What does not fit the mode.
    pub(super) fn clashes(&self) -> impl Iterator<Item = &Clash> {
        self.told_by_switch().into_iter().flat_map(|switch| &switch.clashes)
    }
}
