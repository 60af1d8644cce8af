//! Who watches what.

use super::queue::Queue;
use super::{Notice, Signal};
use crate::store::key::KeyHash;
use crate::store::{RawKey, Version};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

/// The watchers of one key or prefix.
type Watchers = BTreeMap<u64, Arc<Queue>>;

/// All watchers, by key and by prefix.
#[derive(Debug, Default)]
pub(super) struct Index {
    keys: HashMap<RawKey, Watchers, KeyHash>,
    prefixes: HashMap<Box<str>, Watchers>,
    /// How many of the prefixes have this length.
    lengths: BTreeMap<usize, usize>,
    /// What each watcher watches.
    interests: HashMap<u64, Interests>,
    next_id: u64,
    /// The last commit that was announced.
    last: Option<Version>,
    /// Whether the feed is lost.
    interrupted: bool,
    closed: bool,
}

#[derive(Debug)]
struct Interests {
    queue: Arc<Queue>,
    keys: HashSet<RawKey, KeyHash>,
    prefixes: HashSet<Box<str>>,
}

impl Index {
    /// How many keys and prefixes are watched.
    pub(super) fn len(&self) -> usize {
        self.keys.len() + self.prefixes.len()
    }

    /// Whether little memory is taken.
    #[cfg(test)]
    pub(super) fn is_small(&self) -> bool {
        self.keys.capacity() < 256 && self.prefixes.capacity() < 256 && self.interests.capacity() < 256
    }

    pub(super) fn open(&mut self, backlog: usize) -> Arc<Queue> {
        let id = self.next_id;
        self.next_id += 1;
        let queue = Arc::new(Queue::new(id, backlog));
        if self.closed {
            queue.close();
        }
        let interests =
            Interests { queue: Arc::clone(&queue), keys: HashSet::default(), prefixes: HashSet::new() };
        self.interests.insert(id, interests);
        queue
    }

    pub(super) fn watch_key(&mut self, key: RawKey, queue: &Arc<Queue>) {
        if let Some(interests) = self.interests.get_mut(&queue.id)
            && interests.keys.insert(key.clone())
        {
            self.keys.entry(key).or_default().insert(queue.id, Arc::clone(queue));
        }
    }

    pub(super) fn watch_prefix(&mut self, prefix: &RawKey, queue: &Arc<Queue>) {
        let prefix: Box<str> = prefix.as_str().into();
        let Some(interests) = self.interests.get_mut(&queue.id) else { return };
        if !interests.prefixes.insert(prefix.clone()) {
            return;
        }
        let length = prefix.len();
        let watchers = self.prefixes.entry(prefix).or_default();
        if watchers.is_empty() {
            *self.lengths.entry(length).or_insert(0) += 1;
        }
        watchers.insert(queue.id, Arc::clone(queue));
    }

    pub(super) fn unwatch_key(&mut self, key: &RawKey, queue: &Queue) {
        if self.interests.get_mut(&queue.id).is_some_and(|interests| interests.keys.remove(key)) {
            self.drop_key(key, queue.id);
        }
    }

    /// A watcher has gone.
    pub(super) fn forget(&mut self, queue: &Queue) {
        let Some(interests) = self.interests.remove(&queue.id) else { return };
        interests.keys.iter().for_each(|key| self.drop_key(key, queue.id));
        interests.prefixes.iter().for_each(|prefix| self.drop_prefix(prefix, queue.id));
        // What thousands of watchers took is given back.
        if self.interests.capacity() > 64 && self.interests.len() * 4 < self.interests.capacity() {
            self.interests.shrink_to_fit();
            self.keys.shrink_to_fit();
            self.prefixes.shrink_to_fit();
        }
    }

    fn drop_key(&mut self, key: &RawKey, id: u64) {
        let Some(watchers) = self.keys.get_mut(key) else { return };
        watchers.remove(&id);
        if watchers.is_empty() {
            self.keys.remove(key);
        }
    }

    fn drop_prefix(&mut self, prefix: &str, id: u64) {
        let Some(watchers) = self.prefixes.get_mut(prefix) else { return };
        watchers.remove(&id);
        if !watchers.is_empty() {
            return;
        }
        self.prefixes.remove(prefix);
        if let Some(count) = self.lengths.get_mut(&prefix.len()) {
            *count -= 1;
            if *count == 0 {
                self.lengths.remove(&prefix.len());
            }
        }
    }

    /// The store is gone.
    pub(super) fn close(&mut self) {
        self.closed = true;
        self.interests.values().for_each(|interests| interests.queue.close());
    }

    pub(super) fn deliver(&mut self, signal: Signal, per_key: usize) {
        match signal {
            Signal::Committed(notice) => {
                if self.last.is_some_and(|last| notice.version <= last) {
                    return;
                }
                self.last = Some(notice.version);
                if !self.interrupted {
                    self.tell(&notice, per_key);
                }
            }
            Signal::Interrupted => self.interrupted = true,
            Signal::Restored => {
                self.interrupted = false;
                // Numbers may begin anew where the store was replaced meanwhile.
                self.last = None;
                self.interests.values().for_each(|interests| interests.queue.resync());
            }
        }
    }

    /// Tells those whom a commit concerns, each once.
    fn tell(&self, notice: &Notice, per_key: usize) {
        if self.keys.is_empty() && self.prefixes.is_empty() {
            return;
        }
        let by_key = notice.keys.len() <= per_key;
        let groups = if by_key { self.groups_of(notice) } else { self.groups_among(notice) };
        match &groups[..] {
            [] => {}
            [watchers] => watchers.values().for_each(|queue| queue.push(notice)),
            several => {
                // In the order of the watchers, which is the same in every run.
                let mut told: Vec<_> = several.iter().flat_map(|watchers| watchers.values()).collect();
                told.sort_unstable_by_key(|queue| queue.id);
                told.dedup_by_key(|queue| queue.id);
                told.into_iter().for_each(|queue| queue.push(notice));
            }
        }
    }

    /// The watchers of each key, looked up one by one.
    fn groups_of(&self, notice: &Notice) -> Vec<&Watchers> {
        let mut groups: Vec<&Watchers> = Vec::new();
        for key in notice.keys.iter() {
            groups.extend(self.keys.get(key));
            let text = key.as_str();
            let prefixes = self.lengths.keys().map_while(|length| text.get(..*length));
            groups.extend(prefixes.filter_map(|prefix| self.prefixes.get(prefix)));
        }
        groups.sort_unstable_by_key(|watchers| core::ptr::from_ref(*watchers).addr());
        groups.dedup_by_key(|watchers| core::ptr::from_ref(*watchers).addr());
        groups
    }

    /// The watchers of whatever is watched and among the keys of a large commit.
    fn groups_among(&self, notice: &Notice) -> Vec<&Watchers> {
        let mut keys: Vec<&str> = notice.keys.iter().map(RawKey::as_str).collect();
        keys.sort_unstable();
        let first_from = |text: &str| keys.get(keys.partition_point(|key| *key < text)).copied();
        let of_keys = self.keys.iter().filter(|(key, _)| first_from(key.as_str()) == Some(key.as_str()));
        let of_prefixes = self
            .prefixes
            .iter()
            .filter(|(prefix, _)| first_from(prefix).is_some_and(|key| key.starts_with(&***prefix)));
        of_keys.map(|(_, watchers)| watchers).chain(of_prefixes.map(|(_, watchers)| watchers)).collect()
    }
}
