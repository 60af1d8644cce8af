//! The JSON of a command that agents of every make understand.
//!
//! Existing agents look for the same things in different places: one form reads `action`, another `type`; one takes the
//! connection, a frequency in GHz and `endpoint_config` from the top level, another takes the connection and one transmit power
//! from `parameters`; the guide has everything in `parameters` and frequencies in THz. The superset has all of it, each value
//! once per place, and beside it what agents of this project need: epoch, lifetime, exact MHz, media code.

use super::encode::{EndpointWire, Parameters, endpoint};
use super::{Action, AdminState, Command, Endpoint, Target};
use crate::time::Timestamp;
use crate::units::{Frequency, Power};
use alloc::vec::Vec;
use serde::{Serialize, Serializer};

/// What the superset form of a command says beyond the command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Superset {
    /// When the command is given; display only.
    pub at: Timestamp,
    /// The number by which the agent knows the application to run: the AppSel code that its capabilities name. Agents of
    /// this project go by the media code.
    pub app: Option<u8>,
}

/// A frequency in GHz: a whole number where it is one, as nearly every channel is.
struct Ghz(Frequency);

impl Serialize for Ghz {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mhz = self.0.mhz();
        if mhz.is_multiple_of(1_000) {
            serializer.serialize_u32(mhz / 1_000)
        } else {
            serializer.serialize_f64(f64::from(mhz) / 1e3)
        }
    }
}

/// An endpoint as agents read it that want it at the top level.
#[derive(Serialize)]
struct TopEndpoint<'a> {
    pop_id: &'a str,
    node_id: &'a str,
    port_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    app: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tx_power_level: Option<f64>,
}

#[derive(Serialize)]
struct Wire<'a> {
    #[serde(rename = "type")]
    kind: &'a str,
    action: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    command_id: Option<&'a str>,
    #[serde(skip_serializing_if = "is_zero")]
    v: u16,
    #[serde(skip_serializing_if = "Option::is_none")]
    epoch: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    lifetime_ms: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    virtual_operator: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    target_agent: Option<&'a str>,
    target_pop: &'a str,
    timestamp: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    connection_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    frequency: Option<Ghz>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    endpoint_config: Vec<TopEndpoint<'a>>,
    parameters: Parameters<'a>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature serde asks for")]
const fn is_zero(v: &u16) -> bool {
    *v == 0
}

impl Command {
    /// The command as JSON that agents of every make understand. [`Command::from_json`] reads the same command from it.
    ///
    /// One frequency and one power stand for the whole message where agents want only one: those of the first endpoint. So a
    /// message is for one agent and `parameters` names one endpoint where it names any. Only a set-up has a frequency at the
    /// top: in another command it would be one to tune to.
    #[must_use]
    pub fn to_superset_json(&self, superset: &Superset) -> Vec<u8> {
        let name = self.action.name();
        let endpoints = self.action.endpoints();
        let first = endpoints.first();
        let mut guide = Parameters {
            connection_id: self.action.connection_id().map(AsRef::as_ref),
            endpoint_config: endpoints
                .iter()
                .map(|e| endpoint(e, self.v > 0))
                .collect::<Vec<EndpointWire<'_>>>(),
            ..Parameters::default()
        };
        let mut frequency = None;
        let mut action = name;
        let mut pop = first.map(|endpoint| endpoint.port.pop_id.as_str());
        match &self.action {
            Action::Setup { .. } => frequency = first.and_then(|endpoint| endpoint.frequency).map(Ghz),
            Action::Reconfigure { reason, .. } => guide.reason = reason.as_deref(),
            Action::InterfaceControl { port, state } => {
                // Existing controllers say here what is to be done, and in `type` what it is about.
                action = match state {
                    AdminState::Up => "up",
                    AdminState::Down => "down",
                };
                pop = Some(port.pop_id.as_str());
                guide.pop_id = pop;
                guide.router_id = Some(port.router_id.as_str());
                guide.interface = Some(port.port_id.as_str());
                guide.action = Some(action);
            }
            _ => {}
        }
        let (target_agent, target_pop) = match &self.target {
            Target::Agent(agent) => (Some(agent.as_str()), pop.unwrap_or("all")),
            Target::Pop(pop) => (None, pop.as_str()),
            Target::All => (None, "all"),
        };
        // Agents that want at least two endpoints carry out the first that is theirs. The other end is not named: they would
        // carry out its command, too.
        let at_least = match (&self.action, endpoints.len()) {
            (Action::Setup { .. }, 1) => 2,
            (_, named) => named,
        };
        crate::msg::write(&Wire {
            kind: name,
            action,
            command_id: self.command_id.as_ref().map(AsRef::as_ref),
            v: self.v,
            epoch: self.epoch,
            lifetime_ms: self.lifetime_ms,
            virtual_operator: self.vop.as_ref().map(AsRef::as_ref),
            target_agent,
            target_pop,
            timestamp: superset.at,
            connection_id: guide.connection_id,
            frequency,
            endpoint_config: endpoints
                .iter()
                .cycle()
                .take(at_least)
                .map(|e| at_the_top(e, superset.app))
                .collect(),
            parameters: Parameters {
                tx_power_level: first.and_then(|endpoint| endpoint.tx_power).map(Power::value),
                ..guide
            },
        })
    }
}

fn at_the_top(endpoint: &Endpoint, app: Option<u8>) -> TopEndpoint<'_> {
    TopEndpoint {
        pop_id: endpoint.port.pop_id.as_str(),
        node_id: endpoint.port.router_id.as_str(),
        port_id: endpoint.port.port_id.as_str(),
        app,
        tx_power_level: endpoint.tx_power.map(Power::value),
    }
}
