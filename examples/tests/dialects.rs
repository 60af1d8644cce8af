//! What this project did not write, on the other side of the bus: agents in Python under our controller, and a controller in
//! Python over our agents. The single forms of messages are tested with their recorded bytes where they are read
//! (`ipowdm-core/dialects`).

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test may stop at what it does not expect, in its own functions too"
)]

use ipowdm_agent::config::{AgentConfig, Service};
use ipowdm_agent::intake::Identity;
use ipowdm_agent::runtime::Agent;
use ipowdm_cmis::emulator::{EmulatedModule, ModuleClock, Profile};
use ipowdm_core::bus::Bus;
use ipowdm_core::bus::kafka::{KafkaBus, KafkaOptions};
use ipowdm_core::ids::{PortId, PortRef, RouterRef, VopId};
use ipowdm_core::units::{Db, Length, Power};
use ipowdm_ctl_lib::connection::State;
use ipowdm_ctl_lib::controller::{
    ConnectionRequest, ControllerConfig, ControllerHandle, OperationStatus, OperationView, ReconfigureRequest,
};
use ipowdm_ctl_lib::linkdb::LinkDb;
use ipowdm_ctl_lib::slice::{ActivationRequest, InProcess, SliceManager};
use ipowdm_ctl_lib::store::Store;
use ipowdm_ctl_lib::topology::{FibreLink, Pop, Port, Router};
use ipowdm_devbroker::{Broker, Options};
use ipowdm_examples::orders::Orders;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

/// A loaded machine, and Python's start.
const PATIENCE: Duration = Duration::from_secs(120);

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Whether the Python clients are there; where `CI` is set, they must be.
fn has_clients() -> bool {
    let has = std::env::var_os("CI").is_some() || root().join("build/foreign-clients").is_dir();
    if !has {
        println!("skipped: call scripts/foreign-clients.sh once to install the clients, or set CI");
    }
    has
}

/// An agent in Python; it is killed when this is dropped.
struct ForeignAgent(Child);

impl ForeignAgent {
    fn start(bootstrap: &str, at: &PortRef) -> Self {
        let mut command = Command::new(root().join("scripts/foreign-agent.sh"));
        command.args([bootstrap, "vOp2", at.pop_id.as_str(), at.router_id.as_str(), at.port_id.as_str()]);
        Self(command.stdin(Stdio::null()).stdout(Stdio::null()).spawn().unwrap())
    }
}

impl Drop for ForeignAgent {
    fn drop(&mut self) {
        // It may have ended; that is no matter.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

async fn eventually(what: &str, mut condition: impl AsyncFnMut() -> bool) {
    let met = async {
        while !condition().await {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    assert!(tokio::time::timeout(PATIENCE, met).await.is_ok(), "never: {what}");
}

/// Two PoPs with a port each, given to vOp2, whose controller lets agents of other makes in.
async fn controller_over(bootstrap: &str, ports: &[PortRef; 2]) -> (LinkDb, SliceManager, ControllerHandle) {
    let db = LinkDb::new(Store::memory());
    for port in ports {
        db.add_pop(Pop::new(port.pop_id.clone())).await.unwrap();
        db.add_router(Router::new(port.router())).await.unwrap();
        db.add_port(Port::new(port.clone())).await.unwrap();
    }
    let [a, b] = ports.each_ref().map(|port| port.pop_id.clone());
    let link = FibreLink::new("pop1-pop2".parse().unwrap(), a, b, Length::from_metres(80_000));
    db.add_link(link).await.unwrap();
    let bus: Arc<dyn Bus> = Arc::new(KafkaBus::connect(&KafkaOptions::new(bootstrap)).unwrap());
    let config = ControllerConfig { compatibility: true, ..ControllerConfig::default() };
    let tasks = InProcess::new(db.clone(), Arc::clone(&bus), config);
    let slices =
        SliceManager::builder(db.clone(), bus).launcher(Arc::new(tasks.clone())).start().await.unwrap();
    let vop: VopId = "vOp2".parse().unwrap();
    slices.activate(ActivationRequest::new(vop.clone(), "Tenant 2", ports.to_vec())).await.unwrap();
    let controller = tasks.controller(&vop).expect("it runs");
    (db, slices, controller)
}

fn succeeded(operation: &OperationView) {
    assert_eq!(operation.status, OperationStatus::Succeeded);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s0_05_s0_06_s0_08_agents_in_python_are_set_up_changed_sampled_and_torn_down_by_our_controller() {
    if !has_clients() {
        return;
    }
    let broker = Broker::start(Options::default()).await.unwrap();
    let ports = [("pop1", "Ethernet48"), ("pop2", "Ethernet56")].map(|(pop, port)| PortRef {
        pop_id: pop.parse().unwrap(),
        router_id: "router1".parse().unwrap(),
        port_id: port.parse().unwrap(),
    });
    let (db, _slices, controller) = controller_over(&broker.bootstrap(), &ports).await;
    let _agents = ports.each_ref().map(|port| ForeignAgent::start(&broker.bootstrap(), port));
    eventually("both agents have described their modules", async || {
        let mut known = true;
        for port in &ports {
            known &= db.port(port).await.unwrap().port.capability.is_some();
        }
        known
    })
    .await;

    let request = ConnectionRequest::between(ports[0].pop_id.clone(), ports[1].pop_id.clone());
    let id = controller.create_connection(request).await.unwrap().0.connection_id;
    succeeded(&controller.setup_and_wait(&id, PATIENCE).await.unwrap());
    let view = controller.connection(&id).unwrap();
    assert_eq!((view.state, view.verified_at), (State::Active, None), "by their word, not read back");

    let power = |hundredths| Some(Power::from_hundredths(hundredths));
    let both_send = async |hundredths| {
        eventually("both ends are sampled", async || {
            let qot = controller.qot(&id).unwrap();
            let sent = |last: &Option<_>| {
                last.as_ref().is_some_and(|(last, _): &(ipowdm_ctl_lib::qot_loop::LastSample, u64)| {
                    last.fields.tx_power == power(hundredths) && last.fields.ber.is_none()
                })
            };
            sent(&qot.ends.source.last) && sent(&qot.ends.destination.last)
        })
        .await;
    };
    both_send(-1000).await;

    let step = ReconfigureRequest::step("manual", Db::from_hundredths(50), None);
    let operation = controller.reconfigure(&id, &step).await.unwrap();
    succeeded(&controller.wait(operation, PATIENCE).await.unwrap());
    both_send(-950).await;
    assert_eq!(controller.connection(&id).unwrap().verified_at, None);

    let operation = controller.delete(&id).await.unwrap();
    succeeded(&controller.wait(operation, PATIENCE).await.unwrap());
    let held = db.topology().await.unwrap();
    assert!(held.grants.is_empty(), "{:?}", held.grants);
    let stats = broker.stats();
    assert_eq!((stats.malformed_frames, stats.unencodable_responses), (0, 0), "{:?}", stats.last_unanswered);
}

/// How much faster than real modules the emulated one is.
const SPEED: u32 = 200;

/// An agent of ours and nobody else's controller: what a controller of ours had not ordered it would take down again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s0_05_s0_06_s0_07_s0_10_an_agent_of_ours_obeys_and_answers_an_existing_controller() {
    if !has_clients() {
        return;
    }
    let broker = Broker::start(Options::default()).await.unwrap();
    let bus: Arc<dyn Bus> = Arc::new(KafkaBus::connect(&KafkaOptions::new(&broker.bootstrap())).unwrap());
    let router = RouterRef { pop_id: "pop1".parse().unwrap(), router_id: "router1".parse().unwrap() };
    let port: PortId = "Ethernet48".parse().unwrap();
    let mut orders = Orders::prepare(Arc::clone(&bus), router.clone()).await.unwrap();
    orders.assign(std::slice::from_ref(&port), 300, 30_000).await.unwrap();
    let mut config =
        AgentConfig::new(Identity::of_router(router.pop_id, router.router_id), Service::Assigned);
    (config.accept_unfenced, config.emulated) = (true, true);
    let module = EmulatedModule::new(Profile::OPENZRP, 1, ModuleClock::scaled(SPEED));
    let agent = Agent::builder(config).bus(bus).port(port, Box::new(module.eeprom()));
    let agent = agent.build().unwrap().spawn().unwrap();

    let mut command = Command::new(root().join("scripts/foreign-controller.sh"));
    command.arg(broker.bootstrap());
    let done = tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap();
    let (out, err) = (String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
    assert!(done.status.success(), "{out}{err}");
    assert_eq!(out.lines().last(), Some("7 passed, 0 failed"), "{out}{err}");
    println!("{out}");
    agent.stop().await;
}
