//! Guard bands between neighbours.
//!
//! A guard band is a property of two neighbours: the distance between their slots is at least the greater of what either asks for,
//! whatever lies between, and it is shared, not added. It is not part of a slot: towards the edge of a band, or a hole in it, the
//! band's own edge guard holds ([`Band`](crate::grid::Band)).

use super::{Slots, SlotsError, words};

/// A fibre whose signals may ask for guard bands: which bits no signal is on, and which are clear of guard bands too.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Guarded {
    /// Bits without a signal.
    unlit: Slots,
    /// Bits without a signal or a guard band of one.
    clear: Slots,
}

/// A signal: the slot it takes and the guard band it asks for on each side, in bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Signal {
    first: u16,
    count: u16,
    guard: u16,
}

impl Signal {
    /// The bits of the slot and its guard bands within a bitmap, as (first, count).
    fn with_guard(self, bits: u16) -> (u16, u16) {
        let first = self.first.saturating_sub(self.guard);
        let end = self.first.saturating_add(self.count).saturating_add(self.guard).min(bits);
        (first, end - first)
    }
}

impl Guarded {
    /// A fibre of `bits` bits without signals.
    #[must_use]
    pub fn unlit(bits: u16) -> Self {
        let unlit = Slots::all_free(bits);
        Self { clear: unlit.clone(), unlit }
    }

    /// A fibre with these signals, each as (first, count, guard): how it is made from a list of owners.
    ///
    /// # Errors
    /// As [`Guarded::take`].
    pub fn with(bits: u16, signals: impl IntoIterator<Item = (u16, u16, u16)>) -> Result<Self, SlotsError> {
        let mut fibre = Self::unlit(bits);
        for (first, count, guard) in signals {
            fibre.take(first, count, guard)?;
        }
        Ok(fibre)
    }

    /// The bits that a signal which asks for `guard` may use: at least `guard` away from every signal, and outside the guard band
    /// of every signal. The AND over the links of a path, and over the band's usable bits, is what is searched.
    #[must_use]
    pub fn free_for(&self, guard: u16) -> Slots {
        let mut free = self.unlit.clone();
        keep_away(&mut free, guard);
        free.intersect(&self.clear);
        free
    }

    /// Bits without a signal.
    #[must_use]
    pub const fn signals(&self) -> &Slots {
        &self.unlit
    }

    /// Adds a signal, or changes nothing.
    ///
    /// # Errors
    /// [`SlotsError`] where the slot leaves the raster, or is too near to another; the bit named lies in the slot.
    pub fn take(&mut self, first: u16, count: u16, guard: u16) -> Result<(), SlotsError> {
        self.free_for(guard).take(first, count)?;
        words::clear(&mut self.unlit.words, first, count);
        self.shade(Signal { first, count, guard });
        Ok(())
    }

    /// Removes a signal. `neighbours` are the signals next to it on either side, as (first, count, guard): guard bands overlap, so
    /// what the signal's covered may be theirs still. Signals further away do not reach past them.
    ///
    /// # Errors
    /// [`SlotsError`] where the range leaves the raster or has a bit without a signal; nothing is changed then.
    pub fn release(
        &mut self,
        (first, count, guard): (u16, u16, u16),
        neighbours: impl IntoIterator<Item = (u16, u16, u16)>,
    ) -> Result<(), SlotsError> {
        self.unlit.release(first, count)?;
        let (from, length) = Signal { first, count, guard }.with_guard(self.clear.bits);
        words::set(&mut self.clear.words, from, length);
        for (first, count, guard) in neighbours {
            self.shade(Signal { first, count, guard });
        }
        Ok(())
    }

    fn shade(&mut self, signal: Signal) {
        let (first, count) = signal.with_guard(self.clear.bits);
        words::clear(&mut self.clear.words, first, count);
    }
}

/// Occupies every bit that is nearer than `guard` to an occupied one, or `guard` itself away. Beyond the raster nothing is
/// occupied.
fn keep_away(free: &mut Slots, guard: u16) {
    let bits = free.bits;
    let before = free.clone();
    let mut at = 0;
    while let Some(low) = words::next_clear(&before.words, at).filter(|&low| low < bits) {
        let high = words::next_set(&before.words, low).unwrap_or(bits);
        let signal = Signal { first: low, count: high - low, guard };
        let (first, count) = signal.with_guard(bits);
        words::clear(&mut free.words, first, count);
        at = high;
    }
}
