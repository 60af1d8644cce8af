//! A topology as dense numbers.

use crate::spectrum::LinkSpectrum;
use crate::store::Key;
use crate::topology::{FibreLink, Pop, Srlg, UpDown};
use core::cmp::Ordering;
use ipowdm_core::grid::SpectrumWindow;
use ipowdm_core::ids::{LinkId, PopId};
use ipowdm_core::units::Length;
use std::collections::{HashMap, HashSet};

/// A cost: length in metres in the upper 48 bits, hops in the lower 16. Costs add, and compare by length, then hops.
///
/// At most 65 535 nodes make at most 65 534 hops of at most 2³² − 1 m: a path never overflows.
pub(super) type Cost = u64;

/// No path.
pub(super) const UNREACHABLE: Cost = Cost::MAX;

/// Nodes that a graph may have.
const MAX_NODES: usize = 65_535;

pub(super) const HOP_BITS: u32 = 16;

/// The length part of a cost.
pub(super) const fn length_of(cost: Cost) -> u64 {
    cost >> HOP_BITS
}

/// One way out of a node.
#[derive(Debug, Clone, Copy)]
pub(super) struct Step {
    pub(super) to: u32,
    pub(super) edge: u32,
    pub(super) cost: Cost,
}

/// A link as an edge.
#[derive(Debug, Clone)]
struct Edge {
    id: LinkId,
    /// Where the link's spectrum is stored: looked up for every path that is tried.
    key: Key<LinkSpectrum>,
    /// In the order they were given in.
    ends: (u32, u32),
    cost: Cost,
    /// Whether paths may use it.
    usable: bool,
    srlgs: Box<[Srlg]>,
    bands: Box<[SpectrumWindow]>,
}

/// An undirected multigraph of PoPs and fibre links, numbered densely in natural order of their ids.
///
/// Links that are out of service have their numbers too, so that a link that goes down renumbers nothing; no path uses them.
#[derive(Debug, Clone)]
pub struct Graph {
    pops: Vec<PopId>,
    index: HashMap<PopId, u32>,
    edges: Vec<Edge>,
    /// `steps[first[n]..first[n + 1]]` leave node n, ordered by neighbour, then link.
    first: Vec<u32>,
    steps: Vec<Step>,
}

/// Why a topology is not a graph.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum GraphError {
    /// A link ends at a PoP that is not there.
    #[error("link {link} ends at {pop}, which is not a PoP of the topology")]
    UnknownPop {
        /// The link.
        link: String,
        /// The PoP.
        pop: String,
    },
    /// There are too many PoPs or links.
    #[error("{count} PoPs or links are more than a graph holds")]
    TooLarge {
        /// How many.
        count: usize,
    },
}

impl Graph {
    /// Numbers PoPs and links. A link is (id, one end, other end, length); a link from a PoP to itself is on no path.
    ///
    /// # Errors
    /// [`GraphError`]
    pub fn new(
        pops: impl IntoIterator<Item = PopId>,
        links: impl IntoIterator<Item = (LinkId, PopId, PopId, Length)>,
    ) -> Result<Self, GraphError> {
        let links = links.into_iter().map(|(id, a, b, length)| FibreLink::new(id, a, b, length));
        Self::number(pops.into_iter().collect(), links.map(|link| (link, true)).collect())
    }

    /// The graph of a topology. Paths use links that are usable and join PoPs that are up.
    ///
    /// # Errors
    /// [`GraphError`]
    pub fn of(
        pops: impl IntoIterator<Item = Pop>,
        links: impl IntoIterator<Item = FibreLink>,
    ) -> Result<Self, GraphError> {
        let pops: Vec<Pop> = pops.into_iter().collect();
        let down: HashSet<&PopId> =
            pops.iter().filter(|pop| pop.admin == UpDown::Down).map(|pop| &pop.id).collect();
        let links = links.into_iter().map(|link| {
            let usable = link.is_usable() && !down.contains(&link.a) && !down.contains(&link.b);
            (link, usable)
        });
        let links = links.collect();
        Self::number(pops.iter().map(|pop| pop.id.clone()).collect(), links)
    }

    fn number(mut pops: Vec<PopId>, mut links: Vec<(FibreLink, bool)>) -> Result<Self, GraphError> {
        pops.sort_by(|a, b| natural_cmp(a.as_str(), b.as_str()));
        pops.dedup();
        if pops.len() > MAX_NODES {
            return Err(GraphError::TooLarge { count: pops.len() });
        }
        if u32::try_from(2 * links.len()).is_err() {
            return Err(GraphError::TooLarge { count: links.len() });
        }
        let index: HashMap<PopId, u32> = pops.iter().cloned().zip(0..).collect();
        links.sort_by(|(a, _), (b, _)| natural_cmp(a.id.as_str(), b.id.as_str()));
        let mut edges = Vec::with_capacity(links.len());
        for (link, usable) in links {
            let find = |pop: &PopId| match index.get(pop) {
                Some(&node) => Ok(node),
                None => Err(GraphError::UnknownPop { link: link.id.to_string(), pop: pop.to_string() }),
            };
            let ends = (find(&link.a)?, find(&link.b)?);
            edges.push(Edge {
                ends,
                cost: (u64::from(link.length.metres()) << HOP_BITS) + 1,
                usable: usable && ends.0 != ends.1,
                srlgs: link.srlgs.into(),
                bands: link.bands.into(),
                key: LinkSpectrum::key(&link.id),
                id: link.id,
            });
        }
        let mut graph = Self { pops, index, edges, first: Vec::new(), steps: Vec::new() };
        graph.lay_steps();
        Ok(graph)
    }

    /// Lays out the ways out of every node, by the usable edges.
    fn lay_steps(&mut self) {
        let mut first = vec![0_u32; self.pops.len() + 1];
        let usable = || self.edges.iter().zip(0_u32..).filter(|(edge, _)| edge.usable);
        for (edge, _) in usable() {
            first[edge.ends.0 as usize + 1] += 1;
            first[edge.ends.1 as usize + 1] += 1;
        }
        for node in 1..first.len() {
            first[node] += first[node - 1];
        }
        let mut free = first.clone();
        let count = first.last().map_or(0, |&count| count as usize);
        let mut steps = vec![Step { to: 0, edge: 0, cost: 0 }; count];
        for (edge, number) in usable() {
            let (a, b) = edge.ends;
            for (from, to) in [(a, b), (b, a)] {
                let at = &mut free[from as usize];
                steps[*at as usize] = Step { to, edge: number, cost: edge.cost };
                *at += 1;
            }
        }
        for range in first.windows(2) {
            steps[range[0] as usize..range[1] as usize].sort_unstable_by_key(|step| (step.to, step.edge));
        }
        (self.first, self.steps) = (first, steps);
    }

    /// The same graph, numbers included, in which no path uses some links: `barred` is given a link's number, ends and
    /// risk groups.
    pub(super) fn without(&self, barred: impl Fn(u32, (u32, u32), &[Srlg]) -> bool) -> Self {
        let mut graph = self.clone();
        for (edge, number) in graph.edges.iter_mut().zip(0..) {
            edge.usable = edge.usable && !barred(number, edge.ends, &edge.srlgs);
        }
        graph.lay_steps();
        graph
    }

    /// Number of PoPs.
    #[must_use]
    pub fn nodes(&self) -> usize {
        self.pops.len()
    }

    /// Number of links, those out of service included.
    #[must_use]
    pub fn edges(&self) -> usize {
        self.edges.len()
    }

    /// The number of a PoP.
    #[must_use]
    pub fn node(&self, pop: &PopId) -> Option<u32> {
        self.index.get(pop).copied()
    }

    /// The PoP of a number that this graph has given.
    #[must_use]
    pub fn pop(&self, node: u32) -> Option<&PopId> {
        self.pops.get(node as usize)
    }

    /// The number of a link. Links are searched by name, which takes their number's logarithm.
    #[must_use]
    pub fn edge(&self, link: &LinkId) -> Option<u32> {
        let found = self.edges.binary_search_by(|edge| natural_cmp(edge.id.as_str(), link.as_str())).ok()?;
        u32::try_from(found).ok()
    }

    /// The link of a number that this graph has given.
    #[must_use]
    pub fn link(&self, edge: u32) -> Option<&LinkId> {
        self.edges.get(edge as usize).map(|edge| &edge.id)
    }

    /// Where the spectrum of a link is stored.
    #[must_use]
    pub fn spectrum_key(&self, edge: u32) -> Option<&Key<LinkSpectrum>> {
        self.edges.get(edge as usize).map(|edge| &edge.key)
    }

    /// The two ends of a link, in the order they were given in.
    #[must_use]
    pub fn ends(&self, edge: u32) -> Option<(u32, u32)> {
        self.edges.get(edge as usize).map(|edge| edge.ends)
    }

    /// Whether paths may use a link.
    #[must_use]
    pub fn is_usable(&self, edge: u32) -> bool {
        self.edges.get(edge as usize).is_some_and(|edge| edge.usable)
    }

    /// The length of a link.
    #[must_use]
    pub fn length(&self, edge: u32) -> Option<Length> {
        let cost = self.edges.get(edge as usize)?.cost;
        u32::try_from(length_of(cost)).ok().map(Length::from_metres)
    }

    /// The risk groups of a link.
    #[must_use]
    pub fn srlgs(&self, edge: u32) -> &[Srlg] {
        self.edges.get(edge as usize).map_or(&[], |edge| &edge.srlgs)
    }

    /// The bands that a link carries; empty where it carries everything, see [`FibreLink::bands`].
    #[must_use]
    pub fn bands(&self, edge: u32) -> &[SpectrumWindow] {
        self.edges.get(edge as usize).map_or(&[], |edge| &edge.bands)
    }

    pub(super) fn cost(&self, edge: u32) -> Cost {
        self.edges.get(edge as usize).map_or(0, |edge| edge.cost)
    }

    /// Every edge as (id, ends, cost, usable), by number.
    pub(super) fn every_edge(&self) -> impl Iterator<Item = (&LinkId, (u32, u32), Cost, bool)> {
        self.edges.iter().map(|edge| (&edge.id, edge.ends, edge.cost, edge.usable))
    }

    /// The shortest link that joins two nodes, of equal ones the first, and its length in metres.
    #[must_use]
    pub fn link_between(&self, a: u32, b: u32) -> Option<(u32, u64)> {
        if a.max(b) as usize >= self.pops.len() {
            return None;
        }
        let joining = self.steps(a).iter().filter(|step| step.to == b);
        joining.min_by_key(|step| (step.cost, step.edge)).map(|step| (step.edge, length_of(step.cost)))
    }

    pub(super) fn steps(&self, node: u32) -> &[Step] {
        let node = node as usize;
        &self.steps[self.first[node] as usize..self.first[node + 1] as usize]
    }
}

/// Compares two ids with their runs of digits as numbers: `pop2` < `pop10`. Total: ids that differ are never equal.
#[must_use]
pub fn natural_cmp(a: &str, b: &str) -> Ordering {
    let (mut x, mut y) = (a.as_bytes(), b.as_bytes());
    while let (Some(&p), Some(&q)) = (x.first(), y.first()) {
        let order = if p.is_ascii_digit() && q.is_ascii_digit() {
            let (m, n) = (split_number(&mut x), split_number(&mut y));
            m.len().cmp(&n.len()).then_with(|| m.cmp(n))
        } else {
            (x, y) = (&x[1..], &y[1..]);
            p.cmp(&q)
        };
        if order != Ordering::Equal {
            return order;
        }
    }
    // Equal but for leading zeros, or one is a prefix of the other.
    x.len().cmp(&y.len()).then_with(|| a.cmp(b))
}

/// Takes a run of digits off the front and answers it without leading zeros.
fn split_number<'a>(text: &mut &'a [u8]) -> &'a [u8] {
    let end = text.iter().position(|c| !c.is_ascii_digit()).unwrap_or(text.len());
    let (digits, rest) = text.split_at(end);
    *text = rest;
    let zeros = digits.iter().take_while(|&&c| c == b'0').count();
    &digits[zeros..]
}
