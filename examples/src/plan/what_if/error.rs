//! Why there is no answer.

use ipowdm_core::grid::{BandError, Centres};
use ipowdm_core::ids::IdError;
use ipowdm_ctl_lib::linkdb::LinkDbError;
use ipowdm_ctl_lib::store::ArchiveError;
use ipowdm_ctl_lib::topology::DocumentError;
use std::path::PathBuf;

/// Input that is no question about a network.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WhatIfError {
    /// A file cannot be read or written.
    #[error("{}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// The archive is none.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    /// The topology file is none.
    #[error("{}: {source}", path.display())]
    Topology {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: DocumentError,
    },
    /// A name is not legal.
    #[error(transparent)]
    Id(#[from] IdError),
    /// The mode is neither in the catalogue nor a width.
    #[error("mode {mode:?} is neither a width in GHz nor one of {}", known.join(", "))]
    Mode {
        /// What was asked for.
        mode: String,
        /// Names of the catalogue.
        known: Vec<&'static str>,
    },
    /// The band is not known.
    #[error("band {band:?} is none of c, super-c, c+l")]
    Band {
        /// What was asked for.
        band: String,
    },
    /// The rule for centres is not known.
    #[error("centres {centres:?} are none of {}", Centres::NAMES.join(", "))]
    Centres {
        /// What was asked for.
        centres: String,
    },
    /// A channel of the mode has no place in the band.
    #[error(transparent)]
    Width(#[from] BandError),
    /// LinkDB refuses, not for want of spectrum.
    #[error(transparent)]
    LinkDb(#[from] LinkDbError),
    /// The runtime does not start.
    #[error("no runtime: {source}")]
    Runtime {
        /// What the system says.
        source: std::io::Error,
    },
}
