//! ZR test plans that operators run (openconfig/featureprofiles): what is monitored. Driver and emulator.
//!
//! FP-10's and FP-13's numbers for an inactive module (-40 dBm, 0.0) are those of an OpenConfig view, which has no other
//! way to say so: the driver says [`Reading::Absent`].
#![expect(clippy::unwrap_used, reason = "a bench that does not work fails its test")]

mod common;

use common::{Bench, dbm, target};
use ipowdm_cmis::codes::{DataPathState, ModuleState, Observable};
use ipowdm_cmis::emulator::{Profile, VirtualClock};
use ipowdm_cmis::line::{Direction, Impairment, LineParameters, OpticalLine};
use ipowdm_cmis::monitoring::{FecTotals, MonitorCatalogue, Reading};
use ipowdm_cmis::procedure::{
    FullSweep, FullSweepReport, IntervalEnd, ModulePower, PowerMode, Survey, SweepScope, TxControl, TxGoal,
};
use ipowdm_core::units::{Db, Length};

/// The preferred statistics window of the plans.
const WINDOW_MS: u64 = 10_000;

/// The kinds of module with their application and a launch power both allow.
fn kinds() -> [(Profile, u8, i16); 2] {
    [(Profile::ZR400, 0x3E, -900), (Profile::OPENZRP, 0x46, -300)]
}

struct Port {
    bench: Bench,
    catalogue: MonitorCatalogue,
}

impl Port {
    fn new(clock: &VirtualClock, profile: Profile, serial: u32) -> Self {
        let mut bench = Bench::at(clock, profile, serial);
        let catalogue = survey(&mut bench);
        Self { bench, catalogue }
    }

    fn light(&mut self, media_code: u8, power: i16) {
        self.bench.configure(target(193_400_000, power, media_code)).unwrap();
        self.catalogue = survey(&mut self.bench);
    }

    /// Ends the interval and reads everything.
    fn sweep(&mut self) -> FullSweepReport {
        let sweep = FullSweep::new(&self.bench.info, &[&self.catalogue], 0, SweepScope::default()).unwrap();
        self.bench.run(sweep).unwrap()
    }

    /// The statistics of a whole window: the first freeze begins it.
    fn window(&mut self) -> FullSweepReport {
        self.sweep();
        self.bench.clock.advance(WINDOW_MS);
        self.sweep()
    }
}

fn survey(bench: &mut Bench) -> MonitorCatalogue {
    let survey = Survey::new(&bench.info, 0);
    bench.run(survey).unwrap()
}

/// Two lit modules and the line between them.
fn lit(profile: Profile, media_code: u8, power: i16) -> (Port, Port, OpticalLine) {
    let clock = VirtualClock::new();
    let (mut a, mut b) = (Port::new(&clock, profile.clone(), 1), Port::new(&clock, profile, 2));
    let line = OpticalLine::connect(
        &a.bench.module,
        &b.bench.module,
        LineParameters::amplified(1, Length::from_metres(80_000)),
    )
    .unwrap();
    a.light(media_code, power);
    b.light(media_code, power);
    (a, b, line)
}

/// Average, minimum and maximum of a link quantity in physical units.
fn link(port: &Port, report: &FullSweepReport, quantity: Observable) -> [f64; 3] {
    let link = report.link(&port.catalogue).value().unwrap();
    let statistics = *link.of(quantity).unwrap();
    let triplet = statistics.triplet().value().unwrap();
    [triplet.min(), triplet.avg(), triplet.max()].map(|units| statistics.physical(units))
}

fn current(port: &Port, report: &FullSweepReport, quantity: Observable) -> Option<f64> {
    report.quantity(&port.catalogue, quantity, 0).current.value().map(|measured| measured.value())
}

#[test]
fn fp_05_laser_offset_is_within_1_8_ghz_instant_and_over_a_window() {
    for (profile, media_code, power) in kinds() {
        let (mut port, _far, _line) = lit(profile, media_code, power);
        let report = port.window();
        let [min, avg, max] = link(&port, &report, Observable::FrequencyOffset);
        let instant = current(&port, &report, Observable::FrequencyOffset).unwrap();
        for offset_mhz in [min, avg, max, instant] {
            assert!(offset_mhz.abs() <= 1_800.0, "{offset_mhz} MHz");
        }
        let own = report.current.laser_frequency.value().unwrap();
        assert!(own.distance(report.current.set_frequency.value().unwrap()) <= 1_800);
    }
}

#[test]
fn fp_08_statistics_of_a_10_s_window_are_in_order() {
    for (profile, media_code, power) in kinds() {
        let (mut port, _far, _line) = lit(profile, media_code, power);
        let report = port.window();
        assert_eq!(report.interval, IntervalEnd::Frozen);
        let performance = report.link(&port.catalogue).value().unwrap();
        let mut seen = 0;
        for statistics in performance.iter() {
            let (min, avg, max) = (statistics.minimum, statistics.average, statistics.maximum);
            if let (Reading::Value(min), Reading::Value(avg), Reading::Value(max)) = (min, avg, max) {
                assert!(min <= avg && avg <= max, "{statistics:?}");
                seen += 1;
            }
        }
        assert!(seen >= 10, "{seen} quantities have a window");
        let fec = report.media_fec(0).value().unwrap();
        let ber = fec.pre_fec_ber().value().unwrap();
        assert!(ber.min() <= ber.avg() && ber.avg() <= ber.max());
        // Ten sub-intervals of a second make the window, and nothing from before it.
        let sub = fec.sub_interval_bits().unwrap().bits();
        assert!((9..=12).contains(&(fec.bits / sub)), "{} sub-intervals", fec.bits / sub);
        let vdm = port.catalogue.vdm.as_ref().unwrap();
        for (quantity, lane) in vdm.quantities() {
            let readings = report.quantity(&port.catalogue, quantity, lane);
            assert!(readings.is_ordered(), "{readings:?}");
        }
        let ber = report.quantity(&port.catalogue, Observable::PreFecBerMedia, 0);
        if let (Some(current), Some(max)) = (ber.current.value(), ber.maximum.value()) {
            // The instant is taken after the window; noise of one sample beyond its maximum is no fault.
            assert!(current.value() <= max.value() * 1.25, "{ber:?}");
        }
    }
}

#[test]
fn fp_09_while_a_module_boots_what_is_not_known_is_absent() {
    let clock = VirtualClock::new();
    let (mut port, mut far) = (Port::new(&clock, Profile::ZR400, 1), Port::new(&clock, Profile::ZR400, 2));
    let line = LineParameters::amplified(1, Length::from_metres(80_000));
    let _line = OpticalLine::connect(&port.bench.module, &far.bench.module, line).unwrap();
    // On the channel that the module's defaults name.
    far.bench.configure(target(193_100_000, -900, 0x3E)).unwrap();
    let boot = |port: &mut Port| {
        let report = port.sweep();
        let current = report.current;
        let state = current.dp_states.value().map(|lanes| lanes[0]);
        let off = state != Some(DataPathState::Activated);
        if off {
            assert_eq!(current.tx_power, Reading::Absent);
        }
        // The receiver works as soon as the laser, its local oscillator, is on.
        if matches!(state, Some(DataPathState::Deactivated | DataPathState::Init)) {
            assert_eq!((current.osnr, current.pre_fec_ber), (Reading::Absent, Reading::Absent));
            assert_eq!((current.esnr, current.q_factor), (Reading::Absent, Reading::Absent));
        }
        let shown = format!("{current:?}");
        assert!(!shown.contains("inf") && !shown.contains("NaN"), "{shown}");
        for statistics in report.link(&port.catalogue).value().iter().flat_map(|link| link.iter()) {
            assert!(statistics.average.value().is_none_or(|units| statistics.physical(units).is_finite()));
        }
        off
    };
    assert!(boot(&mut port), "dark at first");
    let up = ModulePower::new(&port.bench.info, PowerMode::High).unwrap();
    port.bench.run(up).unwrap();
    let mut looks = 0;
    while boot(&mut port) {
        port.bench.clock.advance(1_000);
        looks += 1;
        assert!(looks < 120, "a 400ZR module that lights itself is up within two minutes");
    }
    assert!(looks > 5, "seen on its way");
    port.bench.clock.advance(WINDOW_MS);
    assert!(port.sweep().current.osnr.value().is_some());
}

#[test]
fn fp_12_a_cut_fibre_is_the_floor_and_its_repair_the_old_signal() {
    for (profile, media_code, power) in kinds() {
        let (_near, mut port, line) = lit(profile, media_code, power);
        let before = port.window().current;
        line.set_impairment(Direction::AToB, Impairment::loss(Db::from_hundredths(6_000)));
        port.bench.clock.advance(1_000);
        let cut = port.window();
        assert_eq!(cut.current.rx_los.value(), Some(true));
        assert!(cut.current.rx_total_power.value().is_none_or(|power| power <= dbm(-3_000)));
        assert_eq!((cut.current.osnr, cut.current.rx_signal_power), (Reading::Absent, Reading::Absent));
        assert_eq!(cut.current.laser_frequency, before.laser_frequency, "the laser stays where it is");
        assert_eq!(cut.current.tx_power.value().is_some(), before.tx_power.value().is_some());
        line.set_impairment(Direction::AToB, Impairment::NONE);
        port.bench.clock.advance(1_000);
        let repaired = port.window().current;
        assert_eq!(repaired.rx_los.value(), Some(false));
        let power =
            |report: &ipowdm_cmis::procedure::SweepReport| report.rx_total_power.value().unwrap().value();
        assert!((power(&repaired) - power(&before)).abs() < 0.5);
        assert!(repaired.osnr.value().is_some());
    }
}

#[test]
fn fp_13_esnr_q_and_pre_fec_ber_are_within_the_bounds_of_the_plan() {
    for (profile, media_code, power) in kinds() {
        let (mut port, _far, _line) = lit(profile, media_code, power);
        let report = port.window();
        let esnr = report.current.esnr.value().unwrap().value();
        let q = report.current.q_factor.value().unwrap().value();
        let ber = report.current.pre_fec_ber.value().unwrap().value();
        assert!((10.0..=25.0).contains(&esnr), "eSNR {esnr} dB");
        assert!((7.0..=14.0).contains(&q), "Q {q} dB");
        assert!(ber < 1.2e-2, "BER {ber}");
        let off = TxControl::new(&port.bench.info, TxGoal::Deactivate).unwrap();
        port.bench.run(off).unwrap();
        let dark = port.window().current;
        assert_eq!(
            (dark.esnr, dark.q_factor, dark.pre_fec_ber),
            (Reading::Absent, Reading::Absent, Reading::Absent),
            "no number rather than a zero that reads like one"
        );
    }
}

#[test]
fn fp_14_chromatic_dispersion_is_that_of_the_line() {
    for (profile, media_code, power) in kinds() {
        let (mut port, _far, _line) = lit(profile, media_code, power);
        let report = port.window();
        let [min, avg, max] = link(&port, &report, Observable::DispersionFine);
        let instant = f64::from(report.current.dispersion.value().unwrap());
        for dispersion in [min, avg, max, instant] {
            // 80 km of standard fibre have about 1 300 ps/nm.
            assert!((1_000.0..=2_400.0).contains(&dispersion), "{dispersion} ps/nm");
        }
        let off = TxControl::new(&port.bench.info, TxGoal::Deactivate).unwrap();
        port.bench.run(off).unwrap();
        assert_eq!(port.window().current.dispersion, Reading::Absent);
    }
}

#[test]
fn fp_15_uncorrectable_frames_are_counted_and_none_are_0() {
    for (profile, media_code, power) in kinds() {
        let (_near, mut port, line) = lit(profile, media_code, power);
        let mut totals = FecTotals::default();
        port.sweep();
        for _ in 0..3 {
            port.bench.clock.advance(WINDOW_MS);
            totals.add(&port.sweep().media_fec(0).value().unwrap());
        }
        assert!(totals.frames > 0 && totals.corrected_bits > 0);
        assert_eq!(totals.uncorrected_frames, 0);
        // Noise far beyond what FEC can correct.
        line.set_impairment(Direction::AToB, Impairment::noise(Db::from_hundredths(2_500)));
        for _ in 0..3 {
            port.bench.clock.advance(WINDOW_MS);
            totals.add(&port.sweep().media_fec(0).value().unwrap());
        }
        assert!(totals.uncorrected_frames > 0, "{totals:?}");
        assert!(totals.uncorrected_frames <= totals.frames);
    }
}

#[test]
fn fp_16_the_signal_is_never_more_than_all_light_received() {
    for (profile, media_code, power) in kinds() {
        let (mut port, _far, line) = lit(profile, media_code, power);
        for loss in [0, 300, 600, 900] {
            line.set_impairment(Direction::BToA, Impairment::loss(Db::from_hundredths(loss)));
            let report = port.window();
            let (signal, total) = (report.current.rx_signal_power, report.current.rx_total_power);
            // Readings of two monitors, each with its own error.
            assert!(signal.value().unwrap().value() <= total.value().unwrap().value() + 0.1);
            let [_, signal, _] = link(&port, &report, Observable::RxSignalPower);
            let [_, total, _] = link(&port, &report, Observable::RxTotalPower);
            assert!(signal <= total + 0.1, "{signal} of {total} dBm");
        }
    }
}

#[test]
fn fp_17_laser_bias_is_in_range_0_when_off_and_no_value_without_power() {
    for (profile, media_code, power) in kinds() {
        let (mut port, _far, _line) = lit(profile, media_code, power);
        let bias =
            |port: &Port, report: &FullSweepReport| report.lane(&port.catalogue, 0).value().unwrap().tx_bias;
        let report = port.window();
        let lit = bias(&port, &report).value().unwrap();
        assert!((1..=131_000).contains(&lit), "{lit} uA");
        let off = TxControl::new(&port.bench.info, TxGoal::Deactivate).unwrap();
        port.bench.run(off).unwrap();
        let report = port.window();
        assert_eq!(bias(&port, &report), Reading::Value(0));
        port.bench.module.pull_out();
        let sweep = FullSweep::new(&port.bench.info, &[&port.catalogue], 0, SweepScope::default()).unwrap();
        assert!(port.bench.run(sweep).is_err(), "nothing there, no value");
    }
}

#[test]
fn fp_18_temperature_and_voltage_go_on_while_the_interface_is_disabled() {
    for (profile, media_code, power) in kinds() {
        let (mut port, _far, _line) = lit(profile, media_code, power);
        port.bench.clock.advance(120_000);
        let on = port.window().current;
        let thresholds = port.catalogue.thresholds.unwrap();
        let celsius = on.temperature.value().unwrap().celsius();
        assert!(celsius < thresholds.temperature.high_warning.celsius());
        assert!(celsius > thresholds.temperature.low_warning.celsius());
        let volts = on.voltage.value().unwrap().volts();
        assert!(volts < thresholds.voltage.high_warning.volts());
        assert!(volts > thresholds.voltage.low_warning.volts());
        assert!(thresholds.checksum_ok);
        let off = TxControl::new(&port.bench.info, TxGoal::Deactivate).unwrap();
        port.bench.run(off).unwrap();
        port.bench.clock.advance(120_000);
        let off = port.window().current;
        assert_eq!(off.module_state.value(), Some(ModuleState::Ready));
        assert!(off.temperature.value().unwrap().celsius() < celsius, "it cools down");
        assert!(off.voltage.value().is_some());
    }
}
