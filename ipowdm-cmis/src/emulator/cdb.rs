//! Command data block messaging (9Fh, A0h-AFh), passwords.

use super::cells::value_of;
use super::core::Core;
use super::firmware::{FirmwareRefusal, describe};
use crate::map::{lower, page01, page9f};
use crate::time::Millis;
use core::time::Duration;
use std::vec::Vec;

/// Host password of a new module (OIF-CMIS-05.4).
const DEFAULT_PASSWORD: u32 = 0x0000_1011;

/// From the result of a run command to the reset.
const SHORTEST_RUN_DELAY: Duration = Duration::from_millis(100);

/// Result codes of 00h:37, bits 5-0, of a command that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Failure {
    UnknownCommand = 1,
    Parameter = 2,
    CheckCode = 5,
    Password = 6,
    State = 7,
    BadImage = 32,
}

impl From<FirmwareRefusal> for Failure {
    fn from(refusal: FirmwareRefusal) -> Self {
        match refusal {
            FirmwareRefusal::Parameter => Self::Parameter,
            FirmwareRefusal::State => Self::State,
            FirmwareRefusal::BadImage => Self::BadImage,
        }
    }
}

/// A command that is being processed.
#[derive(Debug, Clone)]
struct Running {
    command: u16,
    lpl: Vec<u8>,
    epl: Vec<u8>,
    /// Known to fail when it was captured.
    failure: Option<Failure>,
    due: Millis,
}

/// The two instances, and who has shown the password.
#[derive(Debug, Clone)]
pub(super) struct Cdb {
    running: [Option<Running>; 2],
    password: u32,
    unlocked: bool,
    /// What the host has written to 00h:118-125.
    entry: [u8; 8],
}

impl Default for Cdb {
    fn default() -> Self {
        Self { running: [None, None], password: DEFAULT_PASSWORD, unlocked: false, entry: [0; 8] }
    }
}

impl Cdb {
    /// After a reset nobody has shown the password; a changed password stays.
    pub(super) fn reset(&mut self) {
        *self = Self { password: self.password, ..Self::default() };
    }

    pub(super) fn next_event(&self) -> Option<Millis> {
        self.running.iter().flatten().map(|running| running.due).min()
    }
}

/// One's complement of the sum of bytes.
fn check_code(bytes: &[u8]) -> u8 {
    !bytes.iter().fold(0_u8, |sum, byte| sum.wrapping_add(*byte))
}

fn number(bytes: &[u8]) -> Option<u32> {
    Some(u32::from_be_bytes(bytes.get(..4)?.try_into().ok()?))
}

impl Core {
    /// The host has written bytes of 9Fh in a bank: sees whether that sends a command.
    pub(super) fn message_written(&mut self, instance: usize, byte: u8, len: usize, at: Millis) {
        let last = usize::from(byte) + len - 1;
        let id_ends = usize::from(page9f::CMDID.byte) + 1;
        let covers = usize::from(byte) <= id_ends && last >= id_ends;
        let any_write = value_of(&self.cells, 0, page01::CDB_COMMAND_TRIGGER_METHOD, 0) != 0;
        if covers && (any_write || last == id_ends) {
            self.send(instance, at);
        }
    }

    fn send(&mut self, instance: usize, at: Millis) {
        let bank = super::core::number(instance);
        let message: Vec<u8> = self.cells.page(bank, 0x9F).map(|half| half.to_vec()).unwrap_or_default();
        let [high, low, epl_high, epl_low, lpl_len, check, ..] = message[..] else { return };
        let command = u16::from_be_bytes([high, low]);
        if self.cdb.running.get(instance).is_some_and(Option::is_some) {
            // Only a message to abort is taken while another is being processed.
            if command == 0x0004 {
                self.cdb.running[instance] = None;
                self.conclude(instance, Ok((3, Vec::new())));
            }
            return;
        }
        let lpl = message.get(8..8 + usize::from(lpl_len)).map(<[u8]>::to_vec);
        let epl_len = usize::from(u16::from_be_bytes([epl_high, epl_low]));
        let failure = match &lpl {
            None => Some(Failure::Parameter),
            Some(lpl) => {
                let sum: Vec<u8> = message[..5].iter().chain(lpl).copied().collect();
                (check_code(&sum) != check).then_some(Failure::CheckCode)
            }
        };
        let too_long = epl_len > usize::from(self.layout.epl_pages) * 128;
        let failure = failure.or(too_long.then_some(Failure::Parameter));
        let epl = if failure.is_none() { self.epl(bank, epl_len) } else { Vec::new() };
        let takes =
            if failure.is_some() { Duration::from_millis(1) } else { self.firmware_duration(command) };
        let due = at.after(self.lasting(takes));
        if let Some(slot) = self.cdb.running.get_mut(instance) {
            *slot = Some(Running { command, lpl: lpl.unwrap_or_default(), epl, failure, due });
        }
        // Busy, being processed.
        self.cells.set(0, 0, lower::CDB_STATUS_RESULT.byte + bank, &[0x83]);
        if !self.layout.cdb_background {
            self.busy_until = self.busy_until.max(due);
        }
    }

    fn epl(&self, bank: u8, len: usize) -> Vec<u8> {
        let pages = (0xA0_u8..=0xAF).take(usize::from(self.layout.epl_pages));
        pages.filter_map(|page| self.cells.page(bank, page)).flatten().copied().take(len).collect()
    }

    /// Ends a hold-off now. In the foreground a command ends with it: nobody sees one that is being processed.
    pub(super) fn end_hold_off(&mut self) {
        let now = self.synced;
        self.busy_until = now;
        if !self.layout.cdb_background && self.cdb.running.iter().any(Option::is_some) {
            for running in self.cdb.running.iter_mut().flatten() {
                running.due = now;
            }
            self.settle(now);
        }
    }

    pub(super) fn step_cdb(&mut self, at: Millis) -> bool {
        let mut moved = false;
        for instance in 0..2 {
            let due = self.cdb.running[instance].as_ref().is_some_and(|running| running.due <= at);
            if let Some(running) = due.then(|| self.cdb.running[instance].take()).flatten() {
                let result = match running.failure {
                    Some(failure) => Err(failure),
                    None => self.execute(&running, at).map(|reply| (1, reply)),
                };
                self.conclude(instance, result);
                moved = true;
            }
        }
        self.step_firmware(at);
        moved
    }

    /// Writes the result and the reply, and raises the completion flag.
    fn conclude(&mut self, instance: usize, result: Result<(u8, Vec<u8>), Failure>) {
        let bank = super::core::number(instance);
        let (status, reply) = match result {
            Ok((code, reply)) => (code, reply),
            Err(failure) => (0x40 | failure as u8, Vec::new()),
        };
        let len = u8::try_from(reply.len()).unwrap_or(120).min(120);
        self.cells.set(bank, 0x9F, page9f::RPL_LENGTH.byte, &[len, check_code(&reply)]);
        if !reply.is_empty() {
            self.cells.set(bank, 0x9F, page9f::LPL.byte, &reply[..usize::from(len)]);
        }
        self.cells.set(0, 0, lower::CDB_STATUS_RESULT.byte + bank, &[status]);
        self.cells.raise(0, 0, lower::CDB_CMD_COMPLETE_FLAG.byte, 0x40 << bank.min(1));
    }

    fn execute(&mut self, running: &Running, at: Millis) -> Result<Vec<u8>, Failure> {
        let lpl = &running.lpl;
        if (0x0101..=0x010A).contains(&running.command) && !self.may_change_firmware() {
            return Err(Failure::Password);
        }
        match running.command {
            // Query status: length, and whether the password was shown.
            0x0000 => Ok(std::vec![2, u8::from(self.cdb.unlocked)]),
            0x0001 => {
                let entered = number(lpl).ok_or(Failure::Parameter)?;
                if self.enter_password(entered) { Ok(Vec::new()) } else { Err(Failure::Password) }
            }
            0x0002 => {
                let new = number(lpl).ok_or(Failure::Parameter)?;
                if self.change_password(new) { Ok(Vec::new()) } else { Err(Failure::Password) }
            }
            0x0004 => Err(Failure::State),
            0x0040 => Ok(module_features()),
            0x0041 => Ok(self.firmware_features()),
            0x0042..=0x0045 => Ok(std::vec![0; 34]),
            0x0100 => Ok(self.firmware_info()),
            0x0101..=0x010A => self.execute_firmware(running, at),
            _ => Err(Failure::UnknownCommand),
        }
    }

    fn execute_firmware(&mut self, running: &Running, at: Millis) -> Result<Vec<u8>, Failure> {
        let lpl = &running.lpl;
        let Some(cdb) = self.profile.cdb.clone() else { return Err(Failure::UnknownCommand) };
        match running.command {
            0x0101 => {
                let size = number(lpl).ok_or(Failure::Parameter)?;
                let header = lpl.get(8..).unwrap_or_default();
                self.firmware.begin(size, header, cdb.start_payload, cdb.image_capacity)?;
            }
            0x0102 => self.firmware.abort()?,
            0x0103 => {
                let address = number(lpl).ok_or(Failure::Parameter)?;
                self.firmware.block(address, lpl.get(4..).unwrap_or_default(), cdb.start_payload)?;
            }
            0x0104 => {
                let address = number(lpl).ok_or(Failure::Parameter)?;
                self.firmware.block(address, &running.epl, cdb.start_payload)?;
            }
            0x0107 => self.firmware.complete()?,
            0x0108 => {
                let from = match lpl.first() {
                    Some(0xAB) => 0,
                    Some(0xBA) => 1,
                    _ => return Err(Failure::Parameter),
                };
                self.firmware.copy(from)?;
                self.write_firmware_status();
                return Ok(std::vec![0; 6]);
            }
            0x0109 => {
                let [_, mode, high, low] =
                    lpl.get(..4).and_then(|l| l.try_into().ok()).ok_or(Failure::Parameter)?;
                let delay = Duration::from_millis(u64::from(u16::from_be_bytes([high, low])));
                // However short the delay: the result can be read before the reset.
                self.firmware.plan(mode, cdb.hitless, at.after(delay.max(SHORTEST_RUN_DELAY)))?;
            }
            0x010A => self.firmware.commit(),
            // Images cannot be read back.
            _ => return Err(Failure::UnknownCommand),
        }
        self.write_firmware_status();
        Ok(Vec::new())
    }

    /// 0041h.
    fn firmware_features(&self) -> Vec<u8> {
        let Some(cdb) = &self.profile.cdb else { return Vec::new() };
        let longest = [cdb.start, cdb.abort, cdb.block, cdb.complete, cdb.copy];
        let millis = |duration: &Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        let coarse = longest.iter().any(|duration| millis(duration) > u64::from(u16::MAX));
        // Abort and copy; durations in units of 10 ms where they need it.
        let features = 0x03 | (u8::from(coarse) << 3);
        let epl = self.layout.epl_pages > 0;
        let extension = value_of(&self.cells, 0, page01::CDB_READ_WRITE_LENGTH_EXTENSION, 0);
        let mut reply = std::vec![0, features, cdb.start_payload, 0xFF, extension];
        reply.extend([if epl { 0x11 } else { 0x01 }, 0x00, u8::from(cdb.hitless)]);
        for duration in &longest {
            // Advertised with a fifth in reserve.
            let most = (millis(duration) * 6 / 5 + 1).div_ceil(if coarse { 10 } else { 1 });
            reply.extend(u16::try_from(most).unwrap_or(u16::MAX).to_be_bytes());
        }
        reply
    }

    /// 0100h.
    fn firmware_info(&self) -> Vec<u8> {
        let present =
            (0..2).fold(0, |bits, slot| bits | (u8::from(self.firmware.images[slot].is_some()) << slot));
        let mut reply = std::vec![self.firmware.status(), present];
        for slot in 0..2 {
            reply.extend(self.firmware.version(slot).map_or([0; 36], describe));
        }
        reply.extend([0; 36]);
        reply
    }

    fn may_change_firmware(&self) -> bool {
        self.cdb.unlocked || !self.profile.cdb.as_ref().is_some_and(|cdb| cdb.password_protected)
    }

    fn enter_password(&mut self, entered: u32) -> bool {
        self.cdb.unlocked = entered == self.cdb.password;
        self.cdb.unlocked
    }

    /// Host passwords have the highest bit clear.
    fn change_password(&mut self, new: u32) -> bool {
        let accepted = self.cdb.unlocked && new < 0x8000_0000;
        if accepted {
            self.cdb.password = new;
        }
        accepted
    }

    /// The host has written bytes of the lower memory: sees to the password registers among them (118-125).
    pub(super) fn password_written(&mut self, byte: u8, bytes: &[u8]) {
        let (change, entry) = (lower::PASSWORD_CHANGE_ENTRY.byte, lower::PASSWORD_ENTRY.byte);
        let supported = value_of(&self.cells, 0, page01::PASSWORD_ENTRY_SUPPORTED, 0) == 2;
        for (value, at) in bytes.iter().zip(byte..=u8::MAX) {
            let Some(index) = at.checked_sub(change).map(usize::from).filter(|index| *index < 8) else {
                continue;
            };
            if !supported {
                continue;
            }
            self.cdb.entry[index] = *value;
            let [a, b, c, d, e, f, g, h] = self.cdb.entry;
            // The last byte of each entry acts.
            let accepted = if at == entry + 3 {
                self.enter_password(u32::from_be_bytes([e, f, g, h]))
            } else if at == change + 3 {
                self.change_password(u32::from_be_bytes([a, b, c, d]))
            } else {
                continue;
            };
            let result = if accepted { 2 } else { 3 };
            self.cells.set(0, 0, lower::PASSWORD_CMD_RESULT.byte, &[result]);
        }
    }
}

/// 0040h: which of the commands 0000h-00FFh there are, one bit each, from the second byte; longest duration in ms.
fn module_features() -> Vec<u8> {
    let mut reply = std::vec![0; 36];
    for command in [0x00_usize, 0x01, 0x02, 0x04, 0x40, 0x41, 0x42, 0x43, 0x44, 0x45] {
        reply[1 + command / 8] |= 1 << (command % 8);
    }
    reply[34..36].copy_from_slice(&5_000_u16.to_be_bytes());
    reply
}
