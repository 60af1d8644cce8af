//! Figures of a controller.

use super::snapshot::{Family, Value};
use super::{Answer, Meter, flag, store, text};
use crate::connection::OperationKind;
use crate::controller::{ControllerHandle, Durations, Figures, MetricsView};
use crate::http::dto::controller::kind_name;
use crate::registry::Presence;
use ipowdm_core::topics::Role;

/// The figures of a controller; those of the store and its outbox too, where the caller may see what is others'.
pub(in crate::http) async fn scrape(handle: &ControllerHandle, sees_all: bool, meter: &Meter) -> Answer {
    let figures = handle.figures().await;
    let mut families = state(&figures);
    families.extend(counters(&figures.metrics));
    families.extend(durations(figures.durations));
    families.extend(bus(&figures));
    if sees_all {
        families.extend(store::families(handle.store()));
    }
    text(meter, &[("virtual_operator", handle.vop().to_string())], families)
}

const KINDS: [OperationKind; 4] =
    [OperationKind::Setup, OperationKind::Reconfigure, OperationKind::Teardown, OperationKind::Repair];

/// What there is now.
fn state(figures: &Figures) -> Vec<Family> {
    let connections = figures.connections.iter();
    let connections = connections.map(|(state, count)| (state.as_str().to_owned(), Value::Gauge(*count)));
    let running = KINDS.map(|kind| {
        (kind_name(kind).to_owned(), Value::Gauge(figures.running.get(&kind).copied().unwrap_or(0)))
    });
    let running =
        running.into_iter().chain([("interface".to_owned(), Value::Gauge(figures.port_operations))]);
    let presences =
        [(Presence::Online, "online"), (Presence::Stale, "stale"), (Presence::Unknown, "unknown")];
    let agents = presences.map(|(presence, name)| {
        (name.to_owned(), Value::Gauge(figures.agents.get(&presence).copied().unwrap_or(0)))
    });
    vec![
        Family::by("connections", "Connections by state.", "state", connections),
        Family::by("operations_running", "Operations under way by kind.", "kind", running),
        Family::by("agents", "Agents by presence: those that are online are alive.", "presence", agents),
        Family::one(
            "qot_episodes_open",
            "Connections on which the quality loop acts, or has acted in vain.",
            Value::Gauge(figures.episodes_open),
        ),
        Family::one(
            "qot_alarms_open",
            "Connections on which the quality loop has acted in vain.",
            Value::Gauge(figures.alarms_open),
        ),
        Family::one("epoch", "Epoch of the commands.", Value::Gauge(figures.epoch)),
        Family::one(
            "controller_generation",
            "Which controller of the virtual operator this is.",
            Value::Gauge(figures.generation),
        ),
        Family::one(
            "controller_commands",
            "1 while this controller holds the lease and commands, 0 once it has ended, another has taken over or it was stopped.",
            flag(figures.commands),
        ),
    ]
}

/// What has happened so far.
fn counters(view: &MetricsView) -> Vec<Family> {
    let one = |name, help, count| Family::one(name, help, Value::Counter(count));
    let commands = view.commands.iter().map(|(name, count)| ((*name).to_owned(), Value::Counter(*count)));
    let acks = view.acks.iter().map(|(name, count)| (name.clone(), Value::Counter(*count)));
    let ended = view.operations.iter().flat_map(|(kind, counts)| {
        [("succeeded", counts.succeeded), ("failed", counts.failed)].map(|(result, count)| {
            let labels = vec![("kind", kind_name(*kind).to_owned()), ("result", result.to_owned())];
            (labels, Value::Counter(count))
        })
    });
    vec![
        Family::by("commands", "Commands to agents by action, stored to be published.", "action", commands),
        Family::by("acks", "Answers of agents by outcome.", "outcome", acks),
        one("acks_ignored", "Answers to nothing that was waited for: repeats, late ones.", view.acks_ignored),
        Family::labelled("operations", "Operations on connections that have ended.", ended.collect()),
        one("requests_refused", "Requests and facts that a connection's state did not allow.", refused(view)),
        one("telemetry_samples", "Telemetry samples received.", view.samples),
        one(
            "telemetry_samples_unknown",
            "Telemetry samples of connections or ports that are not known.",
            view.samples_unknown,
        ),
        one("telemetry_stale", "Times that samples of an end began to be missing.", view.telemetry_stale),
        one("qot_episodes", "Times that the quality loop began to act on a connection.", view.episodes),
        one("qot_recoveries", "Times that the quality was good again.", view.recoveries),
        one("qot_steps", "Steps of transmit power by the quality loop.", view.steps),
        one("qot_alarms", "Alarms of the quality loop.", view.alarms),
        one("decode_refusals", "Records that could not be read.", view.dead_letters),
        one("messages_unknown", "Messages of types that are not known.", view.unknown_messages),
        one("quality_notes", "What agents of other makes said about quality.", view.quality_notes),
        one("port_conflicts", "Ports that two agents describe, or one describes twice.", view.conflicts),
        one("bus_resyncs", "Positions that were not in the log any more.", view.resyncs),
    ]
}

fn refused(view: &MetricsView) -> u64 {
    view.refused.values().sum()
}

fn durations(of: Durations) -> Vec<Family> {
    let one = |name, help, histogram| Family::one(name, help, Value::Seconds(Box::new(histogram)));
    vec![
        one("setup_control_plane", "Set-ups that succeeded: all but the modules' part.", of.setup_control),
        one("setup_module", "Set-ups that succeeded: the slower module's part.", of.setup_module),
        one(
            "qot_step_decided",
            "From the sample that asks for a step to the stored command.",
            of.step_decided,
        ),
        one(
            "qot_step_published",
            "From the sample that asks for a step to the confirmed command on the bus.",
            of.step_published,
        ),
    ]
}

/// The bus as the controller uses it.
fn bus(figures: &Figures) -> Vec<Family> {
    let topic = |role| match role {
        Role::Config => "config",
        Role::Monitoring => "monitoring",
        Role::Health => "health",
    };
    let lag = figures.lag.iter();
    let lag = lag.filter_map(|(role, lag)| Some((topic(*role).to_owned(), Value::Gauge((*lag)?))));
    let sent = [
        ("confirmed", figures.publisher.confirmed),
        ("dropped", figures.publisher.dropped),
        ("refused", figures.publisher.refused),
    ];
    let sent = sent.map(|(result, count)| (result.to_owned(), Value::Counter(count)));
    vec![
        Family::one("bus_up", "1 while the bus could be read when last tried.", flag(figures.bus_up)),
        Family::by("bus_lag_records", "Records of a topic that are not taken in yet.", "topic", lag),
        Family::by("publisher_records", "Questions to agents by what became of them.", "result", sent),
        Family::one(
            "publisher_waiting",
            "Questions to agents that wait to be sent.",
            Value::Gauge(figures.publisher.waiting),
        ),
        Family::one(
            "publisher_outages",
            "Outages of the bus that the publisher has met.",
            Value::Counter(figures.publisher.outages),
        ),
    ]
}
