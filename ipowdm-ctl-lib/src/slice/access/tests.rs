use super::*;
use crate::slice::ActivationRequest;
use crate::testbed::guarded::{guarded, manager};
use crate::testbed::{Testbed, eventually, port, vop};
use core::time::Duration;
use ipowdm_core::bus::Bus as _;
use ipowdm_core::bus::access::{Operation, Right};
use ipowdm_core::error::Code;
use ipowdm_core::topics::ASSIGNMENTS;

fn users_of(credentials: &[Credential]) -> Vec<String> {
    credentials.iter().map(|credential| credential.principal.name()).collect()
}

fn request(name: &str, ports: &[&str]) -> ActivationRequest {
    ActivationRequest::new(vop(name), "Tenant", ports.iter().map(|at| port(at)).collect())
}

#[tokio::test(start_paused = true)]
async fn s0_01_activation_opens_the_topics_to_those_who_need_them_and_tells_each_password_once() {
    let (_bed, bus, slices) = guarded().await;
    let activation = slices.activate(Testbed::vop2()).await.unwrap();
    let expected = ["controller_vOp2", "agent_pop1-router1", "agent_pop2-router1", "agent_pop3-router1"];
    assert_eq!(users_of(&activation.credentials), expected);
    let distinct: BTreeSet<&str> = activation.credentials.iter().map(|one| one.password.reveal()).collect();
    assert_eq!(distinct.len(), expected.len());
    let access = slices.describe(&vop("vOp2")).await.unwrap().access;
    assert_eq!((&access.rights, &access.passwords), (&Enforcement::Enforced, &Enforcement::Enforced));
    assert_eq!(access.users, expected.iter().map(|user| (*user).to_owned()).collect());
    let topics: Vec<String> = bus.topics_with_rights().into_iter().collect();
    assert_eq!(topics, ["config_vOp2", "health_vOp2", ASSIGNMENTS, "monitoring_vOp2"]);
    let writers = |topic: &str| -> Vec<String> {
        let is_it = |right: &&Right| {
            right.operation == Operation::Write && right.resource == Resource::Topic(topic.to_owned())
        };
        bus.with(|state| state.rights.iter().filter(is_it).map(|right| right.principal.clone()).collect())
    };
    assert_eq!(writers("config_vOp2"), ["controller_vOp2"]);
    assert_eq!(
        writers("monitoring_vOp2"),
        &["agent_pop1-router1", "agent_pop2-router1", "agent_pop3-router1"]
    );
    assert_eq!(writers(ASSIGNMENTS), Vec::<String>::new());

    let again = slices.activate(Testbed::vop2()).await.unwrap();
    assert!(!again.new && again.credentials.is_empty());
    let told = format!("{activation:?}");
    assert!(distinct.iter().all(|secret| !told.contains(secret)), "{told}");
}

#[tokio::test(start_paused = true)]
async fn a_broker_that_has_forgotten_everything_is_told_topics_assignments_and_rights_again() {
    let (_bed, bus, slices) = guarded().await;
    let id = vop("vOp2");
    slices.activate(Testbed::vop2()).await.unwrap();
    slices.admit_application(&id, &"exporter".parse().unwrap()).await.unwrap();
    let rights = bus.with(|state| state.rights.clone());
    for topic in bus.topics().await.unwrap() {
        bus.delete_topic(&topic).await.unwrap();
    }
    bus.with(|state| state.rights.clear());
    slices.ensure_topics(&id).await.unwrap();
    assert_eq!(bus.with(|state| state.rights.clone()), rights);
    assert_eq!(bus.topics().await.unwrap(), ["config_vOp2", "health_vOp2", ASSIGNMENTS, "monitoring_vOp2"]);
    let told = async || bus.bounds(ASSIGNMENTS, 0).await.is_ok_and(|bounds| bounds.next >= 3);
    eventually("all agents are assigned again", told).await;
}

#[tokio::test(start_paused = true)]
async fn s0_02_deactivation_takes_everything_back_but_what_an_agent_has_from_another_operator() {
    let (_bed, bus, slices) = guarded().await;
    let vop2 = request("vOp2", &["pop1/router1/Ethernet48", "pop2/router1/Ethernet48"]);
    slices.activate(vop2.clone()).await.unwrap();
    let vop1 = request("vOp1", &["pop1/router1/Ethernet56", "pop1/router2/Ethernet48"]);
    let second = slices.activate(vop1).await.unwrap();
    assert_eq!(users_of(&second.credentials), ["controller_vOp1", "agent_pop1-router2"]);
    slices.deactivate(&vop("vOp2"), false).await.unwrap();
    assert_eq!(bus.users(), ["agent_pop1-router1", "agent_pop1-router2", "controller_vOp1"]);
    let topics: Vec<String> = bus.topics_with_rights().into_iter().collect();
    assert_eq!(topics, ["config_vOp1", "health_vOp1", ASSIGNMENTS, "monitoring_vOp1"]);
    slices.deactivate(&vop("vOp1"), false).await.unwrap();
    bus.assert_nothing_left();
    let again = slices.activate(vop2).await.unwrap();
    assert_eq!(again.credentials.len(), 3, "a new life, new passwords");
}

#[tokio::test(start_paused = true)]
async fn an_activation_that_fails_at_any_call_about_access_is_undone_completely() {
    let mut failed = 0;
    for call in 1.. {
        let (bed, bus, slices) = guarded().await;
        bus.with(|state| state.fails = Some(call));
        let outcome = slices.activate(Testbed::vop2()).await;
        if bus.with(|state| state.calls) < call {
            assert!(outcome.is_ok(), "{outcome:?}");
            break;
        }
        failed += 1;
        assert_eq!(outcome.unwrap_err().code(), Code::BusUnavailable, "call {call}");
        bus.assert_nothing_left();
        assert!(slices.list().await.unwrap().is_empty(), "call {call}");
        assert_eq!(bed.bus.topics().await.unwrap(), [ASSIGNMENTS], "call {call}");
        let free = slices.check_interface(&port("pop1/router1/Ethernet48")).await.unwrap();
        assert!(free.available, "call {call}");
        assert!(slices.activate(Testbed::vop2()).await.is_ok(), "call {call}: it can be activated then");
    }
    assert!(failed >= 7, "{failed} calls were cut");
}

#[tokio::test(start_paused = true)]
async fn access_that_was_being_opened_when_a_process_ended_is_closed_by_the_next() {
    let mut cut = 0;
    for call in 1.. {
        let (bed, bus, slices) = guarded().await;
        bus.with(|state| state.hangs = Some(call));
        let activation = slices.activate(Testbed::vop2());
        if tokio::time::timeout(Duration::from_secs(1), activation).await.is_ok() {
            break;
        }
        cut += 1;
        drop(slices);
        bus.with(|state| state.hangs = None);
        let slices = manager(&bed, &bus).await;
        eventually("it is dismantled", || async { slices.list().await.unwrap().is_empty() }).await;
        bus.assert_nothing_left();
    }
    assert!(cut >= 7, "{cut} calls were cut");
}

#[tokio::test(start_paused = true)]
async fn a_deactivation_that_cannot_take_access_back_is_not_done_and_goes_on_later() {
    let mut calls = 0;
    for call in 1.. {
        let (_bed, bus, slices) = guarded().await;
        slices.activate(Testbed::vop2()).await.unwrap();
        slices.admit_application(&vop("vOp2"), &ApplicationId::new("exporter").unwrap()).await.unwrap();
        bus.with(|state| (state.calls, state.fails, state.stays_down) = (0, Some(call), true));
        let outcome = slices.deactivate(&vop("vOp2"), false).await;
        if bus.with(|state| state.calls) < call {
            assert!(outcome.is_ok(), "{outcome:?}");
            break;
        }
        calls += 1;
        assert_eq!(outcome.unwrap_err().code(), Code::BusUnavailable, "call {call}");
        assert_eq!(slices.describe(&vop("vOp2")).await.unwrap().vop.phase, VopPhase::Deactivating);
        bus.with(|state| state.fails = None);
        slices.deactivate(&vop("vOp2"), false).await.unwrap();
        bus.assert_nothing_left();
        assert!(slices.list().await.unwrap().is_empty());
    }
    assert!(calls >= 9, "{calls} calls were cut");
}

#[tokio::test(start_paused = true)]
async fn a_broker_without_an_authorizer_is_told_as_not_enforced_and_gets_no_passwords() {
    let (_bed, bus, slices) = guarded().await;
    bus.with(|state| state.disabled = true);
    let activation = slices.activate(Testbed::vop2()).await.unwrap();
    assert!(activation.new && activation.credentials.is_empty());
    let access = slices.describe(&vop("vOp2")).await.unwrap().access;
    let not = Enforcement::NotEnforced { reason: "SecurityDisabled".to_owned() };
    assert_eq!((&access.rights, &access.passwords), (&not, &not));
    let exporter = ApplicationId::new("exporter").unwrap();
    let error = slices.admit_application(&vop("vOp2"), &exporter).await.unwrap_err();
    assert_eq!(error.code(), Code::Unsupported);
    assert_eq!(error.to_string(), "access to the topics of vOp2 is not enforced: SecurityDisabled");
    slices.deactivate(&vop("vOp2"), false).await.unwrap();
    bus.assert_nothing_left();
}

#[tokio::test(start_paused = true)]
async fn a_broker_that_takes_no_passwords_still_enforces_rights() {
    let (_bed, bus, slices) = guarded().await;
    bus.with(|state| state.without_passwords = true);
    let activation = slices.activate(Testbed::vop2()).await.unwrap();
    assert!(activation.credentials.is_empty());
    let access = slices.describe(&vop("vOp2")).await.unwrap().access;
    assert_eq!(access.rights, Enforcement::Enforced);
    assert_eq!(access.passwords.reason(), Some("SecurityDisabled"));
    slices.deactivate(&vop("vOp2"), false).await.unwrap();
    bus.assert_nothing_left();
}

#[tokio::test(start_paused = true)]
async fn a_bus_without_access_control_is_told_as_not_enforced() {
    let bed = Testbed::new().await;
    bed.slices().activate(Testbed::vop2()).await.unwrap();
    let access = bed.slices().describe(&vop("vOp2")).await.unwrap().access;
    assert_eq!(access.rights.reason(), Some("the bus has no access control"));
    let error = bed.slices().renew_password(&vop("vOp2"), "controller_vOp2").await.unwrap_err();
    assert_eq!(error.code(), Code::Unsupported);
}

#[tokio::test(start_paused = true)]
async fn an_application_comes_and_goes_and_a_lost_password_is_replaced() {
    let (_bed, bus, slices) = guarded().await;
    slices.activate(Testbed::vop2()).await.unwrap();
    let (vop2, exporter) = (vop("vOp2"), ApplicationId::new("exporter").unwrap());
    let first = slices.admit_application(&vop2, &exporter).await.unwrap();
    assert_eq!(first.principal.name(), "application_vOp2_exporter");
    assert!(bus.topics_with_rights().contains("vOp2_*"), "its consumer groups");
    let second = slices.admit_application(&vop2, &exporter).await.unwrap();
    let third = slices.renew_password(&vop2, "application_vOp2_exporter").await.unwrap();
    assert!(first.password != second.password && second.password != third.password);
    let agent = slices.renew_password(&vop2, "agent_pop1-router1").await.unwrap();
    assert_eq!(agent.principal.name(), "agent_pop1-router1");
    for stranger in ["agent_pop9-router1", "controller_vOp1", "admin", ""] {
        let error = slices.renew_password(&vop2, stranger).await.unwrap_err();
        assert_eq!(error.code(), Code::UnknownAgent, "{stranger}");
    }
    assert!(slices.dismiss_application(&vop2, &exporter).await.unwrap());
    assert!(!slices.dismiss_application(&vop2, &exporter).await.unwrap(), "it is gone");
    assert!(!bus.users().contains(&"application_vOp2_exporter".to_owned()));
    assert!(!bus.topics_with_rights().contains("vOp2_*"));
    let unknown = slices.admit_application(&vop("vOp9"), &exporter).await.unwrap_err();
    assert_eq!(unknown.code(), Code::UnknownVop);
}
