//! A module's memory by linear offsets, as the kernel's optoe driver shows it to programs.
//!
//! An offset is the byte below 128, and `(bank · 256 + page) · 128 + byte` from there. An access above 127 selects its page
//! for its own duration and puts back the mapping that it found: bytes 126 and 127 are the module's own page registers,
//! and belong to whoever writes them. A page that the module lacks therefore shows page 00h, as it does through optoe,
//! and a host that wants to know writes 127 and reads it back.
//!
//! Where the mapping cannot be put back because the module is busy, that is done before the next access, as current kernels
//! do. A module that acknowledges and does not obey ([`Fault::WrongPageRestore`](super::Fault)) shows its other page in the
//! place of page 00h, until an access to a page above 00h, or a write to 127, selects page 00h again: the driver does not
//! write 127 for page 00h.
//!
//! Like the driver, an access polls a module that does not acknowledge for up to [`POLLING`]. In virtual time that polling
//! takes no time: a hold-off that ends within it is waited out at once, a longer one is [`TransportError::Busy`].

use super::clock::ModuleClock;
use super::handle::EmulatedModule;
use super::window::EmulatedWindow;
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
    port: Mutex<Port>,
}

/// The driver's side of the port.
#[derive(Debug)]
struct Port {
    window: EmulatedWindow,
    /// A mapping that is still to be put back.
    owed: Option<[u8; 2]>,
    /// A mapping that stayed although it was to be put back.
    left: Option<[u8; 2]>,
}

impl LinearModule {
    /// The memory of `module`.
    #[must_use]
    pub fn new(module: EmulatedModule) -> Self {
        let port = Port { window: module.window(), owed: None, left: None };
        Self { module, port: Mutex::new(port) }
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
        let mut port = self.port.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(owed) = port.owed {
            self.polled(|| port.window.write(126, &owed))?;
            port.owed = None;
        }
        if at.is_lower() {
            return self.polled(|| data(&mut port.window));
        }
        let mut found = [0; 2];
        self.polled(|| port.window.read(126, &mut found))?;
        let wanted = [at.bank, at.page];
        let shown = found == wanted || (found[1] == at.page && at.in_bank(1).bank == 0);
        let left = port.left.take().filter(|left| *left == found);
        if (shown && left.is_none()) || (left.is_some() && at.page == 0) {
            port.left = left;
            return self.polled(|| data(&mut port.window)).map_err(|error| placed(error, at));
        }
        let back = if left.is_some() { [0, 0] } else { found };
        self.polled(|| port.window.write(126, &wanted))?;
        let result = self.polled(|| data(&mut port.window)).map_err(|error| placed(error, at));
        match self.polled(|| port.window.write(126, &back)) {
            Ok(()) => port.left = Some(self.module.mapping()).filter(|now| *now != back),
            Err(TransportError::Busy) => port.owed = Some(back),
            // A module that is gone or reset has no mapping to be put back.
            Err(_) => {}
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

/// The window knows bytes only: an access that it cannot make is named by where it was to go.
fn placed(error: TransportError, at: Address) -> TransportError {
    match error {
        TransportError::BadAccess { len, .. } => TransportError::BadAccess { at, len },
        other => other,
    }
}
