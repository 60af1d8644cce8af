//! `run`, and how modules, journal and bus are opened.

use crate::journal::FileStorage;
use crate::runtime::Agent;
use crate::settings::{ModuleSource, Resolved};
use ipowdm_cmis::access::Eeprom;
use ipowdm_cmis::emulator::{EmulatedModule, ModuleClock, Profile};
use ipowdm_cmis::transport::{Optoe, Socket};
use ipowdm_core::bus::Bus;
use ipowdm_core::bus::kafka;
use ipowdm_core::ids::PortId;
use std::error::Error;
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

/// Serves until interrupted or terminated.
pub(crate) fn run(resolved: Resolved) -> Result<(), Box<dyn Error>> {
    // One thread is enough for one switch: modules that block have threads of their own.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut builder = Agent::builder(resolved.agent.clone()).bus(bus(&resolved)?);
        for (index, (port, source)) in resolved.modules.iter().enumerate() {
            let eeprom = open(port, source, index)?;
            builder = match source {
                ModuleSource::Emulated => builder.port(port.clone(), eeprom),
                ModuleSource::Eeprom(_) | ModuleSource::Socket(_) => {
                    builder.blocking_port(port.clone(), eeprom)
                }
            };
        }
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
