//! What can go wrong with a switch's databases and files.

use super::Database;
use ipowdm_core::error::Code;
use std::path::PathBuf;

/// A failure at a switch's databases or files.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SonicError {
    /// A file of the switch cannot be read.
    #[error("{}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// A file of the switch does not say what it should.
    #[error("{}: {reason}", path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The catalogue of databases lacks one that is needed.
    #[error("{} names no {database}", path.display())]
    NoDatabase {
        /// The catalogue.
        path: PathBuf,
        /// What it lacks.
        database: Database,
    },
    /// A database does not answer.
    #[error("{database} at {}: {source}", socket.display())]
    Redis {
        /// The database.
        database: Database,
        /// Its socket.
        socket: PathBuf,
        /// What the client says.
        source: redis::RedisError,
    },
}

impl SonicError {
    /// The stable code.
    #[must_use]
    pub const fn code(&self) -> Code {
        match self {
            Self::File { .. } | Self::Redis { .. } => Code::StoreUnavailable,
            Self::Content { .. } | Self::NoDatabase { .. } => Code::Malformed,
        }
    }
}
