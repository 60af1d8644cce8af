//! Paths under constraints.

use super::enumerate::{Enumeration, Limits};
use super::search::{Scratch, Search};
use super::tree::reverse_tree;
use super::{DensePath, Graph, PathTable};
use crate::topology::Srlg;
use ipowdm_core::error::Code;
use ipowdm_core::ids::{LinkId, PopId};
use ipowdm_core::units::Length;
use serde::{Deserialize, Serialize};
use std::collections::HashSet;

/// PoPs that a path may be told to pass.
pub const MAX_INCLUDED: usize = 8;

/// What paths keep away from.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Avoid {
    /// PoPs.
    pub pops: Vec<PopId>,
    /// Links.
    pub links: Vec<LinkId>,
    /// Links of these risk groups.
    pub srlgs: Vec<Srlg>,
}

/// What a path must and must not do.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Constraints {
    /// What it keeps away from.
    pub avoid: Avoid,
    /// PoPs between its ends that it passes, in this order from source to destination; at most [`MAX_INCLUDED`].
    pub include: Vec<PopId>,
    /// Most links.
    pub max_hops: Option<u16>,
    /// Greatest length.
    pub max_length: Option<Length>,
}

/// Why there is no path of the kind that was asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PathError {
    /// A PoP is not known.
    #[error("PoP {pop} is not known")]
    UnknownPop {
        /// The PoP.
        pop: String,
    },
    /// A link to be avoided is not known.
    #[error("link {link} is not known")]
    UnknownLink {
        /// The link.
        link: String,
    },
    /// Both ends are one PoP.
    #[error("both ends are in PoP {pop}")]
    SamePop {
        /// The PoP.
        pop: String,
    },
    /// The constraints contradict each other, whatever the network.
    #[error("PoP {pop} is to be passed or joined, and again or not at all")]
    Contradiction {
        /// The PoP that is meant in two ways.
        pop: String,
    },
    /// More was asked for than a search takes on.
    #[error("{count} {what} are more than {most}")]
    TooMany {
        /// Of what.
        what: &'static str,
        /// How many there are.
        count: usize,
        /// How many may be.
        most: usize,
    },
    /// No path does what is asked.
    #[error("no path of usable links that meets the constraints joins {from} and {to}")]
    NoPath {
        /// One end.
        from: String,
        /// The other end.
        to: String,
    },
    /// There are paths, but no two that are disjoint.
    #[error("no two disjoint paths join {from} and {to}")]
    NoDisjointPair {
        /// One end.
        from: String,
        /// The other end.
        to: String,
    },
    /// None of the candidates looked at are disjoint; others may be: to find two paths without a common risk is NP-hard.
    #[error("no two of the {candidates} shortest paths share no risk")]
    NoneOfCandidates {
        /// How many were looked at.
        candidates: usize,
    },
    /// The search was given up: the constraints leave too many ways open.
    #[error(
        "given up after {examined} beginnings of paths, of which {found} were found; ask for fewer or loosen the limits"
    )]
    SearchLimit {
        /// Beginnings of paths that were looked at.
        examined: usize,
        /// Paths found until then.
        found: usize,
    },
}

impl PathError {
    /// The stable code.
    #[must_use]
    pub const fn code(&self) -> Code {
        match self {
            Self::UnknownPop { .. } => Code::UnknownPop,
            Self::UnknownLink { .. } => Code::UnknownLink,
            Self::SamePop { .. } => Code::SamePop,
            Self::Contradiction { .. } => Code::InvalidField,
            Self::TooMany { .. } | Self::SearchLimit { .. } => Code::LimitReached,
            Self::NoPath { .. } | Self::NoDisjointPair { .. } | Self::NoneOfCandidates { .. } => Code::NoPath,
        }
    }
}

impl Graph {
    /// The number of a PoP, which must be known.
    pub(super) fn known(&self, pop: &PopId) -> Result<u32, PathError> {
        self.node(pop).ok_or_else(|| PathError::UnknownPop { pop: pop.to_string() })
    }

    /// The numbers of two different PoPs.
    pub(super) fn ends_of(&self, source: &PopId, destination: &PopId) -> Result<(u32, u32), PathError> {
        if source == destination {
            return Err(PathError::SamePop { pop: source.to_string() });
        }
        Ok((self.known(source)?, self.known(destination)?))
    }

    /// The same graph without what is to be avoided. What is avoided must be known.
    pub(super) fn avoiding(&self, avoid: &Avoid) -> Result<Self, PathError> {
        let pops: HashSet<u32> = avoid.pops.iter().map(|pop| self.known(pop)).collect::<Result<_, _>>()?;
        let links: HashSet<u32> = avoid
            .links
            .iter()
            .map(|link| self.edge(link).ok_or_else(|| PathError::UnknownLink { link: link.to_string() }))
            .collect::<Result<_, _>>()?;
        Ok(self.without(|edge, (a, b), srlgs| {
            links.contains(&edge)
                || pops.contains(&a)
                || pops.contains(&b)
                || srlgs.iter().any(|srlg| avoid.srlgs.contains(srlg))
        }))
    }
}

impl Avoid {
    /// Whether nothing is avoided.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.pops.is_empty() && self.links.is_empty() && self.srlgs.is_empty()
    }

    /// An end may not be avoided.
    pub(super) fn check_ends(&self, ends: [&PopId; 2]) -> Result<(), PathError> {
        match ends.into_iter().find(|end| self.pops.contains(end)) {
            Some(end) => Err(PathError::Contradiction { pop: end.to_string() }),
            None => Ok(()),
        }
    }
}

impl Constraints {
    /// Whether a path from source to destination passes what it is to pass and is within the limits; what is to be avoided
    /// is not looked at.
    pub(crate) fn are_met_by(&self, graph: &Graph, path: &DensePath) -> bool {
        let mut inner = path.nodes.iter().skip(1).take(path.edges.len().saturating_sub(1));
        let passes = |pop: &PopId| graph.node(pop).is_some_and(|node| inner.any(|&inner| inner == node));
        self.max_hops.is_none_or(|most| path.edges.len() <= usize::from(most))
            && self.max_length.is_none_or(|most| path.length <= u64::from(most.metres()))
            && self.include.iter().all(passes)
    }
}

impl PathTable {
    /// At most `k` paths from `source` to `destination` that meet the constraints, in the documented order. Nothing of this
    /// is kept.
    ///
    /// Several included PoPs, or a greatest number of hops, make this a search that can take exponentially long; it is given up
    /// after a fixed amount of work. Everything else takes about as long as without constraints.
    ///
    /// ```
    /// use ipowdm_core::ids::{LinkId, PopId};
    /// use ipowdm_core::units::Length;
    /// use ipowdm_ctl_lib::paths::{Constraints, Graph, PathTable};
    ///
    /// let pop = |name| PopId::new(name);
    /// let link = |name, a, b| Ok::<_, ipowdm_core::ids::IdError>((LinkId::new(name)?, pop(a)?, pop(b)?, Length::from_metres(1)));
    /// let links = [link("ab", "a", "b")?, link("ac", "a", "c")?, link("cb", "c", "b")?];
    /// let table = PathTable::new(Graph::new([pop("a")?, pop("b")?, pop("c")?], links)?);
    /// let over_c = Constraints { include: vec![pop("c")?], ..Constraints::default() };
    /// let paths = table.constrained(&pop("a")?, &pop("b")?, 2, &over_c)?;
    /// assert_eq!((paths.len(), paths[0].edges.len()), (1, 2));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`PathError`]; [`PathError::NoPath`] where there is none.
    pub fn constrained(
        &self,
        source: &PopId,
        destination: &PopId,
        k: usize,
        constraints: &Constraints,
    ) -> Result<Vec<DensePath>, PathError> {
        let graph = self.graph();
        let (from, to) = graph.ends_of(source, destination)?;
        let mut include = included(graph, constraints, [source, destination])?;
        if constraints == &Constraints::default() {
            let paths = self.between(from, to, k);
            return oriented(paths.to_vec(), from > to, source, destination);
        }
        let graph = graph.avoiding(&constraints.avoid)?;
        let (low, high) = (from.min(to), from.max(to));
        if from > to {
            // The other direction has the same paths in the same order.
            include.reverse();
        }
        let limit = constraints.max_length.map_or(u64::MAX, |length| u64::from(length.metres()));
        let paths = if include.is_empty() && constraints.max_hops.is_none() {
            let tree = reverse_tree(&graph, high);
            let mut scratch = Scratch::default();
            Search { graph: &graph, tree: &tree, scratch: &mut scratch }.run(low, high, k, limit)
        } else {
            let limits = Limits { include: &include, max_hops: constraints.max_hops, max_length: limit };
            Enumeration::new(&graph, high, limits)?.run(low, k)?
        };
        oriented(paths, from > to, source, destination)
    }
}

/// Paths as they were asked for, of which there must be one.
fn oriented(
    mut paths: Vec<DensePath>,
    backwards: bool,
    source: &PopId,
    destination: &PopId,
) -> Result<Vec<DensePath>, PathError> {
    if paths.is_empty() {
        return Err(PathError::NoPath { from: source.to_string(), to: destination.to_string() });
    }
    if backwards {
        paths.iter_mut().for_each(|path| *path = path.reversed());
    }
    Ok(paths)
}

/// The numbers of the PoPs to be passed, in order.
fn included(graph: &Graph, constraints: &Constraints, ends: [&PopId; 2]) -> Result<Vec<u32>, PathError> {
    let Constraints { avoid, include, .. } = constraints;
    avoid.check_ends(ends)?;
    if include.len() > MAX_INCLUDED {
        let (what, count, most) = ("PoPs to be passed", include.len(), MAX_INCLUDED);
        return Err(PathError::TooMany { what, count, most });
    }
    for (at, pop) in include.iter().enumerate() {
        if ends.contains(&pop) || include[..at].contains(pop) || avoid.pops.contains(pop) {
            return Err(PathError::Contradiction { pop: pop.to_string() });
        }
    }
    include.iter().map(|pop| graph.known(pop)).collect()
}
