//! Paths computed on first use and kept for as long as they are right.

use super::kept::KeptPairs;
use super::search::{Scratch, Search};
use super::succession::carry_over;
use super::tree::{Way, reverse_tree};
use super::{DensePath, Graph};
use core::num::NonZeroUsize;
use core::ops::Deref;
use lru::LruCache;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Ways in kept reverse trees, all together: 16 bytes each, 16 MiB.
const MAX_KEPT_WAYS: usize = 1 << 20;

/// The paths of one topology.
///
/// A table never changes its graph: a changed topology gets a new table, its [successor](PathTable::successor).
#[derive(Debug)]
pub struct PathTable {
    graph: Graph,
    kept: Mutex<Kept>,
}

#[derive(Debug)]
struct Kept {
    pairs: KeptPairs,
    trees: LruCache<u32, Arc<[Way]>>,
    /// One for each search under way at the same time.
    idle: Vec<Scratch>,
}

/// The first paths between two nodes, best first: a slice of [`DensePath`].
#[derive(Debug, Clone)]
pub struct Candidates {
    paths: Arc<[DensePath]>,
    count: usize,
}

impl Deref for Candidates {
    type Target = [DensePath];

    fn deref(&self) -> &[DensePath] {
        &self.paths[..self.count]
    }
}

impl PartialEq for Candidates {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl Eq for Candidates {}

impl PathTable {
    /// An empty table over a graph.
    #[must_use]
    pub fn new(graph: Graph) -> Self {
        let pairs = KeptPairs::new(graph.edges());
        Self::with_pairs(graph, pairs)
    }

    fn with_pairs(graph: Graph, pairs: KeptPairs) -> Self {
        let trees = NonZeroUsize::new(MAX_KEPT_WAYS / graph.nodes().max(1)).unwrap_or(NonZeroUsize::MIN);
        let kept = Kept { pairs, trees: LruCache::new(trees), idle: Vec::new() };
        Self { graph, kept: Mutex::new(kept) }
    }

    /// The table of a changed topology. It takes over the paths of this table that the change leaves right; this table
    /// stays right too, but has to search again.
    #[must_use]
    pub fn successor(&self, graph: Graph) -> Self {
        let empty = KeptPairs::new(self.graph.edges());
        let pairs = core::mem::replace(&mut self.kept().pairs, empty);
        let pairs = carry_over(pairs, &self.graph, &graph);
        Self::with_pairs(graph, pairs)
    }

    /// The graph.
    #[must_use]
    pub const fn graph(&self) -> &Graph {
        &self.graph
    }

    /// Number of pairs whose paths are kept.
    #[must_use]
    pub fn kept_pairs(&self) -> usize {
        self.kept().pairs.len()
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        // What is kept is whole between any two calls of its own, so a poisoned lock guards sound data.
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// At most `k` paths from the lower to the higher of two nodes, in the documented order; empty where there is none, or
    /// a node is unknown, or both are the same. For the other direction read each path backwards.
    #[must_use]
    pub fn between(&self, a: u32, b: u32, k: usize) -> Candidates {
        let (low, high) = (a.min(b), a.max(b));
        if high as usize >= self.graph.nodes() || low == high || k == 0 {
            return Candidates { paths: Arc::from([]), count: 0 };
        }
        let mut kept = self.kept();
        let paths = match kept.pairs.get((low, high), k) {
            Some(paths) => paths,
            None => {
                let tree = kept.trees.get(&high).map(Arc::clone);
                let mut scratch = kept.idle.pop().unwrap_or_default();
                // A search takes a while: whoever asks for what is known does not wait for it.
                drop(kept);
                let (tree, grown) = match tree {
                    Some(tree) => (tree, false),
                    None => (Arc::from(reverse_tree(&self.graph, high)), true),
                };
                let mut search = Search { graph: &self.graph, tree: &tree, scratch: &mut scratch };
                let paths: Arc<[DensePath]> = search.run(low, high, k, u64::MAX).into();
                kept = self.kept();
                kept.idle.push(scratch);
                if grown {
                    kept.trees.put(high, tree);
                }
                kept.pairs.insert((low, high), Arc::clone(&paths), k);
                paths
            }
        };
        let count = k.min(paths.len());
        Candidates { paths, count }
    }
}
