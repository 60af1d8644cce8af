//! After any change the paths taken over are those that a search from scratch finds, and only the concerned ones are lost.

use super::*;
use crate::topology::UpDown;
use std::collections::BTreeMap;

/// A topology that changes.
#[derive(Debug, Clone, Default)]
struct Network {
    pops: BTreeMap<u32, Pop>,
    links: BTreeMap<u32, FibreLink>,
}

#[derive(Debug, Clone)]
enum Deed {
    AddPop(u32),
    /// With its links.
    RemovePop(u32),
    SwitchPop(u32, bool),
    /// Also replaces a link of that number: other ends, another length.
    AddLink(u32, u32, u32, u32),
    RemoveLink(u32),
    SetLength(u32, u32),
    SwitchLink(u32, bool),
}

fn state(up: bool) -> UpDown {
    if up { UpDown::Up } else { UpDown::Down }
}

impl Network {
    fn apply(&mut self, deed: &Deed) {
        match *deed {
            Deed::AddPop(n) => drop(self.pops.entry(n).or_insert_with(|| Pop::new(pop(n)))),
            Deed::RemovePop(n) => {
                self.pops.remove(&n);
                self.links.retain(|_, link| link.a != pop(n) && link.b != pop(n));
            }
            Deed::SwitchPop(n, up) => self.pops.get_mut(&n).into_iter().for_each(|pop| pop.admin = state(up)),
            Deed::AddLink(id, a, b, metres) => {
                if a != b && self.pops.contains_key(&a) && self.pops.contains_key(&b) {
                    let name = LinkId::new(&format!("l{id}")).unwrap();
                    let link = FibreLink::new(name, pop(a), pop(b), Length::from_metres(metres));
                    self.links.insert(id, link);
                }
            }
            Deed::RemoveLink(id) => drop(self.links.remove(&id)),
            Deed::SetLength(id, metres) => {
                let link = self.links.get_mut(&id);
                link.into_iter().for_each(|link| link.length = Length::from_metres(metres));
            }
            Deed::SwitchLink(id, up) => {
                self.links.get_mut(&id).into_iter().for_each(|link| link.oper = state(up));
            }
        }
    }

    fn graph(&self) -> Graph {
        Graph::of(self.pops.values().cloned(), self.links.values().cloned()).unwrap()
    }
}

fn deed() -> impl Strategy<Value = Deed> {
    // Names with one and two digits, so that numbers move when PoPs come and go; few lengths, so that ties abound.
    let node = || (0_u32..6).prop_map(|n| n * 3);
    let link = || 0_u32..14;
    let metres = || 0_u32..5;
    prop_oneof![
        1 => node().prop_map(Deed::AddPop),
        1 => node().prop_map(Deed::RemovePop),
        1 => (node(), any::<bool>()).prop_map(|(n, up)| Deed::SwitchPop(n, up)),
        6 => (link(), node(), node(), metres()).prop_map(|(id, a, b, m)| Deed::AddLink(id, a, b, m)),
        2 => link().prop_map(Deed::RemoveLink),
        4 => (link(), metres()).prop_map(|(id, m)| Deed::SetLength(id, m)),
        4 => (link(), any::<bool>()).prop_map(|(id, up)| Deed::SwitchLink(id, up)),
    ]
}

fn whole() -> impl Strategy<Value = Network> {
    proptest::collection::vec((0_u32..14, 0_u32..6, 0_u32..6, 0_u32..5), 4..16).prop_map(|links| {
        let mut network = Network::default();
        (0..6).for_each(|n| network.apply(&Deed::AddPop(n * 3)));
        for (id, a, b, metres) in links {
            network.apply(&Deed::AddLink(id, a * 3, b * 3, metres));
        }
        network
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn what_is_taken_over_is_what_a_search_from_scratch_finds(
        first in whole(),
        steps in proptest::collection::vec((proptest::collection::vec(deed(), 1..4), 1_usize..7), 1..12),
    ) {
        let mut network = first;
        let mut table = PathTable::new(network.graph());
        for (deeds, k) in steps {
            let nodes = u32::try_from(table.graph().nodes()).unwrap();
            let fresh = PathTable::new(network.graph());
            for (low, high) in (0..nodes).flat_map(|low| (low + 1..nodes).map(move |high| (low, high))) {
                // Another number of paths for each pair.
                let k = 1 + (k + low as usize + 2 * high as usize) % 7;
                prop_assert_eq!(table.between(low, high, k), fresh.between(low, high, k));
            }
            deeds.iter().for_each(|deed| network.apply(deed));
            table = table.successor(network.graph());
        }
    }
}

/// A ring of six PoPs and a spur 0-18; the shortest path of every pair is kept, and none has another as long.
fn ring() -> (Network, PathTable) {
    let mut network = Network::default();
    (0..7).for_each(|n| network.apply(&Deed::AddPop(n * 3)));
    for (n, metres) in (0..).zip([10, 11, 13, 17, 23, 31]) {
        network.apply(&Deed::AddLink(n, n * 3, (n + 1) % 6 * 3, metres));
    }
    network.apply(&Deed::AddLink(6, 0, 18, 1));
    let table = PathTable::new(network.graph());
    for (low, high) in (0..7).flat_map(|low| (low + 1..7).map(move |high| (low, high))) {
        let _ = table.between(low, high, 1);
    }
    (network, table)
}

#[test]
fn a_link_that_goes_down_drops_the_pairs_that_use_it_and_no_other() {
    let (mut network, table) = ring();
    assert_eq!(table.kept_pairs(), 21);
    let users = (0..7)
        .flat_map(|low| (low + 1..7).map(move |high| (low, high)))
        .filter(|&(low, high)| table.between(low, high, 1)[0].edges.contains(&2))
        .count();
    network.apply(&Deed::SwitchLink(2, false));
    let next = table.successor(network.graph());
    assert_eq!(next.kept_pairs(), 21 - users);
    assert!(users > 0 && users < 21);
    for (low, high) in (0..7).flat_map(|low| (low + 1..7).map(move |high| (low, high))) {
        let _ = next.between(low, high, 1);
    }
    // Back in service it concerns those same pairs: for the others it is a detour.
    let again = next.successor(ring().0.graph());
    assert_eq!(again.kept_pairs(), 21 - users);
}

#[test]
fn a_better_link_drops_the_pairs_that_it_comes_near_and_no_other() {
    let (mut network, table) = ring();
    // The pairs that used it get a shorter path; the others are shorter around the other side still.
    network.apply(&Deed::SetLength(1, 9));
    let expected = {
        let fresh = PathTable::new(network.graph());
        let pairs = (0..7).flat_map(|low| (low + 1..7).map(move |high| (low, high)));
        pairs.filter(|&(low, high)| fresh.between(low, high, 1) == table.between(low, high, 1)).count()
    };
    assert_eq!(table.successor(network.graph()).kept_pairs(), expected);
}

#[test]
fn what_is_known_to_be_all_is_dropped_by_any_link_in_reach_and_kept_otherwise() {
    let mut network = Network::default();
    (0..4).for_each(|n| network.apply(&Deed::AddPop(n)));
    network.apply(&Deed::AddLink(0, 0, 1, 10));
    network.apply(&Deed::AddLink(1, 2, 3, 10));
    let table = PathTable::new(network.graph());
    assert_eq!((table.between(0, 1, 5).len(), table.between(2, 3, 5).len()), (1, 1));
    assert!(table.between(0, 2, 5).is_empty());
    // A second link between 0 and 1, however long, is a second path there; 2-3 and 0-2 have nothing of it.
    network.apply(&Deed::AddLink(2, 0, 1, 4_000));
    let table = table.successor(network.graph());
    assert_eq!(table.kept_pairs(), 2);
    assert_eq!((table.between(0, 1, 5).len(), table.between(0, 2, 5).len()), (2, 0));
    network.apply(&Deed::AddLink(3, 1, 2, 10));
    let table = table.successor(network.graph());
    assert_eq!(table.between(0, 2, 5).len(), 2);
}

#[test]
fn pops_that_come_and_go_renumber_what_is_kept() {
    let (mut network, table) = ring();
    network.apply(&Deed::AddPop(1));
    let table = table.successor(network.graph());
    assert_eq!((table.kept_pairs(), table.graph().node(&pop(3))), (21, Some(2)));
    assert_eq!(nodes_of(&table.between(0, 2, 1)), [[0, 2]]);
    network.apply(&Deed::RemovePop(0));
    let kept = table.successor(network.graph()).kept_pairs();
    assert!(kept > 0 && kept < 21, "{kept}");
}

#[test]
fn a_table_that_has_a_successor_is_still_right() {
    let (mut network, table) = ring();
    network.apply(&Deed::RemoveLink(0));
    let next = table.successor(network.graph());
    assert_eq!(table.kept_pairs(), 0);
    assert_eq!(nodes_of(&table.between(0, 1, 1)), [[0, 1]]);
    assert_eq!(nodes_of(&next.between(0, 1, 1)), [[0, 5, 4, 3, 2, 1]]);
}
