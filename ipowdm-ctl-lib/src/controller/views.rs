//! What a controller shows.

use super::metrics::MetricsView;
use super::record::{ConnectionRecord, OperationRecord, PortOperation};
use super::request::ConnectionRequest;
use crate::connection::{Ends, Failure, Light, OperationKind, Seen, State, Timing, Troubles};
use crate::linkdb::Path;
use crate::qot_loop::{LastSample, SampleCounts};
use crate::registry::{Agent, Interface};
use crate::slice::Vop;
use crate::spectrum::Incarnation;
use crate::topology::{FibreLink, Pop};
use ipowdm_core::capability::PowerRange;
use ipowdm_core::grid::FlexSlot;
use ipowdm_core::ids::{AgentId, ConnectionId, PortRef};
use ipowdm_core::modes::{Mode, by_media_code};
use ipowdm_core::qot::{End, Level, Rule};
use ipowdm_core::time::{Millis, Timestamp};
use ipowdm_core::units::{Frequency, Power};
use std::collections::BTreeMap;

/// One end of a connection.
#[derive(Debug, Clone, PartialEq)]
pub struct EndView {
    /// The port.
    pub port: PortRef,
    /// The agent that drives it.
    pub agent_id: AgentId,
    /// The transmit power that is wanted.
    pub tx_power: Option<Power>,
    /// What was read back after the last command that was answered with a read-back, as wanted or not.
    pub seen: Option<Seen>,
    /// What module, operator and grant allow together.
    pub tx_power_range: Option<PowerRange>,
    /// What is known about its light.
    pub light: Light,
    /// What is wrong with it.
    pub troubles: Troubles,
    /// Whether an answer to a command is waited for.
    pub awaits_answer: bool,
}

/// How an operation stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OperationStatus {
    /// Under way.
    Running,
    /// Done, and read back.
    Succeeded,
    /// Not done; what was begun is undone or being undone.
    Failed(Failure),
}

/// What an operation does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OperationSubject {
    /// Something with a connection.
    Connection(OperationKind),
    /// Switches a port's transmitter on or off.
    Interface {
        /// Whether on.
        up: bool,
    },
}

/// An operation that can be followed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OperationView {
    /// Its id.
    pub id: String,
    /// What it does.
    pub subject: OperationSubject,
    /// The connection, for operations on one.
    pub connection_id: Option<ConnectionId>,
    /// The port, for operations on one.
    pub port: Option<PortRef>,
    /// How it stands.
    pub status: OperationStatus,
    /// When it began, for display.
    pub started_at: Timestamp,
    /// How long it took, once a connection's has ended.
    pub timing: Option<Timing>,
}

impl OperationView {
    /// Whether it has ended.
    #[must_use]
    pub const fn has_ended(&self) -> bool {
        !matches!(self.status, OperationStatus::Running)
    }
}

/// A connection.
#[derive(Debug, Clone, PartialEq)]
pub struct ConnectionView {
    /// Its id.
    pub connection_id: ConnectionId,
    /// Its id in LinkDB, `<vOp>:<connection>`.
    pub grant_id: String,
    /// Which life of the id holds ports and spectrum; a repair that takes them anew begins another.
    pub incarnation: Incarnation,
    /// The state.
    pub state: State,
    /// What was asked for.
    pub request: ConnectionRequest,
    /// When it was created, for display.
    pub created_at: Timestamp,
    /// When both ends were last read back as wanted; `None` where they never were or have changed since.
    pub verified_at: Option<Timestamp>,
    /// The path.
    pub path: Path,
    /// The slot, on both fibres of all links of the path.
    pub slot: FlexSlot,
    /// Its centre.
    pub frequency: Frequency,
    /// The mode, where this build knows it.
    pub mode: Option<&'static Mode>,
    /// The ends.
    pub ends: Ends<EndView>,
    /// Whether a link of the path is down.
    pub link_down: bool,
    /// The quality level.
    pub level: Level,
    /// Whether the quality loop has given up on it.
    pub quality_alarm: bool,
    /// What went wrong last.
    pub failure: Option<Failure>,
    /// Whether it holds spectrum and ports.
    pub holds_grant: bool,
    /// Milliseconds until the state's deadline.
    pub deadline_in_ms: Option<u64>,
    /// Its newest operation.
    pub operation: Option<OperationView>,
    /// How long its last successful set-up, or repair, took.
    pub setup_timing: Option<Timing>,
}

/// The quality of transmission at one end.
#[derive(Debug, Clone, PartialEq)]
pub struct QotEndView {
    /// The level of its receiver.
    pub level: Level,
    /// Whether it is not sampled although it should be.
    pub stale: bool,
    /// The last sample and how old it is in milliseconds.
    pub last: Option<(LastSample, u64)>,
}

/// The quality of transmission of a connection.
#[derive(Debug, Clone, PartialEq)]
pub struct QotView {
    /// The connection.
    pub connection_id: ConnectionId,
    /// Its state.
    pub state: State,
    /// The worse of the two ends.
    pub level: Level,
    /// Whether something is being done, or was done in vain, about a bad level.
    pub acting: bool,
    /// Whether the loop has given up.
    pub alarm: bool,
    /// The rule that judges it.
    pub rule: Rule,
    /// The ends.
    pub ends: Ends<QotEndView>,
    /// What became of the samples.
    pub samples: SampleCounts,
}

/// An agent, and how long it has been silent.
#[derive(Debug, Clone, PartialEq)]
pub struct AgentView {
    /// What is known of it.
    pub agent: Agent,
    /// Connections it has an end of.
    pub connections: Vec<ConnectionId>,
}

/// A port of the virtual operator.
#[derive(Debug, Clone, PartialEq)]
pub struct InterfaceView {
    /// Where it is.
    pub port: PortRef,
    /// What its agent says; empty while that is not known.
    pub reported: Interface,
    /// The connection on it.
    pub connection_id: Option<ConnectionId>,
    /// Agents that describe the port too, and are not believed.
    pub claimants: Vec<AgentId>,
    /// The last command to its transmitter.
    pub operation: Option<OperationView>,
}

/// A link as the virtual operator may see it: how much of *its* spectrum is in use, not by whom.
#[derive(Debug, Clone, PartialEq)]
pub struct LinkView {
    /// The link.
    pub link: FibreLink,
    /// Steps of 6.25 GHz that lie in the virtual operator's windows.
    pub total_slots: u32,
    /// Those of them that are in use on either fibre.
    pub used_slots: u32,
}

/// The network as the virtual operator may see it.
#[derive(Debug, Clone, PartialEq)]
pub struct NetworkView {
    /// The PoPs.
    pub pops: Vec<Pop>,
    /// The links.
    pub links: Vec<LinkView>,
}

impl NetworkView {
    /// Steps of 6.25 GHz over all links: all, and those in use.
    #[must_use]
    pub fn slots(&self) -> (u32, u32) {
        let sum = |of: fn(&LinkView) -> u32| self.links.iter().map(of).fold(0, u32::saturating_add);
        (sum(|link| link.total_slots), sum(|link| link.used_slots))
    }
}

/// A path and a slot that a connection would get now.
#[derive(Debug, Clone, PartialEq)]
pub struct PathView {
    /// The path.
    pub path: Path,
    /// The slot.
    pub slot: FlexSlot,
    /// Its centre.
    pub frequency: Frequency,
    /// The mode.
    pub mode: &'static Mode,
}

/// Whether a controller is well.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HealthView {
    /// The controller.
    pub controller_id: String,
    /// Why the store cannot be used; `None` where it can.
    pub store: Option<String>,
    /// Why the bus cannot be used; `None` where it can.
    pub bus: Option<String>,
    /// Whether another controller has taken over.
    pub superseded: bool,
    /// Connections that are up.
    pub active_connections: usize,
}

impl HealthView {
    /// Whether it can do all that it is for.
    #[must_use]
    pub const fn is_healthy(&self) -> bool {
        self.store.is_none() && self.bus.is_none() && !self.superseded
    }
}

/// Everything at a glance.
#[derive(Debug, Clone, PartialEq)]
pub struct StatusView {
    /// Whether the controller is well.
    pub health: HealthView,
    /// Where the bus is.
    pub bus_address: String,
    /// The epoch of commands.
    pub epoch: u64,
    /// Milliseconds that the controllers of this virtual operator have been running.
    pub uptime: Millis,
    /// Connections by state.
    pub connections: BTreeMap<State, usize>,
    /// Agents: known, and of these online.
    pub agents: (usize, usize),
    /// Connections whose quality is bad, and of these those given up on.
    pub quality: (usize, usize),
    /// Counters.
    pub metrics: MetricsView,
}

/// The virtual operator as its controller sees it.
#[derive(Debug, Clone, PartialEq)]
pub struct VopStatusView {
    /// What is stored of it.
    pub vop: Vop,
    /// Connections that are remembered, and of these those that hold spectrum.
    pub connections: (usize, usize),
    /// Agents: known, and of these online.
    pub agents: (usize, usize),
}

/// The id of an operation: `<connection>.<incarnation>.<number>`, with the incarnation that the connection was created as.
pub(super) fn operation_id(record: &ConnectionRecord, number: u32) -> String {
    format!("{}.{:x}.{number}", record.id, record.born().0.get())
}

/// Reads an operation id: connection, incarnation, number.
pub(super) fn parse_operation_id(id: &str) -> Option<(ConnectionId, u64, u32)> {
    let mut parts = id.rsplitn(3, '.');
    let number = parts.next()?.parse().ok()?;
    let incarnation = u64::from_str_radix(parts.next()?, 16).ok()?;
    Some((ConnectionId::new(parts.next()?).ok()?, incarnation, number))
}

/// An operation on a connection.
pub(super) fn operation_view(record: &ConnectionRecord, operation: &OperationRecord) -> OperationView {
    let status = match &operation.ended {
        None => OperationStatus::Running,
        Some((Ok(()), _)) => OperationStatus::Succeeded,
        Some((Err(failure), _)) => OperationStatus::Failed(failure.clone()),
    };
    OperationView {
        id: operation_id(record, operation.number),
        subject: OperationSubject::Connection(operation.kind),
        connection_id: Some(record.id.clone()),
        port: None,
        status,
        started_at: operation.started_at,
        timing: operation.ended.as_ref().map(|(_, timing)| *timing),
    }
}

/// An operation on a port.
pub(super) fn port_operation_view(operation: &PortOperation) -> OperationView {
    let status = match &operation.ended {
        None => OperationStatus::Running,
        Some(Ok(())) => OperationStatus::Succeeded,
        Some(Err((code, text))) => {
            OperationStatus::Failed(Failure { code: *code, end: None, text: text.clone() })
        }
    };
    OperationView {
        id: operation.command_id.to_string(),
        subject: OperationSubject::Interface { up: operation.up },
        connection_id: None,
        port: Some(operation.port.clone()),
        status,
        started_at: operation.started_at,
        timing: None,
    }
}

/// A connection.
pub(super) fn connection_view(record: &ConnectionRecord, grant_id: String, now: Millis) -> ConnectionView {
    let life = &record.life;
    let lit = |kind| matches!(kind, OperationKind::Setup | OperationKind::Repair);
    let setups = record.operations.iter().rev().filter(|op| lit(op.kind));
    let setup_timing = setups.clone().find_map(|op| match &op.ended {
        Some((Ok(()), timing)) => Some(*timing),
        _ => None,
    });
    ConnectionView {
        connection_id: record.id.clone(),
        grant_id,
        incarnation: record.incarnation,
        state: life.state(),
        request: record.request.clone(),
        created_at: record.created_at,
        verified_at: life.verified_at(),
        path: record.path.clone(),
        slot: record.slot,
        frequency: record.frequency,
        mode: by_media_code(record.media_code),
        ends: life.ends().map(|end, state| EndView {
            port: record.ports.get(end).clone(),
            agent_id: record.agents.get(end).clone(),
            tx_power: state.wanted.tx_power,
            seen: state.seen,
            tx_power_range: *record.limits.get(end),
            light: state.light,
            troubles: state.troubles,
            awaits_answer: state.pending().is_some(),
        }),
        link_down: life.link_down(),
        level: life.level(),
        quality_alarm: record.alarmed,
        failure: life.failure().cloned(),
        holds_grant: life.holds_grant(),
        deadline_in_ms: life.deadline().map(|deadline| deadline.since(now)),
        operation: record.operations.back().map(|operation| operation_view(record, operation)),
        setup_timing,
    }
}

/// The quality of a connection.
pub(super) fn qot_view(entry: &super::live::Entry, now: Millis) -> QotView {
    let record = entry.record();
    let end_view = |end: End| QotEndView {
        level: entry.qot.level_at(end),
        stale: entry.qot.is_stale(end),
        last: entry.qot.last(end).map(|last| (last.clone(), now.since(last.at))),
    };
    QotView {
        connection_id: record.id.clone(),
        state: record.life.state(),
        level: entry.qot.level(),
        acting: entry.qot.is_acting(),
        alarm: record.alarmed,
        rule: entry.rule,
        ends: Ends { source: end_view(End::Source), destination: end_view(End::Destination) },
        samples: entry.qot.counts(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_operation_id_reads_back() {
        let parsed = parse_operation_id("POP1.POP2-1.1f.3");
        assert_eq!(parsed, Some((ConnectionId::new("POP1.POP2-1").unwrap(), 0x1f, 3)));
        assert_eq!(parse_operation_id("POP1-POP2-1"), None);
        assert_eq!(parse_operation_id("Ethernet48.00c0ffee.1.2f"), None, "a port's operation");
    }
}
