//! What a controller stores.

use super::command::StartTag;
use super::event::ControllerEvent;
use super::lease::Lease;
use super::request::ConnectionRequest;
use crate::connection::{Ends, Failure, Lifecycle, OperationKind, Timing};
use crate::linkdb::Path;
use crate::qot_loop::{LoopState, QotLoop};
use crate::spectrum;
use crate::store::{Key, Prefix, Record, StoreError, Tx, Version};
use ipowdm_core::capability::PowerRange;
use ipowdm_core::error::Code;
use ipowdm_core::grid::FlexSlot;
use ipowdm_core::ids::{AgentId, CommandId, ConnectionId, Incarnation, PortRef, VopId};
use ipowdm_core::time::{Millis, Timestamp};
use ipowdm_core::units::Frequency;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

/// Operations of a connection that are remembered.
pub(super) const KEPT_OPERATIONS: usize = 8;

/// An operation on a connection, as it is remembered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct OperationRecord {
    pub(super) number: u32,
    pub(super) kind: OperationKind,
    pub(super) started_at: Timestamp,
    /// `None` while it is under way.
    pub(super) ended: Option<(Result<(), Failure>, Timing)>,
}

/// A connection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct ConnectionRecord {
    /// Grows with every write.
    pub(super) revision: u64,
    pub(super) id: ConnectionId,
    pub(super) request: ConnectionRequest,
    pub(super) created_at: Timestamp,
    /// Which life of the id this is.
    pub(super) incarnation: spectrum::Incarnation,
    pub(super) path: Path,
    pub(super) slot: FlexSlot,
    pub(super) frequency: Frequency,
    pub(super) media_code: u8,
    pub(super) ports: Ends<PortRef>,
    pub(super) agents: Ends<AgentId>,
    /// Powers that module, operator and grant allow; `None` where the module does not let the host set it.
    pub(super) limits: Ends<Option<PowerRange>>,
    pub(super) life: Lifecycle,
    /// `None` where the loop has found nothing yet: nearly always, and it is large.
    #[serde(with = "found")]
    pub(super) quality: Option<Box<LoopState>>,
    /// Whether the loop has given up on it.
    pub(super) alarmed: bool,
    pub(super) operations: VecDeque<OperationRecord>,
    /// Which start of a controller has sent the newest command to each end.
    pub(super) commanded_by: Ends<StartTag>,
    /// Which life of the id it was before repairs took ports and spectrum anew; `None` where none has.
    pub(super) born: Option<spectrum::Incarnation>,
}

/// The stored form of a loop that has found nothing is that of a new one.
mod found {
    use crate::qot_loop::LoopState;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    #[expect(clippy::ref_option, reason = "the signature serde asks for")]
    pub(super) fn serialize<S: Serializer>(state: &Option<Box<LoopState>>, s: S) -> Result<S::Ok, S::Error> {
        match state {
            Some(state) => state.serialize(s),
            None => LoopState::default().serialize(s),
        }
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Option<Box<LoopState>>, D::Error> {
        let state = LoopState::deserialize(d)?;
        Ok((state != LoopState::default()).then(|| Box::new(state)))
    }
}

impl ConnectionRecord {
    pub(super) fn key(vop: &VopId, id: &ConnectionId) -> Key<Self> {
        Key::new(&[vop.as_str(), id.as_str()])
    }

    pub(super) fn of(vop: &VopId) -> Prefix<Self> {
        Prefix::under(&[vop.as_str()])
    }

    /// By which life of the id its operations are known, whatever repairs take anew.
    pub(super) fn born(&self) -> spectrum::Incarnation {
        self.born.unwrap_or(self.incarnation)
    }

    /// Its quality loop, as it was last stored.
    pub(super) fn quality_loop(&self) -> QotLoop {
        self.quality.as_deref().map_or_else(QotLoop::default, |state| QotLoop::resumed(state.clone()))
    }

    /// Whether nothing but the memory of it is left.
    pub(super) const fn is_over(&self) -> bool {
        self.life.state().is_over() && !self.life.holds_grant()
    }
}

impl Record for ConnectionRecord {
    const KIND: &'static str = "connection";
    const VERSION: u8 = 2;

    fn upgrade(body: &[u8]) -> Option<Result<Self, postcard::Error>> {
        // Version 1 lacks the last field, and nothing else.
        let body = [body, &[0]].concat();
        Some(postcard::from_bytes(&body))
    }
}

/// Who may command, and with which epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(super) struct Command {
    /// The epoch of commands.
    pub(super) epoch: u64,
    /// Grows with every controller that takes over; an older one may not write any more.
    pub(super) generation: u64,
}

impl Command {
    pub(super) fn key(vop: &VopId) -> Key<Self> {
        Key::new(&[vop.as_str()])
    }
}

impl Record for Command {
    const KIND: &'static str = "controller-command";
    const VERSION: u8 = 1;
}

/// Up to where a partition has been acted on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Position(pub(super) i64);

impl Position {
    /// The key of a partition in one life of its topic.
    pub(super) fn key(vop: &VopId, topic: &str, incarnation: &Incarnation, partition: u32) -> Key<Self> {
        Key::numbered(&[vop.as_str(), topic, incarnation.as_str()], u64::from(partition))
    }

    pub(super) fn of(vop: &VopId) -> Prefix<Self> {
        Prefix::under(&[vop.as_str()])
    }
}

impl Record for Position {
    const KIND: &'static str = "controller-position";
    const VERSION: u8 = 1;
}

/// The last command to a port's transmitter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct PortOperation {
    pub(super) port: PortRef,
    pub(super) command_id: CommandId,
    /// Whether the transmitter is to be on.
    pub(super) up: bool,
    /// The version that the transaction which began it has read: of two operations on a port the later one's is greater.
    pub(super) since: Version,
    pub(super) started_at: Timestamp,
    pub(super) deadline: Millis,
    /// `None` while it is under way.
    pub(super) ended: Option<Result<(), (Code, String)>>,
}

impl PortOperation {
    pub(super) fn key(vop: &VopId, port: &PortRef) -> Key<Self> {
        let (pop, router, port) = (port.pop_id.as_str(), port.router_id.as_str(), port.port_id.as_str());
        Key::new(&[vop.as_str(), pop, router, port])
    }

    pub(super) fn of(vop: &VopId) -> Prefix<Self> {
        Prefix::under(&[vop.as_str()])
    }

    /// What is told of it as it stands: that it has begun, or ended.
    pub(super) fn told(&self) -> ControllerEvent {
        let (port, operation_id, up) = (self.port.clone(), self.command_id.to_string(), self.up);
        match &self.ended {
            None => ControllerEvent::PortBegun { port, operation_id, up },
            Some(ended) => {
                let failed = |(code, text): (Code, String)| Failure { code, end: None, text };
                let failure = ended.clone().err().map(failed);
                ControllerEvent::PortFinished { port, operation_id, up, failure }
            }
        }
    }
}

impl Record for PortOperation {
    const KIND: &'static str = "port-operation";
    const VERSION: u8 = 1;
}

/// Deletes everything that controllers have stored of a virtual operator, except who commands it: its epoch must go on
/// rising if it is activated again, because agents remember it.
pub(crate) fn forget_in(tx: &mut Tx, vop: &VopId) -> Result<(), StoreError> {
    tx.scan(&ConnectionRecord::of(vop))?.iter().for_each(|(key, _)| tx.delete(key));
    tx.scan(&Position::of(vop))?.iter().for_each(|(key, _)| tx.delete(key));
    tx.scan(&PortOperation::of(vop))?.iter().for_each(|(key, _)| tx.delete(key));
    tx.delete(&Lease::key(vop));
    Ok(())
}
