//! The full sweep: everything a module monitors, statistics of a whole interval included.

use super::Flags;
use super::report::{Decoder, SweepReport};
use super::snapshot::Snapshot;
use crate::access::TransportError;
use crate::codes::Observable;
use crate::map::{Address, Block};
use crate::monitoring::{
    FecCounters, LaneMonitor, LinkPerformance, MonitorCatalogue, QuantityReadings, Reading, VdmGroups,
    VdmInstance,
};
use crate::procedure::freeze::{Handshake, IntervalEnd, Next, Release};
use crate::procedure::module_info::{ModuleInfo, SERIAL, same_module};
use crate::procedure::{Op, ProcError, Procedure, Reply, read};
use crate::time::Millis;
use heapless::String;

/// What becomes of the statistics interval.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Interval {
    /// Freeze the module, which ends the interval for every reader, and release it again.
    #[default]
    End,
    /// Do not freeze: somebody else owns the interval. Statistics are those of the running one and may be torn.
    Peek,
}

/// What a full sweep does besides reading.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SweepScope {
    /// Whether clear-on-read flags are read.
    pub flags: Flags,
    /// Whether the statistics interval ends.
    pub interval: Interval,
    /// Read sample pages that hold statistics once more after the release, for their current samples.
    ///
    /// A freeze holds minima, maxima, averages and totals; current samples go on (OIF-CMIS-05.4, VDM freeze), and one
    /// read of such a page gives both. For modules that hold everything this gets current samples of after the release,
    /// at one more read for each such page.
    pub fresh_currents: bool,
}

/// Reads everything a module monitors: statistics of the interval, then the state of the moment and the flags.
///
/// ```text
/// identity → [freeze → sample pages with statistics, 34h, 35h, 3Ah → release] → other sample pages, 2Ch, 12h, 11h,
///     33h, 3Bh, lower memory
/// ```
///
/// Each page is read in one access that covers what the catalogue says is there. An access that fails leaves its
/// quantities [`Reading::Unreadable`] and the rest is read. Once a freeze may have been requested it is released on
/// every way out, errors and replies out of step included; a sweep that is dropped half way owes an
/// [`Unfreeze`](crate::procedure::Unfreeze) where [`FullSweep::owes_release`] says so.
///
/// Only one reader may end intervals: run it at the rate at which statistics are wanted (10 s and up), and
/// [`Sweep`](super::Sweep) in between for current samples.
#[derive(Debug)]
pub struct FullSweep {
    serial: String<16>,
    phase: Phase,
    handshake: Handshake,
    snapshot: Snapshot,
    /// Spans before this one are read while the module is frozen.
    frozen_spans: usize,
    at: usize,
    interval: IntervalEnd,
    release: Release,
    error: Option<ProcError>,
    bank: u8,
    commissioned: [u8; 8],
    decoder: Decoder,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Identity,
    Freezing,
    Frozen,
    Releasing,
    After,
}

impl FullSweep {
    /// A full sweep of the banks whose `catalogues` are given; lane states and laser of the first one's `lane` (0-based)
    /// become the report's [`FullSweepReport::current`].
    ///
    /// # Errors
    /// [`ProcError::NothingToRead`] without a catalogue, [`ProcError::TooMuchToRead`] where two banks are full and more
    /// are asked for.
    pub fn new(
        info: &ModuleInfo,
        catalogues: &[&MonitorCatalogue],
        lane: u8,
        scope: SweepScope,
    ) -> Result<Self, ProcError> {
        let first = catalogues.first().ok_or(ProcError::NothingToRead)?;
        let mut snapshot = Snapshot::new();
        let mut frozen_spans = 0;
        if !info.flat_memory {
            for catalogue in catalogues {
                plan_statistics(&mut snapshot, catalogue, scope)?;
            }
            if scope.interval == Interval::End {
                frozen_spans = snapshot.len();
            }
            for catalogue in catalogues {
                plan_state(&mut snapshot, catalogue, info.tunable, scope)?;
            }
        }
        plan_lower(&mut snapshot, scope.flags)?;
        let place = |observable| {
            let instance = first.vdm.as_ref()?.find(observable, lane)?;
            Some((instance.page, instance.byte))
        };
        Ok(Self {
            serial: info.serial_number.clone(),
            phase: Phase::Identity,
            handshake: Handshake::new(),
            snapshot,
            frozen_spans,
            at: 0,
            interval: IntervalEnd::Running,
            release: Release::NotNeeded,
            error: None,
            bank: first.bank,
            commissioned: first.commissioned,
            decoder: Decoder::new(lane, scope.flags, place),
        })
    }

    /// Whether dropping the sweep now would leave the module frozen.
    #[must_use]
    pub const fn owes_release(&self) -> bool {
        self.handshake.is_requested() && !matches!(self.phase, Phase::After)
    }

    /// The next span in this phase, or what follows the phase.
    fn proceed(&mut self, now: Millis) -> Op<<Self as Procedure>::Output> {
        let end = if self.phase == Phase::Frozen { self.frozen_spans } else { self.snapshot.len() };
        if self.at < end
            && let Some((at, len)) = self.snapshot.place(self.at)
        {
            return read(at, len);
        }
        if self.phase == Phase::Frozen { self.begin_release(now) } else { self.finish() }
    }

    fn begin_release(&mut self, now: Millis) -> Op<<Self as Procedure>::Output> {
        self.phase = Phase::Releasing;
        let next = self.handshake.release();
        self.follow(now, next)
    }

    fn follow(&mut self, now: Millis, next: Next) -> Op<<Self as Procedure>::Output> {
        match next {
            Next::Attempted(Ok(end)) => {
                self.interval = end;
                self.phase = Phase::Frozen;
                self.proceed(now)
            }
            Next::Attempted(Err(fault)) => {
                self.interval = IntervalEnd::NotFrozen(fault);
                self.begin_release(now)
            }
            Next::Released(release) => {
                self.release = release;
                self.phase = Phase::After;
                // Not frozen: the pages are read now, for their current samples.
                self.at = match self.interval {
                    IntervalEnd::NotFrozen(_) => 0,
                    _ => self.at.max(self.frozen_spans),
                };
                if self.error.is_some() { self.finish() } else { self.proceed(now) }
            }
            next => next.op().unwrap_or(Op::Done(Err(ProcError::OutOfStep))),
        }
    }

    /// Takes the reply to a read of the current span; whether the sweep can go on in this phase.
    fn take(&mut self, reply: Reply<'_>) -> bool {
        let place = self.snapshot.place(self.at);
        let result = match reply {
            Reply::Data(bytes) if place.is_some_and(|(_, len)| bytes.len() == usize::from(len)) => Ok(bytes),
            Reply::Failed(error) => Err(error),
            _ => {
                self.error = Some(ProcError::OutOfStep);
                return false;
            }
        };
        self.snapshot.put(self.at, result);
        self.at += 1;
        match (result, place) {
            (Err(source @ TransportError::Absent), Some((at, _))) => {
                self.error = Some(ProcError::Bus { at, source });
                false
            }
            // A module that stops answering is not kept frozen while every page runs out of patience.
            (Err(error), _) if self.phase == Phase::Frozen => {
                matches!(error, TransportError::PageUnsupported { .. })
            }
            _ => true,
        }
    }

    fn finish(&mut self) -> Op<<Self as Procedure>::Output> {
        if let Some(error) = self.error {
            return Op::Done(Err(error));
        }
        let mut report = FullSweepReport {
            current: SweepReport::default(),
            interval: self.interval,
            release: self.release,
            snapshot: core::mem::take(&mut self.snapshot),
        };
        report.feed(&mut self.decoder, self.bank, self.commissioned);
        report.current = self.decoder.conclude();
        Op::Done(Ok(report))
    }
}

impl Procedure for FullSweep {
    type Output = Result<FullSweepReport, ProcError>;

    fn step(&mut self, now: Millis, reply: Reply<'_>) -> Op<Self::Output> {
        match self.phase {
            Phase::Identity => match reply {
                Reply::Start => read(SERIAL.0, SERIAL.1),
                Reply::Data(bytes) => match same_module(&self.serial, bytes) {
                    Err(error) => Op::Done(Err(error)),
                    Ok(()) if self.frozen_spans > 0 => {
                        self.phase = Phase::Freezing;
                        let next = self.handshake.freeze();
                        self.follow(now, next)
                    }
                    Ok(()) => {
                        self.phase = Phase::After;
                        self.proceed(now)
                    }
                },
                // A module whose identity cannot be read tells nothing else that could be believed.
                Reply::Failed(source) => Op::Done(Err(ProcError::Bus { at: SERIAL.0, source })),
                Reply::Written | Reply::Woken => Op::Done(Err(ProcError::OutOfStep)),
            },
            Phase::Freezing | Phase::Releasing => {
                let next = self.handshake.step(now, reply);
                self.follow(now, next)
            }
            Phase::Frozen => {
                if self.take(reply) {
                    self.proceed(now)
                } else {
                    self.begin_release(now)
                }
            }
            Phase::After => {
                if self.take(reply) {
                    self.proceed(now)
                } else {
                    self.finish()
                }
            }
        }
    }
}

/// First and last byte of the samples of some instances.
fn extent<'a>(instances: impl Iterator<Item = &'a VdmInstance>) -> Option<(u8, u8)> {
    instances.fold(None, |extent, instance| {
        let last = instance.byte.saturating_add(1);
        let (low, high) = extent.unwrap_or((instance.byte, last));
        Some((low.min(instance.byte), high.max(last)))
    })
}

fn in_group(vdm: &VdmGroups, group: u8) -> impl Iterator<Item = &VdmInstance> {
    vdm.instances.iter().filter(move |instance| instance.group() == group)
}

/// The reads that need the module frozen.
fn plan_statistics(
    to: &mut Snapshot,
    catalogue: &MonitorCatalogue,
    scope: SweepScope,
) -> Result<(), ProcError> {
    let bank = catalogue.bank;
    for group in 0..4_u8 {
        let Some(vdm) = &catalogue.vdm else { break };
        let statistics = extent(in_group(vdm, group).filter(|instance| instance.is_statistic()));
        let everything = extent(in_group(vdm, group));
        let wanted = if scope.fresh_currents { statistics } else { statistics.and(everything) };
        to.plan_range(Address::page(0x24 + group, 0).in_bank(bank), wanted)?;
    }
    let pages = [
        (catalogue.pm.media_fec, FecCounters::MEDIA),
        (catalogue.pm.link, LinkPerformance::PLACE),
        (catalogue.pm.host_fec, FecCounters::HOST),
    ];
    for (_, (at, len)) in pages.into_iter().filter(|(there, _)| *there) {
        to.plan(at.in_bank(bank), len)?;
    }
    Ok(())
}

/// The reads of the state of the moment, and of the flags.
fn plan_state(
    to: &mut Snapshot,
    catalogue: &MonitorCatalogue,
    tunable: bool,
    scope: SweepScope,
) -> Result<(), ProcError> {
    let page = |page, byte| Address::page(page, byte).in_bank(catalogue.bank);
    let latch = scope.flags == Flags::Latch;
    if let Some(vdm) = &catalogue.vdm {
        for group in 0..4_u8 {
            let mixed = in_group(vdm, group).any(VdmInstance::is_statistic);
            let current = extent(in_group(vdm, group).filter(|instance| !instance.is_statistic()));
            if !mixed || scope.fresh_currents {
                to.plan_range(page(0x24 + group, 0), current)?;
            }
        }
        if latch {
            let flags = vdm.instances.iter().map(|instance| instance.flag_place().0);
            let extent = flags.clone().min().zip(flags.max());
            to.plan_range(page(0x2C, 0), extent)?;
        }
    }
    if tunable {
        to.plan(page(0x12, 128), if latch { 111 } else { 102 })?;
    }
    if latch {
        to.plan(page(0x11, 128), 86)?;
        if catalogue.pm.media_alarms {
            to.plan(page(0x33, 128), 5)?;
        }
        if catalogue.pm.host_alarms {
            to.plan(page(0x3B, 192), 5)?;
        }
    } else {
        to.plan(page(0x11, 128), 6)?;
        to.plan(page(0x11, 154), 60)?;
    }
    Ok(())
}

fn plan_lower(to: &mut Snapshot, flags: Flags) -> Result<(), ProcError> {
    match flags {
        Flags::Latch => to.plan(Address::lower(3), 23),
        Flags::Leave => {
            to.plan(Address::lower(3), 5)?;
            to.plan(Address::lower(14), 12)
        }
    }
}

/// What a full sweep found: the bytes as they were read, and views of them.
///
/// Views decode when they are asked for. What was not read, or not readable, says why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FullSweepReport {
    /// The state of the moment, as [`Sweep`](super::Sweep) reports it.
    pub current: SweepReport,
    /// How the statistics interval ended.
    pub interval: IntervalEnd,
    /// How the release of the freeze ended.
    pub release: Release,
    snapshot: Snapshot,
}

impl FullSweepReport {
    fn feed(&self, decoder: &mut Decoder, bank: u8, expected: [u8; 8]) {
        let got = |at: Address, len: u8| match self.snapshot.block(at, len) {
            Reading::Value(block) => Some(Ok(block)),
            Reading::Unreadable(error) => Some(Err(error)),
            _ => None,
        };
        let page = |page, byte| Address::page(page, byte).in_bank(bank);
        if let Some(block) = got(Address::lower(3), 1) {
            decoder.take_state(block);
        }
        if let Some(block) = got(Address::lower(14), 4) {
            decoder.take_monitors(block);
        }
        if let Some(block) = got(page(0x11, 128), 6) {
            decoder.take_lane_states(block);
        }
        if let Some(block) = got(page(0x11, 154), 60) {
            decoder.take_lane_monitors(block);
        }
        if let Some(block) = got(page(0x12, 128), 102) {
            decoder.take_laser(block);
        }
        decoder.take_each_sample(|of, byte| self.snapshot.word(page(of, byte)));
        if decoder.commissioned().value().is_some_and(|found| found != expected) {
            decoder.distrust_samples();
        }
    }

    /// Every access in the order in which it was made, as far as it was answered: for a
    /// [`FlagLatch`](crate::flags::FlagLatch), or to keep.
    pub fn reads(&self) -> impl Iterator<Item = (Address, &[u8])> {
        self.snapshot.reads()
    }

    /// A part of what was read.
    #[must_use]
    pub fn block(&self, at: Address, len: u8) -> Reading<Block<'_>> {
        self.snapshot.block(at, len)
    }

    /// Whether the commissioning of the bank is still the one for which `catalogue` was read. Where it is not, the
    /// descriptors may have changed: repeat the [`Survey`](crate::procedure::Survey).
    #[must_use]
    pub fn fits(&self, catalogue: &MonitorCatalogue) -> Reading<bool> {
        let at = Address::page(0x11, 206).in_bank(catalogue.bank);
        self.snapshot
            .block(at, 8)
            .and_then(|block| Reading::of(block.slice(206, 8).map(|bytes| bytes == catalogue.commissioned)))
    }

    /// What the statistics of a failed freeze are.
    fn of_interval<T>(&self, reading: impl FnOnce() -> Reading<T>) -> Reading<T> {
        match self.interval {
            IntervalEnd::NotFrozen(fault) => Reading::Unreadable(fault.transport()),
            IntervalEnd::Running | IntervalEnd::Frozen | IntervalEnd::FoundFrozen => reading(),
        }
    }

    /// The raw sample of an instance in a bank.
    #[must_use]
    pub fn sample(&self, bank: u8, instance: &VdmInstance) -> Reading<u16> {
        let sample = || self.snapshot.word(Address::page(instance.page, instance.byte).in_bank(bank));
        if instance.is_statistic() { self.of_interval(sample) } else { sample() }
    }

    /// Current sample and statistics of a quantity at a lane or data path (0-based; 15 for the module).
    #[must_use]
    pub fn quantity(&self, catalogue: &MonitorCatalogue, quantity: Observable, lane: u8) -> QuantityReadings {
        let none = VdmGroups::default();
        let groups = catalogue.vdm.as_ref().unwrap_or(&none);
        let stale = self.fits(catalogue) == Reading::Value(false);
        QuantityReadings::collect(groups, quantity, lane, |instance| {
            if stale { Reading::Stale } else { self.sample(catalogue.bank, instance) }
        })
    }

    /// Alarm and warning flags of an instance: b0 high alarm, b1 low alarm, b2 high warning, b3 low warning.
    #[must_use]
    pub fn vdm_flags(&self, bank: u8, instance: &VdmInstance) -> Reading<u8> {
        let at = Address::page(0x2C, instance.flag_place().0).in_bank(bank);
        self.snapshot.block(at, 1).and_then(|block| Reading::of(instance.flags(block)))
    }

    /// Media FEC counters (34h).
    #[must_use]
    pub fn media_fec(&self, bank: u8) -> Reading<FecCounters> {
        let (at, len) = FecCounters::MEDIA;
        let block = || self.snapshot.block(at.in_bank(bank), len);
        self.of_interval(block).and_then(|block| Reading::of(FecCounters::decode_media(block)))
    }

    /// Host FEC counters (3Ah).
    #[must_use]
    pub fn host_fec(&self, bank: u8) -> Reading<FecCounters> {
        let (at, len) = FecCounters::HOST;
        let block = || self.snapshot.block(at.in_bank(bank), len);
        self.of_interval(block).and_then(|block| Reading::of(FecCounters::decode_host(block)))
    }

    /// Link quantities (35h).
    #[must_use]
    pub fn link(&self, catalogue: &MonitorCatalogue) -> Reading<LinkPerformance> {
        let (at, len) = LinkPerformance::PLACE;
        let block = || self.snapshot.block(at.in_bank(catalogue.bank), len);
        self.of_interval(block)
            .and_then(|block| Reading::of(LinkPerformance::decode(block, &catalogue.pm.advertisement)))
    }

    /// Monitors of a lane (0-based) of the catalogue's bank.
    #[must_use]
    pub fn lane(&self, catalogue: &MonitorCatalogue, lane: u8) -> Reading<LaneMonitor> {
        let at = Address::page(0x11, 154).in_bank(catalogue.bank);
        self.snapshot
            .block(at, 48)
            .and_then(|block| Reading::Value(LaneMonitor::decode(block, lane.min(7), catalogue.support)))
    }
}
