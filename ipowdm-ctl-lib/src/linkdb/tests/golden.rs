//! Golden bytes of every stored record: a change of a type, here or in the core crate, that changes what is stored is
//! seen before a store is.

use super::*;
use crate::spectrum::{Incarnation, PortClaim, Quota, SlotOwner, VopConnection, VopUsage};
use crate::store::outbox::RejectedMessage;
use crate::store::{OutboxRecord, Record, Version, decode, encode};
use crate::topology::{Amplifier, Coordinates, Fibre, Network, Span, Srlg, UpDown};
use core::fmt::Debug;
use ipowdm_core::capability::{ApplicationInfo, ModuleCapability, PowerRange};
use ipowdm_core::time::Timestamp;
use ipowdm_core::units::{Db, Power};

/// Checks that a record is stored as these bytes and reads back from them.
fn golden<T: Record + PartialEq + Debug>(record: &T, bytes: &[u8]) {
    let key = RawKey::from_stored(T::KIND);
    let stored = encode(&key, record).unwrap();
    assert_eq!(&*stored, bytes, "{}", String::from_utf8_lossy(&stored).escape_debug());
    assert_eq!(&decode::<T>(&key, bytes).unwrap(), record);
}

fn owner() -> Owner {
    Owner { connection_id: connection("c"), incarnation: Incarnation(Version::new(7)) }
}

fn port() -> PortRef {
    PortRef { pop_id: pop("b"), router_id: RouterId::new("r").unwrap(), port_id: PortId::new("p").unwrap() }
}

#[test]
fn inventory() {
    let place = Coordinates { latitude_udeg: 1, longitude_udeg: -1 };
    let mut there = Pop::new(pop("b"));
    there.operator = "telco".to_owned();
    there.coordinates = Some(place);
    there.admin = UpDown::Down;
    there.metadata.set("k", "v").unwrap();
    golden(&there, b"\x02\x01b\x01b\x00\x05telco\x01\x02\x01\x01\x01\x01k\x01v");
    let router = Router { description: "x".to_owned(), ..Router::new(port().router()) };
    golden(&router, b"\x02\x01b\x01r\x01x\x00\x00");
    let mut line = FibreLink::new(link("l"), pop("a"), pop("b"), Length::from_metres(300));
    line.spans = vec![Span { length: Length::from_metres(300), loss: Db::from_hundredths(-1) }];
    line.oper = UpDown::Down;
    line.amplifiers = vec![Amplifier {
        fibre: Fibre::BToA,
        spans_from_a: 1,
        kind: "E".to_owned(),
        gain: Some(Db::from_hundredths(1)),
        noise_figure: None,
    }];
    line.bands = vec![SpectrumWindow { low: mhz(1), high: mhz(2) }];
    line.srlgs = vec![Srlg(300)];
    let mut bytes = b"\x02\x01l\x01a\x01b\xac\x02\x03SMF\x01\xac\x02\x01\x00\x01".to_vec();
    bytes.extend(b"\x01\x01\x01\x01E\x01\x02\x00\x01\x01\x02\x01\xac\x02\x00");
    golden(&line, &bytes);
    golden(&TopologyEpoch(300), b"\x01\xac\x02");
    let network = Network { name: "n".to_owned(), parallel_links_merged: Some(true), ..Network::default() };
    golden(&network, b"\x01\x01n\x00\x00\x01\x01");
}

#[test]
fn port_with_its_module() {
    let module = ModuleCapability {
        grids: [GridRange { grid: Grid::Ghz75, low_channel: -3, high_channel: 3 }].into_iter().collect(),
        tx_power: Some(PowerRange { min: Power::from_hundredths(-1500), max: Power::from_hundredths(0) }),
        applications: [ApplicationInfo {
            app_sel: 1,
            host_code: 0x11,
            media_code: 0x46,
            host_lanes: 8,
            media_lanes: 1,
        }]
        .into_iter()
        .collect(),
    };
    let known =
        Port { capability: Some(module), vop: Some(vop("v")), oper: UpDown::Down, ..Port::new(port()) };
    golden(
        &known,
        b"\x02\x01b\x01r\x01p\x01\x01\x07\x05\x06\x01\xb7\x17\x00\x01\x01\x11\x46\x08\x01\x01\x01v\x00\x01\x00",
    );
    golden(&Port::new(port()), b"\x02\x01b\x01r\x01p\x00\x00\x00\x00\x00");
}

#[test]
fn spectrum() {
    let raster = Raster::new(mhz(193_100_000), 70).unwrap();
    let mut spectrum = LinkSpectrum::free(raster);
    let alien = Occupant::Alien(ReservationId::new("x").unwrap());
    let alien = Occupied { first: 12, count: 3, guard: 2, fibres: Fibres::BToA, by: alien };
    spectrum.take(&alien).unwrap();
    let by = Occupant::Connection(owner());
    spectrum.take(&Occupied { first: 0, count: 8, guard: 4, fibres: Fibres::Both, by }).unwrap();
    let mut bytes = b"\x02\xe0\xf1\x89\x5c\x46\x22".to_vec();
    bytes.extend(b"\x00\x00\x08\x00\x04\x00\x03\x01\x07\x00\x00\x00\x00\x00\x00\x00c");
    bytes.extend(b"\x0c\x00\x03\x00\x02\x00\x22\x01\x00\x00\x00\x00\x00\x00\x00\x00x");
    golden(&spectrum, &bytes);
    let key = LinkSpectrum::key(&link("l"));
    let refused = |at: usize, byte: u8| {
        let mut bytes = bytes.clone();
        bytes[at] = byte;
        assert!(matches!(decode::<LinkSpectrum>(key.raw(), &bytes), Err(StoreError::Corrupt { .. })), "{at}");
    };
    // Owners that overlap, leave the band, are not in order, are on no fibre, of no kind, longer than the rest.
    for (at, byte) in [(9, 13), (26, 70), (7, 13), (13, 0), (30, 0x33), (31, 2)] {
        refused(at, byte);
    }

    golden(&SlotOwner { owner: owner(), slot: FlexSlot { n: -1, m: 6 } }, b"\x01\x01c\x07\x01\x06");
    golden(&PortClaim { owner: owner() }, b"\x01\x01c\x07");
    golden(&VopConnection, b"\x01");
    let window = SpectrumWindow { low: mhz(1), high: mhz(2) };
    let pool = VopGrant::pool(vop("v"), vec![window]);
    golden(&pool, b"\x03\x01v\x01\x01\x02\x00\x00\x00");
    let quota = Quota { connections: Some(3), slot_links: Some(300) };
    golden(
        &VopGrant { exclusive: true, ..pool.clone().with_quota(quota) },
        b"\x03\x01v\x01\x01\x02\x01\x01\x01\x03\x01\xac\x02\x00",
    );
    golden(
        &pool.clone().on_link(link("l"), vec![window]).on_link(link("m"), Vec::new()),
        b"\x03\x01v\x01\x01\x02\x00\x00\x02\x01l\x01\x01\x02\x01m\x00",
    );
    golden(&VopUsage { connections: 3, slot_links: 300 }, b"\x01\x03\xac\x02");
    let before = b"\x02\x01v\x01\x01\x02\x01\x01\x01\x03\x01\xac\x02";
    let before: VopGrant = decode(&RawKey::from_stored("vop-grant"), before).unwrap();
    assert_eq!(before, VopGrant { exclusive: true, ..pool.with_quota(quota) });
}

#[test]
fn messages() {
    let message = OutboxRecord { topic: "t".to_owned(), key: b"k".to_vec(), payload: None };
    golden(&message, b"\x01\x01t\x01k\x00");
    let full = OutboxRecord { payload: Some(b"{}".to_vec()), ..message };
    golden(&full, b"\x01\x01t\x01k\x01\x02{}");
    let rejected = RejectedMessage { message: Some(full), reason: "r".to_owned() };
    golden(&rejected, b"\x01\x01\x01t\x01k\x01\x02{}\x01r");
}

#[test]
fn grant() {
    let grant = Grant {
        request: AllocationRequest {
            destination: Endpoint::any_free(pop("b")),
            tuning: Tuning::Grid(Grid::Ghz75),
            ..request("c", "a", "b", 6)
        },
        incarnation: Incarnation(Version::new(7)),
        path: Path {
            pops: vec![pop("a"), pop("b")],
            hops: vec![Hop { link: link("ab"), direction: Direction::BToA }],
            length: Length::from_metres(80_000),
        },
        slot: FlexSlot { n: 0, m: 6 },
        frequency: Frequency::ANCHOR,
        source_port: None,
        destination_port: Some(port()),
        made_at: Timestamp(1_500),
        held: true,
        moving: None,
    };
    let asked = b"\x01c\x04vOp1\x01a\x00\x01b\x01\x06\x01\x07\x00\x05";
    let given =
        b"\x07\x02\x01a\x01b\x01\x02ab\x01\x80\xf1\x04\x00\x06\xe0\xf1\x89\x5c\x00\x01\x01b\x01r\x01p";
    let added = b"\x00\x00\x00\x00\x00\x00\x00\x00\x00";
    golden(&grant, &[b"\x02".as_slice(), asked, added, given, &1.5_f64.to_le_bytes(), b"\x01\x00"].concat());
    let before = [b"\x01".as_slice(), asked, given].concat();
    assert_eq!(
        decode::<Grant>(&RawKey::from_stored("grant"), &before).unwrap(),
        Grant { made_at: Timestamp(0), held: false, ..grant }
    );
}
