//! Connections.

use super::operation::{FailureJson, OperationJson};
use crate::connection::{Light, Seen, State};
use crate::controller::{ConnectionView, EndView};
use crate::http::dto::iso;
use crate::http::dto::spectrum::SlotJson;
use ipowdm_core::ids::{AgentId, ConnectionId, LinkId, PopId, PortId, RouterId, VopId};
use ipowdm_core::modes::Modulation;
use ipowdm_core::qot::Level;
use ipowdm_core::units::Frequency;
use schemars::JsonSchema;
use serde::Serialize;

/// What an end is to be.
#[derive(Debug, Serialize, JsonSchema)]
struct WantedJson {
    frequency_mhz: Frequency,
    tx_power_dbm: Option<f64>,
}

/// What was read from a module's registers after the last command that was answered so, as wanted or not.
#[derive(Debug, Serialize, JsonSchema)]
struct ReadBackJson {
    frequency_mhz: Option<Frequency>,
    tx_power_dbm: Option<f64>,
    at: String,
}

impl From<Seen> for ReadBackJson {
    fn from(seen: Seen) -> Self {
        Self {
            frequency_mhz: seen.frequency,
            tx_power_dbm: seen.tx_power.map(|power| power.value()),
            at: iso(seen.at),
        }
    }
}

/// One end. `frequency_mhz` and `tx_power_dbm` are those of `read_back`, but null while the connection is not verified: not
/// read back as wanted at both ends, or changed since.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "ConnectionEnd")]
struct EndJson {
    pop_id: PopId,
    router_id: RouterId,
    interface: PortId,
    agent_id: AgentId,
    wanted: WantedJson,
    read_back: Option<ReadBackJson>,
    frequency_mhz: Option<Frequency>,
    tx_power_dbm: Option<f64>,
    /// What module, operator and grant allow together; null where the module does not let its power be set.
    tx_power_range_dbm: Option<[f64; 2]>,
    /// `dark`, `lit`, or `unknown` while a command to it is not answered.
    light: &'static str,
    loss_of_signal: bool,
    module_absent: bool,
    agent_unknown: bool,
    awaits_answer: bool,
}

impl EndJson {
    fn new(end: &EndView, frequency: Frequency, verified: bool) -> Self {
        let seen = end.seen.filter(|_| verified);
        let tx_power_dbm = end.tx_power.map(|power| power.value());
        Self {
            pop_id: end.port.pop_id.clone(),
            router_id: end.port.router_id.clone(),
            interface: end.port.port_id.clone(),
            agent_id: end.agent_id.clone(),
            wanted: WantedJson { frequency_mhz: frequency, tx_power_dbm },
            read_back: end.seen.map(ReadBackJson::from),
            frequency_mhz: seen.and_then(|seen| seen.frequency),
            tx_power_dbm: seen.and_then(|seen| seen.tx_power).map(|power| power.value()),
            tx_power_range_dbm: end.tx_power_range.map(|range| [range.min.value(), range.max.value()]),
            light: match end.light {
                Light::Dark => "dark",
                Light::Unknown => "unknown",
                Light::Lit => "lit",
            },
            loss_of_signal: end.troubles.loss_of_signal,
            module_absent: end.troubles.module_absent,
            agent_unknown: end.troubles.agent_unknown,
            awaits_answer: end.awaits_answer,
        }
    }
}

/// A connection.
#[derive(Debug, Serialize, JsonSchema)]
pub(in crate::http) struct ConnectionJson {
    pub(in crate::http) connection_id: ConnectionId,
    pub(in crate::http) status: State,
    virtual_operator: VopId,
    source_pop: PopId,
    destination_pop: PopId,
    /// `router/port`.
    source_interface: String,
    destination_interface: String,
    /// Links from source to destination.
    path: Vec<LinkId>,
    pops: Vec<PopId>,
    total_length_km: f64,
    bandwidth_gbps: u16,
    modulation: Modulation,
    mode: Option<&'static str>,
    /// Centre in THz.
    frequency: f64,
    frequency_mhz: Frequency,
    slot: SlotJson,
    source: EndJson,
    destination: EndJson,
    created_at: String,
    /// Whether both ends were read back as wanted and have not changed since. A connection can be ACTIVE without it where a
    /// controller in compatibility mode takes the word of agents that read nothing back.
    verified: bool,
    /// When both ends were last read back as wanted; null where they never were or have changed since.
    verified_at: Option<String>,
    /// Seconds that the last successful set-up took.
    setup_time: Option<f64>,
    quality: Level,
    quality_alarm: bool,
    link_down: bool,
    /// Nothing here estimates the OSNR of a path yet.
    estimated_osnr: Option<f64>,
    /// OSNR in dB (0.1 nm) that the mode's receiver needs.
    required_osnr: Option<f64>,
    linkdb_connection_id: String,
    holds_spectrum: bool,
    /// Seconds until the state gives up or moves on by itself.
    deadline_in_seconds: Option<f64>,
    failure: Option<FailureJson>,
    operation: Option<OperationJson>,
    message: String,
}

impl ConnectionJson {
    pub(in crate::http) fn new(vop: VopId, view: ConnectionView) -> Self {
        let message = message(&view);
        let verified = view.verified_at.is_some();
        let interface = |end: &EndView| format!("{}/{}", end.port.router_id, end.port.port_id);
        Self {
            virtual_operator: vop,
            source_interface: interface(&view.ends.source),
            destination_interface: interface(&view.ends.destination),
            source: EndJson::new(&view.ends.source, view.frequency, verified),
            destination: EndJson::new(&view.ends.destination, view.frequency, verified),
            connection_id: view.connection_id,
            status: view.state,
            source_pop: view.request.source.pop,
            destination_pop: view.request.destination.pop,
            path: view.path.hops.into_iter().map(|hop| hop.link).collect(),
            pops: view.path.pops,
            total_length_km: view.path.length.km(),
            bandwidth_gbps: view.request.bandwidth_gbps,
            modulation: view.request.modulation,
            mode: view.mode.map(|mode| mode.name),
            frequency: view.frequency.thz(),
            frequency_mhz: view.frequency,
            slot: view.slot.into(),
            created_at: iso(view.created_at),
            verified,
            verified_at: view.verified_at.map(iso),
            setup_time: view.setup_timing.map(|timing| seconds(timing.total_ms)),
            quality: view.level,
            quality_alarm: view.quality_alarm,
            link_down: view.link_down,
            estimated_osnr: None,
            required_osnr: view.mode.map(|mode| mode.required_osnr.value()),
            linkdb_connection_id: view.grant_id,
            holds_spectrum: view.holds_grant,
            deadline_in_seconds: view.deadline_in_ms.map(seconds),
            failure: view.failure.map(FailureJson::from),
            operation: view.operation.map(OperationJson::from),
            message,
        }
    }
}

/// What was begun with a connection.
#[derive(Debug, Serialize, JsonSchema)]
pub(in crate::http) struct ConnectionAnswer {
    pub(in crate::http) connection_id: ConnectionId,
    pub(in crate::http) status: &'static str,
    pub(in crate::http) message: &'static str,
    /// What to ask next.
    pub(in crate::http) next_step: String,
    pub(in crate::http) operation: OperationJson,
    /// Null where it is remembered no more.
    pub(in crate::http) connection: Option<ConnectionJson>,
}

/// One sentence on how it stands.
fn message(view: &ConnectionView) -> String {
    let id = &view.connection_id;
    match (view.state, &view.failure) {
        (State::Pending, _) => format!("{id} holds {} and waits to be set up", view.frequency),
        (State::SetupInProgress, _) => format!("{id} is being set up"),
        (State::Active, _) if view.verified_at.is_some() => {
            format!("{id} is up, read back from both modules")
        }
        (State::Active, _) => {
            format!("{id} is up by the word of its agents, not read back from both modules")
        }
        (State::Degraded, _) => format!("{id} is up and something is wrong with it"),
        (State::Reconfiguring, _) => format!("{id} is being changed"),
        (State::TeardownInProgress, _) => format!("{id} is being taken down"),
        (State::Terminated, _) => format!("{id} is over"),
        (State::Failed, Some(failure)) => format!("{id} failed: {failure}"),
        (State::Failed, None) => format!("{id} failed"),
    }
}

fn seconds(ms: u64) -> f64 {
    // Whole milliseconds up to 49 days are exact; nothing here takes longer.
    f64::from(u32::try_from(ms).unwrap_or(u32::MAX)) / 1e3
}
