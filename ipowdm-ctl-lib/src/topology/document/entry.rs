//! The entries of a document and the records that they stand for.
//!
//! The schema's own fields are `id`, `name`, `lat`, `lon` of a node and `id`, `a`, `b`, `length_km` of a link. All others are
//! ours: they are left out where they say what goes without saying, so a plain network stays a plain document.

use super::{DocumentError, Unread};
use crate::topology::{
    Amplifier, Coordinates, Fibre, FibreLink, Metadata, Pop, Port, Router, Span, Srlg, UpDown,
};
use ipowdm_core::capability::ModuleCapability;
use ipowdm_core::grid::SpectrumWindow;
use ipowdm_core::ids::{LinkId, PopId, PortId, PortRef, RouterId, RouterRef, VopId};
use ipowdm_core::units::{Db, Length, UnitError};
use serde::{Deserialize, Serialize};

/// The id of a node or link: a number or a text; `7` and `"7"` are the same.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum NodeRef {
    /// A number.
    Number(u64),
    /// A text.
    Text(String),
}

impl NodeRef {
    /// An id as a number where it reads as one and is written so.
    pub(super) fn of(id: &str) -> Self {
        match id.parse::<u64>() {
            Ok(number) if number.to_string() == id => Self::Number(number),
            _ => Self::Text(id.to_owned()),
        }
    }
}

impl core::fmt::Display for NodeRef {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Number(number) => number.fmt(f),
            Self::Text(text) => text.fmt(f),
        }
    }
}

fn is_up(state: &UpDown) -> bool {
    *state == UpDown::Up
}

fn standard_fibre() -> String {
    "SMF".to_owned()
}

fn is_standard_fibre(fibre: &String) -> bool {
    *fibre == standard_fibre()
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
    /// Where it is, for people.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub location: String,
    /// Who runs it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub operator: String,
    /// What the operator wants.
    #[serde(default, skip_serializing_if = "is_up")]
    pub admin_state: UpDown,
    /// Notes.
    #[serde(default, skip_serializing_if = "Metadata::is_empty")]
    pub metadata: Metadata,
    #[serde(flatten)]
    pub(super) unread: Unread,
}

/// A stretch of fibre of a document.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct SpanEntry {
    length_km: f64,
    loss_db: f64,
}

/// An amplifier of a document.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct AmplifierEntry {
    fibre: Fibre,
    spans_from_a: u16,
    #[serde(default)]
    kind: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    gain_db: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    noise_figure_db: Option<f64>,
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
    /// The kind of fibre.
    #[serde(default = "standard_fibre", skip_serializing_if = "is_standard_fibre")]
    pub fibre: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) spans: Vec<SpanEntry>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) amplifiers: Vec<AmplifierEntry>,
    /// The bands that it carries.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub bands: Vec<SpectrumWindow>,
    /// Its risk groups.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub srlgs: Vec<Srlg>,
    /// What the operator wants.
    #[serde(default, skip_serializing_if = "is_up")]
    pub admin_state: UpDown,
    /// What is seen.
    #[serde(default, skip_serializing_if = "is_up")]
    pub oper_state: UpDown,
    /// Notes.
    #[serde(default, skip_serializing_if = "Metadata::is_empty")]
    pub metadata: Metadata,
    #[serde(flatten)]
    pub(super) unread: Unread,
}

/// A router of a document.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RouterEntry {
    /// The node it is in.
    pub node: NodeRef,
    /// Its id in that node.
    pub id: NodeRef,
    /// What it is, for people.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// What the operator wants.
    #[serde(default, skip_serializing_if = "is_up")]
    pub admin_state: UpDown,
    /// Notes.
    #[serde(default, skip_serializing_if = "Metadata::is_empty")]
    pub metadata: Metadata,
}

/// A port of a document.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PortEntry {
    /// The node it is in.
    pub node: NodeRef,
    /// The router it is on.
    pub router: NodeRef,
    /// Its id on that router.
    pub id: NodeRef,
    /// What the module in it can do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub capability: Option<ModuleCapability>,
    /// The virtual operator it is assigned to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vop: Option<VopId>,
    /// What the operator wants.
    #[serde(default, skip_serializing_if = "is_up")]
    pub admin_state: UpDown,
    /// What is seen.
    #[serde(default, skip_serializing_if = "is_up")]
    pub oper_state: UpDown,
    /// Notes.
    #[serde(default, skip_serializing_if = "Metadata::is_empty")]
    pub metadata: Metadata,
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
    pub(super) fn to_pop(&self) -> Result<Pop, DocumentError> {
        let mut pop = Pop::new(PopId::new(&self.id.to_string())?);
        if !self.name.is_empty() {
            pop.name.clone_from(&self.name);
        }
        if let (Some(lat), Some(lon)) = (self.lat, self.lon) {
            let number = |source| DocumentError::Number { id: self.id.to_string(), source };
            let (latitude_udeg, longitude_udeg) = (udeg(lat).map_err(number)?, udeg(lon).map_err(number)?);
            pop.coordinates = Some(Coordinates { latitude_udeg, longitude_udeg });
        }
        let (location, operator) = (self.location.clone(), self.operator.clone());
        Ok(Pop { location, operator, admin: self.admin_state, metadata: self.metadata.clone(), ..pop })
    }

    pub(super) fn of(pop: &Pop) -> Self {
        let degrees = |udeg: i32| f64::from(udeg) / 1e6;
        Self {
            id: NodeRef::of(pop.id.as_str()),
            name: pop.name.clone(),
            lat: pop.coordinates.map(|at| degrees(at.latitude_udeg)),
            lon: pop.coordinates.map(|at| degrees(at.longitude_udeg)),
            location: pop.location.clone(),
            operator: pop.operator.clone(),
            admin_state: pop.admin,
            metadata: pop.metadata.clone(),
            unread: Unread::new(),
        }
    }
}

impl AmplifierEntry {
    fn to_amplifier(&self) -> Result<Amplifier, UnitError> {
        Ok(Amplifier {
            fibre: self.fibre,
            spans_from_a: self.spans_from_a,
            kind: self.kind.clone(),
            gain: self.gain_db.map(Db::from_number).transpose()?,
            noise_figure: self.noise_figure_db.map(Db::from_number).transpose()?,
        })
    }

    fn of(amplifier: &Amplifier) -> Self {
        Self {
            fibre: amplifier.fibre,
            spans_from_a: amplifier.spans_from_a,
            kind: amplifier.kind.clone(),
            gain_db: amplifier.gain.map(Db::value),
            noise_figure_db: amplifier.noise_figure.map(Db::value),
        }
    }
}

impl LinkEntry {
    pub(super) fn to_link(&self) -> Result<FibreLink, DocumentError> {
        let number = |source| DocumentError::Number { id: self.id.to_string(), source };
        let span = |span: &SpanEntry| {
            Ok(Span { length: Length::from_km(span.length_km)?, loss: Db::from_number(span.loss_db)? })
        };
        let link = FibreLink {
            fibre: self.fibre.clone(),
            spans: self.spans.iter().map(span).collect::<Result<_, _>>().map_err(number)?,
            amplifiers: self
                .amplifiers
                .iter()
                .map(AmplifierEntry::to_amplifier)
                .collect::<Result<_, _>>()
                .map_err(number)?,
            bands: self.bands.clone(),
            srlgs: self.srlgs.clone(),
            admin: self.admin_state,
            oper: self.oper_state,
            metadata: self.metadata.clone(),
            ..FibreLink::new(
                LinkId::new(&self.id.to_string())?,
                PopId::new(&self.a.to_string())?,
                PopId::new(&self.b.to_string())?,
                Length::from_km(self.length_km).map_err(number)?,
            )
        };
        match link.fault() {
            Some((field, reason)) => Err(DocumentError::Link { id: link.id.to_string(), field, reason }),
            None => Ok(link),
        }
    }

    pub(super) fn of(link: &FibreLink) -> Self {
        let span = |span: &Span| SpanEntry { length_km: span.length.km(), loss_db: span.loss.value() };
        Self {
            id: NodeRef::of(link.id.as_str()),
            a: NodeRef::of(link.a.as_str()),
            b: NodeRef::of(link.b.as_str()),
            length_km: link.length.km(),
            fibre: link.fibre.clone(),
            spans: link.spans.iter().map(span).collect(),
            amplifiers: link.amplifiers.iter().map(AmplifierEntry::of).collect(),
            bands: link.bands.clone(),
            srlgs: link.srlgs.clone(),
            admin_state: link.admin,
            oper_state: link.oper,
            metadata: link.metadata.clone(),
            unread: Unread::new(),
        }
    }
}

impl RouterEntry {
    pub(super) fn to_router(&self) -> Result<Router, DocumentError> {
        let pop_id = PopId::new(&self.node.to_string())?;
        let router_id = RouterId::new(&self.id.to_string())?;
        Ok(Router {
            description: self.description.clone(),
            admin: self.admin_state,
            metadata: self.metadata.clone(),
            ..Router::new(RouterRef { pop_id, router_id })
        })
    }

    pub(super) fn of(router: &Router) -> Self {
        Self {
            node: NodeRef::of(router.at.pop_id.as_str()),
            id: NodeRef::of(router.at.router_id.as_str()),
            description: router.description.clone(),
            admin_state: router.admin,
            metadata: router.metadata.clone(),
        }
    }
}

impl PortEntry {
    pub(super) fn to_port(&self) -> Result<Port, DocumentError> {
        let at = PortRef {
            pop_id: PopId::new(&self.node.to_string())?,
            router_id: RouterId::new(&self.router.to_string())?,
            port_id: PortId::new(&self.id.to_string())?,
        };
        Ok(Port {
            capability: self.capability.clone(),
            vop: self.vop.clone(),
            admin: self.admin_state,
            oper: self.oper_state,
            metadata: self.metadata.clone(),
            ..Port::new(at)
        })
    }

    pub(super) fn of(port: &Port) -> Self {
        Self {
            node: NodeRef::of(port.at.pop_id.as_str()),
            router: NodeRef::of(port.at.router_id.as_str()),
            id: NodeRef::of(port.at.port_id.as_str()),
            capability: port.capability.clone(),
            vop: port.vop.clone(),
            admin_state: port.admin,
            oper_state: port.oper,
            metadata: port.metadata.clone(),
        }
    }
}
