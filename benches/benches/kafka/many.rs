//! One controller and a thousand agents: how fast it sees them, what it takes, and set-ups while telemetry goes on.

use crate::Session;
use crate::field::Field;
use crate::hosted::{Hosted, SHAPE};
use crate::place::Place;
use crate::table::Row;
use benches::world::options;
use ipowdm_core::bus::kafka::Client;
use ipowdm_core::capability::{ApplicationInfo, GridRange, ModuleCapability, PowerRange};
use ipowdm_core::grid::Grid;
use ipowdm_core::units::Power;
use ipowdm_examples::lab::plan::Plan;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Connections that are lit for telemetry, and so many set up at a time.
const CONNECTIONS: usize = 900;
const AT_A_TIME: usize = 32;
/// Set-ups one after the other while telemetry goes on.
const SETUPS: usize = 100;
/// Between two samples, over all ends.
const PERIOD: Duration = Duration::from_micros(100);
/// Over which the processor is watched.
const WATCHED: Duration = Duration::from_secs(10);
const CLIENT: &str = "ours, controller's process";

/// What the modules can do that the agents tell of: 400ZR and 400G OpenZR+ on the 75 GHz grid.
fn capability() -> ModuleCapability {
    let range = GridRange { grid: Grid::Ghz75, low_channel: -69, high_channel: 120 };
    let (min, max) = (Power::from_hundredths(-1_500), Power::from_hundredths(0));
    let application = |(app_sel, media_code)| ApplicationInfo {
        app_sel,
        host_code: 0x11,
        media_code,
        host_lanes: 8,
        media_lanes: 1,
    };
    ModuleCapability {
        grids: [range].into_iter().collect(),
        tx_power: Some(PowerRange { min, max }),
        applications: [(1, 0x3E), (2, 0x46)].into_iter().map(application).collect(),
    }
}

/// The row `many`.
pub(crate) fn run(session: &Session, place: &Place) -> Vec<Row> {
    let Some(bootstrap) = &place.bootstrap else {
        return vec![Row::left_out(place.kind.name(), "1 000 agents", CLIENT, "it is a process of its own")];
    };
    let plan = Plan::draw(&options(&SHAPE)).unwrap();
    let mut hosted = Hosted::start(bootstrap);
    let begun = Instant::now();
    let field = Field::start(&plan, &place.bus(Client::Own), capability(), session.runtime.handle());
    hosted.hear_all();
    let heard = begun.elapsed().as_secs_f64();
    let online = hosted.look().online;
    let row = |what: &str, seen: String| Row::of(place.kind.name(), what, CLIENT, "", seen);
    let mut rows = vec![
        row("1 000 agents start at once", format!("{online} online and described in {heard:.1} s"))
            .owed("all", online == 1_000),
    ];
    let idle = watch(&mut hosted);
    rows.push(row("1 000 agents, heartbeats every 30 s", idle.told()));
    let lit = hosted.light(0, CONNECTIONS, AT_A_TIME);
    let [p50, p99, max] = lit.control_ms;
    let seen = format!(
        "{} in {:.1} s; p50 {p50} ms, p99 {p99} ms, max {max} ms {:?}",
        lit.count, lit.seconds, lit.failed
    );
    rows.push(row("set-ups, 32 at a time", seen).owed("none fails", lit.count == CONNECTIONS));
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let talking = scope.spawn(|| talk(&field, &over));
        let busy = watch(&mut hosted);
        rows.push(row("1 000 agents, telemetry at 10 000/s", busy.told()));
        let lit = hosted.light(CONNECTIONS, SETUPS, 1);
        let ([p50, p99, max], [all_p50, all_p99, _]) = (lit.control_ms, lit.total_ms);
        let seen = format!(
            "p50 {p50} ms, p99 {p99} ms, max {max} ms, n = {} (created and set up p50 {all_p50:.1} ms, p99 {all_p99:.1} ms) {:?}",
            lit.count, lit.failed
        );
        let holds = lit.count == SETUPS && p50 <= 10 && p99 <= 50;
        rows.push(row("set-up while all of that goes on", seen).owed("p50 <= 10 ms, p99 <= 50 ms", holds));
        over.store(true, Ordering::Relaxed);
        let sent = talking.join().unwrap();
        rows.push(lost(&mut hosted, place, sent));
    });
    rows
}

/// Whether all samples came.
fn lost(hosted: &mut Hosted, place: &Place, sent: u64) -> Row {
    let begun = Instant::now();
    let mut look = hosted.look();
    while look.samples < sent && begun.elapsed() < Duration::from_secs(30) {
        std::thread::sleep(Duration::from_millis(50));
        look = hosted.look();
    }
    let seen = format!("{} of {sent}, {} of ends that it does not know", look.samples, look.unknown);
    let holds = look.samples == sent && look.unknown == 0;
    Row::of(place.kind.name(), "samples taken in", CLIENT, "", seen).owed("all", holds)
}

/// What the controller's process took over a while.
struct Taken {
    share: f64,
    resident_kb: u64,
    samples_per_second: f64,
}

impl Taken {
    fn told(&self) -> String {
        format!(
            "{:.1} % of a core, {} kB resident, {:.0} samples/s",
            self.share * 100.0,
            self.resident_kb,
            self.samples_per_second
        )
    }
}

fn watch(hosted: &mut Hosted) -> Taken {
    let before = hosted.look();
    std::thread::sleep(WATCHED);
    let after = hosted.look();
    let seconds = after.at - before.at;
    #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
    let samples = (after.samples - before.samples) as f64;
    Taken {
        share: (after.processor - before.processor) / seconds,
        resident_kb: after.resident_kb,
        samples_per_second: samples / seconds,
    }
}

/// Sends samples of all lit ends in turn, each when it is due; how many.
fn talk(field: &Field, over: &AtomicBool) -> u64 {
    let lit = field.lit();
    let mut due = Instant::now();
    let mut sent = 0;
    for end in lit.iter().cycle() {
        if over.load(Ordering::Relaxed) {
            break;
        }
        if let Some(left) = due.checked_duration_since(Instant::now()) {
            std::thread::sleep(left);
        }
        field.sample(end);
        (due, sent) = (due + PERIOD, sent + 1);
    }
    sent
}
