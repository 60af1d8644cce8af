//! A broker, a switch with modules, and the agent's program between them.

use crate::station::Station;
use ipowdm_core::bus::kafka::{self, Client, KafkaOptions};
use ipowdm_core::ids::{PortId, RouterRef};
use ipowdm_devbroker::{Broker, Options, SavedLog};
use ipowdm_examples::heard::{Ack, Heard, Listener};
use ipowdm_examples::orders::{self, Orders};
use ipowdm_examples::switch::{AgentProgram, Process, Switch};
use std::path::PathBuf;
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tokio::runtime::Handle;

const HEALTH_INTERVAL_MS: u32 = 1_000;
/// More than anything takes here.
const PATIENCE: Duration = Duration::from_secs(120);

/// How a rig differs from the next.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shape {
    pub(crate) ports: u32,
    pub(crate) telemetry_ms: u32,
    /// How much faster than real ones the modules are.
    pub(crate) scale: u32,
    /// Records that the agent holds while the bus is away; its default otherwise.
    pub(crate) queue: Option<usize>,
}

impl Shape {
    /// What the owed figures are about: 32 ports, a sample of each every 3 s.
    pub(crate) const OWED: Self = Self { ports: 32, telemetry_ms: 3_000, scale: 100, queue: None };
}

/// Everything. All calls block.
pub(crate) struct Rig {
    pub(crate) station: Station,
    pub(crate) listener: Listener,
    pub(crate) shape: Shape,
    program: AgentProgram,
    agent: Option<Process>,
    broker: Option<Broker>,
    port: u16,
    orders: Orders,
    runtime: Handle,
    router: RouterRef,
    ports: Vec<PortId>,
    folder: TempDir,
    commands: u64,
}

impl Rig {
    /// Starts broker and modules; the agent does not run yet.
    pub(crate) fn new(program: &AgentProgram, shape: Shape) -> Self {
        let runtime = Handle::current();
        let folder = tempfile::tempdir().unwrap();
        let broker = runtime.block_on(Broker::start(Options::default())).unwrap();
        let bus = kafka::connect(&KafkaOptions::new(&broker.bootstrap()), Client::Own).unwrap();
        let router = RouterRef { pop_id: "pop1".parse().unwrap(), router_id: "router1".parse().unwrap() };
        let orders = runtime.block_on(Orders::prepare(bus.clone(), router.clone())).unwrap();
        let listener = {
            let _inside = runtime.enter();
            Listener::start(&bus, &orders::REPORTS)
        };
        let mut rig = Self {
            station: Station::open(folder.path(), shape.ports, shape.scale),
            listener,
            shape,
            program: program.clone(),
            agent: None,
            port: broker.addr().port(),
            broker: Some(broker),
            orders,
            runtime,
            router,
            ports: orders::ports(shape.ports).unwrap(),
            folder,
            commands: 0,
        };
        rig.assign(shape.telemetry_ms);
        rig
    }

    /// Gives all ports to vOp2, with samples at this interval.
    pub(crate) fn assign(&mut self, telemetry_ms: u32) {
        let assigned = self.orders.assign(&self.ports, telemetry_ms, HEALTH_INTERVAL_MS);
        self.runtime.block_on(assigned).unwrap();
    }

    /// Starts the agent; the instant before.
    pub(crate) fn start(&mut self) -> Instant {
        let queue = self.shape.queue.map_or(String::new(), |records| format!("queue = {records}"));
        let bootstrap = format!("localhost:{}", self.port);
        let ports: Vec<(String, u32)> = self.ports.iter().map(ToString::to_string).zip(1..).collect();
        let switch = Switch {
            router: &self.router,
            ports: &ports,
            sockets: &self.station.sockets,
            bootstrap: &bootstrap,
            folder: self.folder.path(),
            agent: "accept_unfenced = true",
            bus: &queue,
        };
        let began = Instant::now();
        self.agent = Some(switch.run(&self.program).unwrap());
        began
    }

    /// Ends the agent as a service manager does.
    pub(crate) fn stop(&mut self) {
        assert!(self.agent.take().unwrap().terminate().unwrap().success(), "{}", self.log());
    }

    /// Where the system tells of the agent's process.
    pub(crate) fn proc(&self, file: &str) -> PathBuf {
        PathBuf::from(format!("/proc/{}/{file}", self.agent.as_ref().unwrap().id()))
    }

    /// The agent's log.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap()
    }

    /// Sends a command about a connection of a port's own name; its id.
    pub(crate) fn send(&mut self, action: &str, number: u32, endpoint: &str) -> String {
        self.commands += 1;
        let id = format!("bench-{}", self.commands);
        let port = &self.ports[usize::try_from(number).unwrap() - 1];
        let connection = format!("BENCH-{number}");
        let sent = self.orders.command(action, &id, (&connection, port), endpoint);
        self.runtime.block_on(sent).unwrap();
        id
    }

    /// Waits for the ack of a command.
    pub(crate) fn ack(&self, id: &str) -> Ack {
        self.wait("an ack", |heard| heard.acks.get(id).cloned())
    }

    /// Waits for something that is heard.
    pub(crate) fn wait<T>(&self, what: &str, found: impl FnMut(&Heard) -> Option<T>) -> T {
        self.listener
            .wait(PATIENCE, found)
            .unwrap_or_else(|| panic!("never: {what}\n{}\n{:?}", self.log(), self.listener.look()))
    }

    /// Lights every port, each on a channel of its own.
    pub(crate) fn light_all(&mut self) {
        // Commands from before an agent's first start are passed over; the broker's time of it is that of a first heartbeat.
        self.wait("heartbeats", |heard| (heard.heartbeats >= 4).then_some(()));
        let endpoint =
            |number: u32| format!(r#","frequency":{},"tx_power_level":-10.0"#, orders::thz(number));
        let ids: Vec<String> =
            (1..=self.shape.ports).map(|n| self.send("setupConnection", n, &endpoint(n))).collect();
        for id in ids {
            let ack = self.ack(&id);
            assert!(ack.error.is_none(), "{ack:?}");
        }
        assert_eq!(self.station.lit(), usize::try_from(self.shape.ports).unwrap());
    }

    /// The broker ends as in a crash; what it had written.
    pub(crate) fn lose_broker(&mut self) -> SavedLog {
        self.runtime.block_on(self.broker.take().unwrap().crash())
    }

    /// It comes back where it was, with what it had written.
    pub(crate) fn restore_broker(&mut self, log: SavedLog) -> Instant {
        let options = Options::default().port(self.port).with_log(log);
        self.broker = Some(self.runtime.block_on(Broker::start(options)).unwrap());
        Instant::now()
    }

    /// Processor time of the agent so far, in seconds: user and system, in hundredths.
    pub(crate) fn processor_seconds(&self) -> f64 {
        benches::seconds_in(&self.proc("stat"))
    }

    /// Resident memory of the agent in kB: now, and at most so far.
    pub(crate) fn resident_kb(&self) -> (u64, u64) {
        let status = std::fs::read_to_string(self.proc("status")).unwrap();
        let field = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
            line.trim().strip_suffix(" kB").unwrap().parse().unwrap()
        };
        (field("VmRSS:"), field("VmHWM:"))
    }

    /// Nothing is asked of anybody meanwhile.
    pub(crate) fn rest(&self, time: Duration) {
        std::thread::sleep(time);
    }
}
