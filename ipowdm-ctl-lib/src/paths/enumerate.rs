//! Paths with PoPs to pass and a greatest number of hops: beginnings of paths, the most promising first.
//!
//! A beginning is worth what it costs so far and the cheapest walk that does the rest: to the PoPs that are left, in order, to
//! the target, in the hops that are left. A walk may meet itself and the beginning, so this is a lower bound, and the first
//! beginning that reaches the target is the best path (A\*). Where PoPs are to be passed, a walk there and back is often far
//! cheaper than any path: a beginning whose turn has come is judged by [`Through`] first, and waits if that says more.
//! Beginnings of equal worth are taken in order of their nodes and links, so paths of equal cost come out in the documented
//! order.

use super::DensePath;
use super::constraints::PathError;
use super::graph::{Cost, Graph, UNREACHABLE, length_of};
use super::through::Through;
use super::tree::reverse_tree;
use core::cmp::Reverse;
use std::collections::BinaryHeap;

/// Beginnings made before a search is given up; some hundred bytes each.
const MAX_EXAMINED: usize = 200_000;
/// Links that [`Through`] looks at before a search is given up, some 10 ns each.
const MAX_LOOKED_AT: usize = 1 << 23;
/// Entries of the table of cheapest walks: 8 bytes each, 128 MiB.
const MAX_CELLS: usize = 1 << 24;

/// What the paths of an enumeration do.
pub(super) struct Limits<'a> {
    /// Nodes that they pass, in order.
    pub(super) include: &'a [u32],
    pub(super) max_hops: Option<u16>,
    /// In metres.
    pub(super) max_length: u64,
}

/// A beginning of a path. The order is that in which they are looked at.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Beginning {
    /// What the best path that begins so costs at least.
    worth: Cost,
    nodes: Vec<u32>,
    edges: Vec<u32>,
    spent: Cost,
    /// Nodes to be passed that are behind it.
    passed: usize,
    /// Whether its worth is what [`Through`] says.
    judged: bool,
}

/// The search.
pub(super) struct Enumeration<'a> {
    graph: &'a Graph,
    target: u32,
    limits: Limits<'a>,
    /// Hops that walks are told apart by: 0 where there is no limit.
    hops: usize,
    /// Costs of cheapest walks, by nodes passed, then hops left, then node.
    rest: Vec<Cost>,
}

impl<'a> Enumeration<'a> {
    pub(super) fn new(graph: &'a Graph, target: u32, limits: Limits<'a>) -> Result<Self, PathError> {
        let nodes = graph.nodes();
        // A loopless path has fewer hops than there are nodes.
        let hops = limits.max_hops.map_or(0, |hops| usize::from(hops).min(nodes));
        let cells = (limits.include.len() + 1) * (hops + 1) * nodes;
        if cells > MAX_CELLS {
            return Err(PathError::TooMany {
                what: "combinations of PoPs and hops",
                count: cells,
                most: MAX_CELLS,
            });
        }
        let rest = vec![UNREACHABLE; cells];
        let mut enumeration = Self { graph, target, limits, hops, rest };
        if enumeration.limits.max_hops.is_some() {
            enumeration.walk_by_hops();
        } else {
            enumeration.walk_anyhow();
        }
        Ok(enumeration)
    }

    fn cell(&self, passed: usize, left: usize, node: u32) -> usize {
        (passed * (self.hops + 1) + left) * self.graph.nodes() + node as usize
    }

    /// Cheapest walks of any number of hops.
    fn walk_anyhow(&mut self) {
        let mut beyond = 0;
        let goals = self.limits.include.iter().copied().chain([self.target]).enumerate();
        for (passed, goal) in goals.collect::<Vec<_>>().into_iter().rev() {
            let tree = reverse_tree(self.graph, goal);
            for (node, way) in (0..).zip(&tree) {
                let cell = self.cell(passed, 0, node);
                self.rest[cell] =
                    if way.cost == UNREACHABLE { UNREACHABLE } else { way.cost.saturating_add(beyond) };
            }
            // From the goal before this one on.
            beyond = match passed.checked_sub(1) {
                Some(before) => self.rest[self.cell(passed, 0, self.limits.include[before])],
                None => 0,
            };
        }
    }

    /// Cheapest walks of at most so many hops, by one hop more at a time.
    fn walk_by_hops(&mut self) {
        let last = self.limits.include.len();
        for left in 0..=self.hops {
            let cell = self.cell(last, left, self.target);
            self.rest[cell] = 0;
        }
        for left in 1..=self.hops {
            for passed in 0..=last {
                for (node, _) in (0_u32..).zip(0..self.graph.nodes()) {
                    let here = self.cell(passed, left, node);
                    let mut best = self.rest[here].min(self.rest[self.cell(passed, left - 1, node)]);
                    for step in self.graph.steps(node) {
                        let next = self.limits.include.get(passed).is_some_and(|&next| next == step.to);
                        let then = self.rest[self.cell(passed + usize::from(next), left - 1, step.to)];
                        best = best.min(step.cost.saturating_add(then));
                    }
                    self.rest[here] = best;
                }
            }
        }
    }

    /// What is still to be spent from a node on, at least.
    fn remaining(&self, node: u32, passed: usize, hops: usize) -> Cost {
        let left = match self.limits.max_hops {
            None => 0,
            Some(max) => match usize::from(max).checked_sub(hops) {
                Some(left) => left.min(self.hops),
                None => return UNREACHABLE,
            },
        };
        self.rest[self.cell(passed, left, node)]
    }

    /// At most `k` paths from `source`, best first.
    pub(super) fn run(&self, source: u32, k: usize) -> Result<Vec<DensePath>, PathError> {
        let mut found = Vec::new();
        let worth = self.remaining(source, 0, 0);
        let mut open = BinaryHeap::new();
        self.offer(
            &mut open,
            Beginning { worth, nodes: vec![source], edges: Vec::new(), spent: 0, passed: 0, judged: false },
        );
        let (mut examined, mut looked_at) = (0, 0);
        let mut through = Through::new(self.graph);
        while found.len() < k
            && let Some(Reverse(mut beginning)) = open.pop()
        {
            let Some(&here) = beginning.nodes.last() else { continue };
            if here == self.target {
                found.push(DensePath {
                    nodes: beginning.nodes.into(),
                    edges: beginning.edges.into(),
                    length: length_of(beginning.spent),
                });
                continue;
            }
            let to_pass = &self.limits.include[beginning.passed..];
            if !beginning.judged && !self.limits.include.is_empty() {
                beginning.judged = true;
                looked_at += 4 * self.graph.edges() * to_pass.len().max(1);
                let rest = through.rest(&beginning.nodes, to_pass, self.target);
                let worth = if rest == UNREACHABLE { rest } else { beginning.spent.saturating_add(rest) };
                if worth > beginning.worth {
                    self.offer(&mut open, Beginning { worth, ..beginning });
                    continue;
                }
            }
            if examined > MAX_EXAMINED || looked_at > MAX_LOOKED_AT {
                return Err(PathError::SearchLimit { examined, found: found.len() });
            }
            for step in self.graph.steps(here) {
                examined += 1;
                if let Some(longer) = self.extend(&beginning, step.to, step.edge, step.cost) {
                    self.offer(&mut open, longer);
                }
            }
        }
        Ok(found)
    }

    /// A beginning and one more step; `None` where no path begins so.
    fn extend(&self, beginning: &Beginning, to: u32, edge: u32, cost: Cost) -> Option<Beginning> {
        let Beginning { nodes, edges, spent, passed, .. } = beginning;
        let to_pass = &self.limits.include[*passed..];
        let next = to_pass.first() == Some(&to);
        let early = !next && (to_pass.contains(&to) || (to == self.target && !to_pass.is_empty()));
        if early || nodes.contains(&to) {
            return None;
        }
        let (spent, passed) = (spent + cost, passed + usize::from(next));
        let rest = self.remaining(to, passed, edges.len() + 1);
        if rest == UNREACHABLE {
            return None;
        }
        let longer = |list: &[u32], last: u32| list.iter().copied().chain([last]).collect();
        let (nodes, edges) = (longer(nodes, to), longer(edges, edge));
        Some(Beginning { worth: spent.saturating_add(rest), nodes, edges, spent, passed, judged: false })
    }

    fn offer(&self, open: &mut BinaryHeap<Reverse<Beginning>>, beginning: Beginning) {
        if beginning.worth != UNREACHABLE && length_of(beginning.worth) <= self.limits.max_length {
            open.push(Reverse(beginning));
        }
    }
}
