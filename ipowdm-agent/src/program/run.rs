//! `run`, and how modules, journal and bus are opened.

use super::switch;
use crate::journal::FileStorage;
use crate::module_lock::{Locked, ModuleLock};
use crate::runtime::{Agent, AgentBuilder, WallClock, system_time};
use crate::settings::{ModuleSource, Resolved};
use crate::sonic::{self, Catalogue, Detection};
use ipowdm_cmis::access::Eeprom;
use ipowdm_cmis::emulator::{EmulatedModule, ModuleClock, Profile};
use ipowdm_cmis::transport::{Optoe, Socket};
use ipowdm_core::bus::Bus;
use ipowdm_core::bus::kafka;
use ipowdm_core::ids::PortId;
use std::error::Error;
use std::path::Path;
use std::sync::Arc;

/// A module's memory.
pub(crate) fn open(
    port: &PortId,
    source: &ModuleSource,
    index: usize,
) -> Result<Box<dyn Eeprom + Send>, String> {
    match source {
        ModuleSource::Emulated => {
            let serial = u32::try_from(index).unwrap_or(u32::MAX);
            let module = EmulatedModule::new(Profile::OPENZRP, serial, ModuleClock::scaled(1));
            Ok(Box::new(module.eeprom()))
        }
        ModuleSource::Eeprom(path) => match Optoe::open(path) {
            Ok(eeprom) => Ok(Box::new(eeprom)),
            Err(error) => Err(format!("{port}: {error}")),
        },
        ModuleSource::Switch => Err(format!("{port}: its module is known to the switch alone")),
        ModuleSource::Socket(path) => match Socket::connect(path) {
            Ok(socket) => Ok(Box::new(socket.eeprom())),
            Err(error) => Err(format!("{port}: {}: {error}", path.display())),
        },
    }
}

/// The bus. It connects when it is first used, so that a broker that is down is no reason not to start.
pub(crate) fn bus(resolved: &Resolved) -> Result<Arc<dyn Bus>, Box<dyn Error>> {
    Ok(kafka::connect(&resolved.bus, kafka::Client::from_env()?)?)
}

/// The ports of the settings, wherever there is no switch's software to live beside.
fn with_modules(mut builder: AgentBuilder, resolved: &Resolved) -> Result<AgentBuilder, Box<dyn Error>> {
    for (index, (port, source)) in resolved.modules.iter().enumerate() {
        let lock = match source {
            ModuleSource::Eeprom(path) => Some(ModuleLock::take(&ModuleLock::folder(), path)?),
            ModuleSource::Emulated | ModuleSource::Socket(_) | ModuleSource::Switch => None,
        };
        let eeprom = open(port, source, index)?;
        builder = match (source, lock) {
            (ModuleSource::Emulated, _) => builder.port(port.clone(), eeprom),
            (_, Some(lock)) => builder.blocking_port(port.clone(), Box::new(Locked::new(eeprom, lock))),
            (_, None) => builder.blocking_port(port.clone(), eeprom),
        };
    }
    Ok(builder)
}

/// What was found on the switch, where the modules are a switch's and SONiC runs there. What was found is told.
fn on_switch(resolved: &Resolved) -> Result<Option<(Catalogue, Detection)>, Box<dyn Error>> {
    if !switch::is_asked(resolved) {
        return Ok(None);
    }
    let root = resolved.switch.root.as_deref().unwrap_or(Path::new("/"));
    let mut databases = sonic::open(root)?;
    let found = switch::detect(root, databases.as_mut(), resolved)?;
    tracing::info!(mode = %found.mode, "modules");
    for reason in &found.reasons {
        tracing::info!("{reason}");
    }
    for conflict in &found.conflicts {
        tracing::warn!(fix = conflict.fix(), "{conflict}");
    }
    match databases {
        Some(databases) => Ok(Some((databases.catalogue().clone(), found))),
        None => match found.fatal().next() {
            Some(conflict) => Err(format!("{conflict}; {}", conflict.fix()).into()),
            None => Ok(None),
        },
    }
}

/// Serves until interrupted or terminated.
pub(crate) fn run(resolved: Resolved) -> Result<(), Box<dyn Error>> {
    // One thread is enough for one switch: modules that block have threads of their own.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut builder = Agent::builder(resolved.agent.clone()).bus(bus(&resolved)?);
        builder = match on_switch(&resolved)? {
            Some((catalogue, found)) => {
                let wall: WallClock = Arc::new(system_time);
                sonic::attach(builder, &catalogue, &found, &ModuleLock::folder(), &wall)?
            }
            None => with_modules(builder, &resolved)?,
        };
        match &resolved.journal {
            Some(path) => builder = builder.storage(FileStorage::open(path)?),
            None => tracing::warn!("no JOURNAL_FILE: a restart forgets what was commanded"),
        }
        let agent = builder.build()?;
        tracing::info!(
            agent = %resolved.agent.identity.agent_id,
            ports = resolved.modules.len(),
            bus = resolved.bus.bootstrap.join(","),
            "serving"
        );
        agent.run_until(interrupted()).await?;
        Ok(())
    })
}

/// Ready when the process is interrupted or terminated.
async fn interrupted() {
    let terminated = async {
        match tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
            Ok(mut signal) => {
                signal.recv().await;
            }
            Err(error) => {
                tracing::warn!(%error, "SIGTERM cannot be heard");
                std::future::pending::<()>().await;
            }
        }
    };
    tokio::select! {
        result = tokio::signal::ctrl_c() => if let Err(error) = result {
            tracing::error!(%error, "SIGINT cannot be heard");
        },
        () = terminated => {}
    }
}
