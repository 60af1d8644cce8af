//! `cargo run --example embed`: an integrator's own program. It brings its own storage and lights a connection between two
//! switches with emulated modules.

use ipowdm_agent::config::{AgentConfig, Service};
use ipowdm_agent::intake::Identity;
use ipowdm_agent::runtime::{Agent, AgentHandle};
use ipowdm_cmis::emulator::{EmulatedModule, ModuleClock, Profile};
use ipowdm_cmis::line::{LineParameters, OpticalLine};
use ipowdm_core::bus::{Bus, memory::MemoryBus};
use ipowdm_core::error::Code;
use ipowdm_core::ids::{PortRef, VopId};
use ipowdm_core::units::Length;
use ipowdm_ctl_lib::connection::State;
use ipowdm_ctl_lib::controller::{ConnectionRequest, ControllerConfig};
use ipowdm_ctl_lib::linkdb::LinkDb;
use ipowdm_ctl_lib::slice::{ActivationRequest, InProcess, SliceManager};
use ipowdm_ctl_lib::store::{
    Backend, BackendError, Batch, BoxFuture, CommitError, MemoryBackend, Store, StoreOptions, Version, View,
    WatchSource,
};
use ipowdm_ctl_lib::topology::{FibreLink, Pop, Port, Router};
use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// The integrator's storage: records in memory, and a count of what was written for its accounting.
#[derive(Debug, Default)]
struct Accounted {
    records: MemoryBackend,
    writes: AtomicU64,
}

impl Backend for Accounted {
    fn view(&self) -> BoxFuture<'_, Result<Box<dyn View>, BackendError>> {
        self.records.view()
    }

    fn commit(&self, batch: Batch) -> BoxFuture<'_, Result<Version, CommitError>> {
        let writes = batch.writes.len() + batch.stamped.len();
        self.writes.fetch_add(u64::try_from(writes).unwrap_or(0), Ordering::Relaxed);
        self.records.commit(batch)
    }

    fn changes(&self) -> &WatchSource {
        self.records.changes()
    }
}

/// Lights a connection; answers its state, and how much was written for it.
async fn light() -> Result<(State, u64), Box<dyn Error>> {
    let storage = Arc::new(Accounted::default());
    let db = LinkDb::new(Store::new(storage.clone(), StoreOptions::default()));
    let bus: Arc<dyn Bus> = Arc::new(MemoryBus::new());
    let (vop, span): (VopId, _) = ("vOp1".parse()?, Length::from_metres(80_000));
    let (mut ports, mut modules, mut agents) = (Vec::new(), Vec::new(), Vec::<AgentHandle>::new());
    let clock = ModuleClock::scaled(100);
    for (pop, serial) in [("pop1", 1), ("pop2", 2)] {
        let at =
            PortRef { pop_id: pop.parse()?, router_id: "router1".parse()?, port_id: "Ethernet48".parse()? };
        db.add_pop(Pop::new(at.pop_id.clone())).await?;
        db.add_router(Router::new(at.router())).await?;
        db.add_port(Port::new(at.clone())).await?;
        let module = EmulatedModule::new(Profile::OPENZRP, serial, clock.clone());
        let identity = Identity::of_router(at.pop_id.clone(), at.router_id.clone());
        let agent = Agent::builder(AgentConfig::new(identity, Service::Assigned)).bus(Arc::clone(&bus));
        agents.push(agent.port(at.port_id.clone(), Box::new(module.eeprom())).build()?.spawn()?);
        modules.push(module);
        ports.push(at);
    }
    let _fibre = OpticalLine::connect(&modules[0], &modules[1], LineParameters::amplified(1, span))?;
    db.add_link(FibreLink::new("pop1-pop2".parse()?, "pop1".parse()?, "pop2".parse()?, span)).await?;

    let controllers = InProcess::new(db.clone(), Arc::clone(&bus), ControllerConfig::default());
    let slices = SliceManager::builder(db, bus).launcher(Arc::new(controllers.clone())).start().await?;
    slices.activate(ActivationRequest::new(vop.clone(), "Tenant 1", ports)).await?;
    let controller = controllers.controller(&vop).ok_or("the controller does not run")?;
    let request = ConnectionRequest::between("pop1".parse()?, "pop2".parse()?);
    let connection = loop {
        match controller.create_connection(request.clone()).await {
            // The agents have not told of their modules yet.
            Err(error) if error.code() == Code::ModuleAbsent => {
                tokio::time::sleep(Duration::from_millis(20)).await
            }
            created => break created?.0,
        }
    };
    controller.setup_and_wait(&connection.connection_id, Duration::from_secs(120)).await?;
    let state = controller.connection(&connection.connection_id)?.state;
    Ok((state, storage.writes.load(Ordering::Relaxed)))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let (state, writes) = light().await?;
    println!("the connection is {state}; {writes} records were written");
    Ok(())
}

#[cfg(test)]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_over_storage_of_ones_own_is_read_back_as_active() {
    let (state, writes) = light().await.unwrap();
    assert_eq!(state, State::Active);
    assert!(writes > 0);
}
