//! Constraints against all paths, filtered.

use super::*;
use crate::topology::Srlg;

/// A graph of numbered links of which each third shares risk group 1.
fn risky(nodes: u32, links: &[(u32, u32, u32)]) -> Graph {
    let links = links.iter().enumerate().map(|(i, &(a, b, metres))| FibreLink {
        srlgs: if i % 3 == 0 { vec![Srlg(1)] } else { vec![] },
        ..FibreLink::new(LinkId::new(&format!("l{i}")).unwrap(), pop(a), pop(b), Length::from_metres(metres))
    });
    Graph::of((0..nodes).map(|n| Pop::new(pop(n))), links).unwrap()
}

/// Whether a path meets constraints, told from its nodes and edges.
fn meets(path: &DensePath, constraints: &Constraints) -> bool {
    let passes = |pop: &PopId| path.nodes.iter().position(|node| node.to_string() == pop.as_str());
    let Constraints { avoid, include, max_hops, max_length } = constraints;
    let included: Option<Vec<usize>> = include.iter().map(passes).collect();
    !avoid.pops.iter().any(|pop| passes(pop).is_some())
        && !path.edges.iter().any(|edge| avoid.links.iter().any(|link| link.as_str() == format!("l{edge}")))
        && (avoid.srlgs.is_empty() || !path.edges.iter().any(|edge| edge % 3 == 0))
        && included.is_some_and(|places| places.is_sorted())
        && max_hops.is_none_or(|max| path.edges.len() <= usize::from(max))
        && max_length.is_none_or(|max| path.length <= u64::from(max.metres()))
}

fn constraints(nodes: u32) -> impl Strategy<Value = Constraints> {
    let inner = move || proptest::collection::vec(1..nodes - 1, 0..3);
    let links = proptest::collection::vec(0_usize..16, 0..2);
    let limits = (proptest::option::of(0_u16..6), proptest::option::of(0_u32..12));
    (inner(), inner(), links, any::<bool>(), limits).prop_map(|(include, avoid, links, risk, limits)| {
        Constraints {
            avoid: Avoid {
                pops: avoid.into_iter().map(pop).collect(),
                links: links.into_iter().map(|n| LinkId::new(&format!("l{n}")).unwrap()).collect(),
                srlgs: if risk { vec![Srlg(1)] } else { vec![] },
            },
            include: include.into_iter().map(pop).collect(),
            max_hops: limits.0,
            max_length: limits.1.map(Length::from_metres),
        }
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1500, ..ProptestConfig::default() })]

    #[test]
    fn the_first_paths_that_meet_the_constraints_are_found_in_order(
        // Enough links that every avoided one is there; few lengths, so that ties abound.
        links in proptest::collection::vec((0_u32..6, 0_u32..6, 0_u32..4), 16..=16),
        asked in constraints(6),
        k in 1_usize..8,
        backwards in any::<bool>(),
    ) {
        let table = PathTable::new(risky(6, &links));
        let mut expected: Vec<_> = enumerate(&links, 0, 5).into_iter().filter(|path| meets(path, &asked)).collect();
        expected.truncate(k);
        let (from, to, asked) = if backwards {
            expected.iter_mut().for_each(|path| *path = path.reversed());
            let mut turned = asked.clone();
            turned.include.reverse();
            (5, 0, turned)
        } else {
            (0, 5, asked)
        };
        let contradicts = asked.include.iter().enumerate().any(|(at, pop)| {
            asked.include[..at].contains(pop) || asked.avoid.pops.contains(pop)
        });
        match table.constrained(&pop(from), &pop(to), k, &asked) {
            Ok(paths) => prop_assert_eq!(paths, expected),
            Err(PathError::NoPath { .. }) => prop_assert!(expected.is_empty()),
            Err(PathError::Contradiction { .. }) => prop_assert!(contradicts),
            Err(other) => prop_assert!(false, "{other}"),
        }
    }
}

#[test]
fn what_cannot_be_asked_is_refused_by_name() {
    let table = PathTable::new(graph(4, &[(0, 1, 1), (1, 2, 1), (2, 3, 1)]));
    let refused = |asked: Constraints| table.constrained(&pop(0), &pop(3), 3, &asked).unwrap_err();
    let include = |pops: Vec<PopId>| Constraints { include: pops, ..Constraints::default() };
    let avoid = |avoid: Avoid| Constraints { avoid, ..Constraints::default() };
    assert_eq!(refused(include(vec![pop(0)])), PathError::Contradiction { pop: "0".to_owned() });
    assert_eq!(refused(include(vec![pop(1), pop(1)])), PathError::Contradiction { pop: "1".to_owned() });
    assert_eq!(refused(include(vec![pop(8)])), PathError::UnknownPop { pop: "8".to_owned() });
    let many = (10..19).map(pop).collect();
    assert!(matches!(refused(include(many)), PathError::TooMany { count: 9, most: MAX_INCLUDED, .. }));
    let unknown = Avoid { links: vec![LinkId::new("x").unwrap()], ..Avoid::default() };
    assert_eq!(refused(avoid(unknown)), PathError::UnknownLink { link: "x".to_owned() });
    let on_the_way = Avoid { pops: vec![pop(1)], ..Avoid::default() };
    assert!(matches!(refused(avoid(on_the_way)), PathError::NoPath { .. }));
    let short = Constraints { max_length: Some(Length::from_metres(2)), ..Constraints::default() };
    assert!(matches!(refused(short), PathError::NoPath { .. }));
    assert_eq!(table.constrained(&pop(3), &pop(0), 3, &Constraints::default()).unwrap().len(), 1);
}

/// Two full meshes of 16 joined by PoP 16.
fn meshes() -> Vec<(u32, u32, u32)> {
    let mesh =
        |first: u32| (first..first + 16).flat_map(move |a| (a + 1..first + 16).map(move |b| (a, b, 1)));
    mesh(0).chain(mesh(17)).chain([(15, 16, 1), (16, 17, 1)]).collect()
}

fn over(pops: &[u32]) -> Constraints {
    Constraints { include: pops.iter().map(|&n| pop(n)).collect(), ..Constraints::default() }
}

#[test]
fn a_pop_that_no_path_can_leave_again_is_known_to_be_on_none() {
    // A PoP that hangs on the near mesh by one link.
    let mut links = meshes();
    links.push((1, 33, 1));
    let table = PathTable::new(graph(34, &links));
    let refused = table.constrained(&pop(0), &pop(32), 1, &over(&[33])).unwrap_err();
    assert!(matches!(refused, PathError::NoPath { .. }), "{refused}");
}

#[test]
fn a_pop_behind_the_way_there_is_passed_without_trying_every_path() {
    // A ladder whose rungs are long: the walk to the far end of the other rail and back along the same rail is the cheapest.
    const RUNGS: u32 = 40;
    let mut links: Vec<(u32, u32, u32)> = Vec::new();
    for at in 0..RUNGS {
        links.push((at, RUNGS + at, 7));
        if at + 1 < RUNGS {
            links.extend([(at, at + 1, 1), (RUNGS + at, RUNGS + at + 1, 1)]);
        }
    }
    let table = PathTable::new(graph(2 * RUNGS, &links));
    let paths = table.constrained(&pop(0), &pop(1), 3, &over(&[RUNGS - 1])).unwrap();
    // Along the other rail to the end, over the last rung and back.
    assert_eq!((paths[0].edges.len(), paths[0].length), (79, 7 + 39 + 7 + 38));
    assert!(paths.is_sorted_by_key(|path| path.length));
}

#[test]
fn a_search_that_would_take_for_ever_is_given_up() {
    // Two PoPs to pass that both hang on the same two of the near mesh: either can be passed, not both.
    let mut links = meshes();
    links.extend([(1, 33, 1), (2, 33, 1), (1, 34, 1), (2, 34, 1)]);
    let table = PathTable::new(graph(35, &links));
    assert!(table.constrained(&pop(0), &pop(32), 1, &over(&[33])).is_ok());
    let given_up = table.constrained(&pop(0), &pop(32), 1, &over(&[33, 34])).unwrap_err();
    assert!(matches!(given_up, PathError::SearchLimit { found: 0, .. }), "{given_up}");
}
