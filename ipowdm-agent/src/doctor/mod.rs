//! What is wrong with a set-up, and what to do about it: the troubleshooting rows of `ipowdm-agent doctor`.
//!
//! [`Facts`] are gathered by the program; [`examine`] judges them and touches nothing. Each row is a function of the facts.
//! A row about which nothing is known says so, and never that all is well.

mod bus_rows;
mod facts;
mod host_rows;
mod report;

pub use facts::{
    Access, Assigned, Beat, BrokerFacts, BusView, Clash, Facts, FileFacts, Heartbeat, JournalFacts,
    ModuleFacts, OwnerFacts, PortFacts, SecretFile, SwitchFacts, TopicFacts,
};
pub use report::{Detail, Finding, Report, Row, Verdict};

/// Judges every row.
#[must_use]
pub fn examine(facts: &Facts) -> Report {
    let finding = |row: Row| {
        let mut finding = Finding::new(row);
        for problem in
            facts.problems.iter().filter(|problem| row_of(&problem.key, &problem.reason) == Some(row))
        {
            finding.fault(format!("{}: {}", problem.key, problem.reason), &problem.fix);
        }
        for clash in facts.clashes().filter(|clash| clash.row == row) {
            if clash.is_fatal {
                finding.fault(&clash.found, &clash.fix);
            } else {
                finding.warn(&clash.found, &clash.fix);
            }
        }
        match row {
            Row::Broker => bus_rows::broker(facts, &mut finding),
            Row::Topics => bus_rows::topics(facts, &mut finding),
            Row::HealthStream => bus_rows::health_stream(facts, &mut finding),
            Row::Permissions => host_rows::permissions(facts, &mut finding),
            Row::Mapping => host_rows::mapping(facts, &mut finding),
            Row::Interval => host_rows::interval(facts, &mut finding),
            Row::Clock => bus_rows::clock(facts, &mut finding),
            Row::LegacyTopics => bus_rows::legacy(facts, &mut finding),
            Row::Owner => host_rows::owner(facts, &mut finding),
            Row::Journal => host_rows::journal(facts, &mut finding),
            Row::Modules => host_rows::modules(facts, &mut finding),
            Row::Secrets => host_rows::secrets(facts, &mut finding),
        }
        finding
    };
    let others = facts.problems.iter().filter(|problem| row_of(&problem.key, &problem.reason).is_none());
    Report { findings: Row::ALL.into_iter().map(finding).collect(), others: others.cloned().collect() }
}

/// The row that a problem of the settings belongs to.
fn row_of(key: &str, reason: &str) -> Option<Row> {
    Some(match key {
        "CONFIG_TOPIC" | "MONITORING_TOPIC" | "HEALTH_TOPIC" if reason.contains("legacy") => {
            Row::LegacyTopics
        }
        "CONFIG_TOPIC" | "MONITORING_TOPIC" | "HEALTH_TOPIC" | "VIRTUAL_OPERATOR" | "REGION" => Row::Topics,
        "ASSIGNED_TRANSCEIVERS" | "IFNAME_TO_PORTNUM_JSON" => Row::Mapping,
        "TELEMETRY_INTERVAL_SEC" | "health_interval_sec" => Row::Interval,
        "KAFKA_BROKER" => Row::Broker,
        "JOURNAL_FILE" => Row::Journal,
        "bus.sasl_password_file" | "bus.key_file" => Row::Secrets,
        key if key.starts_with("bus") || key.starts_with("KAFKA_") => Row::Broker,
        _ => return None,
    })
}

#[cfg(test)]
mod tests;
