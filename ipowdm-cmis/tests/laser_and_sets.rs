//! All grids, fine tuning, both control sets, custom codes, live reconfiguration: on a profile that has them all.

#![expect(clippy::unwrap_used, reason = "a bench that does not work fails its test")]

mod common;

use common::{Bench, Recorder, dbm, mhz, target};
use ipowdm_cmis::access::Eeprom;
use ipowdm_cmis::codes::{ConfigStatus, DataPathState};
use ipowdm_cmis::emulator::{Profile, RegisterValue};
use ipowdm_cmis::map::Address;
use ipowdm_cmis::procedure::{
    ApplicationChoice, Change, Configure, ControlSet, Feature, Options, ProcError, Provision, Provisioning,
    SignalIntegrity, Target, Trigger, Tuning, run,
};
use ipowdm_core::error::Code;
use ipowdm_core::grid::Grid;

/// A frequency whose coarsest grid on the profile is `grid`.
fn frequency_of(bench: &Bench, grid: Grid) -> u32 {
    let range = bench.info.capability.grids.iter().find(|range| range.grid == grid).unwrap();
    let mut channels = (range.low_channel..=range.high_channel).filter_map(|n| grid.frequency(n).ok());
    let own =
        |frequency| bench.info.capability.channel_for(frequency).is_some_and(|(found, _)| found == grid);
    channels.find(|frequency| own(*frequency)).unwrap().mhz()
}

#[test]
fn every_one_of_the_ten_grids_is_chosen_where_it_is_the_coarsest_and_names_the_light_exactly() {
    let mut bench = Bench::new(Profile::ZR800);
    assert_eq!(bench.info.capability.grids.len(), 10);
    for grid in Grid::COARSEST_FIRST {
        let frequency = frequency_of(&bench, grid);
        let procedure = Configure::new(&bench.info, target(frequency, -800, 0x6C)).unwrap();
        assert_eq!(procedure.channel().0, grid, "{frequency} MHz");
        let read = bench.run(procedure).unwrap();
        assert_eq!((read.frequency, read.laser_frequency), (mhz(frequency), Some(mhz(frequency))));
        assert_eq!(bench.byte(0x12, 128) >> 4, grid.code());
        assert_eq!(bench.module.emission().unwrap().frequency, mhz(frequency));
    }
}

#[test]
fn fine_tuning_reaches_what_no_channel_names_and_goes_off_again() {
    let mut bench = Bench::new(Profile::ZR800);
    let off_grid = target(193_401_234, -800, 0x6C);
    let refused = Configure::new(&bench.info, off_grid).unwrap_err();
    assert_eq!(refused.code(), Code::FrequencyOffGrid);
    let fine = Options { tuning: Tuning::Fine, ..Options::default() };
    let procedure = Configure::with_options(&bench.info, off_grid, fine).unwrap();
    assert_ne!(procedure.fine_tuning(), 0);
    let read = bench.run(procedure).unwrap();
    assert_eq!((read.frequency, read.laser_frequency), (mhz(193_401_234), Some(mhz(193_401_234))));
    assert_eq!(bench.module.emission().unwrap().frequency, mhz(193_401_234));
    let again = bench.run(Configure::with_options(&bench.info, off_grid, fine).unwrap()).unwrap();
    assert_eq!(again.change, Change::Unchanged);
    // Without fine tuning the enable bit is cleared, and the offset does not count.
    let read = bench.configure(target(193_400_000, -800, 0x6C)).unwrap();
    assert_eq!((read.frequency, bench.byte(0x12, 128) & 1), (mhz(193_400_000), 0));
    assert_eq!(bench.module.emission().unwrap().frequency, mhz(193_400_000));
}

#[test]
fn custom_and_unnamed_media_codes_are_brought_up_like_any_other() {
    let mut bench = Bench::new(Profile::ZR800);
    assert!(bench.info.is_coherent());
    for (media, app_sel) in [(0x68, 9), (0xF7, 13)] {
        let read = bench.configure(target(193_400_000, -800, media)).unwrap();
        assert_eq!((read.app_sel, read.media_code), (app_sel, media));
        assert_eq!(bench.module.emission().unwrap().media_code, media);
    }
    let by_number = Target { application: ApplicationChoice::AppSel(15), ..target(193_400_000, -800, 0x48) };
    assert_eq!(bench.configure(by_number).unwrap().app_sel, 15);
}

#[test]
fn the_second_control_set_is_staged_and_triggered_at_its_own_place() {
    let mut bench = Bench::new(Profile::ZR800);
    let second = Options { control_set: ControlSet::Scs1, ..Options::default() };
    let mut recorder = Recorder::new(bench.module.eeprom());
    let procedure = Configure::with_options(&bench.info, target(193_400_000, -800, 0x6C), second).unwrap();
    run(procedure, &mut recorder, &mut bench.clock).unwrap();
    let places = recorder.places();
    assert!(places.contains(&(0x10, 180)) && places.contains(&(0x10, 178)), "{places:?}");
    assert!(!places.contains(&(0x10, 145)) && !places.contains(&(0x10, 143)), "{places:?}");
    assert!(bench.module.emission().is_some());
}

const SETTINGS: SignalIntegrity = SignalIntegrity {
    adaptive_eq_enable: 0xFF,
    adaptive_eq_recall: [0; 2],
    fixed_eq: [0; 4],
    cdr_tx: 0xFF,
    cdr_rx: 0xFF,
    pre_cursor: [0x11; 4],
    post_cursor: [0x22; 4],
    amplitude: [0x11; 4],
};

fn live(trigger: Trigger, control_set: ControlSet) -> Provisioning {
    Provisioning {
        bank: 0,
        control_set,
        lanes: 0xFF,
        dp_config: [0x11; 8],
        signal_integrity: Some(SETTINGS),
        trigger,
    }
}

#[test]
fn signal_integrity_is_applied_immediately_without_losing_the_light() {
    for control_set in [ControlSet::Scs0, ControlSet::Scs1] {
        let mut bench = Bench::new(Profile::ZR800);
        bench.configure(target(193_400_000, -800, 0x6C)).unwrap();
        let procedure = Provision::new(&bench.info, live(Trigger::Immediate, control_set)).unwrap();
        let done = bench
            .watch(procedure, |module, _| assert!(module.emission().is_some(), "the light stays on"))
            .unwrap();
        assert_eq!(done.statuses.0, [ConfigStatus::Success; 8]);
        assert_eq!((done.active, done.init_pending), ([0x11; 8], 0));
        let mut active = [0; 21];
        bench.read(Address::page(0x11, 214), &mut active);
        assert_eq!((active[0], active[7], active[9], active[13]), (0xFF, 0xFF, 0x11, 0x22));
    }
}

#[test]
fn a_live_data_path_takes_a_new_application_by_itself_unless_it_is_stepped() {
    let mut bench = Bench::new(Profile::ZR800);
    bench.configure(target(193_400_000, -800, 0x6C)).unwrap();
    let other = Provisioning {
        dp_config: [0x50; 8],
        signal_integrity: None,
        ..live(Trigger::DpInit, ControlSet::Scs0)
    };
    bench.run(Provision::new(&bench.info, other).unwrap()).unwrap();
    bench.clock.advance(120_000);
    assert_eq!(bench.module.emission().unwrap().media_code, 0x6D);
    assert_eq!(bench.byte(0x11, 128) & 0x0F, DataPathState::Activated.code());

    let stepped = Profile::ZR800
        .altered(|data| {
            let lower = data.registers.entry("lower".to_string()).or_default();
            lower.insert("SteppedConfigOnly".to_string(), RegisterValue::Flag(true));
        })
        .unwrap();
    let mut bench = Bench::new(stepped);
    assert!(bench.info.controls.stepped_config_only);
    // The full way is stepped anyway.
    bench.configure(target(193_400_000, -800, 0x6C)).unwrap();
    let writes = bench.eeprom.counters().writes;
    let refused = bench.run(Provision::new(&bench.info, other).unwrap()).unwrap_err();
    assert_eq!(refused, ProcError::NotSupported { feature: Feature::LiveReconfiguration });
    assert_eq!(bench.eeprom.counters().writes, writes);
}

#[test]
fn a_power_beyond_the_range_and_an_access_across_a_page_end_change_nothing() {
    let mut bench = Bench::new(Profile::ZR800);
    let writes = bench.eeprom.counters().writes;
    for power in [-1501, 201, i16::MIN, i16::MAX] {
        let refused = Configure::new(&bench.info, target(193_400_000, power, 0x6C)).unwrap_err();
        let legal = ProcError::PowerOutOfRange { power: dbm(power), min: dbm(-1500), max: dbm(200) };
        assert_eq!(refused, legal);
    }
    let mut three = [0; 3];
    let across = bench.eeprom.read(Address::page(0x04, 254), &mut three).unwrap_err();
    assert_eq!(across.to_string(), "3 bytes at 04h:254 cannot be accessed at once");
    assert_eq!(bench.eeprom.counters().writes, writes);
}
