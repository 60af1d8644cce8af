//! Wire messages: JSON with the reference's field names.
//!
//! Encoding is frozen: golden bytes in the tests. Decoding tolerates unknown fields and `null` for an absent number,
//! accepts the dialects of existing controllers and agents, and answers anything else with a typed [`DecodeError`].
//! Every number of a version is a major one: a message of a version beyond [`VERSION`] is refused whatever it looks like,
//! because what its known fields mean there is not known here.
//! A number that is not known is absent, never 0; every number written is finite.

mod ack;
mod assignment;
mod command;
mod dump;
mod health;
mod number;
mod reply;
mod telemetry;
mod unique;

pub use ack::{AckDetails, AckStatus, CommandAck, DATA_PATH_ACTIVATED, DATA_PATH_DARK, Outcome, Readback};
pub use assignment::{Assignment, PortGrant, VopAssignment};
pub use command::{Action, AdminState, Command, Endpoint, Superset, Target};
pub use dump::{FecInterval, IntervalValue, ModuleInterval, PortDump, Spread, WindowStats};
pub use health::{AgentHealth, Capabilities, HealthStatus, InterfaceCapability, InterfaceHealth};
pub use reply::{Claim, QualityNote, Reply, Surroundings};
pub use telemetry::{TelemetryFields, TelemetrySample};

use crate::error::Code;
use alloc::string::{String, ToString};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// A state in CMIS' words, such as `ModuleReady` or `DPActivated`. Up to 23 characters need no heap: every sample has two.
pub type StateName = smol_str::SmolStr;

/// The version of the messages written by this build, the highest that it reads. Messages without one are of version 0:
/// the reference's.
pub const VERSION: u16 = 1;

/// The target under which controllers and agents trace a command's way, each step with its `command_id`.
pub const COMMAND_TRACE: &str = "ipowdm::command";

/// Greatest size of a record that is looked at at all.
pub const MAX_RECORD: usize = 1 << 20;

/// Why a record is not a message.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// The record is not JSON, or not a JSON object.
    #[error("not a JSON object: {0}")]
    Malformed(String),
    /// The record is larger than [`MAX_RECORD`].
    #[error("record of {size} bytes exceeds {max}", max = MAX_RECORD)]
    TooLarge {
        /// Its size in bytes.
        size: usize,
    },
    /// The message names no type or action, or one that this build does not know.
    #[error("unknown message type or action {0:?}")]
    Unknown(String),
    /// The message is of a later version than [`VERSION`]; nothing else of it was looked at.
    #[error("message version {0} is not known here, only versions up to {max}", max = VERSION)]
    UnknownVersion(u64),
    /// A field is missing or cannot be what it must be.
    #[error("field {field}: {reason}")]
    Field {
        /// Where in the message.
        field: String,
        /// What is wrong with it.
        reason: String,
    },
}

impl DecodeError {
    pub(crate) fn field(field: &str, reason: impl core::fmt::Display) -> Self {
        Self::Field { field: field.to_string(), reason: reason.to_string() }
    }

    /// The stable code.
    #[must_use]
    pub const fn code(&self) -> Code {
        match self {
            Self::Malformed(_) => Code::Malformed,
            Self::TooLarge { .. } => Code::TooLarge,
            Self::Unknown(_) => Code::UnknownAction,
            Self::UnknownVersion(_) => Code::UnknownVersion,
            Self::Field { .. } => Code::InvalidField,
        }
    }
}

/// Any message that an agent sends.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum AgentMessage {
    /// The outcome of a command at one endpoint.
    Ack(CommandAck),
    /// A telemetry sample of one connection endpoint.
    Telemetry(TelemetrySample),
    /// A heartbeat.
    Health(AgentHealth),
    /// What the agent's modules can do.
    Capabilities(Capabilities),
    /// What is known about a port.
    Dump(PortDump),
}

impl AgentMessage {
    /// Reads a record of a monitoring or health topic.
    ///
    /// # Errors
    /// [`DecodeError`]; a message of another type is [`DecodeError::Unknown`].
    pub fn from_json(bytes: &[u8]) -> Result<Self, DecodeError> {
        if let Some(sample) = plain_sample(bytes) {
            return Ok(Self::Telemetry(sample));
        }
        match Tag::read(bytes)?.kind.as_deref() {
            Some("commandAck") => Ok(Self::Ack(read_as(bytes)?)),
            Some("telemetrySample") => Ok(Self::Telemetry(read_as(bytes)?)),
            Some("agentHealth") => Ok(Self::Health(read_as(bytes)?)),
            Some("capabilities") => Ok(Self::Capabilities(read_as(bytes)?)),
            Some("portDump") => Ok(Self::Dump(read_as(bytes)?)),
            other => Err(DecodeError::Unknown(clipped(other.unwrap_or_default()))),
        }
    }
}

/// How agents of this project begin a sample.
const SAMPLE: &[u8] = br#"{"type":"telemetrySample","#;

/// A sample that can only be a sample of a known version, read in one pass over its bytes: samples are nearly all that
/// agents send. `None` for everything that needs a closer look, whatever is wrong with it.
fn plain_sample(bytes: &[u8]) -> Option<TelemetrySample> {
    let rest = bytes.strip_prefix(SAMPLE).filter(|_| bytes.len() <= MAX_RECORD)?;
    // A second type makes a message malformed, and an escape may hide one. Few names and states have a y.
    if memchr::memchr2_iter(b'\\', b'y', rest)
        .any(|at| rest[at] == b'\\' || rest[..at].ends_with(b"\"t") && rest[at..].starts_with(b"ype\""))
    {
        return None;
    }
    // Checked once as a whole, not text by text.
    let text = core::str::from_utf8(bytes).ok()?;
    let sample: TelemetrySample = serde_json::from_str(text).ok()?;
    sample.v.is_none_or(|v| v <= VERSION).then_some(sample)
}

#[derive(Deserialize)]
struct Tag {
    #[serde(rename = "type")]
    kind: Option<String>,
    v: Option<Value>,
}

impl Tag {
    /// The tag of a message of a version that is known here.
    fn read(bytes: &[u8]) -> Result<Self, DecodeError> {
        let tag: Self = read(bytes)?;
        version(tag.v.as_ref())?;
        Ok(tag)
    }
}

/// The version that a message says it has; 0 where it says none.
fn version(v: Option<&Value>) -> Result<u16, DecodeError> {
    let number = match v {
        None | Some(Value::Null) => return Ok(0),
        Some(v) => {
            v.as_u64().ok_or_else(|| DecodeError::field("v", "must be a whole number, not negative"))?
        }
    };
    u16::try_from(number).ok().filter(|v| *v <= VERSION).ok_or(DecodeError::UnknownVersion(number))
}

/// Text from outside, cut to what a log line should carry.
fn clipped(text: &str) -> String {
    text.chars().take(64).collect()
}

/// A JSON value of any shape.
fn read<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, DecodeError> {
    if bytes.len() > MAX_RECORD {
        return Err(DecodeError::TooLarge { size: bytes.len() });
    }
    serde_json::from_slice(bytes).map_err(|error| DecodeError::Malformed(error.to_string()))
}

/// A message known to be well-formed JSON of the right type: what fails now is a field.
fn read_as<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, DecodeError> {
    serde_json::from_slice(bytes).map_err(|error| DecodeError::field("(message)", error))
}

/// Message as JSON bytes. Our message types always serialise: keys are strings, numbers are finite.
fn write<T: serde::Serialize>(message: &T) -> alloc::vec::Vec<u8> {
    serde_json::to_vec(message).unwrap_or_default()
}

macro_rules! json_message {
    ($name:ident) => {
        impl $name {
            /// The message as JSON, field order fixed.
            #[must_use]
            pub fn to_json(&self) -> alloc::vec::Vec<u8> {
                crate::msg::write(self)
            }
        }
    };
}
use json_message;

#[cfg(test)]
mod tests;
