//! What this process knows of the store: how far it has followed the feed, what it has read and what was changed since.

use super::super::backend::{Batch, Range, Version, Write};
use super::super::{Notice, RawKey, Value, WatchSource};
use super::cache::Cache;
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

/// Notices kept to tell whether something read at an older version has changed.
const LOG_NOTICES: usize = 1 << 14;
/// Keys in these notices.
const LOG_KEYS: usize = 1 << 18;

/// One commit as the feed tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) version: u64,
    /// Who committed: unique among all commits.
    pub(super) by: String,
    /// Who made the commit before.
    pub(super) after: String,
    pub(super) keys: Vec<RawKey>,
}

/// What came of an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Applied {
    /// It is taken in.
    Next,
    /// It was known.
    Known,
    /// It does not continue what is known: entries before it are missing, or the server has lost some. Nothing was done.
    Gap,
}

/// Sans-I/O: the follower and the worker put in what they hear, in whatever order; each commit counts once.
#[derive(Debug)]
pub(super) struct Mirror {
    applied: u64,
    /// Who committed `applied`: tells whether the server still has the history that this process has seen.
    anchor: String,
    /// Views below this version belong to a thread that was lost.
    floor: u64,
    log: VecDeque<Notice>,
    log_keys: usize,
    /// Changes after this version are all in the log.
    log_from: u64,
    cache: Cache,
    /// Writes of this process whose commit may be heard of at any moment, by who commits.
    own: HashMap<String, Arc<Batch>>,
}

impl Mirror {
    pub(super) fn new(applied: u64, anchor: String, cache_bytes: usize) -> Self {
        Self {
            applied,
            anchor,
            floor: applied,
            log: VecDeque::new(),
            log_keys: 0,
            log_from: applied,
            cache: Cache::new(cache_bytes),
            own: HashMap::new(),
        }
    }

    pub(super) const fn applied(&self) -> u64 {
        self.applied
    }

    pub(super) fn anchor(&self) -> &str {
        &self.anchor
    }

    /// Views of this version can be read.
    pub(super) const fn holds(&self, version: u64) -> bool {
        version >= self.floor
    }

    /// Takes in one commit and queues its notice where it is the next; the caller has it delivered.
    pub(super) fn apply(&mut self, entry: Entry, changes: &WatchSource) -> Applied {
        if entry.version <= self.applied {
            return Applied::Known;
        }
        if entry.version != self.applied + 1 || entry.after != self.anchor {
            return Applied::Gap;
        }
        let Entry { version, by, keys, .. } = entry;
        for key in &keys {
            self.cache.forget(key);
        }
        if let Some(batch) = self.own.remove(&by) {
            for Write { key, value } in &batch.writes {
                self.cache.keep(key.clone(), version, value.clone());
            }
        }
        self.applied = version;
        self.anchor = by;
        if !keys.is_empty() {
            let notice = Notice { version: Version::new(version), keys: keys.into() };
            self.log_keys += notice.keys.len();
            self.log.push_back(notice.clone());
            while self.log.len() > LOG_NOTICES || (self.log_keys > LOG_KEYS && self.log.len() > 1) {
                if let Some(oldest) = self.log.pop_front() {
                    self.log_keys -= oldest.keys.len();
                    self.log_from = oldest.version.get();
                }
            }
            changes.queue(notice);
        }
        Applied::Next
    }

    /// Starts anew at a version of the server, after commits were missed or the server has lost some.
    pub(super) fn restart(&mut self, applied: u64, anchor: String, changes: &WatchSource) {
        (self.applied, self.anchor) = (applied, anchor);
        (self.floor, self.log_from) = (applied, applied);
        self.log.clear();
        self.log_keys = 0;
        self.cache.clear();
        self.own.clear();
        changes.restored();
    }

    /// Whether one of these keys, or one under these prefixes, was changed after `since` and up to what is applied. Also true
    /// where that cannot be told. `reads` must be sorted.
    pub(super) fn touched(&self, since: u64, reads: &[RawKey], scans: &[RawKey]) -> bool {
        if reads.is_empty() && scans.is_empty() {
            return false;
        }
        if since < self.log_from || since < self.floor {
            return true;
        }
        let newer = self.log.iter().rev().take_while(|notice| notice.version.get() > since);
        newer.flat_map(|notice| notice.keys.iter()).any(|key| {
            reads.binary_search(key).is_ok()
                || scans.iter().any(|scan| key.as_str().starts_with(scan.as_str()))
        })
    }

    /// Remembers what is about to be committed, so that it can be read from memory once it is.
    pub(super) fn expect(&mut self, by: String, batch: Arc<Batch>) {
        self.own.insert(by, batch);
    }

    pub(super) fn expect_no_more(&mut self, by: &str) {
        self.own.remove(by);
    }

    /// The value of a key at a version, where it is known.
    pub(super) fn get(&mut self, key: &RawKey, version: u64) -> Option<Option<Value>> {
        self.cache.get(key, version)
    }

    /// The entries of a range at a version, where they are known.
    pub(super) fn scan(&self, range: &Range, version: u64) -> Option<Arc<[(RawKey, Value)]>> {
        self.cache.scan(range, version)
    }

    /// Keeps what was read at a version, where it still holds.
    pub(super) fn keep(&mut self, key: &RawKey, version: u64, value: Option<Value>) {
        if !self.touched(version, core::slice::from_ref(key), &[]) {
            self.cache.keep(key.clone(), version, value);
        }
    }

    /// As [`Mirror::keep`].
    pub(super) fn keep_range(&mut self, range: &Range, version: u64, entries: &Arc<[(RawKey, Value)]>) {
        if !self.touched(version, &[], core::slice::from_ref(&range.prefix)) {
            self.cache.keep_range(range.clone(), version, Arc::clone(entries));
        }
    }
}
