//! Two paths that do not fail together.
//!
//! To take the shortest path and look for another one beside it fails where that path is in the way of every pair (a trap
//! topology), and finds a dearer pair where it does not fail. The cheapest pair is a flow of two units of least cost: the
//! second unit may undo a part of the first (Suurballe 1974; Bhandari 1999).

use super::constraints::{Avoid, PathError};
use super::graph::{Graph, length_of};
use super::{DensePath, PathTable};
use core::cmp::Reverse;
use ipowdm_core::ids::PopId;
use serde::{Deserialize, Serialize};
use std::collections::{BinaryHeap, HashSet};

/// What the two paths of a pair may not share.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Disjointness {
    /// Links.
    Links,
    /// PoPs between the ends, and links.
    Pops,
    /// Links and risk groups, among so many shortest paths.
    Srlgs {
        /// Candidates.
        k: u16,
    },
}

/// Two disjoint paths, in the documented order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DisjointPair {
    /// The working path.
    pub first: DensePath,
    /// The protecting path.
    pub second: DensePath,
}

impl PathTable {
    /// The two disjoint paths from `source` to `destination` of the least total length, then number of hops. Where several
    /// pairs are equal in both, one of them, always the same.
    ///
    /// For [`Disjointness::Srlgs`] the best pair among the candidates: there may be others, see
    /// [`PathError::NoneOfCandidates`].
    ///
    /// # Errors
    /// [`PathError`]
    pub fn disjoint_pair(
        &self,
        source: &PopId,
        destination: &PopId,
        disjointness: Disjointness,
        avoid: &Avoid,
    ) -> Result<DisjointPair, PathError> {
        let (from, to) = self.graph().ends_of(source, destination)?;
        avoid.check_ends([source, destination])?;
        let (low, high) = (from.min(to), from.max(to));
        let graph = self.graph().avoiding(avoid)?;
        let pair = match disjointness {
            Disjointness::Links => Flow::new(&graph, false).pair(low, high),
            Disjointness::Pops => Flow::new(&graph, true).pair(low, high),
            Disjointness::Srlgs { k } => {
                let narrowed = PathTable::new(graph.clone());
                let table = if avoid.is_empty() { self } else { &narrowed };
                let paths = table.between(low, high, usize::from(k));
                let pair = without_common_risk(&graph, &paths);
                if pair.is_none() && !paths.is_empty() {
                    return Err(PathError::NoneOfCandidates { candidates: paths.len() });
                }
                pair
            }
        };
        let (a, b) = pair.ok_or_else(|| {
            let (from, to) = (source.to_string(), destination.to_string());
            PathError::NoDisjointPair { from, to }
        })?;
        let key = |path: &DensePath| (path.length, path.nodes.len(), path.nodes.clone(), path.edges.clone());
        let (first, second) = if key(&a) <= key(&b) { (a, b) } else { (b, a) };
        let turned = |path: DensePath| if from > to { path.reversed() } else { path };
        Ok(DisjointPair { first: turned(first), second: turned(second) })
    }
}

/// The pair of least total cost that shares neither links nor risk groups.
fn without_common_risk(graph: &Graph, paths: &[DensePath]) -> Option<(DensePath, DensePath)> {
    let risks = |path: &DensePath| -> HashSet<_> {
        path.edges.iter().flat_map(|&edge| graph.srlgs(edge)).copied().collect()
    };
    let all: Vec<_> =
        paths.iter().map(|path| (path, path.edges.iter().collect::<HashSet<_>>(), risks(path))).collect();
    let pairs =
        all.iter().enumerate().flat_map(|(at, one)| all[at + 1..].iter().map(move |other| (one, other)));
    pairs
        .filter(|(one, other)| one.1.is_disjoint(&other.1) && one.2.is_disjoint(&other.2))
        .min_by_key(|(one, other)| (one.0.length + other.0.length, one.0.edges.len() + other.0.edges.len()))
        .map(|(one, other)| (one.0.clone(), other.0.clone()))
}

/// An arc of the flow network and, at the next odd or even number, its way back.
#[derive(Debug, Clone, Copy)]
struct Arc {
    to: usize,
    /// A sum of costs of links can be as great as 64 bits hold, and here some are negative.
    cost: i128,
    open: bool,
    /// The link, on arcs that are one.
    edge: Option<u32>,
}

/// A flow network of unit capacities. Each node is an entry 2n and an exit 2n + 1.
struct Flow {
    arcs: Vec<Arc>,
    leaving: Vec<Vec<usize>>,
}

impl Flow {
    /// `once`: whether a node is passed once only.
    fn new(graph: &Graph, once: bool) -> Self {
        let mut flow = Self { arcs: Vec::new(), leaving: vec![Vec::new(); 2 * graph.nodes()] };
        for (node, _) in (0_u32..).zip(0..graph.nodes()) {
            let (entry, exit) = (2 * node as usize, 2 * node as usize + 1);
            // Two units, so two arcs where both may pass.
            for _ in 0..if once { 1 } else { 2 } {
                flow.add(entry, exit, 0, None);
            }
            for step in graph.steps(node) {
                flow.add(exit, 2 * step.to as usize, i128::from(step.cost), Some(step.edge));
            }
        }
        flow
    }

    fn add(&mut self, from: usize, to: usize, cost: i128, edge: Option<u32>) {
        self.leaving[from].push(self.arcs.len());
        self.arcs.push(Arc { to, cost, open: true, edge });
        self.leaving[to].push(self.arcs.len());
        self.arcs.push(Arc { to: from, cost: -cost, open: false, edge });
    }

    /// The two paths of least total cost.
    fn pair(mut self, source: u32, target: u32) -> Option<(DensePath, DensePath)> {
        let (from, to) = (2 * source as usize + 1, 2 * target as usize);
        // With the distances of the first search as potentials no cost is negative in the second.
        let mut potential = vec![0; self.leaving.len()];
        for _ in 0..2 {
            let (distance, by) = self.distances(from, &potential);
            distance[to]?;
            let mut at = to;
            while at != from {
                let arc = by[at]?;
                self.arcs[arc].open = false;
                self.arcs[arc ^ 1].open = true;
                at = self.arcs[arc ^ 1].to;
            }
            // What was not reached now is not reached later: a unit of flow opens ways between reached nodes only.
            for (potential, distance) in potential.iter_mut().zip(distance) {
                *potential += distance.unwrap_or(0);
            }
        }
        Some((self.walk(source, target)?, self.walk(source, target)?))
    }

    /// Distances under reduced costs, and the arc by which each node is reached.
    fn distances(&self, from: usize, potential: &[i128]) -> (Vec<Option<i128>>, Vec<Option<usize>>) {
        let mut distance = vec![None; self.leaving.len()];
        let mut by = vec![None; self.leaving.len()];
        let mut heap = BinaryHeap::from([Reverse((0_i128, from))]);
        distance[from] = Some(0);
        while let Some(Reverse((reached, node))) = heap.pop() {
            if distance[node].is_some_and(|known| known < reached) {
                continue;
            }
            for &number in &self.leaving[node] {
                let arc = self.arcs[number];
                let through = reached + arc.cost + potential[node] - potential[arc.to];
                if arc.open && distance[arc.to].is_none_or(|known| through < known) {
                    distance[arc.to] = Some(through);
                    by[arc.to] = Some(number);
                    heap.push(Reverse((through, arc.to)));
                }
            }
        }
        (distance, by)
    }

    /// Takes one path out of the flow. A cheapest flow has no cycle, so the walk meets no node twice.
    fn walk(&mut self, source: u32, target: u32) -> Option<DensePath> {
        let (mut nodes, mut edges, mut cost) = (vec![source], Vec::new(), 0_i128);
        let mut at = source;
        while at != target {
            let exit = 2 * at as usize + 1;
            // Arcs that were laid forwards have even numbers; one that is closed carries a unit.
            let used = |&&arc: &&usize| arc.is_multiple_of(2) && !self.arcs[arc].open;
            let &arc = self.leaving[exit].iter().find(used)?;
            self.arcs[arc].open = true;
            cost += self.arcs[arc].cost;
            edges.push(self.arcs[arc].edge?);
            at = u32::try_from(self.arcs[arc].to / 2).ok()?;
            nodes.push(at);
        }
        Some(DensePath {
            nodes: nodes.into(),
            edges: edges.into(),
            length: length_of(u64::try_from(cost).ok()?),
        })
    }
}
