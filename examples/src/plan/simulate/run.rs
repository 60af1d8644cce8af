//! One run: the loop of arrivals and departures.

use super::events::Departures;
use super::network::Network;
use super::{SimulateError, Workload};
use crate::plan::core_time;
use crate::plan::progress::Progress;
use ipowdm_ctl_lib::plane::{Candidates, Handle, Plane, PlaneError, Request};
use rand::rngs::Xoshiro256PlusPlus;
use rand::{Rng, RngExt, SeedableRng};
use rand_distr::Exp1;
use std::time::Duration;

/// Parts of a run between which progress is told, and of which a single run makes its interval.
pub(super) const BATCHES: u32 = 20;

/// What a run counted.
#[derive(Debug, Clone, Default)]
pub(super) struct Tally {
    /// By size: requests and those of them that were blocked.
    pub(super) sizes: Vec<Count>,
    /// By batch.
    pub(super) batches: Vec<Count>,
    /// All requests, those that filled the network included.
    pub(super) played: u64,
    /// Time that the loop had a core.
    pub(super) took: Duration,
}

/// Requests, and those of them that were blocked.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Count {
    pub(super) offered: u64,
    pub(super) blocked: u64,
}

impl Count {
    pub(super) fn add(&mut self, other: Self) {
        self.offered += other.offered;
        self.blocked += other.blocked;
    }
}

/// A network under traffic.
pub(super) struct Run<'a> {
    plane: Plane,
    pairs: &'a [Candidates],
    workload: &'a Workload,
    random: Xoshiro256PlusPlus,
    departures: Departures<Handle>,
    now: f64,
    /// Mean time between arrivals.
    gap: f64,
}

/// Number ⌊part · count / 2³²⌋: uniform to within count / 2³², which is 10⁻⁶ for a thousand pairs.
fn scaled(part: u64, count: usize) -> usize {
    (((part & u64::from(u32::MAX)) * count as u64) >> 32) as usize
}

/// Spreads seeds that are close to each other (the finaliser of SplitMix64).
const fn hashed(seed: u64) -> u64 {
    let mut hash = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    hash = (hash ^ hash >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    hash = (hash ^ hash >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    hash ^ hash >> 31
}

impl<'a> Run<'a> {
    /// The network without traffic. The seeds of a workload are hashed, and each run's number into them.
    pub(super) fn new(
        network: &'a Network,
        workload: &'a Workload,
        number: u32,
    ) -> Result<Self, SimulateError> {
        let seed = hashed(hashed(workload.seed).wrapping_add(u64::from(number) + 1));
        Ok(Self {
            plane: network.plane.clone(),
            pairs: &network.pairs,
            workload,
            random: Xoshiro256PlusPlus::seed_from_u64(seed),
            departures: Departures::paced(workload.load),
            now: 0.0,
            gap: workload.load.recip(),
        })
    }

    /// Fills the network and counts.
    pub(super) fn play(mut self, progress: &Progress) -> Result<Tally, SimulateError> {
        let started = core_time();
        let warm_up = self.workload.warm_up();
        let mut sizes = vec![Count::default(); self.workload.sizes.len()];
        self.requests(warm_up, &mut sizes)?;
        sizes.fill(Count::default());
        let mut batches = Vec::with_capacity(BATCHES as usize);
        let share = |batch: u32| self.workload.requests * u64::from(batch) / u64::from(BATCHES);
        let shares: Vec<u64> = (0..BATCHES).map(|batch| share(batch + 1) - share(batch)).collect();
        for count in shares {
            batches.push(self.requests(count, &mut sizes)?);
            progress.advance();
        }
        Ok(Tally {
            sizes,
            batches,
            played: warm_up + self.workload.requests,
            took: core_time().saturating_sub(started),
        })
    }

    /// Plays so many requests and counts them.
    fn requests(&mut self, count: u64, sizes: &mut [Count]) -> Result<Count, SimulateError> {
        let mut sum = Count::default();
        let (widths, policy, guard) = (&self.workload.sizes[..], self.workload.policy, self.workload.guard);
        for _ in 0..count {
            let gap: f64 = self.random.sample(Exp1);
            self.now += gap * self.gap;
            let plane = &mut self.plane;
            self.departures.until(self.now, |handle| plane.release(handle).map(|_| ()))?;
            let word = self.random.next_u64();
            let (pair, size) = (scaled(word >> 32, self.pairs.len()), scaled(word, widths.len()));
            let random = if needs_random(policy) { self.random.next_u64() } else { 0 };
            let request = Request { guard, policy, random, ..Request::of(widths[size]) };
            let blocked = match self.plane.allocate(self.pairs[pair], request) {
                Ok(grant) => {
                    let holding: f64 = self.random.sample(Exp1);
                    self.departures.add(self.now + holding, grant.handle);
                    false
                }
                Err(PlaneError::NoSpectrum { .. }) => true,
                Err(error) => return Err(error.into()),
            };
            let count = Count { offered: 1, blocked: u64::from(blocked) };
            sizes[size].add(count);
            sum.add(count);
        }
        Ok(sum)
    }
}

/// Whether a policy chooses by a random word.
const fn needs_random(policy: ipowdm_core::slots::Policy) -> bool {
    matches!(policy, ipowdm_core::slots::Policy::RandomFit)
}
