//! Registers of an emulated module that speak of the same thing agree with each other: what a host finds that checks one
//! against the other.

mod common;

use common::raw::{Raw, f16};
use ipowdm_cmis::access::TransportError;
use ipowdm_cmis::emulator::{Control, EmulatedModule, LinearModule, ModuleClock, Profile, VirtualClock};
use ipowdm_cmis::line::ScriptedLine;
use ipowdm_cmis::map::Address;
use ipowdm_cmis::time::Millis;

/// A module in high power whose data paths are held down and whose transmitters are off.
fn ready(profile: Profile) -> Raw {
    let mut raw = Raw::new(profile);
    raw.put(0x10, 128, &[0xFF]);
    raw.put(0x10, 130, &[0xFF]);
    raw.write(26, &[0x00]);
    raw.clock.advance(10_000);
    assert_eq!((raw.byte(3) >> 1) & 7, 3, "Ready");
    raw
}

/// Stages the DPConfig bytes of bank 0 and applies those of `lanes`.
fn apply(raw: &mut Raw, config: [u8; 8], lanes: u8) {
    raw.put(0x10, 145, &config);
    raw.put(0x10, 143, &[lanes]);
    raw.clock.advance(200);
}

#[test]
fn flat_memory_asks_for_no_attention() {
    let mut raw = Raw::new(Profile::COPPER);
    assert_eq!(raw.byte(3), 0x07, "Ready, interrupt deasserted");
    assert_eq!(raw.read::<8>(4), [0; 8], "no flag, no summary");
}

#[test]
fn a_lane_without_a_data_path_has_no_initialisation_pending() {
    let mut raw = ready(Profile::OPENZRP);
    // 100GAUI-2 on lanes 3 and 4, the others unused.
    apply(&mut raw, [0, 0, 0x34, 0x34, 0, 0, 0, 0], 0xFF);
    assert_eq!(raw.of::<4>(0x11, 202), [0x11; 4], "Success");
    assert_eq!(raw.of::<1>(0x11, 235), [0x0C]);
    apply(&mut raw, [0; 8], 0xFF);
    assert_eq!(raw.of::<1>(0x11, 235), [0x00], "given up before it was initialised");
    // Given up while it carries traffic: pending until it is down.
    apply(&mut raw, [0x30, 0x30, 0x34, 0x34, 0, 0, 0, 0], 0xFF);
    raw.put(0x10, 130, &[0]);
    raw.put(0x10, 128, &[0]);
    raw.clock.advance(30_000);
    assert_eq!(raw.of::<4>(0x11, 128), [0x44, 0x44, 0x11, 0x11]);
    apply(&mut raw, [0x30, 0x30, 0, 0, 0, 0, 0, 0], 0x0C);
    assert_eq!(raw.of::<1>(0x11, 235), [0x0C]);
    raw.clock.advance(5_000);
    assert_eq!(raw.of::<4>(0x11, 128), [0x44, 0x11, 0x11, 0x11]);
    assert_eq!(raw.of::<1>(0x11, 235), [0x00]);
}

#[test]
fn darkness_takes_the_signal_and_the_lock() {
    for profile in [Profile::ZR400, Profile::ZR800] {
        let mut raw = Raw::lit(profile);
        raw.control(r#"{"line": null}"#);
        raw.clock.advance(500);
        assert_eq!(raw.of::<2>(0x11, 147), [1, 1], "Rx LOS, Rx CDR LOL");
        assert_eq!(raw.of::<2>(0x11, 136), [0, 0], "nothing is wrong with the host's signal");
    }
}

#[test]
fn a_signal_that_the_module_returns_to_its_host_is_valid_without_a_line() {
    let mut raw = Raw::lit(Profile::ZR800);
    raw.control(r#"{"line": null}"#);
    assert_eq!(raw.of::<1>(0x11, 132), [0x00]);
    // Host side input loopback of lanes 1 to 4.
    raw.put(0x13, 183, &[0x0F]);
    assert_eq!(raw.of::<1>(0x11, 132), [0x0F]);
    raw.control(r#"{"surroundings": {"host_signal": 251}}"#);
    assert_eq!(raw.of::<1>(0x11, 132), [0x0B], "lane 3 brings no signal");
    raw.put(0x13, 183, &[0x00]);
    assert_eq!(raw.of::<1>(0x11, 132), [0x00]);
}

#[test]
fn without_any_host_signal_a_squelching_module_goes_dark_unless_told_not_to() {
    for profile in Profile::built_in() {
        let Some(supported) = (profile.name != "copper").then(|| {
            let [controls] = Raw::new(profile.clone()).of::<1>(0x01, 155);
            (controls >> 4) & 3 != 0
        }) else {
            continue;
        };
        assert!(supported, "{}: forced squelch goes with a method of squelch", profile.name);
        let mut raw = Raw::lit(profile);
        let [lit] = raw.of::<1>(0x11, 133);
        assert_ne!(lit, 0);
        raw.control(r#"{"surroundings": {"host_signal": 1}}"#);
        assert_ne!(raw.of::<1>(0x11, 133), [0], "one lane brings a signal");
        raw.control(r#"{"surroundings": {"host_signal": 0}}"#);
        assert_eq!(raw.of::<1>(0x11, 133), [0]);
        assert_eq!(raw.word(0x11, 154), 0, "no light");
        assert_eq!(raw.of::<1>(0x11, 128), [0x44], "the data path stays Activated");
        raw.put(0x10, 131, &[0xFF]);
        assert_eq!(raw.of::<1>(0x11, 133), [lit], "automatic squelch is disabled");
        raw.put(0x10, 131, &[0x00]);
        raw.control(r#"{"surroundings": {"host_signal": 255}}"#);
        assert_eq!(raw.of::<1>(0x11, 133), [lit]);
    }
}

#[test]
fn item_13_flags_of_vdm_follow_from_the_thresholds_that_each_instance_names() {
    const SIGNED: [u8; 12] = [2, 3, 4, 134, 135, 141, 143, 144, 145, 148, 150, 152];
    for profile in Profile::built_in().into_iter().filter(|profile| profile.vdm.is_some()) {
        let mut raw = Raw::new(profile.clone());
        let line = if profile.fixed_transmitter.is_some() {
            r#"{"line": {"far_end": {"tx_power_dbm": 1}, "spans": [{"length_km": 2, "loss_db": 1.5}]}}"#
        } else {
            r#"{"line": {}}"#
        };
        raw.control(line);
        raw.activate();
        raw.quiet();
        let [groups] = raw.of::<1>(0x2F, 128);
        let mut instances = 0;
        for group in 0..=groups & 3 {
            let descriptors: [u8; 128] = raw.of(0x20 + group, 128);
            let samples: [u8; 128] = raw.of(0x24 + group, 128);
            let thresholds: [u8; 128] = raw.of(0x28 + group, 128);
            let flags: [u8; 32] = raw.of(0x2C, 128 + 32 * group);
            for (index, descriptor) in descriptors.chunks(2).enumerate() {
                let [head, observable] = *descriptor else { continue };
                if observable == 0 {
                    continue;
                }
                let value = |raw: &[u8]| {
                    let word = u16::from_be_bytes([raw[0], raw[1]]);
                    match observable {
                        9..=26 => f16(word),
                        signed if SIGNED.contains(&signed) => f64::from(word.cast_signed()),
                        _ => f64::from(word),
                    }
                };
                let sample = value(&samples[2 * index..]);
                let limit = |at: usize| value(&thresholds[8 * usize::from(head >> 4) + 2 * at..]);
                let beyond = [sample > limit(0), sample < limit(1), sample > limit(2), sample < limit(3)];
                let expected = beyond.iter().rev().fold(0, |bits, beyond| (bits << 1) | u8::from(*beyond));
                let nibble = (flags[index / 2] >> (4 * (index % 2))) & 0x0F;
                assert_eq!(nibble, expected, "{} group {group} instance {index}", profile.name);
                instances += 1;
            }
        }
        assert!(instances > 10, "{}", profile.name);
    }
}

#[test]
fn item_11_a_running_laser_moves_when_its_channel_is_written_after_the_grid() {
    let mut raw = Raw::lit(Profile::OPENZRP);
    raw.put(0x12, 136, &3_i16.to_be_bytes());
    raw.clock.advance(10_000);
    assert_eq!(raw.quad(0x12, 168), 193_400_000);
    // Channel 3 is one of the 75 GHz grid too: the laser must not go there before the host has said which it wants.
    raw.put(0x12, 128, &[0x70]);
    raw.put(0x12, 136, &78_i16.to_be_bytes());
    raw.clock.advance(10_000);
    assert_eq!(raw.quad(0x12, 168), 195_050_000);
    let [flags] = raw.of::<1>(0x12, 231);
    assert_eq!(flags & 0x0D, 0x01, "complete; nothing was refused");
    // A grid alone is taken when the laser comes up again: channel 6 of the 50 GHz grid.
    raw.put(0x12, 136, &6_i16.to_be_bytes());
    raw.clock.advance(10_000);
    raw.put(0x12, 128, &[0x40]);
    raw.clock.advance(10_000);
    assert_eq!(raw.quad(0x12, 168), 193_250_000, "75 GHz grid, channel 6");
    raw.put(0x10, 128, &[0xFF]);
    raw.clock.advance(5_000);
    raw.put(0x10, 128, &[0x00]);
    raw.clock.advance(60_000);
    assert_eq!(raw.quad(0x12, 168), 193_400_000);
}

#[test]
fn item_11_numbers_written_byte_by_byte_are_taken_with_their_low_byte() {
    let mut raw = Raw::lit(Profile::OPENZRP);
    let byte_by_byte = |raw: &mut Raw, first: u8, value: i16| {
        for (byte, at) in value.to_be_bytes().into_iter().zip(first..) {
            raw.put(0x12, at, &[byte]);
        }
        raw.clock.advance(10_000);
    };
    for channel in [-5_i16, 7, -18] {
        byte_by_byte(&mut raw, 136, channel);
        let mhz = 193_100_000_i32 + i32::from(channel) * 100_000;
        assert_eq!(raw.quad(0x12, 168), u32::try_from(mhz).unwrap());
    }
    byte_by_byte(&mut raw, 200, -450);
    assert_eq!(raw.word(0x11, 154), 3_548, "-4.5 dBm in 0.1 uW");
    assert_eq!(raw.of::<1>(0x12, 231)[0] & 0x3C, 0, "nothing was refused");
    // Refused values go back as a whole.
    byte_by_byte(&mut raw, 136, 31);
    byte_by_byte(&mut raw, 200, 1);
    assert_eq!(raw.word(0x12, 136).cast_signed(), -18);
    assert_eq!(raw.word(0x12, 200).cast_signed(), -450);
    assert_eq!(raw.of::<1>(0x12, 231)[0] & 0x3C, 0x24, "invalid channel, power out of range");
}

/// A module by linear offsets, in virtual time, past MgmtInit.
fn linear(profile: Profile) -> LinearModule {
    let clock = VirtualClock::new();
    let module = EmulatedModule::new(profile, 1, ModuleClock::from(&clock));
    clock.advance(3_000);
    LinearModule::new(module)
}

fn offset(page: u8, byte: u8) -> u32 {
    u32::from(page) * 128 + u32::from(byte)
}

#[test]
fn item_14_whoever_waited_for_a_foreground_command_sees_its_result() {
    let memory = linear(Profile::ZR400);
    // Query status: two bytes of LPL.
    for (byte, value) in [(136, 0), (137, 0), (130, 0), (131, 0), (132, 2), (133, 0xFD), (128, 0), (129, 0)] {
        memory.write(offset(0x9F, byte), &[value]).unwrap();
    }
    let mut status = [0];
    memory.read(37, &mut status).unwrap();
    assert_eq!(status, [0x01], "Success; busy is never seen in the foreground");
}

#[test]
fn a_refused_access_is_named_by_its_page() {
    let memory = linear(Profile::ZR400);
    let at = Address::page(0x10, 213);
    let refused = TransportError::BadAccess { at, len: 16 };
    assert_eq!(memory.write(offset(0x10, 213), &[0; 16]), Err(refused));
}

#[test]
fn a_control_document_is_an_object() {
    for text in ["[]", "[null]", "5", "null", "\"line\"", ""] {
        assert!(Control::from_json(text).is_err(), "{text}");
    }
    assert!(Control::from_json(" {} ").is_ok());
}

#[test]
fn every_module_works_on_the_line_it_is_made_for() {
    for profile in Profile::built_in().into_iter().filter(|profile| profile.name != "copper") {
        let clock = VirtualClock::new();
        let line = ScriptedLine::made_for(&profile);
        let module = EmulatedModule::plugged_in_at(
            Millis(0),
            profile.clone(),
            1,
            ModuleClock::from(&clock),
            Some(line),
        );
        let module = module.unwrap();
        clock.advance(3_000);
        let window = module.window();
        let mut raw = Raw { clock, module, window };
        raw.activate();
        raw.quiet();
        raw.clock.advance(2_000);
        assert_eq!(raw.of::<1>(0x11, 132), [0xFF], "{}: every host lane gets a valid signal", profile.name);
        assert_eq!(raw.of::<20>(0x11, 134)[1..19], [0; 18], "{}: nothing is wrong", profile.name);
    }
}
