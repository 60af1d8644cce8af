//! What the journal keeps: the entries and what they say of commands and ports.

use super::Digest;
use ipowdm_core::ids::{CommandId, ConnectionId, Incarnation, PortId, VopId};
use ipowdm_core::units::{Frequency, Power};
use serde::{Deserialize, Serialize};

/// What tells commands apart: an issuer's id, or for an unfenced command its place in the topic.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum CommandKey {
    /// The issuer's id, unique for ever.
    Id(CommandId),
    /// The place of the record. A hand-typed id says nothing about repetition: people send the same line twice.
    Place {
        /// Life of the topic.
        incarnation: Incarnation,
        /// Partition.
        partition: u32,
        /// Offset.
        offset: i64,
    },
}

/// What a port is to be on behalf of a connection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Desired {
    /// Whose connection.
    pub vop: VopId,
    /// The connection.
    pub connection: ConnectionId,
    /// Laser frequency.
    pub frequency: Frequency,
    /// Transmit power; absent leaves the module's.
    pub tx_power: Option<Power>,
    /// SFF-8024 media interface code; absent leaves the module's application.
    pub media_code: Option<u8>,
}

/// What a port's transmitter is meant to do.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Intent {
    /// No command was ever carried out here: the module is left as it is found, lit or dark.
    #[default]
    Untouched,
    /// Dark: a connection was taken down, failed or lost its owner.
    Dark,
    /// Lit for a connection.
    Lit(Box<Desired>),
}

impl Intent {
    /// The connection that the port serves.
    #[must_use]
    pub const fn desired(&self) -> Option<&Desired> {
        match self {
            Self::Lit(desired) => Some(desired),
            Self::Untouched | Self::Dark => None,
        }
    }
}

/// Everything that is remembered about a port.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct PortState {
    /// What its transmitter is meant to do.
    pub intent: Intent,
    /// Whether the operator switched the transmitter off.
    pub admin_down: bool,
    /// Connections that are sampled here, with their virtual operator.
    pub sessions: Vec<(ConnectionId, VopId)>,
}

/// A command that was accepted and is being carried out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Accepted {
    /// Its number in this journal; grows for ever.
    pub number: u64,
    /// Life of the agent that accepted it; part of the ack's id.
    pub boot: u64,
    /// Whose topic it came by.
    pub vop: VopId,
    /// What tells it from others.
    pub key: CommandKey,
    /// The id that the ack carries.
    pub command_id: CommandId,
    /// The endpoint; absent for a command to the agent as a whole.
    pub port: Option<PortId>,
    /// Broker's append time in milliseconds since the Unix epoch; a lifetime counts from it.
    pub stamp_ms: i64,
    /// The command as JSON, with this endpoint only.
    pub command: Vec<u8>,
}

/// The one outcome of a command at an endpoint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// Number of the command in this journal.
    pub number: u64,
    /// Whose command.
    pub vop: VopId,
    /// What tells it from others.
    pub key: CommandKey,
    /// The endpoint.
    pub port: Option<PortId>,
    /// The key of the record on the monitoring topic.
    pub record_key: String,
    /// The ack as JSON, the same for every repetition.
    pub ack: Vec<u8>,
}

/// One thing that happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Entry {
    /// The agent started; the number is this life's id.
    Boot(u64),
    /// Everything before `next` was acted on.
    Position {
        /// The topic.
        topic: String,
        /// Its life; a position of another life is void.
        incarnation: Incarnation,
        /// The partition.
        partition: u32,
        /// The first offset not acted on.
        next: i64,
    },
    /// A command with this epoch was seen.
    Epoch {
        /// The virtual operator.
        vop: VopId,
        /// Its epoch.
        epoch: u64,
    },
    /// A command is being carried out.
    Accepted(Accepted),
    /// A command has ended.
    Answered(Answer),
    /// The bus confirmed the ack of this number.
    Sent(u64),
    /// What a port is to be.
    Port(PortId, PortState),
    /// The assignment record in force, as JSON; absent: none.
    Assignment(Option<Vec<u8>>),
    /// Numbers up to this one were given.
    Numbered(u64),
    /// What the command of this key orders; before the entries of its endpoints. Since version 2.
    Content {
        /// The virtual operator.
        vop: VopId,
        /// What tells the command from others.
        key: CommandKey,
        /// What it orders.
        digest: Digest,
    },
    /// What the broker's clock showed when the agent first started with this journal, in milliseconds since the Unix
    /// epoch. Since version 2.
    FirstStart(i64),
    /// Records of a partition count from here on, whatever their time stamps; those before it count from the first start
    /// on. Since version 3.
    Bound {
        /// The topic.
        topic: String,
        /// Its life; a bound of another life is void.
        incarnation: Incarnation,
        /// The partition.
        partition: u32,
        /// The first offset that counts by itself.
        from: i64,
    },
}
