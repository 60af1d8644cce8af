//! Disjoint pairs against all pairs of all paths.

use super::*;
use crate::topology::Srlg;

fn by_force(
    links: &[(u32, u32, u32)],
    target: u32,
    share: impl Fn(&DensePath, &DensePath) -> bool,
) -> Option<(u64, usize)> {
    let paths = enumerate(links, 0, target);
    let pairs =
        paths.iter().enumerate().flat_map(|(at, one)| paths[at + 1..].iter().map(move |other| (one, other)));
    pairs
        .filter(|(one, other)| !share(one, other))
        .map(|(one, other)| (one.length + other.length, one.edges.len() + other.edges.len()))
        .min()
}

fn share_links(one: &DensePath, other: &DensePath) -> bool {
    one.edges.iter().any(|edge| other.edges.contains(edge))
}

fn share_pops(one: &DensePath, other: &DensePath) -> bool {
    let inner = |path: &DensePath| path.nodes[1..path.nodes.len() - 1].to_vec();
    share_links(one, other) || inner(one).iter().any(|node| inner(other).contains(node))
}

/// Checks that both are paths of the graph from source to target, loopless, in order.
fn check_pair(links: &[(u32, u32, u32)], target: u32, pair: &DisjointPair) {
    let all = enumerate(links, 0, target);
    let at = |path: &DensePath| all.iter().position(|other| other == path).unwrap();
    assert!(at(&pair.first) < at(&pair.second));
}

fn total(pair: &DisjointPair) -> (u64, usize) {
    let DisjointPair { first, second } = pair;
    (first.length + second.length, first.edges.len() + second.edges.len())
}

fn pair_of(table: &PathTable, target: u32, disjointness: Disjointness) -> Result<DisjointPair, PathError> {
    table.disjoint_pair(&pop(0), &pop(target), disjointness, &Avoid::default())
}

/// The shortest path 0-1-2-3 uses a link of each of the only two disjoint paths 0-1-3 and 0-2-3.
const TRAP: [(u32, u32, u32); 5] = [(0, 1, 1), (1, 2, 1), (2, 3, 1), (0, 2, 5), (1, 3, 5)];

#[test]
fn a_pair_is_found_where_the_shortest_path_is_in_the_way_of_every_pair() {
    let table = PathTable::new(graph(4, &TRAP));
    assert_eq!(nodes_of(&table.between(0, 3, 1)), [[0, 1, 2, 3]]);
    // Remove the shortest path's links, look again: nothing.
    let rest =
        Avoid { links: [0, 1, 2].map(|n| LinkId::new(&format!("l{n}")).unwrap()).into(), ..Avoid::default() };
    let again = Constraints { avoid: rest, ..Constraints::default() };
    assert!(matches!(table.constrained(&pop(0), &pop(3), 1, &again), Err(PathError::NoPath { .. })));
    for disjointness in [Disjointness::Links, Disjointness::Pops] {
        let pair = pair_of(&table, 3, disjointness).unwrap();
        assert_eq!(
            (nodes_of(&[pair.first]), nodes_of(&[pair.second])),
            (vec![vec![0, 1, 3]], vec![vec![0, 2, 3]])
        );
    }
}

#[test]
fn paths_that_meet_in_a_pop_are_disjoint_by_links_only() {
    let table = PathTable::new(graph(5, &[(0, 1, 1), (0, 2, 1), (1, 3, 1), (2, 3, 1), (3, 4, 1), (3, 4, 2)]));
    assert_eq!(total(&pair_of(&table, 4, Disjointness::Links).unwrap()), (7, 6));
    let refused = pair_of(&table, 4, Disjointness::Pops).unwrap_err();
    assert_eq!(refused, PathError::NoDisjointPair { from: "0".to_owned(), to: "4".to_owned() });
    assert_eq!(refused.code(), ipowdm_core::error::Code::NoPath);
}

#[test]
fn the_pair_the_other_way_is_the_same_pair_reversed() {
    let table = PathTable::new(graph(4, &TRAP));
    let there = pair_of(&table, 3, Disjointness::Pops).unwrap();
    let back = table.disjoint_pair(&pop(3), &pop(0), Disjointness::Pops, &Avoid::default()).unwrap();
    assert_eq!((back.first.reversed(), back.second.reversed()), (there.first, there.second));
}

#[test]
fn what_is_avoided_is_on_neither_path_and_an_end_cannot_be_avoided() {
    let table = PathTable::new(graph(4, &[(0, 3, 1), (0, 1, 1), (1, 3, 1), (0, 2, 9), (2, 3, 9)]));
    let avoid = |n| Avoid { pops: vec![pop(n)], ..Avoid::default() };
    let pair = table.disjoint_pair(&pop(0), &pop(3), Disjointness::Links, &avoid(1)).unwrap();
    assert_eq!(total(&pair), (19, 3));
    let end = table.disjoint_pair(&pop(0), &pop(3), Disjointness::Links, &avoid(3));
    assert_eq!(end.unwrap_err(), PathError::Contradiction { pop: "3".to_owned() });
    let nowhere = table.disjoint_pair(&pop(0), &pop(9), Disjointness::Links, &Avoid::default());
    assert_eq!(nowhere.unwrap_err(), PathError::UnknownPop { pop: "9".to_owned() });
    let same = table.disjoint_pair(&pop(0), &pop(0), Disjointness::Links, &Avoid::default());
    assert_eq!(same.unwrap_err(), PathError::SamePop { pop: "0".to_owned() });
}

#[test]
fn paths_in_one_duct_are_not_disjoint_by_risk() {
    // Two short paths whose first links share a duct, a longer one of its own.
    let links = [(0, 1, 1, 7), (1, 3, 1, 0), (0, 2, 2, 7), (2, 3, 2, 0), (0, 3, 9, 0)];
    let links = links.iter().enumerate().map(|(i, &(a, b, metres, srlg))| FibreLink {
        srlgs: if srlg == 0 { vec![] } else { vec![Srlg(srlg)] },
        ..FibreLink::new(LinkId::new(&format!("l{i}")).unwrap(), pop(a), pop(b), Length::from_metres(metres))
    });
    let table = PathTable::new(Graph::of((0..4).map(|n| Pop::new(pop(n))), links).unwrap());
    assert_eq!(total(&pair_of(&table, 3, Disjointness::Links).unwrap()), (6, 4));
    assert_eq!(total(&pair_of(&table, 3, Disjointness::Srlgs { k: 5 }).unwrap()), (11, 3));
    let few = pair_of(&table, 3, Disjointness::Srlgs { k: 2 });
    assert_eq!(few.unwrap_err(), PathError::NoneOfCandidates { candidates: 2 });
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, ..ProptestConfig::default() })]

    #[test]
    fn the_pair_is_the_cheapest_of_all_pairs_of_all_paths(
        nodes in 2_u32..7,
        links in proptest::collection::vec((0_u32..7, 0_u32..7, 0_u32..6), 1..12),
    ) {
        let links: Vec<_> = links.into_iter().map(|(a, b, l)| (a % nodes, b % nodes, l)).collect();
        let table = PathTable::new(graph(nodes, &links));
        let target = nodes - 1;
        for (disjointness, best) in [
            (Disjointness::Links, by_force(&links, target, share_links)),
            (Disjointness::Pops, by_force(&links, target, share_pops)),
            // No risk groups, all paths as candidates: disjoint by links.
            (Disjointness::Srlgs { k: 4_000 }, by_force(&links, target, share_links)),
        ] {
            let pair = pair_of(&table, target, disjointness).ok();
            prop_assert_eq!(pair.as_ref().map(total), best, "{:?}", disjointness);
            if let Some(pair) = pair {
                check_pair(&links, target, &pair);
                prop_assert!(!share_links(&pair.first, &pair.second));
                if disjointness == Disjointness::Pops {
                    prop_assert!(!share_pops(&pair.first, &pair.second));
                }
            }
        }
    }
}
