//! What the slice manager refuses, and why.

use super::record::VopPhase;
use crate::linkdb::LinkDbError;
use crate::store::StoreError;
use ipowdm_core::bus::BusError;
use ipowdm_core::error::Code;

/// Why the slice manager did not do what it was asked.
///
/// What a failed activation had begun is undone; where that fails too it is undone in the background, and when the slice
/// manager starts again.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SliceError {
    /// A field has an impossible value.
    #[error("{field}: {reason}")]
    Invalid {
        /// The field.
        field: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// No such virtual operator is active.
    #[error("virtual operator {vop} is not known")]
    UnknownVop {
        /// The virtual operator.
        vop: String,
    },
    /// A virtual operator of this id is active, and differs.
    #[error("virtual operator {vop} exists and differs from what was asked")]
    AlreadyExists {
        /// The virtual operator.
        vop: String,
    },
    /// It is being activated or dismantled.
    #[error("virtual operator {vop} is {phase}", phase = phase.as_str())]
    Busy {
        /// The virtual operator.
        vop: String,
        /// What is being done with it.
        phase: VopPhase,
    },
    /// The port has another owner. Does not say which.
    #[error("port {port} is assigned to another virtual operator")]
    PortAssigned {
        /// The port.
        port: String,
    },
    /// The spectrum is, in part, another operator's, and one of the two wants it alone. Does not say whose it is.
    #[error("some of the spectrum of {vop} is another virtual operator's, and one of the two has it alone")]
    SpectrumAssigned {
        /// The virtual operator that asked.
        vop: String,
    },
    /// The broker does not hold anybody to rights, or knows nobody by a password of ours.
    #[error("access to the topics of {vop} is not enforced: {reason}")]
    AccessNotEnforced {
        /// The virtual operator.
        vop: String,
        /// Why.
        reason: String,
    },
    /// The virtual operator has no such user on the bus.
    #[error("{vop} has no user {user}")]
    UnknownUser {
        /// The virtual operator.
        vop: String,
        /// The user name.
        user: String,
    },
    /// The virtual operator has connections.
    #[error("virtual operator {vop} has {count} live connections; force deactivation to take them down")]
    LiveConnections {
        /// The virtual operator.
        vop: String,
        /// How many.
        count: usize,
    },
    /// The controller could not be started or stopped.
    #[error("controller of {vop}: {source}")]
    Launch {
        /// The virtual operator.
        vop: String,
        /// Why.
        source: LaunchError,
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

/// Why a controller could not be started or stopped.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct LaunchError {
    /// The stable code.
    pub code: Code,
    /// What happened, for people.
    pub reason: String,
}

impl From<LinkDbError> for SliceError {
    fn from(error: LinkDbError) -> Self {
        match error {
            LinkDbError::Store(error) => Self::Store(error),
            // Names the other owner: not for the caller's ears.
            LinkDbError::InUse { what, .. } => {
                Self::PortAssigned { port: what.strip_prefix("port ").unwrap_or(&what).to_owned() }
            }
            LinkDbError::WindowsOverlap { vop, .. } => Self::SpectrumAssigned { vop },
            other => Self::LinkDb(other),
        }
    }
}

impl SliceError {
    /// The stable code.
    #[must_use]
    pub const fn code(&self) -> Code {
        match self {
            Self::Invalid { .. } => Code::InvalidField,
            Self::UnknownVop { .. } => Code::UnknownVop,
            Self::AlreadyExists { .. } => Code::AlreadyExists,
            Self::Busy { .. } => Code::IllegalState,
            Self::PortAssigned { .. } => Code::PortOccupied,
            Self::SpectrumAssigned { .. } => Code::NoSpectrum,
            Self::AccessNotEnforced { .. } => Code::Unsupported,
            Self::UnknownUser { .. } => Code::UnknownAgent,
            Self::LiveConnections { .. } => Code::LiveConnections,
            Self::Launch { source, .. } => source.code,
            Self::LinkDb(error) => error.code(),
            Self::Store(error) => error.code(),
            Self::Bus(error) => error.code(),
        }
    }
}
