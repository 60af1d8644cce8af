//! The full sweep over whole modules: what it costs, what it finds, what it leaves behind.
#![expect(clippy::expect_used, clippy::panic, reason = "a module that cannot be swept fails its test")]

#[path = "common/full_image.rs"]
mod full_image;

use full_image::{Freezing, Waiting, half};
use ipowdm_cmis::access::{Counters, Eeprom, TransportError};
use ipowdm_cmis::codes::Observable;
use ipowdm_cmis::flags::FlagLatch;
use ipowdm_cmis::map::Address;
use ipowdm_cmis::monitoring::{MonitorCatalogue, Reading, SubIntervalBits};
use ipowdm_cmis::procedure::{
    Flags, FreezeFault, FullSweep, FullSweepReport, Identify, Interval, IntervalEnd, ModuleInfo, ProcError,
    Release, Survey, SweepScope, Unfreeze, run,
};
use ipowdm_cmis::transport::{BusCost, Image, Priced};
use ipowdm_core::units::{Ber, Db, Frequency};
use proptest::prelude::*;

/// What a warm full sweep may cost.
const MOST_READS: u64 = 14;
const MOST_BYTES: u64 = 1_100;
const MOST_TRANSACTIONS: u64 = 60;

struct Swept {
    info: ModuleInfo,
    catalogue: MonitorCatalogue,
    module: Priced<Freezing<Image>>,
}

impl Swept {
    fn new(image: Image) -> Self {
        let mut module = Freezing::new(image);
        let mut clock = Waiting::default();
        let info = run(Identify::new(), &mut module, &mut clock).expect("identified");
        let catalogue = run(Survey::new(&info, 0), &mut module, &mut clock).expect("surveyed");
        Self { info, catalogue, module: Priced::new(module) }
    }

    fn sweep(&mut self, scope: SweepScope) -> FullSweepReport {
        let sweep = FullSweep::new(&self.info, &[&self.catalogue], 0, scope).expect("it fits");
        run(sweep, &mut self.module, &mut Waiting::default()).expect("swept")
    }

    /// A full sweep with what it cost.
    fn priced(&mut self, scope: SweepScope) -> (FullSweepReport, Counters, BusCost) {
        let (before, cost) = (self.module.counters(), self.module.cost());
        let report = self.sweep(scope);
        let (after, cost_after) = (self.module.counters(), self.module.cost());
        let counters = Counters {
            reads: after.reads - before.reads,
            read_bytes: after.read_bytes - before.read_bytes,
            ..Counters::default()
        };
        let cost = BusCost {
            transactions: cost_after.transactions - cost.transactions,
            wire_bytes: cost_after.wire_bytes - cost.wire_bytes,
        };
        (report, counters, cost)
    }
}

fn check_cost(mut swept: Swept) {
    let (report, counters, cost) = swept.priced(SweepScope::default());
    assert_eq!((report.interval, report.release), (IntervalEnd::Frozen, Release::Confirmed));
    println!("reads={} bytes={} {cost:?}", counters.reads, counters.read_bytes);
    assert!(counters.reads <= MOST_READS, "{} reads", counters.reads);
    assert!(counters.read_bytes <= MOST_BYTES, "{} bytes", counters.read_bytes);
    assert!(cost.transactions <= MOST_TRANSACTIONS, "{} transactions", cost.transactions);
    assert_eq!(swept.module.below().freezes, 1);
    // Every page of a telemetry sweep was read, and none twice.
    let pages: Vec<_> = report.reads().map(|(at, _)| if at.is_lower() { 0 } else { at.page }).collect();
    assert_eq!(pages, [0x24, 0x25, 0x26, 0x34, 0x35, 0x27, 0x2C, 0x12, 0x11, 0x00]);
}

#[test]
fn a_full_sweep_keeps_within_its_reads_bytes_and_transactions() {
    check_cost(Swept::new(full_image::synthetic()));
}

#[test]
fn a_warm_full_sweep_allocates_nothing() {
    let mut swept = Swept::new(full_image::synthetic());
    swept.sweep(SweepScope::default());
    let counted = allocation_counter::measure(|| drop(std::hint::black_box(Box::new(0_u64))));
    assert_eq!(counted.count_total, 1, "allocations are counted");
    let counted = allocation_counter::measure(|| {
        let report = swept.sweep(SweepScope::default());
        let catalogue = &swept.catalogue;
        for (quantity, lane) in catalogue.vdm.iter().flat_map(|vdm| vdm.quantities()) {
            assert!(report.quantity(catalogue, quantity, lane).is_ordered());
        }
        assert!(report.link(catalogue).value().is_some() && report.media_fec(0).value().is_some());
    });
    assert_eq!(counted.count_total, 0);
}

#[test]
fn a_full_sweep_of_a_real_module_keeps_within_its_limits_too() {
    if let Some(image) = full_image::real_800zr_tunable() {
        check_cost(Swept::new(image));
    }
}

#[test]
fn a_full_sweep_of_a_real_module_has_its_numbers_in_order() {
    let Some(image) = full_image::real_800zr_tunable() else { return };
    let mut swept = Swept::new(image);
    let report = swept.sweep(SweepScope::default());
    let catalogue = &swept.catalogue;
    let vdm = catalogue.vdm.as_ref().expect("VDM");
    assert_eq!((vdm.groups, vdm.instances.len()), (4, 127));
    assert_eq!(vdm.fine_interval, 100);

    let fec = report.media_fec(0).value().expect("34h");
    assert!(matches!(fec.sub_interval_bits(), Some(SubIntervalBits::Derived(_))));
    let ber = fec.pre_fec_ber().value().expect("a ratio");
    let ratio = |mantissa| Ber::new(mantissa, -7).expect("a ratio");
    assert_eq!((ber.min(), ber.avg(), ber.max()), (ratio(3156), ratio(3380), ratio(3866)));
    assert_eq!(fec.frame_error_ratio().value().map(|ratio| ratio.max()), Some(Ber::ZERO));

    // Every quantity of 35h, and every VDM quantity with statistics.
    let link = report.link(catalogue).value().expect("35h");
    let triplets: Vec<_> =
        link.iter().filter_map(|of| of.triplet().value().map(|t| (of.quantity, t))).collect();
    assert_eq!(triplets.len(), 18, "{triplets:?}");
    assert_eq!(link.of(Observable::DispersionFine).expect("CD").average, Reading::Value(-1));
    let osnr = link.of(Observable::Osnr).expect("OSNR").triplet().value().expect("a triplet");
    assert_eq!((osnr.min(), osnr.avg(), osnr.max()), (328, 338, 348));
    let mut with_statistics = 0;
    for (quantity, lane) in vdm.quantities() {
        let readings = report.quantity(catalogue, quantity, lane);
        assert!(readings.is_ordered(), "{readings:?}");
        with_statistics += usize::from(readings.average.value().is_some());
    }
    assert_eq!(with_statistics, 18, "BER and frame errors of eight host lanes and the media side");
    let ber = report.quantity(catalogue, Observable::PreFecBerMedia, 0);
    let shown =
        [ber.minimum, ber.average, ber.maximum, ber.current].map(|m| m.value().expect("a ratio").to_string());
    assert_eq!(shown, ["3.09e-4", "3.33e-4", "3.82e-4", "3.53e-4"]);

    assert_eq!(report.current.laser_frequency.value(), Some(Frequency::from_mhz(196_100_000)));
    assert_eq!(report.current.osnr.value(), Some(Db::from_tenths(339)));
    assert_eq!(report.fits(catalogue), Reading::Value(true));
    let thresholds = catalogue.thresholds.expect("02h");
    assert!(thresholds.checksum_ok);
    assert!((thresholds.temperature.high_alarm.celsius() - 80.0).abs() < 1e-9);
}

#[test]
fn the_other_bits_of_the_control_byte_survive_a_freeze() {
    let mut image = full_image::synthetic();
    // Power saving, duty cycle 10.
    image.write(Address::page(0x2F, 144), &[0x68]).expect("the page is there");
    let mut swept = Swept::new(image);
    swept.sweep(SweepScope::default());
    assert_eq!(half(&mut swept.module.below().below, 0x2F)[16..18], [0x68, 0x40]);
}

#[test]
fn flags_are_read_once_and_only_where_they_are_wanted() {
    let mut image = full_image::synthetic();
    image.write(Address::page(0x2C, 150), &[0x21]).expect("the page is there");
    image.write(Address::page(0x11, 147), &[0x01]).expect("the page is there");
    image.write(Address::lower(9), &[0x04]).expect("lower memory");
    let mut swept = Swept::new(image);
    let report = swept.sweep(SweepScope { flags: Flags::Leave, ..SweepScope::default() });
    let mut latch = FlagLatch::<1>::new();
    let consumer = latch.consumer().expect("the first");
    report.reads().for_each(|(at, bytes)| {
        latch.observe(at, bytes);
    });
    assert!(latch.take(consumer).flags.is_empty(), "left to their reader");
    let report = swept.sweep(SweepScope::default());
    report.reads().for_each(|(at, bytes)| {
        latch.observe(at, bytes);
    });
    let flags = latch.take(consumer).flags;
    let named: Vec<_> = flags.named().map(|flag| (flag.field.name, flag.index, flag.value)).collect();
    assert_eq!(
        named,
        [("TempMonHighWarningFlag", 0, 1), ("LOSRxFlag", 0, 1), ("VDM#.Flags", 44, 1), ("VDM#.Flags", 45, 2)]
    );
    let vdm = swept.catalogue.vdm.as_ref().expect("VDM");
    let raised: Vec<_> =
        vdm.instances.iter().filter_map(|i| report.vdm_flags(0, i).value().filter(|f| *f != 0)).collect();
    assert_eq!(raised, [1, 2]);
}

#[test]
fn changed_commissioning_is_told_until_the_catalogue_is_read_anew() {
    let mut swept = Swept::new(full_image::synthetic());
    let dp_config = Address::page(0x11, 206);
    swept.module.write(dp_config, &[0x20; 8]).expect("the page is there");
    // A descriptor that came with the new application.
    swept.module.write(Address::page(0x23, 178), &[0, 83]).expect("the page is there");
    let report = swept.sweep(SweepScope::default());
    assert_eq!(report.fits(&swept.catalogue), Reading::Value(false));
    assert_eq!(report.current.osnr, Reading::Stale);
    let osnr = report.quantity(&swept.catalogue, Observable::Osnr, 0);
    assert_eq!((osnr.current, osnr.average), (Reading::Stale, Reading::Unsupported));
    assert!(report.current.tx_power.value().is_some(), "a lane monitor means what it did");
    let before = swept.catalogue.clone();
    swept.catalogue =
        run(Survey::new(&swept.info, 0), &mut swept.module, &mut Waiting::default()).expect("surveyed");
    let found = |catalogue: &MonitorCatalogue| {
        catalogue.vdm.as_ref().and_then(|vdm| vdm.find(Observable::Vcc12, 0)).is_some()
    };
    assert!(!found(&before) && found(&swept.catalogue));
    let report = swept.sweep(SweepScope::default());
    assert_eq!(report.fits(&swept.catalogue), Reading::Value(true));
    assert_eq!(report.current.osnr.value(), Some(Db::from_tenths(338)));
}

#[test]
fn a_peek_ends_no_interval_and_fresh_currents_are_read_after_the_release() {
    let mut swept = Swept::new(full_image::synthetic());
    let report = swept.sweep(SweepScope { interval: Interval::Peek, ..SweepScope::default() });
    assert_eq!((report.interval, report.release), (IntervalEnd::Running, Release::NotNeeded));
    assert_eq!(swept.module.below().freezes, 0);
    assert!(report.media_fec(0).value().is_some());
    let report = swept.sweep(SweepScope { fresh_currents: true, ..SweepScope::default() });
    let pages: Vec<_> = report.reads().map(|(at, _)| at.page).collect();
    assert_eq!(pages[..9], [0x24, 0x25, 0x26, 0x34, 0x35, 0x24, 0x25, 0x26, 0x27]);
    let ber = report.quantity(&swept.catalogue, Observable::PreFecBerMedia, 0);
    assert!(ber.current.value().is_some() && ber.average.value().is_some() && ber.is_ordered());
}

#[test]
fn a_sweep_that_is_dropped_half_way_says_that_it_owes_a_release() {
    use ipowdm_cmis::procedure::{Op, Procedure, Reply};
    use ipowdm_cmis::time::Millis;
    let mut swept = Swept::new(full_image::synthetic());
    let mut sweep = FullSweep::new(&swept.info, &[&swept.catalogue], 0, SweepScope::default()).expect("fits");
    let mut reply_bytes: Option<Vec<u8>> = None;
    let mut op = sweep.step(Millis(0), Reply::Start);
    assert!(!sweep.owes_release());
    while half(&mut swept.module.below().below, 0x2F)[16] & 0x80 == 0 {
        let reply = match op {
            Op::Read { at, len } => {
                let mut bytes = vec![0; usize::from(len)];
                swept.module.read(at, &mut bytes).expect("read");
                Reply::Data(reply_bytes.insert(bytes))
            }
            Op::Write { at, ref bytes } => {
                swept.module.write(at, bytes).expect("written");
                Reply::Written
            }
            Op::Sleep { .. } => Reply::Woken,
            Op::Done(_) => panic!("done without a freeze"),
        };
        op = sweep.step(Millis(20), reply);
    }
    assert!(sweep.owes_release());
    drop(sweep);
    let released = run(Unfreeze::new(), &mut swept.module, &mut Waiting::default());
    assert_eq!(released, Ok(Release::Confirmed));
    assert_eq!(half(&mut swept.module.below().below, 0x2F)[16] & 0x80, 0);
    let again = run(Unfreeze::new(), &mut swept.module, &mut Waiting::default());
    assert_eq!(again, Ok(Release::NotNeeded));
}

#[test]
fn a_module_that_was_found_frozen_is_read_and_released() {
    let mut swept = Swept::new(full_image::synthetic());
    swept.module.write(Address::page(0x2F, 144), &[0xA8]).expect("the page is there");
    let report = swept.sweep(SweepScope::default());
    assert_eq!((report.interval, report.release), (IntervalEnd::FoundFrozen, Release::Confirmed));
    assert_eq!(swept.module.below().freezes, 1, "not frozen again");
    assert!(report.media_fec(0).value().is_some());
}

#[test]
fn a_module_that_never_freezes_still_tells_its_current_samples() {
    // Memory alone: the done bits never move.
    let mut module = full_image::synthetic();
    let mut clock = Waiting::default();
    let info = run(Identify::new(), &mut module, &mut clock).expect("identified");
    let catalogue = run(Survey::new(&info, 0), &mut module, &mut clock).expect("surveyed");
    let sweep = FullSweep::new(&info, &[&catalogue], 0, SweepScope::default()).expect("fits");
    let report = run(sweep, &mut module, &mut clock).expect("swept");
    assert_eq!(report.interval, IntervalEnd::NotFrozen(FreezeFault::NotDone));
    assert_eq!(report.release, Release::Unconfirmed);
    assert_eq!(half(&mut module, 0x2F)[16], 0x28, "released all the same");
    let unreadable = Reading::Unreadable(TransportError::TimedOut);
    assert_eq!(report.media_fec(0), unreadable);
    let ber = report.quantity(&catalogue, Observable::PreFecBerMedia, 0);
    assert!(ber.current.value().is_some());
    assert_eq!(ber.average, Reading::Unreadable(TransportError::TimedOut));
    assert!(report.current.osnr.value().is_some());
}

#[test]
fn a_module_without_vdm_is_not_frozen_and_its_counters_run_on() {
    let mut swept = Swept::new(full_image::synthetic());
    swept.catalogue.vdm = None;
    let report = swept.sweep(SweepScope::default());
    assert_eq!((report.interval, report.release), (IntervalEnd::Running, Release::NotNeeded));
    assert_eq!(swept.module.below().freezes, 0);
    assert!(report.media_fec(0).value().is_some());
}

#[test]
fn a_module_that_stops_answering_while_frozen_is_released_first_and_the_rest_says_why() {
    let Swept { info, catalogue, .. } = Swept::new(full_image::synthetic());
    // Identity, control, request, poll; then the first sample page fails.
    let mut script = vec![Fault::None; 4];
    script.push(Fault::Fails(TransportError::Io(5)));
    let mut module = Faulty { below: Freezing::new(full_image::synthetic()), script, at: 0 };
    let sweep = FullSweep::new(&info, &[&catalogue], 0, SweepScope::default()).expect("fits");
    let report = run(sweep, &mut module, &mut Waiting::default()).expect("swept");
    assert_eq!((report.interval, report.release), (IntervalEnd::Frozen, Release::Confirmed));
    let failed = TransportError::Io(5);
    assert_eq!(report.media_fec(0), Reading::Unreadable(failed));
    let ber = report.quantity(&catalogue, Observable::PreFecBerMedia, 0);
    assert_eq!((ber.average, ber.current), (Reading::Unreadable(failed), Reading::Unreadable(failed)));
    assert!(report.current.osnr.value().is_some(), "read after the release");
}

/// What a fault does to one access.
#[derive(Debug, Clone, Copy)]
enum Fault {
    None,
    Fails(TransportError),
    /// The access is done and its answer lost.
    DoneAndLost,
    /// A read gives these bits set.
    Garbled(u8),
}

/// A module whose accesses go wrong as a script says, and right once that is over.
struct Faulty {
    below: Freezing<Image>,
    script: Vec<Fault>,
    at: usize,
}

impl Faulty {
    fn fault(&mut self) -> Fault {
        self.at += 1;
        self.script.get(self.at - 1).copied().unwrap_or(Fault::None)
    }
}

impl Eeprom for Faulty {
    fn read(&mut self, at: Address, into: &mut [u8]) -> Result<(), TransportError> {
        let fault = self.fault();
        if let Fault::Fails(error) = fault {
            return Err(error);
        }
        self.below.read(at, into)?;
        match fault {
            Fault::DoneAndLost => Err(TransportError::TimedOut),
            Fault::Garbled(bits) => {
                into.iter_mut().for_each(|byte| *byte ^= bits);
                Ok(())
            }
            Fault::None | Fault::Fails(_) => Ok(()),
        }
    }

    fn write(&mut self, at: Address, bytes: &[u8]) -> Result<(), TransportError> {
        match self.fault() {
            Fault::Fails(error) => Err(error),
            Fault::DoneAndLost => self.below.write(at, bytes).and(Err(TransportError::TimedOut)),
            Fault::None | Fault::Garbled(_) => self.below.write(at, bytes),
        }
    }

    fn counters(&self) -> Counters {
        self.below.counters()
    }
}

fn faults() -> impl Strategy<Value = Vec<Fault>> {
    let error = prop_oneof![
        Just(TransportError::Busy),
        Just(TransportError::Absent),
        Just(TransportError::TimedOut),
        Just(TransportError::Io(5)),
    ];
    let fault = prop_oneof![
        6 => Just(Fault::None),
        2 => error.prop_map(Fault::Fails),
        1 => Just(Fault::DoneAndLost),
    ];
    // The release is tried four times; a module that refuses all of them is told of as still frozen.
    prop::collection::vec(fault, 0..40)
}

proptest! {
    #[test]
    fn a_freeze_is_released_whatever_goes_wrong_or_told_of(script in faults()) {
        let swept = Swept::new(full_image::synthetic());
        let (info, catalogue) = (swept.info, swept.catalogue);
        let mut module = Faulty { below: Freezing::new(full_image::synthetic()), script, at: 0 };
        let sweep = FullSweep::new(&info, &[&catalogue], 0, SweepScope::default()).expect("fits");
        let result = run(sweep, &mut module, &mut Waiting::default());
        let control = half(&mut module.below.below, 0x2F)[16];
        prop_assert_eq!(control & 0x7F, 0x28, "the other bits stay");
        let frozen = control & 0x80 != 0;
        match result {
            Ok(report) => prop_assert!(!frozen || report.release == Release::StillFrozen),
            // Four writes of the release failed, which a script of faults may do; the module is gone then.
            Err(error) => {
                let gone = matches!(error, ProcError::Bus { .. });
                prop_assert!(gone, "{}", error);
                prop_assert!(!frozen || module.script.iter().filter(|f| !matches!(f, Fault::None)).count() >= 4);
            }
        }
    }

    #[test]
    fn garbled_answers_never_leave_the_module_frozen(at in 0..20_usize, bits in 1..=255_u8) {
        let swept = Swept::new(full_image::synthetic());
        let (info, catalogue) = (swept.info, swept.catalogue);
        let mut script = vec![Fault::None; at];
        script.push(Fault::Garbled(bits));
        let mut module = Faulty { below: Freezing::new(full_image::synthetic()), script, at: 0 };
        let sweep = FullSweep::new(&info, &[&catalogue], 0, SweepScope::default()).expect("fits");
        let _ = run(sweep, &mut module, &mut Waiting::default());
        prop_assert_eq!(half(&mut module.below.below, 0x2F)[16] & 0x80, 0);
    }
}
