//! Paths: the k shortest loopless paths between two PoPs, in one stable order.
//!
//! **Order.** Paths are ordered by length in metres, then by number of hops, then by the sequence of PoPs, then by the
//! sequence of links. Ids compare in *natural order*: runs of digits compare as numbers, so `pop2` comes before `pop10`.
//! A path from the later to the earlier of two PoPs is the reverse of the path the other way, so both directions of a
//! connection see the same candidates in the same order. The order of ties moves blocking by up to 28 %: do not change it.
//!
//! **Search.** Lawler's partition of Yen's algorithm: the paths that share a prefix and avoid some links after it form a
//! subspace; the best path of each subspace is found by A\* under the exact bound of a reverse shortest-path tree, which
//! stays admissible when links are removed. A subspace is searched only when its bound comes up, and most are found to hold
//! a path that follows the tree: no search at all.
//!
//! **What is kept.** A [`PathTable`] keeps the paths of each pair that was asked for, the least recently used going first. A
//! change of the topology drops exactly the pairs that it can concern (see [`PathTable::successor`]). [`PathCache`] keeps
//! the table of the newest topology.

mod cache;
mod choice;
mod constraints;
mod disjoint;
mod enumerate;
mod graph;
mod kept;
mod search;
mod succession;
mod table;
#[cfg(test)]
mod tests;
mod through;
mod tree;

pub use cache::PathCache;
pub use choice::{Fit, PathPolicy};
pub use constraints::{Avoid, Constraints, MAX_INCLUDED, PathError};
pub use disjoint::{DisjointPair, Disjointness};
pub use graph::{Graph, GraphError, natural_cmp};
pub use table::{Candidates, PathTable};

/// A loopless path in the dense numbering of a [`Graph`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DensePath {
    /// PoPs from end to end.
    pub nodes: Box<[u32]>,
    /// The link between each PoP and the next.
    pub edges: Box<[u32]>,
    /// Length in metres.
    pub length: u64,
}

impl DensePath {
    /// The same path walked the other way.
    #[must_use]
    pub fn reversed(&self) -> Self {
        Self {
            nodes: self.nodes.iter().rev().copied().collect(),
            edges: self.edges.iter().rev().copied().collect(),
            length: self.length,
        }
    }
}
