//! Commands on the wire, and the ids that tell whose answer an ack is.

use super::record::ConnectionRecord;
use crate::connection::{CommandNumber, Order};
use crate::store::OutboxRecord;
use core::fmt;
use ipowdm_core::ids::{AgentId, CommandId, ConnectionId, IdError, Incarnation, PortRef, VopId};
use ipowdm_core::msg::{Action, AdminState, Command, Endpoint, Superset, Target, VERSION};
use ipowdm_core::qot::End;
use ipowdm_core::time::Timestamp;
use ipowdm_core::topics::murmur2;
use serde::{Deserialize, Serialize};
use std::hash::{BuildHasher as _, RandomState};

/// Characters of a connection id that a command id carries; the rest of it would not fit beside the numbers.
const CARRIED: usize = 64;

/// The life of the virtual operator that a command belongs to, as ids carry it: murmur2 of the incarnation.
///
/// A store made anew counts connections, epochs and commands from the start again, while agents remember what they have
/// answered: without this they would take a new command for one that they know. No two activations have the same incarnation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct LifeTag(u32);

impl LifeTag {
    pub(super) fn of(incarnation: &Incarnation) -> Self {
        Self(murmur2(incarnation.as_str().as_bytes()))
    }
}

impl fmt::Display for LifeTag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}", self.0)
    }
}

/// Which start of a controller made a command: a number drawn at random at each start, so that no id is given twice.
///
/// Everything else in an id comes from the store, and a store that is restored from a backup counts what it has counted before
/// once more; its epoch too, where as many controllers start after the restoration as have started since the backup.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct StartTag(pub(super) u64);

impl StartTag {
    /// From the operating system's randomness, by way of the keys that the standard library draws for its hash maps.
    pub(super) fn random() -> Self {
        Self(RandomState::new().hash_one(0_u8))
    }
}

impl fmt::Display for StartTag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// Which command of which life of a connection an ack answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct CommandRef {
    pub(super) incarnation: u64,
    pub(super) start: StartTag,
    pub(super) number: CommandNumber,
}

/// The id of a command: `<connection>.<life>.<incarnation>.<start>.<number>`.
pub(super) fn command_id(
    connection: &ConnectionId,
    life: LifeTag,
    CommandRef { incarnation, start, number }: CommandRef,
) -> Result<CommandId, IdError> {
    let carried: String = connection.as_str().chars().take(CARRIED).collect();
    CommandId::new(&format!("{carried}.{life}.{incarnation:x}.{start}.{}", number.0))
}

/// Reads an id made by [`command_id`] in the same life: the carried part of the connection id, and the command.
pub(super) fn parse(id: &CommandId, life: LifeTag) -> Option<(&str, CommandRef)> {
    let mut parts = id.as_str().rsplitn(5, '.');
    let number = CommandNumber(parts.next()?.parse().ok()?);
    let start = StartTag(u64::from_str_radix(parts.next()?, 16).ok()?);
    let incarnation = u64::from_str_radix(parts.next()?, 16).ok()?;
    let of_life = u32::from_str_radix(parts.next()?, 16).ok().map(LifeTag)?;
    Some((parts.next()?, CommandRef { incarnation, start, number })).filter(|_| of_life == life)
}

/// Whether a carried part is that of a connection.
pub(super) fn carries(carried: &str, connection: &ConnectionId) -> bool {
    connection.as_str().get(..CARRIED).unwrap_or(connection.as_str()) == carried
}

/// The id of a command to a port's transmitter.
pub(super) fn port_command_id(
    port: &PortRef,
    life: LifeTag,
    start: StartTag,
    version: u64,
) -> Result<CommandId, IdError> {
    let hash = murmur2(port.to_string().as_bytes());
    CommandId::new(&format!("{}.{hash:08x}.{life}.{start}.{version:x}", port.port_id))
}

/// The id of a question to all agents.
pub(super) fn question_id(
    action: &str,
    life: LifeTag,
    start: StartTag,
    number: u64,
) -> Result<CommandId, IdError> {
    CommandId::new(&format!("{action}.{life}.{start}.{number}"))
}

/// What does not change from command to command.
#[derive(Debug, Clone)]
pub(super) struct Sender {
    pub(super) vop: VopId,
    pub(super) life: LifeTag,
    pub(super) start: StartTag,
    pub(super) topic: String,
    /// Whether commands are written so that agents of every make understand them.
    pub(super) compatibility: bool,
}

/// What goes with a command, whatever it is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Given {
    pub(super) epoch: u64,
    /// When, for display.
    pub(super) at: Timestamp,
    /// The number by which the agent knows the application to run.
    pub(super) app: Option<u8>,
}

impl Given {
    /// With a command that runs no application.
    pub(super) const fn bare(epoch: u64, at: Timestamp) -> Self {
        Self { epoch, at, app: None }
    }
}

impl Sender {
    /// A command as it goes on the wire.
    pub(super) fn encode(&self, command: &Command, superset: &Superset) -> Vec<u8> {
        if self.compatibility { command.to_superset_json(superset) } else { command.to_json() }
    }

    /// The id of a command to an end of a connection.
    pub(super) fn command_id(
        &self,
        record: &ConnectionRecord,
        number: CommandNumber,
    ) -> Result<CommandId, IdError> {
        let command = CommandRef { incarnation: record.incarnation.0.get(), start: self.start, number };
        command_id(&record.id, self.life, command)
    }

    /// The message that gives one end of a connection its order.
    pub(super) fn order(
        &self,
        record: &ConnectionRecord,
        end: End,
        given: Given,
        number: CommandNumber,
        (order, lifetime_ms): (&Order, Option<u64>),
        reason: Option<&str>,
    ) -> Result<OutboxRecord, IdError> {
        let port = record.ports.get(end).clone();
        let bare = Endpoint { port, frequency: None, tx_power: None, media_code: None };
        let connection_id = record.id.clone();
        let action = match order {
            Order::Setup(wanted) => {
                let endpoint = Endpoint {
                    frequency: Some(wanted.frequency),
                    tx_power: wanted.tx_power,
                    media_code: Some(wanted.media_code),
                    ..bare
                };
                Action::Setup { connection_id, endpoints: vec![endpoint] }
            }
            Order::Reconfigure(power) => {
                let endpoint = Endpoint { tx_power: Some(*power), ..bare };
                let reason = reason.map(ToOwned::to_owned);
                Action::Reconfigure { connection_id, reason, endpoints: vec![endpoint] }
            }
            Order::Teardown => Action::Teardown { connection_id, endpoints: vec![bare] },
        };
        let id = self.command_id(record, number)?;
        Ok(self.to_agent(record.agents.get(end), id, given, lifetime_ms, action))
    }

    /// The message that takes a connection off a port which it does not hold any more.
    pub(super) fn stray(
        &self,
        agent: &AgentId,
        id: CommandId,
        given: Given,
        lifetime_ms: u64,
        (connection, port): (&ConnectionId, &PortRef),
    ) -> OutboxRecord {
        let endpoint = Endpoint { port: port.clone(), frequency: None, tx_power: None, media_code: None };
        let action = Action::Teardown { connection_id: connection.clone(), endpoints: vec![endpoint] };
        self.to_agent(agent, id, given, Some(lifetime_ms), action)
    }

    /// The message that switches a port's transmitter.
    pub(super) fn interface_control(
        &self,
        agent: &AgentId,
        id: CommandId,
        given: Given,
        lifetime_ms: u64,
        (port, up): (&PortRef, bool),
    ) -> OutboxRecord {
        let state = if up { AdminState::Up } else { AdminState::Down };
        let action = Action::InterfaceControl { port: port.clone(), state };
        self.to_agent(agent, id, given, Some(lifetime_ms), action)
    }

    fn to_agent(
        &self,
        agent: &AgentId,
        id: CommandId,
        given: Given,
        lifetime_ms: Option<u64>,
        action: Action,
    ) -> OutboxRecord {
        let command = Command {
            command_id: Some(id),
            vop: Some(self.vop.clone()),
            target: Target::Agent(agent.clone()),
            epoch: Some(given.epoch),
            lifetime_ms,
            v: VERSION,
            action,
        };
        let (topic, key) = (self.topic.clone(), agent.as_str().as_bytes().to_vec());
        let payload = self.encode(&command, &Superset { at: given.at, app: given.app });
        OutboxRecord { topic, key, payload: Some(payload) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_command_id_reads_back_in_its_life_only(
            connection in "[A-Za-z0-9_:-][A-Za-z0-9_.:-]{0,126}", life: u32, incarnation: u64, start: u64, number: u32
        ) {
            let connection = ConnectionId::new(&connection).unwrap();
            let command = CommandRef { incarnation, start: StartTag(start), number: CommandNumber(number) };
            let id = command_id(&connection, LifeTag(life), command).unwrap();
            let (carried, read) = parse(&id, LifeTag(life)).unwrap();
            prop_assert!(carries(carried, &connection));
            prop_assert_eq!(read, command);
            prop_assert_eq!(parse(&id, LifeTag(life ^ 1)), None);
        }

        #[test]
        fn any_command_id_reads_without_panic(id in "[A-Za-z0-9_:@/+-][A-Za-z0-9_.:@/+-]{0,126}", life: u32) {
            let _ = parse(&CommandId::new(&id).unwrap(), LifeTag(life));
        }

        #[test]
        fn every_port_has_a_command_id(pop in "[a-z]{1,63}", router in "[a-z]{1,63}", port in "[A-Za-z0-9/:-][A-Za-z0-9/:.-]{0,62}",
                                       life: u32, start: u64, version: u64) {
            let port = PortRef { pop_id: pop.parse().unwrap(), router_id: router.parse().unwrap(), port_id: port.parse().unwrap() };
            prop_assert!(port_command_id(&port, LifeTag(life), StartTag(start), version).is_ok());
        }
    }

    #[test]
    fn no_two_starts_are_the_same() {
        assert_ne!(StartTag::random(), StartTag::random());
    }

    #[test]
    fn a_hand_typed_id_is_nobodys() {
        let typed = CommandId::new("setup-POP1-POP2-1").unwrap();
        assert_eq!(parse(&typed, LifeTag(0)), None);
    }
}
