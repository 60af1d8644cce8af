//! Loopbacks, patterns and their measurements against emulated modules.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a bench that does not work fails its test")]

mod common;

use common::{Bench, Recorder, target};
use ipowdm_cmis::access::Eeprom;
use ipowdm_cmis::emulator::Profile;
use ipowdm_cmis::map::Address;
use ipowdm_cmis::procedure::{
    DiagnosticCapabilities, Feature, FecPosition, LoopbackPoint, Loopbacks, Measure, Measured, Measurement,
    Pattern, PatternSetting, PatternUnit, ProcError, SetLoopbacks, SetPattern, Side, run,
};
use ipowdm_core::error::Code;

fn capabilities(bench: &mut Bench) -> DiagnosticCapabilities {
    let mut bytes = [0; 12];
    let at = Address::page(0x13, 128);
    bench.read(at, &mut bytes);
    DiagnosticCapabilities::decode(ipowdm_cmis::map::Block::new(at, &bytes))
}

fn lit() -> Bench {
    let mut bench = Bench::new(Profile::OPENZRP);
    bench.configure(target(193_400_000, -1000, 0x46)).unwrap();
    assert!(bench.info.controls.diagnostics, "the profile has diagnostics pages");
    bench
}

#[test]
fn every_loopback_that_is_advertised_goes_on_and_off_and_is_read_back() {
    let mut bench = lit();
    let can = capabilities(&mut bench);
    let points: Vec<LoopbackPoint> =
        LoopbackPoint::ALL.into_iter().filter(|point| can.has_loopback(*point)).collect();
    assert!(!points.is_empty());
    for point in points {
        let on = Loopbacks::all_lanes(point);
        let set = bench.run(SetLoopbacks::new(&bench.info, 0, on).unwrap()).unwrap();
        assert_eq!((set.changed, set.before, set.now), (true, Loopbacks::NONE, on), "{point}");
        let mut recorder = Recorder::new(bench.module.eeprom());
        let again = SetLoopbacks::new(&bench.info, 0, on).unwrap();
        assert!(!run(again, &mut recorder, &mut bench.clock).unwrap().changed);
        assert_eq!(recorder.writes, []);
        bench.run(SetLoopbacks::new(&bench.info, 0, Loopbacks::NONE).unwrap()).unwrap();
    }
}

#[test]
fn a_change_of_side_releases_before_it_engages() {
    let mut bench = lit();
    let can = capabilities(&mut bench);
    if !can.has_loopback(LoopbackPoint::MediaInput) || !can.has_loopback(LoopbackPoint::HostInput) {
        panic!("the profile has a loopback on either side");
    }
    let media = Loopbacks::all_lanes(LoopbackPoint::MediaInput);
    let host = Loopbacks::all_lanes(LoopbackPoint::HostInput);
    bench.run(SetLoopbacks::new(&bench.info, 0, media).unwrap()).unwrap();
    let mut recorder = Recorder::new(bench.module.eeprom());
    run(SetLoopbacks::new(&bench.info, 0, host).unwrap(), &mut recorder, &mut bench.clock).unwrap();
    let at = Address::page(0x13, 180);
    assert_eq!(recorder.writes, [(at, vec![0; 4]), (at, vec![0, 0, 0, 0xFF])]);
}

#[test]
fn what_is_not_advertised_is_refused_before_the_first_write() {
    let mut bench = lit();
    let can = capabilities(&mut bench);
    let writes = bench.eeprom.counters().writes;
    let opposed = Loopbacks::all_lanes(LoopbackPoint::HostInput).with(LoopbackPoint::HostOutput, 0xFF);
    let error = bench.run(SetLoopbacks::new(&bench.info, 0, opposed).unwrap()).unwrap_err();
    assert_eq!(error.code(), Code::Unsupported);
    for side in [Side::Host, Side::Media].into_iter().filter(|side| !can.loops_single_lanes(*side)) {
        let point = if side == Side::Host { LoopbackPoint::HostInput } else { LoopbackPoint::MediaInput };
        let one = Loopbacks::NONE.with(point, 0x01);
        let error = bench.run(SetLoopbacks::new(&bench.info, 0, one).unwrap()).unwrap_err();
        assert_eq!(error, ProcError::NotSupported { feature: Feature::LoopbackPerLane(side) });
        assert!(error.to_string().contains("00h and FFh are legal"), "{error}");
    }
    let unit = PatternUnit::HostGenerator;
    let unknown = Pattern::ALL.iter().find(|pattern| !can.has_pattern(unit, **pattern)).unwrap();
    let setting = PatternSetting { pattern: *unknown, invert: false, position: FecPosition::AfterFec };
    let error = bench.run(SetPattern::new(&bench.info, 0, unit, 0xFF, Some(setting)).unwrap()).unwrap_err();
    assert_eq!(error, ProcError::NotSupported { feature: Feature::Pattern(unit, *unknown) });
    assert_eq!(bench.eeprom.counters().writes, writes);
    let mut without = bench.info.clone();
    without.controls.diagnostics = false;
    let error = SetLoopbacks::new(&without, 0, Loopbacks::NONE).unwrap_err();
    assert_eq!(error, ProcError::NotSupported { feature: Feature::Diagnostics });
}

/// A pattern and position that generator and checker of a side both know.
fn common_setting(
    can: &DiagnosticCapabilities,
    generator: PatternUnit,
    checker: PatternUnit,
) -> PatternSetting {
    for position in [FecPosition::AfterFec, FecPosition::BeforeFec] {
        for pattern in Pattern::ALL {
            let known = |unit| can.has_pattern(unit, *pattern) && can.has_position(unit, position);
            if known(generator) && known(checker) {
                return PatternSetting { pattern: *pattern, invert: false, position };
            }
        }
    }
    panic!("generator and checker have nothing in common");
}

#[test]
fn a_pattern_through_a_host_loopback_is_counted_without_errors() {
    let mut bench = lit();
    let can = capabilities(&mut bench);
    let (generator, checker) = (PatternUnit::HostGenerator, PatternUnit::HostChecker);
    let setting = common_setting(&can, generator, checker);
    let looped = Loopbacks::all_lanes(LoopbackPoint::HostOutput);
    bench.run(SetLoopbacks::new(&bench.info, 0, looped).unwrap()).unwrap();
    for unit in [generator, checker] {
        let set = bench.run(SetPattern::new(&bench.info, 0, unit, 0x0F, Some(setting)).unwrap()).unwrap();
        assert_eq!((set.changed, set.running), (true, 0x0F));
        let again = bench.run(SetPattern::new(&bench.info, 0, unit, 0x0F, Some(setting)).unwrap()).unwrap();
        assert!(!again.changed);
    }
    bench.clock.advance(5_000);
    let counted = bench.run(Measure::new(&bench.info, 0, Measurement::ErrorCounters).unwrap()).unwrap();
    let Measured::ErrorCounters { host, media } = counted else { panic!("{counted:?}") };
    assert!(host[..4].iter().all(|lane| lane.bits > 0), "{host:?}");
    assert!(host[4..].iter().all(|lane| lane.bits == 0) && media.iter().all(|lane| lane.bits == 0));
    let ratio = bench.run(Measure::new(&bench.info, 0, Measurement::BitErrorRatio).unwrap()).unwrap();
    let Measured::BitErrorRatio { host, .. } = ratio else { panic!("{ratio:?}") };
    assert!(host.iter().all(|ber| ber.value() < 1e-3), "{host:?}");
    // Other lanes stay as they are when one is stopped.
    let set = bench.run(SetPattern::new(&bench.info, 0, checker, 0x01, None).unwrap()).unwrap();
    assert_eq!(set.running, 0x0E);
}

#[test]
fn snr_comes_for_the_sides_that_report_it() {
    let mut bench = lit();
    let can = capabilities(&mut bench);
    let sides = [Side::Host, Side::Media].map(|side| can.reports(Measurement::Snr, side));
    let procedure = Measure::new(&bench.info, 0, Measurement::Snr).unwrap();
    match (bench.run(procedure), sides) {
        (Ok(Measured::Snr { host, media }), sides) => {
            assert_eq!([host.is_some(), media.is_some()], sides);
        }
        (Err(error), [false, false]) => assert_eq!(error.code(), Code::Unsupported),
        other => panic!("{other:?}"),
    }
}
