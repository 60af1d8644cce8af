//! Ports on hosts that have a say: switched up and down there, or driven by other software.

use super::*;
use crate::port::{AdminSwitch, Change, Failure, Proxy, Seen};
use ipowdm_cmis::codes::{DataPathState, ModuleState};
use ipowdm_cmis::procedure::{Progress, Reading, SweepReport, TxGoal};
use ipowdm_core::capability::ModuleCapability;

/// A host that notes how ports are switched.
#[derive(Debug, Default)]
pub(super) struct Host {
    switched: Vec<AdminState>,
    refuses: bool,
}

impl AdminSwitch for Host {
    fn set(&mut self, state: AdminState) -> Result<(), Failure> {
        if self.refuses {
            return Err(Failure::new(Code::UnknownPort, "no such port"));
        }
        self.switched.push(state);
        Ok(())
    }

    fn writes(&self) -> u64 {
        self.switched.len() as u64
    }
}

#[test]
fn an_interface_command_switches_the_host_and_the_transmitter() {
    let mut bench = Bench::new();
    bench.host = Some(Host::default());
    assert_eq!(code(&bench.work(setup(193_100_000, -200))), (Outcome::Applied, None));
    let switched = |bench: &Bench| bench.host.as_ref().unwrap().switched.clone();
    assert_eq!(switched(&bench), [], "a set-up is the module's affair");
    assert_eq!(code(&bench.work(Work::Interface(AdminState::Down))), (Outcome::Applied, None));
    assert_eq!(switched(&bench), [AdminState::Down]);
    assert!(bench.module.emission().is_none());
    assert_eq!(code(&bench.work(Work::Interface(AdminState::Up))), (Outcome::Applied, None));
    assert_eq!(switched(&bench), [AdminState::Down, AdminState::Up]);
    assert!(bench.module.emission().is_some());
}

#[test]
fn a_port_that_the_host_does_not_switch_is_left_alone() {
    let mut bench = Bench::new();
    assert_eq!(code(&bench.work(setup(193_100_000, -200))), (Outcome::Applied, None));
    bench.host = Some(Host { refuses: true, ..Host::default() });
    let report = bench.work(Work::Interface(AdminState::Down));
    assert_eq!(code(&report), (Outcome::Rejected, Some(Code::UnknownPort)));
    assert!(bench.module.emission().is_some());
    assert!(!report.state.admin_down);
}

/// Software that drives a module and takes a second for a change.
#[derive(Debug, Default)]
struct Driver {
    present: bool,
    lit: bool,
    /// What is refused, and what fails after it was begun.
    refuses: Option<Code>,
    fails: Option<Code>,
    begun: Vec<Change>,
    change: Option<(Change, Millis)>,
    writes: u64,
}

impl Proxy for Driver {
    fn identify(&mut self, _: Millis) -> Result<ModuleFacts, Failure> {
        if !self.present {
            return Err(Failure::new(Code::ModuleAbsent, "nobody is in the port"));
        }
        let capability =
            ModuleCapability { grids: Default::default(), tx_power: None, applications: Default::default() };
        let text = |text: &str| text.to_string();
        Ok(ModuleFacts { vendor: text("V"), part_number: text("P"), serial: text("S"), capability })
    }

    fn look(&mut self, now: Millis) -> Result<Seen, Failure> {
        self.identify(now)?;
        let lane = if self.lit { DataPathState::Activated } else { DataPathState::Deactivated };
        let report = SweepReport {
            module_state: Reading::Value(ModuleState::Ready),
            dp_states: Reading::Value([lane; 8]),
            ..SweepReport::default()
        };
        Ok(Seen { report, app_sel: Some(1), read_at: Millis(now.0.saturating_sub(700)), interval: None })
    }

    fn begin(&mut self, change: Change, now: Millis) -> Result<(), Failure> {
        if let Some(code) = self.refuses {
            return Err(Failure::new(code, "not here"));
        }
        self.begun.push(change);
        self.change = Some((change, now.plus(1_000)));
        Ok(())
    }

    fn advance(&mut self, now: Millis) -> Progress<Result<(), Failure>> {
        let Some((change, at)) = self.change else { return Progress::Sleep(Millis(u64::MAX)) };
        if now < at {
            return Progress::Sleep(at);
        }
        self.change = None;
        let lit = !matches!(change, Change::Transmitter(TxGoal::Deactivate | TxGoal::Disable));
        self.writes += u64::from(lit != self.lit);
        if lit && let Some(code) = self.fails {
            self.writes += 1;
            return Progress::Done(Err(Failure::new(code, "it did not work")));
        }
        self.lit = lit;
        Progress::Done(Ok(()))
    }

    fn writes(&self) -> u64 {
        self.writes
    }
}

/// Gives work to a port behind a driver and waits for its end.
fn work_through(driver: &mut Driver, machine: &mut PortMachine, work: Work, from: Millis) -> JobReport {
    let mut events = Vec::new();
    let job = Job { number: Some(1), ..Job::own(work) };
    machine.tell(PortMessage::Job(Box::new(job)), from, &mut events);
    let mut now = from;
    for _ in 0..1_000 {
        let wake = machine.poll(now, &mut Reach::Proxy(driver), &mut events);
        let done = events.iter().find_map(|event| match event {
            PortEvent::Done(report) if report.number == Some(1) => Some((**report).clone()),
            _ => None,
        });
        if let Some(report) = done {
            return report;
        }
        now = Millis(wake.0.min(now.0 + 1_000).max(now.0 + 1));
    }
    panic!("the job never ended");
}

fn machine() -> PortMachine {
    let port = "Ethernet0".parse().unwrap();
    PortMachine::new(port, PortState::default(), SessionBudget::new(4), 10_000, 3_000, Millis(0))
}

#[test]
fn work_through_a_driver_is_read_back_with_its_age() {
    let (mut driver, mut machine) = (Driver { present: true, ..Driver::default() }, machine());
    let report = work_through(&mut driver, &mut machine, setup(193_100_000, -200), Millis(10_000));
    assert_eq!(code(&report), (Outcome::Applied, None));
    assert_eq!(report.details.readback_age_ms, Some(700));
    assert_eq!(report.details.module_ms, Some(1_000));
    assert_eq!(report.details.register_writes, Some(1));
    let read = report.details.readback.unwrap();
    assert_eq!((read.app_sel, read.tx_enabled), (Some(1), Some(true)));
    let report = work_through(&mut driver, &mut machine, teardown(), Millis(30_000));
    assert_eq!(code(&report), (Outcome::Applied, None));
    assert!(!driver.lit);
}

#[test]
fn what_a_driver_refuses_changes_nothing() {
    let refuses = Some(Code::Forbidden);
    let (mut driver, mut machine) = (Driver { present: true, refuses, ..Driver::default() }, machine());
    let report = work_through(&mut driver, &mut machine, setup(193_100_000, -200), Millis(10_000));
    assert_eq!(code(&report), (Outcome::Rejected, Some(Code::Forbidden)));
    assert_eq!(report.state, PortState::default());
}

#[test]
fn a_set_up_that_fails_at_a_driver_is_undone() {
    let fails = Some(Code::ModuleRejected);
    let (mut driver, mut machine) = (Driver { present: true, fails, ..Driver::default() }, machine());
    let report = work_through(&mut driver, &mut machine, setup(193_100_000, -200), Millis(10_000));
    assert_eq!(code(&report), (Outcome::Failed, Some(Code::ModuleRejected)));
    assert_eq!(driver.begun.last(), Some(&Change::Transmitter(TxGoal::Deactivate)));
    assert_eq!(report.state.intent, Intent::Dark);
}

#[test]
fn a_driver_is_told_of_darkness_before_the_next_module_comes() {
    let (mut driver, mut machine) = (Driver { lit: true, ..Driver::default() }, machine());
    let report = work_through(&mut driver, &mut machine, teardown(), Millis(10_000));
    assert_eq!(code(&report), (Outcome::Applied, None));
    assert_eq!(driver.begun, [Change::Transmitter(TxGoal::Deactivate)]);
    assert_eq!(report.state.intent, Intent::Dark);
    // What is to be lit waits for a module, and a set-up needs one.
    driver.begun.clear();
    let state =
        PortState { intent: Intent::Lit(Box::new(desired(193_100_000, -200))), ..PortState::default() };
    let port = "Ethernet8".parse().unwrap();
    let mut lit = PortMachine::new(port, state, SessionBudget::new(4), 10_000, 3_000, Millis(0));
    work_through(&mut driver, &mut lit, Work::Restore, Millis(10_000));
    assert_eq!(driver.begun, []);
    let report = work_through(&mut driver, &mut machine, setup(193_100_000, -200), Millis(30_000));
    assert_eq!(code(&report), (Outcome::Rejected, Some(Code::ModuleAbsent)));
}
