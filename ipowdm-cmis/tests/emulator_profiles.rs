//! Profiles as data: the built-in ones, files, and what is refused.

mod common;

use common::Bench;
use common::raw::Raw;
use ipowdm_cmis::access::{TransportError, Window};
use ipowdm_cmis::emulator::{Fault, Profile, ProfileError};
use ipowdm_cmis::map::{self, Access};
use proptest::prelude::*;

#[test]
fn every_built_in_profile_is_well_formed_and_identified_by_its_registers() {
    let expected = [
        ("400zr", 0x18, true, 3),
        ("openzrp", 0x18, true, 6),
        ("800zr", 0x19, true, 15),
        ("400g-fr4", 0x18, false, 2),
        ("copper", 0x18, false, 4),
        ("dual400", 0x21, true, 4),
    ];
    for (profile, (name, identifier, coherent, applications)) in Profile::built_in().into_iter().zip(expected)
    {
        assert_eq!(profile.name, name);
        assert_eq!(Profile::by_name(name), Some(profile.clone()));
        let bench = Bench::new(profile);
        assert_eq!(bench.info.identifier, identifier, "{name}");
        assert_eq!((bench.info.is_coherent(), bench.info.tunable), (coherent, coherent), "{name}");
        assert_eq!(bench.info.applications.len(), applications, "{name}");
        assert_eq!(bench.info.vendor_name.as_str(), "IPOWDM-EMU");
    }
    assert_eq!(Profile::by_name("nonesuch"), None);
}

#[test]
fn a_cable_with_flat_memory_has_one_page_and_nothing_to_write() {
    let mut raw = Raw::new(Profile::COPPER);
    assert_eq!((raw.byte(2) & 0x80, (raw.byte(3) >> 1) & 7), (0x80, 3));
    assert_eq!(raw.read::<4>(86), [0x1D, 0x01, 0x88, 0x01]);
    for page in [0x01, 0x10, 0x11] {
        raw.write(127, &[page]);
        assert_eq!(raw.byte(127), 0);
    }
    raw.write(26, &[0xFF]);
    raw.write(31, &[0xFF]);
    assert_eq!((raw.byte(26), raw.byte(31)), (0, 0));
    let half: [u8; 95] = raw.read(128);
    assert_eq!(half[..94].iter().fold(0_u8, |sum, byte| sum.wrapping_add(*byte)), half[94]);
}

#[test]
fn a_grey_module_has_four_lanes_of_light_and_no_laser_to_tune() {
    let mut raw = Raw::new(Profile::GREY400);
    for page in [0x04, 0x12, 0x34, 0x9F] {
        raw.write(127, &[page]);
        assert_eq!(raw.byte(127), 0, "page {page:02X}h");
    }
    raw.control(r#"{"line": {"spans": [{"length_km": 2, "loss_db": 3}], "far_end": {"tx_power_dbm": 1}}}"#);
    raw.activate();
    raw.quiet();
    assert_eq!((raw.of::<1>(0x11, 133), raw.read::<1>(147)), ([0x0F], [0]));
    for lane in 0..4 {
        let (transmitted, received) = (raw.word(0x11, 154 + 2 * lane), raw.word(0x11, 186 + 2 * lane));
        assert!((12_000..13_000).contains(&transmitted), "1 dBm: {transmitted}");
        assert!((6_000..6_700).contains(&received), "-2 dBm: {received}");
    }
    assert_eq!(raw.word(0x11, 162), 0, "there is no fifth lane");
    raw.put(0x10, 130, &[0x02]);
    raw.clock.advance(1_000);
    assert_eq!(raw.of::<1>(0x11, 133), [0], "one lane disabled takes the data path's output down");
}

#[test]
fn a_profile_from_a_file_is_like_a_built_in_one() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("own.toml");
    let text =
        include_str!("../profiles/400zr.toml").replace("400ZR-QDD", "MINE").replace("\"400zr\"", "\"mine\"");
    std::fs::write(&path, text).unwrap();
    let bench = Bench::new(Profile::load(&path).unwrap());
    assert_eq!(bench.info.part_number.as_str(), "MINE");
    let missing = Profile::load(&directory.path().join("absent.toml")).unwrap_err();
    assert!(matches!(missing, ProfileError::Unreadable { .. }), "{missing}");
}

#[test]
fn what_is_no_profile_is_refused_with_the_place() {
    let good = include_str!("../profiles/openzrp.toml");
    assert!(Profile::from_toml(good).is_ok());
    for (from, to, words) in [
        ("serial_prefix", "serial_prefx", "serial_prefx"),
        ("MaxPower = 20.0", "MaxPower = 20.1", "MaxPower"),
        ("MaxPower = 20.0", "MaxPower = 70.0", "beyond"),
        ("VendorRev = \"A1\"", "VendorRev = \"A123\"", "VendorRev"),
        ("CmisSmSupport", "CmisSnSupport", "CmisSnSupport"),
        ("TransmitterIsTunable = true", "TransmitterIsTunable = false", "laser"),
        ("VDMPagesSupported = true", "VDMPagesSupported = false", "vdm"),
        ("CdbInstancesSupported = 1", "CdbInstancesSupported = 0", "cdb"),
        ("default_power_dbm = -10.0", "default_power_dbm = 3.0", "default_power_dbm"),
        ("default_channel = 0", "default_channel = 31", "default_channel"),
        ("observable = 139, lane = 0", "observable = 99, lane = 0", "observable"),
        ("host_assignment = 0x55", "host_assignment = 0x00", "applications"),
        ("dp_init = { ms = 12000, code = 9 }", "dp_init = { ms = 12000, code = 16 }", "durations"),
        ("sub_interval_ms = 1000", "sub_interval_ms = 0", "vdm"),
        ("BanksSupported = 0", "BanksSupported = 3", "applications"),
    ] {
        let text = good.replacen(from, to, 1);
        assert_ne!(text, good, "{from}");
        if to == "BanksSupported = 3" {
            // One bank more than no extra bank is one bank: legal, if odd.
            assert!(Profile::from_toml(&text).is_ok());
            continue;
        }
        let error = Profile::from_toml(&text).unwrap_err().to_string();
        assert!(error.contains(words), "{to}: {error}");
    }
    assert!(Profile::OPENZRP.altered(|profile| profile.power_on.app_sel = 9).is_err());
}

/// What a page has that a write does not simply store, or that another register decides.
fn acts(page: u8, byte: u8) -> bool {
    match page {
        0x00 => matches!(byte, 26 | 126 | 127),
        // Triggers, and what takes paths up or down.
        0x10 => matches!(byte, 128 | 130 | 132 | 143 | 144 | 176..=179 | 211 | 212),
        // Channels and powers are checked.
        0x12 => byte < 216,
        // Loopbacks exclude each other.
        0x13 => matches!(byte, 180..=183),
        0x2F => true,
        0x9F => true,
        _ => false,
    }
}

#[test]
fn every_register_is_read_only_writable_or_cleared_as_the_map_says() {
    for profile in Profile::built_in() {
        let name = profile.name.clone();
        let mut raw = Raw::new(profile);
        let mut seen = (0, 0);
        for field in map::TABLES.iter().copied().flatten() {
            for index in 0..field.count {
                let Some(place) = field.element(index) else { continue };
                if acts(field.page, place.at.byte) {
                    continue;
                }
                if !place.at.is_lower() {
                    raw.write(126, &[0, field.page]);
                    if raw.byte(127) != field.page {
                        break;
                    }
                }
                let mask = field.mask(index);
                let before = raw.byte(place.at.byte);
                raw.write(place.at.byte, &[before ^ mask]);
                let after = raw.byte(place.at.byte);
                match field.access {
                    Access::Rw => {
                        // Stored, or not implemented by this module and then 0.
                        let stored = (after ^ before) & mask == mask || after & mask == 0;
                        assert!(stored, "{name}: {} {:02X}h:{}", field.name, field.page, place.at.byte);
                        raw.write(place.at.byte, &[before]);
                        seen.0 += 1;
                    }
                    Access::Wo | Access::WoSc => assert_eq!(after & mask, 0, "{name}: {}", field.name),
                    Access::Ro => {
                        let steady = (after ^ before) & mask == 0 || matches!(field.page, 0x24..=0x27);
                        let moving = matches!(place.at.byte, 3..=25) && place.at.is_lower();
                        let measured = matches!(field.page, 0x14 | 0x34 | 0x35 | 0x3A);
                        assert!(
                            steady || moving || measured,
                            "{name}: {} {:02X}h:{} was {before:02X}h, is {after:02X}h",
                            field.name,
                            field.page,
                            place.at.byte
                        );
                        seen.1 += 1;
                    }
                    Access::Cor => {}
                }
            }
        }
        println!("{name}: {} writable and {} read-only registers", seen.0, seen.1);
        assert!(seen.1 > 90, "{name}");
    }
}

#[test]
fn writes_beyond_eight_bytes_are_refused_unless_the_profile_takes_them() {
    let lenient = Profile::OPENZRP.altered(|profile| profile.enforce_write_limit = false).unwrap();
    let mut strict = Raw::new(Profile::OPENZRP);
    let mut lenient = Raw::new(lenient);
    for raw in [&mut strict, &mut lenient] {
        raw.page(0x10);
        raw.clock.advance(5);
    }
    let refused = strict.window.write(145, &[0x20; 29]);
    assert!(matches!(refused, Err(TransportError::BadAccess { len: 29, .. })));
    assert_eq!(strict.read::<8>(145), [0x10; 8], "and nothing of it is written");
    lenient.window.write(145, &[0x20; 29]).unwrap();
    assert_eq!(lenient.read::<8>(145), [0x20; 8]);
}

/// What a host may do to a module, sensible or not.
#[derive(Debug, Clone)]
enum Deed {
    Select(u8, u8),
    Write(u8, Vec<u8>),
    Read(u8, u8),
    Wait(u64),
    Fault(u8, u32),
    Line(i16, i16),
}

fn deed() -> impl Strategy<Value = Deed> {
    prop_oneof![
        3 => (0..3_u8, prop::sample::select(PAGES.to_vec())).prop_map(|(bank, page)| Deed::Select(bank, page)),
        6 => (any::<u8>(), prop::collection::vec(any::<u8>(), 1..16)).prop_map(|(at, bytes)| Deed::Write(at, bytes)),
        2 => (126..150_u8, prop::collection::vec(any::<u8>(), 1..9)).prop_map(|(at, bytes)| Deed::Write(at, bytes)),
        4 => (any::<u8>(), 1..=128_u8).prop_map(|(at, len)| Deed::Read(at, len)),
        3 => prop_oneof![0..100_u64, 0..100_000_u64, any::<u64>()].prop_map(Deed::Wait),
        1 => (any::<u8>(), any::<u32>()).prop_map(|(kind, number)| Deed::Fault(kind, number)),
        1 => (any::<i16>(), any::<i16>()).prop_map(|(power, osnr)| Deed::Line(power, osnr)),
    ]
}

const PAGES: [u8; 22] = [
    0x00, 0x01, 0x02, 0x04, 0x0D, 0x10, 0x10, 0x11, 0x12, 0x12, 0x13, 0x14, 0x20, 0x24, 0x2C, 0x2F, 0x34,
    0x35, 0x3A, 0x9F, 0xA0, 0xFF,
];

fn fault(kind: u8, number: u32) -> Fault {
    match kind % 12 {
        0 => Fault::Slow { times: number },
        1 => Fault::Instant { on: number.is_multiple_of(2) },
        2 => Fault::TornReads { reads: number },
        3 => Fault::WrongPageRestore { times: number % 5 },
        4 => Fault::SpontaneousReset { after_ms: u64::from(number) },
        5 => Fault::PullOut { after_ms: u64::from(number % 1_000), for_ms: Some(u64::from(number)) },
        6 => Fault::LaserReportOffset { mhz: number.cast_signed() },
        7 => Fault::ModuleFault { cause: number.to_le_bytes()[0] },
        8 => Fault::Insert,
        9 => Fault::SubInterval32Bits { on: true },
        10 => Fault::RejectAppSel0 { on: true },
        _ => Fault::Clear,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_host_brings_a_module_down(which in 0..6_usize, deeds in prop::collection::vec(deed(), 1..120)) {
        let profile = Profile::built_in()[which].clone();
        let mut raw = Raw::new(profile);
        raw.write(26, &[0x00]);
        for deed in deeds {
            match deed {
                Deed::Select(bank, page) => {
                    let _ = raw.window.write(126, &[bank, page]);
                }
                Deed::Write(at, bytes) => {
                    let _ = raw.window.write(at, &bytes);
                }
                Deed::Read(at, len) => {
                    let _ = raw.window.read(at, &mut vec![0; usize::from(len)]);
                }
                Deed::Wait(ms) => raw.clock.advance(ms),
                Deed::Fault(kind, number) => raw.module.inject(fault(kind, number)).unwrap(),
                Deed::Line(power, osnr) => {
                    let (power, osnr) = (f64::from(power) / 100.0, f64::from(osnr) / 100.0);
                    raw.control(&format!(r#"{{"line": {{"received": {{"power_dbm": {power}, "osnr_db": {osnr}}}}}}}"#));
                }
            }
        }
        // Taken back, reset and left alone it is a module in LowPwr again, or Ready where memory is flat.
        for fault in [Fault::Clear, Fault::Insert] {
            raw.module.inject(fault).unwrap();
        }
        raw.module.reset();
        raw.clock.advance(10_000);
        let state = (raw.byte(3) >> 1) & 7;
        prop_assert_eq!(state, if which == 4 { 3 } else { 1 });
    }
}
