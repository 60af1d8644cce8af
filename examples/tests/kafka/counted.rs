//! How often something is written to modules.

use ipowdm_cmis::access::{Counters, Eeprom, Paged, TransportError};
use ipowdm_cmis::emulator::EmulatedWindow;
use ipowdm_cmis::map::Address;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// A module's memory that counts what is written to it.
pub(crate) struct Counted {
    pub(crate) eeprom: Paged<EmulatedWindow>,
    pub(crate) writes: Arc<AtomicU64>,
}

impl Eeprom for Counted {
    fn read(&mut self, at: Address, into: &mut [u8]) -> Result<(), TransportError> {
        self.eeprom.read(at, into)
    }

    fn write(&mut self, at: Address, bytes: &[u8]) -> Result<(), TransportError> {
        self.writes.fetch_add(1, Ordering::SeqCst);
        self.eeprom.write(at, bytes)
    }

    fn counters(&self) -> Counters {
        self.eeprom.counters()
    }
}
