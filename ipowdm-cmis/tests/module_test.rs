//! The checks of a module: emulated ones pass, and what is put wrong is found.

#![expect(clippy::unwrap_used, reason = "a bench that does not work fails its test")]

mod common;

use common::{Bench, target};
use ipowdm_cmis::access::Eeprom;
use ipowdm_cmis::emulator::Profile;
use ipowdm_cmis::map::Address;
use ipowdm_cmis::module_test::{Extent, Report, Verdict, bring_up, inspect};
use ipowdm_cmis::procedure::{Change, Options, ProcError, Stage, WaitStep};
use ipowdm_cmis::transport::{Image, StillClock};

fn checked(bench: &mut Bench) -> Report {
    inspect(&mut bench.eeprom, &mut bench.clock, Extent::Module).unwrap().1
}

#[test]
fn emulated_modules_pass_dark_and_lit_and_are_not_written_to() {
    for (profile, media) in [(Profile::OPENZRP, 0x46), (Profile::ZR400, 0x3E)] {
        let mut bench = Bench::new(profile);
        let writes = bench.eeprom.counters().writes;
        let report = checked(&mut bench);
        assert!(report.passed(), "{report}");
        assert_eq!(bench.eeprom.counters().writes, writes);
        bench.configure(target(193_400_000, -1000, media)).unwrap();
        let writes = bench.eeprom.counters().writes;
        let report = checked(&mut bench);
        assert!(report.passed(), "{report}");
        assert_eq!(bench.eeprom.counters().writes, writes);
    }
}

/// The memory of an emulated module that is lit, to put something wrong in it.
fn image() -> Image {
    let mut bench = Bench::new(Profile::OPENZRP);
    bench.configure(target(193_400_000, -1000, 0x46)).unwrap();
    let mut half = [0; 128];
    bench.read(Address::lower(0), &mut half);
    let mut image = Image::new(half);
    for page in 0..=0x4F {
        if bench.has(page) {
            bench.read(Address::page(page, 128), &mut half);
            image.put_page(0, page, half);
        }
    }
    image
}

#[test]
fn what_is_put_wrong_is_found_with_its_registers() {
    let good = inspect(&mut image(), &mut StillClock::default(), Extent::Dump).unwrap().1;
    assert!(good.passed(), "{good}");
    let cases: [(Address, u8, &str); 10] = [
        (Address::page(0x00, 150), b'#', "00h:222"),
        (Address::page(0x01, 140), 0xA5, "01h:255"),
        (Address::page(0x04, 255), 0x00, "04h:255"),
        (Address::page(0x01, 144), 0x7E, "01h:144.3-0"),
        (Address::page(0x01, 160), 0x18, "01h:160.4-3"),
        (Address::page(0x11, 129), 0x49, "11h:128-131"),
        (Address::page(0x11, 203), 0x91, "11h:202-205"),
        (Address::page(0x11, 206), 0xF0, "11h:206-213"),
        (Address::page(0x10, 128), 0x01, "10h:128, 11h:128"),
        (Address::page(0x12, 168), 0x0A, "12h:168"),
    ];
    for (at, value, registers) in cases {
        let mut image = image();
        // An image takes writes as memory does.
        image.write(at, &[value]).unwrap();
        let report = inspect(&mut image, &mut StillClock::default(), Extent::Dump).unwrap().1;
        let failed =
            report.lines.iter().any(|line| line.verdict == Verdict::Fail && line.registers == registers);
        assert!(failed, "{at} = {value:02X}h: {report}");
    }
}

#[test]
fn a_page_that_is_advertised_and_missing_fails_a_module_and_warns_of_a_dump() {
    let mut image = image();
    // Diagnostics pages are advertised and not there.
    let mut byte = [0];
    image.read(Address::page(0x01, 142), &mut byte).unwrap();
    image.write(Address::page(0x01, 142), &[byte[0] | 0x04]).unwrap();
    for (extent, verdict) in [(Extent::Module, Verdict::Fail), (Extent::Dump, Verdict::Warn)] {
        let report = inspect(&mut image, &mut StillClock::default(), extent).unwrap().1;
        let line = report.lines.iter().find(|line| line.words.contains("not there: 03h")).unwrap();
        assert_eq!(line.verdict, verdict);
    }
}

#[test]
fn a_faulted_module_fails_with_its_cause() {
    let mut bench = Bench::new(Profile::OPENZRP);
    bench.module.raise_fault(3);
    let report = checked(&mut bench);
    assert!(report.to_string().contains("module fault, cause 3"), "{report}");
    assert!(!report.passed());
}

#[test]
fn a_bring_up_tells_every_stage_once_and_is_repeatable() {
    let mut bench = Bench::new(Profile::OPENZRP);
    let mut stages = Vec::new();
    let target = target(193_400_000, -1000, 0x46);
    let (info, options) = (bench.info.clone(), Options::default());
    let mut tell = |progress: ipowdm_cmis::module_test::Progress| stages.push(progress.stage);
    let done = bring_up(&mut bench.eeprom, &mut bench.clock, &info, target, options, &mut tell).unwrap();
    assert!(done.passed() && done.repeatable == Some(true));
    assert_eq!(done.result.unwrap().change, Change::Reprovisioned);
    assert_eq!(
        stages,
        [
            Stage::Reading,
            Stage::PoweringUp,
            Stage::TakingDown,
            Stage::Tuning,
            Stage::Provisioning,
            Stage::Initialising,
            Stage::TurningOn,
            Stage::ReadingBack,
        ]
    );
    let table = done.to_string();
    for step in [WaitStep::ModuleReady, WaitStep::Initialized, WaitStep::Activated] {
        assert!(table.contains(&step.to_string()), "{table}");
    }
    assert!(table.contains("60.000 s"), "the advertised limit: {table}");
    let initialized = done.times.iter().find(|time| time.step == WaitStep::Initialized).unwrap();
    assert!(initialized.took >= Profile::OPENZRP.durations.dp_init.actual);
    assert!(done.lines().iter().all(|line| line.verdict == Verdict::Pass));
}

#[test]
fn a_bring_up_that_fails_says_why_and_leaves_the_module_dark() {
    let mut bench = Bench::new(Profile::OPENZRP);
    bench.module.reject_applies(10);
    let target = target(193_400_000, -1000, 0x46);
    let (info, options) = (bench.info.clone(), Options::default());
    let done = bring_up(&mut bench.eeprom, &mut bench.clock, &info, target, options, &mut |_| {}).unwrap();
    assert!(!done.passed() && done.repeatable.is_none());
    assert!(matches!(done.result, Err(ProcError::Rejected { lane: 1, .. })));
    assert!(bench.module.emission().is_none());
}

#[test]
fn a_slow_module_is_warned_of() {
    let mut bench = Bench::new(Profile::OPENZRP);
    // Six times 3 s is above the advertised 5 s, and within nothing: the power-up times out.
    bench.module.slow_down(2);
    let target = target(193_400_000, -1000, 0x46);
    let (info, options) = (bench.info.clone(), Options::default());
    let done = bring_up(&mut bench.eeprom, &mut bench.clock, &info, target, options, &mut |_| {}).unwrap();
    let warned =
        done.lines().iter().any(|line| line.verdict == Verdict::Warn && line.registers == "01h:167.3-0");
    assert!(warned, "{done}");
}
