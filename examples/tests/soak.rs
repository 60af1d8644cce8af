//! An agent under random faults, of its modules, of the broker and of itself, for as long as is asked: then everything is as if there
//! had been none.
//!
//! `IPOWDM_SOAK_MINUTES` says how long (with `IPOWDM_SWEEPS=full` a minute, otherwise not at all), `IPOWDM_SEED` repeats the dice;
//! what tasks and modules make of it differs from run to run.
#![expect(clippy::unwrap_used, reason = "tests state what they expect")]

#[path = "soak/breaks.rs"]
mod breaks;
#[path = "soak/world.rs"]
mod world;

use breaks::Breaks;
use ipowdm_cmis::emulator::Fault;
use rand::rngs::Xoshiro256PlusPlus;
use rand::{RngExt as _, SeedableRng as _};
use std::hash::{BuildHasher as _, RandomState};
use std::time::{Duration, Instant};
use world::World;

/// More than anything takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(240);
/// Pause between two strokes of fate.
const STROKE: Duration = Duration::from_millis(25);

fn extent() -> Option<Duration> {
    let named = std::env::var("IPOWDM_SOAK_MINUTES").ok().map(|text| text.parse::<f64>().unwrap());
    let full = std::env::var("IPOWDM_SWEEPS").is_ok_and(|value| value == "full");
    named.or(full.then_some(1.0)).map(|minutes| Duration::from_secs_f64(60.0 * minutes))
}

fn seed() -> u64 {
    std::env::var("IPOWDM_SEED")
        .ok()
        .map_or_else(|| RandomState::new().hash_one(0), |text| text.parse().unwrap())
}

/// A fault that passes. Milliseconds are the module's own; it lives a hundred times as fast as a real one.
fn fault(dice: &mut Xoshiro256PlusPlus) -> Fault {
    let some = dice.random_range(1..8);
    match dice.random_range(0..11) {
        0 => Fault::Enxio { accesses: some },
        1 => Fault::Nack { accesses: some },
        2 => Fault::NackFor { ms: dice.random_range(10..60_000) },
        3 => Fault::ClockStretch { accesses: some },
        4 => Fault::TornReads { reads: some },
        5 => Fault::WrongPageRestore { times: some },
        6 => Fault::SpontaneousReset { after_ms: dice.random_range(0..10_000) },
        7 => Fault::PullOut {
            after_ms: dice.random_range(0..10_000),
            for_ms: Some(dice.random_range(100..200_000)),
        },
        8 => Fault::RejectApplies { triggers: dice.random_range(1..3) },
        9 => Fault::IgnoreApplies { triggers: dice.random_range(1..3) },
        _ => Fault::Slow { times: dice.random_range(1..4) },
    }
}

/// One stroke of fate.
async fn strike(world: &mut World, dice: &mut Xoshiro256PlusPlus) {
    let port = dice.random_range(0..world.ports.len());
    match dice.random_range(0..1_000) {
        0..400 => world.order(port, dice).await,
        400..440 => world.repeat(dice).await,
        440..640 => world.ports[port].module.inject(fault(dice)).unwrap(),
        640..646 => world.restart_agent(dice.random()).await,
        646..650 => world.crash_broker(Duration::from_millis(dice.random_range(50..3_000))).await,
        _ => {}
    }
    world.mend_broker().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_random_faults_everything_is_as_if_there_had_been_none() {
    let Some(extent) = extent() else {
        println!("skipped: IPOWDM_SOAK_MINUTES says for how long, and IPOWDM_SWEEPS=full means a minute");
        return;
    };
    let seed = seed();
    println!("soak: {:.1} minutes, IPOWDM_SEED={seed}", extent.as_secs_f64() / 60.0);
    let mut dice = Xoshiro256PlusPlus::seed_from_u64(seed);
    let mut world = World::start().await;
    let mut breaks = Breaks::default();
    let began = Instant::now();
    while began.elapsed() < extent {
        strike(&mut world, &mut dice).await;
        breaks.light_without_intent(&world);
        tokio::time::sleep(STROKE).await;
    }
    world.end_faults().await;
    let patience = Instant::now() + PATIENCE;
    while Instant::now() < patience && !(world.is_answered() && world.is_as_meant().await) {
        breaks.light_without_intent(&world);
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    breaks.answers(&world);
    breaks.intents(&world).await;
    world.stop_agent().await;
    breaks.samples(&world);
    println!("soak: {}", world.told());
    println!("soak: {} breaks", breaks.found.len());
    assert_eq!(breaks.found, Vec::<String>::new(), "IPOWDM_SEED={seed}");
}
