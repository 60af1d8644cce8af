//! The controller against scripted agents on a memory bus, on a paused clock.

use super::*;
use crate::connection::{Light, State};
use crate::testbed::{
    Behaviour, Testbed, calm, eventually, guide, id, openzr, plain_zr, pop, port, power, router, vop,
};
use core::time::Duration;
use ipowdm_core::bus::Bus;
use ipowdm_core::error::Code;
use ipowdm_core::msg::Action;
use ipowdm_core::units::{Db, Frequency};

mod compatibility;
mod crashes;
mod deadlines;
mod faults;
mod forgeries;
mod leases;
mod lives;
mod quality;
mod refusals;
mod repairs;
mod strays;

const MINUTE: Duration = Duration::from_secs(60);

/// A bed with the guide's connection lit.
async fn lit() -> (Testbed, ControllerHandle) {
    let (bed, controller) = Testbed::new().await.with_vop2().await;
    controller.create_connection(guide()).await.unwrap();
    let operation = controller.setup_and_wait(&id("POP1-POP2-1"), MINUTE).await.unwrap();
    assert_eq!(operation.status, OperationStatus::Succeeded);
    (bed, controller)
}

fn state(controller: &ControllerHandle) -> State {
    controller.connection(&id("POP1-POP2-1")).unwrap().state
}

fn failed_with(operation: &OperationView) -> Option<Code> {
    match &operation.status {
        OperationStatus::Failed(failure) => Some(failure.code),
        _ => None,
    }
}

#[tokio::test(start_paused = true)]
async fn a_connection_is_held_then_lit_and_active_only_when_both_ends_are_read_back() {
    let (bed, controller) = Testbed::new().await.with_vop2().await;
    let (view, new) = controller.create_connection(guide()).await.unwrap();
    assert!(new);
    assert_eq!((view.state, view.verified_at), (State::Pending, None));
    assert_eq!(view.frequency, Frequency::from_mhz(191_375_000), "the lowest 75 GHz channel of both modules");
    assert_eq!(view.mode.unwrap().media_code, 0x46);
    assert_eq!(view.ends.source.port, port("pop1/router1/Ethernet48"));
    assert_eq!(view.ends.destination.port, port("pop2/router1/Ethernet48"));
    assert!(bed.commands("config_vOp2", "POP1-POP2-1").await.is_empty(), "nothing is commanded yet");

    let operation = controller.setup_and_wait(&id("POP1-POP2-1"), MINUTE).await.unwrap();
    assert_eq!(operation.status, OperationStatus::Succeeded);
    let view = controller.connection(&id("POP1-POP2-1")).unwrap();
    assert_eq!(view.state, State::Active);
    assert!(view.verified_at.is_some());
    assert_eq!(view.setup_timing.unwrap().module_ms, 7);
    assert!(view.ends.all(|end| end.light == Light::Lit && end.tx_power == Some(power(-200))));
    for pop in ["pop1", "pop2"] {
        let module = bed.agent(pop).port("Ethernet48");
        assert_eq!((module.lit, module.frequency), (true, Some(Frequency::from_mhz(191_375_000))));
    }
    assert_eq!(controller.metrics().setup_module_ms.count, 1);
}

#[tokio::test(start_paused = true)]
async fn each_agent_gets_one_command_of_its_own_with_epoch_lifetime_and_unique_id() {
    let (bed, _controller) = lit().await;
    let commands = bed.commands("config_vOp2", "POP1-POP2-1").await;
    assert_eq!(commands.len(), 2);
    for (key, command) in &commands {
        let Action::Setup { endpoints, .. } = &command.action else { panic!("{command:?}") };
        assert_eq!(endpoints.len(), 1);
        assert_eq!(*key, endpoints[0].port.router().default_agent().as_str(), "key = agent id");
        assert_eq!(endpoints[0].media_code, Some(0x46));
        assert_eq!((command.v, command.vop.as_ref()), (1, Some(&vop("vOp2"))));
        assert!(command.epoch.unwrap() >= 1 && command.lifetime_ms.unwrap() > 0);
    }
    assert_ne!(commands[0].1.command_id, commands[1].1.command_id);
}

#[tokio::test(start_paused = true)]
async fn the_same_request_again_is_the_same_connection_and_another_is_refused() {
    let (_bed, controller) = Testbed::new().await.with_vop2().await;
    let (first, _) = controller.create_connection(guide()).await.unwrap();
    let (again, new) = controller.create_connection(guide()).await.unwrap();
    assert_eq!((again.grant_id, again.slot, new), (first.grant_id, first.slot, false));
    let other = ConnectionRequest { tx_power: Some(power(-300)), ..guide() };
    assert_eq!(controller.create_connection(other).await.unwrap_err().code(), Code::AlreadyExists);
    assert_eq!(controller.connections(None).unwrap().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_teardown_darkens_both_ends_frees_everything_and_the_id_lives_again() {
    let (bed, controller) = lit().await;
    for round in 0..2 {
        let operation = controller.delete(&id("POP1-POP2-1")).await.unwrap();
        let operation = controller.wait(operation, MINUTE).await.unwrap();
        assert_eq!(operation.status, OperationStatus::Succeeded);
        assert_eq!(state(&controller), State::Terminated);
        assert!(!bed.agent("pop1").port("Ethernet48").lit && !bed.agent("pop2").port("Ethernet48").lit);
        bed.assert_nothing_held().await;
        let (view, new) = controller.create_connection(guide()).await.unwrap();
        assert!(new, "round {round}");
        assert_eq!(view.state, State::Pending);
        controller.setup_and_wait(&id("POP1-POP2-1"), MINUTE).await.unwrap();
        assert_eq!(state(&controller), State::Active);
    }
    let ids: Vec<_> =
        bed.commands("config_vOp2", "POP1-POP2-1").await.into_iter().map(|(_, c)| c.command_id).collect();
    assert_eq!(
        ids.iter().collect::<std::collections::BTreeSet<_>>().len(),
        ids.len(),
        "ids are never reused"
    );
}

#[tokio::test(start_paused = true)]
async fn deleting_twice_answers_the_same_operation_and_a_terminated_connection_is_forgotten() {
    let (_bed, controller) = lit().await;
    let first = controller.delete(&id("POP1-POP2-1")).await.unwrap();
    let second = controller.delete(&id("POP1-POP2-1")).await.unwrap();
    assert_eq!(first.id, second.id);
    controller.wait(first.clone(), MINUTE).await.unwrap();
    assert_eq!(controller.delete(&id("POP1-POP2-1")).await.unwrap().id, first.id);
    tokio::time::sleep(MINUTE * 2).await;
    assert_eq!(controller.connection(&id("POP1-POP2-1")).unwrap_err().code(), Code::UnknownConnection);
    assert_eq!(controller.operation(&first.id).unwrap_err().code(), Code::UnknownOperation);
}

#[tokio::test(start_paused = true)]
async fn a_reconfiguration_is_on_the_wire_and_read_back() {
    let (bed, controller) = lit().await;
    let step = ReconfigureRequest::step("manual", Db::from_hundredths(50), None);
    let operation = controller.reconfigure(&id("POP1-POP2-1"), &step).await.unwrap();
    let operation = controller.wait(operation, MINUTE).await.unwrap();
    assert_eq!(operation.status, OperationStatus::Succeeded);
    let view = controller.connection(&id("POP1-POP2-1")).unwrap();
    assert_eq!(view.state, State::Active);
    assert!(view.ends.all(|end| end.tx_power == Some(power(-150))));
    assert_eq!(bed.agent("pop1").port("Ethernet48").tx_power, power(-150));
    let commands = bed.commands("config_vOp2", "POP1-POP2-1").await;
    let changes = commands.iter().filter_map(|(_, command)| match &command.action {
        Action::Reconfigure { reason, endpoints, .. } => Some((reason.clone(), endpoints[0].clone())),
        _ => None,
    });
    for (reason, endpoint) in changes.clone() {
        assert_eq!(reason.as_deref(), Some("manual"));
        assert_eq!(
            (endpoint.tx_power, endpoint.frequency, endpoint.media_code),
            (Some(power(-150)), None, None)
        );
    }
    assert_eq!(changes.count(), 2);
}

#[tokio::test(start_paused = true)]
async fn an_id_is_made_where_none_is_given_and_two_connections_share_neither_port_nor_slot() {
    let (_bed, controller) = Testbed::new().await.with_vop2().await;
    let request = || ConnectionRequest::between(pop("pop1"), pop("pop2"));
    let (first, _) = controller.create_connection(request()).await.unwrap();
    let (second, _) = controller.create_connection(request()).await.unwrap();
    assert_ne!(first.connection_id, second.connection_id);
    assert_ne!(first.ends.source.port, second.ends.source.port);
    assert_ne!(first.frequency, second.frequency);
    assert_eq!(controller.create_connection(request()).await.unwrap_err().code(), Code::NoFreePort);
}

#[tokio::test(start_paused = true)]
async fn a_mode_that_both_modules_have_is_chosen_with_a_power_that_both_allow() {
    let (bed, controller) = Testbed::new().await.with_vop2().await;
    bed.agent("pop2").change("Ethernet48", |port| port.module = Some(plain_zr()));
    bed.agent("pop2").report().await;
    calm().await;
    let named = ConnectionRequest {
        destination: EndRequest { pop: pop("pop2"), router: None, port: Some("Ethernet48".parse().unwrap()) },
        ..guide()
    };
    let (view, _) = controller.create_connection(named).await.unwrap();
    assert_eq!(view.mode.unwrap().name, "400ZR");
    assert!(view.ends.all(|end| end.tx_power == Some(power(-1000))));
    assert_eq!(view.ends.destination.tx_power_range.unwrap().max, power(-800));
}

#[tokio::test(start_paused = true)]
async fn a_computed_path_is_what_a_connection_gets_and_takes_nothing() {
    let (bed, controller) = Testbed::new().await.with_vop2().await;
    let request = PathRequest {
        source: pop("pop1"),
        destination: pop("pop3"),
        bandwidth_gbps: 400,
        modulation: ipowdm_core::modes::Modulation::Dp16Qam,
    };
    let path = controller.compute_path(request.clone()).await.unwrap();
    assert_eq!(path.path.hops.len(), 2, "80 + 90 km are shorter than 200");
    bed.assert_nothing_held().await;
    let (view, _) =
        controller.create_connection(ConnectionRequest::between(pop("pop1"), pop("pop3"))).await.unwrap();
    assert_eq!((view.path, view.slot), (path.path, path.slot));
    let next = controller.compute_path(request).await.unwrap();
    assert_ne!(next.slot, view.slot);
}

#[tokio::test(start_paused = true)]
async fn an_interface_is_switched_and_a_silent_one_times_out() {
    let (bed, controller) = Testbed::new().await.with_vop2().await;
    let at = port("pop1/router1/Ethernet56");
    let up = ipowdm_core::msg::AdminState::Up;
    let operation = controller.control_interface(&at, up).await.unwrap();
    assert_eq!(operation.subject, OperationSubject::Interface { up: true });
    assert_eq!(
        controller.control_interface(&at, up).await.unwrap_err().code(),
        Code::IllegalState,
        "one at a time"
    );
    let operation = controller.wait(operation, MINUTE).await.unwrap();
    assert_eq!(operation.status, OperationStatus::Succeeded);
    assert!(bed.agent("pop1").port("Ethernet56").lit);
    let foreign = controller.control_interface(&port("pop1/router2/Ethernet48"), up).await.unwrap_err();
    assert_eq!(foreign.code(), Code::Forbidden);
    let unknown = controller.control_interface(&port("pop1/router1/Ethernet99"), up).await.unwrap_err();
    assert_eq!(unknown.code(), Code::UnknownPort);

    let mut bed = bed;
    bed.agents.clear();
    let operation = controller.control_interface(&at, up).await.unwrap();
    let operation = controller.wait(operation, MINUTE * 2).await.unwrap();
    assert_eq!(failed_with(&operation), Some(Code::TimedOut));
}

#[tokio::test(start_paused = true)]
async fn agents_interfaces_and_network_are_shown_as_the_tenant_may_see_them() {
    let (_bed, controller) = lit().await;
    let agents = controller.agents();
    assert_eq!(agents.len(), 3);
    assert!(agents.iter().all(|view| view.agent.presence == crate::registry::Presence::Online));
    let agent = controller.agent(&router("pop1", "router1")).unwrap();
    assert_eq!(agent.connections, [id("POP1-POP2-1")]);
    assert_eq!(controller.agent(&router("pop1", "router2")).unwrap_err().code(), Code::UnknownAgent);

    let interfaces = controller.interfaces(&router("pop1", "router1")).unwrap();
    let connections: Vec<_> = interfaces.iter().map(|view| view.connection_id.clone()).collect();
    assert_eq!(connections, [Some(id("POP1-POP2-1")), None]);
    assert_eq!(interfaces[0].reported.module(), Some(&openzr()));
    assert_eq!(controller.interfaces(&router("pop1", "router2")).unwrap_err().code(), Code::UnknownRouter);

    let network = controller.network().await.unwrap();
    assert_eq!((network.pops.len(), network.links.len()), (3, 3));
    assert_eq!(network.slots(), (3 * 784, 12));
    assert!(controller.health().await.is_healthy());
    let status = controller.status().await;
    assert_eq!(status.connections.get(&State::Active), Some(&1));
    assert_eq!(status.agents, (3, 3));
    let vop = controller.vop_status().await.unwrap();
    assert_eq!((vop.vop.request.tenant_name.as_str(), vop.connections), ("Tenant 2", (1, 1)));
    assert_eq!(controller.discover().await, Ok(()));
}
