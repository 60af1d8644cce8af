//! The k shortest loopless paths of one pair.
//!
//! Everything that a search makes lies in a few growing arrays of its [`Scratch`], which the next search uses again.

use super::DensePath;
use super::graph::{Cost, Graph, UNREACHABLE, length_of};
use super::tree::Way;
use core::cmp::Reverse;
use core::ops::Range;
use std::collections::BinaryHeap;

/// A path found, or the source alone: what the first subspace deviates from.
#[derive(Debug, Clone)]
struct Found {
    cost: Cost,
    /// Its nodes and edges in the scratch's arrays.
    nodes: Range<usize>,
    edges: Range<usize>,
    /// Position of the node at which its subspace began.
    deviation: usize,
    /// Edges, in the scratch's array, by which its subspace does not leave that node.
    banned: Range<usize>,
}

/// The paths that begin like a found one up to the node `at`, and do not leave that node by some edges.
#[derive(Debug, Clone)]
struct Subspace {
    parent: usize,
    at: usize,
    /// Cost of what they begin with.
    spent: Cost,
    banned: Range<usize>,
}

/// Working memory of searches over one graph; marks carry the number of the search that set them, so nothing is cleared.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    search: u64,
    reached: Vec<(u64, Cost)>,
    on_optimum: Vec<u64>,
    on_prefix: Vec<u64>,
    heap: BinaryHeap<Reverse<(Cost, u32)>>,
    stack: Vec<u32>,
    nodes: Vec<u32>,
    edges: Vec<u32>,
    banned: Vec<u32>,
    found: Vec<Found>,
    subspaces: Vec<Subspace>,
    /// Subspaces not searched yet, by the bound of their best path.
    waiting: BinaryHeap<Reverse<(Cost, usize)>>,
    /// Paths not given out yet, the first one last.
    ready: Vec<usize>,
}

impl Scratch {
    fn begin_pair(&mut self, nodes: usize) {
        self.reached.resize(nodes, (0, 0));
        self.on_optimum.resize(nodes, 0);
        self.on_prefix.resize(nodes, 0);
        self.nodes.clear();
        self.edges.clear();
        self.banned.clear();
        self.found.clear();
        self.subspaces.clear();
        self.waiting.clear();
        self.ready.clear();
    }

    fn begin_search(&mut self) {
        self.search += 1;
        self.heap.clear();
        self.stack.clear();
    }

    fn cost_to(&self, node: u32) -> Option<Cost> {
        let (search, cost) = self.reached[node as usize];
        (search == self.search).then_some(cost)
    }

    fn is_on_prefix(&self, node: u32) -> bool {
        self.on_prefix[node as usize] == self.search
    }

    fn put_on_prefix(&mut self, node: u32) {
        self.on_prefix[node as usize] = self.search;
    }

    /// A path as (nodes, edges): how paths of equal cost are ordered.
    fn sequence(&self, found: usize) -> (&[u32], &[u32]) {
        let Found { nodes, edges, .. } = &self.found[found];
        (&self.nodes[nodes.clone()], &self.edges[edges.clone()])
    }

    /// Puts a path among those that are ready.
    fn offer(&mut self, path: usize) {
        let key = |path: usize| (self.found[path].cost, self.sequence(path));
        let at = self.ready.partition_point(|&other| key(other) > key(path));
        self.ready.insert(at, path);
    }
}

/// One pair's search.
pub(super) struct Search<'a> {
    pub(super) graph: &'a Graph,
    /// The cheapest ways from every node to the target.
    pub(super) tree: &'a [Way],
    pub(super) scratch: &'a mut Scratch,
}

impl Search<'_> {
    /// At most `k` paths from `source` to `target` no longer than `limit` metres, best first.
    pub(super) fn run(&mut self, source: u32, target: u32, k: usize, limit: u64) -> Vec<DensePath> {
        let mut paths = Vec::with_capacity(k.min(16));
        let bound = self.tree[source as usize].cost;
        if source == target || bound == UNREACHABLE {
            return paths;
        }
        self.scratch.begin_pair(self.graph.nodes());
        self.scratch.nodes.push(source);
        self.scratch.found.push(Found { cost: 0, nodes: 0..1, edges: 0..0, deviation: 0, banned: 0..0 });
        self.scratch.subspaces.push(Subspace { parent: 0, at: 0, spent: 0, banned: 0..0 });
        self.scratch.waiting.push(Reverse((bound, 0)));
        while paths.len() < k {
            let bound = self.scratch.waiting.peek().map(|Reverse((bound, _))| *bound);
            let ready = self.scratch.ready.last().map(|&path| self.scratch.found[path].cost);
            // A subspace goes before a path of equal cost: it may hold a path that precedes it by its nodes.
            let cost = match (bound, ready) {
                (Some(bound), ready) if ready.is_none_or(|ready| bound <= ready) => bound,
                (_, Some(ready)) => ready,
                (_, None) => break,
            };
            if length_of(cost) > limit {
                break;
            }
            if bound == Some(cost) {
                if let Some(Reverse((bound, subspace))) = self.scratch.waiting.pop()
                    && let Some(path) = self.best_of(subspace, bound, target)
                {
                    self.scratch.offer(path);
                }
            } else if let Some(path) = self.scratch.ready.pop() {
                let (nodes, edges) = self.scratch.sequence(path);
                paths.push(DensePath { nodes: nodes.into(), edges: edges.into(), length: length_of(cost) });
                if paths.len() < k {
                    self.divide(path);
                }
            }
        }
        paths
    }

    /// Cuts the subspace of a path, without the path itself, into disjoint subspaces.
    fn divide(&mut self, parent: usize) {
        let Found { nodes, edges, deviation, banned, .. } = self.scratch.found[parent].clone();
        self.scratch.begin_search();
        let mut spent = 0;
        for (at, (node, edge)) in nodes.zip(edges).enumerate() {
            let (node, edge) = (self.scratch.nodes[node], self.scratch.edges[edge]);
            self.scratch.put_on_prefix(node);
            if at >= deviation {
                let from = self.scratch.banned.len();
                if at == deviation {
                    self.scratch.banned.extend_from_within(banned.clone());
                }
                self.scratch.banned.push(edge);
                let bound = self.bound(node, &self.scratch.banned[from..]);
                if bound == UNREACHABLE {
                    self.scratch.banned.truncate(from);
                } else {
                    let banned = from..self.scratch.banned.len();
                    self.scratch.waiting.push(Reverse((spent + bound, self.scratch.subspaces.len())));
                    self.scratch.subspaces.push(Subspace { parent, at, spent, banned });
                }
            }
            spent += self.graph.cost(edge);
        }
    }

    /// A lower bound of the cost from `node` on, by the reverse tree.
    fn bound(&self, node: u32, banned: &[u32]) -> Cost {
        self.graph
            .steps(node)
            .iter()
            .filter(|step| !banned.contains(&step.edge) && !self.scratch.is_on_prefix(step.to))
            .map(|step| step.cost.saturating_add(self.tree[step.to as usize].cost))
            .min()
            .unwrap_or(UNREACHABLE)
    }

    /// The first path of a subspace in the documented order. `bound` is that of the subspace.
    fn best_of(&mut self, subspace: usize, bound: Cost, target: u32) -> Option<usize> {
        let Subspace { parent, at, spent, banned } = self.scratch.subspaces[subspace].clone();
        let prefix = self.scratch.found[parent].clone();
        let (from, edges_from) = (self.scratch.nodes.len(), self.scratch.edges.len());
        self.scratch.nodes.extend_from_within(prefix.nodes.start..=prefix.nodes.start + at);
        self.scratch.edges.extend_from_within(prefix.edges.start..prefix.edges.start + at);
        self.scratch.begin_search();
        for index in from..self.scratch.nodes.len() {
            self.scratch.put_on_prefix(self.scratch.nodes[index]);
        }
        let spur = self.scratch.nodes[from + at];
        let cost = if self.follow_tree(spur, target, bound - spent, banned.clone()) {
            Some(bound)
        } else {
            self.scratch.nodes.truncate(from + at + 1);
            self.scratch.edges.truncate(edges_from + at);
            self.go_around(spur, target, banned.clone()).map(|rest| spent + rest)
        };
        let Some(cost) = cost else {
            self.scratch.nodes.truncate(from);
            self.scratch.edges.truncate(edges_from);
            return None;
        };
        self.scratch.found.push(Found {
            cost,
            nodes: from..self.scratch.nodes.len(),
            edges: edges_from..self.scratch.edges.len(),
            deviation: at,
            banned,
        });
        Some(self.scratch.found.len() - 1)
    }

    /// Appends the first of the paths that cost no more than the bound, by the tree alone; whether it keeps off the prefix.
    /// All paths of that cost follow cheapest ways, so the first of these, where it is legal, is the first of all.
    fn follow_tree(&mut self, spur: u32, target: u32, bound: Cost, banned: Range<usize>) -> bool {
        let banned = &self.scratch.banned[banned];
        let first = self.graph.steps(spur).iter().find(|step| {
            step.cost.saturating_add(self.tree[step.to as usize].cost) == bound
                && !banned.contains(&step.edge)
                && !self.scratch.is_on_prefix(step.to)
        });
        let Some(first) = first else { return false };
        let (mut node, mut edge) = (first.to, first.edge);
        loop {
            if self.scratch.is_on_prefix(node) {
                return false;
            }
            self.scratch.nodes.push(node);
            self.scratch.edges.push(edge);
            if node == target {
                return true;
            }
            let way = self.tree[node as usize];
            (node, edge) = (way.to, way.edge);
        }
    }

    /// Appends the first path of least cost that keeps off the prefix; its cost.
    fn go_around(&mut self, spur: u32, target: u32, banned: Range<usize>) -> Option<Cost> {
        let optimum = self.reach(spur, target, banned.clone())?;
        self.mark_optima(spur, target, banned.clone());
        let mut at = spur;
        // Every step adds a hop to the cost, so the walk ends.
        while at != target {
            let here = self.scratch.cost_to(at)?;
            let step = self.graph.steps(at).iter().find(|step| {
                !(at == spur && self.scratch.banned[banned.clone()].contains(&step.edge))
                    && self.scratch.on_optimum[step.to as usize] == self.scratch.search
                    && self.scratch.cost_to(step.to) == Some(here + step.cost)
            })?;
            self.scratch.nodes.push(step.to);
            self.scratch.edges.push(step.edge);
            at = step.to;
        }
        Some(optimum)
    }

    /// A\* from the spur: afterwards all nodes whose bound is at most the optimum carry their final cost.
    fn reach(&mut self, spur: u32, target: u32, banned: Range<usize>) -> Option<Cost> {
        let search = self.scratch.search;
        self.scratch.reached[spur as usize] = (search, 0);
        self.scratch.heap.push(Reverse((self.tree[spur as usize].cost, spur)));
        let mut optimum = None;
        while let Some(Reverse((estimate, node))) = self.scratch.heap.pop() {
            if optimum.is_some_and(|optimum| estimate > optimum) {
                break;
            }
            let here = self.scratch.cost_to(node)?;
            if estimate > here.saturating_add(self.tree[node as usize].cost) {
                continue;
            }
            if node == target {
                optimum = Some(here);
                continue;
            }
            for step in self.graph.steps(node) {
                let rest = self.tree[step.to as usize].cost;
                let closed = self.scratch.is_on_prefix(step.to) || rest == UNREACHABLE;
                if closed || (node == spur && self.scratch.banned[banned.clone()].contains(&step.edge)) {
                    continue;
                }
                let through = here + step.cost;
                if self.scratch.cost_to(step.to).is_none_or(|known| through < known) {
                    self.scratch.reached[step.to as usize] = (search, through);
                    self.scratch.heap.push(Reverse((through + rest, step.to)));
                }
            }
        }
        optimum
    }

    /// Marks the nodes that lie on some cheapest path from the spur to the target.
    fn mark_optima(&mut self, spur: u32, target: u32, banned: Range<usize>) {
        let search = self.scratch.search;
        self.scratch.on_optimum[target as usize] = search;
        self.scratch.stack.push(target);
        while let Some(node) = self.scratch.stack.pop() {
            let Some(here) = self.scratch.cost_to(node) else { continue };
            for step in self.graph.steps(node) {
                let tight = self.scratch.cost_to(step.to).is_some_and(|before| before + step.cost == here);
                let barred = step.to == spur && self.scratch.banned[banned.clone()].contains(&step.edge);
                if tight && !barred && self.scratch.on_optimum[step.to as usize] != search {
                    self.scratch.on_optimum[step.to as usize] = search;
                    self.scratch.stack.push(step.to);
                }
            }
        }
    }
}
