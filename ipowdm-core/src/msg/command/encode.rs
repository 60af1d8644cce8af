//! The JSON of a command as this project writes it.

use super::{Action, AdminState, Command, Endpoint, Target};
use alloc::vec::Vec;
use serde::Serialize;

#[derive(Serialize)]
struct Wire<'a> {
    action: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    command_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    v: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    epoch: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    lifetime_ms: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    virtual_operator: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    target_pop: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    target_agent: Option<&'a str>,
    #[serde(skip_serializing_if = "Parameters::is_empty")]
    parameters: Parameters<'a>,
}

#[derive(Serialize, Default)]
pub(super) struct Parameters<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) connection_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) reason: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) pop_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) router_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) interface: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) action: Option<&'a str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) endpoint_config: Vec<EndpointWire<'a>>,
    /// Of the agent's own endpoint, for those that look for it here.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) tx_power_level: Option<f64>,
}

impl Parameters<'_> {
    fn is_empty(&self) -> bool {
        self.connection_id.is_none() && self.interface.is_none() && self.endpoint_config.is_empty()
    }
}

#[derive(Serialize)]
pub(super) struct EndpointWire<'a> {
    pop_id: &'a str,
    node_id: &'a str,
    port_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    frequency: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tx_power_level: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    frequency_mhz: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    media_code: Option<u8>,
}

impl Command {
    /// The command as JSON: the guide's fields, and after them ours where they are set.
    ///
    /// A command of version 0 carries exactly the guide's fields.
    #[must_use]
    pub fn to_json(&self) -> Vec<u8> {
        let ours = self.v > 0;
        let mut parameters = Parameters {
            connection_id: self.action.connection_id().map(AsRef::as_ref),
            endpoint_config: self.action.endpoints().iter().map(|e| endpoint(e, ours)).collect(),
            ..Parameters::default()
        };
        match &self.action {
            Action::Reconfigure { reason, .. } => parameters.reason = reason.as_deref(),
            Action::InterfaceControl { port, state } => {
                parameters.pop_id = Some(port.pop_id.as_str());
                parameters.router_id = Some(port.router_id.as_str());
                parameters.interface = Some(port.port_id.as_str());
                parameters.action = Some(match state {
                    AdminState::Up => "up",
                    AdminState::Down => "down",
                });
            }
            _ => {}
        }
        let (target_pop, target_agent) = match &self.target {
            Target::All => (None, None),
            Target::Pop(pop) => (Some(pop.as_str()), None),
            Target::Agent(agent) => (None, Some(agent.as_str())),
        };
        crate::msg::write(&Wire {
            action: self.action.name(),
            command_id: self.command_id.as_ref().map(AsRef::as_ref),
            v: ours.then_some(self.v),
            epoch: self.epoch,
            lifetime_ms: self.lifetime_ms,
            virtual_operator: self.vop.as_ref().map(AsRef::as_ref),
            target_pop,
            target_agent,
            parameters,
        })
    }
}

pub(super) fn endpoint(endpoint: &Endpoint, ours: bool) -> EndpointWire<'_> {
    EndpointWire {
        pop_id: endpoint.port.pop_id.as_str(),
        node_id: endpoint.port.router_id.as_str(),
        port_id: endpoint.port.port_id.as_str(),
        frequency: endpoint.frequency.map(crate::units::Frequency::thz),
        tx_power_level: endpoint.tx_power.map(crate::units::Power::value),
        frequency_mhz: endpoint.frequency.filter(|_| ours).map(crate::units::Frequency::mhz),
        media_code: endpoint.media_code,
    }
}
