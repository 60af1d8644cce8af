//! What many emulated modules cost: pairs over lines, brought up together in virtual time, then swept.
//!
//! `cargo run --release -p ipowdm-cmis --features emulator --example many_modules -- 1600`

use ipowdm_cmis::access::{Eeprom, Paged};
use ipowdm_cmis::emulator::{EmulatedModule, EmulatedWindow, ModuleClock, Profile, VirtualClock};
use ipowdm_cmis::line::{LineParameters, OpticalLine};
use ipowdm_cmis::procedure::{
    ApplicationChoice, BusyLimits, Configure, Flags, Identify, ModuleInfo, Pollable, Procedure, Progress,
    Sweep, Target,
};
use ipowdm_cmis::time::{Clock, Millis};
use ipowdm_core::units::{Frequency, Power};
use std::time::Instant;

/// Runs one procedure on every module, all at the same time, as one task each would; the number of calls.
fn run_all<P: Procedure>(
    procedures: Vec<P>,
    eeproms: &mut [Paged<EmulatedWindow>],
    clock: &mut VirtualClock,
) -> (Vec<P::Output>, u64) {
    let mut running: Vec<_> =
        procedures.into_iter().map(|p| (Pollable::new(p, BusyLimits::default()), Millis(0), None)).collect();
    let mut calls = 0;
    loop {
        let now = clock.now();
        for ((pollable, due, output), eeprom) in running.iter_mut().zip(eeproms.iter_mut()) {
            if output.is_none() && *due <= now {
                calls += 1;
                match pollable.advance(now, eeprom) {
                    Progress::Sleep(until) => *due = until,
                    Progress::Done(done) => *output = Some(done),
                }
            }
        }
        match running.iter().filter(|(_, _, output)| output.is_none()).map(|(_, due, _)| *due).min() {
            Some(due) => clock.sleep_until(due),
            None => return (running.into_iter().filter_map(|(_, _, output)| output).collect(), calls),
        }
    }
}

fn resident_kib() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmRSS:"))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let count: u32 = std::env::args().nth(1).map_or(Ok(1_600), |text| text.parse())?;
    let mut clock = VirtualClock::new();
    let before = resident_kib().unwrap_or(0);
    let modules: Vec<_> = (0..count)
        .map(|serial| EmulatedModule::new(Profile::OPENZRP, serial, ModuleClock::from(&clock)))
        .collect();
    let lines = modules
        .chunks_exact(2)
        .map(|pair| OpticalLine::connect(&pair[0], &pair[1], LineParameters::default()))
        .collect::<Result<Vec<_>, _>>()?;
    let mut eeproms: Vec<_> = modules.iter().map(EmulatedModule::eeprom).collect();
    println!(
        "{count} modules, {} lines: {} KiB resident more",
        lines.len(),
        resident_kib().unwrap_or(0) - before
    );

    let begun = Instant::now();
    let (infos, _) = run_all(modules.iter().map(|_| Identify::new()).collect(), &mut eeproms, &mut clock);
    let infos: Vec<ModuleInfo> = infos.into_iter().collect::<Result<_, _>>()?;
    println!("identified in {:.0} ms", begun.elapsed().as_secs_f64() * 1e3);

    let target = Target {
        frequency: Frequency::from_mhz(193_400_000),
        tx_power: Power::from_hundredths(-600),
        application: ApplicationChoice::MediaCode(0x46),
    };
    let begun = Instant::now();
    let procedures = infos.iter().map(|info| Configure::new(info, target)).collect::<Result<Vec<_>, _>>()?;
    let (done, calls) = run_all(procedures, &mut eeproms, &mut clock);
    let lit = done.iter().filter(|result| result.is_ok()).count();
    println!("{lit} brought up in {:.0} ms, {calls} polls", begun.elapsed().as_secs_f64() * 1e3);

    for round in 1..=3 {
        clock.advance(3_000);
        let reads: u64 = eeproms.iter().map(|eeprom| eeprom.counters().reads).sum();
        let begun = Instant::now();
        let sweeps = infos.iter().map(|info| Sweep::new(info, 0, Flags::Latch)).collect();
        let (reports, calls) = run_all(sweeps, &mut eeproms, &mut clock);
        let took = begun.elapsed();
        let seen = reports.iter().filter(|r| r.as_ref().is_ok_and(|r| r.osnr.value().is_some())).count();
        let reads: u64 = eeproms.iter().map(|eeprom| eeprom.counters().reads).sum::<u64>() - reads;
        println!(
            "sweep {round}: {seen} modules see an OSNR, {:.1} ms, {:.1} µs each, {reads} reads, {calls} polls",
            took.as_secs_f64() * 1e3,
            took.as_secs_f64() * 1e6 / f64::from(count)
        );
    }
    Ok(())
}
