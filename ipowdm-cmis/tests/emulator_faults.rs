//! Item 18 of the checklist: faults on demand.

#![expect(clippy::unwrap_used, reason = "a bench that does not work fails its test")]

mod common;

use common::raw::Raw;
use common::{Bench, target};
use ipowdm_cmis::access::{TransportError, Window};
use ipowdm_cmis::emulator::{Control, ControlError, Fault, FaultError, LinearModule, Profile};
use ipowdm_cmis::map::Address;
use ipowdm_cmis::procedure::ProcError;

fn inject(raw: &Raw, fault: Fault) {
    raw.module.inject(fault).unwrap();
}

#[test]
fn item_18_accesses_fail_in_every_way_as_often_as_asked() {
    let mut raw = Raw::new(Profile::OPENZRP);
    let cases = [
        (Fault::Enxio { accesses: 2 }, TransportError::Absent),
        (Fault::Nack { accesses: 2 }, TransportError::Busy),
        (Fault::ClockStretch { accesses: 2 }, TransportError::TimedOut),
    ];
    for (fault, error) in cases {
        inject(&raw, fault);
        assert_eq!(raw.window.read(0, &mut [0]), Err(error));
        assert_eq!(raw.window.write(31, &[0]), Err(error));
        assert_eq!(raw.window.read(0, &mut [0]), Ok(()));
    }
    inject(&raw, Fault::NackFor { ms: 500 });
    raw.clock.advance(499);
    assert_eq!(raw.window.read(0, &mut [0]), Err(TransportError::Busy));
    raw.clock.advance(1);
    assert_eq!(raw.window.read(0, &mut [0]), Ok(()));
    inject(&raw, Fault::StuckBusy { on: true });
    raw.clock.advance(1_000_000_000);
    assert_eq!(raw.window.read(0, &mut [0]), Err(TransportError::Busy));
    inject(&raw, Fault::StuckBusy { on: false });
    assert_eq!(raw.window.read(0, &mut [0]), Ok(()));
}

#[test]
fn item_18_a_torn_read_mixes_two_moments_and_a_single_scalar_is_whole() {
    let mut raw = Raw::lit(Profile::OPENZRP);
    let before: [u8; 128] = raw.of(0x24, 128);
    raw.clock.advance(30_000);
    raw.control(r#"{"line": {"received": {"power_dbm": -5, "osnr_db": 33}}}"#);
    inject(&raw, Fault::TornReads { reads: 1 });
    let torn: [u8; 128] = raw.read(128);
    assert_eq!(torn[..64], before[..64], "the first half is as it was");
    let whole: [u8; 128] = raw.read(128);
    assert_ne!(whole, torn);
    raw.control(r#"{"line": {"received": {"power_dbm": -5, "osnr_db": 26}}}"#);
    inject(&raw, Fault::TornReads { reads: 1 });
    let osnr = u16::from_be_bytes(raw.read(140));
    assert!((255..265).contains(&osnr), "an access of a scalar is coherent: {osnr}");
}

#[test]
fn item_18_a_page_restore_that_is_not_obeyed_shows_the_wrong_page() {
    let mut raw = Raw::new(Profile::OPENZRP);
    raw.page(0x11);
    inject(&raw, Fault::WrongPageRestore { times: 1 });
    raw.write(127, &[0]);
    assert_eq!(raw.byte(127), 0x11);
    raw.write(127, &[0]);
    assert_eq!(raw.byte(127), 0x00);
    // Through linear offsets: reads of page 00h show the other page, until it is selected again.
    let memory = LinearModule::new(raw.module.clone());
    let read = |page: u8, byte: u8| {
        let mut value = [0; 4];
        memory.read(Address::page(page, byte).linear(), &mut value).unwrap();
        value
    };
    let identity = read(0x00, 128);
    inject(&raw, Fault::WrongPageRestore { times: 1 });
    let states = read(0x11, 128);
    assert_eq!(read(0x00, 128), states, "page 11h in the place of page 00h");
    assert_eq!(read(0x00, 128), states);
    assert_eq!(read(0x11, 128), states);
    assert_eq!(read(0x00, 128), identity, "an access above page 00h has put it right");
    inject(&raw, Fault::WrongPageRestore { times: 1 });
    read(0x11, 128);
    memory.write(127, &[0]).unwrap();
    assert_eq!(read(0x00, 128), identity, "and so does a write to 127");
}

#[test]
fn item_18_a_module_resets_leaves_returns_and_is_swapped_by_itself() {
    let mut raw = Raw::lit(Profile::OPENZRP);
    inject(&raw, Fault::SpontaneousReset { after_ms: 5_000 });
    raw.clock.advance(4_900);
    assert!(raw.module.emission().is_some());
    raw.clock.advance(200);
    assert!(raw.module.emission().is_none());
    assert_eq!(raw.window.read(0, &mut [0]), Err(TransportError::Busy));
    raw.clock.advance(1_000);
    assert_eq!((raw.byte(3) >> 1) & 7, 1, "LowPwr");
    inject(&raw, Fault::PullOut { after_ms: 1_000, for_ms: Some(3_000) });
    raw.clock.advance(2_000);
    assert_eq!(raw.window.read(0, &mut [0]), Err(TransportError::Absent));
    raw.clock.advance(3_000);
    assert_eq!(raw.byte(0), 0x18);
    inject(&raw, Fault::Swap { profile: "800zr".to_string(), serial: 77 });
    raw.clock.advance(3_000);
    assert_eq!(raw.byte(0), 0x19);
    assert_eq!(&raw.of::<16>(0x00, 166), b"EMU800000077    ");
    let unknown = raw.module.inject(Fault::Swap { profile: "nonesuch".to_string(), serial: 1 });
    assert_eq!(unknown, Err(FaultError::UnknownProfile("nonesuch".to_string())));
    assert_eq!(raw.byte(0), 0x19);
}

#[test]
fn item_18_transitions_can_be_very_slow_or_take_no_time() {
    let mut raw = Raw::new(Profile::OPENZRP);
    inject(&raw, Fault::Slow { times: 50 });
    raw.write(26, &[0x00]);
    raw.clock.advance(149_000);
    assert_eq!((raw.byte(3) >> 1) & 7, 2, "PwrUp for 150 s");
    raw.clock.advance(1_100);
    assert_eq!((raw.byte(3) >> 1) & 7, 3);
    inject(&raw, Fault::Instant { on: true });
    raw.put(0x10, 130, &[0]);
    raw.put(0x10, 128, &[0]);
    let mut states = [0; 4];
    raw.page(0x11);
    raw.window.read(128, &mut states).unwrap();
    assert_eq!(states, [0x44; 4], "Activated at once");
}

#[test]
fn item_18_applies_are_rejected_or_ignored_and_appsel_0_refused() {
    let mut bench = Bench::new(Profile::OPENZRP);
    bench.module.inject(Fault::RejectApplies { triggers: 1 }).unwrap();
    let error = bench.configure(target(193_400_000, -1000, 0x47)).unwrap_err();
    assert!(matches!(error, ProcError::Rejected { .. }), "{error:?}");
    let mut raw = Raw::lit(Profile::OPENZRP);
    inject(&raw, Fault::IgnoreApplies { triggers: 1 });
    raw.put(0x10, 145, &[0x20; 8]);
    raw.put(0x10, 143, &[0xFF]);
    raw.clock.advance(1_000);
    assert_eq!(raw.of::<4>(0x11, 202), [0; 4]);
    inject(&raw, Fault::RejectAppSel0 { on: true });
    raw.put(0x10, 145, &[0x00; 8]);
    raw.put(0x10, 143, &[0xFF]);
    raw.clock.advance(1_000);
    assert_eq!(raw.of::<4>(0x11, 202), [0x33; 4], "RejectedInvalidAppSel");
    assert!(raw.module.emission().is_some());
}

#[test]
fn item_18_the_counter_of_a_sub_interval_can_hold_32_bits_only() {
    let mut raw = Raw::lit(Profile::OPENZRP);
    raw.clock.advance(10_000);
    let whole = raw.long(0x34, 136);
    assert!(whole > u64::from(u32::MAX));
    inject(&raw, Fault::SubInterval32Bits { on: true });
    assert_eq!(raw.long(0x34, 136), whole & 0xFFFF_FFFF);
    assert_eq!(raw.long(0x3A, 136) >> 32, 0);
    inject(&raw, Fault::Clear);
    assert_eq!(raw.long(0x34, 136), whole);
}

#[test]
fn a_fault_state_is_left_by_a_reset_only() {
    let mut raw = Raw::lit(Profile::OPENZRP);
    inject(&raw, Fault::ModuleFault { cause: 1 });
    assert_eq!(((raw.byte(3) >> 1) & 7, raw.byte(41)), (5, 1));
    assert!(raw.module.emission().is_none());
    inject(&raw, Fault::Clear);
    raw.clock.advance(100_000);
    assert_eq!((raw.byte(3) >> 1) & 7, 5);
    raw.write(26, &[0x08]);
    raw.clock.advance(2_000);
    assert_eq!((raw.byte(3) >> 1) & 7, 1);
}

#[test]
fn every_fault_has_its_form_in_json() {
    let faults = [
        (r#"{"fault":"enxio","accesses":3}"#, Fault::Enxio { accesses: 3 }),
        (r#"{"fault":"nack","accesses":3}"#, Fault::Nack { accesses: 3 }),
        (r#"{"fault":"nack_for","ms":5}"#, Fault::NackFor { ms: 5 }),
        (r#"{"fault":"stuck_busy","on":true}"#, Fault::StuckBusy { on: true }),
        (r#"{"fault":"clock_stretch","accesses":1}"#, Fault::ClockStretch { accesses: 1 }),
        (r#"{"fault":"torn_reads","reads":1}"#, Fault::TornReads { reads: 1 }),
        (r#"{"fault":"wrong_page_restore","times":1}"#, Fault::WrongPageRestore { times: 1 }),
        (r#"{"fault":"spontaneous_reset","after_ms":0}"#, Fault::SpontaneousReset { after_ms: 0 }),
        (r#"{"fault":"pull_out","after_ms":1,"for_ms":2}"#, Fault::PullOut { after_ms: 1, for_ms: Some(2) }),
        (r#"{"fault":"insert"}"#, Fault::Insert),
        (
            r#"{"fault":"swap","profile":"400zr","serial":3}"#,
            Fault::Swap { profile: "400zr".to_string(), serial: 3 },
        ),
        (r#"{"fault":"slow","times":9}"#, Fault::Slow { times: 9 }),
        (r#"{"fault":"instant","on":true}"#, Fault::Instant { on: true }),
        (r#"{"fault":"reject_applies","triggers":1}"#, Fault::RejectApplies { triggers: 1 }),
        (r#"{"fault":"ignore_applies","triggers":1}"#, Fault::IgnoreApplies { triggers: 1 }),
        (r#"{"fault":"reject_app_sel0","on":true}"#, Fault::RejectAppSel0 { on: true }),
        (r#"{"fault":"sub_interval32_bits","on":true}"#, Fault::SubInterval32Bits { on: true }),
        (r#"{"fault":"module_fault","cause":1}"#, Fault::ModuleFault { cause: 1 }),
        (r#"{"fault":"laser_report_offset","mhz":-300}"#, Fault::LaserReportOffset { mhz: -300 }),
        (r#"{"fault":"damage_image"}"#, Fault::DamageImage),
        (r#"{"fault":"clear"}"#, Fault::Clear),
    ];
    let guide = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/emulator.md");
    let guide = std::fs::read_to_string(guide).unwrap();
    for (json, fault) in faults {
        assert_eq!(serde_json::from_str::<Fault>(json).unwrap(), fault);
        assert_eq!(serde_json::to_string(&fault).unwrap(), json);
        let name = json.split('"').nth(3).unwrap();
        assert!(guide.contains(&format!("`{name}`")), "docs/emulator.md does not name {name}");
    }
}

#[test]
fn a_document_that_is_wrong_anywhere_changes_nothing() {
    let raw = Raw::lit(Profile::OPENZRP);
    for (document, kind) in [
        ("{", "syntax"),
        (r#"{"lines": {}}"#, "syntax"),
        (r#"{"line": {"pdl": 3}}"#, "syntax"),
        (r#"{"faults": [{"fault": "enxio"}]}"#, "syntax"),
        (r#"{"faults": [{"fault": "pull_out"}, {"fault": "swap", "profile": "x", "serial": 1}]}"#, "fault"),
        (r#"{"faults": [{"fault": "pull_out"}], "line": {"pdl_db": {"points": []}}}"#, "line"),
        (
            r#"{"faults": [{"fault": "pull_out"}], "line": {"spans": [{"length_km": -1, "loss_db": 3}]}}"#,
            "line",
        ),
        (
            r#"{"faults": [{"fault": "pull_out"}], "surroundings": {"supply_v": {"mean": 1, "amplitude": 1, "period_ms": 0}}}"#,
            "surroundings",
        ),
    ] {
        let result = Control::from_json(document).and_then(|control| raw.module.control(control));
        let error = result.unwrap_err();
        let found = match error {
            ControlError::Syntax(_) => "syntax",
            ControlError::Line(_) => "line",
            ControlError::Surroundings(_) => "surroundings",
            ControlError::Fault(_) => "fault",
            _ => "other",
        };
        assert_eq!(found, kind, "{document}");
        assert!(raw.module.emission().is_some(), "{document}");
    }
}
