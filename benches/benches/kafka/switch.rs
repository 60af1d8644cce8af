//! What the agent's program takes while it tells of 32 modules: far more often than any switch is asked to, so that it can be seen.

use crate::Session;
use crate::place::Place;
use crate::table::Row;
use benches::agent::rig::{Rig, Shape};
use ipowdm_core::bus::kafka::Client;
use ipowdm_examples::orders::REPORTS;
use ipowdm_examples::switch::AgentProgram;
use std::time::{Duration, Instant};

/// Milliseconds between two samples of a port: 1 000/s in all, and more than the program keeps up with.
const INTERVALS: [u32; 2] = [32, 3];
const CLIENT: &str = "ours, the agent's process";

/// The row `agent`.
pub(crate) fn run(session: &Session, place: &Place) -> Vec<Row> {
    let left_out = |why: &str| vec![Row::left_out(place.kind.name(), "agent", CLIENT, why)];
    let Some(bootstrap) = &place.bootstrap else { return left_out("it is a process of its own") };
    let named = session.extent.agent.as_deref().map(AgentProgram::at);
    let Some(program) = named.or_else(AgentProgram::built_statically) else {
        return left_out("scripts/build-static.sh x86_64 builds its program, or --agent names it");
    };
    let _inside = session.runtime.enter();
    let topics = session.runtime.block_on(place.bus(Client::Own).topics()).unwrap();
    if topics.iter().any(|topic| REPORTS.contains(&topic.as_str())) {
        return left_out("the broker holds what agents have told before");
    }
    let mut rig = Rig::at(bootstrap, &program, Shape { telemetry_ms: INTERVALS[0], ..Shape::OWED });
    rig.start();
    rig.light_all();
    let rows =
        INTERVALS.iter().map(|interval| watch(&mut rig, *interval, place, session.extent.seconds)).collect();
    rig.stop();
    rows
}

fn watch(rig: &mut Rig, telemetry_ms: u32, place: &Place, seconds: u64) -> Row {
    rig.assign(telemetry_ms);
    // Under way before it is watched.
    rig.rest(Duration::from_secs(2));
    let (cpu, begun, before) = (rig.processor_seconds(), Instant::now(), rig.listener.look().samples_of(1));
    rig.rest(Duration::from_secs(2 * seconds));
    let spent = rig.processor_seconds() - cpu;
    let (samples, lasted) = (rig.listener.look().samples_of(1) - before, begun.elapsed().as_secs_f64());
    let (resident, most) = rig.resident_kb();
    #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
    let count = samples as f64;
    let seen = format!(
        "{:.0} samples/s, {:.1} % of a core, {:.0} us each; {resident} kB resident, at most {most} kB",
        count / lasted,
        spent / lasted * 100.0,
        spent / count * 1e6
    );
    let what = format!("32 modules, each every {telemetry_ms} ms");
    let row = Row::of(place.kind.name(), &what, CLIENT, "", seen);
    // Beyond what it keeps up with nothing is owed.
    if telemetry_ms == INTERVALS[0] { row.owed("<= 10 000 kB", most <= 10_000) } else { row }
}
