//! The messages an agent sends, made of what it knows.

use crate::intake::{Identity, check_grant};
use crate::port::{ModuleFacts, PortStatus, Sample, issues, telemetry_fields};
use ipowdm_core::ids::{CommandId, ConnectionId, PortId, VopId};
use ipowdm_core::msg::{
    AckDetails, AgentHealth, Capabilities, CommandAck, Endpoint, HealthStatus, InterfaceCapability,
    InterfaceHealth, Outcome, PortDump, TelemetrySample, VERSION, VopAssignment, WindowStats,
};
use ipowdm_core::qot::Level;
use ipowdm_core::time::{Millis, Timestamp};
use ipowdm_core::units::{Frequency, Power};
use std::collections::BTreeMap;

/// Most lines of trouble in one heartbeat.
const MOST_ISSUES: usize = 64;

/// The command that an ack answers.
#[derive(Debug, Clone)]
pub(super) struct Answered<'a> {
    pub(super) vop: &'a VopId,
    pub(super) command_id: &'a CommandId,
    pub(super) action: &'a str,
    pub(super) connection: Option<&'a ConnectionId>,
    pub(super) port: Option<&'a PortId>,
    pub(super) boot: u64,
    pub(super) number: u64,
}

/// An ack, as JSON, and the key of its record.
pub(super) fn ack(
    me: &Identity,
    answered: &Answered<'_>,
    outcome: Outcome,
    details: AckDetails,
    timestamp: Timestamp,
) -> (String, Vec<u8>) {
    let key = answered.connection.map_or(me.agent_id.as_str(), ConnectionId::as_str);
    let ack = CommandAck {
        v: VERSION,
        agent_id: me.agent_id.clone(),
        pop_id: me.pop_id.clone(),
        router_id: me.router_id.clone(),
        virtual_operator: answered.vop.clone(),
        command_id: answered.command_id.clone(),
        action: answered.action.to_string(),
        status: outcome.status(),
        outcome,
        ack_id: Some(format!("{}:{}:{}", me.agent_id, answered.boot, answered.number)),
        connection_id: answered.connection.cloned(),
        interface: answered.port.cloned(),
        details,
        timestamp,
    };
    (key.to_string(), ack.to_json())
}

/// A sample as it goes out at `now`.
pub(super) fn sample(
    me: &Identity,
    sample: Sample,
    boot: u64,
    now: Millis,
    wall: Timestamp,
) -> TelemetrySample {
    let age = now.since(sample.read_at);
    let timestamp = Timestamp(wall.0.saturating_sub(i64::try_from(age).unwrap_or(i64::MAX)));
    let mut message =
        TelemetrySample::new(sample.connection, me.agent_id.clone(), sample.port, timestamp, sample.fields)
            .numbered(boot, sample.seq);
    message.pop_id = Some(me.pop_id.clone());
    message.router_id = Some(me.router_id.clone());
    message.virtual_operator = Some(sample.vop);
    message.age_ms = u32::try_from(age).ok();
    message
}

/// What a heartbeat says beside the ports.
#[derive(Debug, Clone)]
pub(super) struct Vitals {
    pub(super) stopped: bool,
    pub(super) uptime_ms: u64,
    pub(super) boot: u64,
    pub(super) epoch: Option<u64>,
    pub(super) emulated: bool,
    /// Trouble of the agent itself.
    pub(super) issues: Vec<String>,
    pub(super) timestamp: Timestamp,
}

/// A heartbeat for one virtual operator, with its ports only.
pub(super) fn health(
    me: &Identity,
    assignment: &VopAssignment,
    ports: &BTreeMap<PortId, PortStatus>,
    levels: &BTreeMap<&PortId, Level>,
    vitals: Vitals,
) -> AgentHealth {
    let own = || assignment.ports.iter().map(|grant| (&grant.port_id, ports.get(&grant.port_id)));
    let mut issues = vitals.issues;
    for (port, status) in own() {
        match status {
            Some(status) => {
                issues.extend(self::issues(status));
                issues.extend(beyond_grant(me, assignment, status));
                issues.extend(bad_signal(assignment, status, levels));
            }
            None => issues.push(format!("{port}: not managed by this agent, or not read yet")),
        }
    }
    if issues.len() > MOST_ISSUES {
        let more = issues.len() - (MOST_ISSUES - 1);
        issues.truncate(MOST_ISSUES - 1);
        issues.push(format!("and {more} more"));
    }
    #[expect(clippy::cast_precision_loss, reason = "an uptime in ms stays below 2^53 for 285 000 years")]
    let uptime = vitals.uptime_ms as f64 / 1e3;
    AgentHealth {
        v: VERSION,
        agent_id: me.agent_id.clone(),
        pop_id: me.pop_id.clone(),
        router_id: me.router_id.clone(),
        virtual_operator: assignment.vop.clone(),
        status: match (vitals.stopped, issues.is_empty()) {
            (true, _) => HealthStatus::Stopped,
            (false, true) => HealthStatus::Healthy,
            (false, false) => HealthStatus::Degraded,
        },
        timestamp: vitals.timestamp,
        uptime,
        boot_id: Some(vitals.boot),
        epoch: vitals.epoch,
        emulated: vitals.emulated,
        interfaces: own()
            .filter_map(|(port, status)| {
                Some(interface_health(status?, &assignment.vop, levels.get(port).copied()))
            })
            .collect(),
        issues,
    }
}

/// A connection that was lit within a grant that has been narrowed since. It is told, not put out.
fn beyond_grant(me: &Identity, assignment: &VopAssignment, status: &PortStatus) -> Option<String> {
    let desired = status.intent.desired().filter(|desired| desired.vop == assignment.vop)?;
    let grant = assignment.ports.iter().find(|grant| grant.port_id == status.port)?;
    let endpoint = Endpoint {
        port: me.port(status.port.clone()),
        frequency: Some(desired.frequency),
        tx_power: desired.tx_power,
        media_code: desired.media_code,
    };
    let error = check_grant(&endpoint, grant).err()?;
    Some(format!("{}: {} is lit outside its grant: {error}", status.port, desired.connection))
}

/// A signal of this virtual operator that action is due on, where the agent judges.
fn bad_signal(
    assignment: &VopAssignment,
    status: &PortStatus,
    levels: &BTreeMap<&PortId, Level>,
) -> Option<String> {
    let desired = status.intent.desired().filter(|desired| desired.vop == assignment.vop)?;
    let level = levels.get(&status.port).filter(|level| **level >= Level::Degraded)?;
    let words = if *level == Level::Critical { "critical" } else { "degraded" };
    Some(format!("{}: the signal of {} is {words}", status.port, desired.connection))
}

fn interface_health(status: &PortStatus, vop: &VopId, level: Option<Level>) -> InterfaceHealth {
    let module = status.module.as_deref();
    let text = |of: fn(&ModuleFacts) -> &String| module.map(|facts| of(facts).clone());
    let report = status.report.as_ref();
    let (module_state, data_path_state) = status.states();
    InterfaceHealth {
        port_id: status.port.clone(),
        present: module.is_some(),
        operational: status.is_operational(),
        admin_up: Some(!status.admin_down),
        vendor: text(|facts| &facts.vendor),
        part_number: text(|facts| &facts.part_number),
        serial: text(|facts| &facts.serial),
        module_state,
        data_path_state,
        frequency_mhz: report.and_then(|report| report.laser_frequency.value()),
        app_code: status.app_sel.filter(|_| status.is_up() == Some(true)),
        tx_power_dbm: report.and_then(|report| report.tx_power_target.value()),
        connection_id: serves(status, vop),
        quality: level.filter(|_| serves(status, vop).is_some()),
    }
}

/// The connection of a virtual operator that a port serves.
fn serves(status: &PortStatus, vop: &VopId) -> Option<ConnectionId> {
    let desired = status.intent.desired().filter(|desired| desired.vop == *vop)?;
    Some(desired.connection.clone())
}

/// Everything that is known about a port at `now`.
pub(super) fn dump(
    me: &Identity,
    vop: &VopId,
    status: &PortStatus,
    windows: Vec<WindowStats>,
    now: Millis,
    timestamp: Timestamp,
) -> PortDump {
    let name = |facts: &ModuleFacts| format!("{} {} {}", facts.vendor, facts.part_number, facts.serial);
    PortDump {
        v: VERSION,
        agent_id: me.agent_id.clone(),
        pop_id: me.pop_id.clone(),
        router_id: me.router_id.clone(),
        virtual_operator: vop.clone(),
        interface: status.port.clone(),
        timestamp,
        connection_id: serves(status, vop),
        module: status.module.as_deref().map(name),
        age_ms: status.report.as_ref().map(|_| now.since(status.read_at)),
        fields: status.report.as_ref().map(telemetry_fields).unwrap_or_default(),
        windows,
        interval: status.interval.as_deref().map(|interval| interval.told(now)),
        issues: issues(status),
    }
}

/// What the modules on a virtual operator's ports can do.
pub(super) fn capabilities(
    me: &Identity,
    assignment: &VopAssignment,
    ports: &BTreeMap<PortId, PortStatus>,
    timestamp: Timestamp,
) -> Capabilities {
    let interface = |port: &PortId| {
        let module = ports.get(port).and_then(|status| status.module.as_deref());
        let capability = module.map(|facts| &facts.capability);
        let ghz = |frequency: Frequency| f64::from(frequency.mhz()) / 1e3;
        InterfaceCapability {
            port_id: port.clone(),
            vendor: module.map(|facts| facts.vendor.clone()),
            part_number: module.map(|facts| facts.part_number.clone()),
            frequency_range: capability
                .and_then(|capability| capability.tunable_window())
                .map(|window| [ghz(window.low), ghz(window.high)]),
            tx_power_range: capability
                .and_then(|capability| capability.tx_power)
                .map(|range| [range.min, range.max].map(Power::value)),
            capability: capability.cloned(),
        }
    };
    Capabilities {
        v: VERSION,
        agent_id: me.agent_id.clone(),
        pop_id: me.pop_id.clone(),
        router_id: me.router_id.clone(),
        virtual_operator: assignment.vop.clone(),
        timestamp,
        interfaces: assignment.ports.iter().map(|grant| interface(&grant.port_id)).collect(),
    }
}
