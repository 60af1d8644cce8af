//! What is read, what is refused, and that nothing is lost.

use super::*;
use crate::topology::{Amplifier, Coordinates, Fibre, Metadata, Span, Srlg, UpDown};
use ipowdm_core::grid::SpectrumWindow;
use ipowdm_core::ids::{PortId, PortRef, RouterId, VopId};
use ipowdm_core::units::{Db, Frequency, Length};

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
    assert_eq!((pops[0].id.as_str(), pops[0].name.as_str(), pops[1].name.as_str()), ("0", "Aachen", "b-1"));
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
    assert!(matches!(document(r#"{"id":0,"lat":1000.0,"lon":0.0}"#, ""), Err(DocumentError::Number { .. })));
    assert!(matches!(link(r#"{"id":7,"a":0,"b":"b-1","length_km":1e400}"#), DocumentError::Malformed { .. }));
}

#[test]
fn other_schemas_and_directed_networks_are_refused() {
    let read = |text: &str| TopologyDocument::from_json(text).unwrap_err();
    assert!(matches!(read(r#"{"schema":"x","nodes":[],"links":[]}"#), DocumentError::Schema { .. }));
    let directed = r#"{"schema":"linkdb-topology/1","directed":true,"nodes":[],"links":[]}"#;
    assert_eq!(read(directed), DocumentError::Directed);
    assert!(matches!(read("{"), DocumentError::Malformed { .. }));
}

/// Everything that there is a field for.
fn whole() -> Topology {
    let (mut pops, mut links) = document(TWO, r#"{"id":7,"a":"0","b":"b-1","length_km":38.898}"#).unwrap();
    let mut notes = Metadata::default();
    notes.set("asset", "X").unwrap();
    pops[0].location = "hall 3".to_owned();
    pops[0].operator = "telco".to_owned();
    pops[1].admin = UpDown::Down;
    pops[1].metadata = notes.clone();
    let link = &mut links[0];
    link.fibre = "TWC".to_owned();
    link.spans = vec![Span { length: Length::from_metres(38_898), loss: Db::from_hundredths(955) }];
    link.amplifiers = vec![Amplifier {
        fibre: Fibre::BToA,
        spans_from_a: 1,
        kind: "EDFA-20".to_owned(),
        gain: Some(Db::from_hundredths(1_955)),
        noise_figure: None,
    }];
    link.bands = vec![SpectrumWindow {
        low: Frequency::from_mhz(191_250_000),
        high: Frequency::from_mhz(196_150_000),
    }];
    link.srlgs = vec![Srlg(3), Srlg(7)];
    link.oper = UpDown::Down;
    link.metadata = notes.clone();
    let at = PortRef {
        pop_id: pops[0].id.clone(),
        router_id: RouterId::new("r").unwrap(),
        port_id: PortId::new("48").unwrap(),
    };
    let router =
        Router { description: "spine".to_owned(), metadata: notes.clone(), ..Router::new(at.router()) };
    let port = Port {
        vop: Some(VopId::new("vOp1").unwrap()),
        admin: UpDown::Down,
        metadata: notes,
        ..Port::new(at)
    };
    let network = Network { name: "two".to_owned(), note: "n".to_owned(), ..Network::default() };
    Topology { network, pops, links, routers: vec![router], ports: vec![port] }
}

#[test]
fn a_whole_inventory_reads_back_the_same() {
    let whole = whole();
    let json = TopologyDocument::from_topology(&whole).to_json().unwrap();
    let read = TopologyDocument::from_json(&json).unwrap();
    assert_eq!(read.unread(), Vec::<String>::new());
    assert_eq!(read.into_topology().unwrap(), whole);
}

#[test]
fn fields_without_a_place_are_named() {
    let read = TopologyDocument::from_json(
        r#"{"schema":"linkdb-topology/1","author":"x","nodes":[{"id":1,"height":3}],"links":[]}"#,
    );
    assert_eq!(read.unwrap().unread(), ["author", "nodes[].height"]);
}

#[test]
fn routers_and_ports_need_a_place_in_the_document() {
    let refused = |change: fn(&mut Topology)| {
        let mut topology = whole();
        change(&mut topology);
        TopologyDocument::from_topology(&topology).into_topology().unwrap_err()
    };
    assert!(matches!(refused(|all| all.routers.clear()), DocumentError::Homeless { .. }));
    let elsewhere = |all: &mut Topology| {
        all.pops.remove(0);
        all.links.clear();
    };
    assert!(matches!(refused(elsewhere), DocumentError::Homeless { .. }));
    assert!(matches!(refused(|all| all.ports.push(all.ports[0].clone())), DocumentError::Twice { .. }));
    assert!(matches!(
        refused(|all| all.links[0].srlgs.reverse()),
        DocumentError::Link { field: "srlgs", .. }
    ));
}
