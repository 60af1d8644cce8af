//! Many switches as the bus shows them: heartbeats, descriptions, acks and samples as agents write them, and no modules.

use ipowdm_core::bus::publisher::{Class, Publisher};
use ipowdm_core::bus::reader::{Delivery, Reader, Start};
use ipowdm_core::bus::{Bus, Outgoing};
use ipowdm_core::capability::ModuleCapability;
use ipowdm_core::ids::{AgentId, ConnectionId, PortId, RouterRef, VopId};
use ipowdm_core::msg::{
    AckDetails, Action, AgentHealth, Capabilities, Command, CommandAck, DATA_PATH_ACTIVATED, Endpoint,
    HealthStatus, InterfaceCapability, InterfaceHealth, Outcome, Readback, Target, TelemetryFields,
    TelemetrySample, VERSION,
};
use ipowdm_core::time::Timestamp;
use ipowdm_core::topics::{Role, name};
use ipowdm_core::units::{Db, Frequency, Power};
use ipowdm_examples::lab::plan::Plan;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::runtime::Handle;
use tokio::task::JoinHandle;

/// Between two heartbeats of an agent.
const HEARTBEAT: Duration = Duration::from_secs(30);
/// Records on their way.
const ROOM: usize = 100_000;
/// The life of every agent.
const BOOT: u64 = 1;

/// A port without a module behind it.
#[derive(Debug, Clone, Default)]
struct Port {
    connection: Option<ConnectionId>,
    frequency: Option<Frequency>,
    tx_power: Option<Power>,
    samples: u64,
}

struct Agent {
    router: RouterRef,
    ports: BTreeMap<PortId, Port>,
}

struct State {
    agents: BTreeMap<AgentId, Agent>,
    epoch: u64,
    acks: u64,
}

struct Shared {
    vop: VopId,
    capability: ModuleCapability,
    publisher: Publisher,
    state: Mutex<State>,
}

/// The switches, until dropped.
pub(crate) struct Field {
    shared: Arc<Shared>,
    tasks: [JoinHandle<()>; 2],
}

impl Drop for Field {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

impl Field {
    /// One agent on each router of the plan, all for its first tenant.
    pub(crate) fn start(
        plan: &Plan,
        bus: &Arc<dyn Bus>,
        capability: ModuleCapability,
        runtime: &Handle,
    ) -> Self {
        let _inside = runtime.enter();
        let mut agents: BTreeMap<AgentId, Agent> = BTreeMap::new();
        for port in &plan.ports {
            let router = port.router();
            let agent = agents
                .entry(router.default_agent())
                .or_insert_with(|| Agent { router, ports: BTreeMap::new() });
            agent.ports.insert(port.port_id.clone(), Port::default());
        }
        let shared = Arc::new(Shared {
            vop: plan.tenants[0].vop.clone(),
            capability,
            publisher: Publisher::start(Arc::clone(bus), ROOM),
            state: Mutex::new(State { agents, epoch: 0, acks: 0 }),
        });
        let mut reader = Reader::new(Arc::clone(bus));
        reader.follow(&name(Role::Config, &shared.vop, None), |_| Start::Earliest);
        let tasks =
            [runtime.spawn(obey(Arc::clone(&shared), reader)), runtime.spawn(beat(Arc::clone(&shared)))];
        Self { shared, tasks }
    }

    /// Ends that are lit.
    pub(crate) fn lit(&self) -> Vec<(AgentId, PortId)> {
        let state = self.shared.lock();
        let of = |(agent, of): (&AgentId, &Agent)| {
            let lit = of.ports.iter().filter(|(_, port)| port.connection.is_some());
            lit.map(|(port, _)| (agent.clone(), port.clone())).collect::<Vec<_>>()
        };
        state.agents.iter().flat_map(of).collect()
    }

    /// Sends a sample of an end that is lit.
    pub(crate) fn sample(&self, (agent, port): &(AgentId, PortId)) {
        let sample = {
            let mut state = self.shared.lock();
            let at = state.agents.get_mut(agent).unwrap();
            let router = at.router.clone();
            let end = at.ports.get_mut(port).unwrap();
            end.samples += 1;
            let osnr = 2_900 + i16::try_from(end.samples * 7 % 83).unwrap();
            let fields = TelemetryFields {
                rx_power: Some(Power::from_hundredths(-947)),
                osnr: Some(Db::from_hundredths(osnr)),
                tx_power: end.tx_power,
                tx_power_configured: end.tx_power,
                esnr: Some(Db::from_hundredths(1_730)),
                frequency_mhz: end.frequency,
                module_state: Some("ModuleReady".into()),
                data_path_state: Some(DATA_PATH_ACTIVATED.into()),
                rx_los: Some(false),
                ..TelemetryFields::default()
            };
            let connection = end.connection.clone().unwrap();
            let mut sample = TelemetrySample::new(connection, agent.clone(), port.clone(), now(), fields)
                .numbered(BOOT, end.samples);
            (sample.pop_id, sample.router_id) = (Some(router.pop_id), Some(router.router_id));
            sample.virtual_operator = Some(self.shared.vop.clone());
            sample.age_ms = Some(2);
            sample
        };
        let record = Outgoing::new(sample.connection_id.as_str(), sample.to_json());
        self.shared.send(Role::Monitoring, record);
    }
}

fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    Timestamp(i64::try_from(since.as_millis()).unwrap())
}

/// Describes all modules once, then sends heartbeats, evenly spread over the agents.
async fn beat(shared: Arc<Shared>) {
    let agents: Vec<AgentId> = shared.lock().agents.keys().cloned().collect();
    agents.iter().for_each(|agent| shared.describe(agent));
    let mut ticks = tokio::time::interval(HEARTBEAT / u32::try_from(agents.len()).unwrap());
    for agent in agents.iter().cycle() {
        ticks.tick().await;
        shared.heartbeat(agent);
    }
}

async fn obey(shared: Arc<Shared>, mut reader: Reader) {
    loop {
        let Delivery::Records { records, .. } = reader.next().await else { continue };
        for value in records.iter().filter_map(|record| record.value.as_ref()) {
            let Ok(command) = Command::from_json(value) else { continue };
            shared.obey(&command);
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    fn send(&self, role: Role, record: Outgoing) {
        self.publisher.send(&name(role, &self.vop, None), record, Class::Keep).unwrap();
    }

    fn obey(&self, command: &Command) {
        let all = || self.lock().agents.keys().cloned().collect();
        let targets: Vec<AgentId> = match &command.target {
            Target::Agent(agent) => vec![agent.clone()],
            Target::All | Target::Pop(_) => all(),
        };
        for agent in targets {
            match &command.action {
                Action::Discover | Action::HealthCheck | Action::GetCapabilities => {
                    self.describe(&agent);
                }
                action => {
                    for endpoint in action.endpoints() {
                        self.carry_out(&agent, command, endpoint);
                    }
                }
            }
        }
    }

    fn carry_out(&self, agent: &AgentId, command: &Command, endpoint: &Endpoint) {
        let ack = {
            let mut state = self.lock();
            state.epoch = state.epoch.max(command.epoch.unwrap());
            state.acks += 1;
            let number = state.acks;
            let Some(at) = state.agents.get_mut(agent).filter(|at| at.router == endpoint.port.router())
            else {
                return;
            };
            let readback =
                at.ports.get_mut(&endpoint.port.port_id).unwrap().carry_out(&command.action, endpoint);
            let details =
                AckDetails { readback: Some(readback), module_ms: Some(0), ..AckDetails::default() };
            CommandAck {
                v: VERSION,
                agent_id: agent.clone(),
                pop_id: at.router.pop_id.clone(),
                router_id: at.router.router_id.clone(),
                virtual_operator: self.vop.clone(),
                command_id: command.command_id.clone().unwrap(),
                action: command.action.name().to_owned(),
                status: Outcome::Applied.status(),
                outcome: Outcome::Applied,
                ack_id: Some(format!("{agent}:{BOOT}:{number}")),
                connection_id: command.action.connection_id().cloned(),
                interface: Some(endpoint.port.port_id.clone()),
                details,
                timestamp: now(),
            }
        };
        let key = ack.connection_id.as_ref().map_or(agent.as_str(), ConnectionId::as_str).to_owned();
        self.send(Role::Monitoring, Outgoing::new(key, ack.to_json()));
    }

    fn heartbeat(&self, agent: &AgentId) {
        let health = {
            let state = self.lock();
            let Agent { router, ports } = &state.agents[agent];
            AgentHealth {
                v: VERSION,
                agent_id: agent.clone(),
                pop_id: router.pop_id.clone(),
                router_id: router.router_id.clone(),
                virtual_operator: self.vop.clone(),
                status: HealthStatus::Healthy,
                timestamp: now(),
                uptime: 1.0,
                boot_id: Some(BOOT),
                epoch: Some(state.epoch),
                emulated: true,
                interfaces: ports.iter().map(|(id, port)| port.health(agent, id)).collect(),
                issues: Vec::new(),
            }
        };
        self.send(Role::Health, Outgoing::new(agent.as_str(), health.to_json()));
    }

    fn describe(&self, agent: &AgentId) {
        let capabilities = {
            let state = self.lock();
            let Agent { router, ports } = &state.agents[agent];
            let interface = |id: &PortId| InterfaceCapability {
                port_id: id.clone(),
                vendor: Some("simulated".to_owned()),
                part_number: None,
                frequency_range: None,
                tx_power_range: None,
                capability: Some(self.capability.clone()),
            };
            Capabilities {
                v: VERSION,
                agent_id: agent.clone(),
                pop_id: router.pop_id.clone(),
                router_id: router.router_id.clone(),
                virtual_operator: self.vop.clone(),
                timestamp: now(),
                interfaces: ports.keys().map(interface).collect(),
            }
        };
        self.heartbeat(agent);
        self.send(Role::Health, Outgoing::new(agent.as_str(), capabilities.to_json()));
    }
}

impl Port {
    fn carry_out(&mut self, action: &Action, endpoint: &Endpoint) -> Readback {
        if let Action::Teardown { .. } = action {
            self.connection = None;
            return Readback { tx_enabled: Some(false), ..Readback::default() };
        }
        self.connection = action.connection_id().cloned();
        self.frequency = endpoint.frequency.or(self.frequency);
        self.tx_power = endpoint.tx_power.or(self.tx_power);
        Readback {
            frequency_mhz: self.frequency,
            laser_frequency_mhz: self.frequency,
            tx_power_dbm: self.tx_power,
            data_path_state: Some(DATA_PATH_ACTIVATED.into()),
            tx_enabled: Some(true),
            ..Readback::default()
        }
    }

    fn health(&self, agent: &AgentId, id: &PortId) -> InterfaceHealth {
        InterfaceHealth {
            port_id: id.clone(),
            present: true,
            operational: Some(self.connection.is_some()),
            admin_up: Some(true),
            vendor: Some("simulated".to_owned()),
            part_number: None,
            serial: Some(format!("{agent}-{id}")),
            module_state: Some("ModuleReady".into()),
            data_path_state: None,
            frequency_mhz: self.frequency,
            app_code: None,
            tx_power_dbm: self.tx_power,
            connection_id: self.connection.clone(),
            quality: None,
        }
    }
}
