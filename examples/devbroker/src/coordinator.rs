//! Consumer groups: the classic group protocol (JoinGroup, SyncGroup, Heartbeat, LeaveGroup) and committed offsets.
//!
//! Plain state: events come in with `now`, answers go out through [`Coordinator::take_answers`]. A join or a sync
//! that has to wait is known by its [`Ticket`]; whoever owns the connection keeps the other end.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use bytes::Bytes;
use kafka_protocol::ResponseError;
use tokio::time::Instant;

use crate::options::Limits;

mod group;
mod offsets;

use group::Group;
pub(crate) use offsets::{Committed, Offsets};

/// Names a waiting join or sync.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Ticket(pub(crate) u64);

/// The answer to a waiting join or sync.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Answer {
    Join(Ticket, Result<Joined, ResponseError>),
    Sync(Ticket, Result<Bytes, ResponseError>),
}

impl Answer {
    pub(crate) fn ticket(&self) -> Ticket {
        match self {
            Answer::Join(ticket, _) | Answer::Sync(ticket, _) => *ticket,
        }
    }
}

/// A request to enter a group.
#[derive(Debug, Clone)]
pub(crate) struct Join {
    pub(crate) group: String,
    /// Empty for a newcomer.
    pub(crate) member: String,
    pub(crate) client: String,
    pub(crate) session_timeout: Duration,
    pub(crate) rebalance_timeout: Duration,
    pub(crate) protocol_type: String,
    /// Assignment strategies in the member's order of preference, each with its subscription.
    pub(crate) protocols: Vec<(String, Bytes)>,
    /// Whether a newcomer must come back with the id it is given (JoinGroup from version 4, KIP-394).
    pub(crate) id_first: bool,
}

/// A completed join.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Joined {
    pub(crate) generation: i32,
    pub(crate) protocol: String,
    pub(crate) leader: String,
    pub(crate) member: String,
    /// Every member with its subscription, for the leader only.
    pub(crate) members: Vec<(String, Bytes)>,
}

/// What the coordinator does with a join at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum JoinOutcome {
    /// The answer comes later under the ticket.
    Waits,
    /// Join again with this member id.
    ComeBackAs(String),
}

/// Who commits offsets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Committer<'a> {
    pub(crate) group: &'a str,
    /// Empty for a consumer that assigns itself partitions.
    pub(crate) member: &'a str,
    /// -1 for a consumer that assigns itself partitions.
    pub(crate) generation: i32,
}

/// All groups, and the bounds over them.
#[derive(Debug, Default)]
pub(crate) struct Coordinator {
    groups: BTreeMap<String, Group>,
    pub(crate) offsets: Offsets,
    answers: Vec<Answer>,
    /// Makes member ids unique within and across runs.
    nonce: u64,
    named: u64,
}

/// Longest session or rebalance a member may ask for (Kafka's `group.max.session.timeout.ms`).
const LONGEST_TIMEOUT: Duration = Duration::from_secs(1800);

impl Coordinator {
    /// A coordinator without groups; `nonce` differs from run to run.
    pub(crate) fn new(nonce: u64, offsets: Offsets) -> Self {
        Coordinator { nonce, offsets, ..Coordinator::default() }
    }

    /// Takes the answers that have become due.
    pub(crate) fn take_answers(&mut self) -> Vec<Answer> {
        std::mem::take(&mut self.answers)
    }

    /// When [`Coordinator::tick`] has something to do next.
    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        self.groups.values().filter_map(Group::next_deadline).min()
    }

    /// Lets time pass: expires members, ends rebalances.
    pub(crate) fn tick(&mut self, now: Instant) {
        for group in self.groups.values_mut() {
            group.tick(now, &mut self.answers);
        }
        self.groups.retain(|_, group| !group.is_idle());
    }

    /// Takes a join. `first_delay` is how long an empty group waits for more members.
    ///
    /// # Errors
    ///
    /// The protocol's error code; the group is as before.
    pub(crate) fn join(
        &mut self,
        now: Instant,
        ticket: Ticket,
        join: Join,
        first_delay: Duration,
        limits: &Limits,
    ) -> Result<JoinOutcome, ResponseError> {
        if join.group.is_empty() {
            return Err(ResponseError::InvalidGroupId);
        }
        if join.session_timeout.is_zero() || join.session_timeout > LONGEST_TIMEOUT {
            return Err(ResponseError::InvalidSessionTimeout);
        }
        let left: usize =
            join.protocols.iter().map(|(name, subscription)| name.len() + subscription.len()).sum();
        if left > limits.member_bytes || join.client.len() > limits.member_bytes {
            return Err(ResponseError::PolicyViolation);
        }
        let known = self.groups.get(&join.group);
        if known.is_none() && (!join.member.is_empty() || self.is_full(limits)) {
            let stranger = !join.member.is_empty();
            return Err(if stranger {
                ResponseError::UnknownMemberId
            } else {
                ResponseError::GroupMaxSizeReached
            });
        }
        let newcomer = join.member.is_empty();
        if newcomer && self.members() >= limits.group_members {
            return Err(ResponseError::GroupMaxSizeReached);
        }
        let fresh_id = newcomer.then(|| self.name_member(&join.client));
        let name = join.group.clone();
        let group = self.groups.entry(name.clone()).or_default();
        let outcome = group.join(now, ticket, join, fresh_id, first_delay, &mut self.answers);
        if self.groups.get(&name).is_some_and(Group::is_idle) {
            self.groups.remove(&name);
        }
        outcome
    }

    fn is_full(&self, limits: &Limits) -> bool {
        self.groups.len() >= limits.groups
    }

    /// Members of all groups, those that were only given an id included.
    fn members(&self) -> usize {
        self.groups.values().map(Group::size).sum()
    }

    fn name_member(&mut self, client: &str) -> String {
        self.named += 1;
        let client: String = client.chars().take(64).collect();
        format!("{client}-{:x}-{}", self.nonce, self.named)
    }

    /// Takes a sync; the leader's carries everyone's assignment.
    ///
    /// # Errors
    ///
    /// The protocol's error code; the group is as before.
    pub(crate) fn sync(
        &mut self,
        now: Instant,
        ticket: Ticket,
        who: &Committer<'_>,
        assignments: BTreeMap<String, Bytes>,
        limits: &Limits,
    ) -> Result<(), ResponseError> {
        if assignments.values().any(|assignment| assignment.len() > limits.member_bytes) {
            return Err(ResponseError::PolicyViolation);
        }
        let group = self.groups.get_mut(who.group).ok_or(ResponseError::UnknownMemberId)?;
        group.sync(now, ticket, who.member, who.generation, assignments, &mut self.answers)
    }

    /// Takes a heartbeat.
    ///
    /// # Errors
    ///
    /// `RebalanceInProgress` if the member must join again, otherwise why it is not a member.
    pub(crate) fn heartbeat(&mut self, now: Instant, who: &Committer<'_>) -> Result<(), ResponseError> {
        let group = self.groups.get_mut(who.group).ok_or(ResponseError::UnknownMemberId)?;
        group.heartbeat(now, who.member, who.generation)
    }

    /// Takes a member's farewell.
    ///
    /// # Errors
    ///
    /// `UnknownMemberId`.
    pub(crate) fn leave(&mut self, now: Instant, group: &str, member: &str) -> Result<(), ResponseError> {
        let entry = self.groups.get_mut(group).ok_or(ResponseError::UnknownMemberId)?;
        entry.leave(now, member, &mut self.answers)?;
        if entry.is_idle() {
            self.groups.remove(group);
        }
        Ok(())
    }

    /// Whether `who` may commit now; keeps its membership alive.
    ///
    /// # Errors
    ///
    /// The protocol's error code for every offset of the commit.
    pub(crate) fn may_commit(&mut self, now: Instant, who: &Committer<'_>) -> Result<(), ResponseError> {
        match self.groups.get_mut(who.group) {
            Some(group) => group.may_commit(now, who.member, who.generation),
            None if who.generation < 0 && who.member.is_empty() => Ok(()),
            None => Err(ResponseError::UnknownMemberId),
        }
    }

    /// Groups with members or committed offsets: name, protocol type, state as Kafka names it.
    pub(crate) fn list(&self) -> Vec<(String, String, &'static str)> {
        let names: BTreeSet<&str> =
            self.groups.keys().map(String::as_str).chain(self.offsets.groups()).collect();
        let row = |name: &str| match self.groups.get(name) {
            Some(group) => (name.to_owned(), group.protocol_type().to_owned(), group.state_name()),
            None => (name.to_owned(), String::new(), "Empty"),
        };
        names.into_iter().map(row).collect()
    }
}

#[cfg(test)]
mod tests;
