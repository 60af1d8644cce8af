//! What the entries of a journal add up to: ports, commands, answers, positions.

use super::{Accepted, Answer, CommandKey, Digest, Entry, PortState};
use ipowdm_core::ids::{ConnectionId, Incarnation, PortId, VopId};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// Entries of one frame of a snapshot.
const SNAPSHOT_STEP: usize = 64;

/// How far a topic was acted on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicPosition {
    /// The life of the topic that the offsets belong to.
    pub incarnation: Incarnation,
    /// First offset not acted on, by partition.
    pub next: BTreeMap<u32, i64>,
    /// First offset that counts whatever its time stamp, by partition.
    from: BTreeMap<u32, i64>,
}

impl TopicPosition {
    const fn new(incarnation: Incarnation) -> Self {
        Self { incarnation, next: BTreeMap::new(), from: BTreeMap::new() }
    }
}

/// A command that is being carried out or was answered.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Known {
    /// What it orders; `None`: written by a build that did not keep it.
    digest: Option<Digest>,
    /// Its numbers, by endpoint.
    numbers: BTreeMap<Option<PortId>, u64>,
}

impl Known {
    /// Whether a command of the same key that orders this is the same command, as far as is known.
    #[must_use]
    pub fn is(&self, digest: Digest) -> bool {
        self.digest.is_none_or(|own| own == digest)
    }

    /// The numbers that it has in this journal, one for each endpoint.
    pub fn numbers(&self) -> impl Iterator<Item = u64> {
        self.numbers.values().copied()
    }
}

/// What the entries of a journal add up to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct State {
    history: usize,
    boot: u64,
    last_number: u64,
    epochs: BTreeMap<VopId, u64>,
    positions: BTreeMap<String, TopicPosition>,
    ports: BTreeMap<PortId, PortState>,
    accepted: BTreeMap<u64, Accepted>,
    answers: BTreeMap<u64, Answer>,
    unsent: BTreeSet<u64>,
    known: HashMap<(VopId, CommandKey), Known>,
    assignment: Option<Vec<u8>>,
    first_start: Option<i64>,
}

impl State {
    pub(super) fn new(history: usize) -> Self {
        Self {
            history,
            boot: 0,
            last_number: 0,
            epochs: BTreeMap::new(),
            positions: BTreeMap::new(),
            ports: BTreeMap::new(),
            accepted: BTreeMap::new(),
            answers: BTreeMap::new(),
            unsent: BTreeSet::new(),
            known: HashMap::new(),
            assignment: None,
            first_start: None,
        }
    }

    /// The life of the agent that last started; 0 before the first.
    #[must_use]
    pub const fn boot(&self) -> u64 {
        self.boot
    }

    /// The greatest command number given.
    #[must_use]
    pub const fn last_number(&self) -> u64 {
        self.last_number
    }

    /// The highest epoch seen for a virtual operator.
    #[must_use]
    pub fn epoch(&self, vop: &VopId) -> Option<u64> {
        self.epochs.get(vop).copied()
    }

    /// How far this life of a topic was acted on; `None` where nothing is stored for it.
    #[must_use]
    pub fn position(&self, topic: &str, incarnation: &Incarnation) -> Option<&BTreeMap<u32, i64>> {
        self.positions.get(topic).filter(|position| position.incarnation == *incarnation).map(|p| &p.next)
    }

    /// Whether a record of this life of a topic counts whatever its time stamp. In a partition without a bound all do,
    /// once anything is stored of this life: the partition was added since, or its position was fixed without a bound.
    #[must_use]
    pub fn counts(&self, topic: &str, incarnation: &Incarnation, (partition, offset): (u32, i64)) -> bool {
        let life = self.positions.get(topic).filter(|position| position.incarnation == *incarnation);
        life.is_some_and(|life| life.from.get(&partition).is_none_or(|&from| from <= offset))
    }

    /// Whether another life of the topic was read before this one, which therefore began after the first start.
    #[must_use]
    pub fn succeeds(&self, topic: &str, incarnation: &Incarnation) -> bool {
        self.positions.get(topic).is_some_and(|position| position.incarnation != *incarnation)
    }

    /// What a port is to be; nothing was ever said about it: untouched and up.
    #[must_use]
    pub fn port(&self, port: &PortId) -> PortState {
        self.ports.get(port).cloned().unwrap_or_default()
    }

    /// All ports about which something is remembered.
    #[must_use]
    pub const fn ports(&self) -> &BTreeMap<PortId, PortState> {
        &self.ports
    }

    /// Ports that serve or sample a connection of a virtual operator.
    pub fn ports_of<'a>(
        &'a self,
        vop: &'a VopId,
        connection: &'a ConnectionId,
    ) -> impl Iterator<Item = &'a PortId> {
        self.ports.iter().filter_map(move |(port, state)| {
            let serves = state.intent.desired().is_some_and(|d| d.vop == *vop && d.connection == *connection);
            let samples = state.sessions.iter().any(|(c, v)| c == connection && v == vop);
            (serves || samples).then_some(port)
        })
    }

    /// Commands being carried out, in the order they were accepted.
    pub fn accepted(&self) -> impl Iterator<Item = &Accepted> {
        self.accepted.values()
    }

    /// The command being carried out under this number.
    #[must_use]
    pub fn accepted_at(&self, number: u64) -> Option<&Accepted> {
        self.accepted.get(&number)
    }

    /// The command of this key, if it is being carried out or its answer is remembered.
    #[must_use]
    pub fn known(&self, vop: &VopId, key: &CommandKey) -> Option<&Known> {
        self.known.get(&(vop.clone(), key.clone())).filter(|known| !known.numbers.is_empty())
    }

    /// The answer to the command of this number; `None` while it is being carried out.
    #[must_use]
    pub fn answer(&self, number: u64) -> Option<&Answer> {
        self.answers.get(&number)
    }

    /// Answers that the bus has not confirmed, oldest first.
    pub fn unsent(&self) -> impl Iterator<Item = &Answer> {
        self.unsent.iter().filter_map(|number| self.answers.get(number))
    }

    /// The assignment record last in force.
    #[must_use]
    pub fn assignment(&self) -> Option<&[u8]> {
        self.assignment.as_deref()
    }

    /// What the broker's clock showed when the agent first started with this journal; `None` where that was never
    /// learned, or by a build that did not keep it.
    #[must_use]
    pub const fn first_start(&self) -> Option<i64> {
        self.first_start
    }

    /// Whether nothing is remembered of anything that commands have done.
    #[must_use]
    pub fn is_blank(&self) -> bool {
        self.first_start.is_none()
            && self.epochs.is_empty()
            && self.positions.is_empty()
            && self.ports.is_empty()
            && self.known.is_empty()
    }

    /// Takes one entry in.
    pub(super) fn apply(&mut self, entry: Entry) {
        match entry {
            Entry::Boot(boot) => self.boot = boot,
            Entry::Numbered(number) => self.last_number = self.last_number.max(number),
            Entry::Position { topic, incarnation, partition, next } => {
                self.life(topic, incarnation).next.insert(partition, next);
            }
            Entry::Bound { topic, incarnation, partition, from } => {
                self.life(topic, incarnation).from.insert(partition, from);
            }
            Entry::Epoch { vop, epoch } => {
                let highest = self.epochs.entry(vop).or_default();
                *highest = epoch.max(*highest);
            }
            Entry::Accepted(accepted) => {
                self.name(accepted.number, &accepted.vop, &accepted.key, accepted.port.as_ref());
                self.accepted.insert(accepted.number, accepted);
            }
            Entry::Answered(answer) => {
                self.name(answer.number, &answer.vop, &answer.key, answer.port.as_ref());
                self.accepted.remove(&answer.number);
                self.unsent.insert(answer.number);
                self.answers.insert(answer.number, answer);
                self.forget_oldest();
            }
            Entry::Sent(number) => {
                self.unsent.remove(&number);
                self.forget_oldest();
            }
            Entry::Port(port, state) if state == PortState::default() => {
                self.ports.remove(&port);
            }
            Entry::Port(port, state) => {
                self.ports.insert(port, state);
            }
            Entry::Assignment(assignment) => self.assignment = assignment,
            Entry::Content { vop, key, digest } => {
                // Other content under this key: the one before is another command's.
                let known = Known { digest: Some(digest), numbers: BTreeMap::new() };
                self.known.insert((vop, key), known);
            }
            Entry::FirstStart(stamp_ms) => self.first_start = Some(stamp_ms),
        }
    }

    /// What is stored of this life of a topic, which ends the one before.
    fn life(&mut self, topic: String, incarnation: Incarnation) -> &mut TopicPosition {
        let position = self.positions.entry(topic).or_insert_with(|| TopicPosition::new(incarnation.clone()));
        if position.incarnation != incarnation {
            *position = TopicPosition::new(incarnation);
        }
        position
    }

    fn name(&mut self, number: u64, vop: &VopId, key: &CommandKey, port: Option<&PortId>) {
        self.last_number = self.last_number.max(number);
        let known = self.known.entry((vop.clone(), key.clone())).or_default();
        known.numbers.insert(port.cloned(), number);
    }

    /// Drops the oldest answers that the bus has confirmed until no more than `history` are left.
    fn forget_oldest(&mut self) {
        while self.answers.len() > self.history.max(self.unsent.len()) {
            let oldest = self.answers.keys().find(|number| !self.unsent.contains(number)).copied();
            let Some(answer) = oldest.and_then(|number| self.answers.remove(&number)) else { return };
            self.forget(&(answer.vop, answer.key), &answer.port, answer.number);
        }
    }

    fn forget(&mut self, command: &(VopId, CommandKey), port: &Option<PortId>, number: u64) {
        let Some(known) = self.known.get_mut(command) else { return };
        if known.numbers.get(port) == Some(&number) {
            known.numbers.remove(port);
        }
        if known.numbers.is_empty() {
            self.known.remove(command);
        }
    }

    /// Entries that add up to this state, in steps of bounded size.
    pub(super) fn snapshot(&self) -> Vec<Vec<Entry>> {
        let mut entries = vec![Entry::Boot(self.boot), Entry::Numbered(self.last_number)];
        entries.push(Entry::Assignment(self.assignment.clone()));
        entries.extend(self.first_start.map(Entry::FirstStart));
        entries.extend(self.epochs.iter().map(|(vop, &epoch)| Entry::Epoch { vop: vop.clone(), epoch }));
        for (topic, position) in &self.positions {
            entries.extend(position.next.iter().map(|(&partition, &next)| Entry::Position {
                topic: topic.clone(),
                incarnation: position.incarnation.clone(),
                partition,
                next,
            }));
            entries.extend(position.from.iter().map(|(&partition, &from)| Entry::Bound {
                topic: topic.clone(),
                incarnation: position.incarnation.clone(),
                partition,
                from,
            }));
        }
        entries.extend(self.ports.iter().map(|(port, state)| Entry::Port(port.clone(), state.clone())));
        entries.extend(self.known.iter().filter(|(_, known)| !known.numbers.is_empty()).filter_map(
            |((vop, key), known)| {
                let digest = known.digest?;
                Some(Entry::Content { vop: vop.clone(), key: key.clone(), digest })
            },
        ));
        entries.extend(self.accepted.values().cloned().map(Entry::Accepted));
        for (number, answer) in &self.answers {
            entries.push(Entry::Answered(answer.clone()));
            if !self.unsent.contains(number) {
                entries.push(Entry::Sent(*number));
            }
        }
        entries.chunks(SNAPSHOT_STEP).map(<[Entry]>::to_vec).collect()
    }
}
