//! The controller ends at every point of an operation in turn: before and after each store write, before and after each
//! publish, at each receive. The next one, started from the store, finds the connection ACTIVE, or gives everything back.

use super::invariants::{self, Violations};
use super::life::{Life, Point};
use super::world::{PAIRS, World, id, port, request, sleep_ms};
use super::{run, threads};
use core::time::Duration;
use ipowdm_core::units::Db;
use ipowdm_ctl_lib::connection::State;
use ipowdm_ctl_lib::controller::{ControllerHandle, ReconfigureRequest};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// The connection of every sweep.
const ID: &str = "c1";

/// How long the cut is waited for: an operation is over long before, and the points that telemetry and checkpoints add are
/// points of the operation too.
const WINDOW: Duration = Duration::from_secs(12);

/// Virtual time within which the next controller has come to rest.
const REST_MS: u64 = 30_000;

/// The agent at the far end, among those of the world.
const FAR: usize = 1;

/// How long it is away, where it is.
const AWAY: Duration = Duration::from_secs(3);

/// How things are at the far end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum FarEnd {
    /// It does what it is told.
    Well,
    /// Its module refuses what it is told.
    Rejects,
    /// Its agent is away when the operation begins, and comes back.
    Away,
}

/// What is asked of the controller that will be cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operation {
    Setup,
    Reconfigure,
    Teardown,
    /// Of a connection whose set-up the far end has refused.
    Repair,
    /// A set-up is under way when its controller ends, and an instance that stood by is cut as it takes over.
    TakeOver,
}

impl Operation {
    async fn prepare(self, world: &World) {
        let controller = world.controller(0).unwrap();
        controller.create_connection(request(0, ID)).await.unwrap();
        if self == Self::Repair {
            world.modules[&port(PAIRS[0][1])].module.reject_applies(1);
            let done = controller.setup_and_wait(&id(ID), Duration::from_secs(60)).await.unwrap();
            assert!(done.has_ended(), "{done:?}");
            assert_eq!(controller.connection(&id(ID)).unwrap().state, State::Failed);
        } else if !matches!(self, Self::Setup | Self::TakeOver) {
            let done = controller.setup_and_wait(&id(ID), Duration::from_secs(60)).await.unwrap();
            assert!(done.has_ended(), "{done:?}");
            assert_eq!(controller.connection(&id(ID)).unwrap().state, State::Active);
        }
    }

    async fn begin(self, controller: &ControllerHandle) {
        // A request that is cut never returns, and one that is refused shows in the outcome.
        let _ = match self {
            Self::Setup | Self::TakeOver => controller.setup(&id(ID)).await,
            Self::Repair => controller.repair(&id(ID)).await,
            Self::Reconfigure => {
                let step = ReconfigureRequest::step("sweep", Db::from_hundredths(50), None);
                controller.reconfigure(&id(ID), &step).await
            }
            Self::Teardown => controller.delete(&id(ID)).await,
        };
    }
}

/// What became of one cut.
#[derive(Debug)]
struct Outcome {
    /// Where the controller ended; `None`: it never did.
    cut: Option<Point>,
    before: Option<State>,
    /// `None`: the connection is forgotten.
    after: Option<State>,
    found: Violations,
}

/// Runs an operation with a cut after `points` points.
async fn cut_after(operation: Operation, far: FarEnd, points: usize) -> Outcome {
    let mut world = World::new(points as u64, false).await;
    operation.prepare(&world).await;
    match far {
        FarEnd::Well => {}
        FarEnd::Rejects => world.modules[&port(PAIRS[0][1])].module.reject_applies(1),
        FarEnd::Away => world.kill_agent(FAR).await,
    }
    let (life, before) = match operation {
        Operation::TakeOver => cut_successor(&mut world, points).await,
        _ => cut_controller(&mut world, operation, points).await,
    };
    let cut = life.passed().last().copied().filter(|_| life.is_over());
    world.kill_controller(0);
    world.start_controller().await.unwrap();
    sleep_ms(REST_MS).await;
    let mut found = Violations::default();
    let after = state_of(&world.controller(0).unwrap());
    if !matches!(after, None | Some(State::Active | State::Terminated | State::Failed)) {
        found.0.push(format!("at rest after 30 s: {after:?}"));
    }
    invariants::at_rest(&world, &mut found).await;
    invariants::of_active(&world, &mut found);
    Outcome { cut, before, after, found }
}

fn state_of(controller: &ControllerHandle) -> Option<State> {
    controller.connection(&id(ID)).ok().map(|view| view.state)
}

/// Cuts the controller that is asked for an operation; answers its life, and the state that it has seen last.
async fn cut_controller(
    world: &mut World,
    operation: Operation,
    points: usize,
) -> (Arc<Life>, Option<State>) {
    let life = Arc::clone(&world.controllers[0].last().unwrap().life);
    let controller = world.controller(0).unwrap();
    life.cut_after(points);
    // What was begun goes on without the request.
    let _ = tokio::time::timeout(Duration::from_secs(1), operation.begin(&controller)).await;
    let _ = tokio::time::timeout(AWAY, life.ended()).await;
    world.start_agent(FAR);
    let _ = tokio::time::timeout(WINDOW - AWAY, life.ended()).await;
    (life, state_of(&controller))
}

/// Cuts the instance that takes over from a controller which ended in the middle of a set-up.
async fn cut_successor(world: &mut World, points: usize) -> (Arc<Life>, Option<State>) {
    world.start_stand_by(0);
    let life = Arc::clone(&world.controllers[0].last().unwrap().life);
    life.cut_after(points);
    let first = world.controller(0).unwrap();
    let _ = tokio::time::timeout(Duration::from_millis(300), Operation::TakeOver.begin(&first)).await;
    sleep_ms(300).await;
    drop(first);
    world.kill_controller(0);
    let _ = tokio::time::timeout(AWAY, life.ended()).await;
    world.start_agent(FAR);
    let lease = world.config.lease;
    let _ = tokio::time::timeout(lease + WINDOW - AWAY, life.ended()).await;
    (life, world.controller(0).as_ref().and_then(state_of))
}

/// Where a controller was cut, the states before and after, and how often.
type Outcomes = BTreeMap<(Point, Option<State>, Option<State>), usize>;

/// Every cut of an operation, until one is not met any more.
fn cuts(operation: Operation, far: FarEnd, violated: &mut Vec<String>) -> Outcomes {
    let mut outcomes = Outcomes::new();
    for first in (0..).step_by(8) {
        let mut through = false;
        let points: Vec<usize> = (first..first + 8).collect();
        for (points, outcome) in threads(points, |points| run(cut_after(operation, far, points))) {
            let Outcome { cut, before, after, found } = outcome;
            violated.extend(found.0.iter().map(|text| format!("{far:?}, cut {points} {cut:?}: {text}")));
            match cut {
                Some(point) => *outcomes.entry((point, before, after)).or_default() += 1,
                None => through = true,
            }
        }
        if through {
            break;
        }
    }
    outcomes
}

/// Sweeps an operation with the far end in each of these conditions; answers what the connection came to.
fn sweep(operation: Operation, conditions: &[FarEnd]) -> BTreeSet<Option<State>> {
    let (mut count, mut violated, mut ends) = (0, Vec::new(), BTreeSet::new());
    let name = |state: &Option<State>| state.map_or("forgotten", State::as_str);
    for far in conditions {
        let outcomes = cuts(operation, *far, &mut violated);
        let points: usize = outcomes.values().sum();
        println!("{operation:?}, far end {far:?}: {points} points");
        for ((point, before, after), times) in &outcomes {
            println!("  {times:>3} × cut {point:?} in {}: {}", name(before), name(after));
        }
        count += points;
        ends.extend(outcomes.keys().map(|(.., after)| *after));
    }
    println!("{operation:?}: {count} points in all, {} violations", violated.len());
    assert!(violated.is_empty(), "{operation:?}:\n{}", violated.join("\n"));
    assert!(count >= 30, "{operation:?}: {count} points");
    ends
}

#[test]
fn a_controller_cut_at_every_point_of_a_set_up_leaves_it_active_or_released() {
    let ends = sweep(Operation::Setup, &[FarEnd::Well, FarEnd::Rejects, FarEnd::Away]);
    // What was not asked for before the cut is given back when its hold ends, and forgotten a while later.
    assert_eq!(ends, BTreeSet::from([None, Some(State::Active), Some(State::Failed)]));
}

#[test]
fn a_controller_cut_at_every_point_of_a_change_leaves_it_active() {
    let ends = sweep(Operation::Reconfigure, &[FarEnd::Well, FarEnd::Away]);
    assert_eq!(ends, BTreeSet::from([Some(State::Active)]));
}

#[test]
fn a_controller_cut_at_every_point_of_a_teardown_leaves_it_active_or_released() {
    let ends = sweep(Operation::Teardown, &[FarEnd::Well, FarEnd::Away]);
    let legal = BTreeSet::from([None, Some(State::Active), Some(State::Terminated)]);
    assert!(ends.is_subset(&legal), "{ends:?}");
}

#[test]
fn a_controller_cut_at_every_point_of_a_repair_leaves_it_active_or_released() {
    let ends = sweep(Operation::Repair, &[FarEnd::Well, FarEnd::Rejects, FarEnd::Away]);
    let legal = BTreeSet::from([None, Some(State::Active), Some(State::Failed)]);
    assert!(ends.is_subset(&legal) && ends.contains(&Some(State::Active)), "{ends:?}");
}

#[test]
fn an_instance_cut_at_every_point_of_its_take_over_leaves_what_was_under_way_active_or_released() {
    let ends = sweep(Operation::TakeOver, &[FarEnd::Well, FarEnd::Rejects]);
    let legal = BTreeSet::from([None, Some(State::Active), Some(State::Failed)]);
    assert!(ends.is_subset(&legal) && ends.contains(&Some(State::Active)), "{ends:?}");
}
