//! Modules in the host's time, scaled, driven from threads as tasks would drive them.

use ipowdm_cmis::emulator::{EmulatedModule, ModuleClock, Profile};
use ipowdm_cmis::line::{LineParameters, OpticalLine};
use ipowdm_cmis::procedure::{
    ApplicationChoice, Change, Configure, Flags, Identify, ProcError, Readback, Sweep, SweepReport, Target,
    run,
};
use ipowdm_cmis::time::HostClock;
use ipowdm_core::units::{Frequency, Power};
use std::thread;
use std::time::{Duration, Instant};

fn bring_up(module: &EmulatedModule) -> Result<Readback, ProcError> {
    let mut clock = HostClock::start();
    let mut eeprom = module.eeprom();
    let info = run(Identify::new(), &mut eeprom, &mut clock)?;
    let target = Target {
        frequency: Frequency::from_mhz(193_400_000),
        tx_power: Power::from_hundredths(-600),
        application: ApplicationChoice::MediaCode(0x46),
    };
    run(Configure::new(&info, target)?, &mut eeprom, &mut clock)
}

fn sweep(module: &EmulatedModule) -> Result<SweepReport, ProcError> {
    let mut clock = HostClock::start();
    let mut eeprom = module.eeprom();
    let info = run(Identify::new(), &mut eeprom, &mut clock)?;
    run(Sweep::new(&info, 0, Flags::Latch), &mut eeprom, &mut clock)
}

#[test]
fn two_ends_come_up_together_in_scaled_time() {
    let clock = ModuleClock::scaled(100);
    let (a, b) = (
        EmulatedModule::new(Profile::OPENZRP, 1, clock.clone()),
        EmulatedModule::new(Profile::ZR400, 2, clock.clone()),
    );
    let c = EmulatedModule::new(Profile::OPENZRP, 3, clock);
    let _line = OpticalLine::connect(&a, &c, LineParameters::default()).unwrap();
    let begun = Instant::now();
    let results = [&a, &c].map(|module| {
        let module = module.clone();
        thread::spawn(move || bring_up(&module))
    });
    for result in results {
        assert_eq!(result.join().unwrap().unwrap().change, Change::Reprovisioned);
    }
    // 17 s of module time; the polls of a slow machine may add to it.
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    for module in [&a, &c] {
        let report = sweep(module).unwrap();
        assert!(report.osnr.value().is_some_and(|osnr| osnr.value() > 25.0), "{:?}", report.osnr);
    }
    assert!(bring_up(&b).is_err(), "-6 dBm is too much for the plain module");
}
