//! What agents of other makes answer: an agent's word about a connection, without a read-back and often without a command id.
//!
//! Where a command id is missing, the answer is given to the oldest command of its kind that this agent was sent about this
//! connection and has not answered. So an answer that comes late, after its command was given up and another of the same kind was
//! sent, is not taken for the answer to that one: it costs the later command its own answer at worst, which then ends as one that
//! was not answered. A command that another has followed is waited for [`STRAGGLER_MS`] longer.
//!
//! What is remembered of earlier commands is lost with the process; after a start only the newest command of each end is known.
//!
//! An answer to nothing that is awaited changes nothing, unless it denies what the connection is taken for: an agent that says it
//! has torn down, or set another power at, an end that is up. These agents do not look at whom a command is for, so one at the
//! other end may carry it out, too.

use super::command::CommandRef;
use super::record::ConnectionRecord;
use crate::connection::{Answer, CommandNumber, Ends, Event, Order, State};
use ipowdm_core::error::Code;
use ipowdm_core::ids::{AgentId, ConnectionId};
use ipowdm_core::msg::{AckStatus, Claim, Outcome};
use ipowdm_core::qot::End;
use ipowdm_core::time::{Millis, Timestamp};
use std::collections::{BTreeMap, VecDeque};

/// How long the answer to a command may come after another command has followed it.
const STRAGGLER_MS: u64 = 300_000;

/// Commands of one end that are remembered as not answered, and answers that are remembered as taken.
const KEPT: usize = 8;

/// Ends of connections that are remembered. Beyond that the one used longest ago is forgotten.
const PLACES: usize = 10_000;

/// A command that was sent and not answered.
#[derive(Debug, Clone)]
struct Unanswered {
    command: CommandRef,
    action: &'static str,
    /// When another followed it.
    followed: Option<Millis>,
}

/// One end of a connection, as its agent may speak of it.
#[derive(Debug, Clone, Default)]
struct Place {
    unanswered: VecDeque<Unanswered>,
    taken: VecDeque<Timestamp>,
    used: u64,
}

/// Whose answer a claim is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Attribution {
    /// It was taken in before.
    Repeated,
    /// That of a command that was sent.
    Of(CommandRef),
    /// That of the command that the end awaits an answer to, if any.
    Awaited,
}

/// The commands that answers without a command id may be about.
#[derive(Debug, Default)]
pub(super) struct Correlator {
    places: BTreeMap<(ConnectionId, AgentId), Place>,
    uses: u64,
}

impl Correlator {
    fn place(&mut self, connection: &ConnectionId, agent: &AgentId) -> &mut Place {
        self.uses += 1;
        let uses = self.uses;
        let key = (connection.clone(), agent.clone());
        if self.places.len() >= PLACES && !self.places.contains_key(&key) {
            let oldest = self.places.iter().min_by_key(|(_, place)| place.used).map(|(key, _)| key.clone());
            oldest.map(|oldest| self.places.remove(&oldest));
        }
        let place = self.places.entry(key).or_default();
        place.used = uses;
        place
    }

    /// A command was sent.
    pub(super) fn sent(
        &mut self,
        now: Millis,
        (connection, agent): (&ConnectionId, &AgentId),
        action: &'static str,
        command: CommandRef,
    ) {
        let place = self.place(connection, agent);
        place.forget_stragglers(now);
        if place.unanswered.iter().any(|before| before.command == command) {
            return;
        }
        for before in &mut place.unanswered {
            before.followed.get_or_insert(now);
        }
        if place.unanswered.len() == KEPT {
            place.unanswered.pop_front();
        }
        place.unanswered.push_back(Unanswered { command, action, followed: None });
    }

    /// A command was answered by its id.
    pub(super) fn answered(&mut self, connection: &ConnectionId, agent: &AgentId, command: CommandRef) {
        let key = (connection.clone(), agent.clone());
        if let Some(place) = self.places.get_mut(&key) {
            place.unanswered.retain(|before| before.command != command);
        }
    }

    /// The command that a claim without a command id answers.
    pub(super) fn attribute(&mut self, now: Millis, connection: &ConnectionId, claim: &Claim) -> Attribution {
        let place = self.place(connection, &claim.agent_id);
        place.forget_stragglers(now);
        if place.taken.contains(&claim.timestamp) {
            return Attribution::Repeated;
        }
        if place.taken.len() == KEPT {
            place.taken.pop_front();
        }
        place.taken.push_back(claim.timestamp);
        let of_its_kind = |before: &Unanswered| claim.action.as_deref() == Some(before.action);
        let at = place.unanswered.iter().position(of_its_kind);
        let found = at.and_then(|at| place.unanswered.remove(at));
        found.map_or(Attribution::Awaited, |found| Attribution::Of(found.command))
    }
}

impl Place {
    fn forget_stragglers(&mut self, now: Millis) {
        self.unanswered.retain(|sent| sent.followed.is_none_or(|at| now.since(at) < STRAGGLER_MS));
    }
}

/// A command to an end, sent by the start that sent it the newest one.
pub(super) fn reference(record: &ConnectionRecord, end: End, number: CommandNumber) -> CommandRef {
    CommandRef { incarnation: record.incarnation.0.get(), start: *record.commanded_by.get(end), number }
}

/// The name of an order on the wire.
pub(super) const fn action_name(order: &Order) -> &'static str {
    match order {
        Order::Setup(_) => "setupConnection",
        Order::Reconfigure(_) => "reconfigConnection",
        Order::Teardown => "teardownConnection",
    }
}

/// What a claim is to a connection: the answer to a command, or evidence against what is known; `None` where it is neither.
pub(super) fn event(record: &ConnectionRecord, claim: &Claim, command: Option<CommandRef>) -> Option<Event> {
    let ends = Ends::<()>::BOTH.into_iter().filter(|&end| is_at(record, end, claim));
    let mut of_action = ends.clone().filter(|&end| awaits(record, end, claim));
    // Two ends at one agent cannot be told apart where both are awaited and no port is named.
    let awaited = of_action.next().filter(|_| of_action.next().is_none());
    match command {
        Some(command) => {
            let newest = |&end: &End| record.life.ends().get(end).last_command() == Some(command.number);
            let end = ends.clone().find(newest).or_else(|| ends.clone().next())?;
            answers(record, end, command).then(|| answer(end, command, claim))
        }
        None => match awaited {
            Some(end) => {
                let number = record.life.ends().get(end).pending()?;
                Some(answer(end, reference(record, end, number), claim))
            }
            None => ends.clone().find_map(|end| denial(record, end, claim)),
        },
    }
}

fn is_at(record: &ConnectionRecord, end: End, claim: &Claim) -> bool {
    let port = record.ports.get(end);
    let same_port = claim.interface.as_ref().is_none_or(|interface| port.port_id == *interface);
    *record.agents.get(end) == claim.agent_id && port.router() == claim.router && same_port
}

/// Whether an end awaits the answer to a command of the claim's kind. An error names no kind: it may be about any.
fn awaits(record: &ConnectionRecord, end: End, claim: &Claim) -> bool {
    let order = record.life.ends().get(end).pending_order();
    order.is_some_and(|order| claim.action.as_deref().is_none_or(|action| action == action_name(order)))
}

/// Whether an end was sent this command, in this life of the connection, as the newest of its number.
fn answers(record: &ConnectionRecord, end: End, command: CommandRef) -> bool {
    let newest = record.life.ends().get(end).last_command() == Some(command.number);
    let of_this_life = command.incarnation == record.incarnation.0.get();
    of_this_life && (!newest || command.start == *record.commanded_by.get(end))
}

fn answer(end: End, command: CommandRef, claim: &Claim) -> Event {
    let (outcome, code) = match claim.status {
        AckStatus::Success => (Outcome::Applied, None),
        // Something may have been done before it failed.
        AckStatus::Failed => (Outcome::Failed, Some(Code::ModuleRejected)),
    };
    Event::Answer(Answer {
        end,
        number: command.number,
        outcome,
        code,
        error: claim.error.clone(),
        readback: None,
        module_ms: 0,
        claimed: true,
    })
}

/// That an end which is up is not what it is taken for, in the words of its own agent.
fn denial(record: &ConnectionRecord, end: End, claim: &Claim) -> Option<Event> {
    let state = record.life.ends().get(end);
    let up = matches!(record.life.state(), State::Active | State::Degraded);
    let success = claim.status == AckStatus::Success;
    let denied = match claim.action.as_deref()? {
        "setupConnection" => !success,
        "teardownConnection" => success,
        "reconfigConnection" => {
            success && claim.new_power.is_some() && claim.new_power != state.wanted.tx_power
        }
        _ => false,
    };
    (up && denied).then_some(Event::ForeignChange(end))
}

#[cfg(test)]
mod tests;
