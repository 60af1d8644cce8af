//! The agent end to end: the memory bus, emulated modules, tokio's paused clock.

mod broker_clock;
mod commands;
mod cuts;
mod outages;
mod restarts;
mod service;
mod watch;

use super::*;
use crate::intake::Identity;
use ipowdm_cmis::access::{Counters, Paged, TransportError};
use ipowdm_cmis::emulator::{EmulatedModule, EmulatedWindow, ModuleClock, Profile, VirtualClock};
use ipowdm_cmis::map::Address;
use ipowdm_cmis::time::Clock as _;
use ipowdm_core::bus::memory::MemoryBus;
use ipowdm_core::bus::{FetchRequest, Outgoing, Record, TopicSpec};
use ipowdm_core::grid::SpectrumWindow;
use ipowdm_core::msg::{
    AgentHealth, AgentMessage, Assignment, Capabilities, CommandAck, PortDump, PortGrant, TelemetrySample,
    VopAssignment,
};
use ipowdm_core::time::Millis;
use ipowdm_core::topics::ASSIGNMENTS;
use ipowdm_core::units::Frequency;
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::time::Instant;

const GUIDE: &str = r#"{"action":"setupConnection","command_id":"setup-POP1-POP2-1","parameters":{"connection_id":"POP1-POP2-1","endpoint_config":[{"pop_id":"pop1","node_id":"router1","port_id":"Ethernet48","frequency":193.1,"tx_power_level":-2.0}]}}"#;
const GUIDE_RECONFIG: &str = r#"{"action":"reconfigConnection","command_id":"reconfig-POP1-POP2-1-1730","parameters":{"connection_id":"POP1-POP2-1","reason":"OSNR degraded","endpoint_config":[{"pop_id":"pop1","node_id":"router1","port_id":"Ethernet48","tx_power_level":-1.5}]}}"#;
const TEARDOWN: &str = r#"{"action":"teardownConnection","command_id":"teardown-1","parameters":{"connection_id":"POP1-POP2-1"}}"#;

/// A module's memory whose module lives by tokio's clock; counts what the agent writes.
struct Following {
    eeprom: Paged<EmulatedWindow>,
    clock: VirtualClock,
    origin: Instant,
    writes: Arc<AtomicU64>,
}

impl Following {
    fn sync(&mut self) {
        let now = u64::try_from(self.origin.elapsed().as_millis()).unwrap();
        self.clock.sleep_until(Millis(now));
    }
}

impl Eeprom for Following {
    fn read(&mut self, at: Address, into: &mut [u8]) -> Result<(), TransportError> {
        self.sync();
        self.eeprom.read(at, into)
    }

    fn write(&mut self, at: Address, bytes: &[u8]) -> Result<(), TransportError> {
        self.sync();
        self.writes.fetch_add(1, Ordering::SeqCst);
        self.eeprom.write(at, bytes)
    }

    fn counters(&self) -> Counters {
        self.eeprom.counters()
    }
}

struct Port {
    name: PortId,
    module: EmulatedModule,
    clock: VirtualClock,
}

/// A switch with two modules, a bus with the topics of vOp2, and the agent between.
struct Bench {
    bus: MemoryBus,
    ports: Vec<Port>,
    storage: MemoryStorage,
    origin: Instant,
    writes: Arc<AtomicU64>,
    config: AgentConfig,
    wall: Option<WallClock>,
    revision: u64,
    agent: Option<AgentHandle>,
}

impl Bench {
    /// An agent under `accept_unfenced`, assigned to vOp2 with both ports and 192…194 THz.
    async fn started() -> Self {
        let mut bench = Self::new(&[Profile::OPENZRP, Profile::OPENZRP]).await;
        bench.start().await;
        bench
    }

    async fn new(profiles: &[Profile]) -> Self {
        let origin = Instant::now();
        let bus = MemoryBus::new();
        let names = ["Ethernet48", "Ethernet56"];
        let port = |(index, profile): (usize, &Profile)| {
            let clock = VirtualClock::new();
            let serial = u32::try_from(index).unwrap() + 1;
            let module = EmulatedModule::new(profile.clone(), serial, ModuleClock::from(&clock));
            Port { name: names[index].parse().unwrap(), module, clock }
        };
        let identity = Identity::of_router("pop1".parse().unwrap(), "router1".parse().unwrap());
        let mut config = AgentConfig::new(identity, Service::Assigned);
        config.accept_unfenced = true;
        config.emulated = true;
        let mut bench = Self {
            bus,
            ports: profiles.iter().enumerate().map(port).collect(),
            storage: MemoryStorage::default(),
            origin,
            writes: Arc::default(),
            config,
            wall: None,
            revision: 0,
            agent: None,
        };
        bench.create(ASSIGNMENTS).await;
        for topic in ["config_vOp2", "monitoring_vOp2", "health_vOp2"] {
            bench.create(topic).await;
        }
        let all = bench.grants();
        bench.assign(&[("vOp2", all)]).await;
        bench
    }

    async fn create(&self, topic: &str) {
        let spec =
            TopicSpec { name: topic.to_string(), partitions: 1, replication: 1, configs: BTreeMap::new() };
        self.bus.create_topic(spec).await.unwrap();
    }

    fn grants(&self) -> Vec<PortGrant> {
        self.ports.iter().map(|port| grant(&port.name)).collect()
    }

    /// Publishes a new revision of the agent's assignment.
    async fn assign(&mut self, vops: &[(&str, Vec<PortGrant>)]) {
        self.assign_in("i1", vops).await;
    }

    /// The same, in another life of the topics.
    async fn assign_in(&mut self, incarnation: &str, vops: &[(&str, Vec<PortGrant>)]) {
        self.revision += 1;
        let vops = vops.iter().map(|(vop, ports)| VopAssignment {
            vop: vop.parse().unwrap(),
            incarnation: incarnation.parse().unwrap(),
            ports: ports.clone(),
            telemetry_interval_ms: 3_000,
            health_interval_ms: 30_000,
        });
        let identity = &self.config.identity;
        let record = Assignment {
            v: 1,
            agent_id: identity.agent_id.clone(),
            pop_id: identity.pop_id.clone(),
            router_id: identity.router_id.clone(),
            revision: self.revision,
            vops: vops.collect(),
        };
        self.publish(ASSIGNMENTS, identity.agent_id.as_str(), &record.to_json()).await;
    }

    async fn publish(&self, topic: &str, key: &str, value: &[u8]) {
        self.bus.publish(topic, vec![Outgoing::new(key, value.to_vec())]).await.unwrap();
    }

    fn build(&self) -> Agent {
        self.build_on(self.storage.clone()).unwrap()
    }

    fn build_on(&self, storage: impl Storage + 'static) -> Result<Agent, BuildError> {
        let mut builder =
            Agent::builder(self.config.clone()).bus(Arc::new(self.bus.clone())).storage(storage);
        for port in &self.ports {
            let eeprom = Following {
                eeprom: port.module.eeprom(),
                clock: port.clock.clone(),
                origin: self.origin,
                writes: Arc::clone(&self.writes),
            };
            builder = builder.port(port.name.clone(), Box::new(eeprom));
        }
        if let Some(wall) = &self.wall {
            builder = builder.wall_clock(Arc::clone(wall));
        }
        builder.build()
    }

    /// Starts the agent and waits until it reads commands.
    async fn start(&mut self) {
        self.agent = Some(self.build().spawn().unwrap());
        self.sleep(3_000).await;
    }

    async fn stop(&mut self) {
        self.agent.take().unwrap().stop().await;
        tokio::task::yield_now().await;
    }

    async fn kill(&mut self) {
        self.agent.take().unwrap().kill().await;
        tokio::task::yield_now().await;
    }

    async fn status(&self) -> AgentStatus {
        self.agent.as_ref().unwrap().status().await.unwrap()
    }

    async fn sleep(&self, ms: u64) {
        tokio::time::sleep(Duration::from_millis(ms)).await;
    }

    async fn send(&self, line: &str) {
        self.publish("config_vOp2", "pop1-router1", line.as_bytes()).await;
    }

    async fn records(&self, topic: &str) -> Vec<Record> {
        let request = FetchRequest {
            topic: topic.to_string(),
            partition: 0,
            offset: 0,
            max_bytes: u32::MAX,
            max_wait: Duration::ZERO,
        };
        self.bus.fetch(request).await.unwrap().records
    }

    async fn messages(&self, topic: &str) -> Vec<AgentMessage> {
        let records = self.records(topic).await;
        records
            .iter()
            .map(|record| AgentMessage::from_json(record.value.as_ref().unwrap()).unwrap())
            .collect()
    }

    async fn acks(&self) -> Vec<CommandAck> {
        let of = |message| match message {
            AgentMessage::Ack(ack) => Some(ack),
            _ => None,
        };
        self.messages("monitoring_vOp2").await.into_iter().filter_map(of).collect()
    }

    async fn samples(&self) -> Vec<TelemetrySample> {
        let of = |message| match message {
            AgentMessage::Telemetry(sample) => Some(sample),
            _ => None,
        };
        self.messages("monitoring_vOp2").await.into_iter().filter_map(of).collect()
    }

    async fn healths(&self) -> Vec<AgentHealth> {
        let of = |message| match message {
            AgentMessage::Health(health) => Some(health),
            _ => None,
        };
        self.messages("health_vOp2").await.into_iter().filter_map(of).collect()
    }

    async fn dumps(&self) -> Vec<PortDump> {
        let of = |message| match message {
            AgentMessage::Dump(dump) => Some(dump),
            _ => None,
        };
        self.messages("monitoring_vOp2").await.into_iter().filter_map(of).collect()
    }

    async fn capabilities(&self) -> Vec<Capabilities> {
        let of = |message| match message {
            AgentMessage::Capabilities(capabilities) => Some(capabilities),
            _ => None,
        };
        self.messages("health_vOp2").await.into_iter().filter_map(of).collect()
    }

    /// Waits until there are `count` acks; the last.
    async fn ack(&self, count: usize) -> CommandAck {
        for _ in 0..3_000 {
            let acks = self.acks().await;
            if acks.len() >= count {
                assert_eq!(acks.len(), count, "{acks:#?}");
                return acks.into_iter().next_back().unwrap();
            }
            self.sleep(100).await;
        }
        panic!("no ack number {count}");
    }

    /// Sends a command and waits for its one ack.
    async fn command(&self, line: &str) -> CommandAck {
        let before = self.acks().await.len();
        self.send(line).await;
        self.ack(before + 1).await
    }

    /// Brings the modules to tokio's time and says whether one is lit.
    fn is_lit(&self, port: usize) -> bool {
        let port = &self.ports[port];
        let now = u64::try_from(self.origin.elapsed().as_millis()).unwrap();
        port.clock.clone().sleep_until(Millis(now));
        port.module.emission().is_some()
    }

    fn writes(&self) -> u64 {
        self.writes.load(Ordering::SeqCst)
    }
}

fn grant(port: &PortId) -> PortGrant {
    let window =
        SpectrumWindow { low: Frequency::from_mhz(192_000_000), high: Frequency::from_mhz(194_000_000) };
    PortGrant { port_id: port.clone(), spectrum: vec![window], tx_power: None }
}

/// Adds fields to a command's top level.
fn with(line: &str, fields: &str) -> String {
    line.replacen('{', &format!("{{{fields},"), 1)
}

/// A command with id and epoch.
fn fenced(line: &str, id: &str, epoch: u64) -> String {
    let start = line.find(r#""command_id":""#).unwrap() + 14;
    let end = start + line[start..].find('"').unwrap();
    with(&format!("{}{id}{}", &line[..start], &line[end..]), &format!(r#""epoch":{epoch}"#))
}
