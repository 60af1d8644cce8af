//! Judging what arrives on a config topic: which commands this agent carries out, refuses, answers again or ignores.
//!
//! A plain type: records in, rulings out. Checks in this order, the first that fails decides: decoding (message version
//! included), target, repetition, endpoint is ours, id not that of another command, virtual operator, fencing, epoch,
//! lifetime, port assigned, grant. What depends on the state of a port or its module is judged later, by the port itself,
//! because commands before it may still change that state.
//!
//! **A command that was appended before the agent first started with its journal is not for it**: who commanded whom
//! before that is not known here, an earlier agent may have carried it out or refused it, so it is neither carried out nor
//! answered, and its issuer's deadline decides. The journal keeps that instant on the broker's clock
//! ([`State::first_start`]), so commands sent while an agent with a journal is down are obeyed. Time stamps decide only over
//! what was in a topic when the agent first looked at it, and there up to the first record that counts; after that the order
//! of the log does ([`State::counts`]), because a broker's clock may be set back. In the topics of a fixed service the end
//! of the log as it was first seen stands for the instant.

mod clock;
mod dead_letter;
mod grant;

pub use clock::BrokerClock;
pub use dead_letter::{DeadLetter, DeadLetters};
pub use grant::{GrantError, check as check_grant};

use crate::journal::{CommandKey, Digest, State};
use ipowdm_core::bus::Record;
use ipowdm_core::error::Code;
use ipowdm_core::ids::{AgentId, CommandId, ConnectionId, Incarnation, PopId, PortId, PortRef, RouterId};
use ipowdm_core::msg::{Action, Command, DecodeError, Endpoint, Outcome, PortGrant, Target, VopAssignment};
use ipowdm_core::time::Millis;
use std::collections::BTreeSet;

/// Who an agent is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// Its id, unique among all agents.
    pub agent_id: AgentId,
    /// Its PoP.
    pub pop_id: PopId,
    /// Its router.
    pub router_id: RouterId,
}

impl Identity {
    /// The agent of a router, under its default id `<pop>-<router>`.
    #[must_use]
    pub fn of_router(pop_id: PopId, router_id: RouterId) -> Self {
        let router = ipowdm_core::ids::RouterRef { pop_id, router_id };
        Self { agent_id: router.default_agent(), pop_id: router.pop_id, router_id: router.router_id }
    }

    /// A port of this agent's router.
    #[must_use]
    pub fn port(&self, port_id: PortId) -> PortRef {
        PortRef { pop_id: self.pop_id.clone(), router_id: self.router_id.clone(), port_id }
    }

    fn owns(&self, port: &PortRef) -> bool {
        port.pop_id == self.pop_id && port.router_id == self.router_id
    }
}

/// Where a record came from.
#[derive(Debug, Clone, Copy)]
pub struct Origin<'a> {
    /// The topic.
    pub topic: &'a str,
    /// The partition.
    pub partition: u32,
    /// What the topic's virtual operator may do here; also names the life of the topic.
    pub assignment: &'a VopAssignment,
    /// Commands appended before this, in milliseconds of the broker's clock since the Unix epoch, are not for this agent.
    pub not_before: Option<i64>,
}

/// A command as it concerns one endpoint of this agent, or the agent as a whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Concern {
    /// What tells the command from others.
    pub key: CommandKey,
    /// The id that the ack carries.
    pub command_id: CommandId,
    /// The endpoint; `None`: the agent as a whole.
    pub port: Option<PortId>,
    /// The command, with this endpoint only.
    pub command: Command,
}

/// What is to be done with a command at an endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ruling {
    /// Carry it out.
    Accept {
        /// The command.
        concern: Concern,
        /// Broker's append time, from which its lifetime counts.
        stamp_ms: i64,
        /// It must not be started after this.
        start_by: Option<Millis>,
    },
    /// Answer at once, without touching a module.
    Answer {
        /// The command.
        concern: Concern,
        /// How it ended.
        outcome: Outcome,
        /// The stable code where it was refused.
        code: Option<Code>,
        /// Why, in words.
        words: String,
    },
    /// It was answered under this number: send that answer again.
    Repeat(u64),
    /// It is being carried out under this number: its one answer will come.
    UnderWay(u64),
}

/// What a record comes to.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Judgement {
    /// A new highest epoch of the virtual operator.
    pub epoch: Option<u64>,
    /// What a command orders that was not known, to be written down before the rulings.
    pub content: Option<(CommandKey, Digest)>,
    /// One for each endpoint of this agent; empty where the record is not for it.
    pub rulings: Vec<Ruling>,
}

/// Records by what became of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct IntakeCounts {
    /// Records looked at.
    pub records: u64,
    /// Commands of others.
    pub ignored: u64,
    /// Commands from before the agent first started.
    pub from_before: u64,
    /// Commands accepted, by endpoint.
    pub accepted: u64,
    /// Commands answered without work, by endpoint.
    pub refused: u64,
    /// Repeated commands, by endpoint.
    pub repeated: u64,
}

/// Judges commands.
#[derive(Debug)]
pub struct Intake {
    identity: Identity,
    ports: BTreeSet<PortId>,
    accept_unfenced: bool,
    /// The broker's time.
    pub clock: BrokerClock,
    dead_letters: DeadLetters,
    counts: IntakeCounts,
}

impl Intake {
    /// An intake for an agent that manages `ports`.
    #[must_use]
    pub fn new(identity: Identity, ports: BTreeSet<PortId>, accept_unfenced: bool) -> Self {
        Self {
            identity,
            ports,
            accept_unfenced,
            clock: BrokerClock::new(),
            dead_letters: DeadLetters::default(),
            counts: IntakeCounts::default(),
        }
    }

    /// The counters.
    #[must_use]
    pub const fn counts(&self) -> IntakeCounts {
        self.counts
    }

    /// Records that were not commands, or not assignments where those are.
    #[must_use]
    pub const fn dead_letters(&self) -> &DeadLetters {
        &self.dead_letters
    }

    /// Takes in a record of another topic that is not what it should be. `place`: topic and partition.
    pub fn set_aside(&mut self, place: (&str, u32), record: &Record, error: DecodeError) {
        let value = record.value.as_deref().unwrap_or_default();
        self.dead_letters.push((place.0, place.1, record.offset), value, error);
    }

    /// Judges a record of a config topic.
    pub fn judge(&mut self, record: &Record, origin: Origin<'_>, known: &State, now: Millis) -> Judgement {
        self.counts.records += 1;
        self.clock.saw(record.timestamp_ms, now);
        let value = record.value.as_deref().unwrap_or_default();
        let command = match Command::from_json(value) {
            Ok(command) => command,
            Err(error) => {
                self.dead_letters.push((origin.topic, origin.partition, record.offset), value, error);
                return Judgement::default();
            }
        };
        let vop = &origin.assignment.vop;
        let foreign = command.vop.as_ref().is_some_and(|of| of != vop);
        let highest = known.epoch(vop);
        let epoch = command.epoch.filter(|epoch| !foreign && highest.is_none_or(|highest| *epoch > highest));
        if origin.not_before.is_some_and(|from| record.timestamp_ms < from) {
            self.counts.from_before += 1;
            return Judgement { epoch, ..Judgement::default() };
        }
        let context = Context { origin, known, stamp_ms: record.timestamp_ms, now, highest };
        let judgement = self.rulings(&command, record.offset, &context).unwrap_or_default();
        if judgement.rulings.is_empty() {
            self.counts.ignored += 1;
        }
        Judgement { epoch, ..judgement }
    }

    /// What becomes of a command at each endpoint of this agent; `None` where it is for others.
    ///
    /// A command that is known is answered as it was, whatever has changed since. One with the id of another is told
    /// apart by its place in the topic, and refused.
    fn rulings(&mut self, command: &Command, offset: i64, context: &Context<'_>) -> Option<Judgement> {
        let named = self.is_named(&command.target)?;
        let (vop, known) = (&context.origin.assignment.vop, context.known);
        let digest = Digest::of(&command.action);
        let place = place(offset, context.origin);
        let fenced = command.command_id.clone().filter(|_| command.epoch.is_some()).map(CommandKey::Id);
        let reused = fenced.as_ref().and_then(|key| known.known(vop, key)).is_some_and(|k| !k.is(digest));
        let key = fenced.filter(|_| !reused).unwrap_or(place);
        // At a place, other content means that the topic was made anew and nobody said so: it is another command.
        if let Some(same) = known.known(vop, &key).filter(|known| known.is(digest)) {
            let rulings = same.numbers().map(|number| self.again(number, known)).collect();
            return Some(Judgement { rulings, ..Judgement::default() });
        }
        let command_id = match &command.command_id {
            Some(id) => id.clone(),
            None => place_id(&context.origin.assignment.incarnation, context.origin.partition, offset)?,
        };
        let concerns = self.concerns(command, (&key, &command_id), named, context);
        let content = (!concerns.is_empty()).then_some((key, digest));
        let rule = |concern| if reused { self.refuse_reused(concern) } else { self.rule(concern, context) };
        let rulings = concerns.into_iter().map(rule).collect();
        Some(Judgement { content, rulings, ..Judgement::default() })
    }

    /// Whether a target means this agent, and if so whether by its name.
    fn is_named(&self, target: &Target) -> Option<bool> {
        match target {
            Target::All => Some(false),
            Target::Pop(pop) => (*pop == self.identity.pop_id).then_some(false),
            Target::Agent(agent) => (*agent == self.identity.agent_id).then_some(true),
        }
    }

    /// The endpoints of this agent that a command is about.
    fn concerns(
        &self,
        command: &Command,
        (key, command_id): (&CommandKey, &CommandId),
        named: bool,
        context: &Context<'_>,
    ) -> Vec<Concern> {
        let concern = |port: Option<PortId>, action: Action| Concern {
            key: key.clone(),
            command_id: command_id.clone(),
            port,
            command: Command { action, ..command.clone() },
        };
        match self.endpoints(&command.action, &context.origin.assignment.vop, context.known) {
            None => vec![concern(None, command.action.clone())],
            // A command to this agent by name is answered even where there is nothing that it is about.
            Some(endpoints) if endpoints.is_empty() && named && command.action.endpoints().is_empty() => {
                vec![concern(None, command.action.clone())]
            }
            Some(endpoints) => endpoints
                .into_iter()
                .map(|endpoint| {
                    concern(Some(endpoint.port.port_id.clone()), narrowed(&command.action, endpoint))
                })
                .collect(),
        }
    }

    /// Our endpoints of an action, each once; `None` for an action without endpoints.
    fn endpoints(
        &self,
        action: &Action,
        vop: &ipowdm_core::ids::VopId,
        known: &State,
    ) -> Option<Vec<Endpoint>> {
        let connection = match action {
            Action::InterfaceControl { port, .. } => {
                let ours = self.identity.owns(port).then(|| bare(port.clone()));
                return Some(ours.into_iter().collect());
            }
            Action::Setup { connection_id, .. }
            | Action::Reconfigure { connection_id, .. }
            | Action::Teardown { connection_id, .. }
            | Action::StartTelemetry { connection_id, .. }
            | Action::StopTelemetry { connection_id } => connection_id,
            _ => return None,
        };
        if action.endpoints().is_empty() {
            let ports = serving(known, vop, connection);
            return Some(ports.into_iter().map(|port| bare(self.identity.port(port))).collect());
        }
        let mut seen = BTreeSet::new();
        let ours = action.endpoints().iter().filter(|e| self.identity.owns(&e.port));
        Some(ours.filter(|e| seen.insert(e.port.port_id.clone())).cloned().collect())
    }

    /// A command that is known under this number.
    fn again(&mut self, number: u64, known: &State) -> Ruling {
        self.counts.repeated += 1;
        if known.answer(number).is_some() { Ruling::Repeat(number) } else { Ruling::UnderWay(number) }
    }

    fn refuse_reused(&mut self, concern: Concern) -> Ruling {
        self.counts.refused += 1;
        let words = format!("{} is the id of another command, with other content", concern.command_id);
        Ruling::Answer { concern, outcome: Outcome::Rejected, code: Some(Code::AlreadyExists), words }
    }

    fn rule(&mut self, concern: Concern, context: &Context<'_>) -> Ruling {
        match self.refusal(&concern, context) {
            Some((outcome, code, words)) => {
                self.counts.refused += 1;
                Ruling::Answer { concern, outcome, code, words }
            }
            None => {
                self.counts.accepted += 1;
                let left = concern
                    .command
                    .lifetime_ms
                    .and_then(|lifetime| self.clock.remaining(context.stamp_ms, lifetime, context.now));
                let start_by = left.map(|left| context.now.plus(left));
                Ruling::Accept { concern, stamp_ms: context.stamp_ms, start_by }
            }
        }
    }

    /// Why a command is answered without work; `None` where it is to be carried out.
    fn refusal(&self, concern: &Concern, context: &Context<'_>) -> Option<(Outcome, Option<Code>, String)> {
        let command = &concern.command;
        let assignment = context.origin.assignment;
        let rejected = |code, words: String| Some((Outcome::Rejected, Some(code), words));
        if let Some(vop) = command.vop.as_ref().filter(|vop| **vop != assignment.vop) {
            return rejected(
                Code::Forbidden,
                format!("a command of {vop} on the topic of {}", assignment.vop),
            );
        }
        match (command.epoch, context.highest) {
            (None, _) if !self.accept_unfenced => {
                let words = "the command has no epoch and this agent does not accept unfenced commands";
                return rejected(Code::Unfenced, words.to_string());
            }
            (Some(epoch), Some(highest)) if epoch < highest => {
                let words = format!("epoch {epoch} is older than {highest}, which was seen");
                return Some((Outcome::StaleEpoch, Some(Code::StaleEpoch), words));
            }
            _ => {}
        }
        if let Some(lifetime) = command.lifetime_ms
            && self.clock.remaining(context.stamp_ms, lifetime, context.now).is_none()
        {
            let words = match self.clock.read(context.now) {
                Some(now) => {
                    format!("{} ms old, lifetime {lifetime} ms", now.saturating_sub(context.stamp_ms))
                }
                None => "its age cannot be told: the broker's time is not known".to_string(),
            };
            return Some((Outcome::Expired, Some(Code::Expired), words));
        }
        match &concern.port {
            None => nothing_served(&command.action),
            Some(port) => self.port_refusal(command, port, &assignment.ports, context.known),
        }
    }

    fn port_refusal(
        &self,
        command: &Command,
        port: &PortId,
        grants: &[PortGrant],
        known: &State,
    ) -> Option<(Outcome, Option<Code>, String)> {
        let rejected = |code, words: String| Some((Outcome::Rejected, Some(code), words));
        if !self.ports.contains(port) {
            return rejected(Code::UnknownPort, format!("{port} is not among the ports this agent manages"));
        }
        let Some(grant) = grants.iter().find(|grant| grant.port_id == *port) else {
            return rejected(Code::Forbidden, format!("{port} is not assigned to this virtual operator"));
        };
        let endpoint = completed(&command.action, command.action.endpoints().first()?, port, known);
        let error = grant::check(&endpoint, grant).err()?;
        rejected(error.code(), error.to_string())
    }
}

struct Context<'a> {
    origin: Origin<'a>,
    known: &'a State,
    stamp_ms: i64,
    now: Millis,
    highest: Option<u64>,
}

/// What tells a command without an id of an issuer's from others.
fn place(offset: i64, origin: Origin<'_>) -> CommandKey {
    CommandKey::Place {
        incarnation: origin.assignment.incarnation.clone(),
        partition: origin.partition,
        offset,
    }
}

/// An id for a command without one: `@<incarnation>/<partition>/<offset>`, at most 95 characters.
fn place_id(incarnation: &Incarnation, partition: u32, offset: i64) -> Option<CommandId> {
    CommandId::new(&format!("@{incarnation}/{partition}/{offset}")).ok()
}

fn bare(port: PortRef) -> Endpoint {
    Endpoint { port, frequency: None, tx_power: None, media_code: None }
}

/// What an endpoint comes to: a change of the frequency or the mode alone is judged with the one that stays.
fn completed(action: &Action, endpoint: &Endpoint, port: &PortId, known: &State) -> Endpoint {
    let mut endpoint = endpoint.clone();
    let retunes = endpoint.frequency.is_some() || endpoint.media_code.is_some();
    let state = known.ports().get(port).filter(|_| matches!(action, Action::Reconfigure { .. }) && retunes);
    if let Some(desired) = state.and_then(|state| state.intent.desired()) {
        endpoint.frequency.get_or_insert(desired.frequency);
        endpoint.media_code = endpoint.media_code.or(desired.media_code);
    }
    endpoint
}

/// The action with one endpoint only.
fn narrowed(action: &Action, endpoint: Endpoint) -> Action {
    let mut action = action.clone();
    match &mut action {
        Action::Setup { endpoints, .. }
        | Action::Reconfigure { endpoints, .. }
        | Action::Teardown { endpoints, .. }
        | Action::StartTelemetry { endpoints, .. } => *endpoints = vec![endpoint],
        _ => {}
    }
    action
}

/// Ports that serve a connection, or will once what was accepted is done.
fn serving(known: &State, vop: &ipowdm_core::ids::VopId, connection: &ConnectionId) -> BTreeSet<PortId> {
    let under_way = known.accepted().filter(|accepted| {
        accepted.vop == *vop
            && Command::from_json(&accepted.command)
                .is_ok_and(|command| command.action.connection_id() == Some(connection))
    });
    let under_way = under_way.filter_map(|accepted| accepted.port.clone());
    known.ports_of(vop, connection).cloned().chain(under_way).collect()
}

/// The answer to a command about a connection that no port here serves.
fn nothing_served(action: &Action) -> Option<(Outcome, Option<Code>, String)> {
    let connection = action.connection_id()?;
    let words = format!("no port here serves {connection}");
    Some(match action {
        Action::Teardown { .. } | Action::StopTelemetry { .. } => (Outcome::Unchanged, None, words),
        _ => (Outcome::Rejected, Some(Code::UnknownConnection), words),
    })
}

#[cfg(test)]
mod tests;
