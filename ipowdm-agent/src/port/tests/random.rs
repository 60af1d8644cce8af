//! Random commands and accidents: whatever happens, every command has one outcome, and once things have calmed down the
//! light is what is meant.

use super::*;
use proptest::prelude::*;

#[derive(Debug, Clone)]
enum Step {
    Work(Box<Work>),
    Wait(u64),
    PullOut,
    Insert,
    Swap(u32),
    Reset,
    Reject(u32),
    Refuse(u32),
    Restart,
}

fn step() -> impl Strategy<Value = Step> {
    let connection = prop_oneof![Just("a"), Just("b")];
    let mhz = prop_oneof![Just(193_100_000_u32), Just(193_200_000), Just(193_101_000)];
    let work = (0..9, connection, mhz, -1_800_i16..100).prop_map(|(kind, name, mhz, power)| {
        let connection: ConnectionId = name.parse().unwrap();
        let power = Power::from_hundredths(power);
        let frequency = Frequency::from_mhz(mhz);
        match kind {
            0 | 1 => Work::Setup {
                desired: Desired {
                    vop: vop(),
                    connection,
                    frequency,
                    tx_power: Some(power),
                    media_code: None,
                },
                interval_ms: 3_000,
            },
            2 => Work::Reconfigure {
                vop: vop(),
                connection,
                frequency: None,
                tx_power: Some(power),
                media_code: None,
            },
            3 => Work::Reconfigure {
                vop: vop(),
                connection,
                frequency: Some(frequency),
                tx_power: None,
                media_code: None,
            },
            4 => Work::Teardown { vop: vop(), connection },
            5 => Work::Interface(AdminState::Down),
            6 => Work::Interface(AdminState::Up),
            7 => Work::StartTelemetry { vop: vop(), connection, interval_ms: 3_000 },
            _ => Work::StopTelemetry { vop: vop(), connection },
        }
    });
    prop_oneof![
        8 => work.prop_map(|work| Step::Work(Box::new(work))),
        6 => (0_u64..40_000).prop_map(Step::Wait),
        1 => Just(Step::PullOut),
        2 => Just(Step::Insert),
        1 => (10_u32..20).prop_map(Step::Swap),
        1 => Just(Step::Reset),
        1 => (1_u32..3).prop_map(Step::Reject),
        1 => (1_u32..200).prop_map(Step::Refuse),
        1 => Just(Step::Restart),
        1 => Just(Step::Work(Box::new(Work::Release { vop: vop() }))),
    ]
}

/// Lets what is under way end, however long the pauses between attempts are.
fn calm(bench: &mut Bench) {
    bench.module.insert();
    bench.module.reject_applies(0);
    bench.module.refuse_accesses(0);
    bench.run(3_600_000);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn light_is_what_is_meant_and_each_command_has_one_outcome(steps in proptest::collection::vec(step(), 1..25)) {
        let mut bench = Bench::new();
        let mut numbers = 0;
        for step in steps {
            match step {
                Step::Work(work) if matches!(*work, Work::Release { .. }) => bench.tell(Job::own(*work)),
                Step::Work(work) => {
                    numbers += 1;
                    bench.tell(Job { number: Some(numbers), ..Job::own(*work) });
                }
                Step::Wait(ms) => bench.run(ms),
                Step::PullOut => bench.module.pull_out(),
                Step::Insert => bench.module.insert(),
                Step::Swap(serial) => bench.module.swap(Profile::OPENZRP, serial),
                Step::Reset => bench.module.reset(),
                Step::Reject(triggers) => bench.module.reject_applies(triggers),
                Step::Refuse(accesses) => bench.module.refuse_accesses(accesses),
                Step::Restart => {
                    // A port ends between commands here; the agent's own tests end it within them.
                    bench.run(600_000);
                    let events = core::mem::take(&mut bench.events);
                    bench = bench.restarted();
                    bench.events = events;
                }
            }
        }
        calm(&mut bench);
        let reports = bench.reports();
        for number in 1..=numbers {
            let outcomes = reports.iter().filter(|report| report.number == Some(number)).count();
            prop_assert_eq!(outcomes, 1, "command {}", number);
        }
        let state = bench.machine.state().clone();
        let meant = state.intent.desired().filter(|_| !state.admin_down);
        match (meant, bench.module.emission()) {
            (Some(desired), Some(_)) => {
                prop_assert_eq!(bench.module.laser(), Some(desired.frequency));
                let target = bench.status().report.unwrap().tx_power_target.value();
                prop_assert_eq!(target, desired.tx_power);
            }
            (None, None) => {}
            (meant, emission) => prop_assert!(false, "meant {meant:?}, but {emission:?}"),
        }
        let free = (0..4).filter(|_| bench.budget.take()).count();
        prop_assert_eq!(free, 4 - state.sessions.len().min(4), "sessions are counted exactly");
        let samples = bench.samples();
        prop_assert!(samples.iter().all(|sample| sample.fields.rx_power.is_none_or(|p| p.hundredths() <= 0)));
    }
}
