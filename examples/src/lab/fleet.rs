//! The agents of the lab, one per router, each as its own host would run it: its own bus connections, its own journal.

use super::broker::{BrokerError, LabBroker};
use super::plan::Plan;
use futures_util::future::join_all;
use ipowdm_agent::config::{AgentConfig, Service};
use ipowdm_agent::intake::Identity;
use ipowdm_agent::journal::FileStorage;
use ipowdm_agent::runtime::{Agent, AgentHandle, BuildError};
use ipowdm_cmis::emulator::{EmulatedModule, ModuleClock, Profile};
use ipowdm_core::ids::{PortRef, RouterRef};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Why the agents do not run.
#[derive(Debug, thiserror::Error)]
pub enum FleetError {
    /// An agent cannot be built.
    #[error(transparent)]
    Build(#[from] BuildError),
    /// A journal cannot be made.
    #[error("journal {path}: {source}")]
    Journal {
        /// Its file.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// The bus cannot be set up.
    #[error(transparent)]
    Broker(#[from] BrokerError),
    /// No agent runs at such a router.
    #[error("no agent runs at {0}")]
    Unknown(String),
}

/// All agents, and the modules in their ports.
#[derive(Debug)]
pub struct Fleet {
    agents: BTreeMap<RouterRef, AgentHandle>,
    modules: BTreeMap<PortRef, EmulatedModule>,
    journals: PathBuf,
}

impl Fleet {
    /// Plugs an emulated module into every port and starts an agent on every router.
    ///
    /// # Errors
    /// [`FleetError`].
    pub fn start(
        plan: &Plan,
        broker: &LabBroker,
        (profile, clock): (&Profile, &ModuleClock),
        journals: &Path,
    ) -> Result<Self, FleetError> {
        let modules = plan
            .ports
            .iter()
            .zip(1..)
            .map(|(port, serial)| (port.clone(), EmulatedModule::new(profile.clone(), serial, clock.clone())))
            .collect();
        let mut fleet = Self { agents: BTreeMap::new(), modules, journals: journals.to_owned() };
        let routers: Vec<RouterRef> = fleet
            .modules
            .keys()
            .map(PortRef::router)
            .collect::<std::collections::BTreeSet<_>>()
            .into_iter()
            .collect();
        for router in routers {
            fleet.start_agent(&router, broker)?;
        }
        Ok(fleet)
    }

    /// Starts the agent of a router, over the journal that an earlier life of it may have left.
    ///
    /// # Errors
    /// [`FleetError`].
    pub fn start_agent(&mut self, router: &RouterRef, broker: &LabBroker) -> Result<(), FleetError> {
        let identity = Identity::of_router(router.pop_id.clone(), router.router_id.clone());
        let agent_id = identity.agent_id.clone();
        let mut config = AgentConfig::new(identity, Service::Assigned);
        config.accept_unfenced = true;
        config.emulated = true;
        let path = self.journals.join(format!("{agent_id}.journal"));
        let storage =
            FileStorage::open(&path).map_err(|source| FleetError::Journal { path: path.clone(), source })?;
        let mut builder = Agent::builder(config).bus(broker.bus(agent_id.as_str())?).storage(storage);
        for (port, module) in self.modules.iter().filter(|(port, _)| port.router() == *router) {
            builder = builder.port(port.port_id.clone(), Box::new(module.eeprom()));
        }
        self.agents.insert(router.clone(), builder.build()?.spawn()?);
        Ok(())
    }

    /// Ends an agent as a crash would; its modules go on as they are.
    ///
    /// # Errors
    /// [`FleetError::Unknown`].
    pub async fn kill_agent(&mut self, router: &RouterRef) -> Result<(), FleetError> {
        let agent = self.agents.remove(router).ok_or_else(|| FleetError::Unknown(router.to_string()))?;
        agent.kill().await;
        Ok(())
    }

    /// Number of agents.
    #[must_use]
    pub fn len(&self) -> usize {
        self.agents.len()
    }

    /// Whether there is no agent.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.agents.is_empty()
    }

    /// An agent's handle.
    #[must_use]
    pub fn agent(&self, router: &RouterRef) -> Option<&AgentHandle> {
        self.agents.get(router)
    }

    /// All agents.
    pub fn agents(&self) -> impl Iterator<Item = (&RouterRef, &AgentHandle)> {
        self.agents.iter()
    }

    /// The modules by port.
    #[must_use]
    pub const fn modules(&self) -> &BTreeMap<PortRef, EmulatedModule> {
        &self.modules
    }

    /// Stops all agents in order; lasers stay as they are.
    pub async fn stop(self) {
        // At once: each takes its time where the bus is away.
        join_all(self.agents.into_values().map(AgentHandle::stop)).await;
    }
}
