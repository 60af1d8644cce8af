//! The control plane ends at every point of an operation in turn, before and after each store write, each publish and each
//! receipt; the next one finds everything lit and owned, or dark and free.

use super::*;
use std::collections::BTreeMap;

/// Time in which an operation with modules that need none is through.
const THROUGH: Duration = Duration::from_secs(2);

/// Time within which the next control plane has come to rest.
const REST: Duration = Duration::from_secs(30);

/// In which state a connection was cut, and in which it came to rest, with the number of points.
type Outcomes = BTreeMap<(State, State), usize>;

/// Runs `begin` with a cut at every point in turn, until it goes through without meeting one.
async fn sweep(
    name: &str,
    prepared: impl AsyncFn() -> (Testbed, ControllerHandle),
    begin: impl AsyncFn(&ControllerHandle),
    check: impl Fn(&Testbed, &ConnectionView, usize),
) -> Outcomes {
    let mut outcomes = Outcomes::new();
    for point in 1.. {
        let (mut bed, controller) = prepared().await;
        bed.cut.after(point);
        // What it began goes on without it; a request that is cut never returns.
        let _ = tokio::time::timeout(Duration::from_millis(1), begin(&controller)).await;
        tokio::time::sleep(THROUGH).await;
        let through = !bed.cut.is_reached();
        let cut_in = state(&controller);
        drop(controller);
        bed.crash();
        bed.start().await;
        let controller = bed.controller("vOp2");
        tokio::time::sleep(REST).await;
        let view = assert_sound(&bed, &controller, point).await;
        check(&bed, &view, point);
        if through {
            println!("{name}: {} points, (cut in, at rest): {outcomes:?}", point - 1);
            assert!(point > 12, "{name}: too few points to prove anything");
            return outcomes;
        }
        *outcomes.entry((cut_in, view.state)).or_default() += 1;
    }
    unreachable!("the points of an operation are finite")
}

/// What must hold once everything is at rest.
async fn assert_sound(bed: &Testbed, controller: &ControllerHandle, point: usize) -> ConnectionView {
    let view = controller.connection(&id("POP1-POP2-1")).unwrap();
    let lit = ["pop1", "pop2"].map(|pop| bed.agent(pop).port("Ethernet48").lit);
    let at_rest = matches!(view.state, State::Pending | State::Active | State::Failed | State::Terminated);
    assert!(at_rest, "point {point}: {}", view.state);
    assert_eq!(
        lit,
        [view.state == State::Active; 2],
        "point {point}: {}: no laser without owner",
        view.state
    );
    if view.state.is_over() {
        bed.assert_nothing_held().await;
    } else {
        assert!(view.holds_grant, "point {point}");
        let grants = bed.linkdb.topology().await.unwrap().grants;
        assert_eq!(grants.len(), 1, "point {point}: no orphaned slot");
    }
    view
}

async fn pending() -> (Testbed, ControllerHandle) {
    let (bed, controller) = Testbed::new().await.with_vop2().await;
    controller.create_connection(guide()).await.unwrap();
    (bed, controller)
}

async fn setup(controller: &ControllerHandle) {
    let _ = controller.setup(&id("POP1-POP2-1")).await;
}

fn resting(outcomes: &Outcomes) -> Vec<State> {
    let states: std::collections::BTreeSet<_> = outcomes.keys().map(|(_, at_rest)| *at_rest).collect();
    states.into_iter().collect()
}

#[tokio::test(start_paused = true)]
async fn a_control_plane_cut_at_every_point_of_a_set_up() {
    let outcomes = sweep("set-up", pending, setup, |_, _, _| {}).await;
    assert_eq!(resting(&outcomes), [State::Pending, State::Active], "not begun, or finished");
    assert!(outcomes.keys().any(|(cut_in, _)| *cut_in == State::SetupInProgress));
}

#[tokio::test(start_paused = true)]
async fn a_control_plane_cut_at_every_point_of_a_set_up_that_one_end_refuses() {
    let prepared = async || {
        let (bed, controller) = pending().await;
        bed.agent("pop2").behave("Ethernet48", Behaviour::Reject(Code::ModuleFault));
        (bed, controller)
    };
    let outcomes = sweep("refused set-up", prepared, setup, |_, _, _| {}).await;
    assert_eq!(resting(&outcomes), [State::Pending, State::Failed], "not begun, or undone");
    assert!(outcomes.keys().any(|(cut_in, _)| *cut_in == State::TeardownInProgress));
}

#[tokio::test(start_paused = true)]
async fn a_control_plane_cut_at_every_point_of_a_change() {
    let begin = async |controller: &ControllerHandle| {
        let step = ReconfigureRequest::step("manual", Db::from_hundredths(50), None);
        let _ = controller.reconfigure(&id("POP1-POP2-1"), &step).await;
    };
    let check = |bed: &Testbed, view: &ConnectionView, point| {
        assert_eq!(view.state, State::Active);
        let powers = ["pop1", "pop2"].map(|pop| bed.agent(pop).port("Ethernet48").tx_power);
        assert!(powers == [power(-150); 2] || powers == [power(-200); 2], "point {point}: {powers:?}");
        let thought = [view.ends.source.tx_power, view.ends.destination.tx_power];
        assert_eq!(thought, powers.map(Some), "point {point}: what is thought is what is");
    };
    let outcomes = sweep("change", lit, begin, check).await;
    assert!(outcomes.keys().any(|(cut_in, _)| *cut_in == State::Reconfiguring));
}

#[tokio::test(start_paused = true)]
async fn a_control_plane_cut_at_every_point_of_a_teardown() {
    let begin = async |controller: &ControllerHandle| {
        let _ = controller.delete(&id("POP1-POP2-1")).await;
    };
    let outcomes = sweep("teardown", lit, begin, |_, _, _| {}).await;
    assert_eq!(resting(&outcomes), [State::Active, State::Terminated], "not begun, or finished");
    assert!(outcomes.keys().any(|(cut_in, _)| *cut_in == State::TeardownInProgress));
}

#[tokio::test(start_paused = true)]
async fn a_slice_manager_cut_at_every_point_of_an_activation_leaves_all_or_nothing() {
    for point in 1.. {
        let mut bed = Testbed::new().await;
        calm().await;
        bed.cut.after(point);
        let activation = bed.slices().activate(Testbed::vop2());
        let answered = tokio::time::timeout(Duration::from_millis(1), activation).await.is_ok();
        let through = answered && !bed.cut.is_reached();
        bed.crash();
        bed.start().await;
        tokio::time::sleep(REST).await;
        let vops = bed.slices().list().await.unwrap();
        let owned = bed.linkdb.topology().await.unwrap().ports;
        let owned = owned.iter().filter(|port| port.port.vop.is_some()).count();
        let topics = bed.bus.topics().await.unwrap().len();
        match vops.as_slice() {
            [] => assert_eq!((owned, topics), (0, 1), "point {point}: nothing but the assignments' topic"),
            [view] => {
                assert_eq!(view.vop.phase, crate::slice::VopPhase::Active, "point {point}");
                assert_eq!((owned, topics), (6, 4), "point {point}");
            }
            more => panic!("{more:?}"),
        }
        // Whatever was left, the activation works now.
        let vop = bed.slices().activate(Testbed::vop2()).await.unwrap().vop;
        assert_eq!(vop.phase, crate::slice::VopPhase::Active);
        if through {
            println!("activation: {} points", point - 1);
            assert!(point > 12);
            return;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_slice_manager_cut_at_every_point_of_a_forced_deactivation_keeps_all_or_leaves_nothing_lit() {
    for point in 1.. {
        let (mut bed, controller) = lit().await;
        drop(controller);
        bed.cut.after(point);
        let (slices, vop2) = (bed.slices().clone(), vop("vOp2"));
        let answered = tokio::time::timeout(THROUGH, slices.deactivate(&vop2, true)).await.is_ok();
        drop(slices);
        let through = answered && !bed.cut.is_reached();
        bed.crash();
        bed.start().await;
        tokio::time::sleep(REST).await;
        let lit = ["pop1", "pop2"].map(|pop| bed.agent(pop).port("Ethernet48").lit);
        let topics = bed.bus.topics().await.unwrap().len();
        if bed.slices().list().await.unwrap().is_empty() {
            assert_eq!((lit, topics), ([false; 2], 1), "point {point}");
            bed.assert_nothing_held().await;
        } else {
            assert_eq!((lit, topics), ([true; 2], 4), "point {point}");
            assert_eq!(state(&bed.controller("vOp2")), State::Active, "point {point}");
        }
        if through {
            println!("forced deactivation: {} points", point - 1);
            assert!(point > 12);
            return;
        }
    }
}
