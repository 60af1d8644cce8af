//! Read-modify-write of a shared control byte.

use super::{Op, ProcError, Procedure, Reply, data, read, write, written};
use crate::map::{Address, Field};
use crate::time::Millis;

/// What a [`Modify`] found and left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Modified {
    /// The byte as it was.
    pub before: u8,
    /// The byte as it was written; equal to `before` where nothing was.
    pub after: u8,
}

/// Changes some bits of a byte and leaves the others as the module has them.
///
/// Control bytes are shared: 2Fh:144 holds the freeze request beside the duty cycle, 00h:26 the power request beside the
/// reset. Nothing is written where the bits are right already. The byte is not read back, for some bits clear themselves.
///
/// ```text
/// Read ─differs→ Write → Done
///   └──same──────────────┘
/// ```
#[derive(Debug, Clone)]
pub struct Modify {
    at: Address,
    mask: u8,
    value: u8,
    modified: Option<Modified>,
}

impl Modify {
    /// Sets the bits of `mask` at `at` to those of `value`.
    #[must_use]
    pub const fn new(at: Address, mask: u8, value: u8) -> Self {
        Self { at, mask, value, modified: None }
    }

    /// Sets element `index` (0-based) of a register that is a byte or part of one; `None` for another register, or where
    /// `value` does not fit.
    #[must_use]
    pub fn field(field: Field, index: u16, value: u8) -> Option<Self> {
        let place = field.element(index).filter(|place| place.len == 1)?;
        let mask = field.mask(index);
        let shifted = value.checked_shl(place.bits.map_or(0, |(_, low)| u32::from(low)))?;
        let fits = shifted & mask == shifted && shifted >> place.bits.map_or(0, |(_, low)| low) == value;
        fits.then(|| Self::new(place.at, mask, shifted))
    }

    /// The same bits in another bank.
    #[must_use]
    pub const fn in_bank(mut self, bank: u8) -> Self {
        self.at = self.at.in_bank(bank);
        self
    }
}

impl Procedure for Modify {
    type Output = Result<Modified, ProcError>;

    fn step(&mut self, _now: Millis, reply: Reply<'_>) -> Op<Self::Output> {
        if reply == Reply::Start {
            return read(self.at, 1);
        }
        if let Some(modified) = self.modified {
            return Op::Done(written(&reply, self.at).map(|()| modified));
        }
        match data(&reply, self.at).map(|bytes| bytes.first().copied()) {
            Ok(Some(before)) => {
                let modified = Modified { before, after: (before & !self.mask) | (self.value & self.mask) };
                if modified.after == before {
                    return Op::Done(Ok(modified));
                }
                self.modified = Some(modified);
                write(self.at, &[modified.after])
            }
            Ok(None) => Op::Done(Err(ProcError::OutOfStep)),
            Err(error) => Op::Done(Err(error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::TransportError;
    use crate::map::{lower, page2f, page10, page12};

    fn step(procedure: &mut Modify, reply: Reply<'_>) -> Op<Result<Modified, ProcError>> {
        procedure.step(Millis(0), reply)
    }

    #[test]
    fn the_other_bits_are_left_as_the_module_has_them() {
        // Freeze with the duty cycle at its default of 10 beside it.
        let mut freeze = Modify::field(page2f::FREEZE_REQUEST, 0, 1).unwrap();
        let at = Address::page(0x2F, 144);
        assert_eq!(step(&mut freeze, Reply::Start), read(at, 1));
        assert_eq!(step(&mut freeze, Reply::Data(&[0x28])), write(at, &[0xA8]));
        let done = Op::Done(Ok(Modified { before: 0x28, after: 0xA8 }));
        assert_eq!(step(&mut freeze, Reply::Written), done);
    }

    #[test]
    fn what_is_right_already_is_not_written() {
        let mut freeze = Modify::field(page2f::FREEZE_REQUEST, 0, 1).unwrap().in_bank(1);
        let at = Address { bank: 1, page: 0x2F, byte: 144 };
        assert_eq!(step(&mut freeze, Reply::Start), read(at, 1));
        let done = Op::Done(Ok(Modified { before: 0xA8, after: 0xA8 }));
        assert_eq!(step(&mut freeze, Reply::Data(&[0xA8])), done);
    }

    #[test]
    fn a_failed_access_names_the_place() {
        let source = TransportError::TimedOut;
        let failed = Op::Done(Err(ProcError::Bus { at: Address::lower(26), source }));
        for reads in [0, 1] {
            let mut reset = Modify::field(lower::SOFTWARE_RESET, 0, 1).unwrap();
            step(&mut reset, Reply::Start);
            for _ in 0..reads {
                step(&mut reset, Reply::Data(&[0]));
            }
            assert_eq!(step(&mut reset, Reply::Failed(source)), failed);
        }
        let mut reset = Modify::field(lower::SOFTWARE_RESET, 0, 1).unwrap();
        assert_eq!(step(&mut reset, Reply::Data(&[])), Op::Done(Err(ProcError::OutOfStep)));
    }

    #[test]
    fn a_value_that_does_not_fit_or_a_wider_register_is_refused() {
        assert!(Modify::field(page2f::FREEZE_REQUEST, 0, 2).is_none());
        assert!(Modify::field(page12::GRID_SPACING_TX, 0, 16).is_none());
        assert!(Modify::field(page12::GRID_SPACING_TX, 8, 1).is_none(), "there is no ninth lane");
        assert!(Modify::field(page12::CHANNEL_NUMBER_TX, 0, 1).is_none());
        let lane_3 = Modify::field(page12::GRID_SPACING_TX, 2, 7).unwrap();
        assert_eq!((lane_3.at, lane_3.mask, lane_3.value), (Address::page(0x12, 130), 0xF0, 0x70));
        assert!(Modify::field(page10::SCS_APPLY_DP_INIT_LANE, 0, 0xFF).is_some());
    }
}
