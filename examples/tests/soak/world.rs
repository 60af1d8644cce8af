//! A broker, a switch with eight modules, its agent, and what was asked of them.

use ipowdm_agent::config::{AgentConfig, Service};
use ipowdm_agent::intake::Identity;
use ipowdm_agent::journal::{FileStorage, Intent};
use ipowdm_agent::runtime::{Agent, AgentHandle, AgentStatus};
use ipowdm_cmis::emulator::{EmulatedModule, Fault, ModuleClock, Profile};
use ipowdm_core::bus::Bus;
use ipowdm_core::bus::kafka::{self, Client, KafkaOptions};
use ipowdm_core::ids::{PortId, RouterRef};
use ipowdm_core::msg::AckStatus;
use ipowdm_devbroker::{Broker, Options, SavedLog};
use ipowdm_examples::heard::{Ack, Listener};
use ipowdm_examples::orders::{self, Orders};
use rand::RngExt as _;
use rand::rngs::Xoshiro256PlusPlus;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

const PORTS: u32 = 8;
/// How much faster than real ones modules are.
const SCALE: u32 = 100;
const TELEMETRY_MS: u32 = 200;
const HEALTH_MS: u32 = 200;
/// Records that the agent holds while the broker is away: fewer than come in a long outage.
const QUEUE: usize = 128;
/// Commands of a port that may wait for their acks.
const UNDER_WAY: usize = 3;
/// After the broker's return, heartbeats have told what was lost before the agent may be killed.
const CALM: Duration = Duration::from_secs(5);

/// What was asked of a port: the action, and the endpoint's fields.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Order {
    pub(crate) port: usize,
    pub(crate) action: &'static str,
    endpoint: String,
    /// Whether the bus has confirmed it; otherwise it may have come or not.
    pub(crate) is_sent: bool,
}

pub(crate) struct Port {
    pub(crate) id: PortId,
    pub(crate) module: EmulatedModule,
    /// Ids of its commands, in order.
    pub(crate) orders: Vec<String>,
}

pub(crate) struct World {
    pub(crate) ports: Vec<Port>,
    pub(crate) orders: BTreeMap<String, Order>,
    pub(crate) listener: Listener,
    /// Lives of the agent that ended when everything had been told.
    pub(crate) calm_lives: BTreeSet<u64>,
    agent: Option<AgentHandle>,
    broker: Option<Broker>,
    /// What the broker had written when it went, and when it comes back.
    away: Option<(SavedLog, Instant)>,
    back: Instant,
    address: u16,
    line: Orders,
    router: RouterRef,
    folder: tempfile::TempDir,
    repeated: u64,
    restarts: u64,
    crashes: u64,
}

impl World {
    pub(crate) async fn start() -> Self {
        let broker = Broker::start(Options::default()).await.unwrap();
        let bus = kafka::connect(&KafkaOptions::new(&broker.bootstrap()), Client::Own).unwrap();
        let router = RouterRef { pop_id: "pop1".parse().unwrap(), router_id: "router1".parse().unwrap() };
        let mut line = Orders::prepare(bus.clone(), router.clone()).await.unwrap();
        let ids = orders::ports(PORTS).unwrap();
        line.assign(&ids, TELEMETRY_MS, HEALTH_MS).await.unwrap();
        let plug = |(id, serial)| {
            let module = EmulatedModule::new(Profile::OPENZRP, serial, ModuleClock::scaled(SCALE));
            Port { id, module, orders: Vec::new() }
        };
        let mut world = Self {
            ports: ids.into_iter().zip(1..).map(plug).collect(),
            orders: BTreeMap::new(),
            listener: Listener::start(&bus, &orders::REPORTS),
            calm_lives: BTreeSet::new(),
            agent: None,
            address: broker.addr().port(),
            broker: Some(broker),
            away: None,
            back: Instant::now(),
            line,
            router,
            folder: tempfile::tempdir().unwrap(),
            repeated: 0,
            restarts: 0,
            crashes: 0,
        };
        world.start_agent();
        // Commands from before an agent's first start are passed over.
        while world.listener.look().heartbeats < 6 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        world
    }

    fn start_agent(&mut self) {
        let identity = Identity::of_router(self.router.pop_id.clone(), self.router.router_id.clone());
        let mut config = AgentConfig::new(identity, Service::Assigned);
        (config.accept_unfenced, config.emulated) = (true, true);
        (config.outgoing, config.idle_interval_ms) = (QUEUE, 500);
        // Its connections are its own, as on another host.
        let options = KafkaOptions::new(&format!("127.0.0.1:{}", self.address));
        let bus: Arc<dyn Bus> = kafka::connect(&options, Client::Own).unwrap();
        let storage = FileStorage::open(&self.folder.path().join("journal")).unwrap();
        let mut builder = Agent::builder(config).bus(bus).storage(storage);
        for port in &self.ports {
            builder = builder.port(port.id.clone(), Box::new(port.module.eeprom()));
        }
        self.agent = Some(builder.build().unwrap().spawn().unwrap());
    }

    pub(crate) fn ack(&self, id: &str) -> Option<Ack> {
        self.listener.look().acks.get(id).cloned()
    }

    /// Asks something new of a port, unless it has enough to do.
    pub(crate) async fn order(&mut self, port: usize, dice: &mut Xoshiro256PlusPlus) {
        let of_port = &self.ports[port].orders;
        if of_port
            .iter()
            .rev()
            .take(UNDER_WAY)
            .filter(|id| self.orders[*id].is_sent && self.ack(id).is_none())
            .count()
            == UNDER_WAY
        {
            return;
        }
        let power = ["-10.0", "-9.5", "-9.0"][dice.random_range(0..3)];
        let channel = orders::thz(dice.random_range(0..48));
        let (action, endpoint) = match dice.random_range(0..10) {
            0..4 => ("setupConnection", format!(r#","frequency":{channel},"tx_power_level":{power}"#)),
            4..7 => ("reconfigConnection", format!(r#","tx_power_level":{power}"#)),
            _ => ("teardownConnection", String::new()),
        };
        let id = format!("soak-{}", self.orders.len());
        let order = Order { port, action, endpoint, is_sent: false };
        self.ports[port].orders.push(id.clone());
        self.orders.insert(id.clone(), order);
        self.send(&id).await;
    }

    /// Asks again what was asked before, under the same id.
    pub(crate) async fn repeat(&mut self, dice: &mut Xoshiro256PlusPlus) {
        let port = &self.ports[dice.random_range(0..self.ports.len())];
        // The last ones: an agent forgets old ids, and then a repeated command is a new one.
        let recent = port.orders.iter().rev().take(UNDER_WAY).filter(|id| self.orders[*id].is_sent);
        let recent: Vec<String> = recent.cloned().collect();
        if recent.is_empty() {
            return;
        }
        self.repeated += 1;
        let id = recent[dice.random_range(0..recent.len())].clone();
        self.send(&id).await;
    }

    async fn send(&mut self, id: &str) {
        let order = &self.orders[id];
        let port = &self.ports[order.port].id;
        let connection = format!("SOAK-{port}");
        let sent = self.line.command(order.action, id, (&connection, port), &order.endpoint);
        // The broker may be away; then nobody knows whether it came.
        let sent = tokio::time::timeout(Duration::from_millis(500), sent).await;
        if matches!(sent, Ok(Ok(()))) {
            self.orders.get_mut(id).unwrap().is_sent = true;
        }
    }

    /// Stops the agent in order, or kills it, once what it has lost is told; another life begins.
    pub(crate) async fn restart_agent(&mut self, kill: bool) {
        if self.broker.is_none() || self.back.elapsed() < CALM {
            return;
        }
        self.restarts += 1;
        if kill {
            let status = self.status().await;
            self.calm_lives.insert(status.boot_id);
            self.agent.take().unwrap().kill().await;
        } else {
            self.stop_agent().await;
        }
        self.start_agent();
    }

    pub(crate) async fn stop_agent(&mut self) {
        let status = self.status().await;
        self.calm_lives.insert(status.boot_id);
        self.agent.take().unwrap().stop().await;
    }

    pub(crate) async fn status(&self) -> AgentStatus {
        self.agent.as_ref().unwrap().status().await.unwrap()
    }

    /// The broker goes, and comes back with what it had written.
    pub(crate) async fn crash_broker(&mut self, gone: Duration) {
        if let Some(broker) = self.broker.take() {
            self.crashes += 1;
            self.away = Some((broker.crash().await, Instant::now() + gone));
        }
    }

    pub(crate) async fn mend_broker(&mut self) {
        if let Some((log, _)) = self.away.take_if(|(_, until)| *until <= Instant::now()) {
            self.broker =
                Some(Broker::start(Options::default().port(self.address).with_log(log)).await.unwrap());
            self.back = Instant::now();
        }
    }

    /// From here on nothing goes wrong any more.
    pub(crate) async fn end_faults(&mut self) {
        for port in &self.ports {
            for fault in [Fault::Clear, Fault::Slow { times: 1 }, Fault::Insert] {
                port.module.inject(fault).unwrap();
            }
        }
        while self.broker.is_none() {
            self.mend_broker().await;
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Whether each command has its ack.
    pub(crate) fn is_answered(&self) -> bool {
        let heard = self.listener.look();
        self.orders.iter().all(|(id, order)| !order.is_sent || heard.acks.contains_key(id))
    }

    /// Whether each module does what its port is meant to do.
    pub(crate) async fn is_as_meant(&self) -> bool {
        let status = self.status().await;
        self.ports
            .iter()
            .all(|port| status.ports.get(&port.id).is_some_and(|now| is_met(&now.intent, &port.module)))
    }

    /// Whether a port may emit: it was asked to, and nothing has confirmed since that it was taken down.
    pub(crate) fn may_shine(&self, port: &Port) -> bool {
        let heard = self.listener.look();
        let of = |id: &String| self.orders[id].action;
        let confirmed =
            |id: &String| heard.acks.get(id).is_some_and(|ack| ack.outcome.status() == AckStatus::Success);
        let last = port
            .orders
            .iter()
            .rev()
            .find(|id| of(id) == "setupConnection" || (of(id) == "teardownConnection" && confirmed(id)));
        last.is_some_and(|id| of(id) == "setupConnection")
    }

    /// The last that was asked of a port, and what became of it.
    pub(crate) fn history(&self, port: &Port) -> String {
        let last = port.orders.iter().rev().take(6).rev();
        let told = last.map(|id| {
            let (order, ack) = (&self.orders[id], self.ack(id));
            let ended = ack.map(|ack| (ack.outcome, ack.error, ack.at.elapsed().as_millis()));
            format!("{id} {} sent={} {ended:?}", order.action, order.is_sent)
        });
        told.collect::<Vec<_>>().join("; ")
    }

    pub(crate) fn told(&self) -> String {
        let heard = self.listener.look();
        let samples: u64 = heard.samples.values().map(|numbers| numbers.count).sum();
        let dropped: u64 = heard.dropped.values().sum();
        let mut outcomes: BTreeMap<String, u64> = BTreeMap::new();
        for ack in heard.acks.values() {
            *outcomes.entry(format!("{:?}", ack.outcome)).or_default() += 1;
        }
        format!(
            "{} commands ({outcomes:?}), {} repeated, {} restarts of the agent, {} crashes of the broker, {samples} samples, \
             {dropped} dropped and told",
            self.orders.len(),
            self.repeated,
            self.restarts,
            self.crashes
        )
    }
}

/// Whether a module does what is meant, by what leaves it.
pub(crate) fn is_met(intent: &Intent, module: &EmulatedModule) -> bool {
    match (intent.desired(), module.emission()) {
        (None, None) => true,
        (Some(desired), Some(light)) => {
            desired.frequency == light.frequency && desired.tx_power.is_none_or(|power| power == light.power)
        }
        (None, Some(_)) | (Some(_), None) => false,
    }
}
