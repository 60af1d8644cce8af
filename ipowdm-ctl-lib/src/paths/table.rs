//! Paths computed on first use and kept while the topology stands.

use super::graph::Cost;
use super::search::{Scratch, Search, reverse_tree};
use super::{DensePath, Graph};
use core::hash::Hash;
use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

/// Pairs kept; the oldest goes first.
const MAX_PAIRS: usize = 1 << 16;
/// Reverse trees kept; the oldest goes first.
const MAX_TREES: usize = 1 << 10;

/// The paths of one topology.
///
/// A table never changes its graph: a changed topology gets a new table.
#[derive(Debug)]
pub struct PathTable {
    graph: Graph,
    kept: Mutex<Kept>,
}

#[derive(Debug)]
struct Kept {
    pairs: Bounded<(u32, u32, usize), Arc<[DensePath]>>,
    trees: Bounded<u32, Arc<[Cost]>>,
    scratch: Scratch,
}

/// A map that forgets its oldest entry when it is full.
#[derive(Debug)]
struct Bounded<K, V> {
    entries: HashMap<K, V>,
    order: VecDeque<K>,
    limit: usize,
}

impl<K: Hash + Eq + Copy, V: Clone> Bounded<K, V> {
    fn new(limit: usize) -> Self {
        Self { entries: HashMap::new(), order: VecDeque::new(), limit }
    }

    fn insert(&mut self, key: K, value: V) {
        if self.entries.insert(key, value).is_none() {
            self.order.push_back(key);
        }
        if self.order.len() > self.limit
            && let Some(oldest) = self.order.pop_front()
        {
            self.entries.remove(&oldest);
        }
    }
}

impl PathTable {
    /// An empty table over a graph.
    #[must_use]
    pub fn new(graph: Graph) -> Self {
        let kept = Kept {
            pairs: Bounded::new(MAX_PAIRS),
            trees: Bounded::new(MAX_TREES),
            scratch: Scratch::default(),
        };
        Self { graph, kept: Mutex::new(kept) }
    }

    /// The graph.
    #[must_use]
    pub const fn graph(&self) -> &Graph {
        &self.graph
    }

    /// At most `k` paths from the lower to the higher of two nodes, in the documented order; empty where there is none, or
    /// a node is unknown, or both are the same. For the other direction read each path backwards.
    #[must_use]
    pub fn between(&self, a: u32, b: u32, k: usize) -> Arc<[DensePath]> {
        let (low, high) = (a.min(b), a.max(b));
        if high as usize >= self.graph.nodes() {
            return Arc::from([]);
        }
        // The maps are whole between any two of their own calls, so a poisoned lock guards sound data.
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(paths) = kept.pairs.entries.get(&(low, high, k)) {
            return Arc::clone(paths);
        }
        let tree = match kept.trees.entries.get(&high) {
            Some(tree) => Arc::clone(tree),
            None => {
                let tree: Arc<[Cost]> = reverse_tree(&self.graph, high).into();
                kept.trees.insert(high, Arc::clone(&tree));
                tree
            }
        };
        let mut search = Search { graph: &self.graph, to_target: &tree, scratch: &mut kept.scratch };
        let paths: Arc<[DensePath]> = search.run(low, high, k).into();
        kept.pairs.insert((low, high, k), Arc::clone(&paths));
        paths
    }
}
