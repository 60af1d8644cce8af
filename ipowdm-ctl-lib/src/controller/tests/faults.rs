//! Ends that refuse, lie, repeat or say nothing; controllers that go and come.

use super::*;
use std::sync::Arc;

#[tokio::test(start_paused = true)]
async fn one_end_that_rejects_undoes_both_and_frees_everything() {
    let (bed, controller) = Testbed::new().await.with_vop2().await;
    bed.agent("pop2").behave("Ethernet48", Behaviour::Reject(Code::ModuleFault));
    controller.create_connection(guide()).await.unwrap();
    let operation = controller.setup_and_wait(&id("POP1-POP2-1"), MINUTE).await.unwrap();
    assert_eq!(failed_with(&operation), Some(Code::ModuleFault));
    let view = controller.connection(&id("POP1-POP2-1")).unwrap();
    assert_eq!((view.state, view.holds_grant), (State::Failed, false));
    assert!(!bed.agent("pop1").port("Ethernet48").lit, "the end that had obeyed is dark again");
    let mut downs: Vec<String> = bed
        .commands("config_vOp2", "POP1-POP2-1")
        .await
        .into_iter()
        .filter(|(_, command)| matches!(command.action, Action::Teardown { .. }))
        .map(|(key, command)| {
            assert_eq!(command.lifetime_ms, None, "however late");
            key
        })
        .collect();
    downs.sort();
    assert_eq!(downs, ["pop1-router1", "pop2-router1"]);
    bed.assert_nothing_held().await;
}

#[tokio::test(start_paused = true)]
async fn a_read_back_that_differs_is_no_success() {
    let (bed, controller) = Testbed::new().await.with_vop2().await;
    bed.agent("pop1").behave("Ethernet48", Behaviour::WrongPower);
    controller.create_connection(guide()).await.unwrap();
    let operation = controller.setup_and_wait(&id("POP1-POP2-1"), MINUTE).await.unwrap();
    assert_eq!(failed_with(&operation), Some(Code::ReadBackMismatch));
    bed.assert_nothing_held().await;
}

#[tokio::test(start_paused = true)]
async fn no_answer_is_timed_out_undone_and_released() {
    let (bed, controller) = Testbed::new().await.with_vop2().await;
    for pop in ["pop1", "pop2"] {
        bed.agent(pop).behave("Ethernet48", Behaviour::Dead);
    }
    controller.create_connection(guide()).await.unwrap();
    let operation = controller.setup_and_wait(&id("POP1-POP2-1"), MINUTE).await.unwrap();
    assert_eq!(operation.status, OperationStatus::Running, "minutes are normal");
    let operation = controller.wait(operation, MINUTE * 10).await.unwrap();
    assert_eq!(failed_with(&operation), Some(Code::TimedOut));
    assert_eq!(state(&controller), State::Failed);
    bed.assert_nothing_held().await;
}

#[tokio::test(start_paused = true)]
async fn a_laser_that_is_lit_and_cannot_be_reached_keeps_its_spectrum_until_its_agent_is_back() {
    let (bed, controller) = lit().await;
    let agent = bed.agent("pop2");
    agent.behave("Ethernet48", Behaviour::Dead);
    let operation = controller.delete(&id("POP1-POP2-1")).await.unwrap();
    let operation = controller.wait(operation, MINUTE * 5).await.unwrap();
    assert_eq!(failed_with(&operation), Some(Code::TimedOut));
    let view = controller.connection(&id("POP1-POP2-1")).unwrap();
    assert_eq!((view.state, view.holds_grant), (State::Failed, true));
    assert!(agent.port("Ethernet48").lit);
    let again = ConnectionRequest { connection_id: Some(id("OTHER")), ..guide() };
    let (other, _) = controller.create_connection(again).await.unwrap();
    assert_ne!(other.frequency, view.frequency);
    controller.delete(&id("OTHER")).await.unwrap();

    agent.behave("Ethernet48", Behaviour::Obey);
    tokio::time::sleep(MINUTE * 2).await;
    assert!(!agent.port("Ethernet48").lit, "it was told again");
    bed.assert_nothing_held().await;
}

#[tokio::test(start_paused = true)]
async fn an_end_that_is_gone_for_good_can_be_abandoned() {
    let (bed, controller) = lit().await;
    bed.agent("pop2").behave("Ethernet48", Behaviour::Dead);
    let mut events = controller.events();
    controller.abandon(&id("POP1-POP2-1")).await.unwrap();
    assert_eq!(state(&controller), State::Terminated);
    bed.assert_nothing_held().await;
    let mut unconfirmed = 0;
    while let Ok(event) = events.try_recv() {
        unconfirmed += u8::from(matches!(event, ControllerEvent::LeftUnconfirmed { .. }));
    }
    assert_eq!(unconfirmed, 2);
}

#[tokio::test(start_paused = true)]
async fn repeated_acks_are_counted_and_change_nothing() {
    let (bed, controller) = Testbed::new().await.with_vop2().await;
    for pop in ["pop1", "pop2"] {
        bed.agent(pop).behave("Ethernet48", Behaviour::Repeat(3));
    }
    controller.create_connection(guide()).await.unwrap();
    controller.setup_and_wait(&id("POP1-POP2-1"), MINUTE).await.unwrap();
    calm().await;
    assert_eq!(state(&controller), State::Active);
    let metrics = controller.metrics();
    assert_eq!(metrics.acks.get("applied"), Some(&6));
    assert_eq!(metrics.acks_ignored, 4);
}

#[tokio::test(start_paused = true)]
async fn an_ack_after_the_deadline_does_not_revive_a_connection() {
    let (bed, controller) = Testbed::new().await.with_vop2().await;
    bed.agent("pop2").behave("Ethernet48", Behaviour::Slow(MINUTE * 8));
    controller.create_connection(guide()).await.unwrap();
    controller.setup_and_wait(&id("POP1-POP2-1"), MINUTE).await.unwrap();
    tokio::time::sleep(MINUTE * 20).await;
    let view = controller.connection(&id("POP1-POP2-1")).unwrap();
    assert_eq!(view.state, State::Failed);
    assert!(
        !bed.agent("pop2").port("Ethernet48").lit,
        "it obeyed the set-up late, and the teardown after it"
    );
    bed.assert_nothing_held().await;
}

#[tokio::test(start_paused = true)]
async fn a_port_that_somebody_lit_by_hand_fails_the_set_up_with_its_reason_and_holds_nothing() {
    let (bed, controller) = Testbed::new().await.with_vop2().await;
    bed.agent("pop2").behave("Ethernet48", Behaviour::Occupied);
    controller.create_connection(guide()).await.unwrap();
    let operation = controller.setup_and_wait(&id("POP1-POP2-1"), MINUTE).await.unwrap();
    assert_eq!(failed_with(&operation), Some(Code::PortOccupied));
    let view = controller.connection(&id("POP1-POP2-1")).unwrap();
    assert_eq!((view.state, view.holds_grant), (State::Failed, false));
    let failure = view.failure.unwrap();
    assert_eq!(
        (failure.code, failure.text.as_str()),
        (Code::PortOccupied, "the port serves another connection")
    );
    assert!(!bed.agent("pop1").port("Ethernet48").lit, "the other end was taken back");
    bed.assert_nothing_held().await;
    let sent = bed.commands("config_vOp2", "POP1-POP2-1").await.len();
    tokio::time::sleep(MINUTE * 10).await;
    assert_eq!(bed.commands("config_vOp2", "POP1-POP2-1").await.len(), sent, "nothing is repeated");
    bed.agent("pop2").behave("Ethernet48", Behaviour::Obey);
    assert!(controller.create_connection(guide()).await.unwrap().1, "the id lives again");
    controller.setup_and_wait(&id("POP1-POP2-1"), MINUTE).await.unwrap();
    assert_eq!(state(&controller), State::Active);
}

#[tokio::test(start_paused = true)]
async fn a_hold_that_is_not_set_up_is_released() {
    let (bed, controller) = Testbed::new().await.with_vop2().await;
    controller.create_connection(guide()).await.unwrap();
    tokio::time::sleep(MINUTE * 11).await;
    let view = controller.connection(&id("POP1-POP2-1")).unwrap();
    assert_eq!((view.state, view.failure.unwrap().code), (State::Failed, Code::Expired));
    bed.assert_nothing_held().await;
}

#[tokio::test(start_paused = true)]
async fn a_restart_in_the_middle_of_a_set_up_finishes_it() {
    let (mut bed, controller) = Testbed::new().await.with_vop2().await;
    bed.agent("pop2").behave("Ethernet48", Behaviour::Slow(MINUTE));
    controller.create_connection(guide()).await.unwrap();
    let operation = controller.setup(&id("POP1-POP2-1")).await.unwrap();
    tokio::time::sleep(Duration::from_secs(20)).await;
    assert_eq!(state(&controller), State::SetupInProgress);
    drop(controller);
    bed.crash();
    // The answer of pop2 comes while nobody listens.
    tokio::time::sleep(MINUTE * 2).await;
    bed.start().await;
    let controller = bed.controller("vOp2");
    let operation = controller.operation(&operation.id).unwrap();
    let operation = controller.wait(operation, MINUTE).await.unwrap();
    assert_eq!(operation.status, OperationStatus::Succeeded);
    assert_eq!(state(&controller), State::Active);
}

#[tokio::test(start_paused = true)]
async fn a_restart_in_the_middle_of_a_set_up_that_fails_undoes_it_within_the_remaining_time() {
    let (mut bed, controller) = Testbed::new().await.with_vop2().await;
    bed.agent("pop2").behave("Ethernet48", Behaviour::Dead);
    controller.create_connection(guide()).await.unwrap();
    controller.setup(&id("POP1-POP2-1")).await.unwrap();
    tokio::time::sleep(MINUTE * 5).await;
    drop(controller);
    bed.crash();
    tokio::time::sleep(MINUTE * 60).await;
    bed.start().await;
    let controller = bed.controller("vOp2");
    let left = controller.connection(&id("POP1-POP2-1")).unwrap().deadline_in_ms.unwrap();
    assert!((25_000..=36_000).contains(&left), "{left} ms of 330 s are left: an outage does not use time up");
    tokio::time::sleep(Duration::from_secs(40)).await;
    assert_eq!(state(&controller), State::TeardownInProgress);
    tokio::time::sleep(MINUTE * 2).await;
    assert_eq!(state(&controller), State::Failed);
    assert!(!bed.agent("pop1").port("Ethernet48").lit);
    bed.assert_nothing_held().await;
}

#[tokio::test(start_paused = true)]
async fn a_restart_between_commit_and_publication_loses_no_command() {
    let (mut bed, controller) = Testbed::new().await.with_vop2().await;
    controller.create_connection(guide()).await.unwrap();
    bed.bus.set_available(false);
    calm().await;
    controller.setup(&id("POP1-POP2-1")).await.unwrap();
    calm().await;
    drop(controller);
    bed.crash();
    bed.bus.set_available(true);
    assert!(bed.commands("config_vOp2", "POP1-POP2-1").await.is_empty());
    bed.start().await;
    let controller = bed.controller("vOp2");
    eventually("the set-up goes on", || async { state(&controller) == State::Active }).await;
}

#[tokio::test(start_paused = true)]
async fn an_agent_that_has_seen_a_higher_epoch_is_outdone() {
    let (bed, controller) = Testbed::new().await.with_vop2().await;
    bed.agent("pop2").set_epoch(50);
    controller.create_connection(guide()).await.unwrap();
    let operation = controller.setup_and_wait(&id("POP1-POP2-1"), MINUTE).await.unwrap();
    assert_eq!(operation.status, OperationStatus::Succeeded, "stale_epoch is answered with a higher one");
    assert_eq!(bed.agent("pop2").epoch(), 51);
    bed.agent("pop3").set_epoch(99);
    bed.agent("pop3").report().await;
    calm().await;
    assert_eq!(controller.status().await.epoch, 100, "a heartbeat is enough");
}

#[tokio::test(start_paused = true)]
async fn a_second_controller_takes_over_and_the_first_stops_commanding() {
    let (bed, first) = lit().await;
    let bus: Arc<dyn Bus> = Arc::new(bed.bus.clone());
    let second =
        Controller::builder(vop("vOp2"), bed.linkdb.clone(), bus).relay(false).start().await.unwrap();
    let refused = first.delete(&id("POP1-POP2-1")).await.unwrap_err();
    assert_eq!(refused.code(), Code::StaleEpoch);
    assert!(first.health().await.superseded);
    assert_eq!(state(&second), State::Active);
    let operation = second.delete(&id("POP1-POP2-1")).await.unwrap();
    assert_eq!(second.wait(operation, MINUTE).await.unwrap().status, OperationStatus::Succeeded);
}

#[tokio::test(start_paused = true)]
async fn bad_records_between_good_ones_change_nothing_and_are_counted() {
    let (bed, controller) = Testbed::new().await.with_vop2().await;
    controller.create_connection(guide()).await.unwrap();
    let oversized = format!("{{\"type\":\"commandAck\",\"x\":\"{}\"}}", "x".repeat((1 << 20) - 40));
    let unknown_type: &[u8] = b"{\"type\":\"qotEvent\"}";
    for bad in
        [b"{not json".as_slice(), oversized.as_bytes(), unknown_type, b"[1,2]", b"{\"type\":\"commandAck\"}"]
    {
        bed.publish("monitoring_vOp2", "POP1-POP2-1", bad).await;
    }
    controller.setup_and_wait(&id("POP1-POP2-1"), MINUTE).await.unwrap();
    assert_eq!(state(&controller), State::Active);
    let metrics = controller.metrics();
    assert_eq!((metrics.unknown_messages, metrics.dead_letters), (1, 4));
    assert!(controller.dead_letters().iter().any(|letter| letter.excerpt == "{not json"));
}

#[tokio::test(start_paused = true)]
async fn an_outage_of_the_bus_is_shown_and_survived() {
    let (bed, controller) = Testbed::new().await.with_vop2().await;
    bed.bus.set_available(false);
    controller.create_connection(guide()).await.unwrap();
    controller.setup(&id("POP1-POP2-1")).await.unwrap();
    tokio::time::sleep(Duration::from_secs(10)).await;
    let health = controller.health().await;
    assert!(health.bus.is_some() && !health.is_healthy());
    assert_eq!(controller.discover().await.unwrap_err().code(), Code::BusUnavailable);
    bed.bus.set_available(true);
    eventually("the set-up goes on", || async { state(&controller) == State::Active }).await;
    // Each topic comes back by itself.
    eventually("all is well again", || async { controller.health().await.is_healthy() }).await;
}

#[tokio::test(start_paused = true)]
async fn a_silent_agent_is_unknown_and_its_connection_stays_active() {
    let (bed, controller) = lit().await;
    let presence = || controller.agent(&router("pop2", "router1")).unwrap().agent.presence;
    bed.agent("pop2").silence(true);
    tokio::time::sleep(Duration::from_secs(125)).await;
    assert_eq!(presence(), crate::registry::Presence::Unknown);
    let view = controller.connection(&id("POP1-POP2-1")).unwrap();
    assert_eq!(view.state, State::Active);
    assert!(view.ends.destination.troubles.agent_unknown && !view.ends.source.troubles.agent_unknown);
    tokio::time::sleep(MINUTE * 30).await;
    assert_eq!(presence(), crate::registry::Presence::Unknown, "not forgotten: it owns a connection");
    bed.agent("pop2").silence(false);
    tokio::time::sleep(Duration::from_secs(40)).await;
    assert_eq!(presence(), crate::registry::Presence::Online);
    assert!(!controller.connection(&id("POP1-POP2-1")).unwrap().ends.destination.troubles.agent_unknown);
}

#[tokio::test(start_paused = true)]
async fn a_module_that_is_taken_out_degrades_and_its_return_is_not_trusted_before_it_is_seen() {
    let (bed, controller) = lit().await;
    bed.agent("pop2").change("Ethernet48", |port| port.module = None);
    bed.agent("pop2").report().await;
    calm().await;
    let view = controller.connection(&id("POP1-POP2-1")).unwrap();
    assert_eq!((view.state, view.verified_at), (State::Degraded, None));
    assert!(view.ends.destination.troubles.module_absent);
    bed.agent("pop2").change("Ethernet48", |port| port.module = Some(openzr()));
    bed.agent("pop2").report().await;
    calm().await;
    assert_eq!(state(&controller), State::Degraded);
    bed.agent("pop2").osnr("Ethernet48", 300).await;
    calm().await;
    assert_eq!(state(&controller), State::Active, "its registers were seen as wanted");
}

#[tokio::test(start_paused = true)]
async fn a_foreign_change_is_noticed() {
    let (bed, controller) = lit().await;
    bed.agent("pop1").change("Ethernet48", |port| port.tx_power = power(-900));
    for _ in 0..2 {
        bed.agent("pop1").osnr("Ethernet48", 300).await;
    }
    calm().await;
    let view = controller.connection(&id("POP1-POP2-1")).unwrap();
    assert_eq!(view.state, State::Degraded);
    assert!(view.ends.source.troubles.unverified);
}

#[tokio::test(start_paused = true)]
async fn a_link_that_fails_degrades_the_connections_on_it() {
    let (bed, controller) = lit().await;
    let link = "pop1-pop2".parse().unwrap();
    let down = Some(crate::topology::UpDown::Down);
    bed.linkdb.set_link_state(&link, None, down).await.unwrap();
    calm().await;
    assert_eq!(state(&controller), State::Degraded);
    bed.linkdb.set_link_state(&link, None, Some(crate::topology::UpDown::Up)).await.unwrap();
    calm().await;
    assert_eq!(state(&controller), State::Active);
}

#[tokio::test(start_paused = true)]
async fn an_ack_for_another_tenants_topic_is_not_taken() {
    let (bed, controller) = Testbed::new().await.with_vop2().await;
    bed.agent("pop2").behave("Ethernet48", Behaviour::Mute);
    controller.create_connection(guide()).await.unwrap();
    controller.setup(&id("POP1-POP2-1")).await.unwrap();
    calm().await;
    // The true ack, but signed for somebody else.
    let ack = {
        let records = bed.records("monitoring_vOp2").await;
        let value = records[0].value.clone().unwrap();
        String::from_utf8(value.to_vec()).unwrap()
    };
    let forged = ack.replace("\"virtual_operator\":\"vOp2\"", "\"virtual_operator\":\"vOp1\"");
    assert_ne!(ack, forged);
    let before = controller.metrics().acks_ignored;
    bed.publish("monitoring_vOp2", "POP1-POP2-1", forged.as_bytes()).await;
    calm().await;
    assert_eq!(controller.metrics().acks_ignored, before + 1);
    assert_eq!(state(&controller), State::SetupInProgress);
}

#[tokio::test(start_paused = true)]
async fn two_controllers_of_two_tenants_do_not_meet_even_under_the_same_connection_id() {
    let (mut bed, second) = lit().await;
    let ports = ["pop1", "pop2"].map(|pop| port(&format!("{pop}/router2/Ethernet48"))).to_vec();
    let first = bed.activate(crate::slice::ActivationRequest::new(vop("vOp1"), "Tenant 1", ports)).await;
    assert!(first.connections(None).unwrap().is_empty());
    let (view, new) = first.create_connection(guide()).await.unwrap();
    assert!(new, "a tenant names its connections as it likes");
    assert_ne!(view.frequency, second.connection(&id("POP1-POP2-1")).unwrap().frequency);
    first.setup_and_wait(&id("POP1-POP2-1"), MINUTE).await.unwrap();
    assert_eq!((state(&first), state(&second)), (State::Active, State::Active));
    let keys: Vec<String> =
        bed.commands("config_vOp1", "POP1-POP2-1").await.into_iter().map(|(key, _)| key).collect();
    assert!(keys.iter().all(|key| key.ends_with("router2")), "{keys:?}");
    let operation = first.delete(&id("POP1-POP2-1")).await.unwrap();
    first.wait(operation, MINUTE).await.unwrap();
    assert_eq!((state(&first), state(&second)), (State::Terminated, State::Active));
}

#[tokio::test(start_paused = true)]
async fn a_request_whose_caller_has_gone_is_known_all_the_same() {
    let (bed, controller) = Testbed::new().await.with_vop2().await;
    controller.create_connection(guide()).await.unwrap();
    bed.agent("pop1").behave("Ethernet48", Behaviour::Dead);
    bed.agent("pop2").behave("Ethernet48", Behaviour::Dead);
    // The commit of a set-up without anything that comes after it.
    let vop = vop("vOp2");
    let key = record::ConnectionRecord::key(&vop, &id("POP1-POP2-1"));
    let now = controller.inner.now();
    bed.linkdb
        .store()
        .transact(|tx| {
            let mut record = tx.get(&key)?.unwrap();
            record.life.on(now, &crate::connection::Event::Setup);
            record.revision += 1;
            tx.put(&key, &record)
        })
        .await
        .unwrap();
    assert_eq!(state(&controller), State::Pending);
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(state(&controller), State::SetupInProgress, "the store's watch has told");
    tokio::time::sleep(MINUTE * 10).await;
    assert_eq!(state(&controller), State::Failed, "and its deadline is kept");
    bed.assert_nothing_held().await;
}
