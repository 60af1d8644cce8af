//! Lanes beyond the eighth: data paths, lasers and controls of bank 1.

mod common;

use common::{Bench, Recorder, dbm, mhz, target};
use ipowdm_cmis::codes::DataPathState;
use ipowdm_cmis::emulator::Profile;
use ipowdm_cmis::map::Address;
use ipowdm_cmis::procedure::{
    Change, Configure, Intent, Options, ProcError, Readback, Reconcile, Remedy, Scope, SetTxPower, Target,
    TxControl, TxGoal, TxLanes, run,
};

fn bench() -> Bench {
    let bench = Bench::new(Profile::DUAL400);
    assert_eq!(bench.info.banks, 2);
    bench
}

fn in_bank(bank: u8) -> Options {
    Options { scope: Scope::Bank(bank), ..Options::default() }
}

fn configure(bench: &mut Bench, target: Target, options: Options) -> Result<Readback, ProcError> {
    bench.run(Configure::with_options(&bench.info, target, options)?)
}

fn light(bench: &Bench, carrier: usize) -> Option<(u32, i16)> {
    bench.module.emissions()[carrier].map(|light| (light.frequency.mhz(), light.power.hundredths()))
}

#[test]
fn each_bank_has_its_own_data_path_and_laser() {
    let mut bench = bench();
    let first = configure(&mut bench, target(193_400_000, -1000, 0x46), in_bank(0)).unwrap();
    assert_eq!((first.bank, first.change), (0, Change::Reprovisioned));
    assert_eq!((light(&bench, 0), light(&bench, 1)), (Some((193_400_000, -1000)), None));
    let second = configure(&mut bench, target(195_000_000, -500, 0x46), in_bank(1)).unwrap();
    assert_eq!((second.bank, second.frequency), (1, mhz(195_000_000)));
    assert_eq!(light(&bench, 0), Some((193_400_000, -1000)), "the other bank's light stays");
    assert_eq!(light(&bench, 1), Some((195_000_000, -500)));
    for (bank, frequency, power) in [(0, 193_400_000, -1000), (1, 195_000_000, -500)] {
        let again = configure(&mut bench, target(frequency, power, 0x46), in_bank(bank)).unwrap();
        assert_eq!(again.change, Change::Unchanged);
    }
}

#[test]
fn writes_for_bank_1_go_to_bank_1_only() {
    let mut bench = bench();
    configure(&mut bench, target(193_400_000, -1000, 0x46), in_bank(0)).unwrap();
    let mut recorder = Recorder::new(bench.module.eeprom());
    let procedure =
        Configure::with_options(&bench.info, target(195_000_000, -500, 0x46), in_bank(1)).unwrap();
    run(procedure, &mut recorder, &mut bench.clock).unwrap();
    assert!(recorder.writes.len() > 5);
    assert!(recorder.writes.iter().all(|(at, _)| at.is_lower() || at.bank == 1), "{:?}", recorder.writes);
}

#[test]
fn a_power_up_for_one_bank_does_not_light_the_other() {
    let profile = Profile::DUAL400
        .altered(|data| {
            data.power_on.deinit = 0;
            data.power_on.output_disable_tx = 0;
        })
        .unwrap();
    let mut bench = Bench::new(profile);
    let procedure =
        Configure::with_options(&bench.info, target(195_000_000, -500, 0x46), in_bank(1)).unwrap();
    bench.watch(procedure, |module, _| assert_eq!(module.emissions()[0], None)).unwrap();
    bench.clock.advance(60_000);
    assert_eq!((light(&bench, 0), light(&bench, 1)), (None, Some((195_000_000, -500))));
}

#[test]
fn lane_nine_is_the_first_of_bank_1() {
    let mut bench = bench();
    let lane = |lane| Options { scope: Scope::FromLane(lane), ..Options::default() };
    let read = configure(&mut bench, target(194_000_000, -700, 0x46), lane(9)).unwrap();
    assert_eq!((read.bank, read.host_lanes, read.dp_states), (1, 0xFF, [DataPathState::Activated; 8]));
    assert_eq!((light(&bench, 0), light(&bench, 1)), (None, Some((194_000_000, -700))));
    let refused = configure(&mut bench, target(194_000_000, -700, 0x46), lane(17)).unwrap_err();
    assert_eq!(refused, ProcError::WrongBank { bank: 2, banks: 2 });
}

#[test]
fn power_transmitter_and_reconciliation_work_in_bank_1() {
    let mut bench = bench();
    let target = target(195_000_000, -500, 0x46);
    for bank in [0, 1] {
        configure(&mut bench, target, in_bank(bank)).unwrap();
    }
    let set = bench.run(SetTxPower::new(&bench.info, dbm(-300), 8).unwrap()).unwrap();
    assert_eq!((set.before, set.target), (dbm(-500), dbm(-300)));
    assert_eq!((light(&bench, 0), light(&bench, 1)), (Some((195_000_000, -500)), Some((195_000_000, -300))));
    let back = Reconcile::new(&bench.info, Intent::Lit(target, in_bank(1)), Remedy::Restore).unwrap();
    assert_eq!(bench.run(back).unwrap().change, Change::PowerOnly);
    let off = TxControl::of_lanes(&bench.info, TxGoal::Deactivate, 1, TxLanes::ALL).unwrap();
    let status = bench.run(off).unwrap();
    assert!(status.changed && !status.lit());
    assert_eq!((light(&bench, 0), light(&bench, 1)), (Some((195_000_000, -500)), None));
    let compared = Reconcile::new(&bench.info, Intent::Dark(1), Remedy::Compare).unwrap();
    assert_eq!(bench.run(compared).unwrap().change, Change::Unchanged);
}

#[test]
fn a_broadcast_that_somebody_left_on_does_not_reach_the_other_bank() {
    let mut bench = bench();
    configure(&mut bench, target(193_400_000, -1000, 0x46), in_bank(0)).unwrap();
    assert!(bench.info.controls.bank_broadcast, "the profile has broadcast");
    let control = bench.byte(0, 26);
    bench.write(Address::lower(26), &[control | 0x80]);
    configure(&mut bench, target(195_000_000, -500, 0x46), in_bank(1)).unwrap();
    assert_eq!(light(&bench, 0), Some((193_400_000, -1000)));
    assert_eq!(light(&bench, 1), Some((195_000_000, -500)));
    assert_eq!(bench.byte(0, 26) & 0x80, 0);
    // The same for what writes without a configuration.
    bench.write(Address::lower(26), &[control | 0x80]);
    bench.run(SetTxPower::new(&bench.info, dbm(-700), 8).unwrap()).unwrap();
    assert_eq!((light(&bench, 0), light(&bench, 1)), (Some((193_400_000, -1000)), Some((195_000_000, -700))));
    bench.write(Address::lower(26), &[control | 0x80]);
    let off = TxControl::of_lanes(&bench.info, TxGoal::Disable, 1, TxLanes::ALL).unwrap();
    bench.run(off).unwrap();
    assert_eq!((light(&bench, 0), light(&bench, 1)), (Some((193_400_000, -1000)), None));
}
