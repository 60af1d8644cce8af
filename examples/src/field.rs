//! What stands in the field: two switches, each with an emulated module and the agent that drives it, and the fibre between.

use ipowdm_agent::config::{AgentConfig, Service};
use ipowdm_agent::intake::Identity;
use ipowdm_agent::runtime::{Agent, AgentHandle, BuildError};
use ipowdm_cmis::emulator::{EmulatedModule, ModuleClock, Profile};
use ipowdm_cmis::line::{AlreadyAttached, LineParameters, OpticalLine};
use ipowdm_core::bus::Bus;
use ipowdm_core::ids::PortRef;
use ipowdm_core::units::Length;
use std::sync::Arc;

/// How much faster than real modules these are.
const SPEED: u32 = 100;

/// Why there is nothing in the field.
#[derive(Debug, thiserror::Error)]
pub enum FieldError {
    /// An agent cannot be built.
    #[error(transparent)]
    Agent(#[from] BuildError),
    /// The modules cannot be joined.
    #[error(transparent)]
    Fibre(#[from] AlreadyAttached),
}

/// Two switches that a fibre joins. They end when this is dropped.
#[derive(Debug)]
pub struct Field {
    _agents: Vec<AgentHandle>,
    _fibre: OpticalLine,
}

impl Field {
    /// Plugs a module into each of two ports, joins them, and starts the agents of their switches.
    ///
    /// # Errors
    /// [`FieldError`].
    pub fn start(bus: &Arc<dyn Bus>, ports: &[PortRef; 2], span: Length) -> Result<Self, FieldError> {
        let clock = ModuleClock::scaled(SPEED);
        let modules = [1, 2].map(|serial| EmulatedModule::new(Profile::OPENZRP, serial, clock.clone()));
        let agent = |(at, module): (&PortRef, &EmulatedModule)| {
            let identity = Identity::of_router(at.pop_id.clone(), at.router_id.clone());
            let agent = Agent::builder(AgentConfig::new(identity, Service::Assigned)).bus(Arc::clone(bus));
            agent.port(at.port_id.clone(), Box::new(module.eeprom())).build()?.spawn()
        };
        let agents = ports.iter().zip(&modules).map(agent).collect::<Result<_, BuildError>>()?;
        let fibre = OpticalLine::connect(&modules[0], &modules[1], LineParameters::amplified(1, span))?;
        Ok(Self { _agents: agents, _fibre: fibre })
    }
}
