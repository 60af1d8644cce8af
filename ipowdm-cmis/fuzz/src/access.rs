//! The access layer over memories and windows that answer anything, and the emulated module under any host.

use super::module::Source;
use ipowdm_cmis::access::{Eeprom, Paged, ReadLimit, TransportError, Window};
use ipowdm_cmis::emulator::{EmulatedModule, ModuleClock, Profile, VirtualClock};
use ipowdm_cmis::map::Address;
use ipowdm_cmis::time::{Clock, Millis};
use ipowdm_cmis::transport::{Linear, LinearMemory};

/// A window whose pages show their own number, with a host of its own that interferes, and accesses that fail.
#[derive(Debug)]
struct Pages<'a> {
    source: Source<'a>,
    mapping: (u8, u8),
    accesses: u32,
}

impl Pages<'_> {
    /// Fails an access, or resets the module, as the input says.
    fn accident(&mut self) -> Result<(), TransportError> {
        self.accesses += 1;
        match if self.source.has_more() { self.source.byte() } else { 0xFF } {
            0x00..=0x0F => Err(TransportError::Busy),
            0x10..=0x13 => Err(TransportError::TimedOut),
            0x14..=0x17 => Err(TransportError::Absent),
            0x18..=0x1B => Err(TransportError::Io(71)),
            0x20..=0x2F => {
                self.mapping = (0, 0);
                Ok(())
            }
            _ => Ok(()),
        }
    }
}

impl Window for Pages<'_> {
    fn read(&mut self, byte: u8, into: &mut [u8]) -> Result<(), TransportError> {
        assert!(usize::from(byte % 128) + into.len() <= 128, "a read across an end");
        // Nothing happens between the mapping that was read and the data that follow: an accident comes before both.
        if byte == 126 {
            self.accident()?;
        }
        for (at, value) in (byte..=255).zip(into) {
            *value = match at {
                126 => self.mapping.0,
                127 => self.mapping.1,
                0..126 => 0,
                _ => self.mapping.1 ^ self.mapping.0.rotate_left(4),
            };
        }
        Ok(())
    }

    fn write(&mut self, byte: u8, bytes: &[u8]) -> Result<(), TransportError> {
        assert!(usize::from(byte % 128) + bytes.len() <= 128 && bytes.len() <= 128, "a write across an end");
        self.accident()?;
        if let (126, [bank, page]) = (byte, bytes) {
            // Pages of even numbers in the first two banks are there.
            let there = page.is_multiple_of(2) && (*page < 0x10 || *bank < 2);
            self.mapping = if there { (*bank, *page) } else { (0, 0) };
        }
        Ok(())
    }
}

/// Whatever fails, what an access reads is of the page that was asked for.
pub fn paged(data: &[u8]) {
    let (steps, accidents) = data.split_at(data.len() / 2);
    let limit = if data.len().is_multiple_of(2) { ReadLimit::Half } else { ReadLimit::Strict };
    let window = Pages { source: Source::new(accidents), mapping: (0, 0), accesses: 0 };
    let mut module = Paged::new(window).with_read_limit(limit);
    for step in steps.chunks_exact(4) {
        let at = Address { bank: step[0] & 3, page: step[1], byte: step[2] };
        let len = usize::from(step[3]);
        let before = module.window().accesses;
        let mut bytes = vec![0_u8; len];
        if step[0] & 0x80 != 0 {
            let _ = module.write(at, &bytes);
        } else if module.read(at, &mut bytes).is_ok() && !at.is_lower() {
            let at = at.in_bank(at.bank);
            assert!(at.page.is_multiple_of(2) && (at.page < 0x10 || at.bank < 2), "{at} is not there");
            let shown = at.page ^ at.bank.rotate_left(4);
            assert!(bytes.iter().all(|byte| *byte == shown), "{at} shows {bytes:02X?}");
        }
        assert!(module.window().accesses - before <= 8, "an access without an end");
    }
}

#[derive(Debug)]
struct Offsets<'a>(Source<'a>, u32);

impl LinearMemory for Offsets<'_> {
    fn read_at(&mut self, _: Address, into: &mut [u8]) -> Result<(), TransportError> {
        self.1 += 1;
        match self.0.byte() {
            0x00..=0x07 => Err(TransportError::Busy),
            0x08..=0x0B => Err(TransportError::Absent),
            _ => {
                into.fill_with(|| self.0.byte());
                Ok(())
            }
        }
    }

    fn write_at(&mut self, _: Address, _: &[u8]) -> Result<(), TransportError> {
        self.1 += 1;
        if self.0.byte() < 8 { Err(TransportError::Busy) } else { Ok(()) }
    }
}

/// A memory of noise is read in bounded steps.
pub fn linear(data: &[u8]) {
    let (steps, answers) = data.split_at(data.len() / 2);
    let mut module = Linear::new(Offsets(Source::new(answers), 0));
    for step in steps.chunks_exact(4) {
        let at = Address { bank: step[0] & 3, page: step[1], byte: step[2] };
        let before = module.memory().1;
        let mut bytes = vec![0_u8; usize::from(step[3])];
        if step[0] & 0x80 != 0 {
            let _ = module.write(at, &bytes);
        } else {
            let _ = module.read(at, &mut bytes);
        }
        if step[0] & 0x40 != 0 {
            module.begin();
        }
        assert!(module.memory().1 - before <= 20, "an access without an end");
    }
}

/// Any accesses of any host to an emulated module, in any time.
pub fn emulator(data: &[u8]) {
    let [profile, steps @ ..] = data else { return };
    let profiles = Profile::built_in();
    let profile = profiles[usize::from(*profile) % profiles.len()].clone();
    let mut clock = VirtualClock::new();
    let module = EmulatedModule::new(profile, 1, ModuleClock::from(&clock));
    let mut window = module.window();
    for step in steps.chunks_exact(4) {
        let len = 1 + usize::from(step[2] % 16);
        match step[0] % 4 {
            0 => {
                let _ = window.read(step[1], &mut vec![0; len]);
            }
            1 => {
                let _ = window.write(step[1], &[step[2], step[3]]);
            }
            2 => {
                let _ = window.write(126, &[step[1] & 1, step[2]]);
            }
            _ => clock.sleep_until(Millis(clock.now().0 + (u64::from(step[1]) << (step[2] % 12)))),
        }
    }
}
