//! One consumer group.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use kafka_protocol::ResponseError;
use tokio::time::Instant;

use super::{Answer, Join, JoinOutcome, Joined, Ticket};

/// A group of the classic protocol.
///
/// ```text
///             first join                 all joined, or deadline            leader's sync
///   Empty ────────────────▶ Joining ───────────────────────────▶ Syncing ────────────────▶ Stable
///     ▲                     ▲  │ ▲                                  │                         │
///     └── last member gone ─┼──┘ └── join with news, leave, expiry ─┴─────────────────────────┘
///                           └── (the same, while Joining: stays Joining)
/// ```
///
/// Deadlines: Joining ends when every member has joined or at the longest rebalance timeout of its members, and then
/// leaves out those that have not; Syncing ends likewise. A member that neither waits in a join or sync nor is heard
/// of for its session timeout is expelled. The first joining of an empty group also waits a short while for company.
#[derive(Debug, Default)]
pub(super) struct Group {
    phase: Phase,
    generation: i32,
    protocol_type: String,
    protocol: String,
    leader: String,
    members: BTreeMap<String, Member>,
    /// Ids given out to newcomers that have yet to come back, with the time they lapse.
    promised: BTreeMap<String, Instant>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Phase {
    #[default]
    Empty,
    Joining {
        earliest: Instant,
        deadline: Instant,
    },
    Syncing {
        deadline: Instant,
    },
    Stable,
}

#[derive(Debug)]
struct Member {
    session_timeout: Duration,
    rebalance_timeout: Duration,
    protocols: Vec<(String, Bytes)>,
    assignment: Bytes,
    expires: Instant,
    joining: Option<Ticket>,
    syncing: Option<Ticket>,
}

impl Member {
    fn waits(&self) -> bool {
        self.joining.is_some() || self.syncing.is_some()
    }

    fn heard(&mut self, now: Instant) {
        self.expires = now + self.session_timeout;
    }

    fn subscription(&self, protocol: &str) -> Bytes {
        let found = self.protocols.iter().find(|(name, _)| name == protocol);
        found.map(|(_, subscription)| subscription.clone()).unwrap_or_default()
    }
}

impl Group {
    /// Members, promised ones included.
    pub(super) fn size(&self) -> usize {
        self.members.len() + self.promised.len()
    }

    /// Nothing is left of the group but its name.
    pub(super) fn is_idle(&self) -> bool {
        self.size() == 0
    }

    pub(super) fn protocol_type(&self) -> &str {
        &self.protocol_type
    }

    /// The state as Kafka's ListGroups names it.
    pub(super) fn state_name(&self) -> &'static str {
        match self.phase {
            Phase::Empty => "Empty",
            Phase::Joining { .. } => "PreparingRebalance",
            Phase::Syncing { .. } => "CompletingRebalance",
            Phase::Stable => "Stable",
        }
    }

    pub(super) fn next_deadline(&self) -> Option<Instant> {
        let phase = match self.phase {
            Phase::Empty | Phase::Stable => None,
            Phase::Joining { earliest, .. } if self.all_joined() => Some(earliest),
            Phase::Joining { deadline, .. } | Phase::Syncing { deadline } => Some(deadline),
        };
        let sessions = self.members.values().filter(|member| !member.waits()).map(|member| member.expires);
        phase.into_iter().chain(sessions).chain(self.promised.values().copied()).min()
    }

    pub(super) fn tick(&mut self, now: Instant, answers: &mut Vec<Answer>) {
        self.promised.retain(|_, lapses| *lapses > now);
        let before = self.members.len();
        self.members.retain(|_, member| member.waits() || member.expires > now);
        if self.members.len() < before {
            self.member_gone(now, answers);
        }
        if let Phase::Syncing { deadline } = self.phase
            && now >= deadline
        {
            self.members.retain(|_, member| member.syncing.is_some());
            self.member_gone(now, answers);
        }
        self.try_complete(now, answers);
    }

    /// See [`Coordinator::join`](super::Coordinator::join); `fresh_id` is set for a newcomer.
    pub(super) fn join(
        &mut self,
        now: Instant,
        ticket: Ticket,
        join: Join,
        fresh_id: Option<String>,
        first_delay: Duration,
        answers: &mut Vec<Answer>,
    ) -> Result<JoinOutcome, ResponseError> {
        self.accepts_protocols(&join)?;
        let id = match fresh_id {
            Some(id) if join.id_first => {
                self.promised.insert(id.clone(), now + join.session_timeout);
                return Ok(JoinOutcome::ComeBackAs(id));
            }
            Some(id) => id,
            None => join.member.clone(),
        };
        let newcomer = !self.members.contains_key(&id);
        let returning = self.promised.remove(&id).is_some() || join.member.is_empty();
        if newcomer && !returning {
            return Err(ResponseError::UnknownMemberId);
        }
        let same = self.members.get(&id).is_some_and(|member| member.protocols == join.protocols);
        self.protocol_type.clone_from(&join.protocol_type);
        self.admit(now, ticket, &id, join, answers);
        match self.phase {
            Phase::Empty => self.start_joining(now, first_delay, answers),
            Phase::Joining { .. } => {}
            // Nothing new: a repeat of a lost join answer. The leader of a settled group asks for a rebalance by this.
            Phase::Syncing { .. } if same => self.answer_join(&id, answers),
            Phase::Stable if same && id != self.leader => self.answer_join(&id, answers),
            Phase::Syncing { .. } | Phase::Stable => self.start_joining(now, Duration::ZERO, answers),
        }
        self.try_complete(now, answers);
        Ok(JoinOutcome::Waits)
    }

    fn accepts_protocols(&self, join: &Join) -> Result<(), ResponseError> {
        let inconsistent = Err(ResponseError::InconsistentGroupProtocol);
        if join.protocols.is_empty() || join.protocol_type.is_empty() {
            return inconsistent;
        }
        let others: Vec<&Member> =
            self.members.iter().filter(|(id, _)| **id != join.member).map(|(_, member)| member).collect();
        if others.is_empty() {
            return Ok(());
        }
        let shared = |name: &str| others.iter().all(|m| m.protocols.iter().any(|(other, _)| other == name));
        if join.protocol_type != self.protocol_type || !join.protocols.iter().any(|(name, _)| shared(name)) {
            return inconsistent;
        }
        Ok(())
    }

    fn admit(&mut self, now: Instant, ticket: Ticket, id: &str, join: Join, answers: &mut Vec<Answer>) {
        let member = self.members.entry(id.to_owned()).or_insert_with(|| Member {
            session_timeout: join.session_timeout,
            rebalance_timeout: join.rebalance_timeout,
            protocols: Vec::new(),
            assignment: Bytes::new(),
            expires: now + join.session_timeout,
            joining: None,
            syncing: None,
        });
        member.session_timeout = join.session_timeout;
        member.rebalance_timeout = join.rebalance_timeout;
        member.protocols = join.protocols;
        member.heard(now);
        // A request given up by its client must not hold its successor.
        if let Some(old) = member.joining.replace(ticket) {
            answers.push(Answer::Join(old, Err(ResponseError::UnknownMemberId)));
        }
        if let Some(old) = member.syncing.take() {
            answers.push(Answer::Sync(old, Err(ResponseError::RebalanceInProgress)));
        }
    }

    fn start_joining(&mut self, now: Instant, delay: Duration, answers: &mut Vec<Answer>) {
        for member in self.members.values_mut() {
            if let Some(ticket) = member.syncing.take() {
                member.heard(now);
                answers.push(Answer::Sync(ticket, Err(ResponseError::RebalanceInProgress)));
            }
        }
        let longest = self.longest_rebalance();
        self.phase = Phase::Joining { earliest: now + delay, deadline: now + longest.max(delay) };
    }

    fn longest_rebalance(&self) -> Duration {
        self.members.values().map(|member| member.rebalance_timeout).max().unwrap_or_default()
    }

    fn all_joined(&self) -> bool {
        self.promised.is_empty() && self.members.values().all(|member| member.joining.is_some())
    }

    /// Ends the joining if it can end now.
    fn try_complete(&mut self, now: Instant, answers: &mut Vec<Answer>) {
        let Phase::Joining { earliest, deadline } = self.phase else {
            return;
        };
        if now < earliest || !(self.all_joined() || now >= deadline) {
            return;
        }
        self.members.retain(|_, member| member.joining.is_some());
        self.generation = self.generation.checked_add(1).unwrap_or(1);
        if self.members.is_empty() {
            self.phase = Phase::Empty;
            return;
        }
        if !self.members.contains_key(&self.leader) {
            self.leader = self.members.keys().next().cloned().unwrap_or_default();
        }
        self.protocol = self.vote();
        self.phase = Phase::Syncing { deadline: now + self.longest_rebalance() };
        let ids: Vec<String> = self.members.keys().cloned().collect();
        for id in ids {
            if let Some(member) = self.members.get_mut(&id) {
                member.heard(now);
                member.assignment = Bytes::new();
            }
            self.answer_join(&id, answers);
        }
    }

    /// The strategy most members prefer among those that all know.
    fn vote(&self) -> String {
        let knows = |member: &Member, name: &str| member.protocols.iter().any(|(other, _)| other == name);
        let mut votes: BTreeMap<&str, usize> = BTreeMap::new();
        for member in self.members.values() {
            let all_know = |name: &&str| self.members.values().all(|other| knows(other, name));
            if let Some(choice) = member.protocols.iter().map(|(name, _)| name.as_str()).find(all_know) {
                *votes.entry(choice).or_default() += 1;
            }
        }
        votes.into_iter().max_by_key(|&(_, count)| count).map(|(name, _)| name.to_owned()).unwrap_or_default()
    }

    fn answer_join(&mut self, id: &str, answers: &mut Vec<Answer>) {
        let members = if id == self.leader {
            let row = |(id, member): (&String, &Member)| (id.clone(), member.subscription(&self.protocol));
            self.members.iter().map(row).collect()
        } else {
            Vec::new()
        };
        if let Some(ticket) = self.members.get_mut(id).and_then(|member| member.joining.take()) {
            let joined = Joined {
                generation: self.generation,
                protocol: self.protocol.clone(),
                leader: self.leader.clone(),
                member: id.to_owned(),
                members,
            };
            answers.push(Answer::Join(ticket, Ok(joined)));
        }
    }

    pub(super) fn sync(
        &mut self,
        now: Instant,
        ticket: Ticket,
        id: &str,
        generation: i32,
        mut assignments: BTreeMap<String, Bytes>,
        answers: &mut Vec<Answer>,
    ) -> Result<(), ResponseError> {
        self.check_member(id, generation)?;
        let phase = self.phase;
        let leads = id == self.leader;
        let Some(member) = self.members.get_mut(id) else {
            return Err(ResponseError::UnknownMemberId);
        };
        member.heard(now);
        match phase {
            Phase::Empty => return Err(ResponseError::UnknownMemberId),
            Phase::Joining { .. } => return Err(ResponseError::RebalanceInProgress),
            Phase::Stable => answers.push(Answer::Sync(ticket, Ok(member.assignment.clone()))),
            Phase::Syncing { .. } => {
                if let Some(old) = member.syncing.replace(ticket) {
                    answers.push(Answer::Sync(old, Err(ResponseError::RebalanceInProgress)));
                }
                if leads {
                    self.phase = Phase::Stable;
                    for (id, member) in &mut self.members {
                        member.assignment = assignments.remove(id).unwrap_or_default();
                        member.heard(now);
                        if let Some(ticket) = member.syncing.take() {
                            answers.push(Answer::Sync(ticket, Ok(member.assignment.clone())));
                        }
                    }
                }
            }
        }
        Ok(())
    }

    pub(super) fn heartbeat(&mut self, now: Instant, id: &str, generation: i32) -> Result<(), ResponseError> {
        self.check_member(id, generation)?;
        if let Some(member) = self.members.get_mut(id) {
            member.heard(now);
        }
        match self.phase {
            Phase::Joining { .. } => Err(ResponseError::RebalanceInProgress),
            Phase::Empty | Phase::Syncing { .. } | Phase::Stable => Ok(()),
        }
    }

    pub(super) fn leave(
        &mut self,
        now: Instant,
        id: &str,
        answers: &mut Vec<Answer>,
    ) -> Result<(), ResponseError> {
        if self.promised.remove(id).is_none() {
            let member = self.members.remove(id).ok_or(ResponseError::UnknownMemberId)?;
            if let Some(ticket) = member.joining {
                answers.push(Answer::Join(ticket, Err(ResponseError::UnknownMemberId)));
            }
            if let Some(ticket) = member.syncing {
                answers.push(Answer::Sync(ticket, Err(ResponseError::UnknownMemberId)));
            }
            self.member_gone(now, answers);
        }
        self.try_complete(now, answers);
        Ok(())
    }

    pub(super) fn may_commit(
        &mut self,
        now: Instant,
        id: &str,
        generation: i32,
    ) -> Result<(), ResponseError> {
        // A consumer that assigns itself partitions may commit for a group nobody is in.
        if generation < 0 && id.is_empty() && self.members.is_empty() {
            return Ok(());
        }
        self.check_member(id, generation)?;
        if let Some(member) = self.members.get_mut(id) {
            member.heard(now);
        }
        // During a joining the members still own what they had and may save where they are.
        match self.phase {
            Phase::Syncing { .. } => Err(ResponseError::RebalanceInProgress),
            Phase::Empty | Phase::Joining { .. } | Phase::Stable => Ok(()),
        }
    }

    fn check_member(&self, id: &str, generation: i32) -> Result<(), ResponseError> {
        if !self.members.contains_key(id) {
            return Err(ResponseError::UnknownMemberId);
        }
        if generation != self.generation {
            return Err(ResponseError::IllegalGeneration);
        }
        Ok(())
    }

    /// Members have been removed: the rest share anew.
    fn member_gone(&mut self, now: Instant, answers: &mut Vec<Answer>) {
        if self.members.is_empty() {
            self.phase = Phase::Empty;
            return;
        }
        match self.phase {
            Phase::Empty | Phase::Joining { .. } => {}
            Phase::Syncing { .. } | Phase::Stable => self.start_joining(now, Duration::ZERO, answers),
        }
    }
}
