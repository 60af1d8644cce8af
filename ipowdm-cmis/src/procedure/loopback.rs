//! Loopbacks (13h:180-183).

use super::broadcast::{BroadcastGuard, Guarded};
use super::diagnostics::{CONTROL_SPAN, DiagnosticCapabilities, LoopbackPoint, Side, control_at};
use super::module_info::{ModuleInfo, SERIAL, same_module};
use super::{Feature, Op, ProcError, Procedure, Reply, Setting, data, read, write, written};
use crate::map::{Block, page13};
use crate::time::Millis;
use heapless::String;

/// Which lanes of a bank are looped, lane 1 in bit 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Loopbacks([u8; 4]);

impl Loopbacks {
    /// No loopback.
    pub const NONE: Self = Self([0; 4]);

    /// All lanes at one point.
    #[must_use]
    pub const fn all_lanes(point: LoopbackPoint) -> Self {
        Self::NONE.with(point, 0xFF)
    }

    /// The same, with `lanes` at `point`.
    #[must_use]
    pub const fn with(self, point: LoopbackPoint, lanes: u8) -> Self {
        let mut all = self.0;
        all[point.index()] = lanes;
        Self(all)
    }

    /// The lanes at a point.
    #[must_use]
    pub const fn lanes(self, point: LoopbackPoint) -> u8 {
        self.0[point.index()]
    }

    fn any(self, side: Side) -> bool {
        LoopbackPoint::ALL.iter().any(|point| point.side() == side && self.lanes(*point) != 0)
    }

    /// Refuses what the module cannot do.
    fn check(self, can: &DiagnosticCapabilities) -> Result<(), ProcError> {
        let refuse = |feature| Err(ProcError::NotSupported { feature });
        for point in LoopbackPoint::ALL {
            let lanes = self.lanes(point);
            if lanes != 0 && !can.has_loopback(point) {
                return refuse(Feature::Loopback(point));
            }
            if !matches!(lanes, 0 | 0xFF) && !can.loops_single_lanes(point.side()) {
                return refuse(Feature::LoopbackPerLane(point.side()));
            }
        }
        for (output, input) in [
            (LoopbackPoint::MediaOutput, LoopbackPoint::MediaInput),
            (LoopbackPoint::HostOutput, LoopbackPoint::HostInput),
        ] {
            if self.lanes(output) & self.lanes(input) != 0 {
                return refuse(Feature::OpposedLoopbacks(output.side()));
            }
        }
        if self.any(Side::Host) && self.any(Side::Media) && !can.loops_both_sides() {
            return refuse(Feature::SimultaneousLoopbacks);
        }
        Ok(())
    }
}

/// What [`SetLoopbacks`] read back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LoopbacksSet {
    /// Whether anything was written.
    pub changed: bool,
    /// The loopbacks before.
    pub before: Loopbacks,
    /// The loopbacks now.
    pub now: Loopbacks,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Identity,
    Survey,
    /// Takes away what is not wanted, so that no illegal combination stands in between.
    Release,
    Engage,
    Verify,
}

/// Sets the loopbacks of a bank and reads them back; writes nothing where they are right.
///
/// ```text
/// Identity → Survey ─right→ Done;  Survey → Release → Engage → Verify → Done
/// ```
/// What the module does not advertise (13h:128) is refused before the first write.
#[derive(Debug)]
pub struct SetLoopbacks {
    guard: BroadcastGuard,
    serial: String<16>,
    bank: u8,
    wanted: Loopbacks,
    before: Loopbacks,
    phase: Phase,
}

type Step = Result<Op<Result<LoopbacksSet, ProcError>>, ProcError>;

const FIRST: u8 = page13::MEDIA_SIDE_OUTPUT_LOOPBACK_ENABLE.byte;

impl SetLoopbacks {
    /// Brings the loopbacks of `bank` to `wanted`.
    ///
    /// # Errors
    /// [`ProcError::FlatMemory`], [`ProcError::RevisionTooOld`], [`ProcError::WrongBank`], or
    /// [`ProcError::NotSupported`] where the module has no diagnostics pages; it has not been accessed.
    pub fn new(info: &ModuleInfo, bank: u8, wanted: Loopbacks) -> Result<Self, ProcError> {
        info.diagnosable(bank)?;
        Ok(Self {
            guard: BroadcastGuard::new(info),
            serial: info.serial_number.clone(),
            bank,
            wanted,
            before: Loopbacks::NONE,
            phase: Phase::Identity,
        })
    }

    fn advance(&mut self, reply: &Reply<'_>) -> Step {
        let at = control_at(self.bank, FIRST);
        match self.phase {
            Phase::Identity => {
                same_module(&self.serial, data(reply, SERIAL.0)?)?;
                self.phase = Phase::Survey;
                Ok(read(control_at(self.bank, CONTROL_SPAN.0), CONTROL_SPAN.1))
            }
            Phase::Survey => self.survey(reply),
            Phase::Release => {
                written(reply, at)?;
                Ok(self.engage())
            }
            Phase::Engage => {
                written(reply, at)?;
                self.phase = Phase::Verify;
                Ok(read(at, 4))
            }
            Phase::Verify => {
                let now = loopbacks(Block::new(at, data(reply, at)?));
                if now != self.wanted {
                    return Err(ProcError::Mismatch { setting: Setting::Loopback });
                }
                Ok(Op::Done(Ok(LoopbacksSet { changed: true, before: self.before, now })))
            }
        }
    }

    fn survey(&mut self, reply: &Reply<'_>) -> Step {
        let start = control_at(self.bank, CONTROL_SPAN.0);
        let block = Block::new(start, data(reply, start)?);
        self.wanted.check(&DiagnosticCapabilities::decode(block))?;
        self.before = loopbacks(block);
        if self.before == self.wanted {
            let now = self.before;
            return Ok(Op::Done(Ok(LoopbacksSet { changed: false, before: now, now })));
        }
        let kept: [u8; 4] = core::array::from_fn(|point| self.before.0[point] & self.wanted.0[point]);
        if kept == self.before.0 {
            return Ok(self.engage());
        }
        self.phase = Phase::Release;
        Ok(write(control_at(self.bank, FIRST), &kept))
    }

    fn engage(&mut self) -> Op<Result<LoopbacksSet, ProcError>> {
        self.phase = Phase::Engage;
        write(control_at(self.bank, FIRST), &self.wanted.0)
    }
}

fn loopbacks(block: Block<'_>) -> Loopbacks {
    let mut all = [0; 4];
    if let Some(bytes) = block.slice(FIRST, 4) {
        all.copy_from_slice(bytes);
    }
    Loopbacks(all)
}

impl Procedure for SetLoopbacks {
    type Output = Result<LoopbacksSet, ProcError>;

    fn step(&mut self, now: Millis, reply: Reply<'_>) -> Op<Self::Output> {
        let reply = match self.guard.pass(now, reply) {
            Guarded::Op(op) => return op,
            Guarded::Through(reply) => reply,
        };
        if reply == Reply::Start {
            return read(SERIAL.0, SERIAL.1);
        }
        match self.advance(&reply) {
            Ok(op) => op,
            Err(error) => Op::Done(Err(error)),
        }
    }
}
