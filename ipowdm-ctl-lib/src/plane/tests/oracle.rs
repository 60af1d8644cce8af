//! The definition of an allocator, slot by slot.

use super::*;

const FIBRES: u32 = 5;
const BITS: u16 = 70;
/// Paths as they are made known, in two lists of candidates.
const LISTS: [&[&[u32]]; 3] = [&[&[0], &[1, 2]], &[&[1, 2, 3], &[0, 4]], &[&[4, 3, 2, 1, 0]]];

/// What happens next.
#[derive(Debug, Clone)]
pub(super) enum Step {
    /// A request on a list.
    Ask { list: usize, need: u16, guard: u16, sparse: bool, policy: Policy, random: u64 },
    /// The release of one that lives.
    Release(usize),
    /// The release of one that was released already.
    ReleaseAgain(usize),
}

pub(super) fn steps() -> impl Strategy<Value = Vec<Step>> {
    let policy = proptest::sample::select(Policy::ALL.to_vec());
    let ask = (0..LISTS.len(), 1_u16..14, 0_u16..4, any::<bool>(), policy, any::<u64>()).prop_map(
        |(list, need, guard, sparse, policy, random)| Step::Ask { list, need, guard, sparse, policy, random },
    );
    let step = prop_oneof![
        5 => ask,
        3 => any::<usize>().prop_map(Step::Release),
        1 => any::<usize>().prop_map(Step::ReleaseAgain)
    ];
    proptest::collection::vec(step, 1..80)
}

pub(super) struct Oracle {
    plane: Plane,
    lists: Vec<Candidates>,
    starts: StartsId,
    usable: Slots,
    guards: bool,
    live: Vec<(Grant, Vec<u32>)>,
    dead: Vec<Handle>,
}

impl Oracle {
    pub(super) fn new(guards: bool, hole: bool) -> Self {
        let mut usable = Slots::all_free(BITS);
        if hole {
            usable.take(30, 9).unwrap();
        }
        let mut plane = Plane::with_usable(FIBRES, &usable).unwrap();
        if guards {
            plane = plane.keeping_guards().unwrap();
        }
        plane.expect_widths(&[1, 4, 12]);
        let lists = LISTS.iter().map(|list| plane.add_paths(list.iter()).unwrap()).collect();
        let mut starts = Slots::all_occupied(BITS);
        (2..BITS).step_by(3).for_each(|bit| starts.release(bit, 1).unwrap());
        let starts = plane.add_starts(starts).unwrap();
        Self { plane, lists, starts, usable, guards, live: Vec::new(), dead: Vec::new() }
    }

    fn is_legal(&self, hops: &[u32], start: u16, request: &Request) -> bool {
        let end = start + request.need;
        let clear = |grant: &Grant| {
            let gap = request.guard.max(grant.guard);
            end + gap <= grant.first || grant.first + grant.count + gap <= start
        };
        let shares = |fibres: &[u32]| fibres.iter().any(|fibre| hops.contains(fibre));
        end <= BITS
            && (start..end).all(|slot| self.usable.is_free(slot))
            && (request.starts.is_none() || start % 3 == 2)
            && self.live.iter().filter(|(_, fibres)| shares(fibres)).all(|(grant, _)| clear(grant))
    }

    /// The path and start by the definition of first-fit; other policies must choose among the legal starts of the same path.
    fn expected(&self, list: usize, request: &Request) -> Option<(&'static [u32], Vec<u16>)> {
        LISTS[list].iter().find_map(|hops| {
            let starts: Vec<u16> = (0..BITS).filter(|&start| self.is_legal(hops, start, request)).collect();
            (!starts.is_empty()).then_some((*hops, starts))
        })
    }

    pub(super) fn play(&mut self, step: &Step) -> Result<(), TestCaseError> {
        match *step {
            Step::Ask { list, need, guard, sparse, policy, random } => {
                let guard = if self.guards { guard } else { 0 };
                let starts = sparse.then_some(self.starts);
                self.ask(list, Request { need, guard, starts, policy, random })?;
            }
            Step::Release(which) if !self.live.is_empty() => {
                let (grant, _) = self.live.swap_remove(which % self.live.len());
                prop_assert_eq!(self.plane.release(grant.handle), Ok(grant));
                self.dead.push(grant.handle);
            }
            Step::ReleaseAgain(which) if !self.dead.is_empty() => {
                let handle = self.dead[which % self.dead.len()];
                prop_assert_eq!(self.plane.release(handle), Err(PlaneError::UnknownHandle { handle }));
            }
            Step::Release(_) | Step::ReleaseAgain(_) => {}
        }
        self.compare()
    }

    fn ask(&mut self, list: usize, request: Request) -> Result<(), TestCaseError> {
        let expected = self.expected(list, &request);
        match (self.plane.allocate(self.lists[list], request), expected) {
            (Ok(grant), Some((hops, starts))) => {
                prop_assert_eq!(self.plane.path(grant.path), Some(hops));
                prop_assert!(starts.contains(&grant.first), "{:?} of {:?}", grant, starts);
                match request.policy {
                    Policy::FirstFit => prop_assert_eq!(Some(&grant.first), starts.first()),
                    Policy::LastFit => prop_assert_eq!(Some(&grant.first), starts.last()),
                    Policy::RandomFit => {
                        let rank = (u128::from(request.random) * starts.len() as u128) >> 64;
                        prop_assert_eq!(grant.first, starts[usize::try_from(rank).unwrap()]);
                    }
                    _ => {}
                }
                prop_assert_eq!((grant.count, grant.guard), (request.need, request.guard));
                self.live.push((grant, hops.to_vec()));
            }
            (Err(PlaneError::NoSpectrum { paths }), None) => {
                prop_assert_eq!(paths as usize, LISTS[list].len());
            }
            (answer, expected) => prop_assert!(false, "{:?}, expected {:?}", answer, expected),
        }
        Ok(())
    }

    /// Every slot of every fibre has the owner that the oracle says.
    fn compare(&self) -> Result<(), TestCaseError> {
        prop_assert_eq!(self.plane.active(), self.live.len());
        for fibre in 0..FIBRES {
            let mut free = self.usable.clone();
            for slot in 0..BITS + 3 {
                let holds = |(grant, fibres): &&(Grant, Vec<u32>)| {
                    fibres.contains(&fibre) && (grant.first..grant.first + grant.count).contains(&slot)
                };
                let mut owners = self.live.iter().filter(holds);
                let owner = owners.next().map(|(grant, _)| grant.handle);
                prop_assert!(owners.next().is_none(), "two owners of slot {} of fibre {}", slot, fibre);
                prop_assert_eq!(self.plane.owner(fibre, slot), owner, "slot {} of fibre {}", slot, fibre);
                if owner.is_some() {
                    free.take(slot, 1).unwrap();
                }
            }
            prop_assert_eq!(self.plane.free(fibre), Some(free));
        }
        prop_assert_eq!(self.plane.free(FIBRES), None);
        prop_assert_eq!(self.plane.owner(FIBRES, 0), None);
        Ok(())
    }

    /// Releases everything; the plane is as it was.
    pub(super) fn release_all(mut self) -> Result<(), TestCaseError> {
        for (grant, _) in std::mem::take(&mut self.live) {
            prop_assert_eq!(self.plane.release(grant.handle), Ok(grant));
        }
        self.compare()?;
        let whole = Request::of(if self.usable.is_free(30) { BITS } else { 30 });
        prop_assert_eq!(self.plane.allocate(self.lists[2], whole).map(|grant| grant.first), Ok(0));
        Ok(())
    }
}
