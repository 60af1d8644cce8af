//! What operators' public test plans for ZR and ZR+ optics ask of bring-up, tuning, power, reset and inventory.
//!
//! The plans test routers; here driver and emulated module are tested, and the figures are the plans' own. Names carry the
//! plan's number; `scripts/fp-report.sh` prints them all.

#![expect(clippy::unwrap_used, reason = "a bench that does not work fails its test")]

mod common;

use common::{Bench, dbm, mhz, target};
use core::time::Duration;
use ipowdm_cmis::access::TransportError;
use ipowdm_cmis::codes::{DataPathState, ModuleState};
use ipowdm_cmis::emulator::Profile;
use ipowdm_cmis::map::Address;
use ipowdm_cmis::procedure::{
    Change, Configure, Identify, Intent, ModulePower, Options, PowerMode, ProcError, Reconcile, Remedy,
    Reset, TxControl, TxGoal,
};
use ipowdm_cmis::time::Clock;
use ipowdm_core::grid::Grid;
use ipowdm_core::units::Frequency;

const MINUTE: Duration = Duration::from_secs(60);

/// Tunes from `first` to `last` in steps of `step` MHz and compares what the laser says with what was asked for.
fn tune_across(first: u32, last: u32, step: usize, on: fn(Grid) -> bool) -> usize {
    let mut bench = Bench::new(Profile::ZR400);
    let mut tuned = 0;
    for frequency in (first..=last).step_by(step) {
        let procedure = Configure::new(&bench.info, target(frequency, -1000, 0x3E)).unwrap();
        assert!(on(procedure.channel().0), "{frequency} MHz on {:?}", procedure.channel());
        let read = bench.run(procedure).unwrap();
        assert_eq!((read.frequency, read.laser_frequency), (mhz(frequency), Some(mhz(frequency))));
        assert_eq!(bench.module.emission().unwrap().frequency, mhz(frequency), "the light itself");
        tuned += 1;
    }
    tuned
}

#[test]
fn fp_01_tunes_across_the_c_band_on_the_100_ghz_grid() {
    let coarse = |grid: Grid| grid.spacing_mhz() >= 100_000 && grid.spacing_mhz().is_multiple_of(100_000);
    assert_eq!(tune_across(191_400_000, 196_100_000, 100_000, coarse), 48);
}

#[test]
fn fp_02_tunes_across_the_c_band_on_the_75_ghz_grid() {
    // Every fourth channel lies on a coarser grid too, and is tuned by that one.
    let coarse = |grid: Grid| grid.spacing_mhz() >= 75_000;
    assert_eq!(tune_across(191_375_000, 196_100_000, 75_000, coarse), 64);
}

fn powers(profile: Profile, media: u8, hundredths: impl Iterator<Item = i16>) {
    let mut bench = Bench::new(profile);
    let mut changes = Vec::new();
    for power in hundredths {
        let read = bench.configure(target(193_100_000, power, media)).unwrap();
        assert_eq!(read.tx_power_target, dbm(power));
        assert_eq!(bench.module.emission().unwrap().power, dbm(power));
        changes.push(read.change);
    }
    assert!(
        changes[1..].iter().all(|change| *change == Change::PowerOnly),
        "the light stays on: {changes:?}"
    );
}

#[test]
fn fp_03_launch_power_range_of_zr_and_of_zr_plus() {
    powers(Profile::ZR400, 0x3E, (-13..=-9).map(|dbm| dbm * 100));
    powers(Profile::OPENZRP, 0x46, (-7..=0).map(|dbm| dbm * 100));
    // What is beyond a module's range is refused, not bent.
    let mut zr = Bench::new(Profile::ZR400);
    assert!(matches!(zr.configure(target(193_100_000, -700, 0x3E)), Err(ProcError::PowerOutOfRange { .. })));
}

#[test]
fn fp_04_measured_power_is_within_1_db_of_the_target() {
    for (profile, media, power) in
        [(Profile::ZR400, 0x3E, -1300), (Profile::ZR400, 0x3E, -900), (Profile::OPENZRP, 0x46, 0)]
    {
        let mut bench = Bench::new(profile);
        let read = bench.configure(target(193_100_000, power, media)).unwrap();
        let measured = read.tx_power.expect("a lit module measures its power");
        assert!((measured.hundredths() - power).abs() <= 100, "{measured} for {power}");
    }
}

#[test]
fn fp_06_frequencies_are_integers_in_mhz_and_other_units_are_refused() {
    let mut bench = Bench::new(Profile::ZR400);
    let read = bench.configure(target(193_100_000, -1000, 0x3E)).unwrap();
    let mut register = [0; 4];
    bench.read(Address::page(0x12, 168), &mut register);
    assert_eq!(u32::from_be_bytes(register), 193_100_000);
    assert_eq!(read.laser_frequency.map(Frequency::mhz), Some(193_100_000));
    // 193.1 THz in THz, in GHz, and in Hz as far as 32 bits take it.
    for wrong in [193, 193_100, u32::MAX] {
        let refused = bench.configure(target(wrong, -1000, 0x3E));
        assert!(matches!(refused, Err(ProcError::FrequencyOutOfRange { .. })), "{wrong}: {refused:?}");
    }
}

#[test]
fn fp_07_a_new_frequency_is_in_the_state_within_2_minutes_and_the_interface_up_within_10() {
    for (profile, media) in [(Profile::ZR400, 0x3E), (Profile::OPENZRP, 0x46)] {
        let mut bench = Bench::new(profile);
        bench.configure(target(193_100_000, -1000, media)).unwrap();
        let begun = bench.clock.now();
        let clock = bench.clock.clone();
        let mut visible = None;
        let procedure = Configure::new(&bench.info, target(195_000_000, -1000, media)).unwrap();
        let read = bench
            .watch(procedure, |module, _| {
                if visible.is_none() && module.laser() == Some(mhz(195_000_000)) {
                    visible = Some(clock.now());
                }
            })
            .unwrap();
        assert_eq!(read.frequency, mhz(195_000_000));
        let visible = visible.unwrap().elapsed_since(begun);
        let up = bench.clock.now().elapsed_since(begun);
        assert!(visible <= 2 * MINUTE && up <= 10 * MINUTE, "visible after {visible:?}, up after {up:?}");
    }
}

/// Our choice where the plans disagree: a transmitter that is off has no power. The value is absent, and whoever needs a
/// number for it shows -40 dBm.
#[test]
fn fp_10_a_disabled_interface_keeps_its_frequency_and_has_no_power() {
    let mut bench = Bench::new(Profile::ZR400);
    bench.configure(target(194_500_000, -1000, 0x3E)).unwrap();
    bench.run(TxControl::new(&bench.info, TxGoal::Disable).unwrap()).unwrap();
    let report = bench.sweep();
    assert_eq!(report.set_frequency.value(), Some(mhz(194_500_000)));
    let power = report.tx_power.value();
    assert!(power.is_none_or(|power| power <= dbm(-3000)), "{power:?}");
    assert_eq!(bench.module.emission(), None);
}

#[test]
fn fp_11_a_flapped_interface_returns_to_its_frequency_and_power() {
    let mut bench = Bench::new(Profile::ZR400);
    let target = target(194_500_000, -1050, 0x3E);
    bench.configure(target).unwrap();
    for goal in [TxGoal::Disable, TxGoal::Deactivate, TxGoal::Disable] {
        bench.run(TxControl::new(&bench.info, goal).unwrap()).unwrap();
        assert_eq!(bench.module.emission(), None);
        let intent = Intent::Lit(target, Options::default());
        let back = bench.run(Reconcile::new(&bench.info, intent, Remedy::Restore).unwrap()).unwrap();
        let read = back.lit.unwrap();
        assert_eq!((read.frequency, read.tx_power_target), (mhz(194_500_000), dbm(-1050)));
        let light = bench.module.emission().unwrap();
        assert_eq!((light.frequency, light.power), (mhz(194_500_000), dbm(-1050)));
    }
}

#[test]
fn fp_19_inventory_survives_a_soft_reset_goes_with_the_module_and_comes_with_the_next() {
    let mut bench = Bench::new(Profile::ZR400);
    bench.configure(target(193_100_000, -1000, 0x3E)).unwrap();
    let before = bench.run(Identify::new()).unwrap();
    for (field, text) in [
        ("vendor", before.vendor_name.as_str()),
        ("part", before.part_number.as_str()),
        ("serial", before.serial_number.as_str()),
        ("date", before.date_code.as_str()),
    ] {
        assert!(!text.is_empty(), "{field}");
    }
    assert!(before.firmware != (0, 0) && before.identity_checksum_ok);
    bench.run(Reset::new(&before).unwrap()).unwrap();
    let after = bench.run(Identify::new()).unwrap();
    assert_eq!(after.serial_number, before.serial_number);
    assert_eq!((&after.part_number, after.firmware), (&before.part_number, before.firmware));
    // Pulled out: nothing of it is reported any more.
    bench.module.pull_out();
    let gone = bench.run(Identify::new()).unwrap_err();
    assert!(matches!(gone, ProcError::Bus { source: TransportError::Absent, .. }), "{gone}");
    bench.clock.advance(20_000);
    bench.module.swap(Profile::OPENZRP, 77);
    bench.clock.advance(2_000);
    let next = bench.run(Identify::new()).unwrap();
    assert_ne!(next.serial_number, before.serial_number);
    assert_ne!(next.part_number, before.part_number);
    // What was learned of the old module is not applied to the new one.
    let stale = bench.configure(target(193_100_000, -1000, 0x3E));
    assert_eq!(stale, Err(ProcError::ModuleChanged));
}

#[test]
fn fp_20_low_power_is_dark_and_readable_and_the_configured_output_returns() {
    let mut bench = Bench::new(Profile::ZR400);
    let target = target(194_500_000, -1000, 0x3E);
    bench.configure(target).unwrap();
    let low = ModulePower::new(&bench.info, PowerMode::Low).unwrap();
    assert_eq!(bench.run(low).unwrap(), ModuleState::LowPwr);
    let report = bench.sweep();
    assert_eq!(report.dp_states.value(), Some([DataPathState::Deactivated; 8]));
    assert_eq!((report.tx_power.value(), bench.module.emission()), (None, None));
    // Paged memory: inventory is read, and a setting is written and read back.
    assert_eq!(bench.run(Identify::new()).unwrap().serial_number, bench.info.serial_number);
    bench.write(Address::page(0x12, 200), &(-1200_i16).to_be_bytes());
    let mut power = [0; 2];
    bench.read(Address::page(0x12, 200), &mut power);
    assert_eq!(i16::from_be_bytes(power), -1200);
    bench.write(Address::page(0x12, 200), &(-1000_i16).to_be_bytes());
    let high = ModulePower::new(&bench.info, PowerMode::High).unwrap();
    assert_eq!(bench.run(high).unwrap(), ModuleState::Ready);
    bench.clock.advance(60_000);
    let light = bench.module.emission().unwrap();
    assert_eq!((light.frequency, light.power), (mhz(194_500_000), dbm(-1000)));
    let again = bench.configure(target).unwrap();
    assert_eq!(again.change, Change::Unchanged);
}
