//! Topologies as JSON documents of schema `linkdb-topology/1`.

use super::{Coordinates, FibreLink, Pop};
use ipowdm_core::error::Code;
use ipowdm_core::ids::{IdError, LinkId, PopId};
use ipowdm_core::units::{Length, UnitError};
use serde::{Deserialize, Serialize};
use std::collections::HashSet;

/// The schema that is read and written.
const SCHEMA: &str = "linkdb-topology/1";

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
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub source: String,
    /// What else should be known.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub note: String,
    /// Whether each link is one fibre from a to b. Only undirected networks are read: a link is a pair of fibres.
    #[serde(default)]
    pub directed: bool,
    /// The nodes.
    pub nodes: Vec<NodeEntry>,
    /// The links.
    pub links: Vec<LinkEntry>,
}

/// The id of a node or link: a number or a text; `7` and `"7"` are the same.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum NodeRef {
    /// A number.
    Number(u64),
    /// A text.
    Text(String),
}

impl core::fmt::Display for NodeRef {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Number(number) => number.fmt(f),
            Self::Text(text) => text.fmt(f),
        }
    }
}

/// A node of a document.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NodeEntry {
    /// Its id; it becomes the PoP's.
    pub id: NodeRef,
    /// Its name.
    #[serde(default)]
    pub name: String,
    /// Latitude in degrees.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lat: Option<f64>,
    /// Longitude in degrees.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lon: Option<f64>,
}

/// A link of a document.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LinkEntry {
    /// Its id.
    pub id: NodeRef,
    /// One end.
    pub a: NodeRef,
    /// The other end.
    pub b: NodeRef,
    /// Length in kilometres, read to the metre.
    pub length_km: f64,
}

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
    /// Two nodes or two links have the same id.
    #[error("{id} appears twice")]
    Twice {
        /// The id.
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

/// Degrees as millionths; refused beyond ±180.
fn udeg(degrees: f64) -> Result<i32, UnitError> {
    if !degrees.is_finite() {
        return Err(UnitError::NotFinite { quantity: "coordinate" });
    }
    if degrees.abs() > 180.0 {
        return Err(UnitError::OutOfRange {
            quantity: "coordinate",
            value: degrees,
            min: -180.0,
            max: 180.0,
            unit: "degrees",
        });
    }
    #[expect(clippy::cast_possible_truncation, reason = "at most 180 million by the check above")]
    Ok((degrees * 1e6).round() as i32)
}

impl NodeEntry {
    fn to_pop(&self) -> Result<Pop, DocumentError> {
        let mut pop = Pop::new(PopId::new(&self.id.to_string())?);
        if !self.name.is_empty() {
            pop.name.clone_from(&self.name);
        }
        if let (Some(lat), Some(lon)) = (self.lat, self.lon) {
            let number = |source| DocumentError::Number { id: self.id.to_string(), source };
            let (latitude_udeg, longitude_udeg) = (udeg(lat).map_err(number)?, udeg(lon).map_err(number)?);
            pop.coordinates = Some(Coordinates { latitude_udeg, longitude_udeg });
        }
        Ok(pop)
    }
}

impl LinkEntry {
    fn to_link(&self) -> Result<FibreLink, DocumentError> {
        let length = Length::from_km(self.length_km)
            .map_err(|source| DocumentError::Number { id: self.id.to_string(), source })?;
        Ok(FibreLink::new(
            LinkId::new(&self.id.to_string())?,
            PopId::new(&self.a.to_string())?,
            PopId::new(&self.b.to_string())?,
            length,
        ))
    }
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

    /// The PoPs and links of the document, in its order.
    ///
    /// # Errors
    /// [`DocumentError`] naming the first entry that is not legal.
    pub fn into_records(self) -> Result<(Vec<Pop>, Vec<FibreLink>), DocumentError> {
        let pops: Vec<Pop> = self.nodes.iter().map(NodeEntry::to_pop).collect::<Result<_, _>>()?;
        let links: Vec<FibreLink> = self.links.iter().map(LinkEntry::to_link).collect::<Result<_, _>>()?;
        let mut nodes = HashSet::new();
        for pop in &pops {
            if !nodes.insert(&pop.id) {
                return Err(DocumentError::Twice { id: pop.id.to_string() });
            }
        }
        let mut seen = HashSet::new();
        for link in &links {
            if !seen.insert(&link.id) {
                return Err(DocumentError::Twice { id: link.id.to_string() });
            }
            if link.a == link.b || !nodes.contains(&link.a) || !nodes.contains(&link.b) {
                return Err(DocumentError::Ends {
                    link: link.id.to_string(),
                    a: link.a.to_string(),
                    b: link.b.to_string(),
                });
            }
        }
        Ok((pops, links))
    }

    /// The document of some PoPs and links. States, spans and operators have no place in the schema and are left out.
    #[must_use]
    pub fn from_records(name: &str, pops: &[Pop], links: &[FibreLink]) -> Self {
        let text = |id: &str| NodeRef::Text(id.to_owned());
        let degrees = |udeg: i32| f64::from(udeg) / 1e6;
        Self {
            schema: SCHEMA.to_owned(),
            name: name.to_owned(),
            source: String::new(),
            note: String::new(),
            directed: false,
            nodes: pops
                .iter()
                .map(|pop| NodeEntry {
                    id: text(pop.id.as_str()),
                    name: pop.name.clone(),
                    lat: pop.coordinates.map(|at| degrees(at.latitude_udeg)),
                    lon: pop.coordinates.map(|at| degrees(at.longitude_udeg)),
                })
                .collect(),
            links: links
                .iter()
                .map(|link| LinkEntry {
                    id: text(link.id.as_str()),
                    a: text(link.a.as_str()),
                    b: text(link.b.as_str()),
                    length_km: link.length.km(),
                })
                .collect(),
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

#[cfg(test)]
mod tests {
    use super::*;

    fn document(nodes: &str, links: &str) -> Result<(Vec<Pop>, Vec<FibreLink>), DocumentError> {
        TopologyDocument::from_json(&format!(
            r#"{{"schema":"linkdb-topology/1","name":"t","nodes":[{nodes}],"links":[{links}]}}"#
        ))?
        .into_records()
    }

    const TWO: &str = r#"{"id":0,"name":"Aachen","lat":50.76,"lon":6.04},{"id":"b-1"}"#;

    #[test]
    fn numbers_and_texts_are_ids_and_names_are_kept() {
        let (pops, links) = document(TWO, r#"{"id":7,"a":"0","b":"b-1","length_km":38.898}"#).unwrap();
        assert_eq!(
            (pops[0].id.as_str(), pops[0].name.as_str(), pops[1].name.as_str()),
            ("0", "Aachen", "b-1")
        );
        assert_eq!(
            pops[0].coordinates,
            Some(Coordinates { latitude_udeg: 50_760_000, longitude_udeg: 6_040_000 })
        );
        assert_eq!((links[0].id.as_str(), links[0].length.metres()), ("7", 38_898));
    }

    #[test]
    fn what_is_exported_reads_back_the_same() {
        let (pops, links) = document(TWO, r#"{"id":7,"a":"0","b":"b-1","length_km":38.898}"#).unwrap();
        let json = TopologyDocument::from_records("t", &pops, &links).to_json().unwrap();
        assert_eq!(TopologyDocument::from_json(&json).unwrap().into_records().unwrap(), (pops, links));
    }

    #[test]
    fn bad_entries_are_refused_with_their_reason() {
        let link = |entry: &str| document(TWO, entry).unwrap_err();
        assert!(matches!(link(r#"{"id":7,"a":0,"b":9,"length_km":1}"#), DocumentError::Ends { .. }));
        assert!(matches!(link(r#"{"id":7,"a":0,"b":0,"length_km":1}"#), DocumentError::Ends { .. }));
        assert!(matches!(link(r#"{"id":7,"a":0,"b":"b-1","length_km":-1}"#), DocumentError::Number { .. }));
        assert!(matches!(link(r#"{"id":"a b","a":0,"b":"b-1","length_km":1}"#), DocumentError::Id(_)));
        let twice = r#"{"id":7,"a":0,"b":"b-1","length_km":1},{"id":"7","a":0,"b":"b-1","length_km":2}"#;
        assert_eq!(link(twice), DocumentError::Twice { id: "7".to_owned() });
        assert!(matches!(document(r#"{"id":0},{"id":"0"}"#, ""), Err(DocumentError::Twice { .. })));
        assert!(matches!(
            document(r#"{"id":0,"lat":1000.0,"lon":0.0}"#, ""),
            Err(DocumentError::Number { .. })
        ));
        assert!(matches!(
            link(r#"{"id":7,"a":0,"b":"b-1","length_km":1e400}"#),
            DocumentError::Malformed { .. }
        ));
    }

    #[test]
    fn other_schemas_and_directed_networks_are_refused() {
        let read = |text: &str| TopologyDocument::from_json(text).unwrap_err();
        assert!(matches!(read(r#"{"schema":"x","nodes":[],"links":[]}"#), DocumentError::Schema { .. }));
        let directed = r#"{"schema":"linkdb-topology/1","directed":true,"nodes":[],"links":[]}"#;
        assert_eq!(read(directed), DocumentError::Directed);
        assert!(matches!(read("{"), DocumentError::Malformed { .. }));
    }
}
