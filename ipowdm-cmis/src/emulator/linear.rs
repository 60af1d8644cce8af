//! A module's memory by linear offsets, as the kernel's optoe driver shows it to programs.
//!
//! An offset is the byte below 128, and `(bank · 256 + page) · 128 + byte` from there. An access above 127 selects its page
//! for its own duration and puts back the mapping that it found: bytes 126 and 127 are the module's own page registers,
//! and belong to whoever writes them. A page that the module lacks therefore shows page 00h, as it does through optoe,
//! and a host that wants to know writes 127 and reads it back.
//!
//! Like the driver, an access polls a module that does not acknowledge for up to [`POLLING`]. In virtual time that polling
//! takes no time: a hold-off that ends within it is waited out at once, a longer one is [`TransportError::Busy`].

use super::clock::ModuleClock;
use super::handle::{EmulatedModule, EmulatedWindow};
use crate::access::{MAX_READ, TransportError, Window};
use crate::map::Address;
use core::time::Duration;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

/// How long an access polls a module that does not acknowledge: optoe's default `write_timeout`.
pub const POLLING: Duration = Duration::from_millis(25);

/// A module's memory by linear offsets. Accesses of several threads take turns.
#[derive(Debug)]
pub struct LinearModule {
    module: EmulatedModule,
    window: Mutex<EmulatedWindow>,
}

impl LinearModule {
    /// The memory of `module`.
    #[must_use]
    pub fn new(module: EmulatedModule) -> Self {
        let window = Mutex::new(module.window());
        Self { module, window }
    }

    /// The module.
    #[must_use]
    pub const fn module(&self) -> &EmulatedModule {
        &self.module
    }

    /// Reads `into.len()` bytes, 1 to 128 within the lower memory or one page.
    ///
    /// # Errors
    /// [`TransportError`]; nothing in `into` is to be used then.
    pub fn read(&self, offset: u32, into: &mut [u8]) -> Result<(), TransportError> {
        let at = self.place(offset, into.len(), MAX_READ)?;
        self.access(at, |window| window.read(at.byte, into))
    }

    /// Writes bytes within the lower memory or one page; how many at most is the module's affair.
    ///
    /// # Errors
    /// [`TransportError`]; nothing has been written then.
    pub fn write(&self, offset: u32, bytes: &[u8]) -> Result<(), TransportError> {
        let at = self.place(offset, bytes.len(), MAX_READ)?;
        self.access(at, |window| window.write(at.byte, bytes))
    }

    fn place(&self, offset: u32, len: usize, max: usize) -> Result<Address, TransportError> {
        let at = Address::from_linear(offset)
            .ok_or(TransportError::BadAccess { at: Address { bank: 0xFF, page: 0xFF, byte: 0xFF }, len })?;
        crate::access::check(at, len, max).map(|()| at)
    }

    fn access(
        &self,
        at: Address,
        mut data: impl FnMut(&mut EmulatedWindow) -> Result<(), TransportError>,
    ) -> Result<(), TransportError> {
        let mut window = self.window.lock().unwrap_or_else(PoisonError::into_inner);
        if at.is_lower() {
            return self.polled(|| data(&mut window));
        }
        let mut found = [0; 2];
        self.polled(|| window.read(126, &mut found))?;
        let wanted = [at.bank, at.page];
        let select = found != wanted && !(found[1] == at.page && at.in_bank(1).bank == 0);
        if select {
            self.polled(|| window.write(126, &wanted))?;
        }
        let result = self.polled(|| data(&mut window));
        if select {
            // A module that is busy by now keeps the page, as it does with the driver in the kernel.
            let _ = self.polled(|| window.write(126, &found));
        }
        result
    }

    /// Repeats what is not acknowledged.
    fn polled(&self, mut access: impl FnMut() -> Result<(), TransportError>) -> Result<(), TransportError> {
        let begun = Instant::now();
        loop {
            let virtual_time = matches!(self.module.clock(), ModuleClock::Virtual(_));
            if virtual_time {
                self.module.wait_out(POLLING);
            }
            match access() {
                Err(TransportError::Busy) if !virtual_time && begun.elapsed() < POLLING => {
                    std::thread::sleep(Duration::from_millis(1));
                }
                result => return result,
            }
        }
    }
}
