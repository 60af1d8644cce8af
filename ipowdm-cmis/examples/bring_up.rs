//! Two emulated OpenZR+ modules over a line, brought up in virtual time.
//!
//! `cargo run -p ipowdm-cmis --features emulator --example bring_up`

use ipowdm_cmis::access::Eeprom;
use ipowdm_cmis::emulator::{EmulatedModule, ModuleClock, Profile, VirtualClock};
use ipowdm_cmis::line::{Direction, Impairment, LineParameters, OpticalLine};
use ipowdm_cmis::procedure::{
    ApplicationChoice, BusyLimits, Configure, Flags, Identify, Pollable, ProcError, Procedure, Progress,
    SetTxPower, Sweep, Target, run,
};
use ipowdm_cmis::time::Clock;
use ipowdm_core::units::{Db, Frequency, Power};

/// Drives a procedure as an asynchronous task would: work, sleep until the given instant, work again.
fn drive<P, T>(procedure: P, eeprom: &mut impl Eeprom, clock: &mut VirtualClock) -> Result<T, ProcError>
where
    P: Procedure<Output = Result<T, ProcError>>,
{
    let mut pollable = Pollable::new(procedure, BusyLimits::default());
    loop {
        match pollable.advance(clock.now(), eeprom) {
            Progress::Sleep(until) => clock.sleep_until(until),
            Progress::Done(result) => {
                println!("  waited {:.2} s for the module", pollable.module_time().as_secs_f64());
                return result;
            }
        }
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut clock = VirtualClock::new();
    let west = EmulatedModule::new(Profile::OPENZRP, 1, ModuleClock::from(&clock));
    let east = EmulatedModule::new(Profile::OPENZRP, 2, ModuleClock::from(&clock));
    let line = OpticalLine::connect(&west, &east, LineParameters::default())?;
    let (mut west_memory, mut east_memory) = (west.eeprom(), east.eeprom());

    // Of each: what is known of one module is refused by another.
    let west_info = run(Identify::new(), &mut west_memory, &mut clock)?;
    let east_info = run(Identify::new(), &mut east_memory, &mut clock)?;
    println!("{} {} in {}", west_info.vendor_name, west_info.part_number, west_info.module_state);
    let target = Target {
        frequency: Frequency::from_mhz(193_400_000),
        tx_power: Power::from_hundredths(-800),
        application: ApplicationChoice::MediaCode(0x46),
    };
    for (name, info, memory) in
        [("west", &west_info, &mut west_memory), ("east", &east_info, &mut east_memory)]
    {
        println!("{name}: bring-up");
        let readback = drive(Configure::new(info, target)?, memory, &mut clock)?;
        println!(
            "  {:?}: {} at {}, data path {}",
            readback.change, readback.frequency, readback.tx_power_target, readback.dp_states[0]
        );
        let writes = memory.counters().writes;
        drive(Configure::new(info, target)?, memory, &mut clock)?;
        println!("  again: {} writes", memory.counters().writes - writes);
    }

    let report = run(Sweep::new(&east_info, 0, Flags::Latch), &mut east_memory, &mut clock)?;
    println!("east: {report:#?}");

    line.set_impairment(Direction::AToB, Impairment::noise(Db::from_hundredths(300)));
    for power in [-800, -700] {
        drive(SetTxPower::new(&west_info, Power::from_hundredths(power), 0)?, &mut west_memory, &mut clock)?;
        let report = run(Sweep::new(&east_info, 0, Flags::Latch), &mut east_memory, &mut clock)?;
        println!(
            "line degraded, west at {}: east sees OSNR {:?}, pre-FEC BER {:?}",
            Power::from_hundredths(power),
            report.osnr.value(),
            report.pre_fec_ber.value()
        );
    }
    Ok(())
}

#[cfg(test)]
#[test]
fn it_runs_to_its_end() -> Result<(), Box<dyn std::error::Error>> {
    main()
}
