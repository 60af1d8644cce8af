//! Handing each flag to each consumer once.

use super::FlagSet;
use crate::access::{Counters, Eeprom, TransportError};
use crate::map::Address;

/// One of a latch's consumers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Consumer(usize);

/// What a consumer has not seen before.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Raised {
    /// Flags that were raised since the consumer last looked, at any time.
    pub flags: FlagSet,
    /// Reads since then that failed and may have cleared flags nobody saw.
    pub gaps: u32,
    /// Reads since then that raised a flag.
    pub reads: u32,
}

/// Latches flags as they are read and hands each to every consumer once, whenever that looks.
///
/// Bounded: one set of flags for each of `CONSUMERS`. A flag that is raised again before a consumer looked is one flag,
/// as it is in the module.
#[derive(Debug, Clone)]
pub struct FlagLatch<const CONSUMERS: usize> {
    pending: [Raised; CONSUMERS],
    taken: usize,
}

impl<const CONSUMERS: usize> Default for FlagLatch<CONSUMERS> {
    fn default() -> Self {
        Self { pending: core::array::from_fn(|_| Raised::default()), taken: 0 }
    }
}

impl<const CONSUMERS: usize> FlagLatch<CONSUMERS> {
    /// A latch that has seen nothing.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A consumer of its own, with every flag that was latched so far still to be seen; `None` when all are given out.
    pub fn consumer(&mut self) -> Option<Consumer> {
        let next = Consumer(self.taken);
        (self.taken < CONSUMERS).then(|| {
            self.taken += 1;
            next
        })
    }

    /// Takes bytes that were read from `at`; whether they held a raised flag.
    pub fn observe(&mut self, at: Address, bytes: &[u8]) -> bool {
        let mut raised = false;
        for pending in &mut self.pending {
            if pending.flags.raise(at, bytes) {
                pending.reads = pending.reads.saturating_add(1);
                raised = true;
            }
        }
        raised
    }

    /// A read of `len` bytes from `at` failed: flags there may be cleared and lost.
    pub fn missed(&mut self, at: Address, len: usize) {
        if FlagSet::is_cleared_by(at, len) {
            for pending in &mut self.pending {
                pending.gaps = pending.gaps.saturating_add(1);
            }
        }
    }

    /// What `consumer` has not seen yet; nothing of it is handed to that consumer again.
    pub fn take(&mut self, consumer: Consumer) -> Raised {
        self.pending.get_mut(consumer.0).map(core::mem::take).unwrap_or_default()
    }

    /// What `consumer` has not seen yet, left for it to take.
    #[must_use]
    pub fn peek(&self, consumer: Consumer) -> Option<&Raised> {
        self.pending.get(consumer.0)
    }
}

/// An [`Eeprom`] that latches the flags that pass through it: the one place where a module's flags are read.
#[derive(Debug)]
pub struct Latching<E, const CONSUMERS: usize> {
    below: E,
    latch: FlagLatch<CONSUMERS>,
}

impl<E, const CONSUMERS: usize> Latching<E, CONSUMERS> {
    /// Latches what is read through `below` from now on.
    pub fn new(below: E) -> Self {
        Self { below, latch: FlagLatch::new() }
    }

    /// The latch.
    pub const fn latch(&mut self) -> &mut FlagLatch<CONSUMERS> {
        &mut self.latch
    }

    /// The transport below.
    pub const fn below(&mut self) -> &mut E {
        &mut self.below
    }
}

impl<E: Eeprom, const CONSUMERS: usize> Eeprom for Latching<E, CONSUMERS> {
    fn read(&mut self, at: Address, into: &mut [u8]) -> Result<(), TransportError> {
        let result = self.below.read(at, into);
        match result {
            Ok(()) => {
                self.latch.observe(at, into);
            }
            // Not acknowledged, not there, or refused before the first byte: nothing was cleared.
            Err(
                TransportError::Busy
                | TransportError::Absent
                | TransportError::PageUnsupported { .. }
                | TransportError::BadAccess { .. },
            ) => {}
            Err(_) => self.latch.missed(at, into.len()),
        }
        result
    }

    fn write(&mut self, at: Address, bytes: &[u8]) -> Result<(), TransportError> {
        self.below.write(at, bytes)
    }

    fn counters(&self) -> Counters {
        self.below.counters()
    }

    fn begin(&mut self) {
        self.below.begin();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn each_consumer_gets_each_flag_once() {
        let mut latch = FlagLatch::<2>::new();
        let telemetry = latch.consumer().unwrap();
        assert!(latch.observe(Address::lower(3), &[7, 0, 0, 0, 0, 0x01]));
        let alarms = latch.consumer().unwrap();
        assert_eq!(latch.consumer(), None);
        assert_eq!(latch.take(telemetry).flags.get(Address::lower(8)), 0x01);
        assert!(latch.take(telemetry).flags.is_empty(), "once");
        // The module clears a flag that was read and raises another one.
        latch.observe(Address::lower(8), &[0x04]);
        let raised = latch.take(alarms);
        assert_eq!(raised.flags.get(Address::lower(8)), 0x05, "late, and complete");
        assert_eq!((raised.reads, raised.gaps), (2, 0));
        assert_eq!(latch.take(telemetry).flags.get(Address::lower(8)), 0x04);
    }

    #[test]
    fn flags_that_a_failed_read_may_have_cleared_are_a_gap() {
        let mut latch = FlagLatch::<1>::new();
        let consumer = latch.consumer().unwrap();
        latch.missed(Address::lower(14), 4);
        assert_eq!(latch.peek(consumer).unwrap().gaps, 0, "no flags there");
        latch.missed(Address::page(0x11, 128), 74);
        assert_eq!(latch.take(consumer).gaps, 1);
        assert_eq!(latch.take(consumer).gaps, 0);
    }

    proptest! {
        #[test]
        fn no_flag_is_lost_or_handed_out_twice(events in prop::collection::vec((0..3_u8, 134..154_u8, 1..=255_u8), 0..60)) {
            let mut latch = FlagLatch::<2>::new();
            let consumers = [latch.consumer().unwrap(), latch.consumer().unwrap()];
            let mut owed = [FlagSet::new(), FlagSet::new()];
            for (what, byte, bits) in events {
                if what == 2 {
                    let at = Address::page(0x11, byte);
                    latch.observe(at, &[bits]);
                    owed.iter_mut().for_each(|owed| { owed.raise(at, &[bits]); });
                } else {
                    let index = usize::from(what);
                    prop_assert_eq!(latch.take(consumers[index]).flags, core::mem::take(&mut owed[index]));
                }
            }
            for (consumer, owed) in consumers.into_iter().zip(owed) {
                prop_assert_eq!(latch.take(consumer).flags, owed);
            }
        }
    }
}
