//! Every state in which something is awaited has a deadline that is stored: a controller that comes back after an outage goes on
//! with the time that was left, and then forward or back.

use super::*;
use ipowdm_core::msg::AdminState;

const ID: &str = "POP1-POP2-1";

/// How long the control plane is away.
const OUTAGE: Duration = Duration::from_secs(3_600);

/// A deadline may come later by what the clock ran since it was last stored.
const CHECKPOINT_MS: u64 = 5_000;

fn left_ms(controller: &ControllerHandle) -> u64 {
    controller.connection(&id(ID)).unwrap().deadline_in_ms.expect("a deadline")
}

async fn both(bed: &Testbed, behaviour: Behaviour) {
    for pop in ["pop1", "pop2"] {
        bed.agent(pop).behave("Ethernet48", behaviour);
    }
}

/// The control plane ends some seconds after this, and another one starts an hour later: state and remaining time are what they
/// were. Answers the new controller and what was left.
async fn away(bed: &mut Testbed, controller: ControllerHandle, waits: State) -> (ControllerHandle, Duration) {
    let before = left_ms(&controller);
    tokio::time::sleep(Duration::from_secs(7)).await;
    assert_eq!(state(&controller), waits);
    drop(controller);
    bed.crash();
    tokio::time::sleep(OUTAGE).await;
    bed.start().await;
    let controller = bed.controller("vOp2");
    assert_eq!(state(&controller), waits, "the outage does not count");
    let left = left_ms(&controller);
    assert!(left < before && left + 7_000 + CHECKPOINT_MS >= before, "{before} ms, then {left} ms");
    (controller, Duration::from_millis(left))
}

/// Lets the deadline pass.
async fn pass(left: Duration) {
    tokio::time::sleep(left + Duration::from_secs(1)).await;
}

#[tokio::test(start_paused = true)]
async fn s0_11_pending_has_a_durable_hold_time_after_which_everything_is_released() {
    let (mut bed, controller) = Testbed::new().await.with_vop2().await;
    controller.create_connection(guide()).await.unwrap();
    let (controller, left) = away(&mut bed, controller, State::Pending).await;
    tokio::time::sleep(left - Duration::from_secs(1)).await;
    assert_eq!(state(&controller), State::Pending);
    pass(Duration::from_secs(1)).await;
    let view = controller.connection(&id(ID)).unwrap();
    assert_eq!((view.state, view.failure.unwrap().code), (State::Failed, Code::Expired));
    bed.assert_nothing_held().await;
}

#[tokio::test(start_paused = true)]
async fn s0_11_setup_in_progress_has_a_durable_deadline_after_which_it_is_undone() {
    let (mut bed, controller) = Testbed::new().await.with_vop2().await;
    both(&bed, Behaviour::Dead).await;
    controller.create_connection(guide()).await.unwrap();
    controller.setup(&id(ID)).await.unwrap();
    let (controller, left) = away(&mut bed, controller, State::SetupInProgress).await;
    both(&bed, Behaviour::Obey).await;
    pass(left).await;
    let view = controller.connection(&id(ID)).unwrap();
    assert_eq!((view.state, view.failure.unwrap().code), (State::Failed, Code::TimedOut));
    bed.assert_nothing_held().await;
}

#[tokio::test(start_paused = true)]
async fn s0_11_reconfiguring_has_a_durable_deadline_after_which_it_settles() {
    let (mut bed, controller) = lit().await;
    both(&bed, Behaviour::Dead).await;
    let step = ReconfigureRequest::step("manual", Db::from_hundredths(50), None);
    controller.reconfigure(&id(ID), &step).await.unwrap();
    let (controller, left) = away(&mut bed, controller, State::Reconfiguring).await;
    pass(left).await;
    let view = controller.connection(&id(ID)).unwrap();
    assert_eq!((view.state, view.failure.unwrap().code), (State::Degraded, Code::TimedOut));
    assert_eq!(view.verified_at, None);
}

#[tokio::test(start_paused = true)]
async fn s0_11_teardown_in_progress_has_a_durable_deadline_after_which_its_light_keeps_its_spectrum() {
    let (mut bed, controller) = lit().await;
    both(&bed, Behaviour::Dead).await;
    controller.delete(&id(ID)).await.unwrap();
    let (controller, left) = away(&mut bed, controller, State::TeardownInProgress).await;
    pass(left).await;
    let view = controller.connection(&id(ID)).unwrap();
    assert_eq!((view.state, view.holds_grant), (State::Failed, true));
    // Until it is told again, which has a deadline too.
    let (_controller, left) = away(&mut bed, controller, State::Failed).await;
    both(&bed, Behaviour::Obey).await;
    pass(left).await;
    bed.assert_nothing_held().await;
    assert!(!bed.agent("pop1").port("Ethernet48").lit && !bed.agent("pop2").port("Ethernet48").lit);
}

#[tokio::test(start_paused = true)]
async fn s0_11_a_repair_has_a_durable_deadline_after_which_it_is_undone() {
    let (mut bed, controller) = Testbed::new().await.with_vop2().await;
    both(&bed, Behaviour::Reject(Code::ModuleFault)).await;
    controller.create_connection(guide()).await.unwrap();
    controller.setup_and_wait(&id(ID), MINUTE).await.unwrap();
    both(&bed, Behaviour::Dead).await;
    let operation = controller.repair(&id(ID)).await.unwrap();
    let (controller, left) = away(&mut bed, controller, State::SetupInProgress).await;
    both(&bed, Behaviour::Obey).await;
    pass(left).await;
    assert_eq!(failed_with(&controller.operation(&operation.id).unwrap()), Some(Code::TimedOut));
    assert_eq!(state(&controller), State::Failed);
    bed.assert_nothing_held().await;
}

#[tokio::test(start_paused = true)]
async fn s0_11_terminated_and_failed_are_forgotten_at_durable_deadlines() {
    let (mut bed, controller) = lit().await;
    let operation = controller.delete(&id(ID)).await.unwrap();
    controller.wait(operation, MINUTE).await.unwrap();
    let (controller, left) = away(&mut bed, controller, State::Terminated).await;
    pass(left).await;
    assert_eq!(controller.connection(&id(ID)).unwrap_err().code(), Code::UnknownConnection);
    both(&bed, Behaviour::Reject(Code::ModuleFault)).await;
    controller.create_connection(guide()).await.unwrap();
    controller.setup_and_wait(&id(ID), MINUTE).await.unwrap();
    let (controller, left) = away(&mut bed, controller, State::Failed).await;
    pass(left).await;
    assert_eq!(controller.connection(&id(ID)).unwrap_err().code(), Code::UnknownConnection);
}

#[tokio::test(start_paused = true)]
async fn an_operation_on_a_port_has_a_durable_deadline() {
    let (mut bed, controller) = Testbed::new().await.with_vop2().await;
    // Nothing waits: the clock runs on without being stored.
    tokio::time::sleep(MINUTE * 30).await;
    both(&bed, Behaviour::Dead).await;
    let at = port("pop1/router1/Ethernet48");
    let operation = controller.control_interface(&at, AdminState::Up).await.unwrap();
    tokio::time::sleep(Duration::from_secs(7)).await;
    drop(controller);
    bed.crash();
    tokio::time::sleep(OUTAGE).await;
    bed.start().await;
    let controller = bed.controller("vOp2");
    assert_eq!(controller.operation(&operation.id).unwrap().status, OperationStatus::Running);
    assert_eq!(
        controller.control_interface(&at, AdminState::Down).await.unwrap_err().code(),
        Code::IllegalState
    );
    pass(Duration::from_secs(60)).await;
    assert_eq!(failed_with(&controller.operation(&operation.id).unwrap()), Some(Code::TimedOut));
    controller.control_interface(&at, AdminState::Down).await.unwrap();
}
