//! Procedures against modules that answer anything: they end, and report typed errors.

use super::module::{Noise, Source};
use ipowdm_cmis::dump::{Dump, Plan, ReadMemory};
use ipowdm_cmis::map::Address;
use ipowdm_cmis::procedure::cdb::{Cdb, GetFirmwareFeatures, GetFirmwareInfo};
use ipowdm_cmis::procedure::{
    ApplicationChoice, BusyLimits, Configure, Flags, FullSweep, Identify, LoopbackPoint, Loopbacks, Measure,
    Measurement, ModuleInfo, ModulePower, Pollable, PowerMode, Procedure, Progress, Reset, SetLoopbacks,
    SetTxPower, Survey, Sweep, SweepScope, Target, TxControl, TxGoal, Unfreeze,
};
use ipowdm_cmis::time::Millis;
use ipowdm_core::units::{Frequency, Power};

/// Most steps and most virtual time of a procedure: a few days.
const MOST_STEPS: u32 = 2_000_000;
const MOST_TIME: u64 = 3 * 86_400_000;

fn finish<P: Procedure>(procedure: P, module: &mut Noise<'_>) -> P::Output {
    let mut now = Millis(0);
    let mut pollable = Pollable::new(procedure, BusyLimits::default());
    for _ in 0..MOST_STEPS {
        match pollable.advance(now, module) {
            Progress::Done(output) => return output,
            Progress::Sleep(until) => {
                assert!(until > now, "a wait that does not pass time");
                now = until;
            }
        }
        assert!(now.0 < MOST_TIME, "a procedure without an end");
    }
    panic!("a procedure without an end");
}

/// What lets identification go on: CMIS 5.2 QSFP-DD, paged, a constant serial number; with everything advertised.
fn plausible() -> Vec<(Address, u8)> {
    let mut held = vec![(Address::lower(0), 0x18), (Address::lower(1), 0x52), (Address::lower(2), 0)];
    held.extend((166..182).map(|byte| (Address::page(0, byte), b'7')));
    held.extend([
        (Address::page(1, 142), 0x70),
        (Address::page(1, 155), 0x40),
        (Address::page(1, 163), 0x60),
        (Address::page(4, 128), 0xFF),
        (Address::page(4, 196), 0x80),
        (Address::page(4, 198), 0x80),
        (Address::page(4, 200), 0x7F),
        (Address::lower(86), 0x11),
        (Address::lower(87), 0x3E),
        (Address::lower(88), 0x81),
        (Address::lower(89), 0x01),
    ]);
    let word = |byte: u8, value: i16| {
        let [high, low] = value.to_be_bytes();
        [(Address::page(4, byte), high), (Address::page(4, byte + 1), low)]
    };
    held.extend((130..170).step_by(4).flat_map(|low| word(low, -300)));
    held.extend((132..170).step_by(4).flat_map(|high| word(high, 300)));
    held
}

/// A module of noise behind a plausible identity, identified.
fn identified(data: &[u8]) -> Option<(ModuleInfo, Noise<'_>)> {
    let mut module = Noise { source: Source::new(data), held: plausible() };
    let info = finish(Identify::new(), &mut module).ok()?;
    Some((info, module))
}

/// Identification and a whole dump of pure noise.
pub fn identify(data: &[u8]) {
    let mut module = Noise { source: Source::new(data), held: Vec::new() };
    let _ = finish(Identify::new(), &mut module);
    if let Ok(memory) = finish(ReadMemory::new(Plan::Advertised), &mut module) {
        let _ = Dump::decode(&memory).to_string();
    }
}

/// Telemetry, with and without a freeze.
pub fn monitoring(data: &[u8]) {
    let Some((info, mut module)) = identified(data) else { return };
    if let Ok(report) = finish(Sweep::new(&info, 0, Flags::Latch), &mut module) {
        assert!(report.osnr.value().is_none_or(|osnr| osnr.value().is_finite()));
    }
    if let Ok(catalogue) = finish(Survey::new(&info, 0), &mut module)
        && let Ok(sweep) = FullSweep::new(&info, &[&catalogue], 0, SweepScope::default())
    {
        let _ = finish(sweep, &mut module);
    }
    let _ = finish(Unfreeze::new(), &mut module);
}

/// Bring-up, power, output and reset.
pub fn configuration(data: &[u8]) {
    let Some((info, mut module)) = identified(data) else { return };
    let target = Target {
        frequency: Frequency::from_mhz(193_100_000),
        tx_power: Power::from_hundredths(-1000),
        application: ApplicationChoice::AppSel(1),
    };
    if let Ok(procedure) = Configure::new(&info, target) {
        let _ = finish(procedure, &mut module);
    }
    for goal in [TxGoal::Deactivate, TxGoal::Disable, TxGoal::Enable] {
        if let Ok(procedure) = TxControl::new(&info, goal) {
            let _ = finish(procedure, &mut module);
        }
    }
    for mode in [PowerMode::High, PowerMode::Low] {
        if let Ok(procedure) = ModulePower::new(&info, mode) {
            let _ = finish(procedure, &mut module);
        }
    }
    if let Ok(procedure) = SetTxPower::new(&info, Power::from_hundredths(0), 0) {
        let _ = finish(procedure, &mut module);
    }
    if let Ok(procedure) = Reset::new(&info) {
        let _ = finish(procedure, &mut module);
    }
}

/// Loopbacks and measurements.
pub fn diagnostics(data: &[u8]) {
    let Some((info, mut module)) = identified(data) else { return };
    let loopbacks = Loopbacks::all_lanes(LoopbackPoint::MediaInput);
    for wanted in [loopbacks, Loopbacks::NONE] {
        if let Ok(procedure) = SetLoopbacks::new(&info, 0, wanted) {
            let _ = finish(procedure, &mut module);
        }
    }
    for measurement in [Measurement::BitErrorRatio, Measurement::ErrorCounters, Measurement::Snr] {
        if let Ok(procedure) = Measure::new(&info, 0, measurement) {
            let _ = finish(procedure, &mut module);
        }
    }
}

/// CDB commands and the decoding of their replies.
pub fn cdb(data: &[u8]) {
    let Some((info, mut module)) = identified(data) else { return };
    if let Ok(procedure) = Cdb::new(&info, 1, GetFirmwareFeatures) {
        let _ = finish(procedure, &mut module);
    }
    if let Ok(procedure) = Cdb::new(&info, 1, GetFirmwareInfo) {
        let _ = finish(procedure, &mut module);
    }
}
