//! What a controller refuses, and why.

use crate::connection::State;
use crate::linkdb::LinkDbError;
use crate::store::StoreError;
use ipowdm_core::bus::BusError;
use ipowdm_core::capability::PowerRange;
use ipowdm_core::error::Code;
use ipowdm_core::units::Power;

/// Why a controller did not do what it was asked. Nothing was changed, unless it is [`StoreError::Indeterminate`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ControllerError {
    /// A field has an impossible value.
    #[error("{field}: {reason}")]
    Invalid {
        /// The field.
        field: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// The virtual operator is not activated.
    #[error("virtual operator {vop} is not activated")]
    UnknownVop {
        /// The virtual operator.
        vop: String,
    },
    /// The virtual operator has no such connection.
    #[error("connection {connection} is not known")]
    UnknownConnection {
        /// The connection.
        connection: String,
    },
    /// No operation of this id is known (any more).
    #[error("operation {operation} is not known")]
    UnknownOperation {
        /// The operation.
        operation: String,
    },
    /// The virtual operator has no port on such a router.
    #[error("router {router} is not known")]
    UnknownRouter {
        /// The router, `pop/router`.
        router: String,
    },
    /// No agent is known at the router.
    #[error("no agent is known at {router}")]
    UnknownAgent {
        /// The router, `pop/router`.
        router: String,
    },
    /// A live connection of this id differs from what was asked.
    #[error("connection {connection} exists and differs from what was asked")]
    AlreadyExists {
        /// The connection.
        connection: String,
    },
    /// The state does not allow this.
    #[error("connection {connection} is {state}: {request} is not possible")]
    IllegalState {
        /// The connection.
        connection: String,
        /// Its state.
        state: State,
        /// What was asked.
        request: &'static str,
    },
    /// An operation on the port is still under way.
    #[error("an operation on port {port} is still under way")]
    PortBusy {
        /// The port.
        port: String,
    },
    /// The power is outside what module, operator and grant allow together.
    #[error("{power} is outside {min} … {max}, which module, operator and grant of {port} allow",
            min = range.min, max = range.max)]
    PowerOutOfRange {
        /// The port.
        port: String,
        /// The refused power.
        power: Power,
        /// What is allowed.
        range: PowerRange,
    },
    /// Module, operator and grant leave no power that all allow.
    #[error("no launch power of the configuration is allowed at {port}")]
    NoLaunchPower {
        /// The port.
        port: String,
    },
    /// Modules or build cannot do it.
    #[error("{what}")]
    Unsupported {
        /// What cannot be done.
        what: String,
    },
    /// Another controller has taken over this virtual operator.
    #[error("another controller has taken over: this one is generation {generation}")]
    Superseded {
        /// The generation of this controller.
        generation: u64,
    },
    /// The controller does not command its virtual operator now: another does, or its lease could not be renewed.
    #[error("the controller of {vop} does not command now: its lease has ended, or is another's")]
    NotCommanding {
        /// The virtual operator.
        vop: String,
    },
    /// This controller has been stopped.
    #[error("the controller of {vop} has been stopped")]
    Stopped {
        /// Its virtual operator.
        vop: String,
    },
    /// The request was carried out before, and what it has led to is not known any more.
    #[error("the request was carried out before as {result}, which is not known any more")]
    DoneBefore {
        /// What it has led to: an operation, or a connection.
        result: String,
    },
    /// LinkDB refuses.
    #[error(transparent)]
    LinkDb(LinkDbError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The bus failed.
    #[error(transparent)]
    Bus(#[from] BusError),
}

impl From<LinkDbError> for ControllerError {
    fn from(error: LinkDbError) -> Self {
        match error {
            LinkDbError::Store(error) => Self::Store(error),
            other => Self::LinkDb(other),
        }
    }
}

impl ControllerError {
    /// The stable code.
    #[must_use]
    pub const fn code(&self) -> Code {
        match self {
            Self::Invalid { .. } => Code::InvalidField,
            Self::UnknownVop { .. } => Code::UnknownVop,
            Self::UnknownConnection { .. } => Code::UnknownConnection,
            Self::UnknownOperation { .. } => Code::UnknownOperation,
            Self::UnknownRouter { .. } => Code::UnknownRouter,
            Self::UnknownAgent { .. } => Code::UnknownAgent,
            Self::AlreadyExists { .. } => Code::AlreadyExists,
            Self::IllegalState { .. } | Self::PortBusy { .. } | Self::DoneBefore { .. } => Code::IllegalState,
            Self::PowerOutOfRange { .. } | Self::NoLaunchPower { .. } => Code::PowerOutOfRange,
            Self::Unsupported { .. } => Code::Unsupported,
            Self::Superseded { .. } => Code::StaleEpoch,
            Self::NotCommanding { .. } => Code::NotCommanding,
            Self::Stopped { .. } => Code::Stopped,
            Self::LinkDb(error) => error.code(),
            Self::Store(error) => error.code(),
            Self::Bus(error) => error.code(),
        }
    }
}
