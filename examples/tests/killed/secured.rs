//! A broker that encrypts, and lets nobody in without a password: programs and agents have theirs from their settings, a controller that is a
//! process has the one that was made for it, and a new one after every start of the slice manager.
//!
//! `IPOWDM_KAFKA_SECURE` names the administrator's client.properties of an Apache Kafka that `scripts/kafka-up.sh --secure` has
//! started.

use crate::client::request;
use crate::processes::{VOP, child, find_controller, runs, small, still_lit, until};
use crate::program::{Program, Redis};
use crate::secured_kafka::Secured;
use crate::{PATIENCE, activation, drive, prepare};
use ipowdm_agent::runtime::{Agent, AgentHandle};
use ipowdm_agent::settings::Settings;
use ipowdm_cmis::emulator::{EmulatedModule, ModuleClock, Profile};
use ipowdm_core::bus::Bus;
use ipowdm_core::bus::access::{Resource, Scope};
use ipowdm_core::bus::kafka::{self, Client, KafkaBus};
use ipowdm_examples::lab::plan::Plan;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Instant;

/// The secured cluster.
struct Cluster(Secured);

impl Cluster {
    fn administrator(&self) -> KafkaBus {
        KafkaBus::connect(&self.0.administrator()).unwrap()
    }

    /// An agent of these ports as its environment makes it.
    fn agent(&self, user: &str, password: &str, router: (&str, &str), ports: &[&str]) -> AgentHandle {
        let list = serde_json::to_string(ports).unwrap();
        let environment = BTreeMap::from([
            ("POP_ID", router.0),
            ("ROUTER_ID", router.1),
            ("KAFKA_BROKER", &self.0.bootstrap),
            ("KAFKA_SECURITY_PROTOCOL", "SASL_SSL"),
            ("KAFKA_SSL_CAFILE", self.0.ca_file.to_str().unwrap()),
            ("KAFKA_SASL_USERNAME", user),
            ("KAFKA_SASL_PASSWORD", password),
            ("ASSIGNED_TRANSCEIVERS", &list),
            ("MOCK_HARDWARE", "true"),
        ]);
        let get = |name: &str| environment.get(name).map(|value| (*value).to_owned());
        let settings = Settings::default().resolve(get).unwrap();
        let bus = kafka::connect(&settings.bus, Client::Own).unwrap();
        let mut agent = Agent::builder(settings.agent).bus(bus);
        for ((port, _), serial) in settings.modules.into_iter().zip(1..) {
            let module = EmulatedModule::new(Profile::OPENZRP, serial, ModuleClock::scaled(100));
            agent = agent.port(port, Box::new(module.eeprom()));
        }
        agent.build().unwrap().spawn().unwrap()
    }

    /// The agents of a network, with the passwords that an activation has told.
    fn agents(&self, plan: &Plan, told: &Value) -> Vec<AgentHandle> {
        let mut ports: BTreeMap<(&str, &str), Vec<&str>> = BTreeMap::new();
        for port in &plan.ports {
            let at = (port.pop_id.as_str(), port.router_id.as_str());
            ports.entry(at).or_default().push(port.port_id.as_str());
        }
        let start = |(router, ports): ((&str, &str), Vec<&str>)| {
            let user = format!("agent_{}-{}", router.0, router.1);
            let of = told.as_array().unwrap().iter().find(|of| of["user"] == user.as_str()).unwrap();
            self.agent(&user, of["password"].as_str().unwrap(), router, &ports)
        };
        ports.into_iter().map(start).collect()
    }
}

/// The password in a process's environment, which has the user of its controller.
fn password_of(pid: Pid) -> String {
    let environment = std::fs::read_to_string(format!("/proc/{pid}/environ")).unwrap();
    let value = |name: &str| environment.split('\0').find_map(|entry| entry.strip_prefix(name)).unwrap();
    assert_eq!(value("KAFKA_SASL_USERNAME="), "controller_vOp2");
    value("KAFKA_SASL_PASSWORD=").to_owned()
}

fn story(cluster: &Cluster, (folder, location): (&Path, &str), plan: &Plan) {
    let environment = [
        ("KAFKA_SECURITY_PROTOCOL", "SASL_SSL"),
        ("KAFKA_SSL_CAFILE", cluster.0.ca_file.to_str().unwrap()),
        ("KAFKA_SASL_USERNAME", &*cluster.0.user),
        ("KAFKA_SASL_PASSWORD", &*cluster.0.password),
    ];
    let start = || {
        let launcher = "launcher = \"process\"";
        Program::launching(folder, location, &cluster.0.bootstrap, plan.pops.len(), launcher, &environment)
    };
    let mut program = start();
    let (status, mut answer) = activation(&program, plan);
    assert_eq!((status, &answer["access"]["enforced"]), (201, &Value::Bool(true)), "{answer}");
    let told = answer["credentials"].take();
    let users: Vec<&str> = told.as_array().unwrap().iter().filter_map(|of| of["user"].as_str()).collect();
    assert_eq!(users, ["agent_pop1-router1", "agent_pop2-router1"], "the controller's is not told");
    let agents = cluster.agents(plan, &told);
    let first = child(&program);
    let password = password_of(first);
    assert_ne!(password, cluster.0.password);
    find_controller(&mut program);
    assert!(drive(&program, 1, Instant::now() + PATIENCE), "it is not lit");

    kill(first, Signal::SIGKILL).unwrap();
    until("it is gone", || (!runs(first)).then_some(()));
    assert_eq!(password_of(child(&program)), password, "it is the same until the slice manager starts anew");
    still_lit(&mut program);

    program.kill();
    program = start();
    assert_ne!(password_of(child(&program)), password);
    still_lit(&mut program);
    let (status, answer) = request(program.slices(), "DELETE", &format!("{VOP}?force=true"), None).unwrap();
    assert_eq!(status, 204, "{answer}");
    program.stop();
    drop(agents);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn programs_agents_and_controllers_prove_who_they_are_with_passwords_from_their_settings() {
    let Some(cluster) = Secured::find().map(Cluster) else { return };
    let (folder, redis) = (tempfile::tempdir().unwrap(), Redis::start());
    let (_, plan) = small();
    prepare(&redis.location(), &plan).await;
    let administrator = cluster.administrator();
    let told = tokio::task::spawn_blocking(move || {
        let location = redis.location();
        story(&cluster, (folder.path(), &location), &plan);
    });
    told.await.unwrap();
    let access = administrator.access().unwrap();
    let users = ["controller_vOp2", "agent_pop1-router1", "agent_pop2-router1"].map(str::to_owned);
    assert!(access.passwords(users.to_vec()).await.unwrap().is_empty());
    let vop = "vOp2".parse().unwrap();
    for resource in Resource::all_of(&vop) {
        assert!(access.granted(Scope::Resource(resource)).await.unwrap().is_empty());
    }
    assert!(administrator.topics().await.unwrap().iter().all(|topic| !topic.contains("vOp2")));
}
