//! What a host can notice of an emulated module at its raw window, byte by byte.

mod common;

use common::raw::Raw;
use common::{Bench, dbm, target};
use core::time::Duration;
use ipowdm_cmis::access::{TransportError, Window};
use ipowdm_cmis::codes::{ConfigStatus, DataPathState, ModuleState};
use ipowdm_cmis::emulator::Profile;
use ipowdm_cmis::map::Address;
use ipowdm_cmis::procedure::{ModulePower, PowerMode, ProcError, TxControl, TxGoal};
use ipowdm_cmis::time::Clock;

#[test]
fn item_01_an_unsupported_page_turns_pageselect_to_00h() {
    let mut raw = Raw::new(Profile::OPENZRP);
    for page in [0x03, 0x05, 0x15, 0x22, 0xB0] {
        raw.write(127, &[page]);
        assert_eq!(raw.read::<2>(126), [0, 0], "page {page:02X}h");
        assert_eq!(raw.byte(128), 0x18, "page 00h shows");
    }
    let mut bench = Bench::new(Profile::OPENZRP);
    let unsupported =
        ipowdm_cmis::access::Eeprom::read(&mut bench.eeprom, Address::page(0x05, 128), &mut [0]);
    assert!(matches!(
        unsupported,
        Err(TransportError::Busy | TransportError::PageUnsupported { page: 0x05, .. })
    ));
    let mut result = unsupported;
    while result == Err(TransportError::Busy) {
        bench.clock.advance(1);
        result = ipowdm_cmis::access::Eeprom::read(&mut bench.eeprom, Address::page(0x05, 128), &mut [0]);
    }
    assert_eq!(result, Err(TransportError::PageUnsupported { bank: 0, page: 0x05 }));
}

#[test]
fn item_02_a_module_is_busy_after_a_page_change_and_after_a_write() {
    let mut raw = Raw::new(Profile::OPENZRP);
    raw.window.write(127, &[0x10]).unwrap();
    assert_eq!(raw.window.read(127, &mut [0]), Err(TransportError::Busy));
    raw.clock.advance(1);
    raw.window.read(127, &mut [0]).unwrap();
    raw.window.write(130, &[0xFF]).unwrap();
    assert_eq!(raw.window.write(130, &[0xFF]), Err(TransportError::Busy));
    raw.clock.advance(3);
    raw.window.write(130, &[0xFF]).unwrap();
}

#[test]
fn item_03_bankselect_waits_for_pageselect_and_a_missing_bank_is_refused() {
    let mut raw = Raw::new(Profile::OPENZRP);
    raw.page(0x10);
    raw.write(126, &[1]);
    assert_eq!(raw.read::<2>(126), [0, 0x10], "126 alone changes nothing");
    raw.write(126, &[1, 0x10]);
    assert_eq!(raw.read::<2>(126), [0, 0], "there is no bank 1");
    raw.write(126, &[5, 0x02]);
    assert_eq!(raw.byte(127), 0x02, "unbanked pages ignore the bank");
}

#[test]
fn item_04_a_write_has_at_most_eight_bytes_and_stays_in_its_half() {
    let mut raw = Raw::new(Profile::OPENZRP);
    raw.page(0x10);
    assert!(matches!(raw.window.write(145, &[0; 9]), Err(TransportError::BadAccess { len: 9, .. })));
    assert!(matches!(raw.window.write(252, &[0; 8]), Err(TransportError::BadAccess { .. })));
    assert!(matches!(raw.window.write(124, &[0; 8]), Err(TransportError::BadAccess { .. })));
    assert!(matches!(raw.window.read(120, &mut [0; 16]), Err(TransportError::BadAccess { .. })));
    raw.write(145, &[0x20; 8]);
    assert_eq!(raw.read::<8>(145), [0x20; 8]);
    // Up to the last byte of the page, where nothing is.
    raw.write(248, &[0xFF; 8]);
    assert_eq!(raw.read::<8>(248), [0; 8]);
}

#[test]
fn item_05_flags_clear_on_exactly_the_bytes_that_were_read() {
    let mut raw = Raw::new(Profile::OPENZRP);
    assert_eq!(raw.byte(8) & 1, 1, "ModuleStateChanged after LowPwr was entered");
    assert_eq!(raw.byte(8) & 1, 0);
    raw.page(0x11);
    // Loss of signal lasts: the flag comes back after each read.
    assert_eq!(raw.byte(147), 1);
    assert_eq!(raw.byte(147), 1);
    raw.page(0x12);
    raw.write(136, &500_i16.to_be_bytes());
    assert_eq!(raw.byte(230), 0, "the mask bit is set at power-on");
    assert_eq!(raw.byte(239), 0x3F);
    raw.write(239, &[0]);
    assert_eq!(raw.byte(230), 1);
    assert_eq!(raw.byte(232), 0, "the next lane's flags");
    assert_eq!(raw.byte(231), 0x04, "invalid channel");
    assert_eq!(raw.byte(231), 0);
}

#[test]
fn item_06_checksums_hold() {
    let mut raw = Raw::new(Profile::ZR400);
    for (page, first, last, checksum) in
        [(0x00, 128, 221, 222), (0x01, 130, 254, 255), (0x02, 128, 254, 255), (0x04, 128, 254, 255)]
    {
        raw.page(page);
        let half: [u8; 128] = raw.read(128);
        let sum = half[first - 128..=last - 128].iter().fold(0_u8, |sum, byte| sum.wrapping_add(*byte));
        assert_eq!(sum, half[checksum - 128], "page {page:02X}h");
        assert!(half.iter().any(|byte| *byte != 0), "page {page:02X}h");
    }
}

#[test]
fn what_is_read_only_or_reserved_keeps_its_value() {
    let mut raw = Raw::new(Profile::OPENZRP);
    raw.write(0, &[0xFF]);
    assert_eq!(raw.byte(0), 0x18);
    raw.page(0x11);
    raw.write(128, &[0x44; 4]);
    assert_eq!(raw.read::<4>(128), [0x11; 4]);
    raw.page(0x10);
    raw.write(133, &[0xFF]);
    assert_eq!(raw.byte(133), 0, "reserved");
    raw.write(143, &[0xFF]);
    raw.clock.advance(100);
    assert_eq!(raw.byte(143), 0, "a trigger reads as 0");
}

#[test]
fn item_07_states_last_what_the_module_takes_and_less_than_it_advertises() {
    let mut raw = Raw::new(Profile::OPENZRP);
    let state = |raw: &mut Raw| ModuleState::from_code((raw.byte(3) >> 1) & 7);
    raw.clock.advance(60_000);
    assert_eq!(state(&mut raw), ModuleState::LowPwr, "the pin holds it");
    raw.write(26, &[0x00]);
    assert_eq!(state(&mut raw), ModuleState::PwrUp);
    raw.clock.advance(3_100);
    assert_eq!(state(&mut raw), ModuleState::Ready);
    raw.page(0x10);
    raw.write(128, &[0]);
    raw.page(0x11);
    assert_eq!(raw.read::<4>(128), [0x22; 4], "Init");
    raw.clock.advance(12_100);
    assert_eq!(raw.read::<4>(128), [0x77; 4], "Initialized: the output is disabled");
    raw.page(0x10);
    raw.write(130, &[0]);
    raw.page(0x11);
    assert_eq!(raw.read::<4>(128), [0x55; 4], "TxTurnOn");
    raw.clock.advance(2_000);
    assert_eq!(raw.read::<4>(128), [0x44; 4], "Activated");
    // Low power takes the data paths down first.
    raw.write(26, &[0x10]);
    assert_eq!(state(&mut raw), ModuleState::Ready);
    assert_eq!(raw.read::<4>(128), [0x66; 4], "TxTurnOff");
    raw.clock.advance(100);
    assert_eq!(raw.read::<4>(128), [0x33; 4], "Deinit");
    raw.clock.advance(800);
    assert_eq!(state(&mut raw), ModuleState::PwrDn);
    raw.clock.advance(400);
    assert_eq!(state(&mut raw), ModuleState::LowPwr);
    let lanes = raw.read::<1>(134);
    assert_eq!(lanes, [0xFF], "DPStateChanged");
}

#[test]
fn a_long_absence_of_the_host_is_made_up_in_order() {
    let mut raw = Raw::new(Profile::OPENZRP);
    raw.write(26, &[0x00]);
    raw.page(0x10);
    raw.write(130, &[0]);
    raw.write(128, &[0]);
    raw.clock.advance(3_600_000);
    assert_eq!(ModuleState::from_code((raw.byte(3) >> 1) & 7), ModuleState::Ready);
    raw.page(0x11);
    assert_eq!(raw.read::<4>(128), [0x44; 4]);
}

/// A module in Ready with its data path Deactivated.
fn ready(profile: Profile) -> Raw {
    let mut raw = Raw::new(profile);
    raw.write(26, &[0x00]);
    raw.clock.advance(5_000);
    raw
}

fn config_status(raw: &mut Raw) -> [ConfigStatus; 8] {
    raw.page(0x11);
    let bytes: [u8; 4] = raw.read(202);
    core::array::from_fn(|lane| ConfigStatus::from_code((bytes[lane / 2] >> (4 * (lane % 2))) & 0x0F))
}

fn apply(raw: &mut Raw, config: [u8; 8], lanes: u8) {
    raw.page(0x10);
    raw.write(145, &config);
    raw.write(143, &[lanes]);
}

#[test]
fn item_08_a_trigger_in_a_transient_state_is_ignored() {
    let mut raw = ready(Profile::OPENZRP);
    raw.page(0x10);
    raw.write(128, &[0]);
    apply(&mut raw, [0x20; 8], 0xFF);
    raw.clock.advance(1_000);
    assert_eq!(config_status(&mut raw), [ConfigStatus::Undefined; 8]);
    raw.clock.advance(12_000);
    apply(&mut raw, [0x20; 8], 0xFF);
    assert_eq!(config_status(&mut raw), [ConfigStatus::InProgress; 8]);
    // A second trigger while the first is in progress is ignored too.
    apply(&mut raw, [0x90; 8], 0xFF);
    raw.clock.advance(100);
    assert_eq!(config_status(&mut raw)[0], ConfigStatus::Success);
}

#[test]
fn item_09_every_lane_gets_its_own_result() {
    use ConfigStatus::{InvalidAppSel, InvalidDataPath, PartialDataPath, Rejected, Success};
    let two_lanes = [0x30, 0x30, 0x34, 0x34, 0x38, 0x38, 0x3C, 0x3C];
    let cases: [([u8; 8], u8, [ConfigStatus; 2]); 6] = [
        ([0x20; 8], 0xFF, [Success, Success]),
        ([0x70; 8], 0xFF, [InvalidAppSel, InvalidAppSel]),
        ([0x24; 8], 0xFF, [InvalidDataPath, InvalidDataPath]),
        ([0x20; 8], 0x0F, [PartialDataPath, PartialDataPath]),
        (two_lanes, 0xFF, [Success, Success]),
        ([0x30, 0x30, 0xF0, 0xF0, 0, 0, 0, 0], 0xFF, [Rejected, Rejected]),
    ];
    for (config, lanes, wanted) in cases {
        let mut raw = ready(Profile::OPENZRP);
        apply(&mut raw, config, lanes);
        raw.clock.advance(100);
        let status = config_status(&mut raw);
        assert_eq!(status[..2], wanted, "{config:02X?}");
        raw.page(0x11);
        let active: [u8; 8] = raw.read(206);
        let expected = if wanted[0] == Success { config } else { [0x10; 8] };
        assert_eq!(active, expected, "all or nothing");
    }
    let mut raw = ready(Profile::OPENZRP);
    apply(&mut raw, [0x60, 0x60, 0, 0, 0, 0, 0, 0], 0x03);
    raw.clock.advance(100);
    assert_eq!(config_status(&mut raw)[0], ConfigStatus::LanesInUse);
}

#[test]
fn item_10_an_accepted_apply_is_pending_until_init() {
    let mut raw = ready(Profile::OPENZRP);
    apply(&mut raw, [0x20; 8], 0xFF);
    raw.clock.advance(100);
    raw.page(0x11);
    assert_eq!(raw.byte(235), 0xFF);
    raw.page(0x10);
    raw.write(128, &[0]);
    raw.page(0x11);
    assert_eq!(raw.byte(235), 0);
    assert_eq!(raw.read::<4>(128), [0x22; 4]);
}

#[test]
fn an_apply_to_a_running_path_cycles_it_through_deinit_and_init() {
    let mut bench = Bench::new(Profile::OPENZRP);
    bench.configure(target(193_400_000, -1000, 0x46)).unwrap();
    bench.write(Address::page(0x10, 145), &[0x20; 8]);
    bench.write(Address::page(0x10, 143), &[0xFF]);
    let mut seen = Vec::new();
    for _ in 0..4_000 {
        bench.clock.advance(5);
        let state = DataPathState::from_code(bench.byte(0x11, 128) & 0x0F);
        if seen.last() != Some(&state) {
            seen.push(state);
        }
    }
    use DataPathState::{Activated, Deinit, Init, TxTurnOff, TxTurnOn};
    assert_eq!(seen, [Activated, TxTurnOff, Deinit, Init, TxTurnOn, Activated]);
    assert_eq!(bench.module.emission().unwrap().media_code, 0x3E);
}

#[test]
fn item_11_tuning_takes_time_and_bad_values_keep_the_old_ones() {
    let mut bench = Bench::new(Profile::OPENZRP);
    bench.configure(target(193_400_000, -1000, 0x46)).unwrap();
    bench.byte(0x12, 231);
    // A channel beyond the range, then one that is not legal on its grid.
    bench.write(Address::page(0x12, 136), &100_i16.to_be_bytes());
    assert_eq!(bench.byte(0x12, 231), 0x04);
    assert_eq!(bench.module.laser(), Some(common::mhz(193_400_000)));
    let mut channel = [0; 2];
    bench.read(Address::page(0x12, 136), &mut channel);
    assert_eq!(i16::from_be_bytes(channel), 3, "the old channel is kept");
    // A power out of range.
    bench.write(Address::page(0x12, 200), &1_i16.to_be_bytes());
    assert_eq!(bench.byte(0x12, 231), 0x20);
    assert_eq!(bench.module.emission().unwrap().power, dbm(-1000));
    // Hot tuning: dark and unlocked for a while; a new value meanwhile is not accepted.
    bench.write(Address::page(0x12, 136), &4_i16.to_be_bytes());
    assert_eq!(bench.byte(0x12, 222), 0x03);
    assert_eq!(bench.module.emission(), None);
    bench.write(Address::page(0x12, 136), &5_i16.to_be_bytes());
    assert_eq!(bench.byte(0x12, 231) & 0x0C, 0x08);
    bench.clock.advance(4_000);
    assert_eq!(bench.byte(0x12, 222), 0x00);
    assert_eq!(bench.byte(0x12, 231) & 0x01, 0x01, "tuning complete");
    assert_eq!(bench.module.emission().unwrap().frequency, common::mhz(193_500_000));
}

#[test]
fn item_16_the_frequency_reads_0_until_the_laser_is_on() {
    let mut bench = Bench::new(Profile::OPENZRP);
    let frequency = |bench: &mut Bench| {
        let mut bytes = [0; 4];
        bench.read(Address::page(0x12, 168), &mut bytes);
        u32::from_be_bytes(bytes)
    };
    assert_eq!(frequency(&mut bench), 0);
    bench.run(ModulePower::new(&bench.info, PowerMode::High).unwrap()).unwrap();
    assert_eq!(frequency(&mut bench), 0);
    bench.configure(target(193_400_000, -1000, 0x46)).unwrap();
    assert_eq!(frequency(&mut bench), 193_400_000);
    bench.run(TxControl::new(&bench.info, TxGoal::Deactivate).unwrap()).unwrap();
    assert_eq!(frequency(&mut bench), 0);
}

#[test]
fn summary_and_interrupt_follow_the_unmasked_flags() {
    let mut raw = Raw::new(Profile::OPENZRP);
    assert_eq!(raw.byte(3) & 1, 0, "ModuleStateChanged is raised");
    raw.byte(8);
    // Loss of signal stays raised; masking it ends the interrupt.
    assert_eq!((raw.byte(3) & 1, raw.byte(4) & 1), (0, 1));
    raw.page(0x10);
    raw.write(213, &[0xFF; 8]);
    raw.write(221, &[0xFF; 8]);
    raw.write(229, &[0xFF; 4]);
    assert_eq!((raw.byte(3) & 1, raw.byte(4) & 1), (1, 0));
}

#[test]
fn a_software_reset_brings_the_defaults_back_and_clears_itself() {
    let mut bench = Bench::new(Profile::OPENZRP);
    bench.configure(target(193_400_000, -200, 0x46)).unwrap();
    bench.write(Address::lower(26), &[0x08]);
    assert_eq!(bench.module.emission(), None);
    let mut byte = [0];
    assert_eq!(
        ipowdm_cmis::access::Eeprom::read(&mut bench.eeprom, Address::lower(3), &mut byte),
        Err(TransportError::Busy),
        "the management interface is not up yet"
    );
    bench.clock.advance(2_000);
    assert_eq!(bench.byte(0, 26), 0x40);
    let mut power = [0; 2];
    bench.read(Address::page(0x12, 200), &mut power);
    assert_eq!(i16::from_be_bytes(power), -1000);
}

#[test]
fn a_pulled_out_module_answers_nothing_and_comes_back_with_its_defaults() {
    let mut bench = Bench::new(Profile::OPENZRP);
    bench.configure(target(193_400_000, -200, 0x46)).unwrap();
    bench.module.pull_out();
    let error = bench.configure(target(193_400_000, -200, 0x46)).unwrap_err();
    assert!(matches!(error, ProcError::Bus { source: TransportError::Absent, .. }));
    bench.clock.advance(60_000);
    bench.module.insert();
    // Within tMgmtInit the module is busy; the driver waits it out.
    let begun = bench.clock.now();
    let report = bench.sweep();
    assert!(bench.clock.now().elapsed_since(begun) >= Duration::from_millis(800));
    assert_eq!(report.module_state.value(), Some(ModuleState::LowPwr));
    assert_eq!(bench.module.emission(), None);
}
