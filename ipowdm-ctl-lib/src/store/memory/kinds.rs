//! The keys of each kind, in order.

use super::{read, write};
use crate::store::RawKey;
use crate::store::key::KeyHash;
use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Bound;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, RwLock};

/// Keys that have come or gone are put in order when there are more of them.
const NEWS: usize = 4096;

/// All kinds, by what their keys begin with up to and with the slash: in that order the keys of one kind follow those of
/// another as they do in key order.
#[derive(Debug, Default)]
pub(super) struct Kinds(RwLock<BTreeMap<Box<str>, Arc<Kind>>>);

/// The keys of one kind.
#[derive(Debug, Default)]
pub(super) struct Kind {
    /// The last version that has changed a key.
    changed: AtomicU64,
    keys: RwLock<Keys>,
}

/// Keys that come and go before somebody looks cost no place in the order: what is new is kept beside it and put in when a
/// scan needs the order, or there is much of it.
#[derive(Debug, Default)]
struct Keys {
    ordered: BTreeSet<RawKey>,
    /// What has happened since to keys of the kind: whether they have come or gone. Never what `ordered` says already.
    news: HashMap<RawKey, bool, KeyHash>,
}

impl Keys {
    fn note(&mut self, key: &RawKey, there: bool) {
        match self.news.entry(key.clone()) {
            // Back to what `ordered` says.
            Entry::Occupied(entry) if *entry.get() != there => drop(entry.remove()),
            Entry::Occupied(_) => {}
            Entry::Vacant(entry) => {
                entry.insert(there);
            }
        }
        if self.news.len() > NEWS {
            self.settle();
        }
    }

    fn settle(&mut self) {
        let mut news: Vec<(RawKey, bool)> = self.news.drain().collect();
        // Neighbours in the order are neighbours in the tree.
        news.sort_unstable();
        for (key, there) in news {
            if there {
                self.ordered.insert(key);
            } else {
                self.ordered.remove(&key);
            }
        }
    }
}

/// What a key begins with up to and with the slash.
fn stem(key: &str) -> &str {
    key.find('/').and_then(|slash| key.get(..=slash)).unwrap_or(key)
}

impl Kinds {
    /// The kind of a key.
    pub(super) fn of(&self, key: &RawKey) -> Arc<Kind> {
        let stem = stem(key.as_str());
        if let Some(kind) = read(&self.0).get(stem) {
            return Arc::clone(kind);
        }
        Arc::clone(write(&self.0).entry(stem.into()).or_default())
    }

    /// The kinds that have keys under a prefix, in key order.
    pub(super) fn under(&self, prefix: &str) -> Vec<Arc<Kind>> {
        let kinds = read(&self.0);
        if prefix.contains('/') {
            return kinds.get(stem(prefix)).cloned().into_iter().collect();
        }
        let from = (Bound::Included(prefix), Bound::Unbounded);
        let under = kinds.range::<str, _>(from).take_while(|(stem, _)| stem.starts_with(prefix));
        under.map(|(_, kind)| Arc::clone(kind)).collect()
    }
}

impl Kind {
    pub(super) fn changed(&self, version: u64) {
        self.changed.store(version, Ordering::Relaxed);
    }

    /// Whether a key of this kind was changed after a version. Asked under the lock of commits, as changes are made.
    pub(super) fn changed_after(&self, version: u64) -> bool {
        self.changed.load(Ordering::Relaxed) > version
    }

    /// A key that was not there has come.
    pub(super) fn add(&self, key: &RawKey, version: u64) {
        self.changed(version);
        write(&self.keys).note(key, true);
    }

    /// A key that was there has gone.
    pub(super) fn remove(&self, key: &RawKey) {
        write(&self.keys).note(key, false);
    }

    /// At most `limit` keys that begin with `prefix` and come after `after`, in order.
    pub(super) fn keys(&self, prefix: &str, after: Option<&RawKey>, limit: usize) -> Vec<RawKey> {
        if !read(&self.keys).news.is_empty() {
            write(&self.keys).settle();
        }
        // What has come or gone since is no concern of a view that was there before.
        let keys = read(&self.keys);
        let from = match after {
            Some(after) if after.as_str() >= prefix => Bound::Excluded(after.clone()),
            _ => Bound::Included(RawKey::from_stored(prefix)),
        };
        keys.ordered
            .range((from, Bound::Unbounded))
            .take_while(|key| key.as_str().starts_with(prefix))
            .take(limit)
            .cloned()
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Whenever somebody looks: the keys that are there, in order.
        #[test]
        fn keys_are_in_order_whatever_has_come_and_gone(
            deeds in proptest::collection::vec((0_u16..40, any::<bool>()), 0..200),
        ) {
            let (kind, mut model) = (Kind::default(), BTreeSet::new());
            for (version, (number, looks)) in deeds.into_iter().enumerate() {
                let key = RawKey::from_stored(&format!("k/{number}"));
                if model.remove(&key) {
                    kind.remove(&key);
                } else {
                    kind.add(&key, version as u64);
                    model.insert(key.clone());
                }
                if looks {
                    let behind: Vec<_> = model.iter().filter(|there| **there > key).cloned().collect();
                    prop_assert_eq!(kind.keys("k/", Some(&key), 100), behind);
                }
                prop_assert!(read(&kind.keys).news.len() <= 40);
            }
            prop_assert_eq!(kind.keys("k/", None, 100), model.into_iter().collect::<Vec<_>>());
        }
    }

    #[test]
    fn what_is_new_is_put_in_order_when_there_is_much_of_it() {
        let kind = Kind::default();
        for number in 0..=NEWS {
            kind.add(&RawKey::from_stored(&format!("k/{number}")), 1);
        }
        assert!(read(&kind.keys).news.is_empty());
        assert_eq!(read(&kind.keys).ordered.len(), NEWS + 1);
    }
}
