//! Reading for the checks, busy modules waited for.

use crate::access::{Eeprom, TransportError};
use crate::map::Address;
use crate::procedure::{Op, ProcError, Procedure, Reply, run};
use crate::time::{Clock, Millis};

/// One half of the window.
pub(super) type Half = [u8; 128];

/// Reads one half, or part of it.
struct ReadHalf {
    at: Address,
    len: u8,
}

impl Procedure for ReadHalf {
    type Output = Result<Half, TransportError>;

    fn step(&mut self, _now: Millis, reply: Reply<'_>) -> Op<Self::Output> {
        match reply {
            Reply::Data(bytes) => {
                let mut half = [0; 128];
                let first = usize::from(self.at.byte % 128);
                for (place, byte) in half.iter_mut().skip(first).zip(bytes) {
                    *place = *byte;
                }
                Op::Done(Ok(half))
            }
            Reply::Failed(error) => Op::Done(Err(error)),
            Reply::Start | Reply::Written | Reply::Woken => Op::Read { at: self.at, len: self.len },
        }
    }
}

/// A module's memory and the clock that its waits go by.
pub(super) struct Memory<'a> {
    read: &'a mut dyn FnMut(ReadHalf) -> Result<Half, TransportError>,
}

/// Binds a transport and a clock into one closure, so that the checks need not be generic.
pub(super) fn with<E: Eeprom + ?Sized, C: Clock + ?Sized, T>(
    eeprom: &mut E,
    clock: &mut C,
    work: impl FnOnce(&mut Memory<'_>) -> T,
) -> T {
    work(&mut Memory { read: &mut |half| run(half, eeprom, clock) })
}

impl Memory<'_> {
    fn part(&mut self, at: Address, len: u8) -> Result<Half, ProcError> {
        (self.read)(ReadHalf { at, len }).map_err(|source| ProcError::Bus { at, source })
    }

    /// The lower memory without its clear-on-read flags 8-13, which read as 0 here.
    pub(super) fn lower(&mut self) -> Result<Half, ProcError> {
        let mut half = self.part(Address::lower(0), 8)?;
        let rest = self.part(Address::lower(14), 112)?;
        half[14..126].copy_from_slice(&rest[14..126]);
        Ok(half)
    }

    /// A page of bank 0, byte 128 first; `None` where the module does not have it. Not for pages with clear-on-read flags.
    pub(super) fn page(&mut self, page: u8) -> Result<Option<Half>, ProcError> {
        self.span(page, 128, 128)
    }

    /// Part of a page of bank 0, at its place in the page.
    pub(super) fn span(&mut self, page: u8, byte: u8, len: u8) -> Result<Option<Half>, ProcError> {
        match self.part(Address::page(page, byte), len) {
            Ok(half) => Ok(Some(half)),
            Err(ProcError::Bus { source: TransportError::PageUnsupported { .. }, .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Whether the module has a page of bank 0. Looks at the last byte, which is a flag that clears on read on no page but
    /// 2Ch; its masks on 2Dh stand for that one.
    pub(super) fn has(&mut self, page: u8) -> Result<bool, ProcError> {
        let page = if page == 0x2C { 0x2D } else { page };
        Ok(self.span(page, 255, 1)?.is_some())
    }
}
