//! A small network on a memory bus with scripted agents, for tests of controller and slice manager.

mod agent;
mod cut;
mod foreign;
pub(crate) mod guarded;

pub(crate) use agent::{Behaviour, FakeAgent};
pub(crate) use cut::{Cut, CutBackend};
pub(crate) use foreign::{ForeignAgent, Manner};

use crate::controller::{ConnectionRequest, ControllerConfig, ControllerHandle, WallClock};
use crate::linkdb::LinkDb;
use crate::slice::{ActivationRequest, InProcess, SliceConfig, SliceManager, TopicSettings};
use crate::store::{MemoryBackend, Store, StoreOptions};
use crate::topology::{FibreLink, Pop, Port, Router};
use core::sync::atomic::{AtomicI64, Ordering};
use core::time::Duration;
use cut::CutBus;
use ipowdm_core::bus::memory::MemoryBus;
use ipowdm_core::bus::{Bus, FetchRequest, Outgoing, Record};
use ipowdm_core::capability::{ApplicationInfo, GridRange, ModuleCapability, PowerRange};
use ipowdm_core::grid::Grid;
use ipowdm_core::ids::{ConnectionId, PopId, PortRef, RouterRef, VopId};
use ipowdm_core::msg::Command;
use ipowdm_core::time::Timestamp;
use ipowdm_core::units::{Length, Power};
use std::collections::BTreeMap;
use std::sync::Arc;

pub(crate) fn power(hundredths: i16) -> Power {
    Power::from_hundredths(hundredths)
}

pub(crate) fn vop(name: &str) -> VopId {
    VopId::new(name).unwrap()
}

pub(crate) fn pop(name: &str) -> PopId {
    PopId::new(name).unwrap()
}

pub(crate) fn id(name: &str) -> ConnectionId {
    ConnectionId::new(name).unwrap()
}

pub(crate) fn router(pop: &str, router: &str) -> RouterRef {
    RouterRef { pop_id: pop.parse().unwrap(), router_id: router.parse().unwrap() }
}

pub(crate) fn port(text: &str) -> PortRef {
    let mut parts = text.splitn(3, '/');
    let mut next = || parts.next().unwrap();
    PortRef {
        pop_id: next().parse().unwrap(),
        router_id: next().parse().unwrap(),
        port_id: next().parse().unwrap(),
    }
}

/// The guide's connection.
pub(crate) fn guide() -> ConnectionRequest {
    ConnectionRequest::between(pop("pop1"), pop("pop2")).named(id("POP1-POP2-1"))
}

fn module(codes: &[u8], min: i16, max: i16) -> ModuleCapability {
    let range = GridRange { grid: Grid::Ghz75, low_channel: -69, high_channel: 120 };
    let application = |(index, code): (usize, &u8)| ApplicationInfo {
        app_sel: u8::try_from(index + 1).unwrap(),
        host_code: 0x11,
        media_code: *code,
        host_lanes: 8,
        media_lanes: 1,
    };
    ModuleCapability {
        grids: heapless::Vec::from_slice(&[range]).unwrap(),
        tx_power: Some(PowerRange { min: power(min), max: power(max) }),
        applications: codes.iter().enumerate().map(application).collect(),
    }
}

/// 400ZR and 400G OpenZR+, −15…0 dBm.
pub(crate) fn openzr() -> ModuleCapability {
    module(&[0x3E, 0x46], -1500, 0)
}

/// 400ZR only, −15…−8 dBm.
pub(crate) fn plain_zr() -> ModuleCapability {
    module(&[0x3E], -1500, -800)
}

/// A wall clock that a test can set.
#[derive(Clone, Default)]
pub(crate) struct TestWall(Arc<AtomicI64>);

impl TestWall {
    pub(crate) fn jump(&self, ms: i64) {
        self.0.fetch_add(ms, Ordering::Relaxed);
    }

    fn clock(&self) -> WallClock {
        let base = self.clone();
        Arc::new(move || Timestamp(1_730_000_000_000 + base.0.load(Ordering::Relaxed)))
    }
}

/// pop1, pop2, pop3 on a triangle; router1 and router2 in each with Ethernet48 and Ethernet56.
pub(crate) struct Testbed {
    pub(crate) linkdb: LinkDb,
    pub(crate) bus: MemoryBus,
    pub(crate) wall: TestWall,
    pub(crate) config: ControllerConfig,
    pub(crate) agents: BTreeMap<RouterRef, FakeAgent>,
    /// Where the control plane that runs now ends.
    pub(crate) cut: Cut,
    backend: Option<Arc<MemoryBackend>>,
    running: Option<(SliceManager, InProcess)>,
}

impl Testbed {
    pub(crate) async fn new() -> Self {
        Self::with_config(ControllerConfig::default()).await
    }

    pub(crate) async fn with_config(config: ControllerConfig) -> Self {
        Self::on_bus(config, MemoryBus::new()).await
    }

    #[cfg(feature = "http")]
    pub(crate) async fn over(store: Store, config: ControllerConfig) -> Self {
        Self::build(store, None, config, MemoryBus::new()).await
    }

    /// A new store beside a bus that has been used before.
    pub(crate) async fn on(bus: MemoryBus) -> Self {
        Self::on_bus(ControllerConfig::default(), bus).await
    }

    async fn on_bus(config: ControllerConfig, bus: MemoryBus) -> Self {
        let backend = Arc::new(MemoryBackend::new());
        let store = Store::new(Arc::<MemoryBackend>::clone(&backend), StoreOptions::default());
        Self::build(store, Some(backend), config, bus).await
    }

    async fn build(
        store: Store,
        backend: Option<Arc<MemoryBackend>>,
        config: ControllerConfig,
        bus: MemoryBus,
    ) -> Self {
        let linkdb = LinkDb::new(store);
        let pops = ["pop1", "pop2", "pop3"];
        for name in pops {
            linkdb.add_pop(Pop::new(pop(name))).await.unwrap();
        }
        for (a, b, km) in [("pop1", "pop2", 80), ("pop2", "pop3", 90), ("pop1", "pop3", 200)] {
            let link = format!("{a}-{b}").parse().unwrap();
            let link = FibreLink::new(link, pop(a), pop(b), Length::from_metres(km * 1_000));
            linkdb.add_link(link).await.unwrap();
        }
        for name in pops {
            for number in ["router1", "router2"] {
                let at = router(name, number);
                linkdb.add_router(Router::new(at)).await.unwrap();
                for interface in ["Ethernet48", "Ethernet56"] {
                    let at = port(&format!("{name}/{number}/{interface}"));
                    linkdb.add_port(Port::new(at)).await.unwrap();
                }
            }
        }
        let wall = TestWall::default();
        let (agents, cut) = (BTreeMap::new(), Cut::never());
        let mut bed = Self { linkdb, bus, wall, config, agents, cut, backend, running: None };
        bed.start().await;
        bed
    }

    /// The settings of topics that the tests look for.
    pub(crate) fn slice_config() -> SliceConfig {
        let default = SliceConfig::default();
        SliceConfig { health: TopicSettings { partitions: 2, ..default.health }, ..default }
    }

    pub(crate) async fn start(&mut self) {
        self.cut = Cut::never();
        let bus: Arc<dyn Bus> = Arc::new(CutBus { inner: self.bus.clone(), cut: self.cut.clone() });
        let linkdb = match &self.backend {
            Some(backend) => {
                let backend = CutBackend { inner: Arc::clone(backend), cut: self.cut.clone() };
                LinkDb::new(Store::new(Arc::new(backend), StoreOptions::default()))
            }
            None => self.linkdb.clone(),
        };
        let launcher = InProcess::new(linkdb.clone(), Arc::clone(&bus), self.config.clone())
            .wall_clock(self.wall.clock());
        let slices = SliceManager::builder(linkdb, bus)
            .config(Self::slice_config())
            .launcher(Arc::new(launcher.clone()))
            .wall_clock(self.wall.clock())
            .start()
            .await
            .unwrap();
        self.running = Some((slices, launcher));
    }

    /// What the store keeps its data in, where it was made here.
    pub(crate) fn backend(&self) -> Arc<MemoryBackend> {
        Arc::clone(self.backend.as_ref().unwrap())
    }

    /// Everything of the control plane ends at once, as in a crash.
    pub(crate) fn crash(&mut self) {
        self.running = None;
    }

    pub(crate) fn slices(&self) -> &SliceManager {
        &self.running.as_ref().unwrap().0
    }

    pub(crate) fn controller(&self, name: &str) -> ControllerHandle {
        self.running.as_ref().unwrap().1.controller(&vop(name)).unwrap()
    }

    /// The activation of vOp2 as the lab has it: router1 of each PoP.
    pub(crate) fn vop2() -> ActivationRequest {
        let ports = ["pop1", "pop2", "pop3"].iter().flat_map(|pop| {
            ["Ethernet48", "Ethernet56"].map(|interface| port(&format!("{pop}/router1/{interface}")))
        });
        ActivationRequest::new(vop("vOp2"), "Tenant 2", ports.collect())
    }

    /// Activates vOp2, starts its three agents with OpenZR+ modules, and waits until the controller knows them.
    pub(crate) async fn with_vop2(mut self) -> (Self, ControllerHandle) {
        let controller = self.activate(Self::vop2()).await;
        (self, controller)
    }

    pub(crate) async fn activate(&mut self, request: ActivationRequest) -> ControllerHandle {
        let routers: std::collections::BTreeSet<_> = request.ports.iter().map(PortRef::router).collect();
        let id = request.vop.clone();
        let ports = request.ports.clone();
        self.slices().activate(request).await.unwrap();
        for router in routers {
            let own = ports.iter().filter(|port| port.router() == router).cloned().collect();
            let agent = FakeAgent::start(&self.bus, &id, &router, own);
            self.agents.insert(router, agent);
        }
        let controller = self.controller(id.as_str());
        eventually("all modules are known", || async {
            let mut known = true;
            for port in &ports {
                known &= self.linkdb.port(port).await.unwrap().port.capability.is_some();
            }
            known
        })
        .await;
        controller
    }

    pub(crate) fn agent(&self, pop: &str) -> &FakeAgent {
        &self.agents[&router(pop, "router1")]
    }

    /// All records of a topic, in order per partition.
    pub(crate) async fn records(&self, topic: &str) -> Vec<Record> {
        let partitions = self.bus.describe_topic(topic).await.unwrap().unwrap().partitions;
        let mut all = Vec::new();
        for partition in 0..partitions {
            let request = FetchRequest {
                topic: topic.to_owned(),
                partition,
                offset: 0,
                max_bytes: u32::MAX,
                max_wait: Duration::ZERO,
            };
            all.extend(self.bus.fetch(request).await.unwrap().records);
        }
        all
    }

    /// The commands about a connection on the wire, with their keys.
    pub(crate) async fn commands(&self, topic: &str, connection: &str) -> Vec<(String, Command)> {
        let records = self.records(topic).await;
        let read = |record: &Record| {
            let command = Command::from_json(record.value.as_ref()?).unwrap();
            let key = String::from_utf8(record.key.as_ref()?.to_vec()).unwrap();
            Some((key, command))
        };
        let about =
            |(_, command): &(String, Command)| command.action.connection_id() == Some(&id(connection));
        records.iter().filter_map(read).filter(about).collect()
    }

    pub(crate) async fn publish(&self, topic: &str, key: &str, value: &[u8]) {
        self.bus.publish(topic, vec![Outgoing::new(key, value.to_vec())]).await.unwrap();
    }

    /// Nothing of a connection is left in LinkDB: no spectrum, no ports.
    pub(crate) async fn assert_nothing_held(&self) {
        let view = self.linkdb.topology().await.unwrap();
        assert!(view.grants.is_empty(), "grants are left: {:?}", view.grants);
        assert!(view.ports.iter().all(|port| port.occupied_by.is_none()), "ports are left");
        for (link, figures) in self.linkdb.utilisations().await.unwrap() {
            assert_eq!(figures.used_a_to_b + figures.used_b_to_a, 0, "spectrum is left on {link}");
        }
    }
}

/// Waits for a condition, on the paused clock.
pub(crate) async fn eventually<F: Future<Output = bool>>(what: &str, condition: impl Fn() -> F) {
    for _ in 0..40_000 {
        if condition().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("never: {what}");
}

/// Lets everything that can happen now happen, without much time passing.
pub(crate) async fn calm() {
    for _ in 0..20 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}
