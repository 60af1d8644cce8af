//! Bit operations on bitmaps kept as words, lowest bit first: for those who keep many fibres in one arena.
//!
//! A set bit is a free step. Bits beyond the last word read as clear, and a change there is no change.

/// Bits of a word.
const WORD: usize = u64::BITS as usize;

/// Words that hold `bits` bits.
#[must_use]
pub const fn words_for(bits: u16) -> usize {
    (bits as usize).div_ceil(WORD)
}

/// Calls `each` with the index of every word that has a part in `first .. first + count`, and the mask of that part.
#[inline]
fn for_each_part(first: u16, count: u16, mut each: impl FnMut(usize, u64)) {
    if count == 0 {
        return;
    }
    let (first, last) = (usize::from(first), usize::from(first) + usize::from(count) - 1);
    let (low, high) = (u64::MAX << (first % WORD), u64::MAX >> (WORD - 1 - last % WORD));
    let (from, to) = (first / WORD, last / WORD);
    if from == to {
        each(from, low & high);
        return;
    }
    each(from, low);
    for index in from + 1..to {
        each(index, u64::MAX);
    }
    each(to, high);
}

/// Sets `count` bits from `first`.
#[inline]
pub fn set(words: &mut [u64], first: u16, count: u16) {
    for_each_part(first, count, |index, mask| {
        if let Some(word) = words.get_mut(index) {
            *word |= mask;
        }
    });
}

/// Clears `count` bits from `first`.
#[inline]
pub fn clear(words: &mut [u64], first: u16, count: u16) {
    for_each_part(first, count, |index, mask| {
        if let Some(word) = words.get_mut(index) {
            *word &= !mask;
        }
    });
}

/// Whether `count` bits from `first` are all set.
#[must_use]
#[inline]
pub fn all_set(words: &[u64], first: u16, count: u16) -> bool {
    let mut whole = true;
    for_each_part(first, count, |index, mask| {
        whole &= words.get(index).is_some_and(|word| word & mask == mask);
    });
    whole
}

/// Whether `bit` is set.
#[must_use]
#[inline]
pub fn is_set(words: &[u64], bit: u16) -> bool {
    words.get(usize::from(bit) / WORD).is_some_and(|word| word >> (bit % 64) & 1 == 1)
}

/// Clears the bits that are clear in `other`; a shorter `other` clears the rest.
pub fn and(words: &mut [u64], other: &[u64]) {
    let common = words.len().min(other.len());
    for (word, mask) in words.iter_mut().zip(other) {
        *word &= mask;
    }
    words[common..].fill(0);
}

/// Number of set bits.
#[must_use]
pub fn count(words: &[u64]) -> u32 {
    words.iter().map(|word| word.count_ones()).sum()
}

/// A bit's number; words number at most [`super::MAX_WORDS`] wherever bitmaps are made.
fn bit_of(index: usize, within: u32) -> Option<u16> {
    u16::try_from(index * WORD + within as usize).ok()
}

/// The lowest bit at or after `from` that is set once every word is passed through `view`.
#[inline]
fn next(words: &[u64], from: u16, view: impl Fn(u64) -> u64) -> Option<u16> {
    let start = usize::from(from) / WORD;
    let mut mask = u64::MAX << (from % 64);
    for (index, &word) in words.iter().enumerate().skip(start) {
        let candidates = view(word) & mask;
        if candidates != 0 {
            return bit_of(index, candidates.trailing_zeros());
        }
        mask = u64::MAX;
    }
    None
}

/// The highest bit at or before `from` that is set once every word is passed through `view`.
#[inline]
fn previous(words: &[u64], from: u16, view: impl Fn(u64) -> u64) -> Option<u16> {
    let start = usize::from(from) / WORD;
    let mut mask = u64::MAX >> (63 - from % 64);
    for index in (0..=start).rev() {
        let candidates = view(words.get(index).copied().unwrap_or(0)) & mask;
        if candidates != 0 {
            return bit_of(index, 63 - candidates.leading_zeros());
        }
        mask = u64::MAX;
    }
    None
}

/// The lowest set bit at or after `from`.
#[must_use]
#[inline]
pub fn next_set(words: &[u64], from: u16) -> Option<u16> {
    next(words, from, |word| word)
}

/// The lowest clear bit at or after `from` within the words.
#[must_use]
#[inline]
pub fn next_clear(words: &[u64], from: u16) -> Option<u16> {
    next(words, from, |word| !word)
}

/// The highest set bit at or before `from`.
#[must_use]
#[inline]
pub fn previous_set(words: &[u64], from: u16) -> Option<u16> {
    let last = bit_of(words.len(), 0).unwrap_or(u16::MAX).checked_sub(1)?;
    previous(words, from.min(last), |word| word)
}

/// The highest clear bit at or before `from`.
#[must_use]
#[inline]
pub fn previous_clear(words: &[u64], from: u16) -> Option<u16> {
    previous(words, from, |word| !word)
}

/// How many bits in a row are set just below `bit`.
#[must_use]
#[inline]
pub fn ones_below(words: &[u64], bit: u16) -> u16 {
    let Some(below) = bit.checked_sub(1) else { return 0 };
    previous_clear(words, below).map_or(bit, |clear| below - clear)
}

/// How many bits in a row are set from `bit` on.
#[must_use]
#[inline]
pub fn ones_from(words: &[u64], bit: u16) -> u16 {
    let end = next_clear(words, bit).or_else(|| bit_of(words.len(), 0)).unwrap_or(u16::MAX);
    end.saturating_sub(bit)
}

/// The set bit that has `rank` set bits below it.
#[must_use]
pub fn select(words: &[u64], mut rank: u32) -> Option<u16> {
    for (index, &word) in words.iter().enumerate() {
        let here = word.count_ones();
        if rank < here {
            let mut word = word;
            for _ in 0..rank {
                word &= word - 1;
            }
            return bit_of(index, word.trailing_zeros());
        }
        rank -= here;
    }
    None
}

/// Clears every bit whose neighbour `distance` above it is clear: `words &= words >> distance`.
pub fn and_shifted_down(words: &mut [u64], distance: u16) {
    let (whole, part) = (usize::from(distance) / WORD, u32::from(distance % 64));
    for index in 0..words.len() {
        let low = words.get(index + whole).copied().unwrap_or(0);
        let high = words.get(index + whole + 1).copied().unwrap_or(0);
        words[index] &= shift_pair(low, high, part);
    }
}

/// The 64 bits that begin at bit `part` (0…63) of two words.
#[inline]
const fn shift_pair(low: u64, high: u64, part: u32) -> u64 {
    // Two shifts, because one by 64 is no shift.
    low >> part | high << 1 << (63 - part)
}

/// Clears every bit from which fewer than `need` bits in a row are set. What stays are the starts at which `need` bits fit.
///
/// Shift-doubling: ⌈log₂ need⌉ passes. `need` 0 and 1 change nothing.
pub fn keep_starts(words: &mut [u64], need: u16) {
    let mut have = 1;
    while have < need {
        let step = have.min(need - have);
        and_shifted_down(words, step);
        have += step;
    }
}

/// The lowest start at which `need` bits in a row are set, over words that may be made up as they are asked for: only those
/// up to the one that decides are. `need` 0 is no request and fits nowhere.
///
/// In each word a run either continues from below, which a count of leading ones tells, or begins in the word, which
/// six shift-and-AND steps without a branch tell for all starts at once.
#[inline]
pub fn first_run(words: impl IntoIterator<Item = u64>, need: u16) -> Option<u16> {
    let need = u32::from(need);
    if need == 0 {
        return None;
    }
    let steps = shrink_steps(need);
    // Length of the run that ends with the last bit looked at.
    let mut carried = 0;
    let mut base = 0;
    for word in words {
        if carried + word.trailing_ones() >= need {
            return u16::try_from(base - carried).ok();
        }
        if need <= u64::BITS {
            let starts = steps.iter().fold(word, |word, &step| word & word >> step);
            if starts != 0 {
                return u16::try_from(base + starts.trailing_zeros()).ok();
            }
        }
        carried = if word == u64::MAX { carried + u64::BITS } else { word.leading_ones() };
        base += u64::BITS;
    }
    None
}

/// The shifts that leave, of a word, the starts of `need` (up to 64) set bits in a row; 0 where no more is to be done.
#[inline]
fn shrink_steps(need: u32) -> [u32; 6] {
    let mut have = 1;
    core::array::from_fn(|_| {
        let step = have.min(need.min(u64::BITS) - have);
        have += step;
        step
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::vec::Vec;

    /// Words whose runs are long, short, whole words, or whatever comes.
    fn words() -> impl Strategy<Value = Vec<u64>> {
        let word = prop_oneof![
            Just(0),
            Just(u64::MAX),
            any::<u64>(),
            (0..64_u32, any::<u64>()).prop_map(|(n, w)| w | u64::MAX << n)
        ];
        proptest::collection::vec(word, 0..6)
    }

    fn bits(words: &[u64]) -> Vec<bool> {
        (0..words.len() * WORD).map(|bit| words[bit / WORD] >> (bit % WORD) & 1 == 1).collect()
    }

    fn fits(bits: &[bool], start: usize, need: usize) -> bool {
        bits.get(start..start + need).is_some_and(|run| run.iter().all(|&bit| bit))
    }

    proptest! {
        #[test]
        fn the_first_run_is_the_lowest_of_all_starts(words in words(), need in 0_u16..200) {
            let bits = bits(&words);
            let naive = (0..bits.len()).find(|&start| need > 0 && fits(&bits, start, usize::from(need)));
            prop_assert_eq!(first_run(words.iter().copied(), need).map(usize::from), naive);
        }

        #[test]
        fn starts_kept_are_those_that_fit(words in words(), need in 1_u16..200) {
            let (mut kept, before) = (words.clone(), bits(&words));
            keep_starts(&mut kept, need);
            for (start, kept) in bits(&kept).into_iter().enumerate() {
                prop_assert_eq!(kept, fits(&before, start, usize::from(need)));
            }
        }

        #[test]
        fn ranges_are_set_and_cleared_whole(words in words(), first in 0_u16..400, count in 0_u16..200) {
            let inside = |bit: usize| (usize::from(first)..usize::from(first) + usize::from(count)).contains(&bit);
            let before = bits(&words);
            let (mut with, mut without) = (words.clone(), words.clone());
            set(&mut with, first, count);
            clear(&mut without, first, count);
            for (bit, &was) in before.iter().enumerate() {
                prop_assert_eq!(bits(&with)[bit], was || inside(bit));
                prop_assert_eq!(bits(&without)[bit], was && !inside(bit));
            }
            prop_assert_eq!(all_set(&words, first, count), count == 0 || fits(&before, usize::from(first), usize::from(count)));
        }

        #[test]
        fn neighbours_and_ranks_are_those_of_a_scan(words in words(), from in 0_u16..400) {
            let bits = bits(&words);
            let at = usize::from(from);
            let up = |wanted: bool| (at..bits.len()).find(|&bit| bits[bit] == wanted);
            prop_assert_eq!(next_set(&words, from).map(usize::from), up(true));
            prop_assert_eq!(next_clear(&words, from).map(usize::from), up(false));
            let value = |bit: usize| bits.get(bit).copied().unwrap_or(false);
            prop_assert_eq!(previous_set(&words, from).map(usize::from), (0..=at).rev().find(|&bit| value(bit)));
            prop_assert_eq!(previous_clear(&words, from).map(usize::from), (0..=at).rev().find(|&bit| !value(bit)));
            prop_assert_eq!(usize::from(ones_below(&words, from)), (0..at).rev().take_while(|&bit| value(bit)).count());
            prop_assert_eq!(usize::from(ones_from(&words, from)), (at..at + 1000).take_while(|&bit| value(bit)).count());
            prop_assert_eq!(is_set(&words, from), value(at));
            let nth = bits.iter().enumerate().filter(|(_, bit)| **bit).nth(at).map(|(bit, _)| bit);
            prop_assert_eq!(select(&words, u32::from(from)).map(usize::from), nth);
        }
    }
}
