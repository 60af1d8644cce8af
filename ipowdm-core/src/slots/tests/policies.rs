//! Every policy against its definition, on random states.

use super::*;
use rand::rngs::Xoshiro256PlusPlus;
use rand::{Rng, RngExt, SeedableRng};

/// States looked at: all that are promised where the sweeps are asked for whole, else a share that a debug build does in seconds.
fn states() -> u32 {
    if std::env::var_os("IPOWDM_SWEEPS").is_some_and(|value| value == "full") { 10_000_000 } else { 20_000 }
}

/// One question, kept as plain bits.
struct Case {
    links: Vec<Vec<bool>>,
    legal: Option<Vec<bool>>,
    need: usize,
}

impl Case {
    /// A random path of 1 to 3 links of one of the widths in use, from nearly empty to nearly full, some with a hole.
    fn random(random: &mut Xoshiro256PlusPlus) -> Self {
        const BITS: [usize; 7] = [1, 64, 80, 130, 320, 784, 1536];
        // Wide bitmaps cost the definition most and differ least from 784.
        let class = match random.random_range(0..100_u32) {
            0 => 6,
            1..=4 => 5,
            5..=20 => 4,
            n => n as usize % 4,
        };
        let bits = BITS[class];
        let mean = [2, 6, 20, 80][random.random_range(0..4)];
        let busy = random.random_range(1..10_u32);
        let hole = random.random_bool(0.3).then(|| random.random_range(0..bits));
        let links = (0..random.random_range(1..4)).map(|_| {
            let mut link = Vec::with_capacity(bits);
            while link.len() < bits {
                let free = random.random_range(0..10) >= busy;
                let run = random.random_range(1..=mean).min(bits - link.len());
                link.resize(link.len() + run, free);
            }
            if let Some(at) = hole {
                let end = (at + bits / 8 + 1).min(bits);
                link[at..end].fill(false);
            }
            link
        });
        let links = links.collect();
        let legal = random.random_bool(0.5).then(|| {
            let (stride, phase) = (random.random_range(1..17), random.random_range(0..17));
            (0..bits).map(|bit| (bit + phase) % stride == 0).collect()
        });
        Self { links, legal, need: [1, 2, 4, 8, 12, 32, 63, 64, 65, 100][random.random_range(0..10)] }
    }

    fn free(&self) -> Vec<bool> {
        (0..self.links[0].len()).map(|bit| self.links.iter().all(|link| link[bit])).collect()
    }

    /// All starts, lowest first.
    fn starts(&self) -> Vec<usize> {
        let free = self.free();
        let legal = |start: usize| self.legal.as_ref().is_none_or(|legal| legal[start]);
        let mut run = 0;
        let mut starts: Vec<usize> = (0..free.len())
            .rev()
            .filter(|&bit| {
                run = if free[bit] { run + 1 } else { 0 };
                run >= self.need && legal(bit)
            })
            .collect();
        starts.reverse();
        starts
    }

    fn is_exact(&self, free: &[bool], start: usize) -> bool {
        (start == 0 || !free[start - 1]) && free.get(start + self.need).is_none_or(|free| !free)
    }

    /// Blocks of the widths that count on all links, counted one by one.
    fn blocks(links: &[Vec<bool>], widths: &[usize]) -> u64 {
        let count = |link: &Vec<bool>| -> u64 {
            let runs = link.split(|bit| !bit).map(<[bool]>::len);
            let of = |run: usize| -> u64 {
                let fits = |width: &usize| u64::try_from((run + 1).saturating_sub(*width)).unwrap();
                if widths.is_empty() {
                    (1..=run).map(|width| fits(&width)).sum()
                } else {
                    widths.iter().map(fits).sum()
                }
            };
            runs.map(of).sum()
        };
        links.iter().map(count).sum()
    }

    fn loss(&self, start: usize, widths: &[usize]) -> u64 {
        let mut after = self.links.clone();
        for link in &mut after {
            link[start..start + self.need].fill(false);
        }
        Self::blocks(&self.links, widths) - Self::blocks(&after, widths)
    }
}

#[test]
fn s0_15_every_policy_takes_the_start_that_its_definition_names() {
    let mut random = Xoshiro256PlusPlus::seed_from_u64(0x51_07);
    for state in 0..states() {
        let case = Case::random(&mut random);
        let links: Vec<Slots> = case.links.iter().map(|link| bitmap(link)).collect();
        let mut free = links[0].clone();
        links.iter().for_each(|link| free.intersect(link));
        let legal = case.legal.as_ref().map(|legal| bitmap(legal));
        let need = u16::try_from(case.need).unwrap();
        let mut search = Search::new(&free, need);
        if let Some(legal) = &legal {
            search = search.at(legal);
        }
        let wanted = |start: Option<usize>| start.map(|start| u16::try_from(start).unwrap());
        let (starts, bits) = (case.starts(), case.free());
        assert_eq!(search.find(Policy::FirstFit), wanted(starts.first().copied()), "state {state}");
        assert_eq!(search.find(Policy::LastFit), wanted(starts.last().copied()), "state {state}");
        let exact = starts.iter().find(|start| case.is_exact(&bits, **start)).or(starts.first());
        assert_eq!(search.find(Policy::ExactFit), wanted(exact.copied()), "state {state}");
        let word = random.next_u64();
        let rank = usize::try_from((u128::from(word) * starts.len() as u128) >> 64).unwrap();
        assert_eq!(search.random(word), wanted(starts.get(rank).copied()), "state {state}");
        // The definition of the loss counts all blocks of all links for every start: on every 64th state, and narrow ones.
        if state % 64 == 0 && bits.len() <= 320 {
            for widths in [&[][..], &[1, 4, 8, 32], &[12]] {
                let least = starts.iter().copied().min_by_key(|&start| (case.loss(start, widths), start));
                let narrow: Vec<u16> = widths.iter().map(|&width| u16::try_from(width).unwrap()).collect();
                let found =
                    search.least_fragmenting(links.iter().map(Slots::words), Loss { widths: &narrow });
                assert_eq!(found, wanted(least), "state {state}, widths {widths:?}");
            }
        }
    }
    std::println!("{} random states, five policies", states());
}

#[test]
fn a_need_of_nothing_is_found_nowhere() {
    let free = Slots::all_free(100);
    for policy in Policy::ALL {
        assert_eq!(Search::new(&free, 0).find(policy), None, "{policy}");
        assert_eq!(Search::new(&free, 101).find(policy), None, "{policy}");
        assert!(Search::new(&free, 100).find(policy).is_some(), "{policy}");
    }
}

#[test]
fn random_fit_reaches_every_start_equally_often() {
    let free = Slots::all_free(20);
    let mut random = Xoshiro256PlusPlus::seed_from_u64(3);
    let mut seen = [0_u32; 17];
    for _ in 0..170_000 {
        seen[usize::from(Search::new(&free, 4).random(random.next_u64()).unwrap())] += 1;
    }
    // 10 000 each; five standard deviations are 486.
    assert!(seen.iter().all(|count| count.abs_diff(10_000) < 486), "{seen:?}");
}

#[test]
fn policies_are_named_and_read_back() {
    for policy in Policy::ALL {
        assert_eq!(policy.name().parse::<Policy>(), Ok(policy));
        let json = serde_json::to_string(&policy).unwrap();
        assert_eq!(json.trim_matches('"'), policy.name());
    }
    assert_eq!("best-fit".parse::<Policy>(), Err(UnknownPolicy));
}
