//! What a change of the topology does to the paths that are kept: which stay, which go.
//!
//! The paths of a pair stay where two things hold. None of them uses a link that has become worse (is gone, out of
//! service, or longer). And no link that has become better (is new, back in service, or shorter) makes a walk between the two
//! nodes that is as cheap as the last of them: a path over such a link is at least as long as the cheapest walk over it.
//! Where fewer paths are known than were asked for, all are known, and any walk over a better link may add one. All that is left out
//! has not become cheaper, so what was kept is still first, and in the same order: numbers keep the order of names.

use super::graph::{Cost, Graph, UNREACHABLE};
use super::kept::KeptPairs;
use super::tree::{Way, reverse_tree};
use std::collections::HashMap;

/// Better links of which each is looked at; beyond, everything is dropped: a network that is being read in changes all.
const MAX_BETTER: usize = 32;

/// How one graph follows from another.
struct Change {
    /// For each number of the old graph that of the new one.
    nodes: Vec<Option<u32>>,
    edges: Vec<Option<u32>>,
    /// Edges of the old graph.
    worse: Vec<u32>,
    /// Edges of the new graph.
    better: Vec<u32>,
}

impl Change {
    fn between(old: &Graph, new: &Graph) -> Self {
        let nodes: Vec<Option<u32>> =
            (0..).map_while(|node| old.pop(node)).map(|pop| new.node(pop)).collect();
        let numbers: HashMap<_, u32> = new.every_edge().map(|(id, ..)| id).zip(0..).collect();
        let fresh: Vec<_> = new.every_edge().collect();
        let mut known = vec![false; fresh.len()];
        let (mut worse, mut better, mut edges) = (Vec::new(), Vec::new(), Vec::new());
        for ((id, ends, cost, usable), number) in old.every_edge().zip(0..) {
            let there = numbers.get(id).copied().filter(|&there| {
                let (_, now, ..) = fresh[there as usize];
                [ends.0, ends.1].map(|end| nodes[end as usize]) == [Some(now.0), Some(now.1)]
            });
            edges.push(there);
            let now = there.map(|there| {
                known[there as usize] = true;
                let (_, _, cost, usable) = fresh[there as usize];
                (there, cost, usable)
            });
            match (usable, now) {
                (true, Some((_, now, true))) if now <= cost => {}
                (true, _) => worse.push(number),
                (false, _) => {}
            }
            if let Some((there, now, true)) = now
                && (!usable || now < cost)
            {
                better.push(there);
            }
        }
        let new_ones = fresh
            .iter()
            .zip(0..)
            .filter(|((.., usable), there): &(_, u32)| *usable && !known[*there as usize]);
        better.extend(new_ones.map(|(_, there)| there));
        Self { nodes, edges, worse, better }
    }

    /// Whether every number means what it meant.
    fn renumbers(&self) -> bool {
        let moved = |numbers: &[Option<u32>]| numbers.iter().zip(0..).any(|(new, old)| *new != Some(old));
        moved(&self.nodes) || moved(&self.edges)
    }
}

/// The kept pairs of `old` that are right in `new`, in its numbers.
pub(super) fn carry_over(mut kept: KeptPairs, old: &Graph, new: &Graph) -> KeptPairs {
    if kept.len() == 0 {
        return KeptPairs::new(new.edges());
    }
    let change = Change::between(old, new);
    if change.better.len() > MAX_BETTER {
        return KeptPairs::new(new.edges());
    }
    for &edge in &change.worse {
        kept.remove_users_of(edge);
    }
    if change.renumbers() || old.edges() != new.edges() {
        let at = |numbers: &[Option<u32>], old: u32| numbers.get(old as usize).copied().flatten();
        kept = kept.renumbered(new.edges(), |old| at(&change.nodes, old), |old| at(&change.edges, old));
    }
    for &edge in &change.better {
        let Some((a, b)) = new.ends(edge) else { continue };
        let (from_a, from_b) = (reverse_tree(new, a), reverse_tree(new, b));
        let cost = new.cost(edge);
        kept.remove_reached(|(s, t)| {
            let over = |first: &[Way], second: &[Way]| {
                walk(&[first[s as usize].cost, cost, second[t as usize].cost])
            };
            over(&from_a, &from_b).min(over(&from_b, &from_a))
        });
    }
    kept
}

/// The cost of a walk of several parts.
fn walk(parts: &[Cost]) -> Cost {
    parts
        .iter()
        .fold(0, |sum: Cost, &part| if part == UNREACHABLE { UNREACHABLE } else { sum.saturating_add(part) })
}
