//! What a full sweep found.

use super::report::{Decoder, SweepReport};
use super::snapshot::Snapshot;
use crate::codes::Observable;
use crate::map::{Address, Block};
use crate::monitoring::{
    AuxValue, FecCounters, LaneMonitor, LinkPerformance, MonitorCatalogue, QuantityReadings, Reading,
    VdmGroups, VdmInstance,
};
use crate::procedure::freeze::{IntervalEnd, Release};

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
    pub(super) snapshot: Snapshot,
}

impl FullSweepReport {
    /// Hands the bank's blocks to `decoder`; samples are of descriptors for the commissioning `expected`.
    pub(super) fn feed(&self, decoder: &mut Decoder, bank: u8, expected: [u8; 8]) {
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

    /// Auxiliary monitor `index` (0-2) of the module.
    #[must_use]
    pub fn aux(&self, catalogue: &MonitorCatalogue, index: u8) -> Reading<AuxValue> {
        let block = self.snapshot.block(Address::lower(18), 6);
        block.and_then(|block| catalogue.support.aux_value(block, index))
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
