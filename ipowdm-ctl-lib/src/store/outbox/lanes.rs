//! Which message may go next: the relay's decisions, without clock or bus.

use super::OutboxRecord;
use crate::store::Key;
use core::time::Duration;
use ipowdm_core::time::Millis;
use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};

/// Limits of a relay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RelayOptions {
    /// Messages in one publish call.
    pub batch: usize,
    /// Publish calls under way at once.
    pub in_flight: usize,
    /// Messages whose order is held in memory; the rest stay unread in the store until there is room.
    pub tracked: usize,
    /// Pause after a first failure; doubles with each further one.
    pub pause: Duration,
    /// Longest pause.
    pub longest_pause: Duration,
    /// How long a lane waits for a topic that is not there before its messages are refused.
    pub topic_patience: Duration,
}

impl Default for RelayOptions {
    /// 64 messages per call, 64 calls, 65 536 messages, pauses from 50 ms to 2 s, a minute for a topic to be made (again).
    fn default() -> Self {
        Self {
            batch: 64,
            in_flight: 64,
            tracked: 65_536,
            pause: Duration::from_millis(50),
            longest_pause: Duration::from_secs(2),
            topic_patience: Duration::from_secs(60),
        }
    }
}

/// Names a lane while it has messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LaneId(u64);

/// A batch of one lane to be published, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Work {
    /// The lane.
    pub lane: LaneId,
    /// Its topic.
    pub topic: String,
    /// The messages.
    pub messages: Vec<Key<OutboxRecord>>,
}

/// How a publish call ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The bus has confirmed all messages.
    Confirmed,
    /// It may work later; any of the messages may have been published.
    Failed,
    /// There is no such topic; it may be about to be made (again).
    NoTopic,
    /// The bus refuses the messages, or one of them, for ever.
    Refused,
}

/// One lane per topic and key, in which messages go one batch after the other.
///
/// ```text
///            found              next                   finished(Confirmed), more waiting
///   (none) ────────▶ ready ───────────────▶ in flight ─────────────────────────────▶ ready
///                      ▲                     │  │  │    finished(Confirmed), none waiting
///                      │ next, pause over    │  │  └──────────────────────────────▶ (none)
///                      │                     │  │ finished(Refused): batch of one → as Confirmed, larger → ready,
///                      │                     │  └───────────────────────────────   one at a time
///                      └────── paused ◀──────┘ finished(Failed), finished(NoTopic) within the patience
/// ```
///
/// NoTopic for longer than the patience is as Refused, and so for each message after it until one is confirmed.
#[derive(Debug)]
pub struct Lanes {
    options: RelayOptions,
    ids: HashMap<(String, Vec<u8>), LaneId>,
    lanes: BTreeMap<LaneId, Lane>,
    /// Lanes that may be started, by the time from which they may.
    startable: BTreeSet<(Millis, LaneId)>,
    next_id: u64,
    tracked: usize,
    in_flight: usize,
}

#[derive(Debug)]
struct Lane {
    address: (String, Vec<u8>),
    /// Messages in order; those in flight stay at the front.
    messages: VecDeque<Key<OutboxRecord>>,
    /// Messages in flight.
    flying: usize,
    failures: u32,
    /// Since when there has been no topic.
    no_topic_since: Option<Millis>,
    /// One at a time, to find the message that is refused.
    single: bool,
}

impl Lanes {
    /// No lanes.
    #[must_use]
    pub fn new(options: RelayOptions) -> Self {
        Self {
            options,
            ids: HashMap::new(),
            lanes: BTreeMap::new(),
            startable: BTreeSet::new(),
            next_id: 0,
            tracked: 0,
            in_flight: 0,
        }
    }

    /// How many more messages can be taken.
    #[must_use]
    pub const fn room(&self) -> usize {
        self.options.tracked.saturating_sub(self.tracked)
    }

    /// How many messages wait or are in flight.
    #[must_use]
    pub const fn waiting(&self) -> usize {
        self.tracked
    }

    /// A message was found in the outbox. Messages must be reported in the order of their keys, each once.
    pub fn found(&mut self, message: Key<OutboxRecord>, topic: &str, key: &[u8]) {
        self.tracked += 1;
        let address = (topic.to_owned(), key.to_vec());
        if let Some(lane) = self.ids.get(&address).and_then(|id| self.lanes.get_mut(id)) {
            lane.messages.push_back(message);
            return;
        }
        let id = LaneId(self.next_id);
        self.next_id += 1;
        self.ids.insert(address.clone(), id);
        let messages = VecDeque::from([message]);
        self.lanes.insert(
            id,
            Lane { address, messages, flying: 0, failures: 0, no_topic_since: None, single: false },
        );
        self.startable.insert((Millis(0), id));
    }

    /// The next batch to publish, where there is one and another call is allowed.
    pub fn next(&mut self, now: Millis) -> Option<Work> {
        if self.in_flight >= self.options.in_flight {
            return None;
        }
        let &(from, id) = self.startable.first()?;
        if from > now {
            return None;
        }
        self.startable.pop_first();
        let lane = self.lanes.get_mut(&id)?;
        let most = if lane.single { 1 } else { self.options.batch.max(1) };
        let messages: Vec<_> = lane.messages.iter().take(most).cloned().collect();
        lane.flying = messages.len();
        self.in_flight += 1;
        Some(Work { lane: id, topic: lane.address.0.clone(), messages })
    }

    /// When [`Lanes::next`] has something again that a pause holds back now; `None` where nothing waits for time to pass.
    #[must_use]
    pub fn wake_at(&self) -> Option<Millis> {
        let free = self.in_flight < self.options.in_flight;
        self.startable.first().filter(|_| free).map(|(from, _)| *from)
    }

    /// A publish call has ended. Answers the messages that are done with: confirmed, refused alone, or without a topic for
    /// too long.
    ///
    /// A lane that has nothing in flight is not changed.
    pub fn finished(&mut self, id: LaneId, outcome: Outcome, now: Millis) -> Vec<Key<OutboxRecord>> {
        let Some(lane) = self.lanes.get_mut(&id).filter(|lane| lane.flying > 0) else {
            return Vec::new();
        };
        self.in_flight -= 1;
        let flying = core::mem::take(&mut lane.flying);
        let patience = u64::try_from(self.options.topic_patience.as_millis()).unwrap_or(u64::MAX);
        let waited = match outcome {
            Outcome::NoTopic => now.since(*lane.no_topic_since.get_or_insert(now)),
            _ => 0,
        };
        let done = match outcome {
            Outcome::NoTopic if waited >= patience && flying == 1 => lane.messages.drain(..flying).collect(),
            Outcome::NoTopic if waited >= patience => {
                lane.single = true;
                Vec::new()
            }
            Outcome::Failed | Outcome::NoTopic => {
                lane.failures = lane.failures.saturating_add(1);
                let doubled = self.options.pause.saturating_mul(1 << (lane.failures - 1).min(16));
                let pause = doubled.min(self.options.longest_pause);
                let pause = u64::try_from(pause.as_millis()).unwrap_or(u64::MAX);
                self.startable.insert((Millis(now.0.saturating_add(pause)), id));
                return Vec::new();
            }
            Outcome::Refused if flying > 1 => {
                lane.single = true;
                Vec::new()
            }
            Outcome::Refused => lane.messages.drain(..flying).collect(),
            Outcome::Confirmed => {
                lane.failures = 0;
                if lane.no_topic_since.take().is_some() {
                    lane.single = false;
                }
                lane.messages.drain(..flying).collect::<Vec<_>>()
            }
        };
        if outcome == Outcome::Refused && flying == 1 {
            lane.single = false;
        }
        self.tracked -= done.len();
        if lane.messages.is_empty() {
            self.ids.remove(&lane.address);
            self.lanes.remove(&id);
        } else {
            // Behind all lanes that wait already: a busy lane does not starve the others.
            self.startable.insert((now, id));
        }
        done
    }
}
