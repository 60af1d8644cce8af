//! Guard bands between neighbours on every fibre of a plane (see [`ipowdm_core::slots::Guarded`] for what they are).

use super::{Grant, Plane};
use ipowdm_core::slots::words;
use ipowdm_core::slots::{MAX_WORDS, Slots};

/// What a plane keeps besides, so that signals may ask for guard bands.
#[derive(Debug, Clone)]
pub(super) struct Guards {
    bits: u16,
    width: usize,
    usable: Slots,
    /// By fibre: slots without a signal or a guard band of one.
    clear: Vec<u64>,
}

impl Guards {
    /// The guard bands of a plane without signals. Holes and edges move from its free slots to here: they are not signals, and no
    /// guard band is owed to them.
    pub(super) fn over(free: &mut [u64], width: usize, bits: u16) -> Self {
        let usable = Slots::from_words(free.get(..width).unwrap_or_default(), bits);
        let all = Slots::all_free(bits);
        for fibre in free.chunks_exact_mut(width) {
            fibre.copy_from_slice(all.words());
        }
        Self { bits, width, usable, clear: free.to_vec() }
    }

    pub(super) const fn usable(&self) -> &Slots {
        &self.usable
    }

    fn fibre(&mut self, fibre: u32) -> &mut [u64] {
        let at = fibre as usize * self.width;
        self.clear.get_mut(at..at + self.width).unwrap_or_default()
    }

    /// The slots that a signal which asks for `guard` may use on all of the fibres.
    pub(super) fn free_for(&self, found: &mut [u64], free: &[u64], hops: &[u32], guard: u16) {
        let mut unlit = [u64::MAX; MAX_WORDS];
        let unlit = &mut unlit[..self.width];
        found.copy_from_slice(self.usable.words());
        for &hop in hops {
            let at = hop as usize * self.width;
            words::and(unlit, free.get(at..at + self.width).unwrap_or_default());
            words::and(found, self.clear.get(at..at + self.width).unwrap_or_default());
        }
        words::and(unlit, Slots::all_free(self.bits).words());
        // Away from every signal of every fibre, which is away from what is not unlit on all.
        let mut at = 0;
        while let Some(low) = words::next_clear(unlit, at).filter(|&low| low < self.bits) {
            let high = words::next_set(unlit, low).unwrap_or(self.bits);
            let (first, count) = with_guard(low, high - low, guard);
            words::clear(found, first, count);
            at = high;
        }
    }

    /// A signal's slot and guard bands are no longer clear.
    pub(super) fn shade(&mut self, fibre: u32, first: u16, count: u16, guard: u16) {
        let (first, count) = with_guard(first, count, guard);
        words::clear(self.fibre(fibre), first, count);
    }

    fn unshade(&mut self, fibre: u32, first: u16, count: u16, guard: u16) {
        let (first, count) = with_guard(first, count, guard);
        let count = count.min(self.bits - first);
        words::set(self.fibre(fibre), first, count);
    }
}

/// A slot with its guard bands; it may reach beyond the last slot.
fn with_guard(first: u16, count: u16, guard: u16) -> (u16, u16) {
    let from = first.saturating_sub(guard);
    (from, (first - from).saturating_add(count).saturating_add(guard))
}

impl Plane {
    /// Makes clear what the guard bands of a released signal covered, but for what its neighbours' still do. Guard bands never reach
    /// past a neighbour's slot, so the nearest on each side are all that matter.
    pub(super) fn release_guards(&mut self, released: &Grant) {
        let Self { routes, guards: Some(guards), heads, owners, records, width, bits, .. } = self else {
            return;
        };
        for &hop in routes.get(released.path).unwrap_or_default() {
            guards.unshade(hop, released.first, released.count, released.guard);
            let at = hop as usize * *width;
            let heads = heads.get(at..at + *width).unwrap_or_default();
            let below = released.first.checked_sub(1).and_then(|slot| words::previous_set(heads, slot));
            let above = words::next_set(heads, released.first.saturating_add(1));
            for head in below.into_iter().chain(above) {
                let owner = owners.get(hop as usize * usize::from(*bits) + usize::from(head));
                if let Some(record) = owner.and_then(|&index| records.get(index)) {
                    guards.shade(hop, record.first, record.count, record.guard);
                }
            }
        }
    }
}
