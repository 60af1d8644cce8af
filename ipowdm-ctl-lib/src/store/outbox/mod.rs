//! The outbox: messages that become due with the transaction that caused them.
//!
//! [`Tx::publish`](super::Tx::publish) stores a message in the same transaction as the state it follows from, under a key that is ordered as the
//! commits are. An [`OutboxRelay`] publishes it afterwards and deletes it when the bus has confirmed it: **at least once**,
//! in order among the messages of one topic and key. Consumers recognise repeats by what is in the message.
//!
//! One relay runs per store.

mod lanes;
mod published;
mod relay;
#[cfg(test)]
mod tests;

pub use lanes::{LaneId, Lanes, Outcome, RelayOptions, Work};
pub use relay::{OutboxRelay, Publish, PublishError, RelayCounts};

use super::{Key, Record};
use serde::{Deserialize, Serialize};

/// A message to be published after its transaction has committed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutboxRecord {
    /// The topic.
    pub topic: String,
    /// The record key: order is kept among messages of the same topic and key.
    pub key: Vec<u8>,
    /// The payload; `None` is a tombstone of a compacted topic.
    pub payload: Option<Vec<u8>>,
}

impl Record for OutboxRecord {
    const KIND: &'static str = "outbox";
    const VERSION: u8 = 1;
}

/// A message that the bus refuses for ever, kept for people to look at. The newest [`RejectedMessage::KEPT`] are kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RejectedMessage {
    /// The message; `None` where its record could not be read.
    pub message: Option<OutboxRecord>,
    /// Why it was refused.
    pub reason: String,
}

impl RejectedMessage {
    /// How many are kept.
    pub const KEPT: usize = 1000;

    /// The key under which a refused message is kept: ordered as the messages were.
    #[must_use]
    pub fn key(message: &Key<OutboxRecord>) -> Key<Self> {
        Key::new(&message.parts())
    }
}

impl Record for RejectedMessage {
    const KIND: &'static str = "outbox-rejected";
    const VERSION: u8 = 1;
}
