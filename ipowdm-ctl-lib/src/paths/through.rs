//! What the rest of a path that has begun costs at least, now that it keeps off its beginning.
//!
//! A path on to the target that passes some PoP on its way is two paths from that PoP, one back to where the beginning ends and
//! one to the target, that have nothing else in common: a flow of two units. Its least cost is found by two searches, the
//! second of which may undo a part of the first (Suurballe 1974). For one PoP to be passed this is the exact cost of the rest; for
//! several, each gives a lower bound. Where there is no such flow, no path begins so.

use super::graph::{Cost, Graph, UNREACHABLE};
use core::cmp::Reverse;
use std::collections::BinaryHeap;

/// No node.
const NONE: u32 = u32::MAX;

/// Searches over one graph that keep off some nodes.
pub(super) struct Through<'a> {
    graph: &'a Graph,
    /// The number of the search that keeps off a node.
    barred: Vec<u64>,
    search: u64,
    /// Costs from the root, as the first search finds them.
    reached: Vec<Cost>,
    /// The node before, on the way from the root, and the link from there.
    by: Vec<(u32, u32)>,
    /// Links by which the first unit leaves a node and comes to it.
    leaves: Vec<u32>,
    comes: Vec<u32>,
    /// Costs of the second search by entry (even) and exit (odd) of a node.
    second: Vec<Cost>,
}

impl<'a> Through<'a> {
    pub(super) fn new(graph: &'a Graph) -> Self {
        let nodes = graph.nodes();
        Self {
            graph,
            barred: vec![0; nodes],
            search: 0,
            reached: vec![UNREACHABLE; nodes],
            by: vec![(NONE, NONE); nodes],
            leaves: vec![NONE; nodes],
            comes: vec![NONE; nodes],
            second: vec![UNREACHABLE; 2 * nodes],
        }
    }

    /// What the rest of a path costs at least that has come along `beginning` and is to pass all of `include` before `target`;
    /// [`UNREACHABLE`] where no path begins so.
    pub(super) fn rest(&mut self, beginning: &[u32], include: &[u32], target: u32) -> Cost {
        let Some((&here, behind)) = beginning.split_last() else { return UNREACHABLE };
        self.search += 1;
        for &node in behind {
            self.barred[node as usize] = self.search;
        }
        if here == target {
            return 0;
        }
        if include.is_empty() {
            self.spread(here, [target, target]);
            return self.reached[target as usize];
        }
        include.iter().map(|&pop| self.over(pop, here, target)).max().unwrap_or(UNREACHABLE)
    }

    fn is_barred(&self, node: u32) -> bool {
        self.barred[node as usize] == self.search
    }

    /// Costs from a root; nothing leads on from the two ends.
    fn spread(&mut self, root: u32, ends: [u32; 2]) {
        self.reached.fill(UNREACHABLE);
        self.reached[root as usize] = 0;
        let mut heap = BinaryHeap::from([Reverse((0, root))]);
        while let Some(Reverse((reached, node))) = heap.pop() {
            if reached > self.reached[node as usize] || ends.contains(&node) {
                continue;
            }
            for step in self.graph.steps(node) {
                let through = reached + step.cost;
                if !self.is_barred(step.to) && through < self.reached[step.to as usize] {
                    self.reached[step.to as usize] = through;
                    self.by[step.to as usize] = (node, step.edge);
                    heap.push(Reverse((through, step.to)));
                }
            }
        }
    }

    /// The least cost of two paths from `root` to `here` and to `target` that share no other node.
    fn over(&mut self, root: u32, here: u32, target: u32) -> Cost {
        self.spread(root, [here, target]);
        let [to_here, to_target] = [here, target].map(|end| self.reached[end as usize]);
        if to_here == UNREACHABLE || to_target == UNREACHABLE {
            return UNREACHABLE;
        }
        let (first, last) = if to_here <= to_target { (here, target) } else { (target, here) };
        self.leaves.fill(NONE);
        self.comes.fill(NONE);
        let mut at = first;
        while at != root {
            let (before, edge) = self.by[at as usize];
            self.comes[at as usize] = edge;
            self.leaves[before as usize] = edge;
            at = before;
        }
        let more = self.augment(root, last);
        self.reached[first as usize].saturating_add(more)
    }

    /// The cost of the second unit, to `last`.
    fn augment(&mut self, root: u32, last: u32) -> Cost {
        self.second.fill(UNREACHABLE);
        let start = 2 * root + 1;
        self.second[start as usize] = 0;
        let mut heap = BinaryHeap::from([Reverse((0, start))]);
        while let Some(Reverse((spent, place))) = heap.pop() {
            if spent > self.second[place as usize] {
                continue;
            }
            let (node, is_exit) = (place / 2, place % 2 == 1);
            if node == last {
                // Costs were counted against those of the first search.
                return spent.saturating_add(self.reached[last as usize]);
            }
            let mut reach = |place: u32, cost: Cost| {
                if cost < self.second[place as usize] {
                    self.second[place as usize] = cost;
                    heap.push(Reverse((cost, place)));
                }
            };
            let is_passed = self.comes[node as usize] != NONE;
            if !is_exit {
                if is_passed {
                    // Undo the step by which the first unit came: it costs nothing against the first search.
                    reach(2 * self.by[node as usize].0 + 1, spent);
                } else {
                    reach(place + 1, spent);
                }
                continue;
            }
            if is_passed {
                reach(place - 1, spent);
            }
            for step in self.graph.steps(node) {
                let is_open = step.edge != self.leaves[node as usize]
                    && step.edge != self.comes[node as usize]
                    && step.to != root
                    && self.barred[step.to as usize] != self.search;
                let known = self.reached[step.to as usize];
                if is_open && known != UNREACHABLE {
                    let against = (self.reached[node as usize] + step.cost).saturating_sub(known);
                    reach(2 * step.to, spent.saturating_add(against));
                }
            }
        }
        UNREACHABLE
    }
}
