//! What does not agree.

use ipowdm_core::ids::{AgentId, ConnectionId, LinkId, PortRef, VopId};
use ipowdm_core::units::{Frequency, Power};
use serde::Serialize;

/// Something that does not agree; as text, a sentence for people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, thiserror::Error)]
#[serde(tag = "finding", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Finding {
    /// An agent has not answered.
    #[error("agent {agent} does not answer for {vop}: nothing is known of its ports")]
    Silent {
        /// For whom it was asked.
        vop: VopId,
        /// The agent.
        agent: AgentId,
    },
    /// A connection is up and its module is away.
    #[error("{connection}: there is no module at {port}")]
    Absent {
        /// The connection.
        connection: ConnectionId,
        /// The port.
        port: PortRef,
    },
    /// A connection is up and its laser is off.
    #[error("{connection}: the laser at {port} is off")]
    Dark {
        /// The connection.
        connection: ConnectionId,
        /// The port.
        port: PortRef,
    },
    /// A connection is up and its laser is elsewhere.
    #[error("{connection}: {port} is at {}, not at {wanted}", shown(.found.as_ref()))]
    Frequency {
        /// The connection.
        connection: ConnectionId,
        /// The port.
        port: PortRef,
        /// What it should be.
        wanted: Frequency,
        /// What was read; `None` where it could not be.
        found: Option<Frequency>,
    },
    /// A connection is up and its transmit power is another.
    #[error("{connection}: {port} is set to {}, not to {wanted}", shown(.found.as_ref()))]
    TxPower {
        /// The connection.
        connection: ConnectionId,
        /// The port.
        port: PortRef,
        /// What it should be.
        wanted: Power,
        /// What was read; `None` where it could not be.
        found: Option<Power>,
    },
    /// A connection is up and its port serves another, or none.
    #[error("{connection}: {port} serves {}", shown(.found.as_ref()))]
    Serves {
        /// The connection.
        connection: ConnectionId,
        /// The port.
        port: PortRef,
        /// The connection that it serves, as its agent says.
        found: Option<ConnectionId>,
    },
    /// A port shines, or serves a connection, and nobody owns it.
    #[error("{port} shines or serves {} and nobody owns it", shown(.serves.as_ref()))]
    Unowned {
        /// The port.
        port: PortRef,
        /// The connection that it serves, as its agent says.
        serves: Option<ConnectionId>,
    },
    /// Slots are granted to a virtual operator's connection which its controller does not have.
    #[error("{connection} of {vop} holds spectrum and no controller has it")]
    Ungoverned {
        /// The virtual operator.
        vop: VopId,
        /// The connection.
        connection: ConnectionId,
    },
    /// A connection should hold slots and holds none.
    #[error("{connection} of {vop} holds no spectrum")]
    Ungranted {
        /// The virtual operator.
        vop: VopId,
        /// The connection.
        connection: ConnectionId,
    },
    /// A connection is granted a slot that it does not hold on a link of its path.
    #[error("{connection} does not hold its slot on {link}")]
    Slots {
        /// The connection.
        connection: ConnectionId,
        /// The link.
        link: LinkId,
    },
    /// A connection is granted a slot outside the windows that its virtual operator has on a link of its path.
    #[error("{connection} of {vop} is at {frequency}, which {vop} is not granted on {link}")]
    Outside {
        /// The virtual operator.
        vop: VopId,
        /// The connection.
        connection: ConnectionId,
        /// The link.
        link: LinkId,
        /// Where the connection is.
        frequency: Frequency,
    },
    /// Slots of a link are held by a connection that has no grant for them.
    #[error("slots of {link} are held by {connection}, which has no grant for them")]
    StraySlots {
        /// The connection.
        connection: ConnectionId,
        /// The link.
        link: LinkId,
    },
    /// A connection is granted a port that it does not hold.
    #[error("{connection} does not hold {port}, which it was granted")]
    Claim {
        /// The connection.
        connection: ConnectionId,
        /// The port.
        port: PortRef,
    },
    /// A port is held by a connection that has no grant for it.
    #[error("{port} is held by {connection}, which has no grant for it")]
    StrayClaim {
        /// The connection.
        connection: ConnectionId,
        /// The port.
        port: PortRef,
    },
    /// The index of a virtual operator's connections does not agree with the grants.
    #[error("the index of {vop}'s connections disagrees with the grants about {connection}")]
    Index {
        /// The virtual operator.
        vop: VopId,
        /// The connection.
        connection: ConnectionId,
    },
    /// A port is a virtual operator's in one record and not in the other.
    #[error("{port} is {}'s in the inventory, and {}'s as virtual operators have it", shown(.inventory.as_ref()), shown(.granted.as_ref()))]
    Assignment {
        /// The port.
        port: PortRef,
        /// Whose it is in the inventory.
        inventory: Option<VopId>,
        /// Who was given it with its activation.
        granted: Option<VopId>,
    },
    /// An agent serves a port for a virtual operator that was not given it, or does not serve one that was.
    #[error("agent {agent} {} {port} for {vop}", if *.serves { "serves" } else { "does not serve" })]
    Served {
        /// The virtual operator.
        vop: VopId,
        /// The agent.
        agent: AgentId,
        /// The port.
        port: PortRef,
        /// Whether it serves it.
        serves: bool,
    },
}

fn shown<T: core::fmt::Display>(value: Option<&T>) -> String {
    value.map_or_else(|| "nothing".to_owned(), ToString::to_string)
}
