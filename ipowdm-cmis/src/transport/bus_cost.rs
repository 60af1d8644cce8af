//! What accesses cost on the I2C bus when optoe issues them.

use crate::access::{Counters, Eeprom, TransportError};
use crate::map::Address;
use core::time::Duration;

/// I2C transactions and bytes on the wire, address bytes included.
///
/// The model is that of the Linux optoe driver with its default of one byte for each write: an access beyond linear offset
/// 256 first reads byte 2 (is there paged memory?), then selects the page, transfers the data and selects page 00h again.
/// A read has the device address, the byte address, the device address again and the data; a write of one byte has three
/// bytes. Nine clocks for each byte; start, stop and stretching are not counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct BusCost {
    /// Transactions.
    pub transactions: u64,
    /// Bytes on the wire.
    pub wire_bytes: u64,
}

impl BusCost {
    /// Adds an access of `len` bytes.
    pub fn add(&mut self, at: Address, len: usize, write: bool) {
        let len = len as u64;
        if at.linear() >= 256 {
            // Byte 2, page selection, page 00h again.
            self.transactions += 3;
            self.wire_bytes += 4 + 3 + 3;
        }
        if write {
            self.transactions += len;
            self.wire_bytes += 3 * len;
        } else {
            self.transactions += 1;
            self.wire_bytes += 3 + len;
        }
    }

    /// Time on a bus of so many kHz.
    #[must_use]
    pub fn time(self, kilohertz: u32) -> Duration {
        Duration::from_nanos(self.wire_bytes * 9 * 1_000_000 / u64::from(kilohertz.max(1)))
    }
}

/// An [`Eeprom`] whose accesses are priced.
#[derive(Debug)]
pub struct Priced<E> {
    below: E,
    cost: BusCost,
}

impl<E> Priced<E> {
    /// Prices what is accessed through `below` from now on.
    pub const fn new(below: E) -> Self {
        Self { below, cost: BusCost { transactions: 0, wire_bytes: 0 } }
    }

    /// The cost so far.
    pub const fn cost(&self) -> BusCost {
        self.cost
    }

    /// The transport below.
    pub const fn below(&mut self) -> &mut E {
        &mut self.below
    }
}

impl<E: Eeprom> Eeprom for Priced<E> {
    fn read(&mut self, at: Address, into: &mut [u8]) -> Result<(), TransportError> {
        self.cost.add(at, into.len(), false);
        self.below.read(at, into)
    }

    fn write(&mut self, at: Address, bytes: &[u8]) -> Result<(), TransportError> {
        self.cost.add(at, bytes.len(), true);
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

    #[test]
    fn the_sweep_of_another_driver_costs_what_was_measured_for_it() {
        // 109 reads with 1 457 bytes, 10 of them in lower memory or page 00h, and two writes of one byte.
        let mut cost = BusCost::default();
        for index in 0..109_u8 {
            let at = if index < 10 { Address::lower(index) } else { Address::page(0x11, 128) };
            cost.add(at, if index == 0 { 1_457 - 108 } else { 1 }, false);
        }
        cost.add(Address::page(0x2F, 144), 1, true);
        cost.add(Address::page(0x2F, 144), 1, true);
        assert_eq!(cost, BusCost { transactions: 414, wire_bytes: 2_800 });
        assert_eq!((cost.time(100).as_millis(), cost.time(400).as_millis()), (252, 63));
    }
}
