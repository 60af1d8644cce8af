//! Topologies as JSON documents of schema `linkdb-topology/1`.

mod entry;
mod error;
#[cfg(test)]
mod tests;

pub use entry::{LinkEntry, NodeEntry, NodeRef, PortEntry, RouterEntry};
pub use error::DocumentError;

use super::{FibreLink, Network, Pop, Port, Router};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet, HashSet};

/// The schema that is read and written.
const SCHEMA: &str = "linkdb-topology/1";

/// Fields that have no place here, by name.
pub(super) type Unread = BTreeMap<String, serde_json::Value>;

/// A network in the exchange form: nodes become PoPs, links become fibre links.
///
/// ```
/// use ipowdm_ctl_lib::topology::TopologyDocument;
///
/// let document = TopologyDocument::from_json(r#"{
///     "schema": "linkdb-topology/1", "name": "triangle",
///     "nodes": [{"id": 0, "name": "Bern"}, {"id": 1, "name": "Brig"}, {"id": 2, "name": "Basel"}],
///     "links": [{"id": 0, "a": 0, "b": 1, "length_km": 84.5}, {"id": 1, "a": 1, "b": 2, "length_km": 160}]
/// }"#)?;
/// let (pops, links) = document.into_records()?;
/// assert_eq!(pops[0].name, "Bern");
/// assert_eq!(links[0].length.metres(), 84_500);
/// # Ok::<(), ipowdm_ctl_lib::topology::DocumentError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TopologyDocument {
    /// Always `linkdb-topology/1`.
    pub schema: String,
    /// Name of the network.
    #[serde(default)]
    pub name: String,
    /// Where the data came from.
    #[serde(default)]
    pub source: String,
    /// What else should be known.
    #[serde(default)]
    pub note: String,
    /// Whether each link is one fibre from a to b. Only undirected networks are read: a link is a pair of fibres.
    #[serde(default)]
    pub directed: bool,
    /// Whether several links between two nodes were made one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parallel_links_merged: Option<bool>,
    /// The nodes.
    pub nodes: Vec<NodeEntry>,
    /// The links.
    pub links: Vec<LinkEntry>,
    /// Routers in the nodes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub routers: Vec<RouterEntry>,
    /// Ports of the routers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ports: Vec<PortEntry>,
    #[serde(flatten)]
    unread: Unread,
}

/// A whole inventory: what a document says, as records.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Topology {
    /// The network as a whole.
    pub network: Network,
    /// PoPs.
    pub pops: Vec<Pop>,
    /// Fibre links.
    pub links: Vec<FibreLink>,
    /// Routers.
    pub routers: Vec<Router>,
    /// Ports.
    pub ports: Vec<Port>,
}

impl TopologyDocument {
    /// Reads a document.
    ///
    /// # Errors
    /// [`DocumentError::Malformed`], [`DocumentError::Schema`], [`DocumentError::Directed`].
    pub fn from_json(text: &str) -> Result<Self, DocumentError> {
        let document: Self = serde_json::from_str(text)
            .map_err(|error| DocumentError::Malformed { reason: error.to_string() })?;
        if document.schema != SCHEMA {
            return Err(DocumentError::Schema { schema: document.schema });
        }
        if document.directed {
            return Err(DocumentError::Directed);
        }
        Ok(document)
    }

    /// The fields of the document, of its nodes and of its links that say something for which there is no place here. They are
    /// not refused, so that other tools' documents can be read; whoever imports one should show them.
    #[must_use]
    pub fn unread(&self) -> Vec<String> {
        let of = |prefix: &'static str, unread: &Unread| -> Vec<String> {
            unread.keys().map(|name| format!("{prefix}{name}")).collect()
        };
        let nodes = self.nodes.iter().flat_map(|node| of("nodes[].", &node.unread));
        let links = self.links.iter().flat_map(|link| of("links[].", &link.unread));
        let all: BTreeSet<String> = of("", &self.unread).into_iter().chain(nodes).chain(links).collect();
        all.into_iter().collect()
    }

    /// The PoPs and links of the document, in its order.
    ///
    /// # Errors
    /// As [`TopologyDocument::into_topology`].
    pub fn into_records(self) -> Result<(Vec<Pop>, Vec<FibreLink>), DocumentError> {
        self.into_topology().map(|topology| (topology.pops, topology.links))
    }

    /// Everything that the document says, in its order.
    ///
    /// # Errors
    /// [`DocumentError`] naming the first entry that is not legal.
    pub fn into_topology(self) -> Result<Topology, DocumentError> {
        let pops: Vec<Pop> = self.nodes.iter().map(NodeEntry::to_pop).collect::<Result<_, _>>()?;
        let links: Vec<FibreLink> = self.links.iter().map(LinkEntry::to_link).collect::<Result<_, _>>()?;
        let routers: Vec<Router> =
            self.routers.iter().map(RouterEntry::to_router).collect::<Result<_, _>>()?;
        let ports: Vec<Port> = self.ports.iter().map(PortEntry::to_port).collect::<Result<_, _>>()?;
        let nodes = each_once(pops.iter().map(|pop| &pop.id))?;
        each_once(links.iter().map(|link| &link.id))?;
        let homes = each_once(routers.iter().map(|router| &router.at))?;
        each_once(ports.iter().map(|port| &port.at))?;
        for link in &links {
            if link.a == link.b || !nodes.contains(&link.a) || !nodes.contains(&link.b) {
                return Err(DocumentError::Ends {
                    link: link.id.to_string(),
                    a: link.a.to_string(),
                    b: link.b.to_string(),
                });
            }
        }
        if let Some(router) = routers.iter().find(|router| !nodes.contains(&router.at.pop_id)) {
            return Err(DocumentError::Homeless { id: format!("router {}", router.at) });
        }
        if let Some(port) = ports.iter().find(|port| !homes.contains(&port.at.router())) {
            return Err(DocumentError::Homeless { id: format!("port {}", port.at) });
        }
        let Self { name, source, note, parallel_links_merged, .. } = self;
        Ok(Topology {
            network: Network { name, source, note, parallel_links_merged },
            pops,
            links,
            routers,
            ports,
        })
    }

    /// The document of some PoPs and links.
    #[must_use]
    pub fn from_records(name: &str, pops: &[Pop], links: &[FibreLink]) -> Self {
        let network = Network { name: name.to_owned(), ..Network::default() };
        Self::from_parts(&network, pops, links)
    }

    /// The document of a whole inventory.
    #[must_use]
    pub fn from_topology(topology: &Topology) -> Self {
        Self {
            routers: topology.routers.iter().map(RouterEntry::of).collect(),
            ports: topology.ports.iter().map(PortEntry::of).collect(),
            ..Self::from_parts(&topology.network, &topology.pops, &topology.links)
        }
    }

    fn from_parts(network: &Network, pops: &[Pop], links: &[FibreLink]) -> Self {
        let Network { name, source, note, parallel_links_merged } = network.clone();
        Self {
            schema: SCHEMA.to_owned(),
            name,
            source,
            note,
            directed: false,
            parallel_links_merged,
            nodes: pops.iter().map(NodeEntry::of).collect(),
            links: links.iter().map(LinkEntry::of).collect(),
            routers: Vec::new(),
            ports: Vec::new(),
            unread: Unread::new(),
        }
    }

    /// The document as JSON.
    ///
    /// # Errors
    /// [`DocumentError::Malformed`] where a number is not finite.
    pub fn to_json(&self) -> Result<String, DocumentError> {
        serde_json::to_string_pretty(self)
            .map_err(|error| DocumentError::Malformed { reason: error.to_string() })
    }
}

/// All of these, of which none may appear twice.
fn each_once<T: Eq + core::hash::Hash + core::fmt::Display>(
    ids: impl Iterator<Item = T>,
) -> Result<HashSet<T>, DocumentError> {
    let mut seen = HashSet::new();
    for id in ids {
        if let Some(twice) = seen.replace(id) {
            return Err(DocumentError::Twice { id: twice.to_string() });
        }
    }
    Ok(seen)
}
