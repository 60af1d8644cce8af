//! Where in the free spectrum of a path a slot is placed.

use super::{MAX_WORDS, Slots, words};
use core::fmt;
use core::str::FromStr;
use serde::{Deserialize, Serialize};

/// Which of the starts at which a slot fits is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Policy {
    /// The lowest.
    #[default]
    FirstFit,
    /// The lowest that fills a free block of the path whole; where there is none, the lowest of all.
    ExactFit,
    /// The highest.
    LastFit,
    /// Any, each with the same probability.
    RandomFit,
    /// The one that breaks the fewest free blocks on the links of the path, see [`Loss`]; of equal ones the lowest.
    LeastFragmenting,
}

/// A text names no policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a policy: first-fit, exact-fit, last-fit, random-fit and least-fragmenting are")]
pub struct UnknownPolicy;

impl Policy {
    /// All policies.
    pub const ALL: [Self; 5] =
        [Self::FirstFit, Self::ExactFit, Self::LastFit, Self::RandomFit, Self::LeastFragmenting];

    /// The name, as in text formats.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::FirstFit => "first-fit",
            Self::ExactFit => "exact-fit",
            Self::LastFit => "last-fit",
            Self::RandomFit => "random-fit",
            Self::LeastFragmenting => "least-fragmenting",
        }
    }
}

impl fmt::Display for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Policy {
    type Err = UnknownPolicy;

    fn from_str(text: &str) -> Result<Self, UnknownPolicy> {
        Self::ALL.into_iter().find(|policy| policy.name() == text).ok_or(UnknownPolicy)
    }
}

/// What a placement costs: the free blocks of the links of the path that it breaks.
///
/// A *block* of width w is w free steps in a row; a free run of L steps holds L − w + 1 of them, overlapping ones counted
/// each. The loss of a placement is the number of blocks, summed over the links and over the widths that count, that are there
/// before it and not after it. With the widths of the expected requests this is the capacity loss of MSCL (minimum sum
/// of capacity loss), taken over the links of the path itself; with all widths, the number of free intervals broken.
///
/// Within one free run of the path the loss is a concave function of the start, so only the lowest and the highest legal start of
/// each run are compared: the choice is exact, and its cost grows with the number of runs, not of starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Loss<'a> {
    /// The widths that count, in steps; none means all.
    pub widths: &'a [u16],
}

impl Loss<'_> {
    /// Blocks in a free run of `length` steps.
    fn blocks(self, length: u16) -> u64 {
        let length = u64::from(length);
        if self.widths.is_empty() {
            return length * (length + 1) / 2;
        }
        self.widths.iter().map(|&width| (length + 1).saturating_sub(u64::from(width))).sum()
    }

    /// Blocks that `need` steps from `start` break in one link.
    fn of(self, link: &[u64], start: u16, need: u16) -> u64 {
        let below = words::ones_below(link, start);
        let above = words::ones_from(link, start.saturating_add(need));
        let whole = below.saturating_add(need).saturating_add(above);
        self.blocks(whole).saturating_sub(self.blocks(below) + self.blocks(above))
    }
}

/// One search for `need` free bits in a row.
///
/// Without legal starts every start is legal. A need of 0 is no request: nothing is found for it.
#[derive(Debug, Clone, Copy)]
pub struct Search<'a> {
    free: &'a [u64],
    starts: Option<&'a [u64]>,
    need: u16,
    random: u64,
}

impl<'a> Search<'a> {
    /// A search in the AND over the links of a path.
    #[must_use]
    pub fn new(free: &'a Slots, need: u16) -> Self {
        Self::over(free.words(), need)
    }

    /// A search in words, as [`words`] has them; those beyond [`MAX_WORDS`] are not looked at.
    #[must_use]
    pub fn over(free: &'a [u64], need: u16) -> Self {
        Self { free: &free[..free.len().min(MAX_WORDS)], starts: None, need, random: 1 << 63 }
    }

    /// Only these starts are legal.
    #[must_use]
    pub fn at(self, starts: &'a Slots) -> Self {
        self.at_words(starts.words())
    }

    /// Only these starts are legal.
    #[must_use]
    pub const fn at_words(self, starts: &'a [u64]) -> Self {
        Self { starts: Some(starts), ..self }
    }

    /// The word of the caller's random generator by which random fit chooses (see [`Search::random`]). Without one it is the
    /// middle of the starts.
    #[must_use]
    pub const fn with_random(self, random: u64) -> Self {
        Self { random, ..self }
    }

    /// The start that a policy chooses. Least-fragmenting judges by the AND over the path as if that were one link; who has
    /// the links asks [`Search::least_fragmenting`].
    #[must_use]
    pub fn find(self, policy: Policy) -> Option<u16> {
        match policy {
            Policy::FirstFit => self.first(),
            Policy::ExactFit => self.exact(),
            Policy::LastFit => self.last(),
            Policy::RandomFit => self.random(self.random),
            Policy::LeastFragmenting => self.least_fragmenting(core::iter::once(self.free), Loss::default()),
        }
    }

    /// The lowest start.
    #[must_use]
    #[inline]
    pub fn first(self) -> Option<u16> {
        match self.starts {
            None => words::first_run(self.free.iter().copied(), self.need),
            Some(_) => words::next_set(self.candidates().words(), 0),
        }
    }

    /// The highest start.
    #[must_use]
    pub fn last(self) -> Option<u16> {
        words::previous_set(self.candidates().words(), u16::MAX)
    }

    /// The lowest start of a free run of exactly the need, else the lowest start.
    #[must_use]
    pub fn exact(self) -> Option<u16> {
        let candidates = self.candidates();
        let mut whole = candidates;
        let mut below = 0;
        for (word, &free) in whole.words_mut().iter_mut().zip(self.free) {
            *word &= !(free << 1 | below);
            below = free >> 63;
        }
        // What stays has a taken bit below it; it must have one above the need as well.
        let mut at = 0;
        while let Some(start) = words::next_set(whole.words(), at) {
            if !words::is_set(self.free, start.saturating_add(self.need)) {
                return Some(start);
            }
            at = start + 1;
        }
        words::next_set(candidates.words(), 0)
    }

    /// The start that the random word chooses: of c starts number ⌊word · c / 2⁶⁴⌋. A uniform word makes each start equally
    /// probable to within c / 2⁶⁴, so the generator is the caller's, and a seed of its gives the same choices for ever.
    #[must_use]
    pub fn random(self, word: u64) -> Option<u16> {
        let candidates = self.candidates();
        let count = words::count(candidates.words());
        let rank = (u128::from(word) * u128::from(count)) >> 64;
        words::select(candidates.words(), u32::try_from(rank).ok()?)
    }

    /// The start of the least loss over `links`, the free bits of each link of the path; of equal ones the lowest.
    #[must_use]
    pub fn least_fragmenting<'l>(
        self,
        links: impl Iterator<Item = &'l [u64]> + Clone,
        loss: Loss<'_>,
    ) -> Option<u16> {
        let starts = self.fitting();
        let mut best: Option<(u64, u16)> = None;
        let mut at = 0;
        while let Some(low) = words::next_set(starts.words(), at) {
            let high = low + (words::ones_from(starts.words(), low) - 1);
            at = high + 1;
            let (low, high) = match self.starts {
                None => (low, high),
                Some(legal) => match (words::next_set(legal, low), words::previous_set(legal, high)) {
                    (Some(first), Some(last)) if first <= high && last >= low => (first, last),
                    _ => continue,
                },
            };
            for start in [low, high] {
                let cost = links.clone().map(|link| loss.of(link, start, self.need)).sum();
                if best.is_none_or(|best| (cost, start) < best) {
                    best = Some((cost, start));
                }
            }
        }
        best.map(|(_, start)| start)
    }

    /// All starts at which the need fits, legal or not.
    fn fitting(self) -> Buffer {
        let mut buffer = Buffer { words: [0; MAX_WORDS], used: self.free.len() };
        if self.need > 0 {
            buffer.words_mut().copy_from_slice(self.free);
            words::keep_starts(buffer.words_mut(), self.need);
        }
        buffer
    }

    /// All legal starts at which the need fits.
    fn candidates(self) -> Buffer {
        let mut buffer = self.fitting();
        if let Some(starts) = self.starts {
            words::and(buffer.words_mut(), starts);
        }
        buffer
    }
}

/// Working words of a search.
#[derive(Clone, Copy)]
struct Buffer {
    words: [u64; MAX_WORDS],
    used: usize,
}

impl Buffer {
    fn words(&self) -> &[u64] {
        &self.words[..self.used]
    }

    fn words_mut(&mut self) -> &mut [u64] {
        &mut self.words[..self.used]
    }
}
