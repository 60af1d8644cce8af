//! What agents of other makes say, read into the same types where it means the same.
//!
//! A message of version 1 or later is one of this project and read strictly ([`AgentMessage::from_json`]). Of the others every
//! form is read that an existing agent is known to write:
//!
//! | type | becomes |
//! |---|---|
//! | `setupConnectionResult`, `teardownConnectionResult`, `reconfigConnectionResult`, `error`, `commandAck`, `ack`, `command_ack` | [`Claim`]: the agent's word that a command worked or not, with nothing read back, and of the results without a command id |
//! | `telemetrySample`; `telemetry`, `agentTelemetry`, `monitoring`, `qotTelemetry` with `data` | [`TelemetrySample`] without a number of its own; `null` and what is no number is absent |
//! | `agentHealth`, `agentHeartbeat`, `health`, `heartbeat`, and `healthCheck` with a status | [`AgentHealth`] |
//! | `capabilities`, `agentCapabilities` | [`Capabilities`], a module's only where its modes are known here |
//! | `qotEvent` | [`QualityNote`]: what the agent says about quality, and did not do |

use super::{
    AckStatus, AgentHealth, AgentMessage, Capabilities, DecodeError, HealthStatus, InterfaceCapability,
    InterfaceHealth, TelemetryFields, TelemetrySample, clipped, number as wire, plain_sample, read, version,
};
use crate::capability::{ApplicationInfo, GridRange, ModuleCapability, PowerRange};
use crate::grid::Grid;
use crate::ids::{AgentId, CommandId, ConnectionId, IdError, PortId, RouterRef, VopId};
use crate::modes;
use crate::time::Timestamp;
use crate::units::{Ber, Db, Frequency, Power};
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use serde_json::{Map, Value};

type Object = Map<String, Value>;

/// Most characters kept of a text from outside.
const TEXT: usize = 256;

/// Most ports of one message that are looked at.
const MAX_INTERFACES: usize = 1_024;

/// Existing agents divide the distance from their lowest frequency by this and drop the rest: what is no channel of this grid
/// they would tune to another.
const FOREIGN_GRID: Grid = Grid::Ghz100;

/// What a reader knows and a message may leave out.
#[derive(Clone, Copy)]
pub struct Surroundings<'a> {
    /// Whose topic the message is from.
    pub vop: &'a VopId,
    /// Where an agent is, by its id.
    pub router_of: &'a dyn Fn(&AgentId) -> Option<RouterRef>,
    /// When the message came, for those that tell no time; display only.
    pub now: Timestamp,
}

/// A message of an agent of any make.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
#[expect(
    clippy::large_enum_variant,
    reason = "nearly all are samples, which are not worth an allocation each"
)]
pub enum Reply {
    /// In our terms.
    Message(AgentMessage),
    /// An agent's word about a command.
    Claim(Claim),
    /// An agent's word about quality.
    Note(QualityNote),
}

/// An agent's word that a command worked, or did not. Nothing was read back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// Who says so.
    pub agent_id: AgentId,
    /// Where that agent is.
    pub router: RouterRef,
    /// The command's action, where the message names one.
    pub action: Option<String>,
    /// The command, where the message names one.
    pub command_id: Option<CommandId>,
    /// The connection, where the message names one.
    pub connection_id: Option<ConnectionId>,
    /// The port, where the message names one.
    pub interface: Option<PortId>,
    /// What the agent says.
    pub status: AckStatus,
    /// The transmit power that it says it has set.
    pub new_power: Option<Power>,
    /// What went wrong, in its words.
    pub error: Option<String>,
    /// When, by the agent's clock; two messages with the same are one.
    pub timestamp: Timestamp,
}

/// What an agent says about quality.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QualityNote {
    /// Who; the reference writes the same id whoever it is.
    pub agent_id: AgentId,
    /// The connection.
    pub connection_id: ConnectionId,
    /// What it calls it.
    pub event: String,
}

impl Reply {
    /// Reads a record of a monitoring or health topic, of an agent of any make.
    ///
    /// # Errors
    /// [`DecodeError`]; a message of a type that no known agent sends is [`DecodeError::Unknown`].
    pub fn from_json(bytes: &[u8], around: &Surroundings<'_>) -> Result<Self, DecodeError> {
        if let Some(sample) = plain_sample(bytes) {
            return Ok(Self::Message(AgentMessage::Telemetry(sample)));
        }
        let value: Value = read(bytes)?;
        let Value::Object(top) = value else {
            return Err(DecodeError::Malformed("the record is JSON but not an object".to_string()));
        };
        if version(top.get("v"))? > 0 {
            return AgentMessage::from_json(bytes).map(Self::Message);
        }
        let message = Message { top: &top, around };
        let kind = message.text("type").unwrap_or_default();
        match kind {
            "setupConnectionResult" | "teardownConnectionResult" | "reconfigConnectionResult" => {
                message.result(kind.strip_suffix("Result").unwrap_or(kind)).map(Self::Claim)
            }
            "error" => message.error().map(Self::Claim),
            // An ack as this project writes it says how the command ended.
            "commandAck" if top.contains_key("outcome") => AgentMessage::from_json(bytes).map(Self::Message),
            "commandAck" | "ack" | "command_ack" => message.ack().map(Self::Claim),
            "telemetrySample" | "telemetry" | "agentTelemetry" | "monitoring" | "qotTelemetry" => {
                message.sample().map(|sample| Self::Message(AgentMessage::Telemetry(sample)))
            }
            "agentHealth" | "agentHeartbeat" | "health" | "heartbeat" => {
                message.health().map(Self::of_health)
            }
            "healthCheck" if top.contains_key("status") => message.health().map(Self::of_health),
            "capabilities" | "agentCapabilities" => {
                message.capabilities().map(|said| Self::Message(AgentMessage::Capabilities(said)))
            }
            "qotEvent" => message.note().map(Self::Note),
            other => Err(DecodeError::Unknown(clipped(other))),
        }
    }

    const fn of_health(health: AgentHealth) -> Self {
        Self::Message(AgentMessage::Health(health))
    }
}

/// A message and what is known beside it.
struct Message<'a> {
    top: &'a Object,
    around: &'a Surroundings<'a>,
}

impl<'a> Message<'a> {
    fn text(&self, name: &str) -> Option<&'a str> {
        self.top.get(name).and_then(Value::as_str)
    }

    fn id<T>(&self, name: &str, new: impl Fn(&str) -> Result<T, IdError>) -> Result<T, DecodeError> {
        let text = self.text(name).ok_or_else(|| DecodeError::field(name, "is missing"))?;
        new(text).map_err(|error| DecodeError::field(name, error))
    }

    fn agent(&self) -> Result<AgentId, DecodeError> {
        self.id("agent_id", AgentId::new)
    }

    /// Where the agent says it is; by its id where it does not.
    fn router(&self, agent: &AgentId) -> Result<RouterRef, DecodeError> {
        let router = self.text("router_id").or_else(|| self.text("node_id"));
        if let (Some(pop), Some(router)) = (self.text("pop_id"), router) {
            return Ok(RouterRef {
                pop_id: pop.parse().map_err(|error: IdError| DecodeError::field("pop_id", error))?,
                router_id: router.parse().map_err(|error: IdError| DecodeError::field("router_id", error))?,
            });
        }
        (self.around.router_of)(agent).ok_or_else(|| {
            DecodeError::field("agent_id", format!("{agent} is not known, and says not where it is"))
        })
    }

    fn vop(&self) -> Result<VopId, DecodeError> {
        match self.text("virtual_operator") {
            None => Ok(self.around.vop.clone()),
            Some(text) => VopId::new(text).map_err(|error| DecodeError::field("virtual_operator", error)),
        }
    }

    fn timestamp(&self) -> Timestamp {
        let time = self.top.get("timestamp");
        time.and_then(|time| serde_json::from_value(time.clone()).ok()).unwrap_or(self.around.now)
    }

    fn claim(&self, status: AckStatus) -> Result<Claim, DecodeError> {
        let agent_id = self.agent()?;
        Ok(Claim {
            router: self.router(&agent_id)?,
            agent_id,
            action: None,
            // An id that cannot be one of ours answers nothing of ours.
            command_id: self.text("command_id").and_then(|id| CommandId::new(id).ok()),
            connection_id: self.text("connection_id").and_then(|id| ConnectionId::new(id).ok()),
            interface: self.text("interface").and_then(|id| PortId::new(id).ok()),
            status,
            new_power: self.top.get("new_power").and_then(power_of),
            error: self.text("error").map(kept),
            timestamp: self.timestamp(),
        })
    }

    fn result(&self, action: &str) -> Result<Claim, DecodeError> {
        let success = self.top.get("success").and_then(Value::as_bool);
        let success = success.ok_or_else(|| DecodeError::field("success", "must be true or false"))?;
        self.id("connection_id", ConnectionId::new)?;
        let claim = self.claim(if success { AckStatus::Success } else { AckStatus::Failed })?;
        Ok(Claim { action: Some(action.to_string()), ..claim })
    }

    fn error(&self) -> Result<Claim, DecodeError> {
        let words = [self.text("error_type"), self.text("error_message")].map(Option::unwrap_or_default);
        let claim = self.claim(AckStatus::Failed)?;
        Ok(Claim { error: Some(kept(&words.join(": "))), ..claim })
    }

    fn ack(&self) -> Result<Claim, DecodeError> {
        let said = self.text("status").or_else(|| self.text("ack_status")).unwrap_or_default();
        let status = match said.to_ascii_lowercase().as_str() {
            "success" | "ok" | "completed" => AckStatus::Success,
            "failed" | "failure" | "error" | "rejected" => AckStatus::Failed,
            // Whether it worked is not known yet.
            _ => return Err(DecodeError::field("status", format!("{:?} is no outcome", clipped(said)))),
        };
        self.id("command_id", CommandId::new)?;
        let details = self.top.get("details").and_then(Value::as_object);
        let error = details.and_then(|details| details.get("error")).and_then(Value::as_str);
        let claim = self.claim(status)?;
        Ok(Claim {
            action: self.text("action").map(clipped),
            error: error.map(kept).or(claim.error),
            ..claim
        })
    }

    fn sample(&self) -> Result<TelemetrySample, DecodeError> {
        let inner = self.top.get("data").and_then(Value::as_object).unwrap_or(self.top);
        let text = |name: &str| inner.get(name).and_then(Value::as_str).or_else(|| self.text(name));
        let missing = |name: &'static str| DecodeError::field(name, "is missing");
        let wrong = |name: &'static str| move |error: IdError| DecodeError::field(name, error);
        let fields =
            ["fields", "readings"].iter().find_map(|name| inner.get(*name).and_then(Value::as_object));
        let fields = fields.ok_or_else(|| missing("fields"))?;
        let connection = text("connection_id").ok_or_else(|| missing("connection_id"))?;
        let interface = text("interface").ok_or_else(|| missing("interface"))?;
        let mut sample = TelemetrySample::new(
            ConnectionId::new(connection).map_err(wrong("connection_id"))?,
            self.agent()?,
            PortId::new(interface).map_err(wrong("interface"))?,
            self.timestamp(),
            measurements(fields),
        );
        // Only what says where it is has named itself; the id alone may be the same in all agents.
        if let (Some(pop), Some(router)) = (self.text("pop_id"), self.text("router_id")) {
            sample.pop_id = Some(pop.parse().map_err(wrong("pop_id"))?);
            sample.router_id = Some(router.parse().map_err(wrong("router_id"))?);
        }
        sample.virtual_operator = self.text("virtual_operator").map(|_| self.vop()).transpose()?;
        Ok(sample)
    }

    fn health(&self) -> Result<AgentHealth, DecodeError> {
        let status = self.text("status").ok_or_else(|| DecodeError::field("status", "is missing"))?;
        let agent_id = self.agent()?;
        let router = self.router(&agent_id)?;
        let issues = self.top.get("issues").and_then(Value::as_array);
        Ok(AgentHealth {
            v: 0,
            agent_id,
            pop_id: router.pop_id,
            router_id: router.router_id,
            virtual_operator: self.vop()?,
            status: match status.to_ascii_lowercase().as_str() {
                "healthy" | "ok" | "up" => HealthStatus::Healthy,
                "stopped" => HealthStatus::Stopped,
                _ => HealthStatus::Degraded,
            },
            timestamp: self.timestamp(),
            uptime: self.top.get("uptime").and_then(Value::as_f64).filter(|up| up.is_finite()).unwrap_or(0.0),
            boot_id: None,
            epoch: None,
            emulated: false,
            interfaces: self.interfaces(interface_health),
            issues: issues.into_iter().flatten().filter_map(Value::as_str).map(kept).collect(),
        })
    }

    fn capabilities(&self) -> Result<Capabilities, DecodeError> {
        let agent_id = self.agent()?;
        let router = self.router(&agent_id)?;
        Ok(Capabilities {
            v: 0,
            agent_id,
            pop_id: router.pop_id,
            router_id: router.router_id,
            virtual_operator: self.vop()?,
            timestamp: self.timestamp(),
            interfaces: self.interfaces(interface_capability),
        })
    }

    fn interfaces<T>(&self, read: impl Fn(&Value) -> Option<T>) -> Vec<T> {
        let list = self.top.get("interfaces").and_then(Value::as_array);
        list.into_iter().flatten().take(MAX_INTERFACES).filter_map(read).collect()
    }

    fn note(&self) -> Result<QualityNote, DecodeError> {
        Ok(QualityNote {
            agent_id: self.agent()?,
            connection_id: self.id("connection_id", ConnectionId::new)?,
            event: self.text("event").map(clipped).unwrap_or_default(),
        })
    }
}

fn kept(text: &str) -> String {
    text.chars().take(TEXT).collect()
}

fn power_of(value: &Value) -> Option<Power> {
    value.as_f64().and_then(|number| Power::from_number(number).ok())
}

/// What was measured. What a module is *set* to is not taken from these agents: they tell it in units and roundings of their
/// own.
fn measurements(fields: &Object) -> TelemetryFields {
    let number = |names: [&str; 2]| names.iter().find_map(|name| fields.get(*name).and_then(Value::as_f64));
    let celsius = number(["temperature", "temperature_c"]).map(Value::from);
    let state = fields.get("module_state").and_then(Value::as_str).filter(|state| is_told(state));
    TelemetryFields {
        rx_power: number(["rx_power", "rx_power_dbm"]).and_then(|dbm| Power::from_number(dbm).ok()),
        tx_power: number(["tx_power", "tx_power_dbm"]).and_then(|dbm| Power::from_number(dbm).ok()),
        osnr: number(["osnr", "osnr_db"]).and_then(|db| Db::from_number(db).ok()),
        ber: number(["ber", "pre_fec_ber"]).and_then(|ber| Ber::from_number(ber).ok()),
        temperature: celsius.and_then(|celsius| wire::temperature::deserialize(celsius).ok().flatten()),
        module_state: state.map(Into::into),
        ..TelemetryFields::default()
    }
}

/// Existing agents write `unknown` for what they could not read.
fn is_told(text: &str) -> bool {
    !text.is_empty() && text != "unknown"
}

fn told(object: &Object, name: &str) -> Option<String> {
    object.get(name).and_then(Value::as_str).filter(|text| is_told(text)).map(kept)
}

fn interface_health(value: &Value) -> Option<InterfaceHealth> {
    let object = value.as_object()?;
    let frequency = object.get("frequency_mhz").or_else(|| object.get("frequency"));
    Some(InterfaceHealth {
        port_id: PortId::new(object.get("port_id")?.as_str()?).ok()?,
        present: object.get("present")?.as_bool()?,
        operational: object.get("operational").and_then(Value::as_bool),
        admin_up: None,
        vendor: told(object, "vendor"),
        part_number: told(object, "part_number"),
        serial: told(object, "serial"),
        module_state: told(object, "module_state").map(Into::into),
        data_path_state: None,
        // In GHz, whatever the name says.
        frequency_mhz: frequency
            .and_then(Value::as_f64)
            .and_then(|number| Frequency::from_number(number).ok()),
        app_code: object.get("app_code").and_then(Value::as_u64).and_then(|code| u8::try_from(code).ok()),
        tx_power_dbm: object.get("tx_power_dbm").and_then(power_of),
        connection_id: None,
        quality: None,
    })
}

fn interface_capability(value: &Value) -> Option<InterfaceCapability> {
    let empty = Object::new();
    let (port, object) = match value {
        Value::String(name) => (name.as_str(), &empty),
        Value::Object(object) => (object.get("port_id")?.as_str()?, object),
        _ => return None,
    };
    let range = |name: &str| {
        let pair = object.get(name)?.as_array()?;
        let [low, high] = pair.as_slice() else { return None };
        Some([low.as_f64()?, high.as_f64()?])
    };
    let (frequency_range, tx_power_range) = (range("frequency_range"), range("tx_power_range"));
    Some(InterfaceCapability {
        port_id: PortId::new(port).ok()?,
        vendor: told(object, "vendor"),
        part_number: told(object, "part_number"),
        frequency_range,
        tx_power_range,
        capability: module(object.get("app_code"), frequency_range, tx_power_range),
    })
}

/// What a module can do by what an existing agent says of it; `None` where that is not enough to plan with: no mode that is
/// known here, no frequency.
fn module(
    applications: Option<&Value>,
    frequencies: Option<[f64; 2]>,
    powers: Option<[f64; 2]>,
) -> Option<ModuleCapability> {
    let mut known = heapless::Vec::new();
    for app_sel in 1..=15_u8 {
        let media_code = applications?.get(app_sel.to_string()).and_then(media_code);
        if let Some(media_code) = media_code {
            // Nothing is told about the host's side.
            let application =
                ApplicationInfo { app_sel, host_code: 0, media_code, host_lanes: 0, media_lanes: 1 };
            known.push(application).ok()?;
        }
    }
    if known.is_empty() {
        return None;
    }
    let [low, high] = frequencies?.map(Frequency::from_number);
    let (low, high) = (low.ok()?, high.ok()?);
    let channels = |n: &i16| FOREIGN_GRID.frequency(*n).is_ok_and(|at| (low..=high).contains(&at));
    let (low_channel, high_channel) = ((-200..200).find(channels)?, (-200..200).rev().find(channels)?);
    let range = GridRange { grid: FOREIGN_GRID, low_channel, high_channel };
    let tx_power = powers.and_then(|[min, max]| {
        let range = PowerRange { min: Power::from_number(min).ok()?, max: Power::from_number(max).ok()? };
        (range.min <= range.max).then_some(range)
    });
    Some(ModuleCapability { grids: heapless::Vec::from_slice(&[range]).ok()?, tx_power, applications: known })
}

/// The mode that an existing agent calls by rate and a name of its own.
fn media_code(application: &Value) -> Option<u8> {
    let rate = application.get("rate")?.as_str()?.strip_suffix('G')?;
    let mode = application.get("mode")?.as_str()?;
    // 400ZR is for amplified DWDM lines; the other names lack what the catalogue puts before them.
    let name = if mode == "DWDM-amplified" { format!("{rate}ZR") } else { format!("ZR{rate}-{mode}") };
    modes::CATALOGUE.iter().find(|known| known.name == name).map(|known| known.media_code)
}

#[cfg(test)]
mod tests;
