//! How the links of a topology become fibres of a plane.

use crate::paths::{DensePath, Graph};

/// What a link is to a plane. A link is numbered as its [`Graph`] does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Fibres {
    /// Two fibres, one per direction, each used by the signals of its direction alone: requests are one-way. Link e is fibre 2e from
    /// its first end to its second and fibre 2e + 1 back.
    #[default]
    Directed,
    /// One set of slots that both directions share. Link e is fibre e.
    Shared,
    /// Two fibres, numbered as directed ones, and a signal takes the same slots on both: what a pluggable does whose one laser
    /// transmits and receives.
    Paired,
}

impl Fibres {
    /// Fibres of a graph's links; `None` where they are too many to be numbered.
    #[must_use]
    pub fn count(self, graph: &Graph) -> Option<u32> {
        let links = u32::try_from(graph.edges()).ok()?;
        match self {
            Self::Shared => Some(links),
            Self::Directed | Self::Paired => links.checked_mul(2),
        }
    }

    /// The fibres that carry a signal from the first to the last node of a path; `None` where the path is not one of the graph.
    #[must_use]
    pub fn of(self, graph: &Graph, path: &DensePath) -> Option<Vec<u32>> {
        let mut fibres = Vec::with_capacity(2 * path.edges.len());
        for (&edge, &from) in path.edges.iter().zip(&path.nodes) {
            let (a, _) = graph.ends(edge)?;
            match self {
                Self::Shared => fibres.push(edge),
                Self::Directed => fibres.push(edge.checked_mul(2)? + u32::from(from != a)),
                Self::Paired => {
                    let forth = edge.checked_mul(2)?;
                    fibres.extend([forth, forth + 1]);
                }
            }
        }
        Some(fibres)
    }
}
