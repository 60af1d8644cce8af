//! `kill -9` of the control plane while connections are set up: it is started again, and `ipowdm-ctl verify` finds nothing.
//! The same of controllers and of agents that are processes of their own.
//!
//! The program is the real one, in a process of its own, over a store that outlives it. Broker, agents and emulated modules are in
//! this process and go on, but for those of `agents.rs`. 12 set-ups and 3 deaths over each store; 200 and 10 with `IPOWDM_SWEEPS=full`.
#![expect(clippy::unwrap_used, clippy::panic, reason = "tests state what they expect")]

#[path = "killed/agents.rs"]
mod agents;
#[path = "killed/client.rs"]
mod client;
#[path = "killed/processes.rs"]
mod processes;
#[path = "killed/program.rs"]
mod program;
#[path = "killed/secured.rs"]
mod secured;
#[path = "kafka/secured.rs"]
mod secured_kafka;
#[path = "killed/stand_by.rs"]
mod stand_by;

use client::request;
use ipowdm_cmis::emulator::{ModuleClock, Profile};
use ipowdm_core::ids::PortRef;
use ipowdm_ctl_lib::linkdb::LinkDb;
use ipowdm_ctl_lib::store::{Location, Store, StoreOptions};
use ipowdm_examples::lab::broker::LabBroker;
use ipowdm_examples::lab::fleet::Fleet;
use ipowdm_examples::lab::options::Options;
use ipowdm_examples::lab::plan::Plan;
use ipowdm_examples::lab::{inventory, limits};
use program::{Program, Redis};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::hash::{BuildHasher as _, RandomState};
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

/// More than anything here takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(300);

/// Pause between two looks at what is awaited.
const LOOK: Duration = Duration::from_millis(50);

/// Latest moment of a death after set-ups have begun.
const LONGEST_LIFE_MS: u64 = 1_500;

/// How much is done.
struct Extent {
    options: Options,
    connections: usize,
    deaths: u64,
}

impl Extent {
    fn chosen() -> Self {
        let full = std::env::var("IPOWDM_SWEEPS").is_ok_and(|value| value == "full");
        let (pops, ports, connections, deaths) = if full { (8, 25, 200, 10) } else { (2, 6, 12, 3) };
        let options = Options { pops, routers: 2, ports, vops: 1, ..Options::for_tests() };
        Self { options, connections, deaths }
    }
}

/// Writes the network into the store, which nobody has open.
async fn prepare(location: &str, plan: &Plan) {
    let location: Location = location.parse().unwrap();
    let store = Store::open(&location, StoreOptions::default()).await.unwrap();
    inventory::write(&LinkDb::new(store), plan).await.unwrap();
}

/// Gives all ports of the network to one virtual operator; the status and what is answered.
fn activation(program: &Program, plan: &Plan) -> (u16, Value) {
    let mut by_router: BTreeMap<(String, String), Vec<String>> = BTreeMap::new();
    for PortRef { pop_id, router_id, port_id } in &plan.tenants[0].ports {
        by_router.entry((pop_id.to_string(), router_id.to_string())).or_default().push(port_id.to_string());
    }
    let assignments: Vec<Value> = by_router
        .into_iter()
        .map(|((pop, router), ports)| json!({"pop_id": pop, "router_id": router, "interfaces": ports}))
        .collect();
    let body = json!({"vop_id": "vOp2", "tenant_name": "Tenant 2", "interface_assignments": assignments});
    request(program.slices(), "POST", "/api/v1/vops", Some(&body)).unwrap()
}

fn activate(program: &mut Program, plan: &Plan) {
    let (status, answer) = activation(program, plan);
    assert_eq!(status, 201, "{answer}");
    program.await_controller();
}

/// Asks for one connection to be there and lit; whether nothing is left to be asked.
fn push(program: &Program, number: usize) -> Option<bool> {
    let id = format!("KILL-{number}");
    let path = format!("/api/v1/connections/{id}");
    let (status, answer) = request(program.controller(), "GET", &path, None).ok()?;
    match (status, answer["status"].as_str()) {
        (404, _) => {
            // The four pairs of neighbours share no link.
            let pair = number % (program.pops / 2);
            let ends = (format!("pop{}", 2 * pair + 1), format!("pop{}", 2 * pair + 2));
            let body = json!({"connection_id": id, "source_pop": ends.0, "destination_pop": ends.1});
            request(program.controller(), "POST", "/api/v1/connections", Some(&body)).ok()?;
            Some(false)
        }
        (200, Some("PENDING")) => {
            request(program.controller(), "POST", &format!("{path}/setup"), None).ok()?;
            Some(false)
        }
        (200, Some("ACTIVE" | "DEGRADED")) => Some(true),
        (200, Some("FAILED" | "TERMINATED")) => panic!("{answer}"),
        _ => Some(false),
    }
}

/// Asks for all of them until `until`, or all are lit; whether they are.
fn drive(program: &Program, connections: usize, until: Instant) -> bool {
    while Instant::now() < until {
        let lit = (0..connections).filter(|number| push(program, *number) == Some(true)).count();
        if lit == connections {
            return true;
        }
        sleep(LOOK);
    }
    false
}

/// The whole story over one store.
async fn dies_and_comes_back(location: String, folder: &Path) {
    let _ = limits::raise_open_files();
    let Extent { options, connections, deaths } = Extent::chosen();
    let plan = Plan::draw(&options).unwrap();
    let broker = LabBroker::start(&options).await.unwrap();
    let fleet =
        Fleet::start(&plan, &broker, (&Profile::OPENZRP, &ModuleClock::scaled(options.scale)), folder)
            .unwrap();
    prepare(&location, &plan).await;
    let bootstrap = broker.bootstrap.clone();
    let folder = folder.to_owned();
    let story = tokio::task::spawn_blocking(move || {
        let pops = plan.pops.len();
        let mut program = Program::start(&folder, &location, &bootstrap, pops);
        activate(&mut program, &plan);
        let random = RandomState::new();
        for death in 0..deaths {
            let life = Duration::from_millis(random.hash_one(death) % LONGEST_LIFE_MS);
            drive(&program, connections, Instant::now() + life);
            program.kill();
            program = Program::start(&folder, &location, &bootstrap, pops);
            program.await_controller();
        }
        assert!(drive(&program, connections, Instant::now() + PATIENCE), "not all are lit");
        program.stop();
        let (code, said) = program::verify(&folder);
        assert_eq!(code, Some(0), "{said}");
        println!("{connections} set-ups, killed {deaths} times over {location}: {}", said.trim());
    });
    story.await.unwrap();
    fleet.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_killed_during_setups_over_redb_leaves_nothing_to_find() {
    let folder = tempfile::tempdir().unwrap();
    let location = format!("redb:{}", folder.path().join("store.redb").display());
    dies_and_comes_back(location, folder.path()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_killed_during_setups_over_redis_leaves_nothing_to_find() {
    let folder = tempfile::tempdir().unwrap();
    let redis = Redis::start();
    dies_and_comes_back(redis.location(), folder.path()).await;
}
