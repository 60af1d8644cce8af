//! Bring-up, reconfiguration and teardown of emulated modules in virtual time.

mod common;

use common::{Bench, Flaky, Recorder, dbm, mhz, target};
use core::time::Duration;
use ipowdm_cmis::access::{Eeprom, ReadLimit, TransportError};
use ipowdm_cmis::codes::{ConfigStatus, DataPathState, ModuleState};
use ipowdm_cmis::emulator::{Dwell, PowerOn, Profile, StateDurations};
use ipowdm_cmis::map::Address;
use ipowdm_cmis::procedure::{
    ApplicationChoice, Awaited, Change, Configure, Flags, Identify, LaneStatuses, ModulePower, PowerMode,
    ProcError, SetTxPower, Stage, Sweep, Target, TxControl, TxGoal, run,
};
use ipowdm_cmis::time::{Clock, Millis};
use ipowdm_core::error::Code;
use ipowdm_core::grid::Grid;

#[test]
fn bring_up_reaches_activated_and_reads_back_what_was_asked() {
    let cases = [
        (193_400_000, -200, 0x46, (Grid::Ghz100, 3)),
        (193_175_000, 0, 0x46, (Grid::Ghz75, 3)),
        (191_300_000, -1500, 0x3E, (Grid::Ghz100, -18)),
        (196_100_000, -150, 0x48, (Grid::Ghz100, 30)),
        (193_106_250, -1, 0x49, (Grid::Ghz6p25, 1)),
    ];
    for (frequency, power, media_code, channel) in cases {
        let mut bench = Bench::new(Profile::OPENZRP);
        let target = target(frequency, power, media_code);
        let procedure = Configure::new(&bench.info, target).unwrap();
        assert_eq!(procedure.channel(), channel, "the coarsest grid that holds the frequency");
        let readback = bench.run(procedure).unwrap();
        assert_eq!(readback.change, Change::Reprovisioned);
        assert_eq!(readback.module_state, ModuleState::Ready);
        assert_eq!((readback.frequency, readback.laser_frequency), (mhz(frequency), Some(mhz(frequency))));
        assert_eq!((readback.tx_power_target, readback.media_code), (dbm(power), media_code));
        assert!(readback.laser_tuned);
        for lane in 0..8 {
            let wanted = if readback.host_lanes & (1 << lane) != 0 {
                DataPathState::Activated
            } else {
                DataPathState::Deactivated
            };
            assert_eq!(readback.dp_states[lane], wanted, "lane {lane} of {media_code:02X}h");
        }
        let emission = bench.module.emission().expect("the module is lit");
        assert_eq!((emission.frequency, emission.power), (mhz(frequency), dbm(power)));
        assert_eq!(emission.media_code, media_code);
    }
}

#[test]
fn a_laser_that_reports_what_it_measures_is_taken_within_the_tolerance_and_no_further() {
    for offset in [300, -1_000] {
        let mut bench = Bench::new(Profile::OPENZRP);
        bench.module.report_laser_off_by(offset);
        let target = target(193_400_000, -200, 0x46);
        let measured = mhz(193_400_000_u32.checked_add_signed(offset).unwrap());
        let readback = bench.configure(target).unwrap();
        assert_eq!((readback.frequency, readback.laser_frequency), (mhz(193_400_000), Some(measured)));
        assert_eq!(bench.configure(target).unwrap().change, Change::Unchanged);
        let report = bench.run(Sweep::new(&bench.info, 0, Flags::Latch)).unwrap();
        assert_eq!(report.set_frequency.value(), Some(mhz(193_400_000)));
        assert_eq!(report.laser_frequency.value(), Some(measured));
    }
    let mut bench = Bench::new(Profile::OPENZRP);
    bench.module.report_laser_off_by(2_000);
    let error = bench.configure(target(193_400_000, -200, 0x46)).unwrap_err();
    let (wanted, seen) = (mhz(193_400_000), mhz(193_402_000));
    let lock =
        matches!(error, ProcError::TimedOut { awaited, .. } if awaited == Awaited::Lock { wanted, seen });
    assert!(lock, "{error:?}");
}

#[test]
fn a_module_that_is_right_is_not_written_to() {
    let mut bench = Bench::new(Profile::OPENZRP);
    let target = target(193_400_000, -200, 0x46);
    bench.configure(target).unwrap();
    let before = bench.eeprom.counters();
    let readback = bench.configure(target).unwrap();
    assert_eq!(readback.change, Change::Unchanged);
    assert_eq!(bench.eeprom.counters().writes, before.writes);
    let keep = Target { application: ApplicationChoice::Keep, ..target };
    assert_eq!(bench.configure(keep).unwrap().change, Change::Unchanged);
    assert_eq!(bench.eeprom.counters().writes, before.writes);
}

#[test]
fn a_power_change_touches_neither_tuning_nor_data_path() {
    let mut bench = Bench::new(Profile::OPENZRP);
    bench.configure(target(193_400_000, -1000, 0x46)).unwrap();
    let louder = target(193_400_000, -900, 0x46);
    let mut recorder = Recorder::new(bench.module.eeprom());
    bench.byte(0x11, 134);
    let readback =
        run(Configure::new(&bench.info, louder).unwrap(), &mut recorder, &mut bench.clock).unwrap();
    assert_eq!(readback.change, Change::PowerOnly);
    assert_eq!(readback.tx_power_target, dbm(-900));
    assert_eq!(recorder.writes, [(Address::page(0x12, 200), (-900_i16).to_be_bytes().to_vec())]);
    assert_eq!(bench.byte(0x11, 134), 0, "no data path changed its state");
    assert_eq!(bench.module.emission().unwrap().power, dbm(-900));
}

#[test]
fn set_tx_power_keeps_the_light_on_and_reads_back() {
    let mut bench = Bench::new(Profile::OPENZRP);
    bench.configure(target(193_400_000, -1000, 0x46)).unwrap();
    let writes = bench.eeprom.counters().writes;
    let procedure = SetTxPower::new(&bench.info, dbm(-150), 0).unwrap();
    let set = bench.watch(procedure, |module, _| assert!(module.emission().is_some())).unwrap();
    assert_eq!((set.changed, set.before, set.target), (true, dbm(-1000), dbm(-150)));
    assert_eq!(bench.eeprom.counters().writes, writes + 1);
    let again = SetTxPower::new(&bench.info, dbm(-150), 0).unwrap();
    assert!(!bench.run(again).unwrap().changed);
    assert_eq!(bench.eeprom.counters().writes, writes + 1);
}

#[test]
fn a_plain_400zr_refuses_minus_two_dbm_before_the_first_access() {
    let bench = Bench::new(Profile::ZR400);
    let before = bench.eeprom.counters();
    let refused = Configure::new(&bench.info, target(193_400_000, -200, 0x3E)).unwrap_err();
    assert_eq!(refused, ProcError::PowerOutOfRange { power: dbm(-200), min: dbm(-1500), max: dbm(-800) });
    assert_eq!(refused.code(), Code::PowerOutOfRange);
    assert_eq!(refused.to_string(), "-2.00 dBm is outside the module's range, -15.00 dBm to -8.00 dBm");
    assert!(SetTxPower::new(&bench.info, dbm(-200), 0).is_err());
    assert_eq!(bench.eeprom.counters(), before, "the module was not accessed");
}

#[test]
fn what_the_module_cannot_do_is_refused_with_the_legal_values() {
    let bench = Bench::new(Profile::OPENZRP);
    let before = bench.eeprom.counters();
    let refuse = |target| Configure::new(&bench.info, target).unwrap_err();
    let off_grid = refuse(target(193_401_000, -200, 0x46));
    assert_eq!(
        off_grid,
        ProcError::FrequencyOffGrid {
            frequency: mhz(193_401_000),
            below: mhz(193_400_000),
            above: mhz(193_406_250)
        }
    );
    let outside = refuse(target(197_000_000, -200, 0x46));
    assert!(matches!(outside, ProcError::FrequencyOutOfRange { legal, .. }
        if legal.low == mhz(191_300_000) && legal.high == mhz(196_100_000)));
    assert_eq!(refuse(target(193_400_000, 1, 0x46)).code(), Code::PowerOutOfRange);
    let unknown = refuse(target(193_400_000, -200, 0x6C));
    assert!(matches!(unknown, ProcError::NoApplication { legal } if legal.len() == 6));
    assert!(unknown.to_string().contains("AppSel 2 (host 11h, media 3Eh)"), "{unknown}");
    let mut by_number = target(193_400_000, -200, 0x46);
    by_number.application = ApplicationChoice::AppSel(7);
    assert_eq!(refuse(by_number).code(), Code::Unsupported);
    assert_eq!(bench.eeprom.counters(), before, "the module was not accessed");
}

#[test]
fn a_retuned_module_is_dark_in_between() {
    let mut bench = Bench::new(Profile::OPENZRP);
    bench.configure(target(193_400_000, -1000, 0x46)).unwrap();
    let procedure = Configure::new(&bench.info, target(194_000_000, -1000, 0x46)).unwrap();
    let mut seen = std::collections::BTreeSet::new();
    let readback = bench.watch(procedure, |module, _| {
        seen.insert(module.emission().map(|emission| emission.frequency.mhz()));
    });
    assert_eq!(readback.unwrap().change, Change::Reprovisioned);
    assert!(seen.contains(&None) && !seen.contains(&Some(193_000_000)));
    assert_eq!(bench.module.emission().unwrap().frequency, mhz(194_000_000));
}

#[test]
fn a_module_whose_defaults_would_light_it_stays_dark_until_it_is_tuned() {
    // The 400zr profile comes up with DPDeinit and OutputDisableTx clear: powering it up would light 193.1 THz.
    let mut bench = Bench::new(Profile::ZR400);
    assert_eq!(bench.info.module_state, ModuleState::LowPwr);
    let procedure = Configure::new(&bench.info, target(194_500_000, -900, 0x3E)).unwrap();
    bench
        .watch(procedure, |module, _| {
            let lit = module.emission().map(|emission| emission.frequency);
            assert!(lit.is_none() || lit == Some(mhz(194_500_000)), "lit at {lit:?}");
        })
        .unwrap();
    assert!(bench.module.emission().is_some());
}

#[test]
fn an_output_that_is_only_off_is_turned_on_without_reprovisioning() {
    let mut bench = Bench::new(Profile::OPENZRP);
    let target = target(193_400_000, -1000, 0x46);
    bench.configure(target).unwrap();
    let off = TxControl::new(&bench.info, TxGoal::Disable).unwrap();
    assert!(!bench.run(off).unwrap().lit());
    let mut recorder = Recorder::new(bench.module.eeprom());
    let readback =
        run(Configure::new(&bench.info, target).unwrap(), &mut recorder, &mut bench.clock).unwrap();
    assert_eq!(readback.change, Change::OutputOnly);
    assert_eq!(recorder.places(), [(0x10, 130)]);
    assert!(bench.module.emission().is_some());
}

#[test]
fn another_application_on_fewer_lanes_frees_the_others() {
    let mut bench = Bench::new(Profile::OPENZRP);
    bench.configure(target(193_400_000, -1000, 0x46)).unwrap();
    let readback = bench.configure(target(193_400_000, -1000, 0x49)).unwrap();
    assert_eq!((readback.host_lanes, readback.media_code), (0x03, 0x49));
    assert_eq!(bench.module.emission().unwrap().media_code, 0x49);
    let mut active = [0; 8];
    bench.read(Address::page(0x11, 206), &mut active);
    assert_eq!(active, [0x60, 0x60, 0, 0, 0, 0, 0, 0], "unused lanes are decommissioned");
    let readback = bench.configure(target(193_400_000, -1000, 0x46)).unwrap();
    assert_eq!(readback.host_lanes, 0xFF);
}

#[test]
fn a_module_that_refuses_unused_lanes_is_told_apart() {
    let mut bench = Bench::new(Profile::OPENZRP);
    bench.configure(target(193_400_000, -1000, 0x46)).unwrap();
    bench.module.reject_unused_lanes(true);
    // Lanes 3-8 belong to the old data path and can only be freed by AppSel 0.
    let refused = bench.configure(target(193_400_000, -1000, 0x49)).unwrap_err();
    assert!(matches!(refused, ProcError::Rejected { status: ConfigStatus::LanesInUse, .. }), "{refused}");
    assert_eq!(refused.code(), Code::ModuleRejected);
    assert!(bench.module.emission().is_none(), "a module that was not configured stays dark");
    // The eight-lane application needs no lane freed.
    bench.configure(target(193_400_000, -1000, 0x46)).unwrap();
}

#[test]
fn a_rejected_configuration_is_a_typed_error_and_stays_dark() {
    let mut bench = Bench::new(Profile::OPENZRP);
    bench.module.reject_applies(1);
    let refused = bench.configure(target(193_400_000, -1000, 0x46)).unwrap_err();
    let lanes = LaneStatuses([ConfigStatus::Rejected; 8]);
    assert_eq!(refused, ProcError::Rejected { lane: 1, status: ConfigStatus::Rejected, lanes });
    assert!(bench.module.emission().is_none());
    // The stale status of the rejected command is not taken for the answer to the next.
    bench.configure(target(193_400_000, -1000, 0x46)).unwrap();
}

#[test]
fn an_ignored_trigger_is_repeated_a_bounded_number_of_times() {
    let mut bench = Bench::new(Profile::OPENZRP);
    bench.module.ignore_applies(2);
    bench.configure(target(193_400_000, -1000, 0x47)).unwrap();
    let mut bench = Bench::new(Profile::OPENZRP);
    bench.module.ignore_applies(100);
    let error = bench.configure(target(193_400_000, -1000, 0x47)).unwrap_err();
    assert_eq!(error, ProcError::ApplyIgnored { attempts: 3 });
}

#[test]
fn a_module_slower_than_it_advertises_is_a_typed_time_out_for_the_state_it_hangs_in() {
    let mut bench = Bench::new(Profile::OPENZRP);
    bench.module.slow_down(1_000);
    let error = bench.configure(target(193_400_000, -1000, 0x46)).unwrap_err();
    // Advertised 5 s for ModulePwrUp, a quarter as margin.
    let awaited = Awaited::Module { wanted: ModuleState::Ready, seen: ModuleState::PwrUp };
    assert_eq!(error, ProcError::TimedOut { awaited, limit: Duration::from_millis(6_250) });
    assert_eq!(error.code(), Code::TimedOut);
    assert!(bench.clock.now() < Millis(10_000));

    let mut bench = Bench::new(Profile::OPENZRP);
    bench.run(ModulePower::new(&bench.info, PowerMode::High).unwrap()).unwrap();
    bench.module.slow_down(1_000);
    let begun = bench.clock.now();
    let error = bench.configure(target(193_400_000, -1000, 0x47)).unwrap_err();
    let ProcError::TimedOut { awaited: Awaited::Configuration, limit } = error else { panic!("{error}") };
    assert!(bench.clock.now().elapsed_since(begun) < limit + Duration::from_secs(5));
}

#[test]
fn each_state_has_its_own_deadline() {
    // Initialisation takes 100 s where a minute is advertised: everything before it is in time.
    let dp_init = Dwell { actual: Duration::from_secs(100), advertised: 9 };
    let mut bench =
        Bench::new(Profile::OPENZRP.altered(|profile| profile.durations.dp_init = dp_init).unwrap());
    let error = bench.configure(target(193_400_000, -1000, 0x46)).unwrap_err();
    let awaited =
        Awaited::DataPath { wanted: DataPathState::Initialized, seen: DataPathState::Init, lane: 1 };
    assert_eq!(error, ProcError::TimedOut { awaited, limit: Duration::from_secs(75) });
    // Within its own limit nothing is hurried: ten minutes advertised, nine used.
    let dp_init = Dwell { actual: Duration::from_secs(540), advertised: 11 };
    let mut bench =
        Bench::new(Profile::OPENZRP.altered(|profile| profile.durations.dp_init = dp_init).unwrap());
    bench.configure(target(193_400_000, -1000, 0x46)).unwrap();
}

#[test]
fn states_passed_between_two_looks_are_not_waited_for() {
    let instant = Dwell { actual: Duration::ZERO, advertised: 0 };
    let durations = StateDurations {
        power_up: instant,
        power_down: instant,
        dp_init: instant,
        dp_deinit: instant,
        tx_on: instant,
        tx_off: instant,
    };
    let fast = Profile::OPENZRP.altered(|profile| {
        profile.durations = durations;
        profile.hold_offs.configuring = Duration::ZERO;
    });
    let fast = fast.unwrap();
    let mut bench = Bench::new(fast);
    let readback = bench.configure(target(193_400_000, -1000, 0x46)).unwrap();
    assert_eq!(readback.dp_states, [DataPathState::Activated; 8]);
    bench.configure(target(193_500_000, -1000, 0x47)).unwrap();
}

#[test]
fn busy_windows_are_survived_at_every_access() {
    for period in [2, 3, 5, 7] {
        let mut bench = Bench::new(Profile::OPENZRP);
        let mut flaky = Flaky { below: bench.module.eeprom(), period, count: 0 };
        let info = run(Identify::new(), &mut flaky, &mut bench.clock).unwrap();
        assert_eq!(info, bench.info);
        let procedure = Configure::new(&info, target(193_400_000, -1000, 0x46)).unwrap();
        run(procedure, &mut flaky, &mut bench.clock).unwrap();
        run(Sweep::new(&info, 0, Flags::Latch), &mut flaky, &mut bench.clock).unwrap();
        assert!(flaky.count > 50);
    }
}

#[test]
fn a_module_that_never_answers_is_unreachable_after_the_patience() {
    let mut bench = Bench::new(Profile::OPENZRP);
    let begun = bench.clock.now();
    bench.module.refuse_accesses(u32::MAX);
    let error = bench.configure(target(193_400_000, -1000, 0x46)).unwrap_err();
    assert!(matches!(error, ProcError::Bus { source: TransportError::Busy, .. }));
    assert_eq!(error.code(), Code::ModuleUnreachable);
    let took = bench.clock.now().elapsed_since(begun);
    assert!(took >= Duration::from_millis(2_500) && took < Duration::from_millis(2_600), "{took:?}");
}

#[test]
fn a_module_pulled_out_in_the_middle_is_absent() {
    let mut bench = Bench::new(Profile::OPENZRP);
    let procedure = Configure::new(&bench.info, target(193_400_000, -1000, 0x46)).unwrap();
    let result = bench.watch(procedure, |module, procedure| {
        if procedure.stage() == Stage::Initialising {
            module.pull_out();
        }
    });
    let error = result.unwrap_err();
    assert_eq!(error.code(), Code::ModuleAbsent);
}

#[test]
fn a_swapped_module_is_neither_swept_nor_configured_as_the_old_one() {
    let mut bench = Bench::new(Profile::OPENZRP);
    bench.configure(target(193_400_000, -200, 0x46)).unwrap();
    bench.module.swap(Profile::ZR400, 77);
    bench.clock.advance(5_000);
    // −2 dBm was legal for the old module and is not for the new one.
    let error = bench.configure(target(193_400_000, -200, 0x46)).unwrap_err();
    assert_eq!(error, ProcError::ModuleChanged);
    assert_eq!(bench.run(Sweep::new(&bench.info, 0, Flags::Latch)), Err(ProcError::ModuleChanged));
    let power = SetTxPower::new(&bench.info, dbm(-200), 0).unwrap();
    assert_eq!(bench.run(power), Err(ProcError::ModuleChanged));
    let info = bench.run(Identify::new()).unwrap();
    assert_eq!(info.part_number, "400ZR-QDD");
    assert!(bench.module.emission().is_none());
}

#[test]
fn a_faulted_module_is_named_with_its_cause_and_not_written_to() {
    let mut bench = Bench::new(Profile::OPENZRP);
    bench.module.raise_fault(2);
    let writes = bench.eeprom.counters().writes;
    let error = bench.configure(target(193_400_000, -1000, 0x46)).unwrap_err();
    assert_eq!(error, ProcError::Fault { cause: 2 });
    assert_eq!(bench.eeprom.counters().writes, writes);
    bench.module.reset();
    bench.clock.advance(2_000);
    bench.configure(target(193_400_000, -1000, 0x46)).unwrap();
}

#[test]
fn a_fault_while_waiting_is_found_as_the_cause() {
    let mut bench = Bench::new(Profile::OPENZRP);
    let procedure = Configure::new(&bench.info, target(193_400_000, -1000, 0x46)).unwrap();
    let result = bench.watch(procedure, |module, procedure| {
        if procedure.stage() == Stage::Initialising {
            module.raise_fault(3);
        }
    });
    assert_eq!(result.unwrap_err(), ProcError::Fault { cause: 3 });
}

#[test]
fn teardown_turns_the_laser_off_and_reads_it_back() {
    let mut bench = Bench::new(Profile::OPENZRP);
    bench.configure(target(193_400_000, -1000, 0x46)).unwrap();
    let status = bench.run(TxControl::new(&bench.info, TxGoal::Deactivate).unwrap()).unwrap();
    assert!(status.changed && !status.lit());
    assert_eq!((status.output_disabled, status.deinit), (0xFF, 0xFF));
    assert_eq!(status.dp_states, [DataPathState::Deactivated; 8]);
    assert_eq!((bench.module.emission(), bench.module.laser()), (None, None));
    let report = bench.sweep();
    assert_eq!(report.laser_frequency.value(), None, "a laser that is off has no frequency");
    assert_eq!(report.tx_power.value(), None);
    let writes = bench.eeprom.counters().writes;
    let again = bench.run(TxControl::new(&bench.info, TxGoal::Deactivate).unwrap()).unwrap();
    assert!(!again.changed);
    assert_eq!(bench.eeprom.counters().writes, writes);
}

#[test]
fn the_output_goes_off_and_on_without_losing_the_data_path() {
    let mut bench = Bench::new(Profile::OPENZRP);
    bench.configure(target(193_400_000, -1000, 0x46)).unwrap();
    let off = bench.run(TxControl::new(&bench.info, TxGoal::Disable).unwrap()).unwrap();
    assert_eq!(off.dp_states, [DataPathState::Initialized; 8]);
    assert_eq!(bench.module.emission(), None);
    let on = bench.run(TxControl::new(&bench.info, TxGoal::Enable).unwrap()).unwrap();
    assert!(on.lit() && on.changed);
    assert!(bench.module.emission().is_some());
}

#[test]
fn enabling_the_output_of_a_module_that_is_down_lights_nothing_and_says_so() {
    let mut bench = Bench::new(Profile::OPENZRP);
    let status = bench.run(TxControl::new(&bench.info, TxGoal::Enable).unwrap()).unwrap();
    assert!(status.changed && !status.lit());
}

#[test]
fn low_power_takes_the_data_paths_down_first_and_high_power_brings_ready_back() {
    let mut bench = Bench::new(Profile::OPENZRP);
    bench.configure(target(193_400_000, -1000, 0x46)).unwrap();
    let low = bench.run(ModulePower::new(&bench.info, PowerMode::Low).unwrap()).unwrap();
    assert_eq!(low, ModuleState::LowPwr);
    assert_eq!(bench.module.emission(), None);
    let high = bench.run(ModulePower::new(&bench.info, PowerMode::High).unwrap()).unwrap();
    assert_eq!(high, ModuleState::Ready);
    // The configuration survived low power: the data path comes back by itself.
    bench.clock.advance(30_000);
    assert!(bench.module.emission().is_some());
    let readback = bench.configure(target(193_400_000, -1000, 0x46)).unwrap();
    assert_eq!(readback.change, Change::Unchanged);
}

#[test]
fn a_bring_up_under_way_is_joined_and_not_begun_anew() {
    let mut bench = Bench::new(Profile::OPENZRP);
    let target = target(193_400_000, -1000, 0x46);
    bench.configure(target).unwrap();
    bench.run(ModulePower::new(&bench.info, PowerMode::Low).unwrap()).unwrap();
    bench.run(ModulePower::new(&bench.info, PowerMode::High).unwrap()).unwrap();
    let mut recorder = Recorder::new(bench.module.eeprom());
    let readback =
        run(Configure::new(&bench.info, target).unwrap(), &mut recorder, &mut bench.clock).unwrap();
    assert_eq!(readback.change, Change::OutputOnly);
    assert_eq!(recorder.places(), [], "Init was under way with the right configuration");
}

#[test]
fn eight_byte_reads_find_the_same_as_whole_pages() {
    let mut bench = Bench::new(Profile::OPENZRP);
    bench.configure(target(193_400_000, -1000, 0x46)).unwrap();
    let mut strict = bench.module.eeprom_with(ReadLimit::Strict);
    let info = run(Identify::new(), &mut strict, &mut bench.clock).unwrap();
    assert_eq!(info, { run(Identify::new(), &mut bench.eeprom, &mut bench.clock).unwrap() });
    let report = run(Sweep::new(&info, 0, Flags::Leave), &mut strict, &mut bench.clock).unwrap();
    assert_eq!(report.laser_frequency.value(), Some(mhz(193_400_000)));
    let counters = strict.counters();
    assert!(counters.read_bytes <= counters.reads * 8);
}

#[test]
fn a_sweep_is_few_bulk_reads() {
    let mut bench = Bench::new(Profile::OPENZRP);
    bench.configure(target(193_400_000, -1000, 0x46)).unwrap();
    bench.sweep();
    let before = bench.eeprom.counters();
    bench.sweep();
    let after = bench.eeprom.counters();
    let (reads, bytes) = (after.reads - before.reads, after.read_bytes - before.read_bytes);
    println!(
        "sweep: {reads} reads, {bytes} bytes, {} page accesses",
        after.page_accesses - before.page_accesses
    );
    assert!(reads <= 6 && bytes <= 272, "{reads} reads, {bytes} bytes");
    assert_eq!(after.writes, before.writes);
}

#[test]
fn module_time_is_what_was_waited() {
    let mut bench = Bench::new(Profile::OPENZRP);
    let begun = bench.clock.now();
    let mut pollable = ipowdm_cmis::procedure::Pollable::new(
        Configure::new(&bench.info, target(193_400_000, -1000, 0x46)).unwrap(),
        ipowdm_cmis::procedure::BusyLimits::default(),
    );
    use ipowdm_cmis::procedure::Progress;
    while let Progress::Sleep(until) = pollable.advance(bench.clock.now(), &mut bench.eeprom) {
        bench.clock.sleep_until(until);
    }
    assert_eq!(
        pollable.module_time(),
        bench.clock.now().elapsed_since(begun),
        "virtual time passes only in waits"
    );
    assert!(pollable.module_time() > Duration::from_secs(17));
    assert_eq!(pollable.advance(bench.clock.now(), &mut bench.eeprom), Progress::Sleep(Millis(u64::MAX)));
}

#[test]
fn a_module_that_is_lit_from_the_start_is_read_and_left_alone() {
    // A restart of the host's software: the module runs already as wanted.
    let power_on =
        PowerOn { deinit: 0, output_disable_tx: 0, low_power_pin: false, ..Profile::OPENZRP.power_on };
    let mut bench = Bench::new(Profile::OPENZRP.altered(|profile| profile.power_on = power_on).unwrap());
    bench.clock.advance(60_000);
    let writes = bench.eeprom.counters().writes;
    let readback = bench.configure(target(193_100_000, -1000, 0x46)).unwrap();
    assert_eq!((readback.change, readback.frequency), (Change::Unchanged, mhz(193_100_000)));
    assert_eq!(bench.eeprom.counters().writes, writes);
}
