//! What a broker that is away does to the whole system: it waits, says so, loses no answer, and goes on by itself.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "tests state what they expect")]

use ipowdm_core::error::Code;
use ipowdm_core::ids::{AgentId, ConnectionId, VopId};
use ipowdm_core::msg::{CommandAck, Outcome};
use ipowdm_core::topics::{Role, name};
use ipowdm_ctl_lib::connection::State;
use ipowdm_ctl_lib::controller::{ConnectionRequest, Controller, ControllerHandle};
use ipowdm_ctl_lib::slice::ActivationRequest;
use ipowdm_devbroker::{Broker, Options as BrokerOptions, SavedLog};
use ipowdm_examples::lab::cases;
use ipowdm_examples::lab::options::Options;
use ipowdm_examples::lab::play::{self, PlayError};
use ipowdm_examples::lab::world::Lab;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

const PATIENCE: Duration = Duration::from_secs(40);

/// A port of the loopback address that nobody listens on now.
fn free_port() -> u16 {
    std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port()
}

/// Status and body of a GET, as any HTTP client sees them.
async fn get(addr: std::net::SocketAddr, path: &str) -> (u16, serde_json::Value) {
    let mut stream = TcpStream::connect(addr).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: lab\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, serde_json::from_str(body).unwrap())
}

/// Looks again and again until `look` finds something.
async fn until<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(Instant::now() < deadline, "never: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Crashes the lab's own broker; what it held, and its port.
async fn crash(lab: &mut Lab) -> (SavedLog, u16) {
    let broker = lab.broker.own.take().expect("the lab runs a broker of its own");
    let port = broker.addr().port();
    (broker.crash().await, port)
}

async fn restart(lab: &mut Lab, (log, port): (SavedLog, u16)) {
    let options = BrokerOptions::default().port(port).with_log(log);
    lab.broker.own = Some(Broker::start(options).await.expect("the broker's port is free again"));
}

async fn active_lab(options: &Options) -> Lab {
    let lab = Lab::start(options).await.expect("the lab starts");
    let case = cases::activation(&lab).await;
    assert!(case.passed, "{:?}", case.evidence);
    lab
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_that_is_down_at_start_is_told_in_health_and_nothing_else_is_needed_once_it_is_there() {
    let port = free_port();
    let options = Options { bootstrap: Some(format!("127.0.0.1:{port}")), ..Options::for_tests() };
    let mut lab = Lab::start(&options).await.expect("services come up without a broker");

    let (status, body) = get(lab.slice_addr, "/health").await;
    assert_eq!((status, &body["kafka_connected"]), (503, &false.into()), "{body}");
    assert_eq!(get(lab.linkdb_addr, "/health").await.0, 200, "LinkDB does not need the bus");
    for (router, agent) in lab.fleet.agents() {
        assert!(agent.status().await.is_some(), "the agent of {router} runs");
    }

    let tenant = lab.plan.tenants[0].clone();
    let request = ActivationRequest::new(tenant.vop.clone(), "Tenant", tenant.ports.clone());
    let refused = lab.slice.activate(request).await.expect_err("nothing can be activated without topics");
    assert_eq!(refused.code(), Code::BusUnavailable, "{refused}");
    assert!(lab.controller(&tenant.vop).is_none());
    assert!(lab.slice.list().await.unwrap().is_empty(), "a refused activation leaves nothing behind");
    for port in &tenant.ports {
        assert_eq!(lab.db.port(port).await.unwrap().port.vop, None, "{port} is given to nobody");
    }

    lab.broker.own = Some(Broker::start(BrokerOptions::default().port(port)).await.unwrap());
    until("the slice manager is healthy", async || {
        (get(lab.slice_addr, "/health").await.0 == 200).then_some(())
    })
    .await;
    let case = cases::activation(&lab).await;
    assert!(case.passed, "agents and controllers found the broker: {:?}", case.evidence);
    let (case, lit) = cases::setup(&lab).await;
    assert!(case.passed, "{:?}", case.evidence);
    assert_eq!(lit.len(), 2);
    lab.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lab_whose_broker_is_not_there_yet_waits_and_goes_on_by_itself() {
    let port = free_port();
    let bootstrap = Some(format!("127.0.0.1:{port}"));
    let options = Options { bootstrap, exit: true, broker_wait: 600, ..Options::for_tests() };
    let lab = Arc::new(Lab::start(&options).await.expect("services come up without a broker"));
    let run = {
        let lab = Arc::clone(&lab);
        tokio::spawn(async move { play::run(&lab, &options).await })
    };
    let (status, body) = get(lab.slice_addr, "/health").await;
    assert_eq!((status, &body["kafka_connected"]), (503, &false.into()), "{body}");
    assert!(!run.is_finished(), "it waits");
    let broker = Broker::start(BrokerOptions::default().port(port)).await.unwrap();
    assert!(run.await.unwrap().expect("the lab goes on"), "all cases pass");
    Arc::into_inner(lab).expect("the run has ended").stop().await;
    drop(broker);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lab_that_is_to_exit_gives_up_on_a_broker_that_does_not_come_and_says_which() {
    // A privileged port that nobody listens on.
    let bootstrap = "127.0.0.1:1".to_owned();
    let options =
        Options { bootstrap: Some(bootstrap.clone()), exit: true, broker_wait: 1, ..Options::for_tests() };
    let error = play::play(&options).await.unwrap_err();
    assert!(matches!(&error, PlayError::NoBroker { bootstrap: at, .. } if *at == bootstrap), "{error}");
    assert!(error.to_string().contains(&bootstrap), "{error}");
}

/// Acks of a connection by command and agent.
fn answers(lab: &Lab, id: &ConnectionId) -> BTreeMap<(String, AgentId), Vec<CommandAck>> {
    lab.observer.look(|seen| {
        let mut all: BTreeMap<_, Vec<CommandAck>> = BTreeMap::new();
        for (_, ack) in seen.acks.iter().filter(|(_, ack)| ack.connection_id.as_ref() == Some(id)) {
            all.entry((ack.command_id.to_string(), ack.agent_id.clone())).or_default().push(ack.clone());
        }
        all
    })
}

/// Creates a connection of a tenant between the free ports of the first two PoPs.
async fn create(lab: &Lab, vop: &VopId, id: &str) -> (ControllerHandle, ConnectionId) {
    let controller = lab.controller(vop).unwrap();
    let id: ConnectionId = id.parse().unwrap();
    let (from, to) = (lab.plan.pops[0].clone(), lab.plan.pops[1].clone());
    let request = ConnectionRequest::between(from, to).named(id.clone());
    controller.create_connection(request).await.unwrap();
    (controller, id)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_that_crashes_in_mid_setup_loses_no_answer_and_telemetry_resumes() {
    // Slow enough for the modules to be tuning while the broker is away.
    let options = Options { scale: 20, ..Options::for_tests() };
    let mut lab = active_lab(&options).await;
    let (vop, agents) = (lab.plan.tenants[0].vop.clone(), lab.fleet.len());
    let (controller, id) = create(&lab, &vop, "OUTAGE-1").await;
    let operation = controller.setup(&id).await.unwrap();
    let view = controller.connection(&id).unwrap();
    let ports = [view.ends.source.port.clone(), view.ends.destination.port.clone()];
    until("both agents work on their command", async || {
        let (told, all) = lab.observer.look(|seen| {
            let ours = seen.commands.iter().filter(|(_, command)| command.vop.as_ref() == Some(&vop));
            let setups = ours.clone().filter(|(_, command)| command.action.connection_id() == Some(&id));
            (setups.count(), ours.count() as u64)
        });
        let mut working = 0;
        for port in &ports {
            let status = lab.fleet.agent(&port.router())?.status().await?;
            working += usize::from(status.intake.records >= all);
        }
        (told == ports.len() && working == ports.len()).then_some(())
    })
    .await;
    let down = crash(&mut lab).await;
    assert_eq!(
        controller.connection(&id).unwrap().state,
        State::SetupInProgress,
        "the broker went in between"
    );

    until("both lasers are on, without a broker", async || {
        ports.iter().all(|port| lab.plant.module(port).unwrap().emission().is_some()).then_some(())
    })
    .await;
    until("controller and slice manager say that the bus is away", async || {
        let (controller, slice) = (controller.health().await.bus, lab.slice.health().await.bus);
        (controller.is_some() && slice.is_some()).then_some(())
    })
    .await;
    assert_ne!(controller.connection(&id).unwrap().state, State::Active, "nothing was read back yet");

    restart(&mut lab, down).await;
    let back = Instant::now();
    let operation = controller.wait(operation, PATIENCE).await.unwrap();
    assert!(operation.has_ended(), "{operation:?}");
    let view = controller.connection(&id).unwrap();
    assert_eq!(view.state, State::Active, "{:?}", view.failure);
    assert!(view.verified_at.is_some());
    for port in &ports {
        let sample = lab
            .observer
            .wait_for(PATIENCE, |seen| {
                seen.samples(&id, back)
                    .find(|sample| {
                        sample.interface == port.port_id && sample.agent_id == port.router().default_agent()
                    })
                    .cloned()
            })
            .await;
        assert!(sample.is_some(), "telemetry of {port} goes on");
    }
    let answers = answers(&lab, &id);
    assert_eq!(answers.len(), 2, "one command at each end: {answers:?}");
    for (which, acks) in answers {
        assert!(acks.iter().all(|ack| ack.outcome == Outcome::Applied), "{which:?}: {acks:?}");
        assert!(acks.iter().all(|ack| ack.ack_id == acks[0].ack_id), "{which:?} has one outcome: {acks:?}");
    }
    until("no answer waits any more", async || {
        let mut unsent = 0;
        for (_, agent) in lab.fleet.agents() {
            unsent += agent.status().await?.unsent_acks;
        }
        (unsent == 0).then_some(())
    })
    .await;
    assert_eq!(lab.fleet.len(), agents);
    until("the controller says that the bus is back", async || {
        controller.health().await.bus.is_none().then_some(())
    })
    .await;
    lab.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_controller_that_starts_while_the_broker_is_away_says_so_and_takes_over_when_it_is_back() {
    let mut lab = active_lab(&Options::for_tests()).await;
    let (_, lit) = cases::setup(&lab).await;
    let which = lit[0].clone();
    let down = crash(&mut lab).await;

    let bus = lab.broker.bus("second-controller").unwrap();
    let controller = Controller::builder(which.vop.clone(), lab.db.clone(), bus)
        .relay(false)
        .start()
        .await
        .expect("a controller starts without a broker");
    until("it says that the bus is away", async || controller.health().await.bus).await;
    let view = controller.connection(&which.connection).unwrap();
    assert_eq!(view.grant_id, which.grant.to_string(), "what was stored is known");

    restart(&mut lab, down).await;
    until("it hears the bus", async || controller.health().await.bus.is_none().then_some(())).await;
    until("its agents are there", async || {
        let heard = controller.agents().iter().filter(|view| view.agent.last_seen.is_some()).count();
        (heard == lab.plan.pops.len()).then_some(())
    })
    .await;
    let operation = controller.delete(&which.connection).await.unwrap();
    let operation = controller.wait(operation, PATIENCE).await.unwrap();
    assert!(operation.has_ended(), "{operation:?}");
    assert!(lab.plant.module(&which.ports.0).unwrap().emission().is_none(), "the laser is off");
    assert!(lab.plant.module(&which.ports.1).unwrap().emission().is_none(), "the laser is off");
    assert!(lab.db.grant(&which.grant).await.unwrap().is_none());
    let topics = lab.bus.topics().await.unwrap();
    for role in Role::ALL {
        let topic = name(role, &which.vop, None);
        assert!(topics.iter().any(|known| known.as_str() == topic.as_str()), "{topic:?} is as it was");
    }
    lab.stop().await;
}
