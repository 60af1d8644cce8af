//! Nodes that are killed while commands are under way.

use crate::counted::Counted;
use crate::nodes::{Cluster, PATIENCE, delete_topics, make_topics};
use ipowdm_agent::{Agent, AgentConfig, Identity, Service};
use ipowdm_cmis::emulator::{EmulatedModule, ModuleClock, Profile};
use ipowdm_core::bus::publisher::{Class, Publisher};
use ipowdm_core::bus::reader::{Delivery, Reader, Start};
use ipowdm_core::bus::{Bus, Outgoing};
use ipowdm_core::ids::{PortId, VopId};
use ipowdm_core::msg::{AgentMessage, Outcome};
use ipowdm_core::topics::{self, Role};
use nix::sys::signal::Signal;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Ports that share the burst.
const PORTS: usize = 25;

/// Commands of the burst.
const BURST: usize = 10_000;

/// Commands to a port that are under way at a time: fewer than it lets wait.
const AHEAD: usize = 12;

/// What the agent has answered so far: outcomes by command.
struct Answers {
    reader: Reader,
    /// How often each command was answered by each outcome.
    seen: BTreeMap<String, Vec<Outcome>>,
    /// What was not applied, and why.
    refused: Vec<String>,
}

impl Answers {
    fn of(bus: &Arc<dyn Bus>, vop: &VopId) -> Self {
        let mut reader = Reader::new(Arc::clone(bus));
        reader.follow(topics::name(Role::Monitoring, vop, None).as_str(), |_| Start::Earliest);
        Self { reader, seen: BTreeMap::new(), refused: Vec::new() }
    }

    /// Takes what comes next.
    async fn take(&mut self) {
        match tokio::time::timeout(PATIENCE, self.reader.next()).await.unwrap() {
            Delivery::Records { records, .. } => {
                for value in records.iter().filter_map(|record| record.value.as_ref()) {
                    if let Ok(AgentMessage::Ack(ack)) = AgentMessage::from_json(value) {
                        if ack.outcome != Outcome::Applied {
                            self.refused.push(format!("{}: {:?}", ack.command_id, ack.details));
                        }
                        self.seen.entry(ack.command_id.to_string()).or_default().push(ack.outcome);
                    }
                }
            }
            Delivery::Resync { lost, .. } => panic!("position {lost} was lost"),
            Delivery::Outage { .. } | Delivery::Restored { .. } => {}
        }
    }
}

/// Fenced, as a controller's are: without an epoch a record that arrives twice is a command typed twice, and carried out twice.
fn set_up(port: usize) -> String {
    format!(
        r#"{{"action":"setupConnection","v":1,"epoch":1,"command_id":"up-{port}","parameters":{{"connection_id":"C-{port}","endpoint_config":[{{"pop_id":"pop1","node_id":"router1","port_id":"Ethernet{port}","frequency":193.1,"tx_power_level":-2.0}}]}}}}"#
    )
}

/// Each differs from the one before it, so that each is one register write.
fn step(port: usize, number: usize) -> String {
    let power = if number.is_multiple_of(2) { -2.5 } else { -3.5 };
    format!(
        r#"{{"action":"reconfigConnection","v":1,"epoch":1,"command_id":"{}","parameters":{{"connection_id":"C-{port}","endpoint_config":[{{"pop_id":"pop1","node_id":"router1","port_id":"Ethernet{port}","tx_power_level":{power}}}]}}}}"#,
        step_id(port, number)
    )
}

fn step_id(port: usize, number: usize) -> String {
    format!("step-{port}-{number}")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_killed_in_a_burst_of_ten_thousand_commands_lose_none_and_none_is_applied_twice() {
    let Some(cluster) = Cluster::find() else { return };
    let vop: VopId = format!("burst{}", std::process::id()).parse().unwrap();
    let (ours, theirs) = (cluster.bus(), cluster.bus());
    make_topics(&*ours, &vop).await;
    let ports: Vec<PortId> = (0..PORTS).map(|port| format!("Ethernet{port}").parse().unwrap()).collect();
    let service = Service::Fixed {
        vop: vop.clone(),
        ports: ports.clone(),
        telemetry_interval_ms: 1_000,
        health_interval_ms: 30_000,
    };
    let identity = Identity::of_router("pop1".parse().unwrap(), "router1".parse().unwrap());
    let mut config = AgentConfig::new(identity, service);
    config.emulated = true;
    config.queue_wait_ms = u64::try_from(PATIENCE.as_millis()).unwrap();
    let writes: Arc<AtomicU64> = Arc::default();
    let mut builder = Agent::builder(config).bus(Arc::clone(&theirs));
    for (serial, port) in (1..).zip(&ports) {
        let module = EmulatedModule::new(Profile::OPENZRP, serial, ModuleClock::scaled(2_000));
        let eeprom = Counted { eeprom: module.eeprom(), writes: Arc::clone(&writes) };
        builder = builder.port(port.clone(), Box::new(eeprom));
    }
    let agent = builder.build().unwrap().spawn().unwrap();
    while agent.status().await.is_none_or(|status| status.vops.values().any(|listening| !listening)) {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }

    let commands = topics::name(Role::Config, &vop, None).to_string();
    let publisher = Publisher::start(Arc::clone(&ours), BURST);
    let send = |line: String| {
        publisher.send(&commands, Outgoing::new("pop1-router1", line), Class::Keep).unwrap();
    };
    let mut answers = Answers::of(&ours, &vop);
    (0..PORTS).for_each(|port| send(set_up(port)));
    while answers.seen.len() < PORTS {
        answers.take().await;
    }
    assert!(answers.refused.is_empty(), "{:?}", answers.refused);
    let before = writes.load(Ordering::SeqCst);

    // Each node once, whoever leads: it dies without a word, and comes back.
    let deaths = tokio::spawn(async move {
        for node in cluster.nodes() {
            tokio::time::sleep(Duration::from_secs(2)).await;
            node.signal(Signal::SIGKILL);
            tokio::time::sleep(Duration::from_secs(2)).await;
            node.start().await;
        }
    });
    let each = BURST / PORTS;
    let mut next = [0; PORTS];
    let began = Instant::now();
    // The burst lasts until all nodes have died once.
    let mut extra = 0;
    while answers.seen.len() < PORTS + PORTS * (each + extra) {
        for (port, next) in next.iter_mut().enumerate() {
            let done =
                (0..*next).rev().take(AHEAD).filter(|n| !answers.seen.contains_key(&step_id(port, *n)));
            let mut under_way = done.count();
            while *next < each + extra && under_way < AHEAD {
                send(step(port, *next));
                *next += 1;
                under_way += 1;
            }
        }
        answers.take().await;
        if answers.seen.len() == PORTS + PORTS * (each + extra) && !deaths.is_finished() {
            extra += 1;
        }
        assert!(began.elapsed() < PATIENCE, "{} of {} answered", answers.seen.len(), PORTS * each);
    }
    deaths.await.unwrap();
    let took = began.elapsed();
    agent.stop().await;

    let total = PORTS * (each + extra);
    let refused = &answers.refused;
    assert!(refused.is_empty(), "{}: {:#?}", refused.len(), refused.iter().take(8).collect::<Vec<_>>());
    let repeated = answers.seen.values().filter(|outcomes| outcomes.len() > 1).count();
    let written = usize::try_from(writes.load(Ordering::SeqCst) - before).unwrap();
    println!(
        "{total} commands, three nodes killed once each: {} answered, {written} register writes, {repeated} answered again \
         because a record arrived twice; {:.0} /s",
        answers.seen.len() - PORTS,
        f64::from(u32::try_from(total).unwrap()) / took.as_secs_f64()
    );
    assert_eq!(written, total, "one register write for each command");
    delete_topics(&*ours, &vop).await;
}
