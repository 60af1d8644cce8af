//! What has failed is set up once more.

use super::*;
use crate::connection::Ends;
use crate::controller::record::ConnectionRecord;
use crate::linkdb::{AllocationRequest, Endpoint};
use crate::store::Record as _;

/// A connection whose set-up was refused by the module in pop2, which would obey now.
async fn failed() -> (Testbed, ControllerHandle) {
    let (bed, controller) = Testbed::new().await.with_vop2().await;
    bed.agent("pop2").behave("Ethernet48", Behaviour::Reject(Code::ModuleFault));
    controller.create_connection(guide()).await.unwrap();
    let operation = controller.setup_and_wait(&id("POP1-POP2-1"), MINUTE).await.unwrap();
    assert_eq!(failed_with(&operation), Some(Code::ModuleFault));
    bed.agent("pop2").behave("Ethernet48", Behaviour::Obey);
    (bed, controller)
}

async fn repaired(controller: &ControllerHandle) -> OperationView {
    let operation = controller.repair(&id("POP1-POP2-1")).await.unwrap();
    controller.wait(operation, MINUTE).await.unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_failed_connection_is_repaired_in_the_place_that_it_had() {
    let (bed, controller) = failed().await;
    let before = controller.connection(&id("POP1-POP2-1")).unwrap();
    assert!(!before.holds_grant);
    let operation = repaired(&controller).await;
    assert_eq!(operation.status, OperationStatus::Succeeded);
    let after = controller.connection(&id("POP1-POP2-1")).unwrap();
    assert_eq!((after.state, after.failure, after.holds_grant), (State::Active, None, true));
    assert_eq!((after.slot, after.created_at), (before.slot, before.created_at));
    assert!(Ends::<()>::BOTH.into_iter().all(|end| after.ends.get(end).port == before.ends.get(end).port));
    assert!(after.verified_at.is_some() && after.setup_timing.is_some());
    assert!(bed.agent("pop1").port("Ethernet48").lit && bed.agent("pop2").port("Ethernet48").lit);
    let operation = controller.delete(&id("POP1-POP2-1")).await.unwrap();
    assert_eq!(controller.wait(operation, MINUTE).await.unwrap().status, OperationStatus::Succeeded);
    bed.assert_nothing_held().await;
}

#[tokio::test(start_paused = true)]
async fn operations_from_before_a_repair_are_known_by_the_same_ids() {
    let (bed, controller) = Testbed::new().await.with_vop2().await;
    bed.agent("pop2").behave("Ethernet48", Behaviour::Reject(Code::ModuleFault));
    controller.create_connection(guide()).await.unwrap();
    let set_up = controller.setup_and_wait(&id("POP1-POP2-1"), MINUTE).await.unwrap();
    bed.agent("pop2").behave("Ethernet48", Behaviour::Obey);
    let repair = repaired(&controller).await;
    assert_eq!(controller.operation(&set_up.id).unwrap(), set_up);
    assert_eq!(controller.operation(&repair.id).unwrap(), repair);
    let delete = controller.delete(&id("POP1-POP2-1")).await.unwrap();
    controller.wait(delete, MINUTE).await.unwrap();
    controller.create_connection(guide()).await.unwrap();
    assert!(controller.operation(&set_up.id).is_err(), "another life of the id");
}

#[tokio::test(start_paused = true)]
async fn a_record_of_version_1_is_read() {
    let (_bed, controller) = failed().await;
    let record = ConnectionRecord::clone(&controller.inner.live().get(&id("POP1-POP2-1")).unwrap());
    let bytes = postcard::to_allocvec(&record).unwrap();
    let (last, before) = bytes.split_last().unwrap();
    assert_eq!(*last, 0);
    assert_eq!(ConnectionRecord::upgrade(before).unwrap().unwrap(), record);
    assert!(ConnectionRecord::upgrade(&before[..before.len() - 1]).unwrap().is_err(), "cut off");
}

#[tokio::test(start_paused = true)]
async fn where_its_place_is_taken_a_connection_is_repaired_in_another() {
    let (bed, controller) = failed().await;
    let before = controller.connection(&id("POP1-POP2-1")).unwrap();
    let ends = (Endpoint::at(pop("pop1")), Endpoint::at(pop("pop2")));
    let other = AllocationRequest {
        frequency: Some(before.frequency),
        ..AllocationRequest::new(id("other"), vop("vOp2"), ends.0, ends.1, 12)
    };
    bed.linkdb.allocate(other).await.unwrap();
    assert_eq!(repaired(&controller).await.status, OperationStatus::Succeeded);
    let after = controller.connection(&id("POP1-POP2-1")).unwrap();
    assert_eq!(after.state, State::Active);
    assert_ne!((after.path.clone(), after.slot), (before.path, before.slot));
    assert_eq!(bed.agent("pop1").port("Ethernet48").frequency, Some(after.frequency));
}

#[tokio::test(start_paused = true)]
async fn a_repair_that_fails_is_undone_and_everything_is_free_again() {
    let (bed, controller) = failed().await;
    bed.agent("pop1").behave("Ethernet48", Behaviour::WrongPower);
    assert_eq!(failed_with(&repaired(&controller).await), Some(Code::ReadBackMismatch));
    let view = controller.connection(&id("POP1-POP2-1")).unwrap();
    assert_eq!((view.state, view.holds_grant), (State::Failed, false));
    assert!(!bed.agent("pop1").port("Ethernet48").lit && !bed.agent("pop2").port("Ethernet48").lit);
    bed.assert_nothing_held().await;
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_still_holds_is_repaired_with_what_it_holds() {
    let (bed, controller) = lit().await;
    bed.agent("pop2").behave("Ethernet48", Behaviour::Dead);
    bed.agent("pop2").silence(true);
    let operation = controller.delete(&id("POP1-POP2-1")).await.unwrap();
    controller.wait(operation, MINUTE * 10).await.unwrap();
    let before = controller.connection(&id("POP1-POP2-1")).unwrap();
    assert_eq!((before.state, before.holds_grant), (State::Failed, true), "pop2 shines and is not heard");
    let grants = bed.linkdb.topology().await.unwrap().grants;
    bed.agent("pop2").behave("Ethernet48", Behaviour::Obey);
    let operation = controller.repair(&id("POP1-POP2-1")).await.unwrap();
    bed.agent("pop2").silence(false);
    assert_eq!(controller.wait(operation, MINUTE * 10).await.unwrap().status, OperationStatus::Succeeded);
    assert_eq!(state(&controller), State::Active);
    assert_eq!(bed.linkdb.topology().await.unwrap().grants, grants, "the same grant");
    assert!(bed.agent("pop1").port("Ethernet48").lit && bed.agent("pop2").port("Ethernet48").lit);
}

#[tokio::test(start_paused = true)]
async fn a_dark_end_of_a_degraded_connection_is_lit_again_and_the_other_goes_on_shining() {
    let (bed, controller) = lit().await;
    let before = controller.connection(&id("POP1-POP2-1")).unwrap();
    bed.agent("pop2").change("Ethernet48", |port| port.lit = false);
    for _ in 0..3 {
        let fields = ipowdm_core::msg::TelemetryFields {
            data_path_state: Some("DPDeactivated".into()),
            ..ipowdm_core::msg::TelemetryFields::default()
        };
        bed.agent("pop2").sample("Ethernet48", fields).await;
        calm().await;
    }
    assert_eq!(state(&controller), State::Degraded);
    assert_eq!(repaired(&controller).await.status, OperationStatus::Succeeded);
    let sent = bed.commands("config_vOp2", "POP1-POP2-1").await;
    let told = |agent: &str| sent.iter().filter(|(key, _)| key == agent).count();
    assert_eq!(
        (told("pop1-router1"), told("pop2-router1")),
        (1, 2),
        "only the end that was dark is told again"
    );
    let after = controller.connection(&id("POP1-POP2-1")).unwrap();
    assert_eq!((after.state, after.slot, after.grant_id), (State::Active, before.slot, before.grant_id));
    assert!(bed.agent("pop1").port("Ethernet48").lit && bed.agent("pop2").port("Ethernet48").lit);
}

#[tokio::test(start_paused = true)]
async fn only_what_has_failed_is_repaired_and_a_refusal_takes_nothing() {
    let (bed, controller) = Testbed::new().await.with_vop2().await;
    let unknown = controller.repair(&id("POP1-POP2-1")).await.unwrap_err();
    assert_eq!(unknown.code(), Code::UnknownConnection);
    controller.create_connection(guide()).await.unwrap();
    assert_eq!(controller.repair(&id("POP1-POP2-1")).await.unwrap_err().code(), Code::IllegalState);
    controller.setup_and_wait(&id("POP1-POP2-1"), MINUTE).await.unwrap();
    assert_eq!(controller.repair(&id("POP1-POP2-1")).await.unwrap_err().code(), Code::IllegalState);
    let operation = controller.delete(&id("POP1-POP2-1")).await.unwrap();
    controller.wait(operation, MINUTE).await.unwrap();
    assert_eq!(controller.repair(&id("POP1-POP2-1")).await.unwrap_err().code(), Code::IllegalState);

    let (bed_of_failed, controller) = failed().await;
    for link in ["pop1-pop2", "pop2-pop3"] {
        let down = Some(crate::topology::UpDown::Down);
        bed_of_failed.linkdb.set_link_state(&link.parse().unwrap(), None, down).await.unwrap();
    }
    assert_eq!(controller.repair(&id("POP1-POP2-1")).await.unwrap_err().code(), Code::NoPath);
    assert_eq!(state(&controller), State::Failed);
    bed_of_failed.assert_nothing_held().await;
    bed.assert_nothing_held().await;
}

#[tokio::test(start_paused = true)]
async fn a_connection_whose_hold_was_over_is_repaired_too() {
    let (_bed, controller) = Testbed::new().await.with_vop2().await;
    controller.create_connection(guide()).await.unwrap();
    tokio::time::sleep(MINUTE * 11).await;
    let view = controller.connection(&id("POP1-POP2-1")).unwrap();
    assert_eq!((view.state, view.failure.unwrap().code), (State::Failed, Code::Expired));
    assert_eq!(repaired(&controller).await.status, OperationStatus::Succeeded);
    assert_eq!(state(&controller), State::Active);
}
