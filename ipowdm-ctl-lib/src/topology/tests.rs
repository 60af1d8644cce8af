//! What earlier versions have stored is still read. The bytes of the present version are in LinkDB's golden tests.

use super::*;
use crate::store::{StoreError, decode};
use core::fmt::Debug;
use ipowdm_core::grid::{Raster, SpectrumWindow};
use ipowdm_core::ids::{LinkId, PortId, RouterId};
use ipowdm_core::slots::Slots;
use ipowdm_core::units::{Db, Frequency, Length};

fn port_ref() -> PortRef {
    PortRef {
        pop_id: PopId::new("b").unwrap(),
        router_id: RouterId::new("r").unwrap(),
        port_id: PortId::new("p").unwrap(),
    }
}

fn link() -> FibreLink {
    let pop = |id| PopId::new(id).unwrap();
    FibreLink::new(LinkId::new("l").unwrap(), pop("a"), pop("b"), Length::from_metres(300))
}

/// Checks that bytes of version 1 read as this record, and that bytes after them are refused.
fn upgraded<T: Record + PartialEq + Debug>(key: &Key<T>, bytes: &[u8], record: &T) {
    assert_eq!(&decode::<T>(key.raw(), bytes).unwrap(), record);
    let longer = [bytes, &[0]].concat();
    assert!(matches!(decode::<T>(key.raw(), &longer), Err(StoreError::Corrupt { .. })));
}

#[test]
fn version_1_of_pop_router_port_and_link_is_read() {
    let mut pop = Pop::new(port_ref().pop_id);
    pop.operator = "telco".to_owned();
    pop.coordinates = Some(Coordinates { latitude_udeg: 1, longitude_udeg: -1 });
    upgraded(&Pop::key(&pop.id), b"\x01\x01b\x01b\x00\x05telco\x01\x02\x01", &pop);

    let router = Router { description: "x".to_owned(), ..Router::new(port_ref().router()) };
    upgraded(&Router::key(&router.at), b"\x01\x01b\x01r\x01x", &router);

    let port = Port { vop: Some(VopId::new("v").unwrap()), ..Port::new(port_ref()) };
    upgraded(&Port::key(&port.at), b"\x01\x01b\x01r\x01p\x00\x01\x01v", &port);

    let mut line = link();
    line.spans = vec![Span { length: Length::from_metres(300), loss: Db::from_hundredths(-1) }];
    line.oper = UpDown::Down;
    upgraded(&FibreLink::key(&line.id), b"\x01\x01l\x01a\x01b\xac\x02\x03SMF\x01\xac\x02\x01\x00\x01", &line);
}

fn window(low_ghz: u32, high_ghz: u32) -> SpectrumWindow {
    let at = |ghz: u32| Frequency::from_mhz(ghz * 1_000);
    SpectrumWindow { low: at(low_ghz), high: at(high_ghz) }
}

#[test]
fn a_link_carries_its_bands_and_without_any_all() {
    let mut line = link();
    assert_eq!(line.carried(Raster::C_BAND), Slots::all_free(784));
    line.bands = vec![window(190_000, 191_300), window(196_100, 197_000)];
    assert_eq!(line.carried(Raster::C_BAND).runs().collect::<Vec<_>>(), [(0, 8), (776, 8)]);
    line.bands = vec![window(180_000, 181_000)];
    assert_eq!(line.carried(Raster::C_BAND).free(), 0);
}

#[test]
fn what_cannot_be_of_a_link_is_named() {
    let fault = |change: fn(&mut FibreLink)| {
        let mut line = link();
        change(&mut line);
        line.fault().map(|(field, _)| field)
    };
    assert_eq!(fault(|_| {}), None);
    assert_eq!(fault(|line| line.bands = vec![window(2, 2)]), Some("bands"));
    assert_eq!(fault(|line| line.bands = vec![window(3, 5), window(4, 6)]), Some("bands"));
    assert_eq!(fault(|line| line.bands = vec![window(3, 5), window(5, 6)]), None);
    assert_eq!(fault(|line| line.srlgs = vec![Srlg(7), Srlg(7)]), Some("srlgs"));
    assert_eq!(fault(|line| line.srlgs = (0..65).map(Srlg).collect()), Some("srlgs"));
    assert_eq!(fault(|line| line.fibre = "x".repeat(64)), Some("fibre"));
    let span = Span { length: Length::from_metres(1), loss: Db::from_hundredths(1) };
    let amplifier = |spans_from_a| Amplifier {
        fibre: Fibre::AToB,
        spans_from_a,
        kind: "EDFA".to_owned(),
        gain: None,
        noise_figure: None,
    };
    let mut line = link();
    line.spans = vec![span];
    line.amplifiers = vec![amplifier(1)];
    assert_eq!(line.fault(), None);
    line.amplifiers = vec![amplifier(2)];
    assert!(matches!(line.fault(), Some(("amplifiers", _))));
    line.spans = vec![span; 257];
    assert!(matches!(line.fault(), Some(("spans", _))));
}
