//! Telemetry: everything a module says about its light, in few bulk reads.

mod full;
mod full_report;
mod plan;
mod report;
mod snapshot;

pub use full::{FullSweep, Interval, SweepScope};
pub use full_report::FullSweepReport;
pub use report::SweepReport;

use super::module_info::{ModuleInfo, SERIAL, VdmSpan, same_module};
use super::{Op, ProcError, Procedure, Reply, read};
use crate::access::TransportError;
use crate::map::{Address, Block};
use crate::monitoring::Reading;
use crate::time::Millis;
use heapless::{String, Vec};
use report::Decoder;

/// Whether the sweep reads flags that clear when they are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Flags {
    /// Read and report them: the driver owns the module.
    #[default]
    Latch,
    /// Leave them to another reader; what they tell is [`Reading::Unsupported`](crate::monitoring::Reading).
    Leave,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Identity,
    State,
    Monitors,
    LaneStates,
    LaneMonitors,
    Laser,
    Vdm(u8),
}

/// Reads one set of telemetry. Writes nothing but the page selection.
///
/// Six reads with [`Flags::Leave`], five with [`Flags::Latch`], plus one for each VDM group with swept observables; an
/// access that fails leaves its quantities [`Reading::Unreadable`](crate::monitoring::Reading) and the rest is read. Only
/// a module that is absent, unreachable from the start, or not the identified one ends the sweep.
///
/// It reads current samples alone and never freezes the module, so that it may run every few seconds without ending
/// the statistics interval: that is [`FullSweep`](super::FullSweep)'s.
#[derive(Debug)]
pub struct Sweep {
    phase: Phase,
    flags: Flags,
    serial: String<16>,
    tunable: bool,
    paged: bool,
    spans: Vec<VdmSpan, 4>,
    expected: Option<[u8; 8]>,
    decoder: Decoder,
}

impl Sweep {
    /// A sweep of the module that `info` describes, for one media lane (0-based).
    #[must_use]
    pub fn new(info: &ModuleInfo, lane: u8, flags: Flags) -> Self {
        let place = |observable| info.instance(observable, lane).map(|i| (i.page, i.byte));
        Self {
            phase: Phase::Identity,
            flags,
            serial: info.serial_number.clone(),
            tunable: info.tunable,
            paged: !info.flat_memory,
            spans: info.vdm_spans.clone(),
            expected: None,
            decoder: Decoder::new(lane, flags, place),
        }
    }

    /// Reads samples only while the lanes are commissioned like this (an earlier
    /// [`SweepReport::commissioned`]): descriptors may change with the commissioning, and samples under old ones are
    /// [`Reading::Stale`](crate::monitoring::Reading) until the module is identified again.
    #[must_use]
    pub fn expecting(mut self, commissioned: Option<[u8; 8]>) -> Self {
        self.expected = commissioned;
        self
    }

    /// Whether the commissioning is known to be another one than expected.
    fn is_recommissioned(&self) -> bool {
        match (self.expected, self.decoder.commissioned()) {
            (Some(expected), Reading::Value(found)) => expected != found,
            _ => false,
        }
    }

    fn place(&self, phase: Phase) -> (Address, u8) {
        match (phase, self.flags) {
            (Phase::Identity, _) => SERIAL,
            (Phase::State, _) => (Address::lower(2), 6),
            (Phase::Monitors, _) => (Address::lower(14), 4),
            (Phase::LaneStates, Flags::Latch) => (Address::page(0x11, 128), 86),
            (Phase::LaneStates, Flags::Leave) => (Address::page(0x11, 128), 6),
            (Phase::LaneMonitors, _) => (Address::page(0x11, 154), 60),
            (Phase::Laser, Flags::Latch) => (Address::page(0x12, 128), 111),
            (Phase::Laser, Flags::Leave) => (Address::page(0x12, 128), 102),
            (Phase::Vdm(index), _) => {
                let span = self.spans.get(usize::from(index)).copied().unwrap_or(VdmSpan {
                    page: 0x24,
                    byte: 128,
                    len: 2,
                });
                (Address::page(span.page, span.byte), span.len)
            }
        }
    }

    fn next(&self, phase: Phase) -> Option<Phase> {
        let after_lanes = if self.tunable { Some(Phase::Laser) } else { self.vdm(0) };
        match phase {
            Phase::Identity => Some(Phase::State),
            Phase::State => Some(Phase::Monitors),
            Phase::Monitors => self.paged.then_some(Phase::LaneStates),
            Phase::LaneStates if self.flags == Flags::Leave => Some(Phase::LaneMonitors),
            Phase::LaneStates | Phase::LaneMonitors => after_lanes,
            Phase::Laser => self.vdm(0),
            Phase::Vdm(index) => self.vdm(index + 1),
        }
    }

    fn vdm(&self, index: u8) -> Option<Phase> {
        (usize::from(index) < self.spans.len()).then_some(Phase::Vdm(index))
    }

    fn take(&mut self, phase: Phase, block: Result<Block<'_>, TransportError>) {
        match phase {
            Phase::Identity => {}
            Phase::State => self.decoder.take_state(block),
            Phase::Monitors => self.decoder.take_monitors(block),
            Phase::LaneStates => {
                self.decoder.take_lane_states(block);
                if self.flags == Flags::Latch {
                    self.decoder.take_lane_monitors(block);
                }
            }
            Phase::LaneMonitors => self.decoder.take_lane_monitors(block),
            Phase::Laser => self.decoder.take_laser(block),
            Phase::Vdm(_) => {
                let (at, _) = self.place(phase);
                self.decoder.take_samples(at.page, block);
            }
        }
    }
}

impl Procedure for Sweep {
    type Output = Result<SweepReport, ProcError>;

    fn step(&mut self, _now: Millis, reply: Reply<'_>) -> Op<Self::Output> {
        let phase = self.phase;
        let (at, len) = self.place(phase);
        match reply {
            Reply::Start => return read(at, len),
            Reply::Data(bytes) if phase == Phase::Identity => {
                if let Err(error) = same_module(&self.serial, bytes) {
                    return Op::Done(Err(error));
                }
            }
            Reply::Data(bytes) => self.take(phase, Ok(Block::new(at, bytes))),
            // A module whose identity cannot be read tells nothing else that could be believed.
            Reply::Failed(source) if source == TransportError::Absent || phase == Phase::Identity => {
                return Op::Done(Err(ProcError::Bus { at, source }));
            }
            Reply::Failed(source) => self.take(phase, Err(source)),
            Reply::Written | Reply::Woken => return Op::Done(Err(ProcError::OutOfStep)),
        }
        let next = self.next(phase);
        if matches!(next, Some(Phase::Vdm(_))) && self.is_recommissioned() {
            self.decoder.distrust_samples();
            return Op::Done(Ok(self.decoder.conclude()));
        }
        match next {
            Some(next) => {
                self.phase = next;
                let (at, len) = self.place(next);
                read(at, len)
            }
            None => Op::Done(Ok(self.decoder.conclude())),
        }
    }
}
