//! An agent on a switch, with a bus in memory and a journal that outlives it.

use super::switch::Switch;
use ipowdm_agent::config::{AgentConfig, Service};
use ipowdm_agent::journal::MemoryStorage;
use ipowdm_agent::mode::{Mode, ModeChoice};
use ipowdm_agent::port::PortStatus;
use ipowdm_agent::runtime::{Agent, WallClock, system_time};
use ipowdm_agent::sonic::{self, AdminStatus, Look};
use ipowdm_agent::{AgentHandle, Identity};
use ipowdm_cmis::emulator::EmulatedModule;
use ipowdm_core::bus::memory::MemoryBus;
use ipowdm_core::bus::{Bus, FetchRequest, Outgoing, TopicSpec};
use ipowdm_core::ids::PortId;
use ipowdm_core::msg::{AgentMessage, CommandAck, TelemetrySample};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// More than anything here takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(120);

/// An agent on `Ethernet0` of a switch.
pub(crate) struct OnSwitch<'a> {
    switch: &'a Switch,
    mode: Mode,
    bus: MemoryBus,
    journal: MemoryStorage,
    /// The module, where the agent owns it.
    module: Option<EmulatedModule>,
    agent: Option<AgentHandle>,
}

/// Waits until `look` answers something.
pub(crate) async fn until<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let begun = std::time::Instant::now();
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(begun.elapsed() < PATIENCE, "no {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

impl<'a> OnSwitch<'a> {
    /// An agent that runs.
    pub(crate) async fn start(switch: &'a Switch, mode: Mode) -> Self {
        Self::with(switch, mode, None).await
    }

    /// An agent that owns a module.
    pub(crate) async fn owning(switch: &'a Switch, module: EmulatedModule) -> Self {
        Self::with(switch, Mode::Own, Some(module)).await
    }

    async fn with(switch: &'a Switch, mode: Mode, module: Option<EmulatedModule>) -> Self {
        let bus = MemoryBus::new();
        for topic in ["config_vOp2", "monitoring_vOp2", "health_vOp2"] {
            let spec = TopicSpec {
                name: topic.to_owned(),
                partitions: 1,
                replication: 1,
                configs: Default::default(),
            };
            bus.create_topic(spec).await.unwrap();
        }
        let mut agent = Self { switch, mode, bus, journal: MemoryStorage::default(), module, agent: None };
        agent.restart().await;
        agent
    }

    /// Where its processes would lock modules.
    pub(crate) fn locks(&self) -> PathBuf {
        self.switch.root().join("run/ipowdm")
    }

    /// Ends it as a crash would, and starts it with what its journal holds; waits until the port was compared.
    pub(crate) async fn restart(&mut self) {
        if let Some(agent) = self.agent.take() {
            agent.kill().await;
        }
        let ports: Vec<PortId> = vec!["Ethernet0".parse().unwrap()];
        let identity = Identity::of_router("pop1".parse().unwrap(), "router1".parse().unwrap());
        let service = Service::Fixed {
            vop: "vOp2".parse().unwrap(),
            ports: ports.clone(),
            telemetry_interval_ms: 200,
            health_interval_ms: 30_000,
        };
        let mut config = AgentConfig::new(identity, service);
        config.accept_unfenced = true;
        let builder = Agent::builder(config).bus(Arc::new(self.bus.clone())).storage(self.journal.clone());
        let mut databases = self.switch.connect();
        let builder = if let Some(module) = &self.module {
            let admin = AdminStatus::new(ports[0].clone(), databases);
            builder.owned_port(ports[0].clone(), Box::new(module.eeprom()), Box::new(admin))
        } else {
            let numbers = Default::default();
            let look = Look { ports: &ports, numbers: &numbers, eeprom: None };
            let choice = ModeChoice::Only(self.mode);
            let found = sonic::detect(self.switch.root(), Some(&mut databases), &look, choice).unwrap();
            let wall: WallClock = Arc::new(system_time);
            sonic::attach(builder, databases.catalogue(), &found, &self.locks(), &wall).unwrap()
        };
        self.agent = Some(builder.build().unwrap().spawn().unwrap());
        until("port that was read", async || {
            let port = self.port().await?;
            (port.report.is_some() && !port.busy).then_some(())
        })
        .await;
        until("topic that is read", async || {
            let status = self.agent.as_ref().unwrap().status().await?;
            status.vops.values().all(|reading| *reading).then_some(())
        })
        .await;
    }

    /// What it knows of its port.
    pub(crate) async fn port(&self) -> Option<PortStatus> {
        let status = self.agent.as_ref().unwrap().status().await?;
        status.ports.into_values().next()
    }

    async fn messages(&self) -> Vec<AgentMessage> {
        let request = FetchRequest {
            topic: "monitoring_vOp2".to_owned(),
            partition: 0,
            offset: 0,
            max_bytes: u32::MAX,
            max_wait: Duration::ZERO,
        };
        let records = self.bus.fetch(request).await.unwrap().records;
        records.iter().map(|r| AgentMessage::from_json(r.value.as_ref().unwrap()).unwrap()).collect()
    }

    async fn acks(&self) -> Vec<CommandAck> {
        let acks = self.messages().await.into_iter();
        acks.filter_map(|message| if let AgentMessage::Ack(ack) = message { Some(ack) } else { None })
            .collect()
    }

    /// Samples that were published so far.
    pub(crate) async fn samples(&self) -> Vec<TelemetrySample> {
        let all = self.messages().await.into_iter();
        all.filter_map(|m| if let AgentMessage::Telemetry(sample) = m { Some(sample) } else { None })
            .collect()
    }

    /// Sends a command and waits for its one ack.
    pub(crate) async fn command(&self, line: &str) -> CommandAck {
        let before = self.acks().await.len();
        self.bus
            .publish("config_vOp2", vec![Outgoing::new("pop1-router1", line.as_bytes().to_vec())])
            .await
            .unwrap();
        until("ack", async || {
            let acks = self.acks().await;
            assert!(acks.len() <= before + 1, "{acks:#?}");
            acks.into_iter().nth(before)
        })
        .await
    }

    /// Sets a connection up at `Ethernet0`.
    pub(crate) async fn setup(&self, thz: f64, dbm: f64) -> CommandAck {
        self.command(&format!(
            r#"{{"action":"setupConnection","command_id":"s","parameters":{{"connection_id":"POP1-POP2-1","endpoint_config":[{{"pop_id":"pop1","node_id":"router1","port_id":"Ethernet0","frequency":{thz},"tx_power_level":{dbm}}}]}}}}"#
        ))
        .await
    }

    /// Changes its power.
    pub(crate) async fn reconfigure(&self, dbm: f64) -> CommandAck {
        self.command(&format!(
            r#"{{"action":"reconfigConnection","command_id":"r","parameters":{{"connection_id":"POP1-POP2-1","reason":"test","endpoint_config":[{{"pop_id":"pop1","node_id":"router1","port_id":"Ethernet0","tx_power_level":{dbm}}}]}}}}"#
        ))
        .await
    }

    /// Takes it down.
    pub(crate) async fn teardown(&self) -> CommandAck {
        self.command(
            r#"{"action":"teardownConnection","command_id":"t","parameters":{"connection_id":"POP1-POP2-1"}}"#,
        )
        .await
    }

    /// Switches the interface.
    pub(crate) async fn interface(&self, state: &str) -> CommandAck {
        self.command(&format!(
            r#"{{"type":"interfaceControl","action":"{state}","command_id":"i","target_agent":"pop1-router1","parameters":{{"pop_id":"pop1","router_id":"router1","interface":"Ethernet0","action":"{state}"}}}}"#
        ))
        .await
    }
}
