use super::*;
use crate::codes::DataPathState;
use crate::line::{LineParameters, OpticalLine};
use crate::procedure::{
    ApplicationChoice, Change, Configure, Flags, Identify, ModuleInfo, Sweep, SweepReport, Target, run,
};
use ipowdm_core::units::{Frequency, Power};

fn pair(profile: &Profile) -> (VirtualClock, EmulatedModule, EmulatedModule) {
    let clock = VirtualClock::new();
    let module = |serial| EmulatedModule::new(profile.clone(), serial, ModuleClock::from(&clock));
    let (a, b) = (module(1), module(2));
    (clock, a, b)
}

fn identify(module: &EmulatedModule, clock: &mut VirtualClock) -> ModuleInfo {
    run(Identify::new(), &mut module.eeprom(), clock).unwrap()
}

fn sweep(module: &EmulatedModule, info: &ModuleInfo, clock: &mut VirtualClock) -> SweepReport {
    run(Sweep::new(info, 0, Flags::Latch), &mut module.eeprom(), clock).unwrap()
}

const TARGET: Target = Target {
    frequency: Frequency::from_mhz(193_400_000),
    tx_power: Power::from_hundredths(-200),
    application: ApplicationChoice::MediaCode(0x46),
};

#[test]
fn bring_up_reaches_activated_and_reads_back() {
    let (mut clock, a, b) = pair(&Profile::OPENZRP);
    let _line = OpticalLine::connect(&a, &b, LineParameters::default()).unwrap();
    let info = identify(&a, &mut clock);
    for module in [&a, &b] {
        let readback = run(Configure::new(&info, TARGET).unwrap(), &mut module.eeprom(), &mut clock).unwrap();
        assert_eq!(readback.change, Change::Reprovisioned);
        assert_eq!(readback.frequency, TARGET.frequency);
        assert_eq!(readback.tx_power_target, TARGET.tx_power);
        assert!(readback.dp_states.iter().all(|s| *s == DataPathState::Activated));
    }
    let report = sweep(&a, &info, &mut clock);
    assert!(report.osnr.value().is_some());
}
