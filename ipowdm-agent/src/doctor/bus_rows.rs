//! Rows about the bus: broker, topics, heartbeats, clocks.

use super::facts::{Assigned, Beat, BusView, Facts, Heartbeat, TopicFacts};
use super::report::Finding;
use ipowdm_core::ids::PortId;
use ipowdm_core::msg::{HealthStatus, VopAssignment};

/// A clock that is off by more is worth a word: logs of two machines can no longer be laid side by side.
const SKEW_MS: i64 = 2_000;
/// A clock that is off by more is not being set at all; certificates and whoever reads the logs are misled.
const GREAT_SKEW_MS: i64 = 60_000;

/// What was seen on the bus, or the reason why nothing was.
fn view(facts: &Facts) -> Result<&BusView, &'static str> {
    match &facts.broker {
        None => Err("the settings name no broker that could be asked"),
        Some(broker) => broker.answer.as_ref().map_err(|_| "the broker does not answer"),
    }
}

pub(super) fn broker(facts: &Facts, finding: &mut Finding) {
    match &facts.broker {
        None if finding.is_clean() => finding.unknown("the settings name no broker that could be asked"),
        None => {}
        Some(broker) => match &broker.answer {
            Ok(view) => finding.ok(format!("{} answers, {} topics", broker.address, view.topics)),
            Err(error) => {
                finding.fault(format!("{}: {error}", broker.address), broker_fix(error));
            }
        },
    }
}

fn broker_fix(error: &str) -> &'static str {
    let error = error.to_ascii_lowercase();
    let has = |words: &[&str]| words.iter().any(|word| error.contains(word));
    if has(&["sasl", "authent", "not authorised"]) {
        "set KAFKA_SASL_USERNAME and the password of this agent as the slice manager made it, and KAFKA_SASL_MECHANISM as the \
         broker has it"
    } else if has(&["tls", "certificate"]) {
        "name the certificates that the broker's was signed by (KAFKA_SSL_CAFILE), and reach the broker by the name that is in its \
         certificate; the switch's clock must be right"
    } else if has(&["lookup", "resolve", "name or service"]) {
        "correct the host name in KAFKA_BROKER, or the switch's name server (/etc/resolv.conf)"
    } else {
        "start the broker or correct KAFKA_BROKER; open the way to it (management VRF, firewall); the name and port that the \
         broker advertises must be reachable from this switch too"
    }
}

pub(super) fn topics(facts: &Facts, finding: &mut Finding) {
    let view = match view(facts) {
        Ok(view) => view,
        Err(why) => return finding.unknown(why),
    };
    for topic in &view.used {
        one_topic(topic, finding);
    }
    match &view.assigned {
        Some(Assigned::Unread(error)) => finding.warn(
            format!("the assignments cannot be read: {error}"),
            "let this agent's Kafka user read ipowdm_assignments",
        ),
        Some(Assigned::Nobody) => {
            let agent = facts.agent.as_ref().map_or("this agent", |agent| agent.as_str());
            finding.warn(
                format!("nobody is assigned to {agent}: it will serve nobody"),
                "activate a virtual operator with ports of this router in the slice manager; POP_ID and ROUTER_ID must be the \
                 names that the slice manager has",
            );
        }
        Some(Assigned::Vops(vops)) => {
            for VopAssignment { vop, ports, .. } in vops {
                let managed = |port: &PortId| facts.ports.iter().any(|managed| managed.port == *port);
                let granted = ports.iter().map(|grant| &grant.port_id);
                let unknown: Vec<&str> =
                    granted.filter(|port| !managed(port)).map(|port| port.as_str()).collect();
                if !unknown.is_empty() {
                    finding.warn(
                        format!("{vop} is assigned {}, which this agent does not manage", unknown.join(", ")),
                        "add them to ASSIGNED_TRANSCEIVERS, or correct the port names in the slice manager",
                    );
                }
            }
        }
        None => {}
    }
    if finding.details.is_empty() && view.used.is_empty() {
        finding.unknown("whom the agent serves is not known");
    } else if finding.is_clean() {
        let names: Vec<&str> = view.used.iter().map(|topic| topic.name.as_str()).collect();
        finding.ok(format!("{} there", names.join(", ")));
    }
}

fn one_topic(topic: &TopicFacts, finding: &mut Finding) {
    let name = &topic.name;
    match &topic.seen {
        Ok(true) => {}
        Ok(false) => finding.fault(
            format!("topic {name} is not there"),
            "activate the virtual operator in the slice manager, which makes its topics; VIRTUAL_OPERATOR must be its name, letter \
             by letter",
        ),
        Err(error) => finding.fault(format!("{name}: {error}"), "let this agent's Kafka user describe and read the topic"),
    }
    if topic.stamped == Some(false) {
        finding.warn(
            format!("{name} keeps its senders' time stamps"),
            "set message.timestamp.type=LogAppendTime on it, as the slice manager does: commands' lifetimes count from the \
             broker's time",
        );
    }
}

pub(super) fn health_stream(facts: &Facts, finding: &mut Finding) {
    let view = match view(facts) {
        Ok(view) => view,
        Err(why) => return finding.unknown(why),
    };
    let runs = facts.journal.as_ref().and_then(|journal| journal.in_use);
    if view.heartbeats.is_empty() {
        return finding.unknown("there is no health topic to look at");
    }
    for heartbeat in &view.heartbeats {
        one_stream(heartbeat, view.host_ms, runs, finding);
    }
}

/// Milliseconds since a heartbeat was sent; the time of both is that of the host that sent it, which is this one.
const fn age_ms(beat: &Beat, host_ms: i64) -> i64 {
    host_ms.saturating_sub(beat.sent_ms)
}

fn one_stream(heartbeat: &Heartbeat, host_ms: i64, runs: Option<bool>, finding: &mut Finding) {
    let vop = &heartbeat.vop;
    let fix = "see the agent's log for refused heartbeats; its VIRTUAL_OPERATOR or assignment must name this virtual operator, and \
               its Kafka user must be allowed to write the topic; controllers read health_<vOp>, not the monitoring topic";
    let Some(beat) = &heartbeat.newest else {
        return match runs {
            Some(true) => {
                finding.fault(format!("the agent runs, and health_{vop} has no heartbeat of it"), fix)
            }
            Some(false) => {
                finding.unknown(format!("no agent runs here, and health_{vop} has no heartbeat of it yet"))
            }
            None => finding.unknown(format!("health_{vop} has no heartbeat of this agent yet")),
        };
    };
    let seconds = age_ms(beat, host_ms) / 1_000;
    let silent = !heartbeat.is_fresh(host_ms);
    match (silent, runs) {
        (true, Some(true)) => {
            finding.fault(
                format!("the agent runs, and its last heartbeat on health_{vop} is {seconds} s old"),
                fix,
            );
        }
        (true, _) => {
            finding.unknown(format!("no agent runs; its last heartbeat on health_{vop} is {seconds} s old"))
        }
        (false, _) if beat.status == HealthStatus::Degraded => finding.warn(
            format!("heartbeats arrive on health_{vop} and complain: {}", beat.issues.join("; ")),
            "ipowdm-agent health compares the modules with what is meant",
        ),
        (false, _) => finding.ok(format!("heartbeats arrive on health_{vop}, the last {seconds} s ago")),
    }
}

/// Whether lives of an agent take turns: a life that comes again after another one is alive beside it.
fn takes_turns(boots: &[u64]) -> bool {
    let mut lives: Vec<u64> = Vec::new();
    for boot in boots {
        if lives.last() != Some(boot) {
            if lives.contains(boot) {
                return true;
            }
            lives.push(*boot);
        }
    }
    false
}

/// The heartbeats that show another agent of the same name, in words.
pub(super) fn doubles(facts: &Facts) -> Vec<String> {
    let Ok(view) = view(facts) else { return Vec::new() };
    let runs = facts.journal.as_ref().and_then(|journal| journal.in_use);
    let last_life = facts.journal.as_ref().map(|journal| journal.boot);
    let told = |heartbeat: &Heartbeat| {
        let vop = &heartbeat.vop;
        if takes_turns(&heartbeat.boots) {
            return Some(format!("two agents of this name take turns on health_{vop}"));
        }
        let beat = heartbeat.newest.as_ref()?;
        let seconds = age_ms(beat, view.host_ms) / 1_000;
        let alive = (0..60).contains(&seconds) && beat.status != HealthStatus::Stopped;
        // The last words of this journal's own agent, which was killed, are nobody else's.
        let own = heartbeat.boots.last().copied() == last_life;
        (alive && runs == Some(false) && !own).then(|| {
            format!(
                "no agent holds this journal, and one of this name was heard {seconds} s ago on health_{vop}"
            )
        })
    };
    view.heartbeats.iter().filter_map(told).collect()
}

pub(super) fn clock(facts: &Facts, finding: &mut Finding) {
    let view = match view(facts) {
        Ok(view) => view,
        Err(why) => return finding.unknown(why),
    };
    let of_beat = |beat: &Beat| beat.stamp_ms.map(|stamp| beat.sent_ms.saturating_sub(stamp));
    let newest = view.heartbeats.iter().filter_map(|heartbeat| heartbeat.newest.as_ref());
    let by_heartbeat = newest.max_by_key(|beat| beat.stamp_ms).and_then(of_beat);
    // What the broker has stamped is past for it.
    let at_least =
        view.newest_stamp_ms.map(|stamp| view.host_ms.saturating_sub(stamp)).filter(|ahead| *ahead < 0);
    let Some(ahead) = at_least.into_iter().chain(by_heartbeat).max_by_key(|ahead| ahead.abs()) else {
        return finding.unknown("there is no heartbeat of this agent to compare with the broker's time");
    };
    let words = format!(
        "this host's clock is {}.{} s {} the broker's",
        ahead.abs() / 1_000,
        ahead.abs() % 1_000 / 100,
        if ahead < 0 { "behind" } else { "ahead of" }
    );
    let fix = "set the clock by NTP or PTP on switch and broker (`show ntp` on SONiC); commands and intervals do not depend on \
               it, times in logs and records and the validity of certificates do";
    match ahead.abs() {
        skew if skew > GREAT_SKEW_MS => finding.fault(words, fix),
        skew if skew > SKEW_MS => finding.warn(words, fix),
        _ => finding.ok(words),
    }
}

pub(super) fn legacy(facts: &Facts, finding: &mut Finding) {
    if finding.is_clean() {
        let whom =
            if facts.agent.is_some() { "names follow from the virtual operator" } else { "none is set" };
        finding.ok(whom);
    }
}
