mod proxied;
mod random;

use super::*;
use crate::journal::Desired;
use ipowdm_cmis::access::Paged;
use ipowdm_cmis::emulator::{EmulatedModule, EmulatedWindow, Fault, ModuleClock, Profile, VirtualClock};
use ipowdm_core::error::Code;
use ipowdm_core::msg::AdminState;
use ipowdm_core::units::{Frequency, Power};

/// A port with an emulated module, in virtual time.
struct Bench {
    machine: PortMachine,
    module: EmulatedModule,
    eeprom: Paged<EmulatedWindow>,
    clock: VirtualClock,
    budget: SessionBudget,
    events: Vec<PortEvent>,
    numbers: u64,
    /// The host of an owned port.
    host: Option<proxied::Host>,
}

fn vop() -> VopId {
    "vOp2".parse().unwrap()
}

fn connection() -> ConnectionId {
    "POP1-POP2-1".parse().unwrap()
}

fn desired(mhz: u32, hundredths: i16) -> Desired {
    Desired {
        vop: vop(),
        connection: connection(),
        frequency: Frequency::from_mhz(mhz),
        tx_power: Some(Power::from_hundredths(hundredths)),
        media_code: Some(0x46),
    }
}

fn setup(mhz: u32, hundredths: i16) -> Work {
    Work::Setup { desired: desired(mhz, hundredths), interval_ms: 3_000 }
}

fn reconfigure(frequency: Option<u32>, power: Option<i16>) -> Work {
    Work::Reconfigure {
        vop: vop(),
        connection: connection(),
        frequency: frequency.map(Frequency::from_mhz),
        tx_power: power.map(Power::from_hundredths),
        media_code: None,
    }
}

fn teardown() -> Work {
    Work::Teardown { vop: vop(), connection: connection() }
}

impl Bench {
    fn new() -> Self {
        Self::with(Profile::OPENZRP)
    }

    fn with(profile: Profile) -> Self {
        let clock = VirtualClock::new();
        let module = EmulatedModule::new(profile, 7, ModuleClock::from(&clock));
        Self::around(module, clock, PortState::default())
    }

    fn around(module: EmulatedModule, clock: VirtualClock, state: PortState) -> Self {
        let budget = SessionBudget::new(4);
        let machine = PortMachine::new(
            "Ethernet48".parse().unwrap(),
            state,
            budget.clone(),
            10_000,
            3_000,
            Self::time(&clock),
        );
        let eeprom = module.eeprom();
        Self { machine, module, eeprom, clock, budget, events: Vec::new(), numbers: 0, host: None }
    }

    /// The same module after the agent was started anew, told to compare.
    fn restarted(self) -> Self {
        let state = self.machine.state().clone();
        let mut bench = Self::around(self.module.clone(), self.clock.clone(), state);
        drop(self);
        bench.tell(Job::own(Work::Restore));
        bench
    }

    fn time(clock: &VirtualClock) -> Millis {
        use ipowdm_cmis::time::Clock;
        clock.now()
    }

    fn now(&self) -> Millis {
        Self::time(&self.clock)
    }

    fn tell(&mut self, job: Job) {
        let now = self.now();
        self.machine.tell(PortMessage::Job(Box::new(job)), now, &mut self.events);
    }

    /// Lets `ms` pass, polling as a host does.
    fn run(&mut self, ms: u64) {
        let end = self.now().plus(ms);
        loop {
            let now = self.now();
            let mut reach = match &mut self.host {
                Some(host) => Reach::Owned(&mut self.eeprom, host),
                None => Reach::Registers(&mut self.eeprom),
            };
            let wake = self.machine.poll(now, &mut reach, &mut self.events);
            if wake > end {
                self.clock.advance(end.since(self.now()));
                return;
            }
            self.clock.advance(wake.since(self.now()));
        }
    }

    /// Gives work and waits for its end.
    fn work(&mut self, work: Work) -> JobReport {
        self.numbers += 1;
        let number = Some(self.numbers);
        self.tell(Job { number, ..Job::own(work) });
        for _ in 0..1_000 {
            self.run(1_000);
            if let Some(report) = self.reports().into_iter().find(|report| report.number == number) {
                return report;
            }
        }
        panic!("the job never ended");
    }

    fn reports(&self) -> Vec<JobReport> {
        let done = |event: &PortEvent| match event {
            PortEvent::Done(report) => Some((**report).clone()),
            _ => None,
        };
        self.events.iter().filter_map(done).collect()
    }

    fn samples(&self) -> Vec<Sample> {
        let sample = |event: &PortEvent| match event {
            PortEvent::Sample(sample) => Some((**sample).clone()),
            _ => None,
        };
        self.events.iter().filter_map(sample).collect()
    }

    fn status(&self) -> PortStatus {
        let status = |event: &PortEvent| match event {
            PortEvent::Status(status) => Some((**status).clone()),
            _ => None,
        };
        self.events.iter().rev().find_map(status).unwrap()
    }

    fn writes(&self) -> u64 {
        use ipowdm_cmis::access::Eeprom;
        self.eeprom.counters().writes
    }
}

fn code(report: &JobReport) -> (Outcome, Option<Code>) {
    (report.outcome, report.details.code)
}

#[test]
fn s0_05_a_setup_is_applied_and_read_back_from_registers() {
    let mut bench = Bench::new();
    let report = bench.work(setup(193_100_000, -200));
    assert_eq!(code(&report), (Outcome::Applied, None));
    let read = report.details.readback.unwrap();
    assert_eq!(read.frequency_mhz, Some(Frequency::from_mhz(193_100_000)));
    assert_eq!(read.tx_power_dbm, Some(Power::from_hundredths(-200)));
    assert_eq!(read.module_state.as_deref(), Some("ModuleReady"));
    assert_eq!(read.data_path_state.as_deref(), Some("DPActivated"));
    assert_eq!(read.tx_enabled, Some(true));
    assert!(report.details.register_writes.unwrap() > 0);
    // The module's own times: power-up 3 s, data path 12 s, transmitter 2 s.
    assert!((15_000..30_000).contains(&report.details.module_ms.unwrap()), "{:?}", report.details.module_ms);
    assert_eq!(bench.module.laser(), Some(Frequency::from_mhz(193_100_000)));
    assert_eq!(report.state.intent, Intent::Lit(Box::new(desired(193_100_000, -200))));
}

#[test]
fn the_same_setup_again_is_unchanged_and_writes_nothing() {
    let mut bench = Bench::new();
    bench.work(setup(193_100_000, -200));
    let writes = bench.writes();
    let report = bench.work(setup(193_100_000, -200));
    assert_eq!(code(&report), (Outcome::Unchanged, None));
    assert_eq!(report.details.register_writes, Some(0));
    assert_eq!(bench.writes(), writes);
}

#[test]
fn s0_06_a_power_only_reconfiguration_writes_the_power_and_nothing_else() {
    let mut bench = Bench::new();
    bench.work(setup(193_100_000, -200));
    let report = bench.work(reconfigure(None, Some(-150)));
    assert_eq!(code(&report), (Outcome::Applied, None));
    assert_eq!(report.details.register_writes, Some(1));
    let read = report.details.readback.unwrap();
    assert_eq!(read.tx_power_dbm, Some(Power::from_hundredths(-150)));
    assert_eq!(read.data_path_state.as_deref(), Some("DPActivated"));
    let after = Desired { tx_power: Some(Power::from_hundredths(-150)), ..desired(193_100_000, -200) };
    assert_eq!(report.state.intent, Intent::Lit(Box::new(after)));
    assert_eq!(code(&bench.work(reconfigure(None, Some(-150)))), (Outcome::Unchanged, None));
}

#[test]
fn a_reconfiguration_of_the_frequency_retunes_and_keeps_the_power() {
    let mut bench = Bench::new();
    bench.work(setup(193_100_000, -200));
    let report = bench.work(reconfigure(Some(193_200_000), None));
    assert_eq!(code(&report), (Outcome::Applied, None));
    assert_eq!(bench.module.laser(), Some(Frequency::from_mhz(193_200_000)));
    assert_eq!(report.details.readback.unwrap().tx_power_dbm, Some(Power::from_hundredths(-200)));
}

#[test]
fn a_400zr_module_refuses_minus_two_dbm_and_nothing_is_written() {
    let mut bench = Bench::with(Profile::ZR400);
    let mut wanted = desired(193_100_000, -200);
    wanted.media_code = None;
    let report = bench.work(Work::Setup { desired: wanted, interval_ms: 3_000 });
    assert_eq!(code(&report), (Outcome::Rejected, Some(Code::PowerOutOfRange)));
    assert!(report.details.error.unwrap().contains("-8.00 dBm"));
    assert_eq!((bench.writes(), bench.module.laser()), (0, None));
    assert_eq!(report.state, PortState::default());
    assert_eq!(bench.budget.most(), 4);
    assert!((0..4).all(|_| bench.budget.take()), "no session was left reserved");
}

#[test]
fn what_the_module_cannot_do_is_refused_before_the_first_write() {
    let mut bench = Bench::new();
    for (work, expected) in [
        (setup(190_000_000, -200), Code::FrequencyOutOfRange),
        (setup(193_101_000, -200), Code::FrequencyOffGrid),
        (setup(193_100_000, 100), Code::PowerOutOfRange),
    ] {
        assert_eq!(code(&bench.work(work)), (Outcome::Rejected, Some(expected)));
    }
    assert_eq!(bench.writes(), 0);
}

#[test]
fn a_teardown_switches_the_laser_off_and_ends_the_samples() {
    let mut bench = Bench::new();
    bench.work(setup(193_100_000, -200));
    let report = bench.work(teardown());
    assert_eq!(code(&report), (Outcome::Applied, None));
    assert_eq!(bench.module.laser(), None);
    assert_eq!(report.details.readback.unwrap().data_path_state.as_deref(), Some("DPDeactivated"));
    assert_eq!(report.state, PortState { intent: Intent::Dark, ..PortState::default() });
    let samples = bench.samples().len();
    bench.run(30_000);
    assert_eq!(bench.samples().len(), samples);
    assert_eq!(code(&bench.work(teardown())), (Outcome::Unchanged, None));
}

#[test]
fn commands_about_a_connection_the_port_does_not_serve_are_refused() {
    let mut bench = Bench::new();
    let unserved = bench.work(reconfigure(None, Some(-300)));
    assert_eq!(code(&unserved), (Outcome::Rejected, Some(Code::UnknownConnection)));
    bench.work(setup(193_100_000, -200));
    let writes = bench.writes();
    let mut other = desired(193_200_000, -200);
    other.connection = "other".parse().unwrap();
    let occupied = bench.work(Work::Setup { desired: other, interval_ms: 3_000 });
    assert_eq!(code(&occupied), (Outcome::Rejected, Some(Code::PortOccupied)));
    let wrong = bench.work(Work::Teardown { vop: vop(), connection: "other".parse().unwrap() });
    assert_eq!(code(&wrong), (Outcome::Rejected, Some(Code::IllegalState)));
    assert_eq!(bench.writes(), writes);
    assert!(bench.module.laser().is_some());
}

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
fn admin_down_switches_light_off_is_reported_and_up_restores_what_is_meant() {
    let mut bench = Bench::new();
    bench.work(setup(193_100_000, -200));
    assert_eq!(code(&bench.work(Work::Interface(AdminState::Down))), (Outcome::Applied, None));
    assert!(bench.module.emission().is_none());
    bench.run(5_000);
    assert!(issues(&bench.status())[0].contains("administratively down"));
    let sample = bench.samples().last().unwrap().fields.clone();
    assert_eq!(sample.data_path_state.as_deref(), Some("DPInitialized"));
    assert!(sample.tx_power.is_none_or(|power| power < Power::from_hundredths(-3000)));
    let refused = bench.work(reconfigure(None, Some(-300)));
    assert_eq!(code(&refused), (Outcome::Rejected, Some(Code::IllegalState)));
    let mut bench = bench.restarted();
    bench.run(30_000);
    assert!(bench.module.emission().is_none(), "down survives a restart");
    assert_eq!(code(&bench.work(Work::Interface(AdminState::Up))), (Outcome::Applied, None));
    assert!(bench.module.emission().is_some());
    bench.run(5_000);
    // Nothing lights this port's receiver.
    let mut issues = issues(&bench.status());
    issues.retain(|issue| !issue.contains("loss of signal"));
    assert_eq!(issues, [""; 0]);
}

#[test]
fn up_on_a_port_without_a_connection_lights_nothing() {
    let mut bench = Bench::with(Profile::ZR400);
    assert_eq!(bench.work(Work::Interface(AdminState::Up)).outcome, Outcome::Unchanged);
    bench.work(Work::Interface(AdminState::Down));
    bench.work(Work::Interface(AdminState::Up));
    bench.run(60_000);
    assert_eq!(bench.module.laser(), None);
}

#[test]
fn a_setup_that_fails_half_way_leaves_the_port_dark() {
    let mut bench = Bench::new();
    bench.module.reject_applies(5);
    let report = bench.work(setup(193_100_000, -200));
    assert_eq!(code(&report), (Outcome::Failed, Some(Code::ModuleRejected)));
    assert_eq!(report.state.intent, Intent::Dark);
    assert_eq!(report.state.sessions, []);
    assert_eq!(report.details.readback.unwrap().data_path_state.as_deref(), Some("DPDeactivated"));
    assert_eq!(bench.module.laser(), None);
}

#[test]
fn a_module_that_does_not_keep_its_advertised_time_is_timed_out() {
    let mut bench = Bench::new();
    bench.module.slow_down(100);
    let report = bench.work(setup(193_100_000, -200));
    assert_eq!(code(&report), (Outcome::TimedOut, Some(Code::TimedOut)));
    assert_eq!(bench.module.laser(), None);
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

#[test]
fn the_laser_is_off_by_default_even_on_a_module_whose_defaults_would_light_it() {
    let mut bench = Bench::with(Profile::ZR400);
    bench.tell(Job::own(Work::Restore));
    bench.run(120_000);
    assert_eq!((bench.module.laser(), bench.writes()), (None, 0));
}
