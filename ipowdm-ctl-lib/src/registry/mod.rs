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
//!
//! # Who speaks for a port
//! One agent leads a router: the one that holds its assignment (whose id is [`RouterRef::default_agent`]) from when it is
//! first heard; before that, and where agents were given ids of their own, the one of the best presence and the lowest id.
//! What others say of the router's ports is kept to be shown, changes nothing, and is told as a [`Change::Conflict`]. So is
//! a message that describes one port twice: its first description counts.
//!
//! # Who is asked
//! An agent that has started anew, or has not described all the ports it should, is asked for a discovery, at growing
//! intervals and a bounded number of times ([`Registry::to_ask`]).

mod conflict;
mod inquiry;
#[cfg(test)]
mod tests;

pub use conflict::Conflict;
use conflict::Stand;
use inquiry::Inquiry;

use ipowdm_core::capability::ModuleCapability;
use ipowdm_core::ids::{AgentId, PortId, PortRef, RouterRef};
use ipowdm_core::msg::{AgentHealth, Capabilities, HealthStatus, InterfaceCapability, InterfaceHealth};
use ipowdm_core::time::{Millis, Timestamp};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Most agents that are remembered.
pub const MAX_AGENTS: usize = 10_000;

/// Most ports of one agent that are remembered.
pub const MAX_PORTS: usize = 1_024;

/// Most issues kept of a heartbeat, and characters of each.
const MAX_ISSUES: usize = 16;
const MAX_ISSUE: usize = 256;

/// How an agent is to be taken now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "http", derive(schemars::JsonSchema))]
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
    /// Whether another agent speaks for this port.
    pub conflicting: bool,
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
    pub interfaces: BTreeMap<PortId, Box<Interface>>,
    heard: Millis,
    expected: bool,
    inquiry: Inquiry,
}

impl Agent {
    /// Whether it is not known to be one of this project's: those tell the highest epoch they have seen, or which life of them
    /// it is.
    #[must_use]
    pub fn is_of_another_make(&self) -> bool {
        self.epoch.is_none() && self.boot_id.is_none()
    }

    /// Orders the agents that say they are at one router; the least leads.
    fn rank(&self) -> (bool, Presence, &AgentId) {
        let holder = self.agent_id == self.router.default_agent() && self.last_seen.is_some();
        (!holder, self.presence, &self.agent_id)
    }
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
    /// A module was taken out, or is missing where nothing was known.
    ModuleRemoved {
        /// Where: the router.
        router: RouterRef,
        /// And the port.
        port: PortId,
    },
    /// A module is in a port that was empty, or of which nothing was known.
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
    /// Two descriptions of one port.
    Conflict(Box<Conflict>),
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
    /// The ports that are to be described.
    ports: BTreeMap<RouterRef, BTreeSet<PortId>>,
    patience: Patience,
    dropped: u64,
}

impl Registry {
    /// An empty registry.
    #[must_use]
    pub fn new(patience: Patience) -> Self {
        Self { agents: BTreeMap::new(), ports: BTreeMap::new(), patience, dropped: 0 }
    }

    /// The ports that agents are to describe, and are asked about.
    #[must_use]
    pub fn with_ports(mut self, ports: &[PortRef]) -> Self {
        for port in ports {
            self.ports.entry(port.router()).or_default().insert(port.port_id.clone());
        }
        self
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

    /// The agent that leads a router; see the [module](self) for which it is where several say they are there.
    #[must_use]
    pub fn at(&self, router: &RouterRef) -> Option<&Agent> {
        self.agents.values().filter(|agent| agent.router == *router).min_by_key(|agent| agent.rank())
    }

    /// Whether a port is one of those that are to be described.
    #[must_use]
    pub fn has_port(&self, port: &PortRef) -> bool {
        self.ports.get(&port.router()).is_some_and(|ports| ports.contains(&port.port_id))
    }

    /// What the module in a port can do, in the words of the agent that leads its router; `None` where that is not known,
    /// or there is no module.
    #[must_use]
    pub fn module_in(&self, port: &PortRef) -> Option<&ModuleCapability> {
        let interface = self.at(&port.router())?.interfaces.get(&port.port_id)?;
        let present = interface.health.as_ref().is_none_or(|health| health.present);
        interface.module().filter(|_| present)
    }

    /// Agents that describe a port without leading its router, and have been heard lately.
    pub fn claimants(&self, port: &PortRef) -> impl Iterator<Item = &AgentId> {
        let router = port.router();
        let leader = self.at(&router).map(|agent| &agent.agent_id);
        let claims = move |agent: &&Agent| {
            let describes = agent.router == router && agent.interfaces.contains_key(&port.port_id);
            describes && agent.presence != Presence::Unknown && Some(&agent.agent_id) != leader
        };
        self.agents.values().filter(claims).map(|agent| &agent.agent_id)
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
                inquiry: Inquiry::default(),
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
            agent.inquiry = Inquiry::begun(now);
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
        let stand = self.stand(now, wall, &health.agent_id, &router, &mut changes);
        let Some(agent) = self.agents.get_mut(&health.agent_id) else { return changes };
        agent.status = Some(health.status);
        agent.uptime = if health.uptime.is_finite() { health.uptime } else { 0.0 };
        agent.emulated = health.emulated;
        let issues = health.issues.iter().take(MAX_ISSUES);
        agent.issues = issues.map(|issue| issue.chars().take(MAX_ISSUE).collect()).collect();
        if let Some(boot) = health.boot_id
            && agent.boot_id.replace(boot).is_some_and(|before| before != boot)
        {
            agent.inquiry = Inquiry::begun(now);
            changes.push(Change::Restarted(agent.agent_id.clone()));
        }
        if let Some(epoch) = health.epoch {
            agent.epoch = Some(epoch);
            changes.push(Change::Epoch { agent: agent.agent_id.clone(), epoch });
        }
        let mut dropped = 0;
        let mut described = BTreeMap::new();
        for reported in &health.interfaces {
            if let Some(first) = described.insert(&reported.port_id, reported) {
                described.insert(&reported.port_id, first);
                changes.extend((first != reported).then(|| stand.twice(&agent.agent_id, &reported.port_id)));
                continue;
            }
            let Some(port) = port_of(&mut agent.interfaces, &reported.port_id) else {
                dropped += 1;
                continue;
            };
            // What it told while another agent led has changed nothing.
            let before = port.health.replace(reported.clone()).filter(|_| !port.conflicting);
            match stand.conflict(&health.agent_id, &reported.port_id, port) {
                Some(conflict) => changes.extend(conflict),
                None => changes.extend(module_change(before.as_ref(), reported, &router)),
            }
        }
        self.dropped = self.dropped.saturating_add(dropped);
        changes
    }

    /// A capability message.
    pub fn capabilities(&mut self, now: Millis, wall: Timestamp, message: &Capabilities) -> Vec<Change> {
        let mut changes = Vec::new();
        let router = RouterRef { pop_id: message.pop_id.clone(), router_id: message.router_id.clone() };
        let stand = self.stand(now, wall, &message.agent_id, &router, &mut changes);
        let Some(agent) = self.agents.get_mut(&message.agent_id) else { return changes };
        agent.inquiry.answered();
        let mut dropped = 0;
        let mut described = BTreeMap::new();
        for reported in &message.interfaces {
            if let Some(first) = described.insert(&reported.port_id, reported) {
                described.insert(&reported.port_id, first);
                changes.extend((first != reported).then(|| stand.twice(&agent.agent_id, &reported.port_id)));
                continue;
            }
            let Some(port) = port_of(&mut agent.interfaces, &reported.port_id) else {
                dropped += 1;
                continue;
            };
            let known = port.capability.as_ref() == Some(reported) && !port.conflicting;
            port.capability = Some(reported.clone());
            if let Some(conflict) = stand.conflict(&message.agent_id, &reported.port_id, port) {
                changes.extend(conflict);
            } else if !known {
                changes.push(Change::Capability { router: router.clone(), port: reported.port_id.clone() });
            }
        }
        self.dropped = self.dropped.saturating_add(dropped);
        changes
    }

    /// Notes that an agent was heard, and how it stands towards others at its router.
    fn stand(
        &mut self,
        now: Millis,
        wall: Timestamp,
        id: &AgentId,
        router: &RouterRef,
        changes: &mut Vec<Change>,
    ) -> Stand {
        self.heard(now, wall, id, router, changes);
        let leader = self.at(router).map_or_else(|| id.clone(), |agent| agent.agent_id.clone());
        Stand { router: router.clone(), leader }
    }

    /// The agents that are to be asked for a discovery now, each at the time of asking counted as asked.
    pub fn to_ask(&mut self, now: Millis) -> Vec<AgentId> {
        let leads = |id: &AgentId, router| self.at(router).is_some_and(|agent| agent.agent_id == *id);
        let online = self.agents.values().filter(|agent| agent.presence == Presence::Online);
        let leaders = online.filter(|agent| leads(&agent.agent_id, &agent.router));
        let due: Vec<AgentId> = leaders
            .filter(|agent| agent.inquiry.is_due(now, self.is_described(agent)))
            .map(|agent| agent.agent_id.clone())
            .collect();
        for id in &due {
            if let Some(agent) = self.agents.get_mut(id) {
                agent.inquiry.asked(now);
            }
        }
        due
    }

    /// Whether an agent has described all the ports that it should.
    fn is_described(&self, agent: &Agent) -> bool {
        let answered = |port| agent.interfaces.get(port).is_some_and(|known| known.capability.is_some());
        self.ports.get(&agent.router).is_none_or(|ports| ports.iter().all(answered))
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

fn port_of<'a>(ports: &'a mut BTreeMap<PortId, Box<Interface>>, id: &PortId) -> Option<&'a mut Interface> {
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
    // The first heartbeat counts: a module may have gone, or come back, while nobody listened.
    if before.is_none_or(|before| before.present != after.present) {
        return Some(match after.present {
            true => Change::ModulePresent { router, port },
            false => Change::ModuleRemoved { router, port },
        });
    }
    let before = before.filter(|_| after.present)?;
    let other = matches!((&before.serial, &after.serial), (Some(old), Some(new)) if old != new);
    other.then_some(Change::ModuleSwapped { router, port })
}
