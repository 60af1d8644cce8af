//! A tenant writes on its own config topic what it may not have done: the agent answers each command once, with the code that says
//! why not, and writes nothing to any module. Over the development broker, and over Apache Kafka with a user for everybody where
//! `IPOWDM_KAFKA_SECURE` names the administrator's client.properties of one that `scripts/kafka-up.sh --secure` has started.
#![expect(clippy::unwrap_used, clippy::panic, reason = "tests state what they expect")]

#[path = "kafka/counted.rs"]
mod counted;
#[path = "forged_commands/forgeries.rs"]
mod forgeries;
#[path = "kafka/secured.rs"]
mod secured_kafka;
#[path = "kafka/tenants.rs"]
mod tenants;

use counted::Counted;
use forgeries::{Comes, EPOCH, Order};
use ipowdm_agent::{Agent, AgentConfig, AgentHandle, Identity, Service};
use ipowdm_cmis::emulator::{EmulatedModule, ModuleClock, Profile};
use ipowdm_core::bus::access::{Principal, Scope, Scram};
use ipowdm_core::bus::kafka::{KafkaBus, KafkaOptions};
use ipowdm_core::bus::reader::{Delivery, Reader, Start};
use ipowdm_core::bus::{Bus, Outgoing};
use ipowdm_core::capability::PowerRange;
use ipowdm_core::grid::SpectrumWindow;
use ipowdm_core::ids::VopId;
use ipowdm_core::msg::{AgentMessage, Assignment, CommandAck, Outcome, PortGrant, VopAssignment};
use ipowdm_core::topics::{ASSIGNMENTS, Role};
use ipowdm_core::units::{Frequency, Power};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tenants::{Cluster, make_topics, topic, vop};

/// More than anything here takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(120);

/// Whose bus is whose: on a broker that keeps people apart, each has a user of its own.
struct Parties {
    operator: Arc<dyn Bus>,
    tenants: [Arc<dyn Bus>; 2],
    agent: Arc<dyn Bus>,
}

/// Two tenants and an agent that serves both.
struct Scene {
    parties: Parties,
    vops: [VopId; 2],
    identity: Identity,
    writes: Arc<AtomicU64>,
    agent: AgentHandle,
    answers: Reader,
    acks: Vec<CommandAck>,
}

fn identity() -> Identity {
    Identity::of_router(format!("forged{}", std::process::id()).parse().unwrap(), "r1".parse().unwrap())
}

/// What a tenant may do with one port: 200 GHz from `low`, -15 to -1 dBm.
fn grant(port: &str, low: u32) -> PortGrant {
    let [low, high] = [low, low + 200_000].map(Frequency::from_mhz);
    let [min, max] = [-1_500, -100].map(Power::from_hundredths);
    PortGrant {
        port_id: port.parse().unwrap(),
        spectrum: vec![SpectrumWindow { low, high }],
        tx_power: Some(PowerRange { min, max }),
    }
}

impl Scene {
    async fn set(parties: Parties, vops: [VopId; 2]) -> Self {
        let identity = identity();
        let grants = [grant("Ethernet0", 193_000_000), grant("Ethernet4", 193_400_000)];
        let each = vops.iter().zip(grants).map(|(vop, port)| VopAssignment {
            vop: vop.clone(),
            incarnation: "i1".parse().unwrap(),
            ports: vec![port],
            telemetry_interval_ms: 3_000,
            health_interval_ms: 30_000,
        });
        let assignment = Assignment {
            v: 1,
            agent_id: identity.agent_id.clone(),
            pop_id: identity.pop_id.clone(),
            router_id: identity.router_id.clone(),
            revision: 1,
            vops: each.collect(),
        };
        let record = Outgoing::new(identity.agent_id.as_str(), assignment.to_json());
        parties.operator.publish(ASSIGNMENTS, vec![record]).await.unwrap();
        let mut config = AgentConfig::new(identity.clone(), Service::Assigned);
        config.emulated = true;
        let writes: Arc<AtomicU64> = Arc::default();
        let mut builder = Agent::builder(config).bus(Arc::clone(&parties.agent));
        for (serial, port) in (1..).zip(["Ethernet0", "Ethernet4", "Ethernet8"]) {
            let module = EmulatedModule::new(Profile::OPENZRP, serial, ModuleClock::scaled(2_000));
            let eeprom = Counted { eeprom: module.eeprom(), writes: Arc::clone(&writes) };
            builder = builder.port(port.parse().unwrap(), Box::new(eeprom));
        }
        let agent = builder.build().unwrap().spawn().unwrap();
        let mut answers = Reader::new(Arc::clone(&parties.operator));
        for vop in &vops {
            answers.follow(&topic(Role::Monitoring, vop), |_| Start::Earliest);
        }
        let scene = Self { parties, vops, identity, writes, agent, answers, acks: Vec::new() };
        let listens = async {
            loop {
                let vops = scene.agent.status().await.unwrap().vops;
                if vops.len() == 2 && vops.values().all(|listening| *listening) {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(PATIENCE, listens).await.unwrap();
        scene
    }

    /// A tenant writes on its config topic.
    async fn write(&self, tenant: usize, line: impl Into<Vec<u8>>) {
        let record = Outgoing::new(self.identity.agent_id.as_str(), line.into());
        let topic = topic(Role::Config, &self.vops[tenant]);
        self.parties.tenants[tenant].publish(&topic, vec![record]).await.unwrap();
    }

    fn answers_to<'a>(&'a self, tenant: usize, id: &'a str) -> impl Iterator<Item = &'a CommandAck> {
        let vop = &self.vops[tenant];
        self.acks.iter().filter(move |ack| ack.virtual_operator == *vop && ack.command_id.as_str() == id)
    }

    /// Reads until there are so many answers to a command.
    async fn await_answers(&mut self, tenant: usize, id: &str, count: usize) {
        while self.answers_to(tenant, id).count() < count {
            let delivery = tokio::time::timeout(PATIENCE, self.answers.next()).await;
            match delivery.unwrap_or_else(|_| panic!("no answer to {id}")) {
                Delivery::Records { records, .. } => {
                    for value in records.iter().filter_map(|record| record.value.as_ref()) {
                        if let Ok(AgentMessage::Ack(ack)) = AgentMessage::from_json(value) {
                            self.acks.push(ack);
                        }
                    }
                }
                Delivery::Resync { lost, .. } => panic!("position {lost} was lost"),
                Delivery::Outage { .. } | Delivery::Restored { .. } => {}
            }
        }
    }

    /// Each tenant's good command under this id comes to this at both ports.
    async fn good(&mut self, orders: &[Order<'_>; 2], id: &str, outcome: Outcome) {
        for (tenant, order) in orders.iter().enumerate() {
            self.write(tenant, order.line(id)).await;
            self.await_answers(tenant, id, 1).await;
            let ack = self.answers_to(tenant, id).next().unwrap();
            assert_eq!(ack.outcome, outcome, "{ack:#?}");
        }
    }
}

/// The forgeries, written one after the other and told apart by the answers.
async fn refused_once_each(mut scene: Scene) -> Scene {
    let (pop, agent) = (scene.identity.pop_id.to_string(), scene.identity.agent_id.to_string());
    let a = Order {
        head: EPOCH.to_owned(),
        action: "setupConnection",
        connection: "C-a",
        pop: &pop,
        port: "Ethernet0",
        frequency: "193.1",
        power: "-2.0",
    };
    let b = Order { connection: "C-b", port: "Ethernet4", frequency: "193.5", ..a.clone() };
    let good = [a.clone(), b.clone()];
    scene.good(&good, "good", Outcome::Applied).await;
    let before = scene.writes.load(Ordering::SeqCst);
    assert!(before > 0, "writes are counted");
    let forged = forgeries::all(&a, &b, scene.vops[1].as_str(), &agent);
    for forgery in &forged {
        scene.write(0, forgery.line.clone()).await;
    }
    for forgery in forged.iter().filter(|forgery| matches!(forgery.comes, Comes::Ack(..))) {
        // One id is that of the good command, which has its answer.
        let count = if forgery.id == "good" { 2 } else { 1 };
        scene.await_answers(0, forgery.id, count).await;
    }
    // What the agent does next comes after all that: both modules are as they were, so that there is nothing to write.
    scene.good(&good, "again", Outcome::Unchanged).await;
    assert_eq!(scene.writes.load(Ordering::SeqCst), before, "nothing was written to any module");

    let mut letters = 0;
    for forgery in &forged {
        let found: Vec<_> =
            scene.answers_to(0, forgery.id).map(|ack| (ack.outcome, ack.details.code)).collect();
        let wanted = match forgery.comes {
            Comes::Ack(outcome, code) if forgery.id == "good" => {
                vec![(Outcome::Applied, None), (outcome, code)]
            }
            Comes::Ack(outcome, code) => vec![(outcome, code)],
            Comes::DeadLetter => {
                letters += 1;
                Vec::new()
            }
            Comes::Silence => Vec::new(),
        };
        assert_eq!(found, wanted, "{}", forgery.id);
    }
    assert_eq!(scene.answers_to(1, "good").count() + scene.answers_to(1, "again").count(), 2);
    let of_b = scene.acks.iter().filter(|ack| ack.virtual_operator == scene.vops[1]).count();
    assert_eq!(of_b, 2, "the other tenant hears of nothing");
    let status = scene.agent.status().await.unwrap();
    assert_eq!(status.dead_letters_total, letters);
    println!(
        "{} forged commands: {letters} counted as unreadable, the others answered once each",
        forged.len()
    );
    scene
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s0_05_a_forged_command_is_refused_once_with_its_reason_over_the_development_broker() {
    let broker = ipowdm_devbroker::Broker::start(ipowdm_devbroker::Options::default()).await.unwrap();
    let bus =
        || -> Arc<dyn Bus> { Arc::new(KafkaBus::connect(&KafkaOptions::new(&broker.bootstrap())).unwrap()) };
    let parties = Parties { operator: bus(), tenants: [bus(), bus()], agent: bus() };
    let vops = [vop("ForgedA"), vop("ForgedB")];
    for vop in &vops {
        make_topics(&*parties.operator, vop).await;
    }
    let scene = refused_once_each(Scene::set(parties, vops).await).await;
    scene.agent.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s0_05_a_forged_command_is_refused_once_with_its_reason_over_apache_kafka() {
    let Some(cluster) = Cluster::find() else { return };
    let vops = [vop("ForgedA"), vop("ForgedB")];
    for vop in &vops {
        make_topics(&cluster.admin, vop).await;
    }
    let agent = Principal::Agent(identity().agent_id);
    let controllers = vops.clone().map(Principal::Controller);
    let [a, b] = [0, 1].map(|n| cluster.admit(&controllers[n], &vops[n], Scram::Sha512));
    let (a, b): (Arc<dyn Bus>, Arc<dyn Bus>) = (Arc::new(a.await), Arc::new(b.await));
    cluster.admit(&agent, &vops[0], Scram::Sha512).await;
    // The password issued last is the one that counts.
    let of_agent = cluster.admit(&agent, &vops[1], Scram::Sha512).await;
    let parties =
        Parties { operator: Arc::new(cluster.admin.clone()), tenants: [a, b], agent: Arc::new(of_agent) };
    let scene = refused_once_each(Scene::set(parties, vops).await).await;
    scene.agent.stop().await;
    let gone = Outgoing { key: Some(scene.identity.agent_id.as_str().to_owned().into()), value: None };
    cluster.admin.publish(ASSIGNMENTS, vec![gone]).await.unwrap();
    for principal in controllers.into_iter().chain([agent]) {
        cluster.access().revoke(Scope::Principal(principal.name())).await.unwrap();
        cluster.access().withdraw_passwords(vec![principal.name()]).await.unwrap();
    }
    for name in scene.vops.iter().flat_map(|vop| Role::ALL.map(|role| topic(role, vop))) {
        cluster.admin.delete_topic(&name).await.unwrap();
    }
}
