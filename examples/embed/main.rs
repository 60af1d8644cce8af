//! `cargo run --example embed`: an integrator's own program. It brings its own storage and its own HTTP server, and lights a
//! connection between two switches.

use axum::routing::get;
use ipowdm_core::bus::{Bus, memory::MemoryBus};
use ipowdm_core::error::Code;
use ipowdm_core::ids::{PortRef, VopId};
use ipowdm_core::units::Length;
use ipowdm_ctl_lib::connection::State;
use ipowdm_ctl_lib::controller::{ConnectionRequest, ControllerConfig};
use ipowdm_ctl_lib::http::{self, Access};
use ipowdm_ctl_lib::linkdb::LinkDb;
use ipowdm_ctl_lib::slice::{ActivationRequest, InProcess, SliceManager};
use ipowdm_ctl_lib::store::{
    Backend, BackendError, Batch, BoxFuture, CommitError, MemoryBackend, Store, StoreOptions, Version, View,
    WatchSource,
};
use ipowdm_ctl_lib::topology::{FibreLink, Pop, Port, Router};
use ipowdm_examples::field::Field;
use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::time::sleep;

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

/// Lights a connection; answers its state, where the server can be asked for it, and how much was written for it.
async fn light() -> Result<(State, String, u64), Box<dyn Error>> {
    let storage = Arc::new(Accounted::default());
    let db = LinkDb::new(Store::new(storage.clone(), StoreOptions::default()));
    let bus: Arc<dyn Bus> = Arc::new(MemoryBus::new());
    let (vop, span): (VopId, _) = ("vOp1".parse()?, Length::from_metres(80_000));
    let at = |pop: &str| -> Result<PortRef, Box<dyn Error>> {
        Ok(PortRef { pop_id: pop.parse()?, router_id: "router1".parse()?, port_id: "Ethernet48".parse()? })
    };
    let ports = [at("pop1")?, at("pop2")?];
    for port in &ports {
        db.add_pop(Pop::new(port.pop_id.clone())).await?;
        db.add_router(Router::new(port.router())).await?;
        db.add_port(Port::new(port.clone())).await?;
    }
    db.add_link(FibreLink::new("pop1-pop2".parse()?, "pop1".parse()?, "pop2".parse()?, span)).await?;
    let _field = Field::start(&bus, &ports, span)?;

    let tasks = InProcess::new(db.clone(), Arc::clone(&bus), ControllerConfig::default());
    let slices = SliceManager::builder(db.clone(), bus).launcher(Arc::new(tasks.clone())).start().await?;
    let (find, optical) = (tasks.clone(), http::router(Access::open()).linkdb(db).slices(slices.clone()));
    let optical = optical.controllers(move |vop| find.controller(vop)).build();
    // The integrator's server, with routes of its own beside ours.
    let app = axum::Router::new().route("/", get(async || "orchestrator")).nest("/optical", optical);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}/optical/controllers/{vop}/api/v1/connections", listener.local_addr()?);
    tokio::spawn(async move { axum::serve(listener, app).await });

    slices.activate(ActivationRequest::new(vop.clone(), "Tenant 1", ports.to_vec())).await?;
    let controller = tasks.controller(&vop).ok_or("the controller does not run")?;
    let request = ConnectionRequest::between("pop1".parse()?, "pop2".parse()?);
    let id = loop {
        match controller.create_connection(request.clone()).await {
            // The agents have not told of their modules yet.
            Err(error) if error.code() == Code::ModuleAbsent => sleep(Duration::from_millis(20)).await,
            created => break created?.0.connection_id,
        }
    };
    controller.setup_and_wait(&id, Duration::from_secs(120)).await?;
    let state = controller.connection(&id)?.state;
    Ok((state, format!("{url}/{id}"), storage.writes.load(Ordering::Relaxed)))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let (state, url, writes) = light().await?;
    println!("the connection is {state}, see {url}; {writes} records were written");
    Ok(())
}

#[cfg(test)]
mod tests;
