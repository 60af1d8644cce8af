//! The whole system over the Kafka protocol, as the lab runs it: the operator guide's tests A, B and C, and what users
//! do to it beyond the guide.
#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests state what they expect")]

use ipowdm_core::bus::Outgoing;
use ipowdm_core::ids::{ConnectionId, PortRef, RouterRef};
use ipowdm_core::msg::{AckStatus, CommandAck, Outcome};
use ipowdm_core::topics::{Role, name};
use ipowdm_ctl_lib::connection::State;
use ipowdm_examples::lab::cases;
use ipowdm_examples::lab::options::Options;
use ipowdm_examples::lab::world::Lab;
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(60);

async fn lab() -> Lab {
    Lab::start(&Options::for_tests()).await.expect("the lab starts")
}

/// A lab whose tenants are active.
async fn active_lab() -> Lab {
    let lab = lab().await;
    let case = cases::activation(&lab).await;
    assert!(case.passed, "{:?}", case.evidence);
    lab
}

fn port(pop: &str, router: &str, port: &str) -> PortRef {
    PortRef {
        pop_id: pop.parse().unwrap(),
        router_id: router.parse().unwrap(),
        port_id: port.parse().unwrap(),
    }
}

fn guide_line(command: &str) -> String {
    format!(
        r#"{{"action":"setupConnection","command_id":"{command}","parameters":{{"connection_id":"POP1-POP2-1","endpoint_config":[{{"pop_id":"pop1","node_id":"router1","port_id":"Ethernet48","frequency":193.1,"tx_power_level":-2.0}}]}}}} "#
    )
}

async fn ack_of(lab: &Lab, command: &str) -> CommandAck {
    lab.observer
        .wait_for(PATIENCE, |seen| {
            seen.acks.iter().find(|(_, a)| a.command_id.as_str() == command).map(|(_, a)| a.clone())
        })
        .await
        .unwrap_or_else(|| panic!("no ack of {command}"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s0_18_test_a_tenant_activation_and_agent_discovery() {
    let lab = active_lab().await;
    let before = lab.bus.topics().await.unwrap();
    for tenant in &lab.plan.tenants {
        let vop = lab.slice.describe(&tenant.vop).await.unwrap().vop;
        let activated = lab.slice.activate(vop.request.clone()).await.unwrap();
        let (again, new) = (activated.vop, activated.new);
        assert!(!new, "s0_01: a repeated activation is the same one");
        assert_eq!(again.incarnation, vop.incarnation, "s0_01: a repeated activation recreates nothing");
        for role in Role::ALL {
            assert!(before.iter().any(|topic| topic.as_str() == name(role, &tenant.vop, None).as_str()));
        }
    }
    assert_eq!(lab.bus.topics().await.unwrap(), before);
    lab.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s0_18_test_b_setup_connection() {
    let lab = active_lab().await;
    let (case, lit) = cases::setup(&lab).await;
    assert!(case.passed, "{:?}", case.evidence);
    assert_eq!(lit.len(), 2);
    assert!(case.control_plane_ms > 0.0 && case.module_ms > 0.0, "both parts of the time are measured");
    for which in &lit {
        assert!(lab.plant.module(&which.ports.0).unwrap().emission().is_some(), "the laser is really on");
    }
    lab.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s0_18_test_c_qot_degradation_and_reconfiguration() {
    let lab = active_lab().await;
    let (_, lit) = cases::setup(&lab).await;
    let case = cases::degradation(&lab, lit.first()).await;
    assert!(case.passed, "{:?}", case.evidence);
    lab.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hand_typed_setup_between_bad_records_is_obeyed_and_the_bad_ones_are_counted() {
    let lab = active_lab().await;
    let vop = &lab.plan.tenants[0].vop;
    let topic = name(Role::Config, vop, None);
    let by_hand = lab.broker.bus("somebody").unwrap();
    let good = guide_line("by-hand-1");
    // The broker refuses records above 1 MiB itself; this one is as large as it takes.
    let oversized = vec![b'x'; 1_000_000];
    let unknown = r#"{"action":"launchMissiles","command_id":"m-1"}"#;
    for value in
        [b"{\"action\":".to_vec(), oversized, unknown.into(), good.into_bytes(), b"\xff\xfe".to_vec()]
    {
        let record = Outgoing { key: None, value: Some(value.into()) };
        by_hand.publish(&topic, vec![record]).await.unwrap();
    }
    let ack = ack_of(&lab, "by-hand-1").await;
    assert_eq!((ack.status, ack.outcome), (AckStatus::Success, Outcome::Applied));
    assert_eq!(ack.details.readback.unwrap().frequency_mhz.unwrap().mhz(), 193_100_000);
    assert!(lab.plant.module(&port("pop1", "router1", "Ethernet48")).unwrap().emission().is_some());
    assert!(lab.plant.module(&port("pop1", "router1", "Ethernet56")).unwrap().emission().is_none());
    let router: RouterRef = port("pop1", "router1", "Ethernet48").router();
    let agent = lab.fleet.agent(&router).unwrap();
    let deadline = Instant::now() + PATIENCE;
    loop {
        let status = agent.status().await.unwrap();
        if status.dead_letters_total == 4 {
            break;
        }
        assert!(Instant::now() < deadline, "4 bad records are counted, not {}", status.dead_letters_total);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    lab.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_agent_that_crashes_and_restarts_never_drops_light() {
    let mut lab = active_lab().await;
    let (_, lit) = cases::setup(&lab).await;
    let which = lit[0].clone();
    let router = which.ports.0.router();
    lab.fleet.kill_agent(&router).await.unwrap();
    let restarted = Instant::now();
    lab.fleet.start_agent(&router, &lab.broker).unwrap();
    let module = lab.plant.module(&which.ports.0).unwrap().clone();
    let agent = router.default_agent();
    let resumed = lab
        .observer
        .wait_for(PATIENCE, |seen| {
            assert!(module.emission().is_some(), "light is on at every look");
            let mut samples = seen.samples(&which.connection, restarted);
            samples.find(|sample| sample.agent_id == agent && sample.boot_id == Some(2)).cloned()
        })
        .await
        .expect("telemetry goes on in the agent's second life");
    assert_eq!(resumed.fields.data_path_state.as_deref(), Some("DPActivated"));
    let controller = lab.controller(&which.vop).unwrap();
    assert_eq!(controller.connection(&which.connection).unwrap().state, State::Active);
    lab.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_module_that_is_pulled_out_is_seen_and_its_connection_is_not_called_active() {
    let lab = active_lab().await;
    let (_, lit) = cases::setup(&lab).await;
    let which = &lit[0];
    lab.plant.module(&which.ports.1).unwrap().pull_out();
    let controller = lab.controller(&which.vop).unwrap();
    let deadline = Instant::now() + PATIENCE;
    while controller.connection(&which.connection).unwrap().state == State::Active {
        assert!(Instant::now() < deadline, "still ACTIVE");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(controller.connection(&which.connection).unwrap().state, State::Degraded);
    lab.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deleted_connection_leaves_no_light_no_spectrum_and_its_name_can_be_used_again() {
    let lab = active_lab().await;
    for round in 0..2 {
        let (case, lit) = cases::setup(&lab).await;
        assert!(case.passed, "round {round}: {:?}", case.evidence);
        for which in &lit {
            let controller = lab.controller(&which.vop).unwrap();
            let id: &ConnectionId = &which.connection;
            let operation = controller.delete(id).await.unwrap();
            let operation = controller.wait(operation, PATIENCE).await.unwrap();
            assert!(operation.has_ended());
            assert!(lab.db.grant(&which.grant).await.unwrap().is_none());
            assert!(lab.plant.module(&which.ports.0).unwrap().emission().is_none(), "the laser is off");
            assert!(lab.plant.module(&which.ports.1).unwrap().emission().is_none(), "the laser is off");
        }
        for (link, used) in lab.db.utilisations().await.unwrap() {
            assert_eq!((used.used_a_to_b, used.used_b_to_a), (0, 0), "{link} is empty");
        }
    }
    lab.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_laser_that_reports_what_it_measures_is_set_up_and_one_off_its_channel_is_not() {
    let lab = active_lab().await;
    let [measuring, astray] = [&lab.plan.tenants[0], &lab.plan.tenants[1]];
    for (tenant, mhz) in [(measuring, 300), (astray, 2_000)] {
        for port in &tenant.ports {
            lab.plant.module(port).unwrap().report_laser_off_by(mhz);
        }
    }
    let (_, lit) = cases::setup(&lab).await;
    assert_eq!(lit.iter().map(|which| &which.vop).collect::<Vec<_>>(), [&measuring.vop]);
    let refused = lab.controller(&astray.vop).unwrap().connections(None).unwrap();
    assert!(refused.iter().all(|view| view.state != State::Active), "{refused:?}");
    for port in &astray.ports {
        assert!(lab.plant.module(port).unwrap().emission().is_none(), "{port} is dark");
    }
    lab.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deactivated_tenants_controller_answers_no_more() {
    let lab = active_lab().await;
    let (gone, stays) = (&lab.plan.tenants[0].vop, &lab.plan.tenants[1].vop);
    let addr = lab.controller_addr(gone).unwrap();
    let other = lab.controller_addr(stays).unwrap();
    tokio::net::TcpStream::connect(addr).await.expect("it answers while the tenant is active");
    lab.slice.deactivate(gone, false).await.unwrap();
    assert!(tokio::net::TcpStream::connect(addr).await.is_err(), "nobody listens any more");
    assert!(lab.controller(gone).is_none() && lab.controller_addr(gone).is_none());
    tokio::net::TcpStream::connect(other).await.expect("the other tenant's answers on");
    lab.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lab_works_on_a_broker_that_an_earlier_one_has_used() {
    let broker = ipowdm_devbroker::Broker::start(ipowdm_devbroker::Options::default()).await.unwrap();
    let options = Options { bootstrap: Some(broker.bootstrap()), ..Options::for_tests() };
    for life in 1..=3 {
        let lab = Lab::start(&options).await.expect("the lab starts");
        let case = cases::activation(&lab).await;
        assert!(case.passed, "life {life}: {:?}", case.evidence);
        let (case, _) = cases::setup(&lab).await;
        assert!(case.passed, "life {life}: {:?}", case.evidence);
        lab.stop().await;
    }
}
