//! A broker, a switch with modules, and the agent's program between them.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a benchmark that cannot run has no result")]

use super::station::Station;
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
pub struct Shape {
    /// Ports, each with a module.
    pub ports: u32,
    /// Milliseconds between two samples of a port.
    pub telemetry_ms: u32,
    /// How much faster than real ones the modules are.
    pub scale: u32,
    /// Records that the agent holds while the bus is away; its default otherwise.
    pub queue: Option<usize>,
}

impl Shape {
    /// What the owed figures are about: 32 ports, a sample of each every 3 s.
    pub const OWED: Self = Self { ports: 32, telemetry_ms: 3_000, scale: 100, queue: None };
}

/// Everything. All calls block.
pub struct Rig {
    /// The modules.
    pub station: Station,
    /// What the agent says.
    pub listener: Listener,
    /// As it was asked for.
    pub shape: Shape,
    program: AgentProgram,
    agent: Option<Process>,
    /// The development broker, where it is that and runs.
    broker: Option<Broker>,
    bootstrap: String,
    orders: Orders,
    runtime: Handle,
    router: RouterRef,
    ports: Vec<PortId>,
    folder: TempDir,
    commands: u64,
}

impl Rig {
    /// Starts a development broker and modules; the agent does not run yet. Inside a runtime, on a thread that may block.
    #[must_use]
    pub fn new(program: &AgentProgram, shape: Shape) -> Self {
        let broker = Handle::current().block_on(Broker::start(Options::default())).unwrap();
        // By name, as settings have it.
        let bootstrap = format!("localhost:{}", broker.addr().port());
        Self { broker: Some(broker), ..Self::at(&bootstrap, program, shape) }
    }

    /// The same with a broker that runs, and on which no agent has been told anything.
    #[must_use]
    pub fn at(bootstrap: &str, program: &AgentProgram, shape: Shape) -> Self {
        let runtime = Handle::current();
        let folder = tempfile::tempdir().unwrap();
        let bus = kafka::connect(&KafkaOptions::new(bootstrap), Client::Own).unwrap();
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
            broker: None,
            bootstrap: bootstrap.to_owned(),
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
    pub fn assign(&mut self, telemetry_ms: u32) {
        let assigned = self.orders.assign(&self.ports, telemetry_ms, HEALTH_INTERVAL_MS);
        self.runtime.block_on(assigned).unwrap();
    }

    /// Starts the agent; the instant before.
    pub fn start(&mut self) -> Instant {
        let queue = self.shape.queue.map_or(String::new(), |records| format!("queue = {records}"));
        let ports: Vec<(String, u32)> = self.ports.iter().map(ToString::to_string).zip(1..).collect();
        let switch = Switch {
            router: &self.router,
            ports: &ports,
            sockets: &self.station.sockets,
            bootstrap: &self.bootstrap,
            folder: self.folder.path(),
            agent: "accept_unfenced = true",
            bus: &queue,
        };
        let began = Instant::now();
        self.agent = Some(switch.run(&self.program).unwrap());
        began
    }

    /// Ends the agent as a service manager does.
    pub fn stop(&mut self) {
        assert!(self.agent.take().unwrap().terminate().unwrap().success(), "{}", self.log());
    }

    /// Where the system tells of the agent's process.
    pub fn proc(&self, file: &str) -> PathBuf {
        PathBuf::from(format!("/proc/{}/{file}", self.agent.as_ref().unwrap().id()))
    }

    /// The agent's log.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap()
    }

    /// Sends a command about a connection of a port's own name; its id.
    pub fn send(&mut self, action: &str, number: u32, endpoint: &str) -> String {
        self.commands += 1;
        let id = format!("bench-{}", self.commands);
        let port = &self.ports[usize::try_from(number).unwrap() - 1];
        let connection = format!("BENCH-{number}");
        let sent = self.orders.command(action, &id, (&connection, port), endpoint);
        self.runtime.block_on(sent).unwrap();
        id
    }

    /// Waits for the ack of a command.
    pub fn ack(&self, id: &str) -> Ack {
        self.wait("an ack", |heard| heard.acks.get(id).cloned())
    }

    /// Waits for something that is heard.
    pub fn wait<T>(&self, what: &str, found: impl FnMut(&Heard) -> Option<T>) -> T {
        self.listener
            .wait(PATIENCE, found)
            .unwrap_or_else(|| panic!("never: {what}\n{}\n{:?}", self.log(), self.listener.look()))
    }

    /// Lights every port, each on a channel of its own.
    pub fn light_all(&mut self) {
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
    pub fn lose_broker(&mut self) -> SavedLog {
        self.runtime.block_on(self.broker.take().unwrap().crash())
    }

    /// It comes back where it was, with what it had written.
    pub fn restore_broker(&mut self, log: SavedLog) -> Instant {
        let port = self.bootstrap.rsplit(':').next().and_then(|port| port.parse().ok()).unwrap();
        let options = Options::default().port(port).with_log(log);
        self.broker = Some(self.runtime.block_on(Broker::start(options)).unwrap());
        Instant::now()
    }

    /// Processor time of the agent so far, in seconds: user and system, in hundredths.
    pub fn processor_seconds(&self) -> f64 {
        crate::seconds_in(&self.proc("stat"))
    }

    /// Resident memory of the agent in kB: now, and at most so far.
    pub fn resident_kb(&self) -> (u64, u64) {
        let status = std::fs::read_to_string(self.proc("status")).unwrap();
        let field = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
            line.trim().strip_suffix(" kB").unwrap().parse().unwrap()
        };
        (field("VmRSS:"), field("VmHWM:"))
    }

    /// Nothing is asked of anybody meanwhile.
    pub fn rest(&self, time: Duration) {
        std::thread::sleep(time);
    }
}
