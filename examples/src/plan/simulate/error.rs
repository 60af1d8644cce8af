//! Why there is nothing to simulate.

use ipowdm_ctl_lib::paths::GraphError;
use ipowdm_ctl_lib::plane::PlaneError;
use ipowdm_ctl_lib::topology::DocumentError;
use std::path::PathBuf;

/// Input that is no workload on a network.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SimulateError {
    /// A file cannot be read.
    #[error("{}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// The topology file is none.
    #[error("{}: {source}", path.display())]
    Topology {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: DocumentError,
    },
    /// The topology is not a graph.
    #[error(transparent)]
    Graph(#[from] GraphError),
    /// A network of fewer than two nodes has no requests.
    #[error("a network of {nodes} nodes has no pairs")]
    TooSmall {
        /// How many it has.
        nodes: usize,
    },
    /// Two nodes are not connected.
    #[error("no path leads from node {from} to node {to}")]
    Unreachable {
        /// One node.
        from: String,
        /// The other node.
        to: String,
    },
    /// The file of paths is none.
    #[error("{}: {reason}", path.display())]
    Paths {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// An option has a value that makes no sense.
    #[error("--{option}: {reason}")]
    Option {
        /// The option.
        option: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// The network does not fit the allocator.
    #[error(transparent)]
    Plane(#[from] PlaneError),
}
