//! A small network on a memory bus: real controller, real agents, emulated modules, virtual time.
//!
//! Three PoPs in a row, a router in each, two ports in a router; fibre joins the ports in pairs, so that each connection has
//! its place and those of the outer pairs share links with the others. One of the outer pairs is another virtual operator's.

use super::chance::Chance;
use super::faults::{FaultyBus, FaultyStore, Line};
use super::life::Life;
use super::tap::Tap;
use core::sync::atomic::{AtomicI64, Ordering};
use core::time::Duration;
use ipowdm_agent::config::{AgentConfig, Service};
use ipowdm_agent::intake::Identity;
use ipowdm_agent::journal::MemoryStorage;
use ipowdm_agent::runtime::{Agent, AgentHandle};
use ipowdm_cmis::access::{Counters, Eeprom, Paged, TransportError};
use ipowdm_cmis::emulator::{
    EmulatedModule, EmulatedWindow, ModuleClock, Profile, ProfileData, VirtualClock,
};
use ipowdm_cmis::line::{Direction, Impairment, LineParameters, OpticalLine};
use ipowdm_cmis::map::Address;
use ipowdm_cmis::time::{Clock as _, Millis};
use ipowdm_core::bus::memory::MemoryBus;
use ipowdm_core::bus::{Bus, Outgoing};
use ipowdm_core::ids::{ConnectionId, PopId, PortRef, RouterRef, VopId};
use ipowdm_core::msg::{Action, Command, Target, VERSION};
use ipowdm_core::time::Timestamp;
use ipowdm_core::units::{Db, Frequency, Length};
use ipowdm_ctl_lib::connection::Times;
use ipowdm_ctl_lib::controller::{
    ConnectionRequest, ConnectionView, Controller, ControllerBuilder, ControllerConfig, ControllerError,
    ControllerHandle, EndRequest, StandBy,
};
use ipowdm_ctl_lib::linkdb::LinkDb;
use ipowdm_ctl_lib::slice::{
    ActivationRequest, ControllerLauncher, Credential, LaunchError, SliceConfig, SliceManager, TopicSettings,
    Vop,
};
use ipowdm_ctl_lib::store::{BoxFuture, MemoryBackend, Store, StoreOptions};
use ipowdm_ctl_lib::topology::{FibreLink, Pop, Port, Router};
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::time::Instant;

/// When every simulation begins, for those who look at a calendar.
const BEGINNING: i64 = 1_730_000_000_000;

/// The virtual operators: the first has one controller after another, of the second several instances stand by.
pub(crate) const TENANTS: [&str; 2] = ["vOp2", "vOp3"];

/// The pairs of ports that fibre joins: PoP and port of both ends.
pub(crate) const PAIRS: [[(&str, &str); 2]; 4] = [
    [("pop1", "Ethernet48"), ("pop2", "Ethernet48")],
    [("pop2", "Ethernet56"), ("pop3", "Ethernet48")],
    [("pop1", "Ethernet56"), ("pop3", "Ethernet56")],
    [("pop1", "Ethernet64"), ("pop3", "Ethernet64")],
];

/// The virtual operator that a pair belongs to.
pub(crate) const fn tenant_of(pair: usize) -> usize {
    if pair < 3 { 0 } else { 1 }
}

/// The ports of a virtual operator.
pub(crate) fn ports_of(tenant: usize) -> Vec<PortRef> {
    let own = PAIRS.iter().enumerate().filter(|(pair, _)| tenant_of(*pair) == tenant);
    own.flat_map(|(_, ends)| ends.map(port)).collect()
}

pub(crate) fn vop(tenant: usize) -> VopId {
    TENANTS[tenant].parse().unwrap()
}

pub(crate) fn port((pop, port): (&str, &str)) -> PortRef {
    PortRef {
        pop_id: pop.parse().unwrap(),
        router_id: "router1".parse().unwrap(),
        port_id: port.parse().unwrap(),
    }
}

/// A connection between the ports of a pair.
pub(crate) fn request(pair: usize, name: &str) -> ConnectionRequest {
    let [a, b] = PAIRS[pair].map(port);
    let end = |port: PortRef| EndRequest {
        pop: port.pop_id,
        router: Some(port.router_id),
        port: Some(port.port_id),
    };
    let (from, to) = (a.pop_id.clone(), b.pop_id.clone());
    let mut request = ConnectionRequest::between(from, to).named(name.parse().unwrap());
    (request.source, request.destination) = (end(a), end(b));
    request
}

/// A wall clock that can be set.
#[derive(Debug, Clone)]
pub(crate) struct Wall {
    begun: Instant,
    offset: Arc<AtomicI64>,
}

impl Wall {
    fn new() -> Self {
        Self { begun: Instant::now(), offset: Arc::default() }
    }

    pub(crate) fn jump(&self, ms: i64) {
        self.offset.fetch_add(ms, Ordering::Relaxed);
    }

    fn clock(&self) -> Arc<dyn Fn() -> Timestamp + Send + Sync> {
        let own = self.clone();
        Arc::new(move || {
            let passed = i64::try_from(own.begun.elapsed().as_millis()).unwrap();
            Timestamp(BEGINNING + passed + own.offset.load(Ordering::Relaxed))
        })
    }
}

/// A module in a port, and its clock.
#[derive(Debug, Clone)]
pub(crate) struct Plugged {
    pub(crate) module: EmulatedModule,
    clock: VirtualClock,
    begun: Instant,
}

/// An OpenZR+ module that is twenty times as fast: a set-up takes a second.
fn fast_module() -> Profile {
    let fast = |data: &mut ProfileData| {
        let durations = &mut data.durations;
        let states = [
            &mut durations.power_up,
            &mut durations.power_down,
            &mut durations.dp_init,
            &mut durations.dp_deinit,
            &mut durations.tx_on,
            &mut durations.tx_off,
        ];
        states.into_iter().for_each(|state| state.actual /= 20);
        if let Some(laser) = &mut data.laser {
            laser.tuning /= 20;
            laser.power_change /= 20;
        }
        // Meters that nobody looks at more often than telemetry does.
        if let Some(vdm) = &mut data.vdm {
            vdm.sub_interval = Duration::from_secs(3);
        }
    };
    Profile::OPENZRP.altered(fast).unwrap()
}

impl Plugged {
    fn new(profile: &Profile, serial: u32) -> Self {
        let clock = VirtualClock::new();
        let module = EmulatedModule::new(profile.clone(), serial, ModuleClock::from(&clock));
        Self { module, clock, begun: Instant::now() }
    }

    /// Brings it to the time of everything else.
    fn sync(&mut self) {
        let passed = u64::try_from(self.begun.elapsed().as_millis()).unwrap();
        self.clock.sleep_until(Millis(passed));
    }

    /// The frequency it emits at, if it emits.
    pub(crate) fn light(&self) -> Option<Frequency> {
        let mut own = self.clone();
        own.sync();
        own.module.emission().map(|emission| emission.frequency)
    }
}

/// A module's memory as its agent reaches it.
struct Memory {
    eeprom: Paged<EmulatedWindow>,
    plugged: Plugged,
    life: Arc<Life>,
}

impl Memory {
    /// A process that has ended reaches nothing.
    fn reach(&mut self) -> Result<&mut Paged<EmulatedWindow>, TransportError> {
        if self.life.is_over() {
            return Err(TransportError::Absent);
        }
        self.plugged.sync();
        Ok(&mut self.eeprom)
    }
}

impl Eeprom for Memory {
    fn read(&mut self, at: Address, into: &mut [u8]) -> Result<(), TransportError> {
        self.reach()?.read(at, into)
    }

    fn write(&mut self, at: Address, bytes: &[u8]) -> Result<(), TransportError> {
        self.reach()?.write(at, bytes)
    }

    fn counters(&self) -> Counters {
        self.eeprom.counters()
    }
}

/// A switch: what survives its agent, and the agent.
struct Site {
    router: RouterRef,
    journal: MemoryStorage,
    wall: Wall,
    agent: Option<(AgentHandle, Arc<Life>)>,
}

/// A controller that runs.
pub(crate) struct Running {
    instance: Instance,
    pub(crate) life: Arc<Life>,
}

enum Instance {
    /// Took command when it started.
    Started(ControllerHandle),
    /// Takes command when nobody has it.
    StandBy(StandBy),
}

impl Running {
    /// Its handle, unless it stands by.
    pub(crate) fn handle(&self) -> Option<ControllerHandle> {
        match &self.instance {
            Instance::Started(handle) => Some(handle.clone()),
            Instance::StandBy(stand_by) => stand_by.controller(),
        }
    }
}

/// Starts no controllers: the simulation does.
struct NoLauncher;

impl ControllerLauncher for NoLauncher {
    fn launch<'a>(
        &'a self,
        _: &'a Vop,
        _: Option<&'a Credential>,
    ) -> BoxFuture<'a, Result<Option<String>, LaunchError>> {
        Box::pin(core::future::ready(Ok(None)))
    }

    fn drain<'a>(&'a self, _: &'a VopId, _: Duration) -> BoxFuture<'a, Result<(), LaunchError>> {
        Box::pin(core::future::ready(Ok(())))
    }

    fn stop<'a>(&'a self, _: &'a VopId) -> BoxFuture<'a, Result<(), LaunchError>> {
        Box::pin(core::future::ready(Ok(())))
    }
}

/// Everything there is.
pub(crate) struct World {
    pub(crate) bus: MemoryBus,
    pub(crate) linkdb: LinkDb,
    pub(crate) chance: Arc<Chance>,
    pub(crate) tap: Arc<Tap>,
    pub(crate) modules: BTreeMap<PortRef, Plugged>,
    /// The controllers of each virtual operator.
    pub(crate) controllers: Vec<Vec<Running>>,
    pub(crate) wall: Wall,
    pub(crate) config: ControllerConfig,
    backend: Arc<MemoryBackend>,
    sites: Vec<Site>,
    /// The fibre of each pair.
    fibre: Vec<OpticalLine>,
    accept_unfenced: bool,
    starts: u64,
}

/// Times that suit modules as fast as these.
pub(crate) fn times() -> Times {
    Times {
        hold_ms: 20_000,
        control_ms: 10_000,
        setup_module_ms: 15_000,
        change_module_ms: 5_000,
        teardown_module_ms: 5_000,
        retry_ms: 5_000,
        terminated_ms: 15_000,
        failed_ms: 30_000,
    }
}

fn slice_config() -> SliceConfig {
    let default = SliceConfig::default();
    let partitions = |topic: TopicSettings, partitions| TopicSettings { partitions, ..topic };
    SliceConfig {
        config: partitions(default.config, 2),
        monitoring: partitions(default.monitoring, 2),
        health: partitions(default.health, 1),
        health_interval_ms: 10_000,
        ..default
    }
}

impl World {
    /// The network with one virtual operator activated and its agents and a controller running; calm and without faults.
    pub(crate) async fn new(seed: u64, verbose: bool) -> Self {
        Self::of(1, seed, verbose).await
    }

    /// The same with both.
    pub(crate) async fn shared(seed: u64, verbose: bool) -> Self {
        Self::of(2, seed, verbose).await
    }

    async fn of(tenants: usize, seed: u64, verbose: bool) -> Self {
        ipowdm_core::bus::seed_pauses(u32::try_from(seed & 0xFFFF_FFFF).unwrap());
        let bus = MemoryBus::since(BEGINNING);
        let backend = Arc::new(MemoryBackend::new());
        let store = Store::new(Arc::<MemoryBackend>::clone(&backend), StoreOptions::default());
        let linkdb = LinkDb::new(store);
        let ports: Vec<PortRef> = (0..tenants).flat_map(ports_of).collect();
        let pairs = PAIRS.into_iter().enumerate().filter(|(pair, _)| tenant_of(*pair) < tenants);
        inventory(&linkdb, &ports).await;
        let profile = fast_module();
        let plugged = |(port, serial): (&PortRef, u32)| (port.clone(), Plugged::new(&profile, serial));
        let modules: BTreeMap<PortRef, Plugged> = ports.iter().zip(1..).map(plugged).collect();
        let fibre = pairs.map(|(_, ends)| {
            let [a, b] = ends.map(|end| &modules[&port(end)].module);
            OpticalLine::connect(a, b, LineParameters::amplified(1, Length::from_metres(80_000))).unwrap()
        });
        let fibre = fibre.collect();
        let routers = ["pop1", "pop2", "pop3"].map(router);
        let sites = routers.map(|router| {
            let (journal, wall) = (MemoryStorage::default(), Wall::new());
            Site { router, journal, wall, agent: None }
        });
        let config = ControllerConfig { times: times(), ..ControllerConfig::default() };
        let mut world = Self {
            bus,
            linkdb,
            chance: Arc::new(Chance::new(seed)),
            tap: Arc::new(Tap::new(verbose)),
            modules,
            controllers: (0..tenants).map(|_| Vec::new()).collect(),
            wall: Wall::new(),
            config,
            backend,
            sites: sites.into(),
            fibre,
            accept_unfenced: seed % 2 == 1,
            starts: 0,
        };
        world.activate().await;
        for site in 0..world.sites.len() {
            world.start_agent(site);
        }
        world.start_controller().await.unwrap();
        if tenants > 1 {
            world.start_stand_by(1);
            world.start_stand_by(1);
        }
        world.until_known().await;
        world
    }

    async fn activate(&self) {
        let bus: Arc<dyn Bus> = Arc::new(self.bus.clone());
        let slices = SliceManager::builder(self.linkdb.clone(), bus)
            .config(slice_config())
            .launcher(Arc::new(NoLauncher))
            .wall_clock(self.wall.clock())
            .start()
            .await
            .unwrap();
        for (tenant, name) in TENANTS.iter().enumerate().take(self.controllers.len()) {
            let request = ActivationRequest::new(vop(tenant), name, ports_of(tenant));
            slices.activate(request).await.unwrap();
        }
        // Until its relay has told the agents.
        sleep_ms(100).await;
    }

    /// Waits until LinkDB knows what every module can do.
    async fn until_known(&self) {
        for _ in 0..600 {
            let ports = self.linkdb.topology().await.unwrap().ports;
            if ports.iter().all(|port| port.port.capability.is_some()) {
                return;
            }
            sleep_ms(100).await;
        }
        panic!("the controller never learns of the modules");
    }

    fn line(&self, who: &str, life: &Arc<Life>) -> Line {
        let (chance, tap) = (Arc::clone(&self.chance), Arc::clone(&self.tap));
        Line { who: who.into(), life: Arc::clone(life), chance, tap }
    }

    // --- agents -------------------------------------------------------------------------------------------------------

    pub(crate) const SITES: usize = 3;

    pub(crate) fn start_agent(&mut self, site: usize) {
        let life = Arc::new(Life::new());
        let Site { router, journal, wall, agent } = &self.sites[site];
        if agent.is_some() {
            return;
        }
        let identity = Identity::of_router(router.pop_id.clone(), router.router_id.clone());
        let line = self.line(identity.agent_id.as_str(), &life);
        self.tap.say(format_args!("{} starts", line.who));
        let mut config = AgentConfig::new(identity, Service::Assigned);
        config.emulated = true;
        config.accept_unfenced = self.accept_unfenced;
        let bus = FaultyBus { inner: self.bus.clone(), line };
        let mut builder =
            Agent::builder(config).bus(Arc::new(bus)).storage(journal.clone()).wall_clock(wall.clock());
        for (at, plugged) in self.modules.iter().filter(|(port, _)| port.router() == *router) {
            let (eeprom, plugged) = (plugged.module.eeprom(), plugged.clone());
            let memory = Memory { eeprom, plugged, life: Arc::clone(&life) };
            builder = builder.port(at.port_id.clone(), Box::new(memory));
        }
        let handle = builder.build().unwrap().spawn().unwrap();
        self.sites[site].agent = Some((handle, life));
    }

    /// Ends an agent as a crash would.
    pub(crate) async fn kill_agent(&mut self, site: usize) {
        if let Some((handle, life)) = self.sites[site].agent.take() {
            self.tap.say(format_args!("{} is killed", self.sites[site].router));
            life.end();
            handle.kill().await;
        }
    }

    pub(crate) fn jump_agent(&self, site: usize, ms: i64) {
        self.sites[site].wall.jump(ms);
    }

    // --- controllers --------------------------------------------------------------------------------------------------

    /// Starts a controller of the first virtual operator, which takes command at once.
    pub(crate) async fn start_controller(&mut self) -> Result<(), ControllerError> {
        let (builder, life) = self.builder(0);
        let instance = Instance::Started(builder.start().await?);
        self.controllers[0].push(Running { instance, life });
        Ok(())
    }

    /// Starts an instance that takes command when nobody has it.
    pub(crate) fn start_stand_by(&mut self, tenant: usize) {
        let (builder, life) = self.builder(tenant);
        let instance = Instance::StandBy(builder.stand_by().unwrap());
        self.controllers[tenant].push(Running { instance, life });
    }

    fn builder(&mut self, tenant: usize) -> (ControllerBuilder, Arc<Life>) {
        self.starts += 1;
        let life = Arc::new(Life::new());
        let line = self.line(&format!("controller-{}", self.starts), &life);
        self.tap.say(format_args!("{} of {} starts", line.who, TENANTS[tenant]));
        let backend = FaultyStore { inner: Arc::clone(&self.backend), line: line.clone() };
        let store = Store::new(Arc::new(backend), StoreOptions::default());
        let bus: Arc<dyn Bus> = Arc::new(FaultyBus { inner: self.bus.clone(), line });
        let builder = Controller::builder(vop(tenant), LinkDb::new(store), bus)
            .config(self.config.clone())
            .wall_clock(self.wall.clock())
            .start_tag(self.starts);
        (builder, life)
    }

    /// Ends the oldest controller of a virtual operator as a crash would.
    pub(crate) fn kill_controller(&mut self, tenant: usize) {
        if !self.controllers[tenant].is_empty() {
            let Running { instance, life } = self.controllers[tenant].remove(0);
            self.tap.say(format_args!("a controller of {} is killed", TENANTS[tenant]));
            life.end();
            drop(instance);
        }
    }

    /// The controller of a virtual operator that was started last, of those that do not stand by.
    pub(crate) fn controller(&self, tenant: usize) -> Option<ControllerHandle> {
        self.controllers[tenant].iter().rev().find_map(Running::handle)
    }

    /// The connections of all virtual operators, as their controllers know them.
    pub(crate) fn connections(&self) -> Vec<(usize, ConnectionView)> {
        let of = |tenant: usize| {
            let views = self.controller(tenant).map(|controller| controller.connections(None).unwrap());
            views.into_iter().flatten().map(move |view| (tenant, view))
        };
        (0..self.controllers.len()).flat_map(of).collect()
    }

    // --- fibre and people ---------------------------------------------------------------------------------------------

    /// Adds noise to one direction of a pair's fibre, in place of what was there.
    pub(crate) fn impair(&mut self, pair: usize, direction: Direction, noise: Db) {
        self.modules.values_mut().for_each(Plugged::sync);
        self.fibre[pair].set_impairment(direction, Impairment::noise(noise));
    }

    /// Publishes a command as somebody would type it: without an epoch.
    pub(crate) async fn type_command(&self, tenant: usize, at: &PortRef, action: Action) {
        let command = Command {
            command_id: None,
            vop: Some(vop(tenant)),
            target: Target::Agent(at.router().default_agent()),
            epoch: None,
            lifetime_ms: None,
            v: VERSION,
            action,
        };
        let record = Outgoing::new(at.router().default_agent().as_str(), command.to_json());
        // Where the bus is away nobody hears it.
        let _ = self.bus.publish(&format!("config_{}", TENANTS[tenant]), vec![record]).await;
    }
}

async fn inventory(linkdb: &LinkDb, ports: &[PortRef]) {
    let pops = ["pop1", "pop2", "pop3"].map(|name| name.parse::<PopId>().unwrap());
    for pop in &pops {
        linkdb.add_pop(Pop::new(pop.clone())).await.unwrap();
        linkdb.add_router(Router::new(router(pop.as_str()))).await.unwrap();
    }
    for (a, b) in [(&pops[0], &pops[1]), (&pops[1], &pops[2])] {
        let id = format!("{a}-{b}").parse().unwrap();
        let link = FibreLink::new(id, a.clone(), b.clone(), Length::from_metres(80_000));
        linkdb.add_link(link).await.unwrap();
    }
    for port in ports {
        linkdb.add_port(Port::new(port.clone())).await.unwrap();
    }
}

fn router(pop: &str) -> RouterRef {
    RouterRef { pop_id: pop.parse().unwrap(), router_id: "router1".parse().unwrap() }
}

pub(crate) fn id(name: &str) -> ConnectionId {
    name.parse().unwrap()
}

pub(crate) async fn sleep_ms(ms: u64) {
    tokio::time::sleep(Duration::from_millis(ms)).await;
}
