//! What goes wrong by chance, the same for the same seed.

use rand::rngs::Xoshiro256PlusPlus;
use rand::{RngExt as _, SeedableRng as _};
use std::sync::{Mutex, PoisonError};

/// How often things go wrong, in thousandths; zero by default.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Rates {
    /// Of publish calls: confirmed, and never in the log.
    pub(crate) lost: u32,
    /// In the log twice.
    pub(crate) twice: u32,
    /// Confirmed, and in the log only some seconds later, after what was sent meanwhile.
    pub(crate) late: u32,
    /// In the log, and the confirmation is lost.
    pub(crate) unconfirmed: u32,
    /// Refused by a broker that is away for a moment. Of fetches too.
    pub(crate) refused: u32,
    /// Slow. Of fetches too.
    pub(crate) slow: u32,
    /// Of commits: met a conflict that is none.
    pub(crate) conflict: u32,
    /// Of commits: the store cannot be reached.
    pub(crate) unavailable: u32,
    /// Of commits: carried out or not, and no answer comes.
    pub(crate) indeterminate: u32,
}

/// The fate of a publish call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    Whole,
    Lost,
    Twice,
    Late(u64),
    Unconfirmed,
    Refused,
    Slow(u64),
}

/// The fate of a commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CommitFate {
    Whole,
    Conflict,
    Unavailable,
    DoneUnanswered,
    NotDoneUnanswered,
}

#[derive(Debug)]
struct State {
    random: Xoshiro256PlusPlus,
    rates: Rates,
}

/// The dice of one simulation.
#[derive(Debug)]
pub(crate) struct Chance(Mutex<State>);

impl Chance {
    pub(crate) fn new(seed: u64) -> Self {
        let random = Xoshiro256PlusPlus::seed_from_u64(seed);
        Self(Mutex::new(State { random, rates: Rates::default() }))
    }

    fn with<T>(&self, act: impl FnOnce(&mut State) -> T) -> T {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn set_rates(&self, rates: Rates) {
        self.with(|state| state.rates = rates);
    }

    /// A number below `bound`.
    pub(crate) fn below(&self, bound: u64) -> u64 {
        self.with(|state| state.random.random_range(0..bound))
    }

    /// The fate of a publish call; `may_be_lost`: of one whose record nobody but its reader waits for.
    pub(crate) fn of_publish(&self, may_be_lost: bool) -> Fate {
        self.with(|State { random, rates }| {
            let (drawn, ms) = (random.random_range(0..1_000), random.random_range(1..4_000));
            let unlucky = if may_be_lost { [rates.lost, rates.late] } else { [0, 0] };
            let fates = [
                (unlucky[0], Fate::Lost),
                (unlucky[1], Fate::Late(ms)),
                (rates.twice, Fate::Twice),
                (rates.unconfirmed, Fate::Unconfirmed),
                (rates.refused, Fate::Refused),
                (rates.slow, Fate::Slow(ms / 2)),
            ];
            pick(drawn, &fates).unwrap_or(Fate::Whole)
        })
    }

    /// The fate of a fetch: whole, refused or slow.
    pub(crate) fn of_fetch(&self) -> Fate {
        self.with(|State { random, rates }| {
            let (drawn, ms) = (random.random_range(0..1_000), random.random_range(1..2_000));
            let fates = [(rates.refused / 4, Fate::Refused), (rates.slow / 2, Fate::Slow(ms))];
            pick(drawn, &fates).unwrap_or(Fate::Whole)
        })
    }

    pub(crate) fn of_commit(&self) -> CommitFate {
        self.with(|State { random, rates }| {
            let fates = [
                (rates.conflict, CommitFate::Conflict),
                (rates.unavailable, CommitFate::Unavailable),
                (rates.indeterminate / 2, CommitFate::DoneUnanswered),
                (rates.indeterminate / 2, CommitFate::NotDoneUnanswered),
            ];
            pick(random.random_range(0..1_000), &fates).unwrap_or(CommitFate::Whole)
        })
    }
}

/// The outcome into whose share of a thousand a number falls.
fn pick<T: Copy>(drawn: u32, shares: &[(u32, T)]) -> Option<T> {
    let mut upper = 0;
    shares.iter().find_map(|(share, outcome)| {
        upper += share;
        (drawn < upper).then_some(*outcome)
    })
}
