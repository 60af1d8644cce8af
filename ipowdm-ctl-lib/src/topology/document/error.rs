//! What is wrong with a document.

use super::SCHEMA;
use ipowdm_core::error::Code;
use ipowdm_core::ids::IdError;
use ipowdm_core::units::UnitError;

/// Why a document is not a topology.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum DocumentError {
    /// It is not JSON of the right shape.
    #[error("not a topology document: {reason}")]
    Malformed {
        /// What the parser says.
        reason: String,
    },
    /// It is of another schema.
    #[error("schema {schema:?} is not read, only {SCHEMA:?}")]
    Schema {
        /// The schema named.
        schema: String,
    },
    /// Its links are single fibres.
    #[error("directed networks are not read: a link is a pair of fibres")]
    Directed,
    /// An id has characters that ids may not have.
    #[error(transparent)]
    Id(#[from] IdError),
    /// A number is not a length or a place on earth.
    #[error("link or node {id}: {source}")]
    Number {
        /// The link or node.
        id: String,
        /// What is wrong.
        source: UnitError,
    },
    /// A link says something impossible, see [`FibreLink::fault`](crate::topology::FibreLink::fault).
    #[error("link {id}: {field}: {reason}")]
    Link {
        /// The link.
        id: String,
        /// The field.
        field: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// Two nodes, links, routers or ports have the same id.
    #[error("{id} appears twice")]
    Twice {
        /// The id.
        id: String,
    },
    /// A router is in no PoP of the document, or a port on no router of it.
    #[error("{id} is in a place that is not in the document")]
    Homeless {
        /// The router or port.
        id: String,
    },
    /// A link ends at a node that is not there, or at the node it began at.
    #[error("link {link} may not join {a} and {b}: both must be nodes, and different")]
    Ends {
        /// The link.
        link: String,
        /// One end.
        a: String,
        /// The other end.
        b: String,
    },
}

impl DocumentError {
    /// The stable code.
    #[must_use]
    pub const fn code(&self) -> Code {
        match self {
            Self::Malformed { .. } => Code::Malformed,
            _ => Code::InvalidField,
        }
    }
}
