//! Parts of a configuration by themselves: provisioning, decommissioning, reconciliation, single data paths, reset.

#![expect(clippy::unwrap_used, reason = "a bench that does not work fails its test")]

mod common;

use common::{Bench, Recorder, dbm, mhz, target};
use ipowdm_cmis::access::Eeprom;
use ipowdm_cmis::codes::{ConfigStatus, DataPathState, ModuleState};
use ipowdm_cmis::emulator::Profile;
use ipowdm_cmis::map::Address;
use ipowdm_cmis::procedure::{
    Change, Configure, ControlSet, Decommission, Decommissioned, Feature, Intent, Options, ProcError,
    Provision, Provisioning, Reconcile, Remedy, Reset, Scope, Setting, SettingSet, Target, Trigger,
    TxControl, TxGoal, TxLanes, WaitStep, run,
};
use ipowdm_cmis::time::Clock;
use ipowdm_core::error::Code;

const PLAIN: Target = Target {
    frequency: ipowdm_core::units::Frequency::from_mhz(193_400_000),
    tx_power: ipowdm_core::units::Power::from_hundredths(-1000),
    application: ipowdm_cmis::procedure::ApplicationChoice::MediaCode(0x46),
};

fn lit() -> Intent {
    Intent::Lit(PLAIN, Options::default())
}

fn reconcile(bench: &mut Bench, intent: Intent, remedy: Remedy) -> ipowdm_cmis::procedure::Reconciled {
    let procedure = Reconcile::new(&bench.info, intent, remedy).unwrap();
    bench.run(procedure).unwrap()
}

#[test]
fn reconciling_a_module_that_is_as_meant_writes_nothing() {
    let mut bench = Bench::new(Profile::OPENZRP);
    bench.configure(PLAIN).unwrap();
    let mut recorder = Recorder::new(bench.module.eeprom());
    let procedure = Reconcile::new(&bench.info, lit(), Remedy::Restore).unwrap();
    let done = run(procedure, &mut recorder, &mut bench.clock).unwrap();
    assert_eq!((done.change, done.found), (Change::Unchanged, SettingSet::EMPTY));
    assert_eq!(done.lit.unwrap().frequency, mhz(193_400_000));
    assert_eq!(recorder.writes, []);
}

#[test]
fn comparing_tells_every_difference_and_writes_nothing() {
    let mut bench = Bench::new(Profile::OPENZRP);
    bench.configure(target(194_000_000, -900, 0x46)).unwrap();
    let writes = bench.eeprom.counters().writes;
    let done = reconcile(&mut bench, lit(), Remedy::Compare);
    assert_eq!(done.change, Change::Reprovisioned);
    let found: Vec<Setting> = done.found.iter().collect();
    assert_eq!(found, [Setting::Frequency, Setting::TxPower, Setting::LaserLock]);
    let dark = reconcile(&mut bench, Intent::Dark(0), Remedy::Compare);
    assert_eq!(dark.change, Change::Darkened);
    assert!(dark.found.holds(Setting::TxOutput) && dark.found.holds(Setting::DataPathState));
    assert_eq!(bench.eeprom.counters().writes, writes);
    assert!(bench.module.emission().is_some());
}

#[test]
fn restoring_makes_the_least_disruptive_change() {
    let mut bench = Bench::new(Profile::OPENZRP);
    let cold = reconcile(&mut bench, lit(), Remedy::Restore);
    assert_eq!(cold.change, Change::Reprovisioned);
    let louder = Intent::Lit(Target { tx_power: dbm(-900), ..PLAIN }, Options::default());
    assert_eq!(reconcile(&mut bench, louder, Remedy::Restore).change, Change::PowerOnly);
    let off = TxControl::new(&bench.info, TxGoal::Disable).unwrap();
    bench.run(off).unwrap();
    assert_eq!(reconcile(&mut bench, louder, Remedy::Restore).change, Change::OutputOnly);
    let dark = reconcile(&mut bench, Intent::Dark(0), Remedy::Restore);
    assert_eq!(dark.change, Change::Darkened);
    assert!(dark.dark.is_some_and(|status| !status.lit()) && bench.module.emission().is_none());
    let writes = bench.eeprom.counters().writes;
    let again = reconcile(&mut bench, Intent::Dark(0), Remedy::Restore);
    assert_eq!((again.change, again.dark), (Change::Unchanged, None));
    assert_eq!(bench.eeprom.counters().writes, writes, "a dark module is not written to");
}

#[test]
fn lanes_are_released_and_a_module_that_refuses_appsel_0_is_held_down() {
    for refuses in [false, true] {
        let mut bench = Bench::new(Profile::OPENZRP);
        bench.configure(PLAIN).unwrap();
        bench.module.reject_unused_lanes(refuses);
        let procedure = Decommission::new(&bench.info, 0, TxLanes::ALL).unwrap();
        let done = bench.run(procedure).unwrap();
        let mut active = [0; 8];
        bench.read(Address::page(0x11, 206), &mut active);
        if refuses {
            let Decommissioned::HeldDown { statuses } = done else { panic!("{done:?}") };
            assert_eq!(statuses.0, [ConfigStatus::InvalidAppSel; 8]);
            assert_eq!(active, [0x10; 8]);
        } else {
            assert_eq!((done, active), (Decommissioned::Released, [0; 8]));
        }
        assert!(bench.module.emission().is_none());
        bench.configure(PLAIN).unwrap();
        assert!(bench.module.emission().is_some(), "what was taken out of use can be used again");
    }
}

fn provisioning(trigger: Trigger) -> Provisioning {
    Provisioning {
        bank: 0,
        control_set: ControlSet::Scs0,
        lanes: 0xFF,
        dp_config: [0x10; 8],
        signal_integrity: None,
        trigger,
    }
}

#[test]
fn a_configuration_can_be_applied_to_a_dark_module_and_waits_for_its_initialisation() {
    let mut bench = Bench::new(Profile::OPENZRP);
    let high = ipowdm_cmis::procedure::ModulePower::new(&bench.info, ipowdm_cmis::procedure::PowerMode::High);
    bench.run(high.unwrap()).unwrap();
    let done = bench.run(Provision::new(&bench.info, provisioning(Trigger::DpInit)).unwrap()).unwrap();
    assert_eq!((done.active, done.attempts), ([0x10; 8], 1));
    assert_eq!(done.statuses.0, [ConfigStatus::Success; 8]);
    assert_eq!(done.init_pending, 0xFF, "DPDeinit keeps the data path down");
    assert!(bench.module.emission().is_none());
}

#[test]
fn an_ignored_trigger_is_noticed_and_repeated_a_bounded_number_of_times() {
    let mut bench = Bench::new(Profile::OPENZRP);
    bench.configure(PLAIN).unwrap();
    let off = TxControl::new(&bench.info, TxGoal::Deactivate).unwrap();
    bench.run(off).unwrap();
    let other = Provisioning { dp_config: [0x20; 8], ..provisioning(Trigger::DpInit) };
    bench.module.ignore_applies(2);
    let done = bench.run(Provision::new(&bench.info, other).unwrap()).unwrap();
    assert_eq!(done.attempts, 3);
    let other = provisioning(Trigger::DpInit);
    bench.module.ignore_applies(100);
    let error = bench.run(Provision::new(&bench.info, other).unwrap()).unwrap_err();
    assert_eq!(error, ProcError::ApplyIgnored { attempts: 3 });
}

#[test]
fn an_immediate_trigger_on_a_path_that_is_down_is_refused_before_the_first_write() {
    let mut bench = Bench::new(Profile::OPENZRP);
    let writes = bench.eeprom.counters().writes;
    let error =
        bench.run(Provision::new(&bench.info, provisioning(Trigger::Immediate)).unwrap()).unwrap_err();
    assert!(matches!(error, ProcError::WrongPathState { lane: 1, seen: DataPathState::Deactivated, .. }));
    assert_eq!(bench.eeprom.counters().writes, writes);
}

#[test]
fn an_unknown_appsel_is_refused_with_the_legal_ones() {
    let bench = Bench::new(Profile::OPENZRP);
    let before = bench.eeprom.counters();
    let wrong = Provisioning { dp_config: [0x90; 8], ..provisioning(Trigger::DpInit) };
    let error = Provision::new(&bench.info, wrong).unwrap_err();
    assert_eq!(error.code(), Code::Unsupported);
    assert!(error.to_string().contains("AppSel 6 (host 0Dh, media 49h)"), "{error}");
    assert_eq!(bench.eeprom.counters(), before);
}

#[test]
fn what_the_module_does_not_advertise_is_refused_before_the_first_access() {
    let bench = Bench::new(Profile::ZR400);
    let before = bench.eeprom.counters();
    let target = target(193_400_000, -900, 0x3E);
    let refuse = |options| Configure::with_options(&bench.info, target, options).unwrap_err();
    if !bench.info.controls.staged_set1 {
        let error = refuse(Options { control_set: ControlSet::Scs1, ..Options::default() });
        assert_eq!(error, ProcError::NotSupported { feature: Feature::StagedSet1 });
    }
    let error = refuse(Options { scope: Scope::Bank(bench.info.banks), ..Options::default() });
    assert_eq!(error, ProcError::WrongBank { bank: bench.info.banks, banks: bench.info.banks });
    let error = refuse(Options { scope: Scope::FromLane(2), ..Options::default() });
    assert!(matches!(error, ProcError::WrongLane { lane: 2, .. }), "{error}");
    assert_eq!(bench.eeprom.counters(), before);
}

#[test]
fn one_data_path_of_a_muxponder_is_configured_and_its_neighbours_stay() {
    let mut bench = Bench::new(Profile::OPENZRP);
    // 100GAUI-2 onto a 400G carrier, AppSel 3, one client after the other.
    let one = Target { application: ipowdm_cmis::procedure::ApplicationChoice::AppSel(3), ..PLAIN };
    let from = |lane| Options { scope: Scope::FromLane(lane), ..Options::default() };
    for (lane, active) in [(1, [0x30, 0x30, 0, 0]), (3, [0x30, 0x30, 0x34, 0x34])] {
        let procedure = Configure::with_options(&bench.info, one, from(lane)).unwrap();
        let readback = bench.run(procedure).unwrap();
        assert_eq!(readback.change, Change::Reprovisioned);
        let mut seen = [0; 4];
        bench.read(Address::page(0x11, 206), &mut seen);
        assert_eq!(seen, active);
    }
    let again = bench.run(Configure::with_options(&bench.info, one, from(1)).unwrap()).unwrap();
    assert_eq!((again.change, again.host_lanes, again.media_lanes), (Change::Unchanged, 0x03, 0x01));
}

#[test]
fn a_reset_is_waited_for_and_leaves_the_power_on_defaults() {
    let mut bench = Bench::new(Profile::OPENZRP);
    bench.configure(PLAIN).unwrap();
    let begun = bench.clock.now();
    let state = bench.run(Reset::new(&bench.info).unwrap()).unwrap();
    assert_eq!(state, ModuleState::LowPwr);
    assert!(bench.clock.now().elapsed_since(begun) >= Profile::OPENZRP.hold_offs.management_init);
    assert!(bench.module.emission().is_none());
    let readback = bench.configure(PLAIN).unwrap();
    assert_eq!(readback.change, Change::Reprovisioned, "the target comes back");
}

#[test]
fn a_reset_brings_a_module_out_of_its_fault_state() {
    let mut bench = Bench::new(Profile::OPENZRP);
    bench.configure(PLAIN).unwrap();
    bench.module.raise_fault(2);
    assert_eq!(bench.configure(PLAIN), Err(ProcError::Fault { cause: 2 }));
    bench.module.reset();
    let state = bench.run(Reset::new(&bench.info).unwrap()).unwrap();
    assert_ne!(state, ModuleState::Fault);
    bench.configure(PLAIN).unwrap();
}

#[test]
fn a_module_that_stays_silent_after_its_reset_is_given_up() {
    let mut bench = Bench::new(Profile::OPENZRP);
    bench.module.slow_down(100);
    let begun = bench.clock.now();
    let error = bench.run(Reset::new(&bench.info).unwrap()).unwrap_err();
    assert_eq!(error.code(), Code::ModuleUnreachable);
    assert!(bench.clock.now().elapsed_since(begun) < core::time::Duration::from_secs(8));
}

#[test]
fn each_wait_of_a_bring_up_is_measured_beside_its_advertised_limit() {
    let mut bench = Bench::new(Profile::OPENZRP);
    let mut pollable = ipowdm_cmis::procedure::Pollable::new(
        Configure::new(&bench.info, PLAIN).unwrap(),
        ipowdm_cmis::procedure::BusyLimits::default(),
    );
    while let ipowdm_cmis::procedure::Progress::Sleep(until) =
        pollable.advance(bench.clock.now(), &mut bench.eeprom)
    {
        bench.clock.sleep_until(until);
    }
    let times = pollable.procedure().times();
    let steps: Vec<WaitStep> = times.iter().map(|time| time.step).collect();
    use WaitStep::{Activated, Configured, Deactivated, Initialized, Locked, ModuleReady, Tuned};
    assert_eq!(steps, [ModuleReady, Deactivated, Tuned, Configured, Initialized, Activated, Locked]);
    for time in times {
        assert!(time.advertised.is_none_or(|limit| time.took <= limit), "{time:?}");
    }
    let initialized = times.iter().find(|time| time.step == Initialized).unwrap();
    assert!(initialized.took >= Profile::OPENZRP.durations.dp_init.actual);
    assert_eq!(initialized.advertised, Some(core::time::Duration::from_secs(60)));
}

#[test]
fn a_bring_up_that_fails_after_the_laser_came_on_turns_it_off_again() {
    let mut bench = Bench::new(Profile::OPENZRP);
    bench.module.report_laser_off_by(2_000);
    let error = bench.configure(PLAIN).unwrap_err();
    assert_eq!(error.code(), Code::TimedOut);
    bench.clock.advance(5_000);
    assert!(bench.module.emission().is_none(), "a laser that is not on its channel stays off");
    assert_eq!(bench.byte(0x10, 130) & 1, 1);
    assert_eq!(bench.byte(0x10, 128), 0xFF);
}

#[test]
fn a_slow_module_holds_up_no_other() {
    use ipowdm_cmis::procedure::{BusyLimits, Pollable, Progress};
    let clock = ipowdm_cmis::emulator::VirtualClock::new();
    let mut slow = Bench::at(&clock, Profile::ZR400, 1);
    let mut fast = Bench::at(&clock, Profile::OPENZRP, 2);
    let zr = target(193_400_000, -1000, 0x3E);
    let mut first = Pollable::new(Configure::new(&slow.info, zr).unwrap(), BusyLimits::default());
    let mut second = Pollable::new(Configure::new(&fast.info, PLAIN).unwrap(), BusyLimits::default());
    let begun = clock.now();
    let mut clock = clock;
    let (mut slow_until, mut fast_took) = (Some(clock.now()), None);
    let mut fast_until = Some(clock.now());
    while slow_until.is_some() || fast_until.is_some() {
        let now = clock.now();
        if slow_until.is_some_and(|until| until <= now) {
            slow_until = match first.advance(now, &mut slow.eeprom) {
                Progress::Sleep(until) => Some(until),
                Progress::Done(result) => result.map(|_| None).unwrap(),
            };
        }
        if fast_until.is_some_and(|until| until <= now) {
            fast_until = match second.advance(now, &mut fast.eeprom) {
                Progress::Sleep(until) => Some(until),
                Progress::Done(result) => {
                    fast_took = Some(now.elapsed_since(begun));
                    result.map(|_| None).unwrap()
                }
            };
        }
        if let Some(next) = [slow_until, fast_until].into_iter().flatten().min() {
            clock.sleep_until(next);
        }
    }
    let (fast_took, slow_took) = (fast_took.unwrap(), clock.now().elapsed_since(begun));
    let alone = core::time::Duration::from_secs(19);
    assert!(fast_took < alone && slow_took > alone, "{fast_took:?} beside {slow_took:?}");
}

#[test]
fn identification_waits_for_a_module_that_was_just_plugged_in() {
    let mut bench = Bench::new(Profile::OPENZRP);
    bench.module.pull_out();
    bench.clock.advance(5_000);
    bench.module.insert();
    let begun = bench.clock.now();
    let info = bench.run(ipowdm_cmis::procedure::Identify::new()).unwrap();
    assert_eq!(info.serial_number, bench.info.serial_number);
    assert!(bench.clock.now() > begun, "it was not ready at once");
}
