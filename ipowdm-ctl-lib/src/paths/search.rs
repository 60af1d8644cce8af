//! The k shortest loopless paths of one pair.

use super::DensePath;
use super::graph::{Cost, Graph, UNREACHABLE, length_of};
use core::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;

/// Costs of the shortest paths from every node to `target`.
pub(super) fn reverse_tree(graph: &Graph, target: u32) -> Vec<Cost> {
    let mut cost = vec![UNREACHABLE; graph.nodes()];
    let mut heap = BinaryHeap::new();
    cost[target as usize] = 0;
    heap.push(Reverse((0, target)));
    while let Some(Reverse((reached, node))) = heap.pop() {
        if reached > cost[node as usize] {
            continue;
        }
        for step in graph.steps(node) {
            let through = reached + step.cost;
            if through < cost[step.to as usize] {
                cost[step.to as usize] = through;
                heap.push(Reverse((through, step.to)));
            }
        }
    }
    cost
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
}

impl Scratch {
    fn begin(&mut self, nodes: usize) {
        self.search += 1;
        self.reached.resize(nodes, (0, 0));
        self.on_optimum.resize(nodes, 0);
        self.on_prefix.resize(nodes, 0);
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
}

/// The paths that begin with `nodes` and do not leave its last node by one of `banned`.
#[derive(Debug, PartialEq, Eq)]
struct Subspace {
    nodes: Vec<u32>,
    edges: Vec<u32>,
    /// Cost of the prefix.
    spent: Cost,
    banned: Vec<u32>,
}

/// What waits in the queue: subspaces by the bound of their best path, paths by their cost.
#[derive(Debug, PartialEq, Eq)]
enum Waiting {
    /// Not searched yet.
    Subspace(Subspace),
    /// The best path of a subspace whose prefix ends at `deviation`, and what was banned there.
    Path { nodes: Vec<u32>, edges: Vec<u32>, deviation: usize, banned: Vec<u32> },
}

#[derive(Debug, PartialEq, Eq)]
struct Entry {
    cost: Cost,
    waiting: Waiting,
}

impl Ord for Entry {
    /// A subspace goes before a path of equal cost: it may hold a path that precedes it by its nodes.
    fn cmp(&self, other: &Self) -> Ordering {
        self.cost.cmp(&other.cost).then_with(|| match (&self.waiting, &other.waiting) {
            (Waiting::Subspace(a), Waiting::Subspace(b)) => (&a.nodes, &a.edges).cmp(&(&b.nodes, &b.edges)),
            (Waiting::Subspace(_), Waiting::Path { .. }) => Ordering::Less,
            (Waiting::Path { .. }, Waiting::Subspace(_)) => Ordering::Greater,
            (Waiting::Path { nodes: a, edges: x, .. }, Waiting::Path { nodes: b, edges: y, .. }) => {
                (a, x).cmp(&(b, y))
            }
        })
    }
}

impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// One pair's search.
pub(super) struct Search<'a> {
    pub(super) graph: &'a Graph,
    /// Costs from every node to the target, see [`reverse_tree`].
    pub(super) to_target: &'a [Cost],
    pub(super) scratch: &'a mut Scratch,
}

impl Search<'_> {
    /// At most `k` paths from `source` to `target`, best first.
    pub(super) fn run(&mut self, source: u32, target: u32, k: usize) -> Vec<DensePath> {
        let mut found = Vec::new();
        let bound = self.to_target[source as usize];
        if source == target || bound == UNREACHABLE {
            return found;
        }
        let root = Subspace { nodes: vec![source], edges: Vec::new(), spent: 0, banned: Vec::new() };
        let mut queue = BinaryHeap::from([Reverse(Entry { cost: bound, waiting: Waiting::Subspace(root) })]);
        while found.len() < k
            && let Some(Reverse(Entry { cost, waiting })) = queue.pop()
        {
            match waiting {
                Waiting::Subspace(subspace) => queue.extend(self.best_of(subspace, target).map(Reverse)),
                Waiting::Path { nodes, edges, deviation, banned } => {
                    self.divide(&nodes, &edges, deviation, &banned, &mut queue);
                    found.push(DensePath {
                        nodes: nodes.into(),
                        edges: edges.into(),
                        length: length_of(cost),
                    });
                }
            }
        }
        found
    }

    /// Cuts the subspace of a path, without the path itself, into disjoint subspaces.
    fn divide(
        &mut self,
        nodes: &[u32],
        edges: &[u32],
        deviation: usize,
        banned: &[u32],
        queue: &mut BinaryHeap<Reverse<Entry>>,
    ) {
        self.scratch.begin(self.graph.nodes());
        let mut spent = 0;
        for (at, (&node, &edge)) in nodes.iter().zip(edges).enumerate() {
            self.scratch.on_prefix[node as usize] = self.scratch.search;
            if at >= deviation {
                let mut bans = if at == deviation { banned.to_vec() } else { Vec::new() };
                bans.push(edge);
                let bound = self.bound(node, &bans);
                if bound != UNREACHABLE {
                    let (nodes, edges) = (nodes[..=at].to_vec(), edges[..at].to_vec());
                    let subspace = Subspace { nodes, edges, spent, banned: bans };
                    queue.push(Reverse(Entry { cost: spent + bound, waiting: Waiting::Subspace(subspace) }));
                }
            }
            let steps = self.graph.steps(node);
            spent += steps.iter().find(|step| step.edge == edge).map_or(0, |step| step.cost);
        }
    }

    /// A lower bound of the cost from `node` on, by the reverse tree.
    fn bound(&self, node: u32, banned: &[u32]) -> Cost {
        self.graph
            .steps(node)
            .iter()
            .filter(|step| !banned.contains(&step.edge) && !self.scratch.is_on_prefix(step.to))
            .map(|step| step.cost.saturating_add(self.to_target[step.to as usize]))
            .min()
            .unwrap_or(UNREACHABLE)
    }

    /// The first path of a subspace in the documented order.
    fn best_of(&mut self, subspace: Subspace, target: u32) -> Option<Entry> {
        let Subspace { mut nodes, mut edges, spent, banned } = subspace;
        let &spur = nodes.last()?;
        self.scratch.begin(self.graph.nodes());
        for &node in &nodes {
            self.scratch.on_prefix[node as usize] = self.scratch.search;
        }
        let optimum = self.reach(spur, target, &banned)?;
        self.mark_optima(spur, target, &banned);
        let deviation = nodes.len() - 1;
        let mut at = spur;
        // Every step adds a hop to the cost, so the walk ends.
        while at != target {
            let here = self.scratch.cost_to(at)?;
            let step = self.graph.steps(at).iter().find(|step| {
                !(at == spur && banned.contains(&step.edge))
                    && self.scratch.on_optimum[step.to as usize] == self.scratch.search
                    && self.scratch.cost_to(step.to) == Some(here + step.cost)
            })?;
            nodes.push(step.to);
            edges.push(step.edge);
            at = step.to;
        }
        Some(Entry { cost: spent + optimum, waiting: Waiting::Path { nodes, edges, deviation, banned } })
    }

    /// A\* from the spur: afterwards all nodes whose bound is at most the optimum carry their final cost.
    fn reach(&mut self, spur: u32, target: u32, banned: &[u32]) -> Option<Cost> {
        let search = self.scratch.search;
        self.scratch.reached[spur as usize] = (search, 0);
        self.scratch.heap.push(Reverse((self.to_target[spur as usize], spur)));
        let mut optimum = None;
        while let Some(Reverse((estimate, node))) = self.scratch.heap.pop() {
            if optimum.is_some_and(|optimum| estimate > optimum) {
                break;
            }
            let here = self.scratch.cost_to(node)?;
            if estimate > here.saturating_add(self.to_target[node as usize]) {
                continue;
            }
            if node == target {
                optimum = Some(here);
                continue;
            }
            for step in self.graph.steps(node) {
                let rest = self.to_target[step.to as usize];
                let closed = self.scratch.is_on_prefix(step.to) || rest == UNREACHABLE;
                if closed || (node == spur && banned.contains(&step.edge)) {
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
    fn mark_optima(&mut self, spur: u32, target: u32, banned: &[u32]) {
        let search = self.scratch.search;
        self.scratch.on_optimum[target as usize] = search;
        self.scratch.stack.push(target);
        while let Some(node) = self.scratch.stack.pop() {
            let Some(here) = self.scratch.cost_to(node) else { continue };
            for step in self.graph.steps(node) {
                let tight = self.scratch.cost_to(step.to).is_some_and(|before| before + step.cost == here);
                let barred = step.to == spur && banned.contains(&step.edge);
                if tight && !barred && self.scratch.on_optimum[step.to as usize] != search {
                    self.scratch.on_optimum[step.to as usize] = search;
                    self.scratch.stack.push(step.to);
                }
            }
        }
    }
}
