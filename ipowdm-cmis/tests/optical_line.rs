//! The line between two modules: physics and control close one loop.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a bench that does not work fails its test")]

mod common;

use common::{Bench, dbm, target};
use core::time::Duration;
use ipowdm_cmis::codes::DataPathState;
use ipowdm_cmis::emulator::{Profile, VirtualClock};
use ipowdm_cmis::line::{AlreadyAttached, Direction, Impairment, LineParameters, OpticalLine};
use ipowdm_cmis::procedure::{Reading, SetTxPower, SweepReport, TxControl, TxGoal};
use ipowdm_core::modes;
use ipowdm_core::units::{Db, Length};

fn pair() -> (Bench, Bench) {
    let clock = VirtualClock::new();
    (Bench::at(&clock, Profile::OPENZRP, 1), Bench::at(&clock, Profile::OPENZRP, 2))
}

/// A long line, where the amplifiers' noise dominates.
fn long_line() -> LineParameters {
    LineParameters::amplified(8, Length::from_metres(80_000))
}

fn lit_pair(line: LineParameters, power: i16, media_code: u8) -> (Bench, Bench, OpticalLine) {
    let (mut a, mut b) = pair();
    let line = OpticalLine::connect(&a.module, &b.module, line).unwrap();
    for bench in [&mut a, &mut b] {
        bench.configure(target(193_400_000, power, media_code)).unwrap();
    }
    (a, b, line)
}

fn set_power(bench: &mut Bench, power: i16) {
    let procedure = SetTxPower::new(&bench.info, dbm(power), 0).unwrap();
    bench.run(procedure).unwrap();
}

fn osnr(report: &SweepReport) -> f64 {
    report.osnr.value().expect("an OSNR").value()
}

#[test]
fn raising_the_far_transmitter_by_a_decibel_raises_the_received_osnr_by_one() {
    let (mut a, mut b, _line) = lit_pair(long_line(), -1000, 0x48);
    for power in (-1000..=-600).step_by(100) {
        set_power(&mut a, power);
        let before = b.sweep();
        set_power(&mut a, power + 100);
        let after = b.sweep();
        let gained = osnr(&after) - osnr(&before);
        assert!((gained - 1.0).abs() <= 0.25, "{gained} dB at {power}");
        assert!(after.pre_fec_ber.value() < before.pre_fec_ber.value(), "and fewer bits are wrong");
        let signal = |report: &SweepReport| report.rx_signal_power.value().unwrap().value();
        assert!((signal(&after) - signal(&before) - 1.0).abs() < 0.1);
    }
}

#[test]
fn degradation_of_a_direction_shows_at_its_receiver_alone_and_the_far_power_mends_it() {
    let (mut a, mut b, line) = lit_pair(long_line(), -900, 0x48);
    let (clean_a, clean_b) = (a.sweep(), b.sweep());
    line.set_impairment(Direction::AToB, Impairment::noise(Db::from_hundredths(200)));
    let bad = b.sweep();
    assert!(osnr(&clean_b) - osnr(&bad) > 1.7);
    assert!((osnr(&a.sweep()) - osnr(&clean_a)).abs() <= 0.2, "the other direction is as it was");
    set_power(&mut a, -700);
    assert!((osnr(&b.sweep()) - osnr(&clean_b)).abs() <= 0.3, "2 dB more power make up for 2 dB more noise");
}

#[test]
fn extra_loss_far_enough_is_loss_of_signal() {
    let (_a, mut b, line) = lit_pair(LineParameters::default(), -1000, 0x46);
    let clean = b.sweep();
    assert_eq!(clean.rx_los.value(), Some(false));
    line.set_impairment(Direction::AToB, Impairment::loss(Db::from_hundredths(4000)));
    let dark = b.sweep();
    assert_eq!(dark.rx_los.value(), Some(true));
    assert_eq!(
        (dark.osnr, dark.pre_fec_ber, dark.dispersion),
        (Reading::Absent, Reading::Absent, Reading::Absent)
    );
    assert_eq!(dark.rx_signal_power, Reading::Absent);
    line.set_impairment(Direction::AToB, Impairment::NONE);
    let back = b.sweep();
    assert_eq!((back.rx_los.value(), back.rx_los_seen.value()), (Some(false), Some(true)));
    assert!(back.osnr.value().is_some());
}

#[test]
fn nothing_lit_is_darkness() {
    let (mut a, mut b) = pair();
    let _line = OpticalLine::connect(&a.module, &b.module, LineParameters::default()).unwrap();
    let dark = b.sweep();
    assert_eq!((dark.rx_los.value(), dark.osnr), (Some(true), Reading::Absent));
    assert_eq!(dark.rx_total_power.value(), Some(dbm(-4000)), "the floor of the monitor");
    // Light without a receiver that is on: power is measured, nothing is demodulated.
    a.configure(target(193_400_000, -1000, 0x46)).unwrap();
    b.sweep();
    let lit = b.sweep();
    assert_eq!((lit.rx_los.value(), lit.osnr), (Some(false), Reading::Absent));
    assert!(lit.rx_total_power.value().unwrap() > dbm(-2000));
    a.run(TxControl::new(&a.info, TxGoal::Deactivate).unwrap()).unwrap();
    assert_eq!(b.sweep().rx_los.value(), Some(true));
}

#[test]
fn a_signal_of_another_frequency_or_mode_is_not_demodulated() {
    let (mut a, mut b, _line) = lit_pair(LineParameters::default(), -1000, 0x46);
    assert!(b.sweep().osnr.value().is_some());
    a.configure(target(193_500_000, -1000, 0x46)).unwrap();
    assert_eq!(b.sweep().rx_los.value(), Some(true), "it was dark for a while: the flag is latched");
    let off = b.sweep();
    assert_eq!(
        (off.rx_los.value(), off.osnr, off.pre_fec_ber),
        (Some(false), Reading::Absent, Reading::Absent)
    );
    b.configure(target(193_500_000, -1000, 0x46)).unwrap();
    assert!(b.sweep().osnr.value().is_some());
    a.configure(target(193_500_000, -1000, 0x47)).unwrap();
    assert_eq!(b.sweep().osnr, Reading::Absent);
    assert_eq!(b.sweep().dp_states.value(), Some([DataPathState::Activated; 8]), "its own data path is up");
}

#[test]
fn a_detached_module_receives_nothing_and_can_be_attached_again() {
    let (mut a, mut b, line) = lit_pair(LineParameters::default(), -1000, 0x46);
    let third = Bench::at(&a.clock, Profile::OPENZRP, 3);
    let busy = OpticalLine::connect(&third.module, &b.module, LineParameters::default()).unwrap_err();
    assert_eq!(busy, AlreadyAttached);
    assert!(a.sweep().osnr.value().is_some(), "a refused line leaves the old one");
    assert!(OpticalLine::connect(&third.module, &third.module, LineParameters::default()).is_err());
    drop(line);
    for bench in [&mut a, &mut b] {
        let report = bench.sweep();
        assert_eq!((report.rx_los.value(), report.osnr), (Some(true), Reading::Absent));
    }
    let _line = OpticalLine::connect(&b.module, &a.module, LineParameters::default()).unwrap();
    assert!(a.sweep().osnr.value().is_some());
}

#[test]
fn a_ramp_degrades_little_by_little_in_module_time() {
    let (mut a, b, line) = lit_pair(long_line(), -900, 0x48);
    let noisy = Impairment::noise(Db::from_hundredths(400));
    line.ramp(Direction::BToA, noisy, Duration::from_secs(40));
    let mut last = osnr(&a.sweep());
    let first = last;
    for step in 1..=4 {
        a.clock.advance(10_000);
        let now = osnr(&a.sweep());
        assert!((last - now - 1.0).abs() < 0.3, "step {step}: {last} to {now}");
        last = now;
    }
    assert!((first - last - 4.0).abs() < 0.4);
    assert_eq!(line.impairment(Direction::BToA), noisy);
    assert_eq!(line.impairment(Direction::AToB), Impairment::NONE);
    line.schedule(
        Direction::BToA,
        &[(Duration::from_secs(10), Impairment::NONE), (Duration::from_secs(20), noisy)],
    );
    b.clock.advance(10_000);
    assert_eq!(line.impairment(Direction::BToA), Impairment::NONE);
    b.clock.advance(20_000);
    assert_eq!(line.impairment(Direction::BToA), noisy);
}

#[test]
fn the_fec_limit_is_reached_at_about_the_required_osnr() {
    let (_a, mut b, line) = lit_pair(long_line(), -800, 0x48);
    let mode = modes::by_media_code(0x48).unwrap();
    for hundredths in (0..1_500).step_by(50) {
        line.set_impairment(Direction::AToB, Impairment::noise(Db::from_hundredths(hundredths)));
        let report = b.sweep();
        let margin = osnr(&report) - mode.required_osnr.value();
        let correctable = report.pre_fec_ber.value().unwrap() < mode.fec_limit;
        if margin.abs() > 0.2 {
            assert_eq!(correctable, margin > 0.0, "margin {margin} dB: {:?}", report.pre_fec_ber);
        }
    }
}

#[test]
fn the_same_seed_measures_the_same_and_noise_is_small() {
    let readings = |_: u8| {
        let (_a, mut b, _line) = lit_pair(long_line(), -900, 0x48);
        (0..50)
            .map(|_| {
                b.clock.advance(1_000);
                b.sweep().osnr.value().unwrap().hundredths()
            })
            .collect::<Vec<_>>()
    };
    let first = readings(1);
    assert_eq!(first, readings(2));
    let (low, high) = (first.iter().min().unwrap(), first.iter().max().unwrap());
    assert!(high - low <= 20, "{low}…{high}");
}

#[test]
fn many_threads_may_look_through_one_line() {
    let (a, b, _line) = lit_pair(long_line(), -900, 0x48);
    std::thread::scope(|scope| {
        for bench in [&a, &b] {
            for _ in 0..4 {
                let (module, info, clock) = (bench.module.clone(), bench.info.clone(), bench.clock.clone());
                scope.spawn(move || {
                    let mut clock = clock;
                    let mut eeprom = module.eeprom();
                    for _ in 0..50 {
                        // Several masters change the page under each other: only the absence of deadlock is claimed.
                        let sweep = ipowdm_cmis::procedure::Sweep::new(&info, 0, Default::default());
                        let _ = ipowdm_cmis::procedure::run(sweep, &mut eeprom, &mut clock);
                    }
                });
            }
        }
    });
    assert!(a.module.emission().is_some() && b.module.emission().is_some());
}
