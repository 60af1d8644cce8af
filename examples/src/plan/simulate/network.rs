//! A network from its files: fibres, and the candidate paths of every ordered pair.

use super::{SimulateError, Workload};
use crate::plan::progress::Progress;
use ipowdm_core::ids::PopId;
use ipowdm_ctl_lib::paths::{DensePath, Graph, PathTable};
use ipowdm_ctl_lib::plane::{Candidates, Fibres, Plane};
use ipowdm_ctl_lib::topology::{NodeRef, TopologyDocument};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::Path;

/// The schema of files of paths.
const PATHS_SCHEMA: &str = "ksp/1";

/// A network without traffic.
#[derive(Debug)]
pub(super) struct Network {
    pub(super) plane: Plane,
    /// The candidates of every ordered pair.
    pub(super) pairs: Vec<Candidates>,
}

/// A file of paths. A pair that is listed in one direction only has the same paths reversed in the other.
#[derive(Debug, Deserialize)]
struct PathsDocument {
    schema: String,
    #[serde(rename = "K")]
    k: usize,
    paths: BTreeMap<String, Vec<Vec<NodeRef>>>,
}

fn text_of(path: &Path) -> Result<String, SimulateError> {
    std::fs::read_to_string(path).map_err(|source| SimulateError::File { path: path.to_owned(), source })
}

impl Network {
    /// Reads the topology, and the paths or computes them.
    pub(super) fn read(
        topology: &Path,
        paths: Option<&Path>,
        workload: &Workload,
    ) -> Result<Self, SimulateError> {
        let graph = graph_of(&text_of(topology)?, topology)?;
        let listed = match paths {
            Some(path) => {
                let bad = |reason| SimulateError::Paths { path: path.to_owned(), reason };
                Some(listed_paths(&text_of(path)?, &graph, workload.k).map_err(bad)?)
            }
            None => None,
        };
        Self::new(graph, listed, workload)
    }

    fn new(graph: Graph, listed: Option<Listed>, workload: &Workload) -> Result<Self, SimulateError> {
        let nodes = u32::try_from(graph.nodes()).unwrap_or(u32::MAX);
        if nodes < 2 {
            return Err(SimulateError::TooSmall { nodes: graph.nodes() });
        }
        let fibres = workload.fibres.count(&graph).unwrap_or(u32::MAX);
        let mut plane = Plane::new(fibres, workload.slots)?;
        if workload.guard > 0 {
            plane = plane.keeping_guards()?;
        }
        plane.expect_widths(&workload.sizes);
        let table = PathTable::new(graph);
        let progress = Progress::over(u64::from(nodes));
        let mut pairs = Vec::new();
        for low in 0..nodes {
            for high in low + 1..nodes {
                let ways = [(low, high), (high, low)];
                let candidates = match &listed {
                    Some(listed) => ways.map(|ends| listed.get(&ends).cloned().unwrap_or_default()),
                    None => both_ways(&table.between(low, high, workload.k)),
                };
                for ((from, to), paths) in ways.into_iter().zip(candidates) {
                    if paths.is_empty() {
                        let name =
                            |node| table.graph().pop(node).map(ToString::to_string).unwrap_or_default();
                        return Err(SimulateError::Unreachable { from: name(from), to: name(to) });
                    }
                    let fibres = fibres_of(table.graph(), workload.fibres, &paths);
                    pairs.push(((from, to), plane.add_paths(fibres)?));
                }
            }
            progress.advance();
        }
        // The order in which runs number pairs.
        pairs.sort_unstable_by_key(|(ends, _)| *ends);
        Ok(Self { plane, pairs: pairs.into_iter().map(|(_, candidates)| candidates).collect() })
    }
}

fn graph_of(text: &str, path: &Path) -> Result<Graph, SimulateError> {
    let bad = |source| SimulateError::Topology { path: path.to_owned(), source };
    let (pops, links) =
        TopologyDocument::from_json(text).and_then(TopologyDocument::into_records).map_err(bad)?;
    let pops = pops.into_iter().map(|pop| pop.id);
    Ok(Graph::new(pops, links.into_iter().map(|link| (link.id, link.a, link.b, link.length)))?)
}

/// The candidates from the lower node s to t, and from t to s: the same reversed.
fn both_ways(paths: &[DensePath]) -> [Vec<DensePath>; 2] {
    [paths.to_vec(), paths.iter().map(DensePath::reversed).collect()]
}

fn fibres_of(graph: &Graph, fibres: Fibres, paths: &[DensePath]) -> Vec<Vec<u32>> {
    // A path of the graph always has fibres; one without would be refused by the plane.
    paths.iter().map(|path| fibres.of(graph, path).unwrap_or_default()).collect()
}

/// Paths by ordered pair.
type Listed = BTreeMap<(u32, u32), Vec<DensePath>>;

fn listed_paths(text: &str, graph: &Graph, k: usize) -> Result<Listed, String> {
    let document: PathsDocument = serde_json::from_str(text).map_err(|error| error.to_string())?;
    if document.schema != PATHS_SCHEMA {
        return Err(format!("schema {:?} is not read, only {PATHS_SCHEMA:?}", document.schema));
    }
    if document.k < k {
        return Err(format!("lists {} paths a pair, {k} are asked for", document.k));
    }
    let mut listed = Listed::new();
    for (pair, paths) in &document.paths {
        let mut ends = None;
        for nodes in paths.iter().take(k) {
            let path = path_along(graph, nodes).map_err(|reason| format!("pair {pair}: {reason}"))?;
            let (Some(&from), Some(&to)) = (path.nodes.first(), path.nodes.last()) else { continue };
            if *ends.get_or_insert((from, to)) != (from, to) {
                return Err(format!("pair {pair}: its paths join different nodes"));
            }
            listed.entry((from, to)).or_default().push(path);
        }
    }
    let reversed: Vec<_> = listed
        .iter()
        .filter(|((from, to), _)| !listed.contains_key(&(*to, *from)))
        .map(|((from, to), paths)| ((*to, *from), paths.iter().map(DensePath::reversed).collect()))
        .collect();
    listed.extend(reversed);
    Ok(listed)
}

/// The path along some nodes; of parallel links the shortest, then the first.
fn path_along(graph: &Graph, names: &[NodeRef]) -> Result<DensePath, String> {
    let node = |name: &NodeRef| {
        let known = PopId::new(&name.to_string()).ok().and_then(|pop| graph.node(&pop));
        known.ok_or_else(|| format!("{name} is not a node of the topology"))
    };
    let nodes: Box<[u32]> = names.iter().map(node).collect::<Result<_, _>>()?;
    if nodes.len() < 2 {
        return Err("a path of fewer than two nodes".to_owned());
    }
    if let Some(at) = (1..nodes.len()).find(|&at| nodes[..at].contains(&nodes[at])) {
        return Err(format!("visits node {} twice", names[at]));
    }
    let mut edges = Vec::with_capacity(nodes.len() - 1);
    let mut length = 0;
    for (hop, names) in nodes.windows(2).zip(names.windows(2)) {
        let (edge, metres) = graph
            .link_between(hop[0], hop[1])
            .ok_or_else(|| format!("no link joins {} and {}", names[0], names[1]))?;
        edges.push(edge);
        length += metres;
    }
    let edges = edges.into_boxed_slice();
    Ok(DensePath { nodes, edges, length })
}
