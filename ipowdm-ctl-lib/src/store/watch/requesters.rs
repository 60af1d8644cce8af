//! One watch shared by many requesters: who wants to know of which key, counted.

use super::{Change, Watch, WatchSource};
use crate::store::{RawKey, Store};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// A watch of single keys on behalf of requesters. A key is watched as long as at least one requester asks for it; each
/// requester may ask for a key once.
#[derive(Debug)]
pub struct RequesterWatch {
    watch: Watch,
    /// What each requester asks for.
    wanted: BTreeMap<String, BTreeSet<RawKey>>,
    /// Who asks for each key.
    requesters: HashMap<RawKey, BTreeSet<String>>,
}

impl Store {
    /// A watch on behalf of requesters that come and go.
    #[must_use]
    pub fn watch_for_requesters(&self) -> RequesterWatch {
        RequesterWatch::new(self.changes())
    }
}

impl RequesterWatch {
    /// A watch of nothing.
    #[must_use]
    pub fn new(source: &WatchSource) -> Self {
        let watch = source.subscribe_keys([]);
        Self { watch, wanted: BTreeMap::new(), requesters: HashMap::new() }
    }

    /// A requester asks for keys, from now on.
    pub fn watch(&mut self, requester: &str, keys: impl IntoIterator<Item = RawKey>) {
        for key in keys {
            let wanted = self.wanted.entry(requester.to_owned()).or_default();
            if wanted.insert(key.clone()) {
                let requesters = self.requesters.entry(key.clone()).or_default();
                requesters.insert(requester.to_owned());
                if requesters.len() == 1 {
                    self.watch.add([key]);
                }
            }
        }
    }

    /// A requester asks for these keys no more.
    pub fn unwatch<'a>(&mut self, requester: &str, keys: impl IntoIterator<Item = &'a RawKey>) {
        for key in keys {
            let Some(wanted) = self.wanted.get_mut(requester) else { return };
            if wanted.remove(key) {
                if wanted.is_empty() {
                    self.wanted.remove(requester);
                }
                self.release(requester, key);
            }
        }
    }

    /// A requester asks for nothing more.
    pub fn unwatch_all(&mut self, requester: &str) {
        for key in self.wanted.remove(requester).unwrap_or_default() {
            self.release(requester, &key);
        }
    }

    fn release(&mut self, requester: &str, key: &RawKey) {
        let Some(requesters) = self.requesters.get_mut(key) else { return };
        requesters.remove(requester);
        if requesters.is_empty() {
            self.requesters.remove(key);
            self.watch.remove([key]);
            if self.requesters.capacity() > 64 && self.requesters.len() * 4 < self.requesters.capacity() {
                self.requesters.shrink_to_fit();
            }
        }
    }

    /// What a requester asks for, in key order.
    pub fn watched_by(&self, requester: &str) -> impl Iterator<Item = &RawKey> {
        self.wanted.get(requester).into_iter().flatten()
    }

    /// Who asks for a key, in the order of their names.
    pub fn requesters_of(&self, key: &RawKey) -> impl Iterator<Item = &str> {
        self.requesters.get(key).into_iter().flatten().map(String::as_str)
    }

    /// How many requesters ask for a key.
    #[must_use]
    pub fn count(&self, key: &RawKey) -> usize {
        self.requesters.get(key).map_or(0, BTreeSet::len)
    }

    /// How many keys are watched.
    #[must_use]
    pub fn len(&self) -> usize {
        self.requesters.len()
    }

    /// Whether nothing is watched.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.requesters.is_empty()
    }

    /// Waits for the next change and answers whom it concerns, in the order of their names: all where everything has to be
    /// read again, nobody where the keys were given up meanwhile. `None` when the store is gone.
    pub async fn next(&mut self) -> Option<(Change, Vec<String>)> {
        let change = self.watch.next().await?;
        let concerned: BTreeSet<&str> = match &change {
            Change::Committed(notice) => notice.keys.iter().flat_map(|key| self.requesters_of(key)).collect(),
            Change::Resync { .. } => self.wanted.keys().map(String::as_str).collect(),
        };
        let concerned = concerned.into_iter().map(str::to_owned).collect();
        Some((change, concerned))
    }
}
