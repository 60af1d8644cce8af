//! The figures, each with what is owed.

use crate::Extent;
use benches::agent::rig::{Rig, Shape};
use ipowdm_core::msg::Outcome;
use ipowdm_examples::lab::fill::Percentiles;
use ipowdm_examples::switch::AgentProgram;
use std::time::{Duration, Instant};

/// What may be owed, and what was seen.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) holds: bool,
}

/// How much faster telemetry comes where growth is looked for.
const HASTE: u32 = 100;
/// Memory that one look at a process and the next may differ by without anything having grown, in kB.
const JITTER_KB: u64 = 256;
/// Of a broker's return to everything being as if it had never gone.
const RESYNC: Duration = Duration::from_secs(5);

type Part = fn(&AgentProgram, &Extent) -> Vec<Row>;

fn row(what: &str, owed: &str, seen: &str, holds: bool) -> Row {
    println!("{} | {what} | {owed} | {seen}", if holds { "holds " } else { "MISSED" });
    Row { holds }
}

/// Everything that was asked for.
pub(crate) fn all(program: &AgentProgram, extent: &Extent) -> Vec<Row> {
    let parts: [(&str, Part); 6] = [
        ("size", size),
        ("load", load),
        ("growth", growth),
        ("start", starts),
        ("latency", latency),
        ("outage", outage),
    ];
    let wanted = |name: &str| extent.only.is_empty() || extent.only.iter().any(|asked| asked == name);
    println!("       | what | owed | seen");
    parts.iter().filter(|(name, _)| wanted(name)).flat_map(|(_, part)| part(program, extent)).collect()
}

fn size(program: &AgentProgram, _: &Extent) -> Vec<Row> {
    let bytes = std::fs::metadata(program.path()).unwrap().len();
    let seen = format!("{bytes} bytes ({})", program.path().file_name().unwrap().display());
    vec![row("size of the static program", "<= 4 MB", &seen, bytes <= 4_000_000)]
}

fn load(program: &AgentProgram, extent: &Extent) -> Vec<Row> {
    let mut rig = Rig::new(program, Shape::OWED);
    rig.start();
    rig.light_all();
    rig.station.take_all();
    // The set-ups are over; what they took is not what is measured.
    rig.rest(Duration::from_secs(5));
    let (cpu, began) = (rig.processor_seconds(), Instant::now());
    let before = rig.listener.look().samples_of(1);
    rig.rest(Duration::from_secs(extent.load_seconds));
    let share = (rig.processor_seconds() - cpu) / began.elapsed().as_secs_f64();
    let samples = rig.listener.look().samples_of(1) - before;
    let (resident, most) = rig.resident_kb();
    let (writes, reads) = rig.station.take_all();
    rig.stop();
    let seen = format!("{resident} kB, at most {most} kB");
    let accesses = reads.checked_div(samples).unwrap_or(0);
    let told = format!(
        "{:.2} % ({samples} samples in {} s, {accesses} reads each, {writes} writes)",
        share * 100.0,
        extent.load_seconds
    );
    vec![
        row("resident memory, 32 ports, samples every 3 s", "<= 10 MB", &seen, most <= 10_000),
        row("processor, 32 ports, samples every 3 s", "<= 1 % of a core", &told, share <= 0.01),
    ]
}

fn growth(program: &AgentProgram, extent: &Extent) -> Vec<Row> {
    let mut rig = Rig::new(program, Shape::OWED);
    rig.start();
    rig.light_all();
    rig.assign(Shape::OWED.telemetry_ms / HASTE);
    let tenth = Duration::from_secs(extent.growth_seconds) / 10;
    let mut seen = Vec::new();
    let before = rig.listener.look().samples_of(1);
    for _ in 0..10 {
        rig.rest(tenth);
        seen.push(rig.resident_kb().0);
    }
    let samples = rig.listener.look().samples_of(1) - before;
    let missing: u64 = rig.listener.look().gaps_of(1).iter().map(|(first, last)| last - first + 1).sum();
    rig.stop();
    let (early, late) = (seen[..5].iter().max().unwrap(), seen[5..].iter().max().unwrap());
    let rate = samples / extent.growth_seconds.max(1);
    let told = format!(
        "{early} kB in the first half, {late} kB in the second ({} s, {rate} samples/s, {missing} lost)",
        extent.growth_seconds
    );
    let holds = *late <= early + JITTER_KB && *late <= 10_000;
    vec![row("resident memory at 100 x the rate", "no growth, <= 10 MB", &told, holds)]
}

fn starts(program: &AgentProgram, extent: &Extent) -> Vec<Row> {
    let mut rig = Rig::new(program, Shape::OWED);
    rig.start();
    rig.light_all();
    rig.stop();
    rig.station.take_all();
    let (mut first, mut all, mut writes) = (Vec::new(), Vec::new(), 0);
    for _ in 0..extent.starts {
        let life = rig.listener.look().life + 1;
        let began = rig.start();
        let at = rig.wait("a sample", |heard| heard.first_sample.get(&life).copied());
        first.push(at.duration_since(began));
        let last = rig.wait("samples of all ports", |heard| {
            let ports = u32::try_from(heard.ports_of(life)).unwrap();
            (ports == Shape::OWED.ports).then_some(heard.last_sample?)
        });
        all.push(last.duration_since(began));
        rig.stop();
        writes += rig.station.take_all().0;
        assert_eq!(rig.station.lit(), 32);
    }
    let most = |times: &[Duration]| times.iter().max().unwrap().as_secs_f64();
    let told = format!("{:.2} s, of all ports {:.2} s (most of {})", most(&first), most(&all), extent.starts);
    let counted = format!("{writes} in {} starts", extent.starts);
    vec![
        row("start to first telemetry, 32 lit ports", "<= 2 s", &told, most(&first) <= 2.0),
        row("state-changing register writes of a start", "0", &counted, writes == 0),
    ]
}

/// From the instant before a command is given to the bus to the first register write, and from the module's last access to the
/// instant at which the ack is heard: both hold the broker's part, too.
fn latency(program: &AgentProgram, extent: &Extent) -> Vec<Row> {
    let mut rig = Rig::new(program, Shape::OWED);
    rig.start();
    rig.light_all();
    rig.rest(Duration::from_secs(1));
    let (mut until_write, mut until_access, mut until_ack) = (Vec::new(), Vec::new(), Vec::new());
    for turn in 0..extent.commands {
        let number = 1 + turn % rig.shape.ports;
        let power = if (turn / rig.shape.ports).is_multiple_of(2) { "-9.5" } else { "-10.0" };
        rig.station.take(number);
        let began = Instant::now();
        let id = rig.send("reconfigConnection", number, &format!(r#","tx_power_level":{power}"#));
        let ack = rig.ack(&id);
        assert_eq!(ack.outcome, Outcome::Applied, "{ack:?}");
        let accesses = rig.station.take(number);
        let micros = |time: Duration| u64::try_from(time.as_micros()).unwrap();
        until_access.push(micros(accesses.first.unwrap().saturating_duration_since(began)));
        until_write.push(micros(accesses.first_write.unwrap().saturating_duration_since(began)));
        until_ack.push(micros(ack.at.saturating_duration_since(accesses.last.unwrap())));
    }
    rig.stop();
    let told = |times: Vec<u64>, what: &str| {
        let found = Percentiles::of(times);
        let seen = format!("p50 {:.1} ms, p99 {:.1} ms, n = {}", ms(found.p50), ms(found.p99), found.count);
        row(what, "p99 <= 5 ms", &seen, found.p99 <= 5_000)
    };
    let access = Percentiles::of(until_access);
    println!(
        "       | command given to the bus -> first register access | | p50 {:.1} ms, p99 {:.1} ms",
        ms(access.p50),
        ms(access.p99)
    );
    vec![
        told(until_write, "command given to the bus -> first register write"),
        told(until_ack, "last register access -> ack heard on the bus"),
    ]
}

#[expect(clippy::cast_precision_loss, reason = "microseconds of a benchmark stay below 2^53")]
fn ms(micros: u64) -> f64 {
    micros as f64 / 1e3
}

/// Ports whose set-up the broker's end cuts off from its ack.
const CUT_OFF: u32 = 4;

fn outage(program: &AgentProgram, extent: &Extent) -> Vec<Row> {
    // Modules that take seconds, so that work ends while there is no broker, and a queue that is too short for the outage.
    let shape = Shape { scale: 10, queue: Some(100), ..Shape::OWED };
    let mut rig = Rig::new(program, shape);
    rig.start();
    rig.light_all();
    let down: Vec<String> = (1..=CUT_OFF).map(|n| rig.send("teardownConnection", n, "")).collect();
    for id in &down {
        rig.ack(id);
    }
    rig.station.take_all();
    let endpoint = |n: u32| format!(r#","frequency":19{}.1,"tx_power_level":-10.0"#, 2 + n % 3);
    let cut_off: Vec<String> = (1..=CUT_OFF).map(|n| rig.send("setupConnection", n, &endpoint(n))).collect();
    while !(1..=CUT_OFF).all(|number| rig.station.is_written(number)) {
        rig.rest(Duration::from_millis(1));
    }
    let early = cut_off.iter().filter(|id| rig.listener.look().acks.contains_key(*id)).count();
    let log = rig.lose_broker();
    rig.rest(Duration::from_secs(extent.outage_seconds));
    let back = rig.restore_broker(log);
    let acks: Vec<_> = cut_off.iter().map(|id| rig.ack(id)).collect();
    let heartbeats = rig.listener.look().heartbeats;
    rig.wait("heartbeats", |heard| (heard.heartbeats > heartbeats + 1).then_some(()));
    // A command after it is carried out as before it.
    let again = rig.send("reconfigConnection", CUT_OFF + 1, r#","tx_power_level":-9.5"#);
    let again = rig.ack(&again);
    let resync = acks.iter().chain([&again]).map(|ack| ack.at.saturating_duration_since(back)).max().unwrap();
    rig.rest(Duration::from_secs(2 * u64::from(shape.telemetry_ms / 1_000)));
    let heard = rig.listener.look();
    let gaps = heard.gaps_of(1);
    let missing: u64 = gaps.iter().map(|(first, last)| last - first + 1).sum();
    let told = heard.dropped.get(&1).copied().unwrap_or(0);
    let once = acks.iter().all(|ack| ack.ids.len() == 1 && ack.outcome == Outcome::Applied);
    drop(heard);
    rig.stop();
    let what = format!("broker gone {} s", extent.outage_seconds);
    let seen = format!("{} of {} ({early} before it went)", acks.len(), cut_off.len());
    let dropped = format!("{missing} missing in {} runs, {told} told", gaps.len());
    let one_run_each = gaps.len() <= usize::try_from(shape.ports).unwrap();
    vec![
        row(&format!("{what}: acks of work under way"), "all, once each", &seen, once && early == 0),
        row(
            &format!("{what}: dropped telemetry"),
            "oldest first, counted exactly",
            &dropped,
            missing == told && one_run_each,
        ),
        row(
            &format!("{what}: resync"),
            "<= 5 s",
            &format!("{:.2} s", resync.as_secs_f64()),
            resync <= RESYNC,
        ),
    ]
}
