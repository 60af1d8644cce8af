//! What a controller is asked.

use ipowdm_core::ids::{ConnectionId, PopId, PortId, RouterId};
use ipowdm_core::modes::Modulation;
use ipowdm_core::qot::End;
use ipowdm_core::units::{Db, Frequency, Power};
use serde::{Deserialize, Serialize};

/// Where a connection is to end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EndRequest {
    /// The PoP.
    pub pop: PopId,
    /// The router in it; `None` for any.
    pub router: Option<RouterId>,
    /// The port; `None` for the first free one that can do what is needed.
    pub port: Option<PortId>,
}

impl EndRequest {
    /// Any free port of a PoP.
    #[must_use]
    pub const fn at(pop: PopId) -> Self {
        Self { pop, router: None, port: None }
    }
}

/// A connection that is wanted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConnectionRequest {
    /// Its id; `None` for one that the controller makes.
    pub connection_id: Option<ConnectionId>,
    /// One end.
    pub source: EndRequest,
    /// The other end.
    pub destination: EndRequest,
    /// Client rate in Gbit/s.
    pub bandwidth_gbps: u16,
    /// Modulation format.
    pub modulation: Modulation,
    /// Centre frequency; `None` for the lowest that fits.
    pub frequency: Option<Frequency>,
    /// Launch power of both ends; `None` for the configuration's.
    pub tx_power: Option<Power>,
}

impl ConnectionRequest {
    /// 400 Gbit/s in DP-16QAM between any free ports of two PoPs.
    #[must_use]
    pub const fn between(source: PopId, destination: PopId) -> Self {
        Self {
            connection_id: None,
            source: EndRequest::at(source),
            destination: EndRequest::at(destination),
            bandwidth_gbps: 400,
            modulation: Modulation::Dp16Qam,
            frequency: None,
            tx_power: None,
        }
    }

    /// The same with an id.
    #[must_use]
    pub fn named(mut self, id: ConnectionId) -> Self {
        self.connection_id = Some(id);
        self
    }
}

/// How the power of an end is to change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PowerChange {
    /// To this.
    To(Power),
    /// By this.
    By(Db),
}

/// A change of a connection that is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReconfigureRequest {
    /// Why, in words; goes to the agents.
    pub reason: String,
    /// What is to change at the source.
    pub source: Option<PowerChange>,
    /// What is to change at the destination.
    pub destination: Option<PowerChange>,
}

impl ReconfigureRequest {
    /// A step of the transmit power at both ends, or at one.
    #[must_use]
    pub fn step(reason: &str, step: Db, only: Option<End>) -> Self {
        let change = |end| only.is_none_or(|only| only == end).then_some(PowerChange::By(step));
        Self { reason: reason.to_owned(), source: change(End::Source), destination: change(End::Destination) }
    }
}

/// What is wanted of a path that is only computed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PathRequest {
    /// One PoP.
    pub source: PopId,
    /// The other PoP.
    pub destination: PopId,
    /// Client rate in Gbit/s.
    pub bandwidth_gbps: u16,
    /// Modulation format.
    pub modulation: Modulation,
}
