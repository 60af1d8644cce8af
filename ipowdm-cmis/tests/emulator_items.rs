//! What a host can notice of an emulated module: measurements, statistics, lasers, control sets, banks.
//!
//! Items 1 to 11 and 16 of the checklist are in `emulated_registers.rs`, item 14 in `emulator_cdb.rs`, item 18 in
//! `emulator_faults.rs`.

#![expect(clippy::unwrap_used, reason = "a bench that does not work fails its test")]

mod common;

use common::raw::{Raw, f16};
use ipowdm_cmis::emulator::Profile;
use ipowdm_core::grid::Grid;
use std::time::{Duration, Instant};

/// Page 2Fh byte 144 with bit 7 changed, the other bits as they are.
fn freeze(raw: &mut Raw, on: bool) {
    raw.page(0x2F);
    let control = raw.byte(144);
    raw.write(144, &[if on { control | 0x80 } else { control & 0x7F }]);
    let done = if on { 0x80 } else { 0x40 };
    let begun = raw.byte(145) & done;
    raw.clock.advance(10);
    assert_eq!((begun, raw.byte(145) & done), (0, done), "not at once, and within tVDMF");
}

#[test]
fn item_12_freeze_restarts_intervals_and_statistics_agree() {
    for profile in [Profile::OPENZRP, Profile::ZR400, Profile::ZR800, Profile::DUAL400] {
        let mut raw = Raw::lit(profile);
        raw.control(r#"{"line": {"added_noise_db": {"mean": 3, "amplitude": 2, "period_ms": 7000}}}"#);
        assert_eq!(raw.of::<1>(0x2F, 145), [0], "neither frozen nor unfrozen before first use");
        freeze(&mut raw, true);
        freeze(&mut raw, false);
        for seconds in [60, 1, 17] {
            raw.clock.advance(seconds * 1_000);
            freeze(&mut raw, true);
            let (bits, sub) = (raw.long(0x34, 128), raw.long(0x34, 136));
            let (frames, frames_sub) = (raw.quad(0x34, 168), raw.quad(0x34, 172));
            // 418 to 946 Gbit/s on the line: the interval began with the freeze before.
            let per_second = bits / seconds;
            assert!((400_000_000_000..1_000_000_000_000).contains(&per_second), "{per_second}");
            assert_eq!(bits / sub, u64::from(frames / frames_sub), "sub-intervals");
            assert_eq!(u128::from(sub) * u128::from(frames), u128::from(bits) * u128::from(frames_sub));
            let (corrected, min, max) = (raw.long(0x34, 144), raw.long(0x34, 152), raw.long(0x34, 160));
            let sub_intervals = bits / sub;
            assert!(min * sub_intervals <= corrected && corrected <= max * sub_intervals, "{seconds} s");
            assert!(min > 0);
            if seconds > 7 {
                assert!(min < max, "the line changes within the interval");
            }
            // VDM statistics say the same: minimum, maximum, average (group 2, instances 1 to 3).
            let group: [u8; 6] = raw.of(0x25, 128);
            let [low, high, mean] =
                [0, 2, 4].map(|at: usize| f16(u16::from_be_bytes([group[at], group[at + 1]])));
            #[expect(clippy::cast_precision_loss, reason = "a ratio for comparison")]
            let ratio = corrected as f64 / bits as f64;
            assert!(low <= mean && mean <= high, "{low} {mean} {high}");
            assert!((mean / ratio - 1.0).abs() < 1e-2, "{mean} against {ratio}");
            assert_triplets_agree(&mut raw);
            // Frozen statistics stay while time goes on; what is current does not.
            let held = (raw.of::<128>(0x34, 128), raw.of::<128>(0x35, 128), raw.of::<6>(0x25, 128));
            let current = raw.of::<46>(0x24, 128);
            raw.clock.advance(3_000);
            assert_eq!(held.0, raw.of::<128>(0x34, 128));
            assert_eq!(held.1, raw.of::<128>(0x35, 128));
            assert_eq!(held.2, raw.of::<6>(0x25, 128));
            assert_ne!(current, raw.of::<46>(0x24, 128));
            freeze(&mut raw, false);
            assert_ne!(held.0, raw.of::<128>(0x34, 128), "the running interval shows again");
            freeze(&mut raw, true);
            freeze(&mut raw, false);
        }
    }
}

/// Average between minimum and maximum for every quantity of 35h.
fn assert_triplets_agree(raw: &mut Raw) {
    let link: [u8; 128] = raw.of(0x35, 128);
    let at = |byte: usize| i32::from_be_bytes(link[byte - 128..byte - 124].try_into().unwrap());
    let (average, min, max) = (at(128), at(132), at(136));
    assert!(min <= average && average <= max && min > 0, "dispersion {min} {average} {max}");
    for byte in (140..=236).step_by(6) {
        let signed = matches!(byte, 170 | 182 | 188 | 194 | 212 | 224 | 236);
        let value = |offset: usize| {
            let raw = u16::from_be_bytes([link[byte + offset - 128], link[byte + offset - 127]]);
            if signed { i32::from(raw.cast_signed()) } else { i32::from(raw) }
        };
        let (average, min, max) = (value(0), value(2), value(4));
        assert!(min <= average && average <= max, "35h:{byte}: {min} {average} {max}");
    }
}

#[test]
fn item_12_an_interval_without_a_host_ends_before_its_counters_overflow() {
    let mut raw = Raw::lit(Profile::OPENZRP);
    for _ in 0..40 {
        raw.clock.advance(3_600_000);
        let (bits, sub) = (raw.long(0x34, 128), raw.long(0x34, 136));
        let (frames, frames_sub) = (raw.quad(0x34, 168), raw.quad(0x34, 172));
        assert_eq!(u128::from(sub) * u128::from(frames), u128::from(bits) * u128::from(frames_sub));
        assert!(raw.long(0x34, 152) * (bits / sub) <= raw.long(0x34, 144));
    }
}

#[test]
fn item_13_a_threshold_raises_flag_summary_and_interrupt() {
    let mut raw = Raw::lit(Profile::OPENZRP);
    raw.clock.advance(2_000);
    raw.quiet();
    assert_eq!((raw.byte(3) & 1, raw.byte(4)), (1, 0), "a clean line raises nothing");
    // OSNR is instance 7 of group 1 (index 6): byte 131, low nibble; its low alarm is at 20 dB, the warning at 22 dB.
    raw.control(r#"{"line": {"received": {"power_dbm": -12, "osnr_db": 21}}}"#);
    raw.clock.advance(1_000);
    assert_eq!((raw.byte(3) & 1, raw.byte(4) & 0x08), (0, 0x08));
    assert_eq!(raw.of::<1>(0x2C, 131)[0] & 0x0F, 0x08, "low warning");
    raw.control(r#"{"line": {"received": {"power_dbm": -12, "osnr_db": 18}}}"#);
    assert_eq!(raw.of::<1>(0x2C, 131)[0] & 0x0F, 0x0A, "low alarm and low warning");
    assert_eq!(raw.of::<1>(0x2C, 131)[0] & 0x0F, 0x0A, "read, and raised again while it lasts");
    // The reported sample is beyond the threshold as the registers have both.
    let osnr = raw.word(0x24, 140);
    let limits: [u8; 8] = raw.of(0x28, 128 + 8 * 5);
    assert!(osnr < u16::from_be_bytes([limits[2], limits[3]]), "{osnr} against the low alarm");
    // Masked, the flag stays and the interrupt goes.
    raw.put(0x2D, 128, &[0xFF; 8]);
    raw.put(0x2D, 136, &[0xFF; 8]);
    raw.put(0x2D, 144, &[0xFF; 8]);
    let _: [u8; 4] = raw.read(8);
    let _: [u8; 20] = raw.of(0x11, 134);
    assert_eq!((raw.byte(4) & 0x08, raw.of::<1>(0x2C, 131)[0] & 0x0F), (0, 0x0A));
    // The line recovers: one more read shows the latched flag, then it is gone.
    raw.control(r#"{"line": {}}"#);
    raw.clock.advance(2_000);
    raw.quiet();
    assert_eq!(raw.of::<1>(0x2C, 131)[0] & 0x0F, 0);
}

#[test]
fn what_happened_while_nobody_looked_is_in_the_flags() {
    let mut raw = Raw::lit(Profile::OPENZRP);
    raw.clock.advance(1_000);
    raw.quiet();
    // Ten dark seconds within a minute of absence.
    raw.control(
        r#"{"line": {"extra_loss_db": {"points": [[20000, 0], [20001, 60], [30000, 60], [30001, 0]]}}}"#,
    );
    raw.clock.advance(60_000);
    assert_eq!(raw.of::<1>(0x11, 147), [1], "loss of signal is latched");
    assert_eq!(raw.of::<1>(0x11, 147), [0], "and over");
    assert!(raw.word(0x24, 140) > 250, "OSNR is back");
}

#[test]
fn item_15_applications_from_the_ninth_are_configured_too() {
    let mut raw = Raw::new(Profile::ZR800);
    // Descriptor 10 (01h:227): 400GAUI-4 to ZR400-OFEC-16QAM on host lanes 1-4.
    assert_eq!(raw.of::<4>(0x01, 227), [0x4F, 0x46, 0x41, 0x01]);
    assert_eq!(raw.of::<1>(0x01, 176 + 9), [0x01], "its media lane assignment");
    raw.write(26, &[0x00]);
    raw.clock.advance(6_000);
    raw.page(0x10);
    raw.write(145, &[0xA0, 0xA0, 0xA0, 0xA0, 0, 0, 0, 0]);
    raw.write(143, &[0xFF]);
    raw.clock.advance(100);
    assert_eq!(raw.of::<4>(0x11, 202), [0x11; 4], "ConfigSuccess");
    assert_eq!(raw.read::<8>(206), [0xA0, 0xA0, 0xA0, 0xA0, 0, 0, 0, 0]);
    raw.put(0x10, 128, &[0]);
    raw.put(0x10, 130, &[0]);
    raw.clock.advance(60_000);
    assert_eq!(raw.of::<4>(0x11, 128), [0x44, 0x44, 0x11, 0x11], "unused lanes stay down");
    assert_eq!(raw.module.emission().unwrap().media_code, 0x46);
    // The list is full: no FFh ends it.
    assert_ne!(raw.of::<1>(0x01, 223 + 4 * 6), [0xFF]);
}

#[test]
fn item_17_a_duty_cycle_of_zero_stops_samples() {
    let mut raw = Raw::lit(Profile::OPENZRP);
    let samples = |raw: &mut Raw| raw.of::<46>(0x24, 128);
    let first = samples(&mut raw);
    raw.clock.advance(5_000);
    assert_ne!(samples(&mut raw), first);
    // What a host does that does not read before it writes (bit 7 alone): the duty cycle is 0.
    raw.put(0x2F, 144, &[0x80]);
    let stopped = samples(&mut raw);
    raw.control(r#"{"line": {"received": {"power_dbm": -12, "osnr_db": 15}}}"#);
    raw.clock.advance(5_000);
    assert_eq!(samples(&mut raw), stopped);
    raw.quiet();
    assert_eq!(raw.byte(4) & 0x08, 0, "and so do flags");
    raw.put(0x2F, 144, &[10 << 2]);
    assert_ne!(samples(&mut raw), stopped);
    assert_eq!(raw.byte(4) & 0x08, 0x08);
}

#[test]
fn item_07_lanes_report_a_change_only_after_a_state_of_significant_duration() {
    let codes = Profile::OPENZRP.altered(|profile| {
        let states = &mut profile.durations;
        for dwell in [&mut states.dp_init, &mut states.tx_on, &mut states.dp_deinit, &mut states.tx_off] {
            dwell.advertised = 0;
        }
    });
    let mut raw = Raw::new(codes.unwrap());
    raw.activate();
    assert_eq!(raw.of::<1>(0x11, 134), [0]);
    let mut raw = Raw::new(Profile::OPENZRP);
    raw.activate();
    assert_eq!(raw.of::<1>(0x11, 134), [0xFF]);
}

#[test]
fn item_08_a_stepped_module_waits_for_the_host_to_cycle_the_path() {
    let stepped = Profile::OPENZRP.altered(|profile| {
        let lower = profile.registers.entry("lower".to_string()).or_default();
        lower.insert("SteppedConfigOnly".to_string(), ipowdm_cmis::emulator::RegisterValue::Flag(true));
    });
    let mut raw = Raw::new(stepped.unwrap());
    raw.activate();
    raw.page(0x10);
    raw.write(145, &[0x20; 8]);
    raw.write(143, &[0xFF]);
    raw.clock.advance(60_000);
    assert_eq!(raw.of::<4>(0x11, 128), [0x44; 4], "it does not cycle by itself");
    assert_eq!((raw.byte(206), raw.byte(235)), (0x20, 0xFF), "active control set, DPInitPending");
    raw.put(0x10, 128, &[0xFF]);
    raw.clock.advance(5_000);
    raw.put(0x10, 128, &[0x00]);
    raw.clock.advance(60_000);
    assert_eq!(raw.of::<4>(0x11, 128), [0x44; 4]);
    assert_eq!(raw.byte(235), 0);
    assert_eq!(raw.module.emission().unwrap().media_code, 0x3E);
}

#[test]
fn item_09_settings_are_checked_and_copied_where_the_host_controls_them() {
    let mut raw = Raw::new(Profile::OPENZRP);
    raw.write(26, &[0x00]);
    raw.clock.advance(5_000);
    raw.page(0x10);
    // Explicit control; pre-cursor 8 where 7 is the maximum.
    raw.write(145, &[0x11; 8]);
    raw.write(162, &[0x88; 4]);
    raw.write(143, &[0xFF]);
    raw.clock.advance(100);
    assert_eq!(raw.of::<4>(0x11, 202), [0x55; 4], "RejectedInvalidSI");
    raw.put(0x10, 162, &[0x53; 4]);
    raw.put(0x10, 143, &[0xFF]);
    raw.clock.advance(100);
    assert_eq!(raw.of::<4>(0x11, 202), [0x11; 4]);
    assert_eq!(raw.read::<4>(223), [0x53; 4], "lanes 1, 3 …: 3, lanes 2, 4 …: 5");
    // Without explicit control the module chooses.
    raw.put(0x10, 145, &[0x10; 8]);
    raw.put(0x10, 143, &[0xFF]);
    raw.clock.advance(100);
    assert_eq!(raw.of::<4>(0x11, 223), [0; 4]);
}

#[test]
fn item_09_set_1_applies_like_set_0_and_immediate_changes_settings_alone() {
    let mut raw = Raw::new(Profile::OPENZRP);
    raw.activate();
    raw.page(0x10);
    raw.write(180, &[0x11; 8]);
    raw.write(197, &[0x22; 4]);
    raw.write(179, &[0xFF]);
    raw.clock.advance(100);
    assert_eq!(raw.of::<4>(0x11, 202), [0x11; 4]);
    assert_eq!((raw.read::<4>(223), raw.read::<4>(128)), ([0x22; 4], [0x44; 4]), "without a cycle");
    assert_eq!(raw.byte(235), 0, "DPInitPending is for ApplyDPInit");
    raw.put(0x10, 180, &[0x20; 8]);
    raw.put(0x10, 179, &[0xFF]);
    raw.clock.advance(100);
    assert_eq!(raw.of::<4>(0x11, 202), [0x22; 4], "another application needs ApplyDPInit");
    raw.put(0x10, 178, &[0xFF]);
    raw.clock.advance(60_000);
    assert_eq!(raw.of::<1>(0x11, 206), [0x20]);
    // A module without set 1 has nothing there.
    let mut raw = Raw::new(Profile::ZR400);
    raw.put(0x10, 180, &[0x11; 8]);
    assert_eq!(raw.read::<8>(180), [0; 8]);
}

#[test]
fn item_09_lanes_can_be_given_up_and_not_in_part() {
    let mut raw = Raw::new(Profile::OPENZRP);
    raw.activate();
    raw.page(0x10);
    raw.write(145, &[0; 8]);
    raw.write(143, &[0x0F]);
    raw.clock.advance(100);
    assert_eq!(raw.of::<2>(0x11, 202), [0x77; 2], "RejectedPartialDataPath");
    raw.put(0x10, 143, &[0xFF]);
    raw.clock.advance(20_000);
    assert_eq!(raw.of::<4>(0x11, 202), [0x11; 4]);
    assert_eq!((raw.read::<4>(128), raw.byte(235), raw.read::<8>(206)), ([0x11; 4], 0, [0; 8]));
    assert_eq!(raw.module.emission(), None);
}

#[test]
fn item_11_all_ten_grids_tune_to_their_channels() {
    let mut raw = Raw::new(Profile::ZR800);
    raw.activate();
    let channels: [(Grid, i16, u32); 10] = [
        (Grid::Ghz3p125, 97, 193_403_125),
        (Grid::Ghz6p25, 49, 193_406_250),
        (Grid::Ghz12p5, 25, 193_412_500),
        (Grid::Ghz25, 13, 193_425_000),
        (Grid::Ghz50, 7, 193_450_000),
        (Grid::Ghz100, 3, 193_400_000),
        (Grid::Ghz33, 10, 193_433_333),
        (Grid::Ghz75, 12, 193_400_000),
        (Grid::Ghz150, 12, 193_475_000),
        (Grid::Ghz300, 24, 193_287_500),
    ];
    for (grid, channel, mhz) in channels {
        raw.page(0x12);
        raw.write(128, &[grid.code() << 4]);
        raw.clock.advance(6_000);
        raw.write(136, &channel.to_be_bytes());
        raw.clock.advance(6_000);
        assert_eq!(raw.quad(0x12, 168), mhz, "{grid:?}");
        let _: [u8; 1] = raw.read(231);
    }
    // 75 GHz channels are multiples of 3.
    raw.write(128, &[Grid::Ghz75.code() << 4]);
    raw.clock.advance(6_000);
    let before = raw.quad(0x12, 168);
    let _: [u8; 1] = raw.read(231);
    raw.write(136, &13_i16.to_be_bytes());
    assert_eq!(raw.byte(231), 0x04, "invalid channel");
    assert_eq!(raw.quad(0x12, 168), before);
}

#[test]
fn item_11_fine_tuning_moves_the_laser_within_its_range() {
    let mut raw = Raw::new(Profile::OPENZRP);
    raw.activate();
    raw.page(0x12);
    let frequency = raw.quad(0x12, 168);
    let _: [u8; 1] = raw.read(231);
    raw.write(152, &1_500_i16.to_be_bytes());
    assert_eq!(raw.quad(0x12, 168), frequency, "it is not enabled");
    raw.write(128, &[(Grid::Ghz100.code() << 4) | 1]);
    assert_eq!(raw.byte(222), 0x02, "tuning in progress");
    raw.clock.advance(200);
    assert_eq!((raw.quad(0x12, 168), raw.byte(231)), (frequency + 1_500, 0x01));
    raw.write(152, &6_001_i16.to_be_bytes());
    assert_eq!((raw.byte(231), raw.quad(0x12, 168)), (0x10, frequency + 1_500), "out of range");
    assert_eq!(raw.read::<2>(152), 1_500_i16.to_be_bytes());
}

#[test]
fn item_03_each_bank_has_its_own_lanes_and_laser() {
    let mut raw = Raw::new(Profile::DUAL400);
    raw.control(r#"{"line": {}}"#);
    raw.write(26, &[0x00]);
    raw.clock.advance(5_000);
    raw.bank(1, 0x10);
    raw.write(130, &[0]);
    raw.write(128, &[0]);
    raw.bank(1, 0x12);
    raw.write(136, &30_i16.to_be_bytes());
    raw.clock.advance(60_000);
    raw.bank(1, 0x11);
    assert_eq!(raw.read::<4>(128), [0x44; 4]);
    raw.bank(0, 0x11);
    assert_eq!(raw.read::<4>(128), [0x11; 4], "bank 0 is as it was");
    raw.bank(1, 0x12);
    assert_eq!(u32::from_be_bytes(raw.read(168)), 193_850_000);
    raw.bank(1, 0x24);
    let samples: [u8; 16] = raw.read(128);
    assert!(u16::from_be_bytes([samples[12], samples[13]]) > 250, "OSNR of the second carrier");
    assert_eq!(raw.byte(5) & 0x01, 1, "the flags of bank 1 are summarised in byte 5");
    raw.write(126, &[2, 0x11]);
    assert_eq!(raw.read::<2>(126), [0, 0], "there is no third bank");
    // Broadcast: one write for all banks.
    raw.write(26, &[0x80]);
    raw.bank(0, 0x10);
    raw.write(213, &[0xAA]);
    raw.bank(1, 0x10);
    assert_eq!(raw.byte(213), 0xAA);
}

#[test]
fn module_and_lane_monitors_raise_flags_at_the_thresholds_of_page_02h() {
    let mut raw = Raw::lit(Profile::OPENZRP);
    for (temperature, flags) in [(20.0, 0x00), (76.0, 0x04), (81.0, 0x05), (-1.0, 0x08), (-6.0, 0x0A)] {
        raw.control(&format!(r#"{{"surroundings": {{"temperature_c": {temperature}}}}}"#));
        let _: [u8; 4] = raw.read(8);
        assert_eq!(raw.byte(9), flags, "{temperature} °C");
        let value = i16::from_be_bytes(raw.read(14));
        assert!((f64::from(value) / 256.0 - temperature).abs() < 0.01);
    }
    raw.control(r#"{"surroundings": {"temperature_c": 40, "supply_v": 3.10}}"#);
    let _: [u8; 4] = raw.read(8);
    assert_eq!((raw.byte(9), u16::from_be_bytes(raw.read(16))), (0xA0, 31_000));
    // Received power: high alarm at 3 dBm, low warning at -22 dBm.
    for (dbm, wanted) in [(4.0, [1, 0, 1, 0]), (-10.0, [0; 4]), (-23.0, [0, 0, 0, 1])] {
        let line = format!(r#"{{"line": {{"received": {{"power_dbm": {dbm}, "osnr_db": 34}}}}}}"#);
        raw.control(&line);
        raw.quiet();
        assert_eq!(raw.of::<4>(0x11, 149), wanted, "{dbm} dBm");
    }
    // Transmitted power against thresholds relative to the target: 2 dB and 3 dB around it, and it is on target.
    raw.put(0x12, 128, &[(Grid::Ghz100.code() << 4) | 2]);
    raw.put(0x12, 216, &[0x64, 0x64]);
    raw.quiet();
    assert_eq!(raw.of::<4>(0x11, 139), [0; 4]);
    raw.put(0x12, 200, &(-1_480_i16).to_be_bytes());
    raw.clock.advance(1_000);
    raw.quiet();
    assert_eq!(raw.of::<4>(0x11, 139), [0; 4], "thresholds follow the target");
}

#[test]
fn loopbacks_and_checkers_measure_the_modules_own_signal() {
    let mut raw = Raw::new(Profile::OPENZRP);
    raw.activate();
    assert_eq!(raw.of::<1>(0x11, 147), [1], "dark");
    assert_eq!(raw.read::<1>(132), [0]);
    // Media side output loopback: the receiver locks to the module's own light.
    raw.put(0x13, 180, &[0x01]);
    raw.clock.advance(1_000);
    raw.quiet();
    assert_eq!((raw.of::<1>(0x11, 147), raw.read::<1>(132)), ([0], [0xFF]));
    // Media pattern, generated and checked.
    raw.put(0x13, 152, &[0x01, 0, 0, 0, 0x01, 0, 0, 0]);
    raw.put(0x13, 168, &[0x01, 0, 0, 0, 0x02, 0, 0, 0]);
    let _: [u8; 8] = raw.of(0x14, 132);
    assert_eq!(raw.of::<1>(0x14, 139), [0x01], "another pattern: no lock");
    raw.put(0x13, 172, &[0x01]);
    let _: [u8; 8] = raw.of(0x14, 132);
    assert_eq!(raw.of::<1>(0x14, 139), [0x00]);
    raw.put(0x14, 128, &[0x01]);
    let ratio = f16(u16::from_be_bytes(raw.of(0x14, 208)));
    assert!((1e-8..2e-2).contains(&ratio), "{ratio}");
    // Error counters of media lane 1, little-endian: errors over bits is the ratio.
    raw.put(0x14, 128, &[0x04]);
    raw.clock.advance(10_000);
    let errors = u64::from_le_bytes(raw.of(0x14, 192));
    let bits = u64::from_le_bytes(raw.of(0x14, 200));
    #[expect(clippy::cast_precision_loss, reason = "a ratio for comparison")]
    let counted = errors as f64 / bits as f64;
    assert!((counted / ratio - 1.0).abs() < 0.1, "{counted} against {ratio}");
    // Host and media loopbacks exclude each other here.
    raw.put(0x13, 182, &[0xFF]);
    assert_eq!(raw.read::<4>(180), [0x01, 0, 0, 0]);
}

#[test]
fn coherent_flags_tell_what_an_unlocked_receiver_has_lost() {
    let mut raw = Raw::lit(Profile::OPENZRP);
    let _: [u8; 5] = raw.of(0x33, 128);
    assert_eq!(raw.of::<5>(0x33, 128), [0; 5]);
    // Too much dispersion: light, and no lock.
    raw.control(r#"{"line": {"dispersion_ps_nm": 90000}}"#);
    assert_eq!(raw.of::<1>(0x33, 130), [0xF8]);
    raw.quiet();
    assert_eq!(raw.of::<2>(0x11, 147), [0, 1], "no loss of signal, CDR loss of lock");
    // FEC degrade above its threshold, once enabled.
    raw.put(0x30, 168, &[0x03]);
    raw.control(r#"{"line": {"received": {"power_dbm": -10, "osnr_db": 24.4}}}"#);
    let _: [u8; 5] = raw.of(0x33, 128);
    assert_eq!(raw.of::<1>(0x33, 131), [0x01], "detected and not excessive");
    // So for the host side, whose ratio is about 2e-9: raise detected degrade at 1e-9 (1000 · 10^(12 - 24)).
    raw.put(0x38, 128, &0x63E8_u16.to_be_bytes());
    raw.put(0x38, 136, &[0x03]);
    assert_eq!(raw.of::<1>(0x3B, 192), [0x01]);
}

#[test]
fn a_host_without_a_signal_is_told_lane_by_lane() {
    let mut raw = Raw::lit(Profile::OPENZRP);
    raw.control(r#"{"surroundings": {"host_signal": 240}}"#);
    raw.quiet();
    assert_eq!(raw.of::<2>(0x11, 136), [0x0F, 0x0F], "Tx loss of signal and of lock on lanes 1 to 4");
}

#[test]
fn thirty_days_in_one_step_are_answered_at_once() {
    let mut raw = Raw::lit(Profile::ZR800);
    let begun = Instant::now();
    raw.clock.advance(30 * 24 * 3_600 * 1_000);
    let _ = raw.byte(3);
    let first = begun.elapsed();
    assert!(first < Duration::from_secs(2), "{first:?}");
    assert!(raw.long(0x34, 128) > 0);
    raw.clock.advance(u64::MAX / 2);
    let _ = raw.byte(3);
    assert!(begun.elapsed() < Duration::from_secs(20));
}

#[test]
fn the_same_serial_number_and_history_read_the_same() {
    let history = |serial: u32| {
        let mut raw = Raw::with_serial(Profile::OPENZRP, serial);
        raw.control(r#"{"line": {"pdl_db": {"mean": 1, "amplitude": 0.5, "period_ms": 9000}}}"#);
        raw.activate();
        raw.clock.advance(20_000);
        (raw.of::<128>(0x24, 128), raw.of::<128>(0x25, 128), raw.of::<128>(0x35, 128))
    };
    assert_eq!(history(4), history(4));
    assert_ne!(history(4), history(5));
}
