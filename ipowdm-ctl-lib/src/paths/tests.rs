mod constrained;
mod disjoint;
mod succession;

use super::*;
use crate::topology::{FibreLink, Pop};
use ipowdm_core::ids::{LinkId, PopId};
use ipowdm_core::units::Length;
use proptest::prelude::*;
use std::collections::HashSet;
use std::path::PathBuf;

fn pop(n: u32) -> PopId {
    PopId::new(&n.to_string()).unwrap()
}

/// A graph of `nodes` PoPs "0", "1", … and links given by their ends and metres.
fn graph(nodes: u32, links: &[(u32, u32, u32)]) -> Graph {
    let links = links.iter().enumerate().map(|(i, &(a, b, metres))| {
        (LinkId::new(&format!("l{i}")).unwrap(), pop(a), pop(b), Length::from_metres(metres))
    });
    Graph::new((0..nodes).map(pop), links).unwrap()
}

fn nodes_of(paths: &[DensePath]) -> Vec<Vec<u32>> {
    paths.iter().map(|path| path.nodes.to_vec()).collect()
}

/// Every loopless path, found by walking everywhere, sorted by the documented order.
fn enumerate(links: &[(u32, u32, u32)], source: u32, target: u32) -> Vec<DensePath> {
    fn walk(
        links: &[(u32, u32, u32)],
        target: u32,
        nodes: &mut Vec<u32>,
        edges: &mut Vec<u32>,
        length: u64,
        found: &mut Vec<DensePath>,
    ) {
        let here = *nodes.last().unwrap();
        if here == target {
            found.push(DensePath { nodes: nodes.as_slice().into(), edges: edges.as_slice().into(), length });
            return;
        }
        for (edge, &(a, b, metres)) in (0..).zip(links) {
            for (from, to) in [(a, b), (b, a)] {
                if from == here && !nodes.contains(&to) {
                    nodes.push(to);
                    edges.push(edge);
                    walk(links, target, nodes, edges, length + u64::from(metres), found);
                    nodes.pop();
                    edges.pop();
                }
            }
        }
    }
    let mut found = Vec::new();
    walk(links, target, &mut vec![source], &mut Vec::new(), 0, &mut found);
    found.sort_by(|a, b| {
        (a.length, a.nodes.len(), &a.nodes, &a.edges).cmp(&(b.length, b.nodes.len(), &b.nodes, &b.edges))
    });
    found
}

#[test]
fn ties_are_ordered_by_hops_then_nodes_then_links() {
    // 0-3 directly, over 2, over 1, and a parallel pair 0-1: all 20 m long.
    let links = [(0, 3, 20), (0, 2, 10), (2, 3, 10), (0, 1, 10), (1, 3, 10), (0, 1, 10)];
    let table = PathTable::new(graph(4, &links));
    let paths = table.between(0, 3, 10);
    let found: Vec<_> = paths.iter().map(|path| (path.nodes.to_vec(), path.edges.to_vec())).collect();
    assert_eq!(
        found,
        [
            (vec![0, 3], vec![0]),
            (vec![0, 1, 3], vec![3, 4]),
            (vec![0, 1, 3], vec![5, 4]),
            (vec![0, 2, 3], vec![1, 2]),
        ]
    );
}

#[test]
fn both_directions_have_the_same_paths() {
    let links = [(0, 1, 10), (1, 2, 10), (0, 2, 20), (2, 3, 5)];
    let table = PathTable::new(graph(4, &links));
    assert_eq!(table.between(3, 0, 5), table.between(0, 3, 5));
    assert_eq!(table.between(0, 3, 1)[0].reversed().nodes.to_vec(), [3, 2, 0]);
}

#[test]
fn no_path_same_node_and_unknown_node_are_empty() {
    let table = PathTable::new(graph(4, &[(0, 1, 1)]));
    assert!(table.between(0, 3, 5).is_empty());
    assert!(table.between(1, 1, 5).is_empty());
    assert!(table.between(0, 9, 5).is_empty());
    assert!(table.between(0, 1, 0).is_empty());
}

#[test]
fn a_link_from_a_pop_to_itself_is_on_no_path() {
    let table = PathTable::new(graph(2, &[(0, 0, 1), (0, 1, 1)]));
    assert_eq!(nodes_of(&table.between(0, 1, 5)), [[0, 1]]);
}

#[test]
fn a_link_to_an_unknown_pop_is_refused() {
    let link = (LinkId::new("l").unwrap(), pop(0), pop(7), Length::from_metres(1));
    assert!(matches!(Graph::new([pop(0)], [link]), Err(GraphError::UnknownPop { .. })));
}

#[test]
fn digits_compare_as_numbers() {
    let mut ids = ["pop10", "pop2", "pop02", "pop", "a", "pop2-b", "10", "9"];
    ids.sort_by(|a, b| natural_cmp(a, b));
    assert_eq!(ids, ["9", "10", "a", "pop", "pop02", "pop2", "pop2-b", "pop10"]);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn the_k_best_of_all_loopless_paths_are_found(
        nodes in 2_u32..7,
        // Few distinct lengths, zero among them, so that ties abound.
        links in proptest::collection::vec((0_u32..7, 0_u32..7, 0_u32..4), 0..14),
        k in 1_usize..40,
    ) {
        let links: Vec<_> = links.into_iter().map(|(a, b, l)| (a % nodes, b % nodes, l)).collect();
        let table = PathTable::new(graph(nodes, &links));
        let (source, target) = (0, nodes - 1);
        let mut expected = enumerate(&links, source, target);
        expected.truncate(k);
        prop_assert_eq!(table.between(source, target, k).to_vec(), expected);
    }

    #[test]
    fn natural_order_is_total(a in "[a0-9]{0,5}", b in "[a0-9]{0,5}", c in "[a0-9]{0,5}") {
        use core::cmp::Ordering;
        prop_assert_eq!(natural_cmp(&a, &b), natural_cmp(&b, &a).reverse());
        prop_assert_eq!(natural_cmp(&a, &b) == Ordering::Equal, a == b);
        if natural_cmp(&a, &b).is_le() && natural_cmp(&b, &c).is_le() {
            prop_assert!(natural_cmp(&a, &c).is_le());
        }
    }
}

/// The directory of public networks beside the project, where it is there.
fn networks() -> Option<PathBuf> {
    let directory = std::env::var_os("IPOWDM_TOPOLOGIES").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..").join("../shared/topologies"),
        PathBuf::from,
    );
    if directory.is_dir() {
        return Some(directory);
    }
    println!("skipped: {} is not there; set IPOWDM_TOPOLOGIES", directory.display());
    None
}

/// Compares every pair of a published list of paths with ours.
fn agrees_with(network: &str, list: &str) {
    let Some(directory) = networks() else { return };
    let text = std::fs::read_to_string(directory.join(network)).unwrap();
    let document = crate::topology::TopologyDocument::from_json(&text).unwrap();
    let (pops, links) = document.into_records().unwrap();
    let graph = Graph::new(
        pops.into_iter().map(|pop| pop.id),
        links.into_iter().map(|link| (link.id, link.a, link.b, link.length)),
    )
    .unwrap();
    let table = PathTable::new(graph);
    let list: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string(directory.join(list)).unwrap()).unwrap();
    let k = usize::try_from(list["K"].as_u64().unwrap()).unwrap();
    let mut pairs = HashSet::new();
    for (pair, paths) in list["paths"].as_object().unwrap() {
        let (s, t) = pair.split_once('-').unwrap();
        let paths: Vec<Vec<u32>> = serde_json::from_value(paths.clone()).unwrap();
        assert_eq!(
            nodes_of(&table.between(s.parse().unwrap(), t.parse().unwrap(), k)),
            paths,
            "{network} {pair}"
        );
        pairs.insert(pair);
    }
    assert_eq!(pairs.len(), table.graph().nodes() * (table.graph().nodes() - 1) / 2);
}

#[test]
fn nsfnet_agrees_with_the_published_paths() {
    agrees_with("nsfnet-14-22.json", "paths-nsfnet-14-22-k5.json");
}

#[test]
fn usnet_agrees_with_the_published_paths() {
    agrees_with("usnet-24-43.json", "paths-usnet-24-43-k5.json");
}

#[test]
fn germany50_agrees_with_the_published_paths() {
    agrees_with("germany50.json", "paths-germany50-k5.json");
}
