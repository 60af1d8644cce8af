//! Random schedules: what tenants ask and what goes wrong, in an order and at times that follow from a seed.

use super::chance::Rates;
use super::invariants::{self, Violations};
use super::world::{PAIRS, World, id, request, sleep_ms};
use super::{run, threads};
use core::time::Duration;
use ipowdm_core::units::Db;
use ipowdm_ctl_lib::connection::State;
use ipowdm_ctl_lib::controller::{ControllerHandle, ReconfigureRequest};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Steps of a schedule.
const STEPS: u64 = 24;

/// An hour, by which wall clocks jump.
const HOUR_MS: i64 = 3_600_000;

/// Longest virtual time after the last fault until everything rests: the deadlines of a set-up and its undoing, a hold, some
/// attempts at an end that does not answer, three heartbeats.
const REST_MS: u64 = 150_000;

/// What came of a schedule.
#[derive(Debug)]
struct Report {
    found: Violations,
    steps: u64,
    digest: u64,
    trace: String,
}

/// What a schedule does in one step.
#[derive(Debug, Clone, Copy)]
enum Step {
    Create,
    Setup,
    Reconfigure,
    Delete,
    KillController,
    StandBy,
    KillAgent,
    StartAgent,
    JumpController,
    JumpAgent,
    Outage,
    Wait,
}

/// Steps and how often they are taken.
const WEIGHTS: [(u64, Step); 12] = [
    (18, Step::Create),
    (22, Step::Setup),
    (12, Step::Reconfigure),
    (12, Step::Delete),
    (8, Step::KillController),
    (4, Step::StandBy),
    (6, Step::KillAgent),
    (8, Step::StartAgent),
    (3, Step::JumpController),
    (3, Step::JumpAgent),
    (3, Step::Outage),
    (8, Step::Wait),
];

/// A world with its schedule.
struct Player {
    world: World,
    found: Violations,
    /// Whether a start has failed half-way: it may have taken command all the same.
    leaderless: bool,
}

impl Player {
    fn below(&self, bound: u64) -> u64 {
        self.world.chance.below(bound)
    }

    fn any_site(&self) -> usize {
        usize::try_from(self.below(World::SITES as u64)).unwrap()
    }

    /// A pair of ports and the name of one of its two connections.
    fn any_connection(&self) -> (usize, String) {
        let pair = usize::try_from(self.below(PAIRS.len() as u64)).unwrap();
        (pair, format!("c{pair}{}", ["a", "b"][usize::try_from(self.below(2)).unwrap()]))
    }

    fn draw_rates(&self) -> Rates {
        let up_to = |bound: u64| u32::try_from(self.below(bound)).unwrap();
        Rates {
            lost: up_to(60),
            twice: up_to(60),
            late: up_to(60),
            unconfirmed: up_to(60),
            refused: up_to(60),
            slow: up_to(150),
            conflict: up_to(100),
            unavailable: up_to(60),
            indeterminate: up_to(60),
        }
    }

    fn draw_step(&self) -> Step {
        let all: u64 = WEIGHTS.iter().map(|(weight, _)| weight).sum();
        let mut drawn = self.below(all);
        for (weight, step) in WEIGHTS {
            if drawn < weight {
                return step;
            }
            drawn -= weight;
        }
        Step::Wait
    }

    fn jump(&self) -> i64 {
        if self.below(2) == 0 { HOUR_MS } else { -HOUR_MS }
    }

    async fn play(&mut self) {
        self.world.chance.set_rates(self.draw_rates());
        for _ in 0..STEPS {
            let step = self.draw_step();
            self.take(step).await;
            sleep_ms(self.below(4_000)).await;
            invariants::at_any_time(&self.world, &mut self.found).await;
            invariants::of_active(&self.world, &mut self.found);
        }
        self.world.chance.set_rates(Rates::default());
    }

    async fn take(&mut self, step: Step) {
        self.world.tap.say(format_args!("-- {step:?}"));
        match step {
            Step::Create | Step::Setup | Step::Reconfigure | Step::Delete => self.ask(step).await,
            Step::KillController => {
                self.world.kill_controller();
                sleep_ms(self.below(3_000)).await;
                self.keep_a_controller().await;
            }
            // The one before is still there, and finds out.
            Step::StandBy => self.start_controller().await,
            Step::KillAgent => {
                let site = self.any_site();
                self.world.kill_agent(site).await;
            }
            Step::StartAgent => (0..World::SITES).for_each(|site| self.world.start_agent(site)),
            Step::JumpController => self.world.wall.jump(self.jump()),
            Step::JumpAgent => self.world.jump_agent(self.any_site(), self.jump()),
            Step::Outage => {
                self.world.bus.set_available(false);
                sleep_ms(self.below(8_000)).await;
                self.world.bus.set_available(true);
            }
            Step::Wait => sleep_ms(self.below(10_000)).await,
        }
    }

    /// Asks a controller; the answer is its own affair, and whoever asked does not wait for ever.
    async fn ask(&self, step: Step) {
        let Some(controller) = self.world.controller().cloned() else { return };
        let (pair, name) = self.any_connection();
        let asked = request_of(step, &controller, pair, &name);
        let answered = tokio::time::timeout(Duration::from_millis(500), asked).await;
        self.world.tap.say(format_args!("   {name}: {answered:?}"));
    }

    async fn start_controller(&mut self) {
        let starting = self.world.start_controller();
        // A store that fails may fail this too; the next step tries again.
        let started = tokio::time::timeout(Duration::from_secs(5), starting).await;
        self.leaderless = !matches!(started, Ok(Ok(())));
    }

    async fn keep_a_controller(&mut self) {
        while self.world.controllers.is_empty() {
            self.start_controller().await;
        }
    }

    /// Nothing goes wrong any more: waits until nothing moves.
    async fn settle(&mut self) {
        self.world.tap.say(format_args!("-- everything works again"));
        for site in 0..World::SITES {
            self.world.start_agent(site);
        }
        let kept = usize::from(!self.leaderless);
        while self.world.controllers.len() > kept {
            self.world.kill_controller();
        }
        self.keep_a_controller().await;
        // What was on its way arrives, and every agent has reported, before rest means anything.
        sleep_ms(30_000).await;
        for _ in 0..REST_MS / 1_000 {
            if self.rests() {
                break;
            }
            sleep_ms(1_000).await;
        }
        sleep_ms(12_000).await;
    }

    fn rests(&self) -> bool {
        let views = self.world.controller().unwrap().connections(None).unwrap();
        views.iter().all(|view| matches!(view.state, State::Active | State::Degraded) || !view.holds_grant)
    }

    async fn take_all_down(&mut self) {
        self.world.tap.say(format_args!("-- everything is taken down"));
        let controller = self.world.controller().unwrap().clone();
        for view in controller.connections(None).unwrap() {
            if view.holds_grant {
                controller.delete(&view.connection_id).await.unwrap();
            }
        }
        for _ in 0..REST_MS / 1_000 {
            if controller.connections(None).unwrap().iter().all(|view| !view.holds_grant) {
                break;
            }
            sleep_ms(1_000).await;
        }
        sleep_ms(1_000).await;
    }
}

async fn request_of(
    step: Step,
    controller: &ControllerHandle,
    pair: usize,
    name: &str,
) -> Result<(), &'static str> {
    let done = match step {
        Step::Create => controller.create_connection(request(pair, name)).await.map(drop),
        Step::Setup => {
            // Most set-ups are of something that is there.
            let created = controller.create_connection(request(pair, name)).await;
            match created {
                Ok(_) => controller.setup(&id(name)).await.map(drop),
                Err(error) => Err(error),
            }
        }
        Step::Delete => controller.delete(&id(name)).await.map(drop),
        _ => {
            let step = ReconfigureRequest::step("schedule", Db::from_hundredths(-50), None);
            controller.reconfigure(&id(name), &step).await.map(drop)
        }
    };
    done.map_err(|error| error.code().as_str())
}

async fn schedule(seed: u64, verbose: bool) -> Report {
    let world = World::new(seed, verbose).await;
    let mut player = Player { world, found: Violations::default(), leaderless: false };
    player.play().await;
    player.settle().await;
    invariants::at_rest(&player.world, &mut player.found).await;
    player.take_all_down().await;
    invariants::at_rest(&player.world, &mut player.found).await;
    invariants::all_released(&player.world, &mut player.found).await;
    let Player { world, mut found, .. } = player;
    found.0.dedup();
    let (steps, digest) = world.tap.digest();
    Report { found, steps, digest, trace: world.tap.trace() }
}

/// Runs one schedule; a panic in it is a violation too.
fn played(seed: u64, verbose: bool) -> Report {
    catch_unwind(AssertUnwindSafe(|| run(schedule(seed, verbose)))).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        let text = text.or_else(|| panic.downcast_ref::<&str>().map(ToString::to_string));
        let found = Violations(vec![format!("panic: {}", text.unwrap_or_default())]);
        Report { found, steps: 0, digest: 0, trace: String::new() }
    })
}

/// Seeds to run: one by `IPOWDM_SEED`; as many as `IPOWDM_SWEEPS` says, ten thousand with `full`; a thousand otherwise.
fn seeds() -> (Vec<u64>, bool) {
    let variable = |name| std::env::var(name).ok();
    if let Some(seed) = variable("IPOWDM_SEED") {
        return (vec![seed.parse().unwrap()], true);
    }
    let count = match variable("IPOWDM_SWEEPS").as_deref() {
        Some("full") => 10_000,
        Some(count) => count.parse().unwrap(),
        None => 1_000,
    };
    ((0..count).collect(), false)
}

#[test]
fn whatever_happens_the_invariants_hold() {
    let (seeds, verbose) = seeds();
    for (name, text) in invariants::LIST {
        println!("{name:>4}  {text}");
    }
    let count = seeds.len();
    let mut steps = 0;
    let mut failed = Vec::new();
    for (seed, report) in threads(seeds, |seed| played(seed, verbose)) {
        print!("{}", report.trace);
        steps += report.steps;
        if !report.found.0.is_empty() {
            failed.push(format!("IPOWDM_SEED={seed}\n    {}", report.found.0.join("\n    ")));
        }
    }
    println!("{count} schedules, {steps} events, {} failed", failed.len());
    assert!(failed.is_empty(), "replay a schedule by its seed:\n{}", failed.join("\n"));
}

#[test]
fn a_schedule_follows_from_its_seed() {
    for seed in [1, 2, 3] {
        let (first, second) = (played(seed, true), played(seed, true));
        let differs = first.trace.lines().zip(second.trace.lines()).find(|(a, b)| a != b);
        assert_eq!(differs, None, "seed {seed}");
        assert_eq!((first.steps, first.digest), (second.steps, second.digest), "seed {seed}");
    }
    assert_ne!(played(1, false).digest, played(2, false).digest);
}
