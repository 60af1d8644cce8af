//! Three nodes of Apache Kafka that are killed and frozen while commands are under way.
//!
//! `IPOWDM_KAFKA_CLUSTER` names the state folder of a cluster that `scripts/kafka-up.sh --nodes 3` has started
//! (`build/kafka/run/<port>`). The nodes are killed and started again: nobody else may use it.
#![expect(clippy::unwrap_used, clippy::panic, reason = "tests state what they expect")]

use ipowdm_agent::{Agent, AgentConfig, Identity, Service};
use ipowdm_cmis::access::{Counters, Eeprom, Paged, TransportError};
use ipowdm_cmis::emulator::{EmulatedModule, EmulatedWindow, ModuleClock, Profile};
use ipowdm_cmis::map::Address;
use ipowdm_core::bus::kafka::{KafkaBus, KafkaOptions};
use ipowdm_core::bus::publisher::{Class, Publisher};
use ipowdm_core::bus::reader::{Delivery, Reader, Start};
use ipowdm_core::bus::{Bus, Outgoing, TopicSpec};
use ipowdm_core::ids::{PortId, VopId};
use ipowdm_core::msg::{AgentMessage, Outcome};
use ipowdm_core::topics::{self, Role};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// More than anything here takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(300);

/// Ports that share the burst.
const PORTS: usize = 25;

/// Commands of the burst.
const BURST: usize = 10_000;

/// Commands to a port that are under way at a time: fewer than it lets wait.
const AHEAD: usize = 12;

/// One of the cluster's nodes.
struct Node {
    folder: PathBuf,
    number: usize,
}

impl Node {
    fn all(folder: &Path) -> Vec<Self> {
        (1..=3).map(|number| Self { folder: folder.to_path_buf(), number }).collect()
    }

    fn file(&self, kind: &str) -> PathBuf {
        self.folder.join(format!("node-{}.{kind}", self.number))
    }

    fn signal(&self, signal: Signal) {
        let pid = std::fs::read_to_string(self.file("pid")).unwrap();
        kill(Pid::from_raw(pid.trim().parse().unwrap()), signal).unwrap();
    }

    fn starts(&self) -> usize {
        let log = std::fs::read_to_string(self.file("log")).unwrap();
        log.matches("Kafka Server started").count()
    }

    /// Starts it again, and waits until it says that it serves.
    async fn start(&self) {
        let before = self.starts();
        assert!(Command::new(self.file("sh")).status().unwrap().success());
        until("the node serves again", || (self.starts() > before).then_some(())).await;
    }
}

async fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(began.elapsed() < PATIENCE, "never: {what}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// The state folder and the address of the cluster.
fn cluster() -> Option<(PathBuf, String)> {
    let Ok(folder) = std::env::var("IPOWDM_KAFKA_CLUSTER") else {
        println!("skipped: IPOWDM_KAFKA_CLUSTER is not set; scripts/kafka-up.sh --nodes 3 starts a cluster");
        return None;
    };
    let bootstrap = std::fs::read_to_string(Path::new(&folder).join("address")).unwrap();
    Some((folder.into(), bootstrap.trim().to_owned()))
}

fn bus(bootstrap: &str) -> Arc<dyn Bus> {
    Arc::new(KafkaBus::connect(&KafkaOptions::new(bootstrap)).unwrap())
}

/// The topics of a virtual operator, on all nodes; a write is confirmed by two.
async fn make_topics(bus: &dyn Bus, vop: &VopId) {
    for role in Role::ALL {
        let name = topics::name(role, vop, None).to_string();
        let configs = BTreeMap::from([("min.insync.replicas".to_owned(), "2".to_owned())]);
        bus.create_topic(TopicSpec { name, partitions: 1, replication: 3, configs }).await.unwrap();
    }
}

/// A module's memory that counts what is written to it.
struct Counted {
    eeprom: Paged<EmulatedWindow>,
    writes: Arc<AtomicU64>,
}

impl Eeprom for Counted {
    fn read(&mut self, at: Address, into: &mut [u8]) -> Result<(), TransportError> {
        self.eeprom.read(at, into)
    }

    fn write(&mut self, at: Address, bytes: &[u8]) -> Result<(), TransportError> {
        self.writes.fetch_add(1, Ordering::SeqCst);
        self.eeprom.write(at, bytes)
    }

    fn counters(&self) -> Counters {
        self.eeprom.counters()
    }
}

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

fn set_up(port: usize) -> String {
    format!(
        r#"{{"action":"setupConnection","command_id":"up-{port}","parameters":{{"connection_id":"C-{port}","endpoint_config":[{{"pop_id":"pop1","node_id":"router1","port_id":"Ethernet{port}","frequency":193.1,"tx_power_level":-2.0}}]}}}}"#
    )
}

/// Each differs from the one before it, so that each is one register write.
fn step(port: usize, number: usize) -> String {
    let power = if number.is_multiple_of(2) { -2.5 } else { -3.5 };
    format!(
        r#"{{"action":"reconfigConnection","command_id":"{}","parameters":{{"connection_id":"C-{port}","endpoint_config":[{{"pop_id":"pop1","node_id":"router1","port_id":"Ethernet{port}","tx_power_level":{power}}}]}}}}"#,
        step_id(port, number)
    )
}

fn step_id(port: usize, number: usize) -> String {
    format!("step-{port}-{number}")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_killed_in_a_burst_of_ten_thousand_commands_lose_none_and_none_is_applied_twice() {
    let Some((folder, bootstrap)) = cluster() else { return };
    let vop: VopId = format!("burst{}", std::process::id()).parse().unwrap();
    let (ours, theirs) = (bus(&bootstrap), bus(&bootstrap));
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
    config.accept_unfenced = true;
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
        for node in Node::all(&folder) {
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
    for role in Role::ALL {
        ours.delete_topic(&topics::name(role, &vop, None)).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn records_pass_while_a_node_is_frozen_for_half_a_minute_and_none_is_lost() {
    let Some((folder, bootstrap)) = cluster() else { return };
    let vop: VopId = format!("frozen{}", std::process::id()).parse().unwrap();
    let bus = bus(&bootstrap);
    make_topics(&*bus, &vop).await;
    let topic = topics::name(Role::Config, &vop, None).to_string();
    let publisher = Publisher::start(Arc::clone(&bus), 100_000);
    let mut reader = Reader::new(Arc::clone(&bus));
    reader.follow(&topic, |_| Start::Earliest);
    let frozen = tokio::spawn(async move {
        for node in Node::all(&folder) {
            node.signal(Signal::SIGSTOP);
            tokio::time::sleep(Duration::from_secs(30)).await;
            node.signal(Signal::SIGCONT);
            // It takes part again before the next one is frozen.
            tokio::time::sleep(Duration::from_secs(10)).await;
        }
    });
    let (mut sent, mut seen, mut last, mut longest) = (0_u64, 0_u64, Instant::now(), Duration::ZERO);
    let mut ticks = tokio::time::interval(Duration::from_millis(20));
    let began = Instant::now();
    while !frozen.is_finished() || seen < sent {
        tokio::select! {
            _ = ticks.tick(), if !frozen.is_finished() => {
                publisher.send(&topic, Outgoing::new("k", sent.to_string()), Class::Keep).unwrap();
                sent += 1;
            }
            delivery = reader.next() => match delivery {
                Delivery::Records { records, .. } => for record in &records {
                    let text = String::from_utf8(record.value.as_ref().unwrap().to_vec()).unwrap();
                    let number: u64 = text.parse().unwrap();
                    // Repeated where a confirmation was lost, never skipped.
                    assert!(number <= seen, "{number} after {seen}: records are missing");
                    if number == seen {
                        seen += 1;
                        longest = longest.max(last.elapsed());
                        last = Instant::now();
                    }
                },
                Delivery::Resync { lost, .. } => panic!("position {lost} was lost"),
                Delivery::Outage { .. } | Delivery::Restored { .. } => {}
            },
        }
        assert!(began.elapsed() < PATIENCE, "{seen} of {sent}");
    }
    frozen.await.unwrap();
    println!("each node frozen for 30 s: {sent} records, {seen} read in order, longest gap {longest:.1?}");
    for role in Role::ALL {
        bus.delete_topic(&topics::name(role, &vop, None)).await.unwrap();
    }
}
