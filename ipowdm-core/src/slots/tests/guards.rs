//! Guard bands against their definition.

use super::*;

/// Whether a slot of a signal that asks for `guard` keeps its distance to all others, and they to it.
fn legal(signals: &[(u16, u16, u16)], bits: u16, (first, count, guard): (u16, u16, u16)) -> bool {
    first + count <= bits
        && signals.iter().all(|&(other, width, theirs)| {
            let needed = guard.max(theirs);
            first + count + needed <= other || other + width + needed <= first
        })
}

/// The signals next to a place, one on each side.
fn neighbours(signals: &[(u16, u16, u16)], first: u16) -> Vec<(u16, u16, u16)> {
    let below = signals.iter().filter(|signal| signal.0 < first).max();
    let above = signals.iter().filter(|signal| signal.0 > first).min();
    below.into_iter().chain(above).copied().collect()
}

#[test]
fn the_greater_guard_of_two_neighbours_holds_and_is_not_added() {
    let mut fibre = Guarded::unlit(100);
    fibre.take(20, 10, 2).unwrap();
    // A wider guard of the newcomer holds, a narrower one does not weaken the other's, and none is added.
    assert!(fibre.free_for(5).are_free(0, 15) && !fibre.free_for(5).is_free(15));
    assert!(fibre.free_for(0).are_free(0, 18) && !fibre.free_for(0).is_free(18));
    assert!(fibre.free_for(2).are_free(32, 68) && !fibre.free_for(2).is_free(31));
    assert_eq!(fibre.take(31, 4, 0), Err(SlotsError::Occupied { bit: 31 }));
    fibre.take(35, 10, 5).unwrap();
    assert_eq!(fibre.free_for(0).runs().collect::<Vec<_>>(), [(0, 18), (50, 50)]);
}

#[test]
fn no_guard_is_owed_to_the_edge_of_the_raster() {
    let mut fibre = Guarded::unlit(30);
    fibre.take(0, 10, 8).unwrap();
    fibre.take(20, 10, 8).unwrap();
    assert_eq!(fibre.signals().runs().collect::<Vec<_>>(), [(10, 10)]);
    assert_eq!(fibre.free_for(0).free(), 0);
}

proptest! {
    #[test]
    fn free_is_where_every_distance_is_kept(
        asked in proptest::collection::vec((0_u16..130, 1_u16..12, 0_u16..6, any::<bool>()), 1..60),
        probe in 0_u16..6,
    ) {
        let bits = 130;
        let mut fibre = Guarded::unlit(bits);
        let mut signals: Vec<(u16, u16, u16)> = Vec::new();
        for (first, count, guard, remove) in asked {
            if remove && !signals.is_empty() {
                let signal = signals.remove(usize::from(first) % signals.len());
                fibre.release(signal, neighbours(&signals, signal.0)).unwrap();
            } else {
                let allowed = legal(&signals, bits, (first, count, guard));
                let before = fibre.clone();
                prop_assert_eq!(fibre.take(first, count, guard).is_ok(), allowed);
                if allowed {
                    signals.push((first, count, guard));
                } else {
                    prop_assert_eq!(&fibre, &before);
                }
            }
            for bit in 0..bits {
                prop_assert_eq!(fibre.free_for(probe).is_free(bit), legal(&signals, bits, (bit, 1, probe)), "bit {}", bit);
            }
            prop_assert_eq!(&Guarded::with(bits, signals.iter().copied()).unwrap(), &fibre);
        }
    }
}
