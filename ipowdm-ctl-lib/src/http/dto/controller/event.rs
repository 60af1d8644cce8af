//! What is streamed to those who follow a controller.

use super::operation::{FailureJson, OperationJson, kind_name};
use crate::connection::{Cause, Ends, State, Timing};
use crate::controller::{AgentView, ConnectionView, ControllerEvent, Told};
use crate::http::dto::iso;
use crate::registry::Presence;
use ipowdm_core::ids::ConnectionId;
use ipowdm_core::qot::End;
use ipowdm_core::units::Power;
use serde_json::{Value, json};

/// What an event is about; a client follows those that it names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(in crate::http) enum Kind {
    /// Samples of modules.
    Telemetry,
    /// A connection was created, moved, forgotten.
    Connection,
    /// An operation began or ended.
    Operation,
    /// The level of quality; steps of the quality loop.
    Quality,
    /// Something is wrong, or is not any more.
    Alarm,
    /// The presence of an agent.
    Agent,
}

impl Kind {
    /// All kinds by name.
    pub(in crate::http) const ALL: [(&'static str, Self); 6] = [
        ("telemetry", Self::Telemetry),
        ("connection", Self::Connection),
        ("operation", Self::Operation),
        ("quality", Self::Quality),
        ("alarm", Self::Alarm),
        ("agent", Self::Agent),
    ];

    pub(in crate::http) const fn as_str(self) -> &'static str {
        match self {
            Self::Telemetry => "telemetry",
            Self::Connection => "connection",
            Self::Operation => "operation",
            Self::Quality => "quality",
            Self::Alarm => "alarm",
            Self::Agent => "agent",
        }
    }
}

/// The connection that an event is about, where it is about one.
pub(in crate::http) const fn connection_of(event: &ControllerEvent) -> Option<&ConnectionId> {
    match event {
        ControllerEvent::Created { connection_id }
        | ControllerEvent::Moved { connection_id, .. }
        | ControllerEvent::Begun { connection_id, .. }
        | ControllerEvent::Finished { connection_id, .. }
        | ControllerEvent::Quality { connection_id, .. }
        | ControllerEvent::Step { connection_id, .. }
        | ControllerEvent::QualityAlarm { connection_id, .. }
        | ControllerEvent::QualityRecovered { connection_id }
        | ControllerEvent::LeftUnconfirmed { connection_id, .. }
        | ControllerEvent::Stray { connection_id, .. }
        | ControllerEvent::Forgotten { connection_id }
        | ControllerEvent::Telemetry { connection_id, .. } => Some(connection_id),
        ControllerEvent::PortBegun { .. }
        | ControllerEvent::PortFinished { .. }
        | ControllerEvent::Conflict(_)
        | ControllerEvent::Agent { .. } => None,
    }
}

/// What was told, as it is sent: by kind. Something may be of two kinds: a connection that fails has moved, and is an alarm.
pub(in crate::http) fn news(told: &Told) -> Vec<(Kind, Value)> {
    let mut news: Vec<(Kind, Value)> = fact(&told.event).into_iter().collect();
    news.extend(alarm(&told.event).map(|alarm| (Kind::Alarm, alarm)));
    for (_, data) in &mut news {
        data["at"] = iso(told.at).into();
    }
    news
}

/// How a connection stands, by kind.
pub(in crate::http) fn standing(view: &ConnectionView) -> Vec<(Kind, Value)> {
    let id = &view.connection_id;
    let alarm = |name: &str| (Kind::Alarm, json!({"alarm": name, "state": "raised", "connection_id": id}));
    let mut known = vec![
        (Kind::Connection, json!({"event": "state", "connection_id": id, "state": view.state})),
        (Kind::Quality, json!({"event": "state", "connection_id": id, "level": view.level})),
    ];
    if let Some(operation) = view.operation.as_ref().filter(|operation| !operation.has_ended()) {
        let mut data = json!(OperationJson::from(operation.clone()));
        data["event"] = "state".into();
        known.push((Kind::Operation, data));
    }
    match view.state {
        State::Failed => known.push(alarm("connection_failed")),
        State::Degraded => known.push(alarm("connection_degraded")),
        _ => {}
    }
    if view.quality_alarm {
        known.push(alarm("quality"));
    }
    known
}

/// How an agent stands, by kind.
pub(in crate::http) fn agent_standing(view: &AgentView) -> Vec<(Kind, Value)> {
    let (agent_id, presence) = (view.agent.agent_id.clone(), view.agent.presence);
    let event = ControllerEvent::Agent { agent_id, presence };
    let alarm = alarm(&event).filter(|_| presence != Presence::Online);
    fact(&event).into_iter().chain(alarm.map(|alarm| (Kind::Alarm, alarm))).collect()
}

fn timing(timing: Timing) -> Value {
    json!({
        "total_ms": timing.total_ms,
        "module_ms": timing.module_ms,
        "control_plane_ms": timing.control_plane_ms(),
    })
}

/// What has happened.
fn fact(event: &ControllerEvent) -> Option<(Kind, Value)> {
    Some(match event {
        ControllerEvent::Created { connection_id } => {
            (Kind::Connection, json!({"event": "created", "connection_id": connection_id}))
        }
        ControllerEvent::Moved { connection_id, from, to, cause, .. } => {
            let data = json!({
                "event": "moved", "connection_id": connection_id, "from": from, "to": to,
                "cause": cause_json(cause),
            });
            (Kind::Connection, data)
        }
        ControllerEvent::Forgotten { connection_id } => {
            (Kind::Connection, json!({"event": "forgotten", "connection_id": connection_id}))
        }
        ControllerEvent::Begun { connection_id, operation_id, kind } => {
            let data = json!({
                "event": "begun", "connection_id": connection_id, "operation_id": operation_id,
                "kind": kind_name(*kind), "status": "running",
            });
            (Kind::Operation, data)
        }
        ControllerEvent::Finished { connection_id, operation_id, kind, failure, timing: took } => {
            let mut data = timing(*took);
            data["event"] = "finished".into();
            data["connection_id"] = json!(connection_id);
            data["operation_id"] = json!(operation_id);
            data["kind"] = kind_name(*kind).into();
            data["status"] = if failure.is_none() { "succeeded" } else { "failed" }.into();
            data["failure"] = json!(failure.clone().map(FailureJson::from));
            (Kind::Operation, data)
        }
        ControllerEvent::PortBegun { port, operation_id, up } => {
            let data = json!({
                "event": "begun", "interface": port.to_string(), "operation_id": operation_id,
                "kind": switch_name(*up), "status": "running",
            });
            (Kind::Operation, data)
        }
        ControllerEvent::PortFinished { port, operation_id, up, failure } => {
            let data = json!({
                "event": "finished", "interface": port.to_string(), "operation_id": operation_id,
                "kind": switch_name(*up), "status": if failure.is_none() { "succeeded" } else { "failed" },
                "failure": failure.clone().map(FailureJson::from),
            });
            (Kind::Operation, data)
        }
        ControllerEvent::Quality { connection_id, level } => {
            (Kind::Quality, json!({"event": "level", "connection_id": connection_id, "level": level}))
        }
        ControllerEvent::Step { connection_id, attempt, from, to } => {
            let data = json!({
                "event": "step", "connection_id": connection_id, "attempt": attempt,
                "tx_power_dbm": {"from": powers(from), "to": powers(to)},
            });
            (Kind::Quality, data)
        }
        ControllerEvent::Agent { agent_id, presence } => {
            (Kind::Agent, json!({"event": "presence", "agent_id": agent_id, "presence": presence}))
        }
        ControllerEvent::QualityAlarm { .. }
        | ControllerEvent::QualityRecovered { .. }
        | ControllerEvent::LeftUnconfirmed { .. }
        | ControllerEvent::Stray { .. }
        | ControllerEvent::Telemetry { .. }
        | ControllerEvent::Conflict(_) => return None,
    })
}

fn powers(of: &Ends<Option<Power>>) -> Value {
    let one = |end| of.get(end).map(Power::value);
    json!({"source": one(End::Source), "destination": one(End::Destination)})
}

const fn switch_name(up: bool) -> &'static str {
    if up { "interface_up" } else { "interface_down" }
}

fn cause_json(cause: &Cause) -> Value {
    match cause {
        Cause::Failed(failure) => json!({"failed": FailureJson::from(failure.clone())}),
        other => json!(other),
    }
}

/// The alarm that an event raises or clears.
fn alarm(event: &ControllerEvent) -> Option<Value> {
    let of = |name: &str, raised: bool, connection_id: &ConnectionId| {
        let state = if raised { "raised" } else { "cleared" };
        json!({"alarm": name, "state": state, "connection_id": connection_id})
    };
    Some(match event {
        ControllerEvent::Moved { connection_id, from, to, cause, .. } => {
            let (name, raised) = moved(*from, *to)?;
            let mut alarm = of(name, raised, connection_id);
            alarm["cause"] = cause_json(cause);
            alarm
        }
        ControllerEvent::Finished { connection_id, operation_id, kind, failure: Some(failure), .. } => {
            let mut alarm = of("operation_failed", true, connection_id);
            alarm["operation_id"] = json!(operation_id);
            alarm["kind"] = kind_name(*kind).into();
            alarm["failure"] = json!(FailureJson::from(failure.clone()));
            alarm
        }
        ControllerEvent::QualityAlarm { connection_id, attempts } => {
            let mut alarm = of("quality", true, connection_id);
            alarm["attempts"] = json!(attempts);
            alarm
        }
        ControllerEvent::QualityRecovered { connection_id } => of("quality", false, connection_id),
        ControllerEvent::LeftUnconfirmed { connection_id, end } => {
            let mut alarm = of("left_unconfirmed", true, connection_id);
            alarm["end"] = json!(end);
            alarm
        }
        ControllerEvent::Stray { port, connection_id } => {
            let mut alarm = of("stray_light", true, connection_id);
            alarm["interface"] = json!(port.to_string());
            alarm
        }
        ControllerEvent::Telemetry { connection_id, end, stale } => {
            let mut alarm = of("telemetry_stale", *stale, connection_id);
            alarm["end"] = json!(end);
            alarm
        }
        ControllerEvent::Conflict(conflict) => json!({
            "alarm": "port_conflict", "state": "raised", "interface": conflict.port.to_string(),
            "holder": conflict.holder, "claimant": conflict.claimant,
        }),
        ControllerEvent::Agent { agent_id, presence } => {
            let state = if *presence == Presence::Online { "cleared" } else { "raised" };
            json!({"alarm": "agent_silent", "state": state, "agent_id": agent_id, "presence": presence})
        }
        _ => return None,
    })
}

/// The alarm of a change of state. What is degraded stays so while it is being changed; whether it was degraded before a
/// change is not seen here, so that a good end of any change clears the alarm.
const fn moved(from: State, to: State) -> Option<(&'static str, bool)> {
    match (from, to) {
        (_, State::Failed) => Some(("connection_failed", true)),
        (_, State::Degraded) => Some(("connection_degraded", true)),
        (State::Failed, _) => Some(("connection_failed", false)),
        (State::Degraded, State::Reconfiguring) => None,
        (State::Degraded, _) | (State::Reconfiguring, State::Active) => Some(("connection_degraded", false)),
        _ => None,
    }
}
