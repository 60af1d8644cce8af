//! Shortest paths from every node to one.

use super::graph::{Cost, Graph, UNREACHABLE};
use core::cmp::Reverse;
use std::collections::BinaryHeap;

/// What one node knows of its shortest path to the root.
#[derive(Debug, Clone, Copy)]
pub(super) struct Way {
    /// Its cost; [`UNREACHABLE`] where there is none.
    pub(super) cost: Cost,
    /// The next node on the first of the cheapest paths in the documented order; meaningless at the root.
    pub(super) to: u32,
    /// The link to it.
    pub(super) edge: u32,
}

/// The cheapest way from every node to `root`.
pub(super) fn reverse_tree(graph: &Graph, root: u32) -> Box<[Way]> {
    let mut ways = vec![Way { cost: UNREACHABLE, to: root, edge: 0 }; graph.nodes()];
    let mut heap = BinaryHeap::with_capacity(graph.nodes());
    ways[root as usize].cost = 0;
    heap.push(Reverse((0, root)));
    while let Some(Reverse((reached, node))) = heap.pop() {
        if reached > ways[node as usize].cost {
            continue;
        }
        for step in graph.steps(node) {
            let through = reached + step.cost;
            let way = &mut ways[step.to as usize];
            // Edges of equal ends and cost are met in order of their numbers, so the first one stays.
            if through < way.cost {
                *way = Way { cost: through, to: node, edge: step.edge };
                heap.push(Reverse((through, step.to)));
            } else if through == way.cost && node < way.to {
                *way = Way { to: node, edge: step.edge, ..*way };
            }
        }
    }
    ways.into()
}
