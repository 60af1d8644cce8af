//! The journal as the running agent uses it: what could not be written yet, what waits to be published.

use super::task::Errand;
use crate::journal::{Answer, Entry, Journal, State};
use ipowdm_core::bus::publisher::Publisher;
use ipowdm_core::bus::{BusError, Outgoing, Position};
use ipowdm_core::error::Code;
use ipowdm_core::ids::{RegionId, VopId};
use ipowdm_core::msg::{AckStatus, AgentMessage};
use ipowdm_core::topics::{self, Role};
use std::collections::BTreeMap;
use tokio::task::JoinSet;

/// Entries kept while nothing can be written; work is refused meanwhile, so they are those of work under way.
const UNWRITTEN: usize = 4_096;

/// Writes entries, and publishes acks once they are durable.
#[derive(Debug)]
pub(super) struct Ledger {
    journal: Journal,
    region: Option<RegionId>,
    /// Entries that could not be written, in order.
    unwritten: Vec<Entry>,
    /// Whether the last attempt to make everything durable failed.
    unsynced: bool,
    /// Answers to publish after the next sync.
    ready: Vec<Answer>,
    /// Answers for which the outgoing queue had no room.
    unqueued: BTreeMap<u64, Answer>,
    /// Answers whose topic was not there, to be tried again when there is time.
    later: Vec<Answer>,
    /// Positions of records without effect, to be written when there is time.
    progress: BTreeMap<(String, u32), Entry>,
    next_number: u64,
    /// What went wrong with the journal, for the heartbeat.
    pub(super) trouble: Option<String>,
    /// Acks that the bus refuses for ever.
    pub(super) refused: u64,
}

impl Ledger {
    pub(super) fn new(journal: Journal, region: Option<RegionId>) -> Self {
        let next_number = journal.state().last_number();
        Self {
            journal,
            region,
            unwritten: Vec::new(),
            unsynced: false,
            ready: Vec::new(),
            unqueued: BTreeMap::new(),
            later: Vec::new(),
            progress: BTreeMap::new(),
            next_number,
            trouble: None,
            refused: 0,
        }
    }

    pub(super) const fn state(&self) -> &State {
        self.journal.state()
    }

    pub(super) const fn bytes(&self) -> u64 {
        self.journal.len()
    }

    /// A number that was never given before.
    pub(super) const fn number(&mut self) -> u64 {
        self.next_number += 1;
        self.next_number
    }

    /// Whether new work can be written down.
    pub(super) const fn is_writable(&self) -> bool {
        self.unwritten.is_empty() && !self.journal.is_failing() && !self.unsynced
    }

    /// Writes entries, after those that could not be written before. Whether all of them are written.
    pub(super) fn write(&mut self, entries: Vec<Entry>) -> bool {
        for entry in &entries {
            if let Entry::Position { topic, partition, .. } = entry {
                self.progress.remove(&(topic.clone(), *partition));
            }
        }
        self.unwritten.extend(entries);
        if self.unwritten.is_empty() {
            return true;
        }
        match self.journal.append(self.unwritten.clone()) {
            Ok(()) => {
                self.unwritten.clear();
                if !self.unsynced {
                    self.trouble = None;
                }
                true
            }
            Err(error) => {
                tracing::error!(%error, "the journal cannot be written; new work is refused");
                self.trouble = Some(error.to_string());
                self.unwritten.truncate(UNWRITTEN);
                false
            }
        }
    }

    /// Notes a position without effect.
    pub(super) fn note(&mut self, topic: &str, partition: u32, entry: Entry) {
        self.progress.insert((topic.to_string(), partition), entry);
    }

    /// Writes what was noted, and tries anew what could not be written.
    pub(super) fn catch_up(&mut self) {
        if self.unsynced {
            self.make_durable_anew();
        }
        // While nothing can be written, positions without effect wait where each replaces the one before.
        if !self.write(Vec::new()) {
            self.ready.append(&mut self.later);
            return;
        }
        let noted = core::mem::take(&mut self.progress).into_values().collect();
        self.write(noted);
        self.ready.append(&mut self.later);
    }

    /// An answer that goes out after the next sync.
    pub(super) fn publish(&mut self, answer: Answer) {
        self.ready.push(answer);
    }

    /// Makes everything written durable if an ack depends on it, then hands the acks to the publisher.
    pub(super) async fn commit(&mut self, publisher: &Publisher, errands: &mut JoinSet<Errand>) {
        if self.ready.is_empty() && self.unqueued.is_empty() {
            return;
        }
        if !self.ready.is_empty() && !self.unsynced {
            self.sync().await;
        }
        let ready = core::mem::take(&mut self.ready);
        let unqueued = core::mem::take(&mut self.unqueued).into_values();
        let judged = ready.into_iter().map(|a| if self.is_kept(&a) { a } else { admitted(a) });
        let answers: Vec<Answer> = unqueued.chain(judged).collect();
        for answer in answers {
            let topic = self.topic(Role::Monitoring, &answer.vop);
            let record = Outgoing::new(&answer.record_key, answer.ack.clone());
            let number = answer.number;
            match publisher.send_confirmed(&topic, record) {
                Ok(confirmation) => {
                    errands.spawn(async move { Errand::Ack(number, confirmation.await.ok()) });
                }
                Err(_) => {
                    self.unqueued.insert(number, answer);
                }
            }
        }
    }

    async fn sync(&mut self) {
        let synced = match self.journal.syncer() {
            Ok(None) => return,
            Ok(Some(wait)) => match tokio::task::spawn_blocking(wait).await {
                Ok(result) => result.map_err(|error| error.to_string()),
                Err(error) => Err(error.to_string()),
            },
            Err(error) => Err(error.to_string()),
        };
        if let Err(error) = synced {
            tracing::error!(error, "the journal cannot be made durable; new work is refused");
            self.trouble = Some(format!("journal: {error}"));
            self.unsynced = true;
        }
    }

    /// After a failed sync a later one may succeed without the bytes that the first has lost: everything is written anew.
    fn make_durable_anew(&mut self) {
        match self.journal.compact() {
            Ok(()) => {
                self.unsynced = false;
                self.trouble = None;
            }
            Err(error) => self.trouble = Some(error.to_string()),
        }
    }

    /// Whether an answer will be known after a crash.
    fn is_kept(&self, answer: &Answer) -> bool {
        let unwritten = |entry: &Entry| matches!(entry, Entry::Answered(a) if a.number == answer.number);
        !self.unsynced && !self.unwritten.iter().any(unwritten)
    }

    /// Everything written becomes durable.
    pub(super) async fn settle(&mut self) {
        self.catch_up();
        self.sync().await;
    }

    /// What the bus said of an ack. Where the topic is not there, as for a moment when brokers change, the ack is kept as
    /// long as its virtual operator is served; any other refusal is for ever.
    pub(super) fn settled(&mut self, number: u64, result: Result<Position, BusError>, is_served: bool) {
        match result {
            Ok(_) => {}
            Err(BusError::UnknownTopic { .. }) if is_served => {
                self.later.extend(self.journal.state().answer(number).cloned());
                return;
            }
            Err(error) => {
                tracing::error!(number, %error, "the bus refuses an ack for ever");
                self.refused += 1;
            }
        }
        // Lost in a crash, it is sent again: the same ack under the same id. No need to wait for the disk.
        self.write(vec![Entry::Sent(number)]);
    }

    pub(super) fn topic(&self, role: Role, vop: &VopId) -> topics::TopicName {
        topics::name(role, vop, self.region.as_ref())
    }
}

/// An answer that will not be known after a crash, as it is sent: the work is done and read back, so it stays a success,
/// and says that the journal does not hold it. A failure needs no such words: after a restart it is judged anew.
fn admitted(mut answer: Answer) -> Answer {
    let Ok(AgentMessage::Ack(mut ack)) = AgentMessage::from_json(&answer.ack) else { return answer };
    if ack.status == AckStatus::Success {
        let words = "done, but the journal cannot be written: after a restart it may be answered again";
        ack.details.error = Some(words.to_string());
        ack.details.code = Some(Code::StorageFull);
        answer.ack = ack.to_json();
    }
    answer
}
