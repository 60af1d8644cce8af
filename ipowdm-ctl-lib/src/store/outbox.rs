//! The outbox: messages that become due with the transaction that caused them.

use super::Record;
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
