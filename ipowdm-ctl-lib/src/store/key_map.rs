//! What a transaction has read or written, by key: a list that is searched as long as it is short.

use super::RawKey;
use super::key::KeyHash;
use std::collections::HashMap;

/// Up to this many entries are compared one by one; their hashes lie side by side.
const FEW: usize = 24;

/// A map that costs one allocation while it is small, and keeps the order of insertion.
#[derive(Debug)]
pub(super) struct KeyMap<V> {
    entries: Vec<(RawKey, V)>,
    /// Where each key stands; empty while there are few.
    places: HashMap<RawKey, usize, KeyHash>,
}

impl<V> Default for KeyMap<V> {
    fn default() -> Self {
        Self { entries: Vec::new(), places: HashMap::default() }
    }
}

impl<V> KeyMap<V> {
    /// Where a key stands.
    pub(super) fn place(&self, key: &RawKey) -> Option<usize> {
        if self.entries.len() <= FEW {
            self.entries.iter().position(|(there, _)| there == key)
        } else {
            self.places.get(key).copied()
        }
    }

    /// The value in a place.
    pub(super) fn at(&self, place: usize) -> Option<&V> {
        self.entries.get(place).map(|(_, value)| value)
    }

    pub(super) fn contains(&self, key: &RawKey) -> bool {
        self.place(key).is_some()
    }

    /// Inserts or replaces.
    pub(super) fn insert(&mut self, key: RawKey, value: V) {
        if let Some(entry) = self.place(&key).and_then(|place| self.entries.get_mut(place)) {
            entry.1 = value;
            return;
        }
        self.add(key, value);
    }

    /// Inserts a key that is not there, and answers its value.
    pub(super) fn add(&mut self, key: RawKey, value: V) -> &V {
        if self.entries.len() == FEW {
            self.places =
                self.entries.iter().enumerate().map(|(place, (key, _))| (key.clone(), place)).collect();
        }
        if self.entries.len() >= FEW {
            self.places.insert(key.clone(), self.entries.len());
        }
        if self.entries.capacity() == 0 {
            self.entries.reserve(FEW / 2);
        }
        let place = self.entries.len();
        self.entries.push((key, value));
        &self.entries[place].1
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&RawKey, &V)> {
        self.entries.iter().map(|(key, value)| (key, value))
    }

    /// Takes everything out, in the order of insertion.
    pub(super) fn take(&mut self) -> Vec<(RawKey, V)> {
        self.places = HashMap::default();
        core::mem::take(&mut self.entries)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    proptest! {
        #[test]
        fn it_holds_what_a_map_holds_whatever_its_size(
            inserts in proptest::collection::vec((0_u8..60, any::<u16>()), 0..200),
        ) {
            let mut map = KeyMap::default();
            let mut model = BTreeMap::new();
            for (name, value) in inserts {
                let key = RawKey::from_stored(&format!("k/{name}"));
                map.insert(key.clone(), value);
                model.insert(key, value);
                for other in 0..60 {
                    let key = RawKey::from_stored(&format!("k/{other}"));
                    prop_assert_eq!(map.place(&key).and_then(|place| map.at(place)), model.get(&key));
                    prop_assert_eq!(map.contains(&key), model.contains_key(&key));
                }
            }
            prop_assert_eq!(map.iter().count(), model.len());
            let taken: BTreeMap<_, _> = map.take().into_iter().collect();
            prop_assert_eq!(taken, model);
            prop_assert!(map.take().is_empty());
        }
    }
}
