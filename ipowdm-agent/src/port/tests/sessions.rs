//! Samples, and commands that wait their turn.

use super::*;

#[test]
fn s0_09_samples_come_at_a_fixed_rate_from_the_start_of_the_session() {
    let mut bench = Bench::new();
    bench.work(setup(193_100_000, -200));
    let first = bench.samples()[0].clone();
    bench.events.clear();
    bench.run(100_000);
    let samples = bench.samples();
    assert!((33..=34).contains(&samples.len()), "{}", samples.len());
    for sample in &samples {
        assert_eq!(sample.due.since(first.due) % 3_000, 0, "no drift");
        assert!(sample.read_at.since(sample.due) < 100);
        assert_eq!(sample.fields.tx_power_configured, Some(Power::from_hundredths(-200)));
    }
    assert!(samples.windows(2).all(|pair| pair[1].seq == pair[0].seq + 1));
}

#[test]
fn s0_09_sessions_beyond_the_limit_are_refused_with_the_reason() {
    let mut bench = Bench::new();
    let start = |name: &str| Work::StartTelemetry {
        vop: vop(),
        connection: name.parse().unwrap(),
        interval_ms: 1_000,
    };
    for name in ["a", "b", "c", "d"] {
        assert_eq!(bench.work(start(name)).outcome, Outcome::Applied);
        assert_eq!(bench.work(start(name)).outcome, Outcome::Unchanged);
    }
    let refused = bench.work(start("e"));
    assert_eq!(code(&refused), (Outcome::Rejected, Some(Code::LimitReached)));
    assert!(refused.details.error.unwrap().contains('4'));
    let stop = Work::StopTelemetry { vop: vop(), connection: "a".parse().unwrap() };
    assert_eq!(bench.work(stop.clone()).outcome, Outcome::Applied);
    assert_eq!(bench.work(stop).outcome, Outcome::Unchanged);
    assert_eq!(bench.work(start("e")).outcome, Outcome::Applied);
}

#[test]
fn several_sessions_of_a_port_share_one_sweep() {
    let reads_for = |names: &[&str]| {
        use ipowdm_cmis::access::Eeprom;
        let mut bench = Bench::new();
        bench.work(Work::Restore);
        for name in names {
            let start =
                Work::StartTelemetry { vop: vop(), connection: name.parse().unwrap(), interval_ms: 3_000 };
            bench.numbers += 1;
            bench.tell(Job { number: Some(bench.numbers), ..Job::own(start) });
        }
        bench.run(100);
        bench.events.clear();
        let before = bench.eeprom.counters().reads;
        bench.run(30_000);
        (bench.eeprom.counters().reads - before, bench.samples().len())
    };
    let (one, samples_of_one) = reads_for(&["a"]);
    let (three, samples_of_three) = reads_for(&["a", "b", "c"]);
    assert_eq!(one, three);
    assert_eq!(samples_of_three, 3 * samples_of_one);
}

#[test]
fn samples_go_on_while_a_reconfiguration_waits_for_the_module() {
    let mut bench = Bench::new();
    bench.work(setup(193_100_000, -200));
    bench.events.clear();
    bench.tell(Job::own(reconfigure(Some(193_200_000), None)));
    bench.run(9_000);
    assert!(bench.reports().is_empty(), "still tuning");
    let samples = bench.samples();
    assert_eq!(samples.len(), 3);
    assert!(samples.iter().any(|s| s.fields.data_path_state.as_deref() != Some("DPActivated")));
}

#[test]
fn commands_wait_their_turn_in_order_and_too_many_are_refused() {
    let mut bench = Bench::new();
    bench.tell(Job { number: Some(1), ..Job::own(setup(193_100_000, -200)) });
    bench.run(100);
    let late = Job {
        number: Some(2),
        start_by: Some(bench.now().plus(1_000)),
        ..Job::own(reconfigure(None, Some(-300)))
    };
    bench.tell(late);
    let impatient = Job {
        number: Some(3),
        give_up: Some(bench.now().plus(1_000)),
        ..Job::own(reconfigure(None, Some(-400)))
    };
    bench.tell(impatient);
    for number in 4..=20 {
        bench.tell(Job { number: Some(number), ..Job::own(reconfigure(None, Some(-500))) });
    }
    bench.run(120_000);
    let reports = bench.reports();
    let outcome = |number| code(reports.iter().find(|r| r.number == Some(number)).unwrap());
    assert_eq!(outcome(1), (Outcome::Applied, None));
    assert_eq!(outcome(2), (Outcome::Expired, Some(Code::Expired)));
    assert_eq!(outcome(3), (Outcome::TimedOut, Some(Code::TimedOut)));
    assert_eq!(outcome(4), (Outcome::Applied, None));
    assert_eq!(outcome(5), (Outcome::Unchanged, None));
    let refused: Vec<_> = reports.iter().filter(|r| r.details.code == Some(Code::LimitReached)).collect();
    assert_eq!(refused.iter().map(|r| r.number.unwrap()).collect::<Vec<_>>(), [18, 19, 20]);
    assert_eq!(reports.len(), 20, "exactly one outcome each");
}

#[test]
fn a_port_that_is_taken_away_goes_dark_and_its_queue_is_answered() {
    let mut bench = Bench::new();
    bench.work(setup(193_100_000, -200));
    bench.tell(Job { number: Some(8), ..Job::own(reconfigure(Some(193_200_000), None)) });
    bench.run(100);
    bench.tell(Job { number: Some(9), ..Job::own(reconfigure(None, Some(-300))) });
    bench.tell(Job::own(Work::Release { vop: vop() }));
    bench.run(120_000);
    let reports = bench.reports();
    let cancelled = reports.iter().find(|r| r.number == Some(9)).unwrap();
    assert_eq!(code(cancelled), (Outcome::Rejected, Some(Code::Forbidden)));
    assert_eq!(bench.module.laser(), None);
    let last = reports.last().unwrap();
    assert_eq!(last.state, PortState { intent: Intent::Dark, ..PortState::default() });
    // Another's release touches nothing.
    bench.work(setup(193_100_000, -200));
    bench.work(Work::Release { vop: "other".parse().unwrap() });
    assert!(bench.module.laser().is_some());
}

#[test]
fn a_busy_module_delays_and_nothing_more() {
    let mut bench = Bench::new();
    bench.module.refuse_accesses(20);
    let report = bench.work(setup(193_100_000, -200));
    assert_eq!(report.outcome, Outcome::Applied);
}
