//! Whatever a module does while a procedure runs: the procedure ends within the sum of its deadlines, does not panic, and a
//! bring-up that was refused leaves no light that was not there before.

#![expect(clippy::unwrap_used, reason = "a bench that does not work fails its test")]

mod common;

use common::{Bench, target};
use core::time::Duration;
use ipowdm_cmis::access::{Counters, Eeprom, TransportError};
use ipowdm_cmis::emulator::{EmulatedModule, Fault, Profile};
use ipowdm_cmis::map::Address;
use ipowdm_cmis::procedure::{
    BusyLimits, Configure, ControlSet, Decommission, Identify, Intent, LoopbackPoint, Loopbacks, Measure,
    Measurement, ModuleInfo, ModulePower, Op, Options, Pollable, PowerMode, ProcError, Procedure, Progress,
    Provision, Provisioning, Reconcile, Remedy, Reply, Reset, SetLoopbacks, SetTxPower, Trigger, TxControl,
    TxGoal, TxLanes,
};
use ipowdm_cmis::time::{Clock, Millis};
use ipowdm_core::units::Power;
use proptest::prelude::*;

/// Something that happens to a module.
#[derive(Debug, Clone, Copy)]
enum Accident {
    Refuse(u32),
    RejectApplies(u32),
    IgnoreApplies(u32),
    RefuseUnused,
    SlowDown(u32),
    Fault(u8),
    Reset,
    PullOut,
    Insert,
    LaserOff(i32),
    NackFor(u64),
    ClockStretch(u32),
    TornReads(u32),
    WrongPageRestore(u32),
    Instant,
}

fn accident() -> impl Strategy<Value = Accident> {
    prop_oneof![
        4 => (1_u32..200).prop_map(Accident::Refuse),
        2 => (1_u32..4).prop_map(Accident::RejectApplies),
        2 => (1_u32..5).prop_map(Accident::IgnoreApplies),
        1 => Just(Accident::RefuseUnused),
        2 => (1_u32..40).prop_map(Accident::SlowDown),
        1 => (1_u8..5).prop_map(Accident::Fault),
        1 => Just(Accident::Reset),
        1 => Just(Accident::PullOut),
        1 => Just(Accident::Insert),
        1 => (-5_000..5_000).prop_map(Accident::LaserOff),
        2 => (1_u64..4_000).prop_map(Accident::NackFor),
        1 => (1_u32..3).prop_map(Accident::ClockStretch),
        1 => (1_u32..4).prop_map(Accident::TornReads),
        1 => (1_u32..4).prop_map(Accident::WrongPageRestore),
        2 => Just(Accident::Instant),
    ]
}

fn happen(module: &EmulatedModule, accident: Accident) {
    match accident {
        Accident::Refuse(accesses) => module.refuse_accesses(accesses),
        Accident::RejectApplies(times) => module.reject_applies(times),
        Accident::IgnoreApplies(times) => module.ignore_applies(times),
        Accident::RefuseUnused => module.reject_unused_lanes(true),
        Accident::SlowDown(times) => module.slow_down(times),
        Accident::Fault(cause) => module.raise_fault(cause),
        Accident::Reset => module.reset(),
        Accident::PullOut => module.pull_out(),
        Accident::Insert => module.insert(),
        Accident::LaserOff(mhz) => module.report_laser_off_by(mhz),
        Accident::NackFor(ms) => inject(module, Fault::NackFor { ms }),
        Accident::ClockStretch(accesses) => inject(module, Fault::ClockStretch { accesses }),
        Accident::TornReads(reads) => inject(module, Fault::TornReads { reads }),
        Accident::WrongPageRestore(times) => inject(module, Fault::WrongPageRestore { times }),
        Accident::Instant => inject(module, Fault::Instant { on: true }),
    }
}

fn inject(module: &EmulatedModule, fault: Fault) {
    module.inject(fault).unwrap();
}

/// Runs a procedure while accidents happen at their times, within `most`.
fn run_through<P: Procedure>(
    bench: &mut Bench,
    procedure: P,
    accidents: &[(u64, Accident)],
    most: Duration,
) -> P::Output {
    let begun = bench.clock.now();
    let mut left = accidents.to_vec();
    left.sort_by_key(|(at, _)| *at);
    let mut pollable = Pollable::new(procedure, BusyLimits::default());
    loop {
        match pollable.advance(bench.clock.now(), &mut bench.eeprom) {
            Progress::Done(output) => return output,
            Progress::Sleep(until) => {
                assert!(until > bench.clock.now(), "a wait that does not pass time");
                while let Some((at, accident)) = left.first().copied() {
                    let due = begun.plus(at);
                    if due > until {
                        break;
                    }
                    bench.clock.sleep_until(due);
                    happen(&bench.module, accident);
                    left.remove(0);
                }
                bench.clock.sleep_until(until);
            }
        }
        assert!(bench.clock.now().elapsed_since(begun) <= most, "more than {most:?}");
    }
}

/// The longest that a bring-up of the profile may take: every state up to its advertised limit with the margin, states
/// that come again included, and each of at most 200 accesses refused for the runner's whole patience only once in a while.
const LONGEST: Duration = Duration::from_secs(20 * 60);

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn a_bring_up_ends_in_time_and_a_refused_one_leaves_no_new_light(
        accidents in proptest::collection::vec((0_u64..40_000, accident()), 0..5),
        lit_before in any::<bool>(),
        media in prop_oneof![Just(0x46_u8), Just(0x49)],
    ) {
        let mut bench = Bench::new(Profile::OPENZRP);
        if lit_before {
            bench.configure(target(194_000_000, -1000, 0x46)).unwrap();
        }
        let procedure = Configure::new(&bench.info, target(193_400_000, -1000, media)).unwrap();
        let result = run_through(&mut bench, procedure, &accidents, LONGEST);
        // A module that was pulled out, or that answers nothing any more, cannot be told to be dark.
        let reached = !matches!(result, Err(ProcError::Bus { .. }));
        let swapped = accidents.iter().any(|(_, a)| matches!(a, Accident::Reset | Accident::PullOut | Accident::Insert));
        if result.is_err() && reached && !swapped {
            bench.clock.advance(120_000);
            let light = bench.module.emission().map(|light| light.frequency.mhz());
            prop_assert!(light.is_none() || (lit_before && light == Some(194_000_000)), "{result:?} leaves {light:?}");
        }
        if result.is_ok() && !swapped && !accidents.iter().any(|(_, a)| matches!(a, Accident::Fault(_))) {
            prop_assert!(bench.module.emission().is_some());
        }
    }

    #[test]
    fn every_other_procedure_ends_in_time(
        accidents in proptest::collection::vec((0_u64..10_000, accident()), 0..5),
        which in 0_u8..8,
        lit_before in any::<bool>(),
    ) {
        let mut bench = Bench::new(Profile::OPENZRP);
        let lit = target(193_400_000, -1000, 0x46);
        if lit_before {
            bench.configure(lit).unwrap();
        }
        let info = bench.info.clone();
        let b = &mut bench;
        match which {
            0 => {
 let _ = run_through(b, TxControl::new(&info, TxGoal::Deactivate).unwrap(), &accidents, LONGEST);
 }
            1 => {
 let _ = run_through(b, TxControl::new(&info, TxGoal::Enable).unwrap(), &accidents, LONGEST);
 }
            2 => {
 let _ = run_through(b, ModulePower::new(&info, PowerMode::Low).unwrap(), &accidents, LONGEST);
 }
            3 => {
 let _ = run_through(b, ModulePower::new(&info, PowerMode::High).unwrap(), &accidents, LONGEST);
 }
            4 => {
 let _ = run_through(b, Reset::new(&info).unwrap(), &accidents, LONGEST);
 }
            5 => {
 let _ = run_through(b, Decommission::new(&info, 0, TxLanes::ALL).unwrap(), &accidents, LONGEST);
 }
            6 => {
                let power = SetTxPower::new(&info, Power::from_hundredths(-700), 0).unwrap();
                let _ = run_through(b, power, &accidents, LONGEST);
            }
            _ => {
                let intent = Intent::Lit(lit, Options::default());
                let reconcile = Reconcile::new(&info, intent, Remedy::Restore).unwrap();
                let _ = run_through(b, reconcile, &accidents, LONGEST);
            }
        }
    }
}

/// Passes everything on until the access with a number, which fails once for good.
#[derive(Debug)]
struct FailsAt<E> {
    below: E,
    number: u32,
    error: TransportError,
    count: u32,
}

impl<E> FailsAt<E> {
    fn next(&mut self) -> Result<(), TransportError> {
        self.count += 1;
        if self.count == self.number { Err(self.error) } else { Ok(()) }
    }
}

impl<E: Eeprom> Eeprom for FailsAt<E> {
    fn read(&mut self, at: Address, into: &mut [u8]) -> Result<(), TransportError> {
        self.next()?;
        self.below.read(at, into)
    }

    fn write(&mut self, at: Address, bytes: &[u8]) -> Result<(), TransportError> {
        self.next()?;
        self.below.write(at, bytes)
    }

    fn counters(&self) -> Counters {
        self.below.counters()
    }

    fn begin(&mut self) {
        self.below.begin();
    }
}

#[test]
fn an_access_that_fails_for_good_ends_a_bring_up_at_every_step_and_leaves_it_dark() {
    for error in [TransportError::TimedOut, TransportError::Io(5)] {
        let mut ended = 0;
        for number in 1.. {
            let mut bench = Bench::new(Profile::OPENZRP);
            let procedure = Configure::new(&bench.info, target(193_400_000, -1000, 0x46)).unwrap();
            let mut eeprom = FailsAt { below: bench.module.eeprom(), number, error, count: 0 };
            let result = ipowdm_cmis::procedure::run(procedure, &mut eeprom, &mut bench.clock);
            if eeprom.count < number {
                result.unwrap();
                break;
            }
            let failed = result.unwrap_err();
            assert!(matches!(failed, ProcError::Bus { source, .. } if source == error), "{number}: {failed}");
            bench.clock.advance(60_000);
            assert!(bench.module.emission().is_none(), "after access {number} the laser shines");
            ended += 1;
        }
        assert!(ended > 60, "{ended} accesses were made to fail");
    }
}

/// Makes every access of a procedure fail once, in a module of its own each time; how many there were.
fn fail_each_access<P, T, E>(lit: bool, make: impl Fn(&ModuleInfo) -> P, judge: impl Fn(u32, E)) -> u32
where
    P: Procedure<Output = Result<T, E>>,
{
    for number in 1.. {
        let mut bench = Bench::new(Profile::OPENZRP);
        if lit {
            bench.configure(target(193_400_000, -1000, 0x46)).unwrap();
        }
        let error = TransportError::Io(5);
        let mut eeprom = FailsAt { below: bench.module.eeprom(), number, error, count: 0 };
        let result = ipowdm_cmis::procedure::run(make(&bench.info), &mut eeprom, &mut bench.clock);
        if eeprom.count < number {
            assert!(result.is_ok(), "a procedure that nothing disturbs succeeds");
            return number - 1;
        }
        if let Err(error) = result {
            judge(number, error);
        }
    }
    0
}

#[test]
fn an_access_that_fails_for_good_ends_every_procedure_at_every_step_with_its_place() {
    let judge = |number: u32, error: ProcError| {
        assert!(matches!(error, ProcError::Bus { source: TransportError::Io(5), .. }), "{number}: {error}");
    };
    let provisioning = Provisioning {
        bank: 0,
        control_set: ControlSet::Scs0,
        lanes: 0xFF,
        dp_config: [0x10; 8],
        signal_integrity: None,
        trigger: Trigger::Immediate,
    };
    let loops = Loopbacks::all_lanes(LoopbackPoint::HostInput);
    let power = Power::from_hundredths(-700);
    let lit = Intent::Lit(target(194_000_000, -700, 0x46), Options::default());
    let counts = [
        fail_each_access(true, |info| TxControl::new(info, TxGoal::Deactivate).unwrap(), judge),
        fail_each_access(false, |info| TxControl::new(info, TxGoal::Enable).unwrap(), judge),
        fail_each_access(true, |info| ModulePower::new(info, PowerMode::Low).unwrap(), judge),
        fail_each_access(false, |info| ModulePower::new(info, PowerMode::High).unwrap(), judge),
        fail_each_access(true, |info| SetTxPower::new(info, power, 0).unwrap(), judge),
        fail_each_access(true, |info| Reset::new(info).unwrap(), judge),
        fail_each_access(true, |info| Decommission::new(info, 0, TxLanes::ALL).unwrap(), judge),
        fail_each_access(true, |info| Provision::new(info, provisioning).unwrap(), judge),
        fail_each_access(true, |info| Reconcile::new(info, lit, Remedy::Restore).unwrap(), judge),
        fail_each_access(true, |info| Reconcile::new(info, Intent::Dark(0), Remedy::Restore).unwrap(), judge),
        fail_each_access(true, |info| SetLoopbacks::new(info, 0, loops).unwrap(), judge),
        fail_each_access(true, |info| Measure::new(info, 0, Measurement::ErrorCounters).unwrap(), judge),
        fail_each_access(false, |_| Identify::new(), judge),
    ];
    assert!(counts.iter().all(|count| *count >= 4), "{counts:?}");
}

#[test]
fn a_reply_out_of_step_ends_a_bring_up_at_every_step() {
    for step in 1_u32.. {
        let mut bench = Bench::new(Profile::OPENZRP);
        let mut procedure = Configure::new(&bench.info, target(193_400_000, -1000, 0x46)).unwrap();
        let mut buffer = [0; 128];
        let mut reply_len = 0;
        let mut reply = Answer::Start;
        let mut made = 0;
        let done = loop {
            made += 1;
            let given = match reply {
                // Every kind of reply that does not belong to the operation.
                _ if made == step + 1 => Reply::Start,
                Answer::Start => Reply::Start,
                Answer::Data => Reply::Data(&buffer[..reply_len]),
                Answer::Written => Reply::Written,
                Answer::Woken => Reply::Woken,
            };
            match procedure.step(bench.clock.now(), given) {
                Op::Done(result) => break result,
                Op::Sleep { until } => {
                    bench.clock.sleep_until(until);
                    reply = Answer::Woken;
                }
                Op::Read { at, len } => {
                    reply_len = usize::from(len);
                    bench.read(at, &mut buffer[..reply_len]);
                    reply = Answer::Data;
                }
                Op::Write { at, bytes } => {
                    bench.write(at, &bytes);
                    reply = Answer::Written;
                }
            }
            assert!(made < 10_000, "no end after step {step}");
        };
        match done {
            Ok(_) if made <= step => break,
            // A reply of "start" begins the survey again, which is harmless.
            Ok(_) | Err(ProcError::OutOfStep) => {}
            Err(other) => panic!("step {step}: {other}"),
        }
        assert!(bench.clock.now() < Millis(3_600_000));
    }
}

#[derive(Clone, Copy)]
enum Answer {
    Start,
    Data,
    Written,
    Woken,
}
