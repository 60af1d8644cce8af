//! A scripted agent: speaks the wire messages, has no module.

use super::{openzr, power};
use core::time::Duration;
use ipowdm_core::bus::memory::MemoryBus;
use ipowdm_core::bus::reader::{Delivery, Reader, Start};
use ipowdm_core::bus::{Bus, Outgoing};
use ipowdm_core::capability::ModuleCapability;
use ipowdm_core::error::Code;
use ipowdm_core::ids::{AgentId, CommandId, ConnectionId, PortId, PortRef, RouterRef, VopId};
use ipowdm_core::msg::{
    AckDetails, Action, AgentHealth, Capabilities, Command, CommandAck, Endpoint, HealthStatus,
    InterfaceCapability, InterfaceHealth, Outcome, Readback, Target, TelemetryFields, TelemetrySample,
};
use ipowdm_core::time::Timestamp;
use ipowdm_core::topics::{self, Role};
use ipowdm_core::units::{Db, Frequency, Power};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use tokio::task::JoinHandle;

/// How a port answers commands about a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Behaviour {
    Obey,
    /// Refuses to be lit; goes dark when told.
    Reject(Code),
    /// Serves a connection of somebody else: refuses set-up and teardown.
    Occupied,
    /// Does it and never says so.
    Mute,
    /// Does not even read.
    Dead,
    /// Reads back another power than was wanted.
    WrongPower,
    /// Answers every command this many times.
    Repeat(u8),
    /// Answers after this time.
    Slow(Duration),
}

/// A port of the agent.
#[derive(Debug, Clone)]
pub(crate) struct FakePort {
    pub(crate) module: Option<ModuleCapability>,
    pub(crate) behaviour: Behaviour,
    pub(crate) lit: bool,
    pub(crate) frequency: Option<Frequency>,
    pub(crate) tx_power: Power,
    pub(crate) connection: Option<ConnectionId>,
    pub(crate) serial: String,
    seq: u64,
}

struct Site {
    vop: VopId,
    router: RouterRef,
    boot_id: u64,
    epoch: u64,
    ports: BTreeMap<PortId, FakePort>,
    journal: BTreeMap<CommandId, Vec<(Option<ConnectionId>, CommandAck)>>,
    /// Whether it says anything at all.
    heartbeats: bool,
    /// Whether it describes its modules only where it is asked to.
    terse: bool,
}

/// The agent; it ends when dropped.
pub(crate) struct FakeAgent {
    site: Arc<Mutex<Site>>,
    bus: MemoryBus,
    task: JoinHandle<()>,
}

impl Drop for FakeAgent {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl FakeAgent {
    pub(crate) fn start(bus: &MemoryBus, vop: &VopId, router: &RouterRef, ports: Vec<PortRef>) -> Self {
        let fake = |port: PortRef| {
            let serial = format!("SN-{port}");
            let port_of = FakePort {
                module: Some(openzr()),
                behaviour: Behaviour::Obey,
                lit: false,
                frequency: None,
                tx_power: power(-1000),
                connection: None,
                serial,
                seq: 0,
            };
            (port.port_id, port_of)
        };
        let site = Arc::new(Mutex::new(Site {
            vop: vop.clone(),
            router: router.clone(),
            boot_id: 1,
            epoch: 0,
            ports: ports.into_iter().map(fake).collect(),
            journal: BTreeMap::new(),
            heartbeats: true,
            terse: false,
        }));
        let task = tokio::spawn(run(bus.clone(), Arc::clone(&site)));
        Self { site, bus: bus.clone(), task }
    }

    pub(crate) fn change(&self, port: &str, change: impl FnOnce(&mut FakePort)) {
        change(self.site.lock().unwrap().ports.get_mut(&port.parse::<PortId>().unwrap()).unwrap());
    }

    pub(crate) fn behave(&self, port: &str, behaviour: Behaviour) {
        self.change(port, |port| port.behaviour = behaviour);
    }

    pub(crate) fn port(&self, port: &str) -> FakePort {
        self.site.lock().unwrap().ports[&port.parse::<PortId>().unwrap()].clone()
    }

    pub(crate) fn set_epoch(&self, epoch: u64) {
        self.site.lock().unwrap().epoch = epoch;
    }

    pub(crate) fn epoch(&self) -> u64 {
        self.site.lock().unwrap().epoch
    }

    pub(crate) fn silence(&self, silent: bool) {
        self.site.lock().unwrap().heartbeats = !silent;
    }

    /// Another life of the agent, which has forgotten nothing and describes its modules only where it is asked to.
    pub(crate) async fn restart_terse(&self) {
        {
            let mut site = self.site.lock().unwrap();
            site.boot_id += 1;
            site.terse = true;
        }
        self.report().await;
    }

    /// Heartbeat and capabilities now.
    pub(crate) async fn report(&self) {
        report(&self.bus, &self.site, false).await;
    }

    /// A sample of the connection on a port.
    pub(crate) async fn sample(&self, port: &str, fields: TelemetryFields) {
        let sample = {
            let mut site = self.site.lock().unwrap();
            let (agent, boot_id, vop) = (site.router.default_agent(), site.boot_id, site.vop.clone());
            let fake = site.ports.get_mut(&port.parse::<PortId>().unwrap()).unwrap();
            fake.seq += 1;
            let fields = TelemetryFields {
                frequency_mhz: fake.frequency,
                tx_power_configured: Some(fake.tx_power),
                rx_los: Some(fields.rx_los.unwrap_or(false)),
                ..fields
            };
            let connection = fake.connection.clone().unwrap();
            let interface = port.parse().unwrap();
            let mut sample = TelemetrySample::new(connection, agent, interface, Timestamp(0), fields)
                .numbered(boot_id, fake.seq);
            sample.virtual_operator = Some(vop);
            sample
        };
        self.publish_sample(&sample).await;
    }

    pub(crate) async fn publish_sample(&self, sample: &TelemetrySample) {
        let vop = self.site.lock().unwrap().vop.clone();
        let topic = topics::name(Role::Monitoring, &vop, None);
        let record = Outgoing::new(sample.connection_id.as_str(), sample.to_json());
        self.bus.publish(&topic, vec![record]).await.unwrap();
    }

    pub(crate) async fn osnr(&self, port: &str, tenths: i16) {
        let fields = TelemetryFields { osnr: Some(Db::from_tenths(tenths)), ..TelemetryFields::default() };
        self.sample(port, fields).await;
    }
}

async fn run(bus: MemoryBus, site: Arc<Mutex<Site>>) {
    let vop = site.lock().unwrap().vop.clone();
    let config = topics::name(Role::Config, &vop, None);
    let mut reader = Reader::new(Arc::new(bus.clone()));
    reader.follow(&config, |_| Start::Earliest);
    report(&bus, &site, false).await;
    let mut beat = tokio::time::interval(Duration::from_secs(30));
    loop {
        tokio::select! {
            delivery = reader.next() => {
                let Delivery::Records { records, .. } = delivery else { continue };
                for record in records {
                    if let Ok(command) = Command::from_json(record.value.as_ref().unwrap()) {
                        obey(&bus, &site, &command).await;
                    }
                }
            }
            _ = beat.tick() => {
                let beats = site.lock().unwrap().heartbeats;
                if beats {
                    report(&bus, &site, false).await;
                }
            }
        }
    }
}

async fn obey(bus: &MemoryBus, site: &Arc<Mutex<Site>>, command: &Command) {
    let agent = site.lock().unwrap().router.default_agent();
    if !matches!(&command.target, Target::All) && command.target != Target::Agent(agent) {
        return;
    }
    let vop = site.lock().unwrap().vop.clone();
    let topic = topics::name(Role::Monitoring, &vop, None);
    match &command.action {
        Action::Discover | Action::HealthCheck | Action::GetCapabilities => report(bus, site, true).await,
        Action::InterfaceControl { port, .. } => {
            if site.lock().unwrap().ports[&port.port_id].behaviour == Behaviour::Dead {
                return;
            }
            let answers = site.lock().unwrap().answer(command);
            send(bus, &topic, answers).await;
        }
        action => {
            let Some(endpoint) = action.endpoints().first() else { return };
            let behaviour = site.lock().unwrap().ports[&endpoint.port.port_id].behaviour;
            if behaviour == Behaviour::Dead {
                return;
            }
            if let Behaviour::Slow(time) = behaviour {
                tokio::time::sleep(time).await;
            }
            let answers = site.lock().unwrap().answer(command);
            let times = match behaviour {
                Behaviour::Mute => 0,
                Behaviour::Repeat(times) => times,
                _ => 1,
            };
            for _ in 0..times {
                send(bus, &topic, answers.clone()).await;
            }
        }
    }
}

async fn send(bus: &MemoryBus, topic: &str, answers: Vec<(Option<ConnectionId>, CommandAck)>) {
    for (connection, ack) in answers {
        let key = connection.map_or_else(|| ack.agent_id.to_string(), |id| id.to_string());
        bus.publish(topic, vec![Outgoing::new(key, ack.to_json())]).await.unwrap();
    }
}

impl Site {
    /// The answers to a command, from the journal where it is a repeat.
    fn answer(&mut self, command: &Command) -> Vec<(Option<ConnectionId>, CommandAck)> {
        let id = command.command_id.clone().unwrap();
        if let Some(known) = self.journal.get(&id) {
            return known.clone();
        }
        let epoch = command.epoch.unwrap();
        let stale = epoch < self.epoch;
        self.epoch = self.epoch.max(epoch);
        let mut answers = Vec::new();
        if let Action::InterfaceControl { port, state } = &command.action {
            let fake = self.ports.get_mut(&port.port_id).unwrap();
            fake.lit = *state == ipowdm_core::msg::AdminState::Up;
            let details = AckDetails::default();
            answers.push((None, self.ack(command, &port.port_id, Outcome::Applied, details)));
        }
        for endpoint in command.action.endpoints() {
            let (outcome, details) = if stale {
                let details = AckDetails { epoch: Some(self.epoch), ..AckDetails::default() };
                (Outcome::StaleEpoch, details)
            } else {
                self.carry_out(&command.action, endpoint)
            };
            let ack = self.ack(command, &endpoint.port.port_id, outcome, details);
            answers.push((command.action.connection_id().cloned(), ack));
        }
        self.journal.insert(id, answers.clone());
        answers
    }

    fn carry_out(&mut self, action: &Action, endpoint: &Endpoint) -> (Outcome, AckDetails) {
        let fake = self.ports.get_mut(&endpoint.port.port_id).unwrap();
        let down = matches!(action, Action::Teardown { .. });
        if fake.behaviour == Behaviour::Occupied {
            let code = if down { Code::IllegalState } else { Code::PortOccupied };
            let error = Some("the port serves another connection".to_owned());
            return (Outcome::Rejected, AckDetails { code: Some(code), error, ..AckDetails::default() });
        }
        if let Behaviour::Reject(code) = fake.behaviour
            && !down
        {
            let details =
                AckDetails { code: Some(code), error: Some("no".to_owned()), ..AckDetails::default() };
            return (Outcome::Rejected, details);
        }
        if down {
            let unchanged = !fake.lit;
            (fake.lit, fake.connection) = (false, None);
            let readback = Readback { tx_enabled: Some(false), ..Readback::default() };
            let details = AckDetails { readback: Some(readback), ..AckDetails::default() };
            return (if unchanged { Outcome::Unchanged } else { Outcome::Applied }, details);
        }
        fake.lit = true;
        fake.connection = action.connection_id().cloned();
        fake.frequency = endpoint.frequency.or(fake.frequency);
        fake.tx_power = endpoint.tx_power.unwrap_or(fake.tx_power);
        let seen = if fake.behaviour == Behaviour::WrongPower { power(-777) } else { fake.tx_power };
        let readback = Readback {
            frequency_mhz: fake.frequency,
            laser_frequency_mhz: fake.frequency,
            tx_power_dbm: Some(seen),
            data_path_state: Some(ipowdm_core::msg::DATA_PATH_ACTIVATED.into()),
            tx_enabled: Some(true),
            ..Readback::default()
        };
        let details = AckDetails { readback: Some(readback), module_ms: Some(7), ..AckDetails::default() };
        (Outcome::Applied, details)
    }

    fn ack(&self, command: &Command, port: &PortId, outcome: Outcome, details: AckDetails) -> CommandAck {
        let id = command.command_id.clone().unwrap();
        CommandAck {
            v: 1,
            agent_id: self.router.default_agent(),
            pop_id: self.router.pop_id.clone(),
            router_id: self.router.router_id.clone(),
            virtual_operator: self.vop.clone(),
            ack_id: Some(format!("{id}/{port}")),
            command_id: id,
            action: command.action.name().to_owned(),
            status: outcome.status(),
            outcome,
            connection_id: command.action.connection_id().cloned(),
            interface: Some(port.clone()),
            details,
            timestamp: Timestamp(0),
        }
    }

    fn messages(&self) -> (AgentId, Vec<Vec<u8>>) {
        let agent_id = self.router.default_agent();
        let health = |(id, port): (&PortId, &FakePort)| InterfaceHealth {
            port_id: id.clone(),
            present: port.module.is_some(),
            operational: Some(port.lit),
            admin_up: Some(true),
            vendor: None,
            part_number: None,
            serial: Some(port.serial.clone()),
            module_state: None,
            data_path_state: None,
            frequency_mhz: port.frequency,
            app_code: None,
            tx_power_dbm: Some(port.tx_power),
            connection_id: port.connection.clone(),
            quality: None,
        };
        let capability = |(id, port): (&PortId, &FakePort)| InterfaceCapability {
            port_id: id.clone(),
            vendor: None,
            part_number: None,
            frequency_range: None,
            tx_power_range: None,
            capability: port.module.clone(),
        };
        let health = AgentHealth {
            v: 1,
            agent_id: agent_id.clone(),
            pop_id: self.router.pop_id.clone(),
            router_id: self.router.router_id.clone(),
            virtual_operator: self.vop.clone(),
            status: HealthStatus::Healthy,
            timestamp: Timestamp(0),
            uptime: 1.0,
            boot_id: Some(self.boot_id),
            epoch: Some(self.epoch),
            emulated: true,
            interfaces: self.ports.iter().map(health).collect(),
            issues: Vec::new(),
        };
        let capabilities = Capabilities {
            v: 1,
            agent_id: agent_id.clone(),
            pop_id: self.router.pop_id.clone(),
            router_id: self.router.router_id.clone(),
            virtual_operator: self.vop.clone(),
            timestamp: Timestamp(0),
            interfaces: self.ports.iter().map(capability).collect(),
        };
        (agent_id, vec![health.to_json(), capabilities.to_json()])
    }
}

async fn report(bus: &MemoryBus, site: &Arc<Mutex<Site>>, asked: bool) {
    let (vop, (agent, messages)) = {
        let site = site.lock().unwrap();
        let (agent, mut messages) = site.messages();
        if site.terse && !asked {
            messages.truncate(1);
        }
        (site.vop.clone(), (agent, messages))
    };
    let topic = topics::name(Role::Health, &vop, None);
    let records = messages.into_iter().map(|message| Outgoing::new(agent.as_str(), message)).collect();
    // The topic may be gone by now.
    let _ = bus.publish(&topic, records).await;
}
