//! What a controller keeps in memory: its connections as last stored, their loops, and when each is due.
//!
//! The store is the truth; this is brought up to date after each commit, by revision, so that two commits that end in the
//! other order leave the newer one.

mod places;

use super::denials::Denied;
use super::record::ConnectionRecord;
use crate::connection::Ends;
use crate::qot_loop::QotLoop;
use crate::store::Version;
use core::ops::Bound;
use ipowdm_core::ids::{AgentId, ConnectionId, PortId, PortRef};
use ipowdm_core::qot::{End, Rule};
use ipowdm_core::time::Millis;
use places::Places;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use tokio::sync::watch;

/// A connection in memory.
#[derive(Debug)]
pub(super) struct Entry {
    record: Arc<ConnectionRecord>,
    /// Only while somebody follows it.
    followers: Option<watch::Sender<Arc<ConnectionRecord>>>,
    pub(super) rule: Rule,
    pub(super) qot: QotLoop,
    pub(super) denied: Denied,
    due: Option<Millis>,
}

impl Entry {
    pub(super) fn record(&self) -> Arc<ConnectionRecord> {
        Arc::clone(&self.record)
    }

    /// Takes over a later state of the same life.
    fn became(&mut self, record: Arc<ConnectionRecord>) {
        self.followers.take_if(|followers| followers.is_closed());
        if let Some(followers) = &self.followers {
            followers.send_replace(Arc::clone(&record));
        }
        self.record = record;
    }
}

/// All connections of a virtual operator.
#[derive(Debug, Default)]
pub(super) struct Live {
    /// Boxed: a map keeps room for half as many again.
    entries: BTreeMap<ConnectionId, Box<Entry>>,
    places: Places,
    due: BTreeSet<(Millis, ConnectionId)>,
}

impl Live {
    pub(super) fn get(&self, id: &ConnectionId) -> Option<Arc<ConnectionRecord>> {
        self.entries.get(id).map(|entry| entry.record())
    }

    pub(super) fn entry_mut(&mut self, id: &ConnectionId) -> Option<&mut Entry> {
        self.entries.get_mut(id).map(Box::as_mut)
    }

    pub(super) fn entries_mut(&mut self) -> impl Iterator<Item = &mut Entry> {
        self.entries.values_mut().map(Box::as_mut)
    }

    pub(super) fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.entries.values().map(Box::as_ref)
    }

    pub(super) fn entry(&self, id: &ConnectionId) -> Option<&Entry> {
        self.entries.get(id).map(Box::as_ref)
    }

    /// Follows a connection: every later state of it, until it is forgotten or lives anew.
    pub(super) fn follow(&mut self, id: &ConnectionId) -> Option<watch::Receiver<Arc<ConnectionRecord>>> {
        let Entry { record, followers, .. } = self.entries.get_mut(id)?.as_mut();
        Some(followers.get_or_insert_with(|| watch::Sender::new(Arc::clone(record))).subscribe())
    }

    /// The connections after one, in order of their ids.
    pub(super) fn records_after(
        &self,
        after: Option<&ConnectionId>,
    ) -> impl Iterator<Item = Arc<ConnectionRecord>> + '_ {
        let from = after.map_or(Bound::Unbounded, |id| Bound::Excluded(id.clone()));
        self.entries.range((from, Bound::Unbounded)).map(|(_, entry)| entry.record())
    }

    pub(super) fn records(&self) -> impl Iterator<Item = Arc<ConnectionRecord>> + '_ {
        self.entries.values().map(|entry| entry.record())
    }

    /// Takes over what was stored.
    pub(super) fn stored(&mut self, record: ConnectionRecord, rule: Rule) {
        let due = record.life.deadline();
        let id = record.id.clone();
        let record = Arc::new(record);
        match self.entries.get_mut(&id) {
            Some(entry) => {
                let before = &entry.record;
                let reborn = before.incarnation != record.incarnation;
                if (record.incarnation, record.revision) <= (before.incarnation, before.revision) {
                    return;
                }
                if let Some(before) = entry.due {
                    self.due.remove(&(before, id.clone()));
                }
                entry.due = due;
                if !Places::same(before, &record) {
                    self.places.remove(before);
                    self.places.insert(&record);
                }
                if reborn {
                    // Whoever follows the earlier life learns that it is over.
                    entry.followers = None;
                    entry.qot = record.quality_loop();
                    entry.rule = rule;
                    entry.denied = Denied::default();
                }
                entry.became(record);
            }
            None => {
                self.places.insert(&record);
                let qot = record.quality_loop();
                let denied = Denied::default();
                let entry = Entry { record, followers: None, rule, qot, denied, due };
                self.entries.insert(id.clone(), Box::new(entry));
            }
        }
        if let Some(due) = due {
            self.due.insert((due, id));
        }
    }

    /// A record was deleted; nothing happens where its id lives anew.
    pub(super) fn forgotten(&mut self, record: &ConnectionRecord) {
        let same = |entry: &Entry| entry.record.incarnation == record.incarnation;
        if self.entry(&record.id).is_some_and(same)
            && let Some(entry) = self.entries.remove(&record.id)
        {
            self.places.remove(&entry.record);
            if let Some(due) = entry.due {
                self.due.remove(&(due, record.id.clone()));
            }
        }
    }

    /// A transaction at `version` has found no such record: what is in memory from before that is gone.
    pub(super) fn absent(&mut self, id: &ConnectionId, version: Version) {
        let older = self.get(id).filter(|record| record.incarnation.0 < version);
        if let Some(record) = older {
            self.forgotten(&record);
        }
    }

    /// What is due at a connection could not be done; it is due again at `until`.
    pub(super) fn postpone(&mut self, id: &ConnectionId, until: Millis) {
        if let Some(entry) = self.entry_mut(id)
            && let Some(before) = entry.due.replace(until)
        {
            self.due.remove(&(before, id.clone()));
            self.due.insert((until, id.clone()));
        }
    }

    /// When the next connection is due.
    pub(super) fn next_due(&self) -> Option<Millis> {
        self.due.first().map(|(due, _)| *due)
    }

    /// The connections that are due, at most `limit`.
    pub(super) fn due(&self, now: Millis, limit: usize) -> Vec<ConnectionId> {
        self.due.iter().take_while(|(due, _)| *due <= now).take(limit).map(|(_, id)| id.clone()).collect()
    }

    /// Whether any connection waits for time to pass.
    pub(super) fn waits(&self) -> bool {
        !self.due.is_empty()
    }

    /// The ends at an agent, of all connections that are not over.
    pub(super) fn ends_of_agent(&self, agent: &AgentId) -> Vec<(ConnectionId, End)> {
        self.ends(self.places.of_agent(agent), |record, end| record.agents.get(end) == agent)
    }

    /// The end at a port, of the connection that holds it.
    pub(super) fn ends_of_port(&self, port: &PortRef) -> Vec<(ConnectionId, End)> {
        self.ends(self.places.of_port(port), |record, end| record.ports.get(end) == port)
    }

    fn ends<'a>(
        &self,
        candidates: impl Iterator<Item = &'a ConnectionId>,
        is: impl Fn(&ConnectionRecord, End) -> bool,
    ) -> Vec<(ConnectionId, End)> {
        let records = candidates.filter_map(|id| self.entries.get(id)).map(|entry| &entry.record);
        let held = records.filter(|record| !record.is_over());
        let ends = held.flat_map(|record| Ends::<()>::BOTH.map(|end| (record, end)));
        ends.filter(|(record, end)| is(record, *end)).map(|(record, end)| (record.id.clone(), end)).collect()
    }

    /// Whether an agent has a connection.
    pub(super) fn owned_agents(&self) -> BTreeSet<AgentId> {
        let live = self.entries.values().map(|entry| entry.record()).filter(|record| !record.is_over());
        live.flat_map(|record| [record.agents.source.clone(), record.agents.destination.clone()]).collect()
    }
}

/// The end of a connection that an agent's port is.
pub(super) fn end_at(record: &ConnectionRecord, agent: &AgentId, port: Option<&PortId>) -> Option<End> {
    Ends::<()>::BOTH.into_iter().find(|&end| {
        let same_port = port.is_none_or(|port| record.ports.get(end).port_id == *port);
        record.agents.get(end) == agent && same_port
    })
}
