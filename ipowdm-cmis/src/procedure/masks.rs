//! Setting and clearing flag masks.

use super::{Modify, Op, ProcError, Procedure, Reply};
use crate::flags::mask_of;
use crate::map::Address;
use crate::monitoring::VdmInstance;
use crate::time::Millis;
use heapless::Vec;

/// Flags whose masks change: bits of one flag byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MaskChange {
    /// The flag byte, not that of its mask.
    pub flags: Address,
    /// The bits.
    pub bits: u8,
    /// Whether the flags are to be kept from the interrupt.
    pub masked: bool,
}

impl MaskChange {
    /// The flags `nibble` of a VDM instance: b0 high alarm, b1 low alarm, b2 high warning, b3 low warning.
    #[must_use]
    pub const fn of_instance(bank: u8, instance: &VdmInstance, nibble: u8, masked: bool) -> Self {
        let (byte, high) = instance.flag_place();
        let bits = if high { nibble << 4 } else { nibble & 0x0F };
        Self { flags: Address::page(0x2C, byte).in_bank(bank), bits, masked }
    }
}

/// Most bytes that one [`SetMasks`] changes.
pub const MOST_MASKS: usize = 32;

/// Masks or unmasks flags: 00h:31-34, 10h:213-232, 12h:239-246, 2Dh, 32h, 3Bh:128-132.
///
/// Each mask byte is read, changed in the named bits and written where it differs. Ends with the number of bytes written.
#[derive(Debug)]
pub struct SetMasks {
    changes: Vec<Modify, MOST_MASKS>,
    at: usize,
    written: u8,
}

impl SetMasks {
    /// These changes, in this order.
    ///
    /// # Errors
    /// [`ProcError::NotAFlag`] for a byte that holds no flags, [`ProcError::TooManyChanges`] beyond [`MOST_MASKS`].
    pub fn new(changes: &[MaskChange]) -> Result<Self, ProcError> {
        let mut steps = Vec::new();
        for change in changes {
            let at = mask_of(change.flags).ok_or(ProcError::NotAFlag { at: change.flags })?;
            let value = if change.masked { change.bits } else { 0 };
            let step = Modify::new(at, change.bits, value);
            steps.push(step).map_err(|_| ProcError::TooManyChanges { most: MOST_MASKS })?;
        }
        Ok(Self { changes: steps, at: 0, written: 0 })
    }
}

impl Procedure for SetMasks {
    type Output = Result<u8, ProcError>;

    fn step(&mut self, now: Millis, reply: Reply<'_>) -> Op<Self::Output> {
        let mut reply = reply;
        loop {
            let Some(change) = self.changes.get_mut(self.at) else { return Op::Done(Ok(self.written)) };
            match change.step(now, reply) {
                Op::Done(Ok(modified)) => {
                    self.written += u8::from(modified.before != modified.after);
                    self.at += 1;
                    reply = Reply::Start;
                }
                Op::Done(Err(error)) => return Op::Done(Err(error)),
                Op::Read { at, len } => return Op::Read { at, len },
                Op::Write { at, bytes } => return Op::Write { at, bytes },
                Op::Sleep { until } => return Op::Sleep { until },
            }
        }
    }
}

#[cfg(all(test, feature = "std"))]
mod tests {
    use super::*;
    use crate::access::Eeprom;
    use crate::procedure::run;
    use crate::time::HostClock;
    use crate::transport::Image;

    #[test]
    fn masks_change_in_the_named_bits_alone() {
        let mut image = Image::new([0; 128]);
        for page in [0x10, 0x12, 0x2D] {
            image.put_page(0, page, [0x3F; 128]);
        }
        let osnr = VdmInstance { observable: 139, lane: 0, threshold_set: 0, page: 0x24, byte: 130 };
        let changes = [
            MaskChange { flags: Address::page(0x11, 147), bits: 0x01, masked: false },
            MaskChange { flags: Address::page(0x12, 231), bits: 0x01, masked: true },
            MaskChange { flags: Address::lower(8), bits: 0x01, masked: true },
            MaskChange::of_instance(0, &osnr, 0x5, true),
        ];
        let written = run(SetMasks::new(&changes).unwrap(), &mut image, &mut HostClock::start());
        assert_eq!(written, Ok(3), "12h:239 was masked already");
        let mut byte = |at| {
            let mut byte = [0];
            image.read(at, &mut byte).unwrap();
            byte[0]
        };
        assert_eq!(byte(Address::page(0x10, 226)), 0x3E);
        assert_eq!(byte(Address::page(0x12, 239)), 0x3F);
        assert_eq!(byte(Address::lower(31)), 0x01);
        assert_eq!(byte(Address::page(0x2D, 128)), 0x7F);
    }

    #[test]
    fn a_byte_without_flags_is_refused_before_anything_is_written() {
        let flag = MaskChange { flags: Address::lower(8), bits: 1, masked: true };
        let none = MaskChange { flags: Address::page(0x10, 128), ..flag };
        assert!(matches!(SetMasks::new(&[flag, none]), Err(ProcError::NotAFlag { .. })));
        assert!(matches!(SetMasks::new(&[flag; MOST_MASKS + 1]), Err(ProcError::TooManyChanges { .. })));
    }
}
