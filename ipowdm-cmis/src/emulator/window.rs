//! The raw window that a module shows, and what accesses to it do.

use super::cells::{Half, lower_masks, page_masks};
use super::core::Core;
use super::handle::EmulatedModule;
use crate::access::{MAX_WRITE, TransportError, Window};
use crate::machine::ModulePhase;
use crate::map::{Address, BankRule, lower, page01};
use core::time::Duration;
use std::sync::MutexGuard;

/// The raw window of an emulated module.
#[derive(Debug, Clone)]
pub struct EmulatedWindow(EmulatedModule);

impl EmulatedWindow {
    pub(super) const fn of(module: EmulatedModule) -> Self {
        Self(module)
    }

    /// The module, ready for an access; or why not.
    fn open(&self) -> Result<MutexGuard<'_, Core>, TransportError> {
        let mut core = self.0.measured();
        if !core.present {
            return Err(TransportError::Absent);
        }
        core.injected_failure()?;
        let hidden = matches!(core.phase.state, ModulePhase::Reset | ModulePhase::MgmtInit);
        if hidden || core.synced < core.busy_until {
            return Err(TransportError::Busy);
        }
        Ok(core)
    }
}

/// Whether an access of `len` bytes from `byte` stays in its half of the window.
fn in_one_half(byte: u8, len: usize) -> bool {
    let room = 128 - usize::from(byte % 128);
    len > 0 && len <= room
}

impl Window for EmulatedWindow {
    fn read(&mut self, byte: u8, into: &mut [u8]) -> Result<(), TransportError> {
        if !in_one_half(byte, into.len()) {
            return Err(TransportError::BadAccess { at: Address::lower(byte), len: into.len() });
        }
        let mut core = self.open()?;
        let place = (byte >= 128).then_some(core.mapping);
        let torn = core.faults.torn_reads > 0 && into.len() > 8;
        let older: Option<Half> = torn.then(|| core.half(place));
        core.refresh(place);
        let page = place.map(|(_, page)| page);
        let masks = page.map_or_else(lower_masks, page_masks);
        let (bank, number) = place.unwrap_or((0, 0));
        for (offset, value) in into.iter_mut().enumerate() {
            let at = byte.saturating_add(u8::try_from(offset).unwrap_or(u8::MAX));
            *value = core.byte_at(place, at);
            if let Some(masks) = masks {
                let clear = masks.clear_on_read[usize::from(at % 128)];
                if clear != 0 {
                    let kept = *value & !clear;
                    core.cells.set(bank, number, at, &[kept]);
                }
            }
        }
        if let Some(older) = older {
            core.faults.torn_reads -= 1;
            let cut = into.len() / 2;
            let first = usize::from(byte % 128);
            into[..cut].copy_from_slice(&older[first..first + cut]);
        }
        Ok(())
    }

    fn write(&mut self, byte: u8, bytes: &[u8]) -> Result<(), TransportError> {
        let bad = || TransportError::BadAccess { at: Address::lower(byte), len: bytes.len() };
        if !in_one_half(byte, bytes.len()) {
            return Err(bad());
        }
        let mut core = self.open()?;
        if bytes.len() > core.longest_write(byte) {
            return Err(bad());
        }
        core.host_write(byte, bytes);
        Ok(())
    }
}

impl Core {
    /// An access that a fault keeps from the module.
    fn injected_failure(&mut self) -> Result<(), TransportError> {
        let taken = |left: &mut u32| {
            let taken = *left > 0;
            *left = left.saturating_sub(1);
            taken
        };
        let now = self.synced;
        let faults = &mut self.faults;
        if taken(&mut faults.enxio) {
            Err(TransportError::Absent)
        } else if taken(&mut faults.clock_stretch) {
            Err(TransportError::TimedOut)
        } else if taken(&mut faults.nack) || faults.stuck_busy || now < faults.nack_until {
            Err(TransportError::Busy)
        } else {
            Ok(())
        }
    }

    /// Most bytes of one write to where `byte` is now.
    fn longest_write(&self, byte: u8) -> usize {
        if !self.profile.enforce_write_limit {
            return 128;
        }
        if byte >= 128 && (0x9F..=0xAF).contains(&self.mapping.1) {
            let extension = self.cells.get(0, 0x01, page01::CDB_READ_WRITE_LENGTH_EXTENSION.byte);
            return (MAX_WRITE * (1 + usize::from(extension))).min(128);
        }
        MAX_WRITE
    }

    /// What a half holds, without computing anything.
    fn half(&self, place: Option<(u8, u8)>) -> Half {
        match place {
            None => self.cells.lower,
            Some((bank, page)) => self.cells.page(bank, page).copied().unwrap_or([0; 128]),
        }
    }

    /// A byte as the host sees it.
    fn byte_at(&self, place: Option<(u8, u8)>, byte: u8) -> u8 {
        match (place, byte) {
            (None, 126) => self.mapping.0,
            (None, 127) => self.mapping.1,
            (None, _) => self.cells.get(0, 0, byte),
            (Some((bank, page)), _) => self.cells.get(bank, page, byte),
        }
    }

    /// A legal write of the host.
    fn host_write(&mut self, byte: u8, bytes: &[u8]) {
        let now = self.synced;
        let page_written = byte <= 127 && usize::from(byte) + bytes.len() > 126;
        let hold_off = if page_written { self.profile.hold_offs.page } else { self.profile.hold_offs.write };
        if byte < 128 {
            self.write_lower(byte, bytes);
        } else {
            let (bank, page) = self.mapping;
            let broadcast = self.cells.get(0, 0, lower::BANK_BROADCAST_ENABLE.byte)
                & lower::BANK_BROADCAST_ENABLE.mask(0)
                != 0;
            if broadcast && BankRule::of_page(page) == BankRule::Lanes {
                for bank in 0..self.layout.banks {
                    self.write_page(super::core::number(bank), page, byte, bytes);
                }
            } else {
                self.write_page(bank, page, byte, bytes);
            }
        }
        self.settle(now);
        if hold_off > Duration::ZERO && !self.faults.instant {
            self.busy_until = self.busy_until.max(now.after(hold_off));
        }
    }

    fn write_page(&mut self, bank: u8, page: u8, byte: u8, bytes: &[u8]) {
        let now = self.synced;
        let Some(before) = self.cells.page(bank, page).copied() else { return };
        self.store(Some((bank, page)), byte, bytes);
        let lanes = usize::from(bank);
        match page {
            0x10 => self.triggers_written(lanes, byte, bytes, now),
            0x12 => self.laser_written(lanes, byte, bytes.len(), now),
            0x13 => {
                self.loopbacks_written(lanes, &before);
                self.checkers_written(lanes, now);
            }
            0x2F => {
                let is = self.cells.get(bank, 0x2F, 144);
                self.freeze_written(before[16], is, now);
            }
            0x9F => self.message_written(lanes, byte, bytes.len(), now),
            _ => {}
        }
    }

    fn write_lower(&mut self, byte: u8, bytes: &[u8]) {
        self.store(None, byte, bytes);
        let written =
            |at: u8| at.checked_sub(byte).and_then(|offset| bytes.get(usize::from(offset)).copied());
        self.password_written(byte, bytes);
        let reset = written(26).is_some_and(|control| control & lower::SOFTWARE_RESET.mask(0) != 0);
        if reset && !self.layout.flat {
            self.reset();
            return;
        }
        // BankSelect takes effect with PageSelect; a page that is not there turns into 00h.
        if let Some(page) = written(127) {
            let bank = written(126).unwrap_or(self.mapping.0);
            if page == 0 && self.faults.ignored_restores > 0 {
                self.faults.ignored_restores -= 1;
                return;
            }
            self.mapping = if self.cells.has(bank, page) { (bank, page) } else { (0, 0) };
        }
    }

    /// Keeps the writable bits.
    fn store(&mut self, place: Option<(u8, u8)>, byte: u8, bytes: &[u8]) {
        let masks = place.map_or_else(lower_masks, |(_, page)| page_masks(page));
        let Some(masks) = masks else { return };
        let (bank, page) = place.unwrap_or((0, 0));
        for (offset, value) in bytes.iter().enumerate() {
            let at = byte.saturating_add(u8::try_from(offset).unwrap_or(u8::MAX));
            let reserved = self.reserved.iter().filter(|(p, b, _)| *p == page && *b == at);
            let reserved = reserved.fold(0, |bits, (_, _, more)| bits | more);
            let writable = masks.write[usize::from(at % 128)] & !reserved;
            let old = self.cells.get(bank, page, at);
            let new = (old & !writable) | (value & writable);
            self.cells.set(bank, page, at, &[new]);
        }
    }
}
