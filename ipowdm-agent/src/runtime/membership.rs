//! A virtual operator that the agent serves: its topics, its heartbeats, whether its commands are read.

use crate::schedule::FixedRate;
use ipowdm_core::ids::VopId;
use ipowdm_core::time::Millis;
use ipowdm_core::topics::TopicName;
use tokio::task::AbortHandle;

/// How far an agent is with a virtual operator.
///
/// ```text
/// Waiting ─ports read, or time over→ Greeting ─heartbeat confirmed→ Locating ─positions known→ Following
///    ↑                                  │ heartbeat refused for ever ──────────┘                   │
///    └───────────────────── another life of the topics ───────────────────────────────────────────┘
/// ```
/// Commands are read only after a heartbeat was confirmed and read back: its stamp is what lifetimes are judged by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// Its ports are being read for the first time.
    Waiting {
        /// When to greet although some are not read.
        until: Millis,
    },
    /// The first heartbeat is on its way.
    Greeting,
    /// The first positions are being looked up.
    Locating,
    /// Its commands are read.
    Following,
}

/// A virtual operator that is served.
#[derive(Debug)]
pub(super) struct Membership {
    pub(super) vop: VopId,
    pub(super) config: TopicName,
    pub(super) monitoring: TopicName,
    pub(super) health: TopicName,
    pub(super) phase: Phase,
    /// When heartbeats are due.
    pub(super) heartbeat: FixedRate,
    /// Whether a heartbeat waits for its confirmation; a second one would only be older news.
    pub(super) unconfirmed: bool,
    /// When to send the capabilities that have changed.
    pub(super) capabilities_at: Option<Millis>,
    /// The task that looks up where its commands begin, which may wait for the topic.
    pub(super) locating: Option<AbortHandle>,
    /// Dropped records that heartbeats have told of.
    pub(super) dropped_told: u64,
}

impl Membership {
    /// The next instant at which something is due.
    pub(super) fn due(&self) -> Millis {
        let waiting = match self.phase {
            Phase::Waiting { until } => return until,
            _ => self.heartbeat.due(),
        };
        self.capabilities_at.map_or(waiting, |at| at.min(waiting))
    }
}
