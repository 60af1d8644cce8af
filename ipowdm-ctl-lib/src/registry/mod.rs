//! Which agents are there, and what their modules can do.
//!
//! A plain machine: messages and the time in, [`Change`]s out. Presence follows the time since an agent was last heard, by
//! whatever message, on a monotonic clock:
//!
//! ```text
//!             heard                 60 s silent            90 s silent
//!   (new) ───────────▶ ONLINE ────────────────────▶ STALE ─────────────▶ UNKNOWN ──▶ forgotten, if it owns no connection
//!                        ▲                            │                     │         and is not expected
//!                        └────────────────────────────┴─────────────────────┘
//!                                           heard
//! ```
//!
//! UNKNOWN is not DOWN: nothing is concluded about the light.

#[cfg(test)]
mod tests;

use ipowdm_core::capability::ModuleCapability;
use ipowdm_core::ids::{AgentId, PortId, RouterRef};
use ipowdm_core::msg::{AgentHealth, Capabilities, HealthStatus, InterfaceCapability, InterfaceHealth};
use ipowdm_core::time::{Millis, Timestamp};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Most agents that are remembered.
pub const MAX_AGENTS: usize = 10_000;

/// Most ports of one agent that are remembered.
pub const MAX_PORTS: usize = 1_024;

/// Most issues kept of a heartbeat, and characters of each.
const MAX_ISSUES: usize = 16;
const MAX_ISSUE: usize = 256;

/// How an agent is to be taken now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Presence {
    /// It is heard.
    Online,
    /// It should have been heard.
    Stale,
    /// It has been silent for three intervals.
    Unknown,
}

/// When silence means what, in milliseconds since an agent was last heard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// [`Presence::Stale`] from here on.
    pub stale_ms: u64,
    /// [`Presence::Unknown`] from here on.
    pub unknown_ms: u64,
    /// Forgotten from here on, if nothing depends on it.
    pub forget_ms: u64,
}

impl Default for Patience {
    /// 60 s, 90 s (three heartbeats), 5 min.
    fn default() -> Self {
        Self { stale_ms: 60_000, unknown_ms: 90_000, forget_ms: 300_000 }
    }
}

/// A port as its agent describes it.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Interface {
    /// From the last heartbeat.
    pub health: Option<InterfaceHealth>,
    /// From the last capability message.
    pub capability: Option<InterfaceCapability>,
}

impl Interface {
    /// What its module can do, where that is known.
    #[must_use]
    pub fn module(&self) -> Option<&ModuleCapability> {
        self.capability.as_ref()?.capability.as_ref()
    }
}

/// An agent as it was last heard.
#[derive(Debug, Clone, PartialEq)]
pub struct Agent {
    /// Who.
    pub agent_id: AgentId,
    /// Where.
    pub router: RouterRef,
    /// How it is to be taken now.
    pub presence: Presence,
    /// When it was last heard; `None` where it is only expected.
    pub last_seen: Option<Timestamp>,
    /// What it says about itself.
    pub status: Option<HealthStatus>,
    /// Seconds since it started.
    pub uptime: f64,
    /// Which life of it this is.
    pub boot_id: Option<u64>,
    /// Highest epoch that it has seen for this virtual operator.
    pub epoch: Option<u64>,
    /// Whether its modules are emulated.
    pub emulated: bool,
    /// What it says is wrong.
    pub issues: Vec<String>,
    /// Its ports that belong to the virtual operator.
    pub interfaces: BTreeMap<PortId, Interface>,
    heard: Millis,
    expected: bool,
}

/// What has changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// An agent is heard for the first time.
    Joined(AgentId),
    /// The presence of a known agent is another.
    Presence {
        /// Whose.
        agent: AgentId,
        /// What it was.
        from: Presence,
        /// What it is.
        to: Presence,
    },
    /// An agent has started anew.
    Restarted(AgentId),
    /// An agent has seen this epoch.
    Epoch {
        /// Who.
        agent: AgentId,
        /// The epoch.
        epoch: u64,
    },
    /// A module was taken out.
    ModuleRemoved {
        /// Where: the router.
        router: RouterRef,
        /// And the port.
        port: PortId,
    },
    /// A module is in a port that was empty.
    ModulePresent {
        /// Where: the router.
        router: RouterRef,
        /// And the port.
        port: PortId,
    },
    /// Another module is in the port.
    ModuleSwapped {
        /// Where: the router.
        router: RouterRef,
        /// And the port.
        port: PortId,
    },
    /// What a module can do is known, or known to be different.
    Capability {
        /// Where: the router.
        router: RouterRef,
        /// And the port.
        port: PortId,
    },
    /// An agent is not remembered any more.
    Forgotten(AgentId),
}

/// The agents of one virtual operator.
#[derive(Debug, Clone, Default)]
pub struct Registry {
    agents: BTreeMap<AgentId, Agent>,
    patience: Patience,
    dropped: u64,
}

impl Registry {
    /// An empty registry.
    #[must_use]
    pub fn new(patience: Patience) -> Self {
        Self { agents: BTreeMap::new(), patience, dropped: 0 }
    }

    /// All agents by id.
    pub fn agents(&self) -> impl ExactSizeIterator<Item = &Agent> {
        self.agents.values()
    }

    /// One agent.
    #[must_use]
    pub fn agent(&self, id: &AgentId) -> Option<&Agent> {
        self.agents.get(id)
    }

    /// The agent of a router: the one heard last, where several claim it.
    #[must_use]
    pub fn at(&self, router: &RouterRef) -> Option<&Agent> {
        self.agents.values().filter(|agent| agent.router == *router).max_by_key(|agent| agent.heard)
    }

    /// Agents and ports that were not taken in for lack of room.
    #[must_use]
    pub const fn dropped(&self) -> u64 {
        self.dropped
    }

    /// An agent that should be there, because it serves ports or connections. It is STALE until it is heard, and not
    /// forgotten while it is expected.
    pub fn expect(&mut self, now: Millis, id: &AgentId, router: &RouterRef) {
        let stale_since = Millis(now.0.saturating_sub(self.patience.stale_ms));
        if let Some(agent) = self.entry(id, router, stale_since) {
            agent.expected = true;
        }
    }

    /// Agents that are not expected any more may be forgotten.
    pub fn release(&mut self, keep: impl Fn(&AgentId) -> bool) {
        for agent in self.agents.values_mut() {
            agent.expected &= keep(&agent.agent_id);
        }
    }

    fn entry(&mut self, id: &AgentId, router: &RouterRef, heard: Millis) -> Option<&mut Agent> {
        if !self.agents.contains_key(id) {
            if self.agents.len() >= MAX_AGENTS {
                self.dropped = self.dropped.saturating_add(1);
                return None;
            }
            let agent = Agent {
                agent_id: id.clone(),
                router: router.clone(),
                presence: Presence::Stale,
                last_seen: None,
                status: None,
                uptime: 0.0,
                boot_id: None,
                epoch: None,
                emulated: false,
                issues: Vec::new(),
                interfaces: BTreeMap::new(),
                heard,
                expected: false,
            };
            self.agents.insert(id.clone(), agent);
        }
        self.agents.get_mut(id)
    }

    /// An agent was heard, by whatever message.
    pub fn heard(
        &mut self,
        now: Millis,
        wall: Timestamp,
        id: &AgentId,
        router: &RouterRef,
        changes: &mut Vec<Change>,
    ) {
        let Some(agent) = self.entry(id, router, now) else { return };
        agent.heard = agent.heard.max(now);
        if agent.router != *router {
            agent.router = router.clone();
        }
        let first = agent.last_seen.replace(wall).is_none();
        let from = core::mem::replace(&mut agent.presence, Presence::Online);
        if first {
            changes.push(Change::Joined(id.clone()));
        }
        if from != Presence::Online {
            changes.push(Change::Presence { agent: id.clone(), from, to: Presence::Online });
        }
    }

    /// A heartbeat.
    pub fn health(&mut self, now: Millis, wall: Timestamp, health: &AgentHealth) -> Vec<Change> {
        let mut changes = Vec::new();
        let router = RouterRef { pop_id: health.pop_id.clone(), router_id: health.router_id.clone() };
        self.heard(now, wall, &health.agent_id, &router, &mut changes);
        let Some(agent) = self.agents.get_mut(&health.agent_id) else { return changes };
        agent.status = Some(health.status);
        agent.uptime = if health.uptime.is_finite() { health.uptime } else { 0.0 };
        agent.emulated = health.emulated;
        let issues = health.issues.iter().take(MAX_ISSUES);
        agent.issues = issues.map(|issue| issue.chars().take(MAX_ISSUE).collect()).collect();
        if let Some(boot) = health.boot_id
            && agent.boot_id.replace(boot).is_some_and(|before| before != boot)
        {
            changes.push(Change::Restarted(agent.agent_id.clone()));
        }
        if let Some(epoch) = health.epoch {
            agent.epoch = Some(epoch);
            changes.push(Change::Epoch { agent: agent.agent_id.clone(), epoch });
        }
        let mut dropped = 0;
        for reported in &health.interfaces {
            let Some(port) = port_of(&mut agent.interfaces, &reported.port_id) else {
                dropped += 1;
                continue;
            };
            let before = port.health.replace(reported.clone());
            changes.extend(module_change(before.as_ref(), reported, &router));
        }
        self.dropped = self.dropped.saturating_add(dropped);
        changes
    }

    /// A capability message.
    pub fn capabilities(&mut self, now: Millis, wall: Timestamp, message: &Capabilities) -> Vec<Change> {
        let mut changes = Vec::new();
        let router = RouterRef { pop_id: message.pop_id.clone(), router_id: message.router_id.clone() };
        self.heard(now, wall, &message.agent_id, &router, &mut changes);
        let Some(agent) = self.agents.get_mut(&message.agent_id) else { return changes };
        let mut dropped = 0;
        for reported in &message.interfaces {
            let Some(port) = port_of(&mut agent.interfaces, &reported.port_id) else {
                dropped += 1;
                continue;
            };
            if port.capability.as_ref() != Some(reported) {
                port.capability = Some(reported.clone());
                changes.push(Change::Capability { router: router.clone(), port: reported.port_id.clone() });
            }
        }
        self.dropped = self.dropped.saturating_add(dropped);
        changes
    }

    /// Time has passed. `owns` says whether an agent has a connection.
    pub fn tick(&mut self, now: Millis, owns: impl Fn(&AgentId) -> bool) -> Vec<Change> {
        let mut changes = Vec::new();
        let patience = self.patience;
        self.agents.retain(|id, agent| {
            let silent = now.since(agent.heard);
            let to = match silent {
                ms if ms >= patience.unknown_ms => Presence::Unknown,
                ms if ms >= patience.stale_ms => Presence::Stale,
                _ => agent.presence,
            };
            if to > agent.presence {
                changes.push(Change::Presence { agent: id.clone(), from: agent.presence, to });
                agent.presence = to;
            }
            let keep = silent < patience.forget_ms || agent.expected || owns(id);
            if !keep {
                changes.push(Change::Forgotten(id.clone()));
            }
            keep
        });
        changes
    }
}

fn port_of<'a>(ports: &'a mut BTreeMap<PortId, Interface>, id: &PortId) -> Option<&'a mut Interface> {
    if ports.len() >= MAX_PORTS && !ports.contains_key(id) {
        return None;
    }
    Some(ports.entry(id.clone()).or_default())
}

/// What two heartbeats say about a module.
fn module_change(
    before: Option<&InterfaceHealth>,
    after: &InterfaceHealth,
    router: &RouterRef,
) -> Option<Change> {
    let (router, port) = (router.clone(), after.port_id.clone());
    let was_there = before.is_some_and(|before| before.present);
    if !after.present {
        // The first heartbeat counts: a module may have gone while nobody listened.
        return (was_there || before.is_none()).then_some(Change::ModuleRemoved { router, port });
    }
    let before = before?;
    if !was_there {
        return Some(Change::ModulePresent { router, port });
    }
    let other = matches!((&before.serial, &after.serial), (Some(old), Some(new)) if old != new);
    other.then_some(Change::ModuleSwapped { router, port })
}
