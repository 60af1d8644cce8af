//! Reading commands of the guide's form and of the dialects of existing controllers.

use super::{Action, AdminState, Command, Endpoint, Target};
use crate::ids::{CommandId, ConnectionId, IdError, PortRef};
use crate::msg::unique::Unique;
use crate::msg::{DecodeError, clipped, read, version};
use crate::units::{Frequency, Power};
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use serde_json::{Map, Value};

/// Most endpoints one command may name. A connection has two; an agent ignores those that are not its own.
const MAX_ENDPOINTS: usize = 64;

type Object = Map<String, Value>;

impl Command {
    /// Reads a record of a config topic.
    ///
    /// Accepted beside the guide's form: `type` in the place of `action`; `interfaceControl` with `action` up, down or
    /// admin_down; one endpoint spread over `parameters`; `connection_id`, `frequency` and `endpoint_config` at the
    /// top level; frequencies in THz, GHz or MHz. A member that is there twice is refused: two readers would disagree on
    /// what was commanded.
    ///
    /// # Errors
    /// [`DecodeError`]; nothing of a refused record is to be carried out.
    pub fn from_json(bytes: &[u8]) -> Result<Self, DecodeError> {
        let Unique(value) = read(bytes)?;
        let Value::Object(top) = value else {
            return Err(DecodeError::Malformed("the record is JSON but not an object".to_string()));
        };
        let v = version(top.get("v"))?;
        let empty = Object::new();
        let parameters = match top.get("parameters") {
            None | Some(Value::Null) => &empty,
            Some(Value::Object(object)) => object,
            Some(_) => return Err(DecodeError::field("parameters", "must be an object")),
        };
        let source = Source { top: &top, parameters };
        Ok(Self {
            command_id: source.id("command_id", CommandId::new)?,
            vop: source.id("virtual_operator", crate::ids::VopId::new)?,
            target: source.target()?,
            epoch: source.unsigned("epoch")?,
            lifetime_ms: source.unsigned("lifetime_ms")?,
            v,
            action: source.action()?,
        })
    }
}

/// Where the fields of a command are looked for: in `parameters` first, then at the top.
struct Source<'a> {
    top: &'a Object,
    parameters: &'a Object,
}

impl<'a> Source<'a> {
    fn get(&self, name: &str) -> Option<&'a Value> {
        self.parameters.get(name).or_else(|| self.top.get(name)).filter(|value| !value.is_null())
    }

    fn text(&self, name: &str) -> Result<Option<&'a str>, DecodeError> {
        text_of(self.get(name), name)
    }

    fn id<T>(&self, name: &str, new: impl Fn(&str) -> Result<T, IdError>) -> Result<Option<T>, DecodeError> {
        self.text(name)?.map(new).transpose().map_err(|error| DecodeError::field(name, error))
    }

    fn unsigned(&self, name: &str) -> Result<Option<u64>, DecodeError> {
        match self.top.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(value) => value
                .as_u64()
                .map(Some)
                .ok_or_else(|| DecodeError::field(name, "must be a whole number, not negative")),
        }
    }

    fn target(&self) -> Result<Target, DecodeError> {
        if let Some(agent) = self.top.get("target_agent").filter(|v| !v.is_null()) {
            let text = text_of(Some(agent), "target_agent")?.unwrap_or_default();
            if text != "all" {
                let agent =
                    crate::ids::AgentId::new(text).map_err(|e| DecodeError::field("target_agent", e))?;
                return Ok(Target::Agent(agent));
            }
        }
        match text_of(self.top.get("target_pop"), "target_pop")? {
            None | Some("all") => Ok(Target::All),
            Some(pop) => {
                crate::ids::PopId::new(pop).map(Target::Pop).map_err(|e| DecodeError::field("target_pop", e))
            }
        }
    }

    fn action(&self) -> Result<Action, DecodeError> {
        let action = text_of(self.top.get("action"), "action")?;
        let kind = text_of(self.top.get("type"), "type")?;
        // Where both are there and `type` names a command, `action` is that command's argument (up, down).
        let name = kind.filter(|kind| is_command(kind)).or(action).or(kind).unwrap_or_default();
        match name {
            "setupConnection" => {
                let endpoints = self.endpoints()?;
                required(&endpoints)?;
                for (i, endpoint) in endpoints.iter().enumerate() {
                    if endpoint.frequency.is_none() {
                        return Err(DecodeError::field(
                            &format!("endpoint_config[{i}].frequency"),
                            "is missing",
                        ));
                    }
                }
                Ok(Action::Setup { connection_id: self.connection()?, endpoints })
            }
            "reconfigConnection" => {
                let endpoints = self.endpoints()?;
                required(&endpoints)?;
                let reason = self.text("reason")?.map(String::from);
                Ok(Action::Reconfigure { connection_id: self.connection()?, reason, endpoints })
            }
            "teardownConnection" => {
                Ok(Action::Teardown { connection_id: self.connection()?, endpoints: self.endpoints()? })
            }
            "interfaceControl" => Ok(Action::InterfaceControl {
                port: self.spread_port()?.ok_or_else(|| DecodeError::field("interface", "is missing"))?,
                state: self.admin_state()?,
            }),
            "healthCheck" => Ok(Action::HealthCheck),
            "getCapabilities" => Ok(Action::GetCapabilities),
            "discover" => Ok(Action::Discover),
            "dump" => Ok(Action::Dump),
            "startTelemetry" => {
                Ok(Action::StartTelemetry { connection_id: self.connection()?, endpoints: self.endpoints()? })
            }
            "stopTelemetry" => Ok(Action::StopTelemetry { connection_id: self.connection()? }),
            other => Err(DecodeError::Unknown(clipped(other))),
        }
    }

    fn connection(&self) -> Result<ConnectionId, DecodeError> {
        self.id("connection_id", ConnectionId::new)?
            .ok_or_else(|| DecodeError::field("connection_id", "is missing"))
    }

    fn admin_state(&self) -> Result<AdminState, DecodeError> {
        let text = match self.parameters.get("action").or_else(|| self.parameters.get("admin_state")) {
            Some(value) => text_of(Some(value), "parameters.action")?,
            None => self.text("action")?.or(self.text("admin_state")?),
        };
        match text {
            Some("up") => Ok(AdminState::Up),
            Some("down" | "admin_down") => Ok(AdminState::Down),
            other => {
                Err(DecodeError::field("action", format!("must be up, down or admin_down, not {other:?}")))
            }
        }
    }

    /// The port of a command that spreads one endpoint over its parameters.
    fn spread_port(&self) -> Result<Option<PortRef>, DecodeError> {
        let Some(port) = self.get("interface").or_else(|| self.get("port_id")) else {
            return Ok(None);
        };
        let mut object = Object::new();
        object.insert("port_id".to_string(), port.clone());
        for (from, to) in [("pop_id", "pop_id"), ("router_id", "node_id"), ("node_id", "node_id")] {
            if let Some(value) = self.get(from) {
                object.insert(to.to_string(), value.clone());
            }
        }
        port_of(&object, "parameters").map(Some)
    }

    fn endpoints(&self) -> Result<Vec<Endpoint>, DecodeError> {
        let common = frequency_of(self.top, "")?;
        match self.get("endpoint_config") {
            Some(Value::Array(list)) if list.len() > MAX_ENDPOINTS => Err(DecodeError::field(
                "endpoint_config",
                format!("{} entries, at most {MAX_ENDPOINTS}", list.len()),
            )),
            Some(Value::Array(list)) => {
                let mut endpoints = Vec::with_capacity(list.len());
                for (i, value) in list.iter().enumerate() {
                    let at = format!("endpoint_config[{i}]");
                    let Value::Object(object) = value else {
                        return Err(DecodeError::field(&at, "must be an object"));
                    };
                    let mut endpoint = endpoint_of(object, &at)?;
                    endpoint.frequency = endpoint.frequency.or(common);
                    endpoints.push(endpoint);
                }
                Ok(endpoints)
            }
            Some(_) => Err(DecodeError::field("endpoint_config", "must be a list")),
            None => Ok(self
                .spread_port()?
                .map(|port| {
                    Ok(Endpoint {
                        port,
                        frequency: frequency_of(self.parameters, "parameters.")?.or(common),
                        tx_power: power_of(self.parameters, "parameters.")?,
                        media_code: media_code_of(self.parameters, "parameters.")?,
                    })
                })
                .transpose()?
                .into_iter()
                .collect()),
        }
    }
}

fn is_command(name: &str) -> bool {
    matches!(
        name,
        "setupConnection"
            | "reconfigConnection"
            | "teardownConnection"
            | "interfaceControl"
            | "healthCheck"
            | "getCapabilities"
            | "discover"
            | "dump"
            | "startTelemetry"
            | "stopTelemetry"
    )
}

fn required(endpoints: &[Endpoint]) -> Result<(), DecodeError> {
    if endpoints.is_empty() {
        Err(DecodeError::field("endpoint_config", "is missing or empty"))
    } else {
        Ok(())
    }
}

fn text_of<'a>(value: Option<&'a Value>, name: &str) -> Result<Option<&'a str>, DecodeError> {
    match value {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(DecodeError::field(name, "must be a string")),
    }
}

fn number_of(object: &Object, name: &str, at: &str) -> Result<Option<f64>, DecodeError> {
    match object.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => value
            .as_f64()
            .filter(|number| number.is_finite())
            .map(Some)
            .ok_or_else(|| DecodeError::field(&format!("{at}{name}"), "must be a number")),
    }
}

/// `frequency` (THz, GHz or MHz) or `frequency_mhz`; where both are given they must agree.
fn frequency_of(object: &Object, at: &str) -> Result<Option<Frequency>, DecodeError> {
    let from = |name: &str, parse: fn(f64) -> Result<Frequency, crate::units::UnitError>| {
        number_of(object, name, at)?
            .map(parse)
            .transpose()
            .map_err(|error| DecodeError::field(&format!("{at}{name}"), error))
    };
    let float = from("frequency", Frequency::from_number)?;
    let whole = from("frequency_mhz", |mhz| Frequency::from_thz(mhz / 1e6))?;
    match (float, whole) {
        (Some(a), Some(b)) if a != b => {
            Err(DecodeError::field(&format!("{at}frequency_mhz"), format!("{b} contradicts frequency {a}")))
        }
        (a, b) => Ok(b.or(a)),
    }
}

fn power_of(object: &Object, at: &str) -> Result<Option<Power>, DecodeError> {
    for name in ["tx_power_level", "tx_power"] {
        if let Some(number) = number_of(object, name, at)? {
            return Power::from_number(number)
                .map(Some)
                .map_err(|error| DecodeError::field(&format!("{at}{name}"), error));
        }
    }
    Ok(None)
}

fn media_code_of(object: &Object, at: &str) -> Result<Option<u8>, DecodeError> {
    match object.get("media_code") {
        None | Some(Value::Null) => Ok(None),
        Some(value) => value
            .as_u64()
            .and_then(|code| u8::try_from(code).ok())
            .map(Some)
            .ok_or_else(|| DecodeError::field(&format!("{at}media_code"), "must be 0..=255")),
    }
}

fn port_of(object: &Object, at: &str) -> Result<PortRef, DecodeError> {
    let text = |name: &str| {
        let place = format!("{at}.{name}");
        text_of(object.get(name), &place)?.ok_or_else(|| DecodeError::field(&place, "is missing"))
    };
    let router = if object.contains_key("node_id") { "node_id" } else { "router_id" };
    let refuse = |name: &str, error: IdError| DecodeError::field(&format!("{at}.{name}"), error);
    Ok(PortRef {
        pop_id: text("pop_id")?.parse().map_err(|e| refuse("pop_id", e))?,
        router_id: text(router)?.parse().map_err(|e| refuse(router, e))?,
        port_id: text("port_id")?.parse().map_err(|e| refuse("port_id", e))?,
    })
}

fn endpoint_of(object: &Object, at: &str) -> Result<Endpoint, DecodeError> {
    let dot = format!("{at}.");
    Ok(Endpoint {
        port: port_of(object, at)?,
        frequency: frequency_of(object, &dot)?,
        tx_power: power_of(object, &dot)?,
        media_code: media_code_of(object, &dot)?,
    })
}
