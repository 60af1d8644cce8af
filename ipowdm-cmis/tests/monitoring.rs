//! Full sweeps of emulated modules: intervals, banks, flags and masks.
#![expect(clippy::unwrap_used, reason = "a bench that does not work fails its test")]

mod common;

use common::{Bench, Flaky, target};
use ipowdm_cmis::access::Eeprom;
use ipowdm_cmis::codes::Observable;
use ipowdm_cmis::emulator::{Profile, VirtualClock};
use ipowdm_cmis::flags::{FlagLatch, Latching};
use ipowdm_cmis::line::{Direction, Impairment, LineParameters, OpticalLine};
use ipowdm_cmis::map::{Address, lower};
use ipowdm_cmis::monitoring::{MonitorCatalogue, Reading};
use ipowdm_cmis::procedure::{
    FullSweep, FullSweepReport, IntervalEnd, MaskChange, Release, SetMasks, Survey, SweepScope, run,
};
use ipowdm_core::units::{Db, Length};

fn survey(bench: &mut Bench, bank: u8) -> MonitorCatalogue {
    let survey = Survey::new(&bench.info, bank);
    bench.run(survey).unwrap()
}

fn sweep(bench: &mut Bench, catalogues: &[&MonitorCatalogue]) -> FullSweepReport {
    let sweep = FullSweep::new(&bench.info, catalogues, 0, SweepScope::default()).unwrap();
    bench.run(sweep).unwrap()
}

/// A lit module with its line; the far end and the line live as long as the tuple.
fn lit(profile: &Profile, media_code: u8) -> (Bench, Bench, OpticalLine) {
    let clock = VirtualClock::new();
    let (mut a, mut b) = (Bench::at(&clock, profile.clone(), 1), Bench::at(&clock, profile.clone(), 2));
    let line = LineParameters::amplified(1, Length::from_metres(80_000));
    let line = OpticalLine::connect(&a.module, &b.module, line).unwrap();
    for bench in [&mut a, &mut b] {
        bench.configure(target(193_400_000, -900, media_code)).unwrap();
    }
    (a, b, line)
}

#[test]
fn every_profile_is_surveyed_and_swept_whole() {
    for profile in Profile::built_in() {
        let mut bench = Bench::new(profile);
        let catalogue = survey(&mut bench, 0);
        let before = bench.eeprom.counters();
        let report = sweep(&mut bench, &[&catalogue]);
        let after = bench.eeprom.counters();
        let (reads, bytes) = (after.reads - before.reads, after.read_bytes - before.read_bytes);
        println!("{}: {reads} reads, {bytes} bytes", bench.info.part_number);
        let statistics = catalogue.pm.media_fec
            || catalogue.vdm.as_ref().is_some_and(|vdm| vdm.instances.iter().any(|i| i.is_statistic()));
        let ends = (report.interval, report.release);
        if statistics {
            assert_eq!(ends, (IntervalEnd::Frozen, Release::Confirmed));
        } else {
            assert_eq!(ends, (IntervalEnd::Running, Release::NotNeeded));
        }
        assert!(report.current.module_state.value().is_some());
        // Beside the fourteen reads of a full telemetry sweep only host FEC and the alarms of C-CMIS.
        let more = [catalogue.pm.host_fec, catalogue.pm.media_alarms, catalogue.pm.host_alarms];
        let more: u64 = more.into_iter().map(u64::from).sum();
        assert!(reads <= 14 + more && bytes <= 1_100, "{reads} reads, {bytes} bytes");
        for instance in catalogue.vdm.iter().flat_map(|vdm| &vdm.instances) {
            assert!(report.sample(0, instance).value().is_some(), "{instance:?} was not read");
        }
    }
}

#[test]
fn intervals_begin_and_end_with_the_freeze_and_agree_with_the_counters() {
    let (mut bench, _far, _line) = lit(&Profile::ZR800, 0x6C);
    let catalogue = survey(&mut bench, 0);
    sweep(&mut bench, &[&catalogue]);
    for seconds in [10_u64, 20, 30] {
        bench.clock.advance(seconds * 1_000);
        let report = sweep(&mut bench, &[&catalogue]);
        let fec = report.media_fec(0).value().unwrap();
        let sub_intervals = fec.bits / fec.sub_interval_bits().unwrap().bits();
        assert!(sub_intervals.abs_diff(seconds) <= 1, "{sub_intervals} of {seconds}");
        let counted = fec.pre_fec_ber().value().unwrap();
        let observed = report.quantity(&catalogue, Observable::PreFecBerMedia, 0);
        for (counted, observed) in [
            (counted.min(), observed.minimum),
            (counted.avg(), observed.average),
            (counted.max(), observed.maximum),
        ] {
            let observed = observed.value().unwrap().value();
            assert!((counted.value() / observed - 1.0).abs() < 0.02, "{counted} is not {observed}");
        }
        let osnr = *report.link(&catalogue).value().unwrap().of(Observable::Osnr).unwrap();
        let triplet = osnr.triplet().value().unwrap();
        let now = report.current.osnr.value().unwrap().value();
        assert!((osnr.physical(triplet.avg()) - now).abs() < 1.0);
    }
}

#[test]
fn one_freeze_serves_all_banks() {
    let mut bench = Bench::new(Profile::DUAL400);
    assert!(bench.info.banks >= 2);
    let (first, second) = (survey(&mut bench, 0), survey(&mut bench, 1));
    assert_eq!((first.bank, second.bank), (0, 1));
    let samples = |catalogue: &MonitorCatalogue| catalogue.vdm.as_ref().map_or(0, |vdm| vdm.instances.len());
    assert!(samples(&first) > 0 && samples(&second) > 0);
    let before = bench.eeprom.counters().writes;
    let report = sweep(&mut bench, &[&first, &second]);
    assert_eq!(bench.eeprom.counters().writes - before, 2, "one freeze and its release");
    for catalogue in [&first, &second] {
        assert_eq!(report.fits(catalogue), Reading::Value(true));
        assert!(report.media_fec(catalogue.bank).value().is_some());
        for instance in &catalogue.vdm.as_ref().unwrap().instances {
            assert!(report.sample(catalogue.bank, instance).value().is_some());
        }
    }
    let none = FullSweep::new(&bench.info, &[], 0, SweepScope::default());
    assert!(none.is_err());
}

#[test]
fn a_crossed_threshold_is_a_flag_for_every_consumer_and_an_interrupt_unless_masked() {
    let (mut bench, _far, line) = lit(&Profile::ZR400, 0x3E);
    let catalogue = survey(&mut bench, 0);
    let vdm = catalogue.vdm.as_ref().unwrap();
    let osnr = *vdm.find(Observable::Osnr, 0).unwrap();
    let thresholds = vdm.thresholds(&osnr).unwrap();
    assert!(thresholds.low_alarm.value() < thresholds.low_warning.value());
    // Everything else that may raise a flag is masked: the interrupt tells of this one alone.
    let mut masks: Vec<_> = (8..=11).map(Address::lower).collect();
    masks.extend((134..=153).map(|byte| Address::page(0x11, byte)));
    let mask = |flags: &Address| MaskChange { flags: *flags, bits: 0xFF, masked: true };
    let masks: Vec<_> = masks.iter().map(mask).collect();
    bench.run(SetMasks::new(&masks).unwrap()).unwrap();
    let others = vdm.instances.iter().filter(|other| other.number() != osnr.number());
    let others: Vec<_> = others.map(|other| MaskChange::of_instance(0, other, 0xF, true)).collect();
    for some in others.chunks(ipowdm_cmis::procedure::MOST_MASKS) {
        bench.run(SetMasks::new(some).unwrap()).unwrap();
    }
    bench.run(SetMasks::new(&[MaskChange::of_instance(0, &osnr, 0xF, false)]).unwrap()).unwrap();
    sweep(&mut bench, &[&catalogue]);
    let deasserted = |bench: &mut Bench| bench.byte(0, 3) & lower::INTERRUPT_DEASSERTED.mask(0) != 0;
    assert!(deasserted(&mut bench), "nothing is wrong yet");

    let margin = bench.sweep().osnr.value().unwrap().value() - thresholds.low_alarm.value();
    let noise = Db::from_number(margin + 1.0).unwrap();
    line.set_impairment(Direction::BToA, Impairment::noise(noise));
    bench.clock.advance(2_000);
    assert!(!deasserted(&mut bench), "the interrupt is asserted");
    let mut latch = FlagLatch::<2>::new();
    let consumers = [latch.consumer().unwrap(), latch.consumer().unwrap()];
    let report = sweep(&mut bench, &[&catalogue]);
    let raised = report.vdm_flags(0, &osnr).value().unwrap();
    assert_eq!(raised & 0b1010, 0b1010, "low alarm and low warning");
    report.reads().for_each(|(at, bytes)| {
        latch.observe(at, bytes);
    });
    for consumer in consumers {
        let flags = latch.take(consumer).flags;
        let named = flags.named().any(|flag| {
            flag.field.name == "VDM#.Flags" && flag.index == u16::from(osnr.number()) && flag.value == raised
        });
        assert!(named, "{flags:?}");
    }
    // The cause lasts, so that the flag comes back; masked, it is no interrupt.
    bench.run(SetMasks::new(&[MaskChange::of_instance(0, &osnr, 0xF, true)]).unwrap()).unwrap();
    bench.clock.advance(2_000);
    assert!(deasserted(&mut bench));
    line.set_impairment(Direction::BToA, Impairment::NONE);
    bench.clock.advance(2_000);
    sweep(&mut bench, &[&catalogue]);
    bench.clock.advance(2_000);
    let report = sweep(&mut bench, &[&catalogue]);
    assert_eq!(report.vdm_flags(0, &osnr), Reading::Value(0));
}

#[test]
fn flags_that_any_procedure_reads_are_latched_where_they_pass() {
    let mut bench = Bench::new(Profile::ZR400);
    let mut latching = Latching::<_, 1>::new(bench.module.eeprom());
    let consumer = latching.latch().consumer().unwrap();
    let sweep = ipowdm_cmis::procedure::Sweep::new(&bench.info, 0, Default::default());
    run(sweep, &mut latching, &mut bench.clock).unwrap();
    let flags = latching.latch().take(consumer).flags;
    assert!(
        flags.named().any(|flag| flag.field.name == "LOSRxFlag"),
        "no light is loss of signal: {flags:?}"
    );
    assert!(latching.counters().reads > 0);
}

#[test]
fn a_module_that_is_often_busy_is_swept_all_the_same() {
    let (mut bench, _far, _line) = lit(&Profile::OPENZRP, 0x46);
    let catalogue = survey(&mut bench, 0);
    for period in 2..6 {
        let mut flaky = Flaky { below: bench.module.eeprom(), period, count: 0 };
        let sweep = FullSweep::new(&bench.info, &[&catalogue], 0, SweepScope::default()).unwrap();
        let report = run(sweep, &mut flaky, &mut bench.clock).unwrap();
        assert_eq!((report.interval, report.release), (IntervalEnd::Frozen, Release::Confirmed));
        assert!(report.media_fec(0).value().is_some() && report.current.osnr.value().is_some());
    }
}
