//! The real parts in one process: the control plane on the calling thread alone, agents with emulated modules on others.
#![expect(clippy::unwrap_used, reason = "a benchmark that cannot run has no result")]

use clap::Parser as _;
use futures_util::StreamExt as _;
use futures_util::stream;
use ipowdm_cmis::emulator::{Dwell, HoldOffs, ModuleClock, Profile, StateDurations};
use ipowdm_core::ids::PortRef;
use ipowdm_core::topics::{Role, name};
use ipowdm_ctl_lib::connection::Timing;
use ipowdm_ctl_lib::controller::{ControllerConfig, ControllerHandle};
use ipowdm_ctl_lib::linkdb::LinkDb;
use ipowdm_ctl_lib::registry::Presence;
use ipowdm_ctl_lib::slice::{ActivationRequest, InProcess, SliceConfig, SliceManager};
use ipowdm_ctl_lib::store::{Location, Store, StoreOptions};
use ipowdm_examples::lab::broker::LabBroker;
use ipowdm_examples::lab::fill;
use ipowdm_examples::lab::fleet::Fleet;
use ipowdm_examples::lab::inventory;
use ipowdm_examples::lab::limits;
use ipowdm_examples::lab::options::Options;
use ipowdm_examples::lab::plan::{Plan, Tenant};
use ipowdm_examples::lab::plant::Plant;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinHandle;

/// Nothing that is waited for takes longer.
const PATIENCE: Duration = Duration::from_secs(300);

/// Agents, modules and fibre, on threads of their own; they outlive control planes.
pub struct Site {
    /// The network and its tenants.
    pub plan: Plan,
    /// The bus.
    pub broker: LabBroker,
    /// The agents.
    pub fleet: Fleet,
    /// The fibre.
    pub plant: Arc<Plant>,
    /// Where the agents run.
    pub agents: Runtime,
    /// As the words said.
    pub options: Options,
    /// Files; gone in the end.
    pub scratch: TempDir,
}

/// The control plane of one virtual operator, with what it runs on.
pub struct Plane {
    /// Its resources.
    pub db: LinkDb,
    /// Its slice manager.
    pub slice: SliceManager,
    launcher: Arc<InProcess>,
    tenant: Tenant,
    /// The plant follows this plane's store.
    followed: Option<JoinHandle<()>>,
}

/// The runtime of the control plane: the calling thread.
pub fn one_thread() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

/// The lab's options for one tenant and any free ports; raises the number of open files, too.
pub fn options(words: &[&str]) -> Options {
    let _ = limits::raise_open_files();
    Options::parse_from(["lab", "--port-base", "0", "--vops", "1"].iter().chain(words).copied())
}

/// Pairs of the tenant's ports in neighbouring PoPs: as many connections as there can be.
pub fn pairs(plan: &Plan) -> Vec<(PortRef, PortRef)> {
    let of = |place: usize| {
        plan.tenants[0].ports.iter().filter(move |port| port.pop_id == plan.pops[place]).cloned()
    };
    (0..plan.pops.len() - 1).step_by(2).flat_map(|place| of(place).zip(of(place + 1))).collect()
}

impl Site {
    /// Plugs modules in and starts agents, as the words for the lab say.
    pub fn start(words: &[&str]) -> Self {
        let options = options(words);
        let plan = Plan::draw(&options).unwrap();
        let agents = Builder::new_multi_thread().enable_all().build().unwrap();
        let broker = agents.block_on(LabBroker::start(&options)).unwrap();
        let scratch = tempfile::Builder::new().prefix("ipowdm-bench-").tempdir().unwrap();
        let (fleet, plant) = {
            let _inside = agents.enter();
            let fleet =
                Fleet::start(&plan, &broker, (&instant(), &ModuleClock::scaled(1)), scratch.path()).unwrap();
            let plant = Plant::new(fleet.modules().clone());
            (fleet, plant)
        };
        Self { plan, broker, fleet, plant, agents, options, scratch }
    }

    /// The tenant; there is one.
    pub fn tenant(&self) -> &Tenant {
        &self.plan.tenants[0]
    }

    /// A durable store for this site.
    pub fn redb(&self) -> Location {
        Location::Redb(self.scratch.path().join("store.redb"))
    }

    /// Pairs of ports of neighbouring PoPs: as many connections as there can be.
    pub fn pairs(&self) -> Vec<(PortRef, PortRef)> {
        pairs(&self.plan)
    }

    /// Sets up a connection on each of these pairs, so many at once, and says what became of each.
    pub async fn light(
        &self,
        controller: &ControllerHandle,
        prefix: &str,
        at_a_time: usize,
    ) -> Vec<Result<Timing, String>> {
        let one = |(number, (a, b))| fill::light(controller.clone(), format!("{prefix}-{number}"), a, b);
        let works: Vec<_> = self.pairs().into_iter().enumerate().map(one).collect();
        stream::iter(works).buffer_unordered(at_a_time).collect().await
    }

    /// Stops the agents; light stays until the process ends.
    pub fn stop(self) {
        let Self { fleet, agents, broker, scratch, .. } = self;
        agents.block_on(fleet.stop());
        agents.shutdown_timeout(Duration::from_secs(10));
        drop((broker, scratch));
    }
}

impl Plane {
    /// Opens the store, and starts what stands in it.
    pub async fn start(site: &Site, store: &Location) -> Self {
        Self::over(&site.broker, site.tenant(), store).await
    }

    /// The same, wherever the agents are.
    pub async fn over(broker: &LabBroker, tenant: &Tenant, store: &Location) -> Self {
        let store = Store::open(store, StoreOptions::default()).await.unwrap();
        let db = LinkDb::new(store);
        let bus = broker.bus("ipowdm-control").unwrap();
        let launcher = Arc::new(InProcess::new(db.clone(), Arc::clone(&bus), ControllerConfig::default()));
        let mut config = SliceConfig::default();
        config.config.partitions = 1;
        let builder = SliceManager::builder(db.clone(), bus).config(config).launcher(launcher.clone());
        let slice = builder.start().await.unwrap();
        Self { db, slice, launcher, tenant: tenant.clone(), followed: None }
    }

    /// The network in LinkDB, the tenant active, its modules known, the plant in step with LinkDB.
    pub async fn first(site: &Site, store: &Location) -> Self {
        let mut plane = Self::start(site, store).await;
        inventory::write(&plane.db, &site.plan).await.unwrap();
        {
            let _inside = site.agents.enter();
            plane.followed = Some(site.plant.follow(plane.db.clone()));
        }
        plane.activate(site.options.telemetry_ms).await;
        plane.hear_all().await;
        plane
    }

    /// Activates the tenant.
    pub async fn activate(&self, telemetry_ms: u32) {
        let tenant = &self.tenant;
        let named = format!("Tenant {}", tenant.vop);
        let mut request = ActivationRequest::new(tenant.vop.clone(), &named, tenant.ports.clone());
        request.windows = Some(vec![tenant.spectrum]);
        request.telemetry_interval_ms = Some(telemetry_ms);
        self.slice.activate(request).await.unwrap();
    }

    /// Waits until every agent has been heard and has told of all its modules.
    pub async fn hear_all(&self) {
        let started = Instant::now();
        while !self.knows_all_modules().await {
            assert!(started.elapsed() < PATIENCE, "modules stay unknown");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// The controller.
    #[must_use]
    pub fn controller(&self) -> ControllerHandle {
        self.launcher.controller(&self.tenant.vop).unwrap()
    }

    /// The controller, where it runs already.
    pub fn running(&self) -> Option<ControllerHandle> {
        self.launcher.controller(&self.tenant.vop)
    }

    /// The topic of samples and answers.
    #[must_use]
    pub fn monitoring(&self) -> String {
        name(Role::Monitoring, &self.tenant.vop, None).as_str().to_owned()
    }

    /// Agents that are online.
    #[must_use]
    pub fn online(&self) -> usize {
        let agents = self.controller().agents();
        agents.iter().filter(|view| view.agent.presence == Presence::Online).count()
    }

    /// Whether every agent has been heard and has told of all its modules.
    pub fn hears_all_agents(&self) -> bool {
        let agents = self.controller().agents();
        let online = agents.iter().filter(|view| view.agent.presence == Presence::Online);
        let ports = online.flat_map(|view| view.agent.interfaces.values());
        ports.filter(|port| port.capability.is_some()).count() == self.tenant.ports.len()
    }

    async fn knows_all_modules(&self) -> bool {
        if !self.hears_all_agents() {
            return false;
        }
        for port in &self.tenant.ports {
            if self.db.port(port).await.unwrap().port.capability.is_none() {
                return false;
            }
        }
        true
    }

    /// Ends the control plane and its tasks, the plant's too: nobody holds the store open afterwards.
    pub async fn stop(self) {
        self.controller().shutdown().await.unwrap();
        if let Some(followed) = self.followed {
            followed.abort();
            let _ = followed.await;
        }
    }
}

/// An OpenZR+ module that takes no time for anything, and says so.
fn instant() -> Profile {
    let none = Dwell { actual: Duration::ZERO, advertised: 0 };
    let altered = Profile::OPENZRP.altered(|data| {
        data.hold_offs = HoldOffs {
            management_init: Duration::ZERO,
            page: Duration::ZERO,
            write: Duration::ZERO,
            configuring: Duration::ZERO,
        };
        data.durations = StateDurations {
            power_up: none,
            power_down: none,
            dp_init: none,
            dp_deinit: none,
            tx_on: none,
            tx_off: none,
        };
        if let Some(laser) = &mut data.laser {
            (laser.tuning, laser.fine_tuning_time, laser.power_change) =
                (Duration::ZERO, Duration::ZERO, Duration::ZERO);
        }
    });
    altered.unwrap()
}
