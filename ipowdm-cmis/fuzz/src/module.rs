//! Modules that answer what the input says.

use ipowdm_cmis::access::{Counters, Eeprom, TransportError};
use ipowdm_cmis::map::Address;

/// Bytes of the input one after another, and noise that follows from them when they are used up.
#[derive(Debug, Clone)]
pub struct Source<'a> {
    bytes: &'a [u8],
    state: u64,
}

impl<'a> Source<'a> {
    pub fn new(bytes: &'a [u8]) -> Self {
        let seed = bytes.iter().fold(0xCBF2_9CE4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01B3)
        });
        Self { bytes, state: seed | 1 }
    }

    pub fn byte(&mut self) -> u8 {
        if let Some((first, rest)) = self.bytes.split_first() {
            self.bytes = rest;
            return *first;
        }
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
        self.state.to_be_bytes()[0]
    }

    /// Whether the input itself still has something to say.
    pub fn has_more(&self) -> bool {
        !self.bytes.is_empty()
    }
}

/// A module whose every answer is the input's; places can be held so that a procedure gets further.
#[derive(Debug)]
pub struct Noise<'a> {
    pub source: Source<'a>,
    pub held: Vec<(Address, u8)>,
}

impl Noise<'_> {
    /// One access in sixteen fails.
    fn refuse(&mut self) -> Result<(), TransportError> {
        match self.source.byte() {
            0x00..=0x07 => Err(TransportError::Busy),
            0x08..=0x0A => Err(TransportError::TimedOut),
            0x0B..=0x0C => Err(TransportError::Io(5)),
            0x0D..=0x0E => Err(TransportError::PageUnsupported { bank: 0, page: 0x20 }),
            0x0F => Err(TransportError::Absent),
            _ => Ok(()),
        }
    }
}

impl Eeprom for Noise<'_> {
    fn read(&mut self, at: Address, into: &mut [u8]) -> Result<(), TransportError> {
        self.refuse()?;
        let end = usize::from(at.byte) + into.len();
        assert!(
            !into.is_empty() && end <= if at.is_lower() { 128 } else { 256 },
            "{} bytes at {at}",
            into.len()
        );
        for (byte, value) in (at.byte..=255).zip(into) {
            let place = Address { byte, ..at };
            let noise = self.source.byte();
            *value = self.held.iter().find(|(held, _)| *held == place).map_or(noise, |(_, held)| *held);
        }
        Ok(())
    }

    fn write(&mut self, at: Address, bytes: &[u8]) -> Result<(), TransportError> {
        ipowdm_cmis::access::check_write(at, bytes.len()).expect("a procedure writes legally");
        self.refuse()
    }

    fn counters(&self) -> Counters {
        Counters::default()
    }
}
