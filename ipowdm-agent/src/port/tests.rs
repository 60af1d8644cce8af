mod presence;
mod proxied;
mod random;
mod sessions;

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
