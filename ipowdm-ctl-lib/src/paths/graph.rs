//! A topology as dense numbers.

use core::cmp::Ordering;
use ipowdm_core::ids::{LinkId, PopId};
use ipowdm_core::units::Length;
use std::collections::HashMap;

/// A cost: length in metres in the upper 48 bits, hops in the lower 16. Costs add, and compare by length, then hops.
///
/// At most 65 535 nodes make at most 65 534 hops of at most 2³² − 1 m: a path never overflows.
pub(super) type Cost = u64;

/// No path.
pub(super) const UNREACHABLE: Cost = Cost::MAX;

/// Nodes that a graph may have.
const MAX_NODES: usize = 65_535;

const HOP_BITS: u32 = 16;

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

/// An undirected multigraph of PoPs and fibre links, numbered densely in natural order of their ids.
#[derive(Debug, Clone)]
pub struct Graph {
    pops: Vec<PopId>,
    index: HashMap<PopId, u32>,
    links: Vec<LinkId>,
    ends: Vec<(u32, u32)>,
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
    /// Numbers PoPs and links. A link is (id, one end, other end, length); a link from a PoP to itself is on no path and is
    /// left out of the steps.
    ///
    /// # Errors
    /// [`GraphError`]
    pub fn new(
        pops: impl IntoIterator<Item = PopId>,
        links: impl IntoIterator<Item = (LinkId, PopId, PopId, Length)>,
    ) -> Result<Self, GraphError> {
        let mut pops: Vec<PopId> = pops.into_iter().collect();
        pops.sort_by(|a, b| natural_cmp(a.as_str(), b.as_str()));
        pops.dedup();
        if pops.len() > MAX_NODES {
            return Err(GraphError::TooLarge { count: pops.len() });
        }
        let index: HashMap<PopId, u32> = pops.iter().cloned().zip(0..).collect();
        let mut sorted: Vec<_> = links.into_iter().collect();
        sorted.sort_by(|a, b| natural_cmp(a.0.as_str(), b.0.as_str()));
        if u32::try_from(2 * sorted.len()).is_err() {
            return Err(GraphError::TooLarge { count: sorted.len() });
        }
        let mut links = Vec::with_capacity(sorted.len());
        let mut ends = Vec::with_capacity(sorted.len());
        let mut out: Vec<Vec<Step>> = vec![Vec::new(); pops.len()];
        for (edge, (link, a, b, length)) in (0_u32..).zip(sorted) {
            let find = |pop: PopId| match index.get(&pop) {
                Some(&node) => Ok(node),
                None => Err(GraphError::UnknownPop { link: link.to_string(), pop: pop.to_string() }),
            };
            let (a, b) = (find(a)?, find(b)?);
            let cost = (u64::from(length.metres()) << HOP_BITS) + 1;
            if a != b {
                out[a as usize].push(Step { to: b, edge, cost });
                out[b as usize].push(Step { to: a, edge, cost });
            }
            links.push(link);
            ends.push((a, b));
        }
        let mut first = vec![0];
        let mut steps = Vec::with_capacity(2 * links.len());
        let mut count = 0;
        for mut leaving in out {
            leaving.sort_by_key(|step| (step.to, step.edge));
            count += u32::try_from(leaving.len()).unwrap_or(0);
            first.push(count);
            steps.extend(leaving);
        }
        Ok(Self { pops, index, links, ends, first, steps })
    }

    /// Number of PoPs.
    #[must_use]
    pub fn nodes(&self) -> usize {
        self.pops.len()
    }

    /// Number of links.
    #[must_use]
    pub fn edges(&self) -> usize {
        self.links.len()
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

    /// The link of a number that this graph has given.
    #[must_use]
    pub fn link(&self, edge: u32) -> Option<&LinkId> {
        self.links.get(edge as usize)
    }

    /// The two ends of a link, in the order they were given in.
    #[must_use]
    pub fn ends(&self, edge: u32) -> Option<(u32, u32)> {
        self.ends.get(edge as usize).copied()
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
