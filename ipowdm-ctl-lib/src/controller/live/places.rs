//! Which connections may be at a port, or at an agent.

use crate::connection::Ends;
use crate::controller::record::ConnectionRecord;
use core::hash::{BuildHasher, Hash};
use ipowdm_core::ids::{AgentId, ConnectionId, PortRef};
use std::collections::BTreeSet;
use std::hash::RandomState;

/// An index by hash: an entry is a word and an id, and what is found is to be compared with the record.
#[derive(Debug, Default)]
pub(super) struct Places {
    hashing: RandomState,
    ports: Index,
    agents: Index,
}

/// No id is less than any id: where a search begins.
type Index = BTreeSet<(u64, Option<ConnectionId>)>;

impl Places {
    /// Whether two records are at the same places.
    pub(super) fn same(one: &ConnectionRecord, other: &ConnectionRecord) -> bool {
        one.ports == other.ports && one.agents == other.agents
    }

    pub(super) fn insert(&mut self, record: &ConnectionRecord) {
        for end in Ends::<()>::BOTH {
            self.ports.insert(self.entry(record.ports.get(end), record));
            self.agents.insert(self.entry(record.agents.get(end), record));
        }
    }

    pub(super) fn remove(&mut self, record: &ConnectionRecord) {
        for end in Ends::<()>::BOTH {
            self.ports.remove(&self.entry(record.ports.get(end), record));
            self.agents.remove(&self.entry(record.agents.get(end), record));
        }
    }

    /// Every connection at a port, and perhaps others.
    pub(super) fn of_port(&self, port: &PortRef) -> impl Iterator<Item = &ConnectionId> {
        self.under(&self.ports, port)
    }

    /// Every connection at an agent, and perhaps others.
    pub(super) fn of_agent(&self, agent: &AgentId) -> impl Iterator<Item = &ConnectionId> {
        self.under(&self.agents, agent)
    }

    fn entry(&self, place: &impl Hash, record: &ConnectionRecord) -> (u64, Option<ConnectionId>) {
        (self.hashing.hash_one(place), Some(record.id.clone()))
    }

    fn under<'a>(&self, index: &'a Index, place: &impl Hash) -> impl Iterator<Item = &'a ConnectionId> {
        let hash = self.hashing.hash_one(place);
        let from = index.range((hash, None)..);
        from.take_while(move |(of, _)| *of == hash).filter_map(|(_, id)| id.as_ref())
    }
}
