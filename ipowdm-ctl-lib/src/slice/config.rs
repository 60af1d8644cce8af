//! How the slice manager works.

use core::time::Duration;
use ipowdm_core::bus::TopicSpec;
use ipowdm_core::bus::access::Scram;
use ipowdm_core::topics::{ASSIGNMENTS, Role};
use std::collections::BTreeMap;

/// How topics of one role are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TopicSettings {
    /// Partitions.
    pub partitions: u32,
    /// Replicas.
    pub replication: u16,
    /// How long records are kept, in milliseconds.
    pub retention_ms: u64,
}

impl TopicSettings {
    fn spec(&self, name: &str) -> TopicSpec {
        // Command lifetimes are counted from the broker's clock, so that a producer's cannot matter.
        let configs = BTreeMap::from([
            ("retention.ms".to_owned(), self.retention_ms.to_string()),
            ("message.timestamp.type".to_owned(), "LogAppendTime".to_owned()),
        ]);
        TopicSpec {
            name: name.to_owned(),
            partitions: self.partitions,
            replication: self.replication,
            configs,
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
        let topic = TopicSettings { partitions: 3, replication: 1, retention_ms: DAY_MS };
        Self {
            config: TopicSettings { retention_ms: 7 * DAY_MS, ..topic },
            monitoring: topic,
            health: topic,
            assignments_replication: 1,
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
        let configs = BTreeMap::from([
            ("cleanup.policy".to_owned(), "compact".to_owned()),
            ("message.timestamp.type".to_owned(), "LogAppendTime".to_owned()),
        ]);
        let replication = self.assignments_replication;
        TopicSpec { name: ASSIGNMENTS.to_owned(), partitions: 1, replication, configs }
    }
}
