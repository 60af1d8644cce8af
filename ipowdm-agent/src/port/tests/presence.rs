//! Restarts, and modules that come, go, are swapped or are changed by somebody else.

use super::*;

#[test]
fn a_restart_with_the_right_state_writes_nothing_and_resumes_the_samples() {
    let mut bench = Bench::new();
    bench.work(setup(193_100_000, -200));
    let mut bench = bench.restarted();
    bench.run(10_000);
    assert_eq!(bench.writes(), 0, "not one state-changing write");
    assert!(bench.module.laser().is_some());
    let samples = bench.samples();
    assert_eq!(samples.len(), 4);
    assert!(samples[0].due.since(Millis(0)) > 0);
    assert_eq!(bench.reports()[0].outcome, Outcome::Unchanged);
}

#[test]
fn a_module_that_lost_power_is_restored_after_a_restart_and_one_never_commanded_is_left_alone() {
    let mut bench = Bench::new();
    bench.work(setup(193_100_000, -200));
    bench.module.reset();
    let mut bench = bench.restarted();
    bench.run(60_000);
    assert_eq!(bench.module.laser(), Some(Frequency::from_mhz(193_100_000)));
    // A lit module without a journal belongs to somebody we do not know.
    let mut stranger = Bench::around(bench.module.clone(), bench.clock.clone(), PortState::default());
    stranger.tell(Job::own(Work::Restore));
    stranger.run(10_000);
    assert_eq!(stranger.writes(), 0);
    assert!(stranger.module.laser().is_some());
}

#[test]
fn an_empty_port_says_so_and_what_is_meant_is_restored_when_a_module_comes() {
    let mut bench = Bench::new();
    bench.module.pull_out();
    let absent = bench.work(setup(193_100_000, -200));
    assert_eq!(code(&absent), (Outcome::Rejected, Some(Code::ModuleAbsent)));
    bench.module.insert();
    bench.work(setup(193_100_000, -200));
    bench.module.pull_out();
    bench.run(10_000);
    let status = bench.status();
    assert!(status.module.is_none());
    assert!(issues(&status)[0].contains("is down here"), "{:?}", issues(&status));
    let samples = bench.samples().len();
    bench.run(30_000);
    assert_eq!(bench.samples().len(), samples, "nothing is read, nothing is invented");
    assert!(bench.status().missed >= 10);
    bench.module.insert();
    bench.run(60_000);
    assert_eq!(bench.module.laser(), Some(Frequency::from_mhz(193_100_000)));
    let report = bench.work(teardown());
    assert_eq!(report.outcome, Outcome::Applied);
}

#[test]
fn a_module_that_answers_as_if_it_were_not_there_is_put_out_all_the_same() {
    for accesses in 1..8 {
        let mut bench = Bench::new();
        bench.work(setup(193_100_000, -200));
        bench.module.inject(Fault::Enxio { accesses: 1 }).unwrap();
        // The next sample is not read, and the module is taken for gone.
        bench.run(3_500);
        assert!(bench.status().module.is_none());
        bench.module.inject(Fault::Enxio { accesses }).unwrap();
        let report = bench.work(teardown());
        assert_eq!((report.outcome, bench.module.laser()), (Outcome::Applied, None), "{accesses}");
    }
}

#[test]
fn a_teardown_in_an_empty_port_succeeds_once_nobody_was_found_for_two_seconds() {
    let mut bench = Bench::new();
    bench.work(setup(193_100_000, -200));
    bench.module.pull_out();
    bench.run(4_000);
    let report = bench.work(teardown());
    assert_eq!(report.outcome, Outcome::Unchanged);
    assert_eq!(report.state.intent.desired(), None);
}

#[test]
fn a_swapped_module_is_noticed_and_brought_to_what_is_meant() {
    let mut bench = Bench::new();
    bench.work(setup(193_100_000, -200));
    let serial = bench.status().module.unwrap().serial.clone();
    bench.module.swap(Profile::OPENZRP, 8);
    bench.run(60_000);
    let status = bench.status();
    assert_ne!(status.module.unwrap().serial, serial);
    assert_eq!(bench.module.laser(), Some(Frequency::from_mhz(193_100_000)));
}

#[test]
fn a_foreign_change_is_reported_not_undone() {
    use ipowdm_cmis::procedure::{SetTxPower, run};
    let mut bench = Bench::new();
    bench.work(setup(193_100_000, -200));
    let mut eeprom = bench.module.eeprom();
    let mut clock = bench.clock.clone();
    let info = run(ipowdm_cmis::procedure::Identify::new(), &mut eeprom, &mut clock).unwrap();
    run(SetTxPower::new(&info, Power::from_hundredths(-500), 0).unwrap(), &mut eeprom, &mut clock).unwrap();
    let writes = bench.writes();
    bench.run(10_000);
    assert!(issues(&bench.status()).iter().any(|issue| issue.contains("foreign change: power")));
    assert_eq!(bench.writes(), writes);
}

#[test]
fn a_module_that_another_host_commissioned_anew_is_identified_again() {
    use ipowdm_cmis::procedure::{ApplicationChoice, Configure, Identify, Target, run};
    let mut bench = Bench::new();
    assert_eq!(bench.work(setup(193_400_000, -1000)).outcome, Outcome::Applied);
    bench.run(10_000);
    let looks = |bench: &Bench| bench.reports().iter().filter(|report| report.refreshed).count();
    assert_eq!(looks(&bench), 0);
    let (mut other, mut clock) = (bench.module.eeprom(), bench.clock.clone());
    let info = run(Identify::new(), &mut other, &mut clock).unwrap();
    let target = Target {
        frequency: Frequency::from_mhz(193_400_000),
        tx_power: Power::from_hundredths(-1000),
        application: ApplicationChoice::MediaCode(0x3E),
    };
    run(Configure::new(&info, target).unwrap(), &mut other, &mut clock).unwrap();
    bench.run(10_000);
    assert_eq!(looks(&bench), 1, "once, and then the descriptors hold again");
    bench.run(60_000);
    assert_eq!(looks(&bench), 1);
}

#[test]
fn the_laser_is_off_by_default_even_on_a_module_whose_defaults_would_light_it() {
    let mut bench = Bench::with(Profile::ZR400);
    bench.tell(Job::own(Work::Restore));
    bench.run(120_000);
    assert_eq!((bench.module.laser(), bench.writes()), (None, 0));
}
