//! How the slice manager works.

use core::time::Duration;
use ipowdm_core::bus::TopicSpec;
use ipowdm_core::bus::access::{Principal, Scram};
use ipowdm_core::bus::quota::Quota;
use ipowdm_core::topics::{ASSIGNMENTS, Role};
use std::collections::BTreeMap;

const RETENTION: &str = "retention.ms";
const TIMESTAMPS: &str = "message.timestamp.type";
const IN_SYNC: &str = "min.insync.replicas";
const CLEANUP: &str = "cleanup.policy";

/// The settings of topics that are the slice manager's: what is not among a topic's is the broker's. Others stay as somebody made
/// them.
pub(super) const OWN_SETTINGS: [&str; 4] = [RETENTION, TIMESTAMPS, IN_SYNC, CLEANUP];

/// How topics of one role are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TopicSettings {
    /// Partitions.
    pub partitions: u32,
    /// Replicas.
    pub replication: u16,
    /// How long records are kept, in milliseconds.
    pub retention_ms: u64,
    /// Replicas that must have a record before it is confirmed; without it what the broker has for all topics.
    pub min_in_sync: Option<u16>,
}

impl TopicSettings {
    fn spec(&self, name: &str) -> TopicSpec {
        // Command lifetimes are counted from the broker's clock, so that a producer's cannot matter.
        let mut configs = BTreeMap::from([
            (RETENTION.to_owned(), self.retention_ms.to_string()),
            (TIMESTAMPS.to_owned(), "LogAppendTime".to_owned()),
        ]);
        configs.extend(in_sync(self.min_in_sync));
        TopicSpec {
            name: name.to_owned(),
            partitions: self.partitions,
            replication: self.replication,
            configs,
        }
    }
}

fn in_sync(least: Option<u16>) -> Option<(String, String)> {
    least.map(|least| (IN_SYNC.to_owned(), least.to_string()))
}

/// How much of each broker's time and bandwidth users may take, where the broker knows them by a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct BusLimits {
    /// Each controller.
    pub controller: Quota,
    /// Each agent, with all virtual operators that it serves.
    pub agent: Quota,
    /// Each application.
    pub application: Quota,
}

impl BusLimits {
    /// What somebody may take.
    #[must_use]
    pub const fn of(&self, who: &Principal) -> Quota {
        match who {
            Principal::Controller(_) => self.controller,
            Principal::Agent(_) => self.agent,
            Principal::Application(..) => self.application,
        }
    }
}

/// How the slice manager works.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SliceConfig {
    /// Topics of commands.
    pub config: TopicSettings,
    /// Topics of acks and telemetry.
    pub monitoring: TopicSettings,
    /// Topics of heartbeats and capabilities.
    pub health: TopicSettings,
    /// Replicas of the topic of assignments.
    pub assignments_replication: u16,
    /// Its replicas that must have a record before it is confirmed; without it what the broker has for all topics.
    pub assignments_min_in_sync: Option<u16>,
    /// How much users may take of the brokers. Nobody is limited by default.
    pub limits: BusLimits,
    /// Telemetry interval where an activation names none, in milliseconds.
    pub telemetry_interval_ms: u32,
    /// Heartbeat interval in milliseconds.
    pub health_interval_ms: u32,
    /// How long a forced deactivation waits for connections to go dark before it abandons them.
    pub drain: Duration,
    /// How those who get passwords prove them.
    pub scram: Scram,
    /// How long a topic that is being deleted is waited for before one of its name is made.
    pub topic_patience: Duration,
}

impl Default for SliceConfig {
    /// As the reference: 3 partitions, replication 1, commands kept for 7 days, all else for 1; telemetry every 3 s,
    /// heartbeats every 30 s.
    fn default() -> Self {
        const DAY_MS: u64 = 86_400_000;
        let topic = TopicSettings { partitions: 3, replication: 1, retention_ms: DAY_MS, min_in_sync: None };
        Self {
            config: TopicSettings { retention_ms: 7 * DAY_MS, ..topic },
            monitoring: topic,
            health: topic,
            assignments_replication: 1,
            assignments_min_in_sync: None,
            limits: BusLimits::default(),
            telemetry_interval_ms: 3_000,
            health_interval_ms: 30_000,
            drain: Duration::from_secs(90),
            scram: Scram::Sha512,
            topic_patience: Duration::from_secs(20),
        }
    }
}

impl SliceConfig {
    /// The settings of a role's topics.
    #[must_use]
    pub const fn topic(&self, role: Role) -> &TopicSettings {
        match role {
            Role::Config => &self.config,
            Role::Monitoring => &self.monitoring,
            Role::Health => &self.health,
        }
    }

    /// A topic of a role.
    pub(super) fn spec(&self, role: Role, name: &str) -> TopicSpec {
        self.topic(role).spec(name)
    }

    /// The topic of assignments: compacted, so that it always holds the newest of every agent; one partition.
    pub(super) fn assignments_spec(&self) -> TopicSpec {
        let mut configs = BTreeMap::from([
            (CLEANUP.to_owned(), "compact".to_owned()),
            (TIMESTAMPS.to_owned(), "LogAppendTime".to_owned()),
        ]);
        configs.extend(in_sync(self.assignments_min_in_sync));
        let replication = self.assignments_replication;
        TopicSpec { name: ASSIGNMENTS.to_owned(), partitions: 1, replication, configs }
    }
}
