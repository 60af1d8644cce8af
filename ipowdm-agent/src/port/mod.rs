//! One port and its module: what is asked of it, what it answers, and the machine between.
//!
//! A [`PortMachine`] owns everything about one port but the way to its module ([`Reach`]) and the clock. Whoever hosts it
//! ([`host`]) calls [`PortMachine::poll`] with both, carries its [`PortEvent`]s away and calls again at the instant it
//! names. Commands are carried out one after the other in the order they came; while one waits for the module, samples
//! go on being taken between its steps.

pub mod host;
mod interval;
mod machine;
mod proxy;
mod reading;
mod sampling;
mod work;

pub use interval::Interval;
pub use machine::PortMachine;
pub use proxy::{AdminSwitch, Change, Failure, Proxy, Reach, Seen};
pub use reading::{issues, telemetry_fields};
pub use sampling::SessionBudget;
pub use work::{Refusal, Work};

use crate::journal::{Intent, PortState};
use ipowdm_cmis::procedure::{ModuleInfo, SweepReport};
use ipowdm_core::capability::ModuleCapability;
use ipowdm_core::ids::{ConnectionId, PortId, VopId};
use ipowdm_core::msg::{AckDetails, Outcome, TelemetryFields};
use ipowdm_core::time::Millis;
use std::sync::Arc;

/// Commands that may wait for one port; the next one is refused.
pub const QUEUE: usize = 16;

/// A piece of work for a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Job {
    /// The number of the command in the journal; `None` for work of the agent's own.
    pub number: Option<u64>,
    /// What to do.
    pub work: Work,
    /// It must not be started after this: its lifetime is over then.
    pub start_by: Option<Millis>,
    /// It is not worth waiting longer for its turn.
    pub give_up: Option<Millis>,
    /// What is logged during the work belongs to.
    pub trace: JobTrace,
}

/// The span of a piece of work. It says nothing about the work itself: all are equal.
#[derive(Debug, Clone)]
pub struct JobTrace(pub tracing::Span);

impl PartialEq for JobTrace {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for JobTrace {}

impl Job {
    /// Work of the agent's own.
    #[must_use]
    pub const fn own(work: Work) -> Self {
        let trace = JobTrace(tracing::Span::none());
        Self { number: None, work, start_by: None, give_up: None, trace }
    }
}

/// What a port is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PortMessage {
    /// Do this.
    Job(Box<Job>),
    /// The telemetry interval of a virtual operator is another.
    Interval(VopId, u32),
}

/// How a piece of work ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobReport {
    /// The port.
    pub port: PortId,
    /// The number of the command; `None` for work of the agent's own.
    pub number: Option<u64>,
    /// Whether it was [`Work::Refresh`].
    pub refreshed: bool,
    /// How it ended.
    pub outcome: Outcome,
    /// Words, code, read-back, writes and module time.
    pub details: AckDetails,
    /// What the port is meant to be from now on.
    pub state: PortState,
}

/// A telemetry sample of a connection at a port.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    /// The port.
    pub port: PortId,
    /// The connection.
    pub connection: ConnectionId,
    /// Whose it is.
    pub vop: VopId,
    /// Number of the sample in this life of the agent and on this port.
    pub seq: u64,
    /// When it was due.
    pub due: Millis,
    /// When the registers were read.
    pub read_at: Millis,
    /// The measurements.
    pub fields: TelemetryFields,
}

/// What a module says of itself that does not change while it is plugged in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModuleFacts {
    /// Vendor name.
    pub vendor: String,
    /// Part number.
    pub part_number: String,
    /// Serial number.
    pub serial: String,
    /// What it can do.
    pub capability: ModuleCapability,
}

impl ModuleFacts {
    pub(crate) fn of(info: &ModuleInfo) -> Self {
        Self {
            vendor: info.vendor_name.as_str().to_string(),
            part_number: info.part_number.as_str().to_string(),
            serial: info.serial_number.as_str().to_string(),
            capability: info.capability.clone(),
        }
    }
}

/// What is known about a port.
#[derive(Debug, Clone, PartialEq)]
pub struct PortStatus {
    /// The port.
    pub port: PortId,
    /// The module; `None`: none is plugged in, or it does not answer.
    pub module: Option<Arc<ModuleFacts>>,
    /// Why there is no module, in words; also `None` before the first look.
    pub trouble: Option<String>,
    /// Whether there may be a module that does not answer, as opposed to none.
    pub unanswered: bool,
    /// What was last read of it.
    pub report: Option<SweepReport>,
    /// When that was.
    pub read_at: Millis,
    /// The module's own statistics, where they are read beside other software that drives it.
    pub interval: Option<Arc<Interval>>,
    /// The application that was provisioned here.
    pub app_sel: Option<u8>,
    /// What the transmitter is meant to do.
    pub intent: Intent,
    /// Whether it was switched off.
    pub admin_down: bool,
    /// Whether a command is being carried out.
    pub busy: bool,
    /// Ticks for which there was no sample, since the agent started.
    pub missed: u64,
}

/// What a port has to say.
#[derive(Debug, Clone, PartialEq)]
pub enum PortEvent {
    /// It was looked at.
    Status(Box<PortStatus>),
    /// A sample was taken.
    Sample(Box<Sample>),
    /// Work has ended.
    Done(Box<JobReport>),
}

#[cfg(test)]
mod tests;
