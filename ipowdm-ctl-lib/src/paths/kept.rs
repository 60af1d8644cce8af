//! The paths that a table keeps: the most recently used pairs, and which of them use which link.

use super::DensePath;
use super::graph::{Cost, HOP_BITS, UNREACHABLE};
use lru::LruCache;
use std::sync::Arc;

/// Links on kept paths, all pairs together. At 8 bytes for each link and node after it this is 64 MiB; a pair of a network
/// of 754 nodes takes some 200, one of 50 nodes some 30.
const MAX_KEPT_LINKS: usize = 1 << 23;

/// Two nodes, the lower first.
pub(super) type Pair = (u32, u32);

/// What is known of a pair.
#[derive(Debug)]
pub(super) struct KnownPaths {
    pub(super) paths: Arc<[DensePath]>,
    /// How many paths were asked for. Where there are fewer, these are all.
    asked: usize,
    /// Which of the entries of the index are this one's.
    stamp: u64,
}

impl KnownPaths {
    /// The greatest cost at which a path that is not among them would change them.
    fn reach(&self) -> Cost {
        match self.paths.last() {
            Some(last) if self.paths.len() >= self.asked => cost_of(last),
            _ => UNREACHABLE - 1,
        }
    }
}

/// The cost of a path.
fn cost_of(path: &DensePath) -> Cost {
    (path.length << HOP_BITS) + path.edges.len() as u64
}

/// The pairs.
#[derive(Debug)]
pub(super) struct KeptPairs {
    pairs: LruCache<Pair, KnownPaths>,
    /// For each link the pairs whose paths use it. An entry whose stamp the pair does not have any more says nothing.
    users: Vec<Vec<(Pair, u64)>>,
    /// Entries in `users`, and how many of them speak of pairs as they are.
    entries: usize,
    current: usize,
    /// Links on all kept paths.
    links: usize,
    limit: usize,
    stamp: u64,
}

impl KeptPairs {
    pub(super) fn new(edges: usize) -> Self {
        Self::with_limit(edges, MAX_KEPT_LINKS)
    }

    pub(super) fn with_limit(edges: usize, limit: usize) -> Self {
        Self {
            pairs: LruCache::unbounded(),
            users: vec![Vec::new(); edges],
            entries: 0,
            current: 0,
            links: 0,
            limit,
            stamp: 0,
        }
    }

    /// Number of pairs.
    pub(super) fn len(&self) -> usize {
        self.pairs.len()
    }

    /// At least the first `k` paths of a pair, or all that there are.
    pub(super) fn get(&mut self, pair: Pair, k: usize) -> Option<Arc<[DensePath]>> {
        let known = self.pairs.get(&pair)?;
        (k <= known.asked || known.paths.len() < known.asked).then(|| Arc::clone(&known.paths))
    }

    /// Keeps the paths of a pair, of which `asked` were asked for.
    pub(super) fn insert(&mut self, pair: Pair, paths: Arc<[DensePath]>, asked: usize) {
        self.remove(pair);
        self.stamp += 1;
        let mut used: Vec<u32> = paths.iter().flat_map(|path| path.edges.iter().copied()).collect();
        self.links += used.len();
        used.sort_unstable();
        used.dedup();
        for edge in &used {
            if let Some(users) = self.users.get_mut(*edge as usize) {
                users.push((pair, self.stamp));
            }
        }
        self.entries += used.len();
        self.current += used.len();
        self.pairs.put(pair, KnownPaths { paths, asked, stamp: self.stamp });
        while self.links > self.limit
            && let Some((_, known)) = self.pairs.pop_lru()
        {
            self.forget(&known);
        }
        if self.entries > 2 * self.current + 1024 {
            self.sweep();
        }
    }

    pub(super) fn remove(&mut self, pair: Pair) {
        if let Some(known) = self.pairs.pop(&pair) {
            self.forget(&known);
        }
    }

    /// Brings the sums up to date with the loss of a pair; its entries in the index stay for now.
    fn forget(&mut self, known: &KnownPaths) {
        let mut used: Vec<u32> = known.paths.iter().flat_map(|path| path.edges.iter().copied()).collect();
        self.links -= used.len();
        used.sort_unstable();
        used.dedup();
        self.current -= used.len();
    }

    /// Drops the entries of the index that say nothing any more.
    fn sweep(&mut self) {
        for users in &mut self.users {
            users.retain(|(pair, stamp)| self.pairs.peek(pair).is_some_and(|known| known.stamp == *stamp));
        }
        self.entries = self.current;
    }

    /// Removes the pairs whose paths use a link.
    pub(super) fn remove_users_of(&mut self, edge: u32) {
        let Some(users) = self.users.get_mut(edge as usize) else { return };
        let users = core::mem::take(users);
        self.entries -= users.len();
        for (pair, stamp) in users {
            if self.pairs.peek(&pair).is_some_and(|known| known.stamp == stamp) {
                self.remove(pair);
            }
        }
    }

    /// Removes the pairs that a way of the cost that `through` says, from one of its nodes to the other, would change.
    pub(super) fn remove_reached(&mut self, through: impl Fn(Pair) -> Cost) {
        let reached: Vec<Pair> = self
            .pairs
            .iter()
            .filter(|(pair, known)| through(**pair) <= known.reach())
            .map(|(pair, _)| *pair)
            .collect();
        reached.into_iter().for_each(|pair| self.remove(pair));
    }

    /// The same pairs in other numbers: those that lose a number are dropped.
    pub(super) fn renumbered(
        self,
        edges: usize,
        node: impl Fn(u32) -> Option<u32>,
        edge: impl Fn(u32) -> Option<u32>,
    ) -> Self {
        let mut renumbered = Self::with_limit(edges, self.limit);
        // Least recently used first, so that the order is kept.
        for ((low, high), known) in self.pairs.iter().rev() {
            let paths: Option<Vec<DensePath>> = known
                .paths
                .iter()
                .map(|path| {
                    Some(DensePath {
                        nodes: path.nodes.iter().map(|&old| node(old)).collect::<Option<_>>()?,
                        edges: path.edges.iter().map(|&old| edge(old)).collect::<Option<_>>()?,
                        length: path.length,
                    })
                })
                .collect();
            if let (Some(low), Some(high), Some(paths)) = (node(*low), node(*high), paths) {
                renumbered.insert((low, high), paths.into(), known.asked);
            }
        }
        renumbered
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(edges: &[u32]) -> DensePath {
        DensePath { nodes: (0..).take(edges.len() + 1).collect(), edges: edges.into(), length: 10 }
    }

    #[test]
    fn the_least_recently_used_pairs_go_when_there_are_too_many_links() {
        let mut kept = KeptPairs::with_limit(4, 6);
        for low in 0..3 {
            kept.insert((low, 9), [path(&[low, 3])].into(), 1);
        }
        assert!(kept.get((0, 9), 1).is_some());
        kept.insert((3, 9), [path(&[0])].into(), 1);
        assert_eq!((kept.len(), kept.links), (3, 5));
        assert!(kept.get((1, 9), 1).is_none());
        // The index speaks of those that are left.
        kept.remove_users_of(1);
        assert_eq!(kept.len(), 3);
        kept.remove_users_of(3);
        assert_eq!((kept.len(), kept.links), (1, 1));
    }

    #[test]
    fn more_paths_than_known_are_not_answered_unless_there_are_no_more() {
        let mut kept = KeptPairs::new(4);
        kept.insert((0, 1), [path(&[0]), path(&[1])].into(), 2);
        assert!(kept.get((0, 1), 2).is_some());
        assert!(kept.get((0, 1), 3).is_none());
        kept.insert((0, 1), [path(&[0]), path(&[1])].into(), 3);
        assert!(kept.get((0, 1), 64).is_some());
    }

    #[test]
    fn entries_of_pairs_that_are_gone_do_not_pile_up() {
        let mut kept = KeptPairs::new(8);
        for _ in 0..10_000 {
            kept.insert((0, 1), [path(&[0, 1, 2, 3])].into(), 1);
        }
        assert!(kept.users.iter().map(Vec::len).sum::<usize>() <= 2 * 4 + 1024 + 4);
        assert_eq!((kept.entries >= kept.current, kept.current), (true, 4));
        kept.remove_users_of(2);
        assert_eq!((kept.len(), kept.links, kept.current), (0, 0, 0));
    }
}
